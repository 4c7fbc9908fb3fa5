"""The questions: one function each, which returns an `Explanation` (`pushes` an array).

gradient/           why a weight would move: gradient decomposition (`weight`, `pushes`) and paths (`paths`)
error/              whose the error is: error attribution (`blame`)
what_if/            sensitivity and what-if (`ripple`), ablation (`neuron`)
prediction/         feature attribution (integrated gradients) and counterfactuals (`prediction`)
gradient_check/     is the gradient right: finite differences (`check`)
training_history/   ledger (`ledger`), influence of examples (`influence`, `influences`, `harmful`) and
                    of `settings`, leave-one-out (`without`)

`bound.Why` asks them in the user's own rows and labels. Questions about the cost read one pass of the
network, a `context.Context`. Doors beside this one: `bound`, `choosing`, `context`, `symbols`. This package
imports `answers`, `training`, `engines`, `plan` and `nn`, and nothing above it: a recorded training is
asked about through its trajectory.
"""

from whygrad.why.error.blame import blame
from whygrad.why.gradient.paths import paths
from whygrad.why.gradient.pushes import pushes
from whygrad.why.gradient.weight import weight
from whygrad.why.gradient_check.check import check
from whygrad.why.prediction.prediction import prediction
from whygrad.why.training_history.harmful import harmful
from whygrad.why.training_history.influence import influence, influences
from whygrad.why.training_history.ledger import ledger
from whygrad.why.training_history.settings import settings
from whygrad.why.training_history.without import without
from whygrad.why.what_if.neuron import neuron
from whygrad.why.what_if.ripple import ripple

__all__ = [
    "blame",
    "check",
    "harmful",
    "influence",
    "influences",
    "ledger",
    "neuron",
    "paths",
    "prediction",
    "pushes",
    "ripple",
    "settings",
    "weight",
    "without",
]
