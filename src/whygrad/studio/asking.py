"""What is asked of the network on the page: a part of it, a question, examples → the answer as data.

A part is named as everywhere: "2:1" is a unit, "2:1,0" a weight, "2:1,bias" a bias, "" the whole network.
"""

from dataclasses import dataclass, replace

from whygrad.errors import InputError
from whygrad.explanation import Explanation
from whygrad.names import Place
from whygrad.studio.subject import Chosen, Subject
from whygrad.why.course import course_of

# Question → what it is called on the page, for a weight or bias, a unit, and the whole network.
OF_WEIGHT = {
    "weight": "Chain rule",
    "paths": "Paths",
    "ripple": "Ripple",
    "moved": "Ledger",
}
OF_UNIT = {"neuron": "What it is", "blame": "Blame", "moved": "Ledger"}
OF_INPUT = {"ripple": "Ripple"}
OF_NETWORK = {"prediction": "Prediction", "blame": "Blame", "check": "Gradient check"}
OF_ONE = ("prediction",)
SLOW = ("moved", "check")  # are computed when asked for, and say that they work


@dataclass(frozen=True)
class Question:
    """One question: what of, its name, the examples it is asked with, and Δw of a ripple."""

    part: str
    name: str
    chosen: Chosen
    by: float = 0.1


def place_of(part: str) -> Place | None:
    """Read a part's name; None for the whole network, and for what is no part."""
    return Place.read(part)


def questions(part: str, chosen: Chosen) -> dict[str, str]:
    """Give the questions that can be asked of a part, with their titles; the first is asked at once."""
    place = place_of(part)
    if place is None:  # a prediction is that of one example
        return {
            k: title for k, title in OF_NETWORK.items() if k not in OF_ONE or chosen.which == "one"
        }
    if place.layer == 0:
        return OF_INPUT
    return OF_UNIT if place.from_ is None else OF_WEIGHT


def title_of(subject: Subject, part: str) -> str:
    """Give what a part is called: "weight from petal width to hidden 3"."""
    place = place_of(part)
    if place is None:
        return "The whole network"
    net, names = subject.net, subject.names
    to = names.of(net, place.layer, place.to)
    if place.from_ is None:
        return to[0].upper() + to[1:]
    if place.from_ == "bias":
        return f"Bias of {to}"
    assert isinstance(place.from_, int)
    return f"Weight from {names.of(net, place.layer - 1, place.from_)} to {to}"


def value_of(subject: Subject, part: str) -> float | None:
    """Give the weight or bias that a part names, None for a unit."""
    place = place_of(part)
    if place is None or place.from_ is None:
        return None
    if place.from_ == "bias":
        return float(subject.theta.b[place.layer][place.to])
    return float(subject.theta.W[place.layer][place.to, place.from_])


def answer(subject: Subject, asked: Question) -> Explanation:
    """Answer a question; raises `InputError` where it cannot be answered, and says why."""
    place, why = place_of(asked.part), subject.why
    if asked.name == "moved":
        return _ledger(subject, place)
    found = subject.examples(asked.chosen)
    if found is None:
        raise InputError(subject.notice or "there are no examples to ask with")
    X, Y = found
    if asked.name == "prediction":
        if len(X) > 1:
            raise InputError("a prediction is explained for one example: choose one")
        return why.prediction(X)
    if asked.name == "check":
        return why.check(X[:50], Y[:50])
    if place is None:
        return why.blame(X, Y)
    if place.from_ is not None:
        at = place.ends
        if asked.name == "ripple":
            return why.ripple(X, Y, **at, by=asked.by)
        return why.paths(X, Y, **at) if asked.name == "paths" else why.weight(X, Y, **at)
    if place.layer == 0:
        return why.ripple(X, Y, input=place.to, by=asked.by)
    if asked.name == "blame":
        return why.blame(X, Y, layer=place.layer, unit=place.to)
    every = subject.examples(Chosen(asked.chosen.part, "all"))
    assert every is not None
    return why.neuron(*every, layer=place.layer, unit=place.to)


def _ledger(subject: Subject, place: Place | None) -> Explanation:
    run = subject.run
    if run is None or subject.step == run.start:
        raise InputError(
            "nothing has been learned yet at this step: train, then the ledger tells what moved it"
        )
    if place is None:
        raise InputError("choose a weight, a bias or a neuron")
    if subject.notice:
        raise InputError(subject.notice)
    of = {"from_": place.from_} if place.from_ is not None else {}
    up_to = replace(subject.why, run=course_of(run, subject.step))
    return up_to.moved(place.layer, place.to, **of)
