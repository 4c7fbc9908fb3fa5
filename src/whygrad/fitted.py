"""A trained network: its layers, parameters and history; it predicts, is asked why, saved and read back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from whygrad.engines.prediction import outputs
from whygrad.nn import Array, Network, Parameters
from whygrad.training import model_file
from whygrad.training.epochs import History

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.why.bound import Why


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Parameters
    ----------
    net : Network
        Its layers and cost.
    theta : Parameters
        Its weights and biases.
    history : History
        How the training went, epoch by epoch, and why it ended.
    """

    net: Network
    theta: Parameters
    history: History = field(default_factory=History)

    def __repr__(self) -> str:
        sizes = "-".join(str(units) for units in self.net.sizes)
        return f"<Fitted {sizes} {self.net.C.name}: {self.history!r}>"

    def predict(self, X: Any) -> Array:
        """Return the outputs a[L] for X, (n, n_L); a row's bits are the same alone and in any batch."""
        return outputs(self.net, self.theta, X)

    @property
    def why(self) -> "Why":
        """Ask why: `fitted.why.weight(X, y, layer=1, to=0, from_=2)`, and the other questions of `Why`.

        Penalties are not kept here: pass `l1` and `l2` with a question where training had them.
        """
        from whygrad.why.bound import Why  # SciPy is imported where it is needed only

        return Why(self.net, self.theta)

    def widget(self, X: Any, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click asks why, on inputs X and targets y. See `Why.widget`."""
        return self.why.widget(X, y)

    def save(self, path: str | PathLike[str]) -> None:
        """Write network, parameters and history to one safetensors file; `whygrad.load` reads it."""
        model_file.write(path, self.net, self.theta, self.history)


def load(path: str | PathLike[str], own: Sequence[Any] = ()) -> Fitted:
    """Read a trained network back; the parameters are bit for bit those that were saved.

    Parameters
    ----------
    path : str or path
        A file that `Fitted.save` wrote.
    own : sequence of Activation and Cost, optional
        Costs and activations of your own that the network uses: code is not stored, but asked for by name.

    Returns
    -------
    Fitted
        The trained network.

    Raises
    ------
    FileError
        For a file that is missing, damaged, of another kind or of a newer schema.
    """
    return Fitted(*model_file.read(path, own))
