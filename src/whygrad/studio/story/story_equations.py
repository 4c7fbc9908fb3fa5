"""The equations of slow motion: first in symbols, then with the numbers of one example in it.

    zˡⱼ = Σ_k Wˡⱼₖ aˡ⁻¹ₖ + bˡⱼ,  aˡⱼ = f(zˡⱼ),  C,  δˡⱼ,  ∂C/∂Wˡⱼₖ = aˡ⁻¹ₖ δˡⱼ,  ΔWˡⱼₖ

Of a long sum the largest products are written out, and the others are one number. The numbers are those of
the pass; here they are only put in.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Expression,
    Fraction,
    Number,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)
from whygrad.answers.names import Ref
from whygrad.nn import Array, Parameters, dense
from whygrad.nn.functions import COSTS, canonical_link
from whygrad.plan.optimizers import SGD
from whygrad.studio.story.phrases import counted, rule_name, said, spoken
from whygrad.studio.story.story import Story
from whygrad.why import symbols
from whygrad.why.error.shares import in_symbols, output_terms

FEW = 4  # outputs that are written out one by one
HALF = Fraction(Number(1), Number(2))


def _minus(about: Expression) -> Expression:
    """Return an expression with a minus before it."""
    return Product((Number(-1.0), about))


def weighted_input(story: Story, l: int, j: int) -> Equation:
    """Return zˡⱼ as the sum of what the unit hears."""
    W, a, b = story.asked.theta.W[l][j], story.a[l - 1], float(story.asked.theta.b[l][j])
    top_inputs = story.top_inputs(l, j)
    products = [
        Product((Number(float(W[k]), Ref(l, j, k).part), Number(float(a[k]), Ref(l - 1, k).part)))
        for k in top_inputs
    ]
    body = Product((Symbol("W", l, (j, "k")), Symbol("a", l - 1, ("k",))))
    return Equation(
        (
            symbols.unit("z", l, j),
            Sum((SumOver("k", body), Symbol("b", l, (j,), part=Ref(l, j, "bias").part))),
            Sum((*products, *_others(W * a, top_inputs), Number(b, Ref(l, j, "bias").part))),
            Number(float(story.z[l][j]), Ref(l, j).part),
        )
    )


def activation(story: Story, l: int, j: int) -> Equation:
    """Return aˡⱼ = f(zˡⱼ), for softmax with the z of all outputs."""
    f, z, part = story.net.f[l], story.z[l], Ref(l, j).part
    left, right = symbols.unit("a", l, j), Number(float(story.a[l][j]), part)
    if f.custom_vjp is not None and f.name == "softmax":
        return Equation((left, *_softmax(z, l, j), right))
    name = Symbol(spoken(f.name))
    written: list[Expression] = [
        Call(name, symbols.unit("z", l, j)),
        Call(name, Number(float(z[j]), part)),
    ]
    mask = story.mask(l, j)
    if mask is not None:
        written = [
            Product((symbols.unit("μ", l, j), written[0])),
            Product((Number(mask), written[1])),
        ]
    return Equation((left, *written, right))


def _softmax(z: Array, l: int, j: int) -> list[Expression]:
    exp = Symbol("exp")
    below = SumOver("m", Call(exp, Symbol("z", l, ("m",))))
    written: list[Expression] = [Fraction(Call(exp, symbols.unit("z", l, j)), below)]
    if len(z) <= FEW:
        every = [Call(exp, Number(float(of), Ref(l, m).part)) for m, of in enumerate(z)]
        written.append(Fraction(every[j], Sum(tuple(every))))
    return written


def cost(story: Story) -> Equation:
    """Return C of the example."""
    C, a, y = story.net.C, story.a[-1], story.y
    end = Number(float(story.asked.costs[0]))
    if COSTS.get(C.name) != C:
        return Equation((Symbol("C"), Words(spoken(C.name)), end))
    written = {
        "squared_error": _squared,
        "absolute_error": _absolute,
        "cross_entropy": _cross_entropy,
        "binary_cross_entropy": _binary,
    }.get(C.name)
    sides = written(story, a, y) if written else [Words(spoken(C.name))]
    return Equation((Symbol("C"), *sides, end))


def _off(story: Story, m: int | str) -> Expression:
    L = story.net.L
    if isinstance(m, str):
        return Sum((Symbol("a", L, (m,)), _minus(Symbol("y", None, (m,)))))
    part = Ref(L, m).part
    return Sum((symbols.unit("a", L, m), _minus(Symbol("y", None, (m,), part=part))))


def _off_in_numbers(story: Story, m: int) -> Expression:
    part = Ref(story.net.L, m).part
    return Sum((Number(float(story.a[-1][m]), part), _minus(Number(float(story.y[m]), part))))


def _squared(story: Story, a: Array, y: Array) -> list[Expression]:
    """Write ½ Σ (a − y)²."""
    squares = _summed(story, lambda off: Power(off, Number(2)))
    return [Product((HALF, one)) for one in squares]


def _absolute(story: Story, a: Array, y: Array) -> list[Expression]:
    """Write Σ |a − y|."""
    return _summed(story, lambda off: Call(Symbol("abs"), off))


def _summed(story: Story, of: Callable[[Expression], Expression]) -> list[Expression]:
    """Write the sum over the outputs of what a − y comes to: in symbols, and of few in numbers."""
    outputs = len(story.y)
    if outputs == 1:
        return [of(_off(story, 0)), of(_off_in_numbers(story, 0))]
    written: list[Expression] = [SumOver("m", of(_off(story, "m")))]
    if outputs <= FEW:
        written.append(Sum(tuple(of(_off_in_numbers(story, m)) for m in range(outputs))))
    return written


def _cross_entropy(story: Story, a: Array, y: Array) -> list[Expression]:
    L, ln, t = story.net.L, Symbol("ln"), story.truth
    if t is not None:
        sure = Number(float(a[t]), Ref(L, t).part)
        return [_minus(Call(ln, symbols.unit("a", L, t))), _minus(Call(ln, sure))]
    body = Product((Symbol("y", None, ("m",)), Call(ln, Symbol("a", L, ("m",)))))
    written: list[Expression] = [_minus(SumOver("m", body))]
    some = np.flatnonzero(y).tolist()
    if len(some) <= FEW:
        terms = [Product((Number(float(y[m])), Call(ln, Number(float(a[m]))))) for m in some]
        written.append(_minus(Sum(tuple(terms))))
    return written


def _binary(story: Story, a: Array, y: Array) -> list[Expression]:
    L, ln = story.net.L, Symbol("ln")
    if story.truth is not None and len(a) == 1:
        one, part = symbols.unit("a", L, 0), Ref(L, 0).part
        sure = Number(float(a[0]), part)
        if story.truth:
            return [_minus(Call(ln, one)), _minus(Call(ln, sure))]
        rest = (Sum((Number(1), _minus(of))) for of in (one, sure))
        return [_minus(Call(ln, of)) for of in rest]
    of, true = Symbol("a", L, ("m",)), Symbol("y", None, ("m",))
    not_true, not_of = Sum((Number(1), _minus(true))), Sum((Number(1), _minus(of)))
    terms = (Product((true, Call(ln, of))), Product((not_true, Call(ln, not_of))))
    return [_minus(SumOver("m", Sum(terms)))]


# ── backwards ────────────────────────────────────────────────────────────────────────────────────────


def blame_of_output(story: Story, j: int) -> Equation:
    """Return δᴸⱼ: what was said less what is true, or the slope of the cost times that of the output."""
    asked, L = story.asked, story.net.L
    left, right = in_symbols(asked, L, j).sides
    value = Number(float(story.delta[L][j]), Ref(L, j).part)
    if canonical_link(story.net.f[L], story.net.C):
        return Equation((left, right, _off_in_numbers(story, j), value))
    terms = output_terms(asked, j)
    numbers: list[Expression] = [
        Product(tuple(Number(factor.value, factor.part) for factor in term.factors))
        if term.factors
        else Number(term.value, term.part)
        for term in terms
    ]
    few = (Sum(tuple(numbers)),) if len(numbers) <= FEW else ()
    return Equation((left, right, *few, value))


def blame_of_hidden(story: Story, l: int, k: int) -> Equation:
    """Return δˡₖ as what those above pass back, times the unit's own slope."""
    W, above = story.asked.theta.W[l + 1][:, k], story.delta[l + 1]
    top_downstream = story.top_downstream(l, k)
    part = Ref(l, k).part
    slope = [symbols.slope_of(l, k)]
    number: list[Expression] = [Number(_slope_at(story, l, k), part)]
    mask = story.mask(l, k)
    if mask is not None:
        slope.insert(0, symbols.unit("μ", l, k))
        number = [Number(mask), Number(_slope_at(story, l, k, masked=False), part)]
    body = Product((Symbol("W", l + 1, ("j", k)), Symbol("δ", l + 1, ("j",))))
    products = [
        Product(
            (
                Number(float(W[j]), Ref(l + 1, j, k).part),
                Number(float(above[j]), Ref(l + 1, j).part),
            )
        )
        for j in top_downstream
    ]
    passed = Sum((*products, *_others(W * above, top_downstream)))
    return Equation(
        (
            symbols.unit("δ", l, k),
            Product((*slope, SumOver("j", body))),
            Product((*number, passed)),
            Number(float(story.delta[l][k]), part),
        )
    )


