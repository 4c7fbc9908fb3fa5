"""Learning as in 1986: all patterns in every sweep, the error summed over them, until they are solved.

The papers of the time sum the error over the patterns of a sweep, whygrad takes the mean. Their ε is
therefore a learning rate of ε·n here, for n patterns, and their momentum α is the same.

Checking the outputs takes longer than a sweep. So the patterns are repeated `every` times, each time as
one batch: an epoch is then as many sweeps, with one check at its end.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import whygrad as wg


def learn(
    net: wg.Network,
    X: Any,
    Y: Any,
    *,
    learning_rate: float,
    momentum: float,
    most: int,
    seed: int,
    solved: Callable[[Any], bool],
    every: int = 10,
) -> tuple[int | None, wg.Fitted]:
    """Train until `solved(outputs)` or for `most` sweeps; return the sweeps it took, or None.

    The sweeps are counted in steps of `every`.
    """
    Y = np.reshape(Y, (len(X), -1))

    def look(report: wg.Report) -> bool:
        return solved(wg.forward(net, report.parameters, X).a[-1])

    fitted = wg.train(
        net,
        np.tile(X, (every, 1)),
        np.tile(Y, (every, 1)),
        optimizer=wg.SGD(learning_rate * len(X), momentum=momentum),
        epochs=most // every,
        batch_size=len(X),
        shuffle=False,
        seed=seed,
        callbacks=[look],
    )
    stopped = fitted.history.stopped == "stopped by a callback"
    return (every * len(fitted.history.cost) if stopped else None), fitted


def within(Y: Any, distance: float) -> Callable[[Any], bool]:
    """Return the test that every output lies closer to its target than `distance`."""
    Y = np.asarray(Y)

    def solved(outputs: Any) -> bool:
        return bool((np.abs(outputs - Y.reshape(outputs.shape)) < distance).all())

    return solved
