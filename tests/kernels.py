"""Kernels of the native engine with a door to Python, which in the package only a few of them have."""

from functools import cache

from numba import njit

from whygrad.engines.native.compiling import OPTIONS


@cache
def from_python(kernel):
    """Give a kernel that can be called from here; those it calls are the package's own."""
    return njit(**OPTIONS)(kernel.py_func)
