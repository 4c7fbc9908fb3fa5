"""Activation functions f with their derivatives f′ and f″, and costs C with theirs: the only calculus.

Each entry states a value and its derivatives side by side. Activations act on the weighted inputs z of
one layer, shape (n, units); costs compare the outputs a with the targets y, both (n, n_L), and give one
number per example. An array library is asked for through the arrays themselves (`namespace`), so NumPy
runs these functions and a compiler can trace them.

Sources: Nielsen, Neural Networks and Deep Learning (2015), chapters 2 and 3; Clevert et al. (2016) for
ELU; Klambauer et al. (2017) for SELU; Hendrycks & Gimpel (2016) for GELU and SiLU; Huber (1964).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from whygrad.errors import InputError, known_arguments, nearest

Array: TypeAlias = NDArray[Any]

# Where values can lie, from wide to narrow: all numbers, a > 0, 0 < a < 1, and rows of such that sum to 1.
Domain: TypeAlias = Literal["real", "positive", "unit", "simplex"]
DOMAINS: tuple[Domain, ...] = ("real", "positive", "unit", "simplex")

# What targets a cost understands: all numbers, y ≥ 0, 0 ≤ y ≤ 1, and rows of such that sum to 1.
Targets: TypeAlias = Literal["real", "nonnegative", "unit", "distribution"]


def namespace(array: Array) -> Any:
    """Return the array library that `array` belongs to."""
    return np if isinstance(array, np.ndarray) else array.__array_namespace__()


@known_arguments
@dataclass(frozen=True)
class Activation:
    """An activation function: a = f(z), with f′(z) and f″(z) beside it.

    Parameters
    ----------
    name : str
        Its name, in messages and files.
    value : callable
        f: z of shape (n, units) → a of the same shape.
    derivative : callable
        f′, of the same shapes. Where every output depends on every input of the layer (softmax), it is the
        Jacobian ∂aⱼ/∂zₖ, (n, units, units).
    second_derivative : callable, optional
        f″, of the same shapes as f; 0 at a kink. Only curvature needs it: without, f′ is differenced.
    range : {"real", "positive", "unit", "simplex"}
        Where the values lie, which decides the costs that fit.
    custom_vjp : callable, optional
        The vector–Jacobian product (z, ∂C/∂a) → ∂C/∂z, all (n, units), without building the Jacobian.
    custom_bend : callable, optional
        How that product changes with z: (z, ∂C/∂a, Δz) → its change of first order, all (n, units).
    kinks : tuple of float
        The z where f or one of its derivatives jumps: 0 of ReLU. They need not be known.
    linear : bool
        Whether f is a straight line between its kinks, all of which are then known.

    Examples
    --------
    >>> import numpy as np
    >>> cube = Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    >>> cube.vjp(np.array([[2.0]]), np.array([[1.0]]))
    array([[12.]])
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    second_derivative: Callable[[Array], Array] | None = field(default=None, repr=False)
    range: Domain = "real"
    custom_vjp: Callable[[Array, Array], Array] | None = field(default=None, repr=False)
    custom_bend: Callable[[Array, Array, Array], Array] | None = field(default=None, repr=False)
    kinks: tuple[float, ...] = ()
    linear: bool = False

    def vjp(self, z: Array, gradient: Array) -> Array:
        """Pull a gradient back through f, from ∂C/∂a to ∂C/∂z, both (n, units): f′ᵀ ∂C/∂a."""
        if gradient.shape != z.shape:
            raise InputError(
                f"∂C/∂a has shape {gradient.shape}, outputs {z.shape}: mend the cost's derivative"
            )
        if self.custom_vjp is not None:
            return self.custom_vjp(z, gradient)
        return gradient * self.derivative(z)

    def jvp(self, z: Array, dz: Array) -> Array:
        """Push a change forward through f, from Δz to Δa of first order, both (n, units): f′ Δz."""
        if self.custom_vjp is None:
            return self.derivative(z) * dz
        return namespace(z).matmul(self.derivative(z), dz[..., None])[..., 0]

    def bend(self, z: Array, gradient: Array, dz: Array) -> Array:
        """Return how f′ᵀ ∂C/∂a changes along Δz while ∂C/∂a stays, (n, units): ∂C/∂a ⊙ f″ ⊙ Δz.

        Without f″ it is differenced, to about seven digits in float64.
        """
        if self.custom_bend is not None:
            return self.custom_bend(z, gradient, dz)
        if self.second_derivative is not None:
            return gradient * self.second_derivative(z) * dz
        return _differenced(lambda at: self.vjp(at, gradient), z, dz)


