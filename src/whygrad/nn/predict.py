"""How a network does on examples: its outputs, their cost, and a score that people read."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.cores import one_thread, own_cores
from whygrad.nn.arrays import Data, check_finite, check_fit, in_rows, is_sparse
from whygrad.nn.backprop import example_costs, forward
from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.network import Network, Parameters

BLOCK = 1024  # rows at a time: what lies between layers stays in the processor's cache
THREAD_ROWS = (
    2 * BLOCK
)  # for each thread, at least: to start one takes as long as some hundred rows


@dataclass(frozen=True, eq=False)
class Judged(Data):
    """Held-out examples scored by their accuracy, whatever the cost: by labels, or `several` classes."""

    several: bool = False


def outputs(net: Network, theta: Parameters, X: Any) -> Array:
    """Give a[L] for X, computed in blocks of rows, which threads share out where there are many.

    Raises `InputError` for shapes that do not fit, and for NaN and infinity in X.
    """
    check_fit(net, theta)
    X = in_rows(net, X)
    n = X.shape[0]
    if n <= BLOCK:
        return _pass(net, theta, X, 0, n)
    a = np.empty((n, net.sizes[-1]), np.result_type(X.dtype, theta.flat.dtype))

    def work(part: int, parts: int) -> None:
        for i in range(part * BLOCK, n, parts * BLOCK):
            a[i : i + BLOCK] = _pass(net, theta, X, i, min(i + BLOCK, n))

    parts = min(own_cores(), n // THREAD_ROWS)
    if parts <= 1 or any(ACTIVATIONS.get(f.name) != f for f in net.f[1:]):
        work(0, 1)  # an activation of the user's own may be of use to one thread at a time only
        return a
    with one_thread(numpy=True), ThreadPoolExecutor(parts) as pool:
        for done in [pool.submit(copy_context().run, work, part, parts) for part in range(parts)]:
            done.result()
    return a


def _pass(net: Network, theta: Parameters, X: Any, low: int, high: int) -> Array:
    """Give a[L] for rows of X, and find out on the way whether they are finite.

    A row that holds NaN or infinity has no finite z¹: to look for it there costs a pass over one column.
    """
    a = X[low:high]
    for l in range(1, net.L + 1):
        with np.errstate(invalid="ignore" if l == 1 else None):
            z = a @ theta.W[l].T
        z += theta.b[l]
        if l == 1 and not (np.isfinite(z[:, 0]).all() or is_sparse(a) or np.isfinite(a).all()):
            check_finite(X, "X")
        a = net.f[l].value(z)
    return a


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
