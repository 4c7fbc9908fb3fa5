"""What all exports are written from: columns → encoded inputs → dense layers → outputs, as plain data.

    a Number      (value − center) / scale, missing ones filled in and flagged; with edges in pieces
    a Choice      text → the one encoded column that is 1
    a Date        seconds since 1970 → its parts, year, month, …, as `tables.dates` takes it apart
    a Turned      Σ factor · number of some columns → a Number
    a Layer       a = f(W a_below + b), or several side by side
    a Result      what the outputs mean: labels and probabilities, or numbers in their own units

Nothing is folded: numbers are standardised in float64 and then rounded to the network's dtype, as whygrad
itself does. Folded into W¹, W/s and b − W c/s, large values with a small spread (years, coordinates) would
cancel in float32; the operations saved are one for each column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from whygrad.answers.names import AS_IT_IS, Scale
from whygrad.nn.functions import Array
from whygrad.tables.columns import LARGEST

Dtype: TypeAlias = Literal["float32", "float64"]
Label: TypeAlias = str | int | float | bool


@dataclass(frozen=True)
class Number:
    """A column of numbers. NaN, what is larger than `largest`, and `gaps` are missing.

    With `boolean` all but 0 and 1 are missing as well.

    With `edges` it is in pieces, as `tables.encoding.in_pieces` makes them.
    """

    name: str
    center: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    flagged: bool = False
    gaps: tuple[float, ...] = ()
    boolean: bool = False
    edges: tuple[float, ...] = ()
    largest: float = LARGEST

    @property
    def zeroed(self) -> bool:
        """Whether all pieces of a missing number are 0."""
        return self.flagged and bool(self.edges)

    @property
    def width(self) -> int:
        """The number of encoded columns."""
        return max(1, len(self.edges)) + self.flagged


@dataclass(frozen=True)
class Choice:
    """A column of text: `codes` are the texts that are known, each with the encoded column that is then 1.

    −1 stands for none; `other` is the column of all other texts. Several spellings may have one column, and
    the signs for a missing value that of missing ones.
    """

    name: str
    codes: tuple[tuple[str, int], ...]
    width: int
    other: int = -1


@dataclass(frozen=True)
class Date:
    """A column of times: a number in units of `per` seconds since 1970, NaN where missing.

    Outside `low` to `high`, in seconds, it is missing as well. `parts` are keys of `tables.dates.PARTS`,
    each with its `edges`, () where it is not in pieces. With `zeroed` all parts of a missing time are 0.
    """

    name: str
    parts: tuple[str, ...]
    widths: tuple[int, ...]
    centers: tuple[float, ...]
    scales: tuple[float, ...]
    edges: tuple[tuple[float, ...], ...]
    fill: float
    flagged: bool
    zeroed: bool
    per: float = 1.0
    low: float | None = None
    high: float | None = None
    gaps: tuple[float, ...] = ()
    clock: bool = False

    @property
    def width(self) -> int:
        """The number of encoded columns."""
        return sum(self.widths) + self.flagged


Column: TypeAlias = Number | Choice | Date


@dataclass(frozen=True)
class Turned:
    """A number that others make together, Σ factor · value: `of` are the columns and their factors.

    A row has no cell for it. Where one of the others is missing, its own `fill` counts; `number` says how
    it is encoded.
    """

    number: Number
    of: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer: W, (n_l, n_{l-1}), b, (n_l,), the name of its activation, and training's dropout.

    What the activation computes is said by its family and the numbers that this has: 0.2 of a leaky ReLU.
    Of `blocks` networks side by side W is (n_l, n_{l-1} / blocks): units and inputs are divided into as
    many blocks, and the units of one take the inputs of the same.
    """

    W: Array
    b: Array
    f: str
    dropout: float
    family: str
    parameters: tuple[float, ...]
    blocks: int = 1

    @property
    def whole(self) -> Array:
        """W with a zero where there is no weight, (n_l, n_{l-1})."""
        units, inputs = len(self.b) // self.blocks, self.W.shape[1]
        found = np.zeros((len(self.b), self.blocks * inputs), self.W.dtype)
        for k in range(self.blocks):
            rows = slice(k * units, (k + 1) * units)
            found[rows, k * inputs : (k + 1) * inputs] = self.W[rows]
        return found


