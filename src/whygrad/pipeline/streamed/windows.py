"""Which rows of a folder are trained on together, from counters alone.

A pass takes all blocks in an order that follows from seed and pass. The passes one after the other are one
long sequence of rows, cut into windows of W rows; within a window, the plan shuffles as it does an epoch's
examples. So a window is the epoch of a plan of W rows, and which rows it has depends on nothing but seed,
row groups and W.
"""

from collections.abc import Sequence

import numpy as np

from whygrad.pipeline.streamed.folder import Span

TEST_PART, PASSES_PART = 0, 1  # of the counters that share a seed


def shuffled(blocks: Sequence[Span], seed: int, part: int, number: int = 0) -> list[Span]:
    """Return blocks in an order that follows from the counters."""
    draws = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, part, number]))
    return [blocks[i] for i in draws.permutation(len(blocks))]


def set_aside(
    blocks: Sequence[Span], share: float, most: int, seed: int
) -> tuple[list[Span], list[Span]]:
    """Return the blocks to train on, and those of about so large a share of the rows, at most so many.

    At least one block is left to train on. The last of those set aside may be cut.
    """
    left = int(min(share * sum(block.rows for block in blocks), most))
    test: list[Span] = []
    training: list[Span] = []
    for block in shuffled(blocks, seed, TEST_PART):
        taken = min(left, block.rows) if len(blocks) > 1 or block.rows > left else 0
        left -= taken
        if taken:
            test.append(Span(block.first, block.first + taken))
        if taken < block.rows:
            training.append(Span(block.first + taken, block.last))
    return sorted(training, key=_first), sorted(test, key=_first)


def _first(block: Span) -> int:
    return block.first


def window(blocks: Sequence[Span], seed: int, W: int, number: int) -> list[Span]:
    """Return the spans of a window, counted from 0, in their order.

    >>> window([Span(0, 4), Span(4, 8)], 0, 6, 1)
    [Span(first=6, last=8), Span(first=4, last=8)]
    """
    n = sum(block.rows for block in blocks)
    found: list[Span] = []
    at, left = number * W, W
    while left:
        number_of_pass, skipped = divmod(at, n)
        for block in shuffled(blocks, seed, PASSES_PART, number_of_pass):
            low = block.first + min(skipped, block.rows)
            high = min(block.last, low + left)
            skipped -= low - block.first
            left -= high - low
            at += high - low
            if low < high:
                found.append(Span(low, high))
    return found
