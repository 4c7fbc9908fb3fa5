"""What the operands of matrix products are rounded to, where a training asks for it: `Plan.products`.

A bfloat16 has the exponents of a float32 and 8 significant bits instead of 24: products of two are exact in
float32, and processors take twice as many at a time. All that enters a product is rounded: x, W, a and δ.
So a bias, the weight of an input that is always 1, learns from the rounded δ as well. Sums, z, f′, costs
and θ itself keep the dtype of the training.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from whygrad.nn.arrays import is_sparse
from whygrad.nn.functions import Array
from whygrad.nn.network import Parameters


def bfloat16(x: Array) -> Array:
    """Round to the nearest bfloat16, of two as near to the even one.

    NaN stays NaN. Numbers below 2⁻¹²⁶, which are subnormal, become 0 of their sign, as the instructions of
    AVX512-BF16 take them.

    Examples
    --------
    >>> bfloat16(np.array([1.001, 1.00390625, 3.0e-39, -np.inf]))
    array([  1.,   1.,   0., -inf])
    """
    single = np.asarray(x, np.float32)
    bits = single.view(np.uint32)
    nearest = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    nearest = np.where(np.isnan(single), bits | np.uint32(0x00400000), nearest)
    subnormal = bits & np.uint32(0x7F800000) == 0
    kept = np.where(subnormal, bits & np.uint32(0x80000000), nearest & np.uint32(0xFFFF0000))
    found: Array = kept.view(np.float32)
    return found.astype(np.asarray(x).dtype)


PRODUCTS: dict[str, Callable[[Array], Array]] = {"bfloat16": bfloat16}


def operand(products: str | None, x: Any) -> Any:
    """Return an operand as it is multiplied: as it is where `products` is None; x may be sparse."""
    if products is None:
        return x
    if is_sparse(x):
        x = x.copy()
        x.data = PRODUCTS[products](x.data)
        return x
    return PRODUCTS[products](x)


def as_multiplied(theta: Parameters, products: str | None) -> Parameters:
    """Return the parameters with their weights as products take them; biases are added as they are."""
    if products is None:
        return theta
    theta = theta.copy()
    for W in theta.W[1:]:
        W[...] = operand(products, W)
    return theta
