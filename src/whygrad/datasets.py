"""Data sets on disk: IDX files, the format that MNIST comes in.

An IDX file is a header (two zero bytes, the type of the numbers, how many dimensions, then each dimension
as a big-endian 32-bit integer) followed by the numbers, row by row; often packed with gzip.
"""

import gzip
import os
import struct
import zlib
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from whygrad.errors import FileError
from whygrad.functions import Array

# The type code in the header → the dtype of the numbers.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Split(NamedTuple):
    """Training and test examples: images (n, 28, 28) with values from 0 to 1, and their classes (n,)."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


def read_idx(path: str | PathLike[str]) -> Array:
    """Read an IDX file, packed with gzip or not.

    Raises `FileError` where the file is missing, is not in this format, or is shorter than it says.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise FileError(f"{path}: not an IDX file")
    dtype, dimensions = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise FileError(f"{path}: damaged, its header is cut short")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    expected = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(content) != expected:
        raise FileError(f"{path}: damaged, {len(content)} bytes where its header promises {expected}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_mnist(folder: str | PathLike[str] | None = None) -> Split:
    """Read the four IDX files of MNIST, from `folder` or from $WHYGRAD_DATA/mnist.

    Raises `FileError` where they are not there.
    """
    if folder is None:
        data = os.environ.get("WHYGRAD_DATA")
        if not data:
            raise FileError("no folder given, and WHYGRAD_DATA is not set: where are MNIST's IDX files?")
        folder = Path(data) / "mnist"

    def read(name: str) -> Array:
        path = Path(folder) / f"{name}.gz"
        return read_idx(path if path.exists() else path.with_suffix(""))

    return Split(
        read("train-images-idx3-ubyte") / np.float32(255),
        read("train-labels-idx1-ubyte"),
        read("t10k-images-idx3-ubyte") / np.float32(255),
        read("t10k-labels-idx1-ubyte"),
    )
