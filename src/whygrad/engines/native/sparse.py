"""The first layer in native code where many inputs are zero: only the others are multiplied.

MNIST's images are 81 % zeros. The examples are kept as compressed rows (where the numbers that are not
zero stand, and what they are), and W¹ is kept in panels a few whole vectors wide, with their columns side
by side: what input k says to the units of a panel is one short stretch of memory.

    forward    zⱼ = Σ_k x_k W_jk             a stretch is read for each x_k
    update     W_jk ← W_jk + (α δⱼ) x_k      and moved

Threads have panels of their own. Where it pays, large batches are turned: what they say lies by inputs. A
stretch then moves once, by a sum over examples that is formed in registers as that of the way forward is,
which reads a panel in pieces, a few inputs at a time, that stay in the nearest cache while all examples
read them. Other large batches move large panels in such pieces. The sums are those of the dense product
without the terms that are zero, in one order of examples and of inputs, whichever way is taken.
"""

from typing import Any, NamedTuple

import numpy as np

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.compiling import ZERO, cached_kernel, kernel
from whygrad.engines.native.memory import prefetch, read_only
from whygrad.engines.native.vectors import VECTOR_BYTES, Vectors, data
from whygrad.nn.arrays import is_sparse
from whygrad.nn.functions import Array


class Rows(NamedTuple):
    """Examples as compressed rows: row i has `values[starts[i] : starts[i + 1]]` at `columns[…]`."""

    starts: Array
    columns: Array
    values: Array


class Turned(NamedTuple):
    """A batch by inputs, in pieces of TOGETHER examples: row n · inputs + k is that of input k in the n-th.

    Its numbers that are not zero end before `ends[row]` in `values`, and `examples` has which examples of
    the piece they are of. Rows are as long as there is `room`. All are empty where batches are not turned.
    """

    ends: Array
    examples: Array
    values: Array


