"""Networks on tables beside linear models, boosted trees and other networks, all at their defaults.

The tables are those of `public_tables`, all of public origin; none is downloaded. Every seed splits the
rows anew, 80% to learn from and 20% to score once; what a contestant needs for early stopping it takes
from the 80%. Peers that are not installed are left out. A result that is already in results/tables.json
is kept, so that a long measurement can go on where it ended:

    python benchmarks/tables.py [--tables boston,iris] [--contestants "linear;whygrad"] [--seeds 100,101]
                                [--again]
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from keeping import alone, keep, kept
from public_tables import CHOOSING, TABLES, Table, load, splits

# On a busy machine threads that wait for one another take many times as long as one.
THREADS = 1
SEEDS = (100, 101, 102, 103, 104)

# A contestant: training columns and target, number of classes (0: a regression), columns to predict,
# seed → predictions, (n,) or probabilities (n, K).
Contestant = Callable[[pd.DataFrame, np.ndarray, int, pd.DataFrame, int], np.ndarray]


def _predicted(model: Any, X: Any, classes: int) -> np.ndarray:
    found = model.predict_proba(X) if classes else model.predict(X)
    return np.asarray(found, float)


def whygrad(X: Any, y: Any, classes: int, new: Any, seed: int) -> np.ndarray:
    """Train as `whygrad train --hidden 128,64` does."""
    import pyarrow as pa

    from whygrad.pipeline.fit import Source, fit, predict
    from whygrad.pipeline.settings import Settings

    target = [f"class {k:03}" for k in y] if classes else y
    table = pa.Table.from_pandas(X.assign(**{"the target": target}), preserve_index=False)
    task: Any = "classification" if classes else "regression"
    result = fit(Source(table, "the target", {}, task), Settings(seed=seed, test=0))
    rows = pa.Table.from_pandas(new, preserve_index=False)
    a = predict(result.fitted, result.encoding.encode(rows, "float32")).astype(float)
    if not classes:
        return a[:, 0] * result.encoding.target.scale + result.encoding.target.center
    return a if a.shape[1] > 1 else np.hstack([1 - a, a])


def tabular(quality: str) -> Contestant:
    """Return what trains whygrad's estimators for tables."""

    def contestant(X: Any, y: Any, classes: int, new: Any, seed: int) -> np.ndarray:
        import whygrad as wg

        made = wg.TabularClassifier if classes else wg.TabularRegressor
        return _predicted(made(quality, random_state=seed).fit(X, y), new, classes)

    return contestant


def _dense(X: pd.DataFrame) -> Any:
    """Standardised and one-hot columns, of which missing values are filled in and flagged."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [c for c in X.columns if pd.api.types.is_numeric_dtype(X[c])]
    rest = [c for c in X.columns if c not in numbers]
    filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", filled, numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore"), rest),
        ],
        sparse_threshold=0,
    )


def _after_encoding(classifier: Any, regressor: Any) -> Contestant:
    def contestant(X: Any, y: Any, classes: int, new: Any, seed: int) -> np.ndarray:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if classes:
            last = classifier(seed)
        else:
            last = TransformedTargetRegressor(regressor(seed), transformer=StandardScaler())
        return _predicted(make_pipeline(_dense(X), last).fit(X, y), new, classes)

    return contestant


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge()


def _mlp_classifier(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=seed)


def _mlp_regressor(seed: int) -> Any:
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(early_stopping=True, random_state=seed)


def _categorical(X: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both with text as pandas categories, of the training rows' values."""
    X, new = X.copy(), new.copy()
    for c in X.columns:
        if not pd.api.types.is_numeric_dtype(X[c]):
            kind = pd.CategoricalDtype(sorted(X[c].dropna().unique()))
            X[c] = X[c].where(X[c].isin(kind.categories)).astype(kind)
            new[c] = new[c].where(new[c].isin(kind.categories)).astype(kind)
    return X, new


def _trees(make: Callable[[int, int], Any]) -> Contestant:
    def contestant(X: Any, y: Any, classes: int, new: Any, seed: int) -> np.ndarray:
        X, new = _categorical(X, new)
        return _predicted(make(classes, seed).fit(X, y), new, classes)

    return contestant


def _hist(classes: int, seed: int) -> Any:
    from sklearn import ensemble

    made = (
        ensemble.HistGradientBoostingClassifier
        if classes
        else ensemble.HistGradientBoostingRegressor
    )
    return made(categorical_features="from_dtype", random_state=seed)


def _lightgbm(classes: int, seed: int) -> Any:
    import lightgbm

    made = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
    return made(random_state=seed, verbose=-1, n_jobs=THREADS)


