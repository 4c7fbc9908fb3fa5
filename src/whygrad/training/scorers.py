"""scikit-learn's scorers on a network in training: what it looks like as an estimator, and who measures it.

This module imports scikit-learn, and is itself imported where metrics are asked for.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer
from sklearn.utils.metaestimators import available_if

from whygrad.engines.prediction import outputs
from whygrad.errors import InputError, warn
from whygrad.hints import called_here
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.nn.metrics import class_probabilities
from whygrad.nn.network import Network, Parameters
from whygrad.training.epochs import MEASURES
from whygrad.training.metrics import ON_TRAINING, Metric, Metrics, Targets, targets_again

PROBABILITIES = ("y_score", "y_prob", "y_proba")  # what a metric function calls them


# ── a network as an estimator ────────────────────────────────────────────────────────────────────────


def _gives_probabilities(estimator: Any) -> bool:
    return estimator.net.f[-1].range in ("unit", "simplex")


class _AsEstimator(BaseEstimator):  # type: ignore[misc]
    """A network with the parameters of one moment, as a fitted estimator; it computes its outputs once."""

    def __init__(self, net: Network, theta: Parameters, targets: Targets) -> None:
        self.net, self.theta, self.targets = net, theta, targets
        self._known: tuple[Any, Array] | None = None

    def _outputs(self, X: Any) -> Array:
        if self._known is None or self._known[0] is not X:
            self._known = X, outputs(self.net, self.theta, X)
        return self._known[1]

    def predict(self, X: Any) -> Array:
        return self.targets.decode(self._outputs(X))


class _Regressor(RegressorMixin, _AsEstimator):  # type: ignore[misc]
    pass


class _Classifier(ClassifierMixin, _AsEstimator):  # type: ignore[misc]
    @property
    def classes_(self) -> Array:
        classes = self.targets.classes
        return np.arange(self.net.sizes[-1]) if classes is None else classes

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        softmax = self.net.f[-1].range == "simplex"
        return class_probabilities(self._outputs(X), not self.targets.several and not softmax)


def measuring(metrics: Metrics, net: Network, data: Data, validation: Data | None) -> "Scoring":
    """Return what measures the parameters of a network on these examples.

    Raises
    ------
    InputError
        Where a metric needs validation data and there are none.
    """
    if metrics.on_validation and validation is None:
        first = metrics.on_validation[0]
        raise InputError(
            f"metric {first!r} is measured on validation rows, and there are none: give some "
            "(validation=(X, Y) of train; X_val, y_val or early_stopping=True of an estimator; "
            f"--validation 0.2 of the command line), or measure the training rows, {ON_TRAINING + first!r}"
        )
    return Scoring(metrics, net, data, validation)


class Scoring:
    """What measures a network at the end of an epoch: all metrics, each on its rows."""

    def __init__(self, metrics: Metrics, net: Network, data: Data, validation: Data | None) -> None:
        self._metrics, self._net, self._targets = metrics.metrics, net, metrics.targets
        classes = self._targets.classes is not None or self._targets.several
        self._kind = _Classifier if classes else _Regressor
        training = any(one.name.startswith(ON_TRAINING) for one in metrics.metrics)
        parts = {True: data if training else None, False: validation}
        self._rows = {
            on: (part.X, self._targets.decode(part.Y))
            for on, part in parts.items()
            if part is not None
        }
        self._failed: set[str] = set()

    def __call__(self, theta: Parameters) -> dict[str, float]:
        """Return the metrics of the parameters; NaN, with one warning each, for those that fail."""
        found = {}
        estimator = self._kind(self._net, theta, self._targets)
        for metric in sorted(self._metrics, key=lambda one: one.name.startswith(ON_TRAINING)):
            try:
                found[metric.name] = self._measured(metric, estimator)
            except Exception as error:
                found[metric.name] = math.nan
                if metric.name not in self._failed:
                    warn(f"metric {metric.name!r} could not be measured and is NaN: {_said(error)}")
                self._failed.add(metric.name)
        return {metric.name: found[metric.name] for metric in self._metrics}

    def check(self, theta: Parameters) -> None:
        """Raise `InputError` for a metric that cannot be measured on these rows."""
        estimator = self._kind(self._net, theta, self._targets)
        for metric in self._metrics:
            try:
                self._measured(metric, estimator)
            except Exception as error:
                which = "training" if metric.name.startswith(ON_TRAINING) else "validation"
                kin = [name for name in get_scorer_names() if name.startswith(f"{metric.source}_")]
                also = f" (there are also {', '.join(kin)})" if kin else ""
                raise InputError(
                    f"metric {metric.name!r} cannot be measured on the {which} rows: {_said(error)}{also}"
                ) from error

    def _measured(self, metric: Metric, estimator: Any) -> float:
        X, y = self._rows[metric.name.startswith(ON_TRAINING)]
        value = metric.scorer(estimator, X, y)
        if np.ndim(value) != 0:
            raise InputError(f"it gives {np.size(value)} numbers, where one is to be measured")
        return float(value)


def _said(error: Exception) -> str:
    said = " ".join(str(error).split())
    if isinstance(error, AttributeError) and "predict_proba" in said:
        return "it takes probabilities, and the outputs are none: end in sigmoid or softmax"
    return f"{said:.300}" if said else type(error).__name__


# ── which metrics ────────────────────────────────────────────────────────────────────────────────────


def find_metrics(given: Any) -> tuple[Metric, ...]:
    """Return the metrics that are asked for.

    Parameters
    ----------
    given : str, callable, list of these, or dict of names to these
        Names as `sklearn.metrics.get_scorer` knows them; scorers, called with (estimator, X, y); metric
        functions, called with (y_true, y_pred). "training_" before a name means the training rows.

    Returns
    -------
    tuple of Metric
        In the order given.

    Raises
    ------
    InputError
        For an unknown name, what cannot be called, and a name that is there twice.
    """
    if isinstance(given, Mapping):
        named = list(given.items())
    else:
        listed = given if isinstance(given, list | tuple) else [given]
        named = [(name_of(one), one) for one in listed]
    found = tuple(metric_of(name, one) for name, one in named)
    names = [metric.name for metric in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"metrics has {name!r} twice: give them names, metrics={{'name': metric, …}}"
            )
    return found


def metrics_again(about: Mapping[str, Any], own: Sequence[Any]) -> tuple[Metrics, list[str]]:
    """Return the metrics that `Metrics.to_dict` wrote, and the names of those that are missing in `own`."""
    theirs = {name_of(one): one for one in own if callable(one)}
    found, missing = [], []
    for name, source in about["scorers"].items():
        if name not in about["own"]:
            found.append(metric_of(name, source))
        elif source in theirs:
            found.append(metric_of(name, theirs[source]))
        else:
            missing.append(source)
    return Metrics(tuple(found), targets_again(about)), missing


def name_of(given: Any) -> str:
    """Return the name of a metric: a name itself, or that of a function, or of a scorer's function."""
    if isinstance(given, str):
        return given
    function = getattr(given, "_score_func", given)  # of a scorer made by `make_scorer`
    function = getattr(function, "func", function)  # of a partial one
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def metric_of(name: Any, given: Any) -> Metric:
    """Return the metric of a name; raises `InputError` for what is none."""
    if not isinstance(name, str) or not name or name in MEASURES:
        raise InputError(f"metrics cannot have the name {name!r}: every epoch has one already")
    if isinstance(given, str):
        known = get_scorer_names()
        plain = given.removeprefix(ON_TRAINING) if given == name else given
        if plain not in known:
            raise InputError(f"unknown metric {given!r}: {_nearest(plain, known)}")
        return Metric(name, get_scorer(plain), plain)
    if not callable(given):
        raise InputError(
            f"a metric is a name, a scorer(estimator, X, y) or a function of (y_true, y_pred), not "
            f"{type(given).__name__}"
        )
    scorer, less_is_better = _scorer(given)
    return Metric(name, scorer, name_of(given), True, less_is_better)


