"""The drawing of a network by itself in a real browser, with a model such as notebooks give it.

pytest_plugins = ("browser", "drawn")     gives a test file the fixture

draw       opens a page with a view; in the end the browser must have had nothing to complain of
"""

import json
from pathlib import Path

import pytest

import whygrad as wg
from browser import wait_for

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>drawing</title>
<style>body {{ margin: 16px }} {css}</style></head><body><div id="root"></div><script type="module">
const url = URL.createObjectURL(new Blob([{source}], {{ type: "text/javascript" }}));
const module = await import(url);
const values = {{ view: {view}, lit: [], answer: "" }};
const told = {{}};
window.gestures = [];
window.model = {{
  get: (name) => values[name],
  set(name, value) {{ values[name] = value; (told[name] ?? []).forEach((one) => one()); }},
  on(event, one) {{ (told[event.replace("change:", "")] ??= []).push(one); }},
  off() {{ throw new Error("as NiceGUI's does"); }},
  send(content) {{ window.gestures.push(structuredClone(content)); }},
}};
window.end = module.default.render({{ model: window.model, el: document.getElementById("root") }});
window.ready = true;
</script></body></html>"""
WIDGET = Path(wg.__file__).parent / "answers" / "widget"


class Drawn:
    """A drawing on a page of its own."""

    def __init__(self, browser, folder, first):
        from whygrad.answers.widget.widget import NetworkWidget

        self.browser, self.driver = browser, browser.driver
        page = PAGE.format(
            css=NetworkWidget._css,
            source=json.dumps((WIDGET / "network.js").read_text(encoding="utf-8")).replace(
                "</", "<\\/"
            ),
            view=json.dumps(first).replace("</", "<\\/"),
        )
        (folder / "drawing.html").write_text(page, encoding="utf-8")
        self.driver.get((folder / "drawing.html").as_uri())
        wait_for(lambda: self.run("return window.ready"), "the drawing")

    wait_for = staticmethod(wait_for)

    def run(self, script, *given):
        return self.driver.execute_script(script, *given)

    def show(self, about):
        before = self.drawings()
        self.run("window.model.set('view', arguments[0])", about)
        wait_for(lambda: self.drawings() > before, "another drawing")

    def drawings(self):
        return int(self.run("return document.querySelector('.wg-network').dataset.drawn"))

    def part(self, part):
        return self.driver.find_element("css selector", f'.wg-room g[data-part="{part}"]')

    def gestures(self):
        """Return what was done since this was last asked, without its counter."""
        found = self.run("return window.gestures.splice(0)")
        return [
            {k: v for k, v in one.items() if k != "id" and v not in ("", None)} for one in found
        ]

    def hover(self, part):
        from selenium.webdriver.common.action_chains import ActionChains

        node = self.part(part)
        if "," not in part:
            ActionChains(self.driver).move_to_element(node).perform()
            return
        # the middle of a connection may lie below another: somewhere along it, it is free
        place = self.run(
            """const line = arguments[0].querySelector(".wg-line"), m = line.getScreenCTM();
            for (let t = 0.02; t < 1; t += 0.02) {
              const at = line.getPointAtLength(t * line.getTotalLength()).matrixTransform(m);
              const top = document.elementFromPoint(at.x, at.y);
              if (top?.closest("[data-part]") === arguments[0]) return [at.x, at.y];
            }""",
            node,
        )
        actions = ActionChains(self.driver)
        actions.w3c_actions.pointer_action.move_to_location(round(place[0]), round(place[1]))
        actions.perform()


@pytest.fixture
def draw(alone, tmp_path):
    """Return a function that draws a view in a browser; nothing may have gone wrong there in the end."""

    def start(first):
        return Drawn(alone, tmp_path, first)

    yield start
    assert alone.complaints() == []
