"""Several trainings of small networks: `train_many`, side by side, beside `train`, one after the other.

    python benchmarks/many.py [--trainings 8] [--repeats 5] [--cores 2] [--trial]

Both have the same cores. Every network of one must have the bits of the other's before anything is timed;
the two then take turns, and medians count.
"""

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np
from keeping import keep

import whygrad as wg

# Name: layers, examples, batch, epochs, optimizer, dtype.
CASES: dict[str, tuple[tuple[int, ...], int, int, int, Any, str]] = {
    "10-64-64-1": ((10, 64, 64, 1), 2000, 32, 20, wg.Adam(), "float32"),
    "20-100-2": ((20, 100, 2), 2000, 200, 60, wg.Adam(), "float32"),
    "8-32-32-32-32-1": (
        (8, 32, 32, 32, 32, 1),
        2000,
        32,
        20,
        wg.SGD(0.05, momentum=0.9),
        "float64",
    ),
    "64-100-10": ((64, 100, 10), 1797, 200, 40, wg.Adam(), "float64"),
    "784-30-10": ((784, 30, 10), 10_000, 10, 3, wg.SGD(0.1), "float32"),
}


def common(
    sizes: tuple[int, ...], n: int, batch: int, epochs: int, optimizer: Any, dtype: str
) -> Any:
    """Return what the trainings of a case have in common."""
    rng = np.random.default_rng(0)
    X = rng.random((n, sizes[0])).astype(dtype)
    hidden = [wg.Dense(units, "relu") for units in sizes[1:-1]]
    if sizes[-1] == 1:
        Y: Any = X[:, :3].sum(axis=1)
        net = wg.Network(sizes[0], [*hidden, wg.Dense(1, "identity")])
    else:
        Y = rng.integers(0, sizes[-1], n)
        net = wg.Network(sizes[0], [*hidden, wg.Dense(sizes[-1], "softmax")], "cross_entropy")
    return {
        "net": net, "X": X, "Y": Y, "batch_size": batch, "epochs": epochs, "optimizer": optimizer,
        "dtype": dtype,
    }  # fmt: skip


def measure(name: str, trainings: int, repeats: int, cores: int | None) -> dict[str, Any]:
    given = common(*CASES[name])
    seeds = [{"seed": seed} for seed in range(trainings)]
    rest = {key: value for key, value in given.items() if key not in ("net", "X", "Y")}

    def one_by_one() -> list[wg.Fitted]:
        return [wg.train(given["net"], given["X"], given["Y"], **one, **rest) for one in seeds]

    def side_by_side() -> list[wg.Fitted]:
        return wg.train_many(seeds, cores=cores, **given)

    for one, other in zip(one_by_one(), side_by_side(), strict=True):
        if one.theta.flat.tobytes() != other.theta.flat.tobytes() or one.history != other.history:
            sys.exit(f"{name}: side by side is not what one by one is")
    times: dict[str, list[float]] = {"one by one": [], "side by side": []}
    for _ in range(repeats):
        for how, run in (("one by one", one_by_one), ("side by side", side_by_side)):
            began = time.perf_counter()
            run()
            times[how].append(time.perf_counter() - began)
    medians = {how: statistics.median(values) for how, values in times.items()}
    ratio = statistics.median(
        one / other for one, other in zip(times["one by one"], times["side by side"], strict=True)
    )
    return {"case": name, "trainings": trainings, **medians, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", type=int)
    parser.add_argument("--trial", action="store_true", help="write no figures")
    options = parser.parse_args()
    found = []
    for name in CASES:
        row = measure(name, options.trainings, options.repeats, options.cores)
        found.append(row)
        print(
            f"{name:18} {row['trainings']} trainings: {row['one by one']:.3f} s one by one, "
            f"{row['side by side']:.3f} s side by side, {row['ratio']:.2f} ×",
            flush=True,
        )
    keep("many", found, options.trial)


if __name__ == "__main__":
    main()
