"""The column to predict: classes or numbers, told from its values, and the way back from outputs.

Classes become one-hot rows, two classes a single column of zeros and ones. Numbers are standardised,
y = (value − center) / scale, and handed back in their own units.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError, nearest
from whygrad.nn.arrays import one_hot
from whygrad.nn.functions import Array
from whygrad.tables.columns import (
    HOLDS,
    Kind,
    check_table,
    described,
    find,
    index_of,
    kind_of,
    kind_of_categories,
    meant,
    missing,
    nearest_name,
    quoted,
    refuse_infinity,
    texts,
    to_float,
)

Task: TypeAlias = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")

MOST_WHOLE_NUMBERS = 20  # more distinct whole numbers than this are quantities, not classes
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
    threshold: float = field(default=0.5, compare=False)

    @property
    def n_outputs(self) -> int:
        """The number of outputs n_L: 1 for numbers and for two classes, else one per class."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def present(self, table: Any) -> Array:
        """Return for each row whether it has a value of the target, (n,)."""
        return ~missing(self._column(table))

    def observed(self, table: Any, start: int = 0) -> Array:
        """Return the target as `decode` does, (n,): labels, or numbers in their own units."""
        if self.task == "regression":
            return self._numbers(table, start)
        return np.asarray(self.classes)[self.indices(table, start)]

    def indices(self, table: Any, start: int = 0) -> Array:
        """Return the index in `classes` of each row's class, (n,) int64."""
        column = self._column(table)
        if self.kind == "number":
            values = to_float(column)
            known = np.array(self.classes, dtype=np.float64)
            index = np.minimum(np.searchsorted(known, values), len(known) - 1)
            index = np.where(known[index] == values, index, -1)
        elif self.kind == "boolean":
            index = np.where(np.isnan(to_float(column)), -1, to_float(column) != 0).astype(np.int64)
        else:
            index = index_of(column, self.classes)
        if (index < 0).any():
            row = int(np.argmax(index < 0))
            value, labels = str(column[row].as_py()), [str(label) for label in self.classes]
            raise InputError(
                f"target {quoted(self.name)} is {quoted(value)} in row {start + row + 1}, which is no "
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
        values = to_float(self._column(table))
        if np.isnan(values).any():
            row = start + int(np.argmax(np.isnan(values))) + 1
            raise InputError(
                f"target {quoted(self.name)} has no value in row {row}: leave such rows out"
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
        numeric = ("number", "boolean", "empty")
        fits = kind in numeric if self.kind in numeric else kind in ("text", "code", "empty")
        if not fits and not (self.kind == "code" and kind == "number"):
            raise InputError(
                f"target {quoted(self.name)} holds {HOLDS[kind]}, in training it held "
                f"{HOLDS[self.kind]}"
            )
        return column


def choose_target(table: Any, name: str, task: Task | None = None) -> tuple[Any, Target]:
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
    column = find(table, name)
    kind = kind_of(column)
    if kind in ("date", "other"):
        raise InputError(
            f"target {quoted(name)} holds {described(column)}: a target is text, true and false, or numbers"
        )
    notes = []
    gone = missing(column)
    if gone.all():
        raise InputError(f"target {quoted(name)} has no value in any row: choose another column")
    if gone.any():
        notes.append(f"{_rows(int(gone.sum()))} left out: no value in the target {quoted(name)}")
        table = table.filter(pa.array(~gone))
        column = find(table, name)
    labels, told = _labels(column, kind, name, task)
    if len(labels) == 1:
        raise InputError(
            f"target {quoted(name)} is {quoted(str(labels[0]))} in every row: there is nothing to learn, "
            "choose another column"
        )
    if told == "regression":
        if kind not in ("number", "boolean"):
            raise InputError(f"target {quoted(name)} holds {HOLDS[kind]}: regression needs numbers")
        notes += far_values(to_float(column), np.flatnonzero(~gone), name)
        return table, Target(name, "regression", kind, notes=tuple(notes))
    if len(labels) == table.num_rows:
        raise InputError(
            f"target {quoted(name)} is different in every row: it cannot be learned as classes, choose "
            "another column" + (" or the task 'regression'" if kind == "number" else "")
        )
    if len(labels) > MOST_CLASSES:
        raise InputError(
            f"target {quoted(name)} has {len(labels)} classes, at most {MOST_CLASSES} can be learned: "
            "choose another column" + (" or the task 'regression'" if kind == "number" else "")
        )
    if kind == "number" and task is None:
        notes.append(
            f"target {quoted(name)}: {len(labels)} different whole numbers, taken as classes "
            "(the task 'regression' takes them as numbers)"
        )
    if kind == "text":
        kind = kind_of_categories(str(label) for label in labels)
    return table, Target(name, "classification", kind, labels, notes=tuple(notes))


def _labels(
    column: Any, kind: Kind, name: str, task: Task | None
) -> tuple[tuple[Label, ...], Task]:
    """Return the distinct values in order, and the task they suggest or that was asked for."""
    if kind in ("text", "code"):
        labels = tuple(sorted(pc.unique(texts(column)).to_pylist()))
        return labels, task or "classification"
    values = to_float(column)
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
        return []
    shown = " and ".join(
        f"{float(values[i])!r} in row {rows[i] + 1}".replace(".0 in", " in") for i in indices[:3]
    )
    more = f" and {len(indices) - 3} more" if len(indices) > 3 else ""
    return [
        f"target {quoted(name)} is {shown}{more}, {ratio:,.0f} times the range of all other values away "
        "from them: correct that if it is a mistake, since squared errors and R² follow such values alone"
    ]


def _numbers_the_rows(values: Array, name: str) -> bool:
    """Return whether whole numbers count the rows, in whatever order."""
    steps = np.diff(np.sort(values))
    return len(values) > 3 and bool((steps == 1).all())


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
