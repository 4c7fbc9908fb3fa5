"""How the functions of the native engine are compiled: one set of options, and one cache, for all."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numba.core.caching import IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])

# Stated in full, because an option left open is inherited from whichever caller is compiled first.
# "contract" (a * b + c rounded once) is the only freedom given: reassociation would cancel the
# argument reduction of exp, and nothing may assume that numbers are finite.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract"},
    "error_model": "numpy",
    "boundscheck": False,
    # Arrays are the caller's for the whole call: nothing counts references to them.
    "_nrt": False,
    # Nobody calls them through a pointer of C: a door less to compile.
    "no_cfunc_wrapper": True,
}
# A kernel that only other kernels call has no door to Python either: a fifth less time to compile.
INNER: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True}

# For arguments of kernels: to Numba a literal is a type of its own, for which it would compile again.
ZERO: Any = np.int64(0)
ONE: Any = np.int64(1)


def kernel(function: Function) -> Function:
    """Compile a function that other compiled functions call."""
    compiled: Function = njit(**INNER)(function)
    return compiled


def lanes_kernel(function: Function) -> Function:
    """As `kernel`, for sums: they run in parallel lanes, in an order that follows from the length alone."""
    compiled: Function = njit(**{**INNER, "fastmath": {"contract", "reassoc"}})(function)
    return compiled


def inlined_kernel(function: Function) -> Function:
    """As `kernel`, and merge the function into its callers: what a loop needs to become vectors."""
    compiled: Function = njit(forceinline=True, **INNER)(function)
    return compiled


def merged_kernel(function: Function) -> Function:
    """As `kernel`, but written into its caller before that is compiled: it is compiled with it, once.

    Every function is optimised again within each that calls it, which for large ones takes seconds.
    """
    compiled: Function = njit(inline="always", **INNER)(function)
    return compiled


def cached_kernel(function: Function) -> Function:
    """As `kernel`, and keep the machine code on disk for the next process.

    Numba asks whether a function's own file has changed. Its code holds that of the functions it calls
    as well, so we ask for all files of the engine.
    """
    compiled: Any = njit(cache=True, **OPTIONS)(function)
    kept = compiled._cache
    kept._cache_file = IndexDataCacheFile(
        cache_path=kept.cache_path,
        filename_base=kept._impl.filename_base,
        source_stamp=source_stamp(Path(__file__).parent),
    )
    result: Function = compiled
    return result


@cache
def source_stamp(folder: Path) -> str:
    """Give a name for the present state of the Python files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
