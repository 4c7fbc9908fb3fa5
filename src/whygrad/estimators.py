"""MLPClassifier and MLPRegressor: scikit-learn's multi-layer perceptrons, trained and explained by whygrad.

Change one import and go on: the parameters, attributes, warnings and the initial weights of a
`random_state` are scikit-learn's, and with `shuffle=False` so are the trained weights, to rounding. The
module `estimator_plan` says what each parameter means in whygrad's terms. A fitted estimator also has the
network, its parameters and the history of the training: `net_`, `theta_`, `history_`.

What differs, on purpose: shuffling draws from whygrad's own stream, a pure function of (seed, epoch); a
warm start continues the whole state (optimizer, learning rate, order of the examples, held-out examples),
so ten fits of one epoch are one fit of ten; a diverging fit warns and keeps its last finite parameters; the
squared error of several outputs is their sum in `loss_curve_`, where scikit-learn has their mean; `coefs_`
are live views, writing to them changes the network; one class only, and negative weights, are refused.
"""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from whygrad.errors import InputError
from whygrad.functions import Activation, Array
from whygrad.perceptron import Perceptron, trains_in_steps, validated


class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron for classes: scikit-learn's, with everything that whygrad can tell of it.

    Two classes, or several labels at once, end in sigmoid units with the binary cross-entropy; more
    classes in softmax with the cross-entropy. See the top of this module for what differs.

    Parameters
    ----------
    hidden_layer_sizes : units of each hidden layer; () for none.
    activation : "identity", "logistic", "tanh", "relu" or any other name of `whygrad.functions`.
    solver : "adam" or "sgd" ("lbfgs" is refused for now).
    alpha : λ₂, divided by the number (weight) of examples of each batch.
    batch_size : examples per step; "auto" is 200, or all if there are fewer.
    learning_rate : for "sgd": "constant"; "invscaling", η / (examples seen + 1)^power_t; or "adaptive",
        a fifth of it each time that the cost or score has not improved for `n_iter_no_change` epochs.
    learning_rate_init : η.
    power_t : the exponent of "invscaling".
    max_iter : epochs at most.
    shuffle : take the examples in a new order every epoch.
    random_state : decides the initial weights, the held-out examples and the order.
    tol, n_iter_no_change : stop after more than so many epochs in a row that improve by less than `tol`.
    verbose : print cost and score of every epoch.
    warm_start : fit goes on where the last one ended.
    momentum, nesterovs_momentum : for "sgd".
    early_stopping : judge by the score of held-out examples, and end with the best parameters.
    validation_fraction : how many of the examples that holds out.
    beta_1, beta_2, epsilon : for "adam".
    max_fun : for "lbfgs".
    engine : "auto", "native" or "reference"; whygrad's own, scikit-learn has no such parameter.

    Attributes
    ----------
    classes_ : the classes, in the order of `predict_proba`.
    coefs_, intercepts_ : W[l].T and b[l], l = 1 … L, as live views of θ.
    loss_, best_loss_, loss_curve_ : cost of the last, best and every epoch, penalty included.
    validation_scores_, best_validation_score_ : accuracy on held-out examples; None without any.
    n_iter_, t_ : epochs of the last fit; examples seen in all.
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_ : as in scikit-learn.
    net_, theta_, history_ : whygrad's `Network`, `Parameters` and `History`.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier((8,), "tanh", learning_rate_init=0.02, random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.95, clf.net_.sizes
    (True, (4, 8, 3))
    """

    loss = "log_loss"

    @available_if(trains_in_steps)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one more epoch, on these data.

        Parameters
        ----------
        X : inputs, (n, n_features), dense or sparse.
        y : classes, (n,), or labels, (n, n_labels).
        sample_weight : how much each example counts, (n,).
        classes : all classes that will ever come; needed in the first call.
        """
        if _check_partial_fit_first_call(self, classes):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Give the most likely class of each row, or for several labels those likelier than not."""
        a = self._outputs(X)
        labels: Array = self._label_binarizer.inverse_transform(a.ravel() if a.shape[1] == 1 else a)
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Give the probability of each class, (n, n_classes), in the order of `classes_`."""
        a = self._outputs(X)
        return np.hstack([1 - a, a]) if a.shape[1] == 1 else a

    def predict_log_proba(self, X: Any) -> Array:
        """Give the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logarithm: Array = np.log(self.predict_proba(X))
        return logarithm

    def _arrays(self, X: Any, y: Any, incremental: bool, goes_on: bool) -> tuple[Array, Array]:
        """Check X and y, learn or compare the classes, and give y as zeros and ones, (n, n_L)."""
        X, y = validated(self, X, y, goes_on)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        _check_classes(y, self.classes_, exactly=self.warm_start)
        if len(self.classes_) < 2:
            raise InputError(
                f"y holds one class only, {self.classes_.tolist()[0]!r}: a classifier needs at least two"
            )
        several = self._label_binarizer.y_type_ == "multiclass"
        self.out_activation_ = "softmax" if several else "logistic"
        return X, self._label_binarizer.transform(y).astype(bool)

    def _strata(self, Y: Array) -> Array | None:
        # As in scikit-learn: in proportion for two classes, not for more, nor for several labels.
        return self.classes_[Y[:, 0].astype(int)] if Y.shape[1] == 1 else None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron for numbers: scikit-learn's, with everything that whygrad can tell of it.

    Parameters
    ----------
    loss : "squared_error", with identity outputs, or "poisson", with exponential ones and y ≥ 0.

    All other parameters and attributes are those of `MLPClassifier`, but for `classes_`; the score is R².

    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> reg = MLPRegressor("squared_error", (20,), "tanh", learning_rate_init=0.05, random_state=0)
    >>> reg.fit(X, np.sin(3 * X.ravel())).score(X, np.sin(3 * X.ravel())) > 0.95
    True
    """

    _parameter_constraints: dict[str, Any] = Perceptron._parameter_constraints | {
        "loss": [StrOptions({"squared_error", "poisson"})]
    }

    def __init__(
        self,
        loss: str = "squared_error",
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
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            engine=engine,
        )
        self.loss = loss

    @available_if(trains_in_steps)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one more epoch, on these data.

        Parameters
        ----------
        X : inputs, (n, n_features), dense or sparse.
        y : numbers, (n,), or (n, n_outputs).
        sample_weight : how much each example counts, (n,).
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Give the outputs for each row, (n,), or (n, n_outputs)."""
        a = self._outputs(X)
        return a.ravel() if a.shape[1] == 1 else a

    def _arrays(self, X: Any, y: Any, incremental: bool, goes_on: bool) -> tuple[Array, Array]:
        """Check X and y, and give y as (n, n_L)."""
        X, y = validated(self, X, y, goes_on, y_numeric=True)
        self.out_activation_ = "exp" if self.loss == "poisson" else "identity"
        return X, y.reshape(len(y), -1)


def _check_classes(y: Any, known: Array, exactly: bool) -> None:
    """Refuse classes that the estimator does not know, and for a warm start missing ones as well."""
    classes = unique_labels(y)
    if exactly and set(classes) != set(known):
        raise InputError(
            "warm_start can only be used where `y` has the same classes as in the previous call to fit: "
            f"that had {known}, `y` has {classes}"
        )
    if not set(classes) <= set(known):
        raise InputError(
            f"`y` has classes not in `self.classes_`: it has {classes}, known are {known}"
        )
