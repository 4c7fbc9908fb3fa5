"""Activations in native code: a = f(z), and the factor f'(z) of BP1 and BP2.

The equations are those of `whygrad.nn.functions`, NaN and infinities included. Arrays are flat: `rows`
examples of `units` numbers each, one after the other, so that all but softmax are one loop over
rows * units numbers, however few units there are. Activations work in place, a over z. Slopes read
a alone where f'(z) is a function of it, z for the members of SLOPE_NEEDS_Z.
"""

from typing import Any

from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ZERO, inlined_kernel, kernel
from whygrad.engines.native.memory import fill
from whygrad.engines.native.vector_math import (
    exp,
    expm1_negative,
    log,
    normal,
    sigmoid,
    softplus,
    tanh,
)
from whygrad.engines.native.vectors import largest_of_row, sum_of_row
from whygrad.nn.functions import LEAK, SELU_ALPHA, SELU_SCALE, Array

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, SOFTPLUS, EXP, SOFTMAX = range(12)

ACTIVATION_CODES = {
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SILU,
    "softplus": SOFTPLUS,
    "exp": EXP,
    "softmax": SOFTMAX,
}

SLOPE_NEEDS_Z = frozenset({GELU, SILU})


@kernel
def activate(code: int, a: Array, rows: int, units: int) -> None:
    """a <- f(a) for the first rows * units numbers of a, which hold z on entry."""
    n = rows * units
    if code == SIGMOID:
        _sigmoid(a, n)
    elif code == TANH:
        _tanh(a, n)
    elif code == RELU:
        _relu(a, n)
    elif code == LEAKY_RELU:
        _leaky_relu(a, n)
    elif code == ELU:
        _elu(a, n)
    elif code == SELU:
        _selu(a, n)
    elif code == GELU:
        _gelu(a, n)
    elif code == SILU:
        _silu(a, n)
    elif code == SOFTPLUS:
        _softplus(a, n)
    elif code == EXP:
        _exp(a, n)
    elif code == SOFTMAX:
        _softmax(a, rows, units)


@kernel
def times_slope(code: int, z: Array, a: Array, delta: Array, rows: int, units: int) -> None:
    """delta <- delta * f'(z), from dC/da to dC/dz; for softmax with the whole Jacobian.

    z is read for SLOPE_NEEDS_Z only; for all others any array of the dtype will do.
    """
    n = rows * units
    if code == SIGMOID:
        _sigmoid_slope(a, delta, n)
    elif code == TANH:
        _tanh_slope(a, delta, n)
    elif code == RELU:
        _relu_slope(a, delta, n)
    elif code == LEAKY_RELU:
        _leaky_relu_slope(a, delta, n)
    elif code == ELU:
        _elu_slope(a, delta, n)
    elif code == SELU:
        _selu_slope(a, delta, n)
    elif code == GELU:
        _gelu_slope(z, delta, n)
    elif code == SILU:
        _silu_slope(z, delta, n)
    elif code == SOFTPLUS:
        _softplus_slope(a, delta, n)
    elif code == EXP:
        _exp_slope(a, delta, n)
    elif code == SOFTMAX:
        _softmax_jacobian_product(a, delta, rows, units)


@kernel
def _sigmoid(v: Array, n: int) -> None:
    for i in range(n):
        v[i] = sigmoid(v[i])


@kernel
def _sigmoid_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        delta[i] *= a[i] * (type(a[i])(1) - a[i])


@kernel
def _tanh(v: Array, n: int) -> None:
    for i in range(n):
        v[i] = tanh(v[i])


@kernel
def _tanh_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        delta[i] *= type(a[i])(1) - a[i] * a[i]


@kernel
def _relu(v: Array, n: int) -> None:
    for i in range(n):
        zero = _zero(v[i])
        v[i] = v[i] if v[i] > zero else zero


@kernel
def _relu_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        real = type(a[i])
        delta[i] *= real(1) if a[i] > real(0) else real(0)


@kernel
def _leaky_relu(v: Array, n: int) -> None:
    for i in range(n):
        real = type(v[i])
        v[i] = v[i] if v[i] > real(0) else real(LEAK) * v[i]


@kernel
def _leaky_relu_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        real = type(a[i])
        delta[i] *= real(1) if a[i] > real(0) else real(LEAK)


@kernel
def _elu(v: Array, n: int) -> None:
    for i in range(n):
        v[i] = v[i] if v[i] > type(v[i])(0) else expm1_negative(_negative_part(v[i]))


