"""Take the pictures of the studio in the docs: the page itself, in Debian's chromium.

    python docs/images/studio.py

It needs the extra `studio`, selenium, chromium and chromium-driver (`make browser`).
"""

import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

HERE = Path(__file__).parent


def main() -> None:
    with served() as address:
        page = Page(address)
        page.press("Start").wait_for("ended", 90)
        page.tab("Curves").keep("studio_curves")
        page.load("iris", "virginica").press("Start").wait_for("ended", 90)
        page.click("2:1,0").keep("studio_weight")
        page.ask("Ripple").drag(20).keep("studio_ripple")
        page.click("1:2").ask("Blame").keep("studio_blame")
        page.tab("Slow motion").walk(7).keep("studio_motion")
        page.quit()


@contextmanager
def served():
    """Serve a studio in a folder of its own; give its address."""
    words = [sys.executable, "-m", "whygrad", "studio", "--port", "0", "--no-browser"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()
            process.wait()


class Page:
    """The page in a browser, and what a person does there."""

    def __init__(self, address: str, width: int = 1280, height: int = 860) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in (
            "headless=new",
            "no-sandbox",
            "disable-background-networking",
            "hide-scrollbars",
        ):
            options.add_argument(f"--{word}")
        options.add_argument(f"--window-size={width},{height}")
        self.browser = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
        self.browser.get(address)
        time.sleep(3)

    def find(self, path: str):
        return next(one for one in self.browser.find_elements(By.XPATH, path) if one.is_displayed())

    def press(self, text: str) -> "Page":
        self.find(f"//button[contains(., '{text}')]").click()
        return self

    ask = press

    def tab(self, text: str) -> "Page":
        self.find(f"//div[@role='tab' and contains(., '{text}')]").click()
        time.sleep(2)
        return self

    def load(self, name: str, known_by: str) -> "Page":
        self.tab("Data").press(name)
        return self.wait_for(known_by, 60)

    def wait_for(self, text: str, seconds: float) -> "Page":
        end = time.monotonic() + seconds
        while text not in self.browser.find_element(By.TAG_NAME, "body").text:
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} did not come")
            time.sleep(0.3)
        return self

    def click(self, part: str) -> "Page":
        element = self.browser.find_element(By.CSS_SELECTOR, f".wg-network [data-part='{part}']")
        click = "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))"
        self.browser.execute_script(click, element)
        time.sleep(2)
        return self

    def drag(self, steps: int) -> "Page":
        time.sleep(1)
        slider = self.find("//*[contains(@class, 'wg-drag')]//*[@tabindex]")
        slider.send_keys(Keys.ARROW_RIGHT * steps)
        time.sleep(1.5)
        return self

    def walk(self, frames: int) -> "Page":
        for _ in range(frames):
            self.browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_RIGHT)
            time.sleep(0.4)
        return self

    def keep(self, name: str) -> "Page":
        time.sleep(1.5)
        self.browser.save_screenshot(str(HERE / f"{name}.png"))
        return self

    def quit(self) -> None:
        self.browser.quit()


if __name__ == "__main__":
    main()
