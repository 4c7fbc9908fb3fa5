"""An encoding's columns and classes as the names of a network's inputs and outputs."""

import re

from whygrad.answers.names import AS_IT_IS, Names
from whygrad.tables import Encoding

PIXEL = re.compile(r"row (\d{1,6}), column (\d{1,6})")


def names_of_encoding(encoding: Encoding) -> Names:
    """Return the names of columns and classes; a single output for two classes is named after the second.

    Pixels of an image are named by their row and column.
    """
    target = encoding.target
    classes = tuple(map(str, target.classes))
    outputs = (classes[1:] if target.n_outputs == 1 else classes) if classes else (target.name,)
    two = classes if len(classes) == 2 else ()
    threshold = target.threshold
    pixels = [PIXEL.fullmatch(name) for name in encoding.names]
    if all(pixels):
        height, width = (1 + int(pixels[-1][i]) for i in (1, 2))  # type: ignore[index]
        if height * width == len(pixels):
            return Names((), outputs, (height, width), classes=two, threshold=threshold)
    own = AS_IT_IS if classes else (target.center, target.scale)
    return Names(
        encoding.names,
        outputs,
        None,
        encoding.origins,
        two,
        encoding.scales,
        own,
        threshold=threshold,
    )
