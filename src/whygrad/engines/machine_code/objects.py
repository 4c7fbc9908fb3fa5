"""An object file becomes an address in this process, by llvmlite alone: no compiler is imported.

What the code calls and does not define is bound here by name: the matrix products of SciPy's BLAS, whose
addresses SciPy publishes, and the C library. LLVM would end the process where a name is not known, so each
is looked up first.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from whygrad.address_space import load_blas

SYMBOL = "whygrad_entry"  # what the exported function is called in its object file
PRODUCT = "whygrad_xxgemm"  # by which kernels call BLAS, for both kinds of numbers
PRODUCTS = {"whygrad_sgemm": "sgemm", "whygrad_dgemm": "dgemm"}  # their names in SciPy

_FORMATS = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\x64\x86")  # Linux, macOS, Windows


@dataclass(frozen=True, eq=False)
class Entry:
    """Code that can be called: int32 (int64 *words). It writes its result, a float or not, to words[0]."""

    function: Callable[[int], int]
    is_real: bool
    owner: Any  # the memory that the code lies in


def load(code: bytes) -> Entry:
    """Return what an object file made by `exporting.export` can be called by.

    Raises `ValueError` where it is none, or needs what is not here.
    """
    about, _, content = code.partition(b"\n")
    kind, *needed = about.decode("ascii").split(" ")
    # LLVM ends the process where a file is of another kind, or defines no such name.
    if kind not in ("whole", "real") or not content.startswith(_FORMATS):
        raise ValueError("it is no object file")
    if SYMBOL.encode() not in content:
        raise ValueError(f"it defines no {SYMBOL}")
    import llvmlite.binding as llvm

    # The engine first, which makes the names of the C library known.
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    if set(needed) & set(PRODUCTS):
        bind_products()
    for name in needed:
        if not llvm.address_of_symbol(name):
            raise ValueError(f"it calls {name}, which is not here")
    engine.add_object_file(llvm.ObjectFileRef.from_data(content))
    engine.finalize_object()
    address = engine.get_function_address(SYMBOL)
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(address)
    return Entry(function, kind == "real", engine)


def target_machine(of_host: bool = False) -> Any:
    """Return LLVM's description of processors of this kind, or of the very one that is here."""
    import llvmlite.binding as llvm

    _initialise()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    if not of_host:
        return target.create_target_machine(jit=True)
    _, name, features = processor()
    return target.create_target_machine(cpu=name, features=features, opt=2, jit=True)


@cache
def _initialise() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def processor() -> tuple[str, str, str]:
    """Return what kind of processor code is made for here."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features


@cache
def bind_products() -> None:
    """Register the matrix products of SciPy's BLAS by name."""
    import llvmlite.binding as llvm

    for symbol, name in PRODUCTS.items():
        llvm.add_symbol(symbol, address_of_product(name))


def address_of_product(name: str) -> int:
    """Return where SciPy has a function of BLAS."""
    capsule = load_blas().__pyx_capi__[name]
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address: int = pointer_of(capsule, name_of(capsule))
    return address
