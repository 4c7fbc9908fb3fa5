"""Which units of a network are drawn where not all of them fit: those asked about, and the most important.

How important a unit is: its own number, and its connections' sizes, each beside the largest of its layer.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from whygrad.answers.names import Ref
from whygrad.answers.pictures import NetworkPicture
from whygrad.nn.functions import Array

MOST = 8  # units of a layer
MOST_OUTPUTS = 12
MOST_PIXELS = 6  # with lines of their own
MOST_WHOLE = 256  # of a layer that is asked for as a whole


@dataclass(frozen=True)
class Marked:
    """The refs that stand out: units (layer, unit), edges (layer, to, from), biases (layer, unit)."""

    units: frozenset[tuple[int, int]]
    edges: frozenset[tuple[int, int, int]]
    biases: frozenset[tuple[int, int]]

    @property
    def kept(self) -> frozenset[tuple[int, int]]:
        """The units that have to be drawn, at both ends of an edge."""
        ends = {(l, j) for l, j, _ in self.edges} | {(l - 1, k) for l, _, k in self.edges}
        return self.units | self.biases | ends


def marked(picture: NetworkPicture) -> Marked:
    """Read the refs that a picture marks; one that is not of this network is passed over."""
    units, edges, biases = set(), set(), set()
    sizes = [len(one) for one in picture.units]
    for part in picture.marked:
        ref = Ref.read(part)
        if ref is None or ref.layer >= len(sizes) or ref.to >= sizes[ref.layer]:
            continue
        l, j, source = ref.layer, ref.to, ref.from_
        if source is None:
            units.add((l, j))
        elif source == "bias":
            biases.add((l, j))
        elif l > 0 and int(source) < sizes[l - 1]:
            edges.add((l, j, int(source)))
    return Marked(frozenset(units), frozenset(edges), frozenset(biases))


def shown_units(
    picture: NetworkPicture, marks: Marked, whole: Collection[int] = ()
) -> tuple[tuple[int, ...], ...]:
    """Return the units of each layer that are drawn, in order; of `whole` layers all."""
    last = len(picture.units) - 1
    chosen = []
    for l, values in enumerate(picture.units):
        most = MOST_OUTPUTS if l == last else MOST_PIXELS if l == 0 and picture.image else MOST
        if l in whole:
            most = MOST_WHOLE
        kept = {j for layer, j in marks.kept if layer == l}
        if l < len(picture.shown):
            chosen.append(tuple(sorted({*kept, *picture.shown[l]})))
            continue
        if len(values) <= most:
            chosen.append(tuple(range(len(values))))
            continue
        important = _importance(picture, l)
        order = np.argsort(-important, kind="stable").tolist()
        # What carries nothing is not drawn, where anything else is.
        some = [j for j in order if important[j] > 0 or j in kept] or order
        others = [j for j in some if j not in kept][: max(0, most - len(kept))]
        chosen.append(tuple(sorted({*kept, *others})))
    return tuple(chosen)


def _importance(picture: NetworkPicture, l: int) -> Array:
    total = _relative(picture.units[l])
    into, out = picture.edges[l], picture.edges[l + 1] if l + 1 < len(picture.edges) else None
    if into is not None:
        total = total + _relative(_sizes(into).sum(axis=1))
    if out is not None:
        total = total + _relative(_sizes(out).sum(axis=0))
    return total


def _relative(values: Array) -> Array:
    sizes = _sizes(values)
    return sizes / (sizes.max(initial=0.0) or 1.0)


def _sizes(values: Array) -> Array:
    """Return the sizes of numbers; what is not finite counts as nothing."""
    sizes: Array = np.abs(np.asarray(values, float))
    return np.where(np.isfinite(sizes), sizes, 0.0)
