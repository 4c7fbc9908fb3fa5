"""Threads in step: several of them work on one batch, and meet where one needs what the others made.

How the work is divided follows from shapes alone, so that the bits of a training do not depend on how many
threads there are, nor on which of them does what. They meet by counting arrivals, which takes well below a
microsecond where all of them run; a thread that has waited a while hands its core to whoever else wants it.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from whygrad.engines.native.compiling import kernel
from whygrad.engines.native.vectors import data
from whygrad.nn.functions import Array

_PATIENCE = 4000  # looks at the counter before the core is offered to others
_YIELDS = sys.platform != "win32"


@kernel
def wait_at_barrier(barrier_count: Array, parts: int, meeting: int) -> None:
    """Wait until all parts have come to this meeting; meetings are numbered from 1."""
    if parts == 1:
        return
    _add_one(barrier_count)
    looks = 0
    while _arrived(barrier_count) < meeting * parts:
        looks += 1
        if looks > _PATIENCE:
            _hand_over()


@kernel
def claim_block(claims: Array) -> int:
    """Return the number of the next piece of work that nobody has claimed, from 0 on.

    For work that needs nothing of its thread's cache: who comes late takes less. Somebody sets the count
    back to 0 where nobody claims.
    """
    return _add_one(claims)


@kernel
def begin(size: int, parts: int, part: int) -> int:
    """Return where a part of `size` things begins, if they are dealt out as evenly as whole ones can be."""
    return size * part // parts


@intrinsic
def _add_one(typing_context: Any, counts: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = data(context, builder, signature.args[0], arguments[0])
        one = ir.Constant(context.get_value_type(types.int64), 1)
        return builder.atomic_rmw("add", counter, one, "acq_rel")

    return types.int64(counts), lower


@intrinsic
def _arrived(typing_context: Any, barrier_count: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter = data(context, builder, signature.args[0], arguments[0])
        return builder.load_atomic(counter, "acquire", 8)

    return types.int64(barrier_count), lower


@intrinsic
def _hand_over(typing_context: Any) -> Any:
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _YIELDS:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), lower
