"""A network and its parameters, as data that never changes.

`Network` says what there is: inputs, layers and a cost. `Parameters` says where it stands: one flat vector
θ, of which the weight matrices W[l] and the biases b[l] are views. Layer l has n_l units, layer 0 is the
input; W[l] has shape (n_l, n_{l-1}), and W[l][j, k] leads *to* unit j of layer l *from* unit k of layer
l − 1. Index 0 of W and b is None.

Initialisers: Glorot & Bengio (2010), He et al. (2015), LeCun et al. (1998), and Nielsen's chapter 3.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from whygrad import handed
from whygrad.errors import InputError, known_arguments, nearest
from whygrad.nn.frozen_array import FrozenArray, freeze
from whygrad.nn.functions import Activation, Array, Cost, check_pairing, find_activation, find_cost


@known_arguments
@dataclass(frozen=True)
class Uniform:
    """An initialiser: every weight drawn uniformly from `low` to `high`.

    Parameters
    ----------
    low, high : float
        The bounds, finite, low ≤ high.

    Examples
    --------
    >>> Dense(3, "tanh", init=Uniform(-0.3, 0.3)).init
    Uniform(low=-0.3, high=0.3)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise InputError(f"Uniform({self.low}, {self.high}): needs finite low <= high")


# The standard deviation that each initialiser gives a weight, from how many weights lead to its unit
# (n_in) and away from its input (n_out), numbers or arrays.
INITIALISERS = {
    "glorot": lambda n_in, n_out: np.sqrt(2 / (n_in + n_out)),
    "he": lambda n_in, n_out: np.sqrt(2 / n_in),
    "lecun": lambda n_in, n_out: np.sqrt(1 / n_in),
    "nielsen": lambda n_in, n_out: np.sqrt(1 / n_in),
}
INITIALISER_NAMES = (
    "auto",
    "zeros",
    *(f"{name}_{shape}" for name in INITIALISERS for shape in ("uniform", "normal")),
)
# What "auto" stands for: the variance that each kind of activation function keeps from layer to layer.
AUTO = {"selu": "lecun_normal"} | dict.fromkeys(
    ("relu", "leaky_relu", "elu", "gelu", "silu"), "he_normal"
)

Initialiser: TypeAlias = str | Uniform


@known_arguments
@dataclass(frozen=True)
class Dense:
    """A fully connected layer: a = f(W a_below + b).

    Parameters
    ----------
    units : int
        Number of units n_l.
    activation : str or Activation, default "identity"
        A name from `whygrad.functions.ACTIVATIONS`, or an `Activation` of your own. By default none: the
        layer is linear.
    init : str or Uniform, default "auto"
        How W starts: "auto" (by activation), "zeros", "glorot_uniform", "glorot_normal",
        "he_…", "lecun_…", "nielsen_…", or `Uniform(low, high)`.
    bias_init : str or Uniform, default "auto"
        How b starts: "auto" (zeros; with "nielsen_…" weights drawn as Nielsen does), "zeros",
        or `Uniform(low, high)`.
    dropout : float, default 0
        The probability with which a training step leaves a unit out, 0 ≤ p < 1; the others count
        1/(1 − p) times as much. Not for the output layer.
    mask : array-like of 0 and 1, shape (n_l, n_{l-1}), optional
        Which weights there are, in the order of W: where it is 0 the weight is 0 and stays so, whatever
        trains it. The layer starts as if it had the others alone: n_in of a weight counts those that lead
        to the same unit, n_out those from the same input.

    Examples
    --------
    >>> Dense(30, "sigmoid").f.name, Dense(1).f.name
    ('sigmoid', 'identity')
    >>> net = Network(3, [Dense(2, "tanh", mask=[[1, 1, 0], [0, 0, 1]]), Dense(1)])
    >>> net.init().W[1] == 0
    array([[False, False,  True],
           [ True,  True, False]])
    """

    units: int
    activation: str | Activation = "identity"
    init: Initialiser = "auto"
    bias_init: Initialiser = "auto"
    dropout: float = 0.0
    mask: Any = None

    def __post_init__(self) -> None:
        find_activation(self.activation)
        if self.mask is not None:
            object.__setattr__(self, "mask", _mask(self.mask, self.units))
        if not isinstance(self.dropout, int | float | np.number) or not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout!r}: it must be at least 0 and below 1")
        if not _starts(self.init, INITIALISER_NAMES):
            raise InputError(
                f"unknown initialiser {self.init!r}: {nearest(self.init, INITIALISER_NAMES)}"
            )
        if not _starts(self.bias_init, ("auto", "zeros")):
            raise InputError(
                f"unknown initialiser of biases {self.bias_init!r}: "
                "use 'auto', 'zeros' or Uniform(low, high)"
            )

    @property
    def f(self) -> Activation:
        """The activation function."""
        return find_activation(self.activation)


