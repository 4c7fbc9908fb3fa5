"""Products of numbers rounded to bfloat16 in native code: two multiply-adds in the place of one.

The tile of `microkernels.combine` takes them too, C_p ← βC_p + α Σ_q c_pq R_q, where c and R are pairs of
neighbours along q: one instruction adds both products to a sum in float32. Before, the numbers are rounded
and copied: a block of c, `TALL` rows of it by `DEEP` numbers, and of R a few columns as wide as a tile.

    pairs in a row       a and δ, rows of c, as they lie; W, whose rows are columns of R, transposed
    pairs of two rows    W and a, rows of R, and δ, whose rows are columns of c, interleaved

Sums are taken in the same order wherever a number lies, as everywhere here.
"""

from typing import Any

from whygrad.engines.machine_code import bfloat16
from whygrad.engines.machine_code.deferred import intrinsic, ir, types
from whygrad.engines.native.compiling import ONE, ZERO, kernel
from whygrad.engines.native.products.microkernels import WIDTH, multiply_columns
from whygrad.engines.native.vectors import Vectors, data
from whygrad.nn.functions import Array

LANES = bfloat16.LANES
WIDE = WIDTH * LANES
# Numbers of a row of c, and rows of it, that are laid out at a time; R begins behind them.
DEEP, TALL = 256, 256
HALF, BEHIND = DEEP // 2, DEEP // 2 * TALL
PAIRS = BEHIND + HALF * WIDE


def _two_rows(whole: bool) -> Any:
    """Make what rounds a vector of numbers of a row and of the next one, and pairs them up.

    Of the rows `columns` and `more` numbers count, or all where they are `whole`.
    """

    @intrinsic
    def pair(
        typing_context: Any,
        X: Any,
        start: Any,
        row: Any,
        columns: Any,
        more: Any,
        panel: Any,
        to: Any,
    ) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            X, start, row, columns, more, panel, to = arguments
            kinds = signature.args
            numbers, pairs = (Vectors(context, builder, kinds[n].dtype) for n in (0, 5))
            at = builder.gep(data(context, builder, kinds[0], X), [start])
            counts = (None, None) if whole else (columns, more)
            low, high = (
                numbers.load(where, None if count is None else numbers.mask(count))
                for where, count in zip((at, builder.gep(at, [row])), counts, strict=True)
            )
            target = builder.gep(data(context, builder, kinds[5], panel), [to])
            pairs.store(numbers.paired(low, high), target)
            return context.get_dummy_value()

        i = types.intp
        return types.void(X, i, i, i, i, panel, i), lower

    return pair


_whole_pair, _some_pair = _two_rows(whole=True), _two_rows(whole=False)


@intrinsic
def _row_tile(
    typing_context: Any, X: Any, start: Any, columns: Any, panel: Any, to: Any
) -> Any:  # fmt: skip
    """Round a vector of a row, of which so many columns count: half as many pairs."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        X, start, columns, panel, to = arguments
        kinds = signature.args
        numbers = Vectors(context, builder, kinds[0].dtype)
        at = builder.gep(data(context, builder, kinds[0], X), [start])
        halves = bfloat16.halves(builder, numbers.load(at, numbers.mask(columns)))
        target = builder.gep(data(context, builder, kinds[3], panel), [to])
        builder.store(halves, builder.bitcast(target, halves.type.as_pointer()), align=4)
        return context.get_dummy_value()

    i = types.intp
    return types.void(X, i, i, panel, i), lower


@intrinsic
def _square_tile(
    typing_context: Any, W: Any, W_start: Any, stride: Any, units: Any, inputs: Any, panel: Any,
    to: Any, across: Any,
) -> Any:  # fmt: skip
    """Lay W's weights of as many units as a vector has lanes, and twice as many inputs: units side by side.

    Of `units` and `inputs` there may be fewer; what the panel holds for other units may be anything.
    """

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        W, W_start, stride, units, inputs, panel, to, across = arguments
        kinds = signature.args
        numbers, pairs = (Vectors(context, builder, kinds[n].dtype) for n in (0, 5))
        lanes = ir.Constant(pairs.index, LANES)
        last = builder.sub(units, ir.Constant(pairs.index, 1))
        masks = numbers.mask(inputs), numbers.mask(builder.sub(inputs, lanes))
        W_data, panel_data = (data(context, builder, kinds[n], v) for n, v in ((0, W), (5, panel)))
        both = ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), list(range(2 * LANES)))
        rows = []
        for n in range(LANES):
            at = builder.add(W_start, builder.mul(numbers.at_most(n, last), stride))
            left, right = (
                bfloat16.halves(builder, numbers.load(builder.gep(W_data, [where]), mask))
                for where, mask in zip((at, builder.add(at, lanes)), masks, strict=True)
            )
            rows.append(builder.bitcast(builder.shuffle_vector(left, right, both), pairs.type))
        for n, column in enumerate(pairs.transposed(rows)):
            at = builder.add(to, builder.mul(across, ir.Constant(pairs.index, n)))
            pairs.store(column, builder.gep(panel_data, [at]))
        return context.get_dummy_value()

    i = types.intp
    return types.void(W, i, i, i, i, panel, i, i), lower


@intrinsic
def _round_tile(typing_context: Any, X: Any, start: Any, columns: Any) -> Any:
    """Round a vector in its place, of which so many numbers count."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        X, start, columns = arguments
        numbers = Vectors(context, builder, signature.args[0].dtype)
        at = builder.gep(data(context, builder, signature.args[0], X), [start])
        mask = numbers.mask(columns)
        numbers.store(numbers.rounded(numbers.load(at, mask)), at, mask)
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp), lower