@dataclass(frozen=True)
class Result:
    """What the outputs mean.

    Parameters
    ----------
    kind : {"outputs", "number", "numbers", "classes", "several"}
        The network's outputs as they are; a number in its own units, a · scale + center; numbers as they
        are; one of some classes; several labels at once, each 0 or 1.
    labels : tuple of labels
        Of "classes", in order.
    threshold : float
        Of two classes with one output the second is meant above this, and each of several labels.
    shares : bool
        Whether the outputs are probabilities, or else scores.
    divided : bool
        Whether they are first divided by their sum.
    center, scale : float
        Of "number".
    inverse : {"", "exp", "expm1"}
        Of "number", what undoes the logarithm that was learned in its place.
    target : str
        Of "number", the name of its column.
    """

    kind: Literal["outputs", "number", "numbers", "classes", "several"] = "outputs"
    labels: tuple[Label, ...] = ()
    threshold: float = 0.5
    shares: bool = True
    divided: bool = False
    center: float = 0.0
    scale: float = 1.0
    inverse: Literal["", "exp", "expm1"] = ""
    target: str = ""

    @property
    def values(self) -> str:
        """The name of the numbers that come out."""
        if self.kind in ("classes", "several"):
            return "probabilities" if self.shares else "scores"
        return "outputs" if self.kind == "outputs" else "variable"


@dataclass(frozen=True)
class Encoded:
    """An input of a network on a table: its name, the column it is of, its scale, as `Names` has it."""

    name: str
    origin: str
    scale: Scale


def encoded_from_json(about: Any) -> tuple[Encoded, ...]:
    """Return the inputs that `asdict` wrote; raises `TypeError`, `KeyError` or `ValueError` for others."""
    found = []
    for one in about:
        if isinstance(one, str):  # earlier files have names alone
            found.append(Encoded(one, one, AS_IT_IS))
            continue
        center, width, *bound = map(float, one["scale"])
        if not width or len(bound) > 1 or 0 in bound:
            raise ValueError(f"no center and scale: {one['scale']}")
        scale = (center, width, bound[0]) if bound else (center, width)
        found.append(Encoded(str(one["name"]), str(one["origin"]), scale))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Deployable:
    """A trained network with all that it needs to predict: what every export is written from.

    Parameters
    ----------
    columns : tuple of Number, Choice and Date
        How a row of a table becomes inputs; () where the inputs go in as they are.
    layers : tuple of Layer
        The network.
    result : Result
        What its outputs mean.
    notes : tuple of str
        What users must know of the columns that go in.
    cost : str
        The name of the cost that it was trained with.
    inputs : tuple of Encoded
        The encoded columns, () without columns.
    turned : tuple of Turned
        What numbers of `columns` make together; their inputs follow those of all columns.
    """

    columns: tuple[Column, ...]
    layers: tuple[Layer, ...]
    result: Result
    notes: tuple[str, ...] = ()
    cost: str = ""
    inputs: tuple[Encoded, ...] = ()
    turned: tuple[Turned, ...] = ()

    @property
    def dtype(self) -> Dtype:
        """What it computes in."""
        return "float32" if self.layers[0].W.dtype == np.float32 else "float64"

    @property
    def n_0(self) -> int:
        """The number of inputs of the network."""
        return int(self.layers[0].W.shape[1])

    @property
    def n_L(self) -> int:
        """The number of outputs of the network."""
        return len(self.layers[-1].b)

    @property
    def two(self) -> bool:
        """Whether one output stands for two classes."""
        return self.result.kind == "classes" and self.n_L == 1

    @property
    def n_values(self) -> int:
        """How many numbers come out: of two classes both probabilities."""
        return 2 if self.two and self.result.shares else self.n_L

    @property
    def sizes(self) -> str:
        """The network in a few words, such as "4 inputs, 8 relu, 3 softmax"."""
        return f"{self.n_0} inputs, " + ", ".join(
            f"{len(layer.b)} {layer.f}" + (f" in {layer.blocks} blocks" if layer.blocks > 1 else "")
            for layer in self.layers
        )


@dataclass(frozen=True, eq=False)
class Proof:
    """Rows that go in, and what whygrad itself predicts for them.

    `inputs` has an array for each column, (n,), float64 or text, or else "X", (n, n_0); `values` is as
    `Result` names it, (n, n_values); `labels` (n,), or (n, n_L) of several labels, None for numbers. `what`
    says which rows they are.
    """

    inputs: Mapping[str, Array]
    values: Array
    labels: Array | None
    what: str

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> "Proof":
        """Return some of the rows."""
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        labels = None if self.labels is None else self.labels[rows]
        return Proof(inputs, self.values[rows], labels, self.what)
