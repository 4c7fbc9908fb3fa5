"""The engine on JAX: the training of the reference engine, whole, in blocks and probed."""

import os
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

import whygrad as wg
from plans import FACTORS, ROWS, examples, name_of, network
from test_engines_agree import TOLERANCE, distance, fit
from test_probes import LOOK, case
from whygrad.engines import Probes, choose
from whygrad.engines.blocks import tree_sum
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training import loop as training

pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: make peers")

# Every choice once; `make test-long` takes every pair of choices.
EACH = [
    {name: values[i % len(values)] for name, values in FACTORS.items()}
    for i in range(max(len(values) for values in FACTORS.values()))
]


@pytest.mark.parametrize("row", ROWS if os.environ.get("WHYGRAD_ALL_PAIRS") else EACH, ids=name_of)
def test_it_trains_as_the_reference_does(row):
    blocks = 1 if row["size"] == "small" else 4
    ours, truth = (fit(engine, row, blocks=blocks) for engine in ("xla", "reference"))
    assert ours.history.stopped == truth.history.stopped
    np.testing.assert_allclose(ours.history.cost, truth.history.cost, rtol=TOLERANCE[row["dtype"]])
    assert distance(ours, truth) <= TOLERANCE[row["dtype"]]
    assert not ours.theta.flat[ours.net.masked].any()


@pytest.mark.parametrize("optimizer", [wg.SGD(0.1, momentum=0.9), wg.AdamW(0.01, decay=0.3)])
def test_parameters_learn_at_rates_of_their_own(optimizer):
    X, Y = examples("dense", "squared_error", "float64")
    net = wg.Network(70, [wg.Dense(4, "tanh"), wg.Dense(3, "identity")])
    options = {"optimizer": optimizer, "rate_multipliers": {"b": 2.0, "W1": 0.5}, "epochs": 2}
    ours, truth, alike = (
        wg.train(net, X, Y, engine=engine, **(options | more))
        for engine, more in (("xla", {}), ("reference", {}), ("xla", {"rate_multipliers": {}}))
    )
    assert distance(ours, truth) < 1e-12 < distance(ours, alike)


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_where_chunks_end_never_changes_a_bit(blocks, dtype, monkeypatch):
    row = EACH[6] | {"dtype": dtype, "size": "small", "kind": "dense"}
    whole = fit("xla", row, blocks=blocks)
    monkeypatch.setattr(training, "next_chunk", lambda *_: 2)
    parts = fit("xla", row, blocks=blocks)
    np.testing.assert_array_equal(parts.theta.flat, whole.theta.flat)
    assert parts.history == whole.history


@pytest.mark.parametrize("kind, blocks", [("dense", 1), ("csr", 1), ("dense", 4)])
def test_probes_see_what_the_reference_shows_and_change_no_bit(kind, blocks):
    plan, data = case("everything", "adamw", kind)
    plan = replace(plan, blocks=blocks)
    ours, truth = (choose(name, plan) for name in ("xla", "reference"))
    blind, _ = ours.run(plan, start(plan), data, 5, Probes())
    state, seen = ours.run(plan, start(plan), data, 5, LOOK)
    np.testing.assert_array_equal(state.theta, blind.theta)
    np.testing.assert_array_equal(state.opt_state, blind.opt_state)
    _, expected = truth.run(plan, start(plan), data, 5, LOOK)
    np.testing.assert_allclose(seen.costs, expected.costs, rtol=1e-13)
    assert seen.statistics.steps.tolist() == [0, 2, 4]
    np.testing.assert_allclose(
        seen.statistics.values, expected.statistics.values, rtol=1e-11, atol=1e-15
    )
    np.testing.assert_array_equal(seen.weights.examples, expected.weights.examples)
    for name in ("S", "l1", "l2", "scale", "coefficients"):
        np.testing.assert_allclose(
            getattr(seen.weights, name), getattr(expected.weights, name), rtol=1e-12
        )
    for block, other in zip(seen.weights.blocks, expected.weights.blocks, strict=True):
        for name in ("theta", "opt_state", "a", "delta"):
            np.testing.assert_allclose(getattr(block, name), getattr(other, name), atol=1e-13)


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_the_gradient_over_all_data_is_that_of_the_reference(kind, monkeypatch):
    from whygrad.engines.xla import engine

    monkeypatch.setattr(engine, "BLOCK", 7 * 70)
    net = network("cross_entropy", dropout=0.5)
    data = as_data(net, *examples(kind, "cross_entropy", "float64"))
    plan = Plan(net, wg.SGD(0.1), n=23, l2=wg.Penalty(0.1), batch_size=5)
    theta = start(plan).theta
    C, g = choose("xla", plan).cost_and_gradient(plan, theta, data)
    truth, true_g = choose("reference", plan).cost_and_gradient(plan, theta, data)
    assert pytest.approx(truth, rel=1e-13) == C
    np.testing.assert_allclose(g, true_g, atol=1e-14)


