"""The questions: why this weight, its paths, whose fault, what if, which neuron, why this prediction.

And of a training that can be run again: what a weight adds up from, what pushed a prediction, what would be
without them. Every question is one function in a file of its own and gives an `Explanation`.
"""

from whygrad.why.error.blame import blame
from whygrad.why.gradient.paths import paths
from whygrad.why.gradient.pushes import pushes
from whygrad.why.gradient.weight import weight
from whygrad.why.gradient_check.check import check
from whygrad.why.prediction.prediction import prediction
from whygrad.why.training_history.ledger import ledger
from whygrad.why.training_history.pushed import pushed
from whygrad.why.training_history.without import without
from whygrad.why.what_if.neuron import neuron
from whygrad.why.what_if.ripple import ripple

__all__ = [
    "blame",
    "check",
    "ledger",
    "neuron",
    "paths",
    "prediction",
    "pushed",
    "pushes",
    "ripple",
    "weight",
    "without",
]
