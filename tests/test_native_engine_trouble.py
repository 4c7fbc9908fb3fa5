"""Where the native engine cannot run, or is not to run yet: another serves, or one line says what to do."""

import json
import os
import signal
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native

pytestmark = needs_native

NET = wg.Network(3, [wg.Dense(2, "tanh"), wg.Dense(1, "identity")])
X, Y = np.eye(3), np.arange(3.0)
OPTIONS = {"epochs": 2, "batch_size": 2}

# ── a Numba that nobody knows ────────────────────────────────────────────────────────────────────────

# Inner names of Numba and llvmlite that the engine rests on: module, and path of the name in it.
INNER = [
    "numba.core.codegen JITCodeLibrary",
    "numba.core.codegen CodeLibrary.codegen",
    "numba.core.codegen CPUCodeLibrary._finalize_dynamic_globals",
    "numba.core.compiler CompilerBase",
    "numba.core.compiler DefaultPassBuilder.define_nopython_pipeline",
    "numba.core.typed_passes NativeLowering",
    "numba.core.typed_passes BaseNativeLowering.run_pass",
    "numba.core.compiler_machinery PassManager.finalize",
    "numba.core.codegen CPUCodeLibrary._optimize_final_module",
    "numba.core.compiler_lock global_compiler_lock",
    "numba.np.arrayobj populate_array",
    "numba.extending typeof_impl",
    "numba.core.registry cpu_target",
    "llvmlite.ir IRBuilder.load_atomic",
]
WITHOUT = """
import importlib, json, os, sys, warnings
import numba, numpy as np, whygrad as wg, scipy.linalg.cython_blas
for name in json.loads(sys.argv[1]):
    if os.fork():
        os.wait()
        continue
    module, path = name.split()
    *owners, last = path.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    delattr(owner, last)
    net = wg.Network(3, [wg.Dense(2, "tanh"), wg.Dense(1, "identity")])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            fitted = wg.train(net, np.eye(3), np.arange(3.0), epochs=2, batch_size=2)
            found = fitted.theta.flat.tolist()
        except BaseException as error:
            found = repr(error)
    print(json.dumps([name, found, [[w.category.__name__, str(w.message)] for w in told]]), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
def test_without_an_inner_name_of_numba_the_reference_engine_serves_and_says_why(tmp_path):
    expected = wg.train(NET, X, Y, engine="reference", **OPTIONS).theta.flat.tolist()
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(INNER)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [name for name, *_ in answers] == INNER
    for name, found, told in answers:
        assert found == expected, name
        ((category, line),) = told
        assert category == "EngineWarning"
        assert line.startswith("training with the reference engine: ") and "\n" not in line


def test_numba_has_an_upper_bound_as_its_inner_parts_are_used():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    (numba,) = (line for line in project["dependencies"] if line.startswith("numba"))
    upper = tuple(int(part) for part in numba.partition("<")[2].split("."))
    import numba

    assert tuple(int(part) for part in numba.__version__.split(".")[:2]) < upper


@pytest.fixture
def fresh(monkeypatch):
    """An engine that has tried and compiled nothing in this process yet."""
    from whygrad.engines.native import engine

    engine.missing.cache_clear()
    for kernel in (engine.RUN_EPOCHS, engine.COST_AND_GRADIENT):
        monkeypatch.setattr(kernel, "entries", {})
    yield engine
    engine.missing.cache_clear()


def test_wrong_results_of_the_self_test_are_noticed(fresh, monkeypatch):
    from whygrad.engines.native import self_test

    monkeypatch.setattr(self_test, "few_of_all", lambda *arrays: 15.0)  # and writes nothing
    self_test.unavailable.cache_clear()
    with pytest.warns(
        wg.EngineWarning, match="reference engine: Numba's matrix product gives wrong"
    ):
        wg.train(NET, X, Y, **OPTIONS)
    self_test.unavailable.cache_clear()


def test_numba_that_is_told_not_to_compile_is_not_asked_to(fresh, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.warns(wg.EngineWarning, match="told not to compile, by NUMBA_DISABLE_JIT"):
        wg.train(NET, X, Y, **OPTIONS)


@pytest.mark.parametrize("kernel", ["RUN_EPOCHS", "COST_AND_GRADIENT"])
def test_a_loop_that_cannot_be_compiled_ends_in_one_line(fresh, monkeypatch, kernel):
    def fail(*arguments):
        raise AttributeError("'Compiler' has no attribute 'frobnicate'\nand more")

    monkeypatch.setattr(getattr(fresh, kernel), "entry", fail)
    optimizer = "adam" if kernel == "RUN_EPOCHS" else "lbfgs"
    with pytest.raises(wg.InputError) as error:
        wg.train(NET, X, Y, optimizer=optimizer, epochs=2)
    assert str(error.value) == (
        "the native engine cannot be compiled (AttributeError: 'Compiler' has no attribute "
        "'frobnicate'): train with engine=\"reference\""
    )


def test_what_is_wrong_with_code_on_disk_is_told_once_and_the_training_is_whole(fresh, monkeypatch):
    from whygrad.engines.machine_code import cache

    monkeypatch.setattr(cache, "trouble", cache.Trouble("compiled code cannot be kept"))
    with pytest.warns(wg.EngineWarning) as told:
        first = wg.train(NET, X, Y, engine="native", **OPTIONS)
        second = wg.train(NET, X, Y, engine="native", optimizer="lbfgs", epochs=1)
    assert [str(warning.message) for warning in told] == ["compiled code cannot be kept"]
    assert told[0].filename == __file__
    assert first.history.stopped == second.history.stopped == "all epochs done"


# ── Ctrl-C while compiling ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pressed_while_compiling(fresh, monkeypatch):
    """Ctrl-C comes once, while the loop is compiled."""
    real, presses = fresh.RUN_EPOCHS.entry, [signal.SIGINT]

    def entry(*arguments):
        if presses:
            signal.raise_signal(presses.pop())
        return real(*arguments)

    monkeypatch.setattr(fresh.RUN_EPOCHS, "entry", entry)
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_compiling_interrupts_at_once_and_the_next_training_is_whole(
    pressed_while_compiling,
):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        wg.train(NET, X, Y, engine="native", **OPTIONS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = wg.train(NET, X, Y, engine="native", **OPTIONS)
    assert again.history.stopped == "all epochs done"
    assert len(again.history.epochs) == 2


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda signum, frame: None])
def test_where_ctrl_c_raises_nothing_it_ends_the_training_after_the_compiling(
    pressed_while_compiling, handler
):
    signal.signal(signal.SIGINT, handler)
    fitted = wg.train(NET, X, Y, engine="native", epochs=500, batch_size=2)
    assert fitted.history.stopped == "interrupted"
    assert len(fitted.history.epochs) <= 4


# ── little memory ────────────────────────────────────────────────────────────────────────────────────


def test_where_memory_is_too_little_to_compile_the_reference_engine_serves(fresh, monkeypatch):
    from whygrad import address_space

    monkeypatch.setattr(address_space, "spare", lambda: address_space.COMPILING - 1.0)
    expected = wg.train(NET, X, Y, engine="reference", **OPTIONS).theta.flat
    with pytest.warns(wg.EngineWarning) as told:
        fitted = wg.train(NET, X, Y, **OPTIONS)
    assert [str(warning.message) for warning in told] == [
        "training with the reference engine: compiling takes some 520 MB of address space, and this "
        "process may take only 519 MB more: raise the limit (ulimit -v)"
    ]
    np.testing.assert_array_equal(fitted.theta.flat, expected)


def test_where_memory_is_too_little_to_train_one_line_says_so_before_anything_is_made(
    fresh, monkeypatch, here
):
    from whygrad import address_space

    monkeypatch.setattr(address_space, "spare", lambda: -3.0)
    with warnings.catch_warnings(), pytest.raises(MemoryError) as error:
        warnings.simplefilter("error")
        wg.train(NET, X, Y, record="a.run")
    assert str(error.value) == (
        "training takes some 220 MB of address space, and this process may take only 0 MB more: "
        "raise the limit (ulimit -v)"
    )
    assert list(here.iterdir()) == []
