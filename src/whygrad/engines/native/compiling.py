"""The decorators of the native engine's functions: one set of options for all, see `machine_code`."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

from whygrad.engines.machine_code.kernel import Kernel
from whygrad.engines.machine_code.parts import INNER, OPTIONS

__all__ = ["ONE", "OPTIONS", "ZERO", "cached_kernel", "inlined_kernel", "kernel", "lanes_kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])

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


def cached_kernel(function: Function) -> Function:
    """As `kernel`, with a door to Python, and keep the machine code on disk for the next process."""
    compiled: Any = Kernel(function.__module__, function.__name__, function)
    result: Function = compiled
    return result
