"""The ledger: what a weight adds up from, in account with every training example.

    θ_T = θ_0 + Σ_i c_i + penalties + decay + momentum carried over + rounding

c_i adds up what example i moved the weight by, over all steps of the training. Given the denominators of
Adam and its kin and the clipping as they were recorded, every update is linear in the examples' gradients,
so the sum is exact but for rounding (see `linear` and `accounts`).
"""

from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number
from whygrad.answers.names import Names, Ref, by_the_mask, check_layer, left_out, name_of_weight
from whygrad.answers.parts import Term
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.engines import WeightProbe
from whygrad.engines.probe_data import rows_of
from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.training.again import leaving_out
from whygrad.why import rounding
from whygrad.why.context import at_least_one
from whygrad.why.symbols import shown
from whygrad.why.training_history.accounts import (
    FEW,
    Accounts,
    accounts,
    carries_too_far,
)
from whygrad.why.training_history.example_lists import cancellation, listed, most_and_least
from whygrad.why.training_history.first_order import first_order
from whygrad.why.training_history.linear import held
from whygrad.why.training_history.removals import VERIFIED
from whygrad.why.training_history.trajectory import AGAIN, Trajectory, group_names, trajectory_of
from whygrad.why.training_history.waiting import Progress, how_long, rounds_of, watched

ALL = "all"
# Trainings that a weight, a neuron and a layer take at most, measured on networks from 20-64-3 to
# 784-100-10, most between hidden layers of a small one; those of a neuron of so few weights that each has
# an account of every example; how many more where the optimizer remembers steps, where each weight's
# gradient is bounded, and where examples are followed back through all steps.
TAKES, WITH_FEW = (5.0, 2.0, 7.0), 19.0
REMEMBERED, BOUNDED, BACKWARDS = (0.0, 0.0, 4.0), (0.0, 1.0, 24.0), (0.0, 7.0, 80.0)
ACCOUNTING = (
    "This is accounting, not a counterfactual: what an example added leaves out how it bent the pushes of "
    "all others. What would be without an example, influence says."
)
FIRST_THREE = (
    "With influence=True, or --influence, the ledger trains without each of its first three, and shows "
    "what that changes. That takes {time}."
)
AT_ONCE = 2.0  # seconds of a whole answer for which nobody needs to be asked


def ledger(
    run: Any,
    layer: int,
    to: int | str = ALL,
    from_: int | str | None = ALL,
    *,
    influence: bool | None = None,
    top: int = 10,
    progress: Progress = False,
    names: Names | None = None,
) -> Explanation:
    """Ledger: account for a weight by what every training example, class and epoch added to it.

        θ_T = θ_0 + Σ_i c_i + penalties + decay + momentum carried over + rounding

    This is accounting and no influence: what an example did to the pushes of others counts as theirs.

    Parameters
    ----------
    run : Run or Trajectory
        A recorded training, or the trajectory of one; its steps are run again.
    layer : int
        The layer l, 1 to L.
    to : int or str
        A unit of layer l, by index or name; left out, all weights of the layer.
    from_ : int, str or None
        A unit of the layer below; None or "bias" for the bias of `to`; left out, all weights of `to`.
    influence : bool, optional
        Train without each of the three examples of the largest contributions, and show beside these by how
        much the weight ends otherwise. By default where the whole answer then takes less than two seconds;
        elsewhere a note says how long it would take.
    top : int
        How many examples are listed.
    progress : bool or callable, default False
        Say on the terminal how long it takes, and show how far it is; a callable is given each `Stage`
        instead.
    names : Names, optional
        What inputs, outputs and classes are called; those of the run by default.

    Returns
    -------
    Explanation
        Of one weight, `value` is that weight. Of several it is their position ⟨θ_T, u⟩ along the unit
        vector u from θ_0 to θ_T, and so are the terms: the start, the examples by class (one class where
        targets are numbers), penalties, decay and momentum. `arrays` holds, along u, `by_example` (n,),
        `by_epoch` (E, G) by class and `path` (E + 1,) at the ends of the epochs; and by weight, (R, K) with
        the bias last, `start`, `now`, `penalty`, `decay`, `carried_over`, `rounding` with its proven
        `bound`, and `by_class` (G, R, K); with
        `influence` also `again` (3, 2), examples and the change of the value without each.

    Raises
    ------
    InputError
        For a weight that is not there, for an optimizer of your own, for L-BFGS, and where the steps, run
        again, do not arrive at the parameters asked about.

    See Also
    --------
    influence : What the weight would be if an example were left out.

    Examples
    --------
    >>> from whygrad import Dense, Network, SGD
    >>> from whygrad.nn.arrays import as_data
    >>> from whygrad.plan.plan import Plan, start
    >>> from whygrad.why.training_history.trajectory import trajectory
    >>> net = Network(1, [Dense(1, "identity")])
    >>> data = as_data(net, [[1.0], [2.0]], [[1.0], [4.0]])
    >>> plan = Plan(net, SGD(0.1), n=2, epochs=20, batch_size=2)
    >>> found = ledger(trajectory(plan, start(plan), data), layer=1, to=0, from_=0)
    >>> parts = [term.value for term in found.terms]
    >>> bool(abs(found.value - sum(parts)) < 1e-15), found["by_example"].shape
    (True, (2,))
    """
    trajectory = trajectory_of(run)
    names = names or trajectory.names
    top = at_least_one("top", top)
    probe, what, part = _probe_of(trajectory, names, layer, to, from_)
    takes = _takes(trajectory, probe, (from_ == ALL) + (to == ALL))
    if influence is None:
        seconds = trajectory.seconds
        whole = takes + rounds_of(VERIFIED)
        influence = trajectory.plan.n > 1 and seconds is not None and whole * seconds < AT_ONCE
    with watched(trajectory, progress, takes, VERIFIED * bool(influence)) as trajectory:
        found = accounts(trajectory, probe)
        by_example = found.along
        if by_example is None:
            by_example = first_order(
                trajectory, (probe,), lambda thetas: [found.direction[None]]
            ).by_example
        again = _trained_without(trajectory, found, by_example) if influence else {}
    return _answer(trajectory, names, found, by_example, again, what, part, top)


