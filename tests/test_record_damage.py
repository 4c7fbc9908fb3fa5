"""A run that is damaged, or that could not be written whole: what still works is said, and works."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import damaging
import killing
import whygrad as wg
from whygrad import files
from whygrad.record import recorder
from whygrad.record.files import events, location, manifest, snapshots
from whygrad.record.replay import same_state

CASE = {"optimizer": "adam", "schedule": "step", "stopping": "best", "dropout": "0.25"}
CASE |= {"engine": "reference", "dtype": "float64", "clip": "none"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run that was never broken off, and what training gave."""
    path = tmp_path_factory.mktemp("recorded") / "a.run"
    with pytest.MonkeyPatch.context() as patch:
        killing.snapshot_at_every_report(patch)
        return path, killing.train(CASE, path)


@pytest.fixture
def truth(recorded):
    return recorded[1]


@pytest.fixture
def path(recorded, tmp_path):
    shutil.copytree(recorded[0], tmp_path / "a.run")
    return tmp_path / "a.run"


def unended(path, *, until=None):
    """Make a run as a kill would have left it: without its end, and with all it knew up to a step."""
    with sqlite3.connect(path / events.NAME) as db:
        db.execute("DELETE FROM ended")
        if until is not None:
            db.execute("DELETE FROM chunks WHERE first >= ?", (until,))
            db.execute("DELETE FROM snapshots WHERE step > ?", (until,))
            (last,) = db.execute("SELECT max(first + steps) FROM chunks").fetchone()
            db.execute("DELETE FROM epochs WHERE step > ?", (last,))
    db.close()
    (path / manifest.MODEL).unlink(missing_ok=True)
    about = manifest.read(path)
    for name in ("files", "seconds"):
        about.pop(name, None)
    manifest.write(path, about)


def resumes_well(path, truth):
    run = wg.open_run(path).resume()
    assert (run.theta.flat == truth.theta.flat).all() and run.history == truth.history
    assert str(run.replay()).endswith("equal to the last bit")


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("until", [None, 100, 1])
def test_a_run_that_lacks_its_end_gets_it_by_resuming(path, truth, until):
    unended(path, until=until)
    run = wg.open_run(path)
    assert run.stopped == "" and not run.concluded
    assert np.isfinite(run.theta.flat).all()
    resumes_well(path, truth)


def test_a_training_that_ended_but_was_not_concluded_is_concluded_by_resuming(path, truth):
    about = manifest.read(path)
    (path / manifest.MODEL).unlink()
    manifest.write(path, {k: v for k, v in about.items() if k not in ("files", "seconds")})
    resumes_well(path, truth)


def test_a_run_that_is_resumed_for_more_epochs_is_at_its_end_only_when_it_is(path, truth):
    opened = []

    def look(report):
        run = wg.open_run(path)
        opened.append((run.concluded, run.stopped, run.step, run.theta.flat.copy()))

    run = wg.open_run(path)
    more = run.fork(0, stopping=None, epochs=18, record=path.with_name("b.run"))
    path = more.path
    again = more.resume(epochs=30, callbacks=[look])
    assert opened and all(told[:2] == (False, "") for told in opened)
    assert again.concluded and len(again.history.epochs) == 30


def test_a_missing_or_damaged_snapshot_is_told_and_an_earlier_one_serves(path):
    run = wg.open_run(path)
    known = run.snapshots()
    assert len(known) > 3
    step = known[2].step + 1
    before = run.state(step)
    (path / known[2].path).unlink()
    with pytest.warns(
        wg.RecordWarning, match=f"{known[2].path} is missing: computing from an earlier"
    ):
        assert same_state(run.state(step), before)
    content = bytearray((path / known[1].path).read_bytes())
    content[-9] ^= 1
    (path / known[1].path).write_bytes(content)
    with pytest.warns(wg.RecordWarning) as told:
        assert same_state(run.state(step), before)
    assert [str(one.message).split(": ")[1] for one in told] == [
        f"{known[2].path} is missing",
        f"{known[1].path} is not what was written there",
    ]


def test_without_the_first_state_what_lies_after_the_next_is_still_there(path, truth):
    run = wg.open_run(path)
    known = run.snapshots()
    (path / known[0].path).unlink()
    with pytest.raises(wg.FileError, match="is missing, and there is no earlier one"):
        run.state(known[1].step - 1)
    assert run.state(known[1].step + 1).step == known[1].step + 1
    assert run.history == truth.history and (run.theta.flat == truth.theta.flat).all()


