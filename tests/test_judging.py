"""How a network is judged: measures, models beside it, warnings, folds and seeds, weights, thresholds."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.special
from sklearn import metrics

import whygrad as wg
from command import whygrad
from whygrad.answers.formatting import number
from whygrad.cli.printing import print_scores, printer
from whygrad.pipeline import comparing, fit, repeating, scores
from whygrad.pipeline.fit import Source, judge_values, prepare_training, weights_of
from whygrad.pipeline.scores import written_share
from whygrad.pipeline.settings import Settings, parsed
from whygrad.pipeline.thresholds import threshold_for
from whygrad.record.members import record_members
from whygrad.record.rows import record_table
from whygrad.record.source import read_again, take
from whygrad.tables import Target

QUICK = Settings(hidden=(8,), epochs=20, engine="reference")
WORDS = ("--hidden", "8", "--epochs", "20", "--engine", "reference")
N = 300
RNG = np.random.default_rng(5)
A, B = RNG.normal(size=(2, N))
YES = RNG.random(N) < 1 / (1 + np.exp(1.5 - 2 * A + B))
LABELS = np.where(YES, "yes", "no")
PRICE = 3 * A - B + 0.3 * RNG.normal(size=N)


def source(target, **columns):
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return Source(table, target, {"kind": "frame"})


CLASSES = source("y", a=A, b=B, y=LABELS)
NUMBERS = source("y", a=A, b=B, y=PRICE)


# ── measures ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("K", [2, 3, 5])
def test_scores_of_classes_are_those_of_scikit_learn(K):
    rng = np.random.default_rng(K)
    true = rng.integers(0, K, 200)
    p = rng.dirichlet(np.ones(K), 200)
    labels = tuple(f"class {k}" for k in range(K))
    target = Target("y", "classification", "text", labels)
    outputs = p[:, 1:] if K == 2 else p
    found = judge_values(target, outputs, true, labels[0])
    said = p.argmax(axis=1)
    hit = true[:, None] == np.arange(K)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(true, said))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, said))
    assert found.log_loss == pytest.approx(metrics.log_loss(true, p))
    each = slice(1, 2) if K == 2 else slice(None)
    auc = metrics.roc_auc_score(hit[:, each], p[:, each], average="macro")
    assert found.roc_auc == pytest.approx(auc)
    precision = metrics.average_precision_score(hit[:, each], p[:, each], average="macro")
    assert found.average_precision == pytest.approx(precision)
    assert scores.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("K, there", [(2, 2), (3, 3), (5, 3), (2, 1)])
def test_what_the_baseline_scores_follows_from_the_rows_of_each_class(K, there):
    true = np.arange(90) % there
    true[:20] = 0
    labels = tuple(f"class {k}" for k in range(K))
    target = Target("y", "classification", "text", labels)
    p = np.tile(
        np.linspace(2, 1, K) / np.linspace(2, 1, K).sum(), (90, 1)
    )  # 0 is the most frequent
    found = judge_values(target, p[:, 1:] if K == 2 else p, true, labels[0])
    for name, value in found.trivial.items():
        assert value == pytest.approx(found.measures[name]), name
    others = found.measures.keys() - found.trivial.keys()
    assert others == {"log_loss", "calibration_error"}


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 40_000)
    both = np.stack([p, 1 - p], axis=1)
    right = (rng.random(len(p)) > p).astype(int)  # class 0 as often as is said
    assert scores.calibration_error(right, both) < 0.01
    assert scores.calibration_error(np.zeros(len(p)), both) == pytest.approx(1 - p.mean())
    by_hand = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    true = np.array([0, 1, 0, 1])
    # Bins of 1/15: 0.9 (two, one right), 0.6 (right) and 0.7 (right).
    expected = (2 * abs(0.5 - 0.9) + abs(1 - 0.6) + abs(1 - 0.7)) / 4
    assert scores.calibration_error(true, by_hand) == pytest.approx(expected)


def test_probabilities_that_do_not_sum_to_1_are_brought_to_it():
    target = Target("y", "classification", "text", ("a", "b", "c"))
    outputs = np.array([[0.8, 0.8, 0], [0, 0, 0], [0, 0.1, 0.3]], np.float32)
    found = judge_values(target, outputs, np.array([0, 1, 2]), "a")
    assert found.log_loss == pytest.approx(-np.log([0.5, 1 / 3, 0.75]).mean(), rel=1e-6)


def test_scores_of_one_class_leave_out_what_takes_two():
    target = Target("y", "classification", "text", ("a", "b"))
    found = judge_values(target, np.array([[0.2], [0.7]]), np.array([0, 0]), "a")
    assert (found.roc_auc, found.average_precision) == (None, None)
    assert found.balanced_accuracy == found.accuracy == 0.5


def test_quantiles_of_the_error_are_of_what_was_said_less_what_is_true():
    true, said = np.zeros(101), np.arange(101.0)
    found = scores.regression_scores(true, said, 0.0)
    assert found.error_quantiles == (5, 25, 50, 75, 95)
    assert scores.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("true", "said"),
    [
        ([0] * 30 + [*range(1, 21)], ["0", "1 to 10", "11 to 20"]),
        ([1, 1, 1, 2, 2, 2, 2, 3, 3, 4] * 5, ["1", "2", "3 to 4"]),
        ([7] * 10, ["7"]),
        (list(range(10)), ["0 to 1", "2 to 3", "4 to 5", "6 to 7", "8 to 9"]),
    ],
)
def test_rows_of_one_true_value_stand_in_one_part(true, said):
    true = np.random.default_rng(0).permutation(np.array(true, float))
    found = scores.regression_scores(true, true + 1, 0.0)
    assert [part.values for part in found.parts] == said
    assert sum(part.rows for part in found.parts) == len(true)
    for part in found.parts:
        assert part.rows == ((true >= part.low) & (true <= part.high)).sum()


def test_the_only_row_of_a_class_is_learned_from_and_told():
    rare = np.where(np.arange(N) == 7, "rare", LABELS)
    result = fit.fit(source("y", a=A, b=B, y=rare), QUICK)
    assert 7 in result.parts.training
    said = "target 'y': class 'rare' has a single row, which is a training row, so that no score"
    assert any(note.startswith(said) for note in result.encoding.notes)
    counts = {one.label: one.rows for one in result.scores.classes}
    assert counts["rare"] == 0 and sum(counts.values()) == 60


# ── beside other models ──────────────────────────────────────────────────────────────────────────────


def test_boosting_takes_a_class_of_a_single_row_among_as_many_as_it_stops_early_for():
    n = 13_000
    a = np.random.default_rng(0).normal(size=n)
    y = np.where(np.arange(n) == 7, "rare", np.where(a > 0, "u", "v"))
    result = fit.fit(source("y", a=a, y=y), replace(QUICK, epochs=1, hidden=(2,)))
    found = {model.name: model for model in comparing.compare(result, warned=False).models}
    assert found["boosting"].rows > 10_000
    assert found["boosting"].measures["accuracy"] > 0.99


def test_copies_among_the_test_rows_are_told_and_what_chance_makes_equal_is_not():
    often = {name: np.tile(values[:100], 3) for name, values in (("a", A), ("b", B), ("y", LABELS))}
    result = fit.fit(source("y", **often), QUICK)
    warned = comparing.compare(result).warnings
    rows = [*zip(*often.values(), strict=True)]
    parts = result.parts
    seen = {rows[i] for i in (*parts.training, *parts.validation)}
    both = sum(rows[i] in seen for i in parts.test)
    assert both > 40
    assert warned[-1].startswith(
        f"{both} of 60 test rows are training rows as well, value for value"
    )
    few = source("y", a=np.arange(N) % 3, b=np.arange(N) % 4, y=LABELS)
    for other in (CLASSES, few):
        assert not comparing.compare(fit.fit(other, QUICK)).warnings


def test_rows_that_only_rare_categories_make_alike_are_no_copies():
    draws = np.random.default_rng(0)
    names = {}
    for column in ("first", "last", "town"):  # one in ten is "common", of 600 others each is rare
        rare = draws.permutation(np.repeat(np.arange(600), 5))
        names[column] = np.where(
            draws.random(3000) < 0.1, "common", [f"{column} {k}" for k in rare]
        )
    labels = np.where(draws.random(3000) < 0.5, "yes", "no")
    result = fit.fit(source("y", **names, y=labels), QUICK)
    assert all(column.rare for column in result.encoding.columns)
    assert not comparing.compare(result).warnings


@pytest.mark.parametrize("given", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_other_models_are_scored_on_the_same_rows_as_by_hand(given):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    result = fit.fit(given, QUICK)
    found = comparing.compare(result)
    ready = result.ready
    seen, test = (ready.table.take(rows) for rows in (ready.parts.training, ready.parts.test))
    X, X_test = ready.encoding.encode(seen), ready.encoding.encode(test)
    y, y_test = (np.array(table["y"].to_pylist()) for table in (seen, test))
    assert [model.name for model in found.models] == ["trivial", "linear", "boosting"]
    assert {model.rows for model in found.models} == {len(y)}
    if given is CLASSES:
        models = LogisticRegression(max_iter=300), HistGradientBoostingClassifier(random_state=0)
        told, by_hand = "accuracy", [np.mean(y_test == "no")]
    else:
        models = Ridge(), HistGradientBoostingRegressor(random_state=0)
        told, by_hand = "r2", [metrics.r2_score(y_test, np.full(len(y_test), y.mean()))]
        y = (y - y.mean()) / y.std()
        y_test = (y_test - ready.encoding.target.center) / ready.encoding.target.scale
    by_hand += [model.fit(X, y).score(X_test, y_test) for model in models]
    measured = [model.measures[told] for model in found.models]
    assert measured == pytest.approx(by_hand, rel=1e-6)
    assert comparing.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_names_are_categories_to_the_linear_model_and_numbers_to_boosting():
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    draws = np.random.default_rng(3)
    firm, x = np.arange(900) % 60, draws.normal(size=900)
    wage = draws.normal(size=60)[firm] * 2 + x + draws.normal(0, 0.3, 900)
    given = source("y", firm=firm, x=x, y=wage)
    result = fit.fit(given, Settings(quality="fast", epochs=1))
    assert "firm=7" in result.encoding.names
    ready = result.ready
    seen = np.concatenate([ready.parts.training, ready.parts.validation])
    test, target = ready.parts.test, ready.encoding.target
    true = (wage[test] - target.center) / target.scale
    y = (wage[seen] - target.center) / target.scale
    standard = np.column_stack([(v - v[seen].mean()) / v[seen].std() for v in (firm, x)])
    one_hot = np.column_stack([firm[:, None] == np.arange(60), standard[:, 1]])
    by_hand = [
        Ridge().fit(one_hot[seen], y).score(one_hot[test], true),
        HistGradientBoostingRegressor(random_state=0)
        .fit(standard[seen], y)
        .score(standard[test], true),
    ]
    measured = {model.name: model.measures["r2"] for model in comparing.compare(result).models}
    assert [measured["linear"], measured["boosting"]] == pytest.approx(by_hand, abs=2e-3)
    assert measured["linear"] > 0.9


def test_without_test_rows_there_is_no_comparison():
    assert comparing.compare(fit.fit(CLASSES, Settings(hidden=(2,), epochs=1, test=0))) is None


def test_models_learn_from_fewer_rows_of_a_large_table(monkeypatch):
    monkeypatch.setattr(comparing, "MOST_NUMBERS", 200)
    monkeypatch.setattr(comparing, "LEAST_ROWS", 10)
    found = comparing.compare(fit.fit(CLASSES, QUICK))
    assert [model.rows for model in found.models] == [240, 100, 100]
    monkeypatch.setattr(comparing, "MOST_BOOSTED", 1)
    found = comparing.compare(fit.fit(CLASSES, QUICK))
    assert [model.name for model in found.models] == ["trivial", "linear"]


def of(accuracy):
    return scores.ClassificationScores(
        rows=100, accuracy=accuracy, baseline=0.5, baseline_label="a", classes=(), confusion=()
    )


def wrong(*rows):
    losses = np.zeros(100)
    losses[list(rows)] = 1
    return losses


def test_the_verdict_follows_from_the_paired_standard_error():
    network = wrong(*range(20))
    gap, error = comparing.paired(network, wrong(*range(5)))
    by_hand = np.std([1] * 15 + [0] * 85, ddof=1) / 10
    assert (gap, error) == pytest.approx((0.15, by_hand))
    told = {"linear": of(0.95), "trivial": of(0.5)}
    others = {"trivial": wrong(*range(50)), "linear": wrong(*range(5))}
    assert comparing.verdict(network, others, of(0.8), told) == (
        "The linear model is better than this network: accuracy 95% beside 80%, "
        f"{0.15 / by_hand:.1f} standard errors of the difference."
    )
    others["linear"] = wrong(*range(18))
    said = comparing.verdict(network, others, of(0.8), {"linear": of(0.82)})
    assert said == (
        "On 100 rows no difference between this network and the linear model can be told: accuracy 80% "
        "beside 82%, 1.4 standard errors of the difference."
    )
    assert comparing.verdict(network, {"linear": wrong(*range(50))}, of(0.8), told) == ""
    same = comparing.verdict(network, {"linear": network}, of(0.8), {"linear": of(0.8)})
    assert same.endswith("accuracy 80% beside 80%.")
    # Wrong on as many rows, but on others: no smaller a loss, and no longer a certain one.
    other = {"linear": wrong(*range(79, 100))}
    assert comparing.verdict(network, other, of(0.8), {"linear": of(0.79)}).startswith(
        "On 100 rows no diff"
    )


def test_balanced_losses_have_the_balanced_accuracy_as_their_mean():
    target = Target("y", "classification", "text", ("a", "b", "c"))
    true, p = RNG.integers(0, 3, 60) // 2, RNG.dirichlet(np.ones(3), 60)
    losses = comparing.losses_of(target, p, true, balanced=True)
    expected = scores.classification_scores(target, true, p.argmax(axis=1), "a").balanced_accuracy
    assert 1 - losses.mean() == pytest.approx(expected)


# ── a column that tells the answer ───────────────────────────────────────────────────────────────────


def warned(given, settings=QUICK):
    return comparing.leaks(prepare_training(given, settings))


def test_a_column_that_tells_the_answer_is_named():
    leak = YES * 3.7 + RNG.random(N)
    [said] = warned(source("y", a=A, leak=leak, b=B, y=LABELS))
    assert said.startswith(
        "column 'leak' alone tells the target 'y': a small tree of it has a balanced "
    )
    assert said.endswith("leave it out (--leave-out 'leak')")
    town = np.where(YES, RNG.choice(["Bern", "Chur"], N), RNG.choice(["Basel", "Genf"], N))
    assert len(warned(source("y", a=A, town=town, y=LABELS))) == 1


@pytest.mark.parametrize("scale", [np.exp, lambda x: 1e6 * x, lambda x: -1 / (9 + x)])
def test_a_leak_into_numbers_is_found_in_any_unit(scale):
    [said] = warned(source("y", a=A, leak=scale(PRICE), y=PRICE))
    assert "column 'leak'" in said and "an R² of the ranks of 0.9" in said
    assert warned(source("y", a=A, leak=PRICE, y=np.exp(4 * PRICE)))  # with a heavy tail


def test_honest_columns_raise_no_alarm():
    assert warned(CLASSES) == warned(NUMBERS) == []
    for name in ("iris", "wine", "breast_cancer", "diabetes"):
        assert warned(fit.find(name)) == []
    few = source("y", a=A[:20], leak=PRICE[:20], y=PRICE[:20])
    assert warned(few) == []  # too few rows to tell


@pytest.mark.parametrize("what", ["class", "class of many", "number"])
@pytest.mark.parametrize("written", ["v{}", "{}"], ids=["words", "whole numbers"])
def test_a_column_of_many_values_that_tells_the_answer_is_named(what, written):
    """More values, in no order, than a small tree tells apart."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 30, 600)
    told = {
        "class": np.where(rng.random(30) < 0.5, "yes", "no")[values],
        "class of many": np.array([f"k{k}" for k in rng.permutation(30)])[values],
        "number": rng.normal(size=30)[values] + 1e-3 * rng.normal(size=600),
    }[what]
    cells = [written.format(k) for k in values]
    c = np.array(cells, int) if written == "{}" else cells
    [said] = warned(source("y", a=rng.normal(size=600), c=c, y=told))
    of = "mean" if what == "number" else "most frequent class"
    assert said.startswith(
        f"column 'c' alone tells the target 'y': the {of} of each of its values has"
    )


