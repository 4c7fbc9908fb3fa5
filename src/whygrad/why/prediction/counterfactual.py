"""Counterfactuals: changes of x that change the answer, by column and all together, each one verified.

One column is moved alone and the others stay; a column of categories takes each other category in turn,
and its inputs and flags never move by part. Smallest means smallest found.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.answers.names import AS_IT_IS, Names
from whygrad.answers.parts import Table
from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.why.choosing import class_names, classifies
from whygrad.why.prediction.columns import InputColumn
from whygrad.why.prediction.sensitivity import FEWEST, Answer, first_turns, nearest
from whygrad.why.symbols import change_in_units, in_units, shown

REACH = 10.0  # how far a number is moved where no limits are given: ten deviations, if standardised


@dataclass(frozen=True, eq=False)
class Change:
    """A change of one column that gives another answer, or of several together (`column` is None).

    `x` is the changed example; `size` is the length of the change, None of a category; `verified` says
    that a pass of the network gave another answer at x.
    """

    column: InputColumn | None
    x: Array
    size: float | None
    verified: bool
    answer: Any


def changes(
    answer: Answer, columns: tuple[InputColumn, ...], low: Array, high: Array, top: int
) -> tuple[list[Change], Change | None, int]:
    """Find the changes of one column each, smallest first, `top` numbers at most; and of all together.

    The last number says how many columns of numbers were left out, since first order promised less of them.
    """
    movable = [
        column
        for column in columns
        if column.numeric and (len(column.inputs) == 1 or not answer.x[column.inputs[1:]].any())
    ]
    looked_at = _promising(answer, movable, top)
    singles = _numbers(answer, looked_at, low, high, top) + _categories(answer, columns)
    free = np.zeros(len(answer.x), bool)
    free[[column.inputs[0] for column in columns if column.numeric]] = True
    point = nearest(answer, free, low, high)
    together = None
    if point is not None:
        together = _change(answer, None, point)
        alone = [one for one in singles if one.size is not None and one.verified]
        if alone and together.size is not None and alone[0].size is not None:
            together = (
                together if together.size <= alone[0].size else _change(answer, None, alone[0].x)
            )
    return singles, together, len(movable) - len(looked_at)


def limits_of(x: Array, names: Names, given: Any) -> tuple[Array, Array]:
    """Return how low and how high every input may go, (n_0,) each: as given, or 0 to 1 of an image."""
    if given is None and names.image and x.min() >= 0 and x.max() <= 1:
        given = (0.0, 1.0)
    if given is None:
        return x - REACH, x + REACH
    try:
        low, high = (np.broadcast_to(np.asarray(end, float), x.shape) for end in given)
    except (TypeError, ValueError):
        raise InputError(
            f"limits are a pair (low, high) of numbers or arrays of {len(x)}, not {given!r}"
        ) from None
    if not (low <= high).all() or not np.isfinite([low, high]).all():
        raise InputError("limits must be finite, and no low one above its high one")
    return np.minimum(low, x), np.maximum(high, x)


def _promising(answer: Answer, movable: list[InputColumn], top: int) -> list[InputColumn]:
    """Return the columns to try: all, or where passes are slow those that first order ranks first."""
    most = max(top, answer.looks // (2 * FEWEST))
    if len(movable) <= most:
        return movable
    lead, gradient = answer.gradients(answer.x)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (abs(lead)[:, None] / abs(gradient)).min(axis=0)
    near = np.argsort(far[[column.inputs[0] for column in movable]], kind="stable")[:most]
    return [movable[c] for c in sorted(near)]


def _numbers(
    answer: Answer, movable: list[InputColumn], low: Array, high: Array, top: int
) -> list[Change]:
    if not movable:
        return []
    k = np.array([column.inputs[0] for column in movable])
    W = answer.theta.W[1][:, k].T
    ways = np.concatenate([W, -W])
    reach = np.concatenate([high[k] - answer.x[k], answer.x[k] - low[k]])
    t = first_turns(answer, ways, reach, keep=2 * top)
    sign = np.repeat([1.0, -1.0], len(k))
    found = []
    for c, column in enumerate(movable):
        both = t[[c, c + len(k)]]
        if np.isfinite(both).any():
            line = int(both.argmin())
            x = answer.x.astype(np.float64)
            x[k[c]] += both[line] * sign[line * len(k)]
            found.append(_change(answer, column, x))
    return sorted(found, key=lambda change: change.size or 0.0)[:top]


def _categories(answer: Answer, columns: tuple[InputColumn, ...]) -> list[Change]:
    found = []
    for column in columns:
        for ref, name in enumerate(column.categories):
            if name == "is missing" or answer.x[column.inputs[ref]] > 0:
                continue
            x = answer.x.astype(np.float64)
            x[column.inputs] = 0
            x[column.inputs[ref]] = 1
            if answer.turned(x):
                found.append(_change(answer, column, x))
    return found


def _change(answer: Answer, column: InputColumn | None, x: Array) -> Change:
    x = x.astype(answer.theta.flat.dtype)  # as the network will be given it
    size = None if column and column.categories else float(np.linalg.norm(x - answer.x))
    outputs = answer.outputs(x)
    said: Any = (
        int(answer.classes_of(x[None])[0]) if classifies(answer.net) else float(outputs[answer.m])
    )
    return Change(column, x, size, answer.turned(x), said)


def table(answer: Answer, names: Names, found: list[Change]) -> Table:
    """List the changes of one column each."""
    columns = ("column", "from", "to", "change", "then the answer is", "verified")
    rows = []
    for change in found:
        assert change.column is not None
        column, k = change.column, change.column.inputs[0]
        ends: tuple[Any, ...]
        if column.categories:
            ends = (column.category(answer.x), column.category(change.x), "")
        else:
            before, after = (float(names.own(answer.net, 0, k, x[k])) for x in (answer.x, change.x))
            ends = (before, after, after - before)
        said = _said(answer, names, change)
        rows.append((column.name, *ends, said, "yes" if change.verified else "no"))
    return Table("What would change the answer, one column at a time", columns, tuple(rows))


def words(
    answer: Answer, names: Names, found: list[Change], together: Change | None, bounded: bool
) -> str:
    """Return sentences on the smallest changes found, of one column and of all together."""
    said, within = [], " within the limits" if bounded else ""
    change = next((one for one in found if one.verified), None)
    if change is not None and change.column is not None:
        name, k = change.column.name, change.column.inputs[0]
        how = (
            f"{name} as {change.column.category(change.x)}"
            if change.column.categories
            else f"{name} {'raised' if change.x[k] > answer.x[k] else 'lowered'} by "
            + change_in_units(answer.net, names, 0, k, abs(change.x[k] - answer.x[k])).lstrip("+")
        )
        said.append(f"The smallest change of one column found: {how} makes it "
                    f"{_said(answer, names, change)}.")  # fmt: skip
    else:
        said.append(f"No change of one column alone was found{within} that {_goal(answer, names)}.")
    if together is not None and together.size is not None and together.verified:
        length = shown(together.size) + (" standard deviations" if _any_scaled(names) else "")
        said.append(
            f"All together, a change of length {length} was found that makes it "
            f"{_said(answer, names, together)}."
        )
    else:
        said.append(f"Of all numbers together none was found{within} either." if change is None else
                    f"Of all numbers together none was found{within}.")  # fmt: skip
    return " ".join(said)


def _goal(answer: Answer, names: Names) -> str:
    """Return what a change was to bring about."""
    if answer.wanted is None:
        return "changes the answer"
    if classifies(answer.net):
        return f"makes it {class_names(answer.net, names)[answer.wanted]}"
    return f"makes it {in_units(answer.net, names, answer.net.L, answer.m, answer.wanted)}"


def _any_scaled(names: Names) -> bool:
    """Return whether lengths over the inputs are counted in standard deviations."""
    return any(scale != AS_IT_IS for scale in names.scales)


def _said(answer: Answer, names: Names, change: Change) -> str:
    if classifies(answer.net):
        return class_names(answer.net, names)[change.answer]
    return in_units(answer.net, names, answer.net.L, answer.m, change.answer)
