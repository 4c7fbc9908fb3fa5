"""A derivative written out: its equations in symbols and in numbers, the units on the way, the picture.

    ∂C/∂Wˡⱼₖ = ∂zˡⱼ/∂Wˡⱼₖ · ∂aˡⱼ/∂zˡⱼ · ∂C/∂aˡⱼ
             = aˡ⁻¹ₖ · f′(zˡⱼ) · (Wˡ⁺¹₀ⱼ δˡ⁺¹₀ + Wˡ⁺¹₁ⱼ δˡ⁺¹₁ + …)

Unrolled layers follow, one equation for each error; every unit is written out once, however many paths meet
there, so that the length grows with the layers and not with the paths.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Expression,
    Number,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)
from whygrad.answers.names import Names, Ref
from whygrad.answers.parts import Factor, Table, Term
from whygrad.answers.pictures import NetworkPicture
from whygrad.nn import Array, Network, Parameters, dense
from whygrad.why import local, symbols
from whygrad.why.context import Context
from whygrad.why.symbols import LISTED

Written = Callable[[Factor], Expression]

PENALTIES = ("L1 penalty", "L2 penalty")  # the terms of theirs, whatever units are called


def equations(
    context: Context,
    ref: Ref,
    terms: tuple[Term, ...],
    value: float,
    units: dict[int, Array],
    top: int,
) -> tuple[Equation, ...]:
    """Write the derivative of one example out, and `units` in turn; for a batch, the mean that it is."""
    if context.n > 1:
        return (_mean(ref, terms, value, context.n),)
    net, l, j = context.net, ref.layer, ref.to
    weight, C = symbols.parameter(ref), Symbol("C")
    z, a = symbols.unit("z", l, j), symbols.unit("a", l, j)
    chain: tuple[Expression, ...] = (Derivative(z, weight), Derivative(a, z), Derivative(C, a))
    if l == net.L and (local.cancels(context) or net.f[l].custom_vjp is not None):
        chain = (Derivative(z, weight), Derivative(C, z))
    sides = [_plus(Product(chain), terms, _symbol)]
    if l < net.L:
        sides.append(_summed(ref, terms))
    count = net.sizes[min(l + 1, net.L)]
    sides.append(_sides(terms, _symbol, count))
    if l == net.L and local.cancels(context):
        sides.append(_sides(terms, _against_target(context, j), count))
    sides.append(_sides(terms, _number, count))
    if len(own(terms)) > 1:
        sides.append(_multiplied(terms))
    main = Equation((Derivative(C, weight), *sides, Number(value, ref.part)), ref.part)
    written = [(m, i) for m, chosen in units.items() for i in chosen.tolist()]
    errors = [_error(context, m, i, top) for m, i in written if m > l]
    forward = [line for m, i in written for line in _forward(context, m, i)]
    return (main, *errors, *forward, *(_cost(context) if net.L in units else ()))


def on_paths(context: Context, ref: Ref, depth: int, top: int) -> dict[int, Array]:
    """Return the units of `depth` layers that it is written with: the receiver, and `top` of each above.

    What counts is how much of the derivative passes through a unit, on the mean of |…| over the examples.
    """
    l, j, W = ref.layer, ref.to, context.theta.W
    found = {l: np.array([j])}
    moved = None
    for m in range(l + 1, min(l + depth, context.net.L + 1)):
        if moved is None:
            moved = local.slopes_of(context, l, j)[:, None] * W[m][:, j]
        else:
            mask, slopes = local.masking(context, m - 1), local.slopes(context, m - 1)
            moved = (moved * (slopes if mask is None else slopes * mask)) @ W[m].T
        found[m] = np.sort(local.largest(np.abs(moved * context.delta[m]).mean(axis=0), top))
    return found


def on_the_way(context: Context, units: dict[int, Array]) -> Table:
    """List z, a and δ of units; for a batch their means."""
    rows, parts = [], []
    for m, chosen in units.items():
        for i in chosen.tolist():
            numbers = [
                part[m][:, i].mean() for part in (context.trace.z, context.trace.a, context.delta)
            ]
            rows.append(
                (context.names.of(context.net, m, i), *(float(number) for number in numbers))
            )
            parts.append(Ref(m, i).part)
    title = "The units on the way" if context.n == 1 else "The units on the way, means"
    columns = ("unit", "z", "activity a", "error δ")
    return Table(title, columns, tuple(rows), tuple(parts))


def picture(context: Context, ref: Ref, units: dict[int, Array], title: str) -> NetworkPicture:
    """Draw the network with the weight, and the units that its derivative is written with, standing out."""
    net, l, j = context.net, ref.layer, ref.to
    marked = [ref.part, Ref(l, j).part]
    if ref.from_ != "bias":
        marked.append(Ref(l - 1, int(ref.from_)).part)  # type: ignore[arg-type]
    for m in range(l + 1, l + len(units)):
        above, below = units[m].tolist(), units[m - 1].tolist()
        marked += [Ref(m, i).part for i in above]
        marked += [Ref(m, i, k).part for i in above for k in below]
    target = context.y[0] if context.n == 1 else None
    a, names = context.trace.a, context.names
    return activities(net, context.theta, a, names, title, tuple(marked), target)


def _symbol(factor: Factor) -> Expression:
    return factor.symbol


def _number(factor: Factor) -> Expression:
    return Number(factor.value, factor.part)


def _against_target(context: Context, j: int) -> Written:
    """Write the error of an output as a − y in numbers, every other factor as its number."""
    a, y = float(context.trace.a[context.net.L][0, j]), float(context.y[0, j])
    part = Ref(context.net.L, j).part
    error = Sum((Number(a, part), Product((Number(-1.0), Number(y, part)))))
    return lambda factor: error if isinstance(factor.symbol, Sum) else _number(factor)


def shared(terms: tuple[Term, ...]) -> int:
    """Count the factors that all terms begin with; 0 where there is but one term."""
    count = 0
    if len(terms) > 1:
        for column in zip(*(term.factors for term in terms), strict=False):
            if any(factor.symbol != column[0].symbol for factor in column):
                break
            count += 1
    return count


def own(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return the terms without the penalties."""
    return tuple(term for term in terms if term.name not in PENALTIES)


