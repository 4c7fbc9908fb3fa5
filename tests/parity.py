"""Cases held beside scikit-learn's, and how parameters are compared."""

from dataclasses import dataclass, field

import numpy as np
from sklearn import neural_network as theirs

import whygrad as wg

N = 53  # prime, so that no batch size but 1 divides it


TOLERANCE = 1e-9


DRAWS = np.random.default_rng(5)


X = DRAWS.normal(size=(N, 6))


HIDDEN_TRUTH = np.tanh(X @ DRAWS.normal(size=(6, 4))) @ DRAWS.normal(size=(4, 3))


WEIGHTS = DRAWS.uniform(0.1, 3.0, N)


TARGETS = {
    "two classes": np.array(["no", "yes"])[(HIDDEN_TRUTH[:, 0] > 0).astype(int)],
    "three classes": HIDDEN_TRUTH.argmax(axis=1) * 10,
    "labels": (HIDDEN_TRUTH > 0).astype(int),
    "number": HIDDEN_TRUTH[:, 0],
    "numbers": HIDDEN_TRUTH,
    "counts": DRAWS.poisson(np.exp(HIDDEN_TRUTH[:, 0] / 2)).astype(float),
}


CLASSIFIED = ("two classes", "three classes", "labels")


@dataclass(frozen=True)
class Case:
    """What both libraries are asked to do."""

    target: str
    options: dict = field(default_factory=dict)
    weighted: bool = False

    def pair(self, engine, **more):
        """Both estimators, unfitted."""
        name = "MLPClassifier" if self.target in CLASSIFIED else "MLPRegressor"
        options = {"hidden_layer_sizes": (7, 5), "random_state": 3} | self.options | more
        return getattr(wg, name)(**options, engine=engine), getattr(theirs, name)(**options)

    def fitted(self, engine, **more):
        """Both estimators after the same fit."""
        sample_weight = WEIGHTS if self.weighted else None
        return tuple(
            estimator.fit(X, TARGETS[self.target], sample_weight=sample_weight)
            for estimator in self.pair(engine, **more)
        )


def flat(estimator):
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    return np.concatenate([array.ravel() for array in arrays])


def assert_close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=TOLERANCE, atol=TOLERANCE)
