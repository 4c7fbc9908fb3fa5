"""Slow motion, after the exam: who is to blame, layer by layer, and what that says of every weight.

δᴸ = ∇ₐC ⊙ f′(zᴸ),   δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ f′(zˡ),   ∂C/∂W = a δ,   ∂C/∂b = δ
"""

import numpy as np

from whygrad.answers.names import Ref
from whygrad.nn.functions import canonical_link
from whygrad.studio.story import story_equations as equations
from whygrad.studio.story.phrases import counted, listed, said, spoken
from whygrad.studio.story.story import Frame, Story, difference, in_own

BLAME, PASSED = "blame δ", "blame passed back"
SATURATED = 0.01  # a slope that lets hardly any blame through


def outputs_blamed(story: Story) -> Frame:
    """Show δ of the outputs: BP1."""
    L, j = story.net.L, story.cast[-1]
    words = "Now the way back. Who is to blame for this grade? First the outputs: they gave the answer. "
    if story.delta[L].any():
        words += f"{_why_blamed(story, j)} {_sign(story, j)}"
    else:
        words += "But here there is no blame: the grade does not change with z, to first order."
    title = "Who is to blame? The output" + "s" * (len(story.y) > 1)
    units = (*map(story.blank, range(L)), story.delta[L])
    edges = (None, *(np.full_like(W, np.nan) for W in story.asked.theta.W[1:]))
    picture = story.picture(title, units, edges, BLAME, PASSED, backwards=True)
    found = (equations.blame_of_output(story, j),)
    lit = {j} if story.truth is None or len(story.y) == 1 else {j, story.truth}
    return Frame(
        "backward", title, words, found, picture, tuple(Ref(L, m).part for m in sorted(lit))
    )


def _why_blamed(story: Story, j: int) -> str:
    """Explain what an output is blamed for."""
    net, L = story.net, story.net.L
    f, C, name = net.f[L], net.C, story.name(L, j)
    a, y, delta = story.a[-1][j], story.y[j], story.delta[L][j]
    if canonical_link(f, C):
        way = "much" if delta > 0 else "little"
        told = (
            f"{name} said {in_own(story, a)} where {in_own(story, y)} was right: "
            f"{difference(story, abs(delta))} too {way}."
        )
        if difference(story, abs(delta)) != said(abs(delta)):
            told += f" Inside the network that is {said(abs(delta))}."
        if f.name == "identity":
            return f"{told} This difference is its blame, δ."
        pair = f"{spoken(f.name)} and {spoken(C.name)}"
        return f"{told} This difference is its blame δ: so simple does it come out for {pair}."
    if f.custom_vjp is not None:
        return (
            f"They depend on each other: the z of {name} moves every one of them. All that this does "
            f"to the grade is its blame δ, {said(delta)}."
        )
    told = f"The blame δ of {name} is how much the grade changes with what it said"
    if f.name == "identity":
        return f"{told}: {said(delta)}."
    slope = float(f.derivative(story.asked.trace.z[L])[0, j])
    low = abs(slope) < SATURATED
    hardly = " It hardly reacts any more, so hardly any blame gets through." if low else ""
    told += ", times how much it still reacts (the slope f′)"
    return f"{told}: {said(delta)}.{hardly}"


def _sign(story: Story, j: int) -> str:
    delta, L = story.delta[-1][j], story.net.L
    if not delta:
        return ""
    side = "above" if delta > 0 else "below"
    return f"Blame {side} 0 means: {story.name(L, j)} {_wish(story, L, j)}."


def _wish(story: Story, l: int, j: int) -> str:
    """State what a unit should have said, or what z it should have had where f falls with z."""
    lower = story.delta[l][j] > 0
    f = story.net.f[l]
    if f.custom_vjp is None and f.derivative(story.asked.trace.z[l])[0, j] < 0:
        return f"should have had a {'lower' if lower else 'higher'} z"
    return f"should have said {'less' if lower else 'more'}"


def hidden_blamed(story: Story, l: int) -> Frame:
    """Show δ of a hidden layer: BP2."""
    L, k = story.net.L, story.cast[l]
    if l == L - 1:
        words = (
            "What should a hidden unit have said? Nobody outside knows. But those who listened to it are "
            "to blame, so they pass their blame back along the lines: weight times blame. The sum, times "
            "how much the unit still reacts (the slope f′), is its own blame δ."
        )
    else:
        words = (
            "The blame goes on in the same way: to each unit from those who listened to it, weight times "
            "blame, added up, times its own slope."
        )
    words += f" {_one_blamed(story, l, k)}{_spared(story, l)}"
    one = story.net.sizes[l] == 1
    title = f"Who is to blame? {'The hidden unit' + 's' * (not one) if L == 2 else f'Layer {l}'}"
    units = (*map(story.blank, range(l)), *story.delta[l:])
    unknown = (np.full_like(W, np.nan) for W in story.asked.theta.W[1 : l + 1])
    edges = (None, *unknown, *story.flow.shares[l + 1 :])
    picture = story.picture(title, units, edges, BLAME, PASSED, backwards=True)
    lit = (Ref(l, k).part, *(Ref(l + 1, j, k).part for j in story.top_downstream(l, k)))
    found = (equations.blame_of_hidden(story, l, k),)
    return Frame("backward", title, words, found, picture, lit)


