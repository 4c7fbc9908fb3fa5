"""The training process of the studio: exact to the step, paused, closed and killed at any moment."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from types import SimpleNamespace

import numpy as np
import pytest

import whygrad as wg
from engines import each_engine, needs_native
from same_runs import QUICK, assert_same_run
from whygrad.nn.arrays import as_data
from whygrad.pipeline.fit import find, prepare_training
from whygrad.pipeline.settings import Settings, changes
from whygrad.plan.lbfgs import LBFGS
from whygrad.plan.plan import Plan, State, start
from whygrad.record import forking, open_run
from whygrad.record.files import events, snapshots
from whygrad.record.replay import same_state
from whygrad.record.rows import record_prepared, record_table
from whygrad.record.so_far import so_far
from whygrad.studio.process import live
from whygrad.studio.process.control import Control
from whygrad.studio.process.live import Live, freshest
from whygrad.studio.process.worker import Worker
from whygrad.training.loop import INTERRUPTED, Training, run

PER_EPOCH = 4  # batches of 32 of the 120 rows of iris trained with


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same training, at once."""
    path = tmp_path_factory.mktemp("whole") / "whole.run"
    record_table(path, find("iris", seed=3), QUICK)
    return open_run(path)


def paused_at(step):
    return lambda status: status.kind == "paused" and status.step == step


# ── how far the next steps may go ────────────────────────────────────────────────────────────────────


class Script:
    """Somebody who gives the next commands whenever training pauses, and then lets it go."""

    def __init__(self, *commands):
        self.inbox, self.paused, self.left = SimpleQueue(), [], list(commands)

    def tell(self, kind, state):
        if kind == "paused":
            self.paused.append((state.step, state.epoch))
            for command in self.left.pop(0) if self.left else ["go"]:
                say(self.inbox, command)

    def control(self, **more):
        return Control(self.inbox, self.tell, paused=True, **more)


def say(inbox, command):
    inbox.put({"do": command} if isinstance(command, str) else {"do": "speed", "value": command})


@each_engine
def test_a_training_that_is_paused_stepped_and_slowed_down_has_the_bits_of_one_at_once(
    engine, tmp_path
):
    settings = Settings(hidden=(5, 4), epochs=30, engine=engine, seed=3, dropout=0.1)
    ready = prepare_training(find("iris", seed=3), settings)
    record_prepared(tmp_path / "a.run", ready)
    script = Script(["step"], ["step"], [2000.0, "epoch"], ["epoch"], [1e6, "epoch"], ["step"])
    pace = script.control()
    record_prepared(tmp_path / "b.run", ready, [Live(tmp_path / "b.run")], controller=pace)
    steps = [0, 1, 2, PER_EPOCH, 2 * PER_EPOCH, 3 * PER_EPOCH, 3 * PER_EPOCH + 1]
    assert [step for step, _ in script.paused] == steps
    slow = open_run(tmp_path / "b.run")
    assert_same_run(slow, open_run(tmp_path / "a.run"))
    assert {known.step for known in slow.snapshots()} >= set(steps)
    assert slow.replay().verdict.holds


def test_lbfgs_waits_after_every_iteration_and_finds_the_same():
    draws = np.random.default_rng(5)
    X, Y = draws.normal(size=(40, 3)), draws.normal(size=(40, 1))
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(1, "identity")], "squared_error")
    plan = Plan(net, LBFGS(), n=40, batch_size=40, epochs=9)
    engine = prepare_training(find("iris", seed=3), QUICK).training.engine
    training = Training(plan, start(plan), as_data(net, X, Y), None, engine)
    truth, history = run(training)
    script = Script(["step"], ["step"], ["epoch"])
    state, again = run(training, controller=script.control())
    assert script.paused == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert same_state(state, truth) and again == history
    closing = Script(["step"], ["close"])
    state, ended = run(training, controller=closing.control())
    assert state.step == 1 and ended.stopped == INTERRUPTED and ended.epochs == history.epochs[:1]


class Clock:
    """A clock that only goes on while somebody waits, and an inbox in which nothing arrives."""

    now = 100.0

    def empty(self):
        return True

    def get(self, timeout):
        self.now += timeout
        raise Empty


