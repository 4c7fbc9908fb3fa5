"""A live line for a training, or for several: epoch, cost, validation score, steps per second, rest."""

import html
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from whygrad.escaping import write
from whygrad.plan.plan import Plan
from whygrad.training.callbacks import Callback, Report
from whygrad.training.epochs import Epoch
from whygrad.training.side_by_side import numbered
from whygrad.training.standing import Watch

T = TypeVar("T")

PAUSE = 0.1  # seconds between two drawings in a notebook

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class ProgressBar(Callback):
    """A callback that shows how far a training has come: a bar in notebooks and terminals, elsewhere lines.

    Parameters
    ----------
    stream : text file, optional
        Where to write; by default a notebook's output, or else standard error. Where it cannot be written,
        in a service or on a terminal that was closed, training goes on.
    earlier : sequence of float, optional
        The costs of the epochs before, of a training that is resumed: what stands out is seen beside them.

    Examples
    --------
    >>> from whygrad import Dense, Network, train
    >>> net = Network(1, [Dense(1, "identity")])
    >>> bar = ProgressBar(sys.stdout)
    >>> fitted = train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=[bar])  # doctest: +ELLIPSIS
    epoch 1/2  cost ...
    epoch 2/2  cost ...
    """

    every_epoch = False
    glances = True

    def __init__(self, stream: TextIO | None = None, earlier: Sequence[float] = ()) -> None:
        self.watch = Watch(earlier)
        self.earlier = earlier
        self._given = stream
        self.shown: _InNotebook | _OnStream | None = None

    def __reduce__(self) -> tuple[Any, ...]:  # what shows it has locks, and belongs to one training
        return ProgressBar, (self._given, self.earlier)

    def on_steps_end(self, report: Report) -> None:
        """Show where the training stands."""
        if self.shown is None:
            self.watch = Watch(self.earlier)
            here = self._given is None and in_notebook()
            self.shown = _InNotebook() if here else _OnStream(self._given)
        line = self.watch.see(report)
        with suppress(OSError):
            self.shown.show(report)
            if line:
                self.shown.say(line)

    def close(self) -> None:
        """Stop, and leave the last state in sight."""
        shown, self.shown = self.shown, None
        if shown is not None:
            with suppress(OSError):
                shown.close()


class _OnStream:
    """A bar on a terminal, plain lines on other streams."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()
        self.console, self.bar = _bar(
            self.stream, "epoch {task.fields[epoch]}/{task.fields[epochs]}"
        )
        self.task: TaskID | None = None
        self.measures = ""

    def show(self, report: Report) -> None:
        plan, state = report.plan, report.state
        self.measures = _measures(plan, report.epoch) or self.measures
        if not self.console.is_terminal:
            for number, epoch in enumerate(report.epochs, 1 + state.epoch - len(report.epochs)):
                if _round(number, plan.epochs):
                    write(f"epoch {number}/{plan.epochs}  {_measures(plan, epoch)}\n", self.stream)
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
            epoch=_epoch(report),
            measures=self.measures,
            speed=_speed(task),
        )

    def say(self, line: str) -> None:
        _say(self.bar, self.stream, line)

    def close(self) -> None:
        if self.task is not None:
            done = self.bar.tasks[0].completed
            self.bar.update(self.task, total=done)  # nothing is left, however early that is
            self.bar.stop()


class _InNotebook:
    """A bar in the output of a notebook's cell, which stays there with the notebook."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.began = self.drawn = time.perf_counter()
        self.measures = ""
        self.last: Report | None = None
        self.line = ""

    def show(self, report: Report) -> None:
        self.measures = _measures(report.plan, report.epoch) or self.measures
        self.last = report
        now = time.perf_counter()
        if self.handle is None or now - self.drawn >= PAUSE:
            self.drawn = now
            self._draw(report, "")

    def say(self, line: str) -> None:
        self.line = line

    def close(self) -> None:
        if self.last is not None:
            self._draw(self.last, f"  {time.perf_counter() - self.began:,.1f} s")

    def _draw(self, report: Report, took: str) -> None:
        from IPython.display import display

        epochs = report.plan.epochs
        share = report.state.step / max(1, report.steps)
        text = f"epoch {_epoch(report)}/{epochs}  {self.measures}{took}"
        text += f"\n{self.line}" * bool(self.line)
        shown = {
            "text/plain": text,
            "text/html": f'<progress value="{share:.4f}" max="1" style="width: 20em"></progress> '
            f'<span style="white-space: pre">{html.escape(text)}</span>',
        }
        if self.handle is None:
            self.handle = display(shown, raw=True, display_id=True)
        else:
            self.handle.update(shown, raw=True)


