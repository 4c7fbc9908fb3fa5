"""Products in bfloat16: what is rounded, by which engine, and that all that is asked later knows of it."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from covering import pairwise
from engines import needs_bfloat16
from plans import FACTORS, name_of
from test_engines_agree import distance, fit
from whygrad.engines import Probes, WeightProbe, choose
from whygrad.engines.machine_code import bfloat16 as instructions
from whygrad.engines.native import engine as native
from whygrad.nn import Parameters, backward, forward, gradient_sums
from whygrad.nn.arrays import as_data
from whygrad.nn.products import as_multiplied, bfloat16
from whygrad.plan.plan import Plan, start
from whygrad.why.bound import Why
from whygrad.why.training_history.adjoint import adjoint
from whygrad.why.training_history.trajectory import trajectory

PAIRS = {"products": "bfloat16", "dtype": "float32"}
# After an epoch: the largest gap, in parts of the largest parameter; the mean one, of how far parameters
# have moved; and that of costs. Sums in another order have other last bits; one in some thousand of those
# takes an operand to the other side of a rounding, by 2⁻⁸ of it.
LARGEST, MEAN, COST = 3e-4, 5e-5, 2e-5
ROWS = pairwise(
    FACTORS
    | {
        "optimizer": ["sgd", "nesterov", "adam"],
        "cost": ["squared_error", "cross_entropy", "binary_cross_entropy"],
        "schedule": ["constant"],
        "dtype": ["float32"],
    }
)

net = wg.Network(6, [wg.Dense(20, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
rng = np.random.default_rng(3)
X = rng.normal(size=(60, 6)).astype("float32")
y = (X[:, 0] > 0) + (X[:, 1] > 0.5).astype(int)
options = dict(epochs=2, batch_size=20, seed=1, **PAIRS)


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(native, "own_cores", lambda: 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recorded training, by the engine that "auto" is."""
    path = tmp_path_factory.mktemp("runs") / "pairs.run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.EngineWarning)
        wg.train(net, X, y, optimizer=wg.SGD(0.5), record=path, **options)
    return wg.open_run(path)


def mean_gap(ours, truth):
    """The mean gap between two trainings' parameters, in parts of how far these have moved."""
    moved = truth.theta.flat - truth.net.init(1, dtype="float32").flat
    return np.abs(ours.theta.flat - truth.theta.flat).mean() / np.abs(moved).mean()


def nearest(x):
    """Of the two bfloat16 around a float32, in float64: the nearer one, or the even one."""
    bits = int(np.float32(x).view(np.uint32))
    below, above = (np.uint32(n << 16).view(np.float32) for n in (bits >> 16, (bits >> 16) + 1))
    gaps = abs(float(x) - float(below)), abs(float(above) - float(x))
    if gaps[0] == gaps[1]:
        return below if (bits >> 16) % 2 == 0 else above
    return below if gaps[0] < gaps[1] else above


def test_rounding_is_to_the_nearest_and_ties_go_to_the_even_one():
    drawn = rng.normal(size=300).astype("float32") * np.float32(10) ** rng.integers(-30, 30, 300)
    ties = np.array([0x3F808000, 0x3F818000, 0xBF808000, 0x3F808001], np.uint32).view(np.float32)
    numbers = np.concatenate([drawn.astype("float32"), ties])
    assert bfloat16(numbers).tolist() == [float(nearest(x)) for x in numbers]
    assert bfloat16(numbers.astype(float)).dtype == np.float64


def strange():
    """NaN of several bits, infinities, zeros, numbers around the least normal one, and the largest."""
    bits = [0x7F800001, 0xFFC00000, 0x7FFFFFFF, 0x7F800000, 0xFF800000, 0, 0x80000000]
    bits += [0x00000001, 0x807FFFFF, 0x00800000, 0x80800001, 0x7F7FFFFF, 0x7F7F7FFF]
    return np.array(bits, np.uint32).view(np.float32)


def test_nan_stays_nan_and_what_is_subnormal_becomes_a_zero_of_its_sign():
    found, given = bfloat16(strange()), strange()
    assert np.isnan(found[:3]).all() and found[3:5].tolist() == [np.inf, -np.inf]
    assert not found[7:9].any() and np.signbit(found[5:9]).tolist() == [False, True, False, True]
    assert found[9:11].tolist() == [given[9], -given[9]]
    assert found[11] == np.inf and found[12] == given[12] - given[12] % np.float32(2.0**120)


