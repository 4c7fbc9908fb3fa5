"""The stage in a notebook: a film in a frame of its own, and images where no frame is shown.

A notebook that nobody trusts yet, and a site that shows notebooks, leave frames and style sheets out: there
the images are seen, of the network and its cost. A frame keeps keys, colours and scripts to itself, so
several stages can stand on one page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from whygrad.answers.cards import cost_picture
from whygrad.answers.draw.palette import within
from whygrad.answers.names import names_of
from whygrad.answers.pictures import Picture
from whygrad.answers.write.still import picture_still
from whygrad.errors import InputError
from whygrad.nn import forward
from whygrad.studio.film.film import film_page
from whygrad.studio.film.recording import EXAMPLES, opened, parts_of
from whygrad.why.gradient.unrolled import activities

SIZE = 2.0  # MB that a stage adds to a notebook, unless asked otherwise
HEIGHT = 640  # pixels of its frame, unless asked otherwise
LOWEST, HIGHEST = 560, 2_000  # lower, a stage would have to be scrolled
MOST_WRONG = "The network, in the example it gets most wrong"
# Images are for where this style sheet is left out, and with it the frame that follows them. What is in a
# frame prefers the colours that the frame is said to have: those of the notebook.
STYLE = (
    "<style>.wg-stills:has(+ .wg-framed){display:none}"
    ".wg-framed{border:0;width:100%;display:block}"
    + "".join(f"{within(one, '.wg-framed')}{{color-scheme:{one}}}" for one in ("light", "dark"))
    + "</style>"
)
# The frame has no origin: it reaches neither the notebook around it nor its server.
ALLOWED = 'sandbox="allow-scripts allow-modals" allow="fullscreen"'


@dataclass(frozen=True)
class Stage:
    """A recorded training or a trained network, as a notebook shows it; see `whygrad.stage`.

    Parameters
    ----------
    title : str
        What it is of.
    page : str
        The film, as a page.
    stills : tuple of Picture
        What is seen where no film can be played.
    height : int
        Pixels of the frame.
    """

    title: str
    page: str
    stills: tuple[Picture, ...]
    height: int

    def __repr__(self) -> str:
        return f"<Stage of {self.title}, {len(self.page) / 1e6:.2f} MB>"

    def _repr_html_(self) -> str:
        images = "".join(f"<p>{picture_still(one)}</p>" for one in self.stills)
        page = self.page.replace("&", "&amp;").replace('"', "&quot;")
        return (
            f'{STYLE}<div class="wg wg-stills">{images}</div>'
            f'<iframe class="wg-framed" title="{escape(self.title)}" height="{self.height}" {ALLOWED} '
            f'srcdoc="{page}"></iframe>'
        )


def stage(
    x: Any,
    X: Any = None,
    y: Any = None,
    *,
    examples: int = EXAMPLES,
    size: float = SIZE,
    height: int = HEIGHT,
    title: str = "",
) -> Stage:
    """Return the stage for a notebook: a training plays in the output of a cell, is scrubbed and clicked.

    It is what `film` writes, within the notebook: it needs no server, no kernel and no request, also where
    the notebook is opened later. Until that is trusted, and on sites that show notebooks, images of the
    network and its cost are there.

    Parameters
    ----------
    x : Run, Fitted, Model, estimator, str or path
        A recorded run or its folder; or a trained network, also one from elsewhere, as it stands.
    X, y : rows and targets, optional
        Examples for a network that is no run, as its `why` takes them; a run has its own.
    examples : int, default 40
        How many examples to carry: the most wrong, and some of each class.
    size : float, default 2
        How much it may add to the notebook, in MB.
    height : int, default 640
        The height of its frame in pixels, from 560 to 2,000.
    title : str, optional
        A title; by default the run's name.

    Returns
    -------
    Stage
        Shown at the end of a cell.

    Raises
    ------
    InputError
        For functions of the user's own, which a browser cannot compute, and where not even two states fit.
    FileError
        For a run that cannot be opened.

    Examples
    --------
    >>> import whygrad as wg
    >>> net = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> shown = wg.stage(wg.Fitted(net, net.init()), [[0, 1], [1, 1]], [1, 0])
    >>> shown.title, shown.height, len(shown.stills)
    ('2-2-1', 640, 1)
    """
    if isinstance(height, bool) or not isinstance(height, int) or not LOWEST <= height <= HIGHEST:
        raise InputError(
            f"height is {height!r}: it must be a whole number of pixels from {LOWEST} to {HIGHEST:,}"
        )
    x = opened(x)
    about, page = film_page(x, X, y, examples=examples, size=size, title=title)
    return Stage(about["title"], page, tuple(_stills(x, X, about)), height)


def _stills(x: Any, X: Any, about: Mapping[str, Any]) -> Iterator[Picture]:
    """Return the network on examples, where there are any, and of a run its cost.

    Of a run it is the example that the film opens with, that which the network gets most wrong.
    """
    from whygrad.interop import explain

    why = explain(x).why
    if not hasattr(x, "first_plan"):
        if X is not None:
            yield why.picture(X)
        return
    if about["examples"]:
        part, row = (
            about["examples"][name][about["examples"]["start"]] for name in ("part", "rows")
        )
        one = parts_of(x)[0][part].at(np.array([row]))
        a = forward(x.net, x.theta, one.X).a
        names = names_of(x.net, why.names)
        yield activities(x.net, x.theta, a, names, MOST_WRONG, targets=one.Y[0])
    if len(x.history.epochs) > 1:
        yield cost_picture(x.history)
