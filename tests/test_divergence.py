"""A cost that stops being finite ends a training at its step, with finite parameters and a reason."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import whygrad as wg
from engines import each_engine
from whygrad.engines import Probes, choose
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training import loop as training


def examples():
    """Points in space in two classes that a curved surface divides."""
    X = np.random.default_rng(0).normal(size=(23, 3))
    return X, (X[:, 0] * X[:, 1] > 0.1 * X[:, 2]).astype(int)


def fit(engine, net, data, **options):
    """A training that is small unless said otherwise."""
    return wg.train(net, *data, engine=engine, **{"epochs": 4, "batch_size": 5} | options)


def diverge(engine, net, learning_rate=1e3, **options):
    X, _ = examples()
    options = {"optimizer": wg.SGD(learning_rate), "epochs": 200} | options
    with pytest.warns(wg.DivergenceWarning) as warned:
        fitted = fit(engine, net, (X, 100 * X[:, :1]), **options)
    (warning,) = warned
    assert warning.filename == __file__, "the warning points at whoever called train"
    return fitted, str(warning.message)


LINEAR = wg.Network(3, [wg.Dense(4, "relu"), wg.Dense(1, "identity")])


@each_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_diverging_training_stops_at_its_step_and_names_the_layer(engine, dtype):
    fitted, message = diverge(engine, LINEAR, dtype=dtype)
    assert fitted.history.stopped.startswith("diverged at step ")
    assert "overflowed first, " in message or "the cost overflowed" in message
    assert "Try a smaller learning rate" in message
    assert "\n" not in message
    assert np.isfinite(fitted.theta.flat).all()


@each_engine
@pytest.mark.parametrize("steps", [1, 3, 1000])
def test_the_last_parameters_with_a_finite_cost_are_kept(engine, steps, monkeypatch):
    """The state is that of a training stopped one step before the one whose cost is not finite."""
    monkeypatch.setattr(training, "next_chunk", lambda *_: steps)
    fitted, _ = diverge(engine, LINEAR, learning_rate=3.0, batch_size=5)
    step = int(fitted.history.stopped.split(":")[0].removeprefix("diverged at step "))
    assert step > 5, "the training is meant to last for more than an epoch"

    X, _ = examples()
    plan = Plan(LINEAR, wg.SGD(3.0), n=23, epochs=200, batch_size=5)
    data, machine = as_data(LINEAR, X, 100 * X[:, :1]), choose(engine, plan)
    state = start(plan)
    while state.step < step - 1:
        until = min(step - 1, state.step + plan.steps_per_epoch - state.batch_index)
        state, _ = machine.run(plan, state, data, until, Probes())
        if state.batch_index == plan.steps_per_epoch:
            state, _ = training.end_of_epoch(plan, state, None)
    np.testing.assert_array_equal(fitted.theta.flat, state.theta)

    batch = plan.batch(state.epoch, state.batch_index)
    cost = machine.cost_and_gradient(
        plan, state.theta, as_data(LINEAR, X[batch], 100 * X[batch, :1])
    )[0]
    assert np.isfinite(cost)


@each_engine
def test_a_start_that_overflows_is_kept_as_it_was(engine):
    theta = LINEAR.init(0)
    theta.flat[:] = 1e200
    fitted, message = diverge(engine, LINEAR, theta=theta)
    np.testing.assert_array_equal(fitted.theta.flat, theta.flat)
    assert "diverged at step 0: layer 2 overflowed first, z[2] is infinite" in message


@each_engine
def test_a_diverging_training_names_the_first_layer_that_overflowed(engine):
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(3, "exp"), wg.Dense(1, "identity")])
    theta = net.init(b=[None, None, [0, 1000, 0]])
    _, message = diverge(engine, net, theta=theta)
    assert "layer 2 overflowed first, a[2] is infinite" in message


@each_engine
def test_a_diverging_training_is_still_scored(engine):
    fitted, _ = diverge(engine, LINEAR, validation=(np.zeros((2, 3)), [0.0, 1.0]))
    assert len(fitted.history.validation_score) == len(fitted.history.epochs)


@each_engine
def test_an_overflow_in_the_very_last_step_is_seen_and_undone(engine):
    draws = np.random.default_rng(0)
    X, Y = draws.normal(size=(20, 3)) * 1e3, draws.normal(size=(20, 1)) * 1e3
    net = wg.Network(3, [wg.Dense(1, "identity")])
    with pytest.warns(wg.DivergenceWarning):
        fitted = wg.train(
            net,
            X,
            Y,
            dtype="float32",
            optimizer=wg.SGD(1e37),
            batch_size=20,
            epochs=1,
            engine=engine,
        )
    assert fitted.history.stopped.startswith("diverged at step 1: layer 1")
    assert np.array_equal(fitted.theta.flat, net.init(seed=0).flat.astype(np.float32))
    assert fitted.history.epochs == ()


@each_engine
def test_the_reason_is_that_of_the_step_with_what_dropout_left_out(engine):
    # Only what dropout keeps is doubled, and only that overflows.
    net = wg.Network(3, [wg.Dense(8, "identity", dropout=0.5), wg.Dense(1, "identity")])
    theta = net.init(W=[None, np.zeros((8, 3)), np.zeros((1, 8))], b=[None, np.full(8, 1e308), [0]])
    _, message = diverge(engine, net, theta=theta)
    assert "diverged at step 0: layer 1 overflowed first, a[1] is infinite" in message


def test_the_rate_that_is_named_is_that_of_the_step():
    theta = LINEAR.init(0)
    theta.flat[:] = 1e200
    _, message = diverge(
        "reference", LINEAR, learning_rate=5.0, theta=theta, schedule=wg.OneCycle(start=10)
    )
    assert "(learning rate 0.5)" in message


# ── where a warning points to ────────────────────────────────────────────────────────────────────────

OWN = wg.functions.Activation("own", np.tanh, lambda z: 1 - np.tanh(z) ** 2)
STEEP = {"solver": "sgd", "learning_rate_init": 10.0, "activation": "identity", "alpha": 0.0}
WARNED = {
    "divergence": (STEEP, wg.DivergenceWarning),
    "the engine": ({"activation": OWN, "solver": "sgd", "tol": 1.0}, wg.EngineWarning),
    "all epochs": ({"max_iter": 1, "solver": "adam"}, UserWarning),
    "L-BFGS": ({"max_iter": 1, "solver": "lbfgs"}, UserWarning),
    "batches": ({"batch_size": 99, "tol": 1e9, "n_iter_no_change": 1}, UserWarning),
}


@pytest.mark.parametrize(("options", "category"), WARNED.values(), ids=WARNED)
def test_a_warning_points_at_the_users_line_however_deep_it_arises(options, category):
    X, _ = examples()
    reg = wg.MLPRegressor("squared_error", (4,), random_state=0, **options)
    for estimator in (reg, make_pipeline(StandardScaler(), reg)):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            estimator.fit(X, 100 * X[:, 0])
        assert [(w.category, w.filename) for w in warned if issubclass(w.category, category)]
        assert {w.filename for w in warned} == {__file__}


def test_a_warning_of_l_bfgs_points_at_the_users_line():
    net = wg.Network(1, [wg.Dense(1, "exp")], "poisson")
    theta = net.init(W=[None, [[800.0]]])
    with pytest.warns(wg.DivergenceWarning) as warned:
        wg.train(net, [[1.0], [2.0]], [1.0, 2.0], optimizer="lbfgs", theta=theta)
    assert [w.filename for w in warned] == [__file__]


# ── a cost that rises without end, and is still finite when its epoch ends ───────────────────────────


def growing(dtype="float64"):
    """One unit that learns a line, at a rate at which every epoch multiplies the cost by about 1e6."""
    draws = np.random.default_rng(1)
    X = draws.normal(size=(8, 1)).astype(dtype)
    return wg.Network(1, [wg.Dense(1, "identity")]), X, (3 * X).astype(dtype)


def rates(engine, epochs, dtype="float64", **options):
    """What a training says at the rate of `growing`, after so many epochs of one step each."""
    net, X, Y = growing(dtype)
    options = {"optimizer": wg.SGD(1e3), "batch_size": 8, "dtype": dtype} | options
    return wg.train(net, X, Y, epochs=epochs, engine=engine, **options)


@each_engine
@pytest.mark.parametrize(("dtype", "most"), [("float64", 1e308), ("float32", 1e38)])
def test_a_cost_half_way_to_infinity_is_a_divergence_though_finite(engine, dtype, most):
    with pytest.warns(wg.DivergenceWarning, match="overflowed half of the range of ") as warned:
        fitted = rates(engine, 1000, dtype)
    (warning,) = warned
    assert warning.filename == __file__
    reason, _, last = fitted.history.stopped.rpartition(" to ")
    assert reason.startswith("diverged at step ") and most**0.5 < float(last) < most
    step = int(reason.split(":")[0].removeprefix("diverged at step "))
    assert len(fitted.history.epochs) == step - 1, "the epoch that diverged is no part of it"
    assert np.array_equal(fitted.theta.flat, rates(engine, step - 1, dtype).theta.flat)


@each_engine
def test_it_is_seen_in_the_last_epoch_and_in_the_only_one(engine):
    fitted = rates(engine, 20)
    assert fitted.history.stopped == "all epochs done" and fitted.history.cost[-1] < 1e150
    net, X, Y = growing()
    X, Y = np.repeat(X, 40, axis=0), np.repeat(Y, 40, axis=0)  # forty steps in one epoch
    with pytest.warns(wg.DivergenceWarning, match="overflowed half of the range"):
        fitted = wg.train(net, X, Y, epochs=1, optimizer=wg.SGD(1e3), batch_size=8, engine=engine)
    assert fitted.history.epochs == ()


@each_engine
def test_partial_fits_see_it_from_call_to_call(engine):
    _, X, Y = growing()
    options = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1e3, "alpha": 0.0}
    reg = wg.MLPRegressor("squared_error", (), "identity", engine=engine, **options)
    with pytest.warns(wg.DivergenceWarning, match="overflowed half of the range"):
        for _ in range(100):
            reg.partial_fit(X, Y[:, 0])
            if reg.history_.stopped.startswith("diverged"):
                break
    assert np.isfinite(reg.history_.cost).all() and np.isnan(reg.loss_curve_[-1])


@dataclass(frozen=True)
class Endless:
    """A cost of the user's own that has no least value."""

    name: str = "endless"

    def value(self, a, y):
        return -(((a - y) ** 2).sum(axis=1) ** 2)

    def derivative(self, a, y):
        return -4 * ((a - y) ** 2).sum(axis=1, keepdims=True) * (a - y)


