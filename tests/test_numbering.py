"""Numbers go on from a parent to its forks: steps, epochs, the best so far; accounts end where they say."""

import dataclasses
import math
from functools import partial

import numpy as np
import pytest

import whygrad as wg
from trajectories import ROW, make_trajectory
from whygrad.errors import InputError
from whygrad.plan.plan import EarlyStopping, Plan, Plateau, State
from whygrad.studio.page import charts
from whygrad.training.callbacks import Report
from whygrad.training.warm_start import warm_start_from
from whygrad.why import influence, ledger
from whygrad.why.rounding import remainder
from whygrad.why.training_history.trajectory import AGAIN, trajectory_of

tracin = partial(influence, method="tracin")
DRAWS = np.random.default_rng(3)
X = DRAWS.normal(size=(30, 3))
Y = (X[:, 0] * X[:, 1] + DRAWS.normal(size=30) > 0).astype(int)
NET = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
STEPS = 4  # in an epoch
KEYS = {"epochs": 10, "batch_size": 8, "seed": 1, "engine": "reference"}
RESTORE = wg.Stopping(patience=100, restore_best=True)
FORKS = (14, 20, 21, 25, 28)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    path = tmp_path_factory.mktemp("numbering") / "parent.run"
    wg.train(NET, X, Y, optimizer=wg.RMSprop(0.2), stopping=RESTORE, record=path, **KEYS)
    return wg.open_run(path)


def forked(run, step, tmp_path, **changes):
    return run.fork(step, record=tmp_path / "fork.run", engine="reference", **changes)


# ── accounts end where they say ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "learning_rate", [30.0, 0.3], ids=["the parent's is best", "its own is best"]
)
@pytest.mark.parametrize("step", FORKS)
def test_the_ledger_of_a_fork_that_restores_its_best_ends_at_these_parameters(
    parent, step, learning_rate, tmp_path
):
    fork = forked(parent, step, tmp_path, optimizer=wg.SGD(learning_rate))
    assert (fork.start, fork.step) == (step, 40)
    best = fork.state(fork.step).early_stopping.best_step
    if best < step:
        message = f"ended with the best parameters of its parent, those of step {best}, before it"
        with pytest.raises(InputError, match=message):
            fork.why.ledger(layer=1, to=0, from_=0)
        assert (parent.state(best).theta == fork.theta.flat).all()
        return
    assert (fork.state(best).theta == fork.theta.flat).all()
    found = ledger(fork, layer=1, to=0, from_=0)
    assert found.value == fork.theta.W[1][0, 0]
    assert abs(found.residuals["rounding"]) <= found["bound"][0, 0] < 1e-11
    rest = tracin(fork, X[0]).residuals
    assert abs(rest["rounding"]) < 1e-12 and "unexplained" not in rest


@pytest.mark.parametrize(("learning_rate", "own"), [(30.0, False), (0.3, True)])
def test_both_kinds_of_forks_are_among_them(parent, learning_rate, own, tmp_path):
    fork = forked(parent, 20, tmp_path, optimizer=wg.SGD(learning_rate))
    assert (fork.state(fork.step).early_stopping.best_step > 20) == own


def test_an_account_of_other_parameters_than_those_asked_about_is_refused(parent):
    right = trajectory_of(parent)
    for wrong in (
        dataclasses.replace(right, last=right.last - 1),
        dataclasses.replace(right, theta=np.nextafter(right.theta, 1)),
    ):
        for ask in (lambda it: ledger(it, 1, 0, 0), lambda it: tracin(it, X[0])):
            with pytest.raises(InputError, match="does not arrive at the parameters asked about"):
                ask(wrong)


def test_what_another_machine_computes_otherwise_has_a_name_of_its_own(parent):
    right = trajectory_of(parent)
    theta = right.theta.copy()
    theta[0] += 1e-6
    there = dataclasses.replace(right, theta=theta, elsewhere=lambda: ["another machine"])
    found = ledger(there, 1, 0, 0)
    assert math.isclose(found.residuals[AGAIN], 1e-6, rel_tol=1e-6)
    assert abs(found.residuals["rounding"]) < 1e-12
    assert abs(tracin(there, X[0]).residuals["rounding"]) < 1e-12
    assert AGAIN in tracin(there, X[0]).residuals


def test_only_what_is_proved_is_called_rounding():
    assert remainder(1e-15, 1e-15) == {"rounding": 1e-15}
    assert remainder(-1.1e-15, 1e-15) == {"unexplained": -1.1e-15}
    assert list(remainder(math.nan, 1e-15)) == ["unexplained"]


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "nadam", "rmsprop with momentum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_ledger_with_a_fault_leaves_something_unexplained(optimizer, dtype, monkeypatch):
    from whygrad.why.training_history import accounts

    made = make_trajectory(ROW | {"optimizer": optimizer, "dtype": dtype}, engine="reference")
    assert "rounding" in ledger(made, 2, 1, 3).residuals
    right = accounts.linear
    plant = 1.001 if dtype == "float64" else 1.01
    monkeypatch.setattr(
        accounts,
        "linear",
        lambda *given: dataclasses.replace(right(*given), push=right(*given).push * plant),
    )
    assert "unexplained" in ledger(made, 2, 1, 3).residuals


