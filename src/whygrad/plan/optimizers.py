"""Optimizers: from a gradient to the next parameters.

A rule is frozen data with three pure functions. `init` returns its state (the running averages it keeps,
one row of θ's length each, zero at the start); `coefficients` returns what it needs to know about each
step, beside its constants, from the number t of the step (from 1) and its learning rate η; `update` takes
parameters, gradient g, state and the coefficients of one step, and returns the next parameters and state.

Sources: Rumelhart, Hinton & Williams (1986) for momentum; Sutskever et al. (2013) for Nesterov's form;
Duchi et al. (2011) for Adagrad; Hinton (2012), lecture 6e, for RMSprop; Kingma & Ba (2015) for Adam; Dozat
(2016) for Nadam; Loshchilov & Hutter (2019) for AdamW. Where these leave a choice, it is PyTorch's.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from whygrad.errors import InputError, known_arguments, nearest
from whygrad.nn.functions import Array, namespace
from whygrad.plan.lbfgs import LBFGS


class Optimizer(Protocol):
    """The interface of every rule."""

    @property
    def learning_rate(self) -> float:
        """The learning rate η before the schedule's factor."""

    def init(self, theta: Array) -> Array:
        """Return the state at the start, zeros of shape (rows, number of parameters)."""

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return a row of float64 coefficients for each of the steps t, which have these learning rates."""

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next parameters and state."""


def _zeros(count: int, theta: Array) -> Array:
    return namespace(theta).zeros((count, len(theta)), dtype=theta.dtype)


_PART = 2**12  # products computed together


def _columns(first: Array, *others: Any) -> Array:
    columns = np.empty((len(first), 1 + len(others)))
    columns[:, 0] = first
    for i, column in enumerate(others, start=1):
        columns[:, i] = column
    return columns


@known_arguments
@dataclass(frozen=True)
class SGD:
    """Gradient descent: v ← μv − ηg, θ ← θ + v; with Nesterov's form θ ← θ + μv − ηg.

    Parameters
    ----------
    learning_rate : float
        η, the learning rate.
    momentum : float
        μ, the share of the last change that is carried on, 0 ≤ μ ≤ 1.
    nesterov : bool
        Look ahead along v; needs momentum.

    Examples
    --------
    >>> step(SGD(0.5), theta=1.0, g=0.2)
    0.9
    """

    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        if not 0 <= self.momentum <= 1:
            raise InputError(f"momentum is {self.momentum!r}: it must be from 0 to 1")
        if self.nesterov and not self.momentum:
            raise InputError("nesterov=True needs a momentum above 0, such as 0.9")

    def init(self, theta: Array) -> Array:
        """Return one row, the velocity v, or none without momentum."""
        return _zeros(1 if self.momentum else 0, theta)

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return η."""
        return _columns(learning_rates)

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next θ and v."""
        (learning_rate,) = coefficients
        if not self.momentum:
            return theta - learning_rate * g, opt_state
        v = self.momentum * opt_state[0] - learning_rate * g
        change = self.momentum * v - learning_rate * g if self.nesterov else v
        return theta + change, v[None]


