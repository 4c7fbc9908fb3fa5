"""Beside the drawing of a network of two inputs: what it says everywhere, while it learns."""

from typing import Any

from nicegui import ui

from whygrad.studio.page.page import Page
from whygrad.studio.session import surface
from whygrad.studio.session.subject import Chosen, Subject


def build(page: Page) -> None:
    """Lay it out; other networks have none."""
    shown = ui.html("", sanitize=False).classes("wg-surface-view")
    state: dict[str, Any] = {"key": None}

    def update() -> None:
        if page.look.view == "stage":
            return
        subject, chosen = page.now, page.look.chosen
        there = surface.has_surface(subject.net)
        shown.set_visibility(there)
        page.stage.classes(**{"add" if there else "remove": "wg-two"})
        key = (id(subject.state), subject.step, id(subject.net), chosen)
        if there and key != state["key"]:
            state["key"] = key
            shown.set_content(_surface_of(subject, chosen).svg(alone=False))

    page.panels.append(update)


def _surface_of(subject: Subject, chosen: Chosen) -> surface.Surface:
    """Return what is drawn of a network with its examples."""
    found = subject.examples(chosen) if chosen.which == "one" else None
    encoding = subject.encoding
    scales, target = ((0.0, 1.0), (0.0, 1.0)), (0.0, 1.0)
    if encoding is not None:
        scales = encoding.scales[0], encoding.scales[1]
        target = encoding.target.center, encoding.target.scale
    return surface.Surface(
        subject.net,
        subject.theta,
        **{part: (rows.X, rows.Y) for part, rows in subject.parts.items()},
        names=subject.names,
        scales=scales,
        target=target,
        asked=None if found is None else found[0][0],
    )
