"""An estimator is never left half refitted: whatever ends a fit, what was fitted before is still whole."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import whygrad as wg
from whygrad import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(40, 3))
Y = np.where(X[:, 0] > 0, "right", "left")
OTHER_X = DRAWS.normal(size=(60, 5))
OTHER_Y = np.array(["one", "two", "three"])[np.arange(60) % 3]
SMALL = {"engine": "reference", "random_state": 0, "max_iter": 3}


class Ended(Exception):
    """Raised by a callback."""


def raising(error):
    def look(report):
        if report.state.epoch % 3 == 2:
            raise error

    return look


def seen(clf, X, y):
    """All that an estimator shows of its fit."""
    shown = {
        name: getattr(clf, name)
        for name in (
            "n_iter_",
            "t_",
            "n_layers_",
            "n_outputs_",
            "n_features_in_",
            "out_activation_",
            "loss_curve_",
            "validation_scores_",
            "best_loss_",
            "loss_",
        )
    }
    shown["classes"] = list(getattr(clf, "classes_", ()))
    shown["sizes"] = clf.net_.sizes, [W.shape for W in clf.coefs_]
    shown["bits"] = clf.theta_.flat.tobytes(), clf.predict(X).tobytes()
    shown["why"] = clf.why_.names, clf.why_.blame(X, y).to_dict()
    return shown


def with_a_folder(given, tmp_path):
    """The arguments of `fit`, with a folder to record in that is there already."""
    if "record" not in given:
        return given
    folder = tmp_path / given["record"]
    folder.mkdir()
    (folder / "kept").write_text("a file of someone else's")
    return given | {"record": folder}


# What ends the fit: parameters, arguments of `fit`, the exception, and the warning that becomes an error.
ENDS = {
    "a refused parameter": ({"engine": "none such"}, {}, wg.InputError, None),
    "a parameter refused by scikit-learn": ({"alpha": -1.0}, {}, ValueError, None),
    "a refused layer": ({"hidden_layer_sizes": (3, 0)}, {}, wg.InputError, None),
    "refused weights": ({}, {"sample_weight": np.full(60, -1.0)}, ValueError, None),
    "refused validation data": ({}, {"X_val": OTHER_X[:, :4], "y_val": OTHER_Y}, ValueError, None),
    "a refused combination": ({"solver": "lbfgs", "dropout": 0.5}, {}, wg.InputError, None),
    "a callback that raises": ({"callbacks": raising(Ended())}, {}, Ended, None),
    "a callback of L-BFGS that raises": (
        {"solver": "lbfgs", "callbacks": raising(Ended())},
        {},
        Ended,
        None,
    ),
    "an interrupt": (
        {"callbacks": raising(KeyboardInterrupt())},
        {},
        KeyboardInterrupt,
        None,
    ),
    "no memory": ({"callbacks": raising(MemoryError())}, {}, MemoryError, None),
    "a record that is there": ({}, {"record": "taken.run"}, wg.FileError, None),
    "a warning as an error": ({}, {}, ConvergenceWarning, ConvergenceWarning),
    "divergence as an error": (
        {"solver": "sgd", "learning_rate_init": 1e9, "activation": "identity", "max_iter": 200}
        | {"loss": "squared_error", "out_activation": "identity"},
        {},
        wg.DivergenceWarning,
        wg.DivergenceWarning,
    ),
}


@pytest.mark.parametrize(("options", "given", "error", "fatal"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("warm_start", [False, True])
def test_whatever_ends_a_fit_what_was_fitted_before_is_still_whole(
    options, given, error, fatal, warm_start, tmp_path
):
    clf = MLPClassifier((4,), warm_start=warm_start, **SMALL).fit(X, Y)
    before = seen(clf, X, Y)
    new = (X[:30], Y[:30]) if warm_start else (OTHER_X, OTHER_Y)
    given = with_a_folder(given, tmp_path)
    clf.set_params(**options)
    with warnings.catch_warnings(), pytest.raises(error):
        if fatal:
            warnings.simplefilter("error", fatal)
        clf.fit(*new, **given)
    assert seen(clf, X, Y) == before


@pytest.mark.parametrize(("options", "given", "error", "fatal"), ENDS.values(), ids=ENDS)
def test_whatever_ends_a_first_fit_nothing_is_fitted(options, given, error, fatal, tmp_path):
    clf = MLPClassifier(**{"hidden_layer_sizes": (4,)} | SMALL | options)
    given = with_a_folder(given, tmp_path)
    with warnings.catch_warnings(), pytest.raises(error):
        if fatal:
            warnings.simplefilter("error", fatal)
        clf.fit(OTHER_X, OTHER_Y, **given)
    assert not [name for name in vars(clf) if name.endswith("_")]
    with pytest.raises(NotFittedError):
        clf.predict(OTHER_X)


@pytest.mark.parametrize(
    ("new", "options", "error"),
    [
        ((X, np.full(40, "middle")), {}, wg.InputError),
        ((OTHER_X, OTHER_Y), {}, ValueError),
        ((X, Y, None, ["left", "middle"]), {}, ValueError),
        ((X, Y), {"callbacks": raising(Ended())}, Ended),
        ((X, Y), {"callbacks": raising(KeyboardInterrupt())}, KeyboardInterrupt),
        ((X, Y), {"early_stopping": True}, wg.InputError),
        ((X, Y), {"engine": "none such"}, wg.InputError),
    ],
)
def test_whatever_ends_a_partial_fit_what_was_learned_before_is_still_whole(new, options, error):
    clf = MLPClassifier((4,), **SMALL).partial_fit(X, Y, classes=["left", "right"])
    before = seen(clf, X, Y)
    clf.set_params(**options)
    with pytest.raises(error):
        clf.partial_fit(*new)
    assert seen(clf, X, Y) == before


def test_a_first_partial_fit_that_fails_learns_no_classes():
    clf = MLPClassifier((4,), **SMALL)
    with pytest.raises(ValueError, match="not in"):
        clf.partial_fit(X, Y, classes=["left", "middle"])
    clf.partial_fit(X, Y, classes=["left", "right"])
    assert list(clf.classes_) == ["left", "right"]


def test_a_regressor_keeps_the_last_whole_fit_as_well():
    reg = MLPRegressor("squared_error", (4,), **SMALL).fit(X, X[:, :2])
    before = seen(reg, X, X[:, :2])
    reg.set_params(callbacks=raising(Ended()))
    with pytest.raises(Ended):
        reg.fit(OTHER_X, OTHER_X[:, 0])
    assert seen(reg, X, X[:, :2]) == before


def test_what_a_callback_asks_during_a_fit_is_answered_by_the_last_whole_one():
    answers = []
    clf = MLPClassifier((4,), **SMALL).fit(X, Y)
    before = seen(clf, X, Y)
    clf.set_params(callbacks=lambda report: answers.append(seen(clf, X, Y)))
    clf.fit(OTHER_X, OTHER_Y)
    assert answers == [before] * 3
    assert list(clf.classes_) == ["one", "three", "two"]


def test_what_a_callback_sets_during_a_fit_is_kept():
    def look(report):
        clf.note = "from within"
        clf.set_params(alpha=0.5)

    clf = MLPClassifier((4,), callbacks=look, **SMALL)
    clf.fit(X, Y)
    assert clf.note == "from within" and clf.alpha == 0.5 and clf.n_iter_ == 3


def test_a_divergence_concludes_a_fit_of_which_all_is_there():
    clf = MLPClassifier((4,), **SMALL).fit(X, Y)
    clf.set_params(**ENDS["divergence as an error"][0])
    with pytest.warns(wg.DivergenceWarning):
        clf.fit(OTHER_X, OTHER_Y)
    assert clf.net_.sizes == (5, 4, 3) and clf.n_features_in_ == 5
    assert set(clf.predict(OTHER_X)) <= {"one", "two", "three"}
    assert clf.why_.names.outputs == ("one", "three", "two")


def test_names_of_columns_are_those_of_the_fit():
    pandas = pytest.importorskip("pandas")
    clf = MLPClassifier((4,), **SMALL).fit(pandas.DataFrame(X, columns=list("abc")), Y)
    assert list(clf.feature_names_in_) == list("abc")
    clf.set_params(callbacks=raising(Ended()))
    with pytest.raises(Ended):
        clf.fit(OTHER_X, OTHER_Y)
    assert list(clf.feature_names_in_) == list("abc")
    clf.set_params(callbacks=None).fit(OTHER_X, OTHER_Y)
    assert not hasattr(clf, "feature_names_in_")


def test_answers_go_by_the_parameters_of_the_fit_not_by_those_set_since():
    clf = MLPClassifier((4,), class_weight={"left": 2.0, "right": 1.0}, **SMALL).fit(X, Y)
    given, P = clf.why_.examples(X, Y).sample_weight, clf.predict_proba(X)
    clf.set_params(class_weight=None, loss="squared_error", out_activation="identity")
    assert np.array_equal(clf.why_.examples(X, Y).sample_weight, given)
    assert np.array_equal(clf.predict_proba(X), P)
    assert not hasattr(clf.fit(X, Y), "predict_proba")
