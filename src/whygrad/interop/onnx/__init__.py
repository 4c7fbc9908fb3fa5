"""ONNX models, from files and from memory → `Model`: chains of Gemm or MatMul and activations.

    file        a file, with its arrays, checked
    operations  what operations compute
    recognise   activations, known by what they compute
    values      what a tensor is, in terms of a chain
    graph       a graph, operation by operation
    front       what encodes a table before the network
    runtime     the original at work, for comparison

Its face is `model_of_onnx`. It may import `interop.chain`, `outputs`, `door` and `model`.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.answers.names import Names
from whygrad.errors import InputError, first_line
from whygrad.files import from_json
from whygrad.interop.chain import Chain, Linear, Scaling, chained
from whygrad.interop.columns import Column, named, with_encoded
from whygrad.interop.door import EXACT, Original, checked, rows_at_the_door
from whygrad.interop.model import Model
from whygrad.interop.onnx.file import constants_of, load, text
from whygrad.interop.onnx.front import columns_before
from whygrad.interop.onnx.graph import Both, Broken, Index, Named, Read, affine_of, read
from whygrad.interop.onnx.runtime import Runner, runner
from whygrad.interop.onnx.values import Break, Input, Value, steps_of
from whygrad.interop.outputs import as_predicted, by_default, of_own_cost
from whygrad.nn import Array, check_columns, column_names, one_hot
from whygrad.pipeline.deploy import ENCODED, Encoded, encoded_from_json
from whygrad.why.bound import Examples, Why, as_class_indices, as_given

__all__ = ["model_of_onnx"]


def model_of_onnx(given: Any, cost: Any = None) -> Model:
    """Return the network of an ONNX model, to be asked why.

    Parameters
    ----------
    given : path or onnx.ModelProto
        The file, or the model.
    cost : str or Cost, optional
        The loss it was trained with, as of `explain`: a file holds none.

    Returns
    -------
    Model
        The network.

    Raises
    ------
    FileError
        For a file that is damaged.
    InputError
        For a graph that is no chain of dense layers, with the first operation that breaks it; where no cost
        follows from the last layer; where outputs are others than those of the original.
    """
    what = str(given) if isinstance(given, Path) else "the ONNX model"
    model = _inlined(load(given) if isinstance(given, Path) else given, what)
    try:
        found = read(model.graph, constants_of(model.graph, what))
        end = _end(model.graph, found)
        begin, steps = steps_of(affine_of(end.found))
        columns = _columns(model.graph, found, begin)
    except Break as error:
        raise InputError(f"{what}: no chain of dense layers: {error.node} {error.why}") from None
    try:
        chain = chained(steps)
        output = _output(chain, cost, end.is_class, model.producer_name)
        net, theta = chain.network(output.f, output.cost)
        threshold = 0.5
        if net.sizes[-1] == 1 and end.threshold is not None:
            # It is of what the graph compares: logits, say.
            threshold = float(as_predicted(chain, net, [end.threshold])[0, 0])
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    front = _front(model, begin, what)
    names = _names(begin, end, net.sizes[-1], net.sizes[0])
    if columns is not None and len(columns) == net.sizes[0]:
        names = named(names, columns)
    names = replace(with_encoded(names, _encoded(model, net.sizes[0])), threshold=threshold)
    why = Why(net, theta, names, partial(_encode, begin, front, end.classes, net.sizes[-1]))
    why = replace(why, notes=(*_before(front, begin), *chain.notes, *end.notes, *output.notes))
    source = given.name if isinstance(given, Path) else "an ONNX model"
    try:
        return _at_the_door(Model(why, source), model, found, end, chain, steps, begin)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _inlined(model: Any, what: str) -> Any:
    """Return a model whose own functions stand in the graph."""
    if not len(model.functions):
        return model
    from onnx.inliner import inline_local_functions

    try:
        return inline_local_functions(model)
    except Exception as error:  # of whatever kind, from code that is not ours
        raise InputError(
            f"{what}: damaged, its functions cannot be put in place ({error})"
        ) from None


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class _End:
    """The outputs: their tensor, what it is, their classes, and whether and above what one is chosen."""

    tensor: str
    found: Any
    classes: Any = None
    is_class: bool = False
    threshold: float | None = None
    notes: tuple[str, ...] = ()


def _end(graph: Any, found: Read) -> _End:
    """Return where the network ends: the last output of the graph that a chain gives."""
    names = [one.name for one in graph.output]
    if not names:
        raise Break("the graph", "has no outputs")
    for name in names:
        if name not in found.tensors:
            raise Break("the graph", f"has an output {name!r} that nothing gives")
    tensors = found.tensors
    ends, broken = [], []
    for name in sorted(names, key=found.order.__getitem__):
        one = tensors[name]
        if isinstance(one, Broken):
            broken.append(one.broken)
            continue
        while isinstance(one, Index | Named):
            one = one.of
        if not isinstance(one, Value | Both):
            continue
        try:
            ends.append((affine_of(one), one))
        except Break as error:
            broken.append(error)
    if not ends:
        raise broken[-1] if broken else Break("the graph", "gives no numbers of a network")
    value = ends[-1][1]
    _, last = steps_of(affine_of(value))
    for affine, other in ends[:-1]:
        if not all(step in last for step in steps_of(affine)[1]):
            both = f"{_tensor(tensors, other)!r} and {_tensor(tensors, value)!r}"
            raise Break("the graph", f"has outputs of two networks, {both}")
    named = [one for one in tensors.values() if isinstance(one, Index | Named)]
    named = [one for one in named if _within(one) is _within(value)]
    classes = next((one.classes for one in named if one.classes is not None), None)
    tensor = _tensor(tensors, value)
    classes = (
        None if classes is None else [text(label) for label in np.asarray(classes).ravel().tolist()]
    )
    threshold = next((one.threshold for one in named if isinstance(one, Index)), None)
    return _End(tensor, value, classes, bool(named), threshold)


def _within(one: Any) -> Any:
    while isinstance(one, Index | Named | Both):
        one = one.of
    return one


def _tensor(tensors: dict[str, Any], value: Any) -> str:
    """Return the name of a tensor that is this value: the last of those that are."""
    return [name for name, one in tensors.items() if one is value][-1]


def _output(chain: Chain, cost: Any, is_class: bool, producer: str) -> Any:
    """Return output activation and cost: those given, or those that the end of the graph tells."""
    if cost is None and chain.f == "identity" and is_class:
        output = of_own_cost("cross_entropy", "identity")
        said = "no loss was given: cross_entropy is assumed, since the largest of the outputs is the class"
        return replace(output, notes=(said,))
    if cost is None and chain.f == "identity" and producer in ("skl2onnx", "OnnxMLTools"):
        said = "no loss was given: squared_error is assumed, which scikit-learn minimises"
        return replace(of_own_cost("squared_error", "identity"), notes=(said,))
    if cost is None:
        return by_default(chain.f, "cost='squared_error', or cost='cross_entropy' for logits")
    return of_own_cost(cost, chain.f)


# ── the beginning ────────────────────────────────────────────────────────────────────────────────────


def _front(model: Any, begin: Input, what: str) -> Runner | None:
    """Return what computes the inputs of the network from those of the graph, None where these are they."""
    if not begin.tensor:
        return None
    try:
        return runner(model, begin.tensor, _given(model.graph))
    except InputError as error:
        raise InputError(
            f"{what}: what comes before the network cannot be computed: {error}"
        ) from None


def _columns(graph: Any, found: Read, begin: Input) -> list[Column] | None:
    """Return the columns that the inputs of the network come from, where they are encoded in the graph."""
    if not begin.tensor:
        return None
    arrays = {name: one for name, one in found.tensors.items() if isinstance(one, np.ndarray)}
    return columns_before(graph, arrays, begin.tensor)


def _given(graph: Any) -> list[Any]:
    """Return the inputs that rows are; before IR version 4 a graph lists its weights as inputs, too."""
    weights = {tensor.name for tensor in graph.initializer}
    return [one for one in graph.input if one.name not in weights]


def _before(front: Runner | None, begin: Input) -> tuple[str, ...]:
    if front is None:
        return ()
    return (f"{front.name} encodes the rows as the graph does, up to {begin.tensor!r}",)


def _names(begin: Input, end: _End, n_L: int, n_0: int) -> Names:
    """Return the names of columns and classes."""
    inputs = tuple(name for name, units in begin.parts if units == 1)
    inputs = inputs if len(inputs) == n_0 and n_0 > 1 else ()
    classes = tuple(map(str, end.classes or ()))
    if n_L == 1 and len(classes) == 2:
        return Names(inputs, classes[1:], classes=classes)
    return Names(inputs, classes if len(classes) == n_L else ())


def _encoded(model: Any, n_0: int) -> tuple[Encoded, ...]:
    """Return the encoded columns, where `whygrad.export` wrote them; else ()."""
    for one in model.metadata_props:
        if one.key == ENCODED:
            with suppress(KeyError, TypeError, ValueError):
                found = encoded_from_json(from_json(one.value))
                return found if len(found) == n_0 else ()
    return ()


def _encode(
    begin: Input, front: Runner | None, classes: Any, n_L: int, X: Any, y: Any, sample_weight: Any
) -> Examples:
    """Return rows as the network takes them, and labels as targets."""
    if X is None:
        raise InputError("a file of a network keeps no data: give X, and y")
    check_columns(X)
    if front is not None:
        X = front(X)
    elif len(begin.parts) > 1 and set(column_names(X)) >= {name for name, _ in begin.parts}:
        X = X[[name for name, _ in begin.parts]]
    X, y, sample_weight = as_given(X, y, sample_weight)
    if y is not None and classes is not None:
        y = np.atleast_1d(np.asarray(y))
        if y.ndim == 1 and (n_L > 1 or len(classes) == 2):
            index = as_class_indices(y, classes)
            y = index[:, None].astype(float) if n_L == 1 else one_hot(index, n_L)
    return Examples(X, y, sample_weight)


# ── at the door ──────────────────────────────────────────────────────────────────────────────────────


DOUBLE, SINGLE = 1e-10, 1e-6  # above the ε of these number formats


def _at_the_door(
    found: Model, model: Any, tensors: Read, end: _End, chain: Chain, steps: list[Any], begin: Input
) -> Model:
    """Compare the outputs with those of the original, where something runs it."""
    try:
        run = runner(model, end.tensor, _given(model.graph))
    except InputError as error:
        return replace(
            found, seen=(f"The outputs were not compared with the original's: {error}.",)
        )
    net = found.why.net

    def outputs(X: Any) -> Array:
        return as_predicted(chain, net, np.asarray(run(X))[:, -net.sizes[-1] :])

    single, within = tensors.eps > DOUBLE, EXACT
    if tensors.eps > SINGLE:  # float16: how it rounds is not followed
        single, within = False, math.sqrt(tensors.eps)
    original = Original(run.name, outputs, single, within)
    found = replace(found, original=original)
    if begin.tensor:
        return found
    X = _in_own_units(rows_at_the_door(found.why.net.sizes[0]), steps)
    try:
        return replace(found, seen=(checked(found.why, original, X),))
    except InputError:
        raise
    except Exception as error:  # of a runtime, on rows of a model that it took
        reason = f"{run.name} fails ({first_line(error):.200})"
        said = f"The outputs were not compared with the original's: {reason}."
        return replace(found, original=None, seen=(said,))


def _in_own_units(rows: Array, steps: list[Any]) -> Array:
    """Return rows such that what is folded into the first layer makes them of these."""
    before = []
    for step in steps:
        if isinstance(step, Linear):
            break
        before.append(step)
    for step in before[::-1]:
        if isinstance(step, Scaling):
            by = np.asarray(step.by)
            rows = (rows - step.plus) / np.where(by == 0, 1.0, by)
    return rows
