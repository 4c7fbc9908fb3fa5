"""A `Deployable` → the nodes of an ONNX graph, as plain data: for a file, and for a converter of skl2onnx.

All is in opset 13, and in operators that onnxruntime has for float32 and float64 alike: it lacks Elu, Selu,
LeakyRelu, Softplus, Gelu and Erf in float64, which are put together from others. Numbers of one table are
standardised side by side, so that a graph does not grow with its columns; nor does it with networks that
are averaged.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whygrad.nn.functions import SELU_ALPHA, SELU_SCALE, Array
from whygrad.nn.parametric import GELU_CUBIC, GELU_SCALE
from whygrad.pipeline.deploy.form import Choice, Date, Deployable, Encoded, Layer, Number, Turned
from whygrad.pipeline.deploy.normal import MIDDLE, coefficients
from whygrad.tables.columns import LARGEST
from whygrad.tables.dates import DAY
from whygrad.tables.encoding import BOUND, WEIGHT

OPSET = 13
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 2


@dataclass(frozen=True)
class Node:
    """One operation: what it takes and gives, by name."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    domain: str = ""
    attributes: tuple[tuple[str, Any], ...] = ()


@dataclass(eq=False)
class Graph:
    """Nodes in order, and constants by name; `own` is put before every name that is made here.

    `inputs` are the encoded columns, in the order in which they go into the first layer.
    """

    dtype: str
    own: str = "wg_"
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[Encoded] = field(default_factory=list)

    def do(
        self, operator: str, *inputs: Any, out: str | None = None, domain: str = "", **more: Any
    ) -> str:
        """Add an operation and return the name of its output; numbers and arrays become constants."""
        names = tuple(one if isinstance(one, str) else self.constant(one) for one in inputs)
        out = out or f"{self.own}{len(self.nodes)}"
        self.nodes.append(Node(operator, names, out, domain, tuple(more.items())))
        return out

    def constant(self, value: Any) -> str:
        """Return the name of a constant; a number has the dtype of the graph."""
        array = value if isinstance(value, np.ndarray) else np.array(value, self.dtype)
        for name, known in self.constants.items() if array.size == 1 else ():
            same = known.dtype == array.dtype != object and known.shape == array.shape
            if same and known.tobytes() == array.tobytes():
                return name
        name = f"{self.own}c{len(self.constants)}"
        self.constants[name] = array
        return name

    def cast(self, name: str, dtype: str) -> str:
        """Return what a tensor is in another dtype."""
        return self.do("Cast", name, to=TYPES[dtype])


# Of ONNX, by NumPy's names.
TYPES = {"float32": 1, "int64": 7, "str": 8, "bool": 9, "float64": 11}


# ── activations ──────────────────────────────────────────────────────────────────────────────────────


def _leaky_relu(g: Graph, z: str, slope: float) -> str:
    return g.do("Max" if slope <= 1 else "Min", z, g.do("Mul", z, slope))


def _elu(g: Graph, z: str, alpha: float, scale: float = 1.0) -> str:
    below = g.do("Mul", g.do("Sub", g.do("Exp", g.do("Min", z, 0.0)), 1.0), alpha)
    found = g.do("Where", g.do("Greater", z, 0.0), z, below)
    return found if scale == 1 else g.do("Mul", found, scale)


def _gelu(g: Graph, z: str) -> str:
    if g.dtype == "float32":
        tail = g.do("Add", g.do("Erf", g.do("Mul", z, math.sqrt(0.5))), 1.0)
        return g.do("Mul", g.do("Mul", z, 0.5), tail)
    size = g.do("Abs", z)
    t = g.do("Div", g.do("Sub", size, MIDDLE), g.do("Add", size, MIDDLE))
    first, *others = coefficients()
    P: Any = first
    for coefficient in others:
        P = g.do("Add", g.do("Mul", P, t), coefficient)
    density = g.do("Exp", g.do("Mul", g.do("Mul", z, z), -0.5))
    return g.do("Sub", g.do("Relu", z), g.do("Mul", g.do("Mul", size, P), density))


