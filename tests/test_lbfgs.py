"""L-BFGS takes scikit-learn's iterations, ends cleanly, and refuses what it has no use for."""

import signal
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import xlogy
from sklearn.exceptions import ConvergenceWarning

import whygrad as wg
from engines import each_engine
from parity import TARGETS, WEIGHTS, Case, N, X, assert_close, flat
from whygrad.training.minimise import WORDS, failure, in_words

few_iterations = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NET = wg.Network(6, [wg.Dense(7, "tanh"), wg.Dense(3, "identity")])
Y = TARGETS["numbers"]


def lbfgs(target, weighted=False, **options):
    """A case that both libraries fit by L-BFGS."""
    return Case(target, {"solver": "lbfgs", "activation": "tanh"} | options, weighted)


def distance(ours, sklearns):
    """The largest difference of parameters, in units of the largest parameter."""
    return np.abs(flat(ours) - flat(sklearns)).max() / np.abs(flat(sklearns)).max()


# ── scikit-learn's iterations ────────────────────────────────────────────────────────────────────────

PARITY = {
    "two classes": lbfgs("two classes"),
    "three classes": lbfgs("three classes"),
    "labels": lbfgs("labels"),
    "number": lbfgs("number"),
    "counts": lbfgs("counts", loss="poisson"),
    "sample_weight": lbfgs("two classes", weighted=True),
    "weights of numbers": lbfgs("number", weighted=True),
    "alpha": lbfgs("number", alpha=0.5),
    "relu": lbfgs("number", activation="relu"),
    "logistic": lbfgs("labels", activation="logistic"),
    "early stopping, which has no meaning here": lbfgs("number", early_stopping=True),
    "batches, which have none either": lbfgs("number", batch_size=5, learning_rate="adaptive"),
}


@few_iterations
@each_engine
@pytest.mark.parametrize("case", PARITY.values(), ids=PARITY)
def test_twenty_iterations_are_scikit_learns(case, engine):
    ours, sklearns = case.fitted(engine, max_iter=20)
    assert ours.n_iter_ == sklearns.n_iter_ > 10
    assert distance(ours, sklearns) <= 1e-9
    assert_close(ours.loss_, sklearns.loss_)
    assert ours.t_ == sklearns.t_ == 0
    assert len(ours.loss_curve_) == ours.n_iter_ and ours.loss_curve_[-1] == ours.loss_


ENDINGS = {
    "a small gradient": lbfgs("two classes"),
    "labels": lbfgs("labels", weighted=True),
    "tol": lbfgs("number", tol=0.01),
    "max_iter": lbfgs("number", max_iter=7),
    "max_fun": lbfgs("number", max_fun=12),
    "max_fun 1": lbfgs("number", max_fun=1),
    "a flat cost": lbfgs("counts", weighted=True, loss="poisson", activation="relu"),
}


@each_engine
@pytest.mark.parametrize("case", ENDINGS.values(), ids=ENDINGS)
def test_it_ends_at_scikit_learns_iteration_with_its_warning(case, engine):
    told, iterations = [], []
    for estimator in case.pair(engine, **{"max_iter": 300} | case.options):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, TARGETS[case.target], WEIGHTS if case.weighted else None)
        iterations.append(estimator.n_iter_)
        told.append([(w.category, " ".join(str(w.message).split())) for w in caught])
        if isinstance(estimator, wg.MLPClassifier | wg.MLPRegressor):
            assert {w.filename for w in caught} <= {__file__}, "a warning points elsewhere"
    assert iterations[0] == iterations[1] < 300
    ours, sklearns = ([(c, m.replace("modules/ pre", "modules/pre")) for c, m in t] for t in told)
    assert ours == sklearns
    limited = {"max_iter", "max_fun"} & case.options.keys()
    assert [category for category, _ in ours] == ([ConvergenceWarning] if limited else [])


@few_iterations
@each_engine
def test_float32_inputs_are_counted_in_float64_as_by_scikit_learn(engine):
    ours, sklearns = lbfgs("number").pair(engine, max_iter=20)
    for estimator in (ours, sklearns):
        estimator.fit(X.astype(np.float32), TARGETS["number"])
    assert flat(ours).dtype == flat(sklearns).dtype == np.float64
    # They make the targets float32 as well.
    assert ours.n_iter_ == sklearns.n_iter_ and distance(ours, sklearns) <= 1e-4


