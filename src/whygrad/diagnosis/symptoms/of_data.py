"""Hypotheses about inputs, targets and the output that has to tell them."""

import numpy as np

from whygrad.answers.formatting import number
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.diagnosis.contradictions import BELONGS
from whygrad.diagnosis.labels import FAR, far_off
from whygrad.diagnosis.pictures import bars, in_order
from whygrad.diagnosis.symptoms.seen import WELL, Seen, Shown
from whygrad.diagnosis.task import has_learned, of_label, right

SPREAD = 20.0  # of the sizes of columns
RARE = 0.5  # of an even share of the rows
NEVER = 0.1  # of a class's rows are told
ALIKE = 0.01  # of the targets' spread
SURE_OF_ANOTHER = 0.2  # the probability of the label, at most
SUSPECT = 0.03  # of the rows
BY_HEART = 0.1  # of the rows


def inputs_unscaled(seen: Seen) -> Shown:
    """Columns of very different or very large size where they are not 0, as most of a category's are."""
    X = seen.setting.X
    every = np.sqrt((X**2).sum(axis=0) / np.maximum((X != 0).sum(axis=0), 1))
    size = every[every > 0]
    if not len(size):
        return None
    picture = bars(
        "Size of the inputs where they are not 0",
        "root mean square",
        [f"input {j}" for j in range(len(every))],
        every,
    )
    ratio = size.max() / size.min()
    up_to = f"columns are of a size up to {number(size.max())}"
    if size.max() > 10 or size.max() < 0.05:
        return min(1.0, 0.6 + 0.1 * abs(np.log10(size.max()))), up_to, picture
    if ratio > SPREAD:
        evidence = f"columns are of a size from {number(size.min())} to {number(size.max())}"
        return 0.4, evidence, picture
    return (0.1, up_to, picture) if size.max() > 2 else None


def targets_unscaled(seen: Seen) -> Shown:
    """Targets of another size than the outputs start with."""
    if seen.setting.task.kind != "numbers":
        return None
    size = np.abs(seen.setting.Y).max()
    started = np.nan_to_num(np.abs(seen.start.a[-1])).max()
    picture = bars(
        "Targets, and outputs at the start",
        "the largest size",
        ["targets", "outputs at the start"],
        [size, started],
    )
    if size > 5 * (1 + started):
        strength = min(1.0, 0.5 + 0.1 * np.log10(size / (1 + started)))
        shown = (
            f"targets of up to {number(size)} are asked of outputs that start at {number(started)}"
        )
        return strength, shown, picture
    if size < 0.05:
        return 0.4, f"the targets are no larger than {number(size)}", picture
    return None


def output_activation(seen: Seen) -> Shown:
    """An output activation that is not the one of the task."""
    net, task = seen.setting.net, seen.setting.task
    f = net.f[net.L].name
    wanted = {"numbers": ("identity",), "labels": ("sigmoid",), "classes": ("softmax", "sigmoid")}[
        task.kind
    ]
    if f in wanted and (f != "softmax" or net.sizes[-1] > 1):
        return None
    return 0.5, f"{f} outputs for {task.kind}", _outputs_and_targets(seen)


def _outputs_and_targets(seen: Seen) -> CurvePicture:
    named = {"targets": seen.targets.ravel(), "outputs": seen.end.a[-1].ravel()}
    return in_order("Outputs and targets, each in order of size", "value", named)


def cost(seen: Seen) -> Shown:
    """A cost that is flat where its output activation is."""
    net = seen.setting.net
    f, C = net.f[net.L].name, net.C
    if seen.setting.task.kind == "numbers" or BELONGS.get(f) in (None, C.name):
        return None
    p = np.linspace(0.001, 0.999, 99)  # of the right class
    a, y = np.ones((99, net.sizes[-1])), np.zeros((99, net.sizes[-1]))
    a[:, 0], y[:, 0] = p, 1
    if f == "softmax":  # the others share what is left
        a[:, 1:] = (1 - p)[:, None] / max(1, net.sizes[-1] - 1)
    slope = C.derivative(a, y)
    own = (
        p * (slope[:, 0] - (slope * a).sum(axis=1)) if f == "softmax" else slope[:, 0] * p * (1 - p)
    )
    picture = CurvePicture(
        "How hard a row is pulled",
        "output for the right class",
        "size of ∂C/∂z",
        p,
        (Line(C.name, np.abs(own)), Line(BELONGS[f], 1 - p)),
    )
    return 0.25, f"{C.name} flattens out where {f} does", picture


