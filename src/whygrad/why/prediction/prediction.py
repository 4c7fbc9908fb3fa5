"""Feature attribution of one prediction by integrated gradients, averaged over baselines; counterfactuals.

    out(x) − mean_b out(x⁰ᵇ) = Σ_columns mean_b part_b

The parts come from `attribution`, the baselines from `baselines`. The number explained is z of a
probability, where parts can add up without end, and a of a number, in its own units. Why one class of
several and not another is answered by the difference of their two z: what raises both speaks for neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.answers.classes import class_names, classes, classifies, compete
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
from whygrad.answers.formatting import share
from whygrad.answers.names import AS_IT_IS, Names, Ref, names_of
from whygrad.answers.parts import Table, Term
from whygrad.answers.pictures import BarPicture, ImagePicture, Picture
from whygrad.cores import one_thread
from whygrad.errors import InputError
from whygrad.nn import Activation, Array, Network, Parameters, as_inputs, dense
from whygrad.nn.functions import ACTIVATIONS
from whygrad.why import rounding, symbols
from whygrad.why.choosing import classes_said, find_class
from whygrad.why.context import at_least_one
from whygrad.why.prediction.attribution import IDENTITY, Parts, integrated_gradients
from whygrad.why.prediction.baselines import Baselines, choose_baselines, how_many, rows_of
from whygrad.why.prediction.columns import InputColumn, columns_of, gather
from whygrad.why.prediction.counterfactual import changes, room_of, table, words
from whygrad.why.prediction.members import Member, Members, members_of
from whygrad.why.prediction.quadrature import kinks_of
from whygrad.why.prediction.seen import seen_in
from whygrad.why.prediction.sensitivity import Answer, log_odds
from whygrad.why.symbols import change_in_units, in_units, shown, signed

MANY = 50  # columns: of more, those that add nothing have no term
EXACT = 1e-12  # of Σ|terms|: what quadrature leaves at most, unless rounding alone is more


def prediction(
    net: Network | Sequence[Member],
    theta: Parameters | None,
    x: Any,
    *,
    output: int | str | None = None,
    at: str | None = None,
    baseline: Any = None,
    training: Any = None,
    sample: int | None = None,
    seed: int = 0,
    wanted: Any = None,
    limits: Any = None,
    top: int = 10,
    names: Names | None = None,
) -> Explanation:
    """Feature attribution and counterfactuals: what each column adds, and what would change the answer.

        out(x) − mean_b out(x⁰ᵇ) = Σ_k mean_b (xₖ − x⁰ₖᵇ) ∫₀¹ ∂out/∂xₖ (x⁰ᵇ + t (x − x⁰ᵇ)) dt

    Integrated gradients, averaged over baselines x⁰ᵇ: exact where the network is piecewise linear, by
    walking the line from kink to kink, elsewhere by quadrature to 1e-12 of Σ|terms|. Dropout is off.

    Parameters
    ----------
    net : Network or sequence of (Network, Parameters)
        The network, or the members of an ensemble, whose outputs' z are averaged.
    theta : Parameters or None
        The parameters θ of the network; None with members.
    x : array-like, shape (n_0,) or (1, n_0)
        One example.
    output : int or str, optional
        By index or name, the output that is explained; output 0 by default. Of several classes the one that
        the class predicted is compared with; the runner-up by default. Of outputs of sigmoid that have a
        binary cross-entropy each, the one that is explained; the largest by default.
    at : {"z", "a"}, optional
        Explain the output's weighted input (the default for a single probability) or its activation (the
        default for numbers). By default, of several classes, z of the class predicted less z of the other;
        with `at` the output alone, by default that of the class predicted.
    baseline : {"training", "mean", "zero"} or array-like, shape (n_0,) or (m, n_0), optional
        What x is compared with: a sample of the training rows (the default where they are known), their
        mean, 0 in every input (the default elsewhere; black in an image), or rows, each a baseline.
    training : array, shape (n, n_0), optional
        The training rows: for baselines, and for what a counterfactual may change.
    sample : int, optional
        How many baselines are drawn at most: 100, and of large networks fewer, 20 at least.
    seed : int
        Draws them.
    wanted : int, str or float, optional
        The class, or the number, that a counterfactual should reach; any other class by default.
    limits : pair of float or array-like, shape (n_0,), optional
        How low and how high each input may go in a counterfactual; by default the range of the training
        rows, else 10 to either side of it, and 0 to 1 for an image.
    top : int
        How many rows each table lists.
    names : Names, optional
        What inputs, outputs and classes are called.

    Returns
    -------
    Explanation
        `value` is out(x) less the mean of the baselines' outputs, in units of z, or of a number's own; of
        several classes out is the difference of two z.
        `terms` are the parts of the columns, largest first; the residual is "rounding", or "integration"
        where quadrature was needed. `arrays` holds `inputs` (n_0,) and `columns`, what each adds,
        `standard_errors` of the columns' (None where no baselines were drawn), `output`,
        `baseline_output`, `baseline_outputs` (B,), `outputs` (n_L,), `gradients`, how many were taken, and
        where a change was sought `changes` (column, x, size, verified), the `nearest` x′ found and its
        `nearest_size`.

    Raises
    ------
    InputError
        For more than one example, for an output, class, baseline or limit that does not fit, and where no
        baseline is known that can exist.

    References
    ----------
    Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks. ICML.
    Erion, Janizek, Sturmfels, Lundberg & Lee (2021), Improving performance of deep learning models with
    axiomatic attribution priors and expected gradients. Nature Machine Intelligence 3.
    Moosavi-Dezfooli, Fawzi & Frossard (2016), DeepFool. CVPR.
    Wachter, Mittelstadt & Russell (2018), Counterfactual explanations without opening the black box.
    Harvard Journal of Law & Technology 31.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> found = prediction(net, net.init(W=[None, [[2.0, -1.0]]]), [3.0, 1.0], baseline=[[0, 0], [2, 2]])
    >>> found.value, [(term.name, term.value) for term in found.terms]
    (4.0, [('input 0', 4.0), ('input 1', 0.0)])
    """
    members = members_of(net, theta)
    net = members.net
    names = names_of(net, names)
    if at not in (None, "z", "a"):
        raise InputError(f"at is {at!r}: give 'z', the weighted input of the output, or 'a'")
    top = at_least_one("top", top)
    sample = how_many(members) if sample is None else at_least_one("sample", sample)
    row = _one(net, x)
    training = None if training is None else rows_of(net, training, "training")
    columns = columns_of(net, names)
    baselines = choose_baselines(net, names, columns, baseline, training, sample, seed)
    number = at or ("z" if classifies(net) else "a")
    last = net.f[net.L] if number == "a" else IDENTITY
    asked = None if output is None else names.find(net, net.L, output)
    with one_thread(numpy=True), np.errstate(over="ignore", under="ignore", invalid="ignore"):
        double = members.in_double()
        (z,), (a,) = double.outputs(double.start(row[None]))
        m, rival = _compared(net, z, a, asked, alone=at is not None)
        explained = double if rival is None else double.margin(m, rival)
        parts = integrated_gradients(explained.each, row, baselines.rows, m, last)
        there = last.value(explained.outputs(explained.start(baselines.rows))[0])[:, m]
        here = float(last.value(explained.outputs(explained.start(row[None]))[0])[0, m])
        about = _Attribution(
            explained,
            names,
            columns,
            m,
            rival,
            number,
            last,
            row,
            baselines,
            here,
            there,
            parts,
            a,
            top,
        )
        answer = _answer(members, names, row.astype(members.dtype), m, wanted)
        return _explain(about, answer, limits, training)


def _compared(
    net: Network, z: Array, a: Array, asked: int | None, alone: bool
) -> tuple[int, int | None]:
    """Return the output that is explained, and of several classes the one it is compared with, or None.

    Where the probabilities of several round to 0 the runner-up is the one with the largest z.
    """
    if not classifies(net) or net.sizes[-1] == 1:
        return asked or 0, None
    said = int(classes(a[None])[0])
    if alone or not compete(net):
        return said if asked is None else asked, None
    if asked is not None and asked != said:
        return said, asked
    return said, next(c for c in np.lexsort((-z, -a)).tolist() if c != said)


def _one(net: Network, x: Any) -> Array:
    rows = dense(as_inputs(net, x))
    if len(rows) != 1:
        raise InputError(f"x holds {len(rows)} examples: ask about one, such as X[0]")
    row: Array = rows[0].astype(np.float64)
    return row


def _answer(members: Members, names: Names, x: Array, m: int, wanted: Any) -> Answer | None:
    """Return the answer to change, or None for a number where no other is wanted."""
    net = members.net
    if classifies(net):
        if wanted is None:
            return Answer(members, x, m, threshold=names.threshold)
        c = find_class(net, names, wanted)
        found = Answer(members, x, m, c, names.threshold)
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
    return Answer(members, x, m, float(wanted))


@dataclass(frozen=True, eq=False)
class _Attribution:
    """One output for one example, beside the baselines: all that the answer is told from.

    With a `rival` the number is z of output m less z of that output, which `members` give as z of m.
    `here` and `there` (B,) are the output's numbers for the example `x` and the baselines, as the network
    gives them, `a` its outputs for x.
    """

    members: Members
    names: Names
    columns: tuple[InputColumn, ...]
    m: int
    rival: int | None
    at: str
    last: Activation
    x: Array
    baselines: Baselines
    here: float
    there: Array
    parts: Parts
    a: Array
    top: int

    @property
    def net(self) -> Network:
        """The network, or the first of several."""
        return self.members.net

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Center and scale of the number in its own units; 0 and 1 of some z before a function."""
        net = self.net
        is_output = self.at == "a" or net.f[net.L] is ACTIVATIONS["identity"]
        center, scale = (self.names.scale(net, net.L, self.m) if is_output else AS_IT_IS)[:2]
        return center, scale

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The number for x, and its mean over the baselines, in own units."""
        center, scale = self.scale
        return self.here * scale + center, float(self.there.mean()) * scale + center

    @property
    def value(self) -> float:
        """What is explained: the number for x less its mean over the baselines."""
        return float((self.here - self.there).mean()) * self.scale[1]

    @cached_property
    def inputs(self) -> Array:
        """What each input adds, (n_0,)."""
        mean: Array = self.parts.each.mean(axis=0) * self.scale[1]
        return mean

    @cached_property
    def by_column(self) -> Array:
        """What each column adds."""
        return gather(self.columns, self.inputs)

    @cached_property
    def errors(self) -> Array | None:
        """The standard error of what each column adds, None where no baselines were drawn."""
        each = gather(self.columns, self.parts.each) * self.scale[1]
        return self.baselines.standard_errors(each)

    @cached_property
    def terms(self) -> list[Term]:
        """What the columns add, the largest first."""
        terms = [
            Term(one.name, float(value), part=" ".join(Ref(0, int(k)).part for k in one.inputs))
            for one, value in zip(self.columns, self.by_column, strict=True)
            if value or len(self.columns) <= MANY
        ]
        return sorted(terms, key=lambda term: -abs(term.value))

    @property
    def said(self) -> int:
        """The class that is said."""
        return int(classes(self.a[None], self.names.threshold)[0])

    @property
    def name(self) -> str:
        """What the output is called."""
        return self.names.of(self.net, self.net.L, self.m)

    @property
    def explained(self) -> str:
        """What columns add to, in words."""
        if self.rival is None:
            return self.name
        return f"{self.name} against {self.names.of(self.net, self.net.L, self.rival)}"

    @property
    def adds(self) -> str:
        """What columns do, as tables and pictures are headed."""
        return "adds" if self.scale == AS_IT_IS else f"adds to {self.name}"


def _explain(about: _Attribution, answer: Answer | None, limits: Any, training: Any) -> Explanation:
    net, names, m = about.net, about.names, about.m
    center, scale = about.scale
    left = about.value - float(np.sum([term.value for term in about.terms]))
    arrays: dict[str, Any] = {
        "inputs": about.inputs,
        "columns": about.by_column,
        "standard_errors": about.errors,
        "output": about.ends[0],
        "baseline_output": about.ends[1],
        "baseline_outputs": about.there * scale + center,
        "outputs": about.a,
        "gradients": about.parts.gradients,
    }
    tables = [_contributions(about)]
    told, unseen = f"{_said(about)}\n{_parts_said(about)}", 0
    if answer is not None:
        seen = None if training is None else seen_in(training, about.columns, net, names)
        room = room_of(about.x, names, limits, seen)
        with np.errstate(over="ignore", invalid="ignore"):  # exp overflows, far from x
            found, together, unseen = changes(answer, about.columns, names, room, about.top)
        tables.append(table(answer, names, found))
        bounded = limits is not None or seen is not None
        numbers = any(column.numeric for column in about.columns)
        told += "\n" + words(answer, names, found, together, bounded, numbers)
        arrays["changes"] = tuple(
            (one.column.name if one.column else "", one.x, one.size, one.verified) for one in found
        )
        arrays["nearest"] = None if together is None else together.x
        arrays["nearest_size"] = None if together is None else together.size
    residuals = _left(about, left)
    notes = _notes(about, residuals)
    if answer is not None:
        notes += _notes_on_changes(unseen, limits is not None, training is not None)
    return Explanation(
        kind="prediction",
        question=_asked(about),
        answer=told,
        value=about.value,
        terms=tuple(about.terms),
        residuals=residuals,
        equations=_equations(about),
        tables=tuple(tables),
        pictures=_pictures(about),
        arrays=arrays,
        notes=tuple(notes),
        part=Ref(net.L, m).part,
    )


def _asked(about: _Attribution) -> str:
    """Return the question: of classes why this one and not the next, of numbers why so much."""
    net, names, m = about.net, about.names, about.m
    if classifies(net) and (net.sizes[-1] == 1 or about.rival is not None):
        called, said = class_names(net, names), about.said
        other = 1 - said if about.rival is None else about.rival
        return f'Why "{called[said]}" and not "{called[other]}" in this example?'
    if about.scale == AS_IT_IS:
        return f"Why is {about.at} of {about.name} {shown(about.here)} in this example?"
    return f"Why is {about.name} {in_units(net, names, net.L, m, about.here)} in this example?"


def _parts_said(about: _Attribution) -> str:
    """Return a sentence on what lies between the baselines' number and this one, largest parts first."""
    own, terms, scale = about.scale != AS_IT_IS, about.terms, about.scale[1]
    ref = (about.net, about.names, about.net.L, about.m)

    def add(value: float) -> str:
        return change_in_units(*ref, value / scale) if own else signed(value)

    mean = float(about.there.mean())
    base = in_units(*ref, mean) if own else shown(mean)
    what = "That" if own else f"{about.at} = {shown(about.here)}"
    if about.rival is not None:
        other = about.names.of(about.net, about.net.L, about.rival)
        what = f"z of {about.name} less z of {other}, {shown(about.here)},"
    way = "below" if about.value < 0 else "above"
    said = [f"{term.name} {add(term.value)}" for term in terms[:3]]
    others = float(np.sum([term.value for term in terms[3:]]))
    said += [f"{len(terms) - 3:,} more {add(others)}"] if len(terms) > 3 else []
    listed = f": {', '.join(said)}." if said else "."
    far = add(abs(about.value)).lstrip("+")
    return f"{what} is {far} {way} {about.baselines.said} {base}{listed}"


