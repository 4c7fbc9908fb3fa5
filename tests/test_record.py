"""A recorded training is the same training, and can be rewound, taken up again, and taken another way."""

import dataclasses
import hashlib
import math
import re
import sqlite3
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_array

import killing
import whygrad as wg
from damaging import rewrite
from engines import ENGINES
from whygrad.engines import ProbeResult, Probes
from whygrad.plan.plan import Plan, start
from whygrad.record import recorder
from whygrad.record.files import environment, events, location, snapshots
from whygrad.record.replay import replayed, same_state
from whygrad.training.again import leaving_out
from whygrad.training.callbacks import Callback
from whygrad.training.epochs import end_of_epoch
from whygrad.training.loop import run as train_on

DRAWS = np.random.default_rng(11)
X = DRAWS.normal(size=(150, 5))
Y = (X[:, :3] + DRAWS.normal(size=(150, 3))).argmax(axis=1)
NET = wg.Network(5, [wg.Dense(6, "tanh", dropout=0.1), wg.Dense(3, "softmax")], "cross_entropy")
KEYS = {"optimizer": wg.Adam(0.01), "epochs": 12, "batch_size": 8, "engine": "reference", "seed": 5}
STEPS = 19  # in an epoch


def train(**more):
    return wg.train(NET, X, Y, **KEYS | more)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Write as many snapshots as a long training would."""
    killing.snapshot_at_every_report(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.run"


@pytest.fixture
def run(path):
    train(record=path)
    return wg.open_run(path)


# ── the same training ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("engine", ENGINES)
def test_recording_changes_no_bit(path, engine):
    plain = train(engine=engine)
    recorded = train(engine=engine, record=path)
    run = wg.open_run(path)
    for theta in (recorded.theta, run.theta):
        assert (theta.flat == plain.theta.flat).all()
    assert recorded.history == plain.history == run.history
    assert len(run.costs) == run.step == 12 * STEPS
    assert str(run.replay()).endswith("equal to the last bit")


def test_costs_are_those_of_the_batches_before_each_update(run):
    means = run.costs.reshape(12, STEPS)
    sizes = [8] * 18 + [6]
    np.testing.assert_allclose(means @ sizes / 150, run.history.cost, rtol=1e-12)


def test_layers_are_looked_at_some_hundred_times_an_epoch_but_not_at_every_step(run):
    seen = run.statistics
    assert (seen.steps % recorder.LEAST == 0).all() and len(seen.steps) == -(-12 * STEPS // 8)
    assert seen["update"].shape == (len(seen.steps), 2) and (seen["update"] > 0).all()
    plan = dataclasses.replace(run.plan, n=60_000, batch_size=10)
    assert (
        recorder.log_every(plan) == 100
    )  # every thousand examples: a look takes as long as two steps
    assert recorder.log_every(dataclasses.replace(plan, n=600_000)) == 600
    assert recorder.log_every(dataclasses.replace(plan, batch_size=1)) == 1000
    assert recorder.log_every(dataclasses.replace(plan, batch_size=100)) == 10


def test_a_callback_sees_the_steps_that_its_probes_ask_for():
    seen = []

    class Look(Callback):
        probes = Probes(costs=True, every=5)

        def on_steps_end(self, report):
            seen.append((report.state.step, report.probed))

    plan_of = wg.train(NET, X, Y, **KEYS)  # the same training, for its history
    data = train_without_files()
    train_on(data, [Look()])
    costs = np.concatenate([watched.costs for _, watched in seen])
    assert len(costs) == seen[-1][0] == 12 * STEPS
    steps = np.concatenate([watched.statistics.steps for _, watched in seen])
    np.testing.assert_array_equal(steps, np.arange(0, 12 * STEPS, 5))
    sizes = [8] * 18 + [6]
    np.testing.assert_allclose(
        costs.reshape(12, STEPS) @ sizes / 150, plan_of.history.cost, rtol=1e-12
    )


def train_without_files():
    """Return the training that `train` would take, as data."""
    from whygrad.engines import choose
    from whygrad.nn.arrays import as_data
    from whygrad.training.loop import Training

    plan = Plan(NET, KEYS["optimizer"], 150, 12, 8, 5)
    return Training(plan, start(plan), as_data(NET, X, Y), None, choose("reference", plan))


# ── any step ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [0, 1, STEPS - 1, STEPS, STEPS + 1, 100, 12 * STEPS])
def test_the_state_at_a_step_is_that_of_a_training_stopped_there(run, step):
    training = train_without_files()
    plan, state = training.plan, training.state
    for t in range(step):  # one step at a time, by the equations as written
        state, _ = training.engine.run(plan, state, training.data, t + 1, Probes())
        if state.batch_index == plan.steps_per_epoch:
            state, _ = end_of_epoch(plan, state, None)
    found = run.state(step)
    assert found.step == step and same_state(found, state)
    assert (found.epoch, found.batch_index) == divmod(step, STEPS)


def test_a_state_between_two_snapshots_is_computed_from_the_nearest_one(run, monkeypatch):
    known = [snapshot.step for snapshot in run.snapshots()]
    assert known[0] == 0 and known[-1] == run.step and len(known) > 2
    read = []
    plain = snapshots.read
    monkeypatch.setattr(
        snapshots, "read", lambda run, one, plan: read.append(one.step) or plain(run, one, plan)
    )
    run.state(known[1] + 1)
    assert read == [known[1]]


@pytest.mark.parametrize("step", [-1, 12 * STEPS + 1, 1.5, True])
def test_a_step_that_is_not_recorded_is_refused(run, step):
    with pytest.raises(wg.InputError, match=r"a\.run has the steps 0 to 228"):
        run.state(step)


def test_steps_are_replayed_in_chunks_with_all_that_is_watched(run):
    ends, costs = [], []
    for state, seen in replayed(run, Probes(costs=True, every=4), 10, 110, chunk=30):
        ends.append(state.step)
        costs.append(seen.costs)
    assert ends == [19, 38, 57, 76, 95, 110]
    np.testing.assert_array_equal(np.concatenate(costs), run.costs[10:110])
    with pytest.raises(wg.InputError, match="steps 5 to 300"):
        next(replayed(run, Probes(), 5, 300))


def test_a_replay_need_not_be_compared(run):
    told = run.replay(verify=False)
    assert told.verdict is None and str(told) == "computed again, and not compared"
    assert (told.fitted.theta.flat == run.theta.flat).all()


def test_a_replay_that_differs_is_told_with_the_step(run):
    first = 0

    def fourth_grown(blob):
        changed = np.frombuffer(blob).copy()
        changed[3] *= 1 + 1e-15
        return changed.tobytes()

    rewrite(run.path, "chunks", f"WHERE first = {first}", costs=fourth_grown)
    verdict = run.replay().verdict
    assert not verdict.holds and verdict.guarantee == "bits"
    assert verdict.first == verdict.beyond == first + 3 and verdict.state is None
    assert f"the cost first differs at step {first + 3}" in str(verdict)


def test_elsewhere_a_tolerance_holds_and_the_verdict_says_why(run, monkeypatch):
    here = environment.describe()
    there = here | {"versions": here["versions"] | {"numpy": "9.9"}, "threads": 64}
    monkeypatch.setattr(environment, "describe", lambda: there)
    verdict = run.replay().verdict
    assert verdict.holds and verdict.guarantee == "tolerance" and verdict.first is None
    assert verdict.reasons == (
        f"numpy {np.__version__}, here 9.9",
        f"{here['threads']} threads, here 64",
    )
    for factor, holds in ((1 + 1e-10, True), (1 + 1e-5, False)):

        def grown(blob, factor=factor):
            return (np.frombuffer(blob) * factor).tobytes()

        rewrite(run.path, "chunks", "WHERE first = 0", costs=grown)
        verdict = run.replay().verdict
        assert (verdict.holds, verdict.first) == (holds, 0)
        assert "numpy" in str(verdict)


# ── further ──────────────────────────────────────────────────────────────────────────────────────────


def test_more_epochs_end_where_a_longer_training_does(run):
    longer = train(epochs=17)
    again = run.resume(epochs=17)
    assert (again.theta.flat == longer.theta.flat).all()
    assert again.history == longer.history
    assert str(again.replay()).endswith("equal to the last bit")


def test_a_schedule_that_depends_on_the_epochs_follows_the_stage_that_a_step_belongs_to(path):
    train(record=path, schedule="cosine")
    first = wg.open_run(path).costs
    run = wg.open_run(path).resume(epochs=20)
    assert (run.costs[: 12 * STEPS] == first).all()
    assert str(run.replay()).endswith("equal to the last bit")
    assert run.state(12 * STEPS).epoch == 12


@pytest.mark.parametrize("how", ["callback", "seconds"])
def test_a_training_that_was_stopped_goes_on_to_its_end(path, how):
    stop = (
        {"seconds": 0.0}
        if how == "seconds"
        else {"callbacks": [lambda report: report.state.epoch == 4]}
    )
    train(record=path, **stop)
    run = wg.open_run(path)
    assert run.step < 12 * STEPS and run.stopped
    again = run.resume()
    whole = train()
    assert (again.theta.flat == whole.theta.flat).all() and again.history == whole.history


def test_a_training_at_its_end_says_how_it_could_go_on(run):
    with pytest.raises(wg.InputError, match=r"a\.run has ended \(all epochs done\): say how many"):
        run.resume()
    with pytest.raises(wg.InputError, match="epochs is 12: 12 are over"):
        run.resume(epochs=12)


def test_a_training_that_diverged_keeps_the_last_finite_state_and_can_be_forked(path):
    with pytest.warns(wg.DivergenceWarning):
        fitted = train(record=path, optimizer=wg.SGD(1e200))
    run = wg.open_run(path)
    assert run.stopped.startswith("diverged at step")
    assert np.isfinite(run.theta.flat).all() and (run.theta.flat == fitted.theta.flat).all()
    assert run.history == fitted.history and len(run.costs) == run.step
    with pytest.raises(wg.InputError, match=r"fork it at an earlier step, perhaps with a smaller"):
        run.resume()
    assert run.fork(0, learning_rate=0.01).stopped == "all epochs done"


def test_a_divergence_that_a_kill_kept_from_being_told_is_met_again(path):
    with pytest.warns(wg.DivergenceWarning):
        fitted = train(record=path, optimizer=wg.SGD(1e200))
    run = wg.open_run(path)
    with sqlite3.connect(path / events.NAME) as db:
        db.execute("DELETE FROM ended")
    db.close()
    with pytest.warns(wg.DivergenceWarning):
        again = run.resume()
    assert (again.theta.flat == fitted.theta.flat).all() and again.history == fitted.history


# ── another way ──────────────────────────────────────────────────────────────────────────────────────


def test_a_fork_without_changes_ends_as_its_parent_and_knows_it(run):
    fork = run.fork(100)
    assert fork.path.name == "a-fork.run" and fork.start == 100
    assert (fork.theta.flat == run.theta.flat).all()
    assert (fork.costs == run.costs[100:]).all()
    parent = fork.manifest["parent"]
    assert (parent["step"], parent["id"]) == (100, run.manifest["id"])
    assert str(fork.replay()).endswith("equal to the last bit")
    assert run.fork(100).path.name == "a-fork-2.run"


CHANGES = {
    "learning_rate": {"learning_rate": 0.1},
    "optimizer": {"optimizer": wg.SGD(0.1, momentum=0.5)},
    "schedule": {"schedule": "one_cycle"},
    "epochs": {"epochs": 14},
    "batch_size": {"batch_size": 30},
    "seed": {"seed": 99},
    "penalties": {"l1": 0.01, "l2": wg.Penalty(0.1, per="data")},
    "clip": {"clip": 0.5},
    "stopping": {"stopping": wg.Stopping("validation_cost"), "validation": (X[:20], Y[:20])},
    "data": {"data": (X[:90], Y[:90])},
    "by hand": {"edits": {0: 0.5, 3: -1.0}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_fork_may_change_anything_but_the_network_and_replays_by_itself(run, name):
    fork = run.fork(100, **CHANGES[name])
    assert not (fork.theta.flat == run.theta.flat).all() or name == "stopping"
    assert str(fork.replay()).endswith("equal to the last bit")
    assert set(fork.manifest["parent"]["changes"]) == set(CHANGES[name])


def test_parameters_set_by_hand_are_those_that_a_fork_goes_on_from(run):
    at = run.fork(100, edits={0: 0.5, 3: -1.0}).state(100).theta
    before = run.state(100).theta
    assert (at[0], at[3]) == (0.5, -1.0)
    assert (np.flatnonzero(at != before) == [0, 3]).all()
    assert (before == run.state(100).theta).all()


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({-1: 0.0}, "edits: there is no parameter -1"),
        ({10**6: 0.0}, "edits: there is no parameter 1000000"),
        ({"W1": 0.0}, "edits: there is no parameter 'W1'"),
        ({0: math.nan}, "edits: parameter 0 cannot be nan"),
    ],
)
def test_parameters_that_cannot_be_set_are_named_and_nothing_is_written(run, edits, message):
    before = sorted(run.path.parent.iterdir())
    with pytest.raises(wg.InputError, match=re.escape(message)):
        run.fork(100, edits=edits)
    assert sorted(run.path.parent.iterdir()) == before


def test_a_fork_with_another_rate_is_the_training_that_changes_it_at_that_step(run):
    fork = run.fork(2 * STEPS, learning_rate=0.5)
    training = run.training(
        run.state(2 * STEPS), dataclasses.replace(run.plan, optimizer=wg.Adam(0.5))
    )
    state, _ = train_on(training)
    assert (fork.theta.flat == state.theta).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learn_rate": 1}, "a fork cannot change 'learn_rate': did you mean 'learning_rate'?"),
        ({"epochs": 3}, "all 3 epochs are over: give more"),
        ({"learning_rate": -1}, "a learning rate is a finite number above 0"),
        ({"optimizer": "adan"}, "unknown optimizer 'adan'"),
    ],
)
def test_a_fork_that_makes_no_sense_is_refused(run, changes, message):
    with pytest.raises(wg.InputError) as raised:
        run.fork(100, **changes)
    assert message in str(raised.value)
    assert not (run.path.parent / "a-fork.run").exists()


# ── without ──────────────────────────────────────────────────────────────────────────────────────────


def test_leaving_out_with_rescale_is_training_with_weights_of_zero(run):
    sample_weight = np.ones(150)
    sample_weight[[3, 50, 149]] = 0
    fork = run.without([3, 50, 149], rescale=True)
    np.testing.assert_allclose(
        fork.theta.flat, train(sample_weight=sample_weight).theta.flat, rtol=0, atol=1e-13
    )
    assert fork.manifest["left_out"] == {"examples": [3, 50, 149], "rescale": True}
    assert str(fork.replay()).endswith("equal to the last bit")


def test_leaving_out_keeps_the_divisor_of_every_step(run):
    fork = run.without([3])
    theta, rescaled = run.trajectory().again(
        [leaving_out(150, np.array([3]), rescale) for rescale in (False, True)]
    )
    assert (fork.theta.flat == theta).all()
    assert not (theta == rescaled).all()
    more = fork.without([4])
    (both,) = run.trajectory().again([leaving_out(150, np.array([3, 4]))])
    assert (more.theta.flat == both).all()


@pytest.mark.parametrize("examples", [[150], [-1], ["a"], [0.5], list(range(150))])
def test_examples_that_cannot_be_left_out_are_refused(run, examples):
    with pytest.raises(wg.InputError, match=r"0 to 149|at least one must remain"):
        run.without(examples)


# ── L-BFGS ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def smooth_net():
    return wg.Network(5, [wg.Dense(6, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")


def test_lbfgs_is_computed_from_its_start_again(path, smooth_net):
    def minimise(epochs, **more):
        rule = wg.LBFGS(tol=0.0, flat=0.0)
        return wg.train(smooth_net, X, Y, optimizer=rule, epochs=epochs, engine="reference", **more)

    minimise(12, record=path)
    run = wg.open_run(path)
    assert (run.state(7).theta == minimise(7).theta.flat).all()
    assert str(run.replay()).endswith("equal to the last bit")
    again = run.resume(epochs=20)
    assert (again.theta.flat == minimise(20).theta.flat).all()
    assert again.history == minimise(20).history and len(again.costs) == 20
    sample_weight = np.ones(150)
    sample_weight[7] = 0
    left = run.without([7], rescale=True)
    assert (left.theta.flat == minimise(20, sample_weight=sample_weight).theta.flat).all()
    with pytest.raises(wg.InputError, match="leave examples out with rescale=True"):
        run.without([7], record=path.with_name("b.run"))
    fork = run.fork(5, optimizer=wg.SGD(0.1), epochs=9)
    assert str(fork.replay()).endswith("equal to the last bit")


# ── data ─────────────────────────────────────────────────────────────────────────────────────────────


def test_arrays_that_are_not_copied_are_given_again_and_must_be_the_same(path):
    train(record=path, copy_data=False)
    run = wg.open_run(path)
    assert run.history.epochs and run.state(run.step).step == run.step
    with pytest.raises(wg.InputError, match=r"give them again, open_run\(path, data=\(X, Y\)\)"):
        run.state(1)
    assert wg.open_run(path, data=(X, Y)).state(1).step == 1
    other = X.copy()
    other[3, 2] += 1e-9
    with pytest.raises(
        wg.InputError, match="X has SHA-256 [0-9a-f]{16}…, recorded was [0-9a-f]{16}…"
    ):
        wg.open_run(path, data=(other, Y)).state(1)
    with pytest.raises(
        wg.InputError, match="sample_weight has SHA-256 [0-9a-f]{16}…, recorded was none"
    ):
        wg.open_run(path, data=(X, Y, np.ones(150))).replay()


def test_validation_examples_are_part_of_the_data(path):
    validation = (X[:30], Y[:30])
    rule = wg.Stopping("validation_cost", patience=3, restore_best=True)
    fitted = train(record=path, copy_data=False, validation=validation, stopping=rule)
    run = wg.open_run(path, data=(X, Y))
    assert run.state(run.step).early_stopping.best_step <= run.step
    with pytest.raises(wg.InputError, match=r"validation=\(X, Y\)"):
        run.replay()
    run = wg.open_run(path, data=(X, Y), validation=validation)
    assert run.replay().verdict.holds
    assert (run.replay().fitted.theta.flat == fitted.theta.flat).all()


def test_a_file_mapped_into_memory_is_found_again_by_its_path(path, tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", np.eye(3)[Y])
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "XY"]
    wg.train(NET, *mapped, **KEYS, record=path, copy_data=False)
    run = wg.open_run(path)
    assert run.manifest["data"]["kind"] == "mapped" and run.replay().verdict.holds
    changed = np.load(tmp_path / "X.npy", mmap_mode="r+")
    changed[0, 0] += 1
    changed.flush()
    with pytest.raises(wg.InputError, match="recorded was"):
        wg.open_run(path).state(1)
    (tmp_path / "X.npy").unlink()
    with pytest.raises(
        wg.FileError,
        match=r"the training data are gone .* History and parameters of a\.run are there",
    ):
        wg.open_run(path).state(1)
    assert len(wg.open_run(path).history.epochs) == 12


@pytest.mark.parametrize("engine", ENGINES)
def test_sparse_inputs_and_weights_are_copied_and_read_back(path, engine):
    sparse = csr_array(np.where(np.abs(X) > 0.7, X, 0.0))
    sample_weight = DRAWS.random(150)
    wg.train(NET, sparse, Y, **KEYS | {"engine": engine}, sample_weight=sample_weight, record=path)
    run = wg.open_run(path)
    assert str(run.replay()).endswith("equal to the last bit")
    assert (sparse != run.data.X).nnz == 0


# ── code of the user's own ───────────────────────────────────────────────────────────────────────────


class Quartic:
    def value(self, a, y):
        return ((a - y) ** 4).sum(axis=1)

    def derivative(self, a, y):
        return 4 * (a - y) ** 3


class Changed(Quartic):
    name = "Quartic"

    def derivative(self, a, y):
        return 4.5 * (a - y) ** 3


@dataclasses.dataclass(frozen=True)
class Sign:
    """Steps of the same length, whatever the gradient's."""

    learning_rate: float = 0.01

    def init(self, theta):
        return np.zeros((0, len(theta)), theta.dtype)

    def coefficients(self, t, rates):
        return np.asarray(rates)[:, None]

    def update(self, theta, g, opt_state, coefficients):
        return theta - coefficients[0] * np.sign(g), opt_state


