"""Who sees a training, and who sets its pace.

An observer is called between chunks of steps with a `Report`. It may have `watch`, which says what engines
are to show it, `flush`, which is called before training waits, and `close`. A `StepController` says how far the next
steps may go. Neither ever changes a bit of what is computed.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from whygrad.engines import ProbeResult, Probes
from whygrad.nn.network import Parameters
from whygrad.plan.plan import Plan, State
from whygrad.training.epochs import Epoch


@dataclass(frozen=True, eq=False)
class Report:
    """What an observer is told: where the training stands, and the epoch that just ended, if one did.

    `epoch` holds what that epoch showed (`epoch.cost`, `epoch.validation_score`, …); `state.epoch` counts the
    epochs that are over, `state.step` the steps. `watched` is what was seen of the steps since the report
    before; an observer with an attribute `watch`, a `Probes`, says what it wants to see.
    """

    plan: Plan
    state: State
    epoch: Epoch | None = None
    watched: ProbeResult = field(default_factory=ProbeResult)

    @property
    def parameters(self) -> Parameters:
        """The parameters now; copy them to keep them."""
        return Parameters(self.plan.net.sizes, self.state.theta)

    @property
    def steps(self) -> int:
        """The step at which the training will end, if nothing stops it."""
        plan, state = self.plan, self.state  # which may go on from epochs of another length
        return state.step + (plan.epochs - state.epoch) * plan.steps_per_epoch - state.batch_index


Observer = Callable[[Report], bool | None]


class StepController(Protocol):
    """Says how far a training may go before it asks again, and lets it wait until it may.

    `waited` are the seconds that it has waited so far, which are no part of a training's time.
    """

    @property
    def waited(self) -> float:
        """The seconds that training was made to wait."""

    def __call__(self, plan: Plan, state: State, flush: Callable[[], None]) -> int:
        """Return the step up to which training may go; that of the state itself ends it, as Ctrl-C does.

        `flush` lets observers finish what they were told of, and is for a wait that may be long.
        """


def merge_probes(watch: Probes, observers: Sequence[Observer]) -> Probes:
    """Return what engines are to watch: `watch`, and what observers ask for."""
    asked = [wish for wish in (getattr(o, "watch", None) for o in observers) if wish is not None]
    return replace(
        watch,
        costs=any(wish.costs for wish in (watch, *asked)),
        every=next((wish.every for wish in (watch, *asked) if wish.every), 0),
        taps=tuple(tap for wish in (watch, *asked) for tap in wish.taps),
    )


def at_epoch_ends(callback: Observer) -> Observer:
    """Return an observer that calls back at the end of every epoch only."""
    return lambda report: callback(report) if report.epoch is not None else None


@contextmanager
def closing(observers: Sequence[Observer]) -> Iterator[None]:
    """Close the observers that can be closed, however the training ends."""
    try:
        yield
    finally:
        for observer in observers:
            close = getattr(observer, "close", None)
            if close:
                close()


def waited(pace: StepController | None) -> float:
    """Return the seconds that a pace has made training wait."""
    return 0.0 if pace is None else pace.waited


def allowed(
    pace: StepController | None, plan: Plan, state: State, observers: Sequence[Observer]
) -> float:
    """Return the step up to which training may go; without a pace there is no bound."""
    if pace is None:
        return math.inf

    def flush() -> None:
        for observer in observers:
            finish = getattr(observer, "flush", None)
            if finish:
                finish(state)

    return pace(plan, state, flush)
