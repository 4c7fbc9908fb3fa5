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

BLOCK = 256  # rows that are projected at a time
COLUMNS = 64  # taken at a time where units lie side by side: their numbers stay in the cache
# Units from which on these lie side by side in sums, and the inputs that are 0 cost nothing.
INNER = 6


@dataclass(frozen=True, eq=False)
class Below:
    """What the units below a probe say: a is rows[index, low:], and 1 for the bias where there is one.

    `index` (m, B) holds −1 beyond the end of a smaller batch; there are `width` columns, the bias included.
    `held` is how many numbers of the rows are in memory for this alone, and no part of the data.
    """

    rows: Array
    index: Array
    low: int
    width: int
    bias: bool
    held: int = 0


def below(block: Block, X: Any, inputs: int, examples: Array) -> Below:
    """Return the rows below a probe of a layer with so many inputs, of the examples (m, B) of its steps."""
    low, high = block.probe.from_
    bias = high > inputs
    if block.probe.layer == 1 and isinstance(X, np.ndarray):
        return Below(X, examples, low, high - low, bias)
    a = np.ascontiguousarray(block.a)
    index = np.where(examples >= 0, np.arange(examples.size).reshape(examples.shape), -1)
    return Below(a.reshape(-1, a.shape[2]), index, 0, high - low, bias, a.size)


