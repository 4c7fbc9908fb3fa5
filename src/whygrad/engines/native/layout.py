"""A network, its data and its parameters as the compiled loop wants them: numbers in flat memory.

Parameters keep the order of `Parameters.flat`, but for W¹ where zeros of the input are skipped: then its
columns lie side by side, in panels, as `sparse` reads them. Memory is aligned to the processor's cache
lines, since products of small matrices take half as long again without.
"""

import math
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from whygrad.engines.native import sparse, updates
from whygrad.engines.native.arguments import Examples, FeatureMajor, Layers, Workspace
from whygrad.engines.native.by_units import LANES, PIECE
from whygrad.engines.native.costs import COST_CODES
from whygrad.engines.native.elementwise import ACTIVATION_CODES, SLOPE_NEEDS_Z
from whygrad.engines.native.memory import LINE, read_only
from whygrad.engines.native.probes import ProbeBuffers
from whygrad.engines.native.products.dense import panel_size
from whygrad.engines.native.products.microkernels import HEIGHT
from whygrad.engines.native.products.pairs import PAIRS
from whygrad.engines.native.updates import Bounds, Penalties, Rule
from whygrad.nn.arrays import Data, is_sparse
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, count
from whygrad.nn.products import operand
from whygrad.plan.dropout import threshold
from whygrad.plan.multipliers import Multipliers, factors_of
from whygrad.plan.optimizers import SGD, Adagrad, Adam, AdamW, Nadam, Optimizer, RMSprop
from whygrad.plan.plan import Clip, Penalty, Plan

# Zeros are skipped where at most this share of the inputs is something else and the rows are long: half of
# the share where dense products are of pairs, and the layer above has more units than these.
SPARSE_SHARE, SPARSE_INPUTS, PAIRED_UNITS = 0.3, 64, 128
# Threads share a step of at least so many multiplications, and have at least so many examples each.
SHARED_EFFORT, BLOCK_ROWS, MOST_BLOCKS = 2**17, 16, 8
# A layer moves in blocks of about so many weights, whose gradients stay in the second-level cache.
MOVING = 2**16
# A layer of at least so many units, and more than there are examples in a batch, is divided by units.
WIDE_UNITS = 256
# A batch goes through by units where these have few inputs, on average: as measured, from 11 for 16
# examples to 90 for 1000. Batches of fewer examples would not fill vectors. Blocks that add up gradients of
# their own have at least LARGE_BLOCK.
BY_UNITS, BY_UNITS_ROWS, LARGE_BLOCK = 8, 16, 64
# Columns are kept in 16 bits, and the compressed rows in memory beside the data.
SPARSE_COLUMNS, SPARSE_NUMBERS = sparse.SHORT_COLUMNS, 2**28


