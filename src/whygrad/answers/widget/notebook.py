"""The drawing of a network in a notebook: a click on a part asks why, and the answer stands below.

Where no widget runs, in a notebook that is read later or a page made from it, there is the picture.
"""

from dataclasses import replace
from html import escape
from typing import Any, Protocol

from whygrad.answers.draw.palette import style
from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Ref
from whygrad.answers.pictures import NetworkPicture
from whygrad.answers.widget.view import read_gesture
from whygrad.answers.widget.view_state import ViewState
from whygrad.answers.widget.widget import NetworkWidget
from whygrad.answers.write.html import to_fragment
from whygrad.answers.write.still import picture_still
from whygrad.errors import WhygradError

AGAIN = "Click the same unit again for its blame: whose error it is."


class Asker(Protocol):
    """What answers clicks: a `Why`, on rows X and targets y."""

    def picture(self, X: Any = None) -> NetworkPicture:
        """Return the picture of the network as it is."""

    def weight(
        self, X: Any = None, y: Any = None, *, layer: int, to: Any, from_: Any
    ) -> Explanation:
        """Return why a weight would move."""

    def blame(self, X: Any = None, y: Any = None, *, layer: int, unit: Any) -> Explanation:
        """Return whose error a unit's is."""

    def neuron(self, X: Any = None, y: Any = None, *, layer: int, unit: Any) -> Explanation:
        """Return what one unit responds to."""


class NotebookWidget(NetworkWidget):
    """A network on examples, with the activity of its units and its weights; clicks ask why.

    A connection is asked for its `weight`, a unit what it is for (`neuron`), and when it is clicked again
    whose its error is (`blame`).

    Parameters
    ----------
    why : Why
        What answers the clicks.
    X, y : array-like
        The rows and targets that it is asked about, as its questions take them.

    Attributes
    ----------
    explanation : `Explanation` or None
        The last answer, None before the first click.
    """

    def __init__(self, why: Asker, X: Any = None, y: Any = None) -> None:
        super().__init__()
        self.explanation: Explanation | None = None
        self._asked = (why, X, y)
        self._standing = self._picture = why.picture(X)
        self._showing = ViewState()
        self._last = ""
        self.view = self._showing.view(self._standing)
        self.observe(self._act, "gesture")

    def __repr__(self) -> str:
        why = self._asked[0]
        return f"<NotebookWidget {why!r:.300}>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget, and the picture where none runs."""
        bundle, about = super()._repr_mimebundle_(**options) or ({}, {})
        still = (
            f'<div class="wg"><style>{style(page=True)}</style>{picture_still(self._picture)}</div>'
        )
        return bundle | {"text/html": still, "text/plain": repr(self)}, about

    def _act(self, change: Any) -> None:
        gesture = read_gesture(change["new"])
        if gesture is None:
            return
        if self._showing.act(gesture):
            self.view = self._showing.again()
        elif gesture.kind == "click" and gesture.ref is not None:
            self._click(gesture.ref)

    def _click(self, ref: Ref) -> None:
        part = ref.part
        again = part == self._last
        self._last = "" if again else part
        try:
            found = self._ask(ref, again)
        except WhygradError as error:
            self.answer = f'<p class="wg-wrong">{escape(str(error))}</p>'
            return
        networks = [one for one in found.pictures if isinstance(one, NetworkPicture)]
        others = tuple(one for one in found.pictures if not isinstance(one, NetworkPicture))
        self.explanation = found
        self._picture = networks[0] if networks else replace(self._standing, marked=(part,))
        self.view = self._showing.view(self._picture)
        # The network stands above already.
        self.answer = to_fragment(replace(found, pictures=others))

    def _ask(self, ref: Ref, again: bool) -> Explanation:
        why, X, y = self._asked
        l, j = ref.layer, ref.to
        if ref.from_ is not None:
            return why.weight(X, y, **ref.ends)
        if again:
            return why.blame(X, y, layer=l, unit=j)
        found = why.neuron(X, y, layer=l, unit=j)
        return replace(found, notes=(*found.notes, AGAIN))
