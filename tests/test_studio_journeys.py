"""What a person does in the studio, from a file to an answer, in a real browser.

Every journey ends with a look at what the browser has asked for, all of it from the studio, and at what its
console was told, which is nothing.
"""

import json
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from command import whygrad
from same_runs import assert_same_run
from test_studio_stage import A_WEIGHT
from whygrad.answers.formatting import number, typeset, typeset_within
from whygrad.nn.network import Parameters
from whygrad.pipeline.fit import find
from whygrad.pipeline.names import names_of_encoding
from whygrad.pipeline.settings import Settings
from whygrad.record import open_run
from whygrad.record.replay import same_state
from whygrad.record.rows import record_table
from whygrad.studio.server.guard import LIMIT
from whygrad.why.symbols import signed

TITLE = "return window.wgStudio?.shown?.recording.header.title"
PLACE = """
const {recording, store} = window.wgStudio?.shown ?? {};
return recording ? [recording.steps[store.get().step], recording.steps.at(-1)] : [0, 0];
"""


class Visit:
    """A person at a tab of a studio: presses, chooses, types, drags, and reads."""

    def __init__(self, browser, studio, folder):
        self.browser, self.studio, self.folder = browser, studio, folder
        self.driver = browser.driver

    def press(self, name):
        self.ready("button", name).click()

    def ready(self, role, name):
        """Wait until a control is there and can be used."""

        def found():
            elements = self.browser.all_by_role(role, name)
            return next((e for e in elements if e.is_displayed() and e.is_enabled()), None)

        return wait_for(found, f"a {role} called {name!r} that can be used")

    def panel(self, name):
        """Open a panel, unless it is open."""
        if not self.browser.all_by_role("heading", name):
            self.press(name)
            self.browser.by_role("heading", name)

    def staged(self, title):
        """Wait until the stage shows this: what stands on it before has other controls."""
        wait_for(lambda: self.driver.execute_script(TITLE) == title, f"a stage of {title}")

    def speed(self, text):
        """Choose how fast the training goes."""
        from selenium.webdriver.support.ui import Select

        Select(self.browser.by_role("combobox", "speed")).select_by_visible_text(text)

    def scrub(self, share):
        """Click into the time bar, at a share of its length."""
        from selenium.webdriver import ActionChains

        slider = self.browser.by_role("slider", "step of the training")
        across = round((share - 0.5) * slider.rect["width"])
        ActionChains(self.driver).move_to_element_with_offset(slider, across, 0).click().perform()

    def choose(self, name, option):
        """Choose an option of a list."""
        field = self.browser.by_role("combobox", name)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.find_element("xpath", "ancestor::label").click()
        self.ready("option", option).click()

    def write(self, name, text):
        """Type into a field in place of what stands there, and leave it."""
        from selenium.webdriver.common.keys import Keys

        field = self.browser.by_label(name)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(str(text), Keys.TAB)

    def keys(self, *names):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        actions = ActionChains(self.driver)
        for name in names:
            actions.send_keys(getattr(Keys, name))
        actions.perform()

    def ask_of_a_weight(self):
        """Click a connection from the inputs, and ask why; give the units that it leads from and to."""
        from selenium.webdriver import ActionChains

        x, y, part = wait_for(lambda: self.driver.execute_script(A_WEIGHT), "a connection")
        chain = ActionChains(self.driver)
        chain.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        chain.w3c_actions.pointer_action.click()
        chain.perform()
        self.press("Why?")
        return {"layer": 1, "to": int(part[2:].split(",")[0]), "from_": int(part.split(",")[1])}

    def drag(self, name, share, steps=6):
        """Drag a slider by a share of its length."""
        from selenium.webdriver import ActionChains

        slider = self.browser.by_label(name)
        width = slider.rect["width"]
        thumb = self.driver.execute_script(
            "return arguments[0].closest('.q-slider').querySelector('.q-slider__thumb')", slider
        )
        chain = ActionChains(self.driver, duration=30).click_and_hold(thumb)
        for _ in range(steps):
            chain.move_by_offset(round(share * width / steps), 0)
        chain.release().perform()

    # ── what is read ──

    def place(self):
        """The step that is shown, and the last one there is."""
        return tuple(self.driver.execute_script(PLACE))

    def told(self, look):
        elements = self.driver.find_elements("css selector", look)
        return elements[0].text if elements else ""

    def status(self):
        return self.told(".st-status")

    def message(self):
        return self.told(".wg-message")

    def says(self, words):
        """Wait for a message about what went wrong, and give it."""
        wait_for(lambda: words in self.message(), f"a message with {words!r}")
        return self.message()

    def left_at(self, last):
        """The earlier step that the slider was left at, once the page has come to it."""

        def there():
            first = self.place()[0]
            time.sleep(0.7)  # a drag is many moves, and the last may still be on its way
            return 0 < first < last and self.place()[0] == first and first

        return wait_for(there, "an earlier step")

    def paused(self):
        """The step at which training waits, once the header and the page agree on it."""

        def waits():
            found = re.match(r"paused at step ([\d,]+)", self.status())
            at = int(found[1].replace(",", "")) if found else None
            return at if found and self.place() == (at, at) else None

        return wait_for(waits, "a pause at one step, in the header and on the page")

    def run(self, name=None):
        """The run that is written, the latest one."""
        runs = sorted(self.folder.glob("*.run"), key=lambda p: p.stat().st_mtime)
        return open_run(self.folder / name if name else runs[-1])

    @staticmethod
    def names(run):
        return replace(names_of_encoding(run.encoding), in_words=True)  # as the stage has them

    def trainer(self):
        """The number of the process that trains."""
        found = [n for n, words in self.studio.family().items() if "training_process" in words]
        return found[0] if found else None

    def saved_json(self):
        """Save the answer as JSON, and give what was saved."""
        for old in self.folder.glob("saved/*"):
            old.unlink()
        self.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior",
            {"behavior": "allow", "downloadPath": str(self.folder / "saved")},
        )
        self.press("JSON")
        found = wait_for(lambda: list(self.folder.glob("saved/*.json")), "the saved answer")
        return json.loads(found[0].read_text())


