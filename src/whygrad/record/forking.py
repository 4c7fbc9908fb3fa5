"""Going on with a recorded training: resume it, fork it with a change, or train without some examples.

All three run the same pure function again, from a recorded state.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

import numpy as np

from whygrad.engines import choose
from whygrad.errors import InputError, nearest
from whygrad.fitted import Fitted, fitted_of
from whygrad.nn.arrays import Data, as_data, as_indices
from whygrad.nn.functions import Array
from whygrad.plan.optimizers import find_optimizer
from whygrad.plan.plan import Clip, Penalty, Plan, State, of_gradients
from whygrad.plan.schedules import find_schedule
from whygrad.record import replay
from whygrad.record.files import environment, events, inside, location, manifest
from whygrad.record.files.inside import TRAINING, VALIDATION
from whygrad.record.files.stored import is_copied, read_copy
from whygrad.record.folder import (
    Details,
    add_hashes,
    conclude,
    go_on,
    parts_of,
    tell_recorded,
    train_and_record,
)
from whygrad.record.recorded import Recorded
from whygrad.record.recorder import Job
from whygrad.record.source import FOLDER, names_for_fork
from whygrad.training.again import (
    Change,
    bound,
    leaving_out,
    resumable,
    run_stages,
    stages_of,
)
from whygrad.training.callbacks import AnyCallback, StepController, waited
from whygrad.training.epochs import renewed
from whygrad.training.loop import BY_CALLBACK, INTERRUPTED, Training
from whygrad.training.metrics import Metrics, Targets, targets_again, targets_of
from whygrad.training.side_by_side import Seat, named, one_at_a_time, side_by_side
from whygrad.training.warm_start import warm_start_from

R = TypeVar("R", bound=Recorded)  # the type of the run: a fork of a `Run` is a `Run`

# How `stopped` begins where a training was interrupted: it can be resumed.
BROKEN_OFF = (INTERRUPTED, BY_CALLBACK, "time budget")
GOAL = "training cost below"  # and where it would end again with its next epoch

# The parts of a plan that a fork may change: from arguments of `train` to values of the plan.
PLAN: dict[str, Callable[[Any], Any]] = {
    "optimizer": find_optimizer,
    "schedule": find_schedule,
    "l1": lambda given: given if isinstance(given, Penalty) else Penalty(given),
    "l2": lambda given: given if isinstance(given, Penalty) else Penalty(given),
    "clip": lambda given: Clip(norm=given) if isinstance(given, int | float) else given,
    **{
        name: lambda given: given
        for name in ("epochs", "batch_size", "seed", "shuffle", "stopping")
    },
    **{
        name: lambda given: given
        for name in ("label_smoothing", "cost_below", "rate_multipliers", "products")
    },
}
OTHERS = (
    "learning_rate",
    "engine",
    "data",
    "validation",
    "metrics",
    "callbacks",
    "seconds",
    "edits",
)


def broken_off(given: R) -> bool:
    """Return whether a training was interrupted, by a kill or by its user, and can be resumed as it was."""
    stopped = given.stopped
    return not stopped or stopped.startswith(BROKEN_OFF)


def resume(
    given: R,
    epochs: int | None = None,
    callbacks: Sequence[AnyCallback] = (),
    seconds: float | None = None,
    observers: Sequence[AnyCallback] = (),
    controller: StepController | None = None,
) -> R:
    """Resume a training in its own folder; see `Run.resume`."""
    stopped, step, stages = given.stopped, given.step, given.stages()
    given.check()
    if stopped.startswith("diverged") and (given.concluded or epochs is not None):
        raise InputError(
            f"{given.path.name} {stopped}: fork it at an earlier step, perhaps with a smaller learning rate"
        )
    if epochs is None and not broken_off(given):
        return _at_its_end(given, stopped)
    if stopped.startswith(GOAL):
        raise InputError(
            f"{given.path.name} has reached its goal ({stopped}): fork it with another cost_below"
        )
    plan = given.plan if epochs is None else replace(given.plan, epochs=epochs)
    state = _state_to_resume(given, step, epochs is not None)
    if epochs is not None and epochs <= state.epoch and plan.by_steps:
        raise InputError(
            f"epochs is {epochs}: {state.epoch:,} are over, and those in all are asked for"
        )
    if state.step == step - 1 and plan.by_steps:
        replay.take_again(given, state)
    training = given.training(renewed(plan, state), plan)
    stage = events.Stage(step, plan.epochs, environment.describe(), stages[-1].plan)
    before: list[Job] = [lambda db: _clean(given)]
    if given.concluded:
        before.append(lambda db: reopen(given.path))
    if stopped or stage != replace(stages[-1], step=step):
        before.append(lambda db: _add_stage(stage, db))
    hashing: Job | None = None
    if TRAINING not in given.manifest["data"]["sha256"]:
        hashing = partial(add_hashes, given.path, parts_of(training))
    began = time.perf_counter()
    called = [*observers, *callbacks]
    state, _ = go_on(given.path, training, step, called, seconds, hashing, before, controller)
    earlier = given.manifest.get("seconds")  # which nobody knows of a training that was killed
    took = None if earlier is None else earlier + time.perf_counter() - began - waited(controller)
    run = _concluded(given.path, given, training, state, took)
    tell_recorded(given.path, called)
    return run


def _state_to_resume(given: R, step: int, further: bool) -> State:
    """Return the state to go on from: one step back, so that a cost that is not finite is seen again.

    It is the last state where a rule had ended the training, and a resumption was killed before its first
    step. L-BFGS, whose memory is not part of the state, starts again from its start.
    """
    if not given.plan.by_steps:
        return replay.state_at(given, given.start)
    state = replay.state_at(given, step)
    resumed = given.stages()[-1].step == step and renewed(given.plan, state) is not state
    return state if further or resumed else replay.state_at(given, max(given.start, step - 1))


def _at_its_end(given: R, stopped: str) -> R:
    """Write the results of a finished training where they are missing; raise where they are not."""
    if given.concluded:
        raise InputError(
            f"{given.path.name} has ended ({stopped}): say how many epochs it is to have "
            "in all, --epochs (epochs=…), or fork it"
        )
    state = replay.state_at(given, given.step)
    return _concluded(given.path, given, given.training(state), state, None)


def _concluded(path: Path, origin: R, training: Training, state: State, seconds: float | None) -> R:
    """Write the results of a training that went on from another, and return its run."""
    now = replace(origin, path=path, manifest=manifest.read(path))
    history = now.history
    results: dict[str, Any] = {}
    if now.on_table:
        from whygrad.record import rows  # which reads tables

        results = rows.results_again(now, state, history)
    conclude(path, fitted_of(training.plan, state, history), results | {"seconds": seconds})
    return replace(now, manifest=manifest.read(path))


def reopen(path: Path) -> None:
    """Undo `conclude`, so that a kill leaves a training that has not ended."""
    about = manifest.read(path)
    about["files"].pop(manifest.MODEL)
    manifest.write(path, about)


def _add_stage(stage: events.Stage, db: events.Database) -> None:
    with events.transaction(db):
        events.add_stage(db, stage)


def _clean(given: R) -> None:
    """Remove what a kill left: snapshots without their rows, and half-written files."""
    known = {snapshot.path for snapshot in given.snapshots()}
    for name in inside.names(given.path):
        unknown = name.startswith(f"{inside.SNAPSHOTS}/") and name not in known
        if unknown or inside.is_half_written(name):
            inside.remove(given.path, name)


# ── with a change ──────────────────────────────────────────────────────────────────────────────────────


def fork(
    given: R,
    step: int,
    record: str | PathLike[str] | None,
    changes: Mapping[str, Any],
    observers: Sequence[AnyCallback] = (),
    controller: StepController | None = None,
    overwrite: bool = False,
) -> R:
    """Go on from a step with changes, in a new folder; see `Run.fork`."""
    training = _checked(given, step, changes)
    callbacks = [*observers, *changes.get("callbacks", ())]
    seconds = changes.get("seconds")
    return _forked(
        given, step, training, record, changes, callbacks, seconds, controller, overwrite
    )


def fork_many(given: R, forks: Sequence[Mapping[str, Any]], cores: int | None) -> list[R]:
    """Go on with several changes side by side, each in a new folder; see `Run.fork_many`."""
    n, lock = len(forks), RLock()
    tasks, trainings = [], []
    taken: set[Path] = set()
    for i, one in enumerate(forks):
        with named(i, n):
            changes = dict(one)
            if "step" not in changes:
                raise InputError("there is no step: say after how many updates it parts, step=…")
            step, overwrite = changes.pop("step"), changes.pop("overwrite", False)
            path = fork_path(given, changes.pop("record", None), overwrite)
            while "record" not in one and path in taken:
                path = location.free_name(f"{path.stem}-{len(taken) + 1}", path.parent)
            if path in taken:
                raise InputError(f"{path} is where another one is recorded: choose another name")
            taken.add(path)
            location.check_place(path, overwrite)
            training = _checked(given, step, changes)
        trainings.append(training)
        called = one_at_a_time(changes.get("callbacks", ()), lock)
        tasks.append(
            partial(_fork_of_many, given, step, training, path, changes, called, overwrite)
        )
    return side_by_side(tasks, trainings, cores)


def _fork_of_many(
    given: R,
    step: int,
    training: Training,
    path: Path,
    changes: Mapping[str, Any],
    called: Sequence[AnyCallback],
    overwrite: bool,
    seat: Seat,
) -> R:
    seconds = changes.get("seconds")
    own = seat.take(training)
    return _forked(given, step, own, path, changes, called, seconds, overwrite=overwrite)


def _checked(given: R, step: int, changes: Mapping[str, Any]) -> Training:
    """Return the training of a fork; raise `InputError` for changes that cannot be."""
    for name in changes:
        if name not in (*PLAN, *OTHERS):
            raise InputError(f"a fork cannot change {name!r}: {nearest(name, [*PLAN, *OTHERS])}")
    training = _changed(given, step, changes)
    if training.state.epoch >= training.plan.epochs:
        raise InputError(
            f"at step {training.state.step} all {training.plan.epochs:,} epochs are over: give more, "
            "--epochs (epochs=…)"
        )
    return training


def _changed(given: R, step: int, changes: Mapping[str, Any]) -> Training:
    """Return the training that goes on from a step with these changes."""
    state = replay.state_at(given, step)
    before = given.plan
    kept = changes.get("validation", given.validation)
    plan = _changed_plan(before, changes)
    data = given.data
    if "data" in changes:
        data = _given(plan, changes["data"])
        n, shuffle = len(data.Y), bool(plan.shuffle)  # windows are of the data before
        plan = replace(plan, n=n, batch_size=min(plan.batch_size, n), shuffle=shuffle)
    if isinstance(kept, tuple):
        kept = _given(plan, kept)
    name = changes.get("engine")
    engine = given.engine if name is None else choose(name, of_gradients(plan))
    if name is None and engine.supports(of_gradients(plan)) is not None:
        engine = choose("auto", of_gradients(plan))
    layers = given.manifest["layer_statistics"]
    state = renewed(plan, warm_start_from(state, before, plan, changes.keys()))
    if "edits" in changes:
        state = replace(state, theta=_edited(plan, state.theta, changes["edits"]))
    return Training(plan, state, data, kept, engine, layers, _metrics(given, changes))


def _edited(plan: Plan, theta: Array, edits: Mapping[int, float]) -> Array:
    """Return parameters with some set by hand, by their index in `Parameters.flat`."""
    theta, present = theta.copy(), plan.net.present
    for index, value in edits.items():
        if not isinstance(index, int) or not 0 <= index < len(theta):
            raise InputError(f"edits: there is no parameter {index!r}, but 0 to {len(theta) - 1:,}")
        if not np.isfinite(value):
            raise InputError(f"edits: parameter {index} cannot be {value}: a finite number can")
        if not present[index]:
            raise InputError(f"edits: parameter {index} is masked, it stays 0")
        theta[index] = value
    return theta


def _metrics(given: R, changes: Mapping[str, Any]) -> Metrics | None:
    """Return the metrics of a fork: those given, or those of its parent."""
    if "metrics" not in changes:
        return given.metrics
    if not changes["metrics"]:
        return None
    from whygrad.training.scorers import find_metrics  # which imports scikit-learn

    return Metrics(find_metrics(changes["metrics"]), _targets(given))


def _targets(given: R) -> Targets:
    """Return what the targets of a run stand for."""
    if "metrics" in given.manifest:
        return targets_again(given.manifest["metrics"])
    if not given.on_table:
        return targets_of(given.net)
    from whygrad.pipeline.fit import targets_in_table

    return targets_in_table(given.encoding.target)


def _given(plan: Plan, examples: Any) -> Data:
    X, Y, weights = (*examples, None)[:3]
    return as_data(plan.net, X, Y, weights, plan.dtype)


def _changed_plan(before: Plan, changes: Mapping[str, Any]) -> Plan:
    of_plan = {name: PLAN[name](value) for name, value in changes.items() if name in PLAN}
    plan = replace(before, **of_plan)
    if "learning_rate" not in changes:
        return plan
    rule: Any = plan.optimizer
    if "learning_rate" not in {field.name for field in fields(rule)}:
        raise InputError(f"{type(rule).__name__} has no learning rate to change")
    return replace(plan, optimizer=replace(rule, learning_rate=changes["learning_rate"]))


def without(
    given: R,
    examples: Any,
    rescale: bool = False,
    record: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> R:
    """Train again without some examples, in a new folder; see `Run.without`."""
    training = _training_without(given, examples, rescale)
    about = {
        "examples": np.flatnonzero(training.data.multipliers == 0).tolist(),
        "rescale": rescale,
    }
    changes = {"without": about}
    (plan, end), *later = stages_of(training.plan, replay.resumptions(given))
    training = replace(training, plan=plan)
    controller = bound(plan, training.state, end)
    run = _forked(given, given.start, training, record, changes, (), None, controller, overwrite)
    for following, its_end in later:
        state = replay.state_at(run, run.step)
        if not resumable(plan, replace(state, stopped=run.stopped), end):
            break
        plan, end = following, its_end
        run = resume(run, plan.epochs, controller=bound(plan, state, end))
    return run


def changed_from_start(given: R, change: Change) -> Training:
    """Return the training of a run from its start with a change."""
    training = given.training(replay.state_at(given, given.start), change.plan)
    return replace(training, data=change.data(given.data, given.path.name))


def leave_one_out(given: R, examples: Any, rescale: bool, cores: int | None) -> list[Fitted]:
    """Train again without each of the examples by itself, side by side; see `Run.leave_one_out`."""
    given.data  # noqa: B018  read once, before there are several who would
    indices, stages = as_indices(examples, given.plan.n), replay.resumptions(given)

    def one(index: int, seat: Seat) -> Fitted:
        training = bare(given, _training_without(given, index, rescale))
        return fitted_of(training.plan, *run_stages(seat.take(training), stages))

    trainings = [_training_without(given, index, rescale) for index in indices[:1]]
    found = side_by_side([partial(one, int(index)) for index in indices], trainings, cores)
    if any(fitted.history.stopped == INTERRUPTED for fitted in found):
        raise KeyboardInterrupt  # what was cut off says nothing of the examples
    return found


def bare(given: R, training: Training) -> Training:
    """Return a training whose history nobody sees: metrics are measured only where a rule goes by them."""
    return training if given.goes_by_metrics else replace(training, metrics=None)


def _training_without(given: R, examples: Any, rescale: bool = False) -> Training:
    """Return the training of a run from its start, without some examples."""
    n = given.plan.n
    return changed_from_start(given, leaving_out(n, as_indices(examples, n), bool(rescale)))


def _forked(
    given: R,
    step: int,
    training: Training,
    record: str | PathLike[str] | None,
    changes: Mapping[str, Any],
    observers: Sequence[AnyCallback],
    seconds: float | None,
    controller: StepController | None = None,
    overwrite: bool = False,
) -> R:
    path = fork_path(given, record, overwrite)
    began = time.perf_counter()
    details = _details(given, step, changes, overwrite)
    state, _ = train_and_record(path, training, details, observers, seconds, controller)
    origin = given
    if "data" in changes or "validation" in changes:
        origin = replace(given, given=None, given_validation=None)
    took = time.perf_counter() - began - waited(controller)
    run = _concluded(path, origin, training, state, took)
    tell_recorded(path, observers)
    return run


def fork_path(given: R, record: str | PathLike[str] | None, overwrite: bool) -> Path:
    """Return the folder of a fork: the one that is named, or one named after its parent."""
    name, folder = f"{given.path.stem}-fork", given.path.parent
    if record is None:
        return (
            folder / f"{name}{location.ENDING}" if overwrite else location.free_name(name, folder)
        )
    path = Path(record)
    if overwrite and path.exists() and path.resolve() == given.path.resolve():
        raise InputError(f"{path} cannot be replaced by its own fork: choose another name")
    return path


def _details(given: R, step: int, changes: Mapping[str, Any], overwrite: bool) -> Details:
    """Return what a fork's folder holds: all that its parent's has of the data and the table."""
    about, data = given.manifest, given.manifest["data"]
    parent = {
        "run": str(given.path.resolve()),
        "id": about.get("id"),
        "step": int(step),
        "changes": {name: _shown(value) for name, value in changes.items()},
    }
    more: dict[str, Any] = {"parent": parent}
    if "data" in changes or "validation" in changes:
        more |= names_for_fork(given)
        return Details(overwrite, more=more)  # from arrays, whatever they were before
    same = ("names", "target", "task", "settings", "scored_on", "baseline")
    more |= {name: about[name] for name in same if name in about}
    seen = (TRAINING, VALIDATION)
    source = {name: value for name, value in data.items() if name != "copied"}
    for name in ("sha256", "rows"):  # of the parts that training does not see, which stay
        kept = source.get(name, {})
        source[name] = {part: value for part, value in kept.items() if part not in seen}
    encoding = given.encoding.to_dict() if given.on_table else None
    copied = True if data["copied"] else False if data["kind"] == FOLDER else None
    others = {
        part: read_copy(given.path, part)
        for part in data["sha256"]
        if part not in seen and is_copied(given.path, part)
    }
    return Details(overwrite, copied, more, source, others, encoding)


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: one if name == "examples" else _shown(one) for name, one in value.items()}
    return value if isinstance(value, int | float | str | bool | None) else repr(value)[:200]
