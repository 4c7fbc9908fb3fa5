"""Factors on the learning rate by group of parameters: what PyTorch's parameter groups do."""

import re

import numpy as np
import pytest

import whygrad as wg
from comparisons import needs_torch
from engines import ENGINES, each_engine
from whygrad.engines.native.layout import Layout
from whygrad.nn.arrays import as_data
from whygrad.pipeline.embeddings import EmbeddingLayer
from whygrad.plan import multipliers
from whygrad.plan import plan as plans
from whygrad.plan.plan import Plan, start
from whygrad.why.training_history.linear import linear
from whygrad.why.training_history.trajectory import trajectory

DRAWS = np.random.default_rng(0)
X, Y = DRAWS.normal(size=(24, 3)), DRAWS.normal(size=(24, 2))
NET = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2)])
GROUPS = {"W": 1.5, "b": 0.1, "W1": 6.0}
FACTORS = {"W1": 6.0, "b1": 0.1, "W2": 1.5, "b2": 0.1}


def fit(engine="reference", rate_multipliers=GROUPS, net=NET, **options):
    options = {"optimizer": wg.SGD(0.05), "epochs": 6, "batch_size": 24, "seed": 1} | options
    return wg.train(net, X, Y, engine=engine, rate_multipliers=rate_multipliers, **options)


# ── beside PyTorch ───────────────────────────────────────────────────────────────────────────────────

RULES = {
    "sgd": (wg.SGD(0.05), "SGD", {"lr": 0.05}),
    "momentum": (wg.SGD(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (
        wg.SGD(0.05, momentum=0.9, nesterov=True),
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "adagrad": (wg.Adagrad(0.05), "Adagrad", {"lr": 0.05}),
    "rmsprop": (wg.RMSprop(0.01, momentum=0.5), "RMSprop", {"lr": 0.01, "momentum": 0.5}),
    "adam": (wg.Adam(0.01), "Adam", {"lr": 0.01}),
    "adamw": (wg.AdamW(0.01, decay=0.3), "AdamW", {"lr": 0.01, "weight_decay": 0.3}),
    "nadam": (wg.Nadam(0.01), "NAdam", {"lr": 0.01}),
}


def in_torch(name, factors, epochs=6):
    """Train the same network by a parameter group for each factor; return its parameters."""
    import torch

    theta, (_, rule, options) = NET.init(seed=1), RULES[name]
    own = {f"{kind}{l}": torch.tensor(getattr(theta, kind)[l]) for l in (1, 2) for kind in "Wb"}
    groups = []
    for group, parameter in own.items():
        parameter.requires_grad_()
        groups.append({"params": [parameter], "lr": options["lr"] * factors[group]})
    optimizer = getattr(torch.optim, rule)(groups, **options)
    x, y = torch.tensor(X), torch.tensor(Y)
    for _ in range(epochs):
        optimizer.zero_grad()
        a = torch.tanh(x @ own["W1"].T + own["b1"]) @ own["W2"].T + own["b2"]
        (((a - y) ** 2).sum(dim=1) / 2).mean().backward()
        optimizer.step()
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in own.values()])


def equals_torch(name, engine):
    ours = fit(engine, optimizer=RULES[name][0]).theta.flat
    # PyTorch keeps a product of Nadam in float32 (see test_optimizers), 6e-8 off in each of six steps.
    atol = 2 * 6e-8 * 6 * 6 * 0.01 if name == "nadam" else 1e-12
    np.testing.assert_allclose(ours, in_torch(name, FACTORS), rtol=1e-11, atol=atol)


@needs_torch
@each_engine
@pytest.mark.parametrize("name", RULES)
def test_factors_are_those_of_parameter_groups(name, engine):
    equals_torch(name, engine)


def before_the_rule(rule, m, theta, g, opt_state, coefficients):
    return rule.update(theta, m * g, opt_state, coefficients)


def decay_without_it(rule, m, theta, g, opt_state, coefficients):
    step, opt_state = rule.update(np.zeros_like(theta), g, opt_state, coefficients)
    return theta - multipliers.lost(rule, coefficients) * theta + m * step, opt_state


@needs_torch
@pytest.mark.parametrize(
    ("name", "error"),
    [("adam", before_the_rule), ("rmsprop", before_the_rule), ("adamw", decay_without_it)],
)
def test_a_factor_in_the_wrong_place_is_noticed(name, error, monkeypatch):
    monkeypatch.setattr(plans, "multiplied", error)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        equals_torch(name, "reference")


# ── what they mean ───────────────────────────────────────────────────────────────────────────────────


def factors(groups, net=NET):
    return Plan(net, wg.SGD(0.1), n=24, rate_multipliers=groups, batch_size=24).factors


def test_a_layer_comes_before_all_layers_and_an_array_before_a_number():
    single = DRAWS.uniform(0, 2, (2, 4))
    found = wg.Parameters(NET.sizes, factors({"W": 2.0, "W2": single, "b1": 0}))
    assert (found.W[1] == 2).all() and (found.W[2] == single).all()
    assert not found.b[1].any() and (found.b[2] == 1).all()


def test_what_changes_nothing_is_no_factor():
    assert factors(None) is None and factors({"W": 1.0, "b1": np.ones(4)}) is None
    data = as_data(NET, X, Y)
    plain = Layout(NET, 24, "float64", data, True, False, (("W", 1.0),)).workspace
    assert not len(plain.factors) and not len(plain.steps) and not len(plain.kept)
    thetas = [fit(rate_multipliers=groups).theta.flat for groups in ({"W": 1, "b1": 1.0}, None)]
    np.testing.assert_array_equal(*thetas)


def test_plans_with_the_same_factors_are_equal_and_hashable():
    one, other = (
        Plan(NET, wg.SGD(0.1), n=24, rate_multipliers=groups, batch_size=24)
        for groups in ({"b": 2, "W1": np.ones((4, 3))}, {"W1": np.ones((4, 3)), "b": 2.0})
    )
    assert one == other and hash(one) == hash(other)
    assert one != Plan(NET, wg.SGD(0.1), n=24, batch_size=24, rate_multipliers={"b": 2})


@each_engine
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": wg.AdamW(0.01, decay=0.5)},
        {"optimizer": wg.SGD(0.1, momentum=0.9), "l2": wg.Penalty(0.01, "step"), "clip": 0.1},
        {"optimizer": wg.Nadam(0.01), "l1": 0.1},
    ],
    ids=["adamw", "momentum", "nadam"],
)
def test_0_leaves_parameters_as_they_are(engine, options):
    first, found = NET.init(seed=1), fit(engine, {"W1": 0, "b2": 0.0}, **options).theta
    assert (found.W[1] == first.W[1]).all() and (found.b[2] == first.b[2]).all()
    assert (found.W[2] != first.W[2]).all() and (found.b[1] != first.b[1]).all()


