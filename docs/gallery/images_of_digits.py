"""MNIST where it is available, and the small digits that come with scikit-learn where it is not."""

from dataclasses import replace

import whygrad as wg
from whygrad.pipeline.datasets import Dataset, load


def digits() -> tuple[Dataset, str]:
    """Return the data, with a test set, and a line that says which they are."""
    try:
        data = load("mnist")
    except wg.WhygradError:
        data = load("digits")
        n = len(data.X) * 4 // 5
        parts = {"X": data.X[:n], "y": data.y[:n], "X_test": data.X[n:], "y_test": data.y[n:]}
        return replace(data, **parts), (
            "MNIST is not available (WHYGRAD_DATA does not lead to it): these are scikit-learn's 8 × 8 "
            "digits, so no figure below can be compared with the book's."
        )
    size = f"{len(data.X)} training images, {len(data.X_test)} test images"
    return data, f"MNIST: {size}."
