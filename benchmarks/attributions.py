"""How long the parts of one prediction take beside 100 baselines, of networks as people train them.

    python benchmarks/attributions.py

First the parts of every baseline are held against the outputs of whole passes: they sum to the difference
within 1e-12 of their sizes. Then the processor time of one thread is printed, the least of three, with how
many gradients were taken. An ensemble has eight members, of which the mean is explained.
"""

import sys
import time
from typing import Any

import numpy as np

import whygrad as wg
from whygrad.cores import one_thread
from whygrad.nn.functions import ACTIVATIONS
from whygrad.why.prediction.attribution import integrated_gradients

BASELINES = 100
TOLERANCE = 1e-12  # of the sum of a line's parts in size

# name: sizes, hidden activation, members, what is explained
CASES = {
    "images": ((784, 100, 10), "relu", 1, "z"),
    "images, probability": ((784, 100, 10), "relu", 1, "a"),
    "images, tanh": ((784, 100, 10), "tanh", 1, "z"),
    "table": ((20, 256, 256, 1), "relu", 1, "z"),
    "table, SiLU": ((20, 256, 256, 1), "silu", 1, "z"),
    "table, SELU": ((20, 256, 256, 1), "selu", 1, "z"),
    "table, eight": ((20, 256, 256, 1), "relu", 8, "z"),
    "table, eight, SiLU": ((20, 256, 256, 1), "silu", 8, "z"),
}


def networks(sizes: tuple[int, ...], hidden: str, count: int) -> list[Any]:
    """Return networks with their start values, and biases as large as weights have made activations."""
    output, cost = ("identity", "squared_error") if sizes[-1] == 1 else ("softmax", "cross_entropy")
    layers = [*(wg.Dense(n, hidden) for n in sizes[1:-1]), wg.Dense(sizes[-1], output)]
    net = wg.Network(sizes[0], layers, cost)
    found = []
    for seed in range(count):
        theta, rng = net.init(seed=seed), np.random.default_rng(seed)
        for b in theta.b[1:]:
            b[:] = 0.3 * rng.normal(size=len(b))
        found.append((net, theta))
    return found


def main() -> None:
    print(f"{'':22}{'gradients':>12}{'seconds':>10}")
    for name, (sizes, hidden, count, at) in CASES.items():
        members, rng = networks(sizes, hidden, count), np.random.default_rng(0)
        x, baselines = rng.normal(size=sizes[0]), rng.normal(size=(BASELINES, sizes[0]))
        net = members[0][0]
        last = ACTIVATIONS["identity"] if at == "z" else net.f[net.L]
        taken = []
        with one_thread(numpy=True):
            for _ in range(3):
                start = time.process_time()
                found = integrated_gradients(members, x, baselines, 0, last)
                taken.append(time.process_time() - start)
        X = np.concatenate([x[None], baselines])
        z = sum(wg.forward(one, theta, X).z[-1] for one, theta in members) / count
        out = last.value(z)[:, 0]
        missed = np.abs(found.each.sum(axis=1) - (out[0] - out[1:]))
        if not (missed <= TOLERANCE * np.abs(found.each).sum(axis=1)).all():
            sys.exit(f"{name}: parts do not sum to the difference, {missed.max():.1e} are left")
        print(f"{name:22}{found.gradients:12,}{min(taken):10.3f}")


if __name__ == "__main__":
    main()
