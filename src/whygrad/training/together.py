"""A training that several processes share: the first runs it, the others take its steps.

Before the first step all must have the same plan, parameters and data. Where the first fails, those that
follow end, and it tells why. Where another one is gone it ends as well: nothing can be trained without it.
"""

import hashlib
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from whygrad.engines.xla import (
    START,
    Parted,
    Processes,
    XlaEngine,
    begin,
    ending_at_once,
    ending_if_parted,
    tell_failure,
    waiting,
)
from whygrad.errors import InputError
from whygrad.escaping import note
from whygrad.nn import Data
from whygrad.nn.arrays import is_sparse
from whygrad.nn.frozen_array import FrozenArray
from whygrad.plan.plan import Plan, State, smooth
from whygrad.plan.windows import Windows
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
    with ending_if_parted(), engine.shared():
        with ending_at_once():
            begin(engine.group)
            check_alike(engine.group, plan, state, data)
        if engine.group.follows:
            return _follow(engine, plan, state, data)
        return _lead(engine, plan, state, lead)


def _lead(
    engine: XlaEngine, plan: Plan, state: State, lead: Callable[[], tuple[State, History]]
) -> tuple[State, History]:
    try:
        ended, history = lead()
    except Parted:
        raise
    except BaseException:
        with suppress(Parted):
            engine.dismiss({"failed": True}, state.theta)
        raise
    epochs = [asdict(epoch) for epoch in history.epochs]
    engine.dismiss({"epochs": epochs, "stopped": history.stopped}, final(plan, ended))
    return ended, history


def _follow(engine: XlaEngine, plan: Plan, state: State, data: Data) -> tuple[State, History]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first ends the training
    try:
        said, theta = engine.follow(plan, smooth(plan, data))
    except Parted:
        raise
    except Exception as error:  # the others wait for this process: it ends at once, and they see it
        tell_failure(f"process {engine.group.index} of {engine.group.count}", error)
        os._exit(1)
    finally:
        signal.signal(signal.SIGINT, before)
    if "failed" in said:
        note("the first process's training failed: this one ends with it")
        raise SystemExit(1)
    history = History(tuple(epoch_from_dict(epoch) for epoch in said["epochs"]), said["stopped"])
    return replace(state, theta=theta, stopped=history.stopped), history


def check_alike(processes: Processes, plan: Plan, state: State, data: Data) -> None:
    """Raise `InputError`, in all processes, where one has another version, plan, start or data."""
    import jax
    import jaxlib.version

    mine = {
        "version of whygrad": _digest(__version__.encode()),
        "version of JAX": _digest(jax.__version__.encode(), jaxlib.version.__version__.encode()),
        "plan": _digest(*_described(plan)),
        "parameters": _digest(state.theta),
        "data": _digest(*_arrays(data)),
    }
    for name, digest in mine.items():
        with waiting(START):  # others may still read their data
            all_of_them = processes.gathered(np.frombuffer(digest, np.uint8))
        others = np.flatnonzero((all_of_them != all_of_them[0]).any(axis=1))
        if len(others):
            raise InputError(
                f"process {others[0]} does not have the {name} of process 0: give all the same"
            )


def _described(plan: Plan) -> list[bytes]:
    """Return all of a plan as bytes; of code of the user's own what it is called, not where it lies."""
    said = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(plan))
    frozen = [layer.mask for layer in plan.net.layers]
    frozen += [value for _, value in plan.rate_multipliers]
    frozen += [plan.shuffle.blocks] if isinstance(plan.shuffle, Windows) else []
    return [said.encode(), *(part.content for part in frozen if isinstance(part, FrozenArray))]


def _arrays(data: Data) -> list[Any]:
    if data.on_demand:
        return [data.X.digest.encode()]
    X = (data.X.data, data.X.indices, data.X.indptr) if is_sparse(data.X) else (data.X,)
    return [part for part in (*X, data.Y, data.factors, data.counts) if part is not None]


def _digest(*parts: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()
