"""What the native engine takes for granted of Numba, LLVM and BLAS, tried once on a few numbers.

Much of it are names that Numba calls its own and may change in any version. So the kinds of kernels that
`compiling` makes, and instructions of the kinds they are written in, are compiled and run before a training
relies on them.
"""

from functools import cache

import numpy as np
from numpy.typing import DTypeLike

from whygrad.engines.machine_code.denormals import flush, restore
from whygrad.engines.native import blas
from whygrad.engines.native.barrier import CLAIM, claim_block, wait_at_barrier
from whygrad.engines.native.compiling import ONE, ZERO, cached_kernel
from whygrad.engines.native.memory import copy, fill, prefetch
from whygrad.engines.native.products.dense import into_units
from whygrad.engines.native.products.microkernels import dots
from whygrad.engines.native.products.pairs import PAIRS
from whygrad.engines.native.updates import sum_of_squares
from whygrad.engines.native.vector_math import exp
from whygrad.nn.functions import Array


@cache
def unavailable(dtype: DTypeLike) -> str | None:
    """Return None, or what is missing or wrong; raises whatever Numba does where it cannot compile."""
    missing = blas.unavailable()
    if missing is not None:
        return missing
    # Three different sizes, and small whole numbers, whose products are exact.
    inputs = np.arange(6, dtype=dtype).reshape(2, 3)
    W = np.arange(12, dtype=dtype).reshape(4, 3)
    delta = np.arange(8, dtype=dtype).reshape(2, 4)
    z, error, dW = np.ones((2, 4), dtype), np.ones((2, 3), dtype), np.ones((4, 3), dtype)
    x, out = np.arange(1, 4, dtype=dtype), np.zeros(8, dtype)
    barrier_count, claims = np.ones(1, np.int64), np.zeros(CLAIM, np.int64)
    found = few_of_all(inputs, W, delta, z, error, dW, x, out, barrier_count, claims)
    if not (
        np.array_equal(z, inputs @ W.T)
        and np.array_equal(error, delta @ W + 1)
        and np.array_equal(dW, 2 * delta.T @ inputs + 3)
    ):
        return "Numba's matrix product gives wrong results here"
    counted = (found, barrier_count[0], claims[0]) == (14 + 1, 2, 1)
    if not (counted and np.array_equal(out, [1, 2, 3, 7, 7, 7, 14, 0])):
        return "code that Numba compiles gives wrong results here"
    return None


@cache
def pairs_unavailable() -> str | None:
    """As `unavailable`, of products in bfloat16, on a processor that has them."""
    a, W_and_b, z = (np.arange(n, dtype=np.float32) for n in (6, 16, 8))
    few_of_pairs(a, W_and_b, z, np.zeros(PAIRS, np.int32))
    W, b = W_and_b[:12].reshape(4, 3), W_and_b[12:]
    right = np.array_equal(z.reshape(2, 4), a.reshape(2, 3) @ W.T + b)
    return None if right else "products in bfloat16 are wrong here"


@cached_kernel
def few_of_pairs(a: Array, W: Array, z: Array, panel: Array) -> None:
    # No literals in the call: to Numba they are types of their own.
    rows, units, size = len(a) // 3, len(z) // 2, 3
    into_units(ZERO, a, ZERO, W, ZERO, units * size, z, ZERO, units, rows, units, size, panel)


@cached_kernel
def few_of_all(
    inputs: Array, W: Array, delta: Array, z: Array, error: Array, dW: Array,
    x: Array, out: Array, barrier_count: Array, claims: Array,
) -> float:  # fmt: skip
    blas.product_into_units(inputs, W, 0.0, z)
    blas.product_into_inputs(delta, W, 1.0, error, W.shape[1])
    blas.product_into_weights(2.0, delta, inputs, 3.0, dW)
    before, n = flush(), len(x)
    prefetch(x, ZERO, n)
    copy(x, ZERO, out, ZERO, n)
    fill(out, n, n, 7.0)
    dots(x, ZERO, x, ZERO, ONE, ONE, n, out, 2 * n, ONE)
    first, again = claim_block(claims, ZERO, ONE), claim_block(claims, ZERO, ONE)
    phase = 1 if first and not again else 2
    wait_at_barrier(barrier_count, ONE + ONE, phase)  # the other one has come already
    restore(before)
    return sum_of_squares(x) + exp(x[0] - x[0])
