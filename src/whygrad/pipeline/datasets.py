"""The data sets that come with whygrad, by name, and IDX files, the format that MNIST comes in.

Five come with scikit-learn, four are drawn from a seed, and MNIST is read from disk or fetched once. An
IDX file is a header (two zero bytes, the type of the numbers, how many dimensions, then each dimension as
a big-endian 32-bit integer) followed by the numbers, row by row; often packed with gzip.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from whygrad.address_space import refuse_without_sklearn
from whygrad.errors import FileError, InputError, nearest
from whygrad.nn.functions import Array

# The type code in the header → the dtype of the numbers.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
POINTS = 400  # of a drawn data set


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples, and names for what is in them.

    Parameters
    ----------
    name : str
        The name that `load` was given.
    task : {"classification", "regression"}
        What is predicted.
    X : array, shape (n, n_0)
        Inputs; of images the pixels, from 0 to 1.
    y : array, shape (n,)
        Classes 0, 1, … that index `classes`, or numbers.
    features : tuple of str, (n_0,)
        Names of the inputs; of images "row 3, column 7".
    target : str
        The name of what is predicted.
    classes : tuple of str
        Names of the classes, () for numbers.
    shape : (int, int) or None
        Height and width of images.
    X_test, y_test : arrays or None
        The test set, where the data set itself has one.
    """

    name: str
    task: Literal["classification", "regression"]
    X: Array
    y: Array
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] = ()
    shape: tuple[int, int] | None = None
    X_test: Array | None = None
    y_test: Array | None = None


def load(name: str, seed: int = 0, fetch: bool = True) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        "digits", "iris", "wine", "breast_cancer", "diabetes" (of scikit-learn), "mnist", or "xor",
        "spirals", "moons", "circles" (400 points in the plane, two classes).
    seed : int, default 0
        Decides the points of those that are drawn.
    fetch : bool, default True
        Whether MNIST is fetched where it is missing; without, that is refused at once.

    Returns
    -------
    Dataset
        The examples and their names.

    Raises
    ------
    InputError
        For an unknown name or an impossible seed.
    FileError
        Where MNIST is neither in $WHYGRAD_DATA nor in the cache, and OpenML is not asked or has it not.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998). Gradient-based learning applied to document recognition.

    Examples
    --------
    >>> load("iris").X.shape, load("iris").classes
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    if name in BUNDLED:
        return _bundled(name)
    if name in DRAWN:
        return _drawn(name, seed)
    if name == "mnist":
        return _mnist(fetch)
    raise InputError(f"unknown data set {name!r}: {nearest(str(name), NAMES)}")


# ── those that come with scikit-learn ────────────────────────────────────────────────────────────────

# Name → what is predicted.
BUNDLED = {
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}


def _bundled(name: str) -> Dataset:
    refuse_without_sklearn()
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, f"load_{name}")(**options)
    if name == "digits":
        classes = tuple(str(digit) for digit in found.target_names)
        return _images(name, found.data / 16, found.target, BUNDLED[name], classes, (8, 8))
    features = tuple(str(feature) for feature in found.feature_names)
    if name == "diabetes":
        return Dataset(name, "regression", found.data, found.target, features, BUNDLED[name])
    classes = tuple(str(label) for label in found.target_names)
    return Dataset(
        name, "classification", found.data, found.target, features, BUNDLED[name], classes
    )


def _images(
    name: str,
    X: Array,
    y: Array,
    target: str,
    classes: tuple[str, ...],
    shape: tuple[int, int],
    X_test: Array | None = None,
    y_test: Array | None = None,
) -> Dataset:
    height, width = shape
    features = tuple(f"row {i}, column {j}" for i in range(height) for j in range(width))
    return Dataset(name, "classification", X, y, features, target, classes, shape, X_test, y_test)


# ── those that are drawn ─────────────────────────────────────────────────────────────────────────────


def _xor(draws: np.random.Generator) -> tuple[Array, Array]:
    """Draw points around the four corners of a square; corners across have the same class."""
    corner = np.arange(POINTS) % 4
    x, y = corner // 2, corner % 2
    X = np.stack([x, y], axis=1) + draws.normal(0, 0.15, (POINTS, 2))
    return X, x ^ y


def _spirals(draws: np.random.Generator) -> tuple[Array, Array]:
    """Draw two spirals of one and a half turns, one within the other."""
    arm = np.arange(POINTS) % 2
    along = np.sqrt(draws.uniform(0.02, 1, POINTS))  # even along the arm, which grows outwards
    angle = 3 * np.pi * along + np.pi * arm
    X = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return X + draws.normal(0, 0.02, X.shape), arm


