"""What a diagnosis can find: the kinds of faults, and one that was found, with its evidence and cure."""

from dataclasses import dataclass, field
from typing import Literal

from whygrad.answers.pictures import Picture

Status = Literal["exact", "proven", "possible"]

KINDS: dict[str, str] = {
    "output_activation": "the output layer cannot say what the targets ask for",
    "output_units": "there are too few or too many output units for the targets",
    "cost": "the cost does not belong to the task, or is computed wrongly",
    "labels_wrong_form": "the targets have the wrong form",
    "labels_shuffled": "inputs say nothing of the targets, or are not in the same order",
    "gradient_wrong": "a derivative does not belong to its function",
    "not_trained": "no step was taken",
    "epochs_few": "there are too few steps",
    "learning_rate_low": "the learning rate is too low for the steps there are",
    "learning_rate_high": "the learning rate is too high",
    "optimizer": "another optimizer gets there",
    "batch": "a batch is too large or too small",
    "inputs_unscaled": "the inputs are of very different or very large size",
    "targets_unscaled": "the targets are of another size than the outputs",
    "activation_hidden": "the hidden activation is the wrong one",
    "dead_relu": "units are off for all rows",
    "units_few": "there are too few hidden units",
    "init": "the weights start at the wrong size, or all alike",
    "dropout": "too much is dropped",
    "regularization": "the penalty is too strong",
    "clipping": "the gradient is clipped at nearly every step",
    "exploding_gradients": "steps are longer than the weights they move",
    "overfitting": "the network learns the rows by heart",
    "class_imbalance": "a rare class is hardly ever told",
    "inputs_ignored": "the outputs do not depend on the inputs, or on some of them",
    "labels_corrupted": "some labels are wrong",
}


@dataclass(frozen=True)
class Finding:
    """A fault, why it is believed, and what mends it.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    status : {"exact", "proven", "possible"}
        A contradiction that needs no training; a cure that a training of its own has proven; or a symptom
        whose cure was not tried, or did not gain enough by more than chance.
    evidence : str
        What was seen, with its numbers and where.
    cure : str
        What to do.
    together : tuple of str
        The kinds whose cures were taken together with it, itself among them, or () for it alone.
    gain : float or None
        By how much the cure, or the cures together, raise the score of rows set aside: accuracy, or R².
    error : float or None
        Its standard error, over paired rows and seeds.
    measure : str
        What the gain is one of, where that is not the score of the task: "balanced accuracy".
    sign : str
        The hypothesis that it was found by, such as "vanishing_gradients"; "" for a contradiction.
    picture : Picture or None
        The evidence as a picture.
    """

    kind: str
    status: Status
    evidence: str
    cure: str
    together: tuple[str, ...] = ()
    gain: float | None = None
    error: float | None = None
    measure: str = ""
    sign: str = ""
    picture: Picture | None = field(default=None, compare=False, repr=False)

    @property
    def said(self) -> str:
        """The fault and its evidence."""
        return f"{KINDS[self.kind]}: {self.evidence}"
