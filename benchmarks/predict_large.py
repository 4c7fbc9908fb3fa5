"""A CSV of 2 GB predicted under 1 GB of memory: `whygrad predict` in a process of its own.

The file is generated from California housing's kind of columns (numbers, a category, missing values) and
deleted afterwards, which takes 3 GB of disk; the peak is what the system says of the process at its end.

    python benchmarks/predict_large.py [GIGABYTES]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from keeping import keep

ROWS = 100_000  # generated at a time
GOAL = 1.0  # GB of memory


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory(dir=".", prefix=".predict_large") as name:
        folder = Path(name)
        pyarrow.csv.write_csv(rows(0), folder / "train.csv")
        whygrad(folder, "train", "train.csv", "--target", "value", "--epochs", "2")
        size, count = generate(folder / "large.csv", gigabytes)
        print(f"{size / 1e9:.2f} GB, {count:,} rows")
        results = {"gigabytes": size / 1e9, "rows": count}
        for ending in ("csv", "parquet"):
            # Of the children so far only the largest is told: each is measured by a parent of its own.
            words = ("predict", "train.run", "large.csv", "-o", f"out.{ending}")
            seconds, peak = measured(folder, *words)
            verdict = "met" if peak < GOAL else "missed"
            print(
                f"to {ending}: {seconds:.0f} s, {count / seconds:,.0f} rows/s, peak {peak:.2f} GB "
                f"(less than {GOAL} GB wanted: {verdict})"
            )
            results[ending] = {"seconds": seconds, "peak_gigabytes": peak}
    keep("predict_large", results)


def rows(seed: int) -> pa.Table:
    """Draw rows: eight numbers, one in fifty missing, a category, an identifier, and a value to predict."""
    draws = np.random.default_rng(seed)
    columns = {f"number {k}": draws.normal(10.0**k, 10.0**k, ROWS) for k in range(8)}
    value = columns["number 0"] * 3 + columns["number 1"] + draws.normal(0, 1, ROWS)
    gone = draws.random(ROWS) < 0.02
    table = {name: pa.array(values, mask=gone) for name, values in columns.items()}
    table["place"] = pa.array(
        draws.choice(["inland", "near the bay", "island", "by the ocean"], ROWS)
    )
    table["id"] = pa.array(np.arange(ROWS) + seed * ROWS)
    table["value"] = pa.array(value)
    return pa.table(table)


def generate(path: Path, gigabytes: float) -> tuple[int, int]:
    """Write a CSV of at least that size; return its size and number of rows."""
    count = 0
    with path.open("wb") as file:
        while file.tell() < gigabytes * 1e9:
            options = pyarrow.csv.WriteOptions(include_header=count == 0)
            pyarrow.csv.write_csv(rows(1 + count // ROWS), file, options)
            count += ROWS
        return file.tell(), count


def whygrad(folder: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "whygrad", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )


def measured(folder: Path, *words: str) -> tuple[float, float]:
    """Return the seconds that a command takes, and its peak resident memory in GB."""
    code = f"""
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "whygrad", *{list(words)!r}], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    began = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return seconds, int(result.stdout.split()[-1]) * unit / 1e9


if __name__ == "__main__":
    main()
