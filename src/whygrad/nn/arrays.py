"""Arrays as they come from a user → arrays that the equations can take, or one line that says why not.

Inputs become (n, n_0), targets (n, n_L), sample weights (n,). Arrays that already fit are handed
through untouched, files that are mapped into memory among them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters, check_masks

# Numbers looked at together where one of them is not finite: what is set up for them stays small.
BLOCK = 2**20
MOST = 2**27  # numbers of rows that are read where somebody asks for all of them at once


@dataclass(frozen=True, eq=False)
class RowsOnDemand:
    """An array of shape (n, width) whose rows are read when they are asked for, and not kept.

    Parameters
    ----------
    shape : (int, int)
    dtype : dtype
    read : function
        From indices (k,) to these rows, (k, width).
    digest : str
        Tells it from all others: the SHA-256 of what it is read from.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    read: Callable[[Array], Array]
    digest: str

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        """Return some rows, given by indices, (k,), by a mask, (n,), or by a slice."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        return self.read(np.flatnonzero(rows) if rows.dtype == bool else rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return all rows; raise `InputError` where these are too many."""
        if math.prod(self.shape) > MOST:
            raise InputError(
                f"{self.shape[0]:,} rows of {self.shape[1]:,} numbers are not read at once: this takes "
                "fewer rows"
            )
        return np.asarray(self[:], dtype)

    def changed(self, change: Callable[[Array], Array]) -> "RowsOnDemand":
        """Return the rows as a function changes them."""
        return replace(self, read=lambda rows: change(self.read(rows)))


@dataclass(frozen=True, eq=False)
class Data:
    """Examples in the form that training needs.

    A step along a batch takes Σ mᵢ sᵢ ∇Cᵢ / S, where S is Σ sᵢ, or with `rescale` Σ mᵢ sᵢ.

    Parameters
    ----------
    X : array of shape (n, n_0), compressed rows (CSR) of SciPy, or `RowsOnDemand`
    Y : array of shape (n, n_L), or `RowsOnDemand` where X is
    sample_weight : array of shape (n,), optional
        The weights s of the examples; 1 without.
    multipliers : array of shape (n,), optional
        Factors m on the examples' gradients, 1 without. A factor of 0 leaves an example out.
    rescale : bool
        Whether a step divides by the weight of the examples that remain, rather than by that of all.

    Raises
    ------
    InputError
        Where there is not one multiplier for each example.
    """

    X: Any
    Y: Any
    sample_weight: Array | None = None
    multipliers: Array | None = None
    rescale: bool = False

    def __post_init__(self) -> None:
        """Check that the multipliers fit the examples."""
        m, n = self.multipliers, len(self.Y)
        if m is not None and m.shape != (n,):
            raise InputError(
                f"multipliers have shape {m.shape}: one number for each of {n} examples"
            )

    @cached_property
    def factors(self) -> Array | None:
        """What multiplies the gradient of each example, (n,); None where all are 1."""
        if self.multipliers is None:
            return self.sample_weight
        m = self.multipliers.astype(self.Y.dtype)
        return m if self.sample_weight is None else m * self.sample_weight

    def taken(self, examples: Array) -> "Data":
        """Return some of the examples, by their indices (k,)."""
        s, m = (
            None if array is None else array[examples]
            for array in (self.sample_weight, self.multipliers)
        )
        return replace(self, X=self.X[examples], Y=self.Y[examples], sample_weight=s, multipliers=m)

    @property
    def on_demand(self) -> bool:
        """Whether its examples are read when they are asked for."""
        return isinstance(self.X, RowsOnDemand)

    @property
    def counts(self) -> Array | None:
        """What each example adds to S, (n,); None where all add 1."""
        return self.factors if self.rescale else self.sample_weight


def as_data(
    net: Network, X: Any, Y: Any, sample_weight: Any = None, dtype: str = "float64"
) -> Data:
    """Check examples against a network and bring them to one dtype and a row-major layout.

    A sparse X becomes SciPy's CSR; what fits already, such as a file in memory, is not copied.
    """
    X = as_inputs(net, X)
    Y = as_targets(net, Y, X.shape[0])
    s = as_sample_weight(sample_weight, X.shape[0])
    if s is not None and not s.sum() > 0:
        raise InputError("sample_weight is 0 for every example: at least one must count")
    return Data(
        X.astype(dtype, copy=False) if is_sparse(X) else np.ascontiguousarray(X, dtype),
        np.ascontiguousarray(Y, dtype),
        None if s is None else np.ascontiguousarray(s, dtype),
    )


