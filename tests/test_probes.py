"""What engines show of their steps: it is true, and looking never changes a bit."""

from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from engines import each_engine, needs_native
from plans import OPTIMIZERS, REGULARISATION, examples, lies, network  # noqa: F401
from whygrad import Parameters
from whygrad.engines import STATISTICS, Probes, WeightProbe, choose
from whygrad.engines.probes import bias, neuron, weight, whole
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.backprop import backward, forward, gradients
from whygrad.plan.plan import Plan, smooth, start
from whygrad.training import Training
from whygrad.training import run as training_loop
from whygrad.training.divergence import with_first_cost

N, BATCH, SIZES = 23, 5, (70, 9, 7, 3)
WEIGHTS = (
    whole(SIZES, 1),
    whole(SIZES, 2),
    whole(SIZES, 3),
    weight(1, 2, 5),
    bias(SIZES, 2, 3),
    neuron(SIZES, 3, 1),
    WeightProbe(2, (1, 4), (2, 6)),
)
LOOK = Probes(costs=True, every=2, weights=WEIGHTS)


def case(
    regularisation="none", optimizer="sgd", kind="dense", dtype="float64", cost="cross_entropy"
):
    options = dict(REGULARISATION[regularisation])
    net = network(cost, options.pop("dropout", 0.0))
    X, Y = examples(kind, cost, dtype)
    data = as_data(net, X, Y, options.pop("sample_weight", None), dtype)
    for name in ("l1", "l2"):
        if isinstance(options.get(name), float):
            options[name] = wg.Penalty(options[name])
    plan = Plan(net, OPTIMIZERS[optimizer], N, batch_size=BATCH, seed=1, dtype=dtype, **options)
    return plan, smooth(plan, data)


