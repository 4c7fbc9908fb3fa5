"""Hypotheses: what a training shows that goes with a kind of fault, from numbers that it has anyway.

A symptom proves nothing: it says which cures are worth a trial, and in which order. Each is free of scale:
it compares numbers of one training with each other.

    seen        a training that is over, as its symptoms are read from it
    of_data     hypotheses about inputs, targets and outputs
    of_steps    about rates, batches, epochs and clipping
    of_layers   about starts, activations, sizes, dropout and penalties
    hypotheses  all of them in one table
"""

from whygrad.diagnosis.symptoms.hypotheses import HYPOTHESES, signs, symptoms
from whygrad.diagnosis.symptoms.seen import Seen, Symptom, course, look

__all__ = ["HYPOTHESES", "Seen", "Symptom", "course", "look", "signs", "symptoms"]
