"""Runs on tables: recorded, applied to rows, and scored.

Rows come as a CSV or Parquet file, the name of a data set, or a pandas, polars or arrow frame; columns are
found by name, in any order. A row has the same prediction to the last bit, whichever rows stand beside it.
"""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import InputError, WhygradError, warn
from whygrad.fitted import Ensemble, Fitted, averaged, fitted_of
from whygrad.nn import Array, Data
from whygrad.pipeline import datasets
from whygrad.pipeline.comparing import Comparison, measured_before
from whygrad.pipeline.fit import (
    Prepared,
    Result,
    Source,
    find,
    judge_values,
    options_of,
    predict,
    prepare_training,
    result_of,
    scored,
    truth,
    with_threshold,
)
from whygrad.pipeline.repeating import Repeated
from whygrad.pipeline.scores import Scores
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed import again, open_folder, score
from whygrad.pipeline.streamed.folder import is_address, is_folder, with_rows
from whygrad.plan.plan import State
from whygrad.record.files import manifest
from whygrad.record.files.inside import TEST, TRAINING
from whygrad.record.folder import Details, conclude, train_and_record
from whygrad.record.recorded import Recorded
from whygrad.record.source import (
    FOLDER,
    check_own,
    prepare_again,
    read_again,
    streaming_of,
    training_data,
    true_values,
    validation_data,
)
from whygrad.tables import (
    STANDARD_INPUT,
    WORKBOOK,
    Oddities,
    ReadOptions,
    Target,
    as_table,
    batches,
    ending,
    far_values,
    quoted,
)
from whygrad.tables.cells import no_number
from whygrad.tables.columns import as_column, refuse_missing
from whygrad.training.callbacks import AnyCallback, StepController, waited
from whygrad.training.epochs import History
from whygrad.training.side_by_side import warm_up

ROWS = 8192  # that are in memory at a time
MOST_COMPARED = 10**6  # rows, of training too


def record_table(
    path: Path,
    source: Source,
    given: Settings,
    observers: Sequence[AnyCallback] = (),
    overwrite: bool = False,
    copy_data: bool | None = None,
) -> Result:
    """Train a network on a table, score it, and record all of it in a new folder."""
    ready = prepare_training(source, given)
    warm_up(ready.training)
    return record_prepared(path, ready, observers, overwrite, copy_data)


def record_prepared(
    path: Path,
    ready: Prepared,
    observers: Sequence[AnyCallback] = (),
    overwrite: bool = False,
    copy_data: bool | None = None,
    controller: StepController | None = None,
) -> Result:
    """Train on a prepared table, score the network, and record all of it in a new folder."""
    details = details_of(ready, overwrite, copy_data)
    began = time.perf_counter()
    state, history = train_and_record(
        path, ready.training, details, observers, controller=controller
    )
    took = time.perf_counter() - began - waited(controller)
    found = result_of(ready, state, history, took)
    conclude(path, fitted_of(ready.training.plan, state, history), results_of(found))
    return found


def details_of(ready: Prepared, overwrite: bool, copy_data: bool | None) -> Details:
    """Return what the folder of a run on a table holds besides the training."""
    target = ready.encoding.target
    return Details(
        overwrite,
        copy_data,
        more={
            "target": target.name,
            "task": target.task,
            "settings": asdict(ready.settings),
            "scored_on": TEST if len(ready.parts.test) else TRAINING,
        },
        source=ready.source.about,
        others={TEST: ready.test},
        encoding=ready.encoding.to_dict(),
    )


def results_of(found: Result) -> dict[str, Any]:
    """Return what the manifest says of a finished training on a table."""
    return {
        "seconds": found.seconds,
        "baseline": found.baseline,
        **({"threshold": found.encoding.target.threshold} if found.settings.aim else {}),
        "scored_on": found.scored_on,
        "scores": found.scores.to_dict(),
        # The other members of an ensemble have the same test rows.
        "copies": found.copies and found.copies.to_dict() if found.settings.member == 1 else None,
    }


def add_judgement(path: Path, more: Comparison | Repeated) -> None:
    """Write what a finished run on a table was compared with, or its spread, into its manifest."""
    name = "comparison" if isinstance(more, Comparison) else "repeated"
    manifest.write(path, manifest.read(path) | {name: more.to_dict()})


