"""Many epochs in one call of the engine: nobody can tell, neither by a bit nor by what is told."""

from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from engines import each_engine, needs_native
from whygrad.engines import Probes, choose
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training import loop

N = 53  # with batches of 10 the last one of an epoch is smaller
X, Y = np.random.default_rng(1).normal(size=(N, 4)), np.random.default_rng(2).integers(0, 3, N)
NET = wg.Network(4, [wg.Dense(6, "tanh", dropout=0.1), wg.Dense(3, "softmax")], "cross_entropy")

# What may act at the end of an epoch, somewhere in the middle of a call.
RULES = {
    "nothing": {},
    "patience": {"stopping": wg.Stopping(tol=0.003, patience=3)},
    "best parameters": {"stopping": wg.Stopping(tol=0.003, patience=3, restore_best=True)},
    "a cost reached": {"cost_below": 0.9},
    "a plateau": {"schedule": wg.OnPlateau(patience=2, tol=0.005)},
    "adaptive": {"schedule": "adaptive", "stopping": wg.Stopping(tol=0.003, patience=3)},
    "cosine": {"schedule": wg.Cosine(warm_up=0.1)},
    "inverse scaling": {"schedule": "inverse_scaling"},
    "divergence": {"optimizer": wg.SGD(300.0), "net": "identity"},
    "no shuffling": {"shuffle": False},
    "clipping": {"clip": 0.05},
}


def fit(engine, rule, **options):
    options = {"optimizer": wg.SGD(0.3, momentum=0.5), "epochs": 150} | RULES[rule] | options
    net = NET
    if options.pop("net", "") == "identity":
        net = wg.Network(4, [wg.Dense(6, "identity"), wg.Dense(3, "identity")], "squared_error")
    return wg.train(net, X, Y, engine=engine, batch_size=10, seed=5, **options)


@pytest.fixture
def calls(monkeypatch):
    """How many epochs were taken at once, call by call; the clock says that no step takes any time."""
    found = []
    real = loop.run_epochs

    def run_epochs(training, data, state, ahead):
        found.append(ahead)
        return real(training, data, state, ahead)

    monkeypatch.setattr(loop, "run_epochs", run_epochs)
    monkeypatch.setattr(loop, "next_chunk", lambda *_: 1000)
    monkeypatch.setattr(loop, "RISKED", 1.5)  # so that rules act in the middle
    return found


@each_engine
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.filterwarnings("ignore::whygrad.DivergenceWarning")
def test_epochs_at_once_are_those_one_by_one(engine, rule, calls):
    at_once = fit(engine, rule)
    assert rule == "best parameters" or max(calls, default=0) > 2 or rule == "divergence"
    calls.clear()
    one_by_one = fit(engine, rule, callbacks=[lambda report: None])
    assert not calls
    np.testing.assert_array_equal(at_once.theta.flat, one_by_one.theta.flat)
    assert at_once.history == one_by_one.history


@needs_native
def test_a_rule_that_acts_within_a_call_costs_at_most_a_twentieth_of_the_epochs(calls, monkeypatch):
    monkeypatch.setattr(loop, "RISKED", 0.05)
    engines, taken = [], []
    real = loop.run_epochs

    def run_epochs(training, data, state, ahead):
        if not engines:
            engines.append(training.engine)
            inner = training.engine.run_epochs

            def count(plan, state, data, epochs):
                taken.append(epochs)
                return inner(plan, state, data, epochs)

            monkeypatch.setattr(training.engine, "run_epochs", count, raising=False)
        return real(training, data, state, ahead)

    monkeypatch.setattr(loop, "run_epochs", run_epochs)
    fitted = fit("native", "patience", epochs=2000)
    epochs = len(fitted.history.epochs)
    assert "did not improve" in fitted.history.stopped and epochs < 2000
    # Once more the last call at most, which was within the patience or a twentieth.
    assert sum(taken) <= epochs + 2 * max(4, epochs // 20)


@each_engine
def test_the_sums_of_costs_are_those_of_each_epoch(engine):
    plan = Plan(NET, wg.Adam(), n=N, epochs=9, batch_size=10)
    data, machine = as_data(NET, X, Y), choose(engine, plan)
    after, sums = machine.run_epochs(plan, start(plan), data, 4)
    state, expected = start(plan), []
    for _ in range(4):
        state, _ = machine.run(plan, state, data, state.step + 6, Probes())
        expected.append(state.cost_sum)
        state = replace(
            state, epoch=state.epoch + 1, batch_index=0, seen=state.seen + N, cost_sum=0.0
        )
    assert sums == expected
    np.testing.assert_array_equal(after.theta, state.theta)
    assert (after.step, after.batch_index, after.cost_sum) == (24, 0, 0.0)


@needs_native
@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32, 2**64 + 3, 2**200 + 1], ids=str)
@pytest.mark.parametrize("n", [1, 2, 3, 64, 65, 1797])
def test_orders_drawn_in_native_code_are_numpys(seed, n):
    from whygrad.engines.native.engine import DRAW_ORDERS, seed_words

    orders = np.empty(3 * n, np.int32)
    DRAW_ORDERS(orders, n, seed_words(seed), 2**20)
    for epoch, order in enumerate(orders.reshape(3, n), start=2**20):
        expected = np.arange(n, dtype=np.int32)
        np.random.default_rng([seed, epoch]).shuffle(expected)
        np.testing.assert_array_equal(order, expected)


@needs_native
def test_where_numpy_draws_other_orders_they_are_taken_from_it(monkeypatch):
    from whygrad.engines.native import engine

    expected = fit("native", "nothing").theta.flat
    monkeypatch.setattr(engine, "orders_agree", lambda: False)
    np.testing.assert_array_equal(fit("native", "nothing").theta.flat, expected)
