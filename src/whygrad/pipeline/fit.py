"""From a table to a trained network: rows set aside, columns encoded, the training, and its scores.

    all rows with a target  →  test: scored once, at the end, seen by nothing before
                            →  validation: measured every epoch, to stop by; a share of the others, by
                               default a tenth where there are many, see `settings.validation_share`
                            →  training

`fit` does it all; `prepare` alone makes the split, and leads back to the same rows later.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.engines import choose
from whygrad.engines.prediction import outputs_of_rows
from whygrad.errors import InputError, row_of
from whygrad.files import check_regular
from whygrad.fitted import Ensemble, Fitted, averaged, fitted_of
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.functions import Array
from whygrad.pipeline import datasets, scores, settings
from whygrad.pipeline.copies import Copies, cells_of, copied
from whygrad.pipeline.members import order_of, plan_of, seed_of, train_each
from whygrad.pipeline.recipe import set_aside
from whygrad.pipeline.scores import Scores
from whygrad.pipeline.settings import Settings, recipe_of
from whygrad.pipeline.thresholds import threshold_for
from whygrad.plan.plan import State, start
from whygrad.tables import (
    AS_FOUND,
    STANDARD_INPUT,
    Bins,
    DateColumn,
    Encoding,
    Label,
    Oddities,
    ReadOptions,
    Target,
    Task,
    choose_target,
    dates_to_split_by,
    from_arrays,
    learn,
    leave_out,
    plain,
    quoted,
    read,
    split,
    split_by_time,
    split_rows,
)
from whygrad.tables.columns import as_column, nearest_name
from whygrad.training.callbacks import AnyCallback
from whygrad.training.divergence import DIVERGED
from whygrad.training.epochs import History
from whygrad.training.loop import INTERRUPTED, Training, measure_of, run
from whygrad.training.metrics import Metrics, Targets
from whygrad.training.side_by_side import warm_up

COMMON = 0.8  # of the rows: an aim of a class so frequent is hardly meant


@dataclass(frozen=True, eq=False)
class Source:
    """A table to learn from, and where it lies.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    target : str
        The column to predict.
    about : dict
        Where the table lies: goes into a run's manifest and leads back here through `find_again`.
    task : {"classification", "regression"}, optional
        By default told from the target's values.
    testing : int, default 0
        So many rows at the end are the test rows that a data set itself sets aside.
    images : bool, default False
        Encode the pixels as they are, from 0 to 1.
    notes : tuple of str
        Lines for the user about how the file was read.
    """

    table: Any
    target: str
    about: dict[str, Any]
    task: Task | None = None
    testing: int = 0
    images: bool = False
    notes: tuple[str, ...] = ()


def find(
    given: str,
    target: str | None = None,
    task: Task | None = None,
    seed: int = 0,
    asked: ReadOptions = AS_FOUND,
) -> Source:
    """Return the table that a name stands for: a data set that comes with whygrad, or a file.

    Parameters
    ----------
    given : str
        A name of `datasets.NAMES`, the path of a file as `tables.read` takes it, or "-" for standard input.
    target : str, optional
        The column to predict, of a file also by its number from 1 on; of a data set its own by default.
    task : {"classification", "regression"}, optional
        By default told from the target's values.
    seed : int, default 0
        Decides the points of a data set that is drawn.
    asked : ReadOptions, optional
        Which line of a file is its header, and which sheet of a workbook is meant.

    Returns
    -------
    Source
        The table, and where it lies.

    Raises
    ------
    InputError, FileError
        For a file that cannot be read as a table, and for one without its target.
    """
    if given in datasets.NAMES:
        return _data_set(given, target, task, seed)
    notes: list[str] = []
    table = read(given, asked, notes)
    if target is None:
        raise no_target(table.schema.names)
    path = "-" if given in STANDARD_INPUT else str(Path(given).resolve())
    about = {"kind": "file", "path": path} | {k: v for k, v in vars(asked).items() if v is not None}
    target = by_number(target, table.schema.names)
    return Source(table, target, about, task, notes=tuple(notes))


def no_target(names: Sequence[str]) -> InputError:
    """Return that no target is named, with the names that it may have: the last, often the one, among them.

    >>> print(no_target(list("abcdefghij")))
    which column is to be predicted? Give --target COLUMN, one of: a, b, c, d, e, f, g, …, j
    """
    shown = names if len(names) <= 8 else [*names[:7], "…", names[-1]]
    return InputError(
        f"which column is to be predicted? Give --target COLUMN, one of: {', '.join(shown)}"
    )


def by_number(name: str, names: Sequence[str]) -> str:
    """Return the name of a column that a user gave by its number, counted from 1, or the name as it is.

    >>> by_number("2", ["rooms", "rent"]), by_number("2", ["1", "2", "3"]), by_number("9", ["rooms"])
    ('rent', '2', '9')
    """
    number = name.strip()
    if number in names or not (number.isascii() and number.isdecimal() and len(number) < 9):
        return name
    return names[int(number) - 1] if 0 < int(number) <= len(names) else name


def options_of(about: Mapping[str, Any]) -> ReadOptions:
    """Return how the file of a recorded source was read."""
    return ReadOptions(about.get("header"), about.get("sheet"))


def find_again(about: dict[str, Any], target: str, task: Task) -> Source:
    """Return the table of a recorded source; raises `InputError` for one that lay in memory."""
    if about["kind"] == "file":
        if about["path"] in STANDARD_INPUT:
            raise InputError("it was trained on standard input: give the rows to score")
        # What a stranger's run names must not keep anyone waiting.
        check_regular(Path(about["path"]))
        return find(about["path"], target, task, asked=options_of(about))
    if about["kind"] == "data set":
        return _data_set(about["name"], target, task, about["seed"])
    if about["kind"] == "folder":
        raise InputError(
            "it was trained on a folder, whose rows are not read at once: give some rows"
        )
    raise InputError("it was trained on a frame in memory: give the rows to score")


def _data_set(name: str, target: str | None, task: Task | None, seed: int) -> Source:
    found = datasets.load(name, seed)
    X, y, testing = found.X, found.y, 0
    if found.X_test is not None and found.y_test is not None:
        X, y = np.concatenate([X, found.X_test]), np.concatenate([y, found.y_test])
        testing = len(found.X_test)
    labels: Any = y
    if found.classes:
        digits = all(label.isdecimal() for label in found.classes)
        labels = np.array([int(c) for c in found.classes] if digits else found.classes)[y]
    own = target is None or target == found.target
    return Source(
        from_arrays(X, found.features, labels, found.target),
        target or found.target,
        {"kind": "data set", "name": name, "seed": seed},
        task or (found.task if own else None),
        testing,
        images=found.shape is not None and own,
    )


@dataclass(frozen=True, eq=False)
class Parts:
    """Row numbers of a table: training, validation and test rows; the last two may be none."""

    training: Array
    validation: Array
    test: Array


def prepare(
    source: Source, chosen: Settings, held_out: Array | None = None
) -> tuple[Any, Encoding, Parts]:
    """Split and encode a table: a pure function of the table and the settings.

    Of the settings only seed, test, validation, leave_out, types, na, quality, member and the cost
    `poisson` count.

    Parameters
    ----------
    source : Source
        The table.
    chosen : Settings
        `test` is the share of all rows that are test rows, or 0 for none; with "last" they are the latest
        by time; a data set with test rows of its own keeps these. `validation` is the share of the rest,
        see `settings.validation_share`.
    held_out : array of int64, optional
        The test rows, among those with a value of the target, instead of drawing them.

    Returns
    -------
    table : pyarrow.Table
        The rows that have a value of the target.
    encoding : Encoding
        Learned from training and validation rows.
    parts : Parts
        Which rows are training, validation and test rows.

    Raises
    ------
    InputError
        Where a class or the whole has too few rows to be split, and where no column is left.
    """
    types = dict(chosen.types)
    table = leave_out(source.table, chosen.leave_out, source.target)
    table, target = choose_target(table, source.target, source.task, types, chosen.na)
    rows, testing = np.arange(table.num_rows), settings.share_of_test(chosen.test)
    drawn = False
    notes: list[str] = []
    if held_out is not None:
        seen, test = np.setdiff1d(rows, held_out), held_out
    elif testing == 0:
        seen, test = rows, rows[:0]
    elif source.testing:
        seen, test = rows[: -source.testing], rows[-source.testing :]
    elif settings.by_time(chosen.test):
        name, seconds = dates_to_split_by(table, target, types)
        seen, test = split_by_time(seconds, testing)
        notes.append(f"the test rows are the latest ones by column {quoted(name)}")
    else:
        seen, test = split(target, table, testing, chosen.seed)
        drawn, notes = True, _single_rows(target, table)
    training, validation = seen, rows[:0]
    bins: Bins = 0
    if chosen.quality:
        seen = np.sort(seen)
        training, validation = _of_member(seen, chosen, target)
        bins = partial(_bins, chosen, len(seen), len(target.classes))
    elif (share := settings.validation_share(chosen, len(seen))) > 0:
        first, second = _set_aside(target, table.take(seen), share, chosen.seed)
        training, validation = seen[first], seen[second]
    if source.images:
        encoding = plain([name for name in table.schema.names if name != target.name], target)
    else:
        encoding = learn(table.take(as_column(seen)), target, types, bins)
        if drawn:
            notes += _dates_asked_about(encoding)
    encoding = replace(encoding, notes=(*source.notes, *encoding.notes, *notes))
    if counts(chosen, target):
        mean = float(target.observed(table.take(seen)).mean())
        encoding = replace(encoding, target=in_unit(target, mean))
    return table, encoding, Parts(training, validation, test)


def counts(chosen: Settings, target: Target) -> bool:
    """Return whether the target is learned as counts."""
    return chosen.cost == "poisson" and target.task == "regression"


def in_unit(target: Target, mean: float) -> Target:
    """Return the target of counts, which keep their zero: only the unit changes, to their mean."""
    return replace(target, center=0.0, scale=abs(mean) or 1.0)


def _single_rows(target: Target, table: Any) -> list[str]:
    """Return a note on classes of a single row, which a split leaves among the training rows."""
    if target.task == "regression":
        return []
    single = np.flatnonzero(np.bincount(target.indices(table)) == 1)
    if not len(single):
        return []
    first = quoted(str(target.classes[single[0]]))
    which = (
        f"class {first} has"
        if len(single) == 1
        else f"{len(single)} classes, such as {first}, have"
    )
    rows = (
        "a single row, which is a training row"
        if len(single) == 1
        else "a single row each: training rows"
    )
    return [f"target {quoted(target.name)}: {which} {rows}, so that no score speaks of it"]


def _dates_asked_about(encoding: Encoding) -> list[str]:
    """Return the question whether the test rows should be the latest ones, where a column holds dates."""
    for column in encoding.columns:
        if isinstance(column, DateColumn) and column.form.form != "clock":
            return [
                f"column {quoted(column.name)} holds dates, and the test rows were drawn from all of them: "
                "to predict what is to come, test on the latest ones, with --test last"
            ]
    return []


def _bins(chosen: Settings, rows: int, classes: int, numbers: int) -> int:
    return recipe_of(chosen, rows, numbers, classes).bins


def _of_member(seen: Array, chosen: Settings, target: Target) -> tuple[Array, Array]:
    """Return the training and validation rows of a member, of those that are no test rows."""
    recipe = recipe_of(chosen, len(seen), 0, len(target.classes))
    out = set_aside(order_of(chosen.seed, len(seen)), replace(recipe, members=chosen.member))[-1]
    return np.delete(seen, out), seen[out]


def of_member(table: "EncodedTable", given: Settings) -> "EncodedTable":
    """Return an encoded table as another member has it: other rows are validation rows."""
    seen, whole = _seen(table.parts, table.data)
    training, validation = _of_member(seen, given, table.encoding.target)
    data = {"test": table.data["test"]}
    for name, rows in (("training", training), ("validation", validation)):
        at = np.searchsorted(seen, rows)
        data[name] = Data(whole.X[at], whole.Y[at])
    return replace(table, parts=Parts(training, validation, table.parts.test), data=data)


def _seen(parts: Parts, data: Mapping[str, Data]) -> tuple[Array, Data]:
    """Return the rows that are no test rows, in order, and their X and Y."""
    rows = np.concatenate([parts.training, parts.validation])
    order = np.argsort(rows)
    both = [data[name] for name in ("training", "validation")]
    X, Y = (np.concatenate([getattr(one, name) for one in both])[order] for name in "XY")
    return rows[order], Data(X, Y)


def fit_members(table: "EncodedTable", given: Settings, seconds: float | None = None) -> "Result":
    """Train the ensemble that settings with a quality ask for, on an encoded table, and score it."""
    began, first = time.perf_counter(), ready(table, given)
    _, data = _seen(table.parts, table.data)
    recipe = recipe_of(given, len(data.Y), 0, len(table.encoding.classes))
    weights = weights_of(given, data.Y, data.Y, settings.DTYPE)
    data, net = replace(data, sample_weight=weights), first.training.plan.net
    deadline = None if seconds is None else began + seconds
    fits = train_each(recipe, net, data, given.seed, engine=given.engine, deadline=deadline)
    return scored(first, fits, time.perf_counter() - began)


def _set_aside(target: Target, table: Any, share: float, seed: int) -> tuple[Array, Array]:
    """Return training and validation rows, stratified where each class has two rows or more."""
    index = np.zeros(table.num_rows, np.int64)
    if target.task == "classification":
        classes = target.indices(table)
        if np.bincount(classes)[classes].min() > 1:
            index = classes
    return split_rows(index, share, seed, part="validation")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table and all that its training follows from; `test` are its encoded test rows."""

    source: Source
    settings: Settings
    table: Any
    encoding: Encoding
    parts: Parts
    training: Training
    test: Data

    def part(self, name: str) -> Data:
        """Return the rows of a part, "training", "validation" or "test", encoded as for the training."""
        if name == "validation":
            return self.training.validation or Data(self.test.X[:0], self.test.Y[:0])
        return self.training.data if name == "training" else self.test


