"""What if: sensitivity (`ripple` moves a weight, bias or input) and ablation (`neuron` silences a unit)."""
