"""Tables without any option: test scores beside scikit-learn's, and the time both take.

Each seed splits the rows anew, and these seeds are not the ones that the defaults were chosen on;
both learn from the same encoded arrays and are scored on the same test rows. California housing
(where its CSV lies is given by $WHYGRAD_DATA, else it is left out): five seeds, against
MLPRegressor(early_stopping=True). Iris, wine, breast_cancer and digits: ten seeds, against
MLPClassifier(). Both run one after the other for each seed, so that a busy machine slows both.

    python benchmarks/tables.py
"""

import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from keeping import keep
from sklearn.neural_network import MLPClassifier, MLPRegressor

from whygrad.pipeline.fit import Source, find, fit, prepare
from whygrad.pipeline.settings import Settings

GOAL = 0.78  # R² on California housing
HOUSES = Path(os.environ.get("WHYGRAD_DATA", "")) / "california_housing.csv"


def main() -> None:
    results = {}
    if HOUSES.is_file():
        results["california housing"] = compare(
            find(str(HOUSES), "median_house_value"), range(100, 105)
        )
    else:
        print(f"california housing left out: there is no {HOUSES}; set WHYGRAD_DATA to its folder")
    for name in ("iris", "wine", "breast_cancer", "digits"):
        results[name] = compare(find(name), range(100, 110))
    print(f"{'':20}{'whygrad':>10}{'scikit-learn':>14}{'± one s.e.':>12}{'seconds':>10}{'its':>8}")
    for name, found in results.items():
        met = found["mean"] >= found["peer_mean"] - found["standard_error"]
        print(
            f"{name:20}{found['mean']:10.4f}{found['peer_mean']:14.4f}{found['standard_error']:12.4f}"
            f"{found['seconds']:10.2f}{found['peer_seconds']:8.2f}  {'met' if met else 'missed'}"
        )
    if "california housing" in results:
        mean = results["california housing"]["mean"]
        print(f"R² of at least {GOAL} on california housing: {'met' if mean >= GOAL else 'missed'}")
    keep("tables", results)


def compare(source: Source, seeds: range) -> dict[str, object]:
    """Score both on every seed, and take the means; the standard error is that of the peer's mean."""
    fit(source, Settings(epochs=1))  # compiling is a matter of the first run on a machine
    rows = [one(source, seed) for seed in seeds]
    ours, peers = [row["score"] for row in rows], [row["peer_score"] for row in rows]
    return {
        "mean": statistics.mean(ours),
        "peer_mean": statistics.mean(peers),
        "standard_error": statistics.stdev(peers) / len(peers) ** 0.5,
        "seconds": statistics.median(row["seconds"] for row in rows),
        "peer_seconds": statistics.median(row["peer_seconds"] for row in rows),
        "seeds": rows,
    }


def one(source: Source, seed: int) -> dict[str, float]:
    """Train both on one split."""
    result = fit(source, Settings(seed=seed))
    table, encoding, parts = prepare(source, Settings(seed=seed))
    seen = np.sort(np.concatenate([parts.training, parts.validation]))
    X = encoding.encode(table)
    if encoding.task == "regression":
        y, peer = (
            encoding.targets(table)[:, 0],
            MLPRegressor(early_stopping=True, random_state=seed),
        )
    else:
        y, peer = encoding.target.indices(table), MLPClassifier(random_state=seed)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged in its 200 iterations
        peer.fit(X[seen], y[seen])
    seconds = time.perf_counter() - began
    row = {
        "seed": seed,
        "score": result.scores.score,
        "peer_score": float(peer.score(X[parts.test], y[parts.test])),
        "seconds": result.seconds,
        "peer_seconds": seconds,
    }
    print(
        f"  {source.about.get('name', 'california housing')}, seed {seed}: {row['score']:.4f} in "
        f"{row['seconds']:.2f} s, scikit-learn {row['peer_score']:.4f} in {seconds:.2f} s",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
