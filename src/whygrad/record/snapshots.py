"""Snapshots: states of a training as safetensors files, to go on from.

θ, the optimizer's slots and, where a rule keeps them, the best parameters are tensors; the counters and
sums stand beside them, numbers in hexadecimal, so that a state comes back bit for bit.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError
from whygrad.files import sha256, sync, write_atomically
from whygrad.plan import State
from whygrad.record.events import Snapshot

FOLDER = "snapshots"
FORMAT = "whygrad state"
ARRAYS = ("theta", "slots", "best_theta")

SPACING = 0.5  # seconds of training between two snapshots, at least
BUDGET = 48 * 2**20  # bytes that all of them may take before they are thinned out
MOST = 512  # and how many there may be
KEPT = 4  # at least, however large they are
SHARE = 25  # a snapshot may take this share of the time between two, at most


def write(run: Path, state: State) -> Snapshot:
    """Write a state into a run's folder; it is on the disk, under its name, when this returns."""
    written = content(state)
    path = f"{FOLDER}/{state.step:09d}.safetensors"
    write_atomically(run / path, written)
    return Snapshot(state.step, path, sha256(written))


def content(state: State) -> bytes:
    """Give a state as the content of a file."""
    from safetensors.numpy import save

    tensors = {
        name: np.ascontiguousarray(array)
        for name, array in ((name, getattr(state, name)) for name in ARRAYS)
        if array is not None
    }
    counters = {
        field.name: _written(getattr(state, field.name))
        for field in fields(State)
        if field.name not in ARRAYS
    }
    written: bytes = save(tensors, {"format": FORMAT, "state": json.dumps(counters)})
    return written


def read(run: Path, snapshot: Snapshot | str) -> State:
    """Read a state; raises `FileError` where its file is missing or not what was written.

    Of a path alone it is not known what was written there.
    """
    from safetensors import SafetensorError, safe_open

    name = snapshot if isinstance(snapshot, str) else snapshot.path
    path = run / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise FileError(f"{run}: {name} is not in the run's folder")
    try:
        found = path.read_bytes()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "is missing" if missing else f"cannot be read ({error.strerror or error})"
        raise FileError(f"{run}: {name} {reason}") from None
    if isinstance(snapshot, Snapshot) and sha256(found) != snapshot.sha256:
        raise FileError(f"{run}: {name} is not what was written there")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{run}: {name} is no state ({error})") from None
    return State(**tensors, **{key: _read(value) for key, value in about.items()})


def _read(value: Any) -> Any:
    return float.fromhex(value["hex"]) if isinstance(value, dict) else value


def _written(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    return {"hex": value.hex()} if isinstance(value, float) else value


def superfluous(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Give the steps whose snapshots can go, where (step, bytes) of all together are too many.

    Every second one goes, but neither the first, where everything starts, nor the last two.
    """
    total = sum(size for _, size in sizes)
    if len(sizes) <= KEPT or (total <= BUDGET and len(sizes) <= MOST):
        return []
    return [step for step, _ in sizes[1:-2:2]]


def remove(run: Path, snapshot: Snapshot) -> None:
    """Remove a snapshot's file, of which the database no longer knows."""
    (run / snapshot.path).unlink(missing_ok=True)
    sync((run / snapshot.path).parent)