def test_l_bfgs_sees_a_cost_that_falls_without_end():
    net = wg.Network(1, [wg.Dense(1, "identity")], Endless())
    _, X, Y = growing()
    with pytest.warns(wg.DivergenceWarning, match="diverged at iteration"):
        fitted = wg.train(net, X, Y, optimizer="lbfgs", epochs=500, engine="reference")
    assert fitted.history.stopped.startswith("diverged at iteration")
    assert np.isfinite(fitted.history.cost).all() and np.isfinite(fitted.theta.flat).all()


@each_engine
def test_a_record_of_it_is_that_of_its_whole_epochs(engine, tmp_path):
    with pytest.warns(wg.DivergenceWarning, match="overflowed half of the range"):
        fitted = rates(engine, 1000, record=tmp_path / "one.run")
    run = wg.open_run(tmp_path / "one.run")
    assert run.history.stopped == fitted.history.stopped
    assert run.history.cost == fitted.history.cost
    assert np.array_equal(run.theta.flat, fitted.theta.flat)


HEALTHY = {
    "large targets": ("float64", 1e60, 1.0),
    "large targets in half the digits": ("float32", 1e12, 1.0),
    "targets near the end of the range": ("float32", 1e18, 1.0),
    "small targets": ("float64", 1e-60, 1.0),
    "targets of nothing": ("float32", 0.0, 1.0),
    "large inputs": ("float64", 1.0, 1e20),
    "small inputs": ("float32", 1.0, 1e-12),
}