# ── numbers go on ────────────────────────────────────────────────────────────────────────────────────


def test_another_optimizer_counts_on_and_begins_its_own_time(parent, tmp_path):
    fork = forked(parent, 20, tmp_path, optimizer=wg.Adam(0.01))
    first, later = fork.state(20), fork.state(21)
    assert (first.step, first.begun, later.begun) == (20, 20, 20)
    assert not first.opt_state.any()
    g = later.opt_state[0] / (1 - 0.9)  # a first step of Adam has the size of its rate
    step = -0.01 * g / (np.abs(g) + 1e-8)
    np.testing.assert_allclose(later.theta - first.theta, step, rtol=1e-9)
    assert str(fork.replay()).endswith("equal to the last bit")


def test_the_charts_of_a_fork_begin_where_it_was_forked(parent, tmp_path):
    fork = forked(parent, 14, tmp_path, optimizer=wg.SGD(0.01), stopping=None)
    assert charts.seen(fork).ends.tolist() == [16, 20, 24, 28, 32, 36, 40]
    x = fork.why.ledger(layer=1, to=0, from_=0).pictures[0].x
    assert x.tolist() == [3.5, 4, 5, 6, 7, 8, 9, 10]
    steps = tracin(fork, X[0]).pictures[-1].x
    assert (steps[0], steps[-1]) == (14, 40)


def test_epochs_of_another_length_end_where_they_do(parent, tmp_path):
    fork = forked(parent, 14, tmp_path, batch_size=15, stopping=None)  # 2 steps instead of 4
    ends = charts.seen(fork).ends
    assert ends.tolist() == [16, 18, 20, 22, 24, 26, 28] and ends[-1] == fork.step
    state = fork.state(17)
    assert (state.epoch, state.batch_index) == (4, 1)
    assert Report(fork.plan, state).steps == fork.step


# ── what of the best so far still holds ──────────────────────────────────────────────────────────────

PLAN = Plan(NET, wg.SGD(0.1), n=30, batch_size=10, stopping=RESTORE, schedule=wg.OnPlateau())
STATE = State(
    np.ones(22), np.zeros((0, 22)), step=9, epoch=3, learning_rate_scale=0.5,
    early_stopping=EarlyStopping(best=0.2, best_theta=np.zeros(22), best_step=6, stalled=1),
    plateau=Plateau(lowest=0.2, waiting=1),
)  # fmt: skip


def carried(others=(), **changes):
    return warm_start_from(STATE, PLAN, dataclasses.replace(PLAN, **changes), others)


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({}, ()),
        ({"epochs": 50}, ()),
        ({"batch_size": 5}, ()),
        ({"stopping": dataclasses.replace(RESTORE, patience=3)}, ()),
        ({}, ("validation", "epochs")),  # neither is what the training cost is measured on
    ],
)
def test_the_best_so_far_stays_where_the_same_number_is_watched(changes, others):
    state = carried(others, **changes)
    memory = state.early_stopping
    assert (memory.best, memory.best_step, memory.stalled) == (0.2, 6, 1)
    assert (state.plateau, state.learning_rate_scale) == (Plateau(0.2, 1), 0.5)


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"l2": wg.Penalty(0.1)}, ()),
        ({"label_smoothing": 0.1}, ()),
        ({}, ("data",)),
        (
            {
                "stopping": wg.Stopping("validation_cost"),
                "schedule": wg.OnPlateau(on="validation_cost"),
            },
            (),
        ),
    ],
)
def test_the_best_so_far_is_forgotten_where_another_number_is_watched(changes, others):
    state = carried(others, **changes)
    memory = state.early_stopping
    assert (memory.best, memory.best_theta) == (math.inf, None)
    assert (memory.best_step, memory.stalled) == (0, 0)
    assert (state.plateau.lowest, state.plateau.waiting) == (math.inf, 0)


def test_a_best_state_that_was_not_kept_cannot_be_restored():
    before = dataclasses.replace(PLAN, stopping=wg.Stopping(patience=100))
    memory = dataclasses.replace(STATE.early_stopping, best_theta=None)
    state = warm_start_from(dataclasses.replace(STATE, early_stopping=memory), before, PLAN)
    assert (state.early_stopping.best, state.early_stopping.best_step) == (math.inf, 0)


def test_another_optimizer_another_rate_and_another_schedule_begin_at_their_full_rate():
    assert carried(optimizer=wg.Adam(0.1)).learning_rate_scale == 1
    assert carried(optimizer=wg.SGD(0.2)).learning_rate_scale == 1
    assert carried(schedule=wg.OnPlateau(patience=2)).learning_rate_scale == 1
