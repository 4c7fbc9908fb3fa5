"""Labels that may be wrong: what a row is told by networks that were trained without it.

The rows are dealt into folds, each with its share of every class. The network is trained again without each
fold, all side by side, and tells the rows of that fold. Rows are ranked by their cost there: a network that
has not seen a label cannot have learned it by heart (Brodley & Friedl, 1999). A label counts as *suspect*
where the row is told to be of another class with at least the mean certainty of that class's own rows
(confident learning: Northcutt et al., 2021), and a number where it is missed by more than `FAR` robust
deviations.
"""

from dataclasses import dataclass, replace

import numpy as np

from whygrad.diagnosis.setting import Setting, fit_all
from whygrad.diagnosis.task import Task, drawn, has_learned, score
from whygrad.nn import Array

FOLDS = 5
FAR = 6.0  # robust deviations: 1.4826 times the median of absolute errors


@dataclass(frozen=True, eq=False)
class Ranking:
    """The training rows of a setting, as networks tell them that were trained without them.

    Parameters
    ----------
    told : ndarray of shape (n, K)
        What each row is told to be, in the form that the task asks for.
    cost : ndarray of shape (n,)
        The cost C_x of each row, out of sample; `order` is by this.
    suspect : ndarray of shape (n,)
        Whether its target is to be looked at first.
    """

    told: Array
    cost: Array
    suspect: Array

    @property
    def order(self) -> Array:
        """The rows, those of the largest cost first."""
        return np.argsort(-self.cost, kind="stable")


def ranked(setting: Setting, folds: int = FOLDS, seed: int = 0, progress: bool = False) -> Ranking:
    """Return how networks that were trained without a row tell it, for all training rows."""
    task = setting.task
    deal = dealt(task, folds, seed)
    rows = [np.flatnonzero(deal == k) for k in range(folds)]
    parts = [of_rows(setting, np.flatnonzero(deal != k)) for k in range(folds)]
    told, cost = np.zeros(task.Y.shape), np.zeros(len(deal))
    for held, (fitted,) in zip(rows, fit_all(parts, (seed,), progress), strict=True):
        part = of_rows(setting, held)
        with np.errstate(all="ignore"):
            a = np.asarray(fitted.predict(part.inputs), dtype=float)
            cost[held] = np.nan_to_num(setting.net.C.value(a, part.targets), nan=np.inf)
        told[held] = np.nan_to_num(part.told(a))
    return Ranking(told, cost, suspects(task, told))


def dealt(task: Task, folds: int, seed: int) -> Array:
    """Return the fold of each row, (n,), drawn from a seed, with every class in all of them."""
    order = drawn(task, seed)
    fold = np.empty(len(order), dtype=int)
    fold[order] = np.arange(len(order)) % folds
    return fold


def of_rows(setting: Setting, kept: Array) -> Setting:
    """Return a setting that trains on some of its rows."""
    options = dict(setting.options)
    if options.get("sample_weight") is not None:
        options["sample_weight"] = options["sample_weight"][kept]
    if options.get("batch_size"):
        options["batch_size"] = min(options["batch_size"], len(kept))
    task = replace(setting.task, Y=setting.task.Y[kept])
    return replace(setting, X=setting.X[kept], Y=setting.Y[kept], task=task, options=options)


def told_well(task: Task, told: Array) -> Array:
    """Return whether a network tells the classes, (1,), or each of several labels, (K,), well enough.

    Numbers are told well enough by any.
    """
    if task.kind == "numbers":
        return np.ones(1, bool)
    columns = np.arange(task.Y.shape[1])
    asked = columns[None] if task.kind == "classes" else columns[:, None]
    parts = [replace(task, kind="classes", Y=task.Y[:, one]) for one in asked]
    each = zip(parts, asked, strict=True)
    return np.array([has_learned(part, score(part, told[:, one], part.Y)) for part, one in each])


def far_off(errors: Array) -> Array:
    """Return `FAR` robust deviations of absolute errors, by column."""
    limit: Array = FAR * 1.4826 * np.median(errors, axis=0)
    return limit


def suspects(task: Task, told: Array) -> Array:
    """Return whether the target of each row is to be looked at first, (n,)."""
    if task.kind == "numbers":
        errors = np.abs(told - task.Y)
        return (errors > far_off(errors)).any(axis=1)
    p = np.clip(told, 0, 1)
    if task.kind == "labels":  # each is a question of its own, for a network that has learned it
        found = [
            _of_classes(p[:, k], task.Y[:, k] > 0.5) for k in np.flatnonzero(told_well(task, told))
        ]
        return np.any(found, axis=0) if found else np.zeros(len(p), bool)
    return _of_classes(p, task.classes)


def _of_classes(p: Array, labels: Array) -> Array:
    p = p.reshape(len(p), -1)
    p = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
    labels = labels.astype(int)
    own = [p[labels == k, k] for k in range(p.shape[1])]
    certain = np.array([each.mean() if len(each) else np.inf for each in own])
    other = np.where(p >= certain, p, -1.0)
    other[np.arange(len(p)), labels] = -1
    found: Array = other.max(axis=1) > p[np.arange(len(p)), labels]
    return found
