"""The assertions that hold the gradients: against the oracle, PyTorch and central differences.

They are functions, so that the tests of the gradients and the tests that plant errors use the very
same ones: a planted error shows that an assertion can fail.
"""

from importlib.util import find_spec

import numpy as np
import pytest

import oracle
import whygrad as wg
from networks import Case
from whygrad.nn import backprop

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed: make peers"
)

# Of the layer's largest value.
TOLERANCE = 1e-10
# What float64 leaves of values of size 1 that cancel to nothing.
ROUNDING = 1e-14


def backpropagate(case: Case) -> oracle.Answer:
    """What the package says about a case, through its textbook interface."""
    net, theta = case.net, case.theta
    options = {"sample_weight": case.sample_weight, "l1": case.l1, "l2": case.l2}
    trace = wg.forward(net, theta, case.X, masks=case.masks)
    trace = wg.backward(net, theta, trace, case.Y)
    grads = wg.gradients(net, theta, trace, **options)
    return oracle.Answer(
        z=list(trace.z),
        a=list(trace.a),
        delta=list(trace.delta),
        costs=backprop.example_costs(net, trace, case.Y),
        cost=backprop.cost(net, theta, trace, case.Y, **options),
        dW=list(grads.dW),
        db=list(grads.db),
    )


def assert_equals_oracle(case: Case, answer: oracle.Answer) -> None:
    assert_equal(case, answer, _ask(oracle.backpropagate, case))


def assert_equals_torch(case: Case, answer: oracle.Answer) -> None:
    import peer_torch

    assert_equal(case, answer, _ask(peer_torch.backpropagate, case))


def _ask(backpropagate, case: Case) -> oracle.Answer:
    theta = case.theta
    return backpropagate(
        case.sizes,
        case.activations,
        case.cost,
        theta.W,
        theta.b,
        case.X,
        case.Y,
        sample_weight=case.sample_weight,
        l1=case.l1,
        l2=case.l2,
        masks=case.masks,
    )


def assert_equal(case: Case, ours: oracle.Answer, theirs: oracle.Answer) -> None:
    """Equal to 1e-10 of the largest value of each layer."""
    assert_close("costs", ours.costs, theirs.costs)
    assert_close("cost", ours.cost, theirs.cost)
    for name in ("z", "a", "delta", "dW", "db"):
        for layer in range(len(case.sizes)):
            mine, other = getattr(ours, name)[layer], getattr(theirs, name)[layer]
            if other is None:
                assert mine is None, f"{name}[0] is not None"
            else:
                assert_close(f"{name}[{layer}]", mine, other)


def assert_close(what: str, ours, theirs) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, not {theirs.shape}"
    gap, largest = np.abs(ours - theirs).max(), np.abs(theirs).max()
    assert gap <= TOLERANCE * largest + ROUNDING, (  # NaN fails, too
        f"{what} differs by {gap:.3g}, its largest value is {largest:.3g}\n{ours}\n{theirs}"
    )


# Functions with a corner, in themselves or in their slope, where z is 0.
CORNERED_ACTIVATIONS = {"relu", "leaky_relu", "elu", "selu"}
# Costs with a corner where a - y is one of these.
CORNERS_OF_COSTS = {"absolute_error": (0.0,), "huber": (-1.0, 1.0)}

STEPS = [10.0**-power for power in range(2, 7)]


def rounding_decides(case: Case, answer: oracle.Answer) -> bool:
    """Whether some unit is so close to a kink that rounding decides on which side it lies.

    There two right programs may differ by the whole jump of the slope; on the kink they agree.
    """
    distances = [
        answer.z[layer]
        for layer, name in enumerate(case.activations, start=1)
        if name in CORNERED_ACTIVATIONS
    ]
    for corner in CORNERS_OF_COSTS.get(case.cost, ()):
        distances.append(answer.a[-1] - case.Y - corner)
    return any(((part != 0) & (np.abs(part) < TOLERANCE)).any() for part in distances)