@kernel
def _elu_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        real = type(a[i])
        delta[i] *= real(1) if a[i] > real(0) else a[i] + real(1)


@kernel
def _selu(v: Array, n: int) -> None:
    for i in range(n):
        real = type(v[i])
        below = real(SELU_SCALE * SELU_ALPHA) * expm1_negative(_negative_part(v[i]))
        v[i] = real(SELU_SCALE) * v[i] if v[i] > real(0) else below


@kernel
def _selu_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        real = type(a[i])
        below = a[i] + real(SELU_SCALE * SELU_ALPHA)
        delta[i] *= real(SELU_SCALE) if a[i] > real(0) else below


@kernel
def _gelu(v: Array, n: int) -> None:
    for i in range(n):
        probability, _ = normal(v[i])
        v[i] *= probability


@kernel
def _gelu_slope(z: Array, delta: Array, n: int) -> None:
    for i in range(n):
        probability, density = normal(z[i])
        delta[i] *= probability + z[i] * density


@kernel
def _silu(v: Array, n: int) -> None:
    for i in range(n):
        v[i] *= sigmoid(v[i])


@kernel
def _silu_slope(z: Array, delta: Array, n: int) -> None:
    for i in range(n):
        one = type(z[i])(1)
        s = sigmoid(z[i])
        delta[i] *= s * (one + z[i] * (one - s))


@kernel
def _softplus(v: Array, n: int) -> None:
    for i in range(n):
        v[i] = softplus(v[i])


@kernel
def _softplus_slope(a: Array, delta: Array, n: int) -> None:
    """sigmoid(z) = 1 - e^-a."""
    for i in range(n):
        delta[i] *= -expm1_negative(-a[i])


@kernel
def _exp(v: Array, n: int) -> None:
    for i in range(n):
        v[i] = exp(v[i])


@kernel
def _exp_slope(a: Array, delta: Array, n: int) -> None:
    for i in range(n):
        delta[i] *= a[i]


@kernel
def _softmax(v: Array, rows: int, units: int) -> None:
    """The exponentials run over all rows at once; with a NaN or infinity a row is NaN."""
    for row in range(rows):
        start = row * units
        largest = largest_of_row(v, start, units)
        for j in range(start, start + units):
            v[j] -= largest
    _exp(v, rows * units)
    for row in range(rows):
        start = row * units
        inverse = type(v[0])(1) / sum_of_row(v, start, units)
        for j in range(start, start + units):
            v[j] *= inverse


@kernel
def softmax_by_units(
    a: Array, rows: int, units: int, largest: Array, total: Array, log_sum: Array
) -> None:
    """As softmax, where what unit j has for each of the rows lies side by side, in a[j rows :].

    `log_sum` receives log sum_k exp z_k of every row, in float64; `largest` and `total` are memory.
    """
    for i in range(rows):
        largest[i] = a[i]
    for j in range(1, units):
        z = vector(a, j * rows, rows)
        for i in range(rows):
            largest[i] = z[i] if z[i] > largest[i] else largest[i]
    fill(total, ZERO, rows, 0.0)
    for j in range(units):
        values = vector(a, j * rows, rows)
        for i in range(rows):
            values[i] = exp(values[i] - largest[i])
            total[i] += values[i]
    for i in range(rows):
        log_sum[i] = float(largest[i]) + log(float(total[i]))
        total[i] = type(total[i])(1) / total[i]
    for j in range(units):
        values = vector(a, j * rows, rows)
        for i in range(rows):
            values[i] *= total[i]


@kernel
def _softmax_jacobian_product(a: Array, delta: Array, rows: int, units: int) -> None:
    """delta_k <- a_k (delta_k - sum_j a_j delta_j), since da_j/dz_k = a_j ((j = k) - a_k)."""
    for row in range(rows):
        start = row * units
        total = type(a[0])(0)
        for j in range(start, start + units):
            total += a[j] * delta[j]
        for j in range(start, start + units):
            delta[j] = a[j] * (delta[j] - total)


@inlined_kernel
def _zero(x: Any) -> Any:
    """0, or NaN for an infinite x: what `whygrad.nn.functions` gives, so that a diverging run shows."""
    return x * type(x)(0)


@inlined_kernel
def _negative_part(x: Any) -> Any:
    zero = _zero(x)
    return x if x < zero else zero
