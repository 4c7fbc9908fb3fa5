"""How many threads share a step follows from the time that steps took; no bit follows from it."""

import random
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from whygrad import Dense
from whygrad.engines import Probes
from whygrad.engines import pace as pacing
from whygrad.engines.machine_code.kernel import Call
from whygrad.engines.native import engine as native
from whygrad.engines.pace import CLEARLY, EVERY, LEAST, LONG, TRIAL, Pace
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training import loop
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.trajectory import trajectory

EFFORT = TRIAL / 10


def spent(
    pace,
    seconds_of,
    most=2,
    steps=1000,
    calls=12,
    effort=EFFORT,
    divided=True,
    pause=0.0,
    share=1.0,
):
    """The numbers of threads of some calls' steps, where a step takes `seconds_of(threads)`.

    Each thread has its core for this share of the time.
    """
    found, clock = [], max(0.0, pace.ended)
    for _ in range(calls):
        left, clock = steps, clock + pause
        while left:
            count, threads = pace.next(most, left, effort, divided, clock)
            assert 1 <= threads <= most and 1 <= count <= left
            began, clock = clock, clock + count * seconds_of(threads)
            pace.saw(count, began, clock, share * threads * (clock - began))
            found += [threads] * count
            left -= count
    return found


def test_the_faster_number_of_threads_takes_nearly_all_steps():
    neighbours = spent(Pace(), {1: 100e-6, 2: 55e-6}.get)
    assert neighbours.count(1) / len(neighbours) < 0.02
    far_apart = spent(Pace(), {1: 100e-6, 2: 140e-6}.get)
    assert far_apart.count(2) / len(far_apart) < 0.02


def test_of_many_threads_the_best_number_is_found():
    seconds = {8: 60e-6, 4: 40e-6, 2: 60e-6, 1: 100e-6}
    found = spent(Pace(), seconds.get, most=8, calls=200)
    assert set(found[-2000:]) <= {8, 4, 2} and found[-2000:].count(4) > 1900


def test_what_changes_is_seen_within_a_second():
    pace = Pace()
    spent(pace, {1: 100e-6, 2: 55e-6}.get)
    after = spent(pace, {1: 100e-6, 2: 400e-6}.get, calls=20)
    assert after.count(2) * 400e-6 < 2 * EVERY + 1000 * 400e-6 and after[-1] == 1
    back = spent(pace, {1: 100e-6, 2: 55e-6}.get, calls=20)
    assert back[-1] == 2


def test_what_changes_in_a_pause_is_seen_by_the_next_call():
    """As between the epochs of a loop that does other things as well."""
    pace = Pace()
    before = spent(pace, {1: 18e-6, 2: 12e-6}.get, steps=300, pause=0.5)
    assert before.count(1) < 0.05 * len(before)
    after = spent(pace, {1: 18e-6, 2: 29e-6}.get, steps=300, pause=0.5, calls=1)
    assert after.count(2) < 25 and after[-1] == 1


def test_steps_that_become_slower_are_a_reason_to_try():
    pace = Pace()
    spent(pace, {1: 100e-6, 2: 55e-6}.get, calls=2)
    after = spent(pace, {1: 100e-6, 2: 140e-6}.get, calls=2)
    assert after.count(2) < 1100 and after[-1] == 1


def test_little_difference_changes_nothing():
    assert spent(Pace(), {1: 100e-6 * (1 + CLEARLY) / 2, 2: 100e-6}.get)[-1] == 2


def test_long_steps_are_not_tried():
    found = spent(Pace(), {1: 4 * LONG, 2: 2 * LONG}.get)
    assert set(found) == {2}


def test_threads_that_wait_for_cores_of_other_programs_are_left_out_soon_whatever_a_step_takes():
    """As beside two others on two cores: a step of 0.2 ms took 8 ms with two threads, 0.6 with one."""
    pace, seconds = Pace(), {1: 6e-4, 2: 8e-3}
    found = spent(pace, seconds.get, share=0.7)
    assert found.count(2) * seconds[2] < 0.5 and found[-1] == 1


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_more_threads_are_tried_rarely_while_they_wait_for_other_programs(pause):
    pace, seconds = Pace(), {1: 6e-4, 2: 8e-3}
    assert spent(pace, seconds.get, share=0.7)[-1] == 1
    found = spent(pace, seconds.get, steps=300, calls=300, share=0.7, pause=pause)
    assert 0 < found.count(2) * seconds[2] < 0.03 * found.count(1) * seconds[1]


def test_threads_come_back_when_other_programs_have_ended():
    pace = Pace()
    assert spent(pace, {1: 6e-4, 2: 8e-3}.get, share=0.7)[-1] == 1
    assert spent(pace, {1: 3e-4, 2: 2e-4}.get, calls=60)[-1] == 2


