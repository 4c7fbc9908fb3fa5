"""Networks from elsewhere → `Why`: scikit-learn's MLPs, PyTorch's modules, Keras models, whygrad's own.

    chain            operations, one after the other → layers; what is folded, and what is compared
    outputs          a loss of another library → output activation, cost and notes
    torch            a PyTorch module, traced → a chain
    torch_loss       PyTorch's losses → output activation and cost
    torch_functions  activations with a parameter that PyTorch lets one choose
    torch_state      PyTorch's parameters and a description of the network → a chain
    torch_out        a network of whygrad's → a PyTorch module, or its parameters
    keras            Keras models, in memory and from their files → a chain

Its face is `explain` and `to_torch`. It may import `why`, `estimators` and what is below. A library is
imported only where a model of its own is handed over: models are told by the modules of their classes.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any

from whygrad.errors import InputError
from whygrad.interop.torch_out import to_torch as to_torch
from whygrad.why.bound import Why

KNOWN = (
    "an MLPClassifier or MLPRegressor (of whygrad or scikit-learn, also in a Pipeline), a torch.nn."
    "Module, what whygrad.train gives, or a run"
)
KERAS = (".keras", ".h5", ".hdf5")


def explain(
    model: Any,
    *,
    cost: Any = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    image: tuple[int, int] | None = None,
) -> Why:
    """Return all questions about a trained network, wherever it was trained.

    Gradients, attributions, counterfactuals and ablations of scikit-learn's and PyTorch's networks are
    computed in float64 by whygrad, from a copy of their parameters.

    Parameters
    ----------
    model : estimator, torch.nn.Module, Fitted or Run
        A fitted `MLPClassifier` or `MLPRegressor` of whygrad or of scikit-learn, alone, as the last step of
        a `Pipeline` or as the best of a search; a `torch.nn.Module` that is a chain of linear layers,
        activations, batch normalisation, dropout and changes of shape; a Keras model of such
        layers, or the `.keras` or `.h5` file of one; a `Fitted`; a `Run`.
    cost : torch.nn.Module, str or Cost, optional
        For PyTorch: the loss it was trained with, such as `torch.nn.CrossEntropyLoss()`, or one of
        whygrad's costs. By default the one that belongs to a last layer of softmax or sigmoid.
    inputs, outputs : sequences of str, optional
        Names of the inputs, (n_0,), and of the classes or targets, (n_L,), where the model knows none.
    image : (int, int), optional
        Height and width of the images that are the input.

    Returns
    -------
    Why
        The questions, bound to the network; rows and labels are given as to the model itself.

    Raises
    ------
    InputError
        For a model of another kind, and for an operation of PyTorch's that is not supported, with its name
        and line.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> mlp = MLPClassifier((5,), alpha=1.0, solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> explain(mlp)
    <Why 4-5-3 cross_entropy>
    """
    return _why(model, cost).named(inputs, outputs, image)


def _why(model: Any, cost: Any) -> Why:
    libraries = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    path = isinstance(model, str | PathLike)
    # With PyTorch below it, a Keras model is a module of PyTorch's as well: this comes first.
    if libraries & {"keras", "tf_keras"} or (path and str(model).endswith(KERAS)):
        from whygrad.interop.keras import why_of_keras

        return why_of_keras(model, cost)
    if "torch" in libraries:
        from whygrad.interop.torch import why_of_module

        return why_of_module(model, cost)
    if cost is not None:
        raise InputError("cost is for PyTorch's networks: this model has its own")
    if isinstance(model, Why):
        return model
    if "sklearn" in libraries:
        from whygrad.estimators.why import why_of_estimator

        return why_of_estimator(model)
    own = getattr(model, "why", None) if "whygrad" in libraries else None
    if isinstance(own, Why):
        return own
    raise InputError(f"a {type(model).__name__} cannot be explained: give {KNOWN}")
