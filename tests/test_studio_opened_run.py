"""What the studio's page looks at and asks: a network at a step, its examples, the run it comes from."""

import gc
import json
import threading
from dataclasses import replace
from types import SimpleNamespace
from weakref import ref

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

import whygrad as wg
from houses import QUICK, houses
from whygrad.answers.formatting import number, share
from whygrad.answers.names import Ref
from whygrad.errors import InputError
from whygrad.nn.arrays import Data
from whygrad.nn.backprop import forward
from whygrad.nn.metrics import measure
from whygrad.nn.network import Parameters
from whygrad.pipeline.fit import find
from whygrad.pipeline.scores import written_r2
from whygrad.record import forking, open_run, recorder
from whygrad.record.files import events, snapshots
from whygrad.record.rows import record_table
from whygrad.studio.page import curves_panel
from whygrad.studio.process.live import Live
from whygrad.studio.session import opened_run as opened_runs
from whygrad.studio.session import scoring, subject
from whygrad.studio.session.model_config import ModelConfig, subject_of
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.questions import Question, answer, questions, title_of, value_of
from whygrad.studio.session.subject import Chosen, overview
from whygrad.why.training_history.ledger import ledger

LAST = 8  # two epochs of four steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs that no test changes: on classes, on numbers, on images, and on arrays, some of them sparse."""
    folder = tmp_path_factory.mktemp("runs")
    record_table(folder / "iris.run", find("iris", seed=3), QUICK)
    record_table(folder / "houses.run", find(str(houses(folder)), "price"), QUICK)
    images = replace(QUICK, hidden=(4,), epochs=1, batch_size=500)
    record_table(folder / "digits.run", find("digits", seed=3), images)
    X, Y = np.random.default_rng(0).normal(size=(30, 3)), np.eye(3)[np.arange(30) % 3]
    X[np.abs(X) < 0.5] = 0
    for name, given in (("arrays", X), ("sparse", csr_array(X))):
        net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(3, "softmax")], cost="cross_entropy")
        path = folder / f"{name}.run"
        options = {"l1": 1e-3, "l2": 1e-2, "copy_data": True, "validation": (X[:6], Y[:6])}
        wg.train(net, given, Y, epochs=2, batch_size=10, record=path, engine="reference", **options)
    return folder


@pytest.fixture
def iris(folder):
    return OpenedRun(open_run(folder / "iris.run"))


def opened(folder, name):
    return OpenedRun(open_run(folder / f"{name}.run")).subject()


def same(one, other):
    """Whether two answers say the same, as the data that they are."""
    return json.dumps(one.to_dict(), sort_keys=True) == json.dumps(other.to_dict(), sort_keys=True)


# ── a network at a step ──────────────────────────────────────────────────────────────────────────────


def test_every_step_of_a_run_is_shown_as_it_was(iris):
    for step in (5, 0, LAST, 3, 5):
        found = iris.subject(step)
        assert (found.step, found.last, found.notice) == (step, LAST, "")
        assert found.theta.flat.tobytes() == iris.run.state(step).theta.tobytes()
    assert iris.subject().step == LAST
    assert iris.subject(99).step == LAST
    assert iris.subject(-1).step == 0


@pytest.mark.parametrize("name", ["iris", "houses", "digits", "arrays", "sparse"])
@pytest.mark.parametrize(
    "chosen",
    [Chosen(), Chosen("validation", "all"), Chosen("test", "all"), Chosen("training", "class", 1)],
)
def test_the_drawing_has_the_numbers_of_the_equations(folder, name, chosen):
    found = opened(folder, name)
    X, _ = found.examples(chosen)
    theta = Parameters(found.net.sizes, found.theta.flat.astype(np.float64))
    trace = forward(found.net, theta, X)
    shown = overview(found, chosen)
    for l in range(found.net.L + 1):
        np.testing.assert_allclose(shown.units[l], trace.a[l].mean(axis=0), rtol=1e-13)
    for l in range(1, found.net.L + 1):
        assert np.array_equal(shown.edges[l], found.theta.W[l])


def test_a_network_before_its_training_is_asked_as_a_run_at_step_0_is(folder):
    config = subject_of(ModelConfig(find("iris", seed=3), QUICK))
    run = OpenedRun(open_run(folder / "iris.run")).subject(0)
    chosen = Chosen("test", "class", 2)
    for name, part in (
        ("weight", "2:1,0"),
        ("neuron", "1:2"),
        ("blame", ""),
        ("paths", "1:0,bias"),
    ):
        question = Question(part, name, chosen)
        assert same(answer(config, question), answer(run, question))


