"""Opening a run: its folder is looked at and its parts are checked; no data are read."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from whygrad.errors import FileError, InputError, nearest_file
from whygrad.record import manifest
from whygrad.record.run import Run


def open_run(
    path: str | PathLike[str],
    own: Sequence[Any] = (),
    data: tuple[Any, ...] | None = None,
    held_out: tuple[Any, ...] | None = None,
) -> Run:
    """Open a run that `whygrad train`, or `record=` of a training, has written, or is writing.

    Parameters
    ----------
    path : the folder.
    own : the user's own costs, activations, optimizers and schedules that it uses: code is not stored.
    data : the training examples, (X, Y) or (X, Y, weights), where they lay in memory and were not copied.
    held_out : the same of those measured after every epoch.

    Raises `FileError` for a folder that is missing, is no run, is damaged, or of a newer schema.

    >>> run = open_run("houses.run")           # doctest: +SKIP
    >>> run.state(step=1000).theta             # doctest: +SKIP
    """
    folder = Path(path)
    _check_folder(folder)
    about = manifest.read(folder)
    run = Run(folder, about, tuple(own), data, held_out)
    try:
        sizes = run.net.sizes
        if run.fitted.net.sizes != sizes:
            raise FileError(f"{folder}: damaged, its parameters do not fit its network")
        if run.on_table:
            _, _, encoding = run.settings, run.scores, run.encoding
            if (sizes[0], sizes[-1]) != (len(encoding.names), encoding.target.n_outputs):
                raise FileError(f"{folder}: damaged, its network does not fit its columns")
        return run
    except InputError as error:
        raise FileError(f"{folder}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder}: damaged, its description cannot be used ({error})") from None


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
