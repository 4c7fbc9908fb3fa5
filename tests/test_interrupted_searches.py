"""An interrupt while scikit-learn fits many ends all; one fit alone ends with what it has learned."""

import signal

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from whygrad import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 3
GRID = {"alpha": [0.1, 1.0, 10.0]}


class Press:
    """Presses Ctrl-C in the second epoch of the first fit, and counts the fits that came so far."""

    fits = 0

    def __call__(self, report):
        if report.state.epoch == 1:
            Press.fits += 1
        if report.state.epoch == 2 and Press.fits == 1:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def as_from_a_keyboard(monkeypatch):
    monkeypatch.setattr(Press, "fits", 0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pressed(kind=MLPClassifier, **options):
    options = {"max_iter": 4, "engine": "reference", "random_state": 0} | options
    return kind(hidden_layer_sizes=(3,), callbacks=Press(), **options)


MANY = {
    "a grid search": lambda mlp: GridSearchCV(mlp, GRID, cv=3).fit(X, Y),
    "a search of pipelines": lambda mlp: GridSearchCV(
        make_pipeline(StandardScaler(), mlp), {"mlpclassifier__alpha": [0.1, 1.0]}, cv=3
    ).fit(X, Y),
    "a random search": lambda mlp: RandomizedSearchCV(mlp, GRID, n_iter=2, cv=3).fit(X, Y),
    "folds": lambda mlp: cross_val_score(mlp, X, Y, cv=3),
    "predictions of folds": lambda mlp: cross_val_predict(mlp, X, Y, cv=3),
    "a learning curve": lambda mlp: learning_curve(mlp, X, Y, cv=3, train_sizes=[0.5, 1.0]),
    "an ensemble": lambda mlp: BaggingClassifier(mlp, 3).fit(X, Y),
    "a vote": lambda mlp: VotingClassifier([("one", mlp), ("two", clone(mlp))]).fit(X, Y),
    "one against the rest": lambda mlp: OneVsRestClassifier(mlp).fit(X, Y),
    "calibration": lambda mlp: CalibratedClassifierCV(mlp, cv=3).fit(X, Y),
    "joblib": lambda mlp: Parallel(n_jobs=1)(
        delayed(lambda k: clone(mlp).fit(X, Y))(k) for k in range(3)
    ),
}


@pytest.mark.parametrize("fit", MANY.values(), ids=MANY)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupt_ends_what_fits_many(fit, solver):
    with pytest.raises(KeyboardInterrupt):
        fit(pressed(solver=solver))
    assert Press.fits == 1, "another fit began"


def test_no_fit_that_was_cut_off_is_scored():
    search = GridSearchCV(pressed(), GRID, cv=3, error_score=0.0)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "cv_results_")


ONE = {
    "a fit": (lambda: pressed().fit(X, Y), lambda fitted: fitted),
    "a pipeline": (
        lambda: make_pipeline(StandardScaler(), pressed()).fit(X, Y),
        lambda fitted: fitted[-1],
    ),
    "a transformed target": (
        lambda: TransformedTargetRegressor(
            pressed(MLPRegressor, loss="squared_error"), transformer=StandardScaler()
        ).fit(X, Y),
        lambda fitted: fitted.regressor_,
    ),
}


@pytest.mark.parametrize(("fit", "inner"), ONE.values(), ids=ONE)
def test_an_interrupt_of_one_fit_keeps_what_it_has_learned(fit, inner):
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        fitted = fit()
    assert inner(fitted).n_iter_ == 2
    assert fitted.predict(X).shape == (40,)