@dataclass(frozen=True, eq=False)
class EncodedTable:
    """A table encoded before a network is chosen: its rows, their encoding, and X, Y of its parts."""

    source: Source
    table: Any
    encoding: Encoding
    parts: Parts
    data: dict[str, Data]


def prepare_training(source: Source, given: Settings) -> Prepared:
    """Prepare the training of a network on a table: a pure function of the table and the settings."""
    return ready(tabulate(source, given), given)


def tabulate(source: Source, given: Settings, held_out: Array | None = None) -> EncodedTable:
    """Split and encode a table; see `prepare` for the settings that count, and for `held_out`."""
    settings.check_quality(given)
    table, encoding, parts = prepare(source, given, held_out)
    odd = Oddities(np.flatnonzero(encoding.target.present(source.table)))
    X = encoding.encode(table, settings.DTYPE, odd=odd)
    Y = encoding.targets(table, settings.DTYPE)
    encoding = encoding.noted(odd)
    data = {name: Data(X[rows], Y[rows]) for name, rows in vars(parts).items()}
    return EncodedTable(source, table, encoding, parts, data)


def ready(given: EncodedTable, asked: Settings) -> Prepared:
    """Return the training of the network that settings describe, on an encoded table."""
    parts, encoding = given.parts, given.encoding
    rows, stops = len(parts.training), len(parts.validation) > 0
    _check_classes(asked, encoding.target, stops)
    if asked.quality:
        both = rows + len(parts.validation)
        recipe = recipe_of(asked, both, 0, len(encoding.classes))
        chosen = settings.by_recipe(asked, recipe, both, encoding)
        net, seed = settings.network(chosen, encoding), seed_of(chosen.seed, chosen.member)
        plan = plan_of(recipe, net, rows, both, seed, settings.DTYPE)
    else:
        chosen = settings.complete(asked, encoding, rows, stops)
        net = settings.network(chosen, encoding)
        plan = settings.plan(chosen, net, rows, stops)
    trained_on, dtype = given.data["training"].Y, plan.dtype
    seen = {
        name: as_data(net, part.X, part.Y, weights_of(asked, trained_on, part.Y, dtype), dtype)
        for name, part in given.data.items()
        if len(part.Y) and name != "test"
    }
    training = Training(
        plan,
        start(plan),
        seen["training"],
        seen.get("validation"),
        choose(chosen.engine, plan),
        metrics=_metrics(asked.metrics, encoding.target),
    )
    measure_of(training)  # which refuses metrics that these rows or classes do not have
    test = given.data["test"]
    return Prepared(given.source, chosen, given.table, encoding, parts, training, test)


