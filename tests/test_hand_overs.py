"""Where two parts meet, the number itself is asked for: units, precedence, warm starts, what is undone."""

import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import whygrad as wg
from command import whygrad
from whygrad.engines import STATISTICS, ProbeResult, Statistics
from whygrad.nn.arrays import Data
from whygrad.pipeline import datasets
from whygrad.pipeline.fit import find, prepare
from whygrad.pipeline.settings import MANY_ROWS, Settings
from whygrad.plan.plan import EarlyStopping, Plan, Plateau, smooth, start
from whygrad.plan.schedules import Clock
from whygrad.record.files import events, inside, snapshots
from whygrad.record.recorder import Recorder
from whygrad.studio.session.model_config import tabulated
from whygrad.training.callbacks import Report
from whygrad.training.epochs import end_of_epoch
from whygrad.training.warm_start import warm_start_from

QUICK = ("--hidden", "4", "--epochs", "3", "--engine", "reference", "--json")


def small(cost="squared_error", units=2, end="identity", hidden=3):
    """A network with one hidden layer."""
    return wg.Network(2, [wg.Dense(hidden, "tanh"), wg.Dense(units, end)], cost)


# ── units ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory):
    """A run on numbers: its target has a mean of about 150 and a deviation of about 77."""
    path = tmp_path_factory.mktemp("runs") / "d.run"
    result = whygrad("train", "diabetes", *QUICK, "--run", path)
    assert result.code == 0, result.err
    return path


def test_a_wanted_number_is_reached_in_the_units_of_the_target(diabetes):
    run = wg.open_run(diabetes)
    said = json.loads(whygrad("why", "prediction", diabetes, "--json").out)["predicted"]
    wanted = said + 10
    result = whygrad("why", "prediction", diabetes, "--wanted", wanted, "--json")
    found = json.loads(result.out)["arrays"]
    reached = run.encoding.decode(run.fitted.predict(np.array([found["nearest"]])))[0]
    assert reached == pytest.approx(wanted, abs=0.5)


@pytest.mark.parametrize(
    ("cost", "end", "units", "one"),
    [
        ("binary_cross_entropy", "sigmoid", 1, 0.95),
        ("binary_cross_entropy", "sigmoid", 4, 0.95),
        ("cross_entropy", "softmax", 4, 0.925),
    ],
)
def test_independent_labels_are_smoothed_by_half_of_epsilon(cost, end, units, one):
    net = small(cost, units, end)
    plan = Plan(net, wg.SGD(0.1), 2, batch_size=1, label_smoothing=0.1)
    Y = np.eye(2, units)
    smoothed = smooth(plan, Data(np.zeros((2, 2)), Y)).Y
    np.testing.assert_allclose(smoothed[Y == 1], one, rtol=1e-15)
    other = (1 - one) if cost == "binary_cross_entropy" else 0.1 / units
    np.testing.assert_allclose(smoothed[Y == 0], other, rtol=1e-12)


# ── precedence ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["test", "validation", "dropout", "l1", "l2", "seed"])
def test_a_zero_of_the_command_line_stands_before_the_whygrad_toml(here, name):
    (here / "whygrad.toml").write_text(f"{name} = {3 if name == 'seed' else 0.25}\n")
    key = name.replace("-", "_")
    from_file = json.loads(whygrad("train", "iris", *QUICK).out)["settings"]
    assert from_file[key] == (3 if name == "seed" else 0.25)
    said = json.loads(whygrad("train", "iris", *QUICK, f"--{name}", "0").out)["settings"]
    assert said[key] == 0


# ── the share of validation rows ─────────────────────────────────────────────────────────────────────


