"""Files that were uploaded: kept in the folder of the studio, under a free name, and nowhere else.

A file is a table or a trained network; what is neither is not left behind.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whygrad.errors import InputError, WhygradError
from whygrad.files import write_atomically
from whygrad.interop import FILES, Model, explain
from whygrad.tables import FORMS, PACKED, read
from whygrad.tables import ending as ending_of
from whygrad.tables import stem as stem_of

TABLES = (*FORMS, *PACKED)
MODELS = tuple(FILES)
UPLOADED = (*TABLES, *MODELS)
LONGEST = 200  # bytes of a name
UNSAFE = re.compile(r"[^\w. ()\-]+")


def keep_table(folder: Path, name: str, content: bytes) -> tuple[Path, Any]:
    """Keep an uploaded table and return it as read; a file that is none is not left behind."""
    return _kept(folder, name, content, read)


def keep_model(folder: Path, name: str, content: bytes) -> tuple[Path, Model]:
    """Keep an uploaded network and return it as read, without running any code that it holds."""
    return _kept(folder, name, content, explain)


def _kept(
    folder: Path, name: str, content: bytes, reader: Callable[[Path], Any]
) -> tuple[Path, Any]:
    before = set(folder.iterdir())
    path = keep(folder, name, content)
    try:
        return path, reader(path)
    except WhygradError:
        if path not in before:
            path.unlink(missing_ok=True)
        raise


def is_model(name: str) -> bool:
    """Whether a file is a trained network, by the end of its name."""
    return name.lower().endswith(MODELS)


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Write an uploaded file into the folder; raises `InputError` for neither a table nor a network.

    The same content under the same name is kept once.
    """
    plain = UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")
    stem, ending = stem_of(plain), ending_of(plain)
    if is_model(plain):
        stem, ending = Path(plain).stem, Path(plain).suffix.lower()
    stem = stem.encode()[:LONGEST].decode(errors="ignore")
    if not ending:
        raise InputError(
            f"{name}: not a table that can be read: upload CSV, or one of {', '.join(TABLES)}; nor a "
            f"network, which is one of {', '.join(MODELS)}"
        )
    if not content:
        raise InputError(f"{name}: the file is empty")
    path, number = folder / f"{stem}{ending}", 2
    while path.exists():
        if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
            return path
        path, number = folder / f"{stem}-{number}{ending}", number + 1
    write_atomically(path, content)
    return path
