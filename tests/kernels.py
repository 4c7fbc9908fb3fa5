"""Kernels of the native engine with a door to Python, which in the package only a few of them have."""

from functools import cache

import numpy as np
from llvmlite import binding
from numba import _helperlib, njit

from whygrad.engines.machine_code.exporting import OPTIONS
from whygrad.engines.machine_code.objects import PRODUCT
from whygrad.engines.native import costs, elementwise

# The package defines its product within the code that it exports; what is compiled here takes Numba's own.
binding.add_symbol(PRODUCT, _helperlib.c_helpers["xxgemm"])


@cache
def from_python(kernel):
    """Return a kernel that can be called from here; those it calls are the package's own."""

    def by_type(*arguments):
        return kernel(*arguments)

    return njit(**OPTIONS)(by_type if kernel.kind == "by type" else kernel.py_func)


def tiny_kernel():
    """A kernel that is kept on disk and compiles in a moment: as in a process that has not called it."""
    from whygrad.engines.native.compiling import cached_kernel

    def add_one(x):
        return x + 1

    return cached_kernel(add_one)


def native_costs_and_error(activation, cost, z, a, y):
    codes = elementwise.ACTIVATION_CODES[activation], costs.COST_CODES[cost]
    rows, units = z.shape
    per_row, delta = np.empty(rows), np.empty_like(a)
    arguments = (*codes, z.ravel(), a.ravel(), y.ravel(), rows, units)
    from_python(costs.output_costs)(*arguments, np.empty_like(a).reshape(-1), per_row)
    from_python(costs.output_error)(*arguments, delta.reshape(-1))
    return per_row, delta
