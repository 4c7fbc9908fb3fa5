"""The ten trainings that the documentation films: each is held to what its paragraph says."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def _module():
    described = importlib.util.spec_from_file_location("films", DOCS / "films.py")
    module = importlib.util.module_from_spec(described)
    sys.modules["films"] = module  # which its dataclass looks for
    described.loader.exec_module(module)
    return module


FILMS = _module().FILMS
CLAIMS = {
    "xor": lambda n: n["right"] == 4 and n["last"] < n["first"] / 10,
    "spirals": lambda n: n["right"] > 0.97,
    "digits": lambda n: n["right"] > 0.85 and n["right"] > n["first"],
    "vanishing": lambda n: n["ratio"] > 50,
    "dead_relu": lambda n: n["after"] >= n["before"] + 4 and n["after"] >= n["soon"],
    "too_high_a_rate": lambda n: (
        n["last"] > n["first"] and n["settled"] < n["first"] and n["rises"] > 20
    ),
    "overfitting": lambda n: n["least"] < n["last"] * 0.9 and n["training"] < n["least"],
    "symmetry": lambda n: (
        n["right"] == 64 and n["apart"] < 0.01 and np.allclose(n["ratio"], [1, 2, 4], rtol=0.05)
    ),
    "wrong_label": lambda n: n["found"] == n["wrong"] == n["worst"],
    "table": lambda n: n["score"] > 0.85,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_film_shows_what_its_paragraph_says(name, tmp_path):
    film = FILMS[name](tmp_path / f"{name}.run")
    assert CLAIMS[name](film.numbers), film.numbers
    assert film.run.step == len(film.run.costs) and film.run.history.stopped == "all epochs done"
    assert re.search(r"\d", film.said)
    if name == "spirals":  # what mail and phone take without a thought
        assert wg.film(film.run, tmp_path / "spirals.html").stat().st_size <= 1e6


def test_every_film_has_its_place_on_the_page():
    page = (DOCS / "films.md").read_text(encoding="utf-8")
    assert re.findall(r'^show\("(\w+)"\)$', page, re.M) == list(FILMS) == list(CLAIMS)


def test_the_citation_is_of_this_version_and_of_its_developers():
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    about = dict(line.split(": ", 1) for line in lines if re.match(r"[\w-]+: ", line))
    assert about["cff-version"] == "1.2.0" and about["version"] == wg.__version__
    assert {"message", "title", "type", "license"} <= set(about)  # what 1.2.0 asks for, and more
    assert lines[lines.index("authors:") + 1] == '  - name: "the whygrad developers"'
