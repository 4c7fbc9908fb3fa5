"""Training is a pure function: what decides it, where it ends, and what it tells on the way."""

import io
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from engines import accepts, each_engine, needs_native
from networks import HIDDEN, PAIRINGS, draw_targets
from whygrad.engines import Probes, choose
from whygrad.nn.arrays import as_data
from whygrad.nn.functions import COSTS
from whygrad.plan.plan import Plan, start
from whygrad.training import loop as training
from whygrad.training.loop import Training, run
from whygrad.training.progress import ProgressBar

NET = wg.Network(3, [wg.Dense(5, "tanh"), wg.Dense(2, "softmax")], cost="cross_entropy")


def examples(n=23, seed=0, dtype=np.float64):
    """Points in space in two classes that a curved surface divides."""
    X = np.random.default_rng(seed).normal(size=(n, 3)).astype(dtype)
    return X, (X[:, 0] * X[:, 1] > 0.1 * X[:, 2]).astype(int)


def fit(engine="reference", net=NET, data=None, **options):
    """A training that is small unless said otherwise."""
    X, Y = examples() if data is None else data
    settings = {"optimizer": wg.SGD(0.2, momentum=0.9), "epochs": 4, "batch_size": 5} | options
    return wg.train(net, X, Y, engine=engine, **settings)


def assert_same_bits(one, other):
    np.testing.assert_array_equal(one.theta.flat, other.theta.flat)
    assert one.history == other.history


# ── a pure function ──────────────────────────────────────────────────────────────────────────────


@each_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits(engine, dtype):
    assert_same_bits(fit(engine, seed=3, dtype=dtype), fit(engine, seed=3, dtype=dtype))


@each_engine
def test_another_seed_gives_another_network(engine):
    assert (fit(engine, seed=3).theta.flat != fit(engine, seed=4).theta.flat).all()


@each_engine
def test_the_seed_decides_the_order_even_from_given_parameters(engine):
    theta = NET.init(0)
    one, other = (fit(engine, theta=theta, seed=seed) for seed in (1, 2))
    assert (one.theta.flat != other.theta.flat).any()


@each_engine
def test_without_shuffling_the_seed_decides_nothing_but_the_start(engine):
    theta = NET.init(0)
    one, other = (fit(engine, theta=theta, seed=seed, shuffle=False) for seed in (1, 2))
    assert_same_bits(one, other)


@each_engine
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
def test_where_chunks_end_never_changes_a_bit(engine, optimizer, steps, monkeypatch):
    options = {"optimizer": optimizer, "l2": 0.01, "validation": examples(9, seed=1)}
    whole = fit(engine, **options)
    monkeypatch.setattr(training, "next_chunk", lambda *_: steps)
    assert_same_bits(fit(engine, **options), whole)


@each_engine
def test_what_is_given_is_left_as_it_was(engine):
    X, Y = examples()
    theta, sample_weight = NET.init(0), np.ones(len(X))
    given = [X, Y, theta.flat, sample_weight]
    before = [array.copy() for array in given]
    fit(engine, data=(X, Y), theta=theta, sample_weight=sample_weight)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@each_engine
def test_a_training_continued_from_its_state_is_the_one_that_never_paused(engine):
    X, Y = examples()
    plan = Plan(NET, wg.Adam(0.01), n=len(X), epochs=6, batch_size=5)
    data, machine = as_data(NET, X, Y), choose(engine, plan)
    whole, history = run(Training(plan, start(plan), data, None, machine))
    half, first = run(Training(replace(plan, epochs=2), start(plan), data, None, machine))
    rest, second = run(Training(plan, half, data, None, machine))
    np.testing.assert_array_equal(rest.theta, whole.theta)
    np.testing.assert_array_equal(rest.opt_state, whole.opt_state)
    assert first.epochs + second.epochs == history.epochs


@each_engine
def test_no_epochs_leave_the_start(engine):
    fitted = fit(engine, epochs=0, seed=5)
    np.testing.assert_array_equal(fitted.theta.flat, NET.init(5).flat)
    assert fitted.history.epochs == ()


