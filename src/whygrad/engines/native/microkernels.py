"""Matrix products of middling size in native code, in registers.

BLAS copies its operands into blocks before it multiplies, which pays for large matrices only. Two loops
do without, each over a tile of results that stays in registers:

    dots      z_ij ← z_ij + Σ_k a_ik W_jk              rows times rows: the way forward
    combine   C_p ← βC_p + α Σ_q c_pq R_q              rows from rows: the way back (δW), the update (δᵀa)

Every result is summed in the same order whatever tile it lies in, so that its bits do not depend on its
place in a batch.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from whygrad.engines.native.compiling import kernel
from whygrad.engines.native.vectors import VECTOR_BYTES, WIDE, Vectors, data
from whygrad.functions import Array

# Rows that a tile is high, and units (dots) or vectors (combine) that it is wide: as many totals as leave
# registers for the operands, which come from the second-level cache.
HEIGHT, WIDTH = (8, 3) if WIDE else (4, 2)


def _dots_tile(rows: int, units: int) -> Any:
    """Make the tile of `dots` that has so many rows and units."""

    @intrinsic
    def tile(
        typing_context: Any,
        a: Any,
        a_start: Any,
        W: Any,
        W_start: Any,
        size: Any,
        z: Any,
        z_start: Any,
        z_stride: Any,
    ) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_start, W, W_start, size, z, z_start, z_stride = arguments
            kinds = signature.args
            vectors = Vectors(context, builder, kinds[5].dtype)
            step = ir.Constant(vectors.index, vectors.lanes)
            a_data, W_data, z_data = (
                data(context, builder, kinds[n], v) for n, v in ((0, a), (2, W), (5, z))
            )

            def row_of(address: Any, start: Any, row: int) -> Any:
                offset = builder.mul(size, ir.Constant(vectors.index, row))
                return builder.gep(address, [builder.add(start, offset)])

            a_rows = [row_of(a_data, a_start, row) for row in range(rows)]
            W_rows = [row_of(W_data, W_start, unit) for unit in range(units)]
            totals = [
                [cgutils.alloca_once_value(builder, vectors.zero) for _ in range(units)]
                for _ in range(rows)
            ]

            def add(k: Any, mask: Any = None) -> None:
                w = [vectors.load(builder.gep(row, [k]), mask) for row in W_rows]
                for row in range(rows):
                    x = vectors.load(builder.gep(a_rows[row], [k]), mask)
                    for unit in range(units):
                        total = totals[row][unit]
                        builder.store(vectors.multiply_add(x, w[unit], builder.load(total)), total)

            rest = builder.srem(size, step)
            whole = builder.sub(size, rest)
            with cgutils.for_range_slice(
                builder, ir.Constant(vectors.index, 0), whole, step, vectors.index
            ) as (k, _):
                add(k)
            with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(vectors.index, 0))):
                add(whole, vectors.mask(rest))
            mask = vectors.first(units)
            for row in range(rows):
                offset = builder.mul(z_stride, ir.Constant(vectors.index, row))
                target = builder.gep(z_data, [builder.add(z_start, offset)])
                sums = vectors.sums([builder.load(total) for total in totals[row]])
                vectors.store(builder.fadd(vectors.load(target, mask), sums), target, mask)
            return context.get_dummy_value()

        index = types.intp
        return types.void(a, index, W, index, index, z, index, index), lower

    return tile


def _combine_tile(rows: int, width: int) -> Any:
    """Make the tile of `combine` that has so many rows and is so many vectors wide.

    It covers the columns from k on, of `size`. Rows of R and C are `stride` apart, and `inner` rows of R
    are added up, each times c[c_start + p c_row + q c_column]. A tile one vector wide may be cut short.
    """

    @intrinsic
    def tile(
        typing_context: Any,
        alpha: Any,
        c: Any,
        c_start: Any,
        c_row: Any,
        c_column: Any,
        R: Any,
        R_start: Any,
        inner: Any,
        beta: Any,
        C: Any,
        C_start: Any,
        stride: Any,
        size: Any,
        k: Any,
    ) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            alpha, c, c_start, c_row, c_column, R, R_start = arguments[:7]
            inner, beta, C, C_start, stride, size, k = arguments[7:]
            kinds = signature.args
            vectors = Vectors(context, builder, kinds[9].dtype)
            index = vectors.index

            def number(n: int) -> Any:
                return ir.Constant(index, n)

            c_data, R_data, C_data = (
                data(context, builder, kinds[n], v) for n, v in ((1, c), (5, R), (9, C))
            )
            mask = vectors.mask(builder.sub(size, k)) if width == 1 else None
            totals = [
                [cgutils.alloca_once_value(builder, vectors.zero) for _ in range(width)]
                for _ in range(rows)
            ]
            with cgutils.for_range(builder, inner, intp=index) as loop:
                q = loop.index
                R_row = builder.gep(
                    R_data, [builder.add(builder.add(R_start, k), builder.mul(q, stride))]
                )
                r = [
                    vectors.load(builder.gep(R_row, [number(v * vectors.lanes)]), mask)
                    for v in range(width)
                ]
                c_q = builder.add(c_start, builder.mul(q, c_column))
                for row in range(rows):
                    place = builder.add(c_q, builder.mul(c_row, number(row)))
                    factor = vectors.spread(builder.load(builder.gep(c_data, [place])))
                    for v in range(width):
                        total = totals[row][v]
                        builder.store(
                            vectors.multiply_add(factor, r[v], builder.load(total)), total
                        )
            scale, keep = vectors.spread(alpha), vectors.spread(beta)
            kept = builder.fcmp_unordered("!=", beta, ir.Constant(vectors.number, 0.0))
            for row in range(rows):
                C_row = builder.add(builder.add(C_start, k), builder.mul(stride, number(row)))
                for v in range(width):
                    target = builder.gep(C_data, [builder.add(C_row, number(v * vectors.lanes))])
                    value = cgutils.alloca_once(builder, vectors.type)
                    product = builder.fmul(scale, builder.load(totals[row][v]))
                    builder.store(product, value)
                    with builder.if_then(kept):  # where β is 0, what stands in C may be anything
                        old = vectors.load(target, mask)
                        builder.store(vectors.multiply_add(keep, old, product), value)
                    vectors.store(builder.load(value), target, mask)
            return context.get_dummy_value()

        i = types.intp
        signature = types.void(alpha, c, i, i, i, R, i, i, beta, C, i, i, i, i)
        return signature, lower

    return tile


_dots = _dots_tile(HEIGHT, WIDTH)
_dots_unit = _dots_tile(HEIGHT, 1)
_dots_row = _dots_tile(1, WIDTH)
_dots_one = _dots_tile(1, 1)
_combine = _combine_tile(HEIGHT, WIDTH)
_combine_column = _combine_tile(HEIGHT, 1)
_combine_row = _combine_tile(1, WIDTH)
_combine_one = _combine_tile(1, 1)


@kernel
def dots(
    a: Array, a_start: int, W: Array, W_start: int, rows: int, units: int, size: int,
    z: Array, z_start: int, z_row: int,
) -> None:  # fmt: skip
    """z (rows, units) ← z + a Wᵀ, with a (rows, size) and W (units, size); rows of z lie z_row apart."""
    whole_rows, whole_units = rows - rows % HEIGHT, units - units % WIDTH
    for i in range(0, whole_rows, HEIGHT):
        x, to = a_start + i * size, z_start + i * z_row
        for j in range(0, whole_units, WIDTH):
            _dots(a, x, W, W_start + j * size, size, z, to + j, z_row)
        for j in range(whole_units, units):
            _dots_unit(a, x, W, W_start + j * size, size, z, to + j, z_row)
    for i in range(whole_rows, rows):
        x, to = a_start + i * size, z_start + i * z_row
        for j in range(0, whole_units, WIDTH):
            _dots_row(a, x, W, W_start + j * size, size, z, to + j, z_row)
        for j in range(whole_units, units):
            _dots_one(a, x, W, W_start + j * size, size, z, to + j, z_row)


@kernel
def combine(
    alpha: float, c: Array, c_start: int, c_row: int, c_column: int, R: Array, R_start: int,
    rows: int, inner: int, size: int, stride: int, beta: float, C: Array, C_start: int,
) -> None:  # fmt: skip
    """C (rows, size) ← βC + α c R, with R (inner, size) and c_pq = c[c_start + p c_row + q c_column].

    Rows of R and of C lie `stride` apart.
    """
    real, lanes = type(C[0]), VECTOR_BYTES // C.itemsize
    al, be = real(alpha), real(beta)
    whole_rows, whole = rows - rows % HEIGHT, size - size % (WIDTH * lanes)
    for k in range(0, whole, WIDTH * lanes):
        for p in range(0, whole_rows, HEIGHT):
            s, to = c_start + p * c_row, C_start + p * stride
            _combine(al, c, s, c_row, c_column, R, R_start, inner, be, C, to, stride, size, k)
        for p in range(whole_rows, rows):
            s, to = c_start + p * c_row, C_start + p * stride
            _combine_row(al, c, s, c_row, c_column, R, R_start, inner, be, C, to, stride, size, k)
    for k in range(whole, size, lanes):
        for p in range(0, whole_rows, HEIGHT):
            s, to = c_start + p * c_row, C_start + p * stride
            _combine_column(
                al, c, s, c_row, c_column, R, R_start, inner, be, C, to, stride, size, k
            )
        for p in range(whole_rows, rows):
            s, to = c_start + p * c_row, C_start + p * stride
            _combine_one(al, c, s, c_row, c_column, R, R_start, inner, be, C, to, stride, size, k)
