"""Random networks with data: what the gradients are tested on.

A `Case` is a network, its parameters, a few examples and everything else that enters the cost.
`make_case` draws the numbers from one seed; `cases` lets Hypothesis choose shapes, functions and
options. Activations and costs come from the package's own tables, so a new entry is tested as soon
as it exists. Weights are of size 1/sqrt(fan-in), so that six layers neither explode nor fade.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

import whygrad as wg

# Each range lies within every one that follows it.
RANGES = ["simplex", "unit", "positive", "real"]

OUTPUTS = sorted(wg.functions.ACTIVATIONS)
HIDDEN = [name for name in OUTPUTS if name != "softmax"]


def admissible(activation: str, cost: str) -> bool:
    """Whether the outputs of the activation are all within the domain of the cost."""
    outputs = wg.functions.ACTIVATIONS[activation].range
    return RANGES.index(outputs) <= RANGES.index(wg.functions.COSTS[cost].domain)


PAIRINGS = [
    (activation, cost)
    for activation in OUTPUTS
    for cost in sorted(wg.functions.COSTS)
    if admissible(activation, cost)
]


@dataclass(frozen=True)
class Case:
    """One network, its parameters and its data: all that enters the cost."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    cost: str
    seed: int
    l1: float
    l2: float
    flat: np.ndarray = field(repr=False)
    X: np.ndarray = field(repr=False)
    Y: np.ndarray = field(repr=False)
    sample_weight: np.ndarray | None = field(repr=False)
    masks: tuple | None = field(repr=False)

    @property
    def net(self) -> wg.Network:
        shapes = zip(self.sizes[1:], self.activations, strict=True)
        layers = [wg.Dense(units, name) for units, name in shapes]
        return wg.Network(self.sizes[0], layers, cost=self.cost)

    @property
    def theta(self) -> wg.Parameters:
        return wg.Parameters(self.sizes, self.flat.copy())


def draw_targets(rng, kind: str, n: int, outputs: int) -> np.ndarray:
    """Targets that a cost understands, the ends of the allowed interval among them."""
    if kind == "real":
        return rng.normal(size=(n, outputs))
    if kind == "nonnegative":
        return rng.poisson(1.0, size=(n, outputs)) * rng.uniform(0.5, 1.5, size=(n, outputs))
    if kind == "unit":
        return np.clip(rng.uniform(-0.5, 1.5, size=(n, outputs)), 0, 1)
    assert kind == "distribution", f"draw targets of the kind {kind!r} here"
    one_hot = np.eye(outputs)[rng.integers(outputs, size=n)]
    spread = rng.dirichlet(np.ones(outputs), size=n)
    return np.where(rng.random((n, 1)) < 0.5, one_hot, spread)


def make_case(
    sizes,
    activations,
    cost,
    *,
    seed=0,
    n=3,
    weighted=False,
    l1=0.0,
    l2=0.0,
    masked=False,
    sparse=False,
    zero_biases=False,
) -> Case:
    """Draw parameters, examples, example weights and masks from one seed.

    `sparse` sets a quarter of the weights to exactly 0, where |w| has its kink; `zero_biases` makes
    weighted inputs of exactly 0 likely, where relu has its own.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for fan_in, size, name in zip(sizes[:-1], sizes[1:], activations, strict=True):
        # exp of exp of exp overflows from modest beginnings
        scale = 0.3 if name == "exp" else 1.0
        W = scale * rng.uniform(-2, 2, size=(size, fan_in)) / np.sqrt(fan_in)
        if sparse:
            W[rng.random(W.shape) < 0.25] = 0
        b = scale * rng.uniform(-1, 1, size=size) * (not zero_biases)
        parts += [W.ravel(), b]

    X = rng.normal(size=(n, sizes[0]))
    Y = draw_targets(rng, wg.functions.COSTS[cost].targets, n, sizes[-1])

    sample_weight = None
    if weighted:
        sample_weight = rng.uniform(0.1, 2, size=n) * (rng.random(n) < 0.75)
        sample_weight[rng.integers(n)] = 1.5

    masks = None
    if masked:
        keep = 0.7
        masks = [None] * len(sizes)
        for layer in range(1, len(sizes) - 1):
            if rng.random() < 0.8:
                masks[layer] = (rng.random((n, sizes[layer])) < keep) / keep
        masks = tuple(masks)

    return Case(
        sizes=tuple(sizes),
        activations=tuple(activations),
        cost=cost,
        seed=seed,
        l1=l1,
        l2=l2,
        flat=np.concatenate(parts),
        X=X,
        Y=Y,
        sample_weight=sample_weight,
        masks=masks,
    )


@st.composite
def cases(draw, zero_biases=True) -> Case:
    """Networks of depth 1 to 6 and width 1 to 6, with 1 to 5 examples and any mix of options.

    `zero_biases=False` rules them out, for comparisons that need a derivative to exist.
    """
    output, cost = draw(st.sampled_from(PAIRINGS))
    depth = draw(st.integers(1, 6))
    hidden = [draw(st.sampled_from(HIDDEN)) for _ in range(depth - 1)]
    sizes = [draw(st.integers(1, 6)) for _ in range(depth)]
    sizes.append(draw(st.integers(2 if output == "softmax" else 1, 6)))
    return make_case(
        sizes,
        [*hidden, output],
        cost,
        seed=draw(st.integers(0, 2**32 - 1)),
        n=draw(st.integers(1, 5)),
        weighted=draw(st.booleans()),
        l1=draw(st.sampled_from([0.0, 0.01, 0.3])),
        l2=draw(st.sampled_from([0.0, 0.01, 0.3])),
        masked=draw(st.booleans()),
        sparse=draw(st.booleans()),
        zero_biases=draw(st.booleans()) if zero_biases else False,
    )
