"""The stage in the studio, in a real browser: it moves by itself, grows, asks, forks and shares."""

import json
import shutil
import socket
from base64 import b64encode
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg
from browser import PATIENCE, wait_for
from whygrad.record import open_run
from whygrad.studio.server.guard import STRANGER

LOOKED_AT = """
const shown = window.wgStudio?.shown;
if (!shown) return null;
const {recording, store, stage} = shown, state = store.get();
const {run, title, running} = recording.header, {part, playing, example} = state;
return {run, title, running, part, playing, example,
  step: recording.steps[state.step], last: recording.steps.at(-1),
  states: recording.steps.length, all: recording.steps.every((_, i) => recording.has(i)),
  sizes: recording.header.network.sizes, drawn: Number(stage.root.dataset.drawn ?? 0)};
"""
SENT = ("Network.requestWillBeSent", "Network.webSocketFrameSent")


class Stage:
    """A person before the stage: clicks, reads, scrubs."""

    def __init__(self, browser, studio, folder):
        self.browser, self.studio, self.folder, self.clicks = browser, studio, folder, 0
        self.run_script = browser.driver.execute_script

    def now(self):
        return self.run_script(LOOKED_AT) or {}

    def until(self, predicate, what):
        """Wait until what is looked at is so, and give it."""
        return wait_for(lambda: (found := self.now()) and predicate(found) and found, what)

    def click(self, x, y):
        from selenium.webdriver import ActionChains

        self.clicks += 1
        chain = ActionChains(self.browser.driver)
        chain.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        chain.w3c_actions.pointer_action.click()
        chain.perform()

    def press(self, name):
        self.clicks += 1
        found = wait_for(
            lambda: next(
                (e for e in self.browser.all_by_role("button", name) if e.is_displayed()), None
            ),
            f"a button {name!r}",
        )
        found.click()

    def weight(self):
        """A point of the picture at which a weight is, and its name."""
        return wait_for(lambda: self.run_script(A_WEIGHT), "a weight that can be clicked")

    def go_to(self, share):
        self.run_script(
            "const {recording, store} = window.wgStudio.shown;"
            "store.set({step: Math.floor(arguments[0] * (recording.steps.length - 1)), playing: false})",
            share,
        )


CURVE = "const {{recording}} = window.wgStudio.shown, {{at, cost}} = {}; return [at, cost]"
BEST = "return document.querySelector('.st-best').innerText"
ANSWER = "return document.querySelector('.wg-answer-box')?.innerText ?? ''"
A_WEIGHT = """
const {stage, recording} = window.wgStudio?.shown ?? {};
if (!stage?.layout) return null;
const box = stage.root.getBoundingClientRect(), {sizes} = recording.header.network;
for (let j = 0; j < sizes[1]; j++) for (let k = 0; k < sizes[0]; k++) {
  const edge = stage.geometry().edge(1, j, k);
  for (let share = 0.2; edge && share < 0.8; share += 0.05) {
    const x = box.left + edge.x1 + share * (edge.x2 - edge.x1);
    const y = box.top + edge.y1 + share * (edge.y2 - edge.y1);
    const part = stage.partAt(x, y);
    if (part.includes(",")) return [x, y, part];
  }
}
return null;
"""


@pytest.fixture
def person(served, browser, tmp_path):
    """Return a function that opens a studio at its stage."""

    def open_(*words, at="", **more):
        studio = served(tmp_path, *words, **more)
        browser.open(studio.url + at)
        return Stage(browser, studio, tmp_path)

    return open_


@pytest.fixture(scope="module")
def xor_studio(served_to_all, xor_run):
    """A studio of that run, which all may look at."""
    return served_to_all(xor_run.parent, xor_run)


@pytest.fixture
def at_xor(xor_studio, browser, xor_run):
    """Return a function that opens that studio in the browser, with all states there."""

    def open_(at=""):
        browser.open(xor_studio.url + at)
        stage = Stage(browser, xor_studio, xor_run.parent)
        stage.until(lambda now: now["all"], "all states")
        return stage

    return open_


@pytest.fixture(scope="module")
def xor_run(tmp_path_factory):
    """A folder with a short recorded run."""
    folder = tmp_path_factory.mktemp("runs")
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    wg.train(net, X, [[0], [1], [1], [0]], epochs=60, batch_size=4, record=folder / "xor.run")
    return folder / "xor.run"


def test_from_the_bare_command_to_an_answered_why_in_three_clicks_at_most(person):
    stage = person()
    stage.until(lambda now: now["running"] and now["step"] > 0, "a training that moves by itself")
    x, y, part = stage.weight()
    stage.click(x, y)
    stopped = stage.until(
        lambda now: now["part"] == part and not now["running"], "the weight, and a stop"
    )
    assert not stopped["playing"]
    stage.press("Why?")
    wait_for(lambda: "∂" in stage.run_script(ANSWER), "the exact engine's answer")
    assert stage.clicks <= 3
    asked = stage.run_script("return window.wgStudio.where()")
    assert asked["part"] == part
    stage.browser.has(f"{asked['of']} example {asked['index']}: ")  # what it is asked with
    assert f"part={part}" in stage.browser.driver.current_url
    assert "token" not in stage.browser.driver.current_url
    assert stage.browser.foreign(stage.studio) == []
    assert stage.browser.complaints() == []


