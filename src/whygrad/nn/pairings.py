"""Output activations and costs taken together: C as a function of z, and δᴸ = ∂C/∂z, to the last digits.

    δᴸ = ∂C/∂a · f′(z)

Where an output saturates, costs with a pole make the first factor as large as f′ is small: one overflows or
is cut off, the other underflows, and their product is anything. Taken together the pole is gone:

    canonical pairs (`functions.CANONICAL_LINKS`)   δ = a − y
    softplus, Poisson                         δ = (a − y) σ(z)/a,  where σ(z)/a → 1 as z → −∞
    sigmoid, Poisson                          δ = (a − y) σ(−z)
    softmax, Poisson                          δ = a Σ y − y
    softmax, binary cross-entropy             δₖ = (aₖ − yₖ) − Σ_{j≠k} aₖ/(1 − aⱼ) (aⱼ − yⱼ)

aₖ/(1 − aⱼ) is the softmax of all but j. All other costs have derivatives that stay below 1, or below
|a − y|, and lose nothing on the way through f′. Beside each error stands its change along Δz: ∂δᴸ/∂z Δz.
"""

from collections.abc import Callable
from dataclasses import dataclass

from whygrad.nn.functions import (
    ACTIVATIONS,
    COSTS,
    Activation,
    Array,
    Cost,
    canonical_link,
    namespace,
)


@dataclass(frozen=True)
class Together:
    """A pairing: C_x from (z, y), (n,); δᴸ from (z, a, y), and its change from (z, a, y, Δz), (n, n_L)."""

    value: Callable[[Array, Array], Array]
    error: Callable[[Array, Array, Array], Array]
    change: Callable[[Array, Array, Array, Array], Array]


def _sum(array: Array) -> Array:
    return namespace(array).sum(array, axis=-1, keepdims=True)


def _poisson(a: Array, y: Array, log_a: Array) -> Array:
    """Σ a − y + y log y − y log a, from a logarithm that may lie below any that `a` itself has."""
    xp = namespace(a)
    y_log_y = y * xp.log(xp.where(y > 0, y, xp.ones_like(y)))
    return _sum(a - y + y_log_y - y * log_a)[..., 0]


def _tail(z: Array) -> tuple[Array, Array]:
    """Return e^−|z|, and log(1 + e)/e of it, which is 1 where e is too small to be told from it."""
    xp = namespace(z)
    e = xp.exp(-xp.abs(z))
    small = e < xp.finfo(z.dtype).eps
    return e, xp.where(small, xp.ones_like(e), xp.log1p(e) / xp.where(small, xp.ones_like(e), e))


def _softplus_poisson(z: Array, y: Array) -> Array:
    xp, a = namespace(z), ACTIVATIONS["softplus"].value(z)
    _, part = _tail(z)
    log_a = xp.where(z < 0, z + xp.log(part), xp.log(xp.where(z < 0, xp.ones_like(a), a)))
    return _poisson(a, y, log_a)


def _softplus_ratio(z: Array, a: Array) -> Array:
    """Return σ(z)/a of a = softplus z, which goes to 1 where z goes to −∞."""
    xp = namespace(z)
    e, part = _tail(z)
    return xp.where(
        z < 0, 1 / ((1 + e) * part), 1 / ((1 + e) * xp.where(z < 0, xp.ones_like(a), a))
    )


def _softplus_poisson_error(z: Array, a: Array, y: Array) -> Array:
    return (a - y) * _softplus_ratio(z, a)


def _softplus_poisson_change(z: Array, a: Array, y: Array, dz: Array) -> Array:
    ratio, sigmoid = _softplus_ratio(z, a), ACTIVATIONS["sigmoid"].value(z)
    return (sigmoid * (1 - sigmoid) - y * ratio * (1 - sigmoid - ratio)) * dz


def _sigmoid_poisson(z: Array, y: Array) -> Array:
    return _poisson(ACTIVATIONS["sigmoid"].value(z), y, -ACTIVATIONS["softplus"].value(-z))


def _sigmoid_poisson_error(z: Array, a: Array, y: Array) -> Array:
    return (a - y) * ACTIVATIONS["sigmoid"].value(-z)


def _sigmoid_poisson_change(z: Array, a: Array, y: Array, dz: Array) -> Array:
    rest = ACTIVATIONS["sigmoid"].value(-z)
    return a * rest * (rest - a + y) * dz


def _softmax_poisson(z: Array, y: Array) -> Array:
    return _poisson(ACTIVATIONS["softmax"].value(z), y, _log_softmax(z))


def _softmax_poisson_error(z: Array, a: Array, y: Array) -> Array:
    return a * _sum(y) - y


def _softmax_poisson_change(z: Array, a: Array, y: Array, dz: Array) -> Array:
    return ACTIVATIONS["softmax"].jvp(z, dz) * _sum(y)


def _log_softmax(z: Array) -> Array:
    xp = namespace(z)
    shifted = z - xp.max(z, axis=-1, keepdims=True)
    return shifted - xp.log(_sum(xp.exp(shifted)))


