"""A film: a recorded training as one HTML file that plays anywhere, with no server and no request.

The page carries the browser's modules, the header of the recording as JSON, and its states in pieces. What
of names and titles comes from a table is data in it, never markup, and its policy forbids every request.
"""

import zlib
from base64 import b64encode
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.files import refuse_taken, write_atomically
from whygrad.nn import Array
from whygrad.studio.film.bundle import bundle, styles
from whygrad.studio.film.recording import EXAMPLES, Recording, as_json, recording_of
from whygrad.version import __version__

SIZE = 5.0  # MB that a film may have, unless asked otherwise
MB = 1e6
ROOM = 2_000  # bytes for the title and the names of the pieces
ENTRY = "film"  # the module that plays it
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def film(
    x: Any,
    path: str | PathLike[str],
    X: Any = None,
    y: Any = None,
    *,
    examples: int = EXAMPLES,
    size: float = SIZE,
    title: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a recorded training as one HTML file that plays in any browser, without a server.

    It carries the states of the training, evenly chosen so that they fit, some examples, and all that
    computes: units, surfaces, curves and the chain rule of any weight at any step. The states are kept in
    float32, or in float16 where only a few would fit; the page says so. Of an ensemble the first network
    is filmed; `run.member(2)` is another.

    Parameters
    ----------
    x : Run, Fitted, Model, estimator, str or path
        A recorded run or its folder; or a trained network, also one from elsewhere, as it stands.
    path : str or path
        The file to write, whose name ends in .html.
    X, y : rows and targets, optional
        Examples for a network that is no run, as its `why` takes them; a run has its own.
    examples : int, default 40
        How many examples to carry: the most wrong, and some of each class.
    size : float, default 5
        How large the file may be, in MB.
    title : str, optional
        A title; by default the run's name.
    overwrite : bool, default False
        Whether to replace a file that is there.

    Returns
    -------
    pathlib.Path
        The film.

    Raises
    ------
    InputError
        For functions of the user's own, which a browser cannot compute, and where not even two states fit.
    FileError
        For a run that cannot be opened, and a file that is there already or cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import whygrad as wg
    >>> net = wg.Network(2, [wg.Dense(2, "tanh"), wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> with TemporaryDirectory() as folder:
    ...     fitted = wg.train(net, X, Y, epochs=50, record=f"{folder}/xor.run")
    ...     wg.film(f"{folder}/xor.run", f"{folder}/xor.html").stat().st_size < 500_000
    True
    """
    path = Path(path)
    refuse_taken(path, overwrite, ".html")
    _, page = film_page(x, X, y, examples=examples, size=size, title=title)
    write_atomically(path, page.encode())
    return path


def film_page(
    x: Any, X: Any, y: Any, *, examples: int, size: float, title: str
) -> tuple[dict[str, Any], str]:
    """Return the header and the page of a film."""
    if not isinstance(examples, int | np.integer) or isinstance(examples, bool) or examples < 1:
        raise InputError(f"examples is {examples!r}: it must be a whole number of at least 1")
    if not 0 < size < np.inf:
        raise InputError(f"size is {size!r}: it must be a number of MB above 0")
    empty = _page(title, bundle(ENTRY), "", [])
    room = size * MB - len(empty.encode()) - ROOM
    found = recording_of(x, X, y, examples=examples, room=room, title=title)
    header, pieces = _packed(found)
    return header, _page(header["title"], bundle(ENTRY), as_json(header), pieces)


def _packed(found: Recording) -> tuple[dict[str, Any], list[str]]:
    """Return header and pieces in base64, deflated where that is smaller."""
    each = found.header["states"]["each"]
    parts = [found.states[i : i + each] for i in range(0, len(found.states), each)]
    packed, plain = [_deflated(part) for part in parts], [part.tobytes() for part in parts]
    smaller = sum(map(len, packed)) < sum(map(len, plain))
    about = found.header | {"states": {"each": each, "packed": smaller}}
    return about, [b64encode(one).decode() for one in (packed if smaller else plain)]


def _deflated(states: Array) -> bytes:
    """Return states, each xor the one before, byte plane by byte plane, as recording.js unpacks them."""
    width = states.dtype.itemsize
    words = np.ascontiguousarray(states).view(f"<u{width}")
    changed = np.concatenate([words[:1], words[1:] ^ words[:-1]])
    planes = changed.reshape(-1, 1).view(np.uint8).T
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packing.compress(planes.tobytes()) + packing.flush()


def _page(title: str, script: str, header: str, pieces: list[str]) -> str:
    blocks = "".join(
        f'<script type="text/plain" id="whygrad-states-{number}">{piece}</script>\n'
        for number, piece in enumerate(pieces)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="generator" content="whygrad {__version__}">
<title>{escape(title)}</title>
<style>
{styles()}</style>
</head>
<body class="st-film">
<main id="whygrad-film"></main>
<noscript>This film is drawn by a script of its own: allow scripts to see it.</noscript>
<script type="application/json" id="whygrad-header">{header}</script>
{blocks}<script type="module">
{script}
$film.playFilm(document.getElementById("whygrad-film"));
</script>
</body>
</html>
"""
