"""Classes: whether outputs stand for some, which one has a row, and what they are called.

A network with one sigmoid output tells two classes apart, 0 and 1; with several outputs that are
probabilities each stands for a class. Everything else gives numbers.
"""

from whygrad.answers.names import Names
from whygrad.nn import Array, Network


def classifies(net: Network) -> bool:
    """Return whether the outputs are probabilities, of one class each or of class 1."""
    return net.f[net.L].range in ("unit", "simplex")


def compete(net: Network) -> bool:
    """Return whether one class stands against another: of several that have no cost of their own each.

    Probabilities of softmax do in any case, those of sigmoid with a binary cross-entropy do not.
    """
    several = classifies(net) and net.sizes[-1] > 1
    return several and (net.f[net.L].range == "simplex" or net.C.targets != "unit")


def classes(values: Array, threshold: float = 0.5) -> Array:
    """Return the class of each row of outputs or targets, (n,); a single output is 1 above a threshold.

    >>> import numpy as np
    >>> classes(np.array([[0.4], [0.6]])), classes(np.array([[0.4], [0.6]]), threshold=0.3)
    (array([0, 1]), array([1, 1]))
    """
    return values.argmax(axis=1) if values.shape[1] > 1 else (values[:, 0] > threshold).astype(int)


def class_names(net: Network, names: Names) -> tuple[str, ...]:
    """Return the names of the classes; of two that share an output the first may be "not" the second."""
    outputs = names.layer(net, net.L)
    if net.sizes[-1] > 1:
        return outputs
    if len(names.classes) == 2:
        return names.classes
    return (f"not {outputs[0]}", outputs[0]) if names.outputs else ("class 0", "class 1")
