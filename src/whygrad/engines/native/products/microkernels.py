"""Matrix products in native code, in registers.

BLAS copies its operands into blocks before it multiplies, which pays for large matrices only, and only
where there is much to multiply with them. Two loops do without, each over a tile of results that stays in
registers:

    dots      z_ij ← z_ij + Σ_k a_ik W_jk              rows times rows: the way forward
    combine   C_p ← βC_p + α Σ_q c_pq R_q              rows from rows: the way back (δW), the update (δᵀa)

The first ends with sums of lanes, which take longer than the products where rows are short. So the way
forward of more than a few examples is the second loop as well, once an operand has been turned: `packed`
does that, and copies operands side by side where they are large. Every result is summed in the same order
whatever tile it lies in, so that its bits depend neither on its place in a batch nor on how threads share
it.
"""

from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.compiling import ZERO, kernel
from whygrad.engines.native.vectors import VECTOR_BYTES, WIDE, Vectors, data
from whygrad.nn.functions import Array

# Rows that a tile is high, and units (dots) or vectors (combine) that it is wide: as many totals as leave
# registers for the operands, which come from the second-level cache.
HEIGHT, WIDTH = 8 if WIDE else 4, 3
# The pieces that dots are taken in: bytes of a row and rows of W.
DEPTH, UNITS = 4096, 252
# Rows of R from which on a tile asks for what it adds to.
LONG = 64


