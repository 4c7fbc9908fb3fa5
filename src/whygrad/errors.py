"""What can go wrong, as one family of exceptions.

Every message says what was wrong, where (row, column, layer), and what to do about it, in one line.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from functools import wraps
from importlib.util import find_spec
from inspect import signature
from pathlib import PurePath
from typing import Any, SupportsIndex, TypeVar

from whygrad.escaping import visible
from whygrad.hints import called_here, plain

T = TypeVar("T")


class WhygradError(Exception):
    """The base class of all errors that whygrad raises on purpose."""

    def __str__(self) -> str:
        return visible(super().__str__())  # a message names what files and folders of anybody hold


class InputError(WhygradError, ValueError):
    """An argument or an array cannot be used as given."""


class ArgumentError(InputError, TypeError):
    """A function or class takes no argument of that name."""


class FileError(WhygradError, OSError):
    """A file cannot be read or written as asked."""


class TrainingError(WhygradError):
    """Of several trainings some failed while they ran; the others went on to their ends.

    Attributes
    ----------
    done : list
        What the trainings returned, in their order; None for those that failed.
    """

    def __init__(self, message: str, done: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.done = list(done)


class DivergenceWarning(UserWarning):
    """The cost became infinite or NaN; training stopped with the last parameters before that."""


class EngineWarning(UserWarning):
    """Training runs on another engine than the fastest one, or compiles it anew, for the reason given."""


class TrackingWarning(UserWarning):
    """What a callback reports elsewhere does not arrive there; the training goes on without it."""


class RecordWarning(UserWarning):
    """A recorded run is not as it was written; what is still there is used."""


# Whose frames lie between the call of a user and what whygrad has to say about it.
_BETWEEN = ("whygrad", "sklearn", "joblib", "scipy", "contextlib")


_kept: ContextVar[list[tuple[str, type[Warning]]] | None] = ContextVar("kept", default=None)


@contextmanager
def warnings_kept() -> Iterator[list[tuple[str, type[Warning]]]]:
    """Keep what `warn` has to say within, for a thread that no line of the user's own code has called."""
    kept: list[tuple[str, type[Warning]]] = []
    before = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(before)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, and name the line of the user's own code that led here, however deep."""
    kept = _kept.get()
    if kept is not None:
        kept.append((message, category))
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(visible(message), category, stacklevel=level)


def row_of(row: SupportsIndex) -> str:
    """Return what messages call a row, which says where rows are counted from.

    >>> row_of(17)
    'row 17 (from 0)'
    """
    return f"row {row} (from 0)"


def nearest(name: Any, choices: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: what was meant, if known, then all that exist.

    >>> nearest("sigmod", ["relu", "sigmoid"])
    "did you mean 'sigmoid'? Known: relu, sigmoid"
    """
    known = list(choices)
    ours = meant(name, known)
    question = f"did you mean {repr(ours) if ours in known else ours}? " if ours else ""
    return f"{question}Known: {', '.join(known)}"


def meant(name: Any, known: Sequence[str]) -> str:
    """Return the known name that was meant by an unknown one; "" where nobody can tell.

    It is the same name written in another way, or what another library calls it (`elsewhere`), or else the
    one that looks most like it. A function or an object of a class is looked up by the name of that.

    >>> meant("linear", ["relu", "identity"]), meant("sigmod", ["relu", "sigmoid"])
    ('identity', 'sigmoid')
    """
    said = getattr(name, "__name__", type(name).__name__) if callable(name) else str(name)
    alike = {plain(choice): choice for choice in reversed(known)}
    cutoff = 0.5 if len(plain(said)) > 2 else 0.9  # two letters look like anything
    close = get_close_matches(plain(said), alike, n=1, cutoff=cutoff)
    return called_here(said, known) or (alike[close[0]] if close else "")


def refuse_unknown(function: Callable[..., Any], unknown: Iterable[str]) -> None:
    """Reject names of arguments that a function does not have, with the nearest that it has."""
    for name in unknown:
        parameters = list(signature(function).parameters.values())
        own = [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD]
        raise ArgumentError(
            f"{function.__qualname__}() got an unexpected keyword argument {name!r}: "
            f"{nearest(name, own)}"
        )


def known_arguments(cls: type[T]) -> type[T]:
    """Make a class reject, with `refuse_unknown`, arguments that its `__init__` does not take."""
    init: Any = cls.__init__
    known = frozenset(signature(init).parameters)

    @wraps(init)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        refuse_unknown(init, [name for name in named if name not in known])
        init(self, *given, **named)

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


def needs(package: str, what: str) -> None:
    """Raise `InputError` where a package is not installed that something needs.

    >>> needs("nosuchpackage", "plot()")
    Traceback (most recent call last):
    whygrad.errors.InputError: plot() needs nosuchpackage: pip install nosuchpackage
    """
    if find_spec(package) is None:
        raise InputError(f"{what} needs {package}: pip install {package}")


def first_line(error: BaseException | None) -> str:
    r"""Return the first line of what an error says, "" where it says nothing.

    >>> first_line(ValueError("no such node\nin graph"))
    'no such node'
    """
    return (str(error).splitlines() or [""])[0]


def nearest_file(name: str, others: Iterable[str]) -> str:
    """Return the question after a file of that name, which is not there; "" where no other is like it.

    Endings are left aside: they would make every name like every other.

    >>> nearest_file("titanik.csv", ["titanic.csv", "iris.csv"]), nearest_file("wine.csv", ["iris.csv"])
    ("did you mean 'titanic.csv'?", '')
    """
    stems = {PurePath(other).stem.lower(): other for other in sorted(others, reverse=True)}
    close = get_close_matches(PurePath(name).stem.lower(), stems, n=1, cutoff=0.7)
    return f"did you mean {stems[close[0]]!r}?" if close else ""
