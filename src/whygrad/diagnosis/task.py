"""What the targets ask for: one of several classes, several labels, or numbers; and how well outputs do it.

    classes   the share of rows told right      a row's loss: Σ (p − y)² / 2, with p of 0 … 1
    labels    the share of labels told right    the mean of (p − y)²
    numbers   R², not below 0                   (a − y)² by the targets' variance, the mean over columns

Losses of rows are what trainings are compared by: they are bounded, or of the targets' own size.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from whygrad.nn import Array

Kind = Literal["classes", "labels", "numbers"]

LEARNED = 0.1  # above the share of the largest class
MOST_CLASSES = 0.5  # of the rows: with more distinct numbers than this share they are measurements


@dataclass(frozen=True, eq=False)
class Task:
    """What the targets ask for.

    Parameters
    ----------
    kind : {"classes", "labels", "numbers"}
    Y : ndarray of shape (n, K)
        The targets in the form that the task asks for: rows of 0 and 1 that sum to 1 (or one column of 0
        and 1 for two classes), columns of 0 and 1, or numbers.
    values : ndarray or None
        Where one column told the classes: its distinct values, in order.
    """

    kind: Kind
    Y: Array
    values: Array | None = None

    @property
    def by_number(self) -> bool:
        """Whether one column told more than two classes, by their numbers."""
        return self.values is not None and len(self.values) > 2

    @property
    def classes(self) -> Array:
        """The class of each row, (n,), where the targets ask for classes."""
        if self.Y.shape[1] > 1:
            return self.Y.argmax(axis=1)
        return (self.Y[:, 0] > 0.5).astype(int)


def task_of(Y: Any, outputs: int, probabilities: bool) -> Task:
    """Return what targets ask for, as they come.

    Parameters
    ----------
    Y : array-like of shape (n, K) or (n,)
        The targets.
    outputs : int
        How many units the output layer has.
    probabilities : bool
        Whether the cost or the outputs are those of probabilities: a column of few whole numbers is one
        of classes then, and of numbers otherwise.
    """
    Y = np.asarray(Y, dtype=float)
    Y = Y.reshape(len(Y), -1)
    binary = bool(np.isin(Y, (0, 1)).all())
    if Y.shape[1] > 1:
        one = np.allclose(Y.sum(axis=1), 1) and (Y >= 0).all()
        return Task("classes" if one else "labels" if binary else "numbers", Y)
    values = np.unique(Y)
    if binary and (len(values) == 2 or probabilities):  # of which all rows may be of one class
        return Task("classes", Y, np.array([0.0, 1.0]))
    if len(values) == 2 and (values == (-1, 1)).all():
        return Task("classes", (Y + 1) / 2, values)
    few = 2 < len(values) <= max(3, MOST_CLASSES * len(Y))
    steps = np.diff(values)
    even = few and np.allclose(steps, steps[0])
    if even and (outputs > 1 or (probabilities and (values == np.rint(values)).all())):
        return Task("classes", np.eye(len(values))[np.searchsorted(values, Y[:, 0])], values)
    return Task("numbers", Y)


def drawn(task: Task, seed: int) -> Array:
    """Return all rows in an order drawn from a seed, class by class where the targets ask for classes."""
    order = np.random.default_rng(seed).permutation(len(task.Y))
    return (
        order[np.argsort(task.classes[order], kind="stable")] if task.kind == "classes" else order
    )


def losses(task: Task, outputs: Array, Y: Array) -> Array:
    """Return the loss of each row, (n,), in units that do not depend on the cost that was minimised."""
    with np.errstate(all="ignore"):
        if task.kind == "numbers":
            spread = task.Y.var(axis=0)
            told = spread > 0
            errors = (outputs - Y)[:, told] ** 2 / spread[told]
            return np.nan_to_num(errors.mean(axis=1), nan=np.inf)
        p = np.nan_to_num(np.clip(outputs, 0, 1), nan=0.5)
        squares = (p - Y) ** 2
        if task.kind == "labels" or Y.shape[1] == 1:
            return squares.mean(axis=1)
        return squares.sum(axis=1) / 2


def right(task: Task, outputs: Array, Y: Array) -> Array:
    """Return how right each row is told, (n,): 0 or 1, or the share of its labels; not for numbers."""
    if task.kind == "classes" and Y.shape[1] > 1:
        return (np.argmax(outputs, axis=1) == np.argmax(Y, axis=1)).astype(float)
    return ((outputs > 0.5) == (Y > 0.5)).mean(axis=1)


def score(task: Task, outputs: Array, Y: Array) -> float:
    """Return the share that is right, or R² of numbers; 0 for what is worse than the mean."""
    if not np.isfinite(outputs).all():
        return 0.0
    if task.kind != "numbers":
        return float(right(task, outputs, Y).mean())
    spread = ((Y - Y.mean(axis=0)) ** 2).sum(axis=0)
    told = spread > 0
    if not told.any():
        return 0.0
    with np.errstate(over="ignore"):  # of outputs that are finite still
        errors = ((outputs - Y) ** 2).sum(axis=0)
    return max(0.0, float((1 - errors[told] / spread[told]).mean()))


def of_label(told: Array, Y: Array) -> Array:
    """Return the probability that each row is told of its own class, (n,)."""
    p = np.clip(told, 0, 1)
    if Y.shape[1] == 1:
        return np.where(Y > 0.5, p, 1 - p)[:, 0]
    own: Array = (p * Y).sum(axis=1)
    return own


def largest_share(task: Task) -> float:
    """Return the share of the rows that are of the largest class."""
    return float(np.bincount(task.classes).max() / len(task.classes))


def has_learned(task: Task, accuracy: float) -> bool:
    """Return whether rows are told clearly better than by naming the largest class."""
    left = 1 - largest_share(task)  # of a rare class hardly LEARNED is left to be gained
    return accuracy > 1 - left + min(LEARNED, left / 4)


def balancing(task: Task, Y: Array) -> Array:
    """Return a weight for each row, (n,), by which all classes count alike, 1 in the mean."""
    classes = replace(task, Y=Y).classes
    counts = np.bincount(classes)
    weights: Array = len(classes) / (np.count_nonzero(counts) * counts[classes])
    return weights


def measure_name(task: Task) -> str:
    """Return what `score` is called."""
    return {"classes": "accuracy", "labels": "share of labels right", "numbers": "R²"}[task.kind]
