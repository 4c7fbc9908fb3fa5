"""The check: planted errors are caught and located, and a right gradient is never accused."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings

import whygrad as wg
from comparisons import derivative_between
from networks import HIDDEN, PAIRINGS, cases, make_case
from whygrad.answers.names import Names
from whygrad.nn.functions import ACTIVATIONS, COSTS
from whygrad.why import context as contexts
from whygrad.why.gradient_check.check import checked_parameters

random_networks = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def options(case):
    return {"sample_weight": case.sample_weight, "l1": case.l1, "l2": case.l2, "masks": case.masks}


def check(case, **more):
    return wg.why.check(case.net, case.theta, case.X, case.Y, **options(case) | more)


def right(case):
    """The right gradient, θ's shape."""
    trace = wg.forward(case.net, case.theta, case.X, case.masks)
    trace = wg.backward(case.net, case.theta, trace, case.Y)
    rest = {name: options(case)[name] for name in ("sample_weight", "l1", "l2")}
    return wg.gradients(case.net, case.theta, trace, **rest)


# ── nothing right is accused ─────────────────────────────────────────────────────────────────────────


@random_networks
@given(case=cases())
def test_a_random_network_is_right(case):
    found = check(case)
    assert found["passed"], found.answer
    assert len(found["index"]) == len(case.flat)


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_every_activation_and_cost_is_right(output, cost):
    more = {"weighted": True, "masked": True, "l1": 0.01, "l2": 0.1, "sparse": True}
    for hidden in HIDDEN:
        case = make_case((2, 3, 2, 3), (hidden, hidden, output), cost, **more)
        found = check(case)
        assert found["passed"], f"{hidden}: {found.answer}"


def on_kinks(kind, seed=0):
    """A network of which every z of the first layer is exactly 0 in one of the examples."""
    case = make_case(
        (3, 6, 5, 2), (kind, kind, "identity"), "squared_error", n=4, seed=seed, zero_biases=True
    )
    case.X[1] = 0
    return case


@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "selu", "elu"])
@pytest.mark.parametrize("seed", range(5))
def test_a_right_network_that_sits_on_kinks_is_not_accused(kind, seed):
    found = check(on_kinks(kind, seed))
    assert found["passed"], found.answer
    assert found["kink"].sum() >= 6 or kind == "elu"


def test_on_a_kink_everything_between_the_sides_passes_and_nothing_beyond():
    case = on_kinks("relu")
    found = check(case)
    i = int(np.flatnonzero(found["kink"] & (found["high"] - found["low"] > 1e-3))[0])
    low, high, index = found["low"][i], found["high"][i], found["index"][i]
    gradient = right(case).flat
    for number, passes in (
        ((low + high) / 2, True),
        (low, True),
        (high, True),
        (high + 0.01 * (high - low), False),
        (low - 0.01 * (high - low), False),
    ):
        gradient[index] = number
        assert check(case, gradients=gradient)["passed"] == passes


def test_kinks_of_functions_of_ones_own_are_no_errors_either():
    hinge = wg.Activation("hinge", lambda z: np.maximum(z, 0.0), lambda z: (z > 0) * 1.0)
    case = on_kinks("relu")
    layers = [wg.Dense(6, hinge), wg.Dense(5, hinge), wg.Dense(2, "identity")]
    net = wg.Network(3, layers)
    found = wg.why.check(net, case.theta, case.X, case.Y)
    assert found["passed"], found.answer
    assert found["kink"].any()


# ── functions of one's own, with examples on the very points where f, f′ or f″ is not smooth ─────────

