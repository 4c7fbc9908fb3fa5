"""The pushes of single examples on probed weights, c δᵢ aᵢᵀ, summed up over a chunk of steps.

A batch's pushes on R x K weights are B products of a column and a row, which nobody needs by themselves:
their sums by class are taken, and their lengths along a direction. Rows a are read where they lie, those of
the first layer in the data. `take_in` has it done by compiled code (`native.curvature.accounting`), which
walks through what a probe recorded; `sums` and `lengths` say the same in NumPy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.engines.probes import Block
from whygrad.nn.functions import Array

BLOCK = 2**15  # numbers of weights that are taken at a time: they stay in the cache
# Units from which on these lie side by side where that is free, and the inputs that are 0 cost nothing.
INNER = 6
NOTHING = 2.0**-60  # of what a momentum leaves at most, which is less than rounding


@dataclass(frozen=True, eq=False)
class Below:
    """What the units below a probe say: a is rows[index, low:], and 1 for the bias where there is one.

    `index` (m, B) holds −1 beyond the end of a smaller batch; there are `width` columns, the bias included.
    Of data that are mostly 0 `compressed` has the rest, as `Block.compressed`.
    """

    rows: Array
    index: Array
    low: int
    width: int
    bias: bool
    compressed: Any = None


def below(block: Block, X: Any, inputs: int, examples: Array) -> Below:
    """Return the rows below a probe of a layer with so many inputs, of the examples (m, B) of its steps."""
    low, high = block.probe.from_
    bias = high > inputs
    if block.probe.layer == 1 and isinstance(X, np.ndarray):
        return Below(X, examples, low, high - low, bias, compressed=block.compressed)
    a = np.array(block.a, order="C")  # what was recorded is written over by the next steps
    index = np.where(examples >= 0, np.arange(examples.size).reshape(examples.shape), -1)
    return Below(a.reshape(-1, a.shape[2]), index, 0, high - low, bias)


@dataclass(frozen=True, eq=False)
class Chunk:
    """What m steps came to, for R x K weights: what moved them, and what is left in the momentum buffer.

    `moves` and `leaves` (G, R, K) are the pushes by label, the latter None without momentum; `sizes`,
    `penalty` and `penalty_sizes` are what was moved and left, (R, K) each, as Σ |push|, by penalties, and
    by the sizes of these; `thetas` is Σ |θ|. A buffer of 1 before the steps moves a weight by `carried`
    (R, K), or (1, 1), and `kept` is left of it. `along` (m, B) are the moves of single pushes along a
    direction, and `later` returns those by what they left, given what a buffer of 1 then moves along it;
    None where nobody asks.
    """

    moves: Array
    leaves: Array | None
    sizes: tuple[Array, Array]
    penalty: tuple[Array, Array]
    penalty_sizes: tuple[Array, Array]
    thetas: Array
    decay: Array
    carried: Array
    kept: float
    along: Array
    later: Callable[[Array], Array] | None


def take_in(
    form: Any, push: Array, penalties: tuple[Array, Array, Array], decay: float, factors: Array | None,
    clipped: Array | None, block: Block, after: Array, a: Below, labels: Array, count: int,
    direction: Array,
) -> Chunk:  # fmt: skip
    """Return what some steps came to, by compiled code.

    `form` is the rule's, `push` (m,) turns s δ a into its part of the gradient that the rule takes, and
    `penalties` are the scale of clipping, λ₁ and λ₂ of each step. `clipped` (m, R, K) is what clipping by
    value leaves of a gradient, `after` θ after the last step; `labels` (m, B) are below `count`.
    """
    from whygrad.engines.native.curvature import accounting
    from whygrad.engines.native.curvature.accounting import zeros

    (R, K), m = direction.shape, len(push)
    theta, v = block.theta, block.theta[:0] if form.v is None else block.slot(form.v)
    laid_out = [numbers for numbers in (theta, v) if numbers.size]
    inside = R > K or (R >= INNER and all(map(_by_columns, laid_out)))
    theta, v = (_in_rows(numbers, inside) for numbers in (theta, v))
    outer, inner = (K, R) if inside else (R, K)
    width = max((_width(numbers) for numbers in (theta, v)), default=inner)
    length = accounting.whole_vectors(max(inner, width if inside else 0))

    def laid(numbers: Array, width: int = length) -> Array:
        rows = zeros(*numbers.shape[:-2], outer, width, dtype=numbers.dtype)
        rows[..., :inner] = numbers.swapaxes(-1, -2) if inside else numbers
        return rows.ravel()

    def read(rows: Array) -> Array:
        rows = rows.reshape(*rows.shape[:-1], outer, length)[..., :inner]
        return rows.swapaxes(-1, -2) if inside else rows

    power = form.mu ** np.arange(m - 1, -1, -1.0) if form.mu else np.zeros(m)
    apart = bool(form.mu) and (form.early or clipped is not None)
    left = form.p * power * push
    left[np.abs(left) < NOTHING * np.abs(left).max()] = 0
    if block.penalties is not None:
        penalties = (penalties[0], np.zeros(m), np.zeros(m))  # they have been followed
    penalises = any(part.any() for part in penalties[1:])
    decays, none = bool(decay or (form.keep != 1).any()), np.zeros(0)
    differs = form.v is not None or any(part is not None for part in (factors, clipped))
    weighs = differs or penalises or decays
    carried = np.zeros((1, 1))
    moved = none
    if not differs:
        Q = carried_on(form.q, form.mu)
        moved, carried = form.r + form.p * Q, carried + form.mu * Q[0]
    each = form.p, form.q, form.r, form.epsilon, push, left, power, *penalties, 1 - form.keep, moved
    steps = accounting.Steps(
        float(form.mu), float(decay), bool(form.early), *map(np.ascontiguousarray, each)
    )
    penalised = np.ones((R, K) if penalises else (0, 0))
    penalised[:, K - a.bias :] = 0
    recorded = accounting.Recorded(
        width, *_flat(theta), *_flat(v), laid(after, width) if decay else after[0, :0],
        none if factors is None else laid(factors), none if clipped is None else laid(clipped),
        laid(penalised) if penalises else none,
    )  # fmt: skip
    # δ is copied from what was recorded with it.
    examples = accounting.read_only_examples(
        labels, a.rows, a.index, a.low, a.width - a.bias, np.array(block.delta, order="C"),
        a.compressed if inside and not a.low else None,
    )  # fmt: skip
    size = outer * length
    moves, leaves = zeros(count, size), zeros(count, size * bool(form.mu))
    found = list(zeros(9, size))
    along = np.zeros(labels.shape)
    sums = accounting.Sums(
        length, inner, laid(direction), moves, leaves, found[0], found[1], along, *found[2:]
    )
    rows = max(1, min(outer, BLOCK // length))
    w, p, rate, kept, penalty = zeros(5, max(rows * length, accounting.PIECE))
    as_Q = not (form.r.any() or form.early or factors is not None or clipped is not None)
    w = none if as_Q or not differs else w
    row, scaled, total = zeros(3, length)
    row[K - a.bias : K] = not inside  # a of the bias
    work = accounting.Work(
        w, p if apart else none, np.zeros(outer, np.int64), np.zeros(outer), row, scaled, total,
        np.zeros(len(rate), v.dtype), rate, kept, penalty, np.zeros(labels.size, np.int64),
    )  # fmt: skip
    accounting.take_in(steps, recorded, examples, sums, work, inside, weighs, rows)

    # What is left differs by weight as the denominators do, and what clipping by value left.
    first = int((left != 0).argmax()) if apart else m
    held_v = laid(block.slot(form.v)[first:]) if apart and form.early else v[:0].ravel()
    held_clipped = none if clipped is None else laid(clipped[first:])

    def later(carried: Array) -> Array:
        along = np.zeros(labels.shape)
        accounting.find_lengths(
            examples, left, laid(carried * direction), steps.epsilon, held_v, held_clipped, first,
            zeros(size * apart), along, work, inside, length, inner,
        )  # fmt: skip
        return along

    thetas, taken = block.thetas, read(sums.decay)
    if thetas is None:
        thetas = read(sums.thetas) if weighs else _sizes(block.theta)
    elif block.lost is not None:
        taken = -block.lost if factors is None else -factors * block.lost
    penalty = read(sums.penalty), read(sums.penalty_left)
    penalty_sizes = read(sums.penalty_size), read(sums.penalty_left_size)
    if block.penalties is not None:
        rates = 1.0 if factors is None else factors
        penalty, penalty_sizes = (
            (rates * moving, leaving)
            for moving, leaving in (block.penalties[:2], block.penalties[2:])
        )
    return Chunk(
        read(moves), read(leaves) if form.mu else None, (read(sums.moved_size), read(sums.left_size)),
        penalty, penalty_sizes, thetas, taken,
        form.mu * read(sums.Q) if differs else carried, float(form.mu**m) if form.mu else 0.0, along,
        later,
    )  # fmt: skip


def carried_on(q: Array, mu: float) -> Array:
    """Return Q_t = q_t + μ Q_{t+1}, how far a push of 1 into the buffer at each of m steps goes, as q."""
    Q = np.array(q)
    for t in range(len(Q) - 2, -1, -1):
        Q[t] += mu * Q[t + 1]
    return Q


def _sizes(theta: Array) -> Array:
    """Return Σ |θ| over the steps, (R, K), where the walk has no need of θ: one step at a time."""
    found = np.zeros(theta.shape[1:])
    for weights in theta:
        found += np.abs(weights)
    return found


def _by_columns(numbers: Array) -> bool:
    """Return whether the units' numbers (m, R, K) lie side by side, and not the inputs'."""
    return numbers.size > 0 and numbers.strides[1] == numbers.itemsize < numbers.strides[2]


def _in_rows(numbers: Array, inside: bool) -> Array:
    """Return numbers (m, R, K) in rows of inputs or, `inside`, of units, where they lie side by side."""
    rows = numbers.swapaxes(1, 2) if inside else numbers
    if 1 not in rows.shape[1:] and rows.strides[2] == rows.itemsize:
        return rows
    return np.ascontiguousarray(rows)


def _width(rows: Array) -> int:
    """Return how far one row lies from the next, in numbers."""
    return rows.strides[1] // rows.itemsize if rows.size else 0


def _flat(rows: Array) -> tuple[Array, int]:
    """Return numbers of m steps as flat memory, and how far one step's lie from those of the last."""
    if not rows.size:
        return np.zeros(0, rows.dtype), 0
    apart = rows.strides[0] // rows.itemsize
    size = (len(rows) - 1) * apart + rows.shape[1] * _width(rows)
    return np.lib.stride_tricks.as_strided(rows, (size,), (rows.itemsize,)), apart


