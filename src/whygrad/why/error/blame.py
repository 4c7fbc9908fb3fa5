"""Error attribution: how much of the error is whose, and which unit passes it on to which.

    δˡₖ = Σ_j share(k ← j),  share(k ← j) = Wˡ⁺¹ⱼₖ δˡ⁺¹ⱼ f′(zˡₖ)

What a neuron is blamed for is what the neurons above blame it for; at the outputs the cost itself does.
Neurons are ranked by mean |δ|, since mean δ vanishes at a minimum. Rumelhart, Hinton & Williams (1986);
Nielsen, chapter 2.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import Share
from whygrad.answers.names import Names, Ref, check_layer, names_of
from whygrad.answers.parts import Table, Term
from whygrad.answers.pictures import NetworkPicture
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters
from whygrad.why import rounding, symbols
from whygrad.why.choosing import classes_said, find_class, of_class
from whygrad.why.context import Context, ask, at_least_one
from whygrad.why.error.flow import Flow
from whygrad.why.error.shares import (
    general,
    in_numbers,
    in_symbols,
    output_terms,
    terms_below,
    tweak,
)
from whygrad.why.symbols import over, shown

MANY = 0.9  # of the examples: a unit saturated in as many is listed


def blame(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    layer: int | None = None,
    unit: int | str | None = None,
    of: int | str | None = None,
    top: int = 10,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
) -> Explanation:
    """Error attribution: split the error δ of one unit, or of all, among the units above it.

        δˡₖ = Σ_j share(k ← j),  share(k ← j) = Wˡ⁺¹ⱼₖ δˡ⁺¹ⱼ f′(zˡₖ)

    At the outputs the cost itself sets δ. Units are ranked by mean |δ|, since mean δ vanishes at a minimum.

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
    layer : int, optional
        A layer, 0 (the inputs) to L; all layers by default.
    unit : int or str, optional
        One unit of `layer`, by index or name; the rankings of all units by default.
    of : int or str, optional
        A class: only its examples count.
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
        With `unit`, `value` is its mean δ, in cost per unit of z (of an input: per unit of x), and `terms`
        are its shares; `arrays` holds `delta` (n,), `shares`, `passed_on` and `tweaks`. Without it `arrays`
        holds, by layer, `delta` (n, n_l) and its means `error` and `size` (of |δ|), `shares` and
        `share_sizes` with share(k ← j) at [j, k], `tweaks` aₖ δⱼ, `activity` (mean |a|), `silent` and
        `saturated` (parts of the examples), and `correlation` of activity with tweaks.

    Raises
    ------
    InputError
        For a layer, unit or class that is not there, and for shapes that do not fit the network.

    References
    ----------
    Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors. Nature 323.
    Nielsen (2015), Neural Networks and Deep Learning, chapter 2.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(1, [Dense(1, "identity"), Dense(2, "identity")])
    >>> theta = net.init(W=[None, [[1.0]], [[2.0], [-3.0]]])
    >>> found = blame(net, theta, [[1.0]], [[1.0, 1.0]], layer=1, unit=0)
    >>> found.value, [term.value for term in found.terms]
    (14.0, [2.0, 12.0])
    """
    names = names_of(net, names)
    l = None if layer is None else check_layer(net, layer, lowest=0)
    if unit is not None and l is None:
        raise InputError(f"unit {unit!r} of which layer? Give layer=0 to {net.L}")
    k = None if unit is None or l is None else names.find(net, l, unit)
    top = at_least_one("top", top)
    if of is not None:
        X, Y, sample_weight, masks = of_class(net, names, of, X, Y, sample_weight, masks)
    context = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names, products)
    where = over(context.n)
    if of is not None:
        where += f" of {classes_said(net, names)[find_class(net, names, of)]}"
    flow = Flow(context)
    if l is None or k is None:
        return _of_all(context, flow, l, top, where)
    return _of_one(context, flow, l, k, top, where)


def _of_one(context: Context, flow: Flow, l: int, k: int, top: int, where: str) -> Explanation:
    net, names = context.net, context.names
    name, ref = names.of(net, l, k), Ref(l, k)
    terms = output_terms(context, k) if l == net.L else terms_below(context, flow, l, k)
    value = float(flow.error[l][k])
    left = value - float(np.sum([term.value for term in terms]))
    size = float((context.s / context.S) @ rounding.error_sizes(context, l, k))
    most_left = rounding.bound(size, rounding.error_roundings(context, l), context.theta.flat.dtype)
    below = flow.to_unit(l, k) if l > 0 else np.zeros(0)
    by_size = sorted(terms, key=lambda term: -abs(term.value))
    most = by_size[:top]
    pushed = np.argsort(-abs(below), kind="stable")[:top]
    way, lesser = ("lower", "lower") if value > 0 else ("raise", "higher")
    wish = (
        f"the cost would fall if it were a little {lesser}"
        if l == 0
        else f"the cost asks it to {way} its z"
    )
    answer = f"δ of {name} is {shown(value)} {where}: {wish}." if value else f"δ of {name} is 0."
    if value and most:
        answer += f" Most of it comes from {_listed(most[:3])}."
    if l > 1 and len(pushed):
        shares = [Term(names.of(net, l - 1, i), float(below[i])) for i in pushed[:3]]
        answer += f" It passes most on to {_listed(shares)}."
    tables = [_table(f"Who blames {name}", ("from", "share"), [(t.name, t.value) for t in most],
                     [t.part for t in most])]  # fmt: skip
    if l > 0:
        rows = [
            (names.of(net, l - 1, i), float(below[i]), float(flow.tweaks[l][k, i])) for i in pushed
        ]
        parts = [Ref(l, k, int(i)).part for i in pushed]
        tables.append(_table(f"Whom {name} blames", ("to", "share", "tweak"), rows, parts))
    arrays = {"delta": flow.delta[l][:, k], "shares": np.array([term.value for term in terms])}
    if l > 0:
        arrays |= {"passed_on": below, "tweaks": flow.tweaks[l][k]}
    return Explanation(
        kind="blame",
        question=f"How much is {name} to blame {where}, and who says so?",
        answer=answer,
        value=value,
        terms=tuple(terms),
        residuals=rounding.remainder(left, most_left),
        equations=(
            in_symbols(context, l, k),
            in_numbers(l, k, by_size if len(terms) > symbols.LISTED else terms, value),
        ),
        tables=tuple(tables),
        pictures=(_picture(context, flow, (ref.part,), where),),
        arrays=arrays,
        notes=_notes(context),
        part=ref.part,
    )


def _of_all(context: Context, flow: Flow, layer: int | None, top: int, where: str) -> Explanation:
    net, names = context.net, context.names
    layers = list(range(1, net.L + 1)) if layer is None else [layer]
    worst = {l: np.argsort(-flow.size[l], kind="stable")[:top] for l in layers}
    marked = tuple(Ref(l, int(worst[l][0])).part for l in layers)
    said = [
        f"{names.of(net, l, int(k[0]))} ({_mean(context, '|δ|')} {shown(flow.size[l][k[0]])})"
        for l, k in worst.items()
        if l < net.L or len(layers) == 1
    ] or [names.of(net, net.L, int(worst[net.L][0]))]
    answer = f"The cost blames most, {where}: {', '.join(said)}."
    links = _links(context, flow, layers, flow.share_sizes, top)
    if links:
        _, l, j, k = links[0]
        answer += (
            f" Nobody blames anyone more than {names.of(net, l, j)} blames "
            f"{names.of(net, l - 1, k)} ({_mean(context, '|share|')} "
            f"{shown(flow.share_sizes[l][j, k])})."
        )
    quiet = _quiet(context, flow, layers)
    mute = sum(float(row[1]) == 1 for row in quiet)
    if mute:
        answer += (
            f" {mute} {'neuron is' if mute == 1 else 'neurons are'} silent, active in no example."
        )
    tables = [_ranking(context, flow, l, worst[l]) for l in layers]
    tables += _link_tables(context, flow, layers, links, top)
    tables += [_activity(context, flow, l, top) for l in layers if l > 0]
    if quiet:
        columns = ("neuron", "silent", "saturated")
        title = "Silent and saturated neurons, by the part of the examples"
        tables.append(Table(title, columns, tuple(row[:3] for row in quiet[: 2 * top]),
                            tuple(row[3] for row in quiet[: 2 * top])))  # fmt: skip
    arrays = {
        name: getattr(flow, name)
        for name in ("delta", "error", "size", "shares", "share_sizes", "tweaks", "activity")
    }
    # Of one example a tweak is aₖ δⱼ itself: it follows the activity by definition.
    correlation = tuple(
        None if l == 0 or context.n == 1 else _correlation(flow, l) for l in range(net.L + 1)
    )
    arrays |= {"silent": flow.silent, "saturated": flow.saturated, "correlation": correlation}
    return Explanation(
        kind="blame",
        question=f"Whose is the error {where}, and who blames whom?",
        answer=answer,
        equations=(general(), tweak()),
        tables=tuple(tables),
        pictures=(_picture(context, flow, marked, where),),
        arrays=arrays,
        notes=_notes(context),
    )


def _ranking(context: Context, flow: Flow, l: int, units: Array) -> Table:
    net, names = context.net, context.names
    what = {0: "inputs", net.L: "outputs"}.get(l, f"neurons of layer {l}")
    columns = ("neuron", *(_mean(context, number) for number in ("|δ|", "δ", "|a|")))
    rows = [
        (
            names.of(net, l, int(k)),
            *(float(by[l][k]) for by in (flow.size, flow.error, flow.activity)),
        )
        for k in units
    ]
    return _table(f"The most blamed {what}", columns, rows, [Ref(l, int(k)).part for k in units])


_Link = tuple[float, int, int, int]


def _links(
    context: Context, flow: Flow, layers: list[int], by: tuple[Any, ...], top: int
) -> list[_Link]:
    """Return the largest of a number per connection: (number, layer, to, from)."""
    found: list[_Link] = []
    for l in layers if layers != [0] else [1]:
        if l == 0:
            continue
        sizes = abs(by[l]).ravel()
        best = np.argpartition(-sizes, min(top, sizes.size) - 1)[:top]
        width = context.net.sizes[l - 1]
        found += [(float(sizes[i]), l, *map(int, divmod(int(i), width))) for i in best]  # type: ignore[misc]
    return sorted(found, key=lambda link: (-link[0], *link[1:]))[:top]


def _link_tables(
    context: Context, flow: Flow, layers: list[int], links: list[_Link], top: int
) -> list[Table]:
    net, names = context.net, context.names
    blames = [
        (names.of(net, l, j), names.of(net, l - 1, k), size, float(flow.shares[l][j, k]))
        for size, l, j, k in links
    ]
    tweaked = _links(context, flow, layers, flow.tweaks, top)
    tweaks = [
        (symbols.path(net, names, l - 1, k, j), float(flow.tweaks[l][j, k]))
        for _, l, j, k in tweaked
    ]
    return [
        _table("Who blames whom most",
               ("who", "whom", _mean(context, "|share|"), _mean(context, "share")), blames,
               [Ref(l, j, k).part for _, l, j, k in links]),
        _table("The largest tweaks aₖ δⱼ", ("connection", _mean(context, "tweak")), tweaks,
               [Ref(l, j, k).part for _, l, j, k in tweaked]),
    ]  # fmt: skip


def _activity(context: Context, flow: Flow, l: int, top: int) -> Table:
    """Set the most and the least active senders of a layer beside what is changed at them."""
    net, names = context.net, context.names
    active, changed = flow.activity[l - 1], abs(flow.tweaks[l]).sum(axis=0)
    order = np.argsort(-active, kind="stable")
    half = max(1, top // 2)
    if len(order) > 2 * half:
        order = np.concatenate([order[:half], order[-half:]])
    rows = [(names.of(net, l - 1, int(k)), float(active[k]), float(changed[k])) for k in order]
    found = None if context.n == 1 else _correlation(flow, l)
    grade = "" if found is None else f", correlation {found:.2f}"
    return _table(f"Activity beside tweaks, into layer {l}{grade}",
                  ("sender", _mean(context, "|a|"), f"Σ |{_mean(context, 'tweak')}|"), rows,
                  [Ref(l - 1, int(k)).part for k in order])  # fmt: skip


def _correlation(flow: Flow, l: int) -> float | None:
    """Correlate how active the senders into layer l are with how much is changed at them."""
    active, changed = flow.activity[l - 1], abs(flow.tweaks[l]).sum(axis=0)
    if len(active) < 2 or np.ptp(active) == 0 or np.ptp(changed) == 0:
        return None
    return float(np.corrcoef(active.astype(float), changed.astype(float))[0, 1])


def _quiet(context: Context, flow: Flow, layers: list[int]) -> list[tuple[str, Share, Share, str]]:
    """List neurons that are never active, or saturated nearly always."""
    net, names, rows = context.net, context.names, []
    for l in layers:
        if l == 0:
            continue
        silent, flat = flow.silent[l], flow.saturated[l]
        for j in np.flatnonzero((silent == 1) | (flat >= MANY)):
            where = Ref(l, int(j)).part
            rows.append((names.of(net, l, int(j)), Share(silent[j]), Share(flat[j]), where))
    return sorted(rows, key=lambda row: (-row[1], -row[2]))


def _picture(context: Context, flow: Flow, marked: tuple[str, ...], where: str) -> NetworkPicture:
    net, names = context.net, context.names
    return NetworkPicture(
        title=f"Blame, {where}",
        units=flow.error if context.n == 1 else flow.size,
        edges=flow.shares,
        names=names.layers(net),
        unit_meaning="δ, the error" if context.n == 1 else "mean |δ|",
        edge_meaning="share of the error",
        backwards=True,
        marked=marked,
        image=names.image,
        kept=net.kept,
        targets=context.y[0] if context.n == 1 else None,
    )


def _mean(context: Context, number: str) -> str:
    """Return the name of a number, which is a mean only of several examples."""
    return number if context.n == 1 else f"mean {number}"


def _notes(context: Context) -> tuple[str, ...]:
    notes = ["Exact: the shares of every neuron sum to its δ. The total of a layer is not kept."]
    if context.n > 1:
        notes.append("Means over the examples: a mean of products is not the product of the means.")
    if context.l1 or context.l2:
        notes.append("Penalties act on weights alone: they blame no neuron.")
    if context.trace.masks is not None:
        notes.append("With the masks of dropout: a unit left out is blamed for nothing.")
    return tuple(notes)


def _listed(terms: Sequence[Term]) -> str:
    return ", ".join(f"{term.name} ({shown(term.value)})" for term in terms)


def _table(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], parts: Sequence[str]
) -> Table:
    return Table(title, columns, tuple(rows), tuple(parts))
