"""`whygrad train`: find the table, train, write the run, show what came of it."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.text import Text

from whygrad.answers.formatting import clean, counted
from whygrad.cli.arguments import FILE_FORMS, option, read_options, refuse_of_text
from whygrad.cli.options import (
    DATA,
    NOTHING,
    TrainOptions,
    of_a_network,
    settings_of,
    with_file,
)
from whygrad.cli.printing import (
    ended,
    note_lines,
    print_copies,
    print_json,
    print_repeated,
    print_scores,
    printer,
    show_next,
    written,
)
from whygrad.cli.runs import EXIT_INTERRUPTED, standing
from whygrad.engines.xla import following, joined
from whygrad.errors import InputError, nearest
from whygrad.escaping import note
from whygrad.nn.functions import Array
from whygrad.pipeline import datasets
from whygrad.pipeline.comparing import Comparison, compare
from whygrad.pipeline.fit import Result, Source, by_number, find, no_target
from whygrad.pipeline.repeating import Repeated, folds_of, over_folds, over_seeds
from whygrad.pipeline.scores import ClassificationScores, written_share
from whygrad.pipeline.settings import QUALITY, Settings
from whygrad.pipeline.streamed import open_folder
from whygrad.pipeline.streamed.folder import is_folder
from whygrad.record import free_name
from whygrad.record.files.location import check_place
from whygrad.record.folders import train_folder
from whygrad.record.members import record_members
from whygrad.record.rows import add_judgement, record_table
from whygrad.tables import STANDARD_INPUT, TASKS, quoted, stem
from whygrad.training.loop import INTERRUPTED
from whygrad.training.progress import ProgressBar

EXIT_DIVERGED = 1
# The recall of a class below which most of it is missed, and of how many rows.
MISSED, SOME = 0.5, 10


def train(
    file: Annotated[
        str,
        option(
            f"{FILE_FORMS}; or one of digits, iris, wine, breast_cancer, diabetes, mnist, xor, spirals, "
            "moons, circles.",
            name="FILE",
            group=DATA,
        ),
    ],
    /,
    *,
    given: TrainOptions = NOTHING,
    overwrite: Annotated[bool, option("Replace that folder.", group=DATA)] = False,
    copy_data: Annotated[
        bool, option("Put the encoded rows into that folder, however many.", group=DATA)
    ] = False,
    no_comparison: Annotated[
        bool, option("Do not fit simpler models to compare with.", group=DATA)
    ] = False,
    folds: Annotated[
        int | None, option("Train so many times more, each row a test row once.", group=DATA)
    ] = None,
    seeds: Annotated[
        int | None, option("Train with so many seeds, on the same rows.", group=DATA)
    ] = None,
    json: Annotated[bool, option("Print JSON, for other programs.", group=DATA)] = False,
) -> int:
    """Train as the options say, and return the exit code: 130 after Ctrl-C, 1 where the cost diverged."""
    options = with_file(vars(given))
    settings = settings_of(options)
    if options["task"] is not None and options["task"] not in TASKS:
        raise InputError(f"unknown task {options['task']!r}: {nearest(options['task'], TASKS)}")
    seconds = _seconds(options)
    for name, times in (("folds", folds), ("seeds", seeds)):
        if times is not None and times < 2:
            raise InputError(f"{name} is {times}: it must be at least 2")
    if folds is not None and seeds is not None:
        raise InputError("--folds and --seeds exclude each other: give one of them")
    path = _place(file, options["run"], overwrite)
    joined().done(lambda: None if following() else check_place(path, overwrite))
    asked = read_options(options["header"], options["no_header"], options["sheet"])
    if is_folder(file):
        _refuse_for_a_folder(options, copy_data, folds, seeds)
        return _train_folder(file, path, settings, options, overwrite, json)
    source = find(file, options["target"], options["task"], settings.seed, asked)
    if not (settings.quality or of_a_network(options) or (source.images and seconds is None)):
        settings = replace(settings, quality=QUALITY)
    names = source.table.schema.names
    without = tuple(by_number(name, names) for name in settings.leave_out)
    types = {by_number(name, names): kind for name, kind in dict(settings.types).items()}
    settings = replace(settings, leave_out=without, types=types)
    # Chosen before anything is trained: what is wrong with them is told at once.
    chosen = None if folds is None else folds_of(source, settings, folds)
    copy = copy_data or file in STANDARD_INPUT or None  # what was read there is nowhere else
    with standing(path):
        if settings.quality:
            result = record_members(path, source, settings, overwrite, copy, seconds, progress=True)
        else:
            result = record_table(path, source, settings, [ProgressBar()], overwrite, copy)
    stopped = result.stopped
    if stopped == INTERRUPTED:
        note(f"interrupted: {path} holds what training gave so far")
    note_lines(result.encoding.notes, of_a_run=True)
    comparison = repeated = None
    if stopped != INTERRUPTED and not stopped.startswith("diverged"):
        try:
            comparison = None if no_comparison else _compared(result, path)
            compared = not no_comparison
            unseen = replace(settings, metrics=())  # of whose epochs nobody is told
            repeated = _repeated(source, unseen, chosen, seeds, seconds, compared, path)
        except KeyboardInterrupt:
            note(f"interrupted while judging: {path} is whole, but for what was being compared")
    if json:
        more: dict[str, Any] = {"comparison": comparison, "repeated": repeated}
        more = {name: found and found.to_dict() for name, found in more.items()}
        print_json(_summary(result, path) | more)
    else:
        _show_result(result, path, comparison)
        if repeated is not None:
            print_repeated(printer(), repeated)
        show_next(path, len(result.members) > 1, result.scores, stopped)
    return _exit_code(stopped)


def _refuse_for_a_folder(
    options: dict[str, Any], copy_data: bool, folds: int | None, seeds: int | None
) -> None:
    """Raise `InputError` for options that a training on a folder would not follow."""
    all_rows = {"folds": folds, "seeds": seeds, "time-limit": options["time_limit"]}
    for name, value in all_rows.items():
        if value is not None:
            raise InputError(f"--{name} reads all rows at once: a folder has none")
    refuse_of_text(options)
    if copy_data:
        raise InputError(
            "--copy-data copies all rows: a folder may have more than a disk, leave it out"
        )


def _train_folder(
    folder: str,
    path: Path,
    settings: Settings,
    options: dict[str, Any],
    overwrite: bool,
    json: bool,
) -> int:
    """Train on a folder of Parquet files, and show what came of it."""
    if options["target"] is None:
        raise no_target([*open_folder(folder).kinds])
    target, leave_out = options["target"], settings.leave_out
    if any(name.strip().isdecimal() for name in (target, *leave_out)):  # else it is opened once
        names = [*open_folder(folder).kinds]
        target, *out = (by_number(name, names) for name in (target, *leave_out))
        settings = replace(settings, leave_out=tuple(out))
    with standing(path):
        found = train_folder(
            folder, target, task=options["task"], record=path, overwrite=overwrite,
            callbacks=[ProgressBar()], **vars(settings),
        )  # fmt: skip
    note_lines(found.encoding.notes, of_a_run=True)
    stopped, rows = found.fitted.history.stopped, found.about.rows
    if stopped == INTERRUPTED:
        note(f"interrupted: {path} holds what training gave so far")
    if json:
        print_json(
            {
                "run": str(path),
                "target": target,
                "task": found.encoding.task,
                "rows": rows,
                "inputs": list(found.encoding.names),
                "epochs": len(found.fitted.history.epochs),
                "stopped": stopped,
                "seconds": found.seconds,
                "scored_on": found.scored_on,
                "scores": found.scores.to_dict(),
            }
        )
    else:
        console, epochs = printer(), len(found.fitted.history.epochs)
        took = f"{epochs:,} epoch{'s' * (epochs != 1)} in {found.seconds:.1f} s"
        said = f"  {counted(rows['training'])}, {took}"
        console.print(Text.assemble((clean(path.name), "bold"), f"{said}: {ended(stopped)}"))
        console.print()
        what = _what(found.scored_on == "test")
        print_scores(console, found.scores, found.encoding.target, what)
        show_next(path, False, found.scores, stopped)
    return _exit_code(stopped)


def _exit_code(stopped: str) -> int:
    if stopped == INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_DIVERGED if stopped.startswith("diverged") else 0


def _seconds(options: dict[str, Any]) -> float | None:
    """Return the limit of time, checked."""
    given, network = options["time_limit"], of_a_network(options)
    if given is None:
        return None
    if network:
        raise InputError(
            f"time-limit goes with a quality, {network[0]} describes one network: leave one of the two out"
        )
    if not 0 < given < math.inf:
        raise InputError(f"time-limit is {given:g}: it is a number of seconds above 0")
    return given


def _compared(result: Result, path: Path) -> Comparison | None:
    """Return what simpler models give on the test rows, and write it to the run."""
    comparison = compare(result)
    if comparison is not None:
        add_judgement(path, comparison)
        note_lines(comparison.warnings)
    return comparison


def _repeated(
    source: Source,
    settings: Settings,
    folds: Sequence[Array] | None,
    seeds: int | None,
    seconds: float | None,
    compared: bool,
    path: Path,
) -> Repeated | None:
    """Return the scores over folds or seeds, where asked, and write them to the run."""
    if folds is None and seeds is None:
        return None

    def tell(number: int, result: Result) -> None:
        what = f"fold {number} of {len(folds)}" if folds else f"seed {result.settings.seed}"
        note(f"{what}: {written(result.scores)}")

    found = (
        over_folds(source, settings, folds, compared, tell, seconds)
        if folds is not None
        else over_seeds(source, settings, seeds or 0, tell, seconds)
    )
    add_judgement(path, found)
    return found


def _place(file: str, run: str | Path | None, overwrite: bool) -> Path:
    """Return the folder to write: the one named, or the first free one named after the table."""
    if run is not None:
        return Path(run)
    name = file if file in datasets.NAMES else "table" if file in STANDARD_INPUT else stem(file)
    name = name or "table"
    return Path(f"{name}.run") if overwrite else free_name(name, Path())


def _summary(result: Result, path: Path) -> dict[str, Any]:
    """Return the result as what JSON can hold."""
    history = result.fitted.history
    return {
        "run": str(path),
        "target": result.encoding.target.name,
        "task": result.encoding.task,
        "settings": vars(result.settings),
        "rows": {name: len(rows) for name, rows in vars(result.parts).items()},
        "inputs": list(result.encoding.names),
        "notes": list(result.encoding.notes),
        "engine": result.ready.training.engine.name,
        "members": len(result.members),
        "epochs": len(history.epochs),
        "stopped": result.stopped,
        "seconds": result.seconds,
        "scored_on": result.scored_on,
        "scores": result.scores.to_dict(),
    }


def _show_result(result: Result, path: Path, comparison: Comparison | None = None) -> None:
    """Print how good the network is."""
    console = printer()
    parts, history = result.parts, result.fitted.history
    rows = len(parts.training) + len(parts.validation)
    epochs = len(history.epochs)
    stopped = ended(result.stopped)
    if stopped.startswith("diverged"):
        stopped = stopped.partition(":")[0]  # the warning has said where and why
    members = len(result.members)
    each = f"{members} networks averaged, " if members > 1 else ""
    took = f"{each}{epochs:,} epoch{'' if epochs == 1 else 's'} in {result.seconds:.1f} s"
    said = f"  {counted(rows)}, {took}: {stopped}"
    console.print(Text.assemble((clean(path.name), "bold"), said))
    test = len(parts.test) > 0
    console.print()
    print_scores(console, result.scores, result.encoding.target, _what(test), comparison)
    print_copies(console, result.copies, result.scores.rows)
    if not stopped.startswith("diverged"):
        _print_missed(console, result)


def _print_missed(console: Console, result: Result) -> None:
    """Print what finds more of a class, one of two, of which most is missed by a threshold of a half."""
    target, scores = result.encoding.target, result.scores
    if not isinstance(scores, ClassificationScores) or len(target.classes) != 2:
        return
    if target.threshold != 0.5:
        return
    for one in scores.classes:
        if one.rows >= SOME and one.recall is not None and one.recall < MISSED:
            aim = shlex.quote(f"f1:{one.label}")
            console.print(
                f"\nOf class {quoted(str(one.label))} it finds {written_share(one.recall)} only: "
                f"--aim {aim} chooses a threshold that finds more, --class-weight balanced weighs "
                "every class alike."
            )


def _what(test: bool) -> str:
    return "test rows" if test else "training rows (there are no test rows)"
