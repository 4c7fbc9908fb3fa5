"""Which labels may be wrong? The question about a training, and its answer."""

from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number
from whygrad.answers.parts import Table
from whygrad.answers.pictures import CurvePicture, ImagePicture, Line, Picture
from whygrad.diagnosis.cures import cures
from whygrad.diagnosis.description import Description, describe
from whygrad.diagnosis.labels import FAR, FOLDS, Ranking, of_rows, ranked, told_well
from whygrad.diagnosis.question import asked_of
from whygrad.diagnosis.setting import Setting, fit_all, setting_of
from whygrad.diagnosis.subject import Subject, subject_of
from whygrad.diagnosis.task import Task, largest_share, measure_name, of_label, score
from whygrad.diagnosis.trials import SEEDS, compare, train_all
from whygrad.errors import InputError
from whygrad.nn import Array
from whygrad.record.why import table_rows
from whygrad.why.choosing import classes_said
from whygrad.why.training_history.waiting import rounds_of, say_beforehand

SHOWN_IMAGES = 10
OUT_OF_SAMPLE = "Every row is told by a network that was trained without it; costs are of that."
CONTRADICTED = (
    "a network that was trained without its row contradicts {} at least as surely as it confirms others "
    "on average"
)
KNOWN = {  # of suspects, by kind of task
    "classes": CONTRADICTED,
    "labels": CONTRADICTED,
    "numbers": "a network that was trained without its row misses {} by more than "
    f"{FAR:g} times the usual deviation",
}


def suspect_labels(
    given: Any,
    X: Any = None,
    Y: Any = None,
    *,
    top: int = 10,
    folds: int = FOLDS,
    progress: bool = False,
    **as_for_train: Any,
) -> Explanation:
    """Rank the training rows by how likely their labels are wrong.

    The network is trained again without each fold of the rows, all side by side, and the rows of a fold are
    ranked by their cost there: a network that has not seen a label cannot have learned it by heart. A label
    is *suspect* where the row is told to be of another class with at least the mean certainty of that
    class's own rows (confident learning), a number where it is missed by more than six robust deviations.
    What it brings to leave suspects out is measured on rows set aside, over three seeds. Where the training
    measured rows, it is run again with each listed suspect mended by itself, and their cost compared.

    Parameters
    ----------
    given : Network, Model, run or fitted estimator
        As for `diagnose`.
    X : array-like of shape (n, n_0), optional
        Training inputs; a run has its own.
    Y : array-like of shape (n, n_L) or (n,), optional
        Labels.
    top : int, default 10
        How many rows are listed.
    folds : int, default 5
        Into how many parts the rows are dealt, from the seed of the training.
    progress : bool, default False
        Say on the terminal how long it takes, and show how far it is.
    **as_for_train
        For a network or a Model the other arguments of `train`.

    Returns
    -------
    Explanation
        `arrays` holds the rows in `order`, the largest cost first, (n,); their `cost`, out of sample, (n,);
        what they are `told` to be, (n, n_L); whether they are `suspect`, (n,); and by how much the mean
        cost of the measured rows changes where one is `mended`, (n,), NaN where that was not tried.

    Raises
    ------
    InputError
        For what cannot be trained again, and for fewer rows than folds.

    References
    ----------
    Brodley & Friedl (1999), Identifying mislabeled training data. JAIR 11.
    Northcutt, Jiang & Chuang (2021), Confident learning: estimating uncertainty in dataset labels. JAIR 70.

    Examples
    --------
    >>> from whygrad import Dense, Network
    >>> net = Network(1, [Dense(1, "sigmoid")], "binary_cross_entropy")
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> y = (X[:, 0] > 0).astype(float)
    >>> y[3] = 1
    >>> int(suspect_labels(net, X, y, optimizer="lbfgs", l2=0.01)["order"][0])
    3
    """
    if isinstance(given, Description):
        raise InputError("a description is not trained: give the Network whose labels are in doubt")
    if not (isinstance(top, int) and top >= 1):
        raise InputError(f"top is {top!r}: it must be a whole number of at least 1")
    subject = subject_of(given, X, Y, as_for_train)
    n = len(subject.X)
    if not (isinstance(folds, int) and 2 <= folds <= n):
        raise InputError(f"folds is {folds!r}: it must be a whole number from 2 to the {n:,} rows")
    task = asked_of(describe(subject.net), subject.X, subject.Y)
    part = setting_of(subject, task)  # some rows of which are only measured
    weights = {} if subject.sample_weight is None else {"sample_weight": subject.sample_weight}
    options = {**subject.options, **weights}
    whole = replace(part, X=subject.X, Y=subject.Y, task=task, options=options)
    if progress:
        mendings = 0 if subject.validation is None else 1 + min(top, n)
        rounds = rounds_of(folds) + rounds_of(mendings) + rounds_of(2 * len(SEEDS))
        took = getattr(given, "manifest", {}).get("seconds")
        say_beforehand(rounds, None if took is None else rounds * took)
    found = ranked(whole, folds, subject.seed, progress)
    if not _tells(task, found):
        found = replace(found, suspect=np.zeros_like(found.suspect))
    rows = table_rows(given) if hasattr(given, "first_plan") else None
    mended, *more = _mended(part, subject, found, top, progress)
    return Explanation(
        "labels",
        "Which labels may be wrong?",
        _said(subject, task, found),
        tables=(_listed(subject, task, found, rows, mended, top),),
        pictures=_pictures(subject, task, found),
        arrays={
            "order": found.order,
            "cost": found.cost,
            "told": found.told,
            "suspect": found.suspect,
            "mended": mended,
        },
        notes=(
            OUT_OF_SAMPLE,
            f"Out of sample: {_out_of_sample(task, found)}.",
            *more,
            *_brings(part, subject.validation is not None, found, progress),
        ),
    )


