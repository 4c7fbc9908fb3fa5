"""A training on a folder: window by window, each an epoch of one plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from whygrad.engines import choose
from whygrad.errors import InputError
from whygrad.fitted import Fitted, fitted_of
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.functions import Array
from whygrad.pipeline import scores, settings
from whygrad.pipeline.fit import judge_values, predict, truth
from whygrad.pipeline.scores import Scores
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed.folder import Folder, Span, blocks_of
from whygrad.pipeline.streamed.summary import learned
from whygrad.pipeline.streamed.windows import set_aside, window
from whygrad.plan.plan import Plan, start
from whygrad.tables import Encoding, Label, Task
from whygrad.training.callbacks import AnyCallback, Report
from whygrad.training.epochs import Epoch, History
from whygrad.training.loop import BY_CALLBACK, Training, run

NUMBERS = 2**23  # of X in a window: 32 MB as float32
BLOCKS = 4  # at least, in a window of less than all rows
MOST_TEST = 100_000  # rows that are scored
PIECE = 8192  # rows encoded at a time where they are scored
BATCH = 128
# What of the settings takes all rows at once, or a second set of them in memory.
NOT_STREAMED = ("quality", "validation", "types", "class_weight", "aim", "metrics")

Run: TypeAlias = Callable[[Training, Sequence[AnyCallback]], Any]


@dataclass(frozen=True, eq=False)
class Streaming:
    """All that a training on a folder follows from: `training` and `test` are spans of rows."""

    folder: Folder
    settings: Settings
    encoding: Encoding
    plan: Plan
    training: tuple[Span, ...]
    test: tuple[Span, ...]

    @property
    def rows(self) -> dict[str, int]:
        """How many rows are trained on, and how many scored."""
        return {
            name: sum(span.rows for span in spans)
            for name, spans in (("training", self.training), ("test", self.test))
        }

    def data(self, number: int) -> Data:
        """Return the examples of a window, counted from 0."""
        n, dtype = self.plan.n, self.plan.dtype
        X = np.empty((n, len(self.encoding.names)), dtype)
        Y = np.empty((n, self.encoding.target.n_outputs), dtype)
        at = 0
        for span in window(self.training, self.settings.seed, n, number):
            for first, table in self.folder.read(span.first, span.last, [*self.encoding.kinds]):
                rows = slice(at, at + table.num_rows)
                X[rows] = self.encoding.encode(table, dtype, first)
                Y[rows] = self.encoding.targets(table, dtype, first)
                at = rows.stop
        return as_data(self.plan.net, X, Y, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Scored:
    """How good a network is on rows of a folder, on which part of them, and what it is compared with."""

    scores: Scores
    scored_on: str
    baseline: Label


def begin(folder: Folder, target: str, given: Settings, task: Task | None = None) -> Streaming:
    """Learn how a folder is encoded, and lay out its training.

    Parameters
    ----------
    folder : Folder
        The table.
    target : str
        The column to predict.
    given : Settings
        The options of the training.
    task : {"classification", "regression"}, optional
        By default told from the target's values.

    Returns
    -------
    Streaming
        What the training follows from.

    Raises
    ------
    InputError
        For options that a stream does not have, and as `summary.learned` does.
    """
    for name in NOT_STREAMED:
        if getattr(given, name):
            option = name.replace("_", "-")
            raise InputError(
                f"{option}: a folder is trained on in a stream, which has none: leave it out"
            )
    if settings.by_time(given.test):
        raise InputError("test 'last' orders all rows by time: give a folder a share, such as 0.1")
    encoding = learned(folder, target, task, given.leave_out, given.na)
    n_0 = len(encoding.names)
    most = max(1, NUMBERS // n_0)
    blocks = blocks_of(folder, max(1, most // BLOCKS))
    share = settings.share_of_test(given.test)
    training, test = set_aside(blocks, share, MOST_TEST, given.seed)
    rows = sum(span.rows for span in training)
    chosen = replace(given, batch_size=given.batch_size or min(rows, BATCH))
    chosen = settings.complete(chosen, encoding, rows, stops=False)
    b, passes = chosen.batch_size or BATCH, chosen.epochs or 1
    W = rows if rows <= most else max(b, most // b * b)
    plan = settings.plan(chosen, settings.network(chosen, encoding), min(W, rows), stops=False)
    plan = replace(plan, epochs=-(-passes * rows // plan.n))
    return Streaming(folder, chosen, encoding, plan, tuple(training), tuple(test))


def train_windows(
    given: Streaming, tell: Callable[[str], Any] | None = None, last: Run = run
) -> tuple[Fitted, History]:
    """Train window by window; return the network, and one epoch of the history for each window.

    Parameters
    ----------
    given : Streaming
        As `begin` returns it.
    tell : function, optional
        Called with a line after each window.
    last : function, optional
        What runs the last window, as `run` does: it may record it. Where training ends before, the window
        in which it does is taken again.
    """
    plan, engine = given.plan, choose(given.settings.engine, given.plan)
    state, stopped = start(plan), ""
    epochs: list[Epoch] = []
    for k in range(plan.epochs):
        training = Training(plan, state, given.data(k), None, engine)
        ends = k + 1 == plan.epochs
        state, history = (last if ends else run)(training, [] if ends else [_Until(k)])
        stopped = history.stopped
        if not ends and stopped != BY_CALLBACK:
            if last is not run:
                state, history = last(training, [_Until(k)])
            epochs += history.epochs
            break
        epochs += history.epochs
        if tell is not None and history.epochs:
            tell(f"window {k + 1} of {plan.epochs}: cost {history.epochs[-1].cost:.4g}")
    told = History(tuple(epochs), stopped)
    return fitted_of(plan, state, told), told


class _Until:
    """Ends a training after one window."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, report: Report) -> bool:
        return report.state.epoch > self.number


def score(given: Streaming, fitted: Fitted) -> Scored:
    """Return how good a network is on the test rows, else on the first training rows.

    The baseline is the mean, or the most frequent class of the first training rows.
    """
    target = given.encoding.target
    spans, scored_on = given.test, "test"
    if not spans:
        spans, scored_on = given.training, "training"
    outputs: list[Array] = []
    true: list[Array] = []
    left = MOST_TEST
    for span in spans:
        last = min(span.last, span.first + left)
        left -= last - span.first
        for first, table in given.folder.read(span.first, last, [*given.encoding.kinds]):
            for at in range(0, table.num_rows, PIECE):
                piece = table.slice(at, PIECE)
                X = given.encoding.encode(piece, given.plan.dtype, first + at)
                outputs.append(predict(fitted, X, first + at))
                true.append(truth(target, piece, first + at))
    baseline: Label = target.center
    if target.classes:
        block = given.training[0]
        _, table = next(given.folder.read(block.first, block.last, [target.name]))
        baseline = scores.baseline(target, table)
    judged = judge_values(target, np.concatenate(outputs), np.concatenate(true), baseline)
    return Scored(judged, scored_on, baseline)