def at_a_speed(speed, *seconds_of_steps, steps):
    """Return when which step could be taken, one after another; the last number is that of all others."""
    clock, plan, seen = Clock(), SimpleNamespace(steps_per_epoch=7), []
    control = Control(clock, lambda *about: None, speed=speed, clock=lambda: clock.now)
    state = State(np.zeros(0), np.zeros(0))
    while state.step < steps:
        bound = control(plan, state, lambda: None)
        seen.append((round(clock.now - 100, 6), state.step, bound))
        took = seconds_of_steps[min(len(seen), len(seconds_of_steps)) - 1]
        clock.now += took * (bound - state.step)
        state = State(state.theta, state.opt_state, step=bound)
    return seen, control.waited


def test_a_slow_speed_takes_one_step_after_another_at_its_time():
    seen, waited = at_a_speed(2.0, 0.1, steps=4)
    assert seen == [(0.0, 0, 1), (0.5, 1, 2), (1.0, 2, 3), (1.5, 3, 4)]
    assert waited == pytest.approx(3 * 0.4)


def test_a_high_speed_takes_groups_of_steps():
    seen, _ = at_a_speed(1000.0, 0.0, steps=200)
    assert seen == [(0.0, 0, 50), (0.05, 50, 100), (0.1, 100, 150), (0.15, 150, 200)]


def test_a_training_that_is_slower_than_its_speed_never_waits_and_does_not_hurry_afterwards():
    seen, waited = at_a_speed(2.0, 3.0, steps=3)
    assert [at for at, _, _ in seen] == [0.0, 3.0, 6.0] and waited == 0
    seen, _ = at_a_speed(2.0, 3.0, 3.0, 0.1, steps=5)
    assert [at for at, _, _ in seen] == [0.0, 3.0, 6.0, 6.45, 6.95]


def obeyed(*commands, step=9, batch_index=1, first=0):
    """Return how far training may go from a step after these commands, all at once, and what it told."""
    inbox, told = SimpleQueue(), []
    for command in commands:
        say(inbox, command)
    control = Control(inbox, lambda kind, state: told.append(kind), first=first)
    state = State(np.zeros(0), np.zeros(0), step=step, batch_index=batch_index)
    return control(SimpleNamespace(steps_per_epoch=5), state, lambda: told.append("flush")), told


def test_commands_are_obeyed_in_their_order():
    assert obeyed("pause", "go")[0] > 1e9
    assert obeyed("pause", "step") == (10, [])
    assert obeyed("go", "epoch") == (13, ["running"])
    assert obeyed("epoch", "step") == (10, [])
    assert obeyed("epoch", "go")[0] > 1e9
    assert obeyed("step", "step", "pause", "close") == (9, [])  # the end cannot wait
    assert obeyed("go", step=3, first=8) == (8, [])  # what is known is not waited for


def test_a_pause_waits_for_the_steps_that_were_shown_already():
    for orders in (
        [("known", 60), ("pause", None)],
        [("pause", None), ("known", 60)],
        [("known", 60), ("step", None)],
        [("known", 90), ("pause", None), ("known", 60)],  # less is to be shown than was to come
    ):
        inbox, told = SimpleQueue(), []
        for what, value in orders:
            inbox.put({"do": what, "value": value})

        def tell(kind, state, inbox=inbox, told=told):
            told.append((kind, state.step))
            say(inbox, "close")

        control, plan = Control(inbox, tell, speed=2.0), SimpleNamespace(steps_per_epoch=5)
        at = [State(np.zeros(0), np.zeros(0), step=step) for step in (0, 60)]
        assert control(plan, at[0], lambda: None) == 60
        assert control(plan, at[1], lambda: None) == 60 and told[-1] == ("paused", 60)


def test_what_is_recorded_is_written_before_a_pause_is_told():
    inbox, told = SimpleQueue(), []

    def tell(kind, state):
        told.append(kind)
        say(inbox, "close")

    control = Control(inbox, tell, paused=True)
    state = State(np.zeros(0), np.zeros(0), step=9)
    assert control(SimpleNamespace(steps_per_epoch=5), state, lambda: told.append("flush")) == 9
    assert told == ["flush", "paused"]


