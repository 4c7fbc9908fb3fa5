"""The freshest state of a training that goes on: a file in the run's folder, replaced a few times a second.

Snapshots are for ever, and brought to the disk one by one; this file is for eyes only, and costs a copy.
It lies there while a training is watched, is as exact as a snapshot, and no reader ever sees half of it.
"""

import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from whygrad.errors import FileError
from whygrad.plan.plan import State
from whygrad.record import Run
from whygrad.record.files import inside, snapshots
from whygrad.training.callbacks import Callback, Report

NAME = inside.LIVE
EVERY = 0.2  # seconds
SHARE = 50  # writing it may take this share of the time between two


class Live(Callback):
    """A callback that keeps the freshest state in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next = 0.0

    def on_steps_end(self, report: Report) -> None:
        """Write the state, if the last one was written a while ago."""
        if time.monotonic() >= self._next:
            self.flush(report.state)

    def flush(self, state: State) -> None:
        """Write the state, now."""
        began = time.monotonic()
        # A disk that is full is for the recorder to tell: what is for eyes only ends no training.
        with suppress(FileError):
            if np.isfinite(state.theta).all():
                inside.show(self._folder, NAME, snapshots.content(state))
        now = time.monotonic()
        self._next = now + max(EVERY, SHARE * (now - began))

    def remove(self) -> None:
        """Remove the file, once the run's last snapshot is there."""
        inside.remove(self._folder, NAME)


def freshest(run: Run) -> State:
    """Return the latest recorded state that can be had by reading alone, without a step taken again.

    It is that of step `run.step` where a training is paused or has ended.
    """
    last = run.step
    known = run.snapshots(last)
    try:
        found = snapshots.read(run.path, NAME, run.first_plan)
    except FileError:
        found = None
    if found is not None and found.step <= last and not (known and known[-1].step > found.step):
        return found
    if not known:
        raise FileError(f"{run.path}: damaged, there is no state to start from")
    return snapshots.read(run.path, known[-1], run.first_plan)
