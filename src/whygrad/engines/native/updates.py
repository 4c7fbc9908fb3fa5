"""Optimizers and penalties in native code: from the gradient of one layer to its next parameters.

The rules are those of `whygrad.optimizers`, on stretches of flat arrays: θ, the gradient g and the
slots of one layer, its weights first and its biases after them.
"""

import math
from typing import Any, NamedTuple

from numba import njit

from whygrad.engines.native.compiling import OPTIONS, kernel
from whygrad.functions import Array

SGD, MOMENTUM, NESTEROV, ADAM = range(4)

# Sums run in parallel lanes, so their order of addition is free; it still follows from the length alone.
_lanes = njit(**{**OPTIONS, "fastmath": {"contract", "reassoc"}})


class Rule(NamedTuple):
    """An optimizer as numbers: which rule it is, and its constants.

    `first` and `second` are μ for momentum, β₁ and β₂ for Adam. `epsilon_hat` says where Adam adds ε,
    see `whygrad.optimizers.Adam`.
    """

    code: int
    first: float
    second: float
    epsilon: float
    epsilon_hat: bool


class Penalties(NamedTuple):
    """λ₁ and λ₂ as numbers: λ = constant + per_example / S, S being the batch's weight of examples."""

    l1: float
    l1_per_example: float
    l2: float
    l2_per_example: float


@kernel
def move(
    rule: Rule, theta: Array, slots: Array, g: Array, start: int, stop: int, rate: float, step: int
) -> None:
    """Move θ[start:stop] by the gradient in g[: stop − start], and update the slots beside it."""
    if rule.code == ADAM:
        _adam(rule, theta, slots, g, start, stop, rate, step)
    elif rule.code == SGD:
        real = type(theta[0])
        for i in range(start, stop):
            theta[i] -= real(rate) * g[i - start]
    else:
        _momentum(rule, theta, slots[0], g, start, stop, rate)


@kernel
def _momentum(
    rule: Rule, theta: Array, v: Array, g: Array, start: int, stop: int, rate: float
) -> None:
    """v ← μv − ηg; θ ← θ + v, or θ + μv − ηg in Nesterov's form."""
    real = type(theta[0])
    mu, eta = real(rule.first), real(rate)
    if rule.code == NESTEROV:
        for i in range(start, stop):
            v[i] = mu * v[i] - eta * g[i - start]
            theta[i] += mu * v[i] - eta * g[i - start]
    else:
        for i in range(start, stop):
            v[i] = mu * v[i] - eta * g[i - start]
            theta[i] += v[i]


@kernel
def _adam(
    rule: Rule,
    theta: Array,
    slots: Array,
    g: Array,
    start: int,
    stop: int,
    rate: float,
    step: int,
) -> None:
    """m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − η √(1−β₂ᵗ)/(1−β₁ᵗ) m / (√v + ε′)."""
    real = type(theta[0])
    root = math.sqrt(1 - rule.second ** (step + 1))
    eta = real(rate * (root / (1 - rule.first ** (step + 1))))
    epsilon = real(rule.epsilon if rule.epsilon_hat else rule.epsilon * root)
    beta1, rest1 = real(rule.first), real(1 - rule.first)
    beta2, rest2 = real(rule.second), real(1 - rule.second)
    m, v = slots[0], slots[1]
    for i in range(start, stop):
        slope = g[i - start]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * slope * slope
        theta[i] -= eta * m[i] / (math.sqrt(v[i]) + epsilon)


@kernel
def add_penalty(theta: Array, g: Array, start: int, stop: int, l1: float, l2: float) -> None:
    """g ← g + λ₁ sign W + λ₂ W for the weights W = θ[start:stop]."""
    real = type(theta[0])
    if l1 != 0:
        for i in range(start, stop):
            W = theta[i]
            sign = real(1) if real(0) < W else real(-1) if real(0) > W else W
            g[i - start] += real(l1) * sign
    if l2 != 0:
        for i in range(start, stop):
            g[i - start] += real(l2) * theta[i]


@kernel
def penalty_cost(theta: Array, start: int, stop: int, l1: float, l2: float) -> float:
    """λ₁ Σ|W| + ½ λ₂ Σ W² for the weights W = θ[start:stop]."""
    cost = 0.0
    if l1 != 0:
        cost += l1 * _sum_of_magnitudes(theta, start, stop)
    if l2 != 0:
        cost += l2 / 2 * _sum_of_squares(theta, start, stop)
    return cost


@_lanes
def _sum_of_magnitudes(theta: Any, start: Any, stop: Any) -> Any:
    total = 0.0
    for i in range(start, stop):
        total += abs(float(theta[i]))
    return total


@_lanes
def _sum_of_squares(theta: Any, start: Any, stop: Any) -> Any:
    total = 0.0
    for i in range(start, stop):
        total += float(theta[i]) * float(theta[i])
    return total
