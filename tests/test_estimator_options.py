"""What the estimators offer beyond scikit-learn's, each in its effect; by default none of it is there."""

import pickle
import signal
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split

import whygrad as wg
from engines import each_engine
from whygrad import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
TWO = np.array(["no", "yes"])[(CLASSES > 1).astype(int)]
LABELS = np.column_stack([X[:, 2] > 0, X[:, 3] > 0.5]).astype(int)
NUMBERS = X[:, 2:] ** 2
X_TRAIN, X_VAL, Y_TRAIN, Y_VAL = train_test_split(X, CLASSES, random_state=0)
FAST = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "random_state": 0, "max_iter": 30}


def fitted(kind=MLPClassifier, y=CLASSES, **options):
    return kind(**FAST | {"engine": "reference"} | options).fit(X, y)


def same(one, other):
    return np.array_equal(one.theta_.flat, other.theta_.flat)


# ── the network ──────────────────────────────────────────────────────────────────────────────────────


@each_engine
def test_dropout_is_that_of_the_layers_and_does_not_touch_predictions(engine):
    one = fitted(hidden_layer_sizes=(8, 6), dropout=0.5, engine=engine)
    each = fitted(hidden_layer_sizes=(8, 6), dropout=[0.5, 0.5], engine=engine)
    assert [layer.dropout for layer in one.net_.layers] == [0.5, 0.5, 0.0]
    assert same(one, each) and not same(one, fitted(hidden_layer_sizes=(8, 6), engine=engine))
    only = fitted(hidden_layer_sizes=(8, 6), dropout=(0.0, 0.3))
    assert [layer.dropout for layer in only.net_.layers] == [0.0, 0.3, 0.0]


def test_activations_may_differ_by_layer_and_each_starts_as_its_kind():
    clf = fitted(
        hidden_layer_sizes=(8, 6), activation=["logistic", wg.functions.ACTIVATIONS["elu"]]
    )
    assert [f.name for f in clf.net_.f[1:]] == ["sigmoid", "elu", "softmax"]
    bounds = [layer.init.high for layer in clf.net_.layers]
    np.testing.assert_allclose(bounds, [(2 / 12) ** 0.5, (6 / 14) ** 0.5, (6 / 9) ** 0.5])
    options = {"hidden_layer_sizes": (8, 6)}
    assert same(fitted(activation=["tanh"] * 2, **options), fitted(activation="tanh", **options))


