"""Path flow (conductance): the paths from the inputs that carry an output, the heaviest first.

    path k → j¹ → … → m  =  (xₖ − x⁰ₖ) W¹ μ¹ W² μ² … Wᴸ,   Σ over all paths = what the inputs add to zᴸₘ

μ is the slope of each unit where lines are straight; elsewhere the slope of the chord, Δa/Δz between the
baseline and the example, so that the paths add up to the whole difference there as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.nn.functions import Array
from whygrad.why.gradient.heaviest import heaviest
from whygrad.why.gradient.path_graph import PathGraph
from whygrad.why.passing import forward_from
from whygrad.why.prediction.attribution import Outcome


@dataclass(frozen=True)
class Path:
    """One path: its unit of every layer 0 … L, and what it carries to zᴸ."""

    units: tuple[int, ...]
    value: float


@dataclass(frozen=True, eq=False)
class PathFlow:
    """What flows along every connection (as W[l], by layer), what in all, and the heaviest paths."""

    flow: tuple[Any, ...]
    total: float
    count: int
    paths: tuple[Path, ...]


def path_flow(outcome: Outcome, x: Array, baseline: Array, top: int) -> PathFlow:
    """Follow what the inputs add to zᴸ of the outcome's output; exact where lines are straight."""
    net, W = outcome.net, outcome.theta.W
    slopes = _multipliers(outcome, x, baseline)
    steps: list[Any] = [None] + [slopes[l][:, None] * W[l] for l in range(1, net.L)]
    steps.append(W[net.L][[outcome.m]])
    back: list[Any] = [None] * net.L + [np.ones(1)]
    for l in range(net.L, 0, -1):
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
    graph = _graph(outcome, slopes, x - baseline)
    paths = _heaviest(graph, slopes, outcome.m, top)
    return PathFlow(tuple(flow), float(forward[0]), graph.count, tuple(paths))


def _multipliers(outcome: Outcome, x: Array, baseline: Array) -> list[Any]:
    """Return the slope, or the chord's where lines are not straight, of every hidden unit."""
    net = outcome.net
    z, a = forward_from(net, outcome.theta, 1, outcome.start(np.stack([x, baseline])))
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


def _graph(outcome: Outcome, slopes: Sequence[Any], start: Array) -> PathGraph:
    """Return the graph of all paths; an input is reached by a weight from a unit before the first layer."""
    W, m = outcome.theta.W, outcome.m
    kept: list[Any] = list(
        outcome.net.kept
    )  # that of layer 0 is None, and so is that of these weights
    kept[-1] = None if kept[-1] is None else kept[-1][[m]]
    before = (np.ones((1, 1)), np.ones((1, len(start))))
    weights = (start[:, None], *W[1:-1], W[-1][[m]])
    return PathGraph(
        start=np.ones(1),
        unit=0,
        slopes=(*before, *(slope[None].astype(np.float64) for slope in slopes[1:])),
        W=tuple(w.astype(np.float64) for w in weights),
        end=np.ones((1, 1)),
        ends=np.array([m]),
        kept=tuple(kept),
    )


def _heaviest(graph: PathGraph, slopes: Sequence[Any], m: int, top: int) -> list[Path]:
    """Search best first."""
    found = []
    for _, units in heaviest(graph, top):
        value = float(graph.W[0][units[0], 0])
        for l in range(1, len(units)):
            slope = slopes[l][units[l]] if l < len(slopes) else 1.0
            value *= float(graph.W[l][units[l], units[l - 1]] * slope)
        if value:
            found.append(Path((*units[:-1], m), value))
    return found
