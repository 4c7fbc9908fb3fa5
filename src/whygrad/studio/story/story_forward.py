"""Slow motion, the exam: the question, what each layer makes of it, the answer, and the grade.

zˡ = Wˡ aˡ⁻¹ + bˡ,   aˡ = f_l(zˡ),   C
"""

import numpy as np

from whygrad.answers.formatting import clean
from whygrad.answers.names import AS_IT_IS, Ref, unscaled
from whygrad.nn.functions import COSTS
from whygrad.nn.network import count
from whygrad.studio.story import story_equations as equations
from whygrad.studio.story.phrases import counted, function, grade, listed, percent, said
from whygrad.studio.story.story import (
    Frame,
    Story,
    class_said,
    difference,
    in_units,
    most_said,
    spoken_answer,
)
from whygrad.why.error.flow import steepest

SATURATED = 0.02  # of the steepest slope: a unit that hardly reacts any more


def question(story: Story) -> Frame:
    """Show the example at the inputs, all else blank."""
    net = story.net
    hidden = sum(net.sizes[1:-1])
    thinking = (
        f"Between question and answer work {counted(hidden, 'hidden unit')}. " if hidden else ""
    )
    called = f", {clean(story.question)}" if story.question else ""
    words = (
        f"This is an exam with one question{called}: {_inputs(story)} {_task(story)} {thinking}"
        f"All that the network knows is in {counted(count(net.sizes), 'number')}: a weight on every line, "
        "and a bias in every unit."
    )
    units = (story.a[0], *map(story.blank, range(1, net.L + 1)))
    picture = story.picture("The question", units, story.asked.theta.W, "input")
    return Frame("forward", "The question", words, (), picture, _strongest_inputs(story))


def adds_up(story: Story, l: int) -> Frame:
    """Show the weighted inputs z of a layer."""
    j, L = story.cast[l], story.net.L
    who = "output" if l == L else "hidden unit"
    below = "input" if l == 1 else "hidden unit" if L == 2 else f"unit of layer {l - 1}"
    one = story.net.sizes[l] == 1
    every = f"The {who}" if one else f"Every {who}"
    if l == 1:
        first = (
            f"{every} listens to all inputs: it takes what each of them says times the weight on their "
            "line, adds this up, and adds its own bias. The sum is called z."
        )
    else:
        first = f"{every} does the same with what it hears: it adds up what every {below} says, each times "
        first += "its weight, and its own bias."
    words = f"{first} {'It' if one else f'For instance {story.name(l, j)}'} comes to "
    words += f"z = {said(story.z[l][j])}.{_loudest(story, l, j)}"
    title = f"{_layer(story, l)} {'adds' if one else 'add'} up"
    units = (*story.a[:l], story.z[l], *map(story.blank, range(l + 1, L + 1)))
    meaning = f"{'input' if l == 1 else 'activation'}, {_there(story, l)} the sum z"
    picture = story.picture(title, units, story.asked.theta.W, meaning)
    found = (equations.weighted_input(story, l, j),)
    return Frame("forward", title, words, found, picture, _heard(story, l, j))


def reacts(story: Story, l: int) -> Frame:
    """Show the activations of a hidden layer."""
    j, one = story.cast[l], story.net.sizes[l] == 1
    words = (
        "What a unit makes of its z is its activation a: this is what it says to the next layer. Here "
        f"{function(story.net.f[l])}. {_says(story, l, j)}{_state(story, l)}"
    )
    title = f"{_layer(story, l)} {'reacts' if one else 'react'}"
    units = (*story.a[: l + 1], *map(story.blank, range(l + 1, story.net.L + 1)))
    picture = story.picture(title, units, story.asked.theta.W, "activation")
    found = (equations.activation(story, l, j),)
    return Frame("forward", title, words, found, picture, (Ref(l, j).part,))


def hears_and_reacts(story: Story, l: int) -> Frame:
    """Show z and a of a hidden layer at once, where there are many layers."""
    j, one = story.cast[l], story.net.sizes[l] == 1
    words = (
        f"Layer {l} does the same with what it hears from layer {l - 1}: adds up, and reacts. Here "
        f"{function(story.net.f[l])}. {_says(story, l, j)}{_state(story, l)}"
    )
    title = f"{_layer(story, l)} {'adds up and reacts' if one else 'add up and react'}"
    found = (equations.weighted_input(story, l, j), equations.activation(story, l, j))
    picture = reacts(story, l).picture
    return Frame("forward", title, words, found, picture, _heard(story, l, j))


