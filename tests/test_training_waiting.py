"""Who waits for a question about a training is told how long it takes and how far it is, and may end it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why import harmful, influence, ledger, settings, without
from whygrad.why.training_history.trajectory import trajectory

DRAWS = np.random.default_rng(5)
X = DRAWS.normal(size=(60, 3))
Y = (X[:, :1] > 0).astype(float)
NET = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")


@pytest.fixture(scope="module")
def made():
    plan = Plan(NET, wg.SGD(0.1), 60, epochs=4, batch_size=10)
    return trajectory(plan, start(plan), as_data(NET, X, Y))


QUESTIONS = {
    "influence": lambda made, tell: influence(made, X, y=Y, progress=tell),
    "tracin": lambda made, tell: influence(made, X, y=Y, method="tracin", progress=tell),
    "settings": lambda made, tell: settings(made, X, y=Y, attempt=True, progress=tell),
    "harmful": lambda made, tell: harmful(made, X, y=Y, progress=tell),
    "without": lambda made, tell: without(made, [3], X, progress=tell),
    "ledger": lambda made, tell: ledger(made, 1, progress=tell),
}


@pytest.fixture(scope="module")
def told(made):
    """Return the stages that each question told."""
    found = {name: [] for name in QUESTIONS}
    for name, ask in QUESTIONS.items():
        ask(made, found[name].append)
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_says_how_long_it_takes_before_its_first_step(made, told, question):
    first, *others = told[question]
    assert first.count == 0 and first.trainings >= 1
    assert first.seconds == first.trainings * made.seconds
    assert {stage.seconds for stage in others} == {first.seconds}


def test_a_ledger_of_a_layer_takes_longer_where_the_optimizer_remembers_steps():
    net, takes = wg.Network(3, [wg.Dense(20, "tanh"), wg.Dense(1)]), []
    for optimizer in (wg.SGD(0.1), wg.SGD(0.1, momentum=0.9), wg.Adam(0.01)):
        plan = Plan(net, optimizer, 60, epochs=1, batch_size=10)
        of, stages = trajectory(plan, start(plan), as_data(net, X, Y)), []
        ledger(of, 1, progress=stages.append)
        takes.append(stages[0].trainings)
    assert takes[0] < takes[1] == takes[2]


@pytest.mark.parametrize("question", QUESTIONS)
def test_steps_are_counted_to_their_end(told, question):
    of = {}
    for stage in told[question][1:]:
        of.setdefault((stage.doing.partition(",")[0], stage.count), []).append(stage.done)
    assert of
    assert all(max(done) == count for (_, count), done in of.items())


def test_influence_tells_of_the_way_back_and_of_the_trainings_that_are_over(made, told):
    stages = told["influence"]
    back = [stage for stage in stages if stage.doing == "walking back"]
    assert [stage.done for stage in back] == sorted({stage.done for stage in back})
    assert str(back[-1]) == "walking back: 24 of 24 steps"
    all_over = 8 + len(influence(made, X, y=Y)["again"])
    doing = f"training again, {all_over} of {all_over} over"
    (last,) = {str(stage) for stage in stages if stage.doing == doing}
    assert last == f"{doing}: {24 * all_over} of {24 * all_over} steps"


def test_the_answer_is_the_same_whoever_waits(made):
    alone, told = influence(made, X, y=Y), influence(made, X, y=Y, progress=lambda stage: None)
    assert alone["by_example"].tobytes() == told["by_example"].tobytes()
    assert alone.answer == told.answer


def test_a_long_question_says_so_on_standard_error_and_a_short_one_nothing(made, capsys):
    without(replace(made, seconds=200.0), [3], X, progress=True)
    said = capsys.readouterr().err
    assert said == ("whygrad: This takes up to 3 min, as long as the training; Ctrl-C ends it.\n")
    without(replace(made, seconds=0.01), [3], X, progress=True)
    assert capsys.readouterr().err == ""


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "long.run"
    many = np.tile(X, (100, 1))
    wg.train(
        NET, many, np.tile(Y, (100, 1)), record=path, copy_data=True,
        epochs=80, batch_size=2, optimizer=wg.SGD(0.01),
    )  # fmt: skip
    return path


@pytest.mark.parametrize("question", ["influence", "labels"])
def test_ctrl_c_ends_a_question_with_one_line_and_130(long_run, question, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in long_run.rglob("*")}
    page = tmp_path / "answer.html"
    with subprocess.Popen(
        [sys.executable, "-m", "whygrad", "why", question, str(long_run), "--html", str(page)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        said = process.stderr.readline()
        assert "Ctrl-C ends it" in said, said
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    *others, last = err.splitlines()
    assert last == "whygrad: interrupted, nothing was written"
    assert all(line.endswith(" trainings") for line in others), err  # which were over by then
    assert not page.exists()
    assert {path: path.stat().st_mtime_ns for path in long_run.rglob("*")} == before
