"""`whygrad train --quality`: runs of ensembles, whose members are runs, and whose average predicts."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import whygrad as wg
from command import whygrad
from exported import compiled, in_node
from houses import houses
from whygrad.pipeline import comparing, fit, repeating
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import members
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
    assert any("all else of member 1" in note for note in weight.notes)


def test_what_was_cut_off_is_resumed_with_the_bits_of_what_never_was(
    source, trained, tmp_path, monkeypatch
):
    path, go_on = tmp_path / "cut.run", members.go_on

    def cut(folder, training, known, observers, seconds, hashing):
        if folder.name == "2.run":
            observers = [*observers, lambda report: report.state.epoch == 1]
        if folder.name == "6.run":
            raise RuntimeError("out of memory, say")
        return go_on(folder, training, known, observers, seconds, hashing)

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
    for words_ in (("replay", "--step", 1), ("fork", "--step", 1, "--epochs", 1)):
        one = whygrad(words_[0], "houses.run", *words_[1:])
        assert one.code == 0 and "the first of 8 networks" in one.err
        assert "houses.run/members/2.run to 8.run" in one.err
    assert whygrad("report", "houses.run", "-o", "houses.html").code == 0
    assert "the average of 8 of them predicts" in (tmp_path / "houses.html").read_text()
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


BAD = {
    "a network as well": (
        ("--quality", "default", "--hidden", "3"),
        "quality 'default' chooses hidden by itself",
    ),
    "time alone": (("--time-limit", "3"), "time-limit goes with a quality"),
    "no time": (("--quality", "fast", "--time-limit", "0"), "time-limit is 0"),
    "an aim": (("--quality", "fast", "--aim", "f1"), "chooses aim by itself"),
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
