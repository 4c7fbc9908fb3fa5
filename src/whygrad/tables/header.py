"""The header of a file of rows: which line it is, what stands above it, whether there is one at all.

All of it is told from the first rows. As a title counts a line above with one field, or at most half of
those that rows have. A first line is a header where a column of numbers begins with a word, and a row where
numbers stand in all such columns, or, in a table of words, where its words come again below.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from whygrad.errors import InputError
from whygrad.tables.columns import SIGNS, is_number, quoted

COMMENT = "#"
PLACE = re.compile(r"column \d+")  # the name of a column without one
SHARE = 0.8  # of the values of a column that are numbers, where it counts as one of numbers
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Header:
    """The names of columns, how many rows stand before the first one of values, and notes for the user."""

    names: tuple[str, ...]
    first: int
    there: bool = True
    notes: tuple[str, ...] = ()


def width_of(rows: Rows) -> int:
    """Return how many fields rows have: most of those in the lower half of what was looked at."""
    full = [row for row in rows if row]
    lower = full[len(full) // 2 :]
    counts = Counter(len(row) for row in lower)
    return max(counts, key=lambda width: counts[width]) if counts else 0


def agreement(rows: Rows) -> tuple[float, int, int]:
    """Return how well rows agree in how many fields they have.

    That is the share that do, how many titles stand above (negated), and that number; larger is better.
    """
    width = width_of(rows)
    start = _first(rows, width)
    if width < 2 or start is None or len(rows[start]) < 2 or width - len(rows[start]) > 1:
        return 0.0, 0, 0
    titles = sum(1 for i, row in enumerate(rows[:start]) if row and not _is_aside(row, i))
    below = [row for row in rows[start + 1 :] if row]
    share = sum(len(row) == width for row in below) / max(1, len(below))
    return share + 0.01, -titles, width


def has_numbers(rows: Rows) -> bool:
    """Return whether rows as long as most of them have a column of numbers."""
    width = width_of(rows)
    below = [row for row in rows if len(row) == width][1:]
    return any(
        sum(is_number(row[column]) for row in below) >= SHARE * len(below)
        for column in range(width if below else 0)
    )


def find_header(rows: Rows, asked: int | None = None, known: Collection[str] = ()) -> Header:
    """Return the header of some rows, empty ones among them.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first rows of a file.
    asked : int, optional
        The line of the header, counted from 1, as the user says; 0 for none.
    known : collection of str
        Columns that must exist: where a row has them all, that is the header, whatever is asked for.

    Returns
    -------
    Header
        Names as they stand there, with notes on what is above and where none was found.

    Raises
    ------
    InputError
        For a line that the file does not have.
    """
    width = width_of(rows)
    start = _first(rows, width) or 0
    if known:
        wanted = set(known)
        # The line that is asked for may be where the header of another file was.
        order = sorted(range(len(rows)), key=lambda place: place + 1 != asked)
        for place in order:
            row = rows[place]
            fields = _uncommented(row, width) if row and _is_aside(row, place) else row
            if wanted <= {field.strip() for field in fields}:
                rows, asked = [*rows[:place], fields, *rows[place + 1 :]], place + 1
                break
        else:
            made = all(PLACE.fullmatch(name) for name in known)
            below = [other for other in rows[start + 1 :] if len(other) == width]
            if asked is None and made and is_header(rows[start], below) is not True:
                asked = 0
    if asked:
        if asked > len(rows) or not rows[asked - 1]:
            raise InputError(f"line {asked} is not there or empty: it cannot be the header")
        return _named(rows, asked - 1, width, ())
    row, below = rows[start], [row for row in rows[start + 1 :] if len(row) == width]
    told = is_header(row, below) if len(row) == width else True
    commented = _comment(rows, start, width) if asked is None else None
    if told is True and not all(map(is_number, row)):
        commented = None
    notes = _above(rows, start, commented is not None)
    if commented is not None:
        names = _whole(commented, width, below)
        return Header(names, start, notes=notes)
    if asked == 0 or told is False:
        names = tuple("" for _ in range(len(row)))
        called = "'column 1'" + (f" to 'column {len(row)}'" if len(row) > 1 else "")
        are = "columns are" if len(row) > 1 else "column is"
        said = (
            f"no header: line {start + 1} holds values as the lines below it do ({_shown(row)}), so the "
            f"{are} called {called} (--header {start + 1} takes it for one)"
        )
        return Header(names, start, False, (*notes, *([] if asked == 0 else [said])))
    return _named(rows, start, width, notes)


def _named(rows: Rows, place: int, width: int, notes: tuple[str, ...]) -> Header:
    below = [row for row in rows[place + 1 :] if len(row) == width]
    names = _whole(rows[place], width, below)
    if len(names) > len(rows[place]) and names[0] == "" != rows[place][0]:
        notes = (
            *notes,
            "the header has one name less than the rows have fields: the first has none",
        )
    return Header(names, place + 1, notes=notes)


def _first(rows: Rows, width: int) -> int | None:
    """Return the first row that may be a header: neither empty, a comment, a title nor `sep=;`."""
    lines = [i for i, row in enumerate(rows) if row and not _is_aside(row, i)]
    if not lines:
        return None
    start = next((i for i in lines if not _is_title(rows[i], width)), lines[0])
    # A line of few fields is a title only where names stand below it.
    soft = next((i for i in lines if i >= start and 2 * _filled(rows[i]) > width), start)
    if soft != start and len(rows[soft]) == width and not any(map(is_number, rows[soft])):
        return soft
    return start


def _is_aside(row: Sequence[str], place: int) -> bool:
    return row[0].lstrip().startswith(COMMENT) or (place == 0 and row[0].lower().startswith("sep="))


def _is_title(row: Sequence[str], width: int) -> bool:
    return width > 1 and (len(row) == 1 or (width > 2 and len(row) <= width and _filled(row) <= 1))


def _filled(row: Sequence[str]) -> int:
    return sum(1 for field in row if field.strip())


def is_header(row: Sequence[str], below: Rows) -> bool | None:
    """Return whether a row is the header of those below it, and not one of them; None where neither shows.

    >>> is_header(["a", "b"], [["1", "x"], ["2", "y"]]), is_header(["1", "x"], [["1", "x"], ["2", "y"]])
    (True, False)
    """
    fields = [field.strip() for field in row]
    if not below:
        numbers = [float(field) for field in fields if is_number(field)]
        return False if len(numbers) == len(fields) and not _count(numbers) else None
    numbers, values_below = [], []
    again = words = 0
    for column, field in enumerate(fields):
        values = [other[column].strip() for other in below]
        values = [value for value in values if value not in SIGNS]
        if not values or field in SIGNS:
            continue
        known = [float(value) for value in values if is_number(value)]
        if len(known) < SHARE * len(values):
            words += 1
            again += field in values
        elif is_number(field):
            numbers.append(float(field))
            values_below += known
        else:
            return True
    if numbers:
        named = 2 * again <= words and (words == 0 or len(numbers) > 2 or _years(numbers))
        years = _years(numbers) and not _years(values_below)
        return bool(named and (_count(numbers) or years))
    return False if words and 2 * again > words and len(below) > 2 else None


def _count(numbers: Sequence[float]) -> bool:
    """Return whether numbers go up by 1 from 0 or 1, or evenly as years do, as names of columns may."""
    if len(numbers) < 2 or any(not number.is_integer() for number in numbers):
        return False
    step = numbers[1] - numbers[0]
    even = step > 0 and all(b - a == step for a, b in pairwise(numbers))
    return even and (_years(numbers) or (step == 1 and numbers[0] in (0, 1)))


def _years(numbers: Sequence[float]) -> bool:
    return all(1700 <= number <= 2200 for number in numbers)


def _comment(rows: Rows, start: int, width: int) -> list[str] | None:
    """Return the names in the comment just above the first row, where it has as many as rows do."""
    if start == 0 or not rows[start - 1] or not _is_aside(rows[start - 1], start):
        return None
    fields = _uncommented(rows[start - 1], width)
    return fields if len(fields) == width and width > 1 else None


def _uncommented(row: Sequence[str], width: int) -> list[str]:
    """Return the fields of a comment without its sign, which stays where it is a name by itself."""
    first, *others = row
    name = first.strip().lstrip(COMMENT).strip()
    return [name or COMMENT, *others] if len(row) == width or name else others


def _above(rows: Rows, start: int, named: bool) -> tuple[str, ...]:
    """Return a note on the lines above the header that were passed over."""
    passed = [(i, row) for i, row in enumerate(rows[: start - named]) if _filled(row)]
    passed = [(i, row) for i, row in passed if not row[0].lower().startswith("sep=")]
    if not passed:
        return ()
    what = "1 line" if len(passed) == 1 else f"{len(passed)} lines"
    return (f"{what} above the table passed over, the first is {quoted(_shown(passed[0][1]))}",)


def _shown(row: Sequence[str]) -> str:
    return ", ".join(field.strip() for field in row[:4] if field.strip())[:60]


def _whole(fields: Sequence[str], width: int, below: Rows) -> tuple[str, ...]:
    """Return names as many as rows have fields, where one is lacking or empty ones are too many."""
    names = list(fields)
    while len(names) > width > 0 and below and not names[-1].strip():
        names.pop()
    if len(names) == width - 1 and below:
        at_end = all(not row[-1].strip() for row in below)
        names.insert(len(names) if at_end else 0, "")
    return tuple(names)


def distinct(given: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names with the spaces around them gone, each once, and notes on those that were numbered.

    A column without a name is called by its place.

    >>> distinct([" rooms", "", "rooms"])[0]
    ('rooms', 'column 2', 'rooms 2')
    """
    names = [str(name).strip() or f"column {place}" for place, name in enumerate(given, start=1)]
    taken, first = set(names), {}
    again: list[str] = []
    notes: list[str] = []
    for place, name in enumerate(names):
        if name not in first:
            first[name] = place
            continue
        number = 2
        while f"{name} {number}" in taken:
            number += 1
        names[place] = f"{name} {number}"
        taken.add(names[place])
        again.append(names[place])
        if len(notes) < 3:
            notes.append(
                f"columns {first[name] + 1} and {place + 1} are both called {quoted(name)}: the second is "
                f"called {quoted(names[place])} here"
            )
    if len(again) > len(notes):
        notes.append(f"{len(again) - len(notes)} more columns are numbered like that")
    return tuple(names), tuple(notes)
