"""Time per training step, whygrad beside its peers, in one run.

    python benchmarks/steps.py [--cases A,B] [--epochs 5] [--rows 60000] [--results steps]

First every contestant takes 100 steps from the same start on the same batches, and its parameters must
equal whygrad's to 1e-4 of the largest. Then all of them run shuffled epochs in turn, each contestant in
processes of its own at one thread, at two, and pinned to one core, of which its best counts. The order of
the examples is drawn in the time that counts, by each contestant itself (by NumPy where it has no shuffling
of its own). Minimum and median over the epochs are printed, the ratio to whygrad, and two shares: of the
matrix-product rate that this machine reached in the same run, and of the cores' own peak (`peak.py`), of
which the tables take the highest that any case saw; and how long two cores took to meet between the epochs.
`--cases T` runs networks of the size that tables want, in both float types.
Figures of a machine with narrower vectors have a file of their own: `--results steps_avx2`.
MNIST is read from $WHYGRAD_DATA/mnist; without it random numbers of its shape serve, as many of them 0.
"""

import argparse
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import supplied  # noqa: E402
from contestants import CONTESTANTS, Case  # noqa: E402
from keeping import keep, kept  # noqa: E402
from peak import matrix_rate, meeting_time, peak_rate  # noqa: E402

CASES = [
    Case("A", (784, 30, 10), "sigmoid", 10, "sgd", 0.5),
    Case("A′", (784, 30, 10), "sigmoid", 10, "sgd", 0.5, "zeros"),
    Case("A′ CSR", (784, 30, 10), "sigmoid", 10, "sgd", 0.5, "csr"),
    Case("B sgd", (784, 64, 64, 10), "relu", 32, "sgd", 0.1, "zeros"),
    Case("B adam", (784, 64, 64, 10), "relu", 32, "adam", 0.001, "zeros"),
    Case("C sgd", (784, 512, 512, 10), "relu", 128, "sgd", 0.1, "zeros"),
    Case("C sigmoid", (784, 512, 512, 10), "sigmoid", 128, "sgd", 0.1, "zeros"),
    Case("C adam", (784, 512, 512, 10), "relu", 128, "adam", 0.001, "zeros"),
    Case("D sgd", (784, 2048, 2048, 10), "relu", 128, "sgd", 0.1, "zeros"),
    Case("D adam", (784, 2048, 2048, 10), "relu", 128, "adam", 0.001, "zeros"),
    Case("E", (4, 32, 16, 4), "tanh", 10000, "adam", 0.01),
]
# Networks that people train on tables: sizes, hidden function, batch size.
TABLES: list[tuple[tuple[int, ...], str, int]] = [
    ((10, 64, 64, 1), "relu", 32),
    ((50, 128, 64, 2), "relu", 32),
    ((64, 100, 10), "relu", 200),
    ((20, 100, 2), "relu", 200),
    ((8, 32, 32, 32, 32, 1), "tanh", 64),
    ((100, 256, 128, 10), "relu", 64),
    ((30, 256, 256, 2), "relu", 256),
    ((300, 512, 256, 20), "relu", 256),
    ((100, 1024, 512, 10), "relu", 512),
]
CASES += [
    Case(f"T {'-'.join(map(str, sizes))} {dtype}", sizes, hidden, batch, "adam", 0.001, dtype=dtype)
    for sizes, hidden, batch in TABLES
    for dtype in ("float32", "float64")
]
COMPILED = ("PyTorch compiled", "PyTorch max-autotune")
NEEDS = {"scikit-learn": "sklearn", "JAX": "jax"} | dict.fromkeys(
    ("PyTorch eager", "PyTorch by hand", *COMPILED), "torch"
)
SETTINGS = {"1 thread": (1, False), "2 threads": (2, False), "pinned": (1, True)}
CHECK_STEPS = 100
# Epochs of slow contestants and large networks are cut to this many steps.
SECONDS = 1.0
# Short epochs follow each other for this long: a few milliseconds would show the machine's moods alone.
LEAST = 0.25
# Before each epoch: threads of OpenBLAS and OpenMP spin on for a while, on the next contestant's cores.
PAUSE = 0.5


