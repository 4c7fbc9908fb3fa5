"""Take the pictures of the stage in the docs: the studio's own page, in Debian's chromium.

    python docs/images/studio.py          all of them
    python docs/images/studio.py table    those whose name has "table" in it

A picture is a line of `SHOTS`: a training of `docs/films.py`, the size and theme of the window, and a place
on the stage as its address has it. It needs the extra `studio`, selenium, chromium and chromium-driver.
"""

import base64
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import films  # noqa: E402 — a file of this folder

PATIENCE = 60.0  # seconds
QUALITY = 82  # of WebP
LARGE, SMALL, PHONE = (1600, 1000), (1280, 800), (400, 800)


@dataclass(frozen=True)
class Shot:
    """A picture: which training, in what window, at which place, after how many seconds and steps."""

    run: str
    window: tuple[int, int]
    place: str = ""
    dark: bool = False
    seconds: float = 1.5
    steps: int = 0


SHOTS = {
    "first_minute": Shot("", LARGE, steps=600),
    "first_minute_phone": Shot("", PHONE, steps=600),
    "spirals_dark": Shot("spirals", SMALL, "step=2400", dark=True),
    "chain_rule": Shot("spirals", SMALL, "step=400&part=2:3,1"),
    "slow_motion": Shot("spirals", LARGE, "step=300&view=motion", seconds=9),
    "vanishing": Shot("vanishing", LARGE, "edges=gradient&width=network"),
    "digits": Shot("digits", LARGE),
    "table": Shot("table", SMALL, "part=2:1"),
    "why": Shot("table", LARGE, "panel=why", seconds=6),
    "why_dark_phone": Shot("xor", PHONE, "part=1:2,0", dark=True),
}


def main(wanted: str = "") -> None:
    """Take the pictures whose name has the word in it."""
    shots = {name: shot for name, shot in SHOTS.items() if wanted in name}
    with tempfile.TemporaryDirectory() as folder, browser() as driver:
        for run in {shot.run for shot in shots.values()} - {""}:
            films.FILMS[run](Path(folder) / f"{run}.run")
        for name, shot in shots.items():
            with served(folder, shot.run) as address:
                picture = taken(driver, address, shot)
            path = HERE / f"stage_{name}.webp"
            path.write_bytes(picture)
            print(f"{path.name}: {len(picture) / 1e3:.0f} kB")


def taken(driver: webdriver.Chrome, address: str, shot: Shot) -> bytes:
    """Open the studio at a place, wait until it is drawn there, and return what can be seen as WebP."""
    width, height = shot.window
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": "dark" if shot.dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    driver.get("about:blank")
    driver.get(f"{address}#{shot.place}" if shot.place else address)
    end = time.monotonic() + PATIENCE
    while not driver.execute_script(
        "const shown = window.wgStudio?.shown; return shown?.stage.root.dataset.drawn > 0 && "
        "shown.recording.steps.every((_, i) => shown.recording.has(i)) && "
        "shown.recording.steps.at(-1) >= arguments[0]",
        shot.steps,
    ):
        if time.monotonic() > end:
            raise TimeoutError(f"the stage did not come: {shot}")
        time.sleep(0.2)
    time.sleep(shot.seconds)
    form = {"format": "webp", "quality": QUALITY}
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", form)["data"])


@contextmanager
def served(folder: str, run: str) -> Iterator[str]:
    """Serve a studio in a folder, with a run of it; give its address."""
    words = [sys.executable, "-m", "whygrad", "studio", "--port", "0", "--no-browser"]
    process = subprocess.Popen(
        [*words, *([f"{run}.run"] if run else [])], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        yield re.search(r"http://\S+", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Start a browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("headless=new", "no-sandbox", "disable-background-networking", "hide-scrollbars"):
        options.add_argument(f"--{word}")
    driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