@known_arguments
@dataclass(frozen=True)
class Adagrad:
    """Adagrad: s ← s + g², θ ← θ − η g / (√s + ε).

    Parameters
    ----------
    learning_rate : float
        η, the learning rate.
    epsilon : float
        ε, keeps the quotient finite.

    Examples
    --------
    >>> step(Adagrad(0.1), theta=1.0, g=5.0)
    0.9
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_epsilon(self.epsilon)

    def init(self, theta: Array) -> Array:
        """Return one row, s."""
        return _zeros(1, theta)

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return η."""
        return _columns(learning_rates)

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next θ and s."""
        (learning_rate,) = coefficients
        s = opt_state[0] + g * g
        return theta - learning_rate * g / (namespace(theta).sqrt(s) + self.epsilon), s[None]


@known_arguments
@dataclass(frozen=True)
class RMSprop:
    """RMSprop: s ← βs + (1−β)g², v ← μv + g/(√s + ε), θ ← θ − ηv.

    Parameters
    ----------
    learning_rate : float
        η, the learning rate.
    beta : float
        β, how much of the average of g² is kept at each step (PyTorch's `alpha`).
    epsilon : float
        ε, keeps the quotient finite.
    momentum : float
        μ; with 0 there is no v.

    Examples
    --------
    >>> step(RMSprop(0.01), theta=1.0, g=5.0)
    0.9
    """

    learning_rate: float = 0.01
    beta: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_between("beta", self.beta)
        _check_epsilon(self.epsilon)
        if not 0 <= self.momentum <= 1:
            raise InputError(f"momentum is {self.momentum!r}: it must be from 0 to 1")

    def init(self, theta: Array) -> Array:
        """Return a row for s and, with momentum, one for v."""
        return _zeros(2 if self.momentum else 1, theta)

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return η."""
        return _columns(learning_rates)

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next θ and state."""
        xp, (learning_rate,) = namespace(theta), coefficients
        s = self.beta * opt_state[0] + (1 - self.beta) * g * g
        scaled = g / (xp.sqrt(s) + self.epsilon)
        if not self.momentum:
            return theta - learning_rate * scaled, s[None]
        v = self.momentum * opt_state[1] + scaled
        return theta - learning_rate * v, xp.stack([s, v])


@known_arguments
@dataclass(frozen=True)
class Adam:
    """Adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − η m̂ / (√v̂ + ε).

    m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ) undo the start at zero. With `epsilon_hat` ε is added to √v before
    that correction, θ ← θ − η √(1−β₂ᵗ)/(1−β₁ᵗ) · m / (√v + ε): scikit-learn's form.

    Parameters
    ----------
    learning_rate : float
        η, the learning rate.
    beta1, beta2 : float
        How much of the averages of g and g² is kept at each step, 0 ≤ β < 1.
    epsilon : float
        ε, keeps the quotient finite.
    epsilon_hat : bool
        Where ε is added, see above.

    Examples
    --------
    >>> step(Adam(0.1), theta=1.0, g=5.0)
    0.9
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False

    def __post_init__(self) -> None:
        _check_adam(self)

    def init(self, theta: Array) -> Array:
        """Return two rows, m and v."""
        return _zeros(2, theta)

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return η √(1−β₂ᵗ)/(1−β₁ᵗ) and the ε that then stands beside √v.

        (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε) is √(1−β₂ᵗ)/(1−β₁ᵗ) · m / (√v + ε√(1−β₂ᵗ)).
        """
        root = np.sqrt(1 - self.beta2**t)
        epsilon = self.epsilon * (np.ones_like(root) if self.epsilon_hat else root)
        return _columns(learning_rates * root / (1 - self.beta1**t), epsilon)

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next θ, m and v."""
        xp, (scale, epsilon) = namespace(theta), coefficients
        m = self.beta1 * opt_state[0] + (1 - self.beta1) * g
        v = self.beta2 * opt_state[1] + (1 - self.beta2) * g * g
        return theta - scale * m / (xp.sqrt(v) + epsilon), xp.stack([m, v])


@known_arguments
@dataclass(frozen=True)
class AdamW:
    """AdamW: θ ← θ − ηλθ, then Adam: the decay does not pass through Adam's averages.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        As for `Adam`.
    decay : float
        λ; it acts on biases as well, as in PyTorch.

    Examples
    --------
    >>> step(AdamW(0.1, decay=1.0), theta=1.0, g=5.0)
    0.8
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.01

    def __post_init__(self) -> None:
        _check_adam(self)
        if not (self.decay >= 0 and math.isfinite(self.decay)):
            raise InputError(f"decay is {self.decay}: it must be a finite number of at least 0")

    def init(self, theta: Array) -> Array:
        """Return two rows, m and v."""
        return _zeros(2, theta)

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return Adam's two coefficients, and 1 − ηλ."""
        adam = Adam(self.learning_rate, self.beta1, self.beta2, self.epsilon)
        return np.concatenate(
            [adam.coefficients(t, learning_rates), _columns(1 - learning_rates * self.decay)],
            axis=1,
        )

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next θ, m and v."""
        scale, epsilon, keep = coefficients
        adam = Adam(self.learning_rate, self.beta1, self.beta2, self.epsilon)
        return adam.update(keep * theta, g, opt_state, [scale, epsilon])


@known_arguments
@dataclass(frozen=True)
class Nadam:
    """Nadam: Adam with Nesterov's look ahead, θ ← θ − η (μ̄ m + ḡ g) / (√v̂ + ε).

    μ_t = β₁(1 − ½ 0.96^{tψ}) and Π_t = μ_1 ⋯ μ_t; ḡ = (1−μ_t)/(1−Π_t) and μ̄ = μ_{t+1}/(1−Π_{t+1}).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        As for `Adam`.
    momentum_decay : float
        ψ, how fast μ_t rises.

    Examples
    --------
    >>> step(Nadam(0.1), theta=1.0, g=5.0) < 0.95
    True
    """

    learning_rate: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004

    def __post_init__(self) -> None:
        _check_adam(self)

    def init(self, theta: Array) -> Array:
        """Return two rows, m and v."""
        return _zeros(2, theta)

    def coefficients(self, t: Array, learning_rates: Array) -> Array:
        """Return the factors of m and of g, and the ε that then stands beside √v."""
        last = int(t[-1]) + 1 if len(t) else 1
        product = momentum_products(self.beta1, self.momentum_decay, 1 << last.bit_length())
        now, later = (np.minimum(step, len(product)) - 1 for step in (t, t + 1))
        mu, mu_later = (_mu(self.beta1, self.momentum_decay, step) for step in (t, t + 1))
        root = np.sqrt(1 - self.beta2**t)
        of_m = learning_rates * root * mu_later / (1 - product[later])
        of_g = learning_rates * root * (1 - mu) / (1 - product[now])
        return _columns(of_m, of_g, self.epsilon * root)

    def update(
        self, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
    ) -> tuple[Array, Array]:
        """Return the next θ, m and v."""
        xp, (of_m, of_g, epsilon) = namespace(theta), coefficients
        m = self.beta1 * opt_state[0] + (1 - self.beta1) * g
        v = self.beta2 * opt_state[1] + (1 - self.beta2) * g * g
        return theta - (of_m * m + of_g * g) / (xp.sqrt(v) + epsilon), xp.stack([m, v])


def _mu(beta1: float, decay: float, t: Array) -> Array:
    """Return Nadam's μ_t."""
    return beta1 * (1 - 0.5 * 0.96 ** (np.asarray(t, np.float64) * decay))


