"""The column to predict: classes or numbers, told from its values, and the way back from outputs.

Classes become one-hot rows, two classes a single column of zeros and ones. Numbers are standardised,
y = (value − center) / scale, and handed back in their own units.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError, nearest, row_of
from whygrad.nn.arrays import one_hot
from whygrad.nn.functions import Array
from whygrad.tables.cells import Oddities, is_missing, no_number, read_numbers
from whygrad.tables.columns import (
    HOLDS,
    Kind,
    cells,
    check_table,
    described,
    find,
    index_of,
    is_number,
    kind_of,
    kind_of_categories,
    meant,
    nearest_name,
    quoted,
    refuse_infinity,
    texts,
    too_large,
)
from whygrad.tables.dates import NUMERIC, DateForm
from whygrad.tables.decisions import Decision, check_types, decide
from whygrad.tables.spellings import MOST, canonical, merged, merging_note
from whygrad.tables.written_numbers import ALL_BUT_A_FEW, OF_THE_FILE, PLAIN_FORM, NumberForm

Task: TypeAlias = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")

MOST_WHOLE_NUMBERS = 20  # more distinct whole numbers than this are quantities, not classes
FEW = 20  # classes that may be as many as they like
MOST_CLASSES = 1000  # more are refused: an output for each would drown the rest

Label: TypeAlias = str | int | float | bool


@dataclass(frozen=True)
class Target:
    """The column to predict, the task, and how its values become outputs.

    Parameters
    ----------
    name : str
        The column.
    task : {"classification", "regression"}
        What is predicted.
    kind : Kind
        What the column holds.
    classes : tuple of labels
        The labels in order, () for numbers.
    center, scale : float
        Mean and standard deviation of numbers in the training rows; 0 and 1 of classes.
    notes : tuple of str
        Lines for the user, about rows left out and values far from all others.
    form : NumberForm
        How its numbers are written, where they are text.
    spellings : tuple of (str, str)
        Keys of classes that are known in other spellings too, see `spellings.merged`.
    na : tuple of str
        What stands for a missing value in the whole table, beside the usual signs.
    threshold : float
        Of two classes the second is predicted where its probability is above this.
    """

    name: str
    task: Task
    kind: Kind
    classes: tuple[Label, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    notes: tuple[str, ...] = field(default=(), compare=False)
    form: NumberForm = field(default=PLAIN_FORM, compare=False)
    spellings: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    na: tuple[str, ...] = ()
    threshold: float = field(default=0.5, compare=False)

    @property
    def n_outputs(self) -> int:
        """The number of outputs n_L: 1 for numbers and for two classes, else one per class."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def present(self, table: Any) -> Array:
        """Return for each row whether it has a value of the target, (n,)."""
        return self.look(table)[0]

    def look(self, table: Any) -> tuple[Array, Array]:
        """Return for each row whether it has a value of the target, and whether something else is there."""
        column = self._column(table)
        if self.kind in ("number", "boolean"):
            values, odd, _ = read_numbers(column, self.kind, self.form, self.na)
            odd = odd | too_large(values)
            return ~(odd | np.isnan(values)), odd
        present = ~is_missing(column, self.na)
        if self.classes:  # a class may be called like a sign that is missing elsewhere
            present |= self._index_of(column) >= 0
        return present, np.zeros(len(present), bool)

    def _index_of(self, column: Any) -> Array:
        return index_of(canonical(cells(column), dict(self.spellings)), self.classes)

    def observed(self, table: Any, start: int = 0) -> Array:
        """Return the target as `decode` does, (n,): labels, or numbers in their own units."""
        if self.task == "regression":
            return self._numbers(table, start)
        return np.asarray(self.classes)[self.indices(table, start)]

    def indices(self, table: Any, start: int = 0) -> Array:
        """Return the index in `classes` of each row's class, (n,) int64."""
        column = self._column(table)
        if self.kind == "number":
            values, _, _ = read_numbers(column, self.kind, self.form, self.na)
            known = np.array(self.classes, dtype=np.float64)
            index = np.minimum(np.searchsorted(known, values), len(known) - 1)
            index = np.where(known[index] == values, index, -1)
        elif self.kind == "boolean":
            values, _, _ = read_numbers(column, self.kind, self.form, self.na)
            index = np.where(np.isnan(values), -1, values != 0).astype(np.int64)
        else:
            index = self._index_of(column)
        if (index < 0).any():
            row = int(np.argmax(index < 0))
            value, labels = str(column[row].as_py()), [str(label) for label in self.classes]
            raise InputError(
                f"target {quoted(self.name)} is {quoted(value)} in {row_of(start + row)}, which is no "
                f"class of training: {nearest_name(value, labels)}"
            )
        return index

    def targets(self, table: Any, start: int = 0) -> Array:
        """Return Y, (n, n_L), float64."""
        if self.task == "regression":
            return ((self._numbers(table, start) - self.center) / self.scale)[:, None]
        index = self.indices(table, start)
        if self.n_outputs == 1:
            return index[:, None].astype(np.float64)
        return one_hot(index, self.n_outputs)

    def decode(self, outputs: Array) -> Array:
        """Return outputs a[L], (n, n_L), as labels, or as numbers in their own units, (n,)."""
        if self.task == "regression":
            return outputs[:, 0].astype(np.float64) * self.scale + self.center
        if self.n_outputs == 1:
            return np.asarray(self.classes)[(outputs[:, 0] > self.threshold).astype(np.int64)]
        return np.asarray(self.classes)[outputs.argmax(axis=1)]

    def probabilities(self, outputs: Array) -> Array:
        """Return outputs, (n, n_L), as probabilities, one column per class, (n, len(classes))."""
        if self.task == "regression":
            raise InputError(
                f"target {quoted(self.name)} holds numbers: there are no probabilities"
            )
        return np.hstack([1 - outputs, outputs]) if self.n_outputs == 1 else outputs

    def _numbers(self, table: Any, start: int) -> Array:
        values, _, _ = read_numbers(self._column(table), self.kind, self.form, self.na)
        if np.isnan(values).any():
            row = start + int(np.argmax(np.isnan(values)))
            raise InputError(
                f"target {quoted(self.name)} has no value in {row_of(row)}: leave such rows out"
            )
        refuse_infinity(values, self.name, start)
        return values

    def _column(self, table: Any) -> Any:
        names = table.schema.names
        if self.name not in names:
            raise InputError(
                f"no column {quoted(self.name)}, the target: {nearest_name(self.name, names)}"
            )
        column = find(table, self.name)
        kind = kind_of(column)
        numeric = ("number", "boolean")
        words = ("text", "code", "empty")
        fits = kind in words or (kind in numeric and self.kind in (*numeric, "code"))
        if not fits:
            raise InputError(
                f"target {quoted(self.name)} holds {HOLDS[kind]}, in training it held "
                f"{HOLDS[self.kind]}"
            )
        return column


