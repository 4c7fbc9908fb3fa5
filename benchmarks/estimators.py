"""`MLPClassifier()` as called, whygrad's beside scikit-learn's: each fit in a process of its own.

    python benchmarks/estimators.py [--data digits,columns,mnist] [--epoch iris,digits,cancer] [--repeats 3]

Counted is all that a user waits for: import, first call (from a warm cache), fit to the end. Of the data of
`--epoch` it is an epoch alone, the median over fits after a first one in the same process. Both have the
defaults of scikit-learn, 100 units and at most 200 epochs. `random_state` is 0, the inputs are scaled to
0 … 1; scores on the training data are printed, so that it can be seen that both have learned. scikit-learn
gets the best of one and two threads.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

import supplied
from keeping import keep, kept

# Data are read by NumPy before the clock starts, so that neither side pays for them.
FIT = """
import sys, time, warnings
import numpy as np
data = np.load({path!r})
X, y = data["X"], data["y"]
warnings.simplefilter("ignore")
began = time.perf_counter()
from {module} import MLPClassifier
clf = MLPClassifier(random_state=0, max_iter={epochs}).fit(X, y)
seconds = time.perf_counter() - began
print(seconds, clf.n_iter_, (clf.predict(X) == y).mean())
"""
EPOCH = """
import statistics, sys, time, warnings
import numpy as np
data = np.load({path!r})
X, y = data["X"], data["y"]
warnings.simplefilter("ignore")
from {module} import MLPClassifier
seconds = []
for _ in range(8):
    clf = MLPClassifier(random_state=0, max_iter={epochs}, tol=0.0, n_iter_no_change={epochs})
    began = time.perf_counter()
    clf.fit(X, y)
    seconds.append((time.perf_counter() - began) / clf.n_iter_)
print(statistics.median(seconds[1:]), clf.n_iter_, (clf.predict(X) == y).mean())
"""
MODULES = {"whygrad": "whygrad", "scikit-learn": "sklearn.neural_network"}


def table(name: str, folder: Path) -> Path:
    """Write a data set for the processes to read, and return its path."""
    import numpy as np

    path = folder / f"{name}.npz"
    if name == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        X = X / 16
    elif name in ("iris", "cancer"):
        from sklearn.datasets import load_breast_cancer, load_iris

        X, y = (load_iris if name == "iris" else load_breast_cancer)(return_X_y=True)
        X = X / X.max(axis=0)
    elif name == "columns":
        draws = np.random.default_rng(0)
        X = draws.normal(size=(1000, 20))
        y = (X[:, :5].sum(axis=1) + 0.5 * draws.normal(size=1000) > 0).astype(int)
    else:
        data = supplied.mnist()
        X, y = np.asarray(data.X, np.float32), data.y
    np.savez(path, X=X, y=y)
    return path


def fit(
    name: str, path: Path, epochs: int, threads: int, counted: str = "fit"
) -> tuple[float, int, float]:
    """Return seconds, of the fit or of an epoch, epochs and training accuracy, in a process of its own."""
    code = FIT if counted == "fit" else EPOCH
    code = code.format(path=str(path), module=MODULES[name], epochs=epochs)
    environment = dict(os.environ)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[variable] = str(threads)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    seconds, taken, accuracy = done.stdout.split()
    return float(seconds), int(taken), float(accuracy)


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits,columns,mnist")
    parser.add_argument("--epoch", default="iris,digits,cancer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=200, help="of MNIST, at most")
    options = parser.parse_args()
    if "mnist" in (*options.data.split(","), *options.epoch.split(",")):
        supplied.mnist()  # it may be missing: said before anything is measured
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        asked = [("fit", data) for data in options.data.split(",") if data]
        asked += [("epoch", data) for data in options.epoch.split(",") if data]
        for counted, data in asked:
            path, epochs = table(data, Path(folder)), options.epochs if data == "mnist" else 200
            fit("whygrad", path, 2, 2)  # warms the cache
            found: dict[str, list[tuple[float, int, float]]] = {}
            for _ in range(options.repeats):
                for name, threads in (("whygrad", 2), ("scikit-learn", 1), ("scikit-learn", 2)):
                    found.setdefault(f"{name}/{threads}", []).append(
                        fit(name, path, epochs, threads, counted)
                    )
            medians = {key: statistics.median(s for s, *_ in runs) for key, runs in found.items()}
            ours = medians["whygrad/2"]
            theirs = min((key for key in found if key.startswith("sci")), key=medians.__getitem__)
            for key in ("whygrad/2", theirs):
                _, taken, accuracy = found[key][0]
                rows.append({"data": data, "counted": counted, "contestant": key.split("/")[0],
                             "threads": int(key[-1]), "seconds": medians[key], "epochs": taken,
                             "accuracy": accuracy, "ratio": medians[key] / ours})  # fmt: skip
                print(f"{data:10}{counted:7}{key:18}{medians[key]:11.5f} s{taken:6} epochs"
                      f"{accuracy:9.2%}{medians[key] / ours:8.2f}", flush=True)  # fmt: skip
    new = {(row["data"], row["counted"]) for row in rows}
    others = [row for row in kept("estimators", []) if (row["data"], row["counted"]) not in new]
    keep("estimators", others + rows)


if __name__ == "__main__":
    main()