def _xgboost(classes: int, seed: int) -> Any:
    import xgboost

    made = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
    return made(random_state=seed, enable_categorical=True, n_jobs=THREADS)


def catboost(X: Any, y: Any, classes: int, new: Any, seed: int) -> np.ndarray:
    """Train CatBoost, which takes categories as text."""
    import catboost

    rest = [c for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])]
    X, new = (frame.fillna(dict.fromkeys(rest, "missing")) for frame in (X, new))
    made = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
    model = made(
        random_seed=seed,
        cat_features=rest,
        verbose=0,
        allow_writing_files=False,
        thread_count=THREADS,
    )
    return _predicted(model.fit(X, y), new, classes)


def _pytabkit(name: str) -> Contestant:
    def contestant(X: Any, y: Any, classes: int, new: Any, seed: int) -> np.ndarray:
        import pytabkit

        numbers = [c for c in X.columns if pd.api.types.is_numeric_dtype(X[c])]
        filled = X[numbers].mean().fillna(0)  # they take no missing numbers
        X, new = _categorical(X.fillna(filled), new.fillna(filled))
        made = getattr(pytabkit, f"{name}_{'Classifier' if classes else 'Regressor'}")
        model = made(device="cpu", random_state=seed, n_threads=THREADS, verbosity=0)
        return _predicted(model.fit(X, y), new, classes)

    return contestant


CONTESTANTS: dict[str, tuple[Contestant, str]] = {  # and the package that it needs
    "linear": (_after_encoding(_logistic, _ridge), "sklearn"),
    "scikit-learn MLP": (_after_encoding(_mlp_classifier, _mlp_regressor), "sklearn"),
    "HistGradientBoosting": (_trees(_hist), "sklearn"),
    "LightGBM": (_trees(_lightgbm), "lightgbm"),
    "XGBoost": (_trees(_xgboost), "xgboost"),
    "CatBoost": (catboost, "catboost"),
    "RealMLP": (_pytabkit("RealMLP_TD"), "pytabkit"),
    "TabM": (_pytabkit("TabM_D"), "pytabkit"),
    "whygrad": (whygrad, "whygrad"),
    "whygrad, recipe": (tabular("default"), "whygrad"),
    "whygrad, best": (tabular("best"), "whygrad"),
}


def scores(p: np.ndarray, y: np.ndarray, classes: int) -> dict[str, float]:
    """Return R², or accuracy and log loss."""
    if not classes:
        return {"score": float(1 - np.mean((p - y) ** 2) / np.var(y))}
    right = np.clip(p[np.arange(len(y)), y], 1e-15, 1)
    return {
        "score": float(np.mean(p.argmax(1) == y)),
        "log_loss": float(-np.log(right).mean()),
    }


def one(table: Table, name: str, seed: int) -> dict[str, Any]:
    """Train a contestant on one split and score it."""
    inside, out = splits(table, seed)
    X, new = (table.X.iloc[rows].reset_index(drop=True) for rows in (inside, out))
    cpu, began = time.process_time(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = CONTESTANTS[name][0](X, table.y[inside], table.classes, new, seed)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"table": table.name, "contestant": name, "seed": seed, "seconds": seconds, "cpu": cpu,
            **scores(p, table.y[out], table.classes)}  # fmt: skip


def add(found: dict[str, Any], about: dict[str, Any]) -> None:
    """Add a result to the file, which two processes may write."""
    with alone():
        figures = kept("tables", {"tables": {}, "runs": []})
        key = [found[k] for k in ("table", "contestant", "seed")]
        runs = [
            r for r in figures["runs"] if [r[k] for k in ("table", "contestant", "seed")] != key
        ]
        keep("tables", {"tables": figures["tables"] | about, "runs": [*runs, found]})


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--tables", default=",".join(TABLES))
    asked.add_argument("--contestants", default=None)
    asked.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    asked.add_argument("--again", action="store_true")
    given = asked.parse_args()
    names = [n for n, (_, package) in CONTESTANTS.items() if find_spec(package)]
    if given.contestants:
        names = [n for n in given.contestants.split(";")]
    runs = kept("tables", {"runs": []})["runs"]
    done = {(r["table"], r["contestant"], r["seed"]) for r in runs}
    for name in given.tables.split(","):
        table = load(name)
        if table is None:
            print(f"{name} left out: its file is not there; set WHYGRAD_DATA to its folder")
            continue
        about = {name: table.about | {"role": "chosen on" if name in CHOOSING else "reported"}}
        for contestant in names:
            for seed in map(int, given.seeds.split(",")):
                if (name, contestant, seed) in done and not given.again:
                    continue
                found = one(table, contestant, seed)
                add(found, about)
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
