"""A first layer that embeds categories of many values, beside all other inputs as they are.

Category k of such a column is d numbers of its own, learned: columns of a linear, masked `Dense`, so that
an embedding is a block of W¹ and answers about it are exact. Every other input passes through times a
scale that starts at 1, and that is learned as well. Guo & Berkhahn (2016) for embeddings of categories,
Holzmüller, Grinsztajn & Steinwart (2024) for the scaling layer and its higher learning rate.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn import Array, Dense, Network, Parameters


@dataclass(frozen=True)
class EmbeddingLayer:
    """The first layer of a network, made of blocks, one for each column.

    Parameters
    ----------
    columns : tuple of (int, int)
        Of each column how many inputs it has, and how many units they are embedded in; 0 for inputs that
        pass through.

    Raises
    ------
    InputError
        For a column without inputs, and for a negative number of units.

    Examples
    --------
    >>> first = EmbeddingLayer(((12, 3), (1, 0), (1, 0)))
    >>> net = Network(14, [first.dense, Dense(4, "relu"), Dense(1)])
    >>> net.sizes, first.start(net, seed=0).W[1][3:, 12:]
    ((14, 5, 4, 1), array([[1., 0.],
           [0., 1.]]))
    """

    columns: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        for inputs, units in self.columns:
            if inputs < 1 or units < 0:
                raise InputError(
                    f"a column of {inputs} inputs in {units} units: it has at least 1 input, and 0 units "
                    "where it passes through"
                )

    @cached_property
    def _embeds(self) -> tuple[Array, Array]:
        """Which weights there are, and which of them are of embeddings, (units, inputs)."""
        inputs, units = sum(n for n, _ in self.columns), sum(d or n for n, d in self.columns)
        there, embeds = np.zeros((2, units, inputs), bool)
        row = column = 0
        for n, d in self.columns:
            block = there[row : row + (d or n), column : column + n]
            block[...] = np.ones((d, n)) if d else np.eye(n)
            embeds[row : row + d, column : column + n] = d > 0
            row, column = row + (d or n), column + n
        return there, embeds

    @property
    def dense(self) -> Dense:
        """The layer."""
        there, _ = self._embeds
        return Dense(len(there), mask=there)

    def start(self, net: Network, seed: int = 0, dtype: Any = np.float64) -> Parameters:
        """Return parameters for a network that begins with this layer.

        Embeddings are drawn with a length of about 1, that of the category's own input; scales are 1.
        """
        there, embeds = self._embeds
        draws = np.random.default_rng([seed, 0])
        spread = np.concatenate([np.full(d or n, 1 / math.sqrt(d or 1)) for n, d in self.columns])
        drawn = draws.normal(size=there.shape) * spread[:, None]
        return net.init(seed, dtype, W=[None, np.where(embeds, drawn, there)])

    def multipliers(self, embedding: float = 1.0, scaling: float = 1.0) -> dict[str, Any]:
        """Return factors on the learning rate of this layer, whose biases stay 0."""
        _, embeds = self._embeds
        return {"W1": np.where(embeds, embedding, scaling), "b1": 0.0}