def _slope_at(story: Story, l: int, k: int, masked: bool = True) -> float:
    """Return f′(zˡₖ) of a hidden unit, times the mask of dropout where asked."""
    if masked:
        return float(story.flow.slopes[l][0, k])
    return float(story.net.f[l].derivative(story.asked.trace.z[l])[0, k])


def gradient_of_weight(story: Story, l: int, j: int, k: int) -> Equation:
    """Return ∂C/∂Wˡⱼₖ of the example: what was sent times the receiver's blame."""
    symbol = symbols.weight(l, j, k)
    sent, blame = symbols.unit("a", l - 1, k), symbols.unit("δ", l, j)
    numbers = (
        Number(float(story.a[l - 1][k]), sent.part),
        Number(float(story.delta[l][j]), blame.part),
    )
    value = Number(float(story.asked.gradients.dW[l][j, k]), symbol.part)
    return Equation((_by(symbol), Product((sent, blame)), Product(numbers), value))


def gradient_of_bias(story: Story, l: int, j: int) -> Equation:
    """Return ∂C/∂bˡⱼ of the example, the blame itself."""
    symbol = Symbol("b", l, (j,), part=Ref(l, j, "bias").part)
    value = Number(float(story.asked.gradients.db[l][j]), symbol.part)
    return Equation((_by(symbol), symbols.unit("δ", l, j), value))


