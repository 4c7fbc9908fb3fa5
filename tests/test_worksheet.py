"""The worksheet: a step of backpropagation by hand, held by numbers computed in plain Python."""

import html
import math
import re

import numpy as np
import pytest

import whygrad as wg
from command import whygrad

# The 2-2-2 network that many classes compute by hand, in scalars that share no line with the package.
X, Y, RATE = (0.05, 0.10), (0.01, 0.99), 0.5
W1, W2 = ((0.15, 0.20), (0.25, 0.30)), ((0.40, 0.45), (0.50, 0.55))
B1, B2 = 0.35, 0.60


def by_hand():
    """Cost, δ, and the weights and biases after one step."""

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    h = [sigmoid(w[0] * X[0] + w[1] * X[1] + B1) for w in W1]
    o = [sigmoid(w[0] * h[0] + w[1] * h[1] + B2) for w in W2]
    cost = sum((a - y) ** 2 / 2 for a, y in zip(o, Y, strict=True))
    out = [(a - y) * a * (1 - a) for a, y in zip(o, Y, strict=True)]
    hidden = [(W2[0][k] * out[0] + W2[1][k] * out[1]) * h[k] * (1 - h[k]) for k in (0, 1)]
    after = [W2[j][k] - RATE * out[j] * h[k] for j in (0, 1) for k in (0, 1)]
    after += [W1[j][k] - RATE * hidden[j] * X[k] for j in (0, 1) for k in (0, 1)]
    biases = [B1 - RATE * d for d in hidden] + [B2 - RATE * d for d in out]
    return cost, [*out, *hidden], [*after, *biases]


@pytest.fixture(scope="module")
def fitted():
    net = wg.Network(2, [wg.Dense(2, "sigmoid"), wg.Dense(2, "sigmoid")], "squared_error")
    return wg.Fitted(net, net.init(W=[None, W1, W2], b=[None, [B1, B1], [B2, B2]]))


def text(path):
    """What the page says, without its tags."""
    body = path.read_text(encoding="utf-8").partition("<body")[2]
    return html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", body, flags=re.S)))


def page(fitted, folder, **about):
    given = {"X": [X], "y": [Y], "rate": RATE, "first": 1}
    return wg.worksheet(fitted, folder / "sheet.html", **given | about)


def written(value):
    return f"{value:.9g}".replace("-", "−")


def test_the_solution_holds_the_numbers_computed_by_hand(fitted, tmp_path):
    said = text(page(fitted, tmp_path, filled=True))
    cost, delta, after = by_hand()
    assert f"{cost:.9f}" == "0.298371109"  # as it is published
    for value in (cost, *delta, *after):
        assert written(value) in said
    assert "It is better." in said


def test_the_sheet_to_fill_in_holds_none_of_them_but_all_that_is_given(fitted, tmp_path):
    said = text(page(fitted, tmp_path))
    cost, delta, after = by_hand()
    for value in (cost, *delta, *after):
        assert written(value) not in said
    for given in (*X, *Y, *W1[0], *W1[1], *W2[0], *W2[1], B1, B2):
        assert written(given) in said
    assert "Fill in the blank lines." in said
    assert "f′" in said  # what the first blank of an error is


def test_units_are_counted_from_one_or_from_zero(fitted, tmp_path):
    for first in (0, 1):
        path = page(fitted, tmp_path, first=first, overwrite=True)
        units = set(re.findall(r"<msubsup><mi>z</mi><mn>(\d)</mn>", path.read_text("utf-8")))
        assert units == {str(first), str(first + 1)}


def test_a_step_that_is_too_long_is_not_called_better(fitted, tmp_path):
    net = wg.Network(1, [wg.Dense(1, "identity")])
    long = wg.Fitted(net, net.init(W=[None, [[1.0]]]))
    said = text(
        wg.worksheet(long, tmp_path / "a.html", X=[[2.0]], y=[[0.0]], rate=10.0, filled=True)
    )
    assert "It is worse: the step was too long." in said


def test_of_a_large_network_some_units_are_computed_and_the_others_are_given(tmp_path):
    net = wg.Network(9, [wg.Dense(12, "tanh"), wg.Dense(7, "softmax")], "cross_entropy")
    fitted = wg.Fitted(net, net.init(seed=1))
    path = wg.worksheet(fitted, tmp_path / "a.html", X=[[1.0] * 9], y=[3], filled=True)
    said = text(path)
    for others in (
        5,
        8,
        3,
    ):  # of the inputs, of the hidden units, and in the δ of these of the outputs
        assert said.count(f"from {others} others") == 4
    assert len(path.read_bytes()) < 200_000


