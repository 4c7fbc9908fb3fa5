"""Slow motion, equations, ripples and hands of the stage: what they say follows from the numbers."""

import html
import re
import shutil

import numpy as np
import pytest

import whygrad as wg
from browser import wait_for
from test_stage_model import in_node
from whygrad.answers import formatting
from whygrad.answers.formatting import number, typeset
from whygrad.plan import Clip, Plan
from whygrad.studio.film.bundle import BROWSER
from whygrad.studio.film.recording import network_of

pytest_plugins = ("browser",)
CASES = {
    "classes": ((3, 5, 4, 3), ("tanh", "relu", "softmax"), "cross_entropy", [0.0, 1.0, 0.0]),
    "squares": ((2, 7, 2), ("sigmoid", "sigmoid"), "squared_error", [0.01, 0.99]),
    "yes_or_no": ((4, 3, 1), ("elu", "sigmoid"), "binary_cross_entropy", [1.0]),
    "coupled": ((2, 3, 6), ("silu", "softmax"), "squared_error", [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
}
PROGRAM = """
import { makeModel } from "FOLDER/model.js";
import * as equation from "FOLDER/equation.js";
import { storyOf } from "FOLDER/story.js";
import { rippleOf } from "FOLDER/ripple.js";
import { partOf } from "FOLDER/words.js";
let text = "";
for await (const piece of process.stdin) text += piece;
const found = JSON.parse(text).map(({ network, theta, x, y, parts, by, rate, header }) => {
  const model = makeModel(network), pass = equation.passOf(model, theta, x, y, network.cost);
  const story = storyOf({ header: { network, ...header }, pass, rate, ...header.about });
  return { cost: pass.cost,
    parts: parts.map((name) => {
      const part = partOf(name), { cost } = rippleOf(pass, part, by);
      return { gradient: equation.gradientAt(pass, part.l, part.j, part.k), ripple: cost,
        equations: [equation.mathmlOf(equation.equationsOf(pass, part)), equation.mathmlOf(equation.equationsOf(pass, { ...part, kind: "unit" }))] };
    }),
    story: story && { verdict: story.moments.at(-1).verdict, after: story.again.cost,
      lit: story.moments.map(({ kind, l, lit }) => [kind, l, lit]), words: story.moments.map((one) => one.title + ": " + one.words), equations: story.moments.map((one) => equation.mathmlOf(one.equations)) } };
});
process.stdout.write(JSON.stringify(found));
"""  # noqa: E501


def case(name, seed=1):
    sizes, activations, cost, y = CASES[name]
    layers = [wg.Dense(n, f) for n, f in zip(sizes[1:], activations, strict=True)]
    net = wg.Network(sizes[0], layers, cost)
    rng = np.random.default_rng(seed)
    theta = wg.Parameters(net.sizes, rng.normal(size=net.init().flat.size))
    return net, theta, rng.normal(size=sizes[0]), np.array(y)


def told(cases, folder=BROWSER):
    return in_node(PROGRAM.replace("FOLDER", folder.as_uri()), cases)


def asked(net, theta, x, y, rate=0.01, by=0.3, **about):
    """What the program is sent, with a part of every layer."""
    parts = [
        f"{layer}:{net.sizes[layer] - 1},{k}" for layer in range(1, net.L + 1) for k in (1, "bias")
    ]
    header = {"penalties": {"l1": 0, "l2": 0}, "about": {}} | about
    return {"network": network_of(net), "theta": theta.flat.tolist(), "x": x.tolist(), "y": y.tolist(),
            "parts": parts, "by": by, "rate": rate, "header": header}  # fmt: skip


@pytest.fixture(scope="module")
def answered():
    """Of each case the network and what the browser's modules say."""
    cases = {name: case(name) for name in CASES}
    found = told([asked(*one) for one in cases.values()])
    return {name: (*one, about) for (name, one), about in zip(cases.items(), found, strict=True)}


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CASES)
def test_gradients_and_ripples_are_those_of_why_on_the_same_parameters(answered, name):
    net, theta, x, y, found = answered[name]
    for part, about in zip(asked(net, theta, x, y)["parts"], found["parts"], strict=True):
        layer, to, k = re.fullmatch(r"(\d+):(\d+),(\w+)", part).groups()
        place = {"layer": int(layer), "to": int(to), "from_": None if k == "bias" else int(k)}
        weight = wg.why.weight(net, theta, x[None], y[None], **place)
        assert about["gradient"] == pytest.approx(weight.value, rel=1e-9, abs=1e-12)
        ripple = wg.why.ripple(net, theta, x[None], y[None], **place, by=0.3)
        assert about["ripple"]["change"] == pytest.approx(ripple.value, rel=1e-9, abs=1e-12)
        first = sum(term.value for term in ripple.terms)
        assert about["ripple"]["firstOrder"] == pytest.approx(first, rel=1e-9, abs=1e-12)
        beyond = ripple.residuals.get("beyond first order", ripple.value - first)
        assert about["ripple"]["beyond"] == pytest.approx(beyond, rel=1e-6, abs=1e-11)


def sides_of(mathml):
    """The sides of all equations with numbers alone, worked out; each beside the size of its terms."""
    found = []
    equations = re.findall(r"<mtr>.*?</mtr>", mathml)
    text = "".join(equations)
    text = re.sub(r"<mo>×</mo><msup><mn>10</mn><mrow>(.*?)</mrow></msup>", r"e\1", text)
    text = re.sub(r'<mtd style="text-align:right[^>]*>(?=<m)', "LEFT", text)  # a new equation
    text = re.sub(r"<mtext> from .*?</mtext>", "", text)
    text = re.sub(r"<mfrac>.*?</mfrac>|<munder>.*?</munder>", "X", text)
    text = html.unescape(re.sub(r"<[^>]+>", "", text))
    for equation in text.split("LEFT"):
        sides = equation.replace("−", "-").replace("·", "*").replace(",", "").split("=")
        values = [eval(side) for side in sides if re.fullmatch(r"[-+*().\de\s]+", side)]  # noqa: S307
        numbers = [
            abs(float(n)) for side in sides for n in re.findall(r"\d+\.?\d*(?:e-?\d+)?", side)
        ]
        found.append((values, max(numbers, default=1)))
    return [one for one in found if len(one[0]) > 1]


def check_equations(about):
    checked = 0
    written = [mathml for part in about["parts"] for mathml in part["equations"]]
    for mathml in written + about["story"]["equations"]:
        for values, size in sides_of(mathml):
            assert max(values) - min(values) <= 3e-3 * max(1, size)  # numbers of four digits
            checked += 1
    assert checked >= 6


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_with_numbers_comes_to_the_number_beside_it(answered, name):
    check_equations(answered[name][-1])


def planted(tmp_path, file, old, new):
    """The modules with an error in one of them."""
    folder = tmp_path / "browser"
    shutil.copytree(BROWSER, folder)
    source = (folder / file).read_text("utf-8")
    assert old in source
    (folder / file).write_text(source.replace(old, new), "utf-8")
    return folder


def test_a_planted_error_is_seen_in_the_equations(tmp_path):
    folder = planted(
        tmp_path, "equation.js", "mathResult(pass.z[l][j]", "mathResult(1.1 * pass.z[l][j]"
    )
    with pytest.raises(AssertionError):
        check_equations(told([asked(*case("classes"))], folder)[0])


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────


def check_verdicts(folder=BROWSER):
    """Better and worse are said as the reference engine has it, for steps short and long."""
    x, y = case("squares")[2:]
    net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(2, "identity")])
    theta = net.init(seed=2)
    rates = (0.001, 0.1, 3.0, 300.0)
    trace = wg.backward(net, theta, wg.forward(net, theta, x[None]), y[None])
    g = wg.gradients(net, theta, trace).flat
    before = wg.cost(net, theta, trace, y[None])
    seen = set()
    for rate, about in zip(
        rates, told([asked(net, theta, x, y, rate) for rate in rates], folder), strict=True
    ):
        after = wg.Parameters(net.sizes, theta.flat - rate * g)
        now = wg.cost(net, after, wg.forward(net, after, x[None]), y[None])
        verdict = "better" if now < before else "worse"
        seen.add(verdict)
        story = about["story"]
        assert story["after"] == pytest.approx(now, rel=1e-9)
        assert story["verdict"] == verdict
        assert story["words"][-1].startswith(f"The same question again: {verdict}")
        assert f": {verdict}." in story["words"][-1]
        if verdict == "worse":
            assert "The step was too long. The same way with η = " in story["words"][-1]
    assert seen == {"better", "worse"}


