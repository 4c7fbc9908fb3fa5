"""The recipe for networks on tables: how numbers become inputs, and what ensemble is trained on them.

Numbers in pieces beside z (`tables.encoding.in_pieces`); 256-256 rectified linear units with dropout;
AdamW along a cosine to 0, of which the best epoch is kept; several networks averaged, each with validation
rows of its own, or most of them without any, for as long as the first few found best. `recommended` fits it
to a table. What each ingredient brings was measured with `benchmarks/recipe.py` and is told in
docs/tuning.md.
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
    pilots : int, default 0
        Of the members, the first ones, that alone set rows aside: the mean of their best epochs is how long
        the others learn, from all rows. 0 for all members.

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
    pilots: int = 0

    def __post_init__(self) -> None:
        for name, least in {"members": 1, "epochs": 1, "bins": 0, "pilots": 0}.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)!r}: it must be at least {least}")
        if not 0 <= self.share < 1:
            raise InputError(f"share is {self.share!r}: it must be at least 0 and below 1")

    @property
    def setting_aside(self) -> int:
        """How many members, the first ones, set rows aside."""
        return min(self.pilots or self.members, self.members)


def recommended(rows: int, numbers: int, classes: int, quality: str = "default") -> Recipe:
    """Return the recipe for a table.

    Smaller networks where there are few rows, and stronger decay where these are of classes, so that
    probabilities stay calibrated; fewer members, and of many columns fewer bins, where there are many rows.

    Parameters
    ----------
    rows, numbers, classes : int
        Training rows, columns of numbers, and classes, 0 of a regression.
    quality : {"fast", "default", "best"}
        "fast" trains one network; "best" of large tables has more bins, stronger decay, and 8 networks that
        learn from all rows after 2 pilots, of small ones the 8 of the default.

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
        found, inputs, most = Recipe(members=5), MOST_INPUTS, 48
        if quality == "best":
            found, inputs, most = Recipe(members=10, pilots=2, decay=1.0), MOST_OF_BEST, 128
        found = replace(found, bins=int(np.clip(inputs / max(numbers, 1), 8, most)))
    if numbers * found.bins > WIDEST:
        found = replace(found, bins=0)
    return replace(found, members=1) if quality == "fast" else found


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
    sizes = [k if i < recipe.setting_aside else 0 for i in range(recipe.members)]
    return [order[np.arange(i * k, i * k + size) % n] for i, size in enumerate(sizes)]


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
        At least one member and one epoch; pilots only if there is time for all members.

    Examples
    --------
    >>> short = shortened(Recipe(members=8, epochs=60), epoch=0.1, left=13.0, cores=2)
    >>> short.members, short.epochs
    (4, 60)
    """
    whole = recipe.epochs * epoch
    if recipe.pilots:
        # Those that learn from all rows have more steps. Where time is short none wait for others.
        first, others = recipe.setting_aside, recipe.members - recipe.setting_aside
        rounds = math.ceil(first / cores) + math.ceil(others / cores)
        if left >= rounds * whole / (1 - recipe.share):
            return recipe
        recipe = replace(recipe, pilots=0)
    rounds = int(left / whole) if whole > 0 else recipe.members
    if rounds >= 1:
        return replace(recipe, members=min(recipe.members, rounds * cores))
    epochs = max(1, min(recipe.epochs, int(left / epoch)))
    return replace(recipe, members=min(recipe.members, cores), epochs=epochs)
