"""Where a run lies: its name, who may write to it, and on which kind of file system."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from whygrad.errors import FileError
from whygrad.files import sync
from whygrad.record.files import inside

ENDING = ".run"
MANIFEST = inside.MANIFEST
MINUTE = 60.0  # seconds

# File systems that other machines write to as well: SQLite's shared memory does not reach those.
NETWORKED = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "gpfs",
    "gfs",
    "ocfs",
    "glusterfs",
)
MOUNTS = Path("/proc/self/mountinfo")


def free_name(stem: str, folder: Path) -> Path:
    """Return the first of STEM.run, STEM-2.run, … that is not taken.

    Parameters
    ----------
    stem : str
        How the name begins.
    folder : Path
        Where the run is to lie.

    Returns
    -------
    Path
        A path in `folder` where nothing is.

    Examples
    --------
    >>> free_name("iris", Path("/nowhere")).name
    'iris.run'
    """
    path, number = folder / f"{stem}{ENDING}", 2
    while os.path.lexists(path):
        path, number = folder / f"{stem}-{number}{ENDING}", number + 1
    return path


def check_place(path: Path, overwrite: bool = False) -> None:
    """Raise `FileError` for a path that a run cannot be written to, before any work is done."""
    if path.suffix != ENDING or path.name == ENDING:
        raise FileError(f"{path}: a run is a folder whose name ends in {ENDING}, such as iris.run")
    if not path.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path}: the folder {path.parent} cannot be written to")
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileError(
            f"{path}: exists already: choose another name, or --overwrite it (overwrite=True)"
        )
    if path.is_symlink() or not path.is_dir() or not inside.exists(path, MANIFEST):
        raise FileError(f"{path}: exists and is not a run: it is not overwritten")
    for name in inside.strangers(path):
        raise FileError(
            f"{path}: holds {name!r:.99}, which is no file of a run and would go with it: move it "
            "elsewhere, then --overwrite the run"
        )


def move(new: Path, path: Path, overwrite: bool) -> None:
    """Move a finished folder to its name; with `overwrite` it replaces an older run of that name."""
    if not overwrite or not path.exists():
        new.rename(path)
    else:
        old = new.with_name(f"{new.name}.old")
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    sync(path.parent)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Lock a run for writing; raises `FileError` where another process holds the lock.

    The lock is on the folder itself and ends with the process, however that ends. Where the system has no
    such locks, nothing is held.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError(
                f"{folder}: is being written by another process: wait until that has ended"
            ) from None
        except OSError:  # a file system that knows no locks
            pass
        yield
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove what a kill left beside a run's folder while that was being made, or replaced.

    Whoever makes a folder holds its lock: what is locked, or where no locks are, or was touched within the
    last minute, stays. An older run on its way out goes only where the newer one is in its place.
    """
    try:
        import fcntl
    except ImportError:
        return
    pattern = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]{32}(\.old)?")
    for other in list(path.parent.iterdir()):
        found = pattern.fullmatch(other.name)
        if (
            not found
            or other.is_symlink()
            or not other.is_dir()
            or (found[1] and not path.exists())
        ):
            continue
        with suppress(OSError):
            if time.time() - other.stat().st_mtime < MINUTE:
                continue
            handle = os.open(other, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(handle)


def on_network(path: Path) -> bool:
    """Return whether a path lies on a file system that other machines write to as well."""
    best, kind = "", ""
    with suppress(OSError):
        real = os.path.realpath(path)
        for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
            fields, _, rest = line.partition(" - ")
            mount = fields.split()[4].replace("\\040", " ")
            within = real == mount or real.startswith(mount.rstrip("/") + "/")
            if within and len(mount) >= len(best):
                best, kind = mount, rest.split()[0]
    return kind.removeprefix("fuse.").startswith((*NETWORKED, "sshfs", "rclone", "s3fs"))
