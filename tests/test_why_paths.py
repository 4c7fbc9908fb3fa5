"""Paths: their sum is the derivative, and the heaviest are those that enumeration finds."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings

import whygrad as wg
from adding_up import assert_sums, some_places
from comparisons import backpropagate, needs_torch
from networks import HIDDEN, PAIRINGS, cases, make_case
from whygrad.answers.names import Names
from whygrad.answers.parts import Factor
from whygrad.why.context import ask as ask_once
from whygrad.why.gradient.paths import path_graph

random_networks = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def ask(case, layer, to, from_=None, **more):
    options = {
        "sample_weight": case.sample_weight,
        "l1": case.l1,
        "l2": case.l2,
        "masks": case.masks,
    }
    given = (case.net, case.theta, case.X, case.Y)
    return wg.why.paths(*given, layer=layer, to=to, from_=from_, **options | more)


def enumerate_paths(case, layer, to, from_=None, allowed=None, end=None):
    """Every path, heaviest first, ties by example and units: (what it carries, example, units)."""
    net, theta, L = case.net, case.theta, case.net.L
    trace = wg.backward(net, theta, wg.forward(net, theta, case.X, case.masks), case.Y)
    s = np.ones(len(case.X)) if case.sample_weight is None else case.sample_weight
    end = trace.delta[L] if end is None else end
    found = []
    for i in range(len(case.X)):
        start = s[i] / s.sum() * (1.0 if from_ is None else trace.a[layer - 1][i, from_])
        slopes = [net.f[m].derivative(trace.z[m])[i] for m in range(layer, L)]
        if case.masks is not None:
            masks = [case.masks[m] for m in range(layer, L)]
            slopes = [d if m is None else d * m[i] for d, m in zip(slopes, masks, strict=True)]
        layers = [range(case.sizes[m]) for m in range(layer + 1, L)]
        if layer < L:
            layers.append(range(case.sizes[L]) if allowed is None else allowed)
        for units in itertools.product(*layers):
            way = (to, *units)
            value = start * end[i, way[-1]]
            for step, m in enumerate(range(layer, L)):
                value *= slopes[step][way[step]] * theta.W[m + 1][way[step + 1], way[step]]
            found.append((float(value), i, way))
    return sorted(found, key=lambda path: (-abs(path[0]), path[1:]))


def listed(found):
    examples, units = found["examples"].tolist(), found["units"].tolist()
    return [(*one, tuple(way)) for *one, way in zip(found["values"], examples, units, strict=True)]


def assert_heaviest(found, every):
    """The same weights as enumeration in the same order, each of a path that carries it, none twice."""
    ours = listed(found)
    carried = {path[1:]: path[0] for path in every}
    assert len({path[1:] for path in ours}) == len(ours) == min(len(every), len(ours))
    for (value, *path), (expected, *_) in zip(ours, every, strict=False):
        assert math.isclose(abs(value), abs(expected), rel_tol=1e-12)
        assert math.isclose(value, carried[tuple(path)], rel_tol=1e-12)


@random_networks
@given(case=cases())
def test_in_a_random_network_the_heaviest_paths_are_those_of_enumeration(case):
    for layer, to, from_ in some_places(case.net, case.seed, most=3):
        if math.prod(case.sizes[layer + 1 :]) * len(case.X) > 500:
            continue
        every = enumerate_paths(case, layer, to, from_)
        for k in (3, len(every)):
            found = ask(case, layer, to, from_, k=k)
            assert len(found["values"]) == min(k, len(every))
            assert_heaviest(found, every)
        assert found["count"] * len(case.X) == len(every)
        size = math.fsum(abs(path[0]) for path in every)
        assert math.isclose(found["size"], size, rel_tol=1e-12, abs_tol=1e-300)


@random_networks
@given(case=cases())
def test_in_a_random_network_the_paths_sum_to_the_gradient_of_training(case):
    answer = backpropagate(case)
    for layer, to, from_ in some_places(case.net, case.seed):
        few = ask(case, layer, to, from_, k=2)
        part = answer.db[layer][to] if from_ is None else answer.dW[layer][to, from_]
        assert few.value == part
        penalty = math.fsum(abs(t.value) for t in few.terms if t.name.endswith("penalty"))
        assert_sums(few, few["size"] + penalty)
        if few["count"] * len(case.X) < 200:
            whole = ask(case, layer, to, from_, k=200)
            assert "not listed" not in whole.residuals and len(whole["values"]) < 200
            assert_sums(whole)


@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_for_every_activation_and_cost_all_paths_sum_to_the_gradient(output, cost):
    for hidden in HIDDEN:
        more = {"weighted": True, "masked": True, "l1": 0.01, "l2": 0.1, "sparse": True}
        case = make_case((2, 3, 2, 3), (hidden, hidden, output), cost, **more)
        for place in ((1, 1, 0), (2, 0, 2), (3, 1, 1), (1, 2, None)):
            assert_sums(ask(case, *place, k=100))


@needs_torch
def test_the_paths_to_an_output_sum_to_its_derivative_by_pytorch():
    import torch

    import peer_torch

    for hidden, output in (("tanh", "softmax"), ("silu", "sigmoid"), ("elu", "exp")):
        case = make_case((3, 4, 3, 3), (hidden, hidden, output), "squared_error", n=1)
        theta = case.theta
        W = [None, *(torch.tensor(W, requires_grad=True) for W in theta.W[1:])]
        a = torch.tensor(case.X)
        for layer, name in enumerate(case.activations, start=1):
            z = a @ W[layer].T + torch.tensor(theta.b[layer])
            a = peer_torch.ACTIVATIONS[name](z)
        for of, tensor in (("z", z), ("a", a)):
            (slope,) = torch.autograd.grad(tensor[0, 1], W[1], retain_graph=True)
            found = ask(case, 1, 2, 0, to_output=1, of=of, k=100)
            assert math.isclose(found.value, slope[2, 0].item(), rel_tol=1e-10)
            assert_sums(found)


@pytest.mark.parametrize("output", ["softmax", "tanh"])
@pytest.mark.parametrize("of", ["z", "a"])
def test_the_heaviest_paths_to_an_output_are_those_of_enumeration(output, of):
    case = make_case((3, 4, 4, 3), ("silu", "relu", output), "squared_error", n=3)
    trace = wg.forward(case.net, case.theta, case.X)
    if of == "z":
        end, allowed = np.ones((3, 3)), [2]
    elif output == "tanh":
        end, allowed = case.net.f[3].derivative(trace.z[3]), [2]
    else:
        end, allowed = case.net.f[3].derivative(trace.z[3])[:, 2, :], None
    every = enumerate_paths(case, 1, 1, 0, allowed, end)
    found = ask(case, 1, 1, 0, to_output=2, of=of, k=7)
    assert_heaviest(found, every)
    assert found["count"] == 4 * (3 if allowed is None else 1)
    assert len(every) == 3 * found["count"]
    assert_sums(found, found["size"])


def test_of_softmax_the_output_is_z_by_default_and_else_a():
    for output, of in (("softmax", "z"), ("sigmoid", "a")):
        case = make_case((3, 4, 3), ("tanh", output), "squared_error", n=1)
        default = ask(case, 1, 1, 0, to_output=2)
        assert default.value == ask(case, 1, 1, 0, to_output=2, of=of).value
        assert default.value != ask(case, 1, 1, 0, to_output=2, of="za".replace(of, "")).value


def test_no_path_leads_from_one_output_to_another():
    case = make_case((3, 4, 3), ("tanh", "sigmoid"), "squared_error", n=1)
    found = ask(case, 2, 0, 1, to_output=2)
    assert (found["count"], found.value, found.terms) == (0, 0.0, ())
    assert "No path" in found.answer
    assert "= 0" in str(found) and all(line.strip() != "=" for line in str(found).splitlines())


def test_the_answer_says_that_penalties_are_no_path():
    case = make_case((3, 4, 2), ("tanh", "identity"), "squared_error", n=1)
    assert "penalties left out" in ask(case, 1, 0, 1, l2=0.5).answer
    assert "penalties" not in ask(case, 1, 0, 1).answer


# ── ties and zeros ───────────────────────────────────────────────────────────────────────────────────


def exact(case, layer, to, from_=None, k=10):
    """Where every product is exact, the same paths in the same order as by enumeration."""
    found = ask(case, layer, to, from_, k=k)
    assert listed(found) == enumerate_paths(case, layer, to, from_)[:k]


def with_numbers(case, draw):
    rng = np.random.default_rng(case.seed)
    case.flat[:] = draw(rng, len(case.flat))
    case.X[:] = draw(rng, case.X.size).reshape(case.X.shape)
    case.Y[:] = 0
    return case


@pytest.mark.parametrize("k", [1, 2, 7, 40, 1000])
@pytest.mark.parametrize("kind", ["identity", "relu"])
def test_paths_of_equal_weight_come_in_the_order_of_their_units(kind, k):
    case = make_case((2, 3, 4, 3, 2), (kind,) * 3 + ("identity",), "squared_error", n=3)
    powers = with_numbers(case, lambda rng, n: 2.0 ** rng.integers(-1, 2, n))
    exact(powers, 1, 2, 1, k)
    ones = with_numbers(case, lambda rng, n: np.ones(n))
    exact(ones, 1, 2, 1, k)
    exact(ones, 4, 1, 1, k)


@pytest.mark.parametrize("seed", range(12))
def test_paths_that_carry_nothing_come_last_in_the_order_of_their_units(seed):
    kinds = ("relu", "identity", "relu", "identity")
    case = make_case((2, 3, 4, 3, 2), kinds, "squared_error", n=3, seed=seed)
    zeros = with_numbers(case, lambda rng, n: rng.integers(-1, 2, n) * 2.0 ** rng.integers(0, 2, n))
    for place in ((1, 2, 1), (1, 0, None), (2, 1, 2), (4, 1, 1)):
        for k in (5, 1000):
            exact(zeros, *place, k)


def test_the_number_of_paths_that_carry_anything_is_exact():
    for seed in range(8):
        case = make_case(
            (3, 4, 3, 4, 2),
            ("relu", "relu", "relu", "identity"),
            "huber",
            n=1,
            sparse=True,
            seed=seed,
        )
        every = enumerate_paths(case, 1, 1, 0)
        assert ask(case, 1, 1, 0)["alive"] == sum(path[0] != 0 for path in every)


def test_numbers_of_paths_are_whole_numbers_of_any_size():
    layers = [wg.Dense(40, "tanh") for _ in range(15)]
    net = wg.Network(2, [*layers, wg.Dense(3, "softmax")], cost="cross_entropy")
    theta = net.init(seed=1)
    found = wg.why.paths(net, theta, [[1.0, 2.0]], [1], layer=1, to=0, from_=1, k=3)
    assert found["count"] == found["alive"] == 3 * 40**14
    theta.W[5][0] = 0
    found = wg.why.paths(net, theta, [[1.0, 2.0]], [1], layer=1, to=0, from_=1, k=3)
    assert found["alive"] == 3 * 40**13 * 39
    assert f"{3 * 40**14:,} paths" in found.answer


def test_weights_far_apart_in_size_do_not_disturb_the_order():
    kinds = ("identity", "identity", "identity")
    case = make_case((1, 3, 3, 2), kinds, "squared_error", n=4)
    rng = np.random.default_rng(0)
    case.flat[:] = 2.0 ** rng.integers(-60, 60, len(case.flat))
    case.X[:] = 2.0 ** rng.integers(-60, 60, case.X.shape)
    exact(case, 1, 1, 0, 30)


def test_the_heaviest_of_a_wide_batch_are_found_without_looking_into_every_example():
    from whygrad.why.gradient import heaviest

    case = make_case((4, 20, 20, 5), ("relu", "tanh", "softmax"), "cross_entropy", n=300)
    asked = ask_once(case.net, case.theta, case.X, case.Y)
    graph = path_graph(asked, asked.names.weight(case.net, 1, 3, 1))
    search = heaviest.Search(graph)
    found = list(itertools.islice(search.run(), 5))
    looked = len(search.best)
    assert looked < 60
    values = [abs(graph.product(*path)) for path in found]
    every = enumerate_paths(case, 1, 3, 1)
    np.testing.assert_allclose(values, [abs(path[0]) for path in every[:5]], rtol=1e-12)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────


def test_the_worked_example_has_two_paths_with_their_products_by_hand():
    # See test_why_weight: δ[2] = (−0.0625, −0.09375), and ∂C/∂W[1][0,1] = 2·1·(2·(−0.0625) + 1·(−0.09375)).
    from worked_example import THETA, WORKED, X, Y

    found = wg.why.paths(WORKED, THETA, X, Y, layer=1, to=0, from_=1)
    assert found["values"] == pytest.approx([-0.25, -0.1875])
    assert [term.name for term in found.terms] == [
        "input 1 → hidden 1:0 → hidden 2:0 → output 0",
        "input 1 → hidden 1:0 → hidden 2:1 → output 0",
    ]
    assert [f.value for f in found.terms[0].factors] == pytest.approx([2, 1, 2, 0.25, 2, -0.125])
    assert found.terms[0].part == "1:0,1 2:0,0 3:0,0"
    assert found["count"] == found["alive"] == 2 and found["covered"] == 1


def test_what_leads_through_the_units_of_a_layer_sums_to_the_total():
    case = make_case((3, 5, 6, 4), ("tanh", "silu", "softmax"), "cross_entropy", n=9, weighted=True)
    found = ask(case, 1, 2, 1, k=3)
    for layer in (1, 2, 3):
        part = math.fsum(found["through"][layer])
        assert abs(part - found["total"]) < 1e-12 * found["size"]
    picture = found.pictures[0]
    assert np.allclose(picture.edges[2].sum(), found["total"])
    assert picture.edges[1][2, 1] == found["total"]


def test_the_picture_marks_the_edges_of_the_listed_paths():
    case = make_case((3, 5, 6, 4), ("tanh", "silu", "softmax"), "cross_entropy", n=1)
    found = ask(case, 1, 2, 1, k=3)
    for term in found.terms:
        assert set(term.part.split()) <= set(found.pictures[0].marked)


def test_names_of_columns_and_classes_make_the_path():
    net = wg.Network(2, [wg.Dense(1, "tanh"), wg.Dense(2, "softmax")], cost="cross_entropy")
    names = Names(("petal width", "petal length"), ("setosa", "virginica"))
    given = (net, net.init(seed=1), [[1.0, 2.0]], [0])
    found = wg.why.paths(*given, layer=1, to=0, from_="petal width", names=names)
    assert "petal width → hidden 0 → setosa" in [term.name for term in found.terms]
    to = wg.why.paths(*given, layer=1, to=0, from_=0, names=names, to_output="setosa")
    assert to.question.endswith("reach z of setosa?")
    assert [term.name for term in to.terms] == ["petal width → hidden 0 → setosa"]


def test_a_few_paths_may_make_up_more_than_the_whole_of_the_sum():
    net = wg.Network(1, [wg.Dense(1, "identity"), wg.Dense(2, "identity")])
    theta = net.init(W=[None, [[1.0]], [[3.0], [-2.0]]])
    found = wg.why.paths(net, theta, [[1.0]], [[2.0, -3.0]], layer=1, to=0, from_=0, k=1)
    assert found.value == 3 - 2 and found["values"].tolist() == [3.0]
    assert found["covered"] == 3 / 5 and "300% of their sum" in found.answer
    assert found.residuals["not listed"] == -2.0


def test_every_factor_of_a_path_has_a_meaning():
    case = make_case((3, 5, 6, 4), ("tanh", "silu", "softmax"), "huber", n=4, masked=True, l2=0.1)
    for term in ask(case, 1, 2, 1).terms:
        assert all(isinstance(f, Factor) and f.meaning for f in term.factors)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer": 3}, "layer 3: the layers are 1 to 2"),
        ({"k": 0}, "k is 0: it must be a whole number of at least 1"),
        ({"of": "a"}, "of='a' is for paths to an output: give to_output= as well"),
        ({"to_output": 5}, "unit 5 of layer 2: its units are 0 to 0"),
        (
            {"to_output": 0, "of": "b"},
            "of is 'b': 'z' is an output's weighted input, 'a' its activation",
        ),
    ],
)
def test_what_is_not_there_is_refused(given, message):
    case = make_case((3, 2, 1), ("tanh", "identity"), "squared_error")
    with pytest.raises(wg.InputError) as refused:
        ask(case, **{"layer": 1, "to": 1, "from_": 0} | given)
    assert str(refused.value) == message


def test_without_targets_there_is_no_cost_to_lead_to():
    case = make_case((3, 2, 1), ("tanh", "identity"), "squared_error")
    with pytest.raises(wg.InputError, match="paths to the cost need Y"):
        wg.why.paths(case.net, case.theta, case.X, layer=1, to=0, from_=0)
