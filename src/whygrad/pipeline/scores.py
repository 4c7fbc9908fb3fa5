"""How good predictions are, beside those of a baseline that looks at no column: frozen data.

    classes   accuracy; balanced accuracy, the mean of the classes' recalls; ROC AUC and average precision,
              of several classes the means of each against the others; log loss; the expected calibration
              error; precision and recall of each; the confusion matrix: C[i, j] rows of class i were taken
              for class j
    numbers   R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², root mean squared and mean absolute error, quantiles of the
              error ŷ − y, and the error in about each fifth of the rows by their true value

The baseline always predicts the most frequent class, or the mean, of the training rows.
"""

import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from whygrad.answers.formatting import number, share
from whygrad.nn.functions import Array
from whygrad.tables import Target
from whygrad.tables.target import Label

PARTS = 5  # of the rows, by their true value
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the error of numbers
BINS = 15  # of confidence, for the calibration error

# The measures that are compared, and what they are called.
OF_CLASSES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
OF_NUMBERS = {
    "r2": "R² (1 is perfect)",
    "rmse": "root mean squared error",
    "absolute_error": "mean absolute error",
}
SHARES = ("accuracy", "balanced_accuracy", "calibration_error")  # that are written in per cent


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
    """Predicted classes beside true ones; `confusion[i][j]` counts rows of class i taken for class j.

    What takes probabilities is None where there are none, or where only one class is there.
    """

    rows: int
    accuracy: float
    baseline: float
    baseline_label: Label
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    balanced_accuracy: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    log_loss: float | None = None
    calibration_error: float | None = None

    @property
    def score(self) -> float:
        """The accuracy: the one number to compare by."""
        return self.accuracy

    @property
    def measures(self) -> dict[str, float | None]:
        """What is compared between models, by the names of `OF_CLASSES`."""
        return {name: getattr(self, name) for name in OF_CLASSES}

    @property
    def trivial(self) -> dict[str, float | None]:
        """The measures of the baseline, as far as they follow from the rows of each class.

        Whoever says the same of every row ranks none before another. The two that take probabilities are
        left out: which ones it would give follows from the training rows, and no table of rows has those.
        """
        shares = np.array([one.rows for one in self.classes]) / self.rows
        there = shares[shares > 0]
        ranked = there[there < 1][-1:] if len(shares) == 2 else there[there < 1]
        return {
            "accuracy": self.baseline,
            "balanced_accuracy": float(self.baseline > 0) / len(there),
            "roc_auc": 0.5 if len(ranked) else None,
            "average_precision": float(ranked.mean()) if len(ranked) else None,
        }

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

    @property
    def values(self) -> str:
        """Which true values it holds, in words."""
        low, high = number(self.low), number(self.high)
        return low if low == high else f"{low} to {high}"


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
    error_quantiles: tuple[float, ...] = ()

    @property
    def score(self) -> float | None:
        """R²: the one number to compare by."""
        return self.r2

    @property
    def measures(self) -> dict[str, float | None]:
        """What is compared between models, by the names of `OF_NUMBERS`."""
        return {name: getattr(self, name) for name in OF_NUMBERS}

    @property
    def trivial(self) -> dict[str, float | None]:
        """The measures of the baseline, by the same names."""
        errors = self.baseline_rmse, self.baseline_absolute_error
        return dict(zip(OF_NUMBERS, (self.baseline, *errors), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain data for JSON."""
        return {"kind": "r2"} | asdict(self)


Scores = ClassificationScores | RegressionScores


def baseline(target: Target, table: Any) -> Label:
    """Return what the baseline predicts: the most frequent class of the rows of training, or their mean.

    The mean is not the target's center, which is 0 of counts.
    """
    if target.task == "regression":
        return float(target.observed(table).mean())
    return target.classes[int(np.bincount(target.indices(table)).argmax())]


def classification_scores(
    target: Target, true: Array, predicted: Array, baseline: Label, p: Array | None = None
) -> ClassificationScores:
    """Score classes given as indices in `target.classes`, (n,) each; `baseline` is always predicted.

    `p` are the probabilities of the classes, (n, K).
    """
    K = len(target.classes)
    confusion = np.bincount(true * K + predicted, minlength=K * K).reshape(K, K)
    rows, columns, right = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    found = [
        ClassScore(label, int(all_), int(taken), _share(both, taken), _share(both, all_))
        for label, all_, taken, both in zip(target.classes, rows, columns, right, strict=True)
    ]
    n = len(true)
    recalls = [one.recall for one in found if one.recall is not None]
    return ClassificationScores(
        rows=n,
        accuracy=float(right.sum() / n),
        baseline=float(rows[target.classes.index(baseline)] / n),
        baseline_label=baseline,
        classes=tuple(found),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        balanced_accuracy=float(np.mean(recalls)),
        **({} if p is None else _of_probabilities(true, p)),
    )


def _of_probabilities(true: Array, p: Array) -> dict[str, float | None]:
    """Return the scores of probabilities, (n, K), which are brought to a sum of 1 where they are apart."""
    from sklearn import metrics

    p = p.astype(np.float64)
    total = p.sum(axis=1, keepdims=True)
    p = np.divide(p, total, out=np.full_like(p, 1 / p.shape[1]), where=total > 0)
    hit = true[:, None] == np.arange(p.shape[1])
    there = [k for k in range(p.shape[1]) if 0 < hit[:, k].sum() < len(true)]
    one_each = there[-1:] if p.shape[1] == 2 else there  # of two classes the second stands for both
    auc = [metrics.roc_auc_score(hit[:, k], p[:, k]) for k in one_each]
    precision = [metrics.average_precision_score(hit[:, k], p[:, k]) for k in one_each]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rounding in the sums
        loss = metrics.log_loss(true, p, labels=np.arange(p.shape[1]))
    return {
        "roc_auc": float(np.mean(auc)) if auc else None,
        "average_precision": float(np.mean(precision)) if precision else None,
        "log_loss": float(loss),
        "calibration_error": calibration_error(true, p),
    }


def calibration_error(true: Array, p: Array) -> float:
    """Return the expected calibration error: how far confidence is from accuracy, bin by bin.

    Σ_b n_b/n |accuracy of b − mean confidence of b| over 15 equal bins of the confidence, the probability
    of the class that is predicted.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1]] * 10)
    >>> [round(calibration_error(np.array(true), p), 12) for true in ([0] * 9 + [1], [1] * 10)]
    [0.0, 0.9]
    """
    confidence = p.max(axis=1)
    right = p.argmax(axis=1) == true
    gaps = np.bincount(confidence_bins(confidence), right - confidence)
    return float(np.abs(gaps).sum() / len(true))


def confidence_bins(confidence: Array) -> Array:
    """Return the bin of each confidence, 0 to BINS − 1."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


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
        for rows in _fifths(order, true)
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
        error_quantiles=tuple(float(value) for value in np.quantile(off, QUANTILES)),
    )


