"""The rows that a run was scored on, read again from where training found them."""

from typing import Any

from whygrad.errors import InputError
from whygrad.fitting import find_again, hashes, prepare


def read_again(run: Any) -> Any:
    """Give the rows that a `Run` was scored on, held out or else trained on, as a `pyarrow.Table`.

    Raises `InputError` where the data are no longer what training saw.
    """
    about, part = run.manifest["data"], run.manifest["scored_on"]
    source = find_again(about, run.target, run.encoding.task)
    table, encoding, parts = prepare(source, run.settings)
    rows, dtype = table.take(vars(parts)[part]), run.theta.flat.dtype
    seen = hashes(encoding.encode(rows, dtype), encoding.targets(rows, dtype))
    if encoding != run.encoding or about["sha256"][part] != seen:
        raise InputError(
            f"the data are not those that {run.path.name} was trained on: they have changed since, or "
            "another version reads them otherwise; name a file to score"
        )
    return rows
