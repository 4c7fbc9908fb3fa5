"""A console for what is drawn in a terminal, and an answer in it, with the colours and weights of rich."""

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from whygrad.answers.parts import Answer
from whygrad.answers.write.text import Style, text_lines
from whygrad.escaping import visible

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
        """Give the pieces that are written: all of them, whatever they were made of, come through here."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else piece._replace(text=visible(piece.text))


def print_explanation(console: Console, about: Answer) -> None:
    """Print an answer as wide as the console."""
    for line in text_lines(about, console.width):
        console.print(Text(line.text, style=STYLES[line.style]), soft_wrap=True)