def passed_back(terms: tuple[Term, ...]) -> float:
    """Return the sum of what is left of the terms without the factors that all of them begin with."""
    return passed_back_by(terms, shared(terms))


def passed_back_by(terms: Sequence[Term], start: int) -> float:
    """Return the sum of what is left of some terms without their first factors."""
    return math.fsum(math.prod(factor.value for factor in t.factors[start:]) for t in terms)


def _sides(terms: tuple[Term, ...], write: Written, count: int) -> Expression:
    """Write terms with what all of them begin with taken out: a · f′ · (W δ + W δ + …) + penalties.

    Of `count` terms the largest are written out, and the others are one number.
    """
    summed = own(terms)
    start = shared(summed)
    first = [write(factor) for factor in summed[0].factors[:start]]
    listed = [term for term in summed if not isinstance(term.factors[-1].symbol, Words)][:LISTED]
    inner = [product([write(factor) for factor in term.factors[start:]]) for term in listed]
    if len(listed) < len(summed):
        rest = passed_back(summed) - passed_back_by(listed, start)
        name = symbols.others(count - len(listed))
        inner.append(Words(name) if write is _symbol else Number(rest, of=name))
    return _plus(
        product([*first, inner[0] if len(inner) == 1 else Sum(tuple(inner))]), terms, write
    )


def _multiplied(terms: tuple[Term, ...]) -> Expression:
    """Write the numbers of what all terms begin with, times what is passed back."""
    summed = own(terms)
    first = [_number(factor) for factor in summed[0].factors[: shared(summed)]]
    return _plus(product([*first, Number(passed_back(summed))]), terms, _number)


def _summed(ref: Ref, terms: tuple[Term, ...]) -> Expression:
    """Write a · f′ · Σ_m W δ."""
    l, j = ref.layer, ref.to
    body = Product((Symbol("W", l + 1, ("m", j)), Symbol("δ", l + 1, ("m",))))
    first = [factor.symbol for factor in own(terms)[0].factors[:-2]]
    return _plus(Product((*first, SumOver("m", body))), terms, _symbol)


def _plus(first: Expression, terms: tuple[Term, ...], write: Written) -> Expression:
    extra = terms[len(own(terms)) :]
    if not extra:
        return first
    return Sum((first, *(product([write(factor) for factor in term.factors]) for term in extra)))


def product(factors: list[Expression]) -> Expression:
    """Multiply; a single factor stands by itself, and a product among the factors is no bracket."""
    flat: list[Expression] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Product) and not factor.part else [factor]
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _error(context: Context, l: int, j: int, top: int) -> Equation:
    """Write δˡⱼ = f′(zˡⱼ) · (W δ + …) = numbers = number."""
    terms = local.error_terms(context, 0, l, j, top)
    symbol, value = symbols.unit("δ", l, j), float(context.delta[l][0, j])
    at_output = l == context.net.L and local.cancels(context)
    numbers = _against_target(context, j) if at_output else _number
    count = context.net.sizes[min(l + 1, context.net.L)]
    written = (_sides(terms, _symbol, count), _sides(terms, numbers, count))
    return Equation((symbol, *written, Number(value, symbol.part)), symbol.part)


