"""`whygrad why ledger`, `labels`, `influence`, `without`: a recorded training, from the command line."""

import json
import shutil
import sqlite3
from xml.etree import ElementTree

import numpy as np
import pytest

import whygrad as wg
from command import whygrad
from whygrad.cli.trained import numbers_of
from whygrad.record.files import manifest

QUICK = ("--hidden", "6", "--activation", "tanh", "--epochs", "4", "--engine", "reference")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The runs that are only read: of classes, of two classes, of numbers, and on arrays."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("iris", "breast_cancer", "diabetes"):
        assert whygrad("train", name, *QUICK, "--run", folder / f"{name}.run").code == 0
    X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
    validation = (X[30:], Y[30:])
    wg.train(net, X[:30], Y[:30], epochs=3, record=folder / "arrays.run", validation=validation)
    return folder


@pytest.fixture
def iris(trained):
    return trained / "iris.run"


def asked(*words):
    """The answer as data."""
    result = whygrad("why", *words, "--json")
    assert (result.code, result.err) == (0, ""), result.err
    return json.loads(result.out)


def test_influence_of_several_weights_or_of_each_row_is_one_list(trained, here):
    ask = ("why", "influence", trained / "iris.run")
    found = json.loads(whygrad(*ask, "2:0,1", "1:1,0", "--json").out)["answers"]
    assert [one["part"] for one in found] == ["2:0,1", "1:1,0"]
    alone = json.loads(whygrad(*ask, "2:0,1", "--json").out)
    assert found[0]["answer"] == alone["answer"]
    rows = json.loads(whygrad(*ask, "--row", "3", "--each", "--json").out)
    alone = json.loads(whygrad(*ask, "--row", "3", "--json").out)
    assert rows["row"] == alone["row"] == 3 and len(rows["answers"]) == 1
    assert rows["answers"][0]["answer"] == alone["answer"]
    shown = whygrad(*ask, "2:0,1", "1:1,0").out
    assert shown.count("What would the weight") == 2
    for more in (["--svg", "a.svg"], ["--method", "tracin"]):
        refused = whygrad(*ask, "2:0,1", "1:1,0", *more)
        assert refused.code and ("one answer" in refused.err or "one number" in refused.err)