def _fifths(order: Array, true: Array) -> list[Array]:
    """Return rows, in the order of their true values, in parts of like size; equal values stay together."""
    if not len(order):
        return []
    ends = np.cumsum([len(rows) for rows in np.array_split(order, PARTS)])[:-1]
    starts = np.flatnonzero(np.diff(true[order])) + 1  # where another value begins
    if len(starts):
        ends = np.unique(starts[np.abs(starts[:, None] - ends).argmin(axis=0)])
    return np.split(order, ends) if len(starts) else [order]


def from_dict(about: dict[str, Any]) -> Scores:
    """Return the scores that `to_dict` wrote."""
    fields = {name: value for name, value in about.items() if name != "kind"}
    if about["kind"] == "r2":
        found = RegressionScores(**fields)
        parts = tuple(Part(**part) for part in about["parts"])
        return replace(found, parts=parts, error_quantiles=tuple(found.error_quantiles))
    classes = ClassificationScores(**fields)
    return replace(
        classes,
        classes=tuple(ClassScore(**one) for one in about["classes"]),
        confusion=tuple(tuple(row) for row in about["confusion"]),
    )


def written_share(value: float | None) -> str:
    """Write a share in per cent, a dash where there is none.

    >>> written_share(0.93333), written_share(0.99999), written_share(1.0), written_share(None)
    ('93.3%', 'more than 99.9%', '100%', '–')
    """
    return "–" if value is None else share(value)


def written_r2(value: float | None) -> str:
    """Write R², never as 1 where something is wrong; a dash where there is none."""
    if value is None:
        return "–"
    return f"{round(value if value == 1 else min(value, 0.9999), 4) + 0.0:.4g}"


def written_score(scores: Scores | None, baseline: bool = False) -> str:
    """Write the score of a training in a column of a table, or that of always saying the same."""
    if scores is None:
        return "–"
    if isinstance(scores, RegressionScores):
        return f"R² {written_r2(scores.baseline if baseline else scores.r2)}"
    return written_share(scores.baseline if baseline else scores.accuracy)


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None
