"""Both engines find the same curvature of a batch, whatever the network and the plan."""

from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from networks import HIDDEN, PAIRINGS, draw_targets
from plans import OPTIMIZERS, REGULARISATION, ROWS, SIZES, examples, multipliers, name_of, network
from whygrad.engines import choose
from whygrad.engines.native import engine as native
from whygrad.nn.arrays import as_data
from whygrad.nn.functions import COSTS
from whygrad.plan.plan import Plan, smooth, start

pytestmark = needs_native

# Of the largest number of each kind.
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
FIELDS = ("gradient", "products", "slopes", "outputs")
THREADS, DIRECTIONS = 3, 2


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    monkeypatch.setattr(native, "own_cores", lambda: THREADS)


def of_both(plan, data, batch_index):
    """What both engines say of one batch, from parameters that are no longer the first ones."""
    rng = np.random.default_rng(3)
    state = start(plan)
    theta = state.theta + 0.1 * rng.normal(size=state.theta.shape).astype(plan.dtype)
    theta[plan.net.masked] = 0
    state = replace(state, theta=theta, batch_index=batch_index, step=batch_index)
    v = rng.normal(size=(DIRECTIONS, len(theta))).astype(plan.dtype)
    v[:, plan.net.masked] = 0
    return [
        choose(name, plan).hessian_times(plan, state, data, v) for name in ("native", "reference")
    ]


def gap(found, expected, field):
    one, other = getattr(found, field), getattr(expected, field)
    assert one.shape == other.shape
    return abs(one - other).max() / (abs(other).max() or 1.0)


def assert_agree(plan, data, batch_index=1):
    found, expected = of_both(plan, data, batch_index)
    gaps = {field: gap(found, expected, field) for field in FIELDS}
    assert max(gaps.values()) <= TOLERANCE[plan.dtype], gaps


def as_penalty(strength):
    return strength if isinstance(strength, wg.Penalty) else wg.Penalty(strength)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_the_engines_agree_on_the_curvature_of_every_kind_of_training(row):
    options = dict(REGULARISATION[row["regularisation"]])
    if "label_smoothing" in options and COSTS[row["cost"]].targets not in ("unit", "distribution"):
        del options["label_smoothing"]
    size = SIZES[row["size"]]
    for name in {"l1", "l2"} & options.keys():
        options[name] = as_penalty(options[name])
    weight = options.pop("sample_weight", None)
    dropout = options.pop("dropout", 0.0)
    net = network(row["cost"], dropout, units=size.units, weights=row["weights"])
    X, Y = examples(row["kind"], row["cost"], row["dtype"], size.n)
    weight = None if weight is None else np.resize(weight, size.n)
    plan = Plan(
        net, OPTIMIZERS[row["optimizer"]], n=size.n, epochs=3, batch_size=size.batch_size, seed=1,
        dtype=row["dtype"], rate_multipliers=multipliers(net, row["rates"]), **options,
    )  # fmt: skip
    data = smooth(plan, as_data(net, X, Y, weight, row["dtype"]))
    assert_agree(plan, data, -(-size.n // size.batch_size) - 1)  # the last batch, which is smaller


EVERY = [(hidden, "identity", "squared_error") for hidden in HIDDEN]
EVERY += [("tanh", *pairing) for pairing in PAIRINGS]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("hidden", "output", "cost"), EVERY)
def test_the_engines_agree_on_the_curvature_of_every_activation_and_pairing(
    hidden, output, cost, dtype
):
    net = wg.Network(4, [wg.Dense(5, hidden), wg.Dense(3, hidden), wg.Dense(3, output)], cost)
    rng = np.random.default_rng(5)
    Y = draw_targets(rng, COSTS[cost].targets, 12, 3)
    data = as_data(net, rng.normal(size=(12, 4)), Y, rng.uniform(0.5, 1.5, 12), dtype)
    assert_agree(Plan(net, wg.SGD(0.1), n=12, batch_size=7, dtype=dtype), data)
