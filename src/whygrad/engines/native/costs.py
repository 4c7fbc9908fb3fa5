"""Costs in native code: C_x of every example, and the error of the output layer, BP1.

The equations are those of `whygrad.nn.functions` and `whygrad.nn.pairings`. The four pairings whose delta
is a - y take their cost from z, which loses nothing when an output saturates: softmax with
cross-entropy, sum_j y_j (log sum_k exp z_k - z_j); sigmoid with binary cross-entropy, sum_j
softplus(z_j) - y_j z_j; exp with Poisson; identity with squared error. The other pairings of a cost
that has a pole take cost and error from z as well, in float64 throughout, since they are rare.
Every other pairing goes through dC/da and the slope of the activation. Costs add up in float64
whatever the dtype of the network.
"""

import math
from typing import Any

import numpy as np

from whygrad.engines.native.compiling import inlined_kernel, kernel
from whygrad.engines.native.elementwise import (
    EXP,
    IDENTITY,
    SIGMOID,
    SOFTMAX,
    times_slope,
)
from whygrad.engines.native.vector_math import by_type, exp, log, log1p_unit, sigmoid
from whygrad.engines.native.vectors import largest_of_row
from whygrad.nn.functions import HUBER_THRESHOLD, Array

SQUARED_ERROR, ABSOLUTE_ERROR, HUBER, POISSON, CROSS_ENTROPY, BINARY_CROSS_ENTROPY = range(6)

COST_CODES = {
    "squared_error": SQUARED_ERROR,
    "absolute_error": ABSOLUTE_ERROR,
    "huber": HUBER,
    "poisson": POISSON,
    "cross_entropy": CROSS_ENTROPY,
    "binary_cross_entropy": BINARY_CROSS_ENTROPY,
}

_tiny = by_type(float(np.finfo(np.float64).tiny), float(np.finfo(np.float32).tiny))
_below_one = by_type(1 - 2.0**-53, 1 - 2.0**-24)


@kernel
def output_costs(
    activation: int, cost: int, z: Array, a: Array, y: Array, rows: int, units: int, terms: Array,
    costs: Array,
) -> None:  # fmt: skip
    """costs[i] <- C_x of example i, from its row of z, a = f(z) and y; costs is float64, (rows,).

    z is read where the cost has a pole. `terms` is memory like a, to be used at will.
    """
    if activation == SOFTMAX and cost == CROSS_ENTROPY:
        _softmax_cross_entropy(z, a, y, rows, units, costs)
    elif activation == SIGMOID and cost == BINARY_CROSS_ENTROPY:
        _sigmoid_binary_cross_entropy(z, y, terms, rows * units)
        for row in range(rows):
            total = 0.0
            for j in range(row * units, (row + 1) * units):
                total += float(terms[j])
            costs[row] = total
    elif activation == SOFTMAX and cost == BINARY_CROSS_ENTROPY and units > 1:
        for row in range(rows):
            costs[row] = _softmax_binary(z, y, row * units, units)
    elif activation == SOFTMAX and cost == POISSON:
        for row in range(rows):
            costs[row] = _softmax_poisson(z, a, y, row * units, units)
    elif cost == POISSON:
        for row in range(rows):
            total = 0.0
            for j in range(row * units, (row + 1) * units):
                total += _poisson(float(a[j]), float(y[j]), _log_of(activation, float(z[j])))
            costs[row] = total
    elif cost == SQUARED_ERROR:
        for row in range(rows):
            costs[row] = _squared_error(a, y, row * units, units)
    else:
        for row in range(rows):
            total = 0.0
            for j in range(row * units, (row + 1) * units):
                total += _term(cost, a[j], y[j])
            costs[row] = total


@inlined_kernel
def is_canonical(activation: int, cost: int) -> bool:
    """Return whether δ of the outputs is a − y (`CANONICAL_LINKS`)."""
    return (
        (activation == SOFTMAX and cost == CROSS_ENTROPY)
        or (activation == SIGMOID and cost == BINARY_CROSS_ENTROPY)
        or (activation == IDENTITY and cost == SQUARED_ERROR)
        or (activation == EXP and cost == POISSON)
    )


