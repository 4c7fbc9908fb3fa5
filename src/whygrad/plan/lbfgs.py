"""L-BFGS as data: how the cost of all the examples is minimised, in place of an optimizer's single steps.

`training.minimise` does it, with SciPy. Sources: Liu & Nocedal (1989); Byrd et al. (1995).
"""

import math
from dataclasses import dataclass

import numpy as np

from whygrad.errors import InputError, known_arguments
from whygrad.nn.functions import Array


@known_arguments
@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on all examples at once: an epoch is one iteration, and there is no learning rate.

    Parameters
    ----------
    tol : float
        Stop when no component of the gradient is further than this from 0.
    max_fun : int
        Stop after the iteration in which the cost has been computed more often than this.
    memory : int
        How many changes of θ and g to remember.
    flat : float
        Stop when an iteration lowers the cost C by a share of less than this of max(C, 1).

    Examples
    --------
    >>> from whygrad import Dense, Network, train
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = Network(2, [Dense(4, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> train(net, X, Y, optimizer=LBFGS(), seed=1).predict(X).round().ravel()
    array([0., 1., 1., 0.])
    """

    tol: float = 1e-4
    max_fun: int = 15000
    memory: int = 10
    flat: float = 2.220446049250313e-09  # SciPy's

    def __post_init__(self) -> None:
        for name, least in (("tol", 0), ("max_fun", 1), ("memory", 1), ("flat", 0)):
            value = getattr(self, name)
            if not (value >= least and math.isfinite(value)):
                raise InputError(
                    f"{name} is {value!r}: it must be a finite number of at least {least}"
                )

    @property
    def learning_rate(self) -> float:
        """Return 1: the line search decides on the length of a step."""
        return 1.0

    def init(self, theta: Array) -> Array:
        """Return an empty state: what L-BFGS remembers ends with the training."""
        return np.zeros((0, len(theta)), theta.dtype)


def by_steps(rule: object) -> bool:
    """Return whether an optimizer takes a step for every batch: all do but `LBFGS`."""
    return not isinstance(rule, LBFGS)
