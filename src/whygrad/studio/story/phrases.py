"""The phrases of slow motion, in plain words: numbers, lists, and what functions, costs and rules do."""

from collections.abc import Sequence
from typing import Any

from whygrad.answers.formatting import number, typeset
from whygrad.nn.functions import ACTIVATIONS, COSTS, Activation, Cost
from whygrad.plan import LBFGS, SGD, Adagrad, Adam, AdamW, Nadam, RMSprop

FUNCTIONS = {
    "identity": "z is handed on as it is",
    "sigmoid": "sigmoid squeezes z between 0 and 1, so that far below 0 becomes almost 0 and far above "
    "becomes almost 1",
    "tanh": "tanh squeezes z between −1 and 1",
    "relu": "relu keeps what is above 0, and everything else becomes 0: the unit is off",
    "leaky_relu": "leaky relu keeps what is above 0, and lets only a hundredth through of what is below",
    "elu": "elu keeps what is above 0, and what is below ends softly at −1",
    "selu": "selu stretches what is above 0 a little, and what is below ends softly at −1.76",
    "gelu": "gelu keeps most of what is above 0, and hardly anything of what is far below",
    "silu": "silu keeps most of what is above 0, and hardly anything of what is far below",
    "softplus": "softplus is almost 0 far below 0, and almost z far above",
    "exp": "exp takes e to the power of z, so that it is always above 0",
    "softmax": "softmax turns all z together into shares of certainty that add up to 1",
}

GRADES = {
    "squared_error": "It is half the square of what the answer is off, so that a miss twice as wide costs "
    "four times as much.",
    "absolute_error": "It is how far the answer is off.",
    "huber": "It is the square of small misses, and of large ones just how wide they are.",
    "poisson": "It asks how unlikely the true count is if this answer is what to expect.",
    "cross_entropy": "It looks at how sure the network was of the truth: the less sure, the more it costs.",
    "binary_cross_entropy": "It looks at how sure the network was of the truth: the less sure, the more it "
    "costs.",
}


def said(value: float) -> str:
    """Write a number within a sentence, with three digits or in whole thousands.

    >>> said(-0.123456), said(51079.96), said(-0.0)
    ('−0.123', '51,080', '0')
    """
    value = float(value) + 0.0
    return typeset(number(value) if abs(value) >= 1000 else f"{value:.3g}")


def percent(share: float) -> str:
    """Write a share in per cent, with three digits.

    >>> percent(0.63741), percent(1.0), percent(0.99999)
    ('63.7 %', '100 %', 'more than 99.9 %')
    """
    share = float(share)
    return "more than 99.9 %" if 0.9995 <= share < 1 else f"{said(100 * share)} %"


def listed(names: Sequence[str], most: int = 3, last: str = "and") -> str:
    """Join names as a sentence does, and count those that are too many.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c", "d", "e"])
    ('a', 'a, b and c', 'a, b and 3 others')
    """
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1:,} others"]
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def counted(count: int, one: str, many: str = "") -> str:
    """Count things.

    >>> counted(1, "unit"), counted(1200, "unit"), counted(2, "bias", "biases")
    ('1 unit', '1,200 units', '2 biases')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def function(f: Activation) -> str:
    """Return a phrase on what an activation function does."""
    known = FUNCTIONS.get(f.name) if ACTIVATIONS.get(f.name) == f else None
    return known or f"{spoken(f.name)} turns z into a"


def grade(C: Cost) -> str:
    """Return a sentence on how a cost judges."""
    known = GRADES.get(C.name) if COSTS.get(C.name) == C else None
    return known or f"It is {spoken(C.name)}, a cost of your own."


def spoken(name: str) -> str:
    """Write a name of the program as words.

    >>> spoken("leaky_relu"), spoken("cross_entropy")
    ('leaky relu', 'cross-entropy')
    """
    name = name.replace("cross_entropy", "cross-entropy")
    return " ".join(name.replace("_", " ").split())


def rule_name(rule: Any) -> str:
    """Name an optimizer."""
    match rule:
        case None:
            return "the optimizer"
        case SGD():
            return "gradient descent"
        case LBFGS():
            return "L-BFGS"
    return type(rule).__name__


def carries(rule: Any) -> bool:
    """Return whether a step carries earlier ones on; of a rule that is not known it may."""
    match rule:
        case SGD(momentum=mu) | RMSprop(momentum=mu):
            return mu > 0
        case Adagrad():
            return False
    return True


def how(rule: Any, learning_rate: float) -> str:
    """Return a sentence on how an optimizer turns a gradient into a step."""
    length = f"η = {said(learning_rate)}"
    match rule:
        case SGD(momentum=0):
            return f"Gradient descent takes {length} times the gradient, the opposite way."
        case SGD(momentum=mu, nesterov=ahead):
            looks = " and looks ahead where it is rolling" if ahead else ""
            return (
                f"Gradient descent with momentum takes {length} times the gradient, the opposite way, "
                f"and keeps {said(mu)} of its last move, like a ball that rolls on{looks}."
            )
        case Adagrad():
            return (
                "Adagrad divides each gradient by the size of all that this weight had so far: what was "
                f"changed much already takes smaller steps. {length} sets their length."
            )
        case RMSprop():
            return (
                "RMSprop divides each gradient by the size that it had of late, so that most steps are "
                f"about as long as the learning rate, {length}, however large the gradient."
            )
        case AdamW(decay=decay):
            shrinks = said(learning_rate * decay)
            return f"{_adam('AdamW', length)} It also shrinks all weights a little ({shrinks})."
        case Adam() | Nadam():
            return _adam(type(rule).__name__, length)
        case LBFGS():
            return (
                "L-BFGS finds a direction from how the gradient changed over the last steps, and walks "
                "along it as far as the cost falls well."
            )
        case None:
            return "The optimizer turned the gradients into this step."
    return f"{type(rule).__name__}, a rule of your own, made this step of the gradients."


def _adam(name: str, length: str) -> str:
    return (
        f"{name} goes against the mean of the latest gradients, divided by the size that they usually "
        f"have: most steps are no longer than about the learning rate, {length}, however large the "
        "gradient."
    )
