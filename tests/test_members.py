"""`whygrad train` on tables: runs of ensembles, whose members are runs, and whose average predicts."""

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import whygrad as wg
from command import whygrad
from exported import compiled, in_node
from houses import houses
from whygrad.answers.formatting import number
from whygrad.errors import TrainingError
from whygrad.pipeline import comparing, fit, repeating
from whygrad.pipeline.fit import find
from whygrad.pipeline.scores import written_share
from whygrad.pipeline.settings import OF_THE_RECIPE, Settings
from whygrad.pipeline.thresholds import threshold_for
from whygrad.record import members
from whygrad.studio.film.recording import recording_of
from whygrad.studio.session.scoring import words_of
from whygrad.tables import read

GIVEN = Settings(quality="default", epochs=3, engine="reference", seed=1)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return houses(tmp_path_factory.mktemp("houses"), rows=60)


@pytest.fixture(scope="module")
def source(table):
    return find(str(table), "kind")  # of two classes: members of 64-64


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "kind.run"
    result = members.record_members(path, source, GIVEN)
    return result, wg.open_run(path)


def test_every_member_is_a_run_of_its_own_that_replays_to_the_bit(trained):
    _, run = trained
    assert run.members == 8
    sizes = "-".join(map(str, run.net.sizes))
    assert repr(run) == f"<Run kind.run {sizes}, the first of 8 networks>"
    assert repr(run.member(5)) == f"<Run 5.run {sizes}>"
    for k in (1, 5):
        member = run.member(k)
        assert member.settings.member == k and member.plan.seed == 100 + k - 1
        assert str(member.replay().verdict).endswith("equal to the last bit")
    assert wg.open_run(run.path / "members" / "5.run").theta.flat.tobytes() == (
        run.average.members[4].theta.flat.tobytes()
    )
    with pytest.raises(wg.InputError, match="member 9: kind.run has 8"):
        run.member(9)


def test_every_row_that_is_no_test_row_is_set_aside_by_one_member(source, trained):
    result, run = trained
    aside = [fit.prepare(source, run.member(k).settings)[2].validation for k in range(1, 9)]
    rows = np.concatenate(aside)
    assert len(set(rows)) == len(rows) and not set(rows) & set(result.parts.test)


def test_the_average_predicts_is_scored_and_is_what_training_gave(trained, table):
    result, run = trained
    rows = read(str(table))
    a = wg.Ensemble([run.member(k).fitted for k in range(1, 9)]).predict(run.encoding.encode(rows))
    np.testing.assert_array_equal(run.probabilities(str(table))[:, 1], a[:, 0])
    assert run.evaluate() == run.scores == result.scores
    assert (
        run.average.predict(result.ready.test.X) == result.fitted.predict(result.ready.test.X)
    ).all()


def test_answers_about_a_prediction_are_of_the_average_and_others_of_a_member(trained):
    _, run = trained
    why, row = run.why, read(run.manifest["data"]["path"])[:1]
    answer = why.prediction(row)
    assert any(note.startswith("8 networks are averaged") for note in answer.notes)
    assert any("of the mean of 8 networks" in note for note in answer.notes)
    z = run.average.z(run.encoding.encode(row))[0, 0]
    assert abs(answer.arrays["output"]) == pytest.approx(abs(z), rel=1e-5)
    weight = why.weight(layer=1, to=0, from_="size")
    assert any("all else for member 1" in note for note in weight.notes)


def test_a_row_is_told_by_the_average_and_by_the_member_whose_error_it_is(table, tmp_path):
    path = tmp_path / "price.run"
    members.record_members(path, find(str(table), "price"), GIVEN)
    asked = ("why", "weight", path, "2:0,bias", "--row", 3)
    about, run = json.loads(whygrad(*asked, "--json").out), wg.open_run(path)
    prices = read(str(table))["price"].to_pylist()
    row = read(str(table))[(place := prices.index(str(about["true"]))) : place + 1]
    assert about["predicted"] == run.predict(row)[0] != about["predicted_by_member_1"]
    error = about["predicted_by_member_1"] - about["true"]  # what the bias of an output gets
    assert about["value"] * run.encoding.target.scale == pytest.approx(error, rel=1e-4)
    said = " ".join(whygrad(*asked).out.split())
    told = (number(about[name]) for name in ("predicted", "predicted_by_member_1"))
    assert "the average of 8 networks says {}, member 1 {}.".format(*told) in said


