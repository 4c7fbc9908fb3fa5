"""Members: the networks whose mean is asked about; a single network is the list of one.

    z̄ = (z₁ + … + z_K) / K,   a = f(z̄)

zₖ is the weighted input of the output layer of member k, f the output activation. Whatever is linear in z̄
is the mean of what the members give. Side by side, the z¹ of all members are one row, and what is asked of
a network from its first layer on is asked of them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters, forward
from whygrad.why.passing import forward_from, pull

Member: TypeAlias = tuple[Network, Parameters]


@dataclass(frozen=True, eq=False)
class Members:
    """Networks with their parameters, asked together."""

    each: tuple[Member, ...]

    @property
    def net(self) -> Network:
        """The first network: it says what goes in and what comes out."""
        return self.each[0][0]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.each)

    @property
    def dtype(self) -> Any:
        """The float type of the parameters."""
        return np.result_type(*(theta.flat.dtype for _, theta in self.each))

    @cached_property
    def W1(self) -> Array:
        """W¹ of all members, one below the other, (Σ n_1, n_0)."""
        return np.concatenate([theta.W[1] for _, theta in self.each])

    @cached_property
    def b1(self) -> Array:
        """b¹ of all members, (Σ n_1,)."""
        return np.concatenate([theta.b[1] for _, theta in self.each])

    @cached_property
    def upper(self) -> int:
        """Multiplications of a pass from z¹ on."""
        return sum(above_first(net) for net, _ in self.each)

    def in_double(self) -> "Members":
        """Return the same with parameters in float64."""
        return Members(tuple((net, in_double(theta)) for net, theta in self.each))

    def margin(self, m: int, rival: int) -> "Members":
        """Return the same in float64, with z̄ₘ − z̄ᵣ as z of output m: its weights less the rival's."""
        each = []
        for net, theta in self.each:
            less = Parameters(theta.sizes, theta.flat.astype(np.float64))
            less.W[-1][m] -= less.W[-1][rival]
            less.b[-1][m] -= less.b[-1][rival]
            each.append((net, less))
        return Members(tuple(each))

    def start(self, X: Array) -> Array:
        """Return z¹ of rows X, (n, Σ n_1)."""
        return X @ self.W1.T + self.b1

    def split(self, z1: Array) -> list[Array]:
        """Return z¹ of each member, (n, n_1)."""
        return np.split(z1, np.cumsum([net.sizes[1] for net, _ in self.each])[:-1], axis=1)

    def outputs(self, z1: Array) -> tuple[Array, Array]:
        """Return z̄ and a for rows z¹, (n, n_L) each."""
        z = self._passed(z1)[1]
        return z, self.net.f[self.net.L].value(z)

    def predict(self, X: Array) -> Array:
        """Return the outputs a of a pass of rows X, (n, n_L)."""
        if self.count == 1:
            return forward(*self.each[0], X).a[-1]
        z = sum(forward(net, theta, X).z[-1] for net, theta in self.each) / self.count
        return self.net.f[self.net.L].value(z)

    def _passed(self, z1: Array) -> tuple[list[list[Any]], Array]:
        layers = [
            forward_from(net, theta, 1, part)[0]
            for (net, theta), part in zip(self.each, self.split(z1), strict=True)
        ]
        return layers, sum(z[-1] for z in layers) / self.count

    def pulled(self, z1: Array, seed: Array) -> Array:
        """Pull ∂/∂z̄, (n, n_L), back to ∂/∂z¹ at rows z¹, (n, Σ n_1)."""
        layers, _ = self._passed(z1)
        seed = seed / self.count
        back = [
            pull(net, theta, z, seed)[1] for (net, theta), z in zip(self.each, layers, strict=True)
        ]
        return np.concatenate(back, axis=1)


def above_first(net: Network) -> int:
    """Return how many multiplications a pass from z¹ on takes.

    >>> from whygrad.nn.network import Dense
    >>> above_first(Network(5, [Dense(3, "tanh"), Dense(2, "identity")]))
    9
    """
    return sum(n * m for n, m in zip(net.sizes[1:], net.sizes[2:], strict=False)) + net.sizes[1]


def in_double(theta: Parameters) -> Parameters:
    """Return the parameters in float64."""
    return Parameters(theta.sizes, theta.flat.astype(np.float64, copy=False))


def members_of(net: Network | Sequence[Member], theta: Parameters | None) -> Members:
    """Return a network, or a sequence of (network, parameters), as members."""
    if isinstance(net, Network):
        if not isinstance(theta, Parameters):
            raise InputError("a network is asked with its parameters: give net, theta")
        return Members(((net, theta),))
    each = tuple(net)
    if not each:
        raise InputError("there are no members to ask: give (net, theta) pairs")
    first = each[0][0]
    for k, (one, _) in enumerate(each):
        ends = (one.sizes[0], one.sizes[-1], one.f[one.L])
        if ends != (first.sizes[0], first.sizes[-1], first.f[first.L]):
            raise InputError(
                f"member {k} has {one.sizes[0]} inputs and {one.sizes[-1]} outputs of {one.f[one.L].name}, "
                f"member 0 has {first.sizes[0]} and {first.sizes[-1]} of {first.f[first.L].name}"
            )
    return Members(each)