def answer(story: Story) -> Frame:
    """Show the answer."""
    L, a = story.net.L, story.a[-1]
    reacting = "Now the output reacts" if len(a) == 1 else "Now the outputs react"
    words = f"{reacting}: {function(story.net.f[L])}. {spoken_answer(story, a)}"
    picture = story.picture("The answer", story.a, story.asked.theta.W, "activation")
    shown = most_said(story, a)
    found = (equations.activation(story, L, shown),)
    return Frame("forward", "The answer", words, found, picture, (Ref(L, shown).part,))


def graded(story: Story) -> Frame:
    """Show the answer beside the truth, and the cost."""
    L, t, C = story.net.L, story.truth, float(story.asked.costs[0])
    compared = _distance(story)
    if t is not None:
        sure = percent(story.confidence(story.a[-1], t))
        right = t == class_said(story.a[-1])
        verdict = (
            f"right, and {sure} sure" if right else f"wrong: it was only {sure} sure of the truth"
        )
        compared = f"The truth is {story.known[t]}. The network was {verdict}."
    words = (
        f"{compared} The grade is called the cost C: {_best(story)}, and the larger, the worse. "
        f"{grade(story.net.C)} This answer costs {said(C)}.{_penalised(story)}"
    )
    picture = story.picture("The grade", story.a, story.asked.theta.W, "activation")
    lit = [t] if t is not None and len(story.y) > 1 else list(range(len(story.y)))[:6]
    parts = tuple(Ref(L, m).part for m in lit)
    return Frame("cost", "The grade", words, (equations.cost(story),), picture, parts)


# ── words ────────────────────────────────────────────────────────────────────────────────────────────


def _task(story: Story) -> str:
    if story.truth is not None:
        return f"The network is to say which class it is: {listed(story.known, 4, 'or')}."
    names = [story.name(story.net.L, m) for m in range(len(story.y))]
    return (
        f"The network is to say {'a number' if len(names) == 1 else 'numbers'}: {listed(names, 4)}."
    )


def _inputs(story: Story) -> str:
    """List the inputs, those most different from 0 where they are many."""
    x = story.a[0]
    if story.names.image:
        height, width = story.names.image
        dark = int(np.count_nonzero(x))
        return f"an image of {height} × {width} pixels, {dark:,} of them not 0."
    order = np.argsort(-abs(x), kind="stable").tolist()
    most, rest = sorted(order[:4]), len(x) - 4
    parts = [f"{story.name(0, k)} = {said(_in_own_units(story, k))}" for k in most]
    told = ", ".join(parts) + (f", and {counted(rest, 'more number')}" if rest > 0 else "") + "."
    scaled = [k for k in order[:4] if story.scales and story.scales[k] != AS_IT_IS]
    if scaled:
        k = scaled[0]
        told += (
            " Inside the network every column is counted from its mean, in steps of its usual spread: "
            f"this {story.name(0, k)} is {said(x[k])} there."
        )
    return told


def _in_own_units(story: Story, k: int) -> float:
    return float(unscaled(float(story.a[0][k]), story.scales[k] if story.scales else AS_IT_IS))


def _strongest_inputs(story: Story) -> tuple[str, ...]:
    if story.names.image:
        return ()
    order = np.argsort(-abs(story.a[0]), kind="stable")[:4].tolist()
    return tuple(Ref(0, k).part for k in sorted(order) if k in story.shown[0])


def _layer(story: Story, l: int) -> str:
    """Name the units of a layer, at the beginning of a title."""
    one = story.net.sizes[l] == 1
    if l == story.net.L:
        return "The output" if one else "The outputs"
    if story.net.L == 2:
        return "The hidden unit" if one else "The hidden units"
    return f"The {'unit' if one else 'units'} of layer {l}"


def _there(story: Story, l: int) -> str:
    if l == story.net.L:
        return "at the output" if story.net.sizes[l] == 1 else "at the outputs"
    return "in the hidden layer" if story.net.L == 2 else f"in layer {l}"


