"""A live line for a training: epoch, cost, validation score, steps per second, time left."""

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from whygrad.escaping import write
from whygrad.training.callbacks import Callback, Report

if TYPE_CHECKING:
    from rich.progress import TaskID


class ProgressBar(Callback):
    """A callback that draws a bar on a terminal, and plain lines elsewhere, on standard error.

    Where it cannot be written, in a service or on a terminal that was closed, training goes on.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        # Here, since most trainings show nothing and rich takes a while to import.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.stream = stream or sys.stderr or io.StringIO()
        self.console = Console(file=self.stream, markup=False, emoji=False, highlight=False)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[measures]}"),
            TextColumn("{task.fields[speed]} steps/s"),
            TimeRemainingColumn(),
            console=self.console,
            expand=True,
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
            speed=f"{task.speed:,.0f}" if task.speed else "…",
        )

    def close(self) -> None:
        """Stop, and leave the last line on the terminal."""
        if self.task is not None:
            done = self.bar.tasks[0].completed
            with suppress(OSError):
                self.bar.update(self.task, total=done)  # nothing is left, however early that is
                self.bar.stop()


def _round(epoch: int, epochs: int) -> bool:
    """Return whether an epoch is worth a plain line: some ten are, and the last."""
    return epoch % max(1, epochs // 10) == 0 or epoch == epochs
