"""Columns of numbers and text → a data frame of pandas, polars or arrow, through narwhals."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from whygrad.errors import InputError, nearest, needs

BACKENDS = ("pandas", "polars", "pyarrow")  # the first that is installed is taken; arrow is


def data_frame(columns: Mapping[str, Sequence[Any]], backend: str | None = None) -> Any:
    """Return columns as a data frame; None is what is missing.

    Parameters
    ----------
    columns : mapping of str to sequence
        The columns by name, all of one length. One that has both text and numbers becomes text.
    backend : {"pandas", "polars", "pyarrow"}, optional
        Whose frame it is to be; by default the first of them that is installed.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table
        The frame.

    Raises
    ------
    InputError
        For another backend, and for one that is not installed.

    Examples
    --------
    >>> data_frame({"epoch": [1, 2], "cost": [0.5, None]}, "pyarrow").column("cost").to_pylist()
    [0.5, None]
    """
    if backend is None:
        backend = next(name for name in BACKENDS if find_spec(name) is not None)
    elif backend not in BACKENDS:
        raise InputError(f"unknown backend {backend!r}: {nearest(backend, BACKENDS)}")
    needs(backend, "to_frame()")
    import narwhals as nw

    alike = {name: _alike(list(values)) for name, values in columns.items()}
    of: Any = backend  # one of three, of which narwhals knows more
    return nw.from_dict(alike, backend=of).to_native()


def _alike(values: list[Any]) -> list[Any]:
    """Return values of one type: numbers where all of them are, else text."""
    there = [value for value in values if value is not None]
    if all(isinstance(value, int) for value in there) and there:
        return values
    if all(isinstance(value, int | float) for value in there):
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
