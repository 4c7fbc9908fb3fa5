"""Leave-one-out retraining: what a prediction would be without some examples, by training again.

    Δf = f(x; θ_T without them) − f(x; θ_T)

The same start, the same batches, the same divisors S (or, with `rescale`, those of what remains): only the
pushes of these examples are 0. It is the truth that every estimate of influence is held to.
"""

from typing import Any

import numpy as np

from whygrad.answers.classes import classes, classifies
from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Names
from whygrad.answers.parts import Table
from whygrad.answers.pictures import BarPicture
from whygrad.errors import InputError
from whygrad.nn.arrays import as_indices, as_targets
from whygrad.nn.backprop import example_costs, forward
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters
from whygrad.training.again import leaving_out
from whygrad.why.choosing import classes_said
from whygrad.why.symbols import shown_apart, signed
from whygrad.why.training_history.functional import Functional, functional
from whygrad.why.training_history.trajectory import trajectory_of
from whygrad.why.training_history.waiting import Progress, watched

SAME = (
    "This is the training itself, run again from the same start and with the same batches: for this seed "
    "it is exact, for another it may differ."
)

BARS = 20  # outputs whose changes are drawn


def without(
    run: Any,
    examples: Any,
    x: Any,
    *,
    y: Any = None,
    of: int | str | None = None,
    rescale: bool = False,
    progress: Progress = False,
    names: Names | None = None,
) -> Explanation:
    """Leave-one-out retraining: train again without some examples, and compare a prediction.

        Δf = f(x; θ_T without them) − f(x; θ_T)

    The same start, the same batches, the same divisors: only the gradients of these examples are 0. It is
    the truth that every estimate of influence is held to, for this seed.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    examples : int, array-like of int, or mask of shape (n,)
        The training examples to leave out, by index.
    x : array-like, shape (n_0,) or (m, n_0)
        One example, or several, over which f is the mean.
    y : array-like, optional
        The target of x: its cost is compared as well.
    of : int or str, optional
        The class or output that f is; the class predicted for x by default.
    rescale : bool
        Divide every step by the examples that remain, and not by all.
    progress : bool or callable, default False
        Say on the terminal how long it takes, and show how far it is; a callable is given each `Stage`
        instead.
    names : Names, optional
        What inputs, outputs and classes are called; those of the run by default.

    Returns
    -------
    Explanation
        `value` is Δf, in units of the output. `arrays` holds the outputs `before` and `after`, (m, n_L),
        the parameters `theta` (P,) without these examples, and their `distance` from those with them.

    Raises
    ------
    InputError
        For examples that are not there, where none would remain, for an x or an output that does not fit,
        and for L-BFGS.

    See Also
    --------
    influence : The same for every example at once, by the derivative of the training.

    References
    ----------
    Koh & Liang (2017), Understanding black-box predictions via influence functions. ICML.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> without(trajectory(plan, start(plan), data), [1], [3.0]).value < 0
    True
    """
    trajectory = trajectory_of(run)
    net, names = trajectory.plan.net, names or trajectory.names
    indices = _indices(examples, trajectory.plan.n)
    with watched(trajectory, progress, 0, 1) as trajectory:
        (theta,) = trajectory.again([leaving_out(trajectory.plan.n, indices, bool(rescale))])
    x, y = trajectory.encode(x, y)
    f = functional(net, names, trajectory.theta, x, y, of, "a")
    before, after = (_outputs(net, one, f.X) for one in (trajectory.theta, theta))
    ends = f.value(trajectory.theta), f.value(theta)
    value = ends[1] - ends[0]
    own = (float(f.own(one, names)) for one in ends)
    rows: list[tuple[Any, ...]] = [(f.name(names), *own, f.scale(names) * value)]
    if y is not None:
        Y = as_targets(net, np.atleast_1d(y), len(f.X)).astype(np.float64)
        costs = [_cost(net, one, f.X, Y) for one in (trajectory.theta, theta)]
        rows.append(("cost", *costs, costs[1] - costs[0]))
    distance = float(np.linalg.norm(theta.astype(np.float64) - trajectory.theta))
    who = f"example {indices[0]}" if len(indices) == 1 else f"{len(indices)} examples"
    return Explanation(
        kind="without",
        question=f"What would the {f.name(names)} be without {who}?",
        answer=_sentence(f, names, who, ends, before, after),
        value=value,
        tables=(Table(f"Without {who}", ("", "with", "without", "change"), tuple(rows)),),
        pictures=(_changes(net, names, who, (after - before).mean(axis=0)),),
        arrays={"before": before, "after": after, "theta": theta, "distance": distance},
        notes=(SAME,),
    )


def _changes(net: Network, names: Names, who: str, change: Array) -> BarPicture:
    """Draw how the outputs would change, of many those that would change most."""
    most = np.sort(np.argsort(-np.abs(change), kind="stable")[:BARS])
    known = names.said(net, net.L)
    return BarPicture(
        f"What changes without {who}",
        "output without minus output with",
        tuple(known[i] for i in most),
        change[most],
    )


def _indices(examples: Any, n: int) -> Array:
    unique = np.unique(as_indices(examples, n))
    if not len(unique):
        raise InputError(f"examples are indices into the training data, from 0 to {n - 1}")
    if len(unique) == n:
        raise InputError("all examples are left out: at least one must remain")
    return unique


def _outputs(net: Network, theta: Array, X: Array) -> Array:
    return forward(net, Parameters(net.sizes, theta.astype(np.float64)), X).a[-1]


def _cost(net: Network, theta: Array, X: Array, Y: Array) -> float:
    trace = forward(net, Parameters(net.sizes, theta.astype(np.float64)), X)
    return float(example_costs(net, trace, Y).mean())


def _sentence(
    f: Functional, names: Names, who: str, ends: tuple[float, float], before: Array, after: Array
) -> str:
    """Return a sentence that says how far f would move, and whether the class predicted would change."""
    net, what = f.net, f.name(names)
    with_them, without_them = (f.written(one, names) for one in ends)
    if with_them == without_them:
        with_them, without_them = shown_apart(*(f.own(one, names) for one in ends))
    change = signed(f.scale(names) * (ends[1] - ends[0]))
    said = f"Without {who} the {what} would be {without_them} instead of {with_them}, {change}."
    if not classifies(net):
        return said
    then, now = (classes(a, names.threshold) for a in (before, after))
    if len(then) > 1:
        changed = int((then != now).sum())
        return f"{said} The class predicted would change for {changed} of {len(then)}."
    known = classes_said(net, names)
    if then[0] == now[0]:
        return f"{said} The class predicted would still be {known[int(then[0])]}."
    return f"{said} The class predicted would be {known[int(now[0])]} instead of {known[int(then[0])]}."
