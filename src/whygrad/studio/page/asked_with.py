"""Which examples a question is asked with: the one on the stage, those of a class, or all of its part."""

from dataclasses import replace

from nicegui import ui

from whygrad.studio.page.page import Page

ONE, ALL = "one", "all"


def build(page: Page) -> None:
    """Lay out the choice, and what is chosen in words."""
    with ui.row().classes("wg-line"):
        which = ui.select({ONE: ""}, value=ONE, on_change=lambda e: choose(e.value))
        which.props('dense options-dense borderless aria-label="Asked with"')
        said = ui.label().classes("wg-note")

    def choose(value: str) -> None:
        chosen = page.look.chosen
        if value == _value(page):
            return
        if value == ONE:
            page.show(chosen=page.shown_example)
        elif value == ALL:
            page.show(chosen=replace(chosen, which="all"))
        else:
            page.show(chosen=replace(chosen, which="class", index=int(value)))

    def update() -> None:
        subject, chosen = page.now, page.look.chosen
        rows = subject.rows(chosen.part)
        which.set_visibility(rows is not None)
        classes = {str(c): f"all of {name}" for c, name in enumerate(subject.labels)}
        options = {ONE: "this example", **classes, ALL: f"all {chosen.part} examples"}
        which.set_options(options, value=_value(page) if _value(page) in options else ONE)
        said.set_text(subject.said(chosen) if rows is not None else "no data")

    page.panels.append(update)


def _value(page: Page) -> str:
    chosen = page.look.chosen
    return str(chosen.index) if chosen.which == "class" else chosen.which