@pytest.mark.parametrize(
    "words",
    [
        ["ledger"],
        ["ledger", "1:0,0", "--top", "3"],
        ["ledger", "1:2"],
        ["ledger", "layer 2"],
        ["influence"],
        ["influence", "2:0,1"],
        ["influence", "--row", "3", "--by", "z", "--output", "0"],
        ["influence", "--row", "3", "--method", "tracin"],
        ["settings", "--try"],
        ["harmful", "--top", "3"],
        ["without", "3"],
        ["without", "3,5", "10-12", "--rescale", "--all"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes", "arrays"])
def test_every_question_is_answered_in_every_form(trained, here, name, words):
    kind, *more = words
    path = trained / f"{name}.run"
    result = whygrad("why", kind, path, *more, "--json", "--svg", "a.svg", "--html", "b.html")
    assert (result.code, result.lines) == (
        0,
        ["whygrad: written: a.svg", "whygrad: written: b.html"],
    )
    said = json.loads(result.out)
    assert said["kind"] == kind and said["run"] == str(path)
    if kind == "ledger" or "tracin" in more:
        parts = sum(term["value"] for term in said["terms"]) + sum(said["residuals"].values())
        assert parts == pytest.approx(said["value"], rel=1e-9)
    assert ElementTree.fromstring((here / "a.svg").read_text()).tag.endswith("svg")
    assert (here / "b.html").read_text().startswith("<!DOCTYPE html>")
    if name == "iris":
        text, latex = (
            whygrad("why", kind, path, *more),
            whygrad("why", kind, path, *more, "--latex"),
        )
        assert (text.code, text.err, latex.code, latex.err) == (0, "", 0, "")
        assert said["question"].split()[0] in text.out and "\\" in latex.out


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes", "arrays"])
def test_labels_are_ranked_in_every_form_and_by_their_names(trained, here, name):
    path = trained / f"{name}.run"
    result = whygrad(
        "why", "labels", path, "--top", "3", "--json", "--svg", "a.svg", "--html", "b.html"
    )
    assert result.code == 0
    said = json.loads(result.out)
    table = said["tables"][0]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert (said["kind"], said["run"], len(rows)) == ("labels", str(path), 3)
    assert ("row" in rows[0]) == (name != "arrays")
    costs = [row["cost"] for row in rows]
    assert costs == sorted(costs, reverse=True)
    if name == "iris":
        assert {row["label"] for row in rows} <= {"setosa", "versicolor", "virginica"}
    if name == "diabetes":  # in the units of the table
        assert all(25 <= float(row["label"]) <= 346 for row in rows)
    assert ElementTree.fromstring((here / "a.svg").read_text()).tag.endswith("svg")
    text = whygrad("why", "labels", path, "--folds", "2")
    assert said["question"] in text.out and "2/2 trainings" in text.lines


def test_names_mean_what_numbers_mean(iris):
    expected = asked("ledger", iris, "1:3,2")
    for place in ("1:hidden 3,petal length (cm)", "petal length (cm) → hidden 3"):
        assert asked("ledger", iris, place) == expected
    assert expected["part"] == "1:3,2"
    assert "again" in asked("ledger", iris, "--influence")["arrays"]
    assert "again" not in asked("ledger", iris, "--no-influence")["arrays"]
    assert asked("ledger", iris, "virginica") == asked("ledger", iris, "2:2")
    assert asked("ledger", iris, "2") == asked("ledger", iris, "layer 2")
    assert asked("ledger", iris, "bias -> virginica")["part"] == "2:2,bias"
    assert asked("influence", iris, "--output", "2") == asked(
        "influence", iris, "--output", "virginica"
    )


def test_without_a_weight_the_one_to_an_output_is_meant_that_went_furthest(iris):
    run = wg.open_run(iris)
    gaps = np.abs(run.theta.W[2] - wg.Parameters(run.net.sizes, run.state(0).theta).W[2])
    j, k = np.unravel_index(gaps.argmax(), gaps.shape)
    assert asked("ledger", iris)["part"] == f"2:{j},{k}"


def test_of_a_run_that_was_killed_the_weight_is_chosen_by_where_it_is_by_now(iris, tmp_path):
    expected = asked("ledger", iris)
    shutil.copytree(iris, tmp_path / "iris.run")
    with sqlite3.connect(tmp_path / "iris.run" / "events.sqlite") as db:
        db.execute("DELETE FROM ended")
        db.execute("DELETE FROM snapshots WHERE step > 0")
    db.close()
    about = manifest.read(tmp_path / "iris.run")
    del about["files"][manifest.MODEL]
    manifest.write(tmp_path / "iris.run", about)
    said = asked("ledger", tmp_path / "iris.run")
    assert said["part"] == expected["part"] and said["value"] == expected["value"]


def test_the_rows_listed_are_those_of_the_table(here):
    lines = ["x,y"] + [f"{i / 10},{'' if i == 4 else 'ab'[i % 3 == 0]}" for i in range(40)]
    (here / "t.csv").write_text("\n".join(lines) + "\n")
    assert whygrad("train", "t.csv", "--target", "y", *QUICK).code == 0
    run = wg.open_run("t.run")
    for table in asked("influence", "t.run", "--top", "40")["tables"][:2]:
        assert table["columns"] == ["class", "example", "row", "computed", "trained again"]
        for label, example, row, *_ in table["rows"]:
            cells = lines[1 + row].split(",")
            assert cells[1] == label
            assert run.encoding.columns[0].scale * run.data.X[example, 0] + (
                run.encoding.columns[0].center
            ) == pytest.approx(float(cells[0]), abs=1e-5)


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_the_rows_are_left_out_where_the_table_is_no_longer_what_it_was(here, change):
    text = "x,y\n" + "".join(f"{i / 8},{'ab'[i % 2]}\n" for i in range(40))
    (here / "t.csv").write_text(text)
    assert whygrad("train", "t.csv", "--target", "y", *QUICK).code == 0
    if change == "gone":
        (here / "t.csv").unlink()
    else:
        (here / "t.csv").write_text(
            text.replace(",a", ",c").replace(",b", ",a").replace(",c", ",b")
        )
    found = asked("ledger", "t.run", "--no-influence")
    heads = {tuple(table["columns"]) for table in found["tables"]}
    assert heads == {("class", "example", "contribution")}


def test_pushes_on_a_cost_are_listed_by_their_sign(iris):
    up, down = asked("influence", iris, "--method", "tracin")["tables"]
    assert all(row[-1] > 0 for row in up["rows"]) and up["rows"]
    assert all(row[-1] < 0 for row in down["rows"]) and down["rows"]


def test_without_tells_the_cost_as_well(iris):
    said = asked("without", iris, "3,5", "10-11", "--row", "2")
    assert said["examples"] == [3, 5, 10, 11] and said["row"] == 2
    run = wg.open_run(iris)
    found = run.why.without([3, 5, 10, 11], 2)
    assert found.value == said["value"]
    assert (
        [row[0] for row in found.tables[0].rows]
        == [row[0] for row in said["tables"][0]["rows"]]
        == [found.tables[0].rows[0][0], "cost"]
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ledger", "3:0,0"], "layer 3: the layers are 1 to 2"),
        (["ledger", "3"], "layer 3: the layers are 1 to 2"),
        (["ledger", "0:1"], "'0:1' is an input, which has no weights of its own: name a neuron"),
        (["ledger", "setoza"], "no unit is called 'setoza': did you mean 'setosa'?"),
        (["ledger", "--top", "0"], "top is 0: it must be a whole number of at least 1"),
        (["influence", "--row", "30"], "row 30: the rows are 0 to 29"),
        (["influence", "--output", "virgnica"], "no output is called 'virgnica'"),
        (["without", "120"], "example 120: the training data have 0 to 119"),
        (["without", "0-119"], "all examples are left out: at least one must remain"),
        (["without", "few"], "examples 'few': give their numbers in the training data, 17 or 3,5"),
        (["without", "9-3"], "examples '9-3': give the lower number first, such as 10-14"),
        (["without", "3", "--svg", "a.png"], "a.png: the name must end in .svg"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line_that_says_what_is(here, iris, words, message):
    kind, *more = words
    result = whygrad("why", kind, iris, *more)
    assert (result.code, result.out, len(result.lines)) == (2, "", 1), result.err
    assert result.lines[0].startswith(f"whygrad: {message}")
    assert list(here.iterdir()) == []


def test_rows_of_arrays_are_those_of_validation(trained):
    path = trained / "arrays.run"
    assert asked("influence", path, "--class", "1")["rows"] == list(range(1, 10, 2))
    run = wg.open_run(path)
    assert asked("influence", path, "--row", "4")["value"] == run.why.influence(4).value
    assert asked("without", path, "7")["value"] == run.why.without(7, 0).value
    result = whygrad("why", "weight", path)
    assert result.code == 2 and "was trained on arrays" in result.lines[0]


def test_numbers_of_examples_are_read_in_any_order():
    assert numbers_of(("17", "3, 5", "4-6")) == [3, 4, 5, 6, 17]
