"""The attributes that a fit sets, all at once, and which of them may be set by hand.

A fit works on a twin of the estimator, which gets what is learned on the way. Whatever ends a fit early,
the estimator is as it was before; a whole fit is taken over in one assignment.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from whygrad.errors import InputError
from whygrad.nn.network import Network, Parameters, count

_ANEW = "it belongs to the training so far, and a fit with warm_start=False begins another"
# The public attributes that cannot be set by hand after a fit, and where to turn instead.
POINTERS = {
    "out_activation_": "fit with out_activation=…; the weighted inputs before it are "
    "whygrad.forward(clf.net_, clf.theta_, X).z[-1]",
    "n_layers_": "it follows from hidden_layer_sizes",
    "n_outputs_": "it follows from y",
    "net_": "it follows from parameters and data; whygrad.Fitted holds a network of your own",
    "theta_": "write into it, theta_.flat[:] = …, or set coefs_ and intercepts_",
    "why_": "whygrad.explain asks a model that was trained elsewhere",
    "t_": _ANEW,
    "history_": _ANEW,
    "loss_curve_": _ANEW,
    "best_loss_": _ANEW,
    "validation_scores_": _ANEW,
    "validation_loss_curve_": _ANEW,
    "best_validation_score_": _ANEW,
}
# Those that can, with the effect that it has in scikit-learn, besides coefs_ and intercepts_.
FREE = ("classes_", "n_iter_", "loss_", "n_features_in_", "feature_names_in_")
_WITHIN = (
    "_label_binarizer",
    "_class_weight",
    "_plan",
    "_state",
    "_seeds",
    "_coefs",
    "_intercepts",
)
LEARNED = frozenset((*POINTERS, *FREE, *_WITHIN))


class Views(list[Any]):
    """A list of arrays in which assigning an item writes into the array that is there: all, or none."""

    def __setitem__(self, index: Any, value: Any) -> None:
        several = isinstance(index, slice)
        arrays, given = (self[index], list(value)) if several else ([self[index]], [value])
        if len(given) != len(arrays):
            raise InputError(f"{len(given)} arrays for {len(arrays)} layers: give one for each")
        copies = [_fitting(array, values) for array, values in zip(arrays, given, strict=True)]
        for array, copy in zip(arrays, copies, strict=True):
            array[...] = copy


def _fitting(array: Any, values: Any) -> Any:
    try:
        return np.broadcast_to(np.array(values, array.dtype), array.shape)
    except (TypeError, ValueError):
        raise InputError(
            f"{getattr(values, 'shape', values)!s:.60} cannot be broadcast to the shape {array.shape}: "
            "give numbers, for coefs_ inputs of the layer by its units, for intercepts_ one for each unit"
        ) from None


def coefs(theta: Parameters) -> Views:
    """Return the weights in scikit-learn's form, W[l].T, (n_{l-1}, n_l), as views."""
    return Views(W.T for W in theta.W[1:])


def intercepts(theta: Parameters) -> Views:
    """Return the biases b[l], (n_l,), as views."""
    return Views(theta.b[1:])


def check_fitted(estimator: Any) -> None:
    """Raise scikit-learn's `NotFittedError` before a fit; it says what parameters set by hand are for."""
    if estimator.__sklearn_is_fitted__():  # which scikit-learn asks as well, after much else
        return
    by_hand = (
        "This %(name)s instance is not fitted yet: coefs_ and intercepts_ set by hand are where "
        "partial_fit, and fit with warm_start=True, begin. To use them as they are, make a whygrad.Network "
        "and whygrad.Fitted(net, net.init(W=[None, …], b=[None, …]))"
    )
    check_is_fitted(estimator, msg=by_hand if _by_hand(estimator) else None)


def check_settable(estimator: Any, name: str) -> None:
    """Raise `InputError` for an attribute that belongs to the fit; the message says where to turn."""
    if name in POINTERS and estimator.__sklearn_is_fitted__():
        raise InputError(f"{name} is that of the fit, and cannot be set by hand: {POINTERS[name]}")


def twin(estimator: Any, warm: bool) -> Any:
    """Return an estimator with the same parameters, and for a warm start with what was learned."""
    other = object.__new__(type(estimator))
    vars(other).update(
        {name: value for name, value in vars(estimator).items() if warm or name not in LEARNED}
    )
    return other


def take_over(estimator: Any, other: Any) -> None:
    """Replace all that an estimator has learned by what its twin has."""
    own = {name: value for name, value in vars(estimator).items() if name not in LEARNED}
    learned = {name: value for name, value in vars(other).items() if name in LEARNED}
    estimator.__dict__ = own | learned


def _by_hand(estimator: Any) -> bool:
    return not vars(estimator).keys().isdisjoint(("_coefs", "_intercepts"))


def start_by_hand(estimator: Any, net: Network, out_activation: str) -> Parameters | None:
    """Return the parameters that `coefs_` and `intercepts_` were set to before a fit, or None.

    Raises `InputError` where they, or what else was set by hand, do not fit the network.
    """
    if not _by_hand(estimator):
        return None
    given = vars(estimator)
    if "_coefs" not in given or "_intercepts" not in given:
        raise InputError("coefs_ and intercepts_ belong together: set both to begin with them")
    expected = {
        "n_layers_": len(net.sizes),
        "n_outputs_": net.sizes[-1],
        "n_features_in_": net.sizes[0],
        "out_activation_": out_activation,
    }
    for name, value in expected.items():
        if given.get(name, value) != value:
            raise InputError(
                f"{name} was set to {given[name]!r} by hand, but this fit has {value!r}: leave it out, a "
                "fit sets it"
            )
    theta = Parameters(net.sizes, np.zeros(count(net.sizes)))
    coefs(theta)[:] = given["_coefs"]
    intercepts(theta)[:] = given["_intercepts"]
    return theta
