"""Three published tunings on real data: does AdamW, one cycle or dropout help, and by how much?

    AdamW rather than Adam with an L2 penalty       Loshchilov & Hutter (2019)
    one cycle rather than a constant rate           Smith & Topin (2019), where epochs are few
    dropout rather than none                        Srivastava et al. (2014), in a large network

Each contestant searches a grid of its own. A seed draws the training and the validation examples, the start
and the order, alike for all. The setting with the best mean accuracy on validation data over the CHOOSING
seeds is the one that counts. It is trained anew with the TESTING seeds, and only then meets the test data,
which are the same for all. Printed are its test accuracy, mean ± standard error over those seeds, and the
gain, paired by seed. "at the edge" marks a setting that a wider grid might have bettered.

    python benchmarks/tuning.py [mnist | digits]      (mnist needs $WHYGRAD_DATA/mnist)
"""

import math
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import product

import numpy as np
import supplied
from keeping import keep, kept

import whygrad as wg
from whygrad.pipeline.datasets import load

CHOOSING, TESTING = range(3), range(100, 112)


@dataclass(frozen=True)
class Sizes:
    """How much of a data set is drawn by a seed, and what is trained on it."""

    training: int
    validation: int
    small: tuple[int, int]  # units of each of two hidden layers, examples of a batch
    large: tuple[int, int]


SIZES = {
    "mnist": Sizes(5000, 5000, (100, 32), (512, 100)),
    "digits": Sizes(600, 600, (50, 32), (256, 32)),
}
RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
FAST_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
L2, DECAY = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2), (0.1, 0.3, 1.0, 3.0)
COSINE = {"schedule": wg.Cosine()}


def adam(learning_rate, l2):
    return {"optimizer": wg.Adam(learning_rate), "l2": l2, "epochs": 30} | COSINE


def adamw(learning_rate, decay):
    return {"optimizer": wg.AdamW(learning_rate, decay=decay), "epochs": 30} | COSINE


def descent(schedule, epochs):
    return lambda learning_rate: {
        "optimizer": wg.SGD(learning_rate, momentum=0.9),
        "schedule": schedule,
        "epochs": epochs,
    }


def dropped(learning_rate, dropout):
    return {
        "optimizer": wg.Adam(learning_rate),
        "epochs": 40,
        "large": True,
        "dropout": dropout,
    } | COSINE


def cycle(epochs):
    grid = list(product(FAST_RATES))
    return {
        "constant": (descent(wg.Constant(), epochs), grid),
        "one cycle": (descent(wg.OneCycle(), epochs), grid),
    }


# claim: (the usual way, its grid), (the tuning, its grid)
CLAIMS = {
    "AdamW against Adam": {
        "Adam, L2": (adam, list(product(RATES, L2))),
        "AdamW": (adamw, list(product(RATES, DECAY))),
    },
    "one cycle against a constant rate, 3 epochs": cycle(3),
    "one cycle against a constant rate, 10 epochs": cycle(10),
    "dropout against none": {
        "none": (dropped, list(product(RATES[:4], (0.0,)))),
        "dropout": (dropped, list(product(RATES[:4], (0.25, 0.5)))),
    },
}


def pools_of(name):
    """Return the examples that seeds draw from, and the test data: MNIST's own, or a third of digits."""
    data = supplied.mnist() if name == "mnist" else load(name)
    X, y = np.asarray(data.X, np.float32).reshape(len(data.y), -1), np.asarray(data.y)
    if data.X_test is None:
        order = np.random.default_rng(0).permutation(len(X))
        kept, test = order[: 2 * len(X) // 3], order[2 * len(X) // 3 :]
        parts = [(X[kept], y[kept]), (X[test], y[test])]
    else:
        X_test = np.asarray(data.X_test, np.float32).reshape(len(data.y_test), -1)
        parts = [(X, y), (X_test, np.asarray(data.y_test))]
    highest = max(part.max() for part, _ in parts)
    return [(part / highest, classes) for part, classes in parts]


def accuracies(pool, test, sizes, settings, seeds):
    """Train one setting with each seed; return the accuracies on validation data, or on `test` if given."""
    X, y = pool
    options = dict(settings)
    units, batch_size = sizes.large if options.pop("large", False) else sizes.small
    dropout = options.pop("dropout", 0.0)
    hidden = [wg.Dense(units, "relu", dropout=dropout) for _ in range(2)]
    net = wg.Network(X.shape[1], [*hidden, wg.Dense(10, "softmax")], "cross_entropy")
    orders = [np.random.default_rng(seed).permutation(len(X)) for seed in seeds]
    drawn = [order[: sizes.training] for order in orders]
    trainings = [
        {"seed": seed, "X": X[rows], "Y": y[rows]} for seed, rows in zip(seeds, drawn, strict=True)
    ]
    found = []
    fits = wg.train_many(trainings, net=net, batch_size=batch_size, **options)
    for fitted, order in zip(fits, orders, strict=True):
        judging = order[sizes.training :][: sizes.validation]
        X_judged, classes = test or (X[judging], y[judging])
        found.append(float((fitted.predict(X_judged).argmax(axis=1) == classes).mean()))
    return found


def contest(name):
    (pool, test), sizes, results = pools_of(name), SIZES[name], {}
    for claim, contestants in CLAIMS.items():
        print(f"\n{claim}", flush=True)
        found = {}
        for who, (make, grid) in contestants.items():
            means = {
                point: statistics.mean(accuracies(pool, None, sizes, make(*point), CHOOSING))
                for point in grid
            }
            best = max(means, key=means.get)
            tested = accuracies(pool, test, sizes, make(*best), TESTING)
            mean, error = spread(tested)
            edge = at_edge(best, grid)
            print(
                f"  {who:10} {mean:.2%} ± {error:.2%}   at {best}{', at the edge' * edge}",
                flush=True,
            )
            found[who] = {
                "mean": mean,
                "standard_error": error,
                "setting": best,
                "at_the_edge": edge,
                "grid": [[*point, round(mean, 5)] for point, mean in means.items()],
                "by_seed": tested,
            }
        default, tuned = (one["by_seed"] for one in found.values())
        gain, error = spread([b - a for a, b in zip(default, tuned, strict=True)])
        verdict = "helps" if gain > 2 * error else "hurts" if gain < -2 * error else "no difference"
        print(f"  gain       {gain:+.2%} ± {error:.2%}   {verdict}", flush=True)
        results[claim] = found | {"gain": gain, "standard_error": error, "verdict": verdict}
    return results


def at_edge(point, grid):
    """Return whether a number of the setting is the least or the greatest that was tried, of several."""
    columns = [sorted(set(column)) for column in zip(*grid, strict=True)]
    return any(
        len(tried) > 2 and number in (tried[0], tried[-1])
        for number, tried in zip(point, columns, strict=True)
    )


def spread(values):
    """Mean and standard error."""
    return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "mnist"
    began = time.process_time()
    print(f"{name}: {SIZES[name].training} training examples; settings chosen on validation data by "
          f"{len(CHOOSING)} seeds, tested by {len(TESTING)} others")  # fmt: skip
    results = contest(name)
    print(f"\n{time.process_time() - began:.0f} s of processor time")
    keep("tuning", kept("tuning", {}) | {name: results})


if __name__ == "__main__":
    main()
