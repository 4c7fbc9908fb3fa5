"""Training and test rows: a seeded split, stratified for classes."""

from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.tables.columns import quoted
from whygrad.tables.target import Target


def split(target: Target, table: Any, fraction: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
    """Return the row numbers to train on and those to hold out, both in ascending order.

    A pure function of the target's values, the fraction and the seed. Of classes, each has its share in
    both parts, at least one row. Raises `InputError` for a class with a single row, and where no row
    would be left on one side.
    """
    if target.task == "classification":
        return split_rows(target.indices(table), fraction, seed, target)
    return split_rows(np.zeros(table.num_rows, np.int64), fraction, seed)


def split_rows(
    index: Array, fraction: float, seed: int, target: Target | None = None
) -> tuple[Array, Array]:
    """Split rows by the class index of each, (n,); `target` is for the message alone."""
    if not 0 < fraction < 1:
        raise InputError(f"the test part is {fraction!r} of the rows: it must be between 0 and 1")
    if len(index) < 2:
        raise InputError(f"{len(index)} rows cannot be split: at least 2 are needed")
    counts = np.bincount(index)
    if (counts == 1).any():
        single = int(np.argmax(counts == 1))
        label = target.classes[single] if target else single
        name = f" of target {quoted(target.name)}" if target else ""
        raise InputError(
            f"class {quoted(str(label))}{name} has a single row: a test split needs two of each "
            "class; add rows, leave it out, or hold nothing out"
        )
    shares = _shares(counts, fraction)
    order = np.random.default_rng(seed).permutation(len(index))
    kept = np.zeros(len(index), bool)
    for i, share in enumerate(shares):
        kept[order[index[order] == i][:share]] = True
    return np.flatnonzero(~kept), np.flatnonzero(kept)


def _shares(counts: Array, fraction: float) -> Array:
    """Return how many rows of each class to hold out: the exact share, rounded so that the sum fits."""
    exact = counts * fraction
    shares = np.floor(exact).astype(np.int64)
    rest = round(float(exact.sum())) - int(shares.sum())
    largest = np.argsort(-(exact - shares), kind="stable")[:rest]
    shares[largest] += 1
    return np.where(counts > 0, np.clip(shares, 1, np.maximum(counts - 1, 0)), 0)
