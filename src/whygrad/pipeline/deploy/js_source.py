"""A `Deployable` → one JavaScript module: the network as data, and the code of `runtime.js` below it.

The code is the same for all networks; what is a stranger's is within string literals. Float32 is rounded by
`Math.fround` after every operation, as a network of that dtype computes.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import SELU_ALPHA, SELU_SCALE
from whygrad.nn.parametric import GELU_CUBIC, GELU_SCALE
from whygrad.pipeline.deploy.form import Choice, Column, Date, Deployable, Proof
from whygrad.pipeline.deploy.normal import MIDDLE, coefficients
from whygrad.pipeline.deploy.source_text import (
    as_plain,
    identifier,
    limit_of,
    numbers,
    presentable,
    wrapped,
)
from whygrad.tables.encoding import BOUND, WEIGHT
from whygrad.version import __version__

RUNTIME = Path(__file__).with_name("runtime.js")
EXACT = 2**53  # whole numbers up to here are numbers of JavaScript


def to_js(given: Deployable, proof: Proof, name: str) -> str:
    """Return the source of a network as an ES module.

    Parameters
    ----------
    given, proof, name
        As of `to_c`.

    Returns
    -------
    str
        ASCII but for the comments of `runtime.js`.

    Raises
    ------
    InputError
        For labels that are whole numbers beyond those of JavaScript.
    """
    for label in given.result.labels:
        if type(label) is int and abs(label) > EXACT:
            raise InputError(f"JavaScript has no whole number as large as the label {label}")
    return "\n".join(_lines(given, presentable(proof), identifier(name, "net")))


def _lines(given: Deployable, proof: Proof, name: str) -> Iterator[str]:
    yield f"// {name}: a trained network as an ES module, written by whygrad {__version__}."
    yield f"// {given.sizes}, in {given.dtype}."
    yield "// import { predict } from this file; prove() compares with what whygrad itself predicted."
    yield ""
    yield "const model = {"
    result = given.result
    places = {column.name: k for k, column in enumerate(given.columns)}
    about = {
        "dtype": given.dtype,
        "inputs": given.n_0,
        "columns": [_column(column) for column in given.columns],
        "turned": [
            {
                "number": _column(one.number),
                "of": [(places[name], factor) for name, factor in one.of],
            }
            for one in given.turned
        ],
        "result": asdict(result)
        | {
            "values": result.values.replace("variable", "values"),
            "threshold": float(np.dtype(given.dtype).type(result.threshold)),
        },
        "selu": {"scale": SELU_SCALE, "alpha": SELU_ALPHA},
        "tiny": float(np.finfo(given.dtype).tiny),
        "gelu": {
            "middle": MIDDLE,
            "P": _gelu(given),
            "scale": GELU_SCALE,
            "cubic": GELU_CUBIC,
        },
        "pieces": {"bound": BOUND, "weight": WEIGHT},
    }
    for key, value in about.items():
        yield f"  {key}: {literal(value)},"
    yield "  layers: ["
    for layer in given.layers:
        yield f"    {{ f: {literal(layer.family)}, parameters: {literal(layer.parameters)},"
        yield f"      blocks: {layer.blocks}, W: ["
        yield wrapped(numbers(layer.W, given.dtype), "      ")
        yield "    ], b: ["
        yield wrapped(numbers(layer.b, given.dtype), "      ")
        yield "    ] },"
    yield "  ],"
    yield "  proof: {"
    yield f"    limit: {literal(limit_of(given, proof))},"
    yield "    rows: ["
    arrays = list(proof.inputs.values())
    for row in range(len(proof)):
        cells = (
            [_cell(array[row]) for array in arrays] if given.columns else arrays[0][row].tolist()
        )
        yield f"      {literal(cells)},"
    yield "    ],"
    yield f"    expected: {literal(proof.values.tolist())},"
    yield f"    labels: {literal(as_plain(proof.labels))},"
    yield "  },"
    yield "};"
    yield ""
    yield RUNTIME.read_text(encoding="utf-8")


def _column(column: Column) -> dict[str, Any]:
    if isinstance(column, Choice):
        return {"kind": "choice"} | asdict(column)
    kind = "date" if isinstance(column, Date) else "number"
    return {"kind": kind, "zeroed": column.zeroed} | asdict(column)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return None if math.isnan(value) else float(value)


def _gelu(given: Deployable) -> list[float]:
    return [*coefficients()] if any(layer.family == "gelu" for layer in given.layers) else []


def literal(value: Any) -> str:
    r"""Return plain data as JavaScript: JSON in ASCII, of which nothing ends a script element.

    >>> print(literal({"a": ["</script>", "é", None]}))
    {"a": ["\u003c/script>", "\u00e9", null]}
    """
    return re.sub("<", r"\\u003c", json.dumps(value, allow_nan=False))
