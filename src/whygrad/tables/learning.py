"""Learning an encoding from training rows: which columns are of use, and how each is encoded.

Left out, each with a line that says so: free text, identifiers, constants, and what is neither a number nor
text nor a date. How the cells of each column are read is decided by `decisions`; center and scale, values
and parts of dates are learned here, those of numbers and categories as scikit-learn's SimpleImputer,
StandardScaler and OneHotEncoder do; the target adds values of few rows that it tells apart.
"""

import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.tables.cells import Oddities, is_missing, read_dates, read_numbers, read_split
from whygrad.tables.columns import (
    check_names,
    described,
    find,
    index_of,
    kind_of,
    kind_of_categories,
    quoted,
    refuse_infinity,
    texts,
    too_large,
)
from whygrad.tables.dates import PARTS, calendar, encoded_part, parts_of
from whygrad.tables.decisions import (
    EXACT,
    FEW,
    Decision,
    check_types,
    decide,
    decimal_commas,
)
from whygrad.tables.encoding import (
    Category,
    Column,
    ColumnFacts,
    DateColumn,
    Encoding,
    NumberColumn,
    SplitColumn,
    TurnedColumn,
    along,
    place_of,
)
from whygrad.tables.spellings import MOST, canonical, merged, merging_note
from whygrad.tables.target import Target, choose_target
from whygrad.tables.written_numbers import (
    PLAIN_FORM,
    SplitForm,
    no_numbers,
    several_units,
)

LATITUDE = re.compile(r"(?<![^\W_])(latitude|lat)(?![^\W\d_])")  # within a name in small letters
LONGITUDES = ("longitude", "long", "lon", "lng")  # which stands there in the name of the other
BEARINGS = (30, 60, 120, 150)  # from north by east, along which a place is seen beside its own two
MOST_DEGREES = (90, 360)  # of latitude and longitude
MOST_CATEGORIES = 50  # of one column; the others count as rare, unless the target tells them apart
MOST_CELLS = 10**7  # of the inputs that all categories become then, in all rows
FEWEST = 3  # a column of fewer values is standardised alone, never in pieces
EXAMPLES = 3  # cells that are shown of a column
SENTENCE = 2  # blanks in a value, on average: text, not an identifier
UNLIKELY = 10  # pairs of equal values to be expected of as many random quantities; there is none
FEWEST_NAMES = 10  # of so few values a number in pieces tells each
LEAST_ROWS = 3  # of a name, on average
YEARS = (1800, 2100)
APART = 0.6  # of what two values differ by, from which neighbours differ like any two
LONG = 10**8  # whole numbers of so many digits, all about as long, are no measurements

AS_TEXT = Decision("text")  # of categories, where nothing else is known
IDENTIFIER = re.compile(r"(?i:(.*[ _.-])?(id|ids|uuid|guid))|(?i:unnamed.*|)|.*[a-z]I[Dd]")
# Names of what numbers the rows, and of what passes with them: the years of a series are no identifier.
COUNTER = re.compile(
    r"(?i:(.*[ _.-])?(id)?(no|nr|num|number|nummer|idx|index|key|row|order|case|record|seq|serial)\.?)"
)
MARKER = re.compile(r"-?9{2,6}")  # what often stands for a missing number
TIME = re.compile(
    r"(?i:(.*[\W_])?(years?|yr|jahr|ann[ée]e|a[ñn]o|months?|monat|mois|mes|weeks?|woche|semaine|days?|"
    r"tag|jour|d[ií]a|hours?|minutes?|seconds?|time|zeit|period|t)([\W_].*)?)"
)


@dataclass(frozen=True)
class Learned:
    """What was learned of a column: how it is encoded, or None and why it is of no use; and what to say.

    `missing` counts the cells without a value, odd ones among them, where that is known.
    """

    column: Column | None
    reason: str = ""
    kind: str = ""
    note: str = ""
    missing: int | None = None


# How many bins each number has, or a function of how many columns of numbers there are.
Bins: TypeAlias = int | Callable[[int], int]


def learn(
    table: Any,
    target: Target,
    types: Mapping[str, str] | None = None,
    bins: Bins = 0,
    Y: Array | None = None,
) -> Encoding:
    """Learn the encoding of a table from its training rows.

    Parameters
    ----------
    table : pyarrow.Table
        The rows to learn from: no test rows.
    target : Target
        The column to predict. Where the table does not have it, its center and scale are taken as they are.
    types : mapping of str to {"number", "category", "date", "leave-out"}, optional
        What the user says that columns are; the others are told from their values.
    bins : int or function, default 0
        With bins, numbers are encoded in pieces, see `encoding.in_pieces`: so many of them, or fewer where
        quantiles are equal. Columns of two values are standardised alone. A function is told the number of
        columns of numbers.
    Y : array, shape (n, n_L), optional
        The targets of the rows, where the table does not have them. By them values of few rows are told
        from rare ones, see `rows_to_tell`.

    Returns
    -------
    Encoding
        The columns in use, standardised, one-hot or taken apart; notes on those that were left out, merged
        or unclear; and what was decided about each.

    Raises
    ------
    InputError
        For duplicate names, infinity, where a column is not what it is said to be, and where no column is
        left to learn from.

    Examples
    --------
    >>> table = pa.table({"rooms": [3, 4, None, 5], "town": ["A", "B", "A", "B"], "rent": [1.0, 2, 3, 5]})
    >>> learn(table, Target("rent", "regression", "number")).names
    ('rooms', 'rooms is missing', 'town=A', 'town=B')
    """
    if Y is None and target.name in table.schema.names:
        Y = target.targets(table)
    encoding = _learn_all(table, target, types or {}, bins, Y)
    if not encoding.columns:
        why = "; ".join(encoding.notes) or "there is none besides the target"
        raise InputError(f"no column is left to learn from: {why}")
    return replace(encoding, target=_scaled(target, table))


