"""Influence: what a number would be if a training example had been left out, for all of them at once.

    Δf_i  ≈  −∂f(θ_T)/∂w_i

w_i is what example i counts, 1 as trained. The derivative goes back through the whole recorded training
(see `adjoint`); how far a removal can be read off it, removals that are trained again say (`removals`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number
from whygrad.answers.names import Names
from whygrad.answers.parts import Table
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.errors import InputError, nearest
from whygrad.nn.functions import Array
from whygrad.why.context import at_least_one
from whygrad.why.training_history.adjoint import adjoint, cost_of, differenced
from whygrad.why.training_history.example_lists import listed, most_and_least, name_of_example
from whygrad.why.training_history.functional import (
    Functional,
    Meant,
    WeightAsked,
    functional,
)
from whygrad.why.training_history.removals import (
    GROWTH,
    NEARLY,
    PROBES,
    STAGES,
    TURNED,
    VERIFIED,
    Asked,
    Removals,
    changes_of,
    drawn,
    rms,
    sizes_of,
    trained_without,
    turned,
)
from whygrad.why.training_history.tracin import TRACIN, tracin
from whygrad.why.training_history.trajectory import (
    Trajectory,
    group_names,
    groups_of,
    trajectory_of,
)
from whygrad.why.training_history.waiting import Progress, watched

Method = Literal["adjoint", "tracin"]
METHODS = get_args(Method)
INSTEAD = "Train again without the examples in question instead."
DRAWN = (
    "How far what is computed is off was seen in removals drawn at random; of the strongest examples, "
    "which are listed, it may be off by more. What was trained again is exact."
)
HELD = (
    "This is the derivative of the recorded training by what each example counts. The order of the batches "
    "and what early stopping and adaptive rates decided are held as recorded; a removal that is trained "
    "again decides anew."
)


def influence(
    run: Any,
    x: Any = None,
    *,
    y: Any = None,
    of: int | str | None = None,
    by: Meant | None = None,
    layer: int | None = None,
    to: int | str | None = None,
    from_: int | str | None = None,
    method: Method = "adjoint",
    exact: int = 0,
    rescale: bool = False,
    top: int = 10,
    seed: int = 0,
    progress: Progress = False,
    names: Names | None = None,
) -> Explanation:
    """Influence: compute what a number would be without each training example, and how far to trust it.

        Δf_i ≈ −∂f(θ_T)/∂w_i

    The derivative by what each example counts goes back through the whole recorded training, whatever its
    optimizer. Random removals, 8 to 24 of a size, are trained again: they decide on the verdict, and give
    the ±.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    x : array-like, shape (n_0,) or (m, n_0), optional
        One example, or several, over which f is the mean.
    y : array-like, optional
        The target of x, for `by="cost"`.
    of : int or str, optional
        The class or output that f is; the class predicted for x by default.
    by : {"cost", "z", "a"}, optional
        Whether f is the cost of x, an output's weighted input, or the output. By default the cost, where y
        is known and `of` not given.
    layer, to, from_ : int or str, optional
        A weight that is asked about, in place of x; without `from_` the bias of `to`.
    method : {"adjoint", "tracin"}
        "tracin" adds up the pushes of each example on f instead, which cancel: for comparison.
    exact : int, default 0
        How many of the strongest examples are trained without, each by itself: those are exact.
    rescale : bool
        Divide every step by the examples that remain, and not by all.
    top : int
        How many examples are listed, up and down.
    seed : int
        Draws the removals.
    progress : bool or callable, default False
        Say on the terminal how long it takes, and show how far it is; a callable is given each `Stage`
        instead.
    names : Names, optional
        What inputs, outputs and classes are called; those of the run by default.

    Returns
    -------
    Explanation
        `value` is f. `arrays` holds `by_example` (n,), the change of f without each example, and `by_class`
        (G,), their sums; `error`, the ±, of removals of `size` examples; `trusted`, the smallest size that
        can be trusted, or 0; `growth`; `turned`, the share of units with a kink that change side; and of
        the removals trained again `computed` and `true`. In units of f.

    Raises
    ------
    InputError
        For an x, an output or a weight that does not fit, for an optimizer of your own, for L-BFGS, and
        where the steps, run again, do not arrive at the parameters asked about.

    See Also
    --------
    influences : The same of several numbers at once.
    without : Train again without some examples.
    ledger : An exact account of what moved a weight.

    References
    ----------
    Hara, Nitanda & Maehara (2019), Data cleansing for models trained with SGD. NeurIPS. Pruthi, Liu, Kale &
    Sundararajan (2020), Estimating training data influence by tracing gradient descent (TracIn). NeurIPS.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> found = influence(trajectory(plan, start(plan), data), [3.0])
    >>> int(found["by_example"].argmin())
    1
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r}: {nearest(method, METHODS)}")
    trajectory = trajectory_of(run)
    names, net = names or trajectory.names, trajectory.plan.net
    top = at_least_one("top", top)
    f: Any
    if layer is None:
        f = _of_rows(trajectory, names, x, y, of, by, "layer= and to=")
        if method == "tracin":
            with watched(trajectory, progress, TRACIN) as trajectory:
                return tracin(trajectory, f, names, top)
    elif x is not None or to is None or of is not None or by is not None:
        raise InputError(
            "a weight is meant by layer=, to= and from_= alone: leave out x, of and by"
        )
    elif method == "tracin":
        raise InputError("what pushed a weight, its ledger says: ask `ledger`")
    else:
        f = WeightAsked(net, names.weight(net, layer, to, from_))
    return _answers(trajectory, [f], names, exact, rescale, top, seed, progress)[0]


