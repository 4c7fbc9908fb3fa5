"""The manifest of a run: what decides its training, as JSON, with a schema version of its own.

It is written when training starts, and once more when it has ended, with what came of it.
"""

import json
from pathlib import Path
from typing import Any

from whygrad.errors import FileError
from whygrad.files import sha256, write_atomically
from whygrad.record.place import MANIFEST as NAME

FORMAT = "whygrad run"
SCHEMA = 1

MODEL = "model.safetensors"
ENCODING = "encoding.json"


def write(folder: Path, about: dict[str, Any]) -> None:
    """Write a run's manifest, replacing the one that is there."""
    write_json(folder / NAME, {"format": FORMAT, "schema": SCHEMA} | about)


def write_json(path: Path, about: object) -> None:
    """Write JSON whole or not at all."""
    content = json.dumps(about, indent=1, allow_nan=False, ensure_ascii=False)
    # A file name that is no text has surrogates in it: they become the escapes that JSON knows.
    write_atomically(path, f"{content}\n".encode("utf-8", "backslashreplace"))


def read(folder: Path) -> dict[str, Any]:
    """Read a run's manifest; raises `FileError` where the folder holds none that can be used."""
    path = folder / NAME
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{folder}: not a run, it has no {NAME}{_rest(folder)}") from None
    except (ValueError, RecursionError):
        raise FileError(f"{folder}: damaged, its {NAME} is not JSON{_rest(folder)}") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FileError(f"{folder}: not a run, its {NAME} is of something else")
    schema = about.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise FileError(f"{folder}: damaged, it does not say which schema it was written in")
    if schema > SCHEMA:
        raise FileError(
            f"{folder}: written by a newer whygrad (schema {schema}, this one reads up to {SCHEMA}): "
            f"upgrade whygrad{_rest(folder)}"
        )
    return about


def _rest(folder: Path) -> str:
    """Say what can still be had of a run that cannot be opened."""
    model = folder / MODEL
    return f"; load({str(model)!r}) gives its parameters and history" if model.exists() else ""


def check_file(folder: Path, name: str, about: dict[str, Any]) -> Path:
    """Give the path of one of the run's files, which must be there as it was written."""
    path, rest = folder / name, "" if name == MODEL else _rest(folder)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"{folder}: damaged, {name} is missing{rest}") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    files = about.get("files")
    if not isinstance(files, dict) or files.get(name) != sha256(content):
        raise FileError(f"{folder}: damaged, {name} is not what was written there{rest}")
    return path
