"""Feature attribution of one prediction, by integrated gradients or paths, and counterfactuals.

    out(x) − out(x⁰) = Σ_columns contribution (+ biases)

Exact path decomposition where the network is made of straight lines, integrated gradients with what is
left of them elsewhere (`attribution`). The number explained is z of a probability, where parts can add up
without end, and a of a number.
"""

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
    Words,
)
from whygrad.answers.names import AS_IT_IS, Names, Ref, names_of
from whygrad.answers.parts import Table, Term
from whygrad.answers.pictures import BarPicture, ImagePicture, NetworkPicture, Picture
from whygrad.errors import InputError
from whygrad.nn.arrays import as_inputs, dense
from whygrad.nn.functions import ACTIVATIONS, Array
from whygrad.nn.network import Network, Parameters
from whygrad.why import rounding, symbols
from whygrad.why.choosing import class_names, classes, classifies, find_class
from whygrad.why.passing import forward_from
from whygrad.why.prediction.attribution import Outcome, Parts, attribute
from whygrad.why.prediction.columns import InputColumn, columns_of, gather
from whygrad.why.prediction.counterfactual import changes, limits_of, table, words
from whygrad.why.prediction.path_flow import PathFlow, path_flow
from whygrad.why.prediction.sensitivity import Answer
from whygrad.why.symbols import change_in_units, in_units, shown

MANY = 50  # columns: of more, those that add nothing have no term


def prediction(
    net: Network,
    theta: Parameters,
    x: Any,
    *,
    output: int | str | None = None,
    at: str | None = None,
    baseline: Any = None,
    wanted: Any = None,
    limits: Any = None,
    top: int = 10,
    names: Names | None = None,
) -> Explanation:
    """Feature attribution and counterfactuals: what each column adds, and what would change the answer.

        out(x) − out(x⁰) = Σ_k (xₖ − x⁰ₖ) ∫₀¹ ∂out/∂xₖ (x⁰ + t (x − x⁰)) dt

    Integrated gradients; exact path decomposition, with the biases, where every activation function is
    piecewise linear. Dropout is off.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters θ.
    x : array-like, shape (n_0,) or (1, n_0)
        One example.
    output : int or str, optional
        The output that is explained, by index or name; the class predicted, or output 0, by default.
    at : {"z", "a"}, optional
        Its weighted input (the default for probabilities) or its activation (the default for numbers).
    baseline : array-like, shape (n_0,) or (m, n_0), optional
        The input x⁰ to compare with, or many, whose mean is taken; 0 by default, black in an image.
    wanted : int, str or float, optional
        The class, or the number, that a counterfactual should reach; any other class by default.
    limits : pair of float or array-like, shape (n_0,), optional
        How low and how high each input may go in a counterfactual; by default 10 to either side of it, and
        0 to 1 for an image.
    top : int
        How many rows each table lists.
    names : Names, optional
        What inputs, outputs and classes are called.

    Returns
    -------
    Explanation
        `value` is out(x) − out(x⁰), in units of z or a. `terms` are the parts of the columns and of the
        biases, largest first; integration leaves the residual "integration". `arrays` holds `inputs` (n_0,)
        and `columns`, what each adds, `biases` by layer, `output`, `baseline_output`, `outputs` (n_L,),
        `paths` (units, value), `points` of the integral, and where a change was sought `changes` (column,
        x, size, verified), the `nearest` x′ found and its `nearest_size`.

    Raises
    ------
    InputError
        For more than one example, and for an output, class or limit that does not fit.

    References
    ----------
    Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. ICML.
    Moosavi-Dezfooli, Fawzi & Frossard (2016), DeepFool. CVPR.
    Wachter, Mittelstadt & Russell (2018), Counterfactual explanations without opening the black box.
    Harvard Journal of Law & Technology 31.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> found = prediction(net, net.init(W=[None, [[2.0, -1.0]]]), [3.0, 1.0])
    >>> found.value, [(term.name, term.value) for term in found.terms]
    (5.0, [('input 0', 6.0), ('input 1', -1.0)])
    """
    names = names_of(net, names)
    if at not in (None, "z", "a"):
        raise InputError(f"at is {at!r}: give 'z', the weighted input of the output, or 'a'")
    if not isinstance(top, int | np.integer) or top < 1:
        raise InputError(f"top is {top!r}: it must be a whole number of at least 1")
    dtype = np.result_type(theta.flat.dtype, np.float32)
    row = _one(net, x).astype(dtype)
    zero = _baseline(net, baseline).astype(dtype)
    said = Outcome(net, theta, 0, "z")
    z, a = forward_from(net, theta, 1, said.start(row[None]))
    number = at or ("z" if classifies(net) else "a")
    if output is None:
        m = int(classes(a[-1])[0]) if classifies(net) and net.sizes[-1] > 1 else 0
    else:
        m = names.find(net, net.L, output)
    outcome = Outcome(net, theta, m, number)
    values = (
        float((z if number == "z" else a)[-1][0, m]),
        float(outcome.values(outcome.start(zero[None]))[0]),
    )
    parts = attribute(outcome, row, zero)
    columns = columns_of(net, names)
    flow = path_flow(outcome, row, zero, top)
    answer = _answer(net, theta, names, row, m, wanted)
    found = _explain(
        outcome, names, columns, (row, zero), values, parts, flow, a, answer, limits, top
    )
    nowhere = "The baseline is 0 in every input." if baseline is None else ""
    return replace(found, notes=(*found.notes, *filter(None, [nowhere])))


