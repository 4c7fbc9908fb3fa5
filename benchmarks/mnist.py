"""MNIST, 784-30-10 sigmoid, as in Nielsen's first chapters: test accuracy over five seeds, and the time.

Binary cross-entropy, SGD with rate 0.5, batches of 10, 30 epochs; the last epoch counts, nothing is
picked. Needs MNIST's IDX files under $WHYGRAD_DATA/mnist.

    python benchmarks/mnist.py
"""

import statistics
import time

import supplied
from keeping import keep

import whygrad as wg

SEEDS = range(5)
GOAL = 0.955


def main() -> None:
    data = supplied.mnist()
    net = wg.Network(
        (28, 28), [wg.Dense(30, "sigmoid"), wg.Dense(10, "sigmoid")], "binary_cross_entropy"
    )
    rows = []
    for seed in SEEDS:
        began = time.perf_counter()
        fitted = wg.train(
            net, data.X, data.y, optimizer=wg.SGD(0.5), epochs=30, batch_size=10, seed=seed
        )
        seconds = time.perf_counter() - began
        accuracy = float((fitted.predict(data.X_test).argmax(axis=1) == data.y_test).mean())
        rows.append({"seed": seed, "accuracy": accuracy, "seconds": seconds})
        print(f"seed {seed}: {accuracy:.2%} of the test images right, trained in {seconds:.1f} s")
    accuracy = statistics.median(row["accuracy"] for row in rows)
    seconds = statistics.median(row["seconds"] for row in rows)
    verdict = "met" if accuracy >= GOAL else "missed"
    print(f"median: {accuracy:.2%} in {seconds:.1f} s (at least {GOAL:.1%} wanted: {verdict})")
    keep("mnist", {"median": accuracy, "seconds": seconds, "seeds": rows})


if __name__ == "__main__":
    main()