class Layout:
    """What the compiled loop needs for one network, batch size, dtype and data set.

    `has_dropout` says whether dropout is at work, `whole` whether the gradient of all layers is kept,
    `multipliers` are the plan's factors on the learning rate, `products` says what operands are rounded to,
    and `part` whether the data are the examples of some steps alone.
    """

    def __init__(
        self, net: Network, batch_size: int, dtype: str, data: Data, has_dropout: bool, whole: bool,
        multipliers: Multipliers = (), products: str | None = None, part: bool = False,
    ) -> None:  # fmt: skip
        if any(
            a.dtype != dtype for a in (data.X, data.Y, data.factors, data.counts) if a is not None
        ):
            # Copies count in the numbers of their source: wider ones would be written past an end.
            raise TypeError(f"the data of a training in {dtype} are {dtype} too: see as_data")
        self.key = layout_key(
            net, batch_size, dtype, data, has_dropout, whole, multipliers, products, part
        )
        # Kept, so that the ids in the key stay taken. Zeros were looked for once: who changes X in place
        # takes a new engine, as every training does.
        self.data = data
        self.sizes = net.sizes
        # Of rows read on demand not all are there to be looked at, and each step's bits must be the same.
        rounds = products is not None
        skip = is_sparse(data.X) or (not part and skips_zeros(data.X, net.sizes[1], rounds))
        stretch = sparse.width(net.sizes[1], dtype) if skip else 0
        self.layers = layers(net, batch_size, stretch, sparse.panel(dtype), has_dropout, rounds)
        self.rows = sparse.compress(data.X) if skip else _no_rows(dtype)
        if rounds:
            self.rows = self.rows._replace(values=read_only(operand(products, self.rows.values)))
        X = np.empty((0, net.sizes[0]), dtype) if is_sparse(data.X) else data.X
        self.X, self.Y = read_only(X), read_only(data.Y)
        self.blocks = blocks(net, batch_size, skip)
        self.effort = effort(net, batch_size, skip)
        factors = self.for_the_loop(factors_of(multipliers, net, dtype), dtype)
        self.workspace = _workspace(
            self.layers, batch_size, dtype, self.size if whole else 0, self.blocks,
            kept=self.for_the_loop(kept_of(net, dtype), dtype), factors=factors,
            steps=aligned_zeros(len(factors), dtype), rounds=rounds, rows=self.rows,
        )  # fmt: skip
        small = not (skip or rounds) and runs_by_units(net, batch_size, has_dropout)
        by_units = self.blocks if small else 0
        sums = self.blocks if self.blocks > 1 and sums_blocks(net, batch_size, skip) else by_units
        self.by_units = _by_units(net, batch_size, dtype, self.size, by_units, sums)
        self.no_probes: ProbeBuffers | None = None  # for steps that nobody probes
        self.record: Array | None = None  # of the last steps that were probed for rows of the state
        self.inner: list[Array] = []  # memory for θ and the optimizer's state in the loop's order
        # What was left the last time, and the same as the loop takes it: seldom does anything else enter.
        self.outer: tuple[Any, Any] = (None, None), (None, None)

    def examples(self, order: Array, ids: Array, data: Data) -> Examples:
        """Return the data in the order of an epoch, as read-only arrays: of one kind, whoever owns them."""
        nothing = np.empty(0, self.data.Y.dtype)
        if data.factors is None:
            self.workspace.weights[:] = 1  # another call may have filled them
        s, S = (nothing if array is None else array for array in (data.factors, data.counts))
        s, S, order, ids = (read_only(array) for array in (s, S, order, ids))
        return Examples(self.X, self.rows, self.Y, s, S, order, ids)

    def for_the_loop(self, flat: Array | None, dtype: str) -> Array:
        """Return a copy of a vector like θ in the loop's order, filled up by 0; an empty one of None."""
        inner = aligned_zeros(0 if flat is None else self.size, dtype)
        if flat is not None:
            self.copy_in(flat[None], inner[None])
        return inner

    def enter(self, theta: Array, opt_state: Array) -> tuple[Array, Array]:
        """Return θ and the optimizer's state in the loop's order, each row from a cache line on."""
        if not self.layers.stretch:
            left, entered = self.outer
            if theta is not left[0] or opt_state is not left[1]:
                entered = _aligned(theta), _aligned_rows(opt_state)
                self.outer = (entered[0], entered[1][:, : opt_state.shape[1]]), entered
            return entered
        if not self.inner or len(self.inner[1]) != len(opt_state):
            size = self.size
            self.inner = [
                aligned_zeros(size, theta.dtype),
                rows_apart(len(opt_state), size, theta.dtype),
            ]
        flat, rows = self.inner
        self._to_columns(theta, flat)
        for slot, row in zip(opt_state, rows, strict=True):
            self._to_columns(slot, row[: self.size])
        return flat, rows

    def leave(
        self, flat: Array, rows: Array, theta: Array, opt_state: Array
    ) -> tuple[Array, Array]:
        """Return θ and the optimizer's state in the order of `Parameters.flat`, in the memory given."""
        if not self.layers.stretch:
            return self.outer[0]
        self.to_rows(flat, theta)
        for row, slot in zip(rows, opt_state, strict=True):
            self.to_rows(row[: self.size], slot)
        return theta, opt_state

    def copy_in(self, rows: Array, inner: Array) -> None:
        """Copy vectors in the order of `Parameters.flat` into the loop's."""
        for flat, row in zip(rows, inner, strict=True):
            if self.layers.stretch:
                self._to_columns(flat, row)
            else:
                row[...] = flat

    def copy_out(self, inner: Array, rows: Array) -> None:
        """Copy vectors in the loop's order into that of `Parameters.flat`."""
        for row, flat in zip(inner, rows, strict=True):
            if self.layers.stretch:
                self.to_rows(row, flat)
            else:
                flat[...] = row

    @property
    def size(self) -> int:
        """The length of θ in the loop's order."""
        return int(self.layers.b[-1]) + self.sizes[-1]

    def _to_columns(self, flat: Array, inner: Array) -> None:
        for rows, columns in self._panels(flat, inner):
            columns[...] = rows.T
        start, end = self._ends_of_W1()
        inner[end:] = flat[start:]

    def to_rows(self, inner: Array, flat: Array) -> None:
        """Copy a vector in the loop's order, such as a gradient, into the order of `Parameters.flat`."""
        for rows, columns in self._panels(flat, inner):
            rows[...] = columns.T
        start, end = self._ends_of_W1()
        flat[start:] = inner[end:]

    def _panels(self, flat: Array, inner: Array) -> Iterator[tuple[Array, Array]]:
        """Return the units of each panel of W¹, as rows of the one vector and as columns of the other."""
        inputs, units, stretch, panel = (*self.sizes[:2], self.layers.stretch, self.layers.panel)
        W = flat[: units * inputs].reshape(units, inputs)
        for start in range(0, units, panel):
            wide, count = min(panel, stretch - start), min(panel, units - start)
            columns = inner[start * inputs : (start + wide) * inputs].reshape(inputs, wide)
            yield W[start : start + count], columns[:, :count]

    def _ends_of_W1(self) -> tuple[int, int]:
        """Return where W¹ ends in the order of `Parameters.flat`, and in the loop's."""
        return self.sizes[1] * self.sizes[0], self.layers.stretch * self.sizes[0]


