"""Optimizers and penalties in native code: from a gradient to the next parameters.

The rules are those of `plan.optimizers`, on stretches of flat arrays: θ[start:stop], the optimizer's
state beside it, and the gradient g[at:] that belongs to it. Each rule gets views of these, so that its loop
starts at 0 and becomes vector instructions. What a step needs to know, such as its learning rate, comes as
a row of `Optimizer.coefficients`, so that both engines start from the same bits.
"""

import math
from typing import Any, NamedTuple

from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import inlined_kernel, kernel, lanes_kernel
from whygrad.engines.native.vectors import VECTOR_BYTES
from whygrad.nn.functions import Array

SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, RMSPROP_MOMENTUM, ADAM, ADAMW, NADAM = range(9)


class Rule(NamedTuple):
    """An optimizer as numbers: which rule it is, and its constants.

    `first` and `second` are μ for momentum, β and μ for RMSprop, β₁ and β₂ for Adam and its kin.
    `epsilon` is that of Adagrad and RMSprop; Adam's is among the numbers of a step.
    """

    code: int
    first: float = 0.0
    second: float = 0.0
    epsilon: float = 0.0


class Penalties(NamedTuple):
    """λ₁ and λ₂ as numbers: λ = constant + per_example / S, S being the batch's weight of examples.

    `decay` is what each step takes off all parameters, as a share.
    """

    l1: float
    l1_per_example: float
    l2: float
    l2_per_example: float
    decay: float


class Bounds(NamedTuple):
    """The bounds on the whole gradient: its length and its numbers, infinity where there is none."""

    norm: float
    value: float


@kernel
def move(
    rule: Rule, theta: Array, opt_state: Array, g: Array, at: int, start: int, stop: int,
    coefficients: Array,
) -> None:  # fmt: skip
    """Move θ[start:stop] by the gradient g[at : at + stop − start], and update the state beside it.

    What comes before the first whole vector goes first: vectors that lie across two lines of the cache take
    two to three times as long. θ and the rows of the state begin with a line; g should lie as θ does.
    """
    whole = min(stop, start + (-start) % lanes_of(theta))
    _move(rule, theta, opt_state, g, at, start, whole, coefficients)
    _move(rule, theta, opt_state, g, at + whole - start, whole, stop, coefficients)


@inlined_kernel
def lanes_of(array: Array) -> int:
    """Return how many of an array's numbers a vector holds."""
    return VECTOR_BYTES // array.itemsize


@kernel
def _move(
    rule: Rule, theta: Array, opt_state: Array, g: Array, at: int, start: int, stop: int,
    coefficients: Array,
) -> None:  # fmt: skip
    n, row = stop - start, opt_state.shape[1]
    if n == 0:
        return
    W, slope = vector(theta, start, n), vector(g, at, n)
    first, second = vector(opt_state, start, n), vector(opt_state, start + row, n)
    code = rule.code
    if code == SGD:
        _descend(W, slope, coefficients)
    elif code in (MOMENTUM, NESTEROV):
        _momentum(rule, W, slope, first, coefficients)
    elif code == ADAGRAD:
        _adagrad(rule, W, slope, first, coefficients)
    elif code in (RMSPROP, RMSPROP_MOMENTUM):
        _rmsprop(rule, W, slope, first, second, coefficients)
    elif code == NADAM:
        _nadam(rule, W, slope, first, second, coefficients)
    else:
        _adam(rule, W, slope, first, second, coefficients)


@kernel
def add_steps(
    rule: Rule, factors: Array, steps: Array, theta: Array, start: int, stop: int, coefficients: Array,
) -> None:  # fmt: skip
    """θ ← θ + m (Δ − ηλθ), for steps Δ that `move` took from 0; only AdamW has a λ."""
    n, real = stop - start, type(theta[0])
    W, m, step = vector(theta, start, n), vector(factors, start, n), vector(steps, start, n)
    lost = real(1 - coefficients[2] if rule.code == ADAMW else 0.0)
    for i in range(n):
        W[i] += m[i] * (step[i] - lost * W[i])


@kernel
def decay_by_factors(decay: float, factors: Array, theta: Array) -> None:
    """θ ← (1 − m d) θ."""
    d = type(theta[0])(decay)
    for i in range(len(theta)):
        theta[i] *= 1 - d * factors[i]


@kernel
def keep(kept: Array, start: int, values: Array, at: int, size: int) -> None:
    """Set to 0, from values[at:] on, what belongs to weights θ[start:] that a mask leaves out."""
    if len(kept) == 0:
        return
    mask, stretch = vector(kept, start, size), vector(values, at, size)
    for i in range(size):
        stretch[i] = stretch[i] if mask[i] != 0 else type(stretch[0])(0)


@kernel
def _descend(theta: Array, g: Array, coefficients: Array) -> None:
    """θ ← θ − ηg."""
    eta = type(theta[0])(coefficients[0])
    for i in range(len(theta)):
        theta[i] -= eta * g[i]


@kernel
def _momentum(rule: Rule, theta: Array, g: Array, v: Array, coefficients: Array) -> None:
    """v ← μv − ηg; θ ← θ + v, or θ + μv − ηg in Nesterov's form."""
    real = type(theta[0])
    mu, eta = real(rule.first), real(coefficients[0])
    if rule.code == NESTEROV:
        for i in range(len(theta)):
            slope = eta * g[i]
            v[i] = mu * v[i] - slope
            theta[i] += mu * v[i] - slope
    else:
        for i in range(len(theta)):
            v[i] = mu * v[i] - eta * g[i]
            theta[i] += v[i]