def test_activations_gives_every_layer_of_the_forward_pass():
    clf = fitted(hidden_layer_sizes=(8, 6))
    a = clf.activations(X)
    assert [layer.shape for layer in a] == [(150, 4), (150, 8), (150, 6), (150, 3)]
    assert np.array_equal(a[0], X)
    np.testing.assert_allclose(a[-1], clf.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(a[1], np.maximum(0, X @ clf.coefs_[0] + clf.intercepts_[0]))


# ── the loss ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class FourthPower:
    """A cost of the user's own."""

    name: str = "fourth_power"

    def value(self, a, y):
        return ((a - y) ** 4).sum(axis=1)

    def derivative(self, a, y):
        return 4 * (a - y) ** 3


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", FourthPower()])
@pytest.mark.parametrize(
    ("y", "ending"), [(CLASSES, "softmax"), (TWO, "logistic"), (LABELS, "logistic")]
)
def test_a_classifier_can_be_trained_by_any_cost_and_is_judged_by_its_accuracy(loss, y, ending):
    options = {"learning_rate_init": 0.1, "n_iter_no_change": 50, "max_iter": 300, "loss": loss}
    X_val, y_val = X[::10], y[::10]
    clf = MLPClassifier(**FAST | options, engine="reference", early_stopping=True)
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    assert clf.out_activation_ == ending and clf.net_.C.name == getattr(loss, "name", loss)
    assert clf.score(X, y) > 0.75
    assert clf.best_validation_score_ == pytest.approx(accuracy_score(y_val, clf.predict(X_val)))


@pytest.mark.parametrize(
    ("loss", "ending"),
    [
        ("absolute_error", "identity"),
        ("huber", "identity"),
        ("poisson", "exp"),
        ("binary_cross_entropy", "logistic"),
        ("cross_entropy", "softmax"),
        (FourthPower(), "identity"),
    ],
)
def test_a_regressor_takes_any_cost_with_the_outputs_that_fit_it(loss, ending):
    y = X[:, 2:] ** 2
    if loss in ("binary_cross_entropy", "cross_entropy"):
        y = y / y.sum(axis=1, keepdims=True)
    reg = fitted(MLPRegressor, y, loss=loss)
    assert reg.out_activation_ == ending
    assert reg.loss_ < reg.loss_curve_[0]


def test_sigmoid_outputs_for_each_class_give_probabilities_that_sum_to_1():
    clf = fitted(loss="binary_cross_entropy", out_activation="logistic")
    assert clf.out_activation_ == "logistic" and clf.net_.C.name == "binary_cross_entropy"
    P = clf.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    np.testing.assert_allclose(
        P, clf.activations(X)[-1] / clf.activations(X)[-1].sum(axis=1)[:, None]
    )
    assert clf.score(X, CLASSES) > 0.85


def test_outputs_that_are_no_probabilities_offer_none():
    clf = fitted(loss="squared_error", out_activation="identity")
    assert clf.score(X, CLASSES) > 0.75
    assert not hasattr(clf, "predict_proba") and not hasattr(clf, "predict_log_proba")
    assert hasattr(fitted(max_iter=1), "predict_proba")


@each_engine
def test_label_smoothing_keeps_the_outputs_off_0_and_1(engine):
    sharp, smooth = (
        fitted(label_smoothing=share, solver="lbfgs", max_iter=300, engine=engine)
        for share in (0.0, 0.3)
    )
    assert sharp.predict_proba(X).max() > 0.999
    np.testing.assert_allclose(np.median(smooth.predict_proba(X).max(axis=1)), 0.8, atol=0.02)


# ── what counts ──────────────────────────────────────────────────────────────────────────────────────


@each_engine
@pytest.mark.parametrize("y", [CLASSES, TWO], ids=["three", "two"])
def test_class_weights_are_sample_weights(y, engine):
    names = np.unique(y)
    by_class = dict(zip(names, (0.5, 2.0, 3.0), strict=False))
    s = np.linspace(0.5, 1.5, 150)
    ours = fitted(y=y, class_weight=by_class, engine=engine)
    by_hand = MLPClassifier(**FAST, engine=engine)
    assert same(ours, by_hand.fit(X, y, np.array([by_class[each] for each in y])))
    ours.fit(X, y, s)
    assert same(ours, by_hand.fit(X, y, s * np.array([by_class[each] for each in y])))


def test_balanced_classes_count_alike_and_labels_have_a_dict_each():
    rare = np.r_[0:50, 50:60]
    y = (CLASSES > 0).astype(int)[rare]
    balanced = MLPClassifier(**FAST, class_weight="balanced", engine="reference").fit(X[rare], y)
    by_hand = MLPClassifier(**FAST, class_weight={0: 60 / 100, 1: 60 / 20}, engine="reference")
    assert same(balanced, by_hand.fit(X[rare], y))
    of_labels = [{0: 1, 1: 2}, {0: 1, 1: 5}]
    sample_weight = (1 + LABELS[:, 0]) * (1 + 4 * LABELS[:, 1])
    clf = MLPClassifier(**FAST, engine="reference").fit(X, LABELS, sample_weight)
    assert same(fitted(y=LABELS, class_weight=of_labels), clf)


def test_balanced_needs_to_see_all_the_data():
    clf = MLPClassifier(class_weight="balanced")
    with pytest.raises(wg.InputError, match="'balanced' is not for partial_fit"):
        clf.partial_fit(X, CLASSES, classes=[0, 1, 2])


# ── the solver ───────────────────────────────────────────────────────────────────────────────────────

RULES = {
    "adamw": wg.AdamW(0.02),
    "nadam": wg.Nadam(0.02),
    "rmsprop": wg.RMSprop(0.02),
    "adagrad": wg.Adagrad(0.02, epsilon=1e-8),
    "adam": wg.Adam(0.02, epsilon_hat=True),
    "lbfgs": wg.LBFGS(),
}


@each_engine
@pytest.mark.parametrize("name", RULES)
def test_a_solver_is_a_name_or_an_optimizer(name, engine):
    by_name = fitted(solver=name, engine=engine)
    assert same(by_name, fitted(solver=RULES[name], learning_rate_init=99.0, engine=engine))
    assert by_name.loss_ < 0.9 * by_name.loss_curve_[0]
    adam = fitted(engine=engine)
    assert same(by_name, adam) == (name == "adam")


def test_an_optimizer_survives_clone_and_a_grid_search():
    grid = {"solver": [wg.AdamW(1e-6), wg.AdamW(0.03)], "schedule": [None, wg.OneCycle()]}
    search = GridSearchCV(MLPClassifier(**FAST, engine="reference"), grid, cv=3, n_jobs=2)
    search.fit(X, CLASSES)
    assert search.best_params_["solver"] == wg.AdamW(0.03) and search.best_score_ > 0.9


def test_lbfgs_as_an_object_has_no_partial_fit():
    there = [
        hasattr(MLPClassifier(solver=rule), "partial_fit") for rule in (wg.LBFGS(), wg.AdamW())
    ]
    assert there == [False, True]


@each_engine
@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw"])
def test_a_schedule_changes_the_rate_of_every_solver(solver, engine):
    clf = fitted(solver=solver, schedule=wg.Step(10, 0.5), engine=engine)
    rates = [epoch.learning_rate for epoch in clf.history_.epochs]
    assert rates == [0.02] * 10 + [0.01] * 10 + [0.005] * 10
    assert same(fitted(solver=solver, schedule="step"), fitted(solver=solver, schedule=wg.Step()))


def test_a_schedule_takes_the_place_of_learning_rate():
    options = {"solver": "sgd", "learning_rate": "invscaling"}
    plain = fitted(solver="sgd")
    assert not same(fitted(**options), plain)
    assert same(fitted(**options, schedule="constant"), plain)


@each_engine
def test_clip_bounds_the_gradient(engine):
    options = {"solver": "sgd", "momentum": 0.0, "max_iter": 1, "engine": engine}
    start, clipped = fitted(**options | {"learning_rate_init": 1e-300}), fitted(**options, clip=0.1)
    moved = np.linalg.norm(clipped.theta_.flat - start.theta_.flat)  # one batch, one step
    assert moved == pytest.approx(0.02 * 0.1)
    assert same(clipped, fitted(**options, clip=wg.Clip(norm=0.1)))


# ── what can be watched ──────────────────────────────────────────────────────────────────────────────


@each_engine
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_own_validation_data_are_measured_after_every_epoch_and_not_learned_from(solver, engine):
    options = FAST | {"solver": solver, "engine": engine}
    clf = MLPClassifier(**options).fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    assert same(clf, MLPClassifier(**options).fit(X_TRAIN, Y_TRAIN))
    assert len(clf.validation_loss_curve_) == len(clf.validation_scores_) == clf.n_iter_
    assert clf.validation_scores_[-1] == pytest.approx(clf.score(X_VAL, Y_VAL))
    cost = -np.log(clf.predict_proba(X_VAL)[np.arange(len(Y_VAL)), Y_VAL]).mean()
    assert clf.validation_loss_curve_[-1] == pytest.approx(cost)


@each_engine
def test_early_stopping_goes_by_own_validation_data_and_trains_on_all_the_rest(engine):
    options = FAST | {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 200}
    clf = MLPClassifier(**options, engine=engine)
    clf.fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    assert clf.n_iter_ < 200 and clf.t_ == clf.n_iter_ * len(X_TRAIN)
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert clf.score(X_VAL, Y_VAL) == pytest.approx(clf.best_validation_score_)


def test_the_validation_cost_stands_beside_the_score():
    clf = fitted(early_stopping=True)
    assert len(clf.validation_loss_curve_) == len(clf.validation_scores_) == clf.n_iter_
    assert clf.validation_loss_curve_ == clf.history_.validation_cost
    assert fitted().validation_loss_curve_ is None


def test_validation_data_of_numbers_and_with_weights():
    reg = MLPRegressor(**FAST, engine="reference")
    s = np.linspace(0.1, 2, 50)
    reg.fit(X[50:], NUMBERS[50:], X_val=X[:50], y_val=NUMBERS[:50], sample_weight_val=s)
    assert reg.validation_scores_[-1] == pytest.approx(reg.score(X[:50], NUMBERS[:50], s))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X}, "belong together"),
        ({"y_val": CLASSES}, "belong together"),
        ({"X_val": X[:, :3], "y_val": CLASSES}, "expecting 4 features"),
        ({"X_val": X, "y_val": CLASSES + 7}, "classes not in"),
        ({"X_val": X[:5], "y_val": CLASSES}, "inconsistent"),
    ],
)
def test_validation_data_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**FAST, engine="reference").fit(X, CLASSES, **given)


