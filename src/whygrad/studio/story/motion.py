"""Slow motion: one step of training in frames, as an exam: answer, grade, who is to blame, what to change.

    zˡ = Wˡ aˡ⁻¹ + bˡ, aˡ = f(zˡ)  →  C  →  δᴸ, …, δ¹  →  ∂C/∂W = a δ, ∂C/∂b = δ  →  θ + Δθ  →  C again

The numbers are those of `forward`, `backward` and `gradients`, and of the optimizer's own update: a story
computes nothing anew. Nielsen, Neural Networks and Deep Learning (2015), chapter 2.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whygrad.answers.names import Names
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters, as_inputs, dense
from whygrad.plan.optimizers import Optimizer, find_optimizer
from whygrad.plan.plan import Plan, State, of_gradients
from whygrad.studio.story import story_backward, story_forward, story_update
from whygrad.studio.story.story import Frame, Phase, Story
from whygrad.why.context import Context, ask

__all__ = ["Frame", "Phase", "frames", "frames_of_training", "step_of_training"]

LBFGS_TAKES_ALL = (
    "This network was trained by L-BFGS, which walks by all examples at once; a step from these alone is "
    "one of gradient descent."
)
DEEP = 3  # layers; in a deeper network z and a share a frame, but for the first hidden layer and the output


def frames(
    net: Network,
    theta: Parameters,
    X: Any,
    Y: Any,
    *,
    example: int = 0,
    optimizer: Optimizer | str | None = "sgd",
    learning_rate: float | None = None,
    after: Parameters | None = None,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    masks: Sequence[Any] | None = None,
    scale: float = 1.0,
    decay: float = 0.0,
    names: Names | None = None,
    question: str = "",
    own: Callable[[float], str] | None = None,
    scales: Sequence[tuple[float, float]] = (),
) -> tuple[Frame, ...]:
    """Return one step of training in frames, for one example of its batch.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters before the step.
    X : array, shape (n, n_0)
        The inputs of the batch; a batch of one is the simplest story.
    Y : array, shape (n, n_L), or classes, shape (n,)
        What is true.
    example : int, default 0
        The example of the batch that the story is told of.
    optimizer : Optimizer, str or None, default "sgd"
        The rule of the step; None where it is not known, and `after` is given.
    learning_rate : float, optional
        η of the step, by default the optimizer's own.
    after : Parameters, optional
        The parameters that the step led to; by default the optimizer takes its first step from `theta`.
    sample_weight, l1, l2, masks
        As in `gradients` and `forward`.
    scale, decay : float
        By how much clipping shortened the gradient, and the share that weight decay took; told where they
        took part in `after`.
    names : Names, optional
        What inputs and outputs are called.
    question : str
        What the example is called.
    own : callable, optional
        Writes an output in the target's own units.
    scales : sequence of (center, scale)
        Of the inputs, where they were standardised.

    Returns
    -------
    tuple of Frame
        The frames, in order.

    Raises
    ------
    InputError
        For an example that is not there, and where the numbers of its pass overflow.

    Examples
    --------
    >>> from whygrad import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> told = frames(net, net.init(seed=1), [[0.0, 1.0]], [[1.0]], optimizer="sgd", learning_rate=0.5)
    >>> [frame.phase for frame in told]
    ['forward', 'forward', 'forward', 'forward', 'forward', 'cost', 'backward', 'backward', \
'gradients', 'update', 'again']
    >>> told[-1].title
    'The exam again: a better grade'
    """
    rule = find_optimizer(optimizer) if isinstance(optimizer, str) else optimizer
    eta = float(getattr(rule, "learning_rate", 0.0) if learning_rate is None else learning_rate)
    with np.errstate(all="ignore"):  # what overflows is found out, and said
        X = as_inputs(net, X)
        batch = ask(net, theta, X, Y, sample_weight, l1, l2, masks, names)
        asked = _alone(batch, X, example)
        if after is None:
            flat = _first_step(rule, eta, theta.flat, batch.gradients.flat)
            after = Parameters(net.sizes, flat)
        story = Story(asked, batch, after, rule, eta, scale, decay, question, own, tuple(scales))
        return tuple(_told(story))


def _alone(batch: Context, X: Any, example: int) -> Context:
    """Return the pass of one example of a batch."""
    if not 0 <= example < batch.n:
        raise InputError(f"example {example}: the batch has the examples 0 to {batch.n - 1}")
    i, net, masks = slice(example, example + 1), batch.net, batch.trace.masks
    own = None if masks is None else [None if mask is None else mask[i] for mask in masks]
    asked = ask(net, batch.theta, dense(X[i]), batch.y[i], masks=own, names=batch.names)
    computed = (*asked.trace.a, *asked.trace.z[1:], *asked.delta[1:], asked.costs)
    if not all(np.isfinite(array).all() for array in computed):
        raise InputError(
            "the network's numbers overflow on this example, so there is no story to tell: go back to an "
            "earlier step, or start again with a smaller learning rate"
        )
    return asked


def _first_step(rule: Any, learning_rate: float, theta: Array, g: Array) -> Array:
    """Return the parameters after the optimizer's first step."""
    if rule is None or not hasattr(rule, "update"):
        raise InputError(
            "without an optimizer the story needs the parameters after the step: give after="
        )
    coefficients = rule.coefficients(np.array([1]), np.array([learning_rate]))[0].tolist()
    return rule.update(theta, g, rule.init(theta), coefficients)[0]


