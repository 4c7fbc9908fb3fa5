"""The question itself: from a training to what is wrong with it, and to the answer."""

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.formatting import counted
from whygrad.answers.pictures import BarPicture, Picture
from whygrad.diagnosis.answer import (
    NO_FAULT,
    NO_RELATION,
    UNDECIDED,
    Diagnosis,
    Results,
    answer_of,
)
from whygrad.diagnosis.checks import BY_CHANCE, fits_a_few, of_data, relation, told_by_a_forest
from whygrad.diagnosis.contradictions import contradictions, of_own_cost, of_start
from whygrad.diagnosis.cures import CURES, FIRST_TRAINS, advice, cures
from whygrad.diagnosis.description import Description, describe
from whygrad.diagnosis.finding import Finding
from whygrad.diagnosis.pictures import bars
from whygrad.diagnosis.setting import FEW_ROWS, Setting, changes, setting_of
from whygrad.diagnosis.subject import Subject, rows_of_numbers, subject_of
from whygrad.diagnosis.symptoms import Symptom, course, look, symptoms
from whygrad.diagnosis.task import Task, largest_share, measure_name, task_of
from whygrad.diagnosis.trials import (
    SEEDS,
    WORTH,
    Trained,
    Trial,
    compiled,
    described,
    order,
    proven,
    search,
    train_all,
)
from whygrad.diagnosis.waiting import Stage, Tell
from whygrad.errors import InputError
from whygrad.nn import COSTS, Array
from whygrad.training.progress import told_of

SECONDS = 30.0
NOTHING = 0.05  # a score that tells nothing
SHOWN = 6  # bars


def diagnose(
    given: Any,
    X: Any = None,
    Y: Any = None,
    *,
    seconds: float | None = None,
    progress: bool | Tell = False,
    **as_for_train: Any,
) -> Diagnosis:
    """Find what is wrong with a training, with evidence, and prove the cure on the same training.

    What contradicts itself is found exactly, before a step is taken. Everything else is a hypothesis until
    the training with the cure, from the same seeds, is better on rows set aside by more than chance.

    Parameters
    ----------
    given : Network, Description, Model, run or fitted estimator
        The network, as `train` would be given it; a `Description` need not be one that whygrad can build;
        a recorded run; a fitted MLP of whygrad or scikit-learn; or what `explain` read. The last two are
        trained again from a start of their own, unless `theta` says where from.
    X : array-like of shape (n, n_0), optional
        Training inputs; a run has its own.
    Y : array-like of shape (n, n_L) or (n,), optional
        Targets.
    seconds : float, optional
        How long cures may be tried: by default half a minute, or the training's own time if that is more.
        Ctrl-C ends it before, with the answer that follows from what was tried.
    progress : bool or callable, default False
        Show on the terminal what is tried; a callable is given each `Stage` instead.
    **as_for_train
        For a network or a Model the other arguments of `train`, `validation` and `theta` among them.

    Returns
    -------
    Diagnosis
        An `Explanation` with `findings` and `improvements`.

    Raises
    ------
    InputError
        For what cannot be diagnosed, and for inputs or targets that are no table of numbers.

    Examples
    --------
    >>> from whygrad.diagnosis import Description
    >>> net = Description(3, [{"units": 4, "activation": "relu"}, {"units": 1, "activation": "softmax"}])
    >>> print(diagnose(net, [[0.0, 1, 0], [1, 0, 1]], [0, 1]).findings[0].evidence)
    softmax of a single unit is 1, whatever its input is
    """
    if seconds is not None and not (isinstance(seconds, int | float) and 0 <= seconds < math.inf):
        raise InputError(f"seconds is {seconds!r}: it must be a number of at least 0")
    if isinstance(given, Description):
        if X is None or Y is None:
            raise InputError("a description is diagnosed with its data: give X and Y")
        A, B = rows_of_numbers(X, "X"), rows_of_numbers(Y, "Y")
        task = asked_of(given, A, B)
        notes = list(of_data(A, B, task, True, None))
        return answer_of(task, Results(contradictions(given, task, B), notes))
    subject = subject_of(given, X, Y, as_for_train)
    about = describe(subject.net)
    task = asked_of(about, subject.X, subject.Y)
    found = contradictions(about, task, subject.Y) + _of_what_is_computed(subject)
    measured = None if subject.validation is None else subject.validation[0]
    shuffled = bool(subject.options.get("shuffle", True))
    notes = list(of_data(subject.X, subject.Y, task, shuffled, measured, subject.names.inputs))
    if subject.options.get("epochs") == 0:
        found.append(Finding("not_trained", "exact", "epochs is 0", "train it"))
        return answer_of(task, Results(found, notes))
    with told_of(progress, Stage()) as tell:
        tried = _tried(subject, task, seconds, found, tell)
    return answer_of(task, replace(tried, found=found + tried.found, notes=tried.notes + notes))


