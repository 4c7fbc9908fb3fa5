"""Files and folders that are there whole or not at all, whatever happens while they are written.

Content goes to a temporary name, is brought to the disk, and renamed; then the folder's entry is brought to
the disk as well. All that whygrad writes to keep goes through here.
"""

import hashlib
import json
import math
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from whygrad.errors import FileError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises `FileError` where that fails."""
    with _replacing(path) as temporary:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)


def refuse_taken(path: Path, overwrite: bool | None = False, ending: str = "") -> None:
    """Reject a file that cannot be written, or is there already, before any work is done.

    With `overwrite` it may be there; None says that there is no such option. With an `ending` its name has
    to end so.
    """
    if ending and path.suffix.lower() != ending:
        raise FileError(f"{path}: the name must end in {ending}")
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
    with _replacing(path) as temporary:
        temporary.write_bytes(content)
        os.replace(temporary, path)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Lend the name of a temporary file beside a path, and leave no such file behind."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror or error})") from None


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
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def checksum(*values: int | str | bytes | memoryview) -> int:
    """Return the CRC-32 of some values, one after the other: what tells that one of them was damaged."""
    found = 0
    for value in values:
        content = value
        if not isinstance(content, bytes | memoryview):
            content = str(value).encode("utf-8", "surrogatepass")
        found = zlib.crc32(content, zlib.crc32(b"%d:" % len(content), found))
    return found


def check_regular(path: Path) -> None:
    """Reject what is there but no file: to read a pipe or a device may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # whoever reads it says why it cannot be read
    if not stat.S_ISREG(mode):
        raise FileError(
            f"{path}: {'a folder' if stat.S_ISDIR(mode) else 'a pipe or device'}, not a file"
        )


# ── JSON that anyone may have written ────────────────────────────────────────────────────────────────


def from_json(content: bytes | str, finite: bool = True) -> Any:
    """Read JSON that anyone may have written; raises `ValueError` for what no program should write.

    That is text which is not UTF-8, a key that is there twice, a number of thousands of digits, what is
    nested too deep to be read, and, unless `finite` is off, NaN, infinity and numbers beyond all floats.
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    read = _finite if finite else float
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=read, parse_float=read)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.20} is no finite number")
    return value
