"""How the functions of the native engine are compiled: one set of options for all of them."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

# Stated in full, because an option left open is inherited from whichever caller is compiled first.
# "contract" (a * b + c rounded once) is the only freedom given: reassociation would cancel the
# argument reduction of exp, and nothing may assume that numbers are finite.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract"},
    "error_model": "numpy",
    "boundscheck": False,
}


def kernel(function: Function) -> Function:
    """Compile a function that other compiled functions call."""
    compiled: Function = njit(**OPTIONS)(function)
    return compiled


def inlined_kernel(function: Function) -> Function:
    """As `kernel`, and merge the function into its callers: what a loop needs to become vectors."""
    compiled: Function = njit(forceinline=True, **OPTIONS)(function)
    return compiled


def cached_kernel(function: Function) -> Function:
    """As `kernel`, and keep the machine code on disk for the next process."""
    compiled: Function = njit(cache=True, **OPTIONS)(function)
    return compiled
