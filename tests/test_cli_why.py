"""`whygrad why` and `whygrad check`: the questions about the rows of a run, by numbers and by names."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from whygrad.answers.names import Names
from whygrad.cli.refs import find_unit, find_weight

QUICK = ("--hidden", "6,5", "--activation", "tanh", "--epochs", "5", "--engine", "reference")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The runs that are only read: of classes, of two classes, of numbers."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("iris", "breast_cancer", "diabetes"):
        assert whygrad("train", name, *QUICK, "--run", folder / f"{name}.run").code == 0
    return folder


@pytest.fixture
def iris(trained):
    return trained / "iris.run"


def asked(*words):
    """The answer as data."""
    result = whygrad("why", *words, "--json")
    assert (result.code, result.err) == (0, ""), result.err
    return json.loads(result.out)


def gradients(path, rows):
    """The gradients of some test rows, without the command."""
    run = wg.open_run(path)
    given = run.why.examples()
    X, Y, theta = given.X[rows], given.Y[rows], run.theta
    theta = wg.Parameters(theta.sizes, theta.flat.astype(float))
    trace = wg.backward(run.net, theta, wg.forward(run.net, theta, X), Y)
    return wg.gradients(run.net, theta, trace, l2=run.why.l2.strength)


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_a_weight_is_explained_by_terms_that_sum_to_its_gradient(trained, name):
    path = trained / f"{name}.run"
    for row in (0, 7):
        found = gradients(path, [row])
        for place, (l, j, k) in (("1:5,3", (1, 5, 3)), ("2:4,0", (2, 4, 0)), ("3:0,1", (3, 0, 1))):
            said = asked("weight", path, place, "--row", row)
            np.testing.assert_allclose(said["value"], found.dW[l][j, k], rtol=1e-12, atol=1e-15)
            terms = [term["value"] for term in said["terms"]]
            left = said["value"] - sum(terms)
            assert abs(left) <= 1e-12 * sum(map(abs, terms))
            assert said["part"] == place and said["row"] == row
    said = asked("weight", path, "2:4,bias")
    np.testing.assert_allclose(said["value"], gradients(path, [0]).db[2][4], rtol=1e-12)


def test_it_starts_with_the_weight_that_the_row_would_move_most(iris):
    said = asked("weight", iris)
    run = wg.open_run(iris)
    dW = gradients(iris, [0]).dW[1] - run.why.l2.strength * run.theta.W[1]
    j, k = np.unravel_index(np.abs(dW).argmax(), dW.shape)
    assert said["part"] == f"1:{j},{k}"
    result = whygrad("why", "weight", iris)
    assert (result.code, result.err) == (0, "")
    assert f"∂C/∂W[1][{j},{k}] = " in result.out
    assert run.encoding.names[k] in result.out
    assert "Row 0 of the test rows: 'species' is 'setosa', the network says" in result.out


def test_names_mean_what_numbers_mean(iris):
    expected = asked("weight", iris, "1:3,2", "--row", "4")
    for place in ("1:hidden 1:3,petal length (cm)", "petal length (cm) → hidden 1:3", "1: 3, 2"):
        assert asked("weight", iris, place, "--row", "4") == expected
    assert asked("weight", iris, "hidden 2:1->virginica")["part"] == "3:2,1"
    assert asked("weight", iris, "bias -> virginica")["part"] == "3:2,bias"
    assert asked("blame", iris, "virginica")["part"] == asked("blame", iris, "3:2")["part"] == "3:2"


def test_the_rows_of_a_class_are_its_rows(iris):
    run = wg.open_run(iris)
    virginica = run.why.examples().Y[:, 2] == 1
    said = asked("weight", iris, "2:0,0", "--class", "virginica")
    expected = gradients(iris, np.flatnonzero(virginica)).dW[2][0, 0]
    np.testing.assert_allclose(said["value"], expected, rtol=1e-12)
    assert said["class"] == "virginica"
    assert said["rows"] == np.flatnonzero(virginica).tolist()
    said = asked("weight", iris, "2:0,0", "--all")
    np.testing.assert_allclose(said["value"], gradients(iris, slice(None)).dW[2][0, 0], rtol=1e-12)
    assert said["rows"] == list(range(30))


@pytest.mark.parametrize(
    "words",
    [
        ["weight", "1:0,0"],
        ["weight", "1:0,0", "--all", "--depth", "3"],
        ["paths", "1:0,0"],
        ["paths", "1:0,0", "--all", "--top", "3"],
        ["paths", "1:0,0", "--output", "0"],
        ["blame"],
        ["blame", "1:2", "--row", "3"],
        ["ripple", "1:0,0", "--by", "-0.5"],
        ["ripple", "0:1"],
        ["neuron"],
        ["neuron", "2:3", "--top", "3"],
        ["prediction"],
        ["prediction", "--row", "4"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_every_question_is_answered_in_every_form(trained, here, name, words):
    kind, *more = words
    path = trained / f"{name}.run"
    result = whygrad("why", kind, path, *more, "--json", "--svg", "a.svg", "--html", "b.html")
    assert result.code == 0
    assert result.lines == ["whygrad: written: a.svg", "whygrad: written: b.html"]
    said = json.loads(result.out)
    assert said["kind"] == kind and said["run"] == str(path)
    assert ElementTree.fromstring((here / "a.svg").read_text()).tag.endswith("svg")
    page = (here / "b.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "<script" not in page
    if name == "iris":
        text = whygrad("why", kind, path, *more)
        assert (text.code, text.err) == (0, "")
        assert said["question"].split()[0] in text.out
        latex = whygrad("why", kind, path, *more, "--latex")
        assert (latex.code, latex.err) == (0, "")
        assert "\\" in latex.out and "\x1b" not in latex.out


def test_the_answer_can_be_asked_to_change_to_a_class_or_a_number(trained):
    said = asked(
        "prediction", trained / "iris.run", "--wanted", "virginica", "--output", "virginica"
    )
    assert said["question"].endswith('and not "virginica" in this example?')
    two = trained / "breast_cancer.run"
    says = asked("prediction", two)["predicted"]
    other = {"malignant": "benign", "benign": "malignant"}[says]
    assert other in asked("prediction", two, "--wanted", other)["answer"]
    result = whygrad("why", "prediction", two, "--wanted", says)
    assert result.code == 2 and "which the network says already" in result.lines[0]
    asked("prediction", trained / "diabetes.run", "--wanted", "200")
    result = whygrad("why", "prediction", trained / "diabetes.run", "--wanted", "much")
    assert result.lines == ["whygrad: --wanted 'much': target 'progression' holds numbers"]


def test_the_probability_of_each_of_several_sigmoids_is_explained_as_well_as_its_z(here):
    asked_for = ("--cost", "binary_cross_entropy", "--run", "three.run")
    assert whygrad("train", "iris", *QUICK, *asked_for).code == 0
    for at in ("a", "z"):
        said = asked("prediction", "three.run", "--output", "virginica", "--at", at)
        arrays, terms = said["arrays"], [term["value"] for term in said["terms"]]
        p = arrays["outputs"][2]
        expected = p if at == "a" else np.log(p / (1 - p))
        assert arrays["output"] == pytest.approx(expected, rel=1e-6)
        assert sum(terms) == pytest.approx(arrays["output"] - arrays["baseline_output"], rel=1e-9)
        assert any(f"The parts are of {at}, " in note for note in said["notes"])


def test_a_prediction_is_compared_with_the_rows_that_are_named(trained):
    path = trained / "iris.run"
    run = wg.open_run(path)
    found = {
        words: asked("prediction", path, *words)["arrays"]
        for words in [(), ("--baseline", "4"), ("--baseline", "mean"), ("--sample", "7")]
    }
    outputs = {words: arrays["baseline_output"] for words, arrays in found.items()}
    assert len(set(outputs.values())) == 4
    first, second, _ = np.argsort(-np.array(found[()]["outputs"]))
    for words, X in ((("--baseline", "4"), run.data.X[[4]]), (("--baseline", "mean"), run.data.X)):
        theta = wg.Parameters(run.net.sizes, run.theta.flat.astype(float))
        mean = X.mean(axis=0, dtype=float)[None]
        z = wg.forward(run.net, theta, mean).z[-1][0]
        assert outputs[words] == pytest.approx(z[first] - z[second], rel=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["weight", "4:0,0"], "layer 4: the layers are 1 to 3"),
        (["weight", "0:0,0"], "layer 0: the layers are 1 to 3"),
        (["weight", "1:6,0"], "unit 6 of layer 1: its units are 0 to 5"),
        (["weight", "2:0,6"], "unit 6 of layer 1: its units are 0 to 5"),
        (["weight", "1:0,4"], "unit 4 of layer 0: its units are 0 to 3"),
        (
            ["weight", "1,2"],
            "weight '1,2': give it as LAYER:TO,FROM, such as 1:0,0, or as 'FROM -> TO' by name",
        ),
        (["weight", "1:2"], "weight '1:2': give it as 1:TO,FROM, such as 1:0,0, or 1:0,bias"),
        (
            ["weight", "1:0,petal widt"],
            "no input is called 'petal widt': did you mean 'petal width (cm)'? Known: sepal length (cm), "
            "sepal width (cm), petal length (cm), petal width (cm)",
        ),
        (
            ["weight", "petal width (cm) -> virginica"],
            "no weight leads from 'petal width (cm)' to 'virginica': give units of adjacent layers",
        ),
        (["neuron", "4:0"], "layer 4: the layers are 0 to 3"),
        (["neuron", "2:7"], "unit 7 of layer 2: its units are 0 to 4"),
        (
            ["neuron", "vriginica"],
            "no unit is called 'vriginica': did you mean 'virginica'? Known: ",
        ),
        (["weight", "--row", "30"], "row 30: the rows are 0 to 29"),
        (["weight", "--row", "-1"], "row -1: the rows are 0 to 29"),
        (["prediction", "--row", "30"], "row 30: the rows are 0 to 29"),
        (["prediction", "--baseline", "120"], "baseline is 120: the training rows are 0 to "),
        (
            ["prediction", "--baseline", "zeros"],
            "--baseline 'zeros': give training, mean, zero, the ",
        ),
        (["prediction", "--sample", "0"], "sample is 0: it must be a whole number of at least 1"),
        (
            ["weight", "--class", "setoza"],
            "'setoza' is no class of 'species': did you mean 'setosa'?",
        ),
        (
            ["weight", "--all", "--row", "1"],
            "--row, --class and --all exclude each other: give one",
        ),
        (
            ["weight", "--json", "--latex"],
            "--json and --latex exclude each other: give one of them",
        ),
        (["weight", "--svg", "a.png"], "a.png: the name must end in .svg"),
        (["weight", "--html", "no/a.html"], "no/a.html: there is no folder no"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line_that_says_what_is(here, iris, words, message):
    kind, *more = words
    result = whygrad("why", kind, iris, *more)
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert result.lines[0].startswith(f"whygrad: {message}")
    assert list(here.iterdir()) == []


def test_numbers_have_no_classes(trained):
    result = whygrad("why", "blame", trained / "diabetes.run", "--class", "1")
    assert result.lines == ["whygrad: --class 1: target 'progression' holds numbers, not classes"]


def test_a_file_is_replaced_only_where_asked(here, iris):
    (here / "a.svg").write_text("mine")
    result = whygrad("why", "blame", iris, "--svg", "a.svg")
    assert result.code == 2 and (here / "a.svg").read_text() == "mine"
    assert result.lines == [
        "whygrad: a.svg: exists already: choose another name, or --overwrite it"
    ]
    assert whygrad("why", "blame", iris, "--svg", "a.svg", "--overwrite").code == 0
    assert (here / "a.svg").read_text() != "mine"
    assert [path.name for path in here.iterdir()] == ["a.svg"]


def test_training_ends_with_the_command(here):
    last = whygrad("train", "iris", *QUICK).out.splitlines()[-1]
    assert last == "Why one of its weights would move:  whygrad why weight iris.run"
    assert whygrad(*last.partition("  whygrad ")[2].split()).code == 0


# ── check ────────────────────────────────────────────────────────────────────────────────────────────


def test_check_finds_the_gradient_right_and_counts_its_parameters(iris, here):
    result = whygrad("check", iris, "--sample", "all", "--json", "--html", "a.html")
    assert (result.code, result.lines) == (0, ["whygrad: written: a.html"])
    said = json.loads(result.out)
    assert said["kind"] == "check" and said["rows"] == list(range(30))
    run = wg.open_run(iris)
    assert np.size(run.why.check(sample=None)["index"]) == run.theta.flat.size
    text = whygrad("check", iris, "--sample", "20", "--row", "3")
    assert (text.code, text.err) == (0, "") and "Is the gradient right?" in text.out


def test_check_ends_with_1_where_a_derivative_is_wrong(iris, monkeypatch):
    """Half a derivative of tanh, planted in what the run is read with."""
    from dataclasses import replace

    from whygrad.nn.functions import ACTIVATIONS

    tanh = ACTIVATIONS["tanh"]
    wrong = replace(tanh, derivative=lambda z: tanh.derivative(z) * 0.5)
    monkeypatch.setitem(ACTIVATIONS, "tanh", wrong)
    result = whygrad("check", iris, "--sample", "50")
    assert result.code == 1 and "tanh" in result.out


def test_check_asks_of_a_hundred_rows_unless_told_otherwise(tmp_path):
    run = tmp_path / "digits.run"
    whygrad(
        "train", "digits", "--hidden", "4", "--epochs", "1", "--engine", "reference", "--run", run
    )
    result = whygrad("check", run, "--sample", "10")
    assert "Asked of the first 100 of 359 test rows; --all asks of all." in result.out
    result = whygrad("check", run, "--sample", "few")
    assert result.lines == ["whygrad: --sample 'few': give a number of parameters, or all"]


# ── names ────────────────────────────────────────────────────────────────────────────────────────────

NET = wg.Network(3, [wg.Dense(2, "tanh"), wg.Dense(3, "softmax")], cost="cross_entropy")
ODD = Names(("a,b", "b", "2"), ("3", "5", "a,b"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1:hidden 1,a,b", "1:1,0"),
        ("1:1,b", "1:1,1"),
        ("2:a,b,hidden 0", "2:2,0"),
        ("2:a,b,bias", "2:2,bias"),
        ("2:5,1", "2:1,1"),
        ("2:3,1", "2:0,1"),
        ("2:2,1", "2:2,1"),
        ("1:0,2", "1:0,2"),
        ("hidden 1 -> 5", "2:1,1"),
        ("a,b → hidden 0", "1:0,0"),
    ],
)
def test_commas_and_digits_in_names_are_taken_as_far_as_they_make_sense(text, part):
    assert find_weight(NET, ODD, text).part == part


def test_a_name_that_several_units_have_asks_for_the_layer():
    with pytest.raises(
        wg.InputError, match="'a,b' is the name of several units: say which, 0:a,b and"
    ):
        find_unit(NET, ODD, "a,b")
    assert find_unit(NET, ODD, "2:a,b").part == "2:2"
