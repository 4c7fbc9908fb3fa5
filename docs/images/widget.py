"""Photograph the drawing of a notebook after a click, in chromium, with the page that the tests use.

    python docs/images/widget.py

It needs what `make browser` and `make test` install, and Pillow, which matplotlib brings.
"""

import io
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_iris

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))

import browser as window  # noqa: E402
import whygrad as wg  # noqa: E402
from drawn import Drawn  # noqa: E402

WIDTH, HEIGHT = 760, 1056


def main() -> None:
    warnings.simplefilter("ignore")  # a short training need not have settled
    iris = load_iris(as_frame=True)
    X, y = iris.data, iris.target_names[iris.target]
    clf = wg.MLPClassifier((6,), "tanh", learning_rate_init=0.05, random_state=0).fit(X, y)
    widget = clf.widget(X.iloc[[70]], y[[70]])
    widget.gesture = {"id": 1, "kind": "click", "part": "1:3,2"}
    # The fixtures of the tests are generators, which close the browser when they go on.
    started = window.chromium.__wrapped__()
    driver = next(started)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Drawn(window.Browser(driver, WIDTH, HEIGHT), Path(folder), widget.view)
        drawn.run("window.model.set('answer', arguments[0])", widget.answer)
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1.5, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        drawn.run("document.documentElement.style.overflow = 'hidden'")
        for theme in ("light", "dark"):
            drawn.browser.dark(theme == "dark")
            drawn.run("document.documentElement.style.colorScheme = arguments[0]", theme)
            drawn.run("document.body.style.background = 'var(--wg-surface)'")
            drawn.run("document.body.classList.add('wg')")
            drawn.hover("1:3")
            shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
            small = shot.quantize(128, dither=Image.Dither.NONE)
            small.save(HERE / f"widget_{theme}.png", optimize=True)
    with suppress(StopIteration):
        next(started)


if __name__ == "__main__":
    main()
