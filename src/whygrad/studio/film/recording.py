"""A recorded training as the stage is sent it: a header, which says all but the parameters, and states.

    header(…)               what there is: network, names, examples to look at; no state yet
    Frame, frame_of         a state's numbers beside its parameters: step, epoch, η, cost and score
    with_frames(header, …)  the header of a recording that has these states
    recording_of(x, …)      a run, a network or an estimator → header and states, as a film has them

Costs and scores are measured at the states themselves, on at most `MEASURED` rows of a part, without
penalties: what the page says of a step is what these parameters give. Between states that are fewer than
the epochs, as of large networks, stands what the epochs measured on the validation rows.
"""

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.answers.classes import class_names, classes, classifies
from whygrad.answers.names import AS_IT_IS, Bin, Names, names_of
from whygrad.errors import FileError, InputError
from whygrad.nn import (
    COSTS,
    Array,
    Data,
    Network,
    Parameters,
    ValidationData,
    as_targets,
    count,
    dense,
)
from whygrad.nn.backprop import example_costs, forward
from whygrad.nn.metrics import measure
from whygrad.nn.parametric import family_of
from whygrad.plan.optimizers import SGD
from whygrad.plan.plan import Plan, State
from whygrad.training.epochs import Epoch

VERSION = 1
EXAMPLES = 40  # that a recording carries, unless asked otherwise
MEASURED = 1000  # rows of a part that cost and score are measured on
RANKED = 5000  # rows of a part among which the most wrong are looked for
POINTS = {
    "training": 500,
    "validation": 200,
    "test": 200,
}  # drawn on the plane of two inputs, at most
MARGIN = 0.08  # of the plane beyond the examples, on each side
MOST = 1000  # states
ENOUGH = 200  # states that float32 is kept for; float16 gives twice as many
PIECE = 2**20  # bytes of states that are sent at once
COLUMNS = 200  # of a table whose rows are shown in words: pixels are not
BASE64 = 4 / 3  # bytes of text for one of data
FRAME = 200  # bytes of text for the numbers beside a state, at most
MEASURES = ("cost", "validation_cost", "score", "validation_score")


@dataclass(frozen=True, eq=False)
class Part:
    """Examples of a kind as the network takes them, and the rows of the table that they were.

    `rows` gives a row as the table has it, by column; {} where there is no table.
    """

    data: Data
    rows: Callable[[int], Mapping[str, Any]] = field(default=lambda _: {})

    def __len__(self) -> int:
        return len(self.data.Y)

    @cached_property
    def measured(self) -> Data:
        """The examples that cost and score of every state are measured on."""
        return self.at(_spread(len(self), MEASURED))

    def at(self, chosen: Array) -> Data:
        """Return some of the examples, as they are to be measured."""
        one, s = self.data, self.data.sample_weight
        X, Y, s = dense(one.X[chosen]), one.Y[chosen], None if s is None else s[chosen]
        if isinstance(one, ValidationData):
            return ValidationData(X, Y, s, several=one.several)
        return Data(X, Y, s)


@dataclass(frozen=True)
class Frame:
    """The numbers of a state: updates and whole epochs so far, η of its step, cost and score by part."""

    step: int
    epoch: int
    rate: float | None
    cost: float | None = None
    validation_cost: float | None = None
    score: float | None = None
    validation_score: float | None = None