def stop_after_five(report):
    return report.state.epoch >= 5


@each_engine
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_every_epoch_stop_the_fit_and_survive_clone_and_pickle(solver, engine):
    costs = []
    clf = fitted(
        solver=solver, callbacks=[lambda report: costs.append(report.epoch.cost)], engine=engine
    )
    assert costs == clf.loss_curve_
    short = fitted(solver=solver, callbacks=stop_after_five, engine=engine)
    for again in (short, clone(short), pickle.loads(pickle.dumps(short))):
        assert again.fit(X, CLASSES).n_iter_ == 5
        assert again.history_.stopped == "stopped by a callback"


@each_engine
def test_layer_statistics_tell_of_the_last_step_of_each_epoch_and_change_nothing(engine):
    options = {
        "solver": "sgd",
        "batch_size": 40,
        "dropout": 0.5,
        "shuffle": False,
        "engine": engine,
    }
    told, plain = fitted(**options, layer_statistics=True), fitted(**options)
    assert same(told, plain) and told.loss_curve_ == plain.loss_curve_
    assert all(len(epoch.layers) == 2 for epoch in told.history_.epochs)
    assert all(epoch.layers == () for epoch in plain.history_.epochs)


@each_engine
def test_layer_statistics_are_the_gradient_and_the_step(engine):
    options = {
        "solver": "sgd",
        "momentum": 0.0,
        "batch_size": 150,
        "shuffle": False,
        "engine": engine,
    }
    two, one = fitted(**options, max_iter=2, layer_statistics=True), fitted(**options, max_iter=1)
    net, theta = one.net_, one.theta_
    trace = wg.backward(net, theta, wg.forward(net, theta, X), CLASSES)
    g = wg.gradients(net, theta, trace, l2=1e-4 / 150)
    for l, layer in enumerate(two.history_.epochs[1].layers, start=1):
        norm = np.hypot(np.linalg.norm(g.dW[l]), np.linalg.norm(g.db[l]))
        size = np.hypot(np.linalg.norm(theta.W[l]), np.linalg.norm(theta.b[l]))
        assert layer.gradient == pytest.approx(norm, rel=1e-9)
        assert layer.update == pytest.approx(0.02 * norm / size, rel=1e-9)


