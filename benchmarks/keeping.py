"""Where benchmarks keep their figures: results/NAME.json beside this file. Those of a trial are lost.

results/circumstances.json says for each of them when and where it ran, and with which versions.
"""

import datetime
import fcntl
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PEERS = ("numpy", "scipy", "numba", "scikit-learn", "torch", "jax")


def keep(name: str, figures: Any, trial: bool = False) -> None:
    """Write what a benchmark found to results/NAME.json, unless it only tried whether it runs."""
    if trial:
        print(f"a trial: results/{name}.json stays as it is")
        return
    RESULTS.mkdir(exist_ok=True)
    _write(name, figures)
    _write("circumstances", kept("circumstances", {}) | {name: circumstances()})


@contextmanager
def alone() -> Iterator[None]:
    """Keep other processes from reading and writing figures meanwhile."""
    with open(Path(tempfile.gettempdir()) / "whygrad-figures.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kept(name: str, otherwise: Any) -> Any:
    """Return what results/NAME.json says, or something else where there is no such file."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else otherwise


def circumstances() -> dict[str, str]:
    """Return when and where this is, and with which versions."""
    found = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{len(os.sched_getaffinity(0))} cores of {_processor()}",
        "python": platform.python_version(),
    }
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "-"
    return found


def _processor() -> str:
    """Return the processor's name, and the widest vectors that it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    about = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    vectors = [v for v in ("avx512f", "avx2") if v in about.get("flags", "").split()]
    return f"{about.get('model name', platform.machine())} ({', '.join(vectors[:1]) or 'no AVX'})"


def _write(name: str, figures: Any) -> None:
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n")