@few_iterations
@each_engine
@pytest.mark.parametrize("before", ["lbfgs", "adam"])
def test_a_warm_start_begins_a_new_descent_where_the_last_fit_ended(before, engine):
    ours, sklearns = lbfgs("number").pair(engine, max_iter=5, warm_start=True, shuffle=False)
    for estimator in (ours, sklearns):
        estimator.set_params(solver=before).fit(X, TARGETS["number"])
        estimator.set_params(solver="lbfgs").fit(X, TARGETS["number"])
    assert distance(ours, sklearns) <= 1e-9
    assert ours.n_iter_ == sklearns.n_iter_ == 5 and len(ours.loss_curve_) == 10
    assert_close(ours.loss_, sklearns.loss_)


@few_iterations
@each_engine
def test_of_several_numbers_scikit_learn_hands_over_another_cost_than_the_gradients(engine):
    # Its cost is the mean over the outputs, its gradient that of their sum. Given that pair, SciPy makes
    # scikit-learn's steps; given the sum with its gradient, as here, it gets further down.
    options = {"max_iter": 40, "alpha": 0.0, "activation": "relu"}
    ours, sklearns = lbfgs("numbers").fitted(engine, **options)
    start, _ = lbfgs("numbers").pair("reference", **options | {"solver": "sgd", "max_iter": 1})
    start.set_params(learning_rate_init=1e-300).fit(X, Y)
    net = start.net_

    def pair(theta):
        parameters = wg.Parameters(net.sizes, theta)
        trace = wg.backward(net, parameters, wg.forward(net, parameters, X), Y)
        return wg.cost(net, parameters, trace, Y) / 3, wg.gradients(net, parameters, trace).flat

    found = minimize(
        pair,
        start.theta_.flat,
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": 40, "gtol": 1e-4, "maxfun": 15000},
    )
    theta = wg.Parameters(net.sizes, found.x)
    theirs = np.concatenate([array.ravel() for array in sklearns.coefs_])
    same = np.concatenate([W.T.ravel() for W in theta.W[1:]])
    assert found.nit == sklearns.n_iter_
    assert np.abs(same - theirs).max() <= 1e-6 * np.abs(theirs).max()
    assert distance(ours, sklearns) > 1e-3, "the two do not differ any more: say so in the docs"
    squares = ((sklearns.predict(X) - Y) ** 2).sum(axis=1).mean() / 2
    assert_close(squares, 3 * sklearns.loss_)
    assert_close(((ours.predict(X) - Y) ** 2).sum(axis=1).mean() / 2, ours.loss_)


class Clipped:
    """The cross-entropy as scikit-learn has it: no probability below 2.2e-16."""

    name, domain = "clipped", "simplex"

    @staticmethod
    def value(a, y):
        least = np.finfo(a.dtype).eps
        return -xlogy(y, np.clip(a, least, 1 - least)).sum(axis=1)

    @staticmethod
    def derivative(a, y):
        return -y / np.maximum(a, 1e-300)


@few_iterations
def test_a_cost_that_scikit_learn_clips_is_exact_here_and_that_is_the_only_difference():
    case = lbfgs("three classes", weighted=True, activation="relu", max_iter=20)
    exact, sklearns = case.fitted("reference")
    clipped, _ = case.pair("reference")
    clipped.set_params(loss=Clipped()).fit(X, TARGETS["three classes"], WEIGHTS)
    assert distance(clipped, sklearns) <= 1e-9
    assert distance(exact, sklearns) > 1e-3, "no output saturates: the case shows nothing"
    assert exact.loss_ < sklearns.loss_


# ── the textbook's interface ─────────────────────────────────────────────────────────────────────────


@each_engine
def test_the_history_has_the_cost_of_every_iteration_and_they_fall(engine):
    fitted = wg.train(NET, X, Y, optimizer=wg.LBFGS(), engine=engine, validation=(X[:9], Y[:9]))
    history = fitted.history
    assert len(history.cost) > 20 and (np.diff(history.cost) < 0).all()
    trace = wg.forward(NET, fitted.theta, X)
    assert_close(history.cost[-1], wg.cost(NET, fitted.theta, trace, Y))
    validation = wg.forward(NET, fitted.theta, X[:9])
    assert_close(history.validation_cost[-1], wg.cost(NET, fitted.theta, validation, Y[:9]))
    assert history.validation_score[-1] > 0.99


