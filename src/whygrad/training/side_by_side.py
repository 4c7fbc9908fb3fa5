"""Several trainings side by side, a thread for each core: the same bits as one after the other.

The compiled loop runs without Python's lock, so threads suffice, and a training that has a core to itself
meets nobody. A step's bits do not depend on how many cores share it, so neither do those of a training on
what runs beside it. What is said and asked stays with the thread that began: Ctrl-C ends all, and warnings
are kept for it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any, Generic, TypeVar

from whygrad.cores import allowed_cores, at_most, one_thread
from whygrad.engines import Engine, Probes
from whygrad.engines.xla import launched
from whygrad.errors import InputError, TrainingError, WhygradError, warn, warnings_kept
from whygrad.nn.arrays import is_sparse
from whygrad.plan.plan import of_gradients
from whygrad.training.callbacks import AnyCallback, Callback, Report, as_callback
from whygrad.training.loop import Training, ended, interruption

T = TypeVar("T")

MOMENT = 0.05  # seconds between two looks at Ctrl-C


@dataclass(frozen=True, eq=False)
class Seat:
    """A core's place: what the trainings that follow one another there have in common.

    Attributes
    ----------
    engines : dict
        The engine of each name. A training on the data of the one before finds them laid out.
    """

    engines: dict[str, Engine] = field(default_factory=dict)

    def take(self, training: Training) -> Training:
        """Return the training with the engine of this place, which nobody else uses."""
        name = training.engine.name
        if name not in self.engines:
            self.engines[name] = type(training.engine)()
        return replace(training, engine=self.engines[name])


@dataclass(eq=False)
class Outcome(Generic[T]):
    """What became of one of several trainings: its value or an error, and its warnings."""

    value: T | None = None
    error: BaseException | None = None
    warnings: list[tuple[str, type[Warning]]] = field(default_factory=list)


def warm_up(training: Training) -> None:
    """Compile what is compiled once on a machine, without a step: it is no part of a training's time."""
    state, plan, engine = training.state.copy(), training.plan, training.engine
    if plan.by_steps:
        engine.run(plan, state, training.data, state.step, Probes())
    else:
        few = slice(0, 1)
        data = replace(training.data, X=training.data.X[few], Y=training.data.Y[few])
        alone = replace(data, sample_weight=None, multipliers=None)
        engine.cost_and_gradient(of_gradients(plan), state.theta, alone)


def side_by_side(
    tasks: Sequence[Callable[[Seat], T]],
    trainings: Sequence[Training],
    cores: int | None = None,
) -> list[T]:
    """Run tasks, each a training, as many at a time as there are cores, and return what they return.

    Parameters
    ----------
    tasks : sequence of callables
        What is done: each is told its `Seat`, whose engine it is to take.
    trainings : sequence of Training
        Such trainings as they have: what their engines need is compiled before any of them begins.
    cores : int, optional
        How many cores to use, by default all that this process may.

    Returns
    -------
    list
        What the tasks returned, in their order. After Ctrl-C those that had not begun end where they start.

    Raises
    ------
    TrainingError
        Where tasks failed. The others went on, and what they returned is in its `done`.
    """
    if cores is not None and (isinstance(cores, bool) or not isinstance(cores, int) or cores < 1):
        raise InputError(f"cores is {cores!r}: it must be a whole number of at least 1")
    if launched() and any(one.engine.name == "xla" for one in trainings):
        raise InputError(
            "several processes share one training at a time: train one after another, or without a launcher"
        )
    most = min(cores or allowed_cores(), allowed_cores())
    compiled = set()
    for one in trainings:
        wide = one.data.X.shape[1] if is_sparse(one.data.X) else 0
        kind = (one.engine.name, one.plan.dtype, one.plan.products, one.plan.by_steps, wide)
        if kind not in compiled:
            warm_up(one)
            compiled.add(kind)
    outcomes: list[Outcome[T]] = [Outcome() for _ in tasks]
    waiting, end = deque(range(len(tasks))), threading.Event()

    def work(left: threading.Event) -> None:
        try:
            take_tasks()
        finally:
            left.set()

    def take_tasks() -> None:
        seat = Seat()
        ended.set(end)
        with suppress(IndexError):
            while True:
                outcome, task = outcomes[i := waiting.popleft()], tasks[i]
                with warnings_kept() as outcome.warnings:
                    try:
                        outcome.value = task(seat)
                    except BaseException as error:
                        outcome.error = error
                        if not isinstance(error, Exception):  # such as Ctrl-C within a callback
                            end.set()

    with at_most(most), one_thread(), interruption() as pressed:
        # Events, since a `join` that Ctrl-C breaks off takes a thread for ended that is not.
        seats = {
            left: threading.Thread(
                target=copy_context().run, args=(work, left), daemon=True, name="whygrad training"
            )
            for left in (threading.Event() for _ in range(min(most, len(tasks))))
        }
        try:
            for seat in seats.values():
                seat.start()
            for left in seats:
                while not left.wait(MOMENT):
                    if pressed():
                        end.set()
        finally:
            end.set()
            for left, seat in seats.items():
                if seat.ident is not None:  # it was started
                    left.wait()
                    seat.join()
    return _values(outcomes)


def _values(outcomes: list[Outcome[T]]) -> list[T]:
    """Return what came of all tasks; warn of what they warned of, and raise what went wrong."""
    n, failed = len(outcomes), [i for i, one in enumerate(outcomes) if one.error is not None]
    for i, one in enumerate(outcomes):
        if one.error is not None and not isinstance(one.error, Exception):
            raise one.error
        for message, category in one.warnings:
            warn(f"{numbered(i, n)}: {message}", category)
    if failed:
        error = outcomes[failed[0]].error
        said = str(error) if isinstance(error, WhygradError) else f"{type(error).__name__}: {error}"
        also = "".join(f", {i + 1}" for i in failed[1:])
        more = f" (and so did {also[2:]})" if also else ""
        done: list[Any] = [one.value for one in outcomes]
        raise TrainingError(
            f"{numbered(failed[0], n)} failed{more}: {said}; the others are in `done` of this error",
            done,
        ) from error
    return [one.value for one in outcomes]  # type: ignore[misc]


def numbered(i: int, n: int) -> str:
    """Return how messages call the training at index i of n."""
    return f"training {i + 1} of {n}"


def one_at_a_time(callbacks: Sequence[AnyCallback], lock: RLock) -> list[AnyCallback]:
    """Return callbacks that are called while no other ones are that share the lock."""
    return [_OneAtATime(as_callback(callback), lock) for callback in callbacks]


class _OneAtATime(Callback):
    """A callback of one of several trainings, which is called while no other one is."""

    def __init__(self, callback: Callback, lock: RLock) -> None:
        self._callback, self._lock, self.probes = callback, lock, callback.probes
        self.every_epoch, self.glances = callback.every_epoch, callback.glances

    def on_steps_end(self, report: Report) -> bool | None:
        with self._lock:
            return self._callback.on_steps_end(report)

    def on_epoch_end(self, report: Report) -> bool | None:
        with self._lock:
            return self._callback.on_epoch_end(report)

    def close(self) -> None:
        with self._lock:
            self._callback.close()

    def on_recorded(self, folder: Path) -> None:
        with self._lock:
            self._callback.on_recorded(folder)


@contextmanager
def named(i: int, n: int) -> Iterator[None]:
    """Name the training at index i of n in the messages of what is raised within."""
    try:
        yield
    except WhygradError as error:
        raise type(error)(f"{numbered(i, n)}: {error}") from None