def _one(net: Network, x: Any) -> Array:
    rows = dense(as_inputs(net, x))
    if len(rows) != 1:
        raise InputError(f"x holds {len(rows)} examples: ask about one, such as X[0]")
    return rows[0]


def _baseline(net: Network, baseline: Any) -> Array:
    if baseline is None:
        return np.zeros(net.sizes[0])
    try:
        mean: Array = dense(as_inputs(net, baseline)).mean(axis=0)
    except InputError as error:
        raise InputError(f"the baseline cannot be used: {error}") from None
    return mean


def _answer(
    net: Network, theta: Parameters, names: Names, x: Array, m: int, wanted: Any
) -> Answer | None:
    """Return the answer to change, or None for a number where no other is wanted."""
    if classifies(net):
        if wanted is None:
            return Answer(net, theta, x, m)
        c = find_class(net, names, wanted)
        found = Answer(net, theta, x, m, c)
        if found.said == c:
            raise InputError(f"wanted is {wanted!r}, which the network says already")
        return found
    if wanted is None:
        return None
    if (
        isinstance(wanted, bool)
        or not isinstance(wanted, int | float | np.number)
        or not np.isfinite(wanted)
    ):
        raise InputError(f"wanted is {wanted!r}: give the number that the output should reach")
    return Answer(net, theta, x, m, float(wanted))


def _explain(
    outcome: Outcome,
    names: Names,
    columns: tuple[InputColumn, ...],
    points: tuple[Array, Array],
    values: tuple[float, float],
    parts: Parts,
    flow: PathFlow,
    a: list[Any],
    answer: Answer | None,
    limits: Any,
    top: int,
) -> Explanation:
    net, m, (x, zero) = outcome.net, outcome.m, points
    value = values[0] - values[1]
    by_column = gather(columns, parts.inputs)
    terms = _terms(columns, by_column, parts, len(columns) > MANY)
    left = value - float(np.sum([term.value for term in terms]))
    what, own = outcome.at, _in_own_units(outcome, names)
    ref = Ref(net.L, m)
    name = names.of(net, net.L, m)
    tables = [
        _contributions(net, names, columns, by_column, parts, points, top),
        _paths(outcome, names, flow),
    ]
    arrays: dict[str, Any] = {
        "inputs": parts.inputs,
        "columns": by_column,
        "biases": parts.biases,
        "output": values[0],
        "baseline_output": values[1],
        "outputs": a[-1][0],
        "paths": tuple((path.units, path.value) for path in flow.paths),
        "points": parts.points,
    }
    told = _said(outcome, names, a[-1], values)
    told += _parts_said(outcome, names, terms, values)
    unseen = 0
    if answer is not None:
        low, high = limits_of(x.astype(np.float64), names, limits)
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # exp may leave what it can hold, far from x
            found, together, unseen = changes(answer, columns, low, high, top)
        tables.append(table(answer, names, found))
        told += " " + words(answer, names, found, together, limits is not None)
        arrays["changes"] = tuple(
            (one.column.name if one.column else "", one.x, one.size, one.verified) for one in found
        )
        arrays["nearest"] = None if together is None else together.x
        arrays["nearest_size"] = None if together is None else together.size
    return Explanation(
        kind="prediction",
        question=f"Why is {what} of {name} {shown(values[0])} in this example?"
        if not own
        else f"Why is {name} {in_units(net, names, net.L, m, values[0])} in this example?",
        answer=told,
        value=value,
        terms=tuple(terms),
        residuals=_left(outcome, points, left),
        equations=_equations(outcome, terms, values, top),
        tables=tuple(tables),
        pictures=_pictures(outcome, names, columns, by_column, points, parts, flow, a, top),
        arrays=arrays,
        notes=_notes(outcome, parts, limits is None, answer is not None, unseen, bool(zero.any())),
        part=ref.part,
    )


