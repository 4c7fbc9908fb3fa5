"""A cost that stops being finite ends a training at its step, with finite parameters and a reason."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import whygrad as wg
from engines import each_engine
from whygrad import training
from whygrad.engines import choose
from whygrad.plan import Plan, as_data, start


def examples():
    """Points in space in two classes that a curved surface divides."""
    X = np.random.default_rng(0).normal(size=(23, 3))
    return X, (X[:, 0] * X[:, 1] > 0.1 * X[:, 2]).astype(int)


def fit(engine, net, data, **options):
    """A training that is small unless said otherwise."""
    return wg.train(net, *data, engine=engine, **{"epochs": 4, "batch_size": 5} | options)


def diverge(engine, net, rate=1e3, **options):
    X, _ = examples()
    options = {"optimizer": wg.SGD(rate), "epochs": 200} | options
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
    assert "Try a smaller rate" in message
    assert "\n" not in message
    assert np.isfinite(fitted.theta.flat).all()


@each_engine
@pytest.mark.parametrize("steps", [1, 3, 1000])
def test_the_last_parameters_with_a_finite_cost_are_kept(engine, steps, monkeypatch):
    """The state is that of a training stopped one step before the one whose cost is not finite."""
    monkeypatch.setattr(training, "_next_chunk", lambda *_: steps)
    fitted, _ = diverge(engine, LINEAR, rate=3.0, batch_size=5)
    step = int(fitted.history.stopped.split(":")[0].removeprefix("diverged at step "))
    assert step > 5, "the training is meant to last for more than an epoch"

    X, _ = examples()
    plan = Plan(LINEAR, wg.SGD(3.0), n=23, epochs=200, batch_size=5)
    data, machine = as_data(LINEAR, X, 100 * X[:, :1]), choose(engine, plan)
    state = start(plan)
    while state.step < step - 1:
        until = min(step - 1, state.step + plan.steps_per_epoch - state.place)
        state, _ = machine.run(plan, state, data, until, training.Watch())
        if state.place == plan.steps_per_epoch:
            state, _ = training.end_of_epoch(plan, state, None)
    np.testing.assert_array_equal(fitted.theta.flat, state.theta)

    batch = plan.batch(state.epoch, state.place)
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
    fitted, _ = diverge(engine, LINEAR, held_out=(np.zeros((2, 3)), [0.0, 1.0]))
    assert len(fitted.history.held_out_score) == len(fitted.history.epochs)


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
    _, message = diverge("reference", LINEAR, rate=5.0, theta=theta, schedule=wg.OneCycle(start=10))
    assert "(rate 0.5)" in message


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