# name → f, f′, and the points; f′ at a kink is that of either side.
OWN = {
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2, (0,)),
    "softsign of half": (lambda z: z / (1 + abs(z) / 2), lambda z: 1 / (1 + abs(z) / 2) ** 2, (0,)),
    "relu²": (lambda z: np.maximum(z, 0) ** 2, lambda z: 2 * np.maximum(z, 0), (0,)),
    "relu³": (lambda z: np.maximum(z, 0) ** 3, lambda z: 3 * np.maximum(z, 0) ** 2, (0,)),
    "|z|z": (lambda z: abs(z) * z, lambda z: 2 * abs(z), (0,)),
    "|z|": (abs, np.sign, (0,)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.exp(np.minimum(z, 0)),
        (0,),
    ),
    "celu": (
        lambda z: np.where(z > 0, z, 2 * np.expm1(np.minimum(z, 0) / 2)),
        lambda z: np.exp(np.minimum(z, 0) / 2),
        (0,),
    ),
    "squared hinge": (
        lambda z: np.maximum(0, 1 - z) ** 2,
        lambda z: -2 * np.maximum(0, 1 - z),
        (1,),
    ),
    "hinge": (lambda z: np.maximum(0, 1 - z), lambda z: -1.0 * (z < 1), (1,)),
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z: (abs(z) < 1) * 1.0, (-1, 1)),
    "hard sigmoid": (lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda z: (abs(z) < 3) / 6, (-3, 3)),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: ((z > 0) & (z < 6)) * 1.0, (0, 6)),
    "hard swish": (
        lambda z: z * np.clip(z + 3, 0, 6) / 6,
        lambda z: np.where(z > 3, 1, np.where(z < -3, 0, z / 3 + 0.5)),
        (-3, 3),
    ),
    "leaky": (lambda z: np.where(z > 0, z, 0.2 * z), lambda z: np.where(z > 0, 1, 0.2), (0,)),
    "bent back": (lambda z: np.where(z > 0, z, -0.5 * z), lambda z: np.where(z > 0, 1, -0.5), (0,)),
    "soft shrink": (
        lambda z: np.sign(z) * np.maximum(abs(z) - 0.5, 0),
        lambda z: (abs(z) > 0.5) * 1.0,
        (-0.5, 0.5),
    ),
    "sqnl": (
        lambda z: np.where(abs(z) < 2, z - z * abs(z) / 4, np.sign(z)),
        lambda z: np.maximum(1 - abs(z) / 2, 0),
        (-2, 0, 2),
    ),
    "isrlu": (
        lambda z: np.where(z > 0, z, z / np.sqrt(1 + z**2)),
        lambda z: np.where(z > 0, 1, (1 + z**2) ** -1.5),
        (0,),
    ),
    "signed log": (lambda z: np.sign(z) * np.log1p(abs(z)), lambda z: 1 / (1 + abs(z)), (0,)),
    "signed root": (
        lambda z: np.sign(z) * (np.sqrt(1 + abs(z)) - 1),
        lambda z: 0.5 / np.sqrt(1 + abs(z)),
        (0,),
    ),
    "z to 3/2": (
        lambda z: np.sign(z) * abs(z) ** 1.5,
        lambda z: 1.5 * abs(z) ** 0.5,
        (0,),
    ),
    "huber": (
        lambda z: np.where(abs(z) < 1, z**2 / 2, abs(z) - 0.5),
        lambda z: np.clip(z, -1, 1),
        (-1, 1),
    ),
    "hat": (
        lambda z: np.maximum(0, 1 - abs(z)),
        lambda z: -np.sign(z) * (abs(z) < 1),
        (-1, 0, 1),
    ),
    "line and parabola": (
        lambda z: np.where(z > 0, z, z + z**2),
        lambda z: np.where(z > 0, 1, 1 + 2 * z),
        (0,),
    ),
}


def of_ones_own(name, seed=0, plant=None):
    """A network of an activation of one's own, where an example sits on each of its points."""
    f, slope, points = OWN[name]
    given = slope if plant is None else lambda z: plant(z, slope(z))
    own = wg.Activation(f"my {name}", f, given)
    case = on_kinks("relu", seed)
    case.theta.b[1][:] = np.resize(points, 6)
    layers = [wg.Dense(6, own), wg.Dense(5, own), wg.Dense(2, "identity")]
    return wg.Network(3, layers), case


@pytest.mark.parametrize("name", OWN)
def test_a_right_function_of_ones_own_is_not_accused_on_its_points(name):
    for seed in range(6):
        net, case = of_ones_own(name, seed)
        found = wg.why.check(net, case.theta, case.X, case.Y)
        assert found["passed"], f"{seed}: {found.answer}"


