"""A fit that goes on where the last one ended is the fit that never paused."""

import re
import signal

import numpy as np
import pytest
from sklearn.datasets import load_iris

import whygrad as wg
from engines import each_engine
from whygrad import MLPClassifier, MLPRegressor

few_epochs = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[CLASSES]
NUMBERS = X[:, 2:] ** 2
FAST = {"solver": "adam", "learning_rate_init": 0.02, "random_state": 0}

GOING_ON = {
    "sgd": {"solver": "sgd"},
    "adam": {"solver": "adam"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 0.1,
        "n_iter_no_change": 1,
    },
    "early stopping": {"solver": "adam", "early_stopping": True, "n_iter_no_change": 10},
    "batches that do not divide": {"solver": "adam", "batch_size": 40},
    "nadam": {"solver": "nadam"},
    "adamw, clipped, smoothed": {"solver": "adamw", "clip": 0.5, "label_smoothing": 0.1},
    "dropout": {"solver": "rmsprop", "dropout": 0.3, "batch_size": 40},
    "on plateau": {"solver": "adagrad", "schedule": "on_plateau"},
    "steps of the rate": {"solver": "sgd", "schedule": wg.Step(every=3, factor=0.5)},
    "a step shared by threads": {
        "solver": "adam",
        "hidden_layer_sizes": (250, 300),
        "batch_size": 130,
        "early_stopping": True,
    },
    "layer statistics": {"solver": "adam", "layer_statistics": True, "batch_size": 40},
}


@few_epochs
@each_engine
@pytest.mark.parametrize("options", GOING_ON.values(), ids=GOING_ON)
@pytest.mark.parametrize("random_state", [4, None])
def test_ten_warm_starts_of_one_epoch_are_one_fit_of_ten(options, random_state, engine):
    start = np.random.get_state()
    fitted = []
    for epochs, fits in ((10, 1), (1, 10)):
        np.random.set_state(start)  # which random_state=None draws from
        clf = MLPClassifier(
            (6,), max_iter=epochs, warm_start=True, random_state=random_state, engine=engine
        )
        clf.set_params(learning_rate_init=0.05, **options)
        for _ in range(fits):
            clf.fit(X, NAMES)
            assert clf.n_iter_ == epochs
        fitted.append(clf)
    once, tenfold = fitted
    assert np.array_equal(once.theta_.flat, tenfold.theta_.flat)
    assert once.loss_curve_ == tenfold.loss_curve_ and len(once.loss_curve_) == 10
    assert once.validation_scores_ == tenfold.validation_scores_
    assert once.best_loss_ == tenfold.best_loss_
    assert once.t_ == tenfold.t_ == 10 * (135 if once.early_stopping else 150)


@few_epochs
@pytest.mark.parametrize("schedule", [wg.Cosine(last=0.1), wg.OneCycle()])
def test_a_schedule_over_the_whole_training_is_laid_out_anew_by_every_warm_start(schedule):
    def rates(epochs, fits):
        clf = MLPClassifier((4,), max_iter=epochs, warm_start=True, engine="reference")
        clf.set_params(schedule=schedule, random_state=0)
        for _ in range(fits):
            clf.fit(X, CLASSES)
        return [epoch.learning_rate for epoch in clf.history_.epochs]

    assert rates(2, fits=2) == rates(2, fits=1) + rates(4, fits=1)[2:]


@few_epochs
def test_without_warm_start_a_second_fit_is_the_first_one_again():
    clf = MLPClassifier((6,), max_iter=3, random_state=1, engine="reference").fit(X, CLASSES)
    first = clf.theta_.flat.copy()
    clf.fit(X, CLASSES)
    assert np.array_equal(clf.theta_.flat, first) and len(clf.loss_curve_) == 3


@few_epochs
@pytest.mark.parametrize("options", GOING_ON.values(), ids=GOING_ON)
def test_the_same_random_state_gives_the_same_bits_and_another_one_others(options):
    def train(random_state):
        clf = MLPClassifier((6,), max_iter=5, random_state=random_state, engine="reference")
        return clf.set_params(**options).fit(X, CLASSES).theta_.flat

    assert np.array_equal(train(7), train(7))
    assert np.array_equal(train(np.random.RandomState(7)), train(7))
    assert not np.array_equal(train(7), train(8))


