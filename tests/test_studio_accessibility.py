"""The studio's page for everybody: by keyboard, by ear, in light and dark, wide and narrow, and steady."""

import pytest
from selenium.webdriver.common.keys import Keys

from browser import wait_for
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import open_run
from whygrad.record.rows import record_table

PANELS = ("Data", "Runs", "Network", "Curves", "Why")

# Text that is drawn, with its contrast to what lies behind it; what is switched off need not be read.
CONTRASTS = """
const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
const pen = canvas.getContext('2d', {willReadFrequently: true});
const rgba = (color) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92
  : ((c + .055) / 1.055) ** 2.4); return .2126 * x + .7152 * y + .0722 * z; };
const ground = (e) => { if (!e) return [255, 255, 255, 1];
  const own = rgba(getComputedStyle(e).backgroundColor);
  return own[3] === 1 ? own : over(own, ground(e.parentElement)); };
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
  if (!text || !e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
  if (e.closest('svg, [disabled], .disabled, .q-field--disabled, script, style')) continue;
  const style = getComputedStyle(e), below = ground(e);
  let opacity = 1;
  for (let one = e; one; one = one.parentElement) opacity *= getComputedStyle(one).opacity;
  const color = rgba(style.color); color[3] *= opacity;
  const [a, b] = [light(over(color, below)), light(below)].sort((x, y) => y - x);
  const large = parseFloat(style.fontSize) >= 24 || e.closest('.q-icon');
  const ratio = (a + .05) / (b + .05);
  if (ratio < (large ? 3 : 4.5)) found.push(`${text}: ${ratio.toFixed(2)}`);
}
return found;
"""

# What sticks out of the window, and cannot be scrolled to within its box either.
CUT = """
const scrolls = (e) => { for (; e; e = e.parentElement)
  if (['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e !== document.body) return true; };
const out = (e) => { const b = e.getBoundingClientRect(); return b.right > innerWidth + 1 || b.left < -1; };
return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility({visibilityProperty: true})
  && e.getClientRects().length && !e.closest('.q-focus-helper, .q-tabs__arrow, [aria-hidden=true]')
  && out(e) && !scrolls(e)
).map((e) => e.outerHTML.slice(0, 120));
"""

