"""The rows of a table that a run was trained or scored on, read again from where training found them.

Where the file has moved they are the copy that lies in the run, encoded as training saw them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.pipeline.fit import find_again, prepare, truth
from whygrad.record import source
from whygrad.record.files import stored
from whygrad.tables.target import Target


def read_again(run: Any) -> Any:
    """Give the rows that a `Run` was scored on, held out or else trained on, as a `pyarrow.Table`.

    Where its file has moved they are the copy in the run, as `Data`. Raises `InputError` where the data are
    no longer what training saw.
    """
    part = run.manifest["scored_on"]
    data = copy_of(run, part)
    return read_part(run, part)[0] if data is None else data


def copy_of(run: Any, part: str) -> Data | None:
    """Give the copy of a part of a table whose file has moved, as training has it, or None."""
    about = run.manifest["data"]
    gone = about["kind"] == "file" and not Path(about["path"]).exists()
    if not (gone and about["copied"] and stored.is_copied(run.path, part)):
        return None
    return source.part_of(run, part)


def take(rows: Any, places: Array) -> Any:
    """Give some of the rows that `read_again` gives."""
    if isinstance(rows, Data):
        return Data(rows.X[places], rows.Y[places])
    return rows.take(places)


def count(rows: Any) -> int:
    """Count the rows that `read_again` gives."""
    return len(rows.Y) if isinstance(rows, Data) else len(rows)


def encoded(run: Any, rows: Any) -> Array:
    """Give rows that `read_again` gives as the network takes them."""
    X: Array = rows.X if isinstance(rows, Data) else run.encoding.encode(rows, run.theta.flat.dtype)
    return X


def true_values(target: Target, rows: Any) -> Array:
    """Give the true values as `fitting.truth` does, of encoded rows as well."""
    if not isinstance(rows, Data):
        return truth(target, rows)
    if target.task == "regression":
        return target.decode(rows.Y)
    if target.n_outputs == 1:
        return (rows.Y[:, 0] > 0.5).astype(np.int64)
    return rows.Y.argmax(axis=1)


def read_part(run: Any, part: str) -> tuple[Any, Data]:
    """Give a part of the table that a `Run` was trained on, as rows and as training has them.

    Raises `InputError` where the data are no longer what training saw, or lay in memory, and `FileError`
    where they are gone.
    """
    table, encoding, parts = prepare_again(run)
    return _checked(run, part, table, encoding, parts)


def rows_trained_on(run: Any) -> Array:
    """Give the row of the table that each training example of a `Run` was, (n,); raises as `read_part`."""
    found = find_again(run.manifest["data"], run.target, run.encoding.task)
    table, encoding, parts = prepare(found, run.settings)
    _checked(run, "training", table, encoding, parts)
    rows: Array = np.flatnonzero(encoding.target.present(found.table))[parts.training]
    return rows


def _checked(run: Any, part: str, table: Any, encoding: Any, parts: Any) -> tuple[Any, Data]:
    rows, dtype = table.take(vars(parts)[part]), run.manifest["dtype"]
    data = Data(encoding.encode(rows, dtype), encoding.targets(rows, dtype))
    recorded = run.manifest["data"]["sha256"].get(part)
    if recorded is not None:
        stored.check_same(run.path.name, part, recorded, stored.hashes(data))
    if encoding != run.encoding:
        raise InputError(
            f"the data are not those that {run.path.name} was trained on: other columns, or "
            "another version that reads them otherwise"
        )
    return rows, data


def prepare_again(run: Any) -> tuple[Any, Any, Any]:
    """Give the table, the encoding and the parts of a `Run` as they are made from its source now."""
    return prepare(find_again(run.manifest["data"], run.target, run.encoding.task), run.settings)
