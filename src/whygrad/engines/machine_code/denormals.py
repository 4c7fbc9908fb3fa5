"""Numbers too small for a full significand, which some processors handle a hundred times slower.

Averages such as Adam's m shrink by a tenth with every step in which a weight's gradient is 0, until they
are such numbers and stay there. Taken as 0, they change no result that can be told from rounding; on
processors of the x86 family a bit in the thread's control register asks for that.
"""

import platform
from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, intrinsic, ir, types

_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_TO_ZERO = 0x8040  # flush results to zero, take operands as zero


def _control(builder: Any, name: str, address: Any) -> None:
    byte = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte]), f"llvm.x86.sse.{name}"
    )
    builder.call(function, [builder.bitcast(address, byte)])


@intrinsic
def flush(typing_context: Any) -> Any:
    """Flush denormal numbers to 0 in this thread from now on, and return what `restore` needs."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        if not _X86:
            return ir.Constant(word, 0)
        address = cgutils.alloca_once(builder, word)
        _control(builder, "stmxcsr", address)
        before = builder.load(address)
        builder.store(builder.or_(before, ir.Constant(word, _TO_ZERO)), address)
        _control(builder, "ldmxcsr", address)
        return before

    return types.uint32(), lower


@intrinsic
def restore(typing_context: Any, before: Any) -> Any:
    """Handle denormal numbers as before `flush`."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _X86:
            address = cgutils.alloca_once_value(builder, arguments[0])
            _control(builder, "ldmxcsr", address)
        return context.get_dummy_value()

    return types.void(types.uint32), lower
