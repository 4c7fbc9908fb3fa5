"""What the live line costs: a training that shows its progress, with what stands out and without.

    WHYGRAD_DATA=data python benchmarks/live_line.py [--pairs 15] [--trial]

Healthy trainings, which are looked at to their end, from networks so small that an epoch takes a fraction
of a millisecond to 784-30-10 on MNIST, with progress alone and recorded as `whygrad train` does. Pairs run
one after the other, in turn; what counts is the processor's time of the process, all its threads together,
and the median of the pairs' ratios, with their quartiles. "bar" is progress next to none at all.
"""

import argparse
import io
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import supplied
from keeping import keep

import whygrad as wg
from whygrad.training import Report
from whygrad.training.progress import ProgressBar

LIMIT = 0.02


class Unseen:
    """Sees nothing."""

    said = ""

    def see(self, report: Report) -> str:
        return ""


class WithoutLine(ProgressBar):
    """Progress as it is, without what stands out."""

    glances = False

    def on_steps_end(self, report: Report) -> None:
        super().on_steps_end(report)
        if not isinstance(self.watch, Unseen):
            self.watch = Unseen()  # type: ignore[assignment]


WAYS: dict[str, Any] = {"none": None, "bar": WithoutLine, "line": ProgressBar}


def cases() -> dict[str, dict[str, Any]]:
    """Return trainings of half a second to two seconds, by name."""
    draws = np.random.default_rng(0)

    def of(n: int, sizes: tuple[int, ...], f: str, **options: Any) -> dict[str, Any]:
        X = draws.normal(size=(n, sizes[0]))
        Y = (X @ draws.normal(size=sizes[0]) > 0).astype(float)
        layers = [*(wg.Dense(units, f) for units in sizes[1:]), wg.Dense(1, "sigmoid")]
        return {
            "net": wg.Network(sizes[0], layers, "binary_cross_entropy"),
            "X": X,
            "Y": Y,
            **options,
        }

    found = {
        "4-8-1, 150 rows, batches of 32": of(
            150, (4, 8), "tanh", batch_size=32, epochs=30_000, optimizer="adam"
        ),
        "4-8-1, 150 rows, batches of 1": of(
            150, (4, 8), "tanh", batch_size=1, epochs=4_000, optimizer="sgd"
        ),
        "20-64-64-1, 2,000 rows, batches of 32": of(
            2_000, (20, 64, 64), "relu", batch_size=32, epochs=600, optimizer="adam"
        ),
    }
    data = supplied.mnist()
    net = wg.Network(
        (28, 28), [wg.Dense(30, "sigmoid"), wg.Dense(10, "sigmoid")], "binary_cross_entropy"
    )
    found["784-30-10, MNIST, batches of 10"] = {
        "net": net, "X": data.X, "Y": data.y, "batch_size": 10, "epochs": 6,
        "optimizer": wg.SGD(0.5),
    }  # fmt: skip
    return found


def measure(case: dict[str, Any], pairs: int, recorded: Path | None) -> dict[str, Any]:
    """Return the times of a training in each way, and the ratios of pairs next to progress without line."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for pair in range(-1, pairs):  # the first does not count: it may meet the compiler
        thetas = []
        for way in list(WAYS) if pair % 2 else reversed(WAYS):
            if recorded is not None:
                shutil.rmtree(recorded, ignore_errors=True)
                case = {**case, "record": recorded, "copy_data": False}
            shown = [] if WAYS[way] is None else [WAYS[way](io.StringIO())]
            began = time.process_time()
            fitted = wg.train(**case, callbacks=shown)
            took = time.process_time() - began
            thetas.append(fitted.theta.flat)
            assert not any(bar.watch.said for bar in shown), "of a healthy training it says nothing"
            if pair >= 0:
                times[way].append(took)
        assert all((theta == thetas[0]).all() for theta in thetas), "looking changed the training"
    found: dict[str, Any] = {"seconds": statistics.median(times["bar"])}
    for way, beside in (("line", "bar"), ("bar", "none")):
        ratios = [a / b - 1 for a, b in zip(times[way], times[beside], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        found[way] = {"median": middle, "quartiles": [low, high]}
        found[way]["of the least"] = min(times[way]) / min(times[beside]) - 1
    return found


def main() -> None:
    """Measure all cases, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--trial", action="store_true", help="keep no figures")
    asked = parser.parse_args()
    figures: dict[str, Any] = {"load before": round(os.getloadavg()[0], 2), "pairs": asked.pairs}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        for case, given in cases().items():
            for recorded in (False, True):
                if recorded and given["epochs"] > 4_000:
                    given = {**given, "epochs": 4_000}  # an epoch is a row
                row = measure(given, asked.pairs, Path(name) / "live.run" if recorded else None)
                figures[f"{case}{', recorded' * recorded}"] = row
                line, (low, high) = row["line"]["median"], row["line"]["quartiles"]
                print(
                    f"{case}{', recorded' * recorded}: {row['seconds']:.2f} s, the line {line:+.1%} "
                    f"({low:+.1%} to {high:+.1%}; least times {row['line']['of the least']:+.1%}), "
                    f"progress itself {row['bar']['median']:+.1%}",
                    flush=True,
                )
    figures["load after"] = round(os.getloadavg()[0], 2)
    rows = [row["line"]["median"] for row in figures.values() if isinstance(row, dict)]
    print(f"at most {LIMIT:.0%}: {'yes' if max(rows) <= LIMIT else 'NO'}")
    keep("live_line", figures, asked.trial)


if __name__ == "__main__":
    main()
