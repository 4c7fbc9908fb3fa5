"""Ledgers of a weight, a neuron and a layer: their time beside the training accounted for, and memory.

784-30-10 sigmoid on MNIST, batches of 10, 2 epochs, without the trainings that verify the first three.
Wanted are at most 1.5 times the training for a weight, 2 for a neuron, 4 for a layer, and less than 200 MB
beyond the data. First it is made sure that the ledger closes. Times are of the processor, medians of
repeats taken in turn with trainings.

    python benchmarks/ledger.py [sgd | momentum | adam | adamw | adam-l2 ...]  (needs $WHYGRAD_DATA/mnist)
"""

import json
import resource
import statistics
import sys
import time

import numpy as np
import supplied
from keeping import keep

import whygrad as wg
from whygrad.engines import choose
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training.loop import Training, run
from whygrad.training.minimise import ALL_DONE
from whygrad.why import ledger
from whygrad.why.training_history.accounts import accounts
from whygrad.why.training_history.trajectory import trajectory

RULES = {
    "sgd": wg.SGD(0.5),
    "momentum": wg.SGD(0.05, momentum=0.9),
    "adam": wg.Adam(0.001),
    "adamw": wg.AdamW(0.001),
    "adam-l2": wg.Adam(0.001),
}
PENALTIES = {"adam-l2": wg.Penalty(1e-5)}
REFS = {
    "weight": (2, 1, 1), "first layer's": (1, 1, 400), "neuron": (1, 1), "layer": (2,), "first layer": (1,)
}  # fmt: skip
REPEATS, EPOCHS = 5, 2


def mnist():
    found = supplied.mnist()
    X = np.ascontiguousarray(found.X, np.float32).reshape(len(found.X), -1)
    return X, found.y


def seconds(call):
    began = time.process_time()
    call()
    return time.process_time() - began


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(plan, data):
    return run(Training(plan, start(plan), data, None, choose("auto", plan)))


def measure(name, data):
    hidden, out = wg.Dense(30, "sigmoid"), wg.Dense(10, "sigmoid")
    net = wg.Network(784, [hidden, out], "binary_cross_entropy")
    plan = Plan(
        net, RULES[name], len(data.Y), epochs=EPOCHS, batch_size=10, dtype="float32",
        l2=PENALTIES.get(name, wg.Penalty(0.0)),
    )  # fmt: skip
    state, history = train(plan, data)
    assert history.stopped == ALL_DONE
    made = trajectory(plan, start(plan), data)
    np.testing.assert_array_equal(made.theta, state.theta)
    found = {"rule": name}
    for ref in ("weight", "first layer"):  # in the order of what they take
        before = memory()
        ledger(made, *REFS[ref], influence=False)
        found[f"{ref}_MB"] = memory() - before
    times = {"training": []} | {ref: [] for ref in REFS}
    for ref in REFS:
        for _ in range(REPEATS):
            times["training"].append(seconds(lambda: train(plan, data)))
            times[ref].append(seconds(lambda ref=ref: ledger(made, *REFS[ref], influence=False)))
    found["training_s"] = statistics.median(times.pop("training"))
    for ref, taken in times.items():
        found[f"{ref}_s"] = statistics.median(taken)
        found[f"{ref}_ratio"] = found[f"{ref}_s"] / found["training_s"]
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