def _gelu_tanh(g: Graph, z: str) -> str:
    cubed = g.do("Mul", g.do("Mul", g.do("Mul", z, z), z), GELU_CUBIC)
    tanh = g.do("Tanh", g.do("Mul", g.do("Add", z, cubed), GELU_SCALE))
    return g.do("Mul", g.do("Mul", z, 0.5), g.do("Add", tanh, 1.0))


def _softplus(g: Graph, z: str) -> str:
    rest = g.do("Log", g.do("Add", g.do("Exp", g.do("Neg", g.do("Abs", z))), 1.0))
    return g.do("Add", g.do("Relu", z), rest)


def _sharp_softplus(g: Graph, z: str, beta: float, threshold: float) -> str:
    steep = g.do("Mul", z, beta)
    soft = g.do("Div", _softplus(g, steep), beta)
    return g.do("Where", g.do("Greater", steep, threshold), z, soft)


def _clip(g: Graph, z: str, low: float, high: float) -> str:
    return g.do("Min", g.do("Max", z, low), high)


def _celu(g: Graph, z: str, alpha: float) -> str:
    return _elu(g, g.do("Div", z, alpha), 1.0, alpha)


def _softsign(g: Graph, z: str) -> str:
    return g.do("Div", z, g.do("Add", g.do("Abs", z), 1.0))


# By family; each takes its parameters as well.
ACTIVATIONS: dict[str, Callable[..., str]] = {
    "identity": lambda g, z: z,
    "sigmoid": lambda g, z: g.do("Sigmoid", z),
    "tanh": lambda g, z: g.do("Tanh", z),
    "relu": lambda g, z: g.do("Relu", z),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": lambda g, z: _elu(g, z, SELU_ALPHA, SELU_SCALE),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda g, z: g.do("Mul", z, g.do("Sigmoid", z)),
    "softplus": _softplus,
    "sharp_softplus": _sharp_softplus,
    "clipped": _clip,
    "celu": _celu,
    "mish": lambda g, z: g.do("Mul", z, g.do("Tanh", _softplus(g, z))),
    "softsign": _softsign,
    "exp": lambda g, z: g.do("Exp", z),
    "softmax": lambda g, z: g.do("Softmax", z, axis=1),
}


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────


def _row(values: Sequence[float] | Array) -> Array:
    return np.array([values], np.float64)


def _missing(g: Graph, x: str, columns: Sequence[Number | Date]) -> str:
    """Return where the numbers of some columns side by side are missing."""
    largest = [one.largest if isinstance(one, Number) else LARGEST for one in columns]
    gone = g.do("Or", g.do("IsNaN", x), g.do("Greater", g.do("Abs", x), _row(largest)))
    for k in range(max(len(column.gaps) for column in columns)):
        gaps = [column.gaps[k] if k < len(column.gaps) else math.nan for column in columns]
        gone = g.do("Or", gone, g.do("Equal", x, _row(gaps)))
    truths = [isinstance(column, Number) and column.boolean for column in columns]
    if any(truths):
        odd = g.do("Not", g.do("Or", g.do("Equal", x, _row([0.0])), g.do("Equal", x, _row([1.0]))))
        gone = g.do("Or", gone, g.do("And", odd, np.array([truths])))
    return gone


def _clipped(g: Graph, z: str) -> str:
    """Return z / √(1 + (z/3)²); a z whose square would overflow is bounded first."""
    z = g.do("Min", g.do("Max", z, _row([-1e150])), _row([1e150]))
    third = g.do("Div", z, _row([BOUND]))
    return g.do("Div", z, g.do("Sqrt", g.do("Add", g.do("Mul", third, third), _row([1.0]))))