# ── the examples ─────────────────────────────────────────────────────────────────────────────────────


def test_examples_are_one_a_class_or_all_of_a_part(iris):
    found = iris.subject()
    rows = found.parts["test"]
    assert [len(found.parts[part]) for part in found.parts] == [120, 30]
    X, Y = found.examples(Chosen("test", "one", 7))
    assert np.array_equal(X, rows.X[7:8].astype(np.float64))
    assert (X.dtype, Y.dtype) == (np.float64, np.float64)
    places = found.indices(Chosen("test", "class", 1))
    assert np.array_equal(places, np.flatnonzero(rows.Y[:, 1]))
    assert len(found.examples(Chosen("test", "all"))[0]) == 30
    assert found.indices(Chosen("test", "one", 10**6)).tolist() == [29]
    assert found.labels == ("setosa", "versicolor", "virginica")
    assert found.said(Chosen("test", "class", 1)) == "the test examples of versicolor"
    assert found.said(Chosen("training", "all")) == "all training examples"
    name = found.truth(rows, 7)
    assert found.said(Chosen("test", "one", 7)) == f"test example 7: {name}"
    assert name == found.labels[int(Y.argmax())]


def test_the_row_of_an_example_is_that_of_the_table(iris):
    rows = iris.subject().parts["test"]
    source = find("iris", seed=3).table.to_pylist()
    encoding = iris.run.encoding
    for place in (0, 11):
        row = rows.row(place)
        assert row in source
        assert row["species"] == iris.subject().truth(rows, place)
        X = encoding.encode(pa.Table.from_pylist([row]), "float32")
        assert np.array_equal(X[0], rows.X[place])


def test_no_more_than_the_first_2000_examples_are_asked_about_at_once(monkeypatch, iris):
    assert subject.MOST == 2000
    monkeypatch.setattr(subject, "MOST", 20)
    found = iris.subject()
    assert np.array_equal(found.indices(Chosen("training", "all")), np.arange(20))
    of_class = np.flatnonzero(found.parts["training"].Y[:, 2])
    assert np.array_equal(found.indices(Chosen("training", "class", 2)), of_class[:20])
    assert found.said(Chosen("training", "all")) == "the first 20 of 120: all training examples"
    said = f"the first 20 of {len(of_class)}: the training examples of virginica"
    assert found.said(Chosen("training", "class", 2)) == said


def test_two_classes_that_share_an_output_are_told_apart(tmp_path):
    found = subject_of(ModelConfig(find("moons", seed=0), replace(QUICK, seed=0)))
    rows = found.parts["training"]
    assert rows.Y.shape[1] == 1
    assert len(found.labels) == 2
    for index in (0, 1):
        places = found.indices(Chosen("training", "class", index))
        assert np.array_equal(rows.Y[places, 0], np.full(len(places), index))
        assert found.truth(rows, int(places[0])) == found.labels[index]


def test_the_parts_of_the_data_have_their_right_names(folder, iris):
    settings = replace(QUICK, validation=0.25)
    config = ModelConfig(find("iris", seed=3), settings)
    assert {part: len(rows) for part, rows in subject_of(config).parts.items()} == {
        "training": 90,
        "validation": 30,
        "test": 30,
    }
    none = ModelConfig(find("iris", seed=3), replace(settings, validation=None, test=0.0))
    assert list(subject_of(none).parts) == ["training"]
    assert list(iris.rows()) == ["training", "test"]
    assert list(opened(folder, "arrays").parts) == ["training", "validation"]


def test_a_run_with_validation_rows_is_shown_with_the_rows_that_it_had(tmp_path):
    record_table(tmp_path / "v.run", find("iris", seed=3), replace(QUICK, validation=0.25))
    found = OpenedRun.open(tmp_path / "v.run")
    assert [len(rows) for rows in found.rows().values()] == [90, 30, 30]
    assert found.notice == ""
    found.scoring.measure()
    assert set(found.scoring.points[-1].by_part) == {"training", "validation", "test"}


