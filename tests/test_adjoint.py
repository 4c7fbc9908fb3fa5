"""The adjoint of a training against whole trainings with other weights of the examples."""

from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from covering import pairwise
from engines import needs_native
from plans import FACTORS, name_of
from trajectories import ROW, SIZES, N, make_trajectory
from whygrad.answers.names import Names
from whygrad.engines import Probes
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training.again import Change
from whygrad.why.training_history import adjoint as module
from whygrad.why.training_history import trajectory as trajectories
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.functional import functional
from whygrad.why.training_history.rules import form_of
from whygrad.why.training_history.settings import Faster, slopes_of
from whygrad.why.training_history.trajectory import trajectory

ROWS = pairwise(
    {name: FACTORS[name] for name in ("optimizer", "regularisation", "schedule", "cost", "kind")}
    | {"weights": FACTORS["weights"], "rates": FACTORS["rates"], "divide by": ["all", "the rest"]}
)
X = np.random.default_rng(3).normal(size=(4, SIZES[0]))


def worst(made, rescale=False):
    """Return how far the adjoint is from differences of whole trainings, as a share of these.

    The examples count a little more or less, each by an amount of its own.
    """
    f = functional(made.plan.net, Names(), made.theta, X, None, 1, "z")
    (found,) = adjoint(made, f.slope(made.theta)[None], rescale).by_example
    direction = np.random.default_rng(4).normal(size=N)
    h = 1e-4 if made.plan.clip.value is None else 1e-6  # beyond, components would reach the bound
    changes = [Change(1 + step * direction, rescale) for step in (h, -h, h / 2, -h / 2)]
    far, away, near, by = (f.value(theta) for theta in made.again(changes))
    expected = (8 * (near - by) - (far - away)) / (6 * h)
    return abs(found @ direction - expected) / abs(expected)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_the_adjoint_is_the_derivative_of_the_whole_training(row):
    made = make_trajectory(row | {"dtype": "float64"}, epochs=2)
    assert worst(made, row["divide by"] == "the rest") < 1e-6


@pytest.mark.parametrize("optimizer", FACTORS["optimizer"])
def test_what_a_fork_carries_over_is_differentiated_as_well(optimizer):
    made = make_trajectory(ROW | {"optimizer": optimizer}, engine="reference", begin=0.01)
    assert worst(made) < 1e-6


def test_functions_of_ones_own_without_a_second_derivative_are_differenced():
    bump = wg.Activation("bump", lambda z: z / (1 + z * z), lambda z: (1 - z**2) / (1 + z**2) ** 2)
    fourth = wg.Cost(
        "fourth", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3
    )
    net = wg.Network(SIZES[0], [wg.Dense(6, bump), wg.Dense(2, "identity")], fourth)
    rng = np.random.default_rng(0)
    data = as_data(net, rng.normal(size=(N, SIZES[0])), rng.normal(size=(N, 2)))
    plan = Plan(net, wg.Adam(0.01), N, epochs=3, batch_size=5)
    assert worst(trajectory(plan, start(plan), data, engine="reference")) < 1e-6


def test_restored_best_parameters_are_those_that_are_asked_about():
    stopping = wg.Stopping("validation_cost", patience=100, restore_best=True)
    made = make_trajectory(ROW, engine="reference")
    plan = replace(made.plan, optimizer=wg.SGD(0.5), epochs=8, stopping=stopping)
    rows = as_data(plan.net, X, np.eye(3)[[0, 1, 2, 0]])
    best = trajectory(plan, start(plan), made.data, rows, engine="reference")
    assert 0 < best.last < 8 * plan.steps_per_epoch
    assert worst(best) < 1e-6


def test_in_float32_the_adjoint_is_that_of_float64_to_their_rounding():
    single, double = (
        make_trajectory(ROW | {"dtype": dtype, "optimizer": "adam"})
        for dtype in ("float32", "float64")
    )
    found = []
    for made in (single, double):
        f = functional(made.plan.net, Names(), made.theta, X, None, 1, "z")
        found.append(adjoint(made, f.slope(made.theta)[None]).by_example[0])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4 * np.abs(found[1]).max())


@pytest.fixture(params=["by the engine", "step by step"])
def walk(request, monkeypatch):
    """How the walk back is taken: in one call for a stretch of steps, or as the equations stand."""
    if request.param == "step by step":
        monkeypatch.setattr(module, "walker", lambda plan: None)


