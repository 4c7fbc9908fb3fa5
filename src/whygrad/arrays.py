"""Arrays as they come from a user → arrays that the equations can take, or one line that says why not.

Inputs become (n, n_0), targets (n, n_L), weights of examples (n,). Arrays that already fit are handed
through untouched.
"""

from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.functions import Array
from whygrad.network import Network, Parameters


def as_inputs(net: Network, X: Any) -> Array:
    """Give X as (n, n_0): of examples of any shape with n_0 numbers each, or of a single example."""
    X = _numeric(X, "X")
    n_0 = net.sizes[0]
    shape = tuple(net.inputs) if isinstance(net.inputs, tuple | list) else (n_0,)
    if X.ndim == 1 and n_0 == 1:
        X = X.reshape(-1, 1)
    elif X.shape in (shape, (n_0,)):
        X = X.reshape(1, n_0)
    elif X.ndim > 2 and int(np.prod(X.shape[1:])) == n_0:
        X = X.reshape(len(X), n_0)
    if X.ndim != 2 or X.shape[1] != n_0:
        raise InputError(
            f"X has shape {X.shape}, but the network takes {n_0} inputs: expected (n, {n_0})"
        )
    check_finite(X, "X")
    return X


def as_targets(net: Network, Y: Any, n: int) -> Array:
    """Give Y as (n, n_L); whole numbers, one per example, are read as classes where n_L > 1."""
    Y = _numeric(Y, "Y")
    n_L = net.sizes[-1]
    if Y.ndim == 1 and n == 1 and Y.shape == (n_L,):
        Y = Y.reshape(1, n_L)
    elif Y.ndim == 0 or (Y.ndim == 1 and n_L == 1):
        Y = Y.reshape(-1, 1)
    elif Y.ndim == 1 and len(Y) == n and np.issubdtype(Y.dtype, np.integer):
        Y = one_hot(Y, n_L)
    if Y.ndim != 2 or Y.shape != (n, n_L):
        raise InputError(
            f"Y has shape {Y.shape}, but {n} examples and {n_L} outputs need ({n}, {n_L})"
        )
    check_finite(Y, "Y")
    if isinstance(Y, np.ndarray):
        _check_targets(net, Y)
    return Y


def as_weights(weights: Any, n: int) -> Array | None:
    """Give the weights of examples as (n,), none of them negative, or None where there are none."""
    if weights is None:
        return None
    weights = _numeric(weights, "weights")
    if weights.shape != (n,):
        raise InputError(f"weights have shape {weights.shape}, but {n} examples need ({n},)")
    check_finite(weights, "weights")
    if isinstance(weights, np.ndarray) and (weights < 0).any():
        raise InputError(
            f"weights[{int(np.argmax(weights < 0))}] is negative: a weight is at least 0"
        )
    return weights


def check_fit(net: Network, theta: Parameters) -> None:
    """Refuse parameters of a network with other layers."""
    if theta.sizes != net.sizes:
        raise InputError(
            f"the parameters are of layers of {theta.sizes} units, the network's are {net.sizes}"
        )


def check_finite(array: Array, name: str) -> None:
    """Refuse NaN and infinity, and say where the first one is."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # one pass without a temporary array settles most cases
            return
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        what = "NaN" if np.isnan(array[where]) else "infinity"
        place = ", ".join(str(i) for i in where)
        raise InputError(
            f"{name}[{place}] is {what} ({int(bad.sum())} such values in all): "
            "impute or leave out missing values first"
        )


def one_hot(classes: Array, n_classes: int) -> Array:
    """Turn classes 0 … n_classes − 1 into rows with a single one."""
    outside = (classes < 0) | (classes >= n_classes)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"Y[{row}] is class {classes[row]}, but {n_classes} outputs stand for 0 … {n_classes - 1}"
        )
    return np.eye(n_classes)[classes]


def _numeric(array: Any, name: str) -> Any:
    if hasattr(array, "__array_namespace__") and not isinstance(array, np.ndarray):
        return array  # of another library: its values may not exist yet while a compiler traces it
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise InputError(f"{name} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} has dtype {array.dtype}: expected numbers")
    if array.ndim and array.shape[0] == 0:
        raise InputError(f"{name} is empty: at least one example is needed")
    return array


def _check_targets(net: Network, Y: Array) -> None:
    kind = net.C.targets
    if kind == "real":
        return
    low = Y < 0
    high = (Y > 1) if kind in ("unit", "distribution") else np.zeros_like(low)
    if low.any() or high.any():
        row, column = (int(i) for i in np.argwhere(low | high)[0])
        need = "at least 0" if kind == "nonnegative" else "between 0 and 1"
        raise InputError(
            f"Y[{row}, {column}] is {Y[row, column]:g}: cost {net.C.name!r} needs targets {need}"
        )
    if kind == "distribution":
        sums = Y.sum(axis=1)
        wrong = np.abs(sums - 1) > 1e-3
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"Y[{row}] sums to {sums[row]:g}: cost {net.C.name!r} needs rows of probabilities that "
                "sum to 1 (for several labels at once use 'sigmoid' with 'binary_cross_entropy')"
            )
