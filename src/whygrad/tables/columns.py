"""One column of a table: what kind it is, and its values as numbers or as text.

Kinds: "number", "boolean", "text", "code" (categories that look like numbers, such as "007"), "date",
"empty" (no value has a type), and "other" (lists, bytes and whatever else has no use as an input).
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError, row_of
from whygrad.nn.functions import Array

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
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}  # in each of arrow's units

# What stands for a missing value in any column, beside an empty cell and blanks.
SIGNS = (
    "", "-", "--", "---", "–", "—", ".", "..", "?", "NA", "N/A", "n/a", "na", "n.a.", "N.A.",
    "<NA>", "NaN", "nan", "-nan", "-NaN", "NaT", "NULL", "null", "None", "#N/A", "#NA",
    "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!",
)  # fmt: skip
# The same in columns of numbers and dates, in any case: of categories they may be one.
WORDS = (
    "unknown", "nil", "none", "missing", "not available", "no data", "nodata", "n.d.", "nd",
    "tbd", "tba", "unbekannt", "inconnu", "k.a.", "k. a.", "x", "*", "na.", "n / a",
    "not applicable", "not reported", "not recorded", "not stated", "not known", "undefined", "unspecified",
    "refused", "don't know", "no answer", "suppressed", "withheld", "blank", "$ -", "$-", "€ -", "£ -",
    "0000-00-00", "0000-00-00 00:00:00", "9999-12-31", "9999-12-31 00:00:00",
)  # fmt: skip


def as_text(values: Iterable[str]) -> Any:
    """Return texts as an arrow array; `pa.array` imports pandas to see that they are none of its own.

    >>> as_text(["a", "–", ""]).to_pylist()
    ['a', '–', '']
    """
    written = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, written)], dtype=np.int64)
    buffers = pa.py_buffer(ends), pa.py_buffer(b"".join(written))
    return pa.LargeStringArray.from_buffers(len(written), *buffers)


def as_column(values: Array) -> Any:
    """Return numbers or texts, (n,), as an arrow array, without pandas; others as `pa.array` has them."""
    if values.dtype.kind == "U":
        return as_text(values.tolist()).cast(pa.string())
    if values.dtype.kind not in "iuf" or values.dtype.itemsize < 4 or not values.dtype.isnative:
        return pa.array(values)
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])


NO_TEXT = pa.nulls(1, pa.large_string())[0]
NOWHERE = as_column(np.array([-1], np.int32))[0]
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def kind_of(column: Any) -> Kind:
    """Return the kind of a column from its arrow type."""
    t = pa.types
    kind = column.type
    if t.is_dictionary(kind):
        values = kind.value_type
        return "text" if _is_text(values) else "code" if t.is_integer(values) else "other"
    if t.is_boolean(kind):
        return "boolean"
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind) or t.is_duration(kind):
        return "number"
    if _is_text(kind):
        return "text"
    if t.is_temporal(kind):
        return "date"
    return "empty" if t.is_null(kind) else "other"


def _is_text(kind: Any) -> bool:
    t = pa.types
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))


def described(column: Any) -> str:
    """Return what a column holds in words, with arrow's name for what is of no use."""
    kind = kind_of(column)
    return f"{HOLDS[kind]} but {quoted(str(column.type))}" if kind == "other" else HOLDS[kind]


def quoted(name: str) -> str:
    """Return a name or a value for a message: in quotes, on one line, shortened where it is long."""
    return repr(name if len(name) <= 60 else name[:59] + "…")


