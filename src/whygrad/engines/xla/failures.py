"""What one of several processes says where it fails: a line, and the traceback of the user's own code."""

import sys
from pathlib import Path
from traceback import TracebackException
from types import TracebackType

from whygrad.errors import WhygradError
from whygrad.escaping import note, write

PACKAGE = str(Path(__file__).parents[2])


def tell_failure(who: str, error: BaseException) -> None:
    """Write to standard error which process failed and why, and below it where.

    The frames of this package are left out where the error is not of its making, or is a `WhygradError`,
    which says what is wrong with the input.
    """
    expected = isinstance(error, WhygradError)
    what = str(error) if expected else ": ".join(filter(None, (type(error).__name__, str(error))))
    note(f"{who}{'' if expected else ' failed'}: {what}")
    told = TracebackException.from_exception(error)
    within = [frame.filename.startswith(PACKAGE) for frame in told.stack]
    if expected or not any(within[-1:]):
        pairs = zip(told.stack, within, strict=True)
        told.stack[:] = [frame for frame, ours in pairs if not ours]
    if told.stack:
        write("".join(told.format()), sys.stderr)


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
