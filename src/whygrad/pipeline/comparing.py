"""A network beside what one would try first: a trivial rule, a linear model and gradient boosting.

    trivial     always the most frequent class, or the mean, of the training rows
    linear      scikit-learn's LogisticRegression or Ridge
    boosting    scikit-learn's HistGradientBoosting

All see the encoded columns, numbers standardised, of the same training and validation rows, with the
settings they come with (fewer trees where there are more than 20 classes; class weights where the network
has them), and are scored on the same test rows. Numbers that are names, which a network of a quality
takes for categories, are categories to the linear model as well, and numbers to boosting: either does
better so. Whether one is better is told row by row: the mean difference of the losses beside its standard
error. `leaks` looks for a column that tells the answer by itself, `copies` for test rows that training
has seen.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from whygrad.answers.formatting import counted
from whygrad.nn.functions import Array
from whygrad.pipeline.copies import COPIED, cells_of
from whygrad.pipeline.fit import Prepared, Result, judge_values, predict, truth
from whygrad.pipeline.scores import ClassificationScores, Scores, written_r2, written_share
from whygrad.pipeline.settings import Settings
from whygrad.tables import Category, Encoding, Target, learn
from whygrad.tables.columns import quoted

Fit: TypeAlias = Callable[[Target, Array, Array, Array, Settings], Array]

# What bounds the time: rows times columns, and classes where there are several, that a model learns from,
# and the trees of boosting. Its columns bound its memory.
MOST_NUMBERS = 10_000_000
LEAST_ROWS = 1_000
MOST_TREES = 2_000
MOST_BOOSTED = 2_000
CLEAR = 2.0  # standard errors from which on a difference counts

MOST_COLUMNS = 200  # whose trees are tried, those that go along with the target most
LEAK_ROWS = 3_000
MOST_RANKED = 500  # rows that choose the likely ones
LEAK_FOLDS = 3
TELLS_ALL = 0.98  # R² of ranks, or balanced accuracy, of one column
ENOUGH = 50  # rows to tell it from
OF_A_VALUE = 10  # rows that a value has on average, where what it has is told by its rows
UNLIKELY = 10  # times as many as by chance


@dataclass(frozen=True)
class Model:
    """One of the models: its name, how many rows it learned from, the seconds that took, its measures."""

    name: str
    rows: int
    seconds: float
    measures: dict[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """The models beside the network, a sentence where the network is not better, and warnings.

    Where the network has a threshold of its own the sentence is there in any case, of all at 0.5.
    """

    models: tuple[Model, ...]
    verdict: str = ""
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data for JSON."""
        return asdict(self)


def from_dict(about: dict[str, Any] | None) -> Comparison | None:
    """Return the comparison that `to_dict` wrote."""
    if about is None:
        return None
    models = tuple(Model(**model) for model in about["models"])
    return Comparison(models, about["verdict"], tuple(about["warnings"]))


NAMES = {
    "trivial": "the trivial rule",
    "linear": "the linear model",
    "boosting": "gradient boosting",
}


MEASURED_BEFORE = (
    "The models beside this network were measured before it was trained further, on the same rows: "
    "whether it is better was not tested again."
)


def measured_before(comparison: Comparison) -> Comparison:
    """Return the comparison as it stands beside the network that was trained further."""
    return replace(comparison, verdict=MEASURED_BEFORE)


def compare(result: Result, warned: bool = True) -> Comparison | None:
    """Compare a trained network with simpler models on its test rows; None where there are none.

    Parameters
    ----------
    result : Result
        What a training on a table gave.
    warned : bool, default True
        Whether to look for columns that tell the answer alone, `leaks`, and for `copies`.

    Returns
    -------
    Comparison or None
        Their measures by the names of those of `scores`, and what follows.
    """
    ready = result.ready
    if not len(ready.parts.test):
        return None
    X, y, X_test, true = arrays_of(ready)
    # A threshold that was chosen for some aim is none that others have.
    target = replace(ready.encoding.target, threshold=0.5)
    network = predict(result.fitted, ready.test.X)
    balanced = ready.settings.class_weight is not None
    models, losses, scores = [], {}, {}
    for name, fit in MODELS.items():
        inputs = _with_names(ready, X, X_test) if name == "linear" else (X, X_test)
        found = _fitted(name, fit, ready, inputs[0], y, inputs[1])
        if found is None:
            continue
        outputs, rows, seconds = found
        scores[name] = judge_values(target, outputs, true, result.baseline)
        models.append(Model(name, rows, seconds, scores[name].measures))
        losses[name] = losses_of(target, outputs, true, balanced)
    own = judge_values(target, network, true, result.baseline)
    said = verdict(losses_of(target, network, true, balanced), losses, own, scores, balanced)
    if said and ready.settings.aim:
        said = f"{said[:-1]}, all at a threshold of 0.5."
    elif ready.settings.aim:  # its scores are at another one, and may look worse than theirs
        best = min(losses, key=lambda name: float(losses[name].mean()))
        what = "balanced accuracy" if balanced else "accuracy"
        mine, theirs = _told(own, balanced), _told(scores[best], balanced)
        better = f"At a threshold of 0.5 this network is better than {NAMES[best]}"
        said = f"{better}: {what} {mine} beside {theirs}."
    warned_of = (*leaks(ready), *copies(result)) if warned else ()
    return Comparison(tuple(models), said, warned_of)


