"""Charts: what they draw is what the run recorded, and an option is data alone that a page can take."""

import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import answers
import whygrad as wg
from whygrad.answers.draw.axes import thinned
from whygrad.answers.draw.palette import COLOURS
from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.pictures import CurvePicture, Line
from whygrad.engines import Statistics
from whygrad.engines.probes import STATISTICS
from whygrad.pipeline.datasets import load
from whygrad.studio.page import charts
from whygrad.studio.page.charting import BEHIND, MOST, NUMBER, chart
from whygrad.training.epochs import Epoch


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A recorded training with two kinds of units, and a fork of it."""
    data, folder = load("moons"), tmp_path_factory.mktemp("runs")
    X, Y = data.X, data.y[:, None].astype(float)
    layers = [wg.Dense(5, "tanh"), wg.Dense(4, "relu"), wg.Dense(1, "sigmoid")]
    net = wg.Network(2, layers, "binary_cross_entropy")
    wg.train(
        net, X[:320], Y[:320], optimizer=wg.SGD(0.5), epochs=6, batch_size=16, engine="reference",
        validation=(X[320:], Y[320:]), record=folder / "first.run", layer_statistics=True,
    )  # fmt: skip
    first = wg.open_run(folder / "first.run")
    return first, first.fork(45, record=folder / "second.run", learning_rate=0.05, epochs=8)


def lines(option):
    return {one["name"]: one for one in option["series"] if one["type"] == "line" and one["data"]}


def drawn(line):
    """The points of a line, (m, 2)."""
    return np.array([[x, math.nan if y is None else y] for x, y in line["data"]])


def check(option):
    """An option is plain data: JSON without NaN, no key that a page would take for code, few points."""
    json.dumps(option, allow_nan=False)
    keys, open_ = [], [option]
    while open_:
        one = open_.pop()
        if isinstance(one, dict):
            keys += (key for key, value in one.items() if value is not NUMBER)
            open_ += one.values()
        elif isinstance(one, list):
            open_ += one
    assert not any(key.startswith(":") for key in keys)
    for line in lines(option).values():
        assert len(line["data"]) <= MOST
    assert option["aria"]["enabled"]
    listed = option["legend"]["data"]
    assert set(listed) <= {one["name"] for one in option["series"]}
    return option


def test_every_chart_of_a_run_has_what_the_run_recorded(runs):
    run, _ = runs
    made = charts.options(charts.seen(run), 45)
    assert tuple(made) == charts.NAMES
    for option in made.values():
        check(option)
    cost = lines(made["cost"])
    ends = [20.0, 40.0, 60.0, 80.0, 100.0, 120.0]
    np.testing.assert_allclose(drawn(cost["training"]).T, [ends, run.history.cost], rtol=1e-3)
    np.testing.assert_allclose(
        drawn(cost["validation"]).T, [ends, run.history.validation_cost], rtol=1e-3
    )
    steps = drawn(cost["each step"])
    np.testing.assert_array_equal(steps[:, 0], np.arange(1, 121))
    np.testing.assert_allclose(steps[:, 1], run.costs, rtol=1e-3)
    score = drawn(lines(made["score"])["validation"])
    np.testing.assert_allclose(score[:, 1], 100 * np.array(run.history.validation_score), atol=1e-3)
    statistics = run.statistics
    for name, values in (
        ("gradient", statistics["gradient"]),
        ("update", statistics["update"] / statistics["theta"]),
    ):
        for l in (1, 2, 3):
            line = drawn(lines(made[name])[f"layer {l}"])
            np.testing.assert_array_equal(line[:, 0], statistics.steps)
            np.testing.assert_allclose(line[:, 1], values[:, l - 1], rtol=1e-4)
    quiet = lines(made["quiet"])
    assert set(quiet) == {"saturated, layer 1", "dead, layer 2", "saturated, layer 3"}
    np.testing.assert_allclose(
        drawn(quiet["dead, layer 2"])[:, 1], 100 * statistics["dead"][:, 1], atol=1e-3
    )
    assert made["gradient"]["yAxis"]["type"] == made["update"]["yAxis"]["type"] == "log"


def test_the_present_step_is_marked_in_every_chart(runs):
    for option in charts.options(charts.seen(runs[0]), 45).values():
        (mark,) = option["series"][-1]["markLine"]["data"]
        assert mark["xAxis"] == 45
        assert mark["label"]["formatter"] == "step 45"
    for option in charts.options(charts.seen(runs[0])).values():
        assert option["series"][-1]["markLine"]["data"] == []


def test_another_run_is_dashed_and_starts_where_it_was_forked(runs):
    run, fork = runs
    made = charts.options(charts.seen(run), 45, [charts.seen(fork)])
    for name, option in made.items():
        check(option)
        assert "dashed: second.run" in option["legend"]["data"]
        own = [one for one in lines(option).values() if not one["name"].endswith(", second.run")]
        other = [one for one in lines(option).values() if one["name"].endswith(", second.run")]
        assert other, name
        assert all(one["lineStyle"]["type"] == "solid" for one in own)
        assert all(one["lineStyle"]["type"] != "solid" for one in other)
        assert not any(one["name"] in option["legend"]["data"] for one in other)
        assert option["xAxis"]["max"] == 160
        by_name = {one["name"]: one["color"] for one in own}
        assert all(
            one["color"] == by_name[one["name"].removesuffix(", second.run")] for one in other
        )
    validation = drawn(lines(made["cost"])["validation, second.run"])
    np.testing.assert_array_equal(validation[:, 0], [60, 80, 100, 120, 140, 160])
    np.testing.assert_allclose(validation[:, 1], fork.history.validation_cost, rtol=1e-3)


def test_of_many_runs_each_has_a_colour_and_is_named(runs):
    run, fork = runs
    others = [charts.seen(fork, name="one"), charts.seen(fork, name="two")]
    made = charts.options(charts.seen(run), 45, others)
    drawn_lines = lines(made["cost"])
    colours = {
        name: {one["color"] for key, one in drawn_lines.items() if key.endswith(f", {name}")}
        for name in ("first.run", "one", "two")
    }
    assert len(set.union(*colours.values())) == 3
    assert all(len(one) == 1 for one in colours.values())
    assert {"validation, one", "validation, two"} <= set(made["cost"]["legend"]["data"])
    for option in made.values():
        check(option)


def test_smoothing_is_a_moving_average_with_the_numbers_behind_it(runs):
    seen = charts.seen(runs[0])
    plain, smooth = (charts.options(seen, smoothing=by)["cost"] for by in (0, 0.5))
    of = [one for one in smooth["series"] if one["name"] == "training"]
    raw, found = (drawn(one)[:, 1] for one in of)
    expected = drawn(lines(plain)["training"])[:, 1]
    np.testing.assert_array_equal(raw, expected)
    w = 0.5 ** np.arange(len(expected))
    means = [(w[: t + 1][::-1] @ expected[: t + 1]) / w[: t + 1].sum() for t in range(len(w))]
    np.testing.assert_allclose(found, means, rtol=1e-3)
    assert of[0]["lineStyle"]["width"] < of[1]["lineStyle"]["width"]


def test_numbers_of_axes_are_short_in_the_browser_too():
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    given = [1e20, 2.5e-7, -1e-9, 123456, 0.5, 0, 98.76543, None]
    script = f"console.log(JSON.stringify({json.dumps(given)}.map({NUMBER})))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        "10²⁰", "2.5×10⁻⁷", "−10⁻⁹", "123,456", "0.5", "0", "98.77", "–",
    ]  # fmt: skip


def test_what_was_measured_besides_stands_in_for_the_epochs(runs):
    points = [
        SimpleNamespace(
            step=step, by_part={"training": (cost, score), "validation": (cost + 0.1, 0.4)}
        )
        for step, cost, score in ((0, 0.7, 0.5), (50, 0.4, 0.8), (120, 0.2, 0.9))
    ]
    one = charts.seen(runs[0], points)
    made = charts.options(replace(one, epochs=one.epochs[:3]))
    for part, cost, score in (
        ("training", [0.7, 0.4, 0.2], [50, 80, 90]),
        ("validation", [0.8, 0.5, 0.3], [40, 40, 40]),
    ):
        np.testing.assert_allclose(drawn(lines(made["cost"])[part]).T, [[0, 50, 120], cost])
        np.testing.assert_allclose(drawn(lines(made["score"])[part])[:, 1], score)
    made = lines(charts.options(one)["cost"])  # six epochs show more of the validation rows
    told = [epoch.validation_cost for epoch in one.epochs]
    np.testing.assert_allclose(drawn(made["validation"]).T, [one.ends, told], rtol=1e-4)
    costs = [epoch.cost for epoch in one.epochs]  # three states would draw two straight lines
    np.testing.assert_allclose(drawn(made["training"]).T, [one.ends, costs], rtol=1e-4)
    more = [SimpleNamespace(step=t, by_part=points[0].by_part) for t in range(0, 121, 12)]
    made = lines(charts.options(charts.seen(runs[0], more))["cost"])
    np.testing.assert_allclose(drawn(made["training"])[:, 0], range(0, 121, 12))


def test_a_chart_without_a_point_is_left_out(runs):
    one = charts.seen(runs[0])
    silent = Statistics(np.zeros(0, np.int64), np.zeros((0, 3, len(STATISTICS))))
    begun = replace(one, epochs=(), costs=np.zeros(0), statistics=silent, last=0)
    assert charts.options(begun, 0) == {}
    assert list(charts.options(replace(begun, costs=np.array([0.5])), 1)) == ["cost"]
    plain = wg.Network(2, [wg.Dense(1, "identity")])
    level = Statistics(np.arange(3), np.ones((3, 1, len(STATISTICS))))
    epochs = (Epoch(0.5, 0.1, 0.4, 0.9),)
    found = charts.options(replace(begun, net=plain, statistics=level, epochs=epochs))
    assert list(found) == ["cost", "score", "gradient", "update"]
    assert found["score"]["title"]["text"] == "R²"


def test_light_and_dark_have_their_colours(runs):
    one = charts.seen(runs[0])
    for dark in (False, True):
        for option in charts.options(one, 5, dark=dark).values():
            assert option["title"]["textStyle"]["color"] == COLOURS["ink"][dark]
        training = lines(charts.options(one, dark=dark)["cost"])["training"]
        assert training["lineStyle"]["color"] == COLOURS["c0"][dark]


def test_layers_are_told_apart_without_their_colours(runs):
    made = charts.options(charts.seen(runs[0]))
    strokes = [str(one["lineStyle"]["type"]) for one in lines(made["gradient"]).values()]
    assert len(set(strokes)) == 3


def test_costs_that_differ_widely_are_drawn_on_a_logarithmic_axis_and_others_are_not():
    run = SimpleNamespace(path=SimpleNamespace(name="x"))
    run.net, run.start, run.step = wg.Network(1, [wg.Dense(1, "identity")]), 0, 3
    run.first_end = 0
    run.plan, run.history = SimpleNamespace(steps_per_epoch=10, cost_name="cost"), wg.History()
    run.judged = False
    run.statistics = Statistics(np.zeros(0, np.int64), np.zeros((0, 1, len(STATISTICS))))
    for costs, kind in (
        ([1.0, 0.5, 0.4], "value"),
        ([1.0, 0.1, 0.01], "log"),
        ([1.0, 0.0, 0.01], "value"),
    ):
        run.costs = np.array(costs)
        assert charts.options(charts.seen(run))["cost"]["yAxis"]["type"] == kind


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def of(*lines, **about):
    """A chart of lines without titles."""
    return CurvePicture("", "", "", np.zeros(0), lines, **about)


def test_long_lines_are_thinned_and_keep_their_extremes():
    y = np.sin(np.arange(60_000.0))
    y[12_345], y[43_210], y[50_000] = 7.0, -9.0, np.nan
    x = np.array(thinned(y, MOST))
    kept = y[x]
    assert len(x) <= MOST
    assert {7.0, -9.0} <= set(kept)
    assert np.isnan(kept).any()
    assert (x[0], x[-1]) == (0, 59_999)
    for line, most in (
        (Line("a", y, x=np.arange(60_000.0)), MOST),
        (Line("a", kept, x=x.astype(float), thin=True), BEHIND),
    ):
        assert len(check(chart(of(line)))["series"][0]["data"]) <= most


@pytest.mark.parametrize("scale", ["linear", "log", "percent"])
def test_what_cannot_be_drawn_breaks_the_line(scale):
    y = np.array([0.5, np.nan, np.inf, 0.0, -1.0, 0.25])
    option = check(chart(of(Line("a", y, x=np.arange(6.0)), scale=scale)))
    gaps = [point[1] is None for point in option["series"][0]["data"]]
    nothing = scale == "log"
    assert gaps == [False, True, True, nothing, nothing, False]


def test_a_level_line_is_not_drawn_as_its_rounding():
    y = 0.003 + 1e-16 * np.arange(5)
    axis = chart(of(Line("a", y, x=np.arange(5.0))))["yAxis"]
    assert axis["min"] < 0.0029 < 0.0031 < axis["max"]


def test_small_differences_keep_their_digits():
    y = 0.5 + 1e-5 * np.arange(5)
    found = chart(of(Line("a", y, x=np.arange(5.0))))["series"][0]["data"]
    np.testing.assert_allclose([point[1] for point in found], y, atol=1e-9)


def test_names_of_the_user_are_values_on_one_line_of_bearable_length():
    name = ":<img src=x onerror=alert(1)>\n" + "a" * 100
    x = np.arange(2.0)
    option = check(chart(CurvePicture(name, name, name, x, (Line(name, x),), at=1.0, at_name=name)))
    shown = option["series"][0]["name"]
    assert "\n" not in shown
    assert len(shown) <= 40


def test_nothing_to_draw_is_an_empty_chart():
    check(chart(of()))
    check(chart(of(Line("a", np.zeros(0)), at=3.0)))


# ── pictures of answers ──────────────────────────────────────────────────────────────────────────────


def areas_of(picture):
    """A picture without its lines."""
    return replace(picture, lines=(), marks=())


def test_the_curves_of_an_answer_are_drawn_with_tangent_and_marks():
    x = np.linspace(-1, 1, 21)
    picture = CurvePicture(
        "cost", "Δw", "C", x, (Line("cost", x**2), Line("tangent", 0 * x, dashed=True)),
        marks=((0.0, 0.0, "now"), (0.5, 0.25, "ledger"), (np.nan, 1.0, "nowhere")),
    )  # fmt: skip
    option = check(chart(picture))
    found = lines(option)
    np.testing.assert_allclose(drawn(found["cost"]), np.stack([x, x**2], axis=1), atol=1e-4)
    assert found["tangent"]["lineStyle"]["type"] != "solid"
    marks = option["series"][-1]["data"]
    assert [(one["name"], one["value"]) for one in marks] == [
        ("now", [0, 0]),
        ("ledger", [0.5, 0.25]),
    ]


def test_areas_of_an_answer_are_stacked():
    x = np.arange(4.0)
    lines_ = (Line("a", x), Line("b", -x), Line("decay", -x, dashed=True))
    picture = CurvePicture("pushed", "step", "weight", x, stacked=lines_, stack_label="pushed")
    for option in (check(chart(picture)), check(chart(areas_of(picture)))):
        assert [one.get("stack") for one in option["series"][:3]] == ["areas"] * 3
        assert option["series"][2]["color"] == COLOURS["ink"][0]
        assert option["yAxis"]["name"] == "pushed"


def test_every_picture_of_curves_that_answers_give_can_be_a_chart():
    pictures = (*answers.weight().pictures, *answers.hostile().pictures, answers.curves())
    found = [picture for picture in pictures if isinstance(picture, CurvePicture)]
    assert len(found) > 1
    for picture in found:
        check(chart(picture))
        check(chart(areas_of(picture)))


def test_the_charts_of_a_run_are_drawn_as_svg_as_well(runs):
    run, fork = runs
    for others in ((), (charts.seen(fork),)):
        for name, picture in charts.pictures(charts.seen(run), 45, others).items():
            svg = picture_svg(picture)
            ElementTree.fromstring(svg)
            titles = [line.name for line in picture.lines]
            assert all(f"<title>{title}</title>" in svg for title in titles), name
            assert ">step 45</text>" in svg
            assert ("dashed: second.run" in svg) == bool(others)
            assert (", %" in svg) == (picture.scale == "percent")


def test_a_logarithmic_axis_of_an_svg_has_powers_of_ten_and_no_place_for_what_has_no_logarithm():
    y = np.array([1e-3, 0.0, 1.0, -1.0, 1e2, 1e3])
    svg = picture_svg(of(Line("a", y, x=np.arange(6.0)), scale="log"))
    path = next(one for one in re.findall(r'<path d="([^"]*)"[^>]*><title>a<', svg))
    assert path.count("L") == 1  # of six points only the last two follow one another
    assert {"0.01", "1", "100"} <= set(re.findall(r">([\d.,]+)</text>", svg))


def test_curves_that_lie_on_one_another_are_both_in_sight(runs):
    of = lines(charts.options(charts.seen(runs[0]), 45)["cost"])
    one, other = (of[name]["lineStyle"]["type"] for name in ("training", "validation"))
    assert one == "solid" and other != "solid"  # between its strokes the other shows
    names = [line["name"] for line in charts.options(charts.seen(runs[0]), 45)["cost"]["series"]]
    assert names.index("training") < names.index("validation")  # which is drawn last


def test_six_layers_of_one_kind_have_short_names_in_the_legend(tmp_path):
    net = wg.Network(2, [wg.Dense(3, "tanh")] * 6 + [wg.Dense(1, "identity")])
    X = np.random.default_rng(0).normal(size=(20, 2))
    path = tmp_path / "deep.run"
    wg.train(net, X, X[:, :1], epochs=1, batch_size=5, record=path)
    option = charts.options(charts.seen(wg.open_run(path)), 1)["quiet"]
    assert option["title"]["text"] == "Saturated units"
    assert option["legend"]["data"] == [f"layer {l}" for l in range(1, 7)]
