"""The drawing of a network on a page of the studio.

Gestures come as events of the element, since the traits of a widget all go back with every one of them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from nicegui import ui

from whygrad.studio.drawing import Gesture, View, read_gesture
from whygrad.studio.widget import NetworkWidget


class Canvas:
    """A drawing on a page: `show` a view, `light` parts; gestures go to the function given."""

    def __init__(self, first: View, act: Callable[[Gesture], Any]) -> None:
        self._act = act
        self._first = first
        self.widget = NetworkWidget(view=first)
        self.element = ui.anywidget(self.widget).classes("full-width")
        self.element.on("gesture.prevent", self._handle, ["detail"])

    def show(self, view: View) -> None:
        """Draw a view in place of the one before."""
        self.widget.view = view

    def light(self, parts: Iterable[str]) -> None:
        """Light up parts, and no others."""
        self.widget.lit = list(parts)

    def _handle(self, event: Any) -> Any:
        given = event.args.get("detail") if isinstance(event.args, dict) else None
        if isinstance(given, dict) and given.get("kind") == "ready":
            if self.widget.view is not self._first:
                self.element.run_method("update_trait", "view", self.widget.view)
                self.element.run_method("update_trait", "lit", self.widget.lit)
            return None
        gesture = read_gesture(given)
        return None if gesture is None else self._act(gesture)
