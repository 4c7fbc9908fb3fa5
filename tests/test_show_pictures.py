"""The drawings: valid SVG whatever the names, no text upon another, nothing left out in silence."""

import base64
import re
import zlib
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import answers
from whygrad.answers.draw.axes import axis, drawable, log_axis
from whygrad.answers.draw.drawing import Label, overlap, text_width
from whygrad.answers.draw.network_layout import lay_out
from whygrad.answers.draw.png import data_uri, ink, signed_ink
from whygrad.answers.draw.svg import draw, picture_svg
from whygrad.answers.explanation import Explanation
from whygrad.answers.formatting import number, short, typeset
from whygrad.answers.pictures import BarPicture, CurvePicture, ImagePicture, Line, NetworkPicture
from whygrad.answers.widget.view import view
from whygrad.errors import InputError


def textbook(picture, seed=0):
    """Return the picture with biases and targets."""
    draws = np.random.default_rng(seed)
    biases = (None, *(draws.normal(size=len(one)) for one in picture.units[1:]))
    return replace(picture, biases=biases, targets=draws.normal(size=len(picture.units[-1])))


SVG = "{http://www.w3.org/2000/svg}"
IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
PICTURES = {
    "a small network": answers.network((4, 2, 2, 1), marked=("2:1,1",)),
    "one unit": answers.network((1, 1)),
    "iris": answers.network((4, 8, 3), names=IRIS, marked=("1:3,3", "2:0,bias")),
    "blame": answers.network((4, 8, 3), backwards=True, marked=("1:2",)),
    "a large network": answers.network((30, 512, 2048, 512, 10), marked=("2:77,300", "2:77")),
    "an image": answers.network((784, 100, 10), image=(28, 28), marked=("1:7,400", "1:3,10")),
    "as in a textbook": textbook(answers.network((4, 8, 3), marked=("2:0,bias",))),
    "an image as in a textbook": textbook(answers.network((64, 100, 10), image=(8, 8))),
    "a deep network": answers.network((3, *[5] * 12, 2)),
    "curves": answers.curves(),
    "lines alone": replace(answers.curves(), stacked=()),
    "areas alone": replace(answers.curves(), lines=(), marks=()),
    "bars": answers.bars(tuple(f"column {i}" for i in range(9))),
    "many bars": answers.bars(tuple(f"column {i}" for i in range(99))),
    "images": answers.images(),
    "one image": answers.images(1, False),
    "many images": answers.images(45),
    **{f"hostile {i}": one for i, one in enumerate(answers.hostile().pictures)},
}
names = st.text(max_size=30) | st.sampled_from(answers.HOSTILE)


def parsed(picture):
    return ElementTree.fromstring(picture_svg(picture))


def assert_no_text_upon_another(picture):
    drawing = draw(picture)
    boxes = [(label.box, label.text) for label in drawing.labels if label.text.strip()]
    for place, (box, text) in enumerate(boxes):
        assert box[0] >= 0, text
        assert box[1] >= 0, text
        assert box[2] <= drawing.width + 0.01, text
        assert box[3] <= drawing.height + 0.01, text
        for other, said in boxes[:place]:
            assert not overlap(box, other), (text, said)


# ── every picture ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PICTURES)
def test_every_drawing_is_a_valid_svg_of_its_own(name):
    root = parsed(PICTURES[name])
    assert root.tag == f"{SVG}svg"
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg", "style", "rect", "path", "circle", "g", "title", "text", "image",
    }  # fmt: skip
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text
    for one in root.iter():
        for value in one.attrib.values():
            assert (
                not re.search(r"\b(nan|inf)\b", value) or one is root or "data-part" in one.attrib
            )
        assert one.get("href", "data:image/png").startswith("data:image/png")


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_lies_upon_another_or_leaves_the_sheet(name):
    assert_no_text_upon_another(PICTURES[name])


