"""A PyTorch module → `Why`: its graph, traced by `torch.fx`, is a chain of operations that are known here.

Whatever a module is made of (layers, functions, nested modules, parameters of its own) comes out of the
trace as one list of operations on the rows. Linear is z = W a + b with W as here, (n_l, n_{l-1});
parameters are copied and taken to float64. A module is read, and run once on a few drawn rows to compare,
in evaluation mode; its own mode is restored.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from whygrad.errors import InputError, first_line
from whygrad.interop.chain import (
    Drop,
    Function,
    Linear,
    Scaling,
    Step,
    chained,
)
from whygrad.interop.model import Model
from whygrad.interop.outputs import model_of_chain, why_of_chain
from whygrad.interop.torch_loss import cost_of
from whygrad.nn import Activation
from whygrad.nn.functions import Array
from whygrad.nn.parametric import (
    MISH,
    SOFTSIGN,
    celu,
    clipped,
    gelu_tanh,
    scaled_elu,
    sharp_softplus,
    sloped_relu,
)

EXPORTED = 2  # rows: of one alone, PyTorch would take its number for part of the graph
SINGLE = float(torch.finfo(torch.float32).eps)


def model_of_module(given: Any, cost: Any = None) -> Model:
    """Return the network of a PyTorch module whose graph is a chain of known operations, to be asked why.

    Parameters
    ----------
    given : torch.nn.Module or torch.export.ExportedProgram
        The network; its parameters are copied.
    cost : torch.nn.Module, str or Cost, optional
        The loss it was trained with, as of `explain`.

    Returns
    -------
    Model
        The network.

    Raises
    ------
    InputError
        For an operation that is not supported or makes the graph more than a chain, with its name and the
        line of the source; for a loss that is not; where the layers read give other outputs.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    >>> model_of_module(model, nn.CrossEntropyLoss())
    <Model 4-3-2 (tanh, softmax), cross_entropy, from PyTorch's Sequential>
    """
    model = _module(given)
    with _predicting(model), torch.no_grad():
        model, graph = _traced(model)
        shared: list[str] = []
        chain = chained(_steps(model, graph, shared))
    chain = replace(chain, notes=(*chain.notes, *shared))
    why = why_of_chain(chain, cost_of(cost, chain.f, chain.n_L, chain.logarithms))
    name = f"PyTorch's {type(given).__name__}"
    eps = max((torch.finfo(each.dtype).eps for each in _numbers(model)), default=SINGLE)
    return model_of_chain(chain, why, name, name, partial(_run, model, graph), eps)


# ── the graph ────────────────────────────────────────────────────────────────────────────────────────


def _module(given: Any) -> nn.Module:
    """Return the module to trace: out of its wrapper, in float32 at least, with values in it."""
    model = given
    if isinstance(model, torch.export.ExportedProgram):
        model = model.module()
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        model = model.module
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"a {type(given).__name__} has no graph to read: give the torch.nn.Module it was made of"
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin) or tensor.is_meta:
            raise InputError(f"parameter {name} has no values yet: load them, or run a batch first")
    if any(tensor.dtype in (torch.half, torch.bfloat16) for tensor in model.parameters()):
        model = deepcopy(model).float()
    if type(model).__module__.startswith("torch.nn.") and not isinstance(model, nn.Sequential):
        model = nn.Sequential(model)
    return model


def with_parameters(model: nn.Module, arrays: Mapping[str, Array], where: str) -> nn.Module:
    """Return a copy of a module that has these parameters.

    Raises
    ------
    InputError
        For parameters that are not the module's, with a name and both shapes; `where` they are.
    """
    model, given = deepcopy(model), dict(arrays)
    own = model.state_dict()
    for before in ("module.", "_orig_mod."):  # of wrappers, which the module is given without
        if all(name.startswith(before) and name not in own for name in given):
            given = {name.removeprefix(before): array for name, array in given.items()}
    for name in (*own, *given):
        if name.endswith("num_batches_tracked"):
            continue
        shapes = [tuple(each[name].shape) if name in each else None for each in (own, given)]
        if shapes[0] != shapes[1]:
            said = ["there is none" if shape is None else f"of shape {shape}" for shape in shapes]
            raise InputError(
                f"{where}{name} is not the module's: in the module {said[0]}, given {said[1]}"
            )
    with torch.no_grad():
        for name, tensor in own.items():
            if name in given:
                tensor.copy_(torch.from_numpy(given[name]))
    return model


@contextmanager
def _predicting(model: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode, and every part of it back into its own."""
    before = [(part, part.training) for part in model.modules()]
    try:
        for part, _ in before:
            part.training = False
        yield
    finally:
        for part, training in before:
            part.training = training


