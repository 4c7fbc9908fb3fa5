"""TracIn, at every step: what the training examples' pushes on a prediction add up to.

    f(x; θ_T) − f(x; θ_0)  =  Σ_i push_i + penalties + decay + momentum carried over + beyond first order

push_i sums ⟨∇f(x; θ_t), Δθ_t by example i⟩ over the steps, each to first order, with momentum carried
exactly (see `first_order`); "beyond first order" is the rest. Most pushes cancel: they account for the
steps and do not measure influence. TracIn (Pruthi et al., 2020) is the same sum for plain gradient descent,
taken at a few checkpoints instead of at every step.
"""

from collections.abc import Sequence

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number
from whygrad.answers.names import Names
from whygrad.answers.parts import Term
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.engines.probes import whole
from whygrad.nn.functions import Array
from whygrad.why import rounding
from whygrad.why.symbols import shown
from whygrad.why.training_history.example_lists import cancellation, listed, most_and_least
from whygrad.why.training_history.first_order import FirstOrder, first_order
from whygrad.why.training_history.functional import Functional
from whygrad.why.training_history.linear import held
from whygrad.why.training_history.trajectory import (
    AGAIN,
    Trajectory,
    group_names,
    groups_of,
)

TRACIN = 90.0  # trainings that it takes at most, measured on MNIST
CANCELLED = 5  # times what is left: where pushes add up to more, the answer begins with it
BEYOND = (
    "The account leaves 0 to 1, where every probability lies: it adds up first-order steps, and what they "
    "miss is beyond first order."
)
FIRST_ORDER = (
    "Each step is taken to first order, and momentum is carried exactly. This is accounting: for what "
    "training would have given without an example, influence says."
)


def tracin(trajectory: Trajectory, f: Functional, names: Names, top: int) -> Explanation:
    """Return the account of f by the pushes of the examples, to first order."""
    net = trajectory.plan.net
    probes = tuple(whole(net.sizes, l) for l in range(1, net.L + 1))
    went = []  # f at the parameters before each step; chunks come last to first

    def slope(thetas: Sequence[Array]) -> list[Array]:
        value, slopes = f.at(thetas)
        went.append(value)
        return slopes

    found = first_order(trajectory, probes, slope)
    along = np.concatenate([*reversed(went), [f.value(trajectory.theta)]])
    return _answer(trajectory, names, f, found, along, top)


def _answer(
    trajectory: Trajectory, names: Names, f: Functional, found: FirstOrder, along: Array, top: int
) -> Explanation:
    first, value = f.value(trajectory.start.theta), f.value(trajectory.theta)
    again = value - f.value(found.reached)
    groups, count = groups_of(trajectory)
    by_class = np.bincount(groups, found.by_example, count)
    others = {
        "penalties": found.penalty,
        "decay": found.decay,
        "momentum carried over": found.carried_over,
    }
    terms = [Term("start", first)]
    labels = group_names(trajectory, names, count)
    terms += [
        Term(f"pushed by {name}", float(push)) for name, push in zip(labels, by_class, strict=True)
    ]
    terms += [Term(name, push) for name, push in others.items() if push]
    by_step = found.by_step
    went = float(by_step.sum())
    what = f.name(names)
    up, down = most_and_least(found.by_example, top)
    most = [("The largest pushes up", up), ("The largest pushes down", down)]
    tables, pictures, more_notes = listed(trajectory, names, found.by_example, most, "push")
    own = f.scale(names)
    change = value - first
    added = f.own(first + np.concatenate([[0.0], np.cumsum(by_step)]), names)
    total = float(np.abs(found.by_example).sum())
    cancelled = cancellation(own * found.by_example)
    beside = [f"{name} {number(own * push, sign=True)}" for name, push in others.items() if push]
    answer = (
        (
            f"{', '.join([cancelled[0].upper() + cancelled[1:], *beside])}: the"
            if total > CANCELLED * abs(float(found.by_example.sum()))
            else "The"
        )
        + f" {what} went from {f.written(first, names)} to {f.written(value, names)} in "
        f"{len(by_step):,} steps; to first order the steps lead to {f.written(first + went, names)}."
    )
    ends = [f"{way} is that of example {of[0]}, {shown(own * found.by_example[of[0]])}"
            for way, of in (("up", up), ("down", down)) if of]  # fmt: skip
    if ends:
        answer += f" The largest push {'; the largest '.join(ends)}."
    notes = [FIRST_ORDER]
    if f.bounded and not (added.min() >= 0 and added.max() <= 1):
        notes.append(BEYOND)
    return Explanation(
        kind="influence",
        question=f"Which pushes add up to the change of the {what}?",
        answer=answer,
        value=value,
        terms=tuple(terms),
        residuals={"beyond first order": change - again - went}
        | rounding.remainder(went - found.total, found.bound)
        | ({AGAIN: again} if again else {}),
        tables=tables,
        pictures=(_curve(what, f.own(along, names), added, trajectory.start.step), *pictures),
        arrays={"by_example": found.by_example, "by_step": found.by_step, "by_class": by_class,
                 "along": along},
        notes=(*notes, *held(trajectory.plan), *more_notes),
    )  # fmt: skip


def _curve(what: str, along: Array, added: Array, start: int) -> CurvePicture:
    """Draw f itself at every step, and beside it what the steps add up to; at most 500 points."""
    at = np.unique(np.linspace(0, len(along) - 1, 500).astype(np.int64))
    lines = (Line(what, along[at]), Line("first-order steps, added up", added[at], dashed=True))
    return CurvePicture(f"The {what}, and the account of it", "step", what, start + at, lines)
