"""What users of scikit-learn set by hand works as it does there, or is refused with a pointer."""

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.exceptions import NotFittedError

import whygrad as wg
from whygrad import MLPClassifier, MLPRegressor
from whygrad.estimators.attributes import FREE, POINTERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(40, 3))
Y = X[:, :2] ** 2
CLASSES = (X[:, 0] > 0).astype(int)
SMALL = {"hidden_layer_sizes": (4,), "random_state": 0, "max_iter": 3}
W = [DRAWS.normal(size=(3, 4)), DRAWS.normal(size=(4, 2))]
B = [DRAWS.normal(size=4), DRAWS.normal(size=2)]


def regressor(**options):
    return MLPRegressor(engine="reference", **SMALL | options)


def test_the_table_names_every_public_attribute_that_a_fit_sets():
    clf = MLPClassifier(engine="reference", early_stopping=True, **SMALL).fit(X, CLASSES)
    result_of = {name for name in dir(clf) if name.endswith("_") and not name.startswith("_")}
    views = {"coefs_", "intercepts_"}
    assert result_of | {"feature_names_in_"} == {*POINTERS, *FREE, *views}
    assert set(vars(theirs.MLPClassifier(**SMALL).fit(X, CLASSES))) >= {
        name for name in FREE if name != "feature_names_in_"
    }


@pytest.mark.parametrize("name", POINTERS)
def test_what_belongs_to_a_fit_is_refused_with_a_pointer(name):
    clf = MLPClassifier(engine="reference", **SMALL).fit(X, CLASSES)
    before = getattr(clf, name)
    with pytest.raises(wg.InputError) as refused:
        setattr(clf, name, None)
    message = f"{name} is that of the fit, and cannot be set by hand: {POINTERS[name]}"
    assert str(refused.value) == message and "\n" not in message
    if name != "why_":
        assert getattr(clf, name) is before


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", FREE)
def test_what_nothing_else_follows_from_may_be_set_as_in_scikit_learn(name):
    values = {"classes_": ["no", "yes"], "n_features_in_": 3, "feature_names_in_": list("abc")}
    value = np.array(values.get(name, 7))
    for kind, options in ((MLPClassifier, {"engine": "reference"}), (theirs.MLPClassifier, {})):
        clf = kind(**SMALL | options).fit(X, CLASSES)
        before = clf.predict_proba(X)
        setattr(clf, name, value)
        assert getattr(clf, name) is value
        assert set(clf.predict(X)) <= {0, 1}
        assert np.array_equal(clf.predict_proba(X), before)


def test_names_of_columns_may_be_given_after_a_fit_and_are_those_of_answers():
    clf = MLPClassifier(engine="reference", **SMALL).fit(X, CLASSES)
    clf.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    assert clf.why_.names.inputs == ("a", "b", "c")
    clf.feature_names_in_ = None
    assert clf.why_.names.inputs == ()


def test_classes_that_were_named_anew_are_those_of_answers_and_do_not_stop_a_warm_start():
    options = {"early_stopping": True, "warm_start": True, "class_weight": {0: 1.0, 1: 2.0}}
    clf = MLPClassifier(engine="reference", **SMALL | options).fit(X, CLASSES)
    clf.classes_ = ["no", "yes"]
    labels = np.array(["no", "yes"])[CLASSES]
    assert clf.why_.names.classes == ("no", "yes")
    assert np.array_equal(clf.why_.examples(X, labels).sample_weight, 1.0 + CLASSES)
    clf.classes_ = [0, 1]
    assert clf.fit(X, CLASSES).n_iter_ == 3


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_none_are_not_trained_on(number):
    reg = regressor().fit(X, Y)
    reg.intercepts_[0][1] = number
    with pytest.raises(wg.InputError, match="Solver produced non-finite .* only finite parameters"):
        reg.partial_fit(X, Y)


