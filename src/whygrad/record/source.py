"""The data of an opened run, found again and compared by SHA-256 with those that training saw.

    training_data, validation_data     examples as training has them
    prepare_again, rows_trained_on     the table they come from, read and encoded again
    check_own                          whether another table is that one
    read_again                         the rows that were scored, and what can be done with them
    names_of_run, names_for_fork       what the network's inputs and outputs are called

What reads tables is imported where it is needed: pyarrow takes a while.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.answers.names import Names, names_of
from whygrad.errors import FileError, InputError
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.functions import Array
from whygrad.record.files import stored
from whygrad.record.files.inside import TRAINING, VALIDATION
from whygrad.version import __version__

if TYPE_CHECKING:
    from whygrad.pipeline.fit import Source
    from whygrad.pipeline.streamed import Streaming
    from whygrad.tables.target import Target

# Of `Names`, what a manifest keeps.
NAMED = ("inputs", "outputs", "image", "origins", "classes", "scales", "target")
FOLDER = "folder"  # the kind of data that lie in a folder of Parquet files


# ── examples as training has them ────────────────────────────────────────────────────────────────────


def training_data(run: Any) -> Data:
    """Return the training examples of a run."""
    return _part_of(run, TRAINING, run.given)


def validation_data(run: Any) -> Data | None:
    """Return the validation examples of a run, or None where there were none."""
    about = run.manifest["data"]
    if VALIDATION not in about["rows"]:
        return None
    return stored.judged(_part_of(run, VALIDATION, run.given_validation), about["several"])


def _part_of(run: Any, part: str, given: tuple[Any, ...] | None = None) -> Data:
    """Return the examples of a part of the data, checked; `given` are those that the user gave again."""
    about, dtype = run.manifest["data"], run.manifest["dtype"]
    if given is not None:
        X, Y, sample_weight = (*given, None)[:3]
        data = as_data(run.net, X, Y, sample_weight, dtype)
        _check_hashes(run, part, data)
        return data
    if about["copied"]:
        data = _fitting(run, stored.read_copy(run.path, part))
        if not _as_recorded(run, part, data):
            raise FileError(
                f"{run.path}: damaged, the files in {stored.FOLDER} are not what was written there. "
                "History and parameters are there; give the data again with open_run(path, data=(X, Y)) "
                "to replay it"
            )
        return data
    try:
        if about["kind"] == "mapped":
            data = _fitting(run, stored.read_mapped(about["places"]))
            _check_hashes(run, part, data)
            return data
        if about["kind"] == FOLDER:
            data = streaming_of(run).data
            _check_hashes(run, part, data)
            return data
        if run.on_table and about["kind"] != "frame":
            data = _read_part(run, part)[1]
            return as_data(run.net, data.X, data.Y, data.sample_weight, dtype)
    except FileError as error:
        raise FileError(
            f"{error}. History and parameters of {run.path.name} are there without the data"
        ) from None
    name = "data" if part == TRAINING else "validation"
    raise InputError(
        f"{run.path.name} was trained on arrays in memory, which it does not hold: give them again, "
        f"open_run(path, {name}=(X, Y)). History and parameters are there without them"
    )


def _fitting(run: Any, data: Data) -> Data:
    """Return examples in the form that training takes, which engines rely on."""
    try:
        return as_data(run.net, data.X, data.Y, data.sample_weight, run.manifest["dtype"])
    except InputError as error:
        raise FileError(f"{run.path}: damaged, its data do not fit its network ({error})") from None


def _check_hashes(run: Any, part: str, data: Data) -> None:
    """Raise `InputError` for examples that are not those recorded.

    A run that was killed before its first step has no hashes: nothing follows from its data yet.
    """
    recorded = run.manifest["data"]["sha256"].get(part)
    if recorded is not None:
        try:
            stored.check_same(run.path.name, part, recorded, stored.hashes(data))
        except InputError as error:
            written = run.manifest["versions"].get("whygrad")
            if not run.on_table or written == __version__:
                raise
            raise InputError(
                f"{error}. It was trained by whygrad {written}: this is {__version__}, which may read the "
                "same table otherwise"
            ) from None


def _as_recorded(run: Any, part: str, data: Data) -> bool:
    recorded = run.manifest["data"]["sha256"].get(part)
    return recorded is None or recorded == stored.hashes(data)


# ── the table they come from ─────────────────────────────────────────────────────────────────────────


def prepare_again(run: Any) -> tuple[Any, Any, Any]:
    """Return the table, the encoding and the parts that a run's source gives now."""
    return _prepared(run)[1:]


def _prepared(run: Any) -> tuple[Any, Any, Any, Any]:
    from whygrad.pipeline.fit import find_again, prepare

    found = find_again(run.manifest["data"], run.target, run.encoding.task)
    return found, *prepare(found, run.settings)


def _read_part(run: Any, part: str) -> tuple[Any, Data]:
    """Return a part of the table that a run was trained on: its rows, and X and Y as training has them.

    Raises `InputError` where the data are no longer what training saw, or lay in memory, and `FileError`
    where they are gone.
    """
    return _checked_rows(run, part, *prepare_again(run))


