"""MLPClassifier and MLPRegressor: scikit-learn's multi-layer perceptrons, trained and explained by whygrad.

Change one import and go on: the parameters, attributes, warnings and the initial weights of a
`random_state` are scikit-learn's, and with `shuffle=False` so are the trained weights, to rounding. The
module `parameters` says what each parameter means in whygrad's terms. A fitted estimator also has the
network, its parameters and the history of the training: `net_`, `theta_`, `history_`.

What differs, on purpose, is listed in docs/migration.md with the test that shows it. The parameters after
`engine` are whygrad's own; by default they leave everything as scikit-learn has it.
"""

from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from whygrad.errors import InputError, known_arguments
from whygrad.estimators.estimator import (
    Perceptron,
    checked,
    checks_parameters,
    keep,
    offered_if,
    trains_in_steps,
    validated,
)
from whygrad.estimators.labels import labels_of
from whygrad.estimators.parameters import gives_probabilities
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Activation, Array
from whygrad.nn.metrics import ValidationData, class_probabilities
from whygrad.plan.plan import Clip
from whygrad.training.metrics import Targets


@known_arguments
class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron classifier: scikit-learn's, and every gradient of it can be explained.

    Two classes, or several labels at once, end in sigmoid units with the binary cross-entropy; more
    classes in softmax with the cross-entropy. docs/migration.md lists what differs from scikit-learn.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; () for none.
    activation : str, Activation, or a list of them, default "relu"
        "identity", "logistic", "tanh", "relu", any other name of `whygrad.functions`, or an `Activation`. A
        list has one for each hidden layer.
    solver : str or optimizer, default "adam"
        "adam", "sgd", "lbfgs", "adamw", "nadam", "rmsprop" or "adagrad", with `learning_rate_init` and the
        betas below; or an optimizer such as `AdamW(0.01, decay=0.1)`, with its own coefficients only.
    alpha : float, default 0.0001
        L2 regularization λ₂, divided by the number (weight) of examples of each batch.
    batch_size : int or "auto", default "auto"
        Examples per step; "auto" is 200, or all if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For "sgd". "invscaling" is η / (examples seen + 1)^power_t; "adaptive" divides η by 5 each time that
        cost or score has not improved for `n_iter_no_change` epochs.
    learning_rate_init : float, default 0.001
        The learning rate η.
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        Epochs at most; for "lbfgs" iterations.
    shuffle : bool, default True
        Draw a new order of the examples every epoch.
    random_state : int, RandomState or None, default None
        Decides the initial weights, the validation examples and the order.
    tol : float, default 1e-4
        The least improvement that counts; for "lbfgs" a bound on the gradient.
    verbose : bool, default False
        Print cost and score of every epoch.
    warm_start : bool, default False
        Continue with the state that the last fit ended in.
    momentum : float, default 0.9
        For "sgd".
    nesterovs_momentum : bool, default True
        For "sgd": Nesterov's momentum.
    early_stopping : bool, default False
        Stop by the score of validation examples, and keep the parameters of the best epoch.
    validation_fraction : float, default 0.1
        The share of the examples that is set aside for that.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        For "adam" and its kin.
    n_iter_no_change : int, default 10
        Stop after more than so many epochs in a row without an improvement of `tol`.
    max_fun : int, default 15000
        For "lbfgs": how often the cost may be computed.
    engine : {"auto", "native", "reference"}, default "auto"
        What computes the steps. This and all below is whygrad's own.
    dropout : float or list of float, default 0.0
        The probability with which a step drops a hidden unit; a list has one for each layer.
    out_activation : str or Activation, default "auto"
        The activation of the output layer; "auto" fits the targets and the loss.
    schedule : str, schedule or None, default None
        The learning rate schedule, a name such as "one_cycle" or an object such as `Cosine(0.1)`, for every
        solver but "lbfgs"; takes precedence over `learning_rate`.
    clip : float, Clip or None, default None
        Gradient clipping: a bound on the norm, or a `Clip`.
    callbacks : callable, list of callables or None, default None
        Called with a `Report` after every epoch; one that returns True stops the fit. `clone` copies them
        with the other parameters.
    layer_statistics : bool, default False
        Put norms of gradient and update of every layer into `history_`.
    products : {None, "bfloat16"}, default None
        What the operands of a step's matrix products are rounded to, see `whygrad.train`; for X in float32.
    loss : str or cost, default "log_loss"
        "log_loss", any cost of `whygrad.functions`, or an object with `value(a, y)` and `derivative(a, y)`.
        Targets are 0 and 1, one output for each class, or one in all for two classes.
    class_weight : dict, "balanced", list of dicts or None, default None
        How much the examples of each class count; "balanced" for all classes alike; for several labels a
        list of dicts. It multiplies `sample_weight`, of validation examples too.
    label_smoothing : float, default 0.0
        The share ε by which targets move towards equal probabilities.
    metrics : str, callable, list of these, dict of names to these, or None, default None
        What else to measure on validation examples after every epoch, into `history_.metrics`: names that
        `sklearn.metrics.get_scorer` knows, such as "roc_auc"; scorers, called with (estimator, X, y);
        metric functions, called with (y_true, y_pred). "training_roc_auc" measures the examples trained on.
        Each example counts once. Validation examples are those of `early_stopping`, or X_val and y_val of
        `fit`.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        The classes, in the order of `predict_proba`.
    coefs_, intercepts_ : lists of arrays, (n_{l-1}, n_l) and (n_l,)
        W[l].T and b[l], l = 1 … L, as live views of θ. Set before a fit, they are where `partial_fit`, or
        `fit` with `warm_start=True`, begins.
    loss_, best_loss_, loss_curve_ : float, float, list of float
        Cost of the last, best and every epoch, penalty included; NaN for the epoch in which the fit
        diverged, as in the two below.
    validation_scores_, best_validation_score_ : list of float, float
        Accuracy on validation examples; None without any.
    validation_loss_curve_ : list of float
        Cost on validation examples after every epoch, without penalty; None without any.
    n_iter_, t_ : int
        Epochs of the last fit; examples seen in all.
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in scikit-learn.
    net_, theta_, history_ : Network, Parameters, History
        The network as the rest of whygrad knows it.
    why_ : Why
        The questions, in terms of columns and classes.

    See Also
    --------
    MLPRegressor : the same for numbers.
    whygrad.explain : ask about a network that was trained elsewhere.

    References
    ----------
    Rumelhart, Hinton, Williams (1986). Learning representations by back-propagating errors. Nature 323.
    Glorot, Bengio (2010). Understanding the difficulty of training deep feedforward neural networks.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier((8,), "tanh", learning_rate_init=0.02, random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.95, clf.net_.sizes
    (True, (4, 8, 3))
    """

    loss: Any = "log_loss"  # also where a subclass sets all of scikit-learn's parameters by itself
    _class_weight: Any  # that of the fit

    _parameter_constraints: dict[str, Any] = Perceptron._parameter_constraints | {
        "class_weight": [None, StrOptions({"balanced"}), dict, list],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    classes_: Array

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
        dropout: Any = 0.0,
        out_activation: str | Activation = "auto",
        schedule: Any = None,
        clip: float | Clip | None = None,
        callbacks: Any = None,
        layer_statistics: bool = False,
        products: str | None = None,
        loss: Any = "log_loss",
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        metrics: Any = None,
    ) -> None:
        keep(self, locals())

    @offered_if(trains_in_steps)
    @checks_parameters
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one more epoch, on these data.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs.
        y : array-like, shape (n,) or (n, n_labels)
            Classes, or labels.
        sample_weight : array-like, shape (n,), optional
            How much each example counts.
        classes : array-like, shape (n_classes,), optional
            All classes that will ever come; needed in the first call.

        Returns
        -------
        self
            The estimator, one epoch further.
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """Return the most likely class of each row, or for several labels those likelier than not.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs.

        Returns
        -------
        array, shape (n,) or (n, n_labels)
            Classes as in `classes_`; of labels 0 and 1.
        """
        a = self._outputs(X)
        return self._label_binarizer.inverse_transform(a.ravel() if a.shape[1] == 1 else a)

    @offered_if(gives_probabilities)
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs.

        Returns
        -------
        array, shape (n, n_classes)
            Probabilities, in the order of `classes_`. Sigmoid outputs for more than two classes are divided
            by their sum.
        """
        a = self._outputs(X)
        return class_probabilities(a, self._exclusive() and self.out_activation_ != "softmax")

    @offered_if(gives_probabilities)
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`, (n, n_classes)."""
        with np.errstate(divide="ignore"):
            logarithm: Array = np.log(self.predict_proba(X))
        return logarithm

    def _arrays(
        self, X: Any, y: Any, incremental: bool, warm: bool, classes: Any
    ) -> tuple[Array, Array]:
        """Return X and y, checked, y as zeros and ones, (n, n_L); learn the classes or compare them."""
        if incremental and _check_partial_fit_first_call(self, classes):  # which sets classes_
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = labels_of(labels)
        X, y = validated(self, X, y, warm)
        if not (warm or incremental):
            self._label_binarizer = labels_of(y)
            self.classes_ = self._label_binarizer.classes_
        _check_classes(y, self.classes_, exactly=self.warm_start)
        return X, self._label_binarizer.transform(y).astype(bool)

    def _known(self, X: Any, y: Any) -> tuple[Array, Array]:
        X, y = checked(self, X, y)
        _check_classes(y, self.classes_, exactly=False)
        return X, self._label_binarizer.transform(y).astype(bool)

    def _exclusive(self) -> bool:
        """Return whether there is an output for each of several classes."""
        return self._label_binarizer.y_type_ == "multiclass"

    def _default_output(self, Y: Array) -> str:
        return "softmax" if self._exclusive() else "logistic"

    def _weights(self, Y: Array, sample_weight: Any, X: Any) -> Array | None:
        s = super()._weights(Y, sample_weight, X)
        if self._class_weight is None:
            return s
        if self._exclusive():
            y: Array = self._label_binarizer.classes_[Y.argmax(axis=1)]
        elif Y.shape[1] == 1:
            y = self._label_binarizer.classes_[Y[:, 0].astype(int)]
        else:
            y = Y.astype(int)
        by_class: Array = compute_sample_weight(self._class_weight, y)
        return by_class if s is None else s * by_class

    def _as_scored(self, validation: Data) -> Data:
        if self.loss == "log_loss" and self.out_activation == "auto":
            return validation  # whose cost says already that these are classes
        return ValidationData(
            validation.X, validation.Y, validation.sample_weight, several=self._exclusive()
        )

    def _targets(self) -> Targets:
        binarizer = self._label_binarizer
        several = binarizer.y_type_.startswith("multilabel")
        return Targets(several=True) if several else Targets(binarizer.classes_)

    def _strata(self, Y: Array) -> Array | None:
        # As in scikit-learn: in proportion for two classes, not for more, nor for several labels. A class
        # with too few members is refused by its name where it has one, else in scikit-learn's words.
        if Y.shape[1] > 1:
            return None
        classes = self._label_binarizer.classes_
        return classes[Y[:, 0].astype(int)] if classes.dtype.kind in "OSU" else Y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@known_arguments
class MLPRegressor(RegressorMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron regressor: scikit-learn's, and every gradient of it can be explained.

    docs/migration.md lists what differs from scikit-learn.

    Parameters
    ----------
    loss : str or cost, default "squared_error"
        "squared_error", with identity outputs; "poisson", with exponential ones and y ≥ 0; any other cost
        of `whygrad.functions`; or an object with `value(a, y)` and `derivative(a, y)`.
    hidden_layer_sizes, activation
        The hidden layers, as of `MLPClassifier`.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, momentum, nesterovs_momentum, \
beta_1, beta_2, epsilon, max_fun
        The optimizer and the L2 penalty, as of `MLPClassifier`.
    max_iter, shuffle, random_state, tol, n_iter_no_change, early_stopping, validation_fraction, \
warm_start, verbose
        The course of a fit, as of `MLPClassifier`; the score that stops it early is R².
    engine, dropout, out_activation, schedule, clip, callbacks, layer_statistics, products, metrics
        What scikit-learn does not have, as of `MLPClassifier`.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_loss_curve_, n_iter_, t_, net_, \
theta_, history_, why_
        As of `MLPClassifier`.
    validation_scores_, best_validation_score_ : list of float, float
        R² on validation examples; None without any.

    See Also
    --------
    MLPClassifier : the same for classes, with all parameters described.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> reg = MLPRegressor("squared_error", (20,), "tanh", learning_rate_init=0.05, random_state=0)
    >>> reg.fit(X, np.sin(3 * X.ravel())).score(X, np.sin(3 * X.ravel())) > 0.95
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
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
        dropout: Any = 0.0,
        out_activation: str | Activation = "auto",
        schedule: Any = None,
        clip: float | Clip | None = None,
        callbacks: Any = None,
        layer_statistics: bool = False,
        products: str | None = None,
        metrics: Any = None,
    ) -> None:
        keep(self, locals())

    @offered_if(trains_in_steps)
    @checks_parameters
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch, on these data.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs.
        y : array-like, shape (n,) or (n, n_outputs)
            Numbers.
        sample_weight : array-like, shape (n,), optional
            How much each example counts.

        Returns
        -------
        self
            The estimator, one epoch further.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the outputs for each row.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n, n_features)
            Inputs.

        Returns
        -------
        array, shape (n,) or (n, n_outputs)
            Predicted numbers, in the units of y.
        """
        a = self._outputs(X)
        return a.ravel() if a.shape[1] == 1 else a

    def _arrays(
        self, X: Any, y: Any, incremental: bool, warm: bool, classes: Any
    ) -> tuple[Array, Array]:
        """Return X and y, checked, y as (n, n_L)."""
        X, y = validated(self, X, y, warm, y_numeric=True)
        return X, y.reshape(len(y), -1)

    def _known(self, X: Any, y: Any) -> tuple[Array, Array]:
        X, y = checked(self, X, y, y_numeric=True)
        return X, y.reshape(len(y), -1)

    def _default_output(self, Y: Array) -> str:
        return "identity"


def _check_classes(y: Any, known: Array, exactly: bool) -> None:
    """Raise `InputError` for classes that the estimator does not know; `exactly` for missing ones too."""
    classes = unique_labels(y)
    if exactly and set(classes) != set(known):
        raise InputError(
            "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
            f"Previously got {known}, `y` has {classes}"
        )
    if not set(classes) <= set(known):
        raise InputError(
            f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. 'y' has {classes}."
        )
