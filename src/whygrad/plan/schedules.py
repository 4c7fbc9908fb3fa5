"""Schedules: how the learning rate η changes as a training goes on.

A schedule is frozen data with one pure function: the factors on η for the batches of an epoch. Two of
them, `Adaptive` and `OnPlateau`, wait for an epoch that does not improve; what they have left of η is part
of the training's state, and `training` lowers it.

Sources: Loshchilov & Hutter (2017) for cosine annealing, Goyal et al. (2017) for the warm-up, Smith &
Topin (2019) for one cycle.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from whygrad.errors import InputError, known_arguments, nearest
from whygrad.nn.functions import Array


class Clock(NamedTuple):
    """Where in the training an epoch lies; `seen` counts the examples of the epochs before it."""

    epoch: int
    epochs: int
    seen: int
    steps_per_epoch: int

    def progress(self, batches: Array) -> Array:
        """Return how much of the whole training lies before each batch, from 0 to below 1."""
        total = max(1, self.epochs * self.steps_per_epoch)
        return (self.epoch * self.steps_per_epoch + batches) / total


class Schedule(Protocol):
    """The interface of every schedule: the factor on η for each step of one epoch."""

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return the factors for the given batches of the epoch, same shape."""


@known_arguments
@dataclass(frozen=True)
class Constant:
    """The same learning rate throughout."""

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return 1 for each batch."""
        return np.ones(len(batches))


@known_arguments
@dataclass(frozen=True)
class InverseScaling:
    """η / (examples seen + 1)^power, counted at the start of each epoch.

    Parameters
    ----------
    power : float, default 0.5
        How fast η falls.

    Examples
    --------
    >>> import numpy as np
    >>> clock = Clock(epoch=3, epochs=9, seen=99, steps_per_epoch=1)
    >>> float(InverseScaling(0.5).factors(np.arange(1), clock)[0])
    0.1
    """

    power: float = 0.5

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return one number for all batches of an epoch."""
        return np.full(len(batches), 1 / (clock.seen + 1) ** self.power)


@known_arguments
@dataclass(frozen=True)
class Step:
    """η times `factor` after every `every` epochs.

    Parameters
    ----------
    every : int, default 10
        Epochs between two reductions.
    factor : float, default 0.1
        What η is multiplied by, 0 ≤ factor < 1.

    Examples
    --------
    >>> import numpy as np
    >>> clock = Clock(epoch=25, epochs=30, seen=0, steps_per_epoch=2)
    >>> Step(every=10, factor=0.5).factors(np.arange(2), clock)
    array([0.25, 0.25])
    """

    every: int = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"every is {self.every}: it must be at least 1 epoch")
        _check_share("factor", self.factor)

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return one number for all batches of an epoch."""
        return np.full(len(batches), self.factor ** (clock.epoch // self.every))


@known_arguments
@dataclass(frozen=True)
class Cosine:
    """Cosine annealing: from η down to `last` η along half a cosine, after a linear warm-up.

    Parameters
    ----------
    warm_up : float, default 0
        The share of the training over which η rises from 0.
    last : float, default 0
        The share of η that is left at the end.

    Examples
    --------
    >>> import numpy as np
    >>> clock = Clock(epoch=0, epochs=1, seen=0, steps_per_epoch=4)
    >>> Cosine().factors(np.arange(4), clock).round(3)
    array([1.   , 0.854, 0.5  , 0.146])
    """

    warm_up: float = 0.0
    last: float = 0.0

    def __post_init__(self) -> None:
        _check_share("warm_up", self.warm_up)
        _check_share("last", self.last)

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return the factors by how much of the training is over."""
        p = clock.progress(batches)
        rise = (p + 1 / max(1, clock.epochs * clock.steps_per_epoch)) / max(self.warm_up, 1e-300)
        fall = (p - self.warm_up) / (1 - self.warm_up)
        cosine = self.last + (1 - self.last) * (1 + np.cos(np.pi * np.clip(fall, 0, 1))) / 2
        return np.where(p < self.warm_up, np.minimum(rise, 1), cosine)


