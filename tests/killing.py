"""Trainings in processes of their own, to be killed: a server forks one for each line on standard input.

A case is what `covering` gives, as JSON; data and network are the same for all. The child writes what has
been committed, step by step, in a file, and never returns.
"""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import whygrad as wg
from whygrad.record import recorder
from whygrad.record.files import events, snapshots
from whygrad.record.recorder import Recorder

EPOCHS = {"reference": 40, "native": 300}
OPTIMIZERS = {
    "sgd": wg.SGD(0.1),
    "momentum": wg.SGD(0.05, momentum=0.9),
    "nesterov": wg.SGD(0.05, momentum=0.9, nesterov=True),
    "adagrad": wg.Adagrad(0.05),
    "rmsprop": wg.RMSprop(0.01, momentum=0.5),
    "adam": wg.Adam(0.01),
    "adamw": wg.AdamW(0.01),
    "nadam": wg.Nadam(0.01),
    "lbfgs": wg.LBFGS(tol=0.0, flat=0.0),
}
SCHEDULES = {
    "constant": wg.Constant(),
    "inverse_scaling": wg.InverseScaling(0.2),
    "step": wg.Step(10, 0.7),
    "cosine": wg.Cosine(0.1),
    "one_cycle": wg.OneCycle(),
    "adaptive": wg.Adaptive(floor=1e-3),
    "on_plateau": wg.OnPlateau(0.5, patience=2),
}
STOPPING = {
    "none": None,
    "cost": wg.Stopping("cost", tol=1e-3, patience=8),
    "best": wg.Stopping("validation_cost", tol=0.0, patience=12, restore_best=True),
}
FACTORS = {
    "optimizer": [name for name in OPTIMIZERS if name != "lbfgs"],
    "schedule": list(SCHEDULES),
    "stopping": list(STOPPING),
    "dropout": ["0.0", "0.25"],
    "engine": list(EPOCHS),
    "dtype": ["float64", "float32"],
    "clip": ["none", "0.5"],
    "weights": ["all", "masked"],
    "rates": ["one", "several"],
}


def train(case, record=None):
    """Train as a case says."""
    draws = np.random.default_rng(7)
    X = draws.normal(size=(230, 6)).astype(case["dtype"])
    Y = (X[:, :3] + draws.normal(size=(230, 3))).argmax(axis=1)
    mask = draws.random((8, 6)) < 0.6 if case.get("weights") == "masked" else None
    hidden = wg.Dense(8, "tanh", dropout=float(case["dropout"]), mask=mask)
    net = wg.Network(6, [hidden, wg.Dense(3, "softmax")], "cross_entropy")
    whole = case["optimizer"] == "lbfgs"
    stopping = STOPPING[case["stopping"]]
    if stopping is None and case["schedule"] == "adaptive":
        stopping = STOPPING["cost"]
    return wg.train(
        net,
        X[:200],
        Y[:200],
        optimizer=OPTIMIZERS[case["optimizer"]],
        schedule=SCHEDULES[case["schedule"]],
        stopping=stopping,
        validation=(X[200:], Y[200:]),
        epochs=EPOCHS[case["engine"]],
        batch_size=200 if whole else 7,
        clip=wg.Clip() if case["clip"] == "none" else float(case["clip"]),
        engine=case["engine"],
        dtype=case["dtype"],
        rate_multipliers={"W1": 2.0, "b": 0.5} if case.get("rates") == "several" else None,
        record=record,
        seed=3,
    )


def snapshot_at_every_report(patch):
    """Write a snapshot at every report, however fast the machine is and however slow its disk."""
    plain = Recorder.on_steps_end

    def patient(recorder, report):
        plain(recorder, report)
        if recorder.by_steps:
            recorder.flush(report.state)

    patch.setattr(recorder, "REST", 0.0)
    patch.setattr(snapshots, "SPACING", 0.0)
    patch.setattr(snapshots, "SHARE", 0)
    patch.setattr(Recorder, "on_steps_end", patient)


def often():
    """Write snapshots often, and few at a time, so that a kill meets one."""
    snapshots.SPACING, snapshots.SHARE, snapshots.MOST = 0.01, 0, 8


def _tell(path):
    """Write down after every commit up to which step costs are recorded."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    plain = events.transaction

    @contextmanager
    def telling(db):
        with plain(db):
            yield
        (step,) = db.execute("SELECT max(first + steps) FROM chunks").fetchone()
        os.write(handle, f"{step or 0}\n".encode())

    events.transaction = telling


def _serve():
    often()
    for engine in EPOCHS:  # what is compiled or loaded is there before the first fork
        train(dict.fromkeys(FACTORS, "none") | {"optimizer": "sgd", "schedule": "constant"}
              | {"dropout": "0.25", "engine": engine, "dtype": "float64"})  # fmt: skip
        train(dict.fromkeys(FACTORS, "none") | {"optimizer": "sgd", "schedule": "constant"}
              | {"dropout": "0.25", "engine": engine, "dtype": "float32"})  # fmt: skip
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            recorder.REST = order["rest"]
            _tell(order["told"])
            if order["resume"]:
                wg.open_run(order["path"]).resume()
            else:
                train(order["case"], order["path"])
            os._exit(0)
        print(child, flush=True)
        sys.stdin.readline()  # until then there is somebody to be killed, dead or alive
        os.waitpid(child, 0)
        print("gone", flush=True)


def rows(path):
    """Return all rows of a run about steps and epochs, and what SQLite says of the file."""
    with events.reading(Path(path) / events.NAME) as db:
        (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
        chunks = set(db.execute("SELECT first, steps, costs, statistics FROM chunks"))
        return verdict, chunks, set(db.execute("SELECT * FROM epochs"))


if __name__ == "__main__":
    _serve()
