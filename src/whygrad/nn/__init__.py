"""Networks and the four equations, with nothing else in sight.

Read in this order:

    functions   activations f and f′, costs C and ∂C/∂a: the only calculus
    network     `Network`, `Dense`, `Parameters`, and how parameters start
    arrays      what a user gives → arrays that fit, or one line that says why not
    backprop    forward, backward, gradients: the four equations
    predict     outputs for many rows
    metrics     cost, accuracy and R² of examples
    pairings    output activation and cost taken together, to the last digit

It may import `errors`, `files` and `cores` alone.
"""

from whygrad.nn.arrays import Data, as_inputs, dense
from whygrad.nn.backprop import Trace, backward, cost, example_costs, forward, gradients
from whygrad.nn.functions import Activation, Array, Cost
from whygrad.nn.network import Dense, Gradients, Network, Parameters, Uniform
from whygrad.nn.predict import outputs

__all__ = [
    "Activation",
    "Array",
    "Cost",
    "Data",
    "Dense",
    "Gradients",
    "Network",
    "Parameters",
    "Trace",
    "Uniform",
    "as_inputs",
    "backward",
    "cost",
    "dense",
    "example_costs",
    "forward",
    "gradients",
    "outputs",
]