@each_engine
def test_clipping_looks_at_the_gradient_without_factors(engine):
    found = {
        m: fit(engine, {"W": m, "b": m}, epochs=1, clip=wg.Clip(norm=0.01, value=0.008))
        for m in (1, 10)
    }
    first = NET.init(seed=1).flat
    steps = {m: one.theta.flat - first for m, one in found.items()}
    np.testing.assert_allclose(steps[10], 10 * steps[1], rtol=1e-9, atol=1e-15)
    assert np.linalg.norm(steps[1]) == pytest.approx(0.05 * 0.01, rel=1e-9)


@each_engine
def test_a_decay_per_step_has_the_factor_as_well(engine):
    found = fit(engine, {"W1": 5.0}, optimizer=wg.SGD(1e-300), l2=wg.Penalty(0.1, "step"), epochs=1)
    first = NET.init(seed=1)
    np.testing.assert_allclose(found.theta.W[1], 0.5 * first.W[1], rtol=1e-15)
    np.testing.assert_allclose(found.theta.W[2], 0.9 * first.W[2], rtol=1e-15)


class Mine:
    """An optimizer of the user's own, by the sign of the gradient."""

    learning_rate = 0.01

    def init(self, theta):
        return np.zeros((0, len(theta)), theta.dtype)

    def coefficients(self, t, learning_rates):
        return learning_rates[:, None]

    def update(self, theta, g, opt_state, coefficients):
        return theta - coefficients[0] * np.sign(g), opt_state


