"""Sensitivity and what-if: the effect of a small change of a weight, bias or input, beside its first order.

    Δzˡⱼ = Δw aˡ⁻¹ₖ,  Δaˡ ≈ f′(zˡ) ⊙ Δzˡ,  Δzˡ⁺¹ ≈ Wˡ⁺¹ Δaˡ,  ΔC ≈ ∂C/∂w Δw

The gap is what the slopes do not know of: that they change on the way, and that a ReLU may flip.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import (
    Derivative,
    Equation,
    Expression,
    Number,
    Product,
    Sum,
    Symbol,
    Words,
)
from whygrad.answers.formatting import number
from whygrad.answers.names import Names, Ref, by_the_mask, left_out, names_of
from whygrad.answers.parts import Table, Term
from whygrad.answers.pictures import CurvePicture, Line, NetworkPicture
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters
from whygrad.why import symbols
from whygrad.why.context import Context, ask
from whygrad.why.symbols import over, shown, shown_apart, signed
from whygrad.why.what_if.perturbation import Perturbation, kinked

REACH = 2  # times `by`, to either side: how far the curve goes
POINTS, FEW = 41, 9  # of the curve; few where a pass is long
MOST = 3  # of the neurons that flip: more are only counted
ROUNDING = 1e-12
LONG = 3 * 10**6  # numbers in a pass: more is long


def ripple(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    layer: int | None = None,
    to: int | str | None = None,
    from_: int | str | None = None,
    input: int | str | None = None,
    by: float = 0.1,
    top: int = 10,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
) -> Explanation:
    """Sensitivity and what-if: move a weight, bias or input, and compare the true effect with first order.

        Δzˡⱼ = Δw aˡ⁻¹ₖ,  Δaˡ ≈ f′(zˡ) ⊙ Δzˡ,  Δzˡ⁺¹ ≈ Wˡ⁺¹ Δaˡ,  ΔC ≈ ∂C/∂w Δw

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
    layer, to, from_ : int or str, optional
        The weight into unit `to` of `layer` from unit `from_` below; without `from_` the bias of `to`.
    input : int or str, optional
        An input, in place of a weight.
    by : float
        The step Δw or Δx, in units of the weight or input; not 0.
    top : int
        How many rows each table lists.
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
        `value` is the true change of the cost. `terms` are its first order, Σ_m ∂C/∂zᴸₘ Δzᴸₘ by output and
        the penalties', and the residual "beyond first order" is what that misses. `arrays` holds, by layer,
        `dz`, `da` and `dz_first_order`, `da_first_order`, (n, n_l); `gap` (n_l,), the mean |true − first
        order| of a; `flips`, rows (example, layer, unit) of every kink that is crossed; `steps` and
        `costs`, the curve of C; `slope`. Of the weight's own layer they hold its unit alone.

    Raises
    ------
    InputError
        For a weight, bias or input that is not there, and for a step that is not a finite number.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(1, [Dense(1, "identity")])
    >>> found = ripple(net, net.init(W=[None, [[2.0]]]), [[1.0]], [[1.0]], layer=1, to=0, from_=0, by=0.5)
    >>> found.value, found.terms[0].value, found.residuals
    (0.625, 0.5, {'beyond first order': 0.125})
    """
    names = names_of(net, names)
    ref = _ref_of(net, names, layer, to, from_, input)
    step = _step(by)
    context = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names, products)
    moved = Perturbation(context, ref)
    with np.errstate(over="ignore", invalid="ignore"):  # a large step may leave what exp can hold
        return _answer(moved, step, top)


def _answer(moved: Perturbation, by: float, top: int) -> Explanation:
    context, ref = moved.context, moved.ref
    L, s = context.net.L, context.s / context.S
    z, a = moved.exact_perturbation(np.array([by], context.theta.flat.dtype))
    penalty = float(moved.penalty(np.array([by]))[0])
    value = float(moved.cost_changes(z, a)[0] @ s) + penalty
    dz1, da1 = moved.first_order(by)
    layers = range(moved.lowest, L + 1)
    none: list[Any] = [None] * moved.lowest
    dz: list[Any] = [*none, *(z[l] - moved.before(l)[0] for l in layers)]
    da: list[Any] = [*none, *(a[l] - moved.before(l)[1] for l in layers)]
    gap = (*none, *(s @ abs(da[l] - da1[l]) for l in layers))
    terms = _terms(moved, by, s @ (context.delta[L] * dz1[L]))
    first = float(np.sum([term.value for term in terms]))
    flips = _flips(moved, z)
    steps, costs = _curve(moved, by)
    slope = first / by
    return Explanation(
        kind="ripple",
        question=f"What happens if {_what(context, ref)} is moved by {_by(context, ref, by)}?",
        answer=_words(moved, by, value, first, flips),
        value=value,
        terms=terms,
        residuals={"beyond first order": value - first},
        equations=_equations(moved, by, slope, first, value),
        tables=_tables(moved, (dz, da, dz1, da1), flips, z, top),
        pictures=(
            CurvePicture(
                title=f"The cost as {_short(context, ref)} moves",
                x_label=_letter(ref) + (", standardised" if _standardised(context, ref) else ""),
                y_label=f"cost, {over(context.n)}",
                x=steps,
                lines=(
                    Line("cost", costs),
                    Line("tangent", context.cost + slope * steps, dashed=True),
                ),
                marks=(
                    (0.0, context.cost, "now"),
                    (by, context.cost + value, f"moved by {shown(by)}"),
                ),
            ),
            _picture(moved, da, s),
        ),
        arrays={
            "dz": tuple(dz),
            "da": tuple(da),
            "dz_first_order": tuple(dz1),
            "da_first_order": tuple(da1),
            "gap": gap,
            "flips": flips,
            "steps": steps,
            "costs": costs,
            "slope": slope,
        },
        notes=_notes(moved, by, a),
        part=ref.part,
    )


def _ref_of(net: Network, names: Names, layer: Any, to: Any, from_: Any, input: Any) -> Ref:
    if input is not None:
        if layer is not None or to is not None or from_ is not None:
            raise InputError(
                "either an input or a weight moves: give input=, or layer=, to=, from_="
            )
        return Ref(0, names.find(net, 0, input))
    if layer is None or to is None:
        raise InputError("what is to move? Give layer=, to=, from_= of a weight or bias, or input=")
    ref = names.weight(net, layer, to, from_)
    if left_out(net, ref):
        raise InputError(
            f"{by_the_mask(net, names, ref)} It cannot be moved: ask about another weight"
        )
    return ref


def _step(by: Any) -> float:
    number = isinstance(by, int | float | np.number) and not isinstance(by, bool)
    if not number or not np.isfinite(by) or by == 0:
        raise InputError(f"by is {by!r}: it must be a finite number other than 0")
    return float(by)


def _terms(moved: Perturbation, by: float, through: Array) -> tuple[Term, ...]:
    """Return the first order of ΔC by output, and the penalties' part."""
    context, L = moved.context, moved.context.net.L
    outputs = context.names.said(context.net, L)
    terms = [
        Term(f"through {name}", float(value), part=Ref(L, m).part)
        for m, (name, value) in enumerate(zip(outputs, through, strict=True))
    ]
    if context.l1 or context.l2:
        terms.append(Term("penalties", moved.penalty_slope * by, part=moved.ref.part))
    return tuple(terms)


