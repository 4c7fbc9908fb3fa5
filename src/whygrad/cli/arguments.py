"""What several commands take: a run, which of its rows, and how the answer is to be shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from whygrad.errors import InputError

if TYPE_CHECKING:  # pyarrow takes a while, and help and completion do not need it
    from whygrad.tables import ReadOptions


def option(help: str, negative: str = "", **more: Any) -> Parameter:
    """Return an option whose help is one line, without a default of None, or a `--no-…` twin unasked."""
    return Parameter(help=help, negative=negative, show_default=False, **more)


def choice(help: str, known: Iterable[str], **more: Any) -> Parameter:
    """Return an option that takes one of these names; its help lists those that are worth it."""
    return option(help, choices=tuple(known), show_choices=False, **more)


RunFolder = Annotated[Path, option("A folder that `whygrad train` has written.", name="RUN")]
Json = Annotated[bool, option("Print JSON, for other programs.")]

HEADER = "The line of the column names, counted from 1. [told from the types]"
NO_HEADER = "The first line holds values, not names."
SHEET = "The sheet of a workbook, by name or number. [the first with values]"
FILE_FORMS = (
    "CSV or other text, Parquet, Feather, JSON lines, .xlsx; packed or not; or - for standard input"
)


@Parameter(name="*")
@dataclass(frozen=True)
class FileOptions:
    """How a file of rows is to be read, where that is not told from its content."""

    header: Annotated[int | None, option(HEADER)] = None
    no_header: Annotated[bool, option(NO_HEADER)] = False
    sheet: Annotated[str | None, option(SHEET)] = None


AS_TRAINED = FileOptions()


def read_options(header: int | None, no_header: bool | None, sheet: str | None) -> "ReadOptions":
    """Return how a file is to be read; raises `InputError` for options that exclude each other."""
    from whygrad.tables import ReadOptions

    if no_header and header is not None:
        raise InputError("--header and --no-header exclude each other: give one of them")
    if header is not None and header < 1:
        raise InputError(
            f"header is {header}: lines are counted from 1; --no-header says there is none"
        )
    return ReadOptions(0 if no_header else header, sheet)


def refuse_of_text(given: Mapping[str, Any]) -> None:
    """Raise `InputError` for options of text and workbooks, where a folder of Parquet files is given."""
    for name in ("header", "no_header", "sheet"):
        if given[name]:
            option = name.replace("_", "-")
            raise InputError(
                f"--{option} is of text and workbooks: a folder has Parquet files, leave it out"
            )


question = partial(option, group=Group("The question", sort_key=0))
rows = partial(option, group=Group("Which rows", sort_key=1))
answer = partial(option, group=Group("The answer", sort_key=2))


@Parameter(name="*")
@dataclass(frozen=True)
class Rows:
    """Which of the test rows a question is about: one, those of a class, or all."""

    row: Annotated[int | None, rows("One row, counted from 0.")] = None
    of: Annotated[str | None, rows("The rows of one class.", name="--class")] = None
    all: Annotated[bool, rows("All of them.")] = False


@Parameter(name="*")
@dataclass(frozen=True)
class OutputFormat:
    """How an answer is shown: as text, or as data; and as a picture or a page in a file."""

    json: Annotated[bool, answer("Print JSON, for other programs.")] = False
    latex: Annotated[bool, answer("Print the equations as LaTeX.")] = False
    svg: Annotated[Path | None, answer("Write the picture to FILE.svg.", name="--svg")] = None
    html: Annotated[
        Path | None, answer("Write the whole answer to FILE.html, one page.", name="--html")
    ] = None
    overwrite: Annotated[bool, answer("Replace these files.")] = False


WEIGHT = (
    "Which weight: 2:0,5 leads to unit 0 of layer 2 from unit 5 below; also by name, '2:setosa,hidden 5', "
    "2:0,bias, 'hidden 5 -> setosa'. [the one of layer 1 that the rows would move most]"
)
Weight = Annotated[str | None, question(WEIGHT, name="WEIGHT")]
Top = Annotated[int, question("How many are listed. [10]")]
DEFAULT_ROWS = Rows()
PLAIN = OutputFormat()
