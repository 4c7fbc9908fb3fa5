"""The steps of a training walked backwards in native code: from ∂f/∂θ after some steps to that before them.

A step in the form of `whygrad.engines.curvature.Form`, differentiated, with λ = ∂f/∂θ, and λ_m and λ_v by
the optimizer's state:

    λ_m′ = λ_m + q λ/D,   λ_v′ = λ_v − (λ Δθ/D)/2√v′,   u = r λ/D + p λ_m′ + 2γ g λ_v′
    λ ← κ λ + H u + λ₂ u_W,   λ_m ← μ λ_m′,   λ_v ← β λ_v′

u is ∂f by the gradient of the step, through clipping as it acted. The pass along u gives the slopes
∇C_x · u of all examples, and adds Hu to λ where that lies. All is in the precision of the training. What
the steps, taken again, had in the workspace is not found twice: z, a and δ, and g, which of a rule with m
and v is (m′ − μ m)/p.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from whygrad.engines.machine_code.denormals import flush, restore
from whygrad.engines.native.arguments import Examples, Layers, ThreadContext, Workspace
from whygrad.engines.native.barrier import wait_at_barrier
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import (
    ZERO,
    cached_kernel,
    inlined_kernel,
    kernel,
    lanes_kernel,
)
from whygrad.engines.native.curvature.passes import (
    Changes,
    add_product,
    along,
    find_errors,
    find_gradient,
    trace,
)
from whygrad.engines.native.dropout import following
from whygrad.engines.native.memory import copy
from whygrad.engines.native.partition import moved_blocks, share, units_of, weights_of
from whygrad.engines.native.passes import gather, strengths
from whygrad.engines.native.products.microkernels import HEIGHT
from whygrad.engines.native.updates import Bounds, Penalties, keep, sum_of_squares
from whygrad.nn.functions import Array

_EXAMPLES: Any = np.int64(HEIGHT)
APART = 4  # steps from one v that is kept to the next, where the others follow from m
PIECE = 2**11  # numbers of v at a time: they stay in the nearest cache
# The columns of a step's coefficients, and of the sums over all parameters.
P, Q, R, KEEP, EPSILON = range(5)
(
    BY_G,
    BY_W,
    BY_SIGN,
    BY_RATE,
    BY_MOVE,
    BY_AFTER,
    BY_BUFFER,
    BY_PUSH,
    BY_DECAY,
    BY_CLIPPED,
    CLIPPED,
) = range(11)


class Rule(NamedTuple):
    """The constants of `Form` as numbers; m and v are where a row has them, −1 where a rule has none.

    That is a row of the states, which begins with θ from its number `low` on; for v one of its own.
    """

    mu: float
    beta: float
    gamma: float
    m: int
    v: int
    low: int
    early: bool


class Adjoints(NamedTuple):
    """Memory for K numbers f, in the loop's order, a row for each.

    `lam`, `lam_m` and `lam_v` are ∂f by θ, m and v, `u` ∂f by the gradient; a vector each has `gradient`
    and, where it is clipped, `clipped`. `between` has v of steps whose state is kept without it. `parts`
    has what a block that moves adds to each of the sums, (L + 1, blocks, K, 11).
    """

    lam: Array
    lam_m: Array
    lam_v: Array
    u: Array
    gradient: Array
    clipped: Array
    between: Array
    parts: Array


@cached_kernel
def pull_back(
    layers: Layers, changes: Changes, rule: Rule, penalties: Penalties, bounds: Bounds,
    adjoints: Adjoints, states: Array, vs: Array, apart: int, traces: Array, traced: int, scale: Array,
    coefficients: Array, examples: Examples, workspace: Workspace, thread: ThreadContext, size: int,
    batch_size: int, batch_index: int, seed: Any, step: int, measured: bool, slopes: Array, outputs: Array,
    z: Array, sums: Array,
) -> int:  # fmt: skip
    """Walk back over a step for each row of coefficients, from the last to the first.

    `states` has a row for the state before each step, and one for that after the last where it is known;
    `vs` has the v of every `apart`-th. `traces` has what lies in the workspace from `traced` on, or no
    rows. `slopes` (steps, K, B) receives ∇C_x · u, `outputs` (steps, K, B n_L) the change of z of the
    outputs along u, `z` (steps, B n_L) these themselves where it has rows, and `sums` (steps, K, 11) what
    `_measure` and `_settings` find: only where they are to be `measured`.
    """
    before = flush()
    part, parts, count = thread.part, thread.parts, thread.barrier_count
    clips = math.isfinite(bounds.norm) or math.isfinite(bounds.value)
    # Where g follows from the states, it need not be found.
    follows = rule.m >= 0 and rule.v >= 0 and not rule.early
    needed = measured or clips or (rule.v >= 0 and not follows)
    nowhere = vector(workspace.y, ZERO, ZERO)
    phase = ZERO
    for i in range(len(coefficients) - 1, -1, -1):
        first = (batch_index + i) * batch_size
        rows = min(batch_size, len(examples.order) - first)
        S, l1, l2 = strengths(penalties, examples, first, rows)
        low, high = share(rows, parts, part, _EXAMPLES), share(rows, parts, part + 1, _EXAMPLES)
        theta = vector(states[i], ZERO - rule.low, size)  # from `low` on it is there
        if len(traces) > 0:
            gather(layers, examples, workspace, first, low, high, rows)
            if part == 0:
                copy(traces[i], ZERO, workspace.work, traced, traces.shape[1])
            phase += 1
            wait_at_barrier(count, parts, phase)
        else:
            key = following(following(np.uint64(0), seed), np.uint64(step + i))
            trace(layers, theta, examples, workspace, first, low, high, rows, key, part)
        find_errors(layers, changes, theta, workspace, low, high, len(traces) > 0, part)
        phase += 1
        wait_at_barrier(count, parts, phase)
        if len(z) > 0 and part == 0:
            L = len(layers.sizes) - 1
            copy(workspace.work, layers.z[L], z[i], ZERO, rows * layers.sizes[L])
        if needed:
            find_gradient(
                layers, theta, examples, workspace, thread, first, rows, S, l1, l2, adjoints.gradient
            )  # fmt: skip
        _pull(
            layers, rule, penalties.decay, bounds, clips, measured, needed, adjoints, states, vs, apart, i,
            workspace, thread, scale[i], coefficients,
        )  # fmt: skip
        phase += 1
        wait_at_barrier(count, parts, phase)
        if clips:
            _through_clipping(layers, bounds, adjoints, thread, scale[i])
        if measured:
            _measure(layers, adjoints, theta, thread)
        phase += 1
        wait_at_barrier(count, parts, phase)
        # Where there is a denominator κ has acted already.
        kept = 1.0 if rule.v >= 0 else coefficients[i, KEEP]
        for k in range(len(adjoints.lam)):
            u = adjoints.u[k]
            along(
                layers, changes, theta, u, examples, workspace, first, low, high, part, slopes[i, k],
                outputs[i, k] if len(outputs) > 0 else nowhere,
            )  # fmt: skip
            phase += 1
            wait_at_barrier(count, parts, phase)
            add_product(
                layers, changes, u, examples, workspace, thread, first, rows, S, l2, kept, adjoints.lam[k]
            )  # fmt: skip
            phase += 1
            wait_at_barrier(count, parts, phase)
        if part == 0 and measured:
            _add_up(layers, adjoints, sums[i])
    restore(before)
    return len(coefficients)


@kernel
def _stretch(layers: Layers, l: int, block: int, biases: int) -> tuple[int, int]:
    """Return where in θ the weights or the biases of a block begin, and how many they are."""
    low, high = units_of(layers, l, block)
    if biases:
        return layers.b[l] + low, high - low
    return weights_of(layers, l, low, high)


@kernel
def _pull(
    layers: Layers, rule: Rule, decay: float, bounds: Bounds, clips: bool, measured: bool, needed: bool,
    adjoints: Adjoints, states: Array, vs: Array, apart: int, i: int, workspace: Workspace,
    thread: ThreadContext, scale: float, all_coefficients: Array,
) -> None:  # fmt: skip
    """Pull this thread's share of λ, λ_m and λ_v back through step i; find u by the clipped gradient.

    The gradient is there where it was `needed`, and else follows from the states before and after.
    """
    state, after, coefficients = states[i], states[min(i + 1, len(states) - 1)], all_coefficients[i]
    since = i % apart
    found_anew = since == apart - 1 or i == len(all_coefficients) - 1
    for l in range(1, len(layers.sizes)):
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        for block in range(own, end):
            found = adjoints.parts[l, block]
            found[:] = 0.0
            for biases in range(2):
                start, n = _stretch(layers, l, block, biases)
                g = vector(adjoints.gradient, start, n)
                if clips:
                    g = vector(adjoints.clipped, start, n)
                    _clip(bounds, scale, vector(adjoints.gradient, start, n), g)
                own_rates = len(workspace.factors) > 0
                factors = vector(
                    workspace.factors, start if own_rates else 0, n if own_rates else 0
                )
                # Where a rule has no m, q is 0 and anything will do for it.
                at_m, at_v = start + max(rule.m, 0), start + max(rule.v, 0)
                m, v, after_m = (
                    vector(state, at_m, n),
                    vector(vs[i // apart], at_v, n),
                    vector(after, at_m, n),
                )
                if since > 0:
                    if found_anew:
                        _carry_on(
                            rule, all_coefficients, states, vs[i // apart], i, since, at_m, at_v, start,
                            n, adjoints.between,
                        )  # fmt: skip
                    v = vector(adjoints.between[since - 1], start, n)
                for k in range(len(adjoints.lam)):
                    lam, u = vector(adjoints.lam[k], start, n), vector(adjoints.u[k], start, n)
                    lam_m = vector(adjoints.lam_m[k], start, n)
                    lam_v = vector(adjoints.lam_v[k], start, n)
                    keep(workspace.kept, start, lam, ZERO, n)
                    if measured:
                        _settings(
                            rule, coefficients, decay, vector(state, start, n), vector(after, start, n),
                            m, v, g, factors, lam, lam_m, found[k],
                        )  # fmt: skip
                    if decay != 0:
                        _decay(decay, factors, lam)
                    if rule.v < 0:
                        _descent(rule, coefficients, factors, lam, lam_m, u)
                    elif needed:
                        _adaptive(rule, coefficients, m, v, g, factors, lam, lam_m, lam_v, u)
                    else:
                        _adaptive_after(
                            rule, coefficients, m, v, after_m, factors, lam, lam_m, lam_v, u
                        )  # fmt: skip
                    if rule.v >= 0 and coefficients[KEEP] != 1.0:
                        _decay(1.0 - coefficients[KEEP], factors, lam)
                    keep(workspace.kept, start, u, ZERO, n)
                    if clips:
                        found[k, BY_CLIPPED] += _dot(u, g)
                        found[k, CLIPPED] += sum_of_squares(g)


@kernel
def _clip(bounds: Bounds, scale: float, g: Array, clipped: Array) -> None:
    """clipped ← the gradient as the rule took it."""
    real = type(g[0])
    high, low, factor = real(bounds.value), real(-bounds.value), real(scale)
    for i in range(len(g)):
        slope = g[i]
        clipped[i] = factor * (high if slope > high else low if slope < low else slope)


@kernel
def _decay(decay: float, factors: Array, lam: Array) -> None:
    """λ ← (1 − m d) λ."""
    real = type(lam[0])
    one, d = real(1), real(decay)
    if len(factors) > 0:
        for i in range(len(lam)):
            lam[i] *= one - d * factors[i]
    else:
        for i in range(len(lam)):
            lam[i] *= one - d


@kernel
def _descent(
    rule: Rule, coefficients: Array, factors: Array, lam: Array, lam_m: Array, u: Array
) -> None:
    """Pull a stretch back through θ ← θ + q m + r g, m ← μ m + p g."""
    real, apart = type(u[0]), len(factors) > 0
    p, q, r, mu = (
        real(coefficients[P]), real(coefficients[Q]), real(coefficients[R]), real(rule.mu)
    )  # fmt: skip
    if rule.m < 0:
        for i in range(len(lam)):
            u[i] = r * (lam[i] * factors[i] if apart else lam[i])
        return
    for i in range(len(lam)):
        top = lam[i] * factors[i] if apart else lam[i]
        at_m = lam_m[i] + q * top
        lam_m[i] = mu * at_m
        u[i] = r * top + p * at_m


@kernel
def _adaptive(
    rule: Rule, coefficients: Array, m: Array, v: Array, g: Array, factors: Array, lam: Array,
    lam_m: Array, lam_v: Array, u: Array,
) -> None:  # fmt: skip
    """Pull a stretch back through a rule with a denominator."""
    early, apart = rule.early, len(factors) > 0
    p, q, r, epsilon, mu, beta, gamma = _numbers(rule, coefficients, u)
    for i in range(len(lam)):
        moving = lam[i] * factors[i] if apart else lam[i]
        inverse, by_root = _inverses(v[i], g[i], epsilon, beta, gamma)
        # What is divided by D: ∂f by the move, or the gradient on its way into m.
        top = moving if early else moving * inverse
        e = g[i] * inverse if early else g[i]
        after = mu * m[i] + p * e
        at_m = lam_m[i] + q * top
        at_e = p * at_m * inverse if early else r * top + p * at_m
        move = q * after if early else (q * after + r * g[i]) * inverse
        at_D = -at_e * e if early else -top * move
        at_v = lam_v[i] + at_D * by_root
        lam_m[i] = mu * at_m
        lam_v[i] = beta * at_v
        u[i] = at_e + (gamma + gamma) * g[i] * at_v


@kernel
def _adaptive_after(
    rule: Rule, coefficients: Array, m: Array, v: Array, after: Array, factors: Array, lam: Array,
    lam_m: Array, lam_v: Array, u: Array,
) -> None:  # fmt: skip
    """As `_adaptive` of a rule that is not early, from m before and after the step: p g = m′ − μ m."""
    apart = len(factors) > 0
    p, q, r, epsilon, mu, beta, gamma = _numbers(rule, coefficients, u)
    by_p = type(u[0])(1) / p
    for i in range(len(lam)):
        moving = lam[i] * factors[i] if apart else lam[i]
        g = (after[i] - mu * m[i]) * by_p
        inverse, by_root = _inverses(v[i], g, epsilon, beta, gamma)
        top = moving * inverse
        at_m = lam_m[i] + q * top
        at_v = lam_v[i] - top * (q * after[i] + r * g) * inverse * by_root
        lam_m[i] = mu * at_m
        lam_v[i] = beta * at_v
        u[i] = r * top + p * at_m + (gamma + gamma) * g * at_v


@kernel
def _carry_on(
    rule: Rule, coefficients: Array, states: Array, last: Array, i: int, since: int, at_m: int, at_v: int,
    start: int, n: int, between: Array,
) -> None:  # fmt: skip
    """Find v of the `since` steps up to i, from the `last` that is kept and every m: v ← β v + γ g².

    That takes less time than to write it to memory and read it again.
    """
    first = i - since
    for at in range(0, n, PIECE):
        size = min(PIECE, n - at)
        v = vector(last, at_v + at, size)
        for t in range(since):
            later = vector(between[t], start + at, size)
            _next_v(
                rule, coefficients[first + t], vector(states[first + t], at_m + at, size),
                vector(states[first + t + 1], at_m + at, size), v, later,
            )  # fmt: skip
            v = later


@kernel
def _next_v(
    rule: Rule, coefficients: Array, m: Array, after: Array, v: Array, later: Array
) -> None:
    real = type(v[0])
    mu, beta, gamma, by_p = (
        real(rule.mu), real(rule.beta), real(rule.gamma), real(1) / real(coefficients[P])
    )  # fmt: skip
    for i in range(len(v)):
        g = (after[i] - mu * m[i]) * by_p
        later[i] = beta * v[i] + gamma * g * g


@inlined_kernel
def _numbers(rule: Rule, coefficients: Array, like: Array) -> Any:
    """Return p, q, r, ε, μ, β and γ in the precision of the training."""
    real = type(like[0])
    return (
        real(coefficients[P]), real(coefficients[Q]), real(coefficients[R]), real(coefficients[EPSILON]),
        real(rule.mu), real(rule.beta), real(rule.gamma),
    )  # fmt: skip


@inlined_kernel
def _inverses(v: Any, g: Any, epsilon: Any, beta: Any, gamma: Any) -> Any:
    """Return 1/D and 1/2√v′, 0 where there was no gradient yet, by one division, as long as all else."""
    zero, one, half = type(v)(0), type(v)(1), type(v)(0.5)
    root = math.sqrt(beta * v + gamma * g * g)
    D, safe = root + epsilon, root if root > zero else one
    both = one / (D * safe)
    return both * safe, half * both * D if root > zero else zero


@lanes_kernel
def _settings(
    rule: Rule, coefficients: Array, decay: float, theta: Array, after: Array, m: Array, v: Array,
    g: Array, factors: Array, lam: Array, lam_m: Array, found: Array,
) -> None:  # fmt: skip
    """Add up what the settings of the rule did to f over a stretch, before λ is pulled back over it."""
    p, q, r, epsilon, lost = (
        coefficients[P], coefficients[Q], coefficients[R], coefficients[EPSILON], 1.0 - coefficients[KEEP],
    )  # fmt: skip
    divides, buffered, apart = rule.v >= 0, rule.m >= 0, len(factors) > 0
    by_rate = by_move = by_after = by_buffer = by_push = by_decay = 0.0
    for i in range(len(lam)):
        factor = float(factors[i]) if apart else 1.0
        slope, whole, kept = float(g[i]), float(lam[i]), 1.0 - decay * factor
        by_decay -= whole * factor * float(after[i]) / kept
        moving = whole * kept * factor
        root = math.sqrt(rule.beta * float(v[i]) + rule.gamma * slope * slope) if divides else 1.0
        inverse = 1.0 / (root + epsilon) if divides else 1.0
        early = inverse if rule.early else 1.0
        late = 1.0 if rule.early else inverse
        old = float(m[i]) if buffered else 0.0
        buffer = rule.mu * old + p * slope * early
        at_m = float(lam_m[i]) + q * moving * late
        move = (q * buffer + r * slope) * late
        by_buffer += at_m * old
        by_push += at_m * slope
        by_after += moving * buffer
        by_move += moving * move
        # Without a denominator the rate stands with g.
        by_rate += (
            moving * (move - lost * float(theta[i])) if divides else (r * moving + p * at_m) * slope
        )
    found[BY_RATE] += by_rate
    found[BY_MOVE] += by_move
    found[BY_AFTER] += by_after
    found[BY_BUFFER] += by_buffer
    found[BY_PUSH] += by_push
    found[BY_DECAY] += by_decay


@lanes_kernel
def _dot(x: Array, y: Array) -> float:
    total = 0.0
    for i in range(len(x)):
        total += float(x[i]) * float(y[i])
    return total


@lanes_kernel
def _dot_signs(x: Array, y: Array) -> float:
    total = 0.0
    for i in range(len(x)):
        total += float(x[i]) if y[i] > 0 else -float(x[i]) if y[i] < 0 else 0.0
    return total


@kernel
def _through_clipping(
    layers: Layers, bounds: Bounds, adjoints: Adjoints, thread: ThreadContext, scale: float
) -> None:
    """Pull u of this thread's share back through clipping, as it acted on the gradient."""
    for k in range(len(adjoints.lam)):
        by_length, squares = 0.0, 0.0
        for l in range(1, len(layers.sizes)):
            for block in range(layers.moving[l]):
                by_length += adjoints.parts[l, block, k, BY_CLIPPED]
                squares += adjoints.parts[l, block, k, CLIPPED]
        by_length = by_length / squares if squares > 0 and scale < 1 else 0.0
        for l in range(1, len(layers.sizes)):
            own, end = moved_blocks(layers, l, thread.parts, thread.part)
            for block in range(own, end):
                for biases in range(2):
                    start, n = _stretch(layers, l, block, biases)
                    _unclip(
                        bounds.value, scale, by_length, vector(adjoints.gradient, start, n),
                        vector(adjoints.clipped, start, n), vector(adjoints.u[k], start, n),
                    )  # fmt: skip


