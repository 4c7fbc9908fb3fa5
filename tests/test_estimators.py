"""The estimators keep scikit-learn's contract, and what whygrad promises beyond it."""

import copy
import pickle
import signal
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import whygrad as wg
from engines import ENGINES, each_engine
from whygrad import MLPClassifier, MLPRegressor

few_epochs = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[CLASSES]
LABELS = np.column_stack([X[:, 2] > 0, X[:, 3] > 0.5, X[:, 0] < 0]).astype(int)
NUMBERS = X[:, 2:] ** 2
FAST = {"solver": "adam", "learning_rate_init": 0.02, "random_state": 0}


# ── scikit-learn's own checks ────────────────────────────────────────────────────────────────────────


@few_epochs
@parametrize_with_checks(
    [kind(engine=engine) for kind in (MLPClassifier, MLPRegressor) for engine in ENGINES]
)
def test_scikit_learns_checks_pass_with_no_exception_made(estimator, check):
    check(estimator)


# ── classes, labels, numbers ─────────────────────────────────────────────────────────────────────────


@each_engine
def test_classes_may_be_strings(engine):
    clf = MLPClassifier((8,), **FAST, engine=engine).fit(X, NAMES)
    assert clf.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert clf.score(X, NAMES) > 0.97
    assert np.array_equal(clf.predict(X), clf.classes_[clf.predict_proba(X).argmax(axis=1)])


@each_engine
def test_probabilities_of_classes_sum_to_1_and_are_the_networks_outputs(engine):
    two = CLASSES > 0
    for y, outputs in ((CLASSES, 3), (two, 1)):
        clf = MLPClassifier((8,), **FAST, engine=engine).fit(X, y)
        P = clf.predict_proba(X)
        assert P.shape == (150, len(clf.classes_))
        np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-15)
        a = wg.forward(clf.net_, clf.theta_, X).a[-1]
        assert a.shape == (150, outputs)
        # A prediction adds up in an order of its own, which does not depend on the batch.
        np.testing.assert_allclose(P[:, -outputs:], a, rtol=1e-12)
        assert np.array_equal(P[:, -outputs:], wg.Fitted(clf.net_, clf.theta_).predict(X))
        assert np.array_equal(clf.predict_log_proba(X), np.log(P))


@few_epochs
@each_engine
def test_labels_are_decided_each_by_itself(engine):
    clf = MLPClassifier((16,), **FAST, engine=engine).fit(X, LABELS)
    assert clf.out_activation_ == "logistic"
    assert clf.predict_proba(X).shape == (150, 3)
    assert np.array_equal(clf.predict(X), clf.predict_proba(X) > 0.5)
    assert clf.score(X, LABELS) > 0.97


@few_epochs
def test_sparse_labels_are_those_written_out():
    dense = MLPClassifier((4,), **FAST, engine="reference").fit(X, LABELS)
    sparse_y = MLPClassifier((4,), **FAST, engine="reference").fit(X, sparse.csr_array(LABELS))
    assert np.array_equal(dense.theta_.flat, sparse_y.theta_.flat)


@each_engine
def test_several_numbers_at_once(engine):
    reg = MLPRegressor("squared_error", (32,), **FAST, max_iter=1000, engine=engine)
    assert reg.fit(X, NUMBERS).predict(X).shape == NUMBERS.shape
    assert reg.score(X, NUMBERS) > 0.97


@few_epochs
@each_engine
def test_poisson_predicts_positive_numbers_and_refuses_negative_targets(engine):
    counts = np.round(NUMBERS[:, 0] * 3)
    reg = MLPRegressor("poisson", (16,), **FAST, engine=engine).fit(X, counts)
    assert (reg.predict(X) > 0).all()
    with pytest.raises(wg.InputError, match="needs targets at least 0"):
        reg.fit(X, counts - 5)


@few_epochs
@each_engine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_x_is_that_of_parameters_and_predictions(dtype, engine):
    reg = MLPRegressor("squared_error", (4,), max_iter=2, engine=engine)
    reg.fit(X.astype(dtype), NUMBERS)
    assert {array.dtype for array in reg.coefs_ + reg.intercepts_} == {np.dtype(dtype)}
    assert reg.predict(X.astype(dtype)).dtype == dtype
    reg.partial_fit(X, NUMBERS)
    assert reg.theta_.flat.dtype == dtype, "going on with other data changed the dtype"


@few_epochs
def test_whole_numbers_become_float64():
    clf = MLPClassifier((4,), max_iter=2, engine="reference").fit((X * 10).astype(int), CLASSES)
    assert clf.theta_.flat.dtype == np.float64