def asked_of(about: Description, X: Array, Y: Array) -> Task:
    """Return what the targets ask of a network; raise for rows that do not fit or are not finite."""
    if X.shape[1] != about.inputs:
        raise InputError(f"X has {X.shape[1]} columns, and the network takes {about.inputs} inputs")
    if len(X) != len(Y):
        raise InputError(f"X has {counted(len(X))} and Y {len(Y):,}")
    if not (np.isfinite(X).all() and np.isfinite(Y).all()):
        where, A = ("X", X) if not np.isfinite(X).all() else ("Y", Y)
        row, column = np.argwhere(~np.isfinite(A))[0]
        raise InputError(
            f"{where}[{row}, {column}] is {A[row, column]}: every number must be finite"
        )
    targets = "" if about.C is None else about.C.targets
    probabilities = about.output.name in ("sigmoid", "softmax") or targets in (
        "unit",
        "distribution",
    )
    return task_of(Y, about.output.units, probabilities)


def _of_what_is_computed(subject: Subject) -> list[Finding]:
    net, C = subject.net, subject.net.C
    own = [] if COSTS.get(C.name) == C else of_own_cost(C, subject.Y)
    start = subject.theta if subject.theta is not None else net.init(seed=subject.seed)
    return own + of_start(net, start)


# ── by training ──────────────────────────────────────────────────────────────────────────────────────


def _tried(
    subject: Subject, task: Task, seconds: float | None, exact: list[Finding], tell: Tell
) -> Results:
    """Train it as it stands, look at it, and try what contradictions and symptoms suggest."""
    setting = setting_of(subject, task)
    tell(Stage())
    compiled(setting)
    began = time.monotonic()
    try:
        (base,) = train_all([setting])
    except InputError as error:
        why = str(error).removeprefix(f"training 1 of {len(SEEDS)}: ")  # to the user it is one
        said = f"It cannot be trained as it stands: {why}"
        return Results([], [said], answer=said)
    taken = time.monotonic() - began
    training, _ = setting.measure(base.fits[0].predict, held_out=False)
    seen = look(setting, base.fits[0], training, base.score)
    rows = (
        "the rows"
        if setting.X is setting.X_held_out
        else f"{counted(len(setting.asked))} set aside"
    )
    notes = [
        f"As it stands {course(seen)}; {measure_name(task)} of {rows}: {base.score:.3f}, the mean of "
        f"{len(base.scores)} seeds: {', '.join(f'{score:.3f}' for score in base.scores)}."
        + " What is worse than the mean counts as 0."
        * (task.kind == "numbers" and not base.scores.all())
    ]
    shown = {sign.kind: sign for sign in symptoms(seen)}
    known = {
        each.kind: Symptom(each.kind, 1.0, each.evidence, picture=_picture(shown, each.kind))
        for each in exact
        if each.kind in CURES
    }
    signs = [*known.values(), *(sign for kind, sign in shown.items() if kind not in known)]
    if base.scores.min() > 1 - WORTH:  # nothing could bring as much, but to a class that is rare
        signs = [sign for sign in signs if sign.kind == "class_imbalance"]
        if not signs:
            return Results([], notes)
    seconds = max(SECONDS, taken / len(SEEDS)) if seconds is None else seconds
    best, tried, reached = search(base, signs, seconds, taken, tell)
    found, improvements = _judged(best, tried, signs)
    unrelated = _no_relation(base, setting, training, found)
    found = unrelated + found + _untried(best, signs, setting)
    if base.score < NOTHING and (broken := fits_a_few(setting.net, setting.X, setting.Y)):
        notes.append(broken)
    compared = (
        "1 training with a cure was"
        if len(tried) == 1
        else f"{len(tried)} trainings with cures were"
    )
    notes.append(f"{compared} compared with it, each from {len(SEEDS)} seeds.")
    sure = bool(best) and proven(best[0], len(tried))
    cured = best[0].cured.setting if sure else setting
    return Results(
        found,
        notes,
        improvements,
        _bars(best, base, task),
        cured.cures,
        changes(setting, cured),
        NO_RELATION if unrelated else UNDECIDED if _left(signs, reached, setting) else NO_FAULT,
    )


