"""Matrix products whose operands are first laid side by side, into memory that a tile reads in one go.

All end in `microkernels.multiply_columns`, C ← β old + α c R; they differ in what they copy, and thus in
what they read where it stands:

    combine_packed       c R        a few columns of R at a time: where its rows share places of a cache, or
                                    are more than the nearest one has room for
    combine_laid         c R        all of R, once for many rows of C, and c
    combine_transposed   a Wᵀ       W, as columns of Wᵀ, a few units at a time
    combine_across       a Wᵀ       a, as columns of aᵀ: zᵀ = W aᵀ, vectors lie across examples

The last one reads W from memory once, row by row, which the processor foresees. Turning z takes as long for
few inputs as for many, so that it is for long rows.
"""

from typing import Any

from whygrad.engines.machine_code.deferred import intrinsic, ir, types
from whygrad.engines.native.compiling import ONE, ZERO, kernel
from whygrad.engines.native.memory import copy
from whygrad.engines.native.products.microkernels import (
    WIDTH,
    columns_of,
    last_dots,
    multiply_columns,
)
from whygrad.engines.native.vectors import VECTOR_BYTES, Vectors, data
from whygrad.nn.functions import Array

# Rows of R and columns, each as wide as a tile, that `combine_packed` copies at a time.
ROWS, GROUP = 128, 4
# Inputs whose weights `combine_transposed` lays side by side at a time, so that they stay in the nearest
# cache, and bytes of `a` that stay in the second-level cache beside W.
DEEP, SECOND = 64, 2**19
# Examples that are laid out at a time, with so many inputs each for `combine_across`, and units whose
# weights stay in the second-level cache while examples pass.
EXAMPLES, INPUTS, UNITS = 512, 1024, 64


def room(rows: int, size: int, itemsize: int) -> int:
    """Return how many numbers a panel holds, in which rows of a batch, of `size` each, are laid out."""
    lanes, rows = VECTOR_BYTES // itemsize, min(rows, EXAMPLES)
    most = (rows + lanes) * (size + lanes) + UNITS * (rows + 2 * lanes)
    return max(ROWS * GROUP * WIDTH * lanes, most)


def _turned(
    vectors: Vectors, address: Any, start: Any, stride: Any, rows: Any, mask: Any = None
) -> list[Any]:
    """Return the columns of a square of rows `stride` apart, of which there may be fewer than it has."""
    builder, last = vectors.builder, vectors.builder.sub(rows, ir.Constant(vectors.index, 1))
    lines = []
    for n in range(vectors.lanes):
        at = builder.add(start, builder.mul(vectors.at_most(n, last), stride))
        lines.append(vectors.load(builder.gep(address, [at]), mask))
    return vectors.transposed(lines)


@intrinsic
def _transpose_tile(
    typing_context: Any, X: Any, X_start: Any, stride: Any, rows: Any, columns: Any, panel: Any,
    panel_start: Any, wide: Any,
) -> Any:  # fmt: skip
    """Lay a square of X, as many rows and columns as a vector has lanes, into a panel: rows side by side.

    Rows of X lie `stride` apart, what was a column `wide`. Of `rows` and `columns` there may be fewer; what
    the panel holds for the others may be anything.
    """

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        X, X_start, stride, rows, columns, panel, panel_start, wide = arguments
        kinds = signature.args
        vectors = Vectors(context, builder, kinds[5].dtype)
        X_data, panel_data = (data(context, builder, kinds[n], v) for n, v in ((0, X), (5, panel)))
        turned = _turned(vectors, X_data, X_start, stride, rows, vectors.mask(columns))
        for n, column in enumerate(turned):
            at = builder.add(panel_start, builder.mul(wide, ir.Constant(vectors.index, n)))
            vectors.store(column, builder.gep(panel_data, [at]))
        return context.get_dummy_value()

    i = types.intp
    return types.void(X, i, i, i, i, panel, i, i), lower


@kernel
def _turn(
    X: Array, X_start: int, stride: int, rows: int, size: int, panel: Array, panel_start: int, wide: int
) -> None:  # fmt: skip
    """As `_transpose_tile`, for rows of `size`: compiled once for all who turn a matrix."""
    lanes = VECTOR_BYTES // X.itemsize
    for k in range(0, size, lanes):
        _transpose_tile(
            X, X_start + k, stride, rows, size - k, panel, panel_start + k * wide, wide
        )  # fmt: skip