def _metrics(names: tuple[str, ...], target: Target) -> Metrics | None:
    """Return the metrics of these names; they see the number of a class, so that the second is positive."""
    if not names:
        return None
    from whygrad.training.scorers import find_metrics  # which imports scikit-learn

    return Metrics(find_metrics(names), targets_in_table(target))


def targets_in_table(target: Target) -> Targets:
    """Return what the targets of a network stand for that predicts a column of a table."""
    if target.classes:
        return Targets(np.arange(len(target.classes)))
    return Targets(center=target.center, scale=target.scale)


def _check_classes(asked: Settings, target: Target, stops: bool) -> None:
    """Raise `InputError` for class weights or an aim that the target or the split has no use for."""
    if asked.class_weight and not target.classes:
        raise InputError(f"class-weight: target {quoted(target.name)} holds numbers, not classes")
    if asked.aim and len(target.classes) != 2:
        held = f"{len(target.classes)} classes" if target.classes else "numbers"
        raise InputError(
            f"aim {asked.aim!r} takes two classes, target {quoted(target.name)} holds {held}"
        )
    if asked.aim and (label := settings.parsed(asked.aim)[2]):
        names = [str(one) for one in target.classes]
        if label not in names:
            raise InputError(
                f"aim {asked.aim!r}: target {quoted(target.name)} has no class {quoted(label)}: "
                f"{nearest_name(label, names)}"
            )
    if asked.aim and not stops:
        raise InputError(
            f"aim {asked.aim!r}: the threshold is chosen on validation rows, and there are none: give "
            "validation, 0.2 say"
        )


