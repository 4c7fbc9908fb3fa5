"""Ablation of a neuron: the network without it, what it responds to, and what it adds to the outputs.

    aˡⱼ = f(Σ_k Wˡⱼₖ aˡ⁻¹ₖ + bˡⱼ),   worth = C|aˡⱼ=0 − C

What it adds to the outputs is exact, by a pass with its activity set to 0; its average effect of first
order, ∂zᴸ/∂aˡⱼ, stands beside it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.classes import classes, classifies
from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import (
    Call,
    Equation,
    Expression,
    Number,
    Product,
    Sum,
    SumOver,
    Symbol,
    Words,
)
from whygrad.answers.formatting import Share, cell
from whygrad.answers.formatting import share as written_share
from whygrad.answers.names import AS_IT_IS, Names, Ref, check_layer, names_of
from whygrad.answers.parts import Table, Term
from whygrad.answers.pictures import BarPicture, ImagePicture, Picture
from whygrad.nn import Array, Network, Parameters, Trace, dense, example_costs
from whygrad.why import rounding, symbols
from whygrad.why.choosing import classes_said
from whygrad.why.context import Context, ask, at_least_one
from whygrad.why.passing import forward_from, jvp, mask_of
from whygrad.why.symbols import in_units, over, shown, shown_apart

BARS = 20  # weights in a picture: of more the largest


def neuron(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    layer: int,
    unit: int | str,
    top: int = 8,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
) -> Explanation:
    """Ablation: measure what the network is without one unit, and show what that unit responds to.

        worth = C|aˡⱼ=0 − C

    Nothing else is changed, and nothing is trained again.

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
        The layer l of the unit, 0 (an input, which is set to 0) to L.
    unit : int or str
        The unit j, by index or name.
    top : int
        How many weights and examples are listed.
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
        `value` is by how much the cost rises without the unit, None for an output, which the cost needs.
        `terms` split it by class, or by example. `arrays` holds `activity` (n,), `strongest` (indices of
        the examples that activate it most), `weights` (n_{l-1},) and `bias`, `outgoing` (n_{l+1},),
        `effect_z` and `effect_a` (n, n_L), what it adds to the outputs, `slopes` (n, n_L), ∂zᴸ/∂a, and
        `score`, `score_without` (accuracy or R²).

    Raises
    ------
    InputError
        For a layer or unit that is not there, and for shapes that do not fit the network.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(1, [Dense(1, "relu"), Dense(1, "identity")])
    >>> theta = net.init(W=[None, [[1.0]], [[2.0]]])
    >>> found = neuron(net, theta, [[1.0], [-1.0]], [[2.0], [0.0]], layer=1, unit=0)
    >>> found.value, found["effect_z"].ravel().tolist(), found["score_without"]
    (1.0, [2.0, 0.0], -1.0)
    """
    names = names_of(net, names)
    l = check_layer(net, layer, lowest=0)
    j = names.find(net, l, unit)
    top = at_least_one("top", top)
    context = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names, products)
    with np.errstate(over="ignore", invalid="ignore"):  # exp may overflow without the unit
        return _answer(context, l, j, top)


def _answer(context: Context, l: int, j: int, top: int) -> Explanation:
    net, names, theta = context.net, context.names, context.theta
    name, active = names.of(net, l, j), activity(context, l, j)
    strongest = np.argsort(-active, kind="stable")[:top]
    arrays: dict[str, Any] = {"activity": active, "strongest": strongest}
    tables, pictures = [], []
    if l > 0:
        arrays |= {"weights": theta.W[l][j], "bias": float(theta.b[l][j])}
        tables.append(_weights(context, l, j, top))
        pictures.append(_weight_picture(context, l, j))
    if l < net.L:
        arrays["outgoing"] = theta.W[l + 1][:, j]
        tables.append(_sent(context, l, j, top))
        pictures.append(_bars(f"The weights that {name} acts through", names.layer(net, l + 1),
                              theta.W[l + 1][:, j]))  # fmt: skip
    tables.append(_examples(context, l, j, strongest, active))
    pictures += _example_pictures(context, name, strongest, active)
    what, before = _score(context, context.trace.a[-1])
    arrays["score"] = before
    about = f"{name} is {_state(active, context)} {over(context.n)}"
    if l == net.L:
        return _output(context, j, about, tables, pictures, arrays)
    z, a = _run_without(context, l, j)
    slopes = _output_slopes(context, l, j)
    effects = {
        "effect_z": context.trace.z[-1] - z,
        "effect_a": context.trace.a[-1] - a,
        "slopes": slopes,
    }
    _, after = _score(context, a)
    arrays |= effects | {"score_without": after}
    costs, s = example_costs(net, Trace((z,), (a,)), context.y), context.s / context.S
    rise = costs - context.costs
    value = float(s @ costs) - float(s @ context.costs)
    terms, left_out = _terms(context, rise, top)
    left = value - float(np.sum([term.value for term in terms])) - left_out
    size = float(s @ (np.abs(costs) + np.abs(context.costs)))
    most = rounding.bound(size, context.n + rounding.FEW, context.costs.dtype)
    tables.append(_effects(context, l, j, effects, active))
    tables.append(_worth(context, value, what, before, after))
    residuals = {"not listed": left_out} if left_out else {}
    return Explanation(
        kind="neuron",
        question=f"What is {name} for?",
        answer=f"{about}. {_purpose(context, name, value, effects, (what, before, after))}",
        value=value,
        terms=terms,
        residuals=residuals | rounding.remainder(left, most),
        equations=_equations(context, l, j, value),
        tables=tuple(tables),
        pictures=tuple(pictures),
        arrays=arrays,
        notes=_notes(context, l, j),
        part=Ref(l, j).part,
    )


def _output(
    context: Context,
    j: int,
    about: str,
    tables: list[Table],
    pictures: list[Picture],
    arrays: dict[str, Any],
) -> Explanation:
    """Answer about an output, whose absence would leave no answer to judge."""
    net, names, L = context.net, context.names, context.net.L
    name = names.of(net, L, j)
    off = context.trace.a[L][:, j] - context.y[:, j]
    s, scale = context.s / context.S, names.scale(net, L, j)[1]
    arrays["error"] = off
    said, true = (
        float(names.own(net, L, j, s @ of)) for of in (context.trace.a[L][:, j], context.y[:, j])
    )
    error, size = float(s @ off) * scale, float(s @ abs(off)) * scale
    rows = (("what it says", said), ("what is true", true), ("mean error a − y", error),
            ("mean |a − y|", size))  # fmt: skip
    tables.append(Table(f"How right {name} is", ("", "number"), rows))
    mean = "" if context.n == 1 else " on average"
    way = f"{shown(abs(error))} too {'high' if error > 0 else 'low'}" if error else "just right"
    size_said = f", and off by {shown(size)}" if context.n > 1 else ""
    return Explanation(
        kind="neuron",
        question=f"What does the output {name} look for?",
        answer=f"{about}. It is {way}{mean}{size_said}.",
        equations=_equations(context, L, j, None),
        tables=tuple(tables),
        pictures=tuple(pictures),
        arrays=arrays,
        notes=("An output is not left out: the cost needs it.",),
        part=Ref(L, j).part,
    )


def _terms(context: Context, rise: Array, top: int) -> tuple[tuple[Term, ...], float]:
    """Take the rise of the cost apart, by class or by example; and what is not listed."""
    s = context.s / context.S
    parts = s * rise
    if classifies(context.net) and context.n > 1:
        which = classes(context.y)
        named = enumerate(classes_said(context.net, context.names))
        found = [(name, parts[which == c]) for c, name in named]
        return tuple(
            Term(f"examples of {name}", float(of.sum())) for name, of in found if len(of)
        ), 0.0
    order = np.argsort(-abs(parts), kind="stable")
    terms = tuple(Term(f"example {i}", float(parts[i])) for i in order[:top])
    return terms, float(parts[order[top:]].sum())


def _weights(context: Context, l: int, j: int, top: int) -> Table:
    net, names, W = context.net, context.names, context.theta.W[l][j]
    a = context.trace.a[l - 1]
    order = np.argsort(-abs(W), kind="stable")[:top]
    mean = (context.s / context.S) @ dense(a[:, order])
    rows = [
        (names.of(net, l - 1, int(k)), float(W[k]), float(mean[c]), float(W[k] * mean[c]))
        for c, k in enumerate(order)
    ]
    rows.append(("bias", float(context.theta.b[l][j]), 1.0, float(context.theta.b[l][j])))
    parts = [*(Ref(l, j, int(k)).part for k in order), Ref(l, j, "bias").part]
    title = f"The largest weights into {names.of(net, l, j)}"
    return Table(title, ("from", "weight", "mean a", "weight · mean a"), tuple(rows), tuple(parts))


def _sent(context: Context, l: int, j: int, top: int) -> Table:
    net, names, W = context.net, context.names, context.theta.W[l + 1][:, j]
    order = np.argsort(-abs(W), kind="stable")[:top]
    rows = tuple((names.of(net, l + 1, int(m)), float(W[m])) for m in order)
    parts = tuple(Ref(l + 1, int(m), j).part for m in order)
    return Table(f"The largest weights out of {names.of(net, l, j)}", ("to", "weight"), rows, parts)


def _weight_picture(context: Context, l: int, j: int) -> Picture:
    names, W = context.names, context.theta.W[l][j]
    title = f"The weights into {names.of(context.net, l, j)}"
    if l == 1 and names.image:
        return ImagePicture(title, W.reshape(1, *names.image), ("weights",), signed=True)
    return _bars(title, names.layer(context.net, l - 1), W)


def _bars(title: str, names: Sequence[str], values: Array) -> BarPicture:
    if len(values) <= BARS:
        return BarPicture(title, "weight", tuple(names), values)
    order = np.argsort(-abs(values), kind="stable")[:BARS]
    title = f"{title}: the {BARS} largest of {len(values):,}"
    return BarPicture(title, "weight", tuple(names[k] for k in order), values[order])


def _examples(context: Context, l: int, j: int, strongest: Array, active: Array) -> Table:
    """List the examples that activate the unit most, with what is true and what the network says."""
    net, names, a = context.net, context.names, context.trace.a[-1][strongest]
    y = context.y[strongest]
    if classifies(net):
        known = classes_said(net, names)
        true = [known[c] for c in classes(y)]
        said = [known[c] for c in classes(a, names.threshold)]
    else:
        true, said = ([_numbers(context, row) for row in of] for of in (y, a))
    rows = [(int(i), float(active[i]), true[at], said[at]) for at, i in enumerate(strongest)]
    title = f"The examples in which {names.of(net, l, j)} is largest"
    return Table(title, ("example", "a", "true", "the network says"), tuple(rows))


def _numbers(context: Context, row: Array) -> Any:
    net, names = context.net, context.names
    if len(row) == 1:
        return float(names.own(net, net.L, 0, row[0]))
    return ", ".join(in_units(net, names, net.L, m, value) for m, value in enumerate(row))


def _example_pictures(
    context: Context, name: str, strongest: Array, active: Array
) -> list[Picture]:
    if not context.names.image:
        return []
    images = dense(context.trace.a[0][strongest]).reshape(-1, *context.names.image)
    captions = tuple(f"example {i}, a = {shown(active[i])}" for i in strongest)
    return [ImagePicture(f"Where {name} is largest", images, captions)]


def _effects(context: Context, l: int, j: int, effects: dict[str, Array], active: Array) -> Table:
    net, names, s = context.net, context.names, context.s / context.S
    first = s @ (active[:, None] * effects["slopes"])
    means = [s @ effects["effect_z"], first, s @ effects["effect_a"], s @ effects["slopes"]]
    rows = tuple(
        (name, *(float(mean[m]) for mean in means)) for m, name in enumerate(names.said(net, net.L))
    )
    columns = ("output", "adds to z", "first order", "adds to a", "mean ∂z/∂a")
    title = f"What {names.of(net, l, j)} does to each output, {over(context.n)}"
    return Table(title, columns, rows, tuple(Ref(net.L, m).part for m in range(net.sizes[-1])))


def _worth(
    context: Context, value: float, what: str, before: float | None, after: float | None
) -> Table:
    change = None if before is None or after is None else type(before)(after - before)
    rows = (("cost", context.cost, context.cost + value, value), (what, before, after, change))
    return Table("The network without it", ("", "with", "without", "change"), rows)


def _purpose(
    context: Context,
    name: str,
    value: float,
    effects: dict[str, Array],
    scores: tuple[str, Any, Any],
) -> str:
    net, names, s = context.net, context.names, context.s / context.S
    mean = s @ effects["effect_z"]
    most = int(np.argmax(abs(mean)))
    output, size = names.of(net, net.L, most), shown(abs(mean[most]))
    average = "" if context.n == 1 else " on average"
    if not effects["effect_z"].any():
        said = "It changes no output"
    elif mean[most] == 0:
        said = f"It changes no output{average}"
    else:
        way = "raises" if mean[most] > 0 else "lowers"
        of_all = (
            f" {output} most, its z by {size}" if len(mean) > 1 else f" z of {output} by {size}"
        )
        said = f"It {way}{of_all}{average}"
    C = context.cost
    verb = "would rise" if value > 0 else "would fall"
    cost = (
        "the cost {} from {} to {}".format(verb, *shown_apart(C, C + value))
        if value
        else "the cost would stay"
    )
    what, before, after = scores
    score = ""
    if before is not None and after is not None:
        told = cell(before), cell(after)
        if before != after and told[0] == told[1]:
            told = shown_apart(before, after)
        way = f"go from {told[0]} to {told[1]}" if before != after else f"stay {told[0]}"
        score = f" and {what} {way}"
    return f"{said}. Without it {cost}{score}."


def _state(active: Array, context: Context) -> str:
    if not active.any():
        return "silent" if context.n == 1 else "silent, never active,"
    if context.n == 1:
        return f"{shown(active[0])}"
    mean, share = float((context.s / context.S) @ active), float((active != 0).mean())
    part = "" if share == 1 else f", active in {_part(share)} of the examples,"
    return f"{shown(mean)}{part}"


def _part(share: float) -> str:
    """Format a share in whole per cent where that says neither all nor none."""
    return f"{share:.0%}" if 0.005 < share < 0.995 else written_share(share)


def _equations(context: Context, l: int, j: int, value: float | None) -> tuple[Equation, ...]:
    equations = []
    if l > 0:
        product = Product((Symbol("W", l, (j, "k")), Symbol("a", l - 1, ("k",))))
        inner = Sum((SumOver("k", product), symbols.unit("b", l, j)))
        equations.append(Equation((symbols.unit("a", l, j), Call(Symbol("f"), inner))))
    if value is not None:
        without: Expression = Words(
            f"cost without {context.names.of(context.net, l, j)}", Ref(l, j).part
        )
        sides = (without, Sum((Number(context.cost), Number(value))), Number(context.cost + value))
        equations.append(Equation(sides))
    return tuple(equations)


def _zero(context: Context, k: int) -> str:
    """Return a note on what 0 means for an input."""
    net, names = context.net, context.names
    if names.image:
        return "0 is black."
    if names.standardised(net, k):
        return f"0 is {in_units(net, names, 0, k, 0.0)}, the mean of this column in training."
    if names.scale(net, 0, k) != AS_IT_IS:
        return f"0 is {in_units(net, names, 0, k, 0.0)}, where this piece of its column begins."
    return "0 is a number like any other of this input, and not that it is missing."


def _notes(context: Context, l: int, j: int) -> tuple[str, ...]:
    sent = "its value is set to 0" if l == 0 else "its activity is set to 0"
    notes = [f"Without it: {sent}, nothing else is changed and nothing trained again."]
    notes.append("What it adds to z and a is exact; the first order takes the slopes as they are.")
    if l == 0:
        notes.append(_zero(context, j))
    if classifies(context.net) and context.n > 1:
        notes.append("The terms are the parts of the rise that fall to the examples of each class.")
    return (*notes, *context.of_penalties)


def activity(context: Context, l: int, j: int) -> Array:
    """Return the activity of a unit in every example, (n,)."""
    return dense(context.trace.a[l][:, [j]])[:, 0]


def _run_without(context: Context, l: int, j: int) -> tuple[Array, Array]:
    """Return zᴸ and aᴸ, (n, n_L), where unit j of layer l < L sends nothing."""
    sent = activity(context, l, j)[:, None] * context.theta.W[l + 1][:, j]
    z = context.trace.z[l + 1] - sent
    zs, a = forward_from(context.net, context.theta, l + 1, z, context.trace.masks)
    return zs[-1], a[-1]


def _output_slopes(context: Context, l: int, j: int) -> Array:
    """Return ∂zᴸ/∂aˡⱼ of every example, (n, n_L), l < L."""
    net, theta, z, masks = context.net, context.theta, context.trace.z, context.trace.masks
    dz: Any = np.repeat(theta.W[l + 1][None, :, j], context.n, axis=0)
    for m in range(l + 1, net.L):
        dz = jvp(net.f[m], z[m], dz, mask_of(masks, m)) @ theta.W[m + 1].T
    return dz


def _score(context: Context, a: Array) -> tuple[str, float | None]:
    """Return the accuracy where the outputs stand for classes, else R²; None where it says nothing."""
    s, y = context.s / context.S, context.y
    if classifies(context.net):
        return "accuracy", Share(s @ (classes(a, context.names.threshold) == classes(y)))
    spread = float(s @ ((y - s @ y) ** 2).sum(axis=1))
    if spread == 0:
        return "R²", None
    return "R²", 1 - float(s @ ((a - y) ** 2).sum(axis=1)) / spread
