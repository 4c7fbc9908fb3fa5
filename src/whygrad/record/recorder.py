"""The recorder: a callback that writes what is reported into a run's folder, while training goes on.

A thread of its own writes, so that training only waits for a copy of the state now and then. One report is
one transaction. Reports are written a few times a second: a thread that wakes up for each of many short
epochs takes several times as long, and slows the training down. A snapshot is first a whole file on the
disk, and then a row.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from whygrad.engines import ProbeResult, Probes, Statistics
from whygrad.errors import FileError
from whygrad.plan.plan import Plan, State
from whygrad.record.files import events, inside, snapshots
from whygrad.training import Callback, Epoch, Report

# How often statistics of the layers are logged, which takes as long as a step on some twenty examples.
LOGGED = 100  # times per epoch, about, or where steps are short
FEWER = 50  # times, at least,
EXAMPLES = 1000  # with so many examples between two
LEAST = 8  # steps between two, at least
PATIENCE = 0.1  # seconds between two checks that the thread that writes is alive
REST = 0.2  # seconds between two writes of what was reported

Job = Callable[[events.Database], None]


def log_every(plan: Plan) -> int:
    """Return the number of steps after which statistics of the layers are logged."""
    steps = plan.steps_per_epoch
    return max(LEAST, steps // LOGGED, min(EXAMPLES // plan.batch_size, steps // FEWER))


class Recorder(Callback):
    """Records a training in a folder that is there already; used as a context manager around it.

    Training starts at `step`; steps before `known` are written already. The thread that writes does the
    jobs `first` before all others. Where a training is `watched`, reports are written at once. Raises
    `FileError` where something could not be written, as soon as training reports again.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        step: int,
        known: int = 0,
        first: tuple[Job, ...] = (),
        watched: bool = False,
    ) -> None:
        self.folder = folder
        self._known = known
        self.by_steps = plan.by_steps
        self.probes = Probes(costs=True, every=log_every(plan) if plan.by_steps else 0)
        self._reached = step
        self._committed = step
        self._taken = time.perf_counter()
        self._written = -math.inf
        self._rest = 0.0 if watched else REST
        self._least = self._spacing = snapshots.SPACING  # seconds between two snapshots
        self._pending = threading.Event()  # a snapshot that is not yet on the disk
        self._sizes: list[tuple[int, int]] = []
        self._failure: Exception | None = None
        self._reports: deque[tuple[int, ProbeResult, Epoch | None, int, int]] = deque()
        self._waited_for = threading.Event()  # whoever trains waits: no time to let reports gather
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        for job in first:
            self._jobs.put(job)
        self._thread = threading.Thread(target=self._work, name="whygrad recorder", daemon=True)

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._jobs.put(self._add)  # an interrupt may have come between telling and asking for this
        self._jobs.put(None)
        self._waited_for.set()
        self._thread.join()
        if kind is None:
            self._raise_failure()

    def on_steps_end(self, report: Report) -> None:
        """Take a report, which is written soon after."""
        self._raise_failure()
        state, epoch = report.state, report.epoch
        seen = report.probed
        if not self.by_steps:  # iterations tell their cost as epochs
            seen = ProbeResult(np.array([] if epoch is None else [epoch.cost]))
        self._reports.append((self._reached, seen, epoch, state.epoch, state.step))
        if len(self._reports) == 1:  # otherwise a job that takes them all is queued already
            self._jobs.put(self._add)
        self._reached = state.step
        due = time.perf_counter() - self._taken > self._spacing
        if due and self.by_steps and not self._pending.is_set() and np.isfinite(state.theta).all():
            self._taken = time.perf_counter()
            self._pending.set()
            self._jobs.put(partial(self._snapshot, state.copy()))

    def flush(self, state: State) -> None:
        """Wait until all reports are written, and the state that training will go on from, too."""
        self._jobs.put(self._add)
        if np.isfinite(state.theta).all():
            self._jobs.put(partial(self._keep, state.copy()))
        done = threading.Event()
        self._jobs.put(lambda db: done.set())
        self._waited_for.set()
        while not done.wait(PATIENCE) and self._thread.is_alive():
            pass
        self._waited_for.clear()
        self._raise_failure()

    def finish(self, state: State) -> None:
        """Record at which step training ended, and why."""
        self._jobs.put(self._add)  # all of it: steps that diverged are among the rows to be removed
        self._jobs.put(partial(self._end, state.copy()))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            error = self._failure
            reason = getattr(error, "strerror", None) or error
            raise FileError(
                f"{self.folder}: cannot be written ({reason}). What was recorded up to step "
                f"{self._committed} stays there: free space, then resume the run"
            ) from None

    # ── in the thread that writes ──

    def _work(self) -> None:
        db = None
        try:
            db = events.connect(self.folder / events.NAME)
            known = ((one.step, inside.size(self.folder, one.path)) for one in events.snapshots(db))
            self._sizes = [(step, size) for step, size in known if size is not None]
            while (job := self._jobs.get()) is not None:
                job(db)
        except Exception as error:  # raised again in the thread that trains
            self._failure = error
        finally:
            if db is not None:
                events.close(db)

    def _add(self, db: events.Database) -> None:
        """Write what was reported so far; if that was done a moment ago, wait for more."""
        if not self._reports:  # another has taken it
            return
        self._waited_for.wait(max(0.0, self._written + self._rest - time.perf_counter()))
        # What comes meanwhile waits for its turn, as snapshots do.
        self._take(self._reports[-1][-1], db)
        self._written = time.perf_counter()
        if self._reports:
            self._jobs.put(self._add)

    def _take(self, until: int, db: events.Database) -> None:
        """Write what was reported of the steps up to one."""
        while self._reports and self._reports[0][-1] <= until:
            first, seen, epoch, number, step = self._reports.popleft()
            costs = np.zeros(0) if seen.costs is None else seen.costs
            at = max(first, self._known)
            with events.transaction(db):
                if len(costs) > at - first:
                    events.add_chunk(db, at, costs[at - first :], _from(seen.statistics, at))
                if epoch is not None:
                    events.add_epoch(db, number, step, epoch)
            self._committed = step

    def _snapshot(self, state: State, db: events.Database) -> None:
        began = time.perf_counter()
        self._write(state, db)
        seconds = time.perf_counter() - began
        if self._thinned_out(db):
            self._least *= 2
        # By the last one alone: a disk that was slow once may be fast again.
        self._spacing = max(self._least, snapshots.SHARE * seconds)
        self._pending.clear()

    def _keep(self, state: State, db: events.Database) -> None:
        self._write(state, db)
        self._thinned_out(db)

    def _write(self, state: State, db: events.Database) -> None:
        self._take(state.step, db)  # a state is known only after the steps that led to it
        if any(step == state.step for step, _ in self._sizes):
            return
        written = snapshots.write(self.folder, state)
        with events.transaction(db):
            events.add_snapshot(db, written)
        self._sizes.append((state.step, inside.size(self.folder, written.path) or 0))

    def _thinned_out(self, db: events.Database) -> bool:
        """Remove some snapshots where there are too many; return whether there were."""
        steps = set(snapshots.superfluous(self._sizes))
        if not steps:
            return False
        gone = [known for known in events.snapshots(db) if known.step in steps]
        with events.transaction(db):
            events.remove_snapshots(db, steps)
        for known in gone:
            snapshots.remove(self.folder, known)
        self._sizes = [size for size in self._sizes if size[0] not in steps]
        return True

    def _end(self, state: State, db: events.Database) -> None:
        self._write(state, db)
        undone = [known for known in events.snapshots(db) if known.step > state.step]
        with events.transaction(db):
            events.end(db, state.step, state.stopped)
        for known in undone:
            snapshots.remove(self.folder, known)
        self._committed = state.step


def _from(statistics: Statistics | None, step: int) -> Statistics | None:
    """Return the statistics of the steps from one on."""
    if statistics is None or not len(statistics.steps) or statistics.steps[0] >= step:
        return statistics
    later = statistics.steps >= step
    return Statistics(statistics.steps[later], statistics.values[later])
