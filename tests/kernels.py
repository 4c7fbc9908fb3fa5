"""Kernels of the native engine with a door to Python, which in the package only a few of them have."""

from functools import cache

from numba import njit

from whygrad.engines.native.compiling import OPTIONS


@cache
def from_python(kernel):
    """Return a kernel that can be called from here; those it calls are the package's own."""
    return njit(**OPTIONS)(kernel.py_func)


def tiny_kernel():
    """A kernel that is kept on disk and compiles in a moment: as in a process that has not called it."""
    from whygrad.engines.native.compiling import cached_kernel

    def add_one(x):
        return x + 1

    return cached_kernel(add_one)
