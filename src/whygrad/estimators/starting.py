"""scikit-learn imported without SciPy's statistics, which its base classes import and never ask anything.

They take as long to import as a small fit. While scikit-learn is imported something stands in their place,
which imports them as soon as it is asked for anything; afterwards it is gone, and whoever imports
`scipy.stats` gets the module itself.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

NAME = "scipy.stats"


class _Later(ModuleType):
    """What stands in the place of a module: it has of it what it is asked for."""

    def __getattr__(self, name: str) -> Any:
        _remove(self)
        return getattr(import_module(self.__name__), name)


@contextmanager
def without_statistics() -> Iterator[None]:
    """Leave `scipy.stats` out of what is imported within, unless something within asks it for anything."""
    if NAME in sys.modules or "sklearn.utils.fixes" in sys.modules:
        yield
        return
    stands_in = sys.modules[NAME] = _Later(NAME)
    try:
        yield
    finally:
        _remove(stands_in)


def _remove(stands_in: ModuleType) -> None:
    if sys.modules.get(NAME) is stands_in:
        del sys.modules[NAME]