def _mask(given: Any, units: Any) -> FrozenArray:
    """Return a mask as frozen data; raise `InputError` for what is none of so many units."""
    if isinstance(given, FrozenArray) and given.kind == "bool":
        mask = np.asarray(given)
    else:
        try:
            numbers = np.asarray(given)
            mask = numbers.astype(bool)
        except (TypeError, ValueError):
            raise InputError(f"mask is {given!r:.60}: it must be an array of 0 and 1") from None
        if mask.ndim != 2 or numbers.dtype.kind not in "biuf" or not (numbers == mask).all():
            raise InputError(
                "mask: it must be an array of 0 and 1, of shape (units, inputs) as W is"
            )
    if len(mask) != units:
        raise InputError(
            f"mask has shape {mask.shape}, but the layer {units} units: it must have a row for each unit"
        )
    return freeze(mask)


def _starts(given: Any, names: Sequence[str]) -> bool:
    """Return whether an initialiser is one of these names, or `Uniform`."""
    return isinstance(given, Uniform) or (isinstance(given, str) and given in names)


@dataclass(frozen=True, eq=False)
class Parameters:
    """All weights and biases: one flat vector θ, and W[l], b[l] as views of it.

    The order in `flat` is W[1] by rows, b[1], W[2], b[2], … Writing to a view changes θ.

    Parameters
    ----------
    sizes : tuple of int
        (n_0, …, n_L), units per layer, the input first.
    flat : ndarray
        θ, shape (Σ n_l n_{l-1} + n_l,).

    Examples
    --------
    >>> theta = Network(4, [Dense(2, "sigmoid")]).init(seed=0)
    >>> theta.W[1].shape, theta.b[1].shape, theta.flat.shape
    ((2, 4), (2,), (10,))
    """

    sizes: tuple[int, ...]
    flat: Array

    def __post_init__(self) -> None:
        expected = count(self.sizes)
        if self.flat.shape != (expected,):
            raise InputError(
                f"parameters of shape {self.flat.shape} do not fit layers of {self.sizes} units: "
                f"they need one vector of {expected}"
            )

    @cached_property
    def W(self) -> tuple[Any, ...]:
        """The weight matrices, W[l] of shape (n_l, n_{l-1}); W[0] is None."""
        return _views(self.sizes, self.flat)[0]

    @cached_property
    def b(self) -> tuple[Any, ...]:
        """The biases, b[l] of shape (n_l,); b[0] is None."""
        return _views(self.sizes, self.flat)[1]

    def copy(self) -> "Parameters":
        """Return parameters of their own memory with the same values."""
        return Parameters(self.sizes, self.flat.copy())

    def __getstate__(self) -> dict[str, Any]:
        # Views would be stored as arrays of their own and no longer be views when read back.
        return {"sizes": self.sizes, "flat": self.flat}


@dataclass(frozen=True, eq=False)
class Gradients:
    """∂C/∂θ in the shape of the parameters: dW[l] as W[l], db[l] as b[l], and `flat` as one vector.

    Parameters
    ----------
    sizes : tuple of int
        The number of units of every layer, the input first.
    flat : array, shape (P,)
        All derivatives, in the order of `Parameters.flat`.
    """

    sizes: tuple[int, ...]
    flat: Array

    @cached_property
    def dW(self) -> tuple[Any, ...]:
        """∂C/∂Wˡ, shape (n_l, n_{l-1}), in cost per unit of weight; dW[0] is None."""
        return _views(self.sizes, self.flat)[0]

    @cached_property
    def db(self) -> tuple[Any, ...]:
        """∂C/∂bˡ, shape (n_l,), in cost per unit of bias; db[0] is None."""
        return _views(self.sizes, self.flat)[1]


def count(sizes: Sequence[int]) -> int:
    """Count the weights and biases of layers of these sizes."""
    return sum((below + 1) * units for below, units in zip(sizes, sizes[1:], strict=False))


def _views(sizes: tuple[int, ...], flat: Array) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    W: list[Any] = [None]
    b: list[Any] = [None]
    start = 0
    for below, units in zip(sizes, sizes[1:], strict=False):
        middle, end = start + units * below, start + units * (below + 1)
        W.append(flat[start:middle].reshape(units, below))
        b.append(flat[middle:end])
        start = end
    return tuple(W), tuple(b)


