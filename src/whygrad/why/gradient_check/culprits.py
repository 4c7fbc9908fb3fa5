"""Localise a gradient bug: which function's derivative is wrong, or what the wrong numbers have in common.

    f′(z) beside differences of f(z),   ∂C/∂a beside differences of C(a)

A function with a wrong derivative is named with the layer, the unit and the number at which it goes wrong
most. Where all functions are right but a gradient handed in is not, the wrong numbers themselves may tell:
the sign, a common factor, a transposed matrix, a missing penalty, one unit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.nn.functions import ACTIVATIONS, COSTS, Activation, Array
from whygrad.why.context import Context
from whygrad.why.gradient_check.differences import Slopes, differentiate
from whygrad.why.gradient_check.finite_differences import CheckedParameters
from whygrad.why.symbols import shown

MOST = 4096  # numbers that each function is tried with
SLACK = 1e-6
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Suspect:
    """A function whose derivative is wrong, with the number at which it is wrong most."""

    function: str
    layer: int
    unit: int
    at: float
    says: float
    differences: float
    wrong: int
    tried: int
    units: tuple[int, ...]

    def sentence(self, name: str) -> str:
        """Return a sentence that names the function; `name` is that of the unit."""
        where = f"{self.wrong:,} of {self.tried:,} values"
        if len(self.units) == 1:
            where += f", all of {name}"
        return (
            f"The derivative of {self.function} is wrong: at {shown(self.at)} of {name} it gives "
            f"{self.says:.6g}, differences of its values give {self.differences:.6g} ({where})."
        )


def culprits(context: Context, all_functions: bool) -> Iterator[Suspect]:
    """Return the functions with a wrong derivative: the user's own, or with `all_functions` also ours."""
    net = context.net
    for l in range(1, net.L + 1):
        f = net.f[l]
        if all_functions or ACTIVATIONS.get(f.name) is not f:
            yield from _activation(context, l, f)
    if all_functions or COSTS.get(net.C.name) is not net.C:
        yield from _cost(context)


