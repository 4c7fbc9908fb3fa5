"""Data frames of other libraries → arrow tables: pandas, polars, arrow, through narwhals."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.tables.columns import as_column, computable, names_of_columns, quoted


def as_table(frame: Any) -> Any:
    """Return a data frame as a `pyarrow.Table`; an index is left out.

    Parameters
    ----------
    frame : pandas, polars or arrow frame, or a lazy one
        Spaces around the names of its columns do not count, as in files.

    Returns
    -------
    pyarrow.Table
        Its columns.

    Raises
    ------
    InputError
        For anything else, for columns of mixed types and for duplicate names.

    Examples
    --------
    >>> import pandas as pd
    >>> as_table(pd.DataFrame({"rooms": [3, 4]})).column_names
    ['rooms']
    """
    import narwhals as nw

    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    try:
        wrapped: Any = nw.from_native(frame)
        if isinstance(wrapped, nw.LazyFrame):
            wrapped = wrapped.collect()
    except TypeError:
        raise InputError(
            f"a table is a pandas, polars or arrow frame, or read from a file; not {type(frame).__name__}"
        ) from None
    except nw.exceptions.DuplicateError:
        raise InputError("the frame has two columns of the same name: rename one") from None
    names = names_of_columns(wrapped.columns, "the frame")
    # By position: names may be numbers.
    columns = [_column(wrapped[:, i], name) for i, name in enumerate(names)]
    return pa.table(columns, names=names) if names else pa.table({})


def _column(series: Any, name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about names that are not text
            column = series.to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"column {quoted(name)} mixes values of several types: make them all numbers or all text "
            f"({str(error.args[0]).splitlines()[0]:.100})"
        ) from None
    return computable(column, name)


def from_arrays(X: Array, names: Sequence[str], y: Any, target: str) -> Any:
    """Return examples and their targets as a table with named columns.

    Parameters
    ----------
    X : array, shape (n, …)
        Examples of any shape; each is one row.
    names : sequence of str, (n_0,)
        Names of the inputs.
    y : array, shape (n,)
        Classes or numbers.
    target : str
        The name of the column that y becomes, the last one.

    Returns
    -------
    pyarrow.Table
        n rows.

    Examples
    --------
    >>> from_arrays(np.eye(2), ["a", "b"], np.array([0, 1]), "class").column_names
    ['a', 'b', 'class']
    """
    X = np.asarray(X).reshape(len(X), -1)
    columns = [as_column(X[:, k]) for k in range(X.shape[1])]
    return pa.table([*columns, as_column(y)], names=[*names, target])
