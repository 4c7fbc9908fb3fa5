"""What one of several processes says where it fails: a line, and the traceback of the user's own code."""

import os
import sys
import sysconfig
from pathlib import Path
from traceback import FrameSummary, TracebackException
from types import TracebackType

from whygrad.errors import WhygradError
from whygrad.escaping import note, write

PACKAGE = f"{Path(__file__).parents[2]}{os.sep}"
LIBRARIES = "<frozen ", *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))


def tell_failure(who: str, error: BaseException) -> None:
    """Write to standard error which process failed and why, and below it where.

    The frames of this package are left out where the error is not of its making, nor of a library that it
    called. Of a `WhygradError`, which says what is wrong with the input, only the user's own are told.
    """
    expected = isinstance(error, WhygradError)
    what = str(error) if expected else ": ".join(filter(None, (type(error).__name__, str(error))))
    note(f"{who}{'' if expected else ' failed'}: {what}")
    told = TracebackException.from_exception(error)
    if expected:
        told.__cause__ = told.__context__ = None
    written = [frame for frame in told.stack if not _of_library(frame)]
    if expected:
        told.stack[:] = [frame for frame in written if not _ours(frame)]
    elif not any(map(_ours, written[-1:])):
        told.stack[:] = [frame for frame in told.stack if not _ours(frame)]
    if told.stack:
        write("".join(told.format()), sys.stderr)


def _ours(frame: FrameSummary) -> bool:
    """Return whether a frame is of this package, or of what `dataclass` made of it."""
    made = (frame.filename, frame.name) == ("<string>", "__init__")
    return made or frame.filename.startswith(PACKAGE)


def _of_library(frame: FrameSummary) -> bool:
    """Return whether a frame is of Python's own library, or of another package that is installed."""
    return not _ours(frame) and frame.filename.startswith(LIBRARIES)


def tell_failures_of(who: str) -> None:
    """Have this process say so where nothing in it catches an error: `who` is what it is called."""

    def failed(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            tell_failure(who, error)
        else:  # Ctrl-C
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = failed
