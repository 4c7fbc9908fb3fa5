"""Metrics of every epoch: scikit-learn's own numbers, through every door, and kept by what goes on."""

import io
import json
import math

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import (
    accuracy_score,
    get_scorer,
    log_loss,
    make_scorer,
    precision_score,
    roc_auc_score,
    root_mean_squared_error,
)

import whygrad as wg
from command import whygrad
from engines import each_engine
from whygrad.answers.formatting import number
from whygrad.record.report import report
from whygrad.studio.page import charts
from whygrad.training.progress import ProgressBar

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = (part[::2] for part in load_breast_cancer(return_X_y=True))
X = (X - X.mean(axis=0)) / X.std(axis=0)
LABELS = np.array(["malignant", "benign"])[Y]
FIT, KEPT = slice(0, 200), slice(200, None)
NET = wg.Network(30, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
IRIS = load_iris(return_X_y=True)


def trained(**more):
    given = {"validation": (X[KEPT], Y[KEPT]), "epochs": 3, "metrics": ["roc_auc", "neg_log_loss"]}
    return wg.train(NET, X[FIT], Y[FIT], **given | more)


def classifier(**more):
    given = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    return wg.MLPClassifier(**given | more)


def fitted(metrics, **more):
    clf = classifier(metrics=metrics, **more)
    return clf.fit(X[FIT], LABELS[FIT], X_val=X[KEPT], y_val=LABELS[KEPT])


def refusal(action, **more):
    with pytest.raises(wg.InputError) as caught:
        action(**more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ── the numbers ──────────────────────────────────────────────────────────────────────────────────────


@each_engine
def test_the_last_epoch_has_the_numbers_of_scikit_learns_scorers_on_the_fitted_estimator(engine):
    precision = make_scorer(precision_score, pos_label="benign", zero_division=0)
    names = ["roc_auc", "neg_log_loss", "balanced_accuracy"]
    clf = fitted([*names, "training_roc_auc", precision, log_loss], engine=engine)
    found = {name: values[-1] for name, values in clf.history_.metrics.items()}
    on = X[KEPT], LABELS[KEPT]
    assert found == {
        **{name: get_scorer(name)(clf, *on) for name in names},
        "training_roc_auc": get_scorer("roc_auc")(clf, X[FIT], LABELS[FIT]),
        "precision_score": precision(clf, *on),
        "log_loss": log_loss(LABELS[KEPT], clf.predict_proba(X[KEPT])),
    }


def test_every_epoch_is_measured_at_its_own_end():
    clf = fitted("roc_auc")
    early = fitted("roc_auc", max_iter=1)
    assert clf.history_.metrics["roc_auc"][0] == early.history_.metrics["roc_auc"][-1]
    assert len(set(clf.history_.metrics["roc_auc"])) == 3


@each_engine
def test_metrics_change_no_bit_of_a_training(engine):
    with_metrics, without = trained(engine=engine), trained(engine=engine, metrics=None)
    assert with_metrics.theta.flat.tobytes() == without.theta.flat.tobytes()
    assert without.history.metrics == {}


def test_several_classes_and_early_stopping():
    clf = wg.MLPClassifier((4,), early_stopping=True, max_iter=4, random_state=0)
    clf.set_params(metrics=["roc_auc_ovr", "accuracy"]).fit(*IRIS)
    assert clf.history_.metrics["accuracy"] == clf.validation_scores_
    assert all(0 <= value <= 1 for value in clf.history_.metrics["roc_auc_ovr"])


def test_several_labels_at_once():
    several = np.column_stack([Y, X[:, 0] > 0]).astype(int)
    clf = classifier(metrics=["f1_macro", "accuracy"]).fit(
        X[FIT], several[FIT], X_val=X[KEPT], y_val=several[KEPT]
    )
    for name in ("f1_macro", "accuracy"):
        expected = get_scorer(name)(clf, X[KEPT], several[KEPT])
        assert clf.history_.metrics[name][-1] == expected


def test_a_regression_of_one_and_of_several_numbers():
    for target in (X[:, 0] * 3, X[:, :2] * 3):
        reg = wg.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
        reg.set_params(
            metrics=["r2", root_mean_squared_error, "neg_median_absolute_error"][: 4 - target.ndim]
        )
        reg.fit(X[FIT], target[FIT], X_val=X[KEPT], y_val=target[KEPT])
        assert reg.history_.metrics["r2"] == pytest.approx(reg.validation_scores_, rel=1e-12)
        error = root_mean_squared_error(target[KEPT], reg.predict(X[KEPT]))
        assert reg.history_.metrics["root_mean_squared_error"][-1] == error


def test_classes_given_to_train_as_numbers_are_classes_whatever_the_cost():
    net = wg.Network(4, [wg.Dense(4, "tanh"), wg.Dense(3, "sigmoid")])
    rows, species = IRIS
    fit = wg.train(net, rows, species, validation=(rows, species), metrics="accuracy", epochs=3)
    expected = accuracy_score(species, fit.predict(rows).argmax(axis=1))
    assert fit.history.metrics["accuracy"][-1] == expected


def test_scorers_of_ones_own_see_an_estimator_and_the_users_labels():
    seen = []

    def misses(estimator, X, y):
        seen.append((set(y), list(estimator.classes_), estimator.predict_proba(X).shape))
        return -float((estimator.predict(X) != y).sum())

    clf = fitted({"misses": misses})
    assert clf.history_.metrics["misses"][-1] == -(clf.predict(X[KEPT]) != LABELS[KEPT]).sum()
    assert seen[-1] == ({"benign", "malignant"}, ["benign", "malignant"], (85, 2))


def test_lbfgs_measures_as_well():
    clf = fitted("roc_auc", solver="lbfgs", random_state=1)
    assert clf.history_.metrics["roc_auc"][-1] == get_scorer("roc_auc")(clf, X[KEPT], LABELS[KEPT])


def test_a_warm_start_has_none_for_epochs_that_measured_nothing():
    clf = classifier(warm_start=True, max_iter=1).fit(X, LABELS)
    clf.set_params(metrics="training_accuracy").fit(X, LABELS)
    assert clf.history_.metrics["training_accuracy"] == [None, clf.score(X, LABELS)]


# ── where they are seen, and what goes by them ───────────────────────────────────────────────────────


def test_progress_lines_show_them(capsys):
    stream = io.StringIO()
    trained(callbacks=[ProgressBar(stream)])
    assert "roc_auc 0." in stream.getvalue().splitlines()[-1]
    fitted("roc_auc", verbose=True)
    assert "\nroc_auc: 0." in capsys.readouterr().out


def test_show_draws_them_and_prints_them_as_json(tmp_path):
    fit = trained(metrics=["roc_auc", lambda y, p: math.nan], record=tmp_path / "a.run")
    shown = whygrad("show", tmp_path / "a.run")
    assert shown.code == 0 and "\nroc_auc\n" in shown.out
    epochs = json.loads(whygrad("show", tmp_path / "a.run", "--json").out)["history"]
    assert [epoch["metrics"]["roc_auc"] for epoch in epochs] == fit.history.metrics["roc_auc"]


@each_engine
def test_a_training_stops_by_a_metric_and_ends_with_its_best_epoch(engine, tmp_path):
    rule = wg.Stopping("roc_auc", patience=2, restore_best=True, tol=0.02)
    fit = trained(stopping=rule, epochs=30, engine=engine, record=tmp_path / "a.run")
    measured = fit.history.metrics["roc_auc"]
    assert fit.history.stopped == "roc_auc did not improve by more than 0.02 for 2 epochs"
    scores = fit.predict(X[KEPT]).ravel()
    assert max(measured) == roc_auc_score(Y[KEPT], scores)
    again = wg.open_run(tmp_path / "a.run").replay()
    assert again.verdict.holds
    assert again.fitted.theta.flat.tobytes() == fit.theta.flat.tobytes()


def test_a_learning_rate_goes_by_a_metric_and_is_replayed_with_it(tmp_path):
    rule = wg.OnPlateau(patience=0, tol=1.0, on="roc_auc")
    fit = trained(schedule=rule, record=tmp_path / "a.run")
    rates = [epoch.learning_rate for epoch in fit.history.epochs]
    assert rates == pytest.approx([0.001, 0.001, 0.0001])
    run = wg.open_run(tmp_path / "a.run")
    assert run.replay().verdict.holds
    assert run.without([0]).history.metrics.keys() == fit.history.metrics.keys()
    (alone,) = run.leave_one_out([0])
    assert alone.theta.flat.tobytes() == run.without([0]).theta.flat.tobytes()


def test_training_again_without_an_example_measures_nothing_that_nobody_sees(tmp_path):
    calls = []

    def counted(estimator, X, y):
        calls.append(1)
        return 1.0

    trained(metrics=counted, record=tmp_path / "a.run")
    measured = len(calls)
    run = wg.open_run(tmp_path / "a.run", own=[counted])
    run.leave_one_out([0, 1])
    assert run.replay().verdict.holds and len(calls) == measured


def test_a_recorded_run_keeps_them_and_so_does_what_goes_on_from_it(tmp_path):
    def gap(y, p):
        return float(np.abs(y - p).mean())

    fit = trained(metrics=["roc_auc", gap], record=tmp_path / "a.run")
    run = wg.open_run(tmp_path / "a.run", own=[gap])
    assert run.history == fit.history == run.fitted.history
    assert json.loads((run.path / "manifest.json").read_text())["metrics"]["own"] == ["gap"]
    whole = trained(metrics=["roc_auc", gap], epochs=5).history
    assert run.fork(run.plan.steps_per_epoch, epochs=5).history.epochs == whole.epochs[1:]
    assert run.fork(7, epochs=5, metrics="f1").history.metrics.keys() == {"f1"}
    assert run.resume(epochs=5).history.epochs == whole.epochs
    with pytest.warns(wg.RecordWarning, match="measures 'gap', a metric of your own"):
        gone_on = wg.open_run(tmp_path / "a.run").resume(epochs=6)
    assert gone_on.history.metrics["gap"][-2:] == [whole.metrics["gap"][-1], None]


def test_labels_come_back_when_an_estimators_run_goes_on(tmp_path):
    precision = make_scorer(precision_score, pos_label="benign", zero_division=0)
    clf = classifier(metrics=[precision])
    clf.fit(X[FIT], LABELS[FIT], X_val=X[KEPT], y_val=LABELS[KEPT], record=tmp_path / "a.run")
    run = wg.open_run(tmp_path / "a.run", own=[precision]).resume(epochs=4)
    measured = run.history.metrics["precision_score"]
    assert measured[:3] == clf.history_.metrics["precision_score"]
    assert 0 <= measured[3] <= 1


# ── from the command line ────────────────────────────────────────────────────────────────────────────

WORDS = ("--epochs", "3", "--hidden", "4", "--validation", "0.2", "--learning-rate", "0.05")
ALONE = ("--no-comparison",)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    rows = (
        f"{a:.4f},{b:.4f},{c},{100 + 20 * b:.3f}"
        for (a, b), c in zip(X[:, :2], LABELS, strict=True)
    )
    path.write_text("\n".join(["a,b,kind,size", *rows]))
    return path


@pytest.fixture(scope="module")
def on_table(table):
    path = table.with_name("kind.run")
    words = ("--metrics", "f1,neg_log_loss", "--metrics", "training_roc_auc", "--run", path)
    done = whygrad("train", table, "--target", "kind", *words, *WORDS, *ALONE)
    assert done.code == 0 and "  f1 0." in done.err
    return path


def measured_again(run, name, part):
    """Return a metric by scikit-learn's own scorer, of what the run predicts, class 1 the positive one."""
    data = getattr(run, part)
    p = run.fitted.predict(data.X)
    return get_scorer(name)._score_func(data.Y.ravel(), p if "auc" in name else p > 0.5)


def test_a_run_on_a_table_has_the_numbers_of_scikit_learn(on_table):
    run = wg.open_run(on_table)
    found = {name: values[-1] for name, values in run.history.metrics.items()}
    assert list(found) == ["f1", "neg_log_loss", "training_roc_auc"]
    assert found["f1"] == measured_again(run, "f1", "validation")
    assert found["training_roc_auc"] == measured_again(run, "roc_auc", "data")
    assert run.settings.metrics == tuple(found)


def test_of_numbers_they_are_in_the_units_of_the_table(table, tmp_path):
    path = tmp_path / "size.run"
    words = ("--metrics", "neg_mean_absolute_error", "--run", path, *WORDS, *ALONE)
    assert whygrad("train", table, "--target", "size", *words).code == 0
    run = wg.open_run(path)
    fork = run.fork(0, record=tmp_path / "fork.run", metrics="training_neg_mean_absolute_error")
    for one, data in ((run, run.validation), (fork, run.data)):
        error = np.abs(one.fitted.predict(data.X) - data.Y).mean() * run.encoding.target.scale
        [found] = [values[-1] for values in one.history.metrics.values()]
        assert found == pytest.approx(-error, rel=1e-6) and error > 1


def test_show_report_and_studio_draw_those_of_a_run_and_of_what_goes_on_from_it(on_table, tmp_path):
    forked = tmp_path / "fork.run"
    words = ("--step", "0", "--record", forked, "--metrics", "f1,accuracy")
    assert whygrad("fork", on_table, *words).code == 0
    resumed = whygrad("resume", forked, "--epochs", "4")
    assert resumed.code == 0 and "accuracy 0." in resumed.err
    first, fork = wg.open_run(on_table), wg.open_run(forked)
    f1 = fork.history.metrics["f1"]
    assert f1[:3] == first.history.metrics["f1"] and len(f1) == 4
    shown = whygrad("show", forked).out
    assert f"f1 {number(f1[-1])}" in shown and "\naccuracy\n" in shown
    [section] = [one for one in report(first) if one.question == "How it learned"]
    assert [one.title.partition(",")[0] for one in section.pictures[1:]] == [
        "f1",
        "neg_log_loss",
        "roc_auc",
    ]
    assert section.pictures[3].lines[0].y.tolist() == first.history.metrics["training_roc_auc"]
    drawn = charts.pictures(charts.seen(first), others=(charts.seen(fork),))
    assert {"metric f1", "metric neg_log_loss", "metric roc_auc"} < set(drawn)
    of = {line.name: (line.x.tolist(), line.y.tolist()) for line in drawn["metric f1"].lines}
    steps = first.plan.steps_per_epoch
    assert of["validation, fork.run"] == ([steps * k for k in (1, 2, 3, 4)], f1)


def test_an_ensemble_measures_each_of_its_networks(table, tmp_path):
    words = (
        "--quality",
        "default",
        "--epochs",
        "2",
        "--metrics",
        "roc_auc",
        "--engine",
        "reference",
    )
    done = whygrad("train", table, "--target", "kind", "--run", tmp_path / "a.run", *words, *ALONE)
    assert done.code == 0
    run = wg.open_run(tmp_path / "a.run")
    each = [run.member(k).history.metrics["roc_auc"] for k in range(1, run.members + 1)]
    assert len(each) > 1 and all(len(one) == 2 and min(one) > 0.5 for one in each)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kind", "rocauc", *WORDS), "unknown metric 'rocauc': did you mean 'roc_auc'?"),
        (("kind", "f1,r2_score", *WORDS), "unknown metric 'r2_score': did you mean 'r2'?"),
        (
            ("kind", "f1", "--hidden", "4"),
            "metric 'f1' is measured on validation rows, and there are none: give some",
        ),
        (("size", "roc_auc", *WORDS), "metric 'roc_auc' cannot be measured on the validation rows: "),
    ],
)  # fmt: skip
def test_a_bad_metric_ends_the_command_in_one_line_with_nothing_written(
    words, said, table, tmp_path
):
    target, metrics, *others = words
    words = ("--target", target, "--metrics", metrics, "--run", tmp_path / "a.run", *others)
    done = whygrad("train", table, *words)
    assert done.code == 2 and len(done.lines) == 1 and done.lines[0].startswith(f"whygrad: {said}")
    assert not list(tmp_path.iterdir())