def _shares(g: Graph, x: str, edges: Sequence[Sequence[float]]) -> str:
    """Return the shares of all bins of some columns side by side, of which x has one number each."""
    lows = np.concatenate([one[:-1] for one in edges])
    widths = np.concatenate([np.diff(one) for one in edges])
    lowest, highest = np.zeros(len(lows)), np.ones(len(lows))
    last = np.cumsum([len(one) - 1 for one in edges]) - 1
    lowest[[0, *last[:-1] + 1]], highest[last] = -1, 2
    shares = g.do("Div", g.do("Sub", x, _row(lows)), _row(widths))
    inside = g.do("Min", g.do("Max", shares, _row(lowest)), _row(highest))
    return g.do("Mul", inside, _row([WEIGHT]))


def _sums(g: Graph, x: str, columns: Sequence[Number], turned: Sequence[Turned]) -> str:
    """Return what some columns, side by side in x, make together."""
    places = {column.name: k for k, column in enumerate(columns)}
    total = ""
    for terms in zip(*(one.of for one in turned), strict=True):
        values = g.do("Gather", x, np.array([places[name] for name, _ in terms]), axis=1)
        term = g.do("Mul", values, _row([factor for _, factor in terms]))
        total = g.do("Add", total, term) if total else term
    return total


def _numbers(
    g: Graph, columns: Sequence[Number], names: Sequence[str], turned: Sequence[Turned]
) -> list[str]:
    """Return the encoded columns of numbers: all values, then the flags, then the pieces."""
    x = names[0] if len(names) == 1 else g.do("Concat", *names, axis=1)
    gone = _missing(g, x, columns)
    x = g.do("Where", gone, _row([column.fill for column in columns]), x)
    if turned:
        sums = _sums(g, x, columns, turned)
        x = g.do("Concat", x, sums, axis=1)
        gone = g.do("Concat", gone, g.do("IsNaN", sums), axis=1)  # of which none is
        columns = [*columns, *(one.number for one in turned)]
    z = g.do("Sub", x, _row([column.center for column in columns]))
    z = g.do("Div", z, _row([column.scale for column in columns]))
    found = []
    flagged = [k for k, column in enumerate(columns) if column.flagged]
    if flagged:
        flags = g.do("Gather", g.cast(gone, g.dtype), np.array(flagged), axis=1)
        found.append(flags)
    if any(column.edges for column in columns):
        in_pieces = np.array([[bool(column.edges) for column in columns]])
        gone = g.do("And", gone, np.array([[column.zeroed for column in columns]]))
        z = g.do("Where", in_pieces, _clipped(g, z), z)
        z = g.do("Where", gone, _row([0.0]), z)
        # Of each bin the column that it is of.
        of = np.repeat(
            np.arange(len(columns)), [max(0, len(column.edges) - 1) for column in columns]
        )
        shares = _shares(
            g,
            g.do("Gather", x, of, axis=1),
            [column.edges for column in columns if column.edges],
        )
        shares = g.do("Where", g.do("Gather", gone, of, axis=1), _row([0.0]), shares)
        found.append(g.cast(shares, g.dtype))
    return [g.cast(z, g.dtype), *found]


def _choice(g: Graph, column: Choice, name: str) -> str:
    texts, places = zip(*column.codes, strict=True)
    code = g.do(
        "LabelEncoder",
        name,
        domain=ML_DOMAIN,
        keys_strings=list(texts),
        values_int64s=list(places),
        default_int64=column.other,
    )
    return g.cast(g.do("Equal", code, np.arange(column.width)[None]), g.dtype)


