"""Images side by side, all on one scale, each above its caption."""

import math

import numpy as np

from whygrad.answers.draw.drawing import SMALL, Drawing, Label, fitted, head, tag
from whygrad.answers.draw.palette import PIXELS
from whygrad.answers.draw.png import data_uri, ink, signed_ink
from whygrad.answers.formatting import clean, number, typeset
from whygrad.answers.pictures import ImagePicture

WIDTH, GAP = 520.0, 14.0
MOST = 30  # images
LARGEST = 210.0  # the side of one
LINE = 14.0  # from one line of a caption to the next


def draw_images(picture: ImagePicture) -> Drawing:
    """Draw the images in rows, with the scale of their colours below."""
    images = np.asarray(picture.images, float)
    labels, top = head(picture.title, WIDTH)
    count = min(len(images), MOST)
    across = count if count <= 3 else min(6, math.ceil(count / math.ceil(count / 5)))
    cell = min(LARGEST, (WIDTH - 24 - GAP * (across - 1)) / max(1, across))
    height, width = images.shape[1:]
    wide, high = (cell, cell * height / width) if width >= height else (cell * width / height, cell)
    finite = images[np.isfinite(images)]
    low, largest = float(finite.min(initial=0.0)), float(np.abs(finite).max(initial=0.0)) or 1.0
    signed = picture.signed or low < 0
    shapes = []
    under = 30 + LINE * max((one.count("\n") for one in picture.captions), default=0)
    top += 14
    bottom = top
    for place in range(count):
        x = 12 + (cell + GAP) * (place % across)
        y = top + (high + under) * (place // across)
        frame = {"x": x, "y": y, "width": wide, "height": high}
        said = picture.captions[place].split("\n") if place < len(picture.captions) else [""]
        lines = [clean(one) for one in said]
        href = data_uri(_pixels(images[place] / largest, signed))
        shapes += [
            tag("rect", frame | {"class": "wg-raised"}),
            tag("image", frame | {"class": "wg-pixels", "preserveAspectRatio": "none", "href": href},
                title=", ".join(lines)),
            tag("rect", frame | {"class": "wg-on-line"}),
        ]  # fmt: skip
        for i, one in enumerate(lines):
            at, text = y + high + 15 + LINE * i, fitted(one, cell, SMALL)
            labels.append(Label(x + wide / 2, at, text, SMALL, "middle", full=one))
        bottom = y + high + under - 6
    key, texts = _scale(largest, signed, bottom + 14)
    more = len(images) - count
    if more:
        texts.append(Label(WIDTH - 12, bottom + 14, f"+ {more:,} more", SMALL, "end", "wg-soft"))
    drawn = (*shapes, *key)
    return Drawing(picture.title, WIDTH, bottom + 32, drawn, (*labels, *texts))


def _pixels(share: np.ndarray, signed: bool) -> np.ndarray:
    """Return positive blue and negative orange; or, without signs, from the sheet's colour to ink."""
    if signed:
        return signed_ink(share, PIXELS["positive"], PIXELS["negative"])
    return ink(share, PIXELS["input"])


def _scale(largest: float, signed: bool, y: float) -> tuple[list[str], list[Label]]:
    """Draw the colours from the least to the largest number."""
    shares = np.linspace(-1.0 if signed else 0.0, 1.0, 41)[None, :]
    href = data_uri(_pixels(shares, signed))
    left = Label(12, y + 4, typeset(number(-largest)) if signed else "0", SMALL, look="wg-soft")
    x = left.box[2] + 8
    bar = {"x": x, "y": y - 5, "width": 120, "height": 10}
    shapes = [
        tag("rect", bar | {"class": "wg-raised"}),
        tag("image", bar | {"preserveAspectRatio": "none", "href": href}),
        tag("rect", bar | {"class": "wg-on-line"}),
    ]
    return shapes, [left, Label(x + 128, y + 4, number(largest), SMALL, look="wg-soft")]