def test_an_epoch_takes_every_example_once_in_an_order_of_its_own():
    plan = Plan(NET, wg.SGD(0.1), n=23, batch_size=5, seed=1)
    batches = [plan.batch(4, i) for i in range(plan.steps_per_epoch)]
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
    assert sorted(np.concatenate(batches)) == list(range(23))
    assert (plan.order(4) != plan.order(5)).any()


def test_the_order_of_an_epoch_is_a_pure_function_of_seed_and_epoch():
    orders = [
        Plan(NET, rule, n=23, batch_size=size, epochs=epochs, seed=1).order(7)
        for rule, size, epochs in [(wg.SGD(0.1), 5, 9), (wg.Adam(), 23, 99)]
    ]
    np.testing.assert_array_equal(*orders)
    assert (orders[0] != Plan(NET, wg.SGD(0.1), n=23, batch_size=5, seed=2).order(7)).any()


# ── it learns ────────────────────────────────────────────────────────────────────────────────────


@each_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [wg.SGD(2.0), wg.SGD(0.5, 0.9, nesterov=True), wg.Adam(0.1)])
def test_exclusive_or_is_learned(engine, optimizer, dtype):
    X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    net = wg.Network(2, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    fitted = fit(engine, net, (X, Y), optimizer=optimizer, epochs=400, batch_size=4, dtype=dtype)
    assert fitted.predict(X).round().ravel().tolist() == Y
    assert fitted.history.cost[-1] < 0.05


@each_engine
def test_a_straight_line_is_recovered(engine):
    X = np.linspace(-1, 1, 20)
    net = wg.Network(1, [wg.Dense(1, "identity")])
    fitted = fit(engine, net, (X, 3 * X - 0.5), optimizer=wg.SGD(0.5), epochs=300)
    assert fitted.theta.flat == pytest.approx([3, -0.5], abs=1e-9)


@each_engine
def test_numbers_of_classes_and_rows_with_a_one_are_the_same_targets(engine):
    X, Y = examples()
    assert_same_bits(fit(engine, data=(X, Y)), fit(engine, data=(X, np.eye(2)[Y])))


@each_engine
def test_examples_of_any_shape_are_flattened(engine):
    X, Y = examples(24)
    X = np.concatenate([X, -X], axis=1)
    dense = [wg.Dense(2, "softmax")]
    flat = fit(engine, wg.Network(6, dense, "cross_entropy"), (X, Y))
    square = fit(engine, wg.Network((2, 3), dense, "cross_entropy"), (X.reshape(-1, 2, 3), Y))
    assert_same_bits(flat, square)


@each_engine
def test_the_dtype_of_the_inputs_decides_that_of_the_training(engine):
    assert fit(engine, data=examples(dtype=np.float32)).theta.flat.dtype == np.float32
    assert fit(engine).theta.flat.dtype == np.float64
    assert fit(engine, dtype="float32").theta.flat.dtype == np.float32


# ── the engines agree ────────────────────────────────────────────────────────────────────────────

TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


def assert_engines_agree(net, data, dtype, **options):
    optimizer = options.setdefault("optimizer", wg.SGD(0.05, momentum=0.5))
    plan = Plan(net, optimizer, n=len(data[0]), batch_size=5, dtype=dtype)
    assert accepts("reference", plan)
    if not accepts("native", plan):
        return
    ours, truth = (
        fit(engine, net, data, dtype=dtype, **options) for engine in ("native", "reference")
    )
    near = TOLERANCE[dtype] * np.abs(truth.theta.flat).max()
    np.testing.assert_allclose(ours.theta.flat, truth.theta.flat, rtol=0, atol=near)
    np.testing.assert_allclose(ours.history.cost, truth.history.cost, rtol=10 * TOLERANCE[dtype])
    assert ours.history.stopped == truth.history.stopped


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "cost"), PAIRINGS)
def test_the_engines_agree_on_every_pairing(output, cost, dtype):
    net = wg.Network(3, [wg.Dense(4, "sigmoid"), wg.Dense(3, output)], cost)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(23, 3)), draw_targets(rng, COSTS[cost].targets, 23, 3)
    assert_engines_agree(net, data, dtype)


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_engines_agree_on_every_hidden_activation(hidden, dtype):
    small = wg.Uniform(-0.3, 0.3)  # exp of exp overflows from modest beginnings
    deep = [wg.Dense(5, hidden, small), wg.Dense(4, hidden, small)]
    net = wg.Network(3, [*deep, wg.Dense(2, "identity")])
    rng = np.random.default_rng(0)
    assert_engines_agree(net, (rng.normal(size=(23, 3)), rng.normal(size=(23, 2))), dtype)


