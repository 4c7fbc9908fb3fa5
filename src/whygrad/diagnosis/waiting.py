"""How far a diagnosis has come, for those who wait: what is trained now, and the best cure so far."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Stage:
    """What a diagnosis is about to train.

    Parameters
    ----------
    doing : str
        What is tried now, in words.
    compared : int
        The trainings with cures that were compared so far.
    best : float
        The largest gain of one of them, 0 where none gains.
    """

    doing: str = "it is trained as it stands"
    compared: int = 0
    best: float = 0.0

    def __str__(self) -> str:
        """The stage in one line."""
        best = f", the best gains {self.best:.3f}" if self.best > 0 else ""
        return f"{self.compared} compared{best}: {self.doing}" if self.compared else self.doing


Tell: TypeAlias = Callable[[Stage], None]


def ignore(stage: Stage) -> None:
    """Pass by a stage that nobody waits for."""
