"""Whose is the error: error attribution.

`blame` takes the error δ of every unit apart into shares (`shares`), from means over the examples (`flow`).
Door: `blame`. Imports from `why` its modules alone, no other folder of it.
"""
