"""Memory for the R-pass, in the workspace of a layout, and for walks back; and what was found there."""

from dataclasses import dataclass
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import numpy as np

from whygrad.cores import one_thread
from whygrad.engines.curvature import BatchCurvature, Pulled
from whygrad.engines.native.arguments import Workspace
from whygrad.engines.native.curvature.passes import Changes
from whygrad.engines.native.curvature.pulling import (
    APART,
    BY_AFTER,
    BY_BUFFER,
    BY_DECAY,
    BY_G,
    BY_MOVE,
    BY_PUSH,
    BY_RATE,
    BY_SIGN,
    BY_W,
    CLIPPED,
    Adjoints,
    Rule,
)
from whygrad.engines.native.layout import Layout, aligned_zeros, rows_apart, whole_lines
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.nn.network import count
from whygrad.plan.plan import Clip, Plan, State

# Descent at the rate −1, for which u, ∂f by the gradient, is λ itself, and of which Hu alone is left: how
# to go along given directions.
_NONE, _ONE = np.zeros(1), np.ones(1)
ALONG = SimpleNamespace(
    p=_NONE, q=_NONE, r=_ONE, keep=_NONE, epsilon=_NONE, mu=0.0, beta=0.0, gamma=0.0, m=None, v=None,
    early=False,
)  # fmt: skip


def with_changes(layout: Layout, batch_size: int) -> tuple[Workspace, Changes]:
    """Return a workspace with room for the R-pass of a batch, and where its numbers lie."""
    layers, workspace = layout.layers, layout.workspace
    widths = [units for units in layers.sizes.tolist() for _ in range(4)]
    begins = accumulate(
        (whole_lines(batch_size * width) for width in widths), initial=len(workspace.work)
    )
    places = np.array(list(begins), np.int64)
    error, dz, da, ddelta = (np.ascontiguousarray(places[n:-1:4]) for n in range(4))
    work = aligned_zeros(int(places[-1]), workspace.work.dtype)
    changes = Changes(error, dz, da, ddelta, layers._replace(delta=ddelta))
    return workspace._replace(work=work), changes


def rule_of(layout: Layout, form: Any, low: int, apart: int) -> Rule:
    """Describe a rule by numbers: m and v are where they begin in rows of what is kept of states."""
    width = whole_lines(layout.size)
    m, v = (-1 if row is None else (1 + row) * width - low for row in (form.m, form.v))
    if apart > 1:
        v = (form.v - 1) * width
    return Rule(float(form.mu), float(form.beta), float(form.gamma), m, v, low, bool(form.early))


@dataclass(frozen=True)
class Kept:
    """How many numbers a walk back keeps: of every step a row of `state` and one of `trace`.

    The former has θ from its number `low` on. Of every `apart`-th step there is a row of `others`.
    """

    state: int
    others: int
    trace: int
    low: int
    apart: int

    @property
    def per_step(self) -> int:
        """The numbers of a step."""
        return self.state + self.trace + -(-self.others // self.apart)


def kept_of(layout: Layout, plan: Plan, form: Any, rows: int, measured: bool) -> Kept:
    """Return what is kept where the optimizer's state has so many rows: what the walk reads.

    W of the first layer only where sums over it, or gradients, are asked for. Where the gradient follows
    from m, v does too, and is kept now and then.
    """
    layers, width = layout.layers, whole_lines(layout.size)
    trace = whole_lines(len(layout.workspace.work) - int(layers.a[1]))
    follows = form.v is None or (form.m == 0 and not form.early)
    if measured or not follows or plan.clip != Clip():
        return Kept((1 + rows) * width, 0, trace, 0, 1)
    low = int(layers.b[1] + layers.sizes[1]) // whole_lines(1) * whole_lines(1)
    if form.v is None:
        return Kept((1 + rows) * width - low, 0, trace, low, 1)
    return Kept(2 * width - low, (rows - 1) * width, trace, low, APART)


def adjoints_of(layout: Layout, form: Any, lam: Array, lam_state: Any) -> Adjoints:
    """Return the memory for K numbers f, with ∂f after the last step."""
    K, dtype = len(lam), layout.workspace.work.dtype
    lam_0, lam_m, lam_v, u = found = [rows_apart(K, layout.size, dtype) for _ in range(4)]
    given = (lam, *(None if row is None else lam_state[row] for row in (form.m, form.v)))
    for inner, flat in zip(found, given, strict=False):
        if flat is not None:
            layout.copy_in(flat, inner[:, : layout.size])
    gradient = aligned_zeros(layout.size, dtype)
    clipped = aligned_zeros(len(layout.workspace.gradient), dtype)
    parts = np.zeros((*layout.workspace.penalties.shape, K, CLIPPED + 1))
    between = rows_apart(APART - 1, layout.size, dtype)
    return Adjoints(lam_0, lam_m, lam_v, u, gradient, clipped, between, parts)


def curvature(
    layout: Layout, adjoints: Adjoints, rows: int, slopes: Array, outputs: Array
) -> BatchCurvature:
    """Return what one step of so many rows said, in the form `ALONG`."""
    inner = np.concatenate([adjoints.gradient[None], adjoints.lam[:, : layout.size]])
    found = np.empty((len(inner), count(layout.sizes)), inner.dtype)
    layout.copy_out(inner, found)
    return BatchCurvature(found[0], found[1:], slopes[0, :, :rows], outputs[0, :, :rows])


class NativeWalk:
    """A training that the native engine walks back over: ∂f stays in the loop's memory and order."""

    def __init__(
        self, engine: Any, layout: Layout, plan: Plan, data: Data, form: Any, lam: Array, lam_state: Array,
        measured: bool,
    ) -> None:  # fmt: skip
        self.engine, self.layout, self.plan, self.data = engine, layout, plan, data
        self.slots, self.rows, self.measured = (form.m, form.v), len(lam_state), measured
        self.adjoints = adjoints_of(layout, form, lam, lam_state)
        self.kept = kept_of(layout, plan, form, self.rows, measured)
        self.theta = np.zeros(0, plan.dtype)

    @property
    def per_step(self) -> int:
        """How many numbers it keeps of each step of a stretch."""
        return self.kept.per_step

    @property
    def lam(self) -> Array:
        """∂f/∂θ where the walk has come to."""
        return self._read(self.adjoints.lam)

    @property
    def lam_state(self) -> Array:
        """∂f by the optimizer's state there."""
        found = np.zeros((self.rows, len(self.adjoints.lam), count(self.layout.sizes)))
        for row, inner in zip(self.slots, (self.adjoints.lam_m, self.adjoints.lam_v), strict=True):
            if row is not None:
                found[row] = self._read(inner)
        return found

    def _read(self, inner: Array) -> Array:
        found = np.empty((len(inner), count(self.layout.sizes)))
        self.layout.copy_out(inner[:, : self.layout.size], found)
        return found

    def over(self, state: State, coefficients: Array, form: Any) -> Pulled:
        """Walk over some steps, as `WalkBack.over` says."""
        with one_thread():
            self.theta, (slopes, outputs, z, sums) = self.engine.walk_over(
                self, state, coefficients, form
            )
        return Pulled(
            slopes=slopes,
            by_gradient=sums[..., BY_G],
            by_weight=sums[..., BY_W],
            by_sign=sums[..., BY_SIGN],
            by_rate=sums[..., BY_RATE],
            by_move=sums[..., BY_MOVE],
            by_after=sums[..., BY_AFTER],
            by_buffer=sums[..., BY_BUFFER],
            by_push=sums[..., BY_PUSH],
            by_decay=sums[..., BY_DECAY],
            outputs=outputs,
            z=z,
        )
