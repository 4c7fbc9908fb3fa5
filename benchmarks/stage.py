"""What a picture of the stage costs the browser's main thread, and how soon something moves and answers.

    WHYGRAD_DATA=data python benchmarks/stage.py [--frames 120] [--only digits] [--trial]

Runs are recorded and opened with `whygrad studio` in chromium without a window or a graphics card,
1600 × 1000. What the page has computed is compared with the reference engine first. Then a hand moves once
a frame, by events of the mouse, while the browser traces itself (DevTools' `Tracing`): a frame's work is
the processor's time of all tasks of the main thread since the frame before, so that what else runs on the
machine does not count. The same in time of the wall is kept beside it. The canvases are painted by that
thread, too, where there is no graphics card.

Start-up is of the bare command in an empty folder, with a browser that is open already: from the process's
beginning to the address, to the first picture, to the first that moves, to the whole page around it, and to
the answer that a weight and *Why?* ask for; a person does not wait for the page before clicking. Beside it
stands the processor's time of the server until something moves, which does not depend on what else runs.
Python's bytecode is kept on the disk meanwhile, also where the environment asks for none, as some images
do: a person's second start finds it there, and without it most of the time is compiling what is imported.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import websocket
from keeping import keep, kept

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.path[:0] = [str(Path(__file__).parent.parent / "tests")]

import browser as window  # noqa: E402
import whygrad as wg  # noqa: E402
from whygrad.nn import count as parameter_count  # noqa: E402
from whygrad.pipeline.fit import find  # noqa: E402
from whygrad.pipeline.settings import Settings  # noqa: E402
from whygrad.record import open_run  # noqa: E402
from whygrad.record.files import snapshots  # noqa: E402
from whygrad.record.rows import record_table  # noqa: E402

WIDTH, HEIGHT = 1600, 1000
CASES: dict[str, tuple[str, Settings]] = {
    "spirals": ("spirals", Settings(hidden=(8, 8), epochs=60)),
    "ten thousand": ("spirals", Settings(hidden=(96, 96), epochs=20)),
    "digits": ("digits", Settings(hidden=(30,), epochs=10)),
    "mnist": ("mnist", Settings(hidden=(100,), epochs=3)),
}
FRAME = 1 / 60
SAME = 1e-6  # of the largest number
TRACED = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
STARTS = 5


# ── the browser's own tracing ──


@dataclass
class DevTools:
    """A connection to the browser beside the driver's, for what comes as events."""

    address: str
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.socket = websocket.create_connection(self.address, suppress_origin=True, timeout=60)
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and return its answer; events that come before it are kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def until(self, method: str) -> None:
        """Wait for an event."""
        while not self.events or self.events[-1].get("method") != method:
            self.events.append(json.loads(self.socket.recv()))


def devtools(page: Any) -> tuple[DevTools, DevTools]:
    """Return connections to the browser and to its page."""
    host = page.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
    with urlopen(f"http://{host}/json/version") as found:
        whole = json.load(found)["webSocketDebuggerUrl"]
    with urlopen(f"http://{host}/json/list") as found:
        one = next(x for x in json.load(found) if x["type"] == "page")
    return DevTools(whole), DevTools(one["webSocketDebuggerUrl"])


@contextmanager
def traced(tools: DevTools, frames: list[dict[str, float]]) -> Iterator[None]:
    """Trace what is done meanwhile, and add the frames that were drawn to `frames`."""
    tools.events.clear()
    tools.ask("Tracing.start", traceConfig={"includedCategories": TRACED})
    yield
    tools.ask("Tracing.end")
    tools.until("Tracing.tracingComplete")
    told = [
        x["params"]["value"] for x in tools.events if x.get("method") == "Tracing.dataCollected"
    ]
    frames += frames_of([event for events in told for event in events])