# ── before the whole page is loaded ──────────────────────────────────────────────────────────────────

# What comes about on a page, in its order; at the first move a person clicks a weight and moves it.
WATCHED = """
const seen = window.seen = [];
const note = (what, there) => there && !seen.includes(what) && seen.push(what);
const look = () => {
  const {shown, reach} = window.wgStudio ?? {};
  note("picture", shown);
  note("whole page", document.getElementById("app"));
  note("connected", reach);
  if (shown?.store.get().step > 0 && !seen.includes("moves")) {
    note("moves", true);
    window.held = shown;
    shown.store.set({part: "1:2,1", edits: {3: 0.5}, painted: [[0.25, 0.5, 1]], playing: false});
    window.at = shown.recording.steps[shown.store.get().step];
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
HELD = """
const {recording, store} = window.wgStudio.shown, {part, edits, painted, step, playing} = store.get();
return {same: window.held === window.wgStudio.shown, part, edits, painted, playing,
  at: window.at, step: recording.steps[step]};
"""
STATES = """
const {recording} = window.wgStudio.shown;
return [recording.steps, recording.steps.map((_, i) => recording.has(i) ? [...recording.theta(i)] : null)];
"""


@pytest.fixture
def watched(browser):
    """The browser, in which what comes about on a page is noted."""
    known = browser.tell("Page.addScriptToEvaluateOnNewDocument", source=WATCHED)
    yield browser
    browser.tell("Page.removeScriptToEvaluateOnNewDocument", identifier=known["identifier"])


def test_something_moves_before_the_whole_page_is_there_and_that_takes_nothing_away(
    watched, person, tmp_path
):
    stage = person()
    seen = wait_for(lambda: (of := stage.run_script("return window.seen"))[3:] and of, "the page")
    assert seen == ["picture", "moves", "whole page", "connected"]
    held = stage.run_script(HELD)
    assert held["same"] and held["step"] == held["at"] and not held["playing"]
    assert (held["part"], held["edits"]) == ("1:2,1", {"3": 0.5})
    assert held["painted"] == [[0.25, 0.5, 1]]
    # What was clicked before anybody was there to hear it is done now: the training pauses.
    stage.until(lambda now: now["run"] and not now["running"], "the pause")
    wait_for(lambda: "part=1:2,1" in watched.driver.current_url, "the part in the address")
    steps, states = stage.run_script(STATES)
    run = open_run(tmp_path / "spirals.run")
    assert steps[: held["at"] + 1] == list(range(held["at"] + 1))
    for step, theta in zip(steps, states, strict=True):
        if theta is not None and step <= run.step:
            assert np.array_equal(np.float32(theta), run.state(step).theta.astype(np.float32)), step
    assert watched.foreign(stage.studio) == [] and watched.complaints() == []


def test_a_link_to_a_run_opens_it_and_begins_no_other(person, xor_run, tmp_path):
    shutil.copytree(xor_run, tmp_path / "xor.run")
    stage = person(at="#run=xor.run")
    now = stage.until(lambda now: now["run"] == "xor.run" and now["all"], "the run of the link")
    assert now["step"] == now["last"] and not now["running"]
    assert [path.name for path in tmp_path.glob("*.run")] == ["xor.run"]
    assert stage.browser.complaints() == []


ALONE = """
import whygrad as wg
from whygrad.studio import studio
net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
studio(wg.Fitted(net, net.init(seed=1)), port=0, show=False)
"""


def test_a_network_alone_offers_no_training_and_a_command_takes_its_picture_from_no_page(
    served, browser, tmp_path
):
    studio = served(tmp_path, code=ALONE)
    browser.driver.get(studio.url)
    stage = Stage(browser, studio, tmp_path)
    stage.until(lambda now: now["drawn"], "the network")
    assert browser.text().count("A network as it stands.") == 1
    for name in ("Start", "one step on", "One epoch"):
        assert not browser.by_role("button", name).is_enabled()
    assert not browser.all_by_role("button", "Watch it learn")
    stage.run_script("window.wgStudio.tell('go')")
    browser.has("This run was opened as it is: choose data first to build another network.")
    assert "Not on the stage" not in browser.text() and not stage.now()["playing"]
    assert browser.complaints() == []


BROKEN = """
import threading, time
from whygrad.studio import studio
from whygrad.studio.server import application

def instead(*about):
    {}

application.application = instead
try:
    studio(port=0, show=False)
except ValueError as error:
    open("told", "w").write(str(error))
"""


def test_a_page_that_cannot_be_loaded_says_so_and_the_picture_stays(served, browser, tmp_path):
    studio = served(tmp_path, code=BROKEN.format("raise ValueError('no room')"))
    browser.driver.get(studio.url)
    browser.has("The studio cannot be loaded: no room.")
    stage = Stage(browser, studio, tmp_path)
    assert stage.until(lambda now: now["step"] > 0, "what moved")
    studio.process.wait(PATIENCE)
    studio.end()
    assert (tmp_path / "told").read_text() == "no room"


SLOW = """
import pathlib, time
from whygrad.studio import studio
from whygrad.studio.server import application

