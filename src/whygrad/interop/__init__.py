"""Networks from elsewhere → `Why`: scikit-learn's fitted MLPs, PyTorch's `Sequential`, whygrad's own.

A library is imported only where a model of its own is handed over: models are told by the names of the
modules that their classes come from.
"""

from collections.abc import Sequence
from typing import Any

from whygrad.errors import InputError
from whygrad.why.bound import Why

KNOWN = (
    "an MLPClassifier or MLPRegressor (of whygrad or scikit-learn, also in a Pipeline), a torch.nn."
    "Sequential, what whygrad.train gives, or a run"
)


def explain(
    model: Any,
    *,
    cost: Any = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    image: tuple[int, int] | None = None,
) -> Why:
    """Let a trained network be asked why, wherever it was trained.

    Parameters
    ----------
    model : a fitted `MLPClassifier` or `MLPRegressor` of whygrad or of scikit-learn, alone, as the last
        step of a `Pipeline` or as the best of a search; a `torch.nn.Sequential` of `Linear`, activations,
        `Dropout` and `Flatten`; a `Fitted`; a `Run`.
    cost : for PyTorch the loss it was trained with, a module such as `torch.nn.CrossEntropyLoss()`, or
        one of whygrad's costs. By default the one that belongs to a last layer of softmax or sigmoid.
    inputs, outputs : names of the inputs, and of the classes or targets, where the model knows none.
    image : (height, width) of the images that are the input.

    Raises
    ------
    InputError
        For a model of another kind, and for a layer of PyTorch's that is not supported, with its position.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> mlp = MLPClassifier((5,), alpha=1.0, solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> explain(mlp)
    <Why 4-5-3 cross_entropy>
    """
    why = _why(model, cost)
    return why.named(inputs, outputs, image)


def _why(model: Any, cost: Any) -> Why:
    libraries = {kind.__module__.partition(".")[0] for kind in type(model).__mro__}
    if "torch" in libraries:
        from whygrad.interop.torch import why_of_sequential

        return why_of_sequential(model, cost)
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