@kernel
def _adagrad(rule: Rule, theta: Array, g: Array, s: Array, coefficients: Array) -> None:
    """s ← s + g², θ ← θ − η g / (√s + ε)."""
    real = type(theta[0])
    eta, epsilon = real(coefficients[0]), real(rule.epsilon)
    for i in range(len(theta)):
        slope = g[i]
        s[i] += slope * slope
        theta[i] -= eta * slope / (math.sqrt(s[i]) + epsilon)


@kernel
def _rmsprop(rule: Rule, theta: Array, g: Array, s: Array, v: Array, coefficients: Array) -> None:
    """s ← βs + (1−β)g², v ← μv + g/(√s + ε), θ ← θ − ηv; without momentum there is no v."""
    real = type(theta[0])
    eta, epsilon = real(coefficients[0]), real(rule.epsilon)
    beta, rest, mu = real(rule.first), real(1 - rule.first), real(rule.second)
    if rule.code == RMSPROP:
        for i in range(len(theta)):
            slope = g[i]
            s[i] = beta * s[i] + rest * slope * slope
            theta[i] -= eta * (slope / (math.sqrt(s[i]) + epsilon))
    else:
        for i in range(len(theta)):
            slope = g[i]
            s[i] = beta * s[i] + rest * slope * slope
            v[i] = mu * v[i] + slope / (math.sqrt(s[i]) + epsilon)
            theta[i] -= eta * v[i]


@kernel
def _adam(rule: Rule, theta: Array, g: Array, m: Array, v: Array, coefficients: Array) -> None:
    """m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← κθ − η′ m / (√v + ε′), with κ = 1 − ηλ for AdamW."""
    real = type(theta[0])
    eta, epsilon = real(coefficients[0]), real(coefficients[1])
    keep = real(coefficients[2] if rule.code == ADAMW else 1.0)
    beta1, rest1 = real(rule.first), real(1 - rule.first)
    beta2, rest2 = real(rule.second), real(1 - rule.second)
    for i in range(len(theta)):
        slope = g[i]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * slope * slope
        theta[i] = keep * theta[i] - eta * m[i] / (math.sqrt(v[i]) + epsilon)


@kernel
def _nadam(rule: Rule, theta: Array, g: Array, m: Array, v: Array, coefficients: Array) -> None:
    """As Adam, but θ ← θ − (η_m m + η_g g) / (√v + ε′)."""
    real = type(theta[0])
    of_m, of_g, epsilon = real(coefficients[0]), real(coefficients[1]), real(coefficients[2])
    beta1, rest1 = real(rule.first), real(1 - rule.first)
    beta2, rest2 = real(rule.second), real(1 - rule.second)
    for i in range(len(theta)):
        slope = g[i]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * slope * slope
        theta[i] -= (of_m * m[i] + of_g * slope) / (math.sqrt(v[i]) + epsilon)


@kernel
def bound(bounds: Bounds, g: Array, start: int, stop: int) -> float:
    """Bound each number of the gradient g[start:stop], then its length; return the factor for this."""
    real = type(g[0])
    if math.isfinite(bounds.value):
        high, low = real(bounds.value), real(-bounds.value)
        slopes = vector(g, start, stop - start)
        for i in range(len(slopes)):
            slope = slopes[i]
            slopes[i] = high if slope > high else low if slope < low else slope  # NaN stays
    if math.isfinite(bounds.norm):
        length = math.sqrt(sum_of_squares(vector(g, start, stop - start)))
        if length > bounds.norm:
            scale(bounds.norm / length, g, start, stop)
            return bounds.norm / length
    return 1.0


@kernel
def scale(factor: float, values: Array, start: int, stop: int) -> None:
    """Multiply values[start:stop] by a factor."""
    factor = type(values[0])(factor)
    stretch = vector(values, start, stop - start)
    for i in range(len(stretch)):
        stretch[i] *= factor


@kernel
def add_penalty(
    theta: Array, g: Array, at: int, start: int, stop: int, l1: float, l2: float
) -> None:
    """g ← g + λ₁ sign W + λ₂ W for the weights W = θ[start:stop], whose gradient is in g[at:]."""
    real = type(theta[0])
    W, slope = vector(theta, start, stop - start), vector(g, at, stop - start)
    if l1 != 0:
        for i in range(len(W)):
            zero = real(0)
            sign = real(1) if zero < W[i] else real(-1) if zero > W[i] else W[i]
            slope[i] += real(l1) * sign
    if l2 != 0:
        for i in range(len(W)):
            slope[i] += real(l2) * W[i]


@kernel
def penalty_cost(theta: Array, start: int, stop: int, l1: float, l2: float) -> float:
    """λ₁ Σ|W| + ½ λ₂ Σ W² for the weights W = θ[start:stop]."""
    cost, W = 0.0, vector(theta, start, stop - start)
    if l1 != 0:
        cost += l1 * _sum_of_magnitudes(W)
    if l2 != 0:
        cost += l2 / 2 * sum_of_squares(W)
    return cost


@lanes_kernel
def _sum_of_magnitudes(values: Any) -> Any:
    total = 0.0
    for i in range(len(values)):
        total += abs(float(values[i]))
    return total


@lanes_kernel
def sum_of_squares(values: Any) -> Any:
    total = 0.0
    for i in range(len(values)):
        total += float(values[i]) * float(values[i])
    return total
