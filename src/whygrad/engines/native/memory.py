"""Copies and prefetches in native code: shuffled examples lie far apart, and waiting for memory is slow.

A batch of 10 MNIST images is 31 KB from ten places. Fetched when they are needed, they take as long as
all of the arithmetic of a small network; asked for one step ahead, they arrive meanwhile.
"""

from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import kernel
from whygrad.engines.native.vectors import Vectors
from whygrad.nn.functions import Array

LINE = 64  # bytes that memory delivers at a time


def read_only(array: Array) -> Array:
    """Return a view that cannot be written through, a type of its own to Numba: data are of this one."""
    view = array.view()
    view.flags.writeable = False
    return view


@kernel
def copy(source: Array, source_start: int, target: Array, target_start: int, size: int) -> None:
    """target[target_start :] ← `size` numbers of source from source_start on, counted row by row."""
    _copy(source, source_start, target, target_start, size)


@kernel
def stream(source: Array, source_start: int, target: Array, target_start: int, size: int) -> None:
    """Copy as `copy` does, past the cache: what is read much later pushes nothing out of it.

    The target begins with a line there.
    """
    _stream(source, source_start, target, target_start, size)


@kernel
def fill(target: Array, start: int, size: int, value: Any) -> None:
    """target[start : start + size] ← value, for a flat target; slices take Numba far longer to compile."""
    number, part = type(target[0])(value), vector(target, start, size)
    for i in range(size):
        part[i] = number


@kernel
def prefetch(source: Array, start: int, size: int) -> None:
    """Ask for `size` numbers of source from `start` on, counted row by row, without waiting for them."""
    for k in range(start, start + size, LINE // source.itemsize):
        _prefetch(source, k)
    _prefetch(source, start + size - 1)  # a row seldom begins with a line


def _address(context: Any, builder: Any, kind: Any, array: Any, start: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [start])


@intrinsic
def _copy(
    typing_context: Any, source: Any, source_start: Any, target: Any, target_start: Any, size: Any
) -> Any:
    return _copying(source, target, past_cache=False)


@intrinsic
def _stream(
    typing_context: Any, source: Any, source_start: Any, target: Any, target_start: Any, size: Any
) -> Any:
    return _copying(source, target, past_cache=True)


def _copying(source: Any, target: Any, past_cache: bool) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, source_start, target, target_start, size = arguments
        vectors = Vectors(context, builder, signature.args[0].dtype)
        source, target = (
            _address(context, builder, signature.args[n], array, start)
            for n, array, start in ((0, source, source_start), (2, target, target_start))
        )

        def move(place: Any, lanes: int) -> None:
            kind = ir.VectorType(vectors.number, lanes).as_pointer()
            from_, to = (
                builder.bitcast(builder.gep(address, [place]), kind) for address in (source, target)
            )
            whole = past_cache and lanes == vectors.lanes
            stored = builder.store(
                builder.load(from_, align=vectors.size),
                to,
                align=(lanes if whole else 1) * vectors.size,
            )
            if whole:
                one = ir.Constant(ir.IntType(32), 1)
                stored.set_metadata("nontemporal", builder.module.add_metadata([one]))

        # Most rows are of a few numbers, for which a function of the C library takes longer.
        none, lanes = ir.Constant(vectors.index, 0), vectors.lanes
        step = ir.Constant(vectors.index, lanes)
        rest = builder.srem(size, step)
        place = builder.sub(size, rest)
        with cgutils.for_range_slice(builder, none, place, step, vectors.index) as (k, _):
            move(k, lanes)
        while lanes > 1:
            lanes //= 2
            some = builder.and_(rest, ir.Constant(vectors.index, lanes))
            with builder.if_then(builder.icmp_signed("!=", some, none)):
                move(place, lanes)
            place = builder.add(place, some)
        if past_cache:  # such stores wait for nobody: others may read what they wrote
            builder.fence("seq_cst")
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, target, index, index), lower


@intrinsic
def _prefetch(typing_context: Any, source: Any, start: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer]),
            "llvm.prefetch.p0",
        )
        to_read, into_second_cache, data = (ir.Constant(integer, n) for n in (0, 2, 1))
        builder.call(function, [builder.bitcast(address, byte), to_read, into_second_cache, data])
        return context.get_dummy_value()

    return types.void(source, types.intp), lower