def test_numbers_are_told_in_their_own_units(folder):
    found = opened(folder, "houses")
    rows = found.parts["test"]
    assert found.labels == ()
    assert float(found.truth(rows, 2)) == pytest.approx(float(rows.row(2)["price"]), rel=1e-5)
    assert len(found.examples(Chosen("test", "class", 1))[0]) == len(rows)  # there are no classes


def test_images_keep_their_shape(folder):
    found = opened(folder, "digits")
    assert overview(found, Chosen()).image == (8, 8)
    assert found.labels == tuple("0123456789")


def test_sparse_rows_are_asked_about_like_dense_ones(folder):
    dense, sparse = opened(folder, "arrays"), opened(folder, "sparse")
    assert sparse.parts["training"].X.__class__.__name__.startswith("csr")
    for chosen in (Chosen(index=3), Chosen("training", "class", 1)):
        np.testing.assert_array_equal(dense.examples(chosen)[0], sparse.examples(chosen)[0])
    assert answer(sparse, Question("1:0,1", "weight", Chosen())).value == pytest.approx(
        answer(dense, Question("1:0,1", "weight", Chosen())).value
    )


# ── the questions ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["iris", "houses", "arrays"])
@pytest.mark.parametrize("step", [0, 2, None])
def test_what_is_answered_is_what_the_library_answers(folder, name, step):
    found = OpenedRun(open_run(folder / f"{name}.run")).subject(step)
    chosen = Chosen("training", "all")
    X, Y = found.examples(chosen)
    net, plan = found.net, found.plan
    theta = Parameters(net.sizes, found.theta.flat.astype(np.float64))
    l1, l2 = (p.of_batch(len(X), plan.n) for p in (plan.l1, plan.l2))
    given = {"l1": l1, "l2": l2, "names": found.names}

    def asked(question, part, **more):
        return answer(found, Question(part, question, replace(chosen, **more)))

    weight = {"layer": 2, "to": 1 if name != "houses" else 0, "from_": 3}
    part = f"2:{weight['to']},3"
    for question in ("weight", "paths"):
        theirs = getattr(wg.why, question)(net, theta, X, Y, **weight, **given)
        assert asked(question, part).value == theirs.value
        assert [t.value for t in asked(question, part).terms] == [t.value for t in theirs.terms]
    theirs = wg.why.weight(net, theta, X[4:5], Y[4:5], layer=1, to=2, from_="bias", **given)
    assert asked("weight", "1:2,bias", which="one", index=4).value == pytest.approx(
        theirs.value, rel=1e-14
    )
    ripple = answer(found, Question(part, "ripple", chosen, 0.25))
    assert ripple.value == wg.why.ripple(net, theta, X, Y, **weight, by=0.25, **given).value
    moved_input = answer(found, Question("0:1", "ripple", chosen, -0.5))
    assert moved_input.value == wg.why.ripple(net, theta, X, Y, input=1, by=-0.5, **given).value
    blame = wg.why.blame(net, theta, X, Y, layer=1, unit=2, names=found.names)
    assert asked("blame", "1:2").value == blame.value
    neuron = wg.why.neuron(net, theta, X, Y, layer=1, unit=2, **given)
    assert asked("neuron", "1:2", which="one").answer == neuron.answer
    assert asked("check", "").kind == "check"
    rows = found.parts["training"].X
    one = wg.why.prediction(net, theta, X[3:4], names=found.names, training=rows)
    assert asked("prediction", "", which="one", index=3).value == one.value


def test_a_prediction_is_explained_for_one_example(iris):
    with pytest.raises(
        InputError, match=r"^a prediction is explained for one example: choose one$"
    ):
        answer(iris.subject(), Question("", "prediction", Chosen("training", "all")))


def test_parts_are_named_and_have_their_questions(iris):
    found = iris.subject()
    names = found.names.inputs
    assert title_of(found, "1:0,2") == f"Weight from {names[2]} to unit 0 of layer 1"
    assert title_of(found, "1:0,bias") == "Bias of unit 0 of layer 1"
    assert title_of(found, "3:1") == "Versicolor"
    assert title_of(found, "") == "The whole network"
    assert value_of(found, "1:0,2") == found.theta.W[1][0, 2]
    assert value_of(found, "2:1,bias") == found.theta.b[2][1]
    assert value_of(found, "2:1") is None
    of_a_weight = ["weight", "paths", "ripple", "ledger"]
    every, one = Chosen("training", "all"), Chosen()
    assert list(questions("1:0,2", one)) == list(questions("1:0,bias", every)) == of_a_weight
    assert list(questions("1:0", one)) == ["neuron", "blame", "ledger"]
    assert list(questions("0:0", one)) == ["ripple"]
    whole = ["prediction", "influence", "tracin", "without", "blame", "check", "learning"]
    assert list(questions("", one)) == whole
    assert list(questions("", every)) == ["blame", "check", "learning"]
    assert Ref.read("nonsense") is None


