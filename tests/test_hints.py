"""A name that is not known leads to the one that was meant: written otherwise, or what others call it."""

import inspect
import re

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import get_scorer_names

import whygrad as wg
from whygrad.hints import ELSEWHERE, plain
from whygrad.nn.functions import ACTIVATIONS, COSTS, find_activation, find_cost
from whygrad.nn.network import INITIALISER_NAMES
from whygrad.pipeline.settings import Settings
from whygrad.plan.optimizers import OPTIMIZERS, find_optimizer
from whygrad.plan.schedules import SCHEDULES, find_schedule

X, Y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
NET = wg.Network(2, [wg.Dense(2, "softmax")], "cross_entropy")
CLASSES = [
    kind for kind in map(wg.__dict__.get, wg.__all__) if hasattr(kind, "__dataclass_fields__")
]


class ReLU:
    """What PyTorch's and Keras's layers of that name look like."""

    def __call__(self, x):
        return x


def message(function, *given, **named):
    """Return the one line with which a call is refused."""
    with pytest.raises(wg.InputError) as error:
        function(*given, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("find", "given", "ours"),
    [
        (find_activation, "linear", "identity"),
        (find_activation, None, "identity"),
        (find_activation, "logistic", "sigmoid"),
        (find_activation, "ReLU", "relu"),
        (find_activation, "LeakyReLU", "leaky_relu"),
        (find_activation, "swish", "silu"),
        (find_activation, "exponential", "exp"),
        (find_activation, "LogSoftmax", "softmax"),
        (find_activation, ReLU, "relu"),
        (find_activation, ReLU(), "relu"),
        (find_activation, np.tanh, "tanh"),
        (find_cost, "mse", "squared_error"),
        (find_cost, "mean_squared_error", "squared_error"),
        (find_cost, "SquaredError", "squared_error"),
        (find_cost, "MSELoss", "squared_error"),
        (find_cost, "mae", "absolute_error"),
        (find_cost, "SmoothL1Loss", "huber"),
        (find_cost, "PoissonNLLLoss", "poisson"),
        (find_cost, "log_loss", "cross_entropy"),
        (find_cost, "categorical_crossentropy", "cross_entropy"),
        (find_cost, "sparse_categorical_crossentropy", "cross_entropy"),
        (find_cost, "CrossEntropyLoss", "cross_entropy"),
        (find_cost, "binary_crossentropy", "binary_cross_entropy"),
        (find_cost, "BCEWithLogitsLoss", "binary_cross_entropy"),
        (find_optimizer, "RMSProp", "rmsprop"),
        (find_optimizer, "Adam", "adam"),
        (find_optimizer, wg.Adam, "adam"),
        (find_optimizer, "gradient_descent", "sgd"),
        (find_optimizer, "L-BFGS-B", "lbfgs"),
        (find_schedule, "invscaling", "inverse_scaling"),
        (find_schedule, "CosineAnnealingLR", "cosine"),
        (find_schedule, "ReduceLROnPlateau", "on_plateau"),
        (lambda name: wg.Dense(3, "relu", init=name), "xavier_normal", "glorot_normal"),
        (lambda name: wg.Dense(3, "relu", init=name), "kaiming_uniform", "he_uniform"),
        (lambda name: wg.Dense(3, "relu", init=name), "GlorotUniform", "glorot_uniform"),
        (lambda name: wg.MLPClassifier(activation=name).fit(X, Y), "linear", "identity"),
        (lambda name: wg.MLPClassifier(loss=name).fit(X, Y), "mse", "squared_error"),
        (lambda name: Settings(activation=name), "Linear", "identity"),
        (lambda name: Settings(cost=name), "mse", "squared_error"),
        (lambda name: Settings(optimizer=name), "RMSProp", "rmsprop"),
        (lambda name: Settings(schedule=name), "onecycle", "one_cycle"),
    ],
)
def test_what_others_call_it_leads_to_our_name(find, given, ours):
    assert f": did you mean {ours!r}? Known: " in message(find, given)


