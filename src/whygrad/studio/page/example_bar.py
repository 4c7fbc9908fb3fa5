"""Which examples are asked about: one, a class, or all, of the training, validation or test rows."""

from dataclasses import replace
from typing import Any

from nicegui import ui

from whygrad.studio.page.page import Page

WHICH = {"one": "one example", "class": "a class", "all": "all"}


def build(page: Page) -> None:
    """Lay out the choice of examples."""

    def choose(**changes: Any) -> None:
        page.show(chosen=replace(page.look.chosen, **changes), frame=0)

    with ui.row().classes("wg-examples"):
        part = ui.select(["training"], value="training", on_change=lambda e: choose(part=e.value))
        part.props('dense options-dense borderless aria-label="Which part of the data"')
        which = ui.select(WHICH, value="one", on_change=lambda e: choose(which=e.value, index=0))
        which.props('dense options-dense borderless aria-label="One example, a class, or all"')
        before = ui.button(icon="chevron_left", on_click=lambda: go(-1))
        before.props('flat dense round aria-label="The example before"')
        number = ui.number(value=0, min=0, precision=0, on_change=lambda e: pick(e.value, "one"))
        number.props('dense borderless aria-label="Number of the example"').classes("wg-number")
        after = ui.button(icon="chevron_right", on_click=lambda: go(1))
        after.props('flat dense round aria-label="The next example"')
        classes = ui.select({0: ""}, value=0, on_change=lambda e: pick(e.value, "class"))
        classes.props('dense options-dense borderless aria-label="Which class"')
        truth = ui.label().classes("wg-truth")

    def go(by: int) -> None:
        pick((number.value or 0) + by, "one")

    def pick(index: Any, which: str) -> None:
        """Choose an example or a class; the field of the other, which follows, chooses nothing."""
        now = page.look.chosen
        if index is not None and now.which == which and now.index != int(index):
            choose(index=max(0, int(index)))

    def update() -> None:
        subject, chosen = page.now, page.look.chosen
        rows = subject.rows(chosen.part)
        for element in (part, which, before, number, after, classes):
            element.set_visibility(rows is not None)
        if rows is None:
            truth.set_text("no data")
            return
        parts = list(subject.parts)
        part.set_options(parts, value=chosen.part if chosen.part in parts else parts[0])
        shown = WHICH if subject.labels else {k: v for k, v in WHICH.items() if k != "class"}
        which.set_options(shown, value=chosen.which if chosen.which in shown else "all")
        one = chosen.which == "one"
        for element in (before, number, after):
            element.set_visibility(one)
        index = int(subject.indices(chosen)[0]) if one else 0
        number.max = len(rows) - 1
        number.set_value(index)
        classes.set_visibility(chosen.which == "class")
        if subject.labels:
            classes.set_options(
                dict(enumerate(subject.labels)), value=min(chosen.index, len(subject.labels) - 1)
            )
        truth.set_text(
            subject.truth(rows, index)
            if one
            else subject.said(chosen)
            if chosen.which == "all"
            else ""
        )

    page.panels.append(update)
