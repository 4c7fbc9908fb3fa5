"""Second derivatives in native code: f″ of the activations, and the change of δᴸ along a change of z.

The equations are those of `whygrad.nn.functions` and `whygrad.nn.pairings`. As `elementwise` does it, f″ is
taken from a alone, but for the members of SLOPE_NEEDS_Z. Of the costs that go through dC/da, none of which
has a pole, the second derivative by a is 1, or 0 where it is linear.
"""

import math
from typing import Any

from whygrad.engines.native.compiling import ZERO, inlined_kernel, kernel
from whygrad.engines.native.costs import (
    ABSOLUTE_ERROR,
    BINARY_CROSS_ENTROPY,
    HUBER,
    POISSON,
    derivative,
    is_canonical,
    slope_by_a,
)
from whygrad.engines.native.elementwise import (
    ELU,
    EXP,
    GELU,
    SELU,
    SIGMOID,
    SILU,
    SOFTMAX,
    SOFTPLUS,
    TANH,
    times_slope,
)
from whygrad.engines.native.memory import copy
from whygrad.engines.native.vector_math import expm1_negative, normal, sigmoid
from whygrad.nn.functions import HUBER_THRESHOLD, SELU_ALPHA, SELU_SCALE, Array


@kernel
def add_bend(code: int, z: Array, a: Array, error: Array, dz: Array, change: Array) -> None:
    """change ← change + error ⊙ f″(z) ⊙ dz, of every activation but softmax; linear pieces add nothing."""
    n = len(change)
    if code == SIGMOID:
        for i in range(n):
            change[i] += _sigmoid_bend(a[i]) * error[i] * dz[i]
    elif code == TANH:
        for i in range(n):
            one = type(a[i])(1)
            change[i] -= (a[i] + a[i]) * (one - a[i] * a[i]) * error[i] * dz[i]
    elif code == ELU:
        for i in range(n):
            change[i] += _exponential_bend(a[i], 1.0) * error[i] * dz[i]
    elif code == SELU:
        for i in range(n):
            change[i] += _exponential_bend(a[i], SELU_SCALE * SELU_ALPHA) * error[i] * dz[i]
    elif code == GELU:
        for i in range(n):
            _, density = normal(z[i])
            change[i] += (type(z[i])(2) - z[i] * z[i]) * density * error[i] * dz[i]
    elif code == SILU:
        for i in range(n):
            one, s = type(z[i])(1), sigmoid(z[i])
            bend = s * (one - s) * (one + one + z[i] * (one - s - s))
            change[i] += bend * error[i] * dz[i]
    elif code == SOFTPLUS:
        for i in range(n):
            s = -expm1_negative(-a[i])
            change[i] += s * (type(s)(1) - s) * error[i] * dz[i]
    elif code == EXP:
        for i in range(n):
            change[i] += a[i] * error[i] * dz[i]


@inlined_kernel
def _sigmoid_bend(a: Any) -> Any:
    one = type(a)(1)
    return a * (one - a) * (one - a - a)


@inlined_kernel
def _exponential_bend(a: Any, below: float) -> Any:
    """Return f″ of ELU and SELU: 0 above z = 0, and what is left of −`below` beneath."""
    real = type(a)
    return real(0) if a > real(0) else a + real(below)


