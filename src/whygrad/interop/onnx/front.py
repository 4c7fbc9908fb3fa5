"""What stands in a graph before the network: encodings of a table, followed column by column.

A runtime computes them; here is what the numbers that come out are, in the columns that go in. Operations
that encode no table, such as convolutions, are layers that are not dense: these break the chain.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from whygrad.interop.columns import Column, one_hot, picked, plain, scaled
from whygrad.interop.onnx.file import text
from whygrad.interop.onnx.graph import Node, dimensions, node_of
from whygrad.interop.onnx.values import Break

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


def columns_before(graph: Any, constants: dict[str, Any], tensor: str) -> Columns | None:
    """Return the columns that a tensor's numbers come from, None where nobody can tell.

    Raises `Break` for an operation that encodes no table.
    """
    nodes = {name: node for node in map(node_of, graph.node) for name in node.outputs}
    waiting, known = [tensor], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in known and name in nodes:
            known.add(name)
            waiting += nodes[name].inputs
    for node in map(node_of, graph.node):
        if known.isdisjoint(node.outputs):
            continue
        if node.kind not in ENCODE:
            raise Break(str(node), "is no operation of a chain of dense layers")
        if node.kind == "Flatten" and node.attributes.get("axis", 1) != 1:
            raise Break(
                str(node), f"has axis {node.attributes['axis']}: rows stay apart with axis 1"
            )
    inputs = [one for one in graph.input if one.name not in constants]
    return _Following(nodes, constants, {one.name: _of_input(one, inputs) for one in inputs}).of(
        tensor
    )


def _of_input(given: Any, inputs: list[Any]) -> Columns | None:
    dims = dimensions(given)
    width = 1 if len(dims) < 2 else dims[1] if len(dims) == 2 else None
    if width is None:
        return None
    if width == 1 and len(inputs) > 1:
        return plain([given.name])
    before = "input" if len(inputs) == 1 else given.name
    return plain([f"{before} {k}" for k in range(width)])


class _Following:
    """Columns of the tensors of a graph, found from its end."""

    def __init__(
        self, nodes: dict[str, Node], constants: dict[str, Any], found: dict[str, Any]
    ) -> None:
        self.nodes, self.constants, self.found = nodes, constants, found

    def of(self, name: str) -> Columns | None:
        """Return the columns of a tensor; operations are gone through from the first to the last."""
        waiting = [name]
        while waiting:
            at = waiting[-1]
            node = self.nodes.get(at)
            if at in self.found or node is None:
                self.found.setdefault(at, None)
                waiting.pop()
                continue
            before = [one for one in node.inputs if one not in self.found and one in self.nodes]
            if before and not set(before) & set(waiting):
                waiting += before
                continue
            follow = FOLLOW.get(node.kind)
            try:
                self.found[at] = follow(self, node) if follow else None
            except (
                ValueError,
                TypeError,
                IndexError,
                KeyError,
            ):  # an operation that is not as it should be
                self.found[at] = None
            waiting.pop()
        return self.found[name]

    def first(self, node: Node) -> Columns:
        """Return the columns of the first input; raises `ValueError` where they are not known."""
        found = self.found.get(node.inputs[0])
        if found is None:
            raise ValueError("unknown")
        return found


def _same(graph: _Following, node: Node) -> Columns:
    return graph.first(node)


def _concatenated(graph: _Following, node: Node) -> Columns:
    if node.attributes.get("axis", 1) not in (1, -1):
        raise ValueError("rows")
    return [column for name in node.inputs for column in graph.found[name]]


def _scaler(graph: _Following, node: Node) -> Columns:
    by, offset = (np.asarray(node.attributes[name], np.float64) for name in ("scale", "offset"))
    return scaled(graph.first(node), by, -by * offset)


def _arithmetic(f: Callable[[Any], tuple[Any, Any]]) -> Callable[[_Following, Node], Columns]:
    def follow(graph: _Following, node: Node) -> Columns:
        constant = graph.constants[node.inputs[1]].astype(np.float64).reshape(-1)
        return scaled(graph.first(node), *f(constant))

    return follow


def _picked(graph: _Following, node: Node) -> Columns:
    if node.kind == "Gather" and node.attributes.get("axis", 0) not in (1, -1):
        raise ValueError("rows")
    return picked(graph.first(node), graph.constants[node.inputs[1]].reshape(-1))


def _one_hot(graph: _Following, node: Node) -> Columns:
    labels = node.attributes.get("cats_strings") or node.attributes["cats_int64s"]
    (column,) = graph.first(node)
    return one_hot(column, [text(label) for label in labels])


FOLLOW: dict[str, Callable[[_Following, Node], Columns]] = {
    **dict.fromkeys(("Identity", "Cast", "Imputer", "Reshape", "Flatten", "Squeeze"), _same),
    **dict.fromkeys(("Unsqueeze", "LabelEncoder", "CategoryMapper", "StringNormalizer"), _same),
    "Concat": _concatenated,
    "FeatureVectorizer": _concatenated,
    "Scaler": _scaler,
    "Add": _arithmetic(lambda c: (1.0, c)),
    "Sub": _arithmetic(lambda c: (1.0, -c)),
    "Mul": _arithmetic(lambda c: (c, 0.0)),
    "Div": _arithmetic(lambda c: (1 / c, 0.0)),
    "Gather": _picked,
    "ArrayFeatureExtractor": _picked,
    "OneHotEncoder": _one_hot,
}
