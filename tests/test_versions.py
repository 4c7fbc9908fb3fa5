"""The versions that pyproject.toml asks for are those that are tried: the oldest, and the ones pinned."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def numbers(version):
    """Return a version as numbers, of which the last zeros count for nothing: 4.24 is 4.24.0."""
    found = [int(number) for number in version.split(".")]
    while found and not found[-1]:
        found.pop()
    return found


def pinned(name):
    """Return the versions of a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def floors(requirements):
    """Return the lowest versions allowed."""
    found = [re.match(r"([\w-]+)>=([\d.]+)", requirement) for requirement in requirements]
    return {each[1]: each[2] for each in found if each}


def test_each_floor_is_a_version_that_the_oldest_constraints_try():
    oldest, needed = pinned("constraints-oldest.txt"), floors(PROJECT["dependencies"])
    assert len(needed) == len(PROJECT["dependencies"]) == 10
    for name, floor in needed.items():
        assert numbers(oldest[name]) == numbers(floor), name


def test_the_oldest_constraints_are_tried_by_a_command_that_ci_runs():
    assert "-c constraints-oldest.txt" in (ROOT / "Makefile").read_text(encoding="utf-8")
    ci = ROOT / ".ci" / "run"
    assert not ci.exists() or "make test-oldest" in ci.read_text(encoding="utf-8").splitlines()


def test_a_plain_installation_brings_neither_pandas_nor_matplotlib():
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in PROJECT["dependencies"]}
    assert not names & {"pandas", "matplotlib", "polars", "torch", "jax"}
