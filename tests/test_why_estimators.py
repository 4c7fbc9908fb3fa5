"""A fitted estimator, a training and a run are asked in terms of the user's own rows and classes."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import whygrad as wg
from command import whygrad
from whygrad.answers.formatting import number

IRIS = load_iris(as_frame=True)
NAMED = IRIS.target_names[IRIS.target]
OPTIONS = {"hidden_layer_sizes": (6, 5), "activation": "tanh", "random_state": 0, "solver": "lbfgs"}
QUICK = {"max_iter": 15, **OPTIONS}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def own(kind, **options):
    """An estimator of whygrad's that compiles nothing."""
    return kind(engine="reference", **QUICK | options)


def gradients(why, X, y, **more):
    """Cost and gradients of the examples as the asker passes them on."""
    given = why.examples(X, y, more.get("sample_weight"))
    s = given.sample_weight
    S = len(given.Y) if s is None else s.sum()
    l1, l2 = why.l1.of_batch(S, why.n), why.l2.of_batch(S, why.n)
    trace = wg.forward(why.net, why.theta, given.X)
    trace = wg.backward(why.net, why.theta, trace, given.Y)
    cost = wg.cost(why.net, why.theta, trace, given.Y, s, l1, l2)
    return cost, wg.gradients(why.net, why.theta, trace, s, l1, l2)


@pytest.fixture(scope="module")
def clf():
    return own(wg.MLPClassifier).fit(IRIS.data, NAMED)


def test_names_are_those_of_columns_and_classes(clf):
    assert clf.why_.names.inputs == tuple(IRIS.data.columns)
    assert clf.why_.names.outputs == ("setosa", "versicolor", "virginica")
    assert repr(clf.why_) == "<Why 4-6-5-3 cross_entropy>"


def test_the_cost_of_all_examples_is_that_of_the_training_penalty_included(clf):
    cost, _ = gradients(clf.why_, IRIS.data, NAMED)
    assert clf.alpha == clf.why_.l2.strength > 0
    np.testing.assert_allclose(cost, clf.loss_, rtol=1e-12)


def test_a_step_of_training_moves_by_what_is_explained():
    """One step of gradient descent on one batch: θ after it is θ before it less rate · gradient."""
    X, y = IRIS.data.to_numpy()[::15], NAMED[::15]
    s = np.linspace(0.5, 2, len(y))
    options = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1, "alpha": 0.5}
    more = {"class_weight": {"setosa": 3.0, "versicolor": 1.0, "virginica": 0.5}}
    clf = wg.MLPClassifier(
        (3,), max_iter=1, random_state=0, label_smoothing=0.1, engine="reference", **options, **more
    )
    before = clf.fit(X, y, s).theta_.copy()
    why = clf.why_
    cost, found = gradients(why, X, y, sample_weight=s)
    clf.set_params(warm_start=True).fit(X, y, s)
    np.testing.assert_allclose(before.flat - 0.1 * found.flat, clf.theta_.flat, rtol=1e-12)
    np.testing.assert_allclose(cost, clf.loss_curve_[-1], rtol=1e-12)


def test_two_classes_have_one_output_with_the_name_of_the_second():
    data = load_breast_cancer(as_frame=True)
    y = data.target_names[data.target]
    for kind in (MLPClassifier, partial(own, wg.MLPClassifier)):
        clf = kind(**QUICK).fit(data.data / data.data.std(), y)
        why = wg.explain(clf).why
        assert why.names.outputs == (clf.classes_[1],) == ("malignant",)
        assert why.names.classes == ("benign", "malignant")
        assert why.blame(data.data[:40], y[:40], of="benign").kind == "blame"
        np.testing.assert_array_equal(why.examples(data.data, y).Y[:, 0], y == "malignant")


