"""Curves in a terminal: braille dots, two across and four down in every character."""

import math
from collections.abc import Sequence

import numpy as np

from whygrad.answers.formatting import number

# The bit of each dot of a braille character, by (row, column).
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def curve(values: Sequence[float | None], width: int, height: int = 6) -> list[str]:
    """Draw numbers from left to right as lines of text, with the highest and lowest at the side.

    Very steep curves are better told by logarithms; the caller takes them. What is not finite is left out.

    >>> for line in curve([1.0, 0.5, 0.25, 0.2], width=16, height=2): print(line)
      1 ┤⠑⠢⣀⠀⠀⠀⠀⠀⠀⠀⠀
    0.2 ┤⠀⠀⠀⠉⠒⠢⠤⣀⣀⣀⣀
    """
    known = [math.nan if v is None or not math.isfinite(v) else v for v in values]
    finite = [v for v in known if not math.isnan(v)]
    if not finite:
        return []
    low, high = min(finite), max(finite)
    labels = (number(high), number(low))
    margin = max(map(len, labels))
    across, down = 2 * max(4, width - margin - 2), 4 * height
    grid = np.zeros((height, across // 2), dtype=np.int64)
    before: int | None = None
    places = np.interp(np.linspace(0, len(known) - 1, across), np.arange(len(known)), known)
    for x, value in enumerate(places):
        if math.isnan(value):
            before = None
            continue
        share = (value - low) / (high - low) if high > low else 0.0
        y = round((1 - share) * (down - 1))
        # A steep piece is filled in, so that the line does not break.
        for dot in (
            range(min(y, before + 1), max(y, before - 1) + 1) if before is not None else (y,)
        ):
            grid[dot // 4, x // 2] |= DOTS[dot % 4][x % 2]
        before = y
    lines = []
    for row in range(height):
        label = labels[0] if row == 0 else labels[1] if row == height - 1 else ""
        dots = "".join(chr(0x2800 + int(bits)) for bits in grid[row])
        lines.append(f"{label:>{margin}} ┤{dots}")
    return lines
