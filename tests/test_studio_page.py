"""The studio's page in a real browser."""

pytest_plugins = ("browser",)


def test_the_page_opens_and_asks_no_other_host(served, browser, tmp_path):
    studio = served(tmp_path)
    browser.open(studio.url)
    assert browser.by_role("heading", "whygrad studio").is_displayed()
    browser.has("no run is open")
    browser.screenshot("empty")
    assert any(url.startswith("ws://") for url in browser.requests())
    assert browser.foreign(studio) == []
    assert browser.complaints() == []


def test_the_page_fits_a_narrow_window(served, narrow, tmp_path):
    narrow.open(served(tmp_path).url)
    narrow.by_role("heading", "whygrad studio")
    width = narrow.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= 400
    narrow.screenshot("empty-narrow")
