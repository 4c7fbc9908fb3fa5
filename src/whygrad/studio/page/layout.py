"""The layout of the page: the stage fills it, and panels slide in beside it."""

from collections.abc import Callable
from pathlib import Path

from nicegui import ui

from whygrad.studio.page import (
    asked_with,
    curves_panel,
    data_panel,
    network_panel,
    stage_view,
    why_panel,
)
from whygrad.studio.page.first_page import TABS
from whygrad.studio.page.page import Page
from whygrad.studio.session.session import Session

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
        ui.button(icon="contrast", color=None, on_click=page.switch).props(
            'flat round dense text-color=white aria-label="Light or dark"'
        )
    page.working = ui.linear_progress(show_value=False).classes("wg-working")
    page.working.props('indeterminate aria-label="Working"').set_visibility(False)
    with ui.element("main").classes("wg-page") as page.main:
        stage_view.build(page)
        with ui.element("section").classes("wg-right").props('aria-label="Panel"'):
            _panels(page)
    page.message = ui.label().classes("wg-message").props('role="alert"')
    page.message.set_visibility(False)
    ui.timer(TICK, page.tick)


def _panels(page: Page) -> None:
    panels: dict[str, Callable[[Page], None]] = {
        "data": data_panel.build,
        "runs": data_panel.build_runs,
        "network": network_panel.build,
        "curves": curves_panel.build,
        "why": why_panel.build,
    }
    with ui.row().classes("wg-line"):
        page.heading = ui.label().classes("wg-panel-title").props('role="heading" aria-level="2"')
        ui.space()
        close = ui.button(icon="close", on_click=lambda: page.show(panel=False))
        close.props('flat round dense aria-label="Close the panel"')
    with ui.tab_panels(value=page.look.tab, animated=False).classes("wg-panels") as page.tabs:
        for name in TABS:
            with ui.tab_panel(name):
                if name == "why":
                    asked_with.build(page)
                panels[name](page)
