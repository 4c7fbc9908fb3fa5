"""The pushes of one example, x_n δ for the numbers x_n of a row that are not 0, added to rows of memory.

    sum_n ← sum_n + x_n δ w_n,   size_n ← size_n + |x_n δ w_n|,   found ← Σ_n x_n δ w_n u_n

with rows of so many numbers, a few vectors at a time, of which δ stays in registers. Rows are as far apart
as the numbers of their places say, and filled up to whole vectors.
"""

from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.compiling import ZERO, kernel
from whygrad.engines.native.vectors import VECTOR_BYTES, Vectors, data
from whygrad.nn.functions import Array

LANES = VECTOR_BYTES // 8  # numbers of a vector
WIDE = 4  # vectors at a time


def _add(wide: int, weighed: bool, along: bool) -> Any:
    """Make the tile, so many vectors wide, that adds pushes, weighed or not, and their ways `along` u."""

    @intrinsic
    def tile(
        typing_context: Any, places: Any, values: Any, count: Any, delta: Any, at: Any, apart: Any, w: Any,
        w_start: Any, sums: Any, sums_start: Any, sizes: Any, sizes_start: Any, u: Any, u_start: Any,
        found: Any,
    ) -> Any:  # fmt: skip
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places, values, count, delta, at, apart, *pairs, found = arguments
            kinds = signature.args
            vectors = Vectors(context, builder, kinds[3].dtype)
            offsets = [ir.Constant(vectors.index, v * vectors.lanes) for v in range(wide)]
            place_data, value_data, delta_data = (
                data(context, builder, kinds[n], array)
                for n, array in ((0, places), (1, values), (3, delta))
            )
            weights, sums, sizes, directions = (
                builder.gep(data(context, builder, kinds[n], pairs[n - 6]), [builder.add(pairs[n - 5], at)])
                for n in (6, 8, 10, 12)
            )  # fmt: skip
            found_data = data(context, builder, kinds[14], found)
            totals = [cgutils.alloca_once_value(builder, vectors.zero) for _ in offsets]
            for total in totals:
                builder.store(vectors.zero, total)
            errors = [vectors.load(builder.gep(delta_data, [builder.add(at, o)])) for o in offsets]
            with cgutils.for_range(builder, count) as loop:
                row = builder.mul(builder.load(builder.gep(place_data, [loop.index])), apart)
                x = vectors.spread(builder.load(builder.gep(value_data, [loop.index])))
                for error, offset, total in zip(errors, offsets, totals, strict=True):
                    here = [builder.add(row, offset)]
                    push = builder.fmul(x, error)
                    if weighed:
                        push = builder.fmul(push, vectors.load(builder.gep(weights, here)))
                    for target, more in ((sums, push), (sizes, vectors.absolute(push))):
                        pointer = builder.gep(target, here)
                        vectors.store(builder.fadd(vectors.load(pointer), more), pointer)
                    if along:
                        direction = vectors.load(builder.gep(directions, here))
                        way = vectors.multiply_add(push, direction, builder.load(total))
                        builder.store(way, total)
            for total, offset in zip(totals if along else (), offsets, strict=False):
                place = builder.gep(found_data, [builder.add(at, offset)])
                vectors.store(builder.load(total), place)
            return context.get_dummy_value()

        i = types.intp
        kinds = (places, values, i, delta, i, i, w, i, sums, i, sizes, i, u, i, found)
        return types.void(*kinds), lower

    return tile


