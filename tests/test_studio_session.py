"""What is worked on in the studio, before a browser shows it: tables, networks drawn up, runs opened."""

import io
import json
import os
import shutil
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import whygrad as wg
from damaging import edit_manifest
from houses import QUICK, houses, write
from whygrad.answers.widget.view import choose
from whygrad.errors import FileError, InputError
from whygrad.nn.network import Parameters
from whygrad.pipeline.fit import find, find_again, prepare_training, ready, tabulate
from whygrad.pipeline.settings import Settings
from whygrad.record import open_run
from whygrad.record.files import manifest
from whygrad.record.files.location import only_writer
from whygrad.record.rows import record_table
from whygrad.studio.page.data_panel import on_the_page
from whygrad.studio.process.worker import Status
from whygrad.studio.session import model_config as configs
from whygrad.studio.session import runs as runs_of
from whygrad.studio.session import session as sessions
from whygrad.studio.session import uploads
from whygrad.studio.session.model_config import ModelConfig, subject_of
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.questions import Question, answer
from whygrad.studio.session.session import Session
from whygrad.studio.session.subject import Chosen, overview
from whygrad.studio.session.uploads import holds_run, keep, keep_model, keep_run, keep_table

PATIENCE = 60.0  # seconds, after which something hangs


@pytest.fixture
def session(tmp_path):
    found = Session(tmp_path)
    found.load("iris", settings=QUICK)
    return found


# ── a network that is drawn up ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("settings", [QUICK, replace(QUICK, hidden=None, l1=0.1, dropout=0.2)])
def test_a_table_encoded_once_gives_the_trainings_that_it_gives_anew(settings):
    source = find("iris", seed=3)
    given = tabulate(source, Settings(seed=3, hidden=(50,)))
    now, anew = ready(given, settings), prepare_training(source, settings)
    assert now.settings == anew.settings
    assert now.training.plan == anew.training.plan
    assert now.encoding == anew.encoding
    assert now.training.state.theta.tobytes() == anew.training.state.theta.tobytes()
    for one, other in ((now.training.data, anew.training.data),):
        assert one.X.tobytes() == other.X.tobytes()
        assert one.Y.tobytes() == other.Y.tobytes()
    for part in ("training", "test"):
        assert now.part(part).X.tobytes() == anew.part(part).X.tobytes()


def test_a_draft_starts_from_the_parameters_that_training_starts_from(session, tmp_path):
    record_table(tmp_path / "iris.run", find("iris", seed=3), QUICK)
    start = open_run(tmp_path / "iris.run").state(0)
    subject = session.subject()
    assert subject.theta.flat.tobytes() == start.theta.tobytes()
    assert (subject.step, subject.last, subject.run, subject.notice) == (0, 0, None, "")


def test_a_table_is_encoded_once_while_only_the_network_changes(session, monkeypatch):
    asked = []
    monkeypatch.setattr(configs, "tabulate", lambda *given: asked.append(given) or tabulate(*given))
    before = session.config.tabulated
    session.set(activation="tanh", learning_rate=0.5, l2=0.1, epochs=7, cost="squared_error")
    session.edit("add_unit", 1)
    session.edit("add_layer", 1)
    assert session.config.tabulated is before
    assert asked == []
    session.set(seed=4)
    assert session.config.tabulated is not before
    assert len(asked) == 1


def test_two_tables_are_kept_where_both_are_small(session, monkeypatch):
    first, second = session.config, replace(session.config, settings=replace(QUICK, seed=4))
    one, other = first.tabulated, second.tabulated
    assert (first.tabulated, second.tabulated) == (one, other)
    monkeypatch.setattr(configs.encoded_tables, "most", 0)
    assert second.tabulated is other
    assert first.tabulated is not one


def test_counts_are_encoded_otherwise_for_the_poisson_cost(tmp_path):
    session = Session(tmp_path)
    session.load(str(houses(tmp_path)), "price", QUICK)
    plain = session.config.tabulated.encoding.target
    session.set(cost="poisson")
    counts = session.config.tabulated.encoding.target
    assert counts.center == 0 != plain.center
    assert subject_of(session.config).plan.net.C.name == "poisson"


def test_units_and_layers_are_added_and_removed(session):
    def hidden(kind, layer):
        session.edit(kind, layer)
        assert session.subject().net.sizes == (4, *session.config.hidden, 3)
        return session.config.hidden

    assert session.config.hidden == (5, 4)
    assert hidden("add_unit", 2) == (5, 5)
    assert hidden("remove_unit", 1) == (4, 5)
    assert hidden("add_layer", 1) == (4, 4, 5)  # before the first, as wide as that
    assert hidden("add_layer", 4) == (4, 4, 5, 5)  # before the output, as wide as the last
    assert hidden("remove_layer", 2) == (4, 5, 5)
    for _ in range(3):
        hidden("remove_layer", 1)
    assert session.config.hidden == ()
    assert hidden("add_layer", 1) == (8,)
    for _ in range(9):
        hidden("remove_unit", 1)
    assert session.config.hidden == (1,)


