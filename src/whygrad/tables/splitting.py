"""Training, validation and test rows: a seeded split, stratified for classes; or the last rows by time."""

from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.tables.columns import quoted
from whygrad.tables.target import Target


def split(target: Target, table: Any, fraction: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
    """Split the rows of a table into training and test rows.

    A pure function of the target's values, the fraction and the seed. Each class has its share in both
    parts, at least one row.

    Parameters
    ----------
    target : Target
        The column to stratify by, where it holds classes.
    table : pyarrow.Table
        The rows, all with a value of the target.
    fraction : float, default 0.2
        The share of the test rows, above 0 and below 1.
    seed : int, default 0
        Decides which rows they are.

    Returns
    -------
    training, test : arrays of int64
        Row numbers, in ascending order.

    Raises
    ------
    InputError
        Where every class has a single row, and for fewer than two rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"x": [1, 2, 3, 4, 5, 6], "y": ["a", "b", "a", "b", "a", "b"]})
    >>> training, test = split(Target("y", "classification", "text", ("a", "b")), table, 1 / 3)
    >>> len(training), table["y"].take(test).to_pylist()
    (4, ['a', 'b'])
    """
    if target.task == "classification":
        return split_rows(target.indices(table), fraction, seed, target)
    return split_rows(np.zeros(table.num_rows, np.int64), fraction, seed)


def split_by_time(seconds: Array, fraction: float) -> tuple[Array, Array]:
    """Split rows so that no training row is later than a test row.

    Rows of one time stay together, so that the share is the nearest one that there is. Rows without a time
    are training rows.

    Parameters
    ----------
    seconds : array, shape (n,)
        The time of each row, NaN where there is none.
    fraction : float
        The share of the test rows, above 0 and below 1.

    Returns
    -------
    training, test : arrays of int64
        Row numbers, in ascending order.

    Raises
    ------
    InputError
        Where all rows have the same time.

    Examples
    --------
    >>> split_by_time(np.array([3.0, 1, 2, 5, 4]), 0.4)
    (array([0, 1, 2]), array([3, 4]))
    """
    known = np.sort(seconds[~np.isnan(seconds)])
    if not len(known) or known[0] == known[-1]:
        raise InputError(
            "the rows have one time only: they cannot be split by it, give --test a share"
        )
    wanted = len(seconds) * fraction
    # Where a new time begins, so many rows are of it or later.
    starts = np.flatnonzero(np.diff(known)) + 1
    start = starts[int(np.argmin(np.abs(len(known) - starts - wanted)))]
    test = seconds >= known[start]
    return np.flatnonzero(~test), np.flatnonzero(test)


def split_rows(
    index: Array, fraction: float, seed: int, target: Target | None = None, part: str = "test"
) -> tuple[Array, Array]:
    """Split rows by the class index of each, (n,); the only row of a class is never set aside.

    `target` and `part` are for the messages alone.
    """
    if not 0 < fraction < 1:
        raise InputError(f"the {part} part is {fraction!r} of the rows: it must be between 0 and 1")
    if len(index) < 2:
        rows = "1 row" if len(index) == 1 else f"{len(index):,} rows"
        raise InputError(
            f"{rows} cannot be split into training and {part} rows: add rows, or set {part} to 0"
        )
    counts = np.bincount(index)
    if counts.max() == 1:
        name = f" of target {quoted(target.name)}" if target else ""
        raise InputError(
            f"every class{name} has a single row: a {part} split needs two rows of one class or more; "
            f"add rows, or set {part} to 0"
        )
    shares = _shares(counts, fraction)
    order = np.random.default_rng(seed).permutation(len(index))
    kept = np.zeros(len(index), bool)
    for i, share in enumerate(shares):
        kept[order[index[order] == i][:share]] = True
    return np.flatnonzero(~kept), np.flatnonzero(kept)


def _shares(counts: Array, fraction: float) -> Array:
    """Return how many rows of each class to set aside: its exact share, rounded so that the sum fits."""
    exact = counts * fraction
    shares = np.floor(exact).astype(np.int64)
    rest = round(float(exact.sum())) - int(shares.sum())
    largest = np.argsort(-(exact - shares), kind="stable")[:rest]
    shares[largest] += 1
    return np.where(counts > 0, np.clip(shares, 1, np.maximum(counts - 1, 0)), 0)
