"""What benchmarks are supplied with, from the folder that WHYGRAD_DATA names: MNIST and California housing.

Nothing is fetched. Where a file is missing the benchmark ends at once, with one line that says which.
"""

import os
import sys
from pathlib import Path

from whygrad.errors import FileError
from whygrad.pipeline.datasets import Dataset, load


def mnist() -> Dataset:
    """Return MNIST, or end the benchmark."""
    try:
        return load("mnist", fetch=False)
    except FileError as error:
        hint = (
            ""
            if "WHYGRAD_DATA" in os.environ
            else "; WHYGRAD_DATA names the folder that mnist is in"
        )
        sys.exit(f"{error}{hint}")


def california() -> Path:
    """Return the file of California housing, or end the benchmark."""
    path = Path(os.environ.get("WHYGRAD_DATA", "")) / "california_housing.csv"
    if not path.exists():
        sys.exit(f"{path} is not there: WHYGRAD_DATA names the folder that it is in")
    return path