@pytest.mark.parametrize(
    ("function", "named", "meant"),
    [
        (wg.Adam, {"rate": 0.1}, "'learning_rate'"),
        (wg.SGD, {"lr": 0.1}, "'learning_rate'"),
        (wg.SGD, {"nesterovs_momentum": True}, "'nesterov'"),
        (wg.Adam, {"betas": (0.9, 0.99)}, "beta1=…, beta2=…"),
        (wg.Adam, {"beta_1": 0.9}, "'beta1'"),
        (wg.AdamW, {"weight_decay": 0.1}, "'decay'"),
        (wg.RMSprop, {"rho": 0.9}, "'beta'"),
        (wg.RMSprop, {"alpha": 0.9}, "'beta'"),
        (wg.Step, {"gamma": 0.1}, "'factor'"),
        (wg.Step, {"step_size": 3}, "'every'"),
        (wg.OneCycle, {"pct_start": 0.1}, "'rise'"),
        (wg.Stopping, {"min_delta": 0.1, "patience": 3}, ""),
        (wg.Dense, {"neurons": 3}, "'units'"),
        (wg.Dense, {"out_features": 3}, "'units'"),
        (wg.Dense, {"kernel_initializer": "he_normal"}, "'init'"),
        (wg.Dense, {"weights": "he_normal"}, "'init'"),
        (wg.Dense, {"biases": "zeros"}, "'bias_init'"),
        (wg.Network, {"loss": "mse"}, "'cost'"),
        (wg.Network, {"input_shape": (2,)}, "'inputs'"),
        (wg.MLPClassifier, {"lr": 0.1}, "'learning_rate_init'"),
        (wg.MLPClassifier, {"epochs": 3}, "'max_iter'"),
        (wg.MLPRegressor, {"seed": 3}, "'random_state'"),
        (wg.MLPRegressor, {"optimizer": "adam"}, "'solver'"),
        (wg.MLPClassifier, {"validation_split": 0.1}, "'validation_fraction'"),
    ],
)
def test_an_argument_of_others_leads_to_ours(function, named, meant):
    said = message(function, **named)
    name = next(iter(named))
    assert said.startswith(
        f"{function.__name__}.__init__() got an unexpected keyword argument {name!r}: "
    )
    assert f": did you mean {meant}? Known: " in said or not meant


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ({"learning_rate": 0.1}, "optimizer=Adam(0.01)"),
        ({"validation_split": 0.1}, "validation=(X, Y)"),
        ({"validation_data": (X, Y)}, "validation=(X, Y)"),
        ({"loss": "mse"}, "net=Network(…, cost=…)"),
        ({"max_iter": 3}, "'epochs'"),
        ({"n_epochs": 3}, "'epochs'"),
        ({"random_state": 3}, "'seed'"),
        ({"weights": [1]}, "'sample_weight'"),
        ({"early_stopping": True}, "stopping=Stopping(patience=10)"),
        ({"alpha": 0.1}, "'l2'"),
        ({"verbose": 1}, "'progress'"),
        ({"scheduler": "cosine"}, "'schedule'"),
        ({"batchsize": 3}, "'batch_size'"),
    ],
)
def test_an_argument_of_other_trainings_leads_to_ours(named, meant):
    said = message(wg.train, NET, X, Y, **named)
    name = next(iter(named))
    assert said.startswith(
        f"train() got an unexpected keyword argument {name!r}: did you mean {meant}? Known: net, X, "
    )


def test_what_fit_is_given_of_the_estimators_own_parameters_leads_there():
    for name in ("callbacks", "metrics"):
        said = message(wg.MLPClassifier().fit, X, Y, **{name: []})
        assert said == (
            f"{name} is a parameter of MLPClassifier itself: MLPClassifier({name}=…).fit(X, y)"
        )


def test_a_share_to_validate_on_leads_from_fit_to_rows_of_ones_own():
    said = message(wg.MLPClassifier().fit, X, Y, validation_split=0.1)
    assert "'validation_split': did you mean X_val=…, y_val=…? Known: X, y, sample_weight" in said


@pytest.mark.parametrize("layers", [[3, 1], [("relu", 3)], [wg.Dense(3, "relu"), "softmax"]])
def test_a_layer_is_a_dense(layers):
    wrong = next(layer for layer in layers if not isinstance(layer, wg.Dense))
    assert message(wg.Network, 4, layers) == (
        f"a layer is a Dense, not {wrong!r}: Network(4, [Dense(3, 'relu'), Dense(1, 'identity')])"
    )


def test_layers_are_a_list():
    assert message(wg.Network, 4, 3) == "layers are a list: Network(2, [Dense(1, 'sigmoid')])"


@pytest.mark.parametrize("named", [{"init": 0.1}, {"bias_init": 1}, {"dropout": "0.5"}])
def test_an_option_of_a_layer_that_is_of_another_kind_is_refused_at_once(named):
    name, value = next(iter(named.items()))
    assert repr(value) in message(wg.Dense, 3, "relu", **named), name


def test_what_takes_a_trace_says_where_one_comes_from():
    theta = NET.init()
    wanted = "the trace is what forward returns, forward(net, theta, X), not ndarray"
    assert message(wg.cost, NET, theta, X, Y) == wanted
    assert message(wg.backward, NET, theta, X, Y) == wanted
    assert message(wg.gradients, NET, theta, X) == wanted


def test_what_takes_parameters_says_where_they_come_from():
    wanted = "theta is Parameters, such as net.init(), not ndarray"
    assert message(wg.forward, NET, X, X) == wanted
    assert message(wg.forward, NET.init(), NET, X) == "net is a Network, not Parameters"


def test_every_name_of_the_table_leads_to_one_that_exists():
    takers = [wg.train, wg.MLPClassifier, wg.MLPClassifier.fit, Settings, *CLASSES]
    known = {name for taker in takers for name in inspect.signature(taker).parameters}
    known |= {
        *ACTIVATIONS,
        *COSTS,
        *OPTIMIZERS,
        *SCHEDULES,
        *INITIALISER_NAMES,
        *get_scorer_names(),
        "lbfgs",
        "learning-rate",
    }
    for name, ours in ELSEWHERE.items():
        assert name == plain(name)
        assert {re.split(r"[=.(]", other)[0] for other in ours} <= known, name


def test_signatures_stay_as_they_are():
    assert list(inspect.signature(wg.Adam).parameters)[:3] == ["learning_rate", "beta1", "beta2"]
    assert list(inspect.signature(wg.Dense).parameters)[:2] == ["units", "activation"]
    assert wg.Dense(1) == wg.Dense(1, "identity")
    assert "self" not in inspect.signature(wg.MLPClassifier).parameters


def test_fit_gives_the_estimator_itself(recwarn):
    data, species = load_iris(return_X_y=True)
    classifier = wg.MLPClassifier((2,), max_iter=1)
    assert classifier.fit(data, species) is classifier
    assert classifier.partial_fit(data, species) is classifier
