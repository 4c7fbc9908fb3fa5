"""The ledger of one weight: its time beside the training that it accounts for, and its memory.

784-30-10 sigmoid on MNIST, batches of 10, 10 epochs. The claim: at most 1.5 times the training, and less
than 200 MB beyond the data. First it is made sure that the ledger closes. Times are of this thread's own
work (`thread_time`), medians of repeats taken in turn.

    python benchmarks/ledger.py [sgd | momentum | adam ...]      (needs $WHYGRAD_DATA/mnist)
"""

import json
import resource
import statistics
import sys
import time

import numpy as np
from keeping import keep

import whygrad as wg
from whygrad.engines import choose
from whygrad.nn.arrays import as_data
from whygrad.pipeline.datasets import load
from whygrad.plan.plan import Plan, start
from whygrad.training.loop import ALL_DONE, Training, run
from whygrad.why import moved
from whygrad.why.training_history.accounts import accounts
from whygrad.why.training_history.trajectory import trajectory

RULES = {"sgd": wg.SGD(0.5), "momentum": wg.SGD(0.05, momentum=0.9), "adam": wg.Adam(0.001)}
PLACES = {"weight": (2, 1, 1), "first layer's": (1, 1, 400), "neuron": (1, 1), "layer": (2,)}
REPEATS, EPOCHS = 5, 10


def mnist():
    found = load("mnist")
    X = np.ascontiguousarray(found.X, np.float32).reshape(len(found.X), -1)
    return X, found.y


def seconds(call):
    began = time.thread_time()
    call()
    return time.thread_time() - began


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(plan, data):
    return run(Training(plan, start(plan), data, None, choose("auto", plan)))


def measure(name, data):
    hidden, out = wg.Dense(30, "sigmoid"), wg.Dense(10, "sigmoid")
    net = wg.Network(784, [hidden, out], "binary_cross_entropy")
    plan = Plan(net, RULES[name], len(data.Y), epochs=EPOCHS, batch_size=10, dtype="float32")
    state, history = train(plan, data)
    assert history.stopped == ALL_DONE
    made = trajectory(plan, start(plan), data)
    np.testing.assert_array_equal(made.theta, state.theta)
    found = {"rule": name}
    before = memory()
    moved(made, *PLACES["weight"])
    found["memory_MB"] = memory() - before
    times = {"training": []} | {place: [] for place in PLACES}
    for place in PLACES:
        repeats = REPEATS if "'s" in place or place == "weight" else 1
        for _ in range(repeats):
            times["training"].append(seconds(lambda: train(plan, data)))
            times[place].append(seconds(lambda place=place: moved(made, *PLACES[place])))
    found["training_s"] = statistics.median(times.pop("training"))
    for place, taken in times.items():
        found[f"{place}_s"] = statistics.median(taken)
        found[f"{place}_ratio"] = found[f"{place}_s"] / found["training_s"]
    settled = accounts(made, wg.engines.probes.weight(2, 1, 1))
    bound = 4 * np.finfo(np.float32).eps * (settled.sizes + 10 * settled.pushes)
    assert (np.abs(settled.rounding) <= bound).all()
    found["rounding_of_bound"] = float((np.abs(settled.rounding) / bound).max())
    return found


def main():
    X, y = mnist()
    hot = np.eye(10, dtype=np.float32)[y]
    net = wg.Network(784, [wg.Dense(10, "sigmoid")], "binary_cross_entropy")
    data = as_data(net, X, hot, dtype="float32")
    results = []
    for name in sys.argv[1:] or RULES:
        results.append(measure(name, data))
        print(json.dumps(results[-1], indent=1, ensure_ascii=False), flush=True)
    keep("ledger", results)


if __name__ == "__main__":
    main()
