"""A limit on address space (`ulimit -v`) ends in one line, never in a traceback or a wait without end."""

import math
import os
import subprocess
import sys

import pytest

from whygrad import address_space, cli

needs_limits = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="address space is limited on Linux only"
)
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv.pop(1)) << 20,) * 2)
"""
COMMAND = LIMITED + "from whygrad.cli import main; main()"
TRAINING = (
    LIMITED
    + """
import numpy as np, whygrad as wg
net = wg.Network(3, [wg.Dense(2, "tanh"), wg.Dense(1, "identity")])
try:
    wg.train(net, np.eye(3), np.arange(3.0), epochs=1)
    print("trained")
except MemoryError as error:
    print(error)
"""
)
ESTIMATORS = (
    LIMITED
    + """
try:
    from whygrad import MLPClassifier
except MemoryError as error:
    print(error)
"""
)


def limited(code, megabytes, *words):
    # Two threads of BLAS, as what it takes grows with them.
    return subprocess.run(
        [sys.executable, "-c", code, str(megabytes), *words],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@needs_limits
@pytest.mark.parametrize("megabytes", [160, 400, 550, 700])
def test_a_command_with_little_memory_ends_in_one_line(here, megabytes):
    done = limited(COMMAND, megabytes, "train", "iris", "--epochs", "1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("whygrad: out of memory")
    assert done.stdout == "" and list(here.iterdir()) == []


@needs_limits
@pytest.mark.parametrize("megabytes", [160, 300, 400])
def test_a_training_with_little_memory_says_how_much_it_takes(megabytes):
    done = limited(TRAINING, megabytes)
    assert done.returncode == 0 and done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith("training takes some 360 MB of address space, and this process may take")
    assert line.endswith("MB more: raise the limit (ulimit -v)")


@needs_limits
def test_a_training_with_memory_enough_for_the_reference_engine_trains():
    done = limited(TRAINING, 600)
    assert done.stdout == "trained\n"
    line, *_ = done.stderr.splitlines()  # and the line of code that it came from
    assert "EngineWarning: training with the reference engine: compiling takes some" in line


@needs_limits
def test_estimators_ask_for_the_memory_of_scikit_learn():
    done = limited(ESTIMATORS, 300)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("scikit-learn takes some 290 MB of address space")


@needs_limits
def test_what_is_spare_is_the_limit_less_what_is_taken(monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1 << 40, 1 << 40))
    assert 0.9 * 2**20 < address_space.spare() < 2**20
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    assert address_space.spare() == math.inf
    address_space.refuse_without(1e9, "this")


def test_blas_takes_more_with_more_threads_and_nothing_where_it_is_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "scipy.linalg", raising=False)
    address_space.load_blas.cache_clear()
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert address_space.blas() == 60 + 3 * 40
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert address_space.blas() == 60 + 7 * 40
    monkeypatch.setitem(sys.modules, "scipy.linalg", math)
    assert address_space.blas() == 0
    monkeypatch.delitem(sys.modules, "scipy.linalg")
    address_space.load_blas()
    assert address_space.blas() == 0


ALONE = """
import sys
from whygrad.address_space import load_blas
module = load_blas()
print("scipy.linalg" in sys.modules, "dgemm" in module.__pyx_capi__)
import scipy.linalg.cython_blas
print(scipy.linalg.cython_blas is module, scipy.linalg.solve([[2.0]], [1.0]))
"""


def test_blas_is_loaded_alone_and_is_the_one_that_scipy_imports_later():
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == ["False True", "True [0.5]"]


AT_ONCE = """
import sys
from threading import Barrier, Thread
import scipy
from whygrad.address_space import load_blas
sys.setswitchinterval(1e-6)
begin, found = Barrier(8), []

def load(begin=begin, found=found):
    begin.wait()
    found.append("dgemm" in load_blas().__pyx_capi__)

threads = [Thread(target=load) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(found)
"""


def test_threads_that_train_at_once_load_blas_once():
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", AT_ONCE], capture_output=True, text=True, check=True
    )
    assert (told.stdout, told.stderr) == (f"{[True] * 8}\n", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory: use a smaller network or smaller batches"),
        (MemoryError("this takes much"), "out of memory: this takes much"),
        (
            ImportError("lib.so: failed to map segment\nand more"),
            "out of memory, it seems (lib.so: failed to map segment): raise the limit (ulimit -v)",
        ),
        (
            RuntimeError("can't start new thread"),
            "out of memory, it seems (can't start new thread): raise the limit (ulimit -v)",
        ),
        (
            OSError("Could not load libllvmlite.so"),
            "out of memory, it seems (Could not load libllvmlite.so): raise the limit (ulimit -v)",
        ),
    ],
    ids=repr,
)
def test_what_fails_with_little_memory_left_is_told_as_such(monkeypatch, capsys, error, line):
    from whygrad.cli import app

    def command(*words, **options):
        raise error

    monkeypatch.setattr(app, "app", command)
    monkeypatch.setattr(address_space, "spare", lambda: address_space.LITTLE - 1.0)
    assert cli.run(["--version"]) == 2
    assert capsys.readouterr().err == f"whygrad: {line}\n"


def test_with_memory_left_an_error_of_our_own_is_not_blamed_on_it(monkeypatch):
    from whygrad.cli import app

    def command(*words, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(app, "app", command)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.run(["--version"])