def _left(about: _Attribution, left: float) -> dict[str, float]:
    """Return the residual by name: integration, or where the network is piecewise linear rounding."""
    if not about.parts.exact:
        return {"integration": left}
    size, roundings, B = 0.0, rounding.FEW, len(about.baselines.rows)
    far = np.abs(about.x) + np.abs(about.baselines.rows).max(axis=0)
    for net, theta in about.members.each:
        steep = [1.0, *(_steepest(net.f[l]) for l in range(1, net.L))]
        W = [slope * W for slope, W in zip(steep, theta.W[1:], strict=True)]
        W[-1] = W[-1][[about.m]]
        size += rounding.reach(W, [*theta.b[1:-1], theta.b[-1][[about.m]]], far)
        roundings = max(roundings, 2 * (sum(net.sizes) + 3 * net.L) + rounding.FEW)
    roundings += 2 * about.parts.gradients // B + B + len(about.columns)
    size *= 8 * abs(about.scale[1]) / about.members.count
    return rounding.remainder(left, rounding.bound(size + abs(about.scale[0]), roundings))


def _steepest(f: Activation) -> float:
    """Return the largest slope of a function that is straight between its kinks, at least 1."""
    beside = [kink + step for kink in (f.kinks or (0.0,)) for step in (-1e-6, 1e-6)]
    return max(1.0, float(np.abs(f.derivative(np.array([beside]))).max()))


