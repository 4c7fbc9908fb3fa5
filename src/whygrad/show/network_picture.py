"""A network: units coloured by layer and number, connections by sign and size.

A connection is as wide as its number beside the largest of its layer; what is negative is dashed. Blame
runs backwards, so its connections end in arrows at the lower layer.
"""

import math
from itertools import product

import numpy as np

from whygrad.pictures import NetworkPicture
from whygrad.show.drawing import (
    SMALL,
    Box,
    Drawing,
    Label,
    free,
    legend,
    line,
    point,
    tag,
)
from whygrad.show.network_layout import RADIUS, Layout, kind, lay_out
from whygrad.show.numbers import clean, number, short, typeset
from whygrad.show.palette import PIXELS
from whygrad.show.png import data_uri, ink, scale_of, signed_ink

WIDEST, THINNEST = 6.0, 0.6  # lines
FEW = 18  # connections that may all have their number written on them
ASKED = 6  # of those asked about, where they are more
UNKNOWN = "not known yet"
NUMBER = 11.5  # size of a number within a unit
ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73)  # where on a line its number may stand


def draw_network(picture: NetworkPicture) -> Drawing:
    """Draw the units and connections that were chosen, with a legend below."""
    layout = lay_out(picture)
    edges, labels = _edges(picture, layout)
    shapes = [*_image(picture, layout), *edges]
    for (l, j), (x, y) in layout.places.items():
        if not (l == 0 and layout.image):
            shape, label = _unit(picture, layout, l, j, x, y)
            shapes.append(shape)
            labels += label
        elif (0, j) in layout.marks.kept:
            shapes.append(_asked_pixel(picture, layout, j, x, y))
    keys, texts, bottom = legend(_keys(picture), 14, layout.bottom + 26, layout.width - 10)
    everything = (*layout.labels, *labels, *texts)
    return Drawing(picture.title, layout.width, bottom, (*shapes, *keys), everything)


# ── units ────────────────────────────────────────────────────────────────────────────────────────────


def _unit(
    picture: NetworkPicture, layout: Layout, l: int, j: int, x: float, y: float
) -> tuple[str, list[Label]]:
    value = float(picture.units[l][j])
    part = f"{l}:{j}"
    look = kind(picture, l)
    share = abs(value) / scale_of(picture.units[l]) if math.isfinite(value) else 0.0
    at: dict[str, object] = {"cx": x, "cy": y}
    stands = (l, j) in layout.marks.units | layout.marks.biases
    circles = [
        tag("circle", {**at, "r": RADIUS + 3, "class": "wg-on-ink", "stroke-width": 2.5})
        if stands
        else "",
        tag("circle", {**at, "r": RADIUS, "class": "wg-surface"}),
        tag(
            "circle", {**at, "r": RADIUS, "class": f"wg-{look}", "fill-opacity": 0.06 + 0.4 * share}
        ),
        tag(
            "circle",
            {
                **at,
                "r": RADIUS,
                "class": f"wg-on-{look}" + " wg-minus" * (value < 0),
                "stroke-width": 1.6,
            },
        ),
    ]
    unknown = not_known(picture, value)
    labels = (
        []
        if unknown
        else [
            Label(x, y + 4.1, _within(value), NUMBER, "middle", full=f"{number(value)}", part=part)
        ]
    )
    if (l, j) in layout.marks.biases:
        badge: dict[str, object] = {"cx": x - 15, "cy": y - 15, "r": 8, "class": "wg-ink"}
        circles.append(tag("circle", badge, title="bias"))
        labels.append(Label(x - 15, y - 11.5, "b", NUMBER, "middle", "wg-surface wg-bold"))
    meaning = picture.unit_meaning or "value"
    said = UNKNOWN if unknown else typeset(number(value))
    title = f"{clean(picture.names[l][j])}: {meaning} {said}"
    return tag("g", {"data-part": part}, *circles, title=title), labels


def not_known(picture: NetworkPicture, value: float) -> bool:
    """Whether a number is still to come in a story that is told in pictures."""
    return picture.partial and math.isnan(value)


