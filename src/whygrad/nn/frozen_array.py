"""An array as frozen data: it is hashable, equal by value, and small in a file.

Masks of layers and factors on learning rates are such arrays: parts of a `Network` and of a `Plan`, which
are compared, hashed, pickled and written to files.
"""

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import Array

KINDS = {"bool": np.dtype(bool), "float64": np.dtype("<f8")}


@dataclass(frozen=True, repr=False)
class FrozenArray:
    """An array that never changes.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    kind : {"bool", "float64"}
        Its dtype.
    content : bytes
        Its numbers, row by row.

    Examples
    --------
    >>> frozen = freeze(np.eye(2, dtype=bool))
    >>> frozen == freeze(np.eye(2, dtype=bool)), frozen
    (True, <bool array of 2 x 2>)
    >>> np.asarray(frozen)
    array([[ True, False],
           [False,  True]])
    """

    shape: tuple[int, ...]
    kind: str
    content: bytes

    def __repr__(self) -> str:
        return f"<{self.kind} array of {' x '.join(map(str, self.shape))}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"shape": self.shape, "kind": self.kind, "content": self.content}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        changed = dtype is not None and np.dtype(dtype) != self.array.dtype
        return self.array.astype(dtype) if changed else self.array.copy() if copy else self.array

    @cached_property
    def array(self) -> Array:
        """Its numbers, which cannot be written to."""
        return np.frombuffer(self.content, KINDS[self.kind]).reshape(self.shape)


def freeze(array: Any) -> FrozenArray:
    """Return a copy of an array as frozen data: bool stays, all else becomes float64."""
    if isinstance(array, FrozenArray):
        return array
    array = np.asarray(array)
    kind = "bool" if array.dtype == bool else "float64"
    return FrozenArray(array.shape, kind, np.ascontiguousarray(array, KINDS[kind]).tobytes())


def to_dict(frozen: FrozenArray) -> dict[str, Any]:
    """Return the array as JSON has it: its numbers compressed, bits for bool."""
    packed = np.packbits(frozen.array).tobytes() if frozen.kind == "bool" else frozen.content
    text = base64.b64encode(zlib.compress(packed, 9)).decode("ascii")
    return {"shape": list(frozen.shape), "kind": frozen.kind, "content": text}


def from_dict(about: dict[str, Any]) -> FrozenArray:
    """Undo `to_dict`; raise `InputError` for what is damaged, which never fills more than its shape."""
    shape, kind = tuple(int(n) for n in about["shape"]), about["kind"]
    size = math.prod(shape)
    if min(shape, default=0) < 0 or kind not in KINDS:
        raise InputError("an array is damaged: it has no such shape or dtype")
    length = -(-size // 8) if kind == "bool" else size * KINDS[kind].itemsize
    try:
        packed = zlib.decompressobj().decompress(
            base64.b64decode(about["content"], validate=True), length + 1
        )
    except (binascii.Error, zlib.error) as error:
        raise InputError(f"an array is damaged ({error})") from None
    if len(packed) != length:
        raise InputError("an array is damaged: it does not have the numbers of its shape")
    if kind == "bool":
        packed = np.unpackbits(np.frombuffer(packed, np.uint8), count=size).tobytes()
    return FrozenArray(shape, kind, packed)
