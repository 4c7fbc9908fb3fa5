"""The decorators of the native engine's functions, which Numba compiles once it has to (`machine_code`)."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from whygrad.engines.machine_code.deferred import Deferred, types
from whygrad.engines.machine_code.kernel import Kernel

Function = TypeVar("Function", bound=Callable[..., Any])

# For arguments of kernels: to Numba a literal is a type of its own, for which it would compile again.
ZERO: Any = np.int64(0)
ONE: Any = np.int64(1)
NO: Any = np.bool_(False)


def kernel(function: Function) -> Function:
    """Compile a function that other compiled functions call."""
    compiled: Any = Deferred("kernel", function)
    result: Function = compiled
    return result


def lanes_kernel(function: Function) -> Function:
    """As `kernel`, for sums: they run in parallel lanes, in an order that follows from the length alone."""
    compiled: Any = Deferred("lanes", function)
    result: Function = compiled
    return result


def inlined_kernel(function: Function) -> Function:
    """As `kernel`, and merge the function into its callers: what a loop needs to become vectors."""
    compiled: Any = Deferred("inlined", function)
    result: Function = compiled
    return result


def cached_kernel(function: Function) -> Function:
    """As `kernel`, with a door to Python, and keep the machine code on disk for the next process."""
    compiled: Any = Kernel(function.__module__, function.__name__, function)
    result: Function = compiled
    return result


def by_panel(of_numbers: Function, of_pairs: Function) -> Function:
    """Compile one of two functions, by their last argument: memory for numbers, or for pairs."""
    compiled: Any = Deferred("by type", _chosen(of_numbers, of_pairs))
    result: Function = compiled
    return result


def _chosen(of_numbers: Callable[..., Any], of_pairs: Callable[..., Any]) -> Callable[..., Any]:
    def choose(*kinds: Any) -> Callable[..., Any]:
        return of_pairs if isinstance(kinds[-1].dtype, types.Integer) else of_numbers

    return choose
