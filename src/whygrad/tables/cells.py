"""Cells of a column → numbers or times, as training found them to be written; and what does not fit.

A cell that does not fit is a missing value, here and in training; `Oddities` counts them as rows go by, for
one line at the end.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import row_of
from whygrad.nn.functions import Array
from whygrad.tables.columns import LARGEST, Kind, as_text, kind_of, quoted, texts, to_float, truths
from whygrad.tables.dates import DateForm, seconds_of_number, seconds_of_text, seconds_of_time
from whygrad.tables.spellings import keys
from whygrad.tables.written_numbers import (
    OF_THE_FILE,
    PLAIN_FORM,
    NumberForm,
    SplitForm,
    cast,
    find_form,
    numbers,
    split_cells,
)

TRUTH = as_text(["false", "true", "0", "1", "0.0", "1.0"])


def read_numbers(
    column: Any, kind: Kind = "number", form: NumberForm = PLAIN_FORM, na: Collection[str] = ()
) -> tuple[Array, Array, Array]:
    """Return the numbers of a column, which of its cells are odd, and which lack their unit.

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
        Text, numbers or truth values.
    kind : {"number", "boolean"}
        What the column holds; true and false are 1 and 0.
    form : NumberForm
        How text is written.
    na : collection of str
        What stands for a missing value, beside the usual signs.

    Returns
    -------
    values : array, shape (n,)
        float64; NaN where a value is missing or odd.
    odd, bare : arrays of bool, shape (n,)
        Cells that are there but no number of that form; cells without the unit that training always saw.
    """
    arrow = kind_of(column)
    none = np.zeros(len(column), bool)
    if arrow == "empty":
        return np.full(len(column), np.nan), none, none
    if arrow in ("number", "boolean"):
        values = to_float(column)
        values = _without(values, na)
        there = ~np.isnan(values)
        if kind == "boolean":
            odd = there & (values != 0) & (values != 1)
            return np.where(odd, np.nan, values), odd, none
        if form.unit == "%" and not form.bare:  # 0.12 or 12?
            return np.full(len(values), np.nan), there, none
        return values, none, there if form.unit and not form.bare else none
    if arrow not in ("text", "code"):
        return np.full(len(column), np.nan), np.asarray(pc.is_valid(column)), none
    if kind == "number" and form in (PLAIN_FORM, OF_THE_FILE) and not na:
        found = as_they_stand(column)
        if found is not None:
            return found, none, none
    trimmed = texts(column, na)
    there = np.asarray(pc.is_valid(trimmed))
    if kind == "boolean":
        place = pc.fill_null(pc.index_in(keys(trimmed), value_set=TRUTH), -1)
        index = np.asarray(place, dtype=np.int64)
        values = np.where(index < 0, np.nan, index % 2)
        return values, there & (index < 0), none
    if form == OF_THE_FILE:
        form = find_form(trimmed.drop_null())[0] or PLAIN_FORM
    values, bare = numbers(form, trimmed)
    odd = there & np.isnan(values)
    return _without(values, na), odd, bare


def no_number(example: str) -> str:
    """Return why a cell, as `Oddities` has it, is none of a column of numbers.

    >>> no_number("'many'"), no_number("'1e300'")
    ('no number', 'too large to compute with')
    """
    size = _number(example[1:-1])
    return "too large to compute with" if size and abs(size) > LARGEST else "no number"


def as_they_stand(column: Any) -> Array | None:
    """Return a column of text of which every cell is a plain number or empty, as float64; else None.

    Most columns of numbers are like that: nothing but the numbers is made.
    """
    if pa.types.is_dictionary(column.type):
        return None
    found = cast(column)
    if found is None or np.count_nonzero(~np.isfinite(found)) > column.null_count:
        return None
    return found


def _without(values: Array, na: Collection[str]) -> Array:
    """Return numbers with NaN for those that stand for a missing value: -9 is -9.0 as well."""
    for number in map(_number, na):
        if number is not None:
            values = np.where(values == number, np.nan, values)
    return values


def _number(sign: str) -> float | None:
    try:
        return float(sign)
    except ValueError:
        return None


def read_split(column: Any, form: SplitForm, na: Collection[str] = ()) -> tuple[Array, Array]:
    """Return the numbers of cells that hold several, and which of the cells are odd.

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
        Text.
    form : SplitForm
        How its cells are written.
    na : collection of str
        What stands for a missing value, beside the usual signs.

    Returns
    -------
    values : array, shape (k, n)
        The first number of each cell, the second, …, in float64; all NaN where a cell is missing or odd.
    odd : array of bool, shape (n,)
        Cells that are there but not of that form.
    """
    if kind_of(column) == "empty":
        return np.full((len(form.forms), len(column)), np.nan), np.zeros(len(column), bool)
    known = texts(column, na)
    pieces = zip(split_cells(known, form.mark, len(form.forms)), form.forms, strict=True)
    values = np.array([read_numbers(piece, "number", one, na)[0] for piece, one in pieces])
    gone = np.isnan(values).any(axis=0)
    values[:, gone] = np.nan
    return values, gone & np.asarray(pc.is_valid(known))


def read_dates(column: Any, form: DateForm, na: Collection[str] = ()) -> tuple[Array, Array]:
    """Return the times of a column as seconds since 1970, float64 with NaN, and which cells are odd."""
    arrow = kind_of(column)
    if arrow == "date":
        return seconds_of_time(column), np.zeros(len(column), bool)
    if arrow in ("number", "boolean", "empty"):
        values, _, _ = read_numbers(column, na=na)
        seconds = seconds_of_number(form, values)
        return seconds, ~np.isnan(values) & np.isnan(seconds)
    if arrow not in ("text", "code") or not form.form:
        there = texts(column, na) if arrow in ("text", "code") else column
        return np.full(len(column), np.nan), np.asarray(pc.is_valid(there))
    trimmed = texts(column, na)
    seconds = seconds_of_text(form, trimmed)
    return seconds, np.asarray(pc.is_valid(trimmed)) & np.isnan(seconds)


def is_missing(column: Any, na: Collection[str] = ()) -> Array:
    """Return for each row whether its value is missing: null, NaN, blanks or a sign for it."""
    kind = kind_of(column)
    if kind == "number":
        return np.isnan(read_numbers(column, na=na)[0])
    if kind in ("text", "code"):
        column = texts(column, na)
    return truths(pc.is_null(column))


class Oddities:
    """Cells that are not as in training: counted by column and by what is odd, the first with its row.

    Parameters
    ----------
    rows : array of int, optional
        The row numbers, from 0, that the rows have in their file; by default as they come.
    """

    def __init__(self, rows: Array | None = None) -> None:
        self.rows = rows
        self.found: dict[tuple[str, str], tuple[int, int, str]] = {}

    def add(self, name: str, what: str, where: Array, column: Any, start: int = 0) -> None:
        """Count the cells of a column that `where` marks, (n,); `start` rows came before."""
        if not where.any():
            return
        count = int(where.sum())
        if (name, what) in self.found:
            before, first, example = self.found[name, what]
            self.found[name, what] = (before + count, first, example)
            return
        first = int(np.argmax(where))
        row = start + first if self.rows is None else int(self.rows[first])
        self.found[name, what] = (count, row, quoted(str(column[first].as_py())))

    def to_list(self) -> list[Any]:
        """Return what was found as plain lists, for another process."""
        return [[*key, *found] for key, found in self.found.items()]

    def join(self, others: Iterable[Sequence[Any]]) -> None:
        """Add what another process found, as `to_list` gives it, in other rows of the same table."""
        for name, what, count, *first in others:
            mine = self.found.get((name, what))
            counted = count + (mine[0] if mine else 0)
            row, example = min([*first], [*mine[1:]]) if mine else first
            self.found[name, what] = counted, row, example

    def said(self, name: str, what: str) -> tuple[int, str, str] | None:
        """Return how many there are, in which rows, and the first one; None where there are none."""
        if (name, what) not in self.found:
            return None
        count, first, example = self.found[name, what]
        row = row_of(first)
        where = row if count == 1 else f"{count:,} rows, the first is {row}"
        return count, where, example
