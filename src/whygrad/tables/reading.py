"""CSV and Parquet files → arrow tables, whole or in pieces of a fixed number of rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from whygrad.errors import FileError, InputError, nearest_file
from whygrad.tables.columns import (
    Kind,
    computable,
    names_of_columns,
    nearest_name,
    quoted,
)
from whygrad.tables.text import Layout, layout, ragged

TEXT = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")
ROWS = 8192
BLOCK = 1 << 22  # bytes that are parsed at a time; a single row cannot be longer


def read(path: str | PathLike[str]) -> Any:
    """Read a CSV or Parquet file; the columns of a text file are text, to the last blank.

    Delimiter (, ; tab |) and encoding of text are detected.

    Parameters
    ----------
    path : path
        A file that ends in .csv, .tsv, .tab, .txt, .parquet or .pq.

    Returns
    -------
    pyarrow.Table
        All rows.

    Raises
    ------
    FileError
        For a file that is missing, empty, not a table, ragged or without a header.
    """
    path = _checked(path)
    table = _read_parquet(path) if _is_parquet(path) else _read_text(path)
    if table.num_rows == 0:
        raise FileError(f"{path}: it has column names, but no rows")
    return table


def batches(
    path: str | PathLike[str],
    rows: int = ROWS,
    kinds: Mapping[str, Kind] | None = None,
    needed: Collection[str] = (),
) -> Iterator[Any]:
    """Stream a file's rows as tables of exactly `rows` rows, the last one shorter; never more in memory.

    Parameters
    ----------
    path : path
        A file as `read` takes it.
    rows : int, default 8192
        Rows of each piece.
    kinds : mapping of str to kind, optional
        The columns to read, as `Encoding.kinds`: only those that the file has are read.
    needed : collection of str
        Columns that must exist.

    Yields
    ------
    pyarrow.Table
        The next rows.

    Raises
    ------
    FileError, InputError
        As `read`: what a look at the file can tell at once, all else with the piece that holds the cause.
    """
    path = _checked(path)
    if _is_parquet(path):
        file, names = _open_parquet(path)
        _refuse_missing(names, needed)
        pieces = _parquet_pieces(path, file, names, rows, kinds)
    else:
        with _told(path):
            found = layout(path)
        _refuse_missing(found.names, needed)
        pieces = _text_pieces(path, found, kinds or found.names)
    return _of_equal_length(path, pieces, rows)


def _checked(path: str | PathLike[str]) -> Path:
    """Return the path; raise `FileError` where it is no file, an empty one, or by its name no table."""
    path = Path(path)
    with _told(path):
        if path.is_dir():
            raise FileError(f"{path}: a folder, not a file: name a CSV or Parquet file in it")
        if not path.exists():
            hint = nearest_file(path.name, _neighbours(path))
            raise FileError(f"{path}: there is no such file{hint and ': '}{hint}")
        if path.suffix.lower() not in TEXT + PARQUET:
            kind = (
                f"a name that ends in {path.suffix}" if path.suffix else "a name without an ending"
            )
            raise FileError(
                f"{path}: {kind}: tables are read from {', '.join(TEXT)} (text) and {PARQUET[0]}"
            )
        if path.is_file() and path.stat().st_size == 0:
            raise FileError(f"{path}: empty, a table has a line of column names, then rows")
        if not path.is_file():
            raise FileError(f"{path}: not a regular file")
    return path


def _neighbours(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir() if other.suffix in TEXT + PARQUET]
    except OSError:
        return []


@contextmanager
def _told(path: Path) -> Iterator[None]:
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


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────────


def _is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet, by its ending or its first bytes."""
    if path.suffix.lower() in PARQUET:
        return True
    with _told(path), path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _open_parquet(path: Path) -> tuple[Any, list[str]]:
    """Return an opened file, and the names of its columns as they are known everywhere."""
    with _told(path):
        try:
            file = pyarrow.parquet.ParquetFile(path)
        except pa.ArrowInvalid:
            raise FileError(f"{path}: not a Parquet file, or a damaged one") from None
    try:
        return file, names_of_columns(file.schema_arrow.names, str(path))
    except InputError as error:
        raise FileError(str(error)) from None


