"""Snapshots: states of a training as safetensors files, to go on from.

θ, the optimizer's state and, where a rule keeps them, the best parameters are tensors; counters and sums
are metadata, their numbers in hexadecimal, so that a state comes back bit for bit.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError
from whygrad.files import checksum, from_json, sha256
from whygrad.nn.network import count
from whygrad.plan.plan import EarlyStopping, Plan, Plateau, State
from whygrad.record.files import inside
from whygrad.record.files.events import Snapshot
from whygrad.record.files.inside import snapshot_name

FORMAT = "whygrad state"
ARRAYS = ("theta", "opt_state", "best_theta")
RULES = {"early_stopping": EarlyStopping, "plateau": Plateau}  # what these remember

SPACING = 0.5  # seconds of training between two snapshots, at least
BUDGET = 48 * 2**20  # bytes that all of them may take before some are removed
MOST = 512  # and how many there may be
KEPT = 4  # at least, however large they are
SHARE = 25  # a snapshot may take this share of the time between two, at most


def write(run: Path, state: State) -> Snapshot:
    """Write a state into a run's folder; it is on the disk, under its name, when this returns."""
    written, name = content(state), snapshot_name(state.step)
    inside.write(run, name, written)
    return Snapshot(state.step, name, sha256(written))


def content(state: State) -> bytes:
    """Return a state as the content of a file."""
    from safetensors.numpy import save

    values = flat(state)
    arrays = {name: values.pop(name) for name in ARRAYS}
    tensors = {name: np.ascontiguousarray(a) for name, a in arrays.items() if a is not None}
    counters = {name: _written(value) for name, value in values.items()}
    about = {"format": FORMAT, "state": json.dumps(counters)}
    return save(tensors, about | {"checksum": str(checksum_of(about["state"], tensors))})


def checksum_of(state: str, tensors: dict[str, Any]) -> int:
    """Return the checksum of a state's numbers and arrays, in the order of their names."""
    return checksum(
        state, *(part for name in sorted(tensors) for part in (name, _bytes(tensors[name])))
    )


def _bytes(array: Any) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def read(run: Path, snapshot: Snapshot | str, plan: Plan) -> State:
    """Read a state of a plan's training; raises `FileError` where it is missing or not what was written.

    Where only its name is given, the checksum in the file itself says what was written.
    """
    from safetensors import SafetensorError, safe_open

    name = snapshot if isinstance(snapshot, str) else snapshot.path
    damaged = FileError(f"{run}: {name} is not what was written there")
    if isinstance(snapshot, Snapshot) and sha256(inside.read(run, name)) != snapshot.sha256:
        raise damaged
    if not inside.exists(run, name):
        raise FileError(f"{run}: {name} is missing")
    try:
        with safe_open(inside.path_of(run, name), framework="numpy") as file:
            about = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if about["checksum"] != str(checksum_of(about["state"], tensors)):
            raise damaged
        state = _state(**tensors, **_read(from_json(about["state"])))
    except FileError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{run}: {name} is no state ({error})") from None
    reason = _misfit(state, plan)
    if isinstance(snapshot, Snapshot) and snapshot.step != state.step:
        reason = f"it is that of step {state.step}"
    if reason:
        raise FileError(f"{run}: {name} is no state of this training ({reason})")
    return state


def flat(state: State) -> dict[str, Any]:
    """Return all that a state holds, by name; what its rules remember stands beside the rest."""
    values = dict(vars(state))
    for name in RULES:
        values |= vars(values.pop(name))
    return values


def _state(**values: Any) -> State:
    """Return the state that holds these values."""
    rules = {
        name: kind(
            **{field.name: values.pop(field.name) for field in fields(kind) if field.name in values}
        )
        for name, kind in RULES.items()
    }
    return State(**values, **rules)


def _read(about: Any) -> dict[str, Any]:
    if not isinstance(about, dict):
        raise TypeError("its counters have no names")
    return {key: float.fromhex(v["hex"]) if isinstance(v, dict) else v for key, v in about.items()}


def _misfit(state: State, plan: Plan) -> str:
    """Return why training cannot go on from a state, or "": engines rely on its arrays."""
    theta = np.zeros(count(plan.net.sizes), plan.dtype)
    values = flat(state)
    right = {"theta": theta, "best_theta": theta, "opt_state": plan.optimizer.init(theta)}
    for name, like in right.items():
        array = values[name]
        if array is None and name == "best_theta":
            continue
        if (array.shape, array.dtype) != (like.shape, like.dtype):
            return f"{name} is {array.shape} of {array.dtype}, not {like.shape} of {like.dtype}"
    for name, default in flat(State(theta, right["opt_state"])).items():
        value, kind = values[name], type(default)
        if name not in ARRAYS and type(value) not in (kind, int if kind is float else kind):
            return f"{name} is {value!r:.60}"
    counts = [values[name] for name in ("step", "epoch", "seen", "best_step", "stalled", "waiting")]
    if min(counts) < 0 or not 0 <= state.batch_index <= plan.steps_per_epoch:
        return f"it counts {min(*counts, state.batch_index)} of something, or {state.batch_index} batches"
    return ""


def _written(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    return {"hex": value.hex()} if isinstance(value, float) else value


def superfluous(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Return the steps whose snapshots can be removed, where those given as (step, bytes) are too many.

    Every second one is, but neither the first, where everything starts, nor the last two.
    """
    total = sum(size for _, size in sizes)
    if len(sizes) <= KEPT or (total <= BUDGET and len(sizes) <= MOST):
        return []
    return [step for step, _ in sizes[1:-2:2]]


def remove(run: Path, snapshot: Snapshot) -> None:
    """Remove a snapshot's file, of which the database no longer knows."""
    inside.remove(run, snapshot.path)
