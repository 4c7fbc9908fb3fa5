"""Whose is the error: error attribution.

`blame` takes the error δ of every unit apart into shares (`shares`), from means over the examples (`flow`).
Doors: `blame`, `flow`, `shares`. Imports from `why` its modules alone, no other folder of it.
"""
