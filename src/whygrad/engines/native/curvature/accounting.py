"""What the pushes of single examples come to over a chunk of steps: the inner loop of a ledger.

An optimizer's rule is linear in the gradients once its denominators are held: a push at step t moves its
weight by w_t = r_t + p_t Q_t up to the chunk's end, Q_t = q_t + μ Q_{t+1}, and leaves p_t μ^{m−1−t} in the
buffer. So one walk backwards through a chunk finds w_t of every weight, and adds w_t ⊙ δ aᵀ of each example
to the sum of its label, to the sum of the sizes, and along a direction.

A push is a product of a column and a row: the outer loop runs over those numbers of one that are not 0, the
inner one over all of the other, in lanes. Units lie side by side where there are some, so that inputs that
are 0 cost nothing; else the inputs do. One thread takes the steps in, in one order.
"""

import math
from typing import NamedTuple

from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ZERO, cached_kernel, kernel, lanes_kernel
from whygrad.engines.native.memory import prefetch
from whygrad.nn.functions import Array

LANES = 8  # numbers side by side: the rows of sums are filled up to a multiple of them


class Steps(NamedTuple):
    """The numbers of m steps, (m,) each, and those of all: what moves a weight, and how.

    `push` is what turns s δ a into its part of ĝ, `left` what a push then leaves in the buffer at the end,
    and `power` μ^{m−1−t}; `scale` is that of clipping, and `lost` 1 − κ.
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


class Recorded(NamedTuple):
    """What a probe recorded of R x K weights: θ, m and v in flat memory, so far from one step to the next.

    m and v are empty where the rule has none; `after` is θ after the last step, flat. `factors` on the
    learning rate are (1, K) or (R, K); `clipped` is what clipping by value leaves of a gradient, step by
    step, or empty. The last `biases` columns are of biases.
    """

    theta: Array
    theta_apart: int
    m: Array
    m_apart: int
    v: Array
    v_apart: int
    after: Array
    factors: Array
    clipped: Array
    biases: int


class Examples(NamedTuple):
    """The examples of the steps: their labels (m, B), rows of a, which of these (m, B), and δ (m, B, R)."""

    labels: Array
    rows: Array
    which: Array
    low: int
    inputs: int
    delta: Array


class Sums(NamedTuple):
    """What is found.

    Of pushes, in rows of the inner loop's length: `moves` and `leaves` (G, ·) by label, their sizes (·),
    and `along` (m, B), the moves of each along `direction` (·). By weight, (R, K): Q of the first step,
    Σ |θ|, Σ |Q m| and what is left of |m|, what penalties moved and left with the sizes of these, and what
    decay took.
    """

    direction: Array
    moves: Array
    leaves: Array
    moved_size: Array
    left_size: Array
    along: Array
    Q: Array
    thetas: Array
    rolled: Array
    rolled_left: Array
    penalty: Array
    penalty_left: Array
    penalty_size: Array
    penalty_left_size: Array
    decay: Array


class Work(NamedTuple):
    """Memory of the loop: w as the sums lie, p too where weights differ in it, and rows of numbers."""

    w: Array
    apart: Array
    places: Array
    values: Array
    inner: Array
    rate: Array
    moved: Array
    kept: Array


@kernel
def _weigh(steps: Steps, t: int, v: Array, factors: Array, Q: Array, work: Work) -> None:
    """Q of a step and w, without `push`, for weights of a unit; `kept` is p, which may be divided early.

    In loops of few arrays each: where there are many, whether they overlap is too much to ask at run time,
    and nothing is done in lanes.
    """
    p, q, r, epsilon, mu = steps.p[t], steps.q[t], steps.r[t], steps.epsilon[t], steps.mu
    n = len(Q)
    moved, kept, rate = vector(work.moved, 0, n), vector(work.kept, 0, n), vector(work.rate, 0, n)
    for k in range(n):
        rate[k] = factors[k]
    for k in range(n):
        kept[k] = p
    divided = kept if steps.early else rate
    for k in range(len(v)):
        divided[k] /= math.sqrt(float(v[k])) + epsilon
    for k in range(n):
        Q[k] = q * rate[k] + mu * Q[k]
    if r == 0:
        for k in range(n):
            moved[k] = kept[k] * Q[k]
    else:
        for k in range(n):
            moved[k] = r * rate[k] + kept[k] * Q[k]


@kernel
def _penalise(
    steps: Steps, t: int, theta: Array, clipped: Array, work: Work, sums: Sums, at: int
) -> None:
    """Add what the penalties of a step moved and left, of the weights of a unit that are no biases."""
    scale, l1, l2, power = steps.scale[t], steps.l1[t], steps.l2[t], steps.power[t]
    moved, kept = work.moved, work.kept
    n = len(theta)
    penalty, left = vector(sums.penalty, at, n), vector(sums.penalty_left, at, n)
    size, left_size = vector(sums.penalty_size, at, n), vector(sums.penalty_left_size, at, n)
    for k in range(n):
        W = float(theta[k])
        sign = 1.0 if W > 0 else -1.0 if W < 0 else 0.0
        push = scale * (l1 * sign + l2 * W)
        if len(clipped) > 0:
            push *= clipped[k]
        penalty[k] += moved[k] * push
        left[k] += power * kept[k] * push
        size[k] += abs(moved[k] * push)
        left_size[k] += abs(power * kept[k] * push)


@kernel
def _decay(
    lost: float, decay: float, theta: Array, after: Array, factors: Array, taken: Array
) -> None:
    """Add what decay took off: κ of the rule from θ before the step, and d of what the step had made."""
    for k in range(len(theta)):
        rate = decay * factors[k]
        taken[k] -= lost * factors[k] * float(theta[k]) + rate / (1.0 - rate) * float(after[k])


@kernel
def _size_up(
    power: float, theta: Array, m: Array, Q: Array, thetas: Array, rolled: Array, left: Array
) -> None:
    """Add the sizes of θ, and of m with what it does to θ."""
    for k in range(len(theta)):
        thetas[k] += abs(float(theta[k]))
    for k in range(len(m)):
        rolled[k] += abs(Q[k] * float(m[k]))
    for k in range(len(m)):
        left[k] += power * abs(float(m[k]))


@kernel
def _lay(row: Array, factor: float, clipped: Array, target: Array, start: int, apart: int) -> None:
    """Lay the numbers of a unit, times a factor, where the sums have them, so far from one another."""
    for k in range(len(clipped)):
        row[k] *= clipped[k]
    if apart == 1:
        to = vector(target, start, len(row))
        for k in range(len(row)):
            to[k] = factor * row[k]
        return
    for k in range(len(row)):
        target[start + k * apart] = factor * row[k]


@kernel
def _weigh_step(
    steps: Steps, t: int, recorded: Recorded, sums: Sums, work: Work, units_inside: bool, length: int,
    low: int, high: int,
) -> None:  # fmt: skip
    """Go one step back, in some columns: w of every weight, and all that is no example's."""
    R, K = sums.Q.shape
    n, weights = high - low, min(high, K - recorded.biases) - low
    decays = steps.lost[t] != 0 or steps.decay != 0
    for j in range(R):
        at = j * K + low
        theta = vector(recorded.theta, t * recorded.theta_apart + at, n)
        m = vector(recorded.m, t * recorded.m_apart + at, min(n, len(recorded.m)))
        v = vector(recorded.v, t * recorded.v_apart + at, min(n, len(recorded.v)))
        factors = vector(recorded.factors, (at if len(recorded.factors) > 1 else low), n)
        clipped = vector(recorded.clipped, t * R * K + at, min(n, len(recorded.clipped)))
        Q, before = vector(sums.Q, at, n), max(t - 1, 0)  # which is taken next, from far away
        prefetch(recorded.theta, before * recorded.theta_apart + at, n)
        prefetch(recorded.m, before * recorded.m_apart + at, len(m))
        prefetch(recorded.v, before * recorded.v_apart + at, len(v))
        _weigh(steps, t, v, factors, Q, work)
        _size_up(
            steps.power[t], theta, m, Q, vector(sums.thetas, at, n), vector(sums.rolled, at, n),
            vector(sums.rolled_left, at, n),
        )  # fmt: skip
        if steps.l1[t] != 0 or steps.l2[t] != 0:
            _penalise(steps, t, vector(theta, 0, weights), clipped, work, sums, at)
        if decays:
            later = vector(recorded.after, at, n)
            if t + 1 < len(steps.p):
                later = vector(recorded.theta, (t + 1) * recorded.theta_apart + at, n)
            _decay(steps.lost[t], steps.decay, theta, later, factors, vector(sums.decay, at, n))
        start, apart = (j, length) if units_inside else (j * length, 1)
        _lay(vector(work.moved, 0, n), steps.push[t], clipped, work.w, start, apart)
        if len(work.apart) > 0:
            push = steps.push[t] * steps.power[t]
            _lay(vector(work.kept, 0, n), push, clipped, work.apart, start, apart)


