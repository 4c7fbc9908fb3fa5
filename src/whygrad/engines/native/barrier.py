"""Threads that work on one batch: a barrier where one needs what the others made, and dynamic scheduling.

How the work is divided follows from shapes alone, so the bits of a training do not depend on the number of
threads, nor on which of them does what. The barrier counts arrivals, which takes well below a microsecond
while all threads run. One that has waited a while yields its core.
"""

import sys
from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types
from whygrad.engines.native.compiling import ZERO, kernel
from whygrad.engines.native.vectors import data
from whygrad.nn.functions import Array

_SPINS = 4000  # reads of the counter before the core is yielded
_YIELDS = sys.platform != "win32"
CLAIM = 8  # numbers of a block's line in `claims`


@kernel
def wait_at_barrier(barrier_count: Array, parts: int, phase: int) -> None:
    """Wait until all parts have arrived at this barrier; phases are numbered from 1."""
    if parts == 1:
        return
    _add_one(barrier_count)
    spins = 0
    while _number_at(barrier_count, ZERO) < phase * parts:
        spins += 1
        if spins > _SPINS:
            _yield_core()


@kernel
def claim_block(claims: Array, block: int, turn: int) -> bool:
    """Claim a block for this thread, and return whether no other one has: dynamic scheduling.

    Turns are numbered from 1. Threads that ask for the blocks which they had the last time first find in
    their caches what they left there; a late one loses some.
    """
    place = block * CLAIM
    return _number_at(claims, place) < turn and _exchange(claims, place, turn) < turn


@kernel
def begin(size: int, parts: int, part: int) -> int:
    """Return where a part of `size` things begins, divided as evenly as possible."""
    return size * part // parts


@intrinsic
def _add_one(typing_context: Any, counts: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = data(context, builder, signature.args[0], arguments[0])
        one = ir.Constant(context.get_value_type(types.int64), 1)
        return builder.atomic_rmw("add", counter, one, "acq_rel")

    return types.int64(counts), lower


@intrinsic
def _number_at(typing_context: Any, counts: Any, place: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = data(context, builder, signature.args[0], arguments[0])
        return builder.load_atomic(builder.gep(counter, [arguments[1]]), "acquire", 8)

    return types.int64(counts, types.intp), lower


@intrinsic
def _exchange(typing_context: Any, counts: Any, place: Any, number: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = data(context, builder, signature.args[0], arguments[0])
        return builder.atomic_rmw(
            "xchg", builder.gep(counter, [arguments[1]]), arguments[2], "acq_rel"
        )

    return types.int64(counts, types.intp, types.int64), lower


@intrinsic
def _yield_core(typing_context: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _YIELDS:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), lower