def arrays_of(ready: Prepared) -> tuple[Array, Array, Array, Array]:
    """Return X, y of the training and validation rows, and of the test rows; y as `truth` has it."""
    target, (seen, test) = ready.encoding.target, _seen_and_test(ready)
    y, true = truth(target, seen), truth(target, test)
    if _has_pieces(ready.encoding):
        # Others take numbers as they are, and not in pieces.
        plain = learn(seen, target, dict(ready.settings.types))
        return plain.encode(seen), y, plain.encode(test), true
    X = np.concatenate([ready.part("training").X, ready.part("validation").X])
    return X, y, ready.test.X, true


def _has_pieces(encoding: Encoding) -> bool:
    """Return whether numbers are encoded in pieces, as networks of a quality see them."""
    return any(getattr(column, "edges", ()) for column in encoding.columns)


def _seen_and_test(ready: Prepared) -> tuple[Any, Any]:
    """Return the training and validation rows, and the test rows, as tables."""
    parts = ready.parts
    seen = np.concatenate([parts.training, parts.validation])
    return ready.table.take(seen), ready.table.take(parts.test)


def _with_names(ready: Prepared, X: Array, X_test: Array) -> tuple[Array, Array]:
    """Return X of both with what the network takes for names as categories; as they are without names."""
    encoding = ready.encoding
    codes = [c.name for c in encoding.columns if isinstance(c, Category) and c.kind == "code"]
    if not codes or not _has_pieces(encoding):
        return X, X_test
    seen, test = _seen_and_test(ready)
    types = dict(ready.settings.types) | dict.fromkeys(codes, "category")
    named = learn(seen, encoding.target, types)
    return named.encode(seen), named.encode(test)