def influences(
    run: Any,
    x: Any = None,
    *,
    y: Any = None,
    of: int | str | None = None,
    by: Meant | None = None,
    weights: Sequence[tuple[int, int | str, int | str | None]] | None = None,
    exact: int = 0,
    rescale: bool = False,
    top: int = 10,
    seed: int = 0,
    progress: Progress = False,
    names: Names | None = None,
) -> list[Explanation]:
    """Influences: ask `influence` of several numbers at once, of every row of x or of several weights.

    All come of one walk back through the training, and are judged by the same removals, so that a further
    number takes a small part of the time of the first.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    x : array-like, shape (K, n_0), optional
        Rows, each with a number of its own.
    y : array-like, shape (K,) or (K, n_L), optional
        Their targets, for `by="cost"`.
    of : int or str, optional
        The class or output that the numbers are; of each row the class predicted by default.
    by : {"cost", "z", "a"}, optional
        As for `influence`.
    weights : sequence of tuples, optional
        Weights in place of x, each as (layer, to, from_); None or "bias" as from_ for the bias.
    exact, rescale, top, seed, progress, names
        As for `influence`.

    Returns
    -------
    list of Explanation
        One for each row or weight, as `influence` answers.

    Raises
    ------
    InputError
        As `influence` does.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> asked = [(1, 0, 0), (1, 0, "bias")]
    >>> found = influences(trajectory(plan, start(plan), data), weights=asked)
    >>> [one.part for one in found]
    ['1:0,0', '1:0,bias']
    """
    trajectory = trajectory_of(run)
    names, net = names or trajectory.names, trajectory.plan.net
    top = at_least_one("top", top)
    fs: list[Any]
    if weights is None:
        mean = _of_rows(trajectory, names, x, y, of, by, "weights=")
        targets = [None] * len(mean.X) if mean.Y is None else mean.Y
        fs = [
            functional(net, names, trajectory.theta, row, target, of, mean.by)
            for row, target in zip(mean.X, targets, strict=True)
        ]
    elif x is not None or of is not None or by is not None:
        raise InputError("weights are meant by weights= alone: leave out x, of and by")
    else:
        fs = [WeightAsked(net, names.weight(net, *weight)) for weight in weights]
    return _answers(trajectory, fs, names, exact, rescale, top, seed, progress)


def _of_rows(
    trajectory: Trajectory,
    names: Names,
    x: Any,
    y: Any,
    of: int | str | None,
    by: Meant | None,
    instead: str,
) -> Functional:
    """Return the number that rows ask about: by default their cost, where y is known and `of` is not."""
    x, y = trajectory.encode(x, y)
    if x is None:
        raise InputError(f"there are no rows here to ask about: give x, or {instead}")
    meant = by or ("cost" if y is not None and of is None else "a")
    return functional(trajectory.plan.net, names, trajectory.theta, x, y, of, meant)


def _answers(
    trajectory: Trajectory,
    fs: Sequence[Any],
    names: Names,
    exact: int,
    rescale: bool,
    top: int,
    seed: int,
    progress: Progress,
) -> list[Explanation]:
    """Walk back once for all of these numbers, judge each, and return what is to say of it."""
    most = PROBES * len(sizes_of(trajectory.plan.n)) + len(fs) * (max(VERIFIED, exact) + 1)
    with watched(trajectory, progress, cost_of(trajectory, len(fs)), most) as trajectory:
        slopes = np.array([f.slope(trajectory.theta) for f in fs])
        found = adjoint(trajectory, slopes, rescale)
        trained = _Trained(trajectory, rescale)
        judged = [
            _judge(trained, f, -by_example, float(growth), exact, seed)
            for f, by_example, growth in zip(fs, found.by_example, found.growth, strict=True)
        ]
    return [
        _answer(trajectory, f, names, -by_example, one, top)
        for f, by_example, one in zip(fs, found.by_example, judged, strict=True)
    ]


