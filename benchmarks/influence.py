"""Influence against true retraining: does what is computed come true, and does the verdict know?

Each run is trained again, with the same start and order, without single examples, 1% and 10% of them,
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
Cases are kept as they are done; another call goes on with the rest. `benchmarks/verdict.py` is how the
bounds of the verdict were chosen, on other trainings.

    python benchmarks/influence.py [--quick | --anew | --cost]      (needs $WHYGRAD_DATA)

With --cost the walk back is timed instead, beside the training of the same process, by processor time:
where the training ran in this process, and where its states have to be met first, as of an opened run.
"""

import json
import sys
import time
from dataclasses import replace

import numpy as np
import supplied
from keeping import keep, kept
from scipy.stats import spearmanr

import whygrad as wg
from whygrad.cores import one_thread
from whygrad.engines import Probes
from whygrad.nn.arrays import as_data
from whygrad.nn.backprop import backward, forward
from whygrad.nn.hessian import hessian_times
from whygrad.plan.plan import Plan, start
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

QUICK, ANEW, COST = (option in sys.argv for option in ("--quick", "--anew", "--cost"))
N, HELD_OUT, EPOCHS, BATCH = (500, 250, 2, 50) if QUICK else (2000, 1000, 5, 50)
FRESH = 8 if QUICK else 40  # removals of each size that the verdict does not see
BAR = 0.85  # of the rank correlation
DAMPING, ROUNDS = 0.01, 50  # of conjugate gradients
METHODS = ("influence", "TracIn", "dot", "CG", "TRAK")
PROJECTED = 16  # numbers of each factor of a layer's gradients
NETWORKS = {"mnist 32": (32,), "california": (32, 16), "mnist 100": (100,)}
ACTIVATIONS = ("tanh", "gelu", "relu")
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
TIMED, TIMED_ROWS, WALKS, FURTHER = ("sgd", "momentum", "adam"), 10000, 5, 8
OPENED = 16  # epochs of the training whose states are met once more


def rows(name, n=N):
    """Return n training rows and `HELD_OUT` others, X and Y of each."""
    if name == "mnist":
        found = supplied.mnist()
        X, Y = found.X.reshape(len(found.X), -1).astype(np.float64), found.y.astype(int)
    else:
        table = np.genfromtxt(supplied.california(), delimiter=",", skip_header=1, usecols=range(9))
        table = table[np.isfinite(table).all(axis=1)]
        X, Y = table[:, :8], table[:, 8:]
    chosen = np.random.default_rng(0).permutation(len(X))[: n + HELD_OUT]
    X, Y = X[chosen], Y[chosen]
    if name != "mnist":
        X, Y = ((each - each[:n].mean(axis=0)) / each[:n].std(axis=0) for each in (X, Y))
    return X[:n], Y[:n], X[n:], Y[n:]


def trained(data, hidden, f_name, rule, n=N, epochs=EPOCHS, batch=BATCH):
    """Train a network; return the trajectory, the cost of the held-out rows, and these."""
    X, Y, *out = rows(data, n)
    last = wg.Dense(10, "softmax") if data == "mnist" else wg.Dense(1, "identity")
    cost = "cross_entropy" if data == "mnist" else "squared_error"
    net = wg.Network(X.shape[1], [*(wg.Dense(units, f_name) for units in hidden), last], cost)
    plan = Plan(net, rule, n, epochs=epochs, batch_size=batch, dtype="float32")
    made = trajectory(plan, start(plan), as_data(net, X, Y, None, "float32"))
    return made, functional(net, made.names, made.theta, *out, None, "cost"), out


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


def judged_by_size(made, f, growth, methods, fresh=FRESH):
    """Train without random examples: what the verdict says of each size, and what fresh ones say of it."""
    counted, by_size = np.arange(made.plan.n), {}
    for size in sizes_of(made.plan.n):
        probes, others = drawn(counted, size, 0), []
        while len(others) < fresh:
            others += drawn(counted, size, 1 + len(others))[: fresh - len(others)]
        thetas = trained_without(made, [*probes, *others])
        true = changes_of(f, made, thetas)
        computed = {
            name: np.array([one[some].sum() for some in [*probes, *others]])
            for name, one in methods.items()
        }
        for m, *_ in STAGES:
            judged = Removals(size, computed["influence"][:m], true[:m], turned(made, thetas[:m]))
            if judged.settled is not None:
                break
        rest = slice(len(probes), None)
        off = np.abs(computed["influence"][rest] - true[rest])
        by_size[size] = {
            "trusted": bool(judged.settled) and bool(growth <= GROWTH),
            "covered": float((off <= judged.error).mean()),
            "order": judged.order,
            "turned": judged.turned,
            "removals": len(judged.true),
            **{name: float(spearmanr(one[rest], true[rest])[0]) for name, one in computed.items()},
        }
    return by_size


