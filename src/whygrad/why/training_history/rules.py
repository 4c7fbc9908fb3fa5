"""The optimizers' rules in one form, from which their steps are taken apart and differentiated.

    v ← β v + γ g²,   D = √v + ε,   m ← μ m + p e,   θ ← κ θ + (q m + r g)/D,   e = g

With momentum RMSprop divides earlier: e = g/D, θ ← κ θ + q m. Plain gradient descent has no v, and D is 1.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.plan import SGD, Adagrad, Adam, AdamW, Nadam, RMSprop

ADAPTIVE = (Adagrad, RMSprop, Adam, AdamW, Nadam)


@dataclass(frozen=True, eq=False)
class Form:
    """The coefficients of some steps: `p`, `q`, `r`, `keep` (κ) and `epsilon` are (steps,).

    `m` and `v` are the rows of the optimizer's state that hold them, None without; `early` says that e is
    g/D. `by_gradient` says that the learning rate stands with g, and with the rest of the move otherwise.
    """

    p: Array
    q: Array
    r: Array
    keep: Array
    epsilon: Array
    mu: float = 0.0
    beta: float = 0.0
    gamma: float = 0.0
    m: int | None = None
    v: int | None = None
    early: bool = False
    by_gradient: bool = False

    def at(self, t: int) -> "Form":
        """The form of step t alone."""
        p, q, r, keep, epsilon = (
            each[t : t + 1] for each in (self.p, self.q, self.r, self.keep, self.epsilon)
        )
        return replace(self, p=p, q=q, r=r, keep=keep, epsilon=epsilon)


def form_of(rule: Any, coefficients: Array) -> Form:
    """Return a rule in that form, from the coefficients of some steps; raise `InputError` for one's own."""
    c = coefficients.astype(np.float64).T
    one = np.ones(coefficients.shape[0])
    zero = 0 * one
    match rule:
        case SGD(momentum=0):
            return Form(zero, zero, -c[0], one, zero, by_gradient=True)
        case SGD(momentum=mu, nesterov=True):
            return Form(-c[0], mu * one, -c[0], one, zero, float(mu), m=0, by_gradient=True)
        case SGD(momentum=mu):
            return Form(-c[0], one, zero, one, zero, float(mu), m=0, by_gradient=True)
        case Adagrad(epsilon=epsilon):
            return Form(zero, zero, -c[0], one, epsilon * one, beta=1.0, gamma=1.0, v=0)
        case RMSprop(beta=beta, epsilon=epsilon, momentum=0):
            return Form(zero, zero, -c[0], one, epsilon * one, beta=beta, gamma=1 - beta, v=0)
        case RMSprop(beta=beta, epsilon=epsilon, momentum=mu):
            return Form(
                one, -c[0], zero, one, epsilon * one, float(mu), beta, 1 - beta, 1, 0, early=True
            )
        case Adam(beta1=mu, beta2=beta) | AdamW(beta1=mu, beta2=beta):
            keep = c[2] if isinstance(rule, AdamW) else one
            return Form((1 - mu) * one, -c[0], zero, keep, c[1], mu, beta, 1 - beta, 0, 1)
        case Nadam(beta1=mu, beta2=beta):
            return Form((1 - mu) * one, -c[0], -c[1], one, c[2], mu, beta, 1 - beta, 0, 1)
    raise InputError(
        f"how {type(rule).__name__} moves weights is not known here: it is an optimizer of your own"
    )


def buffer_slot(rule: Any) -> int | None:
    """Return the index of m in the optimizer's state, or None for a rule without."""
    return form_of(rule, np.zeros((0, 3))).m