def weights_of(chosen: Settings, trained_on: Array, Y: Array, dtype: Any) -> Array | None:
    """Return the weight of each row of Y, (n,), by how rare its class is in training; None where all are 1.

    n / (K n_k) for a class with n_k of n training rows, as scikit-learn's "balanced".
    """
    if chosen.class_weight is None:
        return None
    K = max(2, Y.shape[1])
    counts = np.bincount(_class_of(trained_on), minlength=K)
    each = len(trained_on) / (K * np.maximum(counts, 1))
    weights: Array = each[_class_of(Y)].astype(dtype)
    return weights


def _class_of(Y: Array) -> Array:
    return Y[:, 0].astype(np.int64) if Y.shape[1] == 1 else Y.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Result:
    """A training on a table, and what came of it.

    `scores` are of the test rows, or of the training rows where there are no test rows. `stopped` is why
    training ended: of several networks, if any was interrupted or diverged, the first such reason.
    """

    ready: Prepared
    fitted: Fitted | Ensemble
    baseline: Label
    scores: Scores
    seconds: float
    stopped: str

    @property
    def settings(self) -> Settings:
        """The options of the training, all filled in."""
        return self.ready.settings

    @property
    def encoding(self) -> Encoding:
        """How rows become inputs, and outputs labels or numbers."""
        return self.ready.encoding

    @property
    def parts(self) -> Parts:
        """The training, validation and test rows."""
        return self.ready.parts

    @property
    def scored_on(self) -> str:
        """The part that was scored, "test" or "training"."""
        return "test" if len(self.parts.test) else "training"

    @property
    def members(self) -> Sequence[Fitted]:
        """The networks that predict: one, or those of an ensemble."""
        return _networks(self.fitted)

    @cached_property
    def copied(self) -> Array:
        """Which test rows equal one that training has seen, (n,) of bool."""
        parts = self.parts
        seen = np.concatenate([parts.training, parts.validation])
        return copied(cells_of(self.ready.table, self.encoding), seen, parts.test)

    @cached_property
    def copies(self) -> Copies | None:
        """How many test rows training has seen too; None where there are no test rows."""
        if not len(self.parts.test):
            return None
        others = self.parts.test[~self.copied]
        if not 0 < len(others) < len(self.copied):
            return Copies(int(self.copied.sum()), None)
        a = predict(self.fitted, self.ready.test.X)[~self.copied]
        table = self.ready.table.take(others)
        return Copies(int(self.copied.sum()), _judge(self.encoding.target, a, table, self.baseline))


