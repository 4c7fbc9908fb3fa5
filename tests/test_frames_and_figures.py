"""Histories and answers as data frames of three libraries, and as figures of matplotlib."""

import subprocess
import sys

import numpy as np
import pytest

import whygrad as wg
from whygrad.answers.explanation import Explanation
from whygrad.answers.parts import Table, Term
from whygrad.answers.pictures import BarPicture, CurvePicture, ImagePicture, Line, NetworkPicture
from whygrad.training.epochs import Epoch, History

HISTORY = History(
    (
        Epoch(1.0, 0.1, 1.5, 0.5),
        Epoch(0.5, 0.1, 0.75, 0.75, metrics={"roc_auc": 0.875}),
        Epoch(0.01, 0.1, 0.5, 0.5, metrics={"roc_auc": 1.0}),
    )
)
TABLE = Table(
    "Largest", ("", "push", "push", "what"), (("a", 1, 0.5, 2), ("b", 2, None, "x")), ("1:0", "1:1")
)
NETWORK = NetworkPicture("Net", (np.ones(1), np.ones(1)), (None, np.ones((1, 1))), (("a",), ("b",)))
BARS = BarPicture("Change", "adds, log-odds", ("width", "length"), np.array([0.5, -0.25]))
CURVES = CurvePicture(
    "The path",
    "step",
    "weight",
    np.arange(4.0),
    (
        Line("W", np.array([1.0, 2.0, np.nan, 3.0])),
        Line("tangent", 9 * np.arange(4.0), dashed=True),
    ),
    stacked=(Line("up", np.array([1.0, 0, 1, 0])), Line("down", -np.ones(4))),
    stack_label="push",
    marks=((1.0, 2.0, "here"),),
    at=2.0,
    at_name="now",
    x_range=(0.0, 10.0),
)
IMAGES = ImagePicture("Digits", np.arange(12.0).reshape(3, 2, 2) - 4, ("a", "b", "c"))
BACKENDS = ("pandas", "polars", "pyarrow")


def as_lists(frame):
    """Return the columns of any frame, None for what is missing."""
    if hasattr(frame, "to_pydict"):
        return frame.to_pydict()
    found = (
        frame.to_dict(orient="list") if hasattr(frame, "iloc") else frame.to_dict(as_series=False)
    )
    return {
        name: [None if isinstance(v, float) and np.isnan(v) else v for v in values]
        for name, values in found.items()
    }


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_history_is_a_frame_with_a_row_for_each_epoch(backend):
    pytest.importorskip(backend)
    frame = HISTORY.to_frame(backend)
    assert type(frame).__module__.startswith(backend)
    assert as_lists(frame) == {
        "epoch": [1, 2, 3],
        "cost": HISTORY.cost,
        "learning_rate": [0.1] * 3,
        "validation_cost": HISTORY.validation_cost,
        "validation_score": HISTORY.validation_score,
        "roc_auc": [None, 0.875, 1.0],
    }


