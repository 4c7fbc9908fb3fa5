"""The report on a run: every number in it is one of the run, and the page needs nothing else."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

import whygrad as wg
from command import whygrad
from whygrad.answers.formatting import number
from whygrad.pipeline.fit import predict
from whygrad.pipeline.scores import written_share
from whygrad.record.files import manifest
from whygrad.record.report import report
from whygrad.record.source import encoded, read_again, take
from whygrad.studio.session.scoring import words_of

RNG = np.random.default_rng(2)
N = 200
A, B, NOISE = RNG.normal(size=(3, N))
WORDS = ("--epochs", "60", "--hidden", "8", "--engine", "reference", "--overwrite")
SECTIONS = ["Data and columns", "How good it is", "How it learned"]


@pytest.fixture(scope="module", params=["classes", "numbers"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    y = np.where(A - B > 0, "up <b>", "down") if request.param == "classes" else 9 * A - 3 * B
    town = np.where(A > 1, "Bern", "Basel")
    rows = zip(A.round(3), B.round(3), NOISE.round(3), town, y, strict=True)
    lines = ["a,b,noise,town,y", *(",".join(map(str, row)) for row in rows)]
    (folder / "t.csv").write_text("\n".join(lines))
    words = ("train", folder / "t.csv", "--target", "y", "--run", folder / "t.run", *WORDS)
    assert whygrad(*words).code == 0
    return wg.open_run(folder / "t.run")


def cells(section, title):
    [table] = [table for table in section.tables if table.title == title]
    return {row[0]: row[1:] for row in table.rows}


def test_the_sections_follow_one_another(run):
    titles = [section.question for section in report(run)]
    trust = (
        "How far its probabilities can be trusted" if run.encoding.classes else "How far off it is"
    )
    assert titles[0] == "t.run: y"
    assert titles[1:6] == [*SECTIONS, trust, "Which columns matter"]
    assert [
        re.sub(r"Row \d+ \(from 0\) of the test rows, |: .*", "", title) for title in titles[6:9]
    ] == [
        "most right",
        "in the middle",
        "most wrong",
    ]
    assert titles[9:] == ["What to beware of"]


def test_what_was_decided_about_every_column_is_listed(run):
    found = cells(report(run)[1], "The columns")
    decided = {one.name: (one.kind, one.missing, one.becomes) for one in run.encoding.facts}
    assert {name: (row[0], *row[2:]) for name, row in found.items()} == decided
    assert set(found) == {"a", "b", "noise", "town", "y"} and found["town"][1] == "Basel, Bern"


def test_numbers_below_zero_have_the_same_minus_in_words_as_alone(run):
    tables = [table for section in report(run) for table in section.tables]
    about = {"The columns": 2, "By the true value": 0}  # and which of their columns holds words
    words = [
        row[k]
        for one in tables
        for k in [about.get(one.title)]
        if k is not None
        for row in one.rows
    ]
    numbers = [text for text in words if text.startswith("about") or " to " in text]
    assert any("−" in text for text in numbers) and not any("-" in text for text in numbers)


def test_scores_stand_beside_those_of_other_models(run):
    found = cells(report(run)[2], "Scores")
    name, label = (
        ("log_loss", "log loss") if run.encoding.classes else ("rmse", "root mean squared error")
    )
    others = [model.measures[name] for model in run.comparison.models]
    assert list(found[label]) == [run.scores.measures[name], *others]


def test_a_column_that_tells_nothing_matters_least(run):
    section = report(run)[5]
    found = cells(section, "All columns")
    assert list(found)[0] in ("a", "b")
    assert found["noise"][0] < found["a"][0] / 5
    assert list(section.pictures[0].names) == list(found)


def test_a_column_that_tells_of_a_rare_class_matters_though_it_is_never_told(tmp_path):
    """The answer is the same for every row: only its probabilities follow the column."""
    draws = np.random.default_rng(0)
    a, noise = draws.normal(size=(2, 4 * N))
    rare = draws.random(4 * N) < 0.07 * 2.5**a / np.mean(2.5**a)
    rows = zip(a.round(3), noise.round(3), np.where(rare, "yes", "no"), strict=True)
    lines = ["a,noise,y", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    words = ("train", tmp_path / "t.csv", "--target", "y", "--run", tmp_path / "t.run")
    described = (
        "--hidden",
        "none",
        "--learning-rate",
        "0.02",
        "--epochs",
        "60",
        "--engine",
        "reference",
    )
    assert whygrad(*words, *described).code == 0
    run = wg.open_run(tmp_path / "t.run")
    assert run.scores.accuracy == run.scores.baseline
    section = report(run)[5]
    found = cells(section, "All columns")
    assert list(found) == ["a", "noise"] and found["a"][0] > 3 * found["a"][1]
    rise, loss = number(found["a"][0]), number(run.scores.log_loss)
    assert section.answer.endswith(f"the log loss, {loss}, rises most for 'a', by {rise}.")


def test_where_shuffling_costs_nothing_no_column_is_named(here):
    """The network says the mean of all rows: what it is told changes nothing, to the last bit."""
    Path("t.csv").write_text(
        "\n".join(["a,y", *(f"{a:.3f},{y:.3f}" for a, y in zip(A, B, strict=True))])
    )
    still = ("--hidden", "none", "--l1", "100", "--epochs", "40", "--engine", "reference")
    assert whygrad("train", "t.csv", "--target", "y", *still).code == 0
    section = report(wg.open_run("t.run"))[5]
    assert section.answer.endswith(", clearly rises for none of them.")


def test_what_is_kept_of_a_training_is_told_beside_its_course(here):
    stopping = ("--validation", "0.3", "--epochs", "60", "--learning-rate", "0.05")
    Path("t.csv").write_text(
        "\n".join(["a,y", *(f"{a:.3f},{y:.3f}" for a, y in zip(A, B, strict=True))])
    )
    assert whygrad("train", "t.csv", "--target", "y", "--hidden", "30", *stopping).code == 0
    run = wg.open_run("t.run")
    costs = run.history.validation_cost
    best = 1 + int(np.argmin(costs))
    assert best < len(costs)
    assert report(run)[3].answer.endswith(f"kept is epoch {best}, of the best validation cost.")


def test_importance_is_what_shuffling_costs(run):
    """By hand, with other permutations: within their spread."""
    section = report(run)[5]
    rows = read_again(run)
    X = encoded(run, rows)
    target = run.encoding.target
    true = rows["y"].to_pylist()

    def loss(X):
        outputs = predict(run.fitted, X)
        if target.classes:
            p = target.probabilities(outputs).astype(float)
            return log_loss(true, p / p.sum(axis=1, keepdims=True))
        return np.sqrt(np.mean((target.decode(outputs) - np.array(true, float)) ** 2))

    place = list(run.encoding.names).index("a")
    risen = []
    for seed in range(200):
        shuffled = X.copy()
        shuffled[:, place] = np.random.default_rng(seed).permutation(X[:, place])
        risen.append(loss(shuffled) - loss(X))
    mean, spread = cells(section, "All columns")["a"][:2]
    assert abs(mean - np.mean(risen)) < 4 * np.std(risen) / np.sqrt(5)
    assert 0 < spread < 4 * np.std(risen)


def written(here, columns, *words):
    """Return the run of a training on a table of these columns."""
    lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    (here / "t.csv").write_text("\n".join([",".join(columns), *lines]))
    said = whygrad("train", "t.csv", "--target", "y", "--run", "t.run", *words, *WORDS)
    assert said.code == 0, said.err
    return wg.open_run("t.run")


def test_of_many_rows_those_shuffled_are_from_all_over_the_table(here, monkeypatch):
    """Of the first rows alone a column is the same, which no shuffling would change."""
    y = np.sort(A)
    run = written(here, {"first": np.where(y < 0.5, 0, y).round(3), "b": B.round(3), "y": y})
    monkeypatch.setattr("whygrad.record.report.ROWS", 20)
    section = report(run)[5]
    assert section.answer.startswith(f"Shuffling a column of 20 of {run.scores.rows} test rows, 5 ")
    assert cells(section, "All columns")["first"][0] > 0


def test_a_column_that_is_called_a_number_has_its_mean_part(here):
    run = written(here, {"2019": A.round(3), "b": B.round(3), "y": A - B})
    found = cells(report(run)[5], "All columns")
    assert all(part > 0 for _, _, part in found.values()) and set(found) == {"2019", "b"}


def test_the_report_says_what_is_right_beside_a_threshold(here):
    columns = {"a": A.round(3), "b": B.round(3), "y": np.where(A - B > 1, "yes", "no")}
    run = written(here, columns, "--aim", "recall=0.95", "--validation", 0.2)
    share = written_share(run.encoding.target.threshold)
    trust = next(one for one in report(run) if one.question.startswith("How far its probabilities"))
    assert trust.notes == (
        "Right is here the likelier of the two classes, whatever the threshold: 'yes' is predicted "
        f"above {share}.",
    )


def test_mean_parts_are_those_of_the_predictions(run):
    rows = read_again(run)
    n = len(rows)
    chosen = np.unique(np.linspace(0, n - 1, 30).astype(int))
    parts = []
    for row in chosen:
        terms = run.why.prediction(take(rows, np.array([row])), sample=30).terms
        parts.append(next(abs(term.value) for term in terms if term.name == "a"))
    assert cells(report(run)[5], "All columns")["a"][2] == pytest.approx(np.mean(parts))


@pytest.mark.parametrize(
    ("data", "cost", "output"),
    [
        ("iris", "cross_entropy", "the lead of the class it says"),
        ("iris", "binary_cross_entropy", "z of the class it says"),
        ("breast_cancer", "binary_cross_entropy", "z of 'malignant'"),
        ("diabetes", "squared_error", "the output"),
    ],
)
def test_what_columns_add_to_is_told_as_it_is(here, data, cost, output):
    words = ("--epochs", "2", "--engine", "reference", "--cost", cost)
    assert whygrad("train", data, "--run", "a.run", *words).code == 0
    [note] = report(wg.open_run("a.run"))[5].notes
    assert note.startswith(f"The mean part is the mean size of what a column adds to {output} ")


def test_the_row_most_wrong_is_the_last_of_the_examples(run):
    rows = read_again(run)
    sections = report(run)[6:9]
    picked = [int(re.match(r"Row (\d+)", section.question)[1]) for section in sections]
    if run.encoding.classes:
        p = run.probabilities(rows)
        place = [run.encoding.classes.index(label) for label in rows["y"].to_pylist()]
        losses = 1 - p[np.arange(len(p)), place]
    else:
        losses = np.abs(run.predict(rows) - np.array(rows["y"].to_pylist(), float))
    assert losses[picked[0]] == losses.min() and losses[picked[2]] == losses.max()
    assert losses[picked[0]] <= losses[picked[1]] <= losses[picked[2]]


def test_the_page_is_whole_and_loads_nothing(run, tmp_path):
    path = tmp_path / "report.html"
    assert whygrad("report", run.path, "-o", path).out == f"written: {path}\n"
    page = path.read_text()
    assert page.count("<h1>") == 1 and page.count("<h2>") == 9
    assert not re.search(r"(src|href)=|url\(|<script|@import", page)
    assert "<b>" not in page
    assert whygrad("report", run.path, "-o", path).err.startswith(
        f"whygrad: {path}: exists already"
    )
    assert whygrad("report", run.path, "-o", path, "--overwrite").code == 0
    result = whygrad("report", run.path, "-o", "page.pdf")
    assert result.err == "whygrad: page.pdf: the name must end in .html\n"


def test_what_needs_rows_that_are_gone_is_left_out_and_said(run, monkeypatch):
    def gone(run):
        raise wg.FileError("t.csv: there is no such file")

    monkeypatch.setattr("whygrad.record.report.read_again", gone)
    sections = report(run)
    assert [section.question for section in sections[1:]] == [*SECTIONS, "What to beware of"]
    assert sections[0].notes[-1] == (
        "The rows are not there any more (t.csv: there is no such file): what needs them is left out."
    )


def test_who_waits_is_told_what_is_computed(run):
    told = []
    sections = report(run, told.append)
    assert [s.to_dict() for s in sections] == [s.to_dict() for s in report(run)]
    shuffled = [f"'{name}' is shuffled" for name in dict.fromkeys(run.encoding.origins)]
    parts = [f"{done} of 30 rows have their parts" for done in range(30)]
    assert told[:-3] == ["its rows are read again", *shuffled, *parts]
    assert all(re.fullmatch(r"row \d+ \(from 0\) is explained", one) for one in told[-3:])


def test_a_run_on_arrays_has_no_report(tmp_path):
    X = np.linspace(0, 1, 20)[:, None]
    clf = wg.MLPRegressor(max_iter=2, hidden_layer_sizes=(2,))
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, X[:, 0], record=tmp_path / "a.run")
    with pytest.raises(
        wg.InputError, match="a.run was trained on arrays: a report is about a table"
    ):
        report(wg.open_run(tmp_path / "a.run"))


def test_scores_of_rows_that_were_learned_from_are_told_as_such(here):
    (here / "t.csv").write_text("a,y\n" + "".join(f"{i * 7 % 11},{i * 2.5}\n" for i in range(40)))
    assert whygrad("train", "t.csv", "--target", "y", "--test", 0, *WORDS).code == 0
    sections = report(wg.open_run("t.run"))
    assert "40 training rows, which it learned from" in sections[0].answer
    assert (
        "The scores are of rows that it learned from: on others it will do worse."
        in sections[-1].notes
    )


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_rows_that_training_has_seen_too_are_not_called_unseen(here, task):
    """Of 60 rows 20 stand there twice; how many of these are test rows is counted by hand."""
    given = [(a, b, (a > b) if task == "classes" else a - b) for a, b in zip(A, B, strict=True)]
    given = given[:60] + given[:20]
    (here / "t.csv").write_text("\n".join(["a,b,y", *(",".join(map(str, row)) for row in given)]))
    train = ("train", "t.csv", "--target", "y", "--run", "t.run", *WORDS)
    shown = whygrad(*train, "--no-comparison", "--test", "0.4").out
    run = wg.open_run("t.run")
    tested = read_again(run)
    test = [tuple(row.values()) for row in tested.to_pylist()]
    left = [tuple(map(str, row)) for row in given]
    for row in test:
        left.remove(row)
    same = np.array([row in left for row in test])
    assert 3 < same.sum() < len(test) == 32
    told = f"32 test rows, {same.sum()} of which equal rows that training has seen"
    assert told in report(run)[0].answer and "not seen" not in report(run)[0].answer
    others = run.predict(tested.filter(~same))
    true = tested.filter(~same)["y"].to_pylist()
    if task == "classes":
        score = np.mean([str(one) == t for one, t in zip(others, true, strict=True)])
        alone = f"On the other {len(true)} alone: accuracy {100 * score:.3g}%."
    else:
        true = np.array(true, float)
        score = 1 - ((others - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()
        alone = f"On the other {len(true)} alone: R² {score:.3f}."
    assert alone in report(run)[0].notes
    for text in (shown, whygrad("show", "t.run").out, whygrad("evaluate", "t.run").out):
        assert f"These are of {told}. {alone}" in " ".join(text.split())
    assert told.removeprefix("32 ") in words_of(run)


def test_rows_of_which_none_is_a_copy_are_told_as_not_seen(run):
    assert f"{run.scores.rows} test rows, which training has not seen" in report(run)[0].answer


def test_of_runs_that_counted_no_copies_nothing_is_claimed(run, monkeypatch):
    monkeypatch.setattr(type(run), "copies", None)
    assert f"{run.scores.rows} test rows, set aside before training" in report(run)[0].answer


OVERRUN = """
return [...document.querySelectorAll("details")].map((one) => (one.open = true)) && [
  document.documentElement, ...document.querySelectorAll(".wg-scroll, figure"),
].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.innerText.slice(0, 60));
"""


@pytest.mark.parametrize("width", [400, 1600])
def test_no_table_is_wider_than_the_page(alone, here, width):
    names = [
        "surface_area_in_square_metres",
        "year_of_construction",
        "municipality",
        "monthly_rent",
    ]
    town = np.where(A > 0, "Bern-Bümpliz Nord", "Genève Eaux-Vives")
    rows = zip(A.round(3), B.round(3), town, (1e6 * (A - B)).round(2), strict=True)
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
    (here / "t.csv").write_text("\n".join(lines))
    quick = ("--run", "t.run", "--epochs", "3", "--hidden", "2")
    assert whygrad("train", "t.csv", "--target", names[-1], *quick).code == 0
    assert whygrad("report", "t.run", "-o", "t.html").code == 0
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    alone.tell("Emulation.setDeviceMetricsOverride", **size)
    alone.driver.get((here / "t.html").as_uri())
    assert alone.driver.execute_script(OVERRUN) == []
    found = alone.driver.find_element("css selector", ".wg-wide td[data-head=holds]")
    before = "return getComputedStyle(arguments[0], '::before').content"
    assert ("holds" in alone.driver.execute_script(before, found)) == (width == 400)


def test_data_that_another_version_may_read_otherwise_are_told_with_both(run, tmp_path):
    path = tmp_path / "t.run"
    shutil.copytree(run.path, path)
    changed = manifest.read(path)
    changed["versions"]["whygrad"] = "0.0.9"
    changed["data"]["sha256"]["test"]["X"] = "0" * 64
    manifest.write(path, changed)
    error = whygrad("evaluate", path).err
    assert "the data are not those that t.run was trained on: test X has SHA-256" in error
    assert error.endswith(
        "It was trained by whygrad 0.0.9: this is "
        f"{wg.__version__}, which may read the same table otherwise\n"
    )
