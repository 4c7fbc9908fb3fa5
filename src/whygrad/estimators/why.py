"""Fitted MLPs → `Why`: scikit-learn's own and whygrad's.

W[l] = coefs_[l-1].T, b[l] = intercepts_[l-1]; λ₂ = alpha / S of the examples asked about, as a training
step on just these has it. Rows are checked and classes looked up as by the estimator itself.
"""

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from whygrad.answers.names import Names
from whygrad.errors import InputError
from whygrad.estimators.parameters import HIDDEN
from whygrad.nn.arrays import Data, check_columns, one_hot
from whygrad.nn.functions import Array
from whygrad.nn.network import Dense, Network, Parameters
from whygrad.plan.plan import Penalty, smooth
from whygrad.why.bound import Examples, Why, as_class_indices

# scikit-learn's name of an output activation: ours, and the cost that belongs to it.
ENDINGS = {
    "softmax": ("softmax", "cross_entropy"),
    "logistic": ("sigmoid", "binary_cross_entropy"),
    "identity": ("identity", "squared_error"),
    "exp": ("exp", "poisson"),
}


def why_of_estimator(model: Any) -> Why:
    """Return all questions about a fitted MLP."""
    check_is_fitted(model)
    if hasattr(model, "net_"):
        plan, encode = model._plan, partial(_encode_own, model)
        return Why(
            model.net_, model.theta_, _names(model), encode, plan.l1, plan.l2, plan.n,
            products=plan.products,
        )  # fmt: skip
    if not hasattr(model, "coefs_") or not hasattr(model, "out_activation_"):
        raise InputError(
            f"a {type(model).__name__} is no multi-layer perceptron: give a fitted MLPClassifier or "
            "MLPRegressor, or a Pipeline that ends in one"
        )
    net, theta = _network_of(model)
    alpha = Penalty(float(model.alpha), per="example")
    return Why(net, theta, _names(model), partial(_encode, model), l2=alpha)


def _network_of(mlp: Any) -> tuple[Network, Parameters]:
    """Return network and parameters of scikit-learn's fitted MLP; the parameters are a copy."""
    f = HIDDEN[mlp.activation]
    output, cost = ENDINGS[mlp.out_activation_]
    *hidden, n_L = (W.shape[1] for W in mlp.coefs_)
    layers = (*(Dense(units, f) for units in hidden), Dense(n_L, output))
    net = Network(mlp.coefs_[0].shape[0], layers, cost)
    return net, net.init(W=[None, *(W.T for W in mlp.coefs_)], b=[None, *mlp.intercepts_])


def _names(model: Any) -> Names:
    """Return the names of columns and classes; a single sigmoid unit has that of the positive class."""
    known = getattr(model, "feature_names_in_", None)
    inputs = () if known is None else tuple(map(str, known))
    classes = tuple(str(label) for label in getattr(model, "classes_", ()))
    if model.n_outputs_ == 1 and classes:  # a lone class has no output that stands for it
        return Names(inputs, classes[1:], classes=classes if len(classes) == 2 else ())
    return Names(inputs, classes)


def _encode(model: Any, X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return rows, checked as by the estimator but for missing values, whose position `Why` reports."""
    if X is None:
        raise InputError("an estimator keeps no data: give X, and y")
    X = rows_of(X)
    options = {"accept_sparse": "csr", "dtype": (np.float64, np.float32)}
    if hasattr(model, "feature_names_in_") and hasattr(X, "columns"):
        X = validate_data(model, X, reset=False, ensure_all_finite=False, **options)
    else:  # there are no names to compare
        X = check_array(X, ensure_all_finite=False, **options)
    return Examples(X, None if y is None else _targets(model, y), sample_weight)


def _encode_own(model: Any, X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return rows as `_encode` does, with the class weights and label smoothing of whygrad's estimators."""
    X, Y, s = _encode(model, X, y, sample_weight)
    if Y is None:
        return Examples(X)
    s = model._weights(Y, s, X)
    return Examples(X, smooth(model._plan, Data(X, Y, s)).Y, s)


def _targets(model: Any, y: Any) -> Array:
    """Return y as (n, n_L): zeros and ones for classes, numbers as they are."""
    y, n_L = np.asarray(y), model.n_outputs_
    if y.ndim == 0:
        y = y.reshape(1)
    if y.ndim == 2 and y.shape[1] == 1 and n_L == 1:
        y = y[:, 0]
    if not is_classifier(model):
        return y.reshape(len(y), -1) if n_L == 1 or y.ndim == 2 else y.reshape(1, -1)
    if y.ndim == 2:
        return y.astype(np.float64)
    index = as_class_indices(y, model.classes_)
    return index[:, None].astype(np.float64) if n_L == 1 else one_hot(index, n_L)


def rows_of(X: Any) -> Any:
    """Return a single row, an array or the row of a frame, as a table of one row."""
    if getattr(X, "ndim", None) == 1 and hasattr(X, "to_frame"):
        X = X.to_frame().T.infer_objects()
    elif isinstance(X, list | tuple | np.ndarray) and np.ndim(X) == 1:
        X = np.asarray(X).reshape(1, -1)
    check_columns(X)
    return X
