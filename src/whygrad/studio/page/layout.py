"""The layout of the page: the stage with panels that slide over it, or the drawing with them beside it."""

from collections.abc import Callable
from pathlib import Path

from nicegui import ui

from whygrad.answers.widget.view import view
from whygrad.studio.page import (
    curves_panel,
    data_panel,
    example_bar,
    motion_panel,
    network_panel,
    stage_view,
    surface_view,
    time_bar,
    why_panel,
)
from whygrad.studio.page.canvas import Canvas
from whygrad.studio.page.page import EMPTY, Page
from whygrad.studio.session.session import Session
from whygrad.studio.session.subject import EDGES

STYLE = Path(__file__).with_name("page.css")
# Tell how the browser shows the page, now and whenever that changes. And screen readers are to hear of a
# slider from what has the focus: Quasar gives its name and number to what lies around that.
WINDOW = """(() => { const dark = matchMedia('(prefers-color-scheme: dark)');
const narrow = matchMedia('(max-width: 500px)');
const tell = () => emitEvent('wg-window', [dark.matches, narrow.matches]);
dark.onchange = tell; narrow.onchange = tell; tell();
if (window.wgSliders) return;
window.wgSliders = true;
const said = ['aria-label', 'aria-valuemin', 'aria-valuemax', 'aria-valuenow', 'aria-disabled'];
const name = () => document.querySelectorAll('.q-slider').forEach((slider) => {
  const inner = slider.querySelector('[tabindex]');
  for (const key of said) {
    const value = slider.getAttribute(key);
    if (inner && value !== null && inner.getAttribute(key) !== value) inner.setAttribute(key, value);
  }
  if (inner && inner.role !== 'slider') { inner.role = 'slider'; slider.role = 'group'; }
});
new MutationObserver(name).observe(document.body, {subtree: true, childList: true, attributeFilter: said});
name(); })()"""
TICK = 0.25  # seconds between two looks at a training


def build(session: Session) -> None:
    """Make the page of one tab."""
    page = Page(session)
    ui.add_css(STYLE.read_text(encoding="utf-8"))
    ui.page_title("whygrad studio")
    page.dark_mode = ui.dark_mode(None)
    ui.on("wg-window", lambda e: page.windowed(*map(bool, e.args)))
    page.client.on_connect(lambda: page.client.run_javascript(WINDOW))
    with ui.header().classes("wg-header"):
        ui.label("whygrad studio").classes("wg-brand").props('role="heading" aria-level="1"')
        page.title = ui.label().classes("wg-run")
        ui.space()
        stage_view.build_ways(page)
        page.status = ui.label().classes("wg-status").props('role="status" aria-live="polite"')
        ui.button(icon="contrast", color=None, on_click=page.switch).props(
            'flat round dense text-color=white aria-label="Light or dark"'
        )
    page.working = ui.linear_progress(show_value=False).classes("wg-working")
    page.working.props('indeterminate aria-label="Working"').set_visibility(False)
    with ui.element("main").classes("wg-page wg-on-stage") as page.main:
        stage_view.build(page)
        with ui.element("section").classes("wg-left").props('aria-label="The network"'):
            with ui.row().classes("wg-tools"):
                example_bar.build(page)
                ui.toggle(
                    dict(EDGES), value="weight", on_change=lambda e: page.show(edges=e.value)
                ).props('dense no-caps aria-label="What the connections show"')
            with ui.element("div").classes("wg-both") as page.stage:
                with ui.element("div").classes("wg-drawing") as page.room:
                    page.canvas = Canvas(view(EMPTY), page.gesture)
                surface_view.build(page)
            time_bar.build(page)
        with (
            ui.element("section").classes("wg-right").props('aria-label="Data, training, answers"')
        ):
            _tabs(page)
    page.message = ui.label().classes("wg-message").props('role="alert"')
    page.message.set_visibility(False)
    ui.timer(TICK, page.tick)
    page.refresh()


def _tabs(page: Page) -> None:
    panels: dict[str, tuple[str, Callable[[Page], None]]] = {
        "data": ("Data", data_panel.build),
        "runs": ("Runs", data_panel.build_runs),
        "network": ("Network", network_panel.build),
        "curves": ("Curves", curves_panel.build),
        "why": ("Why", why_panel.build),
        "motion": ("Slow motion", motion_panel.build),
    }

    def chosen(tab: str) -> None:
        if tab != page.look.tab:
            page.show(tab=tab)

    with ui.tabs(on_change=lambda e: chosen(e.value)).props(
        "dense no-caps inline-label narrow-indicator align=left"
    ) as page.tabs:
        for name, (title, _) in panels.items():
            ui.tab(name, label=title).classes(f"wg-tab-{name}")
    with ui.tab_panels(page.tabs, value="network", animated=False).classes("wg-panels"):
        for name, (_, build) in panels.items():
            with ui.tab_panel(name):
                build(page)