@pytest.mark.parametrize(
    "sizes", [(2, 3, 1), (2, 2, 2), (4, 6, 3), (3, 1), (6, 2, 1), (2, 4, 4, 1), (8, 16, 2)]
)
@pytest.mark.parametrize("size", [1.0, 1e-5])
def test_no_number_of_a_connection_lies_upon_another_in_a_drawing_or_a_widget(sizes, size):
    for marked in ((), ("1:0,1", "1:0,0"), ("1:0,bias",)):
        picture = answers.network(sizes, 3, marked)
        edges = tuple(one if one is None else one * -size for one in picture.edges)
        picture = replace(picture, edges=edges)
        assert_no_text_upon_another(picture)
        looks = {True: "wg-ink wg-bold", False: "wg-ink"}
        numbers = [
            Label(e["tx"], e["ty"], e["text"], 11.5, "middle", looks[e["marked"]])
            for e in view(picture)["edges"]
            if e["text"]
        ]
        assert numbers or sum(one.size for one in edges[1:]) > 18
        for one, other in combinations(numbers, 2):
            assert not overlap(one.box, other.box), (one.text, other.text)


def test_the_ring_of_a_unit_that_stands_out_meets_no_name_and_no_other_ring():
    standing = tuple(f"{l}:{j}" for l, n in enumerate((4, 8, 3)) for j in range(n))
    picture = answers.network((4, 8, 3), names=IRIS, marked=standing)
    rings = [
        tuple(float(one.get(name)) for name in ("cx", "cy", "r"))
        + (float(one.get("stroke-width")),)
        for one in parsed(picture).iter(f"{SVG}circle")
        if one.get("class") == "wg-on-ink"
    ]
    assert len(rings) == 15
    boxes = [(x - r - w / 2, y - r - w / 2, x + r + w / 2, y + r + w / 2) for x, y, r, w in rings]
    for place, ring in enumerate(boxes):
        assert not any(overlap(ring, other) for other in boxes[:place])
        for label in draw(picture).labels:
            centre = (label.box[0] + label.box[2]) / 2, (label.box[1] + label.box[3]) / 2
            within = ring[0] < centre[0] < ring[2] and ring[1] < centre[1] < ring[3]
            assert within or not overlap(ring, label.box), label.text


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    seed=st.integers(0, 99),
    called=st.lists(names, min_size=1, max_size=8),
    data=st.data(),
    backwards=st.booleans(),
    whole=st.booleans(),
)
def test_random_networks_are_drawn_without_overlap_and_with_all_that_is_marked(
    sizes, seed, called, data, backwards, whole
):
    places = []
    for _ in range(data.draw(st.integers(0, 12))):
        l = data.draw(st.integers(1, len(sizes) - 1))
        j = data.draw(st.integers(0, sizes[l] - 1))
        k = data.draw(st.integers(0, sizes[l - 1] - 1))
        places.append(data.draw(st.sampled_from([f"{l}:{j}", f"{l}:{j},{k}", f"{l}:{j},bias"])))
    picture = answers.network(tuple(sizes), seed, tuple(places), backwards, names=tuple(called))
    if whole:
        picture = textbook(picture, seed)
    assert_no_text_upon_another(picture)
    drawn = {one.get("data-part") for one in parsed(picture).iter()}
    assert {place if whole else place.removesuffix(",bias") for place in places} <= drawn