@pytest.mark.parametrize("name", [*POINTERS, *FREE])
def test_on_an_unfitted_estimator_a_fit_sets_what_was_set_by_hand(name):
    clf = MLPClassifier(engine="reference", **SMALL)
    if name == "why_":
        return  # it only reads
    setattr(clf, name, "by hand")
    with pytest.raises(NotFittedError):
        clf.predict(X)
    clf.fit(X, CLASSES)
    assert (
        not hasattr(clf, name) or not isinstance(getattr(clf, name), str) or name.startswith("out")
    )
    assert clf.out_activation_ == "logistic"


# ── parameters ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("start", ["partial_fit", "a warm start"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_parameters_set_before_a_fit_are_where_it_begins(start, solver):
    options = SMALL | {"shuffle": False, "solver": solver, "batch_size": 7}
    options |= {"max_iter": 1, "warm_start": start != "partial_fit"}
    ours, sklearns = MLPRegressor(engine="reference", **options), theirs.MLPRegressor(**options)
    ours.coefs_, ours.intercepts_ = W, B
    sklearns.fit(X, Y)  # scikit-learn needs one for all that is private
    for part in ("coefs_", "intercepts_"):
        setattr(sklearns, part, [array.copy() for array in {"coefs_": W, "intercepts_": B}[part]])
    sklearns.t_, sklearns.loss_curve_ = 0, []
    del sklearns._optimizer
    for estimator in (ours, sklearns):
        estimator.partial_fit(X, Y) if start == "partial_fit" else estimator.fit(X, Y)
    for mine, other in zip(
        [*ours.coefs_, *ours.intercepts_], [*sklearns.coefs_, *sklearns.intercepts_], strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-9)
    assert np.shares_memory(ours.coefs_[0], ours.theta_.flat)  # those set by hand are let go


def test_before_a_fit_they_are_the_lists_that_were_given():
    reg = regressor()
    reg.coefs_ = [0, 0]
    reg.coefs_[1] = W[1]
    assert reg.coefs_[0] == 0 and reg.coefs_[1] is W[1]
    assert not hasattr(reg, "intercepts_")


def test_a_fit_that_begins_anew_draws_its_own():
    reg, plain = regressor(), regressor().fit(X, Y)
    reg.coefs_, reg.intercepts_ = W, B
    reg.fit(X, Y)
    assert np.array_equal(reg.theta_.flat, plain.theta_.flat)


def test_parameters_set_by_hand_do_not_predict_before_a_fit_and_say_what_does():
    reg = regressor()
    reg.coefs_, reg.intercepts_ = W, B
    for ask in (reg.predict, reg.activations, lambda X: reg.why_):
        with pytest.raises(
            NotFittedError, match=r"partial_fit, and fit with warm_start=True, begin"
        ):
            ask(X)
    net = wg.Network(3, [wg.Dense(4, "relu"), wg.Dense(2, "identity")])
    theta = net.init(W=[None, *(array.T for array in W)], b=[None, *B])
    expected = np.maximum(0, X @ W[0] + B[0]) @ W[1] + B[1]
    np.testing.assert_allclose(wg.Fitted(net, theta).predict(X), expected)


