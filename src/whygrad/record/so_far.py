"""What a training has shown so far, for those who follow it: each time only what is new is read.

seen = so_far(run)            all of it
seen = so_far(run, seen)      the same, a moment later
"""

from dataclasses import dataclass, replace

import numpy as np

from whygrad.engines import STATISTICS, Statistics
from whygrad.nn.functions import Array
from whygrad.record.files import events
from whygrad.record.recorded import Recorded
from whygrad.training.epochs import Epoch, History


@dataclass(frozen=True, eq=False)
class SoFar:
    """What was recorded up to a moment, as `Run.costs`, `Run.statistics` and `Run.history` have it.

    Attributes
    ----------
    step : int
        The number of updates.
    stopped : str
        Why training ended, or "" where it has not.
    costs : ndarray of float64, (steps,)
        The cost of every step from the run's start on.
    statistics : Statistics
        What the layers did, at some of the steps.
    epochs : dict of int to Epoch
        What each epoch showed, by its number, from 1.
    """

    step: int
    stopped: str
    costs: Array
    statistics: Statistics
    epochs: dict[int, Epoch]

    @property
    def history(self) -> History:
        """The training, epoch by epoch."""
        return History(tuple(self.epochs.values()), self.stopped)


def so_far(run: Recorded, before: SoFar | None = None) -> SoFar:
    """Return what a run shows at this moment; nothing that `before` holds is read again."""
    if before is None:
        none = Statistics(np.zeros(0, np.int64), np.zeros((0, run.net.L, len(STATISTICS))))
        before = SoFar(run.start, "", np.zeros(0), none, {})
    known = run.start + len(before.costs)
    with events.reading(run.path / events.NAME) as db:
        db.execute("BEGIN")  # one moment, whatever is written meanwhile
        step, ended = max(run.start, events.last_step(db)), events.ended(db)
        if step >= known:
            costs = events.costs(db, known, step)
            seen = events.statistics(db, run.net.L, known, step)
            epochs = events.epochs(db, max(before.epochs, default=0))
    if step < known:  # a training that diverged undoes its last steps
        return so_far(run)
    return replace(
        before,
        step=step,
        stopped=ended[1] if ended else "",
        costs=np.concatenate([before.costs, costs]),
        statistics=Statistics(
            np.concatenate([before.statistics.steps, seen.steps]),
            np.concatenate([before.statistics.values, seen.values]),
        ),
        epochs=before.epochs | epochs,
    )
