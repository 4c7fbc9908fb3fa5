"""A folder of Parquet files: one table of any size, in the same order for everyone, in little memory."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import whygrad as wg
from command import whygrad
from covering import pairwise
from engines import needs_native
from object_store import serving
from whygrad.engines import WeightProbe, choose
from whygrad.engines.native.engine import RUN_EPOCHS
from whygrad.nn import Data
from whygrad.pipeline.recipe import recommended
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed import begin, open_folder, summary, training
from whygrad.pipeline.streamed.folder import Folder, blocks_of, set_aside
from whygrad.pipeline.streamed.sketch import merged, sketch_of
from whygrad.plan import Windows, start
from whygrad.tables import choose_target, learn
from whygrad.training.loop import Training, run
from whygrad.why.training_history.accounts import accounts
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.trajectory import trajectory


def table(n, seed=0):
    draws = np.random.default_rng(seed)
    x, town = draws.normal(3, 2, n), draws.choice(["A", "B", "C"], n)
    return pa.table(
        {
            "x": x,
            "gaps": np.where(draws.random(n) < 0.1, np.nan, draws.exponential(size=n)),
            "town": town,
            "when": (np.datetime64("2020-01-01") + draws.integers(0, 900, n)).astype("M8[us]"),
            "number": np.arange(n),
            "y": np.where(x + 2 * (town == "A") > 3, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def whole():
    return table(1500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, whole):
    path = tmp_path_factory.mktemp("data") / "big.parquet"
    path.mkdir()
    for i, (first, last) in enumerate(((0, 300), (300, 1100), (1100, 1500))):
        pq.write_table(whole.slice(first, last - first), path / f"{i}.parquet", row_group_size=150)
    (path / "_SUCCESS").touch()
    return path


def test_a_row_has_one_number_in_all_files(folder, whole):
    found = open_folder(folder)
    assert found.rows == 1500
    pieces = [piece for _, piece in found.read(200, 1300, ["number", "town"])]
    assert pa.concat_tables(pieces).equals(whole.select(["number", "town"]).slice(200, 1100))


def test_the_columns_of_a_folder_are_told_as_those_of_a_file(folder, whole, tmp_path):
    pq.write_table(whole, tmp_path / "all.parquet")
    said = whygrad("columns", folder, "--target", "y")
    assert said.code == 0 and said.err == ""
    of_file = whygrad("columns", tmp_path / "all.parquet", "--target", "y", "--json")
    of_folder = whygrad("columns", folder, "--target", "y", "--json")
    alike = ("name", "kind", "read", "missing", "examples", "note")
    told, expected = (
        [[one[key] for key in alike] for one in json.loads(each.out)]
        for each in (of_folder, of_file)
    )
    assert told == expected
    facts = {one["name"]: one for one in json.loads(of_folder.out)}
    assert (facts["town"]["distinct"], facts["x"]["distinct"]) == (3, None)
    assert facts["number"]["becomes"].startswith("left out: it rises from row to row")
    assert whygrad("columns", folder, "--target", "6", "--json").out == of_folder.out
    # The same of every input, and what training on the folder keeps, but for examples.
    without = json.loads(whygrad("columns", folder, "--json").out)
    assert [one["kind"] for one in without] == [*(one["kind"] for one in facts.values())]
    kept = begin(open_folder(folder), "y", Settings()).encoding.facts
    assert [vars(one) | {"examples": list(facts[one.name]["examples"])} for one in kept] == [
        *facts.values()
    ]


def test_columns_of_a_folder_may_be_named_by_their_numbers(folder, tmp_path):
    words = (
        "--hidden",
        3,
        "--epochs",
        1,
        "--engine",
        "reference",
        "--json",
        "--run",
        tmp_path / "t.run",
    )
    said = whygrad("train", folder, "--target", 6, "--leave-out", 5, "--leave-out", 4, *words)
    about = json.loads(said.out)
    assert about["target"] == "y"
    assert {name.partition("=")[0] for name in about["inputs"]} == {
        "x",
        "gaps",
        "gaps is missing",
        "town",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--header", 2), "--header is of text and workbooks: a folder has Parquet files"),
        (("--type", "x=category"), "--type: a folder is trained on in a stream, which has none"),
        (("--target", "z"), "no column 'z'"),
        (("--target", "when"), "target 'when' holds dates or times: a target is text, numbers"),
    ],
)
def test_options_that_the_columns_of_a_folder_have_not_are_refused(folder, words, message):
    said = whygrad("columns", folder, *words)
    assert (said.code, said.out) == (2, "") and message in said.err


@pytest.mark.parametrize("order", ["drawn", "sorted", "ties"])
def test_a_merged_sketch_is_as_close_as_its_bound(order):
    K, parts, draws = 32, 16, np.random.default_rng(1)
    values = draws.lognormal(size=4001)
    if order == "sorted":
        values.sort()
    if order == "ties":
        values = np.floor(values)
    level = [sketch_of(part, K) for part in np.array_split(values, parts)]
    mergers = 0
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level, mergers = [merged(one, other, K) for one, other in pairs], mergers + 1
    assert len(level[0].points) == K
    points, weights = level[0].points, level[0].weights
    shares = [(weights[points <= x].sum() / level[0].n, x) for x in np.unique(values)]
    worst = max(abs(share - (values <= x).mean()) for share, x in shares)
    bound = (mergers + 1) / (2 * K)
    assert bound / 20 < worst <= bound + 1e-12
    for p in (0.1, 0.5, 0.99):
        x = level[0].quantile(p)
        assert (values < x).mean() - bound <= p <= (values <= x).mean() + bound + 1 / K


def test_a_folder_is_encoded_as_the_table_is(folder, whole):
    streamed = begin(open_folder(folder), "y", Settings(test=0)).encoding
    rows, target = choose_target(whole, "y")
    at_once = learn(rows, target)
    assert streamed.names == at_once.names and streamed.target.classes == ("no", "yes")
    assert [name for name in whole.column_names if name not in streamed.origins] == ["number", "y"]
    X, Y = streamed.encode(whole, "float64"), at_once.encode(whole, "float64")
    np.testing.assert_allclose(X, Y, rtol=1e-9, atol=1e-9)  # so few numbers are all in the sketch


@pytest.mark.parametrize("size", [7, 100, 300])
def test_a_marker_far_from_all_others_is_told_in_a_folder_as_in_a_table(size, tmp_path):
    draws = np.random.default_rng(1)
    age = draws.integers(20, 90, 300).astype(float)
    found = pa.table(
        {
            "age": np.where(draws.random(300) < 0.1, -999, age),
            "once": np.where(np.arange(300) == 41, 9999, age),
            "top": np.where(draws.random(300) < 0.1, 9999, draws.normal(size=300)),
            "same": np.where(draws.random(300) < 0.1, np.nan, 99.0),
            "y": draws.choice(["u", "v"], 300),
        }
    )
    path = tmp_path / "t.parquet"
    path.mkdir()
    pq.write_table(found, path / "a.parquet", row_group_size=size)
    _, target = choose_target(found, "y")
    notes = [note for note in learn(found, target).notes if "--na=" in note]
    assert len(notes) == 2
    streamed = begin(open_folder(path), "y", Settings(test=0)).encoding
    assert [note for note in streamed.notes if "--na=" in note] == notes


def test_a_target_of_free_text_is_refused_in_a_folder_as_in_a_table(tmp_path):
    draws = np.random.default_rng(1)
    found = pa.table(
        {
            "x": draws.normal(size=300),
            "y": [f"remark {k}" for k in draws.integers(0, 200, 300)],
            "z": [f"remark {k}" for k in range(300)],
        }
    )
    path = tmp_path / "t.parquet"
    path.mkdir()
    pq.write_table(found, path / "a.parquet", row_group_size=100)
    for name in ("y", "z"):
        with pytest.raises(wg.InputError) as one:
            choose_target(found, name)
        with pytest.raises(wg.InputError) as other:
            begin(open_folder(path), name, Settings(test=0))
        assert str(one.value) == str(other.value)


def test_what_grows_from_row_to_row_is_a_quantity_in_a_folder_as_in_a_table(tmp_path):
    draws, n = np.random.default_rng(4), 3000  # more than a sketch keeps
    people = np.cumsum(draws.integers(1, 900, n))
    columns = {"number": np.arange(n), "tens": 10 * np.arange(n), "case": people}
    columns |= {"people": people, "second": 60 * np.arange(n), "y": draws.normal(size=n)}
    whole = pa.table(columns)
    pq.write_table(whole, tmp_path / "0.parquet", row_group_size=250)
    streamed = begin(open_folder(tmp_path), "y", Settings(test=0)).encoding
    assert streamed.names == learn(*choose_target(whole, "y")).names == ("people", "second")


class Several:
    """As many processes, one after the other in this one."""

    index = 0

    def __init__(self, count):
        self.count = count

    def done(self, own):
        found = []
        while self.index < self.count:
            found.append(own())
            self.index += 1
        self.index = 0
        return found


@pytest.fixture
def places(tmp_path):
    """A folder of 1,500 rows with latitudes and longitudes, some of them missing, in 15 row groups."""
    draws, n = np.random.default_rng(3), 1500
    lat, long = draws.uniform(46, 48, n), draws.uniform(7, 9, n)
    y = np.cos(4 * (lat + long)) + 0.1 * draws.normal(size=n)
    lat[1::68], long[5::90] = np.nan, np.nan  # an odd number is left of each, with one median
    table = pa.table({"lat": lat, "size": draws.normal(size=n), "long": long, "y": y})
    (tmp_path / "places").mkdir()
    for i in range(3):
        pq.write_table(
            table.slice(500 * i, 500), tmp_path / f"places/{i}.parquet", row_group_size=100
        )
    return tmp_path / "places", table


def test_places_in_a_folder_are_seen_along_the_directions_of_a_table(places, monkeypatch):
    path, table = places
    found = open_folder(path)
    streamed = begin(found, "y", Settings(test=0)).encoding
    rows, target = choose_target(table, "y")
    bins = recommended(len(table), 3, 0).bins
    at_once = learn(rows, target, bins=bins)
    assert len(streamed.turned) == 4
    of_places = [
        [k for k, origin in enumerate(encoding.origins) if origin == "lat & long"]
        for encoding in (streamed, at_once)
    ]
    names = [
        [encoding.names[k] for k in at]
        for encoding, at in zip((streamed, at_once), of_places, strict=True)
    ]
    assert names[0] == names[1] and len(names[0]) > 6 * bins
    X, Z = streamed.encode(table, "float64"), at_once.encode(table, "float64")
    np.testing.assert_allclose(X[:, of_places[0]], Z[:, of_places[1]], rtol=1e-9, atol=1e-9)
    plain = learn(rows, target)
    np.testing.assert_allclose(
        X[:, streamed.names.index("size")], plain.encode(table, "float64")[:, plain.names.index("size")],
        atol=1e-9,
    )  # fmt: skip
    for count in (2, 3, 4):
        monkeypatch.setattr(summary, "joined", lambda count=count: Several(count))
        assert begin(found, "y", Settings(test=0)).encoding.to_dict() == streamed.to_dict()


def test_counts_in_a_folder_are_learned_in_the_unit_of_their_mean_as_in_a_table(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=900)
    given = pa.table({"a": a, "visits": rng.poisson(np.exp(a))})
    for k in range(3):
        (tmp_path / "f.parquet").mkdir(exist_ok=True)
        pq.write_table(given.slice(300 * k, 300), tmp_path / "f.parquet" / f"{k}.parquet")
    chosen = {"task": "regression", "hidden": (8,), "epochs": 60, "cost": "poisson", "test": 0.2}
    wg.train_folder(
        tmp_path / "f.parquet", "visits", record=tmp_path / "f.run", learning_rate=0.02, **chosen
    )
    run = wg.open_run(tmp_path / "f.run")
    target, mean = run.encoding.target, np.mean(given["visits"].to_numpy())
    assert (target.center, target.scale) == (0, pytest.approx(mean))
    assert run.manifest["baseline"] == pytest.approx(mean)
    assert run.scores.r2 > 0.5 and abs(run.scores.baseline) < 0.05
    rates = run.predict(pa.table({"a": [-1.0, 0, 1]}))
    assert rates == pytest.approx(np.exp([-1.0, 0, 1]), rel=0.3)


def test_a_network_on_a_folder_learns_from_places(places, tmp_path):
    path, table = places
    given = {"hidden": (32,), "epochs": 30, "engine": "reference", "test": 0.2}
    result = wg.train_folder(path, "y", record=tmp_path / "t.run", **given)
    other = pa.table({"north": table["lat"], "east": table["long"], "y": table["y"]})
    (tmp_path / "other").mkdir()
    pq.write_table(other, tmp_path / "other/0.parquet", row_group_size=100)
    assert result.scores.r2 > 0.6 > wg.train_folder(tmp_path / "other", "y", **given).scores.r2
    run = wg.open_run(tmp_path / "t.run")
    assert run.encoding == result.encoding and (run.predict(path) == run.predict(table)).all()
    assert "lat & long" in str(run.why.prediction(table.slice(0, 1)))


@pytest.fixture
def windows(monkeypatch):
    """Windows so small that a folder of 1,500 rows has several."""
    monkeypatch.setattr(training, "NUMBERS", 2**12)


def test_blocks_are_trained_on_or_set_aside(folder):
    blocks = blocks_of(open_folder(folder), 40)
    assert max(block.rows for block in blocks) <= 40
    trained, test = set_aside(blocks, 0.2, 200, seed=3)
    assert sum(span.rows for span in test) == 200
    rows = [row for span in trained + test for row in range(span.first, span.last)]
    assert sorted(rows) == list(range(1500))


@pytest.mark.parametrize("batch_size, lanes", [(10, 1), (16, 8), (7, 4), (300, 2)])
def test_an_epoch_takes_every_example_once_and_each_lane_only_its_own(batch_size, lanes):
    windows = Windows(np.array([30, 50, 20, 33, 167]), rows=100)
    steps = -(-300 // batch_size)
    taken = [windows.examples(3, epoch, batch_size, lanes, 0, steps) for epoch in range(2)]
    assert all(sorted(order.tolist()) == list(range(300)) for order in taken)
    assert taken[0].tolist() != taken[1].tolist()
    for t in range(steps):
        one = windows.examples(3, 0, batch_size, lanes, t, t + 1)
        np.testing.assert_array_equal(one, taken[0][t * batch_size : (t + 1) * batch_size])
    whole = 300 // batch_size
    size = -(-batch_size // lanes)
    batches = taken[0][: whole * batch_size].reshape(whole, batch_size)
    touched = [
        np.unique(np.searchsorted(windows.ends, lane, side="right"))
        for lane in np.split(batches, range(size, batch_size, size), axis=1)
    ]
    # Lanes are parts of one sequence of blocks: two of them share at most the one where they meet.
    assert sum(map(len, touched)) <= len(windows.ends) + lanes - 1


def test_engines_train_alike_on_rows_read_on_demand(folder, windows):
    options = {"hidden": (8,), "epochs": 2, "batch_size": 32, "dropout": 0.2, "seed": 1}
    found = [
        wg.train_folder(folder, "y", engine=engine, **options).fitted
        for engine in ("reference", "native")
    ]
    one, other = (fitted.theta.flat for fitted in found)
    np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)


def test_what_is_read_on_demand_is_trained_on_as_the_same_rows_in_memory(folder, windows):
    given = begin(open_folder(folder), "y", Settings(hidden=(5,), epochs=2, engine="reference"))
    rows = Data(np.asarray(given.data.X), np.asarray(given.data.Y))
    ends = [train_on(given.plan, data).theta for data in (given.data, rows)]
    assert ends[0].tobytes() == ends[1].tobytes()


@needs_native
@pytest.mark.parametrize("options", [{"dropout": 0.2}, {"optimizer": "sgd", "l1": 0.01}])
def test_influence_and_curvature_of_rows_read_on_demand_are_those_of_the_same_rows_in_memory(
    folder, windows, options, monkeypatch
):
    """Also where a stretch that is walked over, or the batch in question, begins within an epoch."""
    module = import_module("whygrad.why.training_history.trajectory")
    monkeypatch.setattr(module, "ROOM", 1)  # so that states are kept that lie √T steps apart
    given = begin(open_folder(folder), "y", Settings(hidden=(5,), epochs=2, **options))
    plan, rows = given.plan, Data(np.asarray(given.data.X), np.asarray(given.data.Y))
    along = np.random.default_rng(0).normal(size=(2, len(start(plan).theta)))
    read, whole = (found_back(plan, data, along, "native") for data in (given.data, rows))
    assert all(np.array_equal(one, other) for one, other in zip(read, whole, strict=True))
    truth = found_back(plan, given.data, along, "reference")
    for one, other in zip(read, truth, strict=True):
        assert np.abs(one - other).max() < 1e-5 * np.abs(other).max()


def found_back(plan, data, along, engine):
    """What the examples did to two numbers, ∂f at the start; a batch's gradient, H v and ∇C_x · v."""
    path = trajectory(plan, start(plan), data, engine=engine)
    within = next(state for state in path.known if state.batch_index % plan.steps_per_epoch)
    walked = adjoint(path, along, rescale=True)
    curved = path.engine.hessian_times(plan, within, data, along)
    return walked.by_example, walked.start, curved.gradient, curved.products, curved.slopes


