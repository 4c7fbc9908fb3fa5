"""The schema of a run's files: manifest, encoding, and the JSON in the database.

It checks form only. Whether an activation is known, or a learning rate above 0, is checked by whoever
builds something from it.
"""

import math
from dataclasses import MISSING, fields
from functools import cache
from itertools import pairwise
from typing import Any

from whygrad.nn.products import PRODUCTS
from whygrad.pipeline.datasets import NAMES
from whygrad.pipeline.settings import Settings
from whygrad.plan.lbfgs import LBFGS
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.plan.schedules import SCHEDULES
from whygrad.record.files import inside
from whygrad.record.files.checking import (
    Check,
    above_zero,
    any_number,
    by,
    each,
    fail,
    flag,
    keys,
    label,
    mapping,
    matching,
    maybe,
    number,
    one_of,
    plain,
    text,
    whole,
    written_number,
)

FORMAT = "whygrad run"
NUMBER = 2  # of the schema, by which what an older one wrote is recognised

SHA256 = matching("[0-9a-f]{64}", "a SHA-256, 64 digits of 0 to f")
ID = matching("[0-9a-f]{32}", "32 digits of 0 to f")
TIME = matching(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00",
    "a time such as 2026-01-31T12:00:00+00:00",
)
PART = one_of(inside.PARTS)
TASK = one_of(("classification", "regression"))
POSITIVE = whole(1)


# ── how it is trained ────────────────────────────────────────────────────────────────────────────────


def _inputs(value: Any, where: str) -> None:
    (each(POSITIVE) if isinstance(value, list) else POSITIVE)(value, where)


def _factor(value: Any, where: str) -> None:
    if not isinstance(value, list) or len(value) != 2:
        fail(value, where, "a column and its factor")
    text(value[0], where)
    number(value[1], where)


def _initialiser(value: Any, where: str) -> None:
    (keys({"low": number, "high": number}) if isinstance(value, dict) else text)(value, where)


