"""Which ingredients make a network good on tables: each alone is changed, and its gain is measured.

A `Recipe` says how columns become numbers and how networks are trained on them. `recommended` is the one
for a table. `BASE` is the recipe that was kept, `VARIANTS` change one thing each. A number x, with mean m,
standard deviation s and quantiles b₀ < … < b_T of the training rows, becomes T + 1 inputs: once
standardised and smoothly clipped to ±3, and T times its share of a bin, with weight w:

    z / √(1 + (z/3)²),  z = (x − m)/s
    w · clip((x − b_{t−1})/(b_t − b_{t−1}), 0, 1),  t = 1 … T

The first bin goes on to −1 and the last to 2, so that what lies outside is not all the same. A missing
number is 0 everywhere, and 1 in an input of its own.

Sources: Gorishniy, Rubachev & Babenko (2022) for the piecewise-linear encoding; Holzmüller, Grinsztajn &
Steinwart (2024) for the smooth clipping.

Measured on the tables of `public_tables.CHOOSING`, and on
the training part of one split of California housing, with splits that no benchmark reports.

    python benchmarks/recipe.py measure      what is not yet in results/recipe.json
    python benchmarks/recipe.py show         gains of the ingredients
"""

import math
import statistics
import sys
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from keeping import alone, keep, kept
from public_tables import CHOOSING, Table, load, splits

import whygrad as wg

ROWS = 2500  # of larger tables a sample, so that many recipes can be compared
FEW = 3  # a column of fewer values is standardised alone
MANY = 5000  # from so many rows on, time counts: fewer members, and as many inputs as
MOST_INPUTS = 384  # these, so that 20,000 rows of 20 columns take less than a minute on two cores


@dataclass(frozen=True)
class Recipe:
    """How columns become numbers, and how networks are trained on them."""

    encoding: str = "ple+clip"  # and "standard", "quantile", joined by +
    bins: int = 0  # 0: a fiftieth of the rows, 4 to 32
    centred: bool = False  # the piecewise-linear parts
    weight: float = 0.3  # of these parts: as a lower rate of their weights
    rare: int = 1  # categories of fewer rows count as rare
    target: str = "standard"  # or "quantile", or "skewed": quantile where |skewness| is above 1
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    dropout: float = 0.1
    learning_rate: float = 2e-3
    decay: float = 0.1
    beta_2: float = 0.999
    batch: int = 0  # 0: by the rows
    epochs: int = 60
    steps: int = 0  # at least so many, in more epochs
    schedule: str = "cosine"
    smoothing: float = 0.0
    best: bool = True  # keep the best epoch
    clip: float = 0.0
    scale: float = 1.0  # of all inputs: as a higher rate of the first layer
    members: int = 1
    share: float = 0.125  # of the rows, for the choice of the epoch


@dataclass(frozen=True)
class CosLog4:
    """½ − ½ cos(2π log₂(1 + 15 t)): four cycles, each twice as long as the one before."""

    name: str = "coslog4"

    def factors(self, batches: Any, clock: Any) -> Any:
        t = (clock.epoch * clock.steps_per_epoch + batches) / (clock.epochs * clock.steps_per_epoch)
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + 15 * np.minimum(t, 1)))


def recommended(rows: int, columns: int, classes: int) -> Recipe:
    """Return the recipe for a table of so many training rows, columns of numbers, and classes.

    Smaller networks and stronger decay where there are few rows of classes, so that probabilities stay
    calibrated; fewer members, and of many columns fewer bins, where there are many rows.
    """
    if classes and rows < 1000:
        return Recipe(members=8, hidden=(64, 64), bins=8, decay=1.0)
    if rows < MANY:
        return Recipe(members=8, bins=int(np.clip(rows / 50, 4, 48)))
    return Recipe(members=5, bins=int(np.clip(MOST_INPUTS / max(columns, 1), 8, 48)))


def batch_size(rows: int) -> int:
    """Return the rows of a step, where a recipe says nothing of them."""
    return int(np.clip(2 ** round(math.log2(rows / 16)), 32, 256))


def set_aside(order: np.ndarray, recipe: Recipe) -> list[np.ndarray]:
    """Return the validation rows of each member, (k,): disjoint until all rows have had their turn."""
    k = max(1, round(len(order) * recipe.share))
    starts = (member * k % len(order) for member in range(recipe.members))
    return [order[i : i + k] for i in starts]