def test_a_frame_has_the_statistics_of_the_layers():
    net = wg.Network(1, [wg.Dense(2, "tanh"), wg.Dense(1)])
    fit = wg.train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, layer_statistics=True)
    found = fit.history.to_frame("pyarrow").to_pydict()
    assert found["layer_2_update"] == [epoch.layers[1].update for epoch in fit.history.epochs]
    assert list(found)[3:] == [
        f"layer_{l}_{what}" for l in (1, 2) for what in ("gradient", "update")
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_tables_of_an_answer_are_frames(backend):
    pytest.importorskip(backend)
    answer = Explanation("weight", "Why?", "", tables=(TABLE, TABLE))
    assert as_lists(answer.to_frame(1, backend)) == {
        "name": ["a", "b"],
        "push": [1, 2],
        "push 2": [0.5, None],
        "what": ["2", "x"],
        "part": ["1:0", "1:1"],
    }


def test_an_answer_without_tables_is_a_frame_of_its_terms():
    answer = Explanation("weight", "Why?", "", 0.5, (Term("a", 0.75), Term("bias", -0.25)))
    found = answer.to_frame(backend="pyarrow").to_pydict()
    assert found == {"name": ["a", "bias"], "value": [0.75, -0.25], "part": ["", ""]}
    with pytest.raises(wg.InputError, match="^table 1: this answer has none$"):
        answer.to_frame(1)
    with pytest.raises(wg.InputError, match="^table 2: the tables are 0 to 0$"):
        Explanation("weight", "Why?", "", tables=(TABLE,)).to_frame(2)


def test_every_answer_gives_its_tables_as_frames():
    rows = np.random.default_rng(0).normal(size=(8, 3))
    net = wg.Network(3, [wg.Dense(2, "tanh"), wg.Dense(1)])
    why = wg.train(net, rows, rows[:, 0], epochs=1).why
    for answer in (why.weight(rows, rows[:, 0], layer=1, to=0, from_=1), why.prediction(rows[0])):
        for i, table in enumerate(answer.tables):
            assert answer.to_frame(i, "pyarrow").num_rows == len(table.rows)


def test_without_pandas_a_frame_is_one_of_polars_and_without_both_of_arrow(monkeypatch):
    pytest.importorskip("polars")
    gone = {"pandas"}
    monkeypatch.setattr(
        "whygrad.training.frames.find_spec", lambda name: None if name in gone else name
    )
    assert type(HISTORY.to_frame()).__module__.startswith("polars")
    gone.add("polars")
    assert type(HISTORY.to_frame()).__module__.startswith("pyarrow")


def test_a_backend_that_is_not_there_is_named(monkeypatch):
    with pytest.raises(wg.InputError, match="^unknown backend 'panda': did you mean 'pandas'\\?"):
        HISTORY.to_frame("panda")
    monkeypatch.setattr("whygrad.errors.find_spec", lambda name: None)
    with pytest.raises(wg.InputError, match=r"^to_frame\(\) needs polars: pip install polars$"):
        HISTORY.to_frame("polars")


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def figure_type():
    return pytest.importorskip("matplotlib.figure").Figure


def curves(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_a_history_is_drawn_with_cost_above_and_scores_below(figure_type):
    figure = HISTORY.plot()
    assert isinstance(figure, figure_type)
    cost, score = figure.axes
    assert curves(cost) == {"training": HISTORY.cost, "validation": HISTORY.validation_cost}
    below = curves(score)
    assert below["validation score"] == HISTORY.validation_score
    assert below["roc_auc"][1:] == [0.875, 1.0] and np.isnan(below["roc_auc"][0])
    assert cost.get_yscale() == "log" and score.get_xlabel() == "epoch"
    assert cost.get_lines()[0].get_xdata().tolist() == [1, 2, 3]


def test_a_history_without_validation_has_one_panel(figure_type):
    (axes,) = History((Epoch(2.0, 0.1), Epoch(1.0, 0.1))).plot().axes
    assert curves(axes) == {"training": [2.0, 1.0]} and axes.get_yscale() == "linear"
    with pytest.raises(wg.InputError, match="the history has no epochs"):
        History().plot()


def test_curves_are_drawn_as_their_svg_has_them(figure_type):
    figure = Explanation("pushed", "Why?", "", pictures=(NETWORK, CURVES)).plot()
    assert figure.get_suptitle() == "The path"
    lines, areas = figure.axes
    drawn = curves(lines)
    assert drawn["W"][3] == 3.0 and drawn["tangent"] == [0, 9, 18, 27]
    assert lines.get_ylim()[1] < 9, "a tangent does not decide how far the axis goes"
    assert [text.get_text() for text in lines.texts] == ["here"]
    assert (lines.get_ylabel(), areas.get_ylabel()) == ("weight", "push")
    assert areas.get_xlabel() == "step" and areas.get_xlim()[1] >= 10
    assert [one.get_label() for one in areas.collections if one.get_label()[0] != "_"] == [
        "up",
        "down",
    ]


def test_bars_have_names_and_numbers(figure_type):
    (axes,) = Explanation("prediction", "Why?", "", pictures=(BARS,)).plot().axes
    assert [bar.get_width() for bar in axes.patches] == [0.5, -0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["width", "length"]
    assert axes.yaxis_inverted() and axes.get_xlabel() == "adds, log-odds"


def test_images_share_one_scale(figure_type):
    figure = Explanation("prediction", "Why?", "", pictures=(IMAGES,)).plot(0)
    drawn = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title() for axes in drawn] == ["a", "b", "c"]
    assert {axes.get_images()[0].get_clim() for axes in drawn} == {(-7.0, 7.0)}


def test_networks_stay_svg_and_a_picture_that_is_not_there_is_named(figure_type):
    answer = Explanation("weight", "Why?", "", pictures=(NETWORK,))
    with pytest.raises(wg.InputError, match=r"^picture 0 is a network, .* draw: svg\(0\)$"):
        answer.plot()
    with pytest.raises(wg.InputError, match="^picture 3: the pictures are 0 to 0$"):
        answer.plot(3)
    assert answer.svg().startswith("<svg")


def test_a_figure_shows_itself_and_leaves_no_state_of_pyplot():
    pytest.importorskip("matplotlib")
    code = (
        "import sys, whygrad as wg; from whygrad.training.epochs import Epoch, History;"
        "figure = History((Epoch(2.0, 0.1),)).plot();"
        "print(figure._repr_png_()[1:4].decode(), 'matplotlib.pyplot' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["PNG", "False"]


def test_without_matplotlib_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("whygrad.errors.find_spec", lambda name: None)
    for thing in (HISTORY, Explanation("weight", "Why?", "", pictures=(BARS,))):
        with pytest.raises(
            wg.InputError, match=r"^plot\(\) needs matplotlib: pip install matplotlib$"
        ):
            thing.plot()
