"""Gradient decomposition of one weight: ∂C/∂Wˡⱼₖ as a product of local derivatives, to any depth.

    ∂C_x/∂Wˡⱼₖ = ∂zˡⱼ/∂Wˡⱼₖ · ∂aˡⱼ/∂zˡⱼ · ∂C_x/∂aˡⱼ = aˡ⁻¹ₖ · f′(zˡⱼ) · Σ_m Wˡ⁺¹ₘⱼ δˡ⁺¹ₘ
    ∂C/∂Wˡⱼₖ = Σ s ∂C_x/∂Wˡⱼₖ / S + λ₁ sign Wˡⱼₖ + λ₂ Wˡⱼₖ

The value is the gradient that training uses. The terms are products taken one by one: one for each
neuron that the error comes back from, and for a batch one for each example. Nielsen, chapter 2.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import Symbol
from whygrad.answers.names import Names, Ref, by_the_mask, left_out, name_of_weight
from whygrad.answers.parts import Factor, Table, Term
from whygrad.nn import Array, Network, Parameters
from whygrad.why import local, rounding
from whygrad.why.context import Context, ask, at_least_one
from whygrad.why.gradient.unrolled import (
    PENALTIES,
    equations,
    on_paths,
    on_the_way,
    own,
    passed_back,
    picture,
    shared,
)
from whygrad.why.symbols import in_units, shown


def weight(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    layer: int,
    to: int | str,
    from_: int | str | None = None,
    depth: int | None = 1,
    top: int = 10,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
) -> Explanation:
    """Gradient decomposition: take ∂C/∂W of one weight apart by the chain rule.

        ∂C/∂Wˡⱼₖ = aˡ⁻¹ₖ · f′(zˡⱼ) · Σ_m Wˡ⁺¹ₘⱼ δˡ⁺¹ₘ

    for one example; for a batch the weighted mean over its examples, plus the derivatives of the penalties.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters θ.
    X : array-like or sparse matrix, shape (n, n_0)
        The examples, one a row.
    Y : array-like, shape (n, n_L) or (n,)
        Their targets, or class indices.
    layer : int
        The layer l that the weight leads into, 1 to L.
    to : int or str
        The unit j of layer l, by index or name.
    from_ : int, str or None
        The unit k of the layer below; None or "bias" for the bias of j.
    depth : int or None
        How many layers of errors δ are unrolled; None unrolls all of them, up to the output.
    top : int
        How many units are listed, or how many examples of a batch on either side.
    sample_weight : array-like, shape (n,), optional
        Weights s of the examples, with sum S; 1 each by default.
    l1, l2 : float
        Strengths λ₁ and λ₂ of the penalties on weights.
    masks : sequence of arrays, optional
        Factors of dropout by layer, (n, n_l) or None each, as `forward` takes them.
    names : Names, optional
        What inputs, outputs and classes are called.
    products : {None, "bfloat16"}
        What inputs and weights are rounded to where they are multiplied; penalties are of θ itself.

    Returns
    -------
    Explanation
        `value` is ∂C/∂W, the gradient that training uses, in cost per unit of weight. `terms` add up to it:
        one for each unit that the error comes back from, or for each example of a batch. `arrays` has,
        for every example, `sender` (∂z/∂W), `delta` (cost per unit of z), `push` (∂C_x/∂W) and `share`
        (s/S), (n,) each.

    Raises
    ------
    InputError
        For a layer or unit that is not there, and for shapes that do not fit the network.

    See Also
    --------
    paths : The same derivative as a sum over paths.
    pushes : The derivatives of every example, as an array.

    References
    ----------
    Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors. Nature 323.
    Nielsen (2015), Neural Networks and Deep Learning, chapter 2.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
    >>> theta = net.init(W=[None, [[0.0]], [[2.0]]])
    >>> found = weight(net, theta, [[3.0]], [[1.0]], layer=1, to=0, from_=0)
    >>> found.value, [(factor.value, factor.part) for factor in found.terms[0].factors]
    (-6.0, [(3.0, '0:0'), (1.0, '1:0'), (2.0, '2:0,0'), (-1.0, '2:0')])
    """
    context = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names, products)
    return _explain(context, context.names.weight(net, layer, to, from_), depth, top)


def _explain(context: Context, ref: Ref, depth: int | None, top: int) -> Explanation:
    """Answer as `weight` does from a pass that is there already."""
    if left_out(context.net, ref):
        question = f"Why would {ref_name(context, ref)} move?"
        answer = f"{by_the_mask(context.net, context.names, ref)} Nothing moves it."
        return Explanation("weight", question, answer, 0.0, part=ref.part)
    l, j = ref.layer, ref.to
    deepest = context.net.L - l + 1
    top = at_least_one("top", top)
    depth = deepest if depth is None else min(at_least_one("depth", depth), deepest)
    value = gradient(context, ref)
    a, delta, share = local.sender(context, ref), context.delta[l][:, j], context.s / context.S
    push = a * delta
    one = context.n == 1
    chosen = _sides(share * push, top)
    units = on_paths(context, ref, depth + 1, top)
    unrolled = {m: found for m, found in units.items() if m < l + depth}
    pairs = {(m, i) for m, found in unrolled.items() for i in found.tolist()}
    terms = _one(context, ref, top, pairs) if one else _many(context, ref, top, pairs, chosen)
    terms = (*terms, *penalties(context, ref))
    tables = _factors(terms) if one else (_examples(chosen, a, delta, push, share),)
    name = ref_name(context, ref)
    return Explanation(
        kind="weight",
        question=f"Why would {name} move?",
        answer=_answer(context, ref, value, terms),
        value=value,
        terms=terms,
        residuals=_left(context, ref, value, terms),
        equations=equations(context, ref, terms, value, unrolled, top),
        tables=(*tables, on_the_way(context, unrolled)),
        pictures=(picture(context, ref, units, f"What moves {name}"),),
        arrays={"sender": a, "delta": delta, "push": push, "share": share},
        notes=_notes(context, ref),
        part=ref.part,
    )


def _left(context: Context, ref: Ref, value: float, terms: tuple[Term, ...]) -> dict[str, float]:
    """Return the residual by name: rounding within its proven bound, or unexplained."""
    l, j = ref.layer, ref.to
    sent = np.abs(context.s / context.S * local.sender(context, ref))
    size = float(sent @ rounding.error_sizes(context, l, j)) + sizes(penalties(context, ref))
    most = rounding.bound(size, rounding.error_roundings(context, l), context.theta.flat.dtype)
    return rounding.remainder(value - math.fsum(term.value for term in terms), most)


def sizes(terms: Sequence[Term]) -> float:
    """Return Σ |term|."""
    return math.fsum(abs(term.value) for term in terms)


def gradient(context: Context, ref: Ref) -> float:
    """Return the derivative as training takes it."""
    l, j, k = ref.layer, ref.to, ref.from_
    g = context.gradients
    return float(g.db[l][j] if k == "bias" else g.dW[l][j, k])


def ref_name(context: Context, ref: Ref) -> str:
    """Return what a weight is called: "the weight from petal width to hidden 3"."""
    return name_of_weight(context.net, context.names, ref)


def _sides(values: Array, top: int) -> Array:
    """Return the indices of the `top` largest numbers above 0 and of the `top` smallest below, in order.

    >>> _sides(np.array([1.0, -3.0, 2.0, 3.0, 0.0]), 2)
    array([3, 2, 1])
    """
    above, below = np.maximum(values, 0), np.minimum(values, 0)
    chosen = np.concatenate([local.largest(above, top), local.largest(below, top)[::-1]])
    return chosen[values[chosen] * np.repeat([1, -1], len(chosen) // 2) > 0]


def penalties(context: Context, ref: Ref) -> tuple[Term, ...]:
    """Return the derivative of each penalty as a term of its own; biases are not penalised."""
    if ref.from_ == "bias":
        return ()
    w = float(context.stored.W[ref.layer][ref.to, ref.from_])
    symbol = Symbol("W", ref.layer, (ref.to, ref.from_), part=ref.part)  # type: ignore[arg-type]
    kinds = (
        ("λ₁", context.l1, Symbol("sign W", ref.layer, symbol.index), np.sign(w)),
        ("λ₂", context.l2, symbol, w),
    )
    terms = []
    for name, (letter, strength, slope, number) in zip(PENALTIES, kinds, strict=True):
        if strength:
            meanings = f"how strong the {name} is", f"which way it grows at w = {shown(w)}"
            factors = (
                Factor(Symbol(letter), float(strength), meanings[0]),
                Factor(slope, float(number), meanings[1], ref.part),
            )
            terms.append(Term(name, float(strength * number), factors, ref.part))
    return tuple(terms)


def _one(context: Context, ref: Ref, top: int, unroll: set[tuple[int, int]]) -> tuple[Term, ...]:
    """Return a term for each neuron that the error of the receiver comes back from."""
    first = [local.sender_factor(context, 0, ref)]
    share = float(context.s[0] / context.S)
    if share != 1:
        first.insert(0, local.share_factor(share))
    terms = local.error_terms(context, 0, ref.layer, ref.to, top, unroll)
    return tuple(_times(first, term) for term in terms)


def _many(
    context: Context, ref: Ref, top: int, unroll: set[tuple[int, int]], chosen: Array
) -> tuple[Term, ...]:
    """Return a term for each of the chosen examples, and one for all others."""
    l, j = ref.layer, ref.to
    share = context.s.astype(np.float64) / context.S
    values = share * local.sender(context, ref) * context.delta[l][:, j]
    terms = []
    for i in chosen.tolist():
        error = local.error_factor(context, i, l, j, top, set(unroll))
        factors = (local.share_factor(float(share[i])), local.sender_factor(context, i, ref), error)
        product = math.prod(factor.value for factor in factors)
        terms.append(Term(f"example {i}", product, factors, ref.part))
    others = context.n - len(chosen)
    if others:
        name = f"{others:,} other {'example' if others == 1 else 'examples'}"
        terms.append(Term(name, float(np.delete(values, chosen).sum())))
    return tuple(terms)


def _times(first: list[Factor], term: Term) -> Term:
    factors = (*first, *term.factors)
    return replace(term, factors=factors, value=math.prod(factor.value for factor in factors))


def _factors(terms: tuple[Term, ...]) -> tuple[Table, ...]:
    """List the factors of one example, and where the last of them is a sum, its terms."""
    summed, count = own(terms), shared(own(terms))
    columns = ("what it is", "number")
    if not count:
        return ()  # one term, whose factors are all there is
    found = summed[0].factors[:count]
    rows = tuple((factor.meaning, factor.value) for factor in found)
    rows = (*rows, ("what is passed back from above", passed_back(summed)))
    lines = tuple(
        (term.name.removeprefix("through "), *_pair(term.factors[count:]), term.value)
        for term in summed
    )
    return (
        Table("The factors", columns, rows, (*(factor.part for factor in found), "")),
        Table(
            "What is passed back from above",
            ("where from", "weight or slope", "error", "product", "its part of the derivative"),
            lines,
            tuple(term.part for term in summed),
        ),
    )


def _pair(factors: tuple[Factor, ...]) -> tuple[float | None, float | None, float]:
    """Return two factors and their product; only the product of what is gathered."""
    values = [factor.value for factor in factors]
    return (*((values[0], values[1]) if len(values) > 1 else (None, None)), math.prod(values))


def _examples(chosen: Any, a: Array, delta: Array, push: Array, share: Array) -> Table:
    columns = ("example", "its part of the mean", "sender's activity", "receiver's error", "push")
    rows = tuple(
        (i, float(share[i] * push[i]), float(a[i]), float(delta[i]), float(push[i]))
        for i in chosen.tolist()
    )
    return Table("The examples that push it most, either way", columns, rows)


def _answer(context: Context, ref: Ref, value: float, terms: tuple[Term, ...]) -> str:
    what = "bias" if ref.from_ == "bias" else "weight"
    slope = f"The cost changes by {shown(value)} per unit of this {what}"
    if value == 0:
        return f"Nothing moves it: {_idle(context, ref)}."
    step = f"{slope}, so a step of gradient descent {'lowers' if value > 0 else 'raises'} it."
    extra = [term.value for term in penalties(context, ref)]
    if context.n == 1:
        error = float(context.delta[ref.layer][0, ref.to])
        sent = float(local.sender(context, ref)[0])
        to = context.names.of(context.net, ref.layer, ref.to)
        more = f" Penalties add {shown(math.fsum(extra))}." if extra else ""
        sent_said = shown(sent)
        if _standardised(context, ref):
            own = in_units(context.net, context.names, 0, int(ref.from_), sent)  # type: ignore[arg-type]
            sent_said = f"{own}, standardised {sent_said}"
        return (
            f"{step} The sender gives {sent_said}, and the error of {to} is {shown(error)}.{more}"
        )
    ups = [term.name for term in terms if term.name.startswith("example") and term.value > 0]
    downs = [term.name for term in terms if term.name.startswith("example") and term.value < 0]
    most = (
        f"{ups[0]} alone would lower it most" if ups else "",
        f"{downs[-1]} alone would raise it most" if downs else "",
    )
    said = " and ".join(filter(None, most)) or "none of them moves it"
    more = f", and penalties add {shown(math.fsum(extra))}" if extra else ""
    return f"{step} It is the mean over {context.n:,} examples{more}; {said}."


def _standardised(context: Context, ref: Ref) -> bool:
    """Return whether the sender is a column that the network has standardised."""
    if ref.layer > 1 or ref.from_ == "bias":
        return False
    return context.names.standardised(context.net, int(ref.from_))  # type: ignore[arg-type]


def _idle(context: Context, ref: Ref) -> str:
    """Return a phrase that says which factor is 0."""
    if not local.sender(context, ref).any():
        return "its sender gives nothing"
    if not context.delta[ref.layer][:, ref.to].any():
        return f"{context.names.of(context.net, ref.layer, ref.to)} has no error"
    return "the pushes cancel out"


def _notes(context: Context, ref: Ref) -> tuple[str, ...]:
    notes = ["Exact: the terms add up to the gradient that training uses, to rounding."]
    if context.n > 1:
        notes.append("A push is ∂C_x/∂W of one example; its part of the mean is s/S times that.")
    return tuple(notes)
