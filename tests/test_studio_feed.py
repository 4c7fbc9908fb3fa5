"""What the stage is sent: each state once, those of the run to the last bit of float32, nothing else."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from whygrad.engines import Probes, choose
from whygrad.nn import count
from whygrad.nn.functions import ACTIVATIONS
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import open_run
from whygrad.record.rows import record_table
from whygrad.studio.film.recording import Frame, with_frames
from whygrad.studio.session import feed as feeding
from whygrad.studio.session.ahead import MARGIN, Ahead
from whygrad.studio.session.feed import Feed
from whygrad.studio.session.scoring import work
from whygrad.studio.session.session import Session

STEPS = 40


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short recorded run of a network of two inputs."""
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    path = tmp_path_factory.mktemp("runs") / "xor.run"
    wg.train(net, X, [[0], [1], [1], [0]], epochs=STEPS, batch_size=4, record=path)
    return open_run(path)


def told(feed, path, **query):
    return json.loads(feed.answer(path, query)[1])


def test_the_states_are_those_of_the_run_at_the_steps_that_the_header_names(run, tmp_path):
    feed = Feed(Session(tmp_path, run))
    header = told(feed, "header.json")
    assert header["steps"] == list(range(STEPS + 1))
    kind, content = feed.answer("states", {"from": "0", "to": str(STEPS + 1)})
    states = np.frombuffer(content, "<f4").reshape(-1, header["count"])
    for step in (0, 1, 23, STEPS):
        assert (states[step] == run.state(step).theta.astype(np.float32)).all()
    assert (header["running"], header["live"], header["begun"]) == (False, False, True)


def test_states_too_large_for_float32_are_sent_and_filmed_as_infinite(tmp_path):
    net, path = wg.Network(1, [wg.Dense(1)]), tmp_path / "a.run"
    wg.train(net, [[1.0]], [[1.0]], epochs=1, optimizer=wg.SGD(1e60), record=path)
    run = open_run(path)
    assert np.isfinite(run.theta.flat).all() and abs(run.theta.flat).min() > 1e50
    feed = Feed(Session(tmp_path, run))
    told(feed, "header.json")
    states = np.frombuffer(feed.answer("states", {"from": "0", "to": "2"})[1], "<f4")
    assert np.isfinite(states[:2]).all() and np.isinf(states[2:]).all()
    wg.film(path, tmp_path / "a.html")


def test_news_hold_what_is_new_and_nothing_twice(run, tmp_path):
    feed = Feed(Session(tmp_path, run))
    header = told(feed, "header.json")
    news = told(feed, "news.json", after="30")
    assert news["steps"] == header["steps"][30:] and news["feed"] == header["feed"]
    assert told(feed, "news.json", after=str(STEPS + 1))["steps"] == []


def test_too_many_states_are_thinned_and_the_feed_is_another(run, tmp_path, monkeypatch):
    feed = Feed(Session(tmp_path, run))
    before = told(feed, "header.json")["feed"]
    monkeypatch.setattr(feeding, "MOST", 12)
    feed.frames.pop(), feed.states.pop()  # as if the training had taken one more step
    header = told(feed, "header.json")
    assert header["feed"] != before
    assert len(header["steps"]) <= 12 and header["steps"][0] == 0 and header["steps"][-1] == STEPS


def test_a_network_that_is_not_trained_yet_has_its_first_state(tmp_path):
    session = Session(tmp_path)
    header = told(Feed(session), "header.json")
    assert (header["steps"], header["title"], header["begun"]) == ([0], "spirals", False)
    assert header["examples"]["count"] > 1


def test_what_cannot_be_computed_in_a_browser_is_said_in_one_line(tmp_path, run):
    own = replace(ACTIVATIONS["tanh"], name="my_tanh")
    net = wg.Network(2, [wg.Dense(2, own), wg.Dense(1, "identity")])
    feed = Feed(Session(tmp_path, wg.Fitted(net, net.init())))
    found = told(feed, "header.json")
    assert set(found) == {"error"} and "\n" not in found["error"]
    assert feed.answer("picture.svg", {})[1].startswith(b"<svg")