def _dot(wide: int) -> Any:
    """Make the tile, so many vectors wide, that adds up rows of w, x_n times each."""

    @intrinsic
    def tile(
        typing_context: Any, places: Any, values: Any, count: Any, at: Any, apart: Any, w: Any,
        w_start: Any, found: Any,
    ) -> Any:  # fmt: skip
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places, values, count, at, apart, w, w_start, found = arguments
            kinds = signature.args
            vectors = Vectors(context, builder, kinds[5].dtype)
            offsets = [ir.Constant(vectors.index, v * vectors.lanes) for v in range(wide)]
            place_data, value_data, w_data, found_data = (
                data(context, builder, kinds[n], array)
                for n, array in ((0, places), (1, values), (5, w), (7, found))
            )
            weights = builder.gep(w_data, [builder.add(w_start, at)])
            totals = [cgutils.alloca_once_value(builder, vectors.zero) for _ in offsets]
            for total in totals:
                builder.store(vectors.zero, total)
            with cgutils.for_range(builder, count) as loop:
                row = builder.mul(builder.load(builder.gep(place_data, [loop.index])), apart)
                x = vectors.spread(builder.load(builder.gep(value_data, [loop.index])))
                for total, offset in zip(totals, offsets, strict=True):
                    number = vectors.load(builder.gep(weights, [builder.add(row, offset)]))
                    builder.store(vectors.multiply_add(x, number, builder.load(total)), total)
            for total, offset in zip(totals, offsets, strict=True):
                vectors.store(
                    builder.load(total), builder.gep(found_data, [builder.add(at, offset)])
                )
            return context.get_dummy_value()

        i = types.intp
        return types.void(places, values, i, i, i, w, i, found), lower

    return tile


_left_4, _left_1, _moved_4, _moved_1 = (
    _add(wide, False, along) for along in (False, True) for wide in (WIDE, 1)
)
_weighed_left_4, _weighed_left_1, _weighed_4, _weighed_1 = (
    _add(wide, True, along) for along in (False, True) for wide in (WIDE, 1)
)
_dot_4, _dot_1 = _dot(WIDE), _dot(1)


@kernel
def add_left(
    places: Array, values: Array, count: int, delta: Array, length: int, sums: Array, first: int,
    sizes: Array, start: int,
) -> None:  # fmt: skip
    """Add x_n δ to the rows of `sums` from `first` on, and its size to those of `sizes` from `start` on."""
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _left_4(places, values, count, delta, at, length, delta, ZERO, sums, first, sizes, start,
            delta, ZERO, delta)  # fmt: skip
    for at in range(whole, length, LANES):
        _left_1(places, values, count, delta, at, length, delta, ZERO, sums, first, sizes, start,
            delta, ZERO, delta)  # fmt: skip


@kernel
def add_weighed_left(
    places: Array, values: Array, count: int, delta: Array, length: int, w: Array, sums: Array,
    first: int, sizes: Array, start: int,
) -> None:  # fmt: skip
    """As `add_left`, each times a row of w."""
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _weighed_left_4(places, values, count, delta, at, length, w, ZERO, sums, first, sizes, start,
            w, ZERO, delta)  # fmt: skip
    for at in range(whole, length, LANES):
        _weighed_left_1(places, values, count, delta, at, length, w, ZERO, sums, first, sizes, start,
            w, ZERO, delta)  # fmt: skip


@kernel
def add_moves(
    places: Array, values: Array, count: int, delta: Array, length: int, sums: Array, first: int,
    sizes: Array, start: int, u: Array, found: Array,
) -> None:  # fmt: skip
    """As `add_left`, and find how far that goes along the rows of u from `start` on."""
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _moved_4(places, values, count, delta, at, length, delta, ZERO, sums, first, sizes, start,
            u, start, found)  # fmt: skip
    for at in range(whole, length, LANES):
        _moved_1(places, values, count, delta, at, length, delta, ZERO, sums, first, sizes, start,
            u, start, found)  # fmt: skip


@kernel
def add_weighed_moves(
    places: Array, values: Array, count: int, delta: Array, length: int, w: Array, sums: Array,
    first: int, sizes: Array, start: int, u: Array, found: Array,
) -> None:  # fmt: skip
    """As `add_moves`, each times a row of w."""
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _weighed_4(places, values, count, delta, at, length, w, ZERO, sums, first, sizes, start,
            u, start, found)  # fmt: skip
    for at in range(whole, length, LANES):
        _weighed_1(places, values, count, delta, at, length, w, ZERO, sums, first, sizes, start,
            u, start, found)  # fmt: skip


@kernel
def add_up_rows(
    places: Array, values: Array, count: int, length: int, w: Array, found: Array
) -> None:
    """found ← Σ_n x_n w_n."""
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _dot_4(places, values, count, at, length, w, ZERO, found)
    for at in range(whole, length, LANES):
        _dot_1(places, values, count, at, length, w, ZERO, found)
