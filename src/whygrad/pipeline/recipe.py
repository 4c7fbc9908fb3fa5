"""The recipe for networks on tables: how columns become inputs, and hyperparameters from measurements.

A number x, with mean m, standard deviation s and quantiles b₀ < … < b_T of the training rows, becomes
T + 1 inputs: once standardised and smoothly clipped to ±3, and T times its share of a bin, with weight w:

    z / √(1 + (z/3)²),  z = (x − m)/s
    w · clip((x − b_{t−1})/(b_t − b_{t−1}), 0, 1),  t = 1 … T

The first bin goes on to −1 and the last to 2, so that what lies outside is not all the same. A missing
number is 0 everywhere, and 1 in an input of its own. What each ingredient brings stands in docs/tuning.md.

Sources: Gorishniy, Rubachev & Babenko (2022) for the piecewise-linear encoding; Holzmüller, Grinsztajn &
Steinwart (2024) for the smooth clipping.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array

FEW = 3  # a column of fewer values is standardised alone
MANY = 5000  # from so many rows on, time counts: fewer members, and as many inputs as
MOST_INPUTS = 384  # these, so that 20,000 rows of 20 columns take less than a minute on two cores


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of networks on a table, whose outputs are averaged.

    Parameters
    ----------
    members : int
        Networks that are trained, each with other rows set aside for the choice of its epoch.
    hidden : tuple of int
        Units of their hidden layers.
    bins : int
        Quantile bins of a number, at most.
    weight : float
        The weight w of the piecewise-linear inputs.
    activation : str
        Of the hidden layers.
    dropout : float
        The probability with which a step drops a hidden unit.
    learning_rate, decay : float
        Of AdamW; the rate falls along a cosine to 0.
    epochs, batch_size : int
        As of `whygrad.train`.
    validation : float
        The share of the rows that a member sets aside; it keeps its best epoch by their cost.
    """

    members: int
    hidden: tuple[int, ...]
    bins: int
    batch_size: int
    decay: float
    weight: float = 0.3
    activation: str = "relu"
    dropout: float = 0.1
    learning_rate: float = 0.002
    epochs: int = 60
    validation: float = 0.125


def recommended(rows: int, columns: int, classes: int) -> Recipe:
    """Return the recipe for a table.

    Parameters
    ----------
    rows : int
        The number of training rows, those for validation included.
    columns : int
        The number of columns that hold numbers.
    classes : int
        The number of classes, 0 for a regression.

    Returns
    -------
    Recipe
        Smaller networks and stronger decay where there are few rows of classes, so that probabilities
        stay calibrated; fewer members, and of many columns fewer bins, where there are many rows.

    Examples
    --------
    >>> recommended(400, 5, classes=3).hidden, recommended(20_000, 20, classes=0).bins
    ((64, 64), 19)
    """
    if rows < 1:
        raise InputError("there are no training rows to choose hyperparameters for")
    batch = int(np.clip(2 ** round(math.log2(rows / 16)), 32, 256))
    if classes and rows < 1000:
        return Recipe(8, (64, 64), bins=8, batch_size=batch, decay=1.0)
    if rows < MANY:
        return Recipe(8, (256, 256), int(np.clip(rows / 50, 4, 48)), batch, decay=0.1)
    bins = int(np.clip(MOST_INPUTS / max(columns, 1), 8, 48))
    return Recipe(5, (256, 256), bins, batch, decay=0.1)


def set_aside(rows: int, recipe: Recipe, seed: int) -> list[Array]:
    """Return the validation rows of each member, (k,): disjoint until all rows have had their turn.

    >>> recipe = Recipe(4, (8,), bins=4, batch_size=8, decay=0.0, validation=0.25)
    >>> sorted(np.concatenate(set_aside(8, recipe, seed=0)).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    order = np.random.default_rng([seed, 7]).permutation(rows)
    k = max(1, round(rows * recipe.validation))
    starts = (member * k % rows for member in range(recipe.members))
    return [order[i : i + k] for i in starts]


@dataclass(frozen=True, eq=False)
class NumberInputs:
    """How a column of numbers becomes inputs: mean, standard deviation, edges of bins, weight.

    `flagged`: whether a missing value has an input of its own.
    """

    center: float
    scale: float
    edges: Array
    weight: float
    flagged: bool

    @property
    def width(self) -> int:
        """The number of inputs."""
        bins = len(self.edges) - 1 if len(self.edges) >= FEW else 0
        return 1 + bins + self.flagged


def learn_number(x: Array, recipe: Recipe) -> NumberInputs | None:
    """Learn from the training rows of a column, (n,) with NaN where missing; None where it is constant.

    >>> recipe = recommended(200, 1, classes=0)
    >>> learn_number(np.arange(200.0), recipe).width, learn_number(np.ones(200), recipe)
    (5, None)
    """
    gone = np.isnan(x)
    known = x[~gone]
    if not len(known) or known.min() == known.max():
        return None
    edges = np.unique(known)
    if len(edges) >= FEW:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, recipe.bins + 1)))
    return NumberInputs(
        float(known.mean()), float(known.std()), edges, recipe.weight, bool(gone.any())
    )


def encode_number(column: NumberInputs, x: Array) -> Array:
    """Return the inputs of a column, (n, width) in float32, for its values, (n,)."""
    gone = np.isnan(x)
    z = (x - column.center) / column.scale
    edges = column.edges
    if len(edges) < FEW:
        parts = [z[:, None]]
    else:
        shares = (x[:, None] - edges[:-1]) / np.diff(edges)
        lower, upper = np.zeros(shares.shape[1]), np.ones(shares.shape[1])
        lower[0], upper[-1] = -1, 2
        clipped = z / np.sqrt(1 + (z / 3) ** 2)
        parts = [column.weight * np.clip(shares, lower, upper), clipped[:, None]]
    inputs = np.where(gone[:, None], 0, np.concatenate(parts, axis=1))
    if column.flagged:
        inputs = np.concatenate([inputs, gone[:, None]], axis=1)
    return inputs.astype(np.float32)


def gather(parts: Array, widths: Sequence[int]) -> Array:
    """Return the sums of what belongs to each original column, (…, columns), of parts by input, (…, n_0).

    >>> gather(np.array([[1.0, 2, 3, 4]]), [1, 3])
    array([[1., 9.]])
    """
    if sum(widths) != parts.shape[-1]:
        raise InputError(f"the columns have {sum(widths)} inputs, the parts {parts.shape[-1]}")
    ends = np.cumsum(widths)
    return np.stack(
        [parts[..., e - w : e].sum(-1) for w, e in zip(widths, ends, strict=True)], axis=-1
    )
