"""Where a training ran: what its bits depend on besides the plan and the data.

With the same machine, versions, number of cores and code a training has the same bits; otherwise it has the
same numbers but for rounding, which training may amplify.
"""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from whygrad.cores import allowed_cores
from whygrad.files import sha256
from whygrad.version import __version__

LIBRARIES = ("numpy", "scipy", "numba")
# The folders whose code decides the bits of a training.
COMPUTING = ("nn", "plan", "engines", "training")

# By which share of its size a cost may differ where it is computed again elsewhere, early in training.
TOLERANCE = {"bfloat16": 1e-2, "float32": 1e-3, "float64": 1e-8}


def describe() -> dict[str, Any]:
    """Return what the manifest says of this machine, its libraries and whygrad's own code."""
    return {
        "threads": allowed_cores(),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "core": _core(),
            "blas": _blas(),
        },
        "versions": {
            "whygrad": __version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in LIBRARIES},
        },
        "kernels": _kernels(),
    }


def differences(recorded: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what differs between two environments, in a few words each."""
    found = []
    for name in sorted({*recorded["versions"], *now["versions"]}):
        then, here = recorded["versions"].get(name), now["versions"].get(name)
        if then != here:
            found.append(f"{name} {then}, here {here}")
    for name in ("system", "processor", "core", "blas"):
        then, here = recorded["machine"].get(name), now["machine"].get(name)
        if then != here:
            found.append(f"{name} {_words(then)}, here {_words(here)}")
    if recorded["threads"] != now["threads"]:
        found.append(f"{recorded['threads']} threads, here {now['threads']}")
    if not found and recorded["kernels"] != now["kernels"]:
        found.append("whygrad's own code has changed")
    return found


def _words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _core() -> str:
    """Name the processor for which machine code is compiled."""
    try:
        from llvmlite.binding import get_host_cpu_name
    except (ImportError, OSError):  # not there, or its machine code cannot be loaded
        return platform.processor()
    return str(get_host_cpu_name())


@cache
def _blas() -> list[str]:
    """Name the BLAS of NumPy and of SciPy, with the kind of core that each has chosen."""
    from threadpoolctl import threadpool_info

    from whygrad.cores import thread_pools

    thread_pools()  # loads SciPy's, so that the answer does not depend on what ran before
    found = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    own = [p for p in found if Path(p["filepath"]).parent.name in ("numpy.libs", "scipy.libs")]
    parts = [
        (pool["internal_api"], pool.get("version"), pool.get("architecture"))
        for pool in own or found
    ]
    return sorted({" ".join(part for part in names if part) for names in parts})


@cache
def _kernels() -> str:
    """Return the SHA-256 of the code that computes a training."""
    package = Path(__file__).parents[2]
    paths = sorted(path for folder in COMPUTING for path in (package / folder).rglob("*.py"))
    code = b"".join(path.read_bytes() for path in paths)
    return sha256(code)
