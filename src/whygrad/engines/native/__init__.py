"""The native engine: whole chunks of steps compiled by Numba, with matrix products of its own.

`engine` is its side of Python, `layout` turns a plan and its data into flat memory, `steps` is the compiled
loop; the others are its kernels. Only `engine` is imported without Numba. The folder imports `nn`, `plan`
and `engines`, and nobody outside imports more of it than `NativeEngine`,
and `missing`: what it needs and does not find here; `engines.pushes` takes `curvature.accounting`.
"""

from whygrad.engines.native.engine import NativeEngine, missing

__all__ = ["NativeEngine", "missing"]
