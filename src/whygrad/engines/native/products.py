"""The three matrix products of a layer in native code: by BLAS, or in registers where that is faster.

All operands lie in flat arrays, rows one after the other. Which way a product is taken follows from its
shape alone, so that the same training gives the same bits.
"""

from whygrad.engines.native import blas
from whygrad.engines.native.blas import matrix
from whygrad.engines.native.compiling import ONE, kernel
from whygrad.engines.native.microkernels import combine, combine_packed, dots
from whygrad.nn.functions import Array

# Multiplications per product. Below _FROM, BLAS has kernels of its own for small matrices; from _PACKED on
# columns are copied side by side, if there are _ROWS rows to multiply with them. Short rows, of less than
# _ROW numbers, leave `dots` adding up lanes for most of its time.
_FROM, _PACKED, _ROWS, _ROW = 2**20, 2**24, 32, 256


@kernel
def into_units(
    a: Array, a_start: int, W: Array, W_start: int, z: Array, z_start: int, z_row: int,
    rows: int, units: int, size: int,
) -> None:  # fmt: skip
    """z (rows, units) ← z + a (rows, size) Wᵀ, with W (units, size): the way forward.

    Rows of z lie `z_row` apart.
    """
    if _FROM <= rows * units * size < _PACKED and size >= _ROW:
        dots(a, a_start, W, W_start, rows, units, size, z, z_start, z_row)
    else:
        blas.product_into_units(
            matrix(a, a_start, rows, size), matrix(W, W_start, units, size), 1.0,
            matrix(z, z_start, rows, z_row),
        )  # fmt: skip


@kernel
def into_inputs(
    delta: Array, delta_start: int, W: Array, W_start: int, error: Array, error_start: int,
    rows: int, units: int, size: int, stride: int, panel: Array,
) -> None:  # fmt: skip
    """error (rows, size) ← delta (rows, units) W: BP2 before its factor f′.

    Rows of W and of error lie `stride` apart; `panel` has room for PANEL bytes, to be used at will.
    """
    effort = rows * units * size
    if effort >= _PACKED and rows >= _ROWS:
        combine_packed(
            1.0, delta, delta_start, units, ONE, W, W_start, rows, units, size, stride,
            0.0, error, error_start, panel,
        )  # fmt: skip
    elif _FROM <= effort < _PACKED:
        combine(
            1.0, delta, delta_start, units, ONE, W, W_start, rows, units, size, stride,
            0.0, error, error_start,
        )  # fmt: skip
    else:
        blas.product_into_inputs(
            matrix(delta, delta_start, rows, units), matrix(W, W_start, units, stride), 0.0,
            matrix(error, error_start, rows, stride), size,
        )  # fmt: skip


@kernel
def into_weights(
    alpha: float, delta: Array, delta_start: int, delta_row: int, a: Array, a_start: int,
    beta: float, W: Array, W_start: int, rows: int, units: int, size: int,
) -> None:  # fmt: skip
    """W (units, size) ← βW + α deltaᵀ a: BP4; with β = 1 and α = −η/S a step of gradient descent.

    Rows of delta are `delta_row` numbers apart, of which `units` count.
    """
    if _FROM <= rows * units * size < _PACKED:
        combine(
            alpha, delta, delta_start, ONE, delta_row, a, a_start, units, rows, size, size,
            beta, W, W_start,
        )  # fmt: skip
    else:
        blas.product_into_weights(
            alpha, matrix(delta, delta_start, rows, delta_row), matrix(a, a_start, rows, size), beta,
            matrix(W, W_start, units, size),
        )  # fmt: skip