def test_biases_are_the_weights_of_a_unit_that_is_always_1_and_targets_stand_beside_outputs():
    plain = answers.network((3, 4, 2))
    picture = replace(textbook(plain), marked=("1:2,bias",))
    root = parsed(picture)
    lines = {
        one.get("data-part"): one
        for one in root.iter(f"{SVG}g")
        if "bias" in one.get("data-part", "")
    }
    assert set(lines) == {f"{l}:{j},bias" for l, n in ((1, 4), (2, 2)) for j in range(n)}
    title = lines["1:2,bias"].find(f"{SVG}title").text
    assert (
        title == f"1 → {picture.names[1][2]}: bias {typeset(number(float(picture.biases[1][2])))}"
    )
    # As wide as their size beside the largest of the layer, weights and biases alike.
    widths = {
        part: float(one.findall(f"{SVG}path")[-1].get("stroke-width"))
        for part, one in lines.items()
    }
    largest = max(abs(picture.edges[2]).max(), abs(picture.biases[2]).max())
    for j in range(2):
        wide = 0.6 + 5.4 * abs(picture.biases[2][j]) / largest
        assert widths[f"2:{j},bias"] == pytest.approx(wide, abs=0.06)
    ones = [one for one in root.iter(f"{SVG}g") if one.get("data-bias")]
    lowest = [
        max(y for (l, _), (_, y) in lay_out(picture).places.items() if l == m) for m in (0, 1)
    ]
    assert all(
        float(one.find(f"{SVG}circle").get("cy")) > y + 20
        for one, y in zip(ones, lowest, strict=True)
    )
    texts = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert [text for text in texts if text.startswith("target")] == [
        f"target {typeset(short(float(y)))}" for y in picture.targets
    ]
    assert "bias" not in picture_svg(plain)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(width=32) | st.floats(), min_size=1, max_size=40),
    called=st.lists(names, min_size=1, max_size=6),
    title=names,
)
def test_random_bars_and_curves_are_drawn_without_overlap(values, called, title):
    numbers = np.array(values)
    every = tuple(called[i % len(called)] for i in range(len(values)))
    assert_no_text_upon_another(BarPicture(title, title, every, numbers))
    parsed(BarPicture(title, title, every, numbers))
    lines = tuple(Line(name, np.roll(numbers, i), i % 2 == 1) for i, name in enumerate(called))
    marks = tuple((float(v), float(v), name) for v, name in zip(values, called, strict=False))
    x = np.sort(numbers)
    picture = CurvePicture(title, title, title, x, lines, lines[:3], title, marks)
    assert_no_text_upon_another(picture)
    parsed(picture)


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_picture_is_always_drawn_in_the_same_way(name):
    assert picture_svg(PICTURES[name]) == picture_svg(PICTURES[name])


def test_no_name_becomes_markup():
    for picture in answers.hostile().pictures:
        assert "<script" not in picture_svg(picture)


def test_the_check_for_overlap_can_fail():
    label = draw(PICTURES["bars"]).labels[3]
    assert overlap(label.box, replace(label, x=label.x + 1).box)
    assert not overlap(label.box, replace(label, y=label.y + 20).box)


def test_letters_are_wide_enough_for_the_widest_common_font():
    # DejaVu Sans, in thousandths of the size: the widest of the fonts that the style sheet names.
    widths = {
        "a": 613,
        "e": 615,
        "m": 974,
        "w": 818,
        "i": 278,
        "A": 684,
        "W": 989,
        "0": 636,
        "−": 838,
    }
    for letter, width in widths.items():
        assert text_width(letter, 1000) >= width - 25
    assert text_width("petal width (cm)", 1000) >= 8_700


# ── networks ─────────────────────────────────────────────────────────────────────────────────────────


def texts(picture):
    return [one.text for one in parsed(picture).iter(f"{SVG}text")]


def test_a_network_says_how_many_units_are_not_drawn():
    said = texts(answers.network((30, 512, 10)))
    assert "+ 22 more" in said
    assert "+ 504 more" in said
    assert "output 9" in said
    assert [one for one in said if one and "·" in one] == [
        "input · 30",
        "hidden · 512",
        "output · 10",
    ]


def test_units_and_connections_carry_their_places_and_numbers():
    picture = answers.network((2, 3, 2))
    groups = {one.get("data-part"): one for one in parsed(picture).iter(f"{SVG}g")}
    assert {"0:0", "1:2", "2:1", "1:2,1", "2:0,2"} <= set(groups)
    assert groups["1:2"].find(f"{SVG}title").text.startswith("hidden 2: activation 0.")
    assert groups["1:2,1"].find(f"{SVG}title").text.startswith("input 1 → hidden 2: weight ")


