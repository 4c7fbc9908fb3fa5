"""What a user asked for: options of the command line, and behind them those of a whygrad.toml."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from whygrad.errors import FileError, InputError, nearest
from whygrad.settings import Settings

FILE = "whygrad.toml"

TEXT = ("target", "task", "run", "activation", "cost", "optimizer", "schedule", "engine")
WHOLE = ("epochs", "batch_size", "seed")
NUMBERS = ("held_out", "rate", "dropout", "l1", "l2")
NAMES = (*TEXT, "hidden", "leave_out", *WHOLE, *NUMBERS)


def with_file(given: dict[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Fill in options that were not given from the folder's whygrad.toml, where there is one."""
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return given
    except OSError as error:
        raise FileError(f"{FILE}: cannot be read ({error.strerror or error})") from None
    try:
        found = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileError(f"{FILE}: not TOML ({error})") from None
    options = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in NAMES:
            known = [known.replace("_", "-") for known in NAMES]
            raise FileError(f"{FILE}: unknown option {key!r}: {nearest(key, known)}")
        options[name] = _checked(key, name, value)
    return {name: options.get(name) if value is None else value for name, value in given.items()}


def _checked(key: str, name: str, value: Any) -> Any:
    """Give a value of the file in the type that the command line would give it, or refuse it."""
    if name == "hidden":
        numbers = value if isinstance(value, list) else [value]
        if isinstance(value, str) or all(_is_whole(units) for units in numbers):
            return value if isinstance(value, str) else ",".join(map(str, numbers)) or "none"
        wanted = "whole numbers, as in [40, 20]"
    elif name == "leave_out":
        columns = value if isinstance(value, list) else [value]
        if all(isinstance(column, str) for column in columns):
            return columns
        wanted = 'names of columns, as in ["id", "name"]'
    elif name in TEXT:
        if isinstance(value, str):
            return value
        wanted = 'text, as in "adam"'
    elif name in WHOLE:
        if _is_whole(value):
            return value
        wanted = "a whole number"
    else:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        wanted = "a number"
    raise FileError(f"{FILE}: {key} is {value!r}: it must be {wanted}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def settings_of(options: dict[str, Any]) -> Settings:
    """Give the settings that options describe; raises `InputError` for those that make no sense."""
    names = {field.name for field in fields(Settings)}
    known = {k: v for k, v in options.items() if k in names and v is not None}
    if "hidden" in known:
        known["hidden"] = hidden_layers(known["hidden"])
    if "leave_out" in known:
        known["leave_out"] = tuple(dict.fromkeys(known["leave_out"]))
    return Settings(**known)


def hidden_layers(text: str) -> tuple[int, ...]:
    """Read the units of hidden layers.

    >>> hidden_layers("40,20"), hidden_layers("none")
    ((40, 20), ())
    """
    if text.strip() in ("none", "0"):
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"hidden layers {text!r}: give units like 40,20, or none")
    return tuple(int(part) for part in parts)