def _heard(story: Story, l: int, j: int) -> tuple[str, ...]:
    """Return a unit with the lines that it hears most along."""
    return (Ref(l, j).part, *(Ref(l, j, k).part for k in story.top_inputs(l, j)))


def _loudest(story: Story, l: int, j: int) -> str:
    """Name the unit that moves a z most to where it is."""
    W, a = story.asked.theta.W[l][j], story.a[l - 1]
    side = -1 if story.z[l][j] < 0 else 1
    k = max(story.top_inputs(l, j), key=lambda k: side * W[k] * a[k])
    if not W[k] * a[k]:
        return ""
    way = "up" if W[k] * a[k] > 0 else "down"
    most = " most" if len(a) > 1 else ""
    name = story.name(l - 1, k)
    says = said(a[k])
    if l == 1 and story.scales and story.scales[k] != AS_IT_IS:
        says = f"{says} spreads from its mean"
    return f" {name} pulls it {way}{most}: it says {says}, and the weight is {said(W[k])}."


def _says(story: Story, l: int, j: int) -> str:
    z, a = said(story.z[l][j]), said(story.a[l][j])
    return f"{story.name(l, j)} has z = {z}, so it says {a}."


def _state(story: Story, l: int) -> str:
    """Name the units that dropout leaves out, and count how many are silent or can hardly react."""
    masks = [story.mask(l, j) for j in range(story.net.sizes[l])]
    return _left_out(story, l, masks) + _silent(story, l, [m != 0 for m in masks])


def _left_out(story: Story, l: int, masks: list[float | None]) -> str:
    factors = sorted({mask for mask in masks if mask})
    gone = [story.name(l, j) for j, mask in enumerate(masks) if mask == 0]
    if not factors and not gone:
        return ""
    text = (
        f" Dropout leaves out {listed(gone)} in this step" if gone else " Dropout leaves nobody out"
    )
    return (
        text
        + "".join(f", and the others speak {said(factor)} times as loud" for factor in factors)
        + "."
    )


def _silent(story: Story, l: int, there: list[bool]) -> str:
    a, slopes = story.a[l][there], story.flow.slopes[l][0][there]
    silent = int((a == 0).sum())
    flat = int((abs(slopes) < SATURATED * steepest(story.net.f[l])).sum())
    if not (silent or flat):
        return ""
    alone = len(a) == 1 < len(there)
    who = "The one that is left is" if alone else _some(silent or flat, len(a))
    if silent:
        return f" {who} silent: a = 0."
    return f" {who} at the end of the scale, where a hardly changes with z any more."


def _some(count: int, of: int) -> str:
    """Begin a sentence about some units of a layer."""
    if count == of:
        return "It is" if of == 1 else f"All {of:,} units are"
    return f"{count:,} of {of:,} units {'is' if count == 1 else 'are'}"


def _distance(story: Story) -> str:
    """Set the answer beside the truth, as numbers."""
    m, L = story.cast[-1], story.net.L
    a, y = float(story.a[-1][m]), float(story.y[m])
    off = (
        f"{difference(story, abs(a - y))} too {'high' if a > y else 'low'}"
        if a != y
        else "exactly right"
    )
    if len(story.y) == 1:
        return f"The truth is {in_units(story, y)}. The answer was {in_units(story, a)}: {off}."
    worst = np.argmax(abs(story.a[-1] - story.y)) == m
    first = "Most wrong is" if worst else "Take"
    return (
        f"{first} {story.name(L, m)}: the answer is {said(a)}, the truth {said(y)}, so it is {off}."
    )


def _best(story: Story) -> str:
    """State what the best grade is; probabilities between 0 and 1 as truth leave no perfect answer."""
    known = COSTS.get(story.net.C.name) == story.net.C
    soft = story.net.C.name in ("cross_entropy", "binary_cross_entropy") and story.truth is None
    return "0 is perfect" if known and not soft else "the smaller, the better"


def _penalised(story: Story) -> str:
    """Name the penalties that come on top."""
    strengths = (("λ₁", story.batch.l1), ("λ₂", story.batch.l2))
    kinds = [f"{name} = {said(strength)}" for name, strength in strengths if strength]
    if not kinds:
        return ""
    return (
        f" Large weights cost something on top, a penalty ({listed(kinds)}), whatever the answer."
    )
