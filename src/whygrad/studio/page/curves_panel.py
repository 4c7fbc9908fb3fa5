"""The curves of the training: cost and score, gradients and updates by layer, dead and saturated units."""

from functools import partial
from pathlib import Path
from typing import Any

from nicegui import ui

from whygrad.studio.page import charts
from whygrad.studio.page.page import Page
from whygrad.studio.server.guard import confined
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.scoring import words_of

NONE = "no other run"


def build(page: Page) -> None:
    """Lay out the charts; one that would be empty is not shown."""
    desk = page.desk
    waiting = ui.label("Press Start: the curves are drawn while it learns.").classes("wg-note")
    beside = ui.select(
        [NONE], value=NONE, label="Compare with", on_change=lambda e: compare(e.value)
    )
    beside.props("dense outlined options-dense").classes("wg-wide")
    scored = ui.label().classes("wg-note")
    shown = {name: ui.echart({}).classes("wg-chart") for name in charts.NAMES}
    state: dict[str, Any] = {"drawn": None, "drawing": False}

    def compare(name: str) -> None:
        now = NONE if desk.other is None else desk.other.path.name
        if name != now:
            page.do(
                lambda: desk.compare(None if name == NONE else confined(Path(name), desk.folder))
            )

    def update() -> None:
        following = desk.following
        scored.set_text("" if following is None else words_of(following.run))
        waiting.set_visibility(following is None)
        beside.set_visibility(following is not None)
        if following is None:
            for chart in shown.values():
                chart.set_visibility(False)
        elif page.look.tab == "curves":
            others = sorted(name for name, path in desk.runs().items() if path != following.path)
            now = NONE if desk.other is None else desk.other.path.name
            beside.set_options(
                [NONE, *dict.fromkeys([*others, now] if now != NONE else others)], value=now
            )
            if not state["drawing"]:
                state["drawing"] = True
                page.later(draw)

    async def draw() -> None:
        try:
            while page.there and (key := wanted()) != state["drawn"]:
                options = await page.in_thread(partial(options_of, *key[:-1]), "curves")
                state["drawn"] = key
                if options is not None:
                    with page.client:
                        put(options)
                    await page.settled()
        finally:
            state["drawing"] = False

    def wanted() -> Any:
        following = desk.following
        if following is None:
            return state["drawn"]
        return following, desk.other, page.now.step, following.step, page.dark, desk.running

    def put(options: dict[str, Any]) -> None:
        for name, chart in shown.items():
            found = options.get(name)
            chart.set_visibility(found is not None)
            if found is not None:
                chart.options.clear()
                chart.options.update(found)
                chart.update()

    page.panels.append(update)


def options_of(
    following: OpenedRun, other: OpenedRun | None, step: int, last: int, dark: bool
) -> dict[str, Any]:
    """Return the charts of a run up to its last step, with another one beside it, or None."""
    beside = None if other is None else seen(other)
    return charts.options(seen(following), step, beside, dark=dark)


def seen(following: OpenedRun) -> charts.Seen:
    """Return what a run showed so far, with the scores that were measured of its states."""
    following.scoring.measure()
    return charts.seen(following.run, following.scoring.points, now=following.so_far())