@few_epochs
def test_warm_start_with_another_solver_starts_its_averages_afresh():
    clf = MLPClassifier((6,), solver="sgd", max_iter=3, warm_start=True, random_state=0)
    clf.set_params(engine="reference").fit(X, CLASSES)
    theta = clf.theta_.copy()
    clf.set_params(solver="adam", max_iter=1, batch_size=150, alpha=0.0).fit(X, CLASSES)
    # The first step of Adam moves every parameter by the rate, whatever the gradient.
    moved = np.abs(clf.theta_.flat - theta.flat)
    np.testing.assert_allclose(moved[moved > 1e-6], 0.001, rtol=1e-3)
    assert len(clf.loss_curve_) == 4


@few_epochs
def test_warm_start_with_another_stopping_rule_forgets_the_old_best():
    clf = MLPClassifier((6,), max_iter=3, warm_start=True, random_state=0, engine="reference")
    clf.set_params(early_stopping=True).fit(X, CLASSES)
    scores = clf.validation_scores_
    clf.set_params(early_stopping=False).fit(X, CLASSES)
    assert clf.best_loss_ == min(clf.loss_curve_[3:]) and clf.validation_scores_ is None
    clf.set_params(early_stopping=True).fit(X, CLASSES)
    assert clf.validation_scores_[:3] == scores and len(clf.validation_scores_) == 6
    assert clf.best_validation_score_ == max(clf.validation_scores_[3:])
    assert clf.best_loss_ is None


@few_epochs
def test_warm_start_refuses_another_network_and_other_classes():
    clf = MLPClassifier((6,), max_iter=1, warm_start=True, engine="reference").fit(X, CLASSES)
    with pytest.raises(wg.InputError, match=re.escape("the fit so far has (4, 6, 3)")):
        clf.set_params(hidden_layer_sizes=(7,)).fit(X, CLASSES)
    clf.set_params(hidden_layer_sizes=(6,))
    with pytest.raises(wg.InputError, match="same classes as in the previous call to fit"):
        clf.fit(X, CLASSES + 1)


@few_epochs
@each_engine
def test_partial_fit_learns_and_needs_all_classes_the_first_time(engine):
    clf = MLPClassifier((8,), **FAST, engine=engine)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X[:50], NAMES[:50])
    clf.partial_fit(X[:50], NAMES[:50], classes=np.unique(NAMES))  # only one of the classes
    assert clf.n_iter_ == 1
    for _ in range(60):
        clf.partial_fit(X, NAMES)
    assert clf.score(X, NAMES) > 0.95
    assert clf.t_ == 50 + 60 * 150
    with pytest.raises(wg.InputError, match="classes not in `self.classes_`"):
        clf.partial_fit(X[:2], ["setosa", "rose"])


def test_partial_fit_refuses_early_stopping():
    with pytest.raises(wg.InputError, match="partial_fit does not support early_stopping=True"):
        MLPRegressor(early_stopping=True).partial_fit(X, NUMBERS)


# ── an epoch that was broken off ─────────────────────────────────────────────────────────────────────


class PressWithinAnEpoch(wg.Callback):
    """A callback that presses Ctrl-C before the first epoch is over."""

    def on_steps_end(self, report):
        if report.state.batch_index:
            signal.raise_signal(signal.SIGINT)


@few_epochs
def test_an_epoch_that_was_broken_off_is_finished_by_the_next_warm_start():
    press = PressWithinAnEpoch()
    options = {"solver": "sgd", "batch_size": 1, "random_state": 0, "engine": "reference"}
    clf = MLPClassifier((4,), max_iter=3, warm_start=True, callbacks=[press], **options)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        clf.fit(X, CLASSES)
    assert (clf.n_iter_, clf.t_, clf.loss_) == (0, 0, np.inf), "no epoch is over"
    assert np.isfinite(clf.predict_proba(X)).all()
    clf.set_params(callbacks=None).fit(X, CLASSES)
    three = MLPClassifier((4,), max_iter=3, **options).fit(X, CLASSES)
    assert np.array_equal(clf.theta_.flat, three.theta_.flat)
    assert clf.loss_curve_ == three.loss_curve_


@few_epochs
def test_an_epoch_that_was_broken_off_is_begun_again_on_other_data():
    options = {"solver": "sgd", "batch_size": 1, "random_state": 0, "engine": "reference"}
    clf = MLPClassifier((4,), callbacks=[PressWithinAnEpoch()], **options)
    with pytest.warns(UserWarning, match="interrupted"):
        clf.fit(X, CLASSES)
    clf.set_params(callbacks=None)
    clf.partial_fit(X[:5], CLASSES[:5])
    assert (clf.n_iter_, clf.t_, len(clf.loss_curve_)) == (1, 5, 1)
