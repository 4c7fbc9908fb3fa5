"""What slow motion is told from: one example's pass, the step that it leads to, and whom the story follows.

A story follows one unit of each layer, so that what is said of one frame is heard of again in the next.
They are chosen from the output down by what flows between them, |Wˡ⁺¹ⱼₖ δˡ⁺¹ⱼ f′(zˡₖ) aˡₖ|. The drawings
show the same units throughout.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from whygrad.answers.draw.choosing import marked, shown_units
from whygrad.answers.expression import Equation
from whygrad.answers.formatting import clean
from whygrad.answers.names import AS_IT_IS, Names, Ref
from whygrad.answers.pictures import NetworkPicture
from whygrad.nn import Array, Network, Parameters, dense
from whygrad.studio.story.phrases import counted, percent, said
from whygrad.why.choosing import class_names, classes, classifies
from whygrad.why.context import Context
from whygrad.why.error.flow import Flow

Phase: TypeAlias = Literal["forward", "cost", "backward", "gradients", "update", "again"]

MOST = 46  # characters of a row of an equation
COLUMNS = ("input", "activation")  # what pictures call numbers that may be those of columns
LISTED = 4  # products of a sum that are written out; the others are gathered


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a step: a few words, its equations with their numbers, and the picture so far.

    Parameters
    ----------
    phase : which part of the story it belongs to.
    title : what happens, in a few words.
    words : two to five plain sentences.
    equations : what happens as mathematics, first in symbols, then with the numbers in it.
    picture : the network with the numbers known so far; NaN is what is still to come.
    lit : the parts (`Ref.part`) that the words speak of.
    """

    phase: Phase
    title: str
    words: str
    equations: tuple[Equation, ...]
    picture: NetworkPicture
    lit: tuple[str, ...] = ()

    def mathml(self) -> str:
        """Return the equations as one MathML element; `data-part` names the part a term speaks of."""
        from whygrad.answers.write.mathml import equations_mathml

        return equations_mathml(self.equations, most=MOST)

    def svg(self) -> str:
        """Return the picture as an SVG that stands alone, with what the words speak of standing out."""
        from whygrad.answers.draw.svg import picture_svg

        return picture_svg(replace(self.picture, marked=self.lit))