def _tells(task: Task, found: Ranking) -> bool:
    """Return whether the network tells rows, out of sample, well enough to accuse a label."""
    return bool(told_well(task, found.told).any())


def _out_of_sample(task: Task, found: Ranking) -> str:
    """Return the score of the rows out of sample, beside that of the largest class."""
    said = f"{measure_name(task)} {score(task, found.told, task.Y):.3f}"
    return (
        f"{said}, the largest class {largest_share(task):.3f}" if task.kind == "classes" else said
    )


def _called(subject: Subject, task: Task, Y: Array) -> list[str]:
    """Return in words what rows are labelled or told, each by its class or its numbers."""
    net, names = subject.net, subject.names
    if task.kind == "classes":
        K = max(2, Y.shape[1])
        numbers = range(K) if task.values is None else task.values
        called = tuple(f"class {number:g}" for number in numbers)
        if (names.outputs or names.classes) and max(2, net.sizes[-1]) == K:
            called = classes_said(net, names)
        return [called[k] for k in replace(task, Y=Y).classes]
    if task.kind == "labels":
        every = names.layer(net, net.L)
        return [", ".join(every[k] for k in np.flatnonzero(y > 0.5)) or "none" for y in Y]
    own = [[names.own(net, net.L, k, value) for k, value in enumerate(y)] for y in Y]
    return [", ".join(map(number, values)) for values in own]


def _said(subject: Subject, task: Task, found: Ranking) -> str:
    """Return in a sentence how many targets are suspect, and the first of them."""
    n, count = len(found.cost), int(found.suspect.sum())
    if not _tells(task, found):
        return (
            "Which labels are wrong cannot be said: of rows that it was trained without the network tells "
            f"hardly more than their largest class, {_out_of_sample(task, found)}. The doctor says what "
            "may be behind that."
        )
    what = "targets" if task.kind == "numbers" else "labels"
    if not count:
        return f"None of the {n:,} {what} stands out: {KNOWN[task.kind].format('none of them')}."
    i = int(next(i for i in found.order if found.suspect[i]))
    (label,), (told,) = (_called(subject, task, Y[i : i + 1]) for Y in (task.Y, found.told))
    said = f"its target is {label}" if task.kind == "numbers" else f"it is labelled {label}"
    told = f"a network that was trained without it says {told}"
    cost, usual = (
        number(float(np.median(each))) for each in (found.cost[found.suspect], found.cost)
    )
    if count == 1:
        return (
            f"1 of the {n:,} {what} to look at first, that of example {i}: {said}, and {told}. Its cost "
            f"out of sample is {cost}, the median of all rows {usual}; it may be right and hard to tell."
        )
    return (
        f"{count:,} of the {n:,} {what} to look at first: {KNOWN[task.kind].format('each of them')}. Their "
        f"median cost out of sample is {cost}, that of all rows {usual}; right ones that are hard to tell "
        f"may be among them. The first is that of example {i}: {said}, and {told}."
    )


