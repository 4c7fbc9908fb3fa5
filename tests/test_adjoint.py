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
from whygrad.record.recorder import Recorder
from whygrad.training.again import Change
from whygrad.training.loop import Training, run
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


def recorded(folder, **options):
    """Record a training of three epochs of eight steps; return its rows, its network and its path."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 5)), rng.integers(2, size=40)
    net = wg.Network(5, [wg.Dense(6, "tanh"), wg.Dense(2, "softmax")])
    options = {"optimizer": wg.Adam(0.02), "epochs": 3, "batch_size": 5} | options
    wg.train(net, X, y, record=folder / "a.run", **options)
    return folder / "a.run"


def examples_of(made):
    """Return a z as a function of θ, and ∂z/∂w of every example."""
    rows = np.random.default_rng(5).normal(size=(4, 5))
    f = functional(made.plan.net, Names(), made.theta, rows, None, 1, "z")
    return f, adjoint(made, f.slope(made.theta)[None]).by_example[0]


def test_over_a_recorded_run_a_walk_begins_at_the_states_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectories, "ROOM", 1)
    take = Recorder.on_steps_end

    def take_and_keep(recorder, report):
        take(recorder, report)
        recorder.flush(report.state)

    monkeypatch.setattr(Recorder, "on_steps_end", take_and_keep)
    path = recorded(tmp_path, epochs=6)
    made = wg.open_run(path).trajectory()
    assert list(made.snapshots) == [*range(0, 49, 8)]
    taken = []

    def advance(state, until, probes, chunk):
        taken.append(until - state.step)
        return made.advance(state, until, probes, chunk)

    _, found = examples_of(replace(made, advance=advance))
    assert sum(taken) <= made.last // 2  # halves of epochs are √T steps, about
    _, without = examples_of(replace(made, snapshots={}, known=[]))
    np.testing.assert_array_equal(found, without)
    (path / "snapshots" / f"{24:09d}.safetensors").write_bytes(b"damaged")
    with pytest.warns(wg.RecordWarning, match="computing from an earlier one"):
        _, again = examples_of(wg.open_run(path).trajectory())
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("native", [False, pytest.param(True, marks=needs_native)])
def test_steps_that_do_not_arrive_where_the_training_was_are_refused(native, monkeypatch):
    monkeypatch.setattr(trajectories, "ROOM", 1)
    if not native:
        monkeypatch.setattr(module, "walker", lambda plan: None)
    made = make_trajectory(ROW | {"optimizer": "adam"}, engine="native" if native else "reference")
    slopes = np.ones((1, len(made.theta)))
    adjoint(made, slopes)
    theta = made.theta.copy()
    theta[0] = np.nextafter(theta[0], 1)
    other = made.known[1].copy()
    other.theta[0] = np.nextafter(other.theta[0], 1)
    for wrong in (
        replace(made, theta=theta),
        replace(made, known=[made.known[0], other, *made.known[2:]]),
    ):
        with pytest.raises(wg.InputError, match="does not arrive"):
            adjoint(wrong, slopes)


class StopSoon(wg.Callback):
    """Ends a training at its first look, which comes within the first epoch."""

    def on_steps_end(self, report):
        return report.state.step < report.plan.steps_per_epoch


@pytest.mark.parametrize("stops", [(), (StopSoon(),)])
def test_each_stage_of_a_resumed_run_counts_with_its_own_number_of_epochs(stops, tmp_path):
    path = recorded(tmp_path, schedule=wg.Cosine(), dtype="float64", batch_size=2, callbacks=stops)
    resumed = wg.open_run(path).resume(epochs=5)
    made = resumed.trajectory()
    if stops:  # where the state at which it was resumed is no longer on the disk
        assert 0 < resumed.stages()[1].step < 20
        made = replace(made, snapshots={}, known=[resumed.state(20)])
    f, found = examples_of(made)
    direction = np.random.default_rng(4).normal(size=made.plan.n)

    def value(step):
        data, state = Change(1 + step * direction).data(made.data), made.start
        for epochs, callbacks in ((3, stops), (5, ())):
            plan = replace(made.plan, epochs=epochs)
            state, _ = run(Training(plan, state, data, None, made.engine), callbacks)
        return f.value(state.theta)

    h = 1e-4
    expected = (8 * (value(h / 2) - value(-h / 2)) - (value(h) - value(-h))) / (6 * h)
    assert abs(found @ direction - expected) < 1e-6 * abs(expected)
    (theta,) = made.again([Change(1 + h * direction)])
    assert f.value(theta) == value(h)


def test_what_a_walk_keeps_is_no_more_than_twice_the_root_of_its_steps_in_states(monkeypatch):
    monkeypatch.setattr(trajectories, "ROOM", 1)
    made = make_trajectory(ROW | {"optimizer": "adam"})
    size = 1 + len(made.theta) + made.start.opt_state.size
    for T in (900, 10_000, 250_000):
        plan = replace(made.plan, batch_size=1, n=10 * T)  # an epoch in which no stretch ends
        for per_step in (size // 20, size // 2, size):
            apart, _ = trajectories.spacing(plan, made.start, T, per_step)
            assert per_step * apart + size * T / apart < 2.1 * T**0.5 * size


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
