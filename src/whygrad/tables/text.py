"""What a text file of rows is, found by looking: its encoding, delimiter and column names.

Which line holds these, and whether one does, is told in `header`.
"""

import codecs
import csv
import io
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from whygrad.errors import FileError, InputError
from whygrad.tables.header import agreement, distinct, find_header, has_numbers
from whygrad.tables.opening import AS_FOUND, ReadOptions, TableFile

File: TypeAlias = Path | TableFile

DELIMITERS = (",", ";", "\t", "|")
SPACES = " "  # stands for any number of blanks between fields
SEP = re.compile(r"\A\ufeff?sep=(.)\r?\n", re.IGNORECASE)
HEAD = 1 << 16  # characters that are looked at first to find the delimiter
ROWS = 20  # that these should hold, the header among them; else more is looked at
CHUNK = 1 << 22

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out.

    `first` counts the rows before the first one of values: the header, and all above it. `sample` holds the
    first rows of values, as text; `notes` say what the user may not expect. Without a header, `headed` is
    off and the names are made.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    first: int
    sample: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    headed: bool = True


def layout(path: File, asked: ReadOptions = AS_FOUND, known: Collection[str] = ()) -> Layout:
    """Return how a text file is laid out; raises `FileError` where it cannot be a table.

    `known` are columns that must exist: a line that has them all is the header.
    """
    encoding, quotes = _find_encoding(path)
    size = HEAD
    while True:
        head, cut = _head(path, encoding, size)
        delimiter, rows, whole = _delimited(head, cut)
        if not cut or len(rows) >= ROWS or size >= CHUNK:
            break
        size *= 4  # wide tables have long lines
    if not head.strip():
        raise FileError(f"{path}: empty, a table has a line of column names, then rows")
    above = 0
    while above < len(rows) and not rows[above]:
        above += 1
    full = [row for row in rows[above:] if row]
    if not full:
        raise FileError(f"{path}: line {above + 1} is not a header: is a quotation mark left open?")
    try:
        header = find_header(rows, asked.header, known)
    except InputError as error:
        raise FileError(f"{path}: {error}") from None
    names, numbered = distinct(header.names)
    values = [row for row in rows[header.first :] if row]
    if not values and whole:
        raise FileError(f"{path}: it has column names, but no rows")
    sample = tuple(tuple(row) for row in values)
    notes = (*header.notes, *numbered)
    about = Layout(encoding, delimiter, names, header.first, sample, notes, header.there)
    if quotes % 2:  # then one may be open, or one is not meant as such: 5" pipe
        line = _open_quote(path, about)
        if line:
            raise FileError(f"{path}: a quotation mark in the row of line {line} is never closed")
    return about


def _delimited(head: str, cut: bool) -> tuple[str, list[list[str]], bool]:
    """Return what divides the fields of a file, its head as rows, and whether these are all of its rows."""
    given = SEP.match(head)
    if given:
        return given[1], *_rows(head, given[1], cut)
    found = {delimiter: _rows(head, delimiter, cut) for delimiter in DELIMITERS}
    fit = {delimiter: agreement(rows) for delimiter, (rows, _) in found.items()}
    best = max(DELIMITERS, key=fit.__getitem__)
    if fit[best][0] < 0.5 or (fit[best][1] < 0 and best != "\t"):
        rows = [split_blanks(line) for line in head.splitlines()]
        rows = rows[:-1] if cut and len(rows) > 1 else rows
        spaced = agreement(rows)
        apart = not any(field[-1:] == best for row in rows for field in row)  # no "Bern, 3"
        if spaced[0] >= 1 and spaced[1] >= fit[best][1] and apart and has_numbers(rows):
            return SPACES, rows, not cut
    return best, *found[best]


def split_blanks(line: str) -> list[str]:
    r"""Return the fields of a line that any number of blanks divide; quoted ones may hold some.

    >>> split_blanks('  5.1 "New York"\t2 ')
    ['5.1', 'New York', '2']
    """
    if '"' not in line:
        return line.split()
    words = [" ".join(line.split())]
    return next(csv.reader(words, delimiter=" ", skipinitialspace=True), [])


def _head(path: File, encoding: str, size: int) -> tuple[str, bool]:
    """Return the first characters of a file, and whether there are more."""
    with path.open(encoding=encoding, newline="") as file:
        return file.read(size), bool(file.read(1))


def _find_encoding(path: File) -> tuple[str, int]:
    """Return the encoding of a whole file, UTF-8, -16 or -32, else Windows-1252, and what `_scan` returns.

    Raises `FileError` for what is no text.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    for mark, name in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name, _scan(path, name)
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if odd > 0.4 * len(head) / 2 and even == 0:
            name = "utf-16-le"
        elif even > 0.4 * len(head) / 2 and odd == 0:
            name = "utf-16-be"
        else:
            raise FileError(
                f"{path}: a binary file, not text: a table is CSV text or a .parquet file"
            )
        return name, _scan(path, name)
    try:
        return "utf-8", _scan(path, "utf-8")
    except FileError:
        return "cp1252", _scan(path, "cp1252")


def _scan(path: File, encoding: str) -> int:
    """Return the number of quotation marks in a file.

    Raises `FileError` with the line that the encoding does not fit.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, quotes = 1, 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                fits = getattr(error, "object", chunk)[: getattr(error, "start", 0)]
                line += fits.count(b"\n")
                raise FileError(
                    f"{path}: line {line} is neither UTF-8 nor Windows-1252 text: save the file as UTF-8"
                    if encoding in ("utf-8", "cp1252")
                    else f"{path}: line {line} is not {encoding} text, as its start says: save it as UTF-8"
                ) from None
            if "\0" in text:
                line += text[: text.index("\0")].count("\n")
                raise FileError(
                    f"{path}: a zero byte in line {line}: a binary file, or a damaged one"
                )
            if not chunk:
                return quotes
            line += text.count("\n")
            quotes += text.count('"')


def _rows(head: str, delimiter: str, cut: bool) -> tuple[list[list[str]], bool]:
    """Return the head of a file as rows, and whether these are all rows of the file.

    The last row is dropped where the head ends within it.
    """
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter))
    except csv.Error:  # a field of great length, say: what came before it will do
        return rows, False
    return (rows[:-1] if cut and len(rows) > 1 else rows), not cut


def ragged(path: File, found: Layout) -> tuple[int, int] | None:
    """Return line number and number of fields of the first row that is not as long as the header."""
    with path.open(encoding=found.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=found.delimiter)
        with suppress(csv.Error):
            for _ in islice(reader, found.first):  # what stands above may be of any length
                pass
            line = reader.line_num + 1
            for row in reader:
                if row and len(row) != len(found.names):
                    return line, len(row)
                line = reader.line_num + 1
    return None


def _open_quote(path: File, found: Layout) -> int | None:
    """Return the line that begins the row in which a quotation mark stays open to the end of the file."""
    line = 1
    with path.open(encoding=found.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=found.delimiter, strict=True)
        try:
            for _ in reader:
                line = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                return line
    return None
