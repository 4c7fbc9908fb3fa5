"""The drawing of a network on a page of the studio.

Gestures come as events of the element, since the traits of a widget all go back with every one of them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from nicegui import ui

from whygrad.answers.pictures import NetworkPicture
from whygrad.answers.widget.view import Gesture, View, read_gesture
from whygrad.answers.widget.view_state import ViewState
from whygrad.answers.widget.widget import NetworkWidget

# NiceGUI lets every event wait by itself while there is no connection, and the last may be sent first.
IN_ORDER = """(event) => {
  const queue = event.target;
  queue.told = (queue.told ?? Promise.resolve()).then(async () => {
    while (!window.did_handshake) await new Promise((done) => setTimeout(done, 10));
    emit(event);
  });
}"""


class Canvas:
    """A drawing on a page: `draw` a picture, or `show` a view; `light` parts.

    Gestures go to the function given, but for those that concern the drawing alone (more and fewer units,
    a narrow window) where pictures are drawn; who shows views answers them as well, and makes the views
    `narrow` where the window is.
    """

    def __init__(self, first: View | NetworkPicture, act: Callable[[Gesture], Any]) -> None:
        self._act = act
        self.narrow = False
        self._showing: ViewState | None = None
        if isinstance(first, NetworkPicture):
            self._showing = ViewState()
            first = self._showing.view(first)
        self._first = first
        self.widget = NetworkWidget(view=first)
        self.element = ui.anywidget(self.widget).classes("full-width")
        self.element.on("gesture.prevent", self._handle, ["detail"], js_handler=IN_ORDER)

    def draw(
        self, picture: NetworkPicture, *, editable: bool = False, lit: Iterable[str] = ()
    ) -> None:
        """Draw a picture in place of the one before, with the same units where it has the same layers."""
        self._showing = self._showing or ViewState()
        self.widget.view = self._showing.view(picture, editable=editable, lit=lit)

    def show(self, view: View) -> None:
        """Draw a view in place of the one before."""
        self._showing = None
        self.widget.view = view

    def light(self, parts: Iterable[str]) -> None:
        """Light up parts, and no others."""
        self.widget.lit = list(parts)

    def choose_again(self) -> None:
        """Choose the most important units anew with the next picture."""
        if self._showing:
            self._showing.choose_again()

    def _handle(self, event: Any) -> Any:
        given = event.args.get("detail") if isinstance(event.args, dict) else None
        if isinstance(given, dict) and given.get("kind") == "ready":
            return self._ready()
        gesture = read_gesture(given)
        if gesture is None:
            return None
        if gesture.kind in ("narrow", "wide"):
            self.narrow = gesture.kind == "narrow"
        if self._showing and self._showing.act(gesture):
            self.widget.view = self._showing.again()
            return None
        return self._act(gesture)

    def _ready(self) -> None:
        """Draw what is to be seen now, where the page has made the drawing anew from its first view."""
        if self.widget.view is not self._first:
            self.element.run_method("update_trait", "view", self.widget.view)
        if self.widget.lit:
            self.element.run_method("update_trait", "lit", self.widget.lit)
