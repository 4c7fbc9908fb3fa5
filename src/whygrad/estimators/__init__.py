"""scikit-learn's face: `MLPClassifier` and `MLPRegressor`, drop-ins for those of `sklearn.neural_network`.

mlp         the two estimators
estimator   what they share: fit, partial_fit, predict
parameters  scikit-learn's parameters → a network and a plan
messages    scikit-learn's warnings and printed lines
why         fitted estimators, whygrad's and scikit-learn's own, asked why
"""

from whygrad.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