def test_verbose_prints_a_line_for_every_iteration_of_lbfgs(capsys):
    clf = fitted(solver="lbfgs", verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Iteration {i + 1}, loss = {C:.8f}" for i, C in enumerate(clf.loss_curve_)]


def test_ctrl_c_ends_a_fit_by_lbfgs_with_a_warning():
    def press(report):
        if report.state.epoch == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        clf = fitted(solver="lbfgs", callbacks=[press])
    assert clf.n_iter_ == 4 and same(clf, fitted(solver="lbfgs", max_iter=4))


def test_shuffling_draws_from_another_stream():
    options = FAST | {"batch_size": 10, "max_iter": 2}
    ours = fitted(**options)
    sklearns = theirs.MLPClassifier(**options).fit(X, CLASSES)
    assert np.abs(ours.coefs_[0] - sklearns.coefs_[0]).max() > 1e-3
    np.testing.assert_allclose(ours.loss_curve_, sklearns.loss_curve_, rtol=0.2)


# ── one clear line ───────────────────────────────────────────────────────────────────────────────────

REFUSED = {
    "a loss": ({"loss": "squarred_error"}, "did you mean 'squared_error'"),
    "outputs that do not fit": ({"out_activation": "identity"}, "needs outputs with"),
    "an output": ({"out_activation": "softmaxx"}, "did you mean 'softmax'"),
    "a schedule": ({"schedule": "one_cicle"}, "did you mean 'one_cycle'"),
    "dropout 1": ({"dropout": 1.0}, "'dropout' parameter"),
    "dropout of one layer too many": ({"dropout": [0.5, 0.5]}, "2 values for 1 hidden layers"),
    "dropout in a list": ({"dropout": [1.5]}, "dropout is 1.5"),
    "activations": ({"activation": ["relu", "tanh"]}, "2 values for 1 hidden layers"),
    "one of the activations": ({"activation": ["rleu"]}, "did you mean 'relu'"),
    "clip": ({"clip": -1.0}, "'clip' parameter"),
    "a solver": ({"solver": wg.SGD}, "an optimizer is a name or one such as"),
    "smoothing of distances": (
        {"label_smoothing": 0.1, "loss": "squared_error"},
        "label_smoothing needs targets that are classes",
    ),
    "lbfgs with dropout": ({"solver": "lbfgs", "dropout": 0.5}, "dropout cannot be combined"),
    "lbfgs with a schedule": ({"solver": "lbfgs", "schedule": "cosine"}, "a schedule cannot be"),
    "lbfgs with clipping": ({"solver": "lbfgs", "clip": 1.0}, "clipping cannot be"),
    "a class weight": ({"class_weight": "ballanced"}, "'class_weight' parameter"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_with_a_reason(options, message):
    with pytest.raises(ValueError, match=message):
        fitted(**options)
