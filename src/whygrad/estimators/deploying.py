"""Fitted estimators → what `pipeline.deploy` exports: their network, and what its outputs mean."""

import warnings
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from sklearn.preprocessing import StandardScaler

from whygrad.errors import InputError
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
    """Return what a fitted estimator is exported from, also one within a `TransformedTargetRegressor`."""
    if hasattr(estimator, "transformer_"):
        return _transformed(deployable_of(estimator.regressor_), estimator.transformer_)
    if hasattr(estimator, "encoding_"):  # a tabular one
        return of_table(estimator.ensemble_, estimator.encoding_)
    check_fitted(estimator)
    return of_network(Fitted(estimator.net_, estimator.theta_), _result(estimator))


# What undoes the logarithms that may have been taken of a target.
INVERSES: dict[Any, Literal["exp", "expm1"]] = {np.exp: "exp", np.expm1: "expm1"}


def _transformed(given: Deployable, transformer: Any) -> Deployable:
    """Return what a regressor of a transformed target is exported from: z-scores and logarithms of it."""
    known, inverse = given.result, getattr(transformer, "inverse_func", None)
    if known.kind not in ("number", "numbers") or given.n_L > 1:
        raise InputError("a TransformedTargetRegressor is exported of one number alone")
    if inverse in INVERSES:
        return replace(given, result=replace(known, kind="number", inverse=INVERSES[inverse]))
    if isinstance(transformer, StandardScaler):
        by = 1.0 if transformer.scale_ is None else float(transformer.scale_[0])
        plus = 0.0 if transformer.mean_ is None else float(transformer.mean_[0])
        center, scale = known.center * by + plus, known.scale * by
        return replace(given, result=replace(known, kind="number", center=center, scale=scale))
    raise InputError(
        f"a target transformed by {type(transformer).__name__} cannot be exported: take StandardScaler(), "
        "func=np.log and inverse_func=np.exp, or log1p and expm1; or export its regressor_ and transform "
        "what that predicts"
    )


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
    if hasattr(estimator, "transformer_"):
        proof = proof_of(estimator.regressor_, given, X)
        return replace(proof, values=estimator.transformer_.inverse_transform(proof.values))
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
