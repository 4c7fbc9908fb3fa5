"""The manifest of a run: what decides its training, as JSON, with a schema number of its own.

It is written when training starts, and once more at the end, with the results. It holds the SHA-256 of all
that it says; that of the plan is in the database as well.
"""

import json
from pathlib import Path
from typing import Any

from whygrad.errors import FileError, InputError
from whygrad.files import from_json, sha256
from whygrad.record.files import inside, schema

NAME, MODEL, ENCODING = inside.MANIFEST, inside.MODEL, inside.ENCODING
FORMAT, SCHEMA = schema.FORMAT, schema.NUMBER
DIGEST = "sha256"


def write(folder: Path, about: dict[str, Any]) -> None:
    """Write a run's manifest, replacing the one that is there."""
    about = {"format": FORMAT, "schema": SCHEMA} | about
    about[DIGEST] = digest(about)
    try:
        schema.check_manifest(json.loads(json.dumps(about)))
    except ValueError as error:
        raise InputError(f"{folder}: cannot be recorded, {error}") from None
    write_json(folder, NAME, about)


def write_json(folder: Path, name: str, about: object) -> None:
    """Write JSON whole or not at all."""
    content = json.dumps(about, indent=1, allow_nan=False, ensure_ascii=False)
    # A file name that is no text has surrogates in it: they become the escapes that JSON knows.
    inside.write(folder, name, f"{content}\n".encode("utf-8", "backslashreplace"))


def digest(about: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its own hash."""
    rest = {name: value for name, value in about.items() if name != DIGEST}
    return sha256(json.dumps(json.loads(json.dumps(rest)), sort_keys=True).encode())


def plan_digest(about: dict[str, Any]) -> str:
    """Return the SHA-256 of all that decides the training but for the data: it never changes."""
    more = [name for name in schema.MORE_OF_PLAN if name in about]
    return digest({name: about[name] for name in (*schema.PLAN, *more)})


def read(folder: Path) -> dict[str, Any]:
    """Read a run's manifest; raises `FileError` where the folder holds none that can be used."""
    if not inside.exists(folder, NAME):
        raise FileError(f"{folder}: not a run, it has no {NAME}{_rest(folder)}")
    content = inside.read(folder, NAME)
    try:
        about = from_json(content)
    except ValueError:
        raise FileError(f"{folder}: damaged, its {NAME} is not JSON{_rest(folder)}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FileError(f"{folder}: not a run, its {NAME} is of something else")
    _check_schema(folder, about.get("schema"))
    try:
        schema.check_manifest(about)
    except ValueError as error:
        raise FileError(f"{folder}: damaged, in its {NAME} {error}{_rest(folder)}") from None
    if about[DIGEST] != digest(about):
        raise FileError(
            f"{folder}: damaged, its {NAME} is not what was written there{_rest(folder)}"
        )
    return about


def _check_schema(folder: Path, number: Any) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise FileError(f"{folder}: damaged, it does not say which schema it was written in")
    if number > SCHEMA:
        raise FileError(
            f"{folder}: written by a newer whygrad (schema {number}, this one reads {SCHEMA}): "
            f"upgrade whygrad{_rest(folder)}"
        )
    if number < SCHEMA:
        raise FileError(
            f"{folder}: written by an older whygrad (schema {number}, this one reads {SCHEMA}): "
            f"train again{_rest(folder)}"
        )


def _rest(folder: Path) -> str:
    """Return a hint at what can still be read of a run that cannot be opened, or ""."""
    try:
        there = inside.exists(folder, MODEL)
    except FileError:
        return ""
    return f"; load({str(folder / MODEL)!r}) gives its parameters and history" if there else ""


def check_file(folder: Path, name: str, about: dict[str, Any]) -> bytes:
    """Return the content of one of the run's files; raises `FileError` unless it is as it was written."""
    rest = "" if name == MODEL else _rest(folder)
    if not inside.exists(folder, name):
        raise FileError(f"{folder}: damaged, {name} is missing{rest}")
    content = inside.read(folder, name)
    if about.get("files", {}).get(name) != sha256(content):
        raise FileError(f"{folder}: damaged, {name} is not what was written there{rest}")
    return content


def read_encoding(folder: Path, about: dict[str, Any]) -> Any:
    """Return what encoding.json says; raises `FileError` where it cannot be used."""
    content = check_file(folder, ENCODING, about)
    try:
        found = from_json(content)
        schema.ENCODING(found, "")
    except ValueError as error:
        raise FileError(f"{folder}: damaged, in its {ENCODING} {error}{_rest(folder)}") from None
    return found