def _left(signs: list[Symptom], reached: set[str], setting: Setting) -> bool:
    """Return whether there was no time for the cures of some kind."""
    kinds = {sign.kind for sign in signs} - reached
    return any(kind in FIRST_TRAINS or cures(kind, setting) for kind in kinds)


def _judged(
    best: list[Trial], tried: list[Trial], signs: list[Symptom]
) -> tuple[list[Finding], tuple[Finding, ...]]:
    """Return what was proven or stays possible, and what merely improves it."""
    shown = {sign.kind: sign for sign in signs}
    found: list[Finding] = []
    improvements: list[Finding] = []
    for trial in best:
        sure = proven(trial, len(tried))
        better = not sure and trial.gain > 0 and proven(trial, len(tried), worth=0.0)
        for kind in order(trial, tried, signs):
            finding = replace(
                _as_finding(
                    shown[kind], dict(trial.cured.setting.cures).get(kind, described(trial))
                ),
                status="proven" if sure else "possible",
                together=trial.kinds if len(trial.kinds) > 1 else (),
                gain=trial.gain,
                error=trial.error,
                measure="balanced accuracy" if trial.cured.setting.balanced else "",
            )
            found.append(finding)
            if better:
                improvements.append(finding)
    return found, tuple(improvements)


def _as_finding(sign: Symptom, cure: str) -> Finding:
    """Return a hypothesis as a finding, not proven yet."""
    return Finding(sign.kind, "possible", sign.evidence, cure, sign=sign.sign, picture=sign.picture)


def _untried(best: list[Trial], signs: list[Symptom], setting: Setting) -> list[Finding]:
    """Return the hypotheses of which no cure was tried, for want of time or of a cure."""
    tried = {kind for trial in best for kind in trial.kinds}
    untried = [sign for sign in signs if sign.kind not in tried]
    return [_as_finding(sign, said) for sign in untried if (said := advice(sign.kind, setting))]


def _picture(shown: dict[str, Symptom], kind: str) -> Picture | None:
    return shown[kind].picture if kind in shown else None


def _no_relation(
    base: Trained, setting: Setting, training: float, found: list[Finding]
) -> list[Finding]:
    """Return that inputs say nothing of targets, where rows set aside show nothing and no cure helps.

    That is so where what is said of these rows goes with their targets no further than chance, and what
    a forest of trees says of them neither.
    """
    numbers, asked = setting.task.kind == "numbers", setting.asked
    if (
        (numbers and base.score > NOTHING)
        or len(asked) < FEW_ROWS
        or setting.X is setting.X_held_out
        or any(f.status == "proven" for f in found)
    ):
        return []
    told = np.mean([setting.outputs(fit.predict) for fit in base.fits], axis=0)
    if told.shape != asked.shape:
        told = told.mean(axis=1, keepdims=True)
    own = relation(told, asked)
    if own > BY_CHANCE:
        return []
    trees = relation(told_by_a_forest(setting.X, setting.task.Y, setting.X_held_out), asked)
    if trees > BY_CHANCE:
        return []
    name = measure_name(setting.task)
    scores = {"training rows": training, "rows set aside": base.score}
    if setting.task.kind == "classes":
        scores["the largest class"] = largest_share(setting.task)
    return [
        Finding(
            "labels_shuffled",
            "possible",
            f"{name} is {training:.2f} for the training rows and {base.score:.2f} for rows set aside: "
            f"what is said of these goes with their targets by {own:.1f} standard deviations of chance, "
            f"and what a forest of trees says by {trees:.1f}",
            "see whether inputs and targets are in the same order",
            picture=bars(f"{name[0].upper()}{name[1:]}", name, [*scores], [*scores.values()]),
        )
    ]


def _bars(best: list[Trial], base: Trained, task: Task) -> tuple[BarPicture, ...]:
    shown = [trial for trial in best if not trial.cured.setting.balanced][:SHOWN]
    if not shown:
        return ()
    names = ["as it stands", *(" + ".join(trial.kinds) for trial in shown)]
    scores = [base.score, *(trial.cured.score for trial in shown)]
    name = measure_name(task)
    return (bars(f"{name[0].upper()}{name[1:]} of rows set aside", name, names, scores),)