def test_the_answer_afterwards_is_called_better_only_where_it_is():
    check_verdicts()


def test_a_planted_verdict_is_seen(tmp_path):
    folder = planted(tmp_path, "story.js", 'after < before ? "better"', 'after > before ? "better"')
    with pytest.raises(AssertionError):
        check_verdicts(folder)


@pytest.mark.parametrize("name", CASES)
def test_of_a_moment_lines_are_lit_that_lead_into_its_unit_forwards_and_out_of_it_backwards(
    answered, name
):
    seen = set()
    for kind, l, lit in answered[name][-1]["story"]["lit"]:
        units = {part for part in lit if "," not in part}
        for part in set(lit) - units:
            (layer, j), k = part.partition(",")[0].split(":"), part.partition(",")[2]
            ends = {"forward": f"{layer}:{j}", "blame": f"{int(layer) - 1}:{k}"}
            if kind in ends:
                seen.add(kind)
                assert ends[kind] in units, (kind, part)
            if kind == "forward":
                assert int(layer) == l
    assert seen == {"forward", "blame"}


def test_penalties_and_the_runs_own_step_are_told_only_where_they_are():
    net, theta, x, y = case("classes")
    own = {"optimizer": "Adam", "batch": 10, "ran": (theta.flat * 1.01).tolist(), "steps": 20}
    plain, full = told([
        asked(net, theta, x, y),
        asked(net, theta, x, y, penalties={"l1": 0, "l2": 0.1}, about=own),
    ])  # fmt: skip
    assert not re.search(r"large weights|Adam|The run", " ".join(plain["story"]["words"]))
    said = " ".join(full["story"]["words"])
    assert "In the run, large weights cost something on top" in said
    assert "a plain gradient step with η = 0.01" in said
    assert "The run itself went by Adam over 10 examples a step: in the 20 steps" in said
    later = wg.Parameters(net.sizes, theta.flat * 1.01)
    cost = wg.cost(net, later, wg.forward(net, later, x[None]), y[None])
    verdict = "better" if cost < full["cost"] else "worse"
    assert re.search(rf"the run itself stood at \S+ for this example: {verdict}\.", said)


