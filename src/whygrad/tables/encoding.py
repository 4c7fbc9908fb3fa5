"""How the rows of a table become inputs, and outputs become labels and numbers again: frozen data.

    a number     (value − center) / scale, missing ones filled in and flagged in a column of their own
    a category   a column of zeros and ones for each value; one for all rare values, one for missing ones

What scikit-learn's SimpleImputer, StandardScaler and OneHotEncoder learned is kept here as plain numbers
and text, so that it goes to JSON and comes back bit for bit, whatever version reads it. Every step is
element by element: a piece of a table gives the same bits as the whole.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow.compute as pc

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.tables.columns import (
    HOLDS,
    Kind,
    check_names,
    find,
    index_of,
    kind_of,
    missing,
    nearest_name,
    quoted,
    refuse_infinity,
    texts,
    to_float,
)
from whygrad.tables.target import Label, Target, Task

# What a column of each kind may hold when it is met again.
ACCEPTED: dict[Kind, tuple[Kind, ...]] = {
    "number": ("number", "empty"),
    "boolean": ("boolean", "number", "empty"),
    "text": ("text", "code", "empty"),
    "code": ("text", "code", "number", "empty"),
}


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, or of true and false as 1 and 0.

    `fill` stands in for a missing value; `flagged` adds a column that is 1 where one was missing.
    """

    name: str
    kind: Kind
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    flagged: bool = False

    @property
    def names(self) -> list[str]:
        """The encoded columns."""
        return [self.name, f"{self.name} is missing"] if self.flagged else [self.name]

    @property
    def seen_missing(self) -> bool:
        """Whether values were missing in training."""
        return self.flagged

    @property
    def stand_in(self) -> str:
        """What a missing value is taken for."""
        return f"{self.fill:g}, the median of training"

    def encode(self, column: Any, X: Array, start: int) -> None:
        """Write the encoded columns of some rows into X, (n, len(names))."""
        values = to_float(column)
        refuse_infinity(values, self.name, start)
        if self.kind == "boolean":
            odd = ~np.isnan(values) & (values != 0) & (values != 1)
            if odd.any():
                row = int(np.argmax(odd))
                raise InputError(
                    f"column {quoted(self.name)} is {values[row]:g} in row {start + row + 1}, in "
                    "training it held true and false"
                )
        gone = np.isnan(values)
        with np.errstate(over="ignore"):
            X[:, 0] = (np.where(gone, self.fill, values) - self.center) / self.scale
        if not np.isfinite(X[:, 0]).all():
            row = int(np.argmin(np.isfinite(X[:, 0])))
            raise InputError(
                f"column {quoted(self.name)} is {values[row]:g} in row {start + row + 1}: "
                f"too large, in training it was about {self.center:g}"
            )
        if self.flagged:
            X[:, 1] = gone


