"""Local derivatives: what one weight's derivative is a product of, each with its number and its meaning.

    ∂C_x/∂Wˡⱼₖ = aˡ⁻¹ₖ δˡⱼ,   δˡⱼ = f′(zˡⱼ) Σ_m Wˡ⁺¹ₘⱼ δˡ⁺¹ₘ,   δᴸⱼ = f′(zᴸⱼ) ∂C/∂aᴸⱼ

The error of a neuron is a sum; how many layers of such sums are unrolled is the caller's choice. z, a and δ
are those of training; the products are taken here, so that they can be held against the gradient.
"""

import math
from typing import Any

import numpy as np

from whygrad.answers.expression import Derivative, Number, Product, Sum, Symbol, Words
from whygrad.answers.names import Ref
from whygrad.answers.parts import Factor, Term
from whygrad.nn.arrays import dense
from whygrad.nn.functions import ACTIVATIONS, Array, canonical_link
from whygrad.nn.pairings import together
from whygrad.why import symbols
from whygrad.why.context import Context
from whygrad.why.passing import mask_of
from whygrad.why.symbols import in_units, others, shown


def sender(context: Context, ref: Ref, rows: Any = slice(None)) -> Array:
    """Return ∂zˡⱼ/∂Wˡⱼₖ of each example, (n,): the activity of the sender, or 1 for a bias."""
    a = context.trace.a[ref.layer - 1]
    if ref.from_ == "bias":
        return np.ones(context.n, context.delta[-1].dtype)[rows]
    return dense(a[:, [ref.from_]])[rows, 0]


def masking(context: Context, l: int) -> Any:
    """Return the mask of dropout of a layer, (n, n_l), or None."""
    return mask_of(context.trace.masks, l)


def slopes(context: Context, l: int, rows: Any = slice(None)) -> Array:
    """Return f′(zˡ) of the examples of `rows`, (n, n_l); not for softmax."""
    return context.net.f[l].derivative(context.trace.z[l][rows])


def slopes_of(context: Context, l: int, j: int) -> Array:
    """Return f′(zˡⱼ) of all examples, times the mask of dropout where there is one, (n,)."""
    f, z, mask = context.net.f[l], context.trace.z[l], masking(context, l)
    # One's own function may treat units differently: it gets the layer as training gives it.
    known = ACTIVATIONS.get(f.name) is f
    slopes: Array = f.derivative(z[:, j]) if known else f.derivative(z)[:, j]
    return slopes if mask is None else slopes * mask[:, j]


def cancels(context: Context) -> bool:
    """Return whether δᴸ is simply a − y."""
    return canonical_link(context.net.f[context.net.L], context.net.C) is not None


APART = 256  # ε: how far δᴸ may be off the product of ∂C/∂a and f′ that it is told as


def inseparable(context: Context) -> bool:
    """Return whether δᴸ is more exact than ∂C/∂a times f′, one of which may over- or underflow."""
    net, a, z, delta = context.net, context.trace.a[-1], context.trace.z[-1], context.delta[-1]
    f, C = net.f[net.L], net.C
    if together(f, C) is None:
        return False
    with np.errstate(all="ignore"):
        off = np.abs(f.vjp(z, C.derivative(a, context.y)) - delta)
    return not bool((off <= apart(delta)).all())


def apart(delta: Array) -> Array:
    """Return how far apart δᴸ and the product it is told as may be, (n, 1)."""
    largest: Array = np.abs(delta).max(axis=1, keepdims=True)
    return APART * np.finfo(delta.dtype).eps * largest


def share_factor(share: float) -> Factor:
    """Return an example's weight in the mean as a factor."""
    return Factor(Symbol("s/S"), share, "the example's share of the mean")


