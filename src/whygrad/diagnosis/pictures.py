"""Evidence as pictures: numbers by their names, and numbers in order of their size."""

from collections.abc import Mapping

import numpy as np

from whygrad.answers.pictures import BarPicture, CurvePicture, Line
from whygrad.nn import Array


def bars(title: str, label: str, names: list[str], values: Array | list[float]) -> BarPicture:
    """Return bars."""
    return BarPicture(title, label, tuple(names), np.asarray(values, dtype=float))


def layers(count: int) -> list[str]:
    """Return the names of layers 1 … count."""
    return [f"layer {l}" for l in range(1, count + 1)]


def in_order(
    title: str, label: str, named: Mapping[str, Array], limits: Mapping[str, float] | None = None
) -> CurvePicture:
    """Return numbers in order of their size, each over the share of it that is smaller, beside limits."""
    x = np.array([0.0, 1.0])
    lines = [
        Line(name, np.sort(values), x=np.linspace(0, 1, len(values)))
        for name, values in named.items()
    ]
    lines += [Line(name, np.full(2, at), dashed=True) for name, at in (limits or {}).items()]
    return CurvePicture(title, "share that is smaller", label, x, tuple(lines))
