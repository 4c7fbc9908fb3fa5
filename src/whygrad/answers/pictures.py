"""Pictures as data: what is to be drawn, in numbers; `draw` draws them and computes nothing.

Four kinds serve every answer: the network, curves, bars, images.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from whygrad.nn.functions import Array

Scale: TypeAlias = Literal["linear", "log", "percent"]


@dataclass(frozen=True, eq=False)
class NetworkPicture:
    """The network with a number on every unit and every connection.

    Parameters
    ----------
    title : str
        What is shown, one line.
    units : tuple of arrays
        By layer 0 … L, one number per unit, (n_l,): the colour of the unit.
    edges : tuple of arrays or None
        By layer, index 0 is None, edges[l] of shape (n_l, n_{l-1}) as W[l]: width and colour.
    names : tuple of tuples of str
        By layer, one name per unit.
    unit_meaning, edge_meaning : str
        What the numbers are, for the legend, such as "activation" and "weight".
    backwards : bool
        Arrows run from the output to the input.
    marked : tuple of str
        The parts (`Ref.part`) to stand out; they are never left out of the drawing.
    image : (int, int) or None
        (height, width) where the input is an image, else None.
    shown : by layer, the units that are drawn; where () the most important are chosen. Pictures that follow
        one another show the same units, so that nothing jumps.
    partial : bool
        NaN is what is not known yet, and left blank.
    kept : tuple of arrays or None
        By layer, (n_l, n_{l-1}), False where the layer's mask leaves a connection out, which is never
        drawn; None of a layer that has all of them, () where all have.
    own : tuple of arrays or None
        By layer, (n_l,), the numbers that are written on units, in the user's own units; None of a layer,
        and () where all are, as in `units`, which decide the colours.
    biases : tuple of arrays or None
        By layer as `edges`, (n_l,): drawn as the weights of a unit that is always 1, as textbooks do.
    targets : array or None
        What the outputs should be, (n_L,), beside them; None where there is no single one.
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
    kept: tuple[Array | None, ...] = ()
    own: tuple[Array | None, ...] = ()
    biases: tuple[Array | None, ...] = ()
    targets: Array | None = None


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a chart, or one of its areas.

    Parameters
    ----------
    name : str
        What the legend calls it.
    y : array
        (m,), broken where a number is not finite.
    dashed : it stands beside the others, as a tangent does, and does not decide how far the axis goes; a
        dashed area has the colour of ink, since it stands for what is no class.
    x : array or None
        (m,), where a line has another x than the chart.
    colour : int, str or None
        A colour of the palette, by number or by name; None takes the next one.
    stroke : int
        Which dashes it has, 0 for none, so that lines are told apart without their colours.
    thin : bool
        It stays behind the other lines.
    listed : bool
        Whether it has an entry in the legend.
    """

    name: str
    y: Array
    dashed: bool = False
    x: Array | None = None
    colour: int | str | None = None
    stroke: int = 0
    thin: bool = False
    listed: bool = True


@dataclass(frozen=True, eq=False)
class CurvePicture:
    """A chart: lines over a common x, and areas stacked on both sides of zero.

    Two writers draw it: `draw.curves` as SVG, `studio.page.charting` as a chart of ECharts.

    Parameters
    ----------
    title : str
        What is shown, one line.
    x_label, y_label : str
        Names of the axes, with their units; y_label is of the lines.
    x : array
        (m,), that of the areas, and of all lines that have none of their own.
    lines : tuple of Line
        The lines.
    stacked : the areas, such as the pushes of classes under a weight's path; where there are lines as well,
        they get a panel of their own below.
    stack_label : str
        The name of the areas' axis.
    marks : tuple of (float, float, str)
        Single points to stand out, (x, y, name).
    scale : Scale
        How y of the lines is drawn; "percent" is for shares from 0 to 1.
    at, at_name : float or None, str
        An x at which a line is drawn upwards, and what it is called.
    x_range : (float, float) or None
        From where to where x goes at least.
    stroke_name : str
        The legend's entry for all lines with strokes, "" for none.

    Examples
    --------
    >>> import numpy as np
    >>> from whygrad.answers.draw.svg import picture_svg
    >>> cost = Line("training", np.array([0.5, 0.25]))
    >>> picture_svg(CurvePicture("Cost", "step", "cost", np.array([1.0, 2.0]), (cost,)))[:4]
    '<svg'
    """

    title: str
    x_label: str
    y_label: str
    x: Array
    lines: tuple[Line, ...] = ()
    stacked: tuple[Line, ...] = ()
    stack_label: str = ""
    marks: tuple[tuple[float, float, str], ...] = ()
    scale: Scale = "linear"
    at: float | None = None
    at_name: str = ""
    x_range: tuple[float, float] | None = None
    stroke_name: str = ""

    def x_of(self, one: Line) -> Array:
        """Return the x of a line, (m,)."""
        return self.x if one.x is None else one.x


@dataclass(frozen=True, eq=False)
class BarPicture:
    """Named numbers as bars to the left and right of zero.

    Parameters
    ----------
    title : str
        What is shown, one line.
    label : str
        What the numbers are, with their unit.
    names : tuple of str
        A name for each bar.
    values : array
        (m,), a number for each bar.
    """

    title: str
    label: str
    names: tuple[str, ...]
    values: Array


@dataclass(frozen=True, eq=False)
class ImagePicture:
    """Images side by side.

    Parameters
    ----------
    title : str
        What is shown, one line.
    images : array
        (k, height, width).
    captions : tuple of str
        One for each image, of several lines where it has line breaks.
    signed : positive and negative numbers have colours of their own (weights); else they run from dark to
        light.
    """

    title: str
    images: Array
    captions: tuple[str, ...]
    signed: bool = False


Picture: TypeAlias = NetworkPicture | CurvePicture | BarPicture | ImagePicture