PLACES = """
const {stage} = window.wgStudio?.shown ?? {};
return stage?.layout && stage.layout.columns.map((column) => column.units.map((_, at) =>
  [column.x, column.y(at)].map(Math.round)));
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = Settings(hidden=(6, 5), activation="tanh", epochs=5, engine="reference", seed=3)
    record_table(folder / "iris.run", find("iris", seed=3), settings)
    return open_run(folder / "iris.run")


@pytest.fixture(scope="module")
def studio(served_to_all, run):
    """A studio that all tests look at, and none changes."""
    return served_to_all(run.path.parent, run.path)


def to_panel(browser, name):
    browser.by_role("button", name).click()
    browser.by_role("heading", name)
    settle(browser)


def settle(browser):
    """Wait until nothing on the page has changed for a while."""
    quiet = """const done = arguments[0]; let timer;
      const over = () => { watch.disconnect(); done(); };
      const again = () => { clearTimeout(timer); timer = setTimeout(over, 700); };
      const watch = new MutationObserver(again);
      const all = {subtree: true, childList: true, attributes: true, characterData: true};
      watch.observe(document.body, all);
      again();"""
    browser.driver.set_script_timeout(60)
    browser.driver.execute_async_script(quiet)


def opened(browser, studio):
    browser.open(studio.still)
    wait_for(lambda: browser.driver.execute_script(PLACES), "the stage")
    settle(browser)
    return browser


def ask_of(browser, part):
    """Click on a part of the network, and ask why, unless that is asked already."""
    script = "window.wgStudio.shown.stage.choose(arguments[0]); return window.wgStudio.panel"
    if browser.driver.execute_script(script, part) != "why":
        browser.by_role("button", "Why?").click()
    settle(browser)


def nameless(browser):
    """Return the controls that a screen reader would have no name for."""
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    controls = {"button", "checkbox", "combobox", "link", "listbox", "menuitem", "option", "radio"}
    controls |= {"searchbox", "slider", "spinbutton", "switch", "tab", "textbox", "img", "image"}
    found = []
    for node in nodes:
        role = node.get("role", {}).get("value")
        focusable = any(
            one["name"] == "focusable" and one["value"]["value"]
            for one in node.get("properties", ())
        )
        if node.get("ignored") or role in ("RootWebArea", "StaticText"):
            continue
        if (role in controls or focusable) and not node.get("name", {}).get("value", "").strip():
            element = browser.element(node["backendDOMNodeId"])
            if role in controls or element.get_attribute("tabindex") != "-1":
                found.append(f"{role}: {element.get_attribute('outerHTML')[:200]}")
    return found


def test_every_control_has_a_name(studio, browser):
    opened(browser, studio)
    for panel in PANELS:
        to_panel(browser, panel)
        assert nameless(browser) == [], panel
    ask_of(browser, "2:1,0")
    for question in ("Chain rule", "Paths", "Ripple", "Ledger"):
        browser.by_role("button", question).click()
        settle(browser)
        assert nameless(browser) == [], question
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_that_is_written_can_be_read(studio, browser, dark):
    browser.dark(dark)
    opened(browser, studio)
    for panel in PANELS:
        to_panel(browser, panel)
        assert browser.driver.execute_script(CONTRASTS) == [], panel


def test_everything_is_reached_by_keyboard_and_seen_where_it_is(studio, browser):
    opened(browser, studio)
    to_panel(browser, "Network")
    reached, unseen = [], []
    seen = """const e = document.activeElement, around = (part) => e.closest(part);
      const ring = [e, around('.q-field__control'), around('.q-slider')?.querySelector('.q-slider__thumb')];
      return ring.some((one) => one && getComputedStyle(one).boxShadow !== 'none')
        || e === document.body || getComputedStyle(e).outlineStyle !== 'none'
        || around('.q-field--outlined.q-field--focused') !== null"""
    browser.driver.execute_script("document.activeElement.blur()")
    while not reached or reached.count("Light or dark") < 2:
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.driver.switch_to.active_element.accessible_name)
        if not browser.driver.execute_script(seen):
            unseen.append(
                browser.driver.execute_script("return document.activeElement.outerHTML")[:300]
            )
        assert len(reached) < 100
    assert unseen == []
    for name in (
        *("Light or dark", "next example", "choose an example", "lines: weights", "Play"),
        *("one step on", "One epoch", "speed", "What is wrong?", "Fork", "Reset"),
        *("step of the training", "Network", "Fork with others …", "Close the panel"),
    ):
        assert name in reached
    assert any(name.startswith("hidden 0") or "layer 1" in name for name in reached)


def test_a_narrow_window_cuts_nothing_off(studio, narrow):
    opened(narrow, studio)
    ask_of(narrow, "1:2,0")
    for panel in PANELS:
        if panel != "Why":
            to_panel(narrow, panel)
        assert narrow.driver.execute_script("return document.documentElement.scrollWidth") <= 400
        assert narrow.driver.execute_script(CUT) == [], panel
    assert narrow.complaints() == []


def test_a_panel_hides_nothing_of_the_stage_and_moves_nothing_while_it_is_open(studio, browser):
    opened(browser, studio)
    alone = browser.driver.execute_script(PLACES)
    to_panel(browser, "Network")
    edge = "return document.querySelector('.wg-right').getBoundingClientRect().left"
    stage = "return document.querySelector('.st-stage').getBoundingClientRect().right"
    assert browser.driver.execute_script(stage) <= browser.driver.execute_script(edge)
    places = browser.driver.execute_script(PLACES)
    for panel in ("Data", "Curves", "Why"):
        to_panel(browser, panel)
        assert browser.driver.execute_script(PLACES) == places, panel
    browser.by_role("button", "Close the panel").click()
    settle(browser)
    assert browser.driver.execute_script(PLACES) == alone


def test_the_units_stay_where_they_are_when_training_begins(served, browser, tmp_path):
    opened(browser, served(tmp_path))
    places = browser.driver.execute_script(PLACES)
    browser.by_role("button", "one step on").click()
    browser.has("paused at step 1")
    settle(browser)
    assert browser.driver.execute_script(PLACES) == places


def test_the_page_is_dark_where_the_browser_prefers_it_and_when_it_is_switched(studio, browser):
    ground = "return getComputedStyle(document.body).backgroundColor"
    opened(browser, studio)
    light = browser.driver.execute_script(ground)
    switch = browser.by_role("button", "Light or dark")
    for prefers in (False, True):
        browser.dark(prefers)
        opened(browser, studio)
        before = browser.driver.execute_script(ground)
        assert (before != light) == prefers
        switch = browser.by_role("button", "Light or dark")
        switch.click()
        settle(browser)
        after = browser.driver.execute_script(ground)
        assert (after != light) != prefers


def test_an_answer_adds_no_second_title_to_the_page(studio, browser):
    opened(browser, studio)
    ask_of(browser, "1:2,0")
    answer = "return document.querySelector('.wg-answer h2')?.innerText"
    assert wait_for(lambda: browser.driver.execute_script(answer), "the answer").startswith("Why")
    levels = """return [...document.querySelectorAll('h1, h2, h3, [role=heading]')].map((one) =>
      [one.ariaLevel ?? one.tagName[1], one.innerText])"""
    found = browser.driver.execute_script(levels)
    assert [text for level, text in found if level == "1"] == ["whygrad studio"]
    assert ["2", "Why"] in found
    assert any(level == "3" and text.startswith("Weight from") for level, text in found)