whole = application.application

def slowly(*about):
    while not pathlib.Path("loaded").exists():
        time.sleep(0.05)
    return whole(*about)

application.application = slowly
studio(port=0, show=False)
"""
TOLD = "return document.querySelector('#wg-first .wg-run')?.innerText"


def test_while_the_panels_are_loaded_the_page_says_so_and_does_what_is_asked_meanwhile(
    served, browser, tmp_path
):
    studio = served(tmp_path, code=SLOW)
    browser.driver.get(studio.url)
    stage = Stage(browser, studio, tmp_path)
    stage.until(lambda now: now["step"] > 0, "what moves")
    wait_for(lambda: stage.run_script(TOLD) == "loading the panels …", "the line")
    stage.press("Stop")  # the training is paused by it, whoever is not there yet
    stage.until(lambda now: not now["running"] and not now["playing"], "the pause")
    wait_for(lambda: (tmp_path / "spirals.run" / "manifest.json").exists(), "the run")
    stage.until(lambda now: now["run"], "the run on the stage")
    at = stage.now()
    set_by_hand = "window.wgStudio.shown.store.set({{edits: {}, playing: false}})".format
    stage.run_script(set_by_hand("{0: 2.5}"))
    stage.press("Train on from here")
    assert stage.run_script(TOLD) == "trains on: loading the panels …"
    stage.run_script(f"window.wgStudio.untold = []; {set_by_hand('{}')}")  # not asked for any more
    stage.press("Runs")
    assert stage.run_script(TOLD) == "Runs opens once it is loaded …"
    (tmp_path / "loaded").touch()
    browser.connected()
    browser.by_role("heading", "Runs")
    now = stage.now()
    assert (now["step"], now["last"], now["running"]) == (at["step"], at["last"], False)
    assert browser.complaints() == []


def test_a_studio_that_is_gone_before_the_page_is_loaded_is_told_in_one_line(
    served, browser, tmp_path
):
    studio = served(tmp_path, code=BROKEN.format("time.sleep(600)"))
    browser.driver.get(studio.url)
    stage = Stage(browser, studio, tmp_path)
    stage.until(lambda now: now["run"], "a training that is recorded")
    studio.process.kill()
    browser.has("The studio does not answer any more: start it again with whygrad studio.")
    assert browser.all_by_role("alert") and stage.now()["step"] > 0
    studio.process.wait(PATIENCE)
    wait_for(lambda: not studio.family(), "the end of its training")
    studio.ended = True


def test_a_step_of_the_scrubber_sends_the_server_nothing(at_xor):
    from selenium.webdriver import Keys

    stage = at_xor()
    log = stage.browser.driver.get_log

    def sent():
        told = [json.loads(entry["message"])["message"] for entry in log("performance")]
        return [event["params"] for event in told if event["method"] in SENT]

    wait_for(lambda: stage.run_script("return window.wgStudio.reach !== null"), "the whole page")
    wait_for(lambda: not sent(), "a page at rest")
    slider = stage.browser.by_label("step of the training")
    slider.send_keys(Keys.HOME)
    for step in range(1, 13):
        slider.send_keys(Keys.ARROW_RIGHT)
        stage.until(lambda now, step=step: now["step"] == step, f"step {step}")
    assert sent() == []
    stage.run_script("fetch('/stage/header.json')")
    assert wait_for(sent, "what would have been seen")[0]["request"]["url"].endswith("header.json")


def test_the_states_of_the_stage_are_those_of_the_run(at_xor, xor_run):
    stage = at_xor()
    run = open_run(xor_run)
    for step in (0, 17, 60):
        theta = stage.run_script(
            "const {recording} = window.wgStudio.shown;"
            "return [...recording.theta(recording.steps.indexOf(arguments[0]))]",
            step,
        )
        assert (np.array(theta, np.float32) == run.state(step).theta.astype(np.float32)).all()


def test_a_page_that_is_connected_anew_goes_on_with_its_stage(at_xor):
    stage = at_xor()
    assert stage.run_script(
        "const { recording } = window.wgStudio.shown;"
        "return window.wgStudio.again().then(() => window.wgStudio.shown.recording === recording)"
    )


def test_a_reload_and_a_link_show_the_same_place(at_xor):
    stage = at_xor("#run=xor.run&step=30&part=1:2,0")
    found = stage.until(lambda now: now["part"] == "1:2,0", "the place of the link")
    assert (found["step"], found["run"]) == (30, "xor.run")
    stage.browser.reload()
    again = stage.until(lambda now: now["part"] == "1:2,0", "the same place")
    assert {**again, "drawn": 0} == {**found, "drawn": 0}
    stage.run_script("window.wgStudio.shown.store.set({part: '2:0'})")
    stage.browser.driver.back()
    stage.until(lambda now: now["part"] == "1:2,0", "the place before")


def test_a_link_to_a_panel_asks_about_the_example_and_the_part_of_the_stage(at_xor):
    stage = at_xor("#run=xor.run&step=30&part=1:2,0&panel=why&question=paths")
    wait_for(lambda: "path" in stage.run_script(ANSWER), "the answer")
    example = stage.run_script(
        "const {recording, store} = window.wgStudio.shown, {about} = recording.examples;"
        "return `${about.part[store.get().example]} example ${about.rows[store.get().example]}:`"
    )
    assert example != "training example 0:"  # the first is not the most wrong
    panel = stage.run_script("return document.querySelector('.wg-right').innerText")
    assert example in panel and "Weight from" in panel


def test_an_answer_takes_the_place_of_the_sheet_of_its_part(at_xor):
    from selenium.webdriver import Keys

    stage = at_xor("#run=xor.run&step=30&part=2:0,2")
    sheet = "const sheet = document.querySelector('.st-sheet'); return !sheet.hidden"
    assert stage.run_script(sheet)
    stage.press("Why?")
    wait_for(lambda: "hidden 2" in stage.run_script(ANSWER), "the answer")
    assert not stage.run_script(sheet)
    stage.run_script("window.wgStudio.shown.store.set({part: '1:0,1'})")
    wait_for(lambda: "hidden 0" in stage.run_script(ANSWER), "the answer about another")
    assert not stage.run_script(sheet)
    stage.browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_for(lambda: stage.run_script(sheet), "the sheet, once the answer is closed")
    assert "input 1 to hidden 0" in stage.run_script(
        "return document.querySelector('.st-sheet h2').textContent"
    )  # noqa: E501


def test_an_answer_counts_units_as_the_stage_beside_it_does(at_xor):
    stage = at_xor("#run=xor.run&step=30&part=2:0,2&panel=why")
    wait_for(lambda: "hidden 2" in stage.run_script(ANSWER), "the answer")
    panel = "return document.querySelector('.wg-right').innerText"
    assert "from hidden 2 to" in stage.run_script(panel)
    stage.press("units from 0")
    wait_for(lambda: "hidden 3" in stage.run_script(ANSWER), "the answer counted from 1")
    assert "from hidden 3 to" in stage.run_script(panel)
    assert "hidden 0" not in stage.run_script(ANSWER)
    symbol = "return document.querySelector('.wg-answer math msubsup').textContent"
    assert stage.run_script(symbol) == "W1,32"


def test_a_run_outside_of_the_folder_cannot_be_had_by_its_address(person, xor_run):
    stage = person(at="#run=..%2Fxor.run")
    assert stage.until(lambda now: now["title"], "a stage")["title"] == "spirals"
    stage.browser.open(f"{stage.studio.origin}#run=nowhere.run")
    stage.browser.has("nowhere.run: there is no such run in the folder of this studio")


def test_a_stranger_without_the_token_sees_one_line_and_nothing_else(at_xor):
    stage = at_xor()
    driver = stage.browser.driver
    stage.browser.tell("Network.clearBrowserCookies")
    for path in (
        "",
        "#run=xor.run",
        "?token=guessed",
        "stage/header.json",
        "stage/states?from=0&to=9",
    ):
        driver.get(stage.studio.origin + path)
        assert stage.browser.text().strip() == STRANGER
    assert driver.execute_script("return document.querySelectorAll('canvas, script').length") == 0
    driver.get_log("browser")  # where the refusals are told


def test_a_tab_goes_on_working_among_hundreds_of_connections_that_dawdle(at_xor, xor_studio):
    """200 that say nothing, and 300 that send the head of a request piece by piece."""
    stage = at_xor()
    with ExitStack() as stack:
        slow = []
        for i in range(500):
            address = ("127.0.0.1", xor_studio.port)
            one = stack.enter_context(socket.create_connection(address, PATIENCE))
            if i >= 200:
                one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                slow.append(one)
        stage.go_to(0.5)
        stage.until(lambda now: now["step"] == 30, "another step")
        x, y, part = stage.weight()
        stage.click(x, y)
        stage.press("Why?")
        wait_for(lambda: "∂" in stage.run_script(ANSWER), "the exact engine's answer")
        for one in slow:
            with suppress(OSError):  # the older ones are gone by now
                one.sendall(b"x")
        stage.browser.reload()
        assert stage.until(lambda now: now["part"] == part, "the same place")["step"] == 30
    assert stage.browser.complaints() == []


def test_a_second_data_set_in_the_same_tab_leaves_nothing_of_the_first(person):
    stage = person()
    stage.until(lambda now: now["step"] > 0, "the first training")
    x, y, part = stage.weight()
    stage.click(x, y)
    stage.until(lambda now: now["part"] == part and not now["running"], "the weight, and a stop")
    stage.press("close")
    stage.run_script("window.wgStudio.shown.store.set({part: arguments[0], edits: {0: 2.5}})", part)
    assert "part=" in stage.run_script("return location.hash")
    stage.press("Data")
    stage.press("diabetes")
    found = stage.until(lambda now: now["title"] == "diabetes", "the second data set")
    assert (found["step"], found["last"], found["part"], found["run"]) == (0, 0, "", "")
    assert found["sizes"][0] == 10 and not found["running"] and found["states"] == 1
    at, edits = stage.run_script(
        "const {recording, store} = window.wgStudio.shown;"
        "return [recording.header.curves.at, store.get().edits]"
    )
    assert (at, edits) == ([0], {})
    address = "return location.hash"
    wait_for(lambda: stage.run_script(address) == "#panel=data", "an address without the first")
    text = stage.run_script("return document.querySelector('.st-stage').innerText")
    assert "R²" in text and "accuracy" not in text and "spirals" not in text
    assert stage.browser.complaints() == []


def test_a_weight_dragged_by_hand_is_what_a_fork_trains_on_from(person, xor_run, tmp_path):
    import shutil

    shutil.copytree(xor_run, tmp_path / "xor.run")
    stage = person("xor.run")
    stage.until(lambda now: now["all"], "all states")
    stage.run_script(
        "window.wgStudio.shown.store.set({step: 10, edits: {0: 2.5}, hand: 'adjust', playing: false})"
    )
    costs = stage.run_script(CURVE.format("recording.header.curves"))
    stage.press("Train on from here")
    stage.until(lambda now: now["run"] == "xor-fork.run", "the fork")
    wait_for(lambda: open_run(tmp_path / "xor-fork.run").stopped, "its end")
    assert stage.run_script(CURVE.format("recording.header.beside")) == costs
    wait_for(
        lambda: "dotted: xor " in stage.run_script(BEST), "the curve of before, beside the fork's"
    )
    fork = open_run(tmp_path / "xor-fork.run")
    assert fork.start == 10
    expected = open_run(xor_run).state(10).theta.copy()
    expected[0] = 2.5
    assert (fork.state(10).theta == expected).all()


def test_units_and_layers_are_added_and_removed_at_the_layers_names(person):
    stage = person(at="#step=0")
    wide = {"width": 1600, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    stage.browser.tell("Emulation.setDeviceMetricsOverride", **wide)
    for name, sizes in (
        ("one unit less in layer 1", [2, 7, 8, 1]),
        ("one unit more in layer 2", [2, 7, 9, 1]),
        ("layer 2 out", [2, 7, 1]),
        ("another layer before layer 1", [2, 7, 7, 1]),
    ):
        stage.press(name)
        stage.until(lambda now, sizes=sizes: now["sizes"] == sizes, name)
    assert not stage.now()["running"]
    stage.press("Start")
    stage.until(lambda now: now["running"] and now["step"] > 0, "a training of that network")
    assert stage.browser.all_by_role("button", "one unit more in layer 1") == []
    assert stage.browser.complaints() == []


# What stands in the row of the layers' names, and what edits layers elsewhere.
EDITS = """
return [...document.querySelectorAll(".st-edit")].map((one) => {
  const {left, right, top, bottom} = one.getBoundingClientRect();
  return {left, right, top, bottom, name: one.getAttribute("aria-label")};
});
"""


@pytest.mark.parametrize("width", [1280, 400])
def test_a_layer_is_added_and_removed_where_there_is_no_room_among_the_names(person, width):
    stage = person(at="#step=0")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    stage.browser.tell("Emulation.setDeviceMetricsOverride", **size)
    many = [2, 8, 8, 8, 1]
    stage.press("another layer before the outputs")
    stage.until(lambda now: now["sizes"] == many, "another layer")
    wait_for(lambda: len(stage.run_script(EDITS)) == 8, "two buttons a layer, and two for layers")
    found = stage.run_script(EDITS)
    for i, one in enumerate(found):
        for other in found[:i]:
            beside = one["left"] >= other["right"] or other["left"] >= one["right"]
            assert beside or one["top"] >= other["bottom"], (one["name"], other["name"])
    stage.press("layer 3 out")
    stage.until(lambda now: now["sizes"] == [2, 8, 8, 1], "one layer less")
    assert stage.browser.complaints() == []


def test_where_there_is_no_room_for_units_among_the_names_a_button_leads_to_the_panel(person):
    stage = person(at="#step=0")
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    stage.browser.tell("Emulation.setDeviceMetricsOverride", **size)
    sizes = [2, 8, 8, 1]
    for _ in range(4):
        stage.press("another layer before the outputs")
        sizes.insert(-1, 8)
        stage.until(lambda now: now["sizes"] == sizes, "another layer")
    wait_for(lambda: len(stage.run_script(EDITS)) == 3, "layers and the panel alone")
    stage.press("units of each layer, in the panel Network")
    stage.browser.by_role("heading", "Network")
    assert stage.browser.complaints() == []


MAIN = """
const style = getComputedStyle(document.querySelector(".st-slider"));
const accent = style.getPropertyValue("--st-accent").trim();
const probe = document.createElement("i");
probe.style.color = accent;
document.body.append(probe);
const {color} = getComputedStyle(probe);
probe.remove();
return [...document.querySelectorAll(".st-say button, .st-foot button")]
  .filter((one) => one.checkVisibility() && getComputedStyle(one).backgroundColor === color)
  .map((one) => one.innerText);
