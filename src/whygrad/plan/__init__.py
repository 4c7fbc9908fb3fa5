"""All that decides a training, its hyperparameters, as frozen data (`Plan`), and where it stands (`State`).

    optimizers  SGD, Adagrad, RMSprop, Adam, AdamW, Nadam: one step
    lbfgs       L-BFGS, which minimises over all examples instead
    schedules   how the learning rate changes; `OnPlateau` lowers it when validation stalls
    dropout     masks, from counters
    plan        penalties, clipping, early stopping; the batches of an epoch are drawn in `Plan.batch`

It may import `nn` and what is below.
"""

from whygrad.plan.lbfgs import LBFGS
from whygrad.plan.optimizers import SGD, Adagrad, Adam, AdamW, Nadam, RMSprop
from whygrad.plan.plan import Clip, Penalty, Plan, State, Stopping, start
from whygrad.plan.schedules import (
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    OnPlateau,
    Step,
)

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "Adaptive",
    "Clip",
    "Constant",
    "Cosine",
    "InverseScaling",
    "LBFGS",
    "Nadam",
    "OnPlateau",
    "OneCycle",
    "Penalty",
    "Plan",
    "RMSprop",
    "SGD",
    "State",
    "Step",
    "Stopping",
    "start",
]