@lru_cache(maxsize=16)
def momentum_products(beta1: float, decay: float, size: int) -> Array:
    """Return Nadam's Π_1, Π_2, …: `size` of them, or up to the first that is nothing beside 1.

    Kept from chunk to chunk, as each follows from all before it.
    """
    product = 1.0
    parts: list[Array] = []
    for start in range(1, size + 1, _PART):
        mu = _mu(beta1, decay, np.arange(start, min(start + _PART, size + 1)))
        mu[0] *= product
        parts.append(np.cumprod(mu))
        product = float(parts[-1][-1])
        if product < 1e-20:
            break
    return np.concatenate(parts)


OPTIMIZERS: dict[str, Any] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": Nadam,
}


def find_optimizer(given: Any) -> Optimizer | LBFGS:
    """Look an optimizer up by name, with its default learning rate; an optimizer is returned as it is."""
    known = [*OPTIMIZERS, "lbfgs"]
    if isinstance(given, LBFGS):
        return given
    if isinstance(given, str):
        if given == "lbfgs":
            return LBFGS()
        if given in OPTIMIZERS:
            return OPTIMIZERS[given]()
        raise InputError(f"unknown optimizer {given!r}: {nearest(given, known)}")
    offers = all(
        callable(getattr(given, name, None)) for name in ("init", "coefficients", "update")
    )
    if offers and not isinstance(given, type):
        return given
    raise InputError(
        f"an optimizer is a name or one such as SGD(0.1), not {given!r}: {nearest(given, known)}"
    )


def step(rule: Optimizer, theta: float, g: float) -> float:
    """Take the first step of one parameter: for the examples above, and for trying a rule out."""
    parameters = np.array([theta])
    coefficients = rule.coefficients(np.array([1]), np.array([rule.learning_rate]))[0].tolist()
    after, _ = rule.update(parameters, np.array([g]), rule.init(parameters), coefficients)
    return round(float(after[0]), 7)


def _check_adam(rule: Any) -> None:
    _check_rate(rule.learning_rate)
    _check_between("beta1", rule.beta1)
    _check_between("beta2", rule.beta2)
    _check_epsilon(rule.epsilon)


def _check_rate(learning_rate: float) -> None:
    if not (
        isinstance(learning_rate, int | float | np.number)
        and learning_rate > 0
        and math.isfinite(learning_rate)
    ):
        raise InputError(
            f"learning_rate is {learning_rate!r}: a learning rate is a finite number above 0"
        )


def _check_epsilon(epsilon: float) -> None:
    if not epsilon > 0:
        raise InputError(f"epsilon is {epsilon}: it must be above 0")


def _check_between(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise InputError(f"{name} is {value!r}: it must be at least 0 and below 1")