def _networks(fitted: Fitted | Ensemble) -> Sequence[Fitted]:
    return fitted.members if isinstance(fitted, Ensemble) else (fitted,)


def fit(source: Source, given: Settings, observers: Sequence[AnyCallback] = ()) -> Result:
    """Train a network on a table, and score it: a pure function of the table and the settings.

    Parameters
    ----------
    source : Source
        The table, as `find` returns it.
    given : Settings
        The options of the training.
    observers : sequence of Callback or function
        Called during the training; they change nothing.

    Returns
    -------
    Result
        The trained network, its encoding and its scores.

    Examples
    --------
    >>> from whygrad.pipeline.settings import Settings
    >>> result = fit(find("iris"), Settings(hidden=(8,), epochs=20, test=0.2, validation=0.1))
    >>> {name: len(rows) for name, rows in vars(result.parts).items()}
    {'training': 108, 'validation': 12, 'test': 30}
    """
    ready = prepare_training(source, given)
    warm_up(ready.training)
    began = time.perf_counter()
    state, history = run(ready.training, observers)
    return result_of(ready, state, history, time.perf_counter() - began)


def result_of(ready: Prepared, state: State, history: History, seconds: float) -> Result:
    """Score the network that a training on a table ended with."""
    return scored(ready, [fitted_of(ready.training.plan, state, history)], seconds)


