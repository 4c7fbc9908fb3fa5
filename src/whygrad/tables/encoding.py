"""How the rows of a table become inputs, and outputs become labels and numbers again: frozen data.

    a number     (value − center) / scale, missing ones filled in and flagged in a column of their own
    a category   a column of zeros and ones for each value; one for all rare values, one for missing ones
    numbers      several in a cell, such as 120/80: each as a number of its own
    a date       its parts: year, month and hour as points on a circle, weekday, day, number of the day
    a place      latitude and longitude in pieces, and how far it lies along four other directions

A number, or a part of a date that is standardised, may be encoded in pieces instead (`in_pieces`): as z,
smoothly clipped, and beside it piecewise linearly (Gorishniy, Rubachev & Babenko 2022).

What scikit-learn's SimpleImputer, StandardScaler and OneHotEncoder learned is kept here as plain numbers
and text, so that it goes to JSON and comes back bit for bit, whatever version reads it. Every step is
element by element: a piece of a table gives the same bits as the whole.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.answers.names import AS_IT_IS, Bin, Scale
from whygrad.errors import InputError, row_of
from whygrad.nn.functions import Array
from whygrad.tables.cells import Oddities, is_missing, read_dates, read_numbers, read_split
from whygrad.tables.columns import (
    HOLDS,
    LARGEST,
    SIGNS,
    Kind,
    cells,
    check_names,
    find,
    index_of,
    kind_of,
    nearest_name,
    quoted,
    too_large,
)
from whygrad.tables.dates import DAY, EPOCHS, PARTS, TEXT_FORMS, DateForm, calendar, encoded_part
from whygrad.tables.spellings import canonical
from whygrad.tables.target import Label, Target, Task, target_from_dict
from whygrad.tables.written_numbers import (
    BETWEEN,
    OF_THE_FILE,
    PLAIN_FORM,
    NumberForm,
    SplitForm,
)

# What a column of each kind may hold when it is met again.
ACCEPTED: dict[Kind, tuple[Kind, ...]] = {
    "number": ("number", "text", "code", "boolean", "empty"),
    "boolean": ("boolean", "number", "text", "code", "empty"),
    "text": ("text", "code", "boolean", "empty"),
    "code": ("text", "code", "number", "boolean", "empty"),
    "date": ("date", "number", "text", "code", "empty"),
}


WEIGHT = 0.3  # of the pieces beside z: as a lower learning rate of their weights
BOUND = 3.0  # of z, smoothly clipped


def in_pieces(values: Array, center: float, scale: float, edges: Sequence[float]) -> Array:
    """Return numbers as z, smoothly clipped, and their shares of the bins between edges, (n, 1 + T).

        z / √(1 + (z/3)²),  z = (x − center) / scale
        0.3 · clip((x − b_{t−1}) / (b_t − b_{t−1}), 0, 1),  t = 1 … T

    The first bin goes on to −1 and the last to 2, so that what lies outside is not all the same.

    >>> in_pieces(np.array([1.0, 2, 9]), 2.0, 1.0, (0.0, 2.0, 4.0)).round(2)
    array([[-0.95,  0.15,  0.  ],
           [ 0.  ,  0.3 ,  0.  ],
           [ 2.76,  0.3 ,  0.6 ]])
    """
    bins = np.asarray(edges)
    with np.errstate(over="ignore"):
        z = (values - center) / scale
        shares = (values[:, None] - bins[:-1]) / np.diff(bins)
    lowest, highest = np.zeros(len(bins) - 1), np.ones(len(bins) - 1)
    lowest[0], highest[-1] = -1, 2
    clipped = z / np.hypot(1, z / BOUND)
    return np.column_stack([clipped, WEIGHT * np.clip(shares, lowest, highest)])


def _names_of_pieces(name: str, edges: Sequence[float]) -> list[str]:
    """Return the names of the inputs of a number in pieces: its own, and from where to where each bin goes.

    >>> _names_of_pieces("rooms", (1.0, 2.5, 8.0))
    ['rooms', 'rooms 1 to 2.5', 'rooms 2.5 to 8']
    """
    said = next(
        written
        for digits in range(4, 18)
        if len(set(written := [_plain(edge, digits) for edge in edges])) == len(edges)
    )
    return [name, *(f"{name} {low} to {high}" for low, high in zip(said, said[1:], strict=False))]


def _plain(value: float, digits: int) -> str:
    """Write a number with so many digits that count, and without an exponent where it is of usual size.

    >>> _plain(34567.8, 4), _plain(0.5, 4), _plain(1e20, 4)
    ('34570', '0.5', '1e+20')
    """
    written = f"{value:.{digits}g}"
    return f"{float(written):.0f}" if "e" in written and 1 <= abs(value) < 1e15 else written


def _names_of_days(name: str, edges: Sequence[float]) -> list[str]:
    """Return the names of the inputs of a day number in pieces, from which date to which each bin goes.

    >>> _names_of_days("sold", (16436.0, 17897.5, 19357.0))
    ['sold day number', 'sold 2015-01-01 to 2019-01-01', 'sold 2019-01-01 to 2022-12-31']
    """
    own = f"{name} day number"
    days = np.array([round(edge * DAY) for edge in edges]).astype("datetime64[s]")
    for unit in ("D", "m", "s"):
        said = np.datetime_as_string(days, unit=unit, casting="unsafe").tolist()
        if len(set(said)) == len(said):
            ends = zip(said, said[1:], strict=False)
            return [own, *(f"{name} {low} to {high}" for low, high in ends)]
    return _names_of_pieces(own, edges)


def _scales_of_pieces(center: float, scale: float, edges: Sequence[float]) -> list[Scale]:
    """Return what 0 and 1 of each of these inputs are: of a piece the ends of its bin."""
    ends = zip(edges, edges[1:], strict=False)
    return [(center, scale, BOUND), *(Bin(low, (high - low) / WEIGHT) for low, high in ends)]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, or of true and false as 1 and 0.

    `fill` stands in for a missing value; `flagged` adds a column that is 1 where one was missing. With
    `edges` it is encoded in pieces, and a missing value is 0 in all of them where it is flagged. `form` is
    how text is written, which two encodings that give the same inputs need not have in common.
    """

    name: str
    kind: Kind
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    flagged: bool = False
    form: NumberForm = field(default=PLAIN_FORM, compare=False)
    edges: tuple[float, ...] = ()

    @property
    def names(self) -> list[str]:
        """The encoded columns."""
        names = _names_of_pieces(self.name, self.edges) if self.edges else [self.name]
        return [*names, f"{self.name} is missing"] if self.flagged else names

    @property
    def scales(self) -> list[Scale]:
        """Center and scale of each encoded column."""
        found: list[Scale] = [(self.center, self.scale)]
        if self.edges:
            found = _scales_of_pieces(self.center, self.scale, self.edges)
        return [*found, AS_IT_IS] if self.flagged else found

    @property
    def seen_missing(self) -> bool:
        """Whether values were missing in training."""
        return self.flagged

    @property
    def stand_in(self) -> str:
        """What a missing value is taken for."""
        return f"{self.fill:g}, the median of training"

    def largest(self, dtype: Any) -> float:
        """Return the size up to which numbers count: of larger ones no square, or no input, is finite."""
        if self.edges:
            return LARGEST
        return min(LARGEST, float(np.finfo(dtype).max) / 2 * self.scale)

    def encode(
        self, column: Any, X: Array, start: int, na: Collection[str], odd: Oddities | None
    ) -> Array:
        """Write the encoded columns of some rows into X, (n, len(names)), and return the numbers, (n,).

        Missing ones are filled in, and so are those that are too large, see `largest`.
        """
        values, strange, bare = read_numbers(column, self.kind, self.form, na)
        if odd is not None:
            odd.add(self.name, "odd", strange, column, start)
        return self.write(values, strange, bare, column, X, start, odd)

    def write(
        self,
        values: Array,
        strange: Array,
        bare: Array,
        column: Any,
        X: Array,
        start: int,
        odd: Oddities | None,
    ) -> Array:
        """Do what `encode` does with numbers that were read from a column, see `read_numbers`."""
        large = np.abs(values) > self.largest(X.dtype)
        gone = large | np.isnan(values)
        known = np.where(gone, self.fill, values)
        if self.edges:
            X[:, : len(self.edges)] = in_pieces(known, self.center, self.scale, self.edges)
        else:
            X[:, 0] = (known - self.center) / self.scale
        if self.flagged:
            _flag(X, gone, len(self.edges))
        if odd is not None:
            odd.add(self.name, "large", large, column, start)
            odd.add(self.name, "bare", bare, column, start)
            far = _far_outside(values, self.edges) & ~large
            odd.add(self.name, "far", far, column, start)
            if not self.flagged:
                odd.add(self.name, "gap", gone & ~(strange | large), column, start)
        return known

    @property
    def seen(self) -> str:
        """From which value to which those of training went, where that is known."""
        return f"{_plain(self.edges[0], 4)} to {_plain(self.edges[-1], 4)}"

    def read(self, column: Any, na: Collection[str]) -> Array:
        """Return the cells of some rows as numbers, (n,), NaN where one is missing."""
        values = read_numbers(column, self.kind, self.form, na)[0]
        return np.where(too_large(values), np.nan, values)