@pytest.fixture
def visit(served, browser, tmp_path):
    """Return a function that opens a studio in a folder of its own."""
    opened = []

    def open_(*words, **more):
        studio = served(tmp_path, *words, **more)
        browser.open(studio.still)
        opened.append(Visit(browser, studio, tmp_path))
        return opened[-1]

    yield open_
    for one in opened:
        assert browser.foreign(one.studio) == []
        assert browser.complaints() == []


# ── from a file to an answer ─────────────────────────────────────────────────────────────────────────


def houses(path):
    """Write a small table of houses."""
    draws = np.random.default_rng(5)
    rooms, age = draws.integers(1, 9, 240), draws.uniform(0, 60, 240)
    coast = draws.choice(["near", "far"], 240)
    price = 40 * rooms - age + 60 * (coast == "near") + draws.normal(0, 5, 240)
    rows = zip(rooms, age.round(1), coast, price.round(2), strict=True)
    path.write_text(
        "rooms,age,coast,price\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in rows)
    )
    return path


def upload(visit, path):
    """Upload a file, as the dialog for files would."""
    visit.panel("Data")
    visit.driver.find_element("css selector", "input[type=file]").send_keys(str(path))


def asked(run, step, example):
    """The network of a run at a step, and an example of the stage, as `wg.why` takes them."""
    theta = Parameters(run.net.sizes, run.state(step).theta.astype(np.float64))
    rows = {"training": run.data, "validation": run.validation}[example["of"]]
    X, Y = (array[[example["index"]]] for array in (rows.X, rows.Y))
    penalties = {name: getattr(run.plan, name).of_batch(1, run.plan.n) for name in ("l1", "l2")}
    return (run.net, theta, X.astype(np.float64), Y.astype(np.float64)), penalties


