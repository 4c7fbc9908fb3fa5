"""The three products of a dense layer: z = b + a Wᵀ, error = δ W, and W ← βW + α δᵀ a.

By the shape and the width of vectors alone BLAS, or a loop of `microkernels` or `packed`, takes them; where
operands are rounded to bfloat16, `pairs`: then the panel, the memory that they copy to, is one of int32.
"""

from itertools import pairwise

from whygrad.engines.native import blas
from whygrad.engines.native.arguments import Layers
from whygrad.engines.native.blas import matrix
from whygrad.engines.native.compiling import ONE, by_panel, kernel
from whygrad.engines.native.memory import copy
from whygrad.engines.native.products import pairs
from whygrad.engines.native.products.microkernels import combine, dots
from whygrad.engines.native.products.packed import (
    EXAMPLES,
    INPUTS,
    combine_across,
    combine_laid,
    combine_packed,
    combine_transposed,
    room,
)
from whygrad.engines.native.vectors import WIDE
from whygrad.nn.functions import Array

# Fewer rows than _FEW are too few to lay weights side by side for. Of these, products of less than _FROM
# multiplications are left to BLAS where it has kernels of its own for small matrices, which is with wide
# vectors; on the way forward only where rows are of _ROW numbers or more.
_FEW, _FROM, _ROW = 16, 2**20 if WIDE else 0, 512
# Layers with _WIDE weights or more and rows of _ROW go forward with examples side by side, and in batches
# of up to _SOME, for which turning W takes longer, those with a quarter of it and rows half as long.
_WIDE, _SOME = 2**18, 64
# The way back and the update lay operands side by side where weights take _LARGE bytes. Where vectors are
# narrow, and so is the nearest cache, they do where that times the rows of a batch is _MUCH or more and the
# layer has _UNITS: with less, copying takes longer than it saves. With wide vectors the way back does so
# only where rows of weights are multiples of _APART bytes.
_LARGE, _MUCH, _UNITS, _APART = 3 * 2**21, 2**23, 32, 512

# The ways forward: few rows by BLAS or dots; rows times rows; by columns of Wᵀ; examples side by side.
FEW, DOTS, COLUMNS, ACROSS = range(4)


def find_way_forward(below: int, units: int, batch: int, shared: bool, rows: int) -> int:
    """Return how so many rows of a batch go forward: where threads share it, all rows in the same way."""
    if batch >= _FEW:
        share = 4 if batch <= _SOME else 1
        if share * below * units >= _WIDE and min(share, 2) * below >= _ROW:
            return ACROSS
        if below >= max(_ROW, 16 * batch):  # sums of lanes are few beside the products
            return DOTS
    elif shared:
        return DOTS
    return FEW if rows < _FEW and not shared else COLUMNS


way_forward = kernel(find_way_forward)


def find_copies(rows: int, units: int, below: int, itemsize: int) -> bool:
    """Return whether the way back and the update of a layer lay operands side by side first."""
    weights = units * below * itemsize
    if WIDE:
        return weights >= _LARGE
    return units >= _UNITS and rows * weights >= _MUCH


_copies = kernel(find_copies)


def panel_size(layers: Layers, rows: int, itemsize: int) -> int:
    """Return how many numbers a panel has room for, with batches of so many rows."""
    laid, first = 0, 1 if layers.stretch else 0  # a layer that skips zeros lays nothing out
    for below, units in pairwise(map(int, layers.sizes[first:])):
        if find_copies(rows, units, below, itemsize):
            laid = max(laid, below)
        elif find_way_forward(below, units, rows, layers.shared, rows) == ACROSS:
            laid = max(laid, min(below, INPUTS))
    return room(rows, laid, itemsize)


@kernel
def few_rows(layers: Layers, rows: int) -> bool:
    """Return whether a batch is small: where threads share a step, all products are done the same way."""
    return rows < _FEW and not layers.shared


