"""Change one import and only the speed changes: parameters, costs, scores and words are scikit-learn's.

Both libraries get the same arguments and the same data. With `shuffle=False` nothing but the order of
floating-point additions may differ, so parameters are compared to 1e-9 of the largest one, after twenty
epochs in float64, and whatever counts epochs is compared exactly.
"""

import inspect
import warnings

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags

import whygrad as wg
from engines import each_engine
from parity import CLASSIFIED, TARGETS, TOLERANCE, WEIGHTS, Case, X, assert_close, flat

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    each_engine,
]


def twenty_epochs(target, weighted=False, **options):
    """A case that nothing stops early, in batches that do not divide the data."""
    fixed = {"shuffle": False, "max_iter": 20, "n_iter_no_change": np.inf, "batch_size": 8}
    return Case(target, fixed | {"activation": "tanh"} | options, weighted)


SGD = {"solver": "sgd", "learning_rate_init": 0.05}
PLAIN = SGD | {"momentum": 0.0, "nesterovs_momentum": False}
ADAM = {"solver": "adam", "learning_rate_init": 0.01}

CASES = {
    "sgd": twenty_epochs("three classes", **PLAIN),
    "momentum": twenty_epochs("three classes", **SGD | {"nesterovs_momentum": False}),
    "nesterov": twenty_epochs("three classes", **SGD),
    "nesterov without momentum": twenty_epochs("number", **SGD | {"momentum": 0.0}),
    "momentum 1": twenty_epochs("number", **SGD | {"momentum": 1.0, "learning_rate_init": 0.001}),
    "adam": twenty_epochs("three classes", **ADAM),
    "adam, all its numbers": twenty_epochs("number", **ADAM, beta_1=0.7, beta_2=0.95, epsilon=1e-3),
    "alpha 0": twenty_epochs("two classes", **SGD, alpha=0.0),
    "alpha with sgd": twenty_epochs("two classes", **SGD, alpha=0.8),
    "alpha with adam": twenty_epochs("two classes", **ADAM, alpha=0.8),
    "weights with sgd": twenty_epochs("three classes", weighted=True, **SGD, alpha=0.3),
    "weights with adam": twenty_epochs("number", weighted=True, **ADAM, alpha=0.3),
    "weights of labels": twenty_epochs("labels", weighted=True, **ADAM),
    "labels": twenty_epochs("labels", **SGD),
    "numbers": twenty_epochs("numbers", **SGD),
    "numbers with weights": twenty_epochs("numbers", weighted=True, **ADAM),
    "counts": twenty_epochs("counts", **ADAM, loss="poisson"),
    "counts with weights": twenty_epochs("counts", weighted=True, **PLAIN, loss="poisson"),
    "identity": twenty_epochs("three classes", **SGD, activation="identity"),
    "logistic": twenty_epochs("three classes", **SGD, activation="logistic"),
    "relu": twenty_epochs("three classes", **SGD, activation="relu"),
    "relu with adam": twenty_epochs("number", **ADAM, activation="relu"),
    "invscaling": twenty_epochs("number", **SGD, learning_rate="invscaling"),
    "invscaling, power 0.1": twenty_epochs(
        "number", **SGD, learning_rate="invscaling", power_t=0.1
    ),
    "adaptive": twenty_epochs(
        "number", **SGD | {"learning_rate": "adaptive", "tol": 0.02, "n_iter_no_change": 1}
    ),
    "adaptive has no meaning for adam": twenty_epochs("number", **ADAM, learning_rate="adaptive"),
    "one hidden layer": twenty_epochs("number", **ADAM, hidden_layer_sizes=9),
    "no hidden layer": twenty_epochs("three classes", **ADAM, hidden_layer_sizes=()),
    # Without momentum, which in single steps of this rate is chaotic: it would amplify one rounding
    # of 1e-16 to 1e-1 in twenty epochs.
    "batches of 1": twenty_epochs("two classes", **PLAIN, batch_size=1),
    "batches of 52": twenty_epochs("two classes", **SGD, batch_size=52),
    "one batch": twenty_epochs("two classes", **SGD, batch_size="auto"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_parameters_are_scikit_learns_after_twenty_epochs(case, engine):
    ours, sklearns = case.fitted(engine)
    assert ours.n_iter_ == sklearns.n_iter_ == 20
    assert_same_parameters(ours, sklearns)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_cost_of_every_epoch_is_scikit_learns(case, engine):
    # Theirs is the mean over the outputs, ours the sum, whose gradient both follow.
    factor, options = 1, {}
    if case.target == "numbers":
        factor, options = 3, {"alpha": 0.0}
    ours, sklearns = case.fitted(engine, **options)
    assert len(ours.loss_curve_) == 20
    assert_close(ours.loss_curve_, factor * np.array(sklearns.loss_curve_))
    assert ours.loss_ == ours.loss_curve_[-1]
    assert ours.best_loss_ == min(ours.loss_curve_)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_predictions_and_score_are_scikit_learns(case, engine):
    ours, sklearns = case.fitted(engine)
    y = TARGETS[case.target]
    if case.target in CLASSIFIED:
        assert np.array_equal(ours.predict(X), sklearns.predict(X))
        assert_close(ours.predict_proba(X), sklearns.predict_proba(X))
        assert_close(ours.predict_log_proba(X), sklearns.predict_log_proba(X))
    else:
        assert_close(ours.predict(X), sklearns.predict(X))
    assert ours.predict(X).dtype == sklearns.predict(X).dtype
    assert_close(ours.score(X, y, WEIGHTS), sklearns.score(X, y, WEIGHTS))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("random_state", [0, 12])
def test_the_start_is_scikit_learns_bit_for_bit(random_state, activation, dtype, engine):
    # So small a step does not change a parameter.
    options = {"learning_rate_init": 1e-300, "solver": "sgd", "max_iter": 1}
    case = Case("three classes", options | {"activation": activation, "random_state": random_state})
    for estimator in (pair := case.pair(engine)):
        estimator.fit(X.astype(dtype), TARGETS[case.target])
    ours, sklearns = (flat(estimator) for estimator in pair)
    assert ours.dtype == sklearns.dtype == dtype
    assert np.array_equal(ours, sklearns)


STOPPING = {
    "cost, adam": Case("three classes", ADAM | {"tol": 0.01, "n_iter_no_change": 3}),
    "cost, sgd": Case("number", SGD | {"tol": 1e-3, "n_iter_no_change": 5}),
    "cost, weights": Case(
        "two classes", ADAM | {"tol": 0.02, "n_iter_no_change": 2}, weighted=True
    ),
    "cost, patience 1": Case("labels", ADAM | {"tol": 0.05, "n_iter_no_change": 1}),
    "adaptive": Case("two classes", SGD | {"learning_rate": "adaptive", "tol": 0.01}),
    "adaptive, to the floor": Case(
        "number", SGD | {"learning_rate": "adaptive", "tol": 1e-3, "n_iter_no_change": 2}
    ),
    "score, two classes": Case("two classes", ADAM | {"early_stopping": True}),
    "score, three classes": Case("three classes", SGD | {"early_stopping": True}),
    "score, labels": Case("labels", ADAM | {"early_stopping": True, "validation_fraction": 0.3}),
    "score, number": Case("number", ADAM | {"early_stopping": True, "n_iter_no_change": 4}),
    "score, numbers": Case("numbers", ADAM | {"early_stopping": True, "tol": 0.01}),
    "score, weights": Case("three classes", ADAM | {"early_stopping": True}, weighted=True),
    "score, R² with weights": Case("number", ADAM | {"early_stopping": True}, weighted=True),
    "score, adaptive": Case(
        "three classes", SGD | {"early_stopping": True, "learning_rate": "adaptive"}
    ),
    "score, invscaling": Case(
        "two classes", SGD | {"early_stopping": True, "learning_rate": "invscaling"}
    ),
}


@pytest.mark.parametrize("case", STOPPING.values(), ids=STOPPING)
def test_training_stops_at_scikit_learns_epoch_with_its_parameters(case, engine):
    ours, sklearns = case.fitted(engine, shuffle=False, max_iter=1000, batch_size=16)
    assert ours.n_iter_ == sklearns.n_iter_
    assert ours.n_iter_ < 1000, "the case does not test stopping"
    assert ours.t_ == sklearns.t_
    assert_same_parameters(ours, sklearns)
    if ours.early_stopping:
        assert_close(ours.validation_scores_, sklearns.validation_scores_)
        assert_close(ours.best_validation_score_, sklearns.best_validation_score_)
        assert ours.best_loss_ is sklearns.best_loss_ is None
    else:
        assert ours.validation_scores_ is sklearns.validation_scores_ is None
        assert ours.best_validation_score_ is sklearns.best_validation_score_ is None
        assert_close(ours.best_loss_, sklearns.best_loss_)


@pytest.mark.parametrize("case", STOPPING.values(), ids=STOPPING)
def test_verbose_prints_scikit_learns_lines(case, engine, capsys):
    printed = []
    if case.target == "numbers":
        case = Case("number", case.options)  # their losses are another quantity, see above
    for estimator in case.pair(engine, shuffle=False, max_iter=1000, batch_size=16, verbose=True):
        estimator.fit(X, TARGETS[case.target], WEIGHTS if case.weighted else None)
        printed.append(capsys.readouterr().out)
    assert "topping.\n" in printed[0], "the case does not stop"
    assert printed[0] == printed[1]


def test_early_stopping_at_the_last_epoch_restores_the_best(engine):
    case = Case("three classes", SGD | {"early_stopping": True, "n_iter_no_change": np.inf})
    ours, sklearns = case.fitted(engine, shuffle=False, max_iter=40, learning_rate_init=0.3)
    assert np.argmax(ours.validation_scores_) < 39, "the last epoch is the best"
    assert_same_parameters(ours, sklearns)


PARTIAL = {
    "sgd": twenty_epochs("number", **SGD),
    "adam": twenty_epochs("number", **ADAM),
    "invscaling": twenty_epochs("number", **SGD, learning_rate="invscaling"),
    "adaptive": twenty_epochs(
        "number", **SGD | {"learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1}
    ),
    "classes": twenty_epochs("three classes", **ADAM),
    "labels": twenty_epochs("labels", **SGD),
    "sample_weight": twenty_epochs("two classes", weighted=True, **ADAM),
}


@pytest.mark.parametrize("after_fit", [False, True], ids=["from the start", "after a fit"])
@pytest.mark.parametrize("case", PARTIAL.values(), ids=PARTIAL)
def test_partial_fits_of_different_sizes_are_scikit_learns(case, after_fit, engine):
    y = TARGETS[case.target]
    pair = case.fitted(engine) if after_fit else case.pair(engine)
    for estimator in pair:
        first = {}
        if case.target in CLASSIFIED:
            first = {"classes": np.arange(3) if case.target == "labels" else np.unique(y)}
        for rows in (slice(0, 50), slice(10, 31), slice(5, 46), slice(0, 12), slice(0, 50)):
            sample_weight = WEIGHTS[rows] if case.weighted else None
            estimator.partial_fit(X[rows], y[rows], sample_weight=sample_weight, **first)
            first = {}
            assert estimator.n_iter_ == 1
    ours, sklearns = pair
    assert_same_parameters(ours, sklearns)
    assert ours.t_ == sklearns.t_
    assert_close(ours.loss_curve_, sklearns.loss_curve_)


def test_the_warnings_are_scikit_learns(engine):
    case = Case("number", {"max_iter": 2, "batch_size": 100})
    told = []
    for estimator in case.pair(engine):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, TARGETS["number"])
        told.append([(warning.category, str(warning.message)) for warning in caught])
        if isinstance(estimator, wg.MLPRegressor):
            assert {warning.filename for warning in caught} == {__file__}, "they point elsewhere"
    assert told[0] == told[1]
    assert [category for category, _ in told[0]] == [UserWarning, ConvergenceWarning]


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_parameters_defaults_and_tags_are_scikit_learns(name, engine):
    ours, sklearns = getattr(wg, name), getattr(theirs, name)

    def signature(method):
        return [
            (each.name, each.kind, each.default)
            for each in inspect.signature(method).parameters.values()
        ]

    sklearn_has = len(signature(sklearns))
    assert signature(ours)[:sklearn_has] == signature(sklearns)
    own = signature(ours)[sklearn_has:]
    assert own[0] == ("engine", inspect.Parameter.KEYWORD_ONLY, "auto")
    assert {kind for _, kind, _ in own} == {inspect.Parameter.KEYWORD_ONLY}
    assert signature(ours.fit)[:4] == signature(sklearns.fit)
    assert [name for name, _, _ in signature(ours.fit)[4:]] == [
        "X_val",
        "y_val",
        "sample_weight_val",
        "record",
        "copy_data",
        "overwrite",
        "unknown",  # which refuses every other name, with a hint
    ]
    assert signature(ours.partial_fit) == signature(sklearns.partial_fit)
    assert get_tags(ours()) == get_tags(sklearns())


@pytest.mark.parametrize("target", ["three classes", "labels", "number"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_every_public_attribute_of_scikit_learns_is_there_and_of_its_type(
    target, early_stopping, engine
):
    ours, sklearns = Case(target, {"early_stopping": early_stopping, "max_iter": 3}).fitted(engine)
    public = [name for name in vars(sklearns) if not name.startswith("_")]
    assert {"coefs_", "intercepts_", "t_", "out_activation_", "loss_curve_"} <= set(public)
    for name in public:
        value, expected = getattr(ours, name), getattr(sklearns, name)
        kind = float if isinstance(expected, float) else type(expected)
        assert isinstance(value, kind), name
    exact = (
        "n_iter_",
        "t_",
        "n_layers_",
        "n_outputs_",
        "out_activation_",
        "n_features_in_",
        "loss",
    )
    assert [getattr(ours, name) for name in exact] == [getattr(sklearns, name) for name in exact]
    assert [W.shape for W in ours.coefs_] == [W.shape for W in sklearns.coefs_]


def assert_same_parameters(ours, sklearns):
    expected = flat(sklearns)
    assert np.abs(flat(ours) - expected).max() <= TOLERANCE * np.abs(expected).max()
