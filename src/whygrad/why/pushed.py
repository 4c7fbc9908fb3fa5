"""Pushed: the training examples whose steps moved a prediction, summed over the whole of training.

    f(x; θ_T) − f(x; θ_0)  =  Σ_i push_i + penalties + decay + momentum brought along + first order

push_i adds up ⟨∇f(x; θ_t), Δθ_t by example i⟩ over the steps, each to first order and momentum carried
exactly (see `trail`); "first order" is what that leaves. An example that raises f is a helper, one that
lowers it an opponent; of a cost the other way round. TracIn (Pruthi et al., 2020) is the same sum for
plain descent, taken at a few checkpoints instead of at every step.
"""

from typing import Any

import numpy as np

from whygrad.engines.watching import whole
from whygrad.errors import InputError
from whygrad.explanation import Explanation, Term
from whygrad.functions import Array
from whygrad.names import Names
from whygrad.pictures import CurvePicture, Line, Picture
from whygrad.why import rounding
from whygrad.why.course import AGAIN, Course, course_of, group_names, groups_of
from whygrad.why.functional import Functional, Meant, functional
from whygrad.why.linear import ADAPTIVE
from whygrad.why.naming import listed, most_and_least
from whygrad.why.symbols import shown
from whygrad.why.trail import Trail, trail

FIRST_ORDER = (
    "Each step is taken to first order, and momentum is carried exactly. This says who pushed as training "
    "went, not what training without them would have given: `without` says that."
)
HELD = "The denominators of {rule} are held as they were recorded, and so is clipping."


def pushed(
    run: Any,
    x: Any,
    *,
    of: int | str | None = None,
    by: Meant = "a",
    y: Any = None,
    top: int = 10,
    names: Names | None = None,
) -> Explanation:
    """Say which training examples moved the prediction for x, over the whole of a recorded training.

    f(θ_T) − f(θ_0) = Σ_i push_i + …, where f is the output a[L] of the class predicted for x, or of the
    class or output `of`; with `by="z"` its weighted input, with `by="cost"` the cost of x with target `y`.
    x is one example, (n_0,), or several, (m, n_0), over which f is the mean. `value` is f(θ_T); the terms
    are f(θ_0), the examples' pushes by class, and what no example pushed; the residual "first order" is
    what the steps' curvature leaves. `numbers` has `by_example` (n,), every example's push, in units of f,
    and `by_step` (T,), what each step did. `top` helpers and opponents are listed.

    The training is run again, three times over. Raises `InputError` for an x or an output that does not
    fit, for an optimizer of your own, and for L-BFGS.

    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.plan import Plan, as_data, start
    >>> from whygrad.why.course import course
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> found = pushed(course(plan, start(plan), data), [3.0])
    >>> int(found["by_example"].argmax())
    1
    """
    course = course_of(run)
    names, net = names or course.names, course.plan.net
    f = functional(net, names, course.theta, *course.encode(x, y), of, by)
    if not isinstance(top, int | np.integer) or top < 1:
        raise InputError(f"top is {top!r}: it must be a whole number of at least 1")
    taps = tuple(whole(net.sizes, l) for l in range(1, net.L + 1))
    found = trail(course, taps, lambda thetas: f.at(thetas)[1])
    return _answer(course, names, f, found, int(top))


def _answer(course: Course, names: Names, f: Functional, found: Trail, top: int) -> Explanation:
    first, value = f.value(course.start.theta), f.value(course.theta)
    again = value - f.value(found.reached)
    groups, count = groups_of(course)
    by_class = np.bincount(groups, found.by_example, count)
    others = {
        "penalties": found.penalty,
        "decay": found.decay,
        "momentum brought along": found.inherited,
    }
    terms = [Term("start", first)]
    labels = group_names(course, names, count)
    terms += [
        Term(f"pushed by {name}", float(push)) for name, push in zip(labels, by_class, strict=True)
    ]
    terms += [Term(name, push) for name, push in others.items() if push]
    along = np.cumsum(found.by_step)
    left = float(along[-1]) - found.total if len(along) else 0.0
    what = f.name(names)
    up, down = most_and_least(found.by_example, top)
    # A cost is helped by those who lower it.
    ends = [("raised", up), ("lowered", down)]
    ends = ends[::-1] if f.by == "cost" else ends
    most = [
        (f"{who}: they {did} it most", chosen)
        for who, (did, chosen) in zip(("Helpers", "Opponents"), ends, strict=True)
    ]
    tables, pictures, more_notes = listed(course, names, found.by_example, most, "push")
    answer = f"The {what} went from {shown(first)} to {shown(value)} in {len(along):,} steps."
    if up and down:
        answer += (
            f" Example {up[0]} raised it most, by {shown(found.by_example[up[0]])}; "
            f"example {down[0]} lowered it most, by {shown(-found.by_example[down[0]])}."
        )
    notes = [FIRST_ORDER]
    rule = course.plan.optimizer
    if isinstance(rule, ADAPTIVE):
        notes.append(HELD.format(rule=type(rule).__name__))
    return Explanation(
        kind="pushed",
        question=f"Which training examples moved the {what}?",
        answer=answer,
        value=value,
        terms=tuple(terms),
        residuals={"first order": value - again - first - (float(along[-1]) if len(along) else 0.0)}
        | rounding.remainder(left, found.bound)
        | ({AGAIN: again} if again else {}),
        tables=tables,
        pictures=(*pictures, *_curve(what, first, along, course.start.step)),
        numbers={"by_example": found.by_example, "by_step": found.by_step, "by_class": by_class},
        notes=(*notes, *more_notes),
    )  # fmt: skip


def _curve(what: str, first: float, along: Array, start: int) -> tuple[Picture, ...]:
    """Draw how f went, step by step, to first order; at most 500 points."""
    at = np.unique(np.linspace(0, len(along), 500).astype(np.int64))
    line = Line(what, first + np.concatenate([[0.0], along])[at])
    return (CurvePicture(f"The {what}, to first order", "step", what, start + at, (line,)),)