@pytest.mark.parametrize("name", OWN)
def test_a_wrong_function_of_ones_own_is_accused_on_its_points_all_the_same(name):
    net, case = of_ones_own(name, plant=lambda z, slope: slope * (1 + 0.002 * (z > 0)))
    z = case.theta.b[1] + case.X @ case.theta.W[1].T
    assert ((z > 0) & (OWN[name][1](z) != 0)).any()
    found = wg.why.check(net, case.theta, case.X, case.Y)
    assert not found["passed"] and f"'my {name}'" in found.answer


@pytest.mark.parametrize("name", HIDDEN)
def test_our_own_functions_are_not_accused_where_an_example_is_zero(name):
    for seed in range(6):
        case = on_kinks(name, seed)
        found = check(case)
        assert found["passed"], f"{seed}: {found.answer}"


@pytest.mark.parametrize(
    "cost",
    [
        wg.Cost(
            "squared hinge",
            lambda a, y: (np.maximum(0, 1 - a * y) ** 2).sum(axis=1),
            lambda a, y: -2 * y * np.maximum(0, 1 - a * y),
        ),
        wg.Cost(
            "pinball",
            lambda a, y: np.maximum(0.9 * (y - a), 0.1 * (a - y)).sum(axis=1),
            lambda a, y: np.where(a > y, 0.1, -0.9),
        ),
        wg.Cost(
            "cube of the gap",
            lambda a, y: (abs(a - y) * (a - y) ** 2).sum(axis=1),
            lambda a, y: 3 * abs(a - y) * (a - y),
        ),
        wg.Cost(
            "one-sided square",
            lambda a, y: (np.maximum(a - y, 0) ** 2).sum(axis=1),
            lambda a, y: 2 * np.maximum(a - y, 0),
        ),
    ],
    ids=lambda cost: cost.name,
)
def test_a_cost_of_ones_own_is_not_accused_on_its_points(cost):
    for seed in range(6):
        case = make_case((3, 4, 2), ("tanh", "identity"), "squared_error", n=4, seed=seed)
        net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2, "identity")], cost)
        case.Y[:] = wg.forward(net, case.theta, case.X).a[-1]
        if cost.name == "squared hinge":
            case.Y[:] = 1 / case.Y
        found = wg.why.check(net, case.theta, case.X, case.Y)
        assert found["passed"], f"{seed}: {found.answer}"


def test_a_cost_on_its_corner_is_not_accused():
    for cost in ("absolute_error", "huber"):
        case = make_case((3, 2), ("identity",), cost, n=3)
        a = wg.forward(case.net, case.theta, case.X).a[1]
        case.Y[:] = a if cost == "absolute_error" else a - 1.0
        assert check(case)["passed"]


def test_large_inputs_and_tiny_costs_are_judged_all_the_same():
    case = make_case((3, 4, 2), ("tanh", "sigmoid"), "binary_cross_entropy", n=5)
    for scale in (1e-3, 100.0):
        case.X[:] = scale * np.sign(case.X) * np.maximum(abs(case.X), 0.1)
        assert check(case)["passed"]
    exact = make_case((3, 4, 2), ("tanh", "identity"), "squared_error", n=5)
    exact.Y[:] = wg.forward(exact.net, exact.theta, exact.X).a[2] + 1e-4
    assert check(exact)["passed"]
    assert not check(exact, gradients=1.001 * right(exact).flat)["passed"]


# ── everything wrong is caught ───────────────────────────────────────────────────────────────────────


def wrong_at_one_unit(g):
    g.dW[2][1] *= 1.01


def transposed(g):
    for layer in (1, 2, 3):
        g.dW[layer][...] = g.dW[layer].T.copy()


def one_weight(g):
    g.dW[1][2, 1] += 1e-5


def one_layer(g):
    g.dW[2][...] *= 0.5
    g.db[2][...] *= 0.5


def nothing_left(g):
    g.flat[:] = 0


def not_a_number(g):
    g.dW[3][0, 1] = np.nan