@kernel
def _split(
    examples: Examples, t: int, i: int, work: Work, units_inside: bool, low: int, high: int
) -> int:
    """Find the numbers of the outer loop that are not 0, and all of the inner; return how many there are.

    Of the columns from `low` on; those from `inputs` on are the bias, of which a is 1.
    """
    places, values, inner = work.places, work.values, work.inner
    rows, delta = examples.rows, examples.delta
    first = examples.which[t, i] * rows.shape[1] + examples.low + low
    x = vector(rows, first, min(high, examples.inputs) - low)
    biases, units, count = high - low - len(x), delta.shape[2], 0
    d = vector(delta, (t * delta.shape[1] + i) * units, units)
    if units_inside:
        for j in range(units):
            inner[j] = float(d[j])
        for k in range(len(x)):
            places[count], values[count] = k, float(x[k])
            count += x[k] != 0
        for k in range(biases):
            places[count + k], values[count + k] = len(x) + k, 1.0
        return count + biases
    for k in range(len(x)):
        inner[k] = float(x[k])
    for k in range(biases):
        inner[len(x) + k] = 1.0
    for j in range(units):
        places[count], values[count] = j, float(d[j])
        count += d[j] != 0
    return count


@lanes_kernel
def _add_moves(
    value: float, inner: Array, w: Array, along: Array, total: Array, size: Array
) -> float:
    """Add w ⊙ (value · inner) to the sums of a row; return its length along the direction."""
    found = 0.0
    for k in range(len(inner)):
        move = value * inner[k] * w[k]
        total[k] += move
        size[k] += abs(move)
        found += move * along[k]
    return found


