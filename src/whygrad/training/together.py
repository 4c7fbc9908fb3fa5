"""A training that several processes share: the first runs it, the others take its steps.

Before the first step all must have the same plan, parameters and data. Where one fails, those that follow
end quietly: the first has told why.
"""

import hashlib
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from whygrad.engines.xla import Processes, XlaEngine
from whygrad.errors import InputError
from whygrad.nn import Data
from whygrad.nn.arrays import is_sparse
from whygrad.plan.plan import Plan, State, smooth
from whygrad.training.epochs import History, final
from whygrad.training.model_file import epoch_from_dict
from whygrad.version import __version__


def together(
    engine: XlaEngine,
    plan: Plan,
    state: State,
    data: Data,
    lead: Callable[[], tuple[State, History]],
) -> tuple[State, History]:
    """Run a training in this process if it is the first, else follow it; return what it ended with."""
    if not plan.by_steps:
        raise InputError(
            "L-BFGS runs in one process: take another optimizer, or start it without a launcher"
        )
    check_alike(engine.processes, plan, state, data)
    if engine.processes.follows:
        return _follow(engine, plan, state, data)
    try:
        ended, history = lead()
    except BaseException:
        engine.dismiss({"failed": True}, state.theta)
        raise
    epochs = [asdict(epoch) for epoch in history.epochs]
    engine.dismiss({"epochs": epochs, "stopped": history.stopped}, final(plan, ended))
    return ended, history


def _follow(engine: XlaEngine, plan: Plan, state: State, data: Data) -> tuple[State, History]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first ends the training
    try:
        said, theta = engine.follow(plan, smooth(plan, data))
    finally:
        signal.signal(signal.SIGINT, before)
    if "failed" in said:
        raise SystemExit(1)
    history = History(tuple(epoch_from_dict(epoch) for epoch in said["epochs"]), said["stopped"])
    return replace(state, theta=theta, stopped=history.stopped), history


def check_alike(processes: Processes, plan: Plan, state: State, data: Data) -> None:
    """Raise `InputError`, in all processes, where one has another version, plan, start or data."""
    mine = {
        "version of whygrad": _digest(__version__.encode()),
        "plan": _digest(repr(plan).encode()),
        "parameters": _digest(state.theta),
        "data": _digest(*_arrays(data)),
    }
    for name, digest in mine.items():
        all_of_them = processes.gathered(np.frombuffer(digest, np.uint8))
        others = np.flatnonzero((all_of_them != all_of_them[0]).any(axis=1))
        if len(others):
            raise InputError(
                f"process {others[0]} does not have the {name} of process 0: give all the same"
            )


def _arrays(data: Data) -> list[Any]:
    X = (data.X.data, data.X.indices, data.X.indptr) if is_sparse(data.X) else (data.X,)
    return [part for part in (*X, data.Y, data.factors) if part is not None]


def _digest(*parts: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()
