"""An answer as data, with the doors to its forms: text, LaTeX, MathML, SVG, HTML, plain data for JSON.

Nothing is computed there: what is shown was in the answer.
"""

from dataclasses import dataclass
from typing import Any

from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.parts import Answer
from whygrad.answers.write.data import to_dict
from whygrad.answers.write.html import to_fragment, to_html
from whygrad.answers.write.latex import to_latex
from whygrad.answers.write.mathml import to_mathml
from whygrad.answers.write.text import to_text
from whygrad.errors import InputError


@dataclass(frozen=True, eq=False)
class Explanation(Answer):
    """The answer to one question about a network: the data of `Answer`, and how to see them.

    `print(explanation)` writes it as text, a notebook shows it as a page. The parameters are those of
    `Answer`: `value`, `terms`, `residuals`, `equations`, `tables`, `pictures`, `arrays`, `notes` and so on.

    Notes
    -----
    value = Σ terms + Σ residuals, and both sides are computed independently of each other.

    Examples
    --------
    >>> from whygrad.answers.parts import Term
    >>> found = Explanation("weight", "Why?", "", 0.5, (Term("petal width", 0.75), Term("bias", -0.25)))
    >>> print(found)
    Why?
    <BLANKLINE>
      adds up to the value
      petal width             0.75
      bias                   -0.25
      value                    0.5
    """

    def __str__(self) -> str:
        return to_text(self)

    __repr__ = __str__  # so that a bare prompt shows the answer as well

    def to_dict(self, limit: int | None = 10_000) -> dict[str, Any]:
        """Return the answer as plain data for JSON, with None for what is not finite.

        Parameters
        ----------
        limit : int or None
            An array of more numbers is given by its shape and its 100 largest entries; None lists all.

        Returns
        -------
        dict of the fields of `Answer`: dictionaries, lists, text, finite numbers and None.

        Examples
        --------
        >>> Explanation("weight", "Why?", "", 0.5).to_dict()["value"]
        0.5
        """
        return to_dict(self, limit)

    def latex(self) -> str:
        r"""Return the equations as LaTeX (amsmath), to stand within `$$`; a table where there are none.

        Examples
        --------
        >>> Explanation("weight", "Why?", "Nothing.").latex()
        '\\text{Nothing.}'
        """
        return to_latex(self)

    def mathml(self) -> str:
        """Return the equations as one MathML element; `data-part` names the part a term speaks of.

        Examples
        --------
        >>> Explanation("weight", "Why?", "Nothing.").mathml()[:5]
        '<math'
        """
        return to_mathml(self)

    def svg(self, index: int = 0) -> str:
        """Return a picture as an SVG that stands alone.

        Parameters
        ----------
        index : int
            Which of `pictures`, from 0.

        Raises
        ------
        InputError
            There is no such picture.

        Examples
        --------
        >>> import numpy as np
        >>> from whygrad.answers.pictures import BarPicture
        >>> bars = BarPicture("Change", "change", ("petal width",), np.array([0.5]))
        >>> Explanation("neuron", "Why?", "", pictures=(bars,)).svg()[:4]
        '<svg'
        """
        if not 0 <= index < len(self.pictures):
            count = len(self.pictures)
            there = f"the pictures are 0 to {count - 1}" if count else "this answer has none"
            raise InputError(f"picture {index}: {there}")
        return picture_svg(self.pictures[index])

    def html(self) -> str:
        """Return the whole answer as one page that needs nothing else: no script, no file, no network.

        Examples
        --------
        >>> Explanation("weight", "Why?", "Nothing.").html()[:15]
        '<!DOCTYPE html>'
        """
        return to_html(self)

    def _repr_html_(self) -> str:
        """Show the answer on pages that ask for HTML alone, such as those of Sphinx-Gallery."""
        return to_fragment(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show the answer in a notebook; what is shown is saved with it."""
        bundle = {"text/html": self._repr_html_(), "text/plain": str(self)}
        if self.equations:
            bundle["text/latex"] = f"$$\n{self.latex()}\n$$"
        return bundle
