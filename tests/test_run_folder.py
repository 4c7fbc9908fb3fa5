"""The folder of a run: nothing pickled, whole or not there, and bit for bit what training gave."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import whygrad as wg
from damaging import edit_manifest
from whygrad.engines.reference import ReferenceEngine
from whygrad.nn.arrays import Data
from whygrad.pipeline.fit import Source, find, fit, prepare
from whygrad.pipeline.settings import Settings
from whygrad.record import folder
from whygrad.record.files import manifest
from whygrad.record.files.stored import hashes
from whygrad.record.rows import record_table
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


def source():
    return Source(as_table(FRAME), "kind", {"kind": "frame"})


@pytest.mark.parametrize("recorded", [False, True])
def test_the_seconds_of_a_training_begin_after_what_is_compiled_once(
    recorded, tmp_path, monkeypatch
):
    seen, run = [], ReferenceEngine.run

    def until(self, plan, state, data, until, watch):
        seen.append(until)
        return run(self, plan, state, data, until, watch)

    def clock():
        seen.append("clock")
        return 0.0

    monkeypatch.setattr(ReferenceEngine, "run", until)
    place = "whygrad.record.rows.time" if recorded else "whygrad.pipeline.fit.time"
    monkeypatch.setattr(place, SimpleNamespace(perf_counter=clock))
    if recorded:
        record_table(tmp_path / "some.run", source(), Settings(**QUICK))
    else:
        fit(source(), Settings(**QUICK))
    assert seen[:2] == [0, "clock"] and seen[-1] == "clock" and len(seen) > 4


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run's folder, and what training gave."""
    path = tmp_path_factory.mktemp("recorded") / "a.run"
    return path, record_table(path, source(), Settings(**QUICK))


@pytest.fixture(scope="module")
def result(recorded):
    return recorded[1]


@pytest.fixture
def path(recorded, tmp_path):
    shutil.copytree(recorded[0], tmp_path / "a.run")
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


def test_a_run_is_json_safetensors_sqlite_and_the_arrays_where_they_are_small(path):
    files = ["encoding.json", "events.sqlite", "manifest.json", "model.safetensors"]
    assert sorted(os.listdir(path)) == ["data", *files, "snapshots"]
    for name in ("encoding.json", "manifest.json"):
        json.loads((path / name).read_text(), parse_constant=pytest.fail)
    assert os.listdir(path.parent) == ["a.run"]


def test_the_manifest_says_what_decides_the_training(result, run):
    about = run.manifest
    assert about["network"]["layers"][0]["units"] == 7
    assert about["optimizer"]["name"] == "Adam" and about["schedule"]["name"] == "Adaptive"
    assert (about["seed"], about["dtype"], about["engine"]) == (0, "float32", "reference")
    assert about["threads"] >= 1
    assert set(about["versions"]) == {"whygrad", "python", "numpy", "scipy", "numba"}
    assert about["data"]["rows"] == {"training": 936, "validation": 104, "test": 260}


def test_a_run_with_columns_left_out_is_as_if_they_were_not_there_and_reads_its_rows_again(
    tmp_path,
):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    FRAME.drop(columns=["length", "colour"]).to_csv(tmp_path / "less.csv", index=False)
    settings = Settings(**QUICK, leave_out=("colour", "length"))
    record_table(
        tmp_path / "a.run", find(str(tmp_path / "t.csv"), "kind"), settings, copy_data=False
    )
    less = record_table(
        tmp_path / "b.run", find(str(tmp_path / "less.csv"), "kind"), Settings(**QUICK)
    )
    shutil.rmtree(tmp_path / "a.run" / "data", ignore_errors=True)
    run = wg.open_run(tmp_path / "a.run")
    assert run.settings.leave_out == ("colour", "length")
    assert [column.name for column in run.encoding.columns] == ["count", "wet"]
    assert (run.theta.flat == less.fitted.theta.flat).all()
    assert run.evaluate() == run.scores == less.scores
    assert run.replay().verdict.holds
    whole = FRAME.assign(colour="violet")
    assert (run.predict(whole) == wg.open_run(tmp_path / "b.run").predict(whole)).all()
    assert run.why.weight(layer=1, to=0, from_="count").value != 0


def test_the_hashes_are_of_the_very_arrays_that_training_saw(result, run):
    table, encoding, parts = prepare(source(), run.settings)
    X, Y = encoding.encode(table), encoding.targets(table)
    for name, rows in vars(parts).items():
        assert run.manifest["data"]["sha256"][name] == hashes(Data(X[rows], Y[rows]))


def test_no_two_parts_share_a_row_and_classes_have_their_share_in_each(result):
    parts = result.parts
    together = np.concatenate([parts.training, parts.validation, parts.test])
    assert sorted(together) == list(range(N))
    shares = [(FRAME.kind.to_numpy()[rows] == "many").mean() for rows in vars(parts).values()]
    assert np.ptp(shares) < 0.02


def test_the_same_table_and_settings_give_the_same_bits(result):
    again = fit(source(), Settings(**QUICK))
    assert (again.fitted.theta.flat == result.fitted.theta.flat).all()
    assert again.scores == result.scores


