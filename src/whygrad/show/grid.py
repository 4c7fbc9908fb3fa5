"""Rows of text under headings, as lines of a terminal: names on the left, numbers on the right.

Where the rows are too wide, the widest columns of text are cut with an ellipsis, one may be broken into
lines, and columns that still do not fit are left out and counted.
"""

from dataclasses import dataclass

from whygrad.show.numbers import columns, cut, padded, wrapped

GAP = "   "
SHORTEST = 8  # columns that a text is not cut below


@dataclass(frozen=True)
class Grid:
    """Headings and rows of text; `right` are the columns of numbers, `wrap` one that may be broken."""

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
        lines.append(cut(f"  … and {len(widths) - kept} more columns: {names}", width))
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
        wrapped(text, width) if i == grid.wrap else [cut(text, width)]
        for i, (text, width) in enumerate(zip(row, widths, strict=False))
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