def test_an_optimizer_of_ones_own_takes_steps_times_their_factors():
    found, first = fit(optimizer=Mine(), epochs=1).theta, NET.init(seed=1)
    np.testing.assert_allclose(np.abs(found.W[1] - first.W[1]), 0.06, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.b[2] - first.b[2]), 0.001, rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"W3": 1}, "rate_multipliers['W3']: the groups are 'W' and 'b', and 'W1', 'b1' … of layers"),
        ({"w1": 1}, "rate_multipliers['w1']: the groups are"),
        ({1: 1}, "rate_multipliers[1]: the groups are"),
        ({"W1": -1}, "rate_multipliers['W1'] is -1: a factor is a finite number of at least 0"),
        ({"W1": "2"}, "rate_multipliers['W1'] is '2': a factor is a finite number of at least 0"),
        ({"W1": np.nan}, "rate_multipliers['W1'] is nan: a factor is a finite number"),
        ({"W1": np.ones((3, 4))}, "has shape (3, 4): give one number, or an array of shape (4, 3)"),
        ({"b2": np.ones(4)}, "has shape (4,): give one number, or an array of shape (2,)"),
        ({"W": np.ones(3)}, "rate_multipliers['W'] has shape (3,): give one number"),
        (6.0, "give factors by group"),
    ],
)  # fmt: skip
def test_other_factors_are_refused_in_one_line(given, reason):
    with pytest.raises(wg.InputError, match=re.escape(reason)) as error:
        fit(rate_multipliers=given)
    assert "\n" not in str(error.value)


def test_what_cannot_have_factors_says_so():
    with pytest.raises(wg.InputError, match="L-BFGS .* rate_multipliers cannot be combined"):
        fit(optimizer="lbfgs")
    with pytest.raises(wg.InputError, match="times a decay of 0.2 per step it must be below 1"):
        fit(l2=wg.Penalty(0.2, "step"))


# ── recorded ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("rates") / "a.run"
    given = GROUPS | {"W2": np.full((2, 4), 0.25)}
    fit("auto", given, optimizer=wg.Adam(0.02), batch_size=6, record=path)
    return wg.open_run(path)


def test_a_recorded_run_keeps_its_factors(recorded):
    assert dict(recorded.plan.rate_multipliers)["W1"] == 6.0
    assert (wg.Parameters(NET.sizes, recorded.plan.factors).W[2] == 0.25).all()
    assert str(recorded.replay()).endswith("equal to the last bit")
    from whygrad.cli.facts import facts

    lines = dict(facts(recorded))
    assert "W1 learns at 6 times the rate" in lines["training"]
    assert "W2 learns at rates of its own" in lines["training"]


def test_a_fork_may_change_the_factors(recorded, tmp_path):
    frozen = {"W1": 0, "W2": np.zeros((2, 4)), "b": 0.0}
    fork = recorded.fork(10, record=tmp_path / "b.run", rate_multipliers=frozen)
    assert (fork.theta.flat == recorded.state(10).theta).all()
    assert fork.manifest["parent"]["changes"]["rate_multipliers"]["W1"] == 0
    plain = recorded.fork(10, record=tmp_path / "c.run", rate_multipliers=None)
    assert plain.plan.rate_multipliers == () and "rate_multipliers" not in plain.manifest
    assert str(plain.replay()).endswith("equal to the last bit")


def test_the_database_knows_factors_that_were_changed_in_the_manifest(recorded):
    from whygrad.record.files import manifest

    about = recorded.manifest
    changed = about | {"rate_multipliers": about["rate_multipliers"] | {"W1": 5.0}}
    assert manifest.plan_digest(changed) != manifest.plan_digest(about)


@pytest.mark.parametrize("error", ["q", "keep", "decay"])
def test_a_ledger_that_forgets_a_factor_is_noticed(error, monkeypatch):
    from dataclasses import replace

    from whygrad.why.training_history import accounts

    options = {"l2": wg.Penalty(0.02, "step")} if error == "decay" else {}
    plan = Plan(
        NET, wg.AdamW(0.02, decay=0.5), n=24, epochs=3, batch_size=6, rate_multipliers=GROUPS, **options
    )  # fmt: skip
    made = trajectory(plan, start(plan), as_data(NET, X, Y), engine="reference")

    def closes():
        return "rounding" in wg.why.ledger(made, layer=1).residuals

    assert closes()
    plain = replace(plan, rate_multipliers=())
    monkeypatch.setattr(
        accounts,
        "linear",
        lambda plan, *rest: replace(
            linear(plan, *rest), **{error: getattr(linear(plain, *rest), error)}
        ),
    )
    assert not closes()


# ── a first layer of blocks ──────────────────────────────────────────────────────────────────────────


