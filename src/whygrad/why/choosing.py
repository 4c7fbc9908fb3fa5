"""Classes as they are asked about: found by name or index, said in words, and the examples of one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whygrad.answers.classes import class_names, classes, classifies
from whygrad.answers.formatting import as_name
from whygrad.answers.names import Names
from whygrad.errors import InputError
from whygrad.nn import Array, Network, as_inputs
from whygrad.nn.arrays import as_sample_weight, as_targets


def classes_said(net: Network, names: Names) -> tuple[str, ...]:
    """Return what texts call the classes: in quotes where a name could be read as a number."""
    return tuple(map(as_name, class_names(net, names)))


def find_class(net: Network, names: Names, given: Any) -> int:
    """Return the index of a class that is given by index or by name."""
    if not classifies(net):
        raise InputError(
            f"class {given!r}: outputs of {net.f[net.L].name!r} are numbers, not classes"
        )
    if net.sizes[-1] > 1:
        return names.find(net, net.L, given)
    known = class_names(net, names)
    if given in known:
        return known.index(given)
    if given in (0, 1):
        return int(given)
    raise InputError(f"no class is called {given!r}: give {known[0]!r} (0) or {known[1]!r} (1)")


def of_class(
    net: Network,
    names: Names,
    given: Any,
    X: Any,
    Y: Any,
    sample_weight: Any,
    masks: Sequence[Any] | None,
) -> tuple[Any, Array, Array | None, tuple[Any, ...] | None]:
    """Return the examples of one class, with their weights and masks."""
    wanted = find_class(net, names, given)
    X = as_inputs(net, X)
    y = as_targets(net, Y, X.shape[0])
    s = as_sample_weight(sample_weight, X.shape[0])
    rows = np.flatnonzero(classes(y) == wanted)
    if not len(rows):
        what = class_names(net, names)[wanted]
        raise InputError(f"none of the {len(y)} examples is of class {what!r}")
    kept = None if masks is None else tuple(m if m is None else m[rows] for m in masks)
    return X[rows], y[rows], None if s is None else s[rows], kept
