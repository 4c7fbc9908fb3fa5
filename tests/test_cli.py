"""The command line: every command in a fresh process, and what was refused in one line."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest

import whygrad as wg
from browser import ENVIRONMENT as BARE
from browser import PATIENCE
from command import whygrad

# Processes find the package where this one has found it.
ENVIRONMENT = BARE | {"PYTHONIOENCODING": "utf-8"}
QUICK = ("--hidden", "8", "--epochs", "40", "--engine", "reference")
DRAWS = np.random.default_rng(5)
N = 300
HOUSES = pd.DataFrame(
    {
        "rooms": DRAWS.integers(1, 9, N),
        "area": np.where(DRAWS.random(N) < 0.1, np.nan, DRAWS.normal(100, 20, N)),
        "town": DRAWS.choice(["Bern", "Basel, Stadt", "Zürich"], N),
        "id": np.arange(N) + 5000,
    }
)
HOUSES["price"] = (
    HOUSES.rooms * 50_000 + (HOUSES.town == "Bern") * 70_000 + DRAWS.normal(0, 9_000, N)
)


def fresh(folder, *words, **options):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "whygrad", *map(str, words)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        **({"env": ENVIRONMENT} | options),
    )


def well(result):
    """Return the standard output of a run that went well."""
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """A folder with houses.csv and houses.run, trained in a process of its own, and what that said."""
    folder = tmp_path_factory.mktemp("houses")
    HOUSES.to_csv(folder / "houses.csv", index=False)
    result = fresh(folder, "train", "houses.csv", "--target", "price", *QUICK, "--json")
    return folder, json.loads(well(result)), result.stderr


# ── there and back, in processes of their own ────────────────────────────────────────────────────────


def test_training_prints_its_result_as_json_and_all_else_on_standard_error(houses):
    folder, said, err = houses
    assert said["run"] == "houses.run" and (folder / "houses.run").is_dir()
    assert said["rows"] == {"training": 240, "validation": 0, "test": 60}
    assert said["scores"]["r2"] > 0.5
    assert "whygrad: column 'id' left out: it identifies the rows" in err
    assert re.search(r"^epoch 40/40  cost\+L2 ", err, re.MULTILINE)


def test_another_process_scores_the_test_rows_to_the_last_bit(houses):
    folder, said, _ = houses
    again = json.loads(well(fresh(folder, "evaluate", "houses.run", "--json")))
    assert again["scores"] == said["scores"]
    assert wg.open_run(folder / "houses.run").evaluate().to_dict() == json.loads(
        json.dumps(said["scores"]), object_hook=_tuples
    )


def _tuples(about):
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in about.items()
    }


def test_other_processes_predict_to_the_last_bit_whatever_the_format_and_the_order_of_columns(
    houses,
):
    folder, _, _ = houses
    expected = wg.open_run(folder / "houses.run").predict(HOUSES)
    moved = HOUSES[["town", "price", "area", "rooms"]]
    moved.to_parquet(folder / "moved.parquet")
    well(fresh(folder, "predict", "houses.run", "houses.csv", "-o", "a.csv"))
    well(fresh(folder, "predict", "houses.run", "moved.parquet", "-o", "b.parquet"))
    printed = well(fresh(folder, "predict", "houses.run", "moved.parquet"))
    assert (pyarrow.csv.read_csv(folder / "a.csv")["price"].to_numpy() == expected).all()
    assert (pyarrow.parquet.read_table(folder / "b.parquet")["price"].to_numpy() == expected).all()
    assert printed == (folder / "a.csv").read_text()


def test_evaluating_a_file_leaves_out_rows_without_a_target_and_says_so(houses):
    folder, _, _ = houses
    for gone, said in ((10, "10 rows"), (1, "1 row")):
        some = HOUSES.copy()
        some.loc[: gone - 1, "price"] = np.nan
        some.to_csv(folder / "some.csv", index=False)
        result = fresh(folder, "evaluate", "houses.run", "some.csv", "--json")
        assert json.loads(well(result))["scores"]["rows"] == N - gone
        assert f": {said} left out: no value in the target 'price'" in result.stderr


def test_runs_and_show_tell_people_and_programs(houses):
    folder, said, _ = houses
    assert "houses.run" in well(fresh(folder, "runs"))
    listed = json.loads(well(fresh(folder, "runs", "--json")))
    assert [run["run"] for run in listed] == ["houses.run"]
    assert listed[0]["score"] == said["scores"]["r2"]
    text = well(fresh(folder, "show", "houses.run"))
    assert "8 relu → 1 identity, squared_error" in text
    assert "log₁₀ of the training cost" in text
    shown = json.loads(well(fresh(folder, "show", "houses.run", "--json")))
    assert shown["settings"] == said["settings"] and len(shown["history"]) == 40


def test_version_and_help_say_what_there_is(here):
    assert well(fresh(here, "--version")) == f"whygrad {wg.__version__}\n"
    text = well(fresh(here, "--help"))
    commands = ("train", "predict", "evaluate", "runs", "show", "studio", "--install-completion")
    for command in commands:
        assert command in text
    assert well(fresh(here)) == text


def test_ctrl_c_keeps_what_training_gave_and_exits_with_130(here):
    process = subprocess.Popen(
        [sys.executable, "-m", "whygrad", "train", "xor", "--batch-size", "320"]
        + ["--hidden", "2", "--epochs", "20000", "--engine", "reference", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    assert process.stderr.readline().startswith("epoch 2000/20000")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted: xor.run holds what training gave so far" in err
    assert json.loads(out)["stopped"] == "interrupted"
    assert whygrad("show", "xor.run").code == 0


@pytest.mark.parametrize("module, options", [
    ("rows.result_of", QUICK), ("members.scored", ("--quality", "fast", "--time-limit", "5")),
])  # fmt: skip
def test_a_ctrl_c_that_ends_all_at_once_says_what_stands_of_the_run(
    here, monkeypatch, module, options
):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    train = ("train", "iris", "--no-comparison", *options)
    with monkeypatch.context() as now:
        now.setattr(f"whygrad.record.{module}", pressed)
        found = whygrad(*train)
    stands = (
        "whygrad: interrupted: iris.run holds what was recorded by then; whygrad resume iris.run goes on "
        "from there"
    )
    assert (found.code, found.out, found.lines[-1]) == (130, "", stands)
    assert whygrad("resume", "iris.run").code == 0
    scores = wg.open_run("iris.run").scores
    with monkeypatch.context() as now:  # before the folder is replaced
        now.setattr("whygrad.record.folder.measure_of", pressed)
        found = whygrad(*train, "--overwrite")
        assert (found.code, found.lines[-1]) == (130, "whygrad: interrupted, nothing was written")
    assert wg.open_run("iris.run").scores == scores
    with monkeypatch.context() as now:
        now.setattr("whygrad.record.forking.conclude", pressed)
        found = whygrad("resume", "iris.run", "--epochs", "400")
        assert (found.code, found.lines[-1]) == (130, stands)
        found = whygrad("fork", "iris.run", "--step", "2", "--epochs", "2")
        assert (found.code, found.lines[-1]) == (130, stands.replace("iris", "iris-fork"))


# ── results ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_result_stands_beside_the_baseline_and_names_the_next_command(here):
    result = whygrad("train", "iris", *QUICK)
    assert result.code == 0
    for words in ("always setosa", "33.3%", "precision", "recall", "whygrad show iris.run"):
        assert words in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    command = result.out.splitlines()[-1].partition("whygrad ")[2]
    assert whygrad(*command.split()).code == 0


def test_numbers_are_scored_by_fifths_of_their_true_values(here):
    result = whygrad("train", "diabetes", *QUICK, "--json")
    scores = json.loads(result.out)["scores"]
    assert sum(part["rows"] for part in scores["parts"]) == scores["rows"] == 88
    lows = [part["low"] for part in scores["parts"]]
    assert lows == sorted(lows)
    assert scores["baseline_rmse"] > scores["rmse"]


@pytest.mark.parametrize("classes", [2, 12, 26, 60])
def test_many_classes_are_readable_at_80_columns(here, classes):
    labels = [f"a class with a rather long name {k}" for k in range(classes)]
    rows = [f"{k},{labels[k]}" for k in range(classes)] * 20
    (here / "many.csv").write_text("\n".join(["x,label", *rows]))
    result = whygrad("train", "many.csv", "--target", "label", *QUICK)
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    assert "…" in result.out


def test_probabilities_have_a_column_for_each_class_and_sum_to_one(here):
    whygrad("train", "iris", *QUICK)
    assert whygrad("predict", "iris.run", "iris", "-o", "p.csv", "--probabilities").code == 0
    table = pd.read_csv("p.csv")
    p = table[["species=setosa", "species=versicolor", "species=virginica"]]
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    names = np.array(["setosa", "versicolor", "virginica"])
    assert (names[p.to_numpy().argmax(axis=1)] == table.species).all()


@pytest.mark.parametrize(
    "name",
    ["digits", "iris", "wine", "breast_cancer", "diabetes", "xor", "spirals", "moons", "circles"],
)
def test_every_data_set_that_needs_no_file_trains_and_predicts(here, name):
    assert (
        whygrad("train", name, "--epochs", "1", "--hidden", "4", "--engine", "reference").code == 0
    )
    assert whygrad("predict", f"{name}.run", name, "-o", "out.csv").code == 0
    assert whygrad("evaluate", f"{name}.run", name).code == 0


@pytest.mark.parametrize("cost", ["huber", "absolute_error", "poisson", "squared_error"])
def test_every_cost_that_fits_numbers_gives_them_in_their_own_units(here, cost):
    HOUSES.to_csv("houses.csv", index=False)
    words = ("--hidden", "8", "--epochs", "150", "--engine", "reference", "--cost", cost)
    result = whygrad("train", "houses.csv", "--target", "price", *words, "--json")
    assert result.code == 0, result.err
    scores = json.loads(result.out)["scores"]
    assert scores["absolute_error"] < scores["baseline_absolute_error"] / 2


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux")
def test_a_run_whose_name_is_no_text_is_a_run_like_any_other(here):
    name = os.fsdecode(b"caf\xe9.run")
    assert well(fresh(here, "train", "iris", "--run", name, *QUICK))
    assert well(fresh(here, "show", name))
    assert json.loads(well(fresh(here, "runs", "--json")))[0]["target"] == "species"


def test_a_terminal_that_knows_few_characters_gets_the_others_escaped(here):
    (here / "t.csv").write_text(GOOD.replace("u", "Zürich"), encoding="utf-8")
    ascii_only = {"env": ENVIRONMENT | {"PYTHONIOENCODING": "ascii"}}
    assert "\\u2192" in well(
        fresh(here, "train", "t.csv", "--target", "y", *QUICK, **ascii_only)
    ) + well(fresh(here, "show", "t.run", **ascii_only))


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_whygrad_toml_stands_behind_the_options_of_the_command_line(here):
    (here / "whygrad.toml").write_text(
        'hidden = [5, 4]\nactivation = "tanh"\nbatch-size = 16\nepochs = 3\nengine = "reference"\nl2 = 0\n'
    )
    settings = json.loads(whygrad("train", "iris", "--epochs", "2", "--json").out)["settings"]
    assert (settings["hidden"], settings["activation"]) == ([5, 4], "tanh")
    assert (settings["batch_size"], settings["epochs"], settings["l2"]) == (16, 2, 0)


def test_columns_are_left_out_by_the_command_line_or_the_whygrad_toml(here):
    HOUSES.to_csv("houses.csv", index=False)
    given = ("train", "houses.csv", "--target", "price", *QUICK, "--json")
    said = json.loads(whygrad(*given, "--leave-out", "town", "--leave-out", "id").out)
    assert said["settings"]["leave_out"] == ["town", "id"]
    assert not any(name.startswith(("town", "id")) for name in said["inputs"]) and said["inputs"]
    (here / "whygrad.toml").write_text('leave-out = ["town", "id"]')
    assert json.loads(whygrad(*given).out)["inputs"] == said["inputs"]
    (here / "whygrad.toml").write_text('leave-out = "town"')
    assert json.loads(whygrad(*given).out)["settings"]["leave_out"] == ["town"]
    refused = whygrad(*given, "--leave-out", "twon")
    assert refused.code == 2
    assert refused.err == "whygrad: no column 'twon' to leave out: did you mean 'town'?\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leave-out = [3]", "whygrad.toml: leave-out is [3]: it must be names of columns, as in"),
        ("hiden = [3]", "whygrad.toml: unknown option 'hiden': did you mean 'hidden'?"),
        ("epochs = 2.5", "whygrad.toml: epochs is 2.5: it must be a whole number"),
        (
            "learning-rate = 'fast'",
            "whygrad.toml: learning-rate is 'fast': it must be a number",
        ),
        ("rate = 0.1", "whygrad.toml: unknown option 'rate': did you mean 'learning-rate'?"),
        (
            "hidden = [3, 'x']",
            "whygrad.toml: hidden is [3, 'x']: it must be whole numbers, as in [40, 20]",
        ),
        ("activation = 'rleu'", "unknown activation 'rleu': did you mean 'relu'?"),
        ("epochs 3", "whygrad.toml: not TOML"),
    ],
)
def test_a_whygrad_toml_that_makes_no_sense_is_refused_in_one_line(here, text, message):
    (here / "whygrad.toml").write_text(text)
    result = whygrad("train", "iris")
    assert result.code == 2
    assert len(result.lines) == 1 and result.lines[0].startswith(f"whygrad: {message}")


def test_a_second_run_gets_a_name_of_its_own_and_overwriting_must_be_asked_for(here):
    for _ in range(2):
        assert whygrad("train", "iris", *QUICK).code == 0
    assert sorted(os.listdir()) == ["iris-2.run", "iris.run"]
    before = (here / "iris.run" / "manifest.json").read_bytes()
    refused = whygrad("train", "iris", *QUICK, "--run", "iris.run")
    assert refused.code == 2 and "exists already" in refused.err
    assert (here / "iris.run" / "manifest.json").read_bytes() == before
    assert whygrad("train", "iris", *QUICK, "--seed", "1", "--overwrite").code == 0
    assert sorted(os.listdir()) == ["iris-2.run", "iris.run"]
    assert wg.open_run("iris.run").settings.seed == 1


def test_a_divergence_is_told_in_one_line_and_exits_with_1(here):
    words = (
        "--optimizer",
        "sgd",
        "--learning-rate",
        "1e30",
        "--hidden",
        "4",
        "--engine",
        "reference",
    )
    result = whygrad("train", "diabetes", *words)
    assert result.code == 1
    reason = "layer 2 overflowed first, z[2] is infinite"
    assert result.err.count(reason) == 1 and result.err.count("\n") == 1
    assert "diverged at step 1\n" in result.out and reason not in result.out
    assert f"diverged at step 1: {reason}" in " ".join(whygrad("show", "diabetes.run").out.split())


def test_errors_too_wide_for_a_row_stand_below_each_other_and_none_is_cut(here, monkeypatch):
    words = ("--hidden", "4", "--epochs", "1", "--no-comparison")
    assert whygrad("train", "diabetes", *words).code == 0
    for columns, rows in (("50", 6), ("200", 2)):
        monkeypatch.setenv("COLUMNS", columns)
        said = whygrad("show", "diabetes.run").out
        below = said.partition("quantiles of the error")[2].partition("true value")[0]
        assert len(re.findall(r"[+-][\d.]+", below)) == 5 and "…" not in below
        assert len(below.strip("\n").splitlines()) == rows


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────

GOOD = "a,b,y\n" + "1,2,u\n3,4,v\n5,6,u\n7,9,v\n" * 5
FILES = {
    "good.csv": GOOD,
    "empty.csv": "",
    "header.csv": "a,b,y\n",
    "ragged.csv": GOOD + "1,2\n",
    "binary.csv": bytes(range(256)) * 4,
    "wrong.csv": GOOD.encode() + b"1,2,\x81\x8d\n",
    "numbers.csv": "1.5,2,3\n4,5,6\n7,8,9\n",
    "constant.csv": "a,y\n1,u\n2,u\n4,u\n",
    "unique.csv": "a,y\n" + "".join(f"{i % 3},name {i}\n" for i in range(30)),
    "counting.csv": "a,y\n" + "".join(f"{i % 3},{i}\n" for i in range(30)),
    "single.csv": GOOD + "1,2,w\n",
    "prose.csv": "a,y\n" + "".join(f"{i},about {i % 30}\n" for i in range(40)),
    "missing.csv": "a,b,y\n" + "1,,u\n2,,v\n" * 5,
    "without.csv": GOOD.replace("a,b,y", "a,c,y"),
    "table.pdf": b"PK\x03\x04",
    "broken.parquet": b"PAR1 and no more",
}
REFUSED = [
    (["train", "nowhere.csv", "--target", "y"], "nowhere.csv: there is no such file"),
    (
        ["train", "good.csv"],
        "which column is to be predicted? Give --target COLUMN, one of: a, b, y",
    ),
    (["train", "good.csv", "--target", "Y"], "no column 'Y' to predict: did you mean 'y'?"),
    (["train", "empty.csv", "--target", "y"], "empty.csv: empty"),
    (["train", "header.csv", "--target", "y"], "header.csv: it has column names, but no rows"),
    (
        ["train", "ragged.csv", "--target", "y"],
        "ragged.csv: line 22 has 2 fields, the header has 3",
    ),
    (["train", "binary.csv", "--target", "y"], "binary.csv: a binary file"),
    (
        ["train", "wrong.csv", "--target", "y"],
        "wrong.csv: line 22 is neither UTF-8 nor Windows-1252",
    ),
    (["train", "numbers.csv", "--target", "y"], "no column 'y' to predict: there is 'column 1'"),
    (["train", "constant.csv", "--target", "y"], "target 'y' is 'u' in every row"),
    (["train", "unique.csv", "--target", "y"], "target 'y' is different in every row"),
    (["train", "counting.csv", "--target", "y"], "target 'y' numbers the rows"),
    (
        ["train", "prose.csv", "--target", "y"],
        "target 'y' holds text of 30 different values in 40 rows, such as 'about 0'",
    ),
    (["train", "missing.csv", "--target", "b"], "target 'b' has no value in any row"),
    (["train", ".", "--target", "y"], "broken.parquet: not a Parquet file"),
    (["train", "table.pdf", "--target", "y"], "table.pdf: a name that ends in .pdf"),
    (["train", "broken.parquet", "--target", "y"], "broken.parquet: not a Parquet file"),
    (
        ["train", "good.csv", "--target", "y", "--run", "good.csv"],
        "good.csv: a run is a folder whose name",
    ),
    (
        ["train", "good.csv", "--target", "y", "--run", "no/x.run"],
        "no/x.run: there is no folder no",
    ),
    (["train", "iris", "--hidden", "4,x"], "hidden layers '4,x': give units like 40,20"),
    (["train", "iris", "--hidden", "4,0"], "a hidden layer of 0 units"),
    (["train", "iris", "--activation", "rleu"], 'Invalid value "rleu" for --activation.'),
    (["train", "iris", "--cost", "huberr"], 'Invalid value "huberr" for --cost.'),
    (["train", "iris", "--cost", "poisson"], "cost 'poisson' does not fit target 'species'"),
    (["train", "iris", "--optimizer", "adan"], 'Invalid value "adan" for --optimizer.'),
    (["train", "iris", "--schedule", "cosin"], 'Invalid value "cosin" for --schedule.'),
    (["train", "iris", "--engine", "tpu"], 'Invalid value "tpu" for --engine.'),
    (["train", "iris", "--task", "clustering"], "unknown task 'clustering'"),
    (["train", "iris", "--dropout", "1"], "dropout is 1.0: it must be at least 0 and below 1"),
    (
        ["train", "iris", "--learning-rate", "0"],
        "learning_rate is 0.0: a learning rate is a finite number above 0",
    ),
    (["train", "iris", "--epochs", "0"], "epochs is 0: it must be at least 1"),
    (
        ["train", "iris", "--batch-size", "500"],
        "batch_size is 500, but there are only 120 examples",
    ),
    (["train", "iris", "--test", "1"], "test is 1.0: a share of the rows"),
    (["train", "iris", "--epoch", "3"], "Unknown option: --epoch. Did you mean --epochs?"),
    (["train", "iris", "--lr", "3"], "Unknown option: --lr. Did you mean --learning-rate?"),
    (
        ["train", "iris", "--rate=3"],
        "Unknown option: --rate. Did you mean --learning-rate?",
    ),
    (
        ["train", "iris", "--test-size", "1"],
        "Unknown option: --test-size. Did you mean --test?",
    ),
    (["trian", "iris"], 'Unknown command "trian". Did you mean "train"?'),
    (["predict", "good.run", "good.csv", "-o", "x.xls"], "x.xls: the ending says what to write"),
    (["predict", "good.run", "good.csv", "-o", "good.csv"], "good.csv: exists already"),
    (["predict", "good.run", "good.csv", "-o", "no/x.csv"], "no/x.csv: there is no folder no"),
    (
        ["predict", "good.run", "without.csv", "-o", "x.csv"],
        "without.csv: no column 'b': there is 'a', 'c', 'y'",
    ),
    (["predict", "good.run", "ragged.csv", "-o", "x.csv"], "ragged.csv: line 22 has 2 fields"),
    (["predict", "god.run", "good.csv"], "god.run: there is no such run: did you mean 'good.run'?"),
    (["predict", "good.csv", "good.csv"], "good.csv: a file, not a run"),
    (
        ["evaluate", "good.run", "single.csv"],
        "target 'y' is 'w' in row 20 (from 0), which is no class of training",
    ),
    (["runs", "nowhere"], "nowhere: cannot be listed"),
]


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder with good.run and every file above."""
    folder = tmp_path_factory.mktemp("bad")
    for name, content in FILES.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    before = os.getcwd()
    os.chdir(folder)
    try:
        words = ("--target", "y", "--hidden", "3", "--epochs", "2", "--engine", "reference")
        assert whygrad("train", "good.csv", *words).code == 0
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize(
    ("words", "message"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED]
)
def test_bad_input_is_refused_in_one_line_with_exit_code_2(bad, monkeypatch, words, message):
    monkeypatch.chdir(bad)
    before = sorted(os.listdir())
    quick = ["--engine", "reference"] if "train" in words and "--engine" not in words else []
    result = whygrad(*words, *quick)
    assert result.code == 2
    assert result.out == ""
    assert len(result.lines) == 1
    assert result.lines[0].startswith(f"whygrad: {message}")
    assert sorted(os.listdir()) == before


def test_bad_input_in_a_fresh_process_exits_with_2_and_one_line(bad):
    result = fresh(bad, "train", "ragged.csv", "--target", "y")
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are set as Linux has them")
@pytest.mark.parametrize(
    "words",
    [
        ["predict", "good.run", "long.csv", "-o", "x.csv"],
        ["predict", "good.run", "long.csv", "-o", "x.parquet", "--probabilities"],
        ["train", "good.csv", "--target", "y", "--engine", "reference", "--epochs", "1"],
    ],
    ids=["csv", "parquet", "run"],
)
def test_a_full_disk_leaves_nothing_half_written(bad, words):
    import resource

    (bad / "long.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 7},u\n" for i in range(20_000)))
    before = sorted(os.listdir(bad))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    result = fresh(bad, *words, preexec_fn=limit)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("whygrad: ") and "cannot be written" in last
    assert "Traceback" not in result.stderr
    assert sorted(os.listdir(bad)) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_standard_output_that_is_full_is_told_in_one_line(bad):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "whygrad", "predict", "good.run", "good.csv"],
            cwd=bad,
            stdout=full,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert result.returncode == 2
    assert result.stderr.startswith("whygrad: standard output: ")
    assert len(result.stderr.splitlines()) == 1