@kernel
def output_error(
    activation: int, cost: int, z: Array, a: Array, y: Array, rows: int, units: int, delta: Array
) -> None:
    """BP1: delta <- dC/da * f'(z), per example; both at once where the first has a pole."""
    n = rows * units
    if is_canonical(activation, cost):
        for i in range(n):
            delta[i] = a[i] - y[i]
    elif activation == SOFTMAX and cost == BINARY_CROSS_ENTROPY:
        for row in range(rows):
            _softmax_binary_error(z, y, row * units, units, delta)
    elif activation == SOFTMAX and cost == POISSON:
        for row in range(rows):
            _softmax_poisson_error(a, y, row * units, units, delta)
    elif cost == POISSON:
        for i in range(n):
            delta[i] = (a[i] - y[i]) * type(a[i])(slope_by_a(activation, float(z[i])))
    else:
        for i in range(n):
            delta[i] = derivative(cost, a[i], y[i])
        times_slope(activation, z, a, delta, rows, units)


@kernel
def _softmax_cross_entropy(
    z: Array, a: Array, y: Array, rows: int, units: int, costs: Array
) -> None:
    """sum_j y_j (log sum_k exp z_k - z_j), where the logarithm is max z - log max a."""
    for row in range(rows):
        costs[row] = float(largest_of_row(a, row * units, units))
    for row in range(rows):
        costs[row] = log(costs[row])
    for row in range(rows):
        start, total = row * units, 0.0
        log_sum = float(largest_of_row(z, start, units)) - costs[row]
        for j in range(start, start + units):
            total += float(y[j]) * (log_sum - float(z[j]))
        costs[row] = total


@kernel
def _sigmoid_binary_cross_entropy(z: Array, y: Array, terms: Array, n: int) -> None:
    """max(z, 0) loses y z before the rest is added: nothing cancels where y is 0 or 1."""
    for j in range(n):
        zero = z[j] * type(z[j])(0)  # NaN for an infinite z, as in `whygrad.nn.functions`
        larger = z[j] if z[j] > zero else zero
        terms[j] = (larger - y[j] * z[j]) + log1p_unit(exp(-abs(z[j])))


@kernel
def _log_of(activation: int, z: float) -> float:
    """log a of exp, the sigmoid and softplus, also where a itself is too small for its type."""
    if activation == EXP:
        return z
    e = math.exp(-abs(z))
    if activation == SIGMOID:
        return (z if z < 0 else z * 0.0) - math.log1p(e)
    return z + math.log(_tail(e)) if z < 0 else math.log(z + math.log1p(e))


@kernel
def slope_by_a(activation: int, z: float) -> float:
    """f'(z)/a: 1 - a of the sigmoid, and of softplus what goes to 1 where both vanish."""
    if activation == SIGMOID:
        return sigmoid(-z)
    e = math.exp(-abs(z))
    return 1.0 / ((1.0 + e) * (_tail(e) if z < 0 else z + math.log1p(e)))


@kernel
def _tail(e: float) -> float:
    """log(1 + e)/e."""
    return math.log1p(e) / e if e > 1e-16 else 1.0


@kernel
def _poisson(a: float, y: float, log_a: float) -> float:
    entropy = y * math.log(y) if y > 0 else 0.0
    return a - y + entropy - y * log_a


@kernel
def _softmax_poisson(z: Array, a: Array, y: Array, start: int, units: int) -> float:
    m, total, _, _ = _leader(z, start, units)
    log_sum, cost = float(z[m]) + math.log(total), 0.0
    for j in range(start, start + units):
        cost += _poisson(float(a[j]), float(y[j]), float(z[j]) - log_sum)
    return cost


@kernel
def _softmax_poisson_error(a: Array, y: Array, start: int, units: int, delta: Array) -> None:
    total = 0.0
    for j in range(start, start + units):
        total += float(y[j])
    for j in range(start, start + units):
        delta[j] = float(a[j]) * total - float(y[j])


