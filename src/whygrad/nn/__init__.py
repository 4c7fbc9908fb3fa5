"""Networks and the four equations, with nothing else in sight. Read in this order:

    functions   activations f and f′, costs C and ∂C/∂a: the only calculus
    network     `Network`, `Dense`, `Parameters`, and how parameters start
    arrays      what a user gives → arrays that fit, or one line that says why not
    backprop    forward, backward, gradients: the four equations
    predict     outputs for many rows
    metrics     cost, accuracy and R² of examples
    pairings    output activation and cost taken together, to the last digit

It may import `errors`, `files` and `cores` alone.
"""
