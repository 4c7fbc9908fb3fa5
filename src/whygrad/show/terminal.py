"""An answer in a terminal, with the colours and weights of rich."""

from rich.console import Console
from rich.text import Text

from whygrad.explanation import Explanation
from whygrad.show.text import Style, text_lines

STYLES: dict[Style, str] = {
    "": "",
    "question": "bold",
    "answer": "",
    "equation": "cyan",
    "heading": "bold",
    "note": "dim",
}


def print_explanation(console: Console, about: Explanation) -> None:
    """Print an answer as wide as the console."""
    for line in text_lines(about, console.width):
        console.print(Text(line.text, style=STYLES[line.style]), soft_wrap=True)
