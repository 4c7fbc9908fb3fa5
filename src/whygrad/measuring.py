"""How a network does on examples: its outputs, their cost, and a score that people read."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.arrays import as_inputs
from whygrad.backprop import example_costs, forward
from whygrad.engines.pools import one_thread
from whygrad.functions import Array
from whygrad.network import Network, Parameters
from whygrad.plan import Data

BLOCK = 1024  # rows at a time: what lies between layers stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Judged(Data):
    """Held-out examples scored by their accuracy, whatever the cost: by labels, or `several` classes."""

    several: bool = False


def outputs(net: Network, theta: Parameters, X: Any) -> Array:
    """Give a[L] for X, computed in blocks of rows to bound the memory."""
    X = as_inputs(net, X)
    parts = [forward(net, theta, X[i : i + BLOCK]).a[-1] for i in range(0, X.shape[0], BLOCK)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def score(net: Network, a: Array, y: Array, weights: Array | None = None) -> float:
    """Give the accuracy of outputs that stand for classes, and R² of outputs that are numbers.

    Several independent labels count as right only together, and R² of several outputs is their mean: as
    scikit-learn has both.
    """
    if net.C.targets == "distribution":
        right = a.argmax(axis=1) == y.argmax(axis=1)
    elif net.C.targets == "unit":
        right = ((a > 0.5) == (y > 0.5)).all(axis=1)
    else:
        return _r2(a, y, weights)
    return float(np.average(right, weights=weights))


def accuracy(a: Array, y: Array, several: bool, weights: Array | None) -> float:
    """Give the share of right classes; of labels that do not exclude each other, all must be right."""
    of_labels = ((a > 0.5) == (y > 0.5)).all(axis=1)
    right = a.argmax(axis=1) == y.argmax(axis=1) if several else of_labels
    return float(np.average(right, weights=weights))


def _r2(a: Array, y: Array, weights: Array | None) -> float:
    s = np.ones((len(y), 1)) if weights is None else weights[:, None]
    left = (s * (y - a) ** 2).sum(axis=0, dtype=np.float64)
    spread = (s * (y - np.average(y, axis=0, weights=weights)) ** 2).sum(axis=0, dtype=np.float64)
    constant = np.where(left > 0, 0.0, 1.0)  # a target without spread: 1 if met exactly, else 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(spread > 0, 1 - left / spread, constant).mean())


def measure(net: Network, theta: Parameters, data: Data) -> tuple[float, float]:
    """Give cost, without penalties, and score of examples."""
    C_x, parts = [], []
    with one_thread(numpy=True), np.errstate(all="ignore"):
        for i in range(0, len(data.Y), BLOCK):
            trace = forward(net, theta, data.X[i : i + BLOCK])
            C_x.append(example_costs(net, trace, data.Y[i : i + BLOCK]))
            parts.append(trace.a[-1])
        cost = float(np.average(np.concatenate(C_x), weights=data.weights))
        a = np.concatenate(parts)
        if isinstance(data, Judged):
            return cost, accuracy(a, data.Y, data.several, data.weights)
        return cost, score(net, a, data.Y, data.weights)