def _told(story: Story) -> Iterator[Frame]:
    """Return the frames in order."""
    L, batch = story.net.L, story.batch
    yield story_forward.question(story)
    for l in range(1, L):
        if L > DEEP and l > 1:
            yield story_forward.hears_and_reacts(story, l)
            continue
        yield story_forward.adds_up(story, l)
        yield story_forward.reacts(story, l)
    yield story_forward.adds_up(story, L)
    yield story_forward.answer(story)
    yield story_forward.graded(story)
    yield story_backward.outputs_blamed(story)
    for l in range(L - 1, 0, -1):
        yield story_backward.hidden_blamed(story, l)
    yield story_backward.gradients_found(story)
    if batch.n > 1 or batch.l1 or batch.l2 or story.scale < 1:
        yield story_backward.all_together(story)
    yield story_update.updated(story)
    yield story_update.exam_again(story)


# ── a step of a training ─────────────────────────────────────────────────────────────────────────────


def step_of_training(
    plan: Plan, state: State, X: Any, Y: Any, examples: Array, sample_weight: Any = None
) -> tuple[Parameters, float, float]:
    """Return the parameters that a training's next step leads to, its learning rate, and its clipping.

    X (n, n_0) and Y (n, n_L) are the batch of the step as training sees it, smoothed labels included;
    `examples` are their indices in the data, which decide the masks of dropout. The same arithmetic, in the
    same order, as that of the reference engine.
    """
    plan = of_gradients(plan)
    return _step(plan, state, _batch(plan, state, X, Y, examples, sample_weight))


def _batch(
    plan: Plan,
    state: State,
    X: Any,
    Y: Any,
    examples: Array,
    sample_weight: Any,
    names: Names | None = None,
) -> Context:
    """Return the pass of a training's next step, penalties and dropout included."""
    theta, masks = Parameters(plan.net.sizes, state.theta), plan.masks(state.step, examples)
    S = float(len(Y) if sample_weight is None else np.sum(sample_weight))
    l1, l2 = (penalty.of_batch(S, plan.n) for penalty in (plan.l1, plan.l2))
    return ask(plan.net, theta, X, Y, sample_weight, l1, l2, masks, names)


def _step(plan: Plan, state: State, batch: Context) -> tuple[Parameters, float, float]:
    """Return what `step_of_training` does, of a batch that was passed through."""
    g, scale = plan.clip.shorten(batch.gradients.flat)
    coefficients = plan.coefficients(state, state.step + 1)[0].tolist()
    theta, _ = plan.moved(state.theta, g, state.opt_state, coefficients)
    learning_rate = float(plan.learning_rates(state, state.step + 1)[0])
    return Parameters(plan.net.sizes, theta), learning_rate, scale


def frames_of_training(
    plan: Plan,
    state: State,
    X: Any,
    Y: Any,
    examples: Any,
    *,
    example: int = 0,
    sample_weight: Any = None,
    names: Names | None = None,
    question: str = "",
    own: Callable[[float], str] | None = None,
    scales: Sequence[tuple[float, float]] = (),
) -> tuple[Frame, ...]:
    """Return the frames of a training's next step from a state, were these examples its batch.

    Optimizer, averages, learning rate, penalties, clipping and dropout are those of the state. The step of
    L-BFGS, which takes all examples at once, is told as one of gradient descent, and said to be so.

    Parameters
    ----------
    plan : Plan
        All that decides the training.
    state : State
        Where the training stands.
    X, Y : arrays, shape (m, n_0) and (m, n_L)
        The rows of `examples` as training sees them.
    examples : array of int, shape (m,)
        Their indices in the data; with `plan.batch(state.epoch, state.batch_index)` it is the step that
        training takes.
    example, sample_weight, names, question, own, scales
        As in `frames`.

    Returns
    -------
    tuple of Frame
        The frames, in order.
    """
    by_steps, plan = plan.by_steps, of_gradients(plan)
    with np.errstate(all="ignore"):  # what overflows is found out, and said
        X = as_inputs(plan.net, X)
        batch = _batch(plan, state, X, Y, np.asarray(examples), sample_weight, names)
        asked, (after, eta, scale) = _alone(batch, X, example), _step(plan, state, batch)
        rule, decay = plan.rule, plan.l2.decay
        story = Story(asked, batch, after, rule, eta, scale, decay, question, own, tuple(scales))
        told = tuple(_told(story))
    return told if by_steps else tuple(map(_without_lbfgs, told))


def _without_lbfgs(frame: Frame) -> Frame:
    """Record that the step is one of gradient descent, which training did not take."""
    if frame.phase != "update":
        return frame
    return replace(frame, words=f"{LBFGS_TAKES_ALL} {frame.words}")
