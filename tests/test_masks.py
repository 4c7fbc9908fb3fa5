"""Masks of layers: weights that are 0 and stay so, in training, files, recorded runs and answers."""

import copy
import pickle
import re

import numpy as np
import pytest

import oracle
import whygrad as wg
from engines import ENGINES
from whygrad.answers.draw.network_elements import edges
from whygrad.answers.draw.network_layout import lay_out
from whygrad.engines.native import layout
from whygrad.nn.arrays import as_data
from whygrad.nn.frozen_array import FrozenArray, freeze, from_dict, to_dict
from whygrad.plan.plan import Plan, State, start
from whygrad.why.training_history.trajectory import trajectory

DRAWS = np.random.default_rng(0)
M1 = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [1, 0, 1, 0, 1]])
M2 = np.array([[1, 0, 1, 1], [0, 1, 0, 1]])
NET = wg.Network(
    5, [wg.Dense(4, "tanh", mask=M1), wg.Dense(2, "softmax", mask=M2)], "cross_entropy"
)
X = DRAWS.normal(size=(40, 5))
Y = (X[:, 0] > X[:, 2]).astype(int)
OUT = (1, 0, 3)  # a weight that M1 leaves out: layer, to, from


def fit(engine="reference", net=NET, **options):
    return wg.train(net, X, Y, engine=engine, **{"epochs": 5, "batch_size": 8, "seed": 1} | options)


def zeros(theta, net=NET):
    """Whether what the masks leave out is 0, and nothing else is."""
    left_out = [*(W[~mask] for W, mask in zip(theta.W[1:], net.kept[1:], strict=True))]
    there = [*(W[mask] for W, mask in zip(theta.W[1:], net.kept[1:], strict=True))]
    return not any(W.any() for W in left_out) and all(W.all() for W in there)


@pytest.fixture(scope="module")
def trained():
    return fit(optimizer=wg.Adam(0.05), epochs=20)


# ── what it is ───────────────────────────────────────────────────────────────────────────────────────


def test_a_mask_is_frozen_data_like_the_rest_of_a_network():
    same = wg.Network(
        5, [wg.Dense(4, "tanh", mask=M1.astype(float)), wg.Dense(2, "softmax", mask=M2 == 1)],
        "cross_entropy",
    )  # fmt: skip
    assert same == NET and hash(same) == hash(NET)
    for twin in (pickle.loads(pickle.dumps(NET)), copy.deepcopy(NET)):
        assert twin == NET and hash(twin) == hash(NET)
    other = wg.Network(5, [wg.Dense(4, "tanh"), NET.layers[1]], "cross_entropy")
    assert other != NET and "mask=<bool array of 4 x 5>" in repr(NET)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(NET.layers[0].mask)[0, 0] = False


def test_a_mask_of_ones_alone_leaves_nothing_out():
    net = wg.Network(3, [wg.Dense(2, mask=np.ones((2, 3)))])
    assert not len(net.masked) and net.kept == (None, None)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: wg.Dense(2, mask=[[1, 2]]), "must be an array of 0 and 1, of shape (units, inputs)"),
        (lambda: wg.Dense(2, mask=[1, 0]), "must be an array of 0 and 1"),
        (lambda: wg.Dense(2, mask=[[1], [0, 1]]), "must be an array of 0 and 1"),
        (lambda: wg.Dense(2, mask=np.ones((3, 2))), "has shape (3, 2), but the layer 2 units"),
        (
            lambda: wg.Network(4, [wg.Dense(2, mask=np.eye(2))]),
            "the mask of layer 1 has shape (2, 2), its weights (2, 4)",
        ),
        (
            lambda: NET.init(W=[None, np.ones((4, 5))]),
            "W[1][0, 2] is 1, but 0 by the mask of layer 1: set it to 0",
        ),
        (
            lambda: fit(theta=wg.Network(5, [wg.Dense(4), wg.Dense(2)]).init(seed=1)),
            "but 0 by the mask of layer 1: set it to 0",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(make, reason):
    with pytest.raises(wg.InputError, match=re.escape(reason)) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["lecun", "he", "glorot"])