@pytest.mark.parametrize(
    "kind, layer", [("add_unit", 0), ("add_unit", 3), ("remove_layer", 9), ("add_layer", 4)]
)
def test_a_layer_that_is_not_there_is_not_changed(session, kind, layer):
    with pytest.raises(InputError, match=rf"^layer {layer}: the hidden layers are 1 to 2$"):
        session.edit(kind, layer)
    assert session.config.hidden == (5, 4)


def test_what_is_too_large_is_refused_before_it_is_made(session, monkeypatch):
    def never(*given):
        raise AssertionError("made")

    monkeypatch.setattr(configs, "ready", never)
    instead = "train it with `whygrad train` and open its run"
    for hidden, message in (
        ((10**9,), f"a hidden layer of 1000000000 units: 512 here at most; {instead}"),
        ((4,) * 7, f"7 hidden layers: 6 here at most; {instead}"),
    ):
        with pytest.raises(InputError) as refused:
            session.set(hidden=hidden)
        assert str(refused.value) == message
    assert session.config.settings == QUICK


def test_too_many_weights_are_refused():
    with pytest.raises(InputError, match=r"^2,097,665 weights: 2,000,000 here at most; train it"):
        configs.check_size((4096 - 1, 512, 1))
    configs.check_size((3000, 512, 1))


def test_a_layer_grows_up_to_its_limit(session):
    session.set(hidden=(511,))
    session.edit("add_unit", 1)
    with pytest.raises(InputError, match=r"^a hidden layer of 513 units: 512 here at most"):
        session.edit("add_unit", 1)
    assert session.config.hidden == (512,)


def test_a_target_of_a_thousand_classes_is_refused_with_what_to_do(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(f"{x:.3f}", f"c{i % 1000}") for i, x in enumerate(rng.normal(size=3300))]
    session = Session(tmp_path)
    with pytest.raises(InputError) as refused:
        session.load(str(write(tmp_path, "names.csv", "x,name", rows)), "name", QUICK)
    assert str(refused.value) == (
        "the target has 1000 classes: 100 here at most; train it with `whygrad train` and open its run, "
        "or choose another target"
    )
    assert session.config.title == "spirals"  # what was there before stays


def test_settings_that_do_not_fit_leave_the_network_as_it_was(session):
    for changes in (
        {"learning_rate": -1},
        {"batch_size": 10**6},
        {"cost": "poisson"},
        {"dropout": 1.0},
    ):
        with pytest.raises(InputError):
            session.set(**changes)
    assert session.config.settings == QUICK


def test_what_the_page_says_of_columns_names_no_option_of_the_command_line(tmp_path):
    path = tmp_path / "sold.csv"
    rows = [
        f"2020-{m:02}-{d:02},{'A7' if d % 7 else d},{m * d}/{d + 60},{-999 if d < 3 else d},{m * d}"
        for m in (1, 2, 3)
        for d in range(1, 28)
    ]  # noqa: E501
    path.write_text("\n".join(["day,code,the pressure,size,price", *rows]))
    session = Session(tmp_path)
    session.load(str(path), "price", QUICK)
    encoding = session.config.ready.encoding
    said = [*encoding.notes, *(one.note for one in encoding.facts)]
    assert any("--test last" in note for note in said)
    assert not any("--" in on_the_page(note) for note in said)
    assert any("“Take -999 for missing” takes it for one" in on_the_page(note) for note in said)
    session.set(test="last", na=("-999",))
    left = session.config.ready.encoding.notes
    assert not any("--test last" in note or "-999" in note for note in left)


def test_columns_can_be_left_out(tmp_path):
    path = houses(tmp_path)
    session = Session(tmp_path)
    session.load(str(path), "price", replace(QUICK, leave_out=("age",)))
    assert "age" not in session.subject().names.inputs
    assert session.config.title == "houses.csv"
    assert session.config.given == str(path)


def test_every_data_set_that_is_drawn_opens_with_a_network_of_its_own(tmp_path):
    session = Session(tmp_path)
    assert session.config.title == "spirals"
    version = session.version
    session.load("xor")
    assert session.version > version
    assert (session.config.hidden, session.speed) == ((4,), 100.0)
    session.load("iris")
    assert (session.config.hidden, session.speed) == ((6,), None)


# ── runs that are opened ─────────────────────────────────────────────────────────────────────────────


