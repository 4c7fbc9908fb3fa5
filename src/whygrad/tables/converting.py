"""JSON lines, sheets of workbooks and fields between blanks → text with a delimiter, which `text` reads.

What they hold is written field by field as a person would: 3.0 as 3, a date as 2024-01-31, nothing as an
empty field.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from whygrad.errors import FileError
from whygrad.tables.columns import nearest_name, quoted
from whygrad.tables.opening import ReadOptions, TableFile, limit, temporary, told_of_archive
from whygrad.tables.text import split_blanks

INSTALL = "pip install 'whygrad[xlsx]'"
MOST_CELLS = 50_000_000  # of a sheet, empty ones among them: all are in memory at once
CELL = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
DELIMITER = "\t"


def from_json_lines(file: TableFile) -> TableFile:
    """Return the objects of a file, one in each line, as rows with a column for each key.

    An object within one has its keys behind its own: `{"a": {"b": 1}}` is a column `a.b`.

    Raises
    ------
    FileError
        For a line that is no object, for lists, and where two keys of a line make one name.
    """
    names: dict[str, None] = {}
    for _, about in _objects(file):
        names |= dict.fromkeys(about)
    if not names:
        raise FileError(
            f'{file}: it has no object with a key: each line is one, such as {{"a": 1}}'
        )
    rows = ([about.get(name) for name in names] for _, about in _objects(file))
    return temporary(str(file), _writer([list(names)], rows), "text")


def _objects(file: TableFile) -> Iterator[tuple[int, dict[str, Any]]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                about = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                about = None
            if not isinstance(about, dict):
                whole = number == 1 and line.lstrip()[:1] in (b"[", b"{")
                said = ": write each object on a line of its own" if whole else ""
                raise FileError(f"{file}: line {number} is no JSON object{said}")
            flat: dict[str, Any] = {}
            for name, value in _leaves(about):
                if isinstance(value, list):
                    raise FileError(
                        f"{file}: line {number}: {quoted(name)} holds a list: lists are not read, write "
                        "each value into a key of its own"
                    )
                if name in flat:
                    raise FileError(
                        f"{file}: line {number}: two keys make the column {quoted(name)}: rename one"
                    )
                flat[name] = value
            yield number, flat


def _leaves(about: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is no object, with the keys that lead to it: `a.b` of `{"a": {"b": 1}}`.

    Objects are taken apart one after the other, however deep they lie.
    """
    waiting = [(name, value) for name, value in reversed(about.items())]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{name}.{key}", inner) for key, inner in reversed(value.items())]
        else:
            yield name, value


def from_sheet(file: TableFile, asked: ReadOptions, notes: list[str]) -> TableFile:
    """Return a sheet of a workbook, the first one that holds something unless another is asked for.

    Raises
    ------
    FileError
        Where python-calamine is not installed, and for a workbook that is damaged, empty or too large.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise FileError(f"{file}: workbooks are read by python-calamine: {INSTALL}") from None
    _check_size(file)
    try:
        with CalamineWorkbook.from_path(str(file.path)) as workbook:
            name, rows = _sheet(file, workbook, asked.sheet, notes)
    except CalamineError as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(f"{file}: not a workbook, or a damaged one ({said:.100})") from None
    if not rows:
        raise FileError(f"{file}: sheet {quoted(name)} is empty")
    return temporary(str(file), _writer([], rows), "text")


def _sheet(
    file: TableFile, workbook: Any, asked: str | None, notes: list[str]
) -> tuple[str, list[list[Any]]]:
    names = list(workbook.sheet_names)
    if asked is None:
        shown = [
            one.name for one in workbook.sheets_metadata if str(one.visible).endswith("Visible")
        ]
        for name in shown:
            rows = workbook.get_sheet_by_name(name).to_python()
            if rows:
                break
        else:
            raise FileError(f"{file}: no sheet holds anything")
        others = ", ".join(quoted(other) for other in names if other != name)
        if others:
            notes.append(f"sheet {quoted(name)} was read (--sheet takes another: {others:.200})")
        return name, rows
    if (
        asked not in names
        and asked.isascii()
        and asked.isdecimal()
        and 0 < int(asked) <= len(names)
    ):
        asked = names[int(asked) - 1]
    if asked not in names:
        raise FileError(f"{file}: no sheet {quoted(asked)}: {nearest_name(asked, names)}")
    return asked, workbook.get_sheet_by_name(asked).to_python()


def _check_size(file: TableFile) -> None:
    """Raise `FileError` for a workbook that unpacks to too much, or has a cell far from the others."""
    if not zipfile.is_zipfile(file.path):
        return  # the old binary form has 65,536 rows of 256 cells at most
    with told_of_archive(file.path), zipfile.ZipFile(file.path) as archive:
        if sum(one.file_size for one in archive.infolist()) > limit(file.path):
            raise FileError(
                f"{file}: unpacks to more than {limit(file.path):,} bytes: save it as CSV"
            )
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as sheet:
                    width, height, last = _extent(sheet)
                if width * height > MOST_CELLS:
                    raise FileError(
                        f"{file}: a sheet reaches to cell {last}, {width * height:,} cells with the empty "
                        f"ones: {MOST_CELLS:,} can be read; delete what stands apart, or save it as CSV"
                    )


def _extent(sheet: IO[bytes]) -> tuple[int, int, str]:
    """Return how many columns and rows the cells of a sheet reach to, and the name of the last corner."""
    letters, height, rest = b"", 0, b""
    while piece := sheet.read(1 << 20):
        for column, row in CELL.findall(rest + piece):
            letters = max(letters, column, key=lambda one: (len(one), one))
            height = max(height, int(row))
        rest = piece[-40:]
    width = 0
    for letter in letters:
        width = 26 * width + letter - 64
    return width, height, f"{letters.decode()}{height}"


def from_blanks(file: TableFile, encoding: str) -> TableFile:
    """Return a text whose fields any number of blanks divide as one that tabs divide, line by line."""

    def rows() -> Iterator[list[str]]:
        with file.open(encoding=encoding) as lines:
            for line in lines:
                yield split_blanks(line)

    return temporary(str(file), _writer([], rows()), "text")


def _writer(
    header: Iterable[list[Any]], rows: Iterable[Iterable[Any]]
) -> Callable[[IO[bytes]], None]:
    def write(stream: IO[bytes]) -> None:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="", errors="surrogatepass")
        writer = csv.writer(text, delimiter=DELIMITER, lineterminator="\n")
        writer.writerows(header)
        for row in rows:
            writer.writerow([_field(value) for value in row])
        text.flush()
        text.detach()

    return write


def _field(value: Any) -> str:
    """Return a value as text; text loses its tabs and zero bytes, which no name or word needs."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, str):
        return value.replace("\0", "")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