@pytest.mark.parametrize(
    ("by_hand", "message"),
    [
        ({"coefs_": W}, "coefs_ and intercepts_ belong together"),
        ({"intercepts_": B}, "coefs_ and intercepts_ belong together"),
        ({"coefs_": W[:1], "intercepts_": B}, "1 arrays for 2 layers"),
        (
            {"coefs_": [W[0].T, W[1]], "intercepts_": B},
            r"^\(4, 3\) cannot be broadcast to .* \(3, 4\)",
        ),
        ({"coefs_": ["a", W[1]], "intercepts_": B}, "^a cannot be broadcast"),
        (
            {"coefs_": W, "intercepts_": B, "out_activation_": "softmax"},
            "out_activation_ was set to 'softmax' by hand, but this fit has 'identity'",
        ),
        ({"coefs_": W, "intercepts_": B, "n_layers_": 4}, "n_layers_ was set to 4 by hand"),
        ({"coefs_": [W[0] * np.nan, W[1]], "intercepts_": B}, "contain NaN or infinity"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_with_a_reason(by_hand, message):
    reg = regressor(warm_start=True)
    for name, value in by_hand.items():
        setattr(reg, name, value)
    with pytest.raises(wg.InputError, match=message):
        reg.fit(X, Y)
    assert not hasattr(reg, "theta_")


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_parameters_set_after_a_fit_predict_and_are_where_a_warm_start_goes_on(options):
    reg = regressor(warm_start=True, **options).fit(X, Y)
    reg.coefs_, reg.intercepts_ = W, B
    expected = np.maximum(0, X @ W[0] + B[0]) @ W[1] + B[1]
    np.testing.assert_allclose(reg.predict(X), expected)
    seen = []
    reg.set_params(solver="sgd", learning_rate_init=1e-300, early_stopping=False, max_iter=1)
    reg.set_params(callbacks=lambda report: seen.append(report.parameters.copy())).fit(X, Y)
    assert np.array_equal(seen[0].W[1], W[0].T) and np.array_equal(seen[0].b[2], B[1])
    np.testing.assert_allclose(reg.predict(X), expected)


@pytest.mark.parametrize(
    "arrays", [[W[0]], [W[0], W[1].T], [W[0], "a"], [W[0], [[1.0], [2.0, 3.0]]], [*W, W[1]]]
)
def test_parameters_are_set_all_or_none(arrays):
    reg = regressor().fit(X, Y)
    before = reg.theta_.flat.copy()
    with pytest.raises(wg.InputError, match="broadcast|arrays for 2 layers"):
        reg.coefs_ = arrays
    assert np.array_equal(reg.theta_.flat, before)


# ── one class ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("y", [np.full(40, "only"), np.zeros(40, int), np.full(40, 3.0)])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_a_lone_class_is_learned_as_in_scikit_learn(y, options):
    options = SMALL | {"shuffle": False} | options
    ours = MLPClassifier(engine="reference", **options).fit(X, y)
    sklearns = theirs.MLPClassifier(**options).fit(X, y)
    assert ours.classes_.tolist() == sklearns.classes_.tolist() == [y[0]]
    assert np.array_equal(ours.predict(X), y) and ours.score(X, y) == 1.0
    np.testing.assert_allclose(ours.predict_proba(X), sklearns.predict_proba(X), rtol=1e-6)
    assert ours.n_iter_ == sklearns.n_iter_


def test_a_lone_class_is_explained():
    y = np.full(40, "only")
    clf = MLPClassifier(engine="reference", class_weight={"only": 2.0}, **SMALL).fit(X, y)
    assert clf.why_.names.classes == clf.why_.names.outputs == ()
    assert clf.why_.blame(X, y).kind == "blame"
    assert clf.why_.prediction(X[:1]).kind == "prediction"


# ── what cannot be learned from, and what diverges ───────────────────────────────────────────────────


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize(("inputs", "targets"), [(1e307, 1.0), (1.0, 1e200)])
def test_data_on_which_nothing_can_be_learned_are_refused_in_scikit_learns_words(
    solver, inputs, targets
):
    reg = regressor(solver=solver)
    with pytest.raises(wg.InputError, match="Solver produced non-finite parameter weights"):
        reg.fit(inputs * X, targets * Y)
    assert not hasattr(reg, "coefs_")


def test_the_curves_of_a_fit_that_diverged_end_with_nan():
    reg = regressor(solver="sgd", learning_rate_init=5.0, activation="identity", max_iter=100)
    with pytest.warns(wg.DivergenceWarning):
        reg.set_params(early_stopping=True).fit(X, Y)
    curves = reg.loss_curve_, reg.validation_scores_, reg.validation_loss_curve_
    for curve in curves:
        assert np.isnan(curve[-1]) and np.isfinite(curve[:-1]).all()
        assert len(curve) == reg.n_iter_ == len(reg.history_.epochs) + 1
    assert np.isnan(reg.loss_) and np.isfinite(reg.best_validation_score_)