def _moons(draws: np.random.Generator) -> tuple[Array, Array]:
    """Draw two half circles that reach into each other."""
    moon = np.arange(POINTS) % 2
    angle = draws.uniform(0, np.pi, POINTS)
    x = np.where(moon == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(moon == 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=1) + draws.normal(0, 0.15, (POINTS, 2)), moon


def _circles(draws: np.random.Generator) -> tuple[Array, Array]:
    """Draw a circle around a smaller one."""
    inner = np.arange(POINTS) % 2
    angle = draws.uniform(0, 2 * np.pi, POINTS)
    radius = np.where(inner == 1, 0.5, 1.0)
    X = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return X + draws.normal(0, 0.08, X.shape), inner


# Name → how it is drawn, and the names of its classes 0 and 1.
DRAWN: dict[str, tuple[Callable[[np.random.Generator], tuple[Array, Array]], tuple[str, str]]] = {
    "xor": (_xor, ("same", "different")),
    "spirals": (_spirals, ("first", "second")),
    "moons": (_moons, ("upper", "lower")),
    "circles": (_circles, ("outer", "inner")),
}

NAMES = (*BUNDLED, "mnist", *DRAWN)


def _drawn(name: str, seed: int) -> Dataset:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"a seed is a whole number of at least 0, not {seed!r}")
    draw, classes = DRAWN[name]
    X, y = draw(np.random.default_rng(int(seed)))
    return Dataset(name, "classification", X, y, ("x", "y"), "class", classes)


# ── MNIST ────────────────────────────────────────────────────────────────────────────────────────────


def cache_folder() -> Path:
    """Return the folder where fetched data sets are kept: whygrad's own in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "whygrad"


def _mnist(fetch: bool) -> Dataset:
    """Read MNIST from $WHYGRAD_DATA/mnist, else from the cache, else fetch it and keep it there."""
    data = os.environ.get("WHYGRAD_DATA")
    folders = [Path(data) / "mnist"] if data else []
    folders.append(cache_folder() / "mnist")
    for folder in folders:
        if all(_idx_path(folder, name).exists() for name in MNIST_FILES):
            arrays = [read_idx(_idx_path(folder, name)) for name in MNIST_FILES]
            break
    else:
        searched = " or ".join(str(folder) for folder in folders)
        if not fetch:
            raise FileError(f"MNIST is not in {searched}: put its four IDX files there")
        arrays = _fetch_mnist(folders[-1], searched)
        for name, array in zip(MNIST_FILES, arrays, strict=True):
            _keep_idx(folders[-1] / f"{name}.gz", array)
    X, y, X_test, y_test = arrays
    flat = [images.reshape(len(images), -1) / np.float32(255) for images in (X, X_test)]
    digits = tuple(str(digit) for digit in range(10))
    labels = [array.astype(np.int64) for array in (y, y_test)]
    return _images("mnist", flat[0], labels[0], "digit", digits, (28, 28), flat[1], labels[1])


def _fetch_mnist(folder: Path, searched: str) -> list[Array]:
    """Fetch MNIST from OpenML, where it is one table of 70,000 images, the last 10,000 for testing."""
    refuse_without_sklearn()
    from sklearn.datasets import fetch_openml

    try:
        found: Any = fetch_openml(
            "mnist_784",
            version=1,
            as_frame=False,
            data_home=str(folder.parent),
            parser="liac-arff",
        )
        X = np.asarray(found.data, dtype=np.uint8).reshape(70000, 28, 28)
        y = np.asarray(found.target).astype(np.uint8).reshape(70000)
    except Exception as error:  # whatever a network can do, it ends in the same line
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(
            f"MNIST is not in {searched}, and fetching it from OpenML failed ({reason:.100}): put its four "
            "IDX files there"
        ) from None
    return [X[:60000], y[:60000], X[60000:], y[60000:]]


def _idx_path(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.gz"
    return packed if packed.exists() else folder / name


def _keep_idx(path: Path, array: Array) -> None:
    """Write bytes as a packed IDX file; do nothing where the cache cannot be written to."""
    from whygrad.files import write_atomically

    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 0x08, array.ndim, *array.shape)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, gzip.compress(header + array.tobytes(), compresslevel=6, mtime=0))
    except OSError:
        return


def read_idx(path: str | PathLike[str]) -> Array:
    """Read an IDX file, packed with gzip or not.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    array
        Its numbers, of the shape in its header.

    Raises
    ------
    FileError
        Where the file is missing, is not in this format, or is shorter than its header promises.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise FileError(f"{path}: not an IDX file")
    dtype, dimensions = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise FileError(f"{path}: damaged, its header is cut short")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    expected = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(content) != expected:
        raise FileError(
            f"{path}: damaged, {len(content)} bytes where its header promises {expected}"
        )
    return (
        np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    )
