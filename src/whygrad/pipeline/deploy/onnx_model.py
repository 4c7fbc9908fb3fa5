"""The nodes of an ONNX graph → a model, checked by onnxruntime against whygrad's own prediction.

One input for each column of a table, (n, 1): float64 for numbers and times, strings for categories, as
skl2onnx has it; or one matrix "X", (n, n_0). Out come `label` and `probabilities`, or `variable`. There is
no ZipMap. Opset 13 and IR version 8 are read by all that reads ONNX at all.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from whygrad.errors import InputError, first_line, row_of
from whygrad.nn.functions import Array
from whygrad.pipeline.deploy.form import Choice, Deployable, Proof
from whygrad.pipeline.deploy.onnx_graph import ML_DOMAIN, ML_OPSET, OPSET, TYPES, Graph, write
from whygrad.version import __version__

IR_VERSION = 8
ENCODED = "whygrad.inputs"  # the property that has the encoded columns, as JSON
# The largest difference, relative to the largest value and at least 1, that rounding accounts for.
ROUNDING = {"float32": 1e-4, "float64": 1e-9}


def library(name: str) -> Any:
    """Return a library that the extra `onnx` installs; raises `InputError` where it is missing."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise InputError(f"ONNX needs {name}: pip install 'whygrad[onnx]'") from None


def names_of(given: Deployable) -> list[str]:
    """Return the names of the inputs: those of the columns, where one is that of an output with "_"."""
    taken = {"label", given.result.values}
    names = [column.name for column in given.columns] or ["X"]
    found: list[str] = []
    for name in names:
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return found


def outputs_of(given: Deployable) -> list[str]:
    """Return the names of the outputs."""
    labelled = given.result.kind in ("classes", "several")
    return [*(["label"] if labelled else []), given.result.values]


def label_type(given: Deployable) -> str:
    """Return what labels are in ONNX, a key of `TYPES`."""
    if given.result.kind == "several":
        return "int64"
    kinds = {str: "str", bool: "bool", int: "int64", float: "float64"}
    return kinds[type(given.result.labels[0])]


def value_type(given: Deployable) -> str:
    """Return what the values are in ONNX, a key of `TYPES`: a number in its own units is of float64."""
    return "float64" if given.result.kind == "number" else given.dtype


def to_model(given: Deployable) -> Any:
    """Return an `onnx.ModelProto` of a network."""
    helper, numpy_helper = library("onnx.helper"), library("onnx.numpy_helper")
    names, outputs = names_of(given), outputs_of(given)
    own = "wg_"
    while any(name.startswith(own) for name in names):
        own += "_"
    graph = Graph(given.dtype, own)
    try:
        write(graph, given, names, outputs)
        model = helper.make_model(
            helper.make_graph(
                [_node(helper, node) for node in graph.nodes],
                "whygrad",
                _inputs(helper, given, names),
                _outputs(helper, given, outputs),
                [
                    numpy_helper.from_array(array, name)
                    if array.dtype != object
                    else _strings(helper, array, name)
                    for name, array in graph.constants.items()
                ],
                doc_string="; ".join(given.notes),
            ),
            opset_imports=[
                helper.make_opsetid("", OPSET),
                *([helper.make_opsetid(ML_DOMAIN, ML_OPSET)] if _has_text(given) else []),
            ],
            ir_version=IR_VERSION,
            producer_name="whygrad",
            producer_version=__version__,
        )
    except (UnicodeEncodeError, ValueError, OverflowError) as error:
        raise InputError(f"it cannot be written as ONNX ({first_line(error):.120})") from None
    if graph.inputs:
        helper.set_model_props(model, {ENCODED: json.dumps(list(map(asdict, graph.inputs)))})
    library("onnx.checker").check_model(model)
    return model


def _has_text(given: Deployable) -> bool:
    return any(isinstance(column, Choice) for column in given.columns)


def _node(helper: Any, node: Any) -> Any:
    attributes = dict(node.attributes)
    return helper.make_node(
        node.operator, node.inputs, [node.output], domain=node.domain, **attributes
    )


