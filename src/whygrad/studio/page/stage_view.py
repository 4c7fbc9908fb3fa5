"""The stage on the page: where it is mounted, the ways to panels, and what it asks Python for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nicegui import ui

from whygrad.errors import InputError
from whygrad.studio.film.bundle import bundle, styles
from whygrad.studio.film.film import film
from whygrad.studio.page import fork_dialog
from whygrad.studio.page.first_page import TABS
from whygrad.studio.page.page import Page
from whygrad.studio.session.controls import smaller_rate
from whygrad.studio.session.subject import Chosen

CONNECTED = """window.wgStudio.connected(document.getElementById('wg-place'),
  (...words) => emitEvent('wg-stage', words))"""


def build(page: Page) -> None:
    """Lay out the place of the stage, and hear what it asks for."""
    # All of it is in the page itself, and begins before the page around it is made.
    script = f"{bundle('studio')}\nwindow.wgStudio = $studio.openStudio();"
    # A first page has that stage already, and lays the rest of this one around it.
    ui.add_head_html(
        f'<style data-stage>{styles()}</style><script data-stage type="module">{script}</script>'
    )
    ui.element("div").props('id="wg-place"')
    session = page.session
    done: dict[str, Callable[..., None]] = {
        "panel": partial(show_panel, page),
        "looked": lambda about: look(page, about),
        "go": lambda: page.do(session.go),
        "pause": lambda: page.do(session.pause),
        "step": lambda: page.do(partial(session.go, "step")),
        "epoch": lambda: page.do(partial(session.go, "epoch")),
        "speed": lambda steps: page.do(lambda: session.set_speed(steps or None)),
        "edit": lambda kind, layer: page.do(lambda: session.edit(kind, layer)),
        "reset": lambda: page.do(session.reset),
        "run": lambda name: page.do(lambda: session.open(session.runs_by_name(name)), "run"),
        "why": lambda about: page.show(tab="why", question="", **looked_at(page, about)),
        "wrong": lambda about: page.show(
            tab="why", **looked_at(page, about) | {"part": "", "question": "learning"}
        ),
        "askFork": lambda about: fork_dialog.ask(page, int(about["step"])),
        "cure": lambda: page.do(lambda: cure(page)),
        "fork": lambda about: fork(page, about),
    }

    def hear(event: Any) -> None:
        what, *about = event.args
        if what in done:
            with page.client:
                done[what](*about)

    ui.on("wg-stage", hear)
    page.client.on_connect(lambda: page.client.run_javascript(CONNECTED))


def build_ways(page: Page) -> None:
    """Lay out the ways from the stage to the panels, in the header."""
    with ui.element("nav").classes("wg-ways").props('aria-label="Panels"'):
        for tab, name in TABS.items():
            way = ui.button(name, color=None, on_click=partial(to_panel, page, tab))
            way.props("flat dense no-caps text-color=white")
        share = ui.button("Share", color=None, on_click=partial(share_film, page))
        share.props("flat dense no-caps text-color=white")


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
    """Open a panel beside the stage, or close it where it is open; it asks about what the stage shows."""
    if page.look.panel and page.look.tab == tab:
        show_panel(page, "")
        return
    about = await page.client.run_javascript("window.wgStudio?.where() ?? null")
    show_panel(page, tab, page.look.question, about)


def show_panel(
    page: Page, tab: str, question: str = "", about: dict[str, Any] | None = None
) -> None:
    """Open a panel beside the stage, about what that shows; "" closes it."""
    if tab in TABS:
        page.show(tab=tab, question=question, **({} if about is None else looked_at(page, about)))
    elif page.look.panel:
        page.show(panel=False)


def look(page: Page, about: dict[str, Any]) -> None:
    """Follow the stage to what it shows now; a question that is asked with many examples stays so."""
    found = looked_at(page, about)
    if page.look.chosen.which != "one":
        del found["chosen"]
    page.show(**found)


def looked_at(page: Page, about: dict[str, Any]) -> dict[str, Any]:
    """Return what the stage shows as what the page looks at; at the latest step it follows the training."""
    chosen = page.shown_example = Chosen(str(about["of"]), "one", int(about["index"]))
    step = None if about.get("latest") else int(about["step"])
    counted = int(about.get("counted") == 1)
    return {"step": step, "chosen": chosen, "part": str(about["part"]), "counted": counted}


def cure(page: Page) -> None:
    """Train again from the start of a run that diverged, with a smaller learning rate."""
    opened_run = page.session.opened_run
    rate = None if opened_run is None else smaller_rate(opened_run.run)
    if opened_run is not None and rate is not None:
        page.session.fork(opened_run.run.start, learning_rate=rate)


def fork(page: Page, about: dict[str, Any]) -> None:
    """Train on from a step with the parameters that were set and the points that were painted by hand."""
    edits = {int(index): float(value) for index, value in about["edits"]}
    painted = [[float(value) for value in one] for one in about["painted"]]
    page.do(lambda: page.session.fork_by_hand(int(about["step"]), edits, painted))
