"""The pushes of single examples add up as they should, compiled or not, and however far they act on."""

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from whygrad.engines import pushes
from whygrad.engines.pushes import Below, lengths, sums
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why import ledger
from whygrad.why.training_history import accounts as accounting
from whygrad.why.training_history.first_order import first_order
from whygrad.why.training_history.trajectory import trajectory

M, B, R, N, GROUPS = 4, 3, 5, 9, 3


def drawn(low, width, bias, share=1.0):
    rng = np.random.default_rng(6)
    index = rng.integers(0, N, (M, B))
    index[-1, -1] = -1
    rows = rng.normal(size=(N, 7)) * (rng.random((N, 7)) < share)
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


@pytest.mark.parametrize("makers", [pytest.param("compiled", marks=needs_native), "NumPy"])
@pytest.mark.parametrize(("low", "width", "bias"), [(0, 8, True), (2, 3, False), (7, 1, True)])
@pytest.mark.parametrize("wide", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_pushes_add_up_by_label_and_along_a_direction(
    makers, low, width, bias, wide, share, monkeypatch
):
    if makers == "NumPy":
        monkeypatch.setattr(pushes, "missing", lambda dtype: "nothing is compiled")
    a, delta, labels, rng = drawn(low, width, bias, share)
    factors = tuple(rng.normal(size=(M, R, width) if each else (M, 1, 1)) for each in wide)
    alone = singly(a, delta)
    for found, part in zip(sums(a, delta, labels, GROUPS, factors), factors, strict=True):
        acting = alone * part[:, None]
        expected = [acting[labels == g].sum(axis=0) for g in range(GROUPS)]
        np.testing.assert_allclose(found.by_label, expected, rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.sizes, abs(acting).sum(axis=(0, 1)), rtol=1e-14)
    for weights in (rng.normal(size=(M, R, width)), rng.normal(size=(1, R, width))):
        expected = (alone * weights[:, None]).sum(axis=(2, 3))
        np.testing.assert_allclose(lengths(a, delta, weights), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "rule",
    [wg.SGD(0.1), wg.SGD(0.05, momentum=0.9), wg.RMSprop(0.01, momentum=0.5), wg.Nadam(0.01)],
)
def test_what_examples_added_to_a_layer_is_what_the_way_back_says(rule, monkeypatch):
    rng = np.random.default_rng(7)
    net = wg.Network(20, [wg.Dense(5, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
    data = as_data(net, rng.normal(size=(23, 20)), rng.integers(0, 2, 23))
    plan = Plan(net, rule, n=23, epochs=6, batch_size=5)
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
    assert accounting.accounts(made, probe).along is None
    np.testing.assert_allclose(ledger(made, layer=1)["by_example"], whole, rtol=0, atol=1e-12)
