"""The native engine: whole chunks of steps compiled by Numba, with BLAS for the matrix products."""

from whygrad.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