@few_epochs
@each_engine
@pytest.mark.parametrize("format", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_a_sparse_x_is_never_made_dense_and_gives_the_fit_of_the_dense_one(
    format, options, engine, monkeypatch
):
    zeros = np.where(np.abs(X) < 0.5, 0, X)
    options = FAST | {"hidden_layer_sizes": (4,), "max_iter": 5, "engine": engine} | options
    dense, thin = MLPClassifier(**options), MLPClassifier(**options)
    dense.fit(zeros, CLASSES)
    write_out = sparse.csr_array.toarray

    def toarray(array, *arguments, **more):  # targets may be, scikit-learn's binarizer does it
        assert array.shape[1] != X.shape[1], "X was made dense"
        return write_out(array, *arguments, **more)

    with monkeypatch.context() as patch:
        for kind in (sparse.csr_array, sparse.csc_array, sparse.csr_matrix):
            patch.setattr(kind, "toarray", toarray)
        P = thin.fit(format(zeros), CLASSES).predict_proba(format(zeros))
    np.testing.assert_allclose(thin.theta_.flat, dense.theta_.flat, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(P, dense.predict_proba(zeros), rtol=1e-9)
    np.testing.assert_array_equal(thin.activations(format(zeros))[0], zeros)


@few_epochs
def test_every_whygrad_activation_can_be_hidden():
    hidden = [name for name, f in wg.functions.ACTIVATIONS.items() if f.custom_vjp is None]
    for name in [*hidden, wg.functions.ACTIVATIONS["gelu"], "logistic"]:
        clf = MLPClassifier((5,), name, max_iter=2, engine="reference").fit(X, CLASSES)
        expected = "sigmoid" if name == "logistic" else getattr(name, "name", name)
        assert clf.net_.f[1].name == expected


# ── the view that whygrad has ────────────────────────────────────────────────────────────────────────


@few_epochs
def test_a_fitted_estimator_is_a_whygrad_network_with_a_history():
    clf = MLPClassifier((5, 4), "tanh", max_iter=3, engine="reference").fit(X, CLASSES)
    assert clf.net_.sizes == (4, 5, 4, 3)
    assert [layer.f.name for layer in clf.net_.layers] == ["tanh", "tanh", "softmax"]
    assert clf.net_.C.name == "cross_entropy"
    assert clf.history_.cost == clf.loss_curve_ and len(clf.loss_curve_) == 3
    trace = wg.backward(clf.net_, clf.theta_, wg.forward(clf.net_, clf.theta_, X), CLASSES)
    np.testing.assert_allclose(trace.delta[3].sum(axis=1), 0, atol=1e-12)


@few_epochs
def test_coefs_are_views_and_what_is_assigned_to_them_changes_the_network():
    reg = MLPRegressor("squared_error", (5,), "identity", max_iter=2, engine="reference")
    reg.fit(X, NUMBERS)
    for view, W in zip(reg.coefs_, reg.theta_.W[1:], strict=True):
        assert np.shares_memory(view, reg.theta_.flat) and np.array_equal(view, W.T)
    A, B = np.arange(1.0, 21.0).reshape(4, 5), np.ones((5, 2))
    reg.coefs_[0] = A
    reg.coefs_[1][...] = B
    reg.intercepts_ = [np.zeros(5), np.array([1.0, -1.0])]
    np.testing.assert_allclose(reg.predict(X), X @ A @ B + [1, -1], rtol=1e-12)
    reg.coefs_ = [-A, B]
    np.testing.assert_allclose(reg.predict(X), -X @ A @ B + [1, -1], rtol=1e-12)
    with pytest.raises(ValueError, match="broadcast"):
        reg.coefs_[0] = B
    reg.learning_rate_init = 1e-300
    reg.solver = "sgd"
    reg.partial_fit(X, NUMBERS)
    assert np.array_equal(reg.coefs_[0], -A), "training went on from other parameters"


# ── copies, and fits that fail ───────────────────────────────────────────────────────────────────────


@few_epochs
@each_engine
@pytest.mark.parametrize("again", [copy.deepcopy, lambda clf: pickle.loads(pickle.dumps(clf))])
def test_a_copy_predicts_goes_on_and_has_live_views_like_the_original(again, engine):
    clf = MLPClassifier((8,), **FAST, max_iter=5, engine=engine).fit(X, NAMES)
    twin = again(clf)
    assert np.array_equal(twin.predict_proba(X), clf.predict_proba(X))
    assert np.shares_memory(twin.coefs_[0], twin.theta_.flat)
    assert not np.shares_memory(twin.theta_.flat, clf.theta_.flat)
    assert errors(twin) == errors(clf)
    twin.partial_fit(X, NAMES)
    clf.partial_fit(X, NAMES)
    assert np.array_equal(twin.theta_.flat, clf.theta_.flat)
    runs = [wg.train(each.net_, X, CLASSES, epochs=1, engine=engine) for each in (clf, twin)]
    assert np.array_equal(runs[0].theta.flat, runs[1].theta.flat)


def errors(clf):
    """The bytes of every delta: the gradient as the copy of a network sees it."""
    trace = wg.backward(clf.net_, clf.theta_, wg.forward(clf.net_, clf.theta_, X), CLASSES)
    return [delta.tobytes() for delta in trace.delta[1:]]


@few_epochs
def test_a_fit_that_fails_leaves_no_fitted_estimator():
    clf = MLPClassifier((3,), engine="none such")
    with pytest.raises(wg.InputError, match="unknown engine 'none such'"):
        clf.fit(X, CLASSES)
    for ask in (lambda: clf.predict(X), lambda: clf.predict_proba(X), lambda: clf.coefs_):
        with pytest.raises(NotFittedError):
            ask()
    assert not hasattr(clf, "coefs_")


# ── inside scikit-learn ──────────────────────────────────────────────────────────────────────────────


@few_epochs
@each_engine
def test_grid_search_over_a_pipeline(engine):
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), **FAST, engine=engine))
    search = GridSearchCV(pipeline, {"mlpclassifier__learning_rate_init": [1e-6, 0.02]}, cv=3)
    search.fit(load_iris().data, NAMES)
    assert search.best_params_ == {"mlpclassifier__learning_rate_init": 0.02}
    assert search.best_score_ > 0.9
    assert clone(search.best_estimator_[-1]).get_params() == search.best_estimator_[-1].get_params()