@pytest.mark.parametrize("target", [LABELS, PRICE], ids=["classes", "numbers"])
def test_rows_that_stand_in_a_table_several_times_make_no_column_tell_the_answer(target):
    rows = np.repeat(np.arange(N), 4)
    assert warned(source("y", a=A[rows], b=B[rows], y=target[rows])) == []


def test_of_many_leaks_three_are_named_and_of_many_columns_the_likely_are_tried(monkeypatch):
    leaks = {f"leak {k}": PRICE + k for k in range(5)}
    said = warned(source("y", a=A, **leaks, y=PRICE))
    assert len(said) == 4 and said[-1] == "so do 2 more columns"
    monkeypatch.setattr(comparing, "MOST_COLUMNS", 3)
    noise = {f"c{k}": RNG.normal(size=N) for k in range(30)}
    [said] = warned(source("y", **noise, leak=PRICE, y=PRICE))
    assert "'leak'" in said


# ── folds and seeds ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("given", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_every_row_is_a_test_row_of_one_fold(given, monkeypatch):
    tested, results = [], []
    monkeypatch.setattr(
        repeating, "tabulate", lambda *given: tested.append(given[2]) or fit.tabulate(*given)
    )
    folds = repeating.folds_of(given, QUICK, 4)
    found = repeating.over_folds(given, QUICK, folds, tell=lambda k, result: results.append(result))
    assert sorted(np.concatenate(tested)) == list(range(N))
    for rows, result in zip(tested, results, strict=True):
        assert (result.parts.test == rows).all()
        assert sorted([*result.parts.training, *rows]) == list(range(N))
    told = "accuracy" if given is CLASSES else "r2"
    values = found.models["this network"][told]
    assert values == [result.scores.score for result in results]
    assert found.spread("this network", told) == (np.mean(values), np.std(values, ddof=1))
    assert list(found.models) == ["this network", "trivial", "linear", "boosting"]
    if given is CLASSES:
        shares = [np.mean(LABELS[rows] == "yes") for rows in tested]
        assert max(shares) - min(shares) < 0.02