def _into_units(
    way: int, a: Array, a_start: int, W: Array, W_start: int, b: int, z: Array, z_start: int,
    z_row: int, rows: int, units: int, size: int, panel: Array,
) -> None:  # fmt: skip
    """z (rows, units) ← b + a (rows, size) Wᵀ, with W (units, size): the way forward.

    b begins at a place of W's memory; rows of z lie `z_row` apart; `panel` is of `panel_size`.
    """
    if way >= COLUMNS:
        _into_units_of_many(
            way, a, a_start, W, W_start, b, rows, units, size, z, z_start, z_row, panel
        )  # fmt: skip
        return
    for i in range(rows):
        copy(W, b, z, z_start + i * z_row, units)
    if way == DOTS or rows * units * size >= _FROM or size < _ROW:
        dots(a, a_start, W, W_start, rows, units, size, z, z_start, z_row)
    else:
        blas.product_into_units(
            matrix(a, a_start, rows, size), matrix(W, W_start, units, size), 1.0,
            matrix(z, z_start, rows, z_row),
        )  # fmt: skip


@kernel
def _into_units_of_many(
    way: int, a: Array, a_start: int, W: Array, W_start: int, b: int, rows: int, units: int, size: int,
    z: Array, z_start: int, z_row: int, panel: Array,
) -> None:  # fmt: skip
    """As `_into_units`; a function of its own, so that what is left to small batches stays small."""
    if way == ACROSS:
        combine_across(
            a, a_start, W, W_start, b, rows, units, size, z, z_start, z_row, panel
        )  # fmt: skip
    else:
        combine_transposed(
            a, a_start, W, W_start, b, rows, units, size, z, z_start, z_row, panel
        )  # fmt: skip


def _into_inputs(
    few: bool, batch: int, delta: Array, delta_start: int, W: Array, W_start: int, error: Array,
    error_start: int, rows: int, units: int, size: int, stride: int, panel: Array,
) -> None:  # fmt: skip
    """error (rows, size) ← delta (rows, units) W: BP2 before its factor f′, for some rows of a batch.

    Rows of W and of error lie `stride` apart; `panel` is of `panel_size`, to be used at will.
    """
    if few and rows * units * size < _FROM:
        blas.product_into_inputs(
            matrix(delta, delta_start, rows, units), matrix(W, W_start, units, stride), 0.0,
            matrix(error, error_start, rows, stride), size,
        )  # fmt: skip
    elif (
        few
        or not _copies(batch, units, stride, W.itemsize)
        or (WIDE and stride * W.itemsize % _APART > 0)
    ):
        combine(
            1.0, delta, delta_start, units, ONE, W, W_start, rows, units, size, stride,
            0.0, error, error_start,
        )  # fmt: skip
    else:
        combine_packed(
            1.0, delta, delta_start, units, W, W_start, rows, units, size, stride, 0.0,
            error, error_start, panel,
        )  # fmt: skip


def _into_weights(
    few: bool, alpha: float, delta: Array, delta_start: int, delta_row: int, a: Array, a_start: int,
    beta: float, W: Array, W_start: int, rows: int, units: int, size: int, laid: bool, panel: Array,
) -> None:  # fmt: skip
    """W (units, size) ← βW + α deltaᵀ a: BP4; with β = 1 and α = −η/S a step of gradient descent.

    Rows of delta are `delta_row` numbers apart, of which `units` count. `laid` says that other units of the
    layer have come before these, and the panel is as they have left it.
    """
    if few and rows * units * size < _FROM:
        blas.product_into_weights(
            alpha, matrix(delta, delta_start, rows, delta_row), matrix(a, a_start, rows, size), beta,
            matrix(W, W_start, units, size),
        )  # fmt: skip
    elif few or not _copies(rows, delta_row, size, W.itemsize):
        combine(
            alpha, delta, delta_start, ONE, delta_row, a, a_start, units, rows, size, size,
            beta, W, W_start,
        )  # fmt: skip
    else:
        for q in range(0, rows, EXAMPLES):
            combine_laid(
                alpha, delta, delta_start + q * delta_row, delta_row, a, a_start + q * size, units,
                min(EXAMPLES, rows - q), size, beta if q == 0 else 1.0, W, W_start,
                laid and rows <= EXAMPLES, panel,
            )  # fmt: skip


def _as_operands(X: Array, start: int, size: int, panel: Array) -> None:
    """Round numbers of X to what products take of them, where that is less than they are."""


as_operands = by_panel(_as_operands, pairs.as_operands)
into_units = by_panel(_into_units, pairs.into_units)
into_inputs = by_panel(_into_inputs, pairs.into_inputs)
into_weights = by_panel(_into_weights, pairs.into_weights)