def test_what_was_cut_off_is_resumed_with_the_bits_of_what_never_was(
    source, trained, tmp_path, monkeypatch
):
    path, go_on = tmp_path / "cut.run", members.go_on

    def cut(folder, training, known, observers, *more, **by):
        if folder.name == "2.run":
            observers = [*observers, lambda report: report.state.epoch == 1]
        if folder.name == "6.run":
            raise RuntimeError("out of memory, say")
        return go_on(folder, training, known, observers, *more, **by)

    monkeypatch.setattr(members, "go_on", cut)
    with pytest.raises(wg.TrainingError):
        members.record_members(path, source, GIVEN)
    monkeypatch.undo()
    run = wg.open_run(path)
    assert not run.concluded and len(run.member(2).history.epochs) == 1
    resumed, whole = run.resume(), trained[1]
    for k in range(1, 9):
        assert resumed.member(k).theta.flat.tobytes() == whole.member(k).theta.flat.tobytes()
    assert resumed.scores == whole.scores and resumed.concluded
    with pytest.raises(wg.InputError, match="has ended"):
        resumed.resume()


def test_a_member_without_an_epoch_is_no_part_of_the_average(trained):
    from whygrad.record.recorded import averaged

    fits = [trained[1].member(k).fitted for k in (1, 2)]
    idle = wg.Fitted(fits[0].net, fits[0].net.init(9, np.float32))
    assert len(averaged([*fits, idle]).members) == 2
    assert averaged([idle, fits[0]]) is fits[0] and averaged([idle]) is idle


def test_others_are_fitted_to_numbers_as_they_are_and_not_in_pieces(source, trained):
    _, y, X_test, _ = comparing.arrays_of(trained[0].ready)
    plain = fit.prepare_training(source, Settings(seed=1))
    assert X_test.shape[1] == plain.test.X.shape[1] < trained[0].ready.test.X.shape[1]
    assert len(y) == len(plain.parts.training)


def test_folds_and_seeds_train_ensembles_too(source, trained):
    tried = []
    found = repeating.over_seeds(source, GIVEN, 2, lambda _, result: tried.append(result))
    assert [len(result.fitted.members) for result in tried] == [8, 8]
    first = {name: values[0] for name, values in found.models[repeating.NETWORK].items()}
    assert first == pytest.approx(trained[0].scores.measures)


def test_a_limit_of_time_holds_for_every_fold(source, monkeypatch):
    limits, train_each = [], fit.train_each

    def watched(*given, deadline, **more):
        limits.append(deadline - time.perf_counter())
        return train_each(*given, deadline=deadline, **more)

    monkeypatch.setattr(fit, "train_each", watched)
    given = replace(GIVEN, quality="fast", epochs=1)
    folds = repeating.folds_of(source, given, 3)
    repeating.over_folds(source, given, folds, compared=False, seconds=500.0)
    assert len(limits) == 3 and all(400 < limit <= 500 for limit in limits)


def test_no_link_is_followed_to_a_member(trained, tmp_path):
    path = tmp_path / "kind.run"
    shutil.copytree(trained[1].path, path)
    (path / "members" / "2.run").rename(tmp_path / "elsewhere.run")
    (path / "members" / "2.run").symlink_to(tmp_path / "elsewhere.run")
    with pytest.raises(wg.FileError, match="members/2.run is a link"):
        wg.open_run(path).member(2)


