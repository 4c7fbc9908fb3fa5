"""The largest of a short row's numbers and their sum, in vectors whose last one is masked.

Rows of ten classes are shorter than a vector, and what a compiler makes of a loop over them takes a number
at a time. What is done to the numbers is left to such a loop all the same: a vector that is stored in part
holds up the next row's, which begins within it.
"""

from collections.abc import Callable
from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.vectors import Vectors, data


def _reduction(combine: Callable[[Any, Any, Any], Any], of_none: float) -> Any:
    """Make what combines `size` numbers from `start` on, lane by lane and then the lanes."""

    @intrinsic
    def reduced(typing_context: Any, values: Any, start: Any, size: Any) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, start, size = arguments
            vectors = Vectors(context, builder, signature.args[0].dtype)
            first = builder.gep(data(context, builder, signature.args[0], array), [start])
            none = ir.Constant(vectors.type, [of_none] * vectors.lanes)
            found = cgutils.alloca_once_value(builder, none)

            def both(x: Any, y: Any) -> Any:
                return combine(builder, x, y)

            zero, step = (ir.Constant(vectors.index, n) for n in (0, vectors.lanes))
            rest = builder.srem(size, step)
            whole = builder.sub(size, rest)
            with cgutils.for_range_slice(builder, zero, whole, step, vectors.index) as (k, _):
                some = vectors.load(builder.gep(first, [k]))
                builder.store(both(builder.load(found), some), found)
            with builder.if_then(builder.icmp_signed(">", rest, zero)):
                mask = vectors.mask(rest)
                some = vectors.load(builder.gep(first, [whole]), mask)
                some = builder.select(mask, some, none)
                builder.store(both(builder.load(found), some), found)
            return vectors.folded(builder.load(found), both)

        return values.dtype(values, types.intp, types.intp), lower

    return reduced


# Of a row with a NaN the largest is that or another number.
largest_of_row = _reduction(
    lambda builder, x, y: builder.select(builder.fcmp_ordered(">", x, y), x, y), float("-inf")
)
sum_of_row = _reduction(lambda builder, x, y: builder.fadd(x, y), 0.0)
