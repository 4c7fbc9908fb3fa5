"""`.keras` and `.h5` files, read with h5py: nothing in them is run, and nothing outside of them is read.

A `.keras` file is a zip of config.json and model.weights.h5; an `.h5` file has the configuration in its
attributes and the weights in groups by layer. A file of strangers may be anything: what unpacks to far
more than it takes, or points at other files, is refused before it is read.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError, InputError, first_line
from whygrad.files import check_regular, from_json
from whygrad.interop.keras.layers import Place, Weights
from whygrad.nn.functions import Array

# What may be unpacked: so many times as much as the file takes, and this beyond it.
FOLDS, BEYOND = 50, 2**24
# Where the layers of a model stand in a `.keras` file; the second is of Keras 2.
ROOTS = ("layers", "_layer_checkpoint_dependencies")
SEPARATORS = ("/", "\\")  # the second of Keras 2 on Windows


@dataclass(frozen=True, eq=False)
class Saved:
    """A model in a file: its configuration, what it was compiled with, and its weights."""

    config: Any
    compiled: Any
    weights: Weights


@contextmanager
def opened(path: Path) -> Iterator[Saved]:
    """Lend the model in a file; raises `FileError` for what is none, or damaged."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise InputError(
            f'{path}: reading models of Keras takes h5py: pip install "whygrad[keras]"'
        ) from None
    check_regular(path)
    if path.is_dir():
        raise FileError(f"{path}: a folder, not a file: save the model as .keras")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    config = _json(_member(archive, "config.json", size, path), path)
                    content = io.BytesIO(_member(archive, "model.weights.h5", size, path))
                with h5py.File(content, "r") as h5:
                    yield Saved(config, config.get("compile_config"), _Numbered(path, h5, size))
            else:
                file.seek(0)
                with h5py.File(file, "r") as h5:
                    yield _legacy(path, h5, size)
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file") from None
    except (FileError, InputError):
        raise
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = first_line(error) or type(error).__name__
        raise FileError(f"{path}: no model of Keras, or damaged ({reason})") from None


def _member(archive: zipfile.ZipFile, name: str, size: int, path: Path) -> bytes:
    try:
        about = archive.getinfo(name)
    except KeyError:
        raise FileError(f"{path}: no model of Keras: there is no {name} in it") from None
    _check_unpacked(about.file_size, size, f"{path}: {name}")
    return archive.read(about)


def _check_unpacked(unpacked: int, packed: int, what: str) -> None:
    if unpacked > FOLDS * packed + BEYOND:
        raise FileError(f"{what} would unpack to {unpacked:,} bytes: that is no model's")


def _json(content: bytes | str, path: Path) -> Any:
    try:
        found = from_json(content, finite=False)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise FileError(f"{path}: damaged, its configuration cannot be read ({error})") from None
    return found


def _legacy(path: Path, h5: Any, size: int) -> Saved:
    config, training = h5.attrs.get("model_config"), h5.attrs.get("training_config")
    if config is None:
        what = (
            "weights alone" if "layer_names" in h5.attrs or "layers" in h5 else "no model of Keras"
        )
        raise FileError(
            f"{path}: {what}: save the whole model, model.save('model.keras'), for its layers are needed"
        )
    compiled = None if training is None else _json(training, path)
    if compiled and "optimizer_config" in compiled:
        compiled["optimizer"] = compiled["optimizer_config"]
    return Saved(_json(config, path), compiled, _Named(path, h5, size))


@dataclass(frozen=True, eq=False)
class _Stored:
    """The arrays of an HDF5 file."""

    path: Path
    h5: Any
    size: int

    def at(self, place: str) -> Any:
        """Return a group or dataset, or None; a link to another file is refused."""
        import h5py

        found = self.h5
        for part in place.split("/"):
            if not isinstance(found, h5py.Group) or part not in found:
                return None
            if isinstance(found.get(part, getlink=True), h5py.ExternalLink):
                raise FileError(f"{self.path}: {place} lies in another file: it is not read")
            found = found[part]
        return found

    def array(self, place: str) -> Array:
        """Return a dataset as float64."""
        found = self.at(place)
        if found is None or not hasattr(found, "dtype") or found.dtype.kind not in "fiu":
            raise FileError(f"{self.path}: damaged, there are no numbers at {place}")
        if found.external or found.is_virtual:
            raise FileError(f"{self.path}: {place} lies in another file: it is not read")
        _check_unpacked(found.nbytes, self.size, f"{self.path}: {place}")
        return np.asarray(found[()], np.float64)


class _Numbered(_Stored):
    """The weights of a `.keras` file, by number within each layer."""

    def __call__(self, path: tuple[Place, ...], names: tuple[str, ...]) -> dict[str, Array]:
        places = [""]
        for layer in path:
            under = [
                f"{place}{sep if place else ''}{root}{sep}{layer.stored}"
                for place in places
                for root in ROOTS
                for sep in SEPARATORS
            ]
            places = [each for each in under if self.at(each) is not None]
            if not places:
                raise FileError(f"{self.path}: damaged, there are no weights at {under[0]}")
        place = f"{places[0]}/vars"
        there = self.at(place)
        own = path[-1].name if there is None else there.attrs.get("name", path[-1].name)
        if own != path[-1].name:
            raise FileError(f"{self.path}: damaged, {place} is of {own}, not {path[-1].name}")
        numbered = ((name, f"{place}/{i}") for i, name in enumerate(names))
        return {name: self.array(each) for name, each in numbered if self.at(each) is not None}


class _Named(_Stored):
    """The weights of an `.h5` file: by the names of layer and weight, such as dense/kernel:0."""

    def __call__(self, path: tuple[Place, ...], names: tuple[str, ...]) -> dict[str, Array]:
        place = f"model_weights/{path[0].name}"
        group = self.at(place)
        if group is None:
            raise FileError(f"{self.path}: damaged, there are no weights at {place}")
        found = {}
        for given in group.attrs.get("weight_names", ()):
            each = given.decode() if isinstance(given, bytes) else str(given)
            *above, name = each.partition(":")[0].split("/")
            if name in names and (len(path) == 1 or above[-1:] == [path[-1].name]):
                found[name] = self.array(f"{place}/{each}")
        return found