def test_several_networks_on_numbers_in_pieces_leave_for_every_format(trained, table, tmp_path):
    _, run = trained
    for ending in ("onnx", "c", "mjs", "safetensors"):
        wg.export(run, tmp_path / f"kind.{ending}")
    assert compiled(tmp_path / "kind.c", "KIND")[0] == 0
    assert in_node(tmp_path / "kind.mjs", "net.prove()") < 1e-6
    expected = next(run.outputs(str(table)))[0]
    inputs = run.why.examples(read(table)).X
    found = wg.explain(tmp_path / "kind.safetensors").predict(inputs)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    found = wg.explain(tmp_path / "kind.onnx").predict(read(table))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_what_is_exported_of_several_networks_is_their_average(tmp_path):
    cells = [("abc"[i % 3], "pq"[i // 2 % 2], "yn"[i % 5 > 1]) for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(map(",".join, [("one", "two", "three"), *cells])))
    path = tmp_path / "t.run"
    members.record_members(path, find(str(tmp_path / "t.csv"), "three"), replace(GIVEN, epochs=1))
    run = wg.open_run(path)
    done = wg.export(run, tmp_path / "t.onnx")
    assert run.members == 8 and done.difference < 1e-5
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "t.onnx")
    rows = {"one": ["b", "a"], "two": ["q", "p"]}
    given = {name: np.array(cells, object)[:, None] for name, cells in rows.items()}
    expected = run.probabilities(pa.table(rows))
    np.testing.assert_allclose(session.run(["probabilities"], given)[0], expected, atol=1e-6)


def test_the_command_trains_predicts_resumes_and_reports(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--epochs", 2, "--engine", "reference", "--no-comparison", "--json")
    said = whygrad(
        "train", table, "--target", "kind", "--quality", "default", "--time-limit", 500, *words
    )
    assert said.code == 0 and json.loads(said.out)["members"] == 8
    assert "8/8 trainings" in said.err
    predicted = whygrad("predict", "houses.run", table)
    assert predicted.out.startswith('"kind"') and len(predicted.out.splitlines()) == 61
    assert "mean of 8 networks" in " ".join(whygrad("why", "prediction", "houses.run").out.split())
    assert "members/2.run" in whygrad("why", "weight", "houses.run").out
    assert "has ended" in whygrad("resume", "houses.run").err
    further = [
        line for line in whygrad("resume", "houses.run", "--epochs", 3).lines if "member" in line
    ]
    assert further == [f"whygrad: member {k} of 8:" for k in (2, 3, 4, 5, 6, 7, 8, 1)]
    for words_ in (("replay", "--step", 1), ("fork", "--step", 1, "--epochs", 1)):
        one = whygrad(words_[0], "houses.run", *words_[1:])
        assert one.code == 0 and "the first of 8 networks" in one.err
        assert "houses.run/members/2.run to 8.run" in one.err
    for page_of_one in ("film", "worksheet"):
        assert "the first of 8 networks" in whygrad(page_of_one, "houses.run").err
    assert whygrad("report", "houses.run", "-o", "houses.html").code == 0
    page = (tmp_path / "houses.html").read_text()
    assert "the average of 8 of them predicts" in page
    assert "The average of 8 neural networks predicts the class" in page
    assert "8 such networks" in whygrad("show", "houses.run").out.replace("\n", " ")
    one = whygrad(
        "train", table, "--target", "kind", "--quality", "fast", "--run", "one.run", *words
    )
    assert one.code == 0 and not (tmp_path / "one.run" / "members").exists()


def test_training_several_networks_ends_with_a_question_that_is_asked_of_their_average(
    table, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ("--epochs", 1, "--engine", "reference", "--no-comparison")
    said = whygrad("train", table, "--target", "kind", "--quality", "best", *words)
    last = said.out.splitlines()[-1]
    assert last == "Why it predicts what it does:  whygrad why prediction houses.run"


def test_training_that_brought_nothing_ends_with_what_is_wrong(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--optimizer", "sgd", "--engine", "reference", "--no-comparison", "--overwrite")
    best = "What is wrong with it:  whygrad doctor houses.run"
    for rate, code in (("1e-9", 0), ("1e9", 1)):
        more = ("--learning-rate", rate, "--epochs", 2)
        said = whygrad("train", table, "--target", "price", *words, *more)
        assert said.code == code and said.out.splitlines()[-1] == best


def test_a_threshold_that_pays_for_a_rare_class_in_accuracy_is_nothing_wrong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    a = draws.normal(size=800)
    rare = np.where(draws.random(800) < 0.12 * 2.5**a / np.mean(2.5**a), "yes", "no")
    rows = "".join(f"{x:.3f},{y}\n" for x, y in zip(a, rare, strict=True))
    (tmp_path / "t.csv").write_text("a,y\n" + rows)
    words = ("--target", "y", "--aim", "balanced-accuracy", "--quality", "fast", "--no-comparison")
    said = whygrad("train", "t.csv", *words)
    scores = wg.open_run("t.run").scores
    assert scores.accuracy < scores.baseline and scores.measures["balanced_accuracy"] > 0.5
    assert (
        said.out.splitlines()[-1].endswith("whygrad why weight t.run") and "--aim" not in said.out
    )
    usual = whygrad("train", "t.csv", "--target", "y", *words[4:], "--overwrite")
    (missed,) = [one for one in wg.open_run("t.run").scores.classes if one.recall < 0.5]
    told = " ".join(usual.out.split())
    assert (
        missed.label == "yes"
        and (
            f"Of class 'yes' it finds {written_share(missed.recall)} only: --aim f1:yes chooses a threshold"
        )
        in told
    )
    f1 = whygrad("train", "t.csv", *words[:2], "--aim", "f1:yes", *words[4:], "--overwrite")
    assert f1.code == 0 and wg.open_run("t.run").scores.classes[1].recall > missed.recall


# ── which networks are trained ───────────────────────────────────────────────────────────────────────

NETWORK = {
    "hidden": 3,
    "activation": "relu",
    "cost": "cross_entropy",
    "optimizer": "adam",
    "learning_rate": 0.001,
    "schedule": "constant",
    "batch_size": 16,
    "dropout": 0,
    "l1": 0,
    "l2": 0,
    "products": "bfloat16",
}
FEW = ("--epochs", 1, "--engine", "reference", "--no-comparison", "--json", "--target", "kind")


def trained_by(*words):
    said = whygrad("train", *words)
    assert said.code == 0, said.err
    about = json.loads(said.out)
    return about["settings"]["quality"], about["members"]


def test_a_table_is_trained_by_the_recipe_unless_an_option_describes_a_network(
    table, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert trained_by(table, *FEW) == ("default", 8)
    assert trained_by(table, *FEW, "--validation", 0.2, "--seed", 3) == ("default", 8)
    assert set(NETWORK) == set(OF_THE_RECIPE)
    for name, value in NETWORK.items():
        assert trained_by(table, *FEW, f"--{name.replace('_', '-')}", value) == (None, 1)


def test_images_are_trained_with_one_network_unless_a_quality_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trained_by("digits", *FEW[:-2]) == (None, 1)


def test_what_the_command_line_says_of_the_network_stands_before_the_whygrad_toml(
    table, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whygrad.toml").write_text('quality = "best"\ntime-limit = 500')
    assert trained_by(table, *FEW) == ("best", 8)
    assert trained_by(table, *FEW, "--hidden", 3) == (None, 1)
    (tmp_path / "whygrad.toml").write_text("hidden = 3")
    assert trained_by(table, *FEW) == (None, 1)
    assert trained_by(table, *FEW, "--quality", "fast") == ("fast", 1)
    (tmp_path / "whygrad.toml").write_text('hidden = 3\nquality = "fast"')
    refused = whygrad("train", table, *FEW)
    assert refused.code == 2 and "chooses hidden by itself: leave one of the two out" in refused.err


def test_epochs_and_validation_rows_are_those_that_are_asked_for(source):
    given = replace(GIVEN, epochs=7, validation=0.25)
    table = fit.tabulate(source, given)
    training = fit.ready(table, given).training
    assert training.plan.epochs == 7
    assert (len(training.data.Y), len(training.validation.Y)) == (36, 12)
    none = replace(given, validation=0.0)
    training = fit.ready(fit.tabulate(source, none), none).training
    assert training.validation is None and training.plan.stopping is None


# ── a threshold, Ctrl-C, another run in its place ────────────────────────────────────────────────────


def test_a_threshold_is_chosen_by_members_that_have_not_learned_from_the_rows(
    source, tmp_path, monkeypatch
):
    path, given, go_on = tmp_path / "aim.run", replace(GIVEN, aim="recall=0.9"), members.go_on
    result = members.record_members(path, source, given)
    run = wg.open_run(path)
    p, true = [], []
    for k in range(1, 9):
        rows = run.member(k).validation
        p += run.member(k).fitted.predict(rows.X)[:, 0].tolist()
        true += (rows.Y[:, 0] > 0.5).tolist()
    chosen, note = threshold_for("recall=0.9", np.float32(p), np.array(true), "house")
    assert chosen != 0.5 and run.encoding.target.threshold == pytest.approx(chosen, rel=1e-6)
    assert len(p) == 48 and note in result.encoding.notes
    assert run.evaluate() == run.scores == result.scores

    def cut(folder, training, known, observers, *more, **by):
        if folder.name == "3.run":
            raise RuntimeError("out of memory, say")
        return go_on(folder, training, known, observers, *more, **by)

    monkeypatch.setattr(members, "go_on", cut)
    with pytest.raises(wg.TrainingError):
        members.record_members(path, source, given, overwrite=True)
    monkeypatch.undo()
    resumed = wg.open_run(path).resume()
    assert resumed.manifest["threshold"] == run.manifest["threshold"]
    assert resumed.scores == run.scores


def test_a_seed_of_several_chooses_its_threshold_by_rows_it_has_not_learned_from(source):
    given = replace(GIVEN, quality="fast", aim="f1", seed=0)
    table, found = fit.tabulate(source, given), []
    repeating.over_seeds(source, given, 2, lambda _, result: found.append(result))
    other = replace(given, seed=1)
    own = fit.of_member(table, other)
    p = found[1].fitted.predict(own.data["validation"].X)[:, 0]
    chosen = threshold_for("f1", p, own.data["validation"].Y[:, 0] > 0.5, "house")[0]
    assert found[1].encoding.target.threshold == pytest.approx(chosen, rel=1e-6)


def test_a_run_of_several_networks_is_replaced_whole_but_no_file_of_the_user_goes_with_it(
    table, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = (table, *FEW, "--overwrite")
    assert trained_by(*words) == ("default", 8)
    (tmp_path / "houses.run" / "members" / "2.run" / "thoughts.txt").write_text("mine")
    refused = whygrad("train", *words)
    assert refused.code == 2 and "holds 'members/2.run/thoughts.txt'" in refused.err
    (tmp_path / "houses.run" / "members" / "2.run" / "thoughts.txt").unlink()
    assert trained_by(*words, "--hidden", 3) == (None, 1)
    assert not (tmp_path / "houses.run" / "members").exists()


def test_of_networks_of_which_none_or_one_had_an_epoch_it_is_said_which_predicts(
    table, tmp_path, monkeypatch
):
    def killed(*given, **by):
        raise RuntimeError("killed")

    path = tmp_path / "price.run"
    with monkeypatch.context() as patch, pytest.raises(TrainingError):
        patch.setattr(members, "go_on", killed)
        members.record_members(path, find(str(table), "price"), GIVEN)
    run = wg.open_run(path)
    assert run.predicting == 0 and run.average is run.fitted
    shown = " ".join(whygrad("show", path).out.split())
    assert "of which none had an epoch: the first predicts" in shown
    run.member(3).resume()
    run = wg.open_run(path)
    assert run.predicting == 1 and run.average is not run.fitted
    shown = " ".join(whygrad("show", path).out.split())
    assert "of which 1 had an epoch: that one predicts" in shown
    said = " ".join(whygrad("why", "weight", path, "2:0,bias", "--row", 3).out.split())
    assert "the one network that had an epoch says " in said and ", member 1 " in said


@pytest.mark.parametrize("epoch", [0, 1])
def test_ctrl_c_keeps_the_networks_that_are_there_and_resume_trains_the_others(
    epoch, table, tmp_path, monkeypatch
):
    """Pressed before the first epoch of the fourth network, or after it."""
    monkeypatch.chdir(tmp_path)
    go_on, over, third = members.go_on, threading.Event(), threading.Event()

    def press():
        third.wait(10)  # which is trained beside the fourth
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)  # for the main thread to look
        over.set()

    def pressed(folder, training, known, observers, *more, **by):
        if folder.name == "3.run":
            observers = [*observers, lambda report: third.set()]
        if folder.name == "4.run" and epoch == 0:
            press()
        if folder.name == "4.run" and epoch == 1:
            observers = [*observers, lambda report: press()]
        if folder.name in {"5.run", "6.run", "7.run", "8.run"}:
            over.wait(10)  # or quick ones would be done before the main thread looks
        return go_on(folder, training, known, observers, *more, **by)

    monkeypatch.setattr(members, "go_on", pressed)
    said = whygrad("train", table, "--epochs", 3, *FEW[2:])
    assert said.code == 130 and "houses.run holds what training gave so far" in said.err
    about = json.loads(said.out)
    assert about["stopped"] == "interrupted" and 3 <= about["members"] <= 4 + epoch
    run = wg.open_run("houses.run")
    assert run.evaluate() == run.scores
    n = about["members"]  # is how many every page speaks of
    assert n == len(run.average.members) == run.predicting < run.members == 8
    shown = " ".join(whygrad("show", "houses.run").out.split())
    assert f"8 such networks, of which {n} had an epoch: their average predicts" in shown
    assert f"8 networks of which {n} had an epoch" in whygrad("replay", "houses.run").err
    whygrad("report", "houses.run")
    page = (tmp_path / "houses.html").read_text()
    assert f"The average of {n} neural networks" in page and "average of 8" not in page
    assert words_of(run).startswith(f"The average of {n} networks: ")
    assert f"of which {n} had an epoch" in recording_of(run).header["note"]
    monkeypatch.setattr(members, "go_on", go_on)
    resumed = run.resume()
    assert [len(resumed.member(k).history.epochs) for k in range(1, 9)] == [3] * 8
    assert len(resumed.average.members) == 8


BAD = {
    "a network as well": (
        ("--quality", "default", "--hidden", "3"),
        "quality 'default' chooses hidden by itself",
    ),
    "what is no other than by default": (
        ("--quality", "fast", "--dropout", "0"),
        "quality 'fast' chooses dropout by itself",
    ),
    "time of one network": (
        ("--time-limit", "3", "--learning-rate", "0.1"),
        "time-limit goes with a quality, learning-rate describes one network",
    ),
    "no time": (("--quality", "fast", "--time-limit", "0"), "time-limit is 0"),
    "an aim without rows": (
        ("--quality", "fast", "--aim", "f1", "--validation", "0"),
        "the threshold is chosen on validation rows, and there are none",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_one_line_and_nothing_is_written(name, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, said = BAD[name]
    found = whygrad("train", table, "--target", "kind", *words)
    assert found.code != 0 and len(found.lines) == 1 and said in found.err
    assert not list(tmp_path.iterdir())


def test_its_average_is_what_is_explained_trained_on_and_given_to_pytorch(trained, table):
    _, run = trained
    rows = read(table)
    expected = next(run.outputs(str(table)))[0]
    model = wg.explain(run)
    np.testing.assert_allclose(model.predict(rows), expected, rtol=0, atol=1e-5)
    X = model.why.examples(rows).X
    found = model.to_whygrad().predict(X)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    torch = pytest.importorskip("torch")
    found = wg.to_torch(run)(torch.tensor(np.float32(X))).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
