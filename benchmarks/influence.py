"""Influence against true retraining: does what is computed come true, and does the verdict know?

Each run is trained again, with the same start and order, without single examples, 1 % and 10 % of them,
drawn at random. Spearman's rank correlation of the true changes of the cost of held-out rows is printed for

    influence    the derivative of the training (`whygrad.why.influence`)
    TracIn       the pushes of every step (`influence(method="tracin")`)
    dot          the examples' gradients at the end times that of the cost
    CG           influence functions: that product with the inverse of the damped Hessian between, by
                 conjugate gradients (Koh & Liang, 2017)
    TRAK         the same by the margins' gradients, projected at random (after Park et al., 2023; one
                 model, projections of each layer's two factors)

beside the verdict, the smallest size of removals that it trusts, found with up to 24 other removals of each
size, and the share of fresh removals that its ± covers. The wild rates are there to be refused. At last,
how often the verdict was right: a size that is trusted should reach 0.85, one that is refused should not.

    python benchmarks/influence.py [--quick] [--large]      (needs $WHYGRAD_DATA)

With --large one run alone, 784-100-10 on MNIST.
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
from whygrad.nn.hessian import hessian_times
from whygrad.pipeline.datasets import load
from whygrad.plan.plan import Plan, start
from whygrad.training.again import Change
from whygrad.why import influence
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.functional import functional
from whygrad.why.training_history.removals import (
    GROWTH,
    STAGES,
    Removals,
    changes_of,
    drawn,
    sizes_of,
    trained_without,
    turned,
)
from whygrad.why.training_history.trajectory import trajectory

QUICK = "--quick" in sys.argv
N, HELD_OUT, EPOCHS, BATCH = (1000, 500, 5, 50) if QUICK else (2000, 1000, 10, 50)
FRESH = 16 if QUICK else 40  # removals of each size that the verdict does not see
BAR = 0.85  # of the rank correlation
DAMPING, ROUNDS = 0.01, 50  # of conjugate gradients
METHODS = ("influence", "TracIn", "dot", "CG", "TRAK")
PROJECTED = 16  # numbers of each factor of a layer's gradients
LARGE = "--large" in sys.argv
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


def conjugate_gradients(made, f):
    """Return each example's gradient times (H + damping)⁻¹ ∇f, over n: its change of f without it."""
    net, theta = made.plan.net, wg.Parameters(made.plan.net.sizes, made.theta.astype(np.float64))
    X, Y = made.data.X.astype(np.float64), made.data.Y.astype(np.float64)
    trace, s = backward(net, theta, forward(net, theta, X), Y), np.ones(len(X))

    def along(v):
        return hessian_times(net, theta, trace, Y, wg.Parameters(net.sizes, v), s)

    x, residual = np.zeros(len(made.theta)), f.slope(made.theta)
    way, squares = residual.copy(), float(residual @ residual)
    for _ in range(ROUNDS):
        product = along(way).product.flat + DAMPING * way
        bent = float(way @ product)
        if bent <= 0:  # the Hessian of a network is not positive everywhere
            break
        x = x + squares / bent * way
        residual = residual - squares / bent * product
        before, squares = squares, float(residual @ residual)
        way = residual + squares / before * way
    return along(x).slopes / len(X)


def trak(made, f, X_out, Y_out):
    """Return each example's change of f by projected gradients of margins, ridge-regressed."""
    net, theta = made.plan.net, wg.Parameters(made.plan.net.sizes, made.theta.astype(np.float64))

    def projected(X, Y):
        """Return gradients of the margin and ∂C by it, of every row."""
        rng = np.random.default_rng(0)  # the same projections for all
        trace = backward(net, theta, forward(net, theta, X.astype(np.float64)), Y)
        a = trace.a[net.L]
        by = a - Y if net.C.name == "squared_error" else (Y * a).sum(axis=1, keepdims=True) - 1
        by = np.where(np.abs(by) < 1e-12, 1e-12, by)
        found = []
        for l in range(1, net.L + 1):
            below = np.column_stack([trace.a[l - 1], np.ones(len(X))])
            left, right = trace.delta[l] / by, below
            left = left @ rng.normal(size=(left.shape[1], PROJECTED)) / np.sqrt(PROJECTED)
            right = right @ rng.normal(size=(right.shape[1], PROJECTED)) / np.sqrt(PROJECTED)
            found.append((left[:, :, None] * right[:, None, :]).reshape(len(X), -1))
        return np.concatenate(found, axis=1), by[:, 0]

    phi, by = projected(made.data.X, made.data.Y.astype(np.float64))
    of_f, by_out = projected(X_out, f.Y)
    gram = phi.T @ phi
    gram += 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return by * (phi @ np.linalg.solve(gram, (by_out[:, None] * of_f).mean(axis=0)))


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
        others = {
            "influence": -found.by_example[0],
            "TracIn": -pushes,
            "dot": dot(made, f),
            "CG": conjugate_gradients(made, f),
            "TRAK": trak(made, f, X_out, Y_out),
        }
    by_size, trusted = {}, 0
    for size in sizes_of(N):
        probes, fresh = drawn(np.arange(N), size, 0), []
        while len(fresh) < FRESH:
            fresh += drawn(np.arange(N), size, 1 + len(fresh))[: FRESH - len(fresh)]
        thetas = trained_without(made, [*probes, *fresh])
        true = changes_of(f, made, thetas)
        computed = {
            name: np.array([one[some].sum() for some in [*probes, *fresh]])
            for name, one in others.items()
        }
        for m, *_ in STAGES:
            judged = Removals(size, computed["influence"][:m], true[:m], turned(made, thetas[:m]))
            if judged.settled is not None:
                break
        fits = judged.settled and bool(found.growth[0] <= GROWTH)
        trusted = trusted or (size if fits else 0)
        rest = slice(len(probes), None)
        off = np.abs(computed["influence"][rest] - true[rest])
        by_size[size] = {
            "trusted": fits,
            "covered": float((off <= judged.error).mean()),
            "order": judged.order,
            "turned": judged.turned,
            "removals": len(judged.true),
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
        f"{f'{size} out':>9}{'TracIn':>8}{'dot':>7}{'CG':>7}{'TRAK':>7}{'± covers':>9}"
        for size in sizes_of(N)
    )
    print(head)
    results = {}
    if LARGE:
        found = measure("mnist", (100,), "tanh", wg.SGD(0.1))
        for size, one in found["by_size"].items():
            ours = {name: round(one[name], 3) for name in METHODS}
            print(f"{size} out: {ours}, ± covers {one['covered']:.0%}, trusted {one['trusted']}")
        print(f"growth {found['growth']:.3g}, walk {found['times a training']:.2f} trainings")
        return
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
                    line += f"{one['CG']:>7.2f}{one['TRAK']:>7.2f}"
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