def test_of_numbers_that_overflow_no_story_is_told():
    x, y = case("squares")[2:]
    net = wg.Network(2, [wg.Dense(2, "identity")])
    wild = {"theta": [1e200] * 6, "x": [1e200, 1e200], "parts": []}
    assert told([asked(net, net.init(), x, y) | wild])[0]["story"] is None


def test_numbers_are_written_in_one_way():
    given = [0, -0.0, 0.000123456, 0.00001234, -1234.5, 999.7, 1234567.8, 0.5]
    program = f"""import {{ said }} from "{(BROWSER / "words.js").as_uri()}";
        process.stdout.write(JSON.stringify({given!r}.map((one) => said(one))));"""
    expected = ["0", "0", "0.000123", "1.23×10⁻⁵", "−1,235", "1,000", "1,234,568", "0.5"]
    assert in_node(program) in (expected, [*expected[:4], "−1,234", *expected[5:]])


def test_a_share_is_written_as_the_answers_of_python_write_it():
    shares = [0, 1e-5, 0.05, 0.0625, 0.333, 0.5, 0.7012, 0.99949, 0.9996, 1]
    program = f"""import {{ percent }} from "{(BROWSER / "words.js").as_uri()}";
        process.stdout.write(JSON.stringify({shares!r}.map((one) => percent(one))));"""
    assert in_node(program) == [formatting.share(one) for one in shares]


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────────


class Shown:
    """A film in a browser, as `film` on its page."""

    def __init__(self, browser, address):
        self.browser, self.run = browser, browser.driver.execute_script
        browser.driver.get(address)
        held = "window.film = document.getElementById('whygrad-film').film; return Boolean(film?.stage.layout)"  # noqa: E501
        wait_for(lambda: self.run(held), "the film")
        self.set(playing=False, step=0)

    def state(self, name):
        return self.run("return film.store.get()[arguments[0]]", name)

    def set(self, **changes):
        self.run("film.store.set(arguments[0])", changes)

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser.driver).send_keys("".join(keys)).perform()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A film of two classes on the plane."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    net = wg.Network(
        2, [wg.Dense(3, "tanh"), wg.Dense(3, "tanh"), wg.Dense(2, "softmax")], "cross_entropy"
    )
    wg.train(net, X, (X[:, 0] * X[:, 1] > 0).astype(int), epochs=8, record=folder / "plane.run")
    wg.film(folder / "plane.run", folder / "plane.html")
    return (folder / "plane.html").as_uri()


