"""Training: epochs, stopping rules, history.

    repeat for each epoch:  run its steps  →  end of the epoch: measure, compare, decide

`train` is the front door; `run` is the loop behind it and behind the estimators. Neither knows files:
whoever wants to see a training (a progress bar, a recorder) is a callback, called between chunks of steps
of 50–100 ms. Where chunks end never changes a bit.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whygrad.cores import beside_others
from whygrad.engines import Engine, ProbeResult
from whygrad.engines.probe_data import steps_held
from whygrad.engines.xla import XlaEngine
from whygrad.errors import InputError, nearest
from whygrad.nn.arrays import Data
from whygrad.nn.network import Parameters
from whygrad.plan.plan import Plan, State, smooth
from whygrad.plan.schedules import OnPlateau
from whygrad.training.callbacks import (
    AnyCallback,
    Report,
    StepController,
    allowed,
    as_callback,
    closing,
    merge_probes,
    notify,
    waited,
)
from whygrad.training.divergence import Rollback, report_divergence, roll_back, with_first_cost
from whygrad.training.epochs import MEASURES, Epoch, History, end_of_epoch, last_step, rise
from whygrad.training.metrics import Measure, Metrics
from whygrad.training.minimise import ALL_DONE, minimise
from whygrad.training.together import together

CHUNK_SECONDS = 0.075  # between two looks at Ctrl-C and the callbacks
RISKED = 0.05  # the share of a training's time that may be spent on epochs that a rule then undoes
ORDERS = 2**20  # examples whose order is drawn ahead
# Layers are measured for callbacks that glance at them once in RARELY steps, or between two looks if those
# are more. Where epochs are taken together, one is taken by itself and measured GLANCES times: again after
# RARER times the steps before it.
RARELY, GLANCES, RARER = 128, 4, 1.2

# Set where a training is one of several, and all of them are to end, as by Ctrl-C.
ended: ContextVar[threading.Event | None] = ContextVar("ended", default=None)

INTERRUPTED = "interrupted"  # what `stopped` says at the end of a training ended by Ctrl-C
BY_CALLBACK = "stopped by a callback"


@dataclass(frozen=True, eq=False)
class Training:
    """All that a training is a function of; `run` takes the steps."""

    plan: Plan
    state: State
    data: Data
    validation: Data | None
    engine: Engine
    layer_statistics: bool = False
    metrics: Metrics | None = None


def run(
    training: Training,
    callbacks: Sequence[AnyCallback] = (),
    seconds: float | None = None,
    controller: StepController | None = None,
) -> tuple[State, History]:
    """Go on from the training's state until the plan's epochs are over or something stops it.

    Parameters
    ----------
    training : Training
        The plan, the data and the state to start from, which is not changed.
    callbacks : sequence of callables or Callback
        Who sees it; the engine measures what their probes ask for.
    seconds : float, optional
        A budget of time.
    controller : StepController, optional
        What may make the training wait, or end it.

    Returns
    -------
    State
        Where the training ended.
    History
        Its epochs, and why it ended.

    Raises
    ------
    InputError
        Where a rule or a metric needs validation data and there are none, where a rule goes by what is
        not measured, where a metric cannot be measured, and for L-BFGS on rows that are read on demand.
    """

    def lead() -> tuple[State, History]:
        return _run(training, callbacks, seconds, controller)

    if isinstance(training.engine, XlaEngine) and training.engine.group.count > 1:
        return together(training.engine, training.plan, training.state, training.data, lead)
    return lead()


def _run(
    training: Training,
    callbacks: Sequence[AnyCallback],
    seconds: float | None,
    controller: StepController | None,
) -> tuple[State, History]:
    """Take the steps in this process."""
    plan, state, validation = training.plan, training.state, training.validation
    engine, layer_statistics = training.engine, training.layer_statistics
    called = [as_callback(callback) for callback in callbacks]
    measuring = measure_of(training)
    data, started = smooth(plan, training.data), time.perf_counter()
    epochs: list[Epoch] = []

    def look(state: State, *ended: Epoch, probed: ProbeResult = ProbeResult()) -> str:  # noqa: B008
        """Notify the callbacks; return why to stop, or an empty string."""
        stopped = ""
        if notify(called, Report(plan, state, ended[-1] if ended else None, probed, ended)):
            stopped = BY_CALLBACK
        if seconds is not None and time.perf_counter() - started - waited(controller) >= seconds:
            stopped = stopped or f"time budget of {seconds:g} s over at step {state.step}"
        return INTERRUPTED if interrupted() else stopped or state.stopped

    def iterated(state: State, ended: Epoch) -> str:
        """Notify the callbacks of an iteration of L-BFGS, and wait where the controller says so."""
        stopped = look(state, ended)
        if not stopped and allowed(controller, plan, state, called) <= state.step:
            stopped = INTERRUPTED
        return stopped

    wanted = merge_probes(called)
    chunk, stopped, risen, seen = 8, "", "", ProbeResult()
    held = steps_held(plan, data)
    needed = layer_statistics or any(one.every_epoch for one in called)
    unseen = not (needed or controller or validation or measuring or data.on_demand)
    glances = not wanted.every and any(one.glances for one in called)
    glance, due = False, 0.0  # whether an epoch is taken by itself; the step from which one may be
    late: Sequence[Epoch] = ()  # epochs before a divergence that no callback was told of
    with interruption(engine) as interrupted, closing(called), beside_others():
        state = with_first_cost(plan, replace(state.copy(), stopped=""), data)
        checkpoints = Rollback(state)
        if not plan.by_steps:
            if interrupted() or allowed(controller, plan, state, called) <= state.step:
                return replace(state, stopped=INTERRUPTED), History((), INTERRUPTED)
            return minimise(
                plan, state, data, validation, engine, iterated, layer_statistics, measuring
            )
        stopped = INTERRUPTED if interrupted() else ""
        while state.epoch < plan.epochs and not stopped:
            bound = allowed(controller, plan, state, called)
            if bound <= state.step:
                stopped = INTERRUPTED
                break
            ahead = _unseen_epochs(training, state, chunk) if unseen and not glance else 1
            if ahead > 1:
                began, first = time.perf_counter(), state.step
                state, ended_epochs, risen, diverged = run_epochs(training, data, state, ahead)
                seen = ProbeResult(diverged=diverged)
                epochs += ended_epochs
                chunk = next_chunk(chunk, state.step - first, time.perf_counter() - began)
                if diverged or risen:
                    late = ended_epochs[: -1 if risen else None]
                    break
                stopped = look(state, *ended_epochs)
                checkpoints.offer(state)
                glance = glances and state.step >= due
                due = RARER * state.step if glance else due
                continue
            rest = plan.steps_per_epoch - state.batch_index
            sampled = layer_statistics and rest == 1  # the last step of an epoch, taken by itself
            most = min(rest - 1 if layer_statistics and not sampled else rest, chunk, held)
            until = int(min(state.step + most, bound))
            before = state.copy() if sampled else state
            began, first = time.perf_counter(), state.step
            if glances:
                often = max(1, plan.steps_per_epoch // GLANCES)
                every = often if glance else max(RARELY, chunk)
                wanted = replace(wanted, every=every)
            state, seen = engine.run(plan, state, data, until, wanted)
            if seen.diverged:
                break
            if not (sampled or glance):
                chunk = next_chunk(chunk, state.step - first, time.perf_counter() - began)
            glance, ended = False, []
            if state.batch_index == plan.steps_per_epoch:
                after = state.theta
                state, epoch = end_of_epoch(plan, state, validation, measuring)
                if sampled:
                    epoch = replace(epoch, layers=last_step(plan, before, after, data))
                epochs.append(epoch)
                risen = rise(state, epoch.cost, plan.dtype)
                if risen:
                    break
                ended = [epoch]
            stopped = look(state, *ended, probed=seen)
            checkpoints.offer(state)
        if seen.diverged or risen:
            look(state, *late, probed=seen)
        # The very last update is followed by no cost that would show it.
        if seen.diverged or risen or not np.isfinite(state.theta).all():
            stopped = report_divergence(plan, state, data, risen)
            if state.batch_index == 0 and epochs:
                epochs.pop()  # the step that is undone was its last
            state = roll_back(plan, state.step, checkpoints, data, validation, engine, measuring)
    state = replace(state, stopped=stopped or ALL_DONE)
    return state, History(tuple(epochs), state.stopped)


def measure_of(training: Training) -> Measure | None:
    """Return what measures the metrics of a training, once all is there that they and its rules go by.

    Raises
    ------
    InputError
        As `run` does.
    """
    plan, metrics = training.plan, training.metrics
    if training.data.on_demand and not plan.by_steps:
        raise InputError("L-BFGS takes all rows at once: of a folder take another optimizer")
    for rule in (plan.stopping, plan.schedule):
        on = getattr(rule, "on", "cost")
        what = "stopping" if rule is plan.stopping else "a schedule"
        if on in ("validation_cost", "validation_score") and training.validation is None:
            raise InputError(f"{what} on {on!r} needs validation data: give validation=(X, Y)")
        if on not in MEASURES and (metrics is None or on not in metrics.names):
            known = [*MEASURES[1:4], *(() if metrics is None else metrics.names)]
            raise InputError(
                f"{what} on {on!r}, which is not measured: {nearest(on, known)}; metrics=[…] measures more"
            )
        if metrics is not None and any(
            one.name == on and one.less_is_better for one in metrics.metrics
        ):
            raise InputError(
                f"{what} on {on!r}, a loss, where more is to be better: give the scorer instead, such as "
                "'neg_log_loss'"
            )
    if metrics is None:
        return None
    from whygrad.training.scorers import measuring  # which imports scikit-learn

    measure = measuring(metrics, plan.net, training.data, training.validation)
    measure.check(Parameters(plan.net.sizes, training.state.theta))
    return measure


def _unseen_epochs(training: Training, state: State, chunk: int) -> int:
    """Return how many epochs may be taken in one call: those whose ends nobody looks at, and no rule needs.

    A rule may act at the end of one of them, and what was taken beyond is then taken in vain. It cannot
    before its patience is over; beyond that, a twentieth of the epochs so far are risked.
    """
    plan = training.plan
    steps = plan.steps_per_epoch
    if state.batch_index or chunk < 2 * steps:
        return 1
    most = min(plan.epochs - state.epoch, chunk // steps, max(1, ORDERS // plan.n))
    safe = _epochs_until_a_rule_acts(plan, state)
    if most <= safe:
        return most
    if plan.stopping is not None and plan.stopping.restore_best:
        return 1  # every epoch's parameters may be the best
    risked = int(RISKED * (state.epoch - training.state.epoch))
    return int(min(most, max(safe, risked)))


def _epochs_until_a_rule_acts(plan: Plan, state: State) -> float:
    """Return the number of epochs at the end of which, at the earliest, a rule may stop or change η."""
    first: list[float] = [math.inf]
    if plan.cost_below is not None:
        first.append(1)
    if plan.stopping is not None:
        first.append(plan.stopping.patience + 1 - state.early_stopping.stalled)
    if isinstance(plan.schedule, OnPlateau):
        first.append(plan.schedule.patience + 1 - state.plateau.waiting)
    return max(1, min(first))


def run_epochs(
    training: Training, data: Data, state: State, ahead: int
) -> tuple[State, list[Epoch], str, bool]:
    """Take epochs in one call; return the state, the epochs, how the cost has risen, and if it is infinite.

    Where a rule acts at the end of one of them, that is where the state is: the epochs up to there are
    taken again, which is the same to the bit.
    """
    plan, engine, begun, epochs = training.plan, training.engine, state.copy(), []
    after, cost_sums = engine.run_epochs(plan, state, data, ahead)
    told, steps = begun, plan.steps_per_epoch
    for cost_sum in cost_sums:
        step = told.step + steps
        told = replace(told, step=step, batch_index=steps, cost_sum=cost_sum, theta=after.theta)
        scale = told.learning_rate_scale
        told, ended = end_of_epoch(plan, told, None)
        epochs.append(ended)
        risen = rise(told, ended.cost, plan.dtype)
        if risen or told.stopped or told.learning_rate_scale != scale:
            if told.step < after.step:
                after, _ = engine.run_epochs(plan, begun, data, len(epochs))
            return _at(told, after), epochs, risen, False
    if after.step == told.step:
        return _at(told, after), epochs, "", len(cost_sums) < ahead
    return (
        replace(
            _at(told, after),
            step=after.step,
            batch_index=after.batch_index,
            cost_sum=after.cost_sum,
        ),
        epochs,
        "",
        True,
    )


def _at(told: State, taken: State) -> State:
    return replace(told, theta=taken.theta, opt_state=taken.opt_state)


def next_chunk(chunk: int, steps: int, seconds: float) -> int:
    """Return the number of steps that should take CHUNK_SECONDS, growing by 8 at most.

    Of the last chunk so many steps were taken: fewer where an epoch ended, maybe its last alone, whose
    batch may be small. So a chunk grows by what was taken.
    """
    most = max(chunk, 8 * steps)
    if seconds <= 0:
        return most
    return max(1, min(most, math.ceil(steps * CHUNK_SECONDS / seconds)))


@contextmanager
def interruption(engine: Engine | None = None) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a question asked between chunks; a second one interrupts at once.

    So does the first while the engine compiles: no step has been taken, and none would be for a while.
    """
    pressed = ended.get() or threading.Event()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is None:
        yield pressed.is_set  # signals reach the main thread only, and one that is not Python's stays
        return

    def press(signum: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, previous)
        if engine is not None and engine.compiling and callable(previous):
            previous(signum, frame)

    previous = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