def test_no_equation_is_wider_than_a_page_or_a_telephone(tmp_path, narrow):
    layers = [wg.Dense(12, "tanh"), wg.Dense(9, "sigmoid"), wg.Dense(7, "softmax")]
    net = wg.Network(9, layers, "cross_entropy")
    path = wg.worksheet(
        wg.Fitted(net, net.init(seed=1)), tmp_path / "a.html", X=[[1.0] * 9], y=[3], filled=True
    )
    narrow.driver.get(path.as_uri())
    lines = "[...document.querySelectorAll('.wg-line')]"
    across = narrow.driver.execute_script(
        f"return {lines}.map((line) => line.scrollWidth - line.clientWidth)"
    )
    assert len(across) > 20 and max(across) <= 0


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"example": 1}, "example 1: there are the examples 0 to 0"),
        ({"first": 2}, "first=2: units are counted from 0 or from 1"),
        ({"y": None}, "a worksheet needs targets beside its examples: give y"),
    ],
)
def test_bad_input_is_said_in_one_line_and_nothing_is_written(fitted, tmp_path, about, message):
    with pytest.raises(wg.InputError, match=re.escape(message)):
        page(fitted, tmp_path, **about)
    assert not list(tmp_path.iterdir())


def test_hidden_units_are_named_by_their_number_and_no_class(tmp_path):
    net = wg.Network(2, [wg.Dense(4, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    why = wg.Fitted(net, net.init(seed=1)).why
    named = why.named(["long", "wide"], ["setosa", "versicolor", "virginica"])
    path = wg.worksheet(named, tmp_path / "a.html", X=[[1.0, 2.0]], y=[0])
    drawn = html.unescape(re.search(r"<svg.*?</svg>", path.read_text("utf-8"), re.S)[0])
    for name in ("long", "hidden 0", "hidden 3", "virginica"):
        assert name in drawn


def test_the_command_writes_the_sheet_of_a_test_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert whygrad("train", "iris", "--hidden", "5", "--epochs", "1", "--run", "a.run").code == 0
    done = whygrad("worksheet", "a.run", "--filled", "--from", "1")
    assert (done.code, done.out.strip()) == (0, "written: a-worksheet.html")
    assert re.search(r"petal length \(cm\): \d\.\d\D", text(tmp_path / "a-worksheet.html"))
    drawing = (tmp_path / "a-worksheet.html").read_text(encoding="utf-8").partition("</svg>")[0]
    assert "hidden 1" in drawing and "hidden 5" in drawing and "virginica" in drawing
    assert whygrad("worksheet", "a.run").code != 0  # it is there already
    assert whygrad("worksheet", "a.run", "-o", "b.txt").code != 0


def test_a_piece_of_a_column_is_named_and_has_no_number_of_the_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = ("--quality", "fast", "--epochs", "1", "--no-comparison", "--run", "a.run")
    assert whygrad("train", "iris", *quick).code == 0
    assert whygrad("worksheet", "a.run").code == 0
    said = text(tmp_path / "a-worksheet.html")
    assert re.search(r"(length|width) \(cm\) \d\S* to \d", said)
    assert not re.search(r"(length|width) \(cm\) \d\S* to \d[\d.]*:", said)


def test_the_sheet_of_a_run_on_arrays_is_of_the_rows_that_it_learned_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, Y = np.array([[0.25, -1.5], [2.0, 1.0]]), np.array([[1.0], [0.0]])
    net = wg.Network(2, [wg.Dense(2, "sigmoid"), wg.Dense(1, "sigmoid")], "squared_error")
    wg.train(net, X, Y, epochs=1, batch_size=1, record="a.run", copy_data=True)
    wg.train(net, X, Y, epochs=1, batch_size=1, record="bare.run", copy_data=False)
    assert whygrad("worksheet", "a.run", "--filled").code == 0
    theta = wg.open_run("a.run").theta
    z = theta.W[1] @ X[0] + theta.b[1]
    said = text(tmp_path / "a-worksheet.html")
    for value in (*z, *X[0]):
        assert written(value) in said
    done = whygrad("worksheet", "bare.run")
    assert done.code != 0
    assert len(done.err.splitlines()) == 1
    assert "a worksheet needs an example: " in done.err
    assert "give X" not in done.err
