"""The network as a drawing that can be clicked: `network.js` draws the view that Python computes.

view        a picture → plain data for `network.js`; gestures read
view_state  which units are shown, how wide
widget      the element itself, by anywidget
notebook    the widget of a notebook: a click asks why

Door beside this one: `notebook`. It may import the rest of `answers`, and
anywidget only where a widget is made.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from whygrad.errors import InputError

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import Asker, NotebookWidget

__all__ = ["notebook_widget"]


def notebook_widget(why: "Asker", X: Any = None, y: Any = None) -> "NotebookWidget":
    """Return the drawing of a network for a notebook, to be clicked and asked why; see `Why.widget`.

    Parameters
    ----------
    why : Why
        What answers the clicks.
    X, y : array-like
        The rows and targets that it is asked about, as its questions take them.

    Raises
    ------
    InputError
        anywidget is not installed.
    """
    if find_spec("anywidget") is None:
        raise InputError('the widget needs anywidget: pip install "whygrad[notebook]"')
    from whygrad.answers.widget.notebook import NotebookWidget

    return NotebookWidget(why, X, y)