@needs_bfloat16
def test_the_processor_rounds_to_the_same_bits():
    from kernels import from_python
    from whygrad.engines.native.products.dense import as_operands
    from whygrad.engines.native.products.pairs import PAIRS as SIZE

    numbers = np.concatenate([rng.normal(size=75).astype("float32"), strange()])
    rounded = numbers.copy()
    from_python(as_operands)(rounded, 0, len(rounded) - 1, np.zeros(SIZE, np.int32))
    expected = np.append(bfloat16(numbers[:-1]), numbers[-1])  # the last one was left as it is
    assert np.array_equal(rounded.view(np.uint32), expected.view(np.uint32))


def test_a_gradient_is_that_of_rounded_operands_written_out():
    """With weights of examples, which multiply an error before it is rounded; a bias learns from that."""
    r = bfloat16
    theta, s = net.init(4, dtype="float32"), rng.uniform(0, 2, 60).astype("float32")
    data = as_data(net, X, y, s, "float32")
    plan = Plan(net, wg.SGD(1.0), n=60, batch_size=60, shuffle=False, **PAIRS)
    after, _ = choose("reference", plan).run(plan, start(plan, theta), data, 1, Probes())
    W, b = theta.W, theta.b
    a = r(np.tanh(r(X) @ r(W[1]).T + b[1]))
    z = a @ r(W[2]).T + b[2]
    output = np.exp(z - z.max(axis=1, keepdims=True))
    output /= output.sum(axis=1, keepdims=True)
    above = r((output - data.Y) * s[:, None])
    slope = 1 - np.tanh(r(X) @ r(W[1]).T + b[1]) ** 2  # of what was not rounded
    below = r(above @ r(W[2]) * slope)
    expected = [below.T @ r(X), below.sum(axis=0), above.T @ a, above.sum(axis=0)]
    moved = theta.flat - after.theta
    flat = np.concatenate([part.ravel() for part in expected]) / s.sum()
    np.testing.assert_allclose(moved, flat, atol=2e-7)
    plain, _ = choose("reference", plain := replace(plan, products=None)).run(
        plain, start(plan, theta), data, 1, Probes()
    )
    assert np.abs(plain.theta - after.theta).max() > 1e-4


@needs_bfloat16
@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_the_engines_agree_on_rounded_operands(row, threads):
    row = row | PAIRS | {"epochs": 1}
    ours, truth = fit("native", row), fit("reference", row)
    assert distance(ours, truth) <= LARGEST
    assert mean_gap(ours, truth) <= MEAN
    np.testing.assert_allclose(ours.history.cost, truth.history.cost, rtol=COST)


@needs_bfloat16
@pytest.mark.parametrize("row", ROWS[:3], ids=name_of)
def test_what_is_rounded_away_is_far_beyond_that(row):
    row = row | PAIRS | {"epochs": 1}
    assert mean_gap(fit("native", row, products=None), fit("native", row)) > 5 * MEAN


@needs_bfloat16
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_bits_do_not_depend_on_threads(kind, monkeypatch):
    row = ROWS[0] | PAIRS | {"epochs": 1, "size": "large", "kind": kind}
    found = []
    for count in (1, 2, 5):
        monkeypatch.setattr(native, "own_cores", lambda count=count: count)
        found.append(fit("native", row).theta.flat.tobytes())
    assert found[0] == found[1] == found[2]


@needs_bfloat16
def test_blocks_without_examples_add_nothing(threads):
    """The last batch has fewer examples than there are blocks, which add up gradients of their own."""
    draws, n = np.random.default_rng(0), 256 + 3
    large = wg.Network(20, [wg.Dense(100, "relu"), wg.Dense(2, "softmax")], "cross_entropy")
    X, y = draws.normal(size=(n, 20)), draws.integers(0, 2, n)
    given = {"optimizer": wg.SGD(0.1), "batch_size": 256, "epochs": 2, **PAIRS}
    ours, truth = (wg.train(large, X, y, engine=name, **given) for name in ("native", "reference"))
    assert distance(ours, truth) <= LARGEST


