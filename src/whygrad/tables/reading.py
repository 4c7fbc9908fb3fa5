"""Files → arrow tables, whole or in pieces of a fixed number of rows.

What a file lies in is undone in `opening` and `converting`, so that here it is text, Parquet or Arrow.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from whygrad.errors import FileError
from whygrad.tables.columns import computable, quoted, refuse_missing
from whygrad.tables.converting import DELIMITER, from_blanks, from_json_lines, from_sheet
from whygrad.tables.header import PLACE, distinct
from whygrad.tables.opening import AS_FOUND, ReadOptions, TableFile, opened, told
from whygrad.tables.text import SPACES, Layout, layout, ragged

ROWS = 8192
BLOCK = 1 << 22  # bytes that are parsed at a time; a single row cannot be longer


def read(
    path: str | PathLike[str],
    asked: ReadOptions = AS_FOUND,
    notes: list[str] | None = None,
    needed: Collection[str] = (),
) -> Any:
    """Read a file; the columns of text are text, to the last blank.

    Delimiter (, ; tab | or blanks), encoding and header of text are detected.

    Parameters
    ----------
    path : path
        Text (.csv, .tsv, .tab, .txt, .dat, .data), .parquet, .feather or .arrow, .jsonl or .ndjson, .xlsx,
        also packed (.gz, .zst, .bz2, .zip), or "-" for standard input.
    asked : ReadOptions, optional
        Which line is the header, and which sheet is meant; by default told from the content.
    notes : list of str, optional
        Gets a line on whatever in the form of the file a user may not expect.
    needed : collection of str, optional
        A line with all of these is the header in any case.

    Returns
    -------
    pyarrow.Table
        All rows. Spaces around names do not count, equal names are numbered, and columns that have neither
        a name nor a value are left out.

    Raises
    ------
    FileError
        For a file that is missing, empty, not a table, or ragged.
    """
    said: list[str] = []
    file, asked = _plain(opened(path), asked, said)
    table = (
        _read_text(file, asked, said, needed) if file.form == "text" else _read_arrow(file, said)
    )
    if table.num_rows == 0:
        raise FileError(f"{path}: it has column names, but no rows")
    table = _without_empty(table, said)
    if notes is not None:
        notes += said
    return table


def batches(
    path: str | PathLike[str],
    rows: int = ROWS,
    kinds: Collection[str] | None = None,
    needed: Collection[str] = (),
    asked: ReadOptions = AS_FOUND,
) -> Iterator[Any]:
    """Stream a file's rows as tables of exactly `rows` rows, the last one shorter; never more in memory.

    Parameters
    ----------
    path : path
        A file as `read` takes it.
    rows : int, default 8192
        Rows of each piece.
    kinds : collection of str, optional
        The columns to read, such as those of `Encoding.kinds`: only those that the file has are read.
    needed : collection of str
        Columns that must exist.
    asked : ReadOptions, optional
        As of `read`; a line with all columns of `needed` is the header in any case.

    Yields
    ------
    pyarrow.Table
        The next rows.

    Raises
    ------
    FileError, InputError
        As `read`: what a look at the file can tell at once, all else with the piece that holds the cause.
    """
    file, asked = _plain(opened(path), asked, [])
    if file.form != "text":
        open_file, names = _open_arrow(file, [])
        refuse_missing(names, needed, f"{file}: ")
        pieces = _arrow_pieces(file, open_file, names, rows, kinds)
    else:
        file, found = _text(file, asked, needed)
        refuse_missing(found.names, needed, f"{file}: ")
        pieces = _text_pieces(file, found, kinds or found.names)
    return _of_equal_length(file, pieces, rows)


def _plain(file: TableFile, asked: ReadOptions, notes: list[str]) -> tuple[TableFile, ReadOptions]:
    """Return a file as text, Parquet or Arrow, and what is still to be told of it."""
    if asked.sheet is not None and file.form != "workbook":
        raise FileError(
            f"{file}: it is no workbook, so there is no sheet {quoted(asked.sheet)} in it"
        )
    with told(file):
        if file.form == "json lines":
            return from_json_lines(file), ReadOptions(header=1)
        return from_sheet(file, asked, notes) if file.form == "workbook" else file, asked


def _without_empty(table: Any, notes: list[str]) -> Any:
    """Return a table without the columns that have neither a name nor a value."""
    gone = [
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if column.null_count == len(column) and PLACE.fullmatch(name)
    ]
    if not gone or len(gone) == table.num_columns:
        return table
    what = "1 column" if len(gone) == 1 else f"{len(gone):,} columns"
    notes.append(f"{what} without a name or a value left out")
    return table.drop_columns(gone)


# ── Parquet and Arrow ────────────────────────────────────────────────────────────────────────────────


def _open_arrow(file: TableFile, notes: list[str]) -> tuple[Any, list[str]]:
    """Return an opened file, and the names of its columns as they are known everywhere."""
    what = "a Parquet" if file.form == "parquet" else "an Arrow or Feather"
    with told(file):
        try:
            if file.form == "parquet":
                found = pyarrow.parquet.ParquetFile(file.path)
                schema = found.schema_arrow
            else:
                found = pyarrow.ipc.open_file(str(file.path))
                schema = found.schema
        except pa.ArrowInvalid:
            raise FileError(f"{file}: not {what} file, or a damaged one") from None
    names, numbered = distinct(schema.names)
    notes += numbered
    return found, list(names)


def _read_arrow(file: TableFile, notes: list[str]) -> Any:
    found, names = _open_arrow(file, notes)
    with told(file):
        return _named(found.read() if file.form == "parquet" else found.read_all(), names)


def _arrow_pieces(
    file: TableFile, found: Any, names: list[str], rows: int, kinds: Collection[str] | None
) -> Iterator[Any]:
    wanted = [place for place, name in enumerate(names) if kinds is None or name in kinds]
    known = [names[place] for place in wanted]
    with told(file):
        for batch in _record_batches(file, found, wanted, rows):
            yield _named(pa.Table.from_batches([batch]), known)


def _record_batches(file: TableFile, found: Any, wanted: list[int], rows: int) -> Iterator[Any]:
    if file.form == "arrow":
        for place in range(found.num_record_batches):
            yield found.get_batch(place).select(wanted)
        return
    written = found.schema_arrow.names
    columns = [written[place] for place in wanted]
    for batch in found.iter_batches(batch_size=rows, columns=columns):
        # Where names are there twice both come, in the order of the file.
        there = [place for place, name in enumerate(written) if name in set(columns)]
        yield batch.select([there.index(place) for place in wanted])


def _named(table: Any, names: list[str]) -> Any:
    columns = [computable(column, name) for column, name in zip(table.columns, names, strict=True)]
    return pa.table(columns, names=names) if names else table


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────


def _text(
    file: TableFile, asked: ReadOptions, known: Collection[str] = ()
) -> tuple[TableFile, Layout]:
    """Return a text that a delimiter divides, and how it is laid out."""
    with told(file):
        found = layout(file, asked, known)
        if found.delimiter == SPACES:
            file = from_blanks(file, found.encoding)
            found = replace(found, delimiter=DELIMITER, encoding="utf-8")
    return file, found


def _read_text(
    file: TableFile, asked: ReadOptions, notes: list[str], known: Collection[str]
) -> Any:
    file, found = _text(file, asked, known)
    notes += found.notes
    with told(file):
        try:
            return pyarrow.csv.read_csv(file.path, *_options(found))
        except pa.ArrowInvalid as error:
            raise _text_error(file, found, error) from None


def _text_pieces(file: TableFile, found: Layout, wanted: Collection[str]) -> Iterator[Any]:
    with told(file):
        try:
            for batch in pyarrow.csv.open_csv(file.path, *_options(found, wanted)):
                yield pa.Table.from_batches([batch])
        except pa.ArrowInvalid as error:
            raise _text_error(file, found, error) from None


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


def _text_error(path: TableFile, found: Layout, error: Exception) -> FileError:
    """Return the error that names the line in which the rows of a file go wrong."""
    uneven = ragged(path, found)
    if uneven:
        line, count = uneven
        fields = "1 field" if count == 1 else f"{count:,} fields"
        by = "the header has" if found.headed else "the first line has"
        return FileError(
            f"{path}: line {line} has {fields}, {by} {len(found.names)} (separated by "
            f"{found.delimiter!r}): correct the line, or put quotes around fields with {found.delimiter!r}"
        )
    if "straddling" in str(error):
        return FileError(
            f"{path}: a row of more than {BLOCK >> 20} MB: is a quotation mark misplaced?"
        )
    said = (str(error).splitlines() or ["no reason given"])[0]
    return FileError(f"{path}: its rows cannot be read ({said:.200})")


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────


def _of_equal_length(path: TableFile, pieces: Iterator[Any], rows: int) -> Iterator[Any]:
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
