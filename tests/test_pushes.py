"""The pushes of single examples add up as they should, compiled or not, and however far they act on."""

from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from plans import OPTIMIZERS
from trajectories import ROW, SIZES, make_trajectory
from whygrad.engines import pushes
from whygrad.engines.pushes import Below, lengths, sums
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why import ledger
from whygrad.why.training_history import accounts as accounting
from whygrad.why.training_history.first_order import first_order
from whygrad.why.training_history.trajectory import trajectory

M, B, R, N, GROUPS = 4, 3, 5, 9, 3


def drawn(low, width, bias):
    rng = np.random.default_rng(6)
    index = rng.integers(0, N, (M, B))
    index[-1, -1] = -1
    rows = rng.normal(size=(N, 7)) * (rng.random((N, 7)) < 0.7)
    a = Below(rows.astype(np.float32), index, low, width, bias)
    delta = rng.normal(size=(M, B, R)).astype(np.float32)
    delta[0, 0] = 0
    return a, delta, rng.integers(0, GROUPS, (M, B)), rng


def singly(a, delta):
    """Every example's δ aᵀ, (M, B, R, K)."""
    rows = np.zeros((M, B, a.width))
    inputs = a.width - a.bias
    rows[..., :inputs] = a.rows[a.index, a.low : a.low + inputs]
    rows[..., inputs:] = 1
    rows[a.index < 0] = 0
    return delta[..., None] * rows[..., None, :]


@pytest.mark.parametrize(("low", "width", "bias"), [(0, 8, True), (2, 3, False), (7, 1, True)])
@pytest.mark.parametrize("wide", [(False, False), (True, False), (True, True)])
def test_pushes_add_up_by_label_and_along_a_direction(low, width, bias, wide):
    a, delta, labels, rng = drawn(low, width, bias)
    factors = tuple(rng.normal(size=(M, R, width) if each else (M, 1, 1)) for each in wide)
    alone = singly(a, delta)
    for by_label, sizes, part in zip(
        *sums(a, delta, labels, GROUPS, factors), factors, strict=True
    ):
        acting = alone * part[:, None]
        expected = [acting[labels == g].sum(axis=0) for g in range(GROUPS)]
        np.testing.assert_allclose(by_label, expected, rtol=0, atol=1e-14)
        np.testing.assert_allclose(sizes, abs(acting).sum(axis=(0, 1)), rtol=1e-14)
    weights = rng.normal(size=(M, R, width))
    expected = (alone * weights[:, None]).sum(axis=(2, 3))
    np.testing.assert_allclose(lengths(a, delta, weights), expected, rtol=0, atol=1e-13)


WAYS = ("by_class", "along", "penalty", "decay", "carried_over", "by_epoch", "other", "path", "sizes",
        "pushes", "bound")  # fmt: skip


def both_ways(made, probe, monkeypatch):
    """The accounts as compiled code and as NumPy has them."""
    compiled = accounting.accounts(made, probe)
    with monkeypatch.context() as patch:
        patch.setattr(accounting, "missing", lambda dtype: "nothing is compiled")
        return compiled, accounting.accounts(made, probe)


def apart(compiled, plain):
    """How far they are apart at most, as a part of the largest number of each kind."""
    far = 0.0
    for name in WAYS:
        one, other = getattr(compiled, name), getattr(plain, name)
        if one is not None and other is not None:
            far = max(far, abs(one - other).max() / max(1e-300, abs(other).max()))
    return far


@needs_native
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("regularisation", ["none", "everything", "clip value", "masks and rates"])
def test_compiled_accounts_of_a_layer_are_those_of_numpy(optimizer, regularisation, monkeypatch):
    row = ROW | {"optimizer": optimizer, "regularisation": regularisation}
    if regularisation == "masks and rates":
        row |= {"regularisation": "l1", "weights": "masked weights", "rates": "rates of their own"}
    made = make_trajectory(row, begin=0.01)
    for to in ((0, 9), (2, 6)):  # units side by side, and inputs
        probe = wg.engines.WeightProbe(1, to, (0, SIZES[0] + 1))
        compiled, plain = both_ways(made, probe, monkeypatch)
        assert compiled.by_example is None and apart(compiled, plain) < 1e-11


