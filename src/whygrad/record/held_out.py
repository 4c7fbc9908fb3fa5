"""The rows of a table that a run was trained or scored on, read again from where training found them."""

from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.fitting import find_again, prepare
from whygrad.functions import Array
from whygrad.plan import Data
from whygrad.record import stored


def read_again(run: Any) -> Any:
    """Give the rows that a `Run` was scored on, held out or else trained on, as a `pyarrow.Table`.

    Raises `InputError` where the data are no longer what training saw.
    """
    return read_part(run, run.manifest["scored_on"])[0]


def read_part(run: Any, part: str) -> tuple[Any, Data]:
    """Give a part of the table that a `Run` was trained on, as rows and as training has them.

    Raises `InputError` where the data are no longer what training saw, or lay in memory, and `FileError`
    where they are gone.
    """
    table, encoding, parts = prepare_again(run)
    return _checked(run, part, table, encoding, parts)


def rows_trained_on(run: Any) -> Array:
    """Give the row of the table that each training example of a `Run` was, (n,); raises as `read_part`."""
    source = find_again(run.manifest["data"], run.target, run.encoding.task)
    table, encoding, parts = prepare(source, run.settings)
    _checked(run, "training", table, encoding, parts)
    rows: Array = np.flatnonzero(encoding.target.present(source.table))[parts.training]
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
    source = find_again(run.manifest["data"], run.target, run.encoding.task)
    return prepare(source, run.settings)
