"""Influence against true retraining: does what is computed come true, and does the verdict know?

Each run is trained again, with the same start and order, without single examples, 1 % and 10 % of them,
drawn at random. Spearman's rank correlation of the true changes of the cost of held-out rows is printed for

    influence    the derivative of the training (`whygrad.why.influence`)
    TracIn       the pushes of every step (`influence(method="tracin")`)
    dot          the examples' gradients at the end times that of the cost

beside the verdict, the smallest size of removals that it trusts, found with eight other removals of each
size, and the share of fresh removals that its ± covers. The wild rates are there to be refused. At last,
how often the verdict was right: a size that is trusted should reach 0.85, one that is refused should not.

    python benchmarks/influence.py [--quick]      (needs $WHYGRAD_DATA)
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from keeping import keep
from scipy.stats import spearmanr

import whygrad as wg
from whygrad.cores import one_thread
from whygrad.nn.arrays import as_data
from whygrad.nn.backprop import backward, forward
from whygrad.pipeline.datasets import load
from whygrad.plan.plan import Plan, start
from whygrad.training.again import Change
from whygrad.why import influence
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.functional import functional
from whygrad.why.training_history.removals import GROWTH, Removals, drawn, sizes_of, trained_without
from whygrad.why.training_history.trajectory import trajectory

QUICK = "--quick" in sys.argv
N, HELD_OUT, EPOCHS, BATCH = (1000, 500, 5, 50) if QUICK else (2000, 1000, 10, 50)
FRESH = 16 if QUICK else 40  # removals of each size that the verdict does not see
BAR = 0.85  # of the rank correlation
NETWORKS = {"mnist 32": (32,), "california": (32, 16)} | ({} if QUICK else {"mnist 100": (100,)})
RULES = {
    "mnist": {
        "sgd": wg.SGD(0.1),
        "sgd, wild": wg.SGD(1.0),
        "momentum": wg.SGD(0.02, momentum=0.9),
        "momentum, wild": wg.SGD(0.2, momentum=0.9),
        "adam": wg.Adam(0.001),
        "adam, wild": wg.Adam(0.02),
    },
    "california": {
        "sgd": wg.SGD(0.05),
        "sgd, wild": wg.SGD(0.15),
        "momentum": wg.SGD(0.01, momentum=0.9),
        "momentum, wild": wg.SGD(0.1, momentum=0.9),
        "adam": wg.Adam(0.003),
        "adam, wild": wg.Adam(0.05),
    },
}


def rows(name):
    """Return training and held-out rows, X and Y of each."""
    if name == "mnist":
        found = load(name)
        X, Y = found.X.reshape(len(found.X), -1).astype(np.float64), found.y.astype(int)
    else:
        path = Path(os.environ["WHYGRAD_DATA"]) / "california_housing.csv"
        table = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(9))
        table = table[np.isfinite(table).all(axis=1)]
        X, Y = table[:, :8], table[:, 8:]
    chosen = np.random.default_rng(0).permutation(len(X))[: N + HELD_OUT]
    X, Y = X[chosen], Y[chosen]
    if name != "mnist":
        X, Y = ((each - each[:N].mean(axis=0)) / each[:N].std(axis=0) for each in (X, Y))
    return X[:N], Y[:N], X[N:], Y[N:]


def dot(made, f):
    """Return minus the product of each example's gradient with that of the cost, at the end."""
    net, theta = made.plan.net, wg.Parameters(made.plan.net.sizes, made.theta.astype(np.float64))
    trace = backward(net, theta, forward(net, theta, made.data.X), made.data.Y)
    slope, found = wg.Gradients(net.sizes, f.slope(made.theta)), np.zeros(made.plan.n)
    for l in range(1, net.L + 1):
        found += ((trace.delta[l] @ slope.dW[l]) * trace.a[l - 1]).sum(axis=1)
        found += trace.delta[l] @ slope.db[l]
    return found


