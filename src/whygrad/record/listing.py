"""The runs of a folder as rows of a list, and what becomes of them: renamed, put aside, put back.

A run that is put aside lies in `.trash` beside the others, as it was. One that is being written is neither
renamed nor put aside: the lock of its folder says so.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from whygrad.errors import FileError, InputError, WhygradError
from whygrad.nn.network import count
from whygrad.pipeline.scores import Scores
from whygrad.record.files.location import ENDING, MANIFEST, check_place, free_name, only_writer
from whygrad.record.run import Run, open_run

TRASH = ".trash"
LONGEST = 100  # characters of a name


@dataclass(frozen=True, eq=False)
class Listed:
    """A run in a list.

    Parameters
    ----------
    path : Path
        Its folder.
    run : Run or None
        The run, None where it cannot be opened.
    error : str
        Why it cannot be, or "".
    """

    path: Path
    run: Run | None = None
    error: str = ""

    @property
    def scores(self) -> Scores | None:
        """The scores at its end, where it has any."""
        return None if self.run is None else self.run.scores

    @property
    def score(self) -> float | None:
        """Its accuracy or its R², greater for a better run; None where neither was measured."""
        found = self.scores
        return None if found is None else found.score

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(one.lstat().st_size for one in self.path.rglob("*") if not one.is_dir())


def listed(path: Path) -> Listed:
    """Return a run for a list; one that cannot be opened says why, and hides no other."""
    try:
        run = open_run(path)
        _ = run.history, run.scores
    except (WhygradError, OSError) as error:
        return Listed(path, error=str(error))
    return Listed(path, run)


def layers_of(run: Run) -> str:
    """Return the network of a run in short: "4-16-8-3 tanh, 235 parameters"."""
    functions = dict.fromkeys(layer.f.name for layer in run.net.layers[:-1])
    sizes = "-".join(map(str, run.net.sizes))
    return f"{sizes} {' '.join(functions)}".rstrip() + f", {count(run.net.sizes):,} parameters"


def settings_of(run: Run) -> str:
    """Return the training of a run in short: "adam 0.01, batches of 32, l2 0.0001, seed 0"."""
    plan = run.plan
    rate = getattr(plan.optimizer, "learning_rate", None)
    rule = type(plan.optimizer).__name__.lower() + ("" if rate is None else f" {rate:g}")
    penalties = [
        f"{n} {p.strength:.3g}" for n, p in (("l1", plan.l1), ("l2", plan.l2)) if p.strength
    ]
    return ", ".join([rule, f"batches of {plan.batch_size}", *penalties, f"seed {plan.seed}"])


def rename(path: Path, name: str) -> Path:
    """Rename a run within its folder.

    Parameters
    ----------
    path : Path
        The run.
    name : str
        Its new name, with or without `.run`.

    Returns
    -------
    Path
        Where it lies now.

    Raises
    ------
    InputError
        The name is no name of a file.
    FileError
        The name is taken, and where the run is being written.
    """
    stem = name.strip().removesuffix(ENDING)
    if not stem or len(stem) > LONGEST or stem.startswith(".") or set(stem) & set("/\\:\0"):
        raise InputError(
            f"{name!r:.120}: no name for a run: 1 to {LONGEST} characters, without / \\ : "
            "and no dot at its beginning"
        )
    if not stem.isprintable():
        raise InputError(f"{name!r:.120}: no name for a run: it holds what cannot be printed")
    new = path.with_name(f"{stem}{ENDING}")
    if new != path:
        check_place(new)
        _move(path, new)
    return new


def put_aside(path: Path) -> Path:
    """Put a run into the trash of its folder; return where it lies now.

    Raises
    ------
    FileError
        It is no run, or is being written.
    """
    trash = path.parent / TRASH
    if trash.is_symlink():
        raise FileError(f"{trash}: is a link: nothing is put there")
    trash.mkdir(exist_ok=True)
    new = free_name(path.stem, trash)
    _move(path, new)
    return new


def put_back(path: Path) -> Path:
    """Put a run back from the trash, under its name or the next free one; return where it lies now."""
    new = free_name(path.stem, path.parent.parent)
    _move(path, new)
    with suppress(OSError):  # others lie in it
        path.parent.rmdir()
    return new


def in_trash(folder: Path) -> list[Path]:
    """Return the runs in the trash of a folder, the last put aside first."""
    trash = folder / TRASH
    if trash.is_symlink() or not trash.is_dir():
        return []
    found = [path for path in trash.iterdir() if path.suffix == ENDING and not path.is_symlink()]
    return sorted(found, key=lambda one: (-one.lstat().st_ctime_ns, one.name))


def _move(path: Path, new: Path) -> None:
    if path.is_symlink() or path.suffix != ENDING or not (path / MANIFEST).is_file():
        raise FileError(f"{path}: not the folder of a run: it stays where it is")
    with only_writer(path):
        try:
            path.rename(new)
        except OSError as error:
            raise FileError(f"{path}: cannot be moved to {new.name} ({error.strerror})") from None
