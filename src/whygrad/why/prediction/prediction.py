"""Feature attribution of one prediction, by integrated gradients or paths, and counterfactuals.

    out(x) − out(x⁰) = Σ_columns contribution (+ biases)

Exact path decomposition where the network is made of straight lines, integrated gradients with what is
left of them elsewhere (`attribution`). The number explained is z of a probability, where parts can add up
without end, and a of a number.
"""

from dataclasses import dataclass, replace
from functools import cached_property
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
from whygrad.nn import Array, Network, Parameters, as_inputs, dense
from whygrad.nn.functions import ACTIVATIONS
from whygrad.why import rounding, symbols
from whygrad.why.choosing import class_names, classes, classifies, find_class
from whygrad.why.context import at_least_one
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
    top = at_least_one("top", top)
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
    here = float((z if number == "z" else a)[-1][0, m])
    base = float(outcome.values(outcome.start(zero[None]))[0])
    parts, flow = attribute(outcome, row, zero), path_flow(outcome, row, zero, top)
    columns = columns_of(net, names)
    about = _Attribution(outcome, names, columns, row, zero, here, base, parts, flow, a, top)
    found = _explain(about, _answer(net, theta, names, row, m, wanted), limits)
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


@dataclass(frozen=True, eq=False)
class _Attribution:
    """One output for one example, beside the baseline: all that the answer is told from.

    `here` and `base` are the output's numbers for the example `x` and the baseline `zero`, `a` the
    activations by layer.
    """

    outcome: Outcome
    names: Names
    columns: tuple[InputColumn, ...]
    x: Array
    zero: Array
    here: float
    base: float
    parts: Parts
    flow: PathFlow
    a: list[Any]
    top: int

    @cached_property
    def by_column(self) -> Array:
        """What each column adds."""
        return gather(self.columns, self.parts.inputs)

    @cached_property
    def terms(self) -> list[Term]:
        """What columns and biases add, the largest first."""
        terms = [
            Term(one.name, float(value), part=" ".join(Ref(0, int(k)).part for k in one.inputs))
            for one, value in zip(self.columns, self.by_column, strict=True)
            if value or len(self.columns) <= MANY
        ]
        biases = enumerate(self.parts.biases, start=1)
        terms += [Term(f"biases of layer {l}", value) for l, value in biases if value]
        return sorted(terms, key=lambda term: -abs(term.value))

    @property
    def net(self) -> Network:
        """The network."""
        return self.outcome.net

    @property
    def name(self) -> str:
        """What the output is called."""
        return self.names.of(self.net, self.net.L, self.outcome.m)

    @property
    def adds(self) -> str:
        """What columns do, as tables and pictures are headed."""
        return "adds" if self.names.target == AS_IT_IS else "adds, standardised"

    @property
    def in_own_units(self) -> bool:
        """Whether the number is a target's that was standardised, and not some z before a function."""
        net = self.net
        is_output = self.outcome.at == "a" or net.f[net.L] is ACTIVATIONS["identity"]
        return is_output and self.names.scale(net, net.L, self.outcome.m) != AS_IT_IS


def _explain(about: _Attribution, answer: Answer | None, limits: Any) -> Explanation:
    net, names, m, parts = about.net, about.names, about.outcome.m, about.parts
    value = about.here - about.base
    left = value - float(np.sum([term.value for term in about.terms]))
    tables = [_contributions(about), _paths(about)]
    arrays: dict[str, Any] = {
        "inputs": parts.inputs,
        "columns": about.by_column,
        "biases": parts.biases,
        "output": about.here,
        "baseline_output": about.base,
        "outputs": about.a[-1][0],
        "paths": tuple((path.units, path.value) for path in about.flow.paths),
        "points": parts.points,
    }
    told, unseen = _said(about) + _parts_said(about), 0
    if answer is not None:
        low, high = limits_of(about.x.astype(np.float64), names, limits)
        with np.errstate(over="ignore", invalid="ignore"):  # exp overflows, far from x
            found, together, unseen = changes(answer, about.columns, low, high, about.top)
        tables.append(table(answer, names, found))
        told += " " + words(answer, names, found, together, limits is not None)
        arrays["changes"] = tuple(
            (one.column.name if one.column else "", one.x, one.size, one.verified) for one in found
        )
        arrays["nearest"] = None if together is None else together.x
        arrays["nearest_size"] = None if together is None else together.size
    return Explanation(
        kind="prediction",
        question=f"Why is {about.name} {in_units(net, names, net.L, m, about.here)} in this example?"
        if about.in_own_units
        else f"Why is {about.outcome.at} of {about.name} {shown(about.here)} in this example?",
        answer=told,
        value=value,
        terms=tuple(about.terms),
        residuals=_left(about, left),
        equations=_equations(about),
        tables=tuple(tables),
        pictures=_pictures(about),
        arrays=arrays,
        notes=_notes(about, limits is None, answer is not None, unseen),
        part=Ref(net.L, m).part,
    )