@known_arguments
@dataclass(frozen=True)
class Network:
    """A feed-forward network: inputs, layers, cost.

    Parameters
    ----------
    inputs : int or tuple of int
        Number of inputs n_0, or their shape, such as (28, 28); examples are flattened.
    layers : sequence of Dense
        The `Dense` layers 1 … L.
    cost : str or Cost, default "squared_error"
        A name from `whygrad.functions.COSTS`, or an object of your own with `value(a, y)` → (n,) and
        `derivative(a, y)` → (n, n_L).

    Raises
    ------
    InputError
        For a layer without units, softmax in a hidden layer, or an output activation whose values can
        leave the domain of the cost.

    Examples
    --------
    >>> net = Network(4, [Dense(2, "sigmoid"), Dense(1, "sigmoid")], cost="squared_error")
    >>> net.sizes
    (4, 2, 1)
    """

    inputs: int | tuple[int, ...]
    layers: Sequence[Dense]
    cost: Any = "squared_error"

    def __post_init__(self) -> None:
        if isinstance(self.layers, Dense) or not isinstance(self.layers, Iterable):
            raise InputError("layers are a list: Network(2, [Dense(1, 'sigmoid')])")
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError(
                "a network needs at least one layer: Network(4, [Dense(1, 'sigmoid')])"
            )
        for layer in self.layers:
            if not isinstance(layer, Dense):
                raise InputError(
                    f"a layer is a Dense, not {layer!r}: "
                    "Network(4, [Dense(3, 'relu'), Dense(1, 'identity')])"
                )
        for l, units in enumerate(self.sizes):
            if units < 1:
                raise InputError(f"layer {l} has {units} units: a layer needs at least 1")
        for l, layer in enumerate(self.layers[:-1], start=1):
            if layer.f.custom_vjp is not None:
                raise InputError(f"{layer.f.name!r} in layer {l}: it serves as output layer only")
        for l, layer in enumerate(self.layers, start=1):
            needed = (layer.units, self.sizes[l - 1])
            if layer.mask is not None and layer.mask.shape != needed:
                raise InputError(
                    f"the mask of layer {l} has shape {layer.mask.shape}, its weights {needed}: "
                    "give 0 or 1 for each"
                )
        output = self.layers[-1]
        if output.dropout:
            raise InputError("dropout in the output layer: it serves in hidden layers only")
        if output.f.range == "simplex" and output.units == 1:
            raise InputError(
                f"{output.f.name!r} of a single unit is always 1: use 'sigmoid', or a unit for each class"
            )
        check_pairing(output.f, self.C)

    def _repr_html_(self) -> str | None:
        """Show layers and a drawing in a notebook."""
        return handed.card(self) if handed.card else None

    def __getstate__(self) -> dict[str, Any]:
        # What was looked up by name is looked up again by a copy, rather than copied.
        return {"inputs": self.inputs, "layers": self.layers, "cost": self.cost}

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """(n_0, …, n_L): units per layer, the input first."""
        shape = self.inputs if isinstance(self.inputs, tuple | list) else (self.inputs,)
        sizes = (*shape, *(layer.units for layer in self.layers))
        for size in sizes:
            if not isinstance(size, int | np.integer) or isinstance(size, bool):
                raise InputError(f"a number of units or inputs is a whole number, not {size!r}")
        return (
            math.prod(int(size) for size in shape),
            *(int(layer.units) for layer in self.layers),
        )

    @cached_property
    def L(self) -> int:
        """The number of layers, without the input."""
        return len(self.layers)

    @cached_property
    def f(self) -> tuple[Any, ...]:
        """The activation functions, f[l] of layer l; f[0] is None."""
        return (None, *(layer.f for layer in self.layers))

    @cached_property
    def has_dropout(self) -> bool:
        """Whether any layer has dropout."""
        return any(layer.dropout for layer in self.layers)

    @cached_property
    def kept(self) -> tuple[Array | None, ...]:
        """Which weights there are, kept[l] with shape (n_l, n_{l-1}); None where a layer has all."""
        masks = (None if layer.mask is None else layer.mask.array for layer in self.layers)
        return (None, *(None if mask is None or mask.all() else mask for mask in masks))

    @cached_property
    def masked(self) -> Array:
        """The indices in θ of the weights that layers' masks leave out."""
        if not any(mask is not None for mask in self.kept):
            return np.zeros(0, np.int64)
        return np.flatnonzero(~self.present)

    @cached_property
    def present(self) -> Array:
        """Which parameters layers' masks leave in, (P,) in the order of θ."""
        everywhere = Parameters(self.sizes, np.ones(count(self.sizes), bool))
        for l, mask in enumerate(self.kept):
            if mask is not None:
                everywhere.W[l][...] = mask
        everywhere.flat.flags.writeable = False
        return everywhere.flat

    @cached_property
    def C(self) -> Cost:
        """The cost of an example."""
        return find_cost(self.cost)

    def init(
        self,
        seed: int = 0,
        dtype: Any = np.float64,
        W: Sequence[Any] | None = None,
        b: Sequence[Any] | None = None,
    ) -> Parameters:
        """Draw the parameters to start from; the same seed draws the same ones.

        Parameters
        ----------
        seed : int, default 0
            The seed of the random draws, at least 0.
        dtype : dtype, default float64
            Of the parameters; what is drawn is rounded to it.
        W, b : sequence of array-like, optional
            Arrays to use in place of drawn ones, by layer: index 0 is unused, and None stands for a layer
            that is to be drawn. W[l] has shape (n_l, n_{l-1}), b[l] (n_l,).

        Returns
        -------
        theta : Parameters
            θ, and W[l], b[l] as views of it.

        Raises
        ------
        InputError
            For an array of another shape, or with NaN or infinity, and for weights other than 0 where the
            mask of their layer has 0.

        Examples
        --------
        >>> theta = Network(2, [Dense(1, "sigmoid")]).init(W=[None, [[1.0, -1.0]]])
        >>> theta.flat
        array([ 1., -1.,  0.])
        """
        theta = Parameters(self.sizes, np.zeros(count(self.sizes), dtype))
        for l, layer in enumerate(self.layers, start=1):
            draws = np.random.default_rng([_seed(seed), l])
            initial_W, initial_b = _draw(layer, self.kept[l], theta.W[l].shape, draws)
            theta.W[l][...] = _given(W, l, "W", theta.W[l].shape, initial_W)
            theta.b[l][...] = _given(b, l, "b", theta.b[l].shape, initial_b)
        check_masks(self, theta)
        return theta