def test_code_of_ones_own_is_asked_for_and_must_not_have_changed(path):
    net = wg.Network(5, [wg.Dense(3, "identity")], Quartic())
    wg.train(net, X, Y, **KEYS | {"optimizer": Sign(0.02)}, record=path)
    with pytest.raises(wg.FileError, match="'Quartic', which is not whygrad's: give it in own="):
        wg.open_run(path)
    with pytest.raises(wg.FileError, match="'Sign', which is not whygrad's: give it in own="):
        wg.open_run(path, own=[Quartic()])
    run = wg.open_run(path, own=[Quartic(), Sign(0.02)])
    assert str(run.replay()).endswith("equal to the last bit")
    assert (run.fork(5, learning_rate=0.5).theta.flat != run.theta.flat).any()
    other = wg.open_run(path, own=[Changed(), Sign(0.02)])
    assert len(other.history.epochs) == 12
    with pytest.raises(
        wg.InputError, match="'Quartic' is not what a.run was trained with: its source has"
    ):
        other.state(1)


# ── estimators ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "keys",
    [{}, {"early_stopping": True}, {"early_stopping": True, "loss": "huber"}, {"solver": "lbfgs"}],
)
def test_a_fit_can_be_recorded(path, keys):
    keys |= {"max_iter": 15, "n_iter_no_change": 4, "random_state": 3, "engine": "reference"}
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        plain = wg.MLPClassifier((6,), **keys).fit(X, Y)
        fit = wg.MLPClassifier((6,), **keys).fit(X, Y, record=path)
    run = wg.open_run(path)
    assert (run.theta.flat == plain.theta_.flat).all() and (
        fit.theta_.flat == plain.theta_.flat
    ).all()
    assert run.history == plain.history_
    assert str(run.replay()).endswith("equal to the last bit")