@kernel
def _add_left(value: float, inner: Array, total: Array, size: Array) -> None:
    """Add value · inner, which a row of pushes leaves in the buffer."""
    for k in range(len(inner)):
        left = value * inner[k]
        total[k] += left
        size[k] += abs(left)


@kernel
def _add_left_apart(value: float, inner: Array, w: Array, total: Array, size: Array) -> None:
    """As `_add_left`, where it differs by weight."""
    for k in range(len(inner)):
        left = value * inner[k] * w[k]
        total[k] += left
        size[k] += abs(left)


@kernel
def _add_step(
    steps: Steps, t: int, examples: Examples, sums: Sums, work: Work, units_inside: bool, length: int,
    low: int, high: int,
) -> None:  # fmt: skip
    """Add the pushes of a step, on the weights of some columns."""
    left, inner, base = steps.left[t], vector(work.inner, 0, length), low * length * units_inside
    rows, inputs, before = examples.rows, min(high, examples.inputs) - low, max(t - 1, 0)
    for i in range(examples.which.shape[1]):
        row = max(examples.which[before, i], 0)
        prefetch(rows, row * rows.shape[1] + examples.low + low, inputs)
        if examples.which[t, i] < 0:
            continue
        first = examples.labels[t, i] * sums.moves.shape[1] + base
        found = 0.0
        for n in range(_split(examples, t, i, work, units_inside, low, high)):
            value, at = work.values[n], work.places[n] * length
            found += _add_moves(
                value, inner, vector(work.w, at, length), vector(sums.direction, base + at, length),
                vector(sums.moves, first + at, length), vector(sums.moved_size, base + at, length),
            )  # fmt: skip
            if len(work.apart) > 0:
                _add_left_apart(
                    value, inner, vector(work.apart, at, length),
                    vector(sums.leaves, first + at, length), vector(sums.left_size, base + at, length),
                )  # fmt: skip
            elif left != 0:
                _add_left(
                    value * left, inner, vector(sums.leaves, first + at, length),
                    vector(sums.left_size, base + at, length),
                )  # fmt: skip
        sums.along[t, i] += found


@cached_kernel
def take_in(
    steps: Steps, recorded: Recorded, examples: Examples, sums: Sums, work: Work, units_inside: bool,
    length: int, columns: int,
) -> int:  # fmt: skip
    """Walk a chunk of steps back and add up all of `Sums`, which is 0 before; return the number of steps.

    It is walked once for each so many columns, whose numbers stay in the cache meanwhile.
    """
    m, K = len(steps.p), sums.Q.shape[1]
    for low in range(0, K, columns):
        high = min(low + columns, K)
        for back in range(m):
            t = m - 1 - back
            _weigh_step(steps, t, recorded, sums, work, units_inside, length, low, high)
            _add_step(steps, t, examples, sums, work, units_inside, length, low, high)
    return m


@lanes_kernel
def _dot(inner: Array, weights: Array) -> float:
    found = 0.0
    for k in range(len(inner)):
        found += inner[k] * weights[k]
    return found


@cached_kernel
def find_lengths(
    examples: Examples, factors: Array, weights: Array, along: Array, work: Work, columns: int,
    units_inside: bool, length: int,
) -> int:  # fmt: skip
    """Find ⟨weights, factor δ aᵀ⟩ of every example, with the weights laid as sums are; return the steps."""
    m, B = examples.which.shape
    for t in range(m):
        for i in range(B):
            if factors[t] == 0 or examples.which[t, i] < 0:
                continue
            found = 0.0
            for n in range(_split(examples, t, i, work, units_inside, ZERO, columns)):
                found += work.values[n] * _dot(
                    work.inner, vector(weights, work.places[n] * length, length)
                )
            along[t, i] = factors[t] * found
    return m
