"""The recipe for networks on tables: how numbers become inputs, and what ensemble is trained on them.

Numbers in pieces beside z (`tables.encoding.in_pieces`); 256-256 rectified linear units with dropout;
AdamW along a cosine to 0, of which the best epoch is kept; several networks averaged, each with validation
rows of its own. `recommended` fits it to a table. What each ingredient brings was measured with
`benchmarks/recipe.py` and is told in docs/tuning.md.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from whygrad.errors import InputError, nearest
from whygrad.nn.functions import Array

FEW = 1000  # rows below which networks are smaller: of classes, so that they stay calibrated
MANY = 5000  # from so many rows on, time counts: fewer members, and as many inputs as
MOST_INPUTS = 384  # these, so that 20,000 rows of 20 columns take less than a minute on two cores
MOST_OF_BEST = 2048  # inputs where time does not count
WIDEST = 10_000  # inputs in pieces; beyond that numbers are standardised alone
QUALITIES = ("fast", "default", "best")


@dataclass(frozen=True)
class Recipe:
    """How the columns of a table become inputs, and what is trained on them.

    Parameters
    ----------
    members : int
        Networks whose outputs are averaged.
    hidden : tuple of int
        Units of each hidden layer; () for none.
    activation, schedule : str
        Names as `whygrad.Dense` and `whygrad.train` take them.
    dropout : float
        The probability with which a step drops a hidden unit.
    learning_rate, decay : float
        Of AdamW.
    bins : int
        Of each number, at most; 0 standardises it alone.
    epochs : int
        Passes through the training rows, of which the best is kept.
    batch_size : int, optional
        Rows per step; by default they follow from the number of rows, `batch_size_of`.
    label_smoothing : float
        ε, of classes.
    share : float
        Of the rows, those that a member sets aside to choose its epoch by; 0 keeps the last one.

    Examples
    --------
    >>> recommended(400, 5, 3).hidden, recommended(20_000, 20, 0).bins
    ((64, 64), 19)
    """

    members: int = 1
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    dropout: float = 0.1
    learning_rate: float = 2e-3
    decay: float = 0.1
    bins: int = 32
    epochs: int = 60
    batch_size: int | None = None
    schedule: str = "cosine"
    label_smoothing: float = 0.0
    share: float = 0.125

    def __post_init__(self) -> None:
        for name in ("members", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)!r}: it must be at least 1")
        if self.bins < 0:
            raise InputError(f"bins is {self.bins!r}: it must be at least 0")
        if not 0 <= self.share < 1:
            raise InputError(f"share is {self.share!r}: it must be at least 0 and below 1")


def recommended(rows: int, numbers: int, classes: int, quality: str = "default") -> Recipe:
    """Return the recipe for a table.

    Smaller networks where there are few rows, and stronger decay where these are of classes, so that
    probabilities stay calibrated; fewer members, and of many columns fewer bins, where there are many rows.

    Parameters
    ----------
    rows, numbers, classes : int
        Training rows, columns of numbers, and classes, 0 of a regression.
    quality : {"fast", "default", "best"}
        "fast" trains one network; "best" 8 of large tables too, of more bins and with stronger decay.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    InputError
        For an unknown quality.
    """
    if quality not in QUALITIES:
        raise InputError(f"unknown quality {quality!r}: {nearest(str(quality), QUALITIES)}")
    if classes and rows < FEW:
        found = Recipe(members=8, hidden=(64, 64), bins=8, decay=1.0)
    elif rows < MANY:
        hidden = (256,) if rows < FEW else (256, 256)
        found = Recipe(members=8, hidden=hidden, bins=int(np.clip(rows / 50, 4, 48)))
    else:
        inputs, most, decay = (
            (MOST_INPUTS, 48, 0.1) if quality != "best" else (MOST_OF_BEST, 128, 1.0)
        )
        bins = int(np.clip(inputs / max(numbers, 1), 8, most))
        found = Recipe(members=5, bins=bins, decay=decay)
    if numbers * found.bins > WIDEST:
        found = replace(found, bins=0)
    members = {"fast": 1, "default": found.members, "best": 8}[quality]
    return replace(found, members=members)


def batch_size_of(recipe: Recipe, rows: int) -> int:
    """Return the rows of a step, of so many rows in all.

    >>> [batch_size_of(Recipe(), rows) for rows in (100, 1000, 20_000)]
    [32, 64, 256]
    """
    return recipe.batch_size or int(np.clip(2 ** round(math.log2(rows / 16)), 32, 256))


def set_aside(order: Array, recipe: Recipe) -> list[Array]:
    """Return the validation rows of each member, (k,): disjoint until all rows have had their turn.

    >>> set_aside(np.arange(8), Recipe(members=3, share=0.25))
    [array([0, 1]), array([2, 3]), array([4, 5])]
    """
    n = len(order)
    k = min(max(1, round(n * recipe.share)), n - 1) if recipe.share else 0
    return [order[np.arange(i * k, i * k + k) % n] for i in range(recipe.members)]


def shortened(recipe: Recipe, epoch: float, left: float, cores: int) -> Recipe:
    """Return the recipe for so many seconds: with fewer members, and if that is not enough fewer epochs.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    epoch : float
        The seconds that an epoch of one member takes.
    left : float
        The seconds that there are.
    cores : int
        Members that are trained at a time.

    Returns
    -------
    Recipe
        At least one member and one epoch.

    Examples
    --------
    >>> short = shortened(Recipe(members=8, epochs=60), epoch=0.1, left=13.0, cores=2)
    >>> short.members, short.epochs
    (4, 60)
    """
    whole = recipe.epochs * epoch
    rounds = int(left / whole) if whole > 0 else recipe.members
    if rounds >= 1:
        return replace(recipe, members=min(recipe.members, rounds * cores))
    epochs = max(1, min(recipe.epochs, int(left / epoch)))
    return replace(recipe, members=min(recipe.members, cores), epochs=epochs)