def measure(data, hidden, f_name, rule):
    """Train a network, and return what was computed and what came true."""
    made, f, out = trained(data, hidden, f_name, rule)
    found = adjoint(made, f.slope(made.theta)[None])
    with one_thread(numpy=True):
        methods = {
            "influence": -found.by_example[0],
            "TracIn": -influence(made, out[0], y=out[1], method="tracin")["by_example"],
            "dot": dot(made, f),
            "CG": conjugate_gradients(made, f),
            "TRAK": trak(made, f, *out),
        }
        by_size = judged_by_size(made, f, found.growth[0], methods)
    trusted = next((size for size, one in by_size.items() if one["trusted"]), 0)
    return {"growth": float(found.growth[0]), "trusted": trusted, "by_size": by_size}


def summary(cases):
    """Return how often the verdict was right, and what the runs that it trusts reach."""
    trusting = {name: one for name, one in cases.items() if one["trusted"]}
    refused = [one for one in cases.values() if not one["trusted"]]
    chosen = [one["by_size"][str(one["trusted"])] for one in trusting.values()]
    reached = [one["influence"] for one in chosen]
    most = [max(each["influence"] for each in one["by_size"].values()) for one in refused]
    medians = {
        f"median of {name}, {size} out, trusted": float(
            np.median([one["by_size"][size][name] for one in trusting.values()])
        )
        for size in map(str, sizes_of(N))
        for name in METHODS
    }
    relu = [
        one["by_size"][str(sizes_of(N)[-1])]["influence"]
        for name, one in cases.items()
        if "relu" in name and "wild" not in name
    ]
    return {
        "runs": len(cases),
        "runs trusted": len(trusting),
        "of those reach 0.85 at the size trusted": float(np.mean(np.array(reached) >= BAR)),
        "least of those": min(reached),
        "runs refused": len(refused),
        "of those would have, at some size": float(np.mean(np.array(most) >= BAR)),
        "± covers": float(np.mean([one["covered"] for one in chosen])),
        "fresh removals": FRESH * len(chosen),
        "median of calm ReLU, 10% out": float(np.median(relu)),
        **medians,
    }


def seconds(call, times):
    """Return the least processor time of so many calls."""
    found = []
    for _ in range(times):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def once_more(made):
    """Return the least processor time of the training."""
    per_epoch = made.plan.steps_per_epoch
    return seconds(lambda: [None for _ in made.steps(Probes(), per_epoch)], 3 * WALKS)


def cost(hidden, rule):
    """Return how many trainings the walk takes on MNIST: one number, each further one, an opened run."""
    made, f, _ = trained("mnist", hidden, "tanh", rule, TIMED_ROWS, 2, 32)
    slope = f.slope(made.theta)
    slopes = np.array([np.roll(slope, i) for i in range(FURTHER)])
    adjoint(made, slopes)  # compiled, and its memory there
    training = once_more(made)
    one, many = (seconds(lambda K=K: adjoint(made, slopes[:K]), WALKS) for K in (1, FURTHER))
    made, f, _ = trained("mnist", hidden, "tanh", rule, TIMED_ROWS, OPENED, 32)
    slopes = f.slope(made.theta)[None]
    opened = seconds(lambda: adjoint(replace(made, known=[]), slopes), WALKS)
    return {
        "one": one / training,
        "further": (many - one) / (FURTHER - 1) / training,
        "opened": opened / once_more(made),
    }


def line(case, found):
    """Return a case as a line of the table."""
    text = f"{case:<34}{found['growth']:>9.3g}{found['trusted'] or '–':>8}"
    for one in found["by_size"].values():
        text += f"{one['influence']:>9.2f}" + "".join(f"{one[name]:>7.2f}" for name in METHODS[1:])
        text += f"{one['covered']:>9.0%}"
    return text


def main():
    supplied.mnist(), supplied.california()  # they may be missing: said before anything is measured
    before = {} if QUICK else kept("influence", {})
    cases = {} if ANEW else before.get("cases", {})
    figures = before | {"quick": QUICK, "cases": cases}
    if COST:
        figures["cost"] = {}
        for name in ("mnist 32", "mnist 100"):
            for rule in TIMED:
                found = figures["cost"][f"{name}, {rule}"] = cost(
                    NETWORKS[name], RULES["mnist"][rule]
                )
                print(
                    f"{name}, {rule}: {found['one']:.2f} trainings, {found['further']:.2f} more; of "
                    f"an opened run {found['opened']:.2f}",
                    flush=True,
                )
        keep("influence", figures, QUICK)
        return
    heads = (
        f"{f'{size} out':>9}{'TracIn':>7}{'dot':>7}{'CG':>7}{'TRAK':>7}{'± covers':>9}"
        for size in sizes_of(N)
    )
    print(f"{'':<34}{'growth':>9}{'trusts':>8}", *heads, sep="")
    for network, hidden in NETWORKS.items():
        data = network.split()[0]
        for f_name in ACTIVATIONS:
            for rule_name, rule in RULES[data].items():
                case = f"{network}, {f_name}, {rule_name}"
                if case not in cases:
                    # Through JSON, as what was found before.
                    cases[case] = json.loads(json.dumps(measure(data, hidden, f_name, rule)))
                    keep("influence", figures, QUICK)
                print(line(case, cases[case]), flush=True)
    figures["summary"] = summary(cases)
    print(*(f"{name}: {value:.3g}" for name, value in figures["summary"].items()), sep="\n")
    keep("influence", figures, QUICK)


if __name__ == "__main__":
    main()