def test_data_without_a_number_have_a_hash_too():
    from whygrad.nn.arrays import Data
    from whygrad.record.files.stored import hashes

    empty = hashes(Data(np.zeros((0, 3)), np.zeros((0, 1)), None))
    assert empty["X"] == empty["y"] == hashlib.sha256(b"").hexdigest()


# ── while it is written ──────────────────────────────────────────────────────────────────────────────


def test_a_reader_follows_a_run_while_it_is_written_and_nobody_else_writes(path):
    seen = []

    def look(report):
        if report.state.epoch % 4 == 0:
            run = wg.open_run(path)
            seen.append((report.state.step, run.step, len(run.costs), len(run.history.epochs)))
            assert run.stopped == "" and np.isfinite(run.predict(X)).all()
            with pytest.raises(wg.FileError, match="is being written by another process"):
                run.resume()

    train(record=path, callbacks=[look], epochs=40)
    for step, recorded, costs, epochs in seen:
        # The writer goes on between one question and the next.
        assert recorded <= costs <= step and epochs <= step // STEPS
    assert seen[-1][1] > 0


def test_reports_that_follow_one_another_quickly_are_written_together(path, monkeypatch):
    monkeypatch.undo()  # as it is outside these tests
    seen = []
    monkeypatch.setattr(recorder, "REST", 3600.0)
    monkeypatch.setattr(snapshots, "SPACING", 3600.0)
    # It ends in time: nobody rests while training waits.
    look = lambda report: seen.append(len(wg.open_run(path).costs))  # noqa: E731
    train(record=path, callbacks=[look], epochs=40)
    assert len(seen) >= 40 and len(set(seen)) < 4
    run = wg.open_run(path)
    assert len(run.costs) == 40 * STEPS and len(run.history.epochs) == 40


