"""The outputs of a network for many rows: in blocks, which threads share out."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np

from whygrad.cores import one_thread, own_cores
from whygrad.nn.arrays import check_finite, check_fit, in_rows, is_sparse
from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.network import Network, Parameters

BLOCK = 1024  # rows at a time: what lies between layers stays in the processor's cache
# Rows for each thread, at least: to start one takes as long as some hundred of them.
THREAD_ROWS = 2 * BLOCK


def outputs(net: Network, theta: Parameters, X: Any) -> Array:
    """Return a[L] for X, computed in blocks of rows, which threads share out where there are many.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its weights and biases.
    X : array-like or sparse matrix of shape (n, n_0)
        Inputs.

    Returns
    -------
    ndarray of shape (n, n_L)
        The activations of the output layer.

    Raises
    ------
    InputError
        For shapes that do not fit, and for NaN and infinity in X.
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
    """Return a[L] for rows of X, and find out on the way whether they are finite.

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
