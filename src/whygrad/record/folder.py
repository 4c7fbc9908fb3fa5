"""The folder of a run, from the start of training to its end.

`begin` makes it, whole or not at all: from then on it can be opened, and resumed whatever happens.
`record_run` trains and records; `conclude` adds the results.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from whygrad.engines.xla import following
from whygrad.errors import FileError, RecordWarning, warn
from whygrad.files import sha256, sync
from whygrad.fitted import Fitted, fitted_of
from whygrad.nn import Data
from whygrad.nn.metrics import ValidationData
from whygrad.plan.plan import State
from whygrad.record.files import (
    describing,
    environment,
    events,
    inside,
    location,
    manifest,
    snapshots,
    stored,
)
from whygrad.record.files.inside import TRAINING, VALIDATION
from whygrad.record.recorder import Job, Recorder, log_every
from whygrad.training import model_file
from whygrad.training.callbacks import AnyCallback, StepController, as_callback
from whygrad.training.epochs import History
from whygrad.training.loop import Training, measure_of, run


@dataclass(frozen=True, eq=False)
class Details:
    """What a run's folder holds beside the training itself.

    Attributes
    ----------
    overwrite : bool
        Replace a run that is there.
    copy_data : bool or None
        Copy the data into the folder; None copies them where they are small.
    more : mapping
        Further keys of the manifest.
    source : mapping or None
        Where the data come from; None means arrays in memory, or files mapped into it.
    others : mapping of str to Data
        Parts that training does not see, of which the hashes are kept.
    encoding : mapping or None
        How rows of a table become inputs.
    """

    overwrite: bool = False
    copy_data: bool | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] | None = None
    others: Mapping[str, Data] = field(default_factory=dict)
    encoding: Mapping[str, Any] | None = None


def record_run(
    path: str | PathLike[str],
    training: Training,
    observers: Sequence[AnyCallback] = (),
    seconds: float | None = None,
    copy_data: bool | None = None,
    overwrite: bool = False,
) -> tuple[State, History]:
    """Train on arrays, and record the training in a new folder.

    Parameters
    ----------
    path : path-like
        The folder, whose name ends in .run.
    training : Training
        What is trained, and from which state.
    observers : sequence of callables
        Called with a `Report` between chunks of steps.
    seconds : float, optional
        The time that training may take.
    copy_data : bool, optional
        Whether to copy the data into the folder; by default where they are small.
    overwrite : bool, default False
        Whether to replace a run that is there.

    Returns
    -------
    state : State
        The state that training ended with.
    history : History
        What each epoch showed.

    Raises
    ------
    FileError
        Where the folder exists, or cannot be written.
    """
    if following():
        return run(training)
    folder, began = Path(path), time.perf_counter()
    state, history = train_and_record(
        folder, training, Details(overwrite, copy_data), observers, seconds
    )
    took = time.perf_counter() - began
    conclude(folder, fitted_of(training.plan, state, history), {"seconds": took})
    tell_recorded(folder, observers)
    return state, history


def train_and_record(
    folder: Path,
    training: Training,
    details: Details,
    observers: Sequence[AnyCallback] = (),
    seconds: float | None = None,
    controller: StepController | None = None,
) -> tuple[State, History]:
    """Make a run's folder and train; `conclude` then adds the results."""
    _end_if_following(training)
    begin(folder, training, details)
    # The data are hashed while training runs, and before anything is recorded.
    hashing = partial(add_hashes, folder, parts_of(training) | dict(details.others))
    known = training.state.step
    return go_on(folder, training, known, observers, seconds, hashing, controller=controller)


def go_on(
    folder: Path,
    training: Training,
    known: int,
    observers: Sequence[AnyCallback] = (),
    seconds: float | None = None,
    hashing: Job | None = None,
    before: Sequence[Job] = (),
    controller: StepController | None = None,
) -> tuple[State, History]:
    """Train and record in an existing folder; the steps before `known` are recorded already.

    `before` is done before training starts, `hashing` while it runs.
    """
    _end_if_following(training)
    first = () if hashing is None else (hashing,)
    with location.only_writer(folder):
        if before:
            _do(folder, before)
        watched = controller is not None
        with Recorder(
            folder, training.plan, training.state.step, known, first, watched
        ) as recorder:
            state, history = run(training, [*observers, recorder], seconds, controller)
            recorder.finish(state)
    return state, history


def _end_if_following(training: Training) -> None:
    """Take the steps of a training that another process leads and records; this one ends with it."""
    if following():
        run(training)
        raise SystemExit(0)


def _do(folder: Path, jobs: Sequence[Job]) -> None:
    try:
        db = events.connect(folder / events.NAME)
        try:
            for job in jobs:
                job(db)
        finally:
            events.close(db)
    except FileError:
        raise
    except events.UNUSABLE as error:
        raise FileError(f"{folder}: cannot be written ({error})") from None