def recorder_after_an_epoch(path, monkeypatch):
    """A recorder that has not begun, due to keep every state, and reports of ten more steps for it."""
    monkeypatch.undo()  # which would wait for the thread that writes, from within it
    train(record=path, epochs=1)
    recorded = wg.open_run(path)
    plan, end = recorded.plan, recorded.state(STEPS)

    def report(step, kept=True):
        theta = end.theta if kept else np.full_like(end.theta, np.nan)  # which is never kept
        state = dataclasses.replace(end, step=step, theta=theta)
        return wg.Report(plan, state, None, ProbeResult(np.ones(10)))

    monkeypatch.setattr(snapshots, "SPACING", 0.0)
    return recorder.Recorder(path, plan, STEPS), report


def test_snapshots_come_to_their_turn_where_reports_never_end(path, monkeypatch):
    """A report that comes while others are written waits behind the snapshot asked for before it."""
    writer, report = recorder_after_an_epoch(path, monkeypatch)
    order, chunk, snapshot = [], events.add_chunk, events.add_snapshot

    def add_chunk(db, *given):
        order.append("report")
        if len(order) == 1:
            writer.on_steps_end(report(STEPS + 20))
        chunk(db, *given)

    monkeypatch.setattr(events, "add_chunk", add_chunk)
    monkeypatch.setattr(
        events, "add_snapshot", lambda *given: (order.append("snapshot"), snapshot(*given))
    )
    writer.on_steps_end(report(STEPS + 10))
    with writer:
        pass
    assert order == ["report", "snapshot", "report"]


