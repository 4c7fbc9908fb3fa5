"""docs/migration.md is complete: every parameter, every attribute, and a test behind every difference."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn import neural_network as theirs

import whygrad as wg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "migration.md").read_text()
X = np.random.default_rng(0).normal(size=(30, 3))
CLASSES = ("MLPClassifier", "MLPRegressor")


def section(title):
    """The names in the first column of a section's table."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("name", CLASSES)
def test_every_parameter_of_scikit_learns_is_in_the_table(name):
    assert set(getattr(theirs, name)().get_params()) <= section("Parameters")


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_every_attribute_of_scikit_learns_is_in_the_table(name, solver, early_stopping):
    pandas = pytest.importorskip("pandas")
    estimator = getattr(theirs, name)(solver=solver, early_stopping=early_stopping, max_iter=2)
    estimator.fit(pandas.DataFrame(X, columns=list("abc")), X[:, 0] > 0)
    public = {each for each in vars(estimator) if not each.startswith("_")}
    fitted = public - set(estimator.get_params()) | {"loss"}
    assert {"coefs_", "n_iter_", "feature_names_in_"} <= fitted
    assert fitted <= section("Attributes")


@pytest.mark.parametrize("name", CLASSES)
def test_the_tables_name_nothing_that_is_not_there(name):
    every = {parameter for each in CLASSES for parameter in getattr(theirs, each)().get_params()}
    assert section("Parameters") == every
    own = {p for each in CLASSES for p in getattr(wg, each)().get_params()} - every | {"loss"}
    assert section("What scikit-learn does not have") == own


def test_every_difference_names_tests_that_exist():
    differences = re.split(r"\n\d+\. ", PAGE.split("## What differs")[1].split("\n## ")[0])[1:]
    assert len(differences) == 10
    tests = {
        node.name
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    for text in differences:
        named = re.findall(r"`(test_\w+)`", text)
        assert named, f"no test behind: {text[:60]}"
        assert set(named) <= tests, set(named) - tests
