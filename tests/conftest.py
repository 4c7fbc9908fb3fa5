"""The fixtures that every test file may take: a folder for the command, and those of the studio."""

import pytest

pytest_plugins = ("browser", "drawn")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the test's own, which the command runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