@needs_bfloat16
def test_probes_see_what_was_multiplied():
    """a and δ of the batch, of both engines; and of the first layer the inputs."""
    data = as_data(net, X, y, None, "float32")
    plan = Plan(net, wg.SGD(0.5), n=60, batch_size=20, **PAIRS)
    probes = Probes(every=1, weights=tuple(WeightProbe(l, (0, 3), (0, 7)) for l in (1, 2)))
    seen = {
        name: choose(name, plan).run(plan, start(plan), data, 2, probes)[1]
        for name in ("native", "reference")
    }
    for ours, truth in zip(*(one.weights.blocks for one in seen.values()), strict=True):
        for name in ("a", "delta"):
            found = getattr(ours, name)
            assert found.any() and np.array_equal(found, bfloat16(found))
            np.testing.assert_allclose(found, getattr(truth, name), atol=1e-6)
    ours, truth = (one.statistics.values for one in seen.values())
    np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-6)


def test_the_curvature_is_that_of_rounded_operands():
    """H v by a difference of gradients: rounding counts as the identity, and so as no curvature."""
    data = as_data(net, X, y, None, "float32")
    plan = Plan(net, wg.SGD(0.5), n=60, batch_size=60, shuffle=False, **PAIRS)
    v = np.random.default_rng(5).normal(size=len(net.init().flat)).astype("float32")
    for name in ("native", "reference"):
        try:
            engine = choose(name, plan)
        except wg.InputError:  # a processor without the instructions
            continue
        found = engine.hessian_times(plan, start(plan), data, v[None]).products[0]
        W = Parameters(net.sizes, start(plan).theta.astype(float))
        for each in W.W[1:]:
            each[...] = bfloat16(each)
        along = []
        for step in (-1e-4, 1e-4):
            theta = Parameters(net.sizes, W.flat + step * v)
            trace = backward(net, theta, forward(net, theta, bfloat16(X).astype(float)), data.Y)
            along.append(gradient_sums(net, trace).flat / 60)
        expected = (along[1] - along[0]) / 2e-4
        assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()


def test_a_run_keeps_them_and_is_run_again_to_the_bit(run):
    assert run.plan.products == "bfloat16"
    assert run.replay().verdict.holds
    assert run.resume(epochs=3).plan.products == "bfloat16"
    fork = run.fork(3, products=None, epochs=2)
    assert fork.plan.products is None and not np.array_equal(fork.theta.flat, run.theta.flat)


def test_a_ledger_adds_up_to_what_was_multiplied(run):
    for layer in (1, 2):
        told = run.why.ledger(layer=layer, to=1, from_=2)
        assert set(told.residuals) <= {"rounding"}


def test_influence_walks_back_over_what_was_multiplied():
    """Of one step, what an example did to W¹ follows from x, W² and δ² as they were multiplied.

    δ¹ is not rounded once more: rounding counts as the identity.
    """
    plan = Plan(net, wg.SGD(0.5), n=60, epochs=1, batch_size=60, **PAIRS)
    data, first = as_data(net, X, y, None, "float32"), start(plan)
    path = trajectory(plan, first, data, engine="reference")
    found = adjoint(path, np.eye(3, len(first.theta))).by_example  # of W¹₀₀, W¹₀₁ and W¹₀₂
    theta = Parameters(net.sizes, first.theta)
    for products in ("bfloat16", None):
        trace = backward(net, theta, forward(net, theta, X, products=products), data.Y)
        error = trace.delta[2] @ as_multiplied(theta, products).W[2]
        delta = error * net.f[1].derivative(trace.z[1])
        expected = -0.5 / 60 * delta[:, :1] * trace.a[0][:, :3]
        gap = np.abs(found - expected.T).max() / np.abs(expected).max()
        assert gap < 1e-5 if products else gap > 1e-4


