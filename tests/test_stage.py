"""The stage: what its parts compute, in node; and the picture in a real browser, as a film shows it."""

import json
import re

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from test_stage_model import in_node
from whygrad.studio.film.bundle import BROWSER
from whygrad.studio.film.film import film

PLAYED = '$film.playFilm(document.getElementById("whygrad-film"));'
IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


def module(name):
    return (BROWSER / f"{name}.js").as_uri()


def from_node(imports, expression, given=None):
    """Return what an expression of JavaScript gives; what is given stands in `given`."""
    lines = [f'import {{ {names} }} from "{module(name)}";' for name, names in imports.items()]
    lines += [
        f"const given = {json.dumps(given)};",
        f"process.stdout.write(JSON.stringify({expression}));",
    ]
    return in_node("\n".join(lines))


# ── computed ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_number_now_and_the_best_so_far_are_those_of_the_curve_until_the_step():
    at, values = [0, 10, 20, 30], [0.9, 0.4, None, 0.6]
    imports = {"strip": "standingAt"}
    steps = "[0, 15, 25, 30].map((step) => standingAt(given.at, given.values, step, given.high))"
    given = {"at": at, "values": values, "high": False}
    assert from_node(imports, steps, given) == [
        {"now": 0.9, "best": 0.9, "at": 0},
        {"now": 0.4, "best": 0.4, "at": 10},
        {"now": 0.4, "best": 0.4, "at": 10},
        {"now": 0.6, "best": 0.4, "at": 10},
    ]
    high = from_node(imports, steps, given | {"high": True})
    assert [one["best"] for one in high] == [0.9] * 4
    assert from_node(imports, "standingAt([5], [1], 4, true)") is None


def test_what_is_refused_is_named_and_a_page_without_a_path_is_the_page():
    ask = "fetcher('/', async () => ({ ok: false, status: 500 }))"
    found = from_node(
        {"recording": "fetcher"},
        f"await Promise.all(['', 'stage/whole'].map((at) => {ask}(at).catch(({{message}}) => message)))",
    )
    assert found == ["the page: 500", "stage/whole: 500"]


def test_a_click_in_a_curve_goes_to_the_nearest_recorded_step():
    steps = [0, 3, 4, 9, 20]
    found = from_node(
        {"strip": "nearestStep"}, "given.wanted.map((one) => nearestStep(given.steps, one))",
        {"steps": steps, "wanted": list(range(-1, 23))},
    )  # fmt: skip
    for wanted, index in zip(range(-1, 23), found, strict=True):
        assert abs(steps[index] - wanted) == min(abs(step - wanted) for step in steps)


def test_a_units_map_of_pixels_is_the_derivative_of_its_sum_by_the_inputs():
    """Beside differences of what the model itself gives."""
    rng = np.random.default_rng(1)
    sizes, x = [5, 4, 3, 2], rng.normal(size=5)
    theta = rng.normal(size=sum(b * (a + 1) for a, b in zip(sizes, sizes[1:], strict=False)))
    family = [
        {"family": name, "name": name, "parameters": []} for name in ("tanh", "elu", "softmax")
    ]
    family[1]["parameters"] = [1.0]
    network = {"sizes": sizes, "activations": family, "cost": "cross_entropy"}
    slopes, below, above = from_node(
        {"model": "forward, makeModel", "units": "inputSlopes"},
        """(() => {
          const model = makeModel(given.network), theta = Float64Array.from(given.theta), e = 1e-6;
          const z = (x) => Array.from(forward(model, theta, x).z[3]);
          const moved = (k, by) => z(given.x.map((one, i) => one + (i === k ? by : 0)));
          const trace = forward(model, theta, given.x);
          return [[0, 1].map((j) => Array.from(inputSlopes(model, theta, trace, 3, j))),
            given.x.map((_, k) => moved(k, -e)), given.x.map((_, k) => moved(k, e))];
        })()""",
        {"network": network, "theta": theta.tolist(), "x": x.tolist()},
    )
    differences = (np.array(above) - np.array(below)) / 2e-6
    assert np.array(slopes) == pytest.approx(differences.T, rel=1e-6, abs=1e-8)


