r"""Text on its way to a terminal: what would steer it, or hide or turn what stands there, is escaped.

Names come from files and folders of anybody. A terminal obeys some of their characters (ESC, BEL, the C1
controls), and others are not seen but change what is: overrides of the direction of writing, characters
without width. All of them leave as JSON writes them, ``\u001b``, so that one function serves for people
and for programs: JSON is the same when it is parsed. A newline and a tab pass; who writes a name within a
line has `answers.formatting.clean` for it.
"""

import json
import re
import sys
from contextlib import suppress
from typing import TextIO

# C0 but newline and tab, DEL, C1; separators of lines; what Unicode calls format controls, but those that
# are seen (signs of Arabic that enclose numbers, say) and the two joiners that scripts and emoji are
# spelled with; halves of surrogate pairs.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""Escape the characters of a text that a reader would obey, or not see.

    >>> visible("red \x1b[31m, turned \u202e, kept é\t重み")
    'red \\u001b[31m, turned \\u202e, kept é\t重み'
    """
    return HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def write(text: str, stream: TextIO) -> None:
    """Write a text to standard output or error: the way of all that rich does not draw."""
    stream.write(visible(text))


def note(message: str) -> None:
    """Write one line from whygrad to standard error, whatever is in the message, if that can be.

    It cannot in a service, or where a terminal was closed.
    """
    stream = sys.stderr
    if stream is not None:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        with suppress(OSError):
            line = f"whygrad: {' '.join(message.split())}\n"
            write(line.encode(encoding, "backslashreplace").decode(encoding), stream)
            stream.flush()
