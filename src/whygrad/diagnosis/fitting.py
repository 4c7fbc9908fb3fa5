"""Settings trained from several seeds, all side by side."""

import warnings
from collections.abc import Sequence

import numpy as np

from whygrad.diagnosis.setting import Setting
from whygrad.fitted import Fitted
from whygrad.train import train_many


def fit_all(settings: Sequence[Setting], seeds: Sequence[int]) -> list[list[Fitted]]:
    """Return what each setting's training gives from each seed; Ctrl-C ends them all."""
    ready = [setting.arguments(seed) for setting in settings for seed in seeds]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fits = train_many(ready)
    if any(fit.history.stopped.startswith("interrupted") for fit in fits):
        raise KeyboardInterrupt
    S = len(seeds)
    return [fits[i * S : (i + 1) * S] for i in range(len(settings))]
