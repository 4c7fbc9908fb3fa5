"""Time per step as the rows grow, 1,000 to 10 million × 20 columns, mapped into memory: is it flat?

    python benchmarks/rows.py [--most 10000000]

20-64-32-1, relu, Adam, batches of 200, float32. Each number of rows trains for the same number of steps,
shuffled; the file is in the page cache. Medians over five repeats.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from keeping import keep
from memory_mapped import write

import whygrad as wg

STEPS, BATCH, COLUMNS = 5000, 200, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=10**7)
    options = parser.parse_args()
    net = wg.Network(COLUMNS, [wg.Dense(64, "relu"), wg.Dense(32, "relu"), wg.Dense(1, "identity")])
    found = []
    with tempfile.TemporaryDirectory() as name:
        X, Y = write(Path(name), options.most, COLUMNS)
        X[:: 4096 // (4 * COLUMNS)].sum()  # into the page cache
        n = 1000
        while n <= options.most:
            epochs = max(1, round(STEPS * BATCH / n))
            times = []
            for _ in range(6):
                began = time.perf_counter()
                wg.train(
                    net, X[:n], Y[:n], optimizer="adam", epochs=epochs, batch_size=BATCH, dtype="float32"
                )  # fmt: skip
                times.append((time.perf_counter() - began) / (epochs * n / BATCH))
            seconds = statistics.median(times[1:])
            found.append({"rows": n, "steps": epochs * n // BATCH, "seconds": seconds})
            print(f"{n:10,} rows  {seconds * 1e6:8.2f} µs a step", flush=True)
            n *= 10
    keep("rows", found)


if __name__ == "__main__":
    main()
