"""Instructions of AVX512-BF16, on numbers of a type that llvmlite has no name for.

A bfloat16 is the upper half of a float32: its 8 bits of exponent, and 7 of its 23 of fraction. Two of them
side by side are a pair, here in 32 bits: what `vdpbf16ps` multiplies with two others and adds to a float32.
"""

from functools import cache
from typing import Any

from whygrad.engines.machine_code.deferred import cgutils, ir

LANES = 16  # float32, or pairs, in a vector of 512 bits


@cache
def missing() -> str | None:
    """Return None where the processor multiplies pairs, or why not."""
    from llvmlite import binding

    if binding.get_host_cpu_features().get("avx512bf16"):
        return None
    return "products in bfloat16 take a processor with AVX512-BF16, which this one is not"


def halves(builder: Any, values: Any) -> Any:
    """Round float32 to bfloat16 (`vcvtneps2bf16`): to the nearest, ties to even; returns 16 × i16.

    NaN stays NaN, and subnormal numbers become 0, whatever the processor is told of them.
    """
    kind = ir.VectorType(_bfloat(), LANES)
    found = _call(builder, "cvtneps2bf16", kind, values)
    return builder.bitcast(found, ir.VectorType(ir.IntType(16), LANES))


def dot(builder: Any, x: Any, y: Any, total: Any) -> Any:
    """Add the products of both halves of 16 pairs each to 16 float32 (`vdpbf16ps`)."""
    kind = ir.VectorType(_bfloat(), 2 * LANES)
    pairs = (builder.bitcast(pair, kind) for pair in (x, y))
    return _call(builder, "dpbf16ps", total.type, total, *pairs)


@cache
def _bfloat() -> Any:
    class BFloat(ir.Type):  # type: ignore[misc]
        def _to_string(self) -> str:
            return "bfloat"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, BFloat)

        def __hash__(self) -> int:
            return hash(BFloat)

    return BFloat()


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    name = f"llvm.x86.avx512bf16.{name}.512"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