def is_sparse(X: Any) -> bool:
    """Return whether X is one of SciPy's sparse arrays or matrices."""
    return hasattr(X, "tocsr")


def dense(X: Any) -> Array:
    """Return X as an array: one of SciPy's sparse arrays with its zeros, anything else as it is."""
    return X.toarray() if is_sparse(X) else np.asarray(X)


def as_inputs(net: Network, X: Any) -> Any:
    """Return X as (n, n_0): of examples of any shape with n_0 numbers each, or of a single example.

    A sparse X is given as compressed rows (CSR), their columns sorted and none twice. Raises `InputError`
    for shapes that do not fit, and for NaN and infinity.
    """
    X = in_rows(net, X)
    check_finite(X, "X")
    return X


def in_rows(net: Network, X: Any) -> Any:
    """Return X as `as_inputs` does, but leave NaN and infinity in a dense X for the caller to find."""
    n_0 = net.sizes[0]
    if is_sparse(X):
        return _compressed(X, n_0)
    X = _numeric(X, "X")
    shape = tuple(net.inputs) if isinstance(net.inputs, tuple | list) else (n_0,)
    if X.ndim == 1 and n_0 == 1:
        X = X.reshape(-1, 1)
    elif X.shape in (shape, (n_0,)):
        X = X.reshape(1, n_0)
    elif X.ndim > 2 and int(np.prod(X.shape[1:])) == n_0:
        X = X.reshape(len(X), n_0)
    _check_shape(X, n_0)
    return X


def as_targets(net: Network, Y: Any, n: int) -> Array:
    """Return Y as (n, n_L); whole numbers, one per example, are read as classes where n_L > 1."""
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


def as_sample_weight(sample_weight: Any, n: int) -> Array | None:
    """Return the sample weights as (n,), none of them negative, or None where there are none."""
    if sample_weight is None:
        return None
    sample_weight = _numeric(sample_weight, "sample_weight")
    if sample_weight.shape != (n,):
        raise InputError(
            f"sample_weight has shape {sample_weight.shape}, but {n} examples need ({n},)"
        )
    check_finite(sample_weight, "sample_weight")
    if isinstance(sample_weight, np.ndarray) and (sample_weight < 0).any():
        raise InputError(
            f"sample_weight[{int(np.argmax(sample_weight < 0))}] is negative: a weight is at least 0"
        )
    return sample_weight


def check_fit(net: Network, theta: Parameters) -> None:
    """Reject parameters that do not fit a network's layers and masks, and what is neither of the two."""
    if not isinstance(net, Network):
        raise InputError(f"net is a Network, not {type(net).__name__}")
    if not isinstance(theta, Parameters):
        raise InputError(f"theta is Parameters, such as net.init(), not {type(theta).__name__}")
    if theta.sizes != net.sizes:
        raise InputError(
            f"the parameters are of layers of {theta.sizes} units, the network's are {net.sizes}"
        )
    check_masks(net, theta)


def as_indices(examples: Any, n: int) -> Array:
    """Return the indices of some of n training examples, which may be given as a mask, as int64.

    >>> as_indices(3, 5), as_indices([True, False, True], 3)
    (array([3]), array([0, 2]))
    """
    indices = np.atleast_1d(np.asarray(examples))
    if indices.dtype == bool and indices.shape == (n,):
        indices = np.flatnonzero(indices)
    if indices.ndim != 1 or (indices.dtype.kind not in "iu" and len(indices)):
        raise InputError(f"examples are indices into the training data, from 0 to {n - 1}")
    outside = indices[(indices < 0) | (indices >= n)]
    if len(outside):
        raise InputError(f"example {outside[0]}: the training data have 0 to {n - 1}")
    return indices.astype(np.int64)


def check_trace(trace: Any, delta: bool = False) -> None:
    """Reject what is no trace of a forward pass, or with `delta` one that has not been passed back."""
    if not hasattr(trace, "delta"):
        raise InputError(
            f"the trace is what forward returns, forward(net, theta, X), not {type(trace).__name__}"
        )
    if delta and trace.delta is None:
        raise InputError("the trace has no delta yet: call backward before gradients")


