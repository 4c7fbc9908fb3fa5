"""What the units are called: columns of a table, pixels of an image, classes; and how to find them by name.

Units count from 0, in names from `Names.first`. A unit is "petal width" (a column), "pixel 12,7" (row and
column of an image), "setosa" (a class), or "hidden 3"; with several hidden layers "hidden 2:3", as
`LAYER:UNIT` on the command line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from whygrad.answers.formatting import as_name
from whygrad.errors import InputError, nearest
from whygrad.nn.arrays import dense
from whygrad.nn.network import Network

PART = re.compile(r"([0-9]{1,6}):([0-9]{1,9})(?:,([0-9]{1,9}|bias))?")


@dataclass(frozen=True)
class Ref:
    """A part of the network that is asked about: a unit, a weight or a bias.

    Parameters
    ----------
    layer : int
        The layer of the unit, or of the unit that a weight or bias leads to; the inputs are layer 0.
    to : int
        The index of that unit.
    from_ : int, str or None
        Of a weight, the index of the unit of the layer before; "bias" of a bias; None of a unit.

    Examples
    --------
    >>> Ref(2, 1, 0).part
    '2:1,0'
    """

    layer: int
    to: int
    from_: int | str | None = None

    @property
    def part(self) -> str:
        """The name by which drawings, equations and pages point at it: "2:1", "2:1,0", "2:1,bias".

        >>> Ref(2, 1, 0).part
        '2:1,0'
        """
        return f"{self.layer}:{self.to}" + ("" if self.from_ is None else f",{self.from_}")

    @classmethod
    def read(cls, part: str) -> "Ref | None":
        """Read a ref from its name; return None where it is none.

        >>> Ref.read("2:1,bias"), Ref.read("2:1"), Ref.read("layer 2")
        (Ref(layer=2, to=1, from_='bias'), Ref(layer=2, to=1, from_=None), None)
        """
        found = PART.fullmatch(part)
        if found is None:
            return None
        k = found[3]
        return cls(int(found[1]), int(found[2]), int(k) if k and k != "bias" else k)

    @property
    def ends(self) -> dict[str, Any]:
        """The weight or bias as the questions take it: layer, to, from_."""
        return {"layer": self.layer, "to": self.to, "from_": self.from_}


# (center, scale): value = number · scale + center; with a third number c, the number was smoothly clipped
# before: z / √(1 + (z/c)²).
Scale: TypeAlias = tuple[float, float] | tuple[float, float, float]
AS_IT_IS: Scale = (0.0, 1.0)


class Bin(NamedTuple):
    """The scale of a piece of a column, whose 0 is the low end of its bin.

    All that lies outside of the bin is one of its ends, so a piece does not tell the column's number.
    """

    low: float
    width: float


def unscaled(value: Any, scale: Scale) -> Any:
    """Return numbers of a unit as its scale says that they were.

    >>> unscaled(-1.5, (50.0, 10.0)), float(unscaled(2.4, (50.0, 10.0, 3.0)))
    (35.0, 90.0)
    """
    if len(scale) == 3:
        # What was rounded to the bound was far outside; how far is not known.
        inside = np.maximum(1 - (value / scale[2]) ** 2, np.finfo(np.float32).eps)
        value = value / np.sqrt(inside)
    return value * scale[1] + scale[0]


@dataclass(frozen=True)
class Names:
    """Names of inputs and outputs, and the shape of the image where the input is one.

    Parameters
    ----------
    inputs : tuple of str
        A name per input, or () where there are none.
    outputs : tuple of str
        A name per output, its class or target, or ().
    image : (int, int) or None
        (height, width), or None.
    origins : tuple of str
        For each input the column that it was encoded from, or () where every input is a column.
    classes : tuple of str
        The names of the two classes that a single output tells apart, or ().
    scales : tuple of (float, float) or (float, float, float)
        (center, scale) of each input that is standardised, with the bound where it is smoothly clipped;
        (0, 1) of the others; or ().
    target : (float, float)
        (center, scale) of the outputs: value = a · scale + center.
    in_words : bool
        Whether hidden units are called "unit 3 of layer 2" where there are several layers of them.
    first : int
        What the first unit of a layer is called where it has no other name: 0 or 1.
    threshold : float
        Of two classes that share an output the second is said where its probability is above this.

    Examples
    --------
    >>> from whygrad import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")])
    >>> Names(inputs=("age", "height")).of(net, 0, 1)
    'height'
    >>> Names().of(net, 1, 2)
    'hidden 2'
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    image: tuple[int, int] | None = None
    origins: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    scales: tuple[Scale, ...] = ()
    target: Scale = AS_IT_IS
    in_words: bool = False
    first: int = 0
    threshold: float = 0.5

    def of(self, net: Network, layer: int, unit: int) -> str:
        """Return the name of a unit as texts have it: "petal width", "pixel 12,7", "hidden 3", '"9"'."""
        return as_name(self._of(net, layer, unit))

    def _of(self, net: Network, layer: int, unit: int) -> str:
        if layer == 0:
            if self.inputs:
                return self.inputs[unit]
            if self.image:
                row, column = divmod(unit, self.image[1])
                return f"pixel {row + self.first},{column + self.first}"
            return f"input {unit + self.first}"
        if layer == net.L and self.outputs:
            return self.outputs[unit]
        number = unit + self.first
        if layer == net.L:
            return f"output {number}"
        if net.L == 2:
            return f"hidden {number}"
        return f"unit {number} of layer {layer}" if self.in_words else f"hidden {layer}:{number}"

    def scale(self, net: Network, layer: int, unit: int) -> Scale:
        """Return (center, scale) of a unit's numbers: what its 0 and its 1 are in the user's own units."""
        if layer == 0 and self.scales:
            return self.scales[unit]
        return self.target if layer == net.L else AS_IT_IS

    def standardised(self, net: Network, unit: int) -> bool:
        """Return whether an input is the number of a column, standardised, and not a piece of it.

        >>> from whygrad import Dense
        >>> names = Names(scales=((50.0, 10.0, 3.0), Bin(40.0, 5.0), AS_IT_IS))
        >>> [names.standardised(Network(3, [Dense(1, "identity")]), k) for k in range(3)]
        [True, False, False]
        """
        scale = self.scale(net, 0, unit)
        return scale != AS_IT_IS and not isinstance(scale, Bin)

    def own(self, net: Network, layer: int, unit: int, value: Any) -> Any:
        """Return numbers of an input or an output in the user's own units.

        Parameters
        ----------
        net, layer, unit : Network, int, int
            Whose numbers they are.
        value : float or array
            A number or an array, as the network has it.

        Returns
        -------
        value · scale + center, in the units of the table's column.

        Examples
        --------
        >>> from whygrad import Dense
        >>> names = Names(scales=((50.0, 10.0), AS_IT_IS), target=(200.0, 80.0))
        >>> net = Network(2, [Dense(1, "identity")])
        >>> names.own(net, 0, 0, -1.5), names.own(net, 1, 0, 0.5)
        (35.0, 240.0)
        """
        return unscaled(value, self.scale(net, layer, unit))

    def own_means(self, net: Network, a: Sequence[Any]) -> tuple[Any, ...]:
        """Return the means of activations, a[l] of shape (n, n_l), in the user's own units.

        By layer, (n_l,); None of a layer whose numbers are in no other units, () where all are.
        """
        layers = [0] * any(scale != AS_IT_IS for scale in self.scales)
        layers += [net.L] * (self.target != AS_IT_IS)
        found: list[Any] = [None] * (net.L + 1)
        for l in layers:
            columns = dense(a[l]).T
            found[l] = np.array([self.own(net, l, j, x).mean() for j, x in enumerate(columns)])
        return tuple(found) if layers else ()

    def layer(self, net: Network, layer: int) -> tuple[str, ...]:
        """Return the names of all units of a layer, as `find` takes them and drawings show them."""
        return tuple(self._of(net, layer, unit) for unit in range(net.sizes[layer]))

    def said(self, net: Network, layer: int) -> tuple[str, ...]:
        """Return the names of all units of a layer as texts have them; see `of`."""
        return tuple(map(as_name, self.layer(net, layer)))

    def layers(self, net: Network) -> tuple[tuple[str, ...], ...]:
        """Return the names of all units, by layer 0 … L."""
        return tuple(self.layer(net, l) for l in range(net.L + 1))

    def find(self, net: Network, layer: int, unit: Any) -> int:
        """Return the index of a unit that is given by index or by name.

        Raises
        ------
        InputError
            The index is out of range, none of the layer's units has the name, or several have.

        Examples
        --------
        >>> from whygrad import Dense
        >>> Names(outputs=("setosa", "virginica")).find(Network(4, [Dense(2, "softmax")]), 1, "virginica")
        1
        """
        size = net.sizes[layer]
        if isinstance(unit, int | np.integer) and not isinstance(unit, bool):
            if not 0 <= unit < size:
                raise InputError(f"unit {unit} of layer {layer}: its units are 0 to {size - 1}")
            return int(unit)
        names = self.layer(net, layer)
        if not isinstance(unit, str) or unit not in names:
            what = {0: "input", net.L: "output"}.get(layer, f"unit of layer {layer}")
            raise InputError(f"no {what} is called {unit!r}: {_suggest(unit, names)}")
        if names.count(unit) > 1:
            several = [str(index) for index, name in enumerate(names) if name == unit]
            raise InputError(f"units {', '.join(several)} are all called {unit!r}: give the index")
        return names.index(unit)

    def weight(self, net: Network, layer: Any, to: Any, from_: Any = None) -> Ref:
        """Return the ref of a weight, or of a bias where `from_` is None or "bias".

        Raises
        ------
        InputError
            There is no such layer, or no such unit at one of its ends; see `find`.

        Examples
        --------
        >>> from whygrad import Dense
        >>> Names(inputs=("age", "height")).weight(Network(2, [Dense(3, "tanh")]), 1, 2, "height")
        Ref(layer=1, to=2, from_=1)
        """
        l = check_layer(net, layer)
        j = self.find(net, l, to)
        k = "bias" if from_ is None or from_ == "bias" else self.find(net, l - 1, from_)
        return Ref(l, j, k)


