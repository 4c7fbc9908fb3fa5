"""Hypotheses about the layers: their start, their activations, their size, and what holds them back."""

import numpy as np

from whygrad.answers.formatting import number
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.diagnosis.pictures import bars, layers
from whygrad.diagnosis.symptoms.seen import Seen, Shown
from whygrad.nn import COSTS, Array, Trace

GAP = 0.1  # between the scores of training rows and others
DEAD = 0.3  # of the units of a layer
HELD_BACK = 0.02  # the penalty's share of what is minimised
VANISHED = 1e-3  # of the largest relative gradient of a layer
LEARNED = 0.5  # of the cost that is kept: what a training came down to, and did not keep
WRONG_START = 2.0  # times the cost of the best constant
BENT = {"sigmoid": 0.25, "tanh": 1.0}  # and their steepest slope


def linear_hidden(seen: Seen) -> Shown:
    """A hidden layer without an activation."""
    hidden = seen.setting.net.layers[:-1]
    linear = [l for l, layer in enumerate(hidden, 1) if layer.f.name == "identity"]
    if not linear:
        return None
    l = linear[0]
    z = np.nan_to_num(seen.end.z[l])
    x = np.linspace(min(z.min(), -1), max(z.max(), 1), 99)
    picture = CurvePicture(
        f"What layer {l} makes of its weighted input",
        "z",
        "a",
        x,
        (Line("identity", x), Line("relu, for comparison", np.maximum(x, 0), dashed=True)),
    )
    return 0.7, f"hidden layer {l} is linear, so that it bends nothing", picture


def saturation(seen: Seen) -> Shown:
    """Sigmoid or tanh units at their flat ends."""
    net = seen.setting.net
    flat = np.zeros(net.L - 1)
    for l in range(1, net.L):
        if steepest := BENT.get(net.f[l].name):
            flat[l - 1] = (net.f[l].derivative(seen.end.z[l]) < 0.1 * steepest).mean()
    if not (flat > 0.5).any():
        return None
    l = int(np.flatnonzero(flat > 0.5)[0])
    picture = bars("Activations at their flat ends", "share", layers(len(flat)), flat)
    return 0.5, f"{flat[l]:.0%} of the activations of layer {l + 1} are at its flat ends", picture


def vanishing_gradients(seen: Seen) -> Shown:
    """Hidden layers whose gradient, beside their weights, is a thousandth of another layer's."""
    net = seen.setting.net
    dW, W = seen.of_layers
    relative = dW / np.where(W > 0, W, np.inf)
    bent = sum(layer.f.name == "sigmoid" for layer in net.layers[:-1])
    ratio = relative[:-1].min() / relative.max() if net.L > 1 and relative.max() > 0 else 1.0
    if not (ratio < VANISHED or bent > 1):
        return None
    picture = CurvePicture(
        "How large a layer's gradient is at the start",
        "layer",
        "‖∂C/∂W‖ / ‖W‖",
        np.arange(1.0, net.L + 1),
        (Line("gradient beside the weights", relative),),
        scale="log",
    )
    l = int(relative[:-1].argmin()) + 1
    evidence = (
        f"beside its weights the gradient of layer {l} is {1 / ratio if ratio else np.inf:,.0f} times "
        f"smaller than that of layer {int(relative.argmax()) + 1}"
    )
    if ratio < VANISHED:
        return 0.5, evidence, picture
    return 0.3, f"{bent} hidden layers of sigmoid units pass little back: {evidence}", picture


def dead_units(seen: Seen) -> Shown:
    """ReLU units that are off for all rows."""
    dead = _dead(seen, seen.end)
    found = np.flatnonzero(dead > DEAD)
    if not len(found):
        return None
    l = int(found[0])
    picture = bars("Units that are off for all rows", "share", layers(len(dead)), dead)
    evidence = f"{dead[l]:.0%} of the units of layer {l + 1} are off for all rows"
    return 0.2 + 0.5 * dead[l], evidence, picture


def units_died(seen: Seen) -> Shown:
    """ReLU units that steps have switched off: at the start they were on for some rows."""
    dead = _dead(seen, seen.end)
    died = dead - _dead(seen, seen.start)
    found = np.flatnonzero(died > DEAD)
    if not len(found):
        return None
    l = int(found[0])
    picture = bars("Units that steps have switched off", "share", layers(len(died)), died)
    evidence = (
        f"{dead[l]:.0%} of the units of layer {l + 1} are off for all rows, and at the start "
        f"{dead[l] - died[l]:.0%} were"
    )
    return 0.25 + 0.5 * died[l], evidence, picture


def _dead(seen: Seen, trace: Trace) -> Array:
    """Return by hidden layer the share of its units that are off for all rows, (L - 1,), 0 without ReLU."""
    shares = [
        float((z <= 0).all(axis=0).mean()) * (layer.f.name == "relu")
        for z, layer in zip(trace.z[1:-1], seen.setting.net.layers, strict=False)
    ]
    return np.array(shares)


