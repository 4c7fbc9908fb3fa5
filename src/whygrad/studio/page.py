"""The page of the studio: for now it says what is open."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nicegui import ui

if TYPE_CHECKING:
    from whygrad.record import Run
    from whygrad.training import Fitted


@dataclass(frozen=True)
class Desk:
    """What the tabs look at."""

    run: "Run | Fitted | None"
    folder: Path

    def close(self) -> None:
        """End all that was started."""


def open_desk(run: "Run | Fitted | None", folder: Path) -> Desk:
    """Give the desk for a run, or an empty one."""
    return Desk(run, folder)


def build(desk: Desk) -> None:
    """Make the page of one tab."""
    with ui.element("main"):
        ui.html("<h1>whygrad studio</h1>", sanitize=False)
        ui.label(repr(desk.run) if desk.run is not None else "no run is open")
