"""Fitted MLPs of scikit-learn, and whygrad's own, → `Model`: alone, in a pipeline, or the best of a search.

Those of scikit-learn are compared with their own predictions at the door.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from whygrad.estimators.why import why_of_estimator
from whygrad.interop.door import Original, checked, rows_at_the_door
from whygrad.interop.model import Model
from whygrad.nn import Array


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
        For an estimator that is no multi-layer perceptron, and where its outputs are others than read.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> mlp = MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", alpha=1.0, random_state=0)
    >>> model_of_estimator(mlp.fit([[0.0], [1.0]], [0.0, 1.0])).source
    "scikit-learn's MLPRegressor"
    """
    model = getattr(model, "best_estimator_", model)
    why = why_of_estimator(model)
    mlp = _last(model)
    whose = "whygrad's" if hasattr(mlp, "net_") else "scikit-learn's"
    found = Model(why, source or f"{whose} {_called(model, mlp)}", _original(model, mlp, why))
    if hasattr(mlp, "net_"):  # there is no other way to its outputs
        return replace(found, original=None)
    alone = why_of_estimator(mlp)
    note = checked(alone, _original(mlp, mlp, alone), rows_at_the_door(mlp.n_features_in_))
    return replace(found, seen=(note,))


def _last(model: Any) -> Any:
    while isinstance(model, Pipeline):
        model = model[-1]
    return model


def _called(model: Any, mlp: Any) -> str:
    name = type(mlp).__name__
    return name if mlp is model else f"{name} in a {type(model).__name__}"


def _original(model: Any, mlp: Any, why: Any) -> Original:
    """Return the estimator's own prediction; of two classes the probability of the second."""
    ask = model.predict_proba if is_classifier(mlp) else model.predict
    return Original(
        f"scikit-learn's {type(mlp).__name__}", partial(_outputs, ask, why.net.sizes[-1])
    )


def _outputs(ask: Callable[[Any], Array], n_L: int, X: Any) -> Array:
    with warnings.catch_warnings():  # rows at the door have no names of columns
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        found = ask(X)
    return np.asarray(found, np.float64).reshape(len(found), -1)[:, -n_L:]
