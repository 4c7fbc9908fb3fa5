"""The outputs of a network for rows: a row has the same last bits alone and in any batch.

There is one way to them. The products are those of `row_products`, whose sums do not depend on the rows
beside; activation functions are those of `functions`. Where there is no such code, NumPy multiplies W by
one row after the other. (Blocks of rows would not do, even of one and the same shape: BLAS adds up in
another order at the end of a block.) Which of the two it is follows from the machine alone, never from
what a process has done before. Rows are taken in blocks, which threads share.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from ctypes import addressof, c_int64
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from whygrad.cores import one_thread, own_cores
from whygrad.engines.row_products import (
    COPY,
    EACH,
    FIRST,
    LAYERS,
    ROWS,
    TILE,
    WIDEST,
    WORK,
    A,
    Z,
    compiled,
    copy_of,
    is_narrow,
)
from whygrad.nn.arrays import check_finite, check_fit, in_rows, is_sparse
from whygrad.nn.backprop import forward
from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.network import Network, Parameters

BLOCK = 256  # rows at a time: what lies between layers stays in the processor's cache
SHARED = (
    2**24
)  # multiplications for each thread, at least: to start one takes a tenth of a millisecond

_relu, _identity = ACTIVATIONS["relu"], ACTIVATIONS["identity"]


def outputs(net: Network, theta: Parameters, X: Any) -> Array:
    """Return a[L] for X, with the same last bits for a row whatever stands beside it.

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

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "identity")])
    >>> X, theta = np.arange(2000.0).reshape(1000, 2) / 2000, net.init()
    >>> bool((outputs(net, theta, X)[700:701] == outputs(net, theta, X[700:701])).all())
    True
    """
    known = COMPILED.get(theta) if type(theta) is Parameters else None
    if known is not None and known.net is net and known.is_one_row(X):
        return known.of_one_row(X)
    check_fit(net, theta)
    X = in_rows(net, X)
    if not isinstance(theta.flat, np.ndarray) or not (isinstance(X, np.ndarray) or is_sparse(X)):
        return forward(net, theta, X).a[-1]  # of another library
    return _outputs(net, theta, X, checked=False)


def outputs_of_rows(net: Network, theta: Parameters, X: Array) -> Array:
    """Return a[L] for rows as the network takes them, of the parameters' dtype; whatever they hold."""
    with np.errstate(all="ignore"):  # what overflows is seen in the outputs
        return _outputs(net, theta, X.astype(theta.flat.dtype, copy=False), checked=True)