def name_of_weight(net: Network, names: Names, ref: Ref) -> str:
    """Return what a weight or bias is called: "the weight from petal width to hidden 3"."""
    to = names.of(net, ref.layer, ref.to)
    if ref.from_ == "bias":
        return f"the bias of {to}"
    return f"the weight from {names.of(net, ref.layer - 1, int(ref.from_ or 0))} to {to}"


def left_out(net: Network, ref: Ref) -> bool:
    """Return whether the mask of its layer leaves a weight out."""
    mask, k = net.kept[ref.layer], ref.from_
    return mask is not None and k is not None and k != "bias" and not mask[ref.to, int(k)]


def by_the_mask(net: Network, names: Names, ref: Ref) -> str:
    """Return the sentence about a weight that the mask of its layer leaves out."""
    name = name_of_weight(net, names, ref)
    return f"{name[0].upper()}{name[1:]} is 0 by the layer's mask, and stays so."


def names_of(net: Network, names: Names | None) -> Names:
    """Return the names to use: those given, if they fit, and the image's shape if the network has one."""
    names = names or Names()
    inputs, outputs = net.sizes[0], net.sizes[-1]
    for what, given, size, of in (
        ("names", names.inputs, inputs, "inputs"),
        ("names", names.outputs, outputs, "outputs"),
        ("names", names.origins, inputs, "origins of inputs"),
        ("scales", names.scales, inputs, "inputs"),
    ):
        if given and len(given) != size:
            raise InputError(f"{len(given)} {what} for {size} {of}: give one for each, or none")
    if names.image is None and isinstance(net.inputs, tuple) and len(net.inputs) == 2:
        height, width = net.inputs
        return replace(names, image=(int(height), int(width)))
    return names


def check_layer(net: Network, layer: Any, lowest: int = 1) -> int:
    """Return the number of a layer; raise `InputError` where there is no such layer."""
    whole = isinstance(layer, int | np.integer) and not isinstance(layer, bool)
    if not whole or not lowest <= layer <= net.L:
        raise InputError(f"layer {layer!r}: the layers are {lowest} to {net.L}")
    return int(layer)


def _suggest(name: Any, names: tuple[str, ...]) -> str:
    """Return the nearest names; all of them only where they are few.

    >>> _suggest("setosa", tuple(f"hidden {j}" for j in range(30)))
    'give its index'
    """
    close, _, known = nearest(name, names).partition("Known: ")
    if len(names) <= 20:
        return f"{close}Known: {known}"
    return f"{close}or give its index" if close else "give its index"