def test_the_influence_of_the_examples_is_that_of_the_training_up_to_the_step_shown(iris):
    for step in (3, LAST):
        found = iris.subject(step)
        told = answer(found, Question("", "influence", Chosen("test", "one", 2)))
        X, Y = found.examples(Chosen("test", "one", 2))
        classes = np.asarray(Y).reshape(1, -1).argmax(axis=1)
        said = forward(found.net, found.theta, X).a[found.net.L][0]
        assert told.kind == "influence"
        assert told.value == pytest.approx(-np.log(said[classes[0]]), rel=1e-5)
    with pytest.raises(InputError, match="nothing has been learned yet"):
        answer(iris.subject(0), Question("", "influence", Chosen()))


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [1, 3, 4, 6, LAST])
@pytest.mark.parametrize("part", ["2:1,0", "1:3,bias", "2:2"])
def test_the_ledger_speaks_of_the_training_up_to_the_step_shown(iris, step, part):
    found = iris.subject(step)
    ledger = answer(found, Question(part, "ledger", Chosen()))
    first, now = iris.run.state(0).theta, found.theta
    assert f"in {step:,} steps" in ledger.answer
    if "," in part:
        assert ledger.value == pytest.approx(value_of(found, part), abs=1e-12)
        begin = value_of(replace(found, state=iris.run.state(0)), part)
        assert ledger.terms[0].value == pytest.approx(begin, abs=1e-12)
    assert abs(ledger.residuals["rounding"]) < 1e-6 * (np.abs(first).max() + np.abs(now.flat).max())
    assert len(ledger.arrays["path"]) == 1 + -(-step // 4)
    total = sum(term.value for term in ledger.terms) + ledger.residuals["rounding"]
    assert total == pytest.approx(ledger.value, abs=1e-12)


def test_the_ledger_at_the_end_is_that_of_the_run(iris):
    ours = answer(iris.subject(LAST), Question("2:1,0", "ledger", Chosen()))
    theirs = ledger(iris.run, 2, 1, 0)
    assert ours.value == theirs.value
    assert [t.value for t in ours.terms] == [t.value for t in theirs.terms]
    assert np.array_equal(ours.arrays["by_example"], theirs.arrays["by_example"])


def test_the_ledger_of_a_step_is_that_of_a_training_that_ended_there(folder, tmp_path):
    record_table(tmp_path / "short.run", find("iris", seed=3), replace(QUICK, epochs=1))
    short = ledger(open_run(tmp_path / "short.run"), 2, 1, 0)
    ours = answer(
        OpenedRun(open_run(folder / "iris.run")).subject(4), Question("2:1,0", "ledger", Chosen())
    )
    assert ours.value == short.value
    assert np.array_equal(ours.arrays["by_example"], short.arrays["by_example"])


def test_there_is_no_ledger_before_the_first_step_nor_of_a_fork_at_its_start(
    iris, folder, tmp_path
):
    fork = forking.fork(iris.run, 3, tmp_path / "fork.run", {})
    config = subject_of(ModelConfig(find("iris", seed=3), QUICK))
    for found in (iris.subject(0), OpenedRun(fork).subject(3), config):
        with pytest.raises(InputError, match="nothing has been learned yet at this step"):
            answer(found, Question("2:1,0", "ledger", Chosen()))
    ledger = answer(OpenedRun(fork).subject(5), Question("2:1,0", "ledger", Chosen()))
    assert ledger.terms[0].value == pytest.approx(float(value_of(iris.subject(3), "2:1,0")))
    assert "in 2 steps" in ledger.answer
    with pytest.raises(InputError, match="choose a weight, a bias or a neuron"):
        answer(iris.subject(), Question("", "ledger", Chosen()))


def test_best_parameters_that_were_restored_do_not_change_what_a_step_shows(tmp_path):
    X, y = np.random.default_rng(1).normal(size=(60, 2)), np.arange(60) % 2
    net = wg.Network(2, [wg.Dense(8, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    rule = wg.Stopping("validation_cost", tol=0.0, patience=3, restore_best=True)
    options = {
        "stopping": rule,
        "validation": (X[40:], y[40:]),
        "optimizer": wg.SGD(5.0),
        "engine": "reference",
    }
    path = tmp_path / "best.run"
    options |= {"record": path, "copy_data": True, "engine": "reference"}
    wg.train(net, X[:40], y[:40], epochs=40, **options)
    opened_run = OpenedRun(open_run(path))
    found = opened_run.subject()
    assert opened_run.run.state(found.step).early_stopping.best_step < found.step
    ledger = answer(found, Question("2:0,1", "ledger", Chosen()))
    assert ledger.value == pytest.approx(value_of(found, "2:0,1"), abs=1e-12)
    assert f"in {found.step:,} steps" in ledger.answer


# ── runs whose data are gone, or changed ─────────────────────────────────────────────────────────────


@pytest.fixture
def without_copy(tmp_path):
    path = houses(tmp_path)
    record_table(tmp_path / "h.run", find(str(path), "price"), QUICK, copy_data=False)
    return path, tmp_path / "h.run"


def changed(path):
    text = path.read_text(encoding="utf-8").splitlines()
    text[1] = text[1].rsplit(",", 1)[0] + ",1.5"
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


def renamed(path):
    path.write_text(path.read_text(encoding="utf-8").replace("age", "years", 1), encoding="utf-8")


@pytest.mark.parametrize(
    "spoil, notice",
    [
        (lambda path: path.unlink(), "no such file"),
        (changed, "not those"),
        (renamed, "not those"),
        (lambda path: path.write_text("nonsense"), "no rows"),
    ],
)
def test_a_run_without_its_data_can_be_looked_at_and_says_why_not_asked(
    without_copy, spoil, notice
):
    path, run = without_copy
    start = open_run(run).state(0).theta.tobytes()
    kept = {one.step for one in open_run(run).snapshots()}
    spoil(path)
    opened_run = OpenedRun(open_run(run))
    found = opened_run.subject()
    assert found.parts == {}
    assert notice in found.notice
    assert found.theta.flat.tobytes() == opened_run.run.fitted.theta.flat.tobytes()
    assert opened_run.subject(0).theta.flat.tobytes() == start
    assert opened_run.subject(1).step in kept  # the nearest state that lies on the disk
    for question, part in (("weight", "1:0,0"), ("ledger", "1:0,0"), ("neuron", "1:0")):
        with pytest.raises(InputError) as refused:
            answer(found, Question(part, question, Chosen()))
        assert str(refused.value) == found.notice
    picture = overview(found)
    assert np.array_equal(picture.edges[1], found.theta.W[1])
    assert found.said(Chosen()) == "no examples"
    opened_run.scoring.measure()


def test_a_run_on_arrays_in_memory_is_looked_at_alone(tmp_path):
    X, Y = np.random.default_rng(0).normal(size=(30, 3)), np.eye(3)[np.arange(30) % 3]
    net = wg.Network(3, [wg.Dense(3, "softmax")], cost="cross_entropy")
    wg.train(net, X, Y, epochs=2, record=tmp_path / "a.run", copy_data=False)
    found = OpenedRun(open_run(tmp_path / "a.run")).subject()
    assert found.parts == {}
    assert "was trained on arrays in memory" in found.notice
    again = OpenedRun(open_run(tmp_path / "a.run", data=(X, Y))).subject()
    assert len(again.parts["training"]) == 30


def test_a_network_that_came_alone_can_be_looked_at(tmp_path):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "identity")])
    X = np.random.default_rng(0).normal(size=(20, 2))
    found = subject.alone(wg.train(net, X, X[:, :1], epochs=2))
    picture = overview(found, Chosen())
    assert picture.unit_meaning == ""
    assert np.array_equal(picture.edges[1], found.theta.W[1])
    with pytest.raises(InputError, match="came without its data"):
        answer(found, Question("1:0,0", "weight", Chosen()))


# ── a run that is followed ───────────────────────────────────────────────────────────────────────────


def test_a_run_is_looked_at_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "REST", 0.0)
    path, seen = tmp_path / "now.run", []
    live = Live(path)
    opened_run = None

    def look(report):
        nonlocal opened_run
        live.flush(report.state)
        opened_run = opened_run or OpenedRun.open(path)
        if report.epoch is None or opened_run.step == 0:
            return
        found = opened_run.subject()
        seen.append((report.state.step, found.step, found.last))
        if found.step == report.state.step:
            assert found.theta.flat.tobytes() == report.state.theta.tobytes()
        earlier = opened_run.subject(1)
        assert earlier.step == 1
        ledger = answer(earlier, Question("2:1,0", "ledger", Chosen()))
        assert ledger.value == pytest.approx(value_of(earlier, "2:1,0"), abs=1e-12)
        opened_run.scoring.measure()

    settings = replace(QUICK, epochs=12)
    result_of = record_table(path, find("iris", seed=3), settings, observers=[look])
    assert seen
    assert all(found <= last <= now for now, found, last in seen)
    assert (opened_run.run.concluded, opened_run.run.scores) == (False, None)
    opened_run.reread()
    assert opened_run.run.concluded
    assert opened_run.run.scores == result_of.scores
    assert opened_run.subject().step == 48