def learn_and_ask(visit, table, target, name):
    upload(visit, table)
    visit.choose("Which column is to be predicted?", target)
    visit.press("Use this table")
    visit.browser.has(f"predicts {target}")
    visit.staged(table.name)
    visit.browser.screenshot(f"{name}-data")
    visit.speed("100 steps/s")
    visit.panel("Curves")
    visit.press("Start")
    wait_for(lambda: visit.place()[1] > 20, "some steps")
    visit.press("Pause")
    last = visit.paused()
    visit.browser.screenshot(f"{name}-trained")

    # Back in time: the slider of the training, by hand.
    visit.scrub(0.4)
    step = visit.left_at(last)

    run = visit.run()
    weight = visit.ask_of_a_weight()
    example = visit.driver.execute_script("return window.wgStudio.where()")
    given, penalties = asked(run, step, example)
    expected = wg.why.weight(*given, **weight, **penalties, names=visit.names(run))
    wait_for(lambda: visit.told(".wg-answer h2") == expected.question, "the answer")
    visit.browser.screenshot(f"{name}-weight")
    assert visit.place() == (step, last)
    assert visit.told(".wg-answer tr.wg-total td:last-child") == typeset(number(expected.value))
    digits = typeset(number(expected.value)).partition("×")[0]
    assert f"={digits}" in "".join(visit.told(".wg-answer math").split())
    assert visit.saved_json()["value"] == expected.value

    # The ripple: predicted and true, while the slider is dragged and when it is left.
    visit.press("Ripple")
    wait_for(lambda: visit.told(".wg-told").startswith("Drag"), "the slider of the weight")
    visit.drag("Move the weight", 0.2)
    wait_for(lambda: visit.told(".wg-told").startswith("Moved by"), "a ripple")
    slider = visit.browser.by_label("Move the weight")
    value = float(given[1].W[1][weight["to"], weight["from_"]])

    def told():
        by = float(slider.get_attribute("aria-valuenow")) - value
        found = wg.why.ripple(*given, **weight, by=by, **penalties, names=visit.names(run))
        first = sum(term.value for term in found.terms)
        beyond = found.value - first
        said = (
            f"Moved by {signed(by)}: the cost changes by {signed(found.value)}, of which "
            f"{signed(first)} is first order and {signed(beyond)} beyond first order."
        )
        return typeset_within(said), found

    wait_for(lambda: visit.told(".wg-told") == told()[0], "the ripple of where the slider was left")
    visit.browser.screenshot(f"{name}-ripple")
    found = told()[1]
    wait_for(lambda: visit.told(".wg-answer h2") == found.question, "the whole answer")
    saved = visit.saved_json()
    # The page tells where the slider is to some digits only.
    assert saved["value"] == pytest.approx(found.value, rel=1e-6) != 0
    predicted = sum(term["value"] for term in saved["terms"])
    assert predicted == pytest.approx(sum(term.value for term in found.terms), rel=1e-6)


def test_a_number_that_stands_for_a_missing_one_is_taken_for_it_at_a_click(visit, tmp_path):
    visit = visit()
    rows = [
        f"{100 + i % 60}/{60 + i % 31},{-999 if i % 20 == 3 else i % 40},{i % 60}"
        for i in range(240)
    ]
    (tmp_path / "ward.csv").write_text("\n".join(["pressure,size,stay", *rows]))
    upload(visit, tmp_path / "ward.csv")
    visit.choose("Which column is to be predicted?", "stay")
    visit.press("Use this table")
    visit.browser.has("Column 'size': is -999 in")
    visit.browser.has(
        "'pressure 1', 'pressure 2'; “category” in the table of columns takes cells whole"
    )
    visit.browser.screenshot("ward-data")
    visit.press("Take -999 for missing")
    wait_for(lambda: "is -999 in" not in visit.browser.text(), "the table without -999")


