"""What several commands take: a run, which of its rows, and how the answer is to be shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter


def option(help: str, **more: Any) -> Parameter:
    """Return an option whose help is one line, without a `--no-…` twin or a default of None."""
    return Parameter(help=help, negative="", show_default=False, **more)


RunFolder = Annotated[Path, option("A folder that `whygrad train` has written.", name="RUN")]
Json = Annotated[bool, option("Print JSON, for other programs.")]

QUESTION = Group("The question", sort_key=0)
ROWS = Group("Which rows", sort_key=1)
ANSWER = Group("The answer", sort_key=2)


@Parameter(name="*")
@dataclass(frozen=True)
class Rows:
    """Which of the test rows a question is about: one, those of a class, or all."""

    row: Annotated[int | None, option("One row, counted from 0.", group=ROWS)] = None
    of: Annotated[str | None, option("The rows of one class.", name="--class", group=ROWS)] = None
    all: Annotated[bool, option("All of them.", group=ROWS)] = False


@Parameter(name="*")
@dataclass(frozen=True)
class OutputFormat:
    """How an answer is shown: as text, or as data; and as a picture or a page in a file."""

    json: Annotated[bool, option("Print JSON, for other programs.", group=ANSWER)] = False
    latex: Annotated[bool, option("Print the equations as LaTeX.", group=ANSWER)] = False
    svg: Annotated[
        Path | None, option("Write the picture to FILE.svg.", name="--svg", group=ANSWER)
    ] = None
    html: Annotated[
        Path | None,
        option("Write the whole answer to FILE.html, one page.", name="--html", group=ANSWER),
    ] = None
    overwrite: Annotated[bool, option("Replace these files.", group=ANSWER)] = False


WEIGHT = (
    "Which weight: 2:0,5 leads to unit 0 of layer 2 from unit 5 below; also by name, '2:setosa,hidden 5', "
    "2:0,bias, 'hidden 5 -> setosa'. [the one of layer 1 that the rows would move most]"
)
Weight = Annotated[str | None, option(WEIGHT, name="WEIGHT", group=QUESTION)]
Top = Annotated[int, option("How many are listed. [10]", group=QUESTION)]
DEFAULT_ROWS = Rows()
PLAIN = OutputFormat()