def penalty_missing(g, case):
    for layer in (1, 2, 3):
        W = case.theta.W[layer]
        g.dW[layer][...] -= case.l1 * np.sign(W) + case.l2 * W


PLANTED = {
    "×1.001": (lambda g, case: np.multiply(g.flat, 1.001, out=g.flat), "1.001 times"),
    "sign": (lambda g, case: np.negative(g.flat, out=g.flat), "wrong sign"),
    "missing 1/n": (
        lambda g, case: np.multiply(g.flat, len(case.X), out=g.flat),
        "the mean over the examples is not taken",
    ),
    "1/n twice": (lambda g, case: np.divide(g.flat, len(case.X), out=g.flat), "taken twice"),
    "transposed": (lambda g, case: transposed(g), "look transposed"),
    "one unit": (lambda g, case: wrong_at_one_unit(g), "All of them belong to hidden 2:1."),
    "one weight": (lambda g, case: one_weight(g), "the weight from input 1 to hidden 1:2"),
    "one layer": (lambda g, case: one_layer(g), "0.5 times"),
    "all zero": (lambda g, case: nothing_left(g), "They are 0."),
    "NaN": (lambda g, case: not_a_number(g), "the weight from hidden 2:1 to output 0"),
    "penalty": (penalty_missing, "penalty's derivative is missing"),
}
NETWORKS = {
    "smooth": make_case((3, 3, 3, 3), ("tanh", "softplus", "softmax"), "squared_error", n=4),
    "kinked": make_case((3, 3, 3, 3), ("relu", "selu", "leaky_relu"), "huber", seed=2, n=4),
    "masked": make_case(
        (3, 3, 3, 3), ("gelu", "silu", "sigmoid"), "poisson", seed=1, masked=True, n=4
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_is_caught_and_what_it_looks_like_is_said(error, network):
    plant, words = PLANTED[error]
    case = NETWORKS[network]
    if error == "penalty":
        case = make_case((3, 3, 3, 3), case.activations, case.cost, n=4, l1=0.02, l2=0.1)
    gradient = right(case)
    assert check(case, gradients=gradient)["passed"]
    plant(gradient, case)
    found = check(case, gradients=gradient)
    assert not found["passed"] and found.answer.startswith("Wrong: ")
    assert words in found.answer, found.answer


def test_an_error_in_backpropagation_itself_is_caught(monkeypatch):
    case = NETWORKS["smooth"]

    def too_large(*given, **more):
        return wg.Gradients(case.sizes, 1.001 * wg.gradients(*given, **more).flat)

    assert check(case)["passed"]
    monkeypatch.setattr(contexts, "gradients", too_large)
    assert not check(case)["passed"]


def test_the_worst_parameter_is_named_with_both_values():
    case = NETWORKS["smooth"]
    gradient = right(case)
    before = gradient.dW[2][1, 2]
    gradient.dW[2][1, 2] += 0.5
    found = check(case, gradients=gradient, names=Names(("a", "b", "c")))
    assert found.part == "2:1,2" and found["wrong"].sum() == 1
    said = f"{before + 0.5:.6g}, central differences {before:.6g}"
    assert (
        f"the weight from hidden 1:2 to hidden 2:1: the gradient handed in says {said}"
        in found.answer
    )
    assert found.tables[0].title == "The furthest off"
    assert found.tables[0].rows[0][:2] == ("hidden 1:2 → hidden 2:1", gradient.dW[2][1, 2])
    assert check(case).tables[0].title == "The least certain"
    assert found.pictures[0].marked == ("2:1,2",)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_a_wrong_slope_of_an_activation_of_ones_own_is_caught_and_located(name):
    true = ACTIVATIONS[name]
    for wrong in (lambda z: 1.001 * true.derivative(z), lambda z: -true.derivative(z)):
        mine = wg.Activation("mine", true.value, wrong)
        net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(3, mine), wg.Dense(2, "identity")])
        X, Y = np.random.default_rng(0).normal(size=(2, 6, 3)), np.zeros((6, 2))
        found = wg.why.check(net, net.init(seed=1), X[0], Y)
        assert not found["passed"] and found["wrong"].any()
        assert "The derivative of activation 'mine' (layer 2) is wrong" in found.answer
        good = wg.Activation("mine", true.value, true.derivative)
        net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(3, good), wg.Dense(2, "identity")])
        assert wg.why.check(net, net.init(seed=1), X[0], Y)["passed"]