def _said(about: _Attribution) -> str:
    net, names, name, m, a = about.net, about.names, about.name, about.m, about.a
    several = about.members.count
    who = f"The average of {several} networks" if several > 1 else "The network"
    if not classifies(net):
        return f"{who} says {name} is {in_units(net, names, net.L, m, float(a[m]))}."
    called, parts = classes_said(net, names), a if len(a) > 1 else np.array([1 - a[0], a[0]])
    said = about.said
    asked = said if len(a) == 1 else m if about.rival is None else about.rival
    others = (c for c in np.argsort(-parts, kind="stable").tolist() if c != said)
    beside = asked if asked != said else next(others)
    above = ""
    if len(a) == 1 and names.threshold != 0.5:
        above = f"; {called[1]} is said above {share(names.threshold)}"
    return (
        f"{who} says {called[said]}: {share(float(parts[said]))}, "
        f"against {share(float(parts[beside]))} for {called[beside]}{above}."
    )


def _contributions(about: _Attribution) -> Table:
    columns, by_column, errors = about.columns, about.by_column, about.errors
    order = np.argsort(-abs(by_column), kind="stable")
    # One column that is left stands in the line that would say so.
    order = order if len(order) <= about.top + 1 else order[: about.top]
    rows: list[tuple[Any, ...]] = []
    for c in order:
        here, there = _ends(about, columns[c])
        part = (columns[c].name, here, there, float(by_column[c]))
        rows.append(part if errors is None else (*part, float(errors[c])))
    where = [Ref(0, int(columns[c].inputs[0])).part for c in order]
    if len(columns) > len(order):
        left = float(by_column.sum() - by_column[order].sum())
        rest = (f"{len(columns) - len(order):,} other columns", "", "", left)
        rows.append(rest if errors is None else (*rest, None))
        where.append("")
    base = "mean of baselines" if about.baselines.many else "baseline"
    heads = ("column", "x", base, about.adds) + (() if errors is None else ("±",))
    return Table("What each column adds", heads, tuple(rows), tuple(where))


