"""What `import whygrad` offers: these names, each of them documented, and quickly."""

import doctest
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import whygrad as wg

NAMES = [
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adaptive",
    "Callback",
    "Clip",
    "Constant",
    "Cosine",
    "Cost",
    "Dense",
    "Description",
    "DivergenceWarning",
    "EngineWarning",
    "Ensemble",
    "FileError",
    "Fitted",
    "Gradients",
    "History",
    "InputError",
    "InverseScaling",
    "LBFGS",
    "MLPClassifier",
    "MLPRegressor",
    "Model",
    "Nadam",
    "Network",
    "OnPlateau",
    "OneCycle",
    "Parameters",
    "Penalty",
    "RMSprop",
    "RecordWarning",
    "Report",
    "Run",
    "SGD",
    "Step",
    "Stopping",
    "TabularClassifier",
    "TabularRegressor",
    "Trace",
    "TrackingWarning",
    "TrainingError",
    "Uniform",
    "WhygradError",
    "backward",
    "callbacks",
    "cost",
    "diagnose",
    "explain",
    "export",
    "film",
    "forward",
    "gradients",
    "hessian_times",
    "load",
    "open_run",
    "stage",
    "studio",
    "suspect_labels",
    "to_torch",
    "train",
    "train_folder",
    "train_many",
    "why",
    "worksheet",
]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(wg.__path__, "whygrad.")
    if "__" not in module.name
)


def test_the_public_names_are_these():
    assert wg.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name):
    thing = getattr(wg, name)
    # A dataclass without a docstring gets its signature as one.
    assert thing.__doc__ and not thing.__doc__.startswith(f"{name}(")
    members = vars(thing).items() if inspect.isclass(thing) else []
    for member, value in members:
        if not member.startswith("_") and (callable(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(thing, member)), f"{name}.{member} has no docstring"


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'whygrad' has no attribute 'trian'"):
        wg.trian  # noqa: B018


def test_importing_whygrad_imports_nothing_heavy():
    heavy = ["numba", "sklearn", "scipy", "torch", "jax", "rich", "safetensors", "pandas"]
    heavy += ["cyclopts", "narwhals", "polars", "pyarrow", "nicegui", "anywidget"]
    code = f"import sys, whygrad; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_opens_with_a_paragraph_and_its_examples_run(name):
    if ".torch" in name:
        pytest.importorskip("torch")
    module = import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    assert doctest.testmod(module).failed == 0


def test_the_changelog_opens_with_this_version():
    changelog = (Path(__file__).parent.parent / "CHANGELOG.md").read_text()
    newest = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert newest.split()[1].strip("[]") == wg.__version__


def test_the_package_says_that_it_has_types():
    assert (Path(wg.__file__).parent / "py.typed").exists()