@known_arguments
@dataclass(frozen=True)
class OneCycle:
    """Up from η / `start` to η over the share `rise` of the training, then down to η / `end`, by cosines.

    η is the highest learning rate, as with PyTorch's `OneCycleLR(max_lr=η)`.

    Parameters
    ----------
    rise : float, default 0.3
        The share of the training over which the learning rate rises.
    start, end : float, default 25 and 25e4
        What η is divided by at the start and at the end, at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> clock = Clock(epoch=0, epochs=1, seen=0, steps_per_epoch=20)
    >>> OneCycle(rise=0.3).factors(np.array([0, 5, 19]), clock).round(2)
    array([0.04, 1.  , 0.  ])
    """

    rise: float = 0.3
    start: float = 25.0
    end: float = 25e4

    def __post_init__(self) -> None:
        _check_share("rise", self.rise)
        if not (self.start >= 1 and self.end >= 1):
            raise InputError(f"OneCycle divides η by {self.start} and {self.end}: both at least 1")

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return the factors; the last step of the training has the lowest learning rate."""
        steps = clock.epochs * clock.steps_per_epoch
        t = clock.epoch * clock.steps_per_epoch + np.asarray(batches)
        peak = self.rise * steps - 1
        up = np.clip((t / peak) if peak > 0 else np.ones(len(batches)), 0, 1)
        down = np.clip((t - peak) / max(1.0, steps - 1 - peak), 0, 1)
        rising = 1 / self.start + (1 - 1 / self.start) * (1 - np.cos(np.pi * up)) / 2
        falling = 1 / self.end + (1 - 1 / self.end) * (1 + np.cos(np.pi * down)) / 2
        return np.where(t <= peak, rising, falling)


@known_arguments
@dataclass(frozen=True)
class Adaptive:
    """Divide η by `divisor` whenever the stopping rule's patience ends, down to `floor`.

    Training stops only when the patience ends once more below the floor. Needs a stopping rule.

    Parameters
    ----------
    divisor : float, default 5
        What η is divided by, above 1.
    floor : float, default 1e-6
        The learning rate below which it is not lowered any more.
    """

    divisor: float = 5.0
    floor: float = 1e-6

    def __post_init__(self) -> None:
        if not self.divisor > 1:
            raise InputError(f"divisor is {self.divisor}: it must be above 1")

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return 1 for each batch: what was divided so far is part of the training's state."""
        return np.ones(len(batches))


@known_arguments
@dataclass(frozen=True)
class OnPlateau:
    """η times `factor` after more than `patience` epochs in a row that improve by less than `tol`.

    Parameters
    ----------
    factor : float, default 0.1
        What η is multiplied by, 0 ≤ factor < 1.
    patience : int, default 10
        How many epochs in a row may fail to improve.
    tol : float, default 1e-4
        The least improvement over the lowest measure so far that counts.
    floor : float, default 0
        The lowest learning rate.
    on : str, default "cost"
        What has to improve: "cost", or "validation_cost" or "validation_score", which need validation data;
        or a metric of `train(metrics=…)`, by its name, of which more is better.
    """

    factor: float = 0.1
    patience: int = 10
    tol: float = 1e-4
    floor: float = 0.0
    on: str = "cost"

    def __post_init__(self) -> None:
        _check_share("factor", self.factor)
        if self.patience < 0:
            raise InputError(f"patience is {self.patience}: it must be at least 0")
        check_measure("on_plateau", self.on)

    def factors(self, batches: Array, clock: Clock) -> Array:
        """Return 1 for each batch: what is left of η is part of the training's state."""
        return np.ones(len(batches))


SCHEDULES: dict[str, Any] = {
    "constant": Constant,
    "inverse_scaling": InverseScaling,
    "step": Step,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "adaptive": Adaptive,
    "on_plateau": OnPlateau,
}


# Those whose factors are 1: what changes η, if anything does, is how an epoch ended.
CHANGED_BY_EPOCHS = (Constant, Adaptive, OnPlateau)


def check_measure(what: str, on: Any) -> None:
    """Raise `InputError` for a rule that goes by no name; which names there are, the training knows."""
    if not isinstance(on, str) or not on:
        raise InputError(
            f"{what} on {on!r}: use 'cost', 'validation_cost', 'validation_score' or the name of a metric"
        )


def find_schedule(given: Any) -> Schedule:
    """Look a schedule up by name, with its default settings; a schedule is returned as it is."""
    if isinstance(given, str):
        if given in SCHEDULES:
            return SCHEDULES[given]()
        raise InputError(f"unknown schedule {given!r}: {nearest(given, SCHEDULES)}")
    if callable(getattr(given, "factors", None)) and not isinstance(given, type):
        return given
    raise InputError(
        f"a schedule is a name or one such as Cosine(), not {given!r}: {nearest(given, SCHEDULES)}"
    )


def _check_share(name: str, value: float) -> None:
    if not (0 <= value < 1 and math.isfinite(value)):
        raise InputError(f"{name} is {value}: it must be at least 0 and below 1")