def scored(ready: Prepared, fits: Sequence[Fitted | None], seconds: float) -> Result:
    """Score a network, or an ensemble, that was trained on a table; None stands for one that was not."""
    encoding, parts, fitted = ready.encoding, ready.parts, averaged(fits)
    if ready.settings.aim:
        data = {name: ready.part(name) for name in ("training", "validation")}
        target, told = with_threshold(encoding.target, ready.settings, data, fits, parts)
        encoding = replace(encoding, target=target, notes=(*encoding.notes, *told))
        ready = replace(ready, encoding=encoding)
    seen = np.concatenate([parts.training, parts.validation])
    baseline = scores.baseline(encoding.target, ready.table.take(seen))
    scored_on = "test" if len(parts.test) else "training"
    rows = ready.table.take(vars(parts)[scored_on])
    a = predict(fitted, ready.part(scored_on).X)
    every = [one.history.stopped for one in fits if one is not None]
    odd = [reason for reason in every if reason == INTERRUPTED or reason.startswith(DIVERGED)]
    judged = _judge(encoding.target, a, rows, baseline)
    return Result(ready, fitted, baseline, judged, seconds, (odd or every)[0])


def _threshold(aim: str, p: Array, true: Array, first: str, second: str) -> tuple[float, list[str]]:
    """Return above which probability of the second class it is predicted, and notes."""
    name, _, label = settings.parsed(aim)
    if label == first:
        chosen, note = threshold_for(aim, 1 - p, ~true, first)
        return 1 - chosen, [note]
    chosen, note = threshold_for(aim, p, true, second)
    asked = bool(label) or name == "balanced-accuracy" or true.mean() <= COMMON
    other = (
        f"aim {aim} is of {quoted(second)}, the frequent class: {aim}:{first} is of {quoted(first)}"
    )
    return chosen, [note] if asked else [note, other]


