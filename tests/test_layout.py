"""The tree of the package: imports go downwards, no circle, no folder too full; and what is said of it."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import whygrad as wg

ROOT = Path(__file__).parent.parent
PACKAGE = Path(wg.__file__).resolve().parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
# From the top down; what shares a line knows nothing of the others there.
LAYERS = [re.split(r"\s*\|\s*", layer) for layer in CONTRACTS[0]["layers"]]
ORDER = [name for layer in LAYERS for name in layer]
MOST = 17  # entries of a folder
LARGE = {".": 28, "engines/native": 25}

# Where a newcomer looks, in two hops: the row of the README's table, the file that it names.
QUESTIONS = {
    "training/epochs.py": "end_of_epoch",  # the learning rate falls when validation stalls
    "pipeline/fit.py": "prepare",  # the validation split of `whygrad train`
    "why/prediction/attribution.py": None,  # feature attributions
    "studio/page/why_panel.py": "build",  # what runs when a weight is clicked
    "plan/plan.py": "batch",  # the batches of an epoch
}


def entries(folder):
    """Return what lies in a folder of the package, without what Python leaves there."""
    return sorted(path for path in folder.iterdir() if path.name != "__pycache__")


def modules():
    """Return every module of the package by its dotted name below `whygrad`, "" for the root."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports():
    """Return the imports between modules, those inside functions and those for types alone included."""
    known = modules()
    found = []
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                asked = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                # `from package import module` means the module, where there is one.
                asked = [f"{node.module}.{alias.name}" for alias in node.names]
                asked = [
                    one if one.removeprefix("whygrad.") in known else node.module for one in asked
                ]
            else:
                continue
            for one in asked:
                if one == "whygrad" or one.startswith("whygrad."):
                    found.append((name, one.partition(".")[2]))
    return found


def rows():
    """Return the README's table of what is where, for what lies in `src/whygrad`: (name, text)."""
    page = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What is where")[2]
    return re.findall(r"^\| `src/whygrad/([\w.]+)/?` \| (.*) \|$", page, re.MULTILINE)


def test_every_file_and_folder_of_the_root_has_its_layer():
    names = [path.stem for path in entries(PACKAGE) if path.suffix in ("", ".py")]
    assert sorted(ORDER) == sorted(set(names) - {"__init__"})


def test_nothing_imports_upwards():
    depth = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    wrong = []
    for importer, imported in imports():
        top, other = importer.partition(".")[0], imported.partition(".")[0]
        if top == other or not top:  # the public names of the root come from everywhere
            continue
        if not other:  # `import whygrad`: the front door, for those above all that stands in it
            if depth[top] > depth["studio"]:
                wrong.append((importer, "whygrad"))
        elif depth[top] >= depth[other]:
            wrong.append((importer, imported))
    assert wrong == []


def circle(arrows):
    """Return a circle among (from, to), [] where there is none."""
    ahead = {}
    for one, other in arrows:
        ahead.setdefault(one, set()).add(other)
    left = {name for arrow in arrows for name in arrow}
    while free := {name for name in left if not ahead.get(name, set()) & left}:
        left -= free
    return sorted(left)


def test_a_circle_is_seen():
    assert circle([("a", "b"), ("b", "c"), ("c", "b")]) == ["a", "b", "c"]
    assert circle([("a", "b"), ("b", "c"), ("a", "c")]) == []


def test_the_files_and_folders_of_no_folder_stand_in_a_circle():
    """As import-linter has it: what lies side by side, a folder with all that is in it."""
    for folder in sorted({path.parent for path in modules().values()}):
        above = ".".join(folder.relative_to(PACKAGE).parts)
        start = f"{above}." if above else ""
        inside = [
            tuple(name.removeprefix(start).partition(".")[0] for name in arrow)
            for arrow in imports()
            if all(name.startswith(start) and name != above for name in arrow)
        ]
        assert circle([(one, other) for one, other in inside if one != other]) == [], folder


def test_no_folder_is_too_full_to_be_read():
    folders = {path.parent for path in modules().values()}
    for folder in folders:
        place = folder.relative_to(PACKAGE).as_posix()
        assert len(entries(folder)) <= LARGE.get(place, MOST), place


def test_every_folder_opens_with_what_lives_there():
    for path in PACKAGE.rglob("__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert said, path.relative_to(PACKAGE)


@cache
def face(folder):
    """Return what a folder's `__init__` imports or defines, and the modules that it calls doors."""
    tree = ast.parse((PACKAGE / folder / "__init__.py").read_text(encoding="utf-8"))
    said = re.search(r"\bDoors?\b[^:]*:([^.]*)\.\s", ast.get_docstring(tree) + "\n")
    names = {
        alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    names |= {node.name for node in tree.body if hasattr(node, "name")}
    return names, set(re.findall(r"`(\w+)`", said[1])) if said else set()


def test_a_folder_is_entered_by_its_face_or_by_a_door_that_it_names():
    known, wrong, used = modules(), [], set()
    folders = {name for name, path in known.items() if path.name == "__init__.py" and name}
    for importer, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module.startswith("whygrad."):
                continue
            for alias in node.names:
                module, name = node.module.removeprefix("whygrad."), alias.name
                if f"{module}.{name}" in known:
                    module = f"{module}.{name}"
                folder, _, inside = module.rpartition(".")
                if module in folders or not folder or f"{importer}.".startswith(f"{folder}."):
                    continue
                names, doors = face(folder.replace(".", "/"))
                used.add((folder, inside))
                if name not in names and inside not in doors:
                    wrong.append((importer, f"{module}.{name}"))
    assert wrong == []
    named = {(one, door) for one in folders for door in face(one.replace(".", "/"))[1]}
    assert named <= used


def test_the_readme_lists_the_layers_from_the_top_down():
    named = [name.removesuffix(".py") for name, _ in rows()]
    assert named == ORDER
    for name, _ in rows():
        assert (PACKAGE / name).exists(), name


@pytest.mark.parametrize("name, text", rows())
def test_what_the_readme_names_in_a_folder_is_there(name, text):
    for path in re.findall(r"`([\w/]+\.(?:py|js)|[\w/]+/)`", text):
        assert (PACKAGE / name / path).exists(), f"{name}/{path}"


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_newcomer_finds_the_place_in_two_hops(path):
    folder, _, inside = path.partition("/")
    assert f"`{inside}`" in dict(rows())[folder]
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert QUESTIONS[path] is None or QUESTIONS[path] in functions


def test_contributing_names_the_layers_in_the_same_order():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    layout = page.partition("## The layout")[2].partition("\n- ")[0]
    listed = re.findall(r"`(\w+)`", layout.partition("from the top down:")[2].partition(".\n")[0])
    assert listed == ORDER
