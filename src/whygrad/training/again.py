"""A training again from its start with something changed: without some examples, or by another plan.

The start, the order of the batches and all else stay as they were, so that what ends otherwise is due to
the change alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from whygrad.engines import Probes
from whygrad.errors import InputError
from whygrad.nn import Array, Data
from whygrad.plan.plan import Plan, smooth
from whygrad.training.epochs import final, take_steps
from whygrad.training.loop import INTERRUPTED, Training, run
from whygrad.training.side_by_side import Seat, side_by_side


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
    made: Callable[[Change], Training], changes: Sequence[Change], until: int | None = None
) -> list[Array]:
    """Train with each of several changes, side by side, and return the parameters of each.

    They are those that training ends with, or those after step `until`.

    Raises `KeyboardInterrupt` where one was cut off by Ctrl-C: its parameters say nothing.
    """

    def one(change: Change, seat: Seat | None = None) -> tuple[Array, str]:
        training = made(change) if seat is None else seat.take(made(change))
        if until is not None:
            return _after(training, until), ""
        state, history = run(training)
        return final(training.plan, state), history.stopped

    if len(changes) > 1:
        tasks = [partial(one, change) for change in changes]
        found = side_by_side(tasks, [made(changes[0])])
    else:  # which may use all cores
        found = [one(change) for change in changes]
    if any(stopped == INTERRUPTED for _, stopped in found):
        raise KeyboardInterrupt
    return [theta for theta, _ in found]


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
