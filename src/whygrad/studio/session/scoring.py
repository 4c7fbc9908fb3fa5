"""Cost and score at many steps of a run, on the rows of each part, measured with kept states.

    some 60 of the states that lie on the disk, and of a short training 40 more, which are computed

Where there are many rows the first `MOST` of each part are measured.
"""

import threading
from dataclasses import dataclass
from typing import Protocol
from weakref import ref

import numpy as np

from whygrad.answers.formatting import counted, number, share
from whygrad.engines import Probes
from whygrad.nn.arrays import Data
from whygrad.nn.metrics import measure
from whygrad.nn.network import Parameters, count
from whygrad.pipeline.scores import ClassificationScores, written_r2
from whygrad.plan.plan import Plan, State
from whygrad.record import Run, replay
from whygrad.record.files import events, snapshots
from whygrad.record.files.stored import judged
from whygrad.studio.session.subject import Rows

MOST = 2000  # rows of a part
SPREAD = 60  # states on the disk that are measured at most, beside the last
POINTS = 40  # of a training that is short
SHORT = 2e10  # multiplications, see `work`: computed again in a second or two
# Of them take as long as what a step needs however small it is: some µs where compiled, else 100 and more.
A_STEP, NOT_COMPILED = 2e4, 2e6


@dataclass(frozen=True)
class Point:
    """What a state comes to: by part, (cost, score); the score is accuracy, or R² for numbers."""

    step: int
    by_part: dict[str, tuple[float, float]]


def work(plan: Plan, steps: int, engine: str) -> float:
    """Return how many multiplications some steps are worth: parameters times examples, and those of a step.

    >>> from whygrad.nn import Dense, Network
    >>> work(Plan(Network(2, [Dense(1)]), "sgd", n=10, batch_size=10), 1000, "native")
    20030000.0
    """
    a_step = A_STEP if engine == "native" else NOT_COMPILED
    return steps * (plan.batch_size * count(plan.net.sizes) + a_step)


class Scored(Protocol):
    """A run whose states are measured: the run as it stands now, its last step, its rows by part."""

    @property
    def run(self) -> Run:
        """The run as it stands now."""

    @property
    def step(self) -> int:
        """The last step that it is known to have taken."""

    def rows(self) -> dict[str, Rows]:
        """Return the rows to measure with, by part."""


class Scoring:
    """The points of one run that are measured so far; `measure` adds those that are missing."""

    def __init__(self, opened_run: Scored) -> None:
        self._of = ref(opened_run)  # which holds this: neither is to outlive its use
        self._points: dict[int, Point] = {}
        self._computed: set[int] = set()
        self._lock = threading.Lock()

    @property
    def _opened(self) -> Scored:
        found = self._of()
        assert found is not None  # who asks holds it
        return found

    @property
    def points(self) -> list[Point]:
        """The points, by step."""
        points = self._points  # which is replaced, never changed
        return [points[step] for step in sorted(points)]

    def measure(self, state: State | None = None) -> None:
        """Measure the states on the disk, and one at hand, unless another thread does already."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if state is not None:
                self._add(state)
            self._measure()
        finally:
            self._lock.release()

    def _measure(self) -> None:
        opened_run = self._opened
        run = opened_run.run
        for snapshot in self._chosen(run.snapshots()):
            self._add(snapshots.read(run.path, snapshot, run.first_plan))
        first, last = run.start, opened_run.step
        short = work(run.plan, last - first, run.engine.name) <= SHORT
        if run.stopped and short and opened_run.rows():
            wanted = set(np.linspace(first, last, POINTS + 1).astype(int).tolist())
            self._compute(sorted(wanted - self._points.keys()))

    def _chosen(self, known: list[events.Snapshot]) -> list[events.Snapshot]:
        """Return the states to measure, one for each of some equal spans of steps, and the last.

        Spans grow by doubling, so that of those measured before most still count; the others are let go.
        """
        steps = {one.step: one for one in known}
        if not steps:
            return []
        first, last = min(steps), max(steps)
        span = 1
        while (last - first) // span >= SPREAD:
            span *= 2
        taken: dict[int, int] = {}
        measured = {step for step in self._points.keys() - self._computed if step <= last}
        for step in [*sorted(measured), *sorted(steps)]:
            taken.setdefault((step - first) // span, step)
        wanted = {first, *taken.values(), last}
        self._points = {
            step: point
            for step, point in self._points.items()
            if step in wanted or step in self._computed
        }
        return [steps[step] for step in sorted(wanted - self._points.keys())]

    def _compute(self, missing: list[int]) -> None:
        """Take the steps once more, from one state that is missing to the next."""
        run = self._opened.run
        if not missing or not run.plan.by_steps:
            return
        self._computed.update(missing)
        state, last = run.state(missing[0]), missing[-1]
        self._add(state)
        stops = tuple(missing)
        for later, _ in replay.steps(run, state.copy(), last, Probes(), run.plan.n, stops):
            if later.step in missing:
                self._add(later)

    def _add(self, state: State) -> None:
        net = self._opened.run.net
        theta = Parameters(net.sizes, state.theta)
        parts = self._opened.rows()
        several = self._opened.run.manifest["data"].get("several")
        with np.errstate(all="ignore"):
            found = {
                name: measure(net, theta, judged(_some(rows), several))
                for name, rows in parts.items()
            }
        self._points = {**self._points, state.step: Point(state.step, found)}


def words_of(run: Run) -> str:
    """Return a sentence on how well a finished training on a table predicts, "" where that is not known."""
    found, part = run.scores, run.manifest.get("scored_on", "")
    if found is None:
        return ""
    by = f"The average of {n} networks: " if (n := run.predicting) > 1 else ""
    rows = counted(found.rows, f"{part} rows")
    if part == "test" and run.copies is not None and run.copies.many:
        rows = run.copies.of(rows, found.rows)
    if isinstance(found, ClassificationScores):
        return (
            f"{by}{share(found.accuracy)} of the {rows} {'is' if found.rows == 1 else 'are'} right; "
            f"always saying “{found.baseline_label}” is right in {share(found.baseline)}."
        )
    r2 = "" if found.r2 is None else f"R² {written_r2(found.r2)}; "
    return (
        f"{by}{r2}off by {number(found.absolute_error)} on average, on the {rows}; "
        f"always saying the mean of the training rows is off by {number(found.baseline_absolute_error)}."
    )


def _some(rows: Rows) -> Data:
    return Data(rows.X[:MOST], rows.Y[:MOST])