def test_seeds_keep_the_rows_and_change_the_network():
    results = []
    found = repeating.over_seeds(NUMBERS, QUICK, 3, tell=lambda k, result: results.append(result))
    assert len({tuple(result.parts.test) for result in results}) == 1
    assert [result.settings.seed for result in results] == [0, 1, 2]
    assert results[0].scores == fit.fit(NUMBERS, QUICK).scores
    assert len(set(found.models["this network"]["r2"])) == 3
    assert list(found.models) == ["this network"]


def test_folds_that_do_not_fit_are_refused():
    with pytest.raises(wg.InputError, match="folds is 1: it must be at least 2"):
        repeating.folds_of(CLASSES, QUICK, 1)
    rare = source("y", a=A[:20], y=["a"] * 17 + ["b"] * 3)
    with pytest.raises(
        wg.InputError, match="folds is 5, and the smallest class has 3 rows: give at"
    ):
        repeating.folds_of(rare, QUICK, 5)


# ── class weights and thresholds ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("K", [2, 3])
def test_balanced_classes_weigh_the_same_in_all(K):
    index = RNG.integers(0, K, 90) * RNG.integers(0, 2, 90)
    Y = index[:, None] if K == 2 else np.eye(K)[index]
    s = weights_of(Settings(class_weight="balanced"), Y, Y, "float64")
    by_class = [s[index == k].sum() for k in range(K)]
    assert by_class == pytest.approx([90 / K] * K)
    assert weights_of(Settings(), Y, Y, "float64") is None