def _takes(trajectory: Trajectory, probe: WeightProbe, several: int) -> float:
    """Return how many trainings the accounts take, of a weight, a neuron or a layer: 0, 1, 2."""
    plan = trajectory.plan
    if several and probe.shape[0] * probe.shape[1] <= FEW:
        return WITH_FEW
    bounded, backwards = plan.clip.value is not None, carries_too_far(trajectory, probe)
    remembers = len(plan.optimizer.init(np.zeros(1))) > 0
    more = REMEMBERED[several] * remembers + BOUNDED[several] * bounded
    return TAKES[several] + more + BACKWARDS[several] * backwards


def _trained_without(
    trajectory: Trajectory, found: Accounts, by_example: Array
) -> dict[int, float]:
    """Return by how much the value changes without each of the examples of the largest contributions."""
    largest = np.argsort(-np.abs(by_example), kind="stable")[:VERIFIED]
    largest = largest[by_example[largest] != 0]
    index, n = rows_of(trajectory.plan.net, found.probe), trajectory.plan.n
    thetas = trajectory.again([leaving_out(n, np.array([i])) for i in largest])
    moved = [((theta[index] - found.value) * found.direction).sum() for theta in thetas]
    return dict(zip(largest.tolist(), map(float, moved), strict=True))


def _probe_of(
    trajectory: Trajectory, names: Names, layer: int, to: int | str, from_: int | str | None
) -> tuple[WeightProbe, str, str]:
    """Return the probe of the weights that are meant, their name, and their part of a drawing."""
    net = trajectory.plan.net
    l = check_layer(net, layer)
    below = net.sizes[l - 1]
    if to == ALL:
        if from_ != ALL:
            raise InputError(f"weights from {from_!r} to which unit of layer {l}? Give to=…")
        return WeightProbe(l, (0, net.sizes[l]), (0, below + 1)), f"layer {l}", ""
    j = names.find(net, l, to)
    unit = names.of(net, l, j)
    if from_ == ALL:
        return WeightProbe(l, (j, j + 1), (0, below + 1)), f"all weights of {unit}", Ref(l, j).part
    ref = names.weight(net, l, j, from_)
    if ref.from_ == "bias":
        return WeightProbe(l, (j, j + 1), (below, below + 1)), f"the bias of {unit}", ref.part
    k = int(ref.from_ or 0)
    return WeightProbe(l, (j, j + 1), (k, k + 1)), name_of_weight(net, names, ref), ref.part