def begin(folder: Path, training: Training, details: Details) -> None:
    """Make the folder of a run that is about to start, or leave nothing and raise `FileError`.

    What keeps the training from starting, `InputError`, is raised before anything is written.
    """
    location.check_place(folder, details.overwrite)
    measure_of(training)
    if location.on_network(folder):
        warn(
            f"{folder} lies on a file system that other machines write to: readers wait a moment while it "
            "is written, and no lock keeps another machine from writing; all else is as elsewhere",
            RecordWarning,
        )
    about = _describe(training, details)
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        location.remove_leftovers(folder)
        try:
            (temporary / inside.SNAPSHOTS).mkdir(parents=True)
            with location.only_writer(temporary):
                _fill(temporary, training, details, about)
                location.move(temporary, folder, details.overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except FileError as error:
        # The message names the temporary folder: the user knows the one that was asked for.
        raise FileError(str(error).replace(f"{temporary}", f"{folder}")) from None
    except (OSError, events.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).replace(f"{temporary}", f"{folder}")
        raise FileError(f"{folder}: cannot be written ({reason})") from None


def _fill(temporary: Path, training: Training, details: Details, about: dict[str, Any]) -> None:
    """Write all that a run starts with."""
    if details.encoding is not None:
        manifest.write_json(temporary, manifest.ENCODING, details.encoding)
        about["files"] = _digests(temporary, manifest.ENCODING)
    if about["data"]["copied"]:
        for part, data in (parts_of(training) | dict(details.others)).items():
            stored.copy(temporary, part, data)
    _first_row(temporary, training, about)
    manifest.write(temporary, about)
    sync(temporary)


def conclude(folder: Path, fitted: Fitted, results: Mapping[str, Any]) -> None:
    """Write the results of a training: the model, and the scores and the like into the manifest."""
    model = inside.path_of(folder, manifest.MODEL)
    model_file.write(model, fitted.net, fitted.theta, fitted.history)
    about = manifest.read(folder)
    files = about.get("files", {}) | _digests(folder, manifest.MODEL)
    manifest.write(folder, about | {"files": files} | dict(results))


def tell_recorded(folder: Path, observers: Sequence[AnyCallback]) -> None:
    """Call the `on_recorded` of callbacks: a run's folder is whole."""
    for observer in observers:
        as_callback(observer).on_recorded(folder)


# ── what the manifest says ──────────────────────────────────────────────────────────────────────


def _describe(training: Training, details: Details) -> dict[str, Any]:
    return {
        "id": uuid4().hex,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **details.more,
        **describing.describe(training.plan),
        "engine": training.engine.name,
        "start": training.state.step,
        "log_every": log_every(training.plan) if training.plan.by_steps else 0,
        "layer_statistics": bool(training.layer_statistics),
        "left_out": _left_out(training),
        **({} if training.metrics is None else {"metrics": training.metrics.to_dict()}),
        **environment.describe(),
        "data": _describe_data(training, details),
    }


def _left_out(training: Training) -> dict[str, Any] | None:
    multipliers = training.data.multipliers
    if multipliers is None:
        return None
    return {
        "examples": np.flatnonzero(multipliers == 0).tolist(),
        "rescale": bool(training.data.rescale),
    }


def _describe_data(training: Training, details: Details) -> dict[str, Any]:
    parts = parts_of(training)
    source = details.source
    if source is None:
        places = stored.mapped(training.data) if training.validation is None else None
        source = {"kind": "arrays"} if places is None else {"kind": "mapped", "places": places}
    copied = details.copy_data
    if copied is None:
        copied = sum(map(stored.size, parts.values())) <= stored.SMALL
    validation = training.validation
    every = parts | dict(details.others)
    return {
        **source,
        "copied": bool(copied),
        "several": validation.several if isinstance(validation, ValidationData) else None,
        "sha256": dict(source.get("sha256", {})),
        "rows": {part: len(data.Y) for part, data in every.items()} | dict(source.get("rows", {})),
    }


def parts_of(training: Training) -> dict[str, Data]:
    """Return the data that training sees, by the names of their parts."""
    parts = {TRAINING: training.data}
    if training.validation is not None:
        parts[VALIDATION] = training.validation
    return parts


def _first_row(folder: Path, training: Training, about: dict[str, Any]) -> None:
    """Make the database, with the state that everything follows from."""
    written = snapshots.write(folder, training.state)
    epochs, digest = training.plan.epochs, manifest.plan_digest(about)
    stage = events.Stage(training.state.step, epochs, environment.describe(), digest)
    with events.created(folder / events.NAME) as db:
        events.add_snapshot(db, written)
        events.add_stage(db, stage)


def add_hashes(folder: Path, parts: Mapping[str, Data], db: events.Database) -> None:
    """Write the hashes of the data into the manifest."""
    about = manifest.read(folder)
    about["data"]["sha256"] |= {part: stored.hashes(data) for part, data in parts.items()}
    manifest.write(folder, about)


def _digests(folder: Path, *names: str) -> dict[str, str]:
    return {name: sha256(inside.read(folder, name)) for name in names}
