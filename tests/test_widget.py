"""The drawing in a notebook: clicks ask why, the answer is the same as in Python, and a picture stays."""

import importlib.util
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import whygrad as wg
from command import whygrad
from whygrad.answers import widget as widget_package
from whygrad.answers.widget.widget import NetworkWidget
from whygrad.errors import InputError

IRIS = load_iris(as_frame=True)
X, Y = IRIS.data, IRIS.target_names[IRIS.target]
LINES = """
from sklearn.datasets import load_iris
from whygrad import MLPClassifier
iris = load_iris(as_frame=True)
X, y = iris.data, iris.target_names[iris.target]
clf = MLPClassifier((5,), "tanh", max_iter=5, tol=9, n_iter_no_change=2,
    engine="reference", random_state=0).fit(X, y)
widget = clf.widget(X.iloc[:3], y[:3])
asked = []
widget.observe(lambda change: asked.append(change["new"]["part"]), "gesture")
widget
"""


@pytest.fixture(scope="module")
def clf():
    given = {"tol": 9, "n_iter_no_change": 2, "engine": "reference", "random_state": 0}
    return wg.MLPClassifier((5,), "tanh", **given).fit(X, Y)


def click(widget, part, count=[0]):  # noqa: B006 — the counter of a drawing
    count[0] += 1
    widget.gesture = {"id": count[0], "kind": "click", "part": part, "layer": None}


def test_a_click_on_a_connection_asks_for_its_weight(clf):
    widget = clf.widget(X, Y)
    assert widget.explanation is None
    click(widget, "1:3,2")
    truth = clf.why_.weight(X, Y, layer=1, to=3, from_="petal length (cm)")
    assert widget.explanation.value == truth.value
    assert widget.explanation.part == "1:3,2"
    assert truth.question in widget.answer
    assert [edge["part"] for edge in widget.view["edges"] if edge["marked"]] == [
        part for part in truth.pictures[0].marked if "," in part
    ]
    assert widget.view["title"] == truth.pictures[0].title
    click(widget, "2:1,bias")
    assert widget.explanation.value == clf.why_.weight(X, Y, layer=2, to=1).value


def test_a_click_on_a_unit_asks_what_it_is_for_and_another_whose_its_error_is(clf):
    widget = clf.widget(X, Y)
    click(widget, "1:3")
    assert widget.explanation.kind == "neuron"
    assert widget.explanation.value == clf.why_.neuron(X, Y, layer=1, unit=3).value
    assert "Click the same unit again" in widget.answer
    click(widget, "1:3")
    assert widget.explanation.kind == "blame"
    assert widget.explanation.value == clf.why_.blame(X, Y, layer=1, unit=3).value
    assert widget.view["edges"][0]["title"].count("share of the error") == 1
    click(widget, "1:3")
    assert widget.explanation.kind == "neuron"
    click(widget, "0:1")
    assert widget.explanation.part == "0:1"


def test_the_drawing_shows_the_mean_activity_and_the_weights(clf):
    picture = clf.why_.picture(X)
    for l, a in enumerate(clf.activations(X)):
        assert picture.units[l] == pytest.approx(a.mean(axis=0), abs=1e-12)
    for l in (1, 2):
        assert np.array_equal(picture.edges[l], clf.theta_.W[l])
    assert picture.names == (tuple(IRIS.feature_names), *clf.why_.picture(X).names[1:])
    assert clf.widget(X, Y).view["title"] == "The network, on average over 150 examples"
    assert clf.widget(X.iloc[:1], Y[:1]).view["title"] == "The network, in this example"


def test_an_image_keeps_its_units_while_it_is_asked():
    rng = np.random.default_rng(0)
    images, labels = rng.random((20, 8, 8)), rng.integers(0, 3, 20)
    net = wg.Network((8, 8), [wg.Dense(40, "relu"), wg.Dense(3, "softmax")], cost="cross_entropy")
    fitted = wg.train(net, images, labels, epochs=1, engine="reference")
    widget = fitted.widget(images, labels)
    assert widget.view["image"]["rows"] == 8
    units = [unit["part"] for unit in widget.view["units"]]
    widget.gesture = {"id": 1, "kind": "more", "layer": 1}
    assert sum(unit["part"].startswith("1:") for unit in widget.view["units"]) == 40
    widget.gesture = {"id": 2, "kind": "less", "layer": 1}
    assert [unit["part"] for unit in widget.view["units"]] == units
    click(widget, units[3])
    assert [unit["part"] for unit in widget.view["units"]] == units
    widget.gesture = {"id": 3, "kind": "narrow"}
    width = widget.view["width"]
    widget.gesture = {"id": 4, "kind": "wide"}
    assert width < widget.view["width"]


