"""Subclasses of the estimators with an `__init__` of their own work as those of scikit-learn's do.

Every form is made of both libraries' classes, does the same, and with `shuffle=False` ends with the same
weights.
"""

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

import whygrad as wg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = load_iris(return_X_y=True)
X = ((X - X.mean(axis=0)) / X.std(axis=0))[::3]
CLASSES = CLASSES[::3]
FIXED = {"max_iter": 5, "shuffle": False, "random_state": 0}


def fewer(base):
    class Fewer(base):
        def __init__(self, alpha=0.01):
            super().__init__((4,), alpha=alpha, **FIXED)

    return Fewer


def more(base):
    class More(base):
        def __init__(self, hidden_layer_sizes=(4,), *, alpha=0.01, scale=2.0):
            super().__init__(hidden_layer_sizes, alpha=alpha, **FIXED)
            self.scale = scale

        def fit(self, X, y, sample_weight=None):
            return super().fit(self.scale * X, y, sample_weight)

        def predict(self, X):
            return super().predict(self.scale * X)

    return More


def renamed(base):
    class Renamed(base):
        def __init__(self, width=4, alpha=0.01):
            self.width = width
            super().__init__((width,), alpha=alpha, **FIXED)

        def set_params(self, **params):
            super().set_params(**params)
            self.hidden_layer_sizes = (self.width,)
            return self

    return Renamed


def keywords(base):
    class Keywords(base):
        def __init__(self, alpha=0.01, **others):
            super().__init__(**{"hidden_layer_sizes": (4,), "alpha": alpha} | FIXED | others)

    return Keywords


def set_by_itself(base):
    """All of scikit-learn's parameters set without the base's `__init__`, as older code does."""

    class SetByItself(base):
        def __init__(self, alpha=0.01, hidden_layer_sizes=(4,)):
            for name, value in theirs.MLPClassifier().get_params().items():
                setattr(self, name, value)
            self.loss = "log_loss"
            self.hidden_layer_sizes = hidden_layer_sizes
            self.alpha = alpha
            for name, value in FIXED.items():
                setattr(self, name, value)

    return SetByItself


def class_level(base):
    class ClassLevel(base):
        note = "a default of the class"
        width = 4

        def __init__(self, alpha=0.01):
            super().__init__((self.width,), alpha=alpha, **FIXED)

    return ClassLevel


def own_parameters(base):
    """What it is made of is kept in one attribute, and told by `get_params` of its own."""

    class OwnParameters(base):
        def __init__(self, settings=None, alpha=0.01):
            super().__init__(**{"hidden_layer_sizes": (4,), "alpha": alpha} | FIXED)
            self.settings = settings

        def get_params(self, deep=True):
            return {"settings": self.settings, "alpha": self.alpha}

    return OwnParameters


def unpicklable(base):
    """It holds what no copy could be made of by pickling."""

    class Unpicklable(base):
        def __init__(self, alpha=0.01):
            super().__init__((4,), alpha=alpha, **FIXED)
            self._steps = iter(range(3))

        def __getstate__(self):
            raise TypeError("not to be pickled")

    return Unpicklable


def nothing_of_its_own(base):
    class NothingOfItsOwn(base):
        pass

    return lambda **options: NothingOfItsOwn(**{"hidden_layer_sizes": (4,)} | FIXED | options)


FORMS = {
    form.__name__: form
    for form in (
        fewer,
        more,
        renamed,
        keywords,
        set_by_itself,
        class_level,
        own_parameters,
        unpicklable,
        nothing_of_its_own,
    )
}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def pair(form, **options):
    """An estimator of each library; ours compiles nothing."""
    ours = form(wg.MLPClassifier)(**options)
    ours.engine = "reference"
    return ours, form(theirs.MLPClassifier)(**options)


def assert_same(ours, sklearns):
    for mine, other in zip(ours.coefs_, sklearns.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


@each_form
def test_a_subclass_trains_and_predicts_as_scikit_learns(form):
    ours, sklearns = pair(form, alpha=0.5)
    ours.fit(X, CLASSES)
    sklearns.fit(X, CLASSES)
    assert_same(ours, sklearns)
    np.testing.assert_array_equal(ours.predict(X), sklearns.predict(X))
    assert ours.score(X, CLASSES) == sklearns.score(X, CLASSES)
    assert get_tags(ours) == get_tags(sklearns)


@each_form
def test_a_subclass_has_the_parameters_of_its_signature_and_can_be_cloned(form):
    ours, sklearns = pair(form, alpha=0.5)
    if form is not nothing_of_its_own:
        assert ours.get_params() == sklearns.get_params()
    again = clone(ours.fit(X, CLASSES))
    assert again.get_params() == ours.get_params() and again.alpha == 0.5
    assert not hasattr(again, "coefs_")
    ours.set_params(alpha=0.25)
    assert ours.alpha == 0.25


@each_form
def test_a_subclass_goes_on_by_partial_fits(form):
    ours, sklearns = pair(form)
    for estimator in (ours, sklearns):
        for _ in range(3):
            estimator.partial_fit(X, CLASSES, classes=[0, 1, 2])
    assert_same(ours, sklearns)


@each_form
def test_a_subclass_is_searched_over(form):
    ours, sklearns = (
        GridSearchCV(estimator, {"alpha": [0.01, 100.0]}, cv=2).fit(X, CLASSES)
        for estimator in pair(form)
    )
    assert ours.best_params_ == sklearns.best_params_
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], sklearns.cv_results_["mean_test_score"], rtol=1e-12
    )


@each_form
def test_a_subclass_is_asked_why_and_recorded(form, tmp_path):
    ours, _ = pair(form)
    if form is more:  # whose `fit` hands on less
        wg.MLPClassifier.fit(ours, X, CLASSES, record=tmp_path / "one.run")
    else:
        ours.fit(X, CLASSES, record=tmp_path / "one.run")
    assert ours.why_.blame(X, CLASSES).kind == "blame"
    assert np.array_equal(wg.open_run(tmp_path / "one.run").theta.flat, ours.theta_.flat)


@each_form
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_subclass_is_fitted_again(form, warm_start):
    ours, sklearns = pair(form)
    for estimator in (ours, sklearns):
        estimator.warm_start = warm_start
        estimator.fit(X, CLASSES)
        estimator.fit(X, CLASSES)
    assert ours.n_iter_ == sklearns.n_iter_ == 5
    assert len(ours.loss_curve_) == len(sklearns.loss_curve_)


def test_a_subclass_that_names_its_classes_anew_after_the_fit_may():
    class Named(wg.MLPClassifier):
        def fit(self, X, y):
            names, places = np.unique(y, return_inverse=True)
            super().fit(X, places)
            self.classes_ = names
            return self

        def predict(self, X):
            return self.classes_[super().predict(X)]

    names = np.array(["setosa", "versicolor", "virginica"])[CLASSES]
    clf = Named((4,), engine="reference", **FIXED).fit(X, names)
    assert set(clf.predict(X)) <= set(names)
    assert clf.why_.names.outputs == ("setosa", "versicolor", "virginica")


def test_what_whygrad_adds_is_a_parameter_of_a_subclass_as_well():
    class Dropped(wg.MLPRegressor):
        def __init__(self, dropout=0.3, max_iter=2):
            super().__init__(dropout=dropout, max_iter=max_iter, engine="reference")

    search = GridSearchCV(Dropped(), {"dropout": [0.0, 0.5]}, cv=2).fit(X, X[:, 0])
    assert search.best_estimator_.net_.layers[0].dropout == search.best_params_["dropout"]