OPTIONS = {
    "sgd": {"optimizer": wg.SGD(0.1)},
    "nesterov": {"optimizer": wg.SGD(0.1, momentum=0.9, nesterov=True)},
    "adam": {"optimizer": wg.Adam(0.01)},
    "adam, epsilon_hat": {"optimizer": wg.Adam(0.01, epsilon=1e-3, epsilon_hat=True)},
    "l1": {"l1": 0.02},
    "l2": {"l2": 0.1},
    "penalties per example": {
        "l1": wg.Penalty(0.1, per="example"),
        "l2": wg.Penalty(0.2, per="example"),
    },
    "penalties per data": {"l1": wg.Penalty(0.1, per="data"), "l2": wg.Penalty(0.2, per="data")},
    "sample_weight": {
        "sample_weight": np.random.default_rng(1).uniform(0, 2, 23),
        "l2": wg.Penalty(1, "example"),
    },
    "weights, some of them 0": {"sample_weight": np.arange(23) % 3, "shuffle": False},
    "weights, a batch of 0": {"sample_weight": np.arange(23) > 4, "shuffle": False},
    "whole batches": {"batch_size": 23},
    "single examples": {"batch_size": 1},
    "falling rate": {"schedule": wg.InverseScaling()},
    "validation": {"validation": examples(9, seed=1)},
}


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_engines_agree_on_every_option(options, dtype):
    assert_engines_agree(NET, examples(), dtype, **options)


@needs_native
def test_the_engines_agree_on_the_gradient_of_a_part_of_the_data():
    X, Y = examples(400)
    plan = Plan(NET, wg.SGD(0.1), n=400, l1=wg.Penalty(0.1, "example"), l2=wg.Penalty(0.2))
    theta = NET.init(0).flat
    for rows in (1, 7, 400):
        part = as_data(NET, X[:rows], Y[:rows], sample_weight=1 + np.arange(rows) % 3)
        (C, g), (truth, true_g) = (
            choose(name, plan).cost_and_gradient(plan, theta.copy(), part)
            for name in ("native", "reference")
        )
        assert pytest.approx(truth, rel=1e-12) == C
        np.testing.assert_allclose(g, true_g, rtol=1e-10, atol=1e-13)


@each_engine
def test_an_engine_that_ran_one_network_runs_the_next_as_a_new_one_would(engine):
    X, Y = examples()
    nets = [
        wg.Network(
            3, [wg.Dense(4, hidden, "lecun_normal"), wg.Dense(2, "softmax")], "cross_entropy"
        )
        for hidden in ("tanh", "sigmoid")
    ]
    plans = [Plan(net, wg.SGD(0.1), n=23, batch_size=5) for net in nets]
    used = choose(engine, plans[0])
    for plan in plans:
        results = [
            machine.run(plan, start(plan), as_data(plan.net, X, Y), 5, Probes())[0].theta
            for machine in (used, choose(engine, plan))
        ]
        np.testing.assert_array_equal(*results)


# ── penalties and weights of examples ────────────────────────────────────────────────────────────


def penalty(theta, l1=0.0, l2=0.0):
    return sum(l1 * np.abs(W).sum() + l2 / 2 * (W**2).sum() for W in theta.W[1:])


