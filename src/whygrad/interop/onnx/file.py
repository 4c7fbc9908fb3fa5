"""A file → the model in it, whole and checked: what it claims is there, and nothing outside its folder.

Arrays may lie in files beside it (`external data`): these are read only where they are plain files of the
model's own folder, and as far as they reach.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from whygrad.errors import FileError
from whygrad.files import check_regular
from whygrad.nn import Array


def load(path: Path) -> Any:
    """Return the model of a file, with all its arrays within; raises `FileError` for what is damaged."""
    check_regular(path)
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except DecodeError:
        raise FileError(f"{path}: not an ONNX model, or damaged") from None
    if not model.graph.node:
        raise FileError(f"{path}: not an ONNX model, or an empty one")
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            _take_in(tensor, path)
    return model


def _tensors(graph: Any) -> list[Any]:
    found = list(graph.initializer)
    for node in graph.node:
        for one in node.attribute:
            found += [one.t] if one.type == onnx.AttributeProto.TENSOR else []
    return found


def _take_in(tensor: Any, path: Path) -> None:
    """Put an array that lies in a file beside the model into the model."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    name = about.get("location", "")
    beside = path.parent / name
    if not name or Path(name).is_absolute() or beside.resolve().parent != path.parent.resolve():
        raise FileError(
            f"{path}: {tensor.name!r} lies in {name!r}, outside the folder of the model: only files beside "
            "it are read"
        )
    kind = _kind(tensor, str(path))
    length = int(np.prod([float(n) for n in tensor.dims])) * kind.itemsize
    try:
        offset = int(about.get("offset", 0))
        check_regular(beside)
        with beside.open("rb") as file:
            size = file.seek(0, 2)
            if offset < 0 or not 0 <= length <= size - offset:
                raise FileError(
                    f"{path}: {tensor.name!r} claims {length:,} bytes at {offset:,} of {name}, which has "
                    f"{size:,}"
                )
            file.seek(offset)
            content = file.read(length)
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FileError(
            f"{path}: {name}, which holds its numbers, cannot be read ({reason})"
        ) from None
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = content


def constants_of(graph: Any, what: str) -> dict[str, Array]:
    """Return the arrays of a graph by name; raises `FileError` for one that is not what it claims."""
    if graph.sparse_initializer:
        raise FileError(f"{what}: it holds sparse arrays, which are not read")
    return {tensor.name: _array(tensor, what) for tensor in graph.initializer}


def _array(tensor: Any, what: str) -> Array:
    _kind(tensor, what)
    if any(n < 0 for n in tensor.dims):
        raise FileError(f"{what}: {tensor.name!r} claims the shape {tuple(tensor.dims)}")
    if tensor.data_location == TensorProto.EXTERNAL:
        raise FileError(f"{what}: {tensor.name!r} lies in a file: give the path of the model")
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise FileError(
            f"{what}: damaged, {tensor.name!r} is no array of shape {tuple(tensor.dims)} ({error})"
        ) from None
    if tensor.data_type == TensorProto.STRING:
        return np.array([text(one) for one in array.reshape(-1)], dtype=object)
    return array


def _kind(tensor: Any, what: str) -> Any:
    try:
        return helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, ValueError):
        raise FileError(
            f"{what}: damaged, {tensor.name!r} has no type of numbers that there is"
        ) from None


def text(value: Any) -> Any:
    """Return a label as text where it is bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
