"""What if: sensitivity and ablation.

`ripple` moves a weight, bias or input (`perturbation`) and compares with first order; `neuron` ablates a
unit. Doors: `ripple`, `neuron`, `perturbation`. Imports from `why` its modules alone, no other folder of
it.
"""
