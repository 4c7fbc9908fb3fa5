"""Steps with products in bfloat16 beside those in float32, and PyTorch's two ways to ask for them.

    python benchmarks/products.py [--rounds 7] [--seconds 0.3] [--trial]

All run in this process, on one core, in turn: whygrad in both; PyTorch eager and by hand, in float32 and
with `torch.set_float32_matmul_precision("medium")`; and eager under `torch.autocast` to bfloat16. First a
rounded step of whygrad's must end within 6% of one in float32: most of that are the z that rounding takes
across the kink of a relu. What counts is processor time, the least and the median of the rounds.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from contestants import Case, Native, PyTorch, PyTorchByHand
from keeping import keep

CASES = [
    Case("784-512-512-10, 128, SGD", (784, 512, 512, 10), "relu", 128, "sgd", 0.01),
    Case("784-512-512-10, 128, Adam", (784, 512, 512, 10), "relu", 128, "adam", 0.001),
    Case("784-2048-2048-10, 128, SGD", (784, 2048, 2048, 10), "relu", 128, "sgd", 0.01),
    Case("100-1024-512-10, 512, Adam", (100, 1024, 512, 10), "relu", 512, "adam", 0.001),
    Case("300-512-256-20, 256, Adam", (300, 512, 256, 20), "relu", 256, "adam", 0.001),
    Case("30-256-256-2, 256, Adam", (30, 256, 256, 2), "relu", 256, "adam", 0.001),
    Case("100-256-128-10, 64, Adam", (100, 256, 128, 10), "relu", 64, "adam", 0.001),
    Case("50-128-64-2, 32, Adam", (50, 128, 64, 2), "relu", 32, "adam", 0.001),
    Case("20-100-2, 200, Adam", (20, 100, 2), "relu", 200, "adam", 0.001),
    Case("10-64-64-1, 32, Adam", (10, 64, 64, 1), "relu", 32, "adam", 0.001),
]


def examples(case: Case, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random inputs, and the class of the largest of the first, or a sine of one."""
    X = np.random.default_rng(0).standard_normal((rows, case.sizes[0])).astype("float32")
    if case.output == "identity":
        return X, np.sin(X[:, :1])
    best = X[:, : case.sizes[-1]].argmax(axis=1)
    return X, np.eye(case.sizes[-1], dtype="float32")[best]


def contestants(case: Case, X: np.ndarray, Y: np.ndarray) -> dict[str, Callable[[int], None]]:
    """Return what runs some steps, by name."""
    import torch

    theta = case.net.init(seed=1, dtype="float32").flat
    eager, by_hand = PyTorch(case, theta, X, Y), PyTorchByHand(case, theta, X, Y)

    def at(precision: str, one: PyTorch) -> Callable[[int], None]:
        def epoch(steps: int) -> None:
            torch.set_float32_matmul_precision(precision)
            one.epoch(None, steps)
            torch.set_float32_matmul_precision("highest")

        return epoch

    def autocast(steps: int) -> None:
        plain = eager.cost
        eager.cost = _cast(plain)
        eager.epoch(None, steps)
        eager.cost = plain

    return {
        "whygrad": partial(Native(case, theta, X, Y).epoch, None),
        "whygrad, bfloat16": partial(
            Native(replace(case, products="bfloat16"), theta, X, Y).epoch, None
        ),
        "PyTorch eager": at("highest", eager),
        "PyTorch by hand": at("highest", by_hand),
        "PyTorch eager, medium": at("medium", eager),
        "PyTorch by hand, medium": at("medium", by_hand),
        "PyTorch eager, autocast": autocast,
    }


def _cast(cost: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    def cast(x: Any, y: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return cost(x, y)

    return cast


def check(case: Case, X: np.ndarray, Y: np.ndarray) -> float:
    """Return how far rounded steps end from plain ones, in parts of how far those went."""
    theta, found = case.net.init(seed=1, dtype="float32").flat, []
    for products in (None, "bfloat16"):
        one = Native(replace(case, products=products, optimizer="sgd"), theta, X, Y)
        one.epoch(np.arange(case.batch), 1)
        found.append(one.theta.copy())
    plain, rounded = found
    gap = float(np.linalg.norm(rounded - plain) / np.linalg.norm(plain - theta))
    assert 0 < gap < 0.06, f"{case.name}: rounded steps end {gap:.1%} away"
    return gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each contestant's turn")
    parser.add_argument("--trial", action="store_true")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures = {}
    for case in CASES:
        X, Y = examples(case, 20 * case.batch)
        gap, each = check(case, X, Y), contestants(case, X, Y)
        steps, times = {}, {name: [] for name in each}
        for name, epoch in each.items():
            epoch(2)
            began = time.process_time()
            epoch(2)
            steps[name] = max(1, min(20, int(given.seconds / (time.process_time() - began) * 2)))
        for _ in range(given.rounds):
            for name, epoch in each.items():
                passes = max(1, int(given.seconds / 0.3))
                began = time.process_time()
                for _ in range(passes):
                    epoch(steps[name])
                times[name].append((time.process_time() - began) / (passes * steps[name]) * 1e6)
        found = {name: (min(each), statistics.median(each)) for name, each in times.items()}
        figures[case.name] = {"gap": gap, "microseconds": found}
        print(f"{case.name}: rounded steps end {gap:.2%} away")
        for name, (least, median) in found.items():
            print(f"    {name:25} {least:9.1f} {median:9.1f} µs", flush=True)
    keep("products", figures, given.trial)


if __name__ == "__main__":
    main()
