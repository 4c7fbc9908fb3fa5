"""A run goes on as far as it was told to, may replace its fork, and holds the rows it was trained on."""

import json
import shutil

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from whygrad.record import forking
from whygrad.record.files import events

DRAWS = np.random.default_rng(5)
X = DRAWS.normal(size=(40, 3))
Y = DRAWS.integers(2, size=40)
NET = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
KEYS = {"epochs": 40, "batch_size": 10, "engine": "reference", "seed": 2}
PATIENT = wg.Stopping(
    tol=10.0, patience=4
)  # nothing is ever that much better: it stops after epoch 6


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "a.run"
    wg.train(NET, X, Y, stopping=PATIENT, record=path, **KEYS)
    found = wg.open_run(path)
    assert (
        found.stopped.startswith("training cost did not improve") and len(found.history.epochs) == 6
    )
    return found


# ── a rule that has ended a training has all its patience again ──────────────────────────────────────


def test_a_training_that_its_rule_ended_goes_on_with_all_its_patience(run):
    again = run.resume(epochs=40)
    assert len(again.history.epochs) == 6 + 5
    assert again.stopped.startswith("training cost did not improve")
    assert str(again.replay()).endswith("equal to the last bit")
    assert len(again.resume(epochs=13).history.epochs) == 13
    assert str(wg.open_run(run.path).replay()).endswith("equal to the last bit")


def test_so_does_a_fork_of_its_end(run, tmp_path):
    fork = run.fork(run.step, record=tmp_path / "f.run")
    assert len(fork.history.epochs) == 5
    assert str(fork.replay()).endswith("equal to the last bit")


def test_killed_before_its_first_step_it_goes_on_all_the_same(run):
    step = run.step
    with events.reading(run.path / events.NAME) as db:
        stage = events.stages(db)[-1]
    forking.reopen(run.path)
    db = events.connect(run.path / events.NAME)
    with events.transaction(db):
        events.add_stage(db, events.Stage(step, 40, stage.environment, stage.plan))
        db.execute("DELETE FROM ended")
    db.close()
    assert len(wg.open_run(run.path).resume().history.epochs) == 6 + 5


def test_a_goal_that_is_reached_is_not_reached_again(tmp_path):
    path = tmp_path / "a.run"
    wg.train(NET, X, Y, cost_below=10.0, record=path, **KEYS)
    run = wg.open_run(path)
    with pytest.raises(wg.InputError, match="a.run has reached its goal .* another cost_below"):
        run.resume(epochs=60)
    fork = run.fork(run.step, record=tmp_path / "f.run", cost_below=None)
    assert len(fork.history.epochs) == 39


# ── a fork may replace another ───────────────────────────────────────────────────────────────────────


def test_a_fork_replaces_another_where_it_is_told_to_and_never_its_parent(
    run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    given = ("fork", "a.run", "--step", "4", "--record", "f.run")
    assert whygrad(*given, "--epochs", "2").code == 0
    refused = whygrad(*given, "--epochs", "3")
    assert refused.code == 2 and "f.run: exists already" in refused.err
    assert whygrad(*given, "--epochs", "3", "--overwrite").code == 0
    assert wg.open_run("f.run").step == 12
    itself = whygrad("fork", "a.run", "--step", "4", "--record", "a.run", "--overwrite")
    assert itself.code == 2 and "cannot be replaced by its own fork" in itself.err
    assert wg.open_run("a.run").step == run.step
    for _ in range(2):
        assert whygrad("fork", "a.run", "--step", "4", "--epochs", "2", "--overwrite").code == 0
    assert sorted(path.name for path in tmp_path.glob("*.run")) == ["a-fork.run", "a.run", "f.run"]


# ── the rows that were copied ────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["regression", "classification", "two classes"])
def moved(request, tmp_path, monkeypatch):
    """A run on a table whose file has moved, and what it answered before."""
    monkeypatch.chdir(tmp_path)
    kinds = {"regression": lambda i: f"{i * 1.7:.2f}", "classification": lambda i: "abc"[i % 3]}
    label = kinds.get(request.param, lambda i: "yes" if i % 3 else "no")
    lines = [f"{a:.4f},{b:.4f},{'xyz'[i % 3]},{label(i)}" for i, (a, b) in enumerate(X[:, :2])] * 3
    (tmp_path / "t.csv").write_text("\n".join(["a,b,kind,wanted", *lines]) + "\n")
    options = ("--target", "wanted", "--hidden", "4", "--epochs", "5", "--engine", "reference")
    assert whygrad("train", "t.csv", *options).code == 0
    run = wg.open_run("t.run")
    before = {
        "scores": run.evaluate().to_dict(),
        "weight": run.why.weight(layer=1, to=0, from_=0).value,
        "row": json.loads(whygrad("why", "prediction", "t.run", "--row", "3", "--json").out),
        "influence": run.why.influence(2).value,
        "rows": run.why.examples().X,
    }
    shutil.move("t.csv", "elsewhere.csv")
    return before


def close(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float):
        return np.isclose(one, other, rtol=1e-5, atol=1e-6)
    return one == other


def test_a_run_whose_file_has_moved_is_scored_and_asked_on_the_rows_that_were_copied(moved):
    run = wg.open_run("t.run")
    np.testing.assert_array_equal(run.why.examples().X, moved["rows"])
    said = json.loads(whygrad("evaluate", "t.run", "--json").out)["scores"]
    assert said == json.loads(json.dumps(run.evaluate().to_dict()))
    for name in said.keys() & {
        "rows",
        "r2",
        "rmse",
        "absolute_error",
        "baseline",
        "accuracy",
        "classes",
    }:
        assert close(said[name], moved["scores"][name]), name
    assert run.why.weight(layer=1, to=0, from_=0).value == moved["weight"]
    assert close(run.why.influence(2).value, moved["influence"])
    row = json.loads(whygrad("why", "prediction", "t.run", "--row", "3", "--json").out)
    assert (
        close(row["value"], moved["row"]["value"]) and row["question"] == moved["row"]["question"]
    )
    assert whygrad("why", "blame", "t.run").code == 0


def test_its_forks_and_its_later_epochs_are_scored_on_them_as_well(moved):
    run = wg.open_run("t.run")
    fork = run.fork(run.step, epochs=7, record="f.run")
    assert fork.scores is not None and fork.evaluate() == fork.scores
    assert run.resume(epochs=7).scores.to_dict() == fork.scores.to_dict()


def test_rows_that_were_not_copied_are_missed_in_one_line(moved, tmp_path):
    for path in (tmp_path / "t.run" / "data").glob("test_*"):
        path.unlink()
    for command in (("evaluate", "t.run"), ("why", "blame", "t.run")):
        result = whygrad(*command)
        assert result.code == 2 and "t.csv" in result.err and len(result.err.splitlines()) == 1
