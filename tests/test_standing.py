"""While a training goes, one line says what stands out, and of a healthy one there is none."""

import io
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import whygrad as wg
from command import whygrad
from whygrad.training.progress import ProgressBar

DRAWS = np.random.default_rng(3)
X = DRAWS.normal(size=(200, 4))
Y = (X[:, :1] + X[:, 1:2] > 0).astype(float)


def said(net, Y=Y, **options):
    stream = io.StringIO()
    bar = ProgressBar(stream)
    with np.errstate(all="ignore"):
        wg.train(net, X, Y, callbacks=[bar], **{"epochs": 30, "batch_size": 1, **options})
    assert bar.watch.said in stream.getvalue()
    return bar.watch.said


SATURATED = [
    wg.Dense(8, "sigmoid", init=wg.Uniform(-400, 400)),
    wg.Dense(8, "sigmoid", init=wg.Uniform(-9, 9)),
    wg.Dense(1, "sigmoid"),
]
DEAD = [wg.Dense(8, "relu", bias_init=wg.Uniform(-99, -90)), wg.Dense(1, "sigmoid")]


def test_a_layer_that_learns_much_slower_is_named_with_the_reason():
    line = said(wg.Network(4, SATURATED, "binary_cross_entropy"), optimizer="sgd")
    assert line.startswith("layer 1 learns ")
    assert "sigmoid is at its flat ends for" in line


def test_units_that_are_off_are_named():
    line = said(wg.Network(4, DEAD, "binary_cross_entropy"))
    assert line == "layer 1 learns nothing: 100% of its units are off for whole batches"


@pytest.mark.filterwarnings("ignore::whygrad.DivergenceWarning")
def test_a_cost_that_rises_is_named():
    line = said(wg.Network(4, [wg.Dense(1)]), optimizer=wg.SGD(3.0), batch_size=200)
    assert line.startswith("the cost has risen from ")


def test_a_cost_that_stands_still_is_named():
    net = wg.Network(4, [wg.Dense(8, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    assert said(net, optimizer=wg.SGD(1e-9)).startswith("the cost stands still at ")


@pytest.mark.parametrize("f", ["tanh", "relu", "sigmoid"])
def test_nothing_is_said_of_a_healthy_training(f):
    net = wg.Network(
        4, [wg.Dense(8, f), wg.Dense(8, f), wg.Dense(1, "sigmoid")], "binary_cross_entropy"
    )
    assert said(net) == ""


def small_and_uneven(path, seed):
    """A training that has learned all there is, with dropout: its cost is near 0 and never the same."""
    net = wg.Network(4, [wg.Dense(20, "tanh", dropout=0.2), wg.Dense(1)])
    wg.train(
        net, X[:24], X[:24, :1], optimizer=wg.Adam(0.02), epochs=40, batch_size=12, seed=seed,
        engine="reference", record=path,
    )  # fmt: skip
    return wg.open_run(path)


@pytest.mark.parametrize("seed", [3, 4])
def test_what_rises_in_a_resumed_training_is_seen_beside_all_that_it_had(seed, tmp_path):
    run = small_and_uneven(tmp_path / "a.run", seed)
    costs = run.history.cost
    alone, beside = ProgressBar(io.StringIO()), ProgressBar(io.StringIO(), costs)
    run.resume(60, callbacks=[alone, beside])
    assert alone.watch.said.startswith("the cost has risen from ") and beside.watch.said == ""


def test_the_command_resume_knows_what_a_training_had(tmp_path):
    small_and_uneven(tmp_path / "a.run", 3)
    assert "has risen" not in whygrad("resume", tmp_path / "a.run", "--epochs", 60).err


def test_looking_changes_no_bit():
    net = wg.Network(4, [wg.Dense(8, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    bar = ProgressBar(io.StringIO())
    seen = wg.train(net, X, Y, epochs=3, callbacks=[bar]).theta.flat
    np.testing.assert_array_equal(seen, wg.train(net, X, Y, epochs=3).theta.flat)


def test_a_verbose_estimator_says_it_too(capsys):
    clf = wg.MLPClassifier((8,), learning_rate_init=1e-9, solver="sgd", max_iter=30, verbose=True)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        clf.fit(X, Y.ravel())
    assert capsys.readouterr().out.count("the cost stands still at ") == 1


def test_of_several_trainings_the_first_that_stands_out_is_named(capsys):
    net = wg.Network(4, [wg.Dense(8, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    given = [{"optimizer": wg.SGD(rate)} for rate in (0.1, 1e-9, 1e-9)]
    wg.train_many(given, net=net, X=X, Y=Y, epochs=30, progress=True, cores=1)
    said = [line for line in capsys.readouterr().err.splitlines() if "stands" in line]
    assert len(said) == 1
    assert said[0].startswith("training 2 of 3: the cost stands still at ")


def test_who_need_not_see_every_epoch_is_told_of_them_all_in_fewer_reports():
    class Sees(wg.Callback):
        every_epoch = False

        def __init__(self):
            self.told = []

        def on_epoch_end(self, report):
            self.told.append(report.epochs)
            assert report.epoch is report.epochs[-1]

    net, sees = wg.Network(4, [wg.Dense(1, "sigmoid")], "binary_cross_entropy"), Sees()
    history = wg.train(net, X, Y, epochs=500, callbacks=[sees]).history
    assert sum(sees.told, ()) == history.epochs
    assert len(sees.told) < 250
    assert len({id(each) for each in sum(sees.told, ())}) == 500