def _ends(about: _Attribution, column: InputColumn) -> tuple[Any, Any]:
    """Return a column's value in x, and in the baselines: their mean, or their most frequent category."""
    net, names, rows = about.net, about.names, about.baselines.rows
    here = column.shown(net, names, about.x)
    if not column.categories:
        return here, column.shown(net, names, rows)
    if not about.baselines.many:
        return here, column.category(rows[0])
    found = rows[:, column.inputs].sum(axis=0)
    most = int(found.argmax())
    return here, f"{column.categories[most]} ({share(float(found[most]) / len(rows))})"


def _equations(about: _Attribution) -> tuple[Equation, ...]:
    terms = about.terms
    left: Expression = symbols.unit(about.at, about.net.L, about.m)
    if about.rival is not None:
        other = symbols.unit(about.at, about.net.L, about.rival)
        left = Sum((left, Product((Number(-1.0), other))))
    slope = Derivative(left, Symbol("x", None, ("k",)))
    step = Symbol("Δx", None, ("k",))
    part = SumOver("k", Call(Words("mean"), Product((step, slope))))
    arrays = symbols.summed_up([(term.value, term.part) for term in terms], len(terms), 0.0)
    here, base = map(Number, about.ends)
    more = Sum((base, Number(about.value)))
    own = left if about.scale == AS_IT_IS else Words(about.name)
    numbers = Equation((own, Sum((base, *arrays)), more, here))
    return Equation((left, Sum((Words(about.baselines.said.removesuffix(" of")), part)))), numbers


