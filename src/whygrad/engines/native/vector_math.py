"""exp, expm1, log, log1p and the normal distribution as compilers can vectorise them.

exp(x) = 2^k e^r with k the integer nearest to x / ln 2 (Cody and Waite, 1980), e^r by a polynomial
on |r| <= ln(2) / 2, and 2^k by adding k to the exponent's bits: arithmetic and selections alone, so
that a loop over an array becomes vector instructions on any processor. One source serves float32
and float64: constants take the type of x, so that float32 never widens. The polynomials interpolate
at Chebyshev nodes; each states its largest relative error.
"""

import math
from typing import Any

import numpy as np

from whygrad.engines.machine_code.deferred import intrinsic, ir, types
from whygrad.engines.native.compiling import inlined_kernel


def by_type(double: float, single: float) -> Any:
    """A function of x, for compiled callers: one constant or the other, in the type of x."""

    @intrinsic
    def constant(typing_context: Any, x: Any) -> Any:
        value = single if x == types.float32 else double

        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return ir.Constant(arguments[0].type, value)

        return x(x), lower

    return constant


def _polynomial(double: tuple[float, ...], single: tuple[float, ...]) -> Any:
    """A polynomial in x by Horner's rule, unrolled; coefficients from the lowest power up."""

    @intrinsic
    def polynomial(typing_context: Any, x: Any) -> Any:
        coefficients = single if x == types.float32 else double

        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (power,) = arguments
            total = ir.Constant(power.type, coefficients[-1])
            for coefficient in coefficients[-2::-1]:
                product = builder.fmul(total, power, flags=("contract",))
                constant = ir.Constant(power.type, coefficient)
                total = builder.fadd(product, constant, flags=("contract",))
            return total

        return x(x), lower

    return polynomial


@intrinsic
def _times_two_to(typing_context: Any, y: Any, t: Any) -> Any:
    """y 2^k, where k stands in the lowest bits of t: an integer addition to the exponent of y."""
    integer, mantissa = (ir.IntType(32), 23) if y == types.float32 else (ir.IntType(64), 52)

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        y_bits, t_bits = (builder.bitcast(argument, integer) for argument in arguments)
        bits = builder.add(y_bits, builder.shl(t_bits, ir.Constant(integer, mantissa)))
        return builder.bitcast(bits, arguments[0].type)

    return y(y, y), lower


def _part_of_number(whole: bool) -> Any:
    """A function of normal x > 0: k or m of x = 2^k m, with m from sqrt(1/2) to sqrt(2)."""

    @intrinsic
    def part(typing_context: Any, x: Any) -> Any:
        single = x == types.float32
        integer, mantissa = (ir.IntType(32), 23) if single else (ir.IntType(64), 52)
        real, bits_of_real = (np.float32, np.int32) if single else (np.float64, np.int64)
        root = int(np.sqrt(real(0.5)).view(bits_of_real))

        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (x,) = arguments
            shift, bits = ir.Constant(integer, mantissa), builder.bitcast(x, integer)
            k = builder.ashr(builder.sub(bits, ir.Constant(integer, root)), shift)
            if whole:
                return builder.sitofp(k, x.type)
            return builder.bitcast(builder.sub(bits, builder.shl(k, shift)), x.type)

        return x(x), lower

    return part


_exponent, _mantissa = _part_of_number(True), _part_of_number(False)

# Adding 1.5 * 2^mantissa rounds to an integer, and leaves it in the lowest bits of the sum.
_rounder = by_type(1.5 * 2.0**52, 1.5 * 2.0**23)

# ln 2 comes in two parts, so that k times the first is exact.
_ln2_high = by_type(6.93147180369123816490e-01, 0.693359375)
_ln2_low = by_type(1.90821492927058770002e-10, float(np.float32(-2.12194440054690583e-4)))

# Beyond these exp overflows, or falls below the smallest normal number.
_exp_highest = by_type(709.782712893384, float(np.float32(88.72283)))
_exp_lowest = by_type(-708.3964185322641, float(np.float32(-87.33654)))

# (e^r - 1 - r) / r^2; e^r is off by 1.3e-17 and 8e-9.
_exp_tail = _polynomial(
    double=(
        0.5, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062, 0.0013888888917213717,
        0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06,
        2.7620088445409746e-07, 2.510038549551032e-08,
    ),
    single=(
        0.5, 0.16666576266288757, 0.041666556149721146, 0.008363178931176662,
        0.0013926184037700295,
    ),
)  # fmt: skip

# (artanh(s) / s - 1) / s^2 in powers of s^2, for |s| <= 0.1716; artanh is off by 5e-18 and 3e-9.
_artanh_tail = _polynomial(
    double=(
        0.3333333333333335, 0.19999999999949722, 0.14285714313001635, 0.11111105565129939,
        0.09091444727837474, 0.07665855309105386, 0.07308292712444311,
    ),
    single=(
        0.33333343267440796, 0.1999438852071762, 0.1479002684354782,
    ),
)  # fmt: skip