def trained(*words):
    """What `whygrad train` tells of a training."""
    result = whygrad("train", *words, *QUICK)
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ([], {"training": 120, "validation": 0, "test": 30}),
        (["--validation", "0"], {"training": 120, "validation": 0, "test": 30}),
        (["--validation", "0.25"], {"training": 90, "validation": 30, "test": 30}),
        (["--test", "0", "--validation", "0.3"], {"training": 105, "validation": 45, "test": 0}),
        (["--test", "0.4", "--validation", "0.1"], {"training": 81, "validation": 9, "test": 60}),
        (["--validation", "0.0001"], {"training": 117, "validation": 3, "test": 30}),
        (["--validation", "0.9999"], {"training": 3, "validation": 117, "test": 30}),
    ],
)
def test_validation_is_a_share_of_the_rows_that_are_no_test_rows(here, options, rows):
    said = trained("iris", *options)
    assert said["rows"] == rows
    share = float(options[-1]) if options else None
    assert said["settings"]["validation"] == share
    assert said["scored_on"] == ("test" if rows["test"] else "training")
    run = wg.open_run(here / said["run"])
    assert run.settings.validation == share
    measured = [cost is not None for cost in run.history.validation_cost]
    assert all(measured) if rows["validation"] else not any(measured)


def test_validation_rows_are_stratified_and_the_three_parts_share_no_row():
    source = find("iris")
    table, encoding, parts = prepare(source, Settings(validation=0.25))
    classes = encoding.target.indices(table)
    assert np.bincount(classes[parts.validation]).tolist() == [10, 10, 10]
    every = np.concatenate([parts.training, parts.validation, parts.test])
    assert np.sort(every).tolist() == list(range(150))
    _, _, without = prepare(source, Settings(validation=0.0))
    np.testing.assert_array_equal(without.test, parts.test)


@pytest.mark.parametrize(("rows", "share"), [(MANY_ROWS - 1, 0), (MANY_ROWS, 0.1)])
def test_where_validation_is_left_open_many_rows_spare_a_tenth(rows, share):
    frame = {"x": np.arange(rows) % 7, "y": np.arange(rows) / 3}
    source = replace(find("diabetes"), table=pa.table(frame), target="y")
    _, _, parts = prepare(source, Settings(test=0.0))
    assert len(parts.validation) == round(rows * share)
    _, _, none = prepare(source, Settings(test=0.0, validation=0.0))
    assert len(none.validation) == 0 and len(none.training) == rows


def test_a_validation_share_of_the_command_line_stands_before_the_whygrad_toml(here):
    (here / "whygrad.toml").write_text("validation = 0.5\n")
    assert trained("iris")["rows"]["validation"] == 60
    assert trained("iris", "--validation", "0.1")["rows"]["validation"] == 12
    assert trained("iris", "--validation", "0")["rows"]["validation"] == 0


@pytest.mark.parametrize(("test", "rows"), [(0.2, (45, 15, 40)), (0.0, (75, 25, 0))])
def test_a_data_set_with_test_rows_of_its_own_validates_on_a_share_of_the_others(
    monkeypatch, test, rows
):
    whole = datasets.load("xor")
    own = replace(
        whole, X=whole.X[:60], y=whole.y[:60], X_test=whole.X[60:100], y_test=whole.y[60:100]
    )
    monkeypatch.setattr(datasets, "load", lambda name, seed=0: own)
    _, _, parts = prepare(find("xor"), Settings(test=test, validation=0.25))
    assert (len(parts.training), len(parts.validation), len(parts.test)) == rows
    if test:
        assert parts.test.tolist() == list(range(60, 100))


def test_a_run_is_resumed_and_replayed_on_its_validation_rows(here):
    said = trained("iris", "--validation", "0.25")
    run = wg.open_run(here / said["run"])
    costs = run.history.validation_cost
    verdict = run.replay().verdict
    assert verdict.holds and verdict.steps == run.step
    on = run.resume(6)
    assert on.history.validation_cost[:3] == costs and len(on.history.validation_cost) == 6
    assert on.settings.validation == 0.25
    direct = whygrad(
        "train", "iris", "--validation", "0.25", *QUICK[:2], "--epochs", "6", *QUICK[4:]
    )
    whole = wg.open_run(here / json.loads(direct.out)["run"])
    assert on.history.validation_cost == whole.history.validation_cost