@pytest.mark.parametrize("damage", ["gone", "garbage", "cut"])
def test_without_the_database_history_and_parameters_are_there(path, truth, damage):
    file = path / events.NAME
    content = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(b"no database" * 999 if damage == "garbage" else content[:5000])
    run = wg.open_run(path)
    assert (run.theta.flat == truth.theta.flat).all()
    with pytest.warns(wg.RecordWarning, match=r"events\.sqlite .*: the history and the parameters"):
        assert run.history == truth.history
    with pytest.raises(wg.FileError, match=r"a\.run: damaged, events\.sqlite"):
        run.state(5)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("epochs", "about", "{"), ("epochs", "about", "[1]"), ("chunks", "costs", b"123")],
)
def test_a_row_that_cannot_be_used_is_told_and_the_rest_is_there(path, truth, table, column, value):
    with sqlite3.connect(path / events.NAME) as db:
        db.execute(f"UPDATE {table} SET {column} = ?", (value,))
    db.close()
    run = wg.open_run(path)
    if table == "epochs":
        with pytest.warns(
            wg.RecordWarning, match=r"a\.run: damaged, events\.sqlite cannot be read"
        ):
            assert run.history == truth.history
    else:
        with pytest.raises(wg.FileError, match=r"a\.run: damaged, events\.sqlite cannot be read"):
            run.costs  # noqa: B018
    assert (run.theta.flat == truth.theta.flat).all() and run.state(run.step).step == run.step


def test_a_damaged_row_of_one_run_hides_no_other(path, capsys):
    from whygrad.cli.show import runs

    unended(path)
    shutil.copytree(path, path.with_name("b.run"))
    with sqlite3.connect(path / events.NAME) as db:
        db.execute("UPDATE epochs SET about = '{'")
    db.close()
    assert runs(path.parent, json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert "error" not in told[1] and told[0]["error"].endswith("(a row in it makes no sense)")


@pytest.mark.parametrize("content", [None, "{"])
def test_without_its_manifest_the_model_can_still_be_loaded(path, truth, content):
    (path / manifest.NAME).unlink()
    if content is not None:
        (path / manifest.NAME).write_text(content)
    with pytest.raises(
        wg.FileError, match=r"manifest\.json.*; load\('.*model\.safetensors'\) gives"
    ):
        wg.open_run(path)
    assert (wg.load(path / manifest.MODEL).theta.flat == truth.theta.flat).all()


def test_without_database_and_model_the_last_snapshot_is_there(path, truth):
    unended(path)
    (path / events.NAME).write_bytes(b"no database" * 999)
    last = sorted((path / "snapshots").iterdir())[-1]
    with pytest.warns(wg.RecordWarning, match=f"the parameters of step {int(last.stem)} are there"):
        run = wg.open_run(path)
    state = snapshots.read(path, f"snapshots/{last.name}", run.first_plan)
    assert (run.theta.flat == state.early_stopping.best_theta).all()


def test_copied_data_that_were_changed_are_told(path):
    file = path / "data" / "training_X.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    run = wg.open_run(path)
    assert run.history.epochs and run.state(run.step).step == run.step
    with pytest.raises(wg.FileError, match="the files in data are not what was written there"):
        run.state(5)
    file.unlink()
    with pytest.raises(wg.FileError, match=r"damaged, data/training_X\.npy is missing"):
        wg.open_run(path).state(5)


def test_of_a_newer_schema_the_model_can_still_be_loaded(path, truth):
    damaging.edit_manifest(path, schema=manifest.SCHEMA + 1)
    with pytest.raises(
        wg.FileError, match=r"upgrade whygrad; load\('.*model\.safetensors'\) gives"
    ):
        wg.open_run(path)
    assert (wg.load(path / manifest.MODEL).theta.flat == truth.theta.flat).all()


def test_a_run_of_another_version_opens_and_says_that_bits_may_differ(path, truth):
    def older(about):
        return about.replace(f'"whygrad": "{wg.__version__}"', '"whygrad": "0.0.9"')

    damaging.rewrite(path, "stages", about=older)
    verdict = wg.open_run(path).replay().verdict
    assert verdict.guarantee == "tolerance" and verdict.holds
    assert verdict.reasons == (f"whygrad 0.0.9, here {wg.__version__}",)


# ── faults while it is written ───────────────────────────────────────────────────────────────────────


class Fault:
    """Stands for a function of the file layer, and fails at its n-th call."""

    def __init__(self, plain, n, error):
        self.plain, self.n, self.error = plain, n, error

    def __call__(self, *arguments):
        self.n -= 1
        if self.n == 0:
            raise self.error
        return self.plain(*arguments)


FULL = OSError(28, "No space left on device")
READ_ONLY = OSError(30, "Read-only file system")


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_a_fault_at_any_write_is_told_and_the_rest_resumes(tmp_path, truth, monkeypatch, name, n):
    killing.snapshot_at_every_report(monkeypatch)
    path = tmp_path / "b.run"
    with monkeypatch.context() as patch:
        patch.setattr(files.os, name, Fault(getattr(os, name), n, FULL if n % 2 else READ_ONLY))
        with pytest.raises(wg.FileError, match=r"b\.run.*(No space left|Read-only file)"):
            killing.train(CASE, path)
    assert not any(other.name.startswith(".") for other in tmp_path.iterdir())
    if path.exists():
        assert killing.rows(path)[0] == "ok"
        resumes_well(path, truth)


def test_a_database_that_is_full_is_told_and_the_rest_resumes(tmp_path, truth, monkeypatch):
    plain = events.connect

    def small(path):
        db = plain(path)
        db.execute("PRAGMA max_page_count=9")
        return db

    path = tmp_path / "b.run"
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "REST", 0.0)
        patch.setattr(events, "connect", small)
        with pytest.raises(
            wg.FileError, match=r"b\.run: cannot be written \(database or disk is full"
        ):
            killing.train(CASE, path)
    assert killing.rows(path)[0] == "ok" and wg.open_run(path).step > 0
    resumes_well(path, truth)