def test_a_snapshot_is_known_only_after_the_steps_that_led_to_it(path, monkeypatch):
    """A kill between the two would leave a hole in the record."""
    writer, report = recorder_after_an_epoch(path, monkeypatch)
    gaps, chunk, plain = [], events.add_chunk, events.add_snapshot
    third = threading.Event()

    def add(db, snapshot):
        (last,) = db.execute("SELECT coalesce(max(first + steps), 0) FROM chunks").fetchone()
        gaps.append(snapshot.step - last)
        plain(db, snapshot)

    def add_chunk(db, first, *given):
        if first == STEPS:  # while two are written a third comes, whose state is to be kept
            writer.on_steps_end(report(STEPS + 30))
            third.set()
        chunk(db, first, *given)

    monkeypatch.setattr(events, "add_snapshot", add)
    monkeypatch.setattr(events, "add_chunk", add_chunk)
    for step in (STEPS + 10, STEPS + 20):
        writer.on_steps_end(report(step, kept=False))
    with writer:
        assert third.wait(60)
    with events.reading(path / events.NAME) as db:
        (steps,) = db.execute("SELECT sum(steps) FROM chunks").fetchone()
    assert gaps == [0] and steps == STEPS + 30


def test_who_waits_for_the_record_does_not_wait_for_more_reports(path, monkeypatch):
    recorders, seen = [], []
    plain = recorder.Recorder.__enter__
    monkeypatch.setattr(recorder, "REST", 3600.0)
    monkeypatch.setattr(snapshots, "SPACING", 3600.0)
    monkeypatch.setattr(
        recorder.Recorder, "__enter__", lambda self: (recorders.append(self), plain(self))[1]
    )

    def look(report):
        recorders[0].flush(report.state)
        seen.append((report.state.step, len(wg.open_run(path).costs)))

    train(record=path, callbacks=[look])
    assert len(seen) >= 12
    for (told, _), (_, recorded) in zip(seen, seen[1:], strict=False):
        assert recorded >= told  # callbacks are called before the recorder is told


