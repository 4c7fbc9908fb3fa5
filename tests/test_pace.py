"""How many threads share a step follows from the time that steps took; no bit follows from it."""

import random

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from whygrad import Dense
from whygrad.engines.native import engine as native
from whygrad.engines.pace import CLEARLY, EVERY, LEAST, LONG, TRIAL, Pace
from whygrad.training import loop

EFFORT = TRIAL / 10


def spent(pace, seconds_of, most=2, steps=1000, calls=12, effort=EFFORT):
    """The numbers of threads of some calls' steps, where a step takes `seconds_of(threads)`."""
    found = []
    for _ in range(calls):
        left = steps
        while left:
            count, threads = pace.next(most, left, effort, True)
            assert 1 <= threads <= most and 1 <= count <= left
            pace.saw(count, count * seconds_of(threads))
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


def test_little_difference_changes_nothing():
    assert spent(Pace(), {1: 100e-6 * (1 + CLEARLY) / 2, 2: 100e-6}.get)[-1] == 2


def test_long_steps_are_not_tried():
    found = spent(Pace(), {1: 4 * LONG, 2: 2 * LONG}.get)
    assert set(found) == {2}


def test_a_call_of_little_work_wakes_no_thread():
    pace = Pace()
    assert pace.next(2, 3, LEAST / 4, True) == (3, 1)
    pace.saw(3, 1.0)
    assert pace.next(2, 1000, EFFORT, True)[1] == 2, "what one thread took was held against two"


def test_steps_that_are_watched_are_taken_in_one_piece():
    pace = Pace()
    for _ in range(5):
        steps, threads = pace.next(2, 1000, EFFORT, False)
        assert (steps, threads) == (1000, 2)
        pace.saw(steps, 0.1)


class Restless(Pace):
    """Takes any number of steps with any number of threads."""

    draws = random.Random(5)

    def next(self, most, steps, effort, divided):
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
