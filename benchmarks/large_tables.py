"""Large and wide tables: processor time of each stage of a training on a file, and peak memory.

    python benchmarks/large_tables.py [--cases "20,000 x 20"] [--quality default]

Each case is a generated CSV in a process of its own. Stages: the file is read, its columns are decided and
encoded, networks are trained, and simpler models are trained and compared. Processor time, of all threads
together, hardly depends on what else runs; two idle cores need half of it by the clock.
Memory is the process's high-water mark, with Python and all libraries.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from keeping import keep, kept
from peak_memory import resident

# Rows, columns of numbers, columns of categories, classes (0: a regression).
CASES: dict[str, tuple[int, int, int, int]] = {
    "20,000 x 20": (20_000, 16, 4, 0),
    "20,000 x 20, two classes": (20_000, 16, 4, 2),
    "300 x 20,000": (300, 20_000, 0, 2),
    "100,000 x 100": (100_000, 90, 10, 0),
}


def write(path: Path, rows: int, numbers: int, categories: int, classes: int) -> None:
    """Write a table whose target follows from some of its columns, and noise."""
    draws = np.random.default_rng(0)
    X = draws.normal(size=(rows, numbers)).round(3)
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + np.abs(X[:, 3])
    columns: dict[str, Any] = {f"n{i}": X[:, i] for i in range(numbers)}
    for k in range(categories):
        kind = draws.integers(0, 12, rows)
        columns[f"c{k}"] = np.array([f"kind {j}" for j in range(12)])[kind]
        y = y + 0.3 * (kind % 3)
    y = y + 0.3 * draws.normal(size=rows)
    columns["y"] = np.where(y > np.median(y), "high", "low") if classes else y.round(4)
    pd.DataFrame(columns).to_csv(path, index=False)


def work(pipe: Any, path: str, quality: str) -> None:
    from whygrad.pipeline.comparing import compare
    from whygrad.pipeline.fit import find, fit_members, tabulate
    from whygrad.pipeline.settings import Settings

    settings = Settings(quality=quality)
    found: dict[str, Any] = {}
    began = time.process_time(), time.perf_counter()

    def stage(name: str) -> None:
        nonlocal began
        now = time.process_time(), time.perf_counter()
        found[name] = {"cpu": now[0] - began[0], "seconds": now[1] - began[1]}
        began = now

    source = find(path, "y")
    stage("read")
    table = tabulate(source, settings)
    stage("encode")
    result = fit_members(table, settings)
    stage("train")
    memory = resident("VmHWM")
    comparison = compare(result)
    stage("compare")
    assert comparison is not None
    pipe.send({
        "stages": found, "members": len(result.members), "inputs": len(result.encoding.names),
        "measures": result.scores.measures, "models": comparison.to_dict()["models"],
        "memory": memory, "memory with models": resident("VmHWM"),
    })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=";".join(CASES))
    parser.add_argument("--quality", default="default")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for name in options.cases.split(";"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            write(path, *CASES[name])
            pipe, other = context.Pipe()
            process = context.Process(target=work, args=(other, str(path), options.quality))
            process.start()
            other.close()
            found = {"quality": options.quality, "bytes": path.stat().st_size, **pipe.recv()}
            process.join()
        said = ", ".join(f"{stage} {one['cpu']:.1f} s" for stage, one in found["stages"].items())
        print(f"{name}, {options.quality}: {said}; {found['memory'] / 2**30:.2f} GB", flush=True)
        keep("large_tables", kept("large_tables", {}) | {f"{name}, {options.quality}": found})


if __name__ == "__main__":
    main()
