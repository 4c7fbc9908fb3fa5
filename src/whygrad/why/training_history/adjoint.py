"""The adjoint of a recorded training: how numbers f of its last parameters depend on all that led to them.

A step is θ, m, v → θ′, m′, v′. With λ = ∂f/∂θ, λ_m and λ_v pulled back from its end to its beginning, and u
what they come to at the gradient g = Σ w_i s_i ∇C_i/S + λ₁ sign W + λ₂ W,

    D = √v′ + ε,   λ_m′ = λ_m + q λ/D,   λ_v′ = λ_v − (λ Δθ/D) / 2√v′
    u = r λ/D + p λ_m′ + 2γ g λ_v′,   λ ← κ λ + H u + λ₂ u_W,   λ_m ← μ λ_m′,   λ_v ← β λ_v′
    ∂f/∂w_i += s_i ∇C_i · u / S

H u and every ∇C_i · u come of one pass along u (`nn.hessian`). Clipping, dropout, factors on the learning
rate and decay are differentiated as they acted; what rules decided at the ends of epochs is held as it was.
An engine walks in the precision of the training, and step by step all is in float64. After Maclaurin et al.
(2015) and Hara et al. (2019).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from whygrad.cores import one_thread
from whygrad.engines import PullsBack, WeightProbeResult, choose
from whygrad.engines.probe_data import batches
from whygrad.errors import InputError
from whygrad.nn import Array, Network, Parameters, backward, dense, forward, gradients
from whygrad.nn.backprop import Trace
from whygrad.nn.hessian import HessianTimes, hessian_times
from whygrad.nn.network import count
from whygrad.nn.products import as_multiplied
from whygrad.plan.plan import Clip, Plan, State
from whygrad.why.training_history.rules import Form, form_of
from whygrad.why.training_history.trajectory import Trajectory

# As many trainings as the walk back takes for the first number and for each further one, at most, measured
# in float32 (benchmarks/README.md).
BY_ENGINE, IN_NUMPY = (10.0, 2.5), (33.0, 16.0)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a training as the adjoints of K numbers met it.

    Parameters
    ----------
    state : State
        Where the step began, in float64.
    examples : array, shape (B,)
        Its batch.
    S : float
        What its gradient was divided by.
    s : array, shape (B,)
        What multiplied the examples' gradients.
    trace : Trace
        The pass through its batch, there and back.
    y : array, shape (B, n_L)
        The batch's targets.
    gradient, penalty : arrays, shape (P,)
        The examples' part of g, and the penalties'.
    move : array, shape (P,)
        How far the rule moved θ, before factors on the learning rate and without decay.
    form : Form
        The rule's coefficients in this step.
    lam : array, shape (K, P)
        ∂f/∂θ′, at its end but for the decay per step.
    moving : array, shape (K, P)
        ∂f by `move`.
    at_m : array, shape (K, P), or None
        λ_m′, ∂f by the buffer at its end.
    clipped : array, shape (P,)
        g as the rule took it.
    at_clipped, u : arrays, shape (K, P)
        ∂f by `clipped`, and by g.
    along : list of HessianTimes
        The pass along each u.
    """

    state: State
    examples: Array
    S: float
    s: Array
    trace: Trace
    y: Array
    gradient: Array
    penalty: Array
    move: Array
    form: Form
    lam: Array
    moving: Array
    at_m: Array | None
    clipped: Array
    at_clipped: Array
    u: Array
    along: list[HessianTimes]


@dataclass(frozen=True, eq=False)
class Adjoint:
    """What became of ∂f/∂θ on its way back.

    `by_example` (K, n) is ∂f/∂w of each example, the weight 1 of what it counts; `start` (K, P) is ∂f/∂θ
    at the start, and `sizes` (K, T + 1) are ‖∂f/∂θ_t‖, from the start to the end.
    """

    by_example: Array
    start: Array
    sizes: Array

    @property
    def growth(self) -> Array:
        """‖∂f/∂θ_0‖ / ‖∂f/∂θ_T‖, (K,): by how much a change at the start is larger at the end."""
        ends = self.sizes[:, -1]
        growth: Array = self.sizes[:, 0] / np.where(ends > 0, ends, 1.0)
        return growth