@pytest.mark.parametrize("kind", [MLPRegressor, partial(own, wg.MLPRegressor)])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_numbers_are_explained_as_predicted(kind, loss):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    Y = np.column_stack([y, 2 * y]) / 100
    reg = kind(loss=loss, **QUICK).fit(X, Y)
    why = wg.explain(reg).why
    given = why.examples(X, Y)
    a = wg.forward(why.net, why.theta, given.X).a[-1]
    np.testing.assert_allclose(a, reg.predict(X), rtol=1e-12)
    assert why.names.inputs == tuple(X.columns) and why.names.outputs == ()


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_scikit_learns_networks_predict_here_as_there(activation):
    mlp = MLPClassifier(**QUICK | {"activation": activation}).fit(IRIS.data, NAMED)
    why = wg.explain(mlp).why
    a = wg.forward(why.net, why.theta, why.examples(IRIS.data).X).a[-1]
    np.testing.assert_allclose(a, mlp.predict_proba(IRIS.data), rtol=0, atol=1e-14)
    cost, _ = gradients(why, IRIS.data, NAMED)
    np.testing.assert_allclose(cost, mlp.loss_, rtol=1e-12)


def test_several_labels_at_once_are_explained_as_predicted():
    Y = np.column_stack([IRIS.target > 0, IRIS.target > 1]).astype(int)
    for kind in (MLPClassifier, partial(own, wg.MLPClassifier)):
        clf = kind(**QUICK).fit(IRIS.data, Y)
        why = wg.explain(clf).why
        given = why.examples(IRIS.data, Y)
        a = wg.forward(why.net, why.theta, given.X).a[-1]
        np.testing.assert_allclose(a, clf.predict_proba(IRIS.data), rtol=0, atol=1e-14)
        np.testing.assert_array_equal(given.Y, Y)


def test_the_gradient_of_scikit_learns_regressor_is_the_one_that_it_takes():
    X, y = load_diabetes(return_X_y=True)
    options = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e-4, "alpha": 0.5}
    more = {"hidden_layer_sizes": (4,), "batch_size": len(y), "random_state": 0, "max_iter": 1}
    mlp = MLPRegressor(warm_start=True, **options, **more).fit(X, y)
    why = wg.explain(mlp).why
    _, found = gradients(why, X, y)
    mlp.fit(X, y)
    after = wg.explain(mlp).why.theta.flat
    np.testing.assert_allclose(why.theta.flat - 1e-4 * found.flat, after, rtol=1e-10)


def test_a_pipeline_takes_rows_as_they_come_and_keeps_their_names(clf):
    for kind in (MLPClassifier, partial(own, wg.MLPClassifier)):
        pipe = make_pipeline(StandardScaler(), kind(**QUICK)).fit(IRIS.data, NAMED)
        why = wg.explain(pipe).why
        assert why.names.inputs == tuple(IRIS.data.columns)
        for row in (IRIS.data[3:4], IRIS.data.iloc[3]):
            a = wg.forward(why.net, why.theta, why.examples(row).X).a[-1]
            np.testing.assert_allclose(a, pipe.predict_proba(IRIS.data[3:4]), atol=1e-14)


def test_the_best_of_a_search_is_explained():
    search = GridSearchCV(own(wg.MLPClassifier), {"alpha": [0.1, 1.0]}, cv=2)
    search.fit(IRIS.data, NAMED)
    assert wg.explain(search).why.theta is search.best_estimator_.theta_


def test_a_row_is_a_row_however_it_is_given(clf):
    why, expected = clf.why_, IRIS.data.to_numpy()[7:8]
    rows = [IRIS.data[7:8], IRIS.data.iloc[7], expected, expected[0], list(expected[0])]
    for row in [*rows, np.float32(expected)]:
        given = why.examples(row, NAMED[7])
        np.testing.assert_array_equal(given.X, expected.astype(getattr(row, "dtype", float)))
        np.testing.assert_array_equal(given.Y, [[1.0, 0.0, 0.0]])


def test_the_columns_of_a_frame_name_the_inputs_where_training_saw_none():
    clf = own(wg.MLPClassifier).fit(IRIS.data.to_numpy(), NAMED)
    assert clf.why_.names.inputs == ()
    found = clf.why_.blame(IRIS.data[:20], NAMED[:20])
    assert "petal width (cm)" in repr(found.pictures[0].names[0])
    net = wg.Network(4, [wg.Dense(3, "softmax")], cost="cross_entropy")
    fitted = wg.train(net, IRIS.data.to_numpy(), IRIS.target, epochs=1, engine="reference")
    found = fitted.why.blame(IRIS.data[:20], IRIS.target[:20])
    assert "petal width (cm)" in repr(found.pictures[0].names[0])


