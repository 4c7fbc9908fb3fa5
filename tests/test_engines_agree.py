"""Both engines compute the same training, whatever is combined with whatever.

A covering array holds every pair of optimizer, schedule, regularisation, dtype, kind of input, cost and
size. Of the sizes one makes a single block of a batch; the other makes several, which three threads share.
"""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from plans import (
    FACTORS,
    OPTIMIZERS,
    OUTPUTS,
    REGULARISATION,
    ROWS,
    SCHEDULES,
    SIZES,
    examples,
    multipliers,
    name_of,
    network,
)
from whygrad.engines import Probes, choose
from whygrad.engines.native import engine as native
from whygrad.nn.arrays import as_data
from whygrad.nn.functions import COSTS
from whygrad.plan.optimizers import OPTIMIZERS as ALL_OPTIMIZERS
from whygrad.plan.plan import Plan, start
from whygrad.plan.schedules import SCHEDULES as ALL_SCHEDULES
from whygrad.training import loop as training

pytestmark = needs_native

# Of the largest parameter, after 15 steps. Rounding grows with every step; in float32 it begins at 6e-8.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}


THREADS = 3


def fit(engine, row, **changes):
    row = row | changes
    options = dict(REGULARISATION[row["regularisation"]])
    if "label_smoothing" in options and COSTS[row["cost"]].targets not in ("unit", "distribution"):
        del options["label_smoothing"]
    size = SIZES[row["size"]]
    weights, rates = (row.get("weights", "all weights"), row.get("rates", "one rate"))
    net = network(row["cost"], options.pop("dropout", 0.0), units=size.units, weights=weights)
    if "sample_weight" in options:
        options["sample_weight"] = np.resize(options["sample_weight"], size.n)
    if row["schedule"] == "adaptive":
        options["stopping"] = wg.Stopping(tol=1e9, patience=1)
    return wg.train(
        net,
        *examples(row["kind"], row["cost"], row["dtype"], size.n),
        optimizer=OPTIMIZERS[row["optimizer"]],
        schedule=SCHEDULES[row["schedule"]],
        epochs=row.get("epochs", 3),
        batch_size=size.batch_size,
        dtype=row["dtype"],
        products=row.get("products"),
        seed=1,
        engine=engine,
        rate_multipliers=multipliers(net, rates),
        **options,
    )


def distance(one, other):
    """The largest gap between two trainings' parameters, in parts of the largest parameter."""
    return np.abs(one.theta.flat - other.theta.flat).max() / np.abs(other.theta.flat).max()


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    monkeypatch.setattr(native, "own_cores", lambda: THREADS)


each_row = pytest.mark.parametrize("row", ROWS, ids=name_of)


def test_large_batches_are_shared_and_small_ones_are_not():
    from whygrad.engines.native.layout import blocks

    found = {
        name: blocks(network("cross_entropy", units=size.units), size.batch_size)
        for name, size in SIZES.items()
    }
    assert found["small"] == 1 and found["large"] > THREADS


def test_every_pair_of_choices_is_among_the_combinations():
    assert {type(rule) for rule in OPTIMIZERS.values()} == set(ALL_OPTIMIZERS.values())
    assert {type(schedule) for schedule in SCHEDULES.values()} == set(ALL_SCHEDULES.values())
    assert set(OUTPUTS) == set(COSTS)
    for one, other in combinations(FACTORS, 2):
        for v, w in product(FACTORS[one], FACTORS[other]):
            assert any(row[one] == v and row[other] == w for row in ROWS)


@each_row
def test_the_engines_agree(row):
    ours, truth = fit("native", row), fit("reference", row)
    assert ours.history.stopped == truth.history.stopped
    assert [epoch.learning_rate for epoch in ours.history.epochs] == [
        epoch.learning_rate for epoch in truth.history.epochs
    ]
    np.testing.assert_allclose(ours.history.cost, truth.history.cost, rtol=TOLERANCE[row["dtype"]])
    assert distance(ours, truth) <= TOLERANCE[row["dtype"]]
    masked = ours.net.masked
    assert bool(len(masked)) == (row["weights"] == "masked weights")
    assert not ours.theta.flat[masked].any() and not truth.theta.flat[masked].any()


