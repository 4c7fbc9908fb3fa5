"""Metrics: scikit-learn's scorers, measured at the end of every epoch, beside cost and score.

    names, scorers, metric functions  →  `Metrics`  →  numbers by name, in `Epoch.metrics`

What they are; `scorers`, which imports scikit-learn where they are asked for, finds and measures them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters

ON_TRAINING = "training_"  # how the name of a metric begins that is measured on the training rows

# What is measured of the parameters at the end of an epoch.
Measure: TypeAlias = Callable[[Parameters], dict[str, float]]


@dataclass(frozen=True, eq=False)
class Targets:
    """What the targets of a network stand for: classes, several labels at once, or else numbers.

    Parameters
    ----------
    classes : array, optional
        The user's own labels: one for each output, two where there is one output; None for no classes.
    several : bool
        Whether each output is a label of its own, 0 or 1.
    center, scale : float
        Of numbers that were standardised: what an output of 0 stands for, and the size of a unit.
    """

    classes: Array | None = None
    several: bool = False
    center: float = 0.0
    scale: float = 1.0

    def decode(self, a: Array) -> Array:
        """Return outputs, or targets, (n, n_L), as the user has them: classes, labels or numbers."""
        if self.classes is not None:
            if a.shape[1] > 1:
                return self.classes.take(a.argmax(axis=1))
            return self.classes.take(a.ravel() > 0.5, mode="clip")  # which may be one class alone
        if self.several:
            a = (a > 0.5).astype(int)
        elif (self.center, self.scale) != (0, 1):
            a = a.astype(np.float64) * self.scale + self.center
        return a.ravel() if a.shape[1] == 1 else a


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric.

    Parameters
    ----------
    name : str
        What it is called in `Epoch.metrics`.
    scorer : callable
        A scorer as scikit-learn has them, `scorer(estimator, X, y)`.
    source : str
        scikit-learn's name of the scorer, or the name of the user's own function.
    own : bool
        Whether it is the user's own.
    less_is_better : bool
        Whether it is a metric function of scikit-learn's that measures a loss.
    """

    name: str
    scorer: Callable[..., float]
    source: str
    own: bool = False
    less_is_better: bool = False


@dataclass(frozen=True, eq=False)
class Metrics:
    """What a training measures at the end of each epoch, and what its targets stand for."""

    metrics: tuple[Metric, ...]
    targets: Targets

    @property
    def names(self) -> list[str]:
        """What they are called in `Epoch.metrics`."""
        return [metric.name for metric in self.metrics]

    def to_dict(self) -> dict[str, Any]:
        """Return it in the types of JSON; the user's own functions by name."""
        classes = self.targets.classes
        return {
            "scorers": {one.name: one.source for one in self.metrics},
            "own": [one.name for one in self.metrics if one.own],
            "classes": None if classes is None else classes.tolist(),
            "several": self.targets.several,
            "center": self.targets.center,
            "scale": self.targets.scale,
        }

    @property
    def on_validation(self) -> list[str]:
        """The names of those that are measured on validation rows."""
        return [name for name in self.names if not name.startswith(ON_TRAINING)]


def targets_of(net: Network, Y: Any = None) -> Targets:
    """Return what the targets of a network stand for, Y as a user gives them to `train`."""
    n_L, kind = net.sizes[-1], net.C.targets
    if n_L == 1:
        return Targets(np.arange(2)) if kind == "unit" else Targets()
    if kind == "distribution" or (Y is not None and np.ndim(Y) == 1):
        return Targets(np.arange(n_L))
    return Targets(several=kind == "unit")


def targets_again(about: Mapping[str, Any]) -> Targets:
    """Return the targets that `Metrics.to_dict` wrote."""
    classes = about["classes"]
    numbers = {name: about[name] for name in ("center", "scale") if name in about}
    return Targets(None if classes is None else np.array(classes), about["several"], **numbers)


def by_rows(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the names of metrics by what is measured, and of each by the rows it is measured on.

    >>> by_rows(["f1", "training_f1", "training_r2"])
    {'f1': {'validation': 'f1', 'training': 'training_f1'}, 'r2': {'training': 'training_r2'}}
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        rows = "training" if name.startswith(ON_TRAINING) else "validation"
        found.setdefault(name.removeprefix(ON_TRAINING), {})[rows] = name
    return found