def _pictures(about: _Attribution) -> tuple[Picture, ...]:
    names, name, x = about.names, about.explained, about.x
    if names.image:
        added = ImagePicture(
            f"What each pixel adds to {name}",
            about.inputs.reshape(1, *names.image),
            ("adds",),
            signed=True,
        )
        return ImagePicture("The example", x.reshape(1, *names.image), ("x",)), added
    order = np.argsort(-abs(about.by_column), kind="stable")[: 2 * about.top]
    labels, values = tuple(about.columns[c].name for c in order), about.by_column[order]
    return (BarPicture(f"What each column adds to {name}", about.adds, labels, values),)


def _notes(about: _Attribution, residuals: dict[str, float]) -> list[str]:
    net, parts = about.net, about.parts
    notes = [about.baselines.note] if about.baselines.note else []
    several = f", of the mean of {about.members.count} networks" if about.members.count > 1 else ""
    if parts.exact:
        pieces = "1 piece" if parts.gradients == 1 else f"{parts.gradients:,} pieces"
        notes.append(
            f"Integrated gradients{several}, exact: walked from kink to kink, in {pieces}."
        )
    else:
        divided = ", divided at kinks" if any(map(kinks_of, net.f[1:])) else ""
        notes.append(
            f"Integrated gradients{several}, by quadrature in {parts.gradients:,} points{divided}; the "
            "residual is what they leave of the value."
        )
        size = float(np.sum([abs(term.value) for term in about.terms]))
        (left,) = residuals.values()
        if abs(left) > EXACT * size:
            notes.append(
                f"Parts nearly cancel: rounding leaves {shown(abs(left))} of {shown(size)}, the sum of "
                "their sizes."
            )
    if about.rival is not None:
        made = f", what {net.f[net.L].name} makes probabilities of"
        if net.f[net.L].name == "softmax":
            made = ": its exponential is the ratio of the two probabilities"
        notes.append(f"The parts are of the difference of two z{made}.")
    elif about.at == "z" and net.f[net.L].name != "identity":
        made = "a probability" if classifies(net) else "the output"
        notes.append(f"The parts are of z, what {net.f[net.L].name} makes {made} of.")
    elif classifies(net):
        notes.append(f"The parts are of a, the probability that {net.f[net.L].name} makes of z.")
    if classifies(net) and net.sizes[-1] == 1 and about.at == "z":
        less, more = class_names(net, about.names)
        turn = shown(log_odds(about.names.threshold))
        notes.append(f"z above {turn} speaks for {more}, below {turn} for {less}.")
    return notes


def _notes_on_changes(unseen: int, limited: bool, trained: bool) -> list[str]:
    notes = [
        "Changes are of the inputs as the network takes them, the smallest found; that none is smaller is "
        "not proved."
    ]
    if unseen:
        promise = "column that promises" if unseen == 1 else "columns that promise"
        notes.append(f"{unseen:,} {promise} less to first order: not looked at alone.")
    notes.append("A verified change was made, and the network passed through once more.")
    if trained:
        within = "the limits" if limited else "the range of the training rows"
        notes.append(
            f"A change stays within {within} and among the values seen there: whole numbers where a column "
            "is whole, categories, dates and places that occurred."
        )
    elif not limited:
        notes.append(
            "How far the training rows reached is not known here: a change may lie outside."
        )
    return notes
