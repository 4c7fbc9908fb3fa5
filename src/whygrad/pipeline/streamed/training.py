"""What a training on a folder follows from: the encoding, the plan, and which rows it sees."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from whygrad.engines.xla import ALONE, Processes
from whygrad.errors import InputError
from whygrad.fitted import Fitted
from whygrad.nn.arrays import Data
from whygrad.nn.frozen_array import freeze
from whygrad.pipeline import scores, settings
from whygrad.pipeline.fit import counts, in_unit, judge_values, predict, truth
from whygrad.pipeline.scores import Scores
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed.examples import examples_of
from whygrad.pipeline.streamed.folder import Folder, Span, blocks_of, set_aside
from whygrad.pipeline.streamed.summary import learned
from whygrad.plan.plan import Plan
from whygrad.plan.windows import Windows
from whygrad.tables import Encoding, Label, Task

NUMBERS = 2**23  # encoded ones of the rows that are mixed with one another: 32 MB as float32
BLOCKS = 4  # at least, in a window of less than all rows
MOST_TEST = 100_000  # rows that are scored
PIECE = 8192  # rows encoded at a time where they are scored
BATCH = 128
# What of the settings takes all rows at once, or a second set of them in memory.
NOT_STREAMED = ("quality", "validation", "types", "class_weight", "aim", "metrics")


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

    @property
    def scored_on(self) -> str:
        """Which rows are scored: "test", or "training" where there are no test rows."""
        return "test" if self.test else "training"

    @cached_property
    def data(self) -> Data:
        """The training examples, read on demand."""
        windows = self.plan.shuffle
        assert isinstance(windows, Windows), "a folder is shuffled by windows"
        # A lane's part of a window touches two blocks more than it fills.
        most = max(span.rows for span in self.training)
        kept = windows.rows + 2 * self.plan.blocks * most
        return examples_of(self.folder, self.encoding, self.training, self.plan.dtype, kept)


@dataclass(frozen=True, eq=False)
class Scored:
    """How good a network is on the rows that are scored, and what it is compared with."""

    scores: Scores
    baseline: Label

    def to_dict(self) -> dict[str, Any]:
        """Return it as the manifest of a run has it."""
        return {"baseline": self.baseline, "scores": self.scores.to_dict()}


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
    if counts(given, encoding.target):
        found = encoding.target
        encoding = replace(encoding, target=in_unit(found, found.center))
    window = max(1, NUMBERS // len(encoding.names))
    training, test = _parts(folder, given, window)
    rows = sum(span.rows for span in training)
    chosen = replace(given, batch_size=given.batch_size or min(rows, BATCH))
    chosen = settings.complete(chosen, encoding, rows, stops=False)
    plan = settings.plan(chosen, settings.network(chosen, encoding), rows, stops=False)
    windows = Windows(freeze([span.rows for span in training]), window)
    return Streaming(folder, chosen, encoding, replace(plan, shuffle=windows), training, test)


def again(folder: Folder, chosen: Settings, encoding: Encoding, plan: Plan) -> Streaming:
    """Return what a training that was recorded follows from, by the folder as it is now.

    Raises
    ------
    InputError
        Where the folder's row groups are others.
    """
    windows = plan.shuffle
    assert isinstance(windows, Windows), "a folder is shuffled by windows"
    training, test = _parts(folder, chosen, windows.rows)
    if [span.rows for span in training] != windows.blocks.array.tolist():
        raise InputError(f"{folder.path} has other row groups than when it was trained on")
    return Streaming(folder, chosen, encoding, plan, training, test)


def _parts(
    folder: Folder, given: Settings, window: int
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return the blocks to train on, and the rows to score."""
    blocks = blocks_of(folder, max(1, window // max(BLOCKS, given.blocks)))
    training, test = set_aside(blocks, settings.share_of_test(given.test), MOST_TEST, given.seed)
    return tuple(training), tuple(test)


def scored_rows(
    given: Streaming, names: Collection[str] | None = None, first: int = 0, last: int = MOST_TEST
) -> Any:
    """Return the test rows, else the first training rows, or some of them, as a `pyarrow.Table`.

    Columns are those of the encoding, or the `names`.
    """
    names, at, pieces = names or [*given.encoding.kinds], 0, []
    for span in given.test or given.training:
        low, high = max(first - at, 0), min(last - at, span.rows)
        if low < high:
            found = given.folder.read(span.first + low, span.first + high, names)
            pieces += [piece for _, piece in found]
        at += span.rows
    return pa.concat_tables(pieces)


def score(given: Streaming, fitted: Fitted, processes: Processes = ALONE) -> Scored:
    """Return how good a network is on the rows that are scored.

    Of several processes each reads and predicts a part of them, and all have what it found: a row has the
    same outputs in any part. The baseline is the mean, or the most frequent class of the first training
    rows.
    """
    target = given.encoding.target
    n = min(given.rows[given.scored_on], MOST_TEST)
    size = -(-n // processes.count)
    begun, end = (min(i * size, n) for i in (processes.index, processes.index + 1))
    outputs = np.zeros((size, target.n_outputs), given.plan.dtype)

    def own() -> None:
        if begun == end:
            return
        rows = scored_rows(given, None, begun, end)
        for first in range(0, end - begun, PIECE):
            some = rows.slice(first, PIECE)
            X = given.encoding.encode(some, given.plan.dtype, begun + first)
            outputs[first : first + some.num_rows] = predict(fitted, X, begun + first)

    processes.done(own)
    a = processes.collected(outputs).reshape(-1, target.n_outputs)[:n]
    baseline: Label = target.scale if counts(given.settings, target) else target.center
    if target.classes:
        block = given.training[0]
        _, table = next(given.folder.read(block.first, block.last, [target.name]))
        baseline = scores.baseline(target, table)
    judged = judge_values(target, a, truth(target, scored_rows(given, [target.name])), baseline)
    return Scored(judged, baseline)