@needs_native
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("optimizer", FACTORS["optimizer"])
def test_the_engine_walks_back_as_the_equations_say(optimizer, rescale, monkeypatch):
    row = ROW | {"optimizer": optimizer, "regularisation": "everything"}
    made = make_trajectory(row, epochs=3)
    slopes = functional(made.plan.net, Names(), made.theta, X, None, 1, "z").slope(made.theta)
    ours = adjoint(made, slopes[None], rescale)
    monkeypatch.setattr(module, "walker", lambda plan: None)
    truth = adjoint(made, slopes[None], rescale)
    for one, other in ((ours.by_example, truth.by_example), (ours.start, truth.start)):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9 * np.abs(other).max())
    np.testing.assert_allclose(ours.growth, truth.growth, rtol=1e-9)


def test_a_wrong_adjoint_does_not_pass(walk, monkeypatch):
    made = make_trajectory(ROW | {"optimizer": "adam"}, engine="reference", epochs=2)
    assert worst(made) < 1e-6

    def wrong(*given):
        form = form_of(*given)
        return replace(form, gamma=1.001 * form.gamma)

    monkeypatch.setattr(module, "form_of", wrong)
    assert worst(made) > 1e-6


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("room", [2**22, 1])
def test_the_stretches_on_the_way_back_are_all_steps_once(known, room, monkeypatch):
    monkeypatch.setattr(trajectories, "ROOM", room)
    made = make_trajectory(ROW, epochs=20)
    made = made if known else replace(made, known=[])
    forward, T = [made.start.theta], made.last
    for state, _ in made.advance(made.start.copy(), T, Probes(), 1):
        forward.append(state.theta.copy())
    stretches = [(state.step, until) for state, until in made.stretches_back()]
    assert [s for first, end in reversed(stretches) for s in range(first, end)] == [*range(T)]
    for state, until in made.stretches_back():
        assert state.batch_index + until - state.step <= made.plan.steps_per_epoch
        np.testing.assert_array_equal(state.theta, forward[state.step])


# ── by the settings ──────────────────────────────────────────────────────────────────────────────────


def changed(plan, name, h):
    """Return the plan with a little more of a setting."""
    if name in ("l1", "l2", "decay"):
        which = "l1" if name == "l1" else "l2"
        penalty = getattr(plan, which)
        return replace(plan, **{which: replace(penalty, strength=penalty.strength + h)})
    if name == "momentum":
        rule, field = plan.optimizer, "momentum" if hasattr(plan.optimizer, "momentum") else "beta1"
        return replace(plan, optimizer=replace(rule, **{field: getattr(rule, field) + h}))
    if name == "rate":
        return replace(plan, schedule=Faster(plan.schedule, 1, 2, 1 + h))
    return replace(plan, label_smoothing=plan.label_smoothing + h)


@pytest.mark.parametrize("optimizer", FACTORS["optimizer"])
@pytest.mark.parametrize("regularisation", ["l2 per example", "label smoothing", "everything"])
def test_slopes_by_the_settings_are_those_of_whole_trainings(optimizer, regularisation):
    row = ROW | {"optimizer": optimizer, "regularisation": regularisation, "rates": "several rates"}
    more = {} if regularisation == "everything" else {"l1": wg.Penalty(0.01, per="data")}
    if regularisation == "label smoothing":
        more["l2"] = 0.01
    made = make_trajectory(row | {"schedule": "cosine"}, **more)
    f = functional(made.plan.net, Names(), made.theta, X, np.eye(3)[[0, 1, 2, 0]], None, "cost")
    found = slopes_of(made, f.slope(made.theta))
    slopes = {name: getattr(found, name) for name in ("l1", "l2", "decay", "momentum")}
    slopes |= {"smoothing": found.label_smoothing, "rate": found.by_epoch[1:3].sum()}
    slopes = {name: slope for name, slope in slopes.items() if np.isfinite(slope)}
    h = 1e-7  # beyond, weights would cross 0, where l1 has a kink, and gradients the bound of clipping
    steps = (h, -h) if made.plan.label_smoothing else (2 * h, h)
    changes = [
        Change(plan=changed(made.plan, name, h * sign if name != "smoothing" else step))
        for name in slopes
        for sign, step in zip((1, -1), steps, strict=True)
    ]
    values = np.array([f.value(theta) for theta in made.again(changes)]).reshape(-1, 2)
    gaps = [steps[0] - steps[1] if name == "smoothing" else 2 * h for name in slopes]
    expected = (values[:, 0] - values[:, 1]) / gaps
    np.testing.assert_allclose(list(slopes.values()), expected, rtol=1e-5)
    classes = made.data.Y.argmax(axis=1) == np.arange(3)[:, None]
    values = made.again([Change(1 + sign * h * one) for one in classes for sign in (1, -1)])
    up, down = np.array([f.value(theta) for theta in values]).reshape(-1, 2).T
    np.testing.assert_allclose(found.by_class, (up - down) / (2 * h), rtol=1e-5)
