"""`whygrad replay`, `resume`, `fork`, `diff`, and what `show` and `runs` say of recorded runs."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import whygrad as wg
from command import whygrad
from whygrad.record.source import rows_trained_on

QUICK = ("--hidden", "8", "--epochs", "10", "--engine", "reference")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert whygrad("train", "iris", *QUICK).code == 0
    finally:
        os.chdir(before)
    return folder / "iris.run"


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(trained, tmp_path / "iris.run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_replay_without_a_step_computes_everything_again_and_says_how_it_compares(here):
    result = whygrad("replay", "iris.run")
    assert result.code == 0
    assert "40 steps and 2 states computed again: equal to the last bit" in result.out
    said = json.loads(whygrad("replay", "iris.run", "--json").out)
    assert (said["guarantee"], said["holds"], said["first"]) == ("bits", True, None)


def test_replay_gives_the_parameters_at_a_step_as_a_file_that_load_reads(here):
    result = whygrad("replay", "iris.run", "--step", "17", "-o", "early.safetensors")
    assert result.code == 0 and "after step 17: 4 epochs and 1 batch," in result.out
    state = wg.open_run("iris.run").state(17)
    assert (wg.load("early.safetensors").theta.flat == state.theta).all()
    kept = Path("early.safetensors").read_bytes()
    again = whygrad("replay", "iris.run", "--step", "18", "-o", "early.safetensors")
    assert again.code == 2 and "exists already: choose another name" in again.err
    assert Path("early.safetensors").read_bytes() == kept
    said = json.loads(whygrad("replay", "iris.run", "--step", "17", "--json").out)
    assert said["step"] == 17 and said["cost"] == wg.open_run("iris.run").costs[17]
    theta = wg.Parameters(wg.open_run("iris.run").net.sizes, state.theta)
    np.testing.assert_allclose(said["layers"][1]["W"], np.linalg.norm(theta.W[2]))


def test_one_column_one_epoch_and_one_step_are_told_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i / 7:.3f},{i / 3:.3f}" for i in range(20)]
    Path("one.csv").write_text("\n".join(["size,price", *rows]), encoding="utf-8")
    one = ("--hidden", "1", "--epochs", "1", "--engine", "reference", "--no-comparison")
    assert whygrad("train", "one.csv", "--target", "price", *one).code == 0
    assert "network   1 input →" in whygrad("show", "one.run").out
    assert whygrad("replay", "one.run").out.startswith("1 step and ")
    assert whygrad("report", "one.run").code == 0
    assert "1 column is learned from; price is" in Path("one.html").read_text(encoding="utf-8")
    assert "1 epoch and 0 batches" in whygrad("replay", "one.run", "--step", "1").out
    assert "1 input →" in wg.open_run("one.run")._repr_html_()


def test_resume_trains_for_more_epochs_and_scores_again(here):
    assert (
        whygrad("train", "iris", *QUICK[:2], "--epochs", "15", *QUICK[4:], "--run", "b.run").code
        == 0
    )
    result = whygrad("resume", "iris.run", "--epochs", "15")
    assert result.code == 0 and "15 epochs" in result.out and "test rows" in result.out
    # The baseline and the models beside it are columns, as of `train`; the next questions stand below.
    lines = result.out.splitlines()
    head, line = (one for one in lines if "test rows" in one or one.startswith("accuracy"))
    assert all(name in head for name in ("always", "linear", "boosting")) and line.count("%") == 4
    assert "whygrad show iris.run" in result.out and "whygrad doctor iris.run" in result.out
    one, two = wg.open_run("iris.run"), wg.open_run("b.run")
    assert (one.theta.flat == two.theta.flat).all() and one.scores == two.scores
    again = json.loads(whygrad("resume", "iris.run", "--epochs", "16", "--json").out)
    assert again["stopped"] == "all epochs done" and again["scores"]["kind"] == "accuracy"


def test_resume_and_fork_say_how_many_test_rows_training_has_seen(here):
    rows = [f"{i % 3}.5,{'AB'[i % 2]},{i % 2}" for i in range(120)]
    Path("twins.csv").write_text("\n".join(["size,town,price", *rows]), encoding="utf-8")
    quick = ("--target", "price", "--hidden", "4", "--epochs", "2", "--no-comparison")
    assert whygrad("train", "twins.csv", *quick).code == 0
    seen = "These are of 24 test rows, all of which equal rows that training has seen."
    for words in (("resume", "twins.run", "--epochs", "3"), ("fork", "twins.run", "--step", "2")):
        assert seen in whygrad(*words).out


def test_a_fork_is_a_run_of_its_own_that_says_where_it_comes_from(here):
    result = whygrad(
        "fork", "iris.run", "--step", "20", "--learning-rate", "0.05", "--record", "f.run"
    )
    assert result.code == 0 and "f.run  step 40, 5 epochs since step 20, " in result.out
    fork = wg.open_run("f.run")
    assert (
        fork.start == 20 and fork.plan.optimizer.learning_rate == 0.05 and fork.scores is not None
    )
    assert "from step 20 with learning rate 0.05" in " ".join(whygrad("show", "f.run").out.split())
    assert fork.evaluate() == fork.scores
    assert whygrad("replay", "f.run").code == 0
    assert len(json.loads(whygrad("runs", "--json").out)) == 2


def test_the_epoch_whose_parameters_are_kept_is_named_where_it_is_not_the_last(here):
    hidden = ("--hidden", "8", "--learning-rate", "0.5", "--validation", "0.3", "--epochs", "9")
    assert whygrad("train", "iris", *hidden, "--engine", "reference", "--run", "k.run").code == 0
    run = wg.open_run("k.run")
    costs = run.history.validation_cost
    best = costs.index(min(costs)) + 1
    assert best < 7  # else the test shows nothing
    named = f"kept is epoch {best}, of the best validation cost"
    assert named in " ".join(whygrad("show", "k.run").out.split())
    step = 7 * run.plan.steps_per_epoch  # much worse by then, and a small rate leaves it so
    fork = whygrad(
        "fork", "k.run", "--step", str(step), "--learning-rate", "0.001", "--record", "f.run"
    )
    assert named in " ".join(fork.out.split())
    said = " ".join(whygrad("diff", "k.run", "f.run").out.split())
    assert f"differ at step {step + 1}; the parameters that both keep are equal" in said


def test_diff_says_what_differs_and_from_which_step_on(here):
    whygrad("fork", "iris.run", "--step", "20", "--learning-rate", "0.05")
    result = whygrad("diff", "iris.run", "iris-fork.run")
    assert result.code == 1
    score = next(one for one in result.out.splitlines() if one.startswith("score"))
    assert score.count("accuracy") == score.count("%") == 2  # as `runs` writes it
    assert "rate 0.05" in result.out and "costs first differ at step 21" in result.out
    said = json.loads(whygrad("diff", "iris.run", "iris-fork.run", "--json").out)
    assert said["first_cost"] == 21 and said["theta"] > 0 and not said["same"]
    assert whygrad("train", "iris", *QUICK, "--run", "same.run").code == 0
    small = ("--hidden", "3", "--epochs", "1", "--engine", "reference")
    assert whygrad("train", "iris", *small, "--run", "small.run").code == 0
    assert "the networks have different layers" in whygrad("diff", "iris.run", "small.run").out
    result = whygrad("diff", "iris.run", "same.run")
    assert result.code == 0 and "the same training, to the last bit" in result.out


def test_show_has_a_table_of_the_layers(here):
    out = whygrad("show", "iris.run").out
    assert "‖Δθ‖/‖θ‖" in out and "dead" in out
    layers = json.loads(whygrad("show", "iris.run", "--json").out)["layers"]
    assert [layer["units"] for layer in layers] == [8, 3]
    assert all(layer["gradient"] > 0 and 0 <= layer["dead"] <= 1 for layer in layers)


def test_a_run_on_arrays_is_shown_and_listed_too(here):
    X = np.random.default_rng(0).normal(size=(50, 4))
    net = wg.Network(4, [wg.Dense(2, "softmax")], "cross_entropy")
    wg.train(net, X, (X[:, 0] > 0).astype(int), epochs=5, record="arrays.run", engine="reference")
    out = whygrad("show", "arrays.run").out
    assert "4 inputs → 2 softmax" in out and "arrays in memory, copied" in out
    assert "arrays.run" in whygrad("runs").out
    assert whygrad("replay", "arrays.run").code == 0


def test_a_table_that_has_changed_is_refused_with_both_hashes_unless_it_was_copied(here):
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(90, 3)), columns=list("aby"))
    frame.to_csv("t.csv", index=False)
    assert whygrad("train", "t.csv", "--target", "y", *QUICK).code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whygrad.record.files.stored.SMALL", 0)
        assert whygrad("train", "t.csv", "--target", "y", *QUICK, "--run", "big.run").code == 0
        copied = ("--run", "copied.run", "--copy-data")
        assert whygrad("train", "t.csv", "--target", "y", *QUICK, *copied).code == 0
    assert whygrad("replay", "big.run").code == 0
    frame.assign(a=frame.a**2).to_csv("t.csv", index=False)
    for name in ("t.run", "copied.run"):
        assert whygrad("replay", name).code == 0
    result = whygrad("replay", "big.run")
    assert result.code == 2 and "has SHA-256" in result.err and "recorded was" in result.err
    os.remove("t.csv")
    result = whygrad("replay", "big.run")
    assert result.code == 2 and len(result.lines) == 1 and "t.csv" in result.err
    assert whygrad("show", "big.run").code == 0 and "copied" in whygrad("show", "t.run").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["replay", "iris.run", "--step", "999"], "step 999: iris.run has the steps 0 to 40"),
        (
            ["replay", "iris.run", "-o", "x.safetensors"],
            "-o writes the parameters at a step: say which",
        ),
        (
            ["resume", "iris.run"],
            "iris.run has ended (all epochs done): say how many epochs it is to have in all, --epochs",
        ),
        (["resume", "iris.run", "--epochs", "3"], "epochs is 3: 10 are over"),
        (
            ["fork", "iris.run", "--learning-rate", "0.1"],
            "at step 40 all 10 epochs are over: give more, --epochs",
        ),
        (
            ["fork", "iris.run", "--step", "9", "--record", "x"],
            "x: a run is a folder whose name ends in",
        ),
        (["fork", "iris.run", "--step", "9", "--record", "iris.run"], "iris.run: exists already"),
        (["diff", "iris.run", "no.run"], "no.run: there is no such run"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(here, words, message):
    before = sorted(os.listdir())
    result = whygrad(*words)
    assert result.code == 2 and len(result.lines) == 1
    assert result.lines[0].startswith(f"whygrad: {message}")
    assert sorted(os.listdir()) == before


def test_evaluate_says_how_many_rows_training_has_seen_where_it_has(here):
    lines = ["size,town,price", *(f"{i % 13}.5,{'AB'[i % 2]},{3 * i % 50}" for i in range(120))]
    changed = [*lines[:-2], "99,A,7", "6.5,A,8"]
    twins = [lines[0], *(f"{i % 3}.5,A,{i % 2}" for i in range(120))]
    for name, rows in (
        ("houses", lines),
        ("moved", lines),
        ("less", lines[:61]),
        ("other", changed),
        ("new", [lines[0], *(f"{i % 7}.25,A,{i}" for i in range(40))]),
        ("twins", twins),
        ("like them", twins[:31]),
    ):
        Path(f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")
    quick = ("--target", "price", "--hidden", "4", "--epochs", "2", "--no-comparison")
    assert whygrad("train", "houses.csv", *quick).code == 0
    assert whygrad("train", "houses.csv", *quick, "--test", "0", "--run", "all.run").code == 0
    assert whygrad("train", "iris", *quick[2:], "--validation", "0.1").code == 0
    assert whygrad("train", "twins.csv", *quick).code == 0
    trained = rows_trained_on(wg.open_run("houses.run"))
    some = (
        "whygrad: training has seen {} of these {} rows, and may do worse on others; the other {} "
    )
    alike = (
        "whygrad: {} of these {} rows equal rows that training has seen: it may do worse on others"
    )
    Path("one.csv").write_text("\n".join([lines[0], lines[1 + trained[0]]]), encoding="utf-8")
    every = "whygrad: training has seen these 120 rows: it may do worse on others"
    for words, expected in (
        (
            ("houses.run", "moved.csv"),
            [some.format(96, 120, 24) + "alone: whygrad evaluate houses.run"],
        ),
        (("iris.run", "iris"), [some.format(120, 150, 30) + "alone: whygrad evaluate iris.run"]),
        (("all.run", "houses.csv"), [every]),
        (("houses.run", "less.csv"), [alike.format((trained < 60).sum(), 60)]),
        (("houses.run", "other.csv"), [alike.format((trained < 118).sum(), 120)]),
        (("houses.run", "new.csv"), []),
        (
            ("houses.run", "one.csv"),
            ["whygrad: this row equals a row that training has seen: it may do worse on others"],
        ),
        (("twins.run", "like them.csv"), []),
        (("houses.run",), []),
    ):
        found = whygrad("evaluate", *words)
        assert (found.code, found.lines) == (0, expected), words


def test_evaluate_shows_what_the_baseline_scores(here):
    quick = ("--hidden", "4", "--epochs", "2", "--no-comparison")
    for name, measures in (
        ("iris", ["accuracy", "balanced accuracy", "ROC AUC", "average precision"]),
        ("diabetes", ["R²", "root mean squared error", "mean absolute error"]),
    ):
        assert whygrad("train", name, *quick).code == 0
        lines = whygrad("evaluate", f"{name}.run", name).out.splitlines()
        for measure in measures:
            (line,) = [line for line in lines if line.startswith(measure)]
            assert line.split()[-1] != "–", line


def test_a_run_given_as_a_table_is_pointed_to_show(here):
    assert whygrad("train", "iris", "--hidden", "4", "--epochs", "1", "--no-comparison").code == 0
    found = whygrad("columns", "iris.run")
    expected = "whygrad: iris.run: a run, not a table: whygrad show iris.run tells of its columns"
    assert (found.code, found.lines) == (2, [expected])


def test_columns_become_what_train_makes_of_them_and_evaluate_begins_with_its_table(here):
    rows = "".join(f"{1950 + i % 70},{i % 13}.5,{3 * i % 50}\n" for i in range(120))
    Path("houses.csv").write_text("year built,size,price\n" + rows, encoding="utf-8")
    said = json.loads(whygrad("columns", "houses.csv", "--target", "price", "--json").out)
    quick = ("--quality", "fast", "--time-limit", "1", "--no-comparison")
    assert whygrad("train", "houses.csv", "--target", "price", *quick).code == 0
    facts = {one.name: one.becomes for one in wg.open_run("houses.run").encoding.facts}
    assert "pieces" in facts["size"]
    assert {one["name"]: one["becomes"] for one in said} == facts
    assert whygrad("evaluate", "houses.run").out.startswith("price of 24 test rows")
    # A year is no amount: its thousands are not set apart.
    lines = whygrad("why", "prediction", "houses.run").out.splitlines()
    year = next(
        line for line in lines if line.lstrip().startswith("year built  ") and " 19" in line
    )
    assert "," not in year
