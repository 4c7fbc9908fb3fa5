"""A graph, operation by operation → what each of its tensors is: a value of a chain, a number, a label.

An operation that fits no chain breaks what comes after it, and nothing else: labels and lengths are
computed beside the network in ways of all kinds. Before the first matrix anything may stand.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import helper

from whygrad.errors import first_line
from whygrad.interop.onnx.operations import (
    CONSTANTS,
    FLOATS,
    FUNCTIONS,
    LARGEST,
    PASSING,
    constant_of,
    fitting,
)
from whygrad.interop.onnx.values import (
    Affine,
    Break,
    Input,
    Value,
    function,
    multiplied,
    resolve,
    scaled,
    side_by_side,
)
from whygrad.nn import Array


@dataclass(frozen=True, eq=False)
class Node:
    """An operation: its type, what it is called, and its attributes."""

    kind: str
    name: str
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        to = self.outputs[0] if self.outputs else ""
        return f"{self.kind} {self.name!r}" if self.name else f"{self.kind} to {to!r}"


@dataclass(frozen=True, eq=False)
class Broken:
    """A tensor that is no part of a chain, by the operation that broke it; `deep` if behind a matrix."""

    broken: Break
    deep: bool


@dataclass(frozen=True, eq=False)
class Index:
    """Which output is the largest, or beyond a threshold: an ArgMax of a value, and classes by index."""

    of: Value
    classes: Any = None
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class Both:
    """The probabilities of two classes, 1 − p and p, side by side; or of each of several labels."""

    of: Value


@dataclass(frozen=True, eq=False)
class Named:
    """Outputs with the names of their classes."""

    of: Any
    classes: Any


@dataclass(frozen=True, eq=False)
class Blocks:
    """Units in blocks, (n, blocks, units of one), or with the blocks first: networks side by side."""

    of: Value
    blocks: int
    first: bool = False


@dataclass(frozen=True, eq=False)
class Shape:
    """The lengths of a tensor, or what was computed from them."""


@dataclass(frozen=True, eq=False)
class Read:
    """The tensors of a graph by name, and which is the outcome of which operation, in order."""

    tensors: dict[str, Any]
    order: dict[str, int]
    eps: float


def read(graph: Any, constants: dict[str, Any]) -> Read:
    """Return what every tensor of a graph is, from its constants."""
    tensors: dict[str, Any] = dict(constants)
    for given in graph.input:
        if given.name not in tensors:
            tensors[given.name] = _input(given)
    order = dict.fromkeys(tensors, -1)
    eps = [float(np.finfo(np.float64).eps)]
    nodes = list(map(node_of, graph.node))
    for i in in_order(nodes, set(tensors)):
        node = nodes[i]
        for name, found in zip(node.outputs, _outputs(node, tensors, eps), strict=False):
            if name in tensors:
                raise Break(str(node), f"gives {name!r}, which is there already")
            if name:
                tensors[name], order[name] = found, i
    return Read(tensors, order, max(eps))


def in_order(nodes: list[Node], known: set[str]) -> list[int]:
    """Return the places of operations, each after those that it takes from.

    What cannot be put so comes last, as it stands.
    """
    users: dict[str, list[int]] = {}
    lacking = []
    for i, node in enumerate(nodes):
        needed = {name for name in node.inputs if name and name not in known}
        lacking.append(len(needed))
        for name in needed:
            users.setdefault(name, []).append(i)
    ready = [i for i, count in enumerate(lacking) if not count][::-1]
    found: list[int] = []
    while ready:
        i = ready.pop()
        found.append(i)
        for name in nodes[i].outputs:
            for user in users.pop(name, ()):
                lacking[user] -= 1
                if not lacking[user]:
                    ready.append(user)
    left = set(range(len(nodes))).difference(found)
    return [*found, *sorted(left)]


def node_of(proto: Any) -> Node:
    """Return an operation of the file."""
    attributes = {one.name: helper.get_attribute_value(one) for one in proto.attribute}
    domain = proto.domain if proto.domain not in ("", "ai.onnx", "ai.onnx.ml") else ""
    kind = f"{domain}.{proto.op_type}" if domain else proto.op_type
    return Node(kind, proto.name, attributes, tuple(proto.input), tuple(proto.output))


def dimensions(given: Any) -> list[int | None]:
    """Return the lengths of an input, None where they are not told; the first is that of the batch."""
    dims = given.type.tensor_type.shape.dim
    return [dim.dim_value if dim.dim_value > 0 else None for dim in dims]


def _input(given: Any) -> Value:
    dims = dimensions(given)
    inner = dims[1:] if len(dims) > 1 else dims
    units = None if not inner or None in inner else int(np.prod([n or 1 for n in inner]))
    if len(dims) == 1 and dims[0] is None:
        units = 1
    return Value(f"the input {given.name!r}", units, Affine(Input(((given.name, units),)), units))


def _outputs(node: Node, tensors: dict[str, Any], eps: list[float]) -> list[Any]:
    """Return what the outputs of an operation are; one that breaks the chain is told by it."""
    for name in node.inputs:
        if name and name not in tensors:
            raise Break(
                str(node), f"takes {name!r}, which neither the graph nor an operation before gives"
            )
    given = [tensors[name] if name else None for name in node.inputs]
    broken = [one for one in given if isinstance(one, Broken)]
    if broken and not (node.kind in MATRICES and not isinstance(given[1], Broken)):
        found: Any = Broken(broken[0].broken, any(one.deep for one in broken) or _deep(given))
        return [found] * len(node.outputs)
    try:
        return [_outcome(node, given, eps)] + [Shape()] * (len(node.outputs) - 1)
    except Break as error:
        return [Broken(error, _deep(given))] * len(node.outputs)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        return [Broken(Break(str(node), f"cannot be read ({first_line(error)})"), _deep(given))]


def _deep(given: list[Any]) -> bool:
    """Return whether what is given lies behind a matrix of weights."""
    return any(_lies_deep(one) for one in given)


def _lies_deep(one: Any) -> bool:
    if isinstance(one, Index | Both | Named):
        return True
    if isinstance(one, Blocks):
        one = one.of
    if isinstance(one, Broken):
        return one.deep
    if not isinstance(one, Value):
        return False
    if one.affine is None:
        return bool(one.seen) or (one.of is not None and _lies_deep(one.of[0]))
    return one.affine.is_dense or not isinstance(one.affine.below, Input)


def _outcome(node: Node, given: list[Any], eps: list[float]) -> Any:
    arrays = [one for one in given if isinstance(one, np.ndarray)]
    if node.kind == "Constant":
        return constant_of(node.attributes)
    if node.kind == "Shape":
        return Shape()
    if node.kind in MATRICES and len(arrays) < len([one for one in given if one is not None]):
        return _matrix(node, given, eps)
    if given and len(arrays) == len([one for one in given if one is not None]):
        return (
            fitting(CONSTANTS[node.kind](node.attributes, *given))
            if node.kind in CONSTANTS
            else Shape()
        )
    if any(isinstance(one, Shape) for one in given) and node.kind != "Reshape":
        return Shape()
    if node.kind in SPECIAL:
        return SPECIAL[node.kind](node, given)
    first = given[0]
    if node.kind in PASSING:
        if node.kind == "Cast" and isinstance(first, Value) and node.attributes["to"] not in FLOATS:
            if first.beyond is not None:
                return Index(first.beyond[0], threshold=first.beyond[1])
            raise Break(str(node), "makes whole numbers or text of numbers")
        return first
    if not all(isinstance(one, Value | np.ndarray | type(None)) for one in given):
        raise Break(str(node), "takes what is no number of the network")
    if node.kind in FUNCTIONS:
        return _function(node, given)
    raise Break(str(node), "is no operation of a chain of dense layers")


def _function(node: Node, given: list[Any]) -> Value:
    """Return a function of values and numbers; sums and multiples with constants stay affine."""
    where = str(node)
    if node.kind in AFFINE and len(given) == 2:
        u, v = given
        if isinstance(v, np.ndarray) and isinstance(u, Value):
            return scaled(where, u, *AFFINE[node.kind](v.astype(np.float64)))
        if isinstance(u, np.ndarray) and isinstance(v, Value):
            if node.kind in ("Add", "Mul"):
                return scaled(where, v, *AFFINE[node.kind](u.astype(np.float64)))
            if node.kind == "Sub":
                return scaled(where, v, -1.0, u)
    if node.kind == "Neg":
        return scaled(where, given[0], -1.0, 0.0)
    values = [
        one if one is None or isinstance(one, Value) else _number(where, one) for one in given
    ]
    while values and values[-1] is None:
        values.pop()
    found = function(where, FUNCTIONS[node.kind](node.attributes), values)
    if node.kind in ("Greater", "GreaterOrEqual"):
        compared, least = values
        if isinstance(compared, Value) and isinstance(least, float):
            found.beyond = compared, least
    return found


# Factor and shift of an operation with a constant on its right.
AFFINE: dict[str, Callable[[Array], tuple[Any, Any]]] = {
    "Add": lambda c: (1.0, c),
    "Sub": lambda c: (1.0, -c),
    "Mul": lambda c: (c, 0.0),
    "Div": lambda c: (1 / c, 0.0),
}


def _number(where: str, array: Array) -> Any:
    """Return an array as the one number that it holds, in all places."""
    if array.dtype.kind not in "fiub" or not array.size or (array != array.reshape(-1)[0]).any():
        raise Break(where, f"takes an array of shape {array.shape}, not one number for all units")
    value = array.reshape(-1)[0]
    return value if array.dtype.kind == "b" else float(value)


# ── matrices ─────────────────────────────────────────────────────────────────────────────────────────


def _matrix(node: Node, given: list[Any], eps: list[float]) -> Value | Blocks:
    """Gemm: α A' B' + β C; MatMul: A B."""
    where, about = str(node), node.attributes
    a, B, *more = given
    if isinstance(a, np.ndarray):
        raise Break(where, "has its weights on the left: rows stand there, as in rows @ weights")
    if isinstance(a, Blocks) and a.first and isinstance(B, np.ndarray) and B.ndim == 3:
        return _matrices(where, a, B, eps)
    if not isinstance(B, np.ndarray) or B.ndim != 2 or B.dtype.kind != "f":
        raise Break(where, "has no matrix of weights as its second input")
    if about.get("transA", 0):
        raise Break(where, "takes rows as columns (transA = 1)")
    W = (B if about.get("transB", 0) else B.T).astype(np.float64) * float(about.get("alpha", 1.0))
    b = None
    if more and more[0] is not None:
        if not isinstance(more[0], np.ndarray) or more[0].size not in (1, len(W)):
            raise Break(where, "has no bias for each unit as its third input")
        b = np.broadcast_to(more[0].reshape(-1).astype(np.float64), (len(W),))
        b = b * float(about.get("beta", 1.0))
    if isinstance(a, Broken) and not a.deep:  # the network begins here
        a = Value(node.inputs[0], W.shape[1], Affine(Input(tensor=node.inputs[0]), W.shape[1]))
    if not isinstance(a, Value):
        raise (
            a.broken
            if isinstance(a, Broken)
            else Break(where, "takes what is no number of the network")
        )
    found = multiplied(where, a, W, b)
    eps.append(float(np.finfo(B.dtype).eps))
    return found


def _matrices(where: str, a: Blocks, B: Array, eps: list[float]) -> Blocks:
    """MatMul of blocks: one matrix with zeros beside each of them."""
    if len(B) != a.blocks:
        raise Break(where, f"has {len(B)} matrices of weights for {a.blocks} blocks")
    K, inputs, units = B.shape
    if K * K * inputs * units > LARGEST:
        raise Break(where, f"has {K} matrices of weights, too large to be one")
    W = np.zeros((K, units, K, inputs))
    W[range(K), :, range(K)] = B.transpose(0, 2, 1)
    eps.append(float(np.finfo(B.dtype).eps))
    found = multiplied(where, a.of, W.reshape(K * units, K * inputs), None)
    return replace(a, of=found)


MATRICES = ("Gemm", "MatMul")


# ── operations of their own kind ─────────────────────────────────────────────────────────────────────


def _batch_normalisation(node: Node, given: list[Any]) -> Value:
    value, *arrays = given
    if not isinstance(value, Value) or node.attributes.get("training_mode", 0):
        raise Break(str(node), "normalises by the batch")
    gamma, beta, mean, variance = (np.asarray(one, np.float64) for one in arrays)
    by = gamma / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
    return scaled(str(node), value, by, beta - by * mean)


def _scaler(node: Node, given: list[Any]) -> Value:
    """Scaler: scale · (x − offset), of the domain ai.onnx.ml."""
    by = np.asarray(node.attributes.get("scale", [1.0]), np.float64)
    offset = np.asarray(node.attributes.get("offset", [0.0]), np.float64)
    if not isinstance(given[0], Value):
        raise Break(str(node), "scales what is no number")
    by, offset = np.broadcast_arrays(by, offset)
    return scaled(str(node), given[0], by, -by * offset)


def _softmax(node: Node, given: list[Any]) -> Any:
    if node.attributes.get("axis", -1) not in (1, -1):
        raise Break(str(node), f"has axis {node.attributes['axis']}: over the units it is 1")
    return _function(node, given)


def _reshape(node: Node, given: list[Any]) -> Any:
    """Reshape: a row for each example stays one."""
    value, shape = given[0], given[1] if len(given) > 1 else None
    if isinstance(value, Blocks) and not value.first:
        value = value.of
    elif isinstance(value, Value) and isinstance(shape, np.ndarray) and shape.shape == (3,):
        rows, blocks, units = map(int, shape)
        if blocks > 1 and rows in (0, -1) and blocks * units == value.units:
            return Blocks(value, blocks)
    if node.kind == "Flatten" and node.attributes.get("axis", 1) != 1:
        raise Break(str(node), f"has axis {node.attributes['axis']}: rows stay apart with axis 1")
    if isinstance(value, Index | Both | Named):
        return value
    if not isinstance(value, Value):
        raise Break(str(node), "is no operation of a chain of dense layers")
    last = shape.reshape(-1)[-1] if isinstance(shape, np.ndarray) and shape.size > 1 else -1
    if isinstance(shape, np.ndarray) and shape.tolist() == [
        -1,
        1,
    ]:  # skl2onnx strings the outputs of all rows together
        return value
    if value.units is not None and last not in (-1, 0, value.units):
        raise Break(str(node), f"makes rows of {last} numbers of rows of {value.units}")
    return value


def _transpose(node: Node, given: list[Any]) -> Blocks:
    """Transpose: the blocks first, or the rows again."""
    if isinstance(given[0], Blocks) and list(node.attributes.get("perm", ())) == [1, 0, 2]:
        return replace(given[0], first=not given[0].first)
    raise Break(str(node), "is no operation of a chain of dense layers")


def _concat(node: Node, given: list[Any]) -> Any:
    """Concat: inputs side by side, or 1 − p and p."""
    if node.attributes.get("axis", 1) not in (1, -1):
        raise Break(str(node), f"joins along axis {node.attributes['axis']}, not columns")
    if not all(isinstance(one, Value) for one in given):
        raise Break(str(node), "joins columns with something else")
    if len(given) == 1:
        return given[0]
    if len(given) == 2:
        rest, p = (one.grids() for one in given)
        if any(
            z in p and np.allclose(seen + p[z], 1, rtol=0, atol=1e-6) for z, seen in rest.items()
        ):
            return Both(given[1])
    return side_by_side(str(node), given)


def _value_of(one: Any) -> Value:
    while isinstance(one, Both | Named):
        one = one.of
    if not isinstance(one, Value):
        raise TypeError("no outputs of the network")
    return one


def _arg_max(node: Node, given: list[Any]) -> Index:
    return Index(given[0] if isinstance(given[0], Both) else _value_of(given[0]))  # type: ignore[arg-type]


def _gather(node: Node, given: list[Any]) -> Any:
    """Gather, ArrayFeatureExtractor: labels by index."""
    if isinstance(given[0], np.ndarray) and isinstance(given[1], Index):
        return replace(given[1], classes=given[0].reshape(-1))
    raise Break(str(node), "picks out some of the numbers")


def _label_encoder(node: Node, given: list[Any]) -> Any:
    if not isinstance(given[0], Index):
        raise Break(str(node), "encodes labels before the network")
    about = node.attributes
    values = next((about[name] for name in about if name.startswith("values_")), None)
    keys = next((about[name] for name in about if name.startswith("keys_")), None)
    values = about.get("classes_strings", values)
    if values is None:
        return given[0]
    if keys is not None:
        values = [value for _, value in sorted(zip(keys, values, strict=True))]
    return replace(given[0], classes=np.array(values))


def _zip_map(node: Node, given: list[Any]) -> Named:
    about = node.attributes
    found = about.get("classlabels_strings") or about.get("classlabels_int64s")
    return Named(given[0], None if found is None else np.array(found))


SPECIAL: dict[str, Callable[[Node, list[Any]], Any]] = {
    "BatchNormalization": _batch_normalisation,
    "Scaler": _scaler,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Transpose": _transpose,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Concat": _concat,
    "FeatureVectorizer": _concat,
    "ArgMax": _arg_max,
    "Gather": _gather,
    "ArrayFeatureExtractor": _gather,
    "LabelEncoder": _label_encoder,
    "ZipMap": _zip_map,
}


def affine_of(found: Any) -> Affine:
    """Return outputs as affine; raises `Break` where they are none of a chain."""
    if isinstance(found, Broken):
        raise found.broken
    return resolve(_value_of(found))