def test_a_process_without_a_share_of_a_small_batch_reads_no_rows(folder):
    given = begin(open_folder(folder), "y", Settings(hidden=(5,), epochs=1))
    for rows in (given.data.X, given.data.Y):
        assert rows[np.zeros(0, np.int64)].shape == (0, rows.shape[1])


@needs_native
def test_rows_in_memory_run_the_code_that_was_compiled_for_rows_read_on_demand(folder, windows):
    given = begin(open_folder(folder), "y", Settings(hidden=(5,), epochs=1))
    rows = Data(np.asarray(given.data.X), np.asarray(given.data.Y))
    train_on(given.plan, given.data, "native")
    kinds = set(RUN_EPOCHS.entries)
    train_on(given.plan, rows, "native")
    assert set(RUN_EPOCHS.entries) == kinds


def train_on(plan, data, engine="reference"):
    return run(Training(plan, start(plan), data, None, choose(engine, plan)))[0]


SCRIPT = """
import hashlib, json, os, sys
from pathlib import Path
import whygrad as wg
from whygrad.pipeline.streamed import training
from whygrad.pipeline.streamed.folder import Folder

training.NUMBERS = 2**13
read, reads = Folder.group, []
predict, predicted = training.predict, []

def counted(self, at, names):
    reads.append(at)
    return read(self, at, names)

def scored(fitted, X, first):
    predicted.append(len(X))
    return predict(fitted, X, first)

Folder.group, training.predict, scores = counted, scored, []

def ended(report):
    arrays = report.state.theta, report.state.opt_state
    digest = hashlib.sha256(b"".join(one.tobytes() for one in arrays)).hexdigest()
    print(report.epoch.cost.hex(), digest)

for options in json.loads(sys.argv[2]):
    options |= {"hidden": (8,), "engine": "xla", "blocks": 4, "batch_size": 60, "epochs": 2}
    result = wg.train_folder(sys.argv[1], "y", callbacks=[ended], **options)
    scores.append(result.scores.to_dict())
told = {"reads": len(reads), "predicted": sum(predicted), "scores": scores}
Path(f"{sys.argv[3]} {os.getpid()}.told").write_text(json.dumps(told))
"""

