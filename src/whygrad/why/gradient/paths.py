"""Path decomposition: the derivative by one weight as a sum over all paths to the cost, or to an output.

    ∂C/∂Wˡⱼₖ = Σ over paths of  aˡ⁻¹ₖ · f′(zˡⱼ) Wˡ⁺¹ₚⱼ · f′(zˡ⁺¹ₚ) Wˡ⁺²_qp · … · ∂C/∂zᴸ_m

Every path ends at a zᴸ_m with the factor ∂C/∂zᴸ_m, so that softmax adds none. The sum and the number of
paths are exact for any number of them; listed are the heaviest, with the share of Σ |path| that they cover.
Paths of either sign cancel, so a few of them may well make up more than 100% of the sum.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
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
)
from whygrad.answers.formatting import Share
from whygrad.answers.formatting import share as written_share
from whygrad.answers.names import Names, Ref, by_the_mask, left_out, names_of
from whygrad.answers.parts import Factor, Table, Term
from whygrad.answers.pictures import NetworkPicture
from whygrad.errors import InputError
from whygrad.nn.functions import Array, Cost, namespace
from whygrad.nn.network import Network, Parameters
from whygrad.why import local, rounding, symbols
from whygrad.why.context import Context, ask, at_least_one
from whygrad.why.gradient.heaviest import Path, heaviest
from whygrad.why.gradient.path_graph import PathGraph
from whygrad.why.gradient.unrolled import product
from whygrad.why.gradient.weight import gradient, penalties, ref_name, sizes
from whygrad.why.symbols import over, shown

UNITS_LISTED = 5  # of each layer that paths lead through


def paths(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any = None,
    *,
    layer: int,
    to: int | str,
    from_: int | str | None = None,
    k: int = 10,
    to_output: int | str | None = None,
    of: str | None = None,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
) -> Explanation:
    """Path decomposition: write ∂C/∂W of one weight as a sum over all paths, and list the k heaviest.

        ∂C/∂Wˡⱼₖ = Σ over paths of  aˡ⁻¹ₖ · f′(zˡⱼ) Wˡ⁺¹ₚⱼ · f′(zˡ⁺¹ₚ) Wˡ⁺²_qp · … · ∂C/∂zᴸ_m

    A path of a batch belongs to an example and counts s/S.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters θ.
    X : array-like or sparse matrix, shape (n, n_0)
        The examples, one a row.
    Y : array-like, shape (n, n_L) or (n,)
        Their targets, or class indices. Not needed with `to_output`.
    layer : int
        The layer l that the weight leads into, 1 to L.
    to : int or str
        The unit j of layer l, by index or name.
    from_ : int, str or None
        The unit k of the layer below; None or "bias" for the bias of j.
    k : int
        How many of the heaviest paths are listed.
    to_output : int or str, optional
        An output, by index or name: its derivative is decomposed instead of the cost's, without penalties.
    of : {"z", "a"}, optional
        With `to_output`: its weighted input (the default for softmax) or its activation.
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
        `value` is the derivative; `terms` are the listed paths and the penalties, and the residual "not
        listed" is the sum of all other paths. `arrays` holds `values` (k,), `units` (k, L − l + 1) and
        `examples` (k,) of the listed paths; `count`, the exact number of paths of one example, and of a
        single example `alive`, how many of them are not 0; `total` Σ path and `size` Σ |path|; `covered`,
        the share of `size` that is listed; `through`, the part of the derivative that leads through each
        unit, by layer.

    Raises
    ------
    InputError
        For a layer, unit or output that is not there, for `Y` missing, and for a derivative that overflows.

    See Also
    --------
    weight : The same derivative by the chain rule.

    References
    ----------
    Lawler (1972), A procedure for computing the K best solutions to discrete optimization problems.
    Management Science 18.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(1, [Dense(1, "tanh"), Dense(2, "identity")])
    >>> theta = net.init(W=[None, [[0.0]], [[2.0], [-1.0]]])
    >>> found = paths(net, theta, [[3.0]], [[1.0, 1.0]], layer=1, to=0, from_=0)
    >>> found.value, [(term.name, term.value) for term in found.terms]
    (-3.0, [('input 0 → hidden 0 → output 0', -6.0), ('input 0 → hidden 0 → output 1', 3.0)])
    """
    names = names_of(net, names)
    if to_output is None:
        if Y is None:
            raise InputError("paths to the cost need Y: give it, or to_output=")
        if of is not None:
            raise InputError(f"of={of!r} is for paths to an output: give to_output= as well")
        context = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names, products)
        return explain_paths(context, names.weight(net, layer, to, from_), k)
    m = names.find(net, net.L, to_output)
    target, of = _output_as_cost(net, m, of)
    n = len(X) if np.ndim(X) > 1 or hasattr(X, "tocsr") else 1
    none = np.zeros((n, net.sizes[-1]))
    context = ask(target, theta, X, none, sample_weight, 0.0, 0.0, masks, names, products)
    return explain_paths(context, names.weight(net, layer, to, from_), k, (m, of))


def explain_paths(
    context: Context, ref: Ref, k: int = 10, output: tuple[int, str] | None = None
) -> Explanation:
    """Answer as `paths` does from a pass that is there already; the cost may stand for an output."""
    k = at_least_one("k", k)
    if left_out(context.net, ref):
        question = (
            f"Along which paths does {ref_name(context, ref)} reach {_goal(context, output)}?"
        )
        answer = f"{by_the_mask(context.net, context.names, ref)} No path leads through it."
        nothing = {"count": 0, "total": 0.0, "size": 0.0, "covered": 1.0}
        return Explanation("paths", question, answer, 0.0, arrays=nothing, part=ref.part)
    graph = path_graph(context, ref, output)
    value = gradient(context, ref)
    total, size = math.fsum(graph.totals), math.fsum(graph.sizes)
    if not math.isfinite(total + size):
        raise InputError("the derivative is not finite: the network overflows on these examples")
    found = heaviest(graph, k)
    values = np.array([graph.product(*path) for path in found])
    terms = [_term(context, ref, graph, path, output) for path in found]
    extra = penalties(context, ref)
    residuals = {}
    if len(found) < graph.count * graph.n:
        residuals["not listed"] = total - math.fsum(values)
    rest = [
        value,
        *(-term.value for term in (*terms, *extra)),
        *(-left for left in residuals.values()),
    ]
    crossed = sum(n + 3 for n in context.net.sizes[ref.layer + 1 :])
    roundings = rounding.error_roundings(context, ref.layer) + 2 * crossed
    most = rounding.bound(size + sizes(extra), roundings, context.theta.flat.dtype)
    covered = float(np.abs(values).sum() / size) if size else 1.0
    through, picture = _through(context, ref, graph, found, total)
    arrays = {
        "values": values,
        "units": np.array([(ref.to, *_ends(graph, path)) for path in found], int),
        "examples": np.array([path.example for path in found], int),
        "count": graph.count,
        "total": total,
        "size": size,
        "covered": covered,
        "through": through,
    }
    if graph.n == 1:
        arrays["alive"] = graph.alive(0)
    return Explanation(
        kind="paths",
        question=f"Along which paths does {ref_name(context, ref)} reach {_goal(context, output)}?",
        answer=_answer(graph, total, covered, terms, extra),
        value=value,
        terms=(*terms, *extra),
        residuals=residuals | rounding.remainder(math.fsum(rest), most),
        equations=(
            _equation(context, ref, value, terms, extra, graph.count * graph.n, residuals, output),
        ),
        tables=(_listed(terms, total, size), _units(context, ref, through, total)),
        pictures=(picture,),
        arrays=arrays,
        notes=(
            "Exact: all paths are in the sum, listed or not.",
            "Paths of either sign cancel, so a few may make up more than the whole of the sum.",
        ),
        part=ref.part,
    )


def path_graph(context: Context, ref: Ref, output: tuple[int, str] | None = None) -> PathGraph:
    """Return the layered graph of the paths from a weight."""
    l, L = ref.layer, context.net.L
    ends = np.arange(context.net.sizes[-1])
    if output is not None and (context.net.f[L].custom_vjp is None or output[1] == "z"):
        ends = ends[[output[0]]]
    slopes = []
    for m in range(l, L):
        mask, slope = local.masking(context, m), local.slopes(context, m)
        slopes.append(_double(slope if mask is None else slope * mask))
    W, kept = [_double(W) for W in context.theta.W[l + 1 :]], list(context.net.kept[l + 1 :])
    if W:
        W[-1] = W[-1][ends]
        kept[-1] = None if kept[-1] is None else kept[-1][ends]
    start = _double(context.s) / context.S * local.sender(context, ref)
    end = _double(context.delta[L])[:, ends]
    return PathGraph(start, ref.to, tuple(slopes), tuple(W), end, ends, tuple(kept))


def _double(x: Any) -> Array:
    return np.asarray(x, np.float64)


def _ends(graph: PathGraph, path: Path) -> tuple[int, ...]:
    """Return the units of a path above the weight, the last one as the output that it is."""
    if not path.units:
        return ()
    return (*path.units[:-1], int(graph.ends[path.units[-1]]))


def _term(
    context: Context, ref: Ref, graph: PathGraph, path: Path, output: tuple[int, str] | None
) -> Term:
    """Return a path as a product of named factors."""
    i, l, names, net = path.example, ref.layer, context.names, context.net
    units = (ref.to, *_ends(graph, path))
    factors = [local.sender_factor(context, i, ref)]
    if context.n > 1 or context.s[0] != context.S:
        factors.insert(0, local.share_factor(float(context.s[i] / context.S)))
    parts = [ref.part]
    for m, (below, above) in enumerate(zip(units, units[1:], strict=False), start=l):
        factors.append(local.slope_factor(context, i, m, below))
        if local.masking(context, m) is not None:
            factors.append(local.mask_factor(context, i, m, below))
        factors.append(local.weight_factor(context, m + 1, above, below))
        parts.append(Ref(m + 1, above, below).part)
    last = _last_factor(context, i, units[-1], output)
    factors += [] if last is None else [last]
    first = () if ref.from_ == "bias" else (names.of(net, l - 1, int(ref.from_)),)  # type: ignore[arg-type]
    name = " → ".join((*first, *(names.of(net, m, j) for m, j in enumerate(units, start=l))))
    if context.n > 1:
        name = f"example {i}: {name}"
    return Term(name, graph.product(i, path.units), tuple(factors), " ".join(parts))


def _last_factor(context: Context, i: int, m: int, output: tuple[int, str] | None) -> Factor | None:
    """Return the last factor of a path: the error of the output, or how the output changes with its z."""
    L = context.net.L
    if output is None:
        return local.error_factor(context, i, L, m, 10)
    value, (unit, of) = float(context.delta[L][i, m]), output
    if of == "z" and m == unit:
        return None
    symbol = Derivative(symbols.unit(of, L, unit), symbols.unit("z", L, m))
    name, other = context.names.of(context.net, L, unit), context.names.of(context.net, L, m)
    return Factor(symbol, value, f"how {name} changes with z of {other}", Ref(L, m).part)


def _goal(context: Context, output: tuple[int, str] | None) -> str:
    if output is None:
        return "the cost"
    name = context.names.of(context.net, context.net.L, output[0])
    return f"z of {name}" if output[1] == "z" else name


def _answer(
    graph: PathGraph, total: float, covered: float, terms: list[Term], extra: tuple[Term, ...]
) -> str:
    count = graph.count
    each = "" if graph.n == 1 else " of each example"
    if not count:
        return "No path leads there: the derivative is 0."
    whole_sum = f"{count:,} {'path' if count == 1 else 'paths'}{each}"
    penalties = ", penalties left out" if extra else ""
    carried = f"the derivative is {shown(total)}, {over(graph.n)}{penalties}"
    if not terms[0].value:
        return f"{whole_sum}, and none of them carries anything: {carried}."
    first = f"The heaviest is {terms[0].name}, with {shown(terms[0].value)}."
    if len(terms) == count * graph.n:
        return f"{whole_sum}; {carried}. {first}"
    share = f"{written_share(covered)} of all that they carry"
    if total:
        share += f", {written_share(math.fsum(t.value for t in terms) / total)} of their sum"
    return f"{whole_sum}; {carried}. The {len(terms)} heaviest make up {share}. {first}"


def _equation(
    context: Context,
    ref: Ref,
    value: float,
    terms: list[Term],
    extra: tuple[Term, ...],
    count: int,
    residuals: dict[str, float],
    output: tuple[int, str] | None,
) -> Equation:
    """Write the sum over the paths in symbols and in numbers, what is not listed in one."""
    L, goal = (
        context.net.L,
        Symbol("C") if output is None else symbols.unit(output[1], context.net.L, output[0]),
    )
    l, j, k = ref.layer, ref.to, ref.from_
    body: list[Expression] = [] if k == "bias" else [symbols.unit("a", l - 1, int(k))]  # type: ignore[arg-type]
    below: int | str = j
    letters = ["p", "q", "r"] if L - l <= 3 else [f"p{m}" for m in range(l + 1, L + 1)]
    for m, letter in zip(range(l, L), letters, strict=False):
        body += [_call_slope(m, below), Symbol("W", m + 1, (letter, below))]
        below = letter
    body.append(Derivative(goal, Symbol("z", L, (below,))))
    summed: Expression = product(body)
    if l < L:
        summed = SumOver(",".join(map(str, letters[: L - l])), summed)
    if context.n > 1:
        summed = SumOver("i", Product((symbols.share("i"), summed)))
    penalty = [product([factor.symbol for factor in term.factors]) for term in extra]
    listed = [(term.value, term.part) for term in terms]
    arrays = symbols.summed_up(listed, count, residuals.get("not listed", 0.0))
    arrays += [Number(term.value, term.part) for term in extra]
    sides = (
        Sum((summed, *penalty)) if penalty else summed,
        *((Sum(tuple(arrays)),) if arrays else ()),
        Number(value, ref.part),
    )
    return Equation((Derivative(goal, symbols.parameter(ref)), *sides), ref.part)


def _call_slope(l: int, unit: int | str) -> Expression:
    if isinstance(unit, int):
        return symbols.slope_of(l, unit)
    return Call(Symbol("f", prime=True), Symbol("z", l, (unit,)))


def _listed(terms: list[Term], total: float, size: float) -> Table:
    """List the heaviest paths, with what they cover one by one and together."""
    rows, carried = [], 0.0
    for term in terms:
        carried += abs(term.value)
        share, together = (abs(term.value) / size, carried / size) if size else (0.0, 0.0)
        rows.append((term.name, term.value, Share(share), Share(together)))
    columns = ("path", "carries", "share of Σ|path|", "together")
    return Table("The heaviest paths", columns, tuple(rows), tuple(term.part for term in terms))


def _units(context: Context, ref: Ref, through: tuple[Any, ...], total: float) -> Table:
    """List through which units of each layer above most of the derivative leads."""
    rows, parts = [], []
    for m in range(ref.layer + 1, context.net.L + 1):
        for j in local.largest(through[m], UNITS_LISTED).tolist():
            part = float(through[m][j])
            if part:
                rows.append(
                    (
                        context.names.of(context.net, m, j),
                        part,
                        Share(part / total) if total else None,
                    )
                )
                parts.append(Ref(m, j).part)
    columns = ("unit", "leads through it", "of the sum")
    return Table("Through which units", columns, tuple(rows), tuple(parts))


def _through(
    context: Context, ref: Ref, graph: PathGraph, found: list[Path], total: float
) -> tuple[tuple[Any, ...], NetworkPicture]:
    """Return the part that leads through every unit, by layer, and a picture of the listed paths."""
    net, l, k = context.net, ref.layer, ref.from_
    above = [_double(context.delta[m]) for m in range(l + 1, net.L)]
    flows = graph.flow((*above, graph.end)) if graph.steps else []
    edges: list[Any] = [None, *(np.zeros(context.theta.W[m].shape) for m in range(1, net.L + 1))]
    for m, flow in enumerate(flows, start=l + 1):
        edges[m][graph.ends if m == net.L else slice(None)] = flow
    units = [np.zeros(size) for size in net.sizes]
    units[l][ref.to] = total
    if k != "bias":
        edges[l][ref.to, k] = units[l - 1][k] = total  # type: ignore[index]
    for m in range(l + 1, net.L + 1):
        units[m] = edges[m].sum(axis=1)
    marked = {ref.part: None, Ref(l, ref.to).part: None}
    if k != "bias":
        marked[Ref(l - 1, int(k)).part] = None  # type: ignore[arg-type]
    for path in found:
        way = (ref.to, *_ends(graph, path))
        for m, (below, to) in enumerate(zip(way, way[1:], strict=False), start=l + 1):
            marked |= {Ref(m, to).part: None, Ref(m, to, below).part: None}
    picture = NetworkPicture(
        f"The paths of {ref_name(context, ref)}",
        units=tuple(units),
        edges=tuple(edges),
        names=context.names.layers(net),
        unit_meaning="part of the derivative that leads through it",
        edge_meaning="part of the derivative that leads along it",
        kept=net.kept,
        marked=tuple(marked),
        image=context.names.image,
    )
    return tuple(None if m < l else part for m, part in enumerate(units)), picture


def _output_as_cost(net: Network, m: int, of: str | None) -> tuple[Network, str]:
    """Return the network whose cost is output m, of z or of a, and which of the two it is.

    By default it is z for softmax, whose activations all depend on each other, and else a.

    >>> from whygrad.nn.network import Dense
    >>> network, of = _output_as_cost(Network(2, [Dense(3, "softmax")], "cross_entropy"), 1, None)
    >>> of, network.C.name, network.f[1].name
    ('z', 'z of output 1', 'identity')
    """
    if of not in (None, "z", "a"):
        raise InputError(f"of is {of!r}: 'z' is an output's weighted input, 'a' its activation")
    of = of or ("z" if net.f[net.L].custom_vjp is not None else "a")

    def value(a: Array, y: Array) -> Array:
        return a[:, m]

    def derivative(a: Array, y: Array) -> Array:
        chosen = np.arange(a.shape[1]) == m
        return namespace(a).zeros_like(a) + chosen

    layers = net.layers
    if of == "z":
        layers = (*layers[:-1], replace(layers[-1], activation="identity"))
    cost = Cost(f"{of} of output {m}", value, derivative)
    return Network(net.inputs, layers, cost), of