def _dots_tile(rows: int, units: int) -> Any:
    """Make the tile of `dots` that has so many rows and units: `size` columns of rows `stride` apart.

    The sums are added to those in `old`, whose rows lie old_row apart.
    """

    @intrinsic
    def tile(
        typing_context: Any, a: Any, a_start: Any, W: Any, W_start: Any, size: Any, stride: Any, old: Any,
        old_start: Any, old_row: Any, z: Any, z_start: Any, z_row: Any,
    ) -> Any:  # fmt: skip
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, a_start, W, W_start, size, stride, old, old_start, old_row, z, z_start, z_row = (
                arguments
            )
            kinds = signature.args
            vectors = Vectors(context, builder, kinds[9].dtype)
            step = ir.Constant(vectors.index, vectors.lanes)
            a_data, W_data, old_data, z_data = (
                data(context, builder, kinds[n], v) for n, v in ((0, a), (2, W), (6, old), (9, z))
            )

            def row_of(address: Any, start: Any, row: int, apart: Any) -> Any:
                offset = builder.mul(apart, ir.Constant(vectors.index, row))
                return builder.gep(address, [builder.add(start, offset)])

            a_rows = [row_of(a_data, a_start, row, stride) for row in range(rows)]
            W_rows = [row_of(W_data, W_start, unit, stride) for unit in range(units)]
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
            mask, together = vectors.first(units), max(1, vectors.lanes // units)
            for first in range(0, rows, together):  # lanes of several rows are added up at once
                some = totals[first : first + together]
                sums = vectors.sums([builder.load(total) for row in some for total in row])
                for row in range(len(some)):
                    source = row_of(old_data, old_start, first + row, old_row)
                    target = row_of(z_data, z_start, first + row, z_row)
                    sum_ = vectors.from_lane(sums, row * units)
                    vectors.store(builder.fadd(vectors.load(source, mask), sum_), target, mask)
            return context.get_dummy_value()

        i = types.intp
        return types.void(a, i, W, i, i, i, old, i, i, z, i, i), lower

    return tile


def _combine_columns(width: int) -> Any:
    """Make what multiplies a few columns: `width` vectors, in tiles of HEIGHT rows, fewer at the end.

    C (rows, left) ← β old + α c R. Rows of R are R_row apart, those of `old` old_row and those of C C_row;
    `inner` rows of R are added up, each times c[c_start + p c_row + q c_column]. Where there is less than a
    tile is wide, the last vector ends after `left` columns in all. c and R may be pairs of numbers (see
    `pairs`).
    """

    @intrinsic
    def columns(
        typing_context: Any, alpha: Any, c: Any, c_start: Any, c_row: Any, c_column: Any, R: Any,
        R_start: Any, R_row: Any, rows: Any, inner: Any, beta: Any, old: Any, old_start: Any, old_row: Any,
        C: Any, C_start: Any, C_row: Any, left: Any,
    ) -> Any:  # fmt: skip
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            alpha, c, c_start, c_row, c_column, R, R_start, R_row, rows, inner = arguments[:10]
            beta, old, old_start, old_row, C, C_start, C_row, left = arguments[10:]
            kinds = signature.args
            vectors, operands = (Vectors(context, builder, kinds[n].dtype) for n in (14, 5))
            index = vectors.index

            def number(n: int) -> Any:
                return ir.Constant(index, n)

            c_data, R_data, old_data, C_data = (
                data(context, builder, kinds[n], v) for n, v in ((1, c), (5, R), (11, old), (14, C))
            )
            masks: list[Any] = [None] * width
            if width < WIDTH:
                masks[-1] = vectors.mask(builder.sub(left, number((width - 1) * vectors.lanes)))
            scale, keep = vectors.spread(alpha), vectors.spread(beta)
            kept = builder.fcmp_unordered("!=", beta, ir.Constant(vectors.number, 0.0))
            # What the products are added to comes meanwhile, where they take long enough.
            long = builder.icmp_signed(">", inner, number(LONG // 2 if operands.pairs else LONG))

            def tile(height: int, p: Any) -> None:
                """Compute `height` rows from p on."""
                c_p = builder.add(c_start, builder.mul(p, c_row))
                places = [builder.add(p, number(row)) for row in range(height)]
                sources, targets = (
                    [
                        builder.gep(address, [builder.add(start, builder.mul(apart, place))])
                        for place in places
                    ]
                    for address, start, apart in (
                        (old_data, old_start, old_row), (C_data, C_start, C_row)
                    )
                )  # fmt: skip
                totals = [
                    [cgutils.alloca_once_value(builder, vectors.zero) for _ in range(width)]
                    for _ in range(height)
                ]
                with builder.if_then(long):
                    for source in sources:
                        for v in range(width):
                            vectors.prefetch(builder.gep(source, [number(v * vectors.lanes)]))
                with cgutils.for_range(builder, inner, intp=index) as loop:
                    q = loop.index
                    R_q = builder.gep(R_data, [builder.add(R_start, builder.mul(q, R_row))])
                    r = [
                        operands.load(builder.gep(R_q, [number(v * vectors.lanes)]), masks[v])
                        for v in range(width)
                    ]
                    c_q = builder.add(c_p, builder.mul(q, c_column))
                    for row in range(height):
                        at = builder.add(c_q, builder.mul(c_row, number(row)))
                        factor = operands.spread(builder.load(builder.gep(c_data, [at])))
                        for v in range(width):
                            total = totals[row][v]
                            builder.store(
                                operands.multiply_add(factor, r[v], builder.load(total)), total
                            )
                for row in range(height):
                    for v, total in enumerate(totals[row]):
                        place = number(v * vectors.lanes)
                        source, target = (
                            builder.gep(address, [place])
                            for address in (sources[row], targets[row])
                        )
                        builder.store(builder.fmul(scale, builder.load(total)), total)
                        with builder.if_then(
                            kept
                        ):  # where β is 0, what stands there may be anything
                            before = vectors.load(source, masks[v])
                            sum_ = vectors.multiply_add(keep, before, builder.load(total))
                            builder.store(sum_, total)
                        vectors.store(builder.load(total), target, masks[v])

            rest = builder.srem(rows, number(HEIGHT))
            p = builder.sub(rows, rest)
            with cgutils.for_range_slice(builder, number(0), p, number(HEIGHT), index) as (
                first,
                _,
            ):
                tile(HEIGHT, first)
            height = HEIGHT // 2
            while height:
                some = builder.and_(rest, number(height))
                with builder.if_then(builder.icmp_signed("!=", some, number(0))):
                    tile(height, p)
                p = builder.add(p, some)
                height //= 2
            return context.get_dummy_value()

        i = types.intp
        signature = types.void(alpha, c, i, i, i, R, i, i, i, i, beta, old, i, i, C, i, i, i)
        return signature, lower

    return columns


@intrinsic
def gather_square(
    typing_context: Any, X: Any, width: Any, order: Any, first: Any, rows: Any, column: Any, columns: Any,
    a: Any, a_start: Any, stride: Any,
) -> Any:  # fmt: skip
    """Lay a square of X[order], of rows from `first` on and columns from `column` on, into `a` by columns.

    It has as many of both as a vector has lanes, or `rows` and `columns` where these are fewer. Rows of X
    have `width` numbers, those of `a` lie `stride` apart.
    """

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        X, width, order, first, rows, column, columns, a, a_start, stride = arguments
        kinds = signature.args
        vectors = Vectors(context, builder, kinds[7].dtype)
        last = builder.sub(rows, ir.Constant(vectors.index, 1))
        X_data, order_data, a_data = (
            data(context, builder, kinds[n], v) for n, v in ((0, X), (2, order), (7, a))
        )
        mask, values = vectors.mask(columns), []
        for n in range(vectors.lanes):
            place = builder.add(first, vectors.at_most(n, last))
            example = builder.load(builder.gep(order_data, [place]))
            if example.type != vectors.index:
                example = builder.sext(example, vectors.index)
            at = builder.add(builder.mul(example, width), column)
            values.append(vectors.load(builder.gep(X_data, [at]), mask))
        mask = vectors.mask(rows)
        for n, laid in enumerate(vectors.transposed(values)):
            number = ir.Constant(vectors.index, n)
            with builder.if_then(builder.icmp_signed("<", number, columns)):
                at = builder.add(a_start, builder.mul(stride, number))
                vectors.store(laid, builder.gep(a_data, [at]), mask)
        return context.get_dummy_value()

    i = types.intp
    return types.void(X, i, order, i, i, i, i, a, i, i), lower


_dots = _dots_tile(HEIGHT, WIDTH)
_dots_unit = _dots_tile(HEIGHT, 1)
_dots_pair = _dots_tile(2, WIDTH)
_dots_row = _dots_tile(1, WIDTH)
_dots_one = _dots_tile(1, 1)
_dots_two = _dots_tile(HEIGHT, 2)
_dots_two_row = _dots_tile(1, 2)
_wide_columns, _some_columns, _last_columns = (
    _combine_columns(width) for width in (WIDTH, WIDTH - 1, 1)
)


@kernel
def dots(
    a: Array, a_start: int, W: Array, W_start: int, rows: int, units: int, size: int,
    z: Array, z_start: int, z_row: int,
) -> None:  # fmt: skip
    """z (rows, units) ← z + a Wᵀ, with a (rows, size) and W (units, size); rows of z lie z_row apart.

    Taken in pieces of W that stay in the cache.
    """
    depth = DEPTH // W.itemsize
    for j in range(0, units, UNITS):
        for k in range(0, size, depth):
            _dots_piece(
                a, a_start + k, W, W_start + j * size + k, rows, min(UNITS, units - j),
                min(depth, size - k), size, z, z_start + j, z_row,
            )  # fmt: skip


@kernel
def _dots_piece(
    a: Array, a_start: int, W: Array, W_start: int, rows: int, units: int, size: int, stride: int,
    z: Array, z_start: int, z_row: int,
) -> None:  # fmt: skip
    whole_rows, whole_units = rows - rows % HEIGHT, units - units % WIDTH
    for i in range(0, whole_rows, HEIGHT):
        x, to = a_start + i * stride, z_start + i * z_row
        for j in range(0, whole_units, WIDTH):
            _dots(a, x, W, W_start + j * stride, size, stride, z, to + j, z_row, z, to + j, z_row)
        for j in range(whole_units, units):
            _dots_unit(
                a, x, W, W_start + j * stride, size, stride, z, to + j, z_row, z, to + j, z_row
            )
    pairs = rows - rows % 2
    for i in range(whole_rows, pairs, 2):
        x, to = a_start + i * stride, z_start + i * z_row
        for j in range(0, whole_units, WIDTH):
            _dots_pair(
                a, x, W, W_start + j * stride, size, stride, z, to + j, z_row, z, to + j, z_row
            )
    for i in range(pairs, rows):
        x, to = a_start + i * stride, z_start + i * z_row
        for j in range(0, whole_units, WIDTH):
            _dots_row(
                a, x, W, W_start + j * stride, size, stride, z, to + j, z_row, z, to + j, z_row
            )
    for i in range(whole_rows, rows):
        x, to = a_start + i * stride, z_start + i * z_row
        for j in range(whole_units, units):
            _dots_one(
                a, x, W, W_start + j * stride, size, stride, z, to + j, z_row, z, to + j, z_row
            )


@kernel
def combine(
    alpha: float, c: Array, c_start: int, c_row: int, c_column: int, R: Array, R_start: int,
    rows: int, inner: int, size: int, stride: int, beta: float, C: Array, C_start: int,
) -> None:  # fmt: skip
    """C (rows, size) ← βC + α c R, with R (inner, size) and c_pq = c[c_start + p c_row + q c_column].

    Rows of R and of C lie `stride` apart.
    """
    lanes = VECTOR_BYTES // C.itemsize
    k = ZERO
    while k < size:
        step = columns_of(size - k, lanes)
        multiply_columns(
            alpha, c, c_start, c_row, c_column, R, R_start + k, stride, rows, inner, beta,
            C, C_start + k, stride, C, C_start + k, stride, step,
        )  # fmt: skip
        k += step


@kernel
def last_dots(
    a: Array, a_start: int, W: Array, W_start: int, b: int, rows: int, units: int, size: int,
    z: Array, z_start: int, z_row: int,
) -> None:  # fmt: skip
    """z ← b + a Wᵀ for a few units, less than a vector has lanes, in pairs."""
    for j in range(0, units, 2):
        y, at, pair = W_start + j * size, z_start + j, j + 1 < units
        i = ZERO
        while i < rows:
            x, to, whole = a_start + i * size, at + i * z_row, rows - i >= HEIGHT
            if whole and pair:
                _dots_two(a, x, W, y, size, size, W, b + j, ZERO, z, to, z_row)
            elif whole:
                _dots_unit(a, x, W, y, size, size, W, b + j, ZERO, z, to, z_row)
            elif pair:
                _dots_two_row(a, x, W, y, size, size, W, b + j, ZERO, z, to, z_row)
            else:
                _dots_one(a, x, W, y, size, size, W, b + j, ZERO, z, to, z_row)
            i += HEIGHT if whole else 1


@kernel
def multiply_columns(
    alpha: float, c: Array, c_start: int, c_row: int, c_column: int, R: Array, R_start: int, R_row: int,
    rows: int, inner: int, beta: float, old: Array, old_start: int, old_row: int, C: Array, C_start: int,
    C_row: int, left: int,
) -> None:  # fmt: skip
    """C ← β old + α c R for `left` columns, as many as `columns_of` returns at most."""
    real, lanes = type(C[0]), VECTOR_BYTES // C.itemsize
    al, be = real(alpha), real(beta)
    if left == WIDTH * lanes:
        _wide_columns(
            al, c, c_start, c_row, c_column, R, R_start, R_row, rows, inner, be, old, old_start, old_row,
            C, C_start, C_row, left,
        )  # fmt: skip
    elif left > lanes:
        _some_columns(
            al, c, c_start, c_row, c_column, R, R_start, R_row, rows, inner, be, old, old_start, old_row,
            C, C_start, C_row, left,
        )  # fmt: skip
    else:
        _last_columns(
            al, c, c_start, c_row, c_column, R, R_start, R_row, rows, inner, be, old, old_start, old_row,
            C, C_start, C_row, left,
        )  # fmt: skip


@kernel
def columns_of(size: int, lanes: int) -> int:
    """Return how many of `size` columns are multiplied at a time: a whole tile, or what is less.

    A vector more than a tile is halved with it: alone it has too few sums to keep multiply-adds going.
    """
    wide, some = WIDTH * lanes, (WIDTH - 1) * lanes
    return min(some, size) if size < wide or wide < size <= 2 * some else wide