class Waited:
    """A controller that never waits, and says that it waited very long."""

    waited = 1e6

    def __call__(self, plan, state, flush):
        return state.step + 1


def test_the_time_that_training_waits_is_none_of_its_own(tmp_path):
    ready = prepare_training(find("iris", seed=3), QUICK)
    assert run(ready.training, seconds=0.0)[1].stopped.startswith("time budget")
    assert run(ready.training, seconds=0.0, controller=Waited())[1].stopped == "all epochs done"
    found = record_prepared(tmp_path / "a.run", ready, controller=Waited())
    assert found.seconds < -1e5


# ── what those who look on read ──────────────────────────────────────────────────────────────────────


def test_the_freshest_state_is_exact_and_goes_with_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.0)
    monkeypatch.setattr(live, "SHARE", 0)
    path, seen = tmp_path / "a.run", []

    def look(report):
        if report.state.step > 0:
            seen.append(snapshots.read(path, live.NAME, report.plan))
            assert same_state(seen[-1], report.state)

    record_prepared(path, prepare_training(find("iris", seed=3), QUICK), [Live(path), look])
    done = open_run(path)
    assert len(seen) == done.plan.epochs
    assert all(same_state(state, done.state(state.step)) for state in seen)
    assert same_state(freshest(done), done.state(done.step))
    Live(path).flush(done.state(5))  # older than the last snapshot
    assert freshest(done).step == done.step
    ahead = done.state(done.step)
    Live(path).flush(State(ahead.theta, ahead.opt_state, step=done.step + 1))  # and not recorded
    assert freshest(done).step == done.step
    (path / live.NAME).write_bytes(b"half of it")
    assert freshest(done).step == done.step
    Live(path).remove()
    assert same_state(freshest(done), done.state(done.step))
    Live(tmp_path / "nowhere").flush(ahead)  # is no reason to end a training


def same_showing(one, other):
    assert (one.step, one.stopped, one.epochs) == (other.step, other.stopped, other.epochs)
    assert one.costs.tobytes() == other.costs.tobytes()
    assert one.statistics.steps.tobytes() == other.statistics.steps.tobytes()
    assert one.statistics.values.tobytes() == other.statistics.values.tobytes()


def test_a_run_that_is_read_further_shows_the_same_as_one_read_at_once(tmp_path):
    path, seen = tmp_path / "a.run", [None]
    script = Script(*[["step"]] * 9, *[["epoch"]] * 3)

    def tell(kind, state):
        if kind == "paused":
            now = open_run(path)
            seen.append(so_far(now, seen[-1]))
            assert seen[-1].step == state.step == len(seen[-1].costs)
            assert list(seen[-1].epochs) == list(range(1, state.epoch + 1))
            same_showing(seen[-1], so_far(now))
        Script.tell(script, kind, state)

    control = Control(script.inbox, tell, paused=True)
    record_prepared(path, prepare_training(find("iris", seed=3), QUICK), controller=control)
    done = open_run(path)
    assert len(seen) == 14
    last = so_far(done, seen[-1])
    same_showing(last, so_far(done))
    assert last.costs.tobytes() == done.costs.tobytes()
    assert last.statistics.values.tobytes() == done.statistics.values.tobytes()
    assert last.history.epochs == done.history.epochs and last.stopped == "all epochs done"
    db = events.connect(path / events.NAME)  # as a training that diverges takes steps back
    with events.transaction(db):
        db.execute("DELETE FROM ended")
        events.end(db, 2 * PER_EPOCH, "diverged")
    events.close(db)
    same_showing(so_far(done, last), so_far(done))
    assert so_far(done, last).step == 2 * PER_EPOCH and len(so_far(done, last).epochs) == 2


