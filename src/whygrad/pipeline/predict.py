"""Outputs of a network, row by row: the same bits for a row whatever stands beside it.

A matrix product may add up in another order when it has another number of rows. Here every product has
the same shape, blocks of 512 rows, the last one filled up with zeros; so a row alone, in a small frame or
in the middle of a large file has one and the same output.
"""

from typing import Any

import numpy as np

from whygrad.nn.backprop import forward
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters

BLOCK = 512


def outputs(net: Network, theta: Parameters, X: Array) -> Array:
    """Return a[L], (n, n_L), for X, (n, n_0), of the parameters' dtype.

    >>> from whygrad.nn.network import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "identity")])
    >>> X = np.arange(2000.0).reshape(1000, 2) / 2000
    >>> theta = net.init()
    >>> bool((outputs(net, theta, X)[700:701] == outputs(net, theta, X[700:701])).all())
    True
    """
    kind: Any = theta.flat.dtype
    a = np.empty((len(X), net.sizes[-1]), kind)
    block = np.empty((BLOCK, net.sizes[0]), kind)
    with np.errstate(all="ignore"):  # what overflows is seen in the outputs
        for i in range(0, len(X), BLOCK):
            rows = X[i : i + BLOCK]
            block[: len(rows)] = rows
            block[len(rows) :] = 0
            a[i : i + BLOCK] = forward(net, theta, block).a[-1][: len(rows)]
    return a
