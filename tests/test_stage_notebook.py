"""The stage in a notebook: it plays where that is trusted, and is images where it is not."""

import re

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from test_film import FILM
from test_notebook import Untrusted
from whygrad.errors import InputError

pytest_plugins = ["browser"]
CELLS = """
import whygrad as wg
wg.stage({path!r}, height=600)
"""
# Of a notebook that is not trusted, and on sites that show notebooks, these are left out.
LEFT_OUT = re.compile(r"<style.*?</style>|<iframe.*?</iframe>", re.DOTALL)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("notebook") / "<xor> & more.run"
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
    X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    wg.train(net, X, Y, epochs=40, batch_size=4, optimizer=wg.Adam(0.05), record=path)
    return path


@pytest.fixture(scope="module")
def shown(path):
    """What a cell of a notebook has put out, as the notebook's file keeps it."""
    import nbclient  # here, since it takes a second
    import nbformat

    cell = nbformat.v4.new_code_cell(CELLS.format(path=str(path)))
    book = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    book = nbformat.reads(nbformat.writes(book), as_version=4)
    return book.cells[0].outputs[-1].data


def page_of(*pieces):
    """Return a page that holds outputs as JupyterLab's notebook does: contained, and moved."""
    around = '<div style="transform:translate(30px,20px);contain:layout;margin:20px">{}</div>'
    return '<!doctype html><meta charset="utf-8"><body>' + "".join(map(around.format, pieces))


def open_offline(alone, page, text):
    page.write_text(text, encoding="utf-8")
    alone.tell("Network.enable")
    alone.tell(
        "Network.emulateNetworkConditions",
        offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
    )  # fmt: skip
    alone.driver.get(page.as_uri())


def test_trusted_it_plays_without_a_network_and_two_do_not_disturb_each_other(
    shown, path, alone, tmp_path
):
    assert shown["text/plain"].startswith("<Stage of <xor> & more, 0.")
    piece = shown["text/html"]
    open_offline(alone, tmp_path / "two.html", page_of(piece, piece))
    driver = alone.driver
    frames = driver.find_elements("css selector", "iframe")
    assert [frame.size["height"] for frame in frames] == [600, 600]
    assert not any(image.is_displayed() for image in driver.find_elements("css selector", "img"))
    steps = []
    for frame, step in zip(frames, (30, 7), strict=True):
        driver.switch_to.frame(frame)
        ready = f"return {FILM} && {FILM}.recording.steps.every((_, i) => {FILM}.recording.has(i))"
        wait_for(lambda ready=ready: driver.execute_script(ready), "the film")
        found = f"""const film = {FILM};
            film.store.set({{ playing: false, step: {step}, example: 1 }});
            const key = {{ key: "ArrowRight", bubbles: true }};
            document.body.dispatchEvent(new KeyboardEvent("keydown", key));
            const {{ scrollHeight }} = document.querySelector(".st-stage");
            return [film.store.get().step, film.scene().cost, scrollHeight]"""
        steps.append(driver.execute_script(found))
        driver.switch_to.default_content()
    run = wg.open_run(path)
    for (step, cost, height), asked in zip(steps, (31, 8), strict=True):
        theta = wg.Parameters(
            run.net.sizes, run.state(asked).theta.astype(np.float32).astype(float)
        )
        X, Y = run.data.X[1:2], run.data.Y[1:2]
        assert step == asked and height <= 600
        assert cost == pytest.approx(wg.cost(run.net, theta, wg.forward(run.net, theta, X), Y))
    assert {url.partition(":")[0] for url in alone.requests()} <= {"file", "data", "blob", "about"}
    assert not alone.complaints()


def test_a_stranger_sees_the_network_and_its_cost_as_images_and_no_more(shown, alone, tmp_path):
    piece = shown["text/html"]
    read = Untrusted(LEFT_OUT.sub("", piece))
    assert [image["alt"] for image in read.images] == [
        "The network, in the example it gets most wrong",
        "The cost, epoch by epoch",
    ]
    assert not "".join(read.read).strip()
    # Beside an output that is trusted, whose style sheet must not hide it.
    open_offline(alone, tmp_path / "both.html", page_of(piece, LEFT_OUT.sub("", piece)))
    images = alone.driver.find_elements("css selector", "img")
    assert [image.is_displayed() for image in images] == [False, False, True, True]
    assert all(image.size["height"] > 100 for image in images[2:])


@pytest.mark.parametrize(("lightness", "surface"), [("false", "#15171c"), ("true", "#ffffff")])
def test_it_has_the_colours_of_the_notebook_around_it(path, alone, tmp_path, lightness, surface):
    page = page_of(wg.stage(path)._repr_html_())
    page = page.replace("<body>", f'<body data-jp-theme-light="{lightness}">')
    open_offline(alone, tmp_path / "dark.html", page)
    driver = alone.driver
    driver.switch_to.frame(driver.find_element("css selector", "iframe.wg-framed"))
    colour = "return getComputedStyle(document.querySelector('.st-stage') ?? document.body)"
    wait_for(
        lambda: driver.execute_script(f"{colour}.getPropertyValue('--st-surface')") == surface,
        "the colours",
    )


def test_its_frame_reaches_nothing_around_it(shown):
    frame = re.search("<iframe[^>]*", shown["text/html"])[0]
    assert 'sandbox="allow-scripts allow-modals"' in frame  # no origin, no way to the top
    assert 'title="&lt;xor&gt; &amp; more"' in frame


def test_a_network_without_a_training_is_shown_on_its_examples(path):
    fitted = wg.open_run(path).fitted
    net = wg.stage(fitted, [[0.0, 1.0], [1.0, 1.0]], [1, 0])
    assert [one.title for one in net.stills] == ["The network, on average over 2 examples"]
    assert not wg.stage(fitted).stills


@pytest.mark.parametrize("height", [True, 100, 1e9, "640px"])
def test_a_height_that_is_none_is_refused(path, height):
    with pytest.raises(InputError, match="whole number of pixels from 560 to 2,000"):
        wg.stage(path, height=height)