# ── the process ──────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_process_stands_exactly_where_it_says_and_ends_as_one_that_never_was(
    tmp_path, whole, capfd
):
    path = tmp_path / "a.run"
    with Worker.start(path, "iris", QUICK, paused=True) as worker:
        assert worker.wait(paused_at(0)).step == 0
        worker.command("step")
        worker.command("step")
        for step, epoch in ((2, 0), (4, 1), (8, 2), (9, 2)):
            status = worker.wait(paused_at(step))
            assert (status.kind, status.step, status.epoch) == ("paused", step, epoch)
            now = open_run(path)
            assert now.step == step and len(now.history.epochs) == epoch
            assert now.snapshots()[-1].step == step
            assert now.costs.tobytes() == whole.costs[:step].tobytes()
            assert same_state(freshest(now), whole.state(step))
            worker.command("step" if step == 8 else "epoch")
        with pytest.raises(wg.InputError, match="unknown command 'stop': did you mean 'step'?"):
            worker.command("stop")
        with pytest.raises(wg.InputError, match="speed is 0: it is a number of steps a second"):
            worker.speed(0)
        worker.command("go")
        status = worker.wait(lambda status: False)
        worker.command("go")  # of which nothing comes
    assert (status.kind, status.message) == ("ended", "all epochs done")
    assert status.step == whole.step and status.epoch == 6
    assert not (path / live.NAME).exists()
    assert_same_run(open_run(path), whole)
    assert capfd.readouterr() == ("", "")


def test_a_killed_a_terminated_and_a_closed_process_leave_a_run_that_goes_on_to_the_same_end(
    tmp_path, whole
):
    path = tmp_path / "a.run"
    with Worker.start(path, "iris", QUICK, paused=True) as worker:
        worker.command("step")
        worker.wait(paused_at(1))
        os.kill(worker.pid, signal.SIGKILL)
        status = worker.wait(lambda status: False)
    assert (status.kind, status.step) == ("killed", 1)
    assert status.message == "the training process was killed (SIGKILL) at step 1: Go on resumes it"
    assert open_run(path).step == 1 and open_run(path).stopped == ""
    with Worker.resume(path, paused=True) as worker:
        assert worker.wait(paused_at(1)).kind == "paused"
        worker.command("epoch")
        worker.wait(paused_at(4))
        os.kill(worker.pid, signal.SIGTERM)
        status = worker.wait(lambda status: False)
    assert (status.kind, status.step, status.message) == ("ended", 4, INTERRUPTED)
    assert open_run(path).stopped == INTERRUPTED
    worker = Worker.resume(path, paused=True)
    worker.wait(paused_at(4))
    status = worker.close()
    assert (status.kind, status.step, status.message) == ("ended", 4, INTERRUPTED)
    assert forking.broken_off(open_run(path))
    with Worker.resume(path, speed=1e5) as worker:
        status = worker.wait(lambda status: False)
    assert (status.kind, status.step) == ("ended", whole.step)
    assert not forking.broken_off(open_run(path))
    assert_same_run(open_run(path), whole)


PARENT = """
import sys
from whygrad.pipeline.settings import Settings
from whygrad.studio.process.worker import Worker
worker = Worker.start(sys.argv[1], "iris", Settings(hidden=(5,), epochs=10**9, engine="reference"))
worker.wait(lambda status: status.kind == "running" and status.step > 0)
print(worker.pid, flush=True)
sys.stdin.read()
"""


