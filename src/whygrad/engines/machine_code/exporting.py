"""A function that Numba compiles becomes an object file whose one door is a function of C.

    int32 whygrad_entry(int64 *words)

It reads the arguments from the words (see `kernel`), calls the function, and writes its result over the
first word. What Numba puts around functions for Python is left out: no references are counted, no object of
Python's is touched, and an exception, which kernels do not raise, ends in a status. So the code calls only
the C library and BLAS, and loads into a process without Numba.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import njit, typeof, types
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.extending import typeof_impl
from numba.np.arrayobj import populate_array

from whygrad.engines.machine_code.deferred import Deferred
from whygrad.engines.machine_code.objects import PRODUCT, PRODUCTS, SYMBOL
from whygrad.engines.machine_code.parts import INNER, OPTIONS

__all__ = ["OPTIONS", "export"]

_WORD, _STATUS = ir.IntType(64), ir.IntType(32)
# What Numba, and Python, define for code that runs beside them.
_FOREIGN = ("numba_", "NRT_", "Py", "_Py", "_ZN")


def export(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    """Return an object file of a function for arguments of this kind, a line that describes it before."""
    with global_compiler_lock, _seldom_collecting():
        kinds = tuple(typeof(argument) for argument in arguments)
        dispatcher = njit(**INNER)(function)
        dispatcher.compile(kinds)
        compiled = dispatcher.overloads[kinds]
        context, result = compiled.target_context, compiled.signature.return_type
        codegen = context.codegen()
        library = _Exported(codegen, SYMBOL)
        module = library.create_ir_module(SYMBOL)
        _define_entry(context, module, compiled, kinds, result)
        _define_product(module)
        library.add_ir_module(module)
        library.add_linking_library(compiled.library)
        library.finalize()
        final = library._final_module
        if library._dynamic_globals:
            raise ValueError("there are addresses in it, which are others in another process")
        called = [
            f.name for f in final.functions if f.is_declaration and not f.name.startswith("llvm.")
        ]
        foreign = [name for name in called if name.startswith(_FOREIGN)]
        if foreign:
            raise ValueError(f"it calls {foreign[0]}, which only Numba defines")
        kind = "real" if isinstance(result, types.Float) else "whole"
        about = " ".join([kind, *called]).encode("ascii")
        return about + b"\n" + bytes(codegen._tm.emit_object(final))


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Look for garbage a hundred times less often: a compiler makes much that stays to its end."""
    before = gc.get_threshold()
    gc.set_threshold(70_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Exported(JITCodeLibrary):  # type: ignore[misc]
    """Code that is optimised as a whole and given away as an object file: this process loads that."""

    def _optimize_final_module(self) -> None:
        self._final_module.get_function(PRODUCT).linkage = "internal"
        super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@typeof_impl.register(Deferred)  # type: ignore[untyped-decorator]
def _type_of_deferred(value: Deferred, context: Any) -> Any:
    """Return the type of what a compiled function refers to: that of what Numba makes of it."""
    return cpu_target.typing_context.resolve_value_type(value.real)


def _define_entry(
    context: Any, module: Any, compiled: Any, kinds: tuple[Any, ...], result: Any
) -> None:
    entry = ir.Function(module, ir.FunctionType(_STATUS, [_WORD.as_pointer()]), SYMBOL)
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    words = _words(builder, entry.args[0])
    first = next(words)
    values = [_value(context, builder, kind, words) for kind in kinds]
    callee = context.declare_function(module, compiled.fndesc)
    status, found = context.call_conv.call_function(builder, callee, result, kinds, values)
    if isinstance(result, types.Float):
        wide = builder.fpext(found, ir.DoubleType()) if result.bitwidth < 64 else found
        found = builder.bitcast(wide, _WORD)
    elif isinstance(result, types.Integer | types.Boolean):
        found = builder.sext(found, _WORD) if found.type.width < 64 else found
    else:
        found = ir.Constant(_WORD, 0)
    builder.store(found, first)
    builder.ret(builder.zext(status.is_error, _STATUS))


def _words(builder: Any, start: Any) -> Iterator[Any]:
    """Return the addresses of the words, one after the other."""
    at = 0
    while True:
        yield builder.gep(start, [ir.Constant(_STATUS, at)])
        at += 1


def _value(context: Any, builder: Any, kind: Any, words: Iterator[Any]) -> Any:
    """Read an argument from the words, as `kernel.flatten` has written it."""
    if isinstance(kind, types.BaseTuple):
        return context.make_tuple(
            builder, kind, [_value(context, builder, part, words) for part in kind]
        )
    word = builder.load(next(words))
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder)
        number = context.get_data_type(kind.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(number))
        shape = [builder.load(next(words)) for _ in range(kind.ndim)]
        strides = [size]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        data = builder.inttoptr(word, number.as_pointer())
        populate_array(array, data, shape, strides, size, meminfo=None)
        return array._getvalue()
    if isinstance(kind, types.Float):
        return builder.bitcast(word, ir.DoubleType())
    if isinstance(kind, types.Boolean):
        return builder.trunc(word, ir.IntType(1))
    return word


def _define_product(module: Any) -> None:
    """Define the matrix product by those of BLAS, which take every argument by its address.

    int32 whygrad_xxgemm(kind, transpose A, transpose B, m, n, k, &alpha, A, lda, B, ldb, &beta, C, ldc)
    """
    byte, whole = ir.IntType(8), _STATUS
    pointer, nothing = byte.as_pointer(), ir.VoidType()
    kinds = [
        byte,
        byte,
        byte,
        _WORD,
        _WORD,
        _WORD,
        pointer,
        pointer,
        _WORD,
        pointer,
        _WORD,
        pointer,
    ]
    kinds += [pointer, _WORD]
    product = ir.Function(module, ir.FunctionType(whole, kinds), PRODUCT)
    builder = ir.IRBuilder(product.append_basic_block("entry"))
    letter, *rest = product.args
    addresses = []
    for value in rest:
        if value.type == pointer:
            addresses.append(value)
            continue
        value = builder.trunc(value, whole) if value.type == _WORD else value
        addresses.append(builder.bitcast(cgutils.alloca_once_value(builder, value), pointer))
    blas = ir.FunctionType(nothing, [pointer] * len(addresses))
    single, double = (ir.Function(module, blas, name) for name in PRODUCTS)
    is_single = builder.icmp_unsigned("==", letter, ir.Constant(byte, ord("s")))
    with builder.if_else(is_single) as (then, otherwise):
        with then:
            builder.call(single, addresses)
        with otherwise:
            builder.call(double, addresses)
    builder.ret(ir.Constant(whole, 0))
