"""A network: units coloured by layer and number, connections by sign and size.

A connection is as wide as its number beside the largest of its layer; what is negative is dashed. Blame
runs backwards, so its connections end in arrows at the lower layer.
"""

import numpy as np

from whygrad.answers.draw.drawing import SMALL, Drawing, Label, legend, line, tag
from whygrad.answers.draw.network_elements import (
    NUMBER,
    Edge,
    Pixel,
    Unit,
    edges,
    image_address,
    number_size,
    numbered,
    pixels,
    units,
    within,
)
from whygrad.answers.draw.network_layout import BIAS, RADIUS, Layout, counts, lay_out
from whygrad.answers.formatting import clean, number
from whygrad.answers.pictures import NetworkPicture


def draw_network(picture: NetworkPicture) -> Drawing:
    """Draw the units and connections that were chosen, with a legend below."""
    layout = lay_out(picture)
    # The largest and those asked about last, above all others.
    found = sorted(edges(picture, layout), key=lambda edge: (edge.marked, edge.share))
    numbers = numbered(picture, layout, found[::-1])
    shapes = [*_image(picture, layout), *map(_edge, found)]
    labels = [*layout.labels, *counts(layout.columns), *numbers.values()]
    for unit in units(picture, layout):
        shapes.append(_unit(unit))
        labels += _numbers(picture, unit)
    for l, (x, y) in layout.biases.items():
        shapes.append(_always_one(x, y, l))
        labels.append(Label(x, y + 4, "1", SMALL, "middle", "wg-soft"))
    shapes += [_pixel(pixel) for pixel in pixels(picture, layout) if pixel.marked]
    shown, texts, bottom = legend(keys(picture), 14, layout.bottom + 26, layout.width - 10)
    return Drawing(picture.title, layout.width, bottom, (*shapes, *shown), (*labels, *texts))


def _unit(unit: Unit) -> str:
    at: dict[str, object] = {"cx": unit.x, "cy": unit.y}
    look = f"wg-{unit.kind}"
    edge = f"wg-on-{unit.kind}" + " wg-minus" * (unit.value < 0)
    shade = 0.06 + 0.4 * unit.share
    circles = [
        tag("circle", at | {"r": RADIUS, "class": "wg-surface"}),
        tag("circle", at | {"r": RADIUS, "class": look, "fill-opacity": shade}),
        tag("circle", at | {"r": RADIUS, "class": edge, "stroke-width": 1.6}),
    ]
    if unit.marked:
        ring = {"r": RADIUS + 3, "class": "wg-on-ink", "stroke-width": 2.5}
        circles.insert(0, tag("circle", at | ring))
    if unit.bias:
        badge = {"cx": unit.x - 15, "cy": unit.y - 15, "r": 8, "class": "wg-ink"}
        circles.append(tag("circle", badge, title="bias"))
    return tag("g", {"data-part": unit.part}, *circles, title=unit.title)


def _always_one(x: float, y: float, l: int) -> str:
    """Draw the unit whose weights are the biases of a layer."""
    at: dict[str, object] = {"cx": x, "cy": y, "r": BIAS}
    circles = (tag("circle", at | {"class": look}) for look in ("wg-surface", "wg-on-soft"))
    return tag(
        "g", {"data-bias": l}, *circles, title=f"1, whose weights are the biases of layer {l}"
    )


def _numbers(picture: NetworkPicture, unit: Unit) -> list[Label]:
    x, y, full = unit.x, unit.y, number(unit.value)
    text = within(picture, unit.written)
    labels = []
    if text:
        size = number_size(text)
        labels = [Label(x, y + 0.36 * size, text, size, "middle", full=full, part=unit.part)]
    if unit.bias:
        labels.append(Label(x - 15, y - 11.5, "b", NUMBER, "middle", "wg-surface wg-bold"))
    return labels


def _image(picture: NetworkPicture, layout: Layout) -> list[str]:
    if not layout.image:
        return []
    left, top, right, bottom = layout.image
    frame: dict[str, object] = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    shown = {"class": "wg-pixels", "preserveAspectRatio": "none", "href": image_address(picture)}
    title = f"input: {picture.unit_meaning or 'value'}"
    return [
        tag("rect", frame | {"class": "wg-raised"}),
        tag("image", frame | shown, title=title),
        tag("rect", frame | {"class": "wg-on-input", "stroke-width": 1.6}),
    ]


def _pixel(pixel: Pixel) -> str:
    side = pixel.side
    about: dict[str, object] = {
        "x": pixel.x - side / 2,
        "y": pixel.y - side / 2,
        "width": side,
        "height": side,
    }
    outer = tag("rect", about | {"class": "wg-on-surface", "stroke-width": 4})
    inner = tag("rect", about | {"class": "wg-on-ink", "stroke-width": 2})
    return tag("g", {"data-part": pixel.part}, outer, inner, title=pixel.title)


def _edge(edge: Edge) -> str:
    shapes = []
    if edge.marked:
        shapes.append(line(edge.x1, edge.y1, edge.x2, edge.y2, "wg-on-glow", edge.width + 6))
    ends = *edge.start, edge.x2, edge.y2
    shapes.append(line(*ends, f"wg-on-{edge.sign}", edge.width, edge.dash))
    if edge.arrow:
        shapes.append(tag("path", {"d": edge.arrow, "class": f"wg-{edge.sign}"}))
    about: dict[str, object] = {"data-part": edge.part, "opacity": edge.opacity}
    return tag("g", about, *shapes, title=edge.title)


# ── the legend ───────────────────────────────────────────────────────────────────────────────────────


def keys(picture: NetworkPicture, all_: bool = False) -> list[tuple[str, str]]:
    """Return what the colours, widths and arrows mean; only of what there is, unless `all_` are wanted."""
    shade = [
        tag("circle", {"cx": 4 + 7 * i, "cy": 0, "r": 5.5, "class": "wg-hidden", "fill-opacity": o})
        for i, o in enumerate((0.1, 0.28, 0.46))
    ]
    found = []
    if picture.unit_meaning:
        found.append(("".join(shade), clean(picture.unit_meaning)))
    values = [one for one in picture.edges if one is not None]
    meaning = clean(picture.edge_meaning)
    if all_ or any((one > 0).any() for one in values):
        found.append((line(0, 0, 22, 0, "wg-on-positive", 3), f"{meaning} above 0"))
    if all_ or any((one < 0).any() for one in values):
        found.append((line(0, 0, 22, 0, "wg-on-negative wg-minus", 3), f"{meaning} below 0"))
    wedge = tag("path", {"d": "M0 0.5L22 3.5V-3.5L0 -0.5Z", "class": "wg-soft"})
    if all_ or any(np.isfinite(one).any() for one in values):
        found.append((wedge, "wider: larger within its layer"))
    if picture.backwards:
        arrow = tag("path", {"d": "M0 0L9 4.5V1.2H22V-1.2H9V-4.5Z", "class": "wg-soft"})
        found.append((arrow, "from the cost back to the input"))
    return found