def run(engine, plan, data, probes, until=5):
    return choose(engine, plan).run(plan, start(plan), data, until, probes)


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros", "csr"])
@pytest.mark.parametrize("regularisation", ["none", "l1", "clip norm", "everything"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_looking_never_changes_a_bit(engine, regularisation, optimizer, kind):
    plan, data = case(regularisation, optimizer, kind, "float32")
    blind, _ = run(engine, plan, data, Probes())
    state, seen = run(engine, plan, data, LOOK)
    np.testing.assert_array_equal(state.theta, blind.theta)
    np.testing.assert_array_equal(state.opt_state, blind.opt_state)
    assert len(seen.costs) == 5 and seen.statistics.steps.tolist() == [0, 2, 4]
    ones = replace(data, multipliers=np.ones(N))
    np.testing.assert_array_equal(run(engine, plan, ones, LOOK)[0].theta, blind.theta)


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros", "csr"])
@pytest.mark.parametrize("rows", [(), (0,), (1,), (0, 1), None])
@pytest.mark.parametrize("theta", [False, True])
def test_a_probe_of_some_rows_shows_these_and_theta_or_what_it_sums_up_to(
    engine, rows, theta, kind
):
    plan, data = case("l1", "adam", kind, "float32")
    full, some = (
        run(engine, plan, data, Probes(weights=tuple(weights)))[1].weights.blocks
        for weights in (
            WEIGHTS[:3],
            [replace(probe, rows=rows, theta=theta) for probe in WEIGHTS[:3]],
        )
    )
    rows = (0, 1) if rows is None else rows
    for one, other in zip(full, some, strict=True):
        np.testing.assert_array_equal(other.opt_state, one.opt_state[:, list(rows)])
        for row in rows:
            np.testing.assert_array_equal(other.slot(row), one.slot(row))
        np.testing.assert_array_equal(other.delta, one.delta)
        np.testing.assert_array_equal(other.a, one.a)
        if theta:
            np.testing.assert_array_equal(other.theta, one.theta)
            assert other.thetas is None
            continue
        thetas = np.abs(one.theta).sum(axis=0, dtype=np.float64)
        np.testing.assert_allclose(other.thetas, thetas, rtol=1e-14)
        assert not other.theta.size and other.theta.shape[1:] == one.theta.shape[1:]


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros", "csr"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_what_the_decay_of_adamw_took_off_is_summed_up_where_theta_is_left_out(
    engine, optimizer, kind
):
    plan, data = case("none", optimizer, kind, "float32")
    plan = replace(plan, epochs=1, schedule=wg.Cosine(warm_up=0.2, last=0.1))
    probed = run(engine, plan, data, Probes(weights=WEIGHTS[:3]))[1].weights
    left_out = tuple(replace(probe, rows=(), theta=False) for probe in WEIGHTS[:3])
    blocks = run(engine, plan, data, Probes(weights=left_out))[1].weights.blocks
    for one, other in zip(probed.blocks, blocks, strict=True):
        assert one.lost is None
        if optimizer != "adamw":
            assert other.lost is None
            continue
        lost = 1 - probed.coefficients[:, 2, None, None]
        assert lost.max() > 2 * lost.min() > 0
        np.testing.assert_allclose(other.lost, (lost * one.theta).sum(axis=0), rtol=0, atol=1e-15)


def penalised_by_hand(plan, probed, block):
    """What penalties moved and left in m, and the sizes of both, one step of Adam after the other."""
    rule, found = plan.optimizer, np.zeros((4, *block.probe.shape))
    moved, left, moved_size, left_size = found
    for t in range(len(block.theta)):
        push = probed.l1[t] * np.sign(block.theta[t]) + probed.l2[t] * block.theta[t].astype(float)
        push[:, -1] = 0  # the bias
        eta, epsilon = probed.coefficients[t, :2]
        left[...] = rule.beta1 * left + (1 - rule.beta1) * push
        left_size[...] = rule.beta1 * left_size + (1 - rule.beta1) * np.abs(push)
        inverse = np.float32(1) / (np.sqrt(block.slot(1)[t]) + np.float32(epsilon))
        moved -= eta * inverse.astype(float) * left
        moved_size += eta * inverse.astype(float) * left_size
    return found


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros", "csr"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam, epsilon_hat", "adamw"])
@pytest.mark.parametrize(
    "regularisation", ["none", "l1", "l2 per batch", "l2 per example", "clip norm"]
)
def test_what_penalties_moved_by_adam_is_followed_where_theta_is_left_out(
    engine, regularisation, optimizer, kind
):
    plan, data = case(regularisation, optimizer, kind, "float32")
    plan = replace(plan, epochs=1, schedule=wg.Cosine(warm_up=0.2, last=0.1))
    probed = run(engine, plan, data, Probes(weights=WEIGHTS[:3]))[1].weights
    for rows in ((), (1,), None):
        left_out = tuple(replace(probe, rows=rows, theta=False) for probe in WEIGHTS[:3])
        blocks = run(engine, plan, data, Probes(weights=left_out))[1].weights.blocks
        for one, other in zip(probed.blocks, blocks, strict=True):
            assert one.penalties is None
            if optimizer == "sgd" or regularisation in ("none", "clip norm"):
                assert other.penalties is None
                continue
            true = penalised_by_hand(plan, probed, one)
            assert (true[2:, :, :-1] > 0).all()
            np.testing.assert_allclose(other.penalties, true, rtol=1e-12, atol=1e-18)


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros", "csr"])
@pytest.mark.parametrize("regularisation", REGULARISATION)
def test_probes_show_all_that_moved_the_weights(engine, regularisation, kind):
    plan, data = case(regularisation, "sgd", kind)
    state, seen = run(engine, plan, data, LOOK)
    probed, theta = seen.weights, start(plan).theta
    for t in range(5):
        before, after = Parameters(SIZES, theta), []
        for block in probed.blocks:
            l, to, from_ = block.probe.layer, slice(*block.probe.to), slice(*block.probe.from_)
            rows = np.column_stack([before.W[l], before.b[l]])[to, from_]
            np.testing.assert_allclose(block.theta[t], rows, rtol=0, atol=1e-14)
        for block in probed.blocks[:3]:
            after.append(moved(plan, probed, block, t))
        theta = np.concatenate([part for W in after for part in (W[:, :-1].ravel(), W[:, -1])])
    np.testing.assert_allclose(theta, state.theta, rtol=0, atol=1e-14)


