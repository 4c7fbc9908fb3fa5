"""MNIST where it is at hand, and the small digits that come with scikit-learn where it is not."""

from dataclasses import replace

import whygrad as wg
from whygrad.pipeline.datasets import Dataset, load


def digits() -> tuple[Dataset, str]:
    """Return the data, with a part to test on, and a line that says which they are."""
    try:
        data = load("mnist")
    except wg.WhygradError:
        data = load("digits")
        n = len(data.X) * 4 // 5
        parts = {"X": data.X[:n], "y": data.y[:n], "X_test": data.X[n:], "y_test": data.y[n:]}
        return replace(data, **parts), (
            "MNIST is not at hand (WHYGRAD_DATA does not name it): these are scikit-learn's 8 × 8 "
            "digits, and no figure below is to be compared with the book's."
        )
    size = f"{len(data.X)} images to learn from, {len(data.X_test)} to be tested on"
    return data, f"MNIST: {size}."
