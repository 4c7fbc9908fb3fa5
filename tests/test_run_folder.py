"""The folder of a run: nothing pickled, whole or not there, and bit for bit what training gave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import whygrad as wg
from whygrad.fitting import Source, find, fit, hashes, prepare
from whygrad.record import manifest, writing
from whygrad.settings import Settings
from whygrad.tables import as_table

QUICK = {"hidden": (7, 5), "epochs": 3, "engine": "reference"}
DRAWS = np.random.default_rng(3)
N = 1300
FRAME = pd.DataFrame(
    {
        "length": np.where(DRAWS.random(N) < 0.1, np.nan, DRAWS.normal(3, 1, N)),
        "count": DRAWS.integers(0, 9, N),
        "wet": DRAWS.random(N) < 0.5,
        "colour": DRAWS.choice(["red", "green", "blue"], N),
    }
)
FRAME["kind"] = np.where(FRAME["count"] + FRAME.wet * 3 > 5, "many", "few")


@pytest.fixture(scope="module")
def learned():
    table = as_table(FRAME)
    return fit(Source(table, "kind", {"kind": "frame"}), Settings(**QUICK))


@pytest.fixture
def path(learned, tmp_path):
    writing.write(learned, tmp_path / "a.run")
    return tmp_path / "a.run"


@pytest.fixture
def run(path):
    return wg.open_run(path)


def refused(message, path, error=wg.FileError):
    with pytest.raises(error) as raised:
        wg.open_run(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


# ── what is in it ────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_three_files_of_json_and_safetensors(path):
    assert sorted(os.listdir(path)) == ["encoding.json", "manifest.json", "model.safetensors"]
    for name in ("encoding.json", "manifest.json"):
        json.loads((path / name).read_text(), parse_constant=pytest.fail)
    assert os.listdir(path.parent) == ["a.run"]


def test_the_manifest_says_what_decides_the_training(learned, run):
    about = run.manifest
    assert about["network"]["layers"][0]["units"] == 7
    assert about["optimizer"]["name"] == "Adam" and about["schedule"]["name"] == "Adaptive"
    assert (about["seed"], about["dtype"], about["engine"]) == (0, "float32", "reference")
    assert about["threads"] >= 1
    assert set(about["versions"]) == {"whygrad", "python", "numpy", "scipy", "numba"}
    assert about["data"]["rows"] == {"training": 936, "stopping": 104, "held_out": 260}


def test_the_hashes_are_of_the_very_arrays_that_training_saw(learned, run):
    source = Source(as_table(FRAME), "kind", {"kind": "frame"})
    table, encoding, parts = prepare(source, run.settings)
    X, Y = encoding.encode(table), encoding.targets(table)
    for name, rows in vars(parts).items():
        assert run.manifest["data"]["sha256"][name] == hashes(X[rows], Y[rows])


def test_no_two_parts_share_a_row_and_classes_have_their_share_in_each(learned):
    parts = learned.parts
    together = np.concatenate([parts.training, parts.stopping, parts.held_out])
    assert sorted(together) == list(range(N))
    shares = [(FRAME.kind.to_numpy()[rows] == "many").mean() for rows in vars(parts).values()]
    assert np.ptp(shares) < 0.02


def test_the_same_table_and_settings_give_the_same_bits(learned):
    again = fit(Source(as_table(FRAME), "kind", {"kind": "frame"}), Settings(**QUICK))
    assert (again.fitted.theta.flat == learned.fitted.theta.flat).all()
    assert again.scores == learned.scores


# ── opened again ─────────────────────────────────────────────────────────────────────────────────────


def test_an_opened_run_is_what_training_gave(learned, run):
    assert run.net == learned.fitted.net
    assert (run.theta.flat == learned.fitted.theta.flat).all()
    assert run.history == learned.fitted.history
    assert run.encoding == learned.encoding
    assert run.settings == learned.settings
    assert run.scores == learned.scores


def test_held_out_rows_score_what_training_said_to_the_last_bit(learned, run):
    held_out = FRAME.iloc[learned.parts.held_out]
    assert run.evaluate(held_out) == learned.scores


@pytest.mark.parametrize("name", ["iris", "diabetes", "moons"])
def test_without_rows_the_held_out_ones_are_found_again(name, tmp_path):
    learned = fit(find(name, seed=4), Settings(**QUICK, seed=4))
    writing.write(learned, tmp_path / "b.run")
    assert wg.open_run(tmp_path / "b.run").evaluate() == learned.scores


def test_rows_of_a_frame_in_memory_have_to_be_given_again(run):
    with pytest.raises(wg.InputError, match="trained on a frame in memory: give the rows to score"):
        run.evaluate()


def test_data_that_have_changed_since_are_not_taken_for_those_held_out(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    learned = fit(find(str(tmp_path / "t.csv"), "kind"), Settings(**QUICK))
    writing.write(learned, tmp_path / "t.run")
    run = wg.open_run(tmp_path / "t.run")
    assert run.evaluate() == learned.scores
    FRAME.assign(count=FRAME["count"] + 1).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(wg.InputError, match="the data are not those that t.run was trained on"):
        run.evaluate()


FRAMES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "lazy polars": lambda frame: pl.from_pandas(frame).lazy(),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_every_library_in_any_order_of_columns_predict_the_same_bits(run, kind):
    expected = run.predict(FRAME)
    p = run.probabilities(FRAME)
    frame = FRAMES[kind](FRAME[["wet", "colour", "length", "count"]])
    assert (run.predict(frame) == expected).all()
    assert (run.probabilities(frame) == p).all()
    assert expected.shape == (N,) and p.shape == (N, 2)


def test_a_row_has_the_same_output_whatever_stands_beside_it(run):
    p = run.probabilities(FRAME)
    for row in (0, 1, 511, 512, 700, N - 1):
        assert (run.probabilities(FRAME.iloc[[row]]) == p[row]).all()
    order = np.random.default_rng(0).permutation(N)
    assert (run.probabilities(FRAME.iloc[order]) == p[order]).all()


def test_a_file_larger_than_a_piece_predicts_what_a_frame_does(run, tmp_path):
    many = pd.concat([FRAME] * 15, ignore_index=True)
    many.to_csv(tmp_path / "many.csv", index=False)
    many.to_parquet(tmp_path / "many.parquet", row_group_size=777)
    expected = np.tile(run.predict(FRAME), 15)
    assert (run.predict(many) == expected).all()
    assert (run.predict(tmp_path / "many.csv") == expected).all()
    assert (run.predict(str(tmp_path / "many.parquet")) == expected).all()


def test_another_process_predicts_the_same_bits(run, tmp_path):
    FRAME.to_parquet(tmp_path / "frame.parquet")
    code = (
        "import numpy as np, whygrad as wg\n"
        f"np.save('p.npy', wg.open_run({str(run.path)!r}).probabilities('frame.parquet'))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(wg.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    assert (np.load(tmp_path / "p.npy") == run.probabilities(FRAME)).all()


def test_a_column_that_is_missing_or_of_another_kind_is_named(run, tmp_path):
    with pytest.raises(wg.InputError, match="no column 'colour': did you mean 'color'?"):
        run.predict(FRAME.rename(columns={"colour": "color"}))
    FRAME.rename(columns={"colour": "Colour"}).to_csv(tmp_path / "f.csv", index=False)
    with pytest.raises(wg.InputError, match="no column 'colour': did you mean 'Colour'?"):
        run.predict(tmp_path / "f.csv")
    with pytest.raises(wg.InputError, match="column 'count' holds text"):
        run.predict(FRAME.assign(count="many"))
    with pytest.raises(wg.InputError, match="a table is a pandas, polars or arrow frame"):
        run.predict([[1, 2, 3]])


# ── damaged, newer, in the way ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["manifest.json", "model.safetensors", "encoding.json"])
def test_a_missing_file_is_told(path, name):
    (path / name).unlink()
    refused(name, path)


@pytest.mark.parametrize("name", ["model.safetensors", "encoding.json"])
def test_a_single_changed_byte_is_told(path, name):
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    refused(f"damaged, {name} is not what was written there", path)


def edited(path, **changes):
    about = json.loads((path / manifest.NAME).read_text())
    (path / manifest.NAME).write_text(json.dumps(about | changes))


def test_a_newer_schema_asks_for_a_newer_whygrad(path):
    edited(path, schema=manifest.SCHEMA + 1)
    refused("written by a newer whygrad (schema 2, this one reads up to 1): upgrade whygrad", path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "new"}, "it does not say which schema"),
        ({"format": "else"}, "its manifest.json is of something else"),
        ({"settings": {}}, "its description cannot be used"),
        ({"settings": None}, "its description cannot be used"),
        ({"scores": {"kind": "r2"}}, "its description cannot be used"),
        ({"files": []}, "model.safetensors is not what was written there"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_told(path, changes, message):
    edited(path, **changes)
    refused(message, path)


def test_what_is_not_a_run_is_told(tmp_path):
    refused("there is no such run", tmp_path / "no.run")
    refused("a file, not a run", Path(__file__))
    refused("not a run, it has no manifest.json", tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    refused("its manifest.json is not JSON", tmp_path)


def test_a_run_is_not_overwritten_unless_asked_and_nothing_else_ever_is(learned, path):
    before = (path / manifest.NAME).read_bytes()
    with pytest.raises(wg.FileError, match="exists already"):
        writing.write(learned, path)
    assert (path / manifest.NAME).read_bytes() == before
    writing.write(learned, path, overwrite=True)
    folder = path.parent / "b.run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(wg.FileError, match="exists and is not a run: it is not overwritten"):
        writing.write(learned, folder, overwrite=True)
    assert (folder / "thesis.txt").exists()
    assert sorted(os.listdir(path.parent)) == ["a.run", "b.run"]


def test_a_run_that_cannot_be_written_whole_leaves_nothing(learned, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.manifest, "describe", full)
    with pytest.raises(
        wg.FileError, match=r"a\.run: cannot be written \(No space left on device\)"
    ):
        writing.write(learned, tmp_path / "a.run")
    assert os.listdir(tmp_path) == []
