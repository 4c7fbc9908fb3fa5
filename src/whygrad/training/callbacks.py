"""Callbacks: who sees a training, and who controls how far it may go.

A `Callback` has a method for every moment at which a training can be seen, and each of them does nothing:
a callback of your own overrides those that it needs, as with skorch. A plain function is a callback as
well, called at the end of every epoch. A `StepController` says how far the next steps may go. Neither ever
changes a bit of what is computed.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from whygrad.engines import ProbeResult, Probes
from whygrad.nn.network import Parameters
from whygrad.plan.plan import Plan, State
from whygrad.training.epochs import Epoch


@dataclass(frozen=True, eq=False)
class Report:
    """What a callback is told: where the training stands, and the epoch that just ended, if one did.

    Parameters
    ----------
    plan : Plan
        All that decides the training.
    state : State
        Where it stands: `state.step` counts the steps, `state.epoch` the epochs that are over.
    epoch : Epoch or None
        What the epoch that just ended showed: `epoch.cost`, `epoch.validation_score` and so on.
    probed : ProbeResult
        What the probes measured of the steps since the report before; see `Callback.probes`.
    epochs : tuple of Epoch
        All epochs that ended since the report before: more than one only where no callback needs every one.
    """

    plan: Plan
    state: State
    epoch: Epoch | None = None
    probed: ProbeResult = field(default_factory=ProbeResult)
    epochs: tuple[Epoch, ...] = ()

    @property
    def parameters(self) -> Parameters:
        """The parameters now; copy them to keep them."""
        return Parameters(self.plan.net.sizes, self.state.theta)

    @property
    def steps(self) -> int:
        """The step at which the training will end, if nothing stops it."""
        plan, state = self.plan, self.state  # which may go on from epochs of another length
        return state.step + (plan.epochs - state.epoch) * plan.steps_per_epoch - state.batch_index


class Callback:
    """A callback that does nothing: override the methods that you need.

    Attributes
    ----------
    probes : Probes or None
        What the engine is to measure of every step for this callback; it is in `Report.probed`.
    every_epoch : bool
        Whether it must see every epoch as it ends. Where no callback does, many short ones are taken in one
        go, which takes far less time, and `Report.epochs` has them all.
    glances : bool
        Whether it is shown statistics of the layers now and then, so rarely that they cost next to nothing,
        where no probes ask for them.

    Examples
    --------
    >>> from whygrad import Dense, Network, train
    >>> class StopBelow(Callback):
    ...     def __init__(self, cost):
    ...         self.cost = cost
    ...
    ...     def on_epoch_end(self, report):
    ...         return report.epoch.cost < self.cost
    >>> net = Network(1, [Dense(1, "identity")])
    >>> train(net, [[0.0], [1.0]], [0.0, 1.0], callbacks=[StopBelow(10.0)]).history.stopped
    'stopped by a callback'
    """

    probes: Probes | None = None
    every_epoch = True
    glances = False

    def on_steps_end(self, report: Report) -> bool | None:
        """See the training after some steps, 50 to 100 ms of them; return True to stop it.

        Where they end an epoch, `report.epoch` is that epoch.
        """
        return None

    def on_epoch_end(self, report: Report) -> bool | None:
        """See the training at the end of an epoch, `report.epoch`; return True to stop it."""
        return None

    def flush(self, state: State) -> None:
        """Finish what is under way: training is about to wait at this state, maybe for long."""

    def close(self) -> None:
        """Clean up: the training is over, however it ended."""

    def on_recorded(self, folder: Path) -> None:
        """See the folder of a recorded run, which is now whole; after `close`."""


AnyCallback: TypeAlias = Callback | Callable[[Report], bool | None]


class _Function(Callback):
    """A plain function as a callback: it is called at the end of every epoch."""

    def __init__(self, function: Callable[[Report], bool | None]) -> None:
        self._function = function

    def on_epoch_end(self, report: Report) -> bool | None:
        return self._function(report)


def as_callback(given: AnyCallback) -> Callback:
    """Return a plain function as a `Callback`; one is returned as it is."""
    return given if isinstance(given, Callback) else _Function(given)


def notify(callbacks: Sequence[Callback], report: Report) -> bool:
    """Pass a report to every callback, and return whether one of them stops the training.

    One that raises ends the training, but all others see the report before: a recorder is among them.
    """
    stops: list[bool | None] = []
    failure: Exception | None = None
    for callback in callbacks:
        try:
            stops.append(callback.on_steps_end(report))
            if report.epoch is not None:
                stops.append(callback.on_epoch_end(report))
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return any(stops)


def merge_probes(callbacks: Sequence[Callback]) -> Probes:
    """Return what engines are to measure: all that the callbacks ask for."""
    asked = [callback.probes for callback in callbacks if callback.probes is not None]
    return Probes(
        costs=any(one.costs for one in asked),
        every=next((one.every for one in asked if one.every), 0),
        weights=tuple(probe for one in asked for probe in one.weights),
    )


@contextmanager
def closing(callbacks: Sequence[Callback]) -> Iterator[None]:
    """Close the callbacks, all of them, however the training ends."""
    with ExitStack() as stack:
        for callback in reversed(callbacks):
            stack.callback(callback.close)
        yield


class StepController(Protocol):
    """Decides how far a training may go before it asks again, and makes it wait until it may."""

    @property
    def waited(self) -> float:
        """The seconds that training was made to wait, which are no part of its time."""

    def __call__(self, plan: Plan, state: State, flush: Callable[[], None]) -> int:
        """Return the step up to which training may go; that of the state itself ends it, as Ctrl-C does.

        `flush` makes the callbacks finish what is under way, before a wait that may be long.
        """


@dataclass(frozen=True)
class Until:
    """The controller that ends a training at a step, as Ctrl-C there would."""

    step: int
    waited: float = 0.0

    def __call__(self, plan: Plan, state: State, flush: Callable[[], None]) -> int:
        """Return the step."""
        return self.step


def waited(controller: StepController | None) -> float:
    """Return the seconds that a controller has made training wait."""
    return 0.0 if controller is None else controller.waited


def allowed(
    controller: StepController | None, plan: Plan, state: State, callbacks: Sequence[Callback]
) -> float:
    """Return the step up to which training may go; without a controller there is no bound."""
    if controller is None:
        return math.inf

    def flush() -> None:
        for callback in callbacks:
            callback.flush(state)

    return controller(plan, state, flush)