def nearest_name(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or some of them."""
    same = [other for other in known if other.casefold() == name.casefold()]
    close = same or get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {quoted(close[0])}?"
    shown = ", ".join(quoted(other) for other in known[:8])
    return f"there is {shown}" + (f" and {len(known) - 8} more" if len(known) > 8 else "")


def refuse_missing(names: Sequence[str], needed: Collection[str], where: str = "") -> None:
    """Raise `InputError` for a table without a column that is needed; it names the nearest one.

    `where` is the file of the table, with a colon, where it may be one of several.
    """
    there = set(names)
    for name in needed:
        if name not in there:
            raise InputError(f"{where}no column {quoted(name)}: {nearest_name(name, names)}")


def find(table: Any, name: str) -> Any:
    """Return the column of that name, which exists, at once in a table of any width."""
    return table.column(name)


def computable(column: Any, name: str) -> Any:
    """Return a column in a type that arrow computes with: packed types unpacked, views copied.

    Arrow has more types than kernels: rows of some cannot even be taken. Raises `InputError` for one of
    which nothing can be made.
    """
    t = pa.types
    kind = column.type
    try:
        if isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.bool8":
            return column.cast(kind.storage_type).cast(pa.bool_())
        if t.is_run_end_encoded(kind):
            return computable(_by_chunks(pc.run_end_decode, column, kind.value_type), name)
        if t.is_dictionary(kind) and not _is_categories(kind.value_type):
            return computable(_by_chunks(_unpacked, column, _without_views(kind.value_type)), name)
        column = column.cast(_without_views(kind))
        column.slice(0, 1).take(pa.array([0] if len(column) else [], pa.int64()))
    except pa.ArrowException:
        raise InputError(
            f"column {quoted(name)} is of arrow's type {str(kind):.60}, which cannot be read: write it as "
            "numbers or text, or remove it"
        ) from None
    return column


def _without_views(kind: Any) -> Any:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def _is_categories(kind: Any) -> bool:
    t = pa.types
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_integer(kind))


def _unpacked(column: Any) -> Any:
    return column.dictionary.cast(_without_views(column.type.value_type)).take(column.indices)


def _by_chunks(function: Callable[[Any], Any], column: Any, kind: Any) -> Any:
    if not isinstance(column, pa.ChunkedArray):
        return function(column)
    return pa.chunked_array([function(chunk) for chunk in column.chunks], kind)


def to_float(column: Any) -> Array:
    """Return a column of numbers or booleans as float64, with NaN for missing values; spans in seconds."""
    per = 1.0
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif pa.types.is_duration(column.type):
        per = SECONDS[column.type.unit]
        column = column.cast(pa.int64())
    column = pc.cast(column, pa.float64(), safe=False)
    values = whole(column, np.float64)
    return values if per == 1 else values * per


def whole(column: Any, dtype: Any) -> Array:
    """Return a column of numbers of this type as it lies in memory; a copy with NaN where some miss."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count or not len(column):
        values: Array = column.to_numpy(zero_copy_only=False)
        return values
    size = np.dtype(dtype).itemsize
    return np.frombuffer(column.buffers()[1], dtype, len(column), size * column.offset)


def truths(column: Any) -> Array:
    """Return a column of true and false, none of them missing, as booleans, (n,)."""
    return whole(column.cast(pa.uint8()), np.uint8).astype(bool)


def cells(column: Any) -> Any:
    """Return a column of categories as arrow text without spaces around it, null for missing values."""
    column = pc.utf8_trim_whitespace(pc.cast(column, pa.large_string()))
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def is_sign(texts: Any, na: Collection[str] = ()) -> Any:
    """Return for each cell of text whether it stands for a missing value; `na` are more signs for one."""
    return pc.is_in(texts, value_set=as_text([*SIGNS, *na]))


def texts(column: Any, na: Collection[str] = ()) -> Any:
    """Return a column of categories as arrow text, null for missing values and for what stands for one."""
    trimmed = cells(column)
    return pc.if_else(is_sign(trimmed, na), NO_TEXT, trimmed)


def index_of(cells: Any, values: Sequence[Any]) -> Array:
    """Return the index among `values` of each cell of text, (n,) int64; −1 for any other."""
    found = pc.index_in(cells, value_set=as_text(map(str, values)))
    return whole(pc.coalesce(found, NOWHERE).cast(pa.int64()), np.int64)


def is_number(text: str) -> bool:
    """Return whether a piece of text reads as a number."""
    return NUMBER.fullmatch(text.strip()) is not None


def kind_of_categories(values: Iterable[str]) -> Kind:
    """Return whether some categories read as numbers, so that a file's numbers may be categories, too."""
    return "code" if any(is_number(value) for value in values) else "text"


def leave_out(table: Any, names: Sequence[str], target: str) -> Any:
    """Return a table without some of its columns.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    names : sequence of str
        Columns to leave out, none of which is the target.
    target : str
        The column to predict.

    Returns
    -------
    pyarrow.Table
        The other columns, in order.

    Raises
    ------
    InputError
        For a column that does not exist or is the target, and where none would be left to learn from.

    Examples
    --------
    >>> leave_out(pa.table({"id": [1, 2], "rooms": [3, 4], "rent": [1.0, 2]}), ["id"], "rent").column_names
    ['rooms', 'rent']
    """
    if not names:
        return table
    known = table.schema.names
    check_names(known, "the table")
    there = set(known)
    asked = [meant(name, there) for name in names]
    target = meant(target, there)
    for name in asked:
        if name not in there:
            raise InputError(f"no column {quoted(name)} to leave out: {nearest_name(name, known)}")
        if name == target:
            raise InputError(
                f"column {quoted(name)} is to be predicted: it cannot be left out as well"
            )
    gone = set(asked)
    kept = [name for name in known if name not in gone]
    if kept == [target]:
        raise InputError("all columns but the target are left out: one must remain to learn from")
    return table.select(kept)


def too_large(values: Array) -> Array:
    """Return which numbers are infinite or too large to compute with, (n,); NaN is not."""
    large: Array = np.abs(values) > LARGEST
    return large


def refuse_infinity(values: Array, name: str, start: int = 0) -> None:
    """Raise `InputError` for a number that is infinite or too large to compute with, with its row."""
    large = too_large(values)
    if large.any():
        row = int(np.argmax(large))
        what = (
            "infinite" if np.isinf(values[row]) else f"{values[row]:g}, too large to compute with,"
        )
        raise InputError(
            f"column {quoted(name)} is {what} in {row_of(start + row)}: correct it, or "
            "leave it empty if unknown"
        )


def check_table(table: Any) -> None:
    """Raise `InputError` for a table with two columns of one name, or with infinite numbers."""
    check_names(table.schema.names, "the table")
    for name in table.schema.names:
        column = find(table, name)
        if kind_of(column) in ("number", "boolean"):
            refuse_infinity(to_float(column), name)


def names_of_columns(given: Iterable[Any], what: str) -> list[str]:
    """Return the names of columns as they are known everywhere: spaces around them do not count.

    A column without a name is called by its position. Raises `InputError` where two have the same name.

    >>> names_of_columns([" rooms", "", 7], "the frame")
    ['rooms', 'column 2', '7']
    """
    whole = [str(name) for name in given]
    names = [name.strip() or f"column {position}" for position, name in enumerate(whole, start=1)]
    check_names(names, what, whole)
    return names


def meant(name: str, known: Collection[str]) -> str:
    """Return the name of a column as a table has it, for one that a user gave with spaces around it."""
    return name if name in known else name.strip()


def check_names(names: Sequence[str], what: str, whole: Sequence[str] | None = None) -> None:
    """Raise `InputError` where two columns have the same name; `whole` are the names with their spaces."""
    positions: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in positions:
            first = positions[name]
            aside = whole is not None and whole[first - 1] != whole[position - 1]
            raise InputError(
                f"{what}: columns {first} and {position} are both called {quoted(name)}"
                f"{', spaces around it aside' if aside else ''}: rename one"
            )
        positions[name] = position