@known_arguments
@dataclass(frozen=True)
class Cost:
    """A cost of one example: C_x(a, y) summed over the outputs, with its derivatives by a beside it.

    Parameters
    ----------
    name : str
        Its name, in messages and files.
    value : callable
        C_x: outputs and targets, both (n, n_L) → (n,).
    derivative : callable
        ∂C_x/∂a, (n, n_L).
    second_derivative : callable, optional
        ∂²C_x/∂aⱼ², (n, n_L), of a cost in which no two outputs meet. Only curvature needs it: without, the
        derivative is differenced.
    domain : {"real", "positive", "unit", "simplex"}
        Where the outputs must lie for the cost to be defined.
    targets : {"real", "nonnegative", "unit", "distribution"}
        Where the targets must lie.

    Examples
    --------
    >>> fourth = Cost("fourth", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3)
    >>> fourth.derivative(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]))
    array([[32.,  0.]])
    """

    name: str
    value: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]
    second_derivative: Callable[[Array, Array], Array] | None = field(default=None, repr=False)
    domain: Domain = "real"
    targets: Targets = "real"

    def change(self, a: Array, y: Array, da: Array) -> Array:
        """Return how ∂C_x/∂a changes along Δa, of first order, (n, n_L); without ∂²C_x/∂a² differenced."""
        if self.second_derivative is not None:
            return self.second_derivative(a, y) * da
        return _differenced(lambda at: self.derivative(at, y), a, da)


def _differenced(function: Callable[[Array], Array], at: Array, along: Array) -> Array:
    """Return the derivative of a function along a direction, row by row, by central differences."""
    xp = namespace(at)
    length = xp.sqrt(_sum(along * along))[..., None]
    h = float(xp.finfo(at.dtype).eps) ** (1 / 3) * (1 + xp.sqrt(_sum(at * at))[..., None])
    step = along / xp.where(length > 0, length, xp.ones_like(length)) * h
    return (function(at + step) - function(at - step)) * (length / (2 * h))


# ── activations ──────────────────────────────────────────────────────────────────────────────────────


def _identity(z: Array) -> Array:
    return z


def _identity_slope(z: Array) -> Array:
    return namespace(z).ones_like(z)


def _flat(z: Array) -> Array:
    return namespace(z).zeros_like(z)


def _sigmoid(z: Array) -> Array:
    xp = namespace(z)
    e = xp.exp(-xp.abs(z))  # never overflows
    return xp.where(z >= 0, 1 / (1 + e), e / (1 + e))


def _sigmoid_slope(z: Array) -> Array:
    a = _sigmoid(z)
    return a * (1 - a)


def _sigmoid_bend(z: Array) -> Array:
    a = _sigmoid(z)
    return a * (1 - a) * (1 - 2 * a)


def _tanh(z: Array) -> Array:
    return namespace(z).tanh(z)


def _tanh_slope(z: Array) -> Array:
    return 1 - _tanh(z) ** 2


def _tanh_bend(z: Array) -> Array:
    a = _tanh(z)
    return -2 * a * (1 - a**2)


def _relu(z: Array) -> Array:
    return namespace(z).maximum(z, z * 0)  # z * 0 keeps NaN, and an infinite z becomes one


def _relu_slope(z: Array) -> Array:
    return (z > 0).astype(z.dtype)


LEAK = 0.01


def _leaky_relu(z: Array) -> Array:
    return namespace(z).where(z > 0, z, LEAK * z)


def _leaky_relu_slope(z: Array) -> Array:
    xp = namespace(z)
    return xp.where(z > 0, xp.ones_like(z), LEAK)


def _elu(z: Array) -> Array:
    xp = namespace(z)
    return xp.where(z > 0, z, xp.expm1(xp.minimum(z, z * 0)))