@pytest.fixture
def show(alone, address):
    """Return a function that shows the film, at rest at its first step."""
    yield lambda: Shown(alone, address)
    assert alone.complaints() == []


BAR = 'document.querySelector(".wgm-panel")'


def begin(show, **changes):
    shown = show()
    shown.set(playing=False, **changes)
    shown.set(view="motion")
    wait_for(lambda: shown.run(f"return {BAR}?.dataset.time !== undefined"))
    return shown


def at(shown):
    return shown.run(
        f"const d = {BAR}.dataset; return [Number(d.time), Number(d.moment), d.playing]"
    )


def hidden_tokens(shown):
    return shown.run(
        "return [...document.querySelectorAll('.wgm-maths .wgm-token')].filter((one) => one.style.opacity === '0').length"  # noqa: E501
    )


def test_equations_begin_at_one_place_in_every_moment(show):
    shown = begin(show)
    places = shown.run(
        f"""const bar = {BAR}, range = bar.querySelector('input'), found = new Set();
        for (let at = 0; at <= 1000; at += 20) {{
          range.value = at;
          range.dispatchEvent(new Event('input'));
          const maths = bar.querySelector('.wgm-maths math');
          if (maths) found.add(Math.round(maths.getBoundingClientRect().left));
        }}
        return [...found]"""
    )
    assert len(places) == 1


def test_slow_motion_plays_pauses_steps_and_ends_by_the_keyboard(show):
    shown = begin(show)
    wait_for(lambda: at(shown)[0] > 0.1)
    shown.press(" ")  # on the button, which has the focus
    time, moment, playing = at(shown)
    assert playing == "false"
    assert at(shown)[0] == time
    shown.press("\ue014")  # right
    assert at(shown)[1] == moment
    shown.press("\ue014")
    assert at(shown)[1] == moment + 1
    assert hidden_tokens(shown) == 0
    shown.press("\ue012")  # left
    assert at(shown)[1] == moment
    shown.run(
        f"const r = {BAR}.querySelector('input'); r.value = 1000; r.dispatchEvent(new Event('input'))"
    )
    assert shown.run(f"return {BAR}.querySelector('[aria-current=step]').dataset.phase") == "again"
    assert "better" in shown.run(f"return {BAR}.querySelector('h2').textContent")
    shown.press("\ue00c")  # escape
    assert shown.state("view") == "stage"
    assert shown.run(f"return {BAR}") is None


def test_it_opens_on_the_example_that_the_network_gets_most_wrong(show):
    shown = begin(show)
    assert shown.state("example") == shown.run("return film.recording.header.examples.start")


def test_for_those_who_want_no_motion_every_moment_stands_still_and_whole(show, alone):
    alone.tell(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-reduced-motion", "value": "reduce"}],
    )
    shown = begin(show)
    assert at(shown)[2] == "false"
    assert not shown.run(f"return {BAR}.querySelector('[data-does=play]').offsetParent")
    first = at(shown)
    assert hidden_tokens(shown) == 0
    shown.press("\ue014")
    assert at(shown)[1] == first[1] + 1
    assert hidden_tokens(shown) == 0
    alone.tell("Emulation.setEmulatedMedia", features=[])


def push(shown, name):
    shown.run(
        "[...document.querySelectorAll('.wgm-hands button')].find((one) => one.textContent === arguments[0]).click()",  # noqa: E501
        name,
    )