def test_reading_a_manifest_again_that_has_not_changed_keeps_the_run_with_its_data(iris):
    iris.rows()
    run = iris.run
    iris.reread()
    assert iris.run is run


def test_states_are_computed_once(iris, monkeypatch):
    iris.subject(5)
    monkeypatch.setattr(opened_runs.Run, "state", None)
    assert iris.subject(5).step == 5


def test_states_are_kept_in_so_many_bytes_and_the_oldest_goes(iris, monkeypatch):
    size = iris.subject(1).state
    size = size.theta.nbytes + size.opt_state.nbytes
    asked, real = [], opened_runs.Run.state
    monkeypatch.setattr(opened_runs.Run, "state", lambda run, at: asked.append(at) or real(run, at))
    iris.states.most = 3 * size
    for step in (1, 2, 3, 1, 4, 2):
        assert iris.state(step).theta.tobytes() == real(iris.run, step).theta.tobytes()
    assert asked == [2, 3, 4, 2]  # 1 was wanted once more before 4 came: 2 had to go
    for step in (1, 4, 2):
        iris.state(step)
    assert len(asked) == 4  # all three are kept
    iris.states.most = 0
    for step in (5, 2, 5):
        iris.state(step)
    assert asked[4:] == [5]  # the latest two are, whatever their size
    iris.state(4)
    assert asked[5:] == [4]