@needs_native
@pytest.mark.parametrize(("units", "dtype"), [(9, "float64"), (70, "float32")])  # several panels
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_accounts_of_inputs_without_their_zeros_are_those_of_numpy(
    optimizer, units, dtype, monkeypatch
):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(23, 80)) * (rng.random((23, 80)) < 0.2)
    P = wg.Penalty
    for penalty in ({}, {"l2": P(0.01)}, {"l1": P(0.01)}, {"l2": P(0.01, per="step")}):
        net = wg.Network(80, [wg.Dense(units, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
        data = as_data(net, X, rng.integers(0, 3, 23), dtype=dtype)
        plan = Plan(
            net, OPTIMIZERS[optimizer], n=23, epochs=3, batch_size=5, dtype=dtype, **penalty
        )
        made, probe = trajectory(plan, start(plan), data), wg.engines.probes.whole(net.sizes, 1)
        found, plain = both_ways(made, probe, monkeypatch)
        assert (np.abs(found.rounding) <= found.bound).all()
        truth = accounting.accounts(trajectory(plan, start(plan), data, engine="reference"), probe)
        assert apart(found, plain) < 1e-11
        assert apart(found, truth) < (1e-3 if dtype == "float32" else 1e-9)
        with monkeypatch.context() as patch:  # a few inputs at a time, and a few steps
            patch.setattr(pushes, "BLOCK", 600)
            patch.setattr(accounting, "chunk_of", lambda *_: 2)
            chunks = accounting.accounts(made, probe)
        for name in ("by_class", "along", "by_epoch", "path"):
            if chunks.along is not None or name != "along":
                one, other = getattr(chunks, name), getattr(plain, name)
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


@needs_native
def test_columns_by_columns_and_chunk_by_chunk_the_same_is_found(monkeypatch):
    made = make_trajectory(
        ROW | {"optimizer": "nadam", "regularisation": "none", "dtype": "float32"}
    )
    probe = wg.engines.probes.whole(SIZES, 1)
    whole = accounting.accounts(made, probe)
    monkeypatch.setattr(pushes, "BLOCK", 64)
    columns = accounting.accounts(made, probe)
    np.testing.assert_array_equal(columns.by_class, whole.by_class)
    np.testing.assert_allclose(columns.along, whole.along, rtol=0, atol=1e-15)
    monkeypatch.setattr(accounting, "chunk_of", lambda *_: 2)
    chunks = accounting.accounts(made, probe)
    for name in ("by_class", "along", "by_epoch", "path"):
        np.testing.assert_allclose(getattr(chunks, name), getattr(whole, name), rtol=0, atol=1e-14)


@needs_native
@pytest.mark.parametrize("name", ["p", "q", "epsilon", "mu"])
def test_a_plant_in_the_compiled_walk_is_caught(name, monkeypatch):
    made = make_trajectory(ROW | {"optimizer": "adam"})
    probe, true = wg.engines.probes.whole(SIZES, 1), accounting.take_in
    for planted, caught in ((0.0, False), (1e-6, True)):

        def wrong(form, *given, by=1 + planted):
            return true(replace(form, **{name: getattr(form, name) * by}), *given)

        monkeypatch.setattr(accounting, "take_in", wrong)
        found = accounting.accounts(made, probe)
        assert bool((np.abs(found.rounding) > found.bound).any()) == caught


@pytest.fixture
def taken(monkeypatch):
    """The block, the rows below and the chunk of every call of compiled code."""
    true, found = accounting.take_in, []

    def take_in(*given):
        chunk = true(*given)
        found.append((given[6], given[8].rows, chunk))
        return chunk

    monkeypatch.setattr(accounting, "take_in", take_in)
    return found


@needs_native
@pytest.mark.parametrize(
    ("optimizer", "regularisation", "copies", "room"),
    [("sgd", "l2 per batch", 8, "RECORDED"), ("momentum", "clip value", 10, "MEMORY")],
)
def test_a_chunk_of_steps_takes_no_more_memory_than_it_may(
    optimizer, regularisation, copies, room, taken, monkeypatch
):
    made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": regularisation})
    probe = wg.engines.probes.whole(SIZES, 1)
    monkeypatch.setattr(accounting, room, 4 * copies * 9 * 21)  # bytes, or numbers
    accounting.accounts(made, probe)
    assert max(block.theta.size * copies for block, *_ in taken) <= getattr(accounting, room)


@needs_native
@pytest.mark.parametrize(
    ("optimizer", "regularisation", "theta", "rows"),
    [
        ("adam", "none", False, 1), ("adam", "l2 per batch", False, 1), ("adamw", "none", False, 1),
        ("momentum", "l2 per batch", True, 0), ("sgd", "decay per step", True, 0),
    ],
)  # fmt: skip
def test_of_a_whole_layer_no_more_is_recorded_than_its_ledger_reads(
    optimizer, regularisation, theta, rows, taken
):
    made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": regularisation})
    accounting.accounts(made, wg.engines.probes.whole(SIZES, 1))
    for block, *_ in taken:
        assert (block.theta.size > 0, block.opt_state.shape[1]) == (theta, rows)


@pytest.mark.parametrize(
    "rule",
    [wg.SGD(0.1), wg.SGD(0.05, momentum=0.9), wg.RMSprop(0.01, momentum=0.5), wg.Nadam(0.01)],
)
@pytest.mark.parametrize("bound", [None, 0.02])
def test_what_examples_added_to_a_layer_is_what_the_way_back_says(rule, bound, monkeypatch):
    rng = np.random.default_rng(7)
    net = wg.Network(20, [wg.Dense(5, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
    data = as_data(net, rng.normal(size=(23, 20)), rng.integers(0, 2, 23))
    plan = Plan(net, rule, n=23, epochs=6, batch_size=5, clip=wg.Clip(value=bound))
    made = trajectory(plan, start(plan), data)
    monkeypatch.setattr(
        accounting, "MEMORY", 2**13
    )  # chunks of a few steps, through which momentum acts on
    probe = wg.engines.WeightProbe(1, (0, 5), (0, 21))
    found = accounting.accounts(made, probe)
    assert found.by_example is None
    back = first_order(made, (probe,), lambda thetas: [found.direction[None]])
    np.testing.assert_allclose(found.along, back.by_example, rtol=0, atol=1e-12)
    by_class = np.tensordot(found.by_class, found.direction, 2)
    np.testing.assert_allclose(found.along.sum(), by_class.sum(), rtol=0, atol=1e-12)

    whole = ledger(made, layer=1)["by_example"]
    monkeypatch.setattr(accounting, "WAITING", -1)  # momentum carries too far for what may wait
    assert (accounting.accounts(made, probe).along is None) == (rule != wg.SGD(0.1))
    np.testing.assert_allclose(ledger(made, layer=1)["by_example"], whole, rtol=0, atol=1e-12)


HALVED = wg.SGD(0.01, momentum=0.5)  # of which 2⁻⁶⁰, nothing, is left after 60 steps
R, K, B = 5, 21, 5


@pytest.mark.parametrize(
    ("rule", "layer", "epochs", "more", "waits"),
    [
        (wg.SGD(0.1), 1, 30, {}, None),
        (wg.Adagrad(0.1), 1, 30, {}, None),
        (HALVED, 1, 6, {}, 30 * B * (R + 2)),  # δ and two factors of every step's examples
        (HALVED, 1, 30, {}, 60 * B * (R + 2)),  # and of no more than 60 steps
        (HALVED, 2, 30, {}, 60 * B * (3 + 2 + 6)),  # and a, which is no row of the data
        (HALVED, 1, 30, {"clip": wg.Clip(norm=1.0)}, 60 * B * (R + 2)),
        (HALVED, 1, 30, {"clip": wg.Clip(value=1.0)}, 60 * (B * (R + 2) + R * K)),
        (wg.Adam(0.01, beta1=0.5), 1, 30, {}, 60 * B * (R + 2)),
        (wg.RMSprop(0.01, momentum=0.5), 1, 30, {}, 60 * (B * (R + 2) + R * K)),
        (wg.RMSprop(0.01, momentum=0.5), 1, 30, {"dtype": "float32"}, 60 * (B * (R + 2) + R * K // 2)),
    ],
)  # fmt: skip
def test_examples_are_followed_back_where_more_would_wait_than_there_is_room_for(
    rule, layer, epochs, more, waits, monkeypatch
):
    rng = np.random.default_rng(7)
    net = wg.Network(20, [wg.Dense(5, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    plan = Plan(net, rule, n=25, epochs=epochs, batch_size=B, **more)
    data = as_data(net, rng.normal(size=(25, 20)), rng.integers(0, 3, 25), None, plan.dtype)
    made = trajectory(plan, start(plan), data)
    probe = wg.engines.probes.whole(net.sizes, layer)
    found = []
    for room in (-1, 0) if waits is None else (waits - 1, waits):
        monkeypatch.setattr(accounting, "WAITING", room)
        found.append(accounting.carries_too_far(made, probe))
    assert found == [waits is not None, False]
