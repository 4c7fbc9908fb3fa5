"""A prediction as a function of the parameters: f(x; θ), and its gradient ∇f.

f is an output a[L], its weighted input z[L], or the cost; over several x it is their mean. The four
equations run side by side at the parameters of many steps at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whygrad.answers.classes import classes, classifies
from whygrad.answers.names import Names, Ref, name_of_weight
from whygrad.engines import WeightProbe
from whygrad.engines.prediction import outputs
from whygrad.engines.probe_data import rows_of
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters, as_inputs, dense
from whygrad.nn.arrays import as_targets
from whygrad.nn.pairings import output_costs, output_error
from whygrad.why.choosing import classes_said, find_class
from whygrad.why.symbols import in_units, shown

Meant = Literal["z", "a", "cost"]


@dataclass(frozen=True, eq=False)
class Functional:
    """f of the examples X, (m, n_0): an output, or with `by="cost"` the cost beside the targets Y.

    Where one output tells two classes apart and the first is meant, f is 1 − a or −z: `sign` is −1.
    """

    net: Network
    X: Array
    Y: Array | None
    by: Meant
    output: int = 0
    sign: int = 1

    def name(self, names: Names) -> str:
        """Return what f is called."""
        if self.by == "cost":
            return "cost" if len(self.X) == 1 else f"mean cost of {len(self.X)} examples"
        mean = "" if len(self.X) == 1 else f"mean over {len(self.X)} examples of the "
        of = names.of(self.net, self.net.L, self.output)
        if classifies(self.net):
            single = self.net.sizes[-1] == 1
            known = classes_said(self.net, names)
            of = known[(1 if self.sign > 0 else 0) if single else self.output]
        return f"{mean}{'weighted input z' if self.by == 'z' else 'output'} for {of}"

    @property
    def bounded(self) -> bool:
        """Whether f is a probability."""
        return self.by == "a" and classifies(self.net)

    def scale(self, names: Names) -> float:
        """Return the size of one unit of f in the target's own units."""
        return names.scale(self.net, self.net.L, self.output)[1] if self.by == "a" else 1.0

    def own(self, value: Any, names: Names) -> Any:
        """Return f in the target's own units."""
        if self.by != "a" or self.sign < 0:
            return value
        return names.own(self.net, self.net.L, self.output, value)

    def written(self, value: float, names: Names) -> str:
        """Format f, in the target's own units where it was standardised."""
        if self.by != "a" or self.sign < 0:
            return shown(value)
        return in_units(self.net, names, self.net.L, self.output, value)

    def value(self, theta: Array) -> float:
        """Return f at one vector of parameters."""
        return float(self.at(blocks(self.net, theta))[0][0])

    def at(self, thetas: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Return f, (m,), and ∇f by layer, (m, R, K), at m parameters at once.

        A layer of the parameters is W with b as its last column, (m, n_l, n_{l−1} + 1).
        """
        net, X = self.net, self.X
        m, n, L = len(thetas[0]), len(X), net.L
        a: list[Array] = [np.broadcast_to(_with_one(X), (m, n, X.shape[1] + 1))]
        z: list[Array] = [X]
        for l, W in enumerate(thetas, start=1):
            z.append(np.matmul(a[l - 1], W.swapaxes(1, 2)))
            a.append(_with_one(net.f[l].value(z[l])))
        f, d = self._outputs(z[L].reshape(m * n, -1), a[L][..., :-1].reshape(m * n, -1))
        delta = d.reshape(m, n, -1) / n
        found = [np.matmul(delta.swapaxes(1, 2), a[L - 1])]
        for l in range(L - 1, 0, -1):
            blame = np.matmul(delta, thetas[l][..., :-1])
            flat = (m * n, net.sizes[l])
            delta = net.f[l].vjp(z[l].reshape(flat), blame.reshape(flat)).reshape(m, n, -1)
            found.insert(0, np.matmul(delta.swapaxes(1, 2), a[l - 1]))
        return f.reshape(m, n).mean(axis=1), found

    def slope(self, theta: Array) -> Array:
        """Return ∇f at one vector of parameters, (P,)."""
        found = self.at(blocks(self.net, theta))[1]
        return np.concatenate(
            [part for each in found for part in (each[0, :, :-1].ravel(), each[0, :, -1])]
        )

    def _outputs(self, z: Array, a: Array) -> tuple[Array, Array]:
        """Return f of every row, and ∂f/∂z."""
        f_L, C = self.net.f[self.net.L], self.net.C
        if self.by == "cost":
            y = np.tile(np.asarray(self.Y, np.float64), (len(z) // len(self.X), 1))
            return output_costs(f_L, C, z, a, y), output_error(f_L, C, z, a, y)
        one = np.zeros_like(z)
        one[:, self.output] = self.sign
        if self.by == "z":
            return self.sign * z[:, self.output], one
        chosen = a[:, self.output]
        return chosen if self.sign > 0 else 1 - chosen, f_L.vjp(z, one)


@dataclass(frozen=True, eq=False)
class WeightAsked:
    """One weight or bias as the number f that is asked about, with what `Functional` has of it."""

    net: Network
    ref: Ref

    @property
    def index(self) -> int:
        """Its place in θ."""
        below = self.net.sizes[self.ref.layer - 1]
        k = below if self.ref.from_ == "bias" else int(self.ref.from_ or 0)
        probe = WeightProbe(self.ref.layer, (self.ref.to, self.ref.to + 1), (k, k + 1))
        return int(rows_of(self.net, probe)[0, 0])

    def name(self, names: Names) -> str:
        """Return what it is called."""
        return name_of_weight(self.net, names, self.ref).removeprefix("the ")

    def scale(self, names: Names) -> float:
        """Return 1: a weight has the network's units."""
        return 1.0

    def written(self, value: float, names: Names) -> str:
        """Format the weight."""
        return shown(value)

    def value(self, theta: Array) -> float:
        """Return the weight at one vector of parameters."""
        return float(theta[self.index])

    def slope(self, theta: Array) -> Array:
        """Return its gradient, 1 where it stands in θ, (P,)."""
        found = np.zeros(len(theta))
        found[self.index] = 1
        return found


def functional(
    net: Network, names: Names, theta: Array, x: Any, y: Any, of: int | str | None, by: Meant
) -> Functional:
    """Return f of x: by default the output of the class that is predicted at θ."""
    if by not in ("z", "a", "cost"):
        raise InputError(f'by is {by!r}: give "a", "z" or "cost"')
    X: Any = x if hasattr(x, "ndim") else np.asarray(x)
    if X.ndim == 1 or X.shape == net.inputs:
        X = X.reshape(1, -1)
    X = dense(as_inputs(net, X)).astype(np.float64)
    if by == "cost":
        if y is None:
            raise InputError("the cost of x needs its target: give y")
        if of is not None:
            raise InputError("the cost is of all outputs: leave out `of`")
        return Functional(net, X, as_targets(net, np.atleast_1d(y), len(X)), by)
    single, decides = net.sizes[-1] == 1, classifies(net)
    if of is None:
        found = outputs(net, Parameters(net.sizes, theta), X.astype(theta.dtype)).mean(axis=0)
        chosen = int(classes(found[None], names.threshold)[0]) if decides else 0
    else:
        chosen = find_class(net, names, of) if decides else names.find(net, net.L, of)
    if single:
        return Functional(net, X, None, by, 0, -1 if decides and chosen == 0 else 1)
    return Functional(net, X, None, by, chosen)


def blocks(net: Network, theta: Array) -> list[Array]:
    """Return θ as one step of probed layers: (1, R, K), the bias last."""
    parameters = Parameters(net.sizes, theta.astype(np.float64))
    layers = zip(parameters.W[1:], parameters.b[1:], strict=True)
    return [np.column_stack([W, b])[None] for W, b in layers]


def _with_one(a: Array) -> Array:
    """Add the unit of the bias, which always gives 1."""
    return np.concatenate([a, np.ones((*a.shape[:-1], 1))], axis=-1)