@each_engine
@pytest.mark.parametrize(("dtype", "targets", "inputs"), HEALTHY.values(), ids=HEALTHY)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_healthy_training_is_never_accused_on_any_scale(dtype, targets, inputs, momentum, engine):
    net, X, Y = growing()
    X, Y = (inputs * X).astype(dtype), (targets * Y).astype(dtype)
    rule = wg.SGD(0.5 / max(1.0, inputs**2), momentum=momentum)
    theta = net.init(W=[None, [[0.5 / inputs]]], dtype=dtype)
    fitted = wg.train(net, X, Y, optimizer=rule, epochs=60, theta=theta, dtype=dtype, engine=engine)
    assert fitted.history.stopped == "all epochs done"


@each_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [wg.SGD(0.1), wg.Adam(1.0), wg.AdamW(10.0)])
def test_a_training_that_begins_at_the_best_may_leave_it(rule, dtype, engine):
    net, X, Y = growing(dtype)
    theta = net.init(W=[None, [[3.0]]], b=[None, [0.0]], dtype=dtype)
    theta.flat[0] = np.nextafter(theta.flat[0], np.dtype(dtype).type(4))
    fitted = wg.train(net, X, Y, optimizer=rule, epochs=30, theta=theta, dtype=dtype, engine=engine)
    assert fitted.history.stopped == "all epochs done"


@each_engine
def test_saturated_outputs_that_turn_out_wrong_are_no_divergence(engine):
    net = wg.Network(1, [wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    theta = net.init(W=[None, [[80.0]]], b=[None, [0.0]])
    clean, wrong = np.ones((8, 1)), np.array([1.0] * 7 + [0.0])
    first = wg.train(net, clean, np.ones(8), theta=theta, epochs=1, dtype="float32", engine=engine)
    assert 0 <= first.history.cost[0] < 1e-30
    options = {"optimizer": wg.SGD(0.1), "epochs": 5, "batch_size": 1, "shuffle": False}
    found = wg.train(net, clean, wrong, theta=theta, dtype="float32", engine=engine, **options)
    assert found.history.stopped == "all epochs done" and found.history.cost[0] > 1