@each_engine
def test_penalties_are_part_of_the_cost_and_leave_biases_alone(engine):
    theta = NET.init(0)
    theta.b[1][:] = 100.0
    once = {"theta": theta, "epochs": 1, "batch_size": 23}
    plain = fit(engine, **once).history.cost[0]
    with_both = fit(engine, l1=0.1, l2=0.3, **once).history.cost[0]
    assert with_both - plain == pytest.approx(penalty(theta, 0.1, 0.3), rel=1e-12)


@each_engine
@pytest.mark.parametrize(("per", "divisor"), [("batch", 1), ("example", 5), ("data", 20)])
@pytest.mark.parametrize("which", ["l1", "l2"])
def test_a_penalty_is_divided_by_what_it_says(engine, which, per, divisor):
    options = {"data": examples(20), "batch_size": 5}
    given = fit(engine, **options, **{which: wg.Penalty(0.3, per=per)})
    divided = fit(engine, **options, **{which: 0.3 / divisor})
    np.testing.assert_allclose(given.theta.flat, divided.theta.flat, rtol=1e-12, atol=1e-14)


@each_engine
def test_l1_drives_weights_that_nothing_needs_towards_zero(engine):
    X, _ = examples(40)
    net = wg.Network(3, [wg.Dense(1, "identity")])
    fitted = fit(engine, net, (X, 2 * X[:, 0]), optimizer=wg.SGD(0.01), epochs=400, l1=0.1)
    needed, *others = np.abs(fitted.theta.W[1][0])
    assert needed > 1.5
    assert max(others) < 0.02


@each_engine
def test_a_weight_of_two_counts_as_the_example_given_twice(engine):
    X, Y = examples(8)
    doubled = np.concatenate([X, X[:2]]), np.concatenate([Y, Y[:2]])
    twice = fit(engine, data=doubled, batch_size=10, theta=NET.init(0))
    sample_weight = np.array([2, 2, 1, 1, 1, 1, 1, 1])
    weighted = fit(
        engine, data=(X, Y), batch_size=8, theta=NET.init(0), sample_weight=sample_weight
    )
    np.testing.assert_allclose(weighted.theta.flat, twice.theta.flat, rtol=1e-12, atol=1e-14)


@each_engine
def test_an_example_of_weight_zero_teaches_nothing(engine):
    X, Y = examples(8)
    sample_weight = np.array([0, 1, 1, 1, 1, 1, 1, 1])
    absurd = X.copy()
    absurd[0] = 1e6
    one, other = (
        fit(engine, data=(inputs, Y), batch_size=4, sample_weight=sample_weight)
        for inputs in (X, absurd)
    )
    np.testing.assert_array_equal(one.theta.flat, other.theta.flat)


# ── history, validation data, stopping ─────────────────────────────────────────────────────────────


@each_engine
def test_the_cost_of_an_epoch_is_the_mean_over_its_batches_before_each_update(engine):
    X, Y = examples(7)
    theta, rule = NET.init(0), wg.SGD(0.5)
    fitted = fit(
        engine,
        data=(X, Y),
        theta=theta,
        optimizer=rule,
        batch_size=4,
        epochs=1,
        shuffle=False,
        l2=0.1,
    )
    flat, total = theta.flat.copy(), 0.0
    for rows in (slice(0, 4), slice(4, 7)):
        now = wg.Parameters(theta.sizes, flat)
        y = np.eye(2)[Y[rows]]
        trace = wg.backward(NET, now, wg.forward(NET, now, X[rows]), y)
        total += wg.cost(NET, now, trace, y, l2=0.1) * len(y)
        flat = flat - 0.5 * wg.gradients(NET, now, trace, l2=0.1).flat
    assert fitted.history.cost == pytest.approx([total / 7], rel=1e-13)
    np.testing.assert_allclose(fitted.theta.flat, flat, rtol=1e-12, atol=1e-15)


@each_engine
def test_validation_examples_are_measured_after_every_epoch_and_teach_nothing(engine):
    X, Y = examples(9, seed=1)
    fitted = fit(engine, validation=(X, Y))
    np.testing.assert_array_equal(fitted.theta.flat, fit(engine).theta.flat)
    a = fitted.predict(X)
    assert fitted.history.validation_score[-1] == (a.argmax(axis=1) == Y).mean()
    expected = -np.log(a[np.arange(9), Y]).mean()
    assert fitted.history.validation_cost[-1] == pytest.approx(expected, rel=1e-12)
    assert len(fitted.history.validation_cost) == 4


