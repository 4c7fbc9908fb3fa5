"""The drawing in a real browser, by itself: `network.js` with a model like that of a notebook."""

from dataclasses import replace

import numpy as np
import pytest

import answers
from whygrad.answers.widget.view import view

IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


def iris(marked=(), **changes):
    return replace(answers.network((4, 8, 3), names=IRIS, marked=marked), **changes)


# ── what is drawn ────────────────────────────────────────────────────────────────────────────────────


def test_every_number_of_the_view_is_drawn(draw):
    about = view(iris(marked=("1:3,3", "2:0,bias")))
    drawn = draw(about)
    found = drawn.run(
        """return [...document.querySelectorAll(".wg-edge")].map((one) => {
          const line = one.querySelector(".wg-line");
          return [one.dataset.part, one.getAttribute("aria-label"), line.getAttribute("d"),
            Number(line.getAttribute("stroke-width")), line.getAttribute("stroke-dasharray") ?? "",
            line.getAttribute("class")];
        })"""
    )
    assert found == [
        [
            one["part"],
            one["title"],
            "M{:g} {:g}L{:g} {:g}".format(*(one[key] for key in ("x1", "y1", "x2", "y2"))),
            one["width"],
            one["dash"],
            f"wg-line wg-on-{one['sign']}",
        ]
        for one in about["edges"]
    ]
    units = drawn.run(
        """return [...document.querySelectorAll(".wg-unit")].map((one) =>
          [one.dataset.part, one.getAttribute("aria-label"),
           one.querySelector(":scope > text").textContent])"""
    )
    assert units == [[one["part"], one["title"], one["text"]] for one in about["units"]]
    numbers = drawn.run(
        "return [...document.querySelectorAll('.wg-numbers text')].map((one) => one.textContent)"
    )
    assert numbers == ["−0.3661"]


def test_what_is_not_known_yet_is_blank_and_what_is_negative_is_dashed(draw):
    picture = answers.network((2, 3, 1))
    blank = replace(
        picture,
        units=(picture.units[0], np.full(3, np.nan), np.full(1, np.nan)),
        edges=(None, picture.edges[1], np.full((1, 3), np.nan)),
        partial=True,
    )
    drawn = draw(view(blank))
    assert drawn.part("1:0").text == ""
    assert drawn.part("0:1").text == "0.82"
    assert drawn.part("1:0").accessible_name == "hidden 0: activation not known yet"
    words = drawn.run("return document.querySelector('.wg-room').textContent")
    assert "nan" not in words.lower()
    drawn.show(view(picture))
    assert drawn.part("1:1").text == "0.86"
    # one negative weight among them
    assert picture.edges[1][0, 1] < 0
    dashes = 'return document.querySelectorAll(".wg-line[stroke-dasharray]").length'
    negative = sum((one < 0).sum() for one in picture.edges[1:])
    assert drawn.run(dashes) == negative


def test_a_change_of_numbers_keeps_every_node_and_moves_nothing(draw):
    """The numbers of 200 connections change, signs and sizes of all of them."""
    picture = answers.network((8, 8, 8, 9))
    drawn = draw(view(picture))
    boxes = """return [...document.querySelectorAll(
        ".wg-unit > :nth-child(2), .wg-labels text, .wg-legend li, .wg-name, .wg-edge .wg-hit"
      )].map((one) => {
      one.seen = (one.seen ?? 0) + 1;
      const box = one.getBoundingClientRect();
      return [one.seen, box.x, box.y, one.classList.contains("wg-surface") ? box.width : 0];
    })"""
    before = drawn.run(boxes)
    assert len(drawn.driver.find_elements("css selector", ".wg-edge")) == 200
    edges = (None, *(-one[::-1] * 3 for one in picture.edges[1:]))
    units = tuple(one[::-1] / 7 for one in picture.units)
    drawn.show(view(replace(picture, edges=edges, units=units)))
    after = drawn.run(boxes)
    assert [one[1:] for one in after] == [one[1:] for one in before]
    assert {one[0] for one in after} == {2}
    assert drawn.part("1:0,0").accessible_name.endswith(f"{edges[1][0, 0]:.4g}".replace("-", "−"))


