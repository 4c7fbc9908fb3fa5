"""A folder of Parquet files: one table of any size, in the same order for everyone, in little memory."""

import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import whygrad as wg
from command import whygrad
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed import begin, open_folder, train_windows, training
from whygrad.pipeline.streamed.folder import Span, blocks_of
from whygrad.pipeline.streamed.sketch import merged, sketch_of
from whygrad.pipeline.streamed.windows import set_aside, window
from whygrad.tables import choose_target, learn


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


def test_a_pass_takes_every_row_once_and_none_that_is_set_aside(folder):
    blocks = blocks_of(open_folder(folder), 40)
    assert max(block.rows for block in blocks) <= 40
    trained, test = set_aside(blocks, 0.2, 200, seed=3)
    assert sum(span.rows for span in test) == 200
    n, W = 1300, 96
    taken = [
        row
        for k in range(2 * n // W + 1)
        for span in window(trained, 3, W, k)
        for row in range(span.first, span.last)
    ]
    left = np.setdiff1d(np.arange(1500), np.concatenate([np.arange(s.first, s.last) for s in test]))
    for k in range(2):
        assert sorted(taken[k * n : (k + 1) * n]) == left.tolist()
    assert taken[:n] != taken[n : 2 * n]
    assert window(trained, 4, W, 0) != window(trained, 3, W, 0)
    assert window([Span(0, 5)], 0, 5, 7) == [Span(0, 5)]


SCRIPT = """
import hashlib, sys
import whygrad as wg
from whygrad.pipeline.streamed import training

training.NUMBERS = 2**13
options = dict(hidden=(8,), epochs=2, batch_size=64, engine="xla", blocks=4, dropout=0.1)
found = wg.train_folder(sys.argv[1], "y", **options)
digest = hashlib.sha256(found.fitted.theta.flat.tobytes()).hexdigest()
print(digest, [one.cost.hex() for one in found.fitted.history.epochs])
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: make peers")
def test_windows_have_the_same_bits_in_one_and_in_two_processes(folder, tmp_path):
    (tmp_path / "trained.py").write_text(SCRIPT)
    said = []
    for n in ("1", "2"):
        words = ("launch", "-n", n, "trained.py", str(folder))
        command = [sys.executable, "-m", "whygrad", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        said.append(done.stdout.decode())
    assert said[0] == said[1] and said[0].count("0x") > 3


def test_one_window_is_the_training_on_its_rows(folder, whole):
    options = Settings(hidden=(5,), epochs=3, batch_size=50, test=0, engine="reference")
    given = begin(open_folder(folder), "y", options)
    assert given.plan.n == 1500 and given.plan.epochs == 3
    fitted, history = train_windows(given)
    assert len(history.epochs) == 3
    again, _ = train_windows(given)
    assert fitted.theta.flat.tobytes() == again.theta.flat.tobytes()
    assert history.epochs[-1].cost < history.epochs[0].cost


def test_the_run_predicts_a_folder_and_answers_for_its_last_window(
    folder, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "NUMBERS", 2**13)
    run, out = tmp_path / "a.run", tmp_path / "out.csv"
    words = (
        "--target",
        "y",
        "--run",
        run,
        "--hidden",
        "8",
        "--epochs",
        "12",
        "--engine",
        "reference",
    )
    done = whygrad("train", folder, *words)
    assert done.code == 0 and "window 1 of " in done.err and "test rows" in done.out, done.err
    assert "replay" not in done.out and "equal to the last bit" in whygrad("replay", run).out
    shown = whygrad("show", run).out
    assert "test rows" in shown and "training rows" not in shown
    opened = wg.open_run(run)
    assert opened.manifest["scored_on"] == "test"
    assert opened.start > 0 and (opened.predict(folder) == opened.predict(whole)).all()
    assert whygrad("predict", run, folder, "-o", out).code == 0
    predicted = out.read_text().split()[1:]
    assert [word.strip('"') for word in predicted] == opened.predict(whole).tolist()
    assert opened.why.weight(whole.slice(0, 50), layer=1, to=0, from_=0) is not None


def test_a_last_window_that_is_interrupted_is_resumed_to_the_same_bits(
    folder, tmp_path, monkeypatch
):
    from whygrad.record import folder as recording

    train, options = recording.run, {"hidden": (8,), "epochs": 20, "engine": "reference"}

    def pressed(given, observers, *rest):
        return train(given, [lambda report: signal.raise_signal(signal.SIGINT), *observers], *rest)

    monkeypatch.setattr(training, "NUMBERS", 2**13)
    whole = wg.train_folder(folder, "y", **options)
    monkeypatch.setattr(recording, "run", pressed)
    ended = wg.train_folder(folder, "y", record=tmp_path / "a.run", **options)
    assert ended.fitted.history.stopped == "interrupted"
    monkeypatch.setattr(recording, "run", train)
    again = wg.open_run(tmp_path / "a.run").resume()
    assert again.stopped == "all epochs done" and again.scores is None
    assert again.theta.flat.tobytes() == whole.fitted.theta.flat.tobytes()


def test_ctrl_c_ends_with_its_window_recorded_and_no_resumption_goes_beyond(
    folder, tmp_path, monkeypatch
):
    train = training.run

    def pressed(given, observers):
        """Train, and press Ctrl-C within the third window."""
        within = given.state.epoch == 2
        press = [lambda report: signal.raise_signal(signal.SIGINT)] if within else []
        return train(given, [*press, *observers])

    monkeypatch.setattr(training, "NUMBERS", 2**13)
    monkeypatch.setattr(training, "run", pressed)
    run, options = tmp_path / "a.run", ("--hidden", "8", "--epochs", "20", "--engine", "reference")
    done = whygrad("train", folder, "--target", "y", "--run", run, *options)
    assert done.code == 130 and done.err.count("window ") == 2, done.err
    opened = wg.open_run(run)
    given = begin(open_folder(folder), "y", opened.settings)
    n = given.plan.steps_per_epoch
    assert (opened.start, opened.step) == (2 * n, 3 * n)
    assert opened.data.X.tobytes() == given.data(2).X.tobytes()
    assert "equal to the last bit" in whygrad("replay", run).out
    window = "a.run holds window 3 of {} and not the rows that follow: train on "
    for again, to in (
        (opened.resume, given.plan.epochs),
        (lambda: opened.resume(epochs=5), 5),
        (lambda: opened.fork(3 * n), given.plan.epochs),
    ):
        with pytest.raises(wg.InputError, match=window.format(to)):
            again()
    refused = whygrad("resume", run)
    assert refused.code == 2 and len(refused.lines) == 1
    assert window.format(given.plan.epochs) in refused.err


MEMORY = """
import sys
from pathlib import Path
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed import begin, open_folder, training

training.NUMBERS = 2**16
given = begin(open_folder(sys.argv[1]), "y", Settings(epochs=1, test=0.1))
for k in range(given.plan.epochs):
    given.data(k)
# What getrusage tells may be the parent's.
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_is_flat_in_the_number_of_rows(tmp_path):
    sizes = []
    for files in (2, 60):
        path = tmp_path / str(files)
        path.mkdir()
        for i in range(files):
            X = np.random.default_rng(i).normal(size=(10_000, 9))
            columns = {f"x{k}": X[:, k] for k in range(8)} | {"y": X[:, 0] > 0}
            pq.write_table(pa.table(columns), path / f"{i:02}.parquet")
        command = [sys.executable, "-c", MEMORY, str(path)]
        done = subprocess.run(command, capture_output=True, timeout=300, check=True)
        sizes.append(int(done.stdout) / 1024)
    whole = 60 * 10_000 * 8 * 8 / 2**20  # megabytes of the larger one
    assert whole > 36 and sizes[1] - sizes[0] < whole / 3, sizes


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
        "target 'y' has no value in 20 of the rows 1101 to 1140, of 2.parquet",
    ),
    "infinity": (
        rewritten(lambda t: t.set_column(0, "x", pa.array([1.0] * 39 + [np.inf]))),
        "column 'x' is infinite in row 1140: correct it, or leave it empty if unknown",
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


@pytest.mark.parametrize("option", ["--folds", "--seeds", "--time-limit"])
def test_what_reads_all_rows_at_once_is_refused_on_the_command_line(option, folder, tmp_path):
    run = tmp_path / "a.run"
    done = whygrad("train", folder, "--target", "y", option, "9", "--run", run)
    assert done.code == 2 and done.lines == [
        f"whygrad: {option} reads all rows at once: a folder has none"
    ]
    assert not run.exists()
