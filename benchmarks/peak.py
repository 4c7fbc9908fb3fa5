"""What the cores can do: multiplications and additions a second, and how long two of them take to meet.

    python benchmarks/peak.py

`peak_rate` counts multiply-adds on vectors that never leave their registers, on all cores at once;
`matrix_rate` is NumPy's product of two large square matrices on all cores. Shares in `steps.py` are of
both. `meeting_time` is what a barrier takes: on a virtual machine the same two cores are neighbours at one
time (110 ns) and far apart at another (200 to 330), and steps that they share are as much slower then.
"""

import os
import threading
import time
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from whygrad.engines.machine_code.exporting import OPTIONS
from whygrad.engines.native.barrier import wait_at_barrier
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


@njit(**OPTIONS)
def _meet(arrivals: np.ndarray, times: int) -> None:
    for i in range(times):
        wait_at_barrier(arrivals, 2, i + 1)


def meeting_time(times: int = 1000) -> float:
    """Return the seconds that two threads take to meet at a barrier, the best of eight runs."""
    if len(os.sched_getaffinity(0)) == 1:
        return float("nan")
    best = float("inf")
    for _ in range(9):  # of which the first compiles
        arrivals = np.zeros(16, np.int64)
        other = threading.Thread(target=_meet, args=(arrivals, times))
        began = time.perf_counter()
        other.start()
        _meet(arrivals, times)
        other.join()
        best = min(best, (time.perf_counter() - began) / times)
    return best


def main() -> None:
    print(f"two cores meet in {meeting_time() * 1e9:.0f} ns")
    for dtype in ("float32", "float64"):
        peak, products = (rate(dtype) / 1e9 for rate in (peak_rate, matrix_rate))
        print(f"{dtype}: peak {peak:.0f} GFLOP/s, matrix products {products:.0f}")


if __name__ == "__main__":
    main()
