"""What holds for all tests, and the fixtures that every file may take.

Tests marked `data`, and no others, see the variable WHYGRAD_DATA; without it they are skipped. Those that
take a browser are marked `browser`, so that one can choose them.
"""

import os
import signal

import pytest

from whygrad import cores
from whygrad.engines import pace

pytest_plugins = ("browser", "drawn")

# A script's `&`, `nohup` and some runners ignore signals, and a process hands that down to those it starts:
# tests would ask them in vain to end. A handler is not handed down, and one that does nothing ignores, too.
HANDLERS = {"SIGINT": signal.default_int_handler} | dict.fromkeys(
    ("SIGHUP", "SIGQUIT", "SIGTERM"), lambda number, frame: None
)
for name, handler in HANDLERS.items():
    number = getattr(signal, name, None)
    if number and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_collection_modifyitems(items):
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


def pytest_runtest_setup(item):
    if item.get_closest_marker("data") and "WHYGRAD_DATA" not in os.environ:
        pytest.skip("WHYGRAD_DATA is not set")


@pytest.fixture(autouse=True)
def _data_where_it_is_marked(request, monkeypatch):
    """So that a test which reads data and is not marked fails everywhere, not only where there is none."""
    if not request.node.get_closest_marker("data"):
        monkeypatch.delenv("WHYGRAD_DATA", raising=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the test's own, which the command runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def short_calls_are_shared(monkeypatch):
    """Threads are woken for any call whose steps have parts, so that small tests see them as well."""
    monkeypatch.setattr(pace, "LEAST", 0)


@pytest.fixture
def four_cores(monkeypatch):
    """This process may use four cores, and finds no bound on them."""
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda cgroup: None)
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
