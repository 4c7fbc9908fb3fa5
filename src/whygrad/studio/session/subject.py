"""What the page looks at: a network with its parameters at one step, and the examples to ask about.

Before a training has begun it is the network as it was drawn up, at step 0; afterwards a recorded run at
any of its steps. Both are asked in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from whygrad.answers.formatting import as_name, number
from whygrad.answers.names import Names, names_of
from whygrad.answers.pictures import NetworkPicture
from whygrad.fitted import Fitted
from whygrad.nn import Array, Network, Parameters, dense
from whygrad.plan.optimizers import find_optimizer
from whygrad.plan.plan import Plan, State

if TYPE_CHECKING:  # the questions are imported when the first one is asked
    from whygrad.interop import Model
    from whygrad.why.bound import Why
    from whygrad.why.context import Context

MOST = 2000  # examples of a class, or of all, that are asked about at once


@dataclass(frozen=True)
class Chosen:
    """The examples asked about: one, those of a class, or all of a part ("training", "validation", "test").

    `which` is "one", "class" or "all"; `index` the example or the class.
    """

    part: str = "training"
    which: Literal["one", "class", "all"] = "one"
    index: int = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Examples as the network takes them, X (n, n_0) and Y (n, n_L), once the rows `at` of a table."""

    X: Array
    Y: Array
    table: Any = None
    at: Any = None

    def __len__(self) -> int:
        return len(self.Y)

    def row(self, index: int) -> dict[str, Any]:
        """Return what the table says of one example, by column; nothing where there is no table."""
        if self.table is None:
            return {}
        at = index if self.at is None else int(self.at[index])
        return dict(self.table.slice(at, 1).to_pylist()[0])


NOTHING_RECORDED = (
    "this network came without its data: train with record=, and open the run to ask and to go on"
)


