"""The original at work: onnxruntime where it is there and has the operations, else ONNX's own evaluator."""

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from whygrad.errors import InputError, first_line
from whygrad.interop.onnx.graph import dimensions, in_order, node_of
from whygrad.nn import Array, column_names


@dataclass(frozen=True, eq=False)
class Runner:
    """Computes one tensor of a model from rows; `name` says with what."""

    name: str
    given: tuple[Any, ...]
    run: Callable[[dict[str, Array]], Array]

    def __call__(self, X: Any) -> Array:
        """Return the tensor for rows, (n, units); batch by batch where that has a fixed size."""
        feeds = feeds_of(self.given, X)
        n = len(next(iter(feeds.values())))
        batch = batch_of(self.given)
        if batch is None:
            return _in_rows(self.run(feeds), n)
        found = []
        for i in range(0, n, batch):
            rows = np.arange(i, i + batch).clip(
                max=n - 1
            )  # the last row stands in for those that lack
            one = {name: array[rows] for name, array in feeds.items()}
            if any(len(dimensions(given)) == 1 for given in self.given):
                one = {name: array.reshape(-1) for name, array in one.items()}
            found.append(_in_rows(self.run(one), len(rows)))
        return np.concatenate(found)[:n]


def _in_rows(found: Any, n: int) -> Array:
    return np.asarray(found).reshape(n, -1)


def runner(model: Any, tensor: str, given: Any) -> Runner:
    """Return what computes a tensor of a model; raises `InputError` where nothing can."""
    reasons = []
    for make in (_by_onnxruntime, _by_onnx):
        try:
            return make(_up_to(model, tensor), tensor, given)
        except Exception as error:  # whatever it has to say of a model that it cannot run
            reasons.append(first_line(error))
    raise InputError("neither onnxruntime ({:.200}) nor onnx ({:.200}) runs it".format(*reasons))


def _by_onnxruntime(part: Any, tensor: str, given: Any) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    with redirect_stdout(StringIO()):  # it prints what it has to say of models that it cannot run
        session = onnxruntime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    names = {one.name for one in session.get_inputs()}
    inputs = tuple(one for one in given if one.name in names)
    return Runner("onnxruntime", inputs, lambda feeds: session.run([tensor], feeds)[0])


def _by_onnx(part: Any, tensor: str, given: Any) -> Runner:
    from onnx.reference import ReferenceEvaluator

    evaluator: Any = ReferenceEvaluator(part)
    return Runner("onnx.reference", tuple(given), lambda feeds: evaluator.run([tensor], feeds)[0])


def _up_to(model: Any, tensor: str) -> Any:
    """Return the part of a model that a tensor is computed by: beside it may stand what nothing runs."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    given = {one.name for one in (*model.graph.input, *model.graph.initializer)}
    places = in_order(list(map(node_of, model.graph.node)), given)
    needed, kept = {tensor}, []
    for node in (part.graph.node[i] for i in reversed(places)):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    kept.reverse()
    graph = onnx.GraphProto(name=model.graph.name, node=kept, initializer=model.graph.initializer)
    graph.input.extend(model.graph.input)
    graph.output.append(onnx.ValueInfoProto(name=tensor))
    part.graph.CopyFrom(graph)
    return part


def batch_of(given: Any) -> int | None:
    """Return the number of rows that a model takes at a time, None for any."""
    sizes = [1 if len(dims) == 1 else dims[0] for dims in map(dimensions, given) if dims]
    fixed = [size for size in sizes if size is not None]
    return min(fixed) if fixed else None


def feeds_of(given: Any, X: Any) -> dict[str, Array]:
    """Return the inputs of a graph from rows: the columns of a table, in order or by name."""
    found, start = {}, 0
    names = column_names(X)
    by_name = len(given) > 1 and set(names) >= {one.name for one in given}
    table = X if by_name else _table(X)
    for one in given:
        dims = dimensions(one)
        width = int(np.prod([n or 1 for n in dims[1:]])) if len(dims) > 1 else 1
        if len(given) == 1:
            part: Any = table
        elif by_name:
            part = np.asarray(X[one.name]).reshape(-1, 1)
        else:
            part = table[:, start : start + width]
            start += width
        shape = [n or -1 for n in dims[1:]]
        shape = shape if shape.count(-1) < 2 else [-1]
        found[one.name] = _typed(part, one).reshape(len(part), *(shape if len(dims) > 1 else [-1]))
    return found


def _table(X: Any) -> Array:
    X = np.asarray(X)
    return X.reshape(1, -1) if X.ndim == 1 else X.reshape(len(X), -1)


def _typed(part: Array, given: Any) -> Array:
    kind = given.type.tensor_type.elem_type
    if kind == TensorProto.STRING:
        return np.asarray(part).astype(str).astype(object)
    try:
        return np.ascontiguousarray(part, helper.tensor_dtype_to_np_dtype(kind))
    except (ValueError, TypeError) as error:
        raise InputError(f"{given.name!r} takes numbers: {error}") from None
