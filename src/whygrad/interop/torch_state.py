"""PyTorch's parameters alone and a description of the network → `Why`; from a `.safetensors` file, too.

A state_dict has W of a linear layer as NAME.weight, (n_l, n_{l-1}), and b as NAME.bias. Files lose the
order of the layers: it is that of their names where the shapes fit, or else the only one in which they do.
What `whygrad.export` wrote describes itself. PyTorch is not needed. Its own files are pickles, which run
code when they are opened: they are not.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import FileError, InputError
from whygrad.files import check_regular
from whygrad.interop.chain import Function, Linear, chained
from whygrad.interop.columns import with_encoded
from whygrad.interop.model import Model
from whygrad.interop.outputs import Output, by_default, of_own_cost, why_of_chain
from whygrad.nn import Dense, Network
from whygrad.nn.functions import Array

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pt2")
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def model_of_state(state: Any, description: Any = None, cost: Any = None) -> Model:
    """Return the network whose parameters come from PyTorch, to be asked why.

    Parameters
    ----------
    state : dict, str or path
        What `module.state_dict()` gives, or a `.safetensors` file of it.
    description : torch.nn.Module, Network or sequence of Dense, optional
        The module that it belongs to, whatever its parameters are, or its layers; of a `Network` also the
        cost. A file of `whygrad.export` has its own.
    cost : torch.nn.Module, str or Cost, optional
        The loss it was trained with, as of `explain`.

    Returns
    -------
    Model
        The network.

    Raises
    ------
    InputError
        For parameters that do not fit the layers, with their name and both shapes.
    FileError
        For a file that is missing, damaged, or a pickle.

    Examples
    --------
    >>> state = {"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2)}
    >>> model_of_state(state, [Dense(2, "softmax")])
    <Model 3-2 (softmax), cross_entropy, from a state_dict>
    """
    path = Path(state) if isinstance(state, str | PathLike) else None
    if path is not None and description is None:
        return _model_of_exported(path, cost)
    arrays = _arrays(state) if path is None else read_tensors(path)
    source = "a state_dict" if path is None else path.name
    if any(kind.__module__.startswith("torch.") for kind in type(description).__mro__):
        from whygrad.interop.torch import model_of_module, with_parameters

        module = with_parameters(description, arrays, f"{path}: " if path else "")
        return replace(model_of_module(module, cost), source=source)
    found = _linear(arrays, path)
    if isinstance(description, Network):
        dense: Sequence[Any] = description.layers
        cost = description.C if cost is None else cost
        n_0 = description.sizes[0]
    elif isinstance(description, Sequence) and all(isinstance(d, Dense) for d in description):
        dense, n_0 = description, None
    else:
        raise InputError(
            "the parameters are given with a description of their layers, a Network or a list of Dense, or "
            f"with the torch.nn.Module itself, not with a {type(description).__name__}"
        )
    ordered = _in_order(found, [layer.units for layer in dense], n_0, path is not None)
    steps: list[Any] = []
    for linear, layer in zip(ordered, dense, strict=True):
        steps.append(linear)
        if layer.f.name != "identity":
            steps.append(Function(f"the activation of {linear.where}", layer.activation))
    chain = chained(steps)
    for layer, each in zip(chain.layers, dense, strict=True):
        layer.dropout = each.dropout
    output = _output(cost, dense[-1].activation, chain.n_L, description)
    return Model(why_of_chain(chain, output), source)


def _model_of_exported(path: Path, cost: Any) -> Model:
    """Return the network of a file of `whygrad.export`, which says what layers it is of."""
    from whygrad.pipeline.deploy.tensors import described

    try:
        known = described(metadata_of(path))
    except InputError as error:
        raise FileError(f"{path}: damaged: {error}") from None
    if known is None:
        raise InputError(
            f"{path}: PyTorch's parameters alone, which do not tell activations: say what layers they are "
            "of, description=module or such as description=[wg.Dense(5, 'tanh'), wg.Dense(3, 'softmax')]"
        )
    why = model_of_state(path, known.layers, known.cost if cost is None else cost).why
    n_0, n_L = why.net.sizes[0], why.net.sizes[-1]
    if len(known.inputs) not in (0, n_0) or len(known.outputs) not in (0, n_L, n_L + 1):
        raise FileError(
            f"{path}: damaged: its names are not those of {n_0} inputs and {n_L} outputs"
        )
    names = with_encoded(why.named(None, known.outputs or None).names, known.inputs)
    names = replace(names, target=known.scale, threshold=known.threshold)
    return Model(replace(why, names=names, notes=(*why.notes, *known.notes)), path.name)


def _output(cost: Any, f: Any, n_L: int, description: Any) -> Output:
    if isinstance(description, Network) and cost is description.C:
        return Output(f, cost)
    if any(kind.__module__.startswith("torch.") for kind in type(cost).__mro__):
        from whygrad.interop.torch_loss import cost_of

        return cost_of(cost, f, n_L)
    if cost is None:
        return by_default(f, "cost='squared_error' or cost='cross_entropy'")
    return of_own_cost(cost, f)


# ── arrays ───────────────────────────────────────────────────────────────────────────────────────────


def _arrays(state: Any) -> dict[str, Array]:
    """Return what a state_dict holds, also one that is an entry of a checkpoint."""
    if not isinstance(state, Mapping):
        raise InputError(f"a {type(state).__name__} is no state_dict: give module.state_dict()")
    for name in ("state_dict", "model_state_dict", "model"):
        if isinstance(state.get(name), Mapping):
            return _arrays(state[name])
    arrays = {}
    for name, given in state.items():
        tensor = given.detach().cpu().double() if hasattr(given, "detach") else given
        if not hasattr(tensor, "shape"):
            kind = type(given).__name__
            raise InputError(
                f"entry {str(name)!r} is a {kind}, no tensor: give module.state_dict()"
            )
        arrays[str(name)] = np.asarray(tensor, np.float64)
    return arrays


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise `FileError` for a file that is missing, damaged or of another kind."""
    from safetensors import SafetensorError

    refuse_pickle(path)
    check_regular(path)
    try:
        yield
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except SafetensorError as error:
        raise FileError(f"{path}: no safetensors file, or damaged ({error})") from None


def metadata_of(path: Path) -> dict[str, str]:
    """Return the metadata of a `.safetensors` file; raises `FileError` for what is none."""
    from safetensors import safe_open

    with _reading(path), safe_open(path, framework="numpy") as file:
        return file.metadata() or {}


def read_tensors(path: Path) -> dict[str, Array]:
    """Return the tensors of a `.safetensors` file in float64; raises `FileError` for what is none."""
    from safetensors import deserialize

    with _reading(path):
        listed = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    arrays = {}
    for name, about in sorted(listed, key=lambda each: _by_number(each[0])):
        if about["dtype"] not in DTYPES:
            if name.endswith("num_batches_tracked"):
                continue
            raise FileError(f"{path}: {name} is of {about['dtype']}, not of floating-point numbers")
        array = np.frombuffer(about["data"], DTYPES[about["dtype"]]).reshape(about["shape"])
        if about["dtype"] == "BF16":  # the upper half of a float32
            array = (array.astype("<u4") << 16).view("<f4")
        arrays[name] = array.astype(np.float64)
    return arrays


def refuse_pickle(path: Path) -> None:
    """Raise `FileError` for a file of PyTorch's own, and say how to write one that can be read."""
    if path.suffix.lower() == ".pt2":
        raise FileError(
            f"{path}: holds pickles, which run code when they are opened: open it where you trust it, and "
            "give explain torch.export.load(path)"
        )
    if path.suffix.lower() in PICKLES:
        raise FileError(
            f"{path}: a pickle, which runs code when it is opened: open it where you trust it, and give "
            "explain the module, or write safetensors.torch.save_file(module.state_dict(), "
            f"'{path.stem}.safetensors')"
        )


def _by_number(name: str) -> list[Any]:
    """Return a key by which "10.weight" comes after "2.weight"."""
    return [
        (part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)
    ]


# ── layers ───────────────────────────────────────────────────────────────────────────────────────────


def _linear(arrays: Mapping[str, Array], path: Path | None) -> list[Linear]:
    """Return the linear layers among the arrays; raises `InputError` where there are others."""
    found, left = [], set(arrays)
    for name, W in arrays.items():
        layer = name.removesuffix("weight").removesuffix(".")
        if name.rpartition(".")[2] != "weight" or W.ndim != 2:
            continue
        bias = f"{layer}.bias" if layer else "bias"
        found.append(Linear(layer or "weight", W, arrays.get(bias)))
        left -= {name, bias}
    where = f"{path}: " if path else ""
    if left:
        name = next(name for name in arrays if name in left)
        layer = name.rpartition(".")[0]
        what = (
            "a normalisation" if f"{layer}.running_mean" in arrays else "no part of a linear layer"
        )
        raise InputError(
            f"{where}{name}, {arrays[name].shape}, is {what}: give the module itself, to read it"
        )
    if not found:
        raise InputError(f"{where}there is no linear layer, with NAME.weight and NAME.bias")
    return found


def _in_order(found: list[Linear], units: list[int], n_0: int | None, sort: bool) -> list[Linear]:
    """Return the linear layers in the order of the description."""
    if len(found) != len(units):
        raise InputError(
            f"there are {len(found)} linear layers, {', '.join(each.where for each in found)}; the "
            f"description has {len(units)}"
        )
    misfit = _misfit(found, units, n_0)
    if misfit and sort:
        chained_by_shape = _by_shape(found, units, n_0)
        if chained_by_shape:
            return chained_by_shape
    if misfit:
        raise InputError(misfit)
    return found


def _misfit(layers: list[Linear], units: list[int], n_0: int | None) -> str:
    """Return what does not fit, "" where all does."""
    below = layers[0].W.shape[1] if n_0 is None else n_0
    for l, (layer, n) in enumerate(zip(layers, units, strict=True), start=1):
        if layer.W.shape != (n, below):
            return f"{layer.where}.weight has shape {layer.W.shape}, layer {l} needs {(n, below)}"
        if layer.b is not None and layer.b.shape != (n,):
            return f"{layer.where}.bias has shape {layer.b.shape}, layer {l} needs {(n,)}"
        below = n
    return ""


def _by_shape(found: list[Linear], units: list[int], n_0: int | None) -> list[Linear]:
    """Return the one order in which the shapes fit, [] where there is none or several."""
    orders: list[list[Linear]] = [[]]
    for l, n in enumerate(units):
        below = units[l - 1] if l else n_0
        orders = [
            [*order, layer]
            for order in orders
            for layer in found
            if layer not in order and layer.W.shape[0] == n and below in (None, layer.W.shape[1])
        ][:100]
    return orders[0] if len(orders) == 1 and not _misfit(orders[0], units, n_0) else []