def _flips(moved: Perturbation, z: Sequence[Any]) -> Array:
    """List (example, layer, unit) of every kink that is crossed."""
    net, found = moved.context.net, []
    for l in range(moved.lowest, net.L + 1):
        if kinked(net.f[l]):
            units = np.array(moved.units(l))
            i, j = np.nonzero((moved.before(l)[0] > 0) != (z[l] > 0))
            found.append(np.column_stack([i, np.full(len(i), l), units[j]]))
    return np.concatenate(found) if found else np.zeros((0, 3), int)


def _curve(moved: Perturbation, by: float) -> tuple[Array, Array]:
    """Return the steps and the cost at each of them; `by` itself is among them."""
    context = moved.context
    long = context.n * sum(context.net.sizes[moved.lowest + 1 :]) * POINTS > LONG
    steps = np.linspace(-REACH, REACH, FEW if long else POINTS) * abs(by)
    changes = moved.costs(steps.astype(context.theta.flat.dtype))
    return steps, context.cost + changes


def _tables(
    moved: Perturbation, changes: tuple[list[Any], ...], flips: Array, z: Sequence[Any], top: int
) -> tuple[Table, ...]:
    context, (dz, da, dz1, da1) = moved.context, changes
    net, names, s = context.net, context.names, context.s / context.S
    columns = ("neuron", "Δz", "predicted Δz", "Δa", "predicted Δa", "gap of a")
    tables = []
    for l in range(moved.lowest, net.L + 1):
        units = moved.units(l)
        sizes = s @ abs(da[l])
        order = np.argsort(-sizes, kind="stable")[:top]
        gap = s @ abs(da[l] - da1[l])
        gap = np.where(gap <= ROUNDING * sizes, 0.0, gap)  # what rounding leaves is none
        means = [s @ change[l] for change in (dz, dz1, da, da1)] + [gap]
        rows = [(names.of(net, l, units[c]), *(float(mean[c]) for mean in means)) for c in order]
        parts = tuple(Ref(l, units[c]).part for c in order)
        title = f"What moves in layer {l}" + ("" if l < net.L else ", the output")
        tables.append(Table(title, columns, tuple(rows), parts))
    if len(flips):
        seen = []
        for i, l, j in flips[: 2 * top].tolist():
            column = 0 if len(moved.units(l)) == 1 else j
            before, after = context.trace.z[l][i, j], z[l][i, column]
            seen.append((i, names.of(net, l, j), float(before), float(after)))
        parts = tuple(Ref(l, j).part for _, l, j in flips[: 2 * top].tolist())
        title = f"Kinks crossed: {len(flips):,}"
        tables.append(
            Table(title, ("example", "neuron", "z before", "z after"), tuple(seen), parts)
        )
    return tuple(tables)


