"""How soon the studio's page answers a hand: a weight of MNIST's 784-100-10 dragged in a real browser.

    WHYGRAD_DATA=data python benchmarks/studio.py [--drags 300] [--trial]

A network is trained for an epoch and opened with `whygrad studio` in chromium without a window, 1280 × 900.
A weight's slider is moved by events of the mouse, and the page itself takes the time: from the event until
the end of the frame in which drawing and sentence have changed. "One by one" moves it again when that is
seen; "in a stream" moves it at every frame, as a hand does, and takes for every drawing the time since the
move that it shows.
That drawing and sentence tell what `wg.why.ripple` does is shown in tests/test_studio_journeys.py.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]
from keeping import keep  # noqa: E402

import browser as window  # noqa: E402
from whygrad.pipeline.fit import find  # noqa: E402
from whygrad.pipeline.settings import Settings  # noqa: E402
from whygrad.record.rows import record_table  # noqa: E402

PROMISED = {"median": 50.0, "p95": 100.0}  # ms, one by one

# Returns times in ms: of moves made one by one, from the event to the drawing; of a stream of moves, for
# each drawing, how long ago the hand was where the drawing says.
DRAG = """
const [drags, stream, done] = arguments;
const knob = document.querySelector('[aria-label="Move the weight"]');
const slider = knob.closest(".q-slider");
const root = document.querySelector(".wg-drawing .wg-network");
const said = document.querySelector(".wg-told");
const track = slider.getBoundingClientRect();
const y = track.top + track.height / 2;
const send = (kind, where, x) => where.dispatchEvent(new MouseEvent(kind,
  {bubbles: true, cancelable: true, view: window, clientX: x, clientY: y, button: 0, buttons: 1}));
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
const painted = () => new Promise((seen) => {  // the drawing changes as a frame begins: its end is meant
  const channel = new MessageChannel();
  channel.port1.onmessage = () => seen(performance.now());
  channel.port2.postMessage(0);
});
const place = (turn) => track.left + track.width * (0.5 + 0.4 * Math.sin(turn));
const value = () => Number(knob.getAttribute("aria-valuenow"));

(async () => {
  const middle = value();
  const times = [], moves = [];
  let drawn = () => {};
  const watch = new MutationObserver(() => drawn());
  watch.observe(root, {attributes: true, attributeFilter: ["data-drawn"]});
  watch.observe(said, {childList: true, characterData: true, subtree: true});
  send("mousedown", slider.querySelector(".q-slider__track-container"), place(0));
  send("mousemove", document, place(0.1));
  await sleep(1000);
  if (stream) {
    send("mousemove", document, track.left + track.width * 0.1);
    await sleep(500);
    let before = [said.textContent, root.dataset.drawn];
    drawn = async () => {
      if (said.textContent === before[0] || root.dataset.drawn === before[1]) return;
      before = [said.textContent, root.dataset.drawn];
      const shown = middle + Number(said.textContent.match(/by ([^:]+):/)?.[1].replace("\u2212", "-"));
      const move = moves.find((one) => one.value > shown - 0.002);
      if (move) times.push(await painted() - move.time);
    };
    for (let i = 0; i < drags; i++) {
      const time = performance.now();
      send("mousemove", document, track.left + track.width * (0.1 + (0.8 * i) / drags));
      await new Promise(requestAnimationFrame);
      moves.push({time, value: value()});
    }
    await sleep(1000);
  } else for (let i = 0; i < drags; i++) {
    const before = [said.textContent, root.dataset.drawn];
    const time = performance.now();
    send("mousemove", document, place((i % 2 ? 1 : -1) * (0.3 + 0.9 * Math.random())));
    const changed = () => said.textContent !== before[0] && root.dataset.drawn !== before[1];
    await new Promise((seen) => { drawn = () => changed() && seen(); });
    drawn = () => {};
    times.push(await painted() - time);
    await sleep(80 * Math.random());
  }
  watch.disconnect();
  send("mouseup", document, place(0));
  done(times);
})();
"""


def main() -> None:
    """Take the times and keep them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drags", type=int, default=300)
    parser.add_argument("--trial", action="store_true", help="keep no figures")
    asked = parser.parse_args()
    figures: dict[str, Any] = {"load before": round(os.getloadavg()[0], 2), "drags": asked.drags}
    for name, stream in (("one by one", False), ("in a stream", True)):
        with opened() as page:
            page.driver.set_script_timeout(600)
            times = page.driver.execute_async_script(DRAG, asked.drags, stream)
        figures[name] = {
            "drawn": len(times),
            "median ms": round(float(np.median(times)), 1),
            "p95 ms": round(float(np.percentile(times, 95)), 1),
            "largest ms": round(max(times), 1),
        }
        print(name, figures[name])
    figures["load after"] = round(os.getloadavg()[0], 2)
    print("load", figures["load before"], figures["load after"])
    keep("studio", figures, asked.trial)


@contextmanager
def opened() -> Iterator[Any]:
    """Open the page of a trained network in a browser, at the ripple of a weight."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(hidden=(100,), epochs=1, activation="tanh")
        record_table(folder / "mnist.run", find("mnist"), settings)
        folders = iter(range(9))

        def made(kind: str) -> Path:
            path = folder / f"{kind}{next(folders)}"
            path.mkdir()
            return path

        with window._studios(made) as start, window.driven() as driver:
            page = window.Browser(driver, 1280, 900)
            page.open(start(folder, "mnist.run").url)
            window.wait_for(lambda: page.driver.execute_script(CLICK), "a weight to be clicked")
            window.wait_for(lambda: page.driver.execute_script(ASK), "the question to be asked")
            page.has("Drag:")
            yield page


# A click on a connection between hidden units and outputs.
CLICK = """
const edge = document.querySelector('.wg-drawing .wg-edges [data-part^="2:"]');
edge?.dispatchEvent(new MouseEvent("click", {bubbles: true, view: window}));
return !!edge;
"""
# Nothing is looked for by its role: what is made for screen readers then would be kept up to date.
ASK = """
const button = [...document.querySelectorAll("button")].find((one) => one.innerText === "Ripple");
button?.click();
return !!button;
"""


if __name__ == "__main__":
    main()