def describe(
    table: Any,
    target: str | None = None,
    types: Mapping[str, str] | None = None,
    na: tuple[str, ...] = (),
    bins: Callable[[int, Target], Bins] | None = None,
) -> Encoding:
    """Decide about every column of a table, as for a training on all of its rows.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    target : str, optional
        The column to predict; without it every column is an input.
    types, na
        As of `choose_target`.
    bins : callable, optional
        Given how many rows there are and the target, the bins of `learn`; by default no number has pieces.

    Returns
    -------
    Encoding
        Of interest are `facts` and `notes`; without a target it is good for nothing else.

    Raises
    ------
    InputError
        As of `choose_target` and `learn`.

    Examples
    --------
    >>> [fact.kind for fact in describe(pa.table({"when": ["1.5.2024", "31.5.2024"], "id": [1, 2]})).facts]
    ['date', 'identifier']
    """
    rows = None
    chosen = Target("", "regression", "number", na=na)
    if target is not None:
        whole = table
        table, chosen = choose_target(whole, target, None, types, na)
        rows = np.flatnonzero(chosen.present(whole))
    pieces = 0 if bins is None else bins(table.num_rows, chosen)
    Y = None if target is None else chosen.targets(table)
    encoding = _learn_all(table, chosen, types or {}, pieces, Y)
    odd = Oddities(rows)
    encoding.encode(table, odd=odd)
    return encoding.noted(odd)


def _learn_all(
    table: Any, target: Target, types: Mapping[str, str], bins: Bins, Y: Array | None
) -> Encoding:
    """Return the encoding of a table, of no column as well; its target is not yet scaled."""
    names = table.schema.names
    check_names(names, "the table")
    asked = check_types(types, names)
    columns: list[Column] = []
    notes, facts = list(target.notes), []
    decisions = _decide_all(table, target, asked)
    if callable(bins):
        bins = bins(sum(one.numbers for one in decisions.values()))
    most = _most_inputs(table, decisions, target.na)
    for name in names:
        column = find(table, name)
        if name == target.name:
            facts.append(facts_of_target(target, *_counts(column, target.na)))
            continue
        decision = decisions[name]
        if asked.get(name) == "leave-out":
            learned = Learned(None, "you asked for that", "left out")
        else:
            learned = _learn_column(column, name, decision, target.na, bins, Y, most)
        if learned.column is None:
            notes.append(f"column {quoted(name)} left out: {learned.reason}")
        else:
            columns.append(learned.column)
        said = "; ".join(filter(None, (learned.note, decision.unclear)))
        if said:
            notes.append(f"column {quoted(name)}: {said}")
        facts.append(_facts(column, name, decision, learned, said, target.na))
    found = Encoding(tuple(columns), target, tuple(notes), tuple(facts))
    found = replace(found, turned=_turned(table, found, bins))
    return replace(found, facts=tuple(with_place(one, found) for one in facts))


def with_place(one: ColumnFacts, found: Encoding) -> ColumnFacts:
    """Return what was decided about a column, and where it is one of a place that it is."""
    turned = [other for other in found.turned if one.name in dict(other.of)]
    if not turned:
        return one
    with_other = next(name for name, _ in turned[0].of if name != one.name)
    said = f"a place with {quoted(with_other)}"
    names = [column.name for column in found.columns]
    if names.index(one.name) < names.index(with_other):  # what both make is counted once
        inputs = sum(len(other.names) for other in turned)
        said += f", in {inputs:,} inputs more along {len(turned)} other directions"
    return replace(one, becomes=f"{one.becomes}; {said}")


def _turned(table: Any, found: Encoding, bins: int) -> tuple[TurnedColumn, ...]:
    """Return what pairs of latitude and longitude make together, where these are numbers in pieces."""
    columns = {one.name: one for one in found.columns if isinstance(one, NumberColumn)}

    @cache
    def numbers(name: str) -> Array:
        return columns[name].read(find(table, name), found.target.na)

    turned = []
    for said, of in directions(found, lambda name: float(np.nanmean(numbers(name)))):
        values = along({name: numbers(name) for name, _ in of}, of)
        known = values[~np.isnan(values)]
        edges = edges_of(known, bins)
        if edges:
            turned.append(TurnedColumn(said, of, *standardised(known), edges))
    return tuple(turned)