@dataclass(frozen=True, eq=False)
class Story:
    """One example within the step of a batch.

    Parameters
    ----------
    asked : the pass of the example alone; without penalties.
    batch : the pass of all examples of the step, itself among them; with the penalties.
    after : the parameters after the step.
    rule : the optimizer, or None where it is not known.
    learning_rate : η of this step.
    scale : by how much clipping shortened the gradient.
    decay : which share of all parameters the step took away besides.
    question : what the example is called, such as "test row 17", or "".
    own : how an output's number is said in the target's own units, or None.
    scales : (center, scale) of every input, where the data were standardised, or ().
    """

    asked: Context
    batch: Context
    after: Parameters
    rule: Any
    learning_rate: float
    scale: float = 1.0
    decay: float = 0.0
    question: str = ""
    own: Callable[[float], str] | None = None
    scales: tuple[tuple[float, float], ...] = ()

    @property
    def net(self) -> Network:
        """The network."""
        return self.asked.net

    @property
    def names(self) -> Names:
        """What units are called."""
        return self.asked.names

    @cached_property
    def a(self) -> tuple[Array, ...]:
        """The activations of the example, a[l] of shape (n_l,)."""
        a = self.asked.trace.a
        return (dense(a[0])[0], *(of[0] for of in a[1:]))

    @cached_property
    def z(self) -> tuple[Any, ...]:
        """The weighted inputs of the example, z[l] of shape (n_l,)."""
        return (None, *(of[0] for of in self.asked.trace.z[1:]))

    @cached_property
    def delta(self) -> tuple[Any, ...]:
        """The errors of the example, delta[l] of shape (n_l,)."""
        return (None, *(of[0] for of in self.asked.delta[1:]))

    @cached_property
    def y(self) -> Array:
        """What is true, (n_L,)."""
        return self.asked.y[0]

    @cached_property
    def flow(self) -> Flow:
        """Who passes how much blame on to whom."""
        return Flow(self.asked)

    @cached_property
    def moved(self) -> Parameters:
        """What the step added to every parameter."""
        theta = self.asked.theta
        return Parameters(theta.sizes, self.after.flat - theta.flat)

    def mask(self, l: int, j: int) -> float | None:
        """Return what dropout multiplies a unit with, or None."""
        masks = self.asked.trace.masks
        return None if masks is None or masks[l] is None else float(masks[l][0, j])

    # ── names ──

    def name(self, l: int, j: int) -> str:
        """Return the name of a unit, on one line; that of an output that stands for a class in quotes."""
        name = clean(self.names.of(self.net, l, j))
        is_class = l == self.net.L and self.truth is not None and bool(self.names.outputs)
        return f"“{name}”" if is_class else name

    def ends(self, l: int, j: int, k: int) -> str:
        """Name a weight by its two ends."""
        return f"{self.name(l - 1, k)} → {self.name(l, j)}"

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The names of the classes; those of the user in quotes."""
        known = tuple(map(clean, class_names(self.net, self.names)))
        given = self.names.outputs or self.names.classes
        return tuple(f"“{name}”" for name in known) if given else known

    @cached_property
    def truth(self) -> int | None:
        """The class that is true, or None where the truth is numbers."""
        y = self.y
        whole = bool(np.isin(y, (0.0, 1.0)).all()) and (len(y) == 1 or y.sum() == 1)
        return int(classes(self.asked.y)[0]) if classifies(self.net) and whole else None

    def confidence(self, a: Array, of: int) -> float:
        """Return how sure outputs a are of a class."""
        return float(a[of]) if len(a) > 1 else float(a[0] if of else 1 - a[0])

    @cached_property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        """The names of all units for the drawings; at the outputs with what is true."""
        net = self.net
        names = self.names.layers(net)
        if self.truth is not None and len(self.y) > 1:
            ticks = tuple(
                f"{name} ✓" if m == self.truth else name for m, name in enumerate(names[-1])
            )
        else:
            ticks = tuple(
                f"y = {said(self.names.own(net, net.L, m, y))}: {name}"
                for m, (name, y) in enumerate(zip(names[-1], self.y, strict=True))
            )
        return (*names[:-1], ticks)

    # ── whom the story follows ──

    @cached_property
    def cast(self) -> tuple[int, ...]:
        """The unit of each layer, 0 … L, that the story follows."""
        L, W = self.net.L, self.asked.theta.W
        followed = [int(np.argmax(abs(self.delta[L])))]
        for l in range(L - 1, 0, -1):
            share = abs(self.flow.to_unit(l + 1, followed[0]))
            part = share * abs(self.a[l])
            by = next((of for of in (part, share, abs(self.a[l])) if of.any()), part)
            followed.insert(0, int(np.argmax(by)))
        sent = abs(W[1][followed[0]] * self.a[0])
        followed.insert(0, int(np.argmax(sent if sent.any() else abs(W[1][followed[0]]))))
        return tuple(followed)

    def top_inputs(self, l: int, j: int) -> list[int]:
        """Return the units below whose products with their weights count most in z of a unit, in order."""
        return _largest(self.asked.theta.W[l][j] * self.a[l - 1], self.cast[l - 1])

    def top_downstream(self, l: int, k: int) -> list[int]:
        """Return the units above that put most blame on a unit, in order."""
        return _largest(self.asked.theta.W[l + 1][:, k] * self.delta[l + 1], self.cast[l + 1])

    @cached_property
    def shown(self) -> tuple[tuple[int, ...], ...]:
        """The units that are drawn, by layer: those followed, those they speak with, the most important."""
        net, cast = self.net, self.cast
        kept = [Ref(l, j).part for l, j in enumerate(cast)]
        for l in range(1, net.L + 1):
            kept += [Ref(l - 1, k).part for k in self.top_inputs(l, cast[l])]
            kept += (
                [Ref(l, j).part for j in self.top_downstream(l - 1, cast[l - 1])] if l > 1 else []
            )
        weights = [None, *(abs(a) for a in self.batch.gradients.dW[1:])]
        units = tuple(abs(a) for a in self.a)
        given = NetworkPicture("", units, tuple(weights), self.labels, image=self.names.image)
        given = replace(given, marked=tuple(kept))
        return shown_units(given, marked(given))

    def picture(
        self,
        title: str,
        units: tuple[Array, ...],
        edges: tuple[Any, ...],
        unit_meaning: str,
        edge_meaning: str = "weight",
        backwards: bool = False,
    ) -> NetworkPicture:
        """Return a picture of the network with the numbers known so far."""
        return NetworkPicture(
            title,
            units,
            edges,
            self.labels,
            unit_meaning + self._counted(unit_meaning),
            edge_meaning,
            backwards,
            image=self.names.image,
            shown=self.shown,
            partial=True,
            kept=self.net.kept,
        )

    def _counted(self, meaning: str) -> str:
        """Return the note that numbers of columns are standardised, "" elsewhere."""
        scaled = self.own is not None or any(scale != AS_IT_IS for scale in self.scales)
        return ", columns standardised" if scaled and meaning.startswith(COLUMNS) else ""

    def blank(self, l: int) -> Array:
        """Return the numbers of a layer before they are known, (n_l,)."""
        return np.full(self.net.sizes[l], np.nan)


def _largest(products: Array, kept: int) -> list[int]:
    """Return the indices of the largest products, in order; that of the unit followed is among them."""
    order = np.argsort(-abs(products), kind="stable")[:LISTED].tolist()
    if kept not in order:
        order[-1] = kept
    return sorted(order)


def spoken_answer(story: Story, a: Array) -> str:
    """Return what the outputs say, in words."""
    m = class_said(a)
    if story.truth is not None:
        known, sure = story.known, percent(story.confidence(a, m))
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
    """Return the class that outputs say."""
    return int(a.argmax()) if len(a) > 1 else int(a[0] > 0.5)


def most_said(story: Story, a: Array) -> int:
    """Return the output that an answer is told by: that of the class it says, or the one followed."""
    return class_said(a) if story.truth is not None and len(a) > 1 else story.cast[-1]
