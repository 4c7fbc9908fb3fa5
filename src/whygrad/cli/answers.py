"""How an answer is shown: text or JSON or LaTeX on standard output, a picture or a page in a file."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from whygrad.answers.explanation import Explanation
from whygrad.answers.parts import Answer
from whygrad.answers.write.text import Style, text_lines
from whygrad.cli.arguments import OutputFormat
from whygrad.cli.printing import note, print_json, printer
from whygrad.errors import FileError, InputError
from whygrad.escaping import visible
from whygrad.files import refuse_taken, write_atomically

FILES = ("svg", "html")


def check(how: OutputFormat) -> None:
    """Reject options that exclude each other, and files that cannot be written, before any work is done."""
    if how.json and how.latex:
        raise InputError("--json and --latex exclude each other: give one of them")
    for kind in FILES:
        path = getattr(how, kind)
        if path is not None:
            _check_place(path, f".{kind}", how.overwrite)


def show(answer: Explanation, how: OutputFormat, about: dict[str, Any], first: str = "") -> int:
    """Show an answer, with `about` as more of what JSON holds, and `first` as the first of its notes."""
    if first:
        answer = replace(answer, notes=(first, *answer.notes))
    for kind in FILES:
        path = getattr(how, kind)
        if path is not None:
            content = answer.svg() if kind == "svg" else answer.html()
            _check_place(path, f".{kind}", how.overwrite)  # it may have come meanwhile
            write_atomically(path, content.encode())
            note(f"written: {path}")
    if how.json:
        print_json(about | answer.to_dict())
    elif how.latex:
        printer().print(answer.latex(), soft_wrap=True)
    else:
        from whygrad.cli.answers import print_explanation

        print_explanation(printer(), answer)
    return 0


def _check_place(path: Path, ending: str, overwrite: bool) -> None:
    if path.suffix.lower() != ending:
        raise FileError(f"{path}: the name must end in {ending}")
    refuse_taken(path, overwrite)


STYLES: dict[Style, str] = {
    "": "",
    "question": "bold",
    "answer": "",
    "equation": "cyan",
    "heading": "bold",
    "note": "dim",
}


class Printer(Console):
    """A console on which text is text: never markup or an emoji's code, and never what a terminal obeys."""

    def __init__(self, stream: TextIO, **options: Any) -> None:
        super().__init__(file=stream, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text of a string, as wide as it will be."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the pieces that are written: all of them, whatever they were made of, come through here."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else piece._replace(text=visible(piece.text))


def print_explanation(console: Console, about: Answer) -> None:
    """Print an answer as wide as the console."""
    for line in text_lines(about, console.width):
        console.print(Text(line.text, style=STYLES[line.style]), soft_wrap=True)
