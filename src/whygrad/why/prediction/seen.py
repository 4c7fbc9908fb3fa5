"""What training saw of every column: how far a counterfactual may go, and which values it may take.

A number stays within the range of the training rows, whole where all of them were whole, one of those seen
where there were few; a category or a date is one that some training row had, with all its inputs.
"""

from dataclasses import dataclass, field

import numpy as np

from whygrad.answers.names import Names
from whygrad.nn import Array, Network, dense
from whygrad.why.prediction.columns import InputColumn

LOOKED_AT = 4_000_000  # numbers of training rows that are looked at for the values of columns
ROWS = (500, 10_000)  # how many rows these are at least and at most
FEW = 32  # values, of which a number has to be one
TRIED = 200  # dates that are tried
WHOLE = (
    1e-6  # of the largest value: as near to a whole number rounding to float32 leaves whole ones
)


@dataclass(frozen=True, eq=False)
class Seen:
    """How low and high each input was, (n_0,) each, and by column which values there were.

    `steps` are the values, in own units, of numbers that had few; `whole` the numbers that were whole;
    `rows` the inputs of categories and dates as they were found, (r, its inputs).
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
        there = ~some[:, column.missing].any(axis=1)
        values = some[there][:, column.inputs]
        if column.categories:
            met = (high[column.inputs] > 0) & ~np.isin(column.inputs, column.missing)
            rows[column.name] = np.eye(len(column.inputs))[met]
        elif not column.numeric:
            rows[column.name] = np.unique(values, axis=0)
        if not column.numeric:
            continue
        own = names.own(net, 0, int(column.inputs[0]), values[:, 0])
        near = WHOLE * np.abs(own).max(initial=1.0)
        if near < 0.1 and len(own) and (np.abs(own - np.rint(own)) <= near).all():
            whole.add(column.name)
        elif len(np.unique(own[: 4 * FEW])) <= FEW and len(np.unique(own)) <= FEW:
            steps[column.name] = np.unique(own)
    return Seen(low, high, steps, frozenset(whole), rows)


def beyond(seen: Seen | None, column: InputColumn, net: Network, names: Names, here: float,
           there: float, low: float, high: float) -> Array | None:  # fmt: skip
    """Return the values that an input may take from `there` on, away from `here`, the nearest first.

    None stands for every value. At most `TRIED` of them, as the network takes them, from `low` to `high`.
    """
    if seen is None or column.name not in seen.whole | seen.steps.keys():
        return None
    center, scale = names.scale(net, 0, int(column.inputs[0]))
    from_, end = there * scale + center, (high if there > here else low) * scale + center
    way = 1.0 if (there > here) == (scale > 0) else -1.0
    if column.name in seen.steps:
        values = seen.steps[column.name]
        found = values[(way * values >= way * from_ - 1e-9) & (way * values <= way * end + 1e-9)]
        found = found[np.argsort(way * found)]
    else:
        slack = WHOLE * max(1.0, abs(from_))
        first = np.ceil(way * from_ - slack)
        last = np.floor(way * end + WHOLE * max(1.0, abs(end)))
        found = way * np.arange(first, min(last, first + TRIED) + 1)
    return (found[:TRIED] - center) / scale