def _in_own_units(outcome: Outcome, names: Names) -> bool:
    """Return whether the number is a target's that was standardised, and not some z before a function."""
    net = outcome.net
    is_output = outcome.at == "a" or net.f[net.L] is ACTIVATIONS["identity"]
    return is_output and names.scale(net, net.L, outcome.m) != AS_IT_IS


def _parts_said(
    outcome: Outcome, names: Names, terms: list[Term], values: tuple[float, float]
) -> str:
    """Return a sentence on what lies between the baseline's number and this one, largest parts first."""
    ref, own = (outcome.net, names, outcome.net.L, outcome.m), _in_own_units(outcome, names)

    def add(value: float) -> str:
        return change_in_units(*ref, value) if own else f"{value:+.3g}"

    base = in_units(*ref, values[1]) if own else shown(values[1])
    what = "That" if own else outcome.at
    said = [f"{term.name} {add(term.value)}" for term in terms[:3]]
    others = float(np.sum([term.value for term in terms[3:]]))
    said += [f"{len(terms) - 3:,} more {add(others)}"] if len(terms) > 3 else []
    listed = f": {', '.join(said)}." if said else "."
    return f" {what} is {add(values[0] - values[1])} beside the baseline's {base}{listed}"


def _left(outcome: Outcome, points: tuple[Array, Array], left: float) -> dict[str, float]:
    """Return the residual by name: integration, or where the network is piecewise linear rounding."""
    if not outcome.straight:
        return {"integration": left}
    net, theta, (x, zero) = outcome.net, outcome.theta, points
    W = [*theta.W[1:-1], theta.W[-1][[outcome.m]]]
    b = [*theta.b[1:-1], theta.b[-1][[outcome.m]]]
    ends = 8 * rounding.reach(W, b, np.abs(x) + np.abs(zero))
    roundings = 2 * (sum(net.sizes) + 3 * net.L) + rounding.FEW
    return rounding.remainder(left, rounding.bound(ends, roundings, x.dtype))


def _said(outcome: Outcome, names: Names, a: Array, values: tuple[float, float]) -> str:
    net, name = outcome.net, names.of(outcome.net, outcome.net.L, outcome.m)
    if not classifies(net):
        number = in_units(net, names, net.L, outcome.m, float(a[0, outcome.m]))
        return f"The network says {name} is {number}."
    said = class_names(net, names)[int(classes(a)[0])]
    of = "its output" if said == name else name
    z = f", z = {shown(values[0])}" if outcome.at == "z" else ""
    return f"The network says {said}; {of} is {shown(a[0, outcome.m])}{z}."


def _terms(
    columns: tuple[InputColumn, ...], by_column: Array, parts: Parts, many: bool
) -> list[Term]:
    terms = [
        Term(column.name, float(value), part=" ".join(Ref(0, int(k)).part for k in column.inputs))
        for column, value in zip(columns, by_column, strict=True)
        if value or not many
    ]
    terms += [
        Term(f"biases of layer {l}", value)
        for l, value in enumerate(parts.biases, start=1)
        if value
    ]
    return sorted(terms, key=lambda term: -abs(term.value))


def _contributions(
    net: Network,
    names: Names,
    columns: tuple[InputColumn, ...],
    by_column: Array,
    parts: Parts,
    points: tuple[Array, Array],
    top: int,
) -> Table:
    x, _ = points
    order = np.argsort(-abs(by_column), kind="stable")[:top]
    rows: list[tuple[Any, ...]] = []
    for c in order:
        column = columns[c]
        ends: tuple[Any, ...] = tuple(column.shown(net, names, end) for end in points)
        if column.categories:
            ends = (ends[0], "")
        rows.append((column.name, *ends, float(by_column[c])))
    where = [Ref(0, int(columns[c].inputs[0])).part for c in order]
    if len(columns) > len(order):
        left = float(by_column.sum() - by_column[order].sum())
        rows.append((f"{len(columns) - len(order):,} other columns", "", "", left))
        where.append("")
    for l, value in enumerate(parts.biases, start=1):
        if value:
            rows.append((f"biases of layer {l}", "", "", value))
            where.append("")
    adds = "adds" if names.target == AS_IT_IS else "adds, standardised"
    heads = ("column", "x", "baseline", adds)
    return Table("What each column adds", heads, tuple(rows), tuple(where))


