"""`whygrad predict`: a file of rows → a file of predictions, in pieces, whole or not at all.

And `whygrad export`: the network itself → a file that predicts elsewhere.
"""

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from whygrad.cli.arguments import (
    AS_TRAINED,
    FILE_FORMS,
    FileOptions,
    Json,
    RunFolder,
    option,
    read_options,
)
from whygrad.cli.printing import note_lines, print_json, printer
from whygrad.engines.xla import following, joined, launched
from whygrad.errors import FileError, InputError
from whygrad.escaping import note, visible, write
from whygrad.files import refuse_taken
from whygrad.nn.functions import Array
from whygrad.pipeline.streamed.folder import is_address, is_folder, with_rows
from whygrad.record import open_run
from whygrad.record.rows import outputs
from whygrad.tables import Oddities, Target, quoted
from whygrad.tables.opening import PARQUET

ENDINGS = (".csv", ".parquet", ".pq")
ALL = "all"  # what --keep takes for every column
MOST_DIGITS = 15


def predict(
    run: RunFolder,
    file: Annotated[str, option(f"{FILE_FORMS}; of any size; or a data set's name.", name="FILE")],
    /,
    *,
    reading: FileOptions = AS_TRAINED,
    out: Annotated[
        Path | None,
        option("CSV or Parquet to write. [CSV on standard output]", name=["-o", "--out"]),
    ] = None,
    probabilities: Annotated[bool, option("A column for each class, too.")] = False,
    keep: Annotated[
        list[str] | None,
        option("A column of FILE to write as well, such as an id; can be repeated; all for all."),
    ] = None,
    name: Annotated[
        str | None, option("The name of the predictions' column. [the target's]", name="--name")
    ] = None,
    digits: Annotated[
        int | None, option("Digits behind the point of predicted numbers and probabilities.")
    ] = None,
    overwrite: Annotated[bool, option("Replace OUT.")] = False,
    json: Annotated[bool, option("Print what was written as JSON; needs -o.")] = False,
) -> int:
    """Predict every row of a file."""
    opened = open_run(run)
    if probabilities and not opened.encoding.classes:
        raise InputError(f"target {opened.target!r} holds numbers: there are no probabilities")
    if digits is not None and not 0 <= digits <= MOST_DIGITS:
        raise InputError(f"digits is {digits}: it must be a whole number from 0 to {MOST_DIGITS}")
    notes: list[str] = []
    asked = read_options(**vars(reading)) if reading != AS_TRAINED else None
    rows_kept = None if ALL in (keep or ()) else keep or []

    def predicted(file: str, start: int = 0, odd: Oddities | None = None) -> Iterator[Any]:
        found = outputs(opened, file, notes, asked=asked, keep=rows_kept, start=start, odd=odd)
        return _predictions(found, opened.encoding.target, name, probabilities, rows_kept, digits)

    if launched():
        rows, odd = _write_together(file, out, predicted)
        if following():
            return 0
        return _show_written(run, file, out, rows, opened.encoding.oddities(odd), json)
    pieces = predicted(file)
    if out is None:
        if json:
            raise InputError("--json tells what was written: name a file with -o OUT")
        as_it_is = True
        for table in _with_header(pieces):
            write(table, sys.stdout)
            as_it_is = as_it_is and visible(table) == table
        if not as_it_is:
            note(
                "the predictions hold characters that a terminal obeys, written here as \\u001b and "
                "the like: -o OUT writes them as they are"
            )
        note_lines(notes)
        return 0
    _check_out(out, overwrite)
    rows = _write(out, pieces, overwrite)
    return _show_written(run, file, out, rows, notes, json)


def _show_written(
    run: Path, file: str, out: Path | None, rows: int, notes: list[str], json: bool
) -> int:
    note_lines(notes)
    if json:
        print_json({"run": str(run), "file": file, "out": str(out), "rows": rows})
    else:
        printer().print(f"{rows:,} row{'' if rows == 1 else 's'} predicted: {out}")
    return 0


def _write_together(
    folder: str,
    out: Path | None,
    predicted: Callable[[str, int, Oddities], Iterator[Any]],
) -> tuple[int, Oddities]:
    """Write a folder with a file of predictions for each of a folder's that has rows.

    Each process takes some. Return the number of rows, and what is odd about those of all.
    """
    if not (is_address(folder) or os.path.lexists(folder)):
        raise FileError(f"{folder}: there is no such folder")
    if out is None or out.suffix.lower() not in PARQUET or not is_folder(folder):
        raise InputError(
            "several processes predict a folder of Parquet files, into another: give its name with -o "
            "OUT.parquet"
        )
    group = joined()
    if os.path.lexists(out) or not out.parent.is_dir():
        there = "exists already" if out.parent.is_dir() else f"there is no folder {out.parent}"
        raise FileError(f"{out}: {there}: several processes write a new folder, name another")
    temporary = out.with_name(f".{out.name}.{group.done(lambda: uuid4().hex)[0]}")

    def write_own() -> tuple[int, list[Any]]:
        rows, odd = 0, Oddities()
        for place, first in with_rows(folder)[group.index :: group.count]:
            rows += _write(temporary / place.name, predicted(place.shown, first, odd), False)
        return rows, odd.to_list()

    try:
        with _told(out):
            temporary.mkdir(exist_ok=True)
            found = group.done(write_own)
            if not group.follows:
                os.replace(temporary, out)
    finally:
        if not group.follows:
            shutil.rmtree(temporary, ignore_errors=True)
    met = Oddities()
    for _, odd in found:
        met.join(odd)
    return sum(rows for rows, _ in found), met


