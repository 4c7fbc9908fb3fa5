"""The address space that a process may still take, where a limit is set (`ulimit -v`).

Native libraries fail badly without: BLAS hangs or ends the process, LLVM ends it, others are reported as
"not found". So what needs much memory checks first.
"""

import math
import os
import sys
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from threading import Lock
from typing import Any

_MB = 2**20
_loading = Lock()
# In MB, without BLAS.
TRAINING = 220  # what BLAS works in, and what threads reserve for themselves
COMPILING = 520  # as well: Numba, LLVM and the training loop
SKLEARN = 150
LLVM = 220  # alone, for the products of prediction
LITTLE = 256  # an error with less left may be for want of it


def spare() -> float:
    """Return the MB of address space that this process may still take; infinity where there is no limit."""
    if sys.platform == "win32":
        return math.inf
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return math.inf
    return (limit - pages * resource.getpagesize()) / _MB


def blas() -> float:
    """Return the MB that loading SciPy's BLAS takes, which grows with its threads; 0 where it is loaded."""
    if "scipy.linalg" in sys.modules or load_blas.cache_info().currsize:
        return 0
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        asked = os.environ.get(variable, "")
        if asked.isdecimal() and int(asked) > 0:
            threads = int(asked)
            break
    return 60 + 40 * min(threads or 1, 64)


@cache
def load_blas() -> Any:
    """Return SciPy's module of BLAS alone: all of `scipy.linalg` takes ten times as long to import."""
    refuse_without(blas(), "the BLAS of SciPy")
    name = "scipy.linalg.cython_blas"
    import scipy

    with _loading:  # which two threads at once cannot
        if not sys.modules.keys().isdisjoint(("scipy.linalg", name)):
            return import_module(name)  # waits for a thread that is at it
        folders = [str(Path(folder) / "linalg") for folder in scipy.__path__]
        spec = PathFinder.find_spec(name, folders)
        if spec is None or spec.loader is None:
            return import_module(name)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        if "scipy.linalg" not in sys.modules:
            sys.modules.pop(name, None)  # who imports `scipy.linalg` gets it as a part of that
        return module


def refuse_without(needed: float, what: str) -> None:
    """Raise `MemoryError` where fewer MB than `needed` are left; the message names `what` needs them."""
    left = spare()
    if left < needed:
        raise MemoryError(
            f"{what} takes some {needed:.0f} MB of address space, and this process may take only "
            f"{max(left, 0):.0f} MB more: raise the limit (ulimit -v)"
        )


def refuse_without_sklearn() -> None:
    """Raise `MemoryError` where scikit-learn cannot be imported, with whose SciPy BLAS comes and hangs."""
    refuse_without(blas() + SKLEARN if blas() else 0, "scikit-learn")
