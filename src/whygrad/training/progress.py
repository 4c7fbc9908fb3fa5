"""A live line for a training, or for several: epoch, cost, validation score, steps per second, rest."""

import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, TextIO

from whygrad.escaping import write
from whygrad.plan.plan import Plan
from whygrad.training.callbacks import Callback, Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class ProgressBar(Callback):
    """A callback that draws a bar on a terminal, and plain lines elsewhere, on standard error.

    Where it cannot be written, in a service or on a terminal that was closed, training goes on.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()
        self.console, self.bar = _bar(
            self.stream, "epoch {task.fields[epoch]}/{task.fields[epochs]}"
        )
        self.task: TaskID | None = None
        self.measures = ""

    def on_steps_end(self, report: Report) -> None:
        """Show where the training stands."""
        with suppress(OSError):
            self._show(report)

    def _show(self, report: Report) -> None:
        plan, state, epoch = report.plan, report.state, report.epoch
        if epoch is not None:
            self.measures = f"cost {epoch.cost:.4g}"
            if epoch.validation_score is not None:
                self.measures += f"  validation {epoch.validation_score:.4g}"
            for name, value in epoch.metrics.items():
                self.measures += f"  {name} {value:.4g}"
        if not self.console.is_terminal:
            if epoch is not None and _round(state.epoch, plan.epochs):
                write(f"epoch {state.epoch}/{plan.epochs}  {self.measures}\n", self.stream)
            return
        if self.task is None:
            self.task = self.bar.add_task(
                "", total=report.steps, epoch=0, epochs=plan.epochs, measures="", speed="…"
            )
            self.bar.start()
        task = self.bar.tasks[0]
        self.bar.update(
            self.task,
            completed=state.step,
            epoch=min(state.epoch + (epoch is None), plan.epochs),
            measures=self.measures,
            speed=_speed(task),
        )

    def close(self) -> None:
        """Stop, and leave the last line on the terminal."""
        if self.task is not None:
            done = self.bar.tasks[0].completed
            with suppress(OSError):
                self.bar.update(self.task, total=done)  # nothing is left, however early that is
                self.bar.stop()


class ProgressOfMany(Callback):
    """One line for several trainings: how many are over, and the steps of all together."""

    def __init__(self, plans: Sequence[Plan], stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()
        self.console, self.bar = _bar(
            self.stream, "{task.fields[over]}/{task.fields[count]} trainings"
        )
        self.steps = [plan.epochs * plan.steps_per_epoch for plan in plans]
        self.taken, self.over = [0] * len(plans), 0
        self.task = self.bar.add_task(
            "", total=sum(self.steps), over=0, count=len(plans), measures="", speed="…"
        )
        self.lock = RLock()

    def of(self, i: int) -> Callback:
        """Return the callback of the training at index i."""
        return _OneOfMany(self, i)

    def show(self, i: int, report: Report | None) -> None:
        """Show how far the training at index i has come, or without a report that it is over."""
        with self.lock, suppress(OSError):
            if report is None:
                self.taken[i], self.over = self.steps[i], self.over + 1
            else:
                self.taken[i] = min(self.steps[i], report.state.step)
            if not self.console.is_terminal:
                if report is None:
                    write(f"{self.over}/{len(self.steps)} trainings\n", self.stream)
                return
            self.bar.start()
            self.bar.update(
                self.task,
                completed=sum(self.taken),
                over=self.over,
                speed=_speed(self.bar.tasks[0]),
            )

    def close(self) -> None:
        """Stop, and leave the last line on the terminal."""
        with suppress(OSError):
            if self.console.is_terminal:
                self.bar.stop()


class _OneOfMany(Callback):
    """The callback of one of several trainings."""

    def __init__(self, progress: ProgressOfMany, i: int) -> None:
        self._progress, self._i = progress, i

    def on_steps_end(self, report: Report) -> None:
        self._progress.show(self._i, report)

    def close(self) -> None:
        self._progress.show(self._i, None)


def _bar(stream: TextIO, text: str) -> tuple["Console", "Progress"]:
    """Return a bar that begins with a text, and what it is drawn on."""
    # Here, since most trainings show nothing and rich takes a while to import.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    bar = Progress(
        TextColumn(text),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[measures]}"),
        TextColumn("{task.fields[speed]} steps/s"),
        TimeRemainingColumn(),
        console=console,
        expand=True,
    )
    return console, bar


def _speed(task: Any) -> str:
    return f"{task.speed:,.0f}" if task.speed else "…"


def _round(epoch: int, epochs: int) -> bool:
    """Return whether an epoch is worth a plain line: some ten are, and the last."""
    return epoch % max(1, epochs // 10) == 0 or epoch == epochs
