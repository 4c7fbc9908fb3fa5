"""Optimizers: from a gradient to the next parameters; and schedules of the learning rate η.

A rule is frozen data with two pure functions: `init` gives its slots (the running averages it keeps, one
row of θ's length each, zero at the start), and `update` takes parameters, gradient g, slots, the number of
the step (from 0) and the rate η of that step, and gives the next parameters and slots.

Sources: Rumelhart, Hinton & Williams (1986) for momentum; Sutskever et al. (2013) for Nesterov's form;
Kingma & Ba (2015) for Adam.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from whygrad.errors import InputError, nearest
from whygrad.functions import Array, namespace


class Optimizer(Protocol):
    """What every rule offers."""

    @property
    def rate(self) -> float:
        """The learning rate η before the schedule's factor."""

    def init(self, theta: Array) -> Array:
        """Give the slots at the start, shape (number of slots, number of parameters)."""

    def update(
        self, theta: Array, g: Array, slots: Array, step: int, rate: float
    ) -> tuple[Array, Array]:
        """Give the next parameters and slots."""


@dataclass(frozen=True)
class SGD:
    """Gradient descent: v ← μv − ηg, θ ← θ + v; with Nesterov's form θ ← θ + μv − ηg.

    Parameters
    ----------
    rate : η, the learning rate.
    momentum : μ, the share of the last change that is carried on, 0 ≤ μ ≤ 1.
    nesterov : look ahead along v; needs momentum.

    >>> import numpy as np
    >>> rule = SGD(0.5)
    >>> theta = np.array([1.0])
    >>> rule.update(theta, np.array([0.2]), rule.init(theta), step=0, rate=rule.rate)[0]
    array([0.9])
    """

    rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        if not 0 <= self.momentum <= 1:
            raise InputError(f"momentum is {self.momentum!r}: it must be from 0 to 1")
        if self.nesterov and not self.momentum:
            raise InputError("nesterov=True needs a momentum above 0, such as 0.9")

    def init(self, theta: Array) -> Array:
        """Give one slot, the velocity v, or none without momentum."""
        return namespace(theta).zeros((1 if self.momentum else 0, len(theta)), dtype=theta.dtype)

    def update(
        self, theta: Array, g: Array, slots: Array, step: int, rate: float
    ) -> tuple[Array, Array]:
        """Give the next θ and v."""
        if not self.momentum:
            return theta - rate * g, slots
        v = self.momentum * slots[0] - rate * g
        change = self.momentum * v - rate * g if self.nesterov else v
        return theta + change, v[None]


@dataclass(frozen=True)
class Adam:
    """Adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − η m̂ / (√v̂ + ε).

    m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ) undo the start at zero, t counting from 1. With `epsilon_hat` ε is
    added to √v before that correction, θ ← θ − η √(1−β₂ᵗ)/(1−β₁ᵗ) · m / (√v + ε): scikit-learn's form.

    Parameters
    ----------
    rate : η, the learning rate.
    beta1, beta2 : how much of the averages of g and g² is kept at each step, 0 ≤ β < 1.
    epsilon : ε, keeps the quotient finite.
    epsilon_hat : where ε is added, see above.

    >>> import numpy as np
    >>> rule = Adam(0.1)
    >>> theta = np.array([1.0])
    >>> rule.update(theta, np.array([5.0]), rule.init(theta), step=0, rate=rule.rate)[0]
    array([0.9])
    """

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        _check_between("beta1", self.beta1, 0, 1)
        _check_between("beta2", self.beta2, 0, 1)
        if not self.epsilon > 0:
            raise InputError(f"epsilon is {self.epsilon}: it must be above 0")

    def init(self, theta: Array) -> Array:
        """Give two slots, m and v."""
        return namespace(theta).zeros((2, len(theta)), dtype=theta.dtype)

    def update(
        self, theta: Array, g: Array, slots: Array, step: int, rate: float
    ) -> tuple[Array, Array]:
        """Give the next θ, m and v."""
        xp = namespace(theta)
        m = self.beta1 * slots[0] + (1 - self.beta1) * g
        v = self.beta2 * slots[1] + (1 - self.beta2) * g * g
        scale, epsilon = self.corrections(step)
        return theta - rate * scale * m / (xp.sqrt(v) + epsilon), xp.stack([m, v])

    def corrections(self, step: Any) -> tuple[Any, Any]:
        """Give √(1−β₂ᵗ)/(1−β₁ᵗ) and the ε that stands beside √v, for t = step + 1.

        (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε) is the first times m / (√v + ε√(1−β₂ᵗ)).
        """
        t = step + 1
        root = (1 - self.beta2**t) ** 0.5
        return root / (1 - self.beta1**t), self.epsilon * (1 if self.epsilon_hat else root)


OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


def find_optimizer(given: Any) -> Optimizer:
    """Look an optimizer up by name, with its default rate; an optimizer is handed through."""
    if isinstance(given, str):
        if given in OPTIMIZERS:
            return OPTIMIZERS[given]()
        raise InputError(f"unknown optimizer {given!r}: {nearest(given, OPTIMIZERS)}")
    offers = [callable(getattr(given, name, None)) for name in ("init", "update")]
    if all(offers) and not isinstance(given, type):
        found: Optimizer = given
        return found
    raise InputError(f"an optimizer is a name or one such as SGD(0.1), not {given!r}")


# ── schedules ────────────────────────────────────────────────────────────────────────────────────────


class Clock(NamedTuple):
    """Where in the training an epoch lies; `seen` counts the examples of the epochs before it."""

    epoch: int
    epochs: int
    seen: int
    steps_per_epoch: int


class Schedule(Protocol):
    """What every schedule offers: the factor on η for each step of one epoch."""

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Give the factors for the given batches of the epoch, same shape."""


@dataclass(frozen=True)
class Constant:
    """The same rate throughout."""

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Give 1 for each batch."""
        return np.ones(len(batches))


@dataclass(frozen=True)
class InverseScaling:
    """η / (examples seen + 1)^power, counted at the start of each epoch.

    >>> import numpy as np
    >>> clock = Clock(epoch=3, epochs=9, seen=99, steps_per_epoch=1)
    >>> float(InverseScaling(0.5).factors(np.arange(1), clock)[0])
    0.1
    """

    power: float = 0.5

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Give one number for all batches of an epoch."""
        return np.full(len(batches), 1 / (clock.seen + 1) ** self.power)


@dataclass(frozen=True)
class Adaptive:
    """Divide η by `divisor` whenever the stopping rule's patience ends, down to `floor`.

    Training stops only when the patience ends once more below the floor. Needs a stopping rule.
    """

    divisor: float = 5.0
    floor: float = 1e-6

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Give 1 for each batch: what was divided so far is part of the training's state."""
        return np.ones(len(batches))


def _check_rate(rate: float) -> None:
    if not (isinstance(rate, int | float | np.number) and rate > 0 and math.isfinite(rate)):
        raise InputError(f"rate is {rate!r}: a learning rate is a finite number above 0")


def _check_between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise InputError(f"{name} is {value!r}: it must be at least {low} and below {high}")