class _Tracer(fx.Tracer):  # type: ignore[misc]
    record_stack_traces = True


def _traced(model: nn.Module) -> tuple[nn.Module, Any]:
    """Return a module and its graph; arguments of its `forward` with a default have that.

    One that decides by the shape of the rows is exported, for rows of so many numbers as its first linear
    layer takes: that is another module.
    """
    if isinstance(model, fx.GraphModule):
        return model, model.graph
    _, *others = inspect.signature(model.forward).parameters.values() or (None,)
    given = {p.name: p.default for p in others if p.default is not p.empty}
    try:
        return model, _Tracer().trace(model, concrete_args=given)
    except Exception as error:  # anything may go wrong in another's code
        if isinstance(error, fx.proxy.TraceError) and (found := _exported(model)) is not None:
            return found, found.graph
        frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
        line = _line([(frame.filename, str(frame.lineno)) for frame in frames])
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(
            f"{type(model).__name__} cannot be traced{line}: {reason}; where it decides by the numbers in "
            "it, give torch.export.export(model, (rows,))"
        ) from None


def _exported(model: nn.Module) -> Any:
    """Return the graph that a module comes to for rows of one shape, None where there is none."""
    first = next((each for each in model.modules() if isinstance(each, nn.Linear)), None)
    if first is None:
        return None
    like = first.weight
    rows = torch.zeros(EXPORTED, first.in_features, dtype=like.dtype, device=like.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.export(model, (rows,)).module()
        except Exception:  # of whatever kind: what kept it from being traced is told
            return None


_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_HERE = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


def _line(frames: list[tuple[str, str]]) -> str:
    """Return the innermost line that is neither PyTorch's nor whygrad's, " (model.py, line 12)"."""
    own = [(file, line) for file, line in frames if not file.startswith((*_HERE, "<eval"))]
    return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""


def _what(model: nn.Module, node: Any) -> str:
    """Return what an operation is called, such as "layer 2.0 (Linear)" or "relu"."""
    if node.op != "call_module":
        return _name(node)
    return f"layer {node.target} ({type(model.get_submodule(node.target)).__name__})"


def _name(node: Any) -> str:
    """Return the name of a function or method, whether it is called by PyTorch's face or by ATen's."""
    name = node.target if isinstance(node.target, str) else node.target.__name__
    return name.partition(".")[0].rstrip("_")


def _steps(model: nn.Module, graph: Any, shared: list[str]) -> Iterator[Step]:
    """Yield the operations on the rows, in order; layers that share their weights are noted."""
    values: dict[Any, Any] = {}  # what does not depend on the rows
    sizes: set[Any] = set()  # what depends on their shape alone
    own, used = type(model).__name__, _used(graph)
    head, before = None, own
    weights: dict[int, str] = {}
    for node in graph.nodes:
        data = [each for each in node.all_input_nodes if each not in values and each not in sizes]
        if node not in used:
            continue
        if node.op == "placeholder":
            if head is not None:
                raise InputError(f"{own} takes a second input, {node.name}: the graph is no chain")
            head = node
        elif node.op == "get_attr":
            values[node] = _attribute(model, node.target)
        elif node.op == "output":
            _check_output(node, head, own)
        elif not data and node.op != "call_module":
            if any(each in sizes for each in node.all_input_nodes):
                sizes.add(node)
            else:
                values[node] = _value(node, values)
        elif node.op != "call_module" and _is_size(node):
            sizes.add(node)
        else:
            what = _what(model, node)
            where = what + _line(_FRAME.findall(node.stack_trace or ""))
            if len(set(data)) > 1:
                raise InputError(f"{where} joins two branches: the graph is no chain")
            if data != [head]:
                raise InputError(
                    f"{where} goes back to what {before} has taken already: the graph is no chain"
                )
            step = _step(model, node, where, values)
            if isinstance(step, Linear):
                before = weights.setdefault(_weights(model, node, values), what)
                if before is not what:
                    shared.append(
                        f"{what} has the weights of {before}: PyTorch adds their gradients"
                    )
            if isinstance(step, Scaling | Drop):  # which notes name
                step = replace(step, where=what)
            if step is not None:
                yield step
            head, before = node, what


def _used(graph: Any) -> set[Any]:
    """Return the nodes that the output depends on."""
    used, left = set(), [node for node in graph.nodes if node.op == "output"]
    while left:
        node = left.pop()
        if node not in used:
            used.add(node)
            left += node.all_input_nodes
    return used


def _check_output(node: Any, head: Any, own: str) -> None:
    given = node.args[0]
    if isinstance(given, tuple | list) and len(given) == 1:
        given = given[0]
    if given is not head:
        kind = type(given).__name__.removeprefix("immutable_")
        what = given.name if isinstance(given, fx.Node) else f"a {kind}"
        raise InputError(
            f"{own} returns {what}: only the outputs of its last layer, as one tensor, are supported"
        )


def _attribute(model: nn.Module, target: str) -> Any:
    for part in target.split("."):
        model = getattr(model, part)
    return model


def _value(node: Any, values: dict[Any, Any]) -> Any:
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda each: values[each])
    if node.op == "call_method":
        return getattr(args[0], node.target)(*args[1:], **kwargs)
    return node.target(*args, **kwargs)