def _forward(context: Context, l: int, j: int) -> Iterator[Equation]:
    """Write zˡⱼ = Σ W a + b and aˡⱼ = f(zˡⱼ), in symbols and in numbers."""
    W, b, below = context.theta.W[l][j], float(context.theta.b[l][j]), context.trace.a[l - 1][[0]]
    a = dense(below)[0]
    values = W.astype(np.float64) * a
    listed = np.sort(local.largest(values, LISTED))
    z, active = symbols.unit("z", l, j), symbols.unit("a", l, j)
    letters: list[Expression] = []
    numbers: list[Expression] = []
    for k in listed.tolist():
        w = symbols.weight(l, j, k)
        letters.append(Product((w, symbols.unit("a", l - 1, k))))
        part = Ref(l - 1, k).part
        numbers.append(Product((Number(float(W[k]), w.part), Number(float(a[k]), part))))
    if len(listed) < len(values):
        name = symbols.others(len(values) - len(listed))
        letters.append(Words(name))
        numbers.append(Number(float(np.delete(values, listed).sum()), of=name))
    bias = Ref(l, j, "bias").part
    letters.append(Symbol("b", l, (j,), part=bias))
    numbers.append(Number(b, bias))
    reached = Number(float(context.trace.z[l][0, j]), z.part)
    yield Equation((z, Sum(tuple(letters)), Sum(tuple(numbers)), reached), z.part)
    name = context.net.f[l].name
    if context.net.f[l].custom_vjp is not None:
        sides: list[Expression] = [Words(f"{name} of all z of layer {l}")]
    else:
        sides = [Call(Words(name), z), Call(Words(name), reached)]
        mask = local.masking(context, l)
        if mask is not None:
            kept = Number(float(mask[0, j]))
            sides = [Product((sides[0], symbols.unit("μ", l, j))), Product((sides[1], kept))]
    yield Equation(
        (active, *sides, Number(float(context.trace.a[l][0, j]), active.part)), active.part
    )


def _cost(context: Context) -> list[Equation]:
    """Write what the cost is of one example."""
    name = f"{context.net.C.name} of outputs and targets"
    return [Equation((Symbol("C"), Words(name), Number(float(context.costs[0]))))]


def _mean(ref: Ref, terms: tuple[Term, ...], value: float, n: int) -> Equation:
    """Write the weighted mean over the examples, then its terms as numbers."""
    l, j, k = ref.layer, ref.to, ref.from_
    factors: list[Expression] = [symbols.share("i")]
    if k != "bias":
        factors.append(Symbol("a", l - 1, ("i", k)))  # type: ignore[arg-type]
    body = Product((*factors, Symbol("δ", l, ("i", j))))
    summed, extra = own(terms), terms[len(own(terms)) :]
    single = sorted((t for t in summed if t.factors), key=lambda term: -abs(term.value))
    listed = single[:LISTED]
    left = math.fsum(term.value for term in summed if not term.factors)
    numbers = symbols.summed_up([(term.value, term.part) for term in single], n, left)
    words = [Words(symbols.others(n - len(listed)))] if n > len(listed) else []
    sides = (
        _plus(SumOver("i", body), terms, _symbol),
        Sum(
            (
                *(Words(term.name, term.part) for term in listed),
                *words,
                *(Words(t.name) for t in extra),
            )
        ),
        Sum((*numbers, *(Number(term.value, term.part) for term in extra))),
        Number(value, ref.part),
    )
    return Equation((Derivative(Symbol("C"), symbols.parameter(ref)), *sides), ref.part)


def activities(
    net: Network,
    theta: Parameters,
    a: Sequence[Any],
    names: Names,
    title: str,
    marked: tuple[str, ...] = (),
    targets: Any = None,
) -> NetworkPicture:
    """Draw the mean activity of every unit, from a[l] of shape (n, n_l), and every weight and bias.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> activities(net, net.init(), (x, x[:, :1]), Names(), "both").units[0]
    array([2., 3.])
    """
    return NetworkPicture(
        title,
        units=tuple(np.asarray(one.mean(axis=0)).reshape(-1) for one in a),
        edges=theta.W,
        names=names.layers(net),
        unit_meaning="activity" if a[0].shape[0] == 1 else "mean activity",
        edge_meaning="weight",
        marked=marked,
        image=names.image,
        kept=net.kept,
        own=names.own_means(net, a),
        biases=theta.b,
        targets=targets,
    )
