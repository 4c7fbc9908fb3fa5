"""What a notebook shows: legible where nobody trusts it yet, on sites that show notebooks, and in place."""

import base64
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import answers
import whygrad as wg
from whygrad.answers.write.html import to_fragment
from whygrad.answers.write.still import equations_still
from whygrad.pipeline.deploy.exporting import Exported

X, Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0.0])
NET = wg.Network(2, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
MADE = [answers.weight, answers.hostile]


class Untrusted(HTMLParser):
    """What is read of HTML after its sanitising: no styles, no scripts; of other elements the text."""

    kept = frozenset(
        {
            "a",
            "article",
            "b",
            "bdi",
            "br",
            "details",
            "div",
            "em",
            "figure",
            "i",
            "p",
            "span",
            "strong",
        }
        | {"sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr"}
    )

    def __init__(self, page):
        super().__init__()
        self.read, self.images, self.unwrapped, self._dropped = [], [], set(), 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag in ("style", "script"):
            self._dropped += 1
        elif tag == "img":
            self.images.append(dict(attributes))
        elif tag not in self.kept:
            self.unwrapped.add(tag)

    def handle_endtag(self, tag):
        self._dropped -= tag in ("style", "script")

    def handle_data(self, data):
        if not self._dropped:
            self.read.append(data)


def svg_of(image):
    head, data = image["src"].split(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(data).decode("utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("xor") / "xor.run"
    wg.train(NET, X, Y, epochs=5, batch_size=4, record=path, engine="reference")
    return wg.open_run(path)


@pytest.mark.parametrize("make", MADE)
def test_an_answer_is_read_whole_where_nobody_trusts_the_notebook(make):
    about = make()
    shown = Untrusted(about._repr_html_())
    assert shown.unwrapped == set()
    # A picture each, and one of the equations; nothing is loaded.
    assert len(shown.images) == len(about.pictures) + bool(about.equations)
    for image in shown.images:
        ElementTree.fromstring(svg_of(image))
        assert image["alt"]
    assert "<math" in svg_of(shown.images[1 if about.pictures else 0])
    text = " ".join("".join(shown.read).split())
    if make is answers.weight:
        assert about.notes[0] in text and about.question in text
    # Titles of connections and units are in the images alone.
    title = re.search("<title>(.*?)</title>", "".join(map(svg_of, shown.images)))
    assert title and title[1] not in text


def test_a_page_with_its_drawing_within_would_run_together_there():
    shown = Untrusted(to_fragment(answers.weight()))
    assert {"svg", "math"} <= shown.unwrapped
    assert any("weight" in one and ":" in one for one in shown.read)


def test_equations_are_read_as_text_where_images_are_not_shown():
    shown = Untrusted(equations_still(answers.weight(), 64))
    assert shown.images[0]["alt"].startswith("∂C/∂W[2][1,0] = a[1][0] · f′(z[2][1])")


def test_network_training_pass_and_run_are_shown_in_place(run):
    theta = NET.init(seed=0)
    passed = wg.backward(NET, theta, wg.forward(NET, theta, X), Y[:, None])
    for of, words in (
        (NET, ("Network 2-4-1", "17 weights and biases", "tanh", "binary cross entropy")),
        (passed, ("Pass through 2-4-1", "z, a and δ, of 4 examples", "1:3")),
        (run.history, ("Training of 5 epochs", "All epochs done; at last cost")),
        (run, ("xor.run: 2-4-1, training of 5 epochs", "Adam, batches of 4, seed 0")),
    ):
        shown = Untrusted(of._repr_html_())
        assert len(shown.images) == 1 and shown.unwrapped == set()
        for word in words:
            assert word in "".join(shown.read), of
    number = f"{passed.delta[1][0, 3]:.4g}".replace("-", "−")
    assert number in Untrusted(passed._repr_html_()).read
    assert "δ comes with backward()" in wg.forward(NET, theta, X)._repr_html_()


def test_networks_of_every_size_and_trainings_without_an_epoch_are_shown():
    wide = wg.Network(5000, [wg.Dense(9, "relu", dropout=0.5), wg.Dense(3, "softmax")])
    assert "<img" not in wide._repr_html_() and "auto, dropout 0.5" in wide._repr_html_()
    image = wg.Network((28, 28), [wg.Dense(30), wg.Dense(10, "softmax")], cost="cross_entropy")
    shown = Untrusted(image._repr_html_())
    assert "28 × 28" in svg_of(shown.images[0]) and "wider:" not in svg_of(shown.images[0])
    assert "It has not ended" in wg.History()._repr_html_()


def test_answers_print_themselves_at_a_prompt(tmp_path):
    answer = answers.weight()
    assert repr(answer) == str(answer) and answer.question in repr(answer)
    exported = Exported(tmp_path / "a.onnx", 12, 2e-7, "5 rows", relative=1e-8)
    assert repr(exported) == str(exported)
    assert str(exported).endswith(
        "at most 2e-07 (1e-08 of the largest value) from whygrad, on 5 rows"
    )


def test_an_image_of_equations_has_room_for_them_and_is_dark_where_its_page_is(alone, tmp_path):
    page = tmp_path / "equations.html"
    images = [equations_still(make(), 64) for make in MADE]
    drawn = "".join(svg_of(Untrusted(image).images[0]) for image in images)
    dark = (
        to_fragment(answers.weight()).split("</style>")[0]
        + f'</style><p class="wg">{images[0]}</p>'
    )
    page.write_text(
        f'<meta charset="utf-8"><body data-theme="dark">{drawn}{dark}', encoding="utf-8"
    )
    alone.driver.get(page.as_uri())
    sizes = alone.driver.execute_script(
        """return [...document.querySelectorAll("svg")].map((svg) => {
          const room = svg.getBoundingClientRect();
          const math = svg.querySelector("mtable").getBoundingClientRect();
          return [math.right, room.right, math.bottom, room.bottom];
        })"""
    )
    assert len(sizes) == 2
    for right, most_right, bottom, lowest in sizes:
        assert right <= most_right and bottom <= lowest
    scheme = "return getComputedStyle(document.querySelector('img')).colorScheme"
    assert alone.driver.execute_script(scheme) == "dark"
    assert alone.complaints() == []


def test_the_card_of_a_network_writes_its_start_in_few_digits():
    bound = 0.6**0.5
    net = wg.Network(2, [wg.Dense(3, "tanh", init=wg.Uniform(-bound, bound)), wg.Dense(1)])
    page = net._repr_html_()
    assert "uniform, -0.7746 to 0.7746" in page
    assert "auto" in page
    assert "Uniform(" not in page