def test_what_is_no_longer_there_goes_and_what_is_new_comes(draw):
    drawn = draw(view(answers.network((3, 4, 2))))
    drawn.show(view(answers.network((3, 3, 5, 2))))
    parts = drawn.run(
        "return [...document.querySelectorAll('.wg-room g[data-part]')].map((one) => one.dataset.part)"
    )
    parts = {part for part in parts if "bias" not in part}
    assert parts == {
        item["part"]
        for kind in ("units", "edges")
        for item in view(answers.network((3, 3, 5, 2)))[kind]
    }


def test_hostile_names_are_text(draw):
    picture = answers.hostile().pictures[0]
    drawn = draw(view(picture))
    assert drawn.run("return document.querySelectorAll('.wg-network script').length") == 0
    assert drawn.part("0:0").accessible_name.startswith("<script>alert(1)</script>: ")


# ── pointing ─────────────────────────────────────────────────────────────────────────────────────────


def test_pointing_lights_up_a_part_says_what_it_is_and_tells_it(draw):
    drawn = draw(view(iris()))
    for part in ("1:2", "1:2,0", "2:1"):
        drawn.hover(part)
        title = drawn.part(part).accessible_name
        drawn.wait_for(
            lambda t=title: drawn.run("return document.querySelector('.wg-tip').textContent") == t
        )
        lit = drawn.run(
            """return [...document.querySelectorAll(".wg-unit.wg-lit, .wg-edge.wg-near")]
            .map((one) => one.dataset.part)"""
        )
        near = [e["part"] for e in view(iris())["edges"] if part in (e["from"], e["to"], e["part"])]
        assert sorted(lit) == sorted({part, *near})
        layer = {"kind": "point", "part": part}
        drawn.wait_for(lambda p=layer: p in drawn.gestures(), f"the gesture of {part}")
    drawn.driver.execute_script("document.body.style.paddingTop = '900px'")
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(drawn.driver).move_by_offset(0, -200).perform()
    drawn.wait_for(lambda: {"kind": "leave"} in drawn.gestures(), "that the pointer has left")
    assert drawn.run("return document.querySelectorAll('.wg-room .wg-lit').length") == 0


def test_parts_are_lit_from_python_and_a_bias_is_lit_at_its_unit(draw):
    drawn = draw(view(iris()))
    drawn.run("window.model.set('lit', ['2:1'])")
    lit = "return [...document.querySelectorAll('.wg-unit.wg-lit')].map((one) => one.dataset.part)"
    assert drawn.run(lit) == ["2:1"]
    drawn.run("window.model.set('lit', ['2:1', '1:0,2 2:1,0', '1:4,bias', '7:7'])")
    assert drawn.run(lit) == ["1:4", "2:1"]
    raised = "return document.querySelectorAll('.wg-above .wg-lit').length"
    assert drawn.run(raised) == 2


def test_what_an_answer_speaks_of_and_the_drawing_point_at_each_other(draw):
    drawn = draw(view(iris()))
    drawn.run("window.model.set('answer', arguments[0])", answers.weight()._repr_html_())
    from selenium.webdriver.common.action_chains import ActionChains

    symbol = drawn.driver.find_element("css selector", '.wg-reply [data-part="2:1"]')
    ActionChains(drawn.driver).scroll_to_element(symbol).move_to_element(symbol).perform()
    lit = "return [...document.querySelectorAll('.wg-unit.wg-lit')].map((one) => one.dataset.part)"
    drawn.wait_for(lambda: drawn.run(lit) == ["2:1"], "the unit to be lit")
    drawn.hover("1:0")
    same = "return [...document.querySelectorAll('.wg-same')].map((one) => one.dataset.part)"
    drawn.wait_for(lambda: set(drawn.run(same)) == {"1:0"}, "the symbols of the unit to stand out")


# ── clicking ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_click_tells_the_part_that_was_clicked(draw):
    from selenium.webdriver.common.action_chains import ActionChains

    drawn = draw(view(iris(marked=("2:0,bias",))))
    for part in ("1:5", "1:0,3", "0:2", "2:0,1"):
        drawn.hover(part)
        ActionChains(drawn.driver).click().perform()
        drawn.wait_for(lambda p=part: {"kind": "click", "part": p} in drawn.gestures(), part)
    drawn.driver.find_element("css selector", '[data-part="2:0,bias"]').click()
    drawn.wait_for(lambda: {"kind": "click", "part": "2:0,bias"} in drawn.gestures(), "the bias")