def _activation(context: Context, l: int, f: Activation) -> Iterator[Suspect]:
    """Try f at the z of training; where all outputs depend on all z, a fixed mix of the outputs."""
    z = context.trace.z[l][: max(1, MOST // context.net.sizes[l])]
    mix = np.random.default_rng(0).normal(size=z.shape)
    said = f.derivative(z) if f.custom_vjp is None else f.custom_vjp(z, mix)
    units = z.shape[1]

    def evaluate(which: Array, offset: Array) -> tuple[Array, Array]:
        row, unit, each = which // units, which % units, np.arange(len(which))
        moved = z[row]
        moved[each, unit] += offset
        a = f.value(moved)
        values = a[each, unit] if f.custom_vjp is None else (a * mix[row]).sum(axis=1)
        return values, np.zeros(len(which), bool)

    step = 0.01 * np.maximum(1.0, np.abs(z)).reshape(-1)
    noise = 4 * EPS * (1 + np.abs(z) + np.abs(f.value(z))).reshape(-1)
    found = differentiate(evaluate, step, noise, said.reshape(-1), SLACK)
    yield from _report(f"activation {f.name!r} (layer {l})", l, z, said, found)


def _cost(context: Context) -> Iterator[Suspect]:
    C = context.net.C
    a = context.trace.a[-1][: max(1, MOST // context.net.sizes[-1])]
    y = context.y[: len(a)]
    room = {"real": np.full(a.shape, np.inf), "positive": a}.get(C.domain, np.minimum(a, 1 - a))
    said, units = C.derivative(a, y), a.shape[1]
    inside = np.flatnonzero(room.reshape(-1) > 1e-12)

    def evaluate(which: Array, offset: Array) -> tuple[Array, Array]:
        row, unit = inside[which] // units, inside[which] % units
        moved = a[row]
        moved[np.arange(len(which)), unit] += offset
        return C.value(moved, y[row]), np.zeros(len(which), bool)

    whole = 0.01 * np.maximum(1.0, np.abs(a))
    step = np.minimum(whole, 0.1 * room).reshape(-1)[inside]
    sizes = 1 + np.abs(a) + np.abs(y) + np.abs(C.value(a, y))[:, None]
    noise = 4 * EPS * sizes.reshape(-1)[inside]
    found = differentiate(evaluate, step, noise, said.reshape(-1)[inside], SLACK)
    yield from _report(f"cost {C.name!r}", context.net.L, a, said, found, inside)


def _report(
    function: str, l: int, x: Array, said: Array, found: Slopes, inside: Array | None = None
) -> Iterator[Suspect]:
    inside = np.arange(x.size) if inside is None else inside
    says = said.reshape(-1)[inside]
    outside = np.maximum(np.maximum(found.low - says, says - found.high), 0)
    allowed = 2 * found.error + SLACK * np.maximum(np.abs(says), np.abs(found.value))
    wrong = outside > allowed
    if not wrong.any():
        return
    worst = int(np.argmax(np.where(wrong, outside, 0)))
    units = np.unique(inside[wrong] % x.shape[1])
    yield Suspect(
        function,
        l,
        int(inside[worst] % x.shape[1]),
        float(x.reshape(-1)[inside[worst]]),
        float(says[worst]),
        float(found.value[worst]),
        int(wrong.sum()),
        len(inside),
        tuple(units.tolist()),
    )


def pattern(
    checked: CheckedParameters,
    said: Array,
    found: Slopes,
    wrong: Array,
    name: Callable[[int, int], str],
) -> str:
    """Return a sentence that says what wrong derivatives have in common, or nothing."""
    context, l, j = checked.context, checked.layer, checked.to
    where = _where(l[wrong], j[wrong], context.net.L, name)
    clear = wrong & (np.abs(found.value) > 100 * found.error) & ~found.kink
    if not clear.any():
        return where
    what = ""
    if _transposed(checked, said, found, clear):
        what = "The weights look transposed: [j, k] has the derivative of [k, j]."
    elif _without_penalty(checked, said, found, clear):
        what = "The penalty's derivative is missing."
    else:
        ratio = said[clear] / found.value[clear]
        r = float(np.median(ratio))
        if np.abs(ratio - r).max() <= 1e-5 * max(abs(r), 1e-3):
            what = _factor(r, context.S)
    return f"{what} {where}".strip()


def _factor(r: float, S: float) -> str:
    """Return a sentence that says what a common factor of wrong derivatives means."""
    known = (
        (-1.0, "They have the wrong sign."),
        (S, f"They are {shown(S)} times too large: the mean over the examples is not taken."),
        (1 / S, f"They are {shown(S)} times too small: the mean is taken twice."),
        (0.0, "They are 0."),
    )
    for factor, what in known:
        if abs(r - factor) <= 1e-5 * max(abs(factor), 1e-3):
            return what
    return f"They are {r:.6g} times what they should be."


def _where(l: Array, j: Array, L: int, name: Callable[[int, int], str]) -> str:
    """Return a sentence that says which layers or which unit the wrong ones belong to."""
    units, layers = set(zip(l.tolist(), j.tolist(), strict=True)), sorted(set(l.tolist()))
    if len(units) == 1:
        return f"All of them belong to {name(*units.pop())}."
    if len(layers) == L:
        return ""
    if len(layers) == 1:
        return f"All of them are in layer {layers[0]}."
    return f"They are in layers {', '.join(map(str, layers))}."


def _transposed(checked: CheckedParameters, said: Array, found: Slopes, clear: Array) -> bool:
    """Return whether all that is clearly wrong has the derivative of the weight with j and k exchanged."""
    refs = zip(checked.layer.tolist(), checked.to.tolist(), checked.of.tolist(), strict=True)
    where = {ref: i for i, ref in enumerate(refs)}
    compared = 0
    for (l, j, k), i in where.items():
        if not clear[i]:
            continue
        other = where.get((l, k, j))
        if k < 0 or k == j:
            return False
        if other is not None:
            compared += 1
            if abs(said[i] - found.value[other]) > _allowed(found, other):
                return False
    return compared > 1


def _without_penalty(checked: CheckedParameters, said: Array, found: Slopes, clear: Array) -> bool:
    """Return whether the penalty is all that is missing."""
    w, context = checked.context.stored.flat[checked.index], checked.context
    penalty = (context.l1 * np.sign(w) + context.l2 * w) * (checked.of >= 0)
    gap = np.abs(said - (found.value - penalty))
    return bool((gap <= _allowed(found, slice(None)))[clear].all()) and bool(penalty.any())


def _allowed(found: Slopes, which: Any) -> Any:
    return 2 * found.error[which] + SLACK * np.abs(found.value[which])