def test_a_table_is_uploaded_learned_from_and_asked_and_the_page_says_what_the_functions_say(
    visit, tmp_path_factory
):
    table = houses(tmp_path_factory.mktemp("files") / "houses.csv")
    learn_and_ask(visit(), table, "price", "houses")


BEYOND = """
const edge = document.querySelector(".wg-right").getBoundingClientRect().right;
return [...document.querySelectorAll(".wg-right .q-field")].filter((field) => field.checkVisibility())
  .map((field) => field.getBoundingClientRect().right - edge);
"""
EDITS = """
return [...document.querySelectorAll(".st-stage .st-edit")].map((button) => button.getBoundingClientRect())
  .map((box) => [box.left, box.right, Math.round(box.top)]);
"""


def test_a_wide_table_leaves_its_form_in_the_panel_and_the_buttons_of_the_layers_apart(
    visit, tmp_path_factory
):
    table = tmp_path_factory.mktemp("files") / "wide.csv"
    heads = [f"a long name of column {k}" for k in range(12)]
    lines = [",".join(str((i * (k + 3)) % 41) for k in range(12)) for i in range(200)]
    table.write_text("\n".join([",".join(heads), *lines]) + "\n")
    visit = visit()
    size = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    visit.browser.tell("Emulation.setDeviceMetricsOverride", **size)
    try:
        upload(visit, table)
        visit.ready("button", "Use this table")
        beyond = visit.driver.execute_script(BEYOND)
        assert len(beyond) >= 3 and max(beyond) <= 0
        visit.choose("Which column is to be predicted?", heads[-1])
        visit.press("Use this table")
        visit.staged(table.name)
        found = sorted(visit.driver.execute_script(EDITS), key=lambda box: (box[2], box[0]))
        for (_, right, top), (left, _, other) in pairwise(found):
            assert top != other or right <= left
        assert len(found) >= 6
    finally:
        visit.browser.tell("Emulation.clearDeviceMetricsOverride")


@pytest.mark.data
def test_the_same_with_the_houses_of_california(visit, tmp_path):
    table = Path(os.environ["WHYGRAD_DATA"]) / "california_housing.csv"
    learn_and_ask(visit(), table, "median_house_value", "housing")


# ── what is not lost ─────────────────────────────────────────────────────────────────────────────────


def start_slowly(visit, name="iris", speed="100 steps/s"):
    """Slow the training on a data set down, so that one can look on."""
    visit.panel("Data")
    visit.press(name)
    visit.browser.has(f"{name}, not trained yet")
    visit.staged(name)
    visit.speed(speed)
    visit.press("Start")
    wait_for(lambda: visit.place()[1] > 0, "the first steps")


def unbroken(run, folder):
    """Return the run that is written where nobody interferes."""
    source = find(run.manifest["data"]["name"], seed=run.settings.seed)
    record_table(folder / "unbroken.run", source, run.settings)
    return open_run(folder / "unbroken.run")


def test_a_reloaded_page_and_a_second_tab_show_the_training_that_goes_on(visit):
    visit = visit()
    start_slowly(visit, speed="10 steps/s")
    before = visit.place()[1]
    pid = visit.trainer()
    visit.browser.reload()
    wait_for(lambda: visit.place()[1] > before, "the training going on, on the page")
    assert visit.trainer() == pid
    visit.browser.has("iris.run")
    assert visit.status().startswith("training")

    first = visit.driver.current_window_handle
    visit.driver.switch_to.new_window("tab")
    visit.browser.open(visit.studio.url)
    second = visit.driver.current_window_handle
    wait_for(lambda: visit.place()[1] > before, "the training in the other tab")
    visit.press("Pause")
    at = visit.paused()
    visit.browser.screenshot("second-tab")
    visit.driver.switch_to.window(first)
    assert visit.paused() == at
    # Each tab looks at what it wants.
    visit.scrub(0.5)
    wait_for(lambda: visit.place()[0] < at, "an earlier step")
    visit.driver.switch_to.window(second)
    assert visit.place() == (at, at)
    visit.driver.close()
    visit.driver.switch_to.window(first)
    assert [path.name for path in visit.folder.glob("*.run")] == ["iris.run"]