def _elu_slope(z: Array) -> Array:
    xp = namespace(z)
    return xp.where(z > 0, xp.ones_like(z), xp.exp(xp.minimum(z, z * 0)))


def _elu_bend(z: Array) -> Array:
    xp = namespace(z)
    return xp.where(z > 0, xp.zeros_like(z), xp.exp(xp.minimum(z, z * 0)))


# The fixed point of Klambauer et al.: with these two, mean 0 and variance 1 reproduce themselves.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def _selu(z: Array) -> Array:
    xp = namespace(z)
    return SELU_SCALE * xp.where(z > 0, z, SELU_ALPHA * xp.expm1(xp.minimum(z, z * 0)))


def _selu_slope(z: Array) -> Array:
    xp = namespace(z)
    return SELU_SCALE * xp.where(z > 0, xp.ones_like(z), SELU_ALPHA * xp.exp(xp.minimum(z, z * 0)))


def _selu_bend(z: Array) -> Array:
    return SELU_SCALE * SELU_ALPHA * _elu_bend(z)


def _normal_cdf(z: Array) -> Array:
    if isinstance(z, np.ndarray):
        from scipy.special import ndtr  # here, since most networks need no GELU
    else:
        from jax.scipy.special import ndtr
    return ndtr(z)


def _gelu(z: Array) -> Array:
    return z * _normal_cdf(z)


def _gelu_slope(z: Array) -> Array:
    density = namespace(z).exp(-0.5 * z * z) / (2 * np.pi) ** 0.5
    return _normal_cdf(z) + z * density


def _gelu_bend(z: Array) -> Array:
    return (2 - z * z) * namespace(z).exp(-0.5 * z * z) / (2 * np.pi) ** 0.5


def _silu(z: Array) -> Array:
    return z * _sigmoid(z)


def _silu_slope(z: Array) -> Array:
    a = _sigmoid(z)
    return a * (1 + z * (1 - a))


def _silu_bend(z: Array) -> Array:
    a = _sigmoid(z)
    return a * (1 - a) * (2 + z * (1 - 2 * a))


def _softplus(z: Array) -> Array:
    xp = namespace(z)
    return xp.maximum(z, z * 0) + xp.log1p(xp.exp(-xp.abs(z)))


def _exp(z: Array) -> Array:
    return namespace(z).exp(z)


# Of NumPy's arrays without the functions around these, which for one row take longer than they do.
def _row_max(z: Array) -> Array:
    if isinstance(z, np.ndarray):
        return np.maximum.reduce(z, axis=-1, keepdims=True)
    return namespace(z).max(z, axis=-1, keepdims=True)


def _row_sum(z: Array) -> Array:
    if isinstance(z, np.ndarray):
        return np.add.reduce(z, axis=-1, keepdims=True)
    return namespace(z).sum(z, axis=-1, keepdims=True)


def _softmax(z: Array) -> Array:
    e = namespace(z).exp(z - _row_max(z))
    return e / _row_sum(e)


def _softmax_jacobian(z: Array) -> Array:
    xp, a = namespace(z), _softmax(z)
    return a[..., :, None] * (xp.eye(z.shape[-1], dtype=z.dtype) - a[..., None, :])


def _softmax_vjp(z: Array, gradient: Array) -> Array:
    a = _softmax(z)
    return a * (gradient - _row_sum(a * gradient))


def _softmax_bend(z: Array, gradient: Array, dz: Array) -> Array:
    a, da = _softmax(z), _softmax_vjp(z, dz)  # the Jacobian is symmetric
    return da * (gradient - _row_sum(a * gradient)) - a * _row_sum(da * gradient)


ACTIVATIONS: dict[str, Activation] = {
    f.name: f
    for f in (
        Activation("identity", _identity, _identity_slope, _flat, linear=True),
        Activation("sigmoid", _sigmoid, _sigmoid_slope, _sigmoid_bend, "unit"),
        Activation("tanh", _tanh, _tanh_slope, _tanh_bend),
        Activation("relu", _relu, _relu_slope, _flat, kinks=(0.0,), linear=True),
        Activation("leaky_relu", _leaky_relu, _leaky_relu_slope, _flat, kinks=(0.0,), linear=True),
        Activation("elu", _elu, _elu_slope, _elu_bend, kinks=(0.0,)),
        Activation("selu", _selu, _selu_slope, _selu_bend, kinks=(0.0,)),
        Activation("gelu", _gelu, _gelu_slope, _gelu_bend),
        Activation("silu", _silu, _silu_slope, _silu_bend),
        Activation("softplus", _softplus, _sigmoid, _sigmoid_slope, "positive"),
        Activation("exp", _exp, _exp, _exp, "positive"),
        Activation(
            "softmax", _softmax, _softmax_jacobian, None, "simplex", _softmax_vjp, _softmax_bend
        ),
    )
}


