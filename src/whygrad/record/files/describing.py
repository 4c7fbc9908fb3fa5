"""A plan → JSON, and back.

Rules that come with whygrad are written as their name and numbers. Code of the user's own (a cost, an
activation, an optimizer, a schedule) is not stored: only its name and the SHA-256 of its source are, and
the user gives it again.
"""

import inspect
import math
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.files import sha256
from whygrad.nn import frozen_array
from whygrad.nn.frozen_array import FrozenArray
from whygrad.nn.functions import ACTIVATIONS, COSTS, Activation, Cost
from whygrad.plan import LBFGS, Clip, Penalty, Plan, Stopping, Windows
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.plan.schedules import SCHEDULES
from whygrad.training.model_file import network_from_dict, network_to_dict

OPTIMIZER_RULES = {rule.__name__: rule for rule in (*OPTIMIZERS.values(), LBFGS)}
SCHEDULE_RULES = {schedule.__name__: schedule for schedule in SCHEDULES.values()}
PLAIN = ("n", "epochs", "batch_size", "seed", "dtype", "label_smoothing", "cost_below")


def describe(plan: Plan) -> dict[str, Any]:
    """Return all that decides a training but for the data."""
    return {
        "network": network_to_dict(plan.net),
        "optimizer": _rule_to_dict(plan.optimizer, OPTIMIZER_RULES),
        "schedule": _rule_to_dict(plan.schedule, SCHEDULE_RULES),
        "stopping": None if plan.stopping is None else _plain(asdict(plan.stopping)),
        "l1": _plain(asdict(plan.l1)),
        "l2": _plain(asdict(plan.l2)),
        "clip": _plain(asdict(plan.clip)),
        **{name: _plain(getattr(plan, name)) for name in PLAIN},
        "shuffle": _shuffle_to_dict(plan.shuffle),
        **_multipliers_to_dict(plan),
        **({"blocks": plan.blocks} if plan.blocks > 1 else {}),
        **({"products": plan.products} if plan.products else {}),
        "own": {name: _source_hash(thing) for name, thing in _own_parts(plan).items()},
    }


def plan_from_dict(about: dict[str, Any], own: Sequence[Any] = ()) -> Plan:
    """Build a plan from its description; raises `InputError` where a part of the user's own is missing."""
    stopping = _full(about["stopping"])
    return Plan(
        net=network_from_dict(about["network"], of_network(own)),
        optimizer=_rule_from_dict(about["optimizer"], OPTIMIZER_RULES, own, "optimizer"),
        schedule=_rule_from_dict(about["schedule"], SCHEDULE_RULES, own, "schedule"),
        stopping=None if stopping is None else Stopping(**stopping),
        l1=Penalty(**_full(about["l1"])),
        l2=Penalty(**_full(about["l2"])),
        clip=Clip(**_full(about["clip"])),
        **{name: _full(about[name]) for name in PLAIN},
        rate_multipliers={
            name: frozen_array.from_dict(value) if isinstance(value, dict) else value
            for name, value in about.get("rate_multipliers", {}).items()
        },
        blocks=about.get("blocks", 1),
        shuffle=_shuffle_from_dict(about["shuffle"]),
        products=about.get("products"),
    )


def _shuffle_to_dict(shuffle: bool | Windows) -> Any:
    if not isinstance(shuffle, Windows):
        return shuffle
    return {"blocks": frozen_array.to_dict(shuffle.blocks), "rows": shuffle.rows}


def _shuffle_from_dict(about: Any) -> bool | Windows:
    if not isinstance(about, dict):
        return bool(about)
    return Windows(frozen_array.from_dict(about["blocks"]), about["rows"])


def _multipliers_to_dict(plan: Plan) -> dict[str, Any]:
    """Return the factors on the learning rate, or nothing where there are none."""
    groups = {
        name: frozen_array.to_dict(value) if isinstance(value, FrozenArray) else value
        for name, value in plan.rate_multipliers
    }
    return {"rate_multipliers": groups} if groups else {}


def _own_parts(plan: Plan) -> dict[str, Any]:
    """Return what is the user's own code in a plan, by name."""
    found: dict[str, Any] = {}
    for f in plan.net.f[1:]:
        if ACTIVATIONS.get(f.name) != f:
            found[f.name] = f
    if COSTS.get(plan.net.C.name) != plan.net.C:
        found[plan.net.C.name] = plan.net.cost
    for rule, table in ((plan.optimizer, OPTIMIZER_RULES), (plan.schedule, SCHEDULE_RULES)):
        if type(rule) not in table.values():
            found[type(rule).__name__] = rule
    return found


def changed_parts(plan: Plan, about: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the user's own parts whose source is not what was recorded: both hashes, by name."""
    recorded = about.get("own", {})
    now = {name: _source_hash(thing) for name, thing in _own_parts(plan).items()}
    return {
        name: (recorded[name], digest)
        for name, digest in now.items()
        if recorded.get(name) and digest and recorded[name] != digest
    }


def _source_hash(thing: Any) -> str | None:
    """Return the SHA-256 of the source of a function of the user's own, or None where there is none."""
    if isinstance(thing, Activation | Cost):
        parts = [thing.value, thing.derivative, getattr(thing, "product", None)]
    else:
        parts = [thing if inspect.isclass(thing) or inspect.isfunction(thing) else type(thing)]
    try:
        source = "\n".join(inspect.getsource(part) for part in parts if part is not None)
    except (OSError, TypeError):  # typed at a prompt, or compiled
        return None
    return sha256(source.encode())


def of_network(own: Sequence[Any]) -> list[Any]:
    """Return the activations and costs among the user's own parts."""
    return [thing for thing in own if hasattr(thing, "value") and hasattr(thing, "derivative")]


def _rule_to_dict(rule: Any, known: dict[str, Any]) -> dict[str, Any]:
    name = type(rule).__name__
    if type(rule) in known.values():
        return {"name": name} | _plain(asdict(rule))
    if name in known:
        raise InputError(
            f"{name} of your own has the name of one of whygrad's, and a file could not tell the two "
            "apart: give it another name"
        )
    numbers = {field.name: repr(getattr(rule, field.name)) for field in fields(rule)} if (
        is_dataclass(rule)
    ) else {}  # fmt: skip
    return {"name": name, "own": numbers}


def _rule_from_dict(about: dict[str, Any], known: dict[str, Any], own: Any, kind: str) -> Any:
    name = about["name"]
    if "own" not in about:
        return known[name](**{key: _full(value) for key, value in about.items() if key != "name"})
    for thing in own:
        if type(thing).__name__ == name:
            return thing
    raise InputError(f"it uses the {kind} {name!r}, which is not whygrad's: give it in own=[…]")


def _plain(value: Any) -> Any:
    """Return a value in the types of JSON; numbers that it does not know become {"float": "inf"}."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _full(value: Any) -> Any:
    """Undo `_plain`."""
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: _full(inner) for key, inner in value.items()}
    return value
