"""Gradient check: backpropagation beside central differences of the cost, one parameter at a time.

    ∂C/∂w  beside  (C(w + h) − C(w − h)) / 2h, extrapolated to h = 0

A derivative passes where it lies within the error estimate of its difference, at a kink anywhere between
the derivatives from either side. A wrong one is traced to the function that is to blame. The differences
need two passes forward for each parameter, which is what backpropagation saves: both are measured.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import (
    Call,
    Derivative,
    Equation,
    Fraction,
    Number,
    Product,
    Sum,
    Symbol,
)
from whygrad.answers.names import Names, Ref
from whygrad.answers.parts import Table
from whygrad.answers.pictures import CurvePicture, Line, NetworkPicture
from whygrad.errors import InputError
from whygrad.nn import Array, Gradients, Network, Parameters, backward, cost, forward
from whygrad.nn.arrays import is_sparse
from whygrad.nn.backprop import gradients as take_gradients
from whygrad.nn.network import count
from whygrad.training.progress import told_of
from whygrad.why import symbols
from whygrad.why.context import Context, ask, at_least_one
from whygrad.why.gradient.weight import ref_name
from whygrad.why.gradient_check.culprits import Suspect, culprits, pattern
from whygrad.why.gradient_check.differences import Slopes, differentiate
from whygrad.why.gradient_check.finite_differences import CheckedParameters, rounding

# Beside the error estimate a derivative may be off by this part of itself, and of the largest of its layer.
# A thousandth is the smallest error that is to be caught; float32 carries seven digits.
SLACK = {"float64": (1e-7, 1e-11), "float32": (2e-4, 1e-5)}
LISTED = 10
DRAWN = 400  # derivatives in a picture of both ways
REPEATS = 5


@dataclass(frozen=True)
class Passes:
    """How far a check has come: `done` of at least `count` passes forward, each with a parameter moved."""

    done: int
    count: int

    def __str__(self) -> str:
        """The passes in one line."""
        return f"moving one parameter at a time: {self.done:,} of {self.count:,} passes"


def check(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    gradients: Any = None,
    sample: int | None = 1000,
    seed: int = 0,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    names: Names | None = None,
    products: str | None = None,
    progress: bool | Callable[[Passes], None] = False,
) -> Explanation:
    """Gradient check: compare the gradient with central differences, and find the function that is wrong.

        ∂C/∂w  beside  (C(w + h) − C(w − h)) / 2h, extrapolated to h = 0

    In float64, with a step and an error estimate for every parameter. At a kink any number between the
    one-sided derivatives passes.

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
    gradients : Gradients or array, shape (P,), optional
        A gradient computed elsewhere, to be checked in place of backpropagation's.
    sample : int or None
        How many of the P parameters are checked, half of them spread evenly over all W[l] and b[l]; None
        checks all.
    seed : int
        The seed that draws the sample.
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
    progress : bool or callable, default False
        Whether the terminal shows how far it has come, or a function that is told so: its argument has
        `done` of `count` passes. KeyboardInterrupt that it raises ends the check.

    Returns
    -------
    Explanation
        `arrays` holds `passed`, a bool; for each of the m parameters checked its `index` in θ, what was
        `said`, the `difference`, its `error`, `step`, `low` and `high`, whether it sits on a `kink` and
        whether it is `wrong`, (m,) each; `worst`, the index in θ of the worst; `forward_passes` (2 P),
        `seconds_forward`, `seconds_backpropagation` and `times_faster`, as measured.

    Raises
    ------
    InputError
        For gradients of another shape than θ, and for shapes that do not fit the network.

    References
    ----------
    Richardson (1911), The approximate arithmetical solution by finite differences. Phil. Trans. A 210.

    Examples
    --------
    >>> from whygrad.nn.network import Dense
    >>> net = Network(3, [Dense(2, "relu"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> found = check(net, net.init(seed=1), [[0.5, -1.0, 2.0]], [[1.0]])
    >>> found["passed"], len(found["index"]), found["forward_passes"]
    (True, 11, 22)
    """
    theta = Parameters(theta.sizes, np.asarray(theta.flat, np.float64))
    X = X if is_sparse(X) else np.asarray(X)
    X = X.astype(np.float64) if X.dtype.kind in "fiub" else X
    context = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names, products)
    given = _vector(gradients, theta)
    checked = checked_parameters(
        context, None if sample is None else at_least_one("sample", sample), seed
    )
    said = (context.gradients.flat if given is None else given)[checked.index].astype(np.float64)
    with told_of(progress, Passes(0, 6 * len(said))) as tell:
        found = _differences(checked, said, tell)
    kind = "float32" if given is not None and given.dtype.itemsize < 8 else "float64"
    outside, allowed = _judged(checked, said, found, *SLACK[kind])
    wrong = ~(outside <= allowed)  # NaN is wrong
    off = np.where(np.isnan(outside), np.inf, outside / allowed)
    worst = int(np.argmax(off))
    blamed = list(culprits(context, bool(wrong.any()) and given is None))
    timing = _timing(context)
    arrays = {
        "passed": not wrong.any() and not blamed,
        "index": checked.index,
        "said": said,
        "difference": found.value,
        "error": found.error,
        "step": found.step,
        "low": found.low,
        "high": found.high,
        "kink": found.kink,
        "wrong": wrong,
        "worst": int(checked.index[worst]),
    }
    return Explanation(
        kind="check",
        question="Is the gradient right?",
        answer=_answer(context, checked, said, found, wrong, worst, blamed, given is not None),
        equations=_equations(
            checked.ref(worst), said[worst], found.value[worst], found.step[worst]
        ),
        tables=(
            _worst(checked, said, found, off),
            *_blamed(context, blamed),
            _cost_of_it(context, timing, found, checked),
        ),
        pictures=(*_pictures(context, checked, outside, wrong), _scatter(said, found)),
        arrays=arrays | timing,
        notes=_notes(context, checked, found),
        part=checked.ref(worst).part,
    )


def _vector(gradients: Any, theta: Parameters) -> Array | None:
    if gradients is None:
        return None
    flat = np.asarray(gradients.flat if isinstance(gradients, Gradients) else gradients)
    if flat.shape != theta.flat.shape:
        raise InputError(
            f"gradients have shape {flat.shape}, θ has {theta.flat.shape}: give one number for each"
        )
    return flat


def checked_parameters(context: Context, sample: int | None, seed: int) -> CheckedParameters:
    """Choose the parameters to check, and find their layers and units."""
    sizes, P = context.net.sizes, count(context.net.sizes)
    starts, blocks = 0, []
    for below, units in zip(sizes, sizes[1:], strict=False):
        for size in (units * below, units):
            blocks.append((starts, size))
            starts += size
    if sample is None or sample >= P:
        index = np.arange(P)
    else:
        rng = np.random.default_rng(seed)
        chosen = set()
        for start, size in blocks:
            few = min(size, max(1, sample // (2 * len(blocks))))
            chosen |= set((start + rng.choice(size, few, replace=False)).tolist())
        for i in rng.permutation(P).tolist():
            if len(chosen) >= sample:
                break
            chosen.add(i)
        index = np.array(sorted(chosen))
    index = np.setdiff1d(index, context.net.masked)  # those left out are no parameters
    layer, to, of = (np.zeros(len(index), int) for _ in range(3))
    for number, (start, size) in enumerate(blocks):
        here = (index >= start) & (index < start + size)
        l, below = number // 2 + 1, sizes[number // 2]
        layer[here] = l
        if number % 2:
            to[here], of[here] = index[here] - start, -1
        else:
            to[here], of[here] = np.divmod(index[here] - start, below)
    return CheckedParameters(context, index, layer, to, of)


def _differences(checked: CheckedParameters, said: Array, tell: Callable[[Passes], None]) -> Slopes:
    """Return the derivatives by differences; a step moves no z by more than 0.01, and no parameter by 1."""
    senders = checked.senders
    step = np.minimum(0.01 / np.where(senders > 0, senders, 1.0), 1.0)
    noise = np.full(len(said), rounding(checked.context))
    branches = [partial(checked.evaluate, side=side) for side in (-1, 1)]
    done = 0

    def evaluate(which: Array, offset: Array) -> tuple[Array, Array]:
        nonlocal done
        tell(Passes(done, max(6 * len(said), done + len(which))))
        done += len(which)
        return checked.evaluate(which, offset)

    return differentiate(evaluate, step, noise, said, SLACK["float64"][0], branches)


def _judged(
    checked: CheckedParameters, said: Array, found: Slopes, part: float, of_layer: float
) -> tuple[Array, Array]:
    """Return by how much each derivative lies outside of what the differences say, and how much may be."""
    outside = np.maximum(np.maximum(found.low - said, said - found.high), 0)
    outside = np.where(np.isnan(said), np.nan, outside)
    largest = np.zeros(checked.context.net.L + 1)
    np.maximum.at(largest, checked.layer, np.abs(found.value))
    allowed = found.error + part * np.abs(found.value) + of_layer * largest[checked.layer]
    return outside, allowed + np.finfo(np.float64).tiny


def _timing(context: Context) -> dict[str, Any]:
    """Measure a pass forward, and one with backpropagation."""
    net, theta, X, masks = context.net, context.theta, context.trace.a[0], context.trace.masks
    options = (context.s, context.l1, context.l2)

    def one_forward() -> None:
        cost(net, theta, forward(net, theta, X, masks), context.y, *options)

    def one_backward() -> None:
        trace = backward(net, theta, forward(net, theta, X, masks), context.y)
        take_gradients(net, theta, trace, *options)

    passes = 2 * len(theta.flat)
    seconds = {
        "seconds_forward": _median(one_forward),
        "seconds_backpropagation": _median(one_backward),
    }
    faster = passes * seconds["seconds_forward"] / seconds["seconds_backpropagation"]
    return {"forward_passes": passes, **seconds, "times_faster": faster}


def _median(run: Callable[[], None]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _answer(
    context: Context,
    checked: CheckedParameters,
    said: Array,
    found: Slopes,
    wrong: Array,
    worst: int,
    blamed: list[Suspect],
    handed_in: bool,
) -> str:
    m, kinks = len(said), int(found.kink.sum())
    on_kinks = f", {kinks:,} of them on kinks" if kinks else ""
    if not wrong.any() and not blamed:
        return f"Right: all {m:,} derivatives agree with central differences{on_kinks}."
    sentences = []
    name = ref_name(context, checked.ref(worst))
    if wrong.any():
        who = "the gradient handed in" if handed_in else "backpropagation"
        sentences.append(
            f"Wrong: {int(wrong.sum()):,} of {m:,} derivatives. The worst is that of {name}: {who} says "
            f"{said[worst]:.6g}, central differences {found.value[worst]:.6g}."
        )
    else:
        sentences.append(f"The {m:,} derivatives checked agree, but a function in them is wrong.")
    for culprit in blamed:
        sentences.append(
            culprit.sentence(context.names.of(context.net, culprit.layer, culprit.unit))
        )
    if not blamed:
        sentences.append(
            pattern(checked, said, found, wrong, lambda l, j: context.names.of(context.net, l, j))
        )
    return " ".join(filter(None, sentences))


def _equations(ref: Ref, said: float, difference: float, step: float) -> tuple[Equation, ...]:
    """Write the worst one in both ways."""
    w, h, C = symbols.parameter(ref), Symbol("h"), Symbol("C")
    up, down = Call(C, Sum((w, h))), Call(C, Sum((w, Product((Number(-1.0), h)))))
    quotient = Fraction(Sum((up, Product((Number(-1.0), down)))), Product((Number(2.0), h)))
    return (
        Equation((Derivative(C, w), Number(float(said), ref.part)), ref.part),
        Equation((quotient, Number(float(difference), ref.part)), ref.part),
        Equation((h, Number(float(step)))),
    )


def _worst(checked: CheckedParameters, said: Array, found: Slopes, off: Array) -> Table:
    """List what lies furthest outside, in units of what is allowed."""
    order = np.argsort(-off, kind="stable")[:LISTED].tolist()
    columns = ("parameter", "backpropagation", "difference", "error estimate", "step", "kink")
    rows = tuple(
        (
            symbols.short(checked.context.net, checked.context.names, checked.ref(i)),
            *(float(part[i]) for part in (said, found.value, found.error, found.step)),
            "yes" if found.kink[i] else "",
        )
        for i in order
    )
    title = "The furthest off" if off.max() > 1 else "The least certain"
    return Table(title, columns, rows, tuple(checked.ref(i).part for i in order))


def _blamed(context: Context, blamed: list[Suspect]) -> tuple[Table, ...]:
    if not blamed:
        return ()
    columns = (
        "function",
        "unit",
        "at",
        "its derivative",
        "differences of its values",
        "wrong",
        "of",
    )
    rows = tuple(
        (
            one.function,
            context.names.of(context.net, one.layer, one.unit),
            *(one.at, one.says, one.differences, one.wrong, one.tried),
        )
        for one in blamed
    )
    parts = tuple(Ref(one.layer, one.unit).part for one in blamed)
    return (Table("Where it goes wrong", columns, rows, parts),)


def _cost_of_it(
    context: Context, timing: dict[str, Any], found: Slopes, checked: CheckedParameters
) -> Table:
    sharp = (found.error < 2.5e-4 * np.abs(found.value)) & ~found.kink
    some = (np.abs(found.value) > 0) & ~found.kink
    rows = (
        ("parameters of the network", len(context.theta.flat)),
        ("checked", len(found.value)),
        ("on a kink", int(found.kink.sum())),
        (
            "share of those not 0 in which an error of 0.1% would show",
            float(sharp.sum() / max(1, some.sum())),
        ),
        ("passes forward, one derivative at a time", timing["forward_passes"]),
        ("seconds that these take", timing["forward_passes"] * timing["seconds_forward"]),
        ("seconds that backpropagation takes", timing["seconds_backpropagation"]),
        ("times faster", timing["times_faster"]),
    )
    return Table("What was checked, and what it takes", ("what", "number"), rows)


def _pictures(
    context: Context, checked: CheckedParameters, outside: Array, wrong: Array
) -> tuple[NetworkPicture, ...]:
    """Draw where the wrong ones are; nothing where there are none."""
    if not wrong.any():
        return ()
    net = context.net
    edges: list[Any] = [None, *(np.zeros(context.theta.W[l].shape) for l in range(1, net.L + 1))]
    units = [np.zeros(size) for size in net.sizes]
    marked = []
    for i in np.flatnonzero(wrong).tolist():
        ref, gap = checked.ref(i), float(np.nan_to_num(outside[i]))
        marked.append(ref.part)
        if ref.from_ == "bias":
            units[ref.layer][ref.to] = gap
        else:
            edges[ref.layer][ref.to, ref.from_] = gap
    picture = NetworkPicture(
        "Where the gradient is wrong",
        units=tuple(units),
        edges=tuple(edges),
        names=context.names.layers(net),
        unit_meaning="how far the bias's derivative is off",
        edge_meaning="how far the derivative is off",
        marked=tuple(marked[:LISTED]),
        kept=net.kept,
        image=context.names.image,
    )
    return (picture,)


def _scatter(said: Array, found: Slopes) -> CurvePicture:
    """Draw derivatives by backpropagation beside their central differences, the largest of many."""
    largest = np.argsort(-np.abs(said), kind="stable")[:DRAWN]
    marks = tuple((float(said[i]), float(found.value[i]), "") for i in largest)
    ends = np.array([min(said.min(), 0.0), max(said.max(), 0.0)])
    of = "" if len(said) <= DRAWN else f", the {DRAWN} largest of {len(said):,}"
    return CurvePicture(
        f"Derivatives in both ways{of}",
        "by backpropagation",
        "by central differences",
        ends,
        (Line("equal", ends, dashed=True),),
        marks=marks,
    )


def _notes(context: Context, checked: CheckedParameters, found: Slopes) -> tuple[str, ...]:
    notes = [
        "All in float64. On a kink anything between the derivatives from either side is right."
    ]
    if len(checked.index) < len(context.theta.flat):
        notes.append(f"A sample: {len(checked.index):,} of {len(context.theta.flat):,} parameters.")
    return tuple(notes)