def test_class_weights_find_more_of_the_rare_class():
    plain = fit.fit(CLASSES, Settings(hidden=(8,), epochs=60, seed=1))
    balanced = fit.fit(CLASSES, Settings(hidden=(8,), epochs=60, seed=1, class_weight="balanced"))
    assert balanced.scores.classes[1].recall > plain.scores.classes[1].recall


def f1(p, true, t):
    said = p > t
    return metrics.f1_score(true, said)


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    true = rng.random(80) < 0.3
    p = np.clip(rng.normal(0.3 + 0.3 * true, 0.2), 0.001, 0.999).round(2).astype(np.float32)
    every = np.arange(-0.005, 1, 0.01)  # one between any two of two decimals
    t, _ = threshold_for("f1", p, true, "yes")
    assert f1(p, true, t) == pytest.approx(max(f1(p, true, each) for each in every))
    t, _ = threshold_for("balanced-accuracy", p, true, "yes")
    score = metrics.balanced_accuracy_score
    assert score(true, p > t) == pytest.approx(max(score(true, p > each) for each in every))
    t, _ = threshold_for("recall=0.9", p, true, "yes")
    precision = [
        metrics.precision_score(true, p > each, zero_division=0)
        for each in every
        if metrics.recall_score(true, p > each) >= 0.9
    ]
    assert metrics.recall_score(true, p > t) >= 0.9
    assert metrics.precision_score(true, p > t) == pytest.approx(max(precision))
    t, note = threshold_for("precision=0.5", p, true, "yes")
    recall = [
        metrics.recall_score(true, p > each)
        for each in every
        if metrics.precision_score(true, p > each, zero_division=0) >= 0.5
    ]
    assert metrics.precision_score(true, p > t) >= 0.5
    assert metrics.recall_score(true, p > t) == pytest.approx(max(recall))
    assert note.startswith(
        f"'yes' is predicted above a probability of {t:.3g}, chosen for precision=0.5 on"
    )