def measure(data, hidden, f_name, rule):
    """Train a network, and return what was computed and what came true."""
    X, Y, X_out, Y_out = rows(data)
    last = wg.Dense(10, "softmax") if data == "mnist" else wg.Dense(1, "identity")
    cost = "cross_entropy" if data == "mnist" else "squared_error"
    net = wg.Network(X.shape[1], [*(wg.Dense(units, f_name) for units in hidden), last], cost)
    plan = Plan(net, rule, N, epochs=EPOCHS, batch_size=BATCH, dtype="float32")
    made = trajectory(plan, start(plan), as_data(net, X, Y, None, "float32"))
    f = functional(net, made.names, made.theta, X_out, Y_out, None, "cost")
    began = time.perf_counter()
    made.again([Change()])
    training = time.perf_counter() - began
    began = time.perf_counter()
    found = adjoint(made, f.slope(made.theta)[None])
    took = time.perf_counter() - began
    with one_thread(numpy=True):
        pushes = influence(made, X_out, y=Y_out, method="tracin")["by_example"]
        others = {"influence": -found.by_example[0], "TracIn": -pushes, "dot": dot(made, f)}
    by_size, trusted = {}, 0
    for size in sizes_of(N):
        probes, fresh = drawn(np.arange(N), size, 0), []
        while len(fresh) < FRESH:
            fresh += drawn(np.arange(N), size, 1 + len(fresh))
        true = trained_without(made, f, [*probes, *fresh])
        computed = {
            name: np.array([one[some].sum() for some in [*probes, *fresh]])
            for name, one in others.items()
        }
        judged = Removals(size, computed["influence"][: len(probes)], true[: len(probes)])
        fits = judged.trusted and bool(found.growth[0] <= GROWTH)
        trusted = trusted or (size if fits else 0)
        rest = slice(len(probes), None)
        off = np.abs(computed["influence"][rest] - true[rest])
        by_size[size] = {
            "trusted": fits,
            "covered": float((off <= judged.error).mean()),
            "order": judged.order,
            "computed": computed["influence"].tolist(),
            "true": true.tolist(),
            **{name: float(spearmanr(one[rest], true[rest])[0]) for name, one in computed.items()},
        }
    return {
        "growth": float(found.growth[0]),
        "trusted": trusted,
        "times a training": took / training,
        "by_size": by_size,
    }


def main():
    head = f"{'':<38}{'growth':>9}{'trusts':>8}" + "".join(
        f"{f'{size} out':>9}{'TracIn':>8}{'dot':>7}{'± covers':>9}" for size in sizes_of(N)
    )
    print(head)
    results = {}
    for name, hidden in NETWORKS.items():
        data = name.split()[0]
        for f_name in ("tanh", "gelu", "relu"):
            for rule_name, rule in RULES[data].items():
                case = f"{name}, {f_name}, {rule_name}"
                results[case] = found = measure(data, hidden, f_name, rule)
                for one in found["by_size"].values():
                    del one["computed"], one["true"]
                line = f"{case:<38}{found['growth']:>9.3g}{found['trusted'] or '–':>8}"
                for one in found["by_size"].values():
                    line += f"{one['influence']:>9.2f}{one['TracIn']:>8.2f}{one['dot']:>7.2f}"
                    line += f"{one['covered']:>9.0%}"
                print(line, flush=True)
    runs = results.values()
    right = [one["by_size"][one["trusted"]]["influence"] >= BAR for one in runs if one["trusted"]]
    missed = [
        max(one["influence"] for one in found["by_size"].values()) >= BAR
        for found in runs
        if not found["trusted"]
    ]
    summary = {
        "runs trusted": len(right),
        "of those reach 0.85": float(np.mean(right)),
        "runs refused": len(missed),
        "of those would have, at some size": float(np.mean(missed)),
        "± covers": float(
            np.mean([one["by_size"][one["trusted"]]["covered"] for one in runs if one["trusted"]])
        ),
        "median times a training": float(np.median([one["times a training"] for one in runs])),
    }
    print(*(f"{name}: {value:.3g}" for name, value in summary.items()), sep="\n")
    keep("influence", {"quick": QUICK, "summary": summary, "cases": results})


if __name__ == "__main__":
    main()
