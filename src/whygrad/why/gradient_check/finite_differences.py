"""Finite differences: the cost with one parameter moved, many at a time, computing only what changes.

    zˡⱼ(w + h) = zˡⱼ + h aˡ⁻¹ₖ,   zˡ⁺¹(w + h) = zˡ⁺¹ + Wˡ⁺¹·ⱼ (aˡⱼ(w + h) − aˡⱼ),   then forward as ever

A weight changes one zˡⱼ of each example, so the layers below need no second pass. Beside the cost stands
whether any unit, output or weight came to lie on the other side of a kink.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.answers.names import Ref
from whygrad.nn.arrays import dense
from whygrad.nn.functions import ACTIVATIONS, COSTS, HUBER_THRESHOLD, Activation, Array
from whygrad.nn.pairings import together
from whygrad.why.context import Context
from whygrad.why.passing import mask_of

# Functions with a corner, in themselves or in their slope, at z = 0, and costs with one at these a − y.
CORNERED = ("relu", "leaky_relu", "elu", "selu")
CORNERS_OF_COSTS = {"absolute_error": (0.0,), "huber": (-HUBER_THRESHOLD, HUBER_THRESHOLD)}
BLOCK = 2**21  # numbers of a layer that are set up at once


def _cornered(f: Activation) -> bool:
    """Return whether a function is known to have a corner at 0."""
    return f.name in CORNERED and ACTIVATIONS[f.name] is f


@dataclass(frozen=True, eq=False)
class CheckedParameters:
    """Parameters to move, one at a time: `index` in θ, and layer, to, from (−1: a bias), all (m,)."""

    context: Context
    index: Array
    layer: Array
    to: Array
    of: Array

    def ref(self, i: int) -> Ref:
        """Return one of them as a `Ref`."""
        k = int(self.of[i])
        return Ref(int(self.layer[i]), int(self.to[i]), "bias" if k < 0 else k)

    @cached_property
    def senders(self) -> Array:
        """The largest |∂z/∂w| over the examples, (m,)."""
        largest = np.ones(len(self.index))
        for l in range(1, self.context.net.L + 1):
            weights = (self.layer == l) & (self.of >= 0)
            top = dense(abs(self.context.trace.a[l - 1]).max(axis=0)).reshape(-1)
            largest[weights] = top[self.of[weights]]
        return largest

    def evaluate(self, which: Array, offset: Array, side: int = 0) -> tuple[Array, Array]:
        """Return the cost with each of the parameters moved, (len(which),), and what crossed a kink.

        With `side` ±1 every unit stays on its side of its kink, its function continued beyond; one that
        sits on the kink is on the given side.
        """
        costs, crossed = np.zeros(len(which)), np.zeros(len(which), bool)
        sizes, n = self.context.net.sizes, self.context.n
        for l in range(1, self.context.net.L + 1):
            rows_of_layer = np.flatnonzero(self.layer[which] == l)
            rows = max(1, BLOCK // (n * max(sizes[l:])))
            for start in range(0, len(rows_of_layer), rows):
                block = rows_of_layer[start : start + rows]
                costs[block], crossed[block] = self._moved(l, which[block], offset[block], side)
        return costs, crossed

    def _moved(self, l: int, which: Array, offset: Array, side: int) -> tuple[Array, Array]:
        """Move parameters of one layer."""
        context, j, k = self.context, self.to[which], self.of[which]
        net, W, z, a = context.net, context.theta.W, context.trace.z, context.trace.a
        masks, m, n = context.trace.masks, len(which), context.n
        column = z[l][:, j].T + offset[:, None] * self._sent(l, k)
        crossed = np.zeros(m, bool)
        if _cornered(net.f[l]):
            crossed |= (np.sign(column) != np.sign(z[l][:, j].T)).any(axis=1)
        if l == net.L:
            moved = np.repeat(z[l][None], m, axis=0)
            moved[np.arange(m), :, j] = column
        else:
            active = self._active(l, j, column, side)
            mask = mask_of(masks, l)
            change = (active if mask is None else active * mask[:, j].T) - a[l][:, j].T
            moved = z[l + 1] + change[:, :, None] * W[l + 1].T[j][:, None, :]
        for above in range(min(l + 1, net.L), net.L + 1):
            f = net.f[above]
            if _cornered(f):
                crossed |= (np.sign(moved) != np.sign(z[above])).any(axis=(1, 2))
            if above < net.L:
                on = _branch(f, moved, z[above], side) if side else _rows(f, moved)
                mask = mask_of(masks, above)
                on = (on if mask is None else on * mask).reshape(m * n, -1)
                moved = (on @ W[above + 1].T + context.theta.b[above + 1]).reshape(m, n, -1)
        costs, over = self._costs(moved, side)
        return costs + self._penalty(which, offset), crossed | over | self._turned(which, offset)

    def _sent(self, l: int, k: Array) -> Array:
        """Return ∂z/∂w of every example, (m, n)."""
        sent = dense(self.context.trace.a[l - 1][:, np.maximum(k, 0)])
        return np.where(k >= 0, sent, 1.0).T

    def _active(self, l: int, j: Array, column: Array, side: int) -> Array:
        """Return f(z) of the moved units, (m, n); one's own function gets whole layers, as in training."""
        f: Activation = self.context.net.f[l]
        if side and _cornered(f):
            return _branch(f, column, self.context.trace.z[l][:, j].T, side)
        if ACTIVATIONS.get(f.name) is f:
            return f.value(column)
        start = self.context.trace.z[l]
        moved = np.repeat(start[None], len(j), axis=0)
        moved[np.arange(len(j)), :, j] = column
        on = _branch(f, moved, start, side) if side else _rows(f, moved)
        return on[np.arange(len(j)), :, j]

    def _costs(self, z: Array, side: int) -> tuple[Array, Array]:
        """Return the mean cost for zᴸ of shape (m, n, n_L), and what crossed a corner of the cost."""
        context, (m, n, units) = self.context, z.shape
        f, C = context.net.f[context.net.L], context.net.C
        flat, y = z.reshape(m * n, units), np.tile(context.y, (m, 1))
        pair = together(f, C)
        a = (
            _branch(f, z, context.trace.z[-1], side).reshape(m * n, units)
            if side
            else f.value(flat)
        )
        costs = (pair.value(flat, y) if pair else C.value(a, y)).reshape(m, n)
        crossed = np.zeros(m, bool)
        if COSTS.get(C.name) is C:
            before = context.trace.a[-1] - context.y
            after = a.reshape(m, n, units) - context.y
            for corner in CORNERS_OF_COSTS.get(C.name, ()):
                crossed |= (np.sign(after - corner) != np.sign(before - corner)).any(axis=(1, 2))
        return costs @ context.s / context.S, crossed

    def _penalty(self, which: Array, offset: Array) -> Array:
        """Return the change of the penalties by moving a weight."""
        w, context = self.context.stored.flat[self.index[which]], self.context
        added = context.l1 * (abs(w + offset) - abs(w)) + context.l2 * offset * (w + offset / 2)
        return np.where(self.of[which] >= 0, added, 0.0)

    def _turned(self, which: Array, offset: Array) -> Array:
        """Return which weights crossed 0, where |w| has its corner."""
        w = self.context.stored.flat[self.index[which]]
        turned = np.sign(w + offset) != np.sign(w)
        return turned & (self.of[which] >= 0) & (self.context.l1 > 0)


