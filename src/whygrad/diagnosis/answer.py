"""The answer to what is wrong with a training, as data and in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from whygrad.answers.explanation import Explanation
from whygrad.answers.parts import Table
from whygrad.answers.pictures import BarPicture, Picture
from whygrad.diagnosis.finding import Finding
from whygrad.diagnosis.task import Task, measure_name
from whygrad.diagnosis.trials import WORTH

MOST_POSSIBLE = 5  # symptoms without proof that are listed
TOGETHER = "Of faults found at once, each gain is that of their cures together."
POSSIBLE = (
    f"What is possible is a symptom: its cure was not tried, or did not gain {WORTH:g}, with every seed "
    "and by more than chance."
)
NO_FAULT = (
    f"Nothing shows to be wrong: no contradiction, and no cure that gains {WORTH:g} by more than "
    "chance."
)
NO_RELATION = (
    "Inputs seem to say nothing of the targets: on rows set aside neither this network nor a forest of "
    "trees does clearly better than chance, and no cure helps. See whether inputs and targets belong "
    "together, and are in the same order."
)
UNDECIDED = (
    "Nothing is proven yet: the time was over before all cures were tried. Allow more seconds."
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
    changes : dict
        These cures as arguments of `run.fork`; {} where a fork cannot have them, such as another network.
    """

    findings: tuple[Finding, ...] = ()
    improvements: tuple[Finding, ...] = ()
    cures: tuple[tuple[str, str], ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self, limit: int | None = 10_000) -> dict[str, Any]:
        """Return the answer as plain data for JSON, with its findings and improvements."""
        found = {"findings": self.findings, "improvements": self.improvements}
        return super().to_dict(limit) | {
            name: [self._plain(finding) for finding in findings] for name, findings in found.items()
        }

    def _plain(self, finding: Finding) -> dict[str, Any]:
        """Return a finding as plain data, its picture by its place in `pictures`."""
        places = [i for i, one in enumerate(self.pictures) if one is finding.picture]
        return asdict(replace(finding, picture=None)) | {"picture": places[0] if places else None}


@dataclass(frozen=True, eq=False)
class Results:
    """What was found, before it is put in words.

    `answer` is what is said where nothing is sure to be wrong.
    """

    found: list[Finding]
    notes: list[str]
    improvements: tuple[Finding, ...] = ()
    pictures: tuple[BarPicture, ...] = ()
    cures: tuple[tuple[str, str], ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    answer: str = NO_FAULT


def answer_of(task: Task, results: Results) -> Diagnosis:
    """Return the answer, diagnoses first, and of what is only possible the strongest."""
    found = _unique(results.found)
    sure = [finding for finding in found if finding.status != "possible"]
    possible = [finding for finding in found if finding.status == "possible"]
    found = sure + possible[:MOST_POSSIBLE]
    notes = [
        *results.notes,
        *[TOGETHER] * any(f.together for f in sure),
        *[POSSIBLE] * bool(possible),
    ]
    pictures: dict[str, Picture] = {}  # by title: findings of one curve share it
    of_sure, of_possible = ([f.picture for f in each if f.picture] for each in (sure, found))
    for picture in (*of_sure, *results.pictures, *of_possible):
        pictures.setdefault(picture.title, picture)
    found = [replace(f, picture=pictures[f.picture.title]) if f.picture else f for f in found]
    return Diagnosis(
        "learning",
        "Why isn't it learning?",
        _said(sure, task) if sure else results.answer,
        tables=_tables(found, task),
        pictures=tuple(pictures.values()),
        notes=tuple(notes),
        findings=tuple(found),
        improvements=results.improvements,
        cures=results.cures,
        changes=results.changes,
    )


def _tables(found: list[Finding], task: Task) -> tuple[Table, ...]:
    """Return what was found in two tables: sentences side by side fit no terminal."""
    if not found:
        return ()
    cures = tuple((f.kind, f.status, _cured(f), _rounded(f.gain), _rounded(f.error)) for f in found)
    title = f"What was found, and the gain in {measure_name(task)}"
    return (
        Table(title, ("kind", "status", "cure", "gain", "±"), cures),
        Table("The evidence", ("kind", "seen"), tuple((f.kind, f.evidence) for f in found)),
    )


def _unique(found: list[Finding]) -> list[Finding]:
    """Return one finding of each kind, diagnoses first; a contradiction takes what its cure brought."""
    kept: dict[str, Finding] = {}
    for each in sorted(found, key=lambda f: ("exact", "proven", "possible").index(f.status)):
        first = kept.setdefault(each.kind, each)
        if first.status == "exact" and first.gain is None and each.gain is not None:
            kept[each.kind] = replace(each, status="exact", evidence=first.evidence)
    return list(kept.values())


def _said(sure: list[Finding], task: Task) -> str:
    """Return the first fault in a sentence, with those whose cures it is taken together with."""
    first, *others = sure
    if first.gain is None:
        return f"{_capital(first.said)}. Cure: {first.cure}."
    if first.gain < WORTH:  # of a contradiction, which is one all the same
        said = f"{_capital(first.said)}. Cure: {first.cure}, which alone does not suffice."
        return f"{said} {_said(others, task)}" if others else said
    by_kind = {finding.kind: finding for finding in sure}
    them = [by_kind[kind] for kind in first.together if kind in by_kind] or [first]
    them.sort(key=sure.index)
    rise = f"{first.measure or measure_name(task)} rises by {first.gain:.3f} ± {first.error:.3f}"
    if len(them) == 1:
        return f"{_capital(first.said)}. {_capital(first.cure)}: {rise}."
    faults = "; ".join(finding.said for finding in them)
    cures = ", ".join(finding.cure for finding in them[:-1]) + f" and {them[-1].cure}"
    return f"{len(them)} faults at once. {_capital(faults)}. {_capital(cures)}: {rise}."


def _cured(finding: Finding) -> str:
    """Return the cure, and in which measure it gains where that is not the table's."""
    return finding.cure + f" (gain in {finding.measure})" * bool(finding.measure)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