def sender_factor(context: Context, i: int, ref: Ref) -> Factor:
    """Return the first factor of a derivative: how active the sender is."""
    l, net = ref.layer, context.net
    value = float(sender(context, ref, slice(i, i + 1))[0])
    if ref.from_ == "bias":
        return Factor(Number(1.0), value, "a bias reaches its neuron as it is: ∂z/∂b = 1")
    k = int(ref.from_)  # type: ignore[arg-type]
    what = "the value" if l == 1 else "the activity"
    meaning = f"{what} of {context.names.of(net, l - 1, k)}, the sender"
    if l == 1 and context.names.standardised(net, k):
        own = in_units(net, context.names, 0, k, value)
        meaning += f": {own} in the table, here standardised"
    mask = masking(context, l - 1)
    if mask is not None:
        meaning += f", dropout's factor {shown(float(mask[i, k]))} included"
    symbol = symbols.unit("a", l - 1, k)
    return Factor(symbol, value, meaning, symbol.part)


def error_terms(
    context: Context, i: int, l: int, j: int, top: int, unroll: set[tuple[int, int]] | None = None
) -> tuple[Term, ...]:
    """Return δˡⱼ of example i as terms; the errors of the units in `unroll` get terms in turn.

    The `top` largest are listed, the others gathered in one. At the output there is one term, and with
    softmax one for each output. A unit is unrolled where it first occurs and then taken from `unroll`, so
    that the tree grows with the units and not with the paths.
    """
    if l == context.net.L:
        return _output_terms(context, i, j, top)
    first = slope_factor(context, i, l, j)
    mask = masking(context, l)
    given = (first,) if mask is None else (first, mask_factor(context, i, l, j))
    values = context.theta.W[l + 1][:, j].astype(np.float64) * context.delta[l + 1][i]
    listed = largest(values, top)
    terms = []
    for m in listed.tolist():
        name, part = context.names.of(context.net, l + 1, m), Ref(l + 1, m, j).part
        error = error_factor(context, i, l + 1, m, top, unroll)
        terms.append(
            _term(f"through {name}", part, *given, weight_factor(context, l + 1, m, j), error)
        )
    return (*terms, *_others(given, values, listed))


def error_factor(
    context: Context, i: int, l: int, j: int, top: int, unroll: set[tuple[int, int]] | None = None
) -> Factor:
    """Return δˡⱼ of example i as a factor, with its terms where it is among those to unroll."""
    symbol = symbols.unit("δ", l, j)
    meaning = (
        f"the error of {context.names.of(context.net, l, j)}: what the cost gains per unit of its z"
    )
    terms: tuple[Term, ...] = ()
    if unroll and (l, j) in unroll:
        unroll.discard((l, j))
        terms = error_terms(context, i, l, j, top, unroll)
    return Factor(symbol, float(context.delta[l][i, j]), meaning, symbol.part, terms)


def largest(values: Array, top: int) -> Array:
    """Return the indices of the `top` largest by size, the first of equal ones first.

    >>> largest(np.array([1.0, -3.0, 2.0, 3.0]), 3)
    array([1, 3, 2])
    """
    sizes = -np.abs(values)
    if len(sizes) > 4 * top:
        few = np.flatnonzero(sizes <= np.partition(sizes, top - 1)[top - 1])
        return few[np.argsort(sizes[few], kind="stable")[:top]]
    return np.argsort(sizes, kind="stable")[:top]