def moved(plan, probed, block, t):
    """The weights of a probe after step t of plain descent, by nothing but what it saw."""
    g = block.delta[t].T @ block.a[t] / probed.S[t]
    W = block.theta[t][:, :-1]
    g[:, :-1] += probed.l1[t] * np.sign(W) + probed.l2[t] * W
    if plan.clip.value is not None:
        g = np.clip(g, -plan.clip.value, plan.clip.value)
    return (1 - plan.l2.decay) * (block.theta[t] - probed.coefficients[t, 0] * probed.scale[t] * g)


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros", "csr"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_small_probes_are_parts_of_large_ones(engine, optimizer, kind):
    plan, data = case("everything", optimizer, kind)
    state, seen = run(engine, plan, data, LOOK)
    layers = {block.probe.layer: block for block in seen.weights.blocks[:3]}
    for block in seen.weights.blocks[3:]:
        whole_layer = layers[block.probe.layer]
        to, from_ = slice(*block.probe.to), slice(*block.probe.from_)
        np.testing.assert_array_equal(block.theta, whole_layer.theta[:, to, from_])
        np.testing.assert_array_equal(block.opt_state, whole_layer.opt_state[:, :, to, from_])
        np.testing.assert_array_equal(block.a, whole_layer.a[:, :, from_])
        np.testing.assert_array_equal(block.delta, whole_layer.delta[:, :, to])
    last = [layers[l].opt_state[-1] for l in (1, 2, 3)]
    for i, slot in enumerate(state.opt_state):
        flat = [part for s in last for part in (s[i, :, :-1].ravel(), s[i, :, -1])]
        np.testing.assert_array_equal(np.concatenate(flat), slot)


@each_engine
def test_a_short_batch_is_filled_up_with_nothing(engine):
    plan, data = case("everything")
    _, seen = run(engine, plan, data, LOOK)
    probed = seen.weights
    order = plan.order(0)
    np.testing.assert_array_equal(probed.examples.ravel()[:N], order)
    assert (probed.examples.ravel()[N:] == -1).all()
    for block in probed.blocks:
        assert not block.a[-1, 3:].any() and not block.delta[-1, 3:].any()
    np.testing.assert_allclose(probed.S[-1], data.sample_weight[order[20:]].sum())


@each_engine
@pytest.mark.parametrize("regularisation", ["none", "dropout", "everything"])
@pytest.mark.parametrize("kind", ["dense", "zeros"])
def test_statistics_are_those_of_the_step(engine, kind, regularisation):
    plan, data = case(regularisation, "adam", kind)
    _, seen = run(engine, plan, data, Probes(every=3))
    state, steps = start(plan), seen.statistics.steps
    assert steps.tolist() == [0, 3]
    for t in range(5):
        before = state.copy()
        state, _ = choose("reference", plan).run(plan, state, data, t + 1, Probes())
        if t not in steps:
            continue
        batch = plan.batch(0, t)
        s = None if data.sample_weight is None else data.sample_weight[batch]
        S = len(batch) if s is None else s.sum()
        theta = Parameters(SIZES, before.theta)
        trace = forward(plan.net, theta, data.X[batch], plan.masks(t, batch))
        trace = backward(plan.net, theta, trace, data.Y[batch])
        lambdas = plan.l1.of_batch(S, N), plan.l2.of_batch(S, N)
        g = gradients(plan.net, theta, trace, s, *lambdas)
        now = Parameters(SIZES, state.theta)
        for l in (1, 2, 3):
            row = dict(
                zip(STATISTICS, seen.statistics.values[list(steps).index(t), l - 1], strict=True)
            )
            delta = trace.delta[l] * (1 if s is None else s[:, None])
            slope = 1 - np.tanh(trace.z[l]) ** 2
            gelu = plan.net.f[1].derivative(trace.z[1])
            truth = {
                "theta": both(theta.W[l], theta.b[l]),
                "gradient": both(g.dW[l], g.db[l]),
                "update": both(now.W[l] - theta.W[l], now.b[l] - theta.b[l]),
                "dead": (np.abs(gelu) < 0.05 * 1.1289).all(axis=0).mean() if l == 1 else 0,
                "saturated": (slope < 0.05).mean() if l == 2 else 0,
                "mean_a": trace.a[l].mean(),
                "std_a": trace.a[l].std(),
                "mean_delta": delta.mean(),
                "std_delta": delta.std(),
            }
            for name, value in truth.items():
                assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-13), (t, l, name)


def both(W, b):
    return np.sqrt((W**2).sum() + (b**2).sum())


@each_engine
def test_units_that_are_never_active_are_dead_and_flat_ones_saturated(engine):
    layers = [
        wg.Dense(4, "relu"),
        wg.Dense(4, "sigmoid"),
        wg.Dense(4, "tanh"),
        wg.Dense(1, "identity"),
    ]
    net = wg.Network(2, layers)
    W = [None, np.zeros((4, 2)), np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((1, 4))]
    far = [None, [1.0, -1.0, -1.0, -2.0], [0.0, 4.5, 4.2, -9.0], [0.0, 2.1, -2.3, 2.3], [0.0]]
    theta = net.init(W=W, b=far)
    data = as_data(net, np.ones((8, 2)), np.ones((8, 1)))
    plan = Plan(net, wg.SGD(0.1), n=8, batch_size=8)
    _, seen = choose(engine, plan).run(plan, start(plan, theta), data, 1, Probes(every=1))
    assert seen.statistics["dead"].tolist() == [[0.75, 0, 0, 0]]
    assert seen.statistics["saturated"].tolist() == [[0, 0.5, 0.5, 0]]


