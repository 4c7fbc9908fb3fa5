"""Layers of many rows or of one, with the same last bits: the products of prediction, in LLVM by hand.

    z_ij = b_j + Σ_k a_ik W_jk,   then max(z, 0) where the layer is of rectifiers

A BLAS adds up in another order when it is given another number of rows, and NumPy calls another of its
functions for one row than for two. Here every sum is taken alike wherever its row stands: one vector of
partial sums runs along k, and its lanes are added up halves onto halves. Only how many such sums are under
way at once, a tile of rows times units, differs. W is read as it lies, so that one row costs no more than
reading W once. Of layers with few inputs the vectors run along the units instead, and every sum along k as
it is written: many rows take a copy of W with inputs as rows, a single one does without.

The code is made by llvmlite alone, when it is first asked for, and kept on disk: a process that only
predicts never waits for Numba. It is called with the address of words that say what to do:

    free | layers | a | rows | work | z | units of the widest layer but the last, in bytes |
    for each layer: W | b | inputs | units | whether it rectifies | is narrow | the copy of W, or 0
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from whygrad.address_space import LLVM, spare
from whygrad.engines.machine_code import objects
from whygrad.engines.machine_code.kernel import found
from whygrad.nn.functions import Array

# Numbers of a row that are taken at a time, and units: a piece of W that stays in the second-level cache.
DEPTH_BYTES, UNITS = 4096, 120
# Where in the words each of these stands, and how many there are for each layer.
LAYERS, A, ROWS, WORK, Z, WIDEST, FIRST = range(1, 8)
EACH, COPY = 7, 6
# Rows of a tile of a layer with few inputs, and inputs that are few.
TILE, FEW = 8, 128

Call = Callable[[int], int]


def is_narrow(inputs: int, units: int, size: int) -> bool:
    """Return whether vectors run along a layer's units, of numbers of so many bytes: where that is less.

    It follows from the shape alone, for one row as for many.
    """
    lanes = 64 // size
    return inputs <= FEW and inputs * -(-units // lanes) < (-(-inputs // lanes) + 3) * units


def copy_of(W: Array) -> Array:
    """Return W with inputs as rows, these filled up to whole vectors."""
    units, inputs = W.shape
    lanes = 64 // W.itemsize
    copy = np.zeros((inputs, -(-units // lanes) * lanes), W.dtype)
    copy[:, :units] = W.T
    return copy


@cache
def compiled(dtype: str) -> Call | None:
    """Return the function that takes rows through layers, or None where there can be none.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of all numbers.

    Returns
    -------
    callable or None
        It is called with the address of its words. None without llvmlite, on a processor that does not
        multiply and add in one, and where a limit on the process leaves no room for LLVM.
    """
    if spare() < LLVM:
        return None
    try:
        from llvmlite import binding
    except ImportError:
        return None
    features, triple = binding.get_host_cpu_features(), binding.get_process_triple()
    if not (features.get("fma") or triple.startswith(("aarch64", "arm64"))):
        return None
    try:
        wide = bool(features.get("avx512f"))
        entry, _ = found("row_products.layers", dtype, partial(_object_file, dtype, wide))
    except (RuntimeError, OSError):
        return None
    _entries.append(entry)  # whose end would be that of the code
    return entry.function


_entries: list[objects.Entry] = []


def _object_file(dtype: str, wide: bool) -> bytes:
    """Return the code as `objects.load` takes it."""
    from llvmlite import binding

    code = binding.parse_assembly(_Writer(dtype, wide).module())
    return b"whole\n" + bytes(objects.target_machine(of_host=True).emit_object(code))


class _Writer:
    """Writes the code for one type of numbers and one width of vectors."""

    def __init__(self, dtype: str, wide: bool) -> None:
        from llvmlite import ir

        self.ir = ir
        self.size = np.dtype(dtype).itemsize
        self.lanes = (64 if wide else 32) // self.size
        # Rows and units of a tile: for many rows as many sums as leave registers for the operands.
        self.tall, self.flat = ((4, 4) if wide else (4, 2)), (1, min(8, self.lanes))
        self.number = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.number, self.lanes)
        self.index, self.bit = ir.IntType(64), ir.IntType(1)
        self.code = ir.Module("products")

    def module(self) -> str:
        """Return the module, whose function `layers` is to be called."""
        self._layers(self._layer(), self._narrow_layer())
        return str(self.code)

    # ── the words it is written in ──────────────────────────────────────────────────────────────────

    def i(self, value: int) -> Any:
        return self.ir.Constant(self.index, value)

    def each(
        self,
        start: Any,
        stop: Any,
        step: int,
        body: Callable[[Any, list[Any]], list[Any]],
        carried: Any = (),
    ) -> list[Any]:
        """Write a loop: for (k = start; k < stop; k += step) carried = body(k, carried)."""
        b = self.b
        entry, loop, end = b.block, b.append_basic_block(), b.append_basic_block()
        b.cbranch(b.icmp_signed("<", start, stop), loop, end)
        b.position_at_end(loop)
        k, *before = (b.phi(value.type) for value in (start, *carried))
        after = body(k, before)
        following = b.add(k, self.i(step))
        for phi, first, later in zip(
            (k, *before), (start, *carried), (following, *after), strict=True
        ):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, b.block)
        back = b.block
        b.cbranch(b.icmp_signed("<", following, stop), loop, end)
        b.position_at_end(end)
        found = [b.phi(value.type) for value in carried]
        for phi, first, later in zip(found, carried, after, strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, back)
        return found

    def for_each(self, start: Any, stop: Any, step: int, body: Callable[[Any], None]) -> None:
        """Write a loop that carries nothing on."""

        def once(k: Any, carried: list[Any]) -> list[Any]:
            body(k)
            return []

        self.each(start, stop, step, once)

    def whole(self, start: Any, stop: Any, step: int) -> Any:
        """Return where the last whole step from `start` ends."""
        steps = self.b.sdiv(self.b.sub(stop, start), self.i(step))
        return self.b.add(start, self.b.mul(steps, self.i(step)))

    def rectified(self, z: Any, rectify: Any) -> Any:
        """Return max(z, 0) where that is asked for: z · 0 keeps NaN, and makes NaN of an infinite z."""
        zero = self.b.fmul(
            z, self.zero() if z.type == self.vector else self.ir.Constant(z.type, 0.0)
        )
        positive = self.b.select(self.b.fcmp_ordered(">", z, zero), z, zero)
        return self.b.select(rectify, positive, z)

    def lanes_of(self, kind: Any, values: Sequence[int]) -> Any:
        return self.ir.Constant(self.ir.VectorType(kind, len(values)), list(values))

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        suffix = f"v{self.lanes}f{8 * self.size}" + ".p0" * ("masked" in name)
        kind = self.ir.FunctionType(result, [argument.type for argument in arguments])
        function = self.code.globals.get(f"llvm.{name}.{suffix}")
        if function is None:
            function = self.ir.Function(self.code, kind, f"llvm.{name}.{suffix}")
        return self.b.call(function, arguments)

    def at(self, pointer: Any, *offsets: Any) -> Any:
        for offset in offsets:
            pointer = self.b.gep(pointer, [offset])
        return pointer

    def load(self, pointer: Any, mask: Any = None) -> Any:
        pointer = self.b.bitcast(pointer, self.vector.as_pointer())
        if mask is None:
            return self.b.load(pointer, align=self.size)
        align = self.ir.Constant(self.ir.IntType(32), self.size)
        return self.call("masked.load", self.vector, pointer, align, mask, self.zero())

    def store(self, value: Any, pointer: Any, mask: Any) -> None:
        pointer = self.b.bitcast(pointer, self.vector.as_pointer())
        align = self.ir.Constant(self.ir.IntType(32), self.size)
        self.call("masked.store", self.ir.VoidType(), value, pointer, align, mask)

    def spread(self, number: Any) -> Any:
        """Return a vector with the number in every lane."""
        empty = self.ir.Constant(self.ir.VectorType(number.type, self.lanes), self.ir.Undefined)
        one = self.b.insert_element(empty, number, self.i(0))
        zeros = self.lanes_of(self.ir.IntType(32), [0] * self.lanes)
        return self.b.shuffle_vector(one, empty, zeros)

    def zero(self) -> Any:
        return self.ir.Constant(self.vector, [0.0] * self.lanes)

    def first(self, count: Any) -> Any:
        """Return the mask of the first `count` lanes."""
        short = self.ir.IntType(32)
        counts = self.spread(self.b.trunc(count, short))
        return self.b.icmp_signed("<", self.lanes_of(short, range(self.lanes)), counts)

    def sums(self, vectors: list[Any]) -> Any:
        """Return a vector whose first lanes are the sums of the vectors, each taken halves onto halves."""
        block, lanes = self.lanes, range(self.lanes)
        while block > 1:
            low = [lane for lane in lanes if lane % block < block // 2]
            left = [*low, *(self.lanes + lane for lane in low)]
            sides = [
                self.lanes_of(self.ir.IntType(32), [lane + side for lane in left])
                for side in (0, block // 2)
            ]
            vectors = vectors + vectors[-1:] * (len(vectors) % 2)
            vectors = [
                self.b.fadd(*(self.b.shuffle_vector(x, y, side) for side in sides))
                for x, y in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            block //= 2
        return vectors[0]

    # ── what is written ─────────────────────────────────────────────────────────────────────────────

    def _tile(
        self, shape: tuple[int, int], a: Any, W: Any, begin: Any, z: Any, piece: dict[str, Any]
    ) -> None:
        """Write z ← begin + a Wᵀ for so many rows and units, over `count` numbers of their rows."""
        b, (rows, units) = self.b, shape
        a_rows = [self.at(a, b.mul(piece["size"], self.i(r))) for r in range(rows)]
        W_rows = [self.at(W, b.mul(piece["size"], self.i(u))) for u in range(units)]

        def add(k: Any, totals: list[Any], mask: Any = None) -> list[Any]:
            w = [self.load(self.at(row, k), mask) for row in W_rows]
            after = []
            for r, row in enumerate(a_rows):
                x = self.load(self.at(row, k), mask)
                for u in range(units):
                    after.append(self.call("fma", self.vector, x, w[u], totals[r * units + u]))
            return after

        totals, done = [self.zero()] * (rows * units), self.i(0)
        if units > 1:
            totals, done = self.each(done, piece["whole"], self.lanes, add, totals), piece["whole"]
        # The rest of the rows, where there is any.
        totals = self.each(
            done, piece["count"], self.lanes,
            lambda k, before: add(k, before, self.first(b.sub(piece["count"], k))), totals,
        )  # fmt: skip
        mask = self.ir.Constant(
            self.ir.VectorType(self.bit, self.lanes), [lane < units for lane in range(self.lanes)]
        )
        for r in range(rows):
            start = self.load(self.at(begin, b.mul(piece["begin"], self.i(r))), mask)
            value = b.fadd(start, self.sums(totals[r * units : (r + 1) * units]))
            value = self.rectified(value, piece["rectify"])
            self.store(value, self.at(z, b.mul(piece["units"], self.i(r))), mask)

    def _narrow_layer(self) -> Any:
        """Write the function of one layer with few inputs; the copy of W may be missing for few rows."""
        pointer, index = self.number.as_pointer(), self.index
        kind = self.ir.FunctionType(
            self.ir.VoidType(), [pointer] * 4 + [index] * 4 + [pointer, self.bit]
        )
        function = self.ir.Function(self.code, kind, "narrow_layer")
        function.linkage = "internal"
        a, W, bias, z, rows, units, size, rectify, copy, has_copy = function.args
        self.b = b = self.ir.IRBuilder(function.append_basic_block())
        rectify = b.icmp_signed("!=", rectify, self.i(0))
        line = 64 // self.size
        width = self.whole(self.i(0), b.add(units, self.i(line - 1)), line)

        def tile(i: Any, j: Any) -> None:
            mask = self.first(b.sub(units, j))
            start = self.load(self.at(bias, j), mask)
            a_rows = [self.at(a, b.mul(b.add(i, self.i(r)), size)) for r in range(TILE)]

            def add(k: Any, totals: list[Any]) -> list[Any]:
                w = self.load(self.at(copy, b.mul(k, width), j))
                x = [self.spread(b.load(self.at(row, k))) for row in a_rows]
                return [self.call("fma", self.vector, x[r], w, totals[r]) for r in range(TILE)]

            totals = self.each(self.i(0), size, 1, add, [start] * TILE)
            for r, total in enumerate(totals):
                place = self.at(z, b.mul(b.add(i, self.i(r)), units), j)
                self.store(self.rectified(total, rectify), place, mask)

        def alone(i: Any, u: Any, count: int) -> None:
            W_rows = [self.at(W, b.mul(b.add(u, self.i(c)), size)) for c in range(count)]

            def add(k: Any, totals: list[Any]) -> list[Any]:
                x = b.load(self.at(a, b.mul(i, size), k))
                return [b.fma(x, b.load(self.at(W_rows[c], k)), totals[c]) for c in range(count)]

            places = [b.add(u, self.i(c)) for c in range(count)]
            totals = [b.load(self.at(bias, place)) for place in places]
            for place, total in zip(
                places, self.each(self.i(0), size, 1, add, totals), strict=True
            ):
                b.store(self.rectified(total, rectify), self.at(z, b.mul(i, units), place))

        tall = b.select(has_copy, self.whole(self.i(0), rows, TILE), self.i(0))
        self.for_each(
            self.i(0), tall, TILE,
            lambda i: self.for_each(self.i(0), units, self.lanes, lambda j: tile(i, j)),
        )  # fmt: skip

        def row(i: Any) -> None:
            middle = self.whole(self.i(0), units, TILE)
            self.for_each(self.i(0), middle, TILE, lambda u: alone(i, u, TILE))
            self.for_each(middle, units, 1, lambda u: alone(i, u, 1))

        self.for_each(tall, rows, 1, row)
        b.ret_void()
        return function

    def _layer(self) -> Any:
        """Write the function of one layer: (a, W, b, z, rows, units, size, rectify)."""
        pointer, index = self.number.as_pointer(), self.index
        kind = self.ir.FunctionType(self.ir.VoidType(), [pointer] * 4 + [index] * 4)
        function = self.ir.Function(self.code, kind, "layer")
        function.linkage = "internal"
        a, W, bias, z, rows, units, size, rectify = function.args
        self.b = b = self.ir.IRBuilder(function.append_basic_block())
        depth = DEPTH_BYTES // self.size

        def least(x: Any, y: Any) -> Any:
            return b.select(b.icmp_signed("<", x, y), x, y)

        def depth_piece(k: Any) -> None:
            count = least(self.i(depth), b.sub(size, k))
            at_first = b.icmp_signed("==", k, self.i(0))
            at_last = b.icmp_signed(">=", b.add(k, self.i(depth)), size)
            piece = {
                "size": size, "units": units, "count": count,
                "whole": self.whole(self.i(0), count, self.lanes),
                "begin": b.select(at_first, self.i(0), units),
                "rectify": b.and_(at_last, b.icmp_signed("!=", rectify, self.i(0))),
            }  # fmt: skip

            def unit_piece(u: Any) -> None:
                end = least(b.add(u, self.i(UNITS)), units)

                def across(shape: tuple[int, int], i: Any) -> None:
                    a_i = self.at(a, b.mul(i, size), k)
                    middle = self.whole(u, end, shape[1])
                    for start, stop, part in ((u, middle, shape), (middle, end, (shape[0], 1))):

                        def tile(j: Any, part: tuple[int, int] = part) -> None:
                            z_ij = self.at(z, b.mul(i, units), j)
                            begin = b.select(at_first, self.at(bias, j), z_ij)
                            W_j = self.at(W, b.mul(j, size), k)
                            self._tile(part, a_i, W_j, begin, z_ij, piece)

                        self.for_each(start, stop, part[1], tile)

                middle = self.whole(self.i(0), rows, self.tall[0])
                self.for_each(self.i(0), middle, self.tall[0], lambda i: across(self.tall, i))
                self.for_each(middle, rows, 1, lambda i: across(self.flat, i))

            self.for_each(self.i(0), units, UNITS, unit_piece)

        self.for_each(self.i(0), size, depth, depth_piece)
        b.ret_void()
        return function

    def _layers(self, layer: Any, narrow_layer: Any) -> None:
        """Write the function of several layers, which takes the address of its words."""
        pointer = self.number.as_pointer()
        kind = self.ir.FunctionType(self.ir.IntType(32), [self.index.as_pointer()])
        function = self.ir.Function(self.code, kind, objects.SYMBOL)
        (words,) = function.args
        self.b = b = self.ir.IRBuilder(function.append_basic_block())
        count, a, rows, work, z, widest = (
            b.load(self.at(words, self.i(n))) for n in (LAYERS, A, ROWS, WORK, Z, WIDEST)
        )

        def one(l: Any, carried: list[Any]) -> list[Any]:
            a, here, there = carried
            begin = b.add(b.mul(l, self.i(EACH)), self.i(FIRST))
            W, bias, size, units, rectify, narrow, copy = (
                b.load(self.at(words, b.add(begin, self.i(n)))) for n in range(EACH)
            )
            last = b.icmp_signed("==", b.add(l, self.i(1)), count)
            out = b.select(last, z, here)
            places = [b.inttoptr(place, pointer) for place in (a, W, bias, out)]
            given = [*places, rows, units, size, rectify]
            with b.if_else(b.icmp_signed("!=", narrow, self.i(0))) as (yes, no):
                with yes:
                    has_copy = b.icmp_signed("!=", copy, self.i(0))
                    b.call(narrow_layer, [*given, b.inttoptr(copy, pointer), has_copy])
                with no:
                    b.call(layer, given)
            return [out, there, here]

        self.each(self.i(0), count, 1, one, [a, work, b.add(work, b.mul(widest, rows))])
        b.ret(self.ir.Constant(self.ir.IntType(32), 0))
