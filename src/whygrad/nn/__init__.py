"""Networks and the four equations, with nothing else in sight.

Read in this order:

    functions   activations f and f′, costs C and ∂C/∂a: the only calculus
    parametric  activations with parameters, as other libraries have them
    frozen_array  an array as frozen data, such as the mask of a layer
    network     `Network`, `Dense`, `Parameters`, and how parameters start
    arrays      what a user gives → arrays that fit, or one line that says why not
    products    operands rounded to bfloat16, where a training asks for it
    backprop    forward, backward, gradients: the four equations
    hessian     the curvature of the cost along a direction
    metrics     cost, accuracy and R² of examples
    pairings    output activation and cost taken together, to the last digit

Doors beside this one: `functions` and `metrics`, for their constants, `parametric`, for what is read and
exported, `products`, for engines, and `frozen_array`, for files. It may import `errors`, `files` and
`cores` alone.
"""

from whygrad.nn.arrays import (
    Data,
    RowsOnDemand,
    as_data,
    as_indices,
    as_inputs,
    as_sample_weight,
    as_targets,
    check_columns,
    check_finite,
    check_fit,
    check_unmasked,
    column_names,
    dense,
    in_rows,
    is_sparse,
    one_hot,
)
from whygrad.nn.backprop import (
    Trace,
    backward,
    cost,
    example_costs,
    forward,
    gradient_sums,
    gradients,
    mean_gradient,
    penalty,
)
from whygrad.nn.functions import (
    ACTIVATIONS,
    CANONICAL_LINKS,
    COSTS,
    Activation,
    Array,
    Cost,
    Domain,
    canonical_link,
    find_activation,
    find_cost,
    namespace,
)
from whygrad.nn.hessian import HessianTimes, hessian_times
from whygrad.nn.metrics import ValidationData, measure
from whygrad.nn.network import Dense, Gradients, Network, Parameters, Uniform, count
from whygrad.nn.pairings import output_costs, output_error, together

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Array",
    "CANONICAL_LINKS",
    "COSTS",
    "Cost",
    "Data",
    "Dense",
    "Domain",
    "Gradients",
    "HessianTimes",
    "Network",
    "Parameters",
    "RowsOnDemand",
    "Trace",
    "Uniform",
    "ValidationData",
    "as_data",
    "as_indices",
    "as_inputs",
    "as_sample_weight",
    "as_targets",
    "backward",
    "canonical_link",
    "check_columns",
    "check_finite",
    "check_fit",
    "check_unmasked",
    "column_names",
    "cost",
    "count",
    "dense",
    "example_costs",
    "find_activation",
    "find_cost",
    "forward",
    "gradient_sums",
    "gradients",
    "hessian_times",
    "in_rows",
    "is_sparse",
    "mean_gradient",
    "measure",
    "namespace",
    "one_hot",
    "output_costs",
    "output_error",
    "penalty",
    "together",
]
