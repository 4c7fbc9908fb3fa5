"""One column of a table: what kind it is, and its values as numbers or as text.

Kinds: "number", "boolean", "text", "code" (categories that look like numbers, such as "007"), "date",
"empty" (no value has a type), and "other" (lists, bytes and whatever else has no use as an input).
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError
from whygrad.functions import Array

Kind: TypeAlias = Literal["number", "boolean", "text", "code", "date", "empty", "other"]

HOLDS: dict[Kind, str] = {
    "number": "numbers",
    "boolean": "true and false",
    "text": "text",
    "code": "codes",
    "date": "dates or times",
    "empty": "nothing",
    "other": "neither numbers nor text",
}

LARGEST = 1e100  # of which the square is still finite

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def kind_of(column: Any) -> Kind:
    """Tell the kind of a column from its arrow type."""
    t = pa.types
    kind = column.type
    if t.is_dictionary(kind):
        values = kind.value_type
        return "text" if _is_text(values) else "code" if t.is_integer(values) else "other"
    if t.is_boolean(kind):
        return "boolean"
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return "number"
    if _is_text(kind):
        return "text"
    if t.is_temporal(kind):
        return "date"
    return "empty" if t.is_null(kind) else "other"


def _is_text(kind: Any) -> bool:
    t = pa.types
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))


def quoted(name: str) -> str:
    """Give a name or a value for a message: in quotes, on one line, of bearable length."""
    return repr(name if len(name) <= 60 else name[:59] + "…")


def nearest_name(name: str, known: Sequence[str]) -> str:
    """Give the end of a message about a name that is not there: the nearest one, or some that are."""
    same = [other for other in known if other.casefold() == name.casefold()]
    close = same or get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {quoted(close[0])}?"
    shown = ", ".join(quoted(other) for other in known[:8])
    return f"there is {shown}" + (f" and {len(known) - 8} more" if len(known) > 8 else "")


def find(table: Any, name: str) -> Any:
    """Give the column of that name; the caller knows that it is there."""
    return table.column(table.schema.names.index(name))


def numbers(column: Any) -> Array:
    """Give a column of numbers or booleans as float64, with NaN for missing values."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    column = pc.cast(column, pa.float64(), safe=False)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    values: Array = column.to_numpy(zero_copy_only=False)
    return values


def texts(column: Any) -> Any:
    """Give a column of categories as arrow text, spaces around it removed, null for missing values."""
    column = pc.utf8_trim_whitespace(pc.cast(column, pa.large_string()))
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.large_string()), column)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def is_number(text: str) -> bool:
    """Whether a piece of text reads as a number."""
    return NUMBER.fullmatch(text.strip()) is not None


def kind_of_categories(values: Iterable[str]) -> Kind:
    """Tell whether some categories read as numbers, so that a file's numbers may be categories, too."""
    return "code" if any(is_number(value) for value in values) else "text"


def missing(column: Any) -> Array:
    """Say for each row whether its value is missing: null, NaN or empty text."""
    kind = kind_of(column)
    if kind == "number":
        return np.isnan(numbers(column))
    if kind in ("text", "code"):
        column = texts(column)
    found: Array = np.asarray(pc.is_null(column))
    return found


def leave_out(table: Any, names: Sequence[str], target: str) -> Any:
    """Give a table without some of its columns, none of which is the target.

    Raises `InputError` for a column that is not there, and where none would be left to learn from.

    >>> leave_out(pa.table({"id": [1, 2], "rooms": [3, 4], "rent": [1.0, 2]}), ["id"], "rent").column_names
    ['rooms', 'rent']
    """
    if not names:
        return table
    known = table.schema.names
    check_names(known, "the table")
    for name in names:
        if name not in known:
            raise InputError(f"no column {quoted(name)} to leave out: {nearest_name(name, known)}")
        if name == target:
            raise InputError(
                f"column {quoted(name)} is to be predicted: it cannot be left out as well"
            )
    kept = [name for name in known if name not in names]
    if kept == [target]:
        raise InputError("all columns but the target are left out: one must remain to learn from")
    return table.select(kept)


def refuse_infinity(values: Array, name: str, start: int = 0) -> None:
    """Refuse a number that is infinite or too large to compute with, and say in which row it is."""
    with np.errstate(invalid="ignore"):
        large = np.abs(values) > LARGEST
    if large.any():
        row = int(np.argmax(large))
        what = (
            "infinite" if np.isinf(values[row]) else f"{values[row]:g}, too large to compute with,"
        )
        raise InputError(
            f"column {quoted(name)} is {what} in row {start + row + 1}: correct it, or "
            "leave it empty if unknown"
        )


def check_table(table: Any) -> None:
    """Refuse a table with two columns of one name, a column without any value, or infinite numbers."""
    check_names(table.schema.names, "the table")
    for name in table.schema.names:
        column = find(table, name)
        kind = kind_of(column)
        if kind in ("number", "boolean"):
            refuse_infinity(numbers(column), name)
        if kind not in ("date", "other") and missing(column).all():
            raise InputError(
                f"column {quoted(name)} has no value in any row: remove it, or fill it in"
            )


def check_names(names: list[str], what: str) -> None:
    """Refuse a table in which two columns have the same name."""
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in places:
            raise InputError(
                f"{what}: columns {places[name]} and {place} are both called {quoted(name)}: rename one"
            )
        places[name] = place
