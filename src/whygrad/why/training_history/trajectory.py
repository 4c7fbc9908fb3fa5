"""A training that can be run again: where it began, where it ended, and its steps once more.

Every question about how a network became what it is looks at the same steps again, from a state that is
known. `trajectory_of` takes them from a recorded run, `trajectory` from plan, start and data alone.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from whygrad.answers.classes import classes, classifies
from whygrad.answers.names import Names
from whygrad.engines import Engine, ProbeResult, Probes, choose
from whygrad.errors import InputError
from whygrad.nn import Array, Data
from whygrad.plan.plan import Plan, State, smooth
from whygrad.training import final, take_steps
from whygrad.training.again import Change, Tell, nobody, plan_at, trained_again
from whygrad.training.loop import Training
from whygrad.why.choosing import classes_said

ROOM = 2**24  # numbers of the states that a stretch may take where √T of them are fewer
LONG = 16  # chunks between two states that are kept while steps are looked at backwards

# From a copy of a state to step `until`, so many steps at a time at most.
Advance = Callable[[State, int, Probes, int], Iterator[tuple[State, ProbeResult]]]

# From rows and targets of the user, or None, to those of the network.
Encode = Callable[[Any, Any], tuple[Any, Any]]


# From changes to the parameters that the training then ends with, run side by side; told how far it is.
Retrain = Callable[[Sequence[Change], Tell], list[Array]]


def _no_rows() -> None:
    """Return None: the examples are no rows of a table."""


def _nothing_else() -> Sequence[str]:
    """Return no reasons: the training is run again where it was run."""
    return ()


def _given(x: Any, y: Any) -> tuple[Any, Any]:
    """Return x and y as they are."""
    return x, y


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A training that can be run again, from a state to the step whose parameters are asked about.

    Parameters
    ----------
    plan : Plan
        All that decides the training.
    data : Data
        What training saw, its targets smoothed where the plan says so.
    start : State
        The state that it began in.
    last : int
        The last step; that of the best parameters where these were restored.
    theta : array, shape (P,)
        The parameters asked about.
    advance : callable
        Runs steps from a state, by the chunk; the arrays of a state it yields may be used for the next.
    retrain : callable
        Trains from the start with each of several changes, tells how far that is, and returns the
        parameters of each.
    names : Names
        What inputs, outputs and classes are called.
    encode : callable
        From (x, y) of the user to those of the network.
    rows : callable
        Returns the row of a table that each example was, (n,), or None.
    elsewhere : callable
        Returns the reasons why the steps, run again, need not arrive at `theta` to the last bit; where
        there are none, they must.
    seconds : float or None
        How long the training took, where that is known.
    engine : Engine or None
        What `advance` runs the steps on, whose memory for them others may use as well.
    tell : callable
        Told what is done, and how many of how many steps.
    stages : tuple of (int, int)
        Where it was resumed: from which step on it was to have how many epochs, in order.
    snapshots : dict from int to callable
        What reads the states that were recorded, by their steps; where one is damaged, an earlier one.
    known : list of State
        States that were met when the training ran, or when a walk back needed them.
    """

    plan: Plan
    data: Data
    start: State
    last: int
    theta: Array
    advance: Advance
    retrain: Retrain
    names: Names = Names()
    encode: Encode = _given
    rows: Callable[[], Array | None] = _no_rows
    elsewhere: Callable[[], Sequence[str]] = _nothing_else
    seconds: float | None = None
    engine: Engine | None = None
    tell: Tell = nobody
    stages: tuple[tuple[int, int], ...] = ()
    snapshots: Mapping[int, Callable[[], State]] = field(default_factory=dict)
    known: list[State] = field(default_factory=list)

    def plan_at(self, step: int) -> Plan:
        """Return the plan as it was at a step: its number of epochs is that of the stage."""
        return plan_at(self.plan, self.stages, step)

    def again(self, changes: Sequence[Change]) -> list[Array]:
        """Train from the start with each of several changes; return the parameters of each."""
        return self.retrain(changes, self.tell)

    def steps(self, probes: Probes, chunk: int) -> Iterator[tuple[State, ProbeResult]]:
        """Run all the steps; yield the state after each chunk and what `probes` read in it."""
        state = self.start
        for state, seen in self._again(probes, chunk):
            yield state, seen
        self.arrived(state.theta, self.theta)

    def backwards(self, probes: Probes, chunk: int) -> Iterator[tuple[ProbeResult, Array]]:
        """Yield what `probes` read, chunk by chunk from last to first, and θ after each.

        The steps are run three times: for states far apart, for those between two of them, and to look.
        """
        ends = self._states(self.start, self.last, LONG * chunk)
        self.arrived(ends[-1].theta, self.theta)
        while len(ends) > 1:
            last = ends.pop().step
            between = self._states(ends[-1], last, chunk)
            while len(between) > 1:
                after, before = between.pop(), between[-1]
                (seen,) = self.advance(before.copy(), after.step, probes, chunk)
                yield seen[1], after.theta
                self._tell("walking back", self.last - before.step)

    def stretches_back(self, per_step: int | None = None) -> Iterator[tuple[State, int]]:
        """Yield stretches of steps of one epoch, the state before them and their end, from last to first.

        Whoever walks over them keeps so many numbers of each step, those of a state by default. Where two
        known states are too far apart, the steps between them, but for the last stretch, are run once for
        states there; and once more where there are too many epochs for a state of each. Nobody has seen yet
        that the steps arrive.
        """
        apart, each = spacing(self.plan, self.start, self.last, per_step)
        until = self.last
        while until > self.start.step:
            before = self._known_before(until, apart, each)
            ends, begin = [before], self._last_begin(before, until, apart)
            if begin > before.step:
                ends = self._states(before, begin, apart)
            for state, later in reversed(
                [*zip(ends, [*(end.step for end in ends[1:]), until], strict=True)]
            ):
                yield state, later
                self._tell("walking back", self.last - state.step)
            until = before.step

    def later(self, state: State, until: int) -> State:
        """Run the steps from a state to step `until`; return the state there."""
        *_, (there, _) = self.advance(state.copy(), until, Probes(), until - state.step)
        return there

    def arrived(self, there: Array, known: Array) -> None:
        """Raise `InputError` where the steps, run again, arrive `there`, not at what is known."""
        if there.tobytes() != known.tobytes() and not self.elsewhere():
            raise InputError(
                f"run again from step {self.start.step}, the training does not arrive at the parameters "
                f"asked about, those of step {self.last}: `replay` says where the two part"
            )

    def _again(self, probes: Probes, chunk: int) -> Iterator[tuple[State, ProbeResult]]:
        """Run all the steps, and tell how many are run."""
        for state, seen in self.advance(self.start.copy(), self.last, probes, chunk):
            yield state, seen
            self._tell("running the steps again", state.step - self.start.step)

    def _tell(self, doing: str, done: int) -> None:
        self.tell(doing, done, self.last - self.start.step)

    def _known_before(self, until: int, apart: int, each: bool) -> State:
        """Return a known state not far before a step, for which steps are run where there is none."""
        before = max(
            (one for one in (self.start, *self.known) if one.step < until), key=lambda one: one.step
        )
        recorded = max((step for step in self.snapshots if step < until), default=-1)
        if recorded > before.step:
            before = max(before, self.snapshots[recorded](), key=lambda one: one.step)
        begin = self._last_begin(before, until, apart)
        if each or until - before.step >= apart + self.plan.steps_per_epoch:
            for state, _ in self.advance(before.copy(), begin, Probes(), apart):
                if each or state.step - before.step >= apart or state.step == begin:
                    before = _kept(state)
                    self.known.append(before)
                self._tell("running the steps again", state.step - self.start.step)
        return before

    def _last_begin(self, state: State, until: int, apart: int) -> int:
        """Return where the last stretch from a state to step `until` begins, `apart` before at most.

        It lies in one epoch, and in one stage.
        """
        steps = until - state.step
        in_epoch = (state.batch_index + steps - 1) % self.plan.steps_per_epoch + 1
        in_stage = (until - first for first, _ in self.stages if first < until)
        return until - min(apart, in_epoch, steps, *in_stage)

    def _states(self, state: State, until: int, chunk: int) -> list[State]:
        """Return copies of the states from `state` to step `until`, a chunk apart."""
        states = [state.copy()]
        for later, _ in self.advance(state.copy(), until, Probes(), chunk):
            states.append(_kept(later))
        return states


