"""Opening a run: its folder is looked at and its parts are checked; no data are read."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from whygrad.errors import FileError, InputError, nearest_file
from whygrad.record.files import events, manifest
from whygrad.record.run import Run


def open_run(
    path: str | PathLike[str],
    own: Sequence[Any] = (),
    data: tuple[Any, ...] | None = None,
    validation: tuple[Any, ...] | None = None,
) -> Run:
    """Open a run that `whygrad train`, or `record=` of a training, has written, or is writing.

    Parameters
    ----------
    path : the folder.
    own : the user's own costs, activations, optimizers and schedules that it uses: code is not stored.
    data : the training examples, (X, Y) or (X, Y, weights), where they lay in memory and were not copied.
    validation : the same of those measured after every epoch.

    Raises `FileError` for a folder that is missing, is no run, is damaged, or of a newer schema.

    >>> run = open_run("houses.run")           # doctest: +SKIP
    >>> run.state(step=1000).theta             # doctest: +SKIP
    """
    folder = Path(path)
    _check_folder(folder)
    about = manifest.read(folder)
    run = Run(folder, about, tuple(own), data, validation)
    try:
        _check_record(run)
        sizes = run.net.sizes
        if run.fitted.net.sizes != sizes:
            raise FileError(f"{folder}: damaged, its parameters do not fit its network")
        if run.on_table:
            _check_table(run)
        return run
    except InputError as error:
        raise FileError(f"{folder}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder}: damaged, its description cannot be used ({error})") from None


def _check_record(run: Run) -> None:
    """See that manifest and database are of one training, and agree on whether it has ended."""
    try:
        with events.reading(run.path / events.NAME) as db:
            _, ended = events.stages(db), events.ended(db)
    except FileError:  # is told when it is needed: history and parameters may be there without
        return
    run.stages()
    if run.concluded and ended is None and manifest.read(run.path) == run.manifest:
        raise FileError(
            f"{run.path}: damaged, {events.NAME} does not know the end that {manifest.NAME} tells of"
        )


def _check_table(run: Run) -> None:
    """See that the network, the table's columns and the scores fit one another."""
    _, scores, encoding, sizes = run.settings, run.scores, run.encoding, run.net.sizes
    if (sizes[0], sizes[-1]) != (len(encoding.names), encoding.target.n_outputs):
        raise FileError(f"{run.path}: damaged, its network does not fit its columns")
    about, classes = run.manifest, encoding.classes
    if (about["target"], about["task"]) != (encoding.target.name, encoding.task):
        raise FileError(f"{run.path}: damaged, its target is not that of its columns")
    said = [] if scores is None else [one.label for one in getattr(scores, "classes", ())]
    said += [about["trivial"]] if classes and "trivial" in about else []
    if not set(said) <= set(classes) or (scores is not None and bool(said) != bool(classes)):
        raise FileError(f"{run.path}: damaged, its scores are of other classes than its columns")


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        exists = folder.exists()
    except (OSError, ValueError) as error:
        raise FileError(f"{folder!s:.200}: cannot be read ({error})") from None
    if exists:
        raise FileError(f"{folder}: a file, not a run: a run is a folder whose name ends in .run")
    try:
        others = [other.name for other in folder.parent.iterdir() if other.suffix == ".run"]
    except OSError:
        others = []
    hint = nearest_file(folder.name, others) or "`whygrad runs` lists those in a folder"
    raise FileError(f"{folder}: there is no such run: {hint}")