def test_an_opened_run_gives_the_network_to_build_another_from(tmp_path):
    record_table(tmp_path / "iris.run", find("iris", seed=3), QUICK)
    session = Session(tmp_path, open_run(tmp_path / "iris.run"))
    assert session.config.hidden == (5, 4)
    assert session.subject().step == session.opened_run.step == 8
    session.reset()
    assert session.opened_run is None
    assert session.subject().step == 0
    assert session.subject().plan == subject_of(ModelConfig(find("iris", seed=3), QUICK)).plan


def test_a_run_and_the_network_to_build_from_it_share_one_encoding(tmp_path):
    record_table(tmp_path / "iris.run", find("iris", seed=3), QUICK)
    session = Session(tmp_path, open_run(tmp_path / "iris.run"))
    assert session.config.tabulated.data["training"].X is session.opened_run.rows()["training"].X


def test_a_run_on_arrays_is_shown_but_no_table_comes_with_it(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    net = wg.Network(3, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    wg.train(net, X, y, epochs=3, record=tmp_path / "a.run", engine="reference")
    session = Session(tmp_path, open_run(tmp_path / "a.run"))
    assert session.config is None
    assert session.subject().net.sizes == (3, 4, 1)
    for refused in (lambda: session.set(learning_rate=0.1), lambda: session.edit("add_unit", 1)):
        with pytest.raises(InputError, match="^This run was opened as it is: choose data first"):
            refused()


def test_a_network_without_a_run_is_shown(tmp_path):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "identity")])
    X = np.random.default_rng(0).normal(size=(20, 2))
    fitted = wg.train(net, X, X[:, :1], epochs=2)
    subject = Session(tmp_path, fitted).subject()
    assert subject.theta.flat.tobytes() == fitted.theta.flat.tobytes()
    assert subject.parts == {}
    assert "came without its data" in subject.notice


def test_a_fork_needs_a_training_and_its_data(tmp_path):
    session = Session(tmp_path)
    with pytest.raises(InputError, match="there is no training yet"):
        session.fork(0, learning_rate=0.1)
    path = houses(tmp_path)
    record_table(tmp_path / "h.run", find(str(path), "price"), QUICK, copy_data=False)
    path.unlink()
    session.open(tmp_path / "h.run")
    with pytest.raises(InputError, match=r"houses\.csv"):
        session.fork(1, learning_rate=0.1)
    assert session.worker is None


def test_a_fork_on_painted_points_keeps_names_and_the_way_back_to_the_table(tmp_path):
    record_table(tmp_path / "s.run", find("spirals"), replace(QUICK, epochs=2))
    run = wg.open_run(tmp_path / "s.run")
    X, Y = run.data.X, run.data.Y
    fork = run.fork(1, record=tmp_path / "f.run", data=(X[:50], Y[:50]), epochs=3)
    again = fork.fork(2, record=tmp_path / "g.run", data=(X[:40], Y[:40]), epochs=4)
    slower = again.fork(2, record=tmp_path / "h.run", learning_rate=0.001)
    session = Session(tmp_path)
    session.open(run.path)
    names = session.subject().names
    assert (names.inputs, names.classes) == (("x", "y"), ("first", "second"))
    for one in (fork, again, slower):
        assert not one.on_table and replace(one.why.names, in_words=True) == names
        session.open(one.path)
        assert session.subject().names == names
        assert session.config is not None and session.config.given == "spirals"
    session.reset()
    assert session.opened_run is None and session.subject().net.sizes == run.net.sizes
    wg.train(run.net, X, Y, epochs=1, record=tmp_path / "arrays.run", engine="reference")
    assert "names" not in wg.open_run(tmp_path / "arrays.run").manifest


def test_a_run_that_calls_itself_its_parent_is_shown(tmp_path):
    net = wg.Network(2, [wg.Dense(1)])
    wg.train(net, np.eye(2), [0.0, 1.0], epochs=1, record=tmp_path / "a.run", engine="reference")
    about = json.loads((tmp_path / "a.run" / manifest.NAME).read_text())
    about["parent"] = {"run": "a.run", "id": about["id"], "step": 0, "changes": {}}
    about[manifest.DIGEST] = manifest.digest(about)
    (tmp_path / "a.run" / manifest.NAME).write_text(json.dumps(about))
    session = Session(tmp_path)
    session.open(tmp_path / "a.run")
    assert session.opened_run.run.manifest["parent"]["id"] == about["id"]
    assert session.config is None


