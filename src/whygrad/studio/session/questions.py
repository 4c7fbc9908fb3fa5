"""What is asked of the network on the page: a part of it, a question, examples → the answer as data.

A part is named as everywhere: "2:1" is a unit, "2:1,0" a weight, "2:1,bias" a bias, "" the whole network.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from whygrad.answers.classes import classes, classifies
from whygrad.answers.explanation import Explanation
from whygrad.answers.expression import counted_from
from whygrad.answers.formatting import number, share
from whygrad.answers.names import Ref
from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.studio.session.subject import Chosen, Subject
from whygrad.why.bound import Why
from whygrad.why.choosing import classes_said
from whygrad.why.symbols import in_units
from whygrad.why.training_history.ledger import ALL

Progress: TypeAlias = bool | Callable[[object], None]

# Question → what it is called on the page, for a weight or bias, a unit, and the whole network.
OF_WEIGHT = {"weight": "Chain rule", "paths": "Paths", "ripple": "Ripple", "ledger": "Ledger"}
OF_UNIT = {"neuron": "What it is", "blame": "Blame", "ledger": "Ledger"}
OF_INPUT = {"ripple": "Ripple"}
OF_NETWORK = {
    "prediction": "Prediction",
    "influence": "Influence",
    "tracin": "Who taught it",
    "without": "Without examples",
    "blame": "Blame",
    "check": "Gradient check",
    "learning": "What is wrong?",
}
OF_ONE = ("prediction", "influence", "tracin", "without")
CHECKED = 50  # examples of a gradient check, each of which costs two passes for every parameter
# Are computed when asked for, say how far they are, and can be cancelled.
SLOW = ("ledger", "influence", "tracin", "without", "check", "learning")
NO_TRAINING = "there is no training yet to be diagnosed: train, then ask"


@dataclass(frozen=True)
class Question:
    """One question: what of, its name, the examples asked with, Δw of a ripple, who is left out."""

    part: str
    name: str
    chosen: Chosen
    by: float = 0.1
    left_out: tuple[int, ...] = ()


def questions(part: str, chosen: Chosen) -> dict[str, str]:
    """Return the questions that can be asked of a part, with their titles; the first is asked at once."""
    ref = Ref.read(part)
    if ref is None:  # a prediction is that of one example
        return {
            k: title for k, title in OF_NETWORK.items() if k not in OF_ONE or chosen.which == "one"
        }
    if ref.layer == 0:
        return OF_INPUT
    return OF_UNIT if ref.from_ is None else OF_WEIGHT


def title_of(subject: Subject, part: str, chosen: Chosen | None = None) -> str:
    """Return what a part is called, "Weight from petal width to hidden 3"; of the network what it says.

    With one example chosen that is its answer beside the truth, in the user's units.
    """
    ref = Ref.read(part)
    if ref is None:
        return _said(subject, chosen) or "The whole network"
    net, names = subject.net, subject.names
    to = names.of(net, ref.layer, ref.to)
    if ref.from_ is None:
        return to[0].upper() + to[1:]
    if ref.from_ == "bias":
        return f"Bias of {to}"
    assert isinstance(ref.from_, int)
    return f"Weight from {names.of(net, ref.layer - 1, ref.from_)} to {to}"


def _said(subject: Subject, chosen: Chosen | None) -> str:
    """Return what the network says of the example that is chosen, with the truth; "" of several."""
    asked = None if chosen is None or chosen.which != "one" else subject.asked(chosen)
    if asked is None or chosen is None:
        return ""
    net, names, a = subject.net, subject.names, asked.trace.a[-1]
    rows = subject.rows(chosen.part)
    assert rows is not None
    true = subject.truth(rows, int(subject.indices(chosen)[0]))
    if classifies(net):
        p = a[0] if a.shape[1] > 1 else (1 - a[0, 0], a[0, 0])
        c = int(classes(a, names.threshold)[0])
        said = f"{classes_said(net, names)[c]} ({share(float(p[c]))})"
    else:
        said = ", ".join(in_units(net, names, net.L, m, float(x)) for m, x in enumerate(a[0]))
    several = 1 if subject.run is None else subject.run.members
    says = f"The first of {several} networks says" if several > 1 else "Says"
    return f"{says} {said}, true {true}. Why?"


def value_of(subject: Subject, part: str) -> float | None:
    """Return the weight or bias that a part names, None for a unit."""
    ref = Ref.read(part)
    if ref is None or ref.from_ is None:
        return None
    if ref.from_ == "bias":
        return float(subject.theta.b[ref.layer][ref.to])
    return float(subject.theta.W[ref.layer][ref.to, ref.from_])


def written(subject: Subject, part: str, value: float) -> str:
    """Write where a weight or an input is moved to, a column that is standardised in its own units too."""
    ref, names = Ref.read(part), subject.names
    if ref is None or ref.layer or not names.standardised(subject.net, ref.to):
        return f"{value:.4g}"
    return f"{number(names.own(subject.net, 0, ref.to, value))} ({value:.3g} standardised)"


def left_out(subject: Subject, text: str) -> tuple[int, ...]:
    """Read which training examples are left out, "3, 17"; raises `InputError` where they are none."""
    rows = subject.parts.get("training")
    last = -1 if rows is None else len(rows) - 1
    words = text.replace(",", " ").split()
    if not words or not all(re.fullmatch("[0-9]{1,9}", word) for word in words):
        raise InputError(f"{text!r}: give numbers of training examples, 0 to {last}, such as 3, 17")
    found = tuple(dict.fromkeys(map(int, words)))
    if max(found) > last:
        raise InputError(f"example {max(found)}: the training examples are 0 to {last}")
    return found


def answer(subject: Subject, asked: Question, progress: Progress = False) -> Explanation:
    """Answer a question; raises `InputError` where it cannot be answered, and says why.

    `progress` is told the stages of what takes long.
    """
    found = _answer(subject, asked, progress)
    if subject.names.first == 0:
        return found
    equations, terms = counted_from(subject.names.first, (found.equations, found.terms))
    return replace(found, equations=equations, terms=terms)


def _answer(subject: Subject, asked: Question, progress: Progress) -> Explanation:
    ref = Ref.read(asked.part)
    if asked.name == "learning":
        return _learning(subject, progress)
    if asked.name == "ledger":
        return _ledger(subject, ref, progress)
    found = subject.examples(asked.chosen)
    if found is None:
        raise InputError(subject.notice or "there are no examples to ask with")
    if ref is None:
        return _of_network(subject, asked, *found, progress)
    if ref.from_ is None:
        return _of_unit(subject, asked, ref, *found)
    question = getattr(subject.why, asked.name)  # weight, paths or ripple: the names in OF_WEIGHT
    by = {"by": asked.by} if asked.name == "ripple" else {}
    return question(*found, **ref.ends, **by)


def _of_network(
    subject: Subject, asked: Question, X: Array, Y: Array, progress: Progress
) -> Explanation:
    why = subject.why
    if asked.name in OF_ONE and len(X) > 1:
        raise InputError("a prediction is explained for one example: choose one")
    if asked.name == "prediction":
        return why.prediction(X)
    if asked.name == "influence":
        return _up_to(subject).influence(X, Y, progress=progress)
    if asked.name == "tracin":
        return _up_to(subject).influence(X, method="tracin", progress=progress)
    if asked.name == "without":
        return _up_to(subject).without(list(asked.left_out), X, Y, progress=progress)
    if asked.name == "check":
        return why.check(X[:CHECKED], Y[:CHECKED], progress=progress)
    return why.blame(X, Y)


def _of_unit(subject: Subject, asked: Question, ref: Ref, X: Array, Y: Array) -> Explanation:
    why = subject.why
    if ref.layer == 0:
        return why.ripple(X, Y, input=ref.to, by=asked.by)
    if asked.name == "blame":
        return why.blame(X, Y, layer=ref.layer, unit=ref.to)
    every = subject.examples(Chosen(asked.chosen.part, "all"))
    assert every is not None
    return why.neuron(*every, layer=ref.layer, unit=ref.to)


def _learning(subject: Subject, progress: Progress) -> Explanation:
    if subject.run is None:
        raise InputError(NO_TRAINING)
    if subject.notice:
        raise InputError(subject.notice)
    return subject.why.learning(progress=progress)


def _ledger(subject: Subject, ref: Ref | None, progress: Progress) -> Explanation:
    if ref is None:
        raise InputError("choose a weight, a bias or a neuron")
    from_ = ALL if ref.from_ is None else ref.from_
    return _up_to(subject).ledger(ref.layer, ref.to, from_, progress=progress)


def _up_to(subject: Subject) -> Why:
    """Return what can be asked of the training up to the step that is looked at."""
    run = subject.run
    if run is None or subject.step == run.start:
        raise InputError(
            "nothing has been learned yet at this step: train, then ask what it adds up from"
        )
    if subject.notice:
        raise InputError(subject.notice)
    return replace(subject.why, run=run.trajectory(subject.step))