@intrinsic
def _add_square(
    typing_context: Any, zT: Any, zT_start: Any, stride: Any, units: Any, rows: Any, old: Any,
    old_start: Any, old_row: Any, z: Any, z_start: Any, z_row: Any,
) -> Any:  # fmt: skip
    """z (rows, units) ← old + zᵀ for a square, of at most as many rows and units as a vector has lanes."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zT, zT_start, stride, units, rows, old, old_start, old_row, z, z_start, z_row = arguments
        kinds = signature.args
        vectors = Vectors(context, builder, kinds[8].dtype)
        zT_data, old_data, z_data = (
            data(context, builder, kinds[n], v) for n, v in ((0, zT), (5, old), (8, z))
        )
        mask = vectors.mask(units)
        for n, row in enumerate(_turned(vectors, zT_data, zT_start, stride, units)):
            number = ir.Constant(vectors.index, n)
            with builder.if_then(builder.icmp_signed("<", number, rows)):
                source, target = (
                    builder.gep(address, [builder.add(start, builder.mul(apart, number))])
                    for address, start, apart in (
                        (old_data, old_start, old_row), (z_data, z_start, z_row)
                    )
                )  # fmt: skip
                vectors.store(builder.fadd(vectors.load(source, mask), row), target, mask)
        return context.get_dummy_value()

    i = types.intp
    return types.void(zT, i, i, i, i, old, i, i, z, i, i), lower


@kernel
def vectors_of(size: int, lanes: int) -> int:
    """Return how many numbers as many vectors have as are needed for `size`."""
    return -(-size // lanes) * lanes


@kernel
def lay_columns(R: Array, R_start: int, inner: int, size: int, stride: int, panel: Array) -> None:
    """Lay R (inner, size), whose rows are `stride` apart, into the panel, in columns as wide as a tile."""
    lanes = VECTOR_BYTES // R.itemsize
    for q in range(inner):  # row by row, which the processor foresees
        k = ZERO
        while k < size:
            step = columns_of(size - k, lanes)
            copy(
                R, R_start + q * stride + k, panel, k * inner + q * vectors_of(step, lanes), step
            )  # fmt: skip
            k += step


@kernel
def _combine_panel(
    alpha: float, c: Array, c_start: int, c_row: int, panel: Array, rows: int, inner: int, size: int,
    beta: float, C: Array, C_start: int, C_row: int,
) -> None:  # fmt: skip
    """C (rows, size) ← βC + α c R, with R (inner, size) in the panel, and numbers of c side by side."""
    lanes, k = VECTOR_BYTES // C.itemsize, ZERO
    while k < size:
        step, to = columns_of(size - k, lanes), C_start + k
        multiply_columns(
            alpha, c, c_start, c_row, ONE, panel, k * inner, vectors_of(step, lanes), rows, inner, beta,
            C, to, C_row, C, to, C_row, step,
        )  # fmt: skip
        k += step


@kernel
def combine_packed(
    alpha: float, c: Array, c_start: int, c_row: int, R: Array, R_start: int, rows: int, inner: int,
    size: int, stride: int, beta: float, C: Array, C_start: int, panel: Array,
) -> None:  # fmt: skip
    """As `combine`, where numbers of c lie side by side; the panel has `room`."""
    wide, keep = GROUP * WIDTH * (VECTOR_BYTES // C.itemsize), beta
    for q in range(0, inner, ROWS):
        deep = min(ROWS, inner - q)
        for left in range(0, size, wide):
            count = min(wide, size - left)
            lay_columns(R, R_start + q * stride + left, deep, count, stride, panel)
            _combine_panel(
                alpha, c, c_start + q, c_row, panel, rows, deep, count, keep, C, C_start + left, stride
            )  # fmt: skip
        keep = 1.0


@kernel
def combine_transposed(
    a: Array, a_start: int, W: Array, W_start: int, b: int, rows: int, units: int, size: int,
    z: Array, z_start: int, z_row: int, panel: Array,
) -> None:  # fmt: skip
    """z (rows, units) ← b + a Wᵀ, with a (rows, size), W (units, size), and b at a place of W's memory.

    A few units at a time, their weights are laid side by side in the panel, which has `room`:
    then rows of a need no sums of lanes, which take longer than the products where rows are short.
    """
    lanes = VECTOR_BYTES // z.itemsize
    # What does not fill a vector is decided by itself, since threads that share units divide these by whole
    # vectors: a tile of `dots` takes so long for a pair of units, of which 30 for the sums of lanes.
    last = units % lanes
    if last * (8 * size // lanes + 30) <= 10 * size:
        units -= last
    else:
        last = ZERO
    # Of a large `a` a few columns at a time serve all units, while they stay in the second-level cache.
    near = (
        size
        if rows * size * a.itemsize <= SECOND
        else max(DEEP, SECOND // 2 // (rows * a.itemsize))
    )
    near += -near % DEEP
    for low in range(0, size, near):
        high, j = min(size, low + near), ZERO
        while j < units:
            step = columns_of(units - j, lanes)
            across = vectors_of(step, lanes)
            for k in range(low, high, DEEP):
                deep = min(DEEP, high - k)
                for unit in range(0, step, lanes):
                    source = W_start + (j + unit) * size + k
                    _turn(W, source, size, step - unit, deep, panel, unit, across)
                to = z_start + j
                if k == 0:
                    multiply_columns(
                        1.0, a, a_start, size, ONE, panel, ZERO, across, rows, deep, 1.0,
                        W, b + j, ZERO, z, to, z_row, step,
                    )  # fmt: skip
                else:
                    multiply_columns(
                        1.0, a, a_start + k, size, ONE, panel, ZERO, across, rows, deep, 1.0,
                        z, to, z_row, z, to, z_row, step,
                    )  # fmt: skip
            j += step
    at, to = W_start + units * size, z_start + units
    last_dots(a, a_start, W, at, b + units, rows, last, size, z, to, z_row)


@kernel
def combine_across(
    a: Array, a_start: int, W: Array, W_start: int, b: int, rows: int, units: int, size: int,
    z: Array, z_start: int, z_row: int, panel: Array,
) -> None:  # fmt: skip
    """As `combine_transposed`, by zᵀ = W aᵀ; the panel has `room`."""
    for i in range(0, rows, EXAMPLES):
        tall = min(EXAMPLES, rows - i)
        for q in range(0, size, INPUTS):
            deep = min(INPUTS, size - q)
            _lay_rows(a, a_start + i * size + q, size, tall, deep, panel)
            for j in range(0, units, UNITS):
                count = min(UNITS, units - j)
                at, to = W_start + j * size + q, z_start + i * z_row + j
                if q == 0:
                    _across(
                        W, at, size, tall, count, deep, W, b + j, ZERO, z, to, z_row, panel
                    )  # fmt: skip
                else:
                    _across(
                        W, at, size, tall, count, deep, z, to, z_row, z, to, z_row, panel
                    )  # fmt: skip


@kernel
def _across(
    W: Array, W_start: int, stride: int, rows: int, units: int, deep: int, old: Array, old_start: int,
    old_row: int, z: Array, z_start: int, z_row: int, panel: Array,
) -> None:  # fmt: skip
    """z (rows, units) ← old + a Wᵀ, with a in the panel, behind which zᵀ is found."""
    lanes = VECTOR_BYTES // z.itemsize
    behind, apart = (rows + lanes) * vectors_of(deep, lanes), _odd_vectors(rows, lanes)
    _combine_panel(1.0, W, W_start, stride, panel, units, deep, rows, 0.0, panel, behind, apart)
    for i in range(0, rows, lanes):
        for j in range(0, units, lanes):
            _add_square(
                panel, behind + j * apart + i, apart, min(lanes, units - j), min(lanes, rows - i),
                old, old_start + i * old_row + j, old_row, z, z_start + i * z_row + j, z_row,
            )  # fmt: skip


@kernel
def _lay_rows(a: Array, a_start: int, stride: int, rows: int, deep: int, panel: Array) -> None:
    """Lay `deep` numbers of rows of a, `stride` apart, as columns of aᵀ into the panel, tile by tile."""
    lanes, i = VECTOR_BYTES // a.itemsize, ZERO
    while i < rows:
        step = columns_of(rows - i, lanes)
        across = vectors_of(step, lanes)
        for row in range(0, step, lanes):
            source = a_start + (i + row) * stride
            _turn(a, source, stride, step - row, deep, panel, i * deep + row, across)
        i += step


@kernel
def _odd_vectors(size: int, lanes: int) -> int:
    """As `vectors_of`, an odd number of vectors: rows as far apart share few places of a cache."""
    return (-(-size // lanes) | 1) * lanes


@kernel
def combine_laid(
    alpha: float, c: Array, c_start: int, c_column: int, R: Array, R_start: int, rows: int, inner: int,
    size: int, beta: float, C: Array, C_start: int, laid: bool, panel: Array,
) -> None:  # fmt: skip
    """As `combine`, with c_pq = c[c_start + p + q c_column]; `laid` says that R is in the panel already."""
    lanes = VECTOR_BYTES // C.itemsize
    if not laid:
        lay_columns(R, R_start, inner, size, size, panel)
    behind, apart = inner * vectors_of(size, lanes), _odd_vectors(inner, lanes)
    for p in range(0, rows, UNITS):
        tall = min(UNITS, rows - p)
        for q in range(0, inner, lanes):
            source = c_start + p + q * c_column
            _turn(c, source, c_column, inner - q, tall, panel, behind + q, apart)
        _combine_panel(
            alpha, panel, behind, apart, panel, tall, inner, size, beta, C, C_start + p * size, size
        )  # fmt: skip