def streaming_of(run: Any) -> "Streaming":
    """Return what a run on a folder of Parquet files follows from, by the folder as it is now.

    Raises `FileError` where it is gone, and `InputError` where its row groups are others.
    """
    from whygrad.pipeline.streamed import again, open_folder

    return again(
        open_folder(run.manifest["data"]["path"]), run.settings, run.encoding, run.first_plan
    )


def rows_trained_on(run: Any) -> Array:
    """Return the row of the table that each training example was, (n,); raises as `_read_part` does."""
    if run.manifest["data"]["kind"] == FOLDER:
        return np.concatenate([np.arange(a.first, a.last) for a in streaming_of(run).training])
    found, table, encoding, parts = _prepared(run)
    _checked_rows(run, TRAINING, table, encoding, parts)
    return np.flatnonzero(encoding.target.present(found.table))[parts.training]


def check_own(run: Any, found: "Source | Streaming") -> None:
    """Raise `InputError` for a table that is not the one that a run was trained on."""
    from whygrad.pipeline.fit import Source, prepare

    if isinstance(found, Source):
        _checked_rows(run, TRAINING, *prepare(found, run.settings))
    else:
        _check_hashes(run, TRAINING, found.data)


def _checked_rows(run: Any, part: str, table: Any, encoding: Any, parts: Any) -> tuple[Any, Data]:
    rows, dtype = table.take(vars(parts)[part]), run.manifest["dtype"]
    data = Data(encoding.encode(rows, dtype), encoding.targets(rows, dtype))
    if run.settings.class_weight and part in (TRAINING, VALIDATION):
        from whygrad.pipeline.fit import weights_of

        trained_on = encoding.targets(table.take(parts.training), dtype)
        data = replace(data, sample_weight=weights_of(run.settings, trained_on, data.Y, dtype))
    _check_hashes(run, part, data)
    if encoding != run.encoding:
        raise InputError(
            f"the data are not those that {run.path.name} was trained on: other columns, or whygrad "
            f"{run.manifest['versions'].get('whygrad')} read them otherwise than {__version__} does"
        )
    return rows, data


# ── the rows that were scored ────────────────────────────────────────────────────────────────────────


def read_again(run: Any) -> Any:
    """Return the rows that a run was scored on, the test or else the training rows, as a `pyarrow.Table`.

    Where their file has moved they are the copy in the run, as `Data`. Raises `InputError` where the data
    are no longer what training saw.
    """
    if run.manifest["data"]["kind"] == FOLDER:
        from whygrad.pipeline.streamed import scored_rows

        return scored_rows(streaming_of(run))
    part = run.manifest["scored_on"]
    data = _copy_of(run, part)
    return _read_part(run, part)[0] if data is None else data


def _copy_of(run: Any, part: str) -> Data | None:
    """Return the copy of a part of a table whose file has moved, as training has it, or None."""
    about = run.manifest["data"]
    gone = about["kind"] == "file" and not Path(about["path"]).exists()
    if not (gone and about["copied"] and stored.is_copied(run.path, part)):
        return None
    return _part_of(run, part)


def take(rows: Any, indices: Array) -> Any:
    """Return some of the rows that `read_again` gives."""
    if isinstance(rows, Data):
        return Data(rows.X[indices], rows.Y[indices])
    return rows.take(indices)


def count(rows: Any) -> int:
    """Count the rows that `read_again` gives."""
    return len(rows.Y) if isinstance(rows, Data) else len(rows)


def encoded(run: Any, rows: Any) -> Array:
    """Return rows that `read_again` gives as the network takes them."""
    return rows.X if isinstance(rows, Data) else run.encoding.encode(rows, run.theta.flat.dtype)


def true_values(target: "Target", rows: Any) -> Array:
    """Return the true values as `pipeline.fit.truth` does, of encoded rows as well."""
    if not isinstance(rows, Data):
        from whygrad.pipeline.fit import truth

        return truth(target, rows)
    if target.task == "regression":
        return target.decode(rows.Y)
    if target.n_outputs == 1:
        return (rows.Y[:, 0] > 0.5).astype(np.int64)
    return rows.Y.argmax(axis=1)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────


def names_of_run(run: Any) -> Names:
    """Return what inputs and outputs are called: by its table, or that of the run that it is a fork of."""
    if run.on_table:
        from whygrad.pipeline.names import names_of_encoding

        return names_of_encoding(run.encoding)
    return names_of(run.net, _named(run.manifest["names"]) if "names" in run.manifest else None)


def names_for_fork(run: Any) -> dict[str, Any]:
    """Return the names of a run as the manifest of a fork on arrays keeps them, {} where it has none."""
    names = names_of_run(run)
    about = asdict(names)
    return {"names": {name: about[name] for name in NAMED}} if names.outputs else {}


def _named(kept: Mapping[str, Any]) -> Names:
    named = {name: None if value is None else tuple(value) for name, value in kept.items()}
    return Names(**named | {"scales": tuple(map(tuple, kept["scales"]))})
