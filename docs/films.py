"""Ten trainings, each small and seeded, and what is seen in them: `docs/films.md` films them.

    python docs/films.py FOLDER      writes all films there

Each function trains, recorded at a path, and returns the run and a paragraph whose numbers are those of the
run. `tests/test_films.py` holds each to its claim.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_blobs

import whygrad as wg


@dataclass(frozen=True)
class Film:
    """A recorded training, what is seen in it, and the numbers that the paragraph is written with."""

    run: Any
    said: str
    numbers: dict[str, Any]


def xor(path: Path) -> Film:
    """Learn exclusive or, the smallest problem that needs a hidden layer."""
    X = np.array(list(product([0.0, 1.0], repeat=2)))
    Y = X[:, 0] != X[:, 1]
    run = _train(path, X, Y, [wg.Dense(4, "tanh")], wg.SGD(1.0), epochs=200, batch_size=4)
    right = int(((run.fitted.predict(X)[:, 0] > 0.5) == Y).sum())
    first, last = run.history.cost[0], run.history.cost[-1]
    said = (
        f"No single line parts the four points; four hidden units do, after {run.step} steps: "
        f"{right} of 4 are right, and the cost falls from {first:.2f} to {last:.3f}. Stop early and "
        "click a weight: its gradient is a sum over the two ways in which the units disagree."
    )
    return Film(run, said, {"right": right, "first": first, "last": last})


def spirals(path: Path) -> Film:
    """Learn two spirals: the plane bends step by step."""
    X, Y = _two_spirals()
    layers = [wg.Dense(12, "tanh"), wg.Dense(8, "tanh")]
    run = _train(path, X, Y, layers, wg.Adam(0.02), epochs=300, batch_size=25)
    right = _accuracy(run.fitted, X, Y)
    said = (
        f"{len(X)} points on two spirals. The units of the first layer are straight edges, those of "
        f"the second are shapes, and the output is the spiral: {right:.0%} of the points are right "
        "at the end. Hold the pointer over a unit to see its own map."
    )
    return Film(run, said, {"right": right})


def digits(path: Path) -> Film:
    """Learn handwritten digits: weights become images of strokes."""
    X, y = load_digits(return_X_y=True)
    X, test, held, true = X[:1400] / 16, X[1400:] / 16, y[:1400], y[1400:]
    net = wg.Network((8, 8), [wg.Dense(30, "relu"), wg.Dense(10, "softmax")], cost="cross_entropy")
    wg.train(net, X, held, optimizer=wg.Adam(0.005), epochs=12, batch_size=50, seed=0,
             validation=(test, true), record=path, overwrite=True)  # fmt: skip
    run = wg.open_run(path)
    at_first, right = run.history.validation_score[0], run.history.validation_score[-1]
    said = (
        f"Each hidden unit wears its weights as an image. After the first epoch {at_first:.0%} of "
        f"the {len(test)} digits that it has not seen are read; after the twelfth {right:.0%}. The "
        "examples it gets most wrong are the first to look at."
    )
    return Film(run, said, {"first": at_first, "right": right})


def vanishing(path: Path) -> Film:
    """Train six sigmoid layers by gradient descent: the first hardly moves."""
    X, Y = _two_spirals()
    layers = [wg.Dense(8, "sigmoid", init="glorot_uniform") for _ in range(6)]
    run = _train(path, X, Y, layers, wg.SGD(0.1), epochs=60, batch_size=25)
    grads = _gradients(run, X, Y)
    first, last = (float(np.linalg.norm(grads.dW[l])) for l in (1, run.net.L))
    said = (
        "Each layer passes back at most a quarter of what it gets, since sigmoid is nowhere "
        f"steeper. At the end the gradient of the first layer is {last / first:,.0f} times smaller "
        "than that of the last: switch the width of the lines to the whole network, and the left "
        "side is empty."
    )
    return Film(run, said, {"ratio": last / first})


def dead_relu(path: Path) -> Film:
    """Take a few steps that are too long with ReLU: units die, and no gradient brings them back."""
    X, Y = _two_spirals()
    run = _train(path, X, Y, [wg.Dense(12, "relu")], wg.Adam(1.0), epochs=30, batch_size=25, seed=1)
    before, after = (_dead(run, step, X) for step in (0, run.step))
    said = (
        f"With a rate of 1 Adam throws the biases far below zero. Of 12 ReLU units {before} are "
        f"silent on all {len(X)} points at the start, and {after} at the end: their slope is 0, so "
        "are their gradients, and they stay as they are."
    )
    return Film(run, said, {"before": before, "after": after})


def too_high_a_rate(path: Path) -> Film:
    """Take steps that are too long: the cost jumps from wall to wall."""
    X, Y = _two_spirals()
    layers = [wg.Dense(8, "tanh")]
    calm = _train(path, X, Y, layers, wg.SGD(0.3), epochs=60, batch_size=25)
    settled = calm.history.cost[-1]
    run = _train(path, X, Y, layers, wg.SGD(30.0), epochs=60, batch_size=25)
    first, last = run.history.cost[0], run.history.cost[-1]
    said = (
        "The rate is 30, a hundred times what is good here. Every step overshoots: after 60 epochs "
        f"the cost is {last:.3g}, where a rate of 0.3 ends at {settled:.3g} from the same weights."
    )
    return Film(run, said, {"first": first, "last": last, "settled": settled})


def overfitting(path: Path) -> Film:
    """Give a large network few noisy points: it learns the noise by heart."""
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (120, 2))
    Y = X[:, 0] + X[:, 1] + rng.normal(0, 0.6, 120) > 0
    layers = [wg.Dense(40, "tanh"), wg.Dense(20, "tanh")]
    given = {"epochs": 150, "batch_size": 10, "validation": (X[40:], Y[40:].astype(float))}
    run = _train(path, X[:40], Y[:40], layers, wg.Adam(0.003), **given)
    held = run.history.validation_cost
    best = int(np.argmin(held))
    said = (
        f"40 noisy points, and {run.theta.flat.size:,} weights and biases. The training cost "
        f"falls to {run.history.cost[-1]:.3f}, but on 80 points held out the cost is least in epoch "
        f"{best + 1} ({held[best]:.2f}) and {held[-1]:.2f} at the end: from there on it learns "
        "which points, not which side."
    )
    return Film(
        run,
        said,
        {"best": best, "least": held[best], "last": held[-1], "training": run.history.cost[-1]},
    )


def symmetry(path: Path) -> Film:
    """Find the mirror with two hidden units, as in 1986."""
    X = np.array(list(product([0.0, 1.0], repeat=6)))
    Y = (X[:, :3] == X[:, :2:-1]).all(axis=1)
    start = {"init": wg.Uniform(-0.3, 0.3), "bias_init": wg.Uniform(-0.3, 0.3)}
    net = wg.Network(6, [wg.Dense(2, "sigmoid", **start), wg.Dense(1, "sigmoid", **start)])
    # The paper's error is summed over all 64 patterns: the mean's rate is 64 times as large.
    wg.train(net, X, Y.astype(float), optimizer=wg.SGD(0.1 * 64, momentum=0.9), epochs=2500, batch_size=64,
             seed=SYMMETRY, record=path, overwrite=True)  # fmt: skip
    run = wg.open_run(path)
    W = run.theta.W[1]
    right = int(((run.fitted.predict(X)[:, 0] > 0.5) == Y).sum())
    left, mirrored = W[:, :3], W[:, :2:-1]
    apart = float((np.abs(left + mirrored).max(axis=1) / np.abs(W).max(axis=1)).max())
    ratio = np.sort(np.abs(left) / np.abs(left).min(axis=1, keepdims=True), axis=1).mean(axis=0)
    said = (
        "Is a row of six bits its own mirror image? Rumelhart, Hinton and Williams showed in 1986 "
        f"that two hidden units are enough. Here {right} of 64 rows are right after {run.step:,} "
        f"sweeps; weights on both sides of the middle are equal and opposite to within {apart:.1%}, "
        f"in the ratio 1 : {ratio[1]:.1f} : {ratio[2]:.1f}, the paper's 1 : 2 : 4."
    )
    return Film(run, said, {"right": right, "apart": apart, "ratio": ratio})


def wrong_label(path: Path) -> Film:
    """Turn one label over, and find it by what the network makes of it."""
    X, y = make_blobs(120, centers=[(-1.5, 0.0), (1.5, 0.0)], cluster_std=0.6, random_state=4)
    X, Y = X.astype(float), y.astype(bool)
    wrong = 17
    Y[wrong] = not Y[wrong]
    run = _train(path, X, Y, [wg.Dense(6, "tanh")], wg.Adam(0.02), epochs=40, batch_size=20)
    answer = run.why.labels(top=3)
    found = int(answer.tables[0].rows[0][0])
    said = (
        f"One of {len(X)} labels was turned over, that of example {wrong}. It lies deep within the "
        f"other class, and `run.why.labels()` puts example {found} first. The film opens on it: its "
        "error is the largest."
    )
    return Film(run, said, {"wrong": wrong, "found": found, "answer": answer})


def table(path: Path) -> Film:
    """Learn from a table: columns with names, classes with names."""
    command = [
        sys.executable,
        "-m",
        "whygrad",
        "train",
        "iris",
        "--hidden",
        "6",
        "--epochs",
        "100",
        "--learning-rate",
        "0.03",
    ]
    done = subprocess.run(
        [*command, "--run", str(path), "--overwrite"], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    run = wg.open_run(path)
    score = run.scores.score
    said = (
        "`whygrad train iris --hidden 6`: columns keep their names and classes theirs. Of "
        f"{run.scores.rows} flowers that it has not seen, {score:.0%} are named rightly. Click a "
        "unit to see which columns it listens to."
    )
    return Film(run, said, {"score": score})


SYMMETRY = 1  # a start from which it is solved, as most are
FILMS: dict[str, Callable[[Path], Film]] = {
    "xor": xor,
    "spirals": spirals,
    "digits": digits,
    "vanishing": vanishing,
    "dead_relu": dead_relu,
    "too_high_a_rate": too_high_a_rate,
    "overfitting": overfitting,
    "symmetry": symmetry,
    "wrong_label": wrong_label,
    "table": table,
}


def make(name: str, folder: Path, runs: Path) -> tuple[str, Path | None]:
    """Train and film; return the paragraph and the film's file, None where whygrad cannot film."""
    found = FILMS[name](runs / f"{name}.run")
    if not hasattr(wg, "film"):
        return found.said, None
    folder.mkdir(parents=True, exist_ok=True)
    wg.film(found.run, folder / f"{name}.html", overwrite=True)
    return found.said, folder / f"{name}.html"


