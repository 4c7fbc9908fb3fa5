"""Counterfactuals: changes of x that change the answer, by column and all together, each one verified.

One column is moved alone and the others stay; a column of categories takes each other category in turn, a
date each that training saw, and their inputs and flags never move by part. Where training rows are known,
no column leaves their range or takes a value that it had in none of them (`seen`). Smallest means smallest
found.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whygrad.answers.classes import classifies
from whygrad.answers.names import AS_IT_IS, Names
from whygrad.answers.parts import Table
from whygrad.errors import InputError
from whygrad.nn import Network
from whygrad.nn.functions import Array
from whygrad.why.choosing import classes_said
from whygrad.why.prediction.columns import InputColumn
from whygrad.why.prediction.seen import TRIED, Seen, slack, steps_of
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


@dataclass(frozen=True, eq=False)
class Room:
    """Where a change may go: from `low` to `high`, (n_0,) each, to values that were `seen`, if known."""

    low: Array
    high: Array
    seen: Seen | None = None


def changes(
    answer: Answer, columns: tuple[InputColumn, ...], names: Names, room: Room, top: int
) -> tuple[list[Change], Change | None, int]:
    """Find the changes of one column each, smallest first, `top` numbers at most; and of all together.

    How small one is counts in units of the column's scale; those of categories come last. The last number
    says how many columns of numbers were left out, since first order promised less of them.
    """
    movable = [c for c in columns if c.numeric and not answer.x[list(c.inputs[1:])].any()]
    looked_at = _promising(answer, movable, top)
    singles = _numbers(answer, names, looked_at, room, top)
    singles += _categories(answer, columns, room.seen)
    if room.seen is not None:
        singles += _met_in_training(answer, names, columns, room, room.seen)
    singles.sort(key=lambda one: _length(answer.net, names, answer.x, one))
    together = _together(answer, names, movable, room)
    alone = [one for one in singles if one.size is not None and one.verified]
    if together is not None and alone:
        assert together.size is not None and alone[0].size is not None
        if alone[0].size < together.size:
            together = _change(answer, None, alone[0].x)
    return singles, together, len(movable) - len(looked_at)


def _length(net: Network, names: Names, x: Array, change: Change) -> float:
    """Return how far a change of one column goes from x, infinitely far where it has no distance."""
    assert change.column is not None
    far = []
    for k in change.column.leading:
        before, after = (float(names.own(net, 0, k, float(one[k]))) for one in (x, change.x))
        far.append((after - before) / names.scale(net, 0, k)[1])
    return float(np.linalg.norm(far)) if far else np.inf


def _together(
    answer: Answer, names: Names, movable: list[InputColumn], room: Room
) -> Change | None:
    """Return the nearest change of all numbers: first of those that go in steps, then of the others."""
    free = np.zeros(len(answer.x), bool)
    free[[int(column.inputs[0]) for column in movable]] = True
    point = nearest(answer, free, room.low, room.high)
    steps = {
        int(column.inputs[0]): some
        for column in movable
        if (some := steps_of(room.seen, column, answer.net, names)) is not None
    }
    if point is None or not steps:
        return None if point is None else _change(answer, None, point)
    free[list(steps)] = False
    short, far = answer.x.astype(np.float64), point
    for k, step in steps.items():
        here, there = float(short[k]), float(point[k])
        on = step.beyond(here, there, room.low[k], room.high[k])
        moved = there != here and len(on)
        short[k], far[k] = step.before(here, there), on[0] if moved else here
    from_short = replace(answer, x=short)
    ends = [short, nearest(from_short, free, room.low, room.high), far]
    plain = nearest(answer, free, room.low, room.high)
    found = [_change(answer, None, end) for end in (*ends, plain) if end is not None]
    return min(
        (one for one in found if one.verified), key=lambda one: one.size or 0.0, default=None
    )


def room_of(x: Array, names: Names, given: Any, seen: Seen | None) -> Room:
    """Return where a change may go: as given, in the range of training, or from 0 to 1 in an image."""
    if given is None and seen is not None:
        given = seen.low, seen.high
    if given is None and names.image and x.min() >= 0 and x.max() <= 1:
        given = (0.0, 1.0)
    if given is None:
        return Room(x - REACH, x + REACH, seen)
    try:
        low, high = (np.broadcast_to(np.asarray(end, float), x.shape) for end in given)
    except (TypeError, ValueError):
        raise InputError(
            f"limits are a pair (low, high) of numbers or arrays of {len(x)}, not {given!r}"
        ) from None
    if not (low <= high).all() or not np.isfinite([low, high]).all():
        raise InputError("limits must be finite, and no low one above its high one")
    return Room(np.minimum(low, x), np.maximum(high, x), seen)


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
    answer: Answer, names: Names, movable: list[InputColumn], room: Room, top: int
) -> list[Change]:
    if not movable:
        return []
    k = np.array([column.inputs[0] for column in movable])
    W = answer.members.W1[:, k].T
    ways = np.concatenate([W, -W])
    reach = np.concatenate([room.high[k] - answer.x[k], answer.x[k] - room.low[k]])
    t = first_turns(answer, ways, reach, keep=2 * top)
    found = []
    for c, column in enumerate(movable):
        moved = [
            change
            for far, sign in ((t[c], 1.0), (t[c + len(k)], -1.0))
            if np.isfinite(far) and (change := _moved(answer, names, column, sign * far, room))
        ]
        found += sorted(moved, key=lambda change: change.size or 0.0)[:1]
    return sorted(found, key=lambda change: change.size or 0.0)[:top]


def _moved(
    answer: Answer, names: Names, column: InputColumn, by: float, room: Room
) -> Change | None:
    """Return a number moved by so much, or on to the next value allowed that turns the answer."""
    k = int(column.inputs[0])
    here = float(answer.x[k])
    steps = steps_of(room.seen, column, answer.net, names)
    if steps is None:
        x = answer.x.astype(np.float64)
        x[k] += by
        return _change(answer, column, x)
    values = steps.beyond(here, here + by, float(room.low[k]), float(room.high[k]))
    points = np.repeat(answer.x[None].astype(np.float64), len(values), axis=0)
    points[:, k] = values
    if not len(values) or not (turned := answer.turned_among(points)).any():
        return None
    return _change(answer, column, points[turned.argmax()])


def _categories(
    answer: Answer, columns: tuple[InputColumn, ...], seen: Seen | None
) -> list[Change]:
    found = []
    for column in columns:
        allowed = None if seen is None else seen.rows[column.name] if column.categories else None
        for ref, name in enumerate(column.categories):
            met = allowed is None or bool(allowed[:, ref].any())
            if name == "is missing" or not met or answer.x[column.inputs[ref]] > 0:
                continue
            x = answer.x.astype(np.float64)
            x[column.inputs] = 0
            x[column.inputs[ref]] = 1
            if answer.turned(x):
                found.append(_change(answer, column, x))
    return found


def _met_in_training(
    answer: Answer, names: Names, columns: tuple[InputColumn, ...], room: Room, seen: Seen
) -> list[Change]:
    """Return for each date, place and number in pieces the nearest of training that turns the answer."""
    found = []
    for column in columns:
        leading = list(column.leading)
        if column.numeric or not leading or answer.x[list(column.missing)].any():
            continue
        rows, at = seen.rows[column.name], column.inputs
        rows = rows[((rows >= room.low[at]) & (rows <= room.high[at])).all(axis=1)]
        if not len(rows):
            continue
        own = [int(np.flatnonzero(column.inputs == k)[0]) for k in leading]
        far = np.linalg.norm(rows[:, own] - answer.x[leading], axis=1)
        order = np.argsort(far, kind="stable")
        order = order[np.unique(np.linspace(0, len(order) - 1, TRIED).astype(int))]
        X = np.repeat(answer.x[None].astype(np.float64), len(order), axis=0)
        X[:, column.inputs] = rows[order]
        here = column.shown(answer.net, names, answer.x)
        for x in X[answer.turned_among(X)]:
            if column.shown(answer.net, names, x) != here:
                found.append(_change(answer, column, x))
                break
    return found


def _change(answer: Answer, column: InputColumn | None, x: Array) -> Change:
    x = x.astype(answer.members.dtype)  # as the network will be given it
    size = None if column and not column.numeric else float(np.linalg.norm(x - answer.x))
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
        if column.categories or column.dated or column.placed:
            ends = (*(column.shown(answer.net, names, x) for x in (answer.x, change.x)), "")
        else:
            before, after = (
                _plain(names.own(answer.net, 0, k, float(x[k])), names.scale(answer.net, 0, k)[0])
                for x in (answer.x, change.x)
            )
            ends = (column.number(before), column.number(after), after - before)
        said = _said(answer, names, change)
        rows.append((column.name, *ends, said, "yes" if change.verified else "no"))
    return Table("What would change the answer, one column at a time", columns, tuple(rows))


def _plain(value: Any, center: float) -> float:
    """Return a number, a whole one where only rounding makes it another."""
    near = float(np.rint(value))
    return near if abs(value - near) <= slack(near, center) else float(value)


def words(
    answer: Answer,
    names: Names,
    found: list[Change],
    together: Change | None,
    bounded: bool,
    numbers: bool,
) -> str:
    """Return sentences on the smallest changes, of one column and of all `numbers`, if there are any."""
    said, within = [], " within the limits" if bounded else ""
    change = next((one for one in found if one.verified), None)
    if change is not None and change.column is not None:
        name, k = change.column.name, change.column.inputs[0]
        if change.column.numeric:
            by = change_in_units(answer.net, names, 0, k, abs(change.x[k] - answer.x[k]))
            way = "raised" if change.x[k] > answer.x[k] else "lowered"
            how = f"{name} {way} by {by.lstrip('+')}"
        elif change.column.pieced:  # whose own input has not the digits of its number
            how = f"{name} as {in_units(answer.net, names, 0, k, change.x[k])}"
        else:
            how = f"{name} as {change.column.shown(answer.net, names, change.x)}"
        # No category is nearer than another.
        which = "A" if change.column.categories else "The smallest"
        said.append(f"{which} change of one column found: {how} makes it "
                    f"{_said(answer, names, change)}.")  # fmt: skip
    else:
        said.append(f"No change of one column alone was found{within} that {_goal(answer, names)}.")
    if together is not None and together.size is not None and together.verified:
        length = shown(together.size) + (" standard deviations" if _any_scaled(names) else "")
        said.append(
            f"All together, a change of length {length} was found that makes it "
            f"{_said(answer, names, together)}."
        )
    elif numbers:
        said.append(f"Of all numbers together none was found{within} either." if change is None else
                    f"Of all numbers together none was found{within}.")  # fmt: skip
    return " ".join(said)


def _goal(answer: Answer, names: Names) -> str:
    """Return what a change was to bring about."""
    if answer.wanted is None:
        return "changes the answer"
    if classifies(answer.net):
        return f"makes it {classes_said(answer.net, names)[answer.wanted]}"
    return f"makes it {in_units(answer.net, names, answer.net.L, answer.m, answer.wanted)}"


def _any_scaled(names: Names) -> bool:
    """Return whether lengths over the inputs are counted in standard deviations."""
    return any(scale != AS_IT_IS for scale in names.scales)


def _said(answer: Answer, names: Names, change: Change) -> str:
    if classifies(answer.net):
        return classes_said(answer.net, names)[change.answer]
    return in_units(answer.net, names, answer.net.L, answer.m, change.answer)