def test_of_a_large_layer_the_units_are_shown_that_most_flows_through_and_then_the_others():
    network = {"sizes": [1, 9, 1], "activations": [{"family": "tanh"}, {"family": "identity"}]}
    network |= {"cost": "squared_error"}
    heavy = [0.1, 5, 0.2, 4, 0.3, 3, 0.4, 2, 0.5]
    theta = heavy + [0] * 9 + [1] * 9 + [0]
    pages = from_node(
        {"model": "makeModel", "layout": "tellingUnits"},
        """[[], [4, 8, 4]].flatMap((kept) => [0, 1, 2, 3].map((page) => tellingUnits(
          makeModel(given.network), given.theta, 1, 4, page, kept)))""",
        {"network": network, "theta": theta},
    )
    assert pages[0] == [1, 3, 5, 7]
    assert sorted(sum(pages[:3], [])) == list(range(9))
    assert pages[4] == [1, 3, 4, 8]
    assert all({4, 8} < set(page) for page in pages[4:]) and set(sum(pages[4:], [])) == set(
        range(9)
    )


def test_the_units_of_a_layer_are_as_many_as_there_is_room_for():
    asked = [[2, 12, 1], [64, 30, 10], [2, 8, 8, 1], [784, 100, 10]]
    shown = from_node(
        {"layout": "rowsThatFit"},
        "given.map((sizes) => rowsThatFit(sizes, 480, false, { image: sizes[0] > 9 }))",
        asked,
    )
    assert shown == [[2, 12, 1], [64, 10, 10], [2, 8, 8, 1], [784, 10, 10]]


def test_the_curve_of_a_run_that_diverged_does_not_squash_that_of_its_fork():
    own, diverged = [1.0, 0.8, 0.5], [1.0, 40.0, 1e150]
    scaled = from_node(
        {"strip": "scaleOf"},
        """[given.diverged, given.own].map((beside) => {
          const to = scaleOf([given.own], beside, { better: "lower", title: "cost" });
          return [...given.own, ...given.diverged].map(to);
        })""",
        {"own": own, "diverged": diverged},
    )
    for one in scaled:
        assert one[0] - one[2] >= 0.3 and one[5] == 2  # far above the chart, and a finite number


def test_the_arrow_keys_reach_every_unit_weight_and_bias():
    reached = from_node(
        {"layout": "besidePart, layoutOf"},
        """(() => {
          const sizes = [3, 4, 2], shown = sizes.map((n) => Array.from({ length: n }, (_, j) => j));
          const layout = layoutOf({ sizes, shown, width: 1000, height: 600,
            room: { left: 40, right: 40 } });
          const found = new Set(["1:0"]);
          for (const part of found)
            for (const key of ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"])
              found.add(besidePart(layout, part, key));
          return [...found];
        })()""",
    )
    units = {f"{layer}:{j}" for layer, size in enumerate((3, 4, 2)) for j in range(size)}
    edges = {f"1:{j},{k}" for j in range(4) for k in (0, 1, 2, "bias")}
    edges |= {f"2:{j},{k}" for j in range(2) for k in (0, 1, 2, 3, "bias")}
    assert set(reached) == units | edges


def test_inputs_that_equations_have_standardised_are_said_in_both_units():
    header = {
        "network": {"sizes": [3, 1]},
        "inputs": [
            {"name": "rooms", "mean": 5, "scale": 2},
            {"name": "sea"},
            {"name": "age", "mean": 30},
        ],
    }
    x = [-1.5, 1, 4]
    said = from_node(
        {"words": "standardisedSaid"},
        "[[0, 1, 2], [1], []].map((some) => standardisedSaid(given.header, given.x, some))",
        {"header": header, "x": x},
    )
    assert said == [
        "In equations the inputs are standardised: rooms = 2 as −1.5, age = 34 as 4.",
        "",
        "",
    ]


def test_of_two_classes_with_one_output_the_share_is_that_of_the_class_said():
    found = from_node(
        {"surface": "classSaid"},
        "[classSaid([0.8]), classSaid([0.2]), classSaid([-0.5], true), classSaid([0.1, 0.7, 0.2]), "
        "classSaid([0.4], false, 0.3), classSaid([0.2], false, 0.3)]",
    )
    shares = [(one["one"], round(one["share"], 3)) for one in found]
    assert shares == [(1, 0.8), (0, 0.8), (0, 0.75), (1, 0.7), (1, 0.4), (0, 0.8)]


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────────


