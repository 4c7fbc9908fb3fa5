"""Colours, in light and in dark, that colour-blind readers can tell apart.

Positive is blue, negative orange and dashed. They are CSS variables, and each is written a second time as
it is in light, for viewers without variables. After Okabe & Ito, Color Universal Design (2008).
"""

from whygrad.answers.pictures import Line

# fmt: off
COLOURS: dict[str, tuple[str, str]] = {  # in light, in dark
    "surface": ("#ffffff", "#15171c"), "raised": ("#f5f6f8", "#1e2128"),
    "ink": ("#1b1f26", "#e9ebef"), "soft": ("#5a6472", "#a6aebb"), "line": ("#d9dde3", "#363c47"),
    "glow": ("#c6cbd3", "#535b69"),
    "input": ("#7c3aed", "#b79dff"), "hidden": ("#15803d", "#5fd38d"), "output": ("#1d4ed8", "#82aaff"),
    "positive": ("#0067a5", "#5ab4ef"), "negative": ("#c2410c", "#ff9a52"),
    "c0": ("#0072b2", "#4aa8e0"), "c1": ("#d55e00", "#f08a3c"), "c2": ("#009e73", "#35c79a"),
    "c3": ("#b8569a", "#dd8fc1"), "c4": ("#c98a00", "#f0b93a"), "c5": ("#3f9fd6", "#9ad4f5"),
    "c6": ("#6d4fc4", "#ab97ee"), "c7": ("#7a828e", "#b5bcc7"), "c8": ("#8a5a2b", "#c99a68"),
    "c9": ("#7f8c00", "#c3cf4d"),
}
# fmt: on
# Pixels are of one colour in light and in dark.
PIXELS = {"input": "#8250f0", "positive": "#1f86c7", "negative": "#e0651a"}
SERIES = 10  # colours for lines and areas
DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 2")  # lengths of dashes and gaps, by stroke
FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif'
MATH_FONT = '"STIX Two Math","Latin Modern Math","Cambria Math","DejaVu Math TeX Gyre",math'


def style(page: bool = False, paper: bool = False) -> str:
    """Return the style sheet of the drawings; on a page it follows the theme of a notebook or site too.

    On `paper` it is light, whatever the theme is.
    """
    light, dark = (_variables(theme) for theme in (0, 1))
    rules = [f".wg{{{light}}}"]
    if not paper:
        rules.append(f"@media(prefers-color-scheme:dark){{.wg{{{dark}}}}}")
    if page:
        rules += [f"{within('light')}{{{light}}}", f"{within('dark')}{{{dark}}}"]
    rules += [
        f"svg.wg{{font-family:{FONT}}}",
        *(f".wg-{name}{{{colour('fill', name)}}}" for name in COLOURS),
        *(f".wg-on-{name}{{{colour('stroke', name)};fill:none}}" for name in COLOURS),
        ".wg-minus{stroke-dasharray:5 3}",
        # So wide that no line is seen to run through the letters.
        ".wg-halo{paint-order:stroke;stroke-width:7px;stroke-linejoin:round;"
        f"{colour('stroke', 'surface')}}}",
        ".wg-bold{font-weight:600}.wg-pixels{image-rendering:pixelated}",
        "svg.wg text{font-variant-numeric:tabular-nums}",
    ]
    return "".join(rules)


def colour(what: str, name: str) -> str:
    """Return a declaration in CSS, for viewers without variables as well.

    >>> colour("fill", "input")
    'fill:#7c3aed;fill:var(--wg-input)'
    """
    return f"{what}:{COLOURS[name][0]};{what}:var(--wg-{name})"


def series(one: Line, i: int, area: bool = False) -> str:
    """Return the name of the colour of line or area number i of a chart.

    >>> import numpy as np
    >>> series(Line("cost", np.zeros(3)), 11), series(Line("decay", np.zeros(3), dashed=True), 0, area=True)
    ('c1', 'ink')
    """
    chosen = i if one.colour is None else one.colour
    if area and one.dashed:
        return "ink"
    return f"c{chosen % SERIES}" if isinstance(chosen, int) else chosen


def within(theme: str, of: str = ".wg") -> str:
    """Return the selectors of drawings on a light or a dark page: of Jupyter, Sphinx, VS Code, Quasar.

    >>> within("dark", ".frame").split(",")[:2]
    ['[data-jp-theme-light="false"] .frame', '[data-theme="dark"] .frame']
    """
    lightness = str(theme == "light").lower()
    pages = (f'[data-jp-theme-light="{lightness}"]', f'[data-theme="{theme}"]',
             f".vscode-{theme}", f".body--{theme}")  # fmt: skip
    return ",".join(f"{page} {of}" for page in pages)


def _variables(theme: int) -> str:
    """Return the colours of a theme, which an image within is told of by `color-scheme`."""
    scheme = f"color-scheme:{('light', 'dark')[theme]};"
    return scheme + ";".join(f"--wg-{name}:{both[theme]}" for name, both in COLOURS.items())