def target_from_dict(about: Mapping[str, Any]) -> Target:
    """Return the target that JSON has stored; what an older version did not write has its default."""
    known = {name: tuple(about[name]) for name in ("classes", "notes")}
    known["na"] = tuple(about.get("na", ()))
    known["spellings"] = tuple((key, value) for key, value in about.get("spellings", ()))
    form = NumberForm(**about.get("form", vars(OF_THE_FILE)))
    return Target(**(dict(about) | known | {"form": form}))


def choose_target(
    table: Any,
    name: str,
    task: Task | None = None,
    types: Mapping[str, str] | None = None,
    na: Collection[str] = (),
) -> tuple[Any, Target]:
    """Return the rows of a table that have a value of the target, and the target.

    Text, truth values and few distinct whole numbers are classes, all else are numbers.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    name : str
        The column to predict.
    task : {"classification", "regression"}, optional
        Overrides what the values suggest.
    types : mapping of str to {"number", "category", "date", "leave-out"}, optional
        What the user says that columns are; of the target a number or categories.
    na : collection of str
        What stands for a missing value, beside the usual signs.

    Returns
    -------
    table : pyarrow.Table
        The rows with a value of the target.
    target : Target
        The column and its labels.

    Raises
    ------
    InputError
        For a table that cannot be used (duplicate names, infinity), and for a target that does not exist
        (with the nearest name), holds neither numbers nor text, has no value or one only, or, as classes, a
        new one in every row.

    Examples
    --------
    >>> table = pa.table({"rooms": [3, 4, 5], "town": ["A", None, "B"], "rent": [1.0, 2.5, None]})
    >>> rows, target = choose_target(table, "rent")
    >>> rows.num_rows, target.task
    (2, 'regression')
    """
    if task is not None and task not in TASKS:
        raise InputError(f"unknown task {task!r}: {nearest(str(task), TASKS)}")
    names = table.schema.names
    name = meant(name, names)
    if name not in names:
        raise InputError(f"no column {quoted(name)} to predict: {nearest_name(name, names)}")
    check_table(table)
    asked = check_types(types or {}, names).get(name)
    if asked in ("date", "leave-out"):
        raise InputError(f"column {quoted(name)} is to be predicted: it cannot be of type {asked}")
    column = find(table, name)
    task = task or ("classification" if asked == "category" else None)
    decision = _decided(column, name, task, asked, na)
    kind = decision.kind
    if kind in ("date", "other"):
        what = HOLDS["date"] if kind == "date" else described(column)
        raise InputError(
            f"target {quoted(name)} holds {what}: a target is text, true and false, or numbers"
        )
    about = Target(name, "regression", kind, form=decision.number, na=tuple(na))
    notes = []
    present, odd = about.look(table)
    if not present.any():
        raise InputError(f"target {quoted(name)} has no value in any row: choose another column")
    if (count := int((~present & ~odd).sum())) > 0:
        notes.append(f"{_rows(count)} left out: no value in the target {quoted(name)}")
    if odd.any():
        notes.append(_odd(column, odd, about))
    if not present.all():
        table = table.filter(pa.array(present))
        column = find(table, name)
    spellings, merging = _spelled(column, kind)
    notes += [f"target {quoted(name)}: {merging}"] if merging else []
    labels, told = _labels(column, about, spellings, task)
    if len(labels) == 1:
        raise InputError(
            f"target {quoted(name)} is {quoted(str(labels[0]))} in every row: there is nothing to learn, "
            "choose another column"
        )
    if decision.unclear:
        notes.append(f"target {quoted(name)}: {decision.unclear}")
    if told == "regression":
        if kind not in ("number", "boolean"):
            raise InputError(f"target {quoted(name)} holds {HOLDS[kind]}: regression needs numbers")
        values, _, _ = read_numbers(column, kind, about.form, na)
        notes += far_values(values, np.flatnonzero(present), name)
        return table, replace(about, notes=tuple(notes))
    numeric = kind == "number" or (sum(is_number(str(one)) for one in labels) > 0.75 * len(labels))
    if len(labels) == table.num_rows:
        raise InputError(
            f"target {quoted(name)} is different in every row: it cannot be learned as classes, choose "
            "another column" + (" or the task 'regression'" if numeric else "")
        )
    if kind == "text" and task is None and len(labels) > max(FEW, table.num_rows // 3):
        example, rows = quoted(str(labels[0])), f"{table.num_rows:,} rows"
        raise InputError(
            f"target {quoted(name)} holds text of {len(labels):,} different values in {rows}, such as "
            f"{example}: these are not numbers in one form, and too many to be classes; choose another "
            "column, or give the task 'classification' or the type 'number'"
        )
    if len(labels) > MOST_CLASSES:
        raise InputError(
            f"target {quoted(name)} has {len(labels):,} classes, at most {MOST_CLASSES:,} can be learned: "
            "choose another column" + (" or the task 'regression'" if numeric else "")
        )
    if kind == "number" and task is None:
        notes.append(
            f"target {quoted(name)}: {len(labels):,} different whole numbers, taken as classes "
            "(the task 'regression' takes them as numbers)"
        )
    if kind == "text":
        kind = kind_of_categories(str(label) for label in labels)
    return table, replace(
        about,
        task="classification",
        kind=kind,
        classes=labels,
        notes=tuple(notes),
        spellings=spellings,
    )


def _decided(
    column: Any, name: str, task: Task | None, asked: Any, na: Collection[str]
) -> Decision:
    """Return how the target is read: numbers are numbers, whatever else they could be as an input.

    A bound such as >50 is no value that could be learned: with more than a few of them there are classes.
    """
    found = _decided_with_bounds(column, name, task, asked, na)
    if not found.number.bounds:
        return found
    exact = replace(found, form=replace(found.number, bounds=False), values=None)
    values, _, _ = read_numbers(column, "number", exact.number, na)
    known = texts(column, na)
    few = np.isfinite(values).sum() >= ALL_BUT_A_FEW * (len(known) - known.null_count)
    return exact if few or asked == "number" or task == "regression" else Decision("text")


def _decided_with_bounds(
    column: Any, name: str, task: Task | None, asked: Any, na: Collection[str]
) -> Decision:
    """Return how a column that is to be predicted is read, with bounds as an input has them."""
    kind = kind_of(column)
    if kind == "boolean":
        return Decision("boolean")
    if kind == "number":
        return decide(column, name, "number", na, single=True)
    if asked is not None:
        return decide(column, name, asked, na, single=True)
    found = decide(column, name, None, na, single=True)
    if task == "regression" and found.kind in ("code", "text"):
        with suppress(InputError):  # else it is refused for what it holds
            return decide(column, name, "number", na, single=True)
    if found.kind == "date" and isinstance(found.form, DateForm) and found.form.form in NUMERIC:
        return decide(column, name, "number", na, single=True)
    return found


def _odd(column: Any, odd: Array, about: Target) -> str:
    """Return the note on cells of a numeric target that are no numbers: their rows are left out."""
    met = Oddities()
    met.add(about.name, "odd", odd, column)
    found = met.said(about.name, "odd")
    assert found is not None, "some cells are odd"
    written = "" if about.form == PLAIN_FORM else f" ({about.form.described})"
    return (
        f"{_rows(found[0])} left out: the target {quoted(about.name)} is "
        f"{no_number(found[2])}{written} in {found[1]}, {found[2]}"
    )


def _spelled(column: Any, kind: Kind) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the spellings of classes that are text, and what is to be said of those merged."""
    if kind not in ("text", "code"):
        return (), ""
    counts = pc.value_counts(cells(column))
    if len(counts) > MOST:
        return (), ""
    found = dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))
    found.pop(None, None)
    spellings = merged(found)
    return tuple(spellings.items()), merging_note(found, spellings)


def _labels(
    column: Any, about: Target, spellings: tuple[tuple[str, str], ...], task: Task | None
) -> tuple[tuple[Label, ...], Task]:
    """Return the distinct values in order, and the task they suggest or that was asked for."""
    name, kind = about.name, about.kind
    if kind in ("text", "code"):
        found = pc.unique(canonical(texts(column, about.na), dict(spellings)))
        labels = tuple(sorted(found.drop_null().to_pylist()))
        return labels, task or "classification"
    values, _, _ = read_numbers(column, kind, about.form, about.na)
    refuse_infinity(values, name)
    distinct = np.unique(values)
    if kind == "boolean":
        return tuple(bool(v) for v in distinct), task or "classification"
    whole = bool((distinct == np.rint(distinct)).all())
    few = len(distinct) <= min(MOST_WHOLE_NUMBERS, max(3, len(values) // 5))
    told: Task = task or ("classification" if whole and few else "regression")
    if told == "regression":
        if task is None and whole and _numbers_the_rows(values, name):
            raise InputError(
                f"target {quoted(name)} numbers the rows, every one is different: choose another column, "
                "or the task 'regression'"
            )
        return tuple(float(v) for v in distinct[:2]), told
    return tuple(int(v) if whole else float(v) for v in distinct), told


FAR = 10  # times the range of all other values


def far_outside(values: Array) -> tuple[Array, float]:
    """Return the indices of values far from all others, and how many ranges of these; else ([], 0).

    Far are some few values, one in a hundred or of small tables up to three, of which each lies more than
    ten times as far from all others as these are apart, the largest from the smallest. A ratio of
    differences does not depend on unit or origin. Nothing is supposed about the distribution: normal and
    exponential values never come near it, and of tables of log-normal ones (σ = 1) fewer than one in a
    thousand. Where heavier tails do, the note is as true: in a sum of squares about the middle each
    such value weighs as much as 400 of the others or more. A value that more than half of the rows have,
    such as 0, counts once: the others alone tell what is common.
    """
    order = np.argsort(values, kind="stable")
    middle = values[order[len(order) // 2]]
    common = values[order] == middle
    if 2 * common.sum() > len(values):
        common[np.argmax(common)] = False
        order = order[~common]
    n, v = len(order), values[order]
    for far in range(min(1000, max(n // 100, min(3, n // 20))), 0, -1):
        first = np.arange(far + 1)  # of the n - far others, which are next to one another
        last = first + n - far - 1
        spread = v[last] - v[first]
        below = np.where(first > 0, v[first] - v[np.maximum(first - 1, 0)], np.inf)
        above = np.where(last < n - 1, v[np.minimum(last + 1, n - 1)] - v[last], np.inf)
        gap = np.minimum(below, above)
        alone = (spread > 0) & (gap > FAR * spread)
        if alone.any():
            i = int(np.argmax(alone))
            outside = np.concatenate([order[:i], order[i + n - far :]])
            return np.sort(outside), float(gap[i] / spread[i])
    return order[:0], 0.0


def far_values(values: Array, rows: Array, name: str) -> list[str]:
    """Return a note on values of a target far from all others; `rows` are their row numbers, from 0."""
    indices, ratio = far_outside(values)
    if not len(indices):
        return _slips(values, rows, name)
    places = [row_of(rows[indices[0]]), *(f"row {rows[i]}" for i in indices[1:3])]
    shown = " and ".join(
        f"{float(values[i])!r} in {place}".replace(".0 in", " in")
        for i, place in zip(indices, places, strict=False)
    )
    more = f" and {len(indices) - 3} more" if len(indices) > 3 else ""
    return [
        f"target {quoted(name)} is {shown}{more}, {ratio:,.0f} times the range of all other values away "
        "from them: correct that if it is a mistake, since squared errors and R² follow such values alone"
    ]


SLIP = 1e6  # times the median: no unit is that wrong by accident


def _slips(values: Array, rows: Array, name: str) -> list[str]:
    """Return a note on values a million times the median, of which there are few."""
    size = np.abs(values)
    median = float(np.median(size))
    large = np.flatnonzero(size > SLIP * median)
    if not median or not len(large) or len(large) > max(3, len(values) // 100):
        return []
    first = int(large[0])
    more = f" and in {_rows(len(large) - 1)} more" if len(large) > 1 else ""
    return [
        f"target {quoted(name)} is {values[first]:g} in {row_of(rows[first])}{more}, more than a million "
        f"times the median, {median:g}: correct that if it is a mistake"
    ]


def _numbers_the_rows(values: Array, name: str) -> bool:
    """Return whether whole numbers count the rows, in whatever order."""
    steps = np.diff(np.sort(values))
    return len(values) > 3 and bool((steps == 1).all())


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