def as_operands(X: Array, start: int, size: int, panel: Array) -> None:
    """As `dense.as_operands`: to bfloat16."""
    for k in range(0, size, LANES):
        _round_tile(X, start + k, size - k)


def into_units(
    way: int, a: Array, a_start: int, W: Array, W_start: int, b: int, z: Array, z_start: int,
    z_row: int, rows: int, units: int, size: int, panel: Array,
) -> None:  # fmt: skip
    """As `dense.into_units`, of rounded a and W."""
    for q in range(0, size, DEEP):
        deep = min(DEEP, size - q)
        for p in range(0, rows, TALL):
            tall = min(TALL, rows - p)
            _lay_rows(a, a_start + p * size + q, size, tall, deep, panel)
            j = ZERO
            while j < units:
                step = _step(units - j)
                across, to = max(step, LANES), z_start + p * z_row + j
                for unit in range(0, step, LANES):
                    source = W_start + (j + unit) * size + q
                    for k in range(0, deep, 2 * LANES):
                        _square_tile(
                            W, source + k, size, step - unit, deep - k, panel,
                            BEHIND + k // 2 * across + unit, across,
                        )  # fmt: skip
                if q == 0:
                    multiply_columns(
                        1.0, panel, ZERO, HALF, ONE, panel, BEHIND, across, tall, -(-deep // 2), 1.0,
                        W, b + j, ZERO, z, to, z_row, step,
                    )  # fmt: skip
                else:
                    multiply_columns(
                        1.0, panel, ZERO, HALF, ONE, panel, BEHIND, across, tall, -(-deep // 2), 1.0,
                        z, to, z_row, z, to, z_row, step,
                    )  # fmt: skip
                j += step


def into_inputs(
    few: bool, batch: int, delta: Array, delta_start: int, W: Array, W_start: int, error: Array,
    error_start: int, rows: int, units: int, size: int, stride: int, panel: Array,
) -> None:  # fmt: skip
    """As `dense.into_inputs`, of rounded δ and W."""
    for q in range(0, units, DEEP):
        deep = min(DEEP, units - q)
        for p in range(0, rows, TALL):
            tall = min(TALL, rows - p)
            _lay_rows(delta, delta_start + p * units + q, units, tall, deep, panel)
            _multiply(
                1.0, HALF, ONE, W, W_start + q * stride, tall, deep, size, stride,
                0.0 if q == 0 else 1.0, error, error_start + p * stride, panel,
            )  # fmt: skip


def into_weights(
    few: bool, alpha: float, delta: Array, delta_start: int, delta_row: int, a: Array, a_start: int,
    beta: float, W: Array, W_start: int, rows: int, units: int, size: int, laid: bool, panel: Array,
) -> None:  # fmt: skip
    """As `dense.into_weights`, of rounded δ and a."""
    for q in range(0, rows, DEEP):
        deep = min(DEEP, rows - q)
        for p in range(0, units, TALL):
            tall = min(TALL, units - p)
            _lay_pairs(
                delta, delta_start + q * delta_row + p, delta_row, deep, tall, panel, ZERO, TALL
            )
            _multiply(
                alpha, ONE, TALL, a, a_start + q * size, tall, deep, size, size,
                beta if q == 0 else 1.0, W, W_start + p * size, panel,
            )  # fmt: skip


@kernel
def _multiply(
    alpha: float, c_row: int, c_column: int, R: Array, R_start: int, rows: int, deep: int, size: int,
    stride: int, beta: float, C: Array, C_start: int, panel: Array,
) -> None:  # fmt: skip
    """C (rows, size) ← βC + α c R, with c in the panel, and rows of R and of C `stride` apart."""
    k = ZERO
    while k < size:
        step, to = _step(size - k), C_start + k
        across = max(step, LANES)
        _lay_pairs(R, R_start + k, stride, deep, step, panel, BEHIND, across)
        multiply_columns(
            alpha, panel, ZERO, c_row, c_column, panel, BEHIND, across, rows, -(-deep // 2), beta,
            C, to, stride, C, to, stride, step,
        )  # fmt: skip
        k += step


@kernel
def _step(left: int) -> int:
    """Return how many of the columns that are left a tile takes."""
    return WIDE if left >= WIDE else min(LANES, left)


@kernel
def _lay_rows(X: Array, start: int, stride: int, rows: int, size: int, panel: Array) -> None:
    """Lay rows of so many numbers at the panel's beginning, `HALF` pairs apart."""
    for i in range(rows):
        for k in range(0, size, LANES):
            _row_tile(X, start + i * stride + k, size - k, panel, i * HALF + k // 2)


@kernel
def _lay_pairs(
    X: Array, start: int, stride: int, rows: int, columns: int, panel: Array, to: int, across: int
) -> None:
    """Lay pairs of two rows each into the panel, rows of pairs `across` apart."""
    for q in range(0, rows, 2):
        more = columns if q + 1 < rows else 0
        for k in range(0, columns, LANES):
            source, target = start + q * stride + k, to + q // 2 * across + k
            if columns - k >= LANES and more > 0:
                _whole_pair(X, source, stride, columns, more, panel, target)
            else:
                _some_pair(X, source, stride, columns - k, more - k, panel, target)
