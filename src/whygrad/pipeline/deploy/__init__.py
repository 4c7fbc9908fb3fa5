"""A trained network leaves for another program: ONNX, C99, JavaScript, or tensors with PyTorch's names.

    form          what all of them are written from: `Deployable`, plain data; `Proof`, rows to compare
    building      a network and the encoding of its table → these
    onnx_graph    → operations of ONNX;  onnx_model  → a model, checked by onnxruntime
    sklearn_onnx  → the same within skl2onnx, so that a Pipeline converts
    c_source      → a file of C99;  js_source  → a module, with the code of `runtime.js`
    tensors       → tensors with PyTorch's names, and what they are of; and back
    source_text   names of anybody in source code
    normal        GELU without the error function
    exporting     which of them, by a file's ending

Its face is `write`; `of_table` and `of_network` make what it takes. Doors beside this one: `sklearn_onnx`
and `tensors`. It may import `tables`, `fitted` and what is below. ONNX's libraries are imported where they
are needed.
"""

from whygrad.pipeline.deploy.building import (
    as_labels,
    inputs_or_drawn,
    of_network,
    of_table,
    proof_of_network,
    proof_of_table,
)
from whygrad.pipeline.deploy.exporting import ENDINGS, Exported, check_place, write
from whygrad.pipeline.deploy.form import Deployable, Encoded, Proof, Result, encoded_from_json
from whygrad.pipeline.deploy.onnx_model import ENCODED, checked_model

__all__ = [
    "Deployable",
    "ENCODED",
    "ENDINGS",
    "Encoded",
    "Exported",
    "Proof",
    "Result",
    "as_labels",
    "check_place",
    "checked_model",
    "encoded_from_json",
    "inputs_or_drawn",
    "of_network",
    "of_table",
    "proof_of_network",
    "proof_of_table",
    "write",
]