def header(
    plan: Plan,
    names: Names,
    parts: Mapping[str, Part],
    theta: Array,
    *,
    title: str = "",
    run: str = "",
    examples: int = EXAMPLES,
    note: str = "",
) -> dict[str, Any]:
    """Return what a recording says of a training, without any state.

    Parameters
    ----------
    plan : Plan
        All that decides the training.
    names : Names
        What inputs, outputs and classes are called, and their units.
    parts : mapping of str to Part
        Training, validation and test examples, those there are.
    theta : ndarray, (P,)
        The parameters by which the most wrong examples are found.
    title, run, note : str
        A title, the name of the run, and what has to be said of it.
    examples : int, default 40
        How many examples to carry.

    Returns
    -------
    dict
        As JSON has it; `with_frames` adds the states.

    Raises
    ------
    InputError
        For a network with functions of the user's own, which a browser cannot compute.
    """
    net = plan.net
    names = names_of(net, names)
    found = class_names(net, names) if classifies(net) else None
    several = any(isinstance(part.data, ValidationData) for part in parts.values())
    accuracy = several or net.C.targets in ("unit", "distribution")
    return {
        "version": VERSION,
        "title": title,
        "run": run,
        "note": note,
        "dtype": "float32",
        "count": count(net.sizes),
        "network": network_of(net),
        "penalties": {
            name: penalty.of_batch(plan.batch_size, plan.n)
            for name, penalty in (("l1", plan.l1), ("l2", plan.l2))
        },
        "batch": {"size": plan.batch_size, "n": plan.n, "rate": [], "clip": asdict(plan.clip)},
        "settings": _settings(plan),
        "steps": [],
        "epochs": [],
        "curves": {"at": [], **{name: [] for name in MEASURES}, "best": 0}
        | {"score_name": "accuracy" if accuracy else "R²"},
        "inputs": _inputs(net, names),
        "outputs": [
            {"name": name} | _scale(names.target if found is None else AS_IT_IS)
            for name in names.layer(net, net.L)
        ],
        "classes": None if found is None else list(found),
        "threshold": names.threshold,
        "shape": None if names.image is None else list(names.image),
        "plane": _plane(net, parts),
        "points": _points(net, parts),
        "examples": _examples(net, Parameters(net.sizes, theta), parts, examples, found),
    }


def network_of(net: Network) -> dict[str, Any]:
    """Return a network as the browser computes it; raises `InputError` for functions of the user's own."""
    activations = []
    for f in net.f[1:]:
        known = family_of(f)
        if known is None:
            raise InputError(_own("activation", f.name))
        activations.append({"name": f.name, "family": known[0], "parameters": list(known[1])})
    if COSTS.get(net.C.name) != net.C:
        raise InputError(_own("cost", net.C.name))
    return {
        "sizes": list(net.sizes),
        "activations": activations,
        "cost": net.C.name,
        "dropout": [layer.dropout for layer in net.layers],
        "masked": net.masked.tolist(),
    }


def _own(what: str, name: str) -> str:
    return (
        f"the {what} {name!r} is code of your own, which a browser cannot compute: "
        "the studio and `why` can, in Python"
    )


def _settings(plan: Plan) -> dict[str, str]:
    rule = plan.optimizer
    found = {"optimizer": type(rule).__name__}
    if plan.by_steps:
        found |= {"rate": f"{rule.learning_rate:g}", "schedule": type(plan.schedule).__name__}
        found["batch"] = str(plan.batch_size)
    for name in ("l1", "l2"):
        penalty = getattr(plan, name)
        if penalty.strength:
            found[name] = f"{penalty.strength:g} per {penalty.per}"
    return found | {"seed": str(plan.seed)}


def _scale(scale: Sequence[float]) -> dict[str, float]:
    if isinstance(scale, Bin):  # whose number is none of the column's
        return {}
    found = {"mean": float(scale[0]), "scale": float(scale[1])}
    return found | ({"bound": float(scale[2])} if len(scale) == 3 else {})


def _inputs(net: Network, names: Names) -> list[dict[str, Any]] | None:
    """Return name, column and units of every input; None of pixels, which go by row and column."""
    if names.image is not None and not names.inputs:
        return None
    called = names.layer(net, 0)
    return [
        {"name": name, "column": names.origins[k] if names.origins else name}
        | _scale(names.scale(net, 0, k))
        for k, name in enumerate(called)
    ]


