"""What a table lies in: a file as it is, a packed one, a workbook, JSON lines, standard input.

    opened("houses.csv.gz")  →  TableFile: the name for messages, and a file to be read again and again

A packed file and standard input are unpacked to a temporary file; JSON lines and a sheet of a workbook are
written to one as text (`converting`): so all forms are read, whole or in pieces, by the same code. The
temporary file goes when nobody holds the `TableFile` any more.
"""

import os
import sys
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import pyarrow as pa

from whygrad.errors import FileError, InputError, nearest_file

Form: TypeAlias = Literal["text", "parquet", "arrow", "json lines", "workbook"]

TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow")
JSON_LINES = (".jsonl", ".ndjson")
WORKBOOK = (".xlsx", ".xlsm", ".xls")
FORMS: dict[str, Form] = {
    **dict.fromkeys(TEXT, "text"),
    **dict.fromkeys(PARQUET, "parquet"),
    **dict.fromkeys(ARROW, "arrow"),
    **dict.fromkeys(JSON_LINES, "json lines"),
    **dict.fromkeys(WORKBOOK, "workbook"),
}
# What a file is packed with, by its ending; arrow's name for it.
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".zip": "zip"}
FIRST_BYTES: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bz2"),
    (b"PK\x03\x04", "zip"),
)

# What lies where a table was meant, by its first bytes in small letters; and what to do.
NO_TABLES: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "a page of HTML, not a table: save the file that it links to"),
    (b"<html", "a page of HTML, not a table: save the file that it links to"),
    (b"version https://", "a pointer of Git LFS, not the file itself: `git lfs pull` gets it"),
)
STANDARD_INPUT = ("-", "/dev/stdin")
CHUNK = 1 << 22
# A packed file may unpack to so many bytes, or to so many times its own size, before it is refused: text of
# real tables is packed to a tenth, a file made to fill a disk to a thousandth.
LEAST_LIMIT = 1 << 28
RATIO = 250


@dataclass(frozen=True)
class ReadOptions:
    """What a user says of a file, where it is not to be told from its content.

    Parameters
    ----------
    header : int, optional
        The line of the column names, counted from 1; 0 for a file without.
    sheet : str, optional
        The sheet of a workbook, by its name or its number, counted from 1.
    """

    header: int | None = None
    sheet: str | None = None


AS_FOUND = ReadOptions()


@dataclass(frozen=True, eq=False)
class TableFile:
    """A file on the disk, its form or what it is packed with, and the name under which messages know it."""

    name: str
    path: Path
    form: str

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str = "r", **options: Any) -> IO[Any]:
        """Open the file as `Path.open` does."""
        return self.path.open(mode, **options)


def ending(name: str) -> str:
    """Return by which ending a name is a table's, with that of what packs it, or "".

    >>> ending("Houses.CSV.gz"), ending("houses.xlsx"), ending("houses.zip"), ending("notes.pdf")
    ('.csv.gz', '.xlsx', '.zip', '')
    """
    lower = name.lower()
    outer = next((packed for packed in PACKED if lower.endswith(packed)), "")
    inner = Path(lower.removesuffix(outer)).suffix
    return f"{inner}{outer}" if inner in FORMS else outer


def stem(name: str) -> str:
    """Return the name of a table without folder and endings; "table" where nothing is left of it."""
    file = Path(name).name
    return (
        file.removesuffix(file[len(file) - len(ending(file)) :])
        if ending(file)
        else Path(name).stem
    )


def opened(given: str | PathLike[str]) -> TableFile:
    """Return a file that can be read as text, Parquet, Arrow, JSON lines or a workbook.

    Parameters
    ----------
    given : path
        A file by its name, or "-" for standard input.

    Returns
    -------
    TableFile
        It, or the temporary file that it was unpacked to.

    Raises
    ------
    FileError
        For a file that is missing, empty, damaged, or by its name no table; for an archive of several.
    """
    if given in STANDARD_INPUT:
        with told("standard input"):
            write: Any = lambda file: file.writelines(_standard_input())  # noqa: E731
            found, inner = temporary("standard input", write), ""
    else:
        path = _checked(Path(given))
        with told(path):
            found = TableFile(str(given), path, _kind(path, path.name))
        inner = path.name.removesuffix(path.suffix) if path.suffix.lower() in PACKED else ""
    if found.form not in PACKED.values():
        return found
    with told(found):
        inner, pieces = _in_zip(found) if found.form == "zip" else (inner, _unpacked(found))
        unpacked = _bounded(found, pieces)
        found = temporary(str(found), lambda file: file.writelines(unpacked), inner=inner)
    if found.form in PACKED.values():
        raise FileError(f"{found}: packed twice: unpack it first")
    return found


def _checked(path: Path) -> Path:
    """Return the path; raise `FileError` where it is no file, an empty one, or by its name no table."""
    with told(path):
        if path.is_dir():
            raise FileError(f"{path}: a folder, not a file: name a CSV or Parquet file in it")
        if not path.exists():
            hint = nearest_file(path.name, _neighbours(path))
            raise FileError(f"{path}: there is no such file{hint and ': '}{hint}")
        if not ending(path.name):
            kind = (
                f"a name that ends in {path.suffix}" if path.suffix else "a name without an ending"
            )
            if path.suffix.lower() == ".json":
                kind += " (JSON lines, an object for each row, end in .jsonl)"
            raise FileError(
                f"{path}: {kind}: tables are read from {', '.join(TEXT)} (text), {PARQUET[0]}, "
                f"{ARROW[0]}, {JSON_LINES[0]} and {WORKBOOK[0]}, packed as {', '.join(PACKED)} as well"
            )
        if path.is_file() and path.stat().st_size == 0:
            raise FileError(f"{path}: empty, a table has a line of column names, then rows")
        if not path.is_file():
            raise FileError(f"{path}: not a regular file")
    return path


