"""Pictures as data: what is to be drawn, in numbers; `show` draws them and computes nothing.

Four kinds serve every answer: the network, curves, bars, images.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from whygrad.nn.functions import Array


@dataclass(frozen=True, eq=False)
class NetworkPicture:
    """The network with a number on every unit and every connection.

    Parameters
    ----------
    title : what is shown, one line.
    units : by layer 0 … L, one number per unit, (n_l,): the colour of the unit.
    edges : by layer, index 0 is None, edges[l] of shape (n_l, n_{l-1}) as W[l]: width and colour.
    names : by layer, one name per unit.
    unit_meaning, edge_meaning : what the numbers are, for the legend, such as "activation" and "weight".
    backwards : arrows run from the output to the input.
    marked : the parts (`Ref.part`) to stand out; they are never left out of the drawing.
    image : (height, width) where the input is an image, else None.
    shown : by layer, the units that are drawn; where () the most important are chosen. Pictures that follow
        one another show the same units, so that nothing jumps.
    partial : NaN is what is not known yet, and left blank.
    """

    title: str
    units: tuple[Array, ...]
    edges: tuple[Array | None, ...]
    names: tuple[tuple[str, ...], ...]
    unit_meaning: str = ""
    edge_meaning: str = "weight"
    backwards: bool = False
    marked: tuple[str, ...] = ()
    image: tuple[int, int] | None = None
    shown: tuple[tuple[int, ...], ...] = ()
    partial: bool = False


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a chart: y over the chart's x, (m,)."""

    name: str
    y: Array
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class CurvePicture:
    """Lines over a common x; `stacked` ones are areas, the pushes of classes under a weight's path.
    A dashed area has the colour of ink: it stands for what is no class.

    `marks` are single points (x, y, name) to stand out; y_label is of the lines, stack_label of the areas,
    which get a panel of their own below where there are lines as well.
    """

    title: str
    x_label: str
    y_label: str
    x: Array
    lines: tuple[Line, ...] = ()
    stacked: tuple[Line, ...] = ()
    stack_label: str = ""
    marks: tuple[tuple[float, float, str], ...] = ()


@dataclass(frozen=True, eq=False)
class BarPicture:
    """Named numbers as bars to the left and right of zero."""

    title: str
    label: str
    names: tuple[str, ...]
    values: Array


@dataclass(frozen=True, eq=False)
class ImagePicture:
    """Images side by side, (k, height, width), each with a caption, of several lines where it has breaks.

    `signed` colours positive and negative numbers apart (weights); else they run from dark to light.
    """

    title: str
    images: Array
    captions: tuple[str, ...]
    signed: bool = False


Picture: TypeAlias = NetworkPicture | CurvePicture | BarPicture | ImagePicture
PictureKind: TypeAlias = Literal["network", "curves", "bars", "images"]