@dataclass(frozen=True, eq=False)
class Chunk:
    """What m steps came to, for R x K weights: what moved them, and what is left in the momentum buffer.

    `moves` and `leaves` (G, R, K) are the pushes by label; `sizes`, `penalty` and `penalty_sizes` are what
    was moved and left, (R, K) each, as Σ |push|, by penalties, and by the sizes of these. `rolled` is
    Σ |Q m| and what is left of Σ |m|. A buffer of 1 before the steps moves a weight by `carried` (R, K), or
    (1, 1), and `kept` is left of it. `along` (m, B) are the moves of single pushes along a direction, and
    `later` returns those by what they left, given what a buffer of 1 then moves along it; None where
    nobody can say. `size` is how many numbers that holds on to.
    """

    moves: Array
    leaves: Array
    sizes: tuple[Array, Array]
    penalty: tuple[Array, Array]
    penalty_sizes: tuple[Array, Array]
    rolled: tuple[Array, Array]
    thetas: Array
    decay: Array
    carried: Array
    kept: float
    along: Array
    later: Callable[[Array], Array] | None
    size: int


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

    shape, m = block.theta.shape[1:], len(push)
    R, K = shape
    inside = R >= INNER
    outer, inner = (K, R) if inside else (R, K)
    length = -(-inner // accounting.LANES) * accounting.LANES

    def laid(numbers: Array) -> Array:
        rows = np.zeros((outer, length))
        rows[:, :inner] = numbers.T if inside else numbers
        return rows.ravel()

    def read(rows: Array) -> Array:
        rows = rows.reshape(*rows.shape[:-1], outer, length)[..., :inner]
        return rows.swapaxes(-1, -2) if inside else rows

    power = form.mu ** np.arange(m - 1, -1, -1.0) if form.mu else np.zeros(m)
    apart = bool(form.mu) and (form.early or clipped is not None)
    left = form.p * power * push
    each = form.p, form.q, form.r, form.epsilon, push, left, power, *penalties, 1 - form.keep
    steps = accounting.Steps(
        float(form.mu), float(decay), bool(form.early), *map(np.ascontiguousarray, each)
    )
    m_and_v = [_flat(block.theta[:0] if row is None else block.opt_state[:, row])
               for row in (form.m, form.v)]  # fmt: skip
    recorded = accounting.Recorded(
        *_flat(block.theta), *m_and_v[0], *m_and_v[1], np.ascontiguousarray(after).ravel(),
        np.ones((1, K)) if factors is None else np.ascontiguousarray(factors),
        np.zeros(0) if clipped is None else clipped.ravel(), int(a.bias),
    )  # fmt: skip
    examples = accounting.Examples(
        np.ascontiguousarray(labels, np.int64), *_given(a, block.delta)
    )  # fmt: skip
    moves, leaves = np.zeros((2, count, outer * length))
    sizes, left_sizes, along = *np.zeros((2, outer * length)), np.zeros(labels.shape)
    by_weight = list(np.zeros((9, R, K)))
    sums = accounting.Sums(laid(direction), moves, leaves, sizes, left_sizes, along, *by_weight)
    columns = min(COLUMNS, K) if inside else K
    room = length * (columns if inside else R)
    work = accounting.Work(
        np.zeros(room), np.zeros(room * apart), np.zeros(max(R, K) + 1, np.int64),
        np.zeros(max(R, K) + 1), np.zeros(length), *np.zeros((3, K)),
    )  # fmt: skip
    accounting.take_in(steps, recorded, examples, sums, work, inside, length, columns)

    def later(carried: Array) -> Array:
        along = np.zeros(labels.shape)
        accounting.find_lengths(
            examples, left, laid(carried * direction), along, work, K, inside, length
        )
        return along

    return Chunk(
        read(sums.moves), read(sums.leaves), (read(sums.moved_size), read(sums.left_size)),
        (sums.penalty, sums.penalty_left), (sums.penalty_size, sums.penalty_left_size),
        (sums.rolled, sums.rolled_left), sums.thetas, sums.decay, read(laid(form.mu * sums.Q)),
        float(form.mu**m) if form.mu else 0.0, sums.along, None if apart else later,
        a.held + examples.delta.size + 2 * labels.size + 2 * K * R,
    )  # fmt: skip


def _given(a: Below, delta: Array) -> tuple[Any, ...]:
    """Return the examples as compiled functions take them; δ is copied from what was recorded with it."""
    rows = np.ascontiguousarray(a.rows).view()
    rows.flags.writeable = False
    index = np.ascontiguousarray(a.index, np.int64)
    return rows, index, a.low, a.width - a.bias, np.array(delta, order="C")


def _flat(numbers: Array) -> tuple[Array, int]:
    """Return numbers of m steps as flat memory, and how far one step's lie from those of the last."""
    if not len(numbers):
        return np.zeros(0, numbers.dtype), 0
    if not numbers[0].flags.c_contiguous:
        numbers = np.ascontiguousarray(numbers)
    apart = numbers.strides[0] // numbers.itemsize
    size = (len(numbers) - 1) * apart + numbers[0].size
    return np.lib.stride_tricks.as_strided(numbers, (size,), (numbers.itemsize,)), apart


def projected(a: Below, direction: Array) -> Array:
    """Return how far a of every row goes along a direction (R, K), (rows, R): a push goes δ · that far."""
    inputs, far = a.width - a.bias, np.empty((len(a.rows), len(direction)))
    for start in range(0, len(far), BLOCK):
        rows = a.rows[start : start + BLOCK, a.low : a.low + inputs].astype(np.float64)
        far[start : start + BLOCK] = rows @ direction[:, :inputs].T
    return far + direction[:, inputs:].sum(axis=1)


def alike(
    a: Below, delta: Array, labels: Array, count: int, factors: tuple[Array, Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """As `sums`, for c (m,) that are the same for all weights: by products of matrices, label by label.

    The sizes are summed up in the precision of δ.
    """
    m, B, R = delta.shape
    inputs, parts = a.width - a.bias, [n for n in range(2) if factors[n].any()]
    by_label, sizes = np.zeros((2, count, R, a.width)), np.zeros((2, R, a.width))
    errors, index = delta.reshape(m * B, R), a.index.ravel()
    scaled = [np.repeat(factors[n], B)[:, None] * errors for n in parts]
    for g in range(count):
        mine = np.flatnonzero((labels.ravel() == g) & (index >= 0))
        rows = np.ones((len(mine), a.width), a.rows.dtype)
        rows[:, :inputs] = a.rows[index[mine], a.low : a.low + inputs]
        wide, size = rows.astype(np.float64), np.abs(rows, out=rows)
        for n, each in zip(parts, scaled, strict=True):
            pushed = each[mine]
            by_label[n, g] = pushed.T @ wide
            sizes[n] += np.abs(pushed, dtype=delta.dtype, casting="same_kind").T @ size
    return (by_label[0], by_label[1]), (sizes[0], sizes[1])


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
