"""An answer as plain data for JSON: dictionaries, lists, text, finite numbers, None.

A number that is not finite becomes None. An array of more than `limit` numbers becomes its shape and its
100 largest entries, {"shape": [784, 100], "largest": [{"at": [3, 1], "value": -2.5}, …],
"left_out": 78300}, so that the answer about a large network stays small; `limit=None` keeps everything.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from whygrad.answers.expression import Equation
from whygrad.answers.parts import Answer, Factor, Table
from whygrad.answers.pictures import BarPicture, CurvePicture, ImagePicture, NetworkPicture
from whygrad.answers.write.latex import expression_latex
from whygrad.answers.write.text import expression_text

LIMIT = 10_000  # numbers of an array that are listed one by one
LARGEST = 100  # entries of an array that is longer
PICTURES: dict[type, str] = {
    NetworkPicture: "network",
    CurvePicture: "curves",
    BarPicture: "bars",
    ImagePicture: "images",
}


def to_dict(about: Answer, limit: int | None = LIMIT) -> dict[str, Any]:
    """Return everything that an answer holds, as plain data."""
    return {field.name: _plain(getattr(about, field.name), limit) for field in fields(about)}


def _plain(about: Any, limit: int | None) -> Any:
    """Return data as plain data; what is of no known kind becomes its `str`."""
    if about is None or isinstance(about, bool | str):
        return about
    if isinstance(about, np.generic):
        return _plain(about.item(), limit)
    if isinstance(about, int):
        return about
    if isinstance(about, float):
        return about if math.isfinite(about) else None
    if isinstance(about, np.ndarray):
        return _array(about, limit)
    if isinstance(about, Mapping):
        return {str(name): _plain(value, limit) for name, value in about.items()}
    if isinstance(about, list | tuple | set | frozenset | range):
        return [_plain(one, limit) for one in about]
    if is_dataclass(about) and not isinstance(about, type):
        return _fields(about, limit)
    return str(about)


def _fields(about: Any, limit: int | None) -> dict[str, Any]:
    """Return the fields of a frozen dataclass; trees and pictures name their kind."""
    plain = {field.name: _plain(getattr(about, field.name), limit) for field in fields(about)}
    kind = type(about)
    if kind in PICTURES:
        return {"picture": PICTURES[kind], **plain}
    if kind is Equation:
        written = {"text": expression_text(about), "latex": expression_latex(about)}
        return {"node": "equation", **written, **_without_defaults(about, plain)}
    if kind is Factor:
        return plain | {"text": expression_text(about.symbol)}
    if kind is Table or kind.__module__ != "whygrad.answers.expression":
        return plain
    return {"node": kind.__name__.lower(), **_without_defaults(about, plain)}


def _without_defaults(about: Any, plain: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a node of a tree does not say."""
    silent = {field.name for field in fields(about) if getattr(about, field.name) == field.default}
    return {name: value for name, value in plain.items() if name not in silent}


def _array(about: np.ndarray, limit: int | None) -> Any:
    if about.dtype.kind not in "biuf":
        return _plain(about.tolist(), limit)
    if limit is None or about.size <= limit:
        return _plain(about.tolist(), limit)
    sizes = np.nan_to_num(np.abs(about.astype(float)).ravel(), nan=-1.0)
    places = np.argsort(-sizes, kind="stable")[:LARGEST]
    largest = [
        {"at": [int(i) for i in np.unravel_index(place, about.shape)], "value": about.flat[place]}
        for place in places
    ]
    left_out = about.size - len(largest)
    return {"shape": list(about.shape), "largest": _plain(largest, limit), "left_out": left_out}