def results_again(run: Recorded, state: State, history: History) -> dict[str, Any]:
    """Return the results of a run that went on; without scores where the rows are gone.

    What it was compared with stays beside it, measured on the same rows; its spread is forgotten.
    """
    found = {"copies": None} | _results_again(run, state, history)
    beside = run.comparison if found["scores"] is not None else None
    comparison = None if beside is None else measured_before(beside).to_dict()
    return found | {"comparison": comparison, "repeated": None}


def _results_again(run: Recorded, state: State, history: History) -> dict[str, Any]:
    own = fitted_of(run.plan, state, history)
    try:
        if run.manifest["data"]["kind"] == FOLDER:
            return score(streaming_of(run), own).to_dict()
        rows = read_again(run)
        if isinstance(rows, Data):
            return _results_of_copies(run, run.each(own), rows)
        table, encoding, parts = prepare_again(run)
    except (InputError, OSError):
        return {"scores": None}
    source = Source(table, run.target, run.manifest["data"], encoding.task)
    held_out, dtype = table.take(parts.test), run.plan.dtype
    test = Data(encoding.encode(held_out, dtype), encoding.targets(held_out, dtype))
    ready = Prepared(source, run.settings, table, encoding, parts, run.training(state), test)
    return results_of(scored(ready, run.each(own), 0.0))


def _results_of_copies(run: Recorded, fits: Sequence[Fitted | None], rows: Data) -> dict[str, Any]:
    """Return the results of a run whose table is gone: of the encoded rows that it holds."""
    target, more = run.encoding.target, {}
    if run.settings.aim:
        kept = validation_data(run)
        assert kept is not None, "an aim takes validation rows"
        data = {"training": training_data(run), "validation": kept}
        target, _ = with_threshold(target, run.settings, data, fits)
        more = {"threshold": target.threshold}
    return more | {"scores": _scores(run, averaged(fits), rows, target).to_dict()}


# ── applied to rows ───────────────────────────────────────────────────────────────────────────────────────


def outputs(
    run: Recorded,
    data: Any,
    notes: list[str] | None = None,
    *,
    targets: bool = False,
    asked: ReadOptions | None = None,
    keep: Collection[str] | None = (),
    start: int = 0,
    odd: Oddities | None = None,
) -> Iterator[tuple[Array, Any]]:
    """Yield the network's outputs, (rows, n_L), beside the rows they are of, in pieces.

    The target's column in a file is read only with `targets`; otherwise it may hold anything. `keep` names
    more columns that the rows are to have, None means all of the file. `notes` gets, at the end, lines on
    columns with cells that are not as in training; without it there are warnings. With `odd` there is
    neither: it counts these cells, in a part of a table before which `start` rows came. A file is read as
    that of training was unless `asked` says otherwise.
    """
    met = Oddities() if odd is None else odd
    for table in _pieces(run, data, targets, asked, keep):
        X = run.encoding.encode(table, run.theta.flat.dtype, start, met)
        yield predict(run.average, X, start), table
        start += table.num_rows
    if odd is not None:
        return
    if notes is not None:
        notes += run.encoding.oddities(met)
    else:
        for line in run.encoding.oddities(met, gaps=False):
            warn(line)


def _pieces(
    run: Recorded,
    data: Any,
    targets: bool,
    asked: ReadOptions | None,
    keep: Collection[str] | None,
) -> Iterator[Any]:
    if isinstance(data, str) and data in datasets.NAMES:
        table = find(data, seed=run.settings.seed).table
    elif isinstance(data, str | PathLike):
        needed = [column.name for column in run.encoding.columns]
        wanted = [*(run.encoding.kinds if targets else needed), *(keep or ())]
        needed += keep or ()
        asked = _reading_of(run, data, asked)
        if is_address(data):
            folder = open_folder(data)
            refuse_missing([*folder.kinds], needed)
            names = [name for name in folder.kinds if keep is None or name in wanted]
            for at in range(len(folder.groups)):
                group = folder.group(at, names)
                yield from (group.slice(i, ROWS) for i in range(0, group.num_rows, ROWS))
            return
        for file in [place for place, _ in with_rows(data)] if is_folder(data) else [data]:
            yield from batches(f"{file}", ROWS, None if keep is None else wanted, needed, asked)
        return
    else:
        table = as_table(data)
        if table.num_rows == 0:
            raise InputError("the frame has no rows")
    refuse_missing(table.column_names, keep or ())
    for start in range(0, table.num_rows, ROWS):
        yield table.slice(start, ROWS)


def _reading_of(run: Recorded, data: Any, asked: ReadOptions | None) -> ReadOptions:
    """Return how a file is read: as that of training was, unless something else is asked for."""
    if asked is not None:
        return asked
    found = options_of(run.manifest["data"])
    if not ending(str(data)).startswith(WORKBOOK):
        # That training read a workbook is no reason.
        found = replace(found, sheet=None)
    return found


