"""A training again from its start with something changed: without some examples, or by another plan.

The start, the order of the batches and all else stay as they were, so that what ends otherwise is due to
the change alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

import numpy as np

from whygrad.engines import Probes
from whygrad.errors import InputError
from whygrad.nn import Array, Data
from whygrad.plan.plan import Plan, smooth
from whygrad.training.callbacks import Callback, Report
from whygrad.training.epochs import final, take_steps
from whygrad.training.loop import INTERRUPTED, Training, run
from whygrad.training.side_by_side import Seat, side_by_side

# Told what is done, and how many of how many steps.
Tell = Callable[[str, int, int], None]


def nobody(doing: str, done: int, count: int) -> None:
    """Pass by what nobody waits for."""


@dataclass(frozen=True, eq=False)
class Change:
    """What is different: the examples, or the plan.

    `factors` (n,) multiply the examples' gradients, beside those that the training has itself; with
    `rescale` steps divide by the weight of what remains. `plan` is another plan.
    """

    factors: Array | None = None
    rescale: bool = False
    plan: Plan | None = None

    def data(self, data: Data, name: str = "the training") -> Data:
        """Return the data with these factors; raises `InputError` where the two divide differently."""
        if self.factors is None:
            return data
        factors = self.factors
        if data.multipliers is not None:
            if data.rescale != self.rescale:
                raise InputError(
                    f"{name} leaves examples out with rescale={data.rescale} itself: do the same"
                )
            factors = factors * data.multipliers
        return replace(data, multipliers=factors, rescale=self.rescale)


def leaving_out(n: int, examples: Array, rescale: bool = False) -> Change:
    """Return the change that leaves some of n examples out, given by index."""
    factors = np.ones(n)
    factors[examples] = 0
    if not factors.any():
        raise InputError("all examples are left out: at least one must remain")
    return Change(factors, rescale)


def trained_again(
    made: Callable[[Change], Training],
    changes: Sequence[Change],
    until: int | None = None,
    tell: Tell = nobody,
) -> list[Array]:
    """Train with each of several changes, side by side, and return the parameters of each.

    They are those that training ends with, or those after step `until`. How many steps they have taken
    altogether is told from their threads, one at a time.

    Raises `KeyboardInterrupt` where one was cut off by Ctrl-C: its parameters say nothing.
    """
    if not changes:
        return []
    first = made(changes[0])
    together = _Together(first, len(changes), until, tell)

    def one(i: int, seat: Seat | None = None) -> tuple[Array, str]:
        training = made(changes[i]) if seat is None else seat.take(made(changes[i]))
        if until is not None:
            theta, stopped = _after(training, until), ""
        else:
            state, history = run(training, [_OneOf(together, i)])
            theta, stopped = final(training.plan, state), history.stopped
        together.at(i, None)
        return theta, stopped

    if len(changes) > 1:
        found = side_by_side([partial(one, i) for i in range(len(changes))], [first])
    else:  # which may use all cores
        found = [one(0)]
    if any(stopped == INTERRUPTED for _, stopped in found):
        raise KeyboardInterrupt
    return [theta for theta, _ in found]


class _Together:
    """How many steps several trainings have taken altogether, as all are of the length of the first."""

    def __init__(self, first: Training, count: int, until: int | None, tell: Tell) -> None:
        self.begin, last = first.state.step, first.plan.epochs * first.plan.steps_per_epoch
        self.each = (last if until is None else until) - self.begin
        self.taken, self.over, self.tell, self.lock = [0] * count, 0, tell, Lock()

    def at(self, i: int, step: int | None) -> None:
        """Take note that the training at index i is at a step, or without one that it is over."""
        with self.lock:
            self.over += step is None
            self.taken[i] = self.each if step is None else min(step - self.begin, self.each)
            count = len(self.taken)
            doing = (
                f"training again, {self.over} of {count} over" if count > 1 else "training again"
            )
            self.tell(doing, sum(self.taken), count * self.each)


class _OneOf(Callback):
    """The callback of one of several trainings."""

    every_epoch = False

    def __init__(self, together: _Together, i: int) -> None:
        self._together, self._i = together, i

    def on_steps_end(self, report: Report) -> None:
        self._together.at(self._i, report.state.step)


def _after(training: Training, until: int) -> Array:
    """Return the parameters after a step, or where the training ends before."""
    plan, state, data = training.plan, training.state.copy(), smooth(training.plan, training.data)
    while state.step < until and not state.stopped:
        state, seen = take_steps(
            training.engine, plan, state, data, training.validation, until, Probes()
        )
        if seen.diverged:
            break
    return state.theta.copy()
