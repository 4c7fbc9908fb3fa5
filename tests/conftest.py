"""The fixtures that every test file may take: those of the studio."""

pytest_plugins = ("browser", "drawn")