def test_without_validation_examples_there_are_no_measures_of_them():
    assert fit().history.validation_cost == [None] * 4


def test_numbers_are_scored_by_r2():
    X = np.linspace(-1, 1, 10)
    net = wg.Network(1, [wg.Dense(1, "identity")])
    Y = X**2 + X
    fitted = fit(net=net, data=(X, Y), validation=(X, Y))
    left = ((Y - fitted.predict(X)[:, 0]) ** 2).sum()
    expected = 1 - left / ((Y - Y.mean()) ** 2).sum()
    assert fitted.history.validation_score[-1] == pytest.approx(expected)


@each_engine
@pytest.mark.parametrize("on", ["cost", "validation_cost", "validation_score"])
def test_a_stopping_rule_stops_after_its_patience(engine, on):
    rule = wg.Stopping(on, tol=1e9, patience=3)  # only the first epoch can improve by so much
    fitted = fit(engine, epochs=50, stopping=rule, validation=examples(9, seed=1))
    assert len(fitted.history.epochs) == 1 + 3 + 1
    assert "did not improve by more than 1e+09 for 3 epochs" in fitted.history.stopped


@each_engine
def test_restoring_the_best_gives_the_parameters_of_the_best_epoch(engine):
    kept = {}

    def keep(report):
        kept[report.state.epoch] = report.parameters.copy()

    rule = wg.Stopping("validation_cost", patience=60, restore_best=True)
    fitted = fit(
        engine,
        epochs=60,
        optimizer=wg.SGD(0.5),
        stopping=rule,
        validation=examples(9, 1),
        callbacks=[keep],
    )
    best = int(np.argmin(fitted.history.validation_cost)) + 1
    assert best < 60, "the network is meant to overfit"
    np.testing.assert_array_equal(fitted.theta.flat, kept[best].flat)


def test_a_training_says_why_it_ended():
    assert fit().history.stopped == "all epochs done"


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────


@each_engine
def test_callbacks_hear_of_every_epoch_with_its_numbers(engine):
    top_inputs = []
    fitted = fit(
        engine, callbacks=[lambda report: top_inputs.append((report.state.epoch, report.epoch))]
    )
    assert top_inputs == list(enumerate(fitted.history.epochs, start=1))


@each_engine
def test_a_callback_stops_the_training_with_true(engine):
    fitted = fit(engine, epochs=50, callbacks=[lambda report: report.state.epoch == 3])
    assert fitted.history.stopped == "stopped by a callback"
    np.testing.assert_array_equal(fitted.theta.flat, fit(engine, epochs=3).theta.flat)


def test_every_callback_is_called_though_one_stops():
    top_inputs = []
    fit(callbacks=[lambda _: True, lambda _: top_inputs.append(1)])
    assert top_inputs == [1]


def test_an_error_in_a_callback_reaches_the_caller_and_the_progress_line_is_closed(monkeypatch):
    closed = []
    monkeypatch.setattr(
        "whygrad.training.progress.ProgressBar.close", lambda self: closed.append(True)
    )

    def fail(report):
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        fit(callbacks=[fail], progress=True)
    assert closed == [True]


class Diary(wg.Callback):
    """A callback that writes down when it is called."""

    probes = Probes(costs=True)

    def __init__(self):
        self.calls, self.costs = [], []

    def on_steps_end(self, report):
        self.calls.append("steps")
        self.costs += report.probed.costs.tolist()

    def on_epoch_end(self, report):
        self.calls.append("epoch")
        return report.state.epoch == 2

    def close(self):
        self.calls.append("close")


