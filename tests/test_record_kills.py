"""Trainings killed at random moments: each opens, resumes, and ends bit for bit as if nothing had happened.

Ten kills by default, a hundred by `make test-long`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import killing
import whygrad as wg
from covering import pairwise
from whygrad.record import recorder
from whygrad.record.files import snapshots
from whygrad.record.replay import same_state

KILLS = int(os.environ.get("WHYGRAD_KILLS", "10"))
WHOLE = {"optimizer": "lbfgs", "schedule": "constant", "stopping": "none", "dropout": "0.0"}
CASES = [WHOLE | {"engine": "reference", "dtype": "float64", "clip": "none"}]
CASES += pairwise(killing.FACTORS)
# Spread over the covering, so that ten of them, too, meet every optimizer and every schedule.
CHOSEN = [CASES[i * len(CASES) // KILLS % len(CASES)] if len(CASES) > KILLS else CASES[i % len(CASES)]
          for i in range(KILLS)]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A process that trains when it is told to, in a child that can be killed."""
    for case in CASES[
        :2
    ]:  # what is imported or compiled later takes no part of the time to kill in
        killing.train(case, tmp_path_factory.mktemp("first") / "a.run")
    folders = [Path(__file__).parent, Path(wg.__file__).parent.parent]
    process = subprocess.Popen(
        [sys.executable, killing.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    with process:
        yield process
        process.stdin.close()


def kill_after(server, seconds, path, told, rest, case=None):
    """Start a training, or resume one, kill it some time after its folder is there.

    It rests so many seconds between two times that it writes what it was told.
    """
    order = {"case": case, "path": str(path), "told": str(told), "resume": case is None}
    order["rest"] = rest
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    child = int(server.stdout.readline())
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, "the training does not begin"
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    server.stdin.write("killed\n")
    server.stdin.flush()
    assert server.stdout.readline() == "gone\n"


def committed(told):
    steps = told.read_text().splitlines() if told.exists() else []
    return max(map(int, steps), default=0)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_training_resumes_and_ends_bit_for_bit_as_one_that_was_not(
    server, tmp_path, monkeypatch, number
):
    case, luck = CHOSEN[number], random.Random(number)
    monkeypatch.setattr(snapshots, "SPACING", 0.01)
    began = time.perf_counter()
    truth = killing.train(case, tmp_path / "truth.run")
    took = time.perf_counter() - began
    path, told = tmp_path / "killed.run", tmp_path / "told"
    rest = (0.0, 0.02, recorder.REST)[number % 3]
    kill_after(server, luck.uniform(0, took), path, told, rest, case)
    if number % 3 == 0 and not wg.open_run(path).concluded:  # and while it is resumed
        kill_after(server, luck.uniform(0, took), path, told, rest)
    verdict, chunks, epochs = killing.rows(path)
    assert verdict == "ok"
    run = wg.open_run(path)
    assert run.step >= committed(told)
    step = luck.randint(0, run.step)
    state = run.state(step)
    done = run if run.concluded else run.resume()
    whole = wg.open_run(tmp_path / "truth.run")
    assert (done.theta.flat == truth.theta.flat).all()
    assert done.history == truth.history and whole.history == truth.history
    np.testing.assert_array_equal(done.costs, whole.costs)
    np.testing.assert_array_equal(done.statistics.steps, whole.statistics.steps)
    np.testing.assert_array_equal(done.statistics.values, whole.statistics.values)
    assert same_state(done.state(done.step), whole.state(whole.step))
    assert same_state(done.state(step), state)
    verdict, later_chunks, later_epochs = killing.rows(path)
    assert verdict == "ok" and chunks <= later_chunks and epochs <= later_epochs
    assert str(done.replay()).endswith("equal to the last bit")


def test_the_kills_meet_every_optimizer_schedule_and_rule():
    for name, values in killing.FACTORS.items():
        assert {case[name] for case in CHOSEN if case is not CASES[0]} >= set(
            values if len(CASES) <= KILLS or name not in ("optimizer", "schedule") else []
        )
    assert any(case["optimizer"] == "lbfgs" for case in CHOSEN)