def class_imbalance(seen: Seen) -> Shown:
    """A rare class that is hardly ever told."""
    if seen.setting.task.kind != "classes":
        return None
    classes = seen.setting.task.classes
    K = max(2, seen.setting.task.Y.shape[1])
    share = np.bincount(classes, minlength=K) / len(classes)
    hit = right(seen.setting.task, seen.told, seen.setting.task.Y[seen.rows])
    here = classes[seen.rows]
    recall = np.array([hit[here == k].mean() if (here == k).any() else np.nan for k in range(K)])
    rare = np.flatnonzero((share > 0) & (share < RARE / K) & (recall < NEVER))
    if not len(rare):
        return None
    k = int(rare[np.argmin(share[rare])])
    names = [f"class {k} ({share[k]:.1%})" for k in range(K)]
    picture = bars("Recall by class (its share of the rows)", "recall", names, recall)
    evidence = (
        f"class {k} has {share[k]:.1%} of the rows, and {recall[k]:.0%} of those are told right"
    )
    return 0.45, evidence, picture


def inputs_ignored(seen: Seen) -> Shown:
    """Outputs that do not depend on the inputs, or on one of them."""
    X, W = seen.setting.inputs, seen.thetas[1].W[1]
    lengths = np.linalg.norm(W, axis=0)
    varies = np.ptp(X, axis=0) > 0
    unseen = np.flatnonzero(varies & (lengths == 0))
    if len(unseen):
        few = ", ".join(map(str, unseen[:5])) + (" …" if len(unseen) > 5 else "")
        names = [f"input {j}" for j in range(len(lengths))]
        picture = bars("Weights from each input", "length of its weights", names, lengths)
        which = f"input {few} has" if len(unseen) == 1 else f"inputs {few} have"
        return 0.5, f"{which} weights of 0 in layer 1 at the end", picture
    spread = np.nan_to_num(seen.end.a[-1].std(axis=0)).max()
    wanted = seen.targets.std(axis=0).max()
    if seen.diverged or not wanted or spread > ALIKE * wanted:
        return None
    evidence = (
        f"all rows get the same outputs: they spread by {number(spread)}, the targets by "
        f"{number(wanted)}"
    )
    return 0.2, evidence, _outputs_and_targets(seen)


def labels_corrupted(seen: Seen) -> Shown:
    """Rows that are told to be something else than their labels, by a network that has learned the rest."""
    task, setting = seen.setting.task, seen.setting
    if task.kind == "labels" or seen.diverged or seen.held_out > WELL:
        return None
    if task.kind == "numbers":
        errors = np.abs(seen.told - setting.task.Y[seen.rows]).max(axis=1)
        limit = float(far_off(errors))
        share = float((errors > limit).mean())
        if not 0 < share < SUSPECT:
            return None
        evidence = f"{share:.1%} of the rows are missed by more than {FAR:g} robust deviations"
        limits = {f"{FAR:g} robust deviations": limit}
        return 0.2, evidence, in_order("Errors in order", "error", {"rows": errors}, limits)
    if not has_learned(task, seen.held_out):
        return None
    p = of_label(seen.told, setting.task.Y[seen.rows])
    share = float((p < SURE_OF_ANOTHER).mean())
    by_heart = seen.score - seen.held_out
    if share > SUSPECT:
        evidence = (
            f"{share:.0%} of the training rows are told to be of another class, their own label at "
            f"{SURE_OF_ANOTHER:g} or less"
        )
    elif by_heart > BY_HEART:
        evidence = (
            f"{by_heart:.0%} more of the training rows than of others are told right: some may be learned "
            "by heart against what the others say"
        )
    else:
        return None
    title, limits = "What rows are told of their own label", {"limit": SURE_OF_ANOTHER}
    return 0.2, evidence, in_order(title, "probability", {"training rows": p}, limits)
