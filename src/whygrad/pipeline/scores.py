"""How good predictions are, beside those of a baseline that looks at no column: frozen data.

    classes   accuracy; precision and recall of each; the confusion matrix: C[i, j] rows of class i were
              taken for class j
    numbers   R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², root mean squared and mean absolute error, and the error in
              each fifth of the rows by their true value

The baseline always predicts the most frequent class, or the mean, of the training rows.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from whygrad.nn.functions import Array
from whygrad.tables import Target
from whygrad.tables.target import Label

PARTS = 5  # of the rows, by their true value


@dataclass(frozen=True)
class ClassScore:
    """One class: how many rows have it and were taken for it, and the shares of those that are right.

    `precision` is None where no row was taken for the class, `recall` where no row has it.
    """

    label: Label
    rows: int
    predicted: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class ClassificationScores:
    """Predicted classes beside true ones; `confusion[i][j]` counts rows of class i taken for class j."""

    rows: int
    accuracy: float
    baseline: float
    baseline_label: Label
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def score(self) -> float:
        """The accuracy: the one number to compare by."""
        return self.accuracy

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain data for JSON."""
        return {"kind": "accuracy"} | asdict(self)


@dataclass(frozen=True)
class Part:
    """The rows whose true value lies from `low` to `high`: mean absolute error, and mean error ŷ − y."""

    low: float
    high: float
    rows: int
    absolute_error: float
    error: float


@dataclass(frozen=True)
class RegressionScores:
    """Predicted numbers beside true ones, in the target's own units; `baseline…` are those of the baseline.

    `r2` is None where all true values are the same, since it then says nothing.
    """

    rows: int
    r2: float | None
    rmse: float
    absolute_error: float
    baseline: float | None
    baseline_rmse: float
    baseline_absolute_error: float
    parts: tuple[Part, ...]

    @property
    def score(self) -> float | None:
        """R²: the one number to compare by."""
        return self.r2

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain data for JSON."""
        return {"kind": "r2"} | asdict(self)


Scores = ClassificationScores | RegressionScores


def baseline(target: Target, table: Any) -> Label:
    """Return what the baseline predicts: the most frequent class of the training rows, or their mean."""
    if target.task == "regression":
        return target.center
    return target.classes[int(np.bincount(target.indices(table)).argmax())]


def classification_scores(
    target: Target, true: Array, predicted: Array, baseline: Label
) -> ClassificationScores:
    """Score classes given as indices in `target.classes`, (n,) each; `baseline` is always predicted."""
    K = len(target.classes)
    confusion = np.bincount(true * K + predicted, minlength=K * K).reshape(K, K)
    rows, columns, right = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    found = [
        ClassScore(label, int(all_), int(taken), _share(both, taken), _share(both, all_))
        for label, all_, taken, both in zip(target.classes, rows, columns, right, strict=True)
    ]
    n = len(true)
    return ClassificationScores(
        rows=n,
        accuracy=float(right.sum() / n),
        baseline=float(rows[target.classes.index(baseline)] / n),
        baseline_label=baseline,
        classes=tuple(found),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def regression_scores(true: Array, predicted: Array, mean: float) -> RegressionScores:
    """Score numbers, (n,) float64 each; the baseline always predicts `mean`."""
    off = predicted - true
    spread = float(((true - true.mean()) ** 2).sum())
    order = np.argsort(true, kind="stable")
    parts = [
        Part(
            low=float(true[rows[0]]),
            high=float(true[rows[-1]]),
            rows=len(rows),
            absolute_error=float(np.abs(off[rows]).mean()),
            error=float(off[rows].mean()),
        )
        for rows in np.array_split(order, PARTS)
        if len(rows)
    ]

    def r2(off: Array) -> float | None:
        return 1 - float((off**2).sum()) / spread if spread > 0 else None

    return RegressionScores(
        rows=len(true),
        r2=r2(off),
        rmse=float(np.sqrt((off**2).mean())),
        absolute_error=float(np.abs(off).mean()),
        baseline=r2(mean - true),
        baseline_rmse=float(np.sqrt(((mean - true) ** 2).mean())),
        baseline_absolute_error=float(np.abs(mean - true).mean()),
        parts=tuple(parts),
    )


def from_dict(about: dict[str, Any]) -> Scores:
    """Return the scores that `to_dict` wrote."""
    fields = {name: value for name, value in about.items() if name != "kind"}
    if about["kind"] == "r2":
        found = RegressionScores(**fields)
        return replace(found, parts=tuple(Part(**part) for part in about["parts"]))
    classes = ClassificationScores(**fields)
    return replace(
        classes,
        classes=tuple(ClassScore(**one) for one in about["classes"]),
        confusion=tuple(tuple(row) for row in about["confusion"]),
    )


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
