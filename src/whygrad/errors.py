"""What can go wrong, as one family of exceptions.

Every message says what was wrong, where (row, column, layer), and what to do about it, in one line.
"""

import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePath

from whygrad.escaping import visible


class WhygradError(Exception):
    """The base class of all errors that whygrad raises on purpose."""

    def __str__(self) -> str:
        return visible(super().__str__())  # a message names what files and folders of anybody hold


class InputError(WhygradError, ValueError):
    """An argument or an array cannot be used as given."""


class FileError(WhygradError, OSError):
    """A file cannot be read or written as asked."""


class DivergenceWarning(UserWarning):
    """The cost became infinite or NaN; training stopped with the last parameters before that."""


class EngineWarning(UserWarning):
    """Training runs on another engine than the fastest one, or compiles it anew, for the reason given."""


class RecordWarning(UserWarning):
    """A recorded run is not as it was written; what is still there is used."""


# Whose frames lie between the call of a user and what whygrad has to say about it.
_BETWEEN = ("whygrad", "sklearn", "joblib", "scipy", "contextlib")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, and name the line of the user's own code that led here, however deep."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(visible(message), category, stacklevel=level)


def nearest(name: str, choices: Iterable[str]) -> str:
    """Give the end of a message about an unknown name: the nearest known one, then all of them.

    >>> nearest("sigmod", ["relu", "sigmoid"])
    "did you mean 'sigmoid'? Known: relu, sigmoid"
    """
    known = list(choices)
    close = get_close_matches(str(name), known, n=1, cutoff=0.5)
    question = f"did you mean {close[0]!r}? " if close else ""
    return f"{question}Known: {', '.join(known)}"


def nearest_file(name: str, others: Iterable[str]) -> str:
    """Give the question after a file of that name, which is not there; "" where no other is like it.

    Endings are left aside: they would make every name like every other.

    >>> nearest_file("titanik.csv", ["titanic.csv", "iris.csv"]), nearest_file("wine.csv", ["iris.csv"])
    ("did you mean 'titanic.csv'?", '')
    """
    stems = {PurePath(other).stem.lower(): other for other in sorted(others, reverse=True)}
    close = get_close_matches(PurePath(name).stem.lower(), stems, n=1, cutoff=0.7)
    return f"did you mean {stems[close[0]]!r}?" if close else ""
