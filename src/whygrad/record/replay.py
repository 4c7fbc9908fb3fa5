"""A recorded training run again: the state at any step, what probes see, and whether bits are the same.

    state at step t  =  the nearest snapshot before t, and the steps from there to t once more

Where a run was resumed, its stages say how many epochs it was to have from which step on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from whygrad.answers.formatting import counted
from whygrad.engines import ProbeResult, Probes
from whygrad.engines.probe_data import steps_held
from whygrad.errors import FileError, InputError, RecordWarning, warn
from whygrad.fitted import Fitted
from whygrad.nn.functions import Array
from whygrad.plan.plan import State, smooth
from whygrad.record.files import environment, events, snapshots
from whygrad.record.files.events import Snapshot
from whygrad.record.recorded import Recorded, nearest
from whygrad.training import end_of_epoch, renewed, take_steps
from whygrad.training.callbacks import Report
from whygrad.training.loop import Training
from whygrad.training.loop import run as train

CHUNK = 256  # steps at a time, at most


def state_at(run: Recorded, step: int) -> State:
    """Return the exact state after `step` updates: parameters, optimizer's state, and all else it has.

    Raises `InputError` for a step that is not recorded, and where the data are needed and gone.
    """
    first, last = run.start, run.step
    whole = isinstance(step, int | np.integer) and not isinstance(step, bool)
    if not whole or not first <= step <= last:
        raise InputError(f"step {step!r}: {run.path.name} has the steps {first} to {last}")
    step = int(step)
    if not run.plan.by_steps:
        return _iterated(run, step)
    state = nearest(run, step)
    return _taken_again(run, state, step)


def take_again(run: Recorded, state: State) -> None:
    """Take the step from a state once more, and see that it costs what was recorded."""
    _taken_again(run, state.copy(), state.step + 1)


def _taken_again(run: Recorded, state: State, until: int) -> State:
    """Return the state at a later step; raises where a step costs something else than was recorded."""
    first, costs = state.step, [np.zeros(0)]
    for later, seen in steps(run, state, until, Probes(costs=True), run.plan.n):
        assert seen.costs is not None
        costs.append(seen.costs)
        state = later
    if first < until:
        _compare(run, first, np.concatenate(costs))
    return state


def _compare(run: Recorded, first: int, now: Array) -> None:
    with events.reading(run.path / events.NAME) as db:
        recorded = events.costs(db, first, first + len(now))
    beyond, tolerance = _beyond_guarantee(run, recorded, now[: len(recorded)])
    if len(beyond):
        i = int(beyond[0])
        why = f", which is beyond {tolerance:g} of it" if tolerance else ""
        raise InputError(
            f"{run.path.name}: step {first + i} computed again costs {float(now[i])!r}, recorded was "
            f"{float(recorded[i])!r}{why}: what was recorded, the machine or the code is not as it was; "
            "`replay` says more"
        )


def _beyond_guarantee(run: Recorded, recorded: Array, now: Array) -> tuple[Array, float]:
    """Return the indices where costs differ by more than the guarantee allows, and the share it allows."""
    tolerance = (
        environment.TOLERANCE[run.plan.products or run.plan.dtype] if run.elsewhere() else 0.0
    )
    allowed = tolerance * np.maximum(1.0, np.abs(recorded))
    same = (
        (np.abs(recorded - now) <= allowed)
        | (recorded == now)
        | (np.isnan(recorded) & np.isnan(now))
    )
    return np.flatnonzero(~same), tolerance


def replayed(
    run: Recorded,
    watch: Probes,
    from_step: int | None = None,
    until: int | None = None,
    chunk: int = CHUNK,
) -> Iterator[tuple[State, ProbeResult]]:
    """Return what `watch` sees of the steps from `from_step` on, to before `until`, chunk by chunk.

    Beside it stands the state at the end of each chunk: a copy has to be taken of one that is to be kept.
    Steps that left examples out leave them out again. L-BFGS makes no steps that could be watched.
    """
    if not run.plan.by_steps:
        raise InputError("L-BFGS takes all examples at once: there are no steps to probe")
    first = run.start if from_step is None else from_step
    last = run.step if until is None else until
    if not first <= last <= run.step:
        raise InputError(f"steps {first} to {last}: {run.path.name} has {run.start} to {run.step}")
    yield from steps(run, state_at(run, first), last, watch, chunk)


def steps(
    run: Recorded, state: State, until: int, watch: Probes, chunk: int, stops: tuple[int, ...] = ()
) -> Iterator[tuple[State, ProbeResult]]:
    """Take recorded steps again, from a state to step `until`; chunks end at the steps `stops`, too."""
    if state.step == until:
        return  # which needs no data
    data = smooth(run.plan, run.data)
    validation = run.validation if run.rules_go_by else None
    metrics = run.measuring()
    stages, whole = run.stages(), run.plan
    chunk = min(chunk, steps_held(whole, data))
    ends = sorted({*stops, *(stage.step for stage in stages), until})
    while state.step < until:
        plan = replace(whole, epochs=[s.epochs for s in stages if s.step <= state.step][-1])
        if state.batch_index == plan.steps_per_epoch:
            state, _ = end_of_epoch(plan, state, validation, metrics)
        end = min(state.step + chunk, next(step for step in ends if step > state.step))
        state = renewed(plan, replace(state, stopped=""))  # resumed here, if it was at an end
        state, seen = take_steps(run.engine, plan, state, data, validation, end, watch, metrics)
        if seen.diverged:
            raise InputError(
                f"{run.path.name}: computed again, the cost is not finite at step {state.step}, which was "
                "recorded otherwise: `verify` says where the two part"
            )
        yield state, seen


def states(run: Recorded, wanted: Sequence[int]) -> Iterator[State]:
    """Yield the states after so many updates, increasing, each a copy, in one pass over the training.

    Raises `InputError` where a step computed again costs something else than was recorded.
    """
    state = nearest(run, wanted[0])
    if not run.plan.by_steps:
        found: list[State] = []

        def look(report: Report) -> bool:
            if report.state.step in wanted:
                found.append(report.state.copy())
            return report.state.step >= wanted[-1]

        if state.step == wanted[0]:
            yield state.copy()
        train(_unmeasured(run, state), [look])
        yield from found
        return
    state = _taken_again(run, state, wanted[0])
    yield state.copy()
    costs, chosen = [np.zeros(0)], set(wanted)
    for later, seen in steps(run, state, wanted[-1], Probes(costs=True), run.plan.n, tuple(wanted)):
        assert seen.costs is not None
        costs.append(seen.costs)
        if later.step in chosen:
            yield later.copy()
    _compare(run, wanted[0], np.concatenate(costs))


def _unmeasured(run: Recorded, state: State) -> Training:
    """Return the training of L-BFGS that goes on from a state; no rule of it goes by a metric."""
    return Training(run.plan, state, run.data, None, run.engine)


def _iterated(run: Recorded, step: int) -> State:
    """Return the state after an iteration of L-BFGS, which has to be computed from its start."""
    for snapshot in run.snapshots(step):
        if snapshot.step == step:
            return snapshots.read(run.path, snapshot, run.first_plan)
    found: list[State] = []

    def look(report: Report) -> bool:
        if report.state.step == step:
            found.append(report.state.copy())
        return bool(found)

    train(_unmeasured(run, nearest(run, run.start)), [look])
    if not found:
        raise InputError(f"{run.path.name}: computed again, L-BFGS ends before iteration {step}")
    return found[0]


def resumptions(run: Recorded) -> list[tuple[int, int]]:
    """Return from which step on a run was to have how many epochs, a stage for each decision to go on.

    An interruption is none: the training goes on as it would have. Of L-BFGS, which begins anew, there is
    one stage.
    """
    plan, stages = run.plan, {stage.step: stage.epochs for stage in run.stages()}
    found = [(run.start, next(iter(stages.values())))]
    for step, epochs in stages.items():
        if epochs != found[-1][1] or _ended_by_rule(run, step):
            found.append((step, epochs))
    return found if plan.by_steps else [(run.start, plan.epochs)]


def _ended_by_rule(run: Recorded, step: int) -> bool:
    if run.plan.stopping is None or not run.start < step:
        return False
    state = state_at(run, step)
    return renewed(run.plan, state) is not state


# ── compared with what was recorded ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Verdict:
    """How a replayed training compares with the recorded one.

    Attributes
    ----------
    guarantee : {"bits", "tolerance"}
        "bits" where machine, versions, cores and code are those of the recording: every bit must be equal.
    reasons : tuple of str
        What is different here, where the guarantee is a tolerance.
    tolerance : float
        The difference allowed as a share of a cost, or of 1 where the cost is smaller; 0 for bits.
    steps : int
        The number of steps that were computed again.
    states : int
        The number of states that were computed again.
    first : int or None
        The first step whose cost differs at all.
    beyond : int or None
        The first step whose cost differs by more than the guarantee allows.
    largest : float
        The largest difference of a cost.
    state : int or None
        The step of the first snapshot that differs in any bit.
    holds : bool
        Whether the guarantee was kept.
    """

    guarantee: str
    reasons: tuple[str, ...]
    tolerance: float
    steps: int
    states: int
    first: int | None
    beyond: int | None
    largest: float
    state: int | None

    @property
    def holds(self) -> bool:
        """Whether the guarantee was kept."""
        return self.beyond is None and (self.state is None or self.guarantee != "bits")

    def __str__(self) -> str:
        what = f"{counted(self.steps, 'steps')} and {self.states} states computed again"
        if self.first is None and self.state is None:
            return f"{what}: equal to the last bit"
        where = [f"the cost first differs at step {self.first}"] if self.first is not None else []
        where += [f"the state first differs at step {self.state}"] if self.state is not None else []
        differs = f"{', '.join(where)}; costs differ by {self.largest:.2g} at most"
        if self.guarantee == "bits":
            return f"{what}: {differs}, where every bit was to be equal"
        allowed = f"a share of {self.tolerance:g} is allowed, since {'; '.join(self.reasons)}"
        kept = (
            "within the tolerance" if self.holds else f"beyond the tolerance at step {self.beyond}"
        )
        return f"{what}: {kept}. {differs[0].upper()}{differs[1:]}; {allowed}"

    __repr__ = __str__


@dataclass(frozen=True)
class Replay:
    """A replayed training.

    Attributes
    ----------
    fitted : Fitted
        The network with the parameters that it ended with.
    verdict : Verdict or None
        How it compares with what was recorded; None where nothing was compared.
    """

    fitted: Fitted
    verdict: Verdict | None

    def __str__(self) -> str:
        return "computed again, and not compared" if self.verdict is None else str(self.verdict)

    __repr__ = __str__


def verify(run: Recorded) -> tuple[State, Verdict]:
    """Train a whole run again, and compare every cost and every snapshot with what was recorded.

    Epochs and statistics follow from these; they are read, so that their checksums are verified.
    """
    run.check()
    recorded = run.costs
    known = {snapshot.step: snapshot for snapshot in run.snapshots()}
    costs: list[Array] = []
    states: dict[int, State] = {}
    state = nearest(run, run.start)
    if not run.plan.by_steps:
        state, costs = _iterations(run, state)
        states[state.step] = state
    else:
        stops = tuple(known)
        states[state.step] = state
        for later, seen in steps(
            run, state.copy(), run.step, Probes(costs=True), run.plan.n, stops
        ):
            costs.append(seen.costs if seen.costs is not None else np.zeros(0))
            state = later
            if state.step in known:
                states[state.step] = state.copy()
    now = np.concatenate(costs) if costs else np.zeros(0)
    different = [
        step for step, again in sorted(states.items()) if _differs(run, known, step, again)
    ]
    return state, _judge(run, recorded, now, len(states), different)


def again(run: Recorded) -> State:
    """Train a whole run again, and compare nothing."""
    state = nearest(run, run.start)
    if not run.plan.by_steps:
        return _iterations(run, state)[0]
    for later, _ in steps(run, state, run.step, Probes(), run.plan.n):
        state = later
    return state


def _iterations(run: Recorded, state: State) -> tuple[State, list[Array]]:
    costs: list[Array] = []

    def look(report: Report) -> bool:
        assert report.epoch is not None
        costs.append(np.array([report.epoch.cost]))
        return report.state.step >= run.step

    end, _ = train(_unmeasured(run, state), [look])
    return end, costs


def _differs(run: Recorded, known: dict[int, Snapshot], step: int, again: State) -> bool:
    if step not in known:
        return False
    try:
        then = snapshots.read(run.path, known[step], run.first_plan)
    except FileError as error:
        warn(str(error), RecordWarning)
        return False
    return not same_state(then, again)


def same_state(one: State, other: State) -> bool:
    """Return whether two states are equal to the last bit, but for their first cost and why training ended.

    No step depends on why training ended, and the first cost is not known before the first step.
    """
    these, those = snapshots.flat(one), snapshots.flat(other)
    for a, b in ((these.pop(name), those.pop(name)) for name in snapshots.ARRAYS):
        if (a is None) != (b is None) or (a is not None and a.tobytes() != b.tobytes()):
            return False
    return all(
        these[name] == those[name] for name in these if name not in ("first_cost", "stopped")
    )


def _judge(
    run: Recorded, recorded: Array, now: Array, states: int, different: list[int]
) -> Verdict:
    reasons = run.elsewhere()
    size = min(len(recorded), len(now))
    gap = np.abs(recorded[:size] - now[:size])
    beyond, tolerance = _beyond_guarantee(run, recorded[:size], now[:size])
    unequal = np.flatnonzero(gap != 0)
    short = [size] if len(recorded) != len(now) else []
    first, worst = [*unequal.tolist(), *short], [*beyond.tolist(), *short]
    return Verdict(
        guarantee="tolerance" if reasons else "bits",
        reasons=tuple(reasons),
        tolerance=tolerance,
        steps=len(now),
        states=states,
        first=run.start + first[0] if first else None,
        beyond=run.start + worst[0] if worst else None,
        largest=float(gap.max()) if size else 0.0,
        state=different[0] if different else None,
    )
