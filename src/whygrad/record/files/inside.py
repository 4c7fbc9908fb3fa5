"""The files in a run's folder: named, read, written, listed and removed here, and nowhere else.

A run may come from a stranger. A file in it is known by its name, one of those that a recording gives, so
that no path leads out; no link is followed; and only regular files are opened, so that no pipe or device
makes anyone wait. What has another name is the user's own, and stays as it is.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from whygrad.errors import FileError
from whygrad.files import replace_whole, sync, write_atomically

MANIFEST = "manifest.json"
ENCODING = "encoding.json"
MODEL = "model.safetensors"
LIVE = "live.safetensors"
EVENTS = "events.sqlite"
SNAPSHOTS = "snapshots"
DATA = "data"
MEMBERS = "members"  # of an ensemble: the runs of all networks but the first

# The parts of the data: what is trained on, measured after every epoch, and scored once at the end.
TRAINING, VALIDATION, TEST = PARTS = ("training", "validation", "test")
DATABASE = re.compile(rf"{re.escape(EVENTS)}(-wal|-shm|-journal)?")
WHOLE = "|".join(
    [
        *map(re.escape, (MANIFEST, ENCODING, MODEL, LIVE)),
        rf"{SNAPSHOTS}/[0-9]{{9,18}}\.safetensors",
        rf"{DATA}/({'|'.join(PARTS)})_(X|y|sample_weight|X_(data|indices|indptr|shape))\.npy",
    ]
)
FILES = re.compile(WHOLE)
MEMBER = re.compile(r"[0-9]{1,9}\.run|\.[0-9]{1,9}\.run\.[0-9a-f]{32}")  # the latter is being made
# What a file is written to before it has its name: a point, the name, and a number of its own.
HALF_WRITTEN = re.compile(r"(?P<folder>\w+/)?\.(?P<name>.+)\.[0-9a-f]{32}")
OPEN = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # those that the system has
    OPEN |= getattr(os, _flag, 0)


def _is_ours(name: str) -> bool:
    """Return whether a file of this name, relative to the run's folder, is one of a recording."""
    half = HALF_WRITTEN.fullmatch(name)
    whole = name if half is None else (half["folder"] or "") + half["name"]
    return FILES.fullmatch(whole) is not None or DATABASE.fullmatch(name) is not None


def is_half_written(name: str) -> bool:
    """Return whether it is the name of a file that a kill left before it was renamed."""
    return _is_ours(name) and HALF_WRITTEN.fullmatch(name) is not None


def snapshot_name(step: int) -> str:
    """Return the name of the snapshot after `step` updates."""
    return f"{SNAPSHOTS}/{step:09d}.safetensors"


def path_of(run: Path, name: str) -> Path:
    """Return the path of a file, which may be missing; raises `FileError` for one that is not a run's."""
    if not _is_ours(name):
        raise FileError(f"{run}: {name!r:.99} is no file of a run")
    folder = name.rpartition("/")[0]
    if folder:
        _check(run, folder, stat.S_ISDIR, "a folder")
    _check(run, name, stat.S_ISREG, "a regular file")
    return run / name


def member_of(run: Path, number: int) -> Path:
    """Return the folder of member 2, 3, …, which may be missing; raises `FileError` for a link."""
    name = f"{MEMBERS}/{number}.run"
    for folder in (MEMBERS, name):
        _check(run, folder, stat.S_ISDIR, "a folder")
    return run / name


def exists(run: Path, name: str) -> bool:
    """Return whether a file is there; raises `FileError` for what is not a run's own."""
    return os.path.lexists(path_of(run, name))


def read(run: Path, name: str) -> bytes:
    """Read a file; raises `FileError` where it is missing or not a regular file, or cannot be read."""
    content = read_if_there(run, name)
    if content is None:
        raise FileError(f"{run}: {name} is missing")
    return content


def read_if_there(run: Path, name: str) -> bytes | None:
    """Read a file as `read` does, or return None where it is missing, or gone by now."""
    path = path_of(run, name)
    try:
        with open(os.open(path, OPEN), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileError(f"{run}: {name} is not a regular file")
            return file.read()
    except FileNotFoundError:
        return None
    except FileError:
        raise
    except OSError as error:
        raise _unreadable(run, name, error) from None


def size(run: Path, name: str) -> int | None:
    """Return the number of bytes of a file, or None where it is missing."""
    try:
        return path_of(run, name).lstat().st_size
    except FileNotFoundError:
        return None


def write(run: Path, name: str, content: bytes) -> None:
    """Write a file whole or not at all; it is on the disk when this returns."""
    write_atomically(path_of(run, name), content)


def show(run: Path, name: str, content: bytes) -> None:
    """Write a file whole or not at all for those who read it now; a crash of the machine may lose it."""
    replace_whole(path_of(run, name), content)


def remove(run: Path, name: str) -> None:
    """Remove a file, if it is there."""
    path = path_of(run, name)
    if path.exists():
        path.unlink(missing_ok=True)
        sync(path.parent)


def names(run: Path) -> list[str]:
    """List the regular files that are a run's."""
    return sorted(name for name, regular in _listed(run) if regular and _is_ours(name))


def strangers(run: Path) -> list[str]:
    """List what else lies in a run's folder and in its members': the user's own files, and links."""
    return sorted(_strange(run))


def _strange(run: Path) -> Iterator[str]:
    for name, regular in _listed(run):
        if regular and _is_ours(name):
            continue
        folder = run / name
        if name != MEMBERS or folder.is_symlink() or not folder.is_dir():
            yield name
            continue
        for entry in os.scandir(folder):
            within = f"{MEMBERS}/{entry.name}"
            if MEMBER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield from (f"{within}/{one}" for one in strangers(Path(entry.path)))
            else:
                yield within


def _listed(run: Path) -> Iterator[tuple[str, bool]]:
    for entry in os.scandir(run):
        if entry.name in (SNAPSHOTS, DATA) and entry.is_dir(follow_symlinks=False):
            for inner in os.scandir(entry.path):
                yield f"{entry.name}/{inner.name}", inner.is_file(follow_symlinks=False)
        else:
            yield entry.name, entry.is_file(follow_symlinks=False)


def _check(run: Path, name: str, right: object, what: str) -> None:
    try:
        mode = (run / name).lstat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _unreadable(run, name, error) from None
    if stat.S_ISLNK(mode):
        raise FileError(
            f"{run}: {name} is a link, and a run is read and written without following any"
        )
    if not right(mode):  # type: ignore[operator]
        raise FileError(f"{run}: {name} is not {what}")


def _unreadable(run: Path, name: str, error: Exception) -> FileError:
    return FileError(f"{run}: {name} cannot be read ({getattr(error, 'strerror', None) or error})")
