"""Every rule of the optimizers: as in the papers, as in PyTorch, and free of side effects."""

from importlib.util import find_spec

import numpy as np
import pytest

import whygrad as wg
from whygrad.plan import optimizers
from whygrad.plan.optimizers import OPTIMIZERS

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed: make peers"
)

RULES = [
    wg.SGD(0.1),
    wg.SGD(0.1, momentum=0.9),
    wg.SGD(0.1, momentum=0.9, nesterov=True),
    wg.Adagrad(0.1),
    wg.Adagrad(0.5, epsilon=1e-2),
    wg.RMSprop(0.002),
    wg.RMSprop(0.002, beta=0.8, epsilon=1e-3, momentum=0.7),
    wg.Adam(0.01),
    wg.Adam(0.02, beta1=0.8, beta2=0.95, epsilon=1e-3),
    wg.Adam(0.02, epsilon=1e-2, epsilon_hat=True),
    wg.AdamW(0.01),
    wg.AdamW(0.02, beta1=0.8, beta2=0.95, epsilon=1e-3, decay=0.3),
    wg.Nadam(0.01),
    wg.Nadam(0.02, beta1=0.8, beta2=0.95, epsilon=1e-3, momentum_decay=0.1),
]
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)


def gradients(steps=40, size=5):
    """Gradients of very different sizes, some of them exactly 0."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=(steps, size)) * 10.0 ** rng.integers(-4, 2, size)
    return g * (rng.random((steps, size)) < 0.9)


def coefficients_of(rule, step, learning_rate=None):
    """What the rule needs to know about one step, counted from 0."""
    rates = np.array([rule.learning_rate if learning_rate is None else learning_rate])
    return rule.coefficients(np.array([step + 1]), rates)[0].tolist()


def follow(rule, gs, dtype=np.float64):
    """All parameters on the way."""
    theta = np.linspace(-1, 1, gs.shape[1]).astype(dtype)
    opt_state, path = rule.init(theta), []
    for step, g in enumerate(gs.astype(dtype)):
        theta, opt_state = rule.update(theta, g, opt_state, coefficients_of(rule, step))
        path.append(theta)
    return np.array(path)


def by_hand(rule, gs):
    """The formulas of the papers for one number after the other."""
    path = np.empty_like(gs)
    for i, start in enumerate(np.linspace(-1, 1, gs.shape[1])):
        theta, memory = start, {}
        for t, g in enumerate(gs[:, i], start=1):
            theta += BY_HAND[type(rule)](rule, theta, g, t, memory)
            path[t - 1, i] = theta
    return path


def remember(memory, name, old, new, value):
    memory[name] = old * memory.get(name, 0.0) + new * value
    return memory[name]


def sgd(rule, theta, g, t, memory):
    v = remember(memory, "v", rule.momentum, -rule.learning_rate, g)
    return rule.momentum * v - rule.learning_rate * g if rule.nesterov else v


def adagrad(rule, theta, g, t, memory):
    return -rule.learning_rate * g / (remember(memory, "s", 1, 1, g**2) ** 0.5 + rule.epsilon)


def rmsprop(rule, theta, g, t, memory):
    s = remember(memory, "s", rule.beta, 1 - rule.beta, g**2)
    return -rule.learning_rate * remember(
        memory, "v", rule.momentum, 1, g / (s**0.5 + rule.epsilon)
    )


def adam(rule, theta, g, t, memory):
    m = remember(memory, "m", rule.beta1, 1 - rule.beta1, g)
    v = remember(memory, "v", rule.beta2, 1 - rule.beta2, g**2)
    if getattr(rule, "epsilon_hat", False):
        learning_rate = rule.learning_rate * (1 - rule.beta2**t) ** 0.5 / (1 - rule.beta1**t)
        return -learning_rate * m / (v**0.5 + rule.epsilon)
    m_hat, v_hat = m / (1 - rule.beta1**t), v / (1 - rule.beta2**t)
    return -rule.learning_rate * m_hat / (v_hat**0.5 + rule.epsilon)


def adamw(rule, theta, g, t, memory):
    return adam(rule, theta, g, t, memory) - rule.learning_rate * rule.decay * theta


def nadam(rule, theta, g, t, memory):
    def mu(t):
        return rule.beta1 * (1 - 0.5 * 0.96 ** (t * rule.momentum_decay))

    m = remember(memory, "m", rule.beta1, 1 - rule.beta1, g)
    v = remember(memory, "v", rule.beta2, 1 - rule.beta2, g**2)
    product = memory["product"] = memory.get("product", 1.0) * mu(t)
    m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
    v_hat = v / (1 - rule.beta2**t)
    return -rule.learning_rate * m_hat / (v_hat**0.5 + rule.epsilon)


BY_HAND = {
    wg.SGD: sgd,
    wg.Adagrad: adagrad,
    wg.RMSprop: rmsprop,
    wg.Adam: adam,
    wg.AdamW: adamw,
    wg.Nadam: nadam,
}


def test_every_optimizer_is_among_the_rules_tested_here():
    assert {type(rule) for rule in RULES} == set(OPTIMIZERS.values())


@each_rule
def test_a_rule_takes_the_steps_of_its_formula(rule):
    np.testing.assert_allclose(follow(rule, gradients()), by_hand(rule, gradients()), rtol=1e-12)


def in_torch(rule, theta):
    from torch import optim

    if isinstance(rule, wg.SGD):
        return optim.SGD([theta], rule.learning_rate, rule.momentum, nesterov=rule.nesterov)
    options = {"lr": rule.learning_rate, "eps": rule.epsilon}
    if isinstance(rule, wg.Adagrad):
        return optim.Adagrad([theta], **options)
    if isinstance(rule, wg.RMSprop):
        return optim.RMSprop([theta], alpha=rule.beta, momentum=rule.momentum, **options)
    options["betas"] = rule.beta1, rule.beta2
    if isinstance(rule, wg.Adam):
        return optim.Adam([theta], **options)
    if isinstance(rule, wg.AdamW):
        return optim.AdamW([theta], weight_decay=rule.decay, **options)
    return optim.NAdam([theta], momentum_decay=rule.momentum_decay, **options)


@needs_torch
@pytest.mark.parametrize(
    "rule", [r for r in RULES if not getattr(r, "epsilon_hat", False)], ids=str
)
def test_a_rule_takes_the_steps_of_pytorch(rule):
    import torch

    gs = gradients()
    theta = torch.linspace(-1, 1, gs.shape[1], dtype=torch.float64, requires_grad=True)
    theirs, path = in_torch(rule, theta), []
    for g in gs:
        theta.grad = torch.tensor(g)
        theirs.step()
        path.append(theta.detach().numpy().copy())
    ours = follow(rule, gs)
    if isinstance(rule, wg.Nadam):
        # PyTorch keeps the product of the μ in float32, 6e-8 off. It stands in 1/(1 − product), where
        # 1 − product is at least 0.5, in every one of the steps, each of them the rate long or shorter.
        assert np.abs(ours - path).max() <= 2 * 6e-8 * len(gs) * rule.learning_rate
    else:
        np.testing.assert_allclose(ours, path, rtol=1e-12)


@each_rule
def test_a_rule_leaves_what_it_is_given_as_it_was(rule):
    theta, g = np.ones(3), np.full(3, 0.5)
    opt_state = rule.init(theta) + 0.1
    given = [array.copy() for array in (theta, g, opt_state)]
    rule.update(theta, g, opt_state, coefficients_of(rule, 3))
    for array, before in zip((theta, g, opt_state), given, strict=True):
        np.testing.assert_array_equal(array, before)


@each_rule
def test_a_rule_keeps_the_dtype_and_the_shape_of_its_state(rule):
    theta = np.ones(3, np.float32)
    opt_state = rule.init(theta)
    for step in range(3):
        theta, after = rule.update(theta, theta, opt_state, coefficients_of(rule, step))
        assert theta.dtype == np.float32
        assert after.shape == opt_state.shape
        assert after.dtype == np.float32
        opt_state = after


@each_rule
def test_a_rule_at_rest_stays_at_rest(rule):
    kept = 1 - rule.learning_rate * getattr(
        rule, "decay", 0.0
    )  # AdamW shrinks what nothing pulls at
    there = np.linspace(-1, 1, 3) * kept ** np.arange(1, 6)[:, None]
    np.testing.assert_allclose(follow(rule, np.zeros((5, 3))), there, rtol=1e-15)


@each_rule
def test_a_rule_descends_into_a_bowl(rule):
    theta = np.array([3.0, -2.0])
    opt_state = rule.init(theta)
    for step in range(2000):
        theta, opt_state = rule.update(theta, theta, opt_state, coefficients_of(rule, step))
    assert np.abs(theta).max() < 1e-2


def test_momentum_carries_the_last_change_whatever_the_rate_is_now():
    rule = wg.SGD(1.0, momentum=0.5)
    theta, opt_state = rule.update(np.zeros(1), np.ones(1), rule.init(np.zeros(1)), [1.0])
    theta, opt_state = rule.update(theta, np.ones(1), opt_state, [0.1])
    assert theta == pytest.approx(-1.0 - 0.5 - 0.1)


def test_the_first_step_of_adam_has_the_size_of_the_rate():
    steps = np.abs(follow(wg.Adam(0.01, epsilon=1e-30), gradients()[:1]) - np.linspace(-1, 1, 5))
    np.testing.assert_allclose(steps[gradients()[:1] != 0], 0.01)


@pytest.mark.parametrize(("beta1", "decay"), [(0.9, 0.004), (0.99, 0.0), (0.5, 0.1), (0.0, 0.004)])
def test_nadam_at_a_late_step_is_its_formula_and_remembers_little(beta1, decay):
    rule = wg.Nadam(0.01, beta1=beta1, momentum_decay=decay)
    every = np.arange(1, 30_002)
    mu = beta1 * (1 - 0.5 * 0.96 ** (every * decay))
    left = 1 - np.cumprod(mu)
    root = np.sqrt(1 - rule.beta2 ** every[:-1])
    of_m, of_g = 0.01 * root * mu[1:] / left[1:], 0.01 * root * (1 - mu[:-1]) / left[:-1]
    truth = np.stack([of_m, of_g, 1e-8 * root], axis=1)
    first = 0
    for size in (1, 2, 4000, 1, 8000, 17_995, 1):
        t = every[first : first + size]
        np.testing.assert_array_equal(
            rule.coefficients(t, np.full(size, 0.01)), truth[first:][:size]
        )
        first += size
    assert first == 30_000
    assert len(optimizers.momentum_products(beta1, decay, 1 << 40)) < 10_000


@each_rule
def test_the_coefficients_of_a_step_do_not_depend_on_which_others_are_asked_for(rule):
    t, rates = np.arange(1, 40), rule.learning_rate / np.arange(1, 40)
    whole = rule.coefficients(t, rates)
    assert whole.dtype == np.float64
    for first in (0, 7, 38):
        np.testing.assert_array_equal(rule.coefficients(t[first:], rates[first:]), whole[first:])
        one = slice(first, first + 1)
        np.testing.assert_array_equal(rule.coefficients(t[one], rates[one]), whole[one])
    assert len(rule.coefficients(t[:0], rates[:0])) == 0