def _picture(moved: Perturbation, da: list[Any], s: Array) -> NetworkPicture:
    """Draw the mean change of every activation, and what of it every connection passes on."""
    context, ref = moved.context, moved.ref
    net, names, W = context.net, context.names, context.theta.W
    units = [np.zeros(size) for size in net.sizes]
    for l in range(moved.lowest, net.L + 1):
        units[l][moved.units(l)] = s @ da[l]
    if ref.layer == 0:
        units[0][ref.to] = 1.0
    edges: list[Any] = [None]
    for l in range(1, net.L + 1):
        edges.append(W[l] * units[l - 1])
    return NetworkPicture(
        title=f"What moves with {_short(context, ref)}",
        units=tuple(units),
        edges=tuple(edges),
        names=names.layers(net),
        unit_meaning=f"change of activation, {over(context.n)}",
        edge_meaning="change passed on",
        marked=(ref.part,),
        image=names.image,
        kept=net.kept,
    )


def _equations(
    moved: Perturbation, by: float, slope: float, first: float, value: float
) -> tuple[Equation, ...]:
    ref = moved.ref
    x = Symbol("x", None, (ref.to,), part=ref.part)
    w = x if ref.layer == 0 else symbols.parameter(ref)
    change = Symbol("ΔC")
    step = Symbol(_letter(ref))
    general: tuple[Expression, ...] = (Derivative(Symbol("C"), w), step)
    beyond = Words("beyond first order")
    arrays = Sum((Product((Number(slope), Number(by))), Number(value - first)))
    return (
        Equation((change, Sum((Product(general), beyond)))),
        Equation((change, arrays, Sum((Number(first), Number(value - first))), Number(value))),
    )