def test_a_network_that_came_alone_has_its_state_and_says_what_is_missing(tmp_path, run):
    header = told(Feed(Session(tmp_path, wg.explain(run.fitted))), "header.json")
    assert (header["steps"], header["examples"]) == ([0], None)
    training = header["training"]
    assert "came without its data" in training["advice"]
    assert not (training["ready"] or training["forks"] or training["trained"])


def test_a_network_alone_is_not_said_to_go_on(tmp_path):
    net = wg.Network(2, [wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    header = told(Feed(Session(tmp_path, wg.Fitted(net, net.init(seed=1)))), "header.json")
    assert (header["live"], header["begun"]) == (False, False)
    assert told(Feed(Session(tmp_path)), "header.json")["live"]  # which begins


def test_any_example_can_be_had_by_its_part_and_number(tmp_path):
    session = Session(tmp_path)
    session.load("iris")
    feed = Feed(session)
    sizes = told(feed, "header.json")["examples"]["sizes"]
    rows = session.subject().parts
    assert sizes == {part: len(one) for part, one in rows.items()}
    last = sizes["test"] - 1
    one = told(feed, "example", part="test", row=str(last))
    X, Y = (np.frombuffer(base64.b64decode(one[name]), "<f4") for name in "XY")
    assert (rows["test"].X[last].astype(np.float32) == X).all()
    assert (rows["test"].Y[last].astype(np.float32) == Y).all()
    missing = told(feed, "example", part="test", row=str(last + 1))
    assert missing == {"error": f"there is no test example {last + 1}"}


@pytest.mark.filterwarnings("ignore::whygrad.DivergenceWarning")
def test_a_run_that_diverged_says_so_and_offers_a_fork_with_a_smaller_rate(tmp_path):
    net = wg.Network(1, [wg.Dense(1)])
    given = {"optimizer": wg.SGD(1e60), "record": tmp_path / "a.run"}
    wg.train(net, [[1.0], [2.0]], [[1.0], [3.0]], epochs=9, **given)
    session = Session(tmp_path, open_run(tmp_path / "a.run"))
    training = told(Feed(session), "header.json")["training"]
    assert training["cure"] == "Fork with η = 1e+59" and training["failed"]
    assert "diverged at step" in training["status"]
    assert training["advice"].startswith("Try a smaller learning rate")
    assert training["forks"] and not training["ready"]  # it cannot go on as it is


@pytest.mark.parametrize(
    "path",
    ["browser/stage.js", "../feed.py", "..", "", "states", "header", "x/y"],
)
def test_there_is_nothing_else(run, tmp_path, path):
    assert Feed(Session(tmp_path, run)).answer(path, {"from": "9999999"}) is None


def test_the_first_look_is_one(tmp_path, run):
    session = Session(tmp_path)
    assert session.first_look() and not session.first_look()
    assert not Session(tmp_path, run).first_look()


# ── the first steps, before there is a run ───────────────────────────────────────────────────────────


@pytest.fixture
def begun(tmp_path):
    """A feed whose session has begun its first training, and the header that the page had before."""
    session = Session(tmp_path)
    feed = Feed(session)
    header = told(feed, "header.json")
    assert told(feed, "begin") == {}
    yield feed, header
    session.close()


def test_the_first_picture_is_of_a_training_that_goes_on_already(tmp_path):
    session = Session(tmp_path)
    feed = Feed(session)
    try:
        assert told(feed, "begin") == {}
        header = told(feed, "header.json")
        assert header["running"] and header["begun"] and header["steps"][-1] >= 1
        assert header["steps"] == list(range(len(header["steps"])))
    finally:
        session.close()


def followed(feed, header):
    """Ask for news until they are of a run; return all of them."""
    found, have = [], len(header["steps"])

    def look():
        nonlocal have
        found.append(told(feed, "news.json", after=str(have)))
        have += len(found[-1]["steps"])
        return found[-1]["run"]

    wait_for(look, "a run")
    return found


def test_what_moves_before_there_is_a_run_is_that_run_to_the_bit_and_nothing_is_sent_again(begun):
    feed, header = begun
    news = followed(feed, header)
    steps = header["steps"] + [step for one in news for step in one["steps"]]
    ahead = [step for one in news if not one["run"] for step in one["steps"]]
    assert ahead and ahead == list(range(1, len(ahead) + 1))  # each step, from the first on
    assert all(one["running"] and one["begun"] for one in news)
    assert {one["feed"] for one in news} == {header["feed"]}
    said = [one["training"]["status"] for one in news if one["steps"] and not one["run"]]
    assert all(words.endswith("; its recording begins") for words in said)
    assert steps == sorted(set(steps))
    run, count = open_run(feed.session.opened_run.path), header["count"]
    states = np.frombuffer(feed.answer("states", {"to": str(len(steps))})[1], "<f4")
    wanted = [run.state(step).theta for step in ahead]
    assert (states.reshape(-1, count)[1 : len(ahead) + 1] == np.array(wanted, np.float32)).all()


def test_a_pause_before_the_process_is_ready_comes_after_what_was_shown(begun):
    feed, header = begun
    shown = told(feed, "news.json", after="1")["steps"]
    feed.session.pause()
    news = followed(feed, header)
    wait_for(lambda: feed.session.status.kind == "paused", "the pause")
    run = open_run(feed.session.opened_run.path)
    assert shown and run.step == feed.session.status.step >= max(
        step for one in news if not one["run"] for step in one["steps"]
    )
    now = told(feed, "news.json", after="1")
    assert now["feed"] == header["feed"] and not now["running"]
    assert now["training"]["status"].startswith("paused at")


def test_a_pause_that_the_first_page_asks_for_stops_what_is_shown_at_once(begun):
    feed, header = begun
    shown = told(feed, "news.json", after="1")["steps"]
    assert told(feed, "pause") == {}
    time.sleep(0.2)  # twenty steps of a training that goes on
    have = str(1 + len(shown))
    for _ in range(3):
        now = told(feed, "news.json", after=have)
        if now["run"]:
            break  # its process is that quick
        assert (now["steps"], now["running"]) == ([], False)
        assert now["training"]["status"].startswith(f"paused at step {shown[-1]:,}, ")
        assert now["training"]["goes"] == "Go on"
    assert told(feed, "go") == {}
    again = followed(feed, header | {"steps": [0, *shown]})
    assert again[0]["running"] and {one["feed"] for one in again} == {header["feed"]}
    steps = [step for one in again if not one["run"] for step in one["steps"]]
    assert steps == list(range(shown[-1] + 1, shown[-1] + 1 + len(steps)))


def test_what_cannot_be_done_to_a_training_is_told_in_one_line(tmp_path):
    net = wg.Network(2, [wg.Dense(1, "sigmoid")])
    network = wg.explain(wg.Fitted(net, net.init()))
    feed = Feed(Session(tmp_path, network))
    assert "choose data first" in told(feed, "go")["error"]


@pytest.fixture
def away(tmp_path):
    """A folder, and in it runs on a table that lies outside of it; one has a copy of its examples."""
    draws, table, folder = np.random.default_rng(0), tmp_path / "away.csv", tmp_path / "here"
    folder.mkdir()
    rows = draws.normal(size=(80, 2)).round(3)
    lines = [f"{a},{b},{a + b}" for a, b in rows.tolist()]
    table.write_text("\n".join(["a,b,sum", *lines]))
    settings = Settings(hidden=(4,), epochs=5, validation=0.2)
    for name, copied in (("a.run", False), ("copied.run", True)):
        record_table(folder / name, find(str(table), "sum"), settings, copy_data=copied)
    return folder, table


def test_the_curves_of_a_run_without_its_examples_are_those_that_it_recorded(away):
    folder, table = away
    run = open_run(folder / "a.run")
    session = Session(folder)
    session.open(folder / "a.run")  # whose table may not be read from here
    header = told(Feed(session), "header.json")
    session.close()
    table.unlink()
    wg.film(folder / "a.run", folder / "a.html")
    film = (folder / "a.html").read_text(encoding="utf-8")
    filmed = json.loads(film.partition('id="whygrad-header">')[2].partition("</script>")[0])
    epochs = run.history.epochs
    for curves in (header["curves"], filmed["curves"]):
        assert curves["at"] == [run.plan.steps_per_epoch * (i + 1) for i in range(len(epochs))]
        assert curves["cost"] == pytest.approx([one.cost for one in epochs], rel=1e-8)
        assert curves["validation_score"] == pytest.approx(
            [one.validation_score for one in epochs], rel=1e-8
        )
        assert curves["score"] is None and curves["at"][-1] == header["steps"][-1]
    assert "away.csv" in header["note"] and header["examples"] is None


def test_a_run_with_a_copy_of_its_examples_is_measured_by_them_wherever_its_table_lies(away):
    folder, table = away
    table.write_text("a,b,sum\n1,2,3")  # it is not read
    session = Session(folder)
    session.open(folder / "copied.run")
    header = told(Feed(session), "header.json")
    session.close()
    run = open_run(folder / "copied.run")
    assert header["note"] == "" and header["curves"]["at"] == header["steps"]
    state = run.state(run.step)
    cost = wg.cost(run.net, *_traced(run, state), run.data.Y)
    assert header["curves"]["cost"][-1] == pytest.approx(cost, rel=1e-5)


def test_very_many_steps_of_a_small_network_are_not_computed_again_at_once(away, monkeypatch):
    """Where each costs more than its multiplications: of a run that is opened the kept states are shown."""
    folder, _ = away
    run = open_run(folder / "copied.run")
    steps = run.step - run.start
    session = Session(folder)
    session.open(folder / "copied.run")
    with monkeypatch.context() as patch:
        patch.setattr(feeding, "OPENED", steps * 1e4)
        few = told(Feed(session), "header.json")["steps"]
    every = told(Feed(session), "header.json")["steps"]
    session.close()
    compiled, plain = (work(run.plan, steps, engine) for engine in ("native", "reference"))
    assert compiled < 1e5 * steps < plain  # a step that is not compiled takes longer still
    assert run.plan.batch_size * count(run.net.sizes) < 5e3
    assert few == [one.step for one in run.snapshots()] != every


def test_the_best_epoch_on_validation_rows_is_in_sight_where_few_states_are(away, monkeypatch):
    monkeypatch.setattr(feeding, "OPENED", 0)  # as of a large network: states that were kept, alone
    folder, _ = away
    settings = Settings(hidden=(4,), epochs=60, batch_size=4, validation=0.2, learning_rate=0.5)
    record_table(
        folder / "b.run", find(str(folder.parent / "away.csv"), "sum"), settings, copy_data=True
    )
    session = Session(folder)
    session.open(folder / "b.run")
    header = told(Feed(session), "header.json")
    session.close()
    run, curves = open_run(folder / "b.run"), header["curves"]
    costs = [epoch.validation_cost for epoch in run.history.epochs]
    best, per_epoch = int(np.argmin(costs)), run.plan.steps_per_epoch
    assert len(header["steps"]) < len(costs) and per_epoch * (best + 1) not in header["steps"]
    ends = [per_epoch * (i + 1) for i in range(len(costs))]
    assert (
        curves["at"] == sorted({*header["steps"], *ends}) and None not in curves["validation_cost"]
    )
    assert curves["at"][curves["best"]] == per_epoch * (best + 1)
    assert curves["validation_cost"][curves["best"]] == pytest.approx(costs[best], rel=1e-8)
    costs = dict(zip(curves["at"], curves["cost"], strict=True))
    assert [step for step in costs if costs[step] is not None] == header["steps"]


def test_of_very_many_epochs_some_are_in_sight_and_the_best_is_among_them():
    frames = [Frame(0, 0, 0.1, 1.0, 1.0), Frame(5000, 5000, 0.1, 0.5, 0.5)]
    values = [1.0] * 5000
    values[1233], values[3456] = 0.25, 2.0
    recorded = {"at": [*range(1, 5001)], "cost": values, "score": [None] * 5000}
    recorded |= {"validation_cost": values, "validation_score": values}
    about = {"batch": {}, "curves": {"score_name": "accuracy"}, "count": 1}
    curves = with_frames(about, frames, recorded)["curves"]
    assert curves["at"][curves["best"]] == 1234 and 3457 in curves["at"]
    assert 500 < len(curves["at"]) < 1100 and curves["score"] is None


def _traced(run, state):
    parameters = wg.Parameters(run.net.sizes, state.theta)
    return parameters, wg.forward(run.net, parameters, run.data.X)


@pytest.mark.parametrize("page", ["first", "whole"])
def test_a_training_pauses_and_goes_on_at_the_step_that_is_shown_ahead_of_it(begun, page):
    feed, header = begun
    session, shown = feed.session, len(header["steps"])

    def look(command):
        """Command the training, as a page does; return the steps that come then, and the news."""
        nonlocal shown
        if page == "first":
            assert told(feed, command) == {}
        else:
            session.pause() if command == "pause" else session.go(command)
        news = told(feed, "news.json", after=str(shown))
        shown += len(news["steps"])
        return news["steps"], news

    os.kill(session.worker.pid, signal.SIGSTOP)  # its process is slow to begin
    try:
        shown += len(told(feed, "news.json", after=str(shown))["steps"])
        steps, news = look("pause")
        assert steps == [] and not news["running"] and shown > 1
        assert news["training"]["status"].startswith(f"paused at step {shown - 1:,}, epoch ")
        steps, news = look("step")
        assert steps == [shown - 1] and not news["running"]
        steps, news = look("go")
        assert steps and news["running"]
        look("pause")
    finally:
        os.kill(session.worker.pid, signal.SIGCONT)
    wait_for(lambda: told(feed, "news.json", after=str(shown))["run"], "a run")
    wait_for(lambda: session.status.kind == "paused", "the pause")
    assert told(feed, "header.json")["steps"] == list(range(shown))
    assert open_run(session.opened_run.path).step == session.status.step == shown - 1


def test_the_process_is_told_to_wait_where_what_is_shown_waits(tmp_path):
    session, worker = Session(tmp_path), Commands()
    ahead = Ahead(session.config.ready.training, worker, 1e-9)
    ahead.due()
    per_epoch = ahead.plan.steps_per_epoch
    assert 3 < per_epoch < MARGIN
    for command in ("pause", "step", "pause", "epoch", "go"):
        ahead.turn(command)
        ahead.due()
    assert worker.told == [1 + MARGIN, 1, 2, 2, 2, per_epoch, per_epoch, 3 + MARGIN, 4 + MARGIN]
    session.close()


def test_the_states_of_a_run_that_rounds_otherwise_take_the_place_of_those_before(
    begun, monkeypatch
):
    reached = Ahead.reached_by
    monkeypatch.setattr(
        Ahead, "reached_by", lambda self, run: None if reached(self, run) is None else False
    )
    feed, header = begun
    wrong = told(feed, "news.json", after="1")["steps"]
    feed.states[1:] = [theta + np.float32(1e-3) for theta in feed.states[1:]]
    news = followed(feed, header | {"steps": [0, *wrong]})
    (before, change), (now, again) = (one["feed"].split(".") for one in (header, news[-1]))
    assert (now, int(again) > int(change)) == (before, True)  # the same, seen anew
    steps = told(feed, "header.json")["steps"]
    run = feed.session.opened_run.run
    assert steps[0] == 0 and steps[-1] >= wrong[-1]
    for step, theta in zip(steps[:20], feed.states, strict=False):
        np.testing.assert_array_equal(theta, run.state(step).theta.astype(np.float32))


def test_a_training_that_cannot_begin_says_so_and_shows_the_network_as_it_was(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    session = Session(folder)
    feed = Feed(session)
    header = told(feed, "header.json")
    folder.rmdir()
    folder.write_text("a file in its place")
    told(feed, "begin")
    wait_for(lambda: session.status.over, "the end of the process")
    news = told(feed, "news.json", after="1")
    session.close()
    assert news["feed"] != header["feed"] or not news["steps"]
    assert not news["running"] and news["training"]["failed"]
    assert told(feed, "header.json")["steps"] == [0]


def test_nothing_begins_twice_and_nothing_where_a_run_was_given(begun, run, tmp_path):
    feed, _ = begun
    worker = feed.session.worker
    assert told(feed, "begin") == {} and feed.session.worker is worker
    session = Session(tmp_path, run)
    told(Feed(session), "begin")
    assert session.worker is None


def test_the_first_states_are_the_reference_engines_while_the_other_is_to_be_compiled(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("whygrad.engines.machine_code.cache.folders", lambda: iter([tmp_path]))
    session = Session(tmp_path)
    training = session.config.ready.training
    ahead = Ahead(training, Commands(), 1e-9)
    found = [state for _ in range(2 * ahead.plan.steps_per_epoch) for state in ahead.due()]
    engine, state = choose("reference", ahead.plan), training.state
    for one in found:
        if state.batch_index == ahead.plan.steps_per_epoch:
            state = replace(state, epoch=state.epoch + 1, batch_index=0)
        state, _ = engine.run(ahead.plan, state, training.data, state.step + 1, Probes())
        np.testing.assert_array_equal(one.theta, state.theta)
    assert found[-1].epoch == 2 and found[-1].step == len(found)
    session.close()


class Commands:
    """A process that is told how far the steps are known."""

    def __init__(self):
        self.told = []

    def known(self, step):
        self.told.append(step)


def test_the_process_is_told_to_come_before_what_was_shown(tmp_path):
    session, worker = Session(tmp_path), Commands()
    ahead = Ahead(session.config.ready.training, worker, 1e-9)
    assert [len(ahead.due()), len(ahead.due()), ahead.state.step] == [1, 1, 2]
    assert worker.told == [1 + MARGIN, 2 + MARGIN]
    session.close()


FIRST_PICTURE = """
import sys
from pathlib import Path
import whygrad.studio.page.first_page, whygrad.studio.server.serving
from whygrad.studio.session.ahead import Ahead
from whygrad.studio.session.feed import Feed
from whygrad.studio.session.session import Session

class Process:
    def known(self, step):
        pass

session = Session(Path(sys.argv[1]))
assert Feed(session).answer("header.json", {})
Ahead(session.config.ready.training, Process(), 100.0).due()
late = {"nicegui", "fastapi", "pandas", "scipy.linalg", "sklearn", "numba", "whygrad.why"}
late.add("whygrad.interop")
print(*sorted(late & sys.modules.keys()))
"""


def test_the_first_picture_waits_for_no_library_that_it_does_not_need(tmp_path):
    assert Session(
        tmp_path
    ).config.ready  # where its engine is tested for the first time, that compiles
    told = subprocess.run(
        [sys.executable, "-c", FIRST_PICTURE, tmp_path], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == []
