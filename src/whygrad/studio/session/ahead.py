"""The first steps of a training, taken here while the process that will record them still loads.

    Ahead(training, worker)  →  due()  →  the states that there are to be by now, one for each step

A training is a pure function of plan, start and data: these are the states that its run will hold, bit by
bit. `Feed` compares the two before it goes over to the run. Where the native engine is still to be compiled
the reference engine takes the steps, which rounds otherwise: then the run's own take their place.
"""

import math
import threading
import time
from collections.abc import Iterator

import numpy as np

from whygrad.engines import Probes, choose
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
        self._until: float = math.inf  # the step at which to wait
        self._turning = threading.Lock()

    @property
    def goes(self) -> bool:
        """Whether steps are being taken."""
        return self.state.step < self._until

    def turn(self, command: str) -> None:
        """Do as the process is commanded: "pause", "go", or take one "step" or the rest of an "epoch"."""
        with self._turning:
            step, rest = self.state.step, self.plan.steps_per_epoch - self.state.batch_index
            if command == "go" and not self.goes:
                self._began = time.monotonic() - step / self._speed
            self._until = step + {"pause": 0, "go": math.inf, "step": 1, "epoch": rest}[command]
            self._tell()

    def due(self) -> list[State]:
        """Return the states since this was last asked, at least one; none at the end or in a pause."""
        with self._turning:
            if not self.goes:
                return []
            due = int(self._speed * (time.monotonic() - self._began))
            wanted = min(max(1 + self.state.step, due), self._until)
            found: list[State] = []
            while self.state.step < wanted and (state := next(self._states, None)) is not None:
                self.state = state
                found.append(state)
            self._tell()
            return found

    def _tell(self) -> None:
        """Have the process come before what is shown, but to no step beyond a pause."""
        self.worker.known(int(min(self.state.step + MARGIN, self._until)))

    def reached_by(self, run: Run) -> bool | None:
        """Whether a run went through the state that was shown last; None where it has not come as far."""
        if run.step < self.state.step:
            return None
        try:
            return np.array_equal(run.state(self.state.step).theta, self.state.theta)
        except WhygradError:  # it is being written
            return None


def _steps(training: Training) -> Iterator[State]:
    """Yield the state after every step, by the reference engine while the other is to be compiled."""
    plan, engine, validation = training.plan, training.engine, training.validation
    if engine.name == "native" and not _is_compiled():
        engine = choose("reference", plan)
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
