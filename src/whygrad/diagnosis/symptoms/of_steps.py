"""Hypotheses about the steps: how long, how many, of how many rows, and how they are bounded."""

import numpy as np

from whygrad.answers.formatting import number
from whygrad.answers.pictures import CurvePicture
from whygrad.diagnosis.pictures import bars, in_order, layers
from whygrad.diagnosis.symptoms.seen import Seen, Shown, cost_curve
from whygrad.nn import Parameters, gradients, hessian_times
from whygrad.plan import LBFGS, SGD

CURVED_ROWS, POWERS = 100, 10  # rows and steps of the power iteration
ENOUGH_STEPS = 1000
FALLING = 0.03  # of the whole fall of the cost, in the last tenth of the epochs
RISING = 0.5  # of the batches, whose own step raises their cost
SWINGS, BACK = 0.1, -0.25  # of the whole range of the cost; correlation of a change with the next
NOISE = 4.0  # times as many rows would be needed as a batch has
ALWAYS = 0.9  # of the batches
LONG = 1.0  # a step's length beside that of the weights


def not_finite(seen: Seen) -> Shown:
    """A cost that became infinite or NaN."""
    if not (seen.diverged or not np.isfinite(seen.costs).all()):
        return None
    finite = int(np.isfinite(seen.costs).sum())
    return (
        1.0,
        "the cost is no longer finite" + f" after epoch {finite}" * (finite > 0),
        cost_curve(seen),
    )


def too_sharp(seen: Seen) -> Shown:
    """Steps of gradient descent that are longer than the curvature at the start bears."""
    if (sharp := _sharpness(seen)) <= 1:
        return None
    rate = seen.setting.optimizer.learning_rate
    names = ["learning rate", "the most it bears"]
    picture = bars("The rate, and what the curvature bears", "η", names, [rate, rate / sharp])
    return (
        0.6,
        f"a step is {number(sharp)} times as long as the curvature at the start bears",
        picture,
    )


