"""Trainings on folders of Parquet files, and their runs, with which all can be done as with others."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from whygrad.engines import choose
from whygrad.engines.xla import ALONE, XlaEngine, following, joined
from whygrad.errors import InputError, nearest
from whygrad.fitted import Fitted, fitted_of
from whygrad.nn.functions import Array
from whygrad.pipeline.fit import predict
from whygrad.pipeline.settings import Settings
from whygrad.pipeline.streamed import Folder, Streaming, begin, open_folder, score
from whygrad.pipeline.streamed.folder import where
from whygrad.plan.plan import start
from whygrad.record.files.location import check_place
from whygrad.record.folder import Details, conclude, tell_recorded, train_and_record
from whygrad.record.source import FOLDER
from whygrad.tables import Encoding, Task, as_table
from whygrad.training.callbacks import AnyCallback
from whygrad.training.loop import Training, run


@dataclass(frozen=True, eq=False)
class FolderResult:
    """A network that was trained on a folder.

    Parameters
    ----------
    fitted : Fitted
        The network, and its history.
    encoding : Encoding
        How rows become its inputs, and its outputs labels or numbers.
    about : Streaming
        What the training followed from: the plan, and which rows were trained on.
    scores : Scores
        How good it is on `scored_on`, the "test" or the "training" rows.
    scored_on : str
    seconds : float
        How long training took, without the pass that learned the encoding.
    """

    fitted: Fitted
    encoding: Encoding
    about: Streaming
    scores: Any
    scored_on: str
    seconds: float

    def predict(self, frame: Any) -> Array:
        """Return the predictions for the rows of a pandas, polars or arrow frame, (n,)."""
        table = as_table(frame)
        X = self.encoding.encode(table, self.fitted.theta.flat.dtype)
        return self.encoding.decode(predict(self.fitted, X))


def train_folder(
    folder: str | PathLike[str],
    target: str,
    *,
    task: Task | None = None,
    record: str | PathLike[str] | None = None,
    overwrite: bool = False,
    callbacks: Sequence[AnyCallback] = (),
    **options: Any,
) -> FolderResult:
    """Train a network on a folder of Parquet files that need not fit into memory.

    One pass learns how the columns are encoded. Then rows are read as the steps need them: the row groups
    in a new order for every epoch, cut into windows of 8 million encoded numbers, in which rows are
    shuffled. The same seed gives the same bits, in any number of processes, of which each reads its share:
    the first records, and all return the same.

    Parameters
    ----------
    folder : path
        The files: those that end in .parquet or .pq, of the same columns. Or the address of a folder in a
        file system that PyArrow has, such as "s3://bucket/big.parquet".
    target : str
        The column to predict, which has a value in every row.
    task : {"classification", "regression"}, optional
        By default told from the target's values.
    record : path, optional
        A folder "NAME.run" for the run. It holds no rows: they are read again where they are needed.
    overwrite : bool, default False
        Replace the run that is there.
    callbacks : sequence of callables
        Called with a `Report` while it trains, as those of `train`.
    **options
        Those of `whygrad train`, such as hidden=(64,), epochs=3, batch_size=256, engine="xla", blocks=8,
        test=0.1, seed=0, leave_out=("id",). At most 100,000 rows are test rows.

    Returns
    -------
    FolderResult
        The network, its encoding and its scores.

    Raises
    ------
    FileError
        For a folder without Parquet files, and a file that is damaged or has other columns.
    InputError
        For a column that is not there, a row without a target, and options that a stream does not have.

    Examples
    --------
    >>> import tempfile, numpy as np, pyarrow as pa, pyarrow.parquet
    >>> x = np.linspace(-1, 1, 200) % 0.7
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(2):
    ...         table = pa.table({"x": x, "y": x > 0.3})
    ...         pa.parquet.write_table(table, f"{folder}/{i}.parquet", row_group_size=50)
    ...     result = train_folder(folder, "y", hidden=(8,), epochs=50, batch_size=20)
    >>> result.about.rows, result.scores.accuracy > 0.9
    ({'training': 320, 'test': 80}, True)
    """
    for name in options:
        if name not in Settings.__dataclass_fields__:
            raise InputError(
                f"unknown option {name!r}: {nearest(name, [*Settings.__dataclass_fields__])}"
            )
    place = None if record is None or following() else Path(record)  # the first process records
    joined().done(lambda: None if place is None else check_place(place, overwrite))
    given = begin(_same_folder(folder), target, Settings(**options), task)
    plan = given.plan
    engine = choose(given.settings.engine, plan)
    training = Training(plan, start(plan), given.data, None, engine)
    began = time.perf_counter()
    if place is None:
        state, history = run(training, callbacks)
    else:
        state, history = train_and_record(place, training, _details(given, overwrite), callbacks)
    seconds = time.perf_counter() - began
    fitted = fitted_of(plan, state, history)
    found = score(given, fitted, engine.group if isinstance(engine, XlaEngine) else ALONE)
    if place is not None:
        conclude(place, fitted, {"seconds": seconds} | found.to_dict())
        tell_recorded(place, callbacks)
    return FolderResult(fitted, given.encoding, given, found.scores, given.scored_on, seconds)


def _same_folder(path: str | PathLike[str]) -> Folder:
    """Return a folder, which all processes of a training see alike."""
    found: list[Folder] = []

    def opened() -> str:
        found.append(open_folder(path))
        return found[0].digest

    first, *others = joined().done(opened)
    for i, digest in enumerate(others, start=1):
        if digest != first:
            raise InputError(f"process {i} does not have the files of process 0: give all the same")
    return found[0]


def _details(given: Streaming, overwrite: bool) -> Details:
    target = given.encoding.target
    more = {
        "target": target.name,
        "task": target.task,
        "settings": asdict(given.settings),
        "scored_on": given.scored_on,
    }
    rows = {name: count for name, count in given.rows.items() if count}
    source = {"kind": FOLDER, "path": where(given.folder.path), "rows": rows}
    return Details(overwrite, False, more, source, encoding=given.encoding.to_dict())