def _within(value: float) -> str:
    """Write a number so that it fits into a unit."""
    text = short(value)
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 and "e" not in text else text


def _image(picture: NetworkPicture, layout: Layout) -> list[str]:
    if not layout.image or not picture.image:
        return []
    values = np.asarray(picture.units[0], float).reshape(picture.image)
    share = values / scale_of(values)
    positive, negative = PIXELS["positive"], PIXELS["negative"]
    pixels = (
        signed_ink(share, positive, negative) if (values < 0).any() else ink(share, PIXELS["input"])
    )
    left, top, right, bottom = layout.image
    frame: dict[str, object] = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    shown = {"class": "wg-pixels", "preserveAspectRatio": "none", "href": data_uri(pixels)}
    title = f"input: {picture.unit_meaning or 'value'}"
    return [
        tag("rect", frame | {"class": "wg-raised"}),
        tag("image", frame | shown, title=title),
        tag("rect", frame | {"class": "wg-on-input", "stroke-width": 1.6}),
    ]


def _asked_pixel(picture: NetworkPicture, layout: Layout, j: int, x: float, y: float) -> str:
    assert layout.image is not None
    assert picture.image is not None
    side = max(7.0, (layout.image[2] - layout.image[0]) / picture.image[1] + 3)
    given = float(picture.units[0][j])
    value = UNKNOWN if not_known(picture, given) else typeset(number(given))
    about: dict[str, object] = {"x": x - side / 2, "y": y - side / 2, "width": side, "height": side}
    outer = tag("rect", about | {"class": "wg-on-surface", "stroke-width": 4})
    inner = tag("rect", about | {"class": "wg-on-ink", "stroke-width": 2})
    title = f"{clean(picture.names[0][j])}: {picture.unit_meaning or 'value'} {value}"
    return tag("g", {"data-part": f"0:{j}"}, outer, inner, title=title)


# ── connections ──────────────────────────────────────────────────────────────────────────────────────


def _edges(picture: NetworkPicture, layout: Layout) -> tuple[list[str], list[Label]]:
    """Draw the connections, the largest and those asked about last; number them where there is room."""
    found = []
    for l in range(1, len(layout.shown)):
        edges = picture.edges[l]
        if edges is None:
            continue
        largest = scale_of(edges)
        for j, k in product(layout.shown[l], layout.shown[l - 1]):
            value = float(edges[j, k])
            if value != 0 or (l, j, k) in layout.marks.edges:
                share = abs(value) / largest if math.isfinite(value) else 0.0
                found.append(((l, j, k) in layout.marks.edges, share, value, (l, j, k)))
    found.sort(key=lambda edge: edge[:2])
    shapes = [_edge(picture, layout, *edge) for edge in found]
    labels: list[Label] = []
    taken = _taken(layout)
    for asked, _, value, place in reversed(found):
        if not_known(picture, value):
            continue
        if (asked and len(labels) < ASKED) or len(found) <= FEW:
            label = _edge_label(layout, value, place, taken, asked)
            if label:
                labels.append(label)
                taken.append(label.box)
    return shapes, labels


def _edge(
    picture: NetworkPicture,
    layout: Layout,
    asked: bool,
    share: float,
    value: float,
    place: tuple[int, int, int],
) -> str:
    l, j, k = place
    (x1, y1), (x2, y2) = _ends(layout, place)
    sign = "soft" if not math.isfinite(value) else "negative" if value < 0 else "positive"
    width = max(THINNEST + (WIDEST - THINNEST) * share, 1.6 * asked)
    strength = 1.0 if asked else 0.2 + 0.65 * share**0.7
    if layout.marks.edges and not asked:
        strength *= 0.5
    shapes = []
    if asked:
        shapes.append(line(x1, y1, x2, y2, "wg-on-glow", width + 6))
    arrow = picture.backwards and math.isfinite(value) and (asked or share >= 0.08)
    length = 6 + 1.2 * width if arrow else 0.0
    across = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / across, (y2 - y1) / across
    start = x1 + ux * length * 0.8, y1 + uy * length * 0.8
    dash = point(3 + 1.2 * width, 2 + 0.6 * width) if value < 0 else ""
    shapes.append(line(*start, x2, y2, f"wg-on-{sign}", width, dash))
    if arrow:
        half = 2.5 + 0.75 * width
        corners = ((0.0, 0.0), (length, half), (length, -half))
        path = "L".join(point(x1 + ux * a - uy * b, y1 + uy * a + ux * b) for a, b in corners)
        shapes.append(tag("path", {"d": f"M{path}Z", "class": f"wg-{sign}"}))
    names = clean(picture.names[l - 1][k]), clean(picture.names[l][j])
    route = f"{names[1]} → {names[0]}" if picture.backwards else f"{names[0]} → {names[1]}"
    said = UNKNOWN if not_known(picture, value) else typeset(number(value))
    title = f"{route}: {picture.edge_meaning} {said}"
    about: dict[str, object] = {"data-part": f"{l}:{j},{k}", "opacity": strength}
    return tag("g", about, *shapes, title=title)