def _plane(net: Network, parts: Mapping[str, Part]) -> dict[str, list[float]] | None:
    if net.sizes[0] != 2:
        return None
    X = [dense(part.data.X) for part in parts.values() if len(part)]
    both = np.concatenate(X) if X else np.array([[-1.0, -1.0], [1.0, 1.0]])
    low, high = both.min(axis=0).astype(float), both.max(axis=0).astype(float)
    margin = np.where(high > low, (high - low) * MARGIN, 1.0)
    x, y = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
    return {"x": list(x), "y": list(y)}


def _points(net: Network, parts: Mapping[str, Part]) -> dict[str, Any] | None:
    if net.sizes[0] != 2:
        return None
    found: dict[str, list[Any]] = {"x": [], "y": [], "part": []}
    for name, part in parts.items():
        if not len(part):
            continue
        some = part.at(_spread(len(part), POINTS.get(name, 0)))
        found["x"] += np.round(some.X.astype(float), 5).tolist()
        found["y"] += (classes(some.Y) if classifies(net) else some.Y[:, 0].astype(float)).tolist()
        found["part"] += [name] * len(some.Y)
    return found


def _spread(n: int, most: int) -> Array:
    """Return at most so many indices of n, evenly spread."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)


# ── the examples that it carries ─────────────────────────────────────────────────────────────────────


def _examples(
    net: Network,
    theta: Parameters,
    parts: Mapping[str, Part],
    most: int,
    found: tuple[str, ...] | None,
) -> dict[str, Any] | None:
    """Choose the most wrong and some of each class (of numbers: from low to high)."""
    ranked = [
        (name, int(i), cost, y)
        for name, part in parts.items()
        if name != "test" and len(part)
        for i, cost, y in _ranked(net, theta, part)
    ]
    if not ranked:
        return None
    costs = np.array([cost for _, _, cost, _ in ranked])
    wrong = np.argsort(-np.nan_to_num(costs, nan=np.inf, posinf=np.inf), kind="stable")
    whole = len(ranked) <= most
    chosen = {int(k): "most wrong" for k in wrong[: 1 if whole else max(1, most // 3)]}
    groups = _groups(ranked, found)
    while len(chosen) < min(most, len(ranked)):
        for text, members in groups:
            fresh = next((k for k in members if k not in chosen), None)
            if fresh is not None and len(chosen) < most:
                chosen[fresh] = text
    order = sorted(chosen)
    picked = [ranked[k] for k in order]
    data = [parts[name].at(np.array([i])) for name, i, _, _ in picked]
    cells = [
        {column: written(value) for column, value in parts[name].rows(i).items()}
        for name, i, _, _ in picked
    ]
    columns = list(cells[0])
    return {
        "count": len(order),
        "rows": [i for _, i, _, _ in picked],
        "part": [name for name, *_ in picked],
        "why": [chosen[k] for k in order],
        "start": order.index(int(wrong[0])),
        "whole": whole and not any(len(part) > RANKED for part in parts.values()),
        "columns": columns,
        "cells": [[row.get(column, "") for column in columns] for row in cells],
        "X": to_base64(np.concatenate([one.X for one in data])),
        "Y": to_base64(np.concatenate([one.Y for one in data])),
    }


def _ranked(net: Network, theta: Parameters, part: Part) -> Iterator[tuple[int, float, Array]]:
    indices = _spread(len(part), RANKED)
    some = part.at(indices)
    with np.errstate(all="ignore"):
        costs = example_costs(net, forward(net, theta, some.X), some.Y)
    yield from zip(indices, costs.tolist(), some.Y, strict=True)


def _groups(
    ranked: Sequence[tuple[str, int, float, Array]], found: tuple[str, ...] | None
) -> list[tuple[str, list[int]]]:
    """Return the candidates by class, each with why it is chosen; of numbers from low to high."""
    Y = np.array([y for *_, y in ranked])
    if found is None:
        order = np.argsort(Y[:, 0], kind="stable")
        fifths = [part.tolist() for part in np.array_split(order, 5) if len(part)]
        return [
            ("from low to high", part[len(part) // 2 :] + part[: len(part) // 2]) for part in fifths
        ]
    which = classes(Y)
    return [
        (
            f"of {name}" if name.startswith("class ") else f"of class {name}",
            np.flatnonzero(which == c).tolist(),
        )
        for c, name in enumerate(found)
    ]


def written(value: Any) -> str:
    """Return a cell of a table as the page shows it."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def as_json(value: Any) -> str:
    """Return JSON that may stand within a page's script: nothing in it opens or closes a tag."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def to_base64(numbers: Array) -> str:
    """Return numbers as little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(numbers, "<f4").tobytes()).decode()