def directions(
    found: Encoding, mean: Callable[[str], float]
) -> list[tuple[str, tuple[tuple[str, float], ...]]]:
    """Return along what pairs of latitude and longitude are seen as well: names, columns and factors.

    Latitude φ and longitude λ lie along the compass bearing β at φ cos β + λ cos φ̄ sin β, in degrees of
    latitude, where φ̄ is the mean latitude, of which `mean` tells by its column.
    """
    degrees = {
        column.name: column
        for column in found.columns
        if isinstance(column, NumberColumn) and column.edges and column.kind == "number"
    }
    told: list[tuple[str, tuple[tuple[str, float], ...]]] = []
    for name, other in pairs_of_places([*degrees]):
        pair, place = (degrees[name], degrees[other]), place_of([name, other])
        if place in found.kinds or any(
            max(-one.edges[0], one.edges[-1]) > most
            for one, most in zip(pair, MOST_DEGREES, strict=True)
        ):
            continue
        per_degree = math.cos(math.radians(mean(name)))
        for bearing in BEARINGS:
            β, said = math.radians(bearing), f"{place} {bearing}°"
            if said not in found.kinds:
                told.append((said, ((name, math.cos(β)), (other, per_degree * math.sin(β)))))
    return told


def pairs_of_places(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the columns that are latitude and longitude of the same place, by their names.

    >>> pairs_of_places(["Lat", "long", "price", "start_latitude", "start_longitude", "flat", "lng"])
    [('Lat', 'long'), ('start_latitude', 'start_longitude')]
    """
    known = {name.lower(): name for name in reversed(names)}
    found: dict[str, str] = {}  # by the longitude, which is of one place alone
    for name in names:
        before, *latitude = LATITUDE.split(name.lower(), maxsplit=1)
        words = LONGITUDES if latitude[:1] == ["latitude"] else LONGITUDES[1:] + LONGITUDES[:1]
        others = [known.get(before + word + latitude[-1]) for word in words] if latitude else []
        free = [other for other in others if other and other not in found]
        found |= {other: name for other in free[:1]}
    return [(name, other) for other, name in found.items()]


def _most_inputs(table: Any, decisions: Mapping[str, Decision], na: tuple[str, ...]) -> int:
    """Return how many inputs a category may become, so that all of them together have `MOST_CELLS`.

    Those of few values leave the rest of their share to the others; of text without repetition none is one.
    """
    rows = max(table.num_rows, 1)
    names = [name for name, one in decisions.items() if one.kind in ("text", "code")]
    distinct = sorted(pc.count_distinct(texts(find(table, name), na)).as_py() for name in names)
    needed = [count for count in distinct if count <= 0.75 * rows]
    room = share = MOST_CELLS / rows
    for k, count in enumerate(needed):
        share = room / (len(needed) - k)
        room -= min(count, share)
    return max(MOST_CATEGORIES, int(share))


def dates_to_split_by(
    table: Any, target: Target, types: Mapping[str, str] | None = None
) -> tuple[str, Array]:
    """Return the first column of dates, and the time of each row as seconds since 1970, (n,).

    Parameters
    ----------
    table : pyarrow.Table
        All rows.
    target : Target
        The column to predict.
    types : mapping of str to str, optional
        What the user says that columns are.

    Raises
    ------
    InputError
        Where there is none.

    Examples
    --------
    >>> table = pa.table({"day": ["2.1.2024", "31.1.2024"], "rent": [1.0, 2]})
    >>> dates_to_split_by(table, Target("rent", "regression", "number"))[0]
    'day'
    """
    asked = check_types(types or {}, table.schema.names)
    for name in table.schema.names:
        if name == target.name or asked.get(name, "date") != "date":
            continue
        column = find(table, name)
        decision = decide(column, name, asked.get(name), target.na)
        if decision.kind == "date" and decision.date.form != "clock":
            seconds, _ = read_dates(column, decision.date, target.na)
            if len(np.unique(seconds[~np.isnan(seconds)])) > 1:
                return name, seconds
    raise InputError(
        "--test last needs a column of dates, and there is none: name one with --type COLUMN=date, or give "
        "--test a share"
    )


def _decide_all(table: Any, target: Target, asked: Mapping[str, Any]) -> dict[str, Decision]:
    """Return what each column is; where one could be read in two ways, the others tell the decimal mark."""
    found, there = {}, set(table.schema.names)
    for name in table.schema.names:
        given = asked.get(name)
        if name == target.name or given == "leave-out":
            found[name] = Decision("other")
        else:
            clash = any(f"{name} {k}" in there for k in (1, 2, 3))
            found[name] = decide(find(table, name), name, given, target.na, single=clash)
    told = [one.number for one in found.values() if not one.unclear and one.kind == "number"]
    if target.kind == "number":
        told.append(target.form)
    comma = decimal_commas(told)
    if comma is None and any(one.unclear and one.kind == "number" for one in found.values()):
        comma = _decimal_points(table, found)
    pointed = []
    if comma is not False and any(one.decimal == "," for one in told):
        plain = [name for name, one in found.items() if one.form == PLAIN_FORM]
        pointed = [name for name in plain if _has_points(find(table, name))]
        if any(not _all_thousands(find(table, name)) for name in pointed):
            comma = None  # as many others have decimal points
    for name, one in found.items():
        if one.kind == "number" and (
            (comma is not None and one.unclear) or (comma and name in pointed)
        ):
            found[name] = decide(find(table, name), name, asked.get(name), target.na, comma)
    return found


def _decimal_points(table: Any, found: Mapping[str, Decision]) -> bool | None:
    """Return False, for no decimal commas, where other columns have decimal points alone; else None."""
    numbers = {name: one for name, one in found.items() if one.kind == "number"}
    if any(one.number.decimal == "," and not one.unclear for one in numbers.values()):
        return None
    clear = [find(table, name) for name, one in numbers.items() if not one.unclear]
    pointed = any(_has_points(column) and not _all_thousands(column) for column in clear)
    return False if pointed else None


def _has_points(column: Any) -> bool:
    return kind_of(column) == "text" and bool(pc.any(pc.match_substring(column, ".")).as_py())


def _all_thousands(column: Any) -> bool:
    """Return whether every point in a column has three digits behind it, as between thousands."""
    return not pc.any(pc.match_substring_regex(column, r"\.(\d{0,2}|\d{4,})(\D|$)")).as_py()


def _learn_column(
    column: Any,
    name: str,
    decision: Decision,
    na: tuple[str, ...],
    bins: int,
    Y: Array | None,
    most: int,
) -> Learned:
    """Return what was learned of a column, or the reason why it is of no use."""
    kind = decision.kind
    if kind == "other":
        of_time = kind_of(column) == "date"
        held = "intervals, which are neither numbers nor dates" if of_time else described(column)
        return Learned(None, f"it holds {held}", "other")
    if kind == "empty":
        return Learned(None, "it has no value in any training row", "empty")
    if kind == "date":
        return _learn_date(column, name, decision, na, bins)
    if isinstance(decision.form, SplitForm):
        return _learn_split(column, name, decision.form, decision.asked, na, bins)
    if kind in ("number", "boolean"):
        learned = _learn_number(column, name, decision, na, bins)
        if Y is None or decision.asked or not _are_names(column, learned.column, na, Y):
            return learned
        why = "targets of neighbouring ones are no more alike than of any two"
        decision = Decision("code", why=f"{why}; {_as_number(name)} takes them for numbers")
    return _learn_category(column, name, decision, na, Y, most)


def _learn_number(
    column: Any, name: str, decision: Decision, na: tuple[str, ...], bins: int
) -> Learned:
    kind = decision.kind
    values = decision.values
    if values is None:
        values, _, _ = read_numbers(column, kind, decision.number, na)
    if kind_of(column) == "text":  # a cell of a file is as odd then as one that is no number
        values = np.where(too_large(values), np.nan, values)
    refuse_infinity(values, name)
    gone = np.isnan(values)
    known = values[~gone]
    if not len(known):
        return Learned(None, "it has no value in any training row", "empty")
    if known.min() == known.max() and not gone.any():
        return Learned(None, f"it is {known[0]:g} in every row", "always the same")
    whole = kind == "number" and not pa.types.is_floating(column.type)
    if whole and not decision.asked and _identifies(known, name):
        return Learned(None, "it identifies the rows, every one is different", "identifier")
    fill = median(known)
    edges = edges_of(known, bins)
    center, scale = standardised(known if edges else np.where(gone, fill, values))
    flagged = bool(gone.any())
    said = "true/false" if kind == "boolean" else "number"
    found = NumberColumn(name, kind, center, scale, fill, flagged, decision.number, edges)
    return Learned(found, kind=said, note=far_marker(ends_of(known)), missing=int(gone.sum()))


def _learn_split(
    column: Any, name: str, form: SplitForm, asked: bool, na: tuple[str, ...], bins: int
) -> Learned:
    """Return how each of several numbers in a cell is encoded; those that tell nothing are left out."""
    values, _ = read_split(column, form, na)
    learned = [
        _learn_number(
            column, f"{name} {k}", Decision("number", one, asked=asked, values=numbers), na, bins
        )
        for k, (one, numbers) in enumerate(zip(form.forms, values, strict=True), 1)
    ]
    parts = [one.column for one in learned if isinstance(one.column, NumberColumn)]
    if not parts:
        return Learned(None, f"{form.described}: {learned[0].reason}", learned[0].kind)
    used = tuple(k for k, one in enumerate(learned) if one.column is not None)
    left_out = [
        f"{quoted(f'{name} {k}')} left out: {one.reason}"
        for k, one in enumerate(learned, 1)
        if one.column is None
    ]
    become = f"{form.described}: columns {', '.join(quoted(part.name) for part in parts)}"
    note = "; ".join([become, *left_out, f"{_as_type(name, 'category')} takes cells whole"])
    found = SplitColumn(name, "text", form.mark, form.forms, tuple(parts), used)
    return Learned(found, kind="numbers", note=note, missing=int(np.isnan(values[0]).sum()))


# The least or the largest value, in how many rows it is, and between what the others lie.
End: TypeAlias = tuple[float, int, float, float]


def ends_of(known: Array) -> tuple[End, End]:
    """Return the least and the largest value of a column, none missing, and what the others are.

    >>> ends_of(np.array([20.0, 25, -999, 31, -999]))
    ((-999.0, 2, 20.0, 31.0), (31.0, 1, -999.0, 25.0))
    """
    low, high = float(known.min()), float(known.max())
    return _end(known, low), _end(known, high)


def _end(known: Array, value: float) -> End:
    rest = known[known != value]
    low, high = float(rest.min(initial=np.inf)), float(rest.max(initial=-np.inf))
    return value, len(known) - len(rest), low, high


def far_marker(ends: Sequence[End]) -> str:
    """Return a note on -1, -999 and the like, far from all others and there more than once; "" without.

    >>> far_marker(ends_of(np.array([20.0, 25, -999, 31, -999])))[:62]
    'is -999 in 2 rows, far from its other values, which are 20 to '
    >>> [far_marker(ends_of(np.array(known))) for known in ([3.0, 1, 2, -1, -1], [20.0, 25, -999])]
    ['', '']
    """
    for value, count, low, high in ends:
        if value != -1 and not MARKER.fullmatch(f"{value:g}"):
            continue
        if count > 1 and max(low - value, value - high) > high - low > 0:
            return (
                f"is {value:g} in {count:,} rows, far from its other values, which are {low:g} to "
                f"{high:g}: if it stands for a missing value, --na={value:g} takes it for one, in all "
                "columns"
            )
    return ""


def edges_of(known: Array, bins: int) -> tuple[float, ...]:
    """Return the edges of so many bins of equal numbers of values; () for none, and for too few values.

    >>> edges_of(np.arange(9.0), 4), edges_of(np.array([0.0, 1, 1]), 4)
    ((0.0, 2.0, 4.0, 6.0, 8.0), ())
    """
    if not bins or len(np.unique(known)) < FEWEST:
        return ()
    return tuple(np.unique(np.quantile(known, np.linspace(0, 1, bins + 1))).tolist())


def _learn_date(
    column: Any, name: str, decision: Decision, na: tuple[str, ...], bins: int
) -> Learned:
    form = decision.date
    seconds, _ = read_dates(column, form, na)
    gone = np.isnan(seconds)
    known = seconds[~gone]
    if not len(known):
        return Learned(None, "it has no value in any training row", "empty")
    clock = form.form == "clock" or pa.types.is_time(column.type)
    parts = parts_of(known, clock)
    if not parts:
        if known.min() != known.max():  # some seconds of one minute, say
            parts = ("hour",)
        elif not gone.any():
            shown = quoted(str(column[0].as_py()))
            return Learned(None, f"it is {shown} in every row", "always the same")
    fill = float(np.sort(known)[len(known) // 2])
    days = calendar(known if bins else np.where(gone, fill, seconds))
    centers, widths = scales_of_parts(parts, days)
    pieces = tuple(edges_of(days[part], bins) if PARTS[part][1] else () for part in parts)
    edges = pieces if bins else ()
    found = DateColumn(name, "date", form, parts, centers, widths, fill, bool(gone.any()), edges)
    return Learned(found, kind="date", note=decision.why, missing=int(gone.sum()))


def scales_of_parts(
    parts: tuple[str, ...], days: Mapping[str, Array]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return centers and widths of the parts of some dates, 0 and 1 of those not standardised."""
    scales = [
        standardised(encoded_part(part, days[part])[:, 0]) if PARTS[part][1] else (0.0, 1.0)
        for part in parts
    ]
    return tuple(center for center, _ in scales), tuple(width for _, width in scales)


def median(values: Array) -> float:
    """Return what NumPy's median gives of values without NaN, in a third of its time where they are few."""
    middle = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, middle)[middle])
    two = np.partition(values, [middle - 1, middle])[middle - 1 : middle + 1]
    return float(two.mean())


