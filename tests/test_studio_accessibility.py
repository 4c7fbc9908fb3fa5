"""The studio's page for everybody: by keyboard, by ear, in light and dark, wide and narrow, and steady."""

import pytest
from selenium.webdriver.common.keys import Keys

from browser import wait_for
from whygrad.pipeline.fit import find
from whygrad.pipeline.settings import Settings
from whygrad.record import open_run
from whygrad.record.rows import record_table

TABS = ("Data", "Network", "Curves", "Why", "Slow motion")

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
const box = (e) => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width].map(Math.round); };
return Object.fromEntries([...document.querySelectorAll('.wg-unit')].map((e) =>
  [e.dataset.part, box(e.querySelector('circle') || e)]));
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


def to_tab(browser, name):
    browser.by_role("tab", name).click()
    wait_for(lambda: browser.by_role("tab", name).get_attribute("aria-selected") == "true")
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
    browser.open(studio.drawing)
    browser.by_role("tab", "Why")
    wait_for(lambda: browser.driver.execute_script(PLACES), "the drawing")
    settle(browser)
    return browser


def click_on(browser, part):
    """Click on a part of the drawing."""
    script = """const part = document.querySelector(`.wg-network [data-part="${arguments[0]}"]`);
      part.dispatchEvent(new MouseEvent('click', {bubbles: true}))"""
    browser.driver.execute_script(script, part)
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
    for tab in TABS:
        to_tab(browser, tab)
        assert nameless(browser) == [], tab
    click_on(browser, "2:1,0")
    for question in ("Chain rule", "Paths", "Ripple", "Ledger"):
        browser.by_role("button", question).click()
        settle(browser)
        assert nameless(browser) == [], question
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_that_is_written_can_be_read(studio, browser, dark):
    browser.dark(dark)
    opened(browser, studio)
    for tab in TABS:
        to_tab(browser, tab)
        assert browser.driver.execute_script(CONTRASTS) == [], tab


def test_everything_is_reached_by_keyboard_and_seen_where_it_is(studio, browser):
    opened(browser, studio)
    to_tab(browser, "Network")
    reached, unseen = [], []
    seen = """const e = document.activeElement, around = (part) => e.closest(part);
      const ring = [e, around('.q-field__control'), around('.q-slider')?.querySelector('.q-slider__thumb')];
      return ring.some((one) => one && getComputedStyle(one).boxShadow !== 'none')
        || around('.wg-network') !== null || around('.q-field--outlined.q-field--focused') !== null"""
    browser.driver.execute_script("document.activeElement.blur()")
    while not reached or reached.count("Light or dark") < 2:
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.driver.switch_to.active_element.accessible_name)
        if not browser.driver.execute_script(seen):
            unseen.append(reached[-1])
        assert len(reached) < 100
    assert unseen == []
    for name in (
        *(
            "Light or dark",
            "Which part of the data",
            "One example, a class, or all",
            "The next example",
        ),
        *(
            "Number of the example",
            "weight",
            "gradient",
            "last update",
            "More epochs",
            "One step",
            "One epoch",
        ),
        *("Speed", "Fork", "Reset", "Step of the training", "Network"),
    ):
        assert name in reached
    assert any(name.startswith("sepal length") for name in reached)  # from there by arrow keys


def test_a_narrow_window_cuts_nothing_off(studio, narrow):
    opened(narrow, studio)
    click_on(narrow, "1:2,0")
    for tab in ("Why", *TABS):
        to_tab(narrow, tab)
        assert narrow.driver.execute_script("return document.documentElement.scrollWidth") <= 400
        assert narrow.driver.execute_script(CUT) == [], tab
    assert narrow.complaints() == []


def test_the_units_stay_where_they_are_whatever_is_looked_at(studio, browser):
    opened(browser, studio)
    places = browser.driver.execute_script(PLACES)
    assert len(places) == 4 + 6 + 5 + 3
    for tab in TABS:
        to_tab(browser, tab)
        assert browser.driver.execute_script(PLACES) == places, tab
    click_on(browser, "1:2,0")
    for question in ("Chain rule", "Paths", "Ripple"):
        browser.by_role("button", question).click()
        settle(browser)
        assert browser.driver.execute_script(PLACES) == places, question
    to_tab(browser, "Slow motion")
    for _ in range(4):
        browser.by_role("button", "Next frame").click()
        settle(browser)
        assert browser.driver.execute_script(PLACES) == places
    browser.by_role("button", "gradient").click()
    settle(browser)
    assert browser.driver.execute_script(PLACES) == places


def test_the_units_stay_where_they_are_when_training_begins(served, browser, tmp_path):
    opened(browser, served(tmp_path))
    places = browser.driver.execute_script(PLACES)
    browser.by_role("button", "One step").click()
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
