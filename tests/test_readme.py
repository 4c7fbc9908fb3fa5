"""The README and the pages keep their word: their code runs, prints what it says, and names what exists."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import whygrad

# As a user has it: strict, and silent about what is installed. What has no types, such as scikit-learn, or
# would only take time is not read.
STRICT = """
[mypy]
strict = true
ignore_missing_imports = true
[mypy-whygrad.*]
ignore_errors = true
[mypy-nicegui.*,numba.*,torch.*,jax.*,rich.*,narwhals.*]
follow_imports = skip
"""

# What has a type all the way: mypy names each of these mistakes, by line.
MISTAKEN = """\
import whygrad as wg
fitted = wg.train(wg.Network(2, [wg.Dense(3)]), [[0, 0]], [[0, 0, 0]])
classifier = wg.MLPClassifier().fit([[0]], [0]).partial_fit([[0]], [0])
wg.Dense("3")
fitted.why.wieght(layer=1, to=0)
fitted.why.weight(layer=1, to=0).valeu
classifier.why_.blame().anwser
classifier.loss_curve_.mean()
wg.open_run("a.run").why.neuron(layer=1, unit=0).svg("first")
wg.MLPRegressor().fit([[0]], [0]).history_.epochs[0].costs
wg.explain(fitted).why.prediction().latex(1)
wg.studio(port="any")
"""

ROOT = Path(__file__).parent.parent
SOURCE = Path(whygrad.__file__).resolve().parent.parent
PAGES = ["README.md", "docs/explanations.md"]


def blocks(name):
    """Return the blocks of a page, (what it is, its text), and how many there are."""
    page = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return found, page.count("```") / 2


@pytest.mark.parametrize("name", PAGES)
def test_every_block_says_what_it_is(name):
    found, count = blocks(name)
    assert {"python", "text"} <= {kind for kind, _ in found} <= {"sh", "python", "text"}
    assert len(found) == count


@pytest.mark.parametrize("name", ["docs/explanations.md"])
def test_the_code_runs_and_prints_what_it_says(name, tmp_path, monkeypatch):
    """The Python blocks in order, in one namespace; a text block is the output of the one above."""
    monkeypatch.chdir(tmp_path)
    namespace, printed = {}, ""
    for kind, text in blocks(name)[0]:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, name, "exec"), namespace)
            printed = out.getvalue()
        elif kind == "text":
            assert printed == text


@pytest.mark.parametrize(
    ("page", "blocks"),
    [
        ("README.md", {"python": 10, "text": 9, "sh": 3}),
        ("docs/tutorial.md", {"sh": 1, "python": 8}),
    ],
)
def test_a_newcomer_can_follow_the_page_from_first_line_to_last(page, blocks, tmp_path):
    """In a fresh folder, with the file of houses that the README speaks of, and no extra installed."""
    rows = [
        f"{rooms % 7},{'town' if rooms % 3 else 'hill'},{rooms % 7 * 9}.5" for rooms in range(1, 61)
    ]
    (tmp_path / "houses.csv").write_text("\n".join(["rooms,where,price", *rows]), encoding="utf-8")
    (tmp_path / "new.csv").write_text("rooms,where\n4,town\n9,hill\n", encoding="utf-8")
    command = [sys.executable, "-W", "error", ROOT / "tests" / "newcomer.py", page]
    env = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{blocks}\n"


def test_a_users_mypy_passes_the_first_pages_and_the_examples_and_sees_every_mistake_in_an_answer(
    tmp_path,
):
    pytest.importorskip("mypy")
    examples = sorted((ROOT / "examples").glob("*.py"))
    assert examples
    for path in examples:
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("README.md", "docs/tutorial.md"):
        page = (ROOT / name).read_text(encoding="utf-8")
        code = re.findall(r"^```(?:\{code-cell\} )?python\n(.*?)^```$", page, re.M | re.S)
        assert len(code) > 5
        (tmp_path / f"{Path(name).stem}.py").write_text("\n".join(code), encoding="utf-8")
    (tmp_path / "mistaken.py").write_text(MISTAKEN, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(STRICT, encoding="utf-8")
    path = {} if SOURCE.name == "site-packages" else {"MYPYPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *sorted(p.name for p in tmp_path.glob("*.py"))],
        cwd=tmp_path, env=os.environ | path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    wrong = re.findall(r"^(.*?):(\d+): error:", done.stdout, re.MULTILINE)
    mistakes = range(4, 1 + MISTAKEN.count("\n"))
    assert wrong == [("mistaken.py", str(line)) for line in mistakes], done.stdout


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_named_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:src|tests|examples|benchmarks|\.ci)/[\w./]*)`", text)
    paths += re.findall(r"\]\((\w[\w./]*)\)", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
