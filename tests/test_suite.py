"""The tests themselves: where they run whole, what they skip, and that they end."""

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import whygrad as wg
from browser import PATIENCE

HERE = Path(__file__).parent
PATHS = os.pathsep.join(map(str, (HERE, Path(wg.__file__).parent.parent)))


def run_tests(folder, code, *words, deaf=(), **variables):
    """Run test functions as those here are run, in a process to which the signals `deaf` mean nothing."""
    (folder / "test_it.py").write_text(code, encoding="utf-8")
    settings = ["-c", HERE.parent / "pyproject.toml", "--rootdir", folder, "-p", "conftest"]
    words = [*settings, "-p", "no:xdist", "-p", "no:cacheprovider", *words, "test_it.py"]
    start = (
        f"import os, signal, sys\n"
        f"for one in {[int(one) for one in deaf]}: signal.signal(one, signal.SIG_IGN)\n"
        f"os.execv(sys.executable, [sys.executable, '-m', 'pytest', *sys.argv[1:]])"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "WHYGRAD"))}
    return subprocess.run(
        [sys.executable, "-c", start, *map(str, words)],
        cwd=folder,
        env=kept | {"PYTHONPATH": PATHS} | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )


DATA = """
import os, pytest

@pytest.fixture(scope="module")
def table():
    return os.environ["WHYGRAD_DATA"]

@pytest.mark.data
def test_marked(table):
    assert os.environ["WHYGRAD_DATA"] == table == "here"

def test_unmarked():
    assert "WHYGRAD_DATA" not in os.environ
"""


def test_those_marked_data_and_no_others_see_the_data_and_are_skipped_without(tmp_path):
    without = run_tests(tmp_path, DATA)
    assert "1 passed, 1 skipped" in without.stdout, without.stdout
    assert "WHYGRAD_DATA is not set" in without.stdout
    assert "2 passed" in run_tests(tmp_path, DATA, WHYGRAD_DATA="here").stdout


BROWSER = """
def test_with_one(alone):
    raise AssertionError("there is a browser")

def test_without():
    pass
"""


def test_those_that_take_a_browser_are_marked_so_and_are_skipped_without_one(tmp_path):
    result = run_tests(tmp_path, BROWSER, "-m", "browser", WHYGRAD_BROWSER="none")
    assert "1 skipped, 1 deselected" in result.stdout, result.stdout
    assert (
        "there is no chromium with its chromedriver: `make browser` installs them" in result.stdout
    )


DEAF = """
import os, signal, subprocess, sys, pytest

@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGQUIT", "SIGTERM"])
def test_a_child_hears(name):
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with child:
        child.stdout.readline()
        child.send_signal(getattr(signal, name))
        assert child.wait(9) == -getattr(signal, name)

def test_this_process_is_left_alone():
    signal.raise_signal(signal.SIGHUP)

def test_this_process_is_interrupted():
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_processes_that_tests_start_hear_signals_that_the_tests_were_started_without(tmp_path):
    deaf = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM]
    result = run_tests(tmp_path, DEAF, deaf=deaf)
    assert "6 passed" in result.stdout, result.stdout


def test_a_test_that_waits_for_ever_fails_and_says_where_it_stood(tmp_path, pytestconfig):
    assert 0 < float(pytestconfig.getini("faulthandler_timeout")) <= 600
    code = "import threading\n\ndef test_it():\n    threading.Event().wait()\n"
    result = run_tests(tmp_path, code, "-o", "faulthandler_timeout=0.2")
    assert result.returncode != 0
    assert "Timeout (0:00:00.200000)!" in result.stderr
    assert 'test_it.py", line 4 in test_it' in result.stderr


# Names that begin with an underscore and belong to others: the protocols of notebooks and of anywidget,
# named tuples, and what is asked or broken on purpose of scikit-learn, Numba and the system.
OF_OTHERS = {
    "_css", "_dynamic_globals", "_esm", "_exit", "_finalize_dynamic_globals", "_helperlib",
    "_label_binarizer", "_optimizer", "_rebuild", "_reduce", "_replace", "_repr_html_", "_repr_mimebundle_",
    "_score_func",
}  # fmt: skip


def private_names(code):
    """Return the private names that code takes from elsewhere: `x._name`, imported, or patched."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            found.update(str(text).rpartition(".")[2] for text in texts[:1])
    return {name for name in found if re.match(r"_[a-z]", name)}


def test_a_private_name_in_a_test_is_seen():
    code = "from a import _b\nc._d()\npatch.setattr(e, '_f', 1)\npatch.setattr('g._h', 1)\nself._i"
    assert private_names(code) == {"_b", "_d", "_f", "_h"}


@pytest.mark.parametrize("path", sorted(HERE.glob("*.py")), ids=lambda path: path.stem)
def test_tests_touch_no_private_names(path):
    assert private_names(path.read_text(encoding="utf-8")) - OF_OTHERS == set()
