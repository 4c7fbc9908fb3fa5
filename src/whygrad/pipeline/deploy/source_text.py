"""Names and texts of anybody → source code: identifiers, string literals, and comments that stay comments.

Columns and classes are named by strangers. What leaves here is ASCII, ends no string and no comment, is no
trigraph, no directive and no end of a script element.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from whygrad.nn.functions import Array
from whygrad.pipeline.deploy.form import Deployable, Proof

PROVEN = 3  # rows that are written into a file
LONGEST = 1000  # bytes of a text: C99 promises 4095 characters of a literal, a byte may take four
WIDTH = 96  # of a line of numbers
# Words of C and C++, and macros in lower case, that no field may be named.
RESERVED = frozenset(
    """
    alignas alignof and asm assert auto bool break case catch char class complex const constexpr
    continue default delete do double else enum errno explicit export extern false float for friend
    goto i386 if imaginary inline int linux long mutable namespace new not nullptr operator or private
    protected public register requires restrict return setjmp short signbit signed sizeof static
    struct switch template this throw true try typedef typename union unix unsigned using virtual void
    volatile while xor
    """.split()  # noqa: SIM905 — sixty strings in quotes say no more
)


def identifier(name: str, fallback: str = "x") -> str:
    """Return a name as an identifier in small letters, digits and single underscores.

    >>> identifier("Price (EUR)"), identifier("2nd"), identifier("Année"), identifier("int")
    ('price_eur', 'x_2nd', 'annee', 'int_')
    """
    found = re.sub(r"[^a-z0-9]+", "_", _plain(name).lower()).strip("_")[:40].strip("_")
    if not found or found[0].isdigit():
        found = f"{fallback}_{found}".strip("_")
    return f"{found}_" if found in RESERVED else found


def _plain(text: str) -> str:
    """Return a text without the accents of its letters."""
    return re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text))


def identifiers(names: Iterable[str]) -> list[str]:
    """Return names as identifiers of which no two are the same.

    >>> identifiers(["a b", "a-b", "a b 2"])
    ['a_b', 'a_b_2', 'a_b_2_2']
    """
    found: dict[str, None] = {}
    counts: dict[str, int] = {}
    for name in names:
        plain = one = identifier(name)
        while one in found:
            counts[plain] = counts.get(plain, 1) + 1
            one = f"{plain}_{counts[plain]}"
        found[one] = None
    return [*found]


def commented(text: str) -> str:
    """Return a text for within a comment: what could end it, or be seen as code, is an underscore.

    >>> commented('a */ b ??/ "c"')
    'a __ b ___ _c_'
    """
    return re.sub(r"[^A-Za-z0-9 .,:;()=%+'-]", "_", _plain(text))[:200]


def c_string(text: str) -> str:
    r"""Return a text as a string literal of C, in UTF-8.

    >>> print(c_string('a"b??/é'), c_string("\n1"))
    "a\042b\077\077\057\303\251" "\0121"
    """
    content = text.encode("utf-8", "surrogatepass")
    plain = re.compile(rb"[A-Za-z0-9 _.,:;()=+-]")
    return '"' + "".join(
        chr(byte) if plain.fullmatch(bytes([byte])) else f"\\{byte:03o}" for byte in content
    ) + '"'  # fmt: skip


def number(value: float, dtype: str = "float64") -> str:
    """Return the shortest decimal that is read back as this very number.

    >>> number(0.1, "float32"), number(1e30), number(-2.0)
    ('0.1', '1e+30', '-2.0')
    """
    if dtype == "float64":
        return repr(float(value))
    written = str(np.float32(value))
    # What is read as a double first must not be rounded twice to something else.
    return written if np.float32(float(written)) == np.float32(value) else repr(float(value))


def wrapped(items: Sequence[str], indent: str = "    ") -> str:
    """Return items with commas between, in lines of some width."""
    lines, line = [], indent
    for k, item in enumerate(items):
        piece = item + ("," if k + 1 < len(items) else "")
        if len(line) + len(piece) > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += piece + " "
    return "\n".join([*lines, line.rstrip()])


def numbers(array: Array, dtype: str, ending: str = "") -> list[str]:
    """Return the numbers of an array, by rows."""
    return [number(value, dtype) + ending for value in array.ravel()]


def presentable(proof: Proof) -> Proof:
    """Return the first rows of a proof whose texts can be written into a file."""
    bad = np.zeros(len(proof), bool)
    for array in proof.inputs.values():
        if array.dtype == object:
            bad |= np.array([unspeakable(text) for text in array])
    return proof.take(np.flatnonzero(~bad)[:PROVEN])


def unspeakable(text: str) -> bool:
    """Return whether a text is none that C can hold."""
    return "\0" in text or len(text.encode("utf-8", "surrogatepass")) > LONGEST


def as_plain(labels: Array | None) -> list[Any]:
    """Return labels as values of Python's own, [] where there are none."""
    return [] if labels is None else labels.tolist()


def limit_of(given: Deployable, proof: Proof) -> float:
    """Return by how much a file's own proof may be off, for rounding."""
    size = max(1.0, float(np.abs(proof.values).max(initial=0.0)))
    return size * (1e-5 if given.dtype == "float32" else 1e-12)
