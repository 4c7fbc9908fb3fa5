"""An LRU cache: what was computed and is likely to be wanted again, up to so many bytes.

cache = LRUCache(size, most=200_000_000)
cache.get(step, lambda: run.state(step))      computed once, while it is kept
"""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

BYTES = 200_000_000


class LRUCache(Generic[K, V]):
    """Values by key, the least recently used dropped first; what one thread computes the others wait for.

    Parameters
    ----------
    size : returns the bytes of a value.
    most, least, count : the bytes kept at most, which can be set later, but always the latest `least`
        values, and never more than `count`.
    """

    def __init__(
        self, size: Callable[[V], int], *, most: int = BYTES, least: int = 1, count: int = 64
    ) -> None:
        self._size, self.most, self._least, self._count = size, most, least, count
        self._kept: dict[K, V] = {}  # the one asked for last stands last
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made now if it is not kept."""
        with self._lock:
            found = self._kept.pop(key) if key in self._kept else make()
            self._kept[key] = found
            while len(self._kept) > self._least and self._beyond():
                del self._kept[next(iter(self._kept))]
            return found

    def _beyond(self) -> bool:
        return (
            len(self._kept) > self._count or sum(map(self._size, self._kept.values())) > self.most
        )
