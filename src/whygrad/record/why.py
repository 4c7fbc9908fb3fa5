"""A run → `Why`: its encoding turns rows of a table into examples, and names units after columns.

    why_of_run          a run → its `Why`, of an ensemble that of its average
    why_of_member       the same of its own network alone
    rows_asked          the user's rows → the network's, for questions about the training
    rows_to_show        the user's rows → the widget's

Predicted numbers are explained as the network gives them, standardised; predictions and their parts,
sentences and tables of rows have them in the units of the table.
"""

from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from whygrad.answers.formatting import number
from whygrad.errors import InputError
from whygrad.fitted import Ensemble
from whygrad.nn import Array, Data
from whygrad.pipeline.fit import options_of
from whygrad.plan.plan import Penalty
from whygrad.record.files.inside import VALIDATION
from whygrad.record.recorded import Recorded
from whygrad.record.source import count, names_of_run, read_again, rows_trained_on, take
from whygrad.tables import as_table, read
from whygrad.why.bound import Examples, Why


def why_of_run(run: Recorded) -> Why:
    """Return the `Why` of a run, of several networks that of their average."""
    own = why_of_member(run)
    if not isinstance(run.average, Ensemble):
        return own
    members = tuple((member.net, member.theta) for member in run.average.members)
    K = len(members)
    said = (
        f"{K} networks are averaged: a prediction is explained for their average, all else for member 1; "
        f"the others are {run.path.name}/members/2.run and so on."
    )
    return replace(own, notes=(*own.notes, said), members=members)


def why_of_member(run: Recorded) -> Why:
    """Return the `Why` of the network that lies in the run's own folder.

    Without rows it asks about the test rows; that of a run on arrays takes arrays only.
    """
    about = run.manifest
    l1, l2, products = Penalty(**about["l1"]), Penalty(**about["l2"]), about.get("products")
    n = about["data"]["rows"]["training"]
    if not run.on_table:
        training = partial(_rows_trained_on, run)
        return Why(
            run.net, run.theta, names_of_run(run), l1=l1, l2=l2, n=n, run=run, training=training,
            products=products,
        )  # fmt: skip
    target = run.encoding.target
    scaled = ""
    if target.task == "regression":
        scaled = (
            f"The network gives {target.name!r} standardised: 1 of it is {number(target.scale)}, "
            f"0 is {number(target.center)}. So it stands in the value, in costs, derivatives and what adds "
            "up to them."
        )
    names = names_of_run(run)
    return Why(
        run.net,
        run.theta,
        names,
        partial(_encode, run),
        l1,
        l2,
        n,
        scaled=scaled,
        run=run,
        training=partial(_rows_trained_on, run),
        products=products,
    )


def _rows_trained_on(run: Recorded) -> Array | None:
    """Return the rows that a run learned from, (n, n_0), without those left out; None of lost arrays."""
    try:
        data = run.data
    except (InputError, OSError) as error:
        if not run.on_table:
            return None
        raise InputError(
            f"the training rows are not known ({error}): give baseline= and limits="
        ) from None
    kept: Array = data.X if data.multipliers is None else data.X[data.multipliers > 0]
    return kept


def rows_asked(run: Recorded, x: Any, y: Any) -> tuple[Any, Any]:
    """Return the user's rows and targets, or None, as the network takes them.

    A whole number stands for one of the test rows of a table, or of the validation rows of arrays; for a
    table a list of numbers stands for several.
    """
    one = _is_index(x)
    if run.on_table:
        if isinstance(x, np.ndarray):  # encoded already
            return x, y
        if one or (isinstance(x, list | tuple | range) and len(x) and all(map(_is_index, x))):
            x = _test_rows(run, [x] if one else x)
        found = why_of_run(run).examples(x, y)
        return found.X, found.Y
    if x is not None and not one:
        return x, y
    rows = run.validation
    if rows is None:
        raise InputError(f"{run.path.name} has no validation rows: give x, (n_0,) or (m, n_0)")
    chosen = np.arange(len(rows.Y)) if x is None else _checked_indices([x], len(rows.Y), VALIDATION)
    return rows.X[chosen], rows.Y[chosen] if y is None else y


def rows_to_show(run: Recorded, x: Any, y: Any) -> tuple[Any, Any]:
    """Return rows and targets as the `Why` of a run takes them; a whole number is one of the test rows."""
    one = _is_index(x)
    if not run.on_table:
        return rows_asked(run, x, y) if one or x is None else (x, y)
    return (_test_rows(run, [x]) if one else x), y


def table_rows(run: Recorded) -> Array | None:
    """Return the row of the table that each training example was, (n,), or None where it is not known."""
    if not run.on_table:
        return None
    try:
        return rows_trained_on(run)
    except (InputError, OSError):
        return None


def _is_index(x: Any) -> bool:
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _test_rows(run: Recorded, indices: Any) -> Any:
    """Return some of the rows that a run on a table was scored on."""
    rows = read_again(run)
    return take(rows, _checked_indices(indices, count(rows), run.manifest["scored_on"]))


def _checked_indices(given: Any, n: int, part: str) -> Any:
    for i in given:
        if not 0 <= i < n:
            raise InputError(f"row {i}: the {part} rows are 0 to {n - 1}")
    return np.array(given, np.int64)


def _encode(run: Recorded, X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return rows of a frame or a file as X, in the dtype of training, and their target as Y."""
    X = read_again(run) if X is None else X
    if isinstance(X, Data):  # encoded when they were copied
        return Examples(X.X, X.Y, sample_weight)
    encoding, dtype = run.encoding, run.theta.flat.dtype
    if isinstance(X, str | PathLike):
        needed = [column.name for column in encoding.columns]
        table = read(X, options_of(run.manifest["data"]), needed=needed)
    else:
        table = as_table(X)
    name = encoding.target.name
    if y is not None:
        labels = pa.table({name: pa.array(np.atleast_1d(np.asarray(y)))})
    elif name in table.column_names:
        labels = table.select([name])
    else:
        return Examples(encoding.encode(table, dtype), None, sample_weight)
    return Examples(encoding.encode(table, dtype), encoding.targets(labels, dtype), sample_weight)