# ── its states ───────────────────────────────────────────────────────────────────────────────────────


def frame_of(plan: Plan, parts: Mapping[str, Part], state: State) -> Frame:
    """Measure a state: its place in the training, and cost and score of training and validation rows."""
    ended = plan.by_steps and state.batch_index == plan.steps_per_epoch
    rate = None
    if plan.by_steps:
        rates = plan.learning_rates(state, state.step + 1)
        rate = plan.learning_rate(state) if ended else float(rates[0])
    theta = Parameters(plan.net.sizes, state.theta)
    found: dict[str, float | None] = {}
    for name, prefix in (("training", ""), ("validation", "validation_")):
        part = parts.get(name)
        if part is None or not len(part):
            continue
        cost, score = measure(plan.net, theta, part.measured)
        found |= {f"{prefix}cost": _finite(cost), f"{prefix}score": _finite(score)}
    return Frame(state.step, state.epoch + ended, rate, **found)


def in_float32(theta: Array) -> Array:
    """Return parameters as a recording holds them; those of a diverged training may become infinite."""
    with np.errstate(over="ignore"):
        return theta.astype("<f4")


def _finite(value: float) -> float | None:
    return float(f"{value:.9g}") if math.isfinite(value) else None


def recorded_curves(run: Any, epochs: Sequence[Epoch]) -> dict[str, Any]:
    """Return what a run's epochs showed as curves: for where no states are measured, or few."""
    at = run.first_end + run.plan.steps_per_epoch * np.arange(len(epochs))
    named = {name: [getattr(one, name, None) for one in epochs] for name in MEASURES}
    return {"at": at.tolist()} | {
        name: [None if value is None else _finite(value) for value in values]
        for name, values in named.items()
    }


