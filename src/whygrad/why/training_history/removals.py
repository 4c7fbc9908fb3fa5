"""Removals that are trained again: how far what was computed of a training without examples can be trusted.

Eight random removals of a size are trained side by side; twice the root mean square of what they differ by
from what was computed is the ±. A size is trusted where they are in the order that was computed. Both
bounds were set with the scores on MNIST and on California's houses in view (`benchmarks/influence.py`); no
data were kept apart to try them on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from whygrad.answers.names import Names
from whygrad.nn.functions import Array
from whygrad.training.again import leaving_out
from whygrad.why.training_history.trajectory import Trajectory

PROBES = 8
VERIFIED = 3  # of the strongest examples, whose true effect is shown beside what was computed
SHARES = (0.01, 0.1)  # of the examples: groups that are tried where single ones cannot be trusted
GROWTH = 7.0  # of a change at the start: beyond, every run that was measured was worthless
ORDER = 0.8  # how far eight removals have to go together with what was computed


class Asked(Protocol):
    """A number f of the parameters that is asked about."""

    def name(self, names: Names) -> str:
        """Return what it is called."""

    def scale(self, names: Names) -> float:
        """Return the size of one unit of f in the user's own units."""

    def written(self, value: float, names: Names) -> str:
        """Format it."""

    def value(self, theta: Array) -> float:
        """Return it at one vector of parameters."""

    def slope(self, theta: Array) -> Array:
        """Return its gradient there, (P,)."""


def rms(values: Array) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(values**2)))


@dataclass(frozen=True, eq=False)
class Removals:
    """Some removals of `size` examples each: the change of f that was computed, and the true one, (m,)."""

    size: int
    computed: Array
    true: Array

    @property
    def error(self) -> float:
        """Twice the root mean square of what they differ by."""
        return 2 * rms(self.computed - self.true)

    @property
    def order(self) -> float:
        """How far the two go together: the lower of their correlation and that of their ranks."""
        pair = np.array([self.computed, self.true])
        if (pair == pair[:, :1]).all(axis=1).any():
            return 0.0
        ranks = pair.argsort(axis=1).argsort(axis=1)
        return min(float(np.corrcoef(*each)[0, 1]) for each in (pair, ranks))

    @property
    def trusted(self) -> bool:
        """Whether they came out in the order that was computed."""
        return self.order >= ORDER


def trained_without(
    trajectory: Trajectory, f: Asked, sets: Sequence[Array], rescale: bool = False
) -> Array:
    """Return by how much f changes without each of some sets of examples, trained again side by side."""
    n = trajectory.plan.n
    thetas = trajectory.again([leaving_out(n, one, rescale) for one in sets])
    return np.array([f.value(theta) for theta in thetas]) - f.value(trajectory.theta)


def drawn(counted: Array, size: int, seed: int) -> list[Array]:
    """Return random sets of so many examples, of those that count."""
    rng = np.random.default_rng([seed, size])
    return [rng.choice(counted, size, replace=False) for _ in range(PROBES)]


def sizes_of(n: int) -> list[int]:
    """Return the sizes of removals that are tried one after the other: one, and shares of n examples.

    >>> sizes_of(2000), sizes_of(150), sizes_of(20)
    ([1, 20, 200], [1, 2, 15], [1, 2])
    """
    return sorted({1, *(max(2, round(share * n)) for share in SHARES if share * n >= 1)})