def test_a_training_that_was_killed_is_told_and_goes_on_to_the_same_end(visit, tmp_path_factory):
    visit = visit()
    start_slowly(visit)
    os.kill(visit.trainer(), signal.SIGKILL)
    wait_for(lambda: "was killed (SIGKILL)" in visit.status(), "word of the end")
    visit.browser.screenshot("killed")
    killed = visit.run().step
    visit.speed("full speed")
    visit.press("Go on")
    wait_for(lambda: visit.status().startswith("ended"), "the end")
    run = visit.run()
    wait_for(lambda: visit.place() == (run.step, run.step), "the last step on the page")
    assert run.step > killed
    assert_same_run(run, unbroken(run, tmp_path_factory.mktemp("unbroken")))
    visit.browser.screenshot("resumed")


def test_one_step_is_one_one_epoch_is_the_rest_of_it_and_reset_begins_anew(visit, tmp_path_factory):
    visit = visit()
    visit.panel("Data")
    visit.press("iris")
    visit.staged("iris")
    visit.speed("2 steps/s")
    visit.press("one step on")
    assert visit.paused() == 1
    visit.press("one step on")
    wait_for(lambda: visit.place() == (2, 2), "the second step")
    assert visit.paused() == 2
    visit.speed("full speed")
    visit.press("One epoch")
    wait_for(lambda: visit.place() == (4, 4), "the end of the epoch")
    assert visit.paused() == 4
    run = visit.run()
    whole = unbroken(run, tmp_path_factory.mktemp("unbroken"))
    for step in (1, 2, 4):
        assert same_state(run.state(step), whole.state(step))
    visit.press("Reset")
    visit.staged("iris")
    wait_for(lambda: visit.place() == (0, 0), "the start on the page")
    wait_for(lambda: visit.trainer() is None, "the end of the process")
    visit.press("one step on")
    assert visit.paused() == 1
    assert len(list(visit.folder.glob("*.run"))) == 2


# ── what cannot be done ──────────────────────────────────────────────────────────────────────────────


