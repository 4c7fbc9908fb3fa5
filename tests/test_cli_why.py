"""`whygrad why weight`: the chain rule of one weight, whose factors multiply to the gradient."""

import json
import math

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from whygrad.fitting import find_again, prepare

QUICK = ("--hidden", "6,5", "--activation", "tanh", "--epochs", "5", "--engine", "reference")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gradients(path, row):
    """The gradients of one held-out row, without the command."""
    run = wg.open_run(path)
    source = find_again(run.manifest["data"], run.target, run.encoding.task)
    table, encoding, parts = prepare(source, run.settings)
    one = table.take(parts.held_out[row : row + 1])
    trace = wg.forward(run.net, run.theta, encoding.encode(one))
    trace = wg.backward(run.net, run.theta, trace, encoding.targets(one))
    return wg.gradients(run.net, run.theta, trace).dW


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("iris", "cross_entropy"),
        ("iris", "squared_error"),
        ("breast_cancer", "binary_cross_entropy"),
        ("diabetes", "huber"),
        ("diabetes", "poisson"),
    ],
)
def test_the_factors_of_every_layer_multiply_to_the_gradient(here, name, cost):
    assert whygrad("train", name, *QUICK, "--cost", cost, "--run", "t.run").code == 0
    for row in (0, 7):
        dW = gradients("t.run", row)
        for place, (l, j, k) in (("1:5,3", (1, 5, 3)), ("2:4,0", (2, 4, 0)), ("3:0,1", (3, 0, 1))):
            result = whygrad("why", "weight", "t.run", place, "--row", row, "--json")
            said = json.loads(result.out)
            assert said["gradient"] == dW[l][j, k]
            product = math.prod(factor["value"] for factor in said["factors"])
            assert said["product"] == product
            np.testing.assert_allclose(product, dW[l][j, k], rtol=1e-4, atol=1e-7)
            assert whygrad("why", "weight", "t.run", place, "--row", row).code == 0


def test_it_starts_with_the_weight_that_the_row_would_move_most_and_names_its_column(here):
    whygrad("train", "iris", *QUICK)
    said = json.loads(whygrad("why", "weight", "iris.run", "--json").out)
    dW = gradients("iris.run", 0)[1]
    j, k = np.unravel_index(np.abs(dW).argmax(), dW.shape)
    assert (said["row"], said["weight"]["to"], said["weight"]["from"]) == (0, j, k)
    result = whygrad("why", "weight", "iris.run")
    assert result.code == 0 and result.err == ""
    text = " ".join(result.out.split())
    assert f"∂C/∂W[1][{j},{k}] = a[0][{k}] · f′(z[1][{j}]) · Σ_m W[2][m,{j}] δ[2][m]" in text
    assert repr(wg.open_run("iris.run").encoding.names[k]) in text
    assert f"The gradient by whygrad.gradients: {dW[j, k]:+.6g}." in text
    assert "'species' is 'setosa'" in whygrad("why", "weight", "iris.run", "3:0,1").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["4:0,0"], "weight 4:0,0: the layers are 1 to 3"),
        (["0:0,0"], "weight 0:0,0: the layers are 1 to 3"),
        (["1:6,0"], "weight 1:6,0: in layer 1 TO is 0 to 5, FROM is 0 to 3"),
        (["2:0,6"], "weight 2:0,6: in layer 2 TO is 0 to 4, FROM is 0 to 5"),
        (["1,2"], "weight '1,2': give it as LAYER:TO,FROM, such as 1:0,0"),
        (["--row", "30"], "row 30: the rows are 0 to 29"),
        (["--row", "-1"], "row -1: the rows are 0 to 29"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line_with_the_valid_range(here, words, message):
    whygrad("train", "iris", *QUICK)
    result = whygrad("why", "weight", "iris.run", *words)
    assert (result.code, result.out, result.lines) == (2, "", [f"whygrad: {message}"])


def test_training_ends_with_the_command(here):
    last = whygrad("train", "iris", *QUICK).out.splitlines()[-1]
    assert last == "Why one of its weights would move:  whygrad why weight iris.run"
    assert whygrad(*last.partition("  whygrad ")[2].split()).code == 0