def _paths(outcome: Outcome, names: Names, flow: PathFlow) -> Table:
    net = outcome.net
    rows, where = [], []
    for path in flow.paths:
        rows.append((symbols.path(net, names, 0, *path.units), path.value))
        ends = zip(range(1, net.L + 1), path.units[1:], path.units, strict=False)
        where.append(" ".join(Ref(l, j, k).part for l, j, k in ends))
    title = f"The heaviest of {flow.count:,} paths, which carry {shown(flow.total)} in all to z"
    return Table(title, ("path", "carries"), tuple(rows), tuple(where))


def _equations(
    outcome: Outcome, terms: list[Term], values: tuple[float, float], top: int
) -> tuple[Equation, ...]:
    left = symbols.unit(outcome.at, outcome.net.L, outcome.m)
    slope: Expression = Derivative(left, Symbol("x", None, ("k",)))
    if not outcome.straight:
        slope = Call(Words("mean"), slope)
    part = SumOver("k", Product((Symbol("Δx", None, ("k",)), slope)))
    general: tuple[Expression, ...] = (Words("the baseline's"), part)
    if outcome.straight:
        general += (Words("biases"),)
    arrays: list[Expression] = [Number(term.value, term.part) for term in terms[:top]]
    if len(terms) > top:
        arrays.append(Number(float(np.sum([term.value for term in terms[top:]]))))
    here, base = values
    sides = (
        left,
        Sum((Number(base), *arrays)),
        Sum((Number(base), Number(here - base))),
        Number(here),
    )
    return Equation((left, Sum(general))), Equation(sides)


def _pictures(
    outcome: Outcome,
    names: Names,
    columns: tuple[InputColumn, ...],
    by_column: Array,
    points: tuple[Array, Array],
    parts: Parts,
    flow: PathFlow,
    a: list[Any],
    top: int,
) -> tuple[Picture, ...]:
    net, (x, _) = outcome.net, points
    name = names.of(net, net.L, outcome.m)
    marked = {Ref(l, j).part for path in flow.paths[:3] for l, j in enumerate(path.units)}
    network = NetworkPicture(
        title=f"What carries {name}",
        units=(x, *(layer[0] for layer in a[1:])),
        edges=flow.flow,
        names=tuple(names.layer(net, l) for l in range(net.L + 1)),
        unit_meaning="activation" + names.counted,
        edge_meaning=f"carried to z of {name}",
        marked=tuple(sorted(marked)),
        image=names.image,
    )
    if names.image:
        title = f"What each pixel adds to {name}"
        added = ImagePicture(title, parts.inputs.reshape(1, *names.image), ("adds",), signed=True)
        return (ImagePicture("The example", x.reshape(1, *names.image), ("x",)), added, network)
    order = np.argsort(-abs(by_column), kind="stable")[: 2 * top]
    labels = tuple(columns[c].name for c in order)
    return (
        BarPicture(
            f"What each column adds to {name}",
            "adds" if names.target == AS_IT_IS else "adds, standardised",
            labels,
            by_column[order],
        ),
        network,
    )


def _notes(
    outcome: Outcome, parts: Parts, unbounded: bool, searched: bool, unseen: int, moved: bool
) -> tuple[str, ...]:
    net = outcome.net
    notes = []
    if outcome.straight:
        notes.append(
            "Exact: the sum of all paths from each column, and from the biases of each layer."
        )
        notes.append(
            "A bias adds where a unit is on for the example and off for the baseline, or the reverse."
        )
        if moved:
            notes.append("Layer 1's biases stand for what the baseline gives as well.")
    else:
        notes.append(
            f"Integrated gradients in {parts.points:,} points; by halving the pieces they are off by "
            f"no more than about {shown(parts.error)}. The residual is what they leave of the value."
        )
        notes.append(
            "Paths have the slopes of chords, from the baseline to the example, and add up to z."
        )
    if outcome.at == "z" and net.f[net.L].name != "identity":
        notes.append(f"Of z, before {net.f[net.L].name}; at='a' explains what comes out of it.")
    if classifies(net) and net.sizes[-1] == 1 and outcome.at == "z":
        notes.append("z above 0 speaks for the class, below 0 against it.")
    if searched:
        notes.append(
            "Changes are of the inputs as the network takes them, the smallest found; that none is smaller "
            "is not proved."
        )
        if unseen:
            promise = "column that promises" if unseen == 1 else "columns that promise"
            notes.append(f"{unseen:,} {promise} less to first order: not looked at alone.")
        notes.append("A verified change was made, and the network passed through once more.")
        if unbounded:
            notes.append(
                "How far the training rows reached is not known here: a change may lie outside. `limits` "
                "says how far it may go."
            )
    return tuple(notes)