def sums(
    a: Below, delta: Array, labels: Array, count: int, factors: tuple[Array, Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Add up c δ aᵀ by label, (G, R, K), and their sizes, (R, K), for two c, (m, 1, 1) or (m, R, K).

    δ is (m, B, R), labels are (m, B).
    """
    shape = delta.shape[2], a.width
    by_label, sizes = np.zeros((2, count, *shape)), np.zeros((2, *shape))
    for t, (rows, errors) in enumerate(zip(_rows(a), delta.astype(np.float64), strict=True)):
        size, there = np.abs(errors).T @ np.abs(rows), a.index[t] >= 0
        for g in np.unique(labels[t][there]).tolist():
            mine = there & (labels[t] == g)
            pushed = errors[mine].T @ rows[mine]
            for n, part in enumerate(factors):
                by_label[n, g] += part[t] * pushed
        for n, part in enumerate(factors):
            sizes[n] += np.abs(part[t]) * size
    return (by_label[0], by_label[1]), (sizes[0], sizes[1])


def lengths(a: Below, delta: Array, weights: Array) -> Array:
    """Return ⟨weights, δ aᵀ⟩ of every example, (m, B), for weights (m, R, K)."""
    found = np.zeros(a.index.shape)
    for t, (rows, errors) in enumerate(zip(_rows(a), delta.astype(np.float64), strict=True)):
        found[t] = ((rows @ weights[t].T) * errors).sum(axis=1)
    return found


def _rows(a: Below) -> Any:
    """Yield a of each step, (B, K), in float64; 0 beyond the end of a batch."""
    for index in a.index:
        rows = np.zeros((len(index), a.width))
        inputs = a.width - a.bias
        rows[:, :inputs] = a.rows[index, a.low : a.low + inputs]
        rows[:, inputs:] = 1
        rows[index < 0] = 0
        yield rows