def test_a_run_that_is_too_large_to_be_trained_live_is_shown_and_asked(tmp_path):
    settings = replace(QUICK, hidden=(600,), epochs=1, l2=0.0)
    record_table(tmp_path / "big.run", find("iris", seed=3), settings)
    session = Session(tmp_path, open_run(tmp_path / "big.run"))
    assert session.config is None
    message = (
        "This run is shown as it is, no other network is built from it here: a hidden layer of 600 units: "
        "512 here at most; train it with `whygrad train` and open its run"
    )
    assert session.no_config == message
    with pytest.raises(InputError) as refused:
        session.set(learning_rate=0.1)
    assert str(refused.value) == message
    subject = session.subject(2)
    assert subject.net.sizes == (4, 600, 3)
    assert subject.step == 2
    asked = answer(subject, Question("1:599,2", "weight", Chosen()))
    assert asked.value == wg.why.weight(*one_of(subject), layer=1, to=599, from_=2).value
    shown = choose(overview(subject, Chosen()))
    assert 0 < len(shown[1]) < 100


def one_of(subject):
    """The network and its first example, as the functions of `wg.why` take them."""
    theta = Parameters(subject.net.sizes, subject.theta.flat.astype(np.float64))
    return subject.net, theta, *subject.examples(Chosen())


# ── a training is shown with the examples that it learns from ────────────────────────────────────────


def followed(session):
    """Wait until the run that was begun is there, and its training has ended."""
    session.worker.wait(lambda status: status.over)
    assert session.follow()
    return session.opened_run


def test_another_seed_of_the_training_draws_no_other_data_set(tmp_path):
    session = Session(tmp_path)
    session.load("moons", settings=replace(QUICK, seed=0))
    shown = session.config.source.table
    session.set(seed=5)
    session.set_speed(None)
    session.go()
    opened_run = followed(session)
    assert opened_run.run.manifest["data"]["seed"] == 0
    assert opened_run.run.settings.seed == 5
    assert find_again(opened_run.run.manifest["data"], "class", None).table == shown
    assert opened_run.rows()["training"].X is session.config.tabulated.data["training"].X
    again = OpenedRun.open(opened_run.path)
    for part, rows in again.rows().items():
        assert rows.X.tobytes() == opened_run.rows()[part].X.tobytes()
    assert again.notice == ""


@pytest.mark.parametrize("part", ["training", "validation", "test"])
def test_rows_that_are_not_those_trained_on_are_never_shown_with_a_run(tmp_path, part):
    path = houses(tmp_path)
    session = Session(tmp_path)
    session.load(str(path), "price", replace(QUICK, validation=0.2))
    line = int(getattr(session.config.tabulated.parts, part)[0]) + 1
    lines = path.read_text().splitlines()
    size, *rest = lines[line].split(",")
    lines[line] = ",".join([str(float(size) + 0.25), *rest])
    path.write_text("\n".join(lines) + "\n")
    session.set_speed(None)
    session.go()
    opened_run = followed(session)
    X = opened_run.subject().parts[part].X
    assert X.tobytes() != session.config.tabulated.data[part].X.tobytes()
    assert X.tobytes() == OpenedRun.open(opened_run.path).rows()[part].X.tobytes()


def test_where_the_rows_trained_on_are_gone_others_do_not_take_their_place(tmp_path):
    path = houses(tmp_path)
    record_table(tmp_path / "h.run", find(str(path), "price"), QUICK, copy_data=False)
    path.unlink()
    others = tabulate(find(str(houses(tmp_path, "others.csv", 44)), "price"), QUICK)
    gone = OpenedRun.open(tmp_path / "h.run", others)
    assert gone.subject().parts == {}
    assert "no such file" in gone.notice


# ── several tabs at once ─────────────────────────────────────────────────────────────────────────────


class Slow:
    """A training process that ends only once it may."""

    def __init__(self, path):
        self.path, self.status = path, Status("running")
        self.closing, self.may_end, self.told = Event(), Event(), []

    def command(self, what):
        self.told.append(what)

    def close(self):
        self.closing.set()
        assert self.may_end.wait(PATIENCE)
        self.status = Status("ended")


@contextmanager
def beside(work):
    """Do something in another thread, which must have ended when this has."""
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(work)
        yield found
        found.result(PATIENCE)


def gated(monkeypatch, place, name):
    """Make the first call of a function wait; return two events: it has begun, it may go on."""
    begun, may_go, real = Event(), Event(), getattr(place, name)

    def first(*given):
        if not begun.is_set():
            begun.set()
            assert may_go.wait(PATIENCE)
        return real(*given)

    monkeypatch.setattr(place, name, first)
    return begun, may_go


def test_of_two_changes_at_once_none_is_lost(session, monkeypatch):
    begun, may_go = gated(monkeypatch, sessions, "checked")
    with beside(lambda: session.set(learning_rate=0.5)):
        assert begun.wait(PATIENCE)
        with beside(lambda: session.set(l2=0.25)) as second:
            wait([second], 0.2)  # it may be done by now, where it does not wait for the first
            may_go.set()
    assert (session.config.settings.learning_rate, session.config.settings.l2) == (0.5, 0.25)


