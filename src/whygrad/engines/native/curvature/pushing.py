"""The pushes of one example, x_n δ for the numbers x_n of a row that are not 0, added to rows of memory.

    sum_n ← sum_n + x_n δ w_n,   size_n ← size_n + |x_n δ w_n|,   found ← Σ_n x_n δ w_n u_n

with rows of so many numbers, a few vectors at a time, of which δ stays in registers. Rows are as far apart
as the numbers of their places say, and filled up to whole vectors.
"""

from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.compiling import kernel
from whygrad.engines.native.vectors import VECTOR_BYTES, Vectors, data
from whygrad.nn.functions import Array

LANES = VECTOR_BYTES // 8  # numbers of a vector
WIDE = 4  # vectors at a time


def _add(wide: int) -> Any:
    """Make the tile, so many vectors wide, that adds pushes: times w and along u, unless these are None."""

    @intrinsic
    def tile(
        typing_context: Any, places: Any, values: Any, count: Any, delta: Any, at: Any, apart: Any, w: Any,
        sums: Any, first: Any, sizes: Any, start: Any, u: Any, found: Any,
    ) -> Any:  # fmt: skip
        weighed, along = (given != types.none for given in (w, u))

        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def memory(n: int) -> Any:
                return data(context, builder, signature.args[n], arguments[n])

            def rows(n: int, begin: Any) -> Any:
                return builder.gep(memory(n), [builder.add(begin, at)])

            _, _, count, _, at, apart, _, _, first, _, start, *_ = arguments
            vectors = Vectors(context, builder, delta.dtype)
            offsets = [ir.Constant(vectors.index, v * vectors.lanes) for v in range(wide)]
            place_data, value_data, delta_data = map(memory, (0, 1, 3))
            targets = rows(7, first), rows(9, start)
            weights = builder.gep(memory(6), [at]) if weighed else None
            directions, found_data = (rows(11, start), memory(12)) if along else (None, None)
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
                    for target, more in zip(targets, (push, vectors.absolute(push)), strict=True):
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
        kinds = (places, values, i, delta, i, i, w, sums, i, sizes, i, u, found)
        return types.void(*kinds), lower

    return tile


def _dot(wide: int) -> Any:
    """Make the tile, so many vectors wide, that adds up rows of w, x_n times each."""

    @intrinsic
    def tile(
        typing_context: Any,
        places: Any,
        values: Any,
        count: Any,
        at: Any,
        apart: Any,
        w: Any,
        found: Any,
    ) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places, values, count, at, apart, w, found = arguments
            kinds = signature.args
            vectors = Vectors(context, builder, kinds[5].dtype)
            offsets = [ir.Constant(vectors.index, v * vectors.lanes) for v in range(wide)]
            place_data, value_data, w_data, found_data = (
                data(context, builder, kinds[n], array)
                for n, array in ((0, places), (1, values), (5, w), (6, found))
            )
            weights = builder.gep(w_data, [at])
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
        return types.void(places, values, i, i, i, w, found), lower

    return tile


_add_4, _add_1 = _add(WIDE), _add(1)
_dot_4, _dot_1 = _dot(WIDE), _dot(1)


@kernel
def add_pushes(
    places: Array, values: Array, count: int, delta: Array, length: int, w: Array | None, sums: Array,
    first: int, sizes: Array, start: int, u: Array | None, found: Array | None,
) -> None:  # fmt: skip
    """Add x_n δ to the rows of `sums` from `first` on, and its size to those of `sizes` from `start` on.

    Each is taken times a row of w, unless this is None; and `found` is how far it goes along the rows of u
    from `start` on, unless both are None.
    """
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _add_4(places, values, count, delta, at, length, w, sums, first, sizes, start, u, found)
    for at in range(whole, length, LANES):
        _add_1(places, values, count, delta, at, length, w, sums, first, sizes, start, u, found)


@kernel
def add_up_rows(
    places: Array, values: Array, count: int, length: int, w: Array, found: Array
) -> None:
    """found ← Σ_n x_n w_n."""
    whole = length - length % (WIDE * LANES)
    for at in range(0, whole, WIDE * LANES):
        _dot_4(places, values, count, at, length, w, found)
    for at in range(whole, length, LANES):
        _dot_1(places, values, count, at, length, w, found)