def _nearest(name: str, known: list[str]) -> str:
    ours = called_here(name, known)
    close = [ours] if ours else [one for one in known if name_of(get_scorer(one)) == name][:3]
    close = close or [one for one in known if name in one][:3]
    close = close or get_close_matches(name, known, n=3, cutoff=0.5)
    asked = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{asked}sklearn.metrics.get_scorer_names() lists all"


def _scorer(given: Callable[..., Any]) -> tuple[Callable[..., float], bool]:
    """Return a scorer, and whether less of it is better: given as such, or made of a metric function."""
    if hasattr(given, "_score_func"):
        return given, False
    if not _is_metric_function(given):
        return given, False
    asked, sign = _known_functions().get(given, (None, 1))
    if asked is None:
        second = list(inspect.signature(given).parameters)[1]
        asked = "predict_proba" if second in PROBABILITIES else "predict"
    return make_scorer(given, response_method=asked), sign < 0


def _is_metric_function(given: Callable[..., Any]) -> bool:
    """Return whether it takes (y_true, y_pred); a scorer needs three arguments."""
    try:
        parameters = inspect.signature(given).parameters.values()
    except (TypeError, ValueError):
        return False
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in parameters if one.default is one.empty and one.kind in places]
    return len(needed) <= 2


@cache
def _known_functions() -> dict[Any, tuple[Any, int]]:
    """Return what scikit-learn's own scorers ask of an estimator for a metric function, and its sign."""
    found: dict[Any, tuple[Any, int]] = {}
    for name in get_scorer_names():
        scorer = get_scorer(name)
        if hasattr(scorer, "_score_func") and not scorer._kwargs:
            found.setdefault(scorer._score_func, (scorer._response_method, scorer._sign))
    return found