def test_a_slope_that_is_wrong_at_one_unit_only_is_located_there():
    def slope(z):
        slopes = 1 - np.tanh(z) ** 2
        slopes[:, 2] *= 1.01
        return slopes

    mine = wg.Activation("mine", np.tanh, slope)
    net = wg.Network(3, [wg.Dense(4, mine), wg.Dense(2, "softmax")], cost="cross_entropy")
    X = np.random.default_rng(0).normal(size=(5, 3))
    found = wg.why.check(net, net.init(seed=1), X, [0, 1, 0, 1, 1])
    assert not found["passed"]
    assert "activation 'mine' (layer 1) is wrong" in found.answer
    assert "(5 of 20 values, all of hidden 2)" in found.answer
    assert found.tables[1].parts == ("1:2",)


class Mine:
    """A cost of one's own, right but for `derivative`."""

    def __init__(self, name, wrong):
        self.name, self.cost, self.wrong = "mine", COSTS[name], wrong
        self.domain = self.cost.domain

    def value(self, a, y):
        return self.cost.value(a, y)

    def derivative(self, a, y):
        return self.wrong(self.cost.derivative(a, y))


def at_output_1(slopes):
    slopes = slopes.copy()
    slopes[:, 1] *= 1.001
    return slopes


@pytest.mark.parametrize("name", sorted(COSTS))
def test_a_wrong_derivative_of_a_cost_of_ones_own_is_caught_and_located(name):
    output = {"positive": "exp", "real": "identity"}.get(COSTS[name].domain, "softmax")
    case = make_case((3, 4, 3), ("tanh", output), name, n=6)
    layers = case.net.layers
    for wrong, words in (
        (lambda d: d, None),
        (lambda d: 1.001 * d, "The derivative of cost 'mine' is wrong"),
        (lambda d: -d, "The derivative of cost 'mine' is wrong"),
        (lambda d: d / len(d), "The derivative of cost 'mine' is wrong"),
        (at_output_1, "of output 1"),
    ):
        net = wg.Network(3, layers, cost=Mine(name, wrong))
        found = wg.why.check(net, case.theta, case.X, case.Y)
        assert found["passed"] == (words is None), found.answer
        if words:
            assert words in found.answer and found.tables[1].title == "Where it goes wrong"


def test_a_wrong_product_of_a_jacobian_is_located():
    true = ACTIVATIONS["softmax"]
    mine = wg.Activation(
        "mine",
        true.value,
        true.derivative,
        range="simplex",
        custom_vjp=lambda z, g: true.value(z) * g,
    )
    case = make_case((3, 4, 3), ("tanh", "softmax"), "squared_error", n=6)
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(3, mine)])
    found = wg.why.check(net, case.theta, case.X, case.Y)
    assert not found["passed"] and "activation 'mine' (layer 2)" in found.answer


# ── how it is done ───────────────────────────────────────────────────────────────────────────────────


