"""How long an answer takes: every question about MNIST's 784-100-10, beside the pass that it reads.

    python benchmarks/explanations.py [--repeats 20] [--rows 1000]

First every answer is held against whole passes forward and back, value and terms against each other. Then
all questions are asked in turn, of one example and of a batch, and the median is printed beside what was
promised for one example. MNIST is read from $WHYGRAD_DATA/mnist; without it random numbers of the same
shape and share of zeros serve. 784-512-512-512-10 has 2,621,440 paths from a weight of its first layer to
the cost.
"""

import argparse
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from keeping import keep  # noqa: E402
from steps import mnist  # noqa: E402

import whygrad as wg  # noqa: E402
from whygrad.answers.explanation import Explanation  # noqa: E402
from whygrad.why.context import ask  # noqa: E402
from whygrad.why.gradient.paths import explain_paths  # noqa: E402

SMALL, LARGE = (784, 100, 10), (784, 512, 512, 512, 10)
REF = {"layer": 1, "to": 17, "from_": 400}
TOLERANCE = 1e-12  # of the sum of |terms|


def network(sizes: tuple[int, ...], rows: int) -> tuple[wg.Network, wg.Parameters, Any, Any, str]:
    """Return a network trained for an epoch, in float64, and rows to ask about."""
    X, Y, what = mnist(max(rows, 10_000))
    hidden = [wg.Dense(units, "relu") for units in sizes[1:-1]]
    net = wg.Network((28, 28), [*hidden, wg.Dense(10, "softmax")], cost="cross_entropy")
    fitted = wg.train(net, X, Y, optimizer=wg.SGD(0.1), epochs=1, batch_size=32, seed=1)
    theta = wg.Parameters(net.sizes, fitted.theta.flat.astype(np.float64))
    return net, theta, X[:rows].astype(np.float64), Y[:rows].astype(np.float64), what


def questions(
    net: wg.Network, theta: wg.Parameters, X: Any, Y: Any
) -> dict[str, tuple[float, Callable[[], Any]]]:
    """Return the questions, with the milliseconds promised for one example."""
    given = (net, theta, X, Y)
    why = wg.why
    return {
        "weight": (10, lambda: why.weight(*given, **REF)),
        "pushes": (10, lambda: why.pushes(*given, layer=2)),
        "paths": (100, lambda: why.paths(*given, **REF)),
        "blame": (10, lambda: why.blame(*given)),
        "neuron": (10, lambda: why.neuron(*given, layer=1, unit=17)),
        "ripple": (100, lambda: why.ripple(*given, **REF, by=0.1)),
        "prediction": (100, lambda: why.prediction(net, theta, X[:1])),
    }


def make_sure(net: wg.Network, theta: wg.Parameters, X: Any, Y: Any) -> None:
    """Hold the answers against passes of the four equations; stop where they say something else."""
    trace = wg.backward(net, theta, wg.forward(net, theta, X), Y)
    dW = wg.gradients(net, theta, trace).dW
    given, l, j, k = (net, theta, X, Y), *REF.values()
    weight, paths = wg.why.weight(*given, **REF), wg.why.paths(*given, **REF, k=20)
    adds_up(weight, math.fsum(abs(term.value) for term in weight.terms))
    adds_up(paths, paths["size"])
    agree("weight", weight.value, dW[l][j, k])
    agree("paths", paths.value, dW[l][j, k])
    agree("pushes", wg.why.pushes(*given, layer=2).mean(axis=0), dW[2])
    agree("blame", wg.why.blame(*given)["delta"][l], trace.delta[l])
    adds_up(wg.why.prediction(net, theta, X[:1]))
    cost = wg.cost(net, theta, trace, Y)
    moved = theta.copy()
    moved.W[l][j, k] += 0.1
    after = wg.cost(net, moved, wg.forward(net, moved, X), Y)
    agree("ripple", wg.why.ripple(*given, **REF, by=0.1).value, after - cost, 1e-12)
    silent = theta.copy()
    silent.W[2][:, j] = 0
    without = wg.cost(net, silent, wg.forward(net, silent, X), Y)
    agree("neuron", wg.why.neuron(*given, layer=1, unit=j).value, without - cost, 1e-12)


def agree(what: str, ours: Any, theirs: Any, absolute: float = 0.0) -> None:
    gap, size = np.abs(np.asarray(ours) - theirs).max(), np.abs(theirs).max()
    if not gap <= 1e-12 * size + absolute:
        sys.exit(f"{what} says something else than the four equations: {gap:.1e} of {size:.1e}")


def adds_up(found: Explanation, scale: float | None = None) -> None:
    scale = scale or math.fsum(abs(term.value) for term in found.terms)
    if not abs(found.residuals["rounding"]) <= TOLERANCE * scale:
        sys.exit(f"{found.kind} does not add up: {found.residuals}")


def milliseconds(run: Callable[[], Any], repeats: int) -> list[float]:
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - began))
    return times


def measured(
    name: str, sizes: tuple[int, ...], n: int, times: list[float], limit: float | None
) -> dict[str, Any]:
    row = {
        "question": name,
        "sizes": "-".join(map(str, sizes)),
        "examples": n,
        "min_ms": min(times),
        "median_ms": statistics.median(times),
        "limit_ms": limit,
    }
    promised = "" if limit is None else f"{limit:10.0f}"
    kept = "" if limit is None else ("yes" if row["median_ms"] < limit else "NO")
    print(
        f"{name:26}{row['sizes']:22}{n:9,}{row['min_ms']:10.2f}{row['median_ms']:11.2f}"
        f"{promised:>10} {kept}",
        flush=True,
    )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    net, theta, X, Y, what = network(SMALL, options.rows)
    make_sure(net, theta, X, Y)
    make_sure(net, theta, X[:1], Y[:1])
    print(f"{what}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}")
    print(
        f"{'question':26}{'network':22}{'examples':>9}{'min ms':>10}{'median ms':>11}{'promised':>10}"
    )
    results = []
    for n in (1, options.rows):
        pass_ = milliseconds(lambda n=n: ask(net, theta, X[:n], Y[:n]).gradients, options.repeats)
        results.append(measured("a pass, with gradients", SMALL, n, pass_, None))
        for name, (limit, run) in questions(net, theta, X[:n], Y[:n]).items():
            if name == "prediction" and n > 1:
                continue
            times = milliseconds(run, options.repeats)
            results.append(measured(name, SMALL, n, times, limit if n == 1 else None))
    net, theta, X, Y, _ = network(LARGE, 1)
    asked = ask(net, theta, X, Y)
    ref = asked.names.weight(net, *REF.values())
    found = explain_paths(asked, ref)  # its gradients are part of the pass, and kept
    adds_up(found, found["size"])
    times = milliseconds(lambda: explain_paths(asked, ref), options.repeats)
    results.append(measured("paths, after the pass", LARGE, 1, times, 100))
    keep("explanations", results)


if __name__ == "__main__":
    main()