def _parts_said(about: _Attribution) -> str:
    """Return a sentence on what lies between the baseline's number and this one, largest parts first."""
    own, terms = about.in_own_units, about.terms
    ref = (about.net, about.names, about.net.L, about.outcome.m)

    def add(value: float) -> str:
        return change_in_units(*ref, value) if own else f"{value:+.3g}"

    base = in_units(*ref, about.base) if own else shown(about.base)
    what = "That" if own else about.outcome.at
    change, way = about.here - about.base, "below" if about.here < about.base else "above"
    said = [f"{term.name} {add(term.value)}" for term in terms[:3]]
    others = float(np.sum([term.value for term in terms[3:]]))
    said += [f"{len(terms) - 3:,} more {add(others)}"] if len(terms) > 3 else []
    listed = f": {', '.join(said)}." if said else "."
    return f" {what} is {add(abs(change)).lstrip('+')} {way} the baseline's {base}{listed}"


def _left(about: _Attribution, left: float) -> dict[str, float]:
    """Return the residual by name: integration, or where the network is piecewise linear rounding."""
    outcome, net, theta = about.outcome, about.net, about.outcome.theta
    if not outcome.straight:
        return {"integration": left}
    W = [*theta.W[1:-1], theta.W[-1][[outcome.m]]]
    b = [*theta.b[1:-1], theta.b[-1][[outcome.m]]]
    ends = 8 * rounding.reach(W, b, np.abs(about.x) + np.abs(about.zero))
    roundings = 2 * (sum(net.sizes) + 3 * net.L) + rounding.FEW
    return rounding.remainder(left, rounding.bound(ends, roundings, about.x.dtype))


def _said(about: _Attribution) -> str:
    net, names, name, m, a = about.net, about.names, about.name, about.outcome.m, about.a[-1]
    if not classifies(net):
        return f"The network says {name} is {in_units(net, names, net.L, m, float(a[0, m]))}."
    said = class_names(net, names)[int(classes(a)[0])]
    of = "its output" if said == name else name
    z = f", z = {shown(about.here)}" if about.outcome.at == "z" else ""
    return f"The network says {said}; {of} is {shown(a[0, m])}{z}."


def _contributions(about: _Attribution) -> Table:
    net, names, columns, by_column = about.net, about.names, about.columns, about.by_column
    order = np.argsort(-abs(by_column), kind="stable")[: about.top]
    rows: list[tuple[Any, ...]] = []
    for c in order:
        column = columns[c]
        ends: tuple[Any, ...] = tuple(column.shown(net, names, x) for x in (about.x, about.zero))
        if column.categories:
            ends = (ends[0], "")
        rows.append((column.name, *ends, float(by_column[c])))
    where = [Ref(0, int(columns[c].inputs[0])).part for c in order]
    if len(columns) > len(order):
        left = float(by_column.sum() - by_column[order].sum())
        rows.append((f"{len(columns) - len(order):,} other columns", "", "", left))
        where.append("")
    for l, value in enumerate(about.parts.biases, start=1):
        if value:
            rows.append((f"biases of layer {l}", "", "", value))
            where.append("")
    heads = ("column", "x", "baseline", about.adds)
    return Table("What each column adds", heads, tuple(rows), tuple(where))


def _paths(about: _Attribution) -> Table:
    net, names, flow = about.net, about.names, about.flow
    rows, where = [], []
    for path in flow.paths:
        rows.append((symbols.path(net, names, 0, *path.units), path.value))
        ends = zip(range(1, net.L + 1), path.units[1:], path.units, strict=False)
        where.append(" ".join(Ref(l, j, k).part for l, j, k in ends))
    title = f"The heaviest of {flow.count:,} paths, which carry {shown(flow.total)} in all to z"
    return Table(title, ("path", "carries"), tuple(rows), tuple(where))


def _equations(about: _Attribution) -> tuple[Equation, ...]:
    outcome, terms, top = about.outcome, about.terms, about.top
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
    here, base = Number(about.here), Number(about.base)
    more = Sum((base, Number(about.here - about.base)))
    numbers = Equation((left, Sum((base, *arrays)), more, here))
    return Equation((left, Sum(general))), numbers


def _pictures(about: _Attribution) -> tuple[Picture, ...]:
    net, names, name, x, flow = about.net, about.names, about.name, about.x, about.flow
    marked = {Ref(l, j).part for path in flow.paths[:3] for l, j in enumerate(path.units)}
    network = NetworkPicture(
        title=f"What carries {name}",
        units=(x, *(layer[0] for layer in about.a[1:])),
        edges=flow.flow,
        names=names.layers(net),
        unit_meaning="activation" + names.counted,
        edge_meaning=f"carried to z of {name}",
        marked=tuple(sorted(marked)),
        image=names.image,
        kept=net.kept,
    )
    if names.image:
        title = f"What each pixel adds to {name}"
        added = ImagePicture(
            title, about.parts.inputs.reshape(1, *names.image), ("adds",), signed=True
        )
        return (ImagePicture("The example", x.reshape(1, *names.image), ("x",)), added, network)
    order = np.argsort(-abs(about.by_column), kind="stable")[: 2 * about.top]
    labels, values = tuple(about.columns[c].name for c in order), about.by_column[order]
    return (BarPicture(f"What each column adds to {name}", about.adds, labels, values), network)


def _notes(about: _Attribution, unbounded: bool, searched: bool, unseen: int) -> tuple[str, ...]:
    outcome, net, parts = about.outcome, about.net, about.parts
    notes = []
    if outcome.straight:
        notes.append(
            "Exact: the sum of all paths from each column, and from the biases of each layer."
        )
        notes.append(
            "A bias adds where a unit is on for the example and off for the baseline, or the reverse."
        )
        if about.zero.any():
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