def _is_size(node: Any) -> bool:
    name = _name(node)
    return name in ("size", "dim", "numel", "sym_size", "len") or (
        name == "getattr" and node.args[1] in ("shape", "ndim", "dtype", "device")
    )


def _weights(model: nn.Module, node: Any, values: dict[Any, Any]) -> int:
    """Return what tells the weights of a linear operation from all others."""
    if node.op != "call_module":
        return id(values[node.args[1]])
    layer = model.get_submodule(node.target)
    return id(layer._parameters.get("weight", layer))  # computed weights are not kept anywhere


# ── operations ───────────────────────────────────────────────────────────────────────────────────────


def _step(model: nn.Module, node: Any, where: str, values: dict[Any, Any]) -> Step | None:
    """Return what an operation does to the numbers of a row; None where it leaves them as they are."""
    if node.op == "call_module":
        return _of_layer(model.get_submodule(node.target), where)
    name = _name(node)
    given = partial(_argument, node, values)
    if name in SHAPES:
        return None
    if name in FUNCTIONS:
        return Function(where, FUNCTIONS[name](given), logarithm=name == "log_softmax")
    if name in OPERATIONS:
        return OPERATIONS[name](node, where, given)
    raise InputError(f"{where} is not supported: known are {', '.join(KNOWN)}")


def _argument(node: Any, values: dict[Any, Any], position: int, name: str, default: Any) -> Any:
    """Return an argument of a call, by its position or name; a value that depends on no row as it is."""
    found = node.args[position] if len(node.args) > position else node.kwargs.get(name, default)
    return values.get(found, found) if isinstance(found, fx.Node) else found


def _of_layer(layer: Any, where: str) -> Step | None:
    kind = type(layer)
    if kind in ACTIVATIONS:
        if kind in (nn.Softmax, nn.LogSoftmax):
            _check_dim(layer.dim, where)
        return Function(where, ACTIVATIONS[kind](layer), logarithm=kind is nn.LogSoftmax)
    if kind in DROPOUTS:
        return Drop(where, layer.p, plain=kind is nn.Dropout)
    if kind is nn.Flatten and (layer.start_dim, layer.end_dim) != (1, -1):
        raise InputError(
            f"{where} flattens dimensions {layer.start_dim} to {layer.end_dim}: only all of an example, "
            "1 to -1, is supported"
        )
    if kind in (nn.Flatten, nn.Unflatten, nn.Identity):
        return None
    if isinstance(layer, nn.Linear) and kind.forward is nn.Linear.forward:
        return Linear(where, _double(layer.weight), _double(layer.bias))
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return _normalised(
            where, layer.running_mean, layer.running_var, layer.weight, layer.bias, layer.eps
        )
    raise InputError(f"{where} is not supported: known are {', '.join(KNOWN)}")


def _normalised(
    where: str, mean: Any, variance: Any, weight: Any, bias: Any, eps: float
) -> Scaling:
    """Return a batch normalisation in prediction, γ/√(σ² + ε) · (a − μ) + β."""
    if mean is None or variance is None:
        raise InputError(
            f"{where} keeps no running mean: what it gives for a row depends on the others beside it"
        )
    by = 1 / np.sqrt(_double(variance) + eps)
    by = by if weight is None else by * _double(weight)
    plus = -by * _double(mean)
    return Scaling(where, by, plus if bias is None else plus + _double(bias))


def _batch_norm(node: Any, where: str, given: Any) -> Scaling:
    names = ("running_mean", "running_var", "weight", "bias")
    if "." in str(getattr(node.target, "__name__", "")):  # ATen's order
        names = ("weight", "bias", "running_mean", "running_var")
    by_name = {name: given(position, name, None) for position, name in enumerate(names, 1)}
    if given(5, "training", False):
        raise InputError(f"{where} normalises by the batch: give it training=self.training")
    mean, variance = by_name["running_mean"], by_name["running_var"]
    eps = given(7, "eps", 1e-5)
    return _normalised(where, mean, variance, by_name["weight"], by_name["bias"], eps)


