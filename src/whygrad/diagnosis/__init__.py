"""Why isn't it learning? What is wrong with a training, with evidence, and a cure that is proven.

    description      a network as it was described, right or wrong
    task             what the targets ask for, and how well outputs do it
    contradictions   what cannot be right: exact, before a step is taken
    symptoms         hypotheses, from numbers that a training has anyway
    cures            what could mend each kind of fault, as changes of a setting
    setting          a training as data, how it is measured, and settings trained side by side
    labels           rows told by networks that were trained without them
    trials           proof: cures trained beside the training as it stands
    pictures         evidence as pictures
    finding          the vocabulary of faults, and one that was found
    subject          what is diagnosed → the training that led to it
    waiting          how far it has come, for those who wait
    checks           what the data show, as lines for the reader
    question         from a training to its diagnosis: `diagnose`
    answer           the same in words
    suspect_labels   which labels may be wrong: `suspect_labels`

Its faces are `diagnose` and `suspect_labels`. It may import `train`, `record` and what is below.
"""

from whygrad.diagnosis.answer import Diagnosis
from whygrad.diagnosis.description import Description, Layer, describe
from whygrad.diagnosis.finding import KINDS, Finding
from whygrad.diagnosis.question import diagnose
from whygrad.diagnosis.suspect_labels import suspect_labels

__all__ = [
    "Description",
    "Diagnosis",
    "Finding",
    "KINDS",
    "Layer",
    "describe",
    "diagnose",
    "suspect_labels",
]
