"""What is learned of a folder's columns in one pass: a summary of each row group, merged in one fixed tree.

    numbers      how many, mean and Σ (x − mean)², least and largest, and the sketch of their quantiles
    dates        the same, in seconds since 1970
    categories   how often each value is there
    of all       how many are missing

The tree follows from the number of row groups alone. Means and squares are merged as Chan, Golub & LeVeque
(1983) do. Numbers that are written as text are categories here: to read them takes all cells at once. What
latitude and longitude make together is summed up in a second pass, through these alone.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from whygrad.engines.xla import joined
from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.pipeline.recipe import recommended
from whygrad.pipeline.streamed import sketch
from whygrad.pipeline.streamed.folder import Folder
from whygrad.pipeline.streamed.sketch import Sketch
from whygrad.tables import DateColumn, Encoding, NumberColumn, Target, Task, choose_target, quoted
from whygrad.tables.cells import is_missing, read_dates, read_numbers
from whygrad.tables.columns import HOLDS, Kind, refuse_infinity, refuse_missing, texts
from whygrad.tables.columns import leave_out as without
from whygrad.tables.dates import DateForm, calendar, parts_of
from whygrad.tables.encoding import TurnedColumn, along
from whygrad.tables.learning import (
    End,
    Learned,
    counts_of,
    directions,
    edges_of,
    ends_of,
    examples_of,
    facts_of,
    facts_of_target,
    far_marker,
    identify,
    learn_counts,
    pairs_of_places,
    scales_of_parts,
    with_place,
)

MOST_VALUES = 10_000  # different ones of a column of text: with more it is free text
OF_NUMBERS = ("number", "boolean", "date")
TEXT = ("text", "code")
ENDS = ("low", "next_low", "next_high", "high")


@dataclass(frozen=True, eq=False)
class Numbers:
    """What is known of a column of numbers or times: `n` are those that are not missing.

    The least value is in `at_low` rows, and `next_low` follows it; where all are the same it is that too.
    """

    n: int
    missing: int
    mean: float
    squares: float
    low: float
    high: float
    rising: bool
    first: float
    last: float
    at_low: int
    at_high: int
    next_low: float
    next_high: float
    sketch: Sketch

    @property
    def ends(self) -> tuple[End, End]:
        """The least and the largest value, and between what the others lie."""
        return (
            (self.low, self.at_low, self.next_low, self.high),
            (self.high, self.at_high, self.low, self.next_high),
        )

    @property
    def scale(self) -> float:
        """The standard deviation, 1 where all are the same."""
        return float(np.sqrt(self.squares / self.n)) if self.low < self.high else 1.0


@dataclass(frozen=True)
class Values:
    """How often each value of a column of categories is there; None where there are too many."""

    counts: Mapping[str, int] | None
    missing: int = 0


Summary: TypeAlias = Numbers | Values


def learned(
    folder: Folder,
    name: str,
    task: Task | None = None,
    leave_out: tuple[str, ...] = (),
    na: tuple[str, ...] = (),
) -> Encoding:
    """Learn the encoding of a folder in one pass through all of its rows.

    Parameters
    ----------
    folder : Folder
        The table.
    name : str
        The column to predict.
    task : {"classification", "regression"}, optional
        By default told from the target's values.
    leave_out : tuple of str
        Columns that training never sees.
    na : tuple of str
        What stands for a missing value, beside the usual signs.

    Returns
    -------
    Encoding
        As `tables.learn` does from a table, but for text, which is categories or left out, values of few
        rows, which are rare whatever the target, and quantiles, which are those of a sketch.

    Raises
    ------
    InputError
        For a column that is not there, a target without a value in some row or good for nothing, infinity,
        and where no column is left.
    """
    encoding = _decided(folder, name, task, leave_out, na)
    if not encoding.columns:
        why = "; ".join(encoding.notes) or "there is none besides the target"
        raise InputError(f"no column is left to learn from: {why}")
    return encoding


def described(folder: Folder, name: str | None = None, na: tuple[str, ...] = ()) -> Encoding:
    """Decide about every column of a folder, as for a training on all of its rows.

    Parameters
    ----------
    folder : Folder
        The table.
    name : str, optional
        The column to predict; without it every column is an input.
    na : tuple of str
        As of `learned`.

    Returns
    -------
    Encoding
        Of interest are `facts`, with cells of the first row group, and `notes`.

    Raises
    ------
    InputError
        As of `learned`, but where no column is left.
    """
    encoding = _decided(folder, name, None, (), na)
    shown = [one for one, kind in folder.kinds.items() if kind != "other"]
    head = folder.group(0, shown)
    examples = {
        one: examples_of(head.column(one), is_missing(head.column(one), na)) for one in shown
    }
    facts = [replace(one, examples=examples.get(one.name, ())) for one in encoding.facts]
    return replace(encoding, facts=tuple(facts))


def _decided(
    folder: Folder,
    name: str | None,
    task: Task | None,
    leave_out: tuple[str, ...],
    na: tuple[str, ...],
) -> Encoding:
    """Return the encoding of a folder, of no column as well."""
    kept = [*folder.kinds]
    if name is not None:
        refuse_missing(kept, [name])
        kept = without(pa.table({one: [] for one in kept}), leave_out, name).column_names
    used = {one: folder.kinds[one] for one in kept if folder.kinds[one] not in ("other", "empty")}
    target = Target("", "regression", "number", na=na)
    if name is not None and used.get(name, "date") == "date":
        raise InputError(
            f"target {quoted(name)} holds {HOLDS[folder.kinds[name]]}: a target is text, numbers, true or "
            "false"
        )
    found = summaries(folder, used, na, name or "")
    if name is not None:
        target = _target(name, used[name], found, task, na)
    made: dict[str, Learned] = {}
    for one, kind in folder.kinds.items():
        if one in used:
            made[one] = _column(one, kind, found[one])
        elif one in kept:
            made[one] = Learned(None, f"it holds {HOLDS[kind]}", kind)
        else:
            made[one] = Learned(None, "you asked for that", "left out")
    made.pop(target.name, None)
    notes = [
        f"column {quoted(one)} left out: {learned.reason}"
        if learned.column is None
        else f"column {quoted(one)}: {learned.note}"
        for one, learned in made.items()
        if learned.column is None or learned.note
    ]
    columns = tuple(learned.column for learned in made.values() if learned.column is not None)
    encoding = Encoding(columns, target, (*target.notes, *notes))
    return _with_facts(_with_places(folder, encoding, found), made, [*folder.kinds], found)


def _with_facts(
    encoding: Encoding, made: Mapping[str, Learned], names: list[str], found: Mapping[str, Summary]
) -> Encoding:
    """Return the encoding with what was decided about each column, without examples of its cells."""
    columns = {column.name: column for column in encoding.columns}
    facts = []
    for name in names:
        counts = _missing_and_distinct(found, name)
        if name == encoding.target.name:
            facts.append(facts_of_target(encoding.target, *counts))
        else:
            learned = replace(made[name], column=columns.get(name))
            facts.append(facts_of(name, learned, *counts, note=learned.note))
    return replace(encoding, facts=tuple(with_place(one, encoding) for one in facts))


def _missing_and_distinct(found: Mapping[str, Summary], name: str) -> tuple[int, int | None]:
    """Return how many cells of a column are missing, and how many values differ where they are counted."""
    if name not in found:
        return 0, None
    counts = getattr(found[name], "counts", None)
    return found[name].missing, None if counts is None else len(counts)


CLASSES = "as classes"  # the key of the target's values, beside that of its numbers


def summaries(
    folder: Folder, kinds: Mapping[str, Kind], na: tuple[str, ...], target: str = ""
) -> dict[str, Summary]:
    """Return the summary of each column, merged in a tree over the row groups.

    As in counting in binary: two summaries of 2^k row groups become one of 2^(k + 1), as soon as both are
    there, and what is left at the end is merged from the right. Of several processes each makes whole
    branches of this tree, which all of them then put together.
    """
    return _in_tree(folder, lambda at: _of_group(folder, at, kinds, na, target))


def _in_tree(folder: Folder, of_group: Callable[[int], dict[str, Summary]]) -> dict[str, Summary]:
    """Return summaries of row groups, merged in a tree, see `summaries`."""
    processes = joined()
    count, n = processes.count, len(folder.groups)
    size = 1 << max(0, (n // (4 * count)).bit_length() - 1)  # row groups of a branch

    def own() -> list[_Branch]:
        branches = []
        for first in range(processes.index * size, n, count * size):
            waiting: list[tuple[int, dict[str, Summary]]] = []
            for at in range(first, min(first + size, n)):
                _add(waiting, 0, of_group(at))
            branches.append((first, [(level, _to_json(part)) for level, part in waiting]))
        return branches

    waiting: list[tuple[int, dict[str, Summary]]] = []
    for _, parts in sorted(chain(*processes.done(own)), key=itemgetter(0)):
        for level, part in parts:
            _add(waiting, level, _from_json(part))
    found = waiting.pop()[1]
    while waiting:
        found = _both(waiting.pop()[1], found)
    return found


# Its first row group, and the summaries in it that wait for others, as JSON: of 2^level row groups each.
_Branch: TypeAlias = tuple[int, list[tuple[int, dict[str, Any]]]]


def _to_json(found: dict[str, Summary]) -> dict[str, Any]:
    """Return summaries as they go to other processes, to the last bit."""
    return {
        name: vars(one) | {"sketch": [one.sketch.points.tolist(), one.sketch.weights.tolist()]}
        if isinstance(one, Numbers)
        else vars(one)
        for name, one in found.items()
    }


def _from_json(about: dict[str, Any]) -> dict[str, Summary]:
    return {
        name: Numbers(**one | {"sketch": Sketch(*map(np.array, one["sketch"]))})
        if "sketch" in one
        else Values(**one)
        for name, one in about.items()
    }


def _add(
    waiting: list[tuple[int, dict[str, Summary]]], level: int, here: dict[str, Summary]
) -> None:
    """Add a summary of 2^level row groups to those that wait, and merge it with all that it makes even."""
    while waiting and waiting[-1][0] == level:
        here, level = _both(waiting.pop()[1], here), level + 1
    waiting.append((level, here))


def _of_group(
    folder: Folder, at: int, kinds: Mapping[str, Kind], na: tuple[str, ...], target: str
) -> dict[str, Summary]:
    table, first = folder.group(at, [*kinds]), folder.groups[at].first
    found: dict[str, Summary] = {}
    for name, kind in kinds.items():
        column = table.column(name)
        if kind in OF_NUMBERS:
            if kind == "date":
                values, _ = read_dates(column, DateForm(), na)
            else:
                values, _, _ = read_numbers(column, kind, na=na)
            refuse_infinity(values, name, first)
            found[name] = _of_numbers(values)
        else:
            found[name] = _of_values(texts(column, na))
        if name == target:
            _refuse_missing(found[name], name, folder, at)
            if kind == "number":
                found[CLASSES] = _of_values(pa.array(values).cast(pa.large_string()))
    return found


def _refuse_missing(found: Summary, name: str, folder: Folder, at: int) -> None:
    if found.missing:
        group = folder.groups[at]
        raise InputError(
            f"target {quoted(name)} has no value in {found.missing:,} of the rows {group.first} to "
            f"{group.first + group.rows - 1} (from 0), of {group.path.name}: in a folder every row needs "
            "one, leave such rows out"
        )


def _of_numbers(values: Array) -> Numbers:
    known = values[~np.isnan(values)]
    n = len(known)
    if not n:
        return Numbers(
            0, len(values), 0.0, 0.0, 0.0, 0.0, True, 0.0, 0.0, 0, 0, 0.0, 0.0, sketch.sketch_of(known)
        )  # fmt: skip
    mean = float(known.sum() / n)
    gaps = known - mean
    squares = float((gaps**2).sum() - gaps.sum() ** 2 / n)
    (low, at_low, next_low, _), (high, at_high, _, next_high) = ends_of(known)
    if low == high:
        next_low = next_high = low
    return Numbers(
        n, len(values) - n, mean, squares, low, high, bool((np.diff(known) > 0).all()), float(known[0]),
        float(known[-1]), at_low, at_high, next_low, next_high, sketch.sketch_of(known),
    )  # fmt: skip


def _of_values(cells: Any) -> Values:
    found = counts_of(cells)
    return Values(found if len(found) <= MOST_VALUES else None, cells.null_count)


def _both(one: dict[str, Summary], other: dict[str, Summary]) -> dict[str, Summary]:
    return {name: merged(one[name], other[name]) for name in one}


def merged(one: Any, other: Any) -> Summary:
    """Return the summary of the rows of two, of which the first stand before the others."""
    missing = one.missing + other.missing
    if isinstance(one, Values):
        if one.counts is None or other.counts is None:
            return Values(None, missing)
        counts = Counter(one.counts)
        counts.update(other.counts)
        return Values(counts if len(counts) <= MOST_VALUES else None, missing)
    if not one.n or not other.n:
        return replace(one if one.n else other, missing=missing)
    n, gap = one.n + other.n, other.mean - one.mean
    low, high = min(one.low, other.low), max(one.high, other.high)
    values = [getattr(part, name) for part in (one, other) for name in ENDS]
    return Numbers(
        n,
        missing,
        one.mean + gap * (other.n / n),
        one.squares + other.squares + gap**2 * (one.n * (other.n / n)),
        low,
        high,
        one.rising and other.rising and one.last < other.first,
        one.first,
        other.last,
        one.at_low * (one.low == low) + other.at_low * (other.low == low),
        one.at_high * (one.high == high) + other.at_high * (other.high == high),
        min((value for value in values if value > low), default=low),
        max((value for value in values if value < high), default=high),
        sketch.merged(one.sketch, other.sketch),
    )


# ── from summaries to columns ────────────────────────────────────────────────────────────────────────


def _target(
    name: str, kind: Kind, found: Mapping[str, Summary], task: Task | None, na: tuple[str, ...]
) -> Target:
    """Return the target: of classes every value, of numbers mean and standard deviation.

    It is chosen by what chooses it for a table, from a few rows that have all its values.
    """
    of = found[name]
    values = found.get(CLASSES, of)
    if isinstance(values, Values):
        if values.counts is not None:
            counts = [*values.counts.values()]
            # Of text so varied that it may be no classes the rows are counted.
            times: Any = counts if kind in TEXT and sum(counts) < 6 * len(counts) else 6
            cells = np.repeat([*values.counts], times).tolist()
            column = pa.array(cells, pa.large_string())
            if kind == "number":
                column = column.cast(pa.float64())
        elif isinstance(of, Numbers) and task != "classification":
            task, column = "regression", pa.array([of.low, of.high])
        else:
            raise InputError(
                f"target {quoted(name)} has more than {MOST_VALUES:,} different values, no classes: "
                "choose another column"
            )
    else:
        assert isinstance(of, Numbers), "true and false are read as numbers"
        column = pa.array([of.low > 0, of.high > 0] * 6)  # true and false
    _, target = choose_target(pa.table({name: column}), name, task, na=na)
    if target.task == "classification":
        return target
    assert isinstance(of, Numbers), "only numbers are left"
    return replace(target, center=of.mean, scale=of.scale, notes=())


def _column(name: str, kind: Kind, found: Summary) -> Learned:
    """Return how a column is encoded, or why it is of no use."""
    if isinstance(found, Values):
        if found.counts is None:
            why = f"free text, more than {MOST_VALUES:,} different values"
            return Learned(None, why, "free text")
        return learn_counts(found.counts, found.missing, name)
    if not found.n:
        return Learned(None, "it has no value in any row", "empty")
    flagged = found.missing > 0
    if found.low == found.high and not flagged:
        return Learned(None, f"it is {found.low:g} in every row", "always the same")
    points = found.sketch.evenly()
    if kind == "date":
        ends = np.concatenate([[found.low], points, [found.high]])
        parts = parts_of(ends) or ("hour",)
        centers, widths = scales_of_parts(parts, calendar(points))
        fill = found.sketch.quantile(0.5)
        date = DateColumn(name, "date", DateForm(), parts, centers, widths, fill, flagged)
        return Learned(date, kind="date")
    known = np.concatenate([[found.low], points, [found.high]])
    whole = kind == "number" and bool((known == np.rint(known)).all())
    if whole and found.rising and not flagged and identify(known, found.n, name, in_order=True):
        return Learned(None, "it rises from row to row, as numbers of rows do", "identifier")
    fill = found.sketch.quantile(0.5)
    made = NumberColumn(name, kind, *_with_fill(found, fill), fill, flagged)
    said = "true/false" if kind == "boolean" else "number"
    return Learned(made, kind=said, note=far_marker(found.ends))


def _with_places(folder: Folder, encoding: Encoding, found: Mapping[str, Summary]) -> Encoding:
    """Return the encoding with latitudes and longitudes in pieces, and along four other directions.

    What lies along these takes a second pass, through the columns of places alone.
    """
    numbers = {
        column.name: column
        for column in encoding.columns
        if isinstance(column, NumberColumn) and column.kind == "number"
    }
    bins = recommended(folder.rows, len(numbers), len(encoding.classes)).bins
    cut = {
        name: _in_pieces(numbers[name], found[name], bins)
        for pair in pairs_of_places([*numbers])
        for name in pair
    }
    pieces = replace(encoding, columns=tuple(cut.get(c.name, c) for c in encoding.columns))
    of = dict(directions(pieces, lambda name: _of(found[name]).mean))
    if not of:
        return encoding
    names = {name for factors in of.values() for name, _ in factors}

    def of_group(at: int) -> dict[str, Summary]:
        table = folder.group(at, [*names])
        read = {name: cut[name].read(table.column(name), encoding.target.na) for name in names}
        return {said: _of_numbers(along(read, factors)) for said, factors in of.items()}

    turned = []
    for said, one in _in_tree(folder, of_group).items():
        seen = _in_pieces(NumberColumn(said, "number"), one, bins)
        turned.append(TurnedColumn(said, of[said], seen.center, seen.scale, seen.edges))
    columns = tuple(cut[c.name] if c.name in names else c for c in encoding.columns)
    return replace(encoding, columns=columns, turned=tuple(one for one in turned if one.edges))


def _in_pieces(column: NumberColumn, found: Summary, bins: int) -> NumberColumn:
    """Return a column of numbers with the edges of bins, those of `learn` up to the sketch's quantiles."""
    numbers = _of(found)
    edges = edges_of(numbers.sketch.evenly(), bins)
    if not edges:
        return column
    edges = (numbers.low, *edges[1:-1], numbers.high)
    return replace(column, center=numbers.mean, scale=numbers.scale, edges=edges)


def _of(found: Summary) -> Numbers:
    assert isinstance(found, Numbers), "a column of numbers has a summary of numbers"
    return found


def _with_fill(found: Numbers, fill: float) -> tuple[float, float]:
    """Return center and scale of a column in which `fill` stands where a value is missing."""
    if not found.missing:
        return found.mean, found.scale
    same = replace(_of_numbers(np.array([fill])), n=found.missing)
    both = merged(replace(found, missing=0), same)
    assert isinstance(both, Numbers), "of two it is one"
    return both.mean, both.scale