def frames_of(events: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return of every frame that a script drew the main thread's time since the frame before, in ms."""
    fired = [(x["pid"], x["tid"], x["ts"]) for x in events if x["name"] == "FireAnimationFrame"]
    threads = [one[:2] for one in fired]
    thread = max(set(threads), key=threads.count)
    drawn = sorted(ts for *of, ts in fired if tuple(of) == thread)
    tasks = sorted(
        (x["ts"], x["dur"], x.get("tdur", x["dur"]))
        for x in events
        if x["name"] == "RunTask" and x["ph"] == "X" and (x["pid"], x["tid"]) == thread
    )
    frames, work, wall, at = [], 0.0, 0.0, 0
    for ts, dur, tdur in tasks:
        work, wall = work + tdur / 1000, wall + dur / 1000
        before = at
        while at < len(drawn) and drawn[at] < ts + dur:
            at += 1
        if at > before:
            frames.append({"work": work, "wall": wall})
            work = wall = 0.0
    return frames[1:]  # what the first one holds began before


# ── the hand ──


# Where things are: units, a weight into the last layer, a unit of the first, the plane, the time bar.
PLACES = """
const {stage} = window.wgStudio.shown, {layout, root} = stage;
const {left, top} = root.getBoundingClientRect(), place = stage.geometry();
const at = ({x, y}) => [left + x, top + y];
const units = place.units.flatMap((some, l) => l ? some.map((j) => at(place.unit(l, j))) : []);
const unit = at(place.unit(1, place.units[1][0]));
const {x, y, width, height} = root.querySelector(".st-slider").getBoundingClientRect();
let weight = null;
const last = place.units.length - 1, from = place.units[last - 1];
const shares = Array.from({length: 12}, (_, i) => 0.2 + 0.05 * i);
for (const j of place.units[last]) for (const k of from) for (const share of weight ? [] : shares) {
  const {x1, y1, x2, y2} = place.edge(last, j, k);
  const one = at({x: x1 + share * (x2 - x1), y: y1 + share * (y2 - y1)});
  if (stage.partAt(...one).includes(",")) weight = one;
}
const plane = place.plane && [...at(place.plane), place.plane.width, place.plane.height];
return {units, unit, weight, plane, slider: [x, y + height / 2, width]};
"""
SET = "window.wgStudio.shown.store.set(arguments[0])"
FREE = {"hand": "", "edits": {}, "painted": [], "point": None, "part": "", "playing": False}


@dataclass
class Hand:
    """A mouse that moves once a frame."""

    tools: DevTools
    frames: int

    def send(self, kind: str, x: float, y: float, held: bool) -> None:
        """Send one event of the mouse."""
        about: dict[str, Any] = {"type": kind, "x": x, "y": y, "button": "left" if held else "none"}
        if held:
            about |= {"buttons": 1, "clickCount": 1}
        self.tools.ask("Input.dispatchMouseEvent", **about)

    def move(self, places: list[tuple[float, float]], held: bool = True) -> None:
        """Go from place to place, with the button down."""
        if held:
            self.send("mousePressed", *places[0], held)
        due = time.monotonic()
        for place in places:
            self.send("mouseMoved", *place, held)
            due = max(due + FRAME, time.monotonic())
            time.sleep(due - time.monotonic() if due > time.monotonic() else 0)
        if held:
            self.send("mouseReleased", *places[-1], held)

    def wave(self) -> np.ndarray:
        """Return numbers from 0 to 1 that go to and fro, one for each frame."""
        return 0.5 - 0.5 * np.cos(np.linspace(0, 3 * np.pi, self.frames))


def gestures(hand: Hand, places: dict[str, Any]) -> Iterator[tuple[str, str, list[Any], bool]]:
    """Yield what a hand does: its name, what is held, where it goes, and whether the button is down."""
    wave = hand.wave()
    x, y, width = places["slider"]
    yield "scrubbing", "", [(x + 8 + (width - 16) * share, y) for share in wave], True
    for name in ("weight", "unit"):
        x, y = places[name]
        what = "a weight dragged" if name == "weight" else "a bias dragged"
        yield what, "adjust", [(x, y + 60 * share) for share in wave], True
    units = np.array(places["units"])[np.linspace(0, len(places["units"]) - 1, 12).astype(int)]
    over = [tuple(units[i // 4 % len(units)]) for i in range(hand.frames)]
    yield "the mouse over units", "", over, False
    if places["plane"]:
        x, y, width, height = places["plane"]
        way = [(x + width * (0.1 + 0.8 * s), y + height * (0.3 + 0.4 * s * s)) for s in wave]
        yield "the point dragged", "adjust", way, True
        yield "points painted", "paint:0", way, True


# ── the cases ──


@contextmanager
def studios() -> Iterator[Any]:
    """Yield what starts studios in folders of this benchmark's own."""
    with tempfile.TemporaryDirectory() as name:
        numbers = count()

        def made(kind: str) -> Path:
            path = Path(name) / f"{kind}{next(numbers)}"
            path.mkdir()
            return path

        with window._studios(made) as start:
            yield start


@contextmanager
def at_the_stage() -> Iterator[Any]:
    """Yield a browser's window of the size of this benchmark."""
    with window.driven() as driver:
        page = window.Browser(driver, WIDTH, HEIGHT)
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        page.tell("Emulation.setDeviceMetricsOverride", **size)
        yield page


SHOWN = "return window.wgStudio?.shown?.stage.scene !== undefined"
ALL = "const {recording} = window.wgStudio.shown; return recording.steps.every((_, i) => recording.has(i))"
NUMBERS = """
const {recording, store, stage} = window.wgStudio.shown, {scene} = stage, {header} = recording;
const {step} = store.get();
return {step: header.steps[step], x: [...scene.x], y: [...scene.y], theta: [...scene.theta],
  outputs: [...scene.trace.a.at(-1)], cost: scene.cost, gradient: [...scene.gradient]};
"""


def check(page: Any, path: Path) -> float:
    """Return how far the page's numbers are from the reference engine's, of the largest of each."""
    run, worst = open_run(path), 0.0
    for share in (0.0, 0.5, 1.0):
        page.driver.execute_script(
            "const {recording, store} = window.wgStudio.shown;"
            "store.set({step: Math.floor(arguments[0] * (recording.steps.length - 1))})",
            share,
        )
        time.sleep(0.3)
        found = page.driver.execute_script(NUMBERS)
        theta = run.state(found["step"]).theta.astype(np.float32)
        assert (np.array(found["theta"], np.float32) == theta).all()
        parameters = wg.Parameters(run.net.sizes, theta.astype(float))
        X, Y = np.array([found["x"]]), np.array([found["y"]])
        trace = wg.backward(run.net, parameters, wg.forward(run.net, parameters, X), Y)
        expected = {
            "outputs": trace.a[-1].ravel(),
            "cost": wg.cost(run.net, parameters, trace, Y),
            "gradient": wg.gradients(run.net, parameters, trace).flat,
        }
        for name, values in expected.items():
            off = np.abs(np.array(found[name]) - values).max() / (np.abs(values).max() or 1)
            worst = max(worst, float(off))
    assert worst <= SAME, f"{path.name}: the page is off by {worst:.1e}"
    return worst


def measure(page: Any, start: Any, folder: Path, name: str, frames: int) -> dict[str, Any]:
    """Return of one case the frames of each gesture."""
    data, settings = CASES[name]
    path = folder / f"{name}.run"
    record_table(path, find(data), settings)
    studio = start(folder, path.name)
    page.open(studio.url)
    run = page.driver.execute_script
    window.wait_for(lambda: run(SHOWN) and run(ALL), "the stage with all its states")
    found: dict[str, Any] = {"parameters": parameter_count(open_run(path).net.sizes)}
    found["off by"] = check(page, path)
    whole, one = devtools(page)
    hand = Hand(one, frames)
    for what, held, way, down in gestures(hand, run(PLACES)):
        run(SET, FREE | {"hand": held})
        time.sleep(1)
        drawn: list[dict[str, float]] = []
        with traced(whole, drawn):
            hand.move(way, down)
        found[what] = told(drawn)
        print(f"{name}, {what}: {found[what]}", flush=True)
    studio.end()
    return found


# ── start-up ──


MOVES = """
const {shown} = window.wgStudio ?? {}, step = shown?.recording.steps[shown.store.get().step];
return step > (window.wgFirst ??= step);
"""
WHY = """
const why = [...document.querySelectorAll(".st-sheet button")].find((one) => one.innerText === "Why?");
const {x, y, width, height} = why?.getBoundingClientRect() ?? {};
const at = [x + width / 2, y + height / 2];
return width && document.elementFromPoint(...at) === why ? at : null;
"""
WHOLE = "return Boolean(window.wgStudio?.reach)"
ANSWER = "return (document.querySelector('.wg-answer-box')?.innerText ?? '').includes('∂')"


def begin(page: Any, start: Any, folder: Path) -> dict[str, float]:
    """Return of one start how long what takes, in seconds from the beginning of the process."""
    page.driver.get("about:blank")
    run = page.driver.execute_script
    began = time.perf_counter()
    found = {}

    def wait(script: str, name: str, *about: Any) -> Any:
        shown = window.wait_for(lambda: run(script, *about), name)
        found[name] = time.perf_counter() - began
        return shown

    studio = start(folder)
    found["its address is told"] = time.perf_counter() - began
    page.tell("Page.navigate", url=studio.url)
    wait(SHOWN, "a first picture")
    wait(MOVES, "a picture that moves")
    found["processor's time of the server until then"] = processor_time(studio.process.pid)
    hand, clicks = Hand(devtools(page)[1], 1), [run(PLACES)["weight"], None]
    for i in range(len(clicks)):
        at = clicks[i] or wait(WHY, "the weight's sheet")
        hand.move([at])
    wait(WHOLE, "the whole page")
    wait(ANSWER, "why is answered")
    found["clicks"] = len(clicks)
    studio.end()
    return found


def processor_time(number: int) -> float:
    """Return the seconds that a process has taken of the processor."""
    words = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def starts(page: Any, start: Any) -> dict[str, Any]:
    """Return the medians and the least of several starts."""
    found = []
    for _ in range(STARTS + 1):  # the first does not count: what it reads is on the disk still
        with tempfile.TemporaryDirectory() as name:
            found.append(begin(page, start, Path(name)))
        print(found[-1], flush=True)
    return {
        name: {
            "median": round(float(np.median(values)), 2),
            "least": round(min(values), 2),
        }
        for name in found[0]
        if (values := [one[name] for one in found[1:]])
    }


def told(frames: list[dict[str, float]]) -> dict[str, Any]:
    """Return frames in numbers."""
    found: dict[str, Any] = {"frames": len(frames)}
    for kind in ("work", "wall"):
        values = np.array([frame[kind] for frame in frames])
        found[kind] = {
            "median ms": round(float(np.median(values)), 1),
            "p95 ms": round(float(np.percentile(values, 95)), 1),
            "largest ms": round(float(values.max()), 1),
        }
    return found


def main() -> None:
    """Measure all cases and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--only", choices=[*CASES, "starts"])
    parser.add_argument("--trial", action="store_true", help="keep no figures")
    asked = parser.parse_args()
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        start = stack.enter_context(studios())
        page = stack.enter_context(at_the_stage())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        snapshots.SPACING = 0.1  # seconds, as the studio records
        for name in [asked.only] if asked.only else ["starts", *CASES]:
            if name == "starts":
                figures[name] = starts(page, start)
            else:
                figures[name] = measure(page, start, folder, name, asked.frames)
            figures[name]["load"] = round(os.getloadavg()[0], 1)
    keep("stage", kept("stage", {}) | figures, asked.trial)


if __name__ == "__main__":
    main()