def test_negative_connections_are_dashed_and_positive_ones_are_not():
    picture = answers.network((1, 2))
    picture.edges[1][:] = [[-1.0], [2.0]]
    groups = {one.get("data-part"): one for one in parsed(picture).iter(f"{SVG}g")}
    negative, positive = (groups[part].find(f"{SVG}path") for part in ("1:0,0", "1:1,0"))
    assert negative.get("stroke-dasharray")
    assert positive.get("stroke-dasharray") is None
    assert "negative" in negative.get("class")
    assert float(positive.get("stroke-width")) > float(negative.get("stroke-width"))


def test_blame_runs_backwards_with_its_arrow_at_the_lower_layer():
    picture = answers.network((1, 1), backwards=True)
    group = next(one for one in parsed(picture).iter(f"{SVG}g") if one.get("data-part") == "1:0,0")
    assert group.find(f"{SVG}title").text.startswith("output 0 → input 0: blame")
    shaft, arrow = group.findall(f"{SVG}path")
    tip = float(re.match(r"M([\d.]+)", arrow.get("d"))[1])
    start, end = (float(x) for x in re.findall(r"[ML]([\d.]+)", shaft.get("d")))
    assert tip < start < end
    forwards = replace(picture, backwards=False)
    group = next(one for one in parsed(forwards).iter(f"{SVG}g") if one.get("data-part") == "1:0,0")
    assert len(group.findall(f"{SVG}path")) == 1


def test_the_most_important_units_are_drawn():
    picture = answers.network((2, 100, 2))
    picture.units[1][:] = 0.01
    picture.units[1][[17, 63]] = 5.0
    drawn = {one.get("data-part") for one in parsed(picture).iter(f"{SVG}g")}
    assert {"1:17", "1:63"} <= drawn


def test_of_a_wide_layer_only_what_carries_anything_is_drawn():
    picture = answers.network((3, 40, 2), marked=("1:7",))
    nothing = [
        np.where(np.arange(40) < 38, 0.0, 1.0),
        *(np.zeros_like(e) for e in picture.edges[1:]),
    ]
    units = (picture.units[0], nothing[0], picture.units[2])
    picture = replace(picture, units=units, edges=(None, *nothing[1:]))
    drawn = {one.get("data-part") for one in parsed(picture).iter(f"{SVG}g")}
    assert {part for part in drawn if part and part.startswith("1:")} == {"1:7", "1:38", "1:39"}
    assert "+ 37 more" in texts(picture)


def test_a_network_with_numbers_that_are_not_finite_is_drawn():
    picture = answers.network((3, 4, 2))
    picture.units[1][0], picture.edges[1][1, 1], picture.edges[2][0, 0] = np.nan, np.inf, np.nan
    said = texts(picture)
    assert "nan" in said
    parsed(picture)


def test_what_is_not_known_yet_is_left_blank_and_said_to_be_so():
    picture = replace(answers.network((3, 4, 2), backwards=True), partial=True)
    picture.units[1][:], picture.edges[1][:] = np.nan, np.nan
    root, said = parsed(picture), texts(picture)
    assert not any("nan" in one for one in said if one)
    titles = [one.text for one in root.iter(f"{SVG}title")]
    assert sum(title.endswith("not known yet") for title in titles) == 4 + 12


def test_pictures_that_follow_one_another_show_the_units_they_are_told_to():
    shown = ((0, 2), (5, 7, 31), (1,))
    picture = replace(answers.network((3, 40, 2), marked=("1:9",)), shown=shown)
    drawn = {one.get("data-part") for one in parsed(picture).iter(f"{SVG}g")}
    units = {part for part in drawn if part and "," not in part}
    assert units == {"0:0", "0:2", "1:5", "1:7", "1:9", "1:31", "2:1"}