def _scores(run: Recorded, fitted: Fitted | Ensemble, rows: Data, target: Target) -> Scores:
    """Return the scores of rows that are encoded already."""
    true = true_values(target, rows)
    return judge_values(target, predict(fitted, rows.X), true, _baseline(run.manifest))


def measure(
    run: Recorded,
    data: Any,
    notes: list[str] | None = None,
    asked: ReadOptions | None = None,
) -> tuple[Scores, int]:
    """Return the scores of rows, and how many were left out as they have no value of the target.

    `notes` gets lines on what is odd about the rows; `asked` is as of `outputs`.
    """
    if isinstance(data, Data):
        return _scores(run, run.average, data, run.encoding.target), 0
    target = run.encoding.target
    a: list[Array] = []
    true: list[Array] = []
    there: list[Array] = []
    odd = Oddities()
    for given, table in outputs(run, data, notes, targets=True, asked=asked):
        start = sum(map(len, there))
        present, strange = target.look(table)
        odd.add(target.name, "odd", strange, table.column(target.name), start)
        there.append(present)
        a.append(given[present])
        true.append(truth(target, table.filter(present), start))
    values, rows = np.concatenate(true), np.flatnonzero(np.concatenate(there))
    if len(rows) == 0:
        raise InputError(f"no row has a value of the target {target.name!r}: nothing to score")
    if notes is not None and (found := odd.said(target.name, "odd")):
        what = no_number(found[2])
        notes.append(f"target {quoted(target.name)} is {what} in {found[1]}, {found[2]}")
    if notes is not None and target.task == "regression":
        notes += far_values(values, rows, target.name)
    scores = judge_values(target, np.concatenate(a), values, _baseline(run.manifest))
    return scores, sum(map(len, there)) - len(rows)


def rows_seen(run: Recorded, data: str, n: int, asked: ReadOptions | None = None) -> int:
    """Return how many of the n rows of a file or data set training has seen.

    None, unless it is the table of the run, wherever it lies now: of as many rows, and with the recorded
    hashes once they are set aside and encoded as those were. `asked` is as of `outputs`.
    """
    rows, kind = run.manifest["data"]["rows"], run.manifest["data"]["kind"]
    if n != sum(rows.values()) or data in STANDARD_INPUT:
        return 0
    try:
        if kind == FOLDER:
            check_own(run, again(open_folder(data), run.settings, run.encoding, run.first_plan))
        else:
            how = _reading_of(run, data, asked)
            check_own(run, find(data, run.target, run.encoding.task, run.settings.seed, how))
    except WhygradError:
        return 0
    return n - rows.get(TEST, 0)


def rows_alike(run: Recorded, data: str, n: int, asked: ReadOptions | None = None) -> int:
    """Return how many of the n rows of a file have inputs and target of a row that training has seen.

    None, unless these are more than chance has it, by three standard deviations: new rows are as often like
    those of training as these are like one another. Of rows that are gone, or more than memory may hold,
    nothing is known. `asked` is as of `outputs`.
    """
    rows, kind = run.manifest["data"]["rows"], run.manifest["data"]["kind"]
    most = max(n, *rows.values())
    if data in STANDARD_INPUT or kind == FOLDER or most > MOST_COMPARED:
        return 0
    dtype, alike, start = run.theta.flat.dtype, 0, 0
    try:
        parts = [training_data(run), validation_data(run)]
        known = Counter(row for part in parts if part is not None for row in _rows(part.X, part.Y))
        for table in _pieces(run, data, True, asked, ()):
            table = table.filter(as_column(run.encoding.target.present(table)))
            X, Y = (of(table, dtype, start) for of in (run.encoding.encode, run.encoding.targets))
            alike += sum(row in known for row in _rows(X, Y))
            start += table.num_rows
    except WhygradError:
        return 0
    twins = sum(count for count in known.values() if count > 1) / known.total()
    chance = n * twins
    return alike if alike > chance + 3 * math.sqrt(chance * (1 - twins)) else 0


def _rows(X: Array, Y: Array) -> Iterator[bytes]:
    """Yield each row of X and Y as bytes."""
    for row in np.hstack([X, Y]):
        yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def _baseline(about: Mapping[str, Any]) -> Any:
    if "baseline" not in about:
        raise InputError("its training has not ended: resume it before it is scored")
    return about["baseline"]