def _leader(z: Array) -> tuple[Array, Array]:
    """Return which output has the largest z, one of a row, and z with −∞ instead of it."""
    xp = namespace(z)
    first = xp.arange(z.shape[-1]) == xp.argmax(z, axis=-1, keepdims=True)
    return first, xp.where(first, -xp.inf, z)


def _softmax_binary(z: Array, y: Array) -> Array:
    if z.shape[-1] == 1:  # which is 1, whatever z is
        return COSTS["binary_cross_entropy"].value(ACTIVATIONS["softmax"].value(z), y)
    xp = namespace(z)
    first, others = _leader(z)
    log_a, second = _log_softmax(z), xp.max(others, axis=-1, keepdims=True)
    log_total = second + xp.log(_sum(xp.exp(others - second)))
    # log a of the leader is z less log Σ e^z, so that log(1 − a) is log Σ_{others} e^z less the same.
    log_rest = log_total - (z - log_a)
    below = xp.exp(xp.where(first, xp.full_like(z, -1), log_a))
    log_not = xp.where(first, log_rest, xp.log1p(-below))
    return -_sum(y * log_a + (1 - y) * log_not)[..., 0]


def _softmax_binary_error(z: Array, a: Array, y: Array) -> Array:
    xp = namespace(z)
    if z.shape[-1] == 1:
        return xp.zeros_like(z) * z
    first, others = _leader(z)
    e = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    less = xp.exp(others - xp.max(others, axis=-1, keepdims=True))
    without = less / _sum(less)  # the softmax of all but the leader
    rest = _sum(xp.where(first, xp.zeros_like(e), e))  # Σ e of all but the leader, who has 1
    total = 1 + rest
    off = xp.where(first, (1 - y) - rest / total, a - y)
    share = xp.where(first, xp.zeros_like(e), off / xp.where(first, xp.ones_like(e), total - e))
    passed = _sum(share) - share
    return off - e * passed - without * _sum(xp.where(first, off, xp.zeros_like(off)))


def _softmax_binary_change(z: Array, a: Array, y: Array, dz: Array) -> Array:
    """Differentiate δₖ = oₖ − Σ_{j≠k} s_jk oⱼ, with o = a − y and s_jk = aₖ/(1 − aⱼ), itself a softmax."""
    if z.shape[-1] == 1:
        return namespace(z).zeros_like(z) * z
    xp, softmax = namespace(z), ACTIVATIONS["softmax"]
    others = xp.where(xp.eye(z.shape[-1], dtype=bool), -xp.inf, z[..., None, :])
    s = softmax.value(others)
    dz_k = dz[..., None, :]
    ds, da = s * (dz_k - _sum(s * dz_k)), softmax.jvp(z, dz)
    return da - ((a - y)[..., :, None] * ds + da[..., :, None] * s).sum(axis=-2)


TOGETHER: dict[tuple[str, str], Together] = {
    ("softplus", "poisson"): Together(
        _softplus_poisson, _softplus_poisson_error, _softplus_poisson_change
    ),
    ("sigmoid", "poisson"): Together(
        _sigmoid_poisson, _sigmoid_poisson_error, _sigmoid_poisson_change
    ),
    ("softmax", "poisson"): Together(
        _softmax_poisson, _softmax_poisson_error, _softmax_poisson_change
    ),
    ("softmax", "binary_cross_entropy"): Together(
        _softmax_binary, _softmax_binary_error, _softmax_binary_change
    ),
}


def together(f: Activation, cost: Cost) -> Together | None:
    """Return the pairing where ∂C/∂a has a pole that f′ takes away, and None for every other."""
    canonical = canonical_link(f, cost)
    if canonical:
        return Together(canonical, lambda z, a, y: a - y, lambda z, a, y, dz: f.jvp(z, dz))
    if ACTIVATIONS.get(f.name) == f and COSTS.get(cost.name) == cost:
        return TOGETHER.get((f.name, cost.name))
    return None


def output_costs(f: Activation, cost: Cost, z: Array, a: Array, y: Array) -> Array:
    """Return C_x of outputs a = f(z), (n,)."""
    pair = together(f, cost)
    return pair.value(z, y) if pair else cost.value(a, y)


def output_error(f: Activation, cost: Cost, z: Array, a: Array, y: Array) -> Array:
    """Return δᴸ = ∂C_x/∂z of outputs a = f(z), (n, n_L): BP1."""
    pair = together(f, cost)
    return pair.error(z, a, y) if pair else f.vjp(z, cost.derivative(a, y))


def output_error_change(
    f: Activation, cost: Cost, z: Array, a: Array, y: Array, dz: Array
) -> Array:
    """Return how δᴸ changes along Δz, of first order, (n, n_L): ∂²C_x/∂z² Δz."""
    pair = together(f, cost)
    if pair:
        return pair.change(z, a, y, dz)
    return f.bend(z, cost.derivative(a, y), dz) + f.vjp(z, cost.change(a, y, f.jvp(z, dz)))
