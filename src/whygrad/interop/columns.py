"""The columns of a table, followed through what encodes them: which input of a network comes from which.

age → standardised age: value = number · scale + center      colour → colour=red, colour=blue, …
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whygrad.answers.names import AS_IT_IS, Names
from whygrad.nn import Array
from whygrad.pipeline.deploy import Encoded


@dataclass(frozen=True)
class Column:
    """An input: its name, the column of the table it comes from, and what its 0 and its 1 are there.

    >>> scaled([Column("age", "age")], [0.1], [-4.0])
    [Column(name='age', origin='age', center=40.0, scale=10.0)]
    """

    name: str
    origin: str
    center: float = 0.0
    scale: float = 1.0


def plain(names: Sequence[Any]) -> list[Column]:
    """Return the columns of a table, as they are."""
    return [Column(str(name), str(name)) for name in names]


def scaled(columns: Sequence[Column], by: Any, plus: Any) -> list[Column]:
    """Return columns whose numbers were made by · number + plus, each (n,) or one for all.

    A category that is no longer 0 or 1 stands by itself, as a number.
    """
    by, plus = (np.broadcast_to(np.asarray(one, np.float64), (len(columns),)) for one in (by, plus))
    found = []
    for column, factor, shift in zip(columns, by, plus, strict=True):
        scale = column.scale / factor if factor else column.scale
        center = float(column.center - shift * scale)
        alone = column.name.startswith(f"{column.origin}=") and (factor, shift) != (1, 0)
        origin = column.name if alone else column.origin
        found.append(Column(column.name, origin, center, float(scale)))
    return found


def one_hot(column: Column, categories: Sequence[Any]) -> list[Column]:
    """Return the inputs that tell the categories of a column.

    >>> [one.name for one in one_hot(Column("colour", "colour"), ["red", "blue"])]
    ['colour=red', 'colour=blue']
    """
    return [Column(f"{column.origin}={label}", column.origin) for label in categories]


def named(names: Names, columns: Sequence[Column]) -> Names:
    """Return names that speak of these columns."""
    origins = tuple(column.origin for column in columns)
    inputs = tuple(column.name for column in columns)
    scales = tuple((column.center, column.scale) for column in columns)
    if all(scale == AS_IT_IS for scale in scales):
        scales = ()
    return replace(
        names, inputs=inputs, origins=() if origins == inputs else origins, scales=scales
    )


def with_encoded(names: Names, inputs: Sequence[Encoded]) -> Names:
    """Return names with those of encoded columns, which `whygrad.export` wrote; as they are without any."""
    if not inputs:
        return names
    return replace(
        names,
        inputs=tuple(one.name for one in inputs),
        origins=tuple(one.origin for one in inputs),
        scales=tuple(one.scale for one in inputs),
    )


def picked(columns: Sequence[Column], at: Array) -> list[Column]:
    """Return some of the columns."""
    return [columns[int(i)] for i in at]