def test_an_image_is_drawn_as_it_is_with_the_pixel_asked_about():
    picture = answers.network((784, 100, 10), image=(28, 28), marked=("1:7,400",))
    root = parsed(picture)
    pixels = decoded(root.find(f"{SVG}image").get("href"))
    assert pixels.shape == (28, 28, 4)
    assert (
        np.abs(pixels[..., 3].ravel() / 255 - picture.units[0] / picture.units[0].max()).max()
        < 0.003
    )
    assert "0:400" in {one.get("data-part") for one in root.iter(f"{SVG}g")}
    assert "input 400" in texts(picture)
    assert "+ 778 without lines" in texts(picture)


def test_a_place_of_another_network_is_passed_over():
    strange = ("9:1", "1:99", "1:0,99", "", "1:0,-1", "x", "1:0,0,0", "0:0,0", "1" * 99)
    parsed(answers.network((2, 2), marked=strange))


# ── the others ───────────────────────────────────────────────────────────────────────────────────────


def test_bars_are_as_long_as_their_numbers():
    picture = BarPicture("t", "l", ("a", "b", "c"), np.array([1.0, -2.0, 4.0]))
    bars = [one for one in parsed(picture).iter(f"{SVG}rect") if one.get("rx")]
    widths = [float(one.get("width")) for one in bars]
    assert widths == pytest.approx([widths[0], 2 * widths[0], 4 * widths[0]], rel=0.01)
    right = float(bars[1].get("x")) + widths[1]
    assert right == pytest.approx(float(bars[0].get("x")), abs=0.1)


def test_of_many_bars_and_images_the_rest_is_counted():
    assert "+ 75 smaller ones" in texts(PICTURES["many bars"])
    assert "+ 15 more" in texts(PICTURES["many images"])


def test_areas_are_stacked_upon_each_other_away_from_zero():
    up = Line("up", np.array([1.0, 1.0]))
    down = Line("down", np.array([-3.0, -3.0]))
    picture = CurvePicture("t", "x", "y", np.array([0.0, 1.0]), (), (up, down, up))
    found = [
        one.get("d")
        for one in parsed(picture).iter(f"{SVG}path")
        if one.find(f"{SVG}title") is not None
    ]
    heights = [sorted({float(y) for y in re.findall(r" ([\d.]+)", path)}) for path in found]
    first, second, below = heights
    assert first[0] == second[1]
    assert first[1] == below[0]
    assert below[1] - below[0] == pytest.approx(3 * (first[1] - first[0]), rel=0.01)


def test_a_long_line_keeps_its_peaks_and_its_gaps():
    y = np.zeros(100_000)
    y[54_321], y[70_000] = 7.0, np.nan
    picture = CurvePicture("t", "x", "y", np.arange(100_000.0), (Line("l", y),))
    path = next(
        one for one in parsed(picture).iter(f"{SVG}path") if one.find(f"{SVG}title") is not None
    ).get("d")
    assert len(path) < 12_000
    assert path.count("M") == 2
    heights = [float(y) for y in re.findall(r" ([\d.]+)", path)]
    assert max(heights) - min(heights) == pytest.approx(210 * 7 / 8, abs=1)


place = st.floats(-1e150, 1e150).map(lambda value: float(drawable(value)))


@given(place, place)
def test_an_axis_has_few_round_ticks_around_its_numbers(one, other):
    low, high = min(one, other), max(one, other)
    found = axis(low, high)
    assert 2 <= len(found.ticks) <= 13
    nearly = (high / 2 - low / 2) * 1e-7
    assert found.low <= low + nearly
    assert found.high >= high - nearly


def decoded(uri):
    """Read a PNG as the specification says, with filter 0 in every row."""
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert int.from_bytes(data[place + 8 + length : place + 12 + length]) == zlib.crc32(
            kind + body
        )
        chunks[kind] = body
        place += 12 + length
    width, height = (int.from_bytes(chunks[b"IHDR"][i : i + 4]) for i in (0, 4))
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 4 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 4)


