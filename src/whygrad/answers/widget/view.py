"""A network as a drawing that can be pointed at: positions, widths, texts and titles as data for JSON.

`network.js` draws what `view` gives and computes none of it. What is done with the drawing comes back as a
gesture, which `read_gesture` reads.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from whygrad.answers.draw.choosing import marked, shown_units
from whygrad.answers.draw.drawing import SMALL, Label
from whygrad.answers.draw.network_elements import (
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
from whygrad.answers.draw.network_layout import (
    BIAS,
    RADIUS,
    Layout,
    Wanted,
    counts,
    lay_out,
    layer_name,
)
from whygrad.answers.draw.network_picture import keys
from whygrad.answers.formatting import clean
from whygrad.answers.names import Ref
from whygrad.answers.pictures import NetworkPicture

View: TypeAlias = dict[str, Any]
Shown: TypeAlias = tuple[tuple[int, ...], ...]

MOST_EDGES = 500  # connections of a drawing; of more the largest
KINDS = ("click", "point", "leave", "more", "less", "narrow", "wide")


@dataclass(frozen=True)
class Gesture:
    """What was done with a drawing.

    Parameters
    ----------
    kind : "click" and "point" speak of a part, "leave" of none; "more" asks for all units of a layer and
        "less" for the most important ones; "narrow" and "wide" tell how much room there is.
    part : str
        The unit, weight or bias, such as "1:0,2", or "".
    layer : int or None
        The layer, or None.
    id : int
        Counts the gestures of one drawing, so that the same one twice is two.
    """

    kind: str
    part: str = ""
    layer: int | None = None
    id: int = 0

    @property
    def ref(self) -> Ref | None:
        """The part, taken apart."""
        return Ref.read(self.part)


def read_gesture(given: Any) -> Gesture | None:
    """Read a gesture that a browser sent; return None where it is none.

    >>> read_gesture({"id": 3, "kind": "click", "part": "1:0,2"})
    Gesture(kind='click', part='1:0,2', layer=1, id=3)
    >>> read_gesture({"kind": "click", "part": "../etc"})
    """
    if not isinstance(given, dict) or given.get("kind") not in KINDS:
        return None
    name, part, layer, count = (given.get(key) for key in ("kind", "part", "layer", "id"))
    number = count if isinstance(count, int) else 0
    if name in ("click", "point"):
        ref = Ref.read(part) if isinstance(part, str) else None
        return Gesture(str(name), ref.part, ref.layer, number) if ref else None
    if name in ("leave", "narrow", "wide"):
        return Gesture(str(name), id=number)
    whole = isinstance(layer, int) and not isinstance(layer, bool) and layer >= 0
    return Gesture(str(name), "", layer, number) if whole else None


def choose(picture: NetworkPicture, more: Collection[int] = ()) -> Shown:
    """Return the units to draw, by layer: the most important ones, and all of the layers `more`.

    Put them into the pictures (`shown`) of the same network that follow, so that none of its units jumps
    while numbers change.
    """
    return shown_units(replace(picture, shown=()), marked(picture), more)


def view(
    picture: NetworkPicture,
    *,
    more: Collection[int] = (),
    narrow: bool = False,
) -> View:
    """Return a drawing of a network as plain data for `network.js`.

    Parameters
    ----------
    picture : the network, its numbers, what is marked, and which units are shown. Where it is `partial`,
        numbers that are NaN are still to come: their units are empty, their connections faint.
    more : collection of int
        The layers of which all units are drawn; of very many the most important.
    narrow : bool
        For a window of some 400 pixels.

    >>> import numpy as np
    >>> picture = NetworkPicture("t", (np.ones(1), np.ones(1)), (None, -np.ones((1, 1))), (("x",), ("y",)))
    >>> found = view(picture)
    >>> [unit["name"] for unit in found["units"]], found["edges"][0]["sign"], found["edges"][0]["text"]
    (['x', 'y'], 'negative', '−1')
    """
    if more or not picture.shown:
        picture = replace(picture, shown=_with(picture, more))
    layout = lay_out(picture, Wanted(titled=False, blocks=True, narrow=narrow))
    found = _drawn(edges(picture, layout, all_=True))
    numbers = numbered(
        picture, layout, sorted(found, key=lambda edge: not edge.marked), steady=True
    )
    buttons = _feet(picture, layout, more)
    below = {button["layer"] for button in buttons}
    bottom = max([layout.bottom, *(button["y"] + 7 for button in buttons)])
    left_out = [one for l, one in enumerate(layout.columns) if l not in below]
    return {
        "title": clean(picture.title),
        "width": _round(layout.width),
        "height": _round(bottom + 10),
        "units": [
            *(_unit(picture, unit) for unit in units(picture, layout)),
            *map(_pixel, pixels(picture, layout)),
        ],
        "ones": [
            {"x": _round(x), "y": _round(y), "r": BIAS, "layer": l}
            for l, (x, y) in layout.biases.items()
        ],
        "edges": [_edge(edge, numbers.get(edge.part)) for edge in found],
        "labels": [*map(_label, layout.labels), *map(_label, counts(left_out))],
        "image": _image(picture, layout),
        "legend": [{"shape": shape, "text": text} for shape, text in keys(picture, all_=True)],
        "buttons": buttons,
    }


def _with(picture: NetworkPicture, more: Collection[int]) -> Shown:
    """Return the units that the picture shows, but all of the layers `more`."""
    every = choose(picture, more)
    before = picture.shown or every
    return tuple(every[l] if l in more else before[l] for l in range(len(every)))


def _drawn(found: list[Edge]) -> list[Edge]:
    """Return the connections that are drawn: the largest where there are too many to see."""
    if len(found) <= MOST_EDGES:
        return found
    least = sorted((edge.share for edge in found), reverse=True)[MOST_EDGES]
    return [edge for edge in found if edge.marked or edge.share > least]


def _unit(picture: NetworkPicture, unit: Unit) -> View:
    text = within(picture, unit.written)
    return _circle_or_square(unit) | {
        "kind": unit.kind,
        "r": RADIUS,
        "share": round(unit.share, 2),
        "minus": unit.value < 0,
        "text": text,
        "size": number_size(text),
        "bias": unit.bias,
        "shape": "circle",
    }


def _pixel(pixel: Pixel) -> View:
    plain = {
        "kind": "input",
        "share": 0.0,
        "minus": False,
        "text": "",
        "size": SMALL,
        "bias": False,
    }
    return _circle_or_square(pixel) | plain | {"r": _round(pixel.side / 2), "shape": "square"}


def _circle_or_square(one: Unit | Pixel) -> View:
    """Return what units and pixels have in common."""
    same = {"part": one.part, "name": one.name, "title": one.title, "marked": one.marked}
    return same | {"x": _round(one.x), "y": _round(one.y)}


def _edge(edge: Edge, label: Label | None) -> View:
    x, y = edge.start
    return {
        "part": edge.part,
        "from": f"{edge.layer - 1}:{edge.from_}",
        "to": f"{edge.layer}:{edge.to}",
        "x1": _round(x),
        "y1": _round(y),
        "x2": _round(edge.x2),
        "y2": _round(edge.y2),
        "sign": edge.sign if edge.value else "soft",
        "width": round(edge.width, 1),
        "dash": edge.dash,
        "opacity": round(edge.opacity, 2),
        "arrow": edge.arrow,
        "text": label.text if label else "",
        "tx": _round(label.x) if label else 0.0,
        "ty": _round(label.y) if label else 0.0,
        "marked": edge.marked,
        "title": edge.title,
    }


def _label(label: Label) -> View:
    return {
        "x": _round(label.x),
        "y": _round(label.y),
        "text": label.text,
        "size": label.size,
        "anchor": label.anchor,
        "look": label.look,
        "part": label.part,
    }


def _image(picture: NetworkPicture, layout: Layout) -> View | None:
    if not layout.image or not picture.image:
        return None
    left, top, right, bottom = layout.image
    return {
        "x": _round(left),
        "y": _round(top),
        "width": _round(right - left),
        "height": _round(bottom - top),
        "rows": picture.image[0],
        "columns": picture.image[1],
        "href": image_address(picture),
    }


# ── buttons ──────────────────────────────────────────────────────────────────────────────────────────


def _button(kind: str, l: int, x: float, y: float, text: str, title: str) -> View:
    at = {"x": _round(x), "y": _round(y)}
    return {"kind": kind, "layer": l, **at, "text": text, "title": title}


def _feet(picture: NetworkPicture, layout: Layout, more: Collection[int]) -> list[View]:
    """Return the buttons below layers that show the rest of them, or only a few again."""
    buttons = []
    for l, column in enumerate(layout.columns):
        if l == 0 and layout.image:
            continue
        under = layout.biases[l + 1][1] + BIAS + 12 if l + 1 in layout.biases else column.foot + 2
        at, name = (l, column.x, under), layer_name(picture, l)
        if l in more:
            if column.units > len(choose(picture)[l]):
                title = f"show only the most important units of {name}"
                few = f"{len(layout.shown[l])} of {column.units:,} · " * (column.left_out > 0)
                buttons.append(_button("less", *at, f"{few}show fewer", title))
        elif column.left_out:
            title = f"show all units of {name}, {column.left_out:,} more"
            buttons.append(_button("more", *at, f"+ {column.left_out:,} more", title))
    return buttons


def _round(value: float) -> float:
    """Return a coordinate to a tenth of a pixel."""
    return round(value, 1)