@each_engine
@pytest.mark.parametrize("kind", ["dense", "zeros"])
@pytest.mark.parametrize("regularisation", ["none", "everything"])
def test_a_multiplier_of_zero_leaves_an_example_out(engine, regularisation, kind):
    plan, data = case(regularisation, "momentum", kind)
    multipliers = np.ones(N)
    multipliers[[3, 8, 20]] = 0
    absent = replace(data, X=data.X.copy(), Y=data.Y.copy())
    absent.X[[3, 8, 20]] = 7.0  # what they were makes no difference
    for rescale in (False, True):
        without, without_absent = (
            replace(given, multipliers=multipliers, rescale=rescale) for given in (data, absent)
        )
        state, _ = run(engine, plan, without, Probes())
        np.testing.assert_allclose(
            run(engine, plan, without_absent, Probes())[0].theta, state.theta, rtol=0, atol=1e-14
        )
        plain = np.ones(N) if data.sample_weight is None else data.sample_weight
        remaining, _ = run(engine, plan, replace(data, sample_weight=plain * multipliers), Probes())
        gap = np.abs(state.theta - remaining.theta).max()
        assert gap <= 1e-14 if rescale else gap > 1e-4


@each_engine
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("regularisation", ["l2 per example", "everything"])
def test_layer_statistics_are_those_of_the_step_with_examples_left_out(
    engine, regularisation, rescale
):
    """The step that ends an epoch, computed again, is the one that a probe sees."""
    plan, data = case(regularisation)
    multipliers = np.ones(N)
    multipliers[plan.batch(0, 4)[:2]] = 0  # of the last batch's three
    data, machine = replace(data, multipliers=multipliers, rescale=rescale), choose(engine, plan)
    training = Training(replace(plan, epochs=1), start(plan), data, None, machine, True)
    layers = training_loop(training)[1].epochs[0].layers
    _, seen = run(engine, plan, data, Probes(every=4))
    for name in ("gradient", "update"):
        shown, size = seen.statistics[name][-1], seen.statistics["theta"][-1]
        expected = shown / size if name == "update" else shown
        np.testing.assert_allclose([getattr(one, name) for one in layers], expected, rtol=1e-9)


def test_the_cost_that_a_training_begins_with_is_that_of_the_examples_that_remain():
    plan, data = case()
    multipliers = np.arange(N) >= 3
    rest = Data(data.X[3:], data.Y[3:])
    absent = replace(data, multipliers=multipliers.astype(float), rescale=True)
    first, expected = (with_first_cost(plan, start(plan), of).first_cost for of in (absent, rest))
    assert first == pytest.approx(expected, rel=1e-14)


@each_engine
def test_multipliers_are_forgotten_afterwards(engine):
    plan, data = case()
    machine = choose(engine, plan)
    truth, _ = run(engine, plan, data, Probes())
    machine.run(plan, start(plan), replace(data, multipliers=np.zeros(N)), 5, Probes())
    state, _ = machine.run(plan, start(plan), data, 5, Probes())
    np.testing.assert_array_equal(state.theta, truth.theta)


@each_engine
def test_where_all_are_left_out_only_penalties_move(engine):
    plan, data = case("l2 per batch")
    nobody = replace(data, multipliers=np.zeros(N))
    state, _ = run(engine, plan, nobody, Probes(), until=1)
    before, after = Parameters(SIZES, start(plan).theta), Parameters(SIZES, state.theta)
    for l in (1, 2, 3):
        np.testing.assert_allclose(after.W[l], before.W[l] * (1 - 0.05 * 0.1), rtol=1e-14)
        np.testing.assert_array_equal(after.b[l], before.b[l])