def test_layers_start_as_if_they_had_the_weights_alone_that_the_mask_keeps(name):
    """Of two blocks each starts as a layer of its own would."""
    wide, narrow = (60, 200), (80, 20)
    mask = np.zeros((140, 220))
    mask[:60, :200] = mask[60:, 200:] = 1
    W = wg.Network(220, [wg.Dense(140, "relu", f"{name}_normal", mask=mask)]).init(seed=3).W[1]
    for block, (units, inputs) in ((W[:60, :200], wide), (W[60:, 200:], narrow)):
        alone = wg.Network(inputs, [wg.Dense(units, "relu", f"{name}_normal")]).init(seed=4).W[1]
        assert block.std() == pytest.approx(alone.std(), rel=0.06)
    assert not W[mask == 0].any()


# ── training ─────────────────────────────────────────────────────────────────────────────────────────


def test_gradients_are_those_of_the_oracle_and_0_where_there_is_no_weight():
    theta, y = NET.init(seed=2), np.eye(2)[Y]
    trace = wg.backward(NET, theta, wg.forward(NET, theta, X), y)
    ours = wg.gradients(NET, theta, trace, l1=0.01, l2=0.1)
    truth = oracle.backpropagate(
        NET.sizes, ("tanh", "softmax"), "cross_entropy", theta.W, theta.b, X, y, l1=0.01, l2=0.1
    )
    for l in (1, 2):
        np.testing.assert_allclose(ours.dW[l], np.where(NET.kept[l], truth.dW[l], 0), atol=1e-14)
        assert (truth.dW[l][~NET.kept[l]] != 0).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": wg.AdamW(0.01, decay=0.5)},
        {"optimizer": wg.SGD(0.1, momentum=0.9, nesterov=True), "l2": wg.Penalty(0.01, "step")},
        {"optimizer": wg.Nadam(0.01), "l1": 0.01, "clip": 0.1},
        {"optimizer": "lbfgs", "l2": 0.01, "batch_size": None},
        {"optimizer": "sgd", "batch_size": 40},
    ],
    ids=lambda options: str(options["optimizer"])[:12],
)
def test_what_a_mask_leaves_out_stays_0(engine, options):
    found = fit(engine, **options)
    assert zeros(found.theta)
    again = fit(engine, theta=found.theta, **options)
    assert zeros(again.theta) and (again.theta.flat != found.theta.flat).any()


def test_a_mask_that_the_compiled_loop_forgets_is_noticed(monkeypatch):
    if "native" not in ENGINES:
        pytest.skip("the native engine does not run here")
    monkeypatch.setattr(layout, "kept_of", lambda *_: None)
    assert not zeros(fit("native", optimizer=wg.Adam(0.01)).theta)


class Drift:
    """An optimizer of the user's own, which moves parameters without a gradient as well."""

    learning_rate = 0.1

    def init(self, theta):
        return np.zeros((0, len(theta)), theta.dtype)

    def coefficients(self, t, learning_rates):
        return learning_rates[:, None]

    def update(self, theta, g, opt_state, coefficients):
        return theta - coefficients[0] * g + 0.01, opt_state


def test_no_optimizer_of_ones_own_moves_what_a_mask_leaves_out():
    assert zeros(fit(optimizer=Drift()).theta)