@pytest.mark.parametrize("aim", ["f1", "recall=0.9", "precision=0.6"])
def test_an_aim_of_the_first_class_is_that_of_the_second_with_the_names_turned_round(aim):
    turned = source("y", a=A, b=B, y=np.where(YES, "a yes", "no"))
    given = replace(QUICK, validation=0.25)
    one = fit.fit(turned, replace(given, aim=f"{aim}:a yes"))
    target, rows = one.encoding.target, one.parts.validation
    p = fit.predict(one.fitted, one.ready.part("validation").X)[:, 0]
    chosen, note = threshold_for(f"{aim}:a yes", 1 - p, YES[rows], "a yes")
    assert target.threshold == 1 - chosen and note in one.encoding.notes
    said = (1 - p > chosen) if aim == "f1" else None
    if said is not None:
        best = max(metrics.f1_score(YES[rows], 1 - p > t) for t in np.linspace(0, 1, 500))
        assert metrics.f1_score(YES[rows], said) >= best


def test_an_aim_of_the_frequent_class_is_told_and_how_to_ask_for_the_rare_one():
    given = replace(QUICK, validation=0.25)
    rare = source("y", a=A, b=B, y=np.where(A > 1.2, "fraud", "ok"))
    said = "aim f1 is of 'ok', the frequent class: f1:fraud is of 'fraud'"
    assert fit.fit(rare, replace(given, aim="f1")).encoding.notes[-1] == said
    for aim in ("f1:ok", "f1:fraud", "balanced-accuracy"):
        assert said not in fit.fit(rare, replace(given, aim=aim)).encoding.notes