@kernel
def _leader(z: Array, start: int, units: int) -> Any:
    """(m, sum_k e^(z_k - z_m), the second largest z, sum over all but m of e^(z_k - that one))."""
    m = start
    for j in range(start + 1, start + units):
        m = j if z[j] > z[m] else m
    second = -math.inf
    for j in range(start, start + units):
        second = float(z[j]) if j != m and z[j] > second else second
    total, others = 1.0 + 0.0 * float(z[m]), 0.0
    for j in range(start, start + units):
        if j != m:
            total += math.exp(float(z[j]) - float(z[m]))
            others += math.exp(float(z[j]) - second)
    return m, total, second, others


@kernel
def _softmax_binary(z: Array, y: Array, start: int, units: int) -> float:
    m, total, second, others = _leader(z, start, units)
    log_sum = math.log(total)
    cost = 0.0
    for j in range(start, start + units):
        log_a = float(z[j]) - float(z[m]) - log_sum
        if j == m:  # 1 - a is what the others have
            log_not = second - float(z[m]) + math.log(others) - log_sum
        else:
            log_not = math.log1p(-math.exp(log_a))
        cost -= float(y[j]) * log_a + (1.0 - float(y[j])) * log_not
    return cost


@kernel
def _softmax_binary_error(z: Array, y: Array, start: int, units: int, delta: Array) -> None:
    """delta_k <- (a_k - y_k) - sum over j != k of a_k / (1 - a_j) (a_j - y_j)."""
    if units == 1:  # which is 1, whatever z is
        delta[start] = z[start] * type(z[start])(0)
        return
    m, total, second, others = _leader(z, start, units)
    shares = 0.0
    for j in range(start, start + units):
        if j != m:
            e = math.exp(float(z[j]) - float(z[m]))
            shares += (e / total - float(y[j])) / (total - e)
    off_m = (1.0 - float(y[m])) - (total - 1.0) / total
    for k in range(start, start + units):
        if k == m:
            delta[k] = off_m - shares
        else:
            e = math.exp(float(z[k]) - float(z[m]))
            off = e / total - float(y[k])
            without = math.exp(float(z[k]) - second) / others
            delta[k] = off - e * (shares - off / (total - e)) - without * off_m


@kernel
def _squared_error(a: Array, y: Array, start: int, units: int) -> float:
    total = 0.0
    for j in range(start, start + units):
        d = float(a[j] - y[j])
        total += d * d
    return 0.5 * total


@kernel
def _term(cost: int, a: Any, y: Any) -> float:
    """What one output adds to C_x, for every cost but the squared error."""
    d = float(a - y)
    if cost == ABSOLUTE_ERROR:
        return abs(d)
    if cost == HUBER:
        near = abs(d) if abs(d) < HUBER_THRESHOLD else HUBER_THRESHOLD
        return near * (abs(d) - 0.5 * near)
    p, target = float(_probability(a)), float(y)
    if cost == CROSS_ENTROPY:
        return -target * math.log(p)
    return -(target * math.log(p) + (1.0 - target) * math.log1p(-p))


@kernel
def derivative(cost: int, a: Any, y: Any) -> Any:
    """dC_x/da of one output."""
    real = type(a)
    d = a - y
    if cost == SQUARED_ERROR:
        return d
    if cost == ABSOLUTE_ERROR:
        return real(1) if d > real(0) else real(-1) if d < real(0) else d
    if cost == HUBER:
        limit = real(HUBER_THRESHOLD)
        return limit if d > limit else -limit if d < -limit else d
    p = _probability(a)
    if cost == CROSS_ENTROPY:
        return -y / p
    return (p - y) / (p * (real(1) - p))


@kernel
def _positive(a: Any) -> Any:
    return _tiny(a) if a < _tiny(a) else a


@kernel
def _probability(a: Any) -> Any:
    """Keep a off 0 and 1, so that a saturated output gives a large cost, not an infinite one."""
    return _below_one(a) if a > _below_one(a) else _positive(a)