# ── costs ────────────────────────────────────────────────────────────────────────────────────────────


def _sum(array: Array) -> Array:
    return namespace(array).sum(array, axis=-1)


def _probability(a: Array) -> Array:
    """Keep a off 0 and 1, so that a saturated output gives a large cost rather than an infinite one."""
    xp = namespace(a)
    limits = xp.finfo(a.dtype)
    return xp.clip(a, limits.tiny, 1 - limits.eps / 2)


def _y_log_y(y: Array) -> Array:
    xp = namespace(y)
    return y * xp.log(xp.where(y > 0, y, xp.ones_like(y)))


def _squared_error(a: Array, y: Array) -> Array:
    return _sum((a - y) ** 2) / 2


def _squared_error_derivative(a: Array, y: Array) -> Array:
    return a - y


def _ones(a: Array, y: Array) -> Array:
    return namespace(a).ones_like(a)


def _absolute_error(a: Array, y: Array) -> Array:
    return _sum(namespace(a).abs(a - y))


def _absolute_error_derivative(a: Array, y: Array) -> Array:
    return namespace(a).sign(a - y)


def _zeros(a: Array, y: Array) -> Array:
    return namespace(a).zeros_like(a)


HUBER_THRESHOLD = 1.0


def _huber(a: Array, y: Array) -> Array:
    xp = namespace(a)
    r = xp.abs(a - y)
    near = xp.minimum(r, r * 0 + HUBER_THRESHOLD)
    return _sum(near * (r - near / 2))


def _huber_derivative(a: Array, y: Array) -> Array:
    return namespace(a).clip(a - y, -HUBER_THRESHOLD, HUBER_THRESHOLD)


def _huber_second(a: Array, y: Array) -> Array:
    return (namespace(a).abs(a - y) < HUBER_THRESHOLD).astype(a.dtype)


def _poisson(a: Array, y: Array) -> Array:
    xp = namespace(a)
    a = xp.maximum(a, a * 0 + xp.finfo(a.dtype).tiny)
    return _sum(a - y + _y_log_y(y) - y * xp.log(a))


def _poisson_derivative(a: Array, y: Array) -> Array:
    xp = namespace(a)
    return 1 - y / xp.maximum(a, a * 0 + xp.finfo(a.dtype).tiny)


def _poisson_second(a: Array, y: Array) -> Array:
    xp = namespace(a)
    return y / xp.maximum(a, a * 0 + xp.finfo(a.dtype).tiny) ** 2


def _cross_entropy(a: Array, y: Array) -> Array:
    return -_sum(y * namespace(a).log(_probability(a)))


def _cross_entropy_derivative(a: Array, y: Array) -> Array:
    return -y / _probability(a)


def _cross_entropy_second(a: Array, y: Array) -> Array:
    return y / _probability(a) ** 2


def _binary_cross_entropy(a: Array, y: Array) -> Array:
    xp, p = namespace(a), _probability(a)
    return -_sum(y * xp.log(p) + (1 - y) * xp.log1p(-p))


def _binary_cross_entropy_derivative(a: Array, y: Array) -> Array:
    p = _probability(a)
    return (p - y) / (p * (1 - p))


def _binary_cross_entropy_second(a: Array, y: Array) -> Array:
    p = _probability(a)
    return y / p**2 + (1 - y) / (1 - p) ** 2


