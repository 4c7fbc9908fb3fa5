"""The training loop: epochs, early stopping, callbacks, divergence, warm start, and the file of a model.

    loop        steps in chunks, Ctrl-C, callbacks
    epochs      the end of an epoch: measure, compare, lower the learning rate or stop
    frames      columns as a data frame
    figures     a history drawn with matplotlib
    metrics     what else is measured then, and `scorers`, scikit-learn's, which do so
    minimise    L-BFGS, in place of single steps
    callbacks   who sees a training, and who controls its steps
    divergence  a cost that is not finite: back to the step before
    side_by_side  several trainings, a core for each
    again       a training again from its start, without some examples or by another plan
    warm_start  going on from a state under another plan
    progress    a live line, and `standing`, what stands out while a training goes
    model_file  networks, parameters and history as safetensors

Doors beside this one: `again`, `figures`, `frames`, `metrics`, `model_file`, `progress`, `scorers`,
`side_by_side`, `standing`. It may import `engines`, `plan`, `nn` and what is below.
"""

from whygrad.training.callbacks import (
    AnyCallback,
    Callback,
    Report,
    StepController,
    as_callback,
    closing,
    waited,
)
from whygrad.training.divergence import DIVERGED, with_first_cost
from whygrad.training.epochs import (
    MEASURES,
    WORDS,
    Epoch,
    History,
    end_of_epoch,
    final,
    renewed,
    take_steps,
)
from whygrad.training.loop import (
    BY_CALLBACK,
    INTERRUPTED,
    Training,
    ended,
    interruption,
    measure_of,
    run,
)
from whygrad.training.minimise import ALL_DONE, failure
from whygrad.training.progress import ProgressBar
from whygrad.training.warm_start import warm_start_from

__all__ = [
    "ALL_DONE",
    "AnyCallback",
    "BY_CALLBACK",
    "Callback",
    "DIVERGED",
    "Epoch",
    "History",
    "INTERRUPTED",
    "MEASURES",
    "ProgressBar",
    "Report",
    "StepController",
    "Training",
    "WORDS",
    "as_callback",
    "closing",
    "end_of_epoch",
    "ended",
    "failure",
    "final",
    "interruption",
    "measure_of",
    "renewed",
    "run",
    "take_steps",
    "waited",
    "warm_start_from",
    "with_first_cost",
]
