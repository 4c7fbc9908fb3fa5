"""Checks of what JSON may hold, put together to a schema: each takes a value, and the key it stands at.

    keys({"units": whole(1), "activation": text})(about, "layers[0]")

A value that is not as it must be raises `ValueError` in one line, which names the key.
"""

import re
from collections.abc import Callable, Collection, Mapping
from sys import float_info
from typing import Any, NoReturn, TypeAlias

from whygrad.errors import nearest

Check: TypeAlias = Callable[[Any, str], None]

LARGEST = 2**63 - 1  # what counts and sizes may be


def refuse(value: Any, where: str, must: str) -> NoReturn:
    """Record that a value is not what it must be."""
    kind = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else ""
    shown = kind or repr(value)[:60]
    raise ValueError(f"{where} is {shown}: it must be {must}")


def text(value: Any, where: str) -> None:
    """Take text."""
    if not isinstance(value, str):
        refuse(value, where, "text")


def flag(value: Any, where: str) -> None:
    """Take true and false."""
    if not isinstance(value, bool):
        refuse(value, where, "true or false")


def whole(least: int = 0, most: int = LARGEST) -> Check:
    """Take whole numbers."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            refuse(value, where, f"a whole number of at least {least}")

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any, where: str) -> None:
    """Take finite numbers."""
    if not _is_number(value) or not -float_info.max <= value <= float_info.max:
        refuse(value, where, "a finite number")


def above_zero(value: Any, where: str) -> None:
    """Take finite numbers above 0."""
    number(value, where)
    if value <= 0:
        refuse(value, where, "above 0")


def any_number(value: Any, where: str) -> None:
    """Take numbers, NaN and infinity included."""
    if not _is_number(value) or (isinstance(value, int) and abs(value) > LARGEST):
        refuse(value, where, "a number")


def written_number(value: Any, where: str) -> None:
    """Take finite numbers, and the others as {"float": "inf"}."""
    if isinstance(value, dict) and list(value) == ["float"]:
        one_of(("inf", "-inf", "nan"))(value["float"], f"{where}.float")
    else:
        number(value, where)


def label(value: Any, where: str) -> None:
    """Take what a class may be called: text, a finite number, true or false."""
    if not isinstance(value, str | bool):
        number(value, where)


def one_of(known: Collection[Any]) -> Check:
    """Take some values alone."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in known:
            refuse(value, where, f"one of {', '.join(map(str, known))}")

    return check


def matching(pattern: str, what: str) -> Check:
    """Take text of a form."""
    form = re.compile(pattern)

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not form.fullmatch(value):
            refuse(value, where, what)

    return check


def maybe(inner: Check) -> Check:
    """Take null as well."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def each(inner: Check) -> Check:
    """Take a list of such values."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            refuse(value, where, "a list")
        for i, one in enumerate(value):
            inner(one, f"{where}[{i}]")

    return check


def mapping(inner: Check, names: Check = text) -> Check:
    """Take an object with such values, by names of any number."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(value, where, "an object")
        for name, one in value.items():
            names(name, f"a key of {where}")
            inner(one, _at(where, name))

    return check


def keys(required: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """Take an object with these keys; of `more` any may be missing."""
    known = {**required, **(more or {})}

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(value, where, "an object")
        for name in required:
            if name not in value:
                raise ValueError(f"{_at(where, name)} is missing")
        for name, one in value.items():
            if name not in known:
                raise ValueError(f"{_at(where, name)} is unknown: {nearest(name, known)}")
            known[name](one, _at(where, name))

    return check


def by(key: str, kinds: Mapping[str, Check]) -> Check:
    """Take an object of one of several kinds, which one of its keys tells apart."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(value, where, "an object")
        one_of(kinds)(value.get(key), _at(where, key))
        kinds[value[key]](value, where)

    return check


def plain(depth: int = 4) -> Check:
    """Take whatever is made of text, finite numbers, lists and objects, not nested deeper than so."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, list | dict) and not depth:
            raise ValueError(f"{where} is nested too deep")
        if isinstance(value, dict):
            mapping(plain(depth - 1))(value, where)
        elif isinstance(value, list):
            each(plain(depth - 1))(value, where)
        elif value is not None and not isinstance(value, str | bool):
            number(value, where)

    return check


def _at(where: str, name: str) -> str:
    shown = name if name.isidentifier() else repr(name[:60])[1:-1]
    return f"{where}.{shown}" if where else shown
