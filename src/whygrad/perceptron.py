"""What the two estimators share: scikit-learn's parameters, the fit, and the attributes after it.

`estimator_plan` says what the parameters mean; here is the order of events: check the data, draw a start
or go on from the last state, hold examples out, run the plan, and set what a fitted estimator shows.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from whygrad.engines import choose
from whygrad.epochs import History, final
from whygrad.estimator_plan import (
    Draws,
    carry_on,
    check_offered,
    draw,
    network,
    plan_of,
    printer,
    split,
)
from whygrad.functions import Activation, Array
from whygrad.measuring import outputs
from whygrad.network import Network, Parameters
from whygrad.plan import Plan, State, as_data, start
from whygrad.training import ALL_DONE, INTERRUPTED, run


class Views(list[Any]):
    """A list of arrays in which an assignment writes into the array that is there."""

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            for place, array in zip(range(len(self))[index], value, strict=True):
                self[place][...] = array
        else:
            self[index][...] = value


def trains_in_steps(estimator: Any) -> bool:
    """Let `partial_fit` be there for the solvers that make steps."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is there for the solvers 'sgd' and 'adam', not for 'lbfgs'"
        )
    return True


class Perceptron(BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron but for its targets: `_arrays` and `predict` are the estimators' own."""

    net_: Network
    theta_: Parameters
    history_: History
    out_activation_: str
    _plan: Plan
    _state: State
    _draws: Draws

    _parameter_constraints: dict[str, Any] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, Activation],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "engine": [str],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str | Activation = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        engine: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.engine = engine

    @property
    def coefs_(self) -> list[Array]:
        """The weight matrices as scikit-learn has them, W[l].T: views, writing to them changes θ."""
        check_is_fitted(self)
        return Views(W.T for W in self.theta_.W[1:])

    @coefs_.setter
    def coefs_(self, arrays: Sequence[Any]) -> None:
        self.coefs_[:] = arrays

    @property
    def intercepts_(self) -> list[Array]:
        """The biases b[l], views like `coefs_`."""
        check_is_fitted(self)
        return Views(self.theta_.b[1:])

    @intercepts_.setter
    def intercepts_(self, arrays: Sequence[Any]) -> None:
        self.intercepts_[:] = arrays

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train until `max_iter` epochs are over or the stopping rule ends it.

        Parameters
        ----------
        X : inputs, (n, n_features), dense or sparse; a sparse X is made dense first.
        y : classes or numbers, (n,), or (n, n_outputs).
        sample_weight : how much each example counts, (n,).
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Any:
        check_offered(self, incremental)
        goes_on = hasattr(self, "theta_") and (self.warm_start or incremental)
        X, Y = self._arrays(X, y, incremental, goes_on)
        s = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        net = network(self, X.shape[1], Y.shape[1], self.out_activation_)
        if goes_on:
            theta, draws = self.theta_, self._draws
        else:
            theta, draws = draw(net, check_random_state(self.random_state))
        dtype = (theta.flat if goes_on else X).dtype.name
        held_out = None
        if self.early_stopping:
            rows, kept = split(self, len(X), self._strata(Y), draws)
            held_out = as_data(net, X[kept], Y[kept], None if s is None else s[kept], dtype)
            X, Y, s = X[rows], Y[rows], None if s is None else s[rows]
        data = as_data(net, X, Y, s, dtype)
        plan = plan_of(self, net, len(X), draws.seed, dtype)
        state = carry_on(self._state, self._plan, plan) if goes_on else start(plan, theta)
        plan = replace(plan, epochs=state.epoch + (1 if incremental else self.max_iter))
        observers = [printer(state)] if self.verbose else []
        state, history = run(plan, state, data, held_out, choose(self.engine, plan), observers)
        self._plan, self._state, self._draws = plan, state, draws
        self._conclude(history, goes_on)
        if state.stopped == ALL_DONE and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if state.stopped == INTERRUPTED:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        return self

    def _conclude(self, history: History, goes_on: bool) -> None:
        """Set what a fitted estimator shows."""
        plan, state = self._plan, self._state
        earlier = self.history_.epochs if goes_on else ()
        self.net_ = plan.net
        self.theta_ = Parameters(plan.net.sizes, final(plan, state))
        self.history_ = History(earlier + history.epochs, history.stopped)
        self.n_layers_ = len(plan.net.sizes)
        self.n_outputs_ = plan.net.sizes[-1]
        self.n_iter_ = len(history.epochs)
        self.t_ = state.seen
        self.loss_curve_ = self.history_.cost
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.inf
        scores = [score for score in self.history_.held_out_score if score is not None]
        self.best_loss_ = None if self.early_stopping else state.best
        self.validation_scores_ = scores if self.early_stopping else None
        self.best_validation_score_ = -state.best if self.early_stopping else None

    def _outputs(self, X: Any) -> Array:
        """Give a[L] for X, (n, n_outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return outputs(self.net_, self.theta_, _dense(X))

    def _arrays(self, X: Any, y: Any, incremental: bool, goes_on: bool) -> tuple[Array, Array]:
        """Check X and y, and give them as dense arrays, (n, n_0) and (n, n_L)."""
        raise NotImplementedError

    def _strata(self, Y: Array) -> Array | None:
        """Give the classes that held-out examples are drawn from in proportion; None: from all alike."""
        return None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "theta_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def validated(p: Any, X: Any, y: Any, goes_on: bool, **options: Any) -> tuple[Array, Any]:
    """Let scikit-learn check X and y; a sparse X becomes dense."""
    X, y = validate_data(
        p,
        X,
        y,
        accept_sparse=["csr", "csc"],
        multi_output=True,
        dtype=(np.float64, np.float32),
        reset=not goes_on,
        **options,
    )
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return _dense(X), y


def _dense(X: Any) -> Array:
    dense: Array = X.toarray() if issparse(X) else X
    return dense