def drag(shown, start, way):
    """Drag by a pointer from a place on the page."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    builder = ActionBuilder(shown.browser.driver)
    pointer = builder.pointer_action
    x, y = map(int, start)
    pointer.move_to_location(x, y).pointer_down()
    for share in (0.5, 1):
        pointer.move_to_location(x + int(way[0] * share), y + int(way[1] * share))
    pointer.pointer_up()
    builder.perform()


def middle_of(shown, part):
    return shown.run(
        "const b = document.querySelector(`.st-proxy[data-part='${arguments[0]}']`).getBoundingClientRect();"  # noqa: E501
        "return [b.x + b.width / 2, b.y + b.height / 2]",
        part,
    )


def test_a_bias_is_dragged_and_everything_follows_until_it_is_taken_back(show):
    shown = show()
    shown.set(playing=False, step=5)
    push(shown, "Adjust")
    cost = "return film.store.get().edits && JSON.stringify(film.store.get().edits)"
    drag(shown, middle_of(shown, "1:1"), (0, -60))
    place = shown.run("return film.recording.model.b(1) + 1")
    edited = shown.state("edits")
    assert list(edited) == [str(place)]
    stored = shown.run(f"return film.recording.theta(5)[{place}]")
    assert edited[str(place)] > stored
    wait_for(
        lambda: (
            shown.run(f"return film.stage.scene.theta[{place}]")
            == pytest.approx(edited[str(place)])
        )
    )
    assert shown.state("part") == ""  # the click that ends a drag chooses nothing
    shown.run("document.querySelector('.st-proxy[data-part=\"1:1\"]').focus()")
    shown.press("\ue013")  # up
    assert shown.state("edits")[str(place)] > edited[str(place)]
    push(shown, "Undo")
    assert shown.state("edits") == edited
    push(shown, "Reset")
    assert shown.state("edits") == {}
    push(shown, "Undo")
    assert shown.state("edits") == edited
    assert shown.run(cost)


def test_in_a_film_training_on_says_that_it_takes_the_studio_and_a_page_may_do_it_itself(show):
    shown = show()
    shown.set(playing=False, edits={"0": 1.5})
    push(shown, "Train on from here")
    wait_for(lambda: "whygrad studio plane" in shown.run("return document.body.innerText"))
    shown.run("film.stage.closeSheet()")
    shown.run("""window.told = null; film.stage.root.addEventListener("whygrad:train-on",
        (event) => { event.preventDefault(); window.told = event.detail; }, { once: true })""")
    push(shown, "Train on from here")
    assert shown.run("return window.told.edits") == {"0": 1.5}


def test_the_point_is_dragged_over_the_plane_and_new_points_are_painted(show):
    shown = show()
    shown.set(playing=False)
    box = shown.run(
        "const { plane } = film.stage.geometry(), b = film.stage.root.getBoundingClientRect();"
        "return [b.x + plane.x + plane.width / 2, b.y + plane.y + plane.height / 2]"
    )
    push(shown, "Adjust")
    drag(shown, box, (40, -40))
    (lo, hi), (low, high) = (
        shown.run(f"return film.recording.header.plane.{axis}") for axis in "xy"
    )
    x, y = shown.state("point")
    assert lo < x < hi
    assert low < y < high
    push(shown, "Paint")
    drag(shown, box, (40, -40))
    painted = shown.state("painted")
    assert painted
    assert {one[2] for one in painted} == {0}
    push(shown, "Undo")
    assert shown.state("painted") == []
    push(shown, "Undo")
    assert shown.state("point") is None


def test_a_weight_opens_its_equation_its_course_and_its_ripple(show):
    shown = show()
    shown.set(playing=False, step=5, part="2:1,0")
    wait_for(lambda: shown.run("return document.querySelector('.wgm-sheet math') !== null"))
    place = shown.run("return film.recording.model.W(2) + 3")
    points = shown.run(
        "return document.querySelector('.wgm-chart polyline').getAttribute('points')"
    )
    assert len(points.split()) == shown.run("return film.recording.header.steps.length")
    shown.run("""const slider = document.querySelector(".wgm-ripple input");
        slider.value = 40; slider.dispatchEvent(new Event("input"))""")
    tried = shown.run("return film.store.get().ripple")
    assert list(tried) == [str(place)]
    there = pytest.approx(tried[str(place)], rel=1e-6)
    assert there != shown.run(f"return film.recording.theta(5)[{place}]")
    wait_for(lambda: shown.run(f"return film.stage.scene.theta[{place}]") == there)  # a frame later
    said = shown.run("return document.querySelector('.wgm-ripple-told').textContent")
    assert "first order" in said
    assert "beyond first order" in said
    value = shown.run(f"return film.recording.theta(5)[{place}]")
    assert typeset(number(value)) in shown.run(
        "return document.querySelector('.wgm-sheet').textContent"
    )
    shown.run("film.stage.closeSheet()")
    assert shown.state("part") == ""
    assert shown.state("ripple") is None


# ── as training takes the step ───────────────────────────────────────────────────────────────────────


TRAINED = """
import { makeModel } from "FOLDER/model.js";
import { masksAt } from "FOLDER/dropout.js";
import { mathmlOf, passOf } from "FOLDER/equation.js";
import { storyOf } from "FOLDER/story.js";
let text = "";
for await (const piece of process.stdin) text += piece;
const plain = (one) => one && Array.from(one);
const found = JSON.parse(text).map(({ header, theta, x, y, step, example, rate }) => {
  const model = makeModel(header.network), masks = masksAt(header, step, example);
  const pass = passOf(model, theta, x, y, header.network.cost, { masks, clip: header.batch.clip });
  const { after, moments } = storyOf({ header, pass, rate });
  return { masks: masks.map(plain), a: pass.a.map(plain), gradient: plain(pass.gradient), after: plain(after),
    words: moments.map((one) => one.title + ": " + one.words).join(" "), equations: moments.map((one) => mathmlOf(one.equations)) };
});
process.stdout.write(JSON.stringify(found));
"""  # noqa: E501
CLIPS = (Clip(), Clip(norm=0.05), Clip(value=0.01), Clip(norm=0.05, value=0.04))


def check_a_training_step(folder=BROWSER):
    """Slow motion of steps with dropout and clipping, beside the reference engine."""
    layers = [wg.Dense(9, "tanh", dropout=0.5), wg.Dense(6, "relu", dropout=0.2)]
    net = wg.Network(3, [*layers, wg.Dense(2, "softmax")], "cross_entropy")
    theta, x, y = net.init(seed=3), np.random.default_rng(4).normal(size=3), np.array([0.0, 1.0])
    plan = Plan(net, wg.SGD(0.5), n=50, epochs=9, batch_size=10, seed=2**60 + 7)
    cases = [(clip, *at) for clip in CLIPS for at in ((0, 0), (44, 49))]
    given = {"theta": theta.flat.tolist(), "x": x.tolist(), "y": y.tolist(), "rate": 0.5}
    header = {"network": network_of(net), "settings": {"seed": str(plan.seed)}, "penalties": {}}
    sent = [
        given | {"header": header | {"batch": {"clip": vars(clip)}}, "step": step, "example": row}
        for clip, step, row in cases
    ]
    answers = in_node(TRAINED.replace("FOLDER", folder.as_uri()), sent)
    for (clip, step, row), found in zip(cases, answers, strict=True):
        masks = plan.masks(step, np.array([row]))
        trace = wg.backward(net, theta, wg.forward(net, theta, x[None], masks), y[None])
        gradient = wg.gradients(net, theta, trace).flat
        bounded, scale = clip.shorten(gradient)
        for layer in (1, 2):
            assert found["masks"][layer] == pytest.approx(masks[layer][0].tolist(), rel=1e-6)
            assert found["a"][layer] == pytest.approx(trace.a[layer][0].tolist(), rel=1e-6)
        assert found["gradient"] == pytest.approx(gradient.tolist(), rel=1e-6, abs=1e-12)
        assert found["after"] == pytest.approx((theta.flat - 0.5 * bounded).tolist(), rel=1e-6)
        for values, size in (one for text in found["equations"] for one in sides_of(text)):
            assert max(values) - min(values) <= 3e-3 * max(1, size)
        left_out = int((masks[1] == 0).sum())
        assert re.search(rf"{left_out} units? that dropout left out (is|are) not", found["words"])
        shorter = bool(scale < 1 or (bounded != gradient).any())
        assert ("The gradient is clipped" in found["words"]) == shorter


def test_slow_motion_leaves_out_the_units_of_the_step_and_clips_as_training_does():
    check_a_training_step()


def test_a_planted_error_in_the_masks_is_seen(tmp_path):
    with pytest.raises(AssertionError):
        check_a_training_step(planted(tmp_path, "dropout.js", "30n", "29n"))