@pytest.mark.parametrize("engine", ENGINES)
def test_blocks_learn_as_networks_of_their_own(engine):
    """Two networks side by side, whose costs add up."""
    y = DRAWS.normal(size=(40, 2))
    hidden, output = np.zeros((5, 5)), np.zeros((2, 5))
    hidden[:2, :2] = hidden[2:, 2:] = output[0, :2] = output[1, 2:] = 1
    both = wg.Network(5, [wg.Dense(5, "tanh", mask=hidden), wg.Dense(2, mask=output)])
    theta, options = both.init(seed=3), {"optimizer": wg.Adam(0.01), "engine": engine, "seed": 5}
    options |= {"epochs": 4, "batch_size": 8}
    found = wg.train(both, X, y, theta=theta, **options)
    for k, (inputs, units) in enumerate(((slice(0, 2), slice(0, 2)), (slice(2, 5), slice(2, 5)))):
        size = inputs.stop - inputs.start
        alone = wg.Network(size, [wg.Dense(size, "tanh"), wg.Dense(1)])
        W = [None, theta.W[1][units, inputs], theta.W[2][[k], units]]
        b = [None, theta.b[1][units], theta.b[2][[k]]]
        own = wg.train(alone, X[:, inputs], y[:, [k]], theta=alone.init(W=W, b=b), **options)
        np.testing.assert_allclose(found.theta.W[1][units, inputs], own.theta.W[1], rtol=1e-9)
        np.testing.assert_allclose(found.predict(X)[:, [k]], own.predict(X[:, inputs]), rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradients_norm_leaves_out_what_the_mask_does(engine):
    found = fit(engine, epochs=1, batch_size=40, layer_statistics=True).history.epochs[0].layers
    theta = NET.init(seed=1)
    trace = wg.backward(NET, theta, wg.forward(NET, theta, X), np.eye(2)[Y])
    g = wg.gradients(NET, theta, trace)
    for l in (1, 2):
        norm = np.hypot(np.linalg.norm(g.dW[l]), np.linalg.norm(g.db[l]))
        assert found[l - 1].gradient == pytest.approx(norm, rel=1e-12)


def test_several_trainings_side_by_side_have_the_bits_of_one():
    many = wg.train_many([{"seed": 1}, {"seed": 2}], net=NET, X=X, Y=Y, epochs=3, batch_size=8)
    alone = fit("auto", epochs=3, seed=2)
    assert zeros(many[1].theta) and (many[1].theta.flat == alone.theta.flat).all()


def test_a_warm_start_does_not_go_on_under_another_mask():
    from whygrad.training import warm_start_from

    plan = Plan(NET, wg.SGD(0.1), n=40)
    other = wg.Network(5, [wg.Dense(4, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
    with pytest.raises(wg.InputError, match="other masks"):
        warm_start_from(start(plan), plan, Plan(other, wg.SGD(0.1), n=40))
    assert isinstance(warm_start_from(start(plan), plan, plan), State)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_file_has_the_mask_in_few_bytes(tmp_path, trained):
    trained.save(tmp_path / "a.safetensors")
    again = wg.load(tmp_path / "a.safetensors")
    assert again.net == NET and (again.theta.flat == trained.theta.flat).all()
    blocks = np.kron(np.eye(40), np.ones((8, 50)))  # 40 columns of 50 categories in 8 units each
    assert len(str(to_dict(freeze(blocks == 1)))) < 3000 and blocks.size == 640_000


def test_models_without_a_mask_are_written_as_ever(tmp_path):
    from safetensors import safe_open

    plain = wg.Network(5, [wg.Dense(2, "softmax")], "cross_entropy")
    for net, schema in ((plain, "1"), (NET, "2")):
        fit(net=net, epochs=1).save(tmp_path / "a.safetensors")
        with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
            about = file.metadata()
        assert about["schema"] == schema and ("mask" in about["network"]) == (schema == "2")


@pytest.mark.parametrize("array", [M1 == 1, np.pi * M2, np.zeros((0, 3)), np.ones((3, 3), bool)])
def test_a_frozen_array_comes_back_as_it_was(array):
    frozen = freeze(array)
    assert from_dict(to_dict(frozen)) == frozen and isinstance(frozen, FrozenArray)
    np.testing.assert_array_equal(np.asarray(frozen), array)


@pytest.mark.parametrize(
    "change", [{"content": "!"}, {"content": "AAAA"}, {"shape": [1, 1]}, {"shape": [-1, 5]}, {"kind": "x"}]
)  # fmt: skip
def test_a_damaged_array_is_refused(change):
    with pytest.raises(wg.InputError, match="an array is damaged"):
        from_dict(to_dict(freeze(M1 == 1)) | change)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("masks") / "a.run"
    fit("auto", record=path, optimizer=wg.Adam(0.02))
    return wg.open_run(path)


def test_a_recorded_run_keeps_its_masks(recorded, tmp_path):
    assert recorded.net == NET and zeros(recorded.theta)
    assert str(recorded.replay()).endswith("equal to the last bit")
    fork = recorded.fork(10, record=tmp_path / "b.run", learning_rate=0.1)
    assert fork.net == NET and zeros(fork.theta)
    assert zeros(fork.resume(epochs=7).theta)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────

SENTENCE = "The weight from input 3 to hidden 0 is 0 by the layer's mask, and stays so."


def test_of_a_weight_that_is_left_out_answers_say_so(trained, recorded):
    why, (l, j, k) = trained.why, OUT
    for found in (
        why.weight(X, Y, layer=l, to=j, from_=k),
        why.weight(X[:1], Y[:1], layer=l, to=j, from_=k),
        why.paths(X[:1], Y[:1], layer=l, to=j, from_=k),
        recorded.why.ledger(layer=l, to=j, from_=k),
    ):
        assert found.answer.startswith(SENTENCE) and found.value == 0
        assert str(found) and found.to_dict()
    with pytest.raises(wg.InputError, match="by the layer's mask"):
        why.ripple(X, Y, layer=l, to=j, from_=k, by=0.1)


def test_no_example_pushes_a_weight_that_is_left_out(trained, recorded):
    found = wg.why.pushes(NET, trained.theta, X, Y, layer=1)
    assert not found[:, M1 == 0].any() and found[:, M1 == 1].any()
    assert not wg.why.pushes(NET, trained.theta, X, Y, layer=1, to=0, from_=3).any()
    some = wg.why.pushes(NET, trained.theta, X, Y, layer=1, to=[0, 2], from_=[0, 4])
    np.testing.assert_array_equal(some, found[:, [0, 2]][:, :, [0, 4]])
    ledger = recorded.why.ledger(layer=1)
    assert not ledger["by_class"][:, :, :-1][:, M1 == 0].any()
    assert not ledger["bound"][:, :-1][M1 == 0].any()


@pytest.mark.parametrize("k", [1, 3, 100])
def test_no_path_leads_through_a_weight_that_is_left_out(k):
    """A third layer whose unit 1 is a dead end, and one that leads there."""
    last = np.array([[1, 0, 1]])
    middle = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 1]])
    net = wg.Network(
        5, [wg.Dense(4, "tanh", mask=M1), wg.Dense(3, "relu", mask=middle), wg.Dense(1, mask=last)]
    )
    theta, y = net.init(seed=1), X[:, :1]
    for j in range(4):
        found = wg.why.paths(net, theta, X[:1], y[:1], layer=1, to=j, from_="bias", k=k)
        ways = [(j, p, 0) for p in range(3) if middle[p, j] and last[0, p]]
        assert found["count"] == len(ways)
        assert len(found["units"]) == min(k, len(ways))
        assert set(map(tuple, found["units"].tolist())) <= set(ways)
        g = wg.gradients(net, theta, wg.backward(net, theta, wg.forward(net, theta, X[:1]), y[:1]))
        assert found.value == pytest.approx(g.db[1][j], abs=1e-15)


def test_gradient_checks_look_at_the_weights_that_there_are(trained):
    found = wg.why.check(NET, trained.theta, X, Y, sample=None)
    assert found["passed"] and not set(found["index"]) & set(NET.masked)
    assert len(found["index"]) == len(trained.theta.flat) - len(NET.masked)


def test_what_is_left_out_is_not_drawn(trained):
    (picture,) = trained.why.weight(X, Y, layer=1, to=0, from_=0).pictures
    drawn = {edge.part for edge in edges(picture, lay_out(picture), all_=True)}
    kept = {f"{l}:{j},{k}" for l in (1, 2) for j, k in np.argwhere(NET.kept[l]).tolist()}
    assert drawn == kept | {f"{l}:{j},bias" for l in (1, 2) for j in range(NET.sizes[l])}


def test_the_ledger_of_a_masked_network_adds_up():
    data = as_data(NET, X, Y)
    plan = Plan(NET, wg.SGD(0.1, momentum=0.9), n=40, epochs=3, batch_size=8)
    found = wg.why.ledger(trajectory(plan, start(plan), data, engine="reference"), layer=1)
    assert (np.abs(found["rounding"]) <= found["bound"]).all()
