"""What the pushes of single examples come to over a chunk of steps: the inner loop of a ledger.

An optimizer's rule is linear in the gradients once its denominators are held: a push at step t moves its
weight by w_t = r_t + p_t Q_t up to the chunk's end, Q_t = q_t + μ Q_{t+1}, and leaves p_t μ^{m−1−t} in the
buffer. So one walk backwards through a chunk finds w_t of every weight, and adds w_t ⊙ δ aᵀ of each example
to the sum of its label, to the sum of the sizes, and along a direction.

A push is a product of a column and a row: the outer loop runs over those numbers of one that are not 0, the
inner one over all of the other, in vectors (`pushing`). Units lie side by side where the loop has them so,
so that inputs that are 0 cost nothing; else the inputs do. One thread takes the steps in, in one order.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ZERO, cached_kernel, kernel, lanes_kernel
from whygrad.engines.native.curvature.pushing import (
    LANES,
    add_pushes,
    add_up_rows,
)
from whygrad.engines.native.layout import aligned_zeros
from whygrad.engines.native.memory import prefetch, read_only
from whygrad.engines.native.probes import add_sizes, invert
from whygrad.nn.functions import Array

PIECE = 2**11  # numbers of weights whose w is found at a time: they stay in the nearest cache
ENDS: Any = np.int64(2)  # of a compressed row


class Steps(NamedTuple):
    """The numbers of m steps, (m,) each, and those of all: what moves a weight, and how.

    `push` is what turns s δ a into its part of ĝ, `left` what a push then leaves in the buffer at the end,
    0 where that is nothing, and `power` μ^{m−1−t}; `scale` is that of clipping, and `lost` 1 − κ. `moved`
    is what moves a weight by a gradient of 1, w_t, where it is the same for all, and else it is empty.
    """

    mu: float
    decay: float
    early: bool
    p: Array
    q: Array
    r: Array
    epsilon: Array
    push: Array
    left: Array
    power: Array
    scale: Array
    l1: Array
    l2: Array
    lost: Array
    moved: Array


class Recorded(NamedTuple):
    """What a probe recorded of the weights: rows of the inner loop, `width` numbers from one to the next.

    θ and v of every step in flat memory, so far from one step to the next, and empty where nobody asks for
    them; `after` is θ after the last step. As the sums lie: `factors` on the learning rate, or empty, what
    clipping by value leaves of a gradient, step by step, or empty, and 1 where `penalised`, else 0.
    """

    width: int
    theta: Array
    theta_apart: int
    v: Array
    v_apart: int
    after: Array
    factors: Array
    clipped: Array
    penalised: Array


class Examples(NamedTuple):
    """The examples of the steps: their labels (m, B), rows of a, which of these (m, B), and δ (m, B, R).

    Of inputs that are mostly 0 the others stand in `values` at `columns`, from `starts` of a row on; else
    these are empty.
    """

    labels: Array
    rows: Array
    which: Array
    low: int
    inputs: int
    delta: Array
    starts: Array
    columns: Array
    values: Array


class Sums(NamedTuple):
    """What is found, in rows of so much `length`, filled up to whole vectors, of which `inner` are used.

    Of pushes `moves` and `leaves` (G, ·) by label, their sizes (·), and `along` (m, B), the moves of each
    along `direction` (·). By weight, (·): Q of the first step, Σ |θ|, what penalties moved and left with
    the sizes of these, and what decay took.
    """

    length: int
    inner: int
    direction: Array
    moves: Array
    leaves: Array
    moved_size: Array
    left_size: Array
    along: Array
    Q: Array
    thetas: Array
    penalty: Array
    penalty_left: Array
    penalty_size: Array
    penalty_left_size: Array
    decay: Array


class Work(NamedTuple):
    """Memory of the loop: w of a block, but where it is p Q, p too where weights differ in it, and rows.

    `reached` (m, B) says how many numbers of its row a block has taken of an example.
    """

    w: Array
    apart: Array
    places: Array
    values: Array
    inner: Array
    scaled: Array
    found: Array
    inverse: Array
    rate: Array
    kept: Array
    penalty: Array
    reached: Array


def whole_vectors(numbers: int) -> int:
    """Return how long a row of so many numbers is, filled up to whole vectors."""
    return -(-numbers // LANES) * LANES


def zeros(*shape: int, dtype: Any = np.float64) -> Array:
    """Return zeros that begin with a cache line: a vector across two takes two to three times as long."""
    return aligned_zeros(math.prod(shape), dtype).reshape(shape)


def read_only_examples(
    labels: Array, rows: Array, which: Array, low: int, inputs: int, delta: Array, compressed: Any
) -> Examples:
    """Return examples as compiled functions take them; `compressed` rows are (starts, columns, values)."""
    nothing = np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, rows.dtype)
    starts, columns, values = map(read_only, compressed or nothing)
    labels, which = (np.ascontiguousarray(part, np.int64) for part in (labels, which))
    rows = read_only(np.ascontiguousarray(rows))
    return Examples(labels, rows, which, low, inputs, delta, starts, columns, values)


@kernel
def _weigh(
    steps: Steps, t: int, v: Array, factors: Array, clipped: Array, Q: Array, w: Array, apart: Array,
    work: Work,
) -> None:  # fmt: skip
    """Find Q of a step and, if there is room, w without S and what a push leaves, `apart`.

    In loops of few arrays each: where there are many, whether they overlap is too much to ask at run time,
    and nothing is done in lanes.
    """
    p, q, r, mu, n = steps.p[t], steps.q[t], steps.r[t], steps.mu, len(Q)
    inverse = vector(work.inverse, 0, len(v))
    if len(v) > 0:
        invert(v, steps.epsilon[t], inverse)
    if len(w) == 0:
        if len(v) > 0:
            for k in range(n):
                Q[k] = q * float(inverse[k]) + mu * Q[k]
        else:
            for k in range(n):
                Q[k] = q + mu * Q[k]
        return
    rate, kept = vector(work.rate, 0, n), vector(work.kept, 0, n)
    divided = kept if steps.early else rate
    if len(v) > 0:
        for k in range(n):
            divided[k] = float(inverse[k])
    else:
        for k in range(n):
            divided[k] = 1.0
    if steps.early:
        for k in range(n):
            rate[k] = 1.0
            kept[k] *= p
    for k in range(len(factors)):
        rate[k] *= factors[k]
    for k in range(n):
        Q[k] = q * rate[k] + mu * Q[k]
    if steps.early:
        for k in range(n):
            w[k] = r * rate[k] + kept[k] * Q[k]
    else:
        for k in range(n):
            w[k] = r * rate[k] + p * Q[k]
    for k in range(len(clipped)):
        w[k] *= clipped[k]
    if len(apart) > 0 and steps.left[t] != 0:
        power = steps.push[t] * steps.power[t]
        for k in range(n):
            apart[k] = power * (kept[k] if steps.early else p)
        for k in range(len(clipped)):
            apart[k] *= clipped[k]


@kernel
def _penalise(
    steps: Steps, t: int, theta: Array, clipped: Array, penalised: Array, Q: Array, w: Array,
    work: Work, sums: Sums, at: int,
) -> None:  # fmt: skip
    """Add what the penalties of a step moved and left, of a row of weights."""
    n, l1, l2 = len(theta), steps.scale[t] * steps.l1[t], steps.scale[t] * steps.l2[t]
    push = vector(work.penalty, 0, n)
    for k in range(n):
        W = float(theta[k])
        sign = 1.0 if W > 0 else -1.0 if W < 0 else 0.0
        push[k] = penalised[k] * (l1 * sign + l2 * W)
    penalty, size = vector(sums.penalty, at, n), vector(sums.penalty_size, at, n)
    if len(steps.moved) > 0:
        _add_alike(steps.moved[t], push, penalty, size)
    elif len(w) > 0:
        _add_penalties(1.0, push, w, penalty, size)
    else:
        _add_penalties(steps.p[t], push, Q, penalty, size)
    if steps.left[t] == 0:
        return
    for k in range(len(clipped)):
        push[k] *= clipped[k]
    penalty, size = vector(sums.penalty_left, at, n), vector(sums.penalty_left_size, at, n)
    if steps.early:
        _add_penalties(steps.power[t], push, vector(work.kept, 0, n), penalty, size)
    else:
        _add_alike(steps.power[t] * steps.p[t], push, penalty, size)


@kernel
def _add_penalties(factor: float, push: Array, w: Array, sums: Array, sizes: Array) -> None:
    for k in range(len(push)):
        moved = factor * push[k] * w[k]
        sums[k] += moved
        sizes[k] += abs(moved)


@kernel
def _add_alike(factor: float, push: Array, sums: Array, sizes: Array) -> None:
    for k in range(len(push)):
        moved = factor * push[k]
        sums[k] += moved
        sizes[k] += abs(moved)


@kernel
def _decay(lost: float, theta: Array, factors: Array, taken: Array) -> None:
    """Add what the decay of the rule took off: κ from θ before the step."""
    if len(factors) > 0:
        for k in range(len(theta)):
            taken[k] -= lost * factors[k] * float(theta[k])
    else:
        for k in range(len(theta)):
            taken[k] -= lost * float(theta[k])


@kernel
def _decay_after(decay: float, after: Array, factors: Array, taken: Array) -> None:
    """Add what the decay of the plan took off: d of what the step had made."""
    if len(factors) > 0:
        for k in range(len(after)):
            rate = decay * factors[k]
            taken[k] -= rate / (1.0 - rate) * float(after[k])
    else:
        share = decay / (1.0 - decay)
        for k in range(len(after)):
            taken[k] -= share * float(after[k])


@kernel
def _weigh_step(
    steps: Steps, t: int, recorded: Recorded, sums: Sums, work: Work, low: int, high: int
) -> None:
    """Go one step back, in some rows: w of every weight, and all that is no example's.

    Rows without gaps, as far apart in the record as in the sums, are one, which goes piece by piece.
    """
    length, width, n = sums.length, recorded.width, sums.inner
    rows, apart, wide = high - low, length, width
    if width == length:
        apart = wide = min(PIECE, rows * length)
        rows = -(-rows * length // apart)
    end = (high - low) * length
    before = max(t - 1, 0)
    for row in range(rows):
        here = row * apart
        at, there = low * length + here, low * width + row * wide
        if width == length:
            n = min(apart, end - here)
        theta = vector(
            recorded.theta, t * recorded.theta_apart + there, min(n, len(recorded.theta))
        )
        v = vector(recorded.v, t * recorded.v_apart + there, min(n, len(recorded.v)))
        factors = vector(recorded.factors, at, min(n, len(recorded.factors)))
        clipped = vector(recorded.clipped, t * len(sums.Q) + at, min(n, len(recorded.clipped)))
        Q = vector(sums.Q, at, n)
        # Those of the step that is taken next, from far away.
        prefetch(recorded.theta, before * recorded.theta_apart + there, len(theta))
        prefetch(recorded.v, before * recorded.v_apart + there, len(v))
        w = vector(work.w, here, min(n, len(work.w)))
        if len(steps.moved) == 0:
            _weigh(
                steps, t, v, factors, clipped, Q, w,
                vector(work.apart, here, min(n, len(work.apart))), work,
            )  # fmt: skip
        add_sizes(theta, vector(sums.thetas, at, len(theta)))
        if steps.l1[t] != 0 or steps.l2[t] != 0:
            _penalise(
                steps, t, theta, clipped, vector(recorded.penalised, at, n), Q, w, work, sums, at
            )
        if steps.lost[t] != 0:
            _decay(steps.lost[t], theta, factors, vector(sums.decay, at, n))
        if steps.decay != 0:
            later = vector(recorded.after, there, n)
            if t + 1 < len(steps.p):
                later = vector(recorded.theta, (t + 1) * recorded.theta_apart + there, n)
            _decay_after(steps.decay, later, factors, vector(sums.decay, at, n))


@kernel
def _take_numbers(examples: Examples, t: int, i: int, work: Work, low: int, high: int) -> int:
    """Find the inputs from `low` on that are not 0, where those before have been taken; return how many."""
    row, reached = examples.which[t, i], vector(work.reached, t * examples.which.shape[1] + i, 1)
    start, stop, count = examples.starts[row], examples.starts[row + 1], 0
    at = start + reached[0] if low > 0 else start
    while at < stop and examples.columns[at] < high:
        work.places[count] = examples.columns[at] - low
        work.values[count] = float(examples.values[at])
        count += 1
        at += 1
    reached[0] = at - start
    return count


@kernel
def _ask_for_inputs(
    examples: Examples, t: int, i: int, work: Work, units_inside: bool, low: int, high: int
) -> None:
    """Ask for the inputs of an example, which are read next, from far away."""
    row, rows = max(examples.which[t, i], 0), examples.rows
    if len(examples.starts) > 0:
        start, size = examples.starts[row], examples.starts[row + 1] - examples.starts[row]
        if low > 0:
            done = work.reached[t * examples.which.shape[1] + i]
            start, size = start + done, size - done
        size = min(size, high - low)
        prefetch(examples.columns, start, size)
        prefetch(examples.values, start, size)
        return
    ahead, inputs = ZERO, examples.inputs
    if units_inside:
        ahead, inputs = low, max(0, min(high, inputs) - low)
    prefetch(rows, row * rows.shape[1] + examples.low + ahead, inputs)


@lanes_kernel
def _dot(one: Array, other: Array) -> float:
    found = 0.0
    for k in range(len(one)):
        found += one[k] * other[k]
    return found


@kernel
def _split(
    examples: Examples, t: int, i: int, work: Work, units_inside: bool, low: int, high: int
) -> int:
    """Find the numbers of the outer loop that are not 0, and all of the inner; return how many there are.

    Of the outer numbers from `low` on; of inputs those beyond the last are the bias, of which a is 1.
    """
    places, values, inner = work.places, work.values, work.inner
    rows, delta = examples.rows, examples.delta
    first, units, count = examples.which[t, i] * rows.shape[1] + examples.low, delta.shape[2], 0
    d = vector(delta, (t * delta.shape[1] + i) * units, units)
    if units_inside:
        inputs = max(0, min(high, examples.inputs) - low)
        for j in range(units):
            inner[j] = float(d[j])
        if len(examples.starts) > 0:
            count = _take_numbers(examples, t, i, work, low, low + inputs)
        else:
            x = vector(rows, first + low, inputs)
            for k in range(inputs):
                places[count], values[count] = k, float(x[k])
                count += x[k] != 0
        for k in range(inputs, high - low):
            places[count], values[count] = k, 1.0
            count += 1
        return count
    x = vector(rows, first, examples.inputs)
    for k in range(len(x)):
        inner[k] = float(x[k])
    for k in range(high - low):
        places[count], values[count] = k, float(d[low + k])
        count += d[low + k] != 0
    return count


@kernel
def _add_step(
    steps: Steps, t: int, examples: Examples, sums: Sums, work: Work, units_inside: bool, low: int,
    high: int,
) -> None:  # fmt: skip
    """Add the pushes of a step, on the weights of some rows."""
    left, length, base = steps.left[t], sums.length, low * sums.length
    places, values, inner, scaled = work.places, work.values, work.inner, work.scaled
    alike, factor = len(steps.moved) > 0, steps.push[t]
    weights = vector(work.w, 0, len(work.w))
    if alike:
        factor *= steps.moved[t]
    elif len(weights) == 0:
        factor *= steps.p[t]
        weights = vector(sums.Q, base, (high - low) * length)
    found = vector(work.found, 0, sums.inner)
    for i in range(examples.which.shape[1]):
        if len(examples.starts) > 0:  # where the inputs lie that the next step will ask for
            prefetch(examples.starts, max(examples.which[max(t - 2, 0), i], 0), ENDS)
        _ask_for_inputs(examples, max(t - 1, 0), i, work, units_inside, low, high)
        if examples.which[t, i] < 0:
            continue
        first = examples.labels[t, i] * sums.moves.shape[1] + base
        count = _split(examples, t, i, work, units_inside, low, high)
        _scale(factor, inner, scaled)
        if alike:
            add_pushes(
                places, values, count, scaled, length, None, sums.moves, first, sums.moved_size, base,
                sums.direction, work.found,
            )  # fmt: skip
        else:
            add_pushes(
                places, values, count, scaled, length, weights, sums.moves, first, sums.moved_size, base,
                sums.direction, work.found,
            )  # fmt: skip
        sums.along[t, i] += _sum(found)
        if left == 0:
            continue
        if len(work.apart) > 0:
            add_pushes(
                places, values, count, inner, length, work.apart, sums.leaves, first, sums.left_size,
                base, None, None,
            )  # fmt: skip
        else:
            _scale(left, inner, scaled)
            add_pushes(
                places, values, count, scaled, length, None, sums.leaves, first, sums.left_size, base,
                None, None,
            )  # fmt: skip


@lanes_kernel
def _sum(numbers: Array) -> float:
    total = 0.0
    for k in range(len(numbers)):
        total += numbers[k]
    return total


@kernel
def _scale(factor: float, row: Array, scaled: Array) -> None:
    for k in range(len(row)):
        scaled[k] = factor * row[k]


@cached_kernel
def take_in(
    steps: Steps, recorded: Recorded, examples: Examples, sums: Sums, work: Work, units_inside: bool,
    weighs: bool, block: int,
) -> int:  # fmt: skip
    """Walk a chunk of steps back and add up all of `Sums`, which is 0 before; return the number of steps.

    It is walked once for each so many rows, whose numbers stay in the cache meanwhile. `weighs`
    says whether anything follows from θ or v.
    """
    m, outer = len(steps.p), len(sums.Q) // sums.length
    for low in range(0, outer, block):
        high = min(low + block, outer)
        for back in range(m):
            t = m - 1 - back
            if weighs:
                _weigh_step(steps, t, recorded, sums, work, low, high)
            _add_step(steps, t, examples, sums, work, units_inside, low, high)
    return m


@kernel
def _divide(
    weights: Array,
    v: Array,
    epsilon: float,
    clipped: Array,
    at: int,
    inverse: Array,
    divided: Array,
) -> None:
    """Divide weights by the denominators of a step, whose v begins at `at`, and clip them as it did."""
    for start in range(0, len(weights), PIECE):
        n = min(PIECE, len(weights) - start)
        now, before = vector(divided, start, n), vector(weights, start, n)
        for k in range(n):
            now[k] = before[k]
        if len(v) > 0:
            over_D = vector(inverse, 0, n)
            invert(vector(v, at + start, n), epsilon, over_D)
            for k in range(n):
                now[k] *= float(over_D[k])
        left = vector(clipped, at + start, min(n, len(clipped)))
        for k in range(len(left)):
            now[k] *= left[k]


@cached_kernel
def find_lengths(
    examples: Examples, factors: Array, weights: Array, epsilon: Array, v: Array, clipped: Array,
    first: int, divided: Array, along: Array, work: Work, units_inside: bool, length: int, inner: int,
) -> int:  # fmt: skip
    """Find ⟨weights, factor δ aᵀ⟩ of every example, with the weights laid as sums are; return the steps.

    They are divided by the denominators of each step, and clipped as it did, where v and what clipping by
    value left are given, from step `first` on; `divided` is memory for that, and else empty.
    """
    m, B = examples.which.shape
    outer = len(weights) // length
    found, used = vector(work.found, 0, inner), vector(work.inner, 0, inner)
    acting = vector(weights, 0, len(weights))
    if len(divided) > 0:
        acting = vector(divided, 0, len(divided))
    for t in range(m):
        if factors[t] == 0:
            continue
        if len(divided) > 0:
            at = (t - first) * len(weights)
            _divide(weights, v, epsilon[t], clipped, at, work.inverse, divided)
        for i in range(B):
            _ask_for_inputs(examples, min(t + 1, m - 1), i, work, units_inside, ZERO, outer)
            if examples.which[t, i] < 0:
                continue
            count = _split(examples, t, i, work, units_inside, ZERO, outer)
            add_up_rows(work.places, work.values, count, length, acting, work.found)
            along[t, i] = factors[t] * _dot(found, used)
    return m
