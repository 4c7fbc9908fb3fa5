"""A training that is over, as its symptoms are read from it: passes of some rows, at its start and end."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whygrad.answers.formatting import number
from whygrad.answers.pictures import CurvePicture, Line, Picture
from whygrad.diagnosis.setting import Setting
from whygrad.diagnosis.task import measure_name
from whygrad.fitted import Fitted
from whygrad.nn import Array, Parameters, Trace, backward, cost, forward, gradients
from whygrad.nn.backprop import example_costs

ROWS = 500  # so many rows are looked at
BATCHES = 20  # so many batches are looked at
WELL = 0.95  # a score on training rows that leaves little to be learned


@dataclass(frozen=True, eq=False)
class Symptom:
    """A kind of fault that a training's numbers speak for: how strongly, 0 … 1, and what was seen.

    `sign` names the hypothesis, of which a kind may have several; `picture` shows the evidence.
    """

    kind: str
    strength: float
    evidence: str
    sign: str = ""
    picture: Picture | None = None


# What a hypothesis returns: how strongly it stands, the evidence, and a picture of that, if there is one.
Shown = tuple[float, str, Picture | None] | None


@dataclass(frozen=True, eq=False)
class Seen:
    """A training and passes of some of its rows, with the parameters of its start and its end."""

    setting: Setting
    rows: Array
    costs: Array
    thetas: tuple[Parameters, Parameters]
    start: Trace
    end: Trace
    score: float
    held_out: float
    diverged: bool

    @property
    def n(self) -> int:
        """The number of training rows."""
        return len(self.setting.X)

    @property
    def steps(self) -> int:
        """The number of steps taken."""
        return len(self.costs) * -(-self.n // self.batch)

    @property
    def batch(self) -> int:
        """The rows of a step."""
        return self.setting.batch_size

    @property
    def falls_short(self) -> bool:
        """Whether the training rows themselves are not told well."""
        return self.score < WELL

    @property
    def measure(self) -> str:
        """What its scores are called."""
        return measure_name(self.setting.task)

    def scored(self, score: float) -> str:
        """Return a score in words: a share in per cent, and R² as it is."""
        return f"{score:.2f}" if self.setting.task.kind == "numbers" else f"{score:.0%}"

    @property
    def targets(self) -> Array:
        """The targets of the rows that are looked at, as they are trained on."""
        return self.setting.targets[self.rows]

    @property
    def told(self) -> Array:
        """What the end says of the rows that are looked at, in the form of the task."""
        told: Array = self.setting.told(self.end.a[-1])
        return told

    def cost_of(self, trace: Trace) -> float:
        """Return the mean cost of the rows that are looked at, without penalties and dropout."""
        return float(np.mean(example_costs(self.setting.net, trace, self.targets)))

    def penalties(self, S: int) -> tuple[float, float]:
        """Return λ₁ and λ₂ as the cost of a batch of S rows has them."""
        l1, l2 = self.setting.penalties
        return l1.of_batch(S, self.n), l2.of_batch(S, self.n)

    def batches(self) -> Iterator[Array]:
        """Return the rows of some batches."""
        order, size = np.random.default_rng(0).permutation(self.n), self.batch
        for i in range(0, min(self.n, BATCHES * size), size):
            yield order[i : i + size]

    def gradient(self, theta: Parameters, rows: Array) -> Array:
        """Return the gradient of a batch, penalties included, as one vector."""
        net, X, Y = self.setting.net, self.setting.inputs[rows], self.setting.targets[rows]
        l1, l2 = self.penalties(len(rows))
        trace = backward(net, theta, forward(net, theta, X), Y)
        flat: Array = gradients(net, theta, trace, l1=l1, l2=l2).flat
        return flat

    def batch_cost(self, theta: Parameters, rows: Array) -> float:
        """Return the cost of a batch, penalties included."""
        net, X, Y = self.setting.net, self.setting.inputs[rows], self.setting.targets[rows]
        l1, l2 = self.penalties(len(rows))
        return cost(net, theta, forward(net, theta, X), Y, l1=l1, l2=l2)

    @cached_property
    def of_layers(self) -> tuple[Array, Array]:
        """By layer 1 … L the lengths of ∂C/∂W and of W at the start, (L,) each."""
        net, theta = self.setting.net, self.thetas[0]
        dW = gradients(net, theta, self.start).dW
        lengths = [
            (np.linalg.norm(g), np.linalg.norm(W)) for g, W in zip(dW[1:], theta.W[1:], strict=True)
        ]
        return np.array([g for g, _ in lengths]), np.array([W for _, W in lengths])


def look(setting: Setting, fitted: Fitted, score: float, held_out: float) -> Seen:
    """Look at a training that is over, and at its scores of training rows and of rows set aside."""
    rows = np.linspace(0, len(setting.X) - 1, min(ROWS, len(setting.X))).astype(int)
    X, Y, thetas = setting.inputs[rows], setting.targets[rows], (setting.start(0), fitted.theta)
    with np.errstate(all="ignore"):
        start, end = (
            backward(setting.net, theta, forward(setting.net, theta, X), Y) for theta in thetas
        )
    diverged = "diverge" in fitted.history.stopped or not np.isfinite(end.a[-1]).all()
    costs = np.array(fitted.history.cost, float)
    return Seen(setting, rows, costs, thetas, start, end, score, held_out, diverged)


def course(seen: Seen) -> str:
    """Return the training's course in a line."""
    if not len(seen.costs):
        return "no epoch"
    n = len(seen.costs)
    if n == 1:
        return f"the cost was {number(seen.costs[0])} in the only epoch"
    return f"the cost went from {number(seen.costs[0])} to {number(seen.costs[-1])} in {n:,} epochs"


def cost_curve(seen: Seen, at: float | None = None, at_name: str = "") -> CurvePicture | None:
    """Return the cost by epoch: above zero, or by powers of ten where it changes by a hundred times.

    None where no epoch came to its end with a finite cost.
    """
    epochs, finite = np.arange(1.0, len(seen.costs) + 1), seen.costs[np.isfinite(seen.costs)]
    if not len(finite):
        return None
    wide = finite.min() > 0 and finite.max() > 100 * finite.min()
    lines = [Line("training", seen.costs)]
    if not wide:
        lines.append(Line("zero", np.zeros(len(epochs)), colour="line", thin=True, listed=False))
    n = len(finite)
    named = "the last finite cost" if seen.diverged else "the only epoch"
    last = ((float(n), float(finite[-1]), named),) if n == 1 or seen.diverged else ()
    return CurvePicture(
        "Cost by epoch",
        "epoch",
        "cost",
        epochs,
        tuple(lines),
        marks=last,
        scale="log" if wide else "linear",
        at=at,
        at_name=at_name,
        x_range=(1, 2),
    )