def test_nobody_waits_for_a_process_that_takes_its_time_to_end(session, tmp_path):
    slow = Slow(tmp_path / "slow.run")
    session.now = replace(session.now, worker=slow)
    with beside(lambda: session.load("xor")):
        assert slow.closing.wait(PATIENCE)
        assert (session.config.title, session.status, session.active) == ("xor", None, False)
        with beside(lambda: session.load("moons")) as other:
            other.result(PATIENCE)
            assert session.config.title == "moons"
            slow.may_end.set()


def test_a_process_begins_once_the_one_before_it_is_over(session, tmp_path, monkeypatch):
    slow, begun = Slow(tmp_path / "slow.run"), Event()

    def start(*given, **more):
        assert slow.status.over
        begun.set()
        return Slow(given[0])

    monkeypatch.setattr(sessions.Worker, "start", start)
    session.now = replace(session.now, worker=slow)
    with beside(session.reset):
        assert slow.closing.wait(PATIENCE)
        with beside(session.go):
            assert not begun.wait(0.2)
            slow.may_end.set()
    assert begun.is_set()


def test_a_process_that_begins_while_the_studio_ends_is_ended(session, tmp_path, monkeypatch):
    slow = Slow(tmp_path / "slow.run")
    slow.may_end.set()

    def start(*given, **more):
        session.close()
        return slow

    monkeypatch.setattr(sessions.Worker, "start", start)
    session.go()
    assert slow.closing.is_set()


def test_two_tabs_open_a_new_run_once(session, tmp_path, monkeypatch):
    record_table(tmp_path / "new.run", find("iris", seed=3), QUICK)
    session.now = replace(session.now, worker=Slow(tmp_path / "new.run"))
    version = session.version
    begun, may_go = gated(monkeypatch, sessions.OpenedRun, "open")
    with beside(session.follow) as first:
        assert begun.wait(PATIENCE)
        assert session.follow() is False
        assert session.opened_run is None
        may_go.set()
    assert first.result() is True
    assert session.follow() is False
    assert session.opened_run.path == tmp_path / "new.run"
    assert session.version == version + 1


def test_a_comparison_leaves_every_tab_where_it_looks(session, tmp_path):
    record_table(tmp_path / "other.run", find("iris", seed=3), QUICK)
    version, before = session.version, session.now
    session.compare(tmp_path / "other.run")
    assert [one.path for one in session.others] == [tmp_path / "other.run"]
    assert session.version == version
    assert session.now is not before
    session.compare()
    assert session.others == ()


def test_the_runs_of_the_folder_are_given_newest_first(session, tmp_path):
    for name, at in (("b", 2), ("a", 1), ("c", 2)):
        (tmp_path / f"{name}.run").mkdir()
        (tmp_path / f"{name}.run" / "manifest.json").touch()
        os.utime(tmp_path / f"{name}.run" / "manifest.json", (at, at))
    (tmp_path / "no.run").mkdir()
    assert list(session.runs().items()) == [
        (name, tmp_path / name) for name in ("b.run", "c.run", "a.run")
    ]


@pytest.fixture
def two_runs(session, tmp_path):
    """The studio with two runs of the folder, the second of which is better and shown."""
    for name, epochs in (("worse", 1), ("better", 40)):
        record_table(tmp_path / f"{name}.run", find("iris"), replace(QUICK, epochs=epochs))
    session.open(tmp_path / "better.run")
    return session


def test_runs_are_a_table_with_the_best_first_renamed_deleted_and_put_back(two_runs, tmp_path):
    table = runs_of.RunTable(two_runs)
    (tmp_path / "broken.run").mkdir()
    (tmp_path / "broken.run" / "manifest.json").write_text("{")
    rows = table.rows()
    assert [row["name"] for row in rows] == ["better.run", "worse.run", "broken.run"]
    assert rows[0]["score"] == open_run(tmp_path / "better.run").scores.accuracy
    assert rows[0]["network"].startswith("4-")
    assert rows[0]["epochs"] == 40
    assert "manifest" in rows[2]["settings"]  # why it cannot be opened
    runs_of.renamed(two_runs, "better.run", "Best one")
    assert two_runs.opened_run.path == tmp_path / "Best one.run"
    two_runs.subject()
    two_runs.compare(tmp_path / "worse.run")
    put = runs_of.deleted(two_runs, ["worse.run", "Best one.run"])
    assert two_runs.opened_run is None
    assert two_runs.others == ()
    assert [row["name"] for row in table.rows()] == ["broken.run"]
    assert {path.name for path in runs_of.restored(two_runs, put)} == {"worse.run", "Best one.run"}
    assert len(table.rows()) == 3
    assert not (tmp_path / ".trash").exists()


