"""Removals that are trained again: how far what was computed of a training without examples can be trusted.

Random removals of a size are trained side by side; twice the root mean square of what they differ by from
what was computed is the ±. A size is trusted where they are in the order that was computed, and where units
with a kink do not change side too often. The bounds were set on trainings of tables that scikit-learn has
or draws (`benchmarks/verdict.py`); `benchmarks/influence.py` tries them on MNIST and California's houses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from whygrad.answers.names import Names
from whygrad.nn.arrays import dense
from whygrad.nn.backprop import forward
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters
from whygrad.training.again import leaving_out
from whygrad.why.training_history.trajectory import Trajectory

VERIFIED = 3  # of the strongest examples, whose true effect is shown beside what was computed
SHARES = (0.01, 0.1)  # of the examples: groups that are tried where single ones cannot be trusted
GROWTH = 7.0  # of a change at the start: beyond, every run that was measured was worthless
# After so many removals a size is trusted from the first order on, and given up below the second.
STAGES = ((8, 2.0, 0.6), (16, 0.95, 0.8), (24, 0.92, 0.92))
PROBES = STAGES[-1][0]
NEARLY = 0.8  # an order from which a size that is not trusted is said to be nearly so
TURNED = 0.03  # of the units that change side, beyond which hardly a removal came out as computed
ROWS = 1000  # of the training, at which units are looked at


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
    """Some removals of `size` examples each: the change of f that was computed, and the true one, (m,).

    `turned` is the share of units with a kink that are on its other side without them, over all rows.
    """

    size: int
    computed: Array
    true: Array
    turned: float = 0.0

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
    def settled(self) -> bool | None:
        """Whether so many removals show that the size can be trusted; None where more are needed."""
        trusted, given_up = next(bounds for m, *bounds in STAGES if m >= len(self.true))
        if self.turned > TURNED or self.order < given_up:
            return False
        return True if self.order >= trusted else None


def trained_without(
    trajectory: Trajectory, sets: Sequence[Array], rescale: bool = False
) -> list[Array]:
    """Return the parameters without each of some sets of examples, trained again side by side."""
    n = trajectory.plan.n
    return trajectory.again([leaving_out(n, one, rescale) for one in sets])


def changes_of(f: Asked, trajectory: Trajectory, thetas: Sequence[Array]) -> Array:
    """Return by how much f is another with each of some parameters."""
    return np.array([f.value(theta) for theta in thetas]) - f.value(trajectory.theta)


def turned(trajectory: Trajectory, thetas: Sequence[Array]) -> float:
    """Return the share of hidden units of linear pieces that change side with other parameters, by row."""
    net, X = trajectory.plan.net, dense(trajectory.data.X[:ROWS])
    kinked = [l for l in range(1, net.L) if net.f[l].linear and net.f[l].kinks]
    if not kinked or not len(thetas):
        return 0.0
    before, *others = (_sides(net, kinked, theta, X) for theta in (trajectory.theta, *thetas))
    return float(np.mean([(sides != before).mean() for sides in others]))


def _sides(net: Network, kinked: list[int], theta: Array, X: Array) -> Array:
    """Return, by row, which units of these layers are above their first kink."""
    z = forward(net, Parameters(net.sizes, theta), X.astype(theta.dtype)).z
    return np.concatenate([z[l] > net.f[l].kinks[0] for l in kinked], axis=1)


def drawn(counted: Array, size: int, seed: int) -> list[Array]:
    """Return `PROBES` random sets of so many examples, of those that count."""
    rng = np.random.default_rng([seed, size])
    return [rng.choice(counted, size, replace=False) for _ in range(PROBES)]


def sizes_of(n: int) -> list[int]:
    """Return the sizes of removals that are tried one after the other: one, and shares of n examples.

    >>> sizes_of(2000), sizes_of(150), sizes_of(20)
    ([1, 20, 200], [1, 2, 15], [1, 2])
    """
    return sorted({1, *(max(2, round(share * n)) for share in SHARES if share * n >= 1)})
