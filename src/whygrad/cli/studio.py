"""`whygrad studio`: the page, until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import whygrad
from whygrad.cli.arguments import option


def studio(
    run: Annotated[
        Path | None,
        option("A folder that `whygrad train` has written. [begin with data]", name="RUN"),
    ] = None,
    /,
    *,
    folder: Annotated[Path, option("Where data and runs are read and written. [here]")] = Path(),
    port: Annotated[int, option("Where it listens, or at the next free one. [8750]")] = 8750,
    host: Annotated[
        str, option("The address it listens at. [127.0.0.1, for this machine only]")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, option("Print the address, and open no browser.")] = False,
) -> int:
    """Open the studio, and serve it until Ctrl-C."""
    whygrad.studio(run, folder=folder, host=host, port=port, show=not no_browser)
    return 0
