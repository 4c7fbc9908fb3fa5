"""Networks that leave: what onnxruntime, a C compiler and node make of them is what whygrad predicts."""

import json
import math
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler

import exported
import whygrad as wg
from command import whygrad
from exported import compiled, in_node, limit, ran
from whygrad.nn.functions import ACTIVATIONS
from whygrad.nn.parametric import (
    FAMILIES,
    MISH,
    SOFTSIGN,
    celu,
    clipped,
    gelu_tanh,
    scaled_elu,
    sharp_softplus,
    sloped_relu,
)
from whygrad.pipeline import fit
from whygrad.pipeline.deploy import onnx_graph, source_text
from whygrad.pipeline.deploy.building import of_network, of_table, proof_of_table
from whygrad.pipeline.deploy.exporting import write
from whygrad.pipeline.deploy.onnx_model import to_model
from whygrad.pipeline.embeddings import EmbeddingLayer
from whygrad.pipeline.names import names_of_encoding
from whygrad.pipeline.settings import Settings
from whygrad.tables import (
    Category,
    DateColumn,
    Encoding,
    NumberColumn,
    Target,
    choose_target,
    learn,
)
from whygrad.tables.dates import DateForm
from whygrad.tables.encoding import TurnedColumn
from whygrad.why.prediction.prediction import prediction

DTYPES = ("float32", "float64")
QUICK = Settings(hidden=(6,), epochs=2, test=0.2, validation=0.1, engine="reference")


@pytest.fixture(autouse=True)
def many_rows_prove_it(monkeypatch):
    """More rows than a user's file holds, so that every kind of cell is among them."""
    monkeypatch.setattr(source_text, "PROVEN", 60)


def network(hidden="tanh", output="identity", dtype="float64", n_0=4, n_L=3):
    """A network with weights large enough to reach into every corner of a function."""
    cost = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}.get(
        output, "squared_error"
    )
    net = wg.Network(n_0, [wg.Dense(5, hidden), wg.Dense(n_L, output)], cost)
    theta = net.init(seed=1)
    return wg.Fitted(net, wg.Parameters(theta.sizes, (2 * theta.flat).astype(dtype)))


# ── activations ──────────────────────────────────────────────────────────────────────────────────────

HIDDEN = [name for name, f in ACTIVATIONS.items() if f.custom_vjp is None]
PAIRS = [(f, HIDDEN[-k - 1]) for k, f in enumerate(HIDDEN)] + [("selu", "softmax")]


WITH_PARAMETERS = [
    (sloped_relu(0.2), sloped_relu(1.5)),
    (scaled_elu(1.7), sharp_softplus(3.0, 2.0)),
    (gelu_tanh(), clipped(-0.4, 0.7)),
    (clipped(0, 6), celu(0.5)),
    (MISH, SOFTSIGN),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden, output", [*PAIRS, *WITH_PARAMETERS])
def test_every_activation_is_the_same_in_onnx_c_and_javascript(hidden, output, dtype, tmp_path):
    fitted = network(hidden, output, dtype)
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(dtype)
    expected = fitted.predict(X)
    most = limit(dtype, expected)
    onnx = wg.export(fitted, tmp_path / "net.onnx", rows=X)
    assert onnx.difference <= most
    found = ran(onnx.path, {"X": X})["outputs"]
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=most)
    wg.export(fitted, tmp_path / "net.c", rows=X)
    code, worst = compiled(tmp_path / "net.c", "NET")
    assert code == 0 and worst <= most
    wg.export(fitted, tmp_path / "net.mjs", rows=X)
    assert in_node(tmp_path / "net.mjs", "net.prove()") <= most


def test_every_activation_of_the_package_is_known_to_every_format():
    from whygrad.pipeline.deploy.c_source import functions
    from whygrad.pipeline.deploy.js_source import RUNTIME

    script = RUNTIME.read_text(encoding="utf-8").partition("const activations = {")[2]
    for name in {**ACTIVATIONS, **FAMILIES}:
        assert name in onnx_graph.ACTIVATIONS
        assert name in functions() or name == "identity"
        assert f"\n  {name}" in script.partition("};")[0]


