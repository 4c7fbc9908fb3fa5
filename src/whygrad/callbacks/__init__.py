"""Callbacks that report a training elsewhere: `whygrad.callbacks`.

    TensorBoard, MLflow   what every epoch showed, to look at
    Optuna                the same, to a search that prunes
    ProgressBar           how far a training has come, in notebooks and terminals

    reporting     what they have in common: where reporting fails, training goes on without it
    sending       a thread for what may take its time
    mlflow        also a flavour of MLflow's models, which loads recorded runs

Their libraries are imported when a training begins. It may import `record`, `training` and what is below.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whygrad.callbacks.mlflow import MLflow
    from whygrad.callbacks.optuna import Optuna
    from whygrad.callbacks.tensorboard import TensorBoard
    from whygrad.training.progress import ProgressBar

__all__ = ["MLflow", "Optuna", "ProgressBar", "TensorBoard"]

_LATER = {
    "MLflow": "whygrad.callbacks.mlflow",
    "Optuna": "whygrad.callbacks.optuna",
    "ProgressBar": "whygrad.training.progress",
    "TensorBoard": "whygrad.callbacks.tensorboard",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'whygrad.callbacks' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
