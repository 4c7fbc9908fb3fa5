"""Slow motion, what is learned: the step of the optimizer, and the exam once more with the new weights.

θ ← θ + Δθ,   C(θ + Δθ) − C(θ)
"""

import numpy as np

from whygrad.answers.names import Ref
from whygrad.nn import Array, Trace, example_costs, forward
from whygrad.studio.story import story_equations as equations
from whygrad.studio.story.phrases import carries, how, listed, percent, said
from whygrad.studio.story.story import Frame, Story, in_units, most_said


def updated(story: Story) -> Frame:
    """Show what the step added to every weight and bias."""
    moved = story.moved
    l, j, k = _followed(story)
    words = (
        "Now the network learns: every weight and bias takes a step, by its gradient. "
        f"{how(story.rule, story.learning_rate)}"
    )
    if story.decay:
        words += f" Then all of them shrink by {percent(story.decay)}."
    if moved.flat.any():
        which = f"The bias of {story.name(l, j)}" if k is None else story.ends(l, j, k)
        steps = (story.asked.theta, story.after, moved)
        before, after, change = (said(of.b[l][j] if k is None else of.W[l][j, k]) for of in steps)
        words += f" {which}: {before} becomes {after}, a change of {change}."
    else:
        idle = not story.batch.gradients.flat.any()
        words += " This time nothing changes: "
        words += "nobody was to blame." if idle else "the step is too short to change a number."
    title = "What is changed"
    units = (story.blank(0), *moved.b[1:])
    picture = story.picture(title, units, moved.W, "change of the bias", "change")
    found = equations.update_of_weight(story, l, j, k)
    lit = (Ref(l, j, "bias" if k is None else k).part, Ref(l, j).part)
    return Frame("update", title, words, found, picture, lit)


def _followed(story: Story) -> tuple[int, int, int | None]:
    """Return the weight followed that moves most, or where none of them moves a bias: k is None."""
    moved, cast = story.moved, story.cast
    layers = range(1, story.net.L + 1)
    l = max(layers, key=lambda m: (abs(moved.W[m][cast[m], cast[m - 1]]), m))
    if moved.W[l][cast[l], cast[l - 1]] or not any(moved.b[m][cast[m]] for m in layers):
        return l, cast[l], cast[l - 1]
    l = max(layers, key=lambda m: (abs(moved.b[m][cast[m]]), m))
    return l, cast[l], None


def exam_again(story: Story) -> Frame:
    """Show the answer and the grade that the new weights give."""
    asked, net = story.asked, story.net
    trace = forward(net, story.after, asked.trace.a[0], asked.trace.masks)
    C, before = float(example_costs(net, trace, asked.y)[0]), float(asked.costs[0])
    if not all(np.isfinite(values).all() for values in (C, *trace.a)):
        return _overflown(story, trace)
    a = trace.a[-1][0]
    told = f"{_new_answer(story, a)} {_verdict(story, C)}"
    words = f"The same question once more, with the new weights. {told}"
    better = "better" if before > C else "worse"
    title = f"The exam again: a {better} grade" if before != C else "The exam again: the same grade"
    units = (story.a[0], *(of[0] for of in trace.a[1:]))
    picture = story.picture(title, units, story.after.W, "activation", "new weight")
    m = story.truth if story.truth is not None and len(a) > 1 else most_said(story, a)
    found = (equations.cost_again(story, C),)
    return Frame("again", title, words, found, picture, (Ref(net.L, m).part,))


def _overflown(story: Story, trace: Trace) -> Frame:
    """Report a step after which there is no answer any more."""
    title = "The exam again: no answer"
    words = (
        "The same question once more, with the new weights. But the step was so long that the numbers grow "
        "beyond all bounds: there is no answer, and no grade. A shorter step is needed."
    )
    units = (of[0] for of in trace.a[1:])
    known = tuple(np.where(np.isfinite(a), a, np.nan) for a in units)
    picture = story.picture(title, (story.a[0], *known), story.after.W, "activation", "new weight")
    return Frame("again", title, words, (), picture)


def _new_answer(story: Story, a: Array) -> str:
    t, old = story.truth, story.a[-1]
    if t is not None:
        was, now = (percent(story.confidence(of, t)) for of in (old, a))
        return f"It was {was} sure of the truth, {story.known[t]}, and now it is {now} sure."
    m = story.cast[-1]
    was, now, true = (in_units(story, of[m]) for of in (old, a, story.y))
    return f"{story.name(story.net.L, m)} was {was}. Now it is {now}, and the truth is {true}."


def _verdict(story: Story, C: float) -> str:
    """Compare the grades; where the new one is no better, explain why."""
    before = float(story.asked.costs[0])
    promised = float(story.asked.gradients.flat @ story.moved.flat)
    told = f"The grade goes from {said(before)} to {said(C)}"
    if before == C:
        return f"The grade stays {said(before)}."
    if before > C:
        return f"{told}: better. Step by step, exam by exam, this is all there is to learning."
    if promised < 0:
        return (
            f"{told}: worse! The gradients promised a change of {said(promised)}, but the step was too "
            "long: it went past the best place. A shorter step the same way makes it better."
        )
    others = _others(story)
    if not others:
        return f"{told}: worse, by no more than rounding."
    pull = "pull" if len(others) > 1 or others[0].startswith("the other exams") else "pulls"
    return (
        f"{told}: worse. The step did not follow this exam alone: {listed(others)} {pull} as well."
    )


def _others(story: Story) -> list[str]:
    """List what else a step follows beside the gradient of this exam."""
    batch = story.batch
    there = {
        "the other exams of the step": batch.n > 1,
        "the optimizer's memory of earlier steps": carries(story.rule),
        "the penalty on large weights": bool(batch.l1 or batch.l2),
        "the decay of all weights": bool(story.decay),
    }
    return [name for name, pulls in there.items() if pulls]