def _dropout(node: Any, where: str, given: Any) -> Drop:
    p = given(1, "p", 0.5)
    if p and given(2, "train" if "." in str(node.target) else "training", True):
        raise InputError(
            f"{where} drops units even when it predicts: give it training=self.training, or use a layer"
        )
    return Drop(where, p, plain=_name(node) == "dropout")


def _linear(node: Any, where: str, given: Any) -> Linear:
    return Linear(where, _matrix(given(1, "weight", None), where), _double(given(2, "bias", None)))


def _matmul(node: Any, where: str, given: Any) -> Linear:
    if node.args[0] not in node.all_input_nodes or not torch.is_tensor(given(1, "other", None)):
        raise InputError(f"{where} is supported with the rows on its left: rows @ weights")
    return Linear(where, _matrix(given(1, "other", None), where).T)


def _matrix(weights: Any, where: str) -> Array:
    if not torch.is_tensor(weights) or weights.ndim != 2:
        raise InputError(f"{where} is supported with a matrix of weights only")
    return _double(weights)


def _clamp(node: Any, where: str, given: Any) -> Function:
    low, high = given(1, "min", None), given(2, "max", None)
    if high is None and low == 0:
        return Function(where, "relu")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        raise InputError(f"{where} is supported as ReLU, with min=0, and between two numbers")
    return Function(where, clipped(low, high))


def _arithmetic(sign: str, node: Any, where: str, given: Any) -> Scaling:
    """Return a + c, a − c, a · c, a / c, and those of the first three with c before a."""
    left, right = given(0, "input", None), given(1, "other", None)
    row_is_left = isinstance(left, fx.Node)
    c = right if row_is_left else left
    c = _double(c) if torch.is_tensor(c) else c
    if node.kwargs.get("alpha", 1) != 1 or node.kwargs.get("rounding_mode"):
        raise InputError(f"{where} is not supported with alpha or rounding_mode")
    if not isinstance(c, int | float | np.ndarray) or (sign == "/" and not row_is_left):
        raise InputError(f"{where} is supported with a constant only")
    match sign:
        case "+":
            return Scaling(where, 1.0, c)
        case "-":
            return Scaling(where, 1.0, -c) if row_is_left else Scaling(where, -1.0, c)
        case "*":
            return Scaling(where, c)
    return Scaling(where, 1 / np.asarray(c, np.float64))


def _part(node: Any, where: str, given: Any) -> None:
    """Accept rows[:, 0], which makes one output a vector; what takes some of several columns is refused."""
    index = (
        given(1, "dim", None)
        if _name(node) == "getitem"
        else (slice(None), given(2, "index", None))
    )
    whole = (slice(None), Ellipsis)
    if not isinstance(index, tuple) or index[0] not in whole or index[1:] not in ((0,), (-1,)):
        raise InputError(
            f"{where} takes a part of the rows: only [:, 0] of one output is supported"
        )


def _one_slope(weight: Any) -> Activation:
    """Return a PReLU, whose slope was learned; that of all units alike."""
    if not torch.is_tensor(weight) or weight.numel() != 1:
        raise InputError("a PReLU is supported with one slope for all units, not with one for each")
    return sloped_relu(weight.item())


def _softmax(given: Any) -> str:
    _check_dim(given(1, "dim", None), "softmax")
    return "softmax"


def _check_dim(dim: Any, where: str) -> None:
    if dim not in (None, 1, -1):
        raise InputError(f"{where} has dim={dim}: over the outputs of an example it is 1")


