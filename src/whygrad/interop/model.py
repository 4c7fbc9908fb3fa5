"""A network trained elsewhere, as `whygrad.explain` gives it: asked, checked, drawn, trained on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.errors import InputError
from whygrad.fitted import Fitted
from whygrad.interop.door import Original, average_of, checked, predicted
from whygrad.nn import Array, Parameters
from whygrad.why.bound import Why

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget


def libraries_of(x: Any) -> set[str]:
    """Return the top-level modules that the class of an object and its bases come from."""
    return {kind.__module__.partition(".")[0] for kind in type(x).__mro__}


def best_of(x: Any) -> Any:
    """Return the best estimator of a search, and anything else as it is.

    Raises `InputError` for a search that was fitted without one.
    """
    if hasattr(x, "cv_results_") and not hasattr(x, "best_estimator_"):
        raise InputError(
            f"a {type(x).__name__} with refit=False has no best estimator: fit it with refit=True"
        )
    return getattr(x, "best_estimator_", x)


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network, wherever it was trained: what `whygrad.explain` returns.

    Parameters
    ----------
    why : Why
        The questions: `model.why.weight(X, y, layer=1, to=0)`. Rows and labels are those of the original.
    source : str
        What it was read from.
    original : Original, optional
        The original itself, where its outputs can be had.
    seen : tuple of str
        What was found when it was read: how far its outputs lie from the original's.

    Examples
    --------
    >>> import whygrad as wg
    >>> net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1)])
    >>> model = wg.explain(wg.Fitted(net, net.init()))
    >>> model
    <Model 2-3-1 (tanh, identity), squared_error, from a Fitted>
    >>> model.predict([[0.0, 0.0]])
    array([[0.]])
    """

    why: Why
    source: str
    original: Original | None = None
    seen: tuple[str, ...] = ()

    def __repr__(self) -> str:
        net = self.why.net
        sizes = "-".join(map(str, net.sizes))
        functions = ", ".join(f.name for f in net.f[1:])
        return f"<Model {sizes} ({functions}), {net.C.name}, from {self.source}>"

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said: what was folded, what was assumed, how close it is to the original."""
        scaled = (self.why.scaled,) if self.why.scaled else ()
        return scaled + self.why.notes + self.seen

    def predict(self, X: Any) -> Array:
        """Return the outputs for rows: probabilities, or numbers in units of the target.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features)
            Rows as the original takes them, or a single one.

        Returns
        -------
        ndarray of shape (n, n_L)
            a[L] in float64. Two classes have one output, the probability of the second.

        Raises
        ------
        InputError
            For rows that do not fit, and for NaN or infinity in them.
        """
        return predicted(self.why, np.asarray(self.why.examples(X).X))

    def check(self, X: Any, y: Any, **options: Any) -> Explanation:
        """Compare the outputs with the original's, and the gradient with central differences.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features)
            Rows as the original takes them.
        y : array-like, shape (n,) or (n, n_L)
            Their targets.
        **options
            Those of `Why.check`: sample, seed, sample_weight and so on.

        Returns
        -------
        Explanation
            The answer of `Why.check`; its last note says how far the outputs lie from the original's.

        Raises
        ------
        InputError
            Where an output is not the original's, with both numbers.

        Examples
        --------
        >>> import whygrad as wg
        >>> net = wg.Network(1, [wg.Dense(1)])
        >>> wg.explain(wg.Fitted(net, net.init())).check([[3.0]], [[1.0]])["passed"]
        True
        """
        answer = self.why.check(X, y, **options)
        if self.original is None:
            return answer
        return replace(answer, notes=(*answer.notes, checked(self.why, self.original, X)))

    def widget(self, X: Any = None, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click asks why, on rows X and targets y. See `Why.widget`."""
        return self.why.widget(X, y)

    def to_whygrad(self) -> Fitted:
        """Return network and parameters as a `Fitted`, a copy, to save or to train on from.

        Several networks whose outputs are averaged come as one.

        `whygrad.train(fitted.net, X, Y, theta=fitted.theta)` trains on; its X and Y are what
        `model.why.examples(X, y)` makes of rows and labels.

        Returns
        -------
        Fitted
            The network, its parameters in float64, without a history.

        Examples
        --------
        >>> import whygrad as wg
        >>> net = wg.Network(1, [wg.Dense(1)])
        >>> wg.explain(wg.Fitted(net, net.init())).to_whygrad().theta.flat.shape
        (2,)
        """
        one = average_of(self.why)
        return Fitted(one.net, Parameters(one.theta.sizes, one.theta.flat.astype(np.float64)))