def test_the_studio_splits_a_table_anew_for_another_validation_share():
    source = find("iris")
    quarter = tabulated(source, Settings(validation=0.25))
    assert len(quarter.parts.validation) == 30
    assert len(tabulated(source, Settings(validation=0.5)).parts.validation) == 60
    assert tabulated(source, Settings(validation=0.25, hidden=(3,))) is quarter


@pytest.mark.parametrize("share", ["1", "-0.1", "nan"])
def test_what_is_no_share_of_the_rows_is_refused(here, share):
    result = whygrad("train", "iris", *QUICK, f"--validation={share}")
    assert result.code == 2 and "a share of the rows is at least 0 and below 1" in result.err


def test_where_a_single_row_remains_the_message_names_the_option(here):
    (here / "few.csv").write_text("x,y\n1,1.5\n2,2.5\n")
    result = whygrad("train", "few.csv", "--target", "y", *QUICK, "--validation", "0.5")
    assert result.code == 2 and result.lines == [
        "whygrad: 1 row cannot be split into training and validation rows: add rows, or set validation to 0"
    ]
    assert not list(here.glob("*.run"))


# ── warm starts ──────────────────────────────────────────────────────────────────────────────────────


def plan_of(**changes):
    """A plan whose rate falls where the cost on the validation data does not."""
    options = {
        "schedule": wg.OnPlateau(on="validation_cost"),
        "stopping": wg.Stopping(on="validation_cost", restore_best=True),
    }
    return Plan(small(), wg.SGD(0.1), 4, epochs=9, batch_size=2, **options | changes)


def worn(plan):
    """A state whose rate has fallen to a fifth."""
    state = replace(start(plan), step=6, epoch=3, learning_rate_scale=0.2)
    memory = EarlyStopping(best=0.25, best_theta=state.theta + 1, best_step=6, stalled=2)
    return replace(state, early_stopping=memory, plateau=Plateau(lowest=0.25, waiting=3))


def test_another_rate_goes_on_at_its_full_height():
    before = plan_of()
    for plan in (
        plan_of(schedule=wg.Cosine()),
        replace(before, optimizer=wg.SGD(0.05)),
        replace(before, optimizer=wg.Adam(0.05)),
    ):
        state = warm_start_from(worn(before), before, plan)
        factor = plan.schedule.factors(np.array([0]), Clock(3, 9, 0, 2))[0]
        assert (
            plan.learning_rates(state, state.step + 1)[0] == plan.optimizer.learning_rate * factor
        )
    kept = warm_start_from(worn(before), before, replace(before, epochs=12))
    assert kept.learning_rate_scale == 0.2 and kept.plateau == Plateau(lowest=0.25, waiting=3)


def test_another_schedule_begins_to_count_anew():
    """What was lowest of a score is no number that a cost could ever fall below."""
    before = plan_of(schedule=wg.OnPlateau(on="validation_score"))
    state = replace(worn(before), plateau=Plateau(lowest=-0.9, waiting=3))
    found = warm_start_from(state, before, plan_of(schedule=wg.OnPlateau(on="cost")))
    assert (found.plateau.lowest, found.plateau.waiting) == (math.inf, 0)


