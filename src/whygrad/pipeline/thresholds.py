"""The threshold of two classes, chosen on rows held out for what a user is after.

Every threshold between two probabilities is tried. For a recall or a precision that is to be reached the
other of the two is then as large as can be; f1 and balanced accuracy are as large as can be themselves.
"""

import numpy as np

from whygrad.nn.functions import Array
from whygrad.pipeline.settings import parsed
from whygrad.tables.columns import quoted


def threshold_for(aim: str, p: Array, true: Array, label: str) -> tuple[float, str]:
    """Return the threshold for an aim, and a note on it.

    Parameters
    ----------
    aim : str
        As of `Settings.aim`.
    p : array, shape (n,)
        Probabilities of a class.
    true : array of bool, shape (n,)
        Whether it is the class.
    label : str
        What the class is called, for the note.

    Returns
    -------
    threshold : float
        Above it the class is predicted.
    note : str
        What it reaches on these rows.

    Examples
    --------
    >>> p, true = np.array([0.1, 0.3, 0.4, 0.8]), np.array([False, True, False, True])
    >>> threshold_for("recall=1", p, true, "yes")[0]
    0.2
    """
    name, wanted, _ = parsed(aim)
    values = np.unique(p.astype(np.float64))
    thresholds = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2])
    order = np.argsort(p, kind="stable")
    below = np.searchsorted(p[order], thresholds, side="right")
    missed = np.concatenate([[0], np.cumsum(true[order])])[below]
    hits, taken, there = true.sum() - missed, len(p) - below, max(1, int(true.sum()))
    rejected = below - missed
    recall, precision = hits / there, hits / np.maximum(taken, 1)
    measured = {
        "recall": recall,
        "precision": precision,
        "f1": 2 * hits / np.maximum(taken + there, 1),
        "balanced-accuracy": (recall + rejected / max(1, int((~true).sum()))) / 2,
    }
    gain = measured[name]
    if wanted:
        other = precision if name == "recall" else recall
        reached = gain >= wanted
        gain = np.where(reached, 1 + other, gain)
    best = np.flatnonzero(gain == gain.max())
    at = best[np.argmin(np.abs(thresholds[best] - 0.5))]
    short = wanted and measured[name][at] < wanted
    told = f"{name} is {measured[name][at]:.3f}" + (
        ", which is all that can be had" if short else ""
    )
    note = (
        f"{quoted(label)} is predicted above a probability of {thresholds[at]:.3g}, chosen for {aim} on "
        f"{len(p):,} validation rows, where {told}"
    )
    return float(thresholds[at]), note
