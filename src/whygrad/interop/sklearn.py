"""Fitted MLPs of scikit-learn, and whygrad's own, → `Model`: alone, in a pipeline, or the best of a search.

Answers speak of the columns of the table that goes into a pipeline (`pipelines`). Networks of scikit-learn
are compared with their own predictions at the door.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from whygrad.answers.formatting import number
from whygrad.errors import InputError
from whygrad.estimators.why import rows_of, why_of_estimator
from whygrad.interop.columns import named, plain
from whygrad.interop.door import Original, checked, rows_at_the_door
from whygrad.interop.model import Model, best_of
from whygrad.interop.pipelines import columns_after
from whygrad.nn import Array
from whygrad.why.bound import Examples, Why


def model_of_estimator(model: Any, source: str | None = None) -> Model:
    """Return a fitted MLP, a pipeline that ends in one, or a search over them, to be asked why.

    Parameters
    ----------
    model : estimator
        Of scikit-learn or whygrad.
    source : str, optional
        What it was read from, where that is a file.

    Returns
    -------
    Model
        The network.

    Raises
    ------
    InputError
        For an estimator that is no multi-layer perceptron, for a step of a pipeline that cannot be
        followed, and where outputs are others than read.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> mlp = MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", alpha=1.0, random_state=0)
    >>> model_of_estimator(mlp.fit([[0.0], [1.0]], [0.0, 1.0])).source
    "scikit-learn's MLPRegressor"
    """
    model, mlp = best_of(model), _last(model)
    why = _why(model)
    ours = hasattr(mlp, "net_") or hasattr(mlp, "ensemble_")
    if source is None:
        inside = "" if mlp is model else f" in a {type(model).__name__}"
        source = f"{'whygrad' if ours else 'scikit-learn'}'s {type(mlp).__name__}{inside}"
    if ours:  # there is no other way to its outputs
        return Model(why, source)
    alone = why_of_estimator(mlp)
    note = checked(alone, _original(mlp, mlp), rows_at_the_door(mlp.n_features_in_))
    return Model(why, source, _original(model, mlp), (note,))


def _last(model: Any) -> Any:
    """Return the estimator at the end of a pipeline, within a search or a transformed target."""
    while True:
        if isinstance(model, Pipeline):
            model = model[-1]
        elif isinstance(model, TransformedTargetRegressor):
            check_is_fitted(model)
            model = model.regressor_
        elif (best := best_of(model)) is not model:
            model = best
        else:
            return model


def _why(model: Any) -> Why:
    model = best_of(model)
    if isinstance(model, Pipeline):
        return _of_pipeline(model)
    if isinstance(model, TransformedTargetRegressor):
        return _of_transformed_target(model)
    if hasattr(model, "ensemble_"):
        why: Why = model.why_
        return why
    return why_of_estimator(model)


def _of_pipeline(pipeline: Pipeline) -> Why:
    steps, last = pipeline[:-1], _why(pipeline[-1])
    if not len(steps):
        return last
    first = next((one for _, one in steps.steps if hasattr(one, "fit")), last)
    check_is_fitted(first)
    known = getattr(first, "feature_names_in_", None)
    n = getattr(first, "n_features_in_", None)
    before = plain(known if known is not None else [f"input {k}" for k in range(n or 0)])
    notes: list[str] = []
    columns = columns_after(steps, before, "", notes)
    names = last.names
    if len(columns) == last.net.sizes[0]:
        names = named(names, columns)
        if known is None and all(one.name == one.origin for one in columns):
            names = replace(names, inputs=())  # a frame that is asked about may have names

    def encode(X: Any, y: Any, sample_weight: Any) -> Examples:
        if X is None:
            raise InputError("an estimator keeps no data: give X, and y")
        rows = X if n is None else rows_of(X)  # a step that counts no columns takes texts
        return last.encode(steps.transform(rows), y, sample_weight)

    return replace(last, names=names, encode=encode, notes=(*last.notes, *notes))


def _of_transformed_target(model: Any) -> Why:
    """Return the questions about a regressor whose target is standardised, in units of the target."""
    last, by = _why(model.regressor_), model.transformer_
    kind = type(by).__name__
    if kind == "FunctionTransformer" and by.func is None and by.inverse_func is None:
        return last  # what a TransformedTargetRegressor has where nothing is given
    if kind not in TARGETS:
        raise InputError(
            f"a target transformed by a {kind} is not followed: known are {', '.join(TARGETS)}; or explain "
            "model.regressor_"
        )
    if last.net.sizes[-1] > 1:
        raise InputError(
            f"{last.net.sizes[-1]} targets transformed by a {kind} are not followed, one is: explain "
            "model.regressor_"
        )
    at_0, unit = (float(np.ravel(each)[0]) for each in TARGETS[kind](by))
    target = at_0, unit

    def encode(X: Any, y: Any, sample_weight: Any) -> Examples:
        if y is not None:
            y = by.transform(np.asarray(y, np.float64).reshape(-1, 1))
        return last.encode(X, y, sample_weight)

    one, zero = number(target[1]), number(target[0])
    said = f"The network gives the target standardised: 1 of it is {one}, 0 is {zero}."
    names = replace(last.names, target=target)
    return replace(last, names=names, encode=encode, scaled=said)


# What 0 of a transformed target stands for, and how much a unit of it is.
TARGETS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "StandardScaler": lambda by: (_or(by.mean_, 0.0), _or(by.scale_, 1.0)),
    "RobustScaler": lambda by: (_or(by.center_, 0.0), _or(by.scale_, 1.0)),
    "MinMaxScaler": lambda by: (-by.min_ / by.scale_, 1 / by.scale_),
    "MaxAbsScaler": lambda by: (0.0, by.scale_),
}


def _or(given: Any, default: float) -> Any:
    return default if given is None else given


def _original(model: Any, mlp: Any) -> Original:
    """Return the estimator's own prediction; of two classes the probability of the second."""
    ask = model.predict_proba if is_classifier(mlp) else model.predict
    n_L = mlp.n_outputs_
    return Original(f"scikit-learn's {type(mlp).__name__}", partial(_outputs, ask, n_L))


def _outputs(ask: Callable[[Any], Array], n_L: int, X: Any) -> Array:
    with warnings.catch_warnings():  # rows at the door have no names of columns
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        found = ask(rows_of(X))
    return np.asarray(found, np.float64).reshape(len(found), -1)[:, -n_L:]