def _read_parquet(path: Path) -> Any:
    file, names = _open_parquet(path)
    with _told(path):
        return _named(file.read(), names)


def _parquet_pieces(
    path: Path, file: Any, names: list[str], rows: int, kinds: Mapping[str, Kind] | None
) -> Iterator[Any]:
    written = file.schema_arrow.names
    wanted = {w: n for w, n in zip(written, names, strict=True) if kinds is None or n in kinds}
    with _told(path):
        for batch in file.iter_batches(batch_size=rows, columns=list(wanted)):
            table = pa.Table.from_batches([batch]).select(list(wanted))
            yield _named(table, list(wanted.values()))


def _named(table: Any, names: list[str]) -> Any:
    columns = [computable(column, name) for column, name in zip(table.columns, names, strict=True)]
    return pa.table(columns, names=names) if names else table


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────


def _read_text(path: Path) -> Any:
    with _told(path):
        found = layout(path)
        try:
            return pyarrow.csv.read_csv(path, *_options(found))
        except pa.ArrowInvalid as error:
            raise _text_error(path, found, error) from None


def _text_pieces(path: Path, found: Layout, wanted: Collection[str]) -> Iterator[Any]:
    with _told(path):
        try:
            for batch in pyarrow.csv.open_csv(path, *_options(found, wanted)):
                yield pa.Table.from_batches([batch])
        except pa.ArrowInvalid as error:
            raise _text_error(path, found, error) from None


def _options(found: Layout, wanted: Collection[str] | None = None) -> tuple[Any, Any, Any]:
    """Return arrow's options: every column is text, of `wanted` ones if they are given."""
    names = [name for name in found.names if wanted is None or name in wanted]
    return (
        pyarrow.csv.ReadOptions(
            encoding="utf8" if found.encoding.startswith("utf-8") else found.encoding,
            column_names=list(found.names),
            skip_rows_after_names=found.first,
            block_size=BLOCK,
            use_threads=False,  # with threads an error does not say in which row
        ),
        pyarrow.csv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            null_values=[""],
            strings_can_be_null=True,
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
        ),
    )


def _refuse_missing(names: Sequence[str], needed: Collection[str]) -> None:
    """Raise `InputError` for a file without a column that is needed; it names the nearest one."""
    there = set(names)
    for name in needed:
        if name not in there:
            raise InputError(f"no column {quoted(name)}: {nearest_name(name, names)}")


def _text_error(path: Path, found: Layout, error: Exception) -> FileError:
    """Return the error that names the line in which the rows of a file go wrong."""
    uneven = ragged(path, found)
    if uneven:
        line, count = uneven
        fields = "1 field" if count == 1 else f"{count} fields"
        return FileError(
            f"{path}: line {line} has {fields}, the header has {len(found.names)} (separated by "
            f"{found.delimiter!r}): correct the line, or put quotes around fields with {found.delimiter!r}"
        )
    if "straddling" in str(error):
        return FileError(
            f"{path}: a row of more than {BLOCK >> 20} MB: is a quotation mark misplaced?"
        )
    said = (str(error).splitlines() or ["no reason given"])[0]
    return FileError(f"{path}: its rows cannot be read ({said:.200})")


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────


def _of_equal_length(path: Path, pieces: Iterator[Any], rows: int) -> Iterator[Any]:
    """Cut and join tables so that each has `rows` rows, for the same bits whatever the file's blocks."""
    kept: list[Any] = []
    waiting = total = 0
    for piece in pieces:
        total += piece.num_rows
        kept.append(piece)
        waiting += piece.num_rows
        if waiting < rows:
            continue
        table = pa.concat_tables(kept)
        whole = waiting // rows * rows
        for start in range(0, whole, rows):
            yield table.slice(start, rows)
        kept, waiting = [table.slice(whole)], waiting - whole
    if total == 0:
        raise FileError(f"{path}: it has column names, but no rows")
    if waiting:
        yield pa.concat_tables(kept)