def test_no_run_that_is_written_taken_or_elsewhere_is_moved(two_runs, tmp_path):
    def refused(words, work, *args):
        with pytest.raises((FileError, InputError), match=words):
            work(two_runs, *args)

    with only_writer(tmp_path / "better.run"):
        refused("being written", runs_of.deleted, ["better.run"])
        refused("being written", runs_of.renamed, "better.run", "other")
    two_runs.now = replace(two_runs.now, worker=Slow(tmp_path / "worse.run"))
    refused("is being trained", runs_of.deleted, ["worse.run"])
    two_runs.now = replace(two_runs.now, worker=None)
    refused("exists already", runs_of.renamed, "worse.run", "better")
    for name in ("", "../out", ".hidden", "a/b", "a" * 200, "a\nb"):
        refused("no name for a run", runs_of.renamed, "worse.run", name)
    refused("not in the folder", runs_of.deleted, ["../elsewhere.run"])
    refused("not a run of this folder", runs_of.deleted, ["better.run/members"])
    assert {path.name for path in two_runs.runs().values()} == {"better.run", "worse.run"}


def test_a_run_that_is_opened_while_it_is_trained_goes_on(session, tmp_path):
    slow = Slow(tmp_path / "now.run")
    session.now = replace(session.now, worker=slow)
    session.open(tmp_path / "now.run")
    assert session.worker is slow
    assert not slow.closing.is_set()


# ── nothing outside of the folder ────────────────────────────────────────────────────────────────────


@pytest.fixture
def apart(tmp_path):
    """A folder for the studio; beside it a table, and a run on that table that is copied into it."""
    folder, outside = tmp_path / "inside", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    path = houses(outside)
    record_table(outside / "h.run", find(str(path), "price"), QUICK, copy_data=False)
    shutil.copytree(outside / "h.run", folder / "h.run")
    return folder, outside


def test_no_table_outside_of_the_folder_is_read(apart):
    folder, outside = apart
    session = Session(folder)
    for given in (str(outside / "houses.csv"), "../outside/houses.csv"):
        with pytest.raises(FileError, match="not in the folder that the studio was started in"):
            session.load(given, "price")
    (folder / "link.csv").symlink_to(outside / "houses.csv")
    with pytest.raises(FileError, match="not in the folder"):
        session.load("link.csv", "price")


def test_the_data_of_a_run_that_lies_in_the_folder_are_read_from_the_folder_alone(apart):
    folder, _ = apart
    session = Session(folder)
    session.open(folder / "h.run")
    subject = session.subject()
    assert subject.parts == {}
    assert "not in the folder that the studio was started in" in subject.notice
    assert session.config is None
    session.compare(folder / "h.run")
    assert session.others[0].rows() == {}


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_nor_are_parquet_files_that_a_run_names_by_a_folder_or_an_address(apart, form):
    folder, outside = apart
    (outside / "big").mkdir(exist_ok=True)
    x = np.random.default_rng(0).normal(size=60)
    pq.write_table(pa.table({"x": x, "y": 2 * x}), outside / "big" / "0.parquet")
    given, run = form.format(outside / "big"), folder / "big.run"
    wg.train_folder(
        given, "y", hidden=(2,), epochs=1, engine="reference", record=run, overwrite=True
    )
    session = Session(folder)
    session.open(run)
    assert session.subject().parts == {}
    assert "not in the folder that the studio was started in" in session.subject().notice
    assert Session(folder, open_run(run)).subject().parts != {}


def test_the_data_of_the_run_that_the_user_named_are_read_from_wherever_they_are(apart):
    folder, outside = apart
    for path in (folder / "h.run", outside / "h.run"):
        session = Session(folder, open_run(path))
        assert list(session.subject().parts) == ["training", "test"]
        assert session.config.given == str(outside / "houses.csv")


def test_no_run_outside_of_the_folder_is_opened(apart):
    folder, outside = apart
    session = Session(folder)
    (folder / "linked.run").symlink_to(outside / "h.run")
    for path in (outside / "h.run", folder / ".." / "outside" / "h.run", folder / "linked.run"):
        for read in (session.open, session.compare):
            with pytest.raises(FileError, match="not in the folder"):
                read(path)
    assert session.opened_run is None
    assert session.others == ()


def test_a_run_whose_files_are_links_that_lead_out_is_not_opened(apart):
    folder, outside = apart
    snapshots = folder / "h.run" / "snapshots"
    shutil.rmtree(snapshots)
    snapshots.symlink_to(outside / "h.run" / "snapshots")
    with pytest.raises(FileError, match="snapshots: not in the folder"):
        Session(folder).open(folder / "h.run")


