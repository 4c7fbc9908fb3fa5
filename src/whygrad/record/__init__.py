"""A training on disk: the folder `NAME.run`, and what can be asked of it later.

    manifest.json        what was trained, how, with which versions, on which data, and how well
    model.safetensors    the final parameters and the history
    encoding.json        how rows of the table become inputs, and outputs labels or numbers

Nothing is pickled; SHA-256 in the manifest tell when a file was damaged.
"""

from whygrad.record.run import Run, open_run
from whygrad.record.writing import free_name, write

__all__ = ["Run", "free_name", "open_run", "write"]
