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
    session = page.session
    waiting = ui.label("Press Start: the curves are drawn while it learns.").classes("wg-note")
    beside = ui.select(
        [NONE], value=NONE, label="Compare with", on_change=lambda e: compare(e.value)
    )
    beside.props("dense outlined options-dense").classes("wg-wide")
    scored = ui.label().classes("wg-note")
    shown = {name: _chart() for name in charts.NAMES[:2]}
    holder = ui.column().classes("wg-wide")  # of the metrics, which each run has its own of
    shown |= {name: _chart() for name in charts.NAMES[2:]}
    state: dict[str, Any] = {"drawn": None, "drawing": False}

    def compare(name: str) -> None:
        now = NONE if session.other is None else session.other.path.name
        if name != now:
            page.do(
                lambda: session.compare(
                    None if name == NONE else confined(Path(name), session.folder)
                )
            )

    def update() -> None:
        opened_run = session.opened_run
        scored.set_text("" if opened_run is None else words_of(opened_run.run))
        waiting.set_visibility(opened_run is None)
        beside.set_visibility(opened_run is not None)
        if opened_run is None:
            for chart in shown.values():
                chart.set_visibility(False)
        elif page.look.tab == "curves":
            others = sorted(
                name for name, path in session.runs().items() if path != opened_run.path
            )
            now = NONE if session.other is None else session.other.path.name
            beside.set_options(
                [NONE, *dict.fromkeys([*others, now] if now != NONE else others)], value=now
            )
            if not state["drawing"]:
                state["drawing"] = True
                page.later(draw)

    async def draw() -> None:
        try:
            while page.there and (key := wanted()) != state["drawn"]:
                options = await page.in_thread(partial(_options_of, *key[:-1]), "curves")
                state["drawn"] = key
                if options is not None:
                    with page.client:
                        put(options)
                    await page.settled()
        finally:
            state["drawing"] = False

    def wanted() -> Any:
        opened_run = session.opened_run
        if opened_run is None:
            return state["drawn"]
        return opened_run, session.other, page.now.step, opened_run.step, page.dark, session.running

    def put(options: dict[str, Any]) -> None:
        with holder:
            shown.update({name: _chart() for name in options if name not in shown})
        for name, chart in shown.items():
            found = options.get(name)
            chart.set_visibility(found is not None)
            if found is not None:
                chart.options.clear()
                chart.options.update(found)
                chart.update()

    page.panels.append(update)


def _chart() -> ui.echart:
    return ui.echart({}).classes("wg-chart")


def _options_of(
    opened_run: OpenedRun, other: OpenedRun | None, step: int, last: int, dark: bool
) -> dict[str, Any]:
    """Return the charts of a run up to its last step, with another one beside it, or None."""
    beside = None if other is None else seen(other)
    return charts.options(seen(opened_run), step, beside, dark=dark)


def seen(opened_run: OpenedRun) -> charts.Seen:
    """Return what a run showed so far, with the scores that were measured of its states."""
    opened_run.scoring.measure()
    return charts.seen(opened_run.run, opened_run.scoring.points, now=opened_run.so_far())