def _rows(f: Activation, z: Array) -> Array:
    """Return f(z) for z of shape (m, n, units), as rows of a layer."""
    return f.value(z.reshape(-1, z.shape[2])).reshape(z.shape)


def _branch(f: Activation, z: Array, start: Array, side: int) -> Array:
    """Return f(z) on the side of the kink where z started, continued beyond by reflection: f(0) is 0.

    A function of one's own has its kinks wherever its values say so; one that does not start on a kink
    stays as it is.
    """
    if f.custom_vjp is None and ACTIVATIONS.get(f.name) is not f:
        beyond = (z - start) * side < 0
        mirrored = 2 * f.value(start) - _rows(f, 2 * start - z)
        return np.where(_on_kinks(f, start) & beyond, mirrored, _rows(f, z))
    if not _cornered(f):
        return _rows(f, z)
    on = np.where(start == 0, side, np.sign(start))
    return np.where(z * on < 0, -f.value(-z), f.value(z))


def _on_kinks(f: Activation, z: Array) -> Array:
    """Return where the slope of a function jumps at z, (n, units)."""
    h = 1e-6 * (1 + np.abs(z))
    here, right, left = f.value(z), f.value(z + h), f.value(z - h)
    slopes = (right - here) / h, (here - left) / h
    return np.abs(slopes[0] - slopes[1]) > 1e-3 * np.maximum(*np.abs(slopes))


def rounding(context: Context) -> float:
    """Estimate what rounding leaves open of the cost, from the sizes of all that is summed in it."""
    eps, share = np.finfo(np.float64).eps, context.s / context.S
    z, a, y = context.trace.z[-1], context.trace.a[-1], context.y
    sizes: Any = np.abs(context.costs) + (np.abs(z) + np.abs(a) + np.abs(y)).sum(axis=1)
    total = float(share @ sizes)
    for l in range(1, context.net.L + 1):
        W, b = np.abs(context.theta.W[l]), np.abs(context.theta.b[l])
        reach = abs(context.trace.a[l - 1]) @ W.T + b
        total += float(share @ (np.abs(context.delta[l]) * reach).sum(axis=1))
    return float(2 * eps * total)
