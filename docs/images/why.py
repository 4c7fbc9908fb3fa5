"""Draw the pictures of the docs: real questions about real networks, as `Explanation.svg` writes them.

    python docs/images/why.py

Every picture is light or dark as its reader's system is. The networks are trained here, on the iris and the
digits that come with scikit-learn.
"""

import re
import warnings
from pathlib import Path

from sklearn.datasets import load_digits, load_iris

import whygrad as wg
from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Names

HERE = Path(__file__).parent
DARK = re.compile(r"@media\(prefers-color-scheme:dark\)\{(\.wg\{[^}]*\})\}")


def main() -> None:
    warnings.simplefilter("ignore")  # short trainings need not have settled
    for name, (answer, index) in {**iris(), **digits()}.items():
        (HERE / f"why_{name}.svg").write_text(answer.svg(index), encoding="utf-8")
        # For the first pages too, each of one theme, which the site chooses.
        if name == "weight_iris":
            for theme, rule in (("light", ""), ("dark", r"\1")):
                fixed = DARK.sub(rule, answer.svg(index))
                (HERE / f"front_{theme}.svg").write_text(fixed, encoding="utf-8")


def iris() -> dict[str, tuple[Explanation, int]]:
    """Ask the network of README and explanations.md about the flower that it is least sure of."""
    data = load_iris(as_frame=True)
    X = data.data.rename(columns=lambda name: name.removesuffix(" (cm)"))
    y = data.target_names[data.target]
    clf = wg.MLPClassifier((6,), "tanh", learning_rate_init=0.05, random_state=0).fit(X, y)
    row, label = X.iloc[[70]], y[[70]]
    place = {"layer": 1, "to": "hidden 3", "from_": "petal width"}
    return {
        "weight_iris": (clf.why_.weight(row, label, **place), 0),
        "blame_iris": (clf.why_.blame(row, label), 0),
        "ripple_iris": (clf.why_.ripple(row, label, **place, by=0.1), 0),
        "prediction_iris": (clf.why_.prediction(row, baseline=X), 0),
    }


def digits() -> dict[str, tuple[Explanation, int]]:
    """Ask a network with 64 hidden units about a handwritten digit."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    net = wg.Network((8, 8), [wg.Dense(64, "relu"), wg.Dense(10, "softmax")])
    theta = wg.train(net, X, y, epochs=10, seed=1).theta
    names = Names(outputs=tuple(map(str, range(10))), image=(8, 8))
    return {
        "neuron_digits": (wg.why.neuron(net, theta, X, y, layer=1, unit=7, names=names), 0),
    }


if __name__ == "__main__":
    main()