def in_notebook() -> bool:
    """Return whether this is a notebook's kernel, whose cells show HTML."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class ProgressOfMany(Callback):
    """One line for several trainings: how many are over, and the steps of all together."""

    def __init__(self, plans: Sequence[Plan], stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()
        self.console, self.bar = _bar(
            self.stream, "{task.fields[over]}/{task.fields[count]} trainings"
        )
        self.steps = [plan.epochs * plan.steps_per_epoch for plan in plans]
        self.taken, self.over = [0] * len(plans), 0
        self.said = ""  # what stood out first, of any of them
        self.task = self.bar.add_task(
            "", total=sum(self.steps), over=0, count=len(plans), measures="", speed="…"
        )
        self.lock = RLock()

    def of(self, i: int, plan: Plan | None = None) -> Callback:
        """Return the callback of the training at index i, which may have another plan by now."""
        if plan is not None:
            with self.lock:
                self.steps[i] = plan.epochs * plan.steps_per_epoch
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
                total=sum(self.steps),
                over=self.over,
                speed=_speed(self.bar.tasks[0]),
            )

    def say(self, i: int, line: str) -> None:
        """Show what stands out in the training at index i, where nothing did before in another."""
        with self.lock, suppress(OSError):
            if line and not self.said:
                self.said = f"{numbered(i, len(self.steps))}: {line}"
                _say(self.bar, self.stream, self.said)

    def close(self) -> None:
        """Stop, and leave the last line on the terminal."""
        with suppress(OSError):
            if self.console.is_terminal:
                self.bar.stop()


class _OneOfMany(Callback):
    """The callback of one of several trainings."""

    every_epoch = False
    glances = True

    def __init__(self, progress: ProgressOfMany, i: int) -> None:
        self._progress, self._i, self._watch = progress, i, Watch()

    def on_steps_end(self, report: Report) -> None:
        self._progress.show(self._i, report)
        self._progress.say(self._i, self._watch.see(report))

    def close(self) -> None:
        self._progress.show(self._i, None)


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is waited for, by words that may change, and how long by now."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    words = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    shown = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=words),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        expand=True,
        disable=not console.is_terminal,
    )
    task = shown.add_task(text)
    with shown:
        yield lambda text: shown.update(task, description=text)


@contextmanager
def told_of(progress: bool | Callable[[T], None], first: object) -> Iterator[Callable[[T], None]]:
    """Return who is told of each stage: nobody, a function, or for True the terminal, `first` at first."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda stage: None
    else:
        with waiting(str(first)) as say:
            yield lambda stage: say(str(stage))


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


def _say(bar: "Progress", stream: TextIO, line: str) -> None:
    """Write a line above a bar, or on a stream that shows none."""
    if bar.console.is_terminal:
        bar.console.print(line, markup=False, highlight=False)
    else:
        write(f"{line}\n", stream)


def _measures(plan: Plan, epoch: Epoch | None) -> str:
    """Return what an epoch showed, in a few words."""
    if epoch is None:
        return ""
    shown = {plan.cost_name: epoch.cost, "validation": epoch.validation_score}
    shown |= epoch.metrics
    return "  ".join(f"{name} {value:.4g}" for name, value in shown.items() if value is not None)


def _epoch(report: Report) -> int:
    """Return the number of the epoch under way, or of the one that just ended."""
    return min(report.state.epoch + (report.epoch is None), report.plan.epochs)


def _speed(task: Any) -> str:
    return f"{task.speed:,.0f}" if task.speed else "…"


def _round(epoch: int, epochs: int) -> bool:
    """Return whether an epoch is worth a plain line: some ten are, and the last."""
    return epoch % max(1, epochs // 10) == 0 or epoch == epochs
