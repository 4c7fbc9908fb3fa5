"""A network, its data and its parameters as the compiled loop wants them: numbers in flat memory.

Parameters keep the order of `Parameters.flat`, but for W¹ where zeros of the input are skipped: then its
columns lie side by side, as `sparse` reads them. Memory is aligned to the processor's cache lines, since
products of small matrices take half as long again without.
"""

from itertools import accumulate
from typing import Any

import numpy as np

from whygrad.engines.native import sparse
from whygrad.engines.native.costs import COST_CODES
from whygrad.engines.native.elementwise import ACTIVATION_CODES, SLOPE_NEEDS_Z
from whygrad.engines.native.memory import LINE
from whygrad.engines.native.steps import Examples, Layers, Room
from whygrad.engines.native.updates import ADAM, MOMENTUM, NESTEROV, Penalties, Rule
from whygrad.engines.native.updates import SGD as PLAIN
from whygrad.functions import Array
from whygrad.network import Network
from whygrad.optimizers import SGD, Adam, Optimizer
from whygrad.plan import Data, Penalty, Plan

# Zeros are skipped where at most this share of the inputs is something else, the rows are long and the
# layer above is narrow: for wide ones the dense product, in blocks and on all cores, wins.
SPARSE_SHARE, SPARSE_INPUTS, SPARSE_UNITS = 0.3, 64, 128
# Columns are kept in 16 bits, and the compressed rows in memory beside the data.
SPARSE_COLUMNS, SPARSE_NUMBERS = 2**16, 2**28


class Layout:
    """What the compiled loop needs for one network, batch size, dtype and data set."""

    def __init__(self, net: Network, batch_size: int, dtype: str, data: Data) -> None:
        self.key = (net, batch_size, dtype, id(data.X), id(data.Y), id(data.weights))
        self.data = data  # kept, so that the ids above stay taken
        self.sizes = net.sizes
        skip = skips_zeros(data.X, net.sizes[1])
        stretch = sparse.width(net.sizes[1], dtype) if skip else 0
        self.layers = layers(net, batch_size, stretch)
        self.rows = sparse.compress(data.X) if skip else _no_rows(dtype)
        self.room = _room(self.layers, batch_size, dtype)
        self.inner: list[Array] = []  # memory for parameters and slots in the loop's order

    def examples(self, order: Array) -> Examples:
        """Give the data in the order of an epoch, as read-only arrays: of one kind, whoever owns them."""
        data = self.data
        weights = np.empty(0, data.X.dtype) if data.weights is None else data.weights
        X, Y, s = (_read_only(array) for array in (data.X, data.Y, weights))
        return Examples(X, self.rows, Y, s, _read_only(order))

    def enter(self, theta: Array, slots: Array) -> tuple[Array, Array]:
        """Give parameters and slots in the loop's order, in aligned memory."""
        if not self.layers.stretch:
            return aligned(theta), slots
        if not self.inner:
            size = self.size
            self.inner = [
                aligned_zeros(size, theta.dtype),
                np.zeros((len(slots), size), theta.dtype),
            ]
        flat, rows = self.inner
        self._to_columns(theta, flat)
        for slot, row in zip(slots, rows, strict=True):
            self._to_columns(slot, row)
        return flat, rows

    def leave(self, flat: Array, rows: Array, theta: Array, slots: Array) -> tuple[Array, Array]:
        """Give parameters and slots in the order of `Parameters.flat`, in the memory of theta and slots."""
        if not self.layers.stretch:
            return flat, rows
        self.to_rows(flat, theta)
        for row, slot in zip(rows, slots, strict=True):
            self.to_rows(row, slot)
        return theta, slots

    @property
    def size(self) -> int:
        """The length of θ in the loop's order."""
        return int(self.layers.b[-1]) + self.sizes[-1]

    def _to_columns(self, flat: Array, inner: Array) -> None:
        inputs, units, stretch = self.sizes[0], self.sizes[1], self.layers.stretch
        columns = inner[: inputs * stretch].reshape(inputs, stretch)
        columns[:, :units] = flat[: units * inputs].reshape(units, inputs).T
        inner[inputs * stretch :] = flat[units * inputs :]

    def to_rows(self, inner: Array, flat: Array) -> None:
        """Copy a vector in the loop's order, such as a gradient, into the order of `Parameters.flat`."""
        inputs, units, stretch = self.sizes[0], self.sizes[1], self.layers.stretch
        columns = inner[: inputs * stretch].reshape(inputs, stretch)
        flat[: units * inputs].reshape(units, inputs)[...] = columns[:, :units].T
        flat[units * inputs :] = inner[inputs * stretch :]