@each_engine
def test_it_stops_where_no_number_of_the_gradient_exceeds_tol(engine):
    fitted = wg.train(NET, X, Y, optimizer=wg.LBFGS(tol=1e-3), epochs=1000, engine=engine)
    assert fitted.history.stopped == "converged: the gradient is within tol of 0"
    trace = wg.backward(NET, fitted.theta, wg.forward(NET, fitted.theta, X), Y)
    assert np.abs(wg.gradients(NET, fitted.theta, trace).flat).max() <= 1e-3 * (1 + 1e-9)
    again = wg.train(NET, X, Y, optimizer=wg.LBFGS(tol=1e-3), theta=fitted.theta, engine=engine)
    assert again.history.cost == [] and np.array_equal(again.theta.flat, fitted.theta.flat)


@each_engine
def test_weights_penalties_and_smoothing_are_part_of_what_is_minimised(engine):
    net = wg.Network(6, [wg.Dense(3, "softmax")], "cross_entropy")
    classes = TARGETS["three classes"] // 10
    options = {"sample_weight": WEIGHTS, "l2": wg.Penalty(0.7, per="data"), "label_smoothing": 0.1}
    fitted = wg.train(
        net, X, classes, optimizer=wg.LBFGS(1e-8, flat=0), epochs=500, engine=engine, **options
    )
    smooth = 0.9 * np.eye(3)[classes] + 0.1 / 3
    trace = wg.backward(net, fitted.theta, wg.forward(net, fitted.theta, X), smooth)
    g = wg.gradients(net, fitted.theta, trace, WEIGHTS, l2=0.7 / N)
    assert np.abs(g.flat).max() < 1e-7


def test_the_name_serves_and_the_same_arguments_give_the_same_bits():
    runs = [wg.train(NET, X, Y, optimizer=rule, epochs=9) for rule in ("lbfgs", wg.LBFGS())]
    assert np.array_equal(runs[0].theta.flat, runs[1].theta.flat)
    assert runs[0].history == runs[1].history


def test_float32_is_used_only_where_it_is_asked_for():
    single = X.astype(np.float32)
    assert wg.train(NET, single, Y, optimizer="lbfgs", epochs=2).theta.flat.dtype == np.float64
    asked = wg.train(NET, single, Y, optimizer="lbfgs", epochs=2, dtype="float32")
    assert asked.theta.flat.dtype == np.float32


def test_layer_statistics_are_those_of_the_iteration():
    seen = []
    run = wg.train(
        NET,
        X,
        Y,
        optimizer="lbfgs",
        epochs=3,
        layer_statistics=True,
        callbacks=[lambda report: seen.append(report.parameters.copy())],
    )
    trace = wg.backward(NET, seen[-1], wg.forward(NET, seen[-1], X), Y)
    g = wg.gradients(NET, seen[-1], trace)
    for l in (1, 2):
        of_layer = run.history.epochs[-1].layers[l - 1]
        assert_close(of_layer.gradient, np.hypot(*map(np.linalg.norm, (g.dW[l], g.db[l]))))
        moved = np.concatenate([(seen[2].W[l] - seen[1].W[l]).ravel(), seen[2].b[l] - seen[1].b[l]])
        size = np.concatenate([seen[1].W[l].ravel(), seen[1].b[l]])
        assert_close(of_layer.update, np.linalg.norm(moved) / np.linalg.norm(size))


# ── how it can end ───────────────────────────────────────────────────────────────────────────────────


def press(report):
    if report.state.epoch == 3:
        signal.raise_signal(signal.SIGINT)


STOPS = {
    "epochs": ({"epochs": 3}, "all epochs done"),
    "a callback": (
        {"callbacks": [lambda report: report.state.epoch == 3]},
        "stopped by a callback",
    ),
    "Ctrl-C": ({"callbacks": [press]}, "interrupted"),
}


@pytest.mark.parametrize(("options", "reason"), STOPS.values(), ids=STOPS)
def test_whatever_ends_it_after_three_iterations_leaves_the_same_parameters(options, reason):
    run = wg.train(NET, X, Y, optimizer="lbfgs", **options)
    assert reason in run.history.stopped and len(run.history.cost) == 3
    three = wg.train(NET, X, Y, optimizer="lbfgs", epochs=3)
    assert np.array_equal(run.theta.flat, three.theta.flat)


