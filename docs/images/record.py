"""Record the images of the README and the docs: real commands, their real output, as SVG made by rich.

    python docs/images/record.py

Every command runs in a process of its own, in a temporary folder, as wide as a terminal of 80 columns.
"""

import os
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 80
THEMES: dict[str, TerminalTheme] = {"dark": SVG_EXPORT_THEME, "light": DEFAULT_TERMINAL_THEME}

# The name of each image: the commands that lead to it, of which the last is shown.
IMAGES = {
    "train_iris": ["train iris"],
    "show_digits": ["train digits", "show digits.run"],
}


def main() -> None:
    for name, commands in IMAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            outputs = [run(command, Path(folder)) for command in commands]
        for theme, colours in THEMES.items():
            console = Console(
                record=True,
                width=WIDTH,
                file=StringIO(),
                force_terminal=True,
                color_system="truecolor",
            )
            console.print(Text.assemble(("$ ", "dim"), (f"whygrad {commands[-1]}", "bold")))
            console.print(Text.from_ansi(outputs[-1].rstrip()))
            console.save_svg(str(HERE / f"{name}_{theme}.svg"), title="whygrad", theme=colours)


def run(command: str, folder: Path) -> str:
    """Return what a command writes to a terminal's standard output, colours and all."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    words = [sys.executable, "-m", "whygrad", *command.split()]
    result = subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return result.stdout


if __name__ == "__main__":
    main()