@dataclass(frozen=True)
class Category:
    """A column of categories: `values` have a column each; `rare` ones and `missing` ones share one.

    A value never seen counts as rare; where there is no column for rare ones, all columns are 0.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]
    rare: bool = False
    missing: bool = False

    @property
    def names(self) -> list[str]:
        """The encoded columns."""
        names = [f"{self.name}={value}" for value in self.values]
        if self.rare:
            names.append(f"{self.name} is rare")
        if self.missing:
            names.append(f"{self.name} is missing")
        return names

    @property
    def seen_missing(self) -> bool:
        """Whether values were missing in training."""
        return self.missing

    @property
    def stand_in(self) -> str:
        """What a missing value is taken for."""
        return "none of the values of training"

    def encode(self, column: Any, X: Array, start: int) -> None:
        """Write the encoded columns of some rows into X, (n, len(names))."""
        column = texts(column)
        index, gone = index_of(column, self.values), np.asarray(pc.is_null(column))
        X[:] = index[:, None] == np.arange(X.shape[1])
        if self.rare:
            X[:, len(self.values)] = (index < 0) & ~gone
        if self.missing:
            X[:, -1] = gone


Column: TypeAlias = NumberColumn | Category


@dataclass(frozen=True)
class Encoding:
    """What was learned from a table's training rows: how its columns and its target are encoded.

    Parameters
    ----------
    columns : tuple of NumberColumn and Category
        The columns in use, in order.
    target : Target
        The column to predict.
    notes : tuple of str
        Lines for the user: what was left out, and why.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column = NumberColumn("rooms", "number", center=3.0, scale=2.0)
    >>> encoding = Encoding((column,), Target("rent", "regression", "number"))
    >>> encoding.encode(pa.table({"rooms": [3, 5]}))
    array([[0.],
           [1.]], dtype=float32)
    """

    columns: tuple[Column, ...]
    target: Target
    notes: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The encoded columns, such as "rooms", "rooms is missing", "ocean=NEAR BAY"."""
        return tuple(name for column in self.columns for name in column.names)

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """For each encoded column the column of the table that it comes from."""
        return tuple(column.name for column in self.columns for _ in column.names)

    @cached_property
    def scales(self) -> tuple[tuple[float, float], ...]:
        """For each encoded column its center and scale: value = encoded · scale + center."""
        found: list[tuple[float, float]] = []
        for column in self.columns:
            first = (
                (column.center, column.scale) if isinstance(column, NumberColumn) else (0.0, 1.0)
            )
            found += [first] + [(0.0, 1.0)] * (len(column.names) - 1)
        return tuple(found)

    @property
    def task(self) -> Task:
        """What is predicted: "classification" or "regression"."""
        return self.target.task

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels in order, () for numbers."""
        return self.target.classes

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The columns to read from a file, and what each holds, as `batches` takes them."""
        return {column.name: column.kind for column in self.columns} | {
            self.target.name: self.target.kind
        }

    def encode(self, table: Any, dtype: Any = np.float32, start: int = 0) -> Array:
        """Return the inputs of the network for the rows of a table.

        Parameters
        ----------
        table : pyarrow.Table or pyarrow.RecordBatch
            Columns are found by name, in any order; others are ignored.
        dtype : dtype, default float32
            Of the result.
        start : int, default 0
            How many rows came before in other pieces, for the row numbers in messages.

        Returns
        -------
        array, shape (n, n_0)
            X; its columns are `names`.

        Raises
        ------
        InputError
            For a column that is missing or holds something else than in training, and for infinity.
        """
        self.check(table)
        X = np.empty((table.num_rows, len(self.names)), dtype)
        first = 0
        for column in self.columns:
            last = first + len(column.names)
            column.encode(find(table, column.name), X[:, first:last], start)
            first = last
        return X

    def check(self, table: Any) -> None:
        """Raise `InputError` where names or types of columns are not those of training."""
        names = table.schema.names
        check_names([name for name in names if name in self.kinds], "the table")
        there = set(names)
        for column in self.columns:
            if column.name not in there:
                raise InputError(
                    f"no column {quoted(column.name)}: {nearest_name(column.name, names)}"
                )
            kind = kind_of(find(table, column.name))
            if kind not in ACCEPTED[column.kind]:
                example = ""
                if isinstance(column, Category) and column.values:
                    example = f" such as {quoted(column.values[0])}"
                raise InputError(
                    f"column {quoted(column.name)} holds {HOLDS[kind]}, in training it held "
                    f"{HOLDS[column.kind]}{example}"
                )

    def gaps(self, table: Any) -> dict[str, Array]:
        """Return by column the rows without a value, where in training every row had one."""
        found = {
            column.name: np.flatnonzero(missing(find(table, column.name)))
            for column in self.columns
            if not column.seen_missing
        }
        return {name: rows for name, rows in found.items() if len(rows)}

    def targets(self, table: Any, dtype: Any = np.float32, start: int = 0) -> Array:
        """Return the targets of the network for the rows of a table.

        Parameters
        ----------
        table, dtype, start
            As of `encode`.

        Returns
        -------
        array, shape (n, n_L)
            Y: one-hot rows, a column of zeros and ones, or standardised numbers.

        Raises
        ------
        InputError
            For a value that is missing, no class of training, or too large.
        """
        with np.errstate(over="ignore"):
            Y = self.target.targets(table, start).astype(dtype)
        if not np.isfinite(Y).all():
            row = int(np.argmin(np.isfinite(Y).all(axis=1)))
            value = self.target.observed(table, start)[row]
            raise InputError(
                f"target {quoted(self.target.name)} is {value:g} in row {start + row + 1}: too large, in "
                f"training it was about {self.target.center:g}"
            )
        return Y

    def decode(self, outputs: Array) -> Array:
        """Return outputs as labels, or as numbers in their own units.

        Parameters
        ----------
        outputs : array, shape (n, n_L)
            a[L].

        Returns
        -------
        array, shape (n,)
            Predictions, as the target's column has them.
        """
        return self.target.decode(outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return the encoding as plain data for JSON."""
        about = {
            "columns": [
                {"type": "number" if isinstance(column, NumberColumn) else "category"}
                | asdict(column)
                for column in self.columns
            ],
            "target": asdict(self.target),
            "notes": self.notes,
        }
        plain_data: dict[str, Any] = json.loads(json.dumps(about))
        return plain_data

    @staticmethod
    def from_dict(about: Any) -> "Encoding":
        """Return the encoding that `to_dict` wrote; raises `InputError` where something is missing."""
        try:
            columns = tuple(_column(column) for column in about["columns"])
            target = about["target"]
            known = {"classes": tuple(target["classes"]), "notes": tuple(target["notes"])}
            return Encoding(columns, Target(**(target | known)), tuple(about["notes"]))
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"the description of the table is damaged ({error!r})") from None


def _column(about: dict[str, Any]) -> Column:
    fields = {name: value for name, value in about.items() if name != "type"}
    if about["type"] == "number":
        return NumberColumn(**fields)
    return Category(**(fields | {"values": tuple(fields["values"])}))


def plain(names: Sequence[str], target: Target) -> Encoding:
    """Return the encoding that leaves numbers as they are, such as the pixels of images.

    Parameters
    ----------
    names : sequence of str, (n_0,)
        The columns, all of numbers.
    target : Target
        The column to predict.

    Returns
    -------
    Encoding
        Center 0 and scale 1 for each column.
    """
    return Encoding(tuple(NumberColumn(name, "number") for name in names), target)
