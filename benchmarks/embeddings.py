"""Whether embeddings help where categories have many values: the recipe's networks, with and without.

Both are trained as `recipe.py` trains its base, on the same rows: with the category's values as inputs of
their own (one-hot), or embedded in 8 units by a masked first layer. The tables are none that any benchmark
reports; three of them are here for their categories alone.

    python benchmarks/embeddings.py
"""

import math
import statistics
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from public_tables import CHOOSING, _from_r, splits
from recipe import BASE, batch_size, learn, set_aside

import whygrad as wg
from whygrad.pipeline.embeddings import EmbeddingLayer

ROWS, SEEDS = 2500, (0, 1, 2, 3)
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
    "8 units, scales fixed": {"scaling": 0.0},
}


def layer_of(encoder: Any, X: pd.DataFrame) -> EmbeddingLayer:
    """Return the first layer for what the recipe's encoder makes of a table's columns."""
    columns = []
    for name, (kind, *about) in encoder.columns.items():
        size = encoder.__class__(encoder.recipe, {name: (kind, *about)})(X.iloc[:2]).shape[1]
        columns.append((size, 8 if kind == "category" and size >= 10 else 0))
    return EmbeddingLayer(tuple(columns))


def rmse(way: dict[str, Any] | None, X: Any, y: Any, inside: Any, out: Any, seed: int) -> tuple[float, float]:
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


def main() -> None:
    changes: dict[str, list[float]] = {way: [] for way in WAYS}
    for name, read in TABLES.items():
        table = read(name)
        assert table is not None
        widest = max(
            table.X[c].nunique() for c in table.X if not pd.api.types.is_numeric_dtype(table.X[c])
        )
        errors: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for seed in SEEDS:
            inside, out = splits(table, seed)
            inside = np.random.default_rng(seed).permutation(inside)[:ROWS]
            for way, options in WAYS.items():
                errors[way].append(rmse(options, table.X, table.y, inside, out, seed))
        for way, found in errors.items():
            gains = [
                100 * math.log(e / b) for (e, _), (b, _) in zip(found, errors["one-hot"], strict=True)
            ]
            changes[way].append(statistics.mean(gains))
            error = statistics.stdev(gains) / len(gains) ** 0.5
            mean = statistics.mean(e for e, _ in found)
            seconds = statistics.mean(s for _, s in found)
            print(f"{name}, {widest} values | {way} | {mean:.4f} | {changes[way][-1]:+.1f} ± {error:.1f} % | {seconds:.1f} s", flush=True)  # fmt: skip
    for way, found in changes.items():
        print(f"all | {way} | {statistics.mean(found):+.1f} %", file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
