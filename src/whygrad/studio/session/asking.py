"""A question under way that takes seconds or minutes: how far it has come, and how it is broken off."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whygrad.errors import InputError
from whygrad.plan import Adam, Plan
from whygrad.training import ended

if TYPE_CHECKING:
    from whygrad.answers.explanation import Explanation

FORKED = {"learning_rate", "optimizer", "l1", "l2", "batch_size", "epochs"}
CANCELLED = "stopped before there was an answer: ask again for one"


class Asking:
    """One question, answered by the thread that asks for its `answer`; all else may be asked by any.

    Attributes
    ----------
    stage : str
        What is done now, in words.
    part : float or None
        How much of that is done, from 0 to 1; None where nobody knows.
    """

    def __init__(self) -> None:
        self.stage = "beginning"
        self.part: float | None = None
        self._end = threading.Event()

    def cancel(self) -> None:
        """Break it off, as Ctrl-C does: trainings end, and what walks through one stops where it is."""
        self._end.set()

    def answer(self, work: Callable[[Callable[[object], None]], "Explanation"]) -> "Explanation":
        """Return what `work` returns, which is given whom to tell its stages.

        Raises
        ------
        InputError
            Where the question cannot be answered, and where it was broken off too early.
        """
        before = ended.set(self._end)
        try:
            return work(self.take_note)
        except KeyboardInterrupt:
            raise InputError(CANCELLED) from None
        finally:
            ended.reset(before)

    def take_note(self, stage: object) -> None:
        """Take note of a stage; of one that counts its steps nothing more is done once it is broken off."""
        self.stage, count = str(stage), getattr(stage, "count", None)
        self.part = getattr(stage, "done", 0) / count if count else None
        if count is not None and self._end.is_set():
            raise KeyboardInterrupt


def fork_changes(plan: Plan, found: "Explanation | None") -> dict[str, Any]:
    """Return the cure that an answer proves as settings of a fork, {} where a fork cannot have it."""
    changes = dict(getattr(found, "changes", {}))
    if "optimizer" in changes:
        cured = changes.pop("optimizer")
        rate = changes["learning_rate"] = cured.learning_rate
        alike = type(plan.optimizer) is type(cured)
        if (
            not alike
            or replace(cured, learning_rate=plan.optimizer.learning_rate) != plan.optimizer
        ):
            if cured != Adam(rate):  # of others a training on a table takes its own numbers
                return {}
            changes["optimizer"] = "adam"
    return changes if changes.keys() <= FORKED else {}