"""


def test_one_button_of_the_stage_is_the_main_one(person):
    stage = person(at="#step=0")
    wait_for(lambda: stage.run_script(MAIN) == ["Watch it learn"], "the one before a training")
    stage.press("Watch it learn")
    wait_for(lambda: stage.run_script(MAIN) == ["Stop"], "the one of a training")
    stage.until(lambda now: now["step"] > 0, "what moves")
    stage.press("Stop")
    stage.until(lambda now: not now["running"], "the pause")
    wait_for(
        lambda: stage.run_script(MAIN) == ["Show the weight most to blame"], "the one of a pause"
    )


IN_SIGHT = """
const {stage} = window.wgStudio.shown, box = stage.root.getBoundingClientRect();
const sheet = document.querySelector(".st-sheet"), {left} = sheet.getBoundingClientRect();
const {plane} = stage.geometry(), unit = stage.geometry().unit(...arguments[0]);
const ends = [plane.x + plane.width + box.left, unit.x + unit.r + box.left,
  ...[".st-time", ".st-curves", ".st-legend"].map(
    (name) => document.querySelector(name).getBoundingClientRect().right)];
const settled = sheet.checkVisibility() && stage.width === stage.picture.clientWidth
  && stage.height === stage.picture.clientHeight && innerWidth === arguments[1];