@each_engine
def test_a_callback_is_called_at_every_moment_that_it_has_a_method_for(engine):
    diary = Diary()
    fitted = fit(engine, epochs=50, callbacks=[diary, wg.Callback()])
    assert fitted.history.stopped == "stopped by a callback"
    assert diary.calls.count("epoch") == 2 and "steps" in diary.calls
    assert diary.calls[-2:] == ["epoch", "close"] and diary.calls.count("close") == 1
    steps = len(diary.costs) // 2  # in an epoch, of which every step has told its cost
    assert len(diary.costs) == 2 * steps and steps > 1
    assert np.isfinite(diary.costs).all()


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys):
    fit(epochs=20, progress=True, validation=examples(9, seed=1))
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 10
    assert err.splitlines()[-1].startswith("epoch 20/20  cost ")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_training_that_stops_early_leaves_no_rest_on_the_progress_line():
    X, Y = examples()
    plan = Plan(NET, wg.SGD(0.1), n=23, epochs=50, batch_size=5)
    bar = ProgressBar(Terminal())
    engine = choose("reference", plan)
    early = Training(plan, start(plan), as_data(NET, X, Y), None, engine)
    kept = []
    run(early, [bar, lambda report: kept.append(bar.shown) or True])
    (task,) = kept[0].bar.tasks
    assert task.finished and task.remaining == 0


# ── Ctrl-C ───────────────────────────────────────────────────────────────────────────────────────


@each_engine
def test_ctrl_c_ends_the_training_with_the_parameters_so_far(engine):
    def press(report):
        if report.state.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)  # for the signal to arrive

    handler = signal.getsignal(signal.SIGINT)
    fitted = fit(engine, epochs=50, callbacks=[press])
    assert fitted.history.stopped == "interrupted"
    assert len(fitted.history.epochs) == 3
    np.testing.assert_array_equal(fitted.theta.flat, fit(engine, epochs=3).theta.flat)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_chunk_grows_by_the_steps_that_were_taken():
    """The last batch of an epoch may be small, and says little of how long others take."""
    assert training.next_chunk(8, 8, 1e-4) == 64
    assert training.next_chunk(64, 64, 1.0) == 5
    assert training.next_chunk(10, 1, 5e-5) == 10
    assert training.next_chunk(64, 9, 1e-3) == 72


@each_engine
def test_ctrl_c_is_heard_within_a_long_epoch(engine):
    X, Y = np.zeros((200_000, 3)), np.zeros(200_000, int)
    press = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    press.start()
    fitted = fit(engine, data=(X, Y), epochs=1000)
    press.join()
    assert fitted.history.stopped == "interrupted"


def test_a_second_ctrl_c_interrupts_at_once():
    def press(report):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        fit(epochs=50, callbacks=[press])


def test_a_handler_of_ctrl_c_that_python_cannot_restore_is_left_alone(monkeypatch):
    def refuse(*given):
        raise AssertionError("the handler was changed")

    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # one that is not Python's
    monkeypatch.setattr(signal, "signal", refuse)
    fit()


def test_a_training_in_another_thread_leaves_signals_alone():
    fitted = []
    thread = threading.Thread(target=lambda: fitted.append(fit()))
    thread.start()
    thread.join()
    assert_same_bits(fitted[0], fit())


# ── what it takes and gives ─────────────────────────────────────────────────────────────────────


def test_a_schedule_is_found_by_name_and_a_number_clips_the_length_of_the_gradient():
    X, Y = [[0.0], [1.0]], [1.0, 0.0]
    net = wg.Network(1, [wg.Dense(2, "tanh"), wg.Dense(1, "identity")])
    by_name = wg.train(net, X, Y, epochs=5, schedule="cosine", clip=0.1)
    by_value = wg.train(net, X, Y, epochs=5, schedule=wg.Cosine(), clip=wg.Clip(norm=0.1))
    assert np.array_equal(by_name.theta.flat, by_value.theta.flat)


def test_what_training_gives_prints_as_one_line():
    net = wg.Network(1, [wg.Dense(1, "identity")])
    shown = repr(wg.train(net, [[0.0], [1.0]], [1.0, 0.0], epochs=50))
    assert shown.startswith("<Fitted 1-1 squared_error: <History of 50 epochs, last cost ")
    assert len(shown) < 120