class _Trained:
    """The trainings without some examples, of which none is run twice."""

    def __init__(self, trajectory: Trajectory, rescale: bool) -> None:
        self.trajectory, self.rescale = trajectory, rescale
        self.known: dict[tuple[int, ...], Array] = {}

    def without(self, sets: Sequence[Array]) -> list[Array]:
        """Return the parameters without each of some sets of examples, new ones trained side by side."""
        keys = [tuple(one.tolist()) for one in sets]
        new = {key: one for key, one in zip(keys, sets, strict=True) if key not in self.known}
        thetas = trained_without(self.trajectory, list(new.values()), self.rescale) if new else []
        self.known |= dict(zip(new, thetas, strict=True))
        return [self.known[key] for key in keys]


@dataclass(frozen=True, eq=False)
class Judged:
    """How far the computed changes can be trusted: by the growth, and by removals trained again.

    `trusted` is the smallest size of removals that is, 0 for none; `tried` are the removals of each size,
    and `again` is the true change without single examples.
    """

    growth: float
    trusted: int
    tried: tuple[Removals, ...]
    again: dict[int, float]

    @property
    def error(self) -> float:
        """The ± of the size that is trusted, or of the last that was tried; infinite where none was."""
        return self.tried[-1].error if self.tried else float("inf")


def _judge(
    trained: _Trained, f: Asked, by_example: Array, growth: float, exact: int, seed: int
) -> Judged:
    """Train without the strongest examples and without random ones, of greater size until trusted."""
    trajectory = trained.trajectory
    factors = trajectory.data.factors
    counted = np.arange(len(by_example)) if factors is None else np.flatnonzero(factors)
    order = counted[np.argsort(-np.abs(by_example[counted]), kind="stable")]
    # Of these an answer speaks: of the strongest, and of the first up and the first down.
    ends = [counted[by_example[counted].argmax()], counted[by_example[counted].argmin()]]
    spoken_of = dict.fromkeys([*order[: max(VERIFIED, exact)], *ends])
    strongest = [np.array([i]) for i in spoken_of if by_example[i]]
    stable = growth <= GROWTH  # not where it is no number either
    tried: list[Removals] = []
    again: dict[int, float] = {}
    for size in sizes_of(len(counted)) if stable else []:
        sets = drawn(counted, size, seed)
        computed = np.array([by_example[one].sum() for one in sets])
        thetas: list[Array] = []
        settled = None
        for m, *_ in STAGES:
            more = [] if again else strongest
            new = trained.without([*sets[len(thetas) : m], *more])
            thetas += new[: len(new) - len(more)]
            again |= _by_example(more, changes_of(f, trajectory, new[len(new) - len(more) :]))
            one = Removals(
                size, computed[:m], changes_of(f, trajectory, thetas), turned(trajectory, thetas)
            )
            if (settled := one.settled) is not None:
                break
        tried.append(one)
        if settled:
            return Judged(growth, size, tuple(tried), again)
    if strongest and not again:
        thetas = trained.without(strongest)
        again = _by_example(strongest, changes_of(f, trajectory, thetas))
    return Judged(growth, 0, tuple(tried), again)


def _by_example(singles: list[Array], changes: Array) -> dict[int, float]:
    """Return the changes by what single example was left out."""
    return {int(i[0]): float(change) for i, change in zip(singles, changes, strict=True)}


def verdict(what: str, judged: Judged, n: int, unit: float) -> str:
    """Return the sentence that comes first: which removals can be trusted."""
    grown = f"growth {number(judged.growth)}"
    if not judged.growth <= GROWTH:
        why = f"{grown}: a small change at its start is so many times larger at its end"
        if not np.isfinite(judged.growth):
            why = "a small change at its start grows beyond what a number can hold"
        return (
            f"Do not trust this: the run is at the edge of stability ({why}), where no derivative tells "
            f"what a removal brings. {INSTEAD}"
        )
    last = judged.tried[-1]
    size = "single examples" if last.size == 1 else f"groups of {last.size}"
    going = f"correlation {last.order:.2f}, {grown}"
    if last.turned:
        going += f", {last.turned:.2%} of units changed side"
    if not judged.trusted:
        if last.turned > TURNED:
            came = "made so many units pass their kink that no derivative tells what they bring"
        elif last.order >= NEARLY:
            came = "came out nearly as computed, but not surely enough to go by"
        else:
            came = "came out otherwise than computed"
        return f"Do not trust this: even {size}, left out at random, {came} ({going}). {INSTEAD}"
    more = "" if last.size == 1 else f", {last.size / n:.0%} of all, or more"
    change = unit * rms(last.true)
    # In the right order, and yet so far off that the size says little.
    trusted = size if last.error < rms(last.true) else f"the order, not the size, of {size}"
    return (
        f"Trust {trusted}{more}: trained again without each of {len(last.true)} drawn at random, the "
        f"{what} changed by about {number(change)}, within {unit * judged.error:.2g} of what was computed "
        f"({going})."
    )