def test_class_names_that_were_given_are_taken_as_targets():
    net = wg.Network(4, [wg.Dense(3, "softmax")], cost="cross_entropy")
    fitted = wg.train(net, IRIS.data.to_numpy(), IRIS.target, epochs=1, engine="reference")
    why = wg.explain(fitted, outputs=IRIS.target_names).why
    np.testing.assert_array_equal(why.examples(IRIS.data, NAMED).Y, IRIS.target)
    net = wg.Network(1, [wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    why = wg.explain(wg.Fitted(net, net.init()), outputs=["no", "yes"]).why
    np.testing.assert_array_equal(why.examples([[1.0], [2.0]], ["yes", "no"]).Y, [1, 0])
    assert why.names.outputs == ("yes",)


def test_what_is_asked_is_what_the_function_answers(clf):
    X, y = IRIS.data[::9], NAMED[::9]
    given = clf.why_.examples(X, y)
    expected = wg.why.blame(clf.net_, clf.theta_, given.X, given.Y, names=clf.why_.names)
    found = clf.why_.blame(X, y)
    np.testing.assert_array_equal(found["delta"][2], expected["delta"][2])


def test_float32_networks_are_answered_in_float64():
    X = IRIS.data.to_numpy(np.float32)
    clf = own(wg.MLPClassifier, solver="adam").fit(X, NAMED)
    assert clf.theta_.flat.dtype == np.float32
    assert clf.why_.blame(X, NAMED)["delta"][1].dtype == np.float64


def test_asking_leaves_pickles_clones_and_the_estimator_as_they_are(clf):
    before = pickle.dumps(clf)
    clf.why_.blame(IRIS.data, NAMED)
    assert pickle.dumps(clf) == before
    again = pickle.loads(before)
    np.testing.assert_array_equal(again.why_.theta.flat, clf.why_.theta.flat)
    assert not hasattr(clone(clf), "why_")
    with pytest.raises(NotFittedError):
        wg.MLPClassifier().why_  # noqa: B018
    with pytest.raises(NotFittedError):
        wg.explain(MLPRegressor())


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def test_nan_in_x_says_where(clf):
    X = IRIS.data[:5].copy()
    X.iloc[3, 2] = np.nan
    message = r"X\[3, 2\], column 'petal length \(cm\)', is NaN \(the only such value\): impute"
    with pytest.raises(wg.InputError, match=message):
        clf.why_.blame(X, NAMED[:5])
    bare = X.to_numpy().copy()
    bare[0, 1] = np.inf
    with pytest.raises(
        wg.InputError, match=r"X\[0, 1\], column 'sepal width \(cm\)', is infinity \(2"
    ):
        clf.why_.prediction(bare)
    with pytest.raises(wg.InputError, match=r"X\[0, 1\] is infinity"):
        wg.explain(MLPRegressor(**QUICK).fit(IRIS.data.to_numpy(), IRIS.target)).why.prediction(
            bare
        )


def test_a_label_that_is_no_class_suggests_the_nearest(clf):
    message = r"y\[1\] is 'virginca', which is no class of training: did you mean 'virginica'\?"
    with pytest.raises(wg.InputError, match=message):
        clf.why_.blame(IRIS.data[:2], ["setosa", "virginca"])


def test_missing_arguments_are_named(clf):
    with pytest.raises(wg.InputError, match="blame needs the targets as well: give y"):
        clf.why_.blame(IRIS.data)
    with pytest.raises(wg.InputError, match="an estimator keeps no data: give X, and y"):
        clf.why_.blame()
    net = wg.Network(2, [wg.Dense(1, "identity")])
    with pytest.raises(wg.InputError, match="there are no rows here to ask about: give X, and y"):
        wg.explain(wg.Fitted(net, net.init())).why.blame()


def test_what_is_no_perceptron_is_refused():
    from sklearn.linear_model import LinearRegression

    with pytest.raises(
        wg.InputError, match="a LinearRegression is no multi-layer perceptron: give a"
    ):
        wg.explain(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table with a category, missing values and two classes, and the run that was trained on it."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=80)
    size[5] = np.nan
    colour = rng.choice(["red", "green", "blue"], 80)
    kind = np.where(np.nan_to_num(size) + (colour == "red") > 0.3, "large", "small")
    frame = pd.DataFrame({"size": size, "colour": colour, "kind": kind, "price": 100 + 20 * size})
    folder = tmp_path_factory.mktemp("runs")
    frame.to_csv(folder / "table.csv", index=False)
    quick = ("--hidden", "5", "--epochs", "5", "--engine", "reference", "--l2", "0.01")
    for target in ("kind", "price"):
        done = whygrad(
            "train",
            folder / "table.csv",
            "--target",
            target,
            *quick,
            "--run",
            folder / f"{target}.run",
        )
        assert done.code == 0, done.err
    return folder, frame


def test_a_run_names_its_encoded_columns_and_says_where_they_come_from(table):
    folder, frame = table
    names = wg.open_run(folder / "kind.run").why.names
    assert {"size", "colour=red"} <= set(names.inputs)
    assert names.origins[names.inputs.index("colour=red")] == "colour"
    assert names.outputs == ("small",) and names.classes == ("large", "small")


def test_a_run_explains_the_rows_of_a_frame_as_it_predicts_them(table):
    folder, frame = table
    run = wg.open_run(folder / "kind.run")
    given = run.why.examples(frame)
    a = wg.forward(run.net, run.theta, given.X).a[-1]
    np.testing.assert_allclose(a[:, 0], run.probabilities(frame)[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(given.Y[:, 0], frame["kind"] == "small")
    without = run.why.examples(frame.drop(columns="kind"), list(frame["kind"]))
    np.testing.assert_array_equal(without.Y, given.Y)
    np.testing.assert_array_equal(run.why.examples(folder / "table.csv").X, given.X)
    assert run.why.l2.of_batch(1, 1) == 0.01


def test_without_rows_a_run_asks_about_the_test_rows(table):
    run = wg.open_run(table[0] / "kind.run")
    assert len(run.why.examples().X) == run.manifest["data"]["rows"]["test"] == 16
    assert run.why.blame().kind == "blame"


def test_numbers_of_a_run_say_what_one_unit_of_the_output_is(table):
    run = wg.open_run(table[0] / "price.run")
    (note,) = run.why.blame().notes[-1:]
    assert note.startswith("The network gives 'price' standardised: 1 of it is ")
    assert run.why.names.outputs == ("price",)
    labels = run.why.labels(folds=2, top=3)
    assert note in labels.notes
    targets = run.encoding.target.decode(run.data.Y)[labels["order"][:3]]
    column = labels.tables[0].columns.index("label")
    assert [row[column] for row in labels.tables[0].rows] == [number(float(y)) for y in targets]


def test_what_columns_add_to_a_number_is_said_in_the_units_of_the_table(table):
    folder, frame = table
    run = wg.open_run(folder / "price.run")
    found = run.why.prediction(frame[10:11])
    assert not any("standardised" in note for note in found.notes)
    assert found.tables[0].columns[3] == "adds to price"
    assert found["output"] == pytest.approx(run.predict(frame[10:11])[0], rel=1e-5)
    base, parts = found["baseline_output"], [term.value for term in found.terms]
    assert base + sum(parts) == pytest.approx(found["output"], rel=1e-12)
    assert found.value == pytest.approx(found["output"] - base, rel=1e-12)
    of_a_class = wg.open_run(folder / "kind.run").why.prediction(frame[10:11])
    assert of_a_class.tables[0].columns[3] == "adds"


def test_what_would_change_a_prediction_is_said_in_the_units_of_the_table(table):
    folder, frame = table
    run = wg.open_run(folder / "kind.run")
    row = frame[10:11]
    found = run.why.prediction(row)
    (own,) = [one for one in found.tables if "would change the answer" in one.title]
    numbers = [one for one in own.rows if isinstance(one[1], float)]
    assert numbers
    for name, before, after, change, _, verified in numbers:
        assert change == pytest.approx(after - before)
        assert before == pytest.approx(row[name].item(), rel=1e-5)
        assert verified == "yes"
        changed = [row.assign(**{name: after + by * (after - before)}) for by in (-0.01, 0.01)]
        assert run.predict(changed[0])[0] == run.predict(row)[0] != run.predict(changed[1])[0]


def test_pixels_of_a_run_are_named_by_row_and_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whygrad("train", "digits", "--hidden", "4", "--epochs", "1", "--engine", "reference")
    why = wg.open_run("digits.run").why
    assert why.names.image == (8, 8) and why.names.of(why.net, 0, 17) == "pixel 2,1"


# ── two columns of one name ──────────────────────────────────────────────────────────────────────────

TWINS = IRIS.data.set_axis(["long", "wide", "long", "broad"], axis=1)


def test_two_columns_of_one_name_are_refused_with_their_name(clf):
    net = wg.Network(4, [wg.Dense(3, "softmax")], cost="cross_entropy")
    fitted = wg.train(net, IRIS.data.to_numpy(), IRIS.target, epochs=1, engine="reference")
    bare = own(wg.MLPClassifier).fit(IRIS.data.to_numpy(), NAMED)
    asked = {
        "a fit": lambda: own(wg.MLPClassifier).fit(TWINS, NAMED),
        "validation": lambda: own(wg.MLPClassifier).fit(IRIS.data, NAMED, X_val=TWINS, y_val=NAMED),
        "going on": lambda: own(wg.MLPClassifier, solver="adam").partial_fit(
            TWINS, NAMED, classes=IRIS.target_names
        ),
        "predictions": lambda: clf.predict(TWINS),
        "activations": lambda: clf.activations(TWINS),
        "rows": lambda: clf.why_.blame(TWINS, NAMED),
        "a row": lambda: clf.why_.prediction(TWINS.iloc[0]),
        "a baseline": lambda: clf.why_.prediction(IRIS.data[:1], baseline=TWINS),
        "names that training did not see": lambda: bare.why_.blame(TWINS, NAMED),
        "a training": lambda: fitted.why.blame(TWINS, IRIS.target),
        "scikit-learn's": lambda: wg.explain(
            MLPClassifier(**QUICK).fit(IRIS.data, NAMED)
        ).why.blame(TWINS, NAMED),
        "a pipeline": lambda: wg.explain(
            make_pipeline(StandardScaler(), own(wg.MLPClassifier)).fit(IRIS.data, NAMED)
        ).why.blame(TWINS, NAMED),
    }
    for what, ask in asked.items():
        with pytest.raises(wg.InputError) as refused:
            ask()
        assert str(refused.value) == "X has 2 columns called 'long': rename all but one", what


def test_a_name_that_several_units_have_is_not_taken_for_one_of_them(clf):
    why = wg.explain(clf, inputs=list(TWINS.columns)).why
    with pytest.raises(wg.InputError, match="units 0, 2 are all called 'long': give the index"):
        why.weight(IRIS.data[:1], NAMED[:1], layer=1, to=0, from_="long")
    assert why.weight(IRIS.data[:1], NAMED[:1], layer=1, to=0, from_=2).kind == "weight"


# ── at the door ──────────────────────────────────────────────────────────────────────────────────────


def test_scikit_learns_outputs_are_compared_at_the_door():
    class Doubled(MLPRegressor):
        def predict(self, X):
            return 2 * super().predict(X)

    X, y = IRIS.data.to_numpy(), IRIS.target
    (note,) = wg.explain(MLPRegressor(**QUICK).fit(X, y)).notes
    assert note.startswith("On 8 rows the outputs are those of scikit-learn's MLPRegressor to ")
    with pytest.raises(
        wg.InputError, match="output 0 of row .* as it was read, .* in scikit-learn's D"
    ):
        wg.explain(Doubled(**QUICK).fit(X, y))
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**QUICK)).fit(IRIS.data, NAMED)
    model = wg.explain(pipe)
    assert "from scikit-learn's MLPClassifier in a Pipeline" in repr(model)
    np.testing.assert_allclose(model.predict(IRIS.data), pipe.predict_proba(IRIS.data), atol=1e-14)
    assert model.check(IRIS.data[::30], NAMED[::30])["passed"]