def _train(path: Path, X: Any, Y: Any, hidden: list[Any], optimizer: Any, **given: Any) -> Any:
    """Train a network of these hidden layers to tell two classes apart, recorded."""
    net = wg.Network(X.shape[1], [*hidden, wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    given = {"seed": 0, "record": path, "overwrite": True} | given
    wg.train(net, X, np.asarray(Y, float), optimizer=optimizer, **given)
    return wg.open_run(path)


def _two_spirals() -> tuple[Any, Any]:
    """Return 200 points on two spirals, one and a quarter turns each."""
    t = np.sqrt(np.linspace(0.05, 1, 100))
    angle = 2.5 * np.pi * t
    arm = np.column_stack([t * np.cos(angle), t * np.sin(angle)])
    X = np.concatenate([arm, -arm]) + np.random.default_rng(0).normal(0, 0.02, (200, 2))
    return X, np.arange(200) >= 100


def _accuracy(fitted: Any, X: Any, Y: Any) -> float:
    return float(((fitted.predict(X)[:, 0] > 0.5) == Y).mean())


def _gradients(run: Any, X: Any, Y: Any) -> Any:
    y = np.asarray(Y, float)[:, None]
    trace = wg.backward(run.net, run.theta, wg.forward(run.net, run.theta, X), y)
    return wg.gradients(run.net, run.theta, trace)


def _dead(run: Any, step: int, X: Any) -> int:
    """Count the units of the first layer that no example makes active."""
    theta = wg.Parameters(run.net.sizes, run.state(step).theta)
    return int((wg.forward(run.net, theta, X).a[1] == 0).all(axis=0).sum())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for one in FILMS:
        print(one, *make(one, target, target / "runs"), sep="\n  ")
