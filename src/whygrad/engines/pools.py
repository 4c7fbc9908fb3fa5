"""The threads of the BLAS that SciPy brings: held to one while its products must give the same bits."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def thread_pools() -> list[Any]:
    """The threads of the BLAS that the products call: SciPy's own, where it comes with one.

    NumPy's are left alone, so that what other Python threads compute with NumPy does not change with
    the limits here. Looked for once, as that reads the libraries of the process.
    """
    import scipy.linalg.cython_blas  # noqa: F401  loads the one that is meant

    pools: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    own = [pool for pool in pools if "scipy" in Path(pool.filepath).parent.name]
    return own or pools


_lock = Lock()
_users: list[int] = []
_before: list[int] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the BLAS of the products to one thread; when the last user leaves, all is as it was.

    Products of one and of two threads may differ in their last bits. The engine has threads of its own,
    each with products of its own, so those need none. The pools belong to the process, whence the count.
    """
    with _lock:
        if not _users:
            _before[:] = [pool.get_num_threads() for pool in thread_pools()]
            _set([1] * len(_before))
        _users.append(1)
    try:
        yield
    finally:
        with _lock:
            _users.pop()
            if not _users:
                _set(_before)


def _set(threads: list[int]) -> None:
    for pool, number in zip(thread_pools(), threads, strict=True):
        # threadpoolctl lets one Python thread alone set an OpenBLAS, and drops what others ask for. Here
        # they go through one lock, so we ask for what is behind that rule, where there is such a rule.
        set_threads = getattr(pool, "_real_set_num_threads", pool.set_num_threads)
        set_threads(number)
