"""The figures on the pages are those that the benchmarks wrote down."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def report():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("report")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_pages_hold_the_figures_that_were_measured(report):
    for page in report.PAGES:
        text = page.read_text()
        assert text == report.filled(text), (
            f"run benchmarks/report.py: {page.name} is behind results/"
        )


def test_a_figure_that_was_changed_by_hand_is_noticed(report):
    text = report.PAGES[0].read_text()
    cell = f"| {report.micro(report.by_case()['A']['whygrad']['median'])} |"
    assert cell in text
    changed = text.replace(cell, "| 0.1 |")
    assert report.filled(changed) == text


def test_every_part_stands_on_a_page(report):
    text = "".join(page.read_text() for page in report.PAGES)
    for name in report.PARTS:
        assert f"<!-- {name} -->" in text and f"<!-- end {name} -->" in text


def test_a_goal_that_was_missed_is_said_to_be(report, monkeypatch):
    cases = report.by_case()
    rows = [row for case in cases.values() for row in case.values()]
    slow = [row | {"ratio": 0.5} if row["contestant"] == "JAX" else row for row in rows]
    monkeypatch.setattr(
        report, "kept", lambda name, otherwise: {"steps": slow}.get(name, otherwise)
    )
    assert "| A | ≥ 2.2 × JAX | 0.50 × | no |" in report.goals()