# Of plans that have every pair of these, `make test` takes the first.
PLANS = pairwise(
    {
        "optimizer": ["adam", "sgd", "nadam", "rmsprop", "adagrad", "adamw"],
        "dropout": [0.2, 0.0],
        "l1": [0.01, 0.0],
        "l2": [0.1, 0.0],
        "schedule": ["cosine", "one_cycle", "constant", "step", "on_plateau", "adaptive"],
    }
)
LONG = "WHYGRAD_LAUNCH_KILLS" in os.environ


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: make peers")
def test_a_folder_has_the_same_bits_in_one_two_and_four_processes_that_read_a_part_each(
    folder, tmp_path
):
    """Parameters, the optimizer's state and the cost at the end of each epoch; and the scores in all."""
    (tmp_path / "trained.py").write_text(SCRIPT)
    plans, said, most, scores = PLANS if LONG else PLANS[:1], [], {}, []
    for n in ("1", "2", "4") if LONG else ("1", "2"):
        words = ("launch", "-n", n, "trained.py", str(folder), json.dumps(plans), n)
        command = [sys.executable, "-m", "whygrad", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=600)
        assert done.returncode == 0, done.stderr.decode()
        said.append(done.stdout.decode())
        told = [json.loads(path.read_text()) for path in tmp_path.glob(f"{n} *.told")]
        assert [one["predicted"] for one in told] == [300 // int(n) * len(plans)] * int(n)
        most[n] = max(one["reads"] for one in told)
        scores += [one["scores"] for one in told]
    assert scores[1:] == scores[:1] * (len(scores) - 1)
    assert most["2"] < 0.75 * most["1"], most
    assert said[1:] == said[:1] * (len(said) - 1)
    assert said[0].count("0x") == 2 * len(plans)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A run on a folder, of several windows, by the command line."""
    path = tmp_path_factory.mktemp("trained") / "a.run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "NUMBERS", 2**12)
        words = ("--hidden", "8", "--epochs", "6", "--engine", "reference")
        done = whygrad("train", folder, "--target", "y", "--run", path, *words)
    assert done.code == 0 and "test rows" in done.out, done.err
    return path


def test_the_run_predicts_a_folder_and_answers_for_all_of_its_training(
    folder, whole, trained, tmp_path
):
    assert "equal to the last bit" in whygrad("replay", trained).out
    shown = whygrad("show", trained).out
    assert "1,200 training, 300 test" in shown, shown
    opened, out = wg.open_run(trained), tmp_path / "out.csv"
    assert opened.start == 0 and len(opened.history.epochs) == 6
    assert (opened.predict(folder) == opened.predict(whole)).all()
    assert whygrad("predict", trained, folder, "-o", out).code == 0
    predicted = out.read_text().split()[1:]
    assert [word.strip('"') for word in predicted] == opened.predict(whole).tolist()
    assert opened.evaluate() == opened.scores
    told = whygrad("evaluate", trained, folder).err
    assert told.startswith("whygrad: training has seen 1,200 of these 1,500 rows"), told
    ledger = accounts(opened.trajectory(), WeightProbe(2, (0, 1), (0, 1)))
    assert len(ledger.by_example) == 1200 and np.count_nonzero(ledger.by_example) > 500
    assert (np.abs(ledger.rounding) <= ledger.bound).all()
    assert opened.why.weight(layer=1, to=0, from_=0) is not None


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: make peers")
def test_several_processes_predict_a_folder_file_by_file_as_one_predicts_it(
    folder, whole, trained, tmp_path
):
    """Of three files, beside one without rows, whose last has a town that training never saw."""
    given, out = tmp_path / "given.parquet", tmp_path / "out.parquet"
    shutil.copytree(folder, given)
    pq.write_table(whole.slice(0, 0), given / "0a.parquet")
    towns = [
        "D" if row in (20, 40, 1250) else town for row, town in enumerate(whole["town"].to_pylist())
    ]
    whole = whole.set_column(whole.column_names.index("town"), "town", pa.array(towns))
    for i, first, last in ((0, 0, 300), (2, 1100, 1500)):
        pq.write_table(whole.slice(first, last - first), given / f"{i}.parquet", row_group_size=150)
    words = ("launch", "-n", "2", "predict", str(trained), f"file://{given}", "-o", str(out))
    done = subprocess.run(
        [sys.executable, "-m", "whygrad", *words], capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    alone = whygrad("predict", trained, given, "-o", tmp_path / "alone.csv")
    assert alone.code == 0 and "in 3 rows, the first is row 20 (from 0), 'D'" in alone.err
    assert done.stderr.decode() == alone.err
    (tmp_path / "alone.csv").unlink()
    shutil.rmtree(given)
    assert "1,500 rows predicted" in done.stdout.decode()
    assert sorted(path.name for path in out.iterdir()) == [f"{i}.parquet" for i in range(3)]
    predicted = pq.read_table(out).column(0).to_pylist()
    with pytest.warns(UserWarning, match=r"in 3 rows, the first is row 20 \(from 0\), 'D'"):
        assert predicted == wg.open_run(trained).predict(whole).tolist()
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_column_to_keep_that_a_folder_does_not_have_is_told_by_its_name(folder, trained):
    for given, where in ((folder, f"{folder}/0.parquet: "), (f"file://{folder}", "")):
        done = whygrad("predict", trained, given, "--keep", "nix")
        assert done.code == 2
        assert done.lines[-1].startswith(f"whygrad: {where}no column 'nix': "), done.err


def test_a_run_on_a_folder_is_forked_trained_on_and_trained_without_some_rows(trained, tmp_path):
    opened = wg.open_run(trained)
    fork = opened.fork(25, learning_rate=0.01, epochs=3, record=tmp_path / "fork.run")
    assert fork.scores is not None and fork.replay().verdict.holds
    other = opened.without([3, 700], record=tmp_path / "without.run")
    assert other.data.multipliers.sum() == 1198 and other.replay().verdict.holds
    with pytest.raises(wg.InputError, match="L-BFGS takes all rows at once"):
        opened.fork(25, optimizer="lbfgs", record=tmp_path / "lbfgs.run")
    assert not (tmp_path / "lbfgs.run").exists()
    further = opened.fork(opened.step, epochs=7, record=tmp_path / "further.run")
    assert len(further.history.epochs) == 1 and further.scores.accuracy > 0


def test_a_training_that_is_interrupted_is_resumed_to_the_same_bits(
    folder, trained, windows, tmp_path, monkeypatch
):
    """By Ctrl-C while rows are read, too: what was there is recorded."""
    read, path, calls = Folder.group, tmp_path / "a.run", []

    def pressed(self, at, names):
        calls.append(at)
        if len(calls) == 40:
            signal.raise_signal(signal.SIGINT)
        return read(self, at, names)

    monkeypatch.setattr(Folder, "group", pressed)
    words = ("--hidden", "8", "--epochs", "6", "--engine", "reference")
    done = whygrad("train", folder, "--target", "y", "--run", path, *words)
    assert done.code == 130, done.err
    assert f"interrupted: {path} holds what training gave so far" in done.err
    opened, whole_run = wg.open_run(path), wg.open_run(trained)
    assert opened.stopped == "interrupted" and 0 < opened.step < whole_run.step
    other = opened.without([3], record=tmp_path / "without.run")  # of a training that is as long
    assert other.stopped == "all epochs done"
    again = opened.resume()
    assert again.stopped == "all epochs done" and again.scores == whole_run.scores
    assert again.theta.flat.tobytes() == whole_run.theta.flat.tobytes()
    assert again.costs.tobytes() == whole_run.costs.tobytes()


def test_other_rows_or_files_are_told_before_anything_is_computed(folder, whole, tmp_path):
    path, run = tmp_path / "big", tmp_path / "a.run"
    shutil.copytree(folder, path)
    options = {"hidden": (4,), "epochs": 1, "engine": "reference"}
    wg.train_folder(path, "y", record=run, **options)
    changed = whole.slice(1100, 400).set_column(0, "x", pa.array(np.zeros(400)))
    pq.write_table(changed, path / "2.parquet", row_group_size=150)
    with pytest.raises(wg.InputError, match="the data are not those that a.run was trained on"):
        wg.open_run(run).replay()
    (path / "1.parquet").unlink()
    with pytest.raises(wg.InputError, match="has other row groups than when it was trained on"):
        wg.open_run(run).replay()
    shutil.rmtree(path)
    with pytest.raises(wg.FileError, match="cannot be read"):
        wg.open_run(run).replay()


def test_row_groups_that_disappear_end_it_in_one_line_and_nothing_is_lost(
    folder, windows, tmp_path, monkeypatch
):
    gone, read, run, calls = tmp_path / "big", Folder.group, tmp_path / "a.run", []
    shutil.copytree(folder, gone)

    def deleted(self, at, names):
        calls.append(at)
        if len(calls) == 60:
            (gone / "1.parquet").unlink()
        return read(self, at, names)

    monkeypatch.setattr(Folder, "group", deleted)
    words = ("--hidden", "8", "--epochs", "9", "--engine", "reference")
    done = whygrad("train", gone, "--target", "y", "--run", run, *words)
    assert done.code == 1 or done.code == 2
    assert f"whygrad: {gone}/1.parquet: cannot be read" in done.lines[-1], done.err
    shutil.copy(folder / "1.parquet", gone)
    monkeypatch.setattr(Folder, "group", read)
    assert wg.open_run(run).resume().stopped == "all epochs done"


STORE = """
import sys
import whygrad as wg
from whygrad.pipeline.streamed import training

training.NUMBERS = 2**12
options = dict(hidden=(8,), epochs=4, engine="reference", record=sys.argv[2])
wg.train_folder(sys.argv[1], "y", **options)
run = wg.open_run(sys.argv[2]).resume(epochs=6)
fork = run.fork(run.step - 5, learning_rate=0.01, record=sys.argv[2] + ".fork.run")
assert fork.replay().verdict.holds and fork.manifest["data"]["path"] == sys.argv[1]
expected = run.predict(sys.argv[3])
assert (run.predict(sys.argv[1]) == expected).all()
file = run.predict(f"{sys.argv[1]}/0.parquet")
assert (file == expected[: len(file)]).all()
print(run.replay().verdict, run.manifest["data"]["path"])
"""


def test_a_folder_in_an_object_store_is_trained_on_resumed_and_forked_as_one_on_disk(
    folder, trained, tmp_path
):
    run, address = tmp_path / "a.run", f"s3://bucket/{folder.name}"
    with serving(folder.parent) as (told, asked):
        command = [sys.executable, "-c", STORE, address, str(run), str(folder)]
        done = subprocess.run(command, env=os.environ | told, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    assert f"equal to the last bit {address}" in done.stdout.decode()
    assert {"0.parquet", "1.parquet", "2.parquet"} <= set(asked)
    theta = wg.open_run(trained).theta.flat
    assert wg.open_run(run).theta.flat.tobytes() == theta.tobytes()


COMMAND = """
import sys
from whygrad.cli import run
from whygrad.pipeline.streamed import training

training.NUMBERS = 2**12
sys.exit(run(sys.argv[1:]))
"""


def test_a_training_on_an_object_store_that_is_interrupted_is_resumed_to_the_same_bits(
    folder, trained, tmp_path
):
    path, later, started = tmp_path / "a.run", [], []

    def pressed():
        """As the store sends rows to a training that has begun."""
        if started and path.exists():
            later.append(1)
            if len(later) == 170:  # of 344
                started[0].send_signal(signal.SIGINT)

    words = ("train", f"s3://bucket/{folder.name}", "--target", "y", "--run", str(path))
    words += ("--hidden", "8", "--epochs", "6", "--engine", "reference")
    with serving(folder.parent, pressed) as (told, _):
        for these, code in ((words, 130), (("resume", str(path)), 0)):
            started[:] = [
                subprocess.Popen(
                    [sys.executable, "-c", COMMAND, *these],
                    env=os.environ | told,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            ]
            _, said = started[0].communicate(timeout=300)
            assert started[0].returncode == code, said.decode()
            opened, whole_run = wg.open_run(path), wg.open_run(trained)
            if code:
                assert f"interrupted: {path} holds what training gave so far" in said.decode()
                assert opened.stopped == "interrupted" and 0 < opened.step < whole_run.step
    assert opened.stopped == "all epochs done" and opened.scores == whole_run.scores
    assert opened.theta.flat.tobytes() == whole_run.theta.flat.tobytes()
    assert opened.costs.tobytes() == whole_run.costs.tobytes()


def test_an_address_with_credentials_is_refused_since_a_run_keeps_it():
    for address in ("s3://key:secret@bucket/a", "s3://bucket/a?endpoint_override=x"):
        with pytest.raises(wg.InputError, match="give credentials and options by the environment"):
            open_folder(address)


MEMORY = """
import sys
from pathlib import Path
from whygrad.nn import Data
from whygrad.pipeline.recipe import recommended
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed import begin, open_folder, summary, training

training.NUMBERS = 2**16
given = begin(open_folder(sys.argv[1]), "y", Settings(epochs=1, test=0.1))
plan, held = given.plan, 50
for first in range(0, plan.steps_per_epoch, held):
    given.data.taken(plan.batches(0, first, min(first + held, plan.steps_per_epoch)))
# What getrusage tells may be the parent's.
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_is_flat_in_the_number_of_rows(tmp_path):
    sizes = []
    for files in (2, 80):
        path = tmp_path / str(files)
        path.mkdir()
        for i in range(files):
            X = np.random.default_rng(i).normal(size=(10_000, 9))
            columns = {f"x{k}": X[:, k] for k in range(8)} | {"y": X[:, 0] > 0}
            pq.write_table(pa.table(columns), path / f"{i:02}.parquet")
        command = [sys.executable, "-c", MEMORY, str(path)]
        done = subprocess.run(command, capture_output=True, timeout=300, check=True)
        sizes.append(int(done.stdout) / 1024)
    whole = 80 * 10_000 * 8 * 8 / 2**20  # megabytes of the larger one
    assert whole > 48 and sizes[1] - sizes[0] < whole / 3, sizes


def truncated(path):
    file = path / "1.parquet"
    file.write_bytes(file.read_bytes()[:-100])


def emptied(path):
    for file in path.glob("*.parquet"):
        file.unlink()


def rewritten(change):
    def write(path):
        pq.write_table(change(table(40)), path / "2.parquet")

    return write


WRONG = {
    "truncated": (truncated, "1.parquet: not a Parquet file, or a damaged one"),
    "empty": (emptied, "a folder without a Parquet file: they end in .parquet or .pq"),
    "a pipe": (lambda path: os.mkfifo(path / "3.parquet"), "3.parquet: not a regular file"),
    "a later column": (
        rewritten(lambda t: t.append_column("late", t["x"])),
        "2.parquet: column 'late' is not in 0.parquet",
    ),
    "a column less": (
        rewritten(lambda t: t.drop_columns("town")),
        "2.parquet: no column 'town', which 0.parquet has",
    ),
    "another type": (
        rewritten(lambda t: t.set_column(0, "x", t["town"])),
        "2.parquet: column 'x' holds text, in 0.parquet numbers",
    ),
    "no target": (
        rewritten(lambda t: t.set_column(5, "y", pa.array(["yes", None] * 20))),
        "target 'y' has no value in 20 of the rows 1100 to 1139 (from 0), of 2.parquet",
    ),
    "infinity": (
        rewritten(lambda t: t.set_column(0, "x", pa.array([1.0] * 39 + [np.inf]))),
        "column 'x' is infinite in row 1139 (from 0): correct it, or leave it empty if unknown",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_folder_is_said_in_one_line_and_nothing_is_written(
    case, folder, tmp_path
):
    spoil, line = WRONG[case]
    spoilt = tmp_path / "spoilt"
    shutil.copytree(folder, spoilt)
    spoil(spoilt)
    done = whygrad("train", spoilt, "--target", "y", "--run", tmp_path / "a.run")
    assert done.code == 2 and len(done.lines) == 1 and line in done.lines[0], done.err
    assert not (tmp_path / "a.run").exists()


def test_what_a_stream_does_not_have_is_refused(folder):
    for options, said in (
        ({"validation": 0.1}, "validation: a folder is trained on in a stream"),
        ({"test": "last"}, "test 'last' orders all rows by time"),
        ({"hiden": (3,)}, "unknown option 'hiden'"),
        ({"leave_out": ("twon",)}, "no column 'twon' to leave out: did you mean 'town'"),
        ({"leave_out": ("y",)}, "'y' is to be predicted: it cannot be left out as well"),
    ):
        with pytest.raises(wg.InputError, match=said):
            wg.train_folder(folder, "y", **options)
    with pytest.raises(wg.InputError, match="no column 'Y': did you mean 'y'"):
        wg.train_folder(folder, "Y")


NOT_OF_A_FOLDER = {
    "--folds": ("9", "--folds reads all rows at once: a folder has none"),
    "--seeds": ("9", "--seeds reads all rows at once: a folder has none"),
    "--time-limit": ("9", "--time-limit reads all rows at once: a folder has none"),
    "--header": (
        "1",
        "--header is of text and workbooks: a folder has Parquet files, leave it out",
    ),
    "--no-header": ("", "--no-header is of text and workbooks: a folder has Parquet files"),
    "--sheet": ("a", "--sheet is of text and workbooks: a folder has Parquet files, leave it out"),
    "--copy-data": ("", "--copy-data copies all rows: a folder may have more than a disk"),
}


@pytest.mark.parametrize("option", NOT_OF_A_FOLDER)
def test_an_option_that_a_folder_would_not_follow_is_refused(option, folder, tmp_path):
    value, line = NOT_OF_A_FOLDER[option]
    run = tmp_path / "a.run"
    given = [option, value] if value else [option]
    done = whygrad("train", folder, "--target", "y", *given, "--run", run)
    assert done.code == 2 and len(done.lines) == 1 and line in done.lines[0], done.err
    assert not run.exists()
