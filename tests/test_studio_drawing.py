"""The drawing that can be pointed at: plain data for JSON, the same numbers as the picture, no jumps."""

import json

import numpy as np
import pytest

import answers
from whygrad.show.numbers import number, typeset
from whygrad.studio.drawing import view

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


@pytest.mark.parametrize("editable", [False, True])
@pytest.mark.parametrize("name", PICTURES)
def test_a_view_is_plain_data_with_a_part_for_every_unit_and_edge(name, editable):
    found = view(PICTURES[name], editable=editable)
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
