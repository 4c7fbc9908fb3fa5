"""The drawing of a network as a widget, by anywidget: `network.js` and what it is told.

`view` is what is drawn (`view.view`), `lit` the parts that stand out for now, `gesture` what was done
last, and `answer` HTML below the drawing. Nothing is loaded from another host.

Gestures come as messages, since of a trait that changes twice before the kernel answers the first value is
never sent.
"""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from whygrad.answers.draw.palette import style

HERE = Path(__file__).parent


class NetworkWidget(anywidget.AnyWidget):
    """A network that can be pointed at and clicked.

    >>> NetworkWidget(lit=["2:1"]).lit
    ['2:1']
    """

    _esm = HERE / "network.js"
    _css = style(page=True) + "\n" + (HERE / "network.css").read_text(encoding="utf-8")

    view = traitlets.Dict().tag(sync=True)
    lit: traitlets.List[str] = traitlets.List().tag(sync=True)
    gesture = traitlets.Dict()
    answer = traitlets.Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._receive)

    def _receive(self, _: Any, content: Any, buffers: Any) -> None:
        self.gesture = content if isinstance(content, dict) else {}