@each_engine
@pytest.mark.parametrize("steps", [1, 2])
def test_where_chunks_end_never_changes_what_is_seen(engine, steps):
    plan, data = case("everything", "adam", "zeros", "float32")
    _, whole_look = run(engine, plan, data, LOOK)
    state, parts = start(plan), []
    while state.step < 5:
        state, seen = choose(engine, plan).run(plan, state, data, min(5, state.step + steps), LOOK)
        parts.append(seen)
    values = np.concatenate([part.statistics.values for part in parts])
    np.testing.assert_array_equal(values, whole_look.statistics.values)
    for i, block in enumerate(whole_look.weights.blocks):
        for name in ("theta", "opt_state", "a", "delta"):
            pieces = [getattr(part.weights.blocks[i], name) for part in parts]
            np.testing.assert_array_equal(np.concatenate(pieces), getattr(block, name))


@needs_native
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("kind", ["dense", "zeros"])
def test_threads_that_share_a_step_show_the_same(optimizer, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 300)) * (rng.random((300, 300)) < (0.2 if kind == "zeros" else 1))
    net = wg.Network(
        300, [wg.Dense(100, "relu"), wg.Dense(90, "tanh"), wg.Dense(3, "softmax")], "cross_entropy"
    )
    data = as_data(net, X, np.arange(300) % 3)
    plan = Plan(net, OPTIMIZERS[optimizer], 300, batch_size=150, l1=wg.Penalty(1e-4))
    sizes = net.sizes
    probes = Probes(every=1, weights=(whole(sizes, 2), weight(1, 99, 299)))
    shared, seen = run("native", plan, data, probes, until=2)
    truth_state, truth = run("reference", plan, data, probes, until=2)
    np.testing.assert_array_equal(
        run("native", plan, data, Probes(), until=2)[0].theta, shared.theta
    )
    np.testing.assert_allclose(
        seen.statistics.values, truth.statistics.values, rtol=1e-9, atol=1e-13
    )
    for one, other in zip(seen.weights.blocks, truth.weights.blocks, strict=True):
        for name in ("theta", "opt_state", "a", "delta"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-13
            )


@each_engine
@pytest.mark.parametrize("size", [1e-25, 1.0])
def test_lengths_are_right_where_squares_are_too_small_for_float32(engine, size):
    net = wg.Network(50, [wg.Dense(60, "identity"), wg.Dense(1, "identity")], "squared_error")
    rng = np.random.default_rng(0)
    X, W_1, W_2 = (rng.normal(size=shape) for shape in ((4, 50), (60, 50), (1, 60)))
    W_1, W_2 = W_1 * size, W_2 * size
    theta = net.init(W=[None, W_1, W_2], b=[None, np.zeros(60), np.zeros(1)], dtype=np.float32)
    plan = Plan(net, wg.SGD(0.1), 4, batch_size=4, dtype="float32")
    data = as_data(net, X, np.ones((4, 1)), None, "float32")
    _, seen = choose(engine, plan).run(plan, start(plan, theta), data, 1, Probes(every=1))
    delta = (X @ W_1.T @ W_2.T - 1) @ W_2
    gradient = np.linalg.norm(np.column_stack([delta.T @ X, delta.sum(axis=0)])) / 4
    names = ("theta", "gradient", "update", "std_delta")
    found = [seen.statistics[name][0, 0] for name in names]
    expected = [np.linalg.norm(W_1), gradient, 0.1 * gradient, delta.std()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@each_engine
def test_a_step_that_diverges_is_not_among_those_seen(engine):
    plan, data = case(optimizer="sgd", cost="squared_error")
    plan = replace(plan, optimizer=wg.SGD(1e200))
    state, seen = run(engine, plan, data, replace(LOOK, every=1))
    assert seen.diverged and state.step < 4
    assert len(seen.costs) == len(seen.statistics.steps) == len(seen.weights.scale) == state.step
    assert all(len(block.theta) == state.step for block in seen.weights.blocks)


@pytest.mark.parametrize(
    ("probes", "line"),
    [
        (Probes(weights=(weight(4, 0, 0),)), "layer 4: the layers with weights are 1 to 3"),
        (Probes(weights=(weight(2, 7, 0),)), "to 7 … 7: in layer 2 up to 6"),
        (Probes(weights=(weight(2, 0, 10),)), "from 10 … 10: in layer 2 up to 9"),
    ],
)
@each_engine
def test_weights_that_are_not_there_cannot_be_probed(engine, probes, line):
    plan, data = case()
    with pytest.raises(wg.InputError) as caught:
        run(engine, plan, data, probes)
    assert str(caught.value) == line


def test_there_is_a_multiplier_for_each_example():
    _, data = case()
    with pytest.raises(wg.InputError) as caught:
        replace(data, multipliers=np.ones(3))
    assert str(caught.value) == "multipliers have shape (3,): one number for each of 23 examples"
