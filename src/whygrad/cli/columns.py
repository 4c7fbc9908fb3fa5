"""`whygrad columns`: what every column of a table is, how its cells are read, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from rich.text import Text

from whygrad.answers.formatting import clean, cut
from whygrad.answers.formatting import columns as width
from whygrad.cli.arguments import (
    AS_TRAINED,
    FILE_FORMS,
    FileOptions,
    Json,
    option,
    read_options,
    refuse_of_text,
)
from whygrad.cli.options import types_of
from whygrad.cli.printing import note_lines, print_json, printer
from whygrad.errors import FileError, InputError
from whygrad.pipeline import datasets
from whygrad.pipeline.fit import by_number, find
from whygrad.pipeline.recipe import recommended
from whygrad.pipeline.streamed import described, open_folder
from whygrad.pipeline.streamed.folder import is_folder
from whygrad.record.files.location import MANIFEST
from whygrad.tables import Bins, ColumnFacts, Encoding, Target, describe, read

NAME = 30  # columns of the terminal that a name may take


def columns(
    file: Annotated[
        str, option(f"{FILE_FORMS}; a folder of Parquet; or a data set's name.", name="FILE")
    ],
    /,
    *,
    reading: FileOptions = AS_TRAINED,
    target: Annotated[str | None, option("The column to predict.")] = None,
    type: Annotated[
        list[str] | None,
        option("COLUMN=number, category, date or leave-out; can be repeated."),
    ] = None,
    na: Annotated[
        list[str] | None, option("What stands for a missing value; can be repeated.")
    ] = None,
    json: Json = False,
) -> int:
    """Show what was decided about every column of a table."""
    notes: list[str] = []
    if (Path(file) / MANIFEST).is_file():
        raise FileError(f"{file}: a run, not a table: whygrad show {file} tells of its columns")
    if is_folder(file):
        return _show(_of_folder(file, reading, target, type, tuple(na or ())), json)
    if file in datasets.NAMES:
        source = find(file, target)
        table, target = source.table, source.target
    else:
        table = read(file, read_options(**vars(reading)), notes)
        target = target and by_number(target, table.schema.names)
    types = {
        by_number(name, table.schema.names): kind for name, kind in types_of(type or ()).items()
    }
    found = describe(table, target, types, tuple(na or ()), bins=_as_train)
    note_lines(notes)
    return _show(found, json)


def _of_folder(
    folder: str,
    reading: FileOptions,
    target: str | None,
    types: list[str] | None,
    na: tuple[str, ...],
) -> Encoding:
    """Return what `train` decides about the columns of a folder of Parquet files."""
    refuse_of_text(vars(reading))
    if types:
        raise InputError("--type: a folder is trained on in a stream, which has none: leave it out")
    found = open_folder(folder)
    return described(found, target and by_number(target, [*found.kinds]), na)


def _show(found: Encoding, json: bool) -> int:
    if json:
        print_json([asdict(one) for one in found.facts])
    else:
        print_facts(found.facts)
    return 0


def _as_train(rows: int, target: Target) -> Bins:
    """Return into how many pieces `train` takes numbers apart, by the rows that it does not test on."""
    return lambda numbers: recommended(rows * 4 // 5, numbers, len(target.classes)).bins


def print_facts(facts: Sequence[ColumnFacts]) -> None:
    """Print three lines of each column at most: what it is, how it is read and becomes, and a note."""
    console = printer()
    names = [cut(clean(one.name), NAME) for one in facts]
    indent = max(map(width, names), default=0) + 2
    for name, one in zip(names, facts, strict=True):
        gap = " " * (indent - width(name))
        rows = "nothing missing" if not one.missing else f"{one.missing:,} missing"
        cells = ", ".join(clean(example) for example in one.examples)
        different = "" if one.distinct is None else f"{one.distinct:,} different, "
        said = f"{one.kind}; {different}{rows}{cells and ': '}{cells}"
        console.print(
            Text.assemble((name, "bold"), gap, cut(said, max(20, console.width - indent)))
        )
        read = "" if one.read in ("", "as written") else f"{one.read} → "
        for line, style in ((f"{read}{one.becomes}", ""), (one.note, "dim")):
            if line:
                for piece in Text(clean(line), style).wrap(
                    console, max(20, console.width - indent)
                ):
                    console.print(Text(" " * indent).append_text(piece))
