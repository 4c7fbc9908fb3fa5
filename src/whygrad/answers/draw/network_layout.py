"""Where the units of a network stand: a column for each layer, input on the left, output on the right.

The names of inputs and outputs stand beside their units, those of hidden units below them. An input that is
an image is one. A layer that is drawn as a whole, however many its units, is a block of several columns.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from whygrad.answers.draw.choosing import Marked, marked, shown_units
from whygrad.answers.draw.drawing import BOLD, SMALL, TEXT, Box, Label, fitted, head, text_width
from whygrad.answers.formatting import clean, short, typeset
from whygrad.answers.pictures import NetworkPicture
from whygrad.nn.functions import Array

RADIUS = 20.0
BIAS = 10.0  # the radius of the unit that is always 1
# From unit to unit, with its name beside it, and below it; the ring of one that stands out is 4.25 wider.
SIDE, HIDDEN = 51.0, 67.0
BLOCK = 49.0  # from unit to unit of a layer drawn as a whole, without names
LONGEST = 14  # units of a layer in one column, where it is drawn as a whole
NAME = 128.0  # the longest name beside a unit, where there is room
GAP, CLOSE = 112.0, 96.0  # from layer to layer: of few, of many
IMAGE = 150.0  # the longer side of an image
NARROWEST, NARROWEST_OF_ALL = 420.0, 340.0


@dataclass(frozen=True)
class Wanted:
    """How a network is to be laid out.

    `titled` leaves room for the title; `blocks` sets many units of a layer in several columns; `narrow` is
    for a telephone. Biases and targets are drawn where the picture has them.
    """

    titled: bool = True
    blocks: bool = False
    narrow: bool = False

    @property
    def name(self) -> float:
        """The longest name beside a unit."""
        return 84.0 if self.narrow else NAME


@dataclass(frozen=True)
class Column:
    """Where one layer stands: its middle, how many units it has, and how many are left out.

    Below the units, at `foot`, is said how many are left out.
    """

    x: float
    foot: float
    units: int
    left_out: int


@dataclass(frozen=True)
class Layout:
    """The position of every unit that is drawn, by layer and index, and the labels of the layers.

    `biases` has that of the unit that is always 1, by the layer whose biases its weights are.
    """

    width: float
    bottom: float
    places: dict[tuple[int, int], tuple[float, float]]
    shown: tuple[tuple[int, ...], ...]
    marks: Marked
    labels: tuple[Label, ...]
    image: Box | None
    columns: tuple[Column, ...]
    biases: dict[int, tuple[float, float]]


def lay_out(picture: NetworkPicture, wanted: Wanted = Wanted()) -> Layout:  # noqa: B008 — frozen data
    """Place the units below the title."""
    marks = marked(picture)
    shown = shown_units(picture, marks)
    last = len(shown) - 1
    blocks = [_block(picture, l, len(units), wanted) for l, units in enumerate(shown)]
    pitch = [
        BLOCK if blocks[l] > 1 else SIDE if l in (0, last) else HIDDEN for l in range(last + 1)
    ]
    heights = [
        p * math.ceil(len(units) / across)
        for p, units, across in zip(pitch, shown, blocks, strict=True)
    ]
    image = _image_size(picture)
    if image:
        heights[0] = image[1]
    body = max(heights)
    xs, gap, width = _columns(picture, shown, blocks, image, wanted)
    labels, top = head(picture.title, width) if wanted.titled else ([], -20.0)
    middle = top + 46 + body / 2
    places: dict[tuple[int, int], tuple[float, float]] = {}
    columns = []
    for l, units in enumerate(shown):
        start = middle - heights[l] / 2
        left_out = len(picture.units[l]) - len(units)
        at, foot = xs[l], start + heights[l] + 20
        if l == 0 and image:
            box = (xs[0] - image[0], start, xs[0], start + image[1])
            places |= {(0, j): _pixel(picture, j, box) for j in units}
            labels += _image_labels(picture, box, units)
            at, left_out = at - image[0] / 2, 0  # the image itself says it
        elif blocks[l] > 1:
            places |= _block_places(l, units, blocks[l], xs[l], start)
        else:
            places |= {(l, j): (xs[l], start + pitch[l] * (i + 0.5)) for i, j in enumerate(units)}
            labels += _unit_labels(picture, l, places, units, gap, width)
        labels.append(_header(picture, l, at, start - 12, width))
        columns.append(Column(at, foot, len(picture.units[l]), left_out))
    frame = (
        (xs[0] - image[0], middle - image[1] / 2, xs[0], middle + image[1] / 2) if image else None
    )
    texts = [label.box for label in (*labels, *counts(columns))]
    biases = _biases(picture, columns, texts)
    if picture.targets is not None and blocks[last] == 1:
        labels += _targets(picture.targets, places, last)
    lowest = max([*(box[3] for box in texts), *(y + BIAS for _, y in biases.values())])
    bottom = max(lowest, middle + body / 2)
    return Layout(width, bottom, places, shown, marks, tuple(labels), frame, tuple(columns), biases)


def _biases(
    picture: NetworkPicture, columns: list[Column], texts: list[Box]
) -> dict[int, tuple[float, float]]:
    """Place the unit that is always 1 below each column, and below what stands there."""
    found = {}
    for l, of in enumerate(picture.biases):
        if of is not None:
            x, foot = columns[l - 1].x, columns[l - 1].foot
            below = [box[3] for box in texts if box[0] < x + BIAS and x - BIAS < box[2]]
            found[l] = x, max([foot, *(bottom + 4 + BIAS for bottom in below)])
    return found


def _targets(
    targets: Array, places: dict[tuple[int, int], tuple[float, float]], last: int
) -> Iterator[Label]:
    """Write beneath the name of an output what it should be."""
    for (l, j), (x, y) in places.items():
        if l == last and math.isfinite(targets[j]):
            text = _target(targets, j)
            yield Label(x + RADIUS + 8, y + 20, text, SMALL, look="wg-soft", part=f"{l}:{j}")


def _target(targets: Array, j: int) -> str:
    return f"target {typeset(short(float(targets[j])))}"


def counts(columns: Iterable[Column]) -> list[Label]:
    """Return the labels below the columns that count the units left out."""
    look = "wg-soft wg-halo"
    return [
        Label(one.x, one.foot, f"+ {one.left_out:,} more", SMALL, "middle", look)
        for one in columns
        if one.left_out
    ]


def _block(picture: NetworkPicture, l: int, count: int, wanted: Wanted) -> int:
    """Return how many columns a layer takes: one, but where it is drawn as a whole."""
    if not wanted.blocks or (l == 0 and picture.image):
        return 1
    # What is marked is drawn beside the most important, so that a column may be longer than these.
    if count <= LONGEST:
        return 1
    return math.ceil(count / max(10, math.ceil(math.sqrt(1.7 * count))))


def _block_places(
    l: int, units: tuple[int, ...], across: int, x: float, top: float
) -> dict[tuple[int, int], tuple[float, float]]:
    """Arrange units in rows, in reading order."""
    left = x - BLOCK * (across - 1) / 2
    return {
        (l, j): (left + BLOCK * (i % across), top + BLOCK * (i // across + 0.5))
        for i, j in enumerate(units)
    }


def _columns(
    picture: NetworkPicture,
    shown: tuple[tuple[int, ...], ...],
    blocks: list[int],
    image: tuple[float, float] | None,
    wanted: Wanted,
) -> tuple[list[float], float, float]:
    """Return the middle of each column (the right edge of an image), their distance, and the width."""
    last = len(shown) - 1
    names = [
        _longest(picture, l, shown, wanted.name) if blocks[l] == 1 else 0.0 for l in range(last + 1)
    ]
    left = 14 + (image[0] if image else names[0] + 10 + RADIUS)
    right = 14 + names[last] + 10 + RADIUS
    gap = GAP if last <= 3 and not wanted.narrow else CLOSE
    heads = _heads(picture, wanted)
    room = NARROWEST_OF_ALL if wanted.narrow else NARROWEST
    gap = max(gap, (room - left - right) / last, heads + 10)
    xs = [left + BLOCK * (blocks[0] - 1) / 2]
    for l in range(1, last + 1):
        xs.append(xs[-1] + gap + BLOCK * (blocks[l - 1] + blocks[l] - 2) / 2)
    return xs, gap, xs[-1] + BLOCK * (blocks[last] - 1) / 2 + right


def _heads(picture: NetworkPicture, wanted: Wanted) -> float:
    """Return the room for the longest head, or where it is narrow for two that stand beside each other."""
    wide = [text_width(_heading(picture, l), SMALL * BOLD) for l in range(len(picture.units))]
    if not wanted.narrow:
        return max(wide)
    if picture.image:
        wide[0] = 0.0  # it stands above the image
    return max((one + other) / 2 for one, other in pairwise(wide))


def _longest(
    picture: NetworkPicture, l: int, shown: tuple[tuple[int, ...], ...], room: float
) -> float:
    names = [text_width(fitted(picture.names[l][j], room), TEXT) for j in shown[l]]
    if l == len(shown) - 1 and picture.targets is not None:
        names += [text_width(_target(picture.targets, j), SMALL) for j in shown[l]]
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
    gap: float,
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
            text = fitted(full, gap - 14, SMALL)
            labels.append(
                Label(x, y + RADIUS + 16, text, SMALL, "middle", "wg-soft wg-halo", full, part)
            )
    return labels


def _image_labels(picture: NetworkPicture, box: Box, units: tuple[int, ...]) -> list[Label]:
    """Return the labels below the image: how many pixels have lines, and the names of the marked ones."""
    centre, y = (box[0] + box[2]) / 2, box[3] + 15
    named = [j for l, j in sorted(marked(picture).kept) if l == 0]
    texts = [
        (fitted(picture.names[0][j], IMAGE, SMALL * BOLD), f"0:{j}", "wg-ink wg-bold")
        for j in named[:3]
    ]
    hidden = len(picture.units[0]) - len(units)
    texts += [(f"+ {len(named) - 3:,} marked", "", "wg-ink")] if len(named) > 3 else []
    texts += [(f"+ {hidden:,} without lines", "", "wg-soft wg-halo")] if hidden else []
    return [
        Label(centre, y + 15 * i, text, SMALL, "middle", look, part=part)
        for i, (text, part, look) in enumerate(texts)
    ]


def _header(picture: NetworkPicture, l: int, x: float, y: float, width: float) -> Label:
    text, half = _heading(picture, l), text_width(_heading(picture, l), SMALL * BOLD) / 2
    x = min(max(x, 10 + half), width - 10 - half)
    return Label(x, y, text, SMALL, "middle", f"wg-{kind(picture, l)} wg-bold wg-halo")


def _heading(picture: NetworkPicture, l: int) -> str:
    """Return the name of a layer with the number of its units."""
    name = layer_name(picture, l)
    if l == 0 and picture.image:
        return f"{name} · {picture.image[0]} × {picture.image[1]}"
    return f"{name} · {len(picture.units[l]):,}"


def layer_name(picture: NetworkPicture, l: int) -> str:
    """Return the name of a layer: input, hidden, or of several hidden 2, and output."""
    name = kind(picture, l)
    return f"hidden {l}" if name == "hidden" and len(picture.units) > 3 else name


def kind(picture: NetworkPicture, l: int) -> str:
    """Return the kind of a layer, "input", "hidden" or "output", which decides its colour."""
    return "input" if l == 0 else "output" if l == len(picture.units) - 1 else "hidden"
