"""Vector instructions of LLVM, which fits them to any processor: the words that tiles are written in."""

from collections.abc import Callable
from typing import Any

from llvmlite import binding

from whygrad.engines.machine_code import bfloat16
from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types

# As wide as the processor has them.
WIDE = bool(binding.get_host_cpu_features().get("avx512f"))
VECTOR_BYTES = 64 if WIDE else 32


class Vectors:
    """Writes instructions on vectors of float32, of float64, or of pairs of bfloat16 as int32."""

    def __init__(self, context: Any, builder: Any, real: Any) -> None:
        self.builder = builder
        self.number = context.get_value_type(real)
        self.size = real.bitwidth // 8
        self.pairs = isinstance(real, types.Integer)
        self.lanes = VECTOR_BYTES // self.size
        self.type = ir.VectorType(self.number, self.lanes)
        self.index = context.get_value_type(types.intp)
        self.zero = ir.Constant(self.type, [0 if self.pairs else 0.0] * self.lanes)
        self.suffix = f"v{self.lanes}{'i' if self.pairs else 'f'}{8 * self.size}"

    def at(self, pointer: Any) -> Any:
        return self.builder.bitcast(pointer, self.type.as_pointer())

    def load(self, pointer: Any, mask: Any = None) -> Any:
        if mask is None:
            return self.builder.load(self.at(pointer), align=self.size)
        arguments = [self.at(pointer), ir.Constant(ir.IntType(32), self.size), mask, self.zero]
        return self._call("llvm.masked.load", self.type, arguments, self.suffix + ".p0")

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        if mask is None:
            self.builder.store(value, self.at(pointer), align=self.size)
        else:
            arguments = [value, self.at(pointer), ir.Constant(ir.IntType(32), self.size), mask]
            self._call("llvm.masked.store", ir.VoidType(), arguments, self.suffix + ".p0")

    def prefetch(self, pointer: Any) -> None:
        """Ask for the line of the cache that an address lies in."""
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        to_read, near, of_data = (ir.Constant(integer, n) for n in (0, 3, 1))
        arguments = [self.builder.bitcast(pointer, byte), to_read, near, of_data]
        self._call("llvm.prefetch", ir.VoidType(), arguments, "p0")

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        """Return total + x y; of pairs both products are added to a float32."""
        if self.pairs:
            return bfloat16.dot(self.builder, x, y, total)
        return self._call("llvm.fmuladd", self.type, [x, y, total], self.suffix)

    def absolute(self, vector: Any) -> Any:
        """Return the sizes of the numbers."""
        return self._call("llvm.fabs", self.type, [vector], self.suffix)

    def paired(self, low: Any, high: Any) -> Any:
        """Return pairs of float32 rounded to bfloat16, lane by lane, as vectors of int32."""
        integers = ir.VectorType(ir.IntType(32), self.lanes)
        low, high = (
            self.builder.zext(bfloat16.halves(self.builder, half), integers) for half in (low, high)
        )
        return self.builder.or_(
            low, self.builder.shl(high, ir.Constant(integers, [16] * self.lanes))
        )

    def rounded(self, values: Any) -> Any:
        """Return float32 rounded to bfloat16, as float32."""
        none = ir.Constant(self.type, [0.0] * self.lanes)
        return self.builder.bitcast(self.paired(none, values), self.type)

    def spread(self, number: Any) -> Any:
        """Return a vector with the number in every lane."""
        first = ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), number, first)
        shuffle = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, ir.Constant(self.type, ir.Undefined), shuffle)

    def sum(self, vector: Any) -> Any:
        """Add up the lanes, halves onto halves."""
        return self.folded(vector, self.builder.fadd)

    def folded(self, vector: Any, combine: Callable[[Any, Any], Any]) -> Any:
        """Return the number that `combine` makes of all lanes, halves with halves."""
        builder, lanes = self.builder, self.lanes
        while lanes > 1:
            lanes //= 2
            low, high = (
                ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(start, start + lanes)))
                for start in (0, lanes)
            )
            empty = ir.Constant(vector.type, ir.Undefined)
            vector = combine(
                builder.shuffle_vector(vector, empty, low),
                builder.shuffle_vector(vector, empty, high),
            )
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def sums(self, vectors: list[Any]) -> Any:
        """Return a vector whose first lanes are the sums of the vectors, each added up as by `sum`.

        Two vectors are halved into one, so that several sums take little longer than one.
        """
        builder, block = self.builder, self.lanes
        while block > 1:
            half = block // 2
            low = [lane for lane in range(self.lanes) if lane % block < half]
            left, right = (
                ir.Constant(
                    ir.VectorType(ir.IntType(32), self.lanes),
                    [lane + side for lane in (*low, *(self.lanes + lane for lane in low))],
                )
                for side in (0, half)
            )
            if len(vectors) % 2:
                vectors = [*vectors, vectors[-1]]
            vectors = [
                builder.fadd(
                    builder.shuffle_vector(x, y, left), builder.shuffle_vector(x, y, right)
                )
                for x, y in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            block = half
        return vectors[0]

    def transposed(self, rows: list[Any]) -> list[Any]:
        """Return the columns of a square of numbers that has as many rows as a vector has lanes.

        Squares of 2 × 2 numbers change two of their corners, then squares of 2 × 2 such squares, and so on.
        """
        half = 1
        while half < self.lanes:
            lanes = range(self.lanes)
            upper, lower = (
                ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), places)
                for places in (
                    [self.lanes + lane - half if lane & half else lane for lane in lanes],
                    [self.lanes + lane if lane & half else lane + half for lane in lanes],
                )
            )
            for n in (n for n in lanes if not n & half):
                x, y = rows[n], rows[n + half]
                rows[n], rows[n + half] = (
                    self.builder.shuffle_vector(x, y, places) for places in (upper, lower)
                )
            half *= 2
        return rows

    def from_lane(self, vector: Any, first: int) -> Any:
        """Return the lanes from `first` on as the first ones; behind them stand those before it."""
        kind = ir.VectorType(ir.IntType(32), self.lanes)
        places = ir.Constant(kind, [(first + lane) % self.lanes for lane in range(self.lanes)])
        return self.builder.shuffle_vector(vector, vector, places)

    def first(self, count: int) -> Any:
        """Return the mask of the first `count` lanes, where that is known beforehand."""
        kind = ir.VectorType(ir.IntType(1), self.lanes)
        return ir.Constant(kind, [lane < count for lane in range(self.lanes)])

    def at_most(self, number: int, last: Any) -> Any:
        """Return the number, or the last one where it is beyond that."""
        n = ir.Constant(self.index, number)
        return self.builder.select(self.builder.icmp_signed("<", n, last), n, last)

    def mask(self, count: Any) -> Any:
        """Return the mask of the first `count` lanes."""
        kind = ir.VectorType(self.index, self.lanes)
        first = ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), count, first)
        shuffle = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        counts = self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), shuffle)
        return self.builder.icmp_signed("<", ir.Constant(kind, list(range(self.lanes))), counts)

    def _call(self, name: str, result: Any, arguments: list[Any], suffix: str) -> Any:
        function_type = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(
            self.builder.module, function_type, f"{name}.{suffix}"
        )
        return self.builder.call(function, arguments)


def data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Return the address of an array's first number."""
    return context.make_array(kind)(context, builder, array).data


# Rows of ten classes are shorter than a vector, and what a compiler makes of a loop over them takes a
# number at a time. What is done to their numbers is left to such a loop all the same: a vector that is
# stored in part holds up the next row's, which begins within it.


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
