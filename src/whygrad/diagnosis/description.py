"""A network as it was described, right or wrong: plain data, which need not be buildable or trainable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whygrad.errors import InputError
from whygrad.nn import ACTIVATIONS, COSTS, Activation, Cost, Dense, Network


@dataclass(frozen=True)
class Layer:
    """A layer as it was described.

    Parameters
    ----------
    units : int
        Number of units.
    activation : str or Activation, default "identity"
        The name of its activation, whether whygrad knows it or not, or an `Activation` of your own.
    dropout : float, default 0
        The probability with which a unit is left out.
    """

    units: int
    activation: str | Activation = "identity"
    dropout: float = 0.0

    @property
    def name(self) -> str:
        """The activation's name."""
        return self.activation if isinstance(self.activation, str) else self.activation.name

    @property
    def f(self) -> Activation | None:
        """The activation, or None where whygrad has none of that name."""
        return (
            ACTIVATIONS.get(self.activation)
            if isinstance(self.activation, str)
            else self.activation
        )


@dataclass(frozen=True)
class Description:
    """A network as it was described: it may contradict itself or the data, so that a diagnosis can say so.

    Parameters
    ----------
    inputs : int
        Number of inputs.
    layers : sequence of Layer, Dense, or mappings with their fields
        The layers, the output last.
    cost : str, Cost or object with `value` and `derivative`
        What is minimised.

    Raises
    ------
    InputError
        For a layer without units, for none at all, and for no inputs.

    Examples
    --------
    >>> Description(3, [{"units": 8, "activation": "relu"}, {"units": 1, "activation": "softmax"}])
    <Description 3-8-1 relu, softmax; squared_error>
    """

    inputs: int
    layers: Sequence[Any]
    cost: Any = "squared_error"

    def __post_init__(self) -> None:
        if not (isinstance(self.inputs, int) and self.inputs > 0):
            raise InputError(f"a description has {self.inputs!r} inputs: it needs one at least")
        layers = tuple(_layer(given, l) for l, given in enumerate(self.layers, start=1))
        if not layers:
            raise InputError("a description needs a layer at least, such as {'units': 1}")
        object.__setattr__(self, "layers", layers)

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in (self.inputs, *(layer.units for layer in self.layers)))
        return f"<Description {sizes} {', '.join(l.name for l in self.layers)}; {self.cost_name}>"

    @property
    def output(self) -> Layer:
        """The last layer."""
        last: Layer = self.layers[-1]
        return last

    @property
    def cost_name(self) -> str:
        """The cost's name."""
        return (
            self.cost if isinstance(self.cost, str) else str(getattr(self.cost, "name", "own cost"))
        )

    @property
    def C(self) -> Cost | None:
        """The cost, or None where whygrad has none of that name."""
        if isinstance(self.cost, str):
            return COSTS.get(self.cost)
        return self.cost if isinstance(self.cost, Cost) else None


def describe(net: Network) -> Description:
    """Return a network's description."""
    return Description(net.sizes[0], net.layers, net.C)


def _layer(given: Any, l: int) -> Layer:
    if isinstance(given, Dense):
        given = {"units": given.units, "activation": given.activation, "dropout": given.dropout}
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - {"units", "activation", "dropout"} - {"init", "bias_init"})
        if unknown or "units" not in given:
            said = f"knows no {unknown[0]!r}" if unknown else "needs 'units'"
            raise InputError(f"layer {l} {said}: it has units, activation and dropout")
        given = Layer(
            given["units"], given.get("activation", "identity"), given.get("dropout", 0.0) or 0.0
        )
    if not isinstance(given, Layer):
        raise InputError(f"layer {l} is {given!r}: give {{'units': …, 'activation': …}}")
    if not (isinstance(given.units, int) and given.units > 0):
        raise InputError(f"layer {l} has {given.units!r} units: it needs one at least")
    return given