return settled && {left, ends, side: plane.width};
"""


@pytest.mark.parametrize(("width", "height"), [(1600, 1000), (1280, 800)])
def test_a_sheet_covers_neither_the_picture_nor_the_time_bar(at_xor, width, height):
    stage = at_xor()
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    stage.browser.tell("Emulation.setDeviceMetricsOverride", **size)
    stage.run_script("window.wgStudio.shown.store.set({part: '1:2', playing: false})")
    found = wait_for(
        lambda: stage.run_script(IN_SIGHT, [1, 2], width), "the sheet beside the picture"
    )
    assert max(found["ends"]) <= found["left"] and found["side"] > 240
    stage.press("close")
    wait_for(lambda: not stage.run_script(IN_SIGHT, [1, 2], width), "the sheet gone")


def test_any_example_is_chosen_from_the_list_and_by_its_number(at_xor):
    stage = at_xor()
    example = "const {recording, store} = window.wgStudio.shown, {example} = store.get(); return recording.examples.about.rows[example]"  # noqa: E501
    stage.press("choose an example")
    stage.press("training 3")
    assert stage.run_script(example) == 3
    stage.browser.by_label("number of the example").send_keys("1")
    stage.press("Show")
    wait_for(lambda: stage.run_script(example) == 1, "the example of that number")
    stage.press("next example")
    assert stage.run_script(example) != 1
    assert stage.browser.complaints() == []


@pytest.mark.filterwarnings("ignore::whygrad.DivergenceWarning")
def test_the_cure_that_a_diagnosis_proves_is_forked_with_by_one_button(person, tmp_path):
    net = wg.Network(1, [wg.Dense(1)])
    given = {"optimizer": wg.SGD(4.0), "epochs": 40, "record": tmp_path / "a.run"}
    wg.train(net, [[0.3], [0.6]], [[1.0], [3.0]], **given)
    stage = person("a.run")
    stage.press("What is wrong?")
    wait_for(lambda: "learning rate" in stage.run_script(ANSWER), "the diagnosis")
    stage.press("Fork with this cure")
    stage.until(lambda now: now["run"] == "a-fork.run", "the cured run")
    assert open_run(tmp_path / "a-fork.run").plan.optimizer.learning_rate < 4


@pytest.mark.filterwarnings("ignore::whygrad.DivergenceWarning")
def test_the_cure_of_a_diverged_run_is_one_button_and_both_curves_are_on_the_stage(
    person, tmp_path
):
    net = wg.Network(1, [wg.Dense(1)])
    given = {"optimizer": wg.SGD(4.0), "epochs": 700, "record": tmp_path / "a.run"}
    wg.train(net, [[0.3], [0.6]], [[1.0], [3.0]], **given)
    stage = person("a.run")
    stage.until(lambda now: now["all"], "all states")
    costs = stage.run_script(CURVE.format("recording.header.curves"))
    stage.press("Fork with η = 0.4")
    stage.until(lambda now: now["run"] == "a-fork.run" and now["last"] == 700, "the cured run")
    assert stage.run_script(CURVE.format("recording.header.beside")) == costs
    wait_for(lambda: "dotted: a " in stage.run_script(BEST), "both curves")
    cured = stage.run_script(CURVE.format("recording.header.curves"))[1]
    assert cured[-1] < cured[0] < max(filter(None, costs[1]))
    stage.browser.screenshot("cured")
    assert stage.browser.complaints() == []


def test_a_shared_film_plays_without_a_server_and_has_the_same_numbers(person, xor_run, tmp_path):
    from selenium.webdriver import Keys

    stage = person(xor_run)
    stage.until(lambda now: now["all"], "all states")
    stage.browser.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    stage.press("Share")
    film = wait_for(lambda: next(tmp_path.glob("*.html"), None), "the film")
    wait_for(lambda: not list(tmp_path.glob("*.crdownload")), "all of it")
    driver, cookie = stage.browser.driver, stage.studio.cookie.partition("=")[2]
    driver.get("about:blank")
    stage.studio.end()
    stage.browser.foreign(stage.studio)
    del stage.browser.asked[:]
    driver.get(film.as_uri())
    wait_for(
        lambda: driver.execute_script(
            "return document.querySelector('.st-stage')?.dataset.drawn > 0"
        ),
        "a picture",
    )
    assert cookie not in film.read_text() and stage.studio.host not in film.read_text()
    slider = stage.browser.by_label("step of the training")
    assert int(slider.get_attribute("max")) == 60
    slider.send_keys(Keys.HOME, Keys.ARROW_RIGHT * 17)
    holder = (
        "const {recording, store, stage, scene} = document.getElementById('whygrad-film').film;"
    )
    driver.execute_script(f"{holder} window.wgStudio = {{shown: {{recording, store, stage}}}};")
    stage.until(lambda now: now["step"] == 17, "the step that was scrubbed to")
    x, y, part = stage.weight()
    stage.click(x, y)
    stage.until(lambda now: now["part"] == part, "the weight")
    run, (to, origin) = open_run(xor_run), map(int, part.removeprefix("1:").split(","))
    theta = run.state(17).theta.astype(np.float32)
    shown, example, cost, gradient = driver.execute_script(
        f"{holder} const {{theta, cost, gradient}} = scene(), {{rows}} = recording.header.examples;"
        "return [[...theta], rows[store.get().example], cost, [...gradient]]"
    )
    assert (np.array(shown, np.float32) == theta).all()
    parameters = wg.Parameters(run.net.sizes, theta.astype(float))
    X, Y = run.data.X[[example]], run.data.Y[[example]]
    trace = wg.backward(run.net, parameters, wg.forward(run.net, parameters, X), Y)
    expected = wg.gradients(run.net, parameters, trace)
    assert cost == pytest.approx(wg.cost(run.net, parameters, trace, Y), rel=1e-9)
    assert gradient == pytest.approx(expected.flat.tolist(), rel=1e-9)
    sheet = stage.run_script("return document.querySelector('.st-sheet').innerText")
    w, dw = (f"{one[1][to, origin]:.4g}".replace("-", "−") for one in (parameters.W, expected.dW))
    assert f"This weight is {w}. Its gradient is {dw}:" in sheet


# How far down the buttons for more units reach, and where the big unit's title begins.
MORE = """
const buttons = [...document.querySelectorAll(".st-more button")], {stage} = window.wgStudio?.shown ?? {};
if (!stage || buttons.length < 2) return null;
const {top} = document.querySelector(".st-canvas").getBoundingClientRect();
const ends = buttons.map((one) => one.getBoundingClientRect().bottom);
const words = document.querySelector(".st-bigtext");
for (const line of words.children) line.textContent = "a long name ".repeat(9);
return [Math.max(...ends), top + stage.layout.net.height, words.getBoundingClientRect().top];
"""


def test_on_a_telephone_all_of_the_time_bar_and_of_a_panel_is_in_sight(served, narrow, xor_run):
    studio = served(xor_run.parent, xor_run)
    narrow.open(studio.url)

    def bottom(of):
        return narrow.driver.execute_script(
            "return document.querySelector(arguments[0])?.getBoundingClientRect().bottom", of
        )

    wait_for(lambda: 0 < (bottom(".st-slider") or 0) <= narrow.height, "the time bar")
    assert bottom(".st-time") <= narrow.height
    side = "return window.wgStudio.shown.stage.geometry().plane.width"
    wait_for(lambda: (narrow.driver.execute_script(side) or 0) >= 130, "a surface to look at")
    assert "above zero" in narrow.text() and "below zero" in narrow.text()
    narrow.by_role("button", "Runs").click()
    head = narrow.by_role("heading", "Runs")
    wait_for(lambda: head.rect["y"] >= bottom(".wg-header"), "the panel below the header")
    assert narrow.complaints() == []


def test_on_a_telephone_the_buttons_for_more_units_leave_the_title_beneath_in_sight(
    served, narrow, tmp_path
):
    X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
    layers = [wg.Dense(8, "relu"), wg.Dense(6, "relu"), wg.Dense(3, "softmax")]
    net = wg.Network(4, layers, cost="cross_entropy")
    wg.train(net, X, y, epochs=2, record=tmp_path / "a.run")
    narrow.open(served(tmp_path, tmp_path / "a.run").url)
    found = wait_for(lambda: narrow.driver.execute_script(MORE), "buttons for more units")
    lowest, title, words = found
    assert lowest <= title and lowest <= words
    assert narrow.complaints() == []


def test_a_network_that_no_browser_can_compute_is_shown_by_its_drawing_and_the_next_on_the_stage(
    person, xor_run, tmp_path
):
    shutil.copytree(xor_run, tmp_path / "xor.run")
    code = """
