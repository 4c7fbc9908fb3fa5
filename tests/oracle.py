"""Backpropagation one number at a time: the answer that the package is held to.

Everything here is a loop over Python floats, written from the four equations of Nielsen's chapter 2
(BP1 to BP4) and sharing no line with the package, so that a mistake would have to be made twice, in
two different forms, to go unseen. NumPy only carries arrays in and out. Slow on purpose: read it
beside the book.
"""

from dataclasses import dataclass
from math import erfc, exp, expm1, log, log1p, pi, sqrt, tanh

import numpy as np

SELU_ALPHA = 1.6732632423543772848170429916717  # Klambauer et al. 2017, the digits PyTorch uses
SELU_SCALE = 1.0507009873554804934193349852946
LEAK = 0.01


def sigmoid(z):
    return 1 / (1 + exp(-z)) if z >= 0 else exp(z) / (1 + exp(z))


def gauss(z):
    return exp(-z * z / 2) / sqrt(2 * pi)


def gauss_integral(z):
    return erfc(-z / sqrt(2)) / 2  # (1 + erf(z / sqrt(2))) / 2 without its cancellation


def sign(r):
    return (r > 0) - (r < 0)


# name: (f, f'), both of one number. Softmax mixes the units of a layer and stands apart, below.
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: 1.0),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "tanh": (tanh, lambda z: 1 - tanh(z) ** 2),
    "relu": (lambda z: z if z > 0 else 0.0, lambda z: 1.0 if z > 0 else 0.0),
    "leaky_relu": (lambda z: z if z > 0 else LEAK * z, lambda z: 1.0 if z > 0 else LEAK),
    "elu": (lambda z: z if z > 0 else expm1(z), lambda z: 1.0 if z > 0 else exp(z)),
    "selu": (
        lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * expm1(z)),
        lambda z: SELU_SCALE * (1.0 if z > 0 else SELU_ALPHA * exp(z)),
    ),
    "gelu": (lambda z: z * gauss_integral(z), lambda z: gauss_integral(z) + z * gauss(z)),
    "silu": (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z),
    ),
    "softplus": (lambda z: max(z, 0.0) + log1p(exp(-abs(z))), sigmoid),
    "exp": (exp, exp),
}

# name: (C, dC/da), both of one output a and its target y; the cost of an example is their sum.
COSTS = {
    "squared_error": (lambda a, y: (a - y) ** 2 / 2, lambda a, y: a - y),
    "absolute_error": (lambda a, y: abs(a - y), lambda a, y: float(sign(a - y))),
    "huber": (
        lambda a, y: (a - y) ** 2 / 2 if abs(a - y) <= 1 else abs(a - y) - 1 / 2,
        lambda a, y: a - y if abs(a - y) <= 1 else float(sign(a - y)),
    ),
    "poisson": (
        lambda a, y: a - y + (y * log(y / a) if y > 0 else 0.0),
        lambda a, y: 1 - y / a,
    ),
    "cross_entropy": (lambda a, y: -y * log(a), lambda a, y: -y / a),
    "binary_cross_entropy": (
        lambda a, y: -(y * log(a) + (1 - y) * log(1 - a)),
        lambda a, y: -y / a + (1 - y) / (1 - a),
    ),
}


@dataclass(frozen=True)
class Answer:
    """What one pass forward and back gives; lists by layer, index 0 as in the package."""

    z: list
    a: list
    delta: list
    costs: np.ndarray
    cost: float
    dW: list
    db: list


def softmax(z):
    largest = max(z)
    powers = [exp(z_j - largest) for z_j in z]
    return [power / sum(powers) for power in powers]


def activate(name, z):
    """a = f(z) for the units of one layer and one example."""
    if name == "softmax":
        return softmax(z)
    f, _ = ACTIVATIONS[name]
    return [f(z_j) for z_j in z]


