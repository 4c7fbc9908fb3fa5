"""What the data themselves show, before a step is taken: lines for the reader, and no diagnosis."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from whygrad.answers.formatting import as_name, counted, number
from whygrad.diagnosis.setting import standard
from whygrad.diagnosis.task import Task, largest_share
from whygrad.nn import Array, Dense, Network
from whygrad.plan import Adam
from whygrad.train import train
from whygrad.training import INTERRUPTED

MAJORITY = 0.9
ROWS = 16  # that are to be fitted to the end
STEPS = 500
TREES, LEAF = 100, 5  # of a forest, and the rows of a leaf at least
MOST_ROWS = 5000  # that it learns from
BY_CHANCE = 3.0  # standard deviations, at most, once in some 700 times
FARTHEST = 1e6  # standard deviations: beyond them trees tell no numbers apart


def of_data(
    X: Array,
    Y: Array,
    task: Task,
    shuffled: bool,
    measured: Array | None,
    names: Sequence[str] = (),
) -> Iterator[str]:
    """Return lines about columns, rows and classes.

    Parameters
    ----------
    X, Y : ndarray
        The training rows.
    task : Task
        What the targets ask for.
    shuffled : bool
        Whether the training takes the rows in a new order every epoch.
    measured : ndarray or None
        The inputs of validation rows.
    names : sequence of str
        What the columns of X are called, or () where they have no names.
    """
    constant = np.flatnonzero((X[0] == X).all(axis=0))
    if 0 < len(constant) < X.shape[1]:
        yield f"{_columns(constant, names)} the same value in every row."
    kept = [j for j in range(X.shape[1]) if j not in set(constant.tolist())]
    _, first = np.unique(X[:, kept], axis=1, return_index=True) if kept else (None, np.array([]))
    if len(kept) > len(first):
        again = sorted(set(range(len(kept))) - set(first.tolist()))
        yield f"{_columns(np.array(kept)[again], names)} a copy of another column."
    if task.kind == "classes":
        classes = task.classes
        share = largest_share(task)
        if share > MAJORITY:
            yield (
                f"One class has {share:.0%} of the rows: who always says it is right as often. Look at the "
                "balanced accuracy, and weigh the classes."
            )
        changes = np.count_nonzero(np.diff(classes))
        if not shuffled and len(classes) > 20 and changes < 0.2 * len(classes) * (1 - share):
            yield "The rows are sorted by class and never shuffled: a batch shows one class alone."
    if measured is not None and len(measured) and measured.shape[1] == X.shape[1]:
        known = {row.tobytes() for row in np.ascontiguousarray(X)}
        both = sum(row.tobytes() in known for row in np.ascontiguousarray(measured))
        if both > 0.01 * len(measured):
            yield f"{both} of {len(measured)} validation rows are training rows as well."


def fits_a_few(net: Network, X: Array, Y: Array) -> str | None:
    """Fit a few rows to the end, by the network as it is: what cannot learn these is broken.

    Returns
    -------
    str or None
        A line where the cost of these rows stays near where it began; None where they are learned.
    """
    _, first = np.unique(X, axis=0, return_index=True)
    rows = np.sort(first)[:ROWS]
    layers = [Dense(layer.units, layer.activation, mask=layer.mask) for layer in net.layers]
    bare = Network(net.inputs, layers, net.cost)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fitted = train(
            bare, X[rows], Y[rows], optimizer=Adam(0.01), epochs=STEPS, batch_size=len(rows)
        )
    costs = fitted.history.cost
    if fitted.history.stopped == INTERRUPTED or not costs[-1] > 0.5 * costs[0]:
        return None
    return (
        f"Not even {counted(len(rows))} can be learned by heart: in {STEPS} steps of Adam their cost "
        f"went from {number(costs[0])} to {number(costs[-1])}."
    )


def relation(told: Array, Y: Array) -> float:
    """Return how far outputs go with targets, in standard deviations of what chance gives.

    T = Σᵢ (aᵢ − ā)·(yᵢ − ȳ) over rows. Over all orders of the targets its mean is 0 and its variance
    Σ (AᵀA ∘ BᵀB) / (n − 1), where A and B hold the deviations; of one column T is √(n − 1) r of that.

    >>> relation(np.array([[0.0], [1], [2]]), np.array([[1.0], [3], [5]])) > 1.4
    True
    """
    if not np.isfinite(told).all():
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # of outputs that are finite still
        A, B = told - told.mean(axis=0), Y - Y.mean(axis=0)
        variance = ((A.T @ A) * (B.T @ B)).sum() / (len(Y) - 1)
        return float((A * B).sum() / np.sqrt(variance)) if variance > 0 else 0.0


def told_by_a_forest(X: Array, Y: Array, asked: Array) -> Array:
    """Return what a forest of randomized trees, learned from X and Y, says of other rows, (m, K).

    It needs no scale, no rate and no width: what it cannot tell either is hardly the network's fault.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    rows, scale = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS], standard(X)
    near, far = (np.nan_to_num(np.clip(scale(A), -FARTHEST, FARTHEST)) for A in (X[rows], asked))
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, random_state=0)
    told: Array = forest.fit(near, Y[rows] if Y.shape[1] > 1 else Y[rows, 0]).predict(far)
    return told.reshape(len(asked), -1)


def _called(name: str) -> str:
    """Return a column's name as sentences have it: a phrase, such as 'asa is rare', is in quotes."""
    return f"'{name}'" if " " in name else as_name(name)


def _columns(indices: Array, names: Sequence[str]) -> str:
    what = "Column" if names else "Input"
    called = [_called(names[j]) if names else str(j) for j in indices[:5]]
    if len(indices) == 1:
        return f"{what} {called[0]} is"
    if len(indices) > 5:
        return f"{what}s {', '.join(called)} … ({len(indices)} in all) are each"
    return f"{what}s {', '.join(called[:-1])} and {called[-1]} are each"
