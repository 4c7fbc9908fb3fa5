"""The studio's page in a real browser."""

from browser import PATIENCE
from whygrad.studio.server.guard import LIMIT, STRANGER


def test_the_page_opens_and_asks_no_other_host(served, browser, tmp_path):
    studio = served(tmp_path)
    browser.open(studio.still)
    assert browser.by_role("heading", "whygrad studio").is_displayed()
    browser.has("spirals, not trained yet")
    browser.screenshot("empty")
    assert any(url.startswith("ws://") for url in browser.requests())
    assert browser.foreign(studio) == []
    assert browser.complaints() == []


def test_the_token_is_in_no_address_once_the_page_is_open(served, browser, tmp_path):
    studio = served(tmp_path)
    browser.open(f"{studio.url}#edges=gradient")
    address = browser.driver.current_url
    assert address.startswith(f"{studio.origin}#") and "edges=gradient" in address
    assert "token" not in browser.driver.execute_script(
        "return document.cookie + document.referrer"
    )
    browser.driver.get(studio.origin)  # the cookie is enough
    browser.connected()
    browser.driver.back()
    assert "token" not in browser.driver.current_url
    assert sum("token" in url for url in browser.requests()) == 1
    browser.tell("Network.clearBrowserCookies")
    browser.driver.get(studio.origin)
    assert browser.text().strip() == STRANGER


def test_the_page_fits_a_narrow_window(served, narrow, tmp_path):
    narrow.open(served(tmp_path).url)
    narrow.by_role("heading", "whygrad studio")
    width = narrow.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= 400
    narrow.screenshot("empty-narrow")


def test_a_page_that_sends_too_much_reads_why_that_was_refused(served, browser, tmp_path):
    browser.open(served(tmp_path).url)
    send = """
        const [size, done] = arguments;
        fetch("/", {method: "POST", body: new Blob([new Uint8Array(size)])})
            .then(async (answer) => done([answer.status, await answer.text()]), (e) => done([0, `${e}`]));
    """
    browser.driver.set_script_timeout(PATIENCE)
    status, text = browser.driver.execute_async_script(send, LIMIT + 1_000_000)
    assert status == 413
    assert text.startswith("more than 100 MB at once: ")


def test_a_page_of_another_port_gets_neither_page_nor_websocket(served, browser, tmp_path):
    studio, other = served(tmp_path), served(tmp_path)
    browser.open(studio.url)  # so that the browser has the cookies of both
    browser.open(other.url)
    ask = """
        const [url, done] = arguments;
        const asked = fetch(url, {mode: "no-cors"}).then(() => "answered", () => "refused");
        const socket = new Promise((resolve) => {
            const path = "_nicegui_ws/socket.io/?EIO=4&transport=websocket";
            const wire = new WebSocket(url.replace("http", "ws") + path);
            wire.onopen = () => resolve("open");
            wire.onerror = () => resolve("refused");
        });
        Promise.all([asked, socket]).then(done);
    """
    # Its own policy would keep the page from asking at all.
    browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    try:
        browser.reload()
        assert browser.driver.execute_async_script(ask, other.origin) == ["answered", "open"]
        assert browser.driver.execute_async_script(ask, studio.origin) == ["refused", "refused"]
    finally:
        browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
    assert browser.foreign(other) != []