def spread_of_start(seen: Seen) -> Shown:
    """Weights at whose start numbers grow or shrink from layer to layer."""
    before = np.sqrt((seen.start.a[0] ** 2).mean())
    ratios = []
    for z, a in zip(seen.start.z[1:], seen.start.a[1:], strict=True):
        ratios.append(float(np.nan_to_num(z).std()) / before if before else 1.0)
        before = np.sqrt((np.nan_to_num(a) ** 2).mean())
    for l, ratio in enumerate(ratios, 1):
        if ratio > 4 or ratio < 0.12:
            picture = bars(
                "Spread of z at the start, beside what comes in",
                "ratio",
                layers(len(ratios)),
                ratios,
            )
            return (
                0.5,
                f"z of layer {l} starts {number(ratio)} times as large as what comes in",
                picture,
            )
    return None


def initial_cost(seen: Seen) -> Shown:
    """A start that is far worse than one answer for all rows."""
    net, Y = seen.setting.net, seen.targets
    if seen.setting.task.kind == "numbers" or COSTS.get(net.C.name) != net.C:
        return None  # for numbers it is the targets' size that says so
    begun = seen.cost_of(seen.start)
    with np.errstate(all="ignore"):
        constant = float(np.mean(net.C.value(np.broadcast_to(Y.mean(axis=0), Y.shape), Y)))
    if not (constant > 0 and np.isfinite(constant) and begun > WRONG_START * constant):
        return None
    names = ["at the start", "one answer for all rows"]
    picture = bars("Cost of the start", "cost", names, [begun, constant])
    evidence = (
        f"the cost starts at {number(begun)}, and one answer for all rows would cost "
        f"{number(constant)}"
    )
    return 0.3, evidence, picture


def units_few(seen: Seen) -> Shown:
    """Few hidden units, where the training rows themselves are not told well."""
    sizes = seen.setting.net.sizes
    if len(sizes) < 3 or not seen.falls_short:
        return None
    if len(seen.costs) and np.nanmin(seen.costs) < LEARNED * seen.cost_of(seen.end):
        return None  # it has told these rows far better than the epoch that is kept
    few = min(sizes[1:-1])
    evidence = (
        f"a hidden layer has {few} unit{'s' * (few > 1)}, and the {seen.measure} of training rows is "
        f"{seen.scored(seen.score)}"
    )
    names = ["inputs", *layers(len(sizes) - 2), "outputs"]
    picture = bars("Size of the layers", "units", names, list(sizes))
    return (0.35 if few <= 4 else 0.15), evidence, picture


def dropout(seen: Seen) -> Shown:
    """Much dropout, where the training rows themselves are not told well."""
    left_out = [layer.dropout for layer in seen.setting.net.layers]
    most = max(left_out)
    if most < 0.3 or not seen.falls_short:
        return None
    with_it, without = float(seen.costs[-1]), seen.cost_of(seen.end)
    evidence = (
        f"{most:.0%} of layer {int(np.argmax(left_out)) + 1} are left out: the cost of training rows is "
        f"{number(with_it)} with that, and {number(without)} without"
    )
    names = ["with dropout", "without"]
    return (
        0.2 + 0.4 * most,
        evidence,
        bars(
            "Cost of training rows in the last epoch, and at its end",
            "cost",
            names,
            [with_it, without],
        ),
    )


def penalty(seen: Seen) -> Shown:
    """A penalty that weighs beside the cost of the rows, which are not told well."""
    if not seen.setting.penalised or not seen.falls_short:
        return None
    own = seen.cost_of(seen.end)
    l1, l2 = seen.penalties(seen.batch)
    W = np.concatenate([each.ravel() for each in seen.thetas[1].W[1:]])
    held = l1 * np.abs(W).sum() + l2 * (W**2).sum() / 2
    before = np.concatenate([each.ravel() for each in seen.thetas[0].W[1:]])
    lengths = [float(np.linalg.norm(each)) for each in (before, W)]
    share = held / (held + own) if held + own > 0 else 0.0
    if share < HELD_BACK and lengths[1] >= 0.5 * lengths[0]:
        return None
    times = ""
    if lengths[0]:
        times = f"{number(lengths[1] / lengths[0])} times their length at the start"
    if share < HELD_BACK:  # a penalty that has done its work weighs nothing any more
        names = ["at the start", "at the end"]
        picture = bars("Length of the weights", "length", names, lengths)
        return 0.4, f"weights are penalised, and have shrunk to {times}", picture
    evidence = f"the penalty of the weights is {share:.0%} of what is minimised"
    evidence += f", and they have {times}" if times else ""
    names = ["cost of the rows", "penalty"]
    return 0.4, evidence, bars("What is minimised, at the end", "cost", names, [own, held])


def overfitting(seen: Seen) -> Shown:
    """Training rows that are told much better than others."""
    gap = seen.score - seen.held_out
    if gap <= GAP or seen.score <= 0.8:
        return None
    evidence = (
        f"the {seen.measure} of training rows is {seen.scored(seen.score)}, of others "
        f"{seen.scored(seen.held_out)}"
    )
    names = ["training rows", "rows set aside"]
    picture = bars("Scores", seen.measure, names, [seen.score, seen.held_out])
    return min(0.6, 0.2 + gap), evidence, picture