def adjoint(trajectory: Trajectory, slopes: Array, rescale: bool = False) -> Adjoint:
    """Return how K numbers depend on what each example counts, given their slopes ∂f/∂θ_T, (K, P).

    With `rescale` steps are divided by what the examples of the batch count, and else by what they did.
    """
    plan, W = trajectory.plan, weights_of(trajectory.plan.net)
    by_example = np.zeros((len(slopes), plan.n))
    sizes = [np.linalg.norm(slopes, axis=1)]
    lam = slopes.astype(np.float64)
    if (engine := walker(trajectory)) is not None:
        return _walked(engine, trajectory, Adjoint(by_example, lam, np.array(sizes)), rescale)
    for step, lam in steps_back(trajectory, slopes):
        along = np.array([one.slopes for one in step.along])
        if rescale:
            kept = step.gradient
            theta = step.state.theta
            if plan.l1.per == "example":
                kept = kept + plan.l1.of_batch(step.S, plan.n) * W * np.sign(theta)
            if plan.l2.per == "example":
                kept = kept + plan.l2.of_batch(step.S, plan.n) * W * theta
            along = along - (step.u @ kept)[:, None]
        by_example[:, step.examples] += step.s * along / step.S
        sizes.append(np.linalg.norm(lam, axis=1))
    return Adjoint(by_example, lam, np.array(sizes[::-1]).T)


def cost_of(trajectory: Trajectory, numbers: int = 1) -> float:
    """Return how many times as long as a training the adjoint of so many numbers takes, about."""
    first, further = IN_NUMPY if walker(trajectory) is None else BY_ENGINE
    return first + (numbers - 1) * further


def walker(trajectory: Trajectory) -> PullsBack | None:
    """Return the engine that walks back by itself, or None where it cannot.

    It cannot for functions of one's own, and for products of rounded operands.
    """
    if trajectory.plan.products:
        return None
    if isinstance(trajectory.engine, PullsBack):
        return trajectory.engine
    try:
        engine = choose("native", _whole(trajectory.plan))
    except InputError:
        return None
    return engine if isinstance(engine, PullsBack) else None


def _whole(plan: Plan) -> Plan:
    """Return the plan with whole batches: the sums of blocks are sums."""
    return plan if plan.blocks == 1 else replace(plan, blocks=1)


def _walked(engine: PullsBack, trajectory: Trajectory, at_end: Adjoint, rescale: bool) -> Adjoint:
    """Return the adjoint as the engine walks back, a stretch of one epoch at a time."""
    plan, data = _whole(trajectory.plan), trajectory.data
    by_example, lam, sizes = at_end.by_example, at_end.start, [at_end.sizes]
    lam_state = np.zeros((len(trajectory.start.opt_state), *lam.shape))
    for state, until in trajectory.stretches_back():
        about = batches(plan, state, data, until - state.step)
        form = form_of(plan.optimizer, plan.coefficients(state, until))
        found = engine.pull_back(plan, state, data, until, form, lam, lam_state, rescale)
        lam, lam_state, along = found.lam, found.lam_state, found.slopes
        if rescale:
            kept = found.by_gradient
            for penalty, strength, sums in (
                (plan.l1, about.l1, found.by_sign),
                (plan.l2, about.l2, found.by_weight),
            ):
                if penalty.per != "example":
                    kept = kept - strength[:, None] * sums
            along = along - kept[:, :, None]
        there = about.examples >= 0
        who = about.examples[there]  # each once in a stretch
        factor = 1 / np.repeat(about.S, there.sum(axis=1))
        factor = factor if data.factors is None else factor * data.factors[who]
        by_example[:, who] += along.transpose(1, 0, 2)[:, there] * factor
        sizes.append(found.sizes[::-1])
    return Adjoint(by_example, lam, np.vstack(sizes)[::-1].T)


def steps_back(trajectory: Trajectory, slopes: Array) -> Iterator[tuple[Step, Array]]:
    """Yield the steps from the last to the first, each with ∂f/∂θ at its beginning, (K, P)."""
    lam = slopes.astype(np.float64)
    lam_state = np.zeros((len(trajectory.start.opt_state), *lam.shape))
    W = weights_of(trajectory.plan.net)
    for state, probed in trajectory.steps_back():
        with one_thread(numpy=True):
            step, lam, lam_state = _step_back(trajectory, W, state, probed, lam, lam_state)
        yield step, lam


