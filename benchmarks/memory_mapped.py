"""A file larger than the memory that a training takes: 4 GB of examples, mapped, under 1 GB of its own.

    python benchmarks/memory_mapped.py [--gigabytes 4] [--columns 64] [--engine native]

Examples are written to a temporary file, in parts. One epoch of shuffled batches then runs over the mapped
file, and over the targets, which are mapped as well. Printed is the most anonymous memory that the process
had meanwhile (RssAnon in /proc/self/status, looked at every 10 ms), and what of it training added: for the
most part the order of the examples, 4 bytes each. Pages of the file itself are the operating system's to
keep or to drop. The figures go to `results/memory_mapped.json`. Ends with 1 where the process had a
gigabyte or more.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from keeping import keep

import whygrad as wg

PART = 2**24  # numbers written at a time
LIMIT = 2**30


def anonymous_memory() -> int:
    """Return the bytes of memory that this process has for itself, rather than from files."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not tell RssAnon: run it on Linux")


class Peak:
    """Looks at the memory every 10 ms while a block of code runs."""

    def __enter__(self) -> "Peak":
        self.before = self.highest = anonymous_memory()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self) -> None:
        while not self.over.wait(0.01):
            self.highest = max(self.highest, anonymous_memory())

    def __exit__(self, *problem: object) -> None:
        self.over.set()
        self.thread.join()


def write(folder: Path, n: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Write n examples and targets, and return them as files mapped into memory, read only."""
    draws = np.random.default_rng(0)
    slope = draws.normal(size=columns).astype(np.float32) / columns**0.5
    rows = max(1, PART // columns)
    with (folder / "X").open("wb") as X_file, (folder / "Y").open("wb") as Y_file:
        for first in range(0, n, rows):
            X = draws.standard_normal((min(rows, n - first), columns), dtype=np.float32)
            X.tofile(X_file)
            np.tanh(X @ slope).tofile(Y_file)
    X = np.memmap(folder / "X", np.float32, "r", shape=(n, columns))
    return X, np.memmap(folder / "Y", np.float32, "r", shape=(n, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--engine", default="native")
    options = parser.parse_args()
    columns = options.columns
    n = int(options.gigabytes * 2**30) // (4 * columns)
    net = wg.Network(columns, [wg.Dense(32, "relu"), wg.Dense(1, "identity")])

    def train(X: np.ndarray, Y: np.ndarray) -> wg.Fitted:
        return wg.train(
            net,
            X,
            Y,
            optimizer="adam",
            epochs=1,
            batch_size=min(512, len(X)),
            engine=options.engine,
        )

    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        X, Y = write(Path(name), n, columns)
        print(f"{X.nbytes / 2**30:.2f} GB: {n:,} examples of {columns} numbers, written in "
              f"{time.perf_counter() - began:.0f} s")  # fmt: skip
        train(X[:1000], Y[:1000])  # compiles, and imports what is imported later
        began = time.perf_counter()
        with Peak() as peak:
            fitted = train(X, Y)
        seconds = time.perf_counter() - began
    added = peak.highest - peak.before
    print(
        f"one epoch of {-(-n // 512):,} steps: {seconds:.0f} s, cost {fitted.history.cost[-1]:.4f}"
    )
    print(f"anonymous memory: {peak.before / 2**20:.0f} MB before, "
          f"{peak.highest / 2**20:.0f} MB at most, {added / 2**20:.0f} MB of them by training")  # fmt: skip
    results = {
        "file_gigabytes": X.nbytes / 2**30,
        "examples": n,
        "engine": options.engine,
        "megabytes_before": round(peak.before / 2**20),
        "megabytes_at_most": round(peak.highest / 2**20),
        "megabytes_of_training": round(added / 2**20),
    }
    keep("memory_mapped", results)
    return int(peak.highest >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
