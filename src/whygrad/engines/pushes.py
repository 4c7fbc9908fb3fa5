"""The pushes of single examples on probed weights, c δᵢ aᵢᵀ, summed up: compiled where Numba is there.

A batch's pushes on R x K weights are B products of a column and a row, which nobody needs by themselves:
their sums by class are taken, and their lengths along a direction. Rows a are read where they lie, those of
the first layer in the data.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.engines.machine_code.deferred import Deferred
from whygrad.engines.machine_code.kernel import Kernel
from whygrad.engines.native import missing
from whygrad.engines.probes import Block
from whygrad.nn.functions import Array

# Of so many units on, columns that are 0 are left out where at most one in FEW_OF is something else.
FROM_UNITS, FEW_OF = 4, 3


@dataclass(frozen=True, eq=False)
class Below:
    """What the units below a probe say: a is rows[index, low:], and 1 for the bias where there is one.

    `index` (m, B) holds −1 beyond the end of a smaller batch; there are `width` columns, the bias included.
    """

    rows: Array
    index: Array
    low: int
    width: int
    bias: bool


def below(block: Block, X: Any, inputs: int, examples: Array) -> Below:
    """Return the rows below a probe of a layer with so many inputs, of the examples (m, B) of its steps."""
    low, high = block.probe.from_
    bias = high > inputs
    if block.probe.layer == 1 and isinstance(X, np.ndarray):
        return Below(X, examples, low, high - low, bias)
    a = np.ascontiguousarray(block.a)
    index = np.where(examples >= 0, np.arange(examples.size).reshape(examples.shape), -1)
    return Below(a.reshape(-1, a.shape[2]), index, 0, high - low, bias)


@dataclass(frozen=True, eq=False)
class Sums:
    """Σ of pushes by label, (G, R, K), and Σ of their sizes, (R, K)."""

    by_label: Array
    sizes: Array


def sums(
    a: Below, delta: Array, labels: Array, count: int, factors: tuple[Array, Array]
) -> tuple[Sums, Sums]:
    """Add up c δ aᵀ by label, for two c at once, (m, 1, 1) or (m, R, K); δ is (m, B, R), labels (m, B)."""
    shape = delta.shape[2], a.width
    found = (
        Sums(np.zeros((count, *shape)), np.zeros(shape)),
        Sums(np.zeros((count, *shape)), np.zeros(shape)),
    )
    if missing("float64") is None:
        given = *_given(a, delta), labels.astype(np.int64), bool(factors[1].any())
        parts = [_whole(part, shape) for part in factors]
        # Label by label their sums stay in the cache, step by step the factors of all weights.
        order = np.arange(labels.size)
        if all(part.size == len(part) for part in parts):
            order = np.argsort(labels, axis=None, kind="stable")
        _SUM_UP(
            *given, order, np.empty(a.width, np.int64), *parts,
            *(array for one in found for array in (one.by_label, one.sizes)),
        )  # fmt: skip
        return found
    for t, (rows, errors) in enumerate(zip(_rows(a), delta.astype(np.float64), strict=True)):
        there = a.index[t] >= 0
        for one, part in zip(found, factors, strict=True):
            one.sizes[...] += np.abs(part[t]) * (np.abs(errors).T @ np.abs(rows))
            for g in np.unique(labels[t][there]).tolist():
                mine = there & (labels[t] == g)
                one.by_label[g] += part[t] * (errors[mine].T @ rows[mine])
    return found


def lengths(a: Below, delta: Array, weights: Array) -> Array:
    """Return ⟨weights, δ aᵀ⟩ of every example, (m, B), for weights (m, R, K), or (1, R, K) of all."""
    found = np.zeros(a.index.shape)
    if missing("float64") is None:
        _LENGTHS(*_given(a, delta), np.ascontiguousarray(weights), found)
        return found
    for t, (rows, errors) in enumerate(zip(_rows(a), delta.astype(np.float64), strict=True)):
        of_step = weights[t % len(weights)]
        found[t] = ((rows @ of_step.T) * errors).sum(axis=1)
    return found


def _given(a: Below, delta: Array) -> tuple[Any, ...]:
    """Return what all compiled functions here are given first."""
    rows = np.ascontiguousarray(a.rows).view()
    rows.flags.writeable = False
    index = np.ascontiguousarray(a.index, np.int64)
    return rows, index, a.low, a.width - a.bias, np.ascontiguousarray(delta)


def _whole(factors: Array, shape: tuple[int, int]) -> Array:
    """Return factors of a single number a step as they are, and others as one for each weight."""
    if factors.shape[1:] != (1, 1):
        factors = np.broadcast_to(factors, (len(factors), *shape))
    return np.ascontiguousarray(factors)


def _rows(a: Below) -> Any:
    """Yield a of each step, (B, K), in float64; 0 beyond the end of a batch."""
    for index in a.index:
        rows = np.zeros((len(index), a.width))
        inputs = a.width - a.bias
        rows[:, :inputs] = a.rows[index, a.low : a.low + inputs]
        rows[:, inputs:] = 1
        rows[index < 0] = 0
        yield rows


def _add_scaled(x: Array, used: Array, factor: float, total: Array, sizes: Array) -> None:
    """Add one example's push on the weights of one unit, and its size, where c is a single number.

    Of x the columns `used` are not 0, or it is taken whole where there are none.
    """
    for k in used:
        push = factor * float(x[k])
        total[k] += push
        sizes[k] += abs(push)
    for k in range(0 if len(used) == 0 else len(x), len(x)):
        push = factor * float(x[k])
        total[k] += push
        sizes[k] += abs(push)
    for k in range(len(x), len(total)):  # the bias
        total[k] += factor
        sizes[k] += abs(factor)


def _find_used(x: Array, columns: Array, units: int) -> int:
    """Find the columns of x that are not 0; return how many, 0 where it pays to take them all."""
    count = 0
    if units < FROM_UNITS:
        return count
    for k in range(len(x)):
        columns[count] = k
        count += x[k] != 0
    return count if FEW_OF * count < len(x) else 0


def _add_each(x: Array, factors: Array, d: float, total: Array, sizes: Array) -> None:
    """As `_add_scaled`, where every weight has a c of its own."""
    for k in range(len(x)):
        push = factors[k] * d * float(x[k])
        total[k] += push
        sizes[k] += abs(push)
    for k in range(len(x), len(total)):
        push = factors[k] * d
        total[k] += push
        sizes[k] += abs(push)


def _length(x: Array, weights: Array) -> float:
    total = 0.0
    for k in range(len(x)):
        total += float(x[k]) * weights[k]
    for k in range(len(x), len(weights)):
        total += weights[k]
    return total


# As parts of the functions below: sums of the last run in lanes.
_adding_scaled, _adding_each = Deferred("kernel", _add_scaled), Deferred("kernel", _add_each)
_finding_used = Deferred("kernel", _find_used)
_measuring = Deferred("lanes", _length)


def _sum_up(
    rows: Array, index: Array, low: int, inputs: int, delta: Array, labels: Array, carries: bool,
    order: Array, columns: Array, moved: Array, left: Array, moves: Array, moves_size: Array,
    leaves: Array, leaves_size: Array,
) -> int:  # fmt: skip
    """As `sums`, the second factors only where they are any, in this order; returns how many there are."""
    moved_by_one, left_by_one = moved.size == len(moved), left.size == len(left)
    B, units = index.shape[1], delta.shape[2]
    for place in order:
        t, i = place // B, place % B
        if index[t, i] < 0:
            continue
        x, g = rows[index[t, i], low : low + inputs], labels[t, i]
        used = columns[:0]
        if moved_by_one or left_by_one:
            used = columns[: _finding_used(x, columns, units)]
        for r in range(units):
            d = float(delta[t, i, r])
            if d == 0:
                continue
            if moved_by_one:
                _adding_scaled(x, used, moved[t, 0, 0] * d, moves[g, r], moves_size[r])
            else:
                _adding_each(x, moved[t, r], d, moves[g, r], moves_size[r])
            if carries and left_by_one:
                _adding_scaled(x, used, left[t, 0, 0] * d, leaves[g, r], leaves_size[r])
            elif carries:
                _adding_each(x, left[t, r], d, leaves[g, r], leaves_size[r])
    return len(order)


def _find_lengths(
    rows: Array, index: Array, low: int, inputs: int, delta: Array, weights: Array, found: Array
) -> int:
    """As `lengths`; returns the number of steps."""
    for t in range(len(index)):
        of_step = weights[t if len(weights) > 1 else 0]
        for i in range(index.shape[1]):
            if index[t, i] < 0:
                continue
            x, total = rows[index[t, i], low : low + inputs], 0.0
            for r in range(delta.shape[2]):
                d = float(delta[t, i, r])
                if d != 0:
                    total += d * _measuring(x, of_step[r])
            found[t, i] = total
    return len(index)


_SUM_UP = Kernel(__name__, "_sum_up", _sum_up)
_LENGTHS = Kernel(__name__, "_find_lengths", _find_lengths)
