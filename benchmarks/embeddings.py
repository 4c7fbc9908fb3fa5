"""Whether embeddings help where categories have many values: the recipe's networks, with and without.

Both are trained as `recipe.py` trains its base, on the same rows: with the category's values as inputs of
their own (one-hot), or embedded in 8 units by a masked first layer. The tables are none that any benchmark
reports; three of them are here for their categories alone.

    python benchmarks/embeddings.py
"""

import math
import statistics
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from keeping import keep, kept
from public_tables import CHOOSING, _from_r, splits
from recipe import BASE, batch_size, learn, said, set_aside

import whygrad as wg
from whygrad.pipeline.embeddings import EmbeddingLayer

ROWS, SEEDS = 2000, (0, 1, 2, 3, 4)
TABLES = {
    "texas housing": CHOOSING["texas housing"],
    "ames": _from_r("modeldata", "ames", "Sale_Price", numeric=True),
    "sacramento": _from_r("modeldata", "Sacramento", "price", numeric=True),
    "states": _from_r("plm", "Produc", "unemp", numeric=True),
}
WAYS: dict[str, dict[str, Any] | None] = {
    "one-hot": None,
    "8 units": {},
    "8 units, scales × 6": {"scaling": 6.0},
    "8 units × 0.1, scales × 6": {"embedding": 0.1, "scaling": 6.0},
}


def layer_of(encoder: Any, X: pd.DataFrame) -> EmbeddingLayer:
    """Return the first layer for what the recipe's encoder makes of a table's columns."""
    columns = []
    for name, (kind, *about) in encoder.columns.items():
        size = encoder.__class__(encoder.recipe, {name: (kind, *about)})(X.iloc[:2]).shape[1]
        columns.append((size, 8 if kind == "category" and size >= 10 else 0))
    return EmbeddingLayer(tuple(columns))


def rmse(
    way: dict[str, Any] | None, X: Any, y: Any, inside: Any, out: Any, seed: int
) -> tuple[float, float]:
    """Train one network; return the RMSE on held-out rows, in standard deviations, and seconds."""
    began = time.process_time()
    encoder = learn(BASE, X.iloc[inside])
    encoded, mean, spread = encoder(X.iloc[inside]), y[inside].mean(), y[inside].std()
    Y = ((y[inside] - mean) / spread)[:, None].astype(np.float32)
    (aside,) = set_aside(np.random.default_rng([seed, 7]).permutation(len(inside)), BASE)
    rest = np.setdiff1d(np.arange(len(inside)), aside)
    hidden = [wg.Dense(n, BASE.activation, dropout=BASE.dropout) for n in BASE.hidden]
    given: dict[str, Any] = {}
    first = layer_of(encoder, X)
    layers = [*hidden, wg.Dense(1)] if way is None else [first.dense, *hidden, wg.Dense(1)]
    net = wg.Network(encoded.shape[1], layers)
    if way is not None:
        given = {"theta": first.start(net, seed), "rate_multipliers": first.multipliers(**way)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = wg.train(
            net, encoded[rest], Y[rest], optimizer=wg.AdamW(BASE.learning_rate, decay=BASE.decay),
            epochs=BASE.epochs, batch_size=batch_size(len(inside)), seed=seed, engine="native",
            validation=(encoded[aside], Y[aside]), schedule=BASE.schedule,
            stopping=wg.Stopping("validation_cost", 0.0, 10**6, True), **given,
        )  # fmt: skip
    found = fitted.predict(encoder(X.iloc[out]))[:, 0] * spread + mean
    error = math.sqrt(np.mean((found - y[out]) ** 2) / np.var(y[out]))
    return error, time.process_time() - began


def measure() -> None:
    """Train on every table by every way, and keep the figures."""
    rows = []
    for name, read in TABLES.items():
        table = read(name)
        assert table is not None
        texts = [c for c in table.X if not pd.api.types.is_numeric_dtype(table.X[c])]
        widest = int(max(table.X[c].nunique() for c in texts))
        for seed in SEEDS:
            inside, out = splits(table, seed)
            inside = np.random.default_rng(seed).permutation(inside)[:ROWS]
            for way, options in WAYS.items():
                error, cpu = rmse(options, table.X, table.y, inside, out, seed)
                rows.append({"table": name, "widest": widest, "rows": len(inside), "seed": seed,
                             "way": way, "error": error, "cpu": cpu})  # fmt: skip
                print(*rows[-1].values(), flush=True)
        keep("embeddings", rows)


def heads() -> list[str]:
    """Return the heads of the columns of `lines`."""
    ways = [way for way in WAYS if way != "one-hot"]
    return ["table", "rows", "most values", "RMSE / σ, one-hot", *(f"{way}, %" for way in ways)]


def lines() -> list[tuple[str, ...]]:
    """Return the change of the RMSE by each way, by table and over all of them, for a page."""
    rows = kept("embeddings", [])
    error = {(r["table"], r["way"], r["seed"]): r["error"] for r in rows}
    cpu = {(r["table"], r["way"], r["seed"]): r["cpu"] for r in rows}
    found, changes, ratios = [], dict[str, list[float]](), dict[str, list[float]]()
    ways = [way for way in WAYS if way != "one-hot"]
    for name in dict.fromkeys(r["table"] for r in rows):
        one = next(r for r in rows if r["table"] == name)
        cells = []
        for way in ways:
            seeds = sorted({r["seed"] for r in rows if r["table"] == name})
            gains = [100 * math.log(error[name, way, s] / error[name, "one-hot", s]) for s in seeds]
            changes.setdefault(way, []).append(statistics.mean(gains))
            ratios.setdefault(way, []).extend(
                cpu[name, way, s] / cpu[name, "one-hot", s] for s in seeds
            )
            cells.append(said(gains))
        base = statistics.mean(error[name, "one-hot", s] for s in seeds)
        found.append((name, f"{one['rows']:,}", str(one["widest"]), f"{base:.3f}", *cells))
    found.append(("all", "", "", "", *(said(changes[way]) for way in ways)))
    times = (f"{statistics.median(ratios[way]):.2f} ×" for way in ways)
    return [*found, ("processor time", "", "", "", *times)]


if __name__ == "__main__":
    measure()