def test_a_quota_is_told_in_one_line_and_the_rest_resumes(tmp_path, truth):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))

    code = f"import killing\nkilling.recorder.REST = 0.0\nkilling.train({CASE!r}, 'b.run')"
    folders = [Path(__file__).parent, Path(wg.__file__).parent.parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    last = result.stderr.splitlines()[-1]
    assert last.startswith("whygrad.errors.FileError: b.run: cannot be written"), last
    assert "stays there: free space, then resume the run" in last
    resumes_well(tmp_path / "b.run", truth)


def test_a_run_that_was_killed_can_be_read_where_nothing_can_be_written(path, truth, monkeypatch):
    unended(path, until=100)
    writer = events.connect(
        path / events.NAME
    )  # as a process that was killed leaves it, with its log
    with events.transaction(writer):
        events.end(writer, 100, "a test")
    plain = events.connect_read_only

    def refuse(path):
        db = plain(path)
        db.execute("SELECT 1 FROM chunks").fetchone()
        db.close()
        return sqlite3.connect("file:/nowhere/at.all?mode=memory", uri=True)

    monkeypatch.setattr(events, "connect_read_only", refuse)
    before = sorted(os.listdir(path))
    run = wg.open_run(path)
    assert run.stopped == "a test" and len(run.history.epochs) > 0
    assert sorted(os.listdir(path)) == before
    writer.close()


def test_snapshots_that_a_kill_left_without_a_row_are_cleared_away(path, truth):
    unended(path, until=100)
    (path / "snapshots" / f".000000099.safetensors.{'a' * 32}").write_bytes(b"half")
    resumes_well(path, truth)
    known = {Path(one.path).name for one in wg.open_run(path).snapshots()}
    assert {file.name for file in (path / "snapshots").iterdir()} == known


def test_files_that_a_kill_left_half_written_are_cleared_away(path, truth):
    unended(path, until=100)
    (path / f".manifest.json.{'a' * 32}").write_text("{")
    (path / ".mine").write_text("a note")
    resumes_well(path, truth)
    assert {file.name for file in path.glob(".*")} == {".mine"}


def leave(folder, name, *, minutes=2.0):
    """Leave a folder as a kill would, some minutes ago."""
    (folder / name / "snapshots").mkdir(parents=True)
    then = time.time() - 60 * minutes
    os.utime(folder / name, (then, then))
    return folder / name


def test_what_a_kill_left_beside_a_run_goes_when_one_starts_in_the_same_place(tmp_path):
    gone = leave(tmp_path, f".a.run.{'0' * 32}")
    others = [
        leave(tmp_path, f".b.run.{'0' * 32}"),  # of another run
        leave(tmp_path, ".a.run.mine"),
        leave(
            tmp_path, f".a.run.{'1' * 32}", minutes=0
        ),  # it may be another process, about to lock it
        leave(tmp_path, f".a.run.{'2' * 32}.old"),  # the only one there is
    ]
    busy = leave(tmp_path, f".a.run.{'3' * 32}")
    with location.only_writer(busy):
        killing.train(CASE | {"engine": "native"}, tmp_path / "a.run")
        assert not gone.exists() and busy.exists()
        assert all(other.exists() for other in others)
    location.remove_leftovers(tmp_path / "a.run")
    assert not busy.exists() and not others[-1].exists()
    assert all(other.exists() for other in others[:-1])