@few_epochs
def test_columns_keep_their_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    clf = MLPClassifier((4,), max_iter=2, early_stopping=True, engine="reference")
    clf.fit(frame, pandas.Series(NAMES))
    assert clf.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame[list("dcba")])


@few_epochs
def test_verbose_prints_a_line_per_epoch(capsys):
    clf = MLPClassifier((4,), max_iter=3, verbose=True, engine="reference").fit(X, CLASSES)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Iteration {i + 1}, loss = {C:.8f}" for i, C in enumerate(clf.loss_curve_)]
    clf.set_params(verbose=False).fit(X, CLASSES)
    assert capsys.readouterr().out == ""


# ── how a training can end ───────────────────────────────────────────────────────────────────────────


@each_engine
def test_a_fit_that_uses_up_its_epochs_says_so_and_one_that_stops_does_not(engine):
    options = {**FAST, "hidden_layer_sizes": (8,), "engine": engine}
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(5\) reached"):
        MLPClassifier(**options, max_iter=5).fit(X, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = MLPClassifier(**options, tol=0.01, max_iter=500).fit(X, CLASSES)
        exactly = MLPClassifier(**options, tol=0.01, max_iter=clf.n_iter_).fit(X, CLASSES)
        MLPClassifier(**options).partial_fit(X, CLASSES, classes=[0, 1, 2])
    assert exactly.n_iter_ < 500
    assert "did not improve" in exactly.history_.stopped


@each_engine
def test_a_batch_larger_than_the_data_is_clipped_with_a_warning(engine):
    clf = MLPClassifier((8,), **FAST, batch_size=151, shuffle=False, engine=engine)
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        clf.fit(X, CLASSES)
    whole = MLPClassifier((8,), **FAST, batch_size=150, shuffle=False, engine=engine)
    assert np.array_equal(whole.fit(X, CLASSES).theta_.flat, clf.theta_.flat)


@few_epochs
@each_engine
def test_a_diverging_fit_warns_and_keeps_finite_parameters(engine):
    reg = MLPRegressor(
        "squared_error",
        (5,),
        "identity",
        solver="sgd",
        learning_rate_init=10.0,
        random_state=0,
        engine=engine,
    )
    with pytest.warns(wg.DivergenceWarning, match="diverged at step"):
        reg.fit(X, NUMBERS)
    assert reg.history_.stopped.startswith("diverged at step")
    assert np.isfinite(reg.theta_.flat).all()
    assert reg.n_iter_ == len(reg.loss_curve_) < 200
    assert reg.predict(X).shape == NUMBERS.shape


@pytest.mark.parametrize("early_stopping", [False, True])
def test_ctrl_c_ends_the_fit_with_a_warning_and_the_parameters_so_far(monkeypatch, early_stopping):
    def press_at_3(state):
        def look(report):
            if report.epoch is not None and report.state.epoch == 3:
                signal.raise_signal(signal.SIGINT)

        return look

    monkeypatch.setattr("whygrad.estimators.estimator.Printer", press_at_3)
    options = {"early_stopping": early_stopping, "engine": "reference", "random_state": 0}
    clf = MLPClassifier((4,), verbose=True, max_iter=100, **options)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        clf.fit(X, CLASSES)
    assert clf.n_iter_ == 3
    monkeypatch.undo()
    with pytest.warns(ConvergenceWarning):
        three = MLPClassifier((4,), max_iter=3, **options).fit(X, CLASSES)
    assert np.array_equal(clf.theta_.flat, three.theta_.flat)


# ── one clear line ───────────────────────────────────────────────────────────────────────────────────

HOLE = X.copy()
HOLE[3, 1] = np.nan
INFINITE = X.copy()
INFINITE[3, 1] = np.inf
REFUSED = {
    "nearest activation": ({"activation": "rleu"}, X, CLASSES, "did you mean 'relu'"),
    "scikit-learn's name": ({"activation": "logstic"}, X, CLASSES, "did you mean 'logistic'"),
    "softmax inside": ({"activation": "softmax"}, X, CLASSES, "unknown activation 'softmax'"),
    "solver": ({"solver": "adan"}, X, CLASSES, "must be a str among"),
    "no units": ({"hidden_layer_sizes": (5, 0)}, X, CLASSES, "layer 2 has 0 units"),
    "half a unit": ({"hidden_layer_sizes": (5.5,)}, X, CLASSES, "whole number, not 5.5"),
    "rate 0": ({"learning_rate_init": 0.0}, X, CLASSES, "'learning_rate_init' parameter"),
    "alpha": ({"alpha": -1.0}, X, CLASSES, "'alpha' parameter"),
    "engine": ({"engine": "nativ"}, X, CLASSES, "did you mean 'native'"),
    "NaN": ({}, HOLE, CLASSES, "NaN"),
    "infinity": ({}, INFINITE, CLASSES, "infinity"),
    "no data": ({}, X[:0], CLASSES[:0], "minimum of 1 is required"),
    "shapes": ({}, X, CLASSES[:-1], r"\[150, 149\]"),
    "flat X": ({}, X[:, 0], CLASSES, "Expected 2D array"),
    "numbers": ({}, X, X[:, 0], "Unknown label type"),
    "held out": ({"early_stopping": True}, X[::40], CLASSES[::40], "validation set is too small"),
    "a lone class": (
        {"early_stopping": True},
        X[40:51],
        NAMES[40:51],
        r"too few members are: \['versicolor'\]",
    ),
}


@pytest.mark.parametrize(("options", "inputs", "y", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_with_a_reason(options, inputs, y, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**{"engine": "reference"} | options).fit(inputs, y)


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        (np.full(150, -1.0), "negative"),
        (np.zeros(150), "zero|is 0 for every"),
        (np.ones(149), "shape"),
        (np.full(150, np.nan), "NaN"),
    ],
)
def test_impossible_weights_are_refused_with_a_reason(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(engine="reference").fit(X, CLASSES, sample_weight=sample_weight)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_parameter_that_is_not_there_is_refused_in_the_estimators_name(kind):
    with pytest.raises(TypeError, match=rf"{kind.__name__}.__init__\(\) got an .* argument 'alfa'"):
        kind(alfa=1)


@few_epochs
def test_numbers_under_a_mask_are_not_learned_from_in_silence():
    hidden = np.ma.masked_array(X, mask=np.arange(600).reshape(150, 4) == 9)
    clf = MLPClassifier((4,), max_iter=2, engine="reference")
    with pytest.raises(wg.InputError, match=r"X\[2, 1\] is masked \(the only such value\): impute"):
        clf.fit(hidden, CLASSES)
    clf.fit(np.ma.masked_array(X), CLASSES)  # with nothing hidden
    with pytest.raises(wg.InputError, match=r"X\[2, 1\] is masked"):
        clf.predict(hidden)
    with pytest.raises(wg.InputError, match=r"y\[0\] is masked \(50 such"):
        clf.fit(X, np.ma.masked_equal(CLASSES, 0))


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")
    assert hasattr(MLPRegressor(solver="sgd"), "partial_fit")
