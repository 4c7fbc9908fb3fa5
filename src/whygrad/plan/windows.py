"""The order of examples that are too many to be in memory at a time: shuffled by blocks, then in windows.

Examples lie in blocks, such as the row groups of files. An epoch takes the blocks in a new order, and what
follows from that is one sequence of examples. It is cut into `Plan.blocks` lanes of equal length, of which
lane j feeds block j of every batch: a process that computes some blocks reads the rows of their lanes, and
no others. A window is W examples, those of the same W/b batches of each lane, and within it every lane is
shuffled by itself. So each batch has examples of all lanes, and of up to W of them at random.

What an epoch takes is a pure function of seed, epoch, blocks and batch size; no process has a say in it.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.frozen_array import FrozenArray, freeze
from whygrad.nn.functions import Array

OF_BLOCKS = 2**32 - 1  # what stands in place of a lane where the order of the blocks is drawn


@dataclass(frozen=True)
class Windows:
    """Shuffle examples by blocks, and in windows of them.

    Parameters
    ----------
    blocks : array of shape (G,)
        The number of examples in each block, in their order.
    rows : int
        About how many examples are mixed with one another.

    Examples
    --------
    >>> Windows([2, 3], rows=4).examples(seed=0, epoch=0, batch_size=2, lanes=1, first=0, last=3)
    array([4, 2, 3, 0, 1])
    """

    blocks: FrozenArray
    rows: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", freeze(self.blocks))
        sizes = self.blocks.array
        if sizes.ndim != 1 or not len(sizes) or (sizes < 1).any() or (sizes % 1).any():
            raise InputError("blocks are numbers of examples, each a whole number of at least 1")
        if self.rows < 1:
            raise InputError(f"a window of {self.rows!r} examples: it has at least one")

    @property
    def n(self) -> int:
        """The number of examples."""
        return int(self.blocks.array.sum())

    @cached_property
    def ends(self) -> Array:
        """The number of examples up to the end of each block, (G,)."""
        return np.cumsum(self.blocks.array.astype(np.int64))

    def examples(
        self, seed: int, epoch: int, batch_size: int, lanes: int, first: int, last: int
    ) -> Array:
        """Return the examples of some batches of an epoch, one batch after the other.

        Parameters
        ----------
        seed, epoch : int
        batch_size : int
            b. The last batch of an epoch is smaller where it does not divide n.
        lanes : int
            Into how many blocks a batch is cut.
        first, last : int
            The batches, from `first` to before `last`.

        Returns
        -------
        ndarray of shape (number of examples,)
            Their indices.
        """
        whole, each = self.n // batch_size, self._batches(batch_size)
        parts = [np.zeros(0, np.int64)]
        for k in range(first // each, -(-min(last, whole) // each)):
            found = _window(self, seed, epoch, batch_size, lanes, k)
            at = k * each
            parts.append(found[max(0, first - at) : max(0, last - at)].ravel())
        if last > whole:
            parts.append(_at(self, seed, epoch, np.arange(whole * batch_size, self.n)))
        return np.concatenate(parts)

    def _batches(self, batch_size: int) -> int:
        """Return how many batches a window has."""
        return max(1, self.rows // batch_size)


@lru_cache(maxsize=2)
def _window(
    windows: Windows, seed: int, epoch: int, batch_size: int, lanes: int, number: int
) -> Array:
    """Return the examples of a window's batches, (batches, b), those of a lane side by side."""
    whole, each = windows.n // batch_size, windows._batches(batch_size)
    begin, end = number * each, min((number + 1) * each, whole)
    size = -(-batch_size // lanes)
    parts = []
    for lane in range(lanes):
        left, right = (min(j * size, batch_size) for j in (lane, lane + 1))
        wide = right - left
        places = whole * left + np.arange(begin * wide, end * wide)
        np.random.default_rng([seed, epoch, lane, number]).shuffle(places)
        parts.append(_at(windows, seed, epoch, places).reshape(end - begin, wide))
    found = np.concatenate(parts, axis=1)
    found.flags.writeable = False
    return found


def _at(windows: Windows, seed: int, epoch: int, places: Array) -> Array:
    """Return the examples at some places of the sequence that an epoch's order of the blocks makes."""
    ends, shift = _sequence(windows, seed, epoch)
    return places + shift[np.searchsorted(ends, places, side="right")]


@lru_cache(maxsize=2)
def _sequence(windows: Windows, seed: int, epoch: int) -> tuple[Array, Array]:
    """Return where the blocks of an epoch's sequence end, and how far examples lie from their places."""
    sizes = windows.blocks.array.astype(np.int64)
    order = np.random.default_rng([seed, epoch, OF_BLOCKS]).permutation(len(sizes))
    ends = np.cumsum(sizes[order])
    return ends, windows.ends[order] - ends