@dataclass(frozen=True, eq=False)
class Subject:
    """A network at one step.

    Parameters
    ----------
    plan : all that decides its training.
    state : where it stands: the parameters and all that the next step needs.
    last : the last step there is.
    names : what inputs and outputs are called.
    parts : the examples by part; empty where the data are gone.
    run : the recorded training, or None before it has begun.
    notice : why something cannot be asked, or "".
    encoding : how the rows of a table became inputs, or None.
    """

    plan: Plan
    state: State
    last: int = 0
    names: Names = Names()
    parts: Mapping[str, Rows] = field(default_factory=dict)
    run: Any = None
    notice: str = ""
    encoding: Any = None

    @property
    def net(self) -> Network:
        """The network."""
        return self.plan.net

    @cached_property
    def theta(self) -> Parameters:
        """The parameters at this step."""
        return Parameters(self.net.sizes, self.state.theta)

    @property
    def step(self) -> int:
        """The number of updates."""
        return self.state.step

    @cached_property
    def why(self) -> "Why":
        """Ask why, with examples as the network takes them."""
        from whygrad.why.bound import Why, as_given

        if self.run is not None:
            why = replace(self._recorded(), theta=self.theta, encode=as_given, names=self.names)
        else:
            plan = self.plan
            why = Why(
                self.net,
                self.theta,
                self.names,
                l1=plan.l1,
                l2=plan.l2,
                n=plan.n,
                products=plan.products,
            )
        return replace(why, training=self._trained_with)

    def _recorded(self) -> "Why":
        """Return the `Why` of the run: of several networks that of their average, at its end."""
        from whygrad.record.why import why_of_member, why_of_run

        members = self.run.members
        if members == 1 or (self.run.concluded and self.step == self.last):
            return why_of_run(self.run)
        said = f"This is the first of {members} networks; their average is asked at the last step."
        own = why_of_member(self.run)
        return replace(own, notes=(*own.notes, said))

    def _trained_with(self) -> Array | None:
        """Return the training rows, (n, n_0), as they were read already, or None where they are gone."""
        rows = self.parts.get("training")
        return None if rows is None else rows.X

    def counted_from(self, first: int) -> "Subject":
        """Return the same with units that have no name of their own counted from 0 or from 1."""
        if self.names.first == first:
            return self
        return replace(self, names=replace(self.names, first=first))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, () where numbers are predicted."""
        if self.encoding is not None:
            return tuple(map(str, self.encoding.classes))
        if self.names.classes:
            return self.names.classes
        single = self.net.sizes[-1] == 1
        return (
            ()
            if single or self.net.C.targets in ("real", "nonnegative")
            else self.names.layer(self.net, self.net.L)
        )

    def rows(self, part: str) -> Rows | None:
        """Return a part, or the first there is."""
        return self.parts.get(part) or next(iter(self.parts.values()), None)

    def classes_of(self, rows: Rows) -> Array:
        """Return the class of every example, (n,)."""
        if rows.Y.shape[1] == 1:
            return (rows.Y[:, 0] > 0.5).astype(np.int64)
        return rows.Y.argmax(axis=1)

    def indices(self, chosen: Chosen) -> Array:
        """Return the indices of the examples that are chosen, at most `MOST` of them, (m,)."""
        rows = self.rows(chosen.part)
        if rows is None:
            return np.zeros(0, np.int64)
        if chosen.which == "one":
            return np.array([min(chosen.index, len(rows) - 1)])
        if chosen.which == "class" and self.labels:
            return np.flatnonzero(self.classes_of(rows) == chosen.index)[:MOST]
        return np.arange(min(len(rows), MOST))

    def examples(self, chosen: Chosen) -> tuple[Array, Array] | None:
        """Return the chosen examples in float64, or None where there are none."""
        rows, indices = self.rows(chosen.part), self.indices(chosen)
        if rows is None or not len(indices):
            return None
        X = np.asarray(dense(rows.X[indices]), np.float64)
        return X, np.asarray(rows.Y[indices], np.float64)

    def said(self, chosen: Chosen) -> str:
        """Return in words which examples are asked about."""
        rows, indices = self.rows(chosen.part), self.indices(chosen)
        part = chosen.part if chosen.part in self.parts else next(iter(self.parts), "")
        if rows is None or not len(indices):
            return "no examples"
        if chosen.which == "one":
            return f"{part} example {indices[0]}: {self.truth(rows, int(indices[0]))}"
        if chosen.which == "class" and self.labels:
            what = f"the {part} examples of {as_name(self.labels[chosen.index])}"
            most = int((self.classes_of(rows) == chosen.index).sum())
        else:
            what, most = f"all {part} examples", len(rows)
        return what if most <= MOST else f"the first {MOST:,} of {most:,}: {what}"

    def truth(self, rows: Rows, index: int) -> str:
        """Return what the data say that one example is."""
        if self.labels:
            return as_name(self.labels[int(self.classes_of(rows)[index])])
        if self.encoding is not None:
            return number(float(self.encoding.decode(rows.Y[index : index + 1])[0]))
        return ", ".join(number(float(value)) for value in rows.Y[index])

    def asked(self, chosen: Chosen) -> "Context | None":
        """Pass the chosen examples forward, and their errors back, in float64."""
        from whygrad.why.context import ask

        found = self.examples(chosen)
        if found is None:
            return None
        theta = Parameters(self.theta.sizes, self.theta.flat.astype(np.float64))
        l1, l2 = (one.of_batch(len(found[0]), self.plan.n) for one in (self.plan.l1, self.plan.l2))
        with np.errstate(all="ignore"):
            return ask(self.net, theta, *found, l1=l1, l2=l2, names=self.names)


def alone(network: "Fitted | Model") -> Subject:
    """Return a network that came without examples: it can be looked at, but not asked."""
    why = network.why
    plan = Plan(net=why.net, optimizer=find_optimizer("sgd"), n=1, epochs=1, batch_size=1)
    names = replace(names_of(why.net, why.names), in_words=True)
    return Subject(plan, State(why.theta.flat, np.zeros(0)), names=names, notice=NOTHING_RECORDED)


def overview(subject: Subject, chosen: Chosen = Chosen()) -> NetworkPicture:  # noqa: B008 — frozen data
    """Draw the network as it stands: its weights, and the activations of the chosen examples."""
    net, names = subject.net, subject.names
    asked = subject.asked(chosen)
    units = tuple(np.zeros(size) for size in net.sizes)
    if asked is not None:
        units = tuple(np.asarray(a).mean(axis=0) for a in asked.trace.a)
    one = "activation" if chosen.which == "one" else "mean activation"
    return NetworkPicture(
        title="",
        units=units,
        edges=(None, *subject.theta.W[1:]),
        names=names.layers(net),
        unit_meaning="" if asked is None else one,
        edge_meaning="weight",
        image=names.image,
        kept=net.kept,
        own=() if asked is None else names.own_means(net, asked.trace.a),
    )