def test_long_steps_are_tried_where_threads_were_left_out():
    pace = Pace()
    assert spent(pace, {1: 100e-6, 2: 140e-6}.get)[-1] == 1
    assert spent(pace, {1: 2 * LONG, 2: 1.2 * LONG}.get)[-1] == 2


@pytest.mark.parametrize("divided", [True, False])
def test_short_calls_are_tried_whole(divided):
    """As of short epochs, each of which is scored."""
    calls = {"steps": 39, "calls": 2000, "divided": divided}
    assert spent(Pace(), {1: 100e-6, 2: 140e-6}.get, **calls)[-1] == 1
    neighbours = spent(Pace(), {1: 100e-6, 2: 55e-6}.get, **calls)
    assert 0 < neighbours.count(1) / len(neighbours) < 0.02 and neighbours[-1] == 2


def test_long_calls_that_are_watched_are_tried_rarely():
    calls = {"calls": 1000, "divided": False}
    assert spent(Pace(), {1: 100e-6, 2: 140e-6}.get, **calls)[-1] == 1
    neighbours = spent(Pace(), {1: 100e-6, 2: 55e-6}.get, **calls)
    assert 0 < neighbours.count(1) / len(neighbours) < 0.03


def test_a_call_of_little_work_wakes_no_thread(monkeypatch):
    monkeypatch.setattr(pacing, "LEAST", LEAST)
    pace = Pace()
    assert pace.next(2, 3, LEAST / 4, True, 0.0) == (3, 1)
    pace.saw(3, 0.0, 1.0, 1.0)
    assert pace.next(2, 1000, EFFORT, True, 1.0)[1] == 2, (
        "what one thread took was held against two"
    )


def test_steps_that_are_watched_are_taken_in_one_piece():
    pace = Pace()
    for call in range(5):
        steps, threads = pace.next(2, 1000, EFFORT, False, call / 10)
        assert (steps, threads) == (1000, 2)
        pace.saw(steps, call / 10, (call + 1) / 10, 0.2)


class Restless(Pace):
    """Takes any number of steps with any number of threads."""

    draws = random.Random(5)

    def next(self, most, steps, effort, divided, now, first=0):
        return (self.draws.randint(1, steps) if divided else steps), self.draws.randint(1, most)


@needs_native
@pytest.mark.parametrize(("sizes", "optimizer"), [((20, 100, 2), "adam"), ((40, 70, 60, 3), "sgd")])
def test_bits_depend_on_no_division_of_steps(sizes, optimizer, four_cores, monkeypatch):
    draws = np.random.default_rng(0)
    X, y = draws.normal(size=(500, sizes[0])).astype(np.float32), draws.integers(0, sizes[-1], 500)
    hidden = [Dense(units, "relu") for units in sizes[1:-1]]
    net = wg.Network(sizes[0], [*hidden, Dense(sizes[-1], "softmax")], "cross_entropy")

    Y = np.eye(sizes[-1], dtype=np.float32)[y]

    def fit():
        found = wg.train(
            net, X, Y, optimizer=optimizer, batch_size=128, epochs=4, seed=3, dtype="float32",
            engine="native",
        )  # fmt: skip
        return found.theta.flat.tobytes(), found.history

    expected = fit()
    monkeypatch.setattr(native, "Pace", Restless)
    monkeypatch.setattr(loop, "next_chunk", lambda *_: 1000)  # epochs in one call
    assert fit() == expected


def trained(steps, probes=Probes()):  # noqa: B008
    """An engine after some steps of an epoch on two sets of rows, and what it showed of the second."""
    net = wg.Network(20, [Dense(100, "relu"), Dense(2, "softmax")], "cross_entropy")
    plan = Plan(net, wg.Adam(0.01), n=2560, batch_size=128, dtype="float32")
    engine, draws = native.NativeEngine(), np.random.default_rng(1)
    for _ in range(2):
        X, y = draws.normal(size=(2560, 20)).astype(np.float32), draws.integers(0, 2, 2560)
        data = as_data(net, X, np.eye(2, dtype=np.float32)[y], None, "float32")
        state, seen = engine.run(plan, start(plan), data, steps, probes)
    return state.theta.tobytes(), seen


def a_trajectory(epochs):
    """A training of a few steps in each epoch, whose gradients are clipped: one thread takes its steps."""
    hidden = [Dense(70, "tanh"), Dense(60, "tanh")]
    net, draws = (
        wg.Network(40, [*hidden, Dense(3, "softmax")], "cross_entropy"),
        np.random.default_rng(2),
    )
    X, y = draws.normal(size=(128, 40)), draws.integers(0, 3, 128)
    plan = Plan(net, wg.Adam(0.001), n=128, epochs=epochs, batch_size=64, clip=wg.Clip(norm=1.0))
    return trajectory(plan, start(plan), as_data(net, X, np.eye(3)[y]), engine="native")