def _listed(
    subject: Subject, task: Task, found: Ranking, rows: Array | None, mended: Array, top: int
) -> Table:
    """Return the rows with the largest costs as a table."""
    shown = found.order[:top]
    labels, told = (_called(subject, task, Y[shown]) for Y in (task.Y, found.told))
    columns: dict[str, list[Any]] = {"example": shown.tolist()}
    if rows is not None:
        columns["row"] = rows[shown].tolist()
    columns |= {"label": labels, "told": told}
    if task.kind == "classes":
        p = of_label(found.told[shown], task.Y[shown])
        columns["told of its label"] = [round(float(each), 4) for each in p]
    columns["cost"] = [float(each) for each in found.cost[shown]]
    columns["suspect"] = ["yes" if each else "" for each in found.suspect[shown]]
    if np.isfinite(mended).any():
        changes = [float(each) for each in mended[shown]]
        columns["mending it brings"] = [each if np.isfinite(each) else None for each in changes]
    lines = tuple(zip(*columns.values(), strict=True))
    return Table("Rows to look at first, by their cost out of sample", tuple(columns), lines)


def _pictures(subject: Subject, task: Task, found: Ranking) -> tuple[Picture, ...]:
    """Return the costs by rank, and the first suspects where they are images."""
    order, count = found.order, int(found.suspect.sum())
    costs = found.cost[order]
    curve = CurvePicture(
        "Cost of the rows, out of sample",
        "rank",
        "cost",
        np.arange(1.0, len(costs) + 1),
        (Line("rows, the largest cost first", costs),),
        at=float(count) if count else None,
        at_name=f"{count} suspect",
    )
    shape, first = subject.names.image, order[found.suspect[order]][:SHOWN_IMAGES]
    if shape is None or not len(first):
        return (curve,)
    labels, told = (_called(subject, task, Y[first]) for Y in (task.Y, found.told))
    captions = tuple(
        f"{i}: {label}\ntold {other}" for i, label, other in zip(first, labels, told, strict=True)
    )
    images = subject.X[first].reshape(len(first), *shape)
    return (curve, ImagePicture("Labels to look at first", images, captions))


def _mended(
    part: Setting, subject: Subject, found: Ranking, top: int, progress: bool
) -> tuple[Any, ...]:
    """Return the change of the mean cost of the measured rows by mending each listed suspect, (n,); a note.

    A suspect is trained on as what it was told. All else is as in the user's training.
    """
    mended = np.full(len(found.cost), np.nan)
    tried = [i for i in found.order[:top] if found.suspect[i]]
    if subject.validation is None or not tried:
        return (mended,)
    settings = [replace(part, seed=subject.seed)]
    for i in tried:
        Y = part.Y.copy()
        Y[i] = _as_told(part, found.told[i])
        settings.append(replace(settings[0], Y=Y))
    costs = []
    for (fitted,) in fit_all(settings, (subject.seed,), progress):
        with np.errstate(all="ignore"):
            a = np.asarray(fitted.predict(part.X_held_out), dtype=float)
            costs.append(float(part.net.C.value(a, part.Y_held_out).mean()))
    mended[tried] = np.array(costs[1:]) - costs[0]
    return (
        mended,
        "What mending it brings is the change of the mean cost of the "
        f"{len(part.X_held_out):,} rows that training measured, from {number(costs[0])}: each suspect is "
        "mended by itself to what it is told, and the network trained again.",
    )


def _as_told(part: Setting, told: Array) -> Array:
    """Return the target, in the form that was given, of what a row is told to be."""
    if part.task.kind == "numbers":
        return told
    if part.task.kind == "labels":
        return (told > 0.5).astype(float)
    (k,) = replace(part.task, Y=told[None]).classes
    like: Array = part.Y[np.flatnonzero(part.task.classes == k)[0]]
    return like


def _brings(part: Setting, measured: bool, found: Ranking, progress: bool) -> list[str]:
    """Return in a line what leaving the suspects out brings to rows set aside, over three seeds.

    Where rows of the training itself are set aside, suspects are looked for again without them.
    """
    if not found.suspect.any():
        return []
    if measured:
        options = [of_rows(part, np.flatnonzero(~found.suspect))]
    else:
        options = cures("labels_corrupted", part)
    if not options or not len(options[0].X):
        return []
    base, cured = train_all([part, options[0]], progress=progress)
    trial = compare(("labels_corrupted",), cured, base)
    left_out = len(part.X) - len(options[0].X)
    return [
        f"Without {'the suspect' if left_out == 1 else f'the {left_out:,} suspects'} among "
        f"{len(part.X):,} rows the "
        f"{measure_name(part.task)} of {len(part.asked):,} others changes from {base.score:.3f} by "
        f"{trial.gain:+.3f} ± {trial.error:.3f} ({len(SEEDS)} seeds; their own labels "
        "may be wrong as well)."
    ]