@kernel
def _unclip(
    most: float, scale: float, by_length: float, g: Array, clipped: Array, u: Array
) -> None:
    """u ← c (u − ĝ ĝ·u), and 0 where the gradient was beyond the bound on its numbers."""
    real = type(u[0])
    for i in range(len(u)):
        pulled = scale * (float(u[i]) - by_length * float(clipped[i]))
        u[i] = real(pulled if abs(g[i]) <= real(most) else 0.0)


@kernel
def _measure(layers: Layers, adjoints: Adjoints, theta: Array, thread: ThreadContext) -> None:
    """Find u · g, u · W and u · sign W of this thread's share."""
    for l in range(1, len(layers.sizes)):
        own, end = moved_blocks(layers, l, thread.parts, thread.part)
        for block in range(own, end):
            for k in range(len(adjoints.lam)):
                found = adjoints.parts[l, block, k]
                for biases in range(2):
                    start, n = _stretch(layers, l, block, biases)
                    u = vector(adjoints.u[k], start, n)
                    found[BY_G] += _dot(u, vector(adjoints.gradient, start, n))
                    if biases == 0:
                        W = vector(theta, start, n)
                        found[BY_W] += _dot(u, W)
                        found[BY_SIGN] += _dot_signs(u, W)


@kernel
def _add_up(layers: Layers, adjoints: Adjoints, sums: Array) -> None:
    """Add up, for each f, the sums of all blocks, in their order: whoever made them."""
    sums[:] = 0.0
    for l in range(1, len(layers.sizes)):
        for block in range(layers.moving[l]):
            for k in range(len(sums)):
                for n in range(sums.shape[1]):
                    sums[k, n] += adjoints.parts[l, block, k, n]
