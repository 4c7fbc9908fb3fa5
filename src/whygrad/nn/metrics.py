"""How well a network does on examples: their cost, and accuracy or R²."""

from dataclasses import dataclass

import numpy as np

from whygrad.cores import one_thread
from whygrad.nn.arrays import Data
from whygrad.nn.backprop import example_costs, forward
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters

BLOCK = 1024  # rows at a time


@dataclass(frozen=True, eq=False)
class ValidationData(Data):
    """Validation examples scored by their accuracy, whatever the cost: by labels, or `several` classes."""

    several: bool = False


def _score(net: Network, a: Array, y: Array, sample_weight: Array | None = None) -> float:
    """Return the accuracy of outputs that stand for classes, and R² of a regression.

    Several independent labels count as right only together, and R² of several outputs is their mean: as
    scikit-learn has both.
    """
    if net.C.targets == "distribution":
        right = a.argmax(axis=1) == y.argmax(axis=1)
    elif net.C.targets == "unit":
        right = ((a > 0.5) == (y > 0.5)).all(axis=1)
    else:
        return _r2(a, y, sample_weight)
    return float(np.average(right, weights=sample_weight))


def _accuracy(a: Array, y: Array, several: bool, sample_weight: Array | None) -> float:
    """Return the share of right classes; of labels that do not exclude each other, all must be right."""
    of_labels = ((a > 0.5) == (y > 0.5)).all(axis=1)
    right = a.argmax(axis=1) == y.argmax(axis=1) if several else of_labels
    return float(np.average(right, weights=sample_weight))


def class_probabilities(a: Array, exclusive: bool) -> Array:
    """Return the probability of each class from outputs between 0 and 1, (n, n_classes).

    One output is the probability of the second of two classes; outputs of classes that are `exclusive` and
    do not sum to 1 are divided by their sum.
    """
    if a.shape[1] == 1:
        return np.hstack([1 - a, a])
    if exclusive:
        return a / np.maximum(a.sum(axis=1, keepdims=True), np.finfo(a.dtype).tiny)
    return a


def _r2(a: Array, y: Array, sample_weight: Array | None) -> float:
    s = np.ones((len(y), 1)) if sample_weight is None else sample_weight[:, None]
    left = (s * (y - a) ** 2).sum(axis=0, dtype=np.float64)
    spread = (s * (y - np.average(y, axis=0, weights=sample_weight)) ** 2).sum(
        axis=0, dtype=np.float64
    )
    constant = np.where(left > 0, 0.0, 1.0)  # a target without spread: 1 if met exactly, else 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(spread > 0, 1 - left / spread, constant).mean())


def measure(net: Network, theta: Parameters, data: Data) -> tuple[float, float]:
    """Return cost, without penalties, and score of examples."""
    C_x, parts = [], []
    with one_thread(numpy=True), np.errstate(all="ignore"):
        for i in range(0, len(data.Y), BLOCK):
            trace = forward(net, theta, data.X[i : i + BLOCK])
            C_x.append(example_costs(net, trace, data.Y[i : i + BLOCK]))
            parts.append(trace.a[-1])
        cost = float(np.average(np.concatenate(C_x), weights=data.sample_weight))
        a = np.concatenate(parts)
        if isinstance(data, ValidationData):
            return cost, _accuracy(a, data.Y, data.several, data.sample_weight)
        return cost, _score(net, a, data.Y, data.sample_weight)
