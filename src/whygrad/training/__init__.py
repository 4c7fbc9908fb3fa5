"""The training loop: epochs, early stopping, callbacks, divergence, warm start, and the file of a model.

    loop        steps in chunks, Ctrl-C, callbacks
    epochs      the end of an epoch: measure, compare, lower the learning rate or stop
    minimise    L-BFGS, in place of single steps
    callbacks   who sees a training, and who controls its steps
    divergence  a cost that is not finite: back to the step before
    side_by_side  several trainings, a core for each
    warm_start  going on from a state under another plan
    progress    a live line
    model_file  networks, parameters and history as safetensors

It may import `engines`, `plan`, `nn` and what is below.
"""

from whygrad.training.callbacks import Callback, Report, StepController
from whygrad.training.epochs import Epoch, History
from whygrad.training.loop import Training, run

__all__ = [
    "Callback",
    "Epoch",
    "History",
    "Report",
    "StepController",
    "Training",
    "run",
]