def _rule(known: dict[str, Any]) -> Check:
    """Accept a rule that comes with whygrad, with its numbers, or one of the user's own, by name."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, dict) and "own" in value:
            return keys({"name": text, "own": mapping(text)})(value, where)
        by("name", _rules(tuple(known.values())))(value, where)

    return check


@cache
def _rules(known: tuple[type, ...]) -> dict[str, Check]:
    return {rule.__name__: keys({"name": text} | _numbers(rule)) for rule in known}


def _numbers(rule: type) -> dict[str, Check]:
    kinds: dict[type, Check] = {bool: flag, str: text}
    found = {}
    for field in fields(rule):
        baseline = None if field.default is MISSING else field.default
        found[field.name] = kinds.get(type(baseline), written_number)
    return found


def _multiplier(value: Any, where: str) -> None:
    (FROZEN_ARRAY if isinstance(value, dict) else number)(value, where)


def _shuffle(value: Any, where: str) -> None:
    windows = keys({"blocks": FROZEN_ARRAY, "rows": POSITIVE})
    (windows if isinstance(value, dict) else flag)(value, where)


FROZEN_ARRAY = keys({"shape": each(whole()), "kind": one_of(("bool", "float64")), "content": text})
LAYER = keys(
    {
        "units": POSITIVE,
        "activation": text,
        "init": _initialiser,
        "bias_init": _initialiser,
        "dropout": number,
    },
    {"mask": FROZEN_ARRAY},
)
PENALTY = keys({"strength": number, "per": text})
STOPPING = keys(
    {"on": text, "tol": written_number, "patience": written_number, "restore_best": flag}
)
LEFT_OUT = keys({"examples": each(whole()), "rescale": flag})
# All that decides a training but for the data; its SHA-256 is in the database, too.
PLAN: dict[str, Check] = {
    "id": ID,
    "network": keys({"inputs": _inputs, "layers": each(LAYER), "cost": text}),
    "optimizer": _rule({rule.__name__: rule for rule in (*OPTIMIZERS.values(), LBFGS)}),
    "schedule": _rule({rule.__name__: rule for rule in SCHEDULES.values()}),
    "stopping": maybe(STOPPING),
    "l1": PENALTY,
    "l2": PENALTY,
    "clip": keys({"norm": maybe(number), "value": maybe(number)}),
    "n": POSITIVE,
    "epochs": whole(),
    "batch_size": POSITIVE,
    "seed": whole(most=2**1024),
    "shuffle": _shuffle,
    "dtype": one_of(("float32", "float64")),
    "label_smoothing": number,
    "cost_below": maybe(written_number),
    "own": mapping(maybe(SHA256)),
    "engine": one_of(("native", "reference", "xla")),
    "start": whole(),
    "log_every": whole(),
    "layer_statistics": flag,
    "left_out": maybe(LEFT_OUT),
}
# What plans of an older version do not have, nor those that do without.
MORE_OF_PLAN: dict[str, Check] = {
    "rate_multipliers": mapping(_multiplier),
    "blocks": POSITIVE,
    "products": one_of(tuple(PRODUCTS)),
}

# ── where, on what, and what came of it ──────────────────────────────────────────────────────────────

ENVIRONMENT: dict[str, Check] = {
    "threads": POSITIVE,
    "machine": keys({"system": text, "processor": text, "core": text, "blas": each(text)}),
    "versions": mapping(maybe(text)),
    "kernels": SHA256,
}

OF_DATA: dict[str, Check] = {
    "kind": text,
    "copied": flag,
    "several": maybe(flag),
    "sha256": mapping(keys({"X": SHA256, "y": SHA256}, {"sample_weight": SHA256}), PART),
    "rows": mapping(whole(), PART),
}
MAPPED = keys({"path": text, "offset": whole(), "dtype": text, "shape": each(whole())})
DATA = by(
    "kind",
    {
        "file": keys(OF_DATA | {"path": text}, {"header": whole(), "sheet": text}),
        "data set": keys(OF_DATA | {"name": one_of(NAMES), "seed": whole(most=2**1024)}),
        "frame": keys(OF_DATA),
        "folder": keys(OF_DATA | {"path": text}),
        "arrays": keys(OF_DATA),
        "mapped": keys(OF_DATA | {"places": keys({"X": MAPPED, "y": MAPPED})}),
    },
)


def _share_or_last(value: Any, where: str) -> None:
    (text if isinstance(value, str) else number)(value, where)


SETTINGS: dict[str, Check] = {
    "hidden": maybe(each(POSITIVE)),
    **dict.fromkeys(("activation", "optimizer", "engine"), text),
    **dict.fromkeys(("cost", "schedule"), maybe(text)),
    **dict.fromkeys(("dropout", "l1"), number),
    **dict.fromkeys(("learning_rate", "l2", "validation"), maybe(number)),
    **dict.fromkeys(("epochs", "batch_size"), maybe(POSITIVE)),
    "seed": whole(most=2**1024),
    "test": _share_or_last,
    "leave_out": each(text),
}
# What runs of an older version do not have.
MORE_SETTINGS: dict[str, Check] = {
    **dict.fromkeys(("class_weight", "aim", "quality"), maybe(text)),
    "products": maybe(one_of(tuple(PRODUCTS))),
    **dict.fromkeys(("member", "blocks"), POSITIVE),
    "types": each(each(text)),
    **dict.fromkeys(("na", "metrics"), each(text)),
}
assert (SETTINGS | MORE_SETTINGS).keys() == {field.name for field in fields(Settings)}

COUNT = whole()
OF_A_CLASS = keys(
    {"label": label, "rows": COUNT, "predicted": COUNT}
    | dict.fromkeys(("precision", "recall"), maybe(number))
)
OF_A_PART = keys(
    {"low": number, "high": number, "rows": COUNT, "absolute_error": number, "error": number}
)
OF_CLASSES: dict[str, Check] = {
    **dict.fromkeys(("accuracy", "baseline"), number),
    "baseline_label": label,
    "classes": each(OF_A_CLASS),
    "confusion": each(each(COUNT)),
}
ERRORS = ("rmse", "absolute_error", "baseline_rmse", "baseline_absolute_error")
OF_NUMBERS: dict[str, Check] = {
    **dict.fromkeys(("r2", "baseline"), maybe(number)),
    **dict.fromkeys(ERRORS, number),
    "parts": each(OF_A_PART),
}
# Of older runs no score takes probabilities.
MORE_OF_CLASSES = (
    *("balanced_accuracy", "roc_auc", "average_precision"),
    *("log_loss", "calibration_error"),
)
ANY_SCORES = {"kind": text, "rows": COUNT}
SCORES = by(
    "kind",
    {
        "accuracy": keys(ANY_SCORES | OF_CLASSES, dict.fromkeys(MORE_OF_CLASSES, maybe(number))),
        "r2": keys(ANY_SCORES | OF_NUMBERS, {"error_quantiles": each(number)}),
    },
)

MEASURES = mapping(maybe(number))
COMPARISON = keys(
    {
        "models": each(
            keys({"name": text, "rows": COUNT, "seconds": number, "measures": MEASURES})
        ),
        "verdict": text,
        "warnings": each(text),
    }
)
REPEATED = keys({"what": text, "times": COUNT, "models": mapping(mapping(each(maybe(number))))})

METRICS = keys(
    {"scorers": mapping(text), "own": each(text), "classes": maybe(each(label)), "several": flag},
    {"center": number, "scale": above_zero},  # which runs of an older version do not have
)


def _scale(value: Any, where: str) -> None:
    each(number)(value, where)
    if len(value) not in (2, 3):
        fail(value, where, "a center and a scale, and a bound where there is one")
    for bound in value[2:]:
        above_zero(bound, f"{where}[2]")


CALLED = keys(  # what inputs and outputs are called, of a fork on arrays from a run on a table
    dict.fromkeys(("inputs", "outputs", "origins", "classes"), each(text))
    | {"image": maybe(each(POSITIVE)), "scales": each(_scale), "target": _scale}
)
PARENT = keys({"run": text, "id": ID, "step": COUNT, "changes": mapping(plain())})
TABLE: dict[str, Check] = {
    "target": text,
    "task": TASK,
    "settings": keys(SETTINGS, MORE_SETTINGS),
    "scored_on": one_of((inside.TRAINING, inside.TEST)),
}
_OF_ARRAYS = keys(
    {"format": text, "schema": whole(1), "created": TIME, "data": DATA, "sha256": SHA256}
    | PLAN
    | ENVIRONMENT,
    {
        "parent": PARENT,
        "names": CALLED,
        "metrics": METRICS,
        "files": mapping(SHA256, one_of((inside.ENCODING, inside.MODEL))),
        "seconds": maybe(number),
        "baseline": label,
        "threshold": number,
        "members": POSITIVE,
        "pilots": POSITIVE,
        "scores": maybe(SCORES),
        "copies": maybe(keys({"rows": COUNT, "others": maybe(SCORES)})),
        "comparison": maybe(COMPARISON),
        "repeated": maybe(REPEATED),
    }
    | MORE_OF_PLAN
    | TABLE,
)


def check_manifest(about: Any) -> None:
    """Raise `ValueError`, which names the key, for an invalid manifest."""
    _OF_ARRAYS(about, "")
    if any(name in about for name in TABLE):
        for name in TABLE:
            if name not in about:
                raise ValueError(f"{name} is missing")
    data, n = about["data"], about["n"]
    rows, left_out = data["rows"], about["left_out"]
    if rows.get(inside.TRAINING) != n:
        raise ValueError(f"data.rows.training is {rows.get('training')}: it must be {n}, as n is")
    if rows.get(inside.VALIDATION) == 0:
        fail(0, "data.rows.validation", "at least 1")
    if left_out and not all(a < b for a, b in pairwise([-1, *left_out["examples"], n])):
        raise ValueError(f"left_out.examples must be indices from 0 to {n - 1}, in order")
    if "names" in about:
        _check_names(about["names"], about["network"])


def _check_names(names: dict[str, Any], network: dict[str, Any]) -> None:
    """Raise `ValueError`, which names the key, for names of another network than this one."""
    inputs = network["inputs"]
    count = math.prod(inputs) if isinstance(inputs, list) else inputs
    outputs = network["layers"][-1]["units"] if network["layers"] else 0
    sizes = {"inputs": count, "origins": count, "scales": count, "outputs": outputs, "classes": 2}
    for name, size in sizes.items():
        if len(names[name]) not in (0, size):
            raise ValueError(f"names.{name} are {len(names[name])}: they must be {size}, or none")
    image = names["image"]
    if image is not None and (len(image) != 2 or math.prod(image) != count):
        raise ValueError(f"names.image must be a height and a width, of {count} pixels")


# ── the table's encoding ─────────────────────────────────────────────────────────────────────────────

NUMBER_FORM = keys(
    {
        "decimal": one_of((".", ",", "")),
        "thousands": one_of(("", ",", ".", " ", "'")),
        "unit": text,
        **dict.fromkeys(("bare", "ranges", "parentheses"), flag),
    },
    {"bounds": flag, "family": text},
)
SPELLINGS = each(each(text))
FACTS = keys(
    dict.fromkeys(("name", "kind", "read", "becomes", "note"), text)
    | {"missing": COUNT, "distinct": maybe(COUNT), "examples": each(text)}
)

NAMED: dict[str, Check] = {"type": text, "name": text}
NUMBER_COLUMN: dict[str, Check] = {
    "kind": one_of(("number", "boolean")),
    "center": number,
    "scale": above_zero,
    "fill": number,
    "flagged": flag,
}
CATEGORY: dict[str, Check] = {
    "kind": one_of(("text", "code")),
    "values": each(text),
    "rare": flag,
    "missing": flag,
}
DATE: dict[str, Check] = {
    "kind": one_of(("date",)),
    "form": keys({"form": text}),
    "parts": each(text),
    "centers": each(number),
    "widths": each(above_zero),
    "fill": number,
    "flagged": flag,
}
SPLIT: dict[str, Check] = {
    "kind": one_of(("text",)),
    "mark": text,
    "forms": each(NUMBER_FORM),
    "places": each(COUNT),
    "parts": each(
        keys({"name": text} | NUMBER_COLUMN, {"form": NUMBER_FORM, "edges": each(number)})
    ),
}
COLUMN = by(
    "type",
    {
        "number": keys(NAMED | NUMBER_COLUMN, {"form": NUMBER_FORM, "edges": each(number)}),
        "category": keys(NAMED | CATEGORY, {"spellings": SPELLINGS, "rare_values": each(text)}),
        "date": keys(NAMED | DATE, {"edges": each(each(number))}),
        "split": keys(NAMED | SPLIT),
    },
)
TARGET = keys(
    {
        "name": text,
        "task": TASK,
        "kind": one_of(("number", "boolean", "text", "code")),
        "classes": each(label),
        "center": number,
        "scale": above_zero,
        "notes": each(text),
    },
    {"form": NUMBER_FORM, "spellings": SPELLINGS, "na": each(text), "threshold": number},
)
TURNED = keys(
    {"name": text, "of": each(_factor), "center": number, "scale": above_zero}
    | {"edges": each(number)},
    {"fill": number},
)
ENCODING = keys(
    {"columns": each(COLUMN), "target": TARGET, "notes": each(text)},
    {"facts": each(FACTS), "turned": each(TURNED)},
)

# ── what stands in the database, as JSON ─────────────────────────────────────────────────────────────

EPOCH = keys(
    {
        "cost": any_number,
        "learning_rate": any_number,
        "validation_cost": maybe(any_number),
        "validation_score": maybe(any_number),
        "layers": each(keys({"gradient": any_number, "update": any_number})),
    },
    {"metrics": mapping(any_number)},  # which runs of an older version do not have
)
STAGE = keys({"epochs": whole(), "environment": keys(ENVIRONMENT), "plan": SHA256})
ROWS = keys(dict.fromkeys(("chunks", "epochs", "snapshots", "stages"), COUNT))
