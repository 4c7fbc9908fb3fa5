"""Plans of every kind, with examples and networks: what tests of engines, ledgers and probes share."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse

import whygrad as wg
from covering import pairwise
from networks import draw_targets
from whygrad.nn.functions import COSTS

# With the usual tiny ε a gradient that is 0 but for rounding moves a parameter a full step to either side.
E = {"epsilon": 1e-3}


OPTIMIZERS = {
    "sgd": wg.SGD(0.05),
    "momentum": wg.SGD(0.05, momentum=0.8),
    "nesterov": wg.SGD(0.05, momentum=0.8, nesterov=True),
    "adagrad": wg.Adagrad(0.02, **E),
    "rmsprop": wg.RMSprop(0.005, **E),
    "rmsprop with momentum": wg.RMSprop(0.005, momentum=0.5, beta=0.9, **E),
    "adam": wg.Adam(0.01, **E),
    "adam, epsilon_hat": wg.Adam(0.01, beta1=0.8, epsilon_hat=True, **E),
    "adamw": wg.AdamW(0.01, decay=0.5, **E),
    "nadam": wg.Nadam(0.01, **E),
}


SCHEDULES = {
    "constant": wg.Constant(),
    "inverse_scaling": wg.InverseScaling(0.3),
    "step": wg.Step(every=1, factor=0.5),
    "cosine": wg.Cosine(warm_up=0.2, last=0.1),
    "one_cycle": wg.OneCycle(),
    "adaptive": wg.Adaptive(divisor=2),
    "on_plateau": wg.OnPlateau(factor=0.5, patience=0, tol=1e9),
}


REGULARISATION = {
    "none": {},
    "l1": {"l1": 0.01},
    "l2 per batch": {"l2": 0.1},
    "l2 per example": {"l2": wg.Penalty(0.3, per="example")},
    "l2 per data": {"l2": wg.Penalty(2.0, per="data")},
    "decay per step": {"l2": wg.Penalty(0.01, per="step")},
    "dropout": {"dropout": 0.3},
    "label smoothing": {"label_smoothing": 0.1},
    "clip norm": {"clip": wg.Clip(norm=0.3)},
    "clip value": {"clip": wg.Clip(value=0.02)},
    "everything": {
        "l1": 0.003,
        "l2": wg.Penalty(0.01, per="step"),
        "dropout": 0.2,
        "clip": wg.Clip(norm=0.5, value=0.05),
        "sample_weight": np.random.default_rng(2).uniform(0, 2, 23),
    },
}


OUTPUTS = {
    "squared_error": "identity",
    "absolute_error": "tanh",
    "huber": "identity",
    "poisson": "softplus",
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
}


@dataclass(frozen=True)
class Size:
    """The number of examples, a size of batch that does not divide it, and units of the hidden layers."""

    n: int
    batch_size: int
    units: tuple[int, int]


# The large one has a layer wide enough to move in blocks, above one narrow enough to skip zeros.
SIZES = {"small": Size(23, 5, (9, 7)), "large": Size(410, 200, (96, 700))}


FACTORS = {
    "optimizer": list(OPTIMIZERS),
    "regularisation": list(REGULARISATION),
    "schedule": list(SCHEDULES),
    "cost": list(OUTPUTS),
    "kind": ["dense", "zeros", "csr"],
    "dtype": ["float64", "float32"],
    "size": list(SIZES),
    "weights": ["all weights", "masked weights"],
    "rates": ["one rate", "several rates"],
}


ROWS = pairwise(FACTORS)


def examples(kind, cost, dtype, n=23, inputs=70):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, inputs))
    if kind != "dense":
        X *= rng.random(X.shape) < 0.2
    X = X.astype(dtype)
    Y = draw_targets(rng, COSTS[cost].targets, n, 3)
    return scipy.sparse.csr_array(X) if kind == "csr" else X, Y


def network(cost, dropout=0.0, inputs=70, units=(9, 7), weights="all weights"):
    """A layer whose slope needs z and one whose slope does not, with dropout and masks where asked."""
    gelu, tanh = units
    masks = [None] * 3
    if weights == "masked weights":
        rng = np.random.default_rng(5)
        shapes = ((gelu, inputs), (tanh, gelu), (3, tanh))
        masks = [
            rng.random(shape) < share for shape, share in zip(shapes, (0.4, 0.6, 0.9), strict=True)
        ]
        masks[0][1] = False  # a unit that has a bias alone
    hidden = [
        wg.Dense(units, f, dropout=dropout, mask=mask)
        for units, f, mask in ((gelu, "gelu", masks[0]), (tanh, "tanh", masks[1]))
    ]
    return wg.Network(inputs, [*hidden, wg.Dense(3, OUTPUTS[cost], mask=masks[2])], cost)


def multipliers(net, rates):
    """Factors on the learning rate of every kind: of all layers, of one, of single weights, and 0."""
    if rates == "one rate":
        return None
    single = np.random.default_rng(6).uniform(0, 2, (net.sizes[2], net.sizes[1]))
    return {"W": 1.5, "b": 0.5, "W2": single, "b3": 0}


def name_of(row):
    return ", ".join(row.values())


@pytest.fixture(autouse=True, params=["by examples", "by units"])
def lies(request, monkeypatch):
    """How batches lie in memory, which otherwise follows from the widths of the layers."""
    from whygrad.engines.native import layout

    monkeypatch.setattr(layout, "BY_UNITS", 0 if request.param == "by examples" else 10**9)
    monkeypatch.setattr(layout, "BY_UNITS_ROWS", 0)
