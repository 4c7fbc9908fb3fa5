"""An answer as data, with the doors to its forms: text, LaTeX, MathML, SVG, HTML, plain data for JSON.

Nothing is computed there: what is shown was in the answer.
"""

from dataclasses import dataclass
from typing import Any

from whygrad.answers.draw.svg import picture_svg
from whygrad.answers.parts import Answer, Table
from whygrad.answers.write.data import to_dict
from whygrad.answers.write.html import STILL, to_fragment, to_html
from whygrad.answers.write.latex import to_latex
from whygrad.answers.write.mathml import to_mathml
from whygrad.answers.write.text import to_text
from whygrad.errors import InputError, needs
from whygrad.training.frames import data_frame


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
        return picture_svg(self._picture(index))

    def to_frame(self, index: int = 0, backend: str | None = None) -> Any:
        """Return a table of the answer as a data frame; where it has no tables, the terms of its value.

        Parameters
        ----------
        index : int
            Which of `tables`, from 0.
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose frame it is to be; by default the first of them that is installed.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            The table's columns; a heading that is there twice is numbered. `part` is the unit, weight or
            bias that a row speaks of.

        Raises
        ------
        InputError
            There is no such table, or no such backend.

        Examples
        --------
        >>> from whygrad.answers.parts import Term
        >>> found = Explanation("weight", "Why?", "", 0.5, (Term("petal width", 0.75), Term("bias", -0.25)))
        >>> found.to_frame(backend="pyarrow").column("value").to_pylist()
        [0.75, -0.25]
        """
        table = self.tables[index] if 0 <= index < len(self.tables) else None
        if table is None and index == 0 and self.terms:
            rows = tuple((term.name, term.value) for term in self.terms)
            table = Table("", ("name", "value"), rows, tuple(term.part for term in self.terms))
        if table is None:
            raise InputError(f"table {index}: {_there('tables', len(self.tables))}")
        return data_frame(table_columns(table), backend)

    def plot(self, index: int | None = None) -> Any:
        """Draw a picture of curves, bars or images with matplotlib; `svg` draws networks as well.

        Parameters
        ----------
        index : int, optional
            Which of `pictures`, from 0; by default the first that is no network.

        Returns
        -------
        matplotlib.figure.Figure
            A figure that a notebook shows; `savefig` writes it. Its `axes` can be drawn on.

        Raises
        ------
        InputError
            There is no such picture, or matplotlib is not installed.
        """
        needs("matplotlib", "plot()")
        from whygrad.answers.draw.figures import can_be_plotted, picture_figure  # which import it

        if index is None:
            index = next((i for i, p in enumerate(self.pictures) if can_be_plotted(p)), 0)
        picture = self._picture(index)
        if not can_be_plotted(picture):
            raise InputError(
                f"picture {index} is a network, which plot() does not draw: svg({index})"
            )
        return picture_figure(picture)

    def _picture(self, index: int) -> Any:
        if not 0 <= index < len(self.pictures):
            raise InputError(f"picture {index}: {_there('pictures', len(self.pictures))}")
        return self.pictures[index]

    def html(self) -> str:
        """Return the whole answer as one page that needs nothing else: no script, no file, no network.

        Examples
        --------
        >>> Explanation("weight", "Why?", "Nothing.").html()[:15]
        '<!DOCTYPE html>'
        """
        return to_html(self)

    def _repr_html_(self) -> str:
        """Show the answer on pages that ask for HTML alone, such as those of Sphinx-Gallery.

        Pictures and equations are images, which notebooks that nobody trusts yet show as well.
        """
        return to_fragment(self, form=STILL)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show the answer in a notebook; what is shown is saved with it."""
        bundle = {"text/html": self._repr_html_(), "text/plain": str(self)}
        if self.equations:
            bundle["text/latex"] = f"$$\n{self.latex()}\n$$"
        return bundle


def _there(what: str, count: int) -> str:
    return f"the {what} are 0 to {count - 1}" if count else "this answer has none"


def table_columns(table: Table) -> dict[str, list[Any]]:
    """Return the columns of a table by heading: equal ones numbered, an empty one called "name"."""
    found: dict[str, list[Any]] = {}
    for place, heading in enumerate(table.columns):
        wanted = name = heading or "name"
        number = 2
        while name in found:
            name, number = f"{wanted} {number}", number + 1
        found[name] = [row[place] for row in table.rows]
    if table.parts:
        found.setdefault("part", list(table.parts))
    return found
