"""What can go wrong, as one family of exceptions.

Every message says what was wrong, where (row, column, layer), and what to do about it, in one line.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class WhygradError(Exception):
    """The base class of all errors that whygrad raises on purpose."""


class InputError(WhygradError, ValueError):
    """An argument or an array cannot be used as given."""


class FileError(WhygradError, OSError):
    """A file cannot be read or written as asked."""


class DivergenceWarning(UserWarning):
    """The cost became infinite or NaN; training stopped with the last parameters before that."""


class EngineWarning(UserWarning):
    """Training runs on another engine than the fastest one, for the reason given."""


class RecordWarning(UserWarning):
    """A recorded run is not as it was written; what is still there is used."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Give the end of a message about an unknown name: the nearest known one, then all of them.

    >>> nearest("sigmod", ["relu", "sigmoid"])
    "did you mean 'sigmoid'? Known: relu, sigmoid"
    """
    known = list(choices)
    close = get_close_matches(str(name), known, n=1, cutoff=0.5)
    question = f"did you mean {close[0]!r}? " if close else ""
    return f"{question}Known: {', '.join(known)}"
