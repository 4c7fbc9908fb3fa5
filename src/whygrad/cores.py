"""The cores that a training may use, and the threads of BLAS, which are held to one meanwhile.

A matrix product on one thread and on two may differ in its last bits, and the number of threads depends on
the machine, on the limits of the process and on what runs beside it. So while a training computes, each
product has one thread; the threads that share a step are the native engine's own, whose number changes no
bit. Trainings that run at the same time in one process share its cores.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from whygrad.address_space import load_blas

_lock = Lock()
_CGROUP = Path("/sys/fs/cgroup")


def allowed_cores() -> int:
    """Return the number of cores that this process may use.

    At most those of its affinity mask, of its container's quota of processor time, and of the environment
    variables `OMP_NUM_THREADS` and `NUMBA_NUM_THREADS`, which programs that run several processes at once,
    such as joblib, set for each.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = cpu_quota(_CGROUP)
    if quota is not None:
        cores = min(cores, max(1, int(quota)))
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        allowed = os.environ.get(variable, "")
        if allowed.isdecimal() and len(allowed) < 10 and int(allowed) > 0:
            cores = min(cores, int(allowed))
    return cores


@cache
def cpu_quota(cgroup: Path) -> float | None:
    """Return the processor seconds per second that Linux grants a container, or None: no bound."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((cgroup / file).read_text() for file in files).split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal() and period.isdecimal() and int(period):  # no bound is "max", or −1
            return int(quota) / int(period)
    return None


_trainings: list[int] = []


@contextmanager
def beside_others() -> Iterator[None]:
    """Count a training among those of this process, for as long as it runs."""
    with _lock:
        _trainings.append(1)
    try:
        yield
    finally:
        with _lock:
            _trainings.pop()


_most: ContextVar[int | None] = ContextVar("most", default=None)


@contextmanager
def at_most(cores: int) -> Iterator[None]:
    """Leave the trainings within no more than so many cores, to be shared by all that run now."""
    before = _most.set(cores)
    try:
        yield
    finally:
        _most.reset(before)


def own_cores() -> int:
    """Return the number of cores for one training, at least one: its share among those that run now."""
    cores, most = allowed_cores(), _most.get()
    return max(1, min(cores, most or cores) // max(1, len(_trainings)))


@cache
def _all_pools() -> list[Any]:
    """Return the thread pools of NumPy's and SciPy's BLAS; found once, as the search reads the process."""
    load_blas()  # the one that the native engine calls
    pools: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    own = [pool for pool in pools if _comes_with(pool, "numpy") or _comes_with(pool, "scipy")]
    return own or pools


@cache
def thread_pools(numpy: bool = False) -> list[Any]:
    """Return the thread pools of SciPy's own BLAS, where it has one; with `numpy` NumPy's as well."""
    pools = _all_pools()
    if numpy:
        return pools
    return [pool for pool in pools if _comes_with(pool, "scipy")] or pools


def _comes_with(pool: Any, package: str) -> bool:
    return package in Path(pool.filepath).parent.name


_users: dict[str, int] = {}
_before: dict[str, int] = {}


@contextmanager
def one_thread(numpy: bool = False) -> Iterator[None]:
    """Hold each matrix product to one thread within; when the last user leaves, all is as it was.

    The pools belong to the process, so users are counted. NumPy's is limited only where NumPy computes (the
    reference engine, validation data): meanwhile products of other Python threads have one thread as well.

    Parameters
    ----------
    numpy : bool
        Whether to limit NumPy's BLAS as well as SciPy's.
    """
    pools = thread_pools(numpy)
    with _lock:
        for pool in pools:
            if not _users.get(pool.filepath):
                _before[pool.filepath] = pool.get_num_threads()
                _set(pool, 1)
            _users[pool.filepath] = _users.get(pool.filepath, 0) + 1
    try:
        yield
    finally:
        with _lock:
            for pool in pools:
                _users[pool.filepath] -= 1
                if not _users[pool.filepath]:
                    _set(pool, _before[pool.filepath])


def _set(pool: Any, threads: int) -> None:
    # threadpoolctl lets one Python thread alone set an OpenBLAS, and drops what others ask for. Here they
    # go through one lock, so we ask for what is behind that rule, where there is such a rule.
    getattr(pool, "_real_set_num_threads", pool.set_num_threads)(threads)
