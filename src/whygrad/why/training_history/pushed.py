"""Training-data attribution: what the training examples' pushes on a prediction add up to.

    f(x; θ_T) − f(x; θ_0)  =  Σ_i push_i + penalties + decay + momentum carried over + beyond first order

push_i sums ⟨∇f(x; θ_t), Δθ_t by example i⟩ over the steps, each to first order, with momentum carried
exactly (see `first_order`); "beyond first order" is the rest. Most pushes cancel: they account for the
steps and do not measure influence. TracIn (Pruthi et al., 2020) is the same sum for plain gradient descent,
taken at a few checkpoints instead of at every step.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Names
from whygrad.answers.parts import Term
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.engines.probes import whole
from whygrad.nn.functions import Array
from whygrad.why import rounding
from whygrad.why.context import at_least_one
from whygrad.why.symbols import shown
from whygrad.why.training_history.example_lists import cancellation, listed, most_and_least
from whygrad.why.training_history.first_order import FirstOrder, first_order
from whygrad.why.training_history.functional import Functional, Meant, functional
from whygrad.why.training_history.linear import HELD
from whygrad.why.training_history.rules import ADAPTIVE
from whygrad.why.training_history.trajectory import (
    AGAIN,
    Trajectory,
    group_names,
    groups_of,
    trajectory_of,
)

FIRST_ORDER = (
    "Each step is taken to first order, and momentum is carried exactly. This is accounting, not "
    "influence: what training without an example would have given, `without` says."
)


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
    """Training-data attribution: add up what every training example's pushes did to a prediction.

        f(x; θ_T) − f(x; θ_0) = Σ_i push_i + penalties + decay + momentum carried over + beyond first order

    Each step counts to first order, as in TracIn, but every step is taken and momentum is carried exactly.
    This is accounting and no influence: most pushes cancel, and `without` says what would have been.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    x : array-like, shape (n_0,) or (m, n_0)
        One example, or several, over which f is the mean.
    of : int or str, optional
        The class or output that f is; the class predicted for x by default.
    by : {"a", "z", "cost"}
        Whether f is the output, its weighted input, or the cost of x.
    y : array-like, optional
        The target of x, for `by="cost"`.
    top : int
        How many pushes up and down are listed.
    names : Names, optional
        What inputs, outputs and classes are called; those of the run by default.

    Returns
    -------
    Explanation
        `value` is f(x; θ_T). `terms` are f(x; θ_0), the pushes by class, and what no example pushed; the
        residual "beyond first order" is what curvature leaves. `arrays` holds `by_example` (n,), in units
        of f, `by_class` (G,), `by_step` (T,), the first order of each step, and `along` (T + 1,), f itself.

    Raises
    ------
    InputError
        For an x or an output that does not fit, for an optimizer of your own, for L-BFGS, and where the
        steps, run again, do not arrive at the parameters asked about.

    See Also
    --------
    ledger : The exact account of a weight.
    without : Train again without some examples.

    References
    ----------
    Pruthi, Liu, Kale & Sundararajan (2020), Estimating training data influence by tracing gradient
    descent (TracIn). NeurIPS.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> found = pushed(trajectory(plan, start(plan), data), [3.0])
    >>> int(found["by_example"].argmax())
    1
    """
    trajectory = trajectory_of(run)
    names, net = names or trajectory.names, trajectory.plan.net
    f = functional(net, names, trajectory.theta, *trajectory.encode(x, y), of, by)
    top = at_least_one("top", top)
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
    answer = (
        f"Accounting to first order: the {what} went from {f.written(first, names)} to "
        f"{f.written(value, names)} in {len(by_step):,} steps; of the examples "
        f"{cancellation(own * found.by_example, own * change)}."
    )
    ends = [f"{way} is that of example {of[0]}, {shown(own * found.by_example[of[0]])}"
            for way, of in (("up", up), ("down", down)) if of]  # fmt: skip
    if ends:
        answer += f" The largest push {'; the largest '.join(ends)}."
    notes = [FIRST_ORDER]
    rule = trajectory.plan.optimizer
    if isinstance(rule, ADAPTIVE):
        notes.append(HELD.format(rule=type(rule).__name__))
    return Explanation(
        kind="pushed",
        question=f"Which pushes add up to the change of the {what}?",
        answer=answer,
        value=value,
        terms=tuple(terms),
        residuals={"beyond first order": change - again - went}
        | rounding.remainder(went - found.total, found.bound)
        | ({AGAIN: again} if again else {}),
        tables=tables,
        pictures=(*pictures, _curve(what, f.own(along, names), trajectory.start.step)),
        arrays={"by_example": found.by_example, "by_step": found.by_step, "by_class": by_class,
                 "along": along},
        notes=(*notes, *more_notes),
    )  # fmt: skip


def _curve(what: str, along: Array, start: int) -> CurvePicture:
    """Draw f itself, at every step; at most 500 points."""
    at = np.unique(np.linspace(0, len(along) - 1, 500).astype(np.int64))
    return CurvePicture(f"The {what}", "step", what, start + at, (Line(what, along[at]),))