import numpy as np, whygrad as wg
from dataclasses import replace
from whygrad.nn.functions import ACTIVATIONS
own = replace(ACTIVATIONS["tanh"], name="my_tanh")
net = wg.Network(2, [wg.Dense(2, own), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
run = wg.train(net, np.eye(2), [[0], [1]], epochs=2, record="own.run")
wg.studio(wg.open_run("own.run", own=[own]), port=0, show=False)
"""
    stage = person(code=f"import warnings; warnings.simplefilter('ignore')\n{code}")
    stage.browser.has("Not on the stage: the activation 'my_tanh' is code of your own")
    drawn = "return document.querySelector('.st-none img')?.naturalWidth > 100"
    wait_for(lambda: stage.run_script(drawn), "the drawing that Python has made")
    stage.run_script("window.wgStudio.tell('run', 'xor.run')")
    stage.until(lambda now: now["run"] == "xor.run" and now["all"], "the run that was opened")


def test_painted_points_and_a_weight_set_by_hand_are_what_a_fork_trains_on(
    person, xor_run, tmp_path
):
    shutil.copytree(xor_run, tmp_path / "xor.run")
    stage = person("xor.run")
    stage.until(lambda now: now["all"], "all states")
    stage.run_script(
        "window.wgStudio.shown.store.set({step: 10, edits: {1: -0.5}, hand: 'paint:1', playing: false,"
        " painted: [[0.5, 0.25, 1], [0.75, 1, 0]]})"
    )
    stage.press("Train on from here")
    stage.until(lambda now: now["run"] == "xor-fork.run", "the fork")
    wait_for(lambda: open_run(tmp_path / "xor-fork.run").stopped, "its end")
    fork, parent = open_run(tmp_path / "xor-fork.run"), open_run(xor_run)
    assert (fork.data.X[:4] == parent.data.X).all() and (fork.data.Y[:4] == parent.data.Y).all()
    assert fork.data.X[4:].tolist() == [[0.5, 0.25], [0.75, 1.0]]
    assert fork.data.Y[4:].ravel().tolist() == [1.0, 0.0]
    assert fork.state(10).theta[1] == -0.5 and fork.start == 10


DROP = """
const [name, text] = arguments, bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const files = new DataTransfer();
files.items.add(new File([bytes], name));
const about = {dataTransfer: files, bubbles: true, cancelable: true};
const over = new DragEvent("dragover", about), drop = new DragEvent("drop", about);
const onto = document.querySelector(".st-picture");
onto.dispatchEvent(over);
onto.dispatchEvent(drop);
return [over.defaultPrevented, drop.defaultPrevented];
"""


def test_whatever_is_dropped_on_the_stage_is_opened_and_kept_within_the_folder(person, xor_run):
    stage = person()
    stage.until(lambda now: now["drawn"], "the stage")

    def drop(name, content):
        assert stage.run_script(DROP, name, b64encode(content).decode()) == [True, True]

    packed = shutil.make_archive(
        str(stage.folder.parent / "sent"), "zip", xor_run.parent, "xor.run"
    )
    drop("sent.zip", Path(packed).read_bytes())
    stage.until(
        lambda now: now["run"] == "xor.run" and now["last"] == 60, "the run that was dropped"
    )
    drop("net.pt", b"PK")
    stage.browser.has("net.pt: a pickle, which runs code when it is opened")
    net = wg.Network(2, [wg.Dense(5, "tanh"), wg.Dense(2, "softmax")])
    wg.Fitted(net, net.init(0)).save(stage.folder.parent / "net.safetensors")
    drop("../net.safetensors", (stage.folder.parent / "net.safetensors").read_bytes())
    stage.until(lambda now: now["sizes"] == [2, 5, 2], "the network that was dropped")
    assert {one.name for one in stage.folder.iterdir()} >= {"xor.run", "net.safetensors"}
    assert not list(stage.folder.glob("*.pt"))
    assert stage.browser.complaints() == []


TAKEN_AS = """
const [column, pressed] = arguments;
const group = document.querySelector(`[role=group][aria-label="take ${column} as"]`);
if (!group) {
  const fold = [...document.querySelectorAll(".q-expansion-item")]
    .find((one) => one.innerText.startsWith("What its 5 columns are"));
  if (fold && !fold.classList.contains("q-expansion-item--expanded")) fold.querySelector(".q-item").click();
  return null;
}
const buttons = [...group.querySelectorAll("button")];
buttons.find((one) => one.innerText.trim() === pressed)?.click();
return buttons.find((one) => one.getAttribute("aria-pressed") === "true").innerText.trim();
"""


def test_one_click_in_the_table_of_columns_takes_a_column_as_something_else(person):
    stage = person()
    stage.until(lambda now: now["drawn"], "the stage")
    stage.press("Data")
    stage.press("iris")
    stage.until(lambda now: now["sizes"][0] == 4, "the network for iris")

    def taken_as(pressed=""):
        return stage.run_script(TAKEN_AS, "sepal width (cm)", pressed)

    assert wait_for(taken_as, "the table of columns") == "as found"
    taken_as("leave out")
    stage.until(lambda now: now["sizes"][0] == 3, "the network without that column")
    wait_for(lambda: taken_as() == "leave out", "that it is left out")
    taken_as("as found")
    stage.until(lambda now: now["sizes"][0] == 4, "the network with that column again")
    assert stage.run_script(TAKEN_AS, "species", "leave out") is None
    assert stage.browser.complaints() == []