def _date(g: Graph, column: Date, name: str) -> str:
    seconds = name if column.per == 1 else g.do("Mul", name, _row([column.per]))
    gone = _missing(g, name, [column])
    if column.low is not None and column.high is not None:
        early, late = (
            g.do("Less", seconds, _row([column.low])),
            g.do("Greater", seconds, _row([column.high])),
        )
        gone = g.do("Or", gone, g.do("Or", early, late))
    seconds = g.do("Where", gone, _row([column.fill]), seconds)
    parts = _Calendar(g, seconds)
    found = []
    for part, center, scale, edges in zip(
        column.parts, column.centers, column.scales, column.edges, strict=True
    ):
        value = getattr(parts, part.replace(" ", "_"))()
        x = g.do("Div", g.do("Sub", value, _row([center])), _row([scale]))
        if edges:
            x = g.do("Concat", _clipped(g, x), _shares(g, value, [edges]), axis=1)
        if column.zeroed:
            x = g.do("Where", gone, _row([0.0]), x)
        found.append(g.cast(x, g.dtype))
    if column.flagged:
        found.append(g.cast(gone, g.dtype))
    return found[0] if len(found) == 1 else g.do("Concat", *found, axis=1)


class _Calendar:
    """The parts of times, in whole numbers that float64 holds exactly.

    A year begins in March, so that the leap day ends it; 146,097 days are 400 years. After Hinnant,
    "chrono-compatible low-level date algorithms" (2013).
    """

    def __init__(self, g: Graph, seconds: str) -> None:
        self.g, self.seconds = g, seconds
        self.days = self._floor(seconds, DAY)
        self._date: tuple[str, str, str] | None = None

    def _two(self, operator: str, a: Any, b: Any) -> str:
        return self.g.do(operator, *(x if isinstance(x, str) else _row([x]) for x in (a, b)))

    def _floor(self, a: Any, b: float) -> str:
        return self.g.do("Floor", self._two("Div", a, float(b)))

    def _rest(self, a: str, whole: str, b: float) -> str:
        return self._two("Sub", a, self._two("Mul", whole, float(b)))

    def _civil(self) -> tuple[str, str, str]:
        """Return year, month from 0, and day."""
        if self._date is None:
            two, floor = self._two, self._floor
            z = two("Add", self.days, 719468.0)
            era = floor(z, 146097)
            day = self._rest(z, era, 146097)
            leap = two("Sub", two("Add", floor(day, 36524), day), floor(day, 1460))
            year = floor(two("Sub", leap, floor(day, 146096)), 365)
            before = two(
                "Add", two("Mul", year, 365.0), two("Sub", floor(year, 4), floor(year, 100))
            )
            day = two("Sub", day, before)
            month = floor(two("Add", two("Mul", day, 5.0), 2.0), 153)  # 0 is March
            first = floor(two("Add", two("Mul", month, 153.0), 2.0), 5)
            late = self.g.cast(two("Greater", month, 9.5), "float64")
            self._date = (
                two("Add", two("Add", year, late), two("Mul", era, 400.0)),
                two("Sub", two("Add", month, 2.0), two("Mul", late, 12.0)),
                two("Add", two("Sub", day, first), 1.0),
            )
        return self._date

    def _circle(self, values: str, turn: float) -> str:
        angle = self._two("Div", self._two("Mul", values, 2 * math.pi), turn)
        return self.g.do("Concat", self.g.do("Sin", angle), self.g.do("Cos", angle), axis=1)

    def year(self) -> str:
        return self._civil()[0]

    def month(self) -> str:
        return self._circle(self._civil()[1], 12.0)

    def day(self) -> str:
        return self._civil()[2]

    def weekday(self) -> str:
        shifted = self._two("Add", self.days, 3.0)
        of_week = self._rest(shifted, self._floor(shifted, 7), 7)
        return self.g.cast(self.g.do("Equal", of_week, _row([*map(float, range(7))])), "float64")

    def hour(self) -> str:
        hours = self._two("Div", self._rest(self.seconds, self.days, DAY), 3600.0)
        return self._circle(hours, 24.0)

    def day_number(self) -> str:
        return self._two("Div", self.seconds, float(DAY))


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────


