"""Harmful examples: those without which rows that training did not see would cost less.

Found by the derivative of the cost of one half of these rows (`adjoint`), verified by training without
them, and judged on the other half, which took no part in finding them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number, with_error
from whygrad.answers.names import Names
from whygrad.answers.parts import Table
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.errors import InputError
from whygrad.nn import Array, Parameters, forward
from whygrad.nn.backprop import example_costs
from whygrad.training.again import leaving_out
from whygrad.why.context import at_least_one
from whygrad.why.training_history.adjoint import adjoint, cost_of, differenced
from whygrad.why.training_history.example_lists import listed
from whygrad.why.training_history.functional import Functional, functional
from whygrad.why.training_history.trajectory import trajectory_of
from whygrad.why.training_history.waiting import Progress, watched

# Of the examples, the most harmful of which are left out together.
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
HELD = (
    "They were chosen by the cost of one half of the rows, drawn at random; the cost of the other half "
    "took no part in it. Both are of trainings without them."
)


def harmful(
    run: Any,
    x: Any = None,
    *,
    y: Any = None,
    top: int = 10,
    seed: int = 0,
    progress: Progress = False,
    names: Names | None = None,
) -> Explanation:
    """Harmful examples: find those whose removal lowers the cost of rows that were not trained on.

    The derivative of the cost of one half of the rows ranks the examples. Training without the most
    harmful 0.5, 1, 2, 5 and 10% says which of these groups to leave out, and the other half what that
    truly brings.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    x : array-like, shape (m, n_0), optional
        Rows that training did not see, two at least; of a run its test or validation rows by default.
    y : array-like, optional
        Their targets.
    top : int
        How many examples are listed.
    seed : int
        Draws the halves.
    progress : bool or callable, default False
        Say on the terminal how long it takes, and show how far it is; a callable is given each `Stage`
        instead.
    names : Names, optional
        What inputs, outputs and classes are called; those of the run by default.

    Returns
    -------
    Explanation
        `value` is the change of the cost of the other half, and `error` in `arrays` the standard error of
        having drawn its rows. `arrays` also holds the `examples` to leave out;
        `by_example` (n,), the computed change of the first half's cost without each; and of groups of
        `sizes` examples the true changes, `found_on` the half that found them and `judged_on` the other.

    Raises
    ------
    InputError
        Without rows and targets, for an optimizer of your own, for L-BFGS, and where the steps, run again,
        do not arrive at the parameters asked about.

    See Also
    --------
    influence : What any number would be without each example.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net, X = Network(1, [Dense(1, "identity")]), [[1.0], [2.0], [3.0], [4.0]]
    >>> data = as_data(net, X, [[1.0], [2.0], [9.0], [4.0]])
    >>> plan = Plan(net, SGD(0.05), n=4, epochs=60, batch_size=4)
    >>> Y = [[1.0], [2.0], [3.0], [4.0]]
    >>> harmful(trajectory(plan, start(plan), data), X, y=Y)["examples"].tolist()
    [2]
    """
    trajectory = trajectory_of(run)
    names, net, n = names or trajectory.names, trajectory.plan.net, trajectory.plan.n
    top = at_least_one("top", top)
    x, y = trajectory.encode(x, y)
    if x is None or y is None:
        raise InputError("harmful examples are judged by the cost of rows: give x and y")
    all_rows = functional(net, names, trajectory.theta, x, y, None, "cost")
    m = len(all_rows.X)
    if m < 2 or all_rows.Y is None:
        raise InputError("one row is no two halves: give at least two")
    drawn = np.random.default_rng(seed).permutation(m)
    finding, judging = (
        replace(all_rows, X=all_rows.X[half], Y=all_rows.Y[half])
        for half in (drawn[: m // 2], drawn[m // 2 :])
    )
    with watched(trajectory, progress, cost_of(trajectory), 1 + len(SHARES)) as trajectory:
        (by_example,) = -adjoint(trajectory, finding.slope(trajectory.theta)[None]).by_example
        order = np.argsort(by_example, kind="stable")
        most = min(int((by_example < 0).sum()), n - 1)
        sizes = sorted({min(most, max(1, round(share * n))) for share in (0, *SHARES)} - {0})
        thetas = trajectory.again([leaving_out(n, order[:size]) for size in sizes])
    now = [f.value(trajectory.theta) for f in (finding, judging)]
    found, judged = (
        np.array([f.value(theta) for theta in thetas]) - before
        for f, before in zip((finding, judging), now, strict=True)
    )
    best = int(found.argmin()) if len(found) else 0
    chosen = order[: sizes[best]] if len(found) and found[best] < 0 else order[:0]
    brings, error = 0.0, float("nan")
    if len(chosen):
        changes = _by_row(judging, thetas[best]) - _by_row(judging, trajectory.theta)
        brings = float(judged[best])
        if len(changes) > 1:
            error = float(changes.std(ddof=1) / np.sqrt(len(changes)))
    tables, pictures, more = listed(
        trajectory, names, by_example, [("The most harmful", chosen[:top].tolist())], "computed"
    )
    computed = [float(by_example[order[:size]].sum()) for size in sizes]
    rows = tuple(zip(sizes, computed, found.tolist(), judged.tolist(), strict=True))
    heads = ("left out", "computed", "trained again", "other half")
    return Explanation(
        kind="harmful",
        question="Which training examples raise the cost of rows that training did not see?",
        answer=_sentence(
            len(chosen), len(judging.X), now[1], brings, error, float(found.min(initial=0.0))
        ),
        value=brings,
        tables=(Table("The most harmful left out together", heads, rows), *tables),
        pictures=(
            CurvePicture(
                "Without the most harmful",
                "examples left out",
                "change of the cost",
                np.array([0, *sizes]),
                (
                    Line("half that found them", np.array([0.0, *found])),
                    Line("other half", np.array([0.0, *judged])),
                ),
            ),
            *pictures,
        ),
        arrays={
            "examples": chosen,
            "by_example": by_example,
            "sizes": sizes,
            "found_on": found,
            "judged_on": judged,
            "error": error,
        },
        notes=(HELD, *differenced(net), *more),
    )


def _by_row(f: Functional, theta: Array) -> Array:
    """Return the cost of each row of f."""
    trace = forward(f.net, Parameters(f.net.sizes, theta.astype(np.float64)), f.X)
    return example_costs(f.net, trace, f.Y)


def _sentence(
    count: int, rows: int, before: float, brings: float, error: float, found: float
) -> str:
    """Return the sentence that says what leaving them out truly brings."""
    if not count:
        return "No training example is harmful: without those that seemed to be, rows cost no less."
    who = "1 training example" if count == 1 else f"{count:,} training examples"
    over = f"the {rows:,} rows that took no part in finding them"
    went = f"from {number(before)} to {number(before + brings)}"
    if brings >= 0:
        return (
            f"None are proven harmful: without {who} the rows that found them cost {number(-found)} less, "
            f"but the cost of {over} went {went}."
        )
    said = f"Without {who} the cost of {over} falls {went}"
    if not np.isfinite(error):
        return f"{said}; one row proves little."
    chance = "" if -brings > 2 * error else ", which these rows cannot tell from chance"
    return f"{said}, by {with_error(-brings, error)}{chance}."