def test_a_training_that_cannot_be_measured_leaves_no_folder(tmp_path):
    refusal(trained, metrics=lambda y, p: y - p, record=tmp_path / "a.run")
    assert not list(tmp_path.iterdir())


def test_trainings_side_by_side_measure_each_its_own():
    several = wg.train_many(
        [{"seed": 0}, {"seed": 1}],
        net=NET, X=X[FIT], Y=Y[FIT], validation=(X[KEPT], Y[KEPT]), metrics="roc_auc", epochs=2,
    )  # fmt: skip
    for seed, one in enumerate(several):
        alone = trained(seed=seed, epochs=2, metrics="roc_auc")
        assert one.history.metrics == alone.history.metrics


def test_a_model_file_has_them(tmp_path):
    fit = trained()
    fit.save(tmp_path / "a.safetensors")
    assert wg.load(tmp_path / "a.safetensors").history == fit.history


# ── what cannot be measured ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "given, said",
    [
        ("roc-auc", "unknown metric 'roc-auc': did you mean 'roc_auc'? sklearn.metrics.get_scorer"),
        ("auc", "unknown metric 'auc': did you mean 'roc_auc'?"),
        ("rmse", "unknown metric 'rmse': did you mean 'neg_root_mean_squared_error'?"),
        ("training_acc", "unknown metric 'training_acc': did you mean 'accuracy'?"),
        ("xyzzy", "unknown metric 'xyzzy': sklearn.metrics.get_scorer_names() lists all"),
        (["f1", "f1"], "metrics has 'f1' twice"),
        ({"cost": "f1"}, "metrics cannot have the name 'cost'"),
        ([3], "a metric is a name, a scorer(estimator, X, y) or a function of (y_true, y_pred), not"),
        (lambda y, p: y - p, "metric '<lambda>' cannot be measured on the validation rows: it gives"),
        ("roc_auc_ovr_weighted", None),
    ],
)  # fmt: skip
def test_a_bad_metric_is_named_in_one_line(given, said):
    if said is None:
        assert trained(metrics=given).history.metrics[given]
    else:
        assert refusal(trained, metrics=given).startswith(said)


