"""What the data themselves show, before a step is taken: lines for the reader, and no diagnosis."""

import warnings
from collections.abc import Iterator

import numpy as np

from whygrad.answers.formatting import number
from whygrad.diagnosis.task import Task, largest_share
from whygrad.nn import Array, Dense, Network
from whygrad.plan import Adam
from whygrad.train import train
from whygrad.training import INTERRUPTED

MAJORITY = 0.9
ROWS = 16  # that are to be fitted to the end
STEPS = 500


def of_data(
    X: Array, Y: Array, task: Task, shuffled: bool, measured: Array | None
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
    """
    constant = np.flatnonzero((X[0] == X).all(axis=0))
    if 0 < len(constant) < X.shape[1]:
        yield f"{_columns(constant)} the same value in every row."
    kept = [j for j in range(X.shape[1]) if j not in set(constant.tolist())]
    _, first = np.unique(X[:, kept], axis=1, return_index=True) if kept else (None, np.array([]))
    if len(kept) > len(first):
        again = sorted(set(range(len(kept))) - set(first.tolist()))
        yield f"{_columns(np.array(kept)[again])} a copy of another column."
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
        f"Not even {len(rows)} rows can be learned by heart: in {STEPS} steps of Adam their cost went from "
        f"{number(costs[0])} to {number(costs[-1])}."
    )


def _columns(indices: Array) -> str:
    shown = ", ".join(str(j) for j in indices[:5]) + (" …" if len(indices) > 5 else "")
    return (
        f"Input {shown} is"
        if len(indices) == 1
        else f"Inputs {shown} ({len(indices)} in all) are each"
    )
