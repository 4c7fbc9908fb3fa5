"""How long a question about a training takes, said beforehand, and how far it is, for those who wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from whygrad.answers.formatting import number
from whygrad.cores import allowed_cores
from whygrad.escaping import note
from whygrad.training.progress import told_of
from whygrad.why.training_history.trajectory import Trajectory

SHORT = 1.0  # seconds of which nothing is said beforehand


@dataclass(frozen=True)
class Stage:
    """How far a question about a training has come.

    Parameters
    ----------
    doing : str
        What is done now, in words.
    done, count : int
        How many steps of how many that takes.
    trainings : float
        How many times as long as the training the whole question takes at most, as estimated beforehand.
    seconds : float or None
        How long that is; None where nobody knows how long the training took.
    """

    doing: str
    done: int
    count: int
    trainings: float
    seconds: float | None

    def __str__(self) -> str:
        """The stage in one line."""
        return f"{self.doing}: {self.done:,} of {self.count:,} steps" if self.count else self.doing


Progress: TypeAlias = bool | Callable[[Stage], None]


@contextmanager
def watched(
    trajectory: Trajectory, progress: Progress, passes: float, trainings: int = 0
) -> Iterator[Trajectory]:
    """Return a trajectory that tells how far a question has come, or for True shows it on the terminal.

    The question takes `passes` times as long as a training, and then so many trainings, side by side.
    """
    rounds = passes + rounds_of(trainings)
    seconds = None if trajectory.seconds is None else rounds * trajectory.seconds
    first = Stage("beginning", 0, 0, rounds, seconds)
    if progress is True:
        say_beforehand(rounds, seconds)
    with told_of(progress, first) as tell:
        if callable(progress):
            tell(first)
        yield replace(
            trajectory,
            tell=lambda doing, done, count: tell(
                replace(first, doing=doing, done=done, count=count)
            ),
        )


def rounds_of(trainings: int) -> int:
    """Return how many trainings follow one another where as many run side by side as there are cores."""
    return -(-trainings // allowed_cores())


def say_beforehand(trainings: float, seconds: float | None) -> None:
    """Write to standard error how long a question takes, if that is long, or nobody knows."""
    if seconds is None or seconds > SHORT:
        note(beforehand(trainings, seconds))


def beforehand(trainings: float, seconds: float | None) -> str:
    """Return the line that says how long a question takes.

    >>> beforehand(12, 38.4)
    'This takes up to 38 s, 12 times as long as the training; Ctrl-C ends it.'
    """
    return f"This takes up to {how_long(trainings, seconds)}; Ctrl-C ends it."


def how_long(trainings: float, seconds: float | None) -> str:
    """Return a time as a phrase.

    >>> how_long(2, 7.1)
    '7 s, 2 times as long as the training'
    """
    times = f"{number(trainings)} times as long as the training"
    times = "as long as the training" if trainings == 1 else times
    return times if seconds is None else f"{_shown(seconds)}, {times}"


def _shown(seconds: float) -> str:
    """Return a time in seconds, or of many in minutes."""
    if seconds < 1:
        return "less than a second"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
