"""How an answer is shown: text or JSON or LaTeX on standard output, a picture or a page in a file."""

from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.text import Text

from whygrad.answers.explanation import Explanation
from whygrad.answers.parts import Answer
from whygrad.answers.write.text import Style, text_lines
from whygrad.cli.arguments import OutputFormat
from whygrad.cli.printing import print_json, printer
from whygrad.errors import InputError
from whygrad.escaping import note
from whygrad.files import refuse_taken, write_atomically

FILES = ("svg", "html")


def check(how: OutputFormat) -> None:
    """Reject options that exclude each other, and files that cannot be written, before any work is done."""
    if how.json and how.latex:
        raise InputError("--json and --latex exclude each other: give one of them")
    for kind in FILES:
        path = getattr(how, kind)
        if path is not None:
            refuse_taken(path, how.overwrite, f".{kind}")


def show(answer: Explanation, how: OutputFormat, about: dict[str, Any], first: str = "") -> int:
    """Show an answer, with `about` as more of what JSON holds, and `first` as the first of its notes."""
    if first:
        answer = replace(answer, notes=(first, *answer.notes))
    for kind in FILES:
        path = getattr(how, kind)
        if path is not None:
            content = answer.svg() if kind == "svg" else answer.html()
            refuse_taken(path, how.overwrite, f".{kind}")  # it may have come meanwhile
            write_atomically(path, content.encode())
            note(f"written: {path}")
    if how.json:
        print_json(about | answer.to_dict())
    elif how.latex:
        printer().print(answer.latex(), soft_wrap=True)
    else:
        print_explanation(printer(), answer)
    return 0


def show_all(
    found: list[Explanation], how: OutputFormat, about: dict[str, Any], first: str = ""
) -> int:
    """Show several answers, one after the other; in JSON they are a list, `answers`."""
    if how.json:
        print_json(about | {"answers": [answer.to_dict() for answer in found]})
        return 0
    for i, answer in enumerate(found):
        if i:
            printer().print("")
        show(answer, how, about, first)
    return 0


STYLES: dict[Style, str] = {
    "": "",
    "question": "bold",
    "answer": "",
    "equation": "cyan",
    "heading": "bold",
    "note": "dim",
}


def print_explanation(console: Console, about: Answer) -> None:
    """Print an answer as wide as the console."""
    for line in text_lines(about, console.width):
        console.print(Text(line.text, style=STYLES[line.style]), soft_wrap=True)
