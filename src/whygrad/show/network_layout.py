"""Where the units of a network stand: a column for each layer, input on the left, output on the right.

The names of inputs and outputs stand beside their units, those of hidden units below them. An input that is
an image is one.
"""

from dataclasses import dataclass

from whygrad.pictures import NetworkPicture
from whygrad.show.choosing import Marked, marked, shown_units
from whygrad.show.drawing import BOLD, SMALL, TEXT, Box, Label, fitted, head, text_width
from whygrad.show.numbers import clean

RADIUS = 20.0
# From unit to unit, with its name beside it, and below it; the ring of one that stands out is 4.25 wider.
SIDE, HIDDEN = 51.0, 67.0
NAME = 128.0  # the longest name beside a unit
GAP, CLOSE = 112.0, 96.0  # from layer to layer: of few, of many
IMAGE = 150.0  # the longer side of an image
NARROWEST = 420.0


@dataclass(frozen=True)
class Layout:
    """The place of every unit that is drawn, by layer and index, and what is written about the layers."""

    width: float
    bottom: float
    places: dict[tuple[int, int], tuple[float, float]]
    shown: tuple[tuple[int, ...], ...]
    marks: Marked
    labels: tuple[Label, ...]
    image: Box | None


def lay_out(picture: NetworkPicture) -> Layout:
    """Place the units below the title."""
    marks = marked(picture)
    shown = shown_units(picture, marks)
    last = len(shown) - 1
    pitch = [SIDE if l in (0, last) else HIDDEN for l in range(len(shown))]
    heights = [p * len(units) for p, units in zip(pitch, shown, strict=True)]
    image = _image_size(picture)
    if image:
        heights[0] = image[1]
    body = max(heights)
    xs, width = _columns(picture, shown, image)
    labels, top = head(picture.title, width)
    middle = top + 46 + body / 2
    places: dict[tuple[int, int], tuple[float, float]] = {}
    for l, units in enumerate(shown):
        start = middle - heights[l] / 2
        if l == 0 and image:
            box = (xs[0] - image[0], start, xs[0], start + image[1])
            places |= {(0, j): _pixel(picture, j, box) for j in units}
            labels += _image_labels(picture, box, units)
        else:
            places |= {(l, j): (xs[l], start + pitch[l] * (i + 0.5)) for i, j in enumerate(units)}
            labels += _unit_labels(picture, l, places, units, xs, width)
            labels += _more(picture, l, xs[l], start + heights[l], len(units))
        at = xs[0] - image[0] / 2 if l == 0 and image else xs[l]
        labels.append(_header(picture, l, at, start - 12, width))
    frame = (
        (xs[0] - image[0], middle - image[1] / 2, xs[0], middle + image[1] / 2) if image else None
    )
    lowest = max(label.box[3] for label in labels)
    bottom = max(lowest, middle + body / 2)
    return Layout(width, bottom, places, shown, marks, tuple(labels), frame)


def _columns(
    picture: NetworkPicture, shown: tuple[tuple[int, ...], ...], image: tuple[float, float] | None
) -> tuple[list[float], float]:
    """Give the middle of each column (the right edge of an image), and the width of the whole."""
    last = len(shown) - 1
    left = 14 + (image[0] if image else _longest(picture, 0, shown) + 10 + RADIUS)
    right = 14 + _longest(picture, last, shown) + 10 + RADIUS
    gap = GAP if last <= 3 else CLOSE
    heads = max(text_width(_heading(picture, l), SMALL * BOLD) for l in range(last + 1))
    gap = max(gap, (NARROWEST - left - right) / last, heads + 10)
    return [left + gap * l for l in range(last + 1)], left + gap * last + right


def _longest(picture: NetworkPicture, l: int, shown: tuple[tuple[int, ...], ...]) -> float:
    names = (text_width(fitted(picture.names[l][j], NAME), TEXT) for j in shown[l])
    return max(40.0, max(names, default=0.0))


def _image_size(picture: NetworkPicture) -> tuple[float, float] | None:
    if not picture.image:
        return None
    height, width = picture.image
    longer = max(height, width)
    return IMAGE * width / longer, IMAGE * height / longer


def _pixel(picture: NetworkPicture, j: int, box: Box) -> tuple[float, float]:
    assert picture.image is not None
    height, width = picture.image
    row, column = divmod(j, width)
    x = box[0] + (column + 0.5) * (box[2] - box[0]) / width
    return x, box[1] + (row + 0.5) * (box[3] - box[1]) / height


def _unit_labels(
    picture: NetworkPicture,
    l: int,
    places: dict[tuple[int, int], tuple[float, float]],
    units: tuple[int, ...],
    xs: list[float],
    width: float,
) -> list[Label]:
    labels, last = [], len(picture.units) - 1
    for j in units:
        x, y = places[l, j]
        full, part = clean(picture.names[l][j]), f"{l}:{j}"
        if l == 0:
            text = fitted(full, x - RADIUS - 22)
            labels.append(Label(x - RADIUS - 8, y + 4.5, text, anchor="end", full=full, part=part))
        elif l == last:
            text = fitted(full, width - x - RADIUS - 20)
            labels.append(Label(x + RADIUS + 8, y + 4.5, text, full=full, part=part))
        else:
            text = fitted(full, xs[1] - xs[0] - 14, SMALL)
            labels.append(
                Label(x, y + RADIUS + 16, text, SMALL, "middle", "wg-soft wg-halo", full, part)
            )
    return labels


def _more(picture: NetworkPicture, l: int, x: float, y: float, drawn: int) -> list[Label]:
    hidden = len(picture.units[l]) - drawn
    look = "wg-soft wg-halo"
    return [Label(x, y + 20, f"+ {hidden:,} more", SMALL, "middle", look)] if hidden else []


def _image_labels(picture: NetworkPicture, box: Box, units: tuple[int, ...]) -> list[Label]:
    """Say below the image how many pixels have lines, and the names of those that are marked."""
    centre, y = (box[0] + box[2]) / 2, box[3] + 15
    named = [j for l, j in sorted(marked(picture).kept) if l == 0]
    texts = [
        (fitted(picture.names[0][j], IMAGE, SMALL * BOLD), f"0:{j}", "wg-ink wg-bold")
        for j in named[:3]
    ]
    hidden = len(picture.units[0]) - len(units)
    texts += [(f"+ {len(named) - 3:,} marked", "", "wg-ink")] if len(named) > 3 else []
    texts += [(f"+ {hidden:,} without lines", "", "wg-soft")] if hidden else []
    return [
        Label(centre, y + 15 * i, text, SMALL, "middle", look, part=part)
        for i, (text, part, look) in enumerate(texts)
    ]


def _header(picture: NetworkPicture, l: int, x: float, y: float, width: float) -> Label:
    text, half = _heading(picture, l), text_width(_heading(picture, l), SMALL * BOLD) / 2
    x = min(max(x, 10 + half), width - 10 - half)
    return Label(x, y, text, SMALL, "middle", f"wg-{kind(picture, l)} wg-bold wg-halo")


def _heading(picture: NetworkPicture, l: int) -> str:
    """Give the name of a layer with the number of its units."""
    name = kind(picture, l)
    if name == "hidden" and len(picture.units) > 3:
        name = f"hidden {l}"
    if l == 0 and picture.image:
        return f"{name} · {picture.image[0]} × {picture.image[1]}"
    return f"{name} · {len(picture.units[l]):,}"


def kind(picture: NetworkPicture, l: int) -> str:
    """Say which layer it is; colours go by it."""
    return "input" if l == 0 else "output" if l == len(picture.units) - 1 else "hidden"
