"""A training that can be run again: where it began, where it ended, and its steps once more.

Every question about how a network became what it is looks at the same steps again, from a state that is
known. `trajectory_of` takes them from a recorded run, `trajectory` from plan, start and data alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from whygrad.answers.names import Names
from whygrad.engines import Engine, ProbeResult, Probes, choose
from whygrad.errors import InputError
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan, State, smooth
from whygrad.training.epochs import end_of_epoch, final

LONG = 16  # chunks between two states that are kept while steps are looked at backwards

# From a copy of a state to step `until`, so many steps at a time at most.
Advance = Callable[[State, int, Probes, int], Iterator[tuple[State, ProbeResult]]]

# From rows and targets of the user, or None, to those of the network.
Encode = Callable[[Any, Any], tuple[Any, Any]]

# From places in the data, and whether to rescale, to the parameters that training without them ends with.
LeftOut = Callable[[Array, bool], Array]


def no_rows() -> None:
    """Examples that are no rows of a table."""


def nothing_else() -> Sequence[str]:
    """Record that the training is run again where it was run."""
    return ()


def given(x: Any, y: Any) -> tuple[Any, Any]:
    """Return what is an array already."""
    return x, y


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A training from the state `start` to step `last`, whose parameters were `theta`.

    `data` is what training saw, its targets smoothed where the plan says so. Where the best parameters
    were restored, `last` is their step. The arrays of a state given by `advance` may be used for the next.
    `left_out` trains again without some examples, `encode` turns rows of the user into the network's.
    `rows` gives the row of a table that each example was, (n,), or None. `elsewhere` says why the steps, run
    again, need not arrive at `theta` to the last bit; where nothing does, they must.
    """

    plan: Plan
    data: Data
    start: State
    last: int
    theta: Array
    advance: Advance
    left_out: LeftOut
    names: Names = Names()
    encode: Encode = given
    rows: Callable[[], Array | None] = no_rows
    elsewhere: Callable[[], Sequence[str]] = nothing_else

    def steps(self, watch: Probes, chunk: int) -> Iterator[tuple[State, ProbeResult]]:
        """Return what `watch` sees of all the steps, chunk by chunk, beside the state after each."""
        state = self.start
        for state, seen in self.advance(self.start.copy(), self.last, watch, chunk):
            yield state, seen
        self._arrived(state)

    def backwards(self, watch: Probes, chunk: int) -> Iterator[tuple[ProbeResult, Array]]:
        """Return what `watch` sees chunk by chunk from the last to the first, beside θ after each.

        The steps are run three times: for states far apart, for those between two of them, and to look.
        """
        ends = self._states(self.start, self.last, LONG * chunk)
        self._arrived(ends[-1])
        while len(ends) > 1:
            last = ends.pop().step
            between = self._states(ends[-1], last, chunk)
            while len(between) > 1:
                after, before = between.pop(), between[-1]
                (seen,) = self.advance(before.copy(), after.step, watch, chunk)
                yield seen[1], after.theta

    def _arrived(self, state: State) -> None:
        """Reject an account of the way to parameters other than those that are asked about."""
        there = state.step == self.last and state.theta.tobytes() == self.theta.tobytes()
        if not there and not self.elsewhere():
            raise InputError(
                f"run again from step {self.start.step}, the training does not arrive at the parameters "
                f"asked about, those of step {self.last}: `replay` says where the two part"
            )

    def _states(self, state: State, until: int, chunk: int) -> list[State]:
        """Return copies of the states from `state` to step `until`, a chunk apart."""
        states = [state.copy()]
        for later, _ in self.advance(state.copy(), until, Probes(), chunk):
            states.append(replace(later.copy(), best_theta=None))
        return states


def trajectory(
    plan: Plan, start: State, data: Data, validation: Data | None = None, engine: str = "auto"
) -> Trajectory:
    """Train by a plan, from a state, and give the course that training took."""
    refuse(plan)
    machine, seen = choose(engine, plan), smooth(plan, data)

    def steps(
        data: Data, state: State, until: int, probes: Probes, chunk: int
    ) -> Iterator[tuple[State, ProbeResult]]:
        while state.step < until and not state.stopped:
            state, watched = _chunk(machine, plan, state, data, validation, until, probes, chunk)
            if watched.diverged:
                raise InputError(f"the training diverged at step {state.step}")
            yield state, watched

    def end(data: Data) -> State:
        state, last = start.copy(), plan.epochs * plan.steps_per_epoch
        for later, _ in steps(data, state, last, Probes(), plan.steps_per_epoch):
            state = later
        return state

    def left_out(examples: Array, rescale: bool) -> Array:
        multipliers = np.ones(plan.n) if seen.multipliers is None else seen.multipliers.copy()
        multipliers[examples] = 0
        return final(plan, end(replace(seen, multipliers=multipliers, rescale=rescale)))

    state = end(seen)
    theta = final(plan, state)
    last = state.step if theta is state.theta else state.best_step
    return Trajectory(plan, seen, start, last, theta.copy(), partial(steps, seen), left_out)


def _chunk(
    machine: Engine,
    plan: Plan,
    state: State,
    data: Data,
    validation: Data | None,
    until: int,
    watch: Probes,
    chunk: int,
) -> tuple[State, ProbeResult]:
    left = plan.steps_per_epoch - state.batch_index
    state, watched = machine.run(
        plan, state, data, min(until, state.step + left, state.step + chunk), watch
    )
    if state.batch_index == plan.steps_per_epoch and not watched.diverged:
        state, _ = end_of_epoch(plan, state, validation)
    return state, watched


AGAIN = "computed again elsewhere"  # the residual that another machine leaves, or another version


def refuse(plan: Plan) -> None:
    """Raise `InputError` for a training that is no sum of steps along the examples' gradients."""
    if not plan.by_steps:
        raise InputError(
            "L-BFGS moves by all examples at once, through a line search: no part of a move belongs to one "
            "example. Ask about a training by steps, such as Adam's"
        )


def epochs_of(plan: Plan, start: State, last: int) -> int:
    """Return the number of epochs that the steps from `start` to `last` touch."""
    return max(1, -(-(last - start.step + start.batch_index) // plan.steps_per_epoch))


def groups_of(trajectory: Trajectory) -> tuple[Array, int]:
    """Return the class of each example, and how many there are; numbers are one class altogether."""
    from whygrad.why.choosing import classes, classifies

    net, Y = trajectory.plan.net, trajectory.data.Y
    if not classifies(net) or net.C.targets == "real":
        return np.zeros(len(Y), np.int64), 1
    return classes(Y).astype(np.int64), max(2, Y.shape[1])


def group_names(trajectory: Trajectory, names: Names, count: int) -> tuple[str, ...]:
    """Name the classes of the examples."""
    from whygrad.why.choosing import class_names

    return ("all examples",) if count == 1 else class_names(trajectory.plan.net, names)


def trajectory_of(given: Any) -> Trajectory:
    """Return the course of a recorded run; a `Trajectory` is handed through."""
    found: Trajectory = given if isinstance(given, Trajectory) else given.trajectory()
    return found