def with_threshold(
    target: Target,
    asked: Settings,
    data: Mapping[str, Data],
    fits: Sequence[Fitted | None],
    parts: Parts | None = None,
) -> tuple[Target, list[str]]:
    """Return the target with the threshold of the aim, chosen on validation rows, and notes on it.

    Of an ensemble these are the rows that members set aside, each by one that has not learned from it.
    `data` are the encoded training and validation rows, and `parts` which rows of their table they are,
    which follows from the settings where the table is gone.
    """
    assert asked.aim, "a threshold is chosen for an aim"
    rows, aside = data["validation"], [np.arange(len(data["validation"].Y))]
    if asked.quality and asked.member == 1:
        if parts is None:
            seen = np.arange(sum(len(one.Y) for one in data.values()))
            parts = Parts(*_of_member(seen, asked, target), seen[:0])
        _, rows = _seen(parts, data)
        recipe = recipe_of(asked, len(rows.Y), 0, len(target.classes))
        aside = set_aside(order_of(asked.seed, len(rows.Y)), replace(recipe, members=len(fits)))
    used = _networks(averaged(fits))
    by = [
        (one, out)
        for one, out in zip(fits, aside, strict=True)
        if one and one in used and one.history.validation_cost[-1:] != [None]
    ]
    p = np.concatenate([predict(one, rows.X[out])[:, 0] for one, out in by])
    true = rows.Y[np.concatenate([out for _, out in by]), 0] > 0.5
    chosen, told = _threshold(asked.aim, p, true, *map(str, target.classes))
    return replace(target, threshold=chosen), told


def predict(fitted: Fitted | Ensemble, X: Array, first: int = 0) -> Array:
    """Return the outputs for X, row by row; raises `InputError` where they are not finite."""
    if isinstance(fitted, Ensemble):
        a = fitted.net.f[-1].value(fitted.z(X, outputs_of_rows))
    else:
        a = outputs_of_rows(fitted.net, fitted.theta, X)
    finite = np.isfinite(a).all(axis=1)
    if not finite.all():
        row = first + int(np.argmin(finite))
        raise InputError(
            f"the network's output for {row_of(row)} is not finite: its values are far from those of "
            "training, or training went astray (try a smaller learning rate)"
        )
    return a


def truth(target: Target, table: Any, start: int = 0) -> Array:
    """Return the true values, (n,): numbers, or indices in `target.classes`."""
    if target.task == "regression":
        return target.observed(table, start)
    return target.indices(table, start)


def _judge(target: Target, outputs: Array, table: Any, baseline: Label) -> Scores:
    """Score outputs, (n, n_L), against the target's values in a table."""
    return judge_values(target, outputs, truth(target, table), baseline)


def judge_values(target: Target, outputs: Array, true: Array, baseline: Label) -> Scores:
    """Score outputs, (n, n_L), against true values as `truth` returns them, (n,)."""
    if target.task == "regression":
        return scores.regression_scores(true, target.decode(outputs), float(baseline))
    single = target.n_outputs == 1
    above = outputs[:, 0] > target.threshold
    predicted = above.astype(np.int64) if single else outputs.argmax(axis=1)
    p = target.probabilities(outputs)
    return scores.classification_scores(target, true, predicted, baseline, p)