def _strings(helper: Any, array: Array, name: str) -> Any:
    content = [text.encode() for text in array.ravel()]
    return helper.make_tensor(name, TYPES["str"], array.shape, content)


def _inputs(helper: Any, given: Deployable, names: list[str]) -> list[Any]:
    if not given.columns:
        shape = ["n", given.n_0]
        return [helper.make_tensor_value_info(names[0], TYPES[given.dtype], shape)]
    return [
        helper.make_tensor_value_info(
            name, TYPES["str" if isinstance(column, Choice) else "float64"], ["n", 1]
        )
        for name, column in zip(names, given.columns, strict=True)
    ]


def _outputs(helper: Any, given: Deployable, names: list[str]) -> list[Any]:
    value = TYPES[value_type(given)]
    found = [helper.make_tensor_value_info(names[-1], value, ["n", given.n_values])]
    if len(names) > 1:
        shape = ["n", given.n_L] if given.result.kind == "several" else ["n"]
        label = helper.make_tensor_value_info(names[0], TYPES[label_type(given)], shape)
        found.insert(0, label)
    return found


def checked_model(given: Deployable, proof: Proof) -> tuple[Any, float]:
    """Return an `onnx.ModelProto`, and the largest difference of what onnxruntime computes from a proof."""
    model = to_model(given)
    return model, difference(given, model.SerializeToString(), proof)


# ── checked ──────────────────────────────────────────────────────────────────────────────────────────


def feed_of(given: Deployable, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the inputs of a proof as onnxruntime takes them."""
    arrays = list(inputs.values())
    if given.columns:
        arrays = [array[:, None] for array in arrays]
    return dict(zip(names_of(given), arrays, strict=True))


def difference(given: Deployable, content: bytes, proof: Proof) -> float:
    """Return the largest difference of a model's values, run by onnxruntime, from whygrad's.

    Parameters
    ----------
    given : Deployable
        The network.
    content : bytes
        The model.
    proof : Proof
        Rows, and what whygrad predicts.

    Returns
    -------
    float
        max |value − whygrad's|.

    Raises
    ------
    InputError
        Where it is more than rounding, or a label is another one.
    """
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    *label, values = session.run(None, feed_of(given, proof.inputs))
    return compare(given, values, label[0] if label else None, proof)


def compare(given: Deployable, values: Array, labels: Any, proof: Proof) -> float:
    """Return the largest difference of values from those of a proof; raises as `difference` does."""
    with np.errstate(invalid="ignore"):
        apart = np.where(values == proof.values, 0.0, np.abs(values - proof.values))
    apart[np.isnan(apart)] = np.inf
    size = max(1.0, float(np.abs(proof.values).max(initial=0.0)))
    # A class that is ahead by less than rounding may be either.
    limit = ROUNDING[given.dtype] * size
    worst = float(apart.max(initial=0.0))
    if not worst <= limit:
        row, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
        raise InputError(
            f"the exported network gives {values[row, column]:g} where whygrad gives "
            f"{proof.values[row, column]:g}, in {row_of(row)} of {proof.what}: nothing was written"
        )
    if labels is not None and proof.labels is not None:
        other = np.asarray(labels != proof.labels).reshape(len(proof), -1).any(axis=1)
        for row in np.flatnonzero(other & ~_undecided(given, proof, limit)):
            found, own = (np.array(known[row]).tolist() for known in (labels, proof.labels))
            raise InputError(
                f"the exported network gives {found!r:.60} where whygrad gives {own!r:.60}, in "
                f"{row_of(row)} of {proof.what}: nothing was written"
            )
    return worst


def _undecided(given: Deployable, proof: Proof, limit: float) -> Array:
    """Return for each row whether rounding decides its label, (n,)."""
    values = proof.values
    if given.two or given.result.kind == "several":
        above = (values[:, -1:] if given.two else values) - given.result.threshold
        return np.asarray((np.abs(above) <= limit).any(axis=1))
    highest = np.sort(values, axis=1)[:, -2:]
    return np.asarray(highest[:, -1] - highest[:, 0] <= limit)
