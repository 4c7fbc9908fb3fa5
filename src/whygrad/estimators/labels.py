"""Classes ↔ outputs of a network: scikit-learn's `LabelBinarizer`, without importing the folder it is in.

Plain classes, one for each example, need a few lines of it. All else, several labels and sparse ones, are
left to it.
"""

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target, unique_labels

from whygrad.nn.arrays import is_sparse
from whygrad.nn.functions import Array


class Labels:
    """The classes of a fit, one for each example, as `LabelBinarizer` knows them."""

    sparse_input_ = False

    def __init__(self, y_type: str, classes: Array) -> None:
        self.y_type_, self.classes_ = y_type, classes

    def transform(self, y: Any) -> Array:
        """Return what the outputs should be: a column for each class, or for two classes one in all."""
        if type_of_target(y).startswith("multilabel"):
            raise ValueError("The object was not fitted with multilabel input.")
        y, classes = column_or_1d(y), self.classes_
        if len(classes) <= 2:
            return (y == classes[1])[:, None] if len(classes) == 2 else np.zeros((len(y), 1), bool)
        columns: Array = y[:, None] == classes
        return columns

    def inverse_transform(self, a: Array) -> Array:
        """Return the class of each row of outputs, (n, n_classes), or (n,) where there is one output."""
        if self.y_type_ == "multiclass":
            return self.classes_.take(a.argmax(axis=1))
        return self.classes_.take(a.ravel() > 0.5, mode="clip")  # which may be one class alone


def labels_of(y: Any) -> Any:
    """Return the labels of y: their `classes_`, and their way to outputs and back."""
    y_type = type_of_target(y, input_name="y")
    if y_type in ("binary", "multiclass") and not is_sparse(y) and np.ndim(y) == 1 and len(y):
        return Labels(y_type, unique_labels(y))
    from sklearn.preprocessing import LabelBinarizer

    return LabelBinarizer().fit(y)