def _neighbours(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir() if ending(other.name)]
    except OSError:
        return []


def _kind(path: Path, name: str) -> str:
    """Return the form of a file, or what it is packed with, by its first bytes, else by its ending."""
    with path.open("rb") as file:
        first = file.read(16)
    found = next((kind for start, kind in FIRST_BYTES if first.startswith(start)), None)
    for start, said in NO_TABLES:
        if first.lstrip().lower().startswith(start):
            raise FileError(f"{path}: {said}")
    last = Path(name).suffix.lower()
    if found == "zip" and (last in WORKBOOK or (last != ".zip" and _is_workbook(path))):
        return "workbook"
    if found is None and last in PACKED:
        raise FileError(f"{path}: not packed as {last}, or damaged")
    if found is None and last in WORKBOOK and b"\0" not in first:
        return "text"  # renamed, or written so by a program
    return found or FORMS.get(last) or _told_form(path)


def _is_workbook(path: Path) -> bool:
    with told_of_archive(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return "xl/workbook.xml" in names


def _told_form(path: Path) -> Form:
    """Return whether text without a name begins as JSON lines do."""
    with path.open("rb") as file:
        return "json lines" if file.read(1024).lstrip()[:1] == b"{" else "text"


@contextmanager
def told(path: Any) -> Iterator[None]:
    """Turn an error of the system or of arrow into a `FileError` of one line."""
    try:
        yield
    except (FileError, InputError):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = (
            getattr(error, "strerror", None)
            or (str(error).splitlines() or [type(error).__name__])[0]
        )
        raise FileError(f"{path!s:.200}: cannot be read ({said:.200})") from None


# ── what is packed ───────────────────────────────────────────────────────────────────────────────────


def _standard_input() -> Iterator[bytes]:
    stream = getattr(sys.stdin, "buffer", None)
    while stream is not None and (piece := stream.read(CHUNK)):
        yield piece


def _unpacked(file: TableFile) -> Iterator[bytes]:
    with pa.input_stream(str(file.path), compression=file.form) as stream:
        try:
            while piece := stream.read(CHUNK):
                yield piece
        except (OSError, pa.ArrowException):
            raise FileError(f"{file}: damaged, it cannot be unpacked to its end") from None


@contextmanager
def told_of_archive(path: Any) -> Iterator[None]:
    """Turn whatever a damaged or encrypted archive leads to into a `FileError` of one line."""
    try:
        yield
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        said = "it is encrypted" if "password" in str(error) else "damaged, or packed in a rare way"
        raise FileError(f"{path}: the archive cannot be unpacked: {said}") from None


def _in_zip(file: TableFile) -> tuple[str, Iterator[bytes]]:
    """Return the name of the one table in an archive, and its bytes."""
    with told_of_archive(file), zipfile.ZipFile(file.path) as archive:
        files = [one.filename for one in archive.infolist() if not one.is_dir()]
    files = [name for name in files if not name.startswith("__MACOSX/")]
    tables = [name for name in files if Path(name.lower()).suffix in FORMS]
    if len(tables) != 1:
        shown = ", ".join(repr(name)[:60] for name in (tables or files)[:4])
        more = ", …" if len(tables or files) > 4 else ""
        held = f"{len(tables)} tables ({shown}{more})" if tables else f"no table ({shown}{more})"
        do = "unpack it and name one of them" if tables else "unpack it and name the file of rows"
        raise FileError(f"{file}: the archive holds {held if files else 'no file'}: {do}")

    def pieces() -> Iterator[bytes]:
        with (
            told_of_archive(file),
            zipfile.ZipFile(file.path) as archive,
            archive.open(tables[0]) as content,
        ):
            while piece := content.read(CHUNK):
                yield piece

    return tables[0], pieces()


def limit(path: Path) -> int:
    """Return to how many bytes a packed file may unpack."""
    return max(LEAST_LIMIT, RATIO * path.stat().st_size)


def _bounded(file: TableFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    most, size = limit(file.path), 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise FileError(
                f"{file}: its {file.path.stat().st_size:,} bytes unpack to more than {most:,}: where that "
                "is meant, unpack it first"
            )
        yield piece


# ── temporary files ──────────────────────────────────────────────────────────────────────────────────


def temporary(
    name: str, write: Callable[[IO[bytes]], Any], form: Form | None = None, inner: str = ""
) -> TableFile:
    """Return a temporary file that `write` fills, and that goes with the `TableFile`.

    Its form is told from its content where none is given; `inner` is a name that the content had.
    """
    handle, place = tempfile.mkstemp(prefix="whygrad-")
    path = Path(place)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        if path.stat().st_size == 0:
            raise FileError(f"{name}: empty, a table has a line of column names, then rows")
        kind = form or _kind(path, inner)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    file = TableFile(name, path, kind)
    weakref.finalize(file, path.unlink, missing_ok=True)
    return file
