"""Whose fault is it: error attribution. `blame` takes every neuron's error apart into shares."""
