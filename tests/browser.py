"""The studio as a person meets it: the real command as a process, and a real browser on its page.

    served     starts `whygrad studio` in a folder, and sees that it ends with all that it has started;
               `served_to_all` ends it after the last test of a file
    browser    Debian's chromium without a window, 1280 × 900
    narrow     the same, 400 × 800, as a telephone is
    alone      the same, 1280 × 900, for pages that no studio serves

The browser can reach this machine only, and keeps a list of all that a page has asked for. Pictures of
pages go to the folder that the variable WHYGRAD_SCREENSHOTS names; WHYGRAD_BROWSER names another browser,
or `none`.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import whygrad as wg

PATIENCE = 60  # seconds after which a test gives up: no more than that, however slow the machine
NAMES = os.environ.get("WHYGRAD_BROWSER", "chromium chromium-browser").split()
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
DRIVER = shutil.which("chromedriver")
MISSING = "there is no chromium with its chromedriver: `make browser` installs them"


# Processes find the package where this one has found it, and NiceGUI does not believe that it is tested.
# As a person has them: what is written is kept back for a while, whatever the tests' own process does.
NOT_THEIRS = ("PYTEST", "NICEGUI", "PYTHONUNBUFFERED")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(NOT_THEIRS)}
ENVIRONMENT["PYTHONPATH"] = str(Path(wg.__file__).parent.parent)


def wait_for(predicate, what="what was waited for"):
    """Return what `predicate()` gives as soon as it is true; a page that moves meanwhile is asked again."""
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + PATIENCE
    while True:
        try:
            if found := predicate():
                return found
        except StaleElementReferenceException:
            pass
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.02)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Served:
    """A studio in a process of its own; `url` is the address that it has printed, with its token."""

    process: subprocess.Popen
    url: str
    output: Path
    errors: Path
    expected: str = ""
    mark: str = ""  # in the environment of the process, and so of all that it starts
    ended: bool = False
    lines_read: int = 0  # lines of its output

    @property
    def host(self):
        """The address and port, as they stand in `Host`."""
        return urlsplit(self.url).netloc

    @property
    def port(self):
        return urlsplit(self.url).port

    def next_address(self):
        """Wait until it has said where it is."""

        def lines():
            whole = self.output.read_text(encoding="utf-8").rpartition("\n")[0]
            return whole.splitlines()[self.lines_read :]

        wait_for(lambda: lines() or self.process.poll() is not None, "the address of the studio")
        line, *_ = lines() or [""]
        assert line.startswith("The studio is at http://"), self.said
        self.lines_read += 1
        return line.split()[4]

    @property
    def still(self):
        """The address of the first step, where nothing starts by itself."""
        return f"{self.url}#step=0"

    @property
    def origin(self):
        """The address without the token, with a slash at its end."""
        return f"http://{self.host}/"

    @cached_property
    def cookie(self):
        """What the token is exchanged for."""
        answer = self._request("GET", f"/?{urlsplit(self.url).query}", None, {})
        return answer.headers["Set-Cookie"].partition(";")[0]

    def ask(self, path="/", *, method="GET", body=None, headers=None, stranger=False):
        """Send one request, a stranger's without the cookie, and give the answer's status and text."""
        own = {} if stranger else {"Cookie": self.cookie}
        answer = self._request(method, path, body, own | (headers or {}))
        return answer.status, answer.text

    def _request(self, method, path, body, headers):
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
            return answer
        finally:
            connection.close()

    @property
    def said(self):
        """What it has written to standard error."""
        return self.errors.read_text(encoding="utf-8")

    def family(self):
        """The processes that it and its children are, as number and command line."""
        found = {}
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.mark.encode() in environment.read_bytes():
                    words = (environment.parent / "cmdline").read_bytes().decode().split("\0")
                    found[int(environment.parent.name)] = " ".join(words)
            except OSError:
                continue  # it has ended since, or is somebody else's
        return found

    def end(self, by=signal.SIGINT):
        """End it, and see that it ends well: with code 0, no child left, and nothing unexpected said."""
        self.ended = True
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            code = self.process.wait(PATIENCE)
            wait_for(lambda: not self.family(), "the end of all children")
        finally:
            for number in self.family():
                os.kill(number, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        assert self.said == self.expected
        assert code == 0


@contextmanager
def _studios(folder_of):
    """Return a function that starts studios, and end them all with the block; `folder_of` makes folders.

    With `code` that Python runs in place of the command; it prints the address as that does.
    """
    found = []

    def start(folder, *words, expected="", code=None):
        told = folder_of("studio")
        output, errors = told / "stdout", told / "stderr"
        mark = f"WHYGRAD_TESTED={errors}"
        command = ["-c", code] if code else ["-m", "whygrad", "studio", "--no-browser"]
        if not code and "--port" not in words:
            command += ["--port", "0"]
        with output.open("w") as stdout, errors.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, *command, *map(str, words)],
                cwd=folder,
                env=ENVIRONMENT | dict([mark.split("=", 1)]),
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        found.append(Served(process, "", output, errors, expected, mark))
        found[-1].url = found[-1].next_address()
        return found[-1]

    failed = []
    try:
        yield start
    finally:
        for one in found:
            try:
                if not one.ended:
                    one.end()
            except AssertionError as error:
                failed.append(error)
    if failed:
        raise failed[0]


@pytest.fixture
def served(tmp_path_factory):
    """Return a function that starts `whygrad studio` in a folder; `expected` is what it says on stderr."""
    with _studios(tmp_path_factory.mktemp) as start:
        yield start


@pytest.fixture(scope="module")
def served_to_all(tmp_path_factory):
    """The same for studios that all tests of a file share."""
    with _studios(tmp_path_factory.mktemp) as start:
        yield start


# ── the browser ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Browser:
    """One window of a browser, and what its pages have asked for."""

    driver: object
    width: int
    height: int
    asked: list = field(default_factory=list)

    def open(self, url):
        """Open a page, and wait until it is whole: drawn by NiceGUI, and connected with Python."""
        self.driver.get(url)
        self.connected()

    def reload(self):
        self.driver.refresh()
        self.connected()

    def connected(self):
        script = "return window.did_handshake === true && !document.getElementById('wg-first')"
        wait_for(lambda: self.driver.execute_script(script), "the connection of the page")

    def all_by_role(self, role, name=None):
        """Return all elements with a role, and a name, as a screen reader is told them."""
        root = self.tell("DOM.getDocument", depth=0)["root"]["nodeId"]
        wanted = {"role": role} | ({} if name is None else {"accessibleName": name})
        nodes = self.tell("Accessibility.queryAXTree", nodeId=root, **wanted)["nodes"]
        return [self.element(n["backendDOMNodeId"]) for n in nodes if not n.get("ignored")]

    def by_role(self, role, name=None):
        """Wait for an element with this role and name, and give it; the first, where there are several."""
        what = f"a {role}" + ("" if name is None else f" called {name!r}")
        return wait_for(lambda: self.all_by_role(role, name), what)[0]

    def by_label(self, name):
        """Wait for a control with this name, whatever its role, and give it."""
        root = self.tell("DOM.getDocument", depth=0)["root"]["nodeId"]

        def found():
            nodes = self.tell("Accessibility.queryAXTree", nodeId=root, accessibleName=name)[
                "nodes"
            ]
            texts = ("StaticText", "InlineTextBox", "LabelText")
            return [n for n in nodes if not n.get("ignored") and n["role"]["value"] not in texts]

        return self.element(wait_for(found, f"a control called {name!r}")[0]["backendDOMNodeId"])

    def text(self):
        """Return the text that can be seen."""
        return self.driver.execute_script("return document.body.innerText")

    def has(self, text):
        """Wait until the page shows a text."""
        wait_for(lambda: text in self.text(), f"the text {text!r}")

    def requests(self):
        """Return the addresses of all that was asked for since the browser was started for this test."""
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.asked.append(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                self.asked.append(event["params"]["url"])
        return self.asked

    def foreign(self, served):
        """Return the addresses of all that was asked for from other hosts than the studio's."""
        own = (f"http://{served.host}/", f"ws://{served.host}/", "data:", "blob:", "about:")
        return [url for url in self.requests() if not url.startswith(own)]

    def complaints(self):
        """Return the errors and warnings in the browser's console since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self, name):
        """Write what can be seen to NAME.png, in the folder that WHYGRAD_SCREENSHOTS names, if any."""
        folder = os.environ.get("WHYGRAD_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{name}.png"))

    def dark(self, on=True):
        """Set whether the browser prefers dark pages."""
        value = "dark" if on else "light"
        feature = {"name": "prefers-color-scheme", "value": value}
        self.tell("Emulation.setEmulatedMedia", features=[feature])

    def tell(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def element(self, node):
        handle = self.tell("DOM.resolveNode", backendNodeId=node)["object"]["objectId"]
        keep = "function () { window.__found = this.nodeType === 1 ? this : this.parentElement }"
        self.tell("Runtime.callFunctionOn", objectId=handle, functionDeclaration=keep)
        return self.driver.execute_script("return window.__found")


@contextmanager
def driven():
    """Start a browser, and end it with the block."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        "--headless=new",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-gpu",
        "--disable-sync",
        "--force-color-profile=srgb",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--lang=en",
        "--no-default-browser-check",
        "--no-first-run",
        "--window-size=1280,900",
        *(["--no-sandbox"] if os.getuid() == 0 else []),
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def chromium():
    """The browser that all tests of a process share; skipped where there is none."""
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    with driven() as driver:
        yield driver


CONNECTED = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def _window(driver, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    for log in ("performance", "browser"):
        driver.get_log(log)
    yield Browser(driver, width, height)
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", CONNECTED)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.get("about:blank")


@pytest.fixture
def browser(chromium, served):
    """A browser of 1280 × 900; it leaves a page before the page's studio is ended."""
    yield from _window(chromium, 1280, 900)


@pytest.fixture
def narrow(chromium, served):
    """A browser of 400 × 800."""
    yield from _window(chromium, 400, 800)


@pytest.fixture
def alone(chromium):
    """A browser of 1280 × 900 for pages that no studio serves."""
    yield from _window(chromium, 1280, 900)