def gradient_of_batch(story: Story, l: int, j: int, k: int) -> Equation:
    """Return ∂C/∂Wˡⱼₖ as the step takes it: the mean over its examples, and the penalties."""
    batch, symbol = story.batch, symbols.weight(l, j, k)
    w = float(batch.theta.W[l][j, k])
    pushes = batch.delta[l][:, j] * _column(batch.trace.a[l - 1], k)
    numbers: list[Expression] = [Number(float(batch.s @ pushes / batch.S))]
    sent, blame = symbols.unit("a", l - 1, k), symbols.unit("δ", l, j)
    push = Product((sent, blame))
    terms: list[Expression] = [push if batch.n == 1 else Call(Words("mean"), push)]
    for letter, strength, slope, number in (
        ("λ₁", batch.l1, Symbol("sign W", l, (j, k)), float(np.sign(w))),
        ("λ₂", batch.l2, symbol, w),
    ):
        if strength:
            terms.append(Product((Symbol(letter), slope)))
            numbers.append(Product((Number(float(strength)), Number(number, symbol.part))))
    value = Number(float(batch.gradients.dW[l][j, k]), symbol.part)
    sides = (
        _by(symbol),
        Sum(tuple(terms)),
        *((Sum(tuple(numbers)),) if len(numbers) > 1 else ()),
        value,
    )
    return Equation(sides)


def _column(a: Any, k: int) -> Array:
    return dense(a[:, [k]])[:, 0]


# ── the update ───────────────────────────────────────────────────────────────────────────────────────


def update_of_weight(story: Story, l: int, j: int, k: int | None) -> tuple[Equation, ...]:
    """Return ΔWˡⱼₖ as the optimizer made it, and the new weight; without k those of the bias."""
    if k is None:
        part, kind = Ref(l, j, "bias").part, "bias"
        symbol, g = Symbol("b", l, (j,), part=part), float(story.batch.gradients.db[l][j])
        before, after, moved = (float(of.b[l][j]) for of in _steps(story))
    else:
        part, kind = Ref(l, j, k).part, "weight"
        symbol, g = symbols.weight(l, j, k), float(story.batch.gradients.dW[l][j, k])
        before, after, moved = (float(of.W[l][j, k]) for of in _steps(story))
    change = Symbol(f"Δ{symbol.name}", l, symbol.index, part=part)
    made: tuple[Expression, ...]
    plain = isinstance(story.rule, SGD) and not story.rule.momentum and story.scale == 1
    if plain and math.isclose(moved, -story.learning_rate * g, rel_tol=1e-3, abs_tol=1e-12):
        made = (
            _minus(Product((Symbol("η"), _by(symbol)))),
            _minus(Product((Number(story.learning_rate), Number(g, part)))),
        )
    else:
        name = Words(rule_name(story.rule))
        made = (Call(name, _by(symbol)), Call(name, Number(g, part)))
    added = Sum((Number(before, part), Number(moved, part)))
    return (
        Equation((change, *made, Number(moved, part))),
        Equation((Words(f"new {kind}"), Sum((symbol, change)), added, Number(after, part))),
    )


def _steps(story: Story) -> tuple[Parameters, Parameters, Parameters]:
    return story.asked.theta, story.after, story.moved


def cost_again(story: Story, C: float) -> Equation:
    """Return how the cost of the example changed."""
    before = float(story.asked.costs[0])
    new, old = Words("new grade"), Words("old grade")
    sides = (Sum((new, _minus(old))), Sum((Number(C), _minus(Number(before)))), Number(C - before))
    return Equation((Symbol("ΔC"), *sides))


def _by(symbol: Symbol) -> Derivative:
    return Derivative(Symbol("C"), symbol)


def _others(products: Array, chosen: Sequence[int]) -> tuple[Expression, ...]:
    """Return what is not listed as one number, and how many products it is of."""
    rest = len(products) - len(chosen)
    if not rest:
        return ()
    value = float(np.delete(products, chosen).sum())
    whose = counted(rest, "other")
    return (Words(f"({said(value)} from {whose})"),)
