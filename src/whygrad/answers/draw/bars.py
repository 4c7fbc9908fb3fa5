"""Named numbers as bars on both sides of zero; of very many, the largest."""

import math

import numpy as np

from whygrad.answers.draw.axes import drawable
from whygrad.answers.draw.drawing import (
    SMALL,
    TEXT,
    Drawing,
    Label,
    fitted,
    head,
    line,
    tag,
    text_width,
)
from whygrad.answers.draw.png import scale_of
from whygrad.answers.formatting import clean, number, typeset
from whygrad.answers.pictures import BarPicture

WIDTH, ROW, BAR = 520.0, 25.0, 15.0
MOST = 24  # bars
NAME = 170.0  # the longest name


def draw_bars(picture: BarPicture) -> Drawing:
    """Draw a bar for each number, its name on the left and its value at its end."""
    values = np.asarray(picture.values, float)
    rows = _chosen(values)
    labels, top = head(picture.title, WIDTH)
    labels.append(
        Label(12, top + 14, fitted(picture.label, WIDTH - 24, SMALL), SMALL, look="wg-soft")
    )
    top += 28
    names = [fitted(picture.names[i], NAME) for i in rows]
    left = 24 + max(map(text_width, names), default=0.0)
    texts = [typeset(number(float(values[i]))) for i in rows]
    room = max(text_width(text, SMALL) for text in texts) + 8 if texts else 8.0
    placed = drawable(values)
    largest = scale_of(placed[rows])
    left_of_zero = [placed[i] < 0 for i in rows]
    below, above = any(left_of_zero), not all(left_of_zero) or not rows
    span = WIDTH - 12 - left - room * (below + above)
    unit = span / (largest * (below + above))
    zero = left + (room + span / (1 + above)) * below
    shapes = []
    for place, (i, name, text) in enumerate(zip(rows, names, texts, strict=True)):
        value = float(values[i])
        y = top + ROW * (place + 0.5)
        full = clean(picture.names[i])
        labels.append(Label(left - 10, y + 4.5, name, TEXT, "end", full=full))
        length = 0.0 if math.isnan(placed[i]) else unit * float(placed[i])
        bar = {
            "x": min(zero, zero + length), "y": y - BAR / 2, "width": max(abs(length), 0.75), "height": BAR,
            "rx": 2, "class": "wg-negative" if value < 0 else "wg-positive",
        }  # fmt: skip
        shapes.append(tag("rect", bar, title=f"{full}: {text}"))
        sign = -1 if length < 0 else 1
        end = zero + length + 5 * sign
        labels.append(Label(end, y + 4, text, SMALL, "end" if sign < 0 else "start", "wg-soft"))
    bottom = top + ROW * len(rows)
    shapes.append(line(zero, top - 2, zero, bottom + 2, "wg-on-soft"))
    if len(rows) < len(values):
        bottom += 20
        more = f"+ {len(values) - len(rows):,} smaller ones"
        labels.append(Label(left - 10, bottom - 4, more, SMALL, "start", "wg-soft"))
    return Drawing(picture.title, WIDTH, bottom + 14, tuple(shapes), tuple(labels))


def _chosen(values: np.ndarray) -> list[int]:
    """Return the indices of the bars that are drawn, the largest, in their order."""
    sizes = np.where(np.isfinite(values), np.abs(values), np.inf)
    return np.sort(np.argsort(-sizes, kind="stable")[:MOST]).tolist()
