"""Options of the command line that several commands share, and how all of them are declared."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


def option(help: str, **more: Any) -> Parameter:
    """Give an option whose help is one line, without a `--no-…` twin or a default of None."""
    return Parameter(help=help, negative="", show_default=False, **more)


RunFolder = Annotated[Path, option("A folder that `whygrad train` has written.", name="RUN")]
Json = Annotated[bool, option("Print JSON, for other programs.")]
