"""A panel with axes: round ticks, a grid, and where a number stands.

Ticks are multiples of 1, 2 or 5 times a power of ten. Heckbert, Nice numbers for graph labels (1990).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whygrad.answers.draw.drawing import SMALL, Label, line, text_width
from whygrad.answers.formatting import number, typeset
from whygrad.nn.functions import Array


@dataclass(frozen=True)
class Axis:
    """From which number to which an axis runs, and its ticks: of a `log` one, their logarithms."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float, start: float, length: float) -> float:
        """Return where a number stands on an axis that is drawn from `start`."""
        return start + length * (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Panel:
    """Two axes on a rectangle."""

    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pair of numbers stands."""
        return (
            self.x.at(x, self.left, self.width),
            self.y.at(y, self.top + self.height, -self.height),
        )


def axis(low: float, high: float, count: int = 5, whole: bool = True) -> Axis:
    """Return an axis for numbers from low to high; `whole` it ends at ticks.

    >>> axis(0.0, 9.3).ticks
    (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    """
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(power * k for k in (1, 2, 5, 10) if power * k * count >= (high - low) * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if not whole:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(k * step + 0.0 for k in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks) if whole else Axis(low, high, ticks)


def log_axis(low: float, high: float) -> Axis:
    """Return an axis for the logarithms, to base ten, of numbers; its ticks are round numbers.

    They are powers of ten; of fewer than three, 1 and 3, or 1, 2 and 5 times these; of a short stretch,
    the ticks of the numbers themselves.

    >>> [f"{10**tick:g}" for tick in log_axis(-1.9, -0.2).ticks]
    ['0.01', '0.03', '0.1', '0.3', '1']
    """
    found = axis(low, high)
    if found.ticks[1] - found.ticks[0] > 0.999:
        return replace(found, log=True)
    for factors in ((1, 3), (1, 2, 5)):
        powers = range(math.floor(low), math.ceil(high) + 1)
        every = [power + math.log10(k) for power in powers for k in factors]
        first = max((i for i, tick in enumerate(every) if tick <= low + 1e-9), default=0)
        last = next((i for i, tick in enumerate(every) if tick >= high - 1e-9), len(every) - 1)
        if last - first >= 3:
            ticks = tuple(every[first : last + 1])
            return Axis(ticks[0], ticks[-1], ticks, log=True)
    numbers = axis(10.0**low, 10.0**high, whole=False).ticks
    ticks = tuple(math.log10(tick) for tick in numbers if tick > 0)
    return Axis(min(low, *ticks), max(high, *ticks), ticks, log=True)


def drawable(values: Any) -> Array:
    """Return numbers as a drawing can place them: none so small or so large that arithmetic fails."""
    numbers: Array = np.asarray(values, float)
    tiny, huge = 1e-150, 1e150
    known = np.isfinite(numbers) & (np.abs(numbers) >= tiny)
    return np.where(
        known, np.clip(numbers, -huge, huge), np.where(np.isfinite(numbers), 0.0, np.nan)
    )


def finite_range(values: Array) -> tuple[float, float] | None:
    """Return the least and the largest finite number, or None."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def thinned(y: Array, most: int) -> list[int]:
    """Return the indices of at most `most` points: all, or the ends and the extremes of each stretch.

    >>> kept = thinned(np.sin(np.arange(5000.0)), 1000)
    >>> len(kept) <= 1000, kept[0], kept[-1]
    (True, 0, 4999)
    """
    if len(y) <= most:
        return list(range(len(y)))
    kept = {0, len(y) - 1}
    for stretch in np.array_split(np.arange(len(y)), most // 2 - 1):
        values = y[stretch]
        if np.isfinite(values).all():
            kept |= {int(stretch[values.argmin()]), int(stretch[values.argmax()])}
        else:
            kept |= {int(stretch[np.argmax(~np.isfinite(values))])}
    return sorted(kept)


def _tick_text(value: float, axis: Axis) -> str:
    """Write a tick with as many digits as tell it from its neighbours.

    >>> _tick_text(0.77852, axis(0.7785, 0.7786))
    '0.77852'
    """
    if axis.log:
        return typeset(number(10.0**value))
    if len(axis.ticks) < 2:
        return typeset(number(value))
    step = axis.ticks[1] - axis.ticks[0]
    largest = math.floor(math.log10(max(map(abs, axis.ticks))) + 1e-9)
    digits = max(0, math.ceil(-math.log10(step) - 1e-9))
    if abs(value) < step * 1e-6:
        return "0"
    if -4 <= largest < 6 and digits <= 9:
        return typeset(f"{value:,.{digits}f}")
    places = min(max(0, largest + digits), 9)
    return typeset(f"{value / 10.0**largest:.{places}f}e{largest}")


def tick_room(axis: Axis) -> float:
    """Return the width of the widest tick."""
    return max((text_width(_tick_text(tick, axis), SMALL) for tick in axis.ticks), default=0.0)


def draw_axes(panel: Panel) -> tuple[list[str], list[Label]]:
    """Draw a grid across, and the numbers below and to the left."""
    shapes, labels = [], []
    bottom, right = panel.top + panel.height, panel.left + panel.width
    for tick in panel.y.ticks:
        y = panel.point(panel.x.low, tick)[1]
        shapes.append(line(panel.left, y, right, y, "wg-on-line"))
        labels.append(
            Label(panel.left - 7, y + 4, _tick_text(tick, panel.y), SMALL, "end", "wg-soft")
        )
    edge = -math.inf
    for tick in panel.x.ticks:
        x = panel.point(tick, panel.y.low)[0]
        shapes.append(line(x, bottom, x, bottom + 4, "wg-on-soft"))
        text = _tick_text(tick, panel.x)
        within = min(x, right + 14 - text_width(text, SMALL) / 2)
        label = Label(within, bottom + 17, text, SMALL, "middle", "wg-soft")
        if label.box[0] > edge + 6:
            labels.append(label)
            edge = label.box[2]
    shapes.append(line(panel.left, bottom, right, bottom, "wg-on-soft"))
    return shapes, labels