def _ends(
    layout: Layout, place: tuple[int, int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give where a connection leaves the lower and meets the upper unit, at the edge of their circles."""
    l, j, k = place
    (x1, y1), (x2, y2) = layout.places[l - 1, k], layout.places[l, j]
    across = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / across, (y2 - y1) / across
    first = 4.0 if l == 1 and layout.image else RADIUS + 1
    return (x1 + ux * first, y1 + uy * first), (x2 - ux * (RADIUS + 1), y2 - uy * (RADIUS + 1))


def _taken(layout: Layout) -> list[Box]:
    """Give the boxes that no number of a connection may lie upon."""
    units = [
        (x - RADIUS - 5, y - RADIUS - 5, x + RADIUS + 5, y + RADIUS + 5)
        for (l, _), (x, y) in layout.places.items()
        if not (l == 0 and layout.image)
    ]
    return [
        *units,
        *(label.box for label in layout.labels),
        *([layout.image] if layout.image else ()),
    ]


def _edge_label(
    layout: Layout, value: float, place: tuple[int, int, int], taken: list[Box], asked: bool
) -> Label | None:
    """Write the number of a connection upon it, where it lies upon nothing else, or not at all."""
    (x1, y1), (x2, y2) = _ends(layout, place)
    text = typeset(number(value) if asked else short(value))
    look = "wg-ink wg-halo" + " wg-bold" * asked
    part = "{}:{},{}".format(*place)
    for beside, along in product((4.0, -9.0, 17.0) if asked else (4.0,), ALONG):
        x, y = x1 + along * (x2 - x1), y1 + along * (y2 - y1) + beside
        label = Label(x, y, text, SMALL, "middle", look, part=part)
        if free(label, taken):
            return label
    return None


# ── the legend ───────────────────────────────────────────────────────────────────────────────────────


def _keys(picture: NetworkPicture) -> list[tuple[str, str]]:
    """Give what the colours, widths and arrows mean; only of what there is."""
    shade = [
        tag("circle", {"cx": 4 + 7 * i, "cy": 0, "r": 5.5, "class": "wg-hidden", "fill-opacity": o})
        for i, o in enumerate((0.1, 0.28, 0.46))
    ]
    keys = []
    if picture.unit_meaning:
        keys.append(("".join(shade), clean(picture.unit_meaning)))
    edges = [one for one in picture.edges if one is not None]
    meaning = clean(picture.edge_meaning)
    if any((one > 0).any() for one in edges):
        keys.append((line(0, 0, 22, 0, "wg-on-positive", 3), f"{meaning} above 0"))
    if any((one < 0).any() for one in edges):
        keys.append((line(0, 0, 22, 0, "wg-on-negative wg-minus", 3), f"{meaning} below 0"))
    wedge = tag("path", {"d": "M0 0.5L22 3.5V-3.5L0 -0.5Z", "class": "wg-soft"})
    keys.append((wedge, "wider: larger within its layer"))
    if picture.backwards:
        arrow = tag("path", {"d": "M0 0L9 4.5V1.2H22V-1.2H9V-4.5Z", "class": "wg-soft"})
        keys.append((arrow, "from the cost back to the input"))
    return keys
