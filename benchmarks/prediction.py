"""Prediction, one row and 60,000 rows: whygrad beside scikit-learn and PyTorch.

    python benchmarks/prediction.py [--sizes 784-100-10] [--rows 60000]

The same parameters everywhere (relu, softmax), float32; probabilities must agree to 1e-5 before anything
is timed. Each contestant runs in processes of its own, with one thread, two threads and pinned to one core,
and its best counts. For whygrad both `Fitted.predict` and the estimator's `predict_proba` are measured; for
scikit-learn `predict_proba`; for PyTorch a Sequential in inference mode.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from keeping import keep

SETTINGS = {"1 thread": (1, False), "2 threads": (2, False), "pinned": (1, True)}
Predict = Callable[[np.ndarray], np.ndarray]


def start(sizes: tuple[int, ...]) -> Any:
    """Return the parameters that all contestants get."""
    import whygrad as wg

    layers = [*(wg.Dense(n, "relu") for n in sizes[1:-1]), wg.Dense(sizes[-1], "softmax")]
    net = wg.Network(sizes[0], layers, "cross_entropy")
    return net, net.init(seed=1, dtype=np.float32)


def fitted(sizes: tuple[int, ...], X: np.ndarray) -> Predict:
    import whygrad as wg

    return wg.Fitted(*start(sizes)).predict


def estimator(module: str, sizes: tuple[int, ...], X: np.ndarray) -> Predict:
    from importlib import import_module

    _, theta = start(sizes)
    clf = import_module(module).MLPClassifier(sizes[1:-1], max_iter=1, random_state=0)
    rows = np.arange(200) % len(X)
    clf.fit(X[rows], np.arange(200) % sizes[-1])
    if module == "whygrad":
        clf.theta_.flat[:] = theta.flat
    else:
        clf.coefs_ = [W.T.copy() for W in theta.W[1:]]
        clf.intercepts_ = [b.copy() for b in theta.b[1:]]
    return clf.predict_proba


def torch_net(sizes: tuple[int, ...], X: np.ndarray) -> Predict:
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    _, theta = start(sizes)
    parts: list[Any] = []
    for l in range(1, len(sizes)):
        parts += [nn.Linear(sizes[l - 1], sizes[l]), nn.ReLU()]
        parts[-2].weight.data = torch.from_numpy(theta.W[l].copy())
        parts[-2].bias.data = torch.from_numpy(theta.b[l].copy())
    net = nn.Sequential(*parts[:-1], nn.Softmax(dim=1)).eval()

    def predict(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(rows)).numpy()

    return predict


CONTESTANTS: dict[str, Callable[[tuple[int, ...], np.ndarray], Predict]] = {
    "whygrad.Fitted": fitted,
    "whygrad.MLPClassifier": lambda sizes, X: estimator("whygrad", sizes, X),
    "scikit-learn": lambda sizes, X: estimator("sklearn.neural_network", sizes, X),
    "PyTorch": torch_net,
}


def work(
    pipe: Any, name: str, sizes: tuple[int, ...], rows: int, threads: int, pinned: bool
) -> None:
    """Serve one contestant: a number of rows → (outputs of the first 100, median seconds)."""
    import warnings

    warnings.simplefilter("ignore")
    if pinned:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import threadpoolctl

    X = np.random.default_rng(0).random((rows, sizes[0]), dtype=np.float32)
    predict = CONTESTANTS[name](sizes, X)
    threadpoolctl.threadpool_limits(threads)
    while n := pipe.recv():
        part, times = X[:n], []
        a = predict(part)
        end = time.perf_counter() + 0.5
        while time.perf_counter() < end or len(times) < 5:
            began = time.perf_counter()
            predict(part)
            times.append(time.perf_counter() - began)
        pipe.send((np.asarray(a[:100]), statistics.median(times)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="784-100-10")
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    sizes = tuple(int(n) for n in options.sizes.split("-"))
    context = multiprocessing.get_context("spawn")
    names = [name for name in CONTESTANTS if name != "PyTorch" or find_spec("torch")]
    workers = []
    for name in names:
        for setting, (threads, pinned) in SETTINGS.items():
            for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
                os.environ[variable] = str(threads)
            pipe, other = context.Pipe()
            process = context.Process(
                target=work, args=(other, name, sizes, options.rows, threads, pinned), daemon=True
            )
            process.start()
            workers.append((name, setting, pipe, process))
    found, outputs = [], {}
    for n in (1, options.rows):
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(options.repeats):
            for name, setting, pipe, _process in workers:
                pipe.send(n)
                a, seconds = pipe.recv()
                truth = outputs.setdefault(n, a)
                if not np.abs(a - truth).max() <= 1e-5:
                    sys.exit(f"{name} predicts something else")
                times.setdefault((name, setting), []).append(seconds)
        medians = {key: statistics.median(values) for key, values in times.items()}
        for name in names:
            setting = min(SETTINGS, key=lambda s: medians[name, s])
            seconds = medians[name, setting]
            found.append({"rows": n, "contestant": name, "setting": setting, "seconds": seconds})
            print(f"{n:7} rows  {name:24}{setting:12}{seconds * 1e6:12.1f} µs", flush=True)
    for *_, pipe, process in workers:
        pipe.send(0)
        process.join()
    keep("prediction", {"sizes": options.sizes, "figures": found})


if __name__ == "__main__":
    main()
