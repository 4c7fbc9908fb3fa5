"""The drawing of a network as a widget, by anywidget: `network.js` and what it is told.

`view` is what is drawn (`drawing.view`), `lit` the parts that stand out for now, `gesture` what was done
last, and `answer` HTML below the drawing. Nothing is loaded from another host.
"""

from pathlib import Path

import anywidget
import traitlets

from whygrad.show.palette import style

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
    gesture = traitlets.Dict().tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)