def check_masks(net: Network, theta: Parameters) -> None:
    """Reject parameters with weights other than 0 where the mask of their layer has 0."""
    known = isinstance(theta.flat, np.ndarray)  # not while a compiler traces it
    if not len(net.masked) or not known or not theta.flat[net.masked].any():
        return
    for l, mask in enumerate(net.kept):
        if mask is not None and theta.W[l][~mask].any():
            j, k = np.argwhere((theta.W[l] != 0) & ~mask)[0].tolist()
            raise InputError(
                f"W[{l}][{j}, {k}] is {theta.W[l][j, k]:g}, but 0 by the mask of layer {l}: set it to 0"
            )


def _draw(
    layer: Dense, mask: Array | None, shape: tuple[int, int], draws: np.random.Generator
) -> tuple[Any, Any]:
    """Draw W and b of one layer in float64, so that the dtype does not change the stream."""
    name = AUTO.get(layer.f.name, "glorot_uniform") if layer.init == "auto" else layer.init
    units, below = shape
    n_in: Any = below if mask is None else np.maximum(1, mask.sum(axis=1))
    n_out: Any = units if mask is None else np.maximum(1, mask.sum(axis=0))
    if isinstance(name, Uniform):
        W: Any = draws.uniform(name.low, name.high, shape)
    elif name == "zeros":
        W = 0.0
    else:
        family, _, distribution = name.partition("_")
        deviation = INITIALISERS[family](n_in if mask is None else n_in[:, None], n_out)
        # A uniform distribution over ±s√3 has the standard deviation s; Nielsen's goes over ±1/√n.
        bound = deviation * (1 if family == "nielsen" else math.sqrt(3))
        normal = distribution == "normal"
        W = draws.normal(0, deviation, shape) if normal else draws.uniform(-bound, bound, shape)
    W = W if mask is None else np.where(mask, W, 0.0)
    if isinstance(layer.bias_init, Uniform):
        b: Any = draws.uniform(layer.bias_init.low, layer.bias_init.high, units)
    elif layer.bias_init == "auto" and name == "nielsen_normal":
        b = draws.normal(0, 1, units)
    elif layer.bias_init == "auto" and name == "nielsen_uniform":
        b = draws.uniform(-1 / np.sqrt(n_in), 1 / np.sqrt(n_in), units)
    else:
        b = 0.0
    return W, b


def _given(
    arrays: Sequence[Any] | None, l: int, name: str, shape: tuple[int, ...], drawn: Any
) -> Any:
    if arrays is None or len(arrays) <= l or arrays[l] is None:
        return drawn
    array = np.asarray(arrays[l], dtype=np.float64)
    if array.shape != shape:
        raise InputError(f"{name}[{l}] has shape {array.shape}, the network needs {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name}[{l}] contains NaN or infinity")
    return array


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"a seed is a whole number of at least 0, not {seed!r}")
    return int(seed)