def _encoded(g: Graph, given: Deployable, names: Sequence[str]) -> tuple[str, list[int]]:
    """Return the encoded columns, and which of the network's inputs each is."""
    summed = [one.number for one in given.turned]
    first, places = 0, []
    for column in (*given.columns, *summed):
        places.append(range(first, first + column.width))
        first += column.width
    cells = list(zip(given.columns, names, places, strict=False))
    found: list[str] = []
    order: list[int] = []
    numbers = [(column, name, place) for column, name, place in cells if isinstance(column, Number)]
    if numbers:
        columns, tensors, _ = zip(*numbers, strict=True)
        found += _numbers(g, columns, tensors, given.turned)
        placed = [(column, place) for column, _, place in numbers]
        placed += zip(summed, places[len(given.columns) :], strict=True)
        order += [place[0] for _, place in placed]
        order += [place[-1] for column, place in placed if column.flagged]
        for column, place in placed:
            order += place[1 : len(column.edges)]
    for one, name, place in cells:
        if isinstance(one, Number):
            continue
        found.append(_date(g, one, name) if isinstance(one, Date) else _choice(g, one, name))
        order += place
    return found[0] if len(found) == 1 else g.do("Concat", *found, axis=1), order


def _dense(g: Graph, a: str, layer: Layer, order: Sequence[int] | None = None) -> str:
    """Return W a + b; of several blocks in one product, along a first axis of blocks."""
    if layer.blocks == 1:
        W = layer.W if order is None else layer.W[:, order]
        return g.do("Gemm", a, np.ascontiguousarray(W), layer.b, transB=1)
    K, inputs = layer.blocks, layer.W.shape[1]
    W = np.ascontiguousarray(layer.W.reshape(K, -1, inputs).transpose(0, 2, 1))
    a = g.do("Transpose", g.do("Reshape", a, np.array([0, K, inputs])), perm=[1, 0, 2])
    z = g.do("Transpose", g.do("MatMul", a, W), perm=[1, 0, 2])
    return g.do("Add", g.do("Reshape", z, np.array([0, len(layer.b)])), layer.b)


def write(g: Graph, given: Deployable, names: Sequence[str], outputs: Sequence[str]) -> None:
    """Add all nodes of a network.

    Parameters
    ----------
    g : Graph
        Where they are added.
    given : Deployable
        The network.
    names : sequence of str
        The inputs: one for each column, or the one matrix, of the graph's dtype.
    outputs : sequence of str
        What comes out: the label, where there is one, and the values.
    """
    a, order = _encoded(g, given, names) if given.columns else (names[0], None)
    g.inputs = [given.inputs[k] for k in order or ()]
    for layer in given.layers:
        a = ACTIVATIONS[layer.family](g, _dense(g, a, layer, order), *layer.parameters)
        order = None
    result = given.result
    if result.kind == "number":
        a = g.do("Mul", g.cast(a, "float64"), _row([result.scale]))
        a = g.do("Add", a, _row([result.center]))
        if result.inverse:
            a = g.do("Exp", a)
        if result.inverse == "expm1":
            a = g.do("Sub", a, _row([1.0]))
    if result.kind == "several":
        above = g.do("Greater", a, float(result.threshold))
        g.do("Cast", above, out=outputs[0], to=TYPES["int64"])
    if given.two:
        above = g.cast(g.do("Greater", a, float(result.threshold)), "int64")
        index = g.do("Squeeze", above, np.array([1]))
    elif result.kind == "classes":
        index = g.do("ArgMax", a, axis=1, keepdims=0)
    if result.kind == "classes":
        labels = np.array(result.labels, object if isinstance(result.labels[0], str) else None)
        if len(labels) == 1:  # a class that is alone is every row's
            index = g.do("Mul", index, np.array(0))
        g.do("Gather", labels, index, out=outputs[0])
    if given.n_values == 2 and given.two:
        a = g.do("Concat", g.do("Sub", 1.0, a), a, axis=1)
    if result.divided:
        total = g.do("ReduceSum", a, np.array([1]), keepdims=1)
        a = g.do("Div", a, g.do("Max", total, float(np.finfo(given.dtype).tiny)))
    g.do("Identity", a, out=outputs[-1])
