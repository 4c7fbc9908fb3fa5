"""Files that were uploaded: kept in the folder of the studio, under a free name, and nowhere else."""

import re
from pathlib import Path
from typing import Any

from whygrad.errors import InputError, WhygradError
from whygrad.files import write_atomically
from whygrad.tables import FORMS, PACKED, read
from whygrad.tables import ending as ending_of
from whygrad.tables import stem as stem_of

UPLOADED = (*FORMS, *PACKED)
LONGEST = 200  # bytes of a name
UNSAFE = re.compile(r"[^\w. ()\-]+")


def keep_table(folder: Path, name: str, content: bytes) -> tuple[Path, Any]:
    """Keep an uploaded table and return it as read; a file that is none is not left behind."""
    before = set(folder.iterdir())
    path = keep(folder, name, content)
    try:
        return path, read(path)
    except WhygradError:
        if path not in before:
            path.unlink(missing_ok=True)
        raise


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Write an uploaded table into the folder; raises `InputError` for what can be no table.

    The same content under the same name is kept once.
    """
    plain = UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")
    stem, ending = stem_of(plain), ending_of(plain)
    stem = stem.encode()[:LONGEST].decode(errors="ignore")
    if not ending:
        raise InputError(
            f"{name}: not a table that can be read: upload CSV, or one of {', '.join(UPLOADED)}"
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
