"""What recording costs: MNIST, 784-30-10 sigmoid, batches of 10, 60 epochs, with and without `record=`.

Both ways must give the same bits. Pairs of trainings run one after the other, in turn; the overhead is the
median of their ratios, beside the size of the folder (without the data, which are not copied) and the time
that a state in the middle takes. Needs MNIST's IDX files under $WHYGRAD_DATA/mnist.

    python benchmarks/recording.py [--epochs 60] [--pairs 5]
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import supplied
from keeping import keep

import whygrad as wg

LIMIT_SIZE, LIMIT_SHARE = 100e6, 0.05
OPTIMIZERS = {"SGD": wg.SGD(0.5), "Adam": wg.Adam(0.001)}


def measure(name: str, rule: object, data: object, epochs: int, pairs: int, folder: Path) -> dict:
    """Train in pairs, and return the overhead, the size, and the time to a state."""
    net = wg.Network(
        (28, 28), [wg.Dense(30, "sigmoid"), wg.Dense(10, "sigmoid")], "binary_cross_entropy"
    )
    ratios, seconds = [], []
    path = folder / "mnist.run"
    for pair in range(-1, pairs):  # the first does not count: it may meet the compiler
        shutil.rmtree(path, ignore_errors=True)
        took, thetas = {}, []
        for record in (None, path) if pair % 2 else (path, None):
            began = time.perf_counter()
            fitted = wg.train(
                net,
                data.X,
                data.y,
                optimizer=rule,
                epochs=epochs if pair >= 0 else 1,
                batch_size=10,
                record=record,
                copy_data=False,
            )
            took[record] = time.perf_counter() - began
            thetas.append(fitted.theta.flat)
        assert (thetas[0] == thetas[1]).all(), "recording changed the training"
        if pair >= 0:
            ratios.append(took[path] / took[None])
            seconds.append(took[None])
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    run = wg.open_run(path, data=(data.X, data.y))
    run.state(1)  # hashes the data, once
    steps = [snapshot.step for snapshot in run.snapshots()]
    widest = max(range(1, len(steps)), key=lambda i: steps[i] - steps[i - 1])
    began = time.perf_counter()
    run.state(steps[widest] - 1)
    state_seconds = time.perf_counter() - began
    row = {
        "optimizer": name,
        "epochs": epochs,
        "seconds": statistics.median(seconds),
        "overhead": statistics.median(ratios) - 1,
        "lowest": min(ratios) - 1,
        "highest": max(ratios) - 1,
        "megabytes": size / 1e6,
        "snapshots": len(steps),
        "looks": len(run.statistics.steps),
        "slowest_state": state_seconds,
    }
    print(
        f"{name}: {row['seconds']:.2f} s, recorded {row['overhead']:+.1%} ({row['lowest']:+.1%} to "
        f"{row['highest']:+.1%}), {row['megabytes']:.1f} MB, {len(steps)} snapshots; the state furthest "
        f"from one takes {state_seconds:.2f} s"
    )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    data = supplied.mnist()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        rows = [
            measure(optimizer, rule, data, options.epochs, options.pairs, Path(name))
            for optimizer, rule in OPTIMIZERS.items()
        ]
    small = all(row["megabytes"] * 1e6 < LIMIT_SIZE for row in rows)
    quick = all(row["overhead"] < LIMIT_SHARE for row in rows)
    print(f"under 100 MB: {'yes' if small else 'NO'}; under 5%: {'yes' if quick else 'NO'}")
    keep("recording", rows)


if __name__ == "__main__":
    main()
