"""Networks from elsewhere → `Model`: of scikit-learn, PyTorch, Keras and ONNX, and whygrad's own.

    model            what all of them become: asked why, checked, drawn, trained on
    door             the original's outputs, compared when a network is read
    chain, outputs   operations in a row → layers; a loss → output activation and cost
    sklearn          scikit-learn's MLPs and pipelines; pipelines, columns: followed column by column
    skops            the files of these
    onnx             ONNX's files and models
    torch            a PyTorch module, traced → a chain
    torch_loss       PyTorch's losses → output activation and cost
    torch_state      PyTorch's parameters and a description of the network → a chain
    torch_out        a network of whygrad's → a PyTorch module, or its parameters
    keras            Keras models, in memory and from their files → a chain
    exporting        the way out: `export`

Its face is `explain` and `to_torch`. Door beside this one: `exporting`. It may import `why`, `estimators`
and what is below. A library is imported only where a model or a file of its own is handed over: models are
told by the modules that their classes come from, files by their endings. Nothing is unpickled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

from whygrad.errors import FileError, InputError
from whygrad.fitted import Ensemble
from whygrad.interop.model import Model, libraries_of
from whygrad.interop.torch_out import to_torch
from whygrad.interop.torch_state import metadata_of, refuse_pickle
from whygrad.training.model_file import FORMAT
from whygrad.why.bound import Why

__all__ = ["Model", "explain", "to_torch"]

KNOWN = (
    "an MLPClassifier or MLPRegressor (of whygrad or scikit-learn, also in a Pipeline), a "
    "TabularClassifier or TabularRegressor, a model of PyTorch, Keras or ONNX or the file of one, what "
    "whygrad.train gives, or a run"
)
# Endings of files that hold code, which is run when they are opened.
PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle")


def explain(
    model: Any,
    *,
    cost: Any = None,
    description: Any = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    image: tuple[int, int] | None = None,
    training: Any = None,
) -> Model:
    """Return a trained network to be asked why, wherever it was trained.

    Gradients, attributions, counterfactuals and ablations are computed in float64 by whygrad, from a copy
    of the parameters. Where the original can be asked, its outputs are compared on a few rows first.

    Parameters
    ----------
    model : estimator, torch.nn.Module, keras.Model, onnx.ModelProto, Fitted, Run, str or path
        A fitted `MLPClassifier` or `MLPRegressor` of whygrad or of scikit-learn, alone, as the last step of
        a `Pipeline` or as the best of a search; a model of PyTorch, Keras or ONNX that is a chain of dense
        layers and activations; a tabular estimator; a `Fitted` or `Ensemble`; a `Run`. Or the path of one:
        `.onnx`, `.keras`, `.h5`, `.safetensors`, `.skops`, or the folder of a run.
    cost : torch.nn.Module, str or Cost, optional
        For PyTorch, Keras and ONNX: the loss it was trained with, such as `torch.nn.CrossEntropyLoss()` or
        `keras.losses.Huber()`, or one of whygrad's costs. By default the one that it was compiled with, or
        that belongs to a last layer of softmax or sigmoid.
    description : torch.nn.Module, Network or list of Dense, optional
        For PyTorch's parameters alone, a `state_dict` or the `.safetensors` of one: what network they are
        of, a `Network` or a list of `Dense`. What `whygrad.export` wrote says so itself.
    inputs, outputs : sequences of str, optional
        Names of the inputs, (n_0,), and of the classes or targets, (n_L,), where the model knows none.
    image : (int, int), optional
        Height and width of the images that are the input.
    training : array-like or DataFrame, shape (n, features), optional
        The rows that it was trained on: predictions are then compared with a sample of them.

    Returns
    -------
    Model
        The network: `Model.why` are the questions; `Model.predict`, `Model.check`, `Model.widget` and
        `Model.to_whygrad` are there as well.
        Rows and labels are given as to the model itself.

    Raises
    ------
    InputError
        For a model of another kind, for a layer that is not supported, with its position, and where outputs
        are not the original's.
    FileError
        For a file that is missing, damaged or of another kind.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> mlp = MLPClassifier((5,), alpha=1.0, solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> explain(mlp)
    <Model 4-5-3 (relu, softmax), cross_entropy, from scikit-learn's MLPClassifier>
    >>> explain(mlp).why.weight(X, y, layer=1, to=0, from_="petal width (cm)").kind
    'weight'
    """
    path = _path_of(model)
    found = (
        _of_object(model, cost, description) if path is None else _of_file(path, cost, description)
    )
    why = found.why.named(inputs, outputs, image)
    return replace(found, why=why if training is None else why.trained_on(training))


# ── objects ──────────────────────────────────────────────────────────────────────────────────────────


def _of_object(model: Any, cost: Any, description: Any) -> Model:
    libraries = libraries_of(model)
    kind = type(model).__name__
    if libraries & {"keras", "tf_keras"}:  # before PyTorch, whose modules its layers may be
        return _read("keras", "model_of_keras", model, cost)
    if "onnx" in libraries or hasattr(model, "model_proto"):  # what torch.onnx.export returns
        return _read("onnx", "model_of_onnx", getattr(model, "model_proto", model), cost)
    if description is not None:
        return _read("torch_state", "model_of_state", model, description, cost)
    if "torch" in libraries:
        return _read("torch", "model_of_module", model, cost)
    if isinstance(model, Mapping) and model:
        raise InputError(
            "parameters alone tell no network: give with them the module they are of, "
            "description=module, or its layers, description=[Dense(8, 'relu'), …]"
        )
    if cost is not None:
        raise InputError("cost is for networks of PyTorch, Keras and ONNX: this model has its own")
    if isinstance(model, Model):
        return model
    if isinstance(model, Why):
        return Model(model, "a Why")
    if "sklearn" in libraries:
        return _of_estimator(model)
    own = getattr(model, "why", None) if "whygrad" in libraries else None
    if isinstance(own, Why):
        return Model(own, f"{'an' if kind == 'Ensemble' else 'a'} {kind}")
    raise InputError(f"a {kind} cannot be explained: give {KNOWN}")


def _of_estimator(model: Any) -> Model:
    from whygrad.interop.sklearn import model_of_estimator

    return model_of_estimator(model)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


def _path_of(model: Any) -> Path | None:
    if not isinstance(model, str | PathLike):
        return None
    path = Path(model)
    try:
        if path.exists():
            return path
    except (OSError, ValueError) as error:
        raise FileError(f"{str(model):.200}: cannot be read ({error})") from None
    raise FileError(f"{str(model):.200}: there is no such file or run")


def _of_file(path: Path, cost: Any, description: Any) -> Model:
    ending = path.suffix.lower()
    if ending in FILES and not path.is_dir():
        return FILES[ending](path, cost, description)
    if cost is not None:
        raise InputError(f"{path}: cost is for files of PyTorch, Keras and ONNX")
    if path.is_dir():
        from whygrad.record import open_run

        return Model(open_run(path).why, f"the run {path.name}")
    refuse_pickle(path)
    if ending in PICKLES:
        raise FileError(
            f"{path}: a file that runs code when it is opened, and therefore is not: open it yourself if "
            "you trust it, and give the model"
        )
    raise FileError(f"{path}: no file of a network: known are {', '.join(FILES)} and runs")


def _of_safetensors(path: Path, cost: Any, description: Any) -> Model:
    if description is not None or metadata_of(path).get("format") != FORMAT:
        return _read("torch_state", "model_of_state", path, description, cost)
    if cost is not None:
        raise InputError(f"{path}: a network of whygrad, which has its own cost")
    found = Ensemble.load(path)
    alone = found.members[0] if len(found.members) == 1 else found
    return Model(alone.why, path.name)


FILES: dict[str, Any] = {
    ".onnx": lambda path, cost, _: _read("onnx", "model_of_onnx", path, cost),
    ".keras": lambda path, cost, _: _read("keras", "model_of_keras", path, cost),
    ".h5": lambda path, cost, _: _read("keras", "model_of_keras", path, cost),
    ".safetensors": _of_safetensors,
    ".skops": lambda path, cost, _: _read("skops", "model_of_skops", path, cost),
}
FILES[".hdf5"] = FILES[".h5"]


def _read(module: str, function: str, *given: Any) -> Any:
    """Call the reader of a library, which is imported now; raise `InputError` where it is not there."""
    library = module.partition("_")[0]
    try:
        found = import_module(f"whygrad.interop.{module}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise InputError(
            f"networks of {library} need {missing}, which is not installed: {INSTALL[library]}"
        ) from None
    return getattr(found, function)(*given)


INSTALL = {
    "onnx": 'pip install "whygrad[onnx]"',
    "keras": 'pip install "whygrad[keras]"',
    "skops": "pip install skops",
    "torch": "pip install torch",
}
