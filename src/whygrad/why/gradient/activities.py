"""The network as it stands: the activity of its units, aˡ, and its weights, Wˡ, as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.names import Names
from whygrad.answers.pictures import NetworkPicture
from whygrad.nn.network import Network, Parameters


def activities(
    net: Network,
    theta: Parameters,
    a: Sequence[Any],
    names: Names,
    title: str,
    marked: tuple[str, ...] = (),
) -> NetworkPicture:
    """Draw the mean activity of every unit, from a[l] of shape (n, n_l), and every weight.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(1, "identity")])
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> activities(net, net.init(), (x, x[:, :1]), Names(), "both").units[0]
    array([2., 3.])
    """
    return NetworkPicture(
        title,
        units=tuple(np.asarray(one.mean(axis=0)).reshape(-1) for one in a),
        edges=theta.W,
        names=tuple(names.layer(net, l) for l in range(net.L + 1)),
        unit_meaning=("activity" if a[0].shape[0] == 1 else "mean activity") + names.counted,
        edge_meaning="weight",
        marked=marked,
        image=names.image,
    )
