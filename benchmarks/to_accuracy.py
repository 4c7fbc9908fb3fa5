"""MNIST until 95, 97 and 98% of the test images are right: who is there first, over five seeds.

    python benchmarks/to_accuracy.py [--goals 95,97,98] [--seeds 5] [--contestants whygrad,JAX,…]

Every contestant has the settings below to choose from; one seed that does not count finds which of them,
and which number of threads, takes it there first. After every tenth of an epoch the test images are
predicted, outside of the clock. All have taken some steps before the clock starts, so that compiling is not
counted. One that is not there after --patience seconds has missed the goal.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import supplied  # noqa: E402
from contestants import CONTESTANTS, Case  # noqa: E402
from keeping import keep, kept  # noqa: E402
from steps import SETTINGS, allow  # noqa: E402

import whygrad as wg  # noqa: E402

# For each goal the settings to choose from; what is best may differ between contestants.
CASES = {
    95: [
        Case("95", (784, 64, 10), "relu", 32, "adam", 0.003, "zeros"),
        Case("95", (784, 128, 10), "relu", 64, "sgd", 0.3, "zeros"),
    ],
    97: [
        Case("97", (784, 128, 10), "relu", 64, "adam", 0.002, "zeros"),
        Case("97", (784, 256, 10), "relu", 128, "adam", 0.002, "zeros"),
        Case("97", (784, 128, 10), "relu", 32, "sgd", 0.3, "zeros"),
    ],
    98: [
        Case("98", (784, 512, 10), "relu", 128, "adam", 0.001, "zeros"),
        Case("98", (784, 256, 256, 10), "relu", 128, "adam", 0.001, "zeros"),
        Case("98", (784, 512, 10), "relu", 64, "sgd", 0.3, "zeros"),
    ],
}
NAMES = ("whygrad", "NumPy", "scikit-learn", "PyTorch eager", "PyTorch by hand", "JAX")
NEEDS = {"PyTorch eager": "torch", "PyTorch by hand": "torch", "JAX": "jax"}


def race(
    pipe: Any, name: str, goal: int, index: int, seed: int, setting: str, patience: float
) -> None:
    """Send the seconds of training until the goal is passed, or None, in a process of its own."""
    threads, pinned = SETTINGS[setting]
    if pinned:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import threadpoolctl

    data, case = supplied.mnist(), CASES[goal][index]
    X = np.ascontiguousarray(data.X, np.float32)
    Y = np.eye(10, dtype=np.float32)[data.y]
    if name != "whygrad":
        threadpoolctl.threadpool_limits(threads)
    theta = case.net.init(seed=seed, dtype=np.float32).flat

    def build() -> Any:
        return CONTESTANTS[name](case, theta, X, Y)

    # Tenths of an epoch, of equal length, so that JAX compiles once.
    steps = len(X) // case.batch // 10
    draws = np.random.default_rng(seed)
    own_order = name == "whygrad"  # which shuffles by itself
    build().epoch(None, steps)
    runner, seconds = build(), 0.0
    X_test = np.ascontiguousarray(data.X_test, np.float32)
    while seconds < patience:
        began = time.perf_counter()
        order = None if own_order else draws.permutation(len(X)).astype(np.int32)
        seconds += time.perf_counter() - began
        for tenth in range(10):
            part = None if order is None else np.roll(order, -tenth * steps * case.batch)
            began = time.perf_counter()
            runner.epoch(part, steps)
            seconds += time.perf_counter() - began
            fitted = wg.Fitted(
                case.net, wg.Parameters(case.sizes, np.asarray(runner.theta, np.float32))
            )
            right = (fitted.predict(X_test).argmax(axis=1) == data.y_test).mean()
            if right >= goal / 100:
                pipe.send(seconds)
                return
    pipe.send(None)


def run(*arguments: Any, setting: str) -> float | None:
    allow(SETTINGS[setting][0])
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    name, goal, index, seed, patience = arguments
    process = context.Process(target=race, args=(other, name, goal, index, seed, setting, patience))
    process.start()
    other.close()
    try:
        return pipe.recv()
    finally:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--goals", default="95,97,98")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--contestants", default=",".join(NAMES))
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--trial", action="store_true", help="only try whether it runs")
    options = parser.parse_args()
    supplied.mnist()  # it may be missing: said before anything is measured
    if options.trial:
        options.goals, options.seeds, options.patience = "95", 1, 5.0
    names = [n for n in options.contestants.split(",") if n not in NEEDS or find_spec(NEEDS[n])]
    for goal in map(int, options.goals.split(",")):
        for name in names:
            # One seed finds the best setting and number of threads, the others count with it.
            tries = {}
            for index in range(len(CASES[goal])):
                for at in SETTINGS if name != "whygrad" else ("2 threads",):
                    patience = min([options.patience, *tries.values()])  # no longer than the best
                    seconds = run(name, goal, index, 100, patience, setting=at)
                    if seconds is not None:
                        tries[index, at] = seconds
            if not tries:
                print(f"{goal}%  {name:18} not within {options.patience:.0f} s", flush=True)
                save({"goal": goal, "contestant": name, "median": None}, options.trial)
                continue
            index, at = min(tries, key=tries.__getitem__)
            times = [
                run(name, goal, index, seed, options.patience, setting=at)
                for seed in range(options.seeds)
            ]
            reached = [t for t in times if t is not None]
            median = statistics.median(t if t is not None else float("inf") for t in times)
            case = CASES[goal][index]
            setting = f"{'-'.join(map(str, case.sizes))} {case.optimizer} {case.batch}, {at}"
            row = {
                "goal": goal,
                "contestant": name,
                "median": median,
                "all": times,
                "setting": setting,
            }
            save(row, options.trial)
            print(f"{goal}%  {name:18}{median:8.2f} s  {len(reached)} of {options.seeds}  {setting}",
                  flush=True)  # fmt: skip


def save(row: dict[str, Any], trial: bool) -> None:
    """Write a row to results/to_accuracy.json; those of others and of other goals that stand there stay."""
    rows = {(other["goal"], other["contestant"]): other for other in kept("to_accuracy", [])}
    rows[row["goal"], row["contestant"]] = row
    order = sorted(rows, key=lambda key: (key[0], NAMES.index(key[1])))
    keep("to_accuracy", [rows[key] for key in order], trial)


if __name__ == "__main__":
    main()