def _far_outside(values: Array, edges: Sequence[float]) -> Array:
    """Return which numbers lie outside of all bins by more than these span together, (n,).

    >>> _far_outside(np.array([-9.0, -1.0, 5.0, 13.0, np.nan]), (0.0, 2.0, 6.0))
    array([ True, False, False,  True, False])
    """
    if not edges:
        return np.zeros(len(values), bool)
    low, high = edges[0], edges[-1]
    with np.errstate(over="ignore"):
        return (low - values > high - low) | (values - high > high - low)


def _flag(X: Array, gone: Array, zeroed: int) -> None:
    """Write 1 into the last column where a value is missing, and 0 into the first ones, of pieces."""
    X[:, -1] = gone
    X[gone, :zeroed] = 0


@dataclass(frozen=True)
class Category:
    """A column of categories: `values` have a column each; `rare` ones and `missing` ones share one.

    A value never seen counts as rare; where there is no column for rare ones, all columns are 0.
    `rare_values` are the rare ones of training, by which the others are known to be new; () where they are
    too many. `spellings` are the keys of values that are known in other spellings too, see
    `spellings.merged`.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]
    rare: bool = False
    missing: bool = False
    spellings: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    rare_values: tuple[str, ...] = field(default=(), compare=False)

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
    def scales(self) -> list[Scale]:
        """Center and scale of each encoded column."""
        return [AS_IT_IS] * len(self.names)

    @property
    def seen_missing(self) -> bool:
        """Whether values were missing in training."""
        return self.missing

    @property
    def stand_in(self) -> str:
        """What a missing value is taken for."""
        return "none of the values of training"

    def encode(
        self, column: Any, X: Array, start: int, na: Collection[str], odd: Oddities | None
    ) -> None:
        """Write the encoded columns of some rows into X, (n, len(names))."""
        spelled, index, gone = self._look_up(column, na)
        X[:] = index[:, None] == np.arange(X.shape[1])
        if self.rare:
            X[:, len(self.values)] = (index < 0) & ~gone
        if self.missing:
            X[:, -1] = gone
        if odd is not None:
            seen = (index >= 0) | (index_of(spelled, self.rare_values) >= 0)
            odd.add(self.name, "new", ~seen & ~gone, column, start)
            odd.add(self.name, "known", seen, column, start)
            if not self.missing:
                odd.add(self.name, "gap", gone, column, start)

    def _look_up(self, column: Any, na: Collection[str]) -> tuple[Any, Array, Array]:
        """Return the cells, spelled as in training, the index of each in `values` or −1, and if missing."""
        trimmed = cells(column)
        spelled = canonical(trimmed, dict(self.spellings))
        index = index_of(spelled, self.values)
        # Programs write whole numbers that stand beside gaps as 5.0.
        unknown = index < 0
        if self.kind == "code" and unknown.any():
            there = pa.array(unknown)
            whole = pc.replace_substring_regex(spelled.filter(there), r"^(\d+)\.0+$", r"\1")
            spelled = pc.replace_with_mask(spelled, there, whole)
            index = np.where(unknown, -1, index)
            index[unknown] = index_of(whole, self.values)
        return spelled, index, is_missing(trimmed, na) & (index < 0)

    def read(self, column: Any, na: Collection[str]) -> Array:
        """Return the cells of some rows as text, (n,), spelled as in `values`; "" for null."""
        spelled = canonical(cells(column), dict(self.spellings)).to_pylist()
        return np.array([text or "" for text in spelled], object)

    def codes(self, na: Collection[str]) -> dict[str, int]:
        """Return texts that are known or missing, each with the encoded column that is 1, or −1 for none.

        Of the countless spellings these are the values as they are, in small and capital letters and with
        one, and of codes as a float has them, where they are taken for the same; and the signs for missing
        values.
        """
        known = [*self.values, *(key for key, _ in self.spellings)]
        ways = (str, str.lower, str.upper, str.capitalize, str.title)
        asked = [way(value) for value in known for way in ways]
        if self.kind == "code":  # which a float writes with a point
            asked += [f"{value}.0" for value in known if value.isdigit()]
        asked = [*dict.fromkeys((*asked, *SIGNS, *na))]
        _, index, gone = self._look_up(pa.array(asked, pa.large_string()), na)
        index = np.where(gone, len(self.names) - 1 if self.missing else -1, index)
        known_or_missing = (index >= 0) | gone
        return {
            text: int(place)
            for text, place, listed in zip(asked, index, known_or_missing, strict=True)
            if listed
        }


@dataclass(frozen=True)
class DateColumn:
    """A column of dates or times, taken apart into `parts`, keys of `dates.PARTS`.

    `fill`, in seconds since 1970, stands in for a missing value; `centers` and `widths` are those of the
    parts that are standardised, by which nothing else is changed. `edges` are those of the parts that are
    encoded in pieces, () of the others.
    """

    name: str
    kind: Kind
    form: DateForm = DateForm()
    parts: tuple[str, ...] = ()
    centers: tuple[float, ...] = ()
    widths: tuple[float, ...] = ()
    fill: float = 0.0
    flagged: bool = False
    edges: tuple[tuple[float, ...], ...] = ()

    def _parts(self) -> Iterator[tuple[str, float, float, tuple[float, ...]]]:
        """Yield each part, its center and width, and its edges."""
        edges = self.edges or ((),) * len(self.parts)
        yield from zip(self.parts, self.centers, self.widths, edges, strict=True)

    @property
    def names(self) -> list[str]:
        """The encoded columns."""
        names = []
        for part, _, _, edges in self._parts():
            own = [f"{self.name} {one}" for one in PARTS[part][0]]
            if edges and part == "day number":
                names += _names_of_days(self.name, edges)
            else:
                names += _names_of_pieces(own[0], edges) if edges else own
        return [*names, f"{self.name} is missing"] if self.flagged else names

    @property
    def scales(self) -> list[Scale]:
        """Center and scale of each encoded column."""
        found: list[Scale] = []
        for part, center, width, edges in self._parts():
            pieces = _scales_of_pieces(center, width, edges) if edges else []
            found += pieces or [(center, width)] * len(PARTS[part][0])
        return [*found, AS_IT_IS] if self.flagged else found

    @property
    def seen_missing(self) -> bool:
        """Whether values were missing in training."""
        return self.flagged

    @property
    def stand_in(self) -> str:
        """What a missing value is taken for."""
        if self.form.form == "clock":
            minutes = int(self.fill // 60)
            return f"{minutes // 60}:{minutes % 60:02}, the median of training"
        return f"{np.datetime64(int(self.fill // DAY), 'D')}, the median of training"

    def encode(
        self, column: Any, X: Array, start: int, na: Collection[str], odd: Oddities | None
    ) -> None:
        """Write the encoded columns of some rows into X, (n, len(names))."""
        seconds, strange = read_dates(column, self.form, na)
        gone = np.isnan(seconds)
        found = calendar(np.where(gone, self.fill, seconds))
        first = 0
        for part, center, width, edges in self._parts():
            values = encoded_part(part, found[part])
            encoded = (
                in_pieces(values[:, 0], center, width, edges)
                if edges
                else (values - center) / width
            )
            X[:, first : first + encoded.shape[1]] = encoded
            first += encoded.shape[1]
        if self.flagged:
            _flag(X, gone, first if self.edges else 0)
        if odd is not None:
            odd.add(self.name, "odd", strange, column, start)
            far = _far_outside(seconds / DAY, self._days())
            odd.add(self.name, "far", far, column, start)
            if not self.flagged:
                odd.add(self.name, "gap", gone & ~strange, column, start)

    def _days(self) -> tuple[float, ...]:
        """Return the edges of the day number, () where it is not in pieces."""
        return next((edges for part, _, _, edges in self._parts() if part == "day number"), ())

    @property
    def seen(self) -> str:
        """From which date to which those of training went, where that is known."""
        days = self._days()
        first, last = (np.datetime64(math.floor(day), "D") for day in (days[0], days[-1]))
        return f"{first} to {last}"

    def read(self, column: Any, na: Collection[str]) -> Array:
        """Return the cells of some rows as seconds since 1970, (n,), NaN where one is missing."""
        return read_dates(column, self.form, na)[0]


@dataclass(frozen=True)
class SplitColumn:
    """A column with several numbers in each cell, such as 120/80: each becomes a column of its own.

    Parameters
    ----------
    name : str
        The column of the table.
    kind : Kind
        What it holds, text.
    mark : str
        What stands between the numbers, as of `SplitForm`.
    forms : tuple of NumberForm
        How each number is written.
    parts : tuple of NumberColumn
        The columns that they become.
    places : tuple of int
        Which of the numbers each part is, from 0; one that tells nothing has no part.
    """

    name: str
    kind: Kind
    mark: str
    forms: tuple[NumberForm, ...]
    parts: tuple[NumberColumn, ...]
    places: tuple[int, ...]

    @property
    def form(self) -> SplitForm:
        """How its cells are written."""
        return SplitForm(self.mark, self.forms)

    @property
    def names(self) -> list[str]:
        """The encoded columns."""
        return [name for part in self.parts for name in part.names]

    @property
    def origins(self) -> list[str]:
        """For each encoded column the number that it is of."""
        return [part.name for part in self.parts for _ in part.names]

    @property
    def scales(self) -> list[Scale]:
        """Center and scale of each encoded column."""
        return [scale for part in self.parts for scale in part.scales]

    @property
    def edges(self) -> tuple[float, ...]:
        """The edges of bins of all its numbers, where they are in pieces."""
        return tuple(edge for part in self.parts for edge in part.edges)

    @property
    def seen_missing(self) -> bool:
        """Whether values were missing in training."""
        return any(part.flagged for part in self.parts)

    @property
    def stand_in(self) -> str:
        """What a missing value is taken for."""
        return f"{self.mark.join(f'{part.fill:g}' for part in self.parts)}, the medians of training"

    def encode(
        self, column: Any, X: Array, start: int, na: Collection[str], odd: Oddities | None
    ) -> None:
        """Write the encoded columns of some rows into X, (n, len(names))."""
        values, strange = read_split(column, self.form, na)
        if odd is not None:
            odd.add(self.name, "odd", strange, column, start)
        first, none = 0, np.zeros(len(column), bool)
        for part, place in zip(self.parts, self.places, strict=True):
            last = first + len(part.names)
            part.write(values[place], strange, none, column, X[:, first:last], start, odd)
            first = last

    def read(self, column: Any, na: Collection[str]) -> list[Array]:
        """Return the numbers of each part in some rows, (n,) each, NaN where a cell has none."""
        values, _ = read_split(column, self.form, na)
        return [np.where(too_large(values[k]), np.nan, values[k]) for k in self.places]


@dataclass(frozen=True)
class TurnedColumn:
    """Latitude and longitude seen from another side: a number that two columns of a table make together.

    Parameters
    ----------
    name : str
        Such as "latitude & longitude 30°".
    of : tuple of (str, float)
        The columns and their factors: the number is Σ factor · value, in degrees of latitude.
    center, scale, edges
        As of a `NumberColumn` in pieces. Where a column has no value, what it is filled in with counts.
    """

    name: str
    of: tuple[tuple[str, float], ...]
    center: float
    scale: float
    edges: tuple[float, ...]

    @property
    def names(self) -> list[str]:
        """The encoded columns."""
        return _names_of_pieces(self.name, self.edges)

    @property
    def scales(self) -> list[Scale]:
        """Center and scale of each encoded column."""
        return _scales_of_pieces(self.center, self.scale, self.edges)

    @property
    def place(self) -> str:
        """What the columns are together, such as "latitude & longitude"."""
        return place_of([name for name, _ in self.of])

    def encode(self, numbers: Mapping[str, Array], X: Array) -> None:
        """Write the encoded columns into X, (n, len(names)), from the numbers of columns, (n,) each."""
        X[:] = in_pieces(along(numbers, self.of), self.center, self.scale, self.edges)


def place_of(names: Sequence[str]) -> str:
    """Return what columns are called together.

    >>> place_of(["latitude", "longitude"])
    'latitude & longitude'
    """
    return " & ".join(names)


def along(numbers: Mapping[str, Array], of: Sequence[tuple[str, float]]) -> Array:
    """Return Σ factor · number, (n,), NaN where one is missing."""
    with np.errstate(over="ignore"):
        total: Array = sum((factor * numbers[name] for name, factor in of), np.zeros(1))
    return total


Column: TypeAlias = NumberColumn | Category | DateColumn | SplitColumn


@dataclass(frozen=True)
class ColumnFacts:
    """What was decided about a column of a table, for people to read.

    Parameters
    ----------
    name : str
        The column.
    kind : str
        What it is: number, category, date, …
    read : str
        How its cells are read.
    missing : int
        Rows without a value, or with one that is taken for missing.
    distinct : int or None
        How many values differ, None where that was not counted.
    examples : tuple of str
        Some of its cells as they stand.
    becomes : str
        The inputs that it becomes, or why it is left out.
    note : str
        What was merged, missing or unclear; "" where nothing was.
    """

    name: str
    kind: str
    read: str
    missing: int
    distinct: int | None
    examples: tuple[str, ...]
    becomes: str
    note: str = ""


@dataclass(frozen=True)
class Encoding:
    """What was learned from a table's training rows: how its columns and its target are encoded.

    Parameters
    ----------
    columns : tuple of NumberColumn, Category, DateColumn and SplitColumn
        The columns in use, in order.
    target : Target
        The column to predict.
    notes : tuple of str
        Lines for the user: what was left out, and why.
    facts : tuple of ColumnFacts
        What was decided about every column of the table, the target and those left out included.
    turned : tuple of TurnedColumn
        What latitude and longitude make together; their inputs follow those of all columns.

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
    facts: tuple[ColumnFacts, ...] = field(default=(), compare=False)
    turned: tuple[TurnedColumn, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The encoded columns, such as "rooms", "rooms is missing", "ocean=NEAR BAY"."""
        return tuple(name for column in (*self.columns, *self.turned) for name in column.names)

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """For each encoded column that of the table that it comes from.

        Several are the place that they make, and of several numbers in a cell each is one.
        """
        places = {name: one.place for one in self.turned for name, _ in one.of}
        found = [
            places.get(origin, origin)
            for column in self.columns
            for origin in getattr(column, "origins", [column.name] * len(column.names))
        ]
        return (*found, *(one.place for one in self.turned for _ in one.names))

    @cached_property
    def scales(self) -> tuple[Scale, ...]:
        """For each encoded column its center and scale, and the bound of one that is smoothly clipped."""
        return tuple(scale for column in (*self.columns, *self.turned) for scale in column.scales)

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

    def encode(
        self, table: Any, dtype: Any = np.float32, start: int = 0, odd: Oddities | None = None
    ) -> Array:
        """Return the inputs of the network for the rows of a table.

        Parameters
        ----------
        table : pyarrow.Table or pyarrow.RecordBatch
            Columns are found by name, in any order; others are ignored.
        dtype : dtype, default float32
            Of the result.
        start : int, default 0
            How many rows came before in other pieces, for the row numbers in messages.
        odd : Oddities, optional
            Counts the cells that are not as in training.

        Returns
        -------
        array, shape (n, n_0)
            X; its columns are `names`.

        Raises
        ------
        InputError
            For a column that is missing or holds something else than in training.
        """
        self.check(table)
        X = np.empty((table.num_rows, len(self.names)), dtype)
        first, numbers = 0, {}
        parts = {name for one in self.turned for name, _ in one.of}
        for column in self.columns:
            last = first + len(column.names)
            cells = find(table, column.name)
            known = column.encode(cells, X[:, first:last], start, self.target.na, odd)
            if known is not None and column.name in parts:
                numbers[column.name] = known
            first = last
        for one in self.turned:
            last = first + len(one.names)
            one.encode(numbers, X[:, first:last])
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
            cells = find(table, column.name)
            kind = kind_of(cells)
            # pandas has NaN, a number, where a column of text is missing in every row.
            if kind not in ACCEPTED[column.kind] and not (
                kind == "number" and is_missing(cells).all()
            ):
                example = ""
                if isinstance(column, Category) and column.values:
                    example = f" such as {quoted(column.values[0])}"
                raise InputError(
                    f"column {quoted(column.name)} holds {HOLDS[kind]}, in training it held "
                    f"{HOLDS[column.kind]}{example}"
                )

    def oddities(self, odd: Oddities, gaps: bool = True) -> list[str]:
        """Return a line on each column with cells that are not as in training, in the order of the columns.

        Parameters
        ----------
        odd : Oddities
            What `encode` met.
        gaps : bool, default True
            Whether missing values count where there were none in training, and numbers and dates that
            lie far outside of those of training, where they are encoded in pieces.

        Returns
        -------
        list of str
            The lines.
        """
        return [
            f"column {quoted(one.name)} {line}"
            for column in self.columns
            for one in _with_parts(column)
            for line in _odd_lines(one, odd, False, gaps)
        ]

    def noted(self, odd: Oddities) -> "Encoding":
        """Return the encoding with notes on odd cells of the rows that it was learned from.

        Parameters
        ----------
        odd : Oddities
            What `encode` met there.

        Returns
        -------
        Encoding
            The same but for notes and facts.
        """
        lines = {
            column.name: [
                line for one in _with_parts(column) for line in _odd_lines(one, odd, True)
            ]
            for column in self.columns
        }
        notes = [f"column {quoted(name)} {line}" for name, said in lines.items() for line in said]
        facts = [
            replace(one, note="; ".join(filter(None, (one.note, *lines.get(one.name, ())))))
            for one in self.facts
        ]
        return replace(self, notes=(*self.notes, *notes), facts=tuple(facts))

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
                f"target {quoted(self.target.name)} is {value:g} in {row_of(start + row)}: too large, in "
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
                {"type": name} | asdict(column)
                for column in self.columns
                for name, kind in COLUMN_TYPES.items()
                if isinstance(column, kind)
            ],
            "target": asdict(self.target),
            "notes": self.notes,
            "facts": [asdict(one) for one in self.facts],
        }
        if self.turned:
            about["turned"] = [asdict(one) for one in self.turned]
        plain_data: dict[str, Any] = json.loads(json.dumps(about))
        return plain_data

    @staticmethod
    def from_dict(about: Any) -> "Encoding":
        """Return the encoding that `to_dict` wrote; raises `InputError` where something is missing."""
        try:
            columns = tuple(_column(column) for column in about["columns"])
            facts = tuple(_facts(one) for one in about.get("facts", ()))
            target = target_from_dict(about["target"])
            turned = tuple(_turned(one, columns) for one in about.get("turned", ()))
            return Encoding(columns, target, tuple(about["notes"]), facts, turned)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"the description of the table is damaged ({error!r})") from None


COLUMN_TYPES: dict[str, type[Column]] = {
    "number": NumberColumn,
    "category": Category,
    "date": DateColumn,
    "split": SplitColumn,
}


def _column(about: dict[str, Any]) -> Column:
    """Return the column that JSON has stored; what an older version did not write has its default."""
    fields = {name: value for name, value in about.items() if name not in ("type", "form")}
    form = about.get("form", asdict(OF_THE_FILE))
    edges = fields.pop("edges", ())
    if about["type"] == "number":
        return NumberColumn(**fields, form=NumberForm(**form), edges=_increasing(edges))
    if about["type"] == "date":
        lists = {name: tuple(fields[name]) for name in ("parts", "centers", "widths")}
        known = ("", *TEXT_FORMS, *EPOCHS)
        if form["form"] not in known or not PARTS.keys() >= set(lists["parts"]):
            raise ValueError(f"no form or part of dates: {form['form']!r}, {lists['parts']}")
        if len({len(one) for one in lists.values()}) > 1:
            raise ValueError("parts of dates without their centers and widths")
        pieces = tuple(map(_increasing, edges))
        if pieces and len(pieces) != len(lists["parts"]):
            raise ValueError("parts of dates without their edges")
        return DateColumn(**(fields | lists), form=DateForm(**form), edges=pieces)
    if about["type"] == "split":
        return _split(about)
    spellings = tuple((key, value) for key, value in fields.get("spellings", ()))
    lists = {name: tuple(fields.get(name, ())) for name in ("values", "rare_values")}
    return Category(**(fields | lists | {"spellings": spellings}))


def _split(about: dict[str, Any]) -> SplitColumn:
    """Return the column of several numbers in a cell that JSON has stored."""
    parts = [_column(part | {"type": "number"}) for part in about["parts"]]
    numbers = tuple(part for part in parts if isinstance(part, NumberColumn))
    forms = tuple(NumberForm(**form) for form in about["forms"])
    places = tuple(about["places"])
    mark = about["mark"]
    if mark not in BETWEEN or len(forms) not in BETWEEN[mark][2]:
        raise ValueError(f"no {len(forms)} numbers with {mark!r} between them")
    increasing = all(low < high for low, high in zip((-1, *places), places, strict=False))
    if not numbers or len(numbers) != len(places) or not increasing or places[-1] >= len(forms):
        raise ValueError("numbers of a cell without their places")
    return SplitColumn(str(about["name"]), about["kind"], mark, forms, numbers, places)


def _turned(about: dict[str, Any], columns: Sequence[Column]) -> TurnedColumn:
    """Return what columns make together as JSON has stored it."""
    of = tuple((str(name), float(factor)) for name, factor in about["of"])
    numbers = {column.name for column in columns if isinstance(column, NumberColumn)}
    edges = _increasing(about["edges"])
    if len(of) != 2 or not edges or not numbers.issuperset(name for name, _ in of):
        raise ValueError(f"no two numbers that make {about['name']!r} together, or no edges")
    kept = {name: value for name, value in about.items() if name != "fill"}  # of an older version
    return TurnedColumn(**(kept | {"of": of, "edges": edges}))


def _increasing(edges: Sequence[float]) -> tuple[float, ...]:
    """Return the edges of bins that JSON has stored."""
    found = tuple(map(float, edges))
    if len(found) == 1 or any(low >= high for low, high in zip(found, found[1:], strict=False)):
        raise ValueError("edges of bins that do not increase")
    return found


def _facts(about: dict[str, Any]) -> ColumnFacts:
    return ColumnFacts(**(about | {"examples": tuple(about["examples"])}))


def _with_parts(column: Column) -> tuple[Column, ...]:
    return (column, *column.parts) if isinstance(column, SplitColumn) else (column,)


def _odd_lines(column: Column, odd: Oddities, training: bool, gaps: bool = True) -> Iterator[str]:
    """Yield what is to be said of a column's cells, after its name."""
    if isinstance(column, Category):
        if not training and (new := odd.said(column.name, "new")):
            what, rare = ("a value", "a rare one") if new[0] == 1 else ("values", "rare ones")
            if new[0] > 1 and not odd.said(column.name, "known"):
                what = "only values"
            seldom = " or rarely" if column.rare and not column.rare_values else ""
            stand = rare if column.rare else column.stand_in
            where = f"{new[1]}, {new[2]}"
            yield f"holds {what} never{seldom} seen in training, in {where}: taken for {stand}"
    else:
        no = {"boolean": "neither true nor false", "date": "no date"}.get(column.kind, "no number")
        if isinstance(column, SplitColumn):
            no = "not of its form"
        written = "" if column.form.described.startswith("as ") else f" ({column.form.described})"
        stand = "a missing value" if column.seen_missing or training else column.stand_in
        for why, what in (("odd", f"{no}{written}"), ("large", "too large to compute with")):
            if found := odd.said(column.name, why):
                yield f"is {what} in {found[1]}, {found[2]}: taken for {stand}"
    if isinstance(column, NumberColumn) and (found := odd.said(column.name, "bare")):
        yield f"lacks {column.form.unit!r} in {found[1]}, {found[2]}: taken as if it stood there"
    asked = gaps and not training
    if (
        asked
        and isinstance(column, NumberColumn | DateColumn)
        and (found := odd.said(column.name, "far"))
    ):
        where = f"{found[1]}, {found[2]}"
        yield f"is far outside the {column.seen} of training in {where}: a prediction there is a guess"
    if asked and (found := odd.said(column.name, "gap")):
        where = f"{found[1]}," if found[0] > 1 else found[1]
        yield f"is empty in {where} as it never was in training: taken for {column.stand_in}"


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
