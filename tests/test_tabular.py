"""TabularClassifier and TabularRegressor: tables of all kinds, scikit-learn's contract, and time."""

import itertools
import pickle
import threading
import time

import numpy as np
import pyarrow as pa
import pytest

import whygrad as wg
from exported import limit
from whygrad.pipeline.recipe import Recipe

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")

SMALL = Recipe(members=2, hidden=(8,), bins=4, epochs=15, batch_size=16, learning_rate=0.02)
TINY = Recipe(members=2, hidden=(4,), bins=3, epochs=3, batch_size=16)


def classifier(recipe=SMALL, **given):
    return wg.TabularClassifier(recipe, random_state=0, **given)


def regressor(recipe=SMALL, **given):
    return wg.TabularRegressor(recipe, random_state=0, **given)


@pytest.fixture(scope="module")
def frame():
    rng, n = np.random.default_rng(0), 160
    frame = pd.DataFrame(
        {
            "size": rng.lognormal(size=n),
            "price": [f"{value:.2f} €" for value in rng.normal(50, 9, n)],
            "town": rng.choice(["Ulm", "Bonn", "Kiel"], n),
            "sold": pd.date_range("2020-01-01", periods=n, freq="5D"),
            "garden": rng.random(n) < 0.5,
        }
    )
    frame.loc[::9, "size"] = np.nan
    return frame


@pytest.fixture(scope="module")
def labels(frame):
    return pd.Series(np.where((frame.town == "Ulm") ^ frame.garden, "dear", "cheap"), name="kind")


@pytest.fixture(scope="module")
def numbers(frame):
    return frame["size"].fillna(1.0) * 1000 + 500 * frame.garden


@pytest.fixture(scope="module")
def clf(frame, labels):
    return classifier().fit(frame, labels)


@pytest.fixture(scope="module")
def reg(frame, numbers):
    return regressor().fit(frame, numbers)


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def test_columns_of_all_kinds_are_learned_from(clf, reg, frame, labels, numbers):
    kinds = {fact.name: fact.kind for fact in clf.encoding_.facts}
    assert kinds == {"size": "number", "price": "number", "town": "category", "sold": "date",
                     "garden": "true/false"}  # fmt: skip
    assert clf.score(frame, labels) > 0.9
    assert reg.score(frame, numbers) > 0.6


def test_probabilities_stand_in_the_order_of_the_classes(clf, frame):
    p = clf.predict_proba(frame)
    assert list(clf.classes_) == ["cheap", "dear"] and p.shape == (len(frame), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (clf.classes_[p.argmax(axis=1)] == clf.predict(frame)).all()
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(frame)), p)


def test_columns_are_found_by_name_and_a_missing_one_is_named(clf, frame):
    assert (clf.predict_proba(frame[frame.columns[::-1]]) == clf.predict_proba(frame)).all()
    with pytest.raises(wg.InputError, match="no column 'town'"):
        clf.predict(frame.drop(columns="town"))


def test_polars_arrow_and_pandas_give_the_same(clf, frame):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    want = clf.predict_proba(frame)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    for other in (arrow, pl.from_arrow(arrow), pl.from_arrow(arrow).lazy()):
        np.testing.assert_array_equal(clf.predict_proba(other), want)


