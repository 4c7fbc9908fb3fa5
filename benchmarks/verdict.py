"""How the bounds of the verdict on influence were chosen: on trainings drawn at random.

Each draws a table that scikit-learn has or makes (or one with heavy tails), an activation, an optimizer and
its rate, and the sizes of the network and of a batch; and is trained again without 64 random sets of each
size. Of these up to 24, chosen anew, play the probes; the other 40 say how far what is computed comes true.
For several `STAGES` (after how many probes a size is trusted from which order on, and given up below which)
it is printed how many trainings are trusted at some size, how many of these reach 0.85 there, how many of
the refused would have, and how many probes that took; and for units with a kink, by the share of them that
changed side, how often a size reaches 0.85.

    python benchmarks/verdict.py [SECONDS]      (600 by default)
"""

import json
import sys
import time

import numpy as np
from influence import BAR
from keeping import keep
from scipy.stats import spearmanr
from sklearn import datasets

import whygrad as wg
from whygrad.cores import one_thread
from whygrad.errors import InputError
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.functional import functional
from whygrad.why.training_history.removals import (
    GROWTH,
    STAGES,
    TURNED,
    Removals,
    changes_of,
    sizes_of,
    trained_without,
    turned,
)
from whygrad.why.training_history.trajectory import trajectory

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
PROBES, REMOVALS, ROWS, HALVES = 24, 64, 1000, 4
ACTIVATIONS = ("tanh", "gelu", "silu", "elu", "relu", "leaky_relu")
RULES = (
    *(wg.SGD(rate) for rate in (0.03, 0.1, 0.3)),
    *(wg.SGD(rate, momentum=0.9) for rate in (0.01, 0.03, 0.1)),
    *(wg.Adam(rate) for rate in (0.001, 0.003, 0.005, 0.02)),
    wg.RMSprop(0.001),
)
TABLES = ("digits", "cancer", "diabetes", "friedman", "friedman 3", "blobs", "moons", "heavy tails")
# Those in use, and others: fewer probes, milder bounds, stricter ones.
TRIED = {
    "in use": STAGES,
    "8 probes": ((8, 0.9, 0.9),),
    "24 probes": ((24, 0.9, 0.9),),
    "milder": ((8, 0.97, 0.5), (16, 0.9, 0.8), (24, 0.85, 0.85)),
    "stricter": ((8, 2.0, 0.6), (16, 0.97, 0.8), (24, 0.95, 0.95)),
}
SIDES = (0.0, 0.003, 0.01, TURNED, 1.0)


def table(name, rng):
    """Return X and y of a table, and whether y are classes."""
    made = {
        "digits": lambda: (*datasets.load_digits(return_X_y=True), True),
        "cancer": lambda: (*datasets.load_breast_cancer(return_X_y=True), True),
        "diabetes": lambda: (*datasets.load_diabetes(return_X_y=True), False),
        "friedman": lambda: (*datasets.make_friedman1(1500, 10, noise=1.0, random_state=1), False),
        "friedman 3": lambda: (*datasets.make_friedman3(1500, noise=0.1, random_state=1), False),
        "blobs": lambda: (
            *datasets.make_classification(
                1500, 20, n_informative=8, n_classes=4, flip_y=0.1, random_state=2
            ),
            True,
        ),
        "moons": lambda: (*datasets.make_moons(1500, noise=0.3, random_state=3), True),
        "heavy tails": lambda: _heavy(rng),
    }
    return made[name]()


def _heavy(rng):
    X = rng.standard_t(3, size=(1500, 8))
    signal = np.tanh(X @ rng.normal(size=(8, 12))) @ rng.normal(size=12)
    return X, signal + 0.5 * rng.standard_t(2.5, size=1500), False


