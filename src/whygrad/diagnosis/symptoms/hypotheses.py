"""All hypotheses: for each its sign, the kind of fault it speaks for, and its test."""

from collections.abc import Callable

import numpy as np

from whygrad.diagnosis.symptoms import of_data, of_layers, of_steps
from whygrad.diagnosis.symptoms.seen import Seen, Shown, Symptom

HYPOTHESES: dict[str, tuple[str, Callable[[Seen], Shown]]] = {
    "inputs_unscaled": ("inputs_unscaled", of_data.inputs_unscaled),
    "targets_unscaled": ("targets_unscaled", of_data.targets_unscaled),
    "output_activation": ("output_activation", of_data.output_activation),
    "linear_hidden": ("activation_hidden", of_layers.linear_hidden),
    "saturation": ("activation_hidden", of_layers.saturation),
    "vanishing_gradients": ("activation_hidden", of_layers.vanishing_gradients),
    "not_finite": ("learning_rate_high", of_steps.not_finite),
    "too_sharp": ("learning_rate_high", of_steps.too_sharp),
    "cost_rises": ("learning_rate_high", of_steps.cost_rises),
    "step_overshoots": ("learning_rate_high", of_steps.step_overshoots),
    "step_long": ("learning_rate_high", of_steps.step_long),
    "units_died": ("learning_rate_high", of_layers.units_died),
    "oscillation": ("learning_rate_high", of_steps.oscillation),
    "exploding_gradients": ("exploding_gradients", of_steps.exploding_gradients),
    "spread_of_start": ("init", of_layers.spread_of_start),
    "initial_cost": ("init", of_layers.initial_cost),
    "batch_large": ("batch", of_steps.batch_large),
    "batch_small": ("batch", of_steps.batch_small),
    "rate_low": ("learning_rate_low", of_steps.rate_low),
    "epochs_few": ("epochs_few", of_steps.epochs_few),
    "dead_units": ("dead_relu", of_layers.dead_units),
    "units_few": ("units_few", of_layers.units_few),
    "dropout": ("dropout", of_layers.dropout),
    "penalty": ("regularization", of_layers.penalty),
    "clipping": ("clipping", of_steps.clipping),
    "overfitting": ("overfitting", of_layers.overfitting),
    "cost": ("cost", of_data.cost),
    "optimizer_slow": ("optimizer", of_steps.optimizer_slow),
    "class_imbalance": ("class_imbalance", of_data.class_imbalance),
    "inputs_ignored": ("inputs_ignored", of_data.inputs_ignored),
    "labels_corrupted": ("labels_corrupted", of_data.labels_corrupted),
}


def signs(seen: Seen) -> list[Symptom]:
    """Return the hypotheses that a training speaks for, the strongest first."""
    with np.errstate(all="ignore"):
        found = [
            Symptom(kind, shown[0], shown[1], sign, shown[2])
            for sign, (kind, test) in HYPOTHESES.items()
            if (shown := test(seen))
        ]
    return sorted(found, key=lambda each: -each.strength)


def symptoms(seen: Seen) -> list[Symptom]:
    """Return the strongest hypothesis of each kind of fault, the strongest first."""
    strongest: dict[str, Symptom] = {}
    for each in signs(seen):
        strongest.setdefault(each.kind, each)
    return list(strongest.values())