def test_an_aim_of_a_class_that_does_not_exist_is_refused():
    with pytest.raises(wg.InputError, match="has no class 'Yes': did you mean 'yes'"):
        fit.fit(CLASSES, replace(QUICK, aim="f1:Yes", validation=0.2))


def test_an_aim_that_cannot_be_reached_is_told():
    p, true = np.array([0.2, 0.8, 0.9]), np.array([True, False, False])
    _, note = threshold_for("precision=0.9", p, true, "yes")
    assert note.endswith("where precision is 0.333, which is all that can be had")


@pytest.mark.parametrize(
    "aim", ["f2", "recall", "recall=2", "recall=x", "f1=0.5", "precision=0", "", "f1:"]
)
def test_an_aim_that_is_none_is_refused(aim):
    with pytest.raises(
        wg.InputError, match="it is f1, balanced-accuracy, recall=0.9 or precision=0.9"
    ):
        parsed(aim)


# ── the command line ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def rows(here):
    lines = [
        f"{a:.4f},{b:.4f},{label},{p:.4f}"
        for a, b, label, p in zip(A, B, LABELS, PRICE, strict=True)
    ]
    (here / "t.csv").write_text("\n".join(["a,b,y,price", *lines]) + "\n")
    return here


def test_the_comparison_is_printed_kept_and_left_out(rows):
    words = ("train", "t.csv", "--target", "price", "--leave-out", "y", *WORDS)
    said = whygrad(*words)
    run = wg.open_run("t.run")
    assert said.code == 0 and run.comparison.verdict in " ".join(said.out.split())
    head = next(line for line in said.out.splitlines() if "this network" in line)
    assert head.endswith("this network   always the mean   linear   boosting")
    assert "on 240 rows in" in " ".join(said.out.split())
    assert run.comparison.verdict in " ".join(whygrad("show", "t.run").out.split())
    given = json.loads(whygrad(*words, "--json", "--overwrite").out)
    assert [model["name"] for model in given["comparison"]["models"]] == [
        "trivial",
        "linear",
        "boosting",
    ]
    assert given["repeated"] is None
    run = wg.open_run("t.run")
    resumed = whygrad("resume", "t.run", "--epochs", 22)
    after = wg.open_run("t.run").comparison  # its verdict was of another network
    assert replace(after, verdict="") == replace(run.comparison, verdict="")
    assert "were measured before it was trained further" in after.verdict != run.comparison.verdict
    whygrad("report", "t.run")
    for page in (resumed.out, whygrad("show", "t.run").out, Path("t.html").read_text("utf-8")):
        assert after.verdict in " ".join(page.split())
    assert "linear   boosting" in resumed.out
    said = whygrad(*words, "--overwrite", "--no-comparison")
    assert "boosting" not in said.out and wg.open_run("t.run").comparison is None