COSTS: dict[str, Cost] = {
    cost.name: cost
    for cost in (
        Cost("squared_error", _squared_error, _squared_error_derivative, _ones),
        Cost("absolute_error", _absolute_error, _absolute_error_derivative, _zeros),
        Cost("huber", _huber, _huber_derivative, _huber_second),
        Cost("poisson", _poisson, _poisson_derivative, _poisson_second, "positive", "nonnegative"),
        Cost(
            "cross_entropy",
            _cross_entropy,
            _cross_entropy_derivative,
            _cross_entropy_second,
            "simplex",
            "distribution",
        ),
        Cost(
            "binary_cross_entropy",
            _binary_cross_entropy,
            _binary_cross_entropy_derivative,
            _binary_cross_entropy_second,
            "unit",
            "unit",
        ),
    )
}


# ── canonical links ──────────────────────────────────────────────────────────────────────────────────


def _sigmoid_binary_cross_entropy(z: Array, y: Array) -> Array:
    return _sum(_softplus(z) - y * z)


def _softmax_cross_entropy(z: Array, y: Array) -> Array:
    xp = namespace(z)
    shifted = z - _row_max(z)
    log_a = shifted - xp.log(_row_sum(xp.exp(shifted)))
    return -_sum(y * log_a)


def _exp_poisson(z: Array, y: Array) -> Array:
    return _sum(_exp(z) - y + _y_log_y(y) - y * z)


# Where δᴸ is simply a − y: the factors of ∂C/∂a and f′(z) cancel. The entry is the cost as a function of
# z and y, which loses no digits when an output saturates.
CANONICAL_LINKS: dict[tuple[str, str], Callable[[Array, Array], Array]] = {
    ("identity", "squared_error"): _squared_error,
    ("sigmoid", "binary_cross_entropy"): _sigmoid_binary_cross_entropy,
    ("softmax", "cross_entropy"): _softmax_cross_entropy,
    ("exp", "poisson"): _exp_poisson,
}


def canonical_link(f: Activation, cost: Cost) -> Callable[[Array, Array], Array] | None:
    """Return the cost as a function of (z, y) where δᴸ = a − y, and None for every other pairing."""
    if ACTIVATIONS.get(f.name) == f and COSTS.get(cost.name) == cost:  # equal: copies count as well
        return CANONICAL_LINKS.get((f.name, cost.name))
    return None


def find_activation(given: str | Activation) -> Activation:
    """Look an activation up by name; an `Activation` of the user's own is returned as it is."""
    if isinstance(given, Activation):
        return given
    if isinstance(given, str) and given in ACTIVATIONS:
        return ACTIVATIONS[given]
    raise InputError(f"unknown activation {given!r}: {nearest(given, ACTIVATIONS)}")


def find_cost(given: Any) -> Cost:
    """Look a cost up by name; any object with `value(a, y)` and `derivative(a, y)` serves as well."""
    if isinstance(given, Cost):
        return given
    if isinstance(given, str):
        if given in COSTS:
            return COSTS[given]
        raise InputError(f"unknown cost {given!r}: {nearest(given, COSTS)}")
    if callable(getattr(given, "value", None)) and callable(getattr(given, "derivative", None)):
        name = getattr(given, "name", None) or getattr(given, "__name__", type(given).__name__)
        domain: Domain = getattr(given, "domain", "real")
        second = getattr(given, "second_derivative", None)
        return Cost(str(name), given.value, given.derivative, second, domain)
    raise InputError(
        f"a cost is a name or an object with value(a, y) and derivative(a, y), not {given!r}: "
        f"{nearest(given, COSTS)}"
    )


def check_pairing(f: Activation, cost: Cost) -> None:
    """Reject an output activation whose values can leave the domain of the cost."""
    if DOMAINS.index(f.range) >= DOMAINS.index(cost.domain):
        return
    outputs = [g.name for g in ACTIVATIONS.values() if _within(g.range, cost.domain)]
    costs = [c.name for c in COSTS.values() if _within(f.range, c.domain)]
    need = {"positive": "a > 0", "unit": "0 < a < 1", "simplex": "rows of probabilities"}
    raise InputError(
        f"cost {cost.name!r} needs outputs with {need[cost.domain]}, which {f.name!r} does not "
        f"guarantee: use the output activation {' or '.join(outputs)}, or the cost {' or '.join(costs)}"
    )


def _within(inner: Domain, outer: Domain) -> bool:
    return DOMAINS.index(inner) >= DOMAINS.index(outer)