def test_a_manifest_cannot_name_a_file_as_a_data_set(apart):
    folder, outside = apart
    path = folder / "h.run"
    about = json.loads((path / "manifest.json").read_text())
    data = {name: value for name, value in about["data"].items() if name != "path"}
    data |= {"kind": "data set", "name": str(outside / "houses.csv"), "seed": 0}
    edit_manifest(path, data=data)
    with pytest.raises(
        FileError, match=r"in its manifest\.json data\.name is .*: it must be one of"
    ):
        OpenedRun.open(path, folder=folder)


# ── files that are uploaded ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name, kept",
    [
        ("houses.csv", "houses.csv"),
        ("../../etc/houses.csv", "houses.csv"),
        ("C:\\data\\houses.CSV", "houses.csv"),
        ("häuser (2) größe.parquet", "häuser (2) größe.parquet"),
        ("a;b\n$(rm).csv", "a_b_(rm).csv"),
        ("..csv.csv", "csv.csv"),
        ("…\u202e.tsv", "_.tsv"),
    ],
)
def test_an_upload_is_kept_in_the_folder_under_a_name_of_its_own(tmp_path, name, kept):
    path = keep(tmp_path, name, b"x")
    assert path == tmp_path / kept
    assert [one.name for one in tmp_path.iterdir()] == [kept]


def test_the_same_upload_twice_is_one_file_and_another_one_has_another_name(tmp_path):
    first = keep(tmp_path, "a.csv", b"1")
    assert keep(tmp_path, "a.csv", b"1") == first
    second = keep(tmp_path, "a.csv", b"2")
    assert second.name == "a-2.csv"
    assert keep(tmp_path, "a.csv", b"2") == second
    assert keep(tmp_path, "a.csv", b"3").name == "a-3.csv"
    assert first.read_bytes() == b"1"
    (tmp_path / "b.csv").mkdir()
    assert keep(tmp_path, "b.csv", b"1").name == "b-2.csv"


@pytest.mark.parametrize("name", ["a.exe", "a.csv.html", "csv", ".csv", "..", "", "a.csv/"])
def test_what_is_no_table_is_not_kept(tmp_path, name):
    with pytest.raises(InputError, match="not a table that can be read: upload CSV"):
        keep(tmp_path, name, b"x")
    assert list(tmp_path.iterdir()) == []


def test_an_upload_never_follows_a_link_or_an_overlong_name_out_of_the_folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.csv").write_bytes(b"secret")
    (folder / "a.csv").symlink_to(tmp_path / "gone.csv")
    assert keep(folder, "a.csv", b"x").resolve().is_relative_to(folder)
    (folder / "s.csv").symlink_to(tmp_path / "secret.csv")
    assert keep(folder, "s.csv", b"secret").resolve().is_relative_to(folder)
    assert not (tmp_path / "gone.csv").exists()
    assert len(keep(folder, "é" * 500 + ".csv", b"x").name.encode()) <= 255


def test_an_empty_upload_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^a\.csv: the file is empty$"):
        keep(tmp_path, "a.csv", b"")


def test_an_upload_that_is_no_table_leaves_no_file_behind_unless_it_was_there(tmp_path):
    ragged = b"a,b\n1,2\n1\n"
    with pytest.raises(FileError, match=r"ragged\.csv"):
        keep_table(tmp_path, "ragged.csv", ragged)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ragged.csv").write_bytes(ragged)
    with pytest.raises(FileError, match=r"ragged\.csv"):
        keep_table(tmp_path, "ragged.csv", ragged)
    assert [path.name for path in tmp_path.iterdir()] == ["ragged.csv"]
    path, table = keep_table(tmp_path, "good.csv", b"a,b\n1,2\n")
    assert (path.name, table.num_rows) == ("good.csv", 1)


@pytest.fixture(scope="module")
def packed_run(tmp_path_factory):
    """A run packed as a zip archive, as a file manager packs a folder."""
    folder = tmp_path_factory.mktemp("packed")
    net = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(1, "sigmoid")])
    wg.train(net, [[0.0, 1.0], [1.0, 1.0]], [0, 1], epochs=3, record=folder / "small.run")
    return Path(shutil.make_archive(folder / "sent", "zip", folder, "small.run")).read_bytes()


