"""A perturbation of one weight, bias or input: its exact effect, and its effect to first order.

    weight, bias   zˡⱼ ← zˡⱼ + Δw aˡ⁻¹ₖ, or + Δw        input   z¹ ← z¹ + Δx W¹ₖ

In its layer a weight moves one unit only, so that no more than a column is computed again there; above it
the network runs as ever. First order pushes Δz through the slopes instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.answers.names import Ref
from whygrad.nn import Activation, Array, Trace, dense, example_costs
from whygrad.why.context import Context
from whygrad.why.passing import activate, forward_from, jvp, mask_of

# Numbers of a layer that are computed together: what a curve of many steps sets up stays small.
BLOCK = 2**21
KINK = 1e-3  # of the slope, from one side of 0 to the other: more is a kink


@dataclass(frozen=True, eq=False)
class Perturbation:
    """A weight or bias (`ref`), or an input (its layer is 0), to be moved by any step."""

    context: Context
    ref: Ref

    @property
    def lowest(self) -> int:
        """The first layer whose weighted inputs move."""
        return max(1, self.ref.layer)

    @cached_property
    def sender(self) -> Array:
        """∂zˡⱼ/∂w of every example, (n,); 1 of a bias and of an input."""
        context, at = self.context, self.ref
        if at.layer == 0 or at.from_ == "bias":
            return np.ones(context.n, context.theta.flat.dtype)
        return dense(context.trace.a[at.layer - 1][:, [at.from_]])[:, 0]

    @cached_property
    def value(self) -> float:
        """The weight or bias as it is."""
        theta, at = self.context.stored, self.ref
        b = at.from_ == "bias"
        return float(theta.b[at.layer][at.to] if b else theta.W[at.layer][at.to, at.from_])

    def exact_perturbation(self, steps: Array) -> tuple[list[Any], list[Any]]:
        """Return z and a after each of m steps, rows step by step, (m·n, n_l); None where nothing moved.

        Of the layer of the weight itself z and a are those of its unit alone, (m·n, 1), below the output.
        """
        context, l, j = self.context, self.ref.layer, self.ref.to
        net, theta, trace, m = context.net, context.theta, context.trace, len(steps)
        masks = self._masks(m)
        if l == 0:
            z = trace.z[1] + steps[:, None, None] * theta.W[1][:, j]
            return forward_from(net, theta, 1, z.reshape(-1, net.sizes[1]), masks)
        unit = trace.z[l][:, j] + steps[:, None] * self.sender
        if l == net.L:
            z = np.repeat(trace.z[l][None], m, axis=0)
            z[:, :, j] = unit
            return forward_from(net, theta, l, z.reshape(-1, net.sizes[l]), masks)
        mask = mask_of(masks, l)
        column = unit.reshape(-1, 1)
        a = activate(net.f[l], column, None if mask is None else mask[:, [j]])
        change = a.reshape(m, -1) - trace.a[l][:, j]
        z = trace.z[l + 1] + change[:, :, None] * theta.W[l + 1][:, j]
        zs, activations = forward_from(net, theta, l + 1, z.reshape(-1, net.sizes[l + 1]), masks)
        zs[l], activations[l] = column, a
        return zs, activations

    def first_order(self, step: float) -> tuple[list[Any], list[Any]]:
        """Return Δz and Δa as the slopes say, shapes as `exact_perturbation` gives them."""
        context, l, j = self.context, self.ref.layer, self.ref.to
        net, W, z, masks = context.net, context.theta.W, context.trace.z, context.trace.masks
        dz: list[Any] = [None] * (net.L + 1)
        da: list[Any] = [None] * (net.L + 1)
        first = self.lowest
        if l == 0:
            dz[1] = np.repeat(step * W[1][None, :, j], context.n, axis=0)
        elif l == net.L:
            dz[l] = np.zeros_like(z[l])
            dz[l][:, j] = step * self.sender
        else:
            mask = mask_of(masks, l)
            mask = None if mask is None else mask[:, [j]]
            dz[l] = step * self.sender[:, None]
            da[l] = jvp(net.f[l], z[l][:, [j]], dz[l], mask)
            dz[l + 1] = da[l] * W[l + 1][:, j]
            first = l + 1
        for m in range(first, net.L + 1):
            if m > first:
                dz[m] = da[m - 1] @ W[m].T
            da[m] = jvp(net.f[m], z[m], dz[m], mask_of(masks, m))
        return dz, da

    def before(self, l: int) -> tuple[Array, Array]:
        """Return z and a of a layer as they were, shapes as `exact_perturbation` gives them."""
        z, a = self.context.trace.z[l], self.context.trace.a[l]
        if l == self.ref.layer < self.context.net.L:
            return z[:, [self.ref.to]], a[:, [self.ref.to]]
        return z, a

    def units(self, l: int) -> list[int]:
        """Return the units of a layer that the columns of `exact_perturbation` stand for."""
        alone = l == self.ref.layer < self.context.net.L
        return [self.ref.to] if alone else list(range(self.context.net.sizes[l]))

    def penalty(self, steps: Array) -> Array:
        """Return the change of the penalties by each step, (m,)."""
        context, at = self.context, self.ref
        if at.layer == 0 or at.from_ == "bias":
            return np.zeros(len(steps))
        w, moved = self.value, self.value + steps
        return context.l1 * (abs(moved) - abs(w)) + context.l2 / 2 * (moved - w) * (moved + w)

    @property
    def penalty_slope(self) -> float:
        """λ₁ sign w + λ₂ w, 0 for a bias and for an input."""
        context, at = self.context, self.ref
        if at.layer == 0 or at.from_ == "bias":
            return 0.0
        return float(context.l1 * np.sign(self.value) + context.l2 * self.value)

    def costs(self, steps: Array) -> Array:
        """Return by how much the cost changes with each step, (m,), penalties included."""
        context, net = self.context, self.context.net
        widest = max(net.sizes[self.lowest :])
        together = max(1, BLOCK // (context.n * widest))
        changes = []
        for start in range(0, len(steps), together):
            some = steps[start : start + together]
            z, a = self.exact_perturbation(some)
            changes.append(self.cost_changes(z, a, len(some)) @ (context.s / context.S))
        return np.concatenate(changes) + self.penalty(steps)

    def cost_changes(self, z: Sequence[Any], a: Sequence[Any], m: int = 1) -> Array:
        """Return the change of every example's cost, (m, n), without penalties."""
        y = np.tile(self.context.y, (m, 1))
        C_x = example_costs(self.context.net, Trace((z[-1],), (a[-1],)), y)
        return C_x.reshape(m, -1) - self.context.costs

    def _masks(self, m: int) -> Any:
        masks = self.context.trace.masks
        if masks is None or m == 1:
            return masks
        return [None if mask is None else np.tile(mask, (m, 1)) for mask in masks]


def kinked(f: Activation) -> bool:
    """Return whether the slope of an activation function jumps at 0.

    >>> from whygrad.nn.functions import ACTIVATIONS
    >>> [f.name for f in ACTIVATIONS.values() if kinked(f)]
    ['relu', 'leaky_relu', 'selu']
    """
    if f.custom_vjp is not None:
        return False
    right, left = f.derivative(np.array([[1e-9], [-1e-9]]))[:, 0]
    return bool(abs(right - left) > KINK)