# --- columns --------------------------------------------------------------------------------------------


def normal_scores(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return knots and their normal scores, by which numbers are interpolated."""
    from scipy.special import ndtri

    share = np.linspace(0, 1, min(1000, len(known)) + 2)[1:-1]
    knots = np.quantile(known, share)
    unique, first = np.unique(knots, return_index=True)
    _, last = np.unique(knots[::-1], return_index=True)
    middle = (share[first] + share[len(share) - 1 - last]) / 2
    return unique, ndtri(middle)


@dataclass(frozen=True)
class Encoder:
    """What was learned of the columns of training rows."""

    recipe: Recipe
    columns: dict[str, tuple[Any, ...]]

    def __call__(self, X: pd.DataFrame) -> np.ndarray:
        parts = []
        for name, (kind, *about) in self.columns.items():
            parts.append(
                _categories(X[name], *about) if kind == "category" else
                self._numbers(X[name].to_numpy(float), *about)
            )  # fmt: skip
        return np.concatenate(parts, axis=1).astype(np.float32) * np.float32(self.recipe.scale)

    def _numbers(self, x, center, scale, edges, knots, flagged) -> np.ndarray:
        gone, parts = np.isnan(x), []
        few = len(edges) < FEW
        for way in self.recipe.encoding.split("+"):
            if way == "standard" or few:
                part = ((x - center) / scale)[:, None]
            elif way == "quantile":
                part = np.interp(x, *knots)[:, None]
            elif way == "clip":
                z = (x - center) / scale
                part = (z / np.sqrt(1 + (z / 3) ** 2))[:, None]
            else:
                part = (x[:, None] - edges[:-1]) / np.diff(edges)
                lower, upper = np.zeros(part.shape[1]), np.ones(part.shape[1])
                lower[0], upper[-1] = -1, 2  # a line outwards, but not without end
                part = np.clip(part, lower, upper) - (0.5 if self.recipe.centred else 0)
                part = part * self.recipe.weight
            parts.append(np.where(gone[:, None], 0, part))
            if few:
                break
        if flagged:
            parts.append(gone[:, None])
        return np.concatenate(parts, axis=1)


def _categories(x: pd.Series, values: list[Any], rare: bool) -> np.ndarray:
    index = {value: i for i, value in enumerate(values)}
    codes = np.array([index.get(v, len(values)) for v in x.to_numpy()])
    return np.eye(len(values) + 1)[codes][:, : len(values) + rare]


def learn(recipe: Recipe, X: pd.DataFrame) -> Encoder:
    """Learn the encoding of columns from training rows."""
    columns: dict[str, tuple[Any, ...]] = {}
    bins = recipe.bins or int(np.clip(len(X) / 50, 4, 32))
    for name in X.columns:
        if not pd.api.types.is_numeric_dtype(X[name]):
            counts = X[name].map(lambda v: v).value_counts(dropna=False)
            kept = sorted(counts[counts >= recipe.rare].index, key=str)
            columns[name] = ("category", kept, len(kept) < len(counts))
            continue
        x = X[name].to_numpy(float)
        known = x[~np.isnan(x)]
        if not len(known) or known.min() == known.max():
            continue
        edges = np.unique(known)
        if len(edges) >= FEW:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
        columns[name] = (
            "number", known.mean(), known.std(), edges, normal_scores(known), np.isnan(x).any()
        )  # fmt: skip
    return Encoder(recipe, columns)


# --- training -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """Members trained on the same encoding; `predict` has one more axis, of members, in front."""

    encoder: Encoder
    fitted: list[Any]
    back: Any  # from outputs to the target
    cpu: float

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        encoded = self.encoder(X)
        return np.stack([self.back(np.asarray(f.predict(encoded), float)) for f in self.fitted])


def skewness(y: np.ndarray) -> float:
    return float(np.mean(((y - y.mean()) / y.std()) ** 3))


def fit(recipe: Recipe, X: pd.DataFrame, y: np.ndarray, classes: int, seed: int) -> Model:
    """Train the members of a recipe; each keeps other rows for the choice of its epoch."""
    began = time.process_time()
    encoder = learn(recipe, X)
    encoded = encoder(X)
    if classes:
        Y, back = np.eye(classes, dtype=np.float32)[y], lambda a: a
        layers = [wg.Dense(classes, "softmax")]
        cost = "cross_entropy"
    else:
        layers, cost = [wg.Dense(1)], "squared_error"
        many = recipe.target == "quantile" or (recipe.target == "skewed" and abs(skewness(y)) > 1)
        if many:
            values, scores = normal_scores(y)
            Y = np.interp(y, values, scores)
            back = lambda a: np.interp(a[:, 0], scores, values)  # noqa: E731
        else:
            mean, spread = y.mean(), y.std()
            Y, back = (y - mean) / spread, lambda a: a[:, 0] * spread + mean
        Y = Y[:, None].astype(np.float32)
    hidden = [wg.Dense(n, recipe.activation, dropout=recipe.dropout) for n in recipe.hidden]
    net = wg.Network(encoded.shape[1], [*hidden, *layers], cost)
    n = len(y)
    order, fitted = np.random.default_rng([seed, 7]).permutation(n), []
    for member, out in enumerate(set_aside(order, recipe)):
        inside = np.setdiff1d(order, out) if recipe.best else order
        size = min(recipe.batch or batch_size(n), len(inside))
        epochs = max(recipe.epochs, math.ceil(recipe.steps / math.ceil(len(inside) / size)))
        schedule = CosLog4() if recipe.schedule == "coslog4" else recipe.schedule
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.append(
                wg.train(
                    net, encoded[inside], Y[inside],
                    optimizer=wg.AdamW(recipe.learning_rate, decay=recipe.decay,
                                       beta2=recipe.beta_2),
                    epochs=epochs, batch_size=size, seed=seed * 100 + member, engine="native",
                    validation=(encoded[out], Y[out]) if recipe.best else None,
                    stopping=wg.Stopping("validation_cost", 0.0, 10**6, True) if recipe.best
                    else None,
                    schedule=schedule, label_smoothing=recipe.smoothing if classes else 0.0,
                    **({"clip": recipe.clip} if recipe.clip else {}),
                )
            )  # fmt: skip
    return Model(encoder, fitted, back, time.process_time() - began)


# --- measuring ------------------------------------------------------------------------------------------

BASE = Recipe()
# Recipes that differ from the base by one thing each.
# The first round had another base, `replace(BASE, bins=32, weight=1.0)`; its figures are kept.
VARIANTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "silu for relu": {"activation": "silu"},
    "parts × 0.1": {"weight": 0.1},
    "decay 1": {"decay": 1.0},
    "no dropout": {"dropout": 0.0},
    "rate 0.004": {"learning_rate": 4e-3},
    "rate 0.001": {"learning_rate": 1e-3},
    "dropout 0.25": {"dropout": 0.25},
    "16 bins at most": {"bins": 16},
    "120 epochs": {"epochs": 120},
    "label smoothing 0.1": {"smoothing": 0.1},
    "128-128": {"hidden": (128, 128)},
    "256-256-256": {"hidden": (256, 256, 256)},
    "the last epoch": {"best": False},
    "4 members": {"members": 4},
    "8 members": {"members": 8},
    "8 members of 64-64": {"members": 8, "hidden": (64, 64)},
    "8 members of 64-64, decay 3": {"members": 8, "hidden": (64, 64), "decay": 3.0},
    "8 members of 64-64, 8 bins, decay 1": {
        "members": 8,
        "hidden": (64, 64),
        "decay": 1.0,
        "bins": 8,
    },
    "a constant rate": {"schedule": "constant"},
    "cos-log-4": {"schedule": "coslog4"},
    "standardised alone": {"encoding": "standard"},
    "quantile-normal alone": {"encoding": "quantile"},
    "piecewise linear alone": {"encoding": "ple"},
    "smoothly clipped alone": {"encoding": "clip"},
    "quantile-normal target": {"target": "quantile"},
    "rare below 5": {"rare": 5},
    "gelu for relu": {"activation": "gelu"},
    "beta2 0.95": {"beta_2": 0.95},
    "no decay": {"decay": 0.0},
    "30 epochs": {"epochs": 30},
}


def quality(p: np.ndarray, y: np.ndarray, classes: int) -> dict[str, float]:
    """Return error measures that are less where better, and the score."""
    if not classes:
        lost = float(np.mean((p - y) ** 2) / np.var(y))
        return {"loss": math.sqrt(lost), "error": math.sqrt(lost), "score": 1 - lost}
    right = np.clip(p[np.arange(len(y)), y], 1e-7, 1)
    wrong = float(np.mean(p.argmax(1) != y))
    return {"loss": float(-np.log(right).mean()), "error": wrong, "score": 1 - wrong}


def cases(seed: int, rows: int = ROWS) -> Any:
    """Yield the tables that defaults are chosen on, with training and held-out rows."""
    for name in [*CHOOSING, "california"]:
        table = load(name)
        if table is None:
            continue
        yield case(table, seed, rows)


def case(table: Table, seed: int, rows: int = ROWS) -> tuple[Table, np.ndarray, np.ndarray]:
    """Return a table with training and held-out rows of one seed."""
    if table.name == "california":  # the training part of one split, in two parts
        seen, _ = splits(table, 7)
        X, y = table.X.iloc[seen].reset_index(drop=True), table.y[seen]
        table = Table(table.name, X, y, 0)
    inside, out = splits(table, seed)
    if len(inside) > rows:
        inside = np.random.default_rng(seed).permutation(inside)[:rows]
    return table, inside, out


def record(row: dict[str, Any]) -> None:
    """Add a row to the file, which two processes may write."""
    with alone():
        keep("recipe", [*rows_of(), row])


def rows_of() -> list[dict[str, Any]]:
    return list(kept("recipe", []))


def measure(variants: list[str], seeds: list[int], part: int, of: int, group: str = "") -> None:
    """Measure variants on every table, as far as they are not yet."""
    for seed in seeds:
        tables = [c for c in cases(seed) if (len(c[1]) > 1200) == part]
        for variant in variants:
            recipe = replace(BASE, **VARIANTS[variant])
            done = {(r["variant"], r["table"], r["seed"]) for r in rows_of() if r["round"] == 2}
            for table, inside, out in tables:
                if (variant, table.name, seed) in done:
                    continue
                if table.classes == 0 and recipe.smoothing or table.classes and "target" in variant:
                    continue
                model = fit(recipe, table.X.iloc[inside], table.y[inside], table.classes, seed)
                p = model.predict(table.X.iloc[out])
                found: dict[str, Any] = quality(p.mean(0), table.y[out], table.classes)
                for k in range(1, len(p)):
                    found[f"loss of {k}"] = quality(p[:k].mean(0), table.y[out], table.classes)[
                        "loss"
                    ]
                record({"variant": variant, "table": table.name, "seed": seed, "cpu": model.cpu, "round": 2,
                        "classes": table.classes, **found})  # fmt: skip
            print(variant, seed, flush=True)


def gains(base: str = "nothing", round_: int = 2) -> list[tuple[str, ...]]:
    """Return the changes by each variant, paired: of log RMSE, of log loss's logarithm, of the errors."""
    rows = {(r["variant"], r["table"], r["seed"]): r for r in rows_of() if r["round"] == round_}
    lines = []
    for variant in dict.fromkeys(v for v, _, _ in rows):
        pairs = [(r, rows[base, t, s]) for (v, t, s), r in rows.items()
                 if v == variant and (base, t, s) in rows]  # fmt: skip
        logs = {
            kind: [100 * math.log(r["loss"] / b["loss"])
                   for r, b in pairs if bool(r["classes"]) == kind]
            for kind in (False, True)
        }  # fmt: skip
        errors = [100 * (r["error"] - b["error"]) for r, b in pairs if r["classes"]]
        if variant != base and pairs:
            ratio = statistics.median(r["cpu"] / b["cpu"] for r, b in pairs)
            lines.append((variant, said(logs[False]), said(logs[True]), said(errors, 2),
                          f"{ratio:.2f} ×", str(len(pairs))))  # fmt: skip
    return lines


def said(values: list[float], digits: int = 1) -> str:
    if len(values) < 2:
        return "–"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):+.{digits}f} ± {error:.{digits}f}".replace("-", "−")


if __name__ == "__main__":
    if sys.argv[1] == "show":
        for line in gains(round_=int(sys.argv[2])):
            print(f"{line[0]:36}" + "".join(f"{cell:>16}" for cell in line[1:]))
    else:
        _, _, part, of, seeds, *names = sys.argv
        measure(names or list(VARIANTS), [int(s) for s in seeds.split(",")], int(part), int(of))