def mnist(rows: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return MNIST's first rows, or random numbers like them, and say which."""
    if os.environ.get("WHYGRAD_DATA"):
        data = supplied.mnist()
        X, y, what = data.X[:rows], data.y[:rows], "MNIST"
    else:
        draws = np.random.default_rng(0)
        X = draws.random((rows, 784), dtype=np.float32)
        X *= draws.random(X.shape) < 0.19
        y, what = draws.integers(0, 10, rows), "random numbers like MNIST"
    return np.ascontiguousarray(X, np.float32), np.eye(10, dtype=np.float32)[y], what


def examples(case: Case, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets: MNIST's, or for other shapes random numbers and the largest's class."""
    if case.sizes[0] != 784:
        X = np.random.default_rng(0).standard_normal((rows, case.sizes[0])).astype(case.dtype)
        if case.output == "identity":
            return X, np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]
        best = X[:, : case.sizes[-1]].argmax(axis=1)
        return X, np.eye(case.sizes[-1], dtype=case.dtype)[best]
    X, Y, _ = mnist(rows)
    return (0.98 * X + np.float32(0.01) if case.inputs == "dense" else X), Y


def work(pipe: Any, name: str, case: Case, rows: int, threads: int, core: int | None) -> None:
    """Serve one contestant in its process: ("check",) → θ, ("time", seed, steps) → seconds.

    They are those that went by, and those that its threads had a processor.
    """
    if core is not None:
        os.sched_setaffinity(0, {core})
    import threadpoolctl

    import whygrad  # noqa: F401

    X, Y = examples(case, rows)

    def build(case: Case, X: np.ndarray, Y: np.ndarray) -> Any:
        return CONTESTANTS[name](case, case.net.init(seed=1, dtype=case.dtype).flat, X, Y)

    n, steps = CHECK_STEPS * case.batch, CHECK_STEPS
    if case.shared:
        n, steps = case.batch, 1
    if name != "whygrad":  # which sets its own threads
        threadpoolctl.threadpool_limits(threads)
    runner = build(case, X, Y)
    while True:
        message = pipe.recv()
        if message[0] == "check":
            # Among a million values of z some come so near to the kink of a relu that rounding decides on
            # which side they lie. At a small rate that stays the difference of a few examples. Adam moves
            # by its rate where a gradient is nothing but rounding, too.
            smaller = 100 if case.optimizer == "sgd" else 1000
            careful = (
                replace(case, learning_rate=case.learning_rate / smaller)
                if case.hidden == "relu"
                else case
            )
            checked = build(careful, X[:n], Y[:n])
            for _ in range(CHECK_STEPS // steps):
                checked.epoch(np.arange(n), steps)
            pipe.send(checked.theta)
        elif message[0] == "time":
            epochs, steps_each, order = *message[1:], None
            if case.shared:  # the batch is all the data: nothing to shuffle
                epochs, steps_each, order = epochs * steps_each, 1, np.arange(len(X))
            began = time.perf_counter(), time.process_time()
            for _ in range(epochs):
                runner.epoch(order, steps_each)
            pipe.send((time.perf_counter() - began[0], time.process_time() - began[1]))
        else:
            return


def allow(threads: int) -> None:
    """Set for processes that are started how many threads they may have; JAX reads a flag of its own."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"


class Worker:
    """A contestant at one setting, and its times per step so far: by the clock, and of processors."""

    def __init__(self, name: str, setting: str, case: Case, rows: int) -> None:
        self.name, self.setting, self.case = name, setting, case
        threads, pinned = SETTINGS[setting]
        allow(threads)
        core = min(os.sched_getaffinity(0)) if pinned else None
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(
            target=work, args=(other, name, case, rows, threads, core), daemon=True
        )
        self.process.start()
        self.times: list[float] = []
        self.processor: list[float] = []
        self.steps = rows // case.batch
        self.most, self.epochs = 200 if case.shared else self.steps, 1

    def ask(self, *message: Any) -> Any:
        self.pipe.send(message)
        return self.pipe.recv()

    def warm_up(self) -> None:
        """Compile, and choose how many steps and epochs fit the time."""
        fixed = self.name == "JAX" and not self.case.shared  # compiled for one number of steps
        self.ask("time", 1, self.steps if fixed else min(self.most, 20))
        few = self.steps if fixed else min(self.most, 50)
        seconds = self.ask("time", 1, few)[0] / few
        if not fixed:
            whole = min(self.most, int(SECONDS / seconds))
            # whygrad and scikit-learn shuffle a whole epoch: less than one would not be their price.
            self.steps = self.most if self.name == "whygrad" else max(20, whole)
        self.epochs = max(1, round(LEAST / (seconds * self.steps)))

    def measure(self) -> None:
        both = self.ask("time", self.epochs, self.steps)
        for times, seconds in zip((self.times, self.processor), both, strict=True):
            times.append(seconds / (self.epochs * self.steps))

    def stop(self) -> None:
        self.pipe.send(("stop",))
        self.process.join()


def agree(case: Case, workers: list[Worker], rows: int) -> None:
    """Leave unless all come to the same parameters, and moved them by the same."""
    like = dict.fromkeys(workers[1:], workers[0])
    if case.optimizer == "adam" and any(worker.name == "scikit-learn" for worker in workers):
        hat = replace(case, optimizer="adam like scikit-learn's")  # which adds ε elsewhere
        other = Worker("whygrad", "2 threads", hat, rows)
        like |= {worker: other for worker in workers if worker.name == "scikit-learn"}
    start = case.net.init(seed=1, dtype=case.dtype).flat
    truths = {one: one.ask("check") for one in set(like.values())}
    for one in set(like.values()) - {workers[0]}:
        one.stop()
    for worker, of in like.items():
        gap, truth = np.abs(worker.ask("check") - truths[of]).max(), truths[of]
        share, of_moves = gap / np.abs(truth).max(), gap / np.abs(truth - start).max()
        if not (share <= 1e-4 and of_moves <= (1e-2 if case.optimizer == "sgd" else 1e-1)):
            sys.exit(
                f"{case.name}: {worker.name} computes something else: parameters differ by {share:.1e} of "
                f"the largest, {of_moves:.1e} of the largest move"
            )


def compare(case: Case, rows: int, epochs: int, only: list[str]) -> list[dict[str, Any]]:
    """Time all contestants on one case; return a row of figures for each."""
    rows = max(CHECK_STEPS * case.batch, rows // case.batch * case.batch)
    if max(case.sizes[1:]) >= 512:
        rows = min(rows, CHECK_STEPS * case.batch)
    if case.shared:
        rows = case.batch
    names = [n for n in CONTESTANTS if n in only and (n not in NEEDS or find_spec(NEEDS[n]))]
    if not (shutil.which("c++") or shutil.which("g++")) and set(names) & set(COMPILED):
        names = [name for name in names if name not in COMPILED]
        print(f"{case.name}: torch.compile is left out: no C++ compiler here", file=sys.stderr)
    if case.sizes[-1] == 2 and "scikit-learn" in names:
        names.remove("scikit-learn")
        print(
            f"{case.name}: scikit-learn is left out: it gives two classes one output",
            file=sys.stderr,
        )
    workers = []
    for name in names:
        settings = ["2 threads"] if name == "whygrad" else list(SETTINGS)
        workers += [Worker(name, setting, case, rows) for setting in settings]
    agree(case, workers, rows)
    for worker in workers:
        worker.warm_up()
    rates, peaks, meetings = [], [], []
    for _ in range(epochs):
        for worker in workers:
            time.sleep(PAUSE)
            worker.measure()
        rates.append(matrix_rate(case.dtype, 0.3))
        peaks.append(peak_rate(case.dtype, 0.1))
        meetings.append(meeting_time())
    for worker in workers:
        worker.stop()
    ours = statistics.median(workers[0].times)
    found = []
    for name in names:
        of_name = [worker for worker in workers if worker.name == name]
        best = min(of_name, key=lambda worker: statistics.median(worker.times))
        median = statistics.median(best.times)
        found.append(
            {
                "case": case.name,
                "sizes": "-".join(map(str, case.sizes)),
                "batch": case.batch,
                "contestant": name,
                "setting": best.setting,
                "min": min(best.times),
                "median": median,
                "ratio": median / ours,
                "settings": {worker.setting: statistics.median(worker.times) for worker in of_name},
                "share_of_matrix_rate": case.multiplications / median / statistics.median(rates),
                "dtype": case.dtype,
                "rate": case.multiplications / median,
                "peak": max(peaks),
                "meeting": statistics.median(meetings),
            }
        )
    return found


def save(name: str, rows: list[dict[str, Any]]) -> None:
    """Write rows to results/NAME.json; rows of other cases that stand there stay."""
    measured = {row["case"] for row in rows}
    keep(name, [row for row in kept(name, []) if row["case"] not in measured] + rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", default="A,A′", help="names separated by commas, or 'all'")
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="contestants, by comma")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--results", default="steps", help="the file of figures under results/")
    options = parser.parse_args()
    chosen = options.cases.split(",")
    cases = [case for case in CASES if {"all", case.name, case.name.split()[0]} & set(chosen)]
    only = ["whygrad", *options.only.split(",")]
    print(f"{mnist(1)[2]}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}")
    print(
        f"{'':28}{'contestant':22}{'at':12}{'min µs':>10}{'median µs':>11}{'ratio':>8}"
        f"{'of products':>13}{'of peak':>9}"
    )
    leads = []
    for case in cases:
        results = compare(case, options.rows, options.epochs, only)
        save(options.results, results)
        for row in results:
            print(
                f"{row['case']:28}{row['contestant']:22}{row['setting']:12}{row['min'] * 1e6:10.1f}"
                f"{row['median'] * 1e6:11.1f}{row['ratio']:8.2f}{row['share_of_matrix_rate']:13.0%}"
                f"{row['rate'] / row['peak']:9.0%}",
                flush=True,
            )
        print(f"{'':28}two cores met in {results[0]['meeting'] * 1e9:.0f} ns", flush=True)
        ratios = [row["ratio"] for row in results if row["contestant"] != "whygrad"]
        leads += [min(ratios)] if ratios else []
    if leads:
        mean = statistics.geometric_mean(leads)
        print(f"ahead of the best peer: geometric mean {mean:.2f} ×, least {min(leads):.2f} ×")


if __name__ == "__main__":
    main()