def _answer(
    trajectory: Trajectory,
    names: Names,
    found: Accounts,
    by_example: Array,
    changes: dict[int, float],
    what: str,
    part: str,
    top: int,
) -> Explanation:
    along = found.direction
    start, value = float((found.start * along).sum()), float((found.value * along).sum())
    labels = group_names(trajectory, names, len(found.by_class))
    by_class = np.tensordot(found.by_class, along, 2)
    terms = [Term("start", start)]
    terms += [Term(f"examples of {name}" if len(labels) > 1 else name, float(push))
              for name, push in zip(labels, by_class, strict=True)]  # fmt: skip
    for name, matrix in (
        ("penalties", found.penalty),
        ("decay", found.decay),
        ("momentum carried over", found.carried_over),
    ):
        if matrix.any():
            terms.append(Term(name, float((matrix * along).sum())))
    again = value - float((found.reached * along).sum())
    left = value - again - float(np.sum([term.value for term in terms]))
    ends = np.abs(found.start) + np.abs(found.value) + np.abs(found.by_class).sum(axis=0)
    most_of_all = float((np.abs(along) * (found.bound + rounding.gamma(along.size) * ends)).sum())
    remains = rounding.remainder(left, most_of_all)
    up, down = most_and_least(by_example, top)
    most = (("The largest contributions up", up), ("The largest contributions down", down))
    tables, pictures, more_notes = listed(
        trajectory, names, by_example, most, "contribution",
        ("change without it, trained again", changes) if changes else None,
    )  # fmt: skip
    single = along.size == 1
    went = (
        f"went from {shown(start)} to {shown(value)}"
        if single
        else f"moved by {shown(value - start)}"
    )
    answer = (
        f"Accounting: {what} {went} in {trajectory.last - trajectory.start.step:,} steps; "
        f"{cancellation(by_example)}."
    )
    parts = [term for term in terms[1:] if len(terms) > 2]
    if any(term.value for term in parts):
        largest = max(parts, key=lambda term: abs(term.value))
        answer += f" The largest part is that of {largest.name}, {shown(largest.value)}."
    if by_example.any():
        first = int(np.abs(by_example).argmax())
        answer += (
            f" The largest of one example is that of example {first}, {shown(by_example[first])}."
        )
        if first in changes:
            change = changes[first]
            then = (
                f"{what} ends at {shown(value + change)}"
                if single
                else f"that move is {shown(value - start + change)} along its direction"
            )
            answer += f" Trained again without it, {then}, {number(change, sign=True)}."
    ref = Ref.read(part)
    if ref is not None and left_out(trajectory.plan.net, ref):
        answer = by_the_mask(trajectory.plan.net, names, ref)
    notes = [ACCOUNTING]
    if by_example.any() and not changes:
        rounds, seconds = rounds_of(VERIFIED), trajectory.seconds
        time = how_long(rounds, None if seconds is None else rounds * seconds)
        notes = [f"{ACCOUNTING} {FIRST_THREE.format(time=time)}"]
    arrays = {"by_example": by_example, "by_epoch": found.by_epoch, "path": found.path}
    arrays |= {"start": found.start, "now": found.value, "by_class": found.by_class}
    arrays |= {name: getattr(found, name) for name in ("penalty", "decay", "carried_over")}
    arrays |= {next(iter(remains)): found.rounding, "bound": found.bound}
    if changes:
        arrays["again"] = np.array(list(changes.items()))
    return Explanation(
        kind="ledger",
        question=f"What does {what} add up from?"
        if single
        else f"What does the move of {what} add up from?",
        answer=answer,
        value=value,
        terms=tuple(terms),
        residuals=remains | ({AGAIN: again} if again else {}),
        tables=tables,
        pictures=(_path(trajectory, found, labels, what), *pictures),
        arrays=arrays,
        notes=(*notes, *held(trajectory.plan), *more_notes),
        part=part,
    )


def _path(
    trajectory: Trajectory, found: Accounts, labels: tuple[str, ...], what: str
) -> CurvePicture:
    """Draw the way of the weight by epochs, with the pushes so far by class under it."""
    so_far = np.zeros((len(found.path), len(labels) + 1))
    so_far[1:, :-1] = np.cumsum(found.by_epoch, axis=0)
    so_far[1:, -1] = np.cumsum(found.other)
    areas = [Line(name, so_far[:, g]) for g, name in enumerate(labels)]
    if found.other.any():
        areas.append(Line("penalties, decay, momentum", so_far[:, -1], dashed=True))
    single = found.direction.size == 1
    each, start = trajectory.plan.steps_per_epoch, trajectory.start
    ends = np.arange(len(found.path)) * each
    at = (
        start.epoch
        + ends.clip(start.batch_index, trajectory.last - start.step + start.batch_index) / each
    )
    return CurvePicture(
        f"The way of {what}",
        "epoch",
        "value" if single else "position along its way",
        at,
        (Line(what, found.path),),
        tuple(areas),
        "pushed so far by",
    )
