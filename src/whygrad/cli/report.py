"""`whygrad report`: a run as one page that a colleague can read."""

from pathlib import Path
from typing import Annotated

from whygrad.answers.write.html import to_page
from whygrad.cli.arguments import RunFolder, option
from whygrad.cli.printing import printer
from whygrad.errors import FileError
from whygrad.files import refuse_taken, write_atomically
from whygrad.record import open_run
from whygrad.record.report import report as sections_of


def report(
    run: RunFolder,
    /,
    *,
    out: Annotated[
        Path | None, option("The page to write. [RUN's name].html", name=["-o", "--out"])
    ] = None,
    overwrite: Annotated[bool, option("Replace that file.")] = False,
) -> int:
    """Write the report on a run."""
    path = run.with_suffix(".html") if out is None else out
    if path.suffix.lower() != ".html":
        raise FileError(f"{path}: the name must end in .html")
    refuse_taken(path, overwrite)
    page = to_page(sections_of(open_run(run)))
    write_atomically(path, page.encode())
    printer().print(f"written: {path}", soft_wrap=True)
    return 0
