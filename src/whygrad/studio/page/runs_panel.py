"""The runs that lie in the studio's folder: any of them is shown by a click."""

from functools import partial
from typing import Any

from nicegui import ui

from whygrad.studio.page.page import Page

MOST = 200  # that are listed


def build(page: Page) -> None:
    """Lay out the list."""
    ui.label("Runs in this folder").classes("wg-heading")
    none = ui.label("None yet: Start writes one.").classes("wg-note")
    listed = ui.column().classes("wg-runs")
    state: dict[str, Any] = {"seen": None}

    def update() -> None:
        if page.look.tab != "runs":
            return
        following = page.desk.following
        now = None if following is None else following.path
        paths = list(page.desk.runs().values())[:MOST]
        none.set_visibility(not paths)
        if (seen := (tuple(paths), now)) == state["seen"]:
            return
        state["seen"] = seen
        listed.clear()
        with listed:
            for path in paths:
                button = ui.button(path.name, on_click=partial(show, path))
                button.props("no-caps dense flat align=left").set_enabled(path != now)

    def show(path: Any) -> None:
        page.do(lambda: page.desk.open(path))

    page.panels.append(update)