def test_metrics_need_rows():
    said = refusal(trained, validation=None)
    assert said.startswith("metric 'roc_auc' is measured on validation rows, and there are none")
    assert said.endswith("measure the training rows, 'training_roc_auc'")
    assert trained(validation=None, metrics="training_roc_auc").history.metrics


def test_a_rule_by_what_is_not_measured_is_refused_before_the_training():
    said = refusal(trained, stopping=wg.Stopping("roc_acu"))
    assert said.startswith("stopping on 'roc_acu', which is not measured: did you mean 'roc_auc'?")
    said = refusal(trained, metrics=[log_loss], stopping=wg.Stopping("log_loss"))
    assert said.startswith("stopping on 'log_loss', a loss, where more is to be better")
    assert "'validation_score'" in refusal(wg.Stopping, on=None)


def test_labels_that_a_scorer_does_not_take_are_told_of_before_the_training():
    said = refusal(fitted, metrics="f1")
    assert said.startswith("metric 'f1' cannot be measured on the validation rows: pos_label=1 is")


def test_metrics_that_do_not_fit_the_classes_or_the_outputs_are_told_what_does():
    rows, species = IRIS
    net = wg.Network(4, [wg.Dense(3, "softmax")], "cross_entropy")
    given = {"validation": (rows, species), "epochs": 1}
    said = refusal(wg.train, net=net, X=rows, Y=species, metrics="roc_auc", **given)
    assert (
        "multi_class" in said and "(there are also roc_auc_ovo, roc_auc_ovo_weighted, roc_" in said
    )
    net = wg.Network(4, [wg.Dense(3, "identity")])
    said = refusal(wg.train, net=net, X=rows, Y=species, metrics="neg_log_loss", **given)
    assert said.endswith(
        "it takes probabilities, and the outputs are none: end in sigmoid or softmax"
    )


def test_a_metric_that_fails_on_the_way_is_nan_and_the_training_goes_on():
    calls = []

    def moody(estimator, X, y):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("out of memory\nin line 3")
        return 1.0

    said = "metric 'moody' could not be measured and is NaN: out of memory in line 3"
    with pytest.warns(UserWarning) as caught:
        fit = trained(metrics=["roc_auc", moody], epochs=4)
    assert [str(one.message) for one in caught] == [said]
    assert fit.history.stopped == "all epochs done"
    assert np.isnan(fit.history.metrics["moody"]).tolist() == [False, True, True, True]
    assert not np.isnan(fit.history.metrics["roc_auc"]).any()


def test_the_parameter_follows_scikit_learns_conventions():
    clf = classifier(metrics=["roc_auc"])
    assert clone(clf).get_params()["metrics"] == ["roc_auc"]
    assert classifier().get_params()["metrics"] is None
    with pytest.raises(ValueError, match="The 'metrics' parameter of MLPClassifier must be"):
        classifier(metrics=3).fit(X, LABELS)