def pull_back(name, z, gradient):
    """dC/dz_j = sum_m dC/da_m da_m/dz_j; only softmax has terms with m != j."""
    if name == "softmax":
        a = softmax(z)
        return [
            sum(gradient[m] * a[m] * ((m == j) - a[j]) for m in range(len(z)))
            for j in range(len(z))
        ]
    _, derivative = ACTIVATIONS[name]
    return [gradient[j] * derivative(z[j]) for j in range(len(z))]


def one_example(sizes, activations, cost, W, b, x, y, mask):
    """z, a, delta (lists by layer) and the cost of one example."""
    last = len(sizes) - 1
    value, derivative = COSTS[cost]

    z, a = [None], [x]
    for layer in range(1, last + 1):
        z.append(
            [
                b[layer][j] + sum(W[layer][j][k] * a[layer - 1][k] for k in range(sizes[layer - 1]))
                for j in range(sizes[layer])
            ]
        )
        active = activate(activations[layer - 1], z[layer])
        a.append([active[j] * mask[layer][j] for j in range(sizes[layer])])

    delta = [None] * (last + 1)
    blame = [derivative(a[last][j], y[j]) for j in range(sizes[last])]  # dC/da of the outputs
    delta[last] = pull_back(activations[last - 1], z[last], blame)  # BP1
    for layer in range(last - 1, 0, -1):
        blame = [
            mask[layer][k]
            * sum(W[layer + 1][j][k] * delta[layer + 1][j] for j in range(sizes[layer + 1]))
            for k in range(sizes[layer])
        ]
        delta[layer] = pull_back(activations[layer - 1], z[layer], blame)  # BP2

    return z, a, delta, sum(value(a[last][j], y[j]) for j in range(sizes[last]))


def backpropagate(
    sizes, activations, cost, W, b, X, Y, sample_weight=None, l1=0.0, l2=0.0, masks=None
) -> Answer:
    """The whole answer: C = sum_i s_i C_i / S + l1 sum |W| + l2/2 sum W^2 and its derivatives."""
    n, last = len(X), len(sizes) - 1
    W = [None] + [np.asarray(W[layer]).tolist() for layer in range(1, last + 1)]
    b = [None] + [np.asarray(b[layer]).tolist() for layer in range(1, last + 1)]
    X, Y = np.asarray(X).tolist(), np.asarray(Y).tolist()
    s = [1.0] * n if sample_weight is None else np.asarray(sample_weight).tolist()
    S = sum(s)

    z, a, delta, costs = [], [], [], []
    for i in range(n):
        mask = [[1.0] * size for size in sizes]
        for layer in range(1, last):
            if masks is not None and masks[layer] is not None:
                mask[layer] = np.asarray(masks[layer][i]).tolist()
        z_i, a_i, delta_i, cost_i = one_example(sizes, activations, cost, W, b, X[i], Y[i], mask)
        z.append(z_i)
        a.append(a_i)
        delta.append(delta_i)
        costs.append(cost_i)

    total = sum(s[i] * costs[i] for i in range(n)) / S
    dW, db = [None], [None]
    for layer in range(1, last + 1):
        to, of = range(sizes[layer]), range(sizes[layer - 1])
        total += l1 * sum(abs(W[layer][j][k]) for j in to for k in of)
        total += l2 / 2 * sum(W[layer][j][k] ** 2 for j in to for k in of)
        db.append([sum(s[i] * delta[i][layer][j] for i in range(n)) / S for j in to])  # BP3
        dW.append(
            [
                [
                    sum(s[i] * a[i][layer - 1][k] * delta[i][layer][j] for i in range(n)) / S  # BP4
                    + l1 * sign(W[layer][j][k])
                    + l2 * W[layer][j][k]
                    for k in of
                ]
                for j in to
            ]
        )

    def by_layer(values, first):
        return [None] * first + [
            np.array([values[i][layer] for i in range(n)]) for layer in range(first, last + 1)
        ]

    return Answer(
        z=by_layer(z, 1),
        a=by_layer(a, 0),
        delta=by_layer(delta, 1),
        costs=np.array(costs),
        cost=total,
        dW=[None] + [np.array(layer) for layer in dW[1:]],
        db=[None] + [np.array(layer) for layer in db[1:]],
    )
