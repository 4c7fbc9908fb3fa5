"""MNIST where it is at hand, and the small digits that come with scikit-learn where it is not."""

import whygrad as wg
from whygrad.datasets import Dataset, load


def digits() -> tuple[Dataset, str]:
    """Give the data, and a line that says which they are."""
    try:
        data = load("mnist")
    except wg.WhygradError:
        data = load("digits")
        return data, (
            "MNIST is not at hand (WHYGRAD_DATA does not name it): these are scikit-learn's 8 × 8 digits, and no "
            "figure below is to be compared with the book's."
        )
    return data, f"MNIST: {len(data.X)} images to learn from, {len(data.X_test)} to be tested on."
