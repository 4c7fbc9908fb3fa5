"""Every rule of the optimizers: as in the papers, as in PyTorch, and free of side effects."""

from importlib.util import find_spec

import numpy as np
import pytest

import whygrad as wg
from whygrad.optimizers import OPTIMIZERS, Clock

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed: make peers"
)

RULES = [
    wg.SGD(0.1),
    wg.SGD(0.1, momentum=0.9),
    wg.SGD(0.1, momentum=0.9, nesterov=True),
    wg.Adam(0.01),
    wg.Adam(0.02, beta1=0.8, beta2=0.95, epsilon=1e-3),
    wg.Adam(0.02, epsilon=1e-2, epsilon_hat=True),
]
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)


def gradients(steps=40, size=5):
    """Gradients of very different sizes, some of them exactly 0."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=(steps, size)) * 10.0 ** rng.integers(-4, 2, size)
    return g * (rng.random((steps, size)) < 0.9)


def follow(rule, gs, dtype=np.float64):
    """All parameters on the way."""
    theta = np.linspace(-1, 1, gs.shape[1]).astype(dtype)
    slots, path = rule.init(theta), []
    for step, g in enumerate(gs.astype(dtype)):
        theta, slots = rule.update(theta, g, slots, step, rule.rate)
        path.append(theta)
    return np.array(path)


def by_hand(rule, gs):
    """The formulas of the docstrings for one number after the other."""
    path = np.empty_like(gs)
    for i, start in enumerate(np.linspace(-1, 1, gs.shape[1])):
        theta, v, m = start, 0.0, 0.0
        for step, g in enumerate(gs[:, i]):
            t = step + 1
            if isinstance(rule, wg.SGD):
                v = rule.momentum * v - rule.rate * g
                theta += rule.momentum * v - rule.rate * g if rule.nesterov else v
            else:
                m = rule.beta1 * m + (1 - rule.beta1) * g
                v = rule.beta2 * v + (1 - rule.beta2) * g**2
                if rule.epsilon_hat:
                    rate = rule.rate * (1 - rule.beta2**t) ** 0.5 / (1 - rule.beta1**t)
                    theta -= rate * m / (v**0.5 + rule.epsilon)
                else:
                    m_hat, v_hat = m / (1 - rule.beta1**t), v / (1 - rule.beta2**t)
                    theta -= rule.rate * m_hat / (v_hat**0.5 + rule.epsilon)
            path[step, i] = theta
    return path


def test_every_optimizer_is_among_the_rules_tested_here():
    assert {type(rule) for rule in RULES} == set(OPTIMIZERS.values())


@each_rule
def test_a_rule_takes_the_steps_of_its_formula(rule):
    np.testing.assert_allclose(follow(rule, gradients()), by_hand(rule, gradients()), rtol=1e-12)


@needs_torch
@pytest.mark.parametrize(
    "rule", [r for r in RULES if not getattr(r, "epsilon_hat", False)], ids=str
)
def test_a_rule_takes_the_steps_of_pytorch(rule):
    import torch

    gs = gradients()
    theta = torch.linspace(-1, 1, gs.shape[1], dtype=torch.float64, requires_grad=True)
    if isinstance(rule, wg.SGD):
        theirs = torch.optim.SGD([theta], rule.rate, rule.momentum, nesterov=rule.nesterov)
    else:
        theirs = torch.optim.Adam([theta], rule.rate, (rule.beta1, rule.beta2), rule.epsilon)
    path = []
    for g in gs:
        theta.grad = torch.tensor(g)
        theirs.step()
        path.append(theta.detach().numpy().copy())
    np.testing.assert_allclose(follow(rule, gs), path, rtol=1e-12)


@each_rule
def test_a_rule_leaves_what_it_is_given_as_it_was(rule):
    theta, g = np.ones(3), np.full(3, 0.5)
    slots = rule.init(theta) + 0.1
    given = [array.copy() for array in (theta, g, slots)]
    rule.update(theta, g, slots, 3, rule.rate)
    for array, before in zip((theta, g, slots), given, strict=True):
        np.testing.assert_array_equal(array, before)


@each_rule
def test_a_rule_keeps_the_dtype_and_the_shape_of_its_slots(rule):
    theta = np.ones(3, np.float32)
    slots = rule.init(theta)
    for step in range(3):
        theta, after = rule.update(theta, theta, slots, step, rule.rate)
        assert theta.dtype == np.float32
        assert after.shape == slots.shape
        assert after.dtype == np.float32
        slots = after


@each_rule
def test_a_rule_at_rest_stays_at_rest(rule):
    assert (follow(rule, np.zeros((5, 3))) == np.linspace(-1, 1, 3)).all()


@each_rule
def test_a_rule_descends_into_a_bowl(rule):
    theta = np.array([3.0, -2.0])
    slots = rule.init(theta)
    for step in range(2000):
        theta, slots = rule.update(theta, theta, slots, step, rule.rate)
    assert np.abs(theta).max() < 1e-2


def test_momentum_carries_the_last_change_whatever_the_rate_is_now():
    rule = wg.SGD(1.0, momentum=0.5)
    theta, slots = rule.update(np.zeros(1), np.ones(1), rule.init(np.zeros(1)), 0, rate=1.0)
    theta, slots = rule.update(theta, np.ones(1), slots, 1, rate=0.1)
    assert theta == pytest.approx(-1.0 - 0.5 - 0.1)


def test_the_first_step_of_adam_has_the_size_of_the_rate():
    steps = np.abs(follow(wg.Adam(0.01, epsilon=1e-30), gradients()[:1]) - np.linspace(-1, 1, 5))
    np.testing.assert_allclose(steps[gradients()[:1] != 0], 0.01)


# ── schedules ────────────────────────────────────────────────────────────────────────────────────


# After the first, no epoch improves by so much.
NO_GOOD = wg.Stopping(tol=1e9, patience=1)


def rates_of(schedule, **options):
    """η at the end of every epoch of a small training."""
    X, Y = np.linspace(-1, 1, 8)[:, None], np.zeros(8)
    net = wg.Network(1, [wg.Dense(1, "identity")])
    fitted = wg.train(
        net,
        X,
        Y,
        optimizer=wg.SGD(0.1),
        epochs=6,
        batch_size=4,
        schedule=schedule,
        engine="reference",
        **options,
    )
    return [epoch.rate for epoch in fitted.history.epochs]


def test_a_constant_rate_is_constant():
    assert rates_of(wg.Constant()) == [0.1] * 6


def test_inverse_scaling_divides_by_a_power_of_the_examples_seen():
    expected = [0.1 / (8 * epoch + 1) ** 0.5 for epoch in range(6)]
    assert rates_of(wg.InverseScaling(0.5)) == pytest.approx(expected, rel=1e-15)


def test_an_adaptive_rate_is_divided_each_time_patience_ends():
    rates = rates_of(wg.Adaptive(divisor=5), stopping=NO_GOOD)
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.02, 0.02, 0.004])


def test_an_adaptive_rate_stops_the_training_below_its_floor():
    rates = rates_of(wg.Adaptive(divisor=5, floor=0.05), stopping=NO_GOOD)
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.02, 0.02])


def test_factors_are_given_for_each_batch_asked_for():
    clock = Clock(2, 5, 16, 4)
    for schedule in (wg.Constant(), wg.InverseScaling(), wg.Adaptive()):
        assert schedule.factors(np.arange(3), clock).shape == (3,)