def _output_terms(context: Context, i: int, j: int, top: int) -> tuple[Term, ...]:
    net, L = context.net, context.net.L
    z, a, y = context.trace.z[L][i : i + 1], context.trace.a[L][i : i + 1], context.y[i : i + 1]
    name = context.names.of(net, L, j)
    if cancels(context):
        target = Symbol("y", None, (j,), part=Ref(L, j).part)
        symbol = Sum((symbols.unit("a", L, j), Product((Number(-1.0), target))))
        meaning = (
            f"{name} is {in_units(net, context.names, L, j, a[0, j])}, its target "
            f"{in_units(net, context.names, L, j, y[0, j])}; "
            f"the slopes of {net.f[L].name} and {net.C.name} cancel out"
        )
        factor = Factor(symbol, float(a[0, j] - y[0, j]), meaning, Ref(L, j).part)
        return (_term(f"the error of {name}", factor.part, factor),)
    if inseparable(context):
        symbol_of = Derivative(Symbol("C"), symbols.unit("z", L, j))
        meaning = (
            f"how {net.C.name} changes with z of {name}, through {net.f[L].name}: one factor, since of two "
            "one vanishes where the other grows beyond all bounds"
        )
        part, delta = Ref(L, j).part, float(context.delta[L][i, j])
        return (_term(f"the error of {name}", part, Factor(symbol_of, delta, meaning, part)),)
    passed = net.C.derivative(a, y)[0]
    if net.f[L].custom_vjp is None:
        factors = (slope_factor(context, i, L, j), _cost_factor(context, j, passed))
        return (_term(f"the error of {name}", Ref(L, j).part, *factors),)
    jacobian = net.f[L].derivative(z)[0][:, j]
    values = passed.astype(np.float64) * jacobian
    listed = largest(values, top)
    terms = []
    for m in listed.tolist():
        factors = (_jacobian_factor(context, j, m, jacobian), _cost_factor(context, m, passed))
        terms.append(_term(f"through {context.names.of(net, L, m)}", Ref(L, m).part, *factors))
    return (*terms, *_others((), values, listed))


def slope_factor(context: Context, i: int, l: int, j: int) -> Factor:
    """Return f′(zˡⱼ) of example i as a factor."""
    slope, z = slopes(context, l, slice(i, i + 1))[0, j], context.trace.z[l][i, j]
    name = context.names.of(context.net, l, j)
    meaning = f"how much {name} reacts: the slope of {context.net.f[l].name} at z = {shown(z)}"
    return Factor(symbols.slope_of(l, j), float(slope), meaning, Ref(l, j).part)


def mask_factor(context: Context, i: int, l: int, j: int) -> Factor:
    """Return dropout's factor on a unit of example i."""
    value = float(masking(context, l)[i, j])
    name = context.names.of(context.net, l, j)
    kept = f"dropout keeps {name}" if value else f"dropout leaves {name} out"
    return Factor(symbols.unit("μ", l, j), value, kept, Ref(l, j).part)


def weight_factor(context: Context, l: int, j: int, k: int) -> Factor:
    """Return Wˡⱼₖ as a factor."""
    names, net, symbol = context.names, context.net, symbols.weight(l, j, k)
    meaning = f"the weight from {names.of(net, l - 1, k)} to {names.of(net, l, j)}"
    return Factor(symbol, float(context.theta.W[l][j, k]), meaning, symbol.part)


def _cost_factor(context: Context, m: int, passed: Array) -> Factor:
    L = context.net.L
    symbol = Derivative(Symbol("C"), symbols.unit("a", L, m))
    meaning = f"how {context.net.C.name} changes with {context.names.of(context.net, L, m)}"
    return Factor(symbol, float(passed[m]), meaning, Ref(L, m).part)


def _jacobian_factor(context: Context, j: int, m: int, jacobian: Array) -> Factor:
    L, of = context.net.L, context.names.of
    symbol = Derivative(symbols.unit("a", L, m), symbols.unit("z", L, j))
    meaning = (
        f"how {of(context.net, L, m)} changes with z of {of(context.net, L, j)}: "
        f"{context.net.f[L].name} makes every output depend on every z"
    )
    return Factor(symbol, float(jacobian[m]), meaning, Ref(L, m).part)


def _others(given: tuple[Factor, ...], values: Array, listed: Array) -> tuple[Term, ...]:
    """Gather what is not listed in a term of its own."""
    n = len(values) - len(listed)
    if not n:
        return ()
    name = others(n)
    rest = Factor(
        Words(name), float(np.delete(values, listed).sum()), "what they pass back together"
    )
    return (_term(name, "", *given, rest),)


def _term(name: str, part: str, *factors: Factor) -> Term:
    return Term(name, math.prod(factor.value for factor in factors), factors, part)