def width(units: int, dtype: Any) -> int:
    """Return the length of a stretch: the units, filled up to whole vectors."""
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    return -(-units // lanes) * lanes


def panel(dtype: Any) -> int:
    """Return the width of all panels but the last."""
    return PANEL * VECTOR_BYTES // np.dtype(dtype).itemsize


# Up to so many columns their numbers take 16 bits, beyond 32, for which the loop is compiled anew.
SHORT_COLUMNS = 2**16
PANEL = 4  # vectors that a panel is wide
STRIDE = 8  # numbers that a search for a column passes at once
CHAINS = 2  # sums that are added to in turn: an addition takes several cycles
# Batches are turned, so many examples together, where that takes less time than it spares: where inputs
# have more numbers than OFTEN on average, W¹ has more whole panels than FEW, and the product of the two is
# more than WORTH. Turned, a batch has room for no more numbers than MOST.
TOGETHER, OFTEN, FEW, WORTH, MOST = 256, 4, 2, 32, 10**7
# Bytes of a piece of a panel, for the nearest cache, and how many numbers of a row meet it, at least.
NEAR, NUMBERS = 40960, 32
AHEAD = 12  # examples before their rows are read, these are asked for
# Places without a sign are not looked at for whether they count from the end.
ONE_MORE: Any = np.uint64(1)


def rows(starts: Array, columns: Array, values: Array) -> Rows:
    """Return compressed rows as the loop takes them."""
    return Rows(read_only(starts), read_only(columns), read_only(values))


def turned(rows: Rows, inputs: int, units: int, batch_size: int) -> Turned:
    """Return memory for a batch by inputs, empty where none is turned."""
    real, panels = rows.values.dtype, units // panel(rows.values.dtype)
    count = -(-batch_size // TOGETHER) * inputs
    # An odd number of lines: rows as far apart share few places of a cache.
    room = (-(-min(batch_size, TOGETHER) // 16) | 1) * 16
    numbers = len(rows.values) / max(1, len(rows.starts) - 1) * batch_size / count  # of a row
    pays = panels > FEW and numbers > OFTEN and numbers * panels > WORTH
    if not pays or count * room > MOST:
        count = 0
    examples, values = (np.zeros(count * room, kind) for kind in (rows.columns.dtype, real))
    return Turned(np.zeros(count, np.uint64), examples, values)


def pieces(inputs: int, dtype: Any) -> int:
    """Return how many pieces a panel has at most."""
    return -(-inputs * panel(dtype) * np.dtype(dtype).itemsize // NEAR)


def compress(X: Any) -> Rows:
    """Return the numbers of X that are not zero, and where they stand; X is dense, or CSR of SciPy."""
    if is_sparse(X):
        columns = np.ascontiguousarray(
            X.indices, np.uint16 if X.shape[1] <= SHORT_COLUMNS else np.int32
        )
        values = np.ascontiguousarray(X.data)
        return rows(np.ascontiguousarray(X.indptr, np.int64), columns, values)
    X = read_only(X)
    starts = np.zeros(len(X) + 1, dtype=np.int64)
    count_rows(X, starts)
    np.cumsum(starts, out=starts)
    columns = np.empty(starts[-1] + 1, dtype=np.uint16)
    values = np.empty(starts[-1] + 1, dtype=X.dtype)
    _fill(X, starts, columns, values)
    return rows(starts, columns[:-1], values[:-1])


def count(X: Array) -> int:
    """Count the numbers of X that are not zero."""
    starts = np.zeros(len(X) + 1, dtype=np.int64)
    count_rows(read_only(X), starts)
    return int(starts.sum())


@cached_kernel
def count_rows(X: Array, starts: Array) -> None:
    for i in range(X.shape[0]):
        n = 0
        for k in range(X.shape[1]):
            n += X[i, k] != 0
        starts[i + 1] = n


@cached_kernel
def _fill(X: Array, starts: Array, columns: Array, values: Array) -> None:
    # A zero is written as well, and written over by what follows: MNIST takes 0.12 s so, and 0.21 s asked.
    for i in range(X.shape[0]):
        t = starts[i]
        for k in range(X.shape[1]):
            columns[t] = k
            values[t] = X[i, k]
            t += X[i, k] != 0


def _tile(vectors_wide: int, update: bool) -> Any:
    """Make the tile, so many vectors wide, that reads stretches into a sum, or adds to them.

    What is read is rounded where the panel is one of pairs (see `products`).
    """

    @intrinsic
    def tile(
        typing_context: Any, columns: Any, values: Any, first: Any, last: Any, row: Any, row_start: Any,
        W: Any, W_start: Any, W_width: Any, panel: Any,
    ) -> Any:  # fmt: skip
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            columns, values, first, last, row, row_start, W, W_start, W_width, _ = arguments
            kinds = signature.args
            rounds = isinstance(kinds[9].dtype, types.Integer)
            vectors = Vectors(context, builder, kinds[6].dtype)
            column_data, value_data, row_data, W_data = (
                data(context, builder, kinds[n], array)
                for n, array in ((0, columns), (1, values), (4, row), (6, W))
            )
            offsets = [ir.Constant(vectors.index, v * vectors.lanes) for v in range(vectors_wide)]
            row_data = builder.gep(row_data, [row_start])
            pointers = [builder.gep(row_data, [offset]) for offset in offsets]
            totals = [
                cgutils.alloca_once_value(builder, vectors.load(pointer)) for pointer in pointers
            ]
            # Sums of their own for every other number: an addition need not wait for the last one.
            chains = [totals]
            if not update and vectors_wide <= 2:
                zeros = [[vectors.zero] * vectors_wide] * (CHAINS - 1)
                chains += [[cgutils.alloca_once_value(builder, z) for z in row] for row in zeros]

            def take(t: Any, sums: list[Any]) -> None:
                k = builder.zext(builder.load(builder.gep(column_data, [t])), vectors.index)
                x = vectors.spread(builder.load(builder.gep(value_data, [t])))
                stretch = builder.gep(W_data, [builder.add(W_start, builder.mul(k, W_width))])
                for total, offset in zip(sums, offsets, strict=True):
                    pointer = builder.gep(stretch, [offset])
                    w = vectors.load(pointer)
                    w = vectors.rounded(w) if rounds else w
                    if update:
                        vectors.store(vectors.multiply_add(builder.load(total), x, w), pointer)
                    else:
                        builder.store(vectors.multiply_add(x, w, builder.load(total)), total)

            one, many = (ir.Constant(vectors.index, n) for n in (1, len(chains)))
            whole = builder.sub(last, builder.srem(builder.sub(last, first), many))
            with cgutils.for_range_slice(builder, first, whole, many, vectors.index) as (t, _):
                for n, sums in enumerate(chains):
                    take(builder.add(t, ir.Constant(vectors.index, n)), sums)
            if len(chains) > 1:
                with cgutils.for_range_slice(builder, whole, last, one, vectors.index) as (t, _):
                    take(t, totals)
            if not update:
                for v, pointer in enumerate(pointers):
                    parts = [builder.load(sums[v]) for sums in chains]
                    while len(parts) > 1:
                        parts = [
                            builder.fadd(x, y) for x, y in zip(parts[::2], parts[1::2], strict=True)
                        ]
                    vectors.store(parts[0], pointer)
            return context.get_dummy_value()

        i = types.intp
        return types.void(columns, values, i, i, row, i, W, i, i, panel), lower

    return tile


read_panel, _read_3, _read_2, _read_1 = (_tile(wide, update=False) for wide in (PANEL, 3, 2, 1))
_add_4, _add_3, _add_2, _add_1 = (_tile(wide, update=True) for wide in (4, 3, 2, 1))


@kernel
def read_numbers(
    columns: Array, values: Array, first: int, last: int, sums: Array, at: int, W: Array, W_start: int,
    width: int, panel: Array,
) -> None:  # fmt: skip
    """As `read_panel`, which adds up Σ_k x_k W_k from the `first` number x_k to the `last`, if narrower."""
    lanes = VECTOR_BYTES // W.itemsize
    if width == 3 * lanes:
        _read_3(columns, values, first, last, sums, at, W, W_start, width, panel)
    elif width == 2 * lanes:
        _read_2(columns, values, first, last, sums, at, W, W_start, width, panel)
    else:
        _read_1(columns, values, first, last, sums, at, W, W_start, width, panel)


@kernel
def add_numbers(
    rows: Rows, first: int, last: int, factors: Array, W: Array, W_start: int, width: int
) -> None:
    """W_k ← W_k + x_k factors for the numbers x_k from `first` to `last` of all rows', for a panel of W."""
    lanes = VECTOR_BYTES // W.itemsize
    if width == 4 * lanes:
        _add_4(rows.columns, rows.values, first, last, factors, ZERO, W, W_start, width, W)
    elif width == 3 * lanes:
        _add_3(rows.columns, rows.values, first, last, factors, ZERO, W, W_start, width, W)
    elif width == 2 * lanes:
        _add_2(rows.columns, rows.values, first, last, factors, ZERO, W, W_start, width, W)
    else:
        _add_1(rows.columns, rows.values, first, last, factors, ZERO, W, W_start, width, W)


@kernel
def turn(
    rows: Rows, order: Array, first: int, count: int, left: int, right: int, inputs: int, turned: Turned
) -> None:  # fmt: skip
    """Turn what `count` examples of the order, from `first` on, say of the inputs from left to right."""
    ends, examples, values = turned
    room = room_of(turned)
    for piece in range(-(-count // TOGETHER)):
        begin, start = piece * inputs, first + piece * TOGETHER
        for k in range(begin + left, begin + right):
            ends[k] = k * room
        for i in range(min(TOGETHER, first + count - start)):
            example = order[start + i]
            if start + i + AHEAD < len(order):
                prefetch_row(rows, order[start + i + AHEAD])
            low, high = rows.starts[example], rows.starts[example + 1]
            if right < inputs:
                high = until_column(rows, low, high, right)
            if left > 0:
                low = until_column(rows, low, high, left)
            for t in range(low, high):
                k = begin + rows.columns[t]
                end = ends[k]
                examples[end], values[end] = i, rows.values[t]
                ends[k] = end + ONE_MORE


@kernel
def room_of(turned: Turned) -> int:
    """Return how many numbers each input has room for."""
    return len(turned.values) // len(turned.ends)


@kernel
def until_column(rows: Rows, first: int, last: int, column: int) -> int:
    """Return the first number from `first` on that does not stand before a column, or `last`."""
    while first + STRIDE <= last and rows.columns[first + STRIDE - 1] < column:
        first += STRIDE
    while first < last and rows.columns[first] < column:
        first += 1
    return first


@kernel
def prefetch_row(rows: Rows, i: int) -> None:
    """Ask for row i, which is read soon."""
    first, size = rows.starts[i], rows.starts[i + 1] - rows.starts[i]
    prefetch(rows.columns, first, size)
    prefetch(rows.values, first, size)
