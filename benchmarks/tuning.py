"""Three published tunings on a real data set: does AdamW, one cycle or dropout help, and by how much?

    AdamW rather than Adam with an L2 penalty       Loshchilov & Hutter (2019)
    one cycle rather than a constant rate           Smith & Topin (2019)
    dropout rather than none                        Srivastava et al. (2014)

Each contestant searches its own small grid of two numbers. The setting with the best mean accuracy on
validation data is the one that counts, on test data that no choice has seen; seeds draw the split, the
start and the order alike for all. Printed are the test accuracy, mean ± standard error over seeds, and the
gain, paired by seed.

    python benchmarks/tuning.py [digits | mnist]      (mnist needs $WHYGRAD_DATA/mnist)
"""

import json
import math
import statistics
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np

import whygrad as wg
from whygrad.datasets import load

SEEDS = {"digits": range(10), "mnist": range(5)}  # the latter has many more to test on
TRAIN = 600  # few examples, so that there is something for a regulariser to do
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
CONSTANT, ONE_CYCLE = wg.Constant(), wg.OneCycle()


def net_of(n_0, units=100, dropout=0.0):
    hidden = [wg.Dense(units, "relu", dropout=dropout) for _ in range(2)]
    return wg.Network(n_0, [*hidden, wg.Dense(10, "softmax")], "cross_entropy")


def adam(rate, decay):
    return {"optimizer": wg.Adam(rate), "l2": decay, "epochs": 60}


def adamw(rate, decay):
    return {"optimizer": wg.AdamW(rate, decay=decay), "epochs": 60}


def scheduled(schedule):
    # Few epochs: one cycle was made to learn fast.
    return lambda rate, momentum: {
        "optimizer": wg.SGD(10 * rate, momentum=momentum),
        "schedule": schedule,
        "epochs": 10,
    }


def dropped(rate, share):
    return {"optimizer": wg.Adam(rate), "dropout": share, "epochs": 100, "units": 256}


# claim: (the usual way, its grid), (the tuning, its grid)
CLAIMS = {
    "AdamW against Adam": {
        "Adam, L2": (adam, product(RATES[:3], (1e-4, 1e-3, 1e-2, 1e-1))),
        "AdamW": (adamw, product(RATES[:3], (1e-2, 1e-1, 1.0, 3.0))),
    },
    "one cycle against a constant rate": {
        "constant": (scheduled(CONSTANT), product(RATES, (0.0, 0.9))),
        "one cycle": (scheduled(ONE_CYCLE), product(RATES, (0.0, 0.9))),
    },
    "dropout against none": {
        "none": (dropped, product(RATES[:3], (0.0,))),
        "dropout": (dropped, product(RATES[:3], (0.2, 0.5))),
    },
}


def split(name, seed):
    """Training, validation and test data, drawn by the seed."""
    data = load(name)
    X, y = (np.asarray(data.X, np.float32).reshape(len(data.y), -1), np.asarray(data.y))
    X = X / X.max()
    order = np.random.default_rng(seed).permutation(len(X))
    rest = (len(X) - TRAIN) // 2 if name == "digits" else 5000
    parts = order[:TRAIN], order[TRAIN : TRAIN + rest], order[TRAIN + rest : TRAIN + 2 * rest]
    return [(X[part], y[part]) for part in parts]


def accuracies(splits, settings):
    """Validation and test accuracy of one setting, a pair for each seed."""
    found = []
    for seed, (train, *others) in enumerate(splits):
        options = dict(settings)
        shape = {key: options.pop(key) for key in ("units", "dropout") if key in options}
        net = net_of(train[0].shape[1], **shape)
        fitted = wg.train(net, *train, seed=seed, batch_size=32, **options)
        found.append([float((fitted.predict(X).argmax(axis=1) == y).mean()) for X, y in others])
    return found


def contest(name):
    splits = [split(name, seed) for seed in SEEDS[name]]
    results = {}
    for claim, contestants in CLAIMS.items():
        print(f"\n{claim}")
        best = {}
        for who, (make, grid) in contestants.items():
            tried = {point: accuracies(splits, make(*point)) for point in list(grid)}
            point = max(tried, key=lambda p: statistics.mean(pair[0] for pair in tried[p]))
            best[who] = [pair[1] for pair in tried[point]]
            mean, error = spread(best[who])
            print(f"  {who:10} {mean:.2%} ± {error:.2%}   at {point}")
            results.setdefault(claim, {})[who] = {
                "mean": mean,
                "standard_error": error,
                "setting": point,
                "by_seed": best[who],
            }
        usual, tuned = best.values()
        gain, error = spread([b - a for a, b in zip(usual, tuned, strict=True)])
        verdict = "helps" if gain > 2 * error else "hurts" if gain < -2 * error else "no difference"
        print(f"  gain       {gain:+.2%} ± {error:.2%}   {verdict}")
        results[claim] |= {"gain": gain, "standard_error": error, "verdict": verdict}
    return results


def spread(values):
    """Mean and standard error."""
    return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "digits"
    began = time.perf_counter()
    print(
        f"{name}: {TRAIN} training examples, test accuracy of the best setting, {len(SEEDS[name])} seeds"
    )
    results = contest(name)
    print(f"\n{time.perf_counter() - began:.0f} s")
    path = Path(__file__).parent / "results" / "tuning.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