def test_pixels_are_written_as_png():
    share = np.array([[0.0, 0.5, 1.0], [-1.0, np.nan, 2.0]])
    pixels = decoded(data_uri(signed_ink(share, "#010203", "#fffefd")))
    assert pixels.tolist() == [
        [[1, 2, 3, 0], [1, 2, 3, 128], [1, 2, 3, 255]],
        [[255, 254, 253, 255], [1, 2, 3, 0], [1, 2, 3, 255]],
    ]
    assert decoded(data_uri(ink(np.ones((1, 2)), "#0a0b0c"))).tolist() == [[[10, 11, 12, 255]] * 2]


# ── the page and the notebook ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [answers.weight, answers.hostile])
def test_the_page_stands_alone_and_is_well_formed(make):
    page = make().html()
    assert page.startswith("<!DOCTYPE html>")
    body = page.split("<body", 1)[1].rsplit("</html>", 1)[0]
    ElementTree.fromstring(f"<body{body}")
    assert "<script" not in page
    links = re.findall(r'(?:href|src|url)\s*[=(]\s*"?([^"\s)]*)', re.sub(r">[^<]*<", "><", body))
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "prefers-color-scheme:dark" in page


def test_the_page_has_the_whole_answer():
    about = answers.weight()
    page = about.html()
    for part in (
        *(
            about.question,
            about.answer,
            *about.notes,
            "beyond first order",
            "1×10⁻²²",
            "−2.334×10⁻⁶",
        ),
        *("slope of sigmoid", 'data-part="2:1,0"', "<math", "<svg", "Examples that push most"),
    ):
        assert part in page


def test_long_tables_are_folded_and_counted():
    from whygrad.answers.parts import Table

    table = Table("Long", ("row",), tuple((i,) for i in range(1000)))
    page = Explanation("blame", "?", "", tables=(table,)).html()
    assert "<details><summary>Long</summary>" in page
    assert "… and 800 more rows" in page


def test_a_notebook_shows_the_answer_and_keeps_it():
    bundle = answers.weight()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/latex", "text/plain"}
    ElementTree.fromstring(bundle["text/html"])
    assert "data:image/svg+xml;base64," in bundle["text/html"]
    assert 'data-jp-theme-light="false"' in bundle["text/html"]
    assert bundle["text/latex"].startswith("$$\n\\begin{aligned}")
    assert bundle["text/plain"] == str(answers.weight())
    assert "text/latex" not in Explanation("blame", "?", "")._repr_mimebundle_()


def test_a_picture_that_is_not_there_is_refused():
    about = answers.weight()
    assert about.svg() == about.svg(0)
    with pytest.raises(InputError, match="picture 1: the pictures are 0 to 0"):
        about.svg(1)
    with pytest.raises(InputError, match="picture 0: this answer has none"):
        Explanation("blame", "?", "").svg()


def test_pictures_without_anything_in_them_are_drawn():
    nothing = np.zeros(0)
    parsed(BarPicture("", "", (), nothing))
    parsed(CurvePicture("", "", "", nothing))
    parsed(CurvePicture("", "", "", nothing, (Line("", nothing),), (Line("", nothing),)))
    parsed(ImagePicture("", np.zeros((0, 2, 2)), ()))
    parsed(NetworkPicture("", (np.ones(1), np.ones(1)), (None, None), (("a",), ("b",))))


@pytest.mark.parametrize("low", [-9.0, -1.9, -0.3, 0.0, 0.28, 2.7])
@pytest.mark.parametrize("span", [0.0, 0.001, 0.05, 0.3, 0.8, 1.4, 2.2, 2.9, 7.0])
def test_ticks_of_a_logarithmic_axis_are_round_numbers_and_it_holds_what_is_drawn(low, span):
    found = log_axis(low, low + span)
    assert found.log and found.low <= low and low + span <= found.high
    assert len(found.ticks) >= 2 and list(found.ticks) == sorted(set(found.ticks))
    assert all(found.low - 1e-9 <= tick <= found.high + 1e-9 for tick in found.ticks)
    for tick in found.ticks:
        written = f"{10.0**tick:.6g}"
        assert float(written) == pytest.approx(10.0**tick, rel=1e-9), written