def training(rng):
    """Train a network drawn at random; return the trajectory, and the cost of rows held out."""
    X, y, decides = table(rng.choice(TABLES), rng)
    order = rng.permutation(len(X))
    n = min(len(X) * 2 // 3, ROWS) // 10 * 10
    X, y = X[order].astype(np.float64), y[order]
    X = (X - X[:n].mean(axis=0)) / (X[:n].std(axis=0) + 1e-9)
    last, cost, Y = wg.Dense(1, "identity"), "squared_error", y[:, None]
    if decides:
        last, cost, Y = wg.Dense(int(y.max()) + 1, "softmax"), "cross_entropy", y
    else:
        Y = (Y - Y[:n].mean()) / Y[:n].std()
    f_name = str(rng.choice(ACTIVATIONS))
    hidden = ((8,), (16,), (32,), (32, 16))[rng.integers(4)]
    net = wg.Network(X.shape[1], [*(wg.Dense(units, f_name) for units in hidden), last], cost)
    plan = Plan(
        net, RULES[rng.integers(len(RULES))], n, epochs=int(rng.choice([3, 6, 12])),
        batch_size=int(rng.choice([10, 32, 50])), dtype="float32", seed=int(rng.integers(1000)),
    )  # fmt: skip
    made = trajectory(plan, start(plan), as_data(net, X[:n], Y[:n], None, "float32"))
    return made, functional(net, made.names, made.theta, X[n:], Y[n:], None, "cost")


def removed(made, f, rng):
    """Return the growth of a training, and of each size what was computed, came true, and changed side."""
    found = adjoint(made, f.slope(made.theta)[None])
    n, sizes = made.plan.n, {}
    for size in sizes_of(n):
        sets = [rng.choice(n, size, replace=False) for _ in range(REMOVALS)]
        thetas = trained_without(made, sets)
        computed = np.array([-found.by_example[0, one].sum() for one in sets])
        sides = turned(made, thetas[:PROBES])
        sizes[size] = computed, changes_of(f, made, thetas), sides
    return float(found.growth[0]), sizes


def settled(stages, size, computed, true, sides):
    """Return whether a size is trusted by these bounds, and by how many probes that is known."""
    for m, trusted, given_up in stages:
        order = Removals(size, computed[:m], true[:m]).order
        if sides > TURNED or order < given_up:
            return False, m
        if order >= trusted:
            return True, m
    return False, m


def mean(right):
    """Return the share of what is true, None of nothing."""
    return float(np.mean(right)) if right else None


def judged(runs, stages):
    """Return how often bounds are right, over several choices of what plays the probes."""
    reached, missed, probes = [], [], 0
    for seed in range(HALVES):
        rng = np.random.default_rng(seed)
        for growth, sizes in runs:
            orders, chosen = [], None
            for size, (computed, true, sides) in sizes.items():
                mixed = rng.permutation(REMOVALS)
                c, t = computed[mixed], true[mixed]
                orders.append(np.nan_to_num(spearmanr(c[PROBES:], t[PROBES:])[0]))
                if growth <= GROWTH and chosen is None:
                    fits, m = settled(stages, size, c, t, sides)
                    chosen, probes = len(orders) - 1 if fits else None, probes + m
            if chosen is None:
                missed.append(max(orders) >= BAR)
            else:
                reached.append(orders[chosen] >= BAR)
    share = len(reached) / (len(reached) + len(missed))
    return {
        "trusted": share,
        "of those reach 0.85": mean(reached),
        "of the refused would have": mean(missed),
        "probes": probes / (HALVES * len(runs)),
    }


def main():
    runs, began, drawn = [], time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        rng = np.random.default_rng(drawn)
        drawn += 1
        try:
            with one_thread(numpy=True):
                runs.append(removed(*training(rng), rng))
        except InputError as error:  # it diverged, or does without some examples
            print(f"{drawn}: {error}", file=sys.stderr)
    figures = {"trainings": len(runs), "diverged": drawn - len(runs)}
    figures |= {name: judged(runs, stages) for name, stages in TRIED.items()}
    kinks = [
        (sides, np.nan_to_num(spearmanr(c, t)[0]) >= BAR)
        for growth, sizes in runs
        for c, t, sides in sizes.values()
        if growth <= GROWTH and sides > 0
    ]
    for low, high in zip(SIDES, SIDES[1:], strict=False):
        among = [right for sides, right in kinks if low < sides <= high]
        figures[f"sides {low:g} to {high:g}"] = {"sizes": len(among), "reach 0.85": mean(among)}
    print(json.dumps(figures, indent=1))
    keep("verdict", figures, SECONDS < 60)


if __name__ == "__main__":
    main()
