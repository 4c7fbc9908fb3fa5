"""Fitted estimators → what `pipeline.deploy` exports: their network, and what its outputs mean."""

import warnings
from typing import Any

import numpy as np

from whygrad.estimators.attributes import check_fitted
from whygrad.fitted import Fitted
from whygrad.nn.arrays import dense
from whygrad.pipeline.deploy import (
    Deployable,
    Proof,
    Result,
    as_labels,
    inputs_or_drawn,
    of_network,
    of_table,
    proof_of_table,
)


def deployable_of(estimator: Any) -> Deployable:
    """Return what a fitted estimator is exported from."""
    if hasattr(estimator, "encoding_"):  # a tabular one
        return of_table(estimator.ensemble_, estimator.encoding_)
    check_fitted(estimator)
    return of_network(Fitted(estimator.net_, estimator.theta_), _result(estimator))


def _result(estimator: Any) -> Result:
    if not hasattr(estimator, "classes_"):
        return Result("numbers")
    shares = hasattr(estimator, "predict_proba")
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        return Result("several", shares=shares)
    several = estimator.n_outputs_ > 1
    divided = shares and several and estimator.out_activation_ != "softmax"
    return Result("classes", as_labels(estimator.classes_), shares=shares, divided=divided)


def proof_of(estimator: Any, given: Deployable, X: Any) -> Proof:
    """Return rows and what the estimator predicts for them; rows are drawn where X is None."""
    if hasattr(estimator, "encoding_"):
        table = None if X is None else estimator._table(X)
        return proof_of_table(given, estimator.ensemble_, estimator.encoding_, table, "rows given")
    if X is not None:
        X = dense(estimator._inputs(X))
    X, what = inputs_or_drawn(given, X, "rows given")
    with warnings.catch_warnings():  # rows without the names of their columns are ours
        warnings.simplefilter("ignore", UserWarning)
        labels = estimator.predict(X) if hasattr(estimator, "classes_") else None
        shares = given.result.shares and labels is not None
        values = estimator.predict_proba(X) if shares else estimator._outputs(X)
    return Proof({"X": X}, np.asarray(values), labels, what)
