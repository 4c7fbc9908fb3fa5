"""Rows of text under headings, as lines of a terminal: names on the left, numbers on the right.

Where the rows are too wide, the widest columns of text are broken between words into lines, so that names
stay whole: two paths that begin alike can be told apart. A word that is too long by itself is cut, and
columns that still do not fit are left out and counted.
"""

from dataclasses import dataclass

from whygrad.answers.formatting import columns, cut, padded, wrapped

GAP = "   "
HANG = "  "  # before the further lines of a cell
SHORTEST = 14  # columns that a text is not made narrower than


@dataclass(frozen=True)
class Grid:
    """Headings and rows of text; `right` are the columns of numbers, `wrap` the first to be narrowed."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    wrap: int = -1


def grid_lines(grid: Grid, width: int) -> list[str]:
    """Lay out the headings and the rows, two columns in from the left.

    >>> for line in grid_lines(Grid(("name", "value"), (("a", "1.5"), ("b", "-2"))), 40): print(line)
      name   value
      a      1.5
      b      -2
    """
    widths = [max(map(columns, texts)) for texts in zip(grid.heads, *grid.rows, strict=True)]
    kept = _fit(grid, widths, width - 2)
    lines = [line for row in (grid.heads, *grid.rows) for line in _row(grid, row, widths[:kept])]
    if kept < len(widths):
        names = ", ".join(grid.heads[kept:])
        left = len(widths) - kept
        more = "1 more column" if left == 1 else f"{left} more columns"
        lines.append(cut(f"  … and {more}: {names}", width))
    return lines


def _fit(grid: Grid, widths: list[int], room: int) -> int:
    """Narrow the widths to the room there is, and give the number of columns that fit."""

    def total(count: int) -> int:
        return sum(widths[:count]) + len(GAP) * (count - 1)

    texts = [i for i in range(len(widths)) if i not in grid.right]
    while texts and total(len(widths)) > room:
        if grid.wrap >= 0 and widths[grid.wrap] > 2 * SHORTEST:
            widest = grid.wrap
        else:
            widest = max(texts, key=lambda i: widths[i])
        if widths[widest] <= SHORTEST:
            break
        widths[widest] -= 1
    count = len(widths)
    while count > 1 and total(count) > room:
        count -= 1
    return count


def _row(grid: Grid, row: tuple[str, ...], widths: list[int]) -> list[str]:
    cells = [
        [cut(line, width) for line in wrapped(text, width, later=HANG)]
        for text, width in zip(row, widths, strict=False)
    ]
    lines = []
    for place in range(max(map(len, cells))):
        texts = [texts[place] if place < len(texts) else "" for texts in cells]
        pieces = (
            padded(t, w, i in grid.right)
            for i, (t, w) in enumerate(zip(texts, widths, strict=True))
        )
        lines.append(f"  {GAP.join(pieces)}".rstrip())
    return lines