def test_a_run_that_is_no_longer_looked_at_is_let_go_at_once(folder):
    opened_run = OpenedRun(open_run(folder / "iris.run"))
    opened_run.state(3)
    gone = ref(opened_run.states)
    gc.disable()
    try:
        del opened_run
        assert gone() is None
    finally:
        gc.enable()


def test_the_points_of_the_curves_are_the_measures_of_the_states(iris, monkeypatch):
    monkeypatch.setattr(scoring, "POINTS", 4)
    iris.scoring.measure()
    points = {point.step: point for point in iris.scoring.points}
    assert sorted(points) == [0, 2, 4, 6, 8]
    for step, point in points.items():
        theta = Parameters(iris.run.net.sizes, iris.run.state(step).theta)
        assert list(point.by_part) == ["training", "test"]
        for part, rows in iris.rows().items():
            assert point.by_part[part] == measure(iris.run.net, theta, Data(rows.X, rows.Y))
    assert points[LAST].by_part["test"][1] == pytest.approx(iris.run.scores.accuracy)


def test_of_many_states_some_60_are_measured_spread_evenly(iris, monkeypatch):
    opened_run, known = iris, [SimpleNamespace(step=step) for step in range(241)]
    start = opened_run.run.state(0)
    monkeypatch.setattr(opened_runs.Run, "snapshots", lambda run: known)
    monkeypatch.setattr(snapshots, "read", lambda path, one, plan: replace(start, step=one.step))
    monkeypatch.setattr(scoring, "SHORT", 0)
    measured = []
    monkeypatch.setattr(scoring, "measure", lambda *given: measured.append(given) or (0.5, 0.5))
    opened_run.scoring.measure()
    steps = [point.step for point in opened_run.scoring.points]
    assert (steps[0], steps[-1]) == (0, 240)
    assert 30 <= len(steps) <= 62
    assert len(measured) == 2 * len(steps)
    assert max(np.diff(steps)) <= 2 * 240 / 30
    opened_run.scoring.measure()
    assert len(measured) == 2 * len(steps)