def changed_archive(content, change):
    """Return an archive whose entries, as (information, bytes), were changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for about, data in change([(one, old.read(one)) for one in old.infolist()]):
            new.writestr(about, data)
    return made.getvalue()


def with_file(name, mode=0):
    """Return a change that adds a file."""
    about = zipfile.ZipInfo(name)
    about.external_attr = mode << 16
    return lambda entries: [*entries, (about, b"/etc/passwd")]


def test_a_run_that_is_dropped_as_zip_is_opened_as_it_was(session, tmp_path, packed_run):
    assert holds_run("sent.zip", packed_run) and not holds_run("sent.csv", packed_run)
    path = keep_run(tmp_path, "../sent.zip", packed_run)
    assert path == tmp_path / "small.run"
    session.open(path)
    assert session.opened_run.path == path and session.opened_run.run.step == 3
    again = keep_run(tmp_path, "sent.zip", changed_archive(packed_run, with_file("__MACOSX/small")))
    assert again == tmp_path / "small-2.run"
    assert again.joinpath("manifest.json").read_bytes() == (path / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    "change, words",
    [
        (with_file("../../out.txt"), "leads out of the archive"),
        (with_file("/tmp/out.txt"), "leads out of the archive"),
        (with_file("small.run\\..\\out.txt"), "leads out of the archive"),
        (with_file("small.run/link", stat.S_IFLNK | 0o777), "is a link"),
        (with_file("small.run/data"), "cannot be unpacked"),  # where others have a folder
        (lambda entries: [e for e in entries if "manifest" not in e[0].filename], "holds no run"),
        (with_file("other.run/manifest.json"), "holds no run"),
        (
            lambda entries: [(a, b"{}" if "manifest" in a.filename else d) for a, d in entries],
            "manifest",
        ),
    ],
)
def test_an_archive_that_is_no_run_or_leads_elsewhere_leaves_nothing(
    tmp_path, packed_run, change, words
):
    folder = tmp_path / "studio"
    folder.mkdir()
    with pytest.raises(FileError, match=words) as raised:
        keep_run(folder, "sent.zip", changed_archive(packed_run, change))
    assert "\n" not in str(raised.value)
    assert [one.name for one in tmp_path.rglob("*")] == ["studio"]


def test_a_run_that_would_fill_the_disk_is_refused_before_it_is_unpacked(
    tmp_path, packed_run, monkeypatch
):
    monkeypatch.setattr(uploads, "UNPACKED", 1000)
    with pytest.raises(FileError, match="more than"):
        keep_run(tmp_path, "sent.zip", packed_run)
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    with pytest.raises(FileError, match="more than"):
        keep_run(tmp_path, "sent.zip", packed_run)
    with pytest.raises(FileError, match="cannot be unpacked"):
        keep_run(tmp_path, "sent.zip", packed_run[:-100])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name, words",
    [("net.pt", "torch.onnx.export"), ("net.PTH", "torch.onnx.export"), ("m.joblib", "skops")],
)
def test_a_pickle_is_refused_with_what_to_write_in_its_place(tmp_path, name, words):
    with pytest.raises(InputError, match=words) as raised:
        keep(tmp_path, name, b"\x80\x04.")
    assert "runs code when it is opened" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_dropped_is_shown_and_what_is_none_is_not_left_behind(session, tmp_path):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(2, "softmax")])
    given = tmp_path / "given"
    given.mkdir()
    wg.Fitted(net, net.init(0)).save(given / "net.safetensors")
    content = (given / "net.safetensors").read_bytes()
    path, model = keep_model(tmp_path, "../../net.safetensors", content)
    assert path == tmp_path / "net.safetensors"
    session.look_at(model)
    subject = session.subject()
    assert subject.net.sizes == (2, 3, 2)
    assert session.opened_run is None
    assert session.config is None
    before = set(tmp_path.iterdir())
    for name in ("bad.safetensors", "bad.onnx", "bad.pkl", "bad.skops"):
        with pytest.raises((FileError, InputError), match="bad"):
            keep_model(tmp_path, name, b"no network")
    assert set(tmp_path.iterdir()) == before


def test_a_column_can_be_given_another_type(session):
    assert session.config.settings.types == ()
    name = session.config.ready.encoding.facts[0].name
    session.set(types={name: "leave-out"})
    assert name not in session.config.ready.encoding.names
    session.set(types={})
    assert name in session.config.ready.encoding.names


def test_lbfgs_is_not_for_tables_and_nobody_is_asked_whether_it_was_meant():
    with pytest.raises(InputError, match=r"^optimizer 'lbfgs' takes all examples at once") as told:
        Settings(optimizer="lbfgs")
    assert "did you mean" not in str(told.value)


def test_a_network_from_elsewhere_is_shown_with_its_names(tmp_path):
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1)])
    model = wg.explain(wg.Fitted(net, net.init()), inputs=["age", "height"])
    subject = Session(tmp_path, model).subject()
    assert subject.names.inputs == ("age", "height") and subject.net is net
    wg.train(net, [[0, 0], [1, 1]], [0, 1], epochs=1, engine="reference", record=tmp_path / "a.run")
    session = Session(tmp_path, wg.explain(tmp_path / "a.run"))
    assert session.opened_run is not None