def test_odd_cells_are_missing_values_and_said(clf, frame):
    odd = frame[:3].assign(size=["much", "1.0", "2.0"])
    with pytest.warns(UserWarning, match="'size' is no number"):
        found = clf.predict_proba(odd)
    gone = frame[:3].assign(size=[np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(found, clf.predict_proba(gone))
    with pytest.warns(
        UserWarning, match=r"'town' holds a value never seen in training, in row 1 \(from 0\), "
    ):
        clf.predict_proba(frame[:3].assign(town=[frame["town"][0], "Atlantis", frame["town"][2]]))


def test_the_types_that_a_user_names_are_obeyed(frame, labels):
    found = classifier(TINY, types={"price": "category", "sold": "leave-out"}, na=("Ulm",))
    facts = {fact.name: fact for fact in found.fit(frame, labels).encoding_.facts}
    assert facts["price"].kind == "category" and facts["sold"].kind == "left out"
    assert facts["town"].missing == (frame.town == "Ulm").sum()


def test_an_array_of_whole_numbers_has_no_identifiers():
    X = np.arange(60).reshape(30, 2)
    assert classifier(TINY).fit(X, X[:, 0] > 20).encoding_.names[0] == "x0"


def test_an_array_that_mixes_types_is_read_by_columns():
    rng = np.random.default_rng(1)
    X = np.empty((50, 2), object)
    X[:, 0], X[:, 1] = rng.normal(size=50), rng.choice(["a", "b"], 50)
    found = classifier(TINY).fit(X, X[:, 1])
    assert [fact.kind for fact in found.encoding_.facts] == ["number", "category"]
    with pytest.raises(ValueError, match="features"):
        found.predict(X[:, :1])


# ── training ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_bits_on_one_core_and_on_two(clf, frame, labels):
    for cores in (1, 2):
        again = classifier(cores=cores).fit(frame, labels)
        assert (again.predict_proba(frame) == clf.predict_proba(frame)).all()
    other = wg.TabularClassifier(SMALL, random_state=1).fit(frame, labels)
    assert (other.predict_proba(frame) != clf.predict_proba(frame)).any()


def test_rows_that_weigh_little_are_hardly_learned_from(frame):
    X, y = frame[["town"]], 1000.0 * frame.garden
    s = np.where(frame.garden, 1.0, 1e-6)
    assert regressor().fit(X, y, sample_weight=s).predict(X).min() > 900
    assert 300 < regressor().fit(X, y).predict(X).mean() < 700


def test_balanced_class_weights_raise_the_rare_class(frame):
    y = np.zeros(len(frame), int)
    y[:12] = 1
    X = frame[["garden"]]
    plain = classifier().fit(X, y).predict_proba(X)[:, 1].mean()
    balanced = classifier(class_weight="balanced").fit(X, y).predict_proba(X)[:, 1].mean()
    assert balanced > plain + 0.15


def test_fast_trains_one_network_and_the_default_several(frame, labels):
    for quality, members in (("fast", 1), ("default", 8)):
        found = wg.TabularClassifier(quality, random_state=0, time_limit=1000)
        found.fit(frame[:20], labels[:20])
        assert len(found.ensemble_.members) == members


def test_at_the_end_of_the_time_each_network_has_its_best_epoch_so_far(frame, numbers, monkeypatch):
    clocks, begun = threading.local(), itertools.count()

    def seconds():  # of a thread: 0.001 from look to look, but 0.4 of those that train beside the first
        if not hasattr(clocks, "looks"):
            clocks.looks = itertools.count(0, 0.4 if next(begun) > 1 else 0.001)
        return next(clocks.looks)

    monkeypatch.setattr(time, "perf_counter", seconds)
    long = Recipe(members=6, hidden=(8,), bins=4, epochs=10**6, batch_size=16)
    (member,) = regressor(long, time_limit=1.0, cores=2).fit(frame, numbers).ensemble_.members
    assert 0 < len(member.history.epochs) < 10**6
    assert member.history.stopped.startswith(("time budget", "all epochs"))


def test_the_parameters_kept_are_those_of_the_best_epoch(frame, numbers):
    found = regressor(Recipe(members=1, hidden=(8,), bins=4, epochs=20, share=0.3)).fit(
        frame, numbers
    )
    (member,) = found.ensemble_.members
    costs = member.history.validation_cost
    order = np.random.default_rng([0, 7]).permutation(len(frame))
    out = order[: round(0.3 * len(frame))]
    target = found.encoding_.target
    y = (numbers.to_numpy()[out] - target.center) / target.scale
    a = found.ensemble_.predict(found.encoding_.encode(wg_table(frame))[out])[:, 0]
    assert np.mean((a - y) ** 2) / 2 == pytest.approx(min(costs), rel=1e-4)


def wg_table(frame):
    from whygrad.tables import as_table

    return as_table(frame)


# ── scikit-learn ─────────────────────────────────────────────────────────────────────────────────────


def test_searches_pipelines_and_cross_validation_take_it(frame, labels, numbers):
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    assert clone(classifier()).get_params() == classifier().get_params()
    scores = cross_val_score(regressor(TINY), frame, numbers, cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    piped = make_pipeline(FunctionTransformer(lambda X: X.drop(columns="sold")), classifier(TINY))
    search = GridSearchCV(piped, {"tabularclassifier__class_weight": [None, "balanced"]}, cv=2)
    search.fit(frame, labels)
    assert len(search.best_estimator_[-1].encoding_.columns) == 4


def test_it_is_saved_by_skops_without_pickle_and_by_pickle(clf, reg, frame):
    skops = pytest.importorskip("skops.io")
    for fitted in (clf, reg):
        saved = skops.dumps(fitted)
        unknown = skops.get_untrusted_types(data=saved)
        assert unknown == [f"whygrad.estimators.tabular.{type(fitted).__name__}"]
        for back in (skops.loads(saved, trusted=unknown), pickle.loads(pickle.dumps(fitted))):
            assert (back.predict(frame) == fitted.predict(frame)).all()
            assert back.get_params() == fitted.get_params()
            assert (
                back.encoding_ == fitted.encoding_
                and back.encoding_.facts == fitted.encoding_.facts
            )


def test_it_is_exported_with_its_columns_and_its_networks_alone(clf, reg, frame, tmp_path):
    for fitted, predicted in ((clf, clf.predict_proba), (reg, reg.predict)):
        done = wg.export(fitted, tmp_path / f"{type(fitted).__name__}.onnx", rows=frame)
        assert done.difference <= limit("float32", predicted(frame))
    done = wg.export(clf.ensemble_, tmp_path / "kind.onnx", rows=clf.background_)
    assert done.difference <= limit("float32", 1.0)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(frame, labels):
    found = classifier(TINY).fit(frame, labels)
    before = found.predict_proba(frame)
    with pytest.raises(wg.InputError):
        found.fit(frame[["size"]], labels[:-1])
    assert found.n_features_in_ == 5
    np.testing.assert_array_equal(found.predict_proba(frame), before)


def _checks():
    from sklearn.utils.estimator_checks import estimator_checks_generator

    left_out = {
        "check_dataframe_column_names_consistency": "columns are found by name, in any order",
        "check_array_api_input": "a table is arrow's, whatever it came from",
        "check_sample_weight_equivalence_on_dense_data": "a row given twice may be set aside once",
    }
    recipe = Recipe(members=2, hidden=(16,), bins=4, epochs=25, batch_size=16, learning_rate=0.02)
    for made in (classifier(recipe), regressor(recipe)):
        for estimator, check in estimator_checks_generator(made):
            name = check.func.__name__
            if name not in left_out:
                yield pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(_checks()))
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


# ── questions ────────────────────────────────────────────────────────────────────────────────────────


def test_why_speaks_of_columns_and_adds_up_to_the_averaged_output(clf, reg, frame):
    answer = clf.why_.prediction(frame.iloc[:1])
    assert {term.name for term in answer.terms} >= {"town", "garden", "size"}
    (z,) = clf.ensemble_.z(clf.encoding_.encode(wg_table(frame[:1])))[0]
    assert answer.value == pytest.approx(z - answer.arrays["baseline_output"], rel=1e-4)
    weight = reg.why_.weight(frame[:5], [1.0] * 5, layer=1, to=0, from_="town=Ulm")
    assert np.isfinite(weight.value)


# ── bad input ────────────────────────────────────────────────────────────────────────────────────────

BAD = {
    "one class": (lambda X, y: classifier().fit(X, ["a"] * len(X)), "y holds one class, a, in every row"),
    "lengths": (lambda X, y: classifier().fit(X, y[:-1]), "X has 160 rows and y 159"),
    "quality": (lambda X, y: wg.TabularClassifier("good").fit(X, y), "'quality' parameter"),
    "time": (lambda X, y: classifier(time_limit=0).fit(X, y), "'time_limit' parameter"),
    "a name": (lambda X, y: classifier(types={"twon": "number"}).fit(X, y), "twon"),
    "weights": (lambda X, y: classifier().fit(X, y, [0.0] * len(X)), "at least one non-zero number"),
    "no column": (lambda X, y: classifier().fit(X[["garden"]].assign(garden=True), y), "no column is left"),
    "missing y": (lambda X, y: regressor().fit(X, [np.nan] * len(X)), "y contains NaN"),
    "argument": (lambda X, y: wg.TabularClassifier(hidden=3), "unexpected keyword argument 'hidden'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, frame, labels):
    fit, said = BAD[name]
    with pytest.raises((ValueError, TypeError)) as error:
        fit(frame, labels)
    assert said in str(error.value)
    if isinstance(error.value, wg.WhygradError):
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("gone", [None, float("nan"), pd.NA])
@pytest.mark.parametrize("kind", [list, pd.Series, "string"])
def test_a_label_that_is_missing_is_named_with_its_row(gone, kind):
    labels = ["b", "a", "b", gone, "a", "b"]
    y = pd.Series(labels, dtype="string") if kind == "string" else kind(labels)
    with pytest.raises(wg.InputError) as caught:
        wg.TabularClassifier("fast").fit(pd.DataFrame({"x": range(6)}), y)
    assert str(caught.value) == "y has no label in row 3 (from 0): leave out the rows without one"


@pytest.mark.parametrize("kind", ["pyarrow", "chunks", "polars", "Int64", "boolean"])
def test_a_label_that_is_missing_in_other_frames_is_refused(kind):
    labels = ["b", "a", "b", None, "a", "b"]
    if kind == "polars":
        y = pytest.importorskip("polars").Series(labels)
    elif kind in ("Int64", "boolean"):
        y = pd.Series([None if one is None else one == "a" for one in labels], dtype="boolean")
        y = y.astype(kind)
    else:
        y = pa.array(labels) if kind == "pyarrow" else pa.chunked_array([labels[:3], labels[3:]])
    with pytest.raises(wg.InputError) as caught:
        wg.TabularClassifier("fast").fit(pd.DataFrame({"x": range(6)}), y)
    assert str(caught.value) == "y has no label in row 3 (from 0): leave out the rows without one"


def test_texts_as_numbers_to_predict_are_refused_with_the_first_and_what_to_use():
    for y, said in (
        (
            ["3", "b", "c"],
            "y is 'b' in row 1 (from 0), which is no number: for classes use a TabularClassifier",
        ),
        (
            np.array([1.5, "many", None], object),
            "y is 'many' in row 1 (from 0), which is no number",
        ),
    ):
        with pytest.raises(wg.InputError) as caught:
            wg.TabularRegressor().fit([[1.0], [2.0], [3.0]], y)
        assert str(caught.value).startswith(said)