def test_a_training_that_diverges_ends_before_the_step_whose_cost_is_not_finite():
    X, Y = examples("dense", "squared_error", "float64")
    net = wg.Network(70, [wg.Dense(3, "identity")])
    with pytest.warns(wg.DivergenceWarning):
        ours, truth = (
            wg.train(net, X, Y, optimizer=wg.SGD(1e9), epochs=200, batch_size=5, engine=engine)
            for engine in ("xla", "reference")
        )
    assert ours.history.stopped == truth.history.stopped
    np.testing.assert_allclose(ours.theta.flat, truth.theta.flat, rtol=1e-9)


def test_sums_go_in_pairs_whatever_share_of_them_a_process_has():
    parts = np.random.default_rng(0).normal(size=(8, 1000)) * 10.0 ** np.arange(8)[:, None]
    whole = tree_sum(parts)
    for processes in (2, 4, 8):
        roots = np.array([tree_sum(share) for share in np.split(parts, processes)])
        np.testing.assert_array_equal(tree_sum(roots), whole)
    assert (tree_sum(parts[::-1]) != parts.sum(axis=0)).any()


def test_blocks_are_1_2_4_and_no_more_than_the_batch_has_examples():
    net = network("cross_entropy")
    for blocks, batch_size in ((3, 8), (16, 8), (0, 8)):
        with pytest.raises(wg.InputError, match=f"blocks is {blocks}: "):
            Plan(net, wg.SGD(0.1), n=23, batch_size=batch_size, blocks=blocks)


def test_the_native_engine_leaves_blocks_to_the_others():
    plan = Plan(network("cross_entropy"), wg.SGD(0.1), n=23, batch_size=8, blocks=2)
    with pytest.raises(wg.InputError, match="engine 'native' cannot run this: a batch in 2 blocks"):
        choose("native", plan)


def test_code_of_your_own_is_traced_and_what_cannot_be_is_told_in_one_line():
    X, Y = examples("dense", "squared_error", "float64")

    def trained(f):
        net = wg.Network(70, [wg.Dense(3, f)])
        return [wg.train(net, X, Y, epochs=2, engine=engine) for engine in ("xla", "reference")]

    cube = wg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    assert distance(*trained(cube)) < 1e-12
    numpy_only = wg.Activation("floor", lambda z: np.asarray(z) * 2.0, lambda z: 2.0 + 0 * z)
    with pytest.raises(wg.InputError, match="engine 'xla' cannot run this: JAX cannot trace code"):
        trained(numpy_only)


def test_without_jax_the_extra_is_named(monkeypatch):
    from whygrad.engines.xla import engine

    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    plan = Plan(network("cross_entropy"), wg.SGD(0.1), n=23, batch_size=8)
    with pytest.raises(wg.InputError, match=r'it takes JAX: pip install "whygrad\[xla\]"'):
        choose("xla", plan)


@pytest.mark.parametrize("units, name", [(4, "native"), (4096, "xla")])
def test_auto_takes_an_accelerator_where_a_step_has_work_for_it(units, name, monkeypatch, capsys):
    import jax

    from whygrad.engines.xla import engine

    plan = Plan(wg.Network(784, [wg.Dense(units, "relu"), wg.Dense(10)]), wg.SGD(0.1), n=64)
    assert choose("auto", plan).name == "native" and not capsys.readouterr().err
    monkeypatch.setattr(engine, "DEVICES", (os.devnull,))
    assert choose("auto", plan).name == "native"  # JAX finds a CPU alone
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert [choose("auto", plan).name for _ in range(2)] == [name] * 2
    told = "whygrad: training on the gpu, with the engine 'xla'\n" if name == "xla" else ""
    assert capsys.readouterr().err == told
