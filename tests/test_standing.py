"""While a training goes, one line says what stands out, and of a healthy one there is none."""

import io

import numpy as np
import pytest

import whygrad as wg
from whygrad.training.progress import ProgressBar

DRAWS = np.random.default_rng(3)
X = DRAWS.normal(size=(200, 4))
Y = (X[:, :1] + X[:, 1:2] > 0).astype(float)


def said(net, Y=Y, **options):
    stream = io.StringIO()
    bar = ProgressBar(stream, looks=True)
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


def test_looking_changes_no_bit():
    net = wg.Network(4, [wg.Dense(8, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    bar = ProgressBar(io.StringIO(), looks=True)
    seen = wg.train(net, X, Y, epochs=3, callbacks=[bar]).theta.flat
    np.testing.assert_array_equal(seen, wg.train(net, X, Y, epochs=3).theta.flat)
