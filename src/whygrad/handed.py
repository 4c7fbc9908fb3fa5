"""What lower rooms ask of higher ones: handed in by the package's front, so that no import goes upwards."""

from collections.abc import Callable
from typing import Any

diagnose: Callable[..., Any] | None = None  # `whygrad.diagnosis.diagnose`, for `run.why.learning()`
card: Callable[[Any], str] | None = None  # `whygrad.answers.cards.card`, for what a notebook shows
suspect_labels: Callable[..., Any] | None = None  # for `run.why.labels()`
