"""A training again from its start with something changed: without some examples, or by another plan.

The start, the order of the batches and all else stay as they were, so that what ends otherwise is due to
the change alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from threading import Lock

import numpy as np

from whygrad.errors import InputError
from whygrad.nn import Array, Data
from whygrad.plan.plan import Plan, State
from whygrad.training.callbacks import AnyCallback, Callback, Report, Until
from whygrad.training.epochs import Epoch, History, final, renewed
from whygrad.training.loop import INTERRUPTED, Training, run
from whygrad.training.minimise import ALL_DONE
from whygrad.training.side_by_side import Seat, side_by_side

# Told what is done, and how many of how many steps.
Tell = Callable[[str, int, int], None]

# Of a training that was resumed, in order: from which step on it was to have how many epochs.
Stages = Sequence[tuple[int, int]]


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
    stages: Stages = (),
) -> list[Array]:
    """Train with each of several changes, side by side, and return the parameters of each.

    They are those that training ends with, or those after step `until`; where it was resumed, `stages` say
    from which step on it was to have how many epochs. How many steps they have taken altogether is told
    from their threads, one at a time.

    Raises `KeyboardInterrupt` where one was cut off by Ctrl-C: its parameters say nothing.
    """
    if not changes:
        return []
    first = made(changes[0])
    together = _Together(first, len(changes), until, tell)

    def one(i: int, seat: Seat | None = None) -> tuple[Array, str]:
        training = made(changes[i]) if seat is None else seat.take(made(changes[i]))
        end = math.inf if until is None else until
        state, history = run_stages(training, stages, end, [_OneOf(together, i)])
        together.at(i, None)
        return final(training.plan, state) if until is None else state.theta, history.stopped

    if len(changes) > 1:
        found = side_by_side([partial(one, i) for i in range(len(changes))], [first])
    else:  # which may use all cores
        found = [one(0)]
    if any(stopped == INTERRUPTED for _, stopped in found):
        raise KeyboardInterrupt
    return [theta for theta, _ in found]


def run_stages(
    training: Training,
    stages: Stages,
    until: float = math.inf,
    callbacks: Sequence[AnyCallback] = (),
) -> tuple[State, History]:
    """Train as `run` does, through the stages of a training that was resumed, to step `until` at most.

    Where a stopping rule ends a stage early, the next one begins there.
    """
    state, epochs = training.state, list[Epoch]()
    for plan, end in stages_of(training.plan, stages):
        end, state = min(end, until), renewed(plan, state)
        now = replace(training, plan=plan, state=state)
        state, history = run(now, callbacks, controller=bound(plan, state, end))
        epochs += history.epochs
        if end == until or not resumable(plan, state, end):
            break
    over = state.stopped == INTERRUPTED and state.step == end
    return state, History(tuple(epochs), "" if over else state.stopped)


def plan_at(plan: Plan, stages: Stages, step: int) -> Plan:
    """Return the plan as it was at a step, with as many epochs as it was to have then."""
    epochs = [epochs for first, epochs in stages if first <= step]
    return replace(plan, epochs=epochs[-1]) if epochs else plan


def stages_of(plan: Plan, stages: Stages) -> list[tuple[Plan, float]]:
    """Return the plan of each stage and the step at which it ends; the last one is by the plan itself."""
    ended = [(replace(plan, epochs=epochs), end) for (_, epochs), (end, _) in pairwise(stages)]
    return [*ended, (plan, math.inf)]


def bound(plan: Plan, state: State, end: float) -> Until | None:
    """Return what ends a stage at a step, or None where its epochs are over by then."""
    return Until(int(end)) if end < Report(plan, state).steps else None


def resumable(plan: Plan, state: State, end: float) -> bool:
    """Return whether another stage follows: at the end of one, and where a stopping rule ended it early.

    None does where the training diverged, reached its goal, or was interrupted.
    """
    at_end = state.stopped == INTERRUPTED and state.step == end
    return at_end or state.stopped == ALL_DONE or renewed(plan, state) is not state


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