def spacing(plan: Plan, start: State, last: int, per_step: int | None = None) -> tuple[int, bool]:
    """Return how many steps apart states are kept for a walk back, and whether at the ends of epochs too.

    As many as there is `ROOM` for; beyond that as many as fill, with what is kept of each step between two,
    2√T states together: where that is a share σ of a state, s of them with σ s + T/s = 2√T, and of a whole
    state √T. At the ends of epochs too, where these are no closer.
    """
    T, per_epoch = max(1, last - start.step), plan.steps_per_epoch
    size = 1 + start.opt_state.size + len(start.theta)
    share = min(1.0, (per_step or size) / size)
    each = per_epoch * max(ROOM // size, math.isqrt(T)) >= T
    apart = int(max(1, ROOM / (share * size), math.sqrt(T) * (1 + math.sqrt(1 - share)) / share))
    if each:  # an epoch is cut into equal parts
        apart = -(-per_epoch // -(-per_epoch // apart))
    return apart, each


def _kept(state: State) -> State:
    """Return a copy of a state, without the parameters that early stopping remembers."""
    return replace(state.copy(), early_stopping=replace(state.early_stopping, best_theta=None))


def trajectory(
    plan: Plan, start: State, data: Data, validation: Data | None = None, engine: str = "auto"
) -> Trajectory:
    """Train by a plan from a state, and return the trajectory.

    Parameters
    ----------
    plan : Plan
        All that decides the training.
    start : State
        The state to begin in, such as `plan.start(plan)`.
    data : Data
        The training data; targets are smoothed as the plan says.
    validation : Data, optional
        The validation data, where the plan stops on them.
    engine : str
        The engine that runs the steps.

    Returns
    -------
    Trajectory
        What `ledger`, `influence` and `without` take in place of a recorded run.

    Raises
    ------
    InputError
        For L-BFGS, whose moves are no sums over examples, and where training diverges.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import start
    >>> net = Network(1, [Dense(1, "identity")])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> trajectory(plan, start(plan), as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])).last
    20
    """
    refuse(plan)
    machine, seen = choose(engine, plan), smooth(plan, data)

    def steps(
        state: State, until: int, probes: Probes, chunk: int
    ) -> Iterator[tuple[State, ProbeResult]]:
        while state.step < until and not state.stopped:
            end = min(until, state.step + chunk)
            state, result = take_steps(machine, plan, state, seen, validation, end, probes)
            if result.diverged:
                raise InputError(f"the training diverged at step {state.step}")
            yield state, result

    def retrain(changes: Sequence[Change], tell: Tell) -> list[Array]:
        return trained_again(
            lambda change: Training(
                change.plan or plan, start, change.data(data), validation, machine
            ),
            changes,
            tell=tell,
        )

    began = time.perf_counter()
    state, end = start, plan.epochs * plan.steps_per_epoch
    known, (apart, each) = [start.copy()], spacing(plan, start, end)
    for state, _ in steps(start.copy(), end, Probes(), apart):
        if each or state.step - known[-1].step >= apart:
            known.append(_kept(state))
    took = time.perf_counter() - began
    theta = final(plan, state)
    last = state.step if theta is state.theta else state.early_stopping.best_step
    return Trajectory(
        plan,
        seen,
        start,
        last,
        theta.copy(),
        steps,
        retrain,
        seconds=took,
        engine=machine,
        known=known,
    )


AGAIN = "computed again elsewhere"  # the residual that another machine leaves, or another version


def refuse(plan: Plan) -> None:
    """Raise `InputError` for a training that is no sum of steps along the examples' gradients."""
    if not plan.by_steps:
        raise InputError(
            "L-BFGS moves by all examples at once, through a line search: no part of a move belongs to one "
            "example. Train again with `run.without(examples)`, or ask about a training by steps, as Adam's"
        )


def epochs_of(plan: Plan, start: State, last: int) -> int:
    """Return the number of epochs that the steps from `start` to `last` touch."""
    return max(1, -(-(last - start.step + start.batch_index) // plan.steps_per_epoch))


def groups_of(trajectory: Trajectory) -> tuple[Array, int]:
    """Return the class of each example, and how many there are; numbers are one class altogether."""
    net, Y = trajectory.plan.net, trajectory.data.Y
    if not classifies(net) or net.C.targets == "real":
        return np.zeros(len(Y), np.int64), 1
    return classes(np.asarray(Y)).astype(np.int64), max(2, Y.shape[1])


def group_names(trajectory: Trajectory, names: Names, count: int) -> tuple[str, ...]:
    """Return the names of the examples' classes."""
    return ("all examples",) if count == 1 else classes_said(trajectory.plan.net, names)


def trajectory_of(given: Any) -> Trajectory:
    """Return the trajectory of a recorded run; a `Trajectory` is returned as it is."""
    return given if isinstance(given, Trajectory) else given.trajectory()
