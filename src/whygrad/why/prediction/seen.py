"""What training saw of every column: how far a counterfactual may go, and which values it may take.

A number stays within the range of the training rows, whole where all of them were whole, one of those seen
where there were few; a category, a date or a number in pieces is one that a training row had, with all its
inputs.
"""

from dataclasses import dataclass, field

import numpy as np

from whygrad.answers.names import Names
from whygrad.nn import Array, Network, dense
from whygrad.why.prediction.columns import InputColumn

LOOKED_AT = 4_000_000  # numbers of training rows that are looked at for the values of columns
ROWS = (500, 10_000)  # how many rows these are at least and at most
FEW = 32  # values, of which a number has to be one
TRIED = 200  # values of a column that are tried
# Of how far a number lies from its center: so near to it float32 leaves it, twice over.
WHOLE = 2.0**-22


@dataclass(frozen=True, eq=False)
class Seen:
    """How low and high each input was, (n_0,) each, and by column which values there were.

    `steps` are the values, in own units, of numbers that had few; `whole` the numbers that were whole;
    `rows` the inputs of categories, dates and numbers in pieces as they were found, (r, its inputs).
    """

    low: Array
    high: Array
    steps: dict[str, Array] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    rows: dict[str, Array] = field(default_factory=dict)


def seen_in(X: Array, columns: tuple[InputColumn, ...], net: Network, names: Names) -> Seen:
    """Return what training rows X, (n, n_0), had in every column."""
    low, high = (
        np.asarray(dense(end), np.float64).ravel() for end in (X.min(axis=0), X.max(axis=0))
    )
    most = int(np.clip(LOOKED_AT // X.shape[1], *ROWS))
    chosen = np.unique(np.linspace(0, X.shape[0] - 1, most).astype(int))
    some = np.asarray(dense(X[chosen]), np.float64)
    steps, whole, rows = {}, set(), {}
    for column in columns:
        values = some[:, column.inputs]
        if column.missing:
            values = values[~some[:, column.missing].any(axis=1)]
        if column.categories:
            met = (high[column.inputs] > 0) & ~np.isin(column.inputs, column.missing)
            rows[column.name] = np.eye(len(column.inputs))[met]
        elif not column.numeric:
            rows[column.name] = np.unique(values, axis=0)
        if not column.numeric:
            continue
        own = names.own(net, 0, int(column.inputs[0]), values[:, 0])
        near = slack(own, names.scale(net, 0, int(column.inputs[0]))[0]).max(initial=0.0)
        if near < 0.25 and len(own) and (np.abs(own - np.rint(own)) <= near).all():
            whole.add(column.name)
        elif len(np.unique(own[: 4 * FEW])) <= FEW and len(np.unique(own)) <= FEW:
            steps[column.name] = np.unique(own)
    return Seen(low, high, steps, frozenset(whole), rows)


@dataclass(frozen=True)
class Steps:
    """The values that a number may take, in own units: some of them, or all whole ones (`values` is None).

    The network takes (value − center) / scale.
    """

    values: Array | None
    center: float
    scale: float

    def beyond(self, here: float, there: float, low: float, high: float) -> Array:
        """Return the values from `there` on, away from `here`, as the network takes them, nearest first.

        There are `TRIED` of them at most, from `low` to `high`.
        """
        way = self._way(here, there)
        start, end = self._own(there), self._own(high if there > here else low)
        if self.values is None:
            first, last = (
                np.ceil(way * start - self._slack(start)),
                np.floor(way * end + self._slack(end)),
            )
            found = way * np.arange(first, min(last, first + TRIED) + 1)
        else:
            inside = (way * self.values >= way * start - self._slack(start)) & (
                way * self.values <= way * end + self._slack(end)
            )
            found = way * np.sort(way * self.values[inside])
        return (found[:TRIED] - self.center) / self.scale

    def before(self, here: float, there: float) -> float:
        """Return the last value on the way from `here` to `there`; `here` where there is none."""
        way, start, end = self._way(here, there), self._own(here), self._own(there)
        if self.values is None:
            found = np.array([way * np.floor(way * end)])
        else:
            found = self.values[way * self.values <= way * end]
        found = found[way * found > way * start]
        return float((way * (way * found).max() - self.center) / self.scale) if len(found) else here

    def _way(self, here: float, there: float) -> float:
        return 1.0 if (there > here) == (self.scale > 0) else -1.0

    def _own(self, value: float) -> float:
        return value * self.scale + self.center

    def _slack(self, value: float) -> float:
        return float(slack(value, self.center))


def slack(values: Array | float, center: float) -> Array:
    """Return how far rounding may leave numbers from what they were, in their own units."""
    far: Array = WHOLE * np.maximum(1.0, np.abs(values - center))
    return far


def steps_of(seen: Seen | None, column: InputColumn, net: Network, names: Names) -> Steps | None:
    """Return the values that a number may take, or None: all in its range."""
    if seen is None or column.name not in seen.whole | seen.steps.keys():
        return None
    scale = names.scale(net, 0, int(column.inputs[0]))
    return Steps(seen.steps.get(column.name), scale[0], scale[1])
