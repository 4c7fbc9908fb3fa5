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
        raise FileError(f"{folder}: not a run, it has no {NAME}") from None
    except (ValueError, RecursionError):
        raise FileError(f"{folder}: damaged, its {NAME} is not JSON") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FileError(f"{folder}: not a run, its {NAME} is of something else")
    schema = about.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise FileError(f"{folder}: damaged, it does not say which schema it was written in")
    if schema > SCHEMA:
        model = folder / MODEL
        rest = f"; load({str(model)!r}) gives its parameters and history" if model.exists() else ""
        raise FileError(
            f"{folder}: written by a newer whygrad (schema {schema}, this one reads up to {SCHEMA}): "
            f"upgrade whygrad{rest}"
        )
    return about


def check_file(folder: Path, name: str, about: dict[str, Any]) -> Path:
    """Give the path of one of the run's files, which must be there as it was written."""
    path = folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"{folder}: damaged, {name} is missing") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    files = about.get("files")
    if not isinstance(files, dict) or files.get(name) != sha256(content):
        raise FileError(f"{folder}: damaged, {name} is not what was written there")
    return path
