"""A diagnosis names the fault that was planted, proves its cure, and says nothing of a healthy training."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import whygrad as wg
from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.formatting import number
from whygrad.diagnosis import KINDS
from whygrad.diagnosis.answer import Results, answer_of
from whygrad.diagnosis.checks import fits_a_few, of_data, relation
from whygrad.diagnosis.contradictions import contradictions
from whygrad.diagnosis.cures import CURES, cures
from whygrad.diagnosis.description import Description, describe
from whygrad.diagnosis.finding import Finding
from whygrad.diagnosis.labels import dealt, of_rows, ranked, suspects
from whygrad.diagnosis.setting import Setting
from whygrad.diagnosis.subject import subject_of
from whygrad.diagnosis.symptoms import HYPOTHESES, Symptom, look, signs
from whygrad.diagnosis.task import balancing, has_learned, task_of
from whygrad.diagnosis.trials import WORTH, Trained, compare, proven, search, train_all
from whygrad.pipeline.recipe import Recipe
from whygrad.tables import Target, learn

DRAWS = np.random.default_rng(7)
X = DRAWS.normal(size=(240, 4))
Z = X[:, 0] - X[:, 1] + X[:, 2] * X[:, 3]
CLASSES = (Z > 0).astype(float)[:, None]
THREE = np.eye(3)[np.digitize(Z, [-0.8, 0.8])]
NUMBERS = np.column_stack([Z])


def described(activation, units, cost, hidden="relu"):
    return Description(
        4, [{"units": 8, "activation": hidden}, {"units": units, "activation": activation}], cost
    )


def kinds(described_net, Y):
    task = task_of(
        Y, described_net.output.units, described_net.output.name in ("sigmoid", "softmax")
    )
    Y = np.asarray(Y, float).reshape(len(Y), -1)
    return [finding.kind for finding in contradictions(described_net, task, Y)]


# ── contradictions ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("net", "Y", "kind"),
    [
        (described("softmax", 1, "binary_cross_entropy"), CLASSES, "output_activation"),
        (described("softmax", 1, "squared_error"), NUMBERS, "output_activation"),
        (described("sigmoid", 3, "cross_entropy"), THREE, "output_activation"),
        (described("identity", 3, "cross_entropy"), THREE, "output_activation"),
        (described("identity", 1, "binary_cross_entropy"), CLASSES, "output_activation"),
        (described("relu", 1, "squared_error"), NUMBERS, "output_activation"),
        (described("tanh", 1, "squared_error"), 3 * NUMBERS, "output_activation"),
        (described("sigmoid", 1, "binary_cross_entropy"), NUMBERS, "cost"),
        (described("softmax", 1, "poisson"), NUMBERS, "output_activation"),
        (described("exp", 1, "poisson"), NUMBERS, "cost"),
        (described("sigmoid", 1, "binary_cross_entropy"), THREE.argmax(1), "labels_wrong_form"),
        (described("softmax", 3, "cross_entropy"), THREE.argmax(1) / 255, "labels_wrong_form"),
        (described("sigmoid", 1, "binary_cross_entropy"), 2 * CLASSES - 1, "labels_wrong_form"),
        (described("softmax", 4, "cross_entropy"), THREE, "output_units"),
        (described("identity", 3, "squared_error"), NUMBERS, "labels_wrong_form"),
        (described("sigmoid", 1, "binary_cross_entropy"), 0 * CLASSES, "labels_wrong_form"),
    ],
)
def test_a_contradiction_is_named_first(net, Y, kind):
    assert kinds(net, Y)[0] == kind


@pytest.mark.parametrize(
    ("net", "Y"),
    [
        (described("sigmoid", 1, "binary_cross_entropy"), CLASSES),
        (described("sigmoid", 1, "squared_error"), CLASSES),
        (described("softmax", 3, "cross_entropy"), THREE),
        (described("softmax", 3, "cross_entropy"), THREE.argmax(1)),
        (described("softmax", 2, "cross_entropy"), CLASSES[:, 0]),
        (described("sigmoid", 3, "binary_cross_entropy"), (THREE + np.roll(THREE, 1, axis=0)) > 0),
        (described("identity", 1, "squared_error"), NUMBERS),
        (described("tanh", 1, "squared_error"), np.tanh(NUMBERS)),
        (described("identity", 1, "absolute_error"), np.arange(240.0)),
        (described("exp", 1, "poisson"), np.arange(240) % 7),
        (described("my own", 1, "my own"), NUMBERS),
    ],
)
def test_what_fits_together_contradicts_nothing(net, Y):
    assert kinds(net, Y) == []


def test_a_description_need_not_be_one_that_can_be_built():
    answer = wg.diagnose(described("softmax", 1, "cross_entropy"), X, CLASSES)
    assert answer.findings[0].kind == "output_activation"
    assert answer.findings[0].status == "exact"
    assert "softmax of a single unit is 1" in answer.answer


def test_targets_that_an_output_cannot_say_are_drawn_beside_its_ends():
    found = wg.diagnose(described("tanh", 1, "squared_error"), X, 3 * NUMBERS).findings[0]
    targets, low, high = found.picture.lines
    np.testing.assert_array_equal(targets.y, np.sort(3 * NUMBERS[:, 0]))
    assert (low.name, high.name) == ("tanh ends at -1", "tanh ends at 1")
    assert (set(low.y), set(high.y)) == ({-1.0}, {1.0})


def test_units_that_start_alike_are_named():
    net = wg.Network(4, [wg.Dense(6, "tanh", init="zeros"), wg.Dense(1, init="zeros")])
    answer = wg.diagnose(net, X, NUMBERS, epochs=1, seconds=0.01)
    assert answer.findings[0].kind == "init"
    assert answer.findings[0].status == "exact"
    assert "all 6 units of layer 1 start alike" in answer.answer


def test_zeros_without_a_hidden_layer_are_no_fault():
    net = wg.Network(4, [wg.Dense(1, init="zeros")])
    answer = wg.diagnose(net, X, X @ [[1.0], [2], [0], [0]], optimizer=wg.SGD(0.1), epochs=40)
    assert not [f for f in answer.findings if f.status != "possible"]


def test_a_cost_that_mixes_rows_is_named():
    mixes = wg.Cost(
        "mixes",
        lambda a, y: ((a - y.mean(axis=0)) ** 2).sum(axis=1) / 2,
        lambda a, y: a - y.mean(axis=0),
    )
    net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(1)], mixes)
    found = wg.diagnose(net, X, NUMBERS, epochs=2, seconds=0.01, engine="reference").findings[0]
    assert (found.kind, found.status) == ("cost", "exact")


def test_a_derivative_of_something_else_is_named():
    wrong = wg.Cost("wrong", lambda a, y: ((a - y) ** 2).sum(axis=1) / 2, lambda a, y: y - a)
    net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(1)], wrong)
    found = wg.diagnose(net, X, NUMBERS, epochs=2, seconds=0.01, engine="reference").findings[0]
    assert (found.kind, found.status) == ("gradient_wrong", "exact")


def test_no_epoch_is_no_training():
    net = wg.Network(4, [wg.Dense(1)])
    assert wg.diagnose(net, X, NUMBERS, epochs=0).findings[0].kind == "not_trained"


# ── proof ────────────────────────────────────────────────────────────────────────────────────────────

TANH = [wg.Dense(12, "tanh"), wg.Dense(1, "sigmoid")]
NET = wg.Network(4, TANH, "binary_cross_entropy")
LONG = {"optimizer": wg.Adam(0.02), "epochs": 60}


def with_hidden(units, activation="tanh", **options):
    hidden = wg.Dense(units, activation, **options)
    return wg.Network(4, [hidden, wg.Dense(1, "sigmoid")], "binary_cross_entropy")


FAULTS = {
    "inputs_unscaled": (NET, X * [1e3, 1e3, 1, 1] + [5e3, 0, 0, 0], CLASSES, {"epochs": 60}),
    "learning_rate_low": (NET, X, CLASSES, {"optimizer": wg.Adam(1e-6), "epochs": 60}),
    "learning_rate_high": (NET, X, CLASSES, {"optimizer": wg.SGD(300.0), "epochs": 60}),
    "activation_hidden": (
        wg.Network(4, [wg.Dense(12), wg.Dense(1)]), X, X[:, :1] * X[:, 1:2], {"epochs": 60},
    ),
    "regularization": (NET, X, CLASSES, {"optimizer": wg.Adam(0.01), "epochs": 60, "l2": 2.0}),
    "targets_unscaled": (
        wg.Network(4, [wg.Dense(12, "tanh"), wg.Dense(1)]), X, 5e4 * X[:, :1] + 4e5, {"epochs": 60},
    ),
    "output_activation": (
        wg.Network(4, [wg.Dense(12, "tanh"), wg.Dense(1, "relu")]), X, NUMBERS, {"epochs": 60},
    ),
    "dropout": (with_hidden(12, dropout=0.95), X, CLASSES, LONG),
    "init": (with_hidden(12, init=wg.Uniform(-40, 40)), X, CLASSES, LONG),
    "dead_relu": (with_hidden(12, "relu", bias_init=wg.Uniform(-9, -8)), X, CLASSES, LONG),
    "units_few": (with_hidden(1), X, CLASSES, {"optimizer": wg.Adam(0.05), "epochs": 100}),
    "epochs_few": (NET, X, CLASSES, {"optimizer": "lbfgs", "epochs": 2}),
    "clipping": (NET, X, CLASSES, {"optimizer": wg.SGD(1.0), "epochs": 60, "clip": 1e-4}),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_found_and_its_cure_proven(kind):
    net, inputs, Y, options = FAULTS[kind]
    answer = wg.diagnose(net, inputs, Y, **options)
    found = [f for f in answer.findings if f.status != "possible"]
    assert kind in [f.kind for f in found[:3]], answer
    assert found[0].gain > WORTH
    assert found[0].gain > 2 * found[0].error
    assert found[0].kind in KINDS


@pytest.mark.parametrize(
    ("net", "Y", "options"),
    [
        (NET, CLASSES, {"optimizer": wg.Adam(0.02), "epochs": 80}),
        (NET, CLASSES, {"optimizer": wg.SGD(1.0), "epochs": 150, "l2": 1e-4}),
        (wg.Network(4, [wg.Dense(16, "tanh"), wg.Dense(1)]), NUMBERS, {"optimizer": "lbfgs"}),
    ],
)
def test_a_healthy_training_raises_no_alarm(net, Y, options):
    answer = wg.diagnose(net, X, Y, seconds=5, **options)
    assert [f for f in answer.findings if f.status != "possible"] == []
    assert answer.answer.startswith("Nothing shows to be wrong")


NOISE = np.random.default_rng(3).normal(size=(240, 6))
BY_CHANCE = [CLASSES, THREE, NUMBERS]


@pytest.mark.parametrize("K", range(len(BY_CHANCE)), ids=["two classes", "three", "numbers"])
@pytest.mark.parametrize("inputs", ["noise", "in another order"])
def test_inputs_that_say_nothing_of_targets_are_told(K, inputs):
    Y = BY_CHANCE[K]
    rows = NOISE if inputs == "noise" else np.random.default_rng(K).permutation(X)
    last = wg.Dense(Y.shape[1], ["sigmoid", "softmax", "identity"][K])
    cost = ["binary_cross_entropy", "cross_entropy", "squared_error"][K]
    net = wg.Network(rows.shape[1], [wg.Dense(8, "tanh"), last], cost)
    answer = wg.diagnose(net, rows, Y, optimizer=wg.Adam(0.02), epochs=20, seconds=0.5)
    assert answer.answer.startswith("Inputs seem to say nothing of the targets")
    (first, *_) = answer.findings
    assert (first.kind, first.status) == ("labels_shuffled", "possible")
    assert "standard deviations of chance" in first.evidence


def test_a_network_that_shows_nothing_is_not_told_that_there_is_nothing():
    """The inputs say a great deal: what the network says of them is the same for all."""
    net = with_hidden(12, "relu", bias_init=wg.Uniform(-9, -8))
    answer = wg.diagnose(net, X, CLASSES, epochs=40, optimizer=wg.SGD(0.001), seconds=0)
    assert not answer.answer.startswith("Inputs seem"), answer.answer
    assert "labels_shuffled" not in [finding.kind for finding in answer.findings]


def test_a_relation_is_measured_in_deviations_of_what_other_orders_give():
    draws = np.random.default_rng(0)
    told, Y = draws.normal(size=(30, 3)), draws.normal(size=(30, 2)) @ draws.normal(size=(2, 3))
    A, B = told - told.mean(axis=0), Y - Y.mean(axis=0)
    found = np.array([(A * draws.permutation(B)).sum() for _ in range(4000)])
    assert abs(found.mean() / found.std()) < 0.1
    assert relation(told, Y) == pytest.approx((A * B).sum() / found.std(), rel=0.06)
    assert relation(Y + 5, Y) > 4 and relation(np.ones((30, 3)), Y) == 0.0
    assert relation(np.full((30, 3), np.nan), Y) == 0.0


def trained(scores, losses):
    return Trained(None, np.array(scores), np.array(losses), ())


def test_a_gain_by_chance_is_not_proven():
    draws = np.random.default_rng(0)
    base = trained([0.70, 0.72, 0.71], draws.uniform(0, 1, (3, 200)))
    luck = trained([0.80, 0.81, 0.79], draws.uniform(0, 1, (3, 200)))
    sure = trained([0.80, 0.81, 0.79], base.losses - 0.1)
    assert not proven(compare(["init"], luck, base), tried=10)
    assert proven(compare(["init"], sure, base), tried=10)


def test_a_gain_with_some_seeds_only_is_not_proven():
    losses = np.full((3, 200), 0.5)
    base = trained([0.5, 0.5, 0.7], losses)
    some = trained([0.9, 0.9, 0.7], losses - 0.1)
    assert not proven(compare(["init"], some, base), tried=1)


def test_the_more_cures_are_tried_the_surer_one_must_be():
    draws = np.random.default_rng(1)
    base = trained([0.6, 0.6, 0.6], np.full((3, 100), 0.5))
    better = trained([0.7, 0.7, 0.7], 0.5 - draws.normal(0.1, 0.45, (1, 100)) * np.ones((3, 1)))
    trial = compare(["init"], better, base)
    assert proven(trial, tried=1)
    assert not proven(trial, tried=100)


def test_a_cure_that_takes_longer_than_there_is_time_is_not_begun():
    (base,) = train_all([setting(epochs=1)])
    found = [Symptom("epochs_few", 1.0, "few"), Symptom("labels_corrupted", 1.0, "wrong")]
    assert search(base, found, seconds=5.0, spent=100.0) == ([], [], set())
    alone, tried, reached = search(base, found[:1], seconds=60.0, spent=0.01)
    assert [trial.kinds for trial in tried] == [("epochs_few",)] == [t.kinds for t in alone]
    assert reached == {"epochs_few"}


# ── symptoms and cures ───────────────────────────────────────────────────────────────────────────────


def setting(net=NET, inputs=X, Y=CLASSES, theta=None, **options):
    return Setting(net, inputs, Y, inputs, Y, task_of(Y, net.sizes[-1], True), Y, options, theta)


def seen(one, score=0.6, held_out=0.6):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return look(one, wg.train(**one.arguments(0)), score, held_out)


DEAD = wg.Network(4, [wg.Dense(12, "relu", bias_init=wg.Uniform(-90, -80)), wg.Dense(1, "sigmoid")])
RELU = wg.Network(4, [wg.Dense(12, "relu"), wg.Dense(1, "sigmoid")])
BUMPY = wg.Network(4, [wg.Dense(12, "relu"), wg.Dense(1)])
WILD = wg.Network(4, [wg.Dense(50, "tanh", init=wg.Uniform(-9, 9)), wg.Dense(1, "sigmoid")])
STEADY = setting(
    wg.Network(4, [wg.Dense(1)]), Y=X[:, :1], optimizer=wg.SGD(0.2), epochs=60, batch_size=240
)
BOLD = wg.Network(
    4,
    [wg.Dense(50, "tanh"), wg.Dense(1, "sigmoid", init=wg.Uniform(-5, 5))],
    "binary_cross_entropy",
)
LINE = wg.Network(4, [wg.Dense(1)])
STACK = [wg.Dense(9, "sigmoid") for _ in range(6)]
RARE = (np.sort(Z)[-7] < Z).astype(float)[:, None]  # 6 of 240
FLIPPED = np.where(np.arange(240)[:, None] % 7 == 3, 1 - CLASSES, CLASSES)
UNSEEN = np.ones((12, 4))
UNSEEN[:, 2] = 0
SHOWING = {  # the hypothesis: (a training that shows it, one that comes close and does not)
    "inputs_unscaled": (setting(inputs=X * 100), setting(inputs=X * 1.5)),
    "targets_unscaled": (setting(LINE, Y=NUMBERS * 1e4), setting(LINE, Y=NUMBERS)),
    "output_activation": (
        setting(wg.Network(4, [wg.Dense(9, "tanh"), wg.Dense(1)]), epochs=2),
        setting(epochs=2),
    ),
    "cost": (
        setting(wg.Network(4, [wg.Dense(9, "tanh"), wg.Dense(1, "sigmoid")]), epochs=2),
        setting(epochs=2),
    ),
    "class_imbalance": (
        setting(Y=RARE, optimizer=wg.SGD(0.1), epochs=20),
        setting(Y=RARE, optimizer=wg.Adam(0.05), epochs=60),
    ),
    "inputs_ignored": (
        setting(wg.Network(4, [wg.Dense(12, "tanh", mask=UNSEEN), wg.Dense(1, "sigmoid")]), epochs=2),
        setting(epochs=2),
    ),
    "labels_corrupted": (
        setting(Y=FLIPPED, optimizer=wg.Adam(0.02), epochs=40),
        setting(optimizer=wg.Adam(0.02), epochs=40),
    ),
    "not_finite": (
        setting(LINE, X * 1e3, NUMBERS, optimizer=wg.SGD(1.0), epochs=200),
        setting(LINE, X, NUMBERS, optimizer=wg.SGD(0.3), epochs=20),
    ),
    "too_sharp": (setting(LINE, Y=NUMBERS, optimizer=wg.SGD(3.0), epochs=9), STEADY),
    "cost_rises": (setting(LINE, Y=NUMBERS, optimizer=wg.SGD(3.0), epochs=9), STEADY),
    # On a quadratic: in a training that is chaotic rounding, and so the processor, would decide.
    "step_overshoots": (setting(LINE, Y=NUMBERS, optimizer=wg.SGD(3.0), epochs=9), STEADY),
    "step_long": (
        setting(optimizer=wg.Adam(1.0), epochs=2), setting(optimizer=wg.Adam(0.1), epochs=2),
    ),
    "units_died": (
        setting(BUMPY, np.abs(X) + 3, optimizer=wg.SGD(0.3), epochs=9),
        setting(BUMPY, np.abs(X) + 3, optimizer=wg.Adam(0.01), epochs=9),
    ),
    "oscillation": (
        setting(optimizer=wg.Adam(0.5), epochs=40), setting(optimizer=wg.Adam(0.02), epochs=40),
    ),
    "exploding_gradients": (
        setting(LINE, X * 30, NUMBERS, optimizer=wg.SGD(0.01), epochs=2), STEADY,
    ),
    "rate_low": (setting(optimizer=wg.Adam(1e-6), epochs=20), STEADY),
    "epochs_few": (setting(epochs=2), setting(LINE, Y=NUMBERS, epochs=200)),
    "optimizer_slow": (setting(optimizer=wg.SGD(1e-6), epochs=2), STEADY),
    "batch_large": (setting(batch_size=240, epochs=5), setting(batch_size=32, epochs=5)),
    "batch_small": (
        setting(LINE, Y=NUMBERS, batch_size=1, epochs=2),
        setting(LINE, Y=X[:, :1], batch_size=8, epochs=2),
    ),
    "clipping": (setting(clip=0.001, epochs=2), setting(clip=10.0, epochs=2)),
    "linear_hidden": (
        setting(wg.Network(4, [wg.Dense(9), wg.Dense(1)]), Y=NUMBERS, epochs=2),
        setting(wg.Network(4, [wg.Dense(9, "relu"), wg.Dense(1)]), Y=NUMBERS, epochs=2),
    ),
    "saturation": (setting(WILD, epochs=2), setting(epochs=2)),
    "vanishing_gradients": (
        setting(wg.Network(4, [*STACK, wg.Dense(1, "sigmoid")]), epochs=2),
        setting(wg.Network(4, [STACK[0], wg.Dense(1, "sigmoid")]), epochs=2),
    ),
    "dead_units": (
        setting(DEAD, epochs=2),
        setting(RELU, epochs=2),
    ),
    "spread_of_start": (setting(WILD, epochs=2), setting(epochs=2)),
    "initial_cost": (
        setting(BOLD, epochs=2), setting(epochs=2),
    ),
    "units_few": (
        setting(wg.Network(4, [wg.Dense(1, "tanh"), wg.Dense(1, "sigmoid")]), epochs=2),
        setting(wg.Network(4, [wg.Dense(1, "sigmoid")]), epochs=2),
    ),
    "dropout": (
        setting(wg.Network(4, [wg.Dense(9, "tanh", dropout=0.8), wg.Dense(1, "sigmoid")]), epochs=2),
        setting(wg.Network(4, [wg.Dense(9, "tanh", dropout=0.1), wg.Dense(1, "sigmoid")]), epochs=2),
    ),
    "penalty": (setting(l2=1.0, epochs=2), setting(l2=1e-5, epochs=2)),
}  # fmt: skip


def test_every_hypothesis_has_cures_and_a_test_here():
    assert set(HYPOTHESES) == {*SHOWING, "overfitting"}
    assert {kind for kind, _ in HYPOTHESES.values()} == set(CURES) <= set(KINDS)


@pytest.fixture(scope="module", params=SHOWING)
def planted(request):
    """Return a hypothesis, the setting in which it is planted, and what that shows."""
    there, _ = SHOWING[request.param]
    return request.param, there, signs(seen(there, held_out=0.8))


def test_a_hypothesis_stands_where_it_is_planted_and_shows_why(planted):
    name, _, found = planted
    (sign,) = [each for each in found if each.sign == name]
    assert sign.kind == HYPOTHESES[name][0]
    assert 0 < sign.strength <= 1
    drawn = picture_svg(sign.picture)
    assert drawn.startswith("<svg") and "NaN" not in drawn


@pytest.mark.parametrize("name", SHOWING)
def test_a_hypothesis_falls_where_it_is_only_nearly_so(name):
    _, close = SHOWING[name]
    found = signs(seen(close, held_out=0.97 if name == "labels_corrupted" else 0.6))
    assert name not in [each.sign for each in found if each.strength > 0.15]


def test_what_a_penalty_has_left_of_the_weights_is_told_beside_it():
    (shrunk,) = [one for one in signs(seen(setting(l2=1.0, epochs=200))) if one.sign == "penalty"]
    assert shrunk.evidence.startswith("weights are penalised, and have shrunk to 0.")
    (weighs,) = [one for one in signs(seen(setting(l2=1.0, epochs=2))) if one.sign == "penalty"]
    assert weighs.evidence.startswith("the penalty of the weights is ")
    assert " 0% " not in shrunk.evidence + weighs.evidence
    net = wg.Network(4, [wg.Dense(1, "sigmoid")])
    zero = net.init(W=[None, [[0.0] * 4]])
    (grown,) = [
        one
        for one in signs(seen(setting(net, theta=zero, l2=0.1, epochs=100)))
        if one.sign == "penalty"
    ]
    assert grown.evidence.endswith("% of what is minimised")


def test_a_training_that_told_its_rows_and_kept_an_earlier_epoch_has_units_enough():
    wide = wg.Network(4, [wg.Dense(64, "tanh"), wg.Dense(1, "sigmoid")])
    rng = np.random.default_rng(5)
    noise, other = (rng.integers(0, 2, (240, 1)).astype(float) for _ in range(2))
    rule = wg.Stopping(patience=1000, on="validation_cost", restore_best=True)
    options = {"optimizer": wg.Adam(0.1), "epochs": 300, "batch_size": 20, "stopping": rule}
    task = task_of(noise, 1, True)
    learned = seen(Setting(wide, X, noise, X, other, task, other, options, None))
    assert learned.costs.min() < 0.02 < 0.1 < learned.cost_of(learned.end)
    assert "units_few" not in [each.sign for each in signs(learned)]


def test_of_a_training_without_a_finite_cost_no_empty_curve_is_shown():
    wild = {"optimizer": wg.SGD(1e30), "epochs": 3, "batch_size": 4}
    there = seen(setting(BUMPY, X, NUMBERS, **wild))
    assert not len(there.costs) and there.diverged
    (sign,) = [each for each in signs(there) if each.sign == "not_finite"]
    assert sign.evidence == "the cost is no longer finite" and sign.picture is None
    assert "SGD diverges" in [each.evidence for each in signs(there)]
    answer = wg.diagnose(BUMPY, X, NUMBERS, seconds=0, **wild)
    assert "Cost by epoch" not in [picture.title for picture in answer.pictures]


def test_thousands_of_epochs_are_written_as_all_numbers_are():
    assert [said for said, _ in CURES["epochs_few"](setting(epochs=285))] == [
        "train for 2,850 epochs"
    ]


def test_a_cost_that_overflows_speaks_for_no_more_epochs_and_no_higher_rate():
    there, _ = SHOWING["not_finite"]
    found = {each.sign for each in signs(seen(there))}
    assert "not_finite" in found and not found & {"rate_low", "epochs_few"}


def test_of_a_single_epoch_nothing_is_said_about_its_last_tenth():
    (slow,) = [each for each in signs(seen(setting(epochs=1))) if each.sign == "rate_low"]
    assert slow.evidence == "there is one epoch in all"
    found = signs(seen(setting(epochs=1, batch_size=len(X))))
    assert "there is one step in all" in [each.evidence for each in found]


def test_a_cure_leaves_the_setting_alone_and_changes_something(planted):
    name, there, _ = planted
    found = cures(HYPOTHESES[name][0], there)
    assert found
    for cured in found:
        assert cured.cures[-1][0] == HYPOTHESES[name][0]
        assert (cured.net, cured.options, cured.scale_X, cured.scale_Y, len(cured.X)) != (
            there.net, there.options, there.scale_X, there.scale_Y, len(there.X),
        )  # fmt: skip
    assert there.cures == ()


def test_the_gradient_noise_scale_is_that_of_the_gradients_of_single_rows():
    net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(1)])
    one = setting(net, Y=NUMBERS, batch_size=1, epochs=1)
    theta, found = one.start(0), []
    for x, y in zip(X, NUMBERS, strict=True):
        trace = wg.backward(net, theta, wg.forward(net, theta, [x]), [y])
        found.append(wg.gradients(net, theta, trace).flat)
    variance, mean = np.var(found, axis=0, ddof=1).sum(), np.mean(found, axis=0)
    expected = variance / (mean @ mean - variance / len(X))
    (sign,) = [each for each in signs(seen(one)) if each.sign == "batch_small"]
    assert sign.picture.values[1] == pytest.approx(expected, rel=1e-9)


def test_a_rare_class_is_weighed_by_its_share():
    task = task_of(RARE, 1, True)
    weights = balancing(task, RARE)
    assert weights[RARE[:, 0] == 1].sum() == pytest.approx(weights[RARE[:, 0] == 0].sum())
    assert weights.mean() == pytest.approx(1)
    (cured,) = cures("class_imbalance", setting(Y=RARE))
    np.testing.assert_array_equal(cured.options["sample_weight"], weights)
    none = np.zeros((240, 1))
    assert cured.measure(lambda _: none)[0] == pytest.approx(0.5)  # not 234 of 240


def test_scaled_targets_are_measured_in_the_units_they_came_in():
    Y = NUMBERS * 1e3 + 5e4
    net = wg.Network(4, [wg.Dense(16, "tanh"), wg.Dense(1)])
    (cured,) = cures("targets_unscaled", setting(net, X, Y, optimizer="lbfgs"))
    fitted = wg.train(**cured.arguments(0))
    assert abs(fitted.predict(X)).max() < 10
    assert cured.outputs(fitted.predict).mean() == pytest.approx(Y.mean(), rel=0.01)
    assert cured.measure(fitted.predict)[0] > 0.9


def test_inputs_are_scaled_by_what_the_training_rows_have():
    (cured,) = cures("inputs_unscaled", setting(inputs=X * 50 + 7))
    np.testing.assert_allclose(cured.inputs.std(axis=0), 1)
    np.testing.assert_allclose(cured.inputs.mean(axis=0), 0, atol=1e-12)


def test_rare_categories_and_pieces_of_a_table_are_inputs_of_the_right_size():
    draws, n = np.random.default_rng(0), 240
    town = np.where(np.arange(n) % 20, "A", draws.choice(["B", "C", "D"], n))
    size = np.where(draws.random(n) < 0.01, np.nan, draws.lognormal(size=n))
    day = np.datetime64("2024-01-01") + np.arange(n)
    table = pa.table({"town": town, "size": size, "day": day})
    target = Target("y", "regression", "number")
    inputs = learn(table, target, bins=8, Y=NUMBERS).encode(table, np.float64)
    spread = np.sqrt((inputs**2).mean(axis=0))
    assert spread.max() > 20 * spread.min()
    net = wg.Network(inputs.shape[1], [wg.Dense(8, "relu"), wg.Dense(1)])
    found = {sign.kind for sign in signs(seen(setting(net, inputs, NUMBERS)))}
    assert "inputs_unscaled" not in found
    inputs[:, 0] *= 1000
    assert "inputs_unscaled" in {sign.kind for sign in signs(seen(setting(net, inputs, NUMBERS)))}


def test_what_is_learned_by_heart_shows_in_the_gap_between_the_parts():
    one = setting(epochs=2)
    assert "overfitting" in [s.kind for s in signs(seen(one, score=0.99, held_out=0.7))]
    assert "overfitting" not in [s.kind for s in signs(seen(one, score=0.99, held_out=0.93))]
    assert [said for (_, said) in (c.cures[-1] for c in cures("overfitting", one))] == [
        "penalise the weights (l2=0.01)",
        "penalise the weights (l2=0.001)",
        "leave 0.3 of the hidden units out (dropout)",
    ]


def test_a_contradiction_whose_cure_brings_nothing_by_itself_is_told_with_what_is_proven():
    exact = Finding("output_activation", "exact", "targets go to 30,000", "take a linear output")
    alone = replace(exact, status="possible", gain=0.0, error=0.0)
    scaled = replace(
        exact, kind="targets_unscaled", status="proven", cure="standardise the targets"
    )
    proven = replace(scaled, gain=0.987, error=0.001, evidence="outputs start at 0.5")
    task = task_of(NUMBERS, 1, False)
    said = (
        "The output layer cannot say what the targets ask for: targets go to 30,000. "
        "Cure: take a linear output"
    )
    assert answer_of(task, Results([exact], [])).answer == f"{said}."
    lone = f"{said}, which alone does not suffice."
    assert answer_of(task, Results([exact, alone], [])).answer == lone
    assert answer_of(task, Results([exact, alone, proven], [])).answer == (
        f"{lone} The targets are of another size than the outputs: outputs start at 0.5. "
        "Standardise the targets: R² rises by 0.987 ± 0.001."
    )


def test_an_r2_that_counts_as_nothing_is_said_to():
    answer = wg.diagnose(LINE, X, NUMBERS + 1e3, epochs=2, seconds=0)
    assert "0.000, 0.000, 0.000. What is worse than the mean counts as 0." in answer.notes[0]
    assert (
        "counts as"
        not in wg.diagnose(LINE, X, X[:, 0], optimizer=wg.SGD(0.2), epochs=60, seconds=0).notes[0]
    )


# ── what the data show ───────────────────────────────────────────────────────────────────────────────


def lines(inputs, Y, shuffled=True, measured=None):
    return " ".join(of_data(inputs, Y, task_of(Y, 1, True), shuffled, measured))


def test_constant_and_repeated_columns_are_named():
    wide = np.column_stack([X, np.ones(240), X[:, 1]])
    said = lines(wide, CLASSES)
    assert "Input 4 is the same value in every row" in said
    assert "Input 5 is a copy of another column" in said
    assert lines(X, CLASSES) == ""
    names = ["age", "height", "town=Ulm", "id", "unit", "size"]
    said = " ".join(of_data(wide, CLASSES, task_of(CLASSES, 1, True), True, None, names))
    assert said == (
        "Column unit is the same value in every row. Column size is a copy of another column."
    )
    names[-1] = "size is rare"
    said = " ".join(of_data(wide, CLASSES, task_of(CLASSES, 1, True), True, None, names))
    assert "Column 'size is rare' is a copy of another column." in said


@pytest.mark.parametrize(
    "n, said",
    [(3, "Inputs 4, 5 and 6 are each"), (6, "Inputs 4, 5, 6, 7, 8 … (6 in all) are each")],
)
def test_columns_are_counted_where_not_all_are_named(n, said):
    assert f"{said} the same value" in lines(np.column_stack([X, np.ones((240, n))]), CLASSES)


@pytest.mark.parametrize(
    "n, said", [(1, "there is 1 row, so"), (6, "all 6 rows have the same target, so")]
)
def test_rows_of_one_class_are_told_of_as_classes(n, said):
    net = wg.Network(4, [wg.Dense(2, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    answer = wg.diagnose(net, X[:n], np.ones(n), epochs=3, seconds=0.5)
    assert said in answer.answer and "accuracy of" in answer.notes[0]
    assert "R²" not in " ".join([*answer.notes, *(table.title for table in answer.tables)])


def test_a_class_that_is_nearly_always_there_is_named():
    rare = (np.arange(240) < 12).astype(float)[:, None]
    assert "One class has 95% of the rows" in lines(X, rare)


def test_sorted_classes_in_an_unshuffled_training_are_named():
    order = np.argsort(CLASSES[:, 0])
    assert "sorted by class" in lines(X[order], CLASSES[order], shuffled=False)
    assert lines(X, CLASSES, shuffled=False) == ""


def test_rows_in_both_parts_are_named():
    assert "60 of 120 validation rows" in lines(
        X, CLASSES, measured=np.vstack([X[:60], X[:60] + 1])
    )


def test_a_network_that_cannot_learn_a_few_rows_is_broken():
    dead = wg.Network(4, [wg.Dense(8, "relu"), wg.Dense(1, "relu")])
    assert fits_a_few(dead, X, -1 - np.abs(NUMBERS)) is not None
    assert fits_a_few(NET, X, CLASSES) is None


# ── the doors ────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_answers_for_its_own_training(tmp_path):
    wg.train(NET, X, CLASSES, optimizer=wg.Adam(1e-5), epochs=20, record=tmp_path / "slow.run")
    answer = wg.open_run(tmp_path / "slow.run").why.learning(seconds=3)
    assert answer.findings[0].kind == "learning_rate_low"
    assert answer.findings[0].status == "proven"
    assert answer.to_dict()["findings"][0]["gain"] == answer.findings[0].gain


def test_class_numbers_are_diagnosed_as_rows_of_0_and_1_are():
    net = wg.Network(4, [wg.Dense(8, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    options = {"optimizer": wg.SGD(1e-4), "epochs": 2, "seconds": 600.0}  # for all there are
    held_out = X[:50] + 0.1
    told = [
        wg.diagnose(net, X, Y, validation=(held_out, Y[:50]), **options)
        for Y in (THREE.argmax(1), THREE)
    ]
    assert told[0].findings == told[1].findings
    assert told[0].notes == told[1].notes
    assert told[0].findings
    assert "As it stands the cost went from" in told[0].notes[0]


def test_a_rule_on_validation_rows_sees_them_as_a_cure_makes_them():
    rule = wg.Stopping(patience=3, on="validation_score")
    (cured,) = cures("inputs_unscaled", setting(inputs=X * 50 + 7, stopping=rule))
    arguments = cured.arguments(0)
    np.testing.assert_array_equal(arguments["validation"][0], arguments["X"])
    assert "validation" not in setting().arguments(0)


def test_a_rule_on_a_metric_has_it_measured_in_every_trial():
    answer = wg.diagnose(
        NET, X, CLASSES, metrics="roc_auc", validation=(X[:60], CLASSES[:60]), epochs=3, seconds=1e-3,
        stopping=wg.Stopping(patience=3, on="roc_auc"),
    )  # fmt: skip
    assert "As it stands the cost went from" in answer.notes[0]


def test_a_network_with_masks_is_diagnosed_with_them(tmp_path):
    mask = np.ones((12, 4))
    mask[:6, :2] = 0
    net = wg.Network(4, [wg.Dense(12, "tanh", mask=mask), wg.Dense(1, "sigmoid")])
    wg.train(net, X, CLASSES, optimizer=wg.SGD(1e-6), epochs=5, record=tmp_path / "masked.run")
    answer = wg.open_run(tmp_path / "masked.run").why.learning(seconds=0.5)
    assert "trainings with cures were compared" in answer.notes[1]
    one = setting(net, theta=net.init(seed=0))
    assert cures("units_few", one) == []
    assert not one.start(1).flat[net.masked].any()
    assert (one.start(1).flat != one.start(0).flat).any()


def test_a_run_is_trained_again_with_its_rates_by_layer(tmp_path):
    wg.train(
        NET, X, CLASSES, epochs=2, rate_multipliers={"W": 0, "b": 0}, record=tmp_path / "0.run"
    )
    answer = wg.open_run(tmp_path / "0.run").why.learning(seconds=0)
    first, last = re.findall(r"the cost went from (\S+) to (\S+) in 2 epochs", answer.notes[0])[0]
    assert first == last


def test_a_few_rows_are_learned_with_their_own_targets():
    linear, Y = wg.Network(4, [wg.Dense(1, init="zeros")]), X @ [[3.0], [-2], [1], [4]]
    answer = wg.diagnose(linear, X, Y, optimizer=wg.SGD(1e-9), epochs=2, seconds=0)
    assert "R² of 72 rows set aside: 0.000" in answer.notes[0]
    assert not [note for note in answer.notes if "learned by heart" in note]


def test_a_fitted_estimator_is_trained_again():
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in (MLPClassifier, wg.MLPClassifier):
            mlp = kind((8,), solver="sgd", learning_rate_init=1e-7, max_iter=20, random_state=0)
            answer = wg.diagnose(mlp.fit(X, CLASSES[:, 0]), X, CLASSES[:, 0], seconds=3)
            assert answer.findings[0].status == "proven"
            assert answer.findings[0].kind in ("learning_rate_low", "optimizer")


@pytest.mark.parametrize(
    ("given", "data", "options", "message"),
    [
        (NET, (None, None), {}, "give X and Y"),
        (NET, (X, CLASSES[:7]), {}, "X has 240 rows and Y 7"),
        (NET, (X * np.nan, CLASSES), {}, r"X\[0, 0\] is nan"),
        (NET, ([["a"]], [1]), {}, "X is no table of numbers"),
        (NET, (X, CLASSES), {"epoch": 3}, "did you mean 'epochs'"),
        (NET, (X, CLASSES), {"validation": (X, THREE)}, "validation have 3 columns, and Y has 1"),
        (NET, (X[:, :3], CLASSES), {}, "X has 3 columns, and the network takes 4 inputs"),
        (NET, (X, CLASSES), {"validation": X}, "validation is a pair of inputs and targets"),
        (
            NET,
            (X, CLASSES),
            {"validation": (X[:, 1:], CLASSES)},
            "validation have 3 columns, and X",
        ),
        (NET, (X, CLASSES), {"seconds": -1}, "seconds is -1: it must be a number of at least 0"),
        (3, (X, CLASSES), {}, "no int can be diagnosed"),
        (described("softmax", 1, "poisson"), (X[:, 1:], CLASSES), {}, "X has 3 columns"),
        (described("softmax", 1, "poisson"), (None, None), {}, "give X and Y"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused(given, data, options, message):
    with pytest.raises(wg.InputError, match=message):
        wg.diagnose(given, *data, **options)


def test_a_network_describes_itself():
    assert repr(describe(NET)) == "<Description 4-12-1 tanh, sigmoid; binary_cross_entropy>"
    with pytest.raises(wg.InputError, match="needs 'units'"):
        Description(4, [{"activation": "relu"}])
    with pytest.raises(wg.InputError, match="has -1 inputs"):
        Description(-1, [{"units": 2}])
    with pytest.raises(wg.InputError, match="has 0 units"):
        Description(4, [{"units": 0}])


# ── what has measures of its own ─────────────────────────────────────────────────────────────────────


def test_weights_of_a_rare_class_are_proven_by_balanced_accuracy_where_accuracy_does_not_pay():
    draws = np.random.default_rng(3)
    inputs = draws.normal(size=(1500, 4))
    rare = (np.abs(inputs[:, 0] - inputs[:, 1]) > 3.2).astype(float)[:, None]
    options = {"optimizer": wg.SGD(0.1), "epochs": 30, "seconds": 5}
    (found,) = wg.diagnose(NET, inputs, rare, **options).findings
    assert (found.kind, found.status) == ("class_imbalance", "proven")
    assert found.measure == "balanced accuracy"
    hidden = (draws.uniform(size=1500) < 0.02 + 0.16 * (inputs[:, 0] > 0)).astype(float)[:, None]
    found = wg.diagnose(NET, inputs, hidden, **options).findings
    assert "class_imbalance" in [f.kind for f in found]
    assert not [f for f in found if f.status != "possible"]  # it would pay in accuracy


def test_targets_with_gross_errors_are_found_and_left_out():
    Y = np.tanh(NUMBERS)
    wrong = Y.copy()
    wrong[[5, 50, 95, 140]] *= -60
    net = wg.Network(4, [wg.Dense(16, "tanh"), wg.Dense(1)])
    answer = wg.diagnose(
        net, X[:180], wrong[:180], validation=(X[180:], Y[180:]), optimizer=wg.Adam(0.01), epochs=60,
    )  # fmt: skip
    assert (answer.findings[0].kind, answer.findings[0].status) == ("labels_corrupted", "proven")


def test_a_mask_that_leaves_an_input_out_is_proven_to_do_harm():
    net = wg.Network(
        4, [wg.Dense(12, "tanh", mask=UNSEEN), wg.Dense(1, "sigmoid")], "binary_cross_entropy"
    )
    answer = wg.diagnose(
        net, X, (X[:, 2:3] > 0).astype(float), optimizer=wg.Adam(0.02), epochs=40, seconds=4
    )
    assert (answer.findings[0].kind, answer.findings[0].status) == ("inputs_ignored", "proven")
    assert "input 2 has weights of 0 in layer 1" in answer.answer
    assert "leave the mask of layer 1 out" in answer.answer.lower()


def test_every_picture_of_a_finding_is_one_of_the_answer():
    answer = wg.diagnose(NET, X, CLASSES, optimizer=wg.Adam(1e-6), epochs=9, seconds=0)
    assert {f.kind for f in answer.findings} >= {"learning_rate_low", "epochs_few"}
    assert all(f.status == "possible" and f.cure for f in answer.findings)  # nothing was tried
    places = [f["picture"] for f in answer.to_dict()["findings"]]
    for place, finding in zip(places, answer.findings, strict=True):
        assert answer.pictures[place] is finding.picture
    titles = [picture.title for picture in answer.pictures]
    assert len(set(titles)) == len(titles)


# ── labels ───────────────────────────────────────────────────────────────────────────────────────────

SOFTMAX = wg.Network(4, [wg.Dense(12, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
NOISY = {"optimizer": wg.Adam(0.02), "epochs": 60, "l2": 1e-2}


def flipped(share=0.08):
    """Return class numbers of which some are wrong, and which."""
    draws, labels = np.random.default_rng(5), THREE.argmax(axis=1)
    wrong = np.zeros(240, bool)
    wrong[draws.choice(240, int(share * 240), replace=False)] = True
    return np.where(wrong, (labels + draws.integers(1, 3, 240)) % 3, labels), wrong


def area_under_curve(scores, wrong):
    return float((scores[wrong][:, None] > scores[~wrong]).mean())


def test_thousands_of_labels_are_written_as_all_numbers_are():
    inputs = np.linspace(-1, 1, 2400)[:, None]
    y = (inputs[:, 0] > 0) & (np.arange(2400) % 12 != 0)
    net = wg.Network(1, [wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    given = {"optimizer": "lbfgs", "epochs": 5, "folds": 2, "top": 1}
    answer = wg.suspect_labels(net, inputs, y.astype(float), **given).answer
    assert re.search(r"^[\d,]+ of the 2,400 labels to look at first", answer)


def test_wrong_labels_cost_most_in_networks_that_have_not_seen_them():
    y, wrong = flipped()
    answer = wg.suspect_labels(SOFTMAX, X, y, **NOISY)
    assert area_under_curve(answer["cost"], wrong) > 0.95
    assert answer["suspect"][wrong].mean() > 5 * answer["suspect"][~wrong].mean()
    np.testing.assert_array_equal(answer["order"], np.argsort(-answer["cost"], kind="stable"))
    assert f"{answer['suspect'].sum()} of the 240 labels to look at first: " in answer.answer
    of_suspects, of_all = np.median(answer["cost"][answer["suspect"]]), np.median(answer["cost"])
    costs = f"is {of_suspects:.4g}, that of all rows {of_all:.4g}; "
    assert costs in answer.answer and "likely wrong" not in str(answer)
    assert answer.tables[0].rows[0][0] == answer["order"][0]
    assert "of 72 others changes from" in answer.notes[2]


def test_a_run_an_estimator_and_a_network_are_told_the_same_labels(tmp_path):
    y, _ = flipped()
    options = {"optimizer": wg.Adam(0.02), "epochs": 5}
    wg.train(SOFTMAX, X, y, record=tmp_path / "noisy.run", seed=3, **options)
    of_run = wg.open_run(tmp_path / "noisy.run").why.labels(top=3)
    assert len(of_run.tables[0].rows) == 3
    theta = SOFTMAX.init(seed=3)
    of_net = wg.suspect_labels(SOFTMAX, X, y, seed=3, theta=theta, **options)
    np.testing.assert_array_equal(of_run["cost"], of_net["cost"])
    names = np.array(["low", "middle", "high"])[y]
    mlp = wg.MLPClassifier((12,), "tanh", learning_rate_init=0.02, max_iter=5, random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        mlp.fit(X, names)
    answer = wg.suspect_labels(mlp, X, names)
    assert {row[1] for row in answer.tables[0].rows} <= {"low", "middle", "high"}


@pytest.mark.parametrize("form", ["classes", "numbers"])
def test_what_mending_a_suspect_brings_is_what_training_with_it_mended_brings(form):
    options = {"optimizer": wg.Adam(0.02), "epochs": 10}
    if form == "classes":
        net, (y, _) = SOFTMAX, flipped()
    else:
        net = wg.Network(4, [wg.Dense(6, "tanh"), wg.Dense(1, "identity")])
        y = X[:, :1] + X[:, 1:2]
        y[[5, 9]] += 40
    train, rest = slice(0, 180), slice(180, 240)
    measured = X[rest], y[rest]
    answer = wg.suspect_labels(net, X[train], y[train], validation=measured, top=180, **options)
    np.testing.assert_array_equal(np.isfinite(answer["mended"]), answer["suspect"])
    assert answer["suspect"].sum() >= 2

    def cost(y):
        fitted = wg.train(net, X[train], y[train], validation=measured, **options)
        return fitted.history.epochs[-1].validation_cost

    for i in answer["order"][answer["suspect"][answer["order"]]][:3]:
        mended, told = y.copy(), answer["told"][i]
        mended[i] = told.argmax() if form == "classes" else told
        assert answer["mended"][i] == pytest.approx(cost(mended) - cost(y), abs=1e-6)
    table = answer.tables[0]
    shown = [row[table.columns.index("mending it brings")] for row in table.rows]
    assert [one is not None for one in shown] == answer["suspect"][answer["order"]].tolist()
    assert "each suspect is mended by itself" in answer.notes[2]


def test_mending_a_label_of_a_run_begins_where_the_run_began(tmp_path):
    y, _ = flipped()
    measured = X[:60] + 0.1, THREE[:60].argmax(axis=1)
    options = {"seed": 3, "optimizer": wg.Adam(0.02), "epochs": 12, "validation": measured}
    start = SOFTMAX.init(seed=8)
    fitted = wg.train(SOFTMAX, X, y, theta=start, record=tmp_path / "noisy.run", **options)
    cost = fitted.history.epochs[-1].validation_cost
    answer = wg.open_run(tmp_path / "noisy.run").why.labels(top=3)
    assert f"measured, from {number(cost)}:" in answer.notes[2]
    i = next(i for i in answer["order"][:3] if answer["suspect"][i])
    y[i] = answer["told"][i].argmax()
    again = wg.train(SOFTMAX, X, y, theta=start, **options).history.epochs[-1].validation_cost
    assert answer["mended"][i] == pytest.approx(again - cost, abs=1e-9)


def test_mending_is_not_judged_by_rows_that_were_trained_on():
    answer = wg.suspect_labels(SOFTMAX, X, flipped()[0], optimizer=wg.Adam(0.02), epochs=10)
    assert answer["suspect"].any() and not np.isfinite(answer["mended"]).any()
    assert "mending it brings" not in answer.tables[0].columns


def test_no_fold_trains_on_the_rows_that_it_tells():
    deal = dealt(task_of(THREE, 3, True), 5, seed=0)
    counts = np.array([THREE[deal == k].sum(axis=0) for k in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1  # every class in all of them alike
    memory = wg.Network(4, [wg.Dense(30, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    coins = np.random.default_rng(0).integers(0, 2, (240, 1)).astype(float)
    one = setting(memory, Y=coins, optimizer=wg.Adam(0.05), epochs=60)
    told = ranked(one).told
    assert ((told > 0.5) == coins).mean() < 0.65  # which by heart would be 1


def test_a_network_that_has_not_learned_accuses_no_label():
    answer = wg.suspect_labels(SOFTMAX, X, flipped()[0], optimizer=wg.SGD(1e-6), epochs=1)
    assert answer.answer.startswith("Which labels are wrong cannot be said")
    assert not answer["suspect"].any()
    assert not any(note.startswith("Without the") for note in answer.notes)


def test_of_several_labels_those_are_accused_that_a_network_has_learned():
    draws = np.random.default_rng(2)
    Y = np.stack([X[:, 0] > 0, draws.random(240) < 0.5, X[:, 1] > 0], axis=1) * 1.0
    wrong = np.abs(X[:, 0]).argsort()[-2:]
    Y[wrong, 0] = 1 - Y[wrong, 0]
    net = wg.Network(4, [wg.Dense(8, "tanh"), wg.Dense(3, "sigmoid")], "binary_cross_entropy")
    answer = wg.suspect_labels(net, X, Y, optimizer=wg.Adam(0.05), epochs=20)
    assert answer["suspect"][wrong].all() and answer["suspect"].mean() < 0.1
    answer = wg.suspect_labels(net, X, draws.random((240, 3)) < 0.5, epochs=5)
    assert answer.answer.startswith("Which labels are wrong cannot be said")
    assert not answer["suspect"].any()


def test_beside_a_rare_class_a_network_can_have_learned():
    rare = task_of(np.eye(2)[(np.arange(100) < 5).astype(int)], 2, True)
    assert has_learned(rare, 0.99) and not has_learned(rare, 0.95)


def test_a_label_is_suspect_where_the_mean_certainty_of_another_class_is_reached():
    told = np.array([[0.9, 0.1], [0.7, 0.3], [0.15, 0.85], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    labels = np.eye(2)[[0, 0, 0, 1, 1, 1]]  # mean certainties of 0.58 and 0.70
    found = suspects(task_of(labels, 2, True), told)
    np.testing.assert_array_equal(found, [False, False, True, False, False, False])
    errors = np.array([[0.1], [-0.1], [0.12], [-0.09], [2.0]])
    numbers = task_of(np.arange(5.0)[:, None], 1, False)
    np.testing.assert_array_equal(suspects(numbers, numbers.Y + errors), [0, 0, 0, 0, 1])


def test_rows_that_are_left_out_take_their_weights_with_them():
    weights = np.arange(240.0)
    kept = of_rows(setting(sample_weight=weights, batch_size=100), np.arange(200, 240))
    np.testing.assert_array_equal(kept.options["sample_weight"], weights[200:])
    np.testing.assert_array_equal(kept.targets, CLASSES[200:])
    assert kept.batch_size == 40


def test_a_tabular_estimator_is_diagnosed_by_one_member_and_its_recipe():
    recipe = Recipe(members=3, hidden=(8,), epochs=2, bins=0)
    table = pa.table({name: X[:, j] for j, name in enumerate("abcd")})
    said = np.where(CLASSES[:, 0] > 0, "yes", "no")
    model = wg.TabularClassifier(recipe, random_state=0).fit(table, said)
    subject = subject_of(model, table, said, {})
    assert subject.net.sizes == model.ensemble_.net.sizes
    assert subject.options["epochs"] == 2
    assert subject.options["optimizer"] == wg.AdamW(recipe.learning_rate, decay=recipe.decay)
    assert wg.diagnose(model, table, said, seconds=0).findings
    for given, rows, labels in (
        (model.ensemble_, X, CLASSES),
        (wg.explain(model), table, said),
    ):
        member = subject_of(given, rows, labels, {"epochs": 3})
        assert member.net.sizes == subject.net.sizes  # not all of them joined


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ((NET, X, CLASSES), {"top": 0}, "top is 0: it must be a whole number of at least 1"),
        ((described("relu", 1, "poisson"), X, CLASSES), {}, "a description is not trained"),
        (
            (NET, X, CLASSES),
            {"folds": 1},
            "folds is 1: it must be a whole number from 2 to the 240",
        ),
        ((NET, X[:3], CLASSES[:3]), {}, "folds is 5: it must be a whole number from 2 to the 3"),
        ((NET, None, None), {}, "give X and Y"),
        ((3, X, CLASSES), {}, "no int can be diagnosed"),
    ],
)
def test_labels_that_cannot_be_ranked_are_refused(given, options, message):
    with pytest.raises(wg.InputError, match=message):
        wg.suspect_labels(*given, **options)
