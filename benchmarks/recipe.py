"""Which ingredients make a network good on tables: each alone is changed, and its gain is measured.

The recipe is the product's, `whygrad.pipeline.recipe`. `BASE` is the one that was kept, of one network;
`VARIANTS` change one thing each. Of ingredients that were dropped, and that the product never had, the
figures are in results/recipe.json and in docs/tuning.md.

Measured on the tables of `public_tables.CHOOSING`, and on the training part of one split of California
housing, with splits that no benchmark reports. What `best` is for many rows was chosen on
`public_tables.LARGER`.

    python benchmarks/recipe.py measure PART SEEDS [VARIANT …]   what is not yet in results/recipe.json
    python benchmarks/recipe.py best ROUND SEEDS [VARIANT …]     the same for `best` of many rows
    python benchmarks/recipe.py show ROUND                       gains of the ingredients
"""

import math
import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from keeping import alone, keep, kept
from public_tables import CHOOSING, LARGER, Table, load, splits

import whygrad as wg
from whygrad.pipeline.recipe import Recipe, recommended

ROWS = 2500  # of larger tables a sample, so that many recipes can be compared
ROUNDS_OF_BEST = {4: 5000, 5: 10_500}  # the rows of larger tables, by the round of results

# The first round had another base, 32 bins of full weight; its figures are kept.
BASE = Recipe()
# Recipes that differ from the base by one thing each.
VARIANTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "silu for relu": {"activation": "silu"},
    "gelu for relu": {"activation": "gelu"},
    "decay 1": {"decay": 1.0},
    "no decay": {"decay": 0.0},
    "no dropout": {"dropout": 0.0},
    "rate 0.004": {"learning_rate": 4e-3},
    "rate 0.001": {"learning_rate": 1e-3},
    "dropout 0.25": {"dropout": 0.25},
    "16 bins at most": {"bins": 16},
    "120 epochs": {"epochs": 120},
    "30 epochs": {"epochs": 30},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "128-128": {"hidden": (128, 128)},
    "256-256-256": {"hidden": (256, 256, 256)},
    "the last epoch": {"share": 0.0},
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
    "standardised alone": {"bins": 0},
}
# Changes to the default of 5,000 rows or more, of two members, from which `best` was chosen.
VARIANTS_OF_BEST: dict[str, dict[str, Any]] = {
    "nothing": {},
    "rate 0.004": {"learning_rate": 4e-3},
    "a sixteenth set aside": {"share": 1 / 16},
    "128 bins at most": {"bins": 128},
    "decay 0.3": {"decay": 0.3},
    "decay 1": {"decay": 1.0},
    "decay 3": {"decay": 3.0},
    "256-256-256": {"hidden": (256, 256, 256)},
    "512-512": {"hidden": (512, 512)},
    "silu for relu": {"activation": "silu"},
    "decay 1, a sixteenth set aside": {"decay": 1.0, "share": 1 / 16},
    "decay 1, 128 bins at most": {"decay": 1.0, "bins": 128},
}


def base_of(rows: int) -> Recipe:
    """Return the base for a table: its bins are a fiftieth of the rows, 4 to 32."""
    return replace(BASE, bins=int(np.clip(rows / 50, 4, 32)))


def fit(recipe: Recipe, X: pd.DataFrame, y: np.ndarray, classes: int, seed: int) -> Any:
    """Train the members of a recipe."""
    made = wg.TabularClassifier if classes else wg.TabularRegressor
    return made(recipe, random_state=seed, cores=1).fit(X, y)


def predicted(model: Any, X: pd.DataFrame, classes: int, members: int) -> np.ndarray:
    """Return probabilities or numbers by the first members alone."""
    model.ensemble_ = wg.Ensemble(model.ensemble_.members[:members])
    return model.predict_proba(X) if classes else model.predict(X)


def quality(p: np.ndarray, y: np.ndarray, classes: int) -> dict[str, float]:
    """Return error measures that are less where better, and the score."""
    if not classes:
        lost = float(np.mean((p - y) ** 2) / np.var(y))
        return {"loss": math.sqrt(lost), "error": math.sqrt(lost), "score": 1 - lost}
    right = np.clip(p[np.arange(len(y)), y], 1e-7, 1)
    wrong = float(np.mean(p.argmax(1) != y))
    return {"loss": float(-np.log(right).mean()), "error": wrong, "score": 1 - wrong}


def cases(names: list[str], seed: int, rows: int = ROWS) -> Any:
    """Yield tables that choices are made on, with training and held-out rows."""
    for name in names:
        table = load(name)
        if table is not None:
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


def measure(variants: list[str], seeds: list[int], part: bool) -> None:
    """Measure variants on every table of few or of more rows, as far as they are not yet."""
    for seed in seeds:
        names = [*CHOOSING, "california"]
        tables = [c for c in cases(names, seed) if (len(c[1]) > 1200) == part]
        for variant in variants:
            for table, inside, out in tables:
                recipe = replace(base_of(len(inside)), **VARIANTS[variant])
                if table.classes or not recipe.label_smoothing:
                    compare(variant, recipe, 2, table, inside, out, seed)


def measure_best(variants: list[str], seeds: list[int], round_: int) -> None:
    """Measure variants on tables of many rows, as far as they are not yet."""
    for seed in seeds:
        for table, inside, out in cases(["california", *LARGER], seed, ROUNDS_OF_BEST[round_]):
            numbers = table.X.shape[1] - table.about["categorical"]
            base = recommended(len(inside), numbers, table.classes)
            for variant in variants:
                recipe = replace(base, members=2, **VARIANTS_OF_BEST[variant])
                compare(variant, recipe, round_, table, inside, out, seed)


def compare(
    variant: str, recipe: Recipe, round_: int, table: Table, inside: Any, out: Any, seed: int
) -> None:
    """Train a variant on the training rows of a table and score it on the others, unless it is kept."""
    key = {"variant": variant, "table": table.name, "seed": seed, "round": round_}
    if any(key.items() <= row.items() for row in rows_of()):
        return
    X, new, y, K = table.X.iloc[inside], table.X.iloc[out], table.y, table.classes
    began = time.process_time()
    model = fit(recipe, X, y[inside], K, seed)
    found: dict[str, Any] = {"cpu": time.process_time() - began, "classes": K}
    for k in range(recipe.members, 0, -1):
        lost = quality(predicted(model, new, K, k), y[out], K)
        found |= {f"loss of {k}": lost["loss"]} if k < recipe.members else lost
    record(key | found)
    print(key | found, flush=True)


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
    elif sys.argv[1] == "best":
        _, _, round_, seeds, *names = sys.argv
        chosen = names or list(VARIANTS_OF_BEST)
        measure_best(chosen, [int(s) for s in seeds.split(",")], int(round_))
    else:
        _, _, part, seeds, *names = sys.argv
        measure(names or list(VARIANTS), [int(s) for s in seeds.split(",")], part == "1")
