"""The stage on the page: where it is mounted, the ways to panels, and what it asks Python for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nicegui import ui

from whygrad.errors import InputError
from whygrad.studio.film.film import film
from whygrad.studio.page.page import Page
from whygrad.studio.session.subject import Chosen

WAYS = {"data": "Data", "runs": "Runs", "network": "Network", "curves": "Curves", "why": "Why"}
TABS = (*WAYS, "motion")
# A page of the drawing has no stage, and a page that is connected anew has one already.
MOUNT = """(async () => {
  const tell = (...words) => emitEvent('wg-stage', words);
  if (/(^#|&)view=drawing(&|$)/.test(location.hash)) return tell('view', 'drawing');
  if (window.wgStudio) return window.wgStudio.again();
  const { openStudio } = await import('/stage/browser/studio.js');
  window.wgStudio = openStudio(document.getElementById('wg-theatre'), tell);
})()"""
TO_DRAWING = "window.wgStudio?.close(); history.replaceState(null, '', '#view=drawing')"
TO_STAGE = "history.replaceState(null, '', location.pathname);"
PAINTED = "Painted points stay on the page: a run goes on with the examples that it has recorded."


def build(page: Page) -> None:
    """Lay out the place of the stage, and hear what it asks for."""
    for sheet in ("stage", "motion"):
        ui.add_head_html(f'<link rel="stylesheet" href="/stage/browser/{sheet}.css">')
    ui.element("section").props('id="wg-theatre" aria-label="The stage"')
    ui.element("div").classes("wg-beside").on("click", lambda: show_panel(page, ""))
    done: dict[str, Callable[..., None]] = {
        "view": lambda view: page.show(view=view),
        "none": lambda why: no_stage(page, why),
        "panel": partial(show_panel, page),
        "ready": lambda: begin(page),
        "go": lambda: page.do(page.session.go),
        "pause": lambda: page.do(page.session.pause),
        "run": lambda name: page.do(lambda: page.session.open(page.session.runs_by_name(name))),
        "why": lambda about: ask(page, about),
        "fork": lambda about: fork(page, about),
    }
    ui.on("wg-stage", lambda e: done[e.args[0]](*e.args[1:]) if e.args[0] in done else None)
    page.client.on_connect(lambda: page.client.run_javascript(MOUNT))


def build_ways(page: Page) -> None:
    """Lay out the ways from the stage to the panels, in the header."""
    with ui.element("nav").classes("wg-ways").props('aria-label="Panels"'):
        for tab, name in WAYS.items():
            way = ui.button(name, color=None, on_click=partial(to_panel, page, tab))
            way.props("flat dense no-caps text-color=white")
        share = ui.button("Share", color=None, on_click=partial(share_film, page))
        share.props("flat dense no-caps text-color=white")
    other = ui.button("Drawing", color=None, on_click=partial(switch, page)).props(
        "flat dense no-caps text-color=white"
    )

    def update() -> None:
        other.set_text("Drawing" if page.look.view == "stage" else "Stage")

    page.panels.append(update)


def switch(page: Page) -> None:
    """Show the drawing of the network with its time bar in place of the stage, or the stage again."""
    to_stage = page.look.view == "drawing"
    page.show(view="stage" if to_stage else "drawing", panel=False)
    ui.run_javascript(TO_STAGE + MOUNT if to_stage else TO_DRAWING)


async def share_film(page: Page) -> None:
    """Make a film of the run that is shown, and hand it to the browser as a file."""
    opened_run = page.session.opened_run

    def work() -> bytes:
        if opened_run is None:
            raise InputError("nothing is recorded yet to share: start the training first")
        if not opened_run.rows():
            raise InputError(opened_run.notice)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "film.html"
            film(opened_run.run, path)
            return path.read_bytes()

    content = await page.working_on(work, "film")
    if content is not None and opened_run is not None:
        ui.download.content(content, f"{opened_run.path.stem}.html")


async def to_panel(page: Page, tab: str) -> None:
    """Open a panel over the stage, or close it where it is open; it asks about what the stage shows."""
    if page.look.panel and page.look.tab == tab:
        show_panel(page, "")
        return
    about = await page.client.run_javascript("window.wgStudio?.where() ?? null")
    if about is not None:
        page.show(tab=tab, **looked_at(about))
    else:
        page.show(tab=tab)


def show_panel(page: Page, tab: str, question: str = "") -> None:
    """Open a panel over the stage; "" closes it."""
    if tab in TABS:
        page.show(tab=tab, question=question)
    elif page.look.panel:
        page.show(panel=False)


def no_stage(page: Page, why: str) -> None:
    """Show the drawing where there can be no stage."""
    page.show(view="drawing")
    page.tell(f"There is no stage of this, but its drawing: {why:.200}", "stage")


def begin(page: Page) -> None:
    """Start the training of a studio that was opened without a run, so that there is something to see."""
    if page.session.first_look():
        page.do(page.session.go)


def looked_at(about: dict[str, Any]) -> dict[str, Any]:
    """Return what the stage shows as what the page looks at."""
    chosen = Chosen(str(about["of"]), "one", int(about["index"]))
    return {"step": int(about["step"]), "chosen": chosen, "part": str(about["part"])}


def ask(page: Page, about: dict[str, Any]) -> None:
    """Ask the exact engine why, about the part that was clicked on the stage."""
    page.show(tab="why", question="", **looked_at(about))


def fork(page: Page, about: dict[str, Any]) -> None:
    """Train on from a step with the parameters that were set by hand."""
    edits = {int(index): float(value) for index, value in about["edits"]}
    step = int(about["step"])

    def work() -> None:
        if not edits and about["painted"]:
            raise InputError(PAINTED)
        page.session.fork_by_hand(step, edits)

    page.do(work)
