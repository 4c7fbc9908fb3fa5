"""The flow of the error: which neuron passes how much of its δ on to which, and what that changes.

    share(k ← j) = Wˡ⁺¹ⱼₖ δˡ⁺¹ⱼ f′(zˡₖ),  so that  Σ_j share(k ← j) = δˡₖ
    tweak of Wˡⱼₖ = aˡ⁻¹ₖ δˡⱼ

Of several examples all are weighted means, of products and not products of means. The error of an input
is ∂C/∂x. δ and a are those of the pass that training makes; BP2 and BP4 are taken apart, not replaced.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.nn import Activation, Array, dense
from whygrad.why.context import Context
from whygrad.why.passing import mask_of, slope

SATURATED = 0.01  # of the steepest slope: less than this and next to nothing gets through


@dataclass(frozen=True, eq=False)
class Flow:
    """Means over the examples asked about, by layer.

    Of a unit, (n_l,), l = 0 … L: `error` δ, `size` |δ|, `activity` |a|, and `silent` and `saturated`, the
    part of the examples in which it is so. Of a connection, (n_l, n_{l-1}), index 0 is None: `shares`
    (k ← j) at [j, k], `share_sizes`, their absolute values, and `tweaks`.
    """

    context: Context

    @cached_property
    def _s(self) -> Array:
        return self.context.s / self.context.S

    @cached_property
    def slopes(self) -> tuple[Any, ...]:
        """f′(z) of the hidden layers, masks included, (n, n_l)."""
        context = self.context
        net, z, masks = context.net, context.trace.z, context.trace.masks
        hidden = [slope(net.f[l], z[l], mask_of(masks, l)) for l in range(1, net.L)]
        return (None, *hidden, None)

    @cached_property
    def _a(self) -> tuple[Array, ...]:
        a = self.context.trace.a
        return (dense(a[0]), *a[1:])

    @cached_property
    def delta(self) -> tuple[Array, ...]:
        """δ of every example, (n, n_l); of layer 0 it is ∂C/∂x."""
        delta, W = self.context.delta, self.context.theta.W
        return (delta[1] @ W[1], *delta[1:])

    @cached_property
    def error(self) -> tuple[Array, ...]:
        """The mean δ of every unit."""
        return tuple(self._s @ d for d in self.delta)

    @cached_property
    def size(self) -> tuple[Array, ...]:
        """The mean |δ| of every unit."""
        return tuple(self._s @ abs(d) for d in self.delta)

    @cached_property
    def activity(self) -> tuple[Array, ...]:
        """The mean |a| of every unit."""
        return tuple(self._s @ abs(a) for a in self._a)

    @cached_property
    def shares(self) -> tuple[Any, ...]:
        """The mean share(k ← j), at [j, k]."""
        return self._over_connections(signed=True)

    @cached_property
    def share_sizes(self) -> tuple[Any, ...]:
        """The mean |share(k ← j)|, at [j, k]."""
        return self._over_connections(signed=False)

    @cached_property
    def tweaks(self) -> tuple[Any, ...]:
        """The mean aₖ δⱼ of every connection, at [j, k]."""
        delta, a, s = self.context.delta, self._a, self._s
        layers = range(1, self.context.net.L + 1)
        return (None, *((delta[l] * s[:, None]).T @ a[l - 1] for l in layers))

    @cached_property
    def silent(self) -> tuple[Array, ...]:
        """The part of the examples in which a is 0."""
        return tuple((a == 0).mean(axis=0) for a in self._a)

    @cached_property
    def saturated(self) -> tuple[Any, ...]:
        """The part of the examples in which next to no change of z reaches a."""
        context = self.context
        net, z = context.net, context.trace.z
        parts: list[Any] = [None]
        for l in range(1, net.L + 1):
            f = net.f[l]
            flat = (
                abs(f.derivative(z[l])) < SATURATED * steepest(f) if f.custom_vjp is None else None
            )
            parts.append(np.zeros(net.sizes[l]) if flat is None else flat.mean(axis=0))
        return tuple(parts)

    def of_unit(self, l: int, k: int) -> Array:
        """Return the shares that make up δ of unit k of layer l < L, one per unit above, (n_{l+1},)."""
        delta, W = self.context.delta, self.context.theta.W
        factor = self._s if l == 0 else self._s * self.slopes[l][:, k]
        return W[l + 1][:, k] * (factor @ delta[l + 1])

    def to_unit(self, l: int, j: int) -> Array:
        """Return the shares that unit j of layer l ≥ 1 passes on, one per unit below, (n_{l-1},)."""
        delta, W = self.context.delta[l][:, j], self.context.theta.W[l][j]
        s = self._s * delta
        return W * (s.sum() if l == 1 else s @ self.slopes[l - 1])

    def _over_connections(self, signed: bool) -> tuple[Any, ...]:
        context, parts = self.context, [None]
        for l in range(1, context.net.L + 1):
            W, d, slopes = context.theta.W[l], context.delta[l], self.slopes[l - 1]
            if not signed:
                W, d, slopes = abs(W), abs(d), None if slopes is None else abs(slopes)
            d = d * self._s[:, None]
            parts.append(W * (d.sum(axis=0)[:, None] if slopes is None else d.T @ slopes))
        return tuple(parts)


def steepest(f: Activation) -> float:
    """Return the steepest slope of an activation function within ±10, at most 1.

    >>> from whygrad.nn.functions import ACTIVATIONS
    >>> steepest(ACTIVATIONS["sigmoid"])
    0.25
    """
    z = np.linspace(-10, 10, 401)[:, None]
    return min(1.0, float(np.abs(f.derivative(z)).max()))