def test_what_cannot_be_asked_is_said_in_the_drawing(clf):
    widget = clf.widget(X)
    click(widget, "1:3")
    assert "neuron needs the targets as well: give y" in widget.answer
    widget = clf.widget(X, Y)
    click(widget, "1:77")
    assert "unit 77 of layer 1: its units are 0 to 4" in widget.answer
    assert widget.explanation is None
    for gesture in (
        {"id": 3, "kind": "click", "part": "<b>"},
        {"id": 4, "kind": "more"},
        {"id": 5, "kind": "run", "part": "1:1"},
        {"id": 6, "kind": "click", "part": 7},
    ):
        before = widget.view
        widget.gesture = gesture
        assert widget.view == before


def test_whatever_can_be_asked_can_be_drawn(clf, tmp_path):
    pipe = make_pipeline(StandardScaler(), wg.MLPClassifier((4,), tol=9, n_iter_no_change=2)).fit(
        X, Y
    )
    widget = wg.explain(pipe).widget(X, Y)
    click(widget, "1:1,3")
    assert (
        widget.explanation.value == wg.explain(pipe).why.weight(X, Y, layer=1, to=1, from_=3).value
    )

    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    x, y = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0])
    wg.train(net, x, y, epochs=2, validation=(x[:1], y[:1]), record=tmp_path / "xor.run")
    run = wg.open_run(tmp_path / "xor.run")
    widget = run.widget()
    click(widget, "1:2,1")
    assert widget.explanation.value == run.why.weight(x[:1], y[:1], layer=1, to=2, from_=1).value
    assert run.widget(0).view == run.widget().view


def test_a_run_on_a_table_shows_its_test_rows(tmp_path):
    folder = tmp_path / "iris.run"
    done = whygrad("train", "iris", "--run", folder, "--hidden", 4, "--epochs", 2)
    assert done.code == 0, done.err
    run = wg.open_run(tmp_path / "iris.run")
    widget = run.widget()
    click(widget, "2:0,1")
    assert widget.explanation.value == run.why.weight(layer=2, to=0, from_=1).value
    assert run.widget(3).view["title"] == "The network, in this example"


def test_without_anywidget_it_says_what_to_install(clf, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        widget_package, "find_spec", lambda name: None if name == "anywidget" else found(name)
    )
    with pytest.raises(
        InputError, match=r'the widget needs anywidget: pip install "whygrad\[notebook\]"'
    ):
        clf.widget(X, Y)


def test_the_package_brings_its_own_javascript_and_asks_nobody_for_more():
    source = (Path(widget_package.__file__).parent / "network.js").read_text(encoding="utf-8")
    widget = NetworkWidget()
    assert widget._esm == source
    assert "import " not in source
    for text in (source, widget._css):
        addresses = {word for word in text.replace('"', " ").split() if "://" in word}
        assert addresses <= {"http://www.w3.org/2000/svg"}


def test_in_a_notebook_a_click_is_answered_and_a_picture_is_kept():
    import nbclient  # here, since it takes a second
    import nbformat

    before, click = "1:0,1", "1:2,3"
    cells = [
        LINES,
        "print(widget.explanation.part, repr(widget.explanation.value))",
        "print(repr(clf.why_.weight(X.iloc[:3], y[:3], layer=1, to=2, from_=3).value))",
        "print(widget.view['title'], 'adds up to the value' in widget.answer, asked)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(book, timeout=120, kernel_name="python3")
    with client.setup_kernel():
        client.execute_cell(book.cells[0], 0)
        shown = book.cells[0].outputs[-1].data
        model = shown["application/vnd.jupyter.widget-view+json"]["model_id"]
        for number, part in enumerate((before, click)):
            gesture = {"id": number, "kind": "click", "part": part, "layer": None}
            content = {"comm_id": model, "data": {"method": "custom", "content": gesture}}
            client.kc.shell_channel.send(client.kc.session.msg("comm_msg", content))
        for place in (1, 2, 3):
            client.execute_cell(book.cells[place], place)
    told, truth, drawn = (cell.outputs[0].text.strip() for cell in book.cells[1:])
    assert told == f"{click} {truth}"
    title = "What moves the weight from petal width (cm) to hidden 2"
    assert drawn == f"{title} True {[before, click]}"
    # what is left where no widget runs
    assert "data:image/svg+xml;base64," in shown["text/html"]
    still = b64decode(re.search('base64,([^"]*)', shown["text/html"])[1]).decode("utf-8")
    assert f'data-part="{click}"' in still
    assert shown["text/plain"] == "<NotebookWidget <Why 4-5-3 cross_entropy>>"
    # what a page with widgets shows, without Python
    kept = client.widget_state[model]
    assert kept["view"]["title"] == "The network, on average over 3 examples"
    assert kept["_esm"] == NetworkWidget()._esm
