"""Factors on the learning rate, by group of parameters.

    θ ← θ + m Δ,    θ ← (1 − m d) θ for a decay d per step

Δ is the step that the optimizer takes: after Adam's normalisation, decoupled decay included, so that each
parameter learns at m times the learning rate, as a parameter group of PyTorch does. The gradient, clipping
and the optimizer's averages are without m. With m = 0 a parameter stays as it is.
"""

import re
from typing import Any, TypeAlias

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.frozen_array import FrozenArray, freeze
from whygrad.nn.functions import Array, namespace
from whygrad.nn.network import Network, Parameters, count
from whygrad.plan.optimizers import OPTIMIZERS, AdamW, Optimizer

GROUP = re.compile(r"([Wb])([1-9][0-9]{0,5})?")
Multipliers: TypeAlias = tuple[tuple[str, float | FrozenArray], ...]


def as_multipliers(given: Any, net: Network) -> Multipliers:
    """Return factors by group as sorted pairs; raise `InputError` for groups or factors that cannot be."""
    try:
        groups = dict(() if given is None else given)
    except (TypeError, ValueError):
        raise InputError(
            f'rate_multipliers is {given!r:.60}: give factors by group, {{"W1": 6.0, "b": 0.1}}'
        ) from None
    return tuple((name, _factor(name, groups[name], net)) for name in sorted(groups, key=str))


def _factor(name: Any, value: Any, net: Network) -> float | FrozenArray:
    where = f"rate_multipliers[{name!r}]"
    group = GROUP.fullmatch(name) if isinstance(name, str) else None
    if group is None or int(group[2] or 1) > net.L:
        raise InputError(
            f"{where}: the groups are 'W' and 'b', and 'W1', 'b1' … of layers 1 to {net.L}"
        )
    try:
        factors = np.asarray(value)
        fine = factors.dtype.kind in "iuf" and bool((factors >= 0).all())
    except ValueError:
        fine = False
    if not fine or not np.isfinite(factors).all():
        raise InputError(f"{where} is {value!r:.60}: a factor is a finite number of at least 0")
    if factors.ndim == 0:
        return float(factors)
    l = int(group[2] or 0)
    shape = (net.sizes[l], net.sizes[l - 1])[: 2 if group[1] == "W" else 1] if l else ()
    if factors.shape != shape:
        one = f"one number, or an array of shape {shape}" if l else "one number"
        raise InputError(f"{where} has shape {factors.shape}: give {one}")
    return freeze(factors.astype(np.float64))


def factors_of(multipliers: Multipliers, net: Network, dtype: str) -> Array | None:
    """Return m for every parameter, (P,), in the order of θ; None where all are 1.

    That of a layer comes before that of all layers, and what no group names has 1.
    """
    found = Parameters(net.sizes, np.ones(count(net.sizes)))
    for name, value in multipliers:  # 'W' before 'W1'
        views = found.W if name[0] == "W" else found.b
        for view in views[1:] if len(name) == 1 else (views[int(name[1:])],):
            view[...] = value
    if (found.flat == 1).all():
        return None
    found.flat.flags.writeable = False
    return found.flat.astype(dtype, copy=False)


def multiplied(
    rule: Optimizer, m: Array, theta: Array, g: Array, opt_state: Array, coefficients: list[float]
) -> tuple[Array, Array]:
    """Return the next parameters, θ + m Δ, and the optimizer's state."""
    if type(rule) not in OPTIMIZERS.values():
        after, opt_state = rule.update(theta, g, opt_state, coefficients)
        return theta + m * (after - theta), opt_state
    # The step by itself has all its digits; beside θ it has been rounded to those of θ.
    step, opt_state = rule.update(namespace(theta).zeros_like(theta), g, opt_state, coefficients)
    if isinstance(rule, AdamW):
        step = step - lost(rule, coefficients) * theta
    return theta + m * step, opt_state


def lost(rule: Any, coefficients: Any) -> Any:
    """Return the share of θ that a step takes off by decoupled decay, ηλ."""
    return 1 - coefficients[2] if isinstance(rule, AdamW) else 0.0


def check_decay(multipliers: Multipliers, decay: float) -> None:
    """Reject factors with which a decay per step would take off more than there is."""
    for name, value in multipliers:
        largest = float(np.max(value.array if isinstance(value, FrozenArray) else value))
        if decay * largest >= 1:
            raise InputError(
                f"rate_multipliers[{name!r}] is {largest:g}: times a decay of {decay:g} per step it must "
                "be below 1"
            )
