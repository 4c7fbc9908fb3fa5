"""Checks of values from JSON, composed into a schema: each takes a value and the key where it stands.

    keys({"units": whole(1), "activation": text})(about, "layers[0]")

An invalid value raises `ValueError` in one line, which names the key.
"""

import re
from collections.abc import Callable, Collection, Mapping
from sys import float_info
from typing import Any, NoReturn, TypeAlias

from whygrad.errors import nearest

Check: TypeAlias = Callable[[Any, str], None]

LARGEST = 2**63 - 1  # what counts and sizes may be


def fail(value: Any, where: str, must: str) -> NoReturn:
    """Raise `ValueError` for a value that is not what it must be."""
    kind = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else ""
    shown = kind or repr(value)[:60]
    raise ValueError(f"{where} is {shown}: it must be {must}")


def text(value: Any, where: str) -> None:
    """Accept text."""
    if not isinstance(value, str):
        fail(value, where, "text")


def flag(value: Any, where: str) -> None:
    """Accept true and false."""
    if not isinstance(value, bool):
        fail(value, where, "true or false")


def whole(least: int = 0, most: int = LARGEST) -> Check:
    """Accept whole numbers in a range."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            fail(value, where, f"a whole number of at least {least}")

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any, where: str) -> None:
    """Accept finite numbers."""
    if not _is_number(value) or not -float_info.max <= value <= float_info.max:
        fail(value, where, "a finite number")


def above_zero(value: Any, where: str) -> None:
    """Accept finite numbers above 0."""
    number(value, where)
    if value <= 0:
        fail(value, where, "above 0")


def any_number(value: Any, where: str) -> None:
    """Accept numbers, NaN and infinity included."""
    if not _is_number(value) or (isinstance(value, int) and abs(value) > LARGEST):
        fail(value, where, "a number")


def written_number(value: Any, where: str) -> None:
    """Accept finite numbers, and others as {"float": "inf"}."""
    if isinstance(value, dict) and list(value) == ["float"]:
        one_of(("inf", "-inf", "nan"))(value["float"], f"{where}.float")
    else:
        number(value, where)


def label(value: Any, where: str) -> None:
    """Accept the label of a class: text, a finite number, true or false."""
    if not isinstance(value, str | bool):
        number(value, where)


def one_of(known: Collection[Any]) -> Check:
    """Accept only these values."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in known:
            fail(value, where, f"one of {', '.join(map(str, known))}")

    return check


def matching(pattern: str, what: str) -> Check:
    """Accept text that matches a pattern."""
    form = re.compile(pattern)

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not form.fullmatch(value):
            fail(value, where, what)

    return check


def maybe(inner: Check) -> Check:
    """Accept null as well."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def each(inner: Check, counts: tuple[int, ...] = ()) -> Check:
    """Accept a list of such values, and of so many where that is given."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            fail(value, where, "a list")
        if counts and len(value) not in counts:
            fail(value, where, f"a list of {' or '.join(map(str, counts))}")
        for i, one in enumerate(value):
            inner(one, f"{where}[{i}]")

    return check


def mapping(inner: Check, names: Check = text) -> Check:
    """Accept an object with such values and any number of keys."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            fail(value, where, "an object")
        for name, one in value.items():
            names(name, f"a key of {where}")
            inner(one, _at(where, name))

    return check


def keys(required: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """Accept an object with these keys; those in `more` may be missing."""
    known = {**required, **(more or {})}

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            fail(value, where, "an object")
        for name in required:
            if name not in value:
                raise ValueError(f"{_at(where, name)} is missing")
        for name, one in value.items():
            if name not in known:
                raise ValueError(f"{_at(where, name)} is unknown: {nearest(name, known)}")
            known[name](one, _at(where, name))

    return check


def by(key: str, kinds: Mapping[str, Check]) -> Check:
    """Accept an object of one of several kinds, named by one of its keys."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            fail(value, where, "an object")
        one_of(kinds)(value.get(key), _at(where, key))
        kinds[value[key]](value, where)

    return check


def plain(depth: int = 4) -> Check:
    """Accept anything made of text, finite numbers, lists and objects, nested at most `depth` deep."""

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