def _outputs(net: Network, theta: Parameters, X: Any, checked: bool) -> Array:
    kind = np.result_type(X.dtype, theta.flat.dtype)
    n = X.shape[0]
    layers = _layers_of(net, theta, kind, n, is_sparse(X))
    if n <= BLOCK:
        return layers(X, X, checked)
    a = np.empty((n, net.sizes[-1]), kind)

    def work(part: int, parts: int) -> None:
        for i in range(part * BLOCK, n, parts * BLOCK):
            a[i : i + BLOCK] = layers(X[i : i + BLOCK], X, checked)

    parts = min(own_cores(), n * len(theta.flat) // SHARED)
    if parts <= 1 or any(ACTIVATIONS.get(f.name) != f for f in net.f[1:]):
        work(0, 1)  # an activation of the user's own may be of use to one thread at a time only
        return a
    with ThreadPoolExecutor(parts) as pool:
        for done in [pool.submit(copy_context().run, work, part, parts) for part in range(parts)]:
            done.result()
    return a


Layers = Callable[[Any, Any, bool], Array]


def _layers_of(net: Network, theta: Parameters, kind: Any, n: int, sparse: bool) -> Layers:
    """Return what takes a block of n rows through all layers, in numbers of this kind."""
    flat = np.require(theta.flat, kind, ["C", "A"])
    own = theta if flat is theta.flat else Parameters(theta.sizes, flat)
    call = compiled(kind.name) if kind.name in ("float32", "float64") else None
    if call is None:
        return _InNumPy(net, own)
    if own is not theta:
        return _Compiled(net, own, call).for_rows(n, sparse)
    known = COMPILED.get(theta)
    if known is None or known.net is not net:
        known = COMPILED[theta] = _Compiled(net, theta, call)
    return known.for_rows(n, sparse)


@dataclass(frozen=True, eq=False)
class _Run:
    """Layers that are taken in one call, and the activation function that NumPy computes at their end."""

    words: tuple[int, ...]  # of all its layers
    narrow: tuple[tuple[int, Array], ...]  # where the copy of a W belongs among them, and that W
    units: int
    widest: int
    f: Callable[[Array], Array] | None


def _with_copies(run: _Run, copies: list[Array]) -> _Run:
    """Return the run with the addresses of copies of its narrow layers' W."""
    words = list(run.words)
    for (place, _), copy in zip(run.narrow, copies, strict=True):
        words[place] = copy.ctypes.data
    return replace(run, words=tuple(words))


class _Compiled:
    """The layers of a network in compiled code, which reads the parameters where they are."""

    def __init__(self, net: Network, theta: Parameters, call: Callable[[int], int]) -> None:
        self.net, self.call, self.dtype = net, call, theta.flat.dtype
        self.W_1, self.b_1 = theta.W[1], theta.b[1]
        self.flat = theta.flat  # whose memory the addresses are of
        self.runs = self._runs(theta, 1)
        self.above = self._runs(theta, 2)  # those over sparse inputs
        self.one = (1, net.sizes[0])
        self.built_in = all(ACTIVATIONS.get(f.name) == f for f in net.f[1:])
        self.local = threading.local()

    def _runs(self, theta: Parameters, first: int) -> list[_Run]:
        runs: list[_Run] = []
        words: list[int] = []
        narrow: list[tuple[int, Array]] = []
        widest = 1
        for l in range(first, self.net.L + 1):
            f, W, b = self.net.f[l], theta.W[l], theta.b[l]
            few = is_narrow(W.shape[1], W.shape[0], W.itemsize)
            if few:
                narrow.append((len(words) + COPY, W))
            words += [W.ctypes.data, b.ctypes.data, W.shape[1], W.shape[0], f == _relu, few, 0]
            fused = f in (_relu, _identity)
            if fused and l < self.net.L:
                widest = max(widest, W.shape[0])
                continue
            end = None if fused else f.value
            runs.append(_Run(tuple(words), tuple(narrow), W.shape[0], widest, end))
            words, narrow, widest = [], [], 1
        return runs

    def for_rows(self, n: int, sparse: bool) -> Layers:
        """Return what takes blocks of n rows through the layers, with copies of W where they pay."""
        runs, copies = self.above if sparse else self.runs, []
        if n >= TILE:
            copies = [[copy_of(W) for _, W in run.narrow] for run in runs]
            runs = [_with_copies(run, own) for run, own in zip(runs, copies, strict=True)]

        def block(X: Any, whole: Any, checked: bool) -> Array:
            return self._block(X, whole, checked, runs, copies)

        return block

    def _block(self, X: Any, whole: Any, checked: bool, runs: list[_Run], copies: Any) -> Array:
        """Return a[L] for a block of rows; of sparse ones the first layer is SciPy's."""
        if is_sparse(X):
            z: Array = X @ self.W_1.T.astype(self.dtype, copy=False)
            z += self.b_1
            X, checked = self.net.f[1].value(z), True
        a = np.require(X, self.dtype, ["C", "A"])
        for run in runs:
            z = np.empty((len(a), run.units), self.dtype)
            work = np.empty(2 * run.widest * len(a), self.dtype)
            words = self._words(run, len(a), work, z)
            words[A] = a.ctypes.data
            self.call(addressof(words))
            if not checked:
                _check(z, a, whole)
                checked = True
            a = z if run.f is None else run.f(z)
        return a

    def _words(self, run: _Run, rows: int, work: Array, z: Array) -> Any:
        begin = dict.fromkeys(range(FIRST), 0) | {
            LAYERS: len(run.words) // EACH,
            ROWS: rows,
            WORK: work.ctypes.data,
            Z: z.ctypes.data,
            WIDEST: run.widest * self.dtype.itemsize,
        }
        return (c_int64 * (FIRST + len(run.words)))(*begin.values(), *run.words)

    def is_one_row(self, X: Any) -> bool:
        """Return whether X is a single row that needs no preparation."""
        if type(X) is not np.ndarray or X.shape != self.one or X.dtype is not self.dtype:
            return False
        flags = X.flags
        return self.built_in and flags.c_contiguous and flags.aligned

    def of_one_row(self, X: Array) -> Array:
        """Return a[L] for it, in memory that this thread has ready."""
        try:
            ready = self.local.ready
        except AttributeError:
            ready = self.local.ready = self._ready()
        a, call = X, self.call
        for words, address, _, z, f in ready:
            words[A] = a.ctypes.data
            call(address)
            if a is X and not math.isfinite(z[0, 0]):
                _check(z, X, X)
            a = z.copy() if f is None else f(z)
        return a

    def _ready(self) -> list[tuple[Any, int, Array, Array, Any]]:
        found = []
        for run in self.runs:
            work, z = np.empty(2 * run.widest, self.dtype), np.empty((1, run.units), self.dtype)
            words = self._words(run, 1, work, z)
            found.append((words, addressof(words), work, z, run.f))
        return found


class _InNumPy:
    """The layers of a network in NumPy, each row by itself: W times one vector, however many there are."""

    def __init__(self, net: Network, theta: Parameters) -> None:
        self.net, self.theta = net, theta

    def __call__(self, X: Any, whole: Any, checked: bool) -> Array:
        """Return a[L] for a block of rows."""
        net, theta, a = self.net, self.theta, X
        if not is_sparse(X):
            a = np.require(X, theta.flat.dtype, ["C", "A"])
            if not checked:
                check_finite(whole, "X")
        with one_thread(numpy=True):
            for l in range(1, net.L + 1):
                W = theta.W[l]
                z = a @ W.T if is_sparse(a) else np.matmul(W, a[:, :, None])[:, :, 0]
                a = net.f[l].value(z + theta.b[l])
        return a


def _check(z: Array, a: Array, whole: Any) -> None:
    """Reject rows that are not finite: a row that holds NaN or infinity has no finite z.

    To look for it there costs a pass over one column.
    """
    if not (np.isfinite(z[:, 0]).all() or np.isfinite(a).all()):
        check_finite(whole, "X")


COMPILED: "WeakKeyDictionary[Parameters, _Compiled]" = WeakKeyDictionary()
