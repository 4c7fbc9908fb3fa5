"""Writing a run: a folder that is there whole or not at all.

It is written under a temporary name beside its place and renamed once every file is on the disk.
"""

import json
import os
import shutil
from pathlib import Path
from uuid import uuid4

from whygrad.errors import FileError
from whygrad.fitting import Learned
from whygrad.record import manifest
from whygrad.saving import save

ENDING = ".run"


def free_name(stem: str, folder: Path) -> Path:
    """Give the first of STEM.run, STEM-2.run, … that is not taken."""
    path, number = folder / f"{stem}{ENDING}", 2
    while os.path.lexists(path):
        path, number = folder / f"{stem}-{number}{ENDING}", number + 1
    return path


def check_place(path: Path, overwrite: bool = False) -> None:
    """Refuse a place that a run cannot be written to, before any work is done."""
    if path.suffix != ENDING or path.name == ENDING:
        raise FileError(f"{path}: a run is a folder whose name ends in {ENDING}, such as iris.run")
    if not path.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path}: the folder {path.parent} cannot be written to")
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileError(f"{path}: exists already: choose another name, or --overwrite it")
    if path.is_symlink() or not (path / manifest.NAME).is_file():
        raise FileError(f"{path}: exists and is not a run: it is not overwritten")


def write(learned: Learned, path: Path, overwrite: bool = False) -> None:
    """Write a training to a new folder; an older run there is replaced where `overwrite` says so.

    Raises `FileError` where the place is taken or cannot be written to; nothing is left behind then.
    """
    check_place(path, overwrite)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        try:
            temporary.mkdir()
            save(learned.fitted, temporary / manifest.MODEL)
            _write_json(temporary / manifest.ENCODING, learned.encoding.to_dict())
            files = [temporary / name for name in (manifest.MODEL, manifest.ENCODING)]
            _write_json(temporary / manifest.NAME, manifest.describe(learned, files))
            _sync(temporary)
            _rename(temporary, path, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        # What others report names the temporary folder: the place that was asked for says more.
        reason = error.strerror or str(error).replace(f"{temporary}", f"{path}")
        raise FileError(f"{path}: cannot be written ({reason})") from None


def _rename(new: Path, path: Path, overwrite: bool) -> None:
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
    _sync(path.parent)


def _write_json(path: Path, about: object) -> None:
    content = json.dumps(about, indent=1, allow_nan=False, ensure_ascii=False)
    with path.open("xb") as file:
        # A file name that is no text has surrogates in it: they become the escapes that JSON knows.
        file.write(f"{content}\n".encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system lets folders be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
