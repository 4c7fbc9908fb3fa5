"""Rounding or error: a proven bound on what rounding may leave of a sum, and the residual's name.

    fl(Σ products) = Σ product · (1 + θ),   |θ| ≤ γ_k = k u / (1 − k u)

where each product is rounded k times at most, in whatever order they are taken and added, and u is half the
distance from 1 to the next number. Two ways to compute the same sum are therefore no further apart than
2 γ_k Σ |product|, underflow aside. Source: Higham, Accuracy and Stability of Numerical Algorithms (2002),
lemma 3.1.
"""

import math
from typing import Any

import numpy as np

from whygrad.nn.arrays import dense
from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.pairings import together
from whygrad.why import local
from whygrad.why.context import Context

FEW = 16  # roundings beside those of the sums: shares, slopes, masks, penalties, a last difference


def gamma(roundings: int, dtype: Any = np.float64) -> float:
    """Return γ_k, how far k roundings can take a product, as a part of it.

    >>> round(gamma(4) * 1e16, 3)
    4.441
    """
    far = roundings * float(np.finfo(dtype).eps) / 2
    return far / (1 - far) if far < 1 else math.inf


def bound(size: float, roundings: int, dtype: Any = np.float64) -> float:
    """Return how far apart two ways to compute a sum of products can be; `size` is Σ |product|.

    A product that underflows is off by less than the least normal number: one of those is allowed for each
    rounding.
    """
    return 2 * (gamma(roundings, dtype) * size + roundings * float(np.finfo(dtype).tiny))


def remainder(left: float, most: float) -> dict[str, float]:
    """Return the residual by name: "rounding" within the proven bound, else "unexplained".

    >>> remainder(1e-17, 2e-16), remainder(-0.125, 2e-16)
    ({'rounding': 1e-17}, {'unexplained': -0.125})
    """
    return {"rounding" if abs(left) <= most else "unexplained": left}


def error_sizes(context: Context, l: int, j: int) -> Array:
    """Return Σ |product| of the products that δˡⱼ is a sum of, for every example, (n,).

    Of layer 0 it is that of ∂C/∂xⱼ. At the output it counts what is subtracted, a and y or, for softmax,
    what the gradient is compared with.
    """
    net, L = context.net, context.net.L
    if l < L:
        passed: Array = np.abs(context.delta[l + 1]) @ np.abs(context.theta.W[l + 1][:, j])
        return passed if l == 0 else passed * np.abs(local.slopes_of(context, l, j))
    a, y, f = context.trace.a[L], context.y, net.f[L]
    if local.cancels(context):
        return np.abs(a[:, j]) + np.abs(y[:, j])
    if together(f, net.C):  # told as a product that was found to agree with it
        far = local.apart(context.delta[L]) / np.finfo(context.delta[L].dtype).eps
        return np.abs(context.delta[L][:, j]) + far[:, 0]
    if f.custom_vjp is None:
        return np.abs(context.delta[L][:, j])
    g = np.abs(net.C.derivative(a, y))
    if ACTIVATIONS.get(f.name) is f:
        return 2 * a[:, j] * (g[:, j] + (a * g).sum(axis=1))
    return (g * np.abs(f.derivative(context.trace.z[L])[:, :, j])).sum(axis=1)


def error_roundings(context: Context, l: int) -> int:
    """Return how often a product in a mean over the examples of δˡ is rounded, from δˡ⁺¹ on."""
    return context.n + context.net.sizes[min(l + 1, context.net.L)] + FEW


def reach(asked_W: Any, b: Any, x: Array) -> float:
    """Return Σ over all paths of |x W¹ W² … Wᴸ| and of |b| likewise, summed over the outputs of the last W.

    It bounds what slopes of at most 1 let through.
    """
    arriving = np.abs(dense(x))
    for W, bias in zip(asked_W, b, strict=True):
        arriving = np.abs(W) @ arriving + np.abs(bias)
    return float(arriving.sum())
