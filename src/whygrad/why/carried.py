"""The paths that carry an output: from an input through one unit of every layer, the heaviest first.

    path k → j¹ → … → m  =  (xₖ − x⁰ₖ) W¹ μ¹ W² μ² … Wᴸ,   Σ over all paths = what the inputs add to zᴸₘ

μ is the slope of each unit where lines are straight; elsewhere the slope of the chord, Δa/Δz between the
baseline and the example, so that the paths add up to the whole difference there as well. The heaviest are
found best first, by the largest |product| that a path begun can still reach; none is enumerated.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.functions import Array
from whygrad.why.attribution import Outcome
from whygrad.why.passing import onward


@dataclass(frozen=True)
class Path:
    """One path: its unit of every layer 0 … L, and what it carries to zᴸ."""

    units: tuple[int, ...]
    value: float


@dataclass(frozen=True, eq=False)
class Carried:
    """What flows along every connection (as W[l], by layer), what in all, and the heaviest paths."""

    flow: tuple[Any, ...]
    total: float
    count: int
    paths: tuple[Path, ...]


def carry(outcome: Outcome, x: Array, baseline: Array, top: int) -> Carried:
    """Follow what the inputs add to zᴸ of the outcome's output; exact where lines are straight."""
    net, W = outcome.net, outcome.theta.W
    slopes = _multipliers(outcome, x, baseline)
    steps: list[Any] = [None] + [slopes[l][:, None] * W[l] for l in range(1, net.L)]
    steps.append(W[net.L][[outcome.m]])
    reach: list[Any] = [None] * net.L + [np.ones(1)]
    back: list[Any] = [None] * net.L + [np.ones(1)]
    for l in range(net.L, 0, -1):
        reach[l - 1] = (abs(steps[l]) * reach[l][:, None]).max(axis=0)
        back[l - 1] = back[l] @ steps[l]
    forward, flow = x - baseline, [None]
    for l in range(1, net.L + 1):
        part = back[l][:, None] * steps[l] * forward
        if l == net.L:
            whole = np.zeros_like(W[l])
            whole[outcome.m] = part[0]
            part = whole
        flow.append(part)
        forward = steps[l] @ forward
    count = int(np.prod([int(size) for size in net.sizes[:-1]], dtype=object))
    paths = _heaviest(steps, reach, x - baseline, top)
    found = tuple(Path((*units[:-1], outcome.m), value) for units, value in paths)
    return Carried(tuple(flow), float(forward[0]), count, found)


def _multipliers(outcome: Outcome, x: Array, baseline: Array) -> list[Any]:
    """Give the slope, or the chord's where lines are not straight, of every hidden unit."""
    net = outcome.net
    z, a = onward(net, outcome.theta, 1, outcome.start(np.stack([x, baseline])))
    found: list[Any] = [None]
    for l in range(1, net.L):
        slopes = net.f[l].derivative(z[l][:1])[0]
        if not outcome.straight:
            dz, da = z[l][0] - z[l][1], a[l][0] - a[l][1]
            slopes = np.where(
                abs(dz) > 1e-9 * (1 + abs(z[l][0])), da / np.where(dz == 0, 1, dz), slopes
            )
        found.append(slopes)
    return found


def _heaviest(
    steps: Sequence[Any], reach: Sequence[Any], start: Array, top: int
) -> list[tuple[tuple[int, ...], float]]:
    """Search best first. Of every beginning only its `top` best continuations can be among the `top`."""
    bounds = abs(start) * reach[0]
    heap: list[tuple[float, tuple[int, ...], float]] = [
        (-float(bounds[k]), (int(k),), float(start[k])) for k in _largest(bounds, top) if bounds[k]
    ]
    heapq.heapify(heap)
    found: list[tuple[tuple[int, ...], float]] = []
    while heap and len(found) < top:
        _, units, value = heapq.heappop(heap)
        l = len(units)
        if l == len(steps):
            found.append((units, value))
            continue
        step = steps[l][:, units[-1]] * value
        bounds = abs(step) * reach[l]
        for j in _largest(bounds, top):
            if bounds[j]:
                heapq.heappush(heap, (-float(bounds[j]), (*units, int(j)), float(step[j])))
    return found


def _largest(values: Array, top: int) -> Array:
    if len(values) > top:
        return np.argpartition(-values, top - 1)[:top]
    return np.arange(len(values))