def export(
    run: RunFolder,
    out: Annotated[Path, option("The file: .onnx, .c, .js, .mjs or .safetensors.", name="OUT")],
    /,
    *,
    rows: Annotated[
        str | None,
        option("A file of rows to compare on with whygrad. [the test rows]", name="--rows"),
    ] = None,
    overwrite: Annotated[bool, option("Replace OUT.")] = False,
    json: Json = False,
) -> int:
    """Write the network of a run as a file for another program."""
    from whygrad.interop.exporting import export as write_out

    found = write_out(open_run(run), out, rows=rows, overwrite=overwrite)
    if json:
        print_json({"run": str(run)} | vars(found) | {"path": str(out)})
    else:
        printer().print(str(found))
        note_lines(found.notes)
    return 0


def _predictions(
    found: Iterator[tuple[Array, Any]],
    target: Target,
    name: str | None,
    probabilities: bool,
    keep: list[str] | None,
    digits: int | None,
) -> Iterator[Any]:
    """Return tables of predictions: what is kept (None for all), the target, and each class where asked."""
    predicted = [target.name if name is None else name]
    if probabilities:
        predicted += [f"{predicted[0]}={label}" for label in target.classes]
    for a, rows in found:
        kept = rows.column_names if keep is None else keep
        _refuse_twice([*kept, *predicted], len(kept))
        columns = [rows.column(one) for one in kept]
        columns.append(pa.array(rounded_to(target.decode(a), digits)))
        if probabilities:
            p = rounded_to(target.probabilities(a), digits)
            columns += [pa.array(p[:, k].copy()) for k in range(p.shape[1])]
        yield pa.table(columns, names=[*kept, *predicted])


def _refuse_twice(names: list[str], kept: int) -> None:
    """Raise `InputError` where two columns would have the same name; the first are those that are kept."""
    for place, name in enumerate(names):
        if name not in names[:place]:
            continue
        if place < kept:
            raise InputError(f"--keep has {quoted(name)} twice: name each column once")
        raise InputError(
            f"column {quoted(name)} is kept and predicted: name the predictions otherwise, --name NAME"
        )


def rounded_to(values: Array, digits: int | None) -> Array:
    """Return numbers with so many digits behind the point; labels as they are."""
    if digits is None or values.dtype.kind != "f":
        return values
    with np.errstate(all="ignore"):
        rounded = np.round(values, digits) + 0.0  # no minus before a zero
    return np.where(np.isfinite(rounded), rounded, values)


def _with_header(pieces: Iterator[Any]) -> Iterator[str]:
    header = True
    for table in pieces:
        text = io.BytesIO()
        with _told("standard output"):
            pyarrow.csv.write_csv(table, text, _csv(header))
        yield text.getvalue().decode()
        header = False


def _csv(header: bool = True) -> Any:
    return pyarrow.csv.WriteOptions(include_header=header, quoting_style="needed")


def _check_out(out: Path, overwrite: bool) -> None:
    """Reject a place that cannot be written to, before any work is done."""
    if out.suffix.lower() not in ENDINGS:
        raise FileError(f"{out}: the ending says what to write: {', '.join(ENDINGS)}")
    refuse_taken(out, overwrite)


def _write(out: Path, pieces: Iterator[Any], overwrite: bool) -> int:
    """Write tables to a temporary file beside its place, rename it when it is whole, count the rows.

    A file is no terminal: it holds the data to the last character, for programs to read.
    """
    temporary = out.with_name(f".{out.name}.{uuid4().hex}")
    first = next(pieces)  # before the file: what is wrong with the rows shows here most often
    rows = 0
    try:
        with _told(out):
            with _writer(out, temporary, first.schema) as writer:
                for table in chain([first], pieces):
                    writer.write_table(table)
                    rows += table.num_rows
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            _check_out(out, overwrite)
            os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _writer(out: Path, temporary: Path, schema: Any) -> Any:
    if out.suffix.lower() == ".csv":
        return pyarrow.csv.CSVWriter(temporary, schema, write_options=_csv())
    return pyarrow.parquet.ParquetWriter(temporary, schema)


@contextmanager
def _told(out: Path | str) -> Iterator[None]:
    """Turn what the system or arrow has against writing into one line."""
    try:
        yield
    except (FileError, InputError):
        raise
    except (OSError, pa.ArrowException) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise FileError(f"{out}: cannot be written ({said:.200})") from None