def recorded(path, validation=None, **options):
    """A recorded training that stops by what it is measured on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 2))
    Y = np.column_stack([X[:, 0] * X[:, 1], X[:, 0]])
    validation = (X[8:], Y[8:]) if validation is None else validation
    wg.train(small(), X[:8], Y[:8], epochs=4, batch_size=4, record=path, validation=validation,
             engine="reference", stopping=wg.Stopping(on="validation_cost", restore_best=True),
             **options)  # fmt: skip
    return wg.open_run(path), X, Y


def test_a_fork_that_is_measured_on_other_data_has_no_best_epoch_yet(tmp_path):
    run, X, Y = recorded(tmp_path / "a.run")
    far = (X[8:], Y[8:] + 100)  # nothing comes near the old best here
    fork = run.fork(4, record=tmp_path / "b.run", validation=far, epochs=6)
    assert fork.state(fork.step).early_stopping.best == min(fork.history.validation_cost)
    same = run.fork(4, record=tmp_path / "c.run", learning_rate=1e-9)
    assert same.state(same.step).early_stopping.best <= min(run.history.validation_cost[:2])


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["identity", "sigmoid"])
def test_the_cost_and_score_of_validation_data_are_weighted_means(end):
    net = small("binary_cross_entropy" if end == "sigmoid" else "squared_error", 1, end)
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(9, 2)), np.arange(9.0)[:, None] % 2
    s = np.array([3.0, 0, 1, 0, 2, 5, 0, 0, 1])
    often = np.repeat(np.arange(9), s.astype(int))
    plan = Plan(net, wg.SGD(0.1), 9, batch_size=9)
    _, weighted = end_of_epoch(plan, replace(start(plan), batch_index=1), Data(X, Y, s))
    _, repeated = end_of_epoch(plan, replace(start(plan), batch_index=1), Data(X[often], Y[often]))
    assert weighted.validation_cost == pytest.approx(repeated.validation_cost, rel=1e-12)
    assert weighted.validation_score == pytest.approx(repeated.validation_score, rel=1e-12)


# ── what is undone, and what goes ────────────────────────────────────────────────────────────────────


def test_steps_that_a_divergence_takes_back_leave_nothing_behind(tmp_path, monkeypatch):
    """Not the row of a snapshot, not its file, not what the layers did."""
    monkeypatch.setattr(snapshots, "SPACING", 3600.0)  # no snapshot for the time that has gone by
    net = small()
    plan = Plan(net, wg.SGD(0.1), 4, epochs=3, batch_size=2)
    (tmp_path / inside.SNAPSHOTS).mkdir()
    with events.created(tmp_path / events.NAME) as db:
        events.add_stage(db, events.Stage(0, 3, {}, ""))
    recorder = Recorder(tmp_path, plan, 0)
    states = [replace(start(plan), step=step) for step in range(6)]
    with recorder:
        recorder.flush(states[0])
        for state in states[1:]:
            recorder.on_steps_end(_report(plan, state))
        recorder.flush(states[5])
        recorder.finish(replace(states[3], stopped="diverged at step 3: W[1] is infinite"))
    with events.reading(tmp_path / events.NAME) as db:
        assert [known.step for known in events.snapshots(db)] == [0, 3]
        assert events.statistics(db, net.L, 0, events.last_step(db)).steps.tolist() == [0, 1, 2]
        assert len(events.costs(db, 0, events.last_step(db))) == 3
    files = sorted(path.name for path in (tmp_path / inside.SNAPSHOTS).iterdir())
    assert files == ["000000000.safetensors", "000000003.safetensors"]


def _report(plan, state):
    at = np.array([state.step - 1])
    seen = Statistics(at, np.ones((1, 2, len(STATISTICS))))
    return Report(plan, state, None, ProbeResult(np.array([0.5]), statistics=seen))


@pytest.mark.parametrize("count", range(5, 14))
def test_thinning_spares_the_first_and_the_last_two_whatever_their_number(count):
    sizes = [(step, snapshots.BUDGET) for step in range(count)]
    gone = snapshots.superfluous(sizes)
    assert gone == list(range(1, count - 2, 2))
    kept = [step for step, _ in sizes if step not in gone]
    assert kept[0] == 0 and kept[-2:] == [count - 2, count - 1]


@pytest.mark.parametrize("name", ["../out.safetensors", "snapshots/../../out.safetensors", None])
def test_a_snapshot_is_read_from_the_runs_folder_alone(tmp_path, name):
    """A row of the database may come from a stranger: a state that lies elsewhere is not opened."""
    run = tmp_path / "a.run"
    (run / inside.SNAPSHOTS).mkdir(parents=True)
    plan = plan_of()
    content = snapshots.content(start(plan))
    (tmp_path / "out.safetensors").write_bytes(content)
    name = name or str(tmp_path / "out.safetensors")
    known = events.Snapshot(0, name, snapshots.sha256(content))
    for given in (name, known):
        with pytest.raises(wg.FileError, match="is no file of a run"):
            snapshots.read(run, given, plan)