def spirals(n=60):
    t = np.linspace(0.5, 3 * np.pi, n)
    arm = np.arange(n) % 2 * 2 - 1
    X = np.stack([arm * t * np.cos(t), arm * t * np.sin(t)], 1) / 6
    return X, np.stack([arm > 0, arm < 0], 1) * 1.0


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Pages that tell what they hold: `plane`, a deep network over the plane, a `wide` one of a table.

    And networks as they stand, without examples: `bare` ones with a plane, classes of a table, and numbers.
    """
    folder = tmp_path_factory.mktemp("films")
    X, Y = spirals()
    rng = np.random.default_rng(0)
    table, truth = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    made = {
        "plane": (2, [3, 3], "tanh", X, Y),
        "deep": (2, [8] * 6, "sigmoid", X, Y),
        "wide": (4, [60], "relu", table, np.eye(3)[truth]),
    }
    filmed = {}
    for name, (inputs, hidden, activation, X, Y) in made.items():
        layers = [wg.Dense(size, activation) for size in hidden]
        net = wg.Network(inputs, [*layers, wg.Dense(Y.shape[1], "softmax")], cost="cross_entropy")
        wg.train(net, X, Y, epochs=20, record=folder / f"{name}.run")
        filmed[name] = folder / f"{name}.run"
    for inputs, last in (2, "sigmoid"), (3, "softmax"), (4, "identity"):
        net = wg.Network(inputs, [wg.Dense(3, "tanh"), wg.Dense(3, last)])
        filmed[f"bare {last}"] = wg.Fitted(net, net.init())
    addresses = {}
    for name, given in filmed.items():
        path = folder / f"{name}.html"
        film(given, path)
        page = path.read_text(encoding="utf-8")
        assert PLAYED in page
        held = f'await {PLAYED} window.film = document.getElementById("whygrad-film").film;'
        path.write_text(page.replace(PLAYED, held), encoding="utf-8")
        addresses[name] = path.as_uri()
    return addresses


class Shown:
    """A film in a browser."""

    def __init__(self, browser, address):
        self.browser, self.run = browser, browser.driver.execute_script
        browser.driver.get(address)
        wait_for(lambda: self.run("return Number(window.film?.stage.root.dataset.drawn) > 0"))

    def size(self, width, height):
        about = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.tell("Emulation.setDeviceMetricsOverride", **about)
        drawn = (
            "return film.stage.width > 0 && Math.abs(film.stage.root.clientWidth - innerWidth) < 2"
        )
        fits = " && film.stage.layout.width === film.stage.picture.clientWidth"
        wait_for(lambda: self.run(drawn + fits))

    def state(self, name):
        return self.run("return film.store.get()[arguments[0]]", name)

    def set(self, **changes):
        drawn = self.run("return film.stage.root.dataset.drawn")
        self.run("film.store.set(arguments[0])", changes)
        wait_for(lambda: self.run("return film.stage.root.dataset.drawn") != drawn)

    def click_at(self, x, y):
        """Click on a place of the stage, in its pixels."""
        left, top = self.run(
            "const box = film.stage.root.getBoundingClientRect(); return [box.left, box.top]"
        )
        for kind in ("mousePressed", "mouseReleased"):
            about = {"x": left + x, "y": top + y, "button": "left", "clickCount": 1}
            self.browser.tell("Input.dispatchMouseEvent", type=kind, **about)

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser.driver).send_keys("".join(keys)).perform()


@pytest.fixture
def show(alone, films):
    """Return a function that shows a film, at rest at its first step unless it is to play."""

    def start(name, plays=False):
        shown = Shown(alone, films[name])
        if not plays:
            shown.set(playing=False, step=0)
        return shown

    yield start
    assert alone.complaints() == []
    size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    alone.tell("Emulation.setDeviceMetricsOverride", **size)


def test_something_moves_as_soon_as_it_is_there(show):
    shown = show("plane", plays=True)
    wait_for(lambda: shown.state("step") > 2, "the training that plays by itself")


@pytest.mark.parametrize("last", ["sigmoid", "softmax", "identity"])
def test_a_network_is_drawn_without_any_examples(show, last):
    shown = show(f"bare {last}", plays=True)
    assert "A network as it stands." in shown.run("return film.stage.caption.textContent")
    assert "with every input at 0" in shown.run("return film.stage.bigNote.textContent")
    assert not any(shown.run("return Array.from(film.stage.scene.x)"))
    assert not shown.run("return document.querySelector('.st-choose').checkVisibility()")


def test_time_never_runs_back_before_the_first_step(show):
    """A drawing for print comes later than the next frame was due."""
    shown = show("plane")
    lowest = shown.run(
        """let lowest = 0;
        film.store.subscribe(({ step }) => { lowest = Math.min(lowest, step); });
        film.store.set({ playing: true });
        const now = performance.now();
        for (const time of [now + 10000, now]) film.stage.frame(time);
        return lowest"""
    )
    assert lowest == 0


def test_for_those_who_want_no_motion_nothing_moves_until_it_is_asked_to(show, alone):
    still = {"name": "prefers-reduced-motion", "value": "reduce"}
    alone.tell("Emulation.setEmulatedMedia", features=[still])
    shown = show("plane", plays=True)
    assert shown.state("playing") is False
    assert shown.run("return film.stage.root.dataset.chapter") == "start"
    alone.by_role("button", "play").click()
    wait_for(lambda: shown.state("step") > 0, "the training that was asked to play")


def test_one_caption_leads_from_watching_to_the_weight_and_its_blame(show):
    shown = show("plane", plays=True)
    chapter = "return film.stage.root.dataset.chapter"
    wait_for(lambda: shown.state("step") > 1, "a step that is no longer the first")
    shown.browser.by_role("button", "Stop").click()
    wait_for(lambda: shown.run(chapter) == "choose")
    shown.browser.by_role("button", "Show the weight most to blame").click()
    wait_for(lambda: shown.run(chapter) == "ask")
    heaviest = shown.run(
        """const { gradient, model } = film.stage.scene, [l, rest] = film.store.get().part.split(":");
        const [j, k] = rest.split(",").map(Number);
        const weights = [1, 2, 3].flatMap((at) => [...gradient.slice(model.W(at), model.b(at))]);
        return [Math.abs(gradient[model.W(+l) + j * model.sizes[l - 1] + k]),
          Math.max(...weights.map(Math.abs))]"""
    )
    assert heaviest[0] == heaviest[1]
    assert "its gradient is" in shown.run("return film.stage.caption.textContent")
    shown.browser.by_role("button", "See its blame flow").click()
    wait_for(lambda: shown.run(chapter) == "motion")


def boxes_overlap(one, other):
    return (
        min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"]) > 0.5
        and min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
        > 0.5
    )


@pytest.mark.parametrize("name", ["plane", "deep", "wide"])
def test_nothing_of_the_picture_overlaps_is_cut_or_scrolls_sideways(show, name):
    shown = show(name)
    for size in (1600, 1000), (1280, 800), (400, 800):
        shown.size(*size)
        shown.set(step=1 + shown.state("step"))
        check_picture(size, shown.run(PICTURE))


PICTURE = """const { layout, picture, labels } = film.stage, box = (node) => {
          const [a, b] = [node.getBoundingClientRect(), picture.getBoundingClientRect()];
          return { text: node.textContent, x: a.left - b.left, y: a.top - b.top,
            width: a.width, height: a.height };
        };
        const units = layout.columns.flatMap((column) => column.units.map((j, at) => ({ text: `unit ${j}`,
          x: column.x - layout.tile / 2, y: column.y(at) - layout.tile / 2,
          width: layout.tile, height: layout.tile })));
        return { room: [picture.clientWidth, picture.clientHeight], units, labels,
          big: layout.big, tile: layout.tile,
          more: [...film.stage.more.children].map(box), head: box(film.stage.bigHead),
          edges: film.stage.edges.map((edge) => edge.at),
          page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight,
            film.stage.root.scrollWidth, film.stage.root.scrollHeight] }"""


def check_picture(size, found):
    width, height = size
    assert found["page"] == [width, height, width, height]
    things = [
        *found["units"], *found["labels"], *found["more"],
        found["head"] | {"text": "head"}, found["big"] | {"text": "big"},
    ]  # fmt: skip
    assert found["tile"] >= 20
    for i, one in enumerate(things):
        assert one["x"] >= -0.5 and one["x"] + one["width"] <= found["room"][0] + 0.5, one
        assert one["y"] >= -0.5 and one["y"] + one["height"] <= found["room"][1] + 0.5, one
        for other in things[:i]:
            assert not boxes_overlap(one, other), (one["text"], other["text"])
    for label in found["labels"]:
        for edge in found["edges"]:
            assert not crosses(edge, label), label["text"]


def crosses(edge, box):
    """Whether a line runs through a box: sampled finely enough for boxes as large as letters."""
    share = np.linspace(0, 1, 200)
    x = edge["x1"] + share * (edge["x2"] - edge["x1"])
    y = edge["y1"] + share * (edge["y2"] - edge["y1"])
    inside = (x > box["x"] + 1) & (x < box["x"] + box["width"] - 1)
    return bool(np.any(inside & (y > box["y"] + 1) & (y < box["y"] + box["height"] - 1)))


WHOLE = "return film.stage.width === film.stage.picture.clientWidth"


def test_a_click_chooses_unit_weight_bias_example_and_step(show):
    shown = show("plane")
    for script, part in (
        ("const { x, y } = film.stage.geometry().unit(1, 2); return [x, y]", "1:2"),
        ("const e = film.stage.geometry().edge(1, 0, 0);"
         "return [e.x1 + 0.1 * (e.x2 - e.x1), e.y1 + 0.1 * (e.y2 - e.y1)]", "1:0,0"),
        ("const e = film.stage.geometry().edge(2, 2, 'bias');"
         "return [e.x1 + 0.3 * (e.x2 - e.x1), e.y1 + 0.3 * (e.y2 - e.y1)]", "2:2,bias"),
    ):  # fmt: skip
        shown.click_at(*shown.run(script))
        wait_for(lambda part=part: shown.state("part") == part, part)
        shown.run("film.stage.closeSheet()")
        wait_for(lambda: shown.run(WHOLE), "the picture, which has all of the page again")
    wanted = (shown.state("example") + 5) % shown.run("return film.recording.examples.count")
    place = "return film.stage.geometry().plane.toPixels(film.recording.examples.x(arguments[0]))"
    shown.click_at(*shown.run(place, wanted))
    wait_for(lambda: shown.state("example") == wanted, "the example under the pointer")
    corner = "const { x, y } = film.stage.geometry().plane; return [x + 3, y + 3]"
    shown.click_at(*shown.run(corner))
    wait_for(lambda: shown.state("point") is not None, "the point that is no example")
    x, y = shown.run(
        """const box = document.querySelector(".st-chart").getBoundingClientRect();
        return [box.left + box.width / 2, box.top + 10]"""
    )
    shown.click_at(x, y)
    steps = shown.run("return film.recording.steps")
    wait_for(lambda: shown.state("step") > 0, "the step in the middle of the curve")
    assert abs(steps[shown.state("step")] - steps[-1] / 2) <= max(np.diff(steps))


def test_a_unit_under_the_pointer_shows_its_own_map_large(show):
    shown = show("plane")
    x, y = shown.run("const { x, y } = film.stage.geometry().unit(1, 1); return [x, y]")
    shown.browser.tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    title = "return film.stage.bigTitle.textContent"
    wait_for(lambda: shown.run(title) == "Unit 1 of layer 1 by itself", "its own map")
    shown.browser.tell("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    wait_for(lambda: shown.run(title).startswith("Says"), "the surface again")


def test_the_keyboard_walks_the_network_and_opens_what_it_is_at(show):
    from selenium.webdriver import Keys

    shown = show("plane")
    shown.run("film.stage.proxies.querySelector('[tabindex=\"0\"]').focus()")
    at = "return document.activeElement.dataset.part"
    assert shown.run(at) == "1:0"
    for key, part in (
        (Keys.ARROW_LEFT, "1:0,0"), (Keys.ARROW_LEFT, "0:0"), (Keys.ARROW_DOWN, "0:1"),
        (Keys.ARROW_RIGHT, "1:0,1"), (Keys.ARROW_DOWN, "1:1,1"),
        (Keys.ARROW_RIGHT, "1:1"), (Keys.END, "1:2"), (Keys.ARROW_RIGHT, "2:0,2"), (Keys.ARROW_LEFT, "1:2"),
    ):  # fmt: skip
        shown.press(key)
        assert shown.run(at) == part
    assert shown.state("step") == 0  # the arrow keys of the page are others
    shown.press(Keys.ENTER)
    wait_for(lambda: shown.state("part") == "1:2")
    assert shown.browser.by_role("dialog", "Unit 2 of layer 1")
    shown.press(Keys.ESCAPE)
    wait_for(lambda: shown.state("part") == "")
    assert shown.run(at) == "1:2"


def test_every_unit_is_spoken_of_with_its_number_and_weights_as_they_are_come_to(show):
    shown = show("plane")
    spoken = shown.run(
        """return [...film.stage.proxies.children].map((one) =>
          [one.dataset.part, one.getAttribute("aria-label")])"""
    )
    assert [part for part, _ in spoken] == [
        *(f"0:{j}" for j in range(2)), *(f"1:{j}" for j in range(3)),
        *(f"2:{j}" for j in range(3)), *(f"3:{j}" for j in range(2)),
    ]  # fmt: skip
    about = dict(spoken)
    value = shown.run("return film.stage.scene.trace.a[2][1]")
    name, number = about["2:1"].split(": passes on ")
    assert name == "unit 1 of layer 2"
    assert float(number.replace("−", "-")) == pytest.approx(value, rel=5e-3)
    weight = shown.run("return film.stage.spoken('2:1,0')")
    assert weight.startswith("unit 0 of layer 1 → unit 1 of layer 2: weight ")
    assert shown.browser.all_by_role("button", about["2:1"])


def test_the_keys_of_a_slide_go_through_the_training(show):
    from selenium.webdriver import Keys

    shown = show("plane")
    last = len(shown.run("return film.recording.steps")) - 1
    for key, step in (
        (Keys.ARROW_RIGHT, 1), (Keys.ARROW_LEFT, 0), (Keys.PAGE_DOWN, max(1, round((last + 1) / 10))),
        (Keys.END, last), (Keys.HOME, 0),
    ):  # fmt: skip
        shown.press(key)
        wait_for(lambda step=step: shown.state("step") == step, f"step {step}")
    shown.press(" ")
    wait_for(lambda: shown.state("playing"))


def test_width_in_the_whole_network_is_of_its_largest_gradient(show):
    """So that gradients that vanish look so: within a layer the widest line is always as wide as can be."""
    shown = show("deep")
    shares = (
        "return film.stage.edges.filter((edge) => edge.l === 1)"
        ".reduce((most, edge) => Math.max(most, edge.share), 0)"
    )
    shown.set(edges="gradient", width="layer")
    assert shown.run(shares) == 1
    shown.set(width="network")
    expected = shown.run(
        """const { gradient, model } = film.stage.scene;
        const most = (part) => Math.max(...[...part].map(Math.abs));
        return most(gradient.slice(0, model.W(2))) / most(gradient)"""
    )
    assert shown.run(shares) == pytest.approx(expected) and expected < 0.1


def test_the_other_units_of_a_large_layer_come_by_asking(show):
    shown = show("wide")
    drawn = "return film.stage.layout.columns[1].units"
    first = shown.run(drawn)
    more = shown.browser.driver.find_element("css selector", ".st-more button")
    assert more.text == f"… {60 - len(first)} more"
    more.click()
    assert not set(shown.run(drawn)) & set(first)


def test_on_a_telephone_the_cost_of_slow_motion_stands_alone(show):
    shown = show("deep")
    shown.size(400, 800)
    more = "[...document.querySelectorAll('.st-more button')]"
    seen = f"{more}.map((one) => getComputedStyle(one).visibility)"
    shown.set(view="motion")
    wait_for(lambda: set(shown.run(f"return {seen}")) == {"hidden"}, "hidden buttons")


def test_on_a_telephone_an_equation_is_in_sight_as_it_is_written(show):
    shown = show("deep")
    shown.size(390, 844)
    shown.set(view="motion")
    hidden = """
const told = document.querySelector(".wgm-told"), tokens = [...told.querySelectorAll(".wgm-token")];
const last = tokens.filter((one) => one.style.opacity === "1").at(-1);
if (told.scrollTop === 0 || !last) return null;
return last.getBoundingClientRect().bottom - told.getBoundingClientRect().bottom;
"""
    assert wait_for(lambda: shown.run(hidden), "an equation longer than its place") <= 0


def test_a_colour_means_one_thing_in_either_theme():
    style = (BROWSER / "stage.css").read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"--st-(\w+): (#[0-9a-f]{6})", block))
        for block in style.split("color-scheme:")
    ]
    light, *dark = [theme for theme in themes if "c0" in theme]
    assert len(dark) == 2 and dark[0] == dark[1]  # by the browser's wish, and by the page's own
    for theme in (light, dark[0]):
        told = ["positive", "negative", "accent", *(f"c{i}" for i in range(10))]
        assert len({theme[name] for name in told}) == len(told)
