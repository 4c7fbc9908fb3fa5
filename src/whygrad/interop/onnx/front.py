"""What stands in a graph before the network: encodings of a table, followed column by column.

A runtime computes them; here is what the numbers that come out are, in the columns that go in. Operations
that encode no table, such as convolutions, are layers that are not dense: these break the chain.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whygrad.interop.columns import Column, one_hot, picked, plain, scaled
from whygrad.interop.onnx.file import text
from whygrad.interop.onnx.graph import AFFINE, Node, dimensions, in_order, node_of
from whygrad.interop.onnx.values import Break
from whygrad.nn import Array

Columns = list[Column]

# Operations that encode a table, or move numbers about.
# fmt: off
ENCODE = frozenset({
    "Abs", "Add", "And", "ArrayFeatureExtractor", "Binarizer", "Cast", "CastLike",
    "CategoryMapper", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Cos", "Div",
    "Equal", "Exp", "Expand", "FeatureVectorizer", "Flatten", "Floor", "Gather", "Greater",
    "GreaterOrEqual", "Identity", "Imputer", "IsInf", "IsNaN", "LabelEncoder", "Less",
    "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "OneHot", "OneHotEncoder",
    "Or", "Pow", "Reciprocal", "Reshape", "Round", "Scaler", "Shape", "Sign", "Sin", "Slice",
    "Split", "Sqrt", "Squeeze", "StringNormalizer", "Sub", "Tile", "Transpose", "Unsqueeze",
    "Where", "Xor",
})
# fmt: on


def columns_before(graph: Any, constants: dict[str, Array], tensor: str) -> Columns | None:
    """Return the columns that a tensor's numbers come from, None where nobody can tell.

    Raises `Break` for an operation that encodes no table.
    """
    nodes = list(map(node_of, graph.node))
    by_output = {name: node for node in nodes for name in node.outputs}
    waiting, needed = [tensor], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += by_output[name].inputs if name in by_output else ()
    inputs = [one for one in graph.input if one.name not in constants]
    known = _Known(constants, {one.name: _of_input(one, inputs) for one in inputs})
    for i in in_order(nodes, {*constants, *known.columns}):
        node = nodes[i]
        if needed.isdisjoint(node.outputs):
            continue
        if node.kind not in ENCODE:
            raise Break(str(node), "is no operation of a chain of dense layers")
        if node.kind == "Flatten" and node.attributes.get("axis", 1) != 1:
            raise Break(
                str(node), f"has axis {node.attributes['axis']}: rows stay apart with axis 1"
            )
        known.columns[node.outputs[0]] = _after(known, node)
    return known.columns.get(tensor)


def _of_input(given: Any, inputs: list[Any]) -> Columns | None:
    dims = dimensions(given)
    width = 1 if len(dims) < 2 else dims[1] if len(dims) == 2 else None
    if width is None:
        return None
    if width == 1 and len(inputs) > 1:
        return plain([given.name])
    before = "input" if len(inputs) == 1 else given.name
    return plain([f"{before} {k}" for k in range(width)])


@dataclass(frozen=True, eq=False)
class _Known:
    """Arrays and columns of the tensors of a graph; of encoded labels, which they are by number."""

    constants: dict[str, Array]
    columns: dict[str, Columns | None]
    labels: dict[str, dict[int, Any]] = field(default_factory=dict)

    def first(self, node: Node) -> Columns:
        """Return the columns of the first input; raises `ValueError` where they are not known."""
        found = self.columns.get(node.inputs[0])
        if found is None:
            raise ValueError("unknown")
        return found


def _after(known: _Known, node: Node) -> Columns | None:
    """Return the columns after an operation: followed back, or else made of those before it."""
    for follow in (FOLLOW.get(node.kind), _made):
        if follow is not None:
            with suppress(
                ValueError, TypeError, IndexError, KeyError
            ):  # an operation of another use
                return follow(known, node)
    return None


def _made(known: _Known, node: Node) -> Columns:
    """Return new columns, one for each before: "day (sin)"."""
    before = [known.columns.get(name) for name in node.inputs if name not in known.constants]
    first, *others = [columns or [] for columns in before]
    if not first or any(len(columns) != len(first) for columns in others) or node.kind in MOVING:
        raise ValueError("unknown")
    names = [f"{column.origin.partition(' (')[0]} ({node.kind.lower()})" for column in first]
    return plain(names)


# Operations after which nobody can tell which number is which.
MOVING = ("Transpose", "Slice", "Split", "Tile", "Expand", "OneHot", "Gather", "Concat", "Shape")


def _same(known: _Known, node: Node) -> Columns:
    return known.first(node)


def _concatenated(known: _Known, node: Node) -> Columns:
    if node.attributes.get("axis", 1) not in (1, -1):
        raise ValueError("rows")
    parts = [known.columns[name] for name in node.inputs]
    if any(part is None for part in parts):
        raise ValueError("unknown")
    return [column for part in parts for column in part or ()]


def _scaler(known: _Known, node: Node) -> Columns:
    by, offset = (np.asarray(node.attributes[name], np.float64) for name in ("scale", "offset"))
    return scaled(known.first(node), by, -by * offset)


def _arithmetic(f: Callable[[Any], tuple[Any, Any]]) -> Callable[[_Known, Node], Columns]:
    def follow(known: _Known, node: Node) -> Columns:
        constant = known.constants[node.inputs[1]].astype(np.float64).reshape(-1)
        return scaled(known.first(node), *f(constant))

    return follow


def _picked(known: _Known, node: Node) -> Columns:
    if node.kind == "Gather" and node.attributes.get("axis", 0) not in (1, -1):
        raise ValueError("rows")
    return picked(known.first(node), known.constants[node.inputs[1]].reshape(-1))


def _one_hot(known: _Known, node: Node) -> Columns:
    labels = node.attributes.get("cats_strings") or node.attributes["cats_int64s"]
    (column,) = known.first(node)
    return one_hot(column, [text(label) for label in labels])


def _labels(known: _Known, node: Node) -> Columns:
    """LabelEncoder: keep which label has which number, for what compares them."""
    about = node.attributes
    keys, values = about.get("keys_strings"), about.get("values_int64s")
    if keys is not None and values is not None:
        by_number: dict[int, Any] = {}
        for key, value in zip(keys, values, strict=True):
            by_number.setdefault(value, text(key))
        known.labels[node.outputs[0]] = by_number
    return known.first(node)


def _compared(known: _Known, node: Node) -> Columns:
    """Equal, of labels by their numbers or of numbers: one input for each."""
    (column,), labels = known.first(node), known.labels.get(node.inputs[0])
    numbers = known.constants[node.inputs[1]].reshape(-1)
    if labels is None:
        return plain([f"{column.origin.partition(' (')[0]} (equals {one:g})" for one in numbers])
    return one_hot(column, [labels[int(one)] for one in numbers])


def _missing(known: _Known, node: Node) -> Columns:
    return [Column(f"{column.name} is missing", column.origin) for column in known.first(node)]


def _filled(known: _Known, node: Node) -> Columns:
    """Where: numbers, or a constant where they are missing."""
    _, *ends = node.inputs
    (name,) = [end for end in ends if end not in known.constants]
    return known.columns[name] or []


FOLLOW: dict[str, Callable[[_Known, Node], Columns]] = {
    **dict.fromkeys(("Identity", "Cast", "Imputer", "Reshape", "Flatten", "Squeeze"), _same),
    **dict.fromkeys(("Unsqueeze", "CategoryMapper", "StringNormalizer"), _same),
    "Concat": _concatenated,
    "FeatureVectorizer": _concatenated,
    "Scaler": _scaler,
    **{kind: _arithmetic(f) for kind, f in AFFINE.items()},
    "Gather": _picked,
    "ArrayFeatureExtractor": _picked,
    "OneHotEncoder": _one_hot,
    "LabelEncoder": _labels,
    "Equal": _compared,
    "IsNaN": _missing,
    "Where": _filled,
}
