"""The question itself: from a training to what is wrong with it, and to the answer in words."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.parts import Table
from whygrad.answers.pictures import BarPicture
from whygrad.diagnosis.checks import fits_a_few, of_data
from whygrad.diagnosis.contradictions import contradictions, of_own_cost, of_start
from whygrad.diagnosis.cures import CURES
from whygrad.diagnosis.description import Description, describe
from whygrad.diagnosis.finding import KINDS, Finding
from whygrad.diagnosis.setting import Setting
from whygrad.diagnosis.subject import Subject, rows_of_numbers, subject_of
from whygrad.diagnosis.symptoms import Symptom, look, symptoms, told
from whygrad.diagnosis.task import Task, measure_name, task_of
from whygrad.diagnosis.trials import (
    SEEDS,
    WORTH,
    Trained,
    Trial,
    described,
    order,
    proven,
    search,
    train_all,
)
from whygrad.errors import InputError
from whygrad.nn import COSTS, Array
from whygrad.training import MEASURES

HELD_OUT = 0.3  # of the rows, where no validation rows are given
FEW_ROWS = 20  # no more: all are trained on and measured
SECONDS = 30.0
NOTHING = 0.05  # a score that tells nothing
SHOWN = 6  # bars
MOST_POSSIBLE = 5  # symptoms without proof that are listed
NO_FAULT = (
    "Nothing shows to be wrong: no contradiction, and no cure that helps by more than chance."
)


@dataclass(frozen=True, eq=False)
class Diagnosis(Explanation):
    """The answer: what is wrong, with its evidence, and what the cure brings.

    Parameters
    ----------
    findings : tuple of Finding
        Exact and proven ones are diagnoses; those that are only possible stand after them.
    improvements : tuple of Finding
        What makes a training better that nothing is wrong with: no diagnosis.
    cures : tuple of (str, str)
        The kinds that were cured in the best training that was proven, and by what; () for none.
    """

    findings: tuple[Finding, ...] = ()
    improvements: tuple[Finding, ...] = ()
    cures: tuple[tuple[str, str], ...] = ()

    def to_dict(self, limit: int | None = 10_000) -> dict[str, Any]:
        """Return the answer as plain data for JSON, with its findings and improvements."""
        found = {"findings": self.findings, "improvements": self.improvements}
        return super().to_dict(limit) | {
            name: [asdict(finding) for finding in findings] for name, findings in found.items()
        }


@dataclass(frozen=True, eq=False)
class _Tried:
    """What training it showed."""

    found: list[Finding]
    improvements: list[Finding]
    notes: list[str]
    pictures: tuple[BarPicture, ...] = ()
    cures: tuple[tuple[str, str], ...] = ()


def diagnose(
    given: Any,
    X: Any = None,
    Y: Any = None,
    *,
    seconds: float | None = None,
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
    if isinstance(given, Description):
        if X is None or Y is None:
            raise InputError("a description is diagnosed with its data: give X and Y")
        A, B = rows_of_numbers(X, "X"), rows_of_numbers(Y, "Y")
        task = asked_of(given, A, B)
        return _answer(
            task, _unique(contradictions(given, task, B)), [], list(of_data(A, B, task, True, None))
        )
    subject = subject_of(given, X, Y, as_for_train)
    about = describe(subject.net)
    task = asked_of(about, subject.X, subject.Y)
    found = contradictions(about, task, subject.Y) + _of_what_is_computed(subject)
    measured = None if subject.validation is None else subject.validation[0]
    shuffled = bool(subject.options.get("shuffle", True))
    notes = list(of_data(subject.X, subject.Y, task, shuffled, measured))
    if subject.options.get("epochs") == 0:
        found.append(Finding("not_trained", "exact", "epochs is 0", "train it"))
        return _answer(task, _unique(found), [], notes)
    tried = _tried(subject, task, seconds, found)
    return _answer(
        task,
        _unique(found + tried.found),
        tried.improvements,
        tried.notes + notes,
        tried.pictures,
        tried.cures,
    )


def asked_of(about: Description, X: Array, Y: Array) -> Task:
    """Return what the targets ask of a network; raise for rows that do not fit or are not finite."""
    if len(X) != len(Y):
        raise InputError(f"X has {len(X)} rows and Y {len(Y)}")
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


def _unique(found: list[Finding]) -> list[Finding]:
    """Return one finding of each kind, diagnoses first; a contradiction takes what its cure brought."""
    kept: dict[str, Finding] = {}
    for each in sorted(found, key=lambda f: ("exact", "proven", "possible").index(f.status)):
        first = kept.setdefault(each.kind, each)
        if first.status == "exact" and first.gain is None and each.gain is not None:
            kept[each.kind] = replace(each, status="exact", evidence=first.evidence)
    return list(kept.values())


# ── by training ──────────────────────────────────────────────────────────────────────────────────────


def _tried(subject: Subject, task: Task, seconds: float | None, exact: list[Finding]) -> _Tried:
    """Train it as it stands, look at it, and try what contradictions and symptoms suggest."""
    setting = setting_of(subject, task)
    began = time.monotonic()
    try:
        (base,) = train_all([setting])
    except InputError as error:
        return _Tried([], [], [f"It cannot be trained as it stands: {error}"])
    taken = (time.monotonic() - began) / len(SEEDS)
    training, _ = setting.measure(base.fits[0].predict, held_out=False)
    seen = look(setting, base.fits[0], training, base.score)
    rows = "the rows" if setting.X is setting.X_held_out else f"{len(setting.asked)} rows set aside"
    notes = [
        f"As it stands {told(seen)}; {measure_name(task)} of {rows}: {base.score:.3f}, with the seeds "
        f"{' '.join(f'{score:.3f}' for score in base.scores)}."
    ]
    if base.scores.min() > 1 - WORTH:  # nothing could bring as much
        return _Tried([], [], notes)
    known = {finding.kind: Symptom(finding.kind, 1.0, finding.evidence) for finding in exact}
    signs = [
        *(sign for kind, sign in known.items() if kind in CURES),
        *(sign for sign in symptoms(seen) if sign.kind not in known),
    ]
    best, tried = search(base, signs, max(SECONDS, taken) if seconds is None else seconds)
    found, improvements = _judged(best, tried, signs)
    found = _no_relation(base, setting, training, found) + found
    if base.score < NOTHING and (broken := fits_a_few(setting.net, setting.X, setting.Y)):
        notes.append(broken)
    notes.append(
        f"{len(tried)} trainings with cures were compared with it, each from {len(SEEDS)} seeds."
    )
    cured = best[0].cured.setting.cures if best and proven(best[0], len(tried)) else ()
    return _Tried(found, improvements, notes, _bars(best, base, task), cured)


def setting_of(subject: Subject, task: Task) -> Setting:
    """Return the training with rows set aside: those that were measured, or three tenths."""
    options, weights = dict(subject.options), subject.sample_weight
    X, Y = subject.X, subject.Y
    if subject.validation is not None:
        XV, YV = subject.validation
        together = task_of(np.concatenate([Y, YV]), subject.net.sizes[-1], task.kind == "classes")
        fits = together.kind == task.kind and together.Y.shape[1] == task.Y.shape[1]
        parts, asked = (X, Y, XV, YV), together.Y[len(Y) :] if fits else YV
    else:
        rows, held = _set_aside(task, len(X))
        parts, asked = (X[rows], Y[rows], X[held], Y[held]), task.Y[held]
        if len(rows) == len(X):
            parts = (X, Y, X, Y)
        task = replace(task, Y=task.Y[rows])
        weights = None if weights is None else weights[rows]
    if weights is not None:
        options["sample_weight"] = weights
    if options.get("batch_size"):
        options["batch_size"] = min(options["batch_size"], len(parts[0]))
    setting = Setting(subject.net, *parts, task, asked, options, subject.theta)
    if setting.goes_by <= set(MEASURES):
        options.pop("metrics", None)  # which nobody sees here
    return setting


def _set_aside(task: Task, n: int) -> tuple[Array, Array]:
    """Return the rows to train on and those to measure, of every class some."""
    if n <= FEW_ROWS:
        return np.arange(n), np.arange(n)
    order = np.random.default_rng(0).permutation(n)
    if task.kind == "classes":
        classes = task.Y.argmax(axis=1) if task.Y.shape[1] > 1 else (task.Y[:, 0] > 0.5).astype(int)
        order = order[np.argsort(classes[order], kind="stable")]
    held = np.zeros(n, dtype=bool)
    held[order[np.arange(0, n, 1 / HELD_OUT).astype(int)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def _judged(
    best: list[Trial], tried: list[Trial], signs: list[Symptom]
) -> tuple[list[Finding], list[Finding]]:
    """Return what was proven or stays possible, and what merely improves it."""
    evidence = {sign.kind: sign.evidence for sign in signs}
    found: list[Finding] = []
    improvements: list[Finding] = []
    for trial in best:
        sure = proven(trial, len(tried))
        better = not sure and trial.gain > 0 and proven(trial, len(tried), worth=0.0)
        for kind in order(trial, tried, signs):
            finding = Finding(
                kind,
                "proven" if sure else "possible",
                evidence.get(kind, KINDS[kind]),
                dict(trial.cured.setting.cures).get(kind, described(trial)),
                trial.kinds if len(trial.kinds) > 1 else (),
                trial.gain,
                trial.error,
            )
            found.append(finding)
            if better:
                improvements.append(finding)
    return found, improvements


def _no_relation(
    base: Trained, setting: Setting, training: float, found: list[Finding]
) -> list[Finding]:
    """Return that inputs say nothing of targets, where rows set aside show nothing and no cure helps."""
    if (
        base.score > NOTHING
        or setting.task.kind != "numbers"
        or any(f.status == "proven" for f in found)
    ):
        return []
    return [
        Finding(
            "labels_shuffled",
            "possible",
            f"R² is {training:.2f} for the training rows and {base.score:.2f} for rows set aside, so that "
            "inputs seem to say nothing of targets",
            "see whether inputs and targets are in the same order",
        )
    ]


def _bars(best: list[Trial], base: Trained, task: Task) -> tuple[BarPicture, ...]:
    if not best:
        return ()
    shown = best[:SHOWN]
    names = ("as it stands", *(" + ".join(trial.kinds) for trial in shown))
    scores = np.array([base.score, *(trial.cured.score for trial in shown)])
    name = measure_name(task)
    return (BarPicture(f"{name[0].upper()}{name[1:]} of rows set aside", name, names, scores),)


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────


def _answer(
    task: Task,
    found: list[Finding],
    improvements: list[Finding],
    notes: list[str],
    pictures: tuple[BarPicture, ...] = (),
    cures: tuple[tuple[str, str], ...] = (),
) -> Diagnosis:
    sure = [finding for finding in found if finding.status != "possible"]
    possible = [finding for finding in found if finding.status == "possible"]
    found = sure + possible[:MOST_POSSIBLE]
    answer = _said(sure, task) if sure else NO_FAULT
    rows = tuple(
        (f.kind, f.status, f.evidence, f.cure, _rounded(f.gain), _rounded(f.error)) for f in found
    )
    headings = ("kind", "status", "evidence", "cure", "gain", "±")
    return Diagnosis(
        "learning",
        "Why isn't it learning?",
        answer,
        tables=(Table(f"What was found, and the gain in {measure_name(task)}", headings, rows),)
        if rows
        else (),
        pictures=pictures,
        notes=tuple(notes),
        findings=tuple(found),
        improvements=tuple(improvements),
        cures=cures,
    )


def _said(sure: list[Finding], task: Task) -> str:
    """Return the first fault in a sentence, with those whose cures it is taken together with."""
    first = sure[0]
    if first.gain is None:
        return f"{_capital(first.said)}. Cure: {first.cure}."
    by_kind = {finding.kind: finding for finding in sure}
    them = [by_kind[kind] for kind in first.together if kind in by_kind] or [first]
    them.sort(key=sure.index)
    rise = f"{measure_name(task)} rises by {first.gain:.3f} ± {first.error:.3f}"
    if len(them) == 1:
        return f"{_capital(first.said)}. {_capital(first.cure)}: {rise}."
    faults = "; ".join(finding.said for finding in them)
    cures = ", ".join(finding.cure for finding in them[:-1]) + f" and {them[-1].cure}"
    return f"{len(them)} faults at once. {_capital(faults)}. {_capital(cures)}: {rise}."


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
