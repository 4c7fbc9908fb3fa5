"""What pictures are drawn with: labels that know their size, shapes, and the SVG around them.

The width of a text is estimated, on the wide side, since a drawing cannot know its reader's fonts. Labels
that would overlap are found by their boxes.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal, TypeAlias

from whygrad.answers.draw.palette import style
from whygrad.answers.formatting import clean

Anchor: TypeAlias = Literal["start", "middle", "end"]
Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom

TITLE, TEXT, SMALL = 15.0, 13.0, 11.5  # sizes of letters
BOLD = 1.12  # how much wider bold letters are
NARROW = {c: 0.34 for c in "ijl|.,:;'I· "} | {c: 0.42 for c in "frt()[]/\\-!°"}
BROAD = {c: 1.0 for c in "mMW@%…—"} | {c: 0.84 for c in "w+=−<>~^#×&"} | {c: 0.5 for c in '`"'}
ADVANCE = NARROW | BROAD


@dataclass(frozen=True)
class Label:
    """A line of text at (x, y), its baseline; `full` is what it was cut from."""

    x: float
    y: float
    text: str
    size: float = TEXT
    anchor: Anchor = "start"
    look: str = "wg-ink"
    full: str = ""
    part: str = ""

    @property
    def box(self) -> Box:
        """The room that the text takes."""
        width = text_width(self.text, self.size) * (BOLD if "wg-bold" in self.look else 1.0)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - 0.82 * self.size, left + width, self.y + 0.24 * self.size


@dataclass(frozen=True)
class Drawing:
    """Shapes and, above them, labels, on a sheet of a size."""

    title: str
    width: float
    height: float
    shapes: tuple[str, ...]
    labels: tuple[Label, ...]


def text_width(text: str, size: float = TEXT) -> float:
    """Estimate the width of a text.

    >>> text_width("weight", 10) < text_width("WEIGHT", 10)
    True
    """
    return size * sum(map(_advance, text))


def _advance(c: str) -> float:
    if c in ADVANCE:
        return ADVANCE[c]
    if c.isascii():
        return 0.79 if c.isupper() else 0.64
    if unicodedata.category(c) in ("Mn", "Me", "Cf"):
        return 0.0
    return 1.3 if ord(c) > 0xFFFF else 1.05 if unicodedata.east_asian_width(c) in "WF" else 0.75


def fitted(text: str, room: float, size: float = TEXT) -> str:
    """Return a text that fits into the room, with an ellipsis where it was longer."""
    text = clean(text)
    if text_width(text, size) <= room:
        return text
    while text and text_width(f"{text.rstrip()}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _lines_of(text: str, room: float, size: float, most: int) -> list[str]:
    """Break a text into at most so many lines that fit."""
    lines: list[str] = []
    words = clean(text).split(" ")
    while words and len(lines) < most:
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), size) <= room:
            count += 1
        last = len(lines) == most - 1
        lines.append(fitted(" ".join(words if last else words[:count]), room, size))
        words = words[count:]
    return lines


def overlap(one: Box, other: Box, gap: float = 0.0) -> bool:
    """Whether two boxes overlap, or are nearer than the gap."""
    return (
        one[0] < other[2] + gap
        and other[0] < one[2] + gap
        and one[1] < other[3] + gap
        and other[1] < one[3] + gap
    )


def free(label: Label, taken: Iterable[Box], gap: float = 2.0) -> bool:
    """Whether a label overlaps none of the boxes."""
    return not any(overlap(label.box, box, gap) for box in taken)


def tag(name: str, about: Mapping[str, object] | None = None, *inner: str, title: str = "") -> str:
    """Write an element; what is None or "" is left out, and `title` is what a pointer held over it shows.

    >>> tag("circle", {"r": 2.50, "class": "wg-ink"}, title="a < b")
    '<circle r="2.5" class="wg-ink"><title>a &lt; b</title></circle>'
    """
    given = "".join(
        f' {key}="{_value(v)}"' for key, v in (about or {}).items() if v not in (None, "")
    )
    content = (f"<title>{escape(clean(title))}</title>" if title else "") + "".join(inner)
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"


def _value(value: object) -> str:
    return point(value) if isinstance(value, float | int) else escape(clean(value))


def point(*values: float) -> str:
    """Write coordinates, to a tenth of a pixel.

    >>> point(1.0, 2.345)
    '1 2.3'
    """
    return " ".join(f"{round(value, 1 if abs(value) >= 1 else 2) + 0.0:g}" for value in values)


def line(
    x1: float, y1: float, x2: float, y2: float, look: str, width: float = 1.0, dash: str = ""
) -> str:
    """Draw a straight line; `dash` are the lengths of its strokes and gaps."""
    path = f"M{point(x1, y1)}L{point(x2, y2)}"
    about = {"d": path, "class": look, "stroke-width": width, "stroke-dasharray": dash}
    return tag("path", about)


def swatch(look: str) -> str:
    """Draw the key of an area in a legend."""
    return tag("rect", {"x": 4, "y": -6, "width": 14, "height": 12, "rx": 2, "class": look})


def head(title: str, width: float, y: float = 22.0) -> tuple[list[Label], float]:
    """Return the title in at most two lines, and where the room below it begins."""
    texts = _lines_of(title, width - 24, TITLE * BOLD, 2)
    look = "wg-ink wg-bold"
    labels = [
        Label(12, y + 20 * i, text, TITLE, look=look, full=clean(title))
        for i, text in enumerate(texts)
    ]
    return labels, y + 20 * len(texts) - 8


def legend(
    items: Sequence[tuple[str, str]], x: float, y: float, width: float
) -> tuple[list[str], list[Label], float]:
    """Set keys (a shape 22 wide around (0, 0), its text) one after another, in as many rows as it takes."""
    shapes, labels, left = [], [], x
    for key, text in items:
        text = fitted(text, width - x - 44, SMALL)
        wide = 28 + text_width(text, SMALL) + 14
        if left > x and left + wide > width:
            left, y = x, y + 18
        shapes.append(tag("g", {"transform": f"translate({point(left, y)})"}, key))
        labels.append(Label(left + 28, y + 4, text, SMALL, look="wg-soft"))
        left += wide
    return shapes, labels, y + 18


def captioned(drawing: Drawing, question: str, answer: str) -> Drawing:
    """Return a drawing below the question and the answer that it belongs to."""
    room = drawing.width - 24
    asked = _lines_of(question, room, TITLE * BOLD, 3)
    said = [one for text in answer.splitlines() for one in _lines_of(text, room, TEXT, 6)]
    labels = [
        Label(12, 22 + 20 * i, text, TITLE, look="wg-ink wg-bold") for i, text in enumerate(asked)
    ]
    top = 22 + 20 * len(asked)
    labels += [Label(12, top + 18 * i, text) for i, text in enumerate(said)]
    down = top + 18 * len(said) + 6.0
    moved = tag("g", {"transform": f"translate({point(0.0, down)})"}, *drawing.shapes)
    labels += [replace(label, y=label.y + down) for label in drawing.labels]
    return replace(drawing, height=drawing.height + down, shapes=(moved,), labels=tuple(labels))


def to_svg(drawing: Drawing, alone: bool = True) -> str:
    """Write a drawing as an SVG; `alone` it has its style sheet within, else the page around it has."""
    width, height = drawing.width, drawing.height
    sheet = tag("rect", {"width": width, "height": height, "class": "wg-surface"})
    about: dict[str, object] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "wg",
        "viewBox": f"0 0 {point(width, height)}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": drawing.title,
        "style": "max-width:100%;height:auto",
    }
    css = f"<style>{style()}</style>" if alone else ""
    return tag("svg", about, css, sheet, *drawing.shapes, *map(_text, drawing.labels))


def _text(label: Label) -> str:
    about: dict[str, object] = {
        "x": label.x,
        "y": label.y,
        "font-size": label.size,
        "text-anchor": None if label.anchor == "start" else label.anchor,
        "class": label.look,
        "data-part": label.part,
    }
    title = label.full if label.full != label.text else ""
    return tag("text", about, escape(label.text), title=title)
