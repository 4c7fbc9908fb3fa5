"""The question itself: from a network and its data to the findings, and to the answer in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.parts import Table
from whygrad.diagnosis.contradictions import contradictions, of_own_cost, of_start
from whygrad.diagnosis.description import Description, describe
from whygrad.diagnosis.finding import KINDS, Finding
from whygrad.diagnosis.setting import Setting
from whygrad.diagnosis.symptoms import Symptom, look, symptoms, told
from whygrad.diagnosis.task import Task, measure_name, task_of
from whygrad.diagnosis.trials import (
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
from whygrad.nn import COSTS, Array, Network

HELD_OUT = 0.3
FEW_ROWS = 20  # no more: all are trained on and measured
SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Diagnosis(Explanation):
    """The answer: what is wrong, with its evidence, and what the cure brings.

    Parameters
    ----------
    findings : tuple of Finding
        Exact and proven ones are diagnoses; possible ones are listed after them.
    improvements : tuple of Finding
        What makes a healthy training better: no diagnosis.
    """

    findings: tuple[Finding, ...] = ()
    improvements: tuple[Finding, ...] = ()


def diagnose(
    given: Network | Description,
    X: Any,
    Y: Any,
    *,
    validation: tuple[Any, Any] | None = None,
    seconds: float = SECONDS,
    theta: Any = None,
    **as_for_train: Any,
) -> Diagnosis:
    """Say what is wrong with a training, with evidence, and prove the cure.

    Parameters
    ----------
    given : Network or Description
        The network. A `Description` need not be one that whygrad can build or train.
    X : array-like of shape (n, n_0)
        Training inputs.
    Y : array-like of shape (n, n_L) or (n,)
        Targets.
    validation : (X, Y), optional
        Rows that cures are measured on; by default three tenths of the rows are set aside.
    seconds : float, default 30
        How long cures may be tried.
    theta : Parameters, optional
        What the training starts from.
    **as_for_train
        The other arguments of `train`.

    Returns
    -------
    Diagnosis
        An `Explanation` with `findings` and `improvements`.

    Raises
    ------
    InputError
        For inputs or targets that are no table of numbers.

    Examples
    --------
    >>> from whygrad.diagnosis import Description
    >>> net = Description(3, [{"units": 4, "activation": "relu"}, {"units": 1, "activation": "softmax"}])
    >>> print(diagnose(net, [[0.0, 1, 0], [1, 0, 1]], [0, 1]).findings[0].evidence)
    softmax of a single unit is 1, whatever its input is
    """
    A, B = _numbers(X, "X"), _numbers(Y, "Y")
    if len(A) != len(B):
        raise InputError(f"X has {len(A)} rows, Y {len(B)}")
    about = given if isinstance(given, Description) else describe(given)
    probabilities = about.output.name in ("sigmoid", "softmax") and (
        about.C is None or about.C.targets in ("unit", "distribution")
    )
    task = task_of(B, about.output.units, probabilities)
    found = contradictions(about, task, B)
    improvements: list[Finding] = []
    notes: list[str] = []
    if isinstance(given, Network):
        own = given.C
        if COSTS.get(own.name) != own:
            found += of_own_cost(own, B)
        start = theta if theta is not None else given.init(seed=as_for_train.get("seed", 0))
        found += of_start(given, start)
        if as_for_train.get("epochs") == 0:
            found.append(Finding("not_trained", "exact", "epochs is 0", "train it"))
        else:
            more, improvements, notes = _tried(
                given, A, B, task, validation, theta, seconds, as_for_train, bool(found)
            )
            found += more
    return _answer(about, task, _unique(found), improvements, notes)


def _numbers(given: Any, name: str) -> Array:
    A = np.asarray(given, dtype=float)
    if A.ndim not in (1, 2) or not len(A):
        raise InputError(f"{name} has the shape {A.shape}: give rows of numbers")
    return A.reshape(len(A), -1)


def _unique(found: list[Finding]) -> list[Finding]:
    """Return the findings with the first of each kind alone, diagnoses before what is possible."""
    kept: dict[str, Finding] = {}
    for each in sorted(found, key=lambda f: ("exact", "proven", "possible").index(f.status)):
        kept.setdefault(each.kind, each)
    return list(kept.values())


def _set_aside(task: Task, n: int, seed: int = 0) -> tuple[Array, Array]:
    """Return training rows and those that are measured, of every class some."""
    if n <= FEW_ROWS:
        return np.arange(n), np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    if task.kind == "classes":
        of = task.Y.argmax(axis=1) if task.Y.shape[1] > 1 else (task.Y[:, 0] > 0.5).astype(int)
        order = order[np.argsort(of[order], kind="stable")]
        held = np.zeros(n, bool)
        held[order[:: round(1 / HELD_OUT)]] = True
        return np.flatnonzero(~held), np.flatnonzero(held)
    cut = round(n * HELD_OUT)
    return np.sort(order[cut:]), np.sort(order[:cut])


def _tried(
    net: Network,
    X: Array,
    Y: Array,
    task: Task,
    validation: Any,
    theta: Any,
    seconds: float,
    options: dict[str, Any],
    contradicted: bool,
) -> tuple[list[Finding], list[Finding], list[str]]:
    """Train it as it stands, look, and try cures."""
    options = {
        name: value for name, value in options.items() if name not in ("seed", "progress", "record")
    }
    weights = options.pop("sample_weight", None)
    if validation is None:
        rows, held = _set_aside(task, len(X))
        parts = X[rows], Y[rows], X[held], Y[held]
        asked, of_training = task.Y[held], Task(task.kind, task.Y[rows], task.values)
        if weights is not None:
            options["sample_weight"] = np.asarray(weights)[rows]
    else:
        XV, YV = _numbers(validation[0], "validation"), _numbers(validation[1], "validation")
        both = task_of(np.concatenate([Y, YV]), net.sizes[-1], False)
        parts = X, Y, XV, YV
        same = both.kind == task.kind and both.Y.shape[1] == task.Y.shape[1]
        asked, of_training = (both.Y[len(Y) :] if same else YV), task
        if weights is not None:
            options["sample_weight"] = weights
    if options.get("batch_size"):
        options["batch_size"] = min(options["batch_size"], len(parts[0]))
    if options.get("stopping") is not None:
        options["validation"] = (parts[2], parts[3])
    setting = Setting(net, *parts, of_training, asked, options, theta)
    try:
        (base,) = train_all([setting])
    except InputError as error:
        return [], [], [f"It cannot be trained as it stands: {error}"]
    if base is None:
        return [], [], []
    training, _ = setting.measure(base.fits[0].predict, held_out=False)
    seen = look(setting, base.fits[0], training)
    signs = symptoms(seen)
    notes = [
        f"As it stands {told(seen)}; the {measure_name(task)} of the rows set aside is "
        f"{base.score:.3f} (seeds: {', '.join(f'{s:.3f}' for s in base.scores)})."
    ]
    if base.scores.min() > 1 - WORTH:
        return [], [], notes
    best, tried = search(base, signs, seconds)
    found, improvements = _judged(best, tried, signs, base)
    return _shuffled(base, setting, training, found) + found, improvements, notes


def _judged(
    best: list[Trial], tried: list[Trial], signs: list[Symptom], base: Trained
) -> tuple[list[Finding], list[Finding]]:
    seen = {sign.kind: sign for sign in signs}
    found: list[Finding] = []
    improvements: list[Finding] = []
    for i, trial in enumerate(best):
        sure = proven(trial, len(tried))
        kinds = order(trial, tried, signs) if i == 0 else trial.kinds
        for kind in kinds:
            evidence = seen[kind].evidence if kind in seen else KINDS[kind]
            finding = Finding(
                kind,
                "proven" if sure else "possible",
                evidence,
                described(trial),
                trial.gain,
                trial.error,
            )
            if not sure and trial.gain > 0 and proven(trial, len(tried), worth=0.0):
                improvements.append(finding)
            found.append(finding)
    return found, improvements


def _shuffled(
    base: Trained, setting: Setting, training: float, found: list[Finding]
) -> list[Finding]:
    """Say that nothing at all is told of rows set aside, where no cure changes that."""
    if (
        base.score > 0.05
        or setting.task.kind != "numbers"
        or any(f.status == "proven" for f in found)
    ):
        return []
    return [
        Finding(
            "labels_shuffled",
            "possible",
            f"the training rows are told to {training:.2f}, and nothing of the rows set aside: {base.score:.2f}",
            "see whether inputs and targets are in the same order",
        )
    ]


def _answer(
    about: Description,
    task: Task,
    found: list[Finding],
    improvements: list[Finding],
    notes: list[str],
) -> Diagnosis:
    sure = [each for each in found if each.status != "possible"]
    if sure:
        first = sure[0]
        answer = f"{first.sentence} {_cured(first, task)}"
    else:
        answer = "Nothing is wrong, as far as this can tell: no contradiction, and no cure that helps by more than chance."
    rows = tuple((f.kind, f.status, f.evidence, f.cure, f.gain, f.error) for f in found)
    table = Table("What was found", ("kind", "status", "evidence", "cure", "gain", "± error"), rows)
    return Diagnosis(
        "learning",
        "Why isn't it learning?",
        answer,
        tables=(table,) if rows else (),
        notes=tuple(notes),
        findings=tuple(found),
        improvements=tuple(improvements),
    )


def _cured(finding: Finding, task: Task) -> str:
    if finding.gain is None:
        return f"Take {finding.cure}."
    return f"With {finding.cure} the {measure_name(task)} rises by {finding.gain:.3f} ± {finding.error:.3f}."
