"""Test rows that training has seen too, value for value: which they are, and what it means for the scores.

Rows are the same where all columns that are learned from and the target are, cell by cell as the table has
them. A run keeps how many there are and the scores of the others, so that no page claims what is not so.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.nn.functions import Array
from whygrad.pipeline.scores import RegressionScores, Scores, from_dict, written_r2, written_share
from whygrad.tables import Encoding
from whygrad.tables.columns import computable, find

COPIED = 0.05  # of the test rows: fewer that training has seen change little


@dataclass(frozen=True)
class Copies:
    """How many test rows training has seen too, and the scores of the others, None where there are none.

    Parameters
    ----------
    rows : int
        Test rows that equal one of training or validation.
    others : Scores or None
        Of the other test rows; None as well where no row is a copy: `scores` has these then.

    Examples
    --------
    >>> Copies(1, None).of("test rows", 30)
    'test rows, 1 of which equals a row that training has seen'
    """

    rows: int
    others: Scores | None

    def of(self, what: str, n: int) -> str:
        """Return what the n scored rows are to be called, by what follows from the count."""
        if not self.rows:
            return f"{what}, which training has not seen"
        if self.rows == n == 1:
            return f"{what}, which equals a row that training has seen"
        if self.rows == n:
            return f"{what}, all of which equal rows that training has seen"
        equal = "equals a row" if self.rows == 1 else "equal rows"
        return f"{what}, {self.rows:,} of which {equal} that training has seen"

    @property
    def score_of_others(self) -> str:
        """A sentence on the other rows, "" where there are none."""
        if self.others is None:
            return ""
        one = self.others
        rows = "the other row" if one.rows == 1 else f"the other {one.rows:,}"
        if isinstance(one, RegressionScores):
            return f"On {rows} alone: R² {written_r2(one.r2)}."
        return f"On {rows} alone: accuracy {written_share(one.accuracy)}."

    @property
    def many(self) -> bool:
        """Whether they are enough to change the scores."""
        n = self.rows + (0 if self.others is None else self.others.rows)
        return self.rows > 0 and self.rows >= COPIED * n

    def to_dict(self) -> dict[str, Any]:
        """Return the count and the scores as plain data for JSON."""
        return {"rows": self.rows, "others": self.others and self.others.to_dict()}


def copies_from_dict(about: dict[str, Any] | None) -> Copies | None:
    """Return what `Copies.to_dict` wrote."""
    if about is None:
        return None
    return Copies(about["rows"], about["others"] and from_dict(about["others"]))


def cells_of(table: Any, encoding: Encoding) -> Array:
    """Return the cells that rows are compared by, (rows, columns): the same number for the same value."""
    used = sorted({column.name for column in encoding.columns} | {encoding.target.name})
    return np.stack([_numbered(find(table, name), name) for name in used], axis=1)


def copied(cells: Array, seen: Array, tested: Array) -> Array:
    """Return which of the rows `tested` equal one of the rows `seen`, (len(tested),) of bool.

    >>> copied(np.array([[1, 2], [3, 4], [1, 2]]), np.array([0, 1]), np.array([2]))
    array([ True])
    """
    known = {hash(row.tobytes()) for row in cells[seen]}
    return np.array([hash(row.tobytes()) in known for row in cells[tested]], bool)


def _numbered(column: Any, name: str) -> Array:
    """Return the cells of a column as numbers from 1, the same for the same value, 0 for none, (n,)."""
    indices = computable(column, name).combine_chunks().dictionary_encode().indices
    found: Array = indices.cast("int32").fill_null(-1).to_numpy() + 1
    return found