@pytest.mark.parametrize("kind", FACTORS["kind"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("units", [[], [300]], ids=["one layer", "two layers"])
def test_the_engines_agree_on_layers_of_several_panels(units, dtype, kind):
    """Of 100 outputs, which need their whole row, or of 300 units, which do not."""
    hidden = [wg.Dense(n, "tanh") for n in units]
    net = wg.Network(784, [*hidden, wg.Dense(100, "softmax")], "cross_entropy")
    X, _ = examples(kind, "cross_entropy", dtype, n=410, inputs=784)
    labels = np.arange(410) % 100
    fits = {
        engine: wg.train(
            net,
            X,
            labels,
            optimizer=wg.SGD(0.05),
            epochs=2,
            batch_size=200,
            seed=1,
            dtype=dtype,
            engine=engine,
        )
        for engine in ("native", "reference")
    }
    assert distance(fits["native"], fits["reference"]) <= TOLERANCE[dtype]
    costs = [fit.history.cost for fit in fits.values()]
    np.testing.assert_allclose(*costs, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", [name for name in REGULARISATION if name != "none"])
def test_what_is_combined_here_does_change_the_result(name):
    row = ROWS[0] | {"optimizer": "sgd", "cost": "cross_entropy"}
    assert distance(fit("native", row, regularisation=name), fit("native", row)) > 1e-4


@pytest.mark.parametrize(
    "change", [{"weights": "masked weights"}, {"rates": "several rates"}], ids=str
)
def test_masks_and_rates_do_change_the_result(change):
    row = ROWS[0] | {"weights": "all weights", "rates": "one rate", "regularisation": "none"}
    assert distance(fit("native", row, **change), fit("native", row)) > 1e-2


@pytest.mark.parametrize(
    ("size", "steps"), [("small", 1), ("small", 2), ("small", 4), ("large", 1)]
)
@pytest.mark.parametrize("kind", FACTORS["kind"])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop with momentum", "adamw", "nadam"])
@pytest.mark.parametrize("regularisation", ["dropout", "clip norm", "everything"])
def test_where_chunks_end_and_how_many_threads_there_are_never_changes_a_bit(
    optimizer, regularisation, kind, size, steps, monkeypatch
):
    row = {
        "optimizer": optimizer,
        "regularisation": regularisation,
        "schedule": "cosine",
        "cost": "cross_entropy",
        "kind": kind,
        "dtype": "float32",
        "size": size,
        "weights": "masked weights" if kind == "zeros" else "all weights",
        "rates": "several rates" if kind != "csr" else "one rate",
    }
    whole = fit("native", row)
    monkeypatch.setattr(training, "next_chunk", lambda *_: steps)
    monkeypatch.setattr(native, "own_cores", lambda: 1)
    parts = fit("native", row)
    np.testing.assert_array_equal(parts.theta.flat, whole.theta.flat)
    assert parts.history == whole.history


@pytest.mark.parametrize("kind", FACTORS["kind"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_gradient_over_all_data_is_without_dropout_and_the_same(dtype, kind):
    net = network("cross_entropy", dropout=0.5)
    data = as_data(net, *examples(kind, "cross_entropy", dtype), dtype=dtype)
    plan = Plan(net, wg.SGD(0.1), n=23, l2=wg.Penalty(0.1), dtype=dtype, batch_size=5)
    theta = start(plan).theta
    without = replace(plan, net=network("cross_entropy"))
    for other in (plan, without):
        C, g = choose("native", other).cost_and_gradient(other, theta.copy(), data)
        truth, true_g = choose("reference", plan).cost_and_gradient(plan, theta.copy(), data)
        assert pytest.approx(truth, rel=TOLERANCE[dtype]) == C
        assert np.abs(g - true_g).max() <= TOLERANCE[dtype] * np.abs(true_g).max()


def test_of_examples_that_all_count_nothing_only_penalties_have_a_gradient():
    net = network("cross_entropy")
    X, Y = examples("dense", "cross_entropy", "float64")
    data = replace(as_data(net, X, Y), multipliers=np.zeros(len(X)), rescale=True)
    by_example = wg.Penalty(0.1, per="example")
    plan = Plan(net, wg.SGD(0.1), n=len(X), l1=by_example, l2=wg.Penalty(0.1), batch_size=5)
    theta = start(plan).theta
    C, g = choose("native", plan).cost_and_gradient(plan, theta.copy(), data)
    truth, true_g = choose("reference", plan).cost_and_gradient(plan, theta.copy(), data)
    assert np.isfinite(C) and abs(C - truth) <= 1e-12 * truth
    assert g.any() and np.abs(g - true_g).max() <= 1e-12 * np.abs(true_g).max()


@pytest.mark.parametrize("wrong", ["X", "Y", "sample_weight"])
def test_native_code_never_meets_data_of_another_precision(wrong):
    X, Y = examples("dense", "cross_entropy", "float32", 300)
    net = network("cross_entropy")
    data = as_data(net, X, Y, np.ones(300), dtype="float32")
    data = replace(data, **{wrong: getattr(data, wrong).astype("float64")})
    plan = Plan(net, wg.SGD(0.1), n=300, batch_size=30, dtype="float32")
    with pytest.raises(TypeError, match="data of a training in float32 are float32 too"):
        choose("native", plan).cost_and_gradient(plan, start(plan).theta, data)


def test_small_layers_lie_by_units_and_others_by_examples(monkeypatch):
    from whygrad.engines.native import layout

    monkeypatch.undo()
    given = examples("dense", "cross_entropy", "float32", 300)
    data = as_data(network("cross_entropy"), *given, dtype="float32")

    def by_units(rows, units=(9, 7), cost="cross_entropy", **options):
        net = network(cost, units=units, **options)
        return len(layout.Layout(net, rows, "float32", data, True, False).by_units.work) > 0

    assert by_units(300) and not by_units(20)
    assert not by_units(300, units=(96, 700))
    assert not by_units(300, dropout=0.5)
    many = wg.Network(1, [wg.Dense(20_000, "relu"), wg.Dense(1, "identity")])
    assert layout.blocks(many, 32) > 1 and not layout.runs_by_units(many, 32, has_dropout=True)
    net = wg.Network(70, [wg.Dense(3, "softmax")], "squared_error")
    assert not layout.runs_by_units(net, 3000, has_dropout=True)


def test_an_engine_that_gave_a_gradient_trains_as_a_new_one_would():
    net = network("cross_entropy", dropout=0.5)
    data = as_data(net, *examples("zeros", "cross_entropy", "float64"))
    plan = Plan(net, wg.Adam(0.01), n=23, batch_size=23)
    used, new = choose("native", plan), choose("native", plan)
    used.cost_and_gradient(plan, start(plan).theta, data)
    thetas = [engine.run(plan, start(plan), data, 1, Probes())[0].theta for engine in (used, new)]
    np.testing.assert_array_equal(*thetas)


def test_blocks_without_examples_add_nothing():
    """The last batch has fewer examples than there are blocks, which add up gradients of their own."""
    draws, n = np.random.default_rng(0), 1536 + 3
    # No relu: of a million z one may change sides with the order of a sum, and count a third of a batch.
    net = wg.Network(2048, [wg.Dense(1024, "tanh"), wg.Dense(10, "softmax")], "cross_entropy")
    X, y = draws.normal(size=(n, 2048)).astype(np.float32), draws.integers(0, 10, n)
    options = {"optimizer": wg.SGD(0.1), "batch_size": 1536, "epochs": 2, "dtype": "float32"}
    ours, truth = (wg.train(net, X, y, engine=name, **options) for name in ("native", "reference"))
    assert distance(ours, truth) < 10 * TOLERANCE["float32"]