def _one_blamed(story: Story, l: int, k: int) -> str:
    name, delta = story.name(l, k), story.delta[l][k]
    if not delta:
        return f"To {name} comes none of it."
    shares = story.flow.of_unit(l, k)
    by = ""
    if len(shares) > 1:
        by = f", most of it from {story.name(l + 1, int(np.argmax(abs(shares))))}"
    return f"For instance {name} gets {said(delta)}{by}: it {_wish(story, l, k)}."


def _spared(story: Story, l: int) -> str:
    """Count the units that no blame sticks to."""
    slopes = story.flow.slopes[l][0]
    gone = sum(story.mask(l, k) == 0 for k in range(len(slopes)))
    off = int((slopes == 0).sum()) - gone
    told = ""
    if off > 0:
        told = f" No blame sticks to {counted(off, 'unit')} whose f′ is 0."
    if gone:
        told += f" {counted(gone, 'unit')} that dropout left out {'is' if gone == 1 else 'are'} not blamed."
    return told


def gradients_found(story: Story) -> Frame:
    """Show the gradients of the example: BP4 and BP3."""
    cast, g_of = story.cast, story.asked.gradients.dW
    l = max(range(1, story.net.L + 1), key=lambda m: (abs(g_of[m][cast[m], cast[m - 1]]), m))
    j, k = cast[l], cast[l - 1]
    g = float(g_of[l][j, k])
    wish = "become smaller" if g > 0 else "grow" if g < 0 else "stay as it is"
    words = (
        "Now every weight can be judged. It is to blame as far as something was said along its line, and "
        "as far as the one who listened is to blame: what was sent times blame. This is its gradient: how "
        f"fast the grade gets worse as it grows. For instance {story.ends(l, j, k)}: {said(g)}, so it "
        f"should {wish}.{_lazy(story)} A bias counts as a sender that always says 1."
    )
    title = "What every weight did"
    units = (story.a[0], *story.delta[1:])
    meaning = f"{BLAME}, at the inputs what they said"
    picture = story.picture(title, units, g_of, meaning, "gradient")
    found = (equations.gradient_of_weight(story, l, j, k), equations.gradient_of_bias(story, l, j))
    lit = (Ref(l - 1, k).part, Ref(l, j, k).part, Ref(l, j).part)
    return Frame("gradients", title, words, found, picture, lit)


def _lazy(story: Story) -> str:
    """Name the units that sent nothing, so that nothing changes at their lines."""
    for l in range(story.net.L - 1, -1, -1):
        quiet = [story.name(l, int(k)) for k in np.flatnonzero(story.a[l] == 0)]
        if quiet and not (l == 0 and story.names.image):
            whose = "its" if len(quiet) == 1 else "their"
            return (
                f" The lazy are spared: {listed(quiet)} said 0, so {whose} lines get no gradient."
            )
    return ""


def all_together(story: Story) -> Frame:
    """Show the gradients as the step takes them: the mean over its examples, penalties, clipping."""
    batch, net = story.batch, story.net
    l, j, k = net.L, story.cast[-1], story.cast[-2]
    mine, all_ = (float(of.gradients.dW[l][j, k]) for of in (story.asked, batch))
    parts = []
    title = "The gradients are clipped"
    if batch.l1 or batch.l2:
        title = "The penalty on large weights"
        parts.append(
            "The penalty on large weights draws every weight towards 0, those of the lazy too."
        )
    if batch.n > 1:
        title = "All exams of the step"
        parts.insert(
            0,
            f"This was one exam of {batch.n:,} in this step. Each gives every weight a gradient, and the "
            "step takes their mean, so that all are served together.",
        )
    parts.append(
        f"{story.ends(l, j, k)}: this exam alone asked for {said(mine)}, and all in all it is {said(all_)}."
    )
    if story.scale < 1:
        parts.append(
            "Together the gradients are too long: clipping then leaves "
            f"{said(story.scale)} of each, {said(story.scale * all_)} here."
        )
    units = (story.blank(0), *batch.gradients.db[1:])
    picture = story.picture(title, units, batch.gradients.dW, "gradient of the bias", "gradient")
    found = (equations.gradient_of_batch(story, l, j, k),)
    lit = (Ref(l, j, k).part, Ref(l, j).part)
    return Frame("gradients", title, " ".join(parts), found, picture, lit)