def _step_back(
    trajectory: Trajectory,
    W: Array,
    state: State,
    probed: WeightProbeResult,
    lam: Array,
    lam_state: Array,
) -> tuple[Step, Array, Array]:
    """Return a step, and ∂f by θ and by the optimizer's state at its beginning, given those at its end."""
    plan, data, net = trajectory.plan, trajectory.data, trajectory.plan.net
    m = 1.0 if plan.factors is None else plan.factors.astype(np.float64)
    batch = probed.examples[0][probed.examples[0] >= 0]
    S, l1, l2 = float(probed.S[0]), float(probed.l1[0]), float(probed.l2[0])
    theta, opt_state = state.theta.astype(np.float64), state.opt_state.astype(np.float64)
    parameters = Parameters(net.sizes, theta)
    s = np.ones(len(batch)) if data.factors is None else data.factors[batch].astype(np.float64)
    X, y = dense(data.X[batch]).astype(np.float64), data.Y[batch].astype(np.float64)
    trace = forward(net, parameters, X, plan.masks(state.step, batch), plan.products)
    parameters = as_multiplied(parameters, plan.products)  # and rounding counts as the identity
    trace = backward(net, parameters, trace, y)
    share = s.sum() / S  # `gradients` divides by Σ s
    gradient = gradients(net, parameters, trace, s).flat * share
    penalty = W * (l1 * np.sign(theta) + l2 * theta)
    clipped, scale = plan.clip.shorten(gradient + penalty)
    form = form_of(plan.optimizer, probed.coefficients)

    lam = lam * (1 - plan.l2.decay * m) if plan.l2.decay else lam.copy()
    lam[:, net.masked] = 0
    moving = lam * m
    move, at_clipped, at_m, lam_state = _pulled(form, clipped, opt_state, moving, lam_state)
    u = _through(plan.clip, gradient + penalty, clipped, scale, at_clipped)
    along = [hessian_times(net, parameters, trace, y, Parameters(net.sizes, v), s) for v in u]
    before = lam * (1 - m * (1 - form.keep[0])) + l2 * W * u
    before += share * np.array([each.product.flat for each in along])
    step = Step(
        replace(state, theta=theta, opt_state=opt_state), batch, S, s, trace, y, gradient, penalty,
        move, form, lam, moving, at_m, clipped, at_clipped, u, along,
    )  # fmt: skip
    return step, before, lam_state


def _pulled(
    form: Form, g: Array, opt_state: Array, moving: Array, lam_state: Array
) -> tuple[Array, Array, Array | None, Array]:
    """Return the rule's move, ∂f by g and by m′, and ∂f by the optimizer's state before the step."""
    p, q, r = form.p[0], form.q[0], form.r[0]
    before = np.zeros_like(lam_state)
    root, D = np.zeros_like(g), np.ones_like(g)
    if form.v is not None:
        root = np.sqrt(form.beta * opt_state[form.v] + form.gamma * g * g)
        D = root + form.epsilon[0]
    e = g / D if form.early else g
    m = None if form.m is None else form.mu * opt_state[form.m] + p * e
    move = r * g if m is None else q * m + r * g
    top = moving if form.early else moving / D
    move = move if form.early else move / D
    u, at_m = r * top, None
    at_D = -top * move
    if form.m is not None:
        at_m = lam_state[form.m] + q * top
        before[form.m] = form.mu * at_m
        at_e = p * at_m
        if form.early:
            at_e = at_e / D
            at_D = -at_e * e
        u = u + at_e
    if form.v is not None:
        at_v = lam_state[form.v] + at_D * _inverse(2 * root)
        before[form.v] = form.beta * at_v
        u = u + 2 * form.gamma * g * at_v
    return move, u, at_m, before


def _inverse(array: Array) -> Array:
    """Return 1/x, and 0 where x is 0: no gradient was there that could have changed it."""
    found: Array = np.where(array > 0, 1 / np.where(array > 0, array, 1.0), 0.0)
    return found


def _through(clip: Clip, g: Array, clipped: Array, scale: float, u: Array) -> Array:
    """Pull ∂f by the clipped gradient back through clipping, as it acted on g."""
    if scale < 1:
        direction = clipped / np.linalg.norm(clipped)
        u = scale * (u - (u @ direction)[:, None] * direction)
    if clip.value is not None:
        u = u * (np.abs(g) <= clip.value)
    return u


def weights_of(net: Network) -> Array:
    """Return 1 for every weight and 0 for every bias, (P,): what penalties act on."""
    found = Parameters(net.sizes, np.zeros(count(net.sizes)))
    for W in found.W[1:]:
        W[...] = 1
    return found.flat


def rate_slopes(plan: Plan, step: Step) -> Array:
    """Return ∂f/∂ log η of a step's learning rate, (K,)."""
    m = 1.0 if plan.factors is None else plan.factors
    of_move = step.at_clipped @ step.clipped if step.form.by_gradient else step.moving @ step.move
    lost = 1 - step.form.keep[0]
    found: Array = of_move - lost * (step.lam @ (m * step.state.theta)) if lost else of_move
    return found
