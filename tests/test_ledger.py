"""The ledger: start value and every contribution add up to the weight, for every optimizer and option."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whygrad as wg
from plans import OPTIMIZERS, REGULARISATION, ROWS, SCHEDULES, name_of
from trajectories import ROW, SIZES, N, make_trajectory
from whygrad.engines.probes import bias, neuron, weight, whole
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why import influence, ledger
from whygrad.why.training_history.accounts import accounts
from whygrad.why.training_history.trajectory import trajectory

BATCH = 5
PROBES = {
    "a weight": weight(2, 1, 3),
    "a bias": bias(SIZES, 3, 1),
    "a neuron": neuron(SIZES, 2, 2),
    "a layer": whole(SIZES, 1),
}


def bound(found, dtype):
    """4 ε (Σ_t |θ_t| + B Σ |contributions|), for each weight."""
    return 4 * np.finfo(dtype).eps * (found.sizes + BATCH * found.pushes)


def closes(found, dtype):
    return bool((np.abs(found.rounding) <= bound(found, dtype)).all())


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_the_ledger_closes_for_every_pair_of_choices(row):
    made = make_trajectory(row)
    for probe in PROBES.values():
        found = accounts(made, probe)
        assert closes(found, row["dtype"]), probe
        assert (found.reached == found.value).all()
        assert (np.abs(found.rounding) <= found.bound).all()
        assert (found.bound <= 300 * bound(found, row["dtype"])).all(), "a bound that says nothing"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("regularisation", ["none", "everything"])
def test_the_ledger_closes_with_the_momentum_that_a_fork_brings_along(optimizer, regularisation):
    made = make_trajectory(
        ROW | {"optimizer": optimizer, "regularisation": regularisation}, begin=0.05
    )
    found = accounts(made, PROBES["a neuron"])
    assert closes(found, "float64")
    carries = optimizer not in ("sgd", "adagrad", "rmsprop")
    assert found.carried_over.any() == carries


@settings(max_examples=40, deadline=None)
@given(
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    regularisation=st.sampled_from(list(REGULARISATION)),
    schedule=st.sampled_from(list(SCHEDULES)),
    dtype=st.sampled_from(["float32", "float64"]),
    depth=st.integers(1, 3),
    width=st.integers(1, 6),
    n=st.integers(1, 17),
    batch=st.integers(1, 17),
    seed=st.integers(0, 2**16),
    f=st.sampled_from(["relu", "tanh", "sigmoid", "elu", "silu"]),
)
def test_the_ledger_closes_over_random_networks_optimizers_and_data(
    optimizer, regularisation, schedule, dtype, depth, width, n, batch, seed, f
):
    rng = np.random.default_rng(seed)
    options = dict(REGULARISATION[regularisation])
    drop = options.pop("dropout", 0.0)
    options.pop("sample_weight", None)
    options = {
        k: wg.Penalty(v) if k in ("l1", "l2") and isinstance(v, float) else v
        for k, v in options.items()
    }
    if schedule == "adaptive":
        options["stopping"] = wg.Stopping(tol=1e9, patience=1)
    layers = [wg.Dense(width, f, dropout=drop) for _ in range(depth - 1)]
    net = wg.Network(4, [*layers, wg.Dense(2, "softmax")], "cross_entropy")
    data = as_data(
        net, rng.normal(size=(n, 4)), rng.integers(2, size=n), rng.uniform(0.1, 2, n), dtype
    )
    plan = Plan(
        net, OPTIMIZERS[optimizer], n, epochs=4, batch_size=min(batch, n), seed=seed, dtype=dtype,
        schedule=SCHEDULES[schedule], **options,
    )  # fmt: skip
    made = trajectory(plan, start(plan), data, engine="reference")
    found = accounts(made, whole(net.sizes, depth))
    eps, B = np.finfo(dtype).eps, plan.batch_size
    assert (np.abs(found.rounding) <= 4 * eps * (found.sizes + B * found.pushes)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_example_left_out_of_the_account_is_caught(optimizer, dtype):
    made = make_trajectory(ROW | {"optimizer": optimizer, "dtype": dtype})
    found = accounts(made, PROBES["a weight"])
    contributions = found.by_example[:, 0, 0]
    assert closes(found, dtype)
    for example in range(N):
        gap = np.abs(found.rounding[0, 0] + contributions[example])
        assert gap > bound(found, dtype)[0, 0]


def test_plants_in_the_rules_are_caught(monkeypatch):
    from whygrad.why.training_history import accounts as module

    true = module.linear

    def planted(**changes):
        def wrong(*arguments):
            numbers = true(*arguments)
            return replace(numbers, **{k: change(numbers) for k, change in changes.items()})

        monkeypatch.setattr(module, "linear", wrong)
        return accounts(
            make_trajectory(ROW | {"optimizer": "nadam", "regularisation": "l1"}),
            PROBES["a weight"],
        )

    assert closes(planted(), "float64")
    for name, change in (
        ("mu", lambda one: one.mu * 1.001),
        ("p", lambda one: one.p * 1.001),
        ("q", lambda one: one.q * 1.001),
        ("r", lambda one: one.r * 1.001),
        ("keep", lambda one: one.keep * 1.001),
        ("push", lambda one: one.push * 1.001),
        ("penalty", lambda one: one.penalty * 1.001),
    ):
        assert not closes(planted(**{name: change}), "float64"), name


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "rmsprop with momentum"])
@pytest.mark.parametrize("regularisation", ["clip value", "everything"])
def test_how_many_steps_are_taken_in_at_once_changes_nothing(
    optimizer, regularisation, monkeypatch
):
    from whygrad.why.training_history import accounts as module

    made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": regularisation})
    found = [accounts(made, PROBES["a layer"])]
    for steps in (1, 3):
        monkeypatch.setattr(module, "chunk_of", lambda *_, steps=steps: steps)
        found.append(accounts(made, PROBES["a layer"]))
    for name in ("by_class", "penalty", "decay", "by_epoch", "path", "other"):
        for other in found[1:]:
            np.testing.assert_allclose(
                getattr(other, name), getattr(found[0], name), rtol=1e-9, atol=1e-14
            )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_layer_a_neuron_and_a_weight_tell_the_same(optimizer):
    made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": "everything"})
    layer = accounts(made, whole(SIZES, 1))  # by products of matrices
    one = accounts(made, weight(1, 2, 3))  # push by push
    assert layer.by_example is None and one.by_example is not None
    for name in ("by_class", "penalty", "decay", "carried_over"):
        np.testing.assert_allclose(
            getattr(layer, name)[..., 2, 3], getattr(one, name)[..., 0, 0], rtol=1e-9, atol=1e-15
        )


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "rmsprop with momentum", "nadam"])
@pytest.mark.parametrize("regularisation", ["none", "clip value"])
def test_examples_of_many_weights_are_followed_back_as_those_of_few(
    optimizer, regularisation, monkeypatch
):
    from whygrad.why.training_history import accounts as module

    made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": regularisation})
    forwards = ledger(made, 2, 1)
    assert forwards["by_class"].shape == (3, 1, 10)
    monkeypatch.setattr(module, "FEW", 0)
    backwards = ledger(made, 2, 1)
    np.testing.assert_allclose(
        backwards["by_example"], forwards["by_example"], rtol=1e-9, atol=1e-14
    )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_the_epochs_lead_along_the_path_of_the_weight(optimizer):
    made = make_trajectory(
        ROW | {"optimizer": optimizer, "regularisation": "decay per step"}, epochs=5
    )
    found = ledger(made, layer=2, to=1, from_=3)
    assert found["by_epoch"].shape == (5, 3) and len(found["path"]) == 6
    np.testing.assert_allclose(found["by_epoch"].sum(axis=0), found["by_class"][:, 0, 0], rtol=1e-9)
    picture = found.pictures[0]
    assert picture.lines[0].y[0] == found["start"] and picture.lines[0].y[-1] == found.value
    stacked = sum(line.y for line in picture.stacked)
    np.testing.assert_allclose(found["start"][0, 0] + stacked, found["path"], rtol=0, atol=1e-13)


def test_terms_and_residual_add_up_to_the_value_now():
    made = make_trajectory(ROW | {"optimizer": "adamw", "regularisation": "everything"}, begin=0.01)
    for place in ((2, 1, 3), (2, 1, None), (2, 1, "bias"), (2, 1), (3,)):
        found = ledger(made, *place)
        names = [term.name for term in found.terms]
        assert names == [
            "start", "examples of output 0", "examples of output 1", "examples of output 2",
            "penalties", "decay", "momentum carried over",
        ] if place[-1] not in (None, "bias") else "penalties" not in names  # fmt: skip
        total = sum(term.value for term in found.terms) + found.residuals["rounding"]
        assert total == pytest.approx(found.value, rel=1e-14)
        assert abs(found.residuals["rounding"]) < 1e-13
        assert str(found) and found.to_dict()


def test_where_the_best_parameters_are_restored_the_ledger_ends_with_them():
    rule = wg.Stopping(patience=3, tol=0.0, restore_best=True)
    made = make_trajectory(ROW, epochs=40, stopping=rule)
    wild = replace(made.plan, optimizer=wg.SGD(6.0))
    made = trajectory(wild, start(wild), made.data)
    assert 0 < made.last < 40 * 5 and made.last % 5 == 0
    found = accounts(made, PROBES["a weight"])
    assert closes(found, "float64")
    W = wg.Parameters(SIZES, made.theta).W[2]
    assert found.value[0, 0] == W[1, 3]


def test_the_examples_that_pushed_most_are_listed_by_their_class():
    made = make_trajectory(ROW)
    found = ledger(made, 3, 1, 2, top=3, influence=False)
    up, down = found.tables
    by_example = found["by_example"]
    assert [row[1] for row in up.rows] == np.argsort(-by_example)[:3].tolist()
    assert [row[1] for row in down.rows] == np.argsort(by_example)[:3].tolist()
    assert up.rows[0][0] == f"output {made.data.Y[up.rows[0][1]].argmax()}"
    assert "accounting, not a counterfactual" in found.notes[0]
    assert "influence=True" in found.notes[0]
    assert "influence=True" not in ledger(made, 3, 1, 2, influence=True).notes[0]


def test_what_is_held_fixed_is_said_and_nothing_else():
    divided = "The denominators of Adam are held as they were recorded."
    clipped = "How far gradients were clipped is held as it was recorded."
    for optimizer, clipping, said in (
        ("sgd", "none", ()),
        ("sgd", "clip norm", (clipped,)),
        ("adam", "none", (divided,)),
        ("adam", "clip value", (divided, clipped)),
    ):
        made = make_trajectory(ROW | {"optimizer": optimizer, "regularisation": clipping})
        for found in (ledger(made, 2, 1, 3), influence(made, made.data.X[0], method="tracin")):
            assert tuple(note for note in found.notes if " held " in note) == said


class Own:
    """Somebody's own rule."""

    learning_rate = 0.1

    def init(self, theta):
        return np.zeros((0, len(theta)))

    def coefficients(self, t, learning_rates):
        return learning_rates[:, None]

    def update(self, theta, g, opt_state, coefficients):
        return theta - coefficients[0] * np.sign(g), opt_state


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda c: ledger(c, 4, 0, 0), "layer 4: the layers are 1 to 3"),
        (lambda c: ledger(c, 2, 7, 0), "unit 7 of layer 2: its units are 0 to 6"),
        (lambda c: ledger(c, 2, 1, 9), "unit 9 of layer 1: its units are 0 to 8"),
        (lambda c: ledger(c, 2, from_=3), "weights from 3 to which unit of layer 2? Give to=…"),
        (lambda c: ledger(c, 2, 1, 3, top=0), "top is 0: it must be a whole number of at least 1"),
    ],
)
def test_a_weight_that_is_not_there_has_no_ledger(ask, line):
    with pytest.raises(wg.InputError) as caught:
        ask(make_trajectory(ROW))
    assert str(caught.value) == line


def test_rules_that_are_not_linear_in_the_gradients_are_refused():
    made = make_trajectory(ROW)
    own = replace(made.plan, optimizer=Own())
    with pytest.raises(wg.InputError, match="how Own moves weights is not known here"):
        ledger(trajectory(own, start(own), made.data, engine="reference"), 2, 1, 3)
    whole_data = replace(made.plan, optimizer=wg.LBFGS(), batch_size=N)
    with pytest.raises(wg.InputError, match="L-BFGS moves by all examples at once"):
        trajectory(whole_data, start(whole_data), made.data)