def test_a_cost_below_and_a_time_budget_end_it():
    below = wg.train(NET, X, Y, optimizer="lbfgs", cost_below=0.1)
    assert below.history.cost[-1] < 0.1 <= below.history.cost[-2]
    assert below.history.stopped == "training cost below 0.1"
    budget = wg.train(NET, X, Y, optimizer="lbfgs", seconds=0)
    assert budget.history.stopped == "time budget of 0 s over at step 1"


def test_it_says_in_words_where_it_converged_or_gave_up():
    flat = wg.train(NET, X, Y, optimizer=wg.LBFGS(tol=0, flat=0.01))
    assert flat.history.stopped == "converged: the cost hardly falls any more"
    few = wg.train(NET, X, Y, optimizer=wg.LBFGS(max_fun=3))
    assert few.history.stopped == "the cost was computed as often as max_fun allows"
    assert failure(few.history.stopped).startswith("STOP: TOTAL NO. OF F,G EVALUATIONS")
    assert failure(flat.history.stopped) == ""


def test_no_epochs_leave_the_start():
    start = NET.init(3)
    run = wg.train(NET, X, Y, optimizer="lbfgs", epochs=0, theta=start)
    assert np.array_equal(run.theta.flat, start.flat) and run.history.stopped == "all epochs done"


@each_engine
def test_a_cost_that_is_not_finite_warns_and_keeps_finite_parameters(engine):
    net = wg.Network(1, [wg.Dense(1, "exp")], "poisson")
    start = net.init(W=[None, [[800.0]]])
    with pytest.warns(wg.DivergenceWarning, match="diverged at iteration 1"):
        run = wg.train(
            net, [[1.0], [2.0]], [1.0, 2.0], optimizer="lbfgs", theta=start, engine=engine
        )
    assert np.array_equal(run.theta.flat, start.flat)


@each_engine
def test_a_line_search_that_meets_infinity_goes_on_at_a_shorter_step(engine):
    net = wg.Network(1, [wg.Dense(1, "exp")], "poisson")
    x = np.linspace(0, 30, 20)
    run = wg.train(net, x[:, None], np.exp(0.1 * x), optimizer="lbfgs", engine=engine)
    assert np.isfinite(run.history.cost).all() and np.isfinite(run.theta.flat).all()
    np.testing.assert_allclose(run.theta.flat, [0.1, 0], atol=1e-3)


# ── one clear line ───────────────────────────────────────────────────────────────────────────────────

DROPS = wg.Network(6, [wg.Dense(7, "tanh", dropout=0.5), wg.Dense(3, "identity")])
REFUSED = {
    "batch_size=8": (NET, {"batch_size": 8}),
    "dropout": (DROPS, {}),
    "a schedule": (NET, {"schedule": wg.Cosine()}),
    "a stopping rule": (NET, {"stopping": wg.Stopping()}),
    "clipping": (NET, {"clip": wg.Clip(norm=1.0)}),
    "l1": (NET, {"l1": 0.1}),
    "decay per step": (NET, {"l2": wg.Penalty(0.1, per="step")}),
}


@pytest.mark.parametrize(("net", "options"), REFUSED.values(), ids=REFUSED)
def test_what_it_has_no_use_for_is_refused(net, options, request):
    what = request.node.callspec.id
    with pytest.raises(wg.InputError, match=f"{what} cannot be combined with it"):
        wg.train(net, X, Y, optimizer="lbfgs", **options)


@pytest.mark.parametrize(
    "numbers", [{"tol": -1.0}, {"tol": np.nan}, {"max_fun": 0}, {"memory": 0}, {"flat": -1.0}]
)
def test_impossible_numbers_are_refused(numbers):
    with pytest.raises(wg.InputError, match=f"{next(iter(numbers))} is .*at least"):
        wg.LBFGS(**numbers)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            "CONVERGENCE: NORM_OF_PROJECTED_GRADIENT_<=_PGTOL",
            "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL",
        ),
        (
            "CONVERGENCE: REL_REDUCTION_OF_F_<=_FACTR*EPSMCH",
            "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH",
        ),
        (
            "STOP: TOTAL NO. of ITERATIONS REACHED LIMIT",
            "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT",
        ),
        (
            "STOP: TOTAL NO. of f AND g EVALUATIONS EXCEEDS LIMIT",
            "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT",
        ),
        ("ABNORMAL_TERMINATION_IN_LNSRCH", "ABNORMAL: "),
    ],
)
def test_what_scipy_says_is_understood_from_every_version(older, newer):
    assert in_words(older) == in_words(newer) == WORDS[newer]
