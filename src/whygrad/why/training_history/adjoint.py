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
from whygrad.engines import Probes, Pulled, PullsBack, WalkBack, WeightProbe, choose
from whygrad.engines.probe_data import Batches, batches
from whygrad.errors import InputError
from whygrad.nn import Array, Data, Network, Parameters, backward, dense, forward, gradients
from whygrad.nn.functions import COSTS
from whygrad.nn.hessian import hessian_times
from whygrad.nn.network import count
from whygrad.nn.products import as_multiplied
from whygrad.plan.plan import Clip, Plan, State
from whygrad.why.training_history.rules import Form, form_of
from whygrad.why.training_history.trajectory import Trajectory

# As many trainings as the walk back takes for the first number and for each further one, at most, measured
# in float32 (benchmarks/README.md).
BY_ENGINE, IN_NUMPY = (7.0, 2.0), (33.0, 16.0)
# Probes one weight, for the sake of the scale of clipping beside it.
DECIDED = Probes(weights=(WeightProbe(1, (0, 1), (0, 1)),))


@dataclass(frozen=True, eq=False)
class Stretch:
    """Steps of one epoch that a walk back has come over.

    Parameters
    ----------
    state : State
        Where they began.
    form : Form
        The rule's coefficients in these steps.
    batches : Batches
        Their examples, and what gradients were divided by.
    pulled : Pulled
        What they said of the K numbers.
    lam : array, shape (K, P)
        ∂f/∂θ before them; of the first stretch of all alone, None elsewhere.
    """

    state: State
    form: Form
    batches: Batches
    pulled: Pulled
    lam: Array | None

    def by_example(self, data: Data, along: Array) -> tuple[Array, Array]:
        """Return the examples, each once, and s along/S of them, (K, ·), of numbers (m, K, B)."""
        there = self.batches.examples >= 0
        who = self.batches.examples[there]
        factor = 1 / np.repeat(self.batches.S, there.sum(axis=1))
        factor = factor if data.factors is None else factor * data.factors[who]
        return who, along.transpose(1, 0, 2)[:, there] * factor


@dataclass(frozen=True, eq=False)
class Adjoint:
    """What became of ∂f/∂θ on its way back.

    `by_example` (K, n) is ∂f/∂w of each example, the weight 1 of what it counts; `start` (K, P) is ∂f/∂θ
    at the start, and `growth` (K,) is ‖∂f/∂θ_0‖ / ‖∂f/∂θ_T‖: by how much a change at the start is larger at
    the end.
    """

    by_example: Array
    start: Array
    growth: Array


def adjoint(trajectory: Trajectory, slopes: Array, rescale: bool = False) -> Adjoint:
    """Return how K numbers depend on what each example counts, given their slopes ∂f/∂θ_T, (K, P).

    With `rescale` steps are divided by what the examples of the batch count, and else by what they did.
    """
    plan, data = trajectory.plan, trajectory.data
    by_example, lam = np.zeros((len(slopes), plan.n)), slopes
    for stretch in back(trajectory, slopes, rescale):
        found, along = stretch.pulled, stretch.pulled.slopes
        if rescale:
            kept = found.by_gradient
            for penalty, strength, sums in (
                (plan.l1, stretch.batches.l1, found.by_sign),
                (plan.l2, stretch.batches.l2, found.by_weight),
            ):
                if penalty.per != "example":
                    kept = kept - strength[:, None] * sums
            along = along - kept[:, :, None]
        who, changes = stretch.by_example(data, along)
        by_example[:, who] += changes
        lam = lam if stretch.lam is None else stretch.lam
    return Adjoint(by_example, lam, growth(slopes, lam))


def growth(slopes: Array, start: Array) -> Array:
    """Return ‖∂f/∂θ_0‖ / ‖∂f/∂θ_T‖, (K,), given what they are, (K, P)."""
    ends = np.linalg.norm(slopes, axis=1)
    found: Array = np.linalg.norm(start, axis=1) / np.where(ends > 0, ends, 1.0)
    return found


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


def back(trajectory: Trajectory, slopes: Array, measured: bool = False) -> Iterator[Stretch]:
    """Walk back over a training; yield its stretches from the last to the first, sums where `measured`."""
    plan, data, start = _whole(trajectory.plan), trajectory.data, trajectory.start
    lam = slopes.astype(np.float64)
    lam_state = np.zeros((len(start.opt_state), *lam.shape))
    engine, form = walker(trajectory), form_of(plan.optimizer, np.zeros((0, 3)))
    walk: WalkBack
    if engine is None:
        walk = _StepByStep(trajectory, lam, lam_state)
    else:
        walk = engine.walk_back(plan, data, form, lam, lam_state, measured)
    # Another engine than that of the training arrives there but for rounding.
    own, after = engine is None or isinstance(trajectory.engine, PullsBack), trajectory.theta
    for state, until in trajectory.stretches_back(walk.per_step):
        coefficients = trajectory.plan_at(state.step).coefficients(state, until)
        form = form_of(plan.optimizer, coefficients)
        found = walk.over(state, coefficients, form)
        if own:
            trajectory.arrived(walk.theta, after)
        elif until == trajectory.last:
            trajectory.arrived(trajectory.later(state, until).theta, after)
        after = state.theta
        about = batches(plan, state, data, until - state.step)
        yield Stretch(state, form, about, found, walk.lam if state.step == start.step else None)