def gone(pid):
    """Whether a process has ended; one that nobody waited for counts as well."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes by /proc")
def test_a_process_whose_parent_was_killed_ends_by_itself_and_its_run_can_be_resumed(tmp_path):
    path = tmp_path / "a.run"
    folders = [str(Path(wg.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
    ) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while not gone(child):
        assert time.monotonic() < deadline, "the training process goes on without its parent"
        time.sleep(0.02)
    left = open_run(path)
    assert left.stopped == INTERRUPTED and left.step > 0 and not (path / live.NAME).exists()
    again = left.resume(callbacks=[lambda report: True])
    assert again.step > left.step - 1 and again.replay().verdict.first is None


def test_a_process_that_is_closed_before_it_began_writes_nothing(tmp_path):
    worker = Worker.start(tmp_path / "a.run", "iris", QUICK)
    status = worker.close()
    assert (status.kind, status.message) == ("ended", "closed before it began")
    assert not list(tmp_path.iterdir())


def test_a_fork_goes_its_own_way_from_the_step_it_is_told(tmp_path, whole):
    asked = {
        "learning_rate": 0.02,
        "optimizer": "sgd",
        "schedule": "adaptive",
        "l2": 0.0,
        "epochs": 8,
    }
    truth = whole.fork(5, record=tmp_path / "truth.run", **changes(whole.plan, asked))
    assert truth.plan.optimizer == wg.SGD(0.02, momentum=0.9, nesterov=True)
    assert truth.plan.stopping == wg.Stopping("cost") and truth.plan.schedule == wg.Adaptive(
        floor=0.002
    )
    path = tmp_path / "other.run"
    with Worker.fork(whole.path, 5, path, asked, paused=True) as worker:
        status = worker.wait(lambda status: status.kind == "paused")
        assert status.step == truth.start
        assert same_state(freshest(open_run(path)), truth.state(truth.start))
        worker.command("step")
        worker.wait(paused_at(truth.start + 1))
        worker.command("go")
        status = worker.wait(lambda status: False)
    assert (status.kind, status.step, status.epoch) == ("ended", truth.step, 8)
    assert_same_run(open_run(path), truth)
    assert open_run(path).manifest["parent"]["step"] == 5


def test_what_a_fork_changes_has_the_names_of_settings(whole):
    assert changes(whole.plan, {"optimizer": "rmsprop"})["optimizer"] == wg.RMSprop(0.001)
    assert changes(whole.plan, {"learning_rate": 0.5, "seed": 4}) == {
        "learning_rate": 0.5,
        "seed": 4,
    }
    for given, message in (
        ({"dropout": 0.5}, "a fork cannot change 'dropout': "),
        ({"optimizer": "adma"}, "unknown optimizer 'adma': did you mean 'adam'?"),
        ({"schedule": "cosinus"}, "unknown schedule 'cosinus': did you mean 'cosine'?"),
        (
            {"learning_rate": -1.0},
            "learning_rate is -1.0: a learning rate is a finite number above 0",
        ),
    ):
        with pytest.raises(wg.InputError) as raised:
            changes(whole.plan, given)
        assert str(raised.value).startswith(message)


def test_what_cannot_be_trained_is_told_in_one_line(tmp_path, whole):
    (tmp_path / "taken.run").mkdir()
    left_out = Settings(leave_out=("petal wid",), engine="reference")
    workers = [
        (
            Worker.start(tmp_path / "a.run", "iris", left_out),
            "no column 'petal wid' to leave out: did you mean 'petal width (cm)'?",
        ),
        (
            Worker.start(tmp_path / "taken.run", "iris", QUICK),
            f"{tmp_path / 'taken.run'}: exists already: choose another name, or --overwrite it "
            "(overwrite=True)",
        ),
        (
            Worker.fork(whole.path, 99, tmp_path / "b.run", {}),
            "step 99: whole.run has the steps 0 to 24",
        ),
        (
            Worker.resume(whole.path),
            "whole.run has ended (all epochs done): say how many epochs it is to have in all, "
            "--epochs (epochs=…), or fork it",
        ),
    ]
    with ExitStack() as closing:
        for worker, _ in workers:
            closing.enter_context(worker)
        for worker, message in workers:
            status = worker.wait(lambda status: False)
            assert (status.kind, status.message) == ("failed", message)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.run"]


@needs_native
def test_compiling_is_announced_and_warnings_are_handed_on(tmp_path, monkeypatch):
    kinds, plain = [], Worker.tell

    def tell(worker, status):
        kinds.append(status.kind)
        plain(worker, status)

    monkeypatch.setattr(Worker, "tell", tell)
    wild = Settings(hidden=(5,), learning_rate=1e30, optimizer="sgd", epochs=9)
    with Worker.start(tmp_path / "a.run", "iris", wild) as worker:
        status = worker.wait(lambda status: False, 300)
    assert list(dict.fromkeys(kinds)) == ["starting", "compiling", "running", "ended"]
    assert status.message.startswith("diverged at step ")
    assert status.notes and status.notes[0].startswith("training diverged at step ")
