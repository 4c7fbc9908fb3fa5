"""A batch in blocks, and the one order in which their sums are added up.

A batch of B examples is cut into R = `Plan.blocks` equal blocks, R a power of two, and what is summed over
its examples is summed block by block and then in pairs:

    ((g₀ + g₁) + (g₂ + g₃)) + ((g₄ + g₅) + (g₆ + g₇))

However many processes share the blocks, the tree is the same, and so are the bits.
"""

from whygrad.nn.functions import Array


def block_rows(n: int, blocks: int) -> list[slice]:
    """Return the rows of each block of n examples; the last ones are shorter, or empty.

    >>> block_rows(7, 4)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None), slice(6, 7, None)]
    """
    size = -(-n // blocks)
    return [slice(min(i * size, n), min((i + 1) * size, n)) for i in range(blocks)]


def tree_sum(parts: Array) -> Array:
    """Return the sum over the first axis, of 1, 2, 4 … parts, in pairs.

    >>> import numpy as np
    >>> tree_sum(np.array([1e16, 1.0, 1.0, -1e16]))
    np.float64(0.0)
    """
    while len(parts) > 1:
        parts = parts[0::2] + parts[1::2]
    return parts[0]