def test_snapshots_are_thinned_out_when_they_become_many_but_the_first_and_last_stay(
    path, monkeypatch
):
    monkeypatch.setattr(snapshots, "MOST", 6)
    train(record=path, epochs=60)
    run = wg.open_run(path)
    steps = [snapshot.step for snapshot in run.snapshots()]
    assert len(steps) <= 8 and steps[0] == 0 and steps[-1] == run.step
    assert {p.name for p in (path / "snapshots").iterdir()} == {
        f"{n:09d}.safetensors" for n in steps
    }
    assert str(run.replay()).endswith("equal to the last bit")


def test_thinning_takes_every_second_one_of_what_is_too_much():
    few = [(step, 10) for step in range(8)]
    assert snapshots.superfluous(few) == []
    many = [(step, snapshots.BUDGET // 5) for step in range(8)]
    assert snapshots.superfluous(many) == [1, 3, 5]
    large = [(step, snapshots.BUDGET) for step in range(4)]
    assert snapshots.superfluous(large) == []


# ── where it lies ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_on_a_network_file_system_sqlite_keeps_a_journal(path, tmp_path, monkeypatch, kind):
    line = "36 25 0:32 / {} rw,relatime shared:1 - {} server:/home {}\n"
    mounts = tmp_path / "mounts"
    mounts.write_text(line.format("/", "ext4", "rw") + line.format(tmp_path, kind, "rw"))
    monkeypatch.setattr(location, "MOUNTS", mounts)
    assert location.on_network(path) and not location.on_network(tmp_path.parent / "b.run")
    modes = []

    def look(report):
        with events.reading(path / events.NAME) as db:
            modes.append(db.execute("PRAGMA journal_mode").fetchone()[0])

    with pytest.warns(wg.RecordWarning, match="that other machines write to: readers wait"):
        train(record=path, callbacks=[look])
    assert set(modes) == {"delete"}
    assert str(wg.open_run(path).replay()).endswith("equal to the last bit")


def test_on_other_file_systems_readers_never_wait(path):
    modes = []

    def look(report):
        with events.reading(path / events.NAME) as db:
            modes.append(db.execute("PRAGMA journal_mode").fetchone()[0])

    train(record=path, callbacks=[look])
    # Until the thread that writes has opened the file, nobody writes, and it is as it was made.
    assert modes[-1] == "wal" and modes == sorted(modes)
    assert sorted(p.name for p in path.glob("events*")) == ["events.sqlite"]


def test_a_recording_replaces_a_run_only_where_that_is_asked_for(path):
    net = wg.Network(2, [wg.Dense(1, "sigmoid")])
    X, Y = [[0.0, 1.0], [1.0, 0.0]], [0, 1]
    words = {"engine": "reference", "record": path}
    wg.train(net, X, Y, epochs=2, **words)
    with pytest.raises(wg.FileError, match=r"exists already: .*\(overwrite=True\)$"):
        wg.train(net, X, Y, epochs=3, **words)
    assert wg.open_run(path).step == 2
    wg.train(net, X, Y, epochs=3, overwrite=True, **words)
    assert wg.open_run(path).step == 3
    classifier = wg.MLPClassifier((2,), max_iter=4, engine="reference", tol=0, n_iter_no_change=9)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        classifier.fit(X, Y, record=path, overwrite=True)
    first = wg.open_run(path)
    assert first.step == 4
    other = path.with_name("other.run")
    assert first.fork(2, record=other, epochs=3).step == 3
    assert first.fork(2, record=other, epochs=4, overwrite=True).step == 4
    assert first.without([0], rescale=True, record=other, overwrite=True).start == 0
    with pytest.raises(wg.InputError, match="cannot be replaced by its own fork"):
        first.fork(2, record=path, epochs=4, overwrite=True)
    assert "equal to the last bit" in str(first.replay())


def test_threads_that_ask_a_run_at_once_get_the_states_that_one_gets(tmp_path):
    net = wg.Network(2, [wg.Dense(8, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    X = np.random.default_rng(0).normal(size=(60, 2))
    given = X, (X[:, :1] * X[:, 1:] > 0) * 1.0
    wg.train(net, *given, epochs=60, batch_size=6, engine="native", record=tmp_path / "a.run")
    run, wanted = wg.open_run(tmp_path / "a.run"), range(300, 500, 2)
    expected = [run.state(step).theta.copy() for step in wanted]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            found = pool.map(lambda step: run.state(step).theta.copy(), wanted)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
