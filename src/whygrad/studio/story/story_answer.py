"""What outputs say, in words: a class and how sure it is, or numbers in the target's own units."""

from whygrad.nn.functions import Array
from whygrad.studio.story.sayings import counted, percent, said
from whygrad.studio.story.story import Story


def spoken_answer(story: Story, a: Array) -> str:
    """Say what outputs mean."""
    m = class_said(a)
    if story.truth is not None:
        known, sure = story.known, percent(story.sureness(a, m))
        told = f"The network's answer is {known[m]}, and it is {sure} sure."
        if len(a) == 1:
            return f"Near 1 means {known[1]}, near 0 means {known[0]}. {told}"
        return told
    m = most_said(story, a)
    rest = len(a) - 1
    more = f" ({counted(rest, 'other output')} beside it)" if rest else ""
    return f"The network's answer is {story.name(story.net.L, m)} = {in_units(story, a[m])}{more}."


def in_units(story: Story, value: float) -> str:
    """Write an output's number, and what it is in the target's own units."""
    own = f", that is {story.own(float(value))}" if story.own else ""
    return f"{said(value)}{own}"


def in_own(story: Story, value: float) -> str:
    """Write an output's number in the target's own units alone, where it has some."""
    return story.own(float(value)) if story.own else said(value)


def difference(story: Story, value: float) -> str:
    """Write by how much two of an output's numbers differ, in the target's own units where it has some."""
    scale = story.names.scale(story.net, story.net.L, 0)[1] if story.own else 1.0
    return said(value * scale)


def class_said(a: Array) -> int:
    """Give the class that outputs say."""
    return int(a.argmax()) if len(a) > 1 else int(a[0] > 0.5)


def most_said(story: Story, a: Array) -> int:
    """Give the output that an answer is told by: that of the class it says, or the one followed."""
    return class_said(a) if story.truth is not None and len(a) > 1 else story.cast[-1]