def assert_equals_central_differences(case: Case, answer: oracle.Answer) -> None:
    """Each derivative lies within the error estimate of a difference quotient of the cost.

    See `derivative_between` for the quotient, its estimate, and what happens at a kink.
    """
    slopes = flatten(answer)
    for index, slope in enumerate(slopes):
        low, high = derivative_between(case, index)
        assert low <= slope <= high, (  # NaN fails, too
            f"dC/dtheta[{index}] is {slope!r}, the cost itself says {low!r} to {high!r}"
        )


def flatten(answer: oracle.Answer) -> np.ndarray:
    """The gradient in the order of `Parameters.flat`: W1, b1, W2, b2, ..."""
    pairs = zip(answer.dW[1:], answer.db[1:], strict=True)
    return np.concatenate([np.ravel(part) for pair in pairs for part in pair])


def derivative_between(case: Case, index: int) -> tuple[float, float]:
    """Bounds on dC/dtheta[index] that need no derivative, only costs.

    Central differences with steps h, h/2 and h/4 are extrapolated to h = 0 (Richardson); the error
    estimate is what the last extrapolation changed, plus rounding. That is valid where the cost is
    smooth between -h and h. So h starts at 0.01 and shrinks until no unit and no weight crosses a
    kink. Where even the smallest step crosses one, the parameter sits on it, and anything between
    the derivatives from either side is right.
    """
    net, theta = case.net, case.theta
    start = theta.flat[index]

    def probe(offset):
        theta.flat[index] = start + offset
        trace = wg.forward(net, theta, case.X, masks=case.masks)
        cost = backprop.cost(
            net, theta, trace, case.Y, sample_weight=case.sample_weight, l1=case.l1, l2=case.l2
        )
        return cost, _side_of_kinks(case, theta, trace)

    here, side = probe(0.0)
    rounding = ROUNDING * (1 + abs(here))
    for h in STEPS:
        (up, up_side), (down, down_side) = probe(h), probe(-h)
        if np.array_equal(side, up_side) and np.array_equal(side, down_side):
            quotients = [(up - down) / (2 * h)]
            for part in (h / 2, h / 4):
                quotients.append((probe(part)[0] - probe(-part)[0]) / (2 * part))
            value, error = extrapolate(quotients, order=2)
            break
    else:
        # one-sided differences of first order; `down` and `up` are at the smallest step
        right, right_error = extrapolate(
            [(up - here) / h, (probe(h / 2)[0] - here) / (h / 2)], order=1
        )
        left, left_error = extrapolate(
            [(here - down) / h, (here - probe(-h / 2)[0]) / (h / 2)], order=1
        )
        error = max(right_error, left_error) + 4 * rounding / h
        return min(left, right) - error, max(left, right) + error

    error += 4 * rounding / h
    return value - error, value + error


def extrapolate(quotients, order: int) -> tuple[float, float]:
    """The limit of quotients with steps h, h/2, h/4, ... and an estimate of its error.

    The error of a quotient is a series in h^order; each column of the table removes a term.
    """
    column, factor, best = quotients, 1, quotients[-1]
    while len(column) > 1:
        factor *= 2**order
        column = [
            (factor * fine - coarse) / (factor - 1)
            for coarse, fine in zip(column, column[1:], strict=False)
        ]
        best, before = column[-1], best
    return best, abs(best - before)


def _side_of_kinks(case: Case, theta: wg.Parameters, trace: backprop.Trace) -> np.ndarray:
    """On which side of its kinks every unit, output and weight lies."""
    sides = [np.zeros(0)]
    for layer, name in enumerate(case.activations, start=1):
        if name in CORNERED_ACTIVATIONS:
            sides.append(np.sign(trace.z[layer]))
    for corner in CORNERS_OF_COSTS.get(case.cost, ()):
        sides.append(np.sign(trace.a[-1] - case.Y - corner))
    if case.l1:
        sides += [np.sign(W) for W in theta.W[1:]]
    return np.concatenate([side.ravel() for side in sides])