@pytest.mark.parametrize("target", ["y", "price"])
def test_the_scores_fit_into_80_columns(rows, monkeypatch, target):
    monkeypatch.setenv("COLUMNS", "80")
    said = whygrad("train", "t.csv", "--target", target, *WORDS, "--folds", 2)
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    assert "…" not in said.out
    assert "mean ± sd, 2 folds" in said.out
    repeated = wg.open_run("t.run").repeated
    assert (repeated.what, repeated.times) == ("folds", 2)
    assert "mean ± sd, 2 folds" in whygrad("show", "t.run").out


def test_folds_that_do_not_fit_are_refused_before_anything_is_trained(here):
    rows = [f"{i % 7},{'b' if i < 3 else 'a'}" for i in range(60)]
    (here / "rare.csv").write_text("\n".join(["x,y", *rows]))
    said = whygrad("train", "rare.csv", "--target", "y", *WORDS, "--folds", 5)
    assert said.code == 2 and not (here / "rare.run").exists()
    assert said.err.endswith(
        "whygrad: folds is 5, and the smallest class has 3 rows: give at most as many folds\n"
    )


def test_a_leak_is_told_by_train(rows):
    said = whygrad("train", "t.csv", "--target", "y", "--folds", 1)
    assert said.err == "whygrad: folds is 1: it must be at least 2\n"
    said = whygrad("train", "t.csv", "--target", "y", "--folds", 2, "--seeds", 2)
    assert said.err == "whygrad: --folds and --seeds exclude each other: give one of them\n"
    text = (rows / "t.csv").read_text().splitlines()
    text = [
        f"{line},{'leak' if k == 0 else line.split(',')[2] + '!'}" for k, line in enumerate(text)
    ]
    (rows / "leak.csv").write_text("\n".join(text))
    said = whygrad("train", "leak.csv", "--target", "y", *WORDS)
    assert any(line.startswith("whygrad: column 'leak' alone tells") for line in said.lines)


def test_a_threshold_holds_in_scores_predictions_and_replays(rows):
    words = ("--validation", 0.25, "--class-weight", "balanced", "--aim", "recall=0.9")
    said = whygrad("train", "t.csv", "--target", "y", "--leave-out", "price", *WORDS, *words)
    assert said.code == 0 and "'yes' is predicted above a probability of" in said.err
    run = wg.open_run("t.run")
    threshold = run.encoding.target.threshold
    assert threshold == run.manifest["threshold"] != 0.5
    assert run.evaluate() == run.scores
    p = run.probabilities("t.csv")[:, 1]
    assert (run.predict("t.csv") == np.where(p > threshold, "yes", "no")).all()
    held_out = run.validation
    assert held_out.sample_weight is not None and run.data.sample_weight is not None
    recall = (run.predict("t.csv") == "yes")[YES].mean()
    assert recall > 0.7
    assert whygrad("replay", "t.run").code == 0
    assert "class_weight" in whygrad("show", "t.run", "--json").out
    assert whygrad("resume", "t.run", "--epochs", 25).code == 0
    again = wg.open_run("t.run")
    assert again.evaluate() == again.scores
    assert again.encoding.target.threshold == again.manifest["threshold"]


@pytest.mark.parametrize(
    "words",
    [("--validation", 0.2, *WORDS), ("--quality", "default")],
    ids=["a network", "an ensemble"],
)
def test_every_answer_says_the_class_that_the_threshold_makes_it(rows, words):
    """By its parts, by every change that is said to turn it, and by the network that predicts."""
    words = ("--aim", "recall=0.98", "--leave-out", "price", *words)
    assert whygrad("train", "t.csv", "--target", "y", *words).code == 0
    run = wg.open_run("t.run")
    threshold = run.encoding.target.threshold
    tested, between = read_again(run), 0
    for row, (said, p) in enumerate(
        zip(run.predict(tested), run.probabilities(tested), strict=True)
    ):
        found = run.why.prediction(take(tested, np.array([row])), sample=5)
        between += bool((p[1] > threshold) != (p[1] > 0.5))
        other = {"yes": "no", "no": "yes"}[said]
        assert found.question == f'Why "{said}" and not "{other}" in this example?'
        assert (
            f"says {said}: " in found.answer
            and f" is said above {written_share(threshold)}." in found.answer
        )
        changed = [x for _, x, _, verified in found["changes"] if verified]
        changed += [] if found["nearest"] is None else [found["nearest"]]
        for x in changed:
            assert (fit.predict(run.average, x[None])[0, 0] > threshold) == (other == "yes")
    assert between, "no row where the threshold decides"
    if run.members == 1:
        assert run.why.neuron(layer=1, unit=0)["score"] == pytest.approx(run.scores.accuracy)
    z = scipy.special.logit(threshold)
    assert f"z above {number(z)} speaks for yes, below {number(z)} for no." in found.notes


