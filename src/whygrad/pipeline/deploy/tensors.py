"""A `Deployable` → safetensors by the names that a `torch.nn.Sequential` has, and what they are of.

Linear, the activation, Dropout where the layer has some, and so on, as of `whygrad.to_torch`: 0.weight,
0.bias, 3.weight, … What they are of stands in the file's metadata, as JSON:

    whygrad.network   units, activation and dropout of each layer, and the name of the cost
    inputs            the names of the encoded columns of a table
    columns           how these are encoded
    turned            what numbers among them make together, whose inputs come last
    result            what the outputs mean
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from whygrad.errors import InputError
from whygrad.files import from_json
from whygrad.nn.functions import COSTS, Array
from whygrad.nn.network import Dense
from whygrad.nn.parametric import of_family
from whygrad.pipeline.deploy.form import Deployable, Encoded, encoded_from_json

NETWORK = "whygrad.network"  # no other program has this key


@dataclass(frozen=True, eq=False)
class Description:
    """What the tensors of a file are of.

    Parameters
    ----------
    layers : tuple of Dense
        The layers.
    cost : str or None
        The cost, where it is one of whygrad's.
    inputs : tuple of Encoded
        What goes in, (n_0,), () where that is not known.
    outputs : tuple of str
        Names of the classes or the target; () where there are none.
    scale : (float, float)
        Of the outputs: value = a · scale[1] + scale[0].
    threshold : float
        Of two classes the second is predicted where its probability is above this.
    notes : tuple of str
        What is to be said of the outputs.
    """

    layers: tuple[Dense, ...]
    cost: str | None
    inputs: tuple[Encoded, ...] = ()
    outputs: tuple[str, ...] = ()
    scale: tuple[float, float] = (0.0, 1.0)
    threshold: float = 0.5
    notes: tuple[str, ...] = ()


def to_tensors(given: Deployable) -> bytes:
    """Return the content of a file."""
    from safetensors.numpy import save

    tensors: dict[str, Array] = {}
    place = 0
    for layer in given.layers:
        tensors |= {f"{place}.weight": layer.whole, f"{place}.bias": layer.b}
        place += 1 + (layer.f != "identity") + bool(layer.dropout)
    layers = [
        {
            "units": len(layer.b),
            "activation": layer.family,
            "parameters": layer.parameters,
            "dropout": layer.dropout,
        }
        for layer in given.layers
    ]
    about: dict[str, Any] = {NETWORK: {"layers": layers, "cost": given.cost}}
    if given.columns:
        about["inputs"] = [asdict(one) for one in given.inputs]
        about["columns"] = [asdict(column) for column in given.columns]
    if given.turned:
        about["turned"] = [asdict(one) for one in given.turned]
    about["result"] = asdict(given.result)
    content: bytes = save(
        tensors, {"format": "pt"} | {name: json.dumps(one) for name, one in about.items()}
    )
    return content


def described(metadata: Mapping[str, str]) -> Description | None:
    """Return what the metadata of a file describe; None where `to_tensors` has not written them.

    Raises `InputError` where they are damaged.
    """
    if NETWORK not in metadata:
        return None
    try:
        network, result = from_json(metadata[NETWORK]), from_json(metadata["result"])
        layers = tuple(
            Dense(
                one["units"],
                of_family(one["activation"], tuple(map(float, one["parameters"]))),
                dropout=float(one["dropout"]),
            )
            for one in network["layers"]
        )
        inputs = encoded_from_json(from_json(metadata.get("inputs", "[]")))
        outputs = tuple(map(str, result["labels"] or filter(None, [result["target"]])))
        scale = float(result["center"]), float(result["scale"])
        threshold = float(result["threshold"])
        inverse = result["inverse"]
        notes = (f"what is predicted is {inverse} of the output",) if inverse else ()
        cost = network["cost"] if network["cost"] in COSTS else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"its description of the network is damaged ({error})") from None
    if not layers:
        raise InputError("its description of the network is damaged (it has no layers)")
    return Description(layers, cost, inputs, outputs, scale, threshold, notes)