def _sharpness(seen: Seen) -> float:
    """Return η λ_max / (2 + 2μ) at the start of gradient descent: above 1 steps grow along that direction.

    λ_max is the largest eigenvalue of the Hessian, by power iteration on a few rows.
    """
    optimizer = seen.setting.optimizer
    if not isinstance(optimizer, SGD):
        return 0.0
    net, theta = seen.setting.net, seen.thetas[0]
    few = np.arange(0, len(seen.rows), max(1, len(seen.rows) // CURVED_ROWS))
    Y, start = seen.targets[few], seen.start
    trace = type(start)(
        (None, *(z[few] for z in start.z[1:])),
        tuple(a[few] for a in start.a),
        (None, *(delta[few] for delta in start.delta[1:])),
    )
    v, largest = np.random.default_rng(0).normal(size=theta.flat.shape), 0.0
    v[net.masked] = 0
    for _ in range(POWERS):
        v = v / np.linalg.norm(v)
        Hv = hessian_times(net, theta, trace, Y, Parameters(net.sizes, v)).product.flat
        largest, v = float(v @ Hv), Hv
        if not np.isfinite(largest) or not Hv.any():
            return 0.0
    return optimizer.learning_rate * largest / (2 + 2 * optimizer.momentum)


def cost_rises(seen: Seen) -> Shown:
    """A cost that ends above where it was, or rises in many epochs."""
    costs = seen.costs
    if len(costs) < 3 or not np.isfinite(costs).all():
        return None
    rises = float((np.diff(costs) > 0).mean())
    if costs[-1] > 1.05 * costs[0]:
        evidence = (
            f"the cost ends at {number(costs[-1])}, above the {number(costs[0])} of the first epoch"
        )
        return 0.9, evidence, cost_curve(seen)
    if rises > 0.3:
        return 0.3 + 0.5 * rises, f"the cost rises in {rises:.0%} of the epochs", cost_curve(seen)
    return None


def oscillation(seen: Seen) -> Shown:
    """A cost that swings: each change undoes the one before."""
    costs = seen.costs
    if len(costs) < 8 or not np.isfinite(costs).all():
        return None
    changes = np.diff(costs[len(costs) // 2 :])
    spread, fall = changes.std(), np.ptp(costs)
    if len(changes) < 4 or not spread > SWINGS * fall:
        return None
    back = float(np.corrcoef(changes[:-1], changes[1:])[0, 1])
    if not back < BACK:
        return None
    evidence = (
        f"the cost swings by {spread / fall:.0%} of its whole range from epoch to epoch, each time back "
        f"(correlation {back:.2f})"
    )
    return 0.5, evidence, cost_curve(seen)


def step_overshoots(seen: Seen) -> Shown:
    """Steps of gradient descent that raise the cost of their own batch, at the end."""
    optimizer, theta = seen.setting.optimizer, seen.thetas[1]
    if not isinstance(optimizer, SGD) or seen.diverged:
        return None
    before, after = [], []
    for rows in seen.batches():
        g = seen.setting.clip.apply(seen.gradient(theta, rows))
        moved = Parameters(theta.sizes, theta.flat - optimizer.learning_rate * g)
        before.append(seen.batch_cost(theta, rows))
        after.append(seen.batch_cost(moved, rows))
    share = float((np.array(after) > np.array(before)).mean())
    if share <= RISING:
        return None
    named = {"before the step": np.array(before), "after it": np.array(after)}
    picture = in_order("Cost of batches before and after their own step", "cost", named)
    evidence = f"at the end a step raises the cost of its own batch in {share:.0%} of the batches"
    return 0.4 + 0.3 * share, evidence, picture


def _falling(seen: Seen) -> float:
    """Return which part of its whole fall the cost took in the last tenth of the epochs."""
    costs = seen.costs
    if len(costs) < 2 or not np.isfinite(costs).all():
        return 1.0
    before = costs[-_last_tenth(seen)]
    fall = costs[0] - costs[-1]
    return float((before - costs[-1]) / fall) if fall > 0 else 0.0


def _last_tenth(seen: Seen) -> int:
    return max(2, len(seen.costs) // 10 + 1)


def _still(seen: Seen) -> tuple[str, CurvePicture | None]:
    """Return in words how much of its fall the cost took in the last tenth of the epochs, and its curve."""
    falling, n = _falling(seen), len(seen.costs)
    picture = cost_curve(seen, float(max(1, n - _last_tenth(seen) + 1)), "the last tenth")
    if n < 2:
        return "there is one epoch in all", picture
    if falling >= 1:  # before it had risen
        return "the cost fell in the last tenth of the epochs alone", picture
    return f"the last tenth of the epochs still took {falling:.0%} of the cost's fall", picture


def rate_low(seen: Seen) -> Shown:
    """A cost that still falls, or has hardly fallen."""
    if isinstance(seen.setting.optimizer, LBFGS) or not_finite(seen):
        return None
    falling = _falling(seen)
    if falling > FALLING:
        return min(0.8, 0.3 + falling), *_still(seen)
    if not seen.costs[0] > 0:
        return None
    fall = 1 - seen.costs[-1] / seen.costs[0]
    return (0.4, f"the cost fell by {fall:.1%} in all", cost_curve(seen)) if fall < 0.1 else None


def epochs_few(seen: Seen) -> Shown:
    """Few steps, or a cost that still falls; one that overflowed did not end for want of steps."""
    if not_finite(seen):
        return None
    falling = _falling(seen)
    if seen.steps < ENOUGH_STEPS:
        strength = 0.3 + 0.4 * (1 - seen.steps / ENOUGH_STEPS)
        many = "is one step" if seen.steps == 1 else f"are {seen.steps} steps"
        return strength, f"there {many} in all", cost_curve(seen)
    return (min(0.7, 0.25 + falling), *_still(seen)) if falling > FALLING else None


def optimizer_slow(seen: Seen) -> Shown:
    """A training that has not arrived, whatever the optimizer's rate."""
    slow = rate_low(seen) or next((s for test in RATE_HIGH if (s := test(seen))), None)
    name = type(seen.setting.optimizer).__name__
    ended = "diverges" if seen.diverged else "has not arrived"
    return (0.2, f"{name} {ended}", cost_curve(seen)) if slow else None


RATE_HIGH = (not_finite, too_sharp, cost_rises)


def batch_large(seen: Seen) -> Shown:
    """Batches of so many rows that an epoch has a step or two."""
    an_epoch = -(-seen.n // seen.batch)
    if an_epoch > 2 or seen.n <= 16 or seen.steps >= ENOUGH_STEPS:
        return None
    steps = "s" * (an_epoch > 1)
    return 0.5, f"an epoch has {an_epoch} step{steps}, of {seen.batch} rows", cost_curve(seen)


def batch_small(seen: Seen) -> Shown:
    """Batches whose gradient is mostly noise: the gradient noise scale tr Σ / |G|², in rows.

    G is the mean and Σ the covariance of the gradients of single rows at the start: signal and noise are
    equally long in a batch of tr Σ / |G|² rows (McCandlish et al., 2018). No row's gradient is written out:
    its squared length is Σ_l |δˡ|² (|aˡ⁻¹|² + 1).
    """
    if seen.n <= 32 or seen.batch > 8 or not seen.falls_short:
        return None
    a, delta = seen.start.a, seen.start.delta
    squares = sum(
        (delta[l] ** 2).sum(axis=1) * ((a[l - 1] ** 2).sum(axis=1) + 1) for l in range(1, len(a))
    )
    n = len(seen.rows)
    length = sum(
        ((delta[l].T @ a[l - 1] / n) ** 2).sum() + (delta[l].mean(axis=0) ** 2).sum()
        for l in range(1, len(a))
    )
    noise = float(np.mean(squares) - length) * n / max(1, n - 1)
    signal = float(length) - noise / n  # of which the noise of n rows is a part
    scale = noise / signal if signal > 0 else np.inf
    if not scale > NOISE * seen.batch:
        return None
    many = f"{scale:,.0f}" if np.isfinite(scale) else f"more than {n}"
    evidence = (
        f"a batch has {seen.batch} row{'s' * (seen.batch > 1)}, and signal and noise of the gradient are "
        f"equally large in one of {many}"
    )
    names = ["rows of a batch", "gradient noise scale"]
    picture = bars("Batch and gradient noise", "rows", names, [seen.batch, min(scale, seen.n)])
    return (0.3 if seen.batch == 1 else 0.2), evidence, picture


def clipping(seen: Seen) -> Shown:
    """Gradients that are shortened at nearly every step."""
    if not seen.setting.clipped or not seen.falls_short:
        return None
    clip, theta = seen.setting.clip, seen.thetas[1]
    found = [seen.gradient(theta, rows) for rows in seen.batches()]
    if clip.norm is not None:
        sizes, limit, what = [float(np.linalg.norm(g)) for g in found], clip.norm, "length"
    else:
        sizes, limit, what = (
            [float(np.abs(g).max()) for g in found],
            clip.value or 0.0,
            "largest part",
        )
    share = float((np.array(sizes) > limit).mean())
    if share < ALWAYS:
        return None
    evidence = (
        f"at the end {share:.0%} of the gradients are clipped at {number(limit)}: their {what} is "
        f"{number(np.median(sizes))} in the median"
    )
    named = {"gradients of batches": np.array(sizes)}
    return 0.3, evidence, in_order(f"The {what} of gradients", what, named, {"limit": limit})


def exploding_gradients(seen: Seen) -> Shown:
    """Steps of gradient descent that are longer than the weights they move, at the start."""
    if not isinstance(seen.setting.optimizer, SGD) or seen.setting.clipped:
        return None
    return _first_step_long(seen)


def step_long(seen: Seen) -> Shown:
    """Steps as long as the weights they move, at the start, of an optimizer that scales its gradient.

    How long they are is then up to the rate alone, and the gradient's size has no say.
    """
    return None if isinstance(seen.setting.optimizer, SGD) else _first_step_long(seen)


def _first_step_long(seen: Seen) -> Shown:
    """Return the first step of all rows, where it is longer than the weights of some layer."""
    optimizer, theta, (_, W) = seen.setting.optimizer, seen.thetas[0], seen.of_layers
    if isinstance(optimizer, LBFGS):
        return None
    g = gradients(seen.setting.net, theta, seen.start).flat
    (first,) = optimizer.coefficients(np.array([1]), np.array([optimizer.learning_rate])).tolist()
    moved = optimizer.update(theta.flat, g, optimizer.init(theta.flat), first)[0]
    change = Parameters(theta.sizes, moved - theta.flat).W[1:]
    step = np.array([np.linalg.norm(each) for each in change]) / np.where(W > 0, W, np.inf)
    l = int(np.nanargmax(step)) if np.isfinite(step).any() else 0
    if not step[l] > LONG:
        return None
    evidence = f"the first step of layer {l + 1} is {number(step[l])} times as long as its weights"
    picture = bars("The first step beside the weights", "‖ΔW‖ / ‖W‖", layers(len(step)), step)
    return 0.35, evidence, picture
