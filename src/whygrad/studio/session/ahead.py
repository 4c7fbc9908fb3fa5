"""The first steps of a training, taken here while the process that will record them still loads.

    Ahead(training, worker)  →  due()  →  the states that there are to be by now, one for each step

A training is a pure function of plan, start and data: these are the states that its run will hold, bit by
bit. `Feed` compares the two before it goes over to the run.
"""

import time
from collections.abc import Iterator

import numpy as np

from whygrad.engines import Probes
from whygrad.engines.machine_code import cache
from whygrad.errors import WhygradError
from whygrad.plan.plan import State, smooth
from whygrad.record import Run
from whygrad.studio.process.worker import Worker
from whygrad.training import Training, measure_of, take_steps, with_first_cost

MARGIN = 50  # steps beyond those shown, which the process takes at once to come before them
COMPILED, BEGINNING = (
    "epochs.run_epochs-*.code",
    200,
)  # the loop's file; its stamp is in so many bytes


class Ahead:
    """The steps of a training of which `worker` is the process, at `speed` steps a second from now on."""

    def __init__(self, training: Training, worker: Worker, speed: float) -> None:
        self.plan, self.worker, self.state = training.plan, worker, training.state
        self._states, self._speed, self._began = _steps(training), speed, time.monotonic()
        self.goes = True

    def turn(self, *, goes: bool) -> None:
        """Take no more steps from now on, or go on with those that come now."""
        if goes and not self.goes:
            self._began = time.monotonic() - self.state.step / self._speed
        self.goes = goes

    def due(self) -> list[State]:
        """Return the states since this was last asked, at least one; none at the end or in a pause."""
        if not self.goes:
            return []
        wanted = max(1 + self.state.step, int(self._speed * (time.monotonic() - self._began)))
        found: list[State] = []
        while self.state.step < wanted and (state := next(self._states, None)) is not None:
            self.state = state
            found.append(state)
        self.worker.known(self.state.step + MARGIN)
        return found

    def reached_by(self, run: Run) -> bool | None:
        """Whether a run went through the state that was shown last; None where it has not come as far."""
        if run.step < self.state.step:
            return None
        try:
            return np.array_equal(run.state(self.state.step).theta, self.state.theta)
        except WhygradError:  # it is being written
            return None


def _steps(training: Training) -> Iterator[State]:
    """Yield the state after every step; nothing where the engine is still to be compiled."""
    plan, engine, validation = training.plan, training.engine, training.validation
    if engine.name == "native" and not _is_compiled():
        return  # which takes long, and is for the process to tell of
    data, measure = smooth(plan, training.data), measure_of(training)
    state = with_first_cost(plan, training.state.copy(), data)
    while state.epoch < plan.epochs and not state.stopped:
        until = state.step + 1
        state, seen = take_steps(engine, plan, state, data, validation, until, Probes(), measure)
        if seen.diverged:
            return
        yield state.copy()


def _is_compiled() -> bool:
    """Whether the loop that takes the steps is on this machine's disk."""
    stamp = cache.stamp_of_code().encode()
    found = (path for folder in cache.folders() for path in folder.glob(COMPILED))
    return any(stamp in path.read_bytes()[:BEGINNING] for path in found)