def test_biases_are_the_weights_of_a_unit_that_is_always_1(draw):
    biases = (None, np.linspace(-1, 1, 8), np.array([0.5, 0.0, -0.5]))
    drawn = draw(view(iris(marked=("2:0,bias",), biases=biases)))
    ones = "return [...document.querySelectorAll('.wg-one')].map((one) => one.textContent)"
    assert drawn.run(ones) == ["1", "1"]
    assert drawn.part("2:0,bias").accessible_name == "1 → petal length (cm): bias 0.5"
    badges = "return [...document.querySelectorAll('.wg-badge')].every((one) => one.style.display === 'none')"  # noqa: E501
    assert drawn.run(badges)
    drawn.run("window.model.set('lit', ['2:2,bias'])")
    assert drawn.run("return document.querySelectorAll('.wg-above .wg-lit').length") == 1


def test_a_click_follows_what_was_pointed_at_and_nothing_is_told_late(draw):
    drawn = draw(view(iris()))
    drawn.gestures()
    # Timers run when the test says so, so that it does not depend on how fast the browser is.
    drawn.run(
        """const late = new Map();
        window.setTimeout = (one) => { late.set(late.size + 1, one); return late.size; };
        window.clearTimeout = (number) => late.set(number, () => {});
        for (const part of ["1:5", "1:5,0"]) {
          const node = document.querySelector(`.wg-room g[data-part="${part}"]`);
          for (const name of ["pointermove", "click"])
            node.dispatchEvent(new Event(name, { bubbles: true }));
        }
        document.querySelector(".wg-room svg").dispatchEvent(new Event("pointerleave"));
        for (const one of late.values()) one();"""
    )
    assert drawn.gestures() == [
        {"kind": "point", "part": "1:5"},
        {"kind": "click", "part": "1:5"},
        {"kind": "point", "part": "1:5,0"},
        {"kind": "click", "part": "1:5,0"},
        {"kind": "leave"},
    ]


def test_any_pixel_of_an_image_can_be_clicked(draw):
    from selenium.webdriver.common.action_chains import ActionChains

    drawn = draw(view(answers.network((784, 100, 10), image=(28, 28))))
    box = drawn.run("return document.querySelector('.wg-image image').getBoundingClientRect()")
    row, column = 27, 3
    actions = ActionChains(drawn.driver)
    actions.w3c_actions.pointer_action.move_to_location(
        round(box["x"] + (column + 0.5) * box["width"] / 28),
        round(box["y"] + (row + 0.5) * box["height"] / 28),
    )
    actions.click().perform()
    click = {"kind": "click", "part": f"0:{28 * row + column}"}
    drawn.wait_for(lambda: click in drawn.gestures(), "the pixel")


def test_buttons_have_names_and_tell_what_they_are_for(draw):
    drawn = draw(view(answers.network((784, 100, 10), image=(28, 28))))
    drawn.browser.by_role("button", "show all units of hidden, 92 more").click()
    drawn.wait_for(lambda: {"kind": "more", "layer": 1} in drawn.gestures(), "the wish for more")
    drawn.show(view(answers.network((784, 100, 10), image=(28, 28)), more=(1,)))
    assert len(drawn.driver.find_elements("css selector", '.wg-unit[data-part^="1:"]')) == 100
    drawn.browser.by_role("button", "show only the most important units of hidden").click()
    drawn.wait_for(lambda: {"kind": "less", "layer": 1} in drawn.gestures(), "the wish for fewer")


# ── the keyboard ─────────────────────────────────────────────────────────────────────────────────────


def test_every_part_is_reached_with_the_arrow_keys_and_asked_with_enter(draw):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    about = view(answers.network((2, 3, 1)))
    drawn = draw(about)

    def press(*keys):
        ActionChains(drawn.driver).send_keys(*keys).perform()
        return drawn.run("return document.activeElement.dataset.part ?? ''")

    assert press(Keys.TAB) == "0:0"
    assert press(Keys.ARROW_DOWN) == "0:1"
    assert press(Keys.ARROW_RIGHT) == "1:0,1"
    assert press(Keys.ARROW_RIGHT) == "1:0"
    assert press(Keys.ARROW_LEFT) == "1:0,0"
    assert press(Keys.ARROW_LEFT) == "0:0"
    reached = {press(Keys.HOME)}
    for _ in range(5):
        for _ in range(8):
            reached.add(press(Keys.ARROW_DOWN))
        reached.add(press(Keys.HOME))
        reached.add(press(Keys.ARROW_RIGHT))
    assert reached == {item["part"] for kind in ("units", "edges") for item in about[kind]}
    drawn.gestures()
    assert press(Keys.ENTER) == "2:0"
    drawn.wait_for(lambda: {"kind": "click", "part": "2:0"} in drawn.gestures(), "the click")
    assert drawn.run("return document.querySelector('.wg-tip').textContent").startswith(
        "output 0: "
    )
    assert drawn.run("return document.querySelectorAll('.wg-room [tabindex=\"0\"]').length") == 1


