"""whygrad: backpropagation that answers for itself.

Feed-forward neural networks, trained fast on a CPU, with every number on the way in plain sight.

    Network, Dense      what there is            forward, backward, gradients   the four equations
    train               the training itself      MLPClassifier, MLPRegressor    the same for scikit-learn
    TabularClassifier, TabularRegressor          tables with columns of all kinds, by several networks
    train_many          several side by side
    open_run            what the command `whygrad train` wrote
    why                 the questions: why.weight, why.paths, …
    diagnose            why it does not learn, and a cure that is proven
    explain             a network trained elsewhere, with scikit-learn, PyTorch, Keras …, to be asked why
    export              a trained network as ONNX, C, JavaScript or PyTorch's tensors
    to_torch            a network as a PyTorch module
    callbacks           TensorBoard, MLflow, Optuna, a progress bar
    studio              a page that shows a run or a network, and answers
    film                a training as one HTML file that plays anywhere
    stage               the same in a notebook
    worksheet           one step of backpropagation as a page to print, blank or filled in
"""

from typing import TYPE_CHECKING, Any

from whygrad import handed
from whygrad.errors import (
    DivergenceWarning,
    EngineWarning,
    FileError,
    InputError,
    RecordWarning,
    TrackingWarning,
    TrainingError,
    WhygradError,
)
from whygrad.fitted import Ensemble, Fitted
from whygrad.nn import (
    Activation,
    Cost,
    Dense,
    Gradients,
    Network,
    Parameters,
    Trace,
    Uniform,
    backward,
    cost,
    forward,
    gradients,
    hessian_times,
)
from whygrad.nn import functions as functions
from whygrad.plan import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Adaptive,
    Clip,
    Constant,
    Cosine,
    InverseScaling,
    Nadam,
    OneCycle,
    OnPlateau,
    Penalty,
    RMSprop,
    Step,
    Stopping,
)
from whygrad.studio import studio
from whygrad.train import train, train_many
from whygrad.training import Callback, History, Report
from whygrad.version import __version__ as __version__

if TYPE_CHECKING:
    from whygrad import callbacks, why
    from whygrad.diagnosis import Description, diagnose
    from whygrad.estimators.mlp import MLPClassifier, MLPRegressor
    from whygrad.estimators.tabular import TabularClassifier, TabularRegressor
    from whygrad.fitted import load
    from whygrad.interop import Model, explain, to_torch
    from whygrad.interop.exporting import export
    from whygrad.record import Run, open_run
    from whygrad.record.folders import train_folder
    from whygrad.studio.film.film import film
    from whygrad.studio.film.stage import stage
    from whygrad.studio.film.worksheet import worksheet

__all__ = [
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adaptive",
    "Callback",
    "Clip",
    "Constant",
    "Cosine",
    "Cost",
    "Dense",
    "Description",
    "DivergenceWarning",
    "EngineWarning",
    "Ensemble",
    "FileError",
    "Fitted",
    "Gradients",
    "History",
    "InputError",
    "InverseScaling",
    "LBFGS",
    "MLPClassifier",
    "MLPRegressor",
    "Model",
    "Nadam",
    "Network",
    "OnPlateau",
    "OneCycle",
    "Parameters",
    "Penalty",
    "RMSprop",
    "RecordWarning",
    "Report",
    "Run",
    "SGD",
    "Step",
    "Stopping",
    "TabularClassifier",
    "TabularRegressor",
    "Trace",
    "TrackingWarning",
    "TrainingError",
    "Uniform",
    "WhygradError",
    "backward",
    "callbacks",
    "cost",
    "diagnose",
    "explain",
    "export",
    "film",
    "forward",
    "gradients",
    "hessian_times",
    "load",
    "open_run",
    "stage",
    "studio",
    "suspect_labels",
    "to_torch",
    "train",
    "train_folder",
    "train_many",
    "why",
    "worksheet",
]

# Imported when first asked for, so that `import whygrad` stays quick.
_LATER = {
    "Description": "whygrad.diagnosis",
    "callbacks": "whygrad.callbacks",
    "MLPClassifier": "whygrad.estimators",
    "MLPRegressor": "whygrad.estimators",
    "Model": "whygrad.interop",
    "Run": "whygrad.record",
    "TabularClassifier": "whygrad.estimators.tabular",
    "TabularRegressor": "whygrad.estimators.tabular",
    "diagnose": "whygrad.diagnosis",
    "explain": "whygrad.interop",
    "export": "whygrad.interop.exporting",
    "film": "whygrad.studio.film.film",
    "load": "whygrad.fitted",
    "open_run": "whygrad.record",
    "stage": "whygrad.studio.film.stage",
    "suspect_labels": "whygrad.diagnosis",
    "to_torch": "whygrad.interop",
    "train_folder": "whygrad.record.folders",
    "why": "whygrad.why",
    "worksheet": "whygrad.studio.film.worksheet",
}


def _diagnose(*given: Any, **options: Any) -> Any:
    from whygrad.diagnosis import diagnose

    return diagnose(*given, **options)


def _suspect_labels(*given: Any, **options: Any) -> Any:
    from whygrad.diagnosis import suspect_labels

    return suspect_labels(*given, **options)


def _card(of: Any) -> str:
    from whygrad.answers.cards import card

    return card(of)


handed.card = _card
handed.diagnose = _diagnose
handed.suspect_labels = _suspect_labels


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'whygrad' has no attribute {name!r}")
    from importlib import import_module

    if name.startswith(("MLP", "Tabular")):
        from whygrad.address_space import refuse_without_sklearn

        refuse_without_sklearn()
    module = import_module(_LATER[name])
    return module if name in ("callbacks", "why") else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