@needs_native
def test_bits_of_a_walk_back_depend_on_no_number_of_threads(four_cores, monkeypatch):
    found = []
    for pace in (Pace, Restless):
        monkeypatch.setattr(native, "Pace", pace)
        made = a_trajectory(epochs=8)
        found.append(adjoint(made, np.ones((2, len(made.theta)))))
    one, other = found
    assert one.by_example.tobytes() == other.by_example.tobytes()
    assert one.start.tobytes() == other.start.tobytes()


def test_work_of_a_new_shape_begins_with_the_number_that_is_given():
    pace = Pace()
    assert pace.next(4, 1000, 2.0**27, False, 0.0, 1)[1] == 1
    assert Pace().next(4, 1000, 2.0**27, False, 0.0)[1] == 4


@needs_native
@pytest.mark.parametrize(("each_more", "taken"), [(1.5, 1), (0.55, 4)])
def test_walks_back_follow_the_time_that_they_take(each_more, taken, four_cores, monkeypatch):
    """Where twice as many threads take `each_more` times as long, also where one takes the steps."""
    clock, threads, share = [0.0], [], native.NativeEngine.run_calls

    def slow(engine, calls, contexts):
        found = share(engine, calls, contexts)
        clock[0] += 4e-4 * each_more ** np.log2(len(calls))
        threads.append(len(calls))
        return found

    monkeypatch.setattr(pacing, "LEAST", 1)
    monkeypatch.setattr(pacing, "EVERY", 1e-3)
    monkeypatch.setattr(native.NativeEngine, "run_calls", slow)
    of_one = SimpleNamespace(perf_counter=lambda: clock[0], thread_time=lambda: clock[0])
    monkeypatch.setattr(native, "time", of_one)
    made = a_trajectory(epochs=200)
    assert set(threads) == {1}
    threads.clear()
    adjoint(made, np.ones((1, len(made.theta))))
    walks = threads[1::2]  # the steps are taken once more before each
    assert set(threads[::2]) == {1} and len(walks) == 200
    assert walks[0] == 4 and 2 in walks and walks[-50:].count(taken) >= 48


@needs_native
def test_what_probes_show_depends_on_no_division_of_steps(four_cores, monkeypatch):
    probes = Probes(costs=True, every=3)
    theta, seen = trained(19, probes)
    monkeypatch.setattr(native, "Pace", Restless)
    again, found = trained(19, probes)
    assert again == theta and found.costs.tolist() == seen.costs.tolist()
    assert found.statistics.steps.tolist() == seen.statistics.steps.tolist()
    assert found.statistics.values.tolist() == seen.statistics.values.tolist()


@needs_native
def test_other_rows_leave_what_was_learned(four_cores, monkeypatch):
    """Rows that are read on demand are others in every call."""
    made = []

    class Counted(Pace):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr(native, "Pace", Counted)
    trained(4)
    assert len(made) == 2  # of steps, and of walks back


@needs_native
def test_what_counts_as_work_is_that_of_the_threads_which_share_steps(four_cores, monkeypatch):
    """Not that of the whole process, whose other threads may want the cores as well."""
    clock, heard = threading.local(), []

    def ticks():
        clock.now = getattr(clock, "now", 0.0) + 1.0
        return clock.now

    class Listening(Pace):
        def saw(self, steps, began, ended, worked):
            heard.append((worked, self.given))
            super().saw(steps, began, ended, worked)

    own_time = SimpleNamespace(perf_counter=time.perf_counter, thread_time=ticks)
    monkeypatch.setattr(native, "time", own_time)
    monkeypatch.setattr(native, "Pace", Listening)
    trained(19)
    assert heard and all(worked == threads == 2 for worked, threads in heard)


@needs_native
def test_code_that_is_made_ready_takes_no_step_any_time(four_cores, monkeypatch):
    """The first call reads its code from disk, or compiles it."""
    clock, seconds, prepare = [0.0], [], Call.prepare

    def slow(call):
        clock[0] += 9.0
        prepare(call)

    class Listening(Pace):
        def saw(self, steps, began, ended, worked):
            seconds.append(ended - began)

    monkeypatch.setattr(Call, "prepare", slow)
    of_one = SimpleNamespace(perf_counter=lambda: clock[0], thread_time=lambda: clock[0])
    monkeypatch.setattr(native, "time", of_one)
    monkeypatch.setattr(native, "Pace", Listening)
    trained(4)
    assert clock[0] > 0 and set(seconds) == {0.0}