def test_while_a_training_goes_on_what_was_measured_stays_and_only_the_latest_is_added(
    iris, monkeypatch
):
    scores, start, known, asked = iris.scoring, iris.run.state(0), [], 0
    monkeypatch.setattr(opened_runs.Run, "snapshots", lambda run: known)
    monkeypatch.setattr(scoring, "SHORT", 0)
    monkeypatch.setattr(scoring, "measure", lambda *given: (0.5, 0.5))
    read = []

    def of_step(path, one, plan):
        read.append(one.step)
        return replace(start, step=one.step)

    monkeypatch.setattr(snapshots, "read", of_step)
    for last in range(0, 4000, 50):
        known[:] = [SimpleNamespace(step=step) for step in range(0, last + 1, 5)]
        read.clear()
        scores.measure()
        assert len(read) <= 11
        asked += len(read)
        steps = [point.step for point in scores.points]
        assert (steps[0], steps[-1]) == (0, last)
        assert len(steps) <= 62
    assert asked <= 80 + 7 * 30  # the latest of each time, and what a doubled span leaves room for


def test_what_the_curves_are_drawn_from_is_read_once(iris, monkeypatch):
    iris.scoring.measure()  # takes steps again, whose costs are compared with those recorded
    read, real = [], events.costs
    monkeypatch.setattr(events, "costs", lambda db, *of: read.append(of) or real(db, *of))
    for name in ("costs", "statistics", "history"):
        monkeypatch.setattr(opened_runs.Run, name, None)
    first = curves_panel.seen(iris)
    again = curves_panel.seen(iris)
    assert read == [(0, LAST), (LAST, LAST)]
    assert len(again.costs) == LAST
    assert first.costs.tobytes() == again.costs.tobytes()
    assert first.epochs == again.epochs


def test_a_point_is_of_the_first_2000_rows(iris, monkeypatch):
    assert scoring.MOST == 2000
    monkeypatch.setattr(scoring, "MOST", 10)
    monkeypatch.setattr(scoring, "SHORT", 0)
    iris.scoring.measure()
    rows, point = iris.rows()["training"], iris.scoring.points[-1]
    theta = Parameters(iris.run.net.sizes, iris.run.state(point.step).theta)
    assert point.by_part["training"] == measure(iris.run.net, theta, Data(rows.X[:10], rows.Y[:10]))


def test_a_training_that_ended_says_how_well_it_predicts(folder):
    iris, houses, arrays = (
        open_run(folder / f"{name}.run") for name in ("iris", "houses", "arrays")
    )
    right = f"{share(iris.scores.accuracy)} of the 30 test rows are right; always saying "
    assert scoring.words_of(iris).startswith(right)
    assert scoring.words_of(houses).startswith(
        f"R² {written_r2(houses.scores.r2)}; off by {number(houses.scores.absolute_error)} on average, "
    )
    assert scoring.words_of(arrays) == ""
    wild = replace(houses.scores, r2=-2.1125466e31)
    diverged = replace(houses, manifest=houses.manifest | {"scores": wild.to_dict()})
    assert scoring.words_of(diverged).startswith("R² -2.113e+31; off by ")


def test_two_threads_measure_a_run_once(iris, monkeypatch):
    begun, go_on, real = threading.Event(), threading.Event(), scoring.measure
    measuring = []

    def wait(*given):
        measuring.append(threading.current_thread())
        begun.set()
        assert go_on.wait(60)
        return real(*given)

    monkeypatch.setattr(scoring, "measure", wait)
    first = threading.Thread(target=iris.scoring.measure)
    first.start()
    assert begun.wait(60)
    iris.scoring.measure()
    assert iris.scoring.points == []
    go_on.set()
    first.join()
    assert iris.scoring.points and set(measuring) == {first}


def test_what_training_has_encoded_is_not_encoded_again(folder):
    config = ModelConfig(find("iris", seed=3), QUICK)
    opened_run = OpenedRun.open(folder / "iris.run", config.tabulated)
    assert opened_run.rows()["training"].X is config.tabulated.data["training"].X
    assert opened_run.state(3).step == 3