def _words(moved: Perturbation, by: float, value: float, first: float, flips: Array) -> str:
    context, ref = moved.context, moved.ref
    C = context.cost
    verb = "falls" if value < 0 else "rises"
    before, after = shown_apart(C, C + value)
    answer = f"The cost {verb} from {before} to {after}, by {shown(abs(value))}, {over(context.n)}"
    if value == 0:
        answer = f"The cost stays at {shown(C)} {over(context.n)}"
    if ref.layer:
        answer += f", as the weight goes from {shown(moved.value)} to {shown(moved.value + by)}"
        if ref.from_ == "bias":
            answer = answer.replace("as the weight", "as the bias")
    answer += f". First order says {signed(first)}"
    near = abs(value - first) <= ROUNDING * max(abs(value), abs(first))
    answer += ", and is right." if near else f", {shown(abs(value - first))} off."
    return answer + _flipped(moved, flips)


def _flipped(moved: Perturbation, flips: Array) -> str:
    """Return a sentence on the units that flip, those that do so in most examples first."""
    if not len(flips):
        return ""
    context, n = moved.context, len(flips)
    units, counts = np.unique(flips[:, 1:], axis=0, return_counts=True)
    said = []
    for at in np.argsort(-counts, kind="stable")[:MOST]:
        l, j = units[at].tolist()
        rows = flips[(flips[:, 1:] == (l, j)).all(axis=1), 0]
        on = int((context.trace.z[l][rows, j] <= 0).sum())
        ways = [("on", on), ("off", int(counts[at]) - on)]
        count = [f"{way} {times:,} times" for way, times in ways if times]
        turns = next(way for way, times in ways if times) if context.n == 1 else " and ".join(count)
        said.append(f"{context.names.of(context.net, l, j)} turns {turns}")
    others = len(units) - len(said)
    more = f"; so {_do(others)}" if others else ""
    kinks = "1 kink is" if n == 1 else f"{n:,} kinks are"
    return f" {kinks} crossed: {', '.join(said)}{more}.".replace(" 1 times", " once")


def _do(others: int) -> str:
    return "does 1 other neuron" if others == 1 else f"do {others:,} other neurons"


def _notes(moved: Perturbation, by: float, a: Sequence[Any]) -> tuple[str, ...]:
    context = moved.context
    notes = [
        "True changes are those of a pass with the number moved; the predicted ones, of first order, are "
        "slopes times the step. The gap is the mean of |Δa − predicted Δa| over the examples.",
        *context.of_penalties,
    ]
    if context.net.C.name == "absolute_error":
        old, new = context.trace.a[-1] - context.y, a[-1] - context.y
        n = int((np.sign(old) != np.sign(new)).sum())
        if n:
            cross = "1 output crosses" if n == 1 else f"{n:,} outputs cross"
            notes.append(f"absolute_error has a kink at a = y: {cross} it.")
    at_zero = moved.ref.layer and moved.value * (moved.value + by) < 0
    if context.l1 and moved.ref.from_ != "bias" and at_zero:
        notes.append("The weight crosses 0, where the penalty λ₁ |w| has its kink.")
    return tuple(notes)


def _by(context: Context, ref: Ref, by: float) -> str:
    """Format the step; of a standardised input in the units of its column as well."""
    if not _standardised(context, ref):
        return shown(by)
    scale = context.names.scale(context.net, 0, ref.to)[1]
    return f"{number(by * scale)}, {shown(by)} standard deviations"


def _standardised(context: Context, ref: Ref) -> bool:
    """Return whether an input moves that the network has standardised."""
    return not ref.layer and context.names.standardised(context.net, ref.to)


def _letter(ref: Ref) -> str:
    return "Δx" if ref.layer == 0 else "Δb" if ref.from_ == "bias" else "Δw"


def _what(context: Context, ref: Ref) -> str:
    kind = "the input " if ref.layer == 0 else "" if ref.from_ == "bias" else "the weight "
    return f"{kind}{_short(context, ref)}"


def _short(context: Context, ref: Ref) -> str:
    return symbols.short(context.net, context.names, ref)