@random_networks
@given(case=cases())
def test_a_moved_parameter_costs_what_a_whole_pass_forward_says(case):
    asked = contexts.ask(case.net, case.theta, case.X, case.Y, **options(case))
    checked = checked_parameters(asked, None, 0)
    base, _ = checked.evaluate(np.array([0]), np.array([0.0]))
    for index, offset in ((0, 0.1), (len(case.flat) - 1, -0.3), (len(case.flat) // 2, 1.0)):
        moved = case.flat.copy()
        moved[index] += offset
        theta = wg.Parameters(case.sizes, moved)
        trace = wg.forward(case.net, theta, case.X, case.masks)
        rest = (case.sample_weight, case.l1, case.l2)
        whole = wg.cost(case.net, theta, trace, case.Y, *rest) - asked.cost
        found, _ = checked.evaluate(np.array([index]), np.array([offset]))
        np.testing.assert_allclose(found - base, whole, rtol=1e-9, atol=1e-12 * (1 + asked.cost))


def test_the_differences_are_those_of_whole_passes_forward():
    case = make_case((3, 4, 2), ("relu", "sigmoid"), "huber", n=5, l1=0.01, weighted=True)
    found = check(case)
    for i, index in enumerate(found["index"]):
        low, high = derivative_between(case, int(index))
        assert low - 1e-9 <= found["low"][i] and found["high"][i] <= high + 1e-9


def test_a_step_is_chosen_for_each_parameter_and_the_error_covers_the_truth():
    case = make_case((3, 4, 2), ("tanh", "softmax"), "cross_entropy", n=5)
    case.X[:, 0] *= 10
    case.X[:, 1] /= 1000
    found = check(case)
    assert found["passed"] and len(np.unique(found["step"])) >= 4
    assert (abs(found["said"] - found["difference"]) <= found["error"]).mean() > 0.99
    assert (found["error"] < 1e-5 * np.abs(found["said"]) + 1e-12).all()


def test_a_check_tells_how_far_it_is_and_ends_where_that_is_interrupted():
    case = make_case((2, 3, 2), ("tanh", "softmax"), "cross_entropy")
    told = []
    found = check(case, progress=told.append)
    assert found["passed"]
    assert told[0].done == 0 and told[0].count == 6 * len(found["index"])
    assert all(one.done < other.done <= other.count for one, other in pairwise(told))

    def interrupt(stage):
        if stage.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(case, progress=interrupt)


def test_a_sample_is_drawn_from_its_seed_and_has_every_layer_in_it():
    case = make_case((30, 20, 10, 4), ("tanh", "relu", "softmax"), "cross_entropy", n=3)
    found, again, other = (check(case, sample=40, seed=seed) for seed in (1, 1, 2))
    assert len(found["index"]) == 40 == len(np.unique(found["index"]))
    assert np.array_equal(found["index"], again["index"])
    assert not np.array_equal(found["index"], other["index"])
    blocks = np.searchsorted([600, 620, 820, 830, 870], found["index"], side="right")
    assert set(blocks) == set(range(6))
    assert len(check(case)["index"]) == 874 and "A sample" in found.notes[1]
    assert found["forward_passes"] == 2 * 874


def test_what_backpropagation_saves_is_measured():
    found = check(NETWORKS["smooth"])
    seconds = found["forward_passes"] * found["seconds_forward"]
    assert found["times_faster"] == seconds / found["seconds_backpropagation"] > 0


def test_gradients_in_float32_are_held_to_what_float32_can_say():
    case = make_case((5, 6, 4), ("tanh", "softmax"), "cross_entropy", n=8, l2=0.01)
    single = wg.Parameters(case.sizes, case.flat.astype(np.float32))
    X = case.X.astype(np.float32)
    trace = wg.backward(case.net, single, wg.forward(case.net, single, X), case.Y)
    gradient = wg.gradients(case.net, single, trace, l2=0.01).flat.astype(np.float32)
    given = (case.net, single, X, case.Y)
    assert wg.why.check(*given, l2=0.01)["passed"]
    assert wg.why.check(*given, l2=0.01, gradients=gradient)["passed"]
    assert not wg.why.check(*given, l2=0.01, gradients=gradient * np.float32(1.001))["passed"]


def test_sparse_inputs_are_checked_as_dense_ones_are():
    case = make_case((6, 4, 3), ("relu", "softmax"), "cross_entropy", n=7)
    case.X[np.abs(case.X) < 0.5] = 0
    dense = check(case)
    sparse = wg.why.check(case.net, case.theta, scipy.sparse.csr_array(case.X), case.Y)
    assert sparse["passed"]
    np.testing.assert_allclose(sparse["difference"], dense["difference"], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"gradients": np.zeros(3)},
            "gradients have shape (3,), θ has (11,): give one number for each",
        ),
        ({"sample": 0}, "sample is 0: it must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_checked_is_refused(given, message):
    case = make_case((3, 2, 1), ("tanh", "identity"), "squared_error")
    with pytest.raises(wg.InputError) as refused:
        check(case, **given)
    assert str(refused.value) == message
