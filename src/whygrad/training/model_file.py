"""A trained network as one safetensors file: the matrices W1, b1, … by name, the rest as JSON beside them.

A file is written under a temporary name, synced and renamed, so that no reader ever meets half of one.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError, InputError
from whygrad.files import from_json, write_atomically
from whygrad.nn import frozen_array
from whygrad.nn.arrays import check_fit
from whygrad.nn.functions import ACTIVATIONS, COSTS, Activation, find_cost
from whygrad.nn.network import Dense, Network, Parameters, Uniform
from whygrad.training.epochs import Epoch, History, LayerStatistics

FORMAT = "whygrad model"
SCHEMA = 2  # of files of networks with masks; all others are of schema 1, which every version reads


def write(path: str | PathLike[str], net: Network, theta: Parameters, history: History) -> None:
    """Write a trained network to `path`, replacing what is there only once the new file is whole.

    Raises `FileError` where the folder is missing or cannot be written to.
    """
    from safetensors.numpy import save as serialise

    tensors = {}
    for l in range(1, net.L + 1):
        tensors[f"W{l}"] = np.ascontiguousarray(theta.W[l])
        tensors[f"b{l}"] = np.ascontiguousarray(theta.b[l])
    about = {
        "format": FORMAT,
        "schema": str(SCHEMA if any(layer.mask is not None for layer in net.layers) else 1),
        "network": json.dumps(network_to_dict(net)),
        "history": json.dumps(asdict(history)),
    }
    write_atomically(Path(path), serialise(tensors, about))


def read(path: str | PathLike[str], own: Sequence[Any] = ()) -> tuple[Network, Parameters, History]:
    """Read network, parameters and history back; the parameters are bit for bit those that were saved.

    `own` lists the user's own costs and activations that the network uses: code is not stored, so it is
    asked for by name. Raises `FileError` for a file that is missing, damaged, of another kind or of a
    newer schema.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError) as error:
        raise FileError(f"{path}: not a whygrad model, or damaged ({error})") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if about.get("format") != FORMAT:
        raise FileError(f"{path}: a safetensors file, but not a whygrad model")
    schema = about.get("schema", "")
    if not schema.isdecimal() or len(schema) > 9 or int(schema) < 1:
        raise FileError(f"{path}: damaged, it does not say which schema it was written in")
    if int(schema) > SCHEMA:
        raise FileError(
            f"{path}: written by a newer whygrad (schema {schema}, this one reads up to {SCHEMA}): "
            "upgrade whygrad"
        )
    try:
        net = network_from_dict(from_json(about["network"]), own)
        arrays = [tensors[f"{kind}{l}"] for l in range(1, net.L + 1) for kind in "Wb"]
        theta = Parameters(net.sizes, np.concatenate([array.ravel() for array in arrays]))
        check_fit(net, theta)
        shapes = [array.shape for l in range(1, net.L + 1) for array in (theta.W[l], theta.b[l])]
        if shapes != [array.shape for array in arrays] or theta.flat.dtype.kind != "f":
            raise FileError(f"{path}: damaged, its matrices do not fit its network")
        history = from_json(about["history"], finite=False)
        epochs = tuple(epoch_from_dict(epoch) for epoch in history["epochs"])
        if not isinstance(history["stopped"], str):
            raise TypeError("why it ended is no text")
        return net, theta, History(epochs, history["stopped"])
    except InputError as error:
        raise FileError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FileError(f"{path}: damaged, its description is incomplete ({error})") from None


def network_to_dict(net: Network) -> dict[str, Any]:
    """Return a network as JSON-ready names and numbers; code of the user's own is named, not stored."""
    for table, own in ((ACTIVATIONS, net.f[1:]), (COSTS, [net.C])):
        for function in own:
            if table.get(function.name, function) != function:
                raise InputError(
                    f"a function of your own is named {function.name!r}, like one of whygrad's, and could "
                    "not be told from it in a file: give it another name"
                )
    shape = net.inputs if isinstance(net.inputs, int | np.integer) else [int(n) for n in net.inputs]
    return {
        "inputs": int(shape) if isinstance(shape, int | np.integer) else shape,
        "layers": [
            {
                "units": int(layer.units),
                "activation": layer.f.name,
                "init": _initialiser_to_dict(layer.init),
                "bias_init": _initialiser_to_dict(layer.bias_init),
                "dropout": float(layer.dropout),
                **({} if layer.mask is None else {"mask": frozen_array.to_dict(layer.mask)}),
            }
            for layer in net.layers
        ],
        "cost": net.C.name,
    }


def network_from_dict(about: dict[str, Any], own: Sequence[Any] = ()) -> Network:
    """Build a network from its description; `own` holds functions that are not whygrad's."""
    activations = {f.name: f for f in own if isinstance(f, Activation)}
    costs = {find_cost(c).name: c for c in own if not isinstance(c, Activation)}
    inputs = about["inputs"]
    layers = [
        Dense(
            layer["units"],
            _known(layer["activation"], activations, ACTIVATIONS, "activation"),
            _initialiser_from_dict(layer["init"]),
            _initialiser_from_dict(layer["bias_init"]),
            layer.get("dropout", 0.0),
            frozen_array.from_dict(layer["mask"]) if layer.get("mask") else None,
        )
        for layer in about["layers"]
    ]
    cost = _known(about["cost"], costs, COSTS, "cost")
    return Network(tuple(inputs) if isinstance(inputs, list) else inputs, tuple(layers), cost)


def epoch_from_dict(about: dict[str, Any]) -> Epoch:
    """Build an epoch from its description; raises `TypeError` where something in it is no number."""
    layers = tuple(LayerStatistics(**layer) for layer in about.get("layers", ()))
    epoch = Epoch(**about | {"layers": layers})
    values = [
        epoch.cost,
        epoch.learning_rate,
        *(value for layer in layers for value in vars(layer).values()),
        *epoch.metrics.values(),
    ]
    values += [v for v in (epoch.validation_cost, epoch.validation_score) if v is not None]
    if not all(isinstance(value, int | float) for value in values):
        raise TypeError("what an epoch showed is no number")
    return epoch


def _known(name: str, own: dict[str, Any], table: dict[str, Any], kind: str) -> Any:
    if name in own:
        return own[name]
    if name in table:
        return name
    raise InputError(f"it uses the {kind} {name!r}, which is not whygrad's: give it in own=[…]")


def _initialiser_to_dict(initialiser: str | Uniform) -> Any:
    return asdict(initialiser) if isinstance(initialiser, Uniform) else initialiser


def _initialiser_from_dict(about: Any) -> Any:
    return Uniform(**about) if isinstance(about, dict) else about
