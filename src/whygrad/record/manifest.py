"""The manifest of a run: what decides its training, as JSON, with a schema version of its own."""

import hashlib
import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from whygrad.errors import FileError
from whygrad.fitting import Learned
from whygrad.saving import network_to_dict

FORMAT = "whygrad run"
SCHEMA = 1

NAME = "manifest.json"
MODEL = "model.safetensors"
ENCODING = "encoding.json"


def describe(learned: Learned, files: list[Path]) -> dict[str, Any]:
    """Give the manifest of a training whose other files are these."""
    from whygrad import __version__

    plan, target = learned.plan, learned.encoding.target
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": target.name,
        "task": target.task,
        "settings": asdict(learned.settings),
        "network": network_to_dict(plan.net),
        "optimizer": _named(plan.optimizer),
        "schedule": _named(plan.schedule),
        "stopping": None if plan.stopping is None else asdict(plan.stopping),
        "l1": asdict(plan.l1),
        "l2": asdict(plan.l2),
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "seed": plan.seed,
        "shuffle": plan.shuffle,
        "dtype": plan.dtype,
        "engine": learned.engine,
        "threads": allowed_cores(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "blas": _blas()},
        "versions": {
            "whygrad": __version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in ("numpy", "scipy", "numba")},
        },
        "data": learned.about
        | {
            "rows": {name: len(rows) for name, rows in vars(learned.parts).items()},
            "sha256": learned.sha256,
        },
        "seconds": learned.seconds,
        "trivial": learned.usual,
        "scored_on": "held_out" if len(learned.parts.held_out) else "training",
        "scores": learned.scores.to_dict(),
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }


def read(folder: Path) -> dict[str, Any]:
    """Read a run's manifest; raises `FileError` where the folder holds none that can be used."""
    path = folder / NAME
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{folder}: not a run, it has no {NAME}") from None
    except (ValueError, RecursionError):
        raise FileError(f"{folder}: damaged, its {NAME} is not JSON") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FileError(f"{folder}: not a run, its {NAME} is of something else")
    schema = about.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise FileError(f"{folder}: damaged, it does not say which schema it was written in")
    if schema > SCHEMA:
        raise FileError(
            f"{folder}: written by a newer whygrad (schema {schema}, this one reads up to {SCHEMA}): "
            "upgrade whygrad"
        )
    return about


def check_file(folder: Path, name: str, about: dict[str, Any]) -> Path:
    """Give the path of one of the run's files, which must be there as it was written."""
    path = folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"{folder}: damaged, {name} is missing") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    files = about.get("files")
    if not isinstance(files, dict) or files.get(name) != hashlib.sha256(content).hexdigest():
        raise FileError(f"{folder}: damaged, {name} is not what was written there")
    return path


def allowed_cores() -> int:
    """Count the cores that this process may use: the threads of all products follow from them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _named(rule: Any) -> dict[str, Any]:
    return {"name": type(rule).__name__} | asdict(rule)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _blas() -> list[str]:
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    parts = [
        (pool["internal_api"], pool.get("version"), pool.get("architecture")) for pool in found
    ]
    return sorted({" ".join(part for part in names if part) for names in parts})
