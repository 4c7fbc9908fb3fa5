"""The questions: why this weight, its paths, whose fault, what if, which neuron, why this prediction.

And of a training that can be run again: what a weight adds up from, what pushed a prediction, what would be
without them. Every question is one function in a file of its own and gives an `Explanation`.
"""

from whygrad.why.blame import blame
from whygrad.why.check import check
from whygrad.why.leaving_out import without
from whygrad.why.ledger import moved
from whygrad.why.neuron import neuron
from whygrad.why.paths import paths
from whygrad.why.prediction import prediction
from whygrad.why.pushed import pushed
from whygrad.why.pushes import pushes
from whygrad.why.ripple import ripple
from whygrad.why.weight import weight

__all__ = [
    "blame",
    "check",
    "moved",
    "neuron",
    "paths",
    "prediction",
    "pushed",
    "pushes",
    "ripple",
    "weight",
    "without",
]