def blocks(net: Network, rows: int, skips: bool = False) -> int:
    """Return how many threads may share a batch: a power of 2, by shapes and skipped zeros alone."""
    if effort(net, rows, skips) < SHARED_EFFORT:
        return 1
    if any(_wide(net, rows)):
        return MOST_BLOCKS
    large = has_few_inputs(net, rows) or sums_blocks(net, rows, skips)
    least = LARGE_BLOCK if large else BLOCK_ROWS
    return min(MOST_BLOCKS, 1 << max(0, (rows // least).bit_length() - 1))


def effort(net: Network, rows: int, skips: bool = False) -> int:
    """Return what a step takes, in multiplications of one of its three products."""
    weights = [units * below for below, units in zip(net.sizes, net.sizes[1:], strict=False)]
    weights[0] = int(weights[0] * SPARSE_SHARE) if skips else weights[0]
    return rows * (sum(weights) + 8 * sum(net.sizes[1:]))


def sums_blocks(net: Network, rows: int, skips: bool) -> bool:
    """Return whether blocks of a batch add up gradients of their own: where θ is much less than the batch.

    Otherwise cores exchange what all units say to all examples.
    """
    if skips or any(_wide(net, rows)) or rows < 2 * LARGE_BLOCK:
        return False
    return 2 * count(net.sizes) <= rows * sum(net.sizes)


def has_few_inputs(net: Network, rows: int) -> bool:
    """Return whether units have few inputs, on average, for a batch of so many rows."""
    weights = sum(units * below for below, units in zip(net.sizes, net.sizes[1:], strict=False))
    return (weights / sum(net.sizes[1:])) ** 2 <= BY_UNITS * rows


def _wide(net: Network, rows: int) -> list[bool]:
    """Return for every layer whether threads divide it by units, rather than by examples."""
    hidden = zip(net.sizes[1:-1], net.f[1:-1], strict=True)
    # Softmax needs the whole row; so do the costs of the outputs.
    inner = [units >= WIDE_UNITS and units > rows and f.name != "softmax" for units, f in hidden]
    return [False, *inner, False]


def runs_by_units(net: Network, rows: int, has_dropout: bool) -> bool:
    """Return whether a batch goes through the network in pieces that lie by units (see `by_units`)."""
    if not has_few_inputs(net, rows) or (has_dropout and net.has_dropout):
        return False
    if rows < BY_UNITS_ROWS * blocks(net, rows):
        return False
    # The softmax of units that lie apart is written for this pairing alone.
    return net.f[-1].name != "softmax" or net.C.name == "cross_entropy"


def skips_zeros(X: Array, units: int = 1, rounds: bool = False) -> bool:
    """Return whether a first layer of so many units skips the zeros of X.

    `rounds` says whether operands are rounded: dense products of pairs then take half the time.
    """
    if X.size > SPARSE_NUMBERS or not SPARSE_INPUTS <= X.shape[1] <= SPARSE_COLUMNS:
        return False
    share = SPARSE_SHARE / 2 if rounds and units > PAIRED_UNITS else SPARSE_SHARE
    return sparse.count(X) <= share * X.size


def layout_key(
    net: Network, batch_size: int, dtype: str, data: Data, has_dropout: bool, whole: bool,
    multipliers: Multipliers = (), products: str | None = None, part: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """Return what a layout depends on."""
    ids = (id(data.X), id(data.Y), id(data.sample_weight))
    return (
        net, batch_size, dtype, *ids, has_dropout and net.has_dropout, whole, multipliers, products, part
    )  # fmt: skip


def layers(
    net: Network, batch_size: int, stretch: int, panel: int, has_dropout: bool = True,
    rounds: bool = False,
) -> Layers:  # fmt: skip
    """Describe a network by numbers; `rounds` says whether operands are rounded."""
    sizes, L = net.sizes, net.L
    rates = [0.0, *(layer.dropout * has_dropout for layer in net.layers)]
    codes = [0, *(ACTIVATION_CODES[f.name] for f in net.f[1:])]
    weights = [units * below for below, units in zip(sizes, sizes[1:], strict=False)]
    if stretch:
        weights[0] = sizes[0] * stretch
    ends = list(accumulate(w + units for w, units in zip(weights, sizes[1:], strict=True)))
    W = [0, 0, *ends[:-1]]
    b = [0, *(end - units for end, units in zip(ends, sizes[1:], strict=True))]
    # Memory for each of a, z and δ of every layer; z has its own only where it is read later, and f(z)
    # only where dropout, or rounding, makes another a of it.
    own_z = [l == L or code in SLOPE_NEEDS_Z for l, code in enumerate(codes)]
    own_f = [rates[l] > 0 or (rounds and l < L) for l in range(L + 1)]
    widths = [0 if stretch else sizes[0], 0, 0, 0, 0]
    for l in range(1, L + 1):
        units, drop = sizes[l], rates[l] > 0
        widths += [units, units * own_z[l], units, units * own_f[l], units * drop]
    begins = list(accumulate((whole_lines(batch_size * width) for width in widths), initial=0))
    a, z, delta, f, mask = (begins[n:-1:5] for n in range(5))
    f = [f[l] if own_f[l] else a[l] for l in range(L + 1)]
    z = [z[l] if own_z[l] else f[l] for l in range(L + 1)]
    n_l, f_l, at_W, at_b, at_z, at_f, at_a, at_mask, at_delta = (
        np.array(values, np.int64) for values in (sizes, codes, W, b, z, f, a, mask, delta)
    )
    factors = np.array([1 / (1 - rate) if rate else 0.0 for rate in rates])
    thresholds = np.array([threshold(rate) for rate in rates], np.uint64)
    cost = COST_CODES[net.C.name]
    offsets = (at_W, at_b, at_z, at_f, at_a, at_mask, at_delta)
    wide_layers = np.array(_wide(net, batch_size))
    if stretch:
        wide_layers[1] = L > 1 and stretch > panel  # outputs need the whole row
    most = blocks(net, batch_size, stretch > 0)
    if most == 1:
        wide_layers[:] = False
    moving = [0, *(max(most, -(-size // MOVING)) for size in weights)]
    moving = [min(n, -(-units // HEIGHT)) for n, units in zip(moving, sizes, strict=True)]
    if stretch:
        moving[1] = -(-sizes[1] // panel)
    return Layers(
        n_l, f_l, cost, *offsets, factors, thresholds, wide_layers, bool(wide_layers.any()),
        np.array(moving), most > 1, stretch, panel,
    )  # fmt: skip


def rule(optimizer: Optimizer) -> Rule:
    """Describe an optimizer by numbers."""
    match optimizer:
        case SGD(momentum=0):
            return Rule(updates.SGD)
        case SGD(momentum=mu, nesterov=nesterov):
            return Rule(updates.NESTEROV if nesterov else updates.MOMENTUM, float(mu))
        case Adagrad(epsilon=epsilon):
            return Rule(updates.ADAGRAD, epsilon=float(epsilon))
        case RMSprop(beta=beta, epsilon=epsilon, momentum=mu):
            code = updates.RMSPROP_MOMENTUM if mu else updates.RMSPROP
            return Rule(code, float(beta), float(mu), float(epsilon))
        case Adam(beta1=beta1, beta2=beta2):
            return Rule(updates.ADAM, float(beta1), float(beta2))
        case AdamW(beta1=beta1, beta2=beta2):
            return Rule(updates.ADAMW, float(beta1), float(beta2))
        case Nadam(beta1=beta1, beta2=beta2):
            return Rule(updates.NADAM, float(beta1), float(beta2))
    raise AssertionError(f"{optimizer} has no rule")


def bounds(clip: Clip) -> Bounds:
    """State the bounds on the gradient, infinity where there is none."""
    norm, value = (math.inf if bound is None else float(bound) for bound in (clip.norm, clip.value))
    return Bounds(norm, value)


def penalties(plan: Plan) -> Penalties:
    """State each λ as a constant and a part that is divided by the S of the batch."""

    def split(penalty: Penalty) -> tuple[float, float]:
        if penalty.per == "example":
            return 0.0, float(penalty.strength)
        return penalty.of_batch(1, plan.n), 0.0

    return Penalties(*split(plan.l1), *split(plan.l2), plan.l2.decay)


def _aligned(array: Array) -> Array:
    """Return the array, or a copy of it that begins with a cache line."""
    if array.ctypes.data % LINE == 0:
        return array
    copy = aligned_zeros(array.size, array.dtype)
    copy[...] = array
    return copy


def _aligned_rows(rows: Array) -> Array:
    """Return the memory of rows that begin with a cache line each, or a copy of them that does."""
    count, size = rows.shape
    whole, itemsize = whole_lines(size), rows.itemsize
    if rows.strides == (whole * itemsize, itemsize) and rows.ctypes.data % LINE == 0:
        return as_strided(rows, (count, whole))
    copy = rows_apart(count, size, rows.dtype)
    copy[:, :size] = rows
    return copy


def aligned_zeros(size: int, dtype: Any) -> Array:
    """Return zeros that begin with a cache line."""
    dtype = np.dtype(dtype)
    memory = np.zeros(size * dtype.itemsize + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size * dtype.itemsize].view(dtype)


def _workspace(
    layers: Layers, batch_size: int, dtype: str, gradient: int, blocks: int, kept: Array,
    factors: Array, steps: Array, rounds: bool, rows: sparse.Rows,
) -> Workspace:  # fmt: skip
    """Return the memory for a batch, with room for a whole gradient of so many numbers."""
    L, outputs = len(layers.sizes) - 1, int(layers.sizes[-1])
    grain = np.where((np.arange(1, L + 1) == 1) & (layers.stretch > 0), layers.panel, HEIGHT)
    units = -(-layers.sizes[1:] // grain // layers.moving[1:]) * grain  # of a block, at most
    whole = layers.sizes[1:] * (
        layers.sizes[:-1] + 1
    )  # of a layer: if small, a thread moves it at once
    largest = max((units * (layers.sizes[:-1] + 1)).max(), whole[whole <= MOVING].max(initial=0))
    largest = int(largest) + 2 * LINE
    turned = sparse.turned(rows, int(layers.sizes[0]), int(layers.sizes[1]), batch_size)
    turns = len(turned.ends) > 0
    pieces = sparse.pieces(int(layers.sizes[0]), dtype) if turns else 1
    cuts = batch_size * pieces if layers.stretch else 0
    said = min(batch_size, sparse.TOGETHER) if turns else 1
    width = max(layers.panel * said, int(layers.sizes[1:].max()))
    numbers = panel_size(layers, batch_size, np.dtype(dtype).itemsize)
    panel = rows_apart(blocks, PAIRS if rounds else numbers, "int32" if rounds else dtype)
    last = int(layers.delta[L]) + whole_lines(batch_size * outputs)
    return Workspace(
        work=aligned_zeros(last, dtype),
        y=np.zeros(batch_size * outputs, dtype),
        weights=np.ones(batch_size, dtype),
        costs=np.zeros(batch_size),
        gradient=aligned_zeros(gradient, dtype),
        block=rows_apart(blocks, largest, dtype),
        row=rows_apart(blocks, width, dtype),
        cuts=rows_apart(blocks, cuts, "int64"),
        panel=panel,
        turned=turned,
        penalties=np.zeros((L + 1, int(layers.moving.max()))),
        kept=kept,
        factors=factors,
        steps=steps,
    )


def kept_of(net: Network, dtype: str) -> Array | None:
    """Return 1 for every parameter, 0 where a layer's mask leaves a weight out; None without masks."""
    if not len(net.masked):
        return None
    kept = np.ones(count(net.sizes), dtype)
    kept[net.masked] = 0
    return kept


def _by_units(
    net: Network, batch_size: int, dtype: str, size: int, blocks: int, gradients: int
) -> FeatureMajor:
    """Return the memory for so many blocks by units, and so many gradients of `size` numbers."""
    piece = min(PIECE, -(-batch_size // (max(1, blocks) * LANES)) * LANES)
    offsets = layers(net, piece, 0, 1, False)
    outputs = piece * net.sizes[-1]
    return FeatureMajor(
        piece=piece,
        offsets=offsets,
        work=rows_apart(blocks, int(offsets.delta[-1]) + outputs, dtype),
        y=rows_apart(blocks, outputs, dtype),
        gradients=rows_apart(gradients, size, dtype),
        cost=np.zeros(blocks),
        largest=rows_apart(blocks, piece, dtype),
        total=rows_apart(blocks, piece, dtype),
        scratch=rows_apart(blocks, piece, "float64"),
        costs=rows_apart(blocks, piece, "float64"),
    )


def rows_apart(count: int, size: int, dtype: Any) -> Array:
    """Return a row of memory for each thread; no two rows share a line of the cache."""
    size = whole_lines(size)
    return aligned_zeros(count * size, dtype).reshape(count, size)


def whole_lines(coefficients: int) -> int:
    return -(-coefficients // LINE) * LINE


def _no_rows(dtype: str) -> sparse.Rows:
    return sparse.rows(np.zeros(1, np.int64), np.empty(0, np.uint16), np.empty(0, dtype))
