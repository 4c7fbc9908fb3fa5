"""A trained network, or an ensemble of several: they predict, are asked why, saved and read back.

An ensemble's output is f of the mean of its members' z[L]. So it is one network as well: the members side
by side, no weight between them, and the last layers divided by their number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.engines.prediction import outputs
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters
from whygrad.nn.network import count
from whygrad.plan.plan import Plan, State
from whygrad.training import model_file
from whygrad.training.epochs import History, final

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.why.bound import Why


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Parameters
    ----------
    net : Network
        Its layers and cost.
    theta : Parameters
        Its weights and biases.
    history : History
        How the training went, epoch by epoch, and why it ended.
    """

    net: Network
    theta: Parameters
    history: History = field(default_factory=History)

    def __repr__(self) -> str:
        sizes = "-".join(str(units) for units in self.net.sizes)
        return f"<Fitted {sizes} {self.net.C.name}: {self.history!r}>"

    def predict(self, X: Any) -> Array:
        """Return the outputs a[L] for X, (n, n_L); a row's bits are the same alone and in any batch."""
        return outputs(self.net, self.theta, X)

    @property
    def why(self) -> "Why":
        """Ask why: `fitted.why.weight(X, y, layer=1, to=0, from_=2)`, and the other questions of `Why`.

        Penalties are not kept here: pass `l1` and `l2` with a question where training had them.
        """
        from whygrad.why.bound import Why  # SciPy is imported where it is needed only

        return Why(self.net, self.theta)

    def widget(self, X: Any, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click asks why, on inputs X and targets y. See `Why.widget`."""
        return self.why.widget(X, y)

    def save(self, path: str | PathLike[str]) -> None:
        """Write network, parameters and history to one safetensors file; `whygrad.load` reads it."""
        model_file.write(path, self.net, self.theta, self.history)


def fitted_of(plan: Plan, state: State, history: History) -> Fitted:
    """Return the network that a training ended with, with its best parameters where the plan keeps them."""
    return Fitted(plan.net, Parameters(plan.net.sizes, final(plan, state)), history)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Several trained networks of one shape, whose outputs are averaged before the last activation.

        a = f(1/K Σ z_k[L])

    Of classes these are the normalised geometric mean of the members' probabilities; of numbers, the mean.

    Parameters
    ----------
    members : sequence of Fitted
        Networks with the same layers and cost.

    Raises
    ------
    InputError
        For no member, and for members of several shapes.

    Examples
    --------
    >>> from whygrad import Dense, Network, train_many
    >>> net = Network(2, [Dense(4, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> both = Ensemble(train_many([{"seed": 0}, {"seed": 1}], net=net, X=X, Y=Y, epochs=20))
    >>> both.joined().net.sizes, bool(np.allclose(both.predict(X), both.joined().predict(X)))
    ((2, 8, 1), True)
    """

    members: Sequence[Fitted]

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if not self.members:
            raise InputError("an ensemble needs at least one member")
        for k, member in enumerate(self.members, start=1):
            if member.net != self.net:
                raise InputError(
                    f"member {k} of the ensemble has other layers or another cost than member 1"
                )

    def __repr__(self) -> str:
        sizes = "-".join(str(units) for units in self.net.sizes)
        K = len(self.members)
        return f"<Ensemble of {K} network{'' if K == 1 else 's'} {sizes} {self.net.C.name}>"

    @property
    def net(self) -> Network:
        """The network that every member is."""
        return self.members[0].net

    @cached_property
    def _summing(self) -> Network:
        """The members' network up to z[L]."""
        *hidden, last = self.net.layers
        return Network(self.net.inputs, (*hidden, replace(last, activation="identity")))

    @property
    def history(self) -> History:
        """The history of the first member."""
        return self.members[0].history

    def z(self, X: Any, product: Callable[[Network, Parameters, Any], Array] = outputs) -> Array:
        """Return the mean of the members' z[L] for X, (n, n_L), by `product`, which checks X."""
        total = product(self._summing, self.members[0].theta, X)
        for member in self.members[1:]:
            total += product(self._summing, member.theta, X)
        total /= len(self.members)
        return total

    def predict(self, X: Any) -> Array:
        """Return the outputs for X, (n, n_L); a row's bits are the same alone and in any batch."""
        return self.net.f[-1].value(self.z(X))

    def joined(self) -> Fitted:
        """Return the ensemble as one network: its layers are the members' side by side.

        Its outputs are those of the ensemble, to rounding.
        """
        net, K = self.net, len(self.members)
        *hidden, last = net.layers
        layers = [replace(layer, units=K * layer.units, mask=None) for layer in hidden]
        layers.append(replace(last, mask=None))
        for l, layer in enumerate(net.layers):
            if layer.mask is not None:
                kept = _side_by_side(layer.mask.array, K, l == 0, l == net.L - 1)
                layers[l] = replace(layers[l], mask=kept)
        wide = Network(net.inputs, layers, net.cost)
        flat = np.zeros(count(wide.sizes), self.members[0].theta.flat.dtype)
        theta = Parameters(wide.sizes, flat)
        for k, member in enumerate(self.members):
            for l in range(1, net.L + 1):
                to, below = net.sizes[l], net.sizes[l - 1]
                rows = slice(None) if l == net.L else slice(k * to, (k + 1) * to)
                columns = slice(None) if l == 1 else slice(k * below, (k + 1) * below)
                share = K if l == net.L else 1
                theta.W[l][rows, columns] += member.theta.W[l] / share
                theta.b[l][rows] += member.theta.b[l] / share
        return Fitted(wide, theta)

    @property
    def why(self) -> "Why":
        """Ask why, of the ensemble as one network; see `Fitted.why`."""
        return self.joined().why

    def save(self, path: str | PathLike[str]) -> None:
        """Write the members and their histories to one safetensors file; `Ensemble.load` reads it."""
        model_file.write_members(path, self.net, [(one.theta, one.history) for one in self.members])

    @staticmethod
    def load(path: str | PathLike[str], own: Sequence[Any] = ()) -> "Ensemble":
        """Read an ensemble back, bit for bit; of one member where `Fitted.save` wrote the file.

        Parameters and errors are those of `whygrad.load`.
        """
        net, members = model_file.read_members(path, own)
        return Ensemble([Fitted(net, theta, history) for theta, history in members])


def _side_by_side(mask: Array, K: int, first: bool, last: bool) -> Array:
    """Return the mask of a layer of K networks that share their inputs and their sum, and nothing else."""
    if first or last:
        return np.tile(mask, (1 if last else K, 1 if first else K))
    return np.kron(np.eye(K, dtype=bool), mask)


def load(path: str | PathLike[str], own: Sequence[Any] = ()) -> Fitted:
    """Read a trained network back; the parameters are bit for bit those that were saved.

    Parameters
    ----------
    path : str or path
        A file that `Fitted.save` wrote; those of ensembles are read by `Ensemble.load`.
    own : sequence of Activation and Cost, optional
        Costs and activations of your own that the network uses: code is not stored, but asked for by name.

    Returns
    -------
    Fitted
        The trained network.

    Raises
    ------
    FileError
        For a file that is missing, damaged, of another kind or of a newer schema.
    """
    return Fitted(*model_file.read(path, own))


def averaged(fits: Sequence[Fitted | None]) -> Fitted | Ensemble:
    """Return what predicts: the ensemble of those networks that had an epoch, or the one there is."""
    there = [one for one in fits if one is not None]
    learned = [one for one in there if one.history.epochs]
    return Ensemble(learned) if len(learned) > 1 else (learned or there)[0]
