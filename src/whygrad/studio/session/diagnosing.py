"""A diagnosis under way: it takes half a minute or more, tells what it tries, and can be broken off."""

import threading
from dataclasses import replace
from typing import Any

from whygrad.answers.explanation import Explanation
from whygrad.errors import InputError
from whygrad.plan import Adam, Plan
from whygrad.studio.session.subject import Subject
from whygrad.training import ended

FORKED = {"learning_rate", "optimizer", "l1", "l2", "batch_size", "epochs"}
NO_TRAINING = "there is no training yet to be diagnosed: train, then ask"
BROKEN_OFF = "broken off before anything was tried: ask again for an answer"


class Diagnosing:
    """One diagnosis, computed by the thread that asks for its `answer`; all else may be asked by any.

    Attributes
    ----------
    stage : str
        What is tried now, in words.
    """

    def __init__(self) -> None:
        self.stage = "it is trained as it stands"
        self._end = threading.Event()

    def cancel(self) -> None:
        """Break it off, as Ctrl-C does: what was found by then is the answer."""
        self._end.set()

    def answer(self, subject: Subject) -> Explanation:
        """Return why the training of a run does not learn.

        Raises
        ------
        InputError
            Where there is no run, where its data are gone, and where it was broken off too early.
        """
        if subject.run is None:
            raise InputError(NO_TRAINING)
        if subject.notice:
            raise InputError(subject.notice)
        before = ended.set(self._end)
        try:
            return subject.why.learning(progress=self.take_note)
        except KeyboardInterrupt:
            raise InputError(BROKEN_OFF) from None
        finally:
            ended.reset(before)

    def take_note(self, stage: object) -> None:
        """Take note of a stage."""
        self.stage = str(stage)


def fork_changes(plan: Plan, found: Explanation | None) -> dict[str, Any]:
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