def test_questions_take_inputs_and_weights_as_they_were_multiplied(run):
    asked = run.why.weight(X[:20], y[:20], layer=2, to=1, from_=3)
    plain = Why(net, run.theta).weight(X[:20], y[:20], layer=2, to=1, from_=3)
    theta = run.theta.copy()
    for W in theta.W[1:]:
        W[...] = bfloat16(W)
    rounded = Why(net, theta).weight(bfloat16(X[:20]), y[:20], layer=2, to=1, from_=3)
    assert asked.value == rounded.value != plain.value
    assert any("bfloat16" in note for note in asked.notes)
    assert set(asked.residuals) <= {"rounding"}


def test_penalties_are_of_theta_itself_as_in_training():
    """What they add to the gradient is what they add to the reference engine's."""
    data, theta = as_data(net, X, y, None, "float32"), net.init(4, dtype="float32")
    plain = Plan(net, wg.SGD(0.5), n=60, batch_size=60, **PAIRS)
    strengths = {"l1": 0.25, "l2": 0.5}
    plan = replace(plain, **{name: wg.Penalty(each) for name, each in strengths.items()})
    engine = choose("reference", plan)
    (C, g), (C_plain, g_plain) = (
        engine.cost_and_gradient(each, theta.flat, data) for each in (plan, plain)
    )
    expected = Parameters(net.sizes, g - g_plain).W[1]
    gap = abs(expected - 0.25 * np.sign(theta.W[1]) - 0.5 * bfloat16(theta.W[1]))
    j, k = (int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
    assert gap[j, k] > 1e-4  # what a rounded weight would be off by
    why, at = Why(net, theta, products="bfloat16"), {"layer": 1, "to": j, "from_": k}
    for ask in (why.weight, why.paths):
        found, without = ask(X, y, **at, **strengths), ask(X, y, **at)
        assert abs(found.value - without.value - expected[j, k]) < 1e-6
        said = sum(term.value for term in found.terms if term.name in ("L1 penalty", "L2 penalty"))
        assert abs(said - expected[j, k]) < 1e-6
        assert set(found.residuals) <= {"rounding", "not listed"}
    w = float(theta.W[1][j, k])
    moved, without = (why.ripple(X, y, **at, by=0.1, **each) for each in (strengths, {}))
    change = 0.25 * (abs(w + 0.1) - abs(w)) + 0.25 * ((w + 0.1) ** 2 - w**2)
    assert abs(moved.value - without.value - change) < 1e-12
    costs = [
        next(table.rows[0][1] for table in answer.tables if table.rows[0][0] == "cost")
        for answer in (why.neuron(X, y, layer=1, unit=0, **each) for each in (strengths, {}))
    ]
    assert abs(costs[0] - costs[1] - (C - C_plain)) < 1e-5
    assert why.check(X, y, **strengths)["passed"]


def test_what_cannot_be_is_refused_in_one_line():
    plan = Plan(net, wg.SGD(0.1), n=60, **PAIRS)
    with pytest.raises(wg.InputError, match="float32, and this training is in float64"):
        replace(plan, dtype="float64")
    with pytest.raises(wg.InputError, match="too coarse for the line search"):
        replace(plan, optimizer=wg.LBFGS())
    with pytest.raises(wg.InputError, match="products is 'float16': use 'bfloat16'"):
        replace(plan, products="float16")
    with pytest.raises(wg.InputError, match="are for the engines 'native' and 'reference'"):
        choose("xla", plan)


def test_without_the_instructions_the_reference_engine_trains_and_says_so(monkeypatch):
    monkeypatch.setattr(instructions, "missing", lambda: "there is no AVX512-BF16 here")
    with pytest.warns(wg.EngineWarning, match="reference engine: there is no AVX512-BF16 here"):
        ours = wg.train(net, X, y, **options)
    truth = wg.train(net, X, y, engine="reference", **options)
    assert np.array_equal(ours.theta.flat, truth.theta.flat)
    assert wg.train(net, X, y, epochs=1).theta.flat.dtype == np.float32


def test_estimators_have_them_for_float32():
    given = dict(hidden_layer_sizes=(20,), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, rounded = (
            wg.MLPClassifier(products=products, **given).fit(X, y)
            for products in (None, "bfloat16")
        )
        assert 0 < np.abs(plain.theta_.flat - rounded.theta_.flat).max() < 0.01
        with pytest.raises(wg.InputError, match="this training is in float64"):
            wg.MLPRegressor(products="bfloat16", **given).fit(X.astype(float), y)