def test_bad_files_and_networks_that_are_too_large_are_told_in_one_line(visit, tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    visit = visit()
    before = set(visit.folder.iterdir())

    def refused(name, content, words):
        (files / name).write_text(content)
        upload(visit, files / name)
        said = visit.says(words)
        assert len(said.splitlines()) == 1
        return said

    one = refused("one.csv", "price\n" + "1\n" * 30, "has one column")
    visit.browser.screenshot("one-column")
    refused("no.csv", "", "the file is empty")
    refused("ragged.csv", "a,b\n1,2\n1\n", "ragged.csv")
    assert "one.csv" in one
    assert "upload CSV" in refused("words.docx", "PK", "words.docx: not a table")
    many = "x,name\n" + "".join(f"{i % 37},n{i % 1000}\n" for i in range(3000))
    (files / "many.csv").write_text(many)
    upload(visit, files / "many.csv")
    visit.choose("Which column is to be predicted?", "name")
    visit.press("Use this table")
    said = visit.says("1000 classes")
    assert "choose another target" in said
    visit.browser.screenshot("many-classes")
    # No more than the limit is sent.
    with (files / "large.csv").open("wb") as file:
        file.truncate(LIMIT + 1)
    upload(visit, files / "large.csv")
    assert "whygrad train" in visit.says("more than 100 MB")
    visit.browser.screenshot("large-file")
    assert {path.name for path in set(visit.folder.iterdir()) - before} <= {
        "one.csv",
        "ragged.csv",
        "many.csv",
    }

    # What was shown is still there, and too large a network is refused with what can be done instead.
    visit.browser.has("spirals, not trained yet")
    visit.panel("Network")
    for units, words in (
        ("600", "a hidden layer of 600 units: 512"),
        ("4 " * 7, "7 hidden layers: 6"),
    ):
        visit.write("Units of the hidden layers", units)
        assert "`whygrad train`" in visit.says(words)
    visit.browser.screenshot("too-large")
    visit.browser.has("2 – 8 – 8 – 1")
    visit.write("Units of the hidden layers", "5")
    visit.browser.has("2 – 5 – 1")
    wait_for(lambda: visit.message() == "", "an end of the message")


def test_a_run_of_a_newer_schema_is_refused_and_one_without_its_data_is_shown_but_not_asked(
    served, browser, tmp_path
):
    table = houses(tmp_path / "houses.csv")
    settings = Settings(hidden=(3,), epochs=2, engine="reference")
    record_table(tmp_path / "gone.run", find(str(table), "price"), settings, copy_data=False)
    shutil.copytree(tmp_path / "gone.run", tmp_path / "newer.run")
    manifest = tmp_path / "newer.run" / "manifest.json"
    about = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(about | {"schema": about["schema"] + 1}))
    found = whygrad("studio", tmp_path / "newer.run", "--no-browser", "--folder", tmp_path)
    assert found.code == 2
    assert len(found.lines) == 1 and "written by a newer whygrad" in found.err

    table.unlink()
    studio = served(tmp_path, "gone.run")
    browser.open(studio.url)
    visit = Visit(browser, studio, tmp_path)
    browser.has("gone.run")
    browser.has("houses.csv")
    visit.panel("Why")
    browser.screenshot("data-gone")
    for name in ("Start", "Go on", "More epochs", "One epoch", "Fork"):
        assert not any(e.is_enabled() for e in browser.all_by_role("button", name)), name
    # The other is refused as well where it is to be drawn beside.
    visit.panel("Curves")
    visit.choose("Compare with", "newer.run")
    assert len(visit.says("written by a newer whygrad").splitlines()) == 1
    assert browser.foreign(studio) == [] and browser.complaints() == []


# ── another way ──────────────────────────────────────────────────────────────────────────────────────


CURVES = """
const found = [];
for (const one of document.querySelectorAll(".wg-chart")) {
  const chart = one.offsetParent && getElement(Number(one.id.slice(1))).chart;
  if (chart) found.push(chart.getOption().series.map((s) => [s.name, s.data.length]));
}
return found;
"""


def test_a_fork_with_another_learning_rate_goes_its_own_way_and_both_curves_are_in_one_chart(visit):
    visit = visit()
    start_slowly(visit)
    visit.press("Pause")
    last = visit.paused()
    visit.panel("Curves")
    visit.scrub(0.5)
    step = visit.left_at(last)
    visit.speed("full speed")
    visit.press("Fork")
    visit.browser.has(f"Fork from step {step}")
    visit.browser.screenshot("fork")
    visit.write("Learning rate η", "0.05")
    visit.driver.find_element("css selector", ".q-dialog").find_element(
        "xpath", ".//button[contains(., 'Fork')]"
    ).click()
    wait_for(lambda: visit.status().startswith("ended"), "the end of the fork")
    run, parent = visit.run("iris-fork.run"), visit.run("iris.run")
    assert run.start == step and parent.step == last
    assert run.plan.optimizer.learning_rate == 0.05 and parent.plan.optimizer.learning_rate != 0.05
    assert run.state(step).theta.tobytes() == parent.state(step).theta.tobytes()
    wait_for(lambda: visit.place() == (run.step, run.step), "the end of the fork on the page")

    def both():
        charts = visit.driver.execute_script(CURVES)
        names = [name for name, points in charts[0] if points] if charts else []
        return any("iris.run" in n for n in names) and "training" in names

    wait_for(both, "both curves in the chart of the cost")
    visit.browser.screenshot("forked")
