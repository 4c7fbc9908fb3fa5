"""The state of one drawing of a network: which units it shows, whether it is narrow. Pictures become views.

Pictures that follow one another show the same units, so that none jumps while numbers change; what
concerns the drawing alone of a gesture is done here.
"""

from dataclasses import replace

from whygrad.answers.pictures import NetworkPicture
from whygrad.answers.widget.view import Gesture, Shown, View, choose, view


class ViewState:
    """What of a network is shown.

    >>> import numpy as np
    >>> ones = (np.ones(2), np.ones(40), np.ones(1))
    >>> edges = (None, np.ones((40, 2)), np.ones((1, 40)))
    >>> names = tuple(tuple(f"{l}:{j}" for j in range(len(one))) for l, one in enumerate(ones))
    >>> showing = ViewState()
    >>> [len(showing.view(NetworkPicture("t", ones, edges, names))["units"]) for _ in range(2)]
    [11, 11]
    >>> showing.act(Gesture("more", layer=1)), len(showing.again()["units"])
    (True, 43)
    """

    def __init__(self) -> None:
        self._more: frozenset[int] = frozenset()
        self._narrow = False
        self._shown: Shown = ()
        self._sizes: tuple[int, ...] = ()
        self._last: NetworkPicture | None = None

    def view(self, picture: NetworkPicture) -> View:
        """Return the view of a picture, with the units of before where the network has the same layers."""
        sizes = tuple(len(one) for one in picture.units)
        if sizes != self._sizes:
            self._sizes, self._shown = sizes, ()
            self._more = frozenset(l for l in self._more if l < len(sizes))
        self._last = picture
        return self.again()

    def again(self) -> View:
        """Return the view of the last picture, as the drawing stands now; {} before the first."""
        picture = self._last
        if picture is None:
            return {}
        if not picture.shown:
            self._shown = self._shown or choose(picture, self._more)
            picture = replace(picture, shown=self._shown)
        return view(picture, more=self._more, narrow=self._narrow)

    def act(self, gesture: Gesture) -> bool:
        """Do what concerns the drawing alone; return whether it is to be drawn `again`."""
        match gesture.kind, gesture.layer:
            case "more", int(layer):
                self._more |= {layer}
            case "less", int(layer):
                self._more -= {layer}
            case (("narrow" | "wide"), _):
                self._narrow = gesture.kind == "narrow"
                return True
            case _:
                return False
        self._shown = ()
        return True