def with_frames(
    about: Mapping[str, Any], frames: Sequence[Frame], recorded: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the header of a recording that has the states of these frames.

    Its curves are what was measured of the frames, or where nothing was, what was `recorded`, see
    `recorded_curves`. Where the epochs are more than the frames, what they measured on validation rows
    stands between these: the best epoch is seldom among a few states.
    """
    curves: dict[str, Any] = {"at": [one.step for one in frames]}
    curves |= {name: [getattr(one, name) for one in frames] for name in MEASURES}
    if recorded is not None and all(one.cost is None for one in frames):
        curves = dict(recorded)
    elif recorded is not None and len(recorded["at"]) > len(frames) and _held_out(recorded):
        curves = _with_validation_of(recorded, curves)
    for name in MEASURES:
        if all(value is None for value in curves[name]):
            curves[name] = None
    judged = curves["validation_cost"] or curves["cost"] or [None]
    best = min(range(len(judged)), key=lambda i: math.inf if judged[i] is None else judged[i])
    return {
        **about,
        "steps": [one.step for one in frames],
        "epochs": [one.epoch for one in frames],
        "batch": {**about["batch"], "rate": [one.rate for one in frames]},
        "curves": curves | {"best": best, "score_name": about["curves"]["score_name"]},
        "states": {"each": max(1, PIECE // (4 * about["count"])), "packed": False},
    }


def _with_validation_of(recorded: Mapping[str, Any], curves: Mapping[str, Any]) -> dict[str, Any]:
    """Return curves with the recorded validation at `MOST` of the steps that they lack, and at the best."""
    own, told = ({step: i for i, step in enumerate(one["at"])} for one in (curves, recorded))
    lacking = [step for step in told if step not in own]
    costs, scores = recorded["validation_cost"], recorded["validation_score"]
    lowest = min(lacking, key=lambda step: _or(costs[told[step]], math.inf))
    highest = max(lacking, key=lambda step: _or(scores[told[step]], -math.inf))
    at = sorted({*own, *lacking[:: 1 + len(lacking) // MOST], lowest, highest})
    between = {"validation_cost": costs, "validation_score": scores}

    def at_step(name: str, step: int) -> float | None:
        if step in own:
            return curves[name][own[step]]
        return between[name][told[step]] if name in between else None

    return {"at": at} | {name: [at_step(name, step) for step in at] for name in MEASURES}


def _held_out(recorded: Mapping[str, Any]) -> bool:
    """Return whether any epoch measured validation rows."""
    return any(value is not None for value in recorded["validation_cost"])


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def chosen_steps(start: int, last: int, most: int) -> list[int]:
    """Return at most so many steps, at equal distances from the first to the last.

    >>> chosen_steps(0, 10, 4), chosen_steps(0, 2, 100)
    ([0, 4, 8, 10], [0, 1, 2])
    """
    apart = max(1, -(-(last - start) // max(1, most - 1)))
    steps = list(range(start, last + 1, apart))
    return steps if steps[-1] == last else [*steps, last]


@dataclass(frozen=True, eq=False)
class Recording:
    """A header and the states that it speaks of, (steps, P), in float32 or float16."""

    header: dict[str, Any]
    states: Array


def recording_of(
    x: Any,
    X: Any = None,
    y: Any = None,
    *,
    examples: int = EXAMPLES,
    room: float = math.inf,
    title: str = "",
) -> Recording:
    """Record what `x` is for a stage: a run over its training, anything else as it stands.

    Parameters
    ----------
    x : Run, Fitted, Model, estimator, str or path
        A recorded run or its folder, or a trained network, also one from elsewhere.
    X, y : rows and targets, optional
        The examples of a network that is no run, as its `why` takes them.
    examples : int, default 40
        How many examples to carry.
    room : float
        How many bytes header and states may take, as JSON and as base64.
    title : str
        A title; by default the name of the run, or the network's sizes.

    Raises
    ------
    InputError
        For functions of the user's own, and where one state alone is larger than the room.
    FileError
        For a path that cannot be opened.
    """
    x = opened(x)
    if hasattr(x, "first_plan"):
        if X is not None or y is not None:
            raise InputError("a run has its own examples: leave X and y out")
        return _of_run(x, examples, room, title)
    from whygrad.interop import explain

    return _of_network(explain(x), X, y, examples, room, title)


def opened(x: Any) -> Any:
    """Return the run of a folder, and what is none, or the file of one, as it is."""
    if isinstance(x, str | PathLike) and not Path(x).is_file():
        from whygrad.record import open_run

        return open_run(x)
    return x


def _of_run(run: Any, examples: int, room: float, title: str) -> Recording:
    from whygrad.record.replay import states
    from whygrad.record.source import names_of_run

    plan, (parts, gone) = run.plan, parts_of(run)
    notes = []
    if run.members > 1:
        n = run.predicting
        which = "whose average predicts" if n == run.members else f"of which {n} had an epoch"
        notes.append(f"This is the first of {run.members} networks, {which}.")
    if gone:
        notes.append(f"The data are not there ({gone}): these are the states that were kept.")
    about = header(
        plan, names_of_run(run), parts, run.theta.flat, title=title or run.path.stem,
        run=run.path.name, examples=examples, note=" ".join(notes),
    )  # fmt: skip
    most, dtype = _fitting(about, room, run.step - run.start + 1)
    if gone:
        kept = [one.step for one in run.snapshots()]
        taken: Iterator[State] = (run.state(kept[i]) for i in _spread(len(kept), most))
    else:
        taken = states(run, chosen_steps(run.start, run.step, most))
    frames, thetas = [], []
    for state in taken:
        frames.append(frame_of(run.plan_at(state.step), parts, state))
        thetas.append(in_float32(state.theta))
    curves = recorded_curves(run, run.history.epochs)
    return _recording(with_frames(about, frames, curves), np.stack(thetas), dtype)


def _of_network(model: Any, X: Any, y: Any, examples: int, room: float, title: str) -> Recording:
    one, why = model.to_whygrad(), model.why
    net, theta = one.net, one.theta.flat
    parts: dict[str, Part] = {}
    if X is not None:
        if y is None:
            raise InputError("give the targets of X as well, y=…: costs and gradients need them")
        rows = why.examples(X, y)
        parts["training"] = Part(Data(rows.X, as_targets(net, rows.Y, len(rows.X))))
    n = max(1, len(parts["training"]) if parts else 1)
    plan = Plan(net, SGD(), n=n, epochs=1, batch_size=n)
    frame = frame_of(plan, parts, State(theta, plan.optimizer.init(theta)))
    about = header(
        plan, why.names, parts, theta, title=title or "-".join(map(str, net.sizes)),
        examples=examples, note="A network as it stands, without its training.",
    )  # fmt: skip
    _, dtype = _fitting(about, room, 1)
    return _recording(with_frames(about, [frame]), in_float32(theta)[None], dtype)


def _recording(about: dict[str, Any], states: Array, dtype: str) -> Recording:
    with np.errstate(invalid="ignore", over="ignore"):
        halves = states.astype("<f2")
    if dtype == "float32" or (np.isinf(halves) > np.isinf(states)).any():
        return Recording(about, states)
    return Recording(about | {"dtype": dtype}, halves)


def _fitting(about: dict[str, Any], room: float, steps: int) -> tuple[int, str]:
    """Return how many states fit beside a header, and in which precision: float32 where enough do."""
    left = room - len(as_json(about))
    whole, half = (
        (int(max(left, 0) // (BASE64 * width * about["count"] + FRAME)) for width in (4, 2))
        if math.isfinite(left)
        else (steps, steps)
    )
    needed = min(steps, 2)
    if half < needed:
        raise InputError(
            f"{needed} states of {about['count']:,} parameters do not fit: the file would have to have "
            f"{(needed * (BASE64 * 2 * about['count'] + FRAME) - left) / 1e6:.1f} MB more"
        )
    return (
        (min(MOST, whole), "float32")
        if whole >= min(steps, ENOUGH)
        else (min(MOST, half), "float16")
    )


def parts_of(run: Any) -> tuple[dict[str, Part], str]:
    """Return the examples of a run by part, and why there are none, or ""."""
    try:
        found = {"training": Part(run.data, _rows(run, "training"))}
        if run.validation is not None:
            found["validation"] = Part(run.validation, _rows(run, "validation"))
    except (InputError, FileError, OSError) as error:
        return {}, str(error)
    if run.judged and "validation" in found:
        one = run.data
        several = run.manifest["data"]["several"]
        judged = ValidationData(one.X, one.Y, one.sample_weight, several=several)
        found["training"] = Part(judged, found["training"].rows)
    return found, ""


def _rows(run: Any, part: str) -> Callable[[int], Mapping[str, Any]]:
    """Return what reads a row of a run's table; it gives nothing where the table is not there."""
    if not run.on_table:
        return lambda _: {}
    from whygrad.record.source import prepare_again

    try:
        table, encoding, parts = prepare_again(run)
    except (InputError, FileError, OSError):
        return lambda _: {}
    known = [column.name for column in encoding.columns]
    if len(known) > COLUMNS:
        return lambda _: {}
    shown = table.select([*known, encoding.target.name])
    at = getattr(parts, part)
    return lambda i: dict(shown.slice(int(at[i]), 1).to_pylist()[0])
