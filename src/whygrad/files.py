"""Files and folders that are there whole or not at all, whatever happens while they are written.

Content goes to a temporary name, is brought to the disk, and renamed; then the folder's entry is brought to
the disk as well. All that whygrad writes to keep goes through here.
"""

import hashlib
import os
from pathlib import Path
from uuid import uuid4

from whygrad.errors import FileError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises `FileError` where that fails."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        try:
            write_new(temporary, content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror or error})") from None


def refuse_taken(path: Path, overwrite: bool | None = False) -> None:
    """Refuse a file that cannot be written, or is there already, before any work is done.

    With `overwrite` it may be there; None says that there is no such option.
    """
    if not path.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise FileError(f"{path}: a folder, not a file")
    if os.path.lexists(path) and not overwrite:
        hint = "" if overwrite is None else ", or --overwrite it"
        raise FileError(f"{path}: exists already: choose another name{hint}")


def replace_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all for those who read it now; a crash of the machine may lose it.

    Raises `FileError` where that fails.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, and bring it to the disk; raises `OSError`."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Bring the content of a file that is there to the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system lets folders be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(content: bytes | memoryview) -> str:
    """Give the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
