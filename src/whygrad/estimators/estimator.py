"""What the two estimators share: scikit-learn's parameters, the fit, and the attributes after it.

`parameters` says what the parameters mean; here is the order of events (`Perceptron._fit`): check the data,
draw parameters or continue from the last state, set validation examples aside, run the plan, and set the
attributes of a fitted estimator.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Never, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, validate_data

from whygrad.engines import choose
from whygrad.engines.prediction import outputs
from whygrad.errors import ArgumentError, InputError, refuse_unknown
from whygrad.estimators.attributes import (
    check_fitted,
    check_settable,
    coefs,
    intercepts,
    start_by_hand,
    take_over,
    twin,
)
from whygrad.estimators.messages import Printer, warn
from whygrad.estimators.parameters import (
    SOLVERS,
    Seeds,
    check_offered,
    draw,
    network,
    optimizer,
    plan_of,
    split,
)
from whygrad.estimators.to_onnx import ToOnnx
from whygrad.nn.arrays import Data, as_data, check_columns, check_unmasked, dense
from whygrad.nn.backprop import forward
from whygrad.nn.functions import Activation, Array
from whygrad.nn.network import Network, Parameters
from whygrad.nn.products import PRODUCTS
from whygrad.plan.lbfgs import LBFGS, by_steps
from whygrad.plan.plan import Clip, Plan, State, of_gradients, start
from whygrad.training.callbacks import AnyCallback, Callback
from whygrad.training.divergence import DIVERGED, with_first_cost
from whygrad.training.epochs import History, final
from whygrad.training.loop import INTERRUPTED, Training, run
from whygrad.training.metrics import Metrics, Targets
from whygrad.training.minimise import ALL_DONE
from whygrad.training.warm_start import warm_start_from

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.why.bound import Why


F = TypeVar("F", bound=Callable[..., Any])


def keep(estimator: Any, given: dict[str, Any]) -> None:
    """Set the parameters that `__init__` was given, its local variables, as attributes."""
    for name, value in given.items():
        if name != "self":
            setattr(estimator, name, value)


def checks_parameters(method: F) -> F:
    """Decorate a fit such that scikit-learn checks the parameters before it; the method keeps its type."""
    return _fit_context(prefer_skip_nested_validation=True)(method)


def offered_if(check: Callable[[Any], bool]) -> Callable[[F], F]:
    """Decorate a method that is available only where `check` is true, as scikit-learn does."""
    return available_if(check)


def trains_in_steps(estimator: Any) -> bool:
    """Return True for the solvers that make steps, which alone have `partial_fit`."""
    if estimator.solver == "lbfgs" or not by_steps(estimator.solver):
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class Perceptron(ToOnnx, BaseEstimator):  # type: ignore[misc]
    """A multi-layer perceptron without its targets: `_arrays` and `predict` are the estimators' own."""

    # What a fit sets, for those who read it: the base class is without types.
    net_: Network
    theta_: Parameters
    history_: History
    out_activation_: str
    n_features_in_: int
    n_outputs_: int
    n_layers_: int
    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    _plan: Plan
    _state: State
    _seeds: Seeds

    _parameter_constraints: dict[str, Any] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, Activation, list, tuple],
        "solver": [StrOptions(set(SOLVERS)), HasMethods(["init", "coefficients", "update"]), LBFGS],
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
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "out_activation": [str, Activation],
        "schedule": [None, str, HasMethods("factors")],
        "clip": [None, Interval(Real, 0, None, closed="neither"), Clip],
        "callbacks": [None, list, tuple, callable, Callback],
        "layer_statistics": ["boolean"],
        "products": [None, StrOptions(set(PRODUCTS))],
        "metrics": [None, str, list, tuple, dict, callable],
        "loss": [str, HasMethods(["value", "derivative"])],
    }

    # What only whygrad has: also where a subclass sets all of scikit-learn's parameters by itself.
    engine: str = "auto"
    dropout: Any = 0.0
    out_activation: str | Activation = "auto"
    schedule: Any = None
    clip: float | Clip | None = None
    callbacks: Any = None
    layer_statistics: bool = False
    products: str | None = None
    metrics: Any = None
    # What only the classifier has a parameter for.
    class_weight: Any = None
    label_smoothing: float = 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        check_settable(self, name)
        super().__setattr__(name, value)

    @property
    def coefs_(self) -> list[Array]:
        """The weight matrices in scikit-learn's form, W[l].T, (n_{l-1}, n_l): views of θ.

        Writing to them changes θ. Set before a fit, they are where `partial_fit`, or `fit` with
        `warm_start=True`, begins.
        """
        return self._shown("_coefs", coefs)

    @coefs_.setter
    def coefs_(self, arrays: Sequence[Any]) -> None:
        self._set("_coefs", coefs, arrays)

    @property
    def intercepts_(self) -> list[Array]:
        """The biases b[l], views like `coefs_`."""
        return self._shown("_intercepts", intercepts)

    @intercepts_.setter
    def intercepts_(self, arrays: Sequence[Any]) -> None:
        self._set("_intercepts", intercepts, arrays)

    def _shown(self, by_hand: str, views: Any) -> list[Array]:
        """Return views of the parameters, or before a fit the arrays that were set by hand."""
        given: list[Array] | None = vars(self).get(by_hand)
        if given is None:
            check_fitted(self)
            given = views(self.theta_)
        return given

    def _set(self, by_hand: str, views: Any, arrays: Sequence[Any]) -> None:
        """Write into the parameters, or before a fit keep the arrays for it."""
        if self.__sklearn_is_fitted__():
            views(self.theta_)[:] = arrays
        else:
            setattr(self, by_hand, list(arrays))

    @property
    def why_(self) -> "Why":
        """All questions, in terms of columns and classes: `clf.why_.weight(X, y, layer=1, to=0, from_=2)`.

        Rows and labels are given as to `fit`. λ₂ is alpha divided by the weight of the examples asked
        about, as in a training step on just these; class weights and label smoothing are those of the fit.
        """
        check_fitted(self)
        from whygrad.estimators.why import why_of_estimator

        return why_of_estimator(self)

    def widget(self, X: Any, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click asks why, on rows X and labels y.

        Parameters
        ----------
        X, y : as in `fit`
            The examples that are asked about.

        Returns
        -------
        NetworkWidget
            See `Why.widget`.
        """
        return self.why_.widget(X, y)

    def activations(self, X: Any) -> list[Array]:
        """Return the activations of all layers for each row of X.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs.

        Returns
        -------
        list of arrays
            a[0], which is X, to a[L], (n, n_l) each.
        """
        X = self._inputs(X)
        return list(forward(self.net_, self.theta_, dense(X)).a)

    @checks_parameters
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        record: Any = None,
        copy_data: bool | None = None,
        overwrite: bool = False,
        **unknown: Never,
    ) -> Self:
        """Train until `max_iter` epochs are over or the stopping rule ends it.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs. A sparse X stays sparse.
        y : array-like, shape (n,) or (n, n_outputs)
            Classes, labels or numbers.
        sample_weight : array-like, shape (n,), optional
            How much each example counts.
        X_val, y_val, sample_weight_val : as X, y and sample_weight, optional
            Validation examples, measured after every epoch. With early stopping, none are then set aside:
            all of X is trained on.
        record : path, optional
            A folder to write, "NAME.run", from which `whygrad.open_run` replays, resumes and forks the
            training.
        copy_data : bool, optional
            Put the training and validation examples into that folder; by default where they are small.
            Otherwise they have to be given to `open_run` again.
        overwrite : bool, default False
            Replace the run that is there.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        InputError
            For data or parameters that make no sense, and for a cost that is not finite where training
            begins. The estimator is then as it was before.

        Warns
        -----
        ConvergenceWarning
            Where `max_iter` epochs did not suffice.
        DivergenceWarning
            Where the cost became infinite or NaN; the last finite parameters are kept.
        """
        kind = type(self).__name__
        for name in filter(self.get_params(deep=False).__contains__, unknown):
            raise ArgumentError(
                f"{name} is a parameter of {kind} itself: {kind}({name}=…).fit(X, y)"
            )
        refuse_unknown(Perceptron.fit, unknown)
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val belong together: give both or neither")
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, False, validation, record, copy_data, overwrite)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        validation: tuple[Any, Any, Any] | None = None,
        record: Any = None,
        copy_data: bool | None = None,
        overwrite: bool = False,
        classes: Any = None,
    ) -> Self:
        """Fit a twin of the estimator, then take over all that it learned: a fit is whole or not at all."""
        check_offered(self, incremental)
        warm = (self.warm_start or incremental) and self.__sklearn_is_fitted__()
        learner = twin(self, warm)
        learner._class_weight = self.class_weight
        X, Y = learner._arrays(X, y, incremental, warm, classes)
        examples = Data(X, Y, learner._weights(Y, sample_weight, X))
        net = network(self, X.shape[1], Y.shape[1], learner._default_output(Y))
        theta, seeds = self._start(net, incremental, warm)
        dtype = self._dtype(theta if warm else None, X)
        data, measured = learner._split(net, examples, validation, seeds, dtype)
        plan, state = self._plan_and_state(net, data, theta, seeds, dtype, incremental, warm)
        engine = choose(self.engine, of_gradients(plan))
        training = Training(
            plan,
            state,
            data,
            measured,
            engine,
            self.layer_statistics,
            learner._metrics(self.metrics),
        )
        observers = self._observers(state)
        if record is None:
            state, history = run(training, observers)
        else:
            from whygrad.record import record_run

            state, history = record_run(record, training, observers, None, copy_data, overwrite)
        if history.stopped == INTERRUPTED and one_of_many():
            raise KeyboardInterrupt
        learner._conclude(plan, state, seeds, history, warm)
        if not incremental or history.stopped != ALL_DONE:
            warn(history.stopped, plan.by_steps, learner.n_iter_, self.max_iter)
        take_over(self, learner)
        return self

    def _start(self, net: Network, incremental: bool, warm: bool) -> tuple[Parameters, Seeds]:
        """Return the parameters to start from: those of the last fit, set by hand, or drawn."""
        if warm:
            return self.theta_, self._seeds
        theta, seeds = draw(net, check_random_state(self.random_state))
        if self.warm_start or incremental:
            by_hand = start_by_hand(self, net, _sklearn_name(net))
            theta = theta if by_hand is None else by_hand
        return theta, seeds

    def _dtype(self, reached: Parameters | None, X: Any) -> str:
        """Return the dtype to train in: that of X, or of the parameters of the last fit."""
        if not by_steps(optimizer(self)):
            return "float64"
        return (X if reached is None else reached.flat).dtype.name

    def _split(
        self,
        net: Network,
        examples: Data,
        validation: tuple[Any, Any, Any] | None,
        seeds: Seeds,
        dtype: str,
    ) -> tuple[Data, Data | None]:
        """Return the examples to train on, and those to validate with: given, set aside, or none."""
        X, Y, s = examples.X, examples.Y, examples.sample_weight
        measured = None
        if validation is not None:
            X_val, Y_val = self._known(*validation[:2])
            s_val = self._weights(Y_val, validation[2], X_val)
            measured = as_data(net, X_val, Y_val, s_val, dtype)
        elif self.early_stopping and by_steps(optimizer(self)):
            rows, kept = split(self, X.shape[0], self._strata(Y), seeds)
            measured = as_data(net, X[kept], Y[kept], None if s is None else s[kept], dtype)
            X, Y, s = X[rows], Y[rows], None if s is None else s[rows]
        data = as_data(net, X, Y, s, dtype)
        return data, None if measured is None else self._as_scored(measured)

    def _plan_and_state(
        self,
        net: Network,
        data: Data,
        theta: Parameters,
        seeds: Seeds,
        dtype: str,
        incremental: bool,
        warm: bool,
    ) -> tuple[Plan, State]:
        """Return the plan of this fit, and the state that it begins in."""
        plan = plan_of(self, net, len(data.Y), seeds.seed, dtype)
        state = warm_start_from(self._reached(), self._plan, plan) if warm else start(plan, theta)
        plan = replace(plan, epochs=state.epoch + (1 if incremental else self.max_iter))
        state = with_first_cost(plan, state, data)
        if not math.isfinite(state.first_cost):
            raise InputError(
                "Solver produced non-finite parameter weights. The input data may contain large values and "
                "need to be preprocessed. (The cost is not finite where training begins: scale X and y, "
                "and set by hand only finite parameters)"
            )
        return plan, state

    def _reached(self) -> State:
        """Return the state that the last fit ended with, from the parameters that are there now."""
        state = self._state
        if np.array_equal(self.theta_.flat, final(self._plan, state)):
            return state
        # They were set by hand: a training begins here, as far as its cost goes.
        return replace(state, theta=self.theta_.flat.copy(), first_cost=0.0)

    def _metrics(self, given: Any) -> Metrics | None:
        """Return what the parameter `metrics` asks to measure."""
        if given is None:
            return None
        from whygrad.training.scorers import find_metrics  # which imports all of sklearn.metrics

        found = find_metrics(given)
        return Metrics(found, self._targets()) if found else None

    def _targets(self) -> Targets:
        """Return what the targets stand for, in the user's own labels."""
        return Targets()

    def _observers(self, state: State) -> list[AnyCallback]:
        own = self.callbacks or []
        callbacks = list(own) if isinstance(own, list | tuple) else [own]
        printing: list[AnyCallback] = [Printer(state)] if self.verbose else []
        return printing + callbacks

    def _conclude(
        self,
        plan: Plan,
        state: State,
        seeds: Seeds,
        history: History,
        warm: bool,
    ) -> None:
        """Set the attributes of a fitted estimator."""
        by_score = self.early_stopping and plan.by_steps
        measured = by_score or any(cost is not None for cost in history.validation_cost)
        all_of_it = History(
            (self.history_.epochs if warm else ()) + history.epochs, history.stopped
        )
        # The epoch in which a training diverged has no cost and no score.
        broken = [math.nan] if history.stopped.startswith(DIVERGED) else []
        costs = all_of_it.cost + broken
        last = costs[-1] if costs else math.inf
        scores = [score for score in all_of_it.validation_score if score is not None] + broken
        validation = [cost for cost in all_of_it.validation_cost if cost is not None] + broken
        self.__dict__.update(
            _plan=plan,
            _state=state,
            _seeds=seeds,
            net_=plan.net,
            theta_=Parameters(plan.net.sizes, final(plan, state).copy()),
            history_=all_of_it,
            out_activation_=_sklearn_name(plan.net),
            n_layers_=len(plan.net.sizes),
            n_outputs_=plan.net.sizes[-1],
            n_iter_=len(history.epochs) + len(broken),
            t_=state.seen,
            loss_curve_=costs,
            loss_=last if plan.by_steps else state.early_stopping.best,
            best_loss_=None if by_score else state.early_stopping.best,
            validation_scores_=scores if measured else None,
            validation_loss_curve_=validation if measured else None,
            best_validation_score_=-state.early_stopping.best if by_score else None,
        )

    def _inputs(self, X: Any) -> Any:
        check_fitted(self)
        check_unmasked(X, "X")
        check_columns(X)
        return validate_data(self, X, accept_sparse="csr", reset=False)

    def _is_plain(self, X: Any) -> bool:
        """Return whether X needs no check by scikit-learn but for NaN and infinity."""
        return (
            type(X) is np.ndarray
            and X.dtype in (np.float32, np.float64)
            and X.shape[1:] == (self.n_features_in_,)
            and len(X) > 0
            and not hasattr(self, "feature_names_in_")
        )

    def _outputs(self, X: Any) -> Array:
        """Return a[L] for X, (n, n_outputs)."""
        check_fitted(self)
        if not self._is_plain(X):
            X = self._inputs(X)
        return outputs(self.net_, self.theta_, X)

    def _arrays(
        self, X: Any, y: Any, incremental: bool, warm: bool, classes: Any
    ) -> tuple[Array, Array]:
        """Return X and y, checked, as arrays, (n, n_0) and (n, n_L)."""
        raise NotImplementedError

    def _known(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return X and y of which nothing is learned, checked, as `_arrays` does."""
        raise NotImplementedError

    def _default_output(self, Y: Array) -> str:
        """Return scikit-learn's name of the output activation that fits the targets."""
        raise NotImplementedError

    def _weights(self, Y: Array, sample_weight: Any, X: Any) -> Array | None:
        """Return the weight of each example, or None where all are 1."""
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X)

    def _as_scored(self, validation: Data) -> Data:
        """Return validation examples in the form that is scored as `score` does."""
        return validation

    def _strata(self, Y: Array) -> Array | None:
        """Return the classes by which validation examples are stratified, (n,), or None."""
        return None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_state")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


# Modules of scikit-learn through which one estimator is fitted, once: all others fit many.
_SINGLE = ("sklearn.base", "sklearn.pipeline", "sklearn.compose", "sklearn.utils")


def one_of_many() -> bool:
    """Return whether this fit is one of many: of a search, of folds, of an ensemble.

    An interrupt then means all of them: a fit that was cut off must not be scored among the others.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        library = name.partition(".")[0]
        if library == "joblib" or (library == "sklearn" and not name.startswith(_SINGLE)):
            return True
        frame = frame.f_back
    return False


def _sklearn_name(net: Network) -> str:
    """Return scikit-learn's name of a network's output activation, the value of `out_activation_`."""
    name = net.f[-1].name
    return "logistic" if name == "sigmoid" else name


def checked(p: Any, X: Any, y: Any, **options: Any) -> tuple[Array, Any]:
    """Return X and y, checked by scikit-learn against the data that the estimator was fitted to."""
    return validated(p, X, y, warm=True, **options)


def validated(p: Any, X: Any, y: Any, warm: bool, **options: Any) -> tuple[Array, Any]:
    """Return X and y, checked by scikit-learn; a sparse X as compressed rows."""
    check_unmasked(X, "X")
    check_unmasked(y, "y")
    check_columns(X)
    X, y = validate_data(
        p,
        X,
        y,
        accept_sparse="csr",
        multi_output=True,
        dtype=(np.float64, np.float32),
        reset=not warm,
        **options,
    )
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return X, y
