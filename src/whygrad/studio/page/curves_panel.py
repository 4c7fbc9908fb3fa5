"""The curves of the training: cost and score, gradients and updates by layer, dead and saturated units.

A click on a curve goes to that step; an area that is dragged over fills the chart; other runs stand beside.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from nicegui import events, ui

from whygrad.studio.page import charts
from whygrad.studio.page.page import Page
from whygrad.studio.session.opened_run import OpenedRun
from whygrad.studio.session.scoring import words_of

BESIDE = 8  # runs at most
PAUSE = (
    1.0  # seconds between two drawings of a training that goes on: the stage beside them is to flow
)
# What a click in a chart says: the step there, unless the mouse was dragged to it.
PRESSED = "(e) => { window.wgPressed = [e.clientX, e.clientY]; }"
STEP = """(e) => {
  const [x, y] = window.wgPressed || [e.clientX, e.clientY];
  const chart = getElement(ELEMENT).chart, at = [e.offsetX, e.offsetY];
  if (Math.hypot(e.clientX - x, e.clientY - y) < 4 && chart.containPixel('grid', at))
    emit(chart.convertFromPixel({xAxisIndex: 0}, at[0]));
}"""


def build(page: Page) -> None:
    """Lay out the charts; one that would be empty is not shown."""
    session = page.session
    waiting = ui.label("Press Start: the curves are drawn while it learns.").classes("wg-note")
    beside = ui.select(
        [], value=[], multiple=True, label="Compare with", on_change=lambda e: compare(e.value)
    )
    beside.props(f"dense outlined options-dense use-chips max-values={BESIDE}").classes("wg-wide")
    with ui.row().classes("wg-line") as smoothing:
        ui.label("Smoothing:")
        by = ui.slider(min=0, max=0.99, step=0.01, value=0, on_change=page.refresh)
        by.props('label aria-label="Smoothing"').classes("wg-wide")
    hint = "Click a curve to go to that step; to zoom, hold Ctrl and turn the wheel."
    hinted = ui.label(hint).classes("wg-note")
    scored = ui.label().classes("wg-note")
    shown = {name: _chart(page) for name in charts.NAMES[:2]}
    holder = ui.column().classes("wg-wide")  # of the metrics, which each run has its own of
    shown |= {name: _chart(page) for name in charts.NAMES[2:]}
    state: dict[str, Any] = {"drawn": None, "drawing": False, "of": None}

    def named() -> list[str]:
        return [one.path.name for one in session.others]

    def compare(names: list[str]) -> None:
        if names != named():
            page.do(partial(session.compare, *map(Path, names)))

    def update() -> None:
        opened_run = session.opened_run
        scored.set_text("" if opened_run is None else words_of(opened_run.run))
        waiting.set_visibility(opened_run is None)
        for one in (beside, smoothing, hinted):
            one.set_visibility(opened_run is not None)
        if opened_run is None:
            for chart in shown.values():
                chart.set_visibility(False)
        elif page.sees("curves"):
            others = sorted(
                name for name, path in session.runs().items() if path != opened_run.path
            )
            beside.set_options(list(dict.fromkeys([*others, *named()])), value=named())
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
                        put(options, key[0])
                    await page.settled()
                if session.running:
                    await asyncio.sleep(PAUSE)
        finally:
            state["drawing"] = False

    def wanted() -> Any:
        opened_run = session.opened_run
        if opened_run is None:
            return state["drawn"]
        step, last = page.now.step, opened_run.step
        return opened_run, session.others, step, last, page.dark, by.value, session.running

    def put(options: dict[str, Any], of: OpenedRun) -> None:
        with holder:
            shown.update({name: _chart(page) for name in options if name not in shown})
        another, state["of"] = state["of"] is not None and state["of"] is not of, of
        for name, chart in shown.items():
            found = options.get(name)
            chart.set_visibility(found is not None)
            if found is not None:
                if another:  # whose steps are others: nothing of it is to be cut off
                    found["dataZoom"][0] |= {"start": 0, "end": 100}
                chart.options.clear()
                chart.options.update(found)
                chart.update()

    page.panels.append(update)


def _chart(page: Page) -> ui.echart:
    """Return an empty chart, of which a click goes to the step that it lies at."""

    def go(event: events.GenericEventArguments) -> None:
        if isinstance(event.args, int | float):
            page.go_to(max(0, round(event.args)))

    chart = ui.echart({}).classes("wg-chart")
    chart.on("mousedown", js_handler=PRESSED)
    chart.on("click", go, js_handler=STEP.replace("ELEMENT", str(chart.id)))
    return chart


def _options_of(
    opened_run: OpenedRun,
    others: tuple[OpenedRun, ...],
    step: int,
    last: int,
    dark: bool,
    smoothing: float,
) -> dict[str, Any]:
    """Return the charts of a run up to its last step, with others beside it."""
    beside = [seen(other) for other in others]
    return charts.options(seen(opened_run), step, beside, dark=dark, smoothing=smoothing)


def seen(opened_run: OpenedRun) -> charts.Seen:
    """Return what a run showed so far, with the scores that were measured of its states."""
    opened_run.scoring.measure()
    return charts.seen(opened_run.run, opened_run.scoring.points, now=opened_run.so_far())
