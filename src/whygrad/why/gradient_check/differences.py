"""Derivatives from differences of values alone, each with its step, its error estimate, and its kinks.

    D(h) = (C(w + h) − C(w − h)) / 2h = C′(w) + c₂ h² + c₄ h⁴ + …

D(h), D(h/2) and D(h/4) are extrapolated to h = 0 (Richardson 1911); what the last extrapolation changed,
and what rounding leaves of C / h, is the error estimate. Where f″ jumps, D(h) has odd powers of h as well,
which extrapolation does not take away: there r = (D(h) − D(h/2)) / (D(h/2) − D(h/4)) is 2 instead of 4,
and how far D itself still moves is the estimate. Steps shrink until no kink lies within them and
nothing is gained; every number keeps the step that served it best. Where even the smallest step crosses a
kink, or where the derivatives from either side differ, anything between these two is right.

Where kinks of several layers meet in one point, backpropagation takes one side of each, and what it gives
need not lie between the two directions. There the derivatives with all of them on one side count as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from whygrad.nn.functions import Array

SHRINK = 10.0
LEVELS = 5  # steps h, h/10, … h/10⁴

# (which numbers are moved, by how much) → values there, and whether a kink was crossed.
Evaluate: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives of m numbers, all (m,): each lies between `low` and `high`, give or take `error`.

    `value` is the central difference, `step` the h it was taken with, `kink` where the two sides differ.
    """

    value: Array
    low: Array
    high: Array
    error: Array
    step: Array
    kink: Array


def differentiate(
    evaluate: Evaluate,
    step: Array,
    noise: Array,
    said: Array,
    slack: float = 0.0,
    branches: Sequence[Evaluate] = (),
) -> Slopes:
    """Return the derivatives of values with given rounding `noise`, (m,), from `step` h downwards.

    Numbers for which `said`, what is to be checked, lies off by more than the error and the part `slack`
    of it are looked at from either side as well, since a kink of an unknown function shows in no other way.
    `branches` give the values with every kink left on one side of it.

    >>> def evaluate(which, offset):
    ...     x = np.array([2.0, 0.0])[which] + offset
    ...     return np.where(which == 0, x**3, abs(x)), np.zeros(len(which), bool)
    >>> found = differentiate(evaluate, np.full(2, 0.01), np.full(2, 1e-16), np.array([12.0, 0.5]))
    >>> found.value.round(9).tolist(), found.kink.tolist()
    ([12.0, 0.0], [False, True])
    """
    m = len(step)
    value, error, used = np.zeros(m), np.full(m, np.inf), np.array(step, float)
    open_ = np.arange(m)
    for level in range(LEVELS):
        h = step[open_] / SHRINK**level
        slope, change, crossed = _central(evaluate, open_, h)
        rounding = 8 * noise[open_] / h
        total = 2 * change + rounding
        better = ~crossed & (total < error[open_])
        chosen = open_[better]
        value[chosen], error[chosen], used[chosen] = slope[better], total[better], h[better]
        done = ~crossed & ((2 * change <= 4 * rounding) | (total <= 1e-10 * np.abs(slope)))
        open_ = open_[~done]
        if not len(open_):
            break
    kink = ~np.isfinite(error)
    off = np.abs(said - value) > error + slack * np.maximum(np.abs(value), np.abs(said))
    found = Slopes(value, value, value, error, used, kink)
    return _with_kinks(evaluate, step, noise, found, off, branches)


def _central(evaluate: Evaluate, which: Array, h: Array) -> tuple[Array, Array, Array]:
    """Return the extrapolated quotients, what the last extrapolation changed, and what crossed a kink."""
    quotients, crossed = [], np.zeros(len(which), bool)
    for part in (h, h / 2, h / 4):
        (up, over), (down, under) = evaluate(which, part), evaluate(which, -part)
        quotients.append((up - down) / (2 * part))
        crossed |= over | under
    first, second, third = quotients
    early, late = (4 * second - first) / 3, (4 * third - second) / 3
    last, far, near = (16 * late - early) / 15, first - second, second - third
    change = np.abs(last - late)
    smooth = np.abs(far - 4 * near) <= np.abs(near)  # |r − 4| ≤ 1
    moving = np.maximum(np.abs(far), np.abs(near))
    return last, np.where(smooth, change, np.maximum(change, moving)), crossed


def _with_kinks(
    evaluate: Evaluate,
    step: Array,
    noise: Array,
    found: Slopes,
    off: Array,
    branches: Sequence[Evaluate],
) -> Slopes:
    """Add the derivatives from either side where a kink is known, or may be what is in the way."""
    which = np.flatnonzero(found.kink | off)
    if not len(which):
        return found
    h = step[which] / SHRINK ** (LEVELS - 1)
    here = evaluate(which, np.zeros(len(which)))[0]
    sides = [_one_sided(evaluate, which, h, here), _one_sided(evaluate, which, -h, here)]
    (right, _), (left, _) = sides
    rounding = 8 * noise[which] / h
    sides += [_on_branch(branch, which, h) for branch in branches]
    slopes = np.array([slope for slope, _ in sides])
    error = np.max([change for _, change in sides], axis=0) + rounding
    apart = np.ptp(slopes, axis=0) > 2 * error + 1e-7 * np.abs(slopes).max(axis=0)
    apart |= found.kink[which]
    parts = (found.value, found.low, found.high, found.error, found.step, found.kink)
    value, low, high, errors, used, kink = (part.copy() for part in parts)
    chosen = which[apart]
    value[chosen] = ((left + right) / 2)[apart]
    low[chosen], high[chosen] = slopes.min(axis=0)[apart], slopes.max(axis=0)[apart]
    errors[chosen], used[chosen], kink[chosen] = error[apart], h[apart], True
    return Slopes(value, low, high, errors, used, kink)


def _one_sided(evaluate: Evaluate, which: Array, h: Array, here: Array) -> tuple[Array, Array]:
    """Return the derivative towards the side of h, and what extrapolating it changed."""
    far, near = ((evaluate(which, part)[0] - here) / part for part in (h, h / 2))
    return 2 * near - far, np.abs(near - far)


def _on_branch(branch: Evaluate, which: Array, h: Array) -> tuple[Array, Array]:
    """Return the derivative of a function that is smooth but for its second derivative."""
    far, near = (
        (branch(which, part)[0] - branch(which, -part)[0]) / (2 * part) for part in (h, h / 2)
    )
    return 2 * near - far, np.abs(near - far)