def test_gelu_without_the_error_function_is_exact_to_rounding(tmp_path):
    fitted = network("identity", "gelu", n_0=1, n_L=1)
    fitted.theta.flat[:] = [1, 0, 0, 0, 0, *[0] * 5, 1, 0, 0, 0, 0, 0]
    X = np.linspace(-12, 12, 999)[:, None]
    onnx = wg.export(fitted, tmp_path / "net.onnx", rows=X)
    assert onnx.difference < 4e-15


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def table():
    """Columns of all kinds: missing values, merged spellings, rare values, truth, dates of four forms."""
    rng, n = np.random.default_rng(0), 240
    days = np.datetime64("1700-01-01") + rng.integers(0, 180_000, n).astype("timedelta64[D]")
    lost = np.arange(n) % 11 == 0
    kinds = np.array(["flat", "House", "it's", "Zürich", None], object)
    return pa.table(
        {
            "size": rng.normal(50, 10, n),
            "label": [None if rng.random() < 0.1 else float(x) for x in rng.normal(1e6, 1, n)],
            "kind": kinds[rng.choice(5, n, p=[0.4, 0.3, 0.18, 0.02, 0.1])],
            "garden": rng.choice(["yes", "Yes", "no"], n),
            "when": pa.array(days.astype("datetime64[s]") + rng.integers(0, 86_400, n)),
            "new": pa.array(rng.random(n) < 0.5),
            "seen": pa.array((1.4e12 + rng.integers(0, 10**11, n)).astype(np.int64), mask=lost),
            "clock": [f"{h}:{m:02}" for h, m in rng.integers(0, [24, 60], (n, 2))],
            "price": rng.normal(1000, 100, n),
            "town": rng.choice(["a", "b", "c"], n),
            "sold": rng.integers(0, 2, n),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(table):
    """Target → the network trained for it, and the encoding of the other columns; and averaged ones."""
    found = {}
    for target in ("price", "town", "sold"):
        result = fit.fit(fit.Source(table, target, {"kind": "frame"}), QUICK)
        found[target] = (result.fitted, result.encoding)
        found[f"{target} in pieces"] = several_on_pieces(table, result.encoding.target)
    return found


def several_on_pieces(table, target):
    """Three networks of two hidden layers, averaged, on numbers and dates in pieces."""
    encoding = learn(table.drop_columns([target.name]), target, bins=4)
    outputs, cost = {
        0: (wg.Dense(1), "squared_error"),
        2: (wg.Dense(1, "sigmoid"), "binary_cross_entropy"),
        3: (wg.Dense(3, "softmax"), "cross_entropy"),
    }[len(target.classes)]
    net = wg.Network(len(encoding.names), [wg.Dense(6, "relu"), wg.Dense(5, "tanh"), outputs], cost)
    return wg.Ensemble([wg.Fitted(net, net.init(seed)) for seed in range(3)]), encoding


def in_dtype(fitted, dtype):
    """The same network, or several, with parameters of a dtype."""
    if isinstance(fitted, wg.Ensemble):
        return wg.Ensemble([in_dtype(one, dtype) for one in fitted.members])
    theta = wg.Parameters(fitted.theta.sizes, fitted.theta.flat.astype(dtype))
    return wg.Fitted(fitted.net, theta)


GIVEN = ("rows given", "float32"), ("rows given", "float64"), ("rows drawn at random", "float64")
CASES = [(target, *how) for target in ("price", "town", "sold") for how in GIVEN]
IN_PIECES = [
    (f"{target} in pieces", *how)
    for target, how in zip(("price", "town", "sold"), GIVEN, strict=True)
]


@pytest.mark.parametrize("target, given, dtype", [*CASES, *IN_PIECES])
def test_rows_of_a_table_go_in_as_they_are(target, given, dtype, table, trained, tmp_path):
    fitted, encoding = trained[target]
    fitted = in_dtype(fitted, dtype)
    deployable = of_table(fitted, encoding)
    rows = table if given == "rows given" else None
    prove_everywhere(
        deployable, proof_of_table(deployable, fitted, encoding, rows, given), tmp_path
    )


def prove_everywhere(deployable, proof, folder):
    """Write t.onnx, t.c and t.mjs, each of which gives what whygrad does."""
    most = limit(deployable.dtype, proof.values)
    for name in ("t.onnx", "t.c", "t.mjs"):
        done = write(deployable, proof, folder / name)
        assert done.difference is None or done.difference <= most
    code, worst = compiled(folder / "t.c", "T")
    assert code == 0 and worst <= most
    assert in_node(folder / "t.mjs", "net.prove()") <= most


def test_a_chosen_threshold_decides_elsewhere_too(table, trained, tmp_path):
    fitted, encoding = trained["sold"]
    p = fit.predict(fitted, encoding.encode(table))[:, 0]
    chosen = replace(
        encoding, target=replace(encoding.target, threshold=float(np.sort(p)[200:202].mean()))
    )
    assert (chosen.decode(p[:, None]) != encoding.decode(p[:, None])).any()
    deployable = of_table(fitted, chosen)
    proof = proof_of_table(deployable, fitted, chosen, table, "rows")
    for name in ("t.onnx", "t.c", "t.mjs"):
        write(deployable, proof, tmp_path / name)
    assert compiled(tmp_path / "t.c", "T")[0] == 0
    assert in_node(tmp_path / "t.mjs", "net.prove()") < 1e-6


@pytest.mark.parametrize("ending", ["onnx", "safetensors"])
@pytest.mark.parametrize("target", ["price", "price in pieces", "town", "sold", "sold in pieces"])
def test_an_exported_table_is_explained_in_its_own_columns(
    target, ending, table, trained, tmp_path
):
    """The same parts, values in own units, the class by its threshold; no row is of no category."""
    fitted, encoding = trained[target]
    X = encoding.encode(table)
    if encoding.target.n_outputs == 1 and encoding.classes:
        p = fit.predict(fitted, X)[:, 0]
        threshold = float(np.sort(p)[200:202].mean())
        encoding = replace(encoding, target=replace(encoding.target, threshold=threshold))
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    write(deployable, proof, tmp_path / f"t.{ending}")
    cost = {} if encoding.classes else {"cost": "squared_error"}
    why = wg.explain(tmp_path / f"t.{ending}", **cost).why
    assert why.names.threshold == encoding.target.threshold
    order = [encoding.names.index(name) for name in why.names.inputs]
    members = fitted.members if isinstance(fitted, wg.Ensemble) else (fitted,)
    own = names_of_encoding(encoding)
    for row in range(0, 240, 40):
        asked = prediction(
            [(one.net, one.theta) for one in members], None, X[row], names=own, baseline=X[:20]
        )
        # What goes in are encoded rows, in whatever order the file has them.
        found = prediction(
            why.net, why.theta, X[row, order], names=why.names, baseline=X[:20, order]
        )
        expected = {term.name: term.value for term in asked.terms}
        size = sum(map(abs, expected.values()))
        assert {term.name: term.value for term in found.terms} == pytest.approx(
            expected, abs=1e-6 * size
        )
        held, told = ({one[0]: one[1:3] for one in x.tables[0].rows} for x in (asked, found))
        assert told["kind"] == held["kind"] and told["size"] == pytest.approx(
            held["size"], rel=1e-6
        )
        if encoding.classes:
            assert found.question == asked.question
    with pytest.raises(wg.InputError, match="a row of 0 is of no category"):
        prediction(why.net, why.theta, X[0, order], names=why.names)


def test_onnxruntime_takes_the_cells_themselves(table, trained, tmp_path):
    """Without whygrad on the way in: what a user makes of a frame, column by column."""
    fitted, encoding = trained["town"]
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    write(deployable, proof, tmp_path / "t.onnx")
    frame = table.select(
        ["size", "label", "kind", "garden", "when", "new", "seen", "clock", "price", "sold"]
    )
    numbers = {"size", "label", "new", "seen", "price", "sold"}
    feed = {}
    for name in frame.column_names:
        cells = frame.column(name).to_pylist()
        if name in numbers:
            array = np.array([np.nan if cell is None else float(cell) for cell in cells])
        elif name == "when":
            array = frame.column(name).to_numpy().astype("datetime64[s]").astype(np.int64) * 1.0
        elif name == "clock":
            hours_and_minutes = [cell.split(":") for cell in cells]
            array = np.array([3600.0 * int(h) + 60.0 * int(m) for h, m in hours_and_minutes])
        else:
            array = np.array(["" if cell is None else cell for cell in cells], object)
        feed["label_" if name == "label" else name] = array[:, None]
    found = ran(tmp_path / "t.onnx", feed)
    assert [*found] == ["label", "probabilities"]
    a = fit.predict(fitted, encoding.encode(table))
    np.testing.assert_allclose(found["probabilities"], a, rtol=0, atol=1e-6)
    assert (found["label"] == encoding.decode(a)).all()


@pytest.mark.parametrize(
    "cell", [None, "?", "", "HOUSE", "house", "House", "nowhere", "it's", "Zürich"]
)
def test_spellings_unknown_and_missing_categories_are_what_they_are_to_whygrad(cell, trained):
    _, encoding = trained["price"]
    column = next(one for one in encoding.columns if one.name == "kind")
    cells = pa.chunked_array([pa.array([cell], pa.large_string())])
    X = np.empty((1, len(column.names)))
    column.encode(cells, X, 0, encoding.target.na, None)
    place = column.codes(encoding.target.na).get(
        cell or "", len(column.values) if column.rare else -1
    )
    assert (X[0] == (np.arange(len(column.names)) == place)).all()


def test_codes_go_in_as_a_float_has_them_as_well():
    codes = pa.table({"office": ["7", "08", "9"] * 10, "y": [1.0, 2, 3] * 10})
    encoding = learn(codes, choose_target(codes, "y")[1], {"office": "category"})
    column = encoding.columns[0]
    known = column.codes(())
    for text in ("7", "7.0", "9.0", "08", "08.0", "8.0", "7.5"):
        X = np.empty((1, 3))
        column.encode(pa.chunked_array([pa.array([text])]), X, 0, (), None)
        assert (X[0] == (np.arange(3) == known.get(text, -1))).all(), text


def test_of_columns_whose_units_are_converted_the_unit_is_told(tmp_path):
    columns = {"took": ["45:10", "1:30"], "weight": ["1.5 kg", "500 g"], "y": [1.0, 2.0]}
    given = pa.table({name: cells * 20 for name, cells in columns.items()})
    found = fit.fit(fit.Source(given, "y", {"kind": "frame"}), QUICK)
    notes = of_table(found.fitted, found.encoding).notes
    assert notes == (
        "column 'took' goes in as a number, in min",
        "column 'weight' goes in as a number, in g",
    )


def test_javascript_takes_objects_arrays_and_dates(table, trained, tmp_path):
    fitted, encoding = trained["sold"]
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    write(deployable, proof, tmp_path / "t.mjs")
    row = {name: proof.inputs[name][5] for name in proof.inputs}
    plain = {
        k: v if isinstance(v, str) else None if np.isnan(v) else float(v) for k, v in row.items()
    }
    same = in_node(
        tmp_path / "t.mjs",
        f"((row) => [row, Object.values(row), {{...row, when: new Date(1000 * row.when)}}]"
        f".map(net.predict))({json.dumps(plain)})",
    )
    assert same[0] == same[1] == same[2]
    assert same[0]["label"] == proof.labels[5]
    said = in_node(
        tmp_path / "t.mjs", "(() => { try { net.predict({}) } catch (e) { return e.message } })()"
    )
    assert said == 'no column "size"'


def test_what_is_to_be_known_of_columns_is_said(table, trained, tmp_path):
    fitted, encoding = trained["town"]
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    assert write(deployable, proof, tmp_path / "t.onnx").notes == (
        "column 'when' goes in as a number: seconds since 1970, UTC",
        "column 'seen' goes in as a number: milliseconds since 1970, UTC",
        "column 'clock' goes in as a number: seconds since midnight",
        "column 'label' is called 'label_' there, since an output has its name",
    )


# ── names of strangers ───────────────────────────────────────────────────────────────────────────────

NASTY = (
    'a"b', "it's", "back\\slash", "new\nline", "*/ int x; /*", "// */", "??/", "??)", "</script>", "<!--",
    "重み", "é", "\u2028", "\t", "%s%n", "__proto__", "constructor", "label", "probabilities", "X", "int",
    "NAN", "NULL", "main", "1st", " #define a b", "${x}", "`", "\x7f", "\\u0000", "\\", "x" * 300,
    "😀", "wg_0",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_no_name_of_a_column_category_or_class_breaks_out_of_its_string(seed, tmp_path):
    chance, n = random.Random(seed), 90
    names = list(dict.fromkeys(name.strip() for name in chance.sample(NASTY, 7)))
    values = list(dict.fromkeys(value.strip() for value in chance.sample(NASTY, 5)))
    cells = {names[0]: [chance.gauss(0, 1) for _ in range(n)]}
    cells |= {name: chance.choices(values, k=n) for name in names[1:]}
    source = fit.Source(pa.table(cells), names[-1], {"kind": "frame"}, task="classification")
    result = fit.fit(source, QUICK)
    deployable = of_table(result.fitted, result.encoding)
    proof = proof_of_table(deployable, result.fitted, result.encoding, source.table, "rows")
    for name in ("t.onnx", "t.c", "t.mjs"):
        write(deployable, proof, tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert name == "t.onnx" or b"</script" not in content.lower()
    assert compiled(tmp_path / "t.c", "T")[0] == 0
    assert in_node(tmp_path / "t.mjs", "net.prove()") < 1e-5
    assert in_node(tmp_path / "t.mjs", "net.labels") == list(result.encoding.classes)
    assert (tmp_path / "t.c").read_bytes().isascii()


# ── estimators ───────────────────────────────────────────────────────────────────────────────────────

X = np.random.default_rng(3).normal(size=(60, 4))
SCORE = X @ [1.0, -2.0, 0.5, 0.0]
THREE = np.digitize(SCORE, [-1, 1])
OPTIONS = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0, "engine": "reference"}
SIGMOID = {"out_activation": "sigmoid", "loss": "binary_cross_entropy"}
CLASSIFIERS = {
    "two": (SCORE > 0, {}),
    "two words": (np.where(SCORE > 0, "yes", "no"), {}),
    "three": (THREE, {}),
    "three words": (np.array(["low", "mid", "high"])[THREE], {}),
    "floats": (np.array([0.0, 1.0, 2.0])[THREE], {}),
    "divided": (THREE, SIGMOID),
    "scores": (THREE, {"out_activation": "identity", "loss": "squared_error"}),
    "score": (SCORE > 0, {"out_activation": "identity", "loss": "squared_error"}),
    "labels": (np.stack([SCORE > 0, X[:, 0] > 0], axis=1).astype(int), {}),
    "one": (np.zeros(60, int), {}),
}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("what", CLASSIFIERS)
def test_a_classifier_gives_its_labels_and_probabilities_elsewhere(what, tmp_path):
    y, options = CLASSIFIERS[what]
    clf = wg.MLPClassifier(**OPTIONS, **options).fit(X, y)
    wg.export(clf, tmp_path / "clf.onnx", rows=X)
    found = ran(tmp_path / "clf.onnx", {"X": X})
    assert (found["label"] == clf.predict(X)).all()
    if hasattr(clf, "predict_proba"):
        np.testing.assert_allclose(found["probabilities"], clf.predict_proba(X), rtol=0, atol=1e-12)
    else:
        assert [*found] == ["label", "scores"]
    wg.export(clf, tmp_path / "clf.c", rows=X)
    assert compiled(tmp_path / "clf.c", "CLF")[0] == 0
    wg.export(clf, tmp_path / "clf.mjs", rows=X)
    assert in_node(tmp_path / "clf.mjs", "net.prove()") <= 1e-12


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressor_gives_its_numbers_elsewhere(outputs, tmp_path):
    y = SCORE if outputs == 1 else X[:, :2]
    reg = wg.MLPRegressor(**OPTIONS).fit(X.astype(np.float32), y)
    for name in ("reg.onnx", "reg.c", "reg.mjs"):
        wg.export(reg, tmp_path / name, rows=X.astype(np.float32))
    found = ran(tmp_path / "reg.onnx", {"X": X.astype(np.float32)})["variable"]
    np.testing.assert_allclose(
        found, reg.predict(X.astype(np.float32)).reshape(60, -1), rtol=0, atol=1e-6
    )
    assert compiled(tmp_path / "reg.c", "REG")[0] == 0
    assert in_node(tmp_path / "reg.mjs", "net.prove()") <= 1e-6


class Sub(wg.MLPClassifier):
    """A class of a user's own, which skl2onnx has never met."""


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("options", [None, {"zipmap": False}, None])
def test_a_pipeline_converts_by_skl2onnx_without_a_word_of_registration(options):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(StandardScaler(), Sub(**OPTIONS)).fit(X, CLASSIFIERS["three words"][0])
    model = skl2onnx.to_onnx(pipeline, X[:1], options=options and {id(pipeline[-1]): options})
    assert all(node.op_type != "ZipMap" for node in model.graph.node)
    session = exported.onnxruntime().InferenceSession(model.SerializeToString())
    label, probabilities = session.run(None, {"X": X})
    assert (label == pipeline.predict(X)).all()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pipeline_on_the_columns_of_a_frame_converts_by_skl2onnx():
    skl2onnx = pytest.importorskip("skl2onnx")
    pd = pytest.importorskip("pandas")
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"size": X[:, 0], "kind": np.where(X[:, 1] > 0, "flat", "house")})
    columns = [
        ("n", StandardScaler(), ["size"]),
        ("c", OneHotEncoder(sparse_output=False), ["kind"]),
    ]
    pipeline = make_pipeline(ColumnTransformer(columns), wg.MLPRegressor(**OPTIONS)).fit(
        frame, SCORE
    )
    model = skl2onnx.to_onnx(pipeline, frame[:1])
    session = exported.onnxruntime().InferenceSession(model.SerializeToString())
    feed = {"size": frame[["size"]].to_numpy(), "kind": frame[["kind"]].to_numpy(object)}
    (variable,) = session.run(None, feed)
    np.testing.assert_allclose(variable[:, 0], pipeline.predict(frame), rtol=0, atol=1e-12)


def tabular(kind, y, **more):
    """A tabular estimator on two columns of numbers, one of whole numbers that are categories, and text."""
    pd = pytest.importorskip("pandas")
    from whygrad.pipeline.recipe import Recipe

    recipe = Recipe(members=2, hidden=(4, 3), bins=3, epochs=3, batch_size=16)
    frame = pd.DataFrame(
        {
            "size": np.where(X[:, 0] > 1, np.nan, X[:, 0]),
            "id": [f"no {k}" for k in range(60)],
            "zip": np.where(X[:, 1] > 0, 10115, 20095),
            "town": np.where(X[:, 1] > 0, "Ulm", "Bonn"),
        }
    )
    types = {"zip": "category"}
    model = kind(recipe, random_state=0, engine="reference", types=types)
    return model.fit(frame, y), frame


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("order", [["size", "id", "zip", "town"], ["town", "zip", "id", "size"]])
def test_a_tabular_estimator_converts_by_skl2onnx_column_by_column(order):
    skl2onnx = pytest.importorskip("skl2onnx")
    clf, frame = tabular(wg.TabularClassifier, CLASSIFIERS["three words"][0])
    assert [column.name for column in clf.encoding_.columns] == ["size", "zip", "town"]
    model = skl2onnx.to_onnx(clf, frame[order][:1])
    session = exported.onnxruntime().InferenceSession(model.SerializeToString())
    feed = {name: frame[[name]].to_numpy() for name in ("size", "zip")}
    feed |= {name: frame[[name]].to_numpy(object) for name in ("id", "town")}
    label, probabilities = session.run(None, feed)
    assert (label == clf.predict(frame)).all()
    np.testing.assert_allclose(probabilities, clf.predict_proba(frame), rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_tabular_estimator_after_other_steps_converts_by_skl2onnx():
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.pipeline import make_pipeline

    from whygrad.pipeline.recipe import Recipe

    recipe = Recipe(members=2, hidden=(4, 3), bins=3, epochs=3, batch_size=16)
    last = wg.TabularRegressor(recipe, random_state=0, engine="reference")
    pipeline = make_pipeline(StandardScaler(), last).fit(X, SCORE)
    model = skl2onnx.to_onnx(pipeline, X[:1])
    session = exported.onnxruntime().InferenceSession(model.SerializeToString())
    (variable,) = session.run(None, {"X": X})
    expected = pipeline.predict(X)
    most = limit("float32", expected)
    np.testing.assert_allclose(variable[:, 0], expected, rtol=0, atol=most)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_place_converts_by_skl2onnx_with_what_its_two_columns_make_together():
    skl2onnx = pytest.importorskip("skl2onnx")
    pd = pytest.importorskip("pandas")
    from whygrad.pipeline.recipe import Recipe

    recipe = Recipe(members=2, hidden=(4, 3), bins=3, epochs=3, batch_size=16)
    lost = X[:, 2] > 1
    frame = pd.DataFrame(
        {
            "longitude": 9 + 2 * X[:, 0],
            "town": np.where(X[:, 1] > 0, "Ulm", "Bonn"),
            "latitude": np.where(lost, np.nan, 50 + X[:, 3]),
        }
    )
    reg = wg.TabularRegressor(recipe, random_state=0, engine="reference").fit(frame, SCORE)
    assert reg.encoding_.turned and lost.any()
    model = skl2onnx.to_onnx(reg, frame[["latitude", "town", "longitude"]][:1])
    session = exported.onnxruntime().InferenceSession(model.SerializeToString())
    feed = {name: frame[[name]].to_numpy() for name in ("latitude", "longitude")}
    (variable,) = session.run(None, feed | {"town": frame[["town"]].to_numpy(object)})
    expected = reg.predict(frame)
    most = limit("float32", expected)
    np.testing.assert_allclose(variable[:, 0], expected, rtol=0, atol=most)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_columns_that_skl2onnx_gives_otherwise_are_refused_in_a_line():
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    reg, frame = tabular(wg.TabularRegressor, SCORE)
    two = [("a", FloatTensorType([None, 2])), ("town", StringTensorType([None, 1]))]
    with pytest.raises(wg.InputError, match="3 columns go into TabularRegressor, .* fitted on 4"):
        skl2onnx.to_onnx(reg, initial_types=two)
    as_text = [(name, StringTensorType([None, 1])) for name in frame]
    with pytest.raises(wg.InputError, match="'size' goes in as StringTensorType: it holds numbers"):
        skl2onnx.to_onnx(reg, initial_types=as_text)
    as_numbers = [(name, FloatTensorType([None, 1])) for name in frame]
    with pytest.raises(wg.InputError, match="'zip' goes in as FloatTensorType: .* text or whole"):
        skl2onnx.to_onnx(reg, initial_types=as_numbers)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_an_estimator_gives_its_model_itself():
    clf = wg.MLPClassifier(**OPTIONS).fit(X, THREE)
    model = clf.to_onnx()
    assert (model.ir_version, model.opset_import[0].version) == (8, 13)
    assert [one.name for one in model.graph.output] == ["label", "probabilities"]


def test_pytorch_loads_the_tensors_by_its_own_names(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    fitted = network("tanh", "softmax", "float32")
    wg.export(fitted, tmp_path / "net.safetensors")
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3), torch.nn.Softmax(dim=1)
    )
    model.load_state_dict(load_file(tmp_path / "net.safetensors"), strict=True)
    x = X.astype(np.float32)
    with torch.no_grad():
        found = model(torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, fitted.predict(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "hidden, output",
    [
        ("selu", "softmax"),
        (sloped_relu(0.2), celu(0.5)),
        (sharp_softplus(3.0, 2.0), "sigmoid"),
        (clipped(0, 6), MISH),
        (SOFTSIGN, clipped(-1, 1)),
    ],
)
def test_exported_tensors_are_explained_as_the_network_they_were(hidden, output, tmp_path):
    fitted = network(hidden, output)
    fitted = replace(
        fitted,
        net=replace(
            fitted.net, layers=(replace(fitted.net.layers[0], dropout=0.25), fitted.net.layers[1])
        ),
    )
    wg.export(fitted, tmp_path / "net.safetensors")
    why = wg.explain(tmp_path / "net.safetensors").why
    np.testing.assert_array_equal(why.theta.flat, fitted.theta.flat)
    assert (why.net.C, why.net.layers[0].dropout) == (fitted.net.C, 0.25)
    assert [f.name for f in why.net.f[1:]] == [f.name for f in fitted.net.f[1:]]


@pytest.mark.parametrize("target", ["price", "town", "sold", "price in pieces"])
def test_exported_tensors_know_the_names_of_a_table(target, table, trained, tmp_path):
    fitted, encoding = trained[target]
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    write(deployable, proof, tmp_path / "t.safetensors")
    model = wg.explain(tmp_path / "t.safetensors")
    assert model.why.names.inputs == encoding.names
    inputs = encoding.encode(table, np.float64)
    found = model.predict(inputs)
    np.testing.assert_allclose(found[:, -1], proof.values[:, -1], rtol=1e-5)
    assert model.why.names.of(model.why.net, model.why.net.L, 0) == {
        "town": "a",
        "sold": '"1"',
    }.get(target, "price")


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("whygrad.network", "[]", "its description of the network is damaged"),
        ("whygrad.network", '{"layers": [], "cost": "squared_error"}', "it has no layers"),
        ("whygrad.network", '{"layers": [{"units": 9, "activation": "tanh", "parameters": [],'
         ' "dropout": 0}], "cost": ""}', "there are 2 linear layers"),
        ("inputs", "[7]", "its description of the network is damaged"),
        ("inputs", '["a"]', "names are not those of 4 inputs"),
        ("inputs", '[{"name": "a", "origin": "a", "scale": [0, 1]}]', "names are not those of 4 inputs"),
        ("result", "x", "its description of the network is damaged"),
    ],
)  # fmt: skip
def test_exported_tensors_with_a_damaged_description_are_refused(key, value, said, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "net.safetensors"
    wg.export(network(), path)
    with safe_open(path, framework="numpy") as file:
        about = file.metadata() | {key: value}
    save_file(load_file(path), path, about)
    with pytest.raises(wg.WhygradError, match=said):
        wg.explain(path)


def test_earlier_files_with_the_names_of_inputs_alone_are_explained_by_these(
    table, trained, tmp_path
):
    import onnx
    from safetensors.numpy import load_file, save_file

    fitted, encoding = trained["price"]
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    for ending in ("safetensors", "onnx"):
        write(deployable, proof, tmp_path / f"t.{ending}")
    tensors, model = tmp_path / "t.safetensors", onnx.load(tmp_path / "t.onnx")
    save_file(
        load_file(tensors), tensors, metadata(tensors) | {"inputs": json.dumps(encoding.names)}
    )
    (given,) = model.metadata_props
    given.value = json.dumps([one["name"] for one in json.loads(given.value)])
    assert wg.explain(tensors).why.names.inputs == encoding.names
    found = wg.explain(model, cost="squared_error").why.names.inputs
    assert sorted(found) == sorted(encoding.names)


def test_tensors_of_others_ask_for_a_description(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "net.safetensors"
    save_file({"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2)}, path, {"format": "pt"})
    with pytest.raises(wg.InputError, match=r"do not tell activations: .* description=\[wg.Dense"):
        wg.explain(path)
    assert wg.explain(path, description=[wg.Dense(2, "softmax")]).why.net.sizes == (3, 2)


# ── truth, and what is refused ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name, macro", [("net.c", "NET"), ("net.mjs", None)])
def test_a_file_whose_weights_were_changed_fails_its_own_proof(name, macro, tmp_path):
    wg.export(network(), tmp_path / name, rows=X)
    text = (tmp_path / name).read_text()
    weight = repr(float(network().theta.W[1][0, 0]))
    assert text.count(weight) == 1
    (tmp_path / name).write_text(text.replace(weight, "0.125"))
    if macro:
        assert compiled(tmp_path / name, macro)[0] == 1
    else:
        caught = "(() => { try { return net.prove() } catch (e) { return e.message } })()"
        assert "differs from whygrad" in in_node(tmp_path / name, caught)


def test_an_onnx_that_would_predict_otherwise_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(onnx_graph.ACTIVATIONS, "tanh", lambda g, z: g.do("Sigmoid", z))
    with pytest.raises(wg.InputError, match=r"gives .* where whygrad gives .* nothing was written"):
        wg.export(network(), tmp_path / "net.onnx")
    assert [*tmp_path.iterdir()] == []


def test_a_label_that_would_be_another_is_not_written(tmp_path, monkeypatch):
    clf = wg.MLPClassifier(**{**OPTIONS, "max_iter": 1, "solver": "lbfgs"})
    with pytest.warns(UserWarning):
        clf.fit(X, CLASSIFIERS["two words"][0])
    from whygrad.estimators import deploying

    monkeypatch.setattr(deploying, "as_labels", lambda classes: ("yes", "no"))
    with pytest.raises(wg.InputError, match=r"gives '\w+' where whygrad gives '\w+', in row"):
        wg.export(clf, tmp_path / "clf.onnx", rows=X)
    assert [*tmp_path.iterdir()] == []


def test_what_cannot_be_exported_is_refused_in_a_line_and_nothing_is_written(tmp_path):
    from sklearn.neural_network import MLPClassifier

    cube = wg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    by_name = wg.Activation("leaky_relu(0.2)", cube.value, cube.derivative)
    broken = network()
    broken.theta.flat[3] = np.nan
    huge = wg.MLPClassifier(**OPTIONS)
    cases = [
        (
            network(cube),
            "net.c",
            "layer 1 has the activation 'cube', and only those of ",
        ),
        (
            network(by_name),
            "net.c",
            "layer 1 has the activation 'leaky_relu(0.2)', and only those of ",
        ),
        (
            network(sharp_softplus(1.0, math.inf)),
            "net.js",
            "layer 1 has the activation 'softplus(1.0, inf)': its numbers are not finite in float64",
        ),
        (
            broken,
            "net.js",
            "some of its parameters are not finite: train it again before it is exported",
        ),
        (
            MLPClassifier(),
            "net.c",
            "a MLPClassifier cannot be exported: convert it with skl2onnx.to_onnx",
        ),
        (
            "net.keras",
            "net.c",
            "a str cannot be exported: open the file first, with whygrad.explain, or ",
        ),
        (
            3,
            "net.c",
            "a int cannot be exported: give an MLPClassifier or MLPRegressor of whygrad, ",
        ),
        (network(), "net.txt", "the ending says what to write: .onnx, .c, .js, .mjs, .safetensors"),
        (network(), "none/net.c", "there is no folder"),
    ]
    for model, name, said in cases:
        with pytest.raises(wg.WhygradError) as refused:
            wg.export(model, tmp_path / name)
        assert said in str(refused.value)
    with pytest.raises(wg.InputError, match=r"rows have shape \(2, 3\): they must be \(n, 4\)"):
        wg.export(network(), tmp_path / "net.c", rows=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="not fitted"):
        wg.export(huge, tmp_path / "net.c")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(
    "labels, name, said",
    [
        (
            (0, 2**60),
            "clf.js",
            "JavaScript has no whole number as large as the label 1152921504606846976",
        ),
        (("a", "b\0c"), "clf.c", "C cannot hold the text 'b\\x00c': it has a NUL"),
        (("a", "b" * 1001), "clf.c", "it has more than 1000 bytes"),
        (("a", "\ud800"), "clf.onnx", "it cannot be written as ONNX"),
    ],
)
def test_labels_that_a_format_cannot_hold_are_refused(labels, name, said, tmp_path):
    clf = wg.MLPClassifier(**OPTIONS).fit(X, np.array(labels)[(SCORE > 0).astype(int)])
    with pytest.raises(wg.InputError) as refused:
        wg.export(clf, tmp_path / name)
    assert said in str(refused.value)
    assert [*tmp_path.iterdir()] == []


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "net.c"
    path.write_text("mine")
    with pytest.raises(wg.FileError, match=r"exists already: .* --overwrite it \(overwrite=True\)"):
        wg.export(network(), path)
    assert path.read_text() == "mine"
    wg.export(network(), path, overwrite=True)
    assert "net_predict" in path.read_text()


def test_without_onnx_one_line_names_the_extra_and_c_needs_none(tmp_path, monkeypatch):
    for name in ("onnx", "onnx.helper", "onnxruntime", "skl2onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(wg.InputError, match=r"ONNX needs onnx.*: pip install 'whygrad\[onnx\]'"):
        wg.export(network(), tmp_path / "net.onnx")
    wg.export(network(), tmp_path / "net.c")


# ── the command, and runs ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    lines = ["size,kind,price", *(f"{i % 17}.5,{'ab'[i % 2]},{i * 7 % 31}.25" for i in range(60))]
    (folder / "houses.csv").write_text("\n".join(lines) + "\n")
    words = ("train", folder / "houses.csv", "--target", "price", "--hidden", "4", "--epochs", "2")
    result = whygrad(
        *words, "--run", folder / "houses.run", "--no-comparison", "--engine", "reference"
    )
    assert result.code == 0
    return folder / "houses.run"


def test_the_command_writes_a_network_and_says_how_near_it_is(run, tmp_path):
    result = whygrad("export", run, tmp_path / "houses.onnx", "--json")
    said = json.loads(result.out)
    assert result.code == 0 and said["rows"] == "12 test rows" and said["difference"] < 1e-5
    assert said["size"] == (tmp_path / "houses.onnx").stat().st_size
    again = whygrad("export", run, tmp_path / "houses.onnx")
    assert again.code == 2 and "exists already" in again.err
    again = whygrad("export", run, tmp_path / "houses.onnx", "--overwrite")
    assert again.code == 0 and "from whygrad, on 12 test rows" in " ".join(again.out.split())
    result = whygrad("export", run, tmp_path / "houses.c", "--rows", run.parent / "houses.csv")
    assert result.code == 0 and len(result.lines) == 1
    assert compiled(tmp_path / "houses.c", "HOUSES")[0] == 0


@pytest.mark.parametrize("name", ["houses.c", "houses.mjs"])
@pytest.mark.parametrize("folder", [".", "deployed here", "50% #1"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_command_that_an_export_names_proves_it_from_where_it_was_written(
    name, folder, whole, run, tmp_path, monkeypatch
):
    by = "cc" if name.endswith(".c") else "node"
    if shutil.which(by) is None:
        pytest.skip(f"there is no {by}")
    (tmp_path / folder).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    path = (tmp_path if whole else Path()) / folder / name
    (line,) = whygrad("export", run, path).lines
    how = line.partition("to see it prove itself: ")[2]
    done = subprocess.run(how, shell=True, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr


def test_a_run_is_exported_where_its_table_is_gone(run, tmp_path):
    table = run.parent / "houses.csv"
    content = table.read_bytes()
    table.unlink()
    try:
        done = wg.export(wg.open_run(run), tmp_path / "houses.onnx")
    finally:
        table.write_bytes(content)
    assert done.rows == "100 rows drawn at random" and done.difference < 1e-4


def test_an_export_has_the_same_bytes_every_time(run, tmp_path):
    for ending in ("onnx", "c", "mjs"):
        files = [tmp_path / f"{k}" / f"houses.{ending}" for k in range(2)]
        for file in files:
            file.parent.mkdir(exist_ok=True)
            wg.export(wg.open_run(run), file)
        assert files[0].read_bytes() == files[1].read_bytes()


def test_pixels_go_in_side_by_side(tmp_path):
    source = fit.find("digits")
    result = fit.fit(replace(source, table=source.table.slice(0, 200), testing=0), QUICK)
    deployable = of_table(result.fitted, result.encoding)
    proof = proof_of_table(deployable, result.fitted, result.encoding, source.table, "rows")
    done = write(deployable, proof, tmp_path / "d.onnx")
    assert done.difference < 1e-6
    assert done.notes[0].startswith("columns ") and done.notes[0].endswith(" as one array of 64")
    write(deployable, proof, tmp_path / "d.c")
    assert compiled(tmp_path / "d.c", "D")[0] == 0


@pytest.mark.parametrize("na, value", [(("-9", "nan", "inf"), -9.0), (("none",), math.nan)])
def test_what_stands_for_a_missing_value_is_missing_elsewhere_too(na, value, tmp_path):
    column = NumberColumn("size", "number", 3.0, 2.0, 1.0, True)
    encoding = Encoding((column,), Target("price", "regression", "number", (), 5.0, 2.0, na=na))
    net = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(1, "identity")], "squared_error")
    fitted = wg.Fitted(net, net.init(seed=2))
    deployable = of_table(fitted, encoding)
    rows = pa.table({"size": [1.0, value, 4.5]})
    proof = proof_of_table(deployable, fitted, encoding, rows, "rows")
    proof = replace(proof, inputs={"size": np.array([1.0, value, 4.5])})  # not as whygrad reads it
    assert write(deployable, proof, tmp_path / "t.onnx").difference < 1e-12
    for name in ("t.c", "t.mjs"):
        write(deployable, proof, tmp_path / name)
    assert compiled(tmp_path / "t.c", "T")[0] == 0
    assert in_node(tmp_path / "t.mjs", "net.prove()") < 1e-12


# ── places ───────────────────────────────────────────────────────────────────────────────────────────

# Latitudes and longitudes, −9 for a missing one, which is the middle of neither.
PLACES = {
    "lat": [47.5, math.nan, -9.0, 52.5, 49.0, math.nan, 48.0, 61.0],
    "lon": [7.5, 8.0, 9.5, math.nan, -9.0, -9.0, 13.0, -3.0],
}


def network_on_a_place(dtype="float64", lat_flagged=True):
    """Columns around and between the two of a place, and two numbers that these make together."""
    columns = (
        NumberColumn("size", "number", 50.0, 10.0, 49.0, True),
        NumberColumn("lat", "number", 50, 3.0, 50.5, lat_flagged, edges=(47.0, 49.0, 52.0, 54.0)),
        Category("kind", "text", ("flat", "house"), missing=True),
        NumberColumn("lon", "number", 9.0, 2.0, 8.5, edges=(6.0, 9.0, 15.0)),
    )
    turned = (
        TurnedColumn("lat & lon 30°", (("lat", 0.866), ("lon", 0.321)), 46, 2, (43.0, 46.5, 49.0)),
        TurnedColumn("lat & lon 120°", (("lat", -0.5), ("lon", 0.557)), -20, 3, (-23.0, -16)),
    )
    target = Target("price", "regression", "number", (), 5.0, 2.0, na=("-9",))
    encoding = Encoding(columns, target, turned=turned)
    net = wg.Network(len(encoding.names), [wg.Dense(6, "tanh"), wg.Dense(1)], "squared_error")
    fitted = wg.Fitted(net, net.init(seed=2))
    cells = {
        "size": [40.0, 50, 1e200, 55, -1e300, math.nan, 52, 1e60],  # which float32 does not have
        "kind": ["flat", "house", "", "flat", "house", "flat", "barn", "flat"],
    }
    table = pa.table({"lon": PLACES["lon"], "lat": PLACES["lat"]} | cells)
    return in_dtype(fitted, dtype), encoding, table


def proven_on_a_place(dtype="float64", lat_flagged=True):
    """The network, and a proof of rows that go in as they stand in the table, with its −9."""
    fitted, encoding, table = network_on_a_place(dtype, lat_flagged)
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, table, "rows")
    as_they_stand = {name: np.array(cells) for name, cells in PLACES.items()}
    return deployable, replace(proof, inputs={**proof.inputs, **as_they_stand})


def test_what_fills_in_a_number_counts_in_what_it_makes_with_another():
    fitted, encoding, table = network_on_a_place()
    found = encoding.encode(table, np.float64)[:, -5:]
    filled = {
        name: np.where(np.isnan(cells) | (np.array(cells) == -9), fill, cells)
        for (name, cells), fill in zip(PLACES.items(), (50.5, 8.5), strict=True)
    }
    expected = np.empty((8, 5))
    for k, one in zip((slice(3), slice(3, 5)), encoding.turned, strict=True):
        one.encode(filled, expected[:, k])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("lat_flagged", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_place_is_seen_from_other_sides_elsewhere_too(dtype, lat_flagged, tmp_path):
    prove_everywhere(*proven_on_a_place(dtype, lat_flagged), tmp_path)
    assert in_node(tmp_path / "t.mjs", "net.columns") == ["size", "lat", "kind", "lon"]


def test_a_place_goes_in_from_rows_drawn_at_random(tmp_path):
    fitted, encoding, _ = network_on_a_place()
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, None, "")
    assert write(deployable, proof, tmp_path / "t.onnx").difference <= limit(
        "float64", proof.values
    )


@pytest.mark.parametrize("which, column", [(0, "lat"), (1, "lon")])
def test_a_place_seen_from_another_side_than_the_network_fails_every_proof(which, column, tmp_path):
    deployable, proof = proven_on_a_place()
    turned = list(deployable.turned)
    wrong = tuple((name, f + 1e-6 * (name == column)) for name, f in turned[which].of)
    turned[which] = replace(turned[which], of=wrong)
    deployable = replace(deployable, turned=tuple(turned))
    with pytest.raises(wg.InputError, match="nothing was written"):
        write(deployable, proof, tmp_path / "t.onnx")
    for name in ("t.c", "t.mjs"):
        write(deployable, proof, tmp_path / name)
    assert compiled(tmp_path / "t.c", "T")[0] == 1
    caught = "(() => { try { return net.prove() } catch (e) { return e.message } })()"
    assert "differs from whygrad" in in_node(tmp_path / "t.mjs", caught)


def test_two_numbers_that_go_in_as_they_are_do_not_where_they_are_a_place(tmp_path):
    columns = (NumberColumn("lat", "number"), NumberColumn("lon", "number"))
    one = TurnedColumn("lat & lon 45°", (("lat", 0.7), ("lon", 0.5)), 0, 1, (-1.0, 0.0, 1.0))
    encoding = Encoding(columns, Target("price", "regression", "number"), turned=(one,))
    net = wg.Network(5, [wg.Dense(3, "tanh"), wg.Dense(1)], "squared_error")
    fitted = wg.Fitted(net, net.init(seed=1))
    deployable = of_table(fitted, encoding)
    proof = proof_of_table(deployable, fitted, encoding, None, "")
    assert [*proof.inputs] == ["lat", "lon"]
    assert write(deployable, proof, tmp_path / "t.onnx").difference < 1e-12


def test_exported_files_know_what_a_place_makes_together(tmp_path):
    fitted, encoding, table = network_on_a_place()
    deployable, proof = proven_on_a_place()
    for name in ("t.safetensors", "t.onnx"):
        write(deployable, proof, tmp_path / name)
    model = wg.explain(tmp_path / "t.safetensors")
    assert model.why.names.inputs == encoding.names
    assert model.why.names.inputs[-2:] == ("lat & lon 120°", "lat & lon 120° -23 to -16")
    X = encoding.encode(table, np.float64)
    np.testing.assert_allclose(model.predict(X)[:, 0], proof.values[:, 0], rtol=1e-12)
    about = json.loads(metadata(tmp_path / "t.safetensors")["turned"])
    assert [one["of"] for one in about] == [
        [["lat", 0.866], ["lon", 0.321]],
        [["lat", -0.5], ["lon", 0.557]],
    ]
    assert about[0]["number"]["edges"] == [43.0, 46.5, 49.0]
    again = wg.explain(tmp_path / "t.onnx", cost="squared_error")
    assert sorted(again.why.names.inputs) == sorted(encoding.names)
    rows = pytest.importorskip("pandas").DataFrame(dict(proof.inputs))
    np.testing.assert_allclose(again.predict(rows), proof.values, rtol=1e-12)


def metadata(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.metadata()


@pytest.mark.parametrize(
    "column",
    [
        NumberColumn("size", "number", math.inf),
        NumberColumn("size", "number", "0; system()"),
        Category("size", "text", (1, 2)),
        NumberColumn("size", "number", edges=(1.0, math.nan, 3.0)),
        DateColumn("size", "date", DateForm(), ("month",), (0.0,), (1.0,), edges=((1.0, 2.0),)),
    ],
)
def test_a_damaged_encoding_is_refused_in_a_line(column):
    net = wg.Network(len(column.names), [wg.Dense(1)], "squared_error")
    encoding = Encoding((column,), Target("price", "regression", "number"))
    with pytest.raises(wg.InputError, match="the description of the table is damaged"):
        of_table(wg.Fitted(net, net.init()), encoding)


def test_a_run_on_arrays_is_exported_as_its_network(tmp_path):
    net = wg.Network(4, [wg.Dense(3, "relu"), wg.Dense(1, "identity")], "squared_error")
    wg.train(net, X, SCORE[:, None], epochs=1, engine="reference", record=tmp_path / "a.run")
    done = wg.export(wg.open_run(tmp_path / "a.run"), tmp_path / "a.onnx", rows=X)
    run = wg.open_run(tmp_path / "a.run")
    found = ran(done.path, {"X": X.astype(run.theta.flat.dtype)})["outputs"]
    np.testing.assert_allclose(found, run.predict(X), rtol=0, atol=1e-6)


# ── several networks, and networks from elsewhere ────────────────────────────────────────────────────


def ensemble(dtype="float64"):
    one = network("tanh", "softmax", dtype)
    other = wg.Fitted(
        one.net, wg.Parameters(one.net.sizes, one.net.init(seed=2).flat.astype(dtype))
    )
    return wg.Ensemble([one, other])


def test_an_ensemble_leaves_as_one_network_that_gives_its_average(tmp_path):
    both = ensemble()
    done = wg.export(both, tmp_path / "e.onnx")
    np.testing.assert_allclose(ran(done.path, {"X": X})["outputs"], both.predict(X), atol=1e-12)
    wg.export(both, tmp_path / "e.c")
    assert compiled(tmp_path / "e.c", "E")[0] == 0


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4, 3)])
def test_averaged_networks_of_any_depth_leave_without_the_zeros_between_them(hidden, tmp_path):
    net = wg.Network(4, [*(wg.Dense(n, "elu") for n in hidden), wg.Dense(2)], "squared_error")
    several = wg.Ensemble([wg.Fitted(net, net.init(seed)) for seed in range(3)])
    layers = of_network(several).layers
    most = sum(one.theta.flat.size for one in several.members)
    assert sum(layer.W.size + layer.b.size for layer in layers) <= most
    for layer, W in zip(layers, several.joined().theta.W[1:], strict=True):
        np.testing.assert_array_equal(layer.whole, W)
    done = wg.export(several, tmp_path / "e.onnx", rows=X)
    assert done.difference < 1e-14
    read = wg.explain(done.path, cost="squared_error").why.theta
    np.testing.assert_array_equal(read.flat, several.joined().theta.flat)
    wg.export(several, tmp_path / "e.c", rows=X)
    assert compiled(tmp_path / "e.c", "E")[0] == 0
    wg.export(several, tmp_path / "e.mjs", rows=X)
    assert in_node(tmp_path / "e.mjs", "net.prove()") < 1e-14


def test_an_ensemble_is_explained_from_its_file_as_its_average(tmp_path):
    both = ensemble()
    both.save(tmp_path / "e.safetensors")
    for model in (wg.explain(tmp_path / "e.safetensors"), wg.explain(both)):
        np.testing.assert_allclose(model.predict(X), both.predict(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_exported_onnx_is_explained_as_the_network_it_was(dtype, tmp_path):
    fitted = network("selu", "softmax", dtype)
    wg.export(fitted, tmp_path / "n.onnx")
    model = wg.explain(tmp_path / "n.onnx")
    np.testing.assert_array_equal(model.why.theta.flat, fitted.theta.flat)
    assert [f.name for f in model.why.net.f[1:]] == ["selu", "softmax"]


def test_a_network_from_elsewhere_leaves_again(tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
    ).double()
    model = wg.explain(module, cost=torch.nn.CrossEntropyLoss())
    done = wg.export(model, tmp_path / "m.onnx", rows=X)
    expected = torch.softmax(module(torch.tensor(X)), 1).detach().numpy()
    np.testing.assert_allclose(ran(done.path, {"X": X})["outputs"], expected, rtol=0, atol=1e-12)
    assert done.rows == f"{len(X)} rows given"
    assert "in go the network's own inputs" in done.notes[-1]
    wg.export(model, tmp_path / "m.c")
    assert compiled(tmp_path / "m.c", "M")[0] == 0


@pytest.mark.parametrize("task, bins", [("classes", 3), ("numbers", 3), ("numbers", 0)])
def test_a_tabular_estimator_takes_its_columns_elsewhere(task, bins, tmp_path):
    pd = pytest.importorskip("pandas")
    from whygrad.pipeline.recipe import Recipe

    recipe = Recipe(members=2, hidden=(4, 3), bins=bins, epochs=3, batch_size=16)
    frame = pd.DataFrame({"size": X[:, 0], "town": np.where(X[:, 1] > 0, "Ulm", "Bonn")})
    kind = wg.TabularClassifier if task == "classes" else wg.TabularRegressor
    y = np.where(X[:, 2] > 0, 7, 3) if task == "classes" else 100 + 9 * X[:, 2]
    model = kind(recipe, random_state=0, engine="reference").fit(frame, y)
    done = wg.export(model, tmp_path / "t.onnx", rows=frame)
    feed = {"size": X[:, [0]], "town": frame[["town"]].to_numpy(object)}
    found = ran(done.path, feed)
    if task == "classes":
        np.testing.assert_array_equal(found["label"].ravel(), model.predict(frame))
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(frame), atol=1e-6)
    else:
        np.testing.assert_allclose(found["variable"].ravel(), model.predict(frame), rtol=1e-6)
    names = [one.name for one in model.to_onnx().graph.input]
    assert names == ["size", "town"]
    read = wg.explain(done.path, cost=None if task == "classes" else "squared_error")
    assert sorted(read.why.names.inputs) == sorted(model.encoding_.names)
    first = [model.encoding_.names.index(name) for name in read.why.names.inputs]
    W = model.ensemble_.joined().theta.W[1]
    np.testing.assert_array_equal(read.why.theta.W[1], W[:, first])
    wg.export(model, tmp_path / "t.c")
    assert compiled(tmp_path / "t.c", "T")[0] == 0


ODD = '[{"name": "a", "origin": "a", "scale": [0, 0]}]'


@pytest.mark.parametrize("value", ["[", '["a"]', '{"a": 1}', "7", ODD, ODD.replace("[0, 0]", "0")])
def test_names_of_encoded_columns_that_do_not_fit_are_not_taken(value, table, trained, tmp_path):
    fitted, encoding = trained["town"]
    deployable = of_table(fitted, encoding)
    model = to_model(deployable)
    assert sorted(wg.explain(model).why.names.inputs) == sorted(encoding.names)
    model.metadata_props[0].value = value
    assert set(wg.explain(model).why.names.inputs).isdisjoint({"a", "7"})


def transformed(inner, y, **how):
    from sklearn.compose import TransformedTargetRegressor

    return TransformedTargetRegressor(inner, check_inverse=False, **how).fit(X, y)


LOGARITHMS = [
    {"func": np.log, "inverse_func": np.exp},
    {"func": np.log1p, "inverse_func": np.expm1},
    {"transformer": StandardScaler()},
]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("inner", ["MLPRegressor", "TabularRegressor"])
@pytest.mark.parametrize("how", LOGARITHMS)
def test_a_regressor_of_a_transformed_target_gives_its_own_units_elsewhere(how, inner, tmp_path):
    from whygrad.pipeline.recipe import Recipe

    recipe = Recipe(members=2, hidden=(4,), bins=3, epochs=3, batch_size=16)
    tabular = wg.TabularRegressor(recipe, random_state=0, engine="reference")
    reg = wg.MLPRegressor(**OPTIONS) if inner == "MLPRegressor" else tabular
    model = transformed(reg, np.exp(SCORE), **how)
    done = wg.export(model, tmp_path / "t.onnx", rows=X)
    feed = {"X": X} if inner == "MLPRegressor" else {f"x{k}": X[:, [k]] for k in range(4)}
    found, expected = ran(done.path, feed)["variable"][:, 0], model.predict(X)
    dtype = "float64" if inner == "MLPRegressor" else "float32"
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit(dtype, expected))
    wg.export(model, tmp_path / "t.c", rows=X)
    assert compiled(tmp_path / "t.c", "T")[0] == 0
    wg.export(model, tmp_path / "t.mjs", rows=X)
    assert in_node(tmp_path / "t.mjs", "net.prove()") <= limit(dtype, expected)
    wg.export(model, tmp_path / "t.safetensors")
    read = wg.explain(tmp_path / "t.safetensors")
    undo = how.get("inverse_func")
    assert any(undo and f"is {undo.__name__} of the output" in note for note in read.notes) == bool(
        undo
    )
    if inner == "MLPRegressor":  # of the other the columns stand beside one another in pieces
        found = read.predict(X)[:, 0]
        np.testing.assert_allclose(undo(found) if undo else found, expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_target_transformed_otherwise_is_refused_and_a_search_leaves_as_its_best(tmp_path):
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import QuantileTransformer

    normal = QuantileTransformer(n_quantiles=9, output_distribution="normal")
    model = transformed(wg.MLPRegressor(**OPTIONS), SCORE, transformer=normal)
    with pytest.raises(
        wg.InputError, match="transformed by QuantileTransformer cannot be exported: "
    ):
        wg.export(model, tmp_path / "t.c")
    two = transformed(wg.MLPRegressor(**OPTIONS), X[:, :2], transformer=StandardScaler())
    with pytest.raises(wg.InputError, match="is exported of one number alone"):
        wg.export(two, tmp_path / "t.c")
    assert [*tmp_path.iterdir()] == []
    search = GridSearchCV(wg.MLPClassifier(**OPTIONS), {"alpha": [0.1, 1.0]}, cv=2).fit(X, THREE)
    wg.export(search, tmp_path / "s.onnx", rows=X)
    assert (ran(tmp_path / "s.onnx", {"X": X})["label"] == search.predict(X)).all()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_what_holds_an_estimator_of_whygrad_but_no_fitted_one_says_what_to_do(tmp_path):
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.exceptions import NotFittedError
    from sklearn.model_selection import GridSearchCV

    mlp = wg.MLPClassifier(**OPTIONS)
    for held in (GridSearchCV(mlp, {}), TransformedTargetRegressor(wg.MLPRegressor())):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            wg.export(held, tmp_path / "t.c")
    chosen = GridSearchCV(mlp, {"alpha": [0.1]}, cv=2, refit=False).fit(X, THREE)
    for door in (wg.explain, wg.to_torch, lambda search: wg.export(search, tmp_path / "t.c")):
        with pytest.raises(wg.InputError, match="no best estimator: fit it with refit=True"):
            door(chosen)


def test_an_embedding_leaves_as_the_block_that_it_is(tmp_path):
    first = EmbeddingLayer(((5, 2), (1, 0)))
    net = wg.Network(6, [first.dense, wg.Dense(4, "relu"), wg.Dense(1)], "squared_error")
    fitted = wg.Fitted(net, first.start(net, seed=0))
    rows = np.column_stack([np.eye(5)[np.arange(60) % 5], X[:, 0]])
    for name in ("e.onnx", "e.c", "e.mjs", "e.safetensors"):
        wg.export(fitted, tmp_path / name, rows=rows)
    np.testing.assert_allclose(
        ran(tmp_path / "e.onnx", {"X": rows})["outputs"], fitted.predict(rows), rtol=0, atol=1e-12
    )
    assert compiled(tmp_path / "e.c", "E")[0] == 0
    assert in_node(tmp_path / "e.mjs", "net.prove()") < 1e-12
    read = wg.explain(tmp_path / "e.safetensors").why.theta
    np.testing.assert_array_equal(read.flat, fitted.theta.flat)


def test_a_tabular_estimator_is_explained_as_its_average():
    from whygrad.pipeline.recipe import Recipe

    recipe = Recipe(members=2, hidden=(4,), bins=3, epochs=3, batch_size=16)
    clf = wg.TabularClassifier(recipe, random_state=0, engine="reference").fit(X, X[:, 0] > 0)
    found = wg.explain(clf).predict(X)
    np.testing.assert_allclose(found[:, 0], clf.predict_proba(X)[:, 1], rtol=0, atol=1e-5)


def test_a_network_from_elsewhere_is_diagnosed_with_its_rows():
    model = wg.explain(network("tanh", "softmax"))
    with pytest.raises(wg.InputError, match="a Model keeps no data: give the X and y"):
        wg.diagnose(model)
    for given in (model, ensemble()):
        found = wg.diagnose(given, X, THREE, epochs=0)
        assert found.findings[0].evidence == "epochs is 0"


def test_the_studio_shows_what_explain_reads_and_refuses_the_rest_in_its_line(
    monkeypatch, tmp_path
):
    pytest.importorskip("nicegui")
    from whygrad.studio.server import serving
    from whygrad.studio.session import feed

    shown = []

    def look(session):
        shown.append(session.network)
        return SimpleNamespace(answer=None)

    monkeypatch.setattr(feed, "Feed", look)
    monkeypatch.setattr(serving, "serve", lambda door, page, open_session, load: open_session())
    both = ensemble()
    wg.studio(both)
    both.save(tmp_path / "e.safetensors")
    wg.studio(tmp_path / "e.safetensors")
    for model in shown:
        np.testing.assert_allclose(model.predict(X), both.predict(X), rtol=0, atol=1e-12)
    assert len(shown) == 2
    with pytest.raises(wg.InputError, match="a dict cannot be explained"):
        wg.studio({})
