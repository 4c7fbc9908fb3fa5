"""The drawing on a page of NiceGUI: gestures arrive and are small, and what is drawn stays drawn."""

import json

from browser import wait_for

CODE = """
from dataclasses import replace
import numpy as np
from nicegui import ui
from whygrad.answers.pictures import NetworkPicture
from whygrad.studio.page.canvas import Canvas
from whygrad.studio.server.door import opened
from whygrad.studio.server.serving import serve

rng = np.random.default_rng(0)
sizes = (784, 100, 10)
picture = NetworkPicture(
    "the network",
    tuple(rng.random(n) for n in sizes),
    (None, *(rng.normal(size=(m, n)) for n, m in zip(sizes, sizes[1:]))),
    tuple(tuple(f"{l}:{j}" for j in range(n)) for l, n in enumerate(sizes)),
    image=(28, 28),
)

class Session:
    def close(self):
        pass

def build(session):
    def tell(gesture):
        told.set_text(f"{told.text}, {gesture.kind} {gesture.part}")

    with ui.tabs() as tabs:
        ui.tab("first").props("no-caps")
        ui.tab("second").props("no-caps")
    with ui.tab_panels(tabs, value="first", animated=False):
        with ui.tab_panel("first"):
            canvas = Canvas(picture, tell)
        with ui.tab_panel("second"):
            ui.label("nothing is drawn here")
    told = ui.label("told")
    sevens = replace(picture, units=tuple(np.full(n, 7.0) for n in sizes))
    ui.button("sevens", on_click=lambda: canvas.draw(sevens)).props("no-caps")
    ui.button("light", on_click=lambda: canvas.light(["2:4"])).props("no-caps")

with opened(port=0, show=False) as door:
    serve(Session(), build, lambda path, query: None, door)
"""


def sent(driver):
    """Return the messages that the page has sent since this was last asked."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        event["params"]["response"]["payloadData"]
        for event in events
        if event["method"] == "Network.webSocketFrameSent"
    ]


def test_a_drawing_on_a_page_tells_gestures_in_small_messages(served, browser, tmp_path):
    browser.open(served(tmp_path, code=CODE).drawing)
    unit = wait_for(lambda: browser.driver.find_elements("css selector", '[data-part="2:9"]'))
    browser.requests()
    sent(browser.driver)
    unit[0].click()
    browser.has("point 2:9, click 2:9")
    messages = [one for one in sent(browser.driver) if "gesture" in one or "detail" in one]
    assert messages
    assert max(map(len, messages)) < 1000
    assert browser.complaints() == []


def test_gestures_made_without_a_connection_arrive_in_the_order_they_were_made(
    served, browser, tmp_path
):
    browser.open(served(tmp_path, code=CODE).drawing)
    wait_for(lambda: browser.driver.find_elements("css selector", '[data-part="2:9"]'))
    # Whatever waits is called again when the connection is back, the last first.
    browser.driver.execute_async_script(
        """const done = arguments[0], plain = window.setTimeout, late = [];
        window.setTimeout = (one) => late.push(one);
        window.did_handshake = false;
        for (const part of ["2:9", "2:8", "2:7"]) {
          const unit = document.querySelector(`[data-part="${part}"]`);
          unit.dispatchEvent(new Event("click", { bubbles: true }));
        }
        plain(() => {
          window.did_handshake = true;
          window.setTimeout = plain;
          while (late.length) late.pop()();
          done();
        });"""
    )
    browser.has("told, click 2:9, click 2:8, click 2:7")
    assert browser.complaints() == []


def test_a_drawing_that_was_out_of_sight_shows_the_latest_numbers(served, browser, tmp_path):
    browser.open(served(tmp_path, code=CODE).drawing)

    def numbers():
        script = (
            "return [...document.querySelectorAll('.wg-unit text')].map((one) => one.textContent)"
        )
        return {one for one in browser.driver.execute_script(script) if one not in ("", "b")}

    wait_for(lambda: len(numbers()) > 5)
    browser.by_role("button", "sevens").click()
    wait_for(lambda: numbers() == {"7"})
    browser.by_role("button", "light").click()
    lit = "return [...document.querySelectorAll('.wg-unit.wg-lit')].map((one) => one.dataset.part)"
    wait_for(lambda: browser.driver.execute_script(lit) == ["2:4"])
    browser.by_role("tab", "second").click()
    browser.has("nothing is drawn here")
    browser.by_role("tab", "first").click()
    wait_for(lambda: numbers() == {"7"})
    wait_for(lambda: browser.driver.execute_script(lit) == ["2:4"])
    browser.by_role("button", "show all units of hidden, 92 more").click()
    units = "return document.querySelectorAll('.wg-unit').length"
    wait_for(lambda: browser.driver.execute_script(units) > 100)
    assert browser.complaints() == []