@needs_torch
@pytest.mark.parametrize("engine", ENGINES)
def test_a_linear_layer_of_blocks_trains_as_embeddings_beside_scaled_numbers(engine):
    """Columns of categories, in 3 and in 2 units, and 4 of numbers, each times a scale that starts at 1."""
    import torch

    draws = np.random.default_rng(1)
    n, (many, few), (d, e) = 60, (12, 5), (3, 2)
    first, second = draws.integers(many, size=n), draws.integers(few, size=n)
    numbers, y = draws.normal(size=(n, 4)), draws.normal(size=(n, 1))
    x = np.hstack([np.eye(many)[first], np.eye(few)[second], numbers])
    mask = np.zeros((d + e + 4, x.shape[1]))
    mask[:d, :many] = mask[d : d + e, many : many + few] = 1
    mask[d + e :, many + few :] = np.eye(4)
    rates = np.zeros(mask.shape)
    rates[:d, :many], rates[d : d + e, many : many + few], rates[d + e :, many + few :] = (
        0.1,
        0.5,
        6,
    )
    blocks = EmbeddingLayer(((many, d), (few, e), (4, 0)))
    assert blocks.dense == wg.Dense(9, mask=mask)
    assert (blocks.multipliers(0.5, 6)["W1"][d:] == rates[d:])[mask[d:] == 1].all()
    net = wg.Network(x.shape[1], [wg.Dense(9, mask=mask), wg.Dense(6, "tanh"), wg.Dense(1)])
    W = net.init(seed=2).W[1].copy()
    W[d + e :, many + few :] = np.eye(4)
    theta = net.init(seed=2, W=[None, W])
    options = {"optimizer": wg.AdamW(0.01, decay=0.1), "epochs": 5, "batch_size": 16, "seed": 3}
    found = wg.train(
        net, x, y, theta=theta, engine=engine, rate_multipliers={"W1": rates, "b1": 0}, **options
    )

    def leaf(array):
        return torch.nn.Parameter(torch.tensor(np.array(array)))

    one, other = torch.nn.Embedding(many, d), torch.nn.Embedding(few, e)
    one.weight, other.weight = leaf(W[:d, :many].T), leaf(W[d : d + e, many : many + few].T)
    scale = leaf(np.ones(4))
    rest = [leaf(array) for l in (2, 3) for array in (theta.W[l], theta.b[l])]
    groups = [
        {"params": [one.weight], "lr": 0.001}, {"params": [other.weight], "lr": 0.005},
        {"params": [scale], "lr": 0.06}, {"params": rest},
    ]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1)

    def outputs(rows):
        parts = [one(torch.tensor(first[rows])), other(torch.tensor(second[rows]))]
        a = torch.cat([*parts, scale * torch.tensor(numbers[rows])], dim=1)
        return torch.tanh(a @ rest[0].T + rest[1]) @ rest[2].T + rest[3]

    plan = Plan(net, options["optimizer"], n=n, epochs=5, batch_size=16, seed=3)
    for epoch in range(5):
        for batch in range(plan.steps_per_epoch):
            rows = plan.batch(epoch, batch)
            optimizer.zero_grad()
            (((outputs(rows) - torch.tensor(y[rows])) ** 2) / 2).mean().backward()
            optimizer.step()
    theirs = outputs(np.arange(n)).detach().numpy()
    np.testing.assert_allclose(found.predict(x), theirs, rtol=1e-9, atol=1e-11)
    block = found.theta.W[1][:d, :many].T
    np.testing.assert_allclose(block, one.weight.detach().numpy(), rtol=1e-9, atol=1e-11)
    scales = np.diag(found.theta.W[1][d + e :, many + few :])
    np.testing.assert_allclose(scales, scale.detach().numpy(), rtol=1e-10)
    assert (np.abs(scales - 1) > 0.1).any() and not found.theta.b[1].any()


def test_an_embedding_starts_as_long_as_its_category_and_all_else_passes_through():
    first = EmbeddingLayer(((30, 8), (1, 0), (3, 0)))
    net = wg.Network(34, [first.dense, wg.Dense(1)])
    W = first.start(net, seed=0).W[1]
    assert np.linalg.norm(W[:8, :30], axis=0).mean() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(W[8:, 30:], np.eye(4))
    with pytest.raises(wg.InputError, match="at least 1 input"):
        EmbeddingLayer(((0, 3),))