def _fitted(
    name: str,
    fit: Fit,
    ready: Prepared,
    X: Array,
    y: Array,
    X_test: Array,
) -> tuple[Array, int, float] | None:
    """Return a model's outputs for the test rows, on how many rows it was fitted, and the seconds."""
    target, seed = ready.encoding.target, ready.settings.seed
    each = X.shape[1] * (len(target.classes) if len(target.classes) > 2 else 1)
    rows = np.arange(len(X))
    most = max(LEAST_ROWS, MOST_NUMBERS // max(1, each))
    if len(rows) > most and name != "trivial":
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    if name == "boosting" and X.shape[1] > MOST_BOOSTED:
        return None
    began = time.perf_counter()
    try:
        # Threads that wait for one another in turns take many times as long where cores are busy.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")  # of steps that did not suffice, say
            outputs = fit(target, X[rows], y[rows], X_test, ready.settings)
    except MemoryError:
        return None
    return outputs, len(rows), time.perf_counter() - began


# ── the models: outputs as a network has them, (n, n_L) ──────────────────────────────────────────────


def _trivial(target: Target, X: Array, y: Array, X_test: Array, chosen: Settings) -> Array:
    if target.task == "regression":
        return np.full((len(X_test), 1), (y.mean() - target.center) / target.scale)
    shares = np.bincount(y, minlength=len(target.classes)) / len(y)
    return _outputs(target, np.tile(shares, (len(X_test), 1)))


def _linear(target: Target, X: Array, y: Array, X_test: Array, chosen: Settings) -> Array:
    from sklearn.linear_model import LogisticRegression, Ridge

    if target.task == "regression":
        return _numbers(target, Ridge(), X, y, X_test)
    return _probabilities(
        target, LogisticRegression(max_iter=300, class_weight=chosen.class_weight), X, y, X_test
    )


def _boosting(target: Target, X: Array, y: Array, X_test: Array, chosen: Settings) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if target.task == "regression":
        return _numbers(
            target, HistGradientBoostingRegressor(random_state=chosen.seed), X, y, X_test
        )
    trees = max(10, min(100, MOST_TREES // len(target.classes)))
    # To stop early it sets rows aside by class, which fails where a class has one row: it gets that twice.
    _, first, counts = np.unique(y, return_index=True, return_counts=True)
    single = first[counts == 1]
    X, y = np.concatenate([X, X[single]]), np.concatenate([y, y[single]])
    model = HistGradientBoostingClassifier(
        max_iter=trees, class_weight=chosen.class_weight, random_state=chosen.seed
    )
    return _probabilities(target, model, X, y, X_test)


MODELS: dict[str, Fit] = {
    "trivial": _trivial,
    "linear": _linear,
    "boosting": _boosting,
}


def _numbers(target: Target, model: Any, X: Array, y: Array, X_test: Array) -> Array:
    model.fit(X, (y - target.center) / target.scale)
    return np.asarray(model.predict(X_test), np.float64)[:, None]


def _probabilities(target: Target, model: Any, X: Array, y: Array, X_test: Array) -> Array:
    there = np.unique(y)
    p = np.zeros((len(X_test), len(target.classes)))
    p[:, there] = model.fit(X, y).predict_proba(X_test) if len(there) > 1 else 1.0
    return _outputs(target, p)


def _outputs(target: Target, p: Array) -> Array:
    return p[:, 1:] if target.n_outputs == 1 else p


# ── who is better ────────────────────────────────────────────────────────────────────────────────────


def losses_of(target: Target, outputs: Array, true: Array, balanced: bool = False) -> Array:
    """Return the loss of each row, (n,): 1 for a wrong class, or the squared error.

    Balanced, a row of a rare class counts more, so that the mean is 1 less the balanced accuracy.
    """
    if target.task == "regression":
        return (target.decode(outputs) - true) ** 2
    said = outputs[:, 0] > target.threshold if target.n_outputs == 1 else outputs.argmax(axis=1)
    wrong = (said != true).astype(np.float64)
    if not balanced:
        return wrong
    counts = np.bincount(true)
    weighted: Array = wrong * (len(true) / ((counts > 0).sum() * counts[true]))
    return weighted


def paired(one: Array, other: Array) -> tuple[float, float]:
    """Return the mean difference of the losses of the same rows, and its standard error.

    >>> paired(np.array([2.0, 0]), np.zeros(2))
    (1.0, 1.0)
    """
    gaps = one - other
    error = float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("inf")
    return float(gaps.mean()), error


def verdict(
    network: Array,
    others: dict[str, Array],
    own: Scores,
    scores: dict[str, Scores],
    balanced: bool = False,
) -> str:
    """Return a sentence on the best of the others, or "" where the network is clearly better than it.

    Parameters
    ----------
    network : array, shape (n,)
        The network's losses.
    others : dict of arrays, shape (n,) each
        Those of the other models, the simplest first: of equals it is named.
    own, scores : Scores, dict of Scores
        The scores that the sentence tells.
    balanced : bool, default False
        Whether the losses are balanced, and the balanced accuracy is to be told.

    Returns
    -------
    str
        One sentence, or "".
    """
    if not others:
        return ""
    best = min(others, key=lambda name: float(others[name].mean()))
    gap, error = paired(network, others[best])
    if gap < 0 and -gap > CLEAR * error:
        return ""
    what = "balanced accuracy" if balanced else "accuracy"
    what = what if isinstance(own, ClassificationScores) else "R²"
    mine, theirs = _told(own, balanced), _told(scores[best], balanced)
    apart = f", {abs(gap) / error:.1f} standard errors of the difference" if error else ""
    name = NAMES[best]
    if gap > CLEAR * error:
        better = f"{name[0].upper()}{name[1:]} is better than this network"
        return f"{better}: {what} {theirs} beside {mine}{apart}."
    return (
        f"On {counted(len(network))} no difference between this network and {name} can be told: "
        f"{what} {mine} beside {theirs}{apart}."
    )


def _told(scores: Scores, balanced: bool) -> str:
    """Write the score that is compared."""
    if isinstance(scores, ClassificationScores):
        right = (scores.balanced_accuracy or 0.0) if balanced else scores.accuracy
        return written_share(right)
    return written_r2(scores.r2)


# ── rows that training has seen ──────────────────────────────────────────────────────────────────────


def copies(result: Result) -> list[str]:
    """Return a warning where test rows stand among the training rows too, more than chance would have it.

    How many there would be by chance follows from how often two cells of a column are equal, as if columns
    were independent.
    """
    both, tested, ready = int(result.copied.sum()), len(result.copied), result.ready
    if both < COPIED * tested:
        return []
    cells = cells_of(ready.table, ready.encoding)
    shares = [np.bincount(column) / len(column) for column in cells.T]
    equal = math.prod(float(one @ one) for one in shares)
    seen = len(cells) - tested
    if both < UNLIKELY * tested * min(1.0, equal * seen):
        return []
    return [
        f"{both:,} of {tested:,} test rows are training rows as well, value for value: if these are "
        "copies, remove them from the table, for the scores are better than they will be on new rows"
    ]


# ── one column that tells the answer ─────────────────────────────────────────────────────────────────


def leaks(ready: Prepared) -> list[str]:
    """Return a warning for each column that alone tells the target, as what is known only after it does.

    Small trees of that column alone, and what rows with the same value have, are scored on training and
    validation rows that they have not seen: by balanced accuracy, or R² of the ranks of the target, so that
    the answer does not depend on any unit. Of many columns only those are tried that go along with the
    target most.
    """
    encoding, target, parts = ready.encoding, ready.encoding.target, ready.parts
    seen = np.concatenate([parts.training, parts.validation])
    rows = np.random.default_rng(ready.settings.seed).permutation(seen)[:LEAK_ROWS]
    if len(rows) < ENOUGH:
        return []
    table = ready.table.take(rows)
    X, y = encoding.encode(table), truth(target, table)
    if target.task == "regression":
        y = np.searchsorted(np.sort(y), y).astype(np.float64)
    columns: dict[str, list[int]] = {}
    own = [column.name for column in encoding.columns for _ in column.names]
    for place, name in enumerate(own):
        columns.setdefault(name, []).append(place)
    numbers = target.task == "regression"
    by_value = f"the {'mean' if numbers else 'most frequent class'} of each of its values"
    rules = {"a small tree of it": _by_tree, by_value: _by_value}
    found = []
    for name in _likely(columns, X, y, target):
        scores = {
            said: _alone(target, X[:, columns[name]], y, rule) for said, rule in rules.items()
        }
        said = max(scores, key=lambda said: scores[said])
        if scores[said] >= TELLS_ALL:
            found.append((scores[said], name, said))
    found.sort(key=lambda one: -one[0])
    what = "an R² of the ranks" if numbers else "a balanced accuracy"
    notes = [
        f"column {quoted(name)} alone tells the target {quoted(target.name)}: {said} has {what} of "
        f"{score:.3f} on rows that it has not seen; if it is not "
        f"known before the target is, leave it out (--leave-out {quoted(name)})"
        for score, name, said in found[:3]
    ]
    return notes + ([f"so do {len(found) - 3} more columns"] if len(found) > 3 else [])


def _likely(columns: dict[str, list[int]], X: Array, y: Array, target: Target) -> list[str]:
    """Return the columns to try: all, or of many those whose values go along with the target most."""
    if len(columns) <= MOST_COLUMNS:
        return list(columns)
    Y = y[:, None] if target.task == "regression" else (y[:, None] == np.unique(y)).astype(float)
    X, Y = X[:MOST_RANKED], Y[:MOST_RANKED]
    ranks = X.argsort(axis=0).argsort(axis=0).astype(np.float32)
    ranks -= ranks.mean(axis=0)
    Y = Y - Y.mean(axis=0)
    along = np.abs(ranks.T @ (Y / np.maximum(np.linalg.norm(Y, axis=0), 1e-12))).max(axis=1)
    along /= np.maximum(np.linalg.norm(ranks, axis=0), 1e-12)
    best = sorted(columns, key=lambda name: -float(along[columns[name]].max()))
    return best[:MOST_COLUMNS]


def _alone(
    target: Target, X: Array, y: Array, predicted: Callable[[Target, Array, Array, Array], Array]
) -> float:
    """Return the score of one column, each row predicted from others."""
    from sklearn.metrics import balanced_accuracy_score

    fold, said = np.arange(len(y)) % LEAK_FOLDS, np.empty_like(y)
    for k in range(LEAK_FOLDS):
        said[fold == k] = predicted(target, X[fold != k], y[fold != k], X[fold == k])
    if target.task == "classification":
        return float(balanced_accuracy_score(y, said))
    spread = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - said) ** 2).sum()) / spread if spread > 0 else 0.0


def _by_tree(target: Target, X: Array, y: Array, X_test: Array) -> Array:
    """Return what a small tree says."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if target.task == "regression" else DecisionTreeClassifier
    tree = kind(max_depth=8, min_samples_leaf=max(2, 3 * len(y) // 1000), random_state=0)
    said: Array = tree.fit(X, y).predict(X_test)
    return said


def _by_value(target: Target, X: Array, y: Array, X_test: Array) -> Array:
    """Return the most frequent class, or the mean, of the rows with the same value, else of all.

    Where values have few rows each, rows that stand in a table twice would tell one another: all get that
    of all rows then.
    """
    rows_of: dict[bytes, list[int]] = {}
    for i, row in enumerate(X):
        rows_of.setdefault(row.tobytes(), []).append(i)
        if len(rows_of) * OF_A_VALUE > len(X):
            rows_of = {}
            break

    def usual(some: Array) -> Any:
        return some.mean() if target.task == "regression" else np.bincount(some).argmax()

    of_all = usual(y)
    if not rows_of:
        return np.full(len(X_test), of_all, y.dtype)
    said = {value: usual(y[rows]) for value, rows in rows_of.items()}
    return np.array([said.get(row.tobytes(), of_all) for row in X_test], y.dtype)