ACTIVATIONS: dict[type[nn.Module], Callable[[Any], str | Activation]] = {
    nn.ReLU: lambda layer: "relu",
    nn.Sigmoid: lambda layer: "sigmoid",
    nn.Tanh: lambda layer: "tanh",
    nn.SELU: lambda layer: "selu",
    nn.SiLU: lambda layer: "silu",
    nn.Softmax: lambda layer: "softmax",
    nn.LogSoftmax: lambda layer: "softmax",
    nn.LeakyReLU: lambda layer: sloped_relu(layer.negative_slope),
    nn.ELU: lambda layer: scaled_elu(layer.alpha),
    nn.PReLU: lambda layer: _one_slope(layer.weight),
    nn.CELU: lambda layer: celu(layer.alpha),
    nn.Hardtanh: lambda layer: clipped(layer.min_val, layer.max_val),
    nn.ReLU6: lambda layer: clipped(0, 6),
    nn.Mish: lambda layer: MISH,
    nn.Softsign: lambda layer: SOFTSIGN,
    nn.GELU: lambda layer: gelu_tanh() if layer.approximate == "tanh" else "gelu",
    nn.Softplus: lambda layer: sharp_softplus(layer.beta, layer.threshold),
}
# The same as functions and methods; each is handed the arguments of its call.
FUNCTIONS: dict[str, Callable[[Any], str | Activation]] = {
    "relu": lambda given: "relu",
    "sigmoid": lambda given: "sigmoid",
    "tanh": lambda given: "tanh",
    "selu": lambda given: "selu",
    "silu": lambda given: "silu",
    "exp": lambda given: "exp",
    "softmax": _softmax,
    "log_softmax": _softmax,
    "leaky_relu": lambda given: sloped_relu(given(1, "negative_slope", 0.01)),
    "prelu": lambda given: _one_slope(given(1, "weight", None)),
    "elu": lambda given: scaled_elu(given(1, "alpha", 1.0)),
    "celu": lambda given: celu(given(1, "alpha", 1.0)),
    "hardtanh": lambda given: clipped(given(1, "min_val", -1.0), given(2, "max_val", 1.0)),
    "relu6": lambda given: clipped(0, 6),
    "mish": lambda given: MISH,
    "softsign": lambda given: SOFTSIGN,
    "gelu": lambda given: gelu_tanh() if given(1, "approximate", "none") == "tanh" else "gelu",
    "softplus": lambda given: sharp_softplus(given(1, "beta", 1.0), given(2, "threshold", 20.0)),
}
OPERATIONS: dict[str, Callable[[Any, str, Any], Step | None]] = {
    "getitem": _part,
    "select": _part,
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "clamp": _clamp,
    "clip": _clamp,
    "batch_norm": _batch_norm,
    **dict.fromkeys(("dropout", "dropout1d", "alpha_dropout", "feature_dropout"), _dropout),
    **{
        name: partial(_arithmetic, sign)
        for sign, names in {"+": "add", "-": "sub subtract", "*": "mul multiply"}.items()
        for name in names.split()
    },
    **dict.fromkeys(("div", "divide", "truediv", "true_divide"), partial(_arithmetic, "/")),
}
# The order of a row's numbers stays as it is; whether the rows do is seen when the outputs are compared.
SHAPES = (
    *("view", "reshape", "flatten", "squeeze", "unsqueeze", "contiguous"),
    *("clone", "detach", "float", "double", "to", "type", "alias"),
)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)
KNOWN = (
    "Linear",
    *(kind.__name__ for kind in ACTIVATIONS),
    *("BatchNorm1d", "Dropout", "Flatten", "Identity"),
    "their functions, and arithmetic with constants",
)


def _double(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().to("cpu", torch.float64).numpy().copy()


# ── the module's own outputs ─────────────────────────────────────────────────────────────────────────


def _run(model: nn.Module, graph: Any, X: Array) -> Array:
    """Run the module on rows, in prediction: as they are, or as images where it takes nothing else."""
    like = next(_numbers(model), torch.zeros(()))
    rows = torch.tensor(X).to(like.device, like.dtype)
    first = next((node.meta.get("val") for node in graph.nodes if node.op == "placeholder"), None)
    side, colours = round(X.shape[1] ** 0.5), round((X.shape[1] / 3) ** 0.5)
    shapes = [X.shape[1:], (1, side, side), (side, side), (3, colours, colours)]
    problem: Exception | None = None
    for shape in shapes:
        if np.prod(shape) != X.shape[1]:
            continue
        try:
            with warnings.catch_warnings(), _predicting(model), torch.no_grad():
                warnings.simplefilter("ignore")
                if first is not None and isinstance(
                    first.shape[0], int
                ):  # of a fixed number of rows
                    given = rows[torch.arange(first.shape[0] * len(rows)) % len(rows)]
                    batches = given.reshape(len(rows), *first.shape)
                    found = torch.cat([_tensor(model(each)) for each in batches])[: len(rows)]
                else:
                    found = _tensor(model(rows.reshape(len(rows), *shape)))
            return np.asarray(found.detach().cpu().numpy())
        except Exception as error:  # anything may go wrong in another's code
            problem = problem or error
    raise InputError(
        f"{type(model).__name__} cannot be run on rows of {X.shape[1]} numbers, to compare its outputs: "
        f"{first_line(problem)}"
    )


def _numbers(model: nn.Module) -> Iterator[Any]:
    """Yield the parameters that are floating-point numbers."""
    return (each for each in model.parameters() if each.dtype.is_floating_point)


def _tensor(outputs: Any) -> Any:
    return outputs[0] if isinstance(outputs, tuple | list) else outputs
