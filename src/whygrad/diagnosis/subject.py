"""What is diagnosed → the training that led to it: network, rows, start, options.

Network      with the rows and options that `train` would be given
Model        the same, of what `explain` read: its rows and labels as the original takes them
Run          what it recorded
estimator    whygrad's or scikit-learn's MLP, with the rows it was fitted to: it is trained again
tabular      one of its members, by its recipe
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import numpy as np

from whygrad.answers.names import Names
from whygrad.errors import InputError, refuse_unknown
from whygrad.fitted import Ensemble, Fitted
from whygrad.interop import Model, explain
from whygrad.nn import Array, Network, Parameters, dense
from whygrad.nn.arrays import as_targets
from whygrad.pipeline.members import plan_of
from whygrad.plan import Plan
from whygrad.train import train

NOT_OF_A_TRAINING = (
    "progress",
    "record",
    "callbacks",
    "overwrite",
    "copy_data",
    "layer_statistics",
    "seconds",
)


@dataclass(frozen=True, eq=False)
class Subject:
    """A training from its start.

    Parameters
    ----------
    net : Network
        The network.
    X, Y : ndarray
        The training rows, (n, n_0) and (n, K).
    validation : (X, Y) or None
        Rows that were measured.
    theta : Parameters or None
        What it starts from, where that is not drawn from the seed.
    seed : int
        The seed of the training.
    sample_weight : ndarray or None
        How much each row counts, (n,).
    options : mapping
        The other arguments of `train`.
    names : Names
        What inputs, outputs and classes are called.
    """

    net: Network
    X: Array
    Y: Array
    validation: tuple[Array, Array] | None
    theta: Parameters | None
    seed: int
    sample_weight: Array | None
    options: Mapping[str, Any]
    names: Names = Names()


def subject_of(given: Any, X: Any, Y: Any, options: Mapping[str, Any]) -> Subject:
    """Return the training that a network, run or estimator speaks of; see `diagnose`."""
    libraries = {kind.__module__.partition(".")[0] for kind in type(given).__mro__}
    if isinstance(given, Network):
        if X is None or Y is None:
            raise InputError("a network is diagnosed with its data: give X and Y")
        return _of_network(given, rows_of_numbers(X, "X"), Y, options)
    if hasattr(given, "recipe_"):
        return _of_tabular(given, X, Y, options)
    if isinstance(given, Ensemble):
        given = given.members[0]  # one training, and not all networks joined
    of_one = "sklearn" in libraries and not hasattr(given, "hidden_layer_sizes")
    if of_one or isinstance(given, Fitted):  # a pipeline, a search, a tabular estimator
        given = explain(given)
    if isinstance(given, Model):
        if given.why.run is not None and X is None and Y is None:
            return subject_of(given.why.run, X, Y, options)
        if X is None or Y is None:
            raise InputError("a Model keeps no data: give the X and y that it was trained on")
        rows = given.why.examples(X, Y)
        if rows.sample_weight is not None:
            options = {"sample_weight": rows.sample_weight, **options}
        if given.why.optimizer is not None:
            options = {"optimizer": given.why.optimizer, **options}
        net = given.why.members[0][0] if given.why.members else given.why.net
        found = _of_network(net, as_rows(rows.X), rows.Y, options)
        return replace(found, names=given.why.names)
    _refuse_options(given, options)
    if "sklearn" in libraries:
        _refuse_no_rows(X, Y)
        return _of_estimator(given, X, Y)
    if hasattr(given, "first_plan"):
        if X is not None or Y is not None:
            raise InputError("a run has its own data: give neither X nor Y")
        return _of_run(given)
    raise InputError(
        f"no {type(given).__name__} can be diagnosed: give a Network, a Description, a run that open_run "
        "opened, a fitted estimator of whygrad or MLP of scikit-learn, or what explain gives"
    )


def rows_of_numbers(given: Any, name: str) -> Array:
    """Return rows as an array (n, columns) of float64."""
    try:
        A = np.asarray(dense(given), dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is no table of numbers: {error}") from None
    if A.ndim == 0 or not len(A):
        raise InputError(f"{name} has the shape {A.shape}: give rows of numbers")
    return A.reshape(len(A), -1)


def _of_network(net: Network, X: Array, Y: Any, options: Mapping[str, Any]) -> Subject:
    refuse_unknown(train, [name for name in options if name not in signature(train).parameters])
    options = dict(options)
    Y = _targets(net, Y, len(X), "Y")
    validation = options.pop("validation", None)
    if validation is not None:
        if not (isinstance(validation, tuple | list) and len(validation) == 2):
            raise InputError("validation is a pair of inputs and targets: (X, Y)")
        XV = rows_of_numbers(validation[0], "validation")
        YV = _targets(net, validation[1], len(XV), "validation")
        if YV.shape[1:] != Y.shape[1:]:
            raise InputError(
                f"the targets of validation have {YV.shape[1]} columns, and Y has {Y.shape[1]}"
            )
        if XV.shape[1] != X.shape[1]:
            raise InputError(
                f"the inputs of validation have {XV.shape[1]} columns, and X has {X.shape[1]}"
            )
        validation = XV, YV
    theta, seed = options.pop("theta", None), options.pop("seed", 0)
    weights = options.pop("sample_weight", None)
    weights = None if weights is None else np.asarray(weights, dtype=float)
    kept = {name: value for name, value in options.items() if name not in NOT_OF_A_TRAINING}
    return Subject(net, X, Y, validation, theta, seed, weights, kept)


def _targets(net: Network, given: Any, n: int, name: str) -> Array:
    """Return targets (n, K) as `train` reads them, class numbers among them.

    What `train` refuses stays as it came: a diagnosis says what is wrong with it.
    """
    try:
        return as_rows(as_targets(net, given, n))
    except InputError:
        return rows_of_numbers(given, name)


def _of_run(run: Any) -> Subject:
    data, validation, plan = run.data, run.validation, run.first_plan
    measured = None if validation is None else (as_rows(validation.X), as_rows(validation.Y))
    start = run.state(run.start).theta
    return Subject(
        run.net,
        as_rows(data.X),
        as_rows(data.Y),
        measured,
        Parameters(run.net.sizes, np.array(start)),
        plan.seed,
        data.sample_weight,
        options_of(plan) | _metrics_of(run),
        run.why.names,
    )


def _metrics_of(run: Any) -> dict[str, Any]:
    """Return the metrics that a rule of a run goes by, as `train` takes them."""
    if not run.goes_by_metrics:
        return {}
    return {"metrics": {metric.name: metric.scorer for metric in run.metrics.metrics}}


def _of_tabular(model: Any, X: Any, Y: Any, options: Mapping[str, Any]) -> Subject:
    """Return the training of one member, by the recipe of them all."""
    _refuse_options(model, options)
    _refuse_no_rows(X, Y)
    why, net = model.why_, model.ensemble_.net
    rows = why.examples(X, Y)
    n = len(rows.X)
    seed = _seed_of(model)
    plan = plan_of(model.recipe_, net, n - round(n * model.recipe_.share), n, seed, "float32")
    found = _of_network(net, as_rows(rows.X), rows.Y, options_of(plan))
    return replace(found, sample_weight=rows.sample_weight, seed=seed, names=why.names)


def _refuse_options(given: Any, options: Mapping[str, Any]) -> None:
    if options:
        name = sorted(options)[0]
        raise InputError(f"{name} is for a network: a {type(given).__name__} has its own settings")


def _refuse_no_rows(X: Any, Y: Any) -> None:
    if X is None or Y is None:
        raise InputError("an estimator keeps no data: give the X and y that it was fitted to")


def _seed_of(model: Any) -> int:
    return model.random_state if isinstance(model.random_state, int) else 0


def _of_estimator(model: Any, X: Any, Y: Any) -> Subject:
    from whygrad.estimators import parameters
    from whygrad.estimators.mlp import MLPClassifier, MLPRegressor
    from whygrad.estimators.why import why_of_estimator

    why = why_of_estimator(model)
    rows = why.examples(X, Y)
    kind = MLPClassifier if hasattr(model, "classes_") else MLPRegressor
    own = model if hasattr(model, "net_") else kind(**model.get_params())
    seed = _seed_of(own)
    plan = parameters.plan_of(own, why.net, len(rows.X), seed, "float64")
    X, Y = as_rows(rows.X), as_rows(rows.Y)
    return Subject(why.net, X, Y, None, None, seed, None, options_of(plan), why.names)


def as_rows(given: Any) -> Array:
    """Return inputs or targets as the network takes them, dense, in float64."""
    A = np.asarray(dense(given), dtype=float)
    return A.reshape(len(A), -1)


def options_of(plan: Plan) -> dict[str, Any]:
    """Return the arguments of `train` that a plan describes."""
    names = (
        "optimizer", "epochs", "batch_size", "shuffle", "l1", "l2", "schedule", "stopping", "dtype", "clip",
        "label_smoothing", "cost_below", "rate_multipliers", "products",
    )  # fmt: skip
    return {name: getattr(plan, name) for name in names}
