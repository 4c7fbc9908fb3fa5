"""The examples of a training on a folder: read, and encoded, when an engine asks for them.

What is read stays as the file has it, block by block, and the blocks that were used last are kept, as many
as a window mixes. Only the rows that are asked for are encoded.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np
import pyarrow as pa

from whygrad.nn.arrays import Data, RowsOnDemand
from whygrad.nn.functions import Array
from whygrad.pipeline.streamed.folder import Folder, Span
from whygrad.tables import Encoding


def examples_of(
    folder: Folder, encoding: Encoding, blocks: Sequence[Span], dtype: str, kept: int
) -> Data:
    """Return the rows of some blocks, one after the other, as examples that are read on demand.

    Parameters
    ----------
    folder : Folder
    encoding : Encoding
        How its rows become inputs and targets.
    blocks : sequence of Span
        Which rows, by blocks that lie in a row group each.
    dtype : str
    kept : int
        How many rows, as they are in the files, stay in memory.
    """
    reader = _Reader(folder, [*encoding.kinds], blocks, kept)
    inputs, target = [column.name for column in encoding.columns], [encoding.target.name]

    def X(rows: Array) -> Array:
        return encoding.encode(reader.take(rows, inputs), dtype)

    def Y(rows: Array) -> Array:
        return encoding.targets(reader.take(rows, target), dtype)

    n, kind = sum(block.rows for block in blocks), np.dtype(dtype)
    digest = hashlib.sha256(folder.digest.encode())
    digest.update(np.array([(block.first, block.last) for block in blocks], "<i8").tobytes())
    said = digest.hexdigest()
    return Data(
        RowsOnDemand((n, len(encoding.names)), kind, X, said),
        RowsOnDemand((n, encoding.target.n_outputs), kind, Y, said),
    )


class _Reader:
    """Takes rows of blocks by their indices; keeps the last ones, and the blocks that were used last."""

    def __init__(self, folder: Folder, names: list[str], blocks: Sequence[Span], kept: int) -> None:
        self.folder, self.names, self.blocks, self.kept = folder, names, blocks, kept
        self.ends = np.cumsum([block.rows for block in blocks])
        self._tables: OrderedDict[int, Any] = OrderedDict()
        self._rows = 0
        self._last: tuple[Any, Any] = None, None  # who asks for inputs asks for targets next
        self._lock = RLock()  # trainings side by side share the data of a run

    def take(self, rows: Array, names: list[str]) -> Any:
        """Return some columns of some rows, (k,), in their order."""
        with self._lock:
            if self._last[0] is not rows:
                self._last = rows, self._taken(rows)
            return self._last[1].select(names)

    def _taken(self, rows: Array) -> Any:
        """Return all columns of some rows; of none where a process has no share of a small batch."""
        if not len(rows):
            return self._block(0).slice(0, 0)
        of_block = np.searchsorted(self.ends, rows, side="right")
        order = np.argsort(of_block, kind="stable")
        numbers, firsts = np.unique(of_block[order], return_index=True)
        parts = []
        for number, places in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            block = self.blocks[number]
            within = rows[places] - (self.ends[number] - block.rows)
            parts.append(self._block(number).take(within))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return pa.concat_tables(parts).combine_chunks().take(back)

    def _block(self, number: int) -> Any:
        """Return all columns of a block, read unless it is still there."""
        if number in self._tables:
            self._tables.move_to_end(number)
            return self._tables[number]
        block = self.blocks[number]
        pieces = [piece for _, piece in self.folder.read(block.first, block.last, self.names)]
        # A copy: a slice would keep the whole row group.
        table = pa.concat_tables(pieces).take(np.arange(block.rows))
        self._tables[number] = table
        self._rows += block.rows
        while self._rows > self.kept and len(self._tables) > 1:
            oldest, _ = self._tables.popitem(last=False)
            self._rows -= self.blocks[oldest].rows
        return table
