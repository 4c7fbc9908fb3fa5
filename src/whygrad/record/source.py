"""The examples of an opened run, found again and compared with the hashes of those it was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.errors import FileError, InputError
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.functions import Array
from whygrad.record.files import stored
from whygrad.record.folder import TRAINING

if TYPE_CHECKING:
    from whygrad.tables.target import Target


def training_data(run: Any) -> Data:
    """Return the training examples of a run."""
    return _checked(run, TRAINING, run.given)


def validation_data(run: Any) -> Data | None:
    """Return the examples that a run measured after every epoch, or None where there were none."""
    about = run.manifest["data"]
    part = about["measured"]
    if part is None:
        return None
    return stored.judged(_checked(run, part, run.given_validation), about["several"])


def part_of(run: Any, part: str) -> Data:
    """Return the examples of a part of the data, which training need not have seen."""
    return _checked(run, part, None)


def _checked(run: Any, part: str, given: tuple[Any, ...] | None) -> Data:
    about = run.manifest["data"]
    recorded = about["sha256"].get(part)
    data = _found(run, part, given, about)
    if recorded is None:  # killed before the first step was recorded: nothing follows from them yet
        return data
    found = stored.hashes(data)
    if about["copied"] and given is None and found != recorded:
        raise FileError(
            f"{run.path}: damaged, the files in {stored.FOLDER} are not what was written there. History "
            "and parameters are there; give the data again with open_run(path, data=(X, Y)) to replay it"
        )
    stored.check_same(run.path.name, part, recorded, found)
    return data


def _fitting(run: Any, data: Data) -> Data:
    """Return examples that are as training takes them: engines rely on it."""
    try:
        return as_data(run.net, data.X, data.Y, data.sample_weight, run.manifest["dtype"])
    except InputError as error:
        raise FileError(f"{run.path}: damaged, its data do not fit its network ({error})") from None


def _found(run: Any, part: str, given: tuple[Any, ...] | None, about: dict[str, Any]) -> Data:
    if given is not None:
        X, Y, weights = (*given, None)[:3]
        return as_data(run.net, X, Y, weights, run.manifest["dtype"])
    if about["copied"]:
        return _fitting(run, stored.read_copy(run.path, part))
    try:
        if about["kind"] == "mapped":
            return _fitting(run, stored.read_mapped(about["places"]))
        if run.on_table and about["kind"] != "frame":
            data = read_part(run, part)[1]
            return as_data(run.net, data.X, data.Y, dtype=run.manifest["dtype"])
    except FileError as error:
        raise FileError(
            f"{error}. History and parameters of {run.path.name} are there without the data"
        ) from None
    name = "data" if part == TRAINING else "validation"
    raise InputError(
        f"{run.path.name} was trained on arrays in memory, which it does not hold: give them again, "
        f"open_run(path, {name}=(X, Y)). History and parameters are there without them"
    )


def read_again(run: Any) -> Any:
    """Return the rows that a `Run` was scored on, held out or else trained on, as a `pyarrow.Table`.

    Where its file has moved they are the copy in the run, as `Data`. Raises `InputError` where the data are
    no longer what training saw.
    """
    part = run.manifest["scored_on"]
    data = copy_of(run, part)
    return read_part(run, part)[0] if data is None else data


def copy_of(run: Any, part: str) -> Data | None:
    """Return the copy of a part of a table whose file has moved, as training has it, or None."""
    about = run.manifest["data"]
    gone = about["kind"] == "file" and not Path(about["path"]).exists()
    if not (gone and about["copied"] and stored.is_copied(run.path, part)):
        return None
    return part_of(run, part)


def take(rows: Any, places: Array) -> Any:
    """Return some of the rows that `read_again` gives."""
    if isinstance(rows, Data):
        return Data(rows.X[places], rows.Y[places])
    return rows.take(places)


def count(rows: Any) -> int:
    """Count the rows that `read_again` gives."""
    return len(rows.Y) if isinstance(rows, Data) else len(rows)


def encoded(run: Any, rows: Any) -> Array:
    """Return rows that `read_again` gives as the network takes them."""
    X: Array = rows.X if isinstance(rows, Data) else run.encoding.encode(rows, run.theta.flat.dtype)
    return X


def true_values(target: "Target", rows: Any) -> Array:
    """Return the true values as `fitting.truth` does, of encoded rows as well."""
    if not isinstance(rows, Data):
        from whygrad.pipeline.fit import truth

        return truth(target, rows)
    if target.task == "regression":
        return target.decode(rows.Y)
    if target.n_outputs == 1:
        return (rows.Y[:, 0] > 0.5).astype(np.int64)
    return rows.Y.argmax(axis=1)


def read_part(run: Any, part: str) -> tuple[Any, Data]:
    """Return a part of the table that a `Run` was trained on, as rows and as training has them.

    Raises `InputError` where the data are no longer what training saw, or lay in memory, and `FileError`
    where they are gone.
    """
    table, encoding, parts = prepare_again(run)
    return _checked_rows(run, part, table, encoding, parts)


def rows_trained_on(run: Any) -> Array:
    """Return the row of the table that each training example of a `Run` was, (n,); raises as `read_part`."""
    from whygrad.pipeline.fit import find_again, prepare

    found = find_again(run.manifest["data"], run.target, run.encoding.task)
    table, encoding, parts = prepare(found, run.settings)
    _checked_rows(run, "training", table, encoding, parts)
    rows: Array = np.flatnonzero(encoding.target.present(found.table))[parts.training]
    return rows


def _checked_rows(run: Any, part: str, table: Any, encoding: Any, parts: Any) -> tuple[Any, Data]:
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
    """Return the table, the encoding and the parts of a `Run` as they are made from its source now."""
    from whygrad.pipeline.fit import find_again, prepare

    return prepare(find_again(run.manifest["data"], run.target, run.encoding.task), run.settings)