def check_unmasked(array: Any, name: str) -> None:
    """Reject a masked array that hides numbers: they would be learned from like all others."""
    if np.ma.is_masked(array):
        hidden = np.argwhere(np.ma.getmaskarray(array))
        raise InputError(
            f"{name}[{', '.join(str(i) for i in hidden[0])}] is masked ({_in_all(len(hidden))}): "
            "impute or leave out missing values first"
        )


def check_columns(X: Any) -> None:
    """Reject a frame in which two columns have the same name: nobody could say which one is meant."""
    columns = column_names(X)
    if len(set(columns)) < len(columns):
        name = next(name for i, name in enumerate(columns) if name in columns[:i])
        raise InputError(f"X has {columns.count(name)} columns called {name!r}: rename all but one")


def column_names(X: Any) -> tuple[str, ...]:
    """Return the names of a frame's columns, () where X is none."""
    names = getattr(X, "column_names", getattr(X, "columns", ()))  # of arrow, of all others
    return tuple(map(str, names))


def check_finite(array: Any, name: str, columns: Sequence[str] = ()) -> None:
    """Reject NaN and infinity, and say where the first one is; its column where these have names."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return
    first, count = _not_finite(array)
    if count:
        column = f", column {columns[first[-1]]!r}," if len(columns) == array.shape[-1] else ""
        _refuse(f"{name}[{', '.join(map(str, first))}]{column}", array[first], count)


def _not_finite(array: Array) -> tuple[tuple[int, ...], int]:
    """Return the index of the first number that is not finite, and how many of them there are."""
    first: tuple[int, ...] = ()
    count = 0
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # one pass without a temporary array settles most cases
            return first, count
    rows = max(1, BLOCK // max(1, array[:1].size))
    for start in range(0, len(array), rows):
        bad = np.argwhere(~np.isfinite(array[start : start + rows]))
        if len(bad) and not count:
            row, *rest = (int(i) for i in bad[0])
            first = (start + row, *rest)
        count += len(bad)
    return first, count


def _refuse(which: str, value: Any, count: int) -> None:
    what = "NaN" if np.isnan(value) else "infinity"
    raise InputError(
        f"{which} is {what} ({_in_all(count)}): impute or leave out missing values first"
    )


def _in_all(count: int) -> str:
    return "the only such value" if count == 1 else f"{count} such values in all"


def one_hot(classes: Array, n_classes: int) -> Array:
    """Turn classes 0 … n_classes − 1 into rows with a single one."""
    outside = (classes < 0) | (classes >= n_classes)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"Y[{row}] is class {classes[row]}, but {n_classes} outputs stand for 0 … {n_classes - 1}"
        )
    return np.eye(n_classes)[classes]


def _check_shape(X: Any, n_0: int) -> None:
    if X.ndim != 2 or X.shape[1] != n_0:
        raise InputError(
            f"X has shape {X.shape}, but the network takes {n_0} inputs: expected (n, {n_0})"
        )


def _compressed(X: Any, n_0: int) -> Any:
    _check_shape(X, n_0)
    _check_numbers(X, "X")
    X = X.tocsr()
    if not X.has_canonical_format:
        X = X.copy()  # the user's stays as it was
        X.sum_duplicates()
    if X.dtype.kind == "f" and X.nnz:
        first, count = _not_finite(X.data)
        if count:
            row = int(np.searchsorted(X.indptr, first[0], side="right")) - 1
            _refuse(f"X[{row}, {X.indices[first[0]]}]", X.data[first[0]], count)
    return X


def _check_numbers(array: Any, name: str) -> None:
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} has dtype {array.dtype}: expected numbers")
    if array.ndim and array.shape[0] == 0:
        raise InputError(f"{name} is empty: at least one example is needed")


def _numeric(array: Any, name: str) -> Any:
    if hasattr(array, "__array_namespace__") and not isinstance(array, np.ndarray):
        return array  # of another library: its values may not exist yet while a compiler traces it
    check_unmasked(array, name)
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise InputError(f"{name} is not an array of numbers: {error}") from None
    _check_numbers(array, name)
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