class _StepByStep:
    """A walk back in NumPy, as the equations stand, in float64."""

    def __init__(self, trajectory: Trajectory, lam: Array, lam_state: Array) -> None:
        self.trajectory, self.lam, self.lam_state = trajectory, lam, lam_state
        self.W, self.theta = weights_of(trajectory.plan.net), trajectory.theta
        self.per_step = trajectory.start.opt_state.size + len(self.theta)

    def over(self, state: State, coefficients: Array, form: Form) -> Pulled:
        """Walk over some steps, as `WalkBack.over` says."""
        states, scales, until = [state], [], state.step + len(coefficients)
        for later, seen in self.trajectory.advance(state.copy(), until, DECIDED, 1):
            assert seen.weights is not None
            states.append(later.copy())
            scales.append(float(seen.weights.scale[0]))
        self.theta = states[-1].theta
        plan, found = self.trajectory.plan, []
        about = batches(plan, state, self.trajectory.data, len(scales))
        for t in range(len(scales) - 1, -1, -1):
            batch = about.examples[t][about.examples[t] >= 0]
            S, l1, l2 = (float(each[t]) for each in (about.S, about.l1, about.l2))
            with one_thread(numpy=True):
                found.append(self._step(states[t], batch, S, l1, l2, scales[t], form.at(t)))
        together = {name: np.array([each[name] for each in reversed(found)]) for name in found[0]}
        return Pulled(**together)

    def _step(
        self, state: State, batch: Array, S: float, l1: float, l2: float, scale: float, form: Form
    ) -> dict[str, Array]:
        """Walk over one step; return what `Pulled` has of it."""
        plan, data, net = self.trajectory.plan, self.trajectory.data, self.trajectory.plan.net
        m = 1.0 if plan.factors is None else plan.factors.astype(np.float64)
        theta, opt_state = state.theta.astype(np.float64), state.opt_state.astype(np.float64)
        parameters = Parameters(net.sizes, theta)
        s = np.ones(len(batch)) if data.factors is None else data.factors[batch].astype(np.float64)
        X, y = dense(data.X[batch]).astype(np.float64), data.Y[batch].astype(np.float64)
        trace = forward(net, parameters, X, plan.masks(state.step, batch), plan.products)
        parameters = as_multiplied(parameters, plan.products)  # and rounding counts as the identity
        trace = backward(net, parameters, trace, y)
        share = s.sum() / S  # `gradients` divides by Σ s
        weights, signs = self.W * theta, self.W * np.sign(theta)
        gradient = gradients(net, parameters, trace, s).flat * share + l1 * signs + l2 * weights
        clipped, _ = plan.clip.shorten(gradient)

        at_end, kept = self.lam, 1 - m * (1 - form.keep[0])
        lam = at_end * (1 - plan.l2.decay * m)
        lam[:, net.masked] = 0
        moving = lam * m
        before = opt_state[form.m] if form.m is not None else np.zeros_like(theta)
        move, after, at_clipped, at_m, self.lam_state = _pulled(
            form, clipped, opt_state, moving, self.lam_state
        )
        u = _through(plan.clip, gradient, clipped, scale, at_clipped)
        along = [hessian_times(net, parameters, trace, y, Parameters(net.sizes, v), s) for v in u]
        self.lam = lam * kept + l2 * self.W * u
        self.lam += share * np.array([each.product.flat for each in along])
        by_move, rows = moving @ move, plan.batch_size - len(batch)
        by_rate = by_move - (1 - form.keep[0]) * (moving @ theta)
        return {
            "slopes": np.pad([each.slopes for each in along], ((0, 0), (0, rows))),
            "by_gradient": u @ gradient,
            "by_weight": u @ weights,
            "by_sign": u @ signs,
            "by_rate": at_clipped @ clipped if form.by_gradient else by_rate,
            "by_move": by_move,
            "by_after": moving @ after,
            "by_buffer": at_m @ before,
            "by_push": at_m @ clipped,
            "by_decay": -(at_end * m) @ (kept * theta + m * move),
            "outputs": np.pad([each.outputs for each in along], ((0, 0), (0, rows), (0, 0))),
            "z": np.pad(trace.z[net.L], ((0, rows), (0, 0))),
        }


def _pulled(
    form: Form, g: Array, opt_state: Array, moving: Array, lam_state: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return the rule's move and m′, ∂f by g and by m′, and ∂f by the optimizer's state before the step."""
    p, q, r = form.p[0], form.q[0], form.r[0]
    before = np.zeros_like(lam_state)
    root, D = np.zeros_like(g), np.ones_like(g)
    if form.v is not None:
        root = np.sqrt(form.beta * opt_state[form.v] + form.gamma * g * g)
        D = root + form.epsilon[0]
    e = g / D if form.early else g
    m = np.zeros_like(g) if form.m is None else form.mu * opt_state[form.m] + p * e
    move = q * m + r * g
    top = moving if form.early else moving / D
    move = move if form.early else move / D
    u, at_m = r * top, np.zeros_like(moving)
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
    return move, m, u, at_m, before


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


def differenced(net: Network) -> tuple[str, ...]:
    """Return a note that says which functions have no second derivative here, if there are such."""
    own = {f.name: None for f in net.f[1:] if f.second_derivative is None and f.custom_bend is None}
    if net.C.second_derivative is None and COSTS.get(net.C.name) != net.C:
        own[net.C.name] = None
    if not own:
        return ()
    return (f"The second derivative of {' and '.join(own)} is not known: it is differenced.",)


def weights_of(net: Network) -> Array:
    """Return 1 for every weight and 0 for every bias, (P,): what penalties act on."""
    found = Parameters(net.sizes, np.zeros(count(net.sizes)))
    for W in found.W[1:]:
        W[...] = 1
    return found.flat