def test_a_network_that_is_better_is_said_to_be_where_its_threshold_makes_it_look_worse():
    """A stripe across eight columns, which neither lines nor trees of single columns tell apart."""
    X = np.random.default_rng(0).normal(size=(8, 1200))
    y = np.where(np.abs(X.sum(axis=0)) > 3, "yes", "no")
    settings = Settings(hidden=(16,), epochs=80, validation=0.2, test=0.3, aim="recall=1")
    result = fit.fit(source("y", **{f"c{k}": x for k, x in enumerate(X)}, y=y), settings)
    found = comparing.compare(result)
    best = max(found.models, key=lambda one: one.measures["accuracy"])
    p = fit.predict(result.fitted, result.ready.test.X)[:, 0]
    accuracy = np.mean((p > 0.5) == (result.ready.test.Y[:, 0] > 0.5))
    assert result.scores.accuracy < best.measures["accuracy"] < accuracy
    assert found.verdict == (
        f"At a threshold of 0.5 this network is better than {comparing.NAMES[best.name]}: accuracy "
        f"{written_share(accuracy)} beside {written_share(best.measures['accuracy'])}."
    )


@pytest.mark.parametrize("share", [0, 0.2], ids=["all", "some set aside"])
def test_the_baseline_of_counts_is_the_mean_of_the_rows_that_training_saw(share):
    counts = np.random.default_rng(0).poisson(np.exp(A))
    given = source("y", a=A, b=B, y=counts)
    settings = replace(QUICK, cost="poisson", validation=share)
    result = fit.fit(replace(given, task="regression"), settings)
    seen = np.concatenate([result.parts.training, result.parts.validation])
    assert result.baseline == pytest.approx(counts[seen].mean())
    [trivial] = [one for one in comparing.compare(result).models if one.name == "trivial"]
    assert result.scores.trivial == pytest.approx(trivial.measures)


@pytest.mark.parametrize(
    "given",
    [
        Settings(hidden=(4,), epochs=2, validation=0.2, aim="f1", test=0.2),
        Settings(quality="default", epochs=2, aim="recall=0.8", test=0.2),
    ],
    ids=["a network", "an ensemble"],
)
def test_a_run_whose_table_is_gone_goes_on_to_the_threshold_of_one_whose_table_is_there(
    rows, given
):
    shutil.copy("t.csv", "gone.csv")
    record = record_members if given.quality else record_table
    for name in ("t", "gone"):
        record(Path(f"{name}.run"), fit.find(f"{name}.csv", "y"), given, copy_data=True)
    before = wg.open_run("t.run").encoding.target.threshold
    os.remove("gone.csv")
    one, other = (wg.open_run(f"{name}.run").resume(epochs=12) for name in ("t", "gone"))
    assert other.manifest["threshold"] == one.manifest["threshold"] != before
    assert (other.encoding.target.threshold, other.scores) == (
        one.encoding.target.threshold,
        one.scores,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--target", "price", "--class-weight", "balanced"),
            "class-weight: target 'price' holds numbers",
        ),
        (
            ("--target", "price", "--aim", "f1"),
            "aim 'f1' takes two classes, target 'price' holds numbers",
        ),
        (
            ("--target", "y", "--aim", "f1"),
            "aim 'f1': the threshold is chosen on validation rows, and there",
        ),
    ],
)
def test_weights_and_aims_that_do_not_fit_are_refused(rows, words, message):
    said = whygrad("train", "t.csv", *words, *WORDS)
    assert said.code == 2 and said.err.startswith(f"whygrad: {message}")
    assert not (rows / "t.run").exists()


@pytest.mark.parametrize("length", range(1, 45))
def test_no_head_or_number_of_the_scores_is_cut(length, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    target = Target("y" * length, "regression", "number")
    found = scores.regression_scores(1e9 * PRICE, 1e9 * A, 0.0)
    models = tuple(
        comparing.Model(name, N, 0.1, found.measures) for name in ("trivial", "linear", "boosting")
    )
    print_scores(printer(), found, target, "test rows", comparing.Comparison(models))
    said = capsys.readouterr().out
    assert "…" not in said and "boosting" in said
    assert said.count(f"{found.rmse:,.0f}"[:4]) >= 4