# ── opened again ─────────────────────────────────────────────────────────────────────────────────────


def test_an_opened_run_is_what_training_gave(result, run):
    assert run.net == result.fitted.net
    assert (run.theta.flat == result.fitted.theta.flat).all()
    assert run.history == result.fitted.history
    assert run.encoding == result.encoding
    assert run.settings == result.settings
    assert run.scores == result.scores


def test_test_rows_score_what_training_said_to_the_last_bit(result, run):
    test = FRAME.iloc[result.parts.test]
    assert run.evaluate(test) == result.scores


@pytest.mark.parametrize("name", ["iris", "diabetes", "moons"])
def test_without_rows_the_test_rows_are_found_again(name, tmp_path):
    result = record_table(tmp_path / "b.run", find(name, seed=4), Settings(**QUICK, seed=4))
    assert wg.open_run(tmp_path / "b.run").evaluate() == result.scores


def test_rows_of_a_frame_in_memory_have_to_be_given_again(run):
    with pytest.raises(wg.InputError, match="trained on a frame in memory: give the rows to score"):
        run.evaluate()


def test_data_that_have_changed_since_are_not_taken_for_the_test_rows(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    found = find(str(tmp_path / "t.csv"), "kind")
    result = record_table(tmp_path / "t.run", found, Settings(**QUICK))
    run = wg.open_run(tmp_path / "t.run")
    assert run.evaluate() == result.scores
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
    rows = f"{len(FRAME):,} rows, the first is row 0 (from 0), 'many': taken for "
    with pytest.warns(UserWarning, match=re.escape(f"column 'count' is no number in {rows}")):
        run.predict(FRAME.assign(count="many"))
    with pytest.raises(wg.InputError, match="a table is a pandas, polars or arrow frame"):
        run.predict([[1, 2, 3]])


# ── damaged, newer, in the way ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["manifest.json", "encoding.json"])
def test_a_missing_file_is_told(path, name):
    (path / name).unlink()
    refused(name, path)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_single_changed_byte_is_told(path):
    flip_a_bit(path / "encoding.json")
    refused("damaged, encoding.json is not what was written there; load(", path)


@pytest.mark.parametrize(
    ("damage", "said"), [(Path.unlink, "is missing"), (flip_a_bit, "is not what was written there")]
)
def test_without_the_model_the_last_snapshot_gives_the_same_parameters(result, path, damage, said):
    damage(path / "model.safetensors")
    with pytest.warns(
        wg.RecordWarning, match=f"model.safetensors {said}: the last snapshot is used"
    ):
        run = wg.open_run(path)
    assert (run.theta.flat == result.fitted.theta.flat).all()


def test_a_newer_schema_asks_for_a_newer_whygrad(path):
    edit_manifest(path, schema=manifest.SCHEMA + 1)
    refused("written by a newer whygrad (schema 3, this one reads 2): upgrade whygrad", path)


def test_an_older_schema_is_refused_and_the_model_can_still_be_loaded(path):
    edit_manifest(path, schema=manifest.SCHEMA - 1)
    refused("written by an older whygrad (schema 1, this one reads 2): train again; load(", path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "new"}, "it does not say which schema"),
        ({"format": "else"}, "its manifest.json is of something else"),
        ({"settings": {}}, "in its manifest.json settings.hidden is missing"),
        ({"settings": None}, "in its manifest.json settings is None: it must be an object"),
        ({"scores": {"kind": "r2"}}, "in its manifest.json scores.rows is missing"),
        ({"network": {}}, "in its manifest.json network.inputs is missing"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_told(path, changes, message):
    edit_manifest(path, **changes)
    refused(message, path)


def test_what_is_not_a_run_is_told(tmp_path):
    refused("there is no such run", tmp_path / "no.run")
    refused("a file, not a run", Path(__file__))
    refused("not a run, it has no manifest.json", tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    refused("its manifest.json is not JSON", tmp_path)


def test_a_run_is_not_overwritten_unless_asked_and_nothing_else_ever_is(result, path):
    before = (path / manifest.NAME).read_bytes()
    with pytest.raises(wg.FileError, match="exists already"):
        record_table(path, source(), Settings(**QUICK))
    assert (path / manifest.NAME).read_bytes() == before
    record_table(path, source(), Settings(**QUICK), overwrite=True)
    other = path.parent / "b.run"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(wg.FileError, match="exists and is not a run: it is not overwritten"):
        record_table(other, source(), Settings(**QUICK), overwrite=True)
    assert (other / "thesis.txt").exists()
    assert sorted(os.listdir(path.parent)) == ["a.run", "b.run"]


def test_a_run_that_cannot_be_written_whole_leaves_nothing(result, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.manifest, "write", full)
    with pytest.raises(
        wg.FileError, match=r"a\.run: cannot be written \(No space left on device\)"
    ):
        record_table(tmp_path / "a.run", source(), Settings(**QUICK))
    assert os.listdir(tmp_path) == []
