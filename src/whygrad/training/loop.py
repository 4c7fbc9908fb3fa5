"""Training: epochs, stopping rules, history.

    repeat for each epoch:  run its steps  →  end of the epoch: measure, compare, decide

`train` is the front door; `run` is the loop behind it and behind the estimators. Neither knows files:
whoever wants to see a training (a progress bar, a callback) is an observer, called between chunks of steps
of 50–100 ms. Where chunks end never changes a bit.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from whygrad.cores import beside_others
from whygrad.engines import Engine, Watch, Watched, choose
from whygrad.errors import InputError, refuse_unknown
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters
from whygrad.nn.predict import outputs
from whygrad.plan.lbfgs import LBFGS
from whygrad.plan.optimizers import find_optimizer
from whygrad.plan.plan import Clip, Penalty, Plan, State, Stopping, of_gradients, smooth, start
from whygrad.plan.schedules import Constant, Schedule, find_schedule
from whygrad.training.callbacks import (
    Observer,
    Pace,
    Report,
    allowed,
    at_epoch_ends,
    closing,
    waited,
    wishes,
)
from whygrad.training.divergence import (
    Checkpoints,
    report_divergence,
    state_before,
    with_first_cost,
)
from whygrad.training.epochs import Epoch, History, end_of_epoch, final, last_step, rise
from whygrad.training.minimise import ALL_DONE, minimise

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.why.bound import Why

CHUNK_SECONDS = 0.075  # between two looks at Ctrl-C and the observers

INTERRUPTED = "interrupted"  # what `stopped` says at the end of a training ended by Ctrl-C


@dataclass(frozen=True, eq=False)
class Training:
    """All that a training is a function of; `run` takes the steps."""

    plan: Plan
    state: State
    data: Data
    held_out: Data | None
    engine: Engine
    layer_statistics: bool = False
    watch: Watch = Watch()


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network: what it is, where it stands, and how it came there."""

    net: Network
    theta: Parameters
    history: History = field(default_factory=History)

    def __repr__(self) -> str:
        sizes = "-".join(str(units) for units in self.net.sizes)
        return f"<Fitted {sizes} {self.net.C.name}: {self.history!r}>"

    def predict(self, X: Any) -> Array:
        """Give the outputs a[L] for X, shape (n, n_L)."""
        return outputs(self.net, self.theta, X)

    @property
    def why(self) -> "Why":
        """Ask why: `fitted.why.weight(X, y, layer=1, to=0, from_=2)`, and the other questions of `Why`.

        Penalties are not kept here: give `l1` and `l2` with a question where training had them.
        """
        from whygrad.why.bound import Why

        return Why(self.net, self.theta)

    def widget(self, X: Any, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click asks why, on inputs X and targets y. See `Why.widget`."""
        return self.why.widget(X, y)

    def studio(self, **options: Any) -> None:
        """Open it in the studio, until Ctrl-C; `options` are `folder`, `host`, `port` and `show`."""
        from whygrad.studio import studio

        studio(self, **options)

    def save(self, path: str | PathLike[str]) -> None:
        """Write network, parameters and history to one safetensors file; `whygrad.load` reads it."""
        from whygrad.training.model_file import save

        save(self, path)


def train(
    net: Network,
    X: Any,
    Y: Any,
    *,
    optimizer: Any = "adam",
    epochs: int = 100,
    batch_size: int | None = None,
    seed: int = 0,
    engine: str = "auto",
    theta: Parameters | None = None,
    weights: Any = None,
    held_out: tuple[Any, Any] | None = None,
    l1: float | Penalty = 0.0,
    l2: float | Penalty = 0.0,
    schedule: str | Schedule = Constant(),  # noqa: B008 — frozen data
    stopping: Stopping | None = None,
    cost_below: float | None = None,
    seconds: float | None = None,
    clip: float | Clip = Clip(),  # noqa: B008
    label_smoothing: float = 0.0,
    shuffle: bool = True,
    dtype: Any = None,
    progress: bool = False,
    callbacks: Sequence[Observer] = (),
    layer_statistics: bool = False,
    record: str | PathLike[str] | None = None,
    copy_data: bool | None = None,
    overwrite: bool = False,
    **unknown: Never,
) -> Fitted:
    """Train a network by backpropagation and gradient descent.

    The result is a pure function of the arguments: the same seed gives the same bits. Ctrl-C ends the
    training cleanly, with the parameters so far; while the engine compiles, it is a `KeyboardInterrupt`. A
    cost that becomes infinite or NaN stops it at that step, with the last parameters before it and a
    `DivergenceWarning` that names the layer; so does one that at the end of an epoch is half of the way
    there, in orders of magnitude from where it began.

    Parameters
    ----------
    net : the network.
    X : inputs, (n, n_0), or n examples of any shape with n_0 numbers each.
    Y : targets, (n, n_L); or (n,) with one number per example, or with classes 0 … n_L − 1.
    optimizer : "sgd", "adam", "lbfgs" …, or an optimizer such as `SGD(0.5, momentum=0.9)`.
    epochs : passes through the data; iterations of L-BFGS.
    batch_size : examples per step; by default 32, or all if there are fewer, or for L-BFGS.
    seed : decides the initial parameters and the order of the examples.
    engine : "auto", "native" or "reference".
    theta : parameters to start from, instead of drawn ones.
    weights : how much each example counts, (n,).
    held_out : (X, Y) to measure after every epoch; nothing is learned from them.
    l1, l2 : λ₁ and λ₂, numbers or `Penalty`.
    schedule : how the rate changes: "constant", "inverse_scaling", "step", "cosine", "one_cycle",
        "adaptive", "on_plateau", or a schedule such as `Cosine(warm_up=0.05)`.
    stopping : when to stop before `epochs` are over, a `Stopping`.
    cost_below : stop after an epoch whose cost is below this.
    seconds : a budget of time; its step is in the history.
    clip : bounds on the gradient: its greatest length, or a `Clip`.
    label_smoothing : the share by which classes move towards equal probabilities.
    shuffle : take the examples in a new order every epoch.
    dtype : "float32" or "float64"; by default float32 where X is, else float64, as always for L-BFGS,
        whose line search needs the digits.
    progress : show a live line while training.
    callbacks : functions called with a `Report` after every epoch; True stops the training.
    layer_statistics : put the gradient's norm and the relative size of the update of every layer, at the
        last step of each epoch, into the history. It costs one more pass through that batch.
    record : a folder to write, "NAME.run", from which `open_run` replays, resumes and forks the training.
    copy_data : put the data into that folder; by default where they are small.
    overwrite : replace the run that is there.

    Raises
    ------
    InputError
        For data, shapes or settings that cannot be trained with.
    FileError
        Where the folder cannot be written. What was recorded until then can be resumed.

    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> from whygrad import Dense, SGD
    >>> net = Network(2, [Dense(4, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> fitted = train(net, X, Y, optimizer=SGD(1.0), epochs=300, batch_size=4)
    >>> fitted.predict(X).round().ravel()
    array([0., 1., 1., 0.])
    """
    refuse_unknown(train, unknown)
    rule = LBFGS() if isinstance(optimizer, str) and optimizer == "lbfgs" else optimizer
    whole = isinstance(rule, LBFGS)
    if dtype is None:
        single = getattr(X, "dtype", None) == np.float32 and not whole
        dtype = np.float32 if single else np.float64
    kind = _name_of(dtype)
    _check_arguments(net, theta, held_out, seconds, callbacks)
    data = as_data(net, X, Y, weights, kind)
    plan = Plan(
        net=net,
        optimizer=find_optimizer(rule),
        n=len(data.Y),
        epochs=epochs,
        batch_size=min(len(data.Y) if whole else 32, len(data.Y))
        if batch_size is None
        else batch_size,
        seed=seed,
        shuffle=shuffle,
        l1=l1 if isinstance(l1, Penalty) else Penalty(l1),
        l2=l2 if isinstance(l2, Penalty) else Penalty(l2),
        schedule=find_schedule(schedule),
        stopping=stopping,
        dtype=kind,
        clip=Clip(norm=clip) if isinstance(clip, int | float) else clip,
        label_smoothing=label_smoothing,
        cost_below=cost_below,
    )
    kept = None if held_out is None else as_data(net, *held_out, dtype=kind)
    observers = [at_epoch_ends(callback) for callback in callbacks]
    if progress:
        from whygrad.training.progress import ProgressBar

        observers.insert(0, ProgressBar())
    chosen = choose(engine, of_gradients(plan))
    training = Training(plan, start(plan, theta), data, kept, chosen, layer_statistics)
    if record is None:
        state, history = run(training, observers, seconds)
    else:
        from whygrad.record import record_run

        state, history = record_run(record, training, observers, seconds, copy_data, overwrite)
    return Fitted(net, Parameters(net.sizes, final(plan, state)), history)


def _check_arguments(net: Any, theta: Any, held_out: Any, seconds: Any, callbacks: Any) -> None:
    """Refuse what is not of the kind that `train` asks for."""
    if not isinstance(net, Network):
        raise InputError(
            f"the first argument is a Network, train(net, X, Y), not {type(net).__name__}"
        )
    if theta is not None and not isinstance(theta, Parameters):
        raise InputError("theta is not Parameters: make some with net.init(W=[…], b=[…])")
    if held_out is not None and not (isinstance(held_out, tuple | list) and len(held_out) == 2):
        raise InputError("held_out is a pair, held_out=(X, Y)")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
        raise InputError(f"seconds is {seconds!r}: it must be a number of at least 0")
    if not isinstance(callbacks, list | tuple) or not all(map(callable, callbacks)):
        raise InputError("callbacks is a list of functions, callbacks=[look]")


def run(
    training: Training,
    observers: Sequence[Observer] = (),
    seconds: float | None = None,
    pace: Pace | None = None,
) -> tuple[State, History]:
    """Go on from the training's state until the plan's epochs are over or something stops it.

    The state given is not changed. Engines watch what the training says and what observers wish to see.
    `pace` may let it wait, or end it. Raises `InputError` where a rule needs held-out data.
    """
    plan, state, held_out = training.plan, training.state, training.held_out
    engine, layer_statistics, watch = training.engine, training.layer_statistics, training.watch
    for rule in (plan.stopping, plan.schedule):
        on = getattr(rule, "on", "cost")
        if on != "cost" and held_out is None:
            what = "stopping" if rule is plan.stopping else "a schedule"
            raise InputError(f"{what} on {on!r} needs held-out data: give held_out=(X, Y)")
    data, started = smooth(plan, training.data), time.perf_counter()
    epochs: list[Epoch] = []

    def look(state: State, ended: Epoch | None, watched: Watched = Watched()) -> str:  # noqa: B008
        """Tell the observers; give why to stop, or an empty string."""
        report, stopped = Report(plan, state, ended, watched), ""
        if any([observer(report) for observer in observers]):
            stopped = "stopped by a callback"
        if seconds is not None and time.perf_counter() - started - waited(pace) >= seconds:
            stopped = stopped or f"time budget of {seconds:g} s over at step {state.step}"
        return INTERRUPTED if interrupted() else stopped or state.stopped

    def iterated(state: State, ended: Epoch) -> str:
        """Tell the observers of an iteration of L-BFGS, and wait as the pace says."""
        stopped = look(state, ended)
        if not stopped and allowed(pace, plan, state, observers) <= state.step:
            stopped = INTERRUPTED
        return stopped

    state = with_first_cost(plan, replace(state.copy(), stopped=""), data)
    checkpoints = Checkpoints(state)
    wanted = wishes(watch, observers)
    chunk, stopped, risen, seen = 8, "", "", Watched()
    with _interruption(engine) as interrupted, closing(observers), beside_others():
        if isinstance(plan.optimizer, LBFGS):
            data = _remaining(data, watch)
            if allowed(pace, plan, state, observers) <= state.step:
                return replace(state, stopped=INTERRUPTED), History((), INTERRUPTED)
            return minimise(plan, state, data, held_out, engine, iterated, layer_statistics)
        while state.epoch < plan.epochs and not stopped:
            bound = allowed(pace, plan, state, observers)
            if bound <= state.step:
                stopped = INTERRUPTED
                break
            rest = plan.steps_per_epoch - state.place
            sampled = layer_statistics and rest == 1  # the last step of an epoch, taken by itself
            most = min(rest - 1 if layer_statistics and not sampled else rest, chunk)
            until = int(min(state.step + most, bound))
            before = state.copy() if sampled else state
            began, first = time.perf_counter(), state.step
            state, seen = engine.run(plan, state, data, until, wanted)
            if seen.diverged:
                break
            if not sampled:
                chunk = _next_chunk(state.step - first, time.perf_counter() - began)
            ended = None
            if state.place == plan.steps_per_epoch:
                after = state.theta
                state, ended = end_of_epoch(plan, state, held_out)
                if sampled:
                    ended = replace(ended, layers=last_step(plan, before, after, data))
                epochs.append(ended)
                risen = rise(state, ended.cost, plan.dtype)
                if risen:
                    break
            stopped = look(state, ended, seen)
            checkpoints.offer(state)
        if seen.diverged or risen:
            look(state, None, seen)
        # The very last update is followed by no cost that would show it.
        if seen.diverged or risen or not np.isfinite(state.theta).all():
            stopped = report_divergence(plan, state, data, risen)
            if state.place == 0 and epochs:
                epochs.pop()  # the step that is undone was its last
            state = state_before(plan, state.step, checkpoints, data, held_out, engine, watch)
    state = replace(state, stopped=stopped or ALL_DONE)
    return state, History(tuple(epochs), state.stopped)


def _remaining(data: Data, watch: Watch) -> Data:
    """Give the data without the examples that multipliers leave out, for L-BFGS, which makes no steps."""
    if watch.multipliers is None:
        return data
    if not watch.rescale:
        raise InputError("L-BFGS knows no divisor of a step: leave examples out with rescale=True")
    weights = np.ones(len(data.Y), data.Y.dtype) if data.weights is None else data.weights
    return replace(data, weights=weights * watch.multipliers.astype(weights.dtype))


def _next_chunk(steps: int, seconds: float) -> int:
    """Give the number of steps that should take CHUNK_SECONDS, growing by 8 at most."""
    if seconds <= 0:
        return 8 * steps
    return max(1, min(8 * steps, math.ceil(steps * CHUNK_SECONDS / seconds)))


def _name_of(dtype: Any) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:
        raise InputError(f"dtype is {dtype!r}: use 'float32' or 'float64'") from None


@contextmanager
def _interruption(engine: Engine) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a question asked between chunks; a second one interrupts at once.

    So does the first while the engine compiles: no step has been taken, and none would be for a while.
    """
    pressed = threading.Event()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is None:
        yield pressed.is_set  # signals reach the main thread only, and one that is not Python's stays
        return

    def press(signum: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, previous)
        if engine.compiling and callable(previous):
            previous(signum, frame)

    previous = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