def _answer(
    trajectory: Trajectory,
    f: Asked,
    names: Names,
    by_example: Array,
    judged: Judged,
    top: int,
) -> Explanation:
    n, what, unit = len(by_example), f.name(names), f.scale(names)
    value = f.value(trajectory.theta)
    # What is known of each: trained again, or else computed, where that can be trusted.
    best = by_example.copy() if judged.trusted == 1 else np.zeros(n)
    for i, change in judged.again.items():
        best[i] = change
    up, down = most_and_least(best, top)
    sentences = [verdict(what, judged, n, unit)]
    for i in _extremes(judged.again):
        # Where single examples are not to be trusted nothing is known of all others.
        most = judged.trusted == 1 and best[i] in (best.min(), best.max())
        sentences.append(_one(trajectory, names, what, i, unit * judged.again[i], most))
    groups, count = groups_of(trajectory)
    by_class = np.bincount(groups, by_example, count)
    titles = [
        (f"Without it the {what} would be higher", up),
        (f"Without it the {what} would be lower", down),
    ]
    again = {i: unit * change for i, change in judged.again.items()}
    tables, pictures, more_notes = listed(
        trajectory, names, unit * by_example, titles, "computed", ("trained again", again)
    )
    sums = [
        (name, int((groups == g).sum()), unit * float(by_class[g]))
        for g, name in enumerate(group_names(trajectory, names, count))
    ]
    by_size = [
        (one.size, i + 1, unit * float(c), unit * float(t))
        for one in judged.tried
        for i, (c, t) in enumerate(zip(one.computed, one.true, strict=True))
    ]
    by_group = Table(
        "By class, as if the changes added up", ("class", "examples", "computed"), tuple(sums)
    )
    return Explanation(
        kind="influence",
        question=f"What would the {what} be without each training example?",
        answer=" ".join(sentences),
        value=value,
        tables=(
            *tables,
            *((by_group,) if count > 1 else ()),
            Table(
                "Random removals, trained again",
                ("examples", "removal", "computed", "trained again"),
                tuple(by_size),
            ),
        ),
        pictures=(_scatter(what, judged, by_example, unit), *pictures),
        arrays={
            "by_example": by_example,
            "by_class": by_class,
            "error": judged.error,
            "trusted": judged.trusted,
            "growth": judged.growth,
            "turned": judged.tried[-1].turned if judged.tried else float("nan"),
            "size": [one.size for one in judged.tried for _ in one.true],
            "computed": [float(c) for one in judged.tried for c in one.computed],
            "true": [float(t) for one in judged.tried for t in one.true],
            "again": np.array([[i, change] for i, change in judged.again.items()]).reshape(-1, 2),
        },
        notes=(DRAWN, HELD, *differenced(trajectory.plan.net), *more_notes),
        part=f.ref.part if isinstance(f, WeightAsked) else "",
    )


def _extremes(again: Mapping[int, float]) -> list[int]:
    """Return the example without which f is highest, and that without which it is lowest."""
    order = sorted(again, key=again.__getitem__)
    up, down = (i for i in order[-1:] if again[i] > 0), (i for i in order[:1] if again[i] < 0)
    return [*up, *down]


def _one(trajectory: Trajectory, names: Names, what: str, i: int, change: float, most: bool) -> str:
    """Return a sentence on one example, without which the training was run again."""
    direction = "rise" if change > 0 else "fall"
    called = name_of_example(trajectory, names, i)
    return (
        f"Without example {i} ({called}) the {what} would {direction}{' most' if most else ''}: "
        f"{number(change, sign=True)} (trained again)."
    )


def _scatter(what: str, judged: Judged, by_example: Array, unit: float) -> CurvePicture:
    """Draw the removals that were trained again: computed to the right, true upwards."""
    pairs = [
        (c, t, "") for one in judged.tried for c, t in zip(one.computed, one.true, strict=True)
    ]
    pairs += [(by_example[i], change, f"without {i}") for i, change in judged.again.items()]
    marks = tuple((unit * float(c), unit * float(t), name) for c, t, name in pairs)
    ends = np.array(
        [min((p[0] for p in marks), default=-1.0), max((p[0] for p in marks), default=1.0)]
    )
    return CurvePicture(
        "Removals, trained again",
        f"change of the {what}, computed",
        "trained again",
        ends,
        (Line("as computed", ends),),
        marks=marks,
    )
