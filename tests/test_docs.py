"""The documentation: public names are in the reference, equations point at lines, links lead somewhere."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import whygrad as wg

DOCS = Path(__file__).parent.parent / "docs"
SOURCE = DOCS.parent / "src" / "whygrad"


@pytest.fixture
def links() -> Any:
    described = importlib.util.spec_from_file_location("links", DOCS / "links.py")
    assert described and described.loader
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_every_public_name_is_in_the_reference() -> None:
    pages = "\n".join(
        page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md")
    )
    there = set(re.findall(r":: whygrad\.([\w.]+)", pages))
    wanted = {name for name in wg.__all__ if name != "why"} | {
        f"why.{name}" for name in wg.why.__all__
    }
    assert not wanted - there


def test_each_equation_of_the_mathematics_points_at_one_line() -> None:
    written = (DOCS / "mathematics.md").read_text(encoding="utf-8")
    pointers = re.findall(r"\{line\}`([\w/]+): ([^`]+)`", written)
    assert len(pointers) >= 6
    for file, start in pointers:
        rows = (SOURCE / f"{file}.py").read_text(encoding="utf-8").splitlines()
        assert sum(row.strip().startswith(start) for row in rows) == 1, (file, start)


def test_every_page_of_the_gallery_has_its_place_and_ends_with_a_why() -> None:
    order = re.findall(r'"(plot_\w+\.py)",', (DOCS / "building.py").read_text(encoding="utf-8"))
    pages = sorted((DOCS / "gallery").glob("plot_*.py"))
    assert sorted(order) == [page.name for page in pages]
    for page in pages:
        headings = re.findall(r"^# ([^\n]+)\n# -{3,}$", page.read_text(encoding="utf-8"), re.M)
        assert headings[-1] == "Why?", page.name


DIGITS = [
    page
    for page in sorted((DOCS / "gallery").glob("plot_*.py"))
    if "images_of_digits" in page.read_text("utf-8")
]


def prose_of(page: Path) -> list[str]:
    """Return the sentences of a page of the gallery: its docstring, and comments between blocks."""
    text = page.read_text(encoding="utf-8")
    opening = ast.get_docstring(ast.parse(text)) or ""
    blocks = re.findall(r"^# %%\n((?:#.*\n)*)", text, re.M)
    whole = "\n\n".join([opening, *(re.sub(r"^# ?", "", block, flags=re.M) for block in blocks)])
    return [sentence for part in whole.split("\n\n") for sentence in re.split(r"[.:?]\s+", part)]


def settings_of(page: Path) -> set[float]:
    """Return the numbers that the code of a page sets; those that cut data off are only bounds."""
    tree = ast.parse(page.read_text(encoding="utf-8"))
    cuts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Slice)
        for part in ast.walk(node)
    }
    numbers = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in cuts
    ]
    return {float(node.value) for node in numbers if type(node.value) in (int, float)}


@pytest.mark.parametrize("page", DIGITS, ids=lambda page: page.stem)
def test_a_figure_in_prose_holds_with_every_data_or_is_said_to_be_the_books(page: Path) -> None:
    """Pages on MNIST are built on smaller digits where that is not at hand."""
    settings, sentences = settings_of(page), prose_of(page)
    assert len(sentences) > 10
    for sentence in sentences:
        if re.search(r"\b(book|Nielsen|[Cc]hapter|up to)\b", sentence):
            continue
        figures = re.findall(r"(?<![\w^])\d[\d,]*(?:\.\d+)?", sentence)
        assert {float(figure.replace(",", "")) for figure in figures} <= settings, sentence


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('<a href="other.html">', "index.html: other.html is not there"),
        ('<a href="page.html#nowhere">', "index.html: page.html#nowhere has no such anchor"),
        ('<script src="https://cdn.example/x.js">', "index.html: loads https://cdn.example/x.js"),
        (
            '<link rel="stylesheet" href="//cdn.example/x.css">',
            "index.html: loads //cdn.example/x.css",
        ),
        (
            '<img srcset="https://example.org/x.png 2x">',
            "index.html: loads https://example.org/x.png",
        ),
        ('<a href="page.html#here">', None),
        ('<a href="https://example.org">', None),
    ],
)
def test_a_link_that_leads_nowhere_is_told(
    links: Any, tmp_path: Path, written: str, problem: str | None
) -> None:
    (tmp_path / "index.html").write_text(written, encoding="utf-8")
    (tmp_path / "page.html").write_text('<p id="here">', encoding="utf-8")
    assert links.problems(tmp_path) == ([problem] if problem else [])


def test_styles_that_load_from_elsewhere_are_told(links: Any, tmp_path: Path) -> None:
    (tmp_path / "look.css").write_text(
        "@font-face{src:url(https://fonts.example/x)}", encoding="utf-8"
    )
    assert links.problems(tmp_path) == ["look.css: loads from elsewhere"]


def test_every_page_is_in_a_list_of_contents() -> None:
    pages = {page.relative_to(DOCS) for page in DOCS.rglob("*.md")}
    pages = {page.with_suffix("") for page in pages if page.parts[0] not in {"_build", "built"}}
    listed = {Path("index")}
    for page in pages:
        written = (DOCS / page.with_suffix(".md")).read_text(encoding="utf-8")
        for entries in re.findall(r"```\{toctree\}\n(.*?)```", written, re.S):
            listed |= {Path(entry) for entry in entries.split("\n") if not entry.startswith(":")}
    assert not pages - listed
