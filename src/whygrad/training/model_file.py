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
OF_PYTORCH = "PyTorch's parameters are read with whygrad.explain(path, description=module)"
SCHEMA = 2  # of files of networks with masks; all others are of schema 1, which every version reads


def write(path: str | PathLike[str], net: Network, theta: Parameters, history: History) -> None:
    """Write a trained network to `path`, replacing what is there only once the new file is whole.

    Raises `FileError` where the folder is missing or cannot be written to.
    """
    _write(path, net, {"": theta}, {"history": asdict(history)})


def write_members(
    path: str | PathLike[str], net: Network, members: Sequence[tuple[Parameters, History]]
) -> None:
    """Write networks of one shape to one file, as `write` does; matrices are named "1.W1" and so on."""
    numbered = {f"{k}.": theta for k, (theta, _) in enumerate(members, start=1)}
    _write(path, net, numbered, {"members": [asdict(history) for _, history in members]})


def _write(
    path: str | PathLike[str], net: Network, thetas: dict[str, Parameters], more: dict[str, Any]
) -> None:
    """Write parameters, their names with a prefix each, and JSON beside them."""
    from safetensors.numpy import save as serialise

    tensors = {}
    for prefix, theta in thetas.items():
        for l in range(1, net.L + 1):
            tensors[f"{prefix}W{l}"] = np.ascontiguousarray(theta.W[l])
            tensors[f"{prefix}b{l}"] = np.ascontiguousarray(theta.b[l])
    schema = SCHEMA if any(layer.mask is not None for layer in net.layers) else 1
    about = {
        "format": FORMAT,
        "schema": str(schema),
        "network": json.dumps(network_to_dict(net)),
    }
    about |= {name: json.dumps(value) for name, value in more.items()}
    write_atomically(Path(path), serialise(tensors, about))


def members_to_state(net: Network, members: Sequence[tuple[Parameters, History]]) -> dict[str, Any]:
    """Return networks of one shape as text and one array, (K, P): what any way of saving takes."""
    return {
        "network": json.dumps(network_to_dict(net)),
        "histories": json.dumps([asdict(history) for _, history in members]),
        "theta": np.stack([theta.flat for theta, _ in members]),
    }


def members_from_state(state: dict[str, Any]) -> tuple[Network, list[tuple[Parameters, History]]]:
    """Return what `members_to_state` was given."""
    net = network_from_dict(json.loads(state["network"]))
    histories = [_history(one) for one in json.loads(state["histories"])]
    thetas = [Parameters(net.sizes, flat.copy()) for flat in state["theta"]]
    return net, list(zip(thetas, histories, strict=True))


def read(path: str | PathLike[str], own: Sequence[Any] = ()) -> tuple[Network, Parameters, History]:
    """Read network, parameters and history back; the parameters are bit for bit those that were saved.

    `own` lists the user's own costs and activations that the network uses: code is not stored, so it is
    asked for by name. Raises `FileError` for a file that is missing, damaged, of another kind or of a
    newer schema.
    """
    net, members = read_members(path, own)
    if len(members) > 1:
        raise FileError(
            f"{path}: holds an ensemble of {len(members)} networks: read it with Ensemble.load"
        )
    return net, *members[0]


def read_members(
    path: str | PathLike[str], own: Sequence[Any] = ()
) -> tuple[Network, list[tuple[Parameters, History]]]:
    """Read the network and the members of a file; one where `write` wrote it."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError) as error:
        raise FileError(
            f"{path}: not a whygrad model, or damaged ({error}); {OF_PYTORCH}"
        ) from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    if about.get("format") != FORMAT:
        raise FileError(f"{path}: a safetensors file, but not a whygrad model; {OF_PYTORCH}")
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
        several = "members" in about
        told = from_json(about["members" if several else "history"], finite=False)
        prefixes = [f"{k}." for k in range(1, len(told) + 1)] if several else [""]
        histories = [_history(one) for one in (told if several else [told])]
        thetas = [_parameters(path, net, tensors, prefix) for prefix in prefixes]
        if not thetas:
            raise ValueError("it has no members")
        return net, list(zip(thetas, histories, strict=True))
    except InputError as error:
        raise FileError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FileError(f"{path}: damaged, its description is incomplete ({error})") from None


def _parameters(path: Path, net: Network, tensors: dict[str, Any], prefix: str) -> Parameters:
    """Return the parameters whose matrices have this prefix to their names."""
    arrays = [tensors[f"{prefix}{kind}{l}"] for l in range(1, net.L + 1) for kind in "Wb"]
    theta = Parameters(net.sizes, np.concatenate([array.ravel() for array in arrays]))
    check_fit(net, theta)
    shapes = [array.shape for l in range(1, net.L + 1) for array in (theta.W[l], theta.b[l])]
    if shapes != [array.shape for array in arrays] or theta.flat.dtype.kind != "f":
        raise FileError(f"{path}: damaged, its matrices do not fit its network")
    return theta


def _history(about: dict[str, Any]) -> History:
    epochs = tuple(epoch_from_dict(epoch) for epoch in about["epochs"])
    if not isinstance(about["stopped"], str):
        raise TypeError("why it ended is no text")
    return History(epochs, about["stopped"])


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
