"""The cores' own peak, which shares in `steps.py` are of: multiplications and additions a second.

    python benchmarks/peak.py

`peak_rate` counts multiply-adds on vectors that never leave their registers, on all cores at once;
`matrix_rate` is NumPy's product of two large square matrices on all cores.
"""

import os
import threading
import time
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from whygrad.engines.native.vectors import VECTOR_BYTES, Vectors

# As many sums as hide how long a multiply-add takes, and leave registers for its operands.
SUMS = 12


@intrinsic
def _multiply_adds(typing_context: Any, times: Any, x: Any) -> Any:
    """Run `times` rounds of SUMS vector multiply-adds, and return a number that depends on all of them."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        times, x = arguments
        vectors = Vectors(context, builder, signature.args[1])
        factor = vectors.spread(x)
        sums = [cgutils.alloca_once_value(builder, factor) for _ in range(SUMS)]
        with cgutils.for_range(builder, times, intp=vectors.index):
            for total in sums:
                builder.store(vectors.multiply_add(factor, builder.load(total), factor), total)
        result = vectors.sum(builder.load(sums[0]))
        for total in sums[1:]:
            result = builder.fadd(result, vectors.sum(builder.load(total)))
        return result

    return x(types.intp, x), lower


@njit(nogil=True)
def _rounds(times: int, x: Any) -> Any:
    return _multiply_adds(times, x)


def peak_rate(dtype: str, seconds: float = 1.0) -> float:
    """Return the rate of multiply-adds in registers on all cores, the best of several runs."""
    x, cores, times = np.dtype(dtype).type(0.5), len(os.sched_getaffinity(0)), 1_000_000
    lanes = VECTOR_BYTES // x.itemsize
    _rounds(1, x)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        threads = [threading.Thread(target=_rounds, args=(times, x)) for _ in range(cores)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = max(best, 2 * cores * times * SUMS * lanes / (time.perf_counter() - began))
    return best


def matrix_rate(dtype: str = "float32", seconds: float = 1.0) -> float:
    """Return the rate of NumPy's matrix products, the best of several runs."""
    a = np.random.default_rng(0).random((2048, 2048)).astype(dtype)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - began))
    return best


def main() -> None:
    for dtype in ("float32", "float64"):
        peak, products = (rate(dtype) / 1e9 for rate in (peak_rate, matrix_rate))
        print(f"{dtype}: peak {peak:.0f} GFLOP/s, matrix products {products:.0f}")


if __name__ == "__main__":
    main()
