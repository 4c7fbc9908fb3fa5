"""Wrong labels, and who is to blame for a cost: how well pushes and the ledger find them.

2,000 images of MNIST, 5% of the labels flipped, 784-30-10. Who is ranked by

    pushed       how much an example's steps raised the cost of clean validation images in all
    TracIn       the same by Pruthi et al. (2020): Σ over the ends of epochs of η ⟨∇C(validation), ∇C_x⟩
    ledger       how much it moved the bias of its own label's output: how hard training had to push for it
    cost         its own cost after training, the plain way

Printed are the area under the curve, precision at k (k = the number of flipped labels), and Spearman's rank
correlation of the estimates with the truth: what each of 120 examples changes in the cost of the validation
images when training goes again without it (`without`). No bar: what is measured.

    python benchmarks/flipped.py [sgd | momentum | adam]      (needs $WHYGRAD_DATA/mnist)
"""

import json
import sys

import numpy as np
import supplied
from keeping import keep
from scipy.stats import rankdata, spearmanr

import whygrad as wg
from whygrad.engines import Probes, WeightProbe
from whygrad.nn.arrays import as_data
from whygrad.nn.backprop import backward, example_costs, forward
from whygrad.plan.plan import Plan, start
from whygrad.why import influence, without
from whygrad.why.training_history.accounts import accounts
from whygrad.why.training_history.trajectory import trajectory

N, VALIDATION, FLIPPED, DELETED = 2000, 1000, 0.05, 120
RULES = {"sgd": wg.SGD(0.1), "momentum": wg.SGD(0.02, momentum=0.9), "adam": wg.Adam(0.001)}
EPOCHS, BATCH = 15, 10


def examples(seed):
    rng = np.random.default_rng(seed)
    found = supplied.mnist()
    rows = rng.permutation(len(found.X))[: N + VALIDATION]
    X, y = found.X.reshape(len(found.X), -1)[rows].astype(np.float64), found.y[rows].astype(int)
    wrong = np.zeros(N, bool)
    wrong[rng.choice(N, int(FLIPPED * N), replace=False)] = True
    y[:N][wrong] = (y[:N][wrong] + rng.integers(1, 10, wrong.sum())) % 10
    return X[:N], y[:N], X[N:], y[N:], wrong


def area_under_curve(scores, wrong):
    ranks = rankdata(scores)
    positive = wrong.sum()
    return (ranks[wrong].sum() - positive * (positive + 1) / 2) / (positive * (~wrong).sum())


def precision(scores, wrong):
    return wrong[np.argsort(-scores, kind="stable")[: wrong.sum()]].mean()


def tracin(made, X, Y):
    """Σ over the ends of epochs of η ⟨∇C(validation), ∇C_x⟩, as gradients per example say: plainly."""
    plan, net = made.plan, made.plan.net
    total = np.zeros(plan.n)
    for state, _ in made.advance(made.start.copy(), made.last, Probes(), plan.steps_per_epoch):
        theta = wg.Parameters(net.sizes, state.theta)
        out = backward(net, theta, forward(net, theta, X), Y)
        own = backward(net, theta, forward(net, theta, made.data.X), made.data.Y)
        for l in range(1, net.L + 1):
            mean = out.delta[l].T @ out.a[l - 1] / len(X)
            total += ((own.delta[l] @ mean) * own.a[l - 1]).sum(axis=1)
            total += own.delta[l] @ out.delta[l].mean(axis=0)
    # < 0: its steps lowered the cost
    return -plan.optimizer.learning_rate / plan.batch_size * total


def measure(name, seed=0):
    X, y, X_out, y_out, wrong = examples(seed)
    net = wg.Network(784, [wg.Dense(30, "sigmoid"), wg.Dense(10, "softmax")], "cross_entropy")
    data = as_data(net, X, y)
    Y_out = np.eye(10)[y_out]
    plan = Plan(net, RULES[name], N, epochs=EPOCHS, batch_size=BATCH, seed=seed)
    made = trajectory(plan, start(plan), data)
    biases = accounts(made, WeightProbe(2, (0, 10), (30, 31)))
    theta = wg.Parameters(net.sizes, made.theta)
    trace = forward(net, theta, X)
    outside = forward(net, theta, X_out)
    found = influence(made, X_out, y=Y_out, method="tracin")
    scores = {
        "pushed": found["by_example"],
        "TracIn": tracin(made, X_out, Y_out),
        "ledger": biases.by_example[np.arange(N), y, 0],
        "cost": example_costs(net, trace, data.Y),
    }
    results = {
        "rule": name,
        "seed": seed,
        "accuracy": float((outside.a[-1].argmax(axis=1) == y_out).mean()),
        "first_order_residual": found.residuals["first order"],
        "cost_went": [found.terms[0].value, found.value],
    }
    for which, score in scores.items():
        results[which] = {
            "area": float(area_under_curve(score, wrong)),
            "precision": float(precision(score, wrong)),
        }
    rng = np.random.default_rng(seed)
    half = DELETED // 3
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(wrong), half, False),
            rng.choice(np.flatnonzero(~wrong), 2 * half, False),
        ]
    )
    truth, thetas = [], []
    for i in chosen.tolist():
        told = without(made, i, X_out, y=Y_out)
        truth.append(-told.tables[0].rows[1][3])  # what its presence does
        thetas.append(told["theta"])
    for which in ("pushed", "TracIn"):
        results[which]["rank_correlation"] = float(spearmanr(scores[which][chosen], truth)[0])
        clean = ~wrong[chosen]
        results[which]["of_clean_ones"] = float(
            spearmanr(scores[which][chosen][clean], np.array(truth)[clean])[0]
        )
    results["deletions"] = len(chosen)
    results["single"] = singles(made, X_out, chosen, thetas)
    return results


def singles(made, X_out, chosen, thetas, count=5):
    """Rank correlation for single predictions: the output of the class predicted, by a and by z."""
    found = {"a": [], "z": []}
    net, theta = made.plan.net, wg.Parameters(made.plan.net.sizes, made.theta)
    before = forward(net, theta, X_out[:count])
    after = [forward(net, wg.Parameters(net.sizes, one), X_out[:count]) for one in thetas]
    for x in range(count):
        c = int(before.a[-1][x].argmax())
        for by in found:
            push = influence(made, X_out[x], by=by, method="tracin")["by_example"][chosen]
            change = [getattr(before, by)[-1][x, c] - getattr(t, by)[-1][x, c] for t in after]
            found[by].append(float(spearmanr(push, change)[0]))
    return {by: {"each": each, "mean": float(np.mean(each))} for by, each in found.items()}


def main():
    results = []
    for name in sys.argv[1:] or RULES:
        results.append(measure(name))
        print(json.dumps(results[-1], indent=1), flush=True)
    keep("flipped", results)


if __name__ == "__main__":
    main()
