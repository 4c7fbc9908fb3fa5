"""Keras models → `Why`: `Sequential` and functional chains, in memory, from `.keras` and from `.h5` files.

    files      the two formats, read with h5py: Keras is not needed, and nothing in a file is ever run
    layers     the configuration of a model and its weights → a chain
    compiled   loss, penalties and optimizer that it was compiled with

Its face is `model_of_keras`.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError, InputError
from whygrad.files import from_json
from whygrad.interop.keras.compiled import optimizer_of, output_of, penalties_of, with_arguments
from whygrad.interop.keras.files import opened
from whygrad.interop.keras.layers import Place, Reading, code_in, read
from whygrad.interop.model import Model
from whygrad.interop.outputs import model_of_chain, why_of_chain
from whygrad.nn.functions import Array
from whygrad.why.bound import Why


def model_of_keras(model: Any, cost: Any = None) -> Model:
    """Return the network of a Keras model, or of a file that holds one, to be asked why.

    Parameters
    ----------
    model : keras.Model, str or path
        A `Sequential` or functional model that is a chain of known layers; or a `.keras` or `.h5` file of
        one, for which Keras need not be installed.
    cost : keras.Loss, str or Cost, optional
        A loss of Keras or one of whygrad's costs, in place of the one that the model was compiled with.

    Returns
    -------
    Model
        The network; `why.optimizer` is the one that it was compiled with, where whygrad has it.

    Raises
    ------
    InputError
        For a layer that is not supported, holds code, or makes the model more than a chain, with its name;
        where a model in memory gives other outputs than the layers read.
    FileError
        For a file that is missing, damaged, or no model.
    """
    if isinstance(model, str | PathLike):
        path = Path(model)
        return Model(_of_file(path, cost), path.name)
    reading, compiled = _of_model(model)
    why, run = _why(reading, compiled, cost), partial(_run, model, reading.shape)
    eps = max(PRECISIONS.get(layer.compute_dtype, SINGLE) for layer in _every_layer(model))
    source = f"Keras' {type(model).__name__}"
    return model_of_chain(reading.chain, why, source, repr(model.name), run, eps)


def _why(reading: Reading, compiled: Any, cost: Any) -> Why:
    output = output_of(cost, compiled, reading.chain)
    l1, l2, notes = penalties_of(reading.dense, reading.chain)
    why = why_of_chain(reading.chain, output, l1=l1, l2=l2, optimizer=optimizer_of(compiled))
    return replace(why, notes=(*why.notes, *notes))


def _of_file(path: Path, cost: Any) -> Why:
    with opened(path) as saved:
        try:
            return _why(read(saved.config, saved.weights), saved.compiled, cost)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except DAMAGED as error:
            raise FileError(
                f"{path}: damaged, its description of the model is no such ({error})"
            ) from None


# What comes of a description that is not as Keras writes it.
DAMAGED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


# ── models in memory ─────────────────────────────────────────────────────────────────────────────────


def _of_model(model: Any) -> tuple[Reading, Any]:
    kinds = {kind.__name__ for kind in type(model).__mro__}
    if kinds & WRAPPERS:
        raise InputError(
            f"a {type(model).__name__} wraps a model: explain its model_, which takes rows as it does"
        )
    if not kinds & {"Sequential", "Functional"}:
        raise InputError(
            f"a {type(model).__name__} is no chain of layers: give a keras.Sequential or a functional "
            "keras.Model of them"
        )
    for layer in _every_layer(model):  # before Keras writes their code into a configuration
        kind, f = type(layer).__name__, getattr(layer, "activation", None)
        if kind == "Lambda" or getattr(f, "__name__", "") == "<lambda>":
            raise InputError(code_in(f"layer {layer.name} ({kind})"))
    if not model.built:
        raise InputError(f"{model.name!r} has no weights yet: build it, or call it on a batch")
    about = from_json(model.to_json(), finite=False)

    def weights(path: tuple[Place, ...], names: tuple[str, ...]) -> dict[str, Array]:
        layer = model
        for place in path:
            layer = layer.get_layer(place.name)
        arrays = [_to_numpy(each).astype(np.float64) for each in layer.weights]
        return dict(zip(names, arrays, strict=False))

    compiled = about.get("compile_config")
    if compiled and isinstance(compiled.get("loss"), dict) and "config" in compiled["loss"]:
        compiled["loss"]["config"] = with_arguments(model.loss, compiled["loss"]["config"])
    return read(about, weights), compiled


# Keras models with the face of scikit-learn's estimators.
WRAPPERS = {"SKLearnClassifier", "SKLearnRegressor"}


def _every_layer(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _every_layer(layer)


# ε by number format. On JAX and PyTorch Keras computes in float32 where it is asked for float64.
SINGLE, PRECISIONS = 2.0**-23, {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def _run(model: Any, shape: tuple[int, ...] | None, X: Array) -> Array:
    rows = X.reshape(len(X), *(shape or X.shape[1:]))
    ops = sys.modules["keras"].ops
    return _to_numpy(model(ops.convert_to_tensor(rows, model.inputs[0].dtype), training=False))


def _to_numpy(tensor: Any) -> Array:
    return np.asarray(sys.modules["keras"].ops.convert_to_numpy(tensor))
