"""scikit-learn's face: `MLPClassifier` and `MLPRegressor`, drop-ins for those of `sklearn.neural_network`.

    tabular     `TabularClassifier` and `TabularRegressor`, for tables with columns of all kinds
    mlp         the two drop-ins
    estimator   what they share: the order of events of a fit, and prediction
    attributes  what a fit sets, all at once, and what may be set by hand
    parameters  scikit-learn's parameters → a network and a plan
    labels      classes ↔ outputs
    messages    scikit-learn's warnings and printed lines
    starting    scikit-learn imported without what it never asks for
    why         fitted estimators, whygrad's and scikit-learn's own, asked why
    to_onnx     what they offer to ONNX and skl2onnx
    deploying   fitted estimators → what is exported

Doors beside this one: `tabular`, `why`, `parameters`, `deploying`, and `mlp` for types. It may import
`why`, `record`, `training` and what is below; it is the only folder that subclasses scikit-learn.
"""

from whygrad.estimators.starting import without_statistics

with without_statistics():
    from whygrad.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
