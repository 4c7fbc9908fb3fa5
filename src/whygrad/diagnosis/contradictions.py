"""Contradictions between network, cost and targets: exact, without a threshold, before a step is taken.

What is looked at, in this order: the form of the targets, the number of outputs, the targets that the cost
understands, the outputs that it needs, and the targets that the output activation can reach.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from whygrad.answers.formatting import number
from whygrad.diagnosis.description import Description
from whygrad.diagnosis.finding import Finding
from whygrad.diagnosis.pictures import in_order
from whygrad.diagnosis.task import Task
from whygrad.nn import Array, Cost, Network, Parameters
from whygrad.nn.functions import DOMAINS

# What outputs lie between: the ends are reached, or come as near as one likes.
ENDS = {
    "sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1), "relu": (0, math.inf),
    "softplus": (0, math.inf), "exp": (0, math.inf), "elu": (-1, math.inf),
}  # fmt: skip
OF_DOMAIN = {
    "real": (-math.inf, math.inf),
    "positive": (0, math.inf),
    "unit": (0, 1),
    "simplex": (0, 1),
}
NEEDS = {
    "nonnegative": "targets of 0 and more", "unit": "targets between 0 and 1",
    "distribution": "rows of probabilities as targets",
}  # fmt: skip
BELONGS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}  # the cost of an output
OUTPUTS = {
    "positive": "outputs above 0",
    "unit": "outputs between 0 and 1",
    "simplex": "rows of probabilities",
}


def contradictions(described: Description, task: Task, Y: Array) -> list[Finding]:
    """Return what cannot be right, the first cause first: later ones may follow from it.

    Parameters
    ----------
    described : Description
        The network.
    task : Task
        What the targets ask for.
    Y : ndarray of shape (n, K)
        The targets as they were given.
    """
    return list(_of_form(described, task, Y)) + list(_of_outputs(described, task, Y))


def _of_form(described: Description, task: Task, Y: Array) -> Iterator[Finding]:
    units, values = described.output.units, task.values
    if (Y[:1] == Y).all():
        which = f"all {len(Y):,} rows have the same target" if len(Y) > 1 else "there is 1 row"
        yield Finding(
            "labels_wrong_form",
            "exact",
            f"{which}, so that there is nothing to learn",
            "targets that differ",
        )
        return
    if values is not None and task.by_number:
        told = f"one column of {len(values)} distinct values, {values[0]:g} to {values[-1]:g}"
        indices = bool((values == np.arange(len(values))).all())
        if units == 1:
            yield Finding(
                "labels_wrong_form",
                "exact",
                f"{told}, is to be told by a single {described.output.name} unit",
                f"a softmax unit for each of the {len(values)} classes, with cross_entropy",
            )
        elif not indices:
            yield Finding(
                "labels_wrong_form",
                "exact",
                f"{told}, stands for the classes of {units} outputs; class numbers are 0, 1, 2 …",
                "give the class numbers as they are, unscaled, or a column for each class",
            )
    if values is not None and values[0] == -1 and not task.by_number:
        cost = described.C
        if cost is not None and cost.targets in ("unit", "distribution"):
            yield Finding(
                "labels_wrong_form",
                "exact",
                f"the classes are −1 and 1, and {cost.name} takes 0 and 1",
                "give 0 and 1",
            )
    columns = task.Y.shape[1] if task.kind == "classes" else Y.shape[1]
    if units not in (1, columns) or (units == 1 and Y.shape[1] > 1):
        if Y.shape[1] == 1 and task.kind != "classes":
            yield Finding(
                "labels_wrong_form",
                "exact",
                f"one column of targets is compared with {units} outputs",
                "one output, or a column of targets for each",
            )
        elif not (columns == 1 and units == 2):
            yield Finding(
                "output_units",
                "exact",
                f"{units} outputs for {columns} columns of targets",
                f"{columns} units",
            )


def _of_outputs(described: Description, task: Task, Y: Array) -> Iterator[Finding]:
    output, C, f = described.output, described.C, described.output.f
    best = right_output(task)
    if output.name == "softmax" and output.units == 1:
        yield Finding(
            "output_activation",
            "exact",
            "softmax of a single unit is 1, whatever its input is",
            best,
        )
    if C is not None:
        outside = _not_understood(C, task, Y)
        if outside:
            yield Finding("cost", "exact", f"{C.name} needs {NEEDS[C.targets]}, {outside}", best)
        if f is not None and DOMAINS.index(f.range) < DOMAINS.index(C.domain):
            yield Finding(
                "output_activation",
                "exact",
                f"{C.name} needs {OUTPUTS[C.domain]}, which {output.name} does not give",
                best,
            )
    if task.by_number and output.units > 1:
        Y = task.Y  # numbers of classes, which stand for rows of 0 and 1
    low, high = ENDS.get(output.name) or (OF_DOMAIN[f.range] if f else OF_DOMAIN["real"])
    beyond = (low > Y) | (high < Y)
    if beyond.any():
        ends = {f"{output.name} ends at {end:g}": end for end in (low, high) if math.isfinite(end)}
        yield Finding(
            "output_activation",
            "exact",
            f"{beyond.mean():.0%} of the targets lie outside of what {output.name} can say, "
            f"{_interval(low, high)}: they go from {number(Y.min())} to {number(Y.max())}",
            best,
            picture=in_order(
                "Targets, and what the output can say", "value", {"targets": Y.ravel()}, ends
            ),
        )


def right_output(task: Task) -> str:
    """Return in words the output and cost that belong to a task."""
    if task.kind == "numbers":
        return "a linear output (identity) with squared_error"
    if task.kind == "labels" or task.Y.shape[1] == 1:
        return "sigmoid outputs with binary_cross_entropy"
    return f"{task.Y.shape[1]} softmax outputs with cross_entropy"


def _interval(low: float, high: float) -> str:
    return f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"


def _not_understood(C: Cost, task: Task, Y: Array) -> str:
    """Return which targets a cost does not understand, in words, or "" for none."""
    if C.targets == "real" or task.by_number:
        return ""
    low, high = 0.0, math.inf if C.targets == "nonnegative" else 1.0
    beyond = (low > Y) | (high < Y)
    if beyond.any():
        ends = f"{number(Y.min())} to {number(Y.max())}"
        return f"and {beyond.mean():.0%} of them are not: they go from {ends}"
    if C.targets == "distribution" and Y.shape[1] > 1 and not np.allclose(Y.sum(axis=1), 1):
        return "and they do not sum to 1"
    return ""


# ── of what can be computed ───────────────────────────────────────────────────────────────────────────


def of_start(net: Network, theta: Parameters) -> list[Finding]:
    """Return the hidden layers whose units all start alike: they stay alike for ever."""
    found = []
    for l in range(1, net.L):
        W, b, V = theta.W[l], theta.b[l], theta.W[l + 1]
        alike = (W[:1] == W).all() and (b == b[0]).all() and (V[:, :1] == V).all()
        if net.sizes[l] > 1 and alike and not net.layers[l - 1].dropout:
            found.append(
                Finding(
                    "init",
                    "exact",
                    f"all {net.sizes[l]} units of layer {l} start alike, so that their gradients are the "
                    "same and they stay alike",
                    "random weights: init='auto'",
                )
            )
    return found


def of_own_cost(C: Any, Y: Array, seed: int = 0) -> list[Finding]:
    """Return what is wrong with a cost of one's own: a derivative of something else, or rows that mix."""
    draws, h = np.random.default_rng(seed), 1e-6
    y = Y[:8].astype(float)
    a = y + draws.normal(size=y.shape) * (1 + np.abs(y).mean())
    if C.domain != "real":
        a = draws.uniform(0.1, 0.9, size=y.shape)
        a = a / a.sum(axis=1, keepdims=True) if C.domain == "simplex" else a
    found = []
    with np.errstate(all="ignore"):
        together, alone = (
            C.value(a, y),
            np.array([C.value(a[i : i + 1], y[i : i + 1])[0] for i in range(len(a))]),
        )
        if not np.allclose(together, alone, rtol=1e-9, atol=1e-12, equal_nan=True):
            found.append(
                Finding(
                    "cost",
                    "exact",
                    f"{C.name} of a row changes with the other rows of its batch: "
                    f"{number(together[0])} among them, {number(alone[0])} alone",
                    "a cost that compares each row with its own targets alone, such as squared_error",
                )
            )
        said, true = C.derivative(a, y), np.empty_like(a)
        for k in range(a.shape[1]):
            step = np.zeros_like(a)
            step[:, k] = h * np.maximum(1, np.abs(a[:, k]))
            true[:, k] = (C.value(a + step, y) - C.value(a - step, y)) / (2 * step[:, k])
        off = np.abs(said - true) > 1e-4 * (1 + np.abs(true))
        if off.mean() > 0.5 and not found:
            i, k = np.argwhere(off)[0]
            found.append(
                Finding(
                    "gradient_wrong",
                    "exact",
                    f"the derivative of {C.name} says {number(said[i, k])}, its value changes by "
                    f"{number(true[i, k])}",
                    "the derivative of the value: whygrad.why.check compares them",
                )
            )
    return found