@kernel
def output_change(
    activation: int, cost: int, z: Array, a: Array, y: Array, dz: Array, rows: int, units: int,
    error: Array, change: Array,
) -> None:  # fmt: skip
    """change ← ∂δᴸ/∂z dz of each example, both factors at once where dC/da has a pole.

    `error` is memory like a, to be used at will.
    """
    n = rows * units
    if is_canonical(activation, cost):
        copy(dz, ZERO, change, ZERO, n)
        times_slope(activation, z, a, change, rows, units)
    elif activation == SOFTMAX and cost == BINARY_CROSS_ENTROPY:
        for row in range(rows):
            _softmax_binary_change(z, a, y, dz, row * units, units, error, change)
    elif activation == SOFTMAX and cost == POISSON:
        copy(dz, ZERO, change, ZERO, n)
        times_slope(activation, z, a, change, rows, units)
        for row in range(rows):
            total = type(y[0])(0)
            for j in range(row * units, (row + 1) * units):
                total += y[j]
            for j in range(row * units, (row + 1) * units):
                change[j] *= total
    elif cost == POISSON:
        for i in range(n):
            change[i] = _poisson_bend(activation, float(z[i]), float(y[i])) * float(dz[i])
    else:
        copy(dz, ZERO, change, ZERO, n)
        times_slope(activation, z, a, change, rows, units)  # da
        for i in range(n):
            error[i] = derivative(cost, a[i], y[i])
        if activation == SOFTMAX:
            for row in range(rows):
                _softmax_change(cost, a, y, row * units, units, error, change)
        else:
            for i in range(n):
                change[i] *= _second_derivative(cost, a[i], y[i])
            times_slope(activation, z, a, change, rows, units)
            add_bend(activation, z, a, error, dz, change)


@kernel
def _poisson_bend(activation: int, z: float, y: float) -> float:
    """Return ∂δ/∂z of an output that is a sigmoid or softplus."""
    s, ratio = sigmoid(z), slope_by_a(activation, z)
    if activation == SIGMOID:  # whose ratio is 1 − a
        return s * ratio * (ratio - s + y)
    return s * (1.0 - s) - y * ratio * (1.0 - s - ratio)


@inlined_kernel
def _second_derivative(cost: int, a: Any, y: Any) -> Any:
    """Return ∂²C_x/∂a² of one output, for the costs without a pole."""
    real = type(a)
    if cost == ABSOLUTE_ERROR or (cost == HUBER and abs(a - y) >= real(HUBER_THRESHOLD)):
        return real(0)
    return real(1)


@kernel
def _softmax_change(
    cost: int, a: Array, y: Array, start: int, units: int, error: Array, change: Array
) -> None:
    """One row of f′ᵀ ∂C/∂a, differentiated: `change` holds da on entry, `error` ∂C/∂a.

    da_k (e_k − Σ a e) − a_k Σ da e, and the Jacobian times C″ da.
    """
    mean, shift, curved = type(a[0])(0), type(a[0])(0), type(a[0])(0)
    for j in range(start, start + units):
        mean += a[j] * error[j]
        shift += change[j] * error[j]
        curved += a[j] * _second_derivative(cost, a[j], y[j]) * change[j]
    for j in range(start, start + units):
        bent = _second_derivative(cost, a[j], y[j]) * change[j]
        change[j] = change[j] * (error[j] - mean) + a[j] * (bent - curved - shift)


@kernel
def _softmax_binary_change(
    z: Array, a: Array, y: Array, dz: Array, start: int, units: int, da: Array, change: Array
) -> None:
    """One row of δₖ = oₖ − Σ_{j≠k} s_jk oⱼ, differentiated: o = a − y, s_j the softmax of all but j."""
    total = type(a[0])(0)
    for k in range(start, start + units):
        total += a[k] * dz[k]
    for k in range(start, start + units):
        da[k] = a[k] * (dz[k] - total)
        change[k] = da[k]
    if units == 1:
        return
    for j in range(start, start + units):
        largest = -math.inf
        for k in range(start, start + units):
            largest = float(z[k]) if k != j and float(z[k]) > largest else largest
        weight, mean = 0.0, 0.0
        for k in range(start, start + units):
            if k != j:
                e = math.exp(float(z[k]) - largest)
                weight += e
                mean += e * float(dz[k])
        mean /= weight
        off, shift = float(a[j]) - float(y[j]), float(da[j])
        for k in range(start, start + units):
            if k != j:
                s = math.exp(float(z[k]) - largest) / weight
                change[k] -= s * (off * (float(dz[k]) - mean) + shift)
