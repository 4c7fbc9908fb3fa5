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


def sums(a: Below, delta: Array, labels: Array, count: int, factors: Array) -> Sums:
    """Add up c δ aᵀ by label: δ is (m, B, R), labels (m, B), and c (m, 1, 1) or (m, R, K)."""
    by_label = np.zeros((count, delta.shape[2], a.width))
    sizes = np.zeros(by_label.shape[1:])
    if not factors.any():
        return Sums(by_label, sizes)
    if missing("float64") is None:
        given = *_given(a, delta), labels.astype(np.int64), _whole(factors, a, delta)
        _SUM_UP(*given, by_label, sizes)
        return Sums(by_label, sizes)
    for t, (rows, errors) in enumerate(zip(_rows(a), delta.astype(np.float64), strict=True)):
        sizes += np.abs(factors[t]) * (np.abs(errors).T @ np.abs(rows))
        there = a.index[t] >= 0
        for g in np.unique(labels[t][there]).tolist():
            mine = there & (labels[t] == g)
            by_label[g] += factors[t] * (errors[mine].T @ rows[mine])
    return Sums(by_label, sizes)


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


def _whole(factors: Array, a: Below, delta: Array) -> Array:
    """Return factors of a single number a step as they are, and others as one for each weight."""
    if factors.shape[1:] == (1, 1):
        return np.ascontiguousarray(factors)
    return np.ascontiguousarray(np.broadcast_to(factors, (len(factors), delta.shape[2], a.width)))


def _rows(a: Below) -> Any:
    """Yield a of each step, (B, K), in float64; 0 beyond the end of a batch."""
    for index in a.index:
        rows = np.zeros((len(index), a.width))
        inputs = a.width - a.bias
        rows[:, :inputs] = a.rows[index, a.low : a.low + inputs]
        rows[:, inputs:] = 1
        rows[index < 0] = 0
        yield rows


def _add(
    values: Array, low: int, inputs: int, factors: Array, by_one: bool, d: float, total: Array, sizes: Array
) -> None:  # fmt: skip
    """Add one example's push on the weights of one unit, and its size."""
    for k in range(inputs):
        push = (factors[0] if by_one else factors[k]) * d * float(values[low + k])
        total[k] += push
        sizes[k] += abs(push)
    for k in range(inputs, len(total)):  # the bias
        push = (factors[0] if by_one else factors[k]) * d
        total[k] += push
        sizes[k] += abs(push)


def _length(values: Array, low: int, inputs: int, weights: Array) -> float:
    total = 0.0
    for k in range(inputs):
        total += float(values[low + k]) * weights[k]
    return total


# As parts of the functions below: the first goes into its callers, sums of the second run in lanes.
_adding, _measuring = Deferred("inlined", _add), Deferred("lanes", _length)


def _sum_up(
    rows: Array, index: Array, low: int, inputs: int, delta: Array, labels: Array, factors: Array,
    by_label: Array, sizes: Array,
) -> int:  # fmt: skip
    """As `sums`; returns the number of steps."""
    by_one = factors.shape[1] == 1 and factors.shape[2] == 1
    for t in range(len(index)):
        for i in range(index.shape[1]):
            if index[t, i] < 0:
                continue
            values = rows[index[t, i]]
            for r in range(delta.shape[2]):
                d = float(delta[t, i, r])
                if d != 0:
                    _adding(
                        values, low, inputs, factors[t, 0 if by_one else r], by_one, d,
                        by_label[labels[t, i], r], sizes[r],
                    )  # fmt: skip
    return len(index)


def _find_lengths(
    rows: Array, index: Array, low: int, inputs: int, delta: Array, weights: Array, found: Array
) -> int:
    """As `lengths`; returns the number of steps."""
    for t in range(len(index)):
        of_step = weights[t if len(weights) > 1 else 0]
        for i in range(index.shape[1]):
            if index[t, i] < 0:
                continue
            values, total = rows[index[t, i]], 0.0
            for r in range(delta.shape[2]):
                d = float(delta[t, i, r])
                if d != 0:
                    along = _measuring(values, low, inputs, of_step[r])
                    for k in range(inputs, of_step.shape[1]):
                        along += of_step[r, k]
                    total += d * along
            found[t, i] = total
    return len(index)


_SUM_UP = Kernel(__name__, "_sum_up", _sum_up)
_LENGTHS = Kernel(__name__, "_find_lengths", _find_lengths)
