"""A `Deployable` within skl2onnx: what it asks an estimator for, so that a Pipeline around it converts.

skl2onnx asks a model that it does not know for `onnx_parser`, `onnx_shape_calculator` and `onnx_converter`.
So nothing has to be registered by hand, nor skl2onnx to be imported before it is used. The first of these
also registers the class, that options such as `zipmap` are known: there is no ZipMap, whatever it says.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.pipeline.deploy.form import Choice, Column, Deployable
from whygrad.pipeline.deploy.onnx_graph import ML_OPSET, OPSET, TYPES, Graph, write
from whygrad.pipeline.deploy.onnx_model import label_type, library, outputs_of, value_type
from whygrad.tables import quoted

Build = Callable[[Any], Deployable]
OPTIONS = {"zipmap": [True, False]}


def parser_of(model: Any, build: Build) -> Callable[..., list[tuple[str, Any]]]:
    """Return what skl2onnx calls a parser: it names the outputs and their types.

    Parameters
    ----------
    model : estimator
        The fitted estimator, whose class is registered.
    build : callable
        Estimator → `Deployable`.

    Returns
    -------
    callable
        scope and inputs → (name, type) of each output.
    """
    _register(type(model), build)

    def parse(scope: Any = None, inputs: Any = None) -> list[tuple[str, Any]]:
        given = build(model)
        return list(zip(outputs_of(given), _types(given), strict=True))

    return parse


def _register(kind: type, build: Build) -> None:
    """Make a class of estimators and its options known to skl2onnx."""
    alias = f"Whygrad{kind.__name__}"

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        operator = scope.declare_local_operator(alias, model)
        operator.inputs = inputs
        given = build(model)
        for name, output in zip(outputs_of(given), _types(given), strict=True):
            operator.outputs.append(scope.declare_local_variable(name, output))
        return operator.outputs

    library("skl2onnx").update_registered_converter(
        kind,
        alias,
        shape_calculator_of(build),
        converter_of(build),
        overwrite=True,
        parser=parse,
        options=OPTIONS,
    )


def _types(given: Deployable, n: Any = None) -> list[Any]:
    """Return the types of the outputs, in skl2onnx's classes."""
    types = library("skl2onnx.common.data_types")
    kinds = {
        "float32": types.FloatTensorType,
        "float64": types.DoubleTensorType,
        "int64": types.Int64TensorType,
        "str": types.StringTensorType,
        "bool": types.BooleanTensorType,
    }
    found = [kinds[value_type(given)]([n, given.n_values])]
    if len(outputs_of(given)) > 1:
        shape = [n, given.n_L] if given.result.kind == "several" else [n]
        found.insert(0, kinds[label_type(given)](shape))
    return found


def shape_calculator_of(build: Build) -> Callable[[Any], None]:
    """Return what sets the types of an operator's outputs."""

    def set_types(operator: Any) -> None:
        n = operator.inputs[0].get_first_dimension()
        types = _types(build(operator.raw_operator), n)
        for output, kind in zip(operator.outputs, types, strict=True):
            output.type = kind

    return set_types


def _inputs(graph: Graph, operator: Any, given: Deployable) -> list[str]:
    """Return what the network takes: one matrix, or a tensor for each of its columns."""
    if given.columns:
        features = _features(graph, operator)
        return [_cells(graph, column, *features[column.name]) for column in given.columns]
    inputs = [graph.cast(one.full_name, given.dtype) for one in operator.inputs]
    return [inputs[0] if len(inputs) == 1 else graph.do("Concat", *inputs, axis=1)]


def _features(graph: Graph, operator: Any) -> dict[str, tuple[str, str]]:
    """Return tensor, (n, 1), and type of each column that a tabular estimator was fitted on.

    Columns of a frame have their names; those that steps before it made are known by their order.
    """
    model = operator.raw_operator
    known = getattr(model, "feature_names_in_", [f"x{k}" for k in range(model.n_features_in_)])
    found: list[tuple[str, str, str]] = []
    for one in operator.inputs:
        width, kind = one.type.shape[1], type(one.type).__name__
        for k in range(width or 0):
            tensor = one.full_name
            if width > 1:
                tensor = graph.do("Gather", tensor, np.array([k]), axis=1)
            found.append((one.raw_name, tensor, kind))
    by_name = {name: (tensor, kind) for name, tensor, kind in found}
    if by_name.keys() >= set(known):
        return by_name
    if len(found) != len(known):
        raise InputError(
            f"{len(found)} columns go into {type(model).__name__}, which was fitted on {len(known)}: give "
            "skl2onnx.to_onnx the frame that it was fitted on, or initial_types"
        )
    return {name: (tensor, kind) for name, (_, tensor, kind) in zip(known, found, strict=True)}


def _cells(graph: Graph, column: Column, tensor: str, kind: str) -> str:
    """Return a column as the network takes it: text of categories, and numbers in float64."""
    text, wanted = kind == "StringTensorType", isinstance(column, Choice)
    if text == wanted:
        return tensor if text else graph.cast(tensor, "float64")
    if wanted and kind == "Int64TensorType":
        return graph.cast(tensor, "str")
    raise InputError(
        f"column {quoted(column.name)} goes in as {kind}: it holds "
        + ("categories, which ONNX takes as text or whole numbers" if wanted else "numbers")
    )


def converter_of(build: Build) -> Callable[[Any, Any, Any], None]:
    """Return what adds the nodes of a network to skl2onnx's container."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        given = build(operator.raw_operator)
        graph = Graph(given.dtype)
        outputs = [one.full_name for one in operator.outputs]
        write(graph, given, _inputs(graph, operator, given), outputs)
        known: dict[str, str] = {}

        def renamed(name: str) -> str:
            if not name.startswith(graph.own):
                return name
            if name not in known:
                known[name] = scope.get_unique_variable_name(name)
            return known[name]

        for name, array in graph.constants.items():
            kind = "str" if array.dtype == object else array.dtype.name
            content = array.ravel().tolist()
            if kind == "str":
                content = [text.encode() for text in content]
            container.add_initializer(renamed(name), TYPES[kind], list(array.shape), content)
        for node in graph.nodes:
            container.add_node(
                node.operator,
                [renamed(name) for name in node.inputs],
                [renamed(node.output)],
                op_domain=node.domain,
                op_version=ML_OPSET if node.domain else OPSET,
                name=scope.get_unique_operator_name(node.operator),
                **dict(node.attributes),
            )

    return convert
