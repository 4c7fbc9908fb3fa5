"""What a drawing of a network consists of: units, pixels, connections, with positions, sizes and texts.

A connection is as wide as its number beside the largest of its layer, |w| / max |w|, and so strong is the
colour of a unit. The SVG and the drawing that can be pointed at are both written from these.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from whygrad.answers.draw.drawing import SMALL, Box, Label, free, point, text_width
from whygrad.answers.draw.network_layout import BIAS, RADIUS, Layout, counts, kind
from whygrad.answers.draw.palette import PIXELS
from whygrad.answers.draw.png import data_uri, ink, scale_of, signed_ink
from whygrad.answers.formatting import clean, number, short, typeset
from whygrad.answers.pictures import NetworkPicture

WIDEST, THINNEST = 6.0, 0.6  # lines
UNKNOWN = "not known yet"
MANY = 400  # connections, of which the small ones are hardly drawn
FEW = 18  # connections that may all have their number written on them
ASKED = 6  # of those asked about, where they are more
ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73)  # where on a line its number may stand
NUMBER, TINY = 11.5, 9.2  # sizes of a number within a unit
WIDEST_NUMBER = "\N{MINUS SIGN}0.00"  # of those written on all connections


@dataclass(frozen=True)
class Unit:
    """A unit: `share` is its number beside the largest of its layer, 0 … 1; `bias` marks its bias.

    `value` is its number, `written` the same in the user's own units.
    """

    part: str
    kind: str
    x: float
    y: float
    value: float
    written: float
    share: float
    name: str
    title: str
    marked: bool
    bias: bool


@dataclass(frozen=True)
class Pixel:
    """An input that is a pixel of an image, with lines of its own; a square."""

    part: str
    x: float
    y: float
    side: float
    name: str
    title: str
    marked: bool


@dataclass(frozen=True)
class Edge:
    """A connection, from the lower layer to the upper: its ends, its number, and how it is drawn.

    A bias is one from the unit that is always 1, "bias".
    """

    layer: int
    to: int
    from_: int | str
    x1: float
    y1: float
    x2: float
    y2: float
    value: float
    share: float
    opacity: float
    title: str
    marked: bool
    backwards: bool

    @property
    def part(self) -> str:
        """The ref that it is."""
        return f"{self.layer}:{self.to},{self.from_}"

    @property
    def sign(self) -> str:
        """Its colour, by its sign; "soft" where it has no finite number."""
        finite = math.isfinite(self.value)
        return "soft" if not finite else "negative" if self.value < 0 else "positive"

    @property
    def width(self) -> float:
        """How wide it is."""
        return max(THINNEST + (WIDEST - THINNEST) * self.share, 1.6 * self.marked)

    @property
    def dash(self) -> str:
        """The lengths of its strokes and gaps, where it is negative."""
        return point(3 + 1.2 * self.width, 2 + 0.6 * self.width) if self.value < 0 else ""

    @property
    def arrow(self) -> str:
        """The outline of its head, at the lower layer, or ""."""
        length = self._head
        if not length:
            return ""
        half = 2.5 + 0.75 * self.width
        ux, uy = self._direction
        corners = ((0.0, 0.0), (length, half), (length, -half))
        path = "L".join(
            point(self.x1 + ux * a - uy * b, self.y1 + uy * a + ux * b) for a, b in corners
        )
        return f"M{path}Z"

    @property
    def start(self) -> tuple[float, float]:
        """Where its line begins, at the lower unit or within the head of its arrow."""
        length = self._head
        ux, uy = self._direction
        return self.x1 + ux * length * 0.8, self.y1 + uy * length * 0.8

    @cached_property
    def _head(self) -> float:
        drawn = self.backwards and math.isfinite(self.value) and (self.marked or self.share >= 0.08)
        return 6 + 1.2 * self.width if drawn else 0.0

    @cached_property
    def _direction(self) -> tuple[float, float]:
        across = math.hypot(self.x2 - self.x1, self.y2 - self.y1) or 1.0
        return (self.x2 - self.x1) / across, (self.y2 - self.y1) / across


# ── units ────────────────────────────────────────────────────────────────────────────────────────────


def units(picture: NetworkPicture, layout: Layout) -> list[Unit]:
    """Return the units, but for those that are pixels."""
    largest = [scale_of(values) for values in picture.units]
    found = []
    for (l, j), (x, y) in layout.places.items():
        if l == 0 and layout.image:
            continue
        value, own = float(picture.units[l][j]), picture.own[l] if picture.own else None
        written = value if own is None else float(own[j])
        share = abs(value) / largest[l] if math.isfinite(value) else 0.0
        name = clean(picture.names[l][j])
        bias = (l, j) in layout.marks.biases and l not in layout.biases
        marked = bias or (l, j) in layout.marks.units
        title = f"{name}: {picture.unit_meaning or 'value'} {_said(picture, written)}"
        part = f"{l}:{j}"
        found.append(
            Unit(part, kind(picture, l), x, y, value, written, share, name, title, marked, bias)
        )
    return found


def _known(picture: NetworkPicture, value: float) -> bool:
    """Whether a number is there, and not still to come in a story that is told in pictures."""
    return not (picture.partial and math.isnan(value))


def _said(picture: NetworkPicture, value: float) -> str:
    """Write a number in full, or that it is still to come."""
    return typeset(number(value)) if _known(picture, value) else UNKNOWN


def within(picture: NetworkPicture, value: float) -> str:
    """Write a number so that it fits into a unit; "" where it is still to come."""
    if not _known(picture, value):
        return ""
    text = short(value)
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 and "e" not in text else text


def number_size(text: str) -> float:
    """Return the size of the letters with which a number fits into a unit."""
    return NUMBER if text_width(text, NUMBER) <= 2 * RADIUS - 3 else TINY


def pixels(picture: NetworkPicture, layout: Layout) -> list[Pixel]:
    """Return the pixels with lines of their own."""
    if not layout.image or not picture.image:
        return []
    side = max(7.0, (layout.image[2] - layout.image[0]) / picture.image[1] + 3)
    found = []
    for (l, j), (x, y) in layout.places.items():
        if l == 0:
            value = _said(picture, float(picture.units[0][j]))
            name = clean(picture.names[0][j])
            title = f"{name}: {picture.unit_meaning or 'value'} {value}"
            found.append(Pixel(f"0:{j}", x, y, side, name, title, (0, j) in layout.marks.kept))
    return found


def image_address(picture: NetworkPicture) -> str:
    """Return the address of the input as an image."""
    assert picture.image is not None
    values = np.asarray(picture.units[0], float).reshape(picture.image)
    share = values / scale_of(values)
    positive, negative = PIXELS["positive"], PIXELS["negative"]
    below = bool((values < 0).any())
    return data_uri(signed_ink(share, positive, negative) if below else ink(share, PIXELS["input"]))


# ── connections ──────────────────────────────────────────────────────────────────────────────────────


def edges(picture: NetworkPicture, layout: Layout, all_: bool = False) -> list[Edge]:
    """Return the connections, those of 0 only where `all_` are wanted or they are marked."""
    found = []
    count = sum(len(one) * len(other) for one, other in pairwise(layout.shown))
    faintest, range_, power = (0.2, 0.65, 0.7) if count <= MANY else (0.03, 0.42, 1.2)
    asked = bool(layout.marks.edges or any(l in layout.biases for l, _ in layout.marks.biases))
    names = {
        (l, j): clean(picture.names[l][j]) for l, chosen in enumerate(layout.shown) for j in chosen
    }
    for l, j, k, value, largest in _connections(picture, layout):
        bias = k == "bias"
        marked = (l, j) in layout.marks.biases if bias else (l, j, k) in layout.marks.edges
        if value == 0 and not all_ and not marked:
            continue
        share = abs(value) / largest if math.isfinite(value) else 0.0
        strength = 1.0 if marked else faintest + range_ * share**power
        if asked and not marked:
            strength *= 0.5
        low, high = "1" if bias else names[l - 1, int(k)], names[l, j]
        route = f"{high} → {low}" if picture.backwards else f"{low} → {high}"
        meaning = "bias" if bias else picture.edge_meaning
        title = f"{route}: {meaning} {_said(picture, value)}"
        ends = _ends(layout, l, j, k)
        back = picture.backwards
        found.append(Edge(l, j, k, *ends, value, share, strength, title, marked, back))
    return found


def _connections(
    picture: NetworkPicture, layout: Layout
) -> Iterator[tuple[int, int, int | str, float, float]]:
    """Run through the connections that are drawn: layer, ends, number, and the largest of the layer."""
    for l in range(1, len(layout.shown)):
        values = picture.edges[l]
        if values is None:
            continue
        kept = picture.kept[l] if picture.kept else None
        biases = picture.biases[l] if l in layout.biases else None
        largest = scale_of(values if biases is None else np.append(values, biases))
        if biases is not None:
            yield from ((l, j, "bias", float(biases[j]), largest) for j in layout.shown[l])
        for j, k in product(layout.shown[l], layout.shown[l - 1]):
            if kept is None or kept[j, k]:
                yield l, j, k, float(values[j, k]), largest


def _ends(layout: Layout, l: int, j: int, k: int | str) -> tuple[float, float, float, float]:
    """Return where a connection leaves the lower and meets the upper unit, at the edge of their circles."""
    x1, y1 = layout.biases[l] if k == "bias" else layout.places[l - 1, int(k)]
    x2, y2 = layout.places[l, j]
    across = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / across, (y2 - y1) / across
    first, last = 4.0 if l == 1 and layout.image else RADIUS + 1, RADIUS + 1
    first = BIAS + 1 if k == "bias" else first
    return x1 + ux * first, y1 + uy * first, x2 - ux * last, y2 - uy * last


def numbered(
    picture: NetworkPicture, layout: Layout, found: list[Edge], steady: bool = False
) -> dict[str, Label]:
    """Return the labels with the numbers of connections, by part, where there is room.

    The first connections have one, and those asked about. Where the drawing is to be `steady`, each has its
    position whatever its number.
    """
    labels: dict[str, Label] = {}
    taken = _taken(layout)
    few = len(found) <= FEW
    for edge in found:
        if not _known(picture, edge.value):
            continue
        if (edge.marked and len(labels) < ASKED) or few:
            label = _number(edge, taken, steady)
            if label:
                labels[edge.part] = label
                taken.append(label.box)
    return labels


def _number(edge: Edge, taken: list[Box], steady: bool) -> Label | None:
    """Return the label with the number of a connection where it overlaps nothing else, or None."""
    look = "wg-ink wg-halo" + " wg-bold" * edge.marked
    text = typeset(number(edge.value) if edge.marked else short(edge.value))
    room = WIDEST_NUMBER if steady and not edge.marked else text
    for beside, along in product((4.0, -9.0, 17.0) if edge.marked else (4.0,), ALONG):
        x = edge.x1 + along * (edge.x2 - edge.x1)
        y = edge.y1 + along * (edge.y2 - edge.y1) + beside
        label = Label(x, y, room, SMALL, "middle", look, part=edge.part)
        if free(label, taken):
            # -9e-3 is wider than the room: where that is not free, it is -0.01.
            written = (replace(label, text=said) for said in (text, typeset(f"{edge.value:.2f}")))
            return next((one for one in written if free(one, taken)), None)
    return None


def _taken(layout: Layout) -> list[Box]:
    """Return the boxes that no number of a connection may overlap."""
    reach = RADIUS + 5
    circles = [
        (x - reach, y - reach, x + reach, y + reach)
        for (l, _), (x, y) in layout.places.items()
        if not (l == 0 and layout.image)
    ]
    near = BIAS + 4
    circles += [(x - near, y - near, x + near, y + near) for x, y in layout.biases.values()]
    texts = [label.box for label in (*layout.labels, *counts(layout.columns))]
    return [*circles, *texts, *([layout.image] if layout.image else ())]
