"""The drawing that can be pointed at: plain data for JSON, the same numbers as the picture, no jumps."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import answers
from whygrad.answers.draw.drawing import Label, overlap
from whygrad.answers.formatting import number, typeset
from whygrad.answers.names import Ref
from whygrad.answers.widget.view import KINDS, MOST_EDGES, Gesture, choose, read_gesture, view
from whygrad.answers.widget.view_state import ViewState

IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
PICTURES = {
    "a small network": answers.network((2, 3, 1), marked=("1:1,0",)),
    "iris": answers.network((4, 8, 3), names=IRIS, marked=("1:3,3", "2:0,bias")),
    "blame": answers.network((4, 8, 3), backwards=True, marked=("1:2",)),
    "a deep network": answers.network((3, *[5] * 12, 2)),
    "an image": answers.network((784, 100, 10), image=(28, 28), marked=("1:7,400", "1:3,10")),
    "hostile": answers.hostile().pictures[0],
}


def by_part(items):
    return {item["part"]: item for item in items}


@pytest.mark.parametrize("name", PICTURES)
def test_a_view_is_plain_data_with_a_part_for_every_unit_and_edge(name):
    found = view(PICTURES[name])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    units, lines = by_part(found["units"]), by_part(found["edges"])
    assert len(units) == len(found["units"])
    assert len(lines) == len(found["edges"])
    assert all(edge["from"] in units and edge["to"] in units for edge in lines.values())


def test_the_numbers_of_a_view_are_those_of_the_picture():
    picture = PICTURES["iris"]
    found = view(picture)
    lines, units = by_part(found["edges"]), by_part(found["units"])
    for l in (1, 2):
        largest = abs(picture.edges[l]).max()
        for (j, k), value in np.ndenumerate(picture.edges[l]):
            edge = lines[f"{l}:{j},{k}"]
            assert edge["title"].endswith(f": weight {typeset(number(value))}")
            assert edge["sign"] == ("negative" if value < 0 else "positive")
            assert bool(edge["dash"]) == (value < 0)
            width = max(0.6 + 5.4 * abs(value) / largest, 1.6 * edge["marked"])
            assert edge["width"] == pytest.approx(width, abs=0.051)
    for l, values in enumerate(picture.units):
        for j, value in enumerate(values):
            unit = units[f"{l}:{j}"]
            assert float(unit["text"]) == pytest.approx(value, abs=0.0051)
            assert unit["share"] == pytest.approx(value / values.max(), abs=0.0051)


def test_what_is_asked_about_is_marked_and_its_number_is_written():
    found = view(PICTURES["iris"])
    assert [edge["part"] for edge in found["edges"] if edge["marked"]] == ["1:3,3"]
    assert by_part(found["edges"])["1:3,3"]["text"] == "−0.3661"
    assert [unit["part"] for unit in found["units"] if unit["bias"]] == ["2:0"]


def test_what_is_zero_is_drawn_faintly_so_that_it_can_be_asked():
    picture = answers.network((2, 3, 1))
    picture.edges[1][:] = 0.0
    found = view(picture)
    zeros = [edge for edge in found["edges"] if edge["part"].startswith("1:")]
    assert len(zeros) == 6
    assert {(edge["sign"], edge["width"], edge["opacity"]) for edge in zeros} == {
        ("soft", 0.6, 0.2)
    }


# ── the layout ───────────────────────────────────────────────────────────────────────────────────────


def boxes(found):
    """Return the boxes of all texts, and of all buttons as they are at the narrowest."""
    labels = [
        Label(one["x"], one["y"], one["text"], one["size"], one["anchor"], one["look"])
        for one in found["labels"]
    ]
    labels += [
        Label(one["tx"], one["ty"], one["text"], 11.5, "middle")
        for one in found["edges"]
        if one["text"]
    ]
    texts = [(label.box, label.text) for label in labels if label.text.strip()]
    buttons = [
        ((one["x"] - 15, one["y"] - 13, one["x"] + 15, one["y"] + 13), one["title"])
        for one in found["buttons"]
    ]
    return texts + buttons


@settings(max_examples=60, deadline=None)
@example(sizes=[23, 2], seed=23, called=[""], flags=(True, False), more=frozenset())
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    seed=st.integers(0, 99),
    called=st.lists(st.text(max_size=30), min_size=1, max_size=8),
    flags=st.tuples(st.booleans(), st.booleans()),
    more=st.frozensets(st.integers(0, 6), max_size=3),
)
def test_no_text_and_no_button_lies_upon_another_or_leaves_the_sheet(
    sizes, seed, called, flags, more
):
    backwards, narrow = flags
    marked = tuple(f"{l}:0,0" for l in range(1, len(sizes)))
    picture = answers.network(tuple(sizes), seed, marked, backwards, names=tuple(called))
    found = view(picture, narrow=narrow, more=more)
    taken = boxes(found)
    for place, (box, text) in enumerate(taken):
        assert box[0] >= 0, text
        assert box[1] >= 0, text
        assert box[2] <= found["width"] + 0.1, text
        assert box[3] <= found["height"] + 0.1, text
        for other, said in taken[:place]:
            assert not overlap(box, other, -0.2), (text, said)
    circles = [(one["x"], one["y"]) for one in found["units"]]
    apart = [
        (x - u) ** 2 + (y - v) ** 2 for i, (x, y) in enumerate(circles) for u, v in circles[:i]
    ]
    assert min(apart, default=1e9) >= (2 * 20 + 8.5) ** 2


@pytest.mark.parametrize("sizes", [(2, 3, 2), (8, 8, 8, 9), (784, 100, 10)])
def test_nothing_but_numbers_sizes_and_colours_changes_while_a_network_learns(sizes):
    picture = answers.network(sizes, image=(28, 28) if sizes[0] == 784 else None)
    picture = replace(picture, shown=choose(picture))
    changed = replace(
        picture,
        edges=(None, *(-one[::-1] / 9 for one in picture.edges[1:])),
        units=tuple(one[::-1] * 50 - 20 for one in picture.units),
    )
    old, new = view(picture), view(changed)
    assert [old[key] == new[key] for key in ("width", "height", "labels", "legend")] == [True] * 4
    kept = {
        "units": ("part", "x", "y", "r", "name", "shape", "kind"),
        "edges": ("part", "x1", "y1", "x2", "y2", "tx", "ty"),
    }
    for kind, keys in kept.items():
        assert len(old[kind]) == len(new[kind])
        for before, after in zip(old[kind], new[kind], strict=True):
            assert [before[key] for key in keys] == [after[key] for key in keys]
            assert before["title"] != after["title"]


# ── more and fewer ───────────────────────────────────────────────────────────────────────────────────


def shown(found, l):
    return sum(unit["part"].startswith(f"{l}:") for unit in found["units"])


def test_the_rest_of_a_layer_is_one_click_away_and_as_many_again():
    picture = PICTURES["an image"]
    showing = ViewState()
    found = showing.view(picture)
    assert shown(found, 1) == 8
    (button,) = found["buttons"]
    assert (button["kind"], button["layer"], button["text"]) == ("more", 1, "+ 92 more")
    assert showing.act(Gesture("more", layer=1))
    whole = showing.again()
    assert shown(whole, 1) == 100
    assert shown(whole, 2) == 10
    (button,) = whole["buttons"]
    assert (button["kind"], button["text"]) == ("less", "show fewer")
    assert showing.act(Gesture("less", layer=1))
    assert showing.again() == found


def test_the_same_units_are_shown_while_numbers_change():
    picture = answers.network((3, 40, 2))
    showing = ViewState()
    parts = [unit["part"] for unit in showing.view(picture)["units"]]
    other = answers.network((3, 40, 2), seed=5)
    assert [unit["part"] for unit in showing.view(other)["units"]] == parts
    marked = replace(other, marked=("1:39", "1:38"))
    assert {unit["part"] for unit in showing.view(marked)["units"]} == {*parts, "1:38", "1:39"}
    assert [unit["part"] for unit in showing.view(other)["units"]] == parts
    grown = answers.network((3, 41, 2))
    assert shown(showing.view(grown), 1) == 8


def test_of_a_very_wide_layer_the_most_important_units_and_edges_are_drawn_and_the_rest_counted():
    picture = answers.network((30, 2000, 10), marked=("1:1999,29",))
    found = view(picture, more=(1,))
    assert shown(found, 1) == 256
    assert [one["text"] for one in found["buttons"] if one["layer"] == 1] == [
        "256 of 2,000 · show fewer"
    ]
    assert MOST_EDGES - 10 <= len(found["edges"]) <= MOST_EDGES + 1
    assert by_part(found["edges"])["1:1999,29"]["marked"]
    assert found["width"] < 1500
    assert found["height"] < 1500


# ── gestures ─────────────────────────────────────────────────────────────────────────────────────────

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": anything,
            "kind": anything | st.sampled_from(KINDS),
            "part": anything
            | st.from_regex(r"[0-9]{1,3}:[0-9]{1,3}(,([0-9]{1,3}|bias))?", fullmatch=True),
            "layer": anything | st.integers(-3, 9),
        },
    )
    | anything
)
def test_whatever_a_browser_sends_is_a_gesture_that_makes_sense_or_none(sent):
    gesture = read_gesture(sent)
    if gesture is None:
        return
    assert gesture.kind in KINDS
    assert isinstance(gesture.id, int)
    if gesture.kind in ("click", "point"):
        assert gesture.ref == Ref.read(gesture.part)
        assert gesture.ref is not None
        assert gesture.layer == gesture.ref.layer
    elif gesture.kind in ("leave", "narrow", "wide"):
        assert (gesture.part, gesture.layer) == ("", None)
    else:
        assert gesture.part == ""
        assert isinstance(gesture.layer, int)
        assert gesture.layer >= 0
    ViewState().act(gesture)


def test_gestures_are_read():
    click = {"id": 4, "kind": "click", "part": "2:1,bias", "layer": None}
    assert read_gesture(click) == Gesture("click", "2:1,bias", 2, 4)
    assert read_gesture(click).ref == Ref(2, 1, "bias")
    more = {"id": 5, "kind": "more", "part": "", "layer": 1}
    assert read_gesture(more) == Gesture("more", "", 1, 5)
    assert read_gesture({"kind": "more", "layer": True}) is None
    assert read_gesture({"kind": "point", "part": "1:2,"}) is None
