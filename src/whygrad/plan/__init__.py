"""All that decides a training, its hyperparameters, as frozen data (`Plan`), and where it stands (`State`).

    optimizers  SGD, Adagrad, RMSprop, Adam, AdamW, Nadam: one step
    lbfgs       L-BFGS, which minimises over all examples instead
    schedules   how the learning rate changes; `OnPlateau` lowers it when validation stalls
    dropout     masks, from counters
    multipliers  factors on the learning rate, by group of parameters
    windows     the order of examples that are not all in memory
    plan        penalties, clipping, early stopping; the batches of an epoch are drawn in `Plan.batch`

Doors beside this one: `dropout`, whose constants are compiled in, and `multipliers`. It may import `nn` and
what is below.
"""

from whygrad.plan.lbfgs import LBFGS, by_steps
from whygrad.plan.optimizers import (
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Nadam,
    Optimizer,
    RMSprop,
    find_optimizer,
)
from whygrad.plan.plan import (
    Clip,
    EarlyStopping,
    Penalty,
    Plan,
    Plateau,
    State,
    Stopping,
    of_gradients,
    smooth,
    start,
)
from whygrad.plan.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    OnPlateau,
    Schedule,
    Step,
    find_schedule,
)
from whygrad.plan.windows import Windows

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "Adaptive",
    "Clip",
    "Constant",
    "Cosine",
    "EarlyStopping",
    "InverseScaling",
    "LBFGS",
    "Nadam",
    "OPTIMIZERS",
    "OnPlateau",
    "OneCycle",
    "Optimizer",
    "Penalty",
    "Plan",
    "Plateau",
    "RMSprop",
    "SCHEDULES",
    "SGD",
    "Schedule",
    "State",
    "Step",
    "Stopping",
    "Windows",
    "by_steps",
    "find_optimizer",
    "find_schedule",
    "of_gradients",
    "smooth",
    "start",
]