# Phi(-z) exp(z^2 / 2) (z + 3/2) in powers of t = (z - 5) / (z + 5), for z >= 0 (the mapping of
# Shepherd and Laframboise, 1981); off by 3e-17 and 8e-9.
_normal_tail = _polynomial(
    double=(
        0.4999754823375409, -0.16328105946601493, 0.08906477436896582, -0.03043958624684258,
        -0.0024733668242454656, 0.01283001300004453, -0.010674730126794568, 0.005332578486935852,
        -0.0015662969799685369, 7.49300353894586e-05, 0.0001521204285107181,
        -5.3126991846004246e-05, -6.573979183818793e-06, 8.424942399389006e-06,
        -4.076625272440078e-07, -1.1860104944848678e-06, 1.6607744546561977e-07,
        1.7689928667748433e-07, -3.1427092947396654e-08, -2.81847938042897e-08,
        4.33314208955794e-09, 4.103397588767593e-09, -3.4507608642793454e-10,
        -3.667453650355311e-10,
    ),
    single=(
        0.4999754726886749, -0.16328106820583344, 0.08906452357769012, -0.030439386144280434,
        -0.0024704625830054283, 0.012827662751078606, -0.010687104426324368, 0.005342815537005663,
        -0.0015425154706463218, 5.439735468826257e-05, 0.0001312152890022844,
        -3.328834645799361e-05,
    ),
)  # fmt: skip


@inlined_kernel
def _reduced(x: Any) -> Any:
    """(t, e^r - 1) of exp(x) = 2^k e^r, with k in the lowest bits of t."""
    t = x * type(x)(1.4426950408889634) + _rounder(x)
    k = t - _rounder(x)
    r = (x - k * _ln2_high(x)) - k * _ln2_low(x)
    return t, r + r * r * _exp_tail(r)


@inlined_kernel
def exp(x: Any) -> Any:
    """e^x within one unit in the last place; 0 where it is below the smallest normal number."""
    real = type(x)
    t, p = _reduced(x)
    y = _times_two_to(real(1) + p, t)
    # Of NaN, and beyond the limits, the bits of y say nothing.
    if x > _exp_highest(x):
        return real(math.inf)
    if x < _exp_lowest(x):
        return real(0)
    return y if x == x else x


@inlined_kernel
def expm1_negative(x: Any) -> Any:
    """e^x - 1 for x <= 0, without the cancellation near 0: 2^k (e^r - 1) + (2^k - 1)."""
    real = type(x)
    t, p = _reduced(x)
    power = _times_two_to(real(1), t)
    y = power * p + (power - real(1))
    if x < _exp_lowest(x):
        return real(-1)
    return y if x == x else x


@inlined_kernel
def log1p_unit(u: Any) -> Any:
    """log(1 + u) for 0 <= u <= 1, halving 1 + u beyond sqrt(2) so that |s| <= 0.1716."""
    real = type(u)
    halve = u > real(0.41421356237309503)
    numerator = u - real(1) if halve else u
    denominator = u + real(3) if halve else u + real(2)
    s = numerator / denominator
    square = s * s
    y = real(2) * (s + s * square * _artanh_tail(square))
    return y + real(0.6931471805599453) if halve else y


@inlined_kernel
def log(x: Any) -> Any:
    """The natural logarithm of a normal number above 0: k ln 2 + log m, with x = 2^k m."""
    real = type(x)
    k, m = _exponent(x), _mantissa(x)
    s = (m - real(1)) / (m + real(1))
    square = s * s
    y = k * _ln2_high(x) + (k * _ln2_low(x) + real(2) * (s + s * square * _artanh_tail(square)))
    return y if x == x else x


@inlined_kernel
def sigmoid(x: Any) -> Any:
    real = type(x)
    return real(1) / (real(1) + exp(-x))


@inlined_kernel
def tanh(x: Any) -> Any:
    real = type(x)
    p = expm1_negative(real(-2) * abs(x))
    y = p / (p + real(2))
    return y if x < real(0) else -y


@inlined_kernel
def softplus(x: Any) -> Any:
    real = type(x)
    zero = x * real(0)  # NaN for an infinite x, as in `whygrad.nn.functions`
    return (x if x > zero else zero) + log1p_unit(exp(-abs(x)))


@inlined_kernel
def normal(z: Any) -> Any:
    """The standard normal distribution and its density: Phi(z) and exp(-z^2 / 2) / sqrt(2 pi)."""
    real = type(z)
    distance = abs(z)
    # Beyond 40 nothing changes any more, and infinity would make t NaN.
    distance = real(40) if distance > real(40) else distance
    decay = exp(real(-0.5) * distance * distance)
    t = (distance - real(5)) / (distance + real(5))
    tail = decay * _normal_tail(t) / (distance + real(1.5))
    density = decay * real(0.3989422804014327)
    return tail if z < real(0) else real(1) - tail, density