# ── light, dark, small, calm ─────────────────────────────────────────────────────────────────────────


def test_it_is_light_or_dark_as_the_reader_or_the_page_is(draw):
    drawn = draw(view(iris()))
    ink = "return getComputedStyle(document.querySelector('.wg-unit text')).fill"
    light, dark = "rgb(27, 31, 38)", "rgb(233, 235, 239)"
    assert drawn.run(ink) == light
    for on, off in (
        ("document.body.className = 'body--dark'", "document.body.className = 'body--light'"),
        ("document.body.dataset.theme = 'dark'", "document.body.dataset.theme = 'light'"),
        (
            "document.body.dataset.jpThemeLight = 'false'",
            "document.body.dataset.jpThemeLight = 'true'",
        ),
    ):
        drawn.browser.dark(False)
        drawn.run(on)
        assert drawn.run(ink) == dark
        drawn.browser.dark()
        drawn.run(off)
        assert drawn.run(ink) == light
        drawn.run("document.body.className = ''; document.body.removeAttribute('data-theme')")
        drawn.run("document.body.removeAttribute('data-jp-theme-light')")
        assert drawn.run(ink) == dark


def test_who_wants_no_motion_gets_none(draw):
    drawn = draw(view(iris()))
    moves = "return getComputedStyle(document.querySelector('.wg-line')).transitionProperty"
    assert drawn.run(moves) == "stroke-width, opacity"
    feature = {"name": "prefers-reduced-motion", "value": "reduce"}
    drawn.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    assert drawn.run(moves) == "none"


@pytest.mark.parametrize("sizes", [(4, 8, 3), (3, *[5] * 8, 2), (784, 100, 90, 10)])
def test_on_a_telephone_the_page_does_not_grow_wider_and_letters_stay_legible(draw, sizes):
    image = (28, 28) if sizes[0] == 784 else None
    picture = answers.network(sizes, image=image)
    drawn = draw(view(picture))
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    drawn.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    drawn.wait_for(lambda: {"kind": "narrow"} in drawn.gestures(), "the gesture")
    drawn.show(view(picture, narrow=True))
    assert drawn.run("return document.documentElement.scrollWidth") <= 400
    letters = """return Math.min(...[...document.querySelectorAll(".wg-room text")].map((one) =>
      parseFloat(one.getAttribute("font-size")) * one.getScreenCTM().a))"""
    assert drawn.run(letters) >= 9
    boxes = drawn.run(
        """return [...document.querySelectorAll(".wg-button")].map((one) => {
          const box = one.getBoundingClientRect();
          return [box.left, box.right, box.width, box.height, box.top];
        })"""
    )
    assert len(boxes) == (2 if image else 0)
    above = sorted(box for box in boxes if box[4] == min(one[4] for one in boxes))
    assert all(box[2] >= 24 and box[3] >= 24 for box in boxes)
    assert all(one[1] <= other[0] + 1 for one, other in zip(above, above[1:], strict=False))


def test_a_tip_is_beside_the_pointer_within_whatever_is_transformed(draw):
    drawn = draw(view(answers.network((3, 4, 2))))
    place = """const tip = document.querySelector(".wg-tip").getBoundingClientRect();
        const unit = document.querySelector('.wg-room g[data-part="1:2"]').getBoundingClientRect();
        return [tip.left - (unit.left + unit.right) / 2, (unit.top + unit.bottom) / 2 - tip.bottom];"""
    drawn.run("document.body.style.margin = '120px 0 0 150px'")
    for style in (
        "",
        "transform: translate(90px, 60px)",
        "contain: paint",
        "transform: scale(0.8)",
    ):
        drawn.run("document.getElementById('root').style = arguments[0]", style)
        drawn.hover("0:0")
        drawn.hover("1:2")
        assert drawn.run(place) == pytest.approx([14, 14], abs=2), style