def standardised(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation of numbers, 1 for the latter where they are all the same.

    To the bit what scikit-learn's StandardScaler gives for a column alone, in a fraction of its time: a
    corrected sum of squares (Chan, Golub, LeVeque 1983), with its bound on the rounding of a constant.

    >>> standardised(np.array([1.0, 2, 3, 6]))
    (3.0, 1.8708286933869707)
    """
    # As a column, since NumPy adds in another order along a table of several.
    column, n = values[:, None], len(values)
    mean = column.sum(axis=0) / n
    gaps = column - mean
    correction = gaps.sum(axis=0)
    gaps **= 2
    variance = (gaps.sum(axis=0) - correction**2 / n) / n
    epsilon = np.finfo(np.float64).eps
    same = variance <= n * epsilon * variance + (n * mean * epsilon) ** 2
    return float(mean[0]), 1.0 if same[0] else float(np.sqrt(variance)[0])


def _identifies(values: Array, name: str) -> bool:
    """Return whether numbers are whole, all different, and `identify` the rows."""
    n = len(values)
    if n < 2 or (values != np.rint(values)).any() or len(np.unique(values)) < n:
        return False
    steps = np.diff(values)
    return identify(values, n, name, bool((steps > 0).all() or (steps < 0).all()))


def identify(values: Array, n: int, name: str, in_order: bool) -> bool:
    """Return whether n whole numbers, all different, identify the rows, as no quantities would.

    They are packed, or in order at even distances; or some would be equal if they were drawn from their
    range; or they are longer than what is measured; or named like that. What grows from row to row, as a
    population does, is a quantity, and so is what passes: years, weeks, seconds. `values` are all of them,
    or some that are spread evenly, the smallest and the largest among them.

    >>> rows, people = np.arange(0.0, 300, 10), np.arange(30.0) ** 2 + 5e6
    >>> [identify(values, 30, "x", True) for values in (rows, people)]
    [True, False]
    """
    named = bool(IDENTIFIER.fullmatch(name))
    if named or n < FEW or TIME.fullmatch(name):
        return named
    low, high = float(values.min()), float(values.max())
    unit = float(np.gcd.reduce(np.diff(values).astype(np.int64))) if high - low < EXACT else 1.0
    packed = high - low < 2 * n * (unit if in_order else 1)
    no_repeats = n * (n - 1) / 2 > UNLIKELY * (high - low + 1)
    long = low >= LONG and high <= 10 * low and unit < 10
    if in_order:  # then no two are equal in any case
        return packed or long or bool(COUNTER.fullmatch(name))
    return packed or no_repeats or long


def _learn_category(
    column: Any, name: str, decision: Decision, na: tuple[str, ...], Y: Array | None, most: int
) -> Learned:
    cells = texts(column, na)
    counts = counts_of(cells)
    enough = math.inf if Y is None else rows_to_tell(index_of(cells, [*counts]), Y)
    return learn_counts(counts, cells.null_count, name, decision, enough, most)


def _are_names(column: Any, found: Column | None, na: tuple[str, ...], Y: Array) -> bool:
    """Return whether the cells of a column of numbers in pieces are names, and are written as such."""
    if not (isinstance(found, NumberColumn) and found.edges and found.kind == "number"):
        return False
    if not are_names(found.read(column, na), Y, len(found.edges)):
        return False
    return bool(pc.all(pc.match_substring_regex(texts(column, na), r"^(0|[1-9]\d*)$")).as_py())


def are_names(values: Array, Y: Array, pieces: int) -> bool:
    """Return whether whole numbers are names: rows of neighbouring ones are no more alike than of any two.

        Σ w_i [(m_i − m_{i+1})² − σ² (1/n_i + 1/n_{i+1})] > 0.6 · 2τ² Σ w_i,  1/w_i = 1/n_i + 1/n_{i+1}

    The ith value has n_i rows, of which the target's mean is m_i; σ² and τ² are those of `rows_to_tell`. Of
    numbers in order the left side is near 0, of names about 2τ² Σ w_i. Besides, names tell a quarter of the
    target's variance or more, which four times fewer rows would show as well, they have three rows and more
    on average, they are more than a number has pieces and no years, and none is much more frequent than all
    others, as round quantities are.

    Parameters
    ----------
    values : array, shape (n,)
        The numbers, NaN where one is missing.
    Y : array, shape (n, n_L)
        The targets.
    pieces : int
        In how many pieces the number is encoded otherwise.

    References
    ----------
    von Neumann (1941). Distribution of the ratio of the mean square successive difference to the variance.

    Examples
    --------
    >>> firm = np.repeat(np.arange(40.0), 10)
    >>> wage = np.random.default_rng(0).normal(size=40)[firm.astype(int)][:, None]
    >>> are_names(firm, wage, 4), are_names(firm, np.sort(wage, axis=0), 4)
    (True, False)
    """
    known = ~np.isnan(values)
    if (values[known] != np.rint(values[known])).any():
        return False
    distinct, category = np.unique(values[known], return_inverse=True)
    rows = np.bincount(category)
    if len(distinct) <= max(FEWEST_NAMES, pieces) or rows.mean() < LEAST_ROWS:
        return False
    years = YEARS[0] <= distinct[0] and distinct[-1] <= YEARS[1]  # which go on
    if years or (rows**2).sum() > 2 * rows.sum() * rows.mean():
        return False
    y = Y[known]
    within, between = variances(category, y)
    if not between > 0 or within / between > min(3, rows.mean() / 4):
        return False
    w = 1 / (1 / rows[1:] + 1 / rows[:-1])
    means = np.stack([np.bincount(category, column - column.mean()) / rows for column in y.T])
    apart = float((w * np.diff(means) ** 2).sum()) - within * len(w)
    return apart > APART * 2 * between * float(w.sum())


def rows_to_tell(category: Array, Y: Array) -> float:
    """Return from how many rows on the mean of a category tells more of it than the mean of all rows.

        n = σ² / τ²,  the variances of the target within categories and between them

    The mean of n rows of a category has the error σ²/n, the mean of all rows the error τ². Both are
    estimated by the moments of a one-way analysis of variance, of several outputs by their sums.

    Parameters
    ----------
    category : array of int, shape (n,)
        The category of each row, from 0 without gaps; −1 for none, such a row does not count.
    Y : array, shape (n, n_L)
        The targets.

    Returns
    -------
    float
        Infinity where categories differ no more than chance has it.

    References
    ----------
    Searle, Casella, McCulloch (1992). Variance components, chapter 3.

    Examples
    --------
    >>> town, rent = np.array([0, 0, 1, 1, 2, 2]), np.array([[1.0], [3], [4], [6], [7], [9]])
    >>> rows_to_tell(town, rent), rows_to_tell(town[[0, 2, 4, 0, 2, 4]], rent)
    (0.25, inf)
    """
    known = category >= 0
    within, between = variances(category[known], Y[known])
    return within / between if between > 0 else math.inf


def variances(category: Array, Y: Array) -> tuple[float, float]:
    """Return σ² and τ² of `rows_to_tell`, sums over outputs, of categories from 0; (0, 0) for one."""
    rows = np.bincount(category)
    n, categories = int(rows.sum()), len(rows)
    if not 1 < categories < n:
        return 0.0, 0.0
    among = total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # squares of too large numbers tell nothing
        for column in Y.T:
            y = column - column.mean()
            among += float((np.bincount(category, y) ** 2 / rows).sum())
            total += float((y**2).sum())
    within = max(total - among, 0.0) / (n - categories)
    return within, (among - (categories - 1) * within) / (n - float((rows**2).sum()) / n)


def counts_of(cells: Any) -> dict[str, int]:
    """Return how often each value of a column of text is there."""
    counts = pc.value_counts(cells.drop_null())
    return dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))


def learn_counts(
    found: Mapping[str, int],
    missing: int,
    name: str,
    decision: Decision = AS_TEXT,
    enough: float = math.inf,
    most: int = MOST_CATEGORIES,
) -> Learned:
    """Return how a column of categories is encoded, by how often each value is there, or none is.

    A value of `enough` rows, see `rows_to_tell`, has a column of its own, `most` of these at most.
    """
    n = sum(found.values()) + missing
    if not found:
        return Learned(None, "it has no value in any training row", "empty")
    spellings = merged(found) if len(found) <= MOST else {}
    note = merging_note(found, spellings)
    if note:
        as_one = canonical(pa.array([*found], pa.large_string()), spellings).to_pylist()
        counted: Counter[str] = Counter()
        for value, count in zip(as_one, found.values(), strict=True):
            counted[value] += count
        found = counted
    distinct, known = len(found), n - missing
    if distinct == known and distinct > 1 and not decision.asked:
        if 2 * known < n or sum(value.count(" ") for value in found) > SENTENCE * distinct:
            why = _why_text(found, name, f"free text, its {distinct:,} values are all different")
            return Learned(None, why, "free text")
        why = _why_text(found, name, "it identifies the rows, every one is different")
        return Learned(None, why, "identifier")
    apart = sum(count for count in found.values() if count >= max(2, enough))
    if distinct > max(FEW, n // 3) and apart < known / 4 and not decision.asked:
        why = _why_text(found, name, f"free text, {distinct:,} different values in {n:,} rows")
        return Learned(None, why, "free text")
    if distinct == 1 and not missing:
        return Learned(None, f"it is {quoted(next(iter(found)))} in every row", "always the same")
    values, rare_values = _frequent(found, missing, enough, most)
    if not values and not missing:
        why = _why_text(found, name, f"free text, none of its {distinct:,} values is frequent")
        return Learned(None, why, "free text")
    told = rare_values if len(rare_values) <= MOST else ()
    used = {key: value for key, value in spellings.items() if value in {*values, *told}}
    category = Category(
        name,
        kind_of_categories(found),
        values,
        bool(rare_values),
        missing > 0,
        tuple(used.items()),
        told,
    )
    kind = "code" if decision.kind == "code" and not decision.asked else "category"
    why = f"categories, not numbers: {decision.why}" if decision.why else ""
    if decision.kind == "text" and not decision.asked and distinct >= FEWEST_NAMES:
        numeric = distinct - len(no_numbers([*found]))
        if units := _of_several_units(found):
            why = f"{units}; all are taken for categories"
        elif numeric >= FEWEST_NAMES and numeric > distinct // 2:
            why = (
                f"{numeric:,} of its {distinct:,} values are numbers, all are taken for categories: "
                f"{_as_number(name)} takes the rest for missing"
            )
    return Learned(category, kind=kind, note="; ".join(filter(None, (note, why))))


def _frequent(
    counts: Mapping[str, int], missing: int, enough: float, most: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the values that get a column of their own, and the rare ones, both in order.

    The first by `min_frequency` and `max_categories`, as scikit-learn's OneHotEncoder has them, of which a
    missing value is one; and more that have `enough` rows, with the former at most `most`.
    """
    names: list[str | None] = [*sorted(counts), *([None] if missing else [])]
    often = np.array([missing if name is None else counts[name] for name in names])
    own = _most_frequent(often, max(2, min(10, often.sum() // 50)), MOST_CATEGORIES)
    own |= _most_frequent(often, max(2.0, enough), most)
    known = [(name, one) for name, one in zip(names, own, strict=True) if name is not None]
    return tuple(name for name, one in known if one), tuple(name for name, one in known if not one)


def _most_frequent(often: Array, least: float, most: int) -> Array:
    """Return which values are there as often as that: so many, with the column of all others."""
    own = often >= least
    if own.sum() + (not own.all()) > most:
        order = np.argsort(np.where(own, often, 0), kind="stable")
        own[order[: len(own) - (most - 1)]] = False
    return own


def _why_text(counts: Mapping[str, int], name: str, otherwise: str) -> str:
    """Return the reason why text of many values is left out: numbers that are spoilt are named."""
    if units := _of_several_units(counts):
        return units
    spoilt = no_numbers([*counts])
    if len(spoilt) < len(counts) / 4:
        if not spoilt:
            return f"{otherwise}; {_as_number(name)} takes its codes for numbers"
        mixed = f"numbers mixed with text such as {quoted(spoilt[0])}"
        return f"{mixed}; {_as_number(name)} takes the rest for missing"
    return otherwise


def _of_several_units(counts: Mapping[str, int]) -> str:
    """Return what is said of numbers of which each has one of several units; "" of others."""
    units = several_units([*counts])
    if not units:
        return ""
    two = " and ".join(map(quoted, units))
    return f"numbers in several units, {two}: write all in one, or the unit in a column of its own"


def _as_number(name: str) -> str:
    """Return the option that takes a column for numbers, as a shell wants it."""
    return _as_type(name, "number")


def _as_type(name: str, kind: str) -> str:
    return f"--type {shlex.quote(f'{name}={kind}')}"


def _scaled(target: Target, table: Any) -> Target:
    """Return the target with the center and scale of the training rows, where it holds numbers."""
    if target.task == "classification" or target.name not in table.schema.names:
        return target
    center, scale = standardised(target.observed(table))
    return replace(target, center=center, scale=scale)


# ── what is said of every column ─────────────────────────────────────────────────────────────────────


def _facts(
    column: Any, name: str, decision: Decision, learned: Learned, note: str, na: tuple[str, ...]
) -> ColumnFacts:
    missing, distinct, shown = _counts(column, na, decision.values)
    if learned.missing is not None:
        missing = learned.missing
    return facts_of(name, learned, missing, distinct, shown, note)


def facts_of(
    name: str,
    learned: Learned,
    missing: int,
    distinct: int | None,
    examples: tuple[str, ...] = (),
    note: str = "",
) -> ColumnFacts:
    """Return what was decided about a column that is an input, or left out."""
    made = learned.column
    becomes = f"left out: {learned.reason}" if made is None else _inputs(made)
    return ColumnFacts(
        name, learned.kind, _read_as(made), missing, distinct, examples, becomes, note
    )


def facts_of_target(
    target: Target, missing: int, distinct: int | None, examples: tuple[str, ...] = ()
) -> ColumnFacts:
    """Return what was decided about the column that is to be predicted."""
    kind = "number" if target.kind in ("number", "boolean") else "category"
    becomes = (
        f"the target: {len(target.classes)} classes" if target.classes else "the target: a number"
    )
    read = target.form.described if target.kind == "number" else "as written"
    note = "; ".join(target.notes)
    return ColumnFacts(target.name, kind, read, missing, distinct, examples, becomes, note)


def _counts(
    column: Any, na: tuple[str, ...], values: Array | None = None
) -> tuple[int, int, tuple[str, ...]]:
    """Return how many cells are missing, how many values there are, and some of them."""
    gone = is_missing(column, na) if values is None else np.isnan(values)
    try:
        distinct = pc.count_distinct(column, mode="only_valid").as_py()
    except pa.ArrowException:  # lists and the like
        distinct = 0
    return int(gone.sum()), distinct, examples_of(column, gone)


def examples_of(column: Any, gone: Array) -> tuple[str, ...]:
    """Return some of the first cells of a column but for those that are `gone`, (n,)."""
    shown: dict[str, None] = {}
    for row in np.flatnonzero(~gone[:1000])[:50].tolist():
        shown[str(column[row].as_py()).strip()[:60]] = None
        if len(shown) == EXAMPLES:
            break
    return tuple(shown)


def _read_as(made: Column | None) -> str:
    if isinstance(made, NumberColumn):
        return made.form.described if made.kind == "number" else "true is 1, false is 0"
    if isinstance(made, DateColumn | SplitColumn):
        return made.form.described
    return "as written" if made is not None else ""


def _inputs(made: Column) -> str:
    """Return what a column becomes, in a few words."""
    if isinstance(made, SplitColumn):
        return "; ".join(f"{quoted(part.name)}: {_inputs(part)}" for part in made.parts)
    n = len(made.names)
    inputs = "1 input" if n == 1 else f"{n:,} inputs"
    if isinstance(made, NumberColumn):
        how = "standardised" if made.kind == "number" else "standardised, 0 and 1"
        pieces = "1 piece" if len(made.edges) == 2 else f"{len(made.edges) - 1} pieces"
        how = f"clipped, and in {pieces}" if made.edges else how
    elif isinstance(made, DateColumn):
        how = ", ".join(made.parts)
    else:
        how = "one-hot"
    rest = [
        word
        for word, there in (
            ("rare values share one", isinstance(made, Category) and made.rare),
            ("one tells where it is missing", made.seen_missing),
        )
        if there
    ]
    return f"{inputs}: {', '.join([how, *rest])}"
