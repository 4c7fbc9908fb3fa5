"""Networks and the four equations, with nothing else in sight.

Read in this order:

    functions   activations f and f′, costs C and ∂C/∂a: the only calculus
    network     `Network`, `Dense`, `Parameters`, and how parameters start
    arrays      what a user gives → arrays that fit, or one line that says why not
    backprop    forward, backward, gradients: the four equations
    metrics     cost, accuracy and R² of examples
    pairings    output activation and cost taken together, to the last digit

It may import `errors`, `files` and `cores` alone.
"""

from whygrad.nn.arrays import Data
from whygrad.nn.backprop import Trace, backward, cost, forward, gradients
from whygrad.nn.functions import Activation, Cost
from whygrad.nn.network import Dense, Gradients, Network, Parameters, Uniform

__all__ = [
    "Activation",
    "Cost",
    "Data",
    "Dense",
    "Gradients",
    "Network",
    "Parameters",
    "Trace",
    "Uniform",
    "backward",
    "cost",
    "forward",
    "gradients",
]