def skips_zeros(X: Array, units: int) -> bool:
    """Tell whether a first layer of so many units skips the zeros of X."""
    if units > SPARSE_UNITS or X.size > SPARSE_NUMBERS:
        return False
    if not SPARSE_INPUTS <= X.shape[1] <= SPARSE_COLUMNS:
        return False
    return int(np.count_nonzero(X)) <= SPARSE_SHARE * X.size


def layers(net: Network, batch_size: int, stretch: int) -> Layers:
    """Describe a network by numbers."""
    sizes, L = net.sizes, net.L
    codes = [0, *(ACTIVATION_CODES[f.name] for f in net.f[1:])]
    weights = [units * below for below, units in zip(sizes, sizes[1:], strict=False)]
    if stretch:
        weights[0] = sizes[0] * stretch
    ends = list(accumulate(w + units for w, units in zip(weights, sizes[1:], strict=True)))
    W = [0, 0, *ends[:-1]]
    b = [0, *(end - units for end, units in zip(ends, sizes[1:], strict=True))]
    # One place for each of a, z and δ of every layer; z has its own only where it is read later.
    own_z = [l == L or code in SLOPE_NEEDS_Z for l, code in enumerate(codes)]
    first = 0 if stretch else sizes[0]
    widths = [first, 0, 0] + [
        width for l in range(1, L + 1) for width in (sizes[l], sizes[l] * own_z[l], sizes[l])
    ]
    places = list(accumulate((_whole_lines(batch_size * width) for width in widths), initial=0))
    a, z, delta = places[0:-1:3], places[1::3], places[2::3]
    z = [z[l] if own_z[l] else a[l] for l in range(L + 1)]
    n_l, f, at_W, at_b, at_z, at_a, at_delta = (
        np.array(values, dtype=np.int64) for values in (sizes, codes, W, b, z, a, delta)
    )
    return Layers(n_l, f, COST_CODES[net.C.name], at_W, at_b, at_z, at_a, at_delta, stretch)


def rule(optimizer: Optimizer) -> Rule:
    """Describe an optimizer by numbers."""
    if isinstance(optimizer, Adam):
        return Rule(
            ADAM, optimizer.beta1, optimizer.beta2, optimizer.epsilon, optimizer.epsilon_hat
        )
    assert isinstance(optimizer, SGD)
    code = NESTEROV if optimizer.nesterov else MOMENTUM if optimizer.momentum else PLAIN
    return Rule(code, float(optimizer.momentum), 0.0, 0.0, False)


def penalties(plan: Plan) -> Penalties:
    """State each λ as a constant and a part that is divided by the S of the batch."""

    def split(penalty: Penalty) -> tuple[float, float]:
        if penalty.per == "example":
            return 0.0, float(penalty.strength)
        return penalty.of_batch(1, plan.n), 0.0

    return Penalties(*split(plan.l1), *split(plan.l2))


def aligned(array: Array) -> Array:
    """Give the array, or a copy of it that begins with a cache line."""
    if array.ctypes.data % LINE == 0:
        return array
    copy = aligned_zeros(array.size, array.dtype)
    copy[...] = array
    return copy


def aligned_zeros(size: int, dtype: Any) -> Array:
    """Give zeros that begin with a cache line."""
    dtype = np.dtype(dtype)
    memory = np.zeros(size * dtype.itemsize + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size * dtype.itemsize].view(dtype)


def _room(layers: Layers, batch_size: int, dtype: str) -> Room:
    L, outputs = len(layers.sizes) - 1, int(layers.sizes[-1])
    ends = layers.b[1:] + layers.sizes[1:]
    last = int(layers.delta[L]) + _whole_lines(batch_size * outputs)
    return Room(
        work=aligned_zeros(last, dtype),
        y=np.zeros(batch_size * outputs, dtype),
        weights=np.ones(batch_size, dtype),
        costs=np.zeros(batch_size),
        gradient=aligned_zeros(int((ends - layers.W[1:]).max()), dtype),
        row=aligned_zeros(max(layers.stretch, int(layers.sizes[1:].max())), dtype),
    )


def _whole_lines(numbers: int) -> int:
    return -(-numbers // LINE) * LINE


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _no_rows(dtype: str) -> sparse.Rows:
    return sparse.Rows(np.zeros(1, np.int64), np.empty(0, np.uint16), np.empty(0, dtype))
