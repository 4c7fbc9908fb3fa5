"""The same networks in PyTorch, in float64, differentiated by its autograd.

A second opinion beside the oracle: other people's formulas, and no backward pass written by us.
Import it only where PyTorch is installed.
"""

import torch
import torch.nn.functional as F

from oracle import Answer

# PyTorch's softplus is log(1 + exp(z)) up to a threshold and z beyond it.
NEVER = float("inf")

ACTIVATIONS = {
    "identity": lambda z: z * 1.0,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": lambda z: F.softplus(z, threshold=NEVER),
    "exp": torch.exp,
    "softmax": lambda z: torch.softmax(z, dim=1),
}

# Of each output; PyTorch's own poisson and cross-entropies add an epsilon, clamp, or want z.
COSTS = {
    "squared_error": lambda a, y: F.mse_loss(a, y, reduction="none") / 2,
    "absolute_error": lambda a, y: F.l1_loss(a, y, reduction="none"),
    "huber": lambda a, y: F.huber_loss(a, y, reduction="none"),
    "poisson": lambda a, y: a - y + torch.xlogy(y, y) - y * torch.log(a),
    "cross_entropy": lambda a, y: -y * torch.log(a),
    "binary_cross_entropy": lambda a, y: -y * torch.log(a) - (1 - y) * torch.log1p(-a),
}


def backpropagate(
    sizes, activations, cost, W, b, X, Y, sample_weight=None, l1=0.0, l2=0.0, masks=None
) -> Answer:
    """The same answer as the oracle's, from autograd."""

    def leaf(array):
        return torch.tensor(array, dtype=torch.float64, requires_grad=True)

    last = len(sizes) - 1
    Ws = [leaf(W[layer]) for layer in range(1, last + 1)]
    bs = [leaf(b[layer]) for layer in range(1, last + 1)]
    y = torch.tensor(Y, dtype=torch.float64)
    s = (
        torch.ones(len(X), dtype=torch.float64)
        if sample_weight is None
        else torch.tensor(sample_weight)
    )

    z, a = [], [torch.tensor(X, dtype=torch.float64)]
    for layer in range(1, last + 1):
        z.append(F.linear(a[-1], Ws[layer - 1], bs[layer - 1]))
        active = ACTIVATIONS[activations[layer - 1]](z[-1])
        if masks is not None and masks[layer] is not None:
            active = active * torch.tensor(masks[layer])
        a.append(active)

    costs = COSTS[cost](a[-1], y).sum(dim=1)
    penalty = sum(l1 * w.abs().sum() + l2 / 2 * (w**2).sum() for w in Ws)
    total = (s * costs).sum() / s.sum() + penalty

    delta = torch.autograd.grad(costs.sum(), z, retain_graph=True)
    slopes = torch.autograd.grad(total, [*Ws, *bs])

    def numbers(tensors):
        return [tensor.detach().numpy() for tensor in tensors]

    return Answer(
        z=[None, *numbers(z)],
        a=numbers(a),
        delta=[None, *numbers(delta)],
        costs=costs.detach().numpy(),
        cost=total.item(),
        dW=[None, *numbers(slopes[:last])],
        db=[None, *numbers(slopes[last:])],
    )
