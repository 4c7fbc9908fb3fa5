"""A run that was resumed, trained again from its start: through its stages, with the same decisions."""

import numpy as np
import pytest

import whygrad as wg
from whygrad.training.again import Change

RNG = np.random.default_rng(7)
N = 37
X, Y = RNG.normal(size=(N, 5)), RNG.integers(3, size=N)
VALIDATION = RNG.normal(size=(11, 5)), RNG.integers(3, size=11)


class Stop(wg.Callback):
    """Ends a training at its first look, which comes within the first epoch."""

    def on_steps_end(self, report):
        return True


STOPPING = {
    "validation": VALIDATION,
    "stopping": wg.Stopping("validation_cost", patience=2),
    "optimizer": wg.SGD(0.5, momentum=0.9),
    "schedule": wg.OnPlateau(patience=1),
    "epochs": 60,
}
TRAININGS = {  # the options at first, and the numbers of epochs to which it was resumed, None as planned
    "not resumed": ({}, []),
    "for more epochs": ({}, [6]),
    "twice": ({}, [6, 9]),
    "interrupted within an epoch": ({"callbacks": [Stop()]}, [6]),
    "interrupted, and as planned": ({"callbacks": [Stop()]}, [None, 6]),
    "for fewer epochs": ({"callbacks": [Stop()]}, [2]),
    "ended by its rule": (STOPPING, [60]),
    "ended by its rule, for more epochs": (STOPPING, [70]),
    "with the best parameters": (
        STOPPING | {"stopping": wg.Stopping("validation_cost", patience=2, restore_best=True)},
        [70],
    ),
    "interrupted, then ended by its rule": (STOPPING | {"callbacks": [Stop()]}, [None]),
}


@pytest.fixture(params=TRAININGS, ids=lambda name: name.replace(" ", "_"))
def resumed(request, tmp_path):
    first, numbers = TRAININGS[request.param]
    options = {"optimizer": wg.Adam(0.02), "schedule": wg.Cosine(), "epochs": 4} | first
    net = wg.Network(5, [wg.Dense(7, "tanh"), wg.Dense(3, "softmax")])
    wg.train(net, X, Y, record=tmp_path / "a.run", batch_size=4, seed=1, **options)
    for epochs in numbers:
        wg.open_run(tmp_path / "a.run").resume(epochs=epochs)
    return wg.open_run(tmp_path / "a.run")


def test_nothing_changed_gives_the_bits_of_the_run(resumed):
    made = resumed.trajectory()
    for theta in made.again([Change(), Change()]):
        np.testing.assert_array_equal(theta, made.theta)


def test_so_it_does_up_to_any_step(resumed):
    stages = [stage.step for stage in resumed.stages()]
    last = resumed.step
    for step in {0, 1, *stages, *(step + 1 for step in stages), last // 2, last - 1, last}:
        made = resumed.trajectory(step)
        (theta,) = made.again([Change()])
        np.testing.assert_array_equal(theta, made.theta)


def test_what_is_left_out_is_left_out_the_same_way_by_all(resumed):
    (theta,) = resumed.trajectory().again([Change(np.arange(N) != 3)])
    (fitted,) = resumed.leave_one_out([3])
    without = resumed.without([3])
    np.testing.assert_array_equal(fitted.theta.flat, theta)
    np.testing.assert_array_equal(without.theta.flat, theta)
    assert without.history.cost == fitted.history.cost
    assert without.stopped == fitted.history.stopped
    assert without.replay().verdict.holds


def test_a_goal_that_is_reached_at_the_end_of_a_stage_ends_the_training(tmp_path):
    net = wg.Network(5, [wg.Dense(7, "tanh"), wg.Dense(3, "softmax")])

    def trained(name, **options):
        options |= {"optimizer": wg.Adam(0.05), "batch_size": 4, "seed": 1, "epochs": 2}
        wg.train(net, X, Y, record=tmp_path / name, **options)
        return wg.open_run(tmp_path / name)

    first = trained("first.run")
    costs = [fitted.history.cost[-1] for fitted in first.leave_one_out(range(N))]
    i, goal = int(np.argmin(costs)), (min(costs) + first.history.cost[-1]) / 2
    resumed = trained("a.run", cost_below=goal).resume(epochs=9)
    assert resumed.step > first.step
    (theta,) = resumed.trajectory().again([Change(np.arange(N) != i)])
    (fitted,) = resumed.leave_one_out([i])
    without = resumed.without([i])
    assert without.step == first.step
    assert "below" in without.stopped
    np.testing.assert_array_equal(fitted.theta.flat, theta)
    np.testing.assert_array_equal(without.theta.flat, theta)
